/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether somebody is wanted, and for what: one sentence for each host, and for the fabric.
 *
 * Health is not ok while one of them holds, and next.c has what is to be typed. Nothing is decided
 * here, and nothing is done.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fabricd/state.h"

bool provider_answers(const struct fabric_provider *p)
{
	return provider_is_usable(p) && p->state != PROVIDER_SLOW;
}

bool host_is_silent(const struct fabric *f, const struct fabric_host *host)
{
	const struct live_config live = live_config_of(f);
	uint64_t since_ms = host->live.last_beat_ms;

	if (since_ms < f->started_ms)
		since_ms = f->started_ms; /* what it said before was said to another */
	return host->has_beaten && f->io.now_ms(f->io.arg) > since_ms + live_window_ms(&live);
}

bool host_has_two_agents(const struct fabric *f, const struct fabric_host *host)
{
	const struct live_config live = live_config_of(f);

	return host->former.back_ms &&
	       f->io.now_ms(f->io.arg) <= host->former.back_ms + live_window_ms(&live);
}

bool host_is_left_by_drill(const struct fabric *f, const struct fabric_host *host)
{
	const struct fabric_incident *incident =
		host->incident ? fabric_incident_find(f, host->incident) : NULL;

	return host->state == FABRIC_HOST_FENCED && incident && incident->row.drill &&
	       incident->row.state == DB_INCIDENT_DONE;
}

bool host_is_dead_at_work(const struct fabric *f, const struct fabric_host *host)
{
	return host->state == FABRIC_HOST_MAINTENANCE && host->functions && host_is_silent(f, host);
}

/* ---- who is not judged ---- */

static bool is_unjudged(const struct fabric *f, const struct fabric_host *host,
			char why[static DB_TEXT_MAX])
{
	const struct fabric_provider *p = provider_of_host(f, host);

	if (f->frozen)
		(void)snprintf(why, DB_TEXT_MAX, "fabricd is frozen");
	else if (f->restored)
		(void)snprintf(why, DB_TEXT_MAX,
			       "the database was restored from a backup, and not adopted");
	else if (p && !provider_is_usable(p))
		(void)snprintf(why, DB_TEXT_MAX, "its switch is away (provider %s: %s)", p->name,
			       provider_state_text(p->state));
	else if (!p || !host->present)
		(void)snprintf(why, DB_TEXT_MAX, "its switch does not show it");
	else
		return false;
	return true;
}

bool fabric_host_unjudged(const struct fabric *f, const struct fabric_host *host,
			  char why[static DB_TEXT_MAX])
{
	uint64_t ago_ms = f->io.now_ms(f->io.arg) - host->live.last_beat_ms;
	size_t length;

	if (host->beat_by_ms) {
		(void)snprintf(
			why, DB_TEXT_MAX,
			"it has not beaten since it was readmitted, and has its time for that");
		return true;
	}
	if (host->state == FABRIC_HOST_UNKNOWN && !host->has_beaten && host->functions &&
	    !host->cold.incident) {
		(void)snprintf(why, DB_TEXT_MAX, "it has never beaten");
		return true;
	}
	if (host->state != FABRIC_HOST_ALIVE && host->state != FABRIC_HOST_SUSPECT &&
	    host->state != FABRIC_HOST_QUARANTINED)
		return false;
	if (!is_unjudged(f, host, why))
		return false;
	length = strlen(why);
	if (host_is_silent(f, host) && host->live.last_beat_ms)
		(void)snprintf(why + length, DB_TEXT_MAX - length,
			       "; last beat %" PRIu64 ".%" PRIu64 " s ago", ago_ms / 1000,
			       ago_ms % 1000 / 100);
	else if (host_is_silent(f, host))
		(void)snprintf(why + length, DB_TEXT_MAX - length, "; no beat since the start");
	return true;
}

/* ---- for what ---- */

static bool is_blocked(const struct fabric *f, const struct fabric_host *host)
{
	(void)f;
	return host->state == FABRIC_HOST_BLOCKED;
}

static bool is_stuck(const struct fabric *f, const struct fabric_host *host)
{
	return host->state == FABRIC_HOST_FENCING && !provider_answers(provider_of_host(f, host));
}

static bool waits(const struct fabric *f, const struct fabric_host *host)
{
	const struct fabric_incident *incident =
		host->incident ? fabric_incident_find(f, host->incident) : NULL;

	return incident && incident->row.state == DB_INCIDENT_WAITING;
}

/* S4, S5: nothing is done about it yet. */
static bool is_held(const struct fabric *f, const struct fabric_host *host)
{
	return host->state == FABRIC_HOST_SUSPECT && host_is_silent(f, host);
}

/* In the order of their urgency. */
static const struct {
	bool (*holds)(const struct fabric *f, const struct fabric_host *host);
	const char *before; /* its name */
	const char *behind;
} wants[] = {
	{ is_blocked, "", " is blocked: its fence is not proved, and nothing of it moves" },
	{ is_stuck, "", " is being fenced, and its switch does not answer" },
	{ waits, "what ", " had waits for a spare" },
	{ host_is_dead_at_work, "",
	  " is silent, and nobody takes over while it is in maintenance" },
	{ is_held, "", " is silent for longer than its window, and not failed over yet" },
	{ host_has_two_agents, "two agents beat as ", ", under two boot ids" },
	{ host_is_left_by_drill, "a drill has left ", " fenced" },
};
enum { WANTS = sizeof(wants) / sizeof(wants[0]) };

static unsigned want_count(const struct fabric *f, unsigned want, const struct fabric_host **first)
{
	unsigned count = 0;

	for (size_t i = 0; i < f->hosts.count; i++) {
		const struct fabric_host *host = f->hosts.at[i];

		if (!wants[want].holds(f, host))
			continue;
		if (!count++)
			*first = host;
	}
	return count;
}

static bool host_want_say(const struct fabric *f, char why[static DB_TEXT_MAX])
{
	const struct fabric_host *first = NULL;

	for (unsigned i = 0; i < WANTS; i++) {
		unsigned count = want_count(f, i, &first);
		char others[32] = "";

		if (!count)
			continue;
		if (count > 1)
			(void)snprintf(others, sizeof(others), "; likewise %u more", count - 1);
		(void)snprintf(why, DB_TEXT_MAX, "%s%s%s%s", wants[i].before, first->name,
			       wants[i].behind, others);
		return true;
	}
	return false;
}

bool somebody_is_wanted(const struct fabric *f, char why[static DB_TEXT_MAX])
{
	if (host_want_say(f, why))
		return true;
	for (size_t i = 0; i < f->provider_count; i++) {
		const struct fabric_provider *p = f->providers[i];

		if (!provider_is_usable(p) || p->state != PROVIDER_SLOW)
			continue;
		(void)snprintf(why, DB_TEXT_MAX, "provider %s: %s: it owes an answer", p->name,
			       provider_state_text(p->state));
		return true;
	}
	return false;
}
