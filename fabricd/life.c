/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Signs of life: who has seen a host alive, and when. They stand in its incident's time line, and
 * against a person who vouches that it is off.
 *
 * Power that is on, and was on all the time, is none (S7); power that comes is one. What the switch
 * said before it saw the power go is over.
 */
#include <inttypes.h>
#include <stdio.h>

#include "fabricd/state.h"

void life_power(struct fabric *f, struct fabric_host *host, const struct provider_host_state *now)
{
	const struct provider_host_state *was = &host->as.state;

	if (!now->power_known)
		return;
	if (!now->power)
		host->power_gone_ms = f->now_ms;
	else if (was->power_known && !was->power)
		host->power_came_ms = f->now_ms;
}

void life_agent(struct fabric *f, struct fabric_host *host, const char *what)
{
	host->agent_ms = f->now_ms;
	host->agent_what = what;
}

/* Two reads, however far apart: what is counted between them the host has sent. */
void life_traffic(struct fabric *f, struct fabric_host *host,
		  const struct provider_completion *done)
{
	if (host->sent_read && done->traffic_known && done->traffic > host->sent_count)
		host->sent_ms = f->now_ms;
	host->sent_read = done->traffic_known;
	host->sent_count = done->traffic;
}

struct sign {
	uint64_t ms;
	const char *by; /* "its agent beat by" */
	const char *way;
};

static void sign_take(struct sign *last, uint64_t ms, const char *by, const char *way)
{
	if (ms > last->ms)
		*last = (struct sign){ ms, by, way };
}

static struct sign sign_last(const struct fabric_host *host)
{
	struct sign last = { 0 };

	for (size_t i = 0; i < BEAT_WAYS && host->beats.ways[i].name[0]; i++)
		sign_take(&last, host->beats.ways[i].heard_ms, "it beat by ",
			  host->beats.ways[i].name);
	sign_take(&last, host->live.last_beat_ms, "it beat", "");
	sign_take(&last, host->agent_ms, "its agent ", host->agent_what);
	sign_take(&last, host->sent_ms, "its port counted what it sent", "");
	sign_take(&last, host->traffic.moved_ms, "its port counted what it sent", "");
	sign_take(&last, host->power_came_ms, "the switch saw its power come", "");
	return last;
}

bool life_seen(const struct fabric *f, const struct fabric_host *host, uint64_t since_ms,
	       char who[static LIFE_WHO_MAX])
{
	struct sign last = sign_last(host);

	if (last.ms <= since_ms || last.ms <= host->power_gone_ms)
		return false;
	(void)snprintf(who, LIFE_WHO_MAX, "%s%s %" PRIu64 ".%03u s ago", last.by, last.way,
		       (f->now_ms - last.ms) / 1000, (unsigned)((f->now_ms - last.ms) % 1000));
	return true;
}

uint64_t life_counts_from(const struct fabric *f, const struct fabric_incident *incident)
{
	const struct live_config live = live_config_of(f);
	uint64_t window = live_window_ms(&live);
	uint64_t before = f->now_ms > window ? f->now_ms - window : 0;

	return incident->blocked_ms < before ? incident->blocked_ms : before;
}

void life_say(struct fabric *f, struct fabric_incident *incident, const struct fabric_host *host)
{
	const struct beat_way *ways = host->beats.ways;

	for (size_t i = 0; i < BEAT_WAYS && ways[i].name[0]; i++)
		incident_step(f, incident, "witness",
			      "beats by %s: %" PRIu64 ", the last %" PRIu64 " ms ago", ways[i].name,
			      ways[i].count, f->now_ms - ways[i].heard_ms);
	if (host->unopened)
		incident_step(f, incident, "witness",
			      "%" PRIu64 " datagram%s in its name since then, under no key that "
			      "counts: was it enrolled anew?",
			      host->unopened, host->unopened == 1 ? "" : "s");
	if (host->agent_ms)
		incident_step(f, incident, "witness", "its agent %s %" PRIu64 " ms ago",
			      host->agent_what, f->now_ms - host->agent_ms);
	if (host->hint_ms > host->live.last_beat_ms)
		incident_step(f, incident, "witness", "a hint, %" PRIu64 " ms ago: %s",
			      f->now_ms - host->hint_ms, host->hint_what);
}
