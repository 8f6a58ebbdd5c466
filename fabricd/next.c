/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the person on duty may type next: whole command lines, from the state of things as they are
 * now. Nothing is decided here, and nothing is done.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fabricd/state.h"

struct list {
	const struct fabric *f;
	struct fabric_next *out;
	size_t count;
};

/* The command's text follows @when's; both are cut when longer. */
__attribute__((format(printf, 3, 4))) static void list_add(struct list *list, const char *when,
							   const char *format, ...)
{
	struct fabric_next *next = &list->out[list->count];
	va_list args;

	if (list->count == FABRIC_NEXT_MAX)
		return;
	*next = (struct fabric_next){ 0 };
	(void)snprintf(next->when, sizeof(next->when), "%s", when);
	va_start(args, format);
	(void)vsnprintf(next->command, sizeof(next->command), format, args);
	va_end(args);
	for (size_t i = 0; i < list->count; i++)
		if (next->command[0] && !strcmp(list->out[i].command, next->command))
			return; /* by two ways: once suffices */
	list->count++;
}

/* ---- a fabric that is frozen: all that changes anything is refused ---- */

static void next_of_frozen(struct list *list)
{
	switch (list->f->frozen_by) {
	case FREEZE_DISK:
		list_add(list,
			 "the disk of the database: make room, see its errors (dmesg); then it "
			 "goes on by itself",
			 "df -h");
		break;
	case FREEZE_GENERATION:
		list_add(list,
			 "another manager, or another database, is in charge of this switch: find "
			 "it, stop one of the two, and start this one again with the right one",
			 "systemctl restart fabricd");
		break;
	case FREEZE_EARLIER:
		list_add(list,
			 "this database is an earlier state of itself: stop fabricd, put the later "
			 "file back; if it is lost, restore this one, so that it counts from above",
			 "fabricctl db restore FILE");
		break;
	case FREEZE_OWN:
		list_add(list, "keep the journal and the database, report it; then",
			 "systemctl restart fabricd");
		break;
	}
	list_add(list, "why, and since when", "journalctl -u fabricd -p warning");
}

/* Of what would go on otherwise. */
static void next_of_standing(struct list *list)
{
	list_add(list, "fabricd is frozen, and goes on with nothing: see what is to be done",
		 "fabricctl health");
}

/* ---- a host whose fence is not proved ---- */

static void next_of_switch(struct list *list, const struct fabric_host *host)
{
	const struct fabric_provider *p = provider_of_host(list->f, host);
	char when[FABRIC_NEXT_TEXT_MAX];

	if (!p || provider_answers(p))
		return;
	(void)snprintf(when, sizeof(when),
		       "its switch does not answer (provider %s: %s): see why; then it is fenced "
		       "by itself",
		       p->name, provider_state_text(p->state));
	list_add(list, when, "fabricctl health");
}

static void next_of_blocked(struct list *list, const struct fabric_incident *incident,
			    const struct fabric_host *host)
{
	const struct fabric *f = list->f;
	char when[FABRIC_NEXT_TEXT_MAX];
	char who[LIFE_WHO_MAX];

	next_of_switch(list, host);
	if (host_beats(f, host))
		list_add(list, "it lives: let it in as it is", "fabricctl host readmit %s",
			 host->name);
	if (life_seen(f, host, life_counts_from(f, incident), who))
		(void)snprintf(when, sizeof(when),
			       "it is to be off, but %s: take its power away; a moment later", who);
	else
		(void)snprintf(when, sizeof(when),
			       "it is dead: take its power away by hand, look that it is off, "
			       "and vouch for that");
	list_add(list, when, "fabricctl host fence-confirm %s --incident %" PRIu64, host->name,
		 incident->row.id);
}

/* ---- functions that find no spare ---- */

static bool may_be_spare(const struct fabric_host *host, const struct fabric_host *dead)
{
	return host != dead && host->present && !host->functions && host->as.vports &&
	       host->provider == dead->provider;
}

