/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "failover/liveness.h"

#include <string.h>

#include "common/defect.h"

static uint64_t elapsed_ms(uint64_t since_ms, uint64_t now_ms)
{
	return now_ms > since_ms ? now_ms - since_ms : 0;
}

/* Two beats are missing, and the second of them by half a beat: no jitter looks like it. Always
 * before the verdict, however few beats the window has. */
static uint64_t suspicion_ms(const struct live_config *config)
{
	uint64_t half = config->interval_ms / 2;
	uint64_t two_beats = 2 * (uint64_t)config->interval_ms + half;
	uint64_t window = live_window_ms(config);

	return two_beats < window ? two_beats : window - half;
}

/* From where the window of @host counts. */
static uint64_t silent_since_ms(const struct live_host *host)
{
	return host->last_beat_ms > host->fresh_ms ? host->last_beat_ms : host->fresh_ms;
}

static bool is_due(const struct live_host *host, const struct live_config *config, uint64_t now_ms)
{
	return elapsed_ms(silent_since_ms(host), now_ms) >= live_window_ms(config);
}

/* S4. Beats are out of phase: of hosts that fell silent together one is due up to a beat before
 * the last, so those within one beat of the verdict count too. */
static bool is_near(const struct live_host *host, const struct live_config *config, uint64_t now_ms)
{
	return elapsed_ms(silent_since_ms(host), now_ms) + config->interval_ms >=
	       live_window_ms(config);
}

/* S7: what the witness of @host says, where policy asks it. */
static enum live_witness witness_heard(const struct live_host *host,
				       const struct live_config *config)
{
	return config->policy == LIVE_WITNESS_NONE ? LIVE_CANNOT_TELL : host->witness;
}

static void hosts_refresh(struct live_host *const *hosts, size_t count, uint64_t now_ms)
{
	for (size_t i = 0; i < count; i++)
		hosts[i]->fresh_ms = now_ms;
}

uint64_t live_window_ms(const struct live_config *config)
{
	return (uint64_t)config->interval_ms * config->missed;
}

void live_beat(struct live_host *host, const struct live_config *config, uint64_t received_ms)
{
	bool broken = !host->alive_since_ms ||
		      elapsed_ms(host->last_beat_ms, received_ms) > suspicion_ms(config);

	/* A beat that was overtaken on its way proves nothing that is not known. */
	if (received_ms < host->last_beat_ms)
		return;
	if (broken)
		host->alive_since_ms = received_ms;
	host->last_beat_ms = received_ms;
}

void live_watch(struct live_host *host, uint64_t now_ms)
{
	host->watched = true;
	host->suspect = false;
	host->fresh_ms = now_ms;
}

void live_unwatch(struct live_host *host)
{
	host->watched = false;
	host->suspect = false;
	host->alive_since_ms = 0; /* S11: what it was before it was fenced counts no more */
}

bool live_is_steady(const struct live_host *host, const struct live_config *config,
		    unsigned windows, uint64_t now_ms)
{
	if (!host->watched || !host->alive_since_ms)
		return false;
	if (elapsed_ms(host->last_beat_ms, now_ms) >= suspicion_ms(config))
		return false;
	return elapsed_ms(host->alive_since_ms, now_ms) >= windows * live_window_ms(config);
}

void live_chassis_start(struct live_chassis *chassis, struct live_host *const *hosts, size_t count,
			uint64_t now_ms)
{
	hosts_refresh(hosts, count, now_ms);
	chassis->judging = true;
	chassis->last_judge_ms = now_ms;
	chassis->quiet_since_ms = now_ms;
}

void live_chassis_stop(struct live_chassis *chassis)
{
	chassis->judging = false;
}

/* S3: the manager itself did not run, or cannot write down what it would decide. */
static bool was_stalled(const struct live_chassis *chassis, const struct live_config *config,
			uint64_t now_ms, uint64_t db_waits_since_ms)
{
	if (elapsed_ms(chassis->last_judge_ms, now_ms) > config->interval_ms)
		return true;
	return db_waits_since_ms && elapsed_ms(db_waits_since_ms, now_ms) > config->interval_ms;
}

/* Suspicion is news, not a verdict: it is told in HOLD and in quiet too. Only a beat ends it. */
static enum live_verdict suspicion_judge(struct live_host *host, const struct live_config *config,
					 uint64_t now_ms)
{
	uint64_t limit = suspicion_ms(config);

	if (!host->watched)
		return LIVE_NOTHING;
	if (host->suspect) {
		if (!host->last_beat_ms || elapsed_ms(host->last_beat_ms, now_ms) >= limit)
			return LIVE_NOTHING;
		host->suspect = false;
		return LIVE_RECOVERED;
	}
	if (elapsed_ms(silent_since_ms(host), now_ms) < limit)
		return LIVE_NOTHING;
	host->suspect = true;
	return LIVE_SUSPECTED;
}

/* S4, and the last sentence of S7. */
static bool is_storm(const struct live_config *config, struct live_host *const *hosts, size_t count,
		     uint64_t now_ms)
{
	size_t watched = 0;
	size_t silent = 0;

	for (size_t i = 0; i < count; i++) {
		enum live_witness witness = witness_heard(hosts[i], config);

		/* One that is proved dead says nothing about why others are silent, nor does one
		 * that somebody works at. */
		if (!hosts[i]->watched || hosts[i]->aside || witness == LIVE_SAYS_DEAD)
			continue;
		watched++;
		silent += DEFECT(OVERDUE_ALONE) ? is_due(hosts[i], config, now_ms)
						: is_near(hosts[i], config, now_ms);
		/* It lives, and we do not hear it: we are the ones who are cut off. */
		if (witness == LIVE_SAYS_ALIVE && is_due(hosts[i], config, now_ms))
			return true;
	}
	return silent && silent >= config->storm_min &&
	       silent * 100 >= watched * config->storm_percent;
}

