/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a switch says of a host that is silent (S7): its power, its link, and whether anything comes
 * from it. The first two are told unasked; the counter of its port is read while its beats are
 * missing, and of nobody else.
 */
#include <inttypes.h>
#include <stdio.h>

#include "common/defect.h"
#include "common/log.h"
#include "fabricd/state.h"

void host_witness(struct fabric *f, struct fabric_host *host)
{
	const struct live_config live = live_config_of(f);

	host->live.witness = live_witness_of(host->as.state.power_known, host->as.state.power,
					     host->as.state.link);
	if (host->live.witness == LIVE_CANNOT_TELL && !DEFECT(TRAFFIC_IGNORED))
		host->live.witness =
			live_traffic_says(&host->traffic, &host->live, &live, f->now_ms);
	night_witness(f, host);
}

static bool is_unheard(const struct fabric *f, const struct fabric_host *host)
{
	return f->config.witness != CONFIG_WITNESS_NONE && host->live.watched &&
	       host->live.suspect && host->live.witness == LIVE_SAYS_ALIVE;
}

const struct fabric_host *witness_unheard(const struct fabric *f, const struct chassis *c)
{
	for (size_t i = 0; i < c->host_count; i++)
		if (is_unheard(f, c->hosts[i]))
			return c->hosts[i];
	return NULL;
}

/* Said once in each silence. */
static void unheard_tell(struct fabric *f, struct fabric_host *host)
{
	if (!is_unheard(f, host) || host->unheard_ms > host->live.last_beat_ms)
		return;
	host->unheard_ms = f->now_ms;
	log_warning("host %s: does not beat, but sends: it is not heard here", host->name);
	history_event(f, "host.unheard", host->name,
		      "silent for %" PRIu64 " ms, but its port has counted %" PRIu64
		      " more from it: it lives, and is not heard",
		      f->now_ms - host->live.last_beat_ms, host->traffic.increment);
}

uint64_t witnesses_advance(struct fabric *f, struct chassis *c, const struct live_config *live)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < c->host_count; i++) {
		struct fabric_host *host = c->hosts[i];
		uint64_t due;

		if (host->traffic.asked_ms)
			host_witness(f, host);
		unheard_tell(f, host);
		due = live_traffic_due_ms(&host->traffic, &host->live, live);
		/* What cannot be asked now is tried again with the next look. */
		if (due <= f->now_ms) {
			(void)host_look(f, host);
			continue;
		}
		if (due < next)
			next = due;
	}
	return next;
}

void witness_completed(struct fabric *f, struct fabric_host *host,
		       const struct provider_completion *done)
{
	const struct live_config live = live_config_of(f);

	if (done->outcome == PROVIDER_DONE)
		live_traffic_take(&host->traffic, &host->live, &live, done->traffic_known,
				  done->traffic, f->now_ms);
	else
		live_traffic_lose(&host->traffic);
	host_witness(f, host);
	f->judge_ms = 0; /* when the next one is due depends on it */
}

void witnesses_void(struct fabric_provider *p)
{
	for (size_t i = 0; i < p->host_count; i++) {
		if (!p->hosts[i])
			continue;
		live_traffic_forget(&p->hosts[i]->traffic);
		p->hosts[i]->sent_read = false;
		p->hosts[i]->hint_attempt = 0; /* its answer counts no more, if one comes */
	}
}

const char *fabric_host_traffic_text(const struct fabric_host *host)
{
	const struct live_traffic *t = &host->traffic;

	if (!t->asked_ms || t->asked_ms <= host->live.last_beat_ms)
		return NULL;
	if (t->is_untold)
		return "not-counted";
	if (t->moved_ms)
		return "moves";
	return t->readings > 1 ? "stands" : NULL;
}

void witness_say(const struct fabric_host *host, char out[static DB_TEXT_MAX])
{
	static const char *const texts[] = {
		[LIVE_CANNOT_TELL] = "the switch cannot tell",
		[LIVE_SAYS_ALIVE] = "the switch says: alive",
		[LIVE_SAYS_DEAD] = "the switch says: dead",
	};
	const char *traffic = fabric_host_traffic_text(host);
	int n = snprintf(out, DB_TEXT_MAX, "%s", texts[host->live.witness]);

	if (traffic)
		(void)snprintf(out + n, DB_TEXT_MAX - (size_t)n,
			       "; traffic from it: %s, read %" PRIu32 " times", traffic,
			       host->traffic.readings);
}