static void next_of_candidate(struct list *list, const struct fabric_host *host)
{
	switch (host->state) {
	case FABRIC_HOST_ALIVE:
		if (!host->spare)
			list_add(list, "it is alive and holds nothing: make it a spare",
				 "fabricctl host set %s --spare on", host->name);
		break;
	case FABRIC_HOST_MAINTENANCE:
		if (host->spare)
			list_add(list, "a spare, once nobody works at it any more",
				 "fabricctl host maintenance %s off", host->name);
		break;
	case FABRIC_HOST_QUARANTINED:
		if (host->spare)
			list_add(list, "a spare, once it is mended: it flapped",
				 "fabricctl host readmit %s", host->name);
		break;
	case FABRIC_HOST_FENCED:
		if (host_beats(list->f, host))
			list_add(list, "it beats again; then it can be made a spare",
				 "fabricctl host readmit %s", host->name);
		break;
	case FABRIC_HOST_UNKNOWN:
	case FABRIC_HOST_SUSPECT:
	case FABRIC_HOST_FENCING:
	case FABRIC_HOST_BLOCKED:
	case FABRIC_HOST_STATES:
		break;
	}
}

static void next_of_waiting(struct list *list, const struct fabric_host *dead)
{
	const struct fabric *f = list->f;

	for (size_t i = 0; i < f->hosts.count; i++)
		if (may_be_spare(f->hosts.at[i], dead))
			next_of_candidate(list, f->hosts.at[i]);
	if (host_beats(f, dead))
		list_add(list, "it beats again: let it in with what it has",
			 "fabricctl host readmit %s", dead->name);
	if (!list->count)
		list_add(list, "see why each spare was passed over; it goes on when one is fit",
			 "fabricctl host list --spare true");
}

/* ---- by state ---- */

static void next_of_incident(struct list *list, const struct fabric_incident *incident)
{
	const struct fabric_host *host = incident->host;

	if (!host)
		return;
	switch (incident->row.state) {
	case DB_INCIDENT_BLOCKED:
		next_of_blocked(list, incident, host);
		break;
	case DB_INCIDENT_WAITING:
		next_of_waiting(list, host);
		break;
	case DB_INCIDENT_MOVING:
		if (host->functions && incident->row.change)
			list_add(list, "why what has not moved did not; it is tried again",
				 "fabricctl change show %" PRIu64, incident->row.change);
		break;
	case DB_INCIDENT_DONE:
		if (host->state == FABRIC_HOST_FENCED && host->incident == incident->row.id)
			list_add(list, "it is mended and may come back",
				 "fabricctl host readmit %s", host->name);
		break;
	case DB_INCIDENT_FENCING:
		next_of_switch(list, host);
		break;
	case DB_INCIDENT_STATES:
		break;
	}
}

/* S4, S5: silent, and nothing is done about it. */
/* Anybody may send such: it says where to look, no more. */
static void next_of_unopened(struct list *list, const struct fabric_host *host)
{
	char when[FABRIC_NEXT_TEXT_MAX];

	if (!host->unopened || host_beats(list->f, host))
		return;
	(void)snprintf(when, sizeof(when),
		       "%" PRIu64 " datagram%s came in the name of %.63s since it was last heard, "
		       "under no key that counts: does its agent have the last one that it was "
		       "enrolled with? Else give it a new one",
		       host->unopened, host->unopened == 1 ? "" : "s", host->name);
	list_add(list, when, "fabricctl host enroll %s --force", host->name);
}

static void next_of_suspect(struct list *list, const struct fabric_host *host)
{
	if (host->state == FABRIC_HOST_SUSPECT)
		next_of_unopened(list, host);
	if (host->state == FABRIC_HOST_SUSPECT && host_is_silent(list->f, host))
		list_add(list, "it is dead, and not only unheard: fail it over by hand",
			 "fabricctl host failover %s", host->name);
}