static bool breaker_judge(struct live_chassis *chassis, const struct live_config *config,
			  struct live_host *const *hosts, size_t count, uint64_t now_ms)
{
	bool hold = is_storm(config, hosts, count, now_ms);

	if (hold == chassis->hold)
		return false;
	/* Who came back last may be just short of its first beat. */
	if (!hold && !DEFECT(GRACE_KEPT))
		hosts_refresh(hosts, count, now_ms);
	chassis->hold = hold;
	return true;
}

static enum live_verdict death_judge(const struct live_host *host, const struct live_config *config,
				     bool hold, uint64_t now_ms)
{
	enum live_witness witness = witness_heard(host, config);
	bool due = is_due(host, config, now_ms);

	if (!host->watched)
		return LIVE_NOTHING;
	switch (config->policy) {
	case LIVE_WITNESS_ALL: /* silence is a witness of its own, and none alone is enough */
		return due && witness == LIVE_SAYS_DEAD ? LIVE_DEAD_PROVED : LIVE_NOTHING;
	case LIVE_WITNESS_ANY:
		if (witness == LIVE_SAYS_DEAD)
			return LIVE_DEAD_PROVED;
		break; /* one that says alive stops a verdict by the breaker, see is_storm() */
	case LIVE_WITNESS_NONE:
		break;
	}
	return due && !hold ? LIVE_DEAD : LIVE_NOTHING;
}

bool live_judge(struct live_chassis *chassis, const struct live_config *config,
		struct live_host *const *hosts, size_t count, uint64_t now_ms,
		uint64_t db_waits_since_ms, enum live_verdict *verdicts)
{
	bool stalled = was_stalled(chassis, config, now_ms, db_waits_since_ms);
	bool changed;

	for (size_t i = 0; i < count; i++)
		verdicts[i] = LIVE_NOTHING;
	chassis->last_judge_ms = now_ms;
	if (!chassis->judging)
		return false;
	if (stalled) {
		hosts_refresh(hosts, count, now_ms);
		chassis->quiet_since_ms = now_ms;
	}
	for (size_t i = 0; i < count; i++)
		verdicts[i] = suspicion_judge(hosts[i], config, now_ms);
	if (elapsed_ms(chassis->quiet_since_ms, now_ms) < live_window_ms(config))
		return false;
	changed = breaker_judge(chassis, config, hosts, count, now_ms);
	for (size_t i = 0; i < count; i++) {
		enum live_verdict death = death_judge(hosts[i], config, chassis->hold, now_ms);

		if (death != LIVE_NOTHING)
			verdicts[i] = death;
	}
	return changed;
}

static void sooner(uint64_t *next_ms, uint64_t at_ms, uint64_t judged_ms)
{
	/* What had come by the last look was said then. */
	if (at_ms > judged_ms && at_ms < *next_ms)
		*next_ms = at_ms;
}

uint64_t live_next_ms(const struct live_chassis *chassis, const struct live_config *config,
		      struct live_host *const *hosts, size_t count, uint64_t now_ms)
{
	uint64_t judged = chassis->last_judge_ms;
	uint64_t next = UINT64_MAX;
	bool watching = false;

	(void)now_ms; /* what is overdue is answered with a time in the past: at once */
	if (!chassis->judging)
		return UINT64_MAX;
	for (size_t i = 0; i < count; i++) {
		uint64_t since = silent_since_ms(hosts[i]);
		uint64_t due = since + live_window_ms(config);

		if (!hosts[i]->watched)
			continue;
		watching = true;
		sooner(&next, since + suspicion_ms(config), judged);
		sooner(&next, due - config->interval_ms, judged);
		sooner(&next, due, judged);
	}
	if (!watching)
		return UINT64_MAX;
	sooner(&next, chassis->quiet_since_ms + live_window_ms(config), judged);
	/* S3 tells a stalled loop by the gap between two looks: a quiet one must look all the same,
	 * twice in a beat. */
	sooner(&next, judged + (config->interval_ms + 1) / 2, judged);
	return next;
}

bool live_rate_allows(const struct live_rate *rate, unsigned limit, uint32_t window_ms,
		      uint64_t now_ms)
{
	unsigned recent = 0;

	for (unsigned i = 0; i < rate->count; i++)
		recent += elapsed_ms(rate->at_ms[i], now_ms) < window_ms;
	return recent < limit;
}

void live_rate_note(struct live_rate *rate, uint64_t now_ms)
{
	if (rate->count == LIVE_RATE_MAX) {
		rate->count--;
		memmove(rate->at_ms, rate->at_ms + 1, rate->count * sizeof(rate->at_ms[0]));
	}
	rate->at_ms[rate->count++] = now_ms;
}

enum live_witness live_witness_of(bool power_known, bool power, bool link)
{
	if (power_known && !power)
		return LIVE_SAYS_DEAD;
	return link ? LIVE_CANNOT_TELL : LIVE_SAYS_DEAD;
}
