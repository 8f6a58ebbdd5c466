/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "failover/traffic.h"

enum { SLOW_MS = 60000 };

/* Of this silence, and of no earlier one. */
static bool is_of_now(const struct live_traffic *traffic, const struct live_host *host)
{
	return traffic->asked_ms > host->last_beat_ms;
}

/* So that two readings, a beat apart, fit in before the verdict, and a beat that is a little late
 * leads to none: with the suspicion, or half a beat after the first that is missing. */
static uint64_t silence_ms(const struct live_config *config)
{
	uint64_t interval = config->interval_ms;
	uint64_t latest = live_window_ms(config) - interval - interval / 2;
	uint64_t suspicion = 2 * interval + interval / 2;

	return suspicion < latest ? suspicion : latest;
}

uint64_t live_traffic_due_ms(const struct live_traffic *traffic, const struct live_host *host,
			     const struct live_config *config)
{
	uint64_t since = host->last_beat_ms > host->fresh_ms ? host->last_beat_ms : host->fresh_ms;
	uint64_t due = since + silence_ms(config);
	uint64_t next;

	if (!host->watched || host->aside || host->witness == LIVE_SAYS_DEAD ||
	    config->policy == LIVE_WITNESS_NONE || traffic->is_asked)
		return UINT64_MAX;
	if (due < traffic->slow_until_ms)
		due = traffic->slow_until_ms;
	if (!is_of_now(traffic, host))
		return due;
	if (traffic->is_untold)
		return UINT64_MAX;
	next = (traffic->read_ms > traffic->asked_ms ? traffic->read_ms : traffic->asked_ms) +
	       config->interval_ms;
	return next > due ? next : due;
}

void live_traffic_ask(struct live_traffic *traffic, const struct live_host *host, uint64_t now_ms)
{
	if (!is_of_now(traffic, host))
		*traffic = (struct live_traffic){ .slow_until_ms = traffic->slow_until_ms };
	traffic->is_asked = true;
	traffic->asked_ms = now_ms;
}

void live_traffic_take(struct live_traffic *traffic, const struct live_host *host,
		       const struct live_config *config, bool known, uint64_t count,
		       uint64_t now_ms)
{
	bool has_before = traffic->read_ms != 0;

	traffic->is_asked = false;
	if (now_ms > traffic->asked_ms + config->interval_ms)
		traffic->slow_until_ms = now_ms + SLOW_MS;
	/* It has beaten meanwhile: what came from it may be that. */
	if (!is_of_now(traffic, host))
		return;
	traffic->is_untold = !known;
	if (!known)
		return;
	traffic->readings++;
	if (has_before && count > traffic->count) {
		traffic->moved_ms = traffic->asked_ms;
		traffic->increment = count - traffic->count;
	} else if (has_before && count == traffic->count) {
		/* Within less than a beat a host may well send nothing. */
		if (traffic->asked_ms < traffic->read_ms + config->interval_ms)
			return;
		traffic->moved_ms = 0;
	} else {
		traffic->moved_ms = 0;
	}
	traffic->count = count;
	traffic->read_ms = now_ms;
}

void live_traffic_lose(struct live_traffic *traffic)
{
	traffic->is_asked = false;
}

void live_traffic_forget(struct live_traffic *traffic)
{
	*traffic = (struct live_traffic){ 0 };
}

enum live_witness live_traffic_says(const struct live_traffic *traffic,
				    const struct live_host *host, const struct live_config *config,
				    uint64_t now_ms)
{
	if (traffic->moved_ms <= host->last_beat_ms) /* or is 0 */
		return LIVE_CANNOT_TELL;
	return now_ms - traffic->moved_ms < live_window_ms(config) ? LIVE_SAYS_ALIVE
								   : LIVE_CANNOT_TELL;
}