/* S13: while somebody works at it nobody takes over what it has, or is about to have. */
static void next_of_maintenance(struct list *list, const struct fabric_host *host)
{
	char when[FABRIC_NEXT_TEXT_MAX];
	uint64_t change = 0;
	unsigned count = host_awaits(host, &change);

	(void)snprintf(when, sizeof(when),
		       "%u function%s on the way to it, and nobody takes over: wait for that, and "
		       "drain it before you work there",
		       count, count == 1 ? " is" : "s are");
	if (count)
		list_add(list, when, "fabricctl change wait %" PRIu64, change);
	if (host->functions && host_is_silent(list->f, host))
		list_add(list, "it is dead: a spare takes over what it has",
			 "fabricctl host failover %s", host->name);
	(void)snprintf(when, sizeof(when),
		       "it holds %u function%s, and nobody takes over: before you work there",
		       host->functions, host->functions == 1 ? "" : "s");
	if (host->functions && !host_is_silent(list->f, host))
		list_add(list, when, "fabricctl host drain %s --wait 60", host->name);
	list_add(list, "nobody works at it any more", "fabricctl host maintenance %s off",
		 host->name);
}

/* Nobody takes over what it has or is given before that. */
static void next_of_awaited(struct list *list, const struct fabric_host *host)
{
	uint64_t now_ms = list->f->io.now_ms(list->f->io.arg);
	uint64_t left_ms = host->beat_by_ms > now_ms ? host->beat_by_ms - now_ms : 0;
	char when[FABRIC_NEXT_TEXT_MAX];

	if (!host->beat_by_ms)
		return;
	(void)snprintf(when, sizeof(when),
		       "on %.63s, which was readmitted and does not beat: its first beat is waited "
		       "for, %" PRIu64 " s more; then it is judged as silent",
		       host->name, left_ms / 1000);
	list_add(list, when, "systemctl status fabric-agent");
}

static const struct fabric_incident *incident_of(const struct fabric *f,
						 const struct fabric_host *host)
{
	return host->incident ? fabric_incident_find(f, host->incident) : NULL;
}

/* Both count: while the wrong one beats, the host is not silent. */
static void next_of_two_agents(struct list *list, const struct fabric_host *host)
{
	if (host_has_two_agents(list->f, host))
		list_add(list,
			 "two agents beat as it: find the other machine and stop that agent; a new "
			 "key for the right one shuts the other out",
			 "fabricctl host enroll %s", host->name);
}

/* Its state is of when it was judged last. */
static void next_of_unjudged(struct list *list, const struct fabric_host *host)
{
	char when[FABRIC_NEXT_TEXT_MAX];
	char why[DB_TEXT_MAX];

	if (host->beat_by_ms || !fabric_host_unjudged(list->f, host, why))
		return;
	if (host->state == FABRIC_HOST_UNKNOWN) {
		list_add(list,
			 "it has never beaten, and nobody would notice its death: on that host, "
			 "start its agent",
			 "systemctl enable --now fabric-agent");
		return;
	}
	(void)snprintf(when, sizeof(when), "it is not judged: %.120s; see what is to be done", why);
	list_add(list, when, "fabricctl health");
}

static void next_of_host(struct list *list, const struct fabric_host *host)
{
	const struct fabric_incident *incident = incident_of(list->f, host);

	next_of_unjudged(list, host);
	next_of_two_agents(list, host);
	if (incident)
		next_of_incident(list, incident);
	else if (host->state == FABRIC_HOST_FENCED)
		list_add(list, "it is mended and may come back", "fabricctl host readmit %s",
			 host->name);
	if (host->state == FABRIC_HOST_QUARANTINED)
		list_add(list, "what makes it come and go is mended", "fabricctl host readmit %s",
			 host->name);
	if (host->state == FABRIC_HOST_MAINTENANCE)
		next_of_maintenance(list, host);
	if (host->state != FABRIC_HOST_SUSPECT)
		next_of_unopened(list, host);
	next_of_suspect(list, host);
	next_of_awaited(list, host);
}

size_t fabric_incident_next(const struct fabric *f, const struct fabric_incident *incident,
			    struct fabric_next out[static FABRIC_NEXT_MAX])
{
	struct list list = { .f = f, .out = out };

	if (!f->frozen)
		next_of_incident(&list, incident);
	else if (incident->row.state != DB_INCIDENT_DONE)
		next_of_standing(&list);
	return list.count;
}

size_t fabric_host_next(const struct fabric *f, const struct fabric_host *host,
			struct fabric_next out[static FABRIC_NEXT_MAX])
{
	struct list list = { .f = f, .out = out };

	if (!f->frozen)
		next_of_host(&list, host);
	else if (host_is_shut(host))
		next_of_standing(&list);
	else
		next_of_unjudged(&list, host);
	return list.count;
}

static void next_of_drilled(struct list *list, const struct fabric_host *host)
{
	if (host_is_left_by_drill(list->f, host))
		list_add(list, "a drill has left it fenced; it may come back",
			 "fabricctl host readmit %s", host->name);
}

/* One that has just connected is read, and needs nobody. */
static void next_of_provider(struct list *list, const struct fabric_provider *p)
{
	char when[FABRIC_NEXT_TEXT_MAX];

	if (p->clashes || provider_answers(p) || p->state == PROVIDER_SETTLING ||
	    p->state == PROVIDER_READY)
		return;
	(void)snprintf(when, sizeof(when),
		       "provider %.63s: %s: its program, and the way to its switch; what waits for "
		       "it goes on by itself",
		       p->name, provider_state_text(p->state));
	list_add(list, when, "systemctl status 'fabric-provider-*' 'fabricsim@*'");
}

/* Two chassis have one number, and a record would be of both. */
static void next_of_clash(struct list *list, const struct fabric_provider *p)
{
	char when[FABRIC_NEXT_TEXT_MAX];

	(void)snprintf(when, sizeof(when),
		       "provider %.24s: its chassis has the number of another one: give it a "
		       "\"number\" of its own in its chassis file and start its provider again; "
		       "then look again",
		       p->name);
	list_add(list, when, "fabricctl health");
}

/* Another chassis than the one that had its number; a person may say that it is to be that. */
static void next_of_stranger(struct list *list, const struct fabric_provider *p)
{
	char when[FABRIC_NEXT_TEXT_MAX];

	(void)snprintf(when, sizeof(when),
		       "provider %.24s stands in the place of the one that was chassis %u: what "
		       "would be taken in; then without --dry-run",
		       p->name, p->stranger);
	list_add(list, when, "fabricctl adopt --dry-run");
}

size_t fabric_health_next(const struct fabric *f, struct fabric_next out[static FABRIC_NEXT_MAX])
{
	struct list list = { .f = f, .out = out };
	struct fabric_health health;

	if (f->frozen) {
		next_of_frozen(&list);
		return list.count;
	}
	fabric_health_get(f, &health);
	for (size_t i = 0; i < f->provider_count; i++)
		if (f->providers[i]->stranger)
			next_of_stranger(&list, f->providers[i]);
		else if (f->providers[i]->clashes)
			next_of_clash(&list, f->providers[i]);
	for (size_t i = 0; i < f->provider_count; i++)
		next_of_provider(&list, f->providers[i]);
	if (health.ready && (f->restored || !health.adopted)) /* it is refused before */
		list_add(&list, "look at what would be taken as the truth; then without --dry-run",
			 "fabricctl adopt --dry-run");
	for (size_t i = 0; i < f->incident_count; i++) {
		const struct fabric_incident *incident = f->incidents[i];

		if (incident->row.state == DB_INCIDENT_BLOCKED ||
		    incident->row.state == DB_INCIDENT_WAITING)
			next_of_incident(&list, incident);
	}
	for (size_t i = 0; i < f->hosts.count; i++) {
		const struct fabric_host *host = f->hosts.at[i];

		if (host_is_dead_at_work(f, host))
			next_of_maintenance(&list, host);
		next_of_suspect(&list, host);
		next_of_two_agents(&list, host);
		next_of_drilled(&list, host);
	}
	return list.count;
}
