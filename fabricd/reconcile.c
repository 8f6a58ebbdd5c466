/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Observed against desired: every difference has a name, is told, and is mended where policy says
 * so and where it is ours to mend. What someone else bound is never touched.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/defect.h"
#include "common/log.h"
#include "fabricd/state.h"

enum { REPAIRS_AT_ONCE = 512, RETRY_MAX_MS = 300000 };

static const char *const kinds[] = {
	[DIFFERENCE_MISSING] = "missing",          [DIFFERENCE_FOREIGN] = "foreign",
	[DIFFERENCE_SUPERSEDED] = "foreign",       [DIFFERENCE_STALE] = "stale",
	[DIFFERENCE_DRIFTED] = "drifted-identity", [DIFFERENCE_LEFTOVER] = "drifted-identity",
	[DIFFERENCE_IN_DOUBT] = "in-doubt",        [DIFFERENCE_UNTOLD] = "in-doubt",
};

static enum difference difference_assigned(const struct fabric *f, const struct fabric_function *fn)
{
	const struct provider_binding *now = &fn->as.now;

	if (!now->host)
		return DIFFERENCE_MISSING;
	if (!fn->host->present || now->host != fn->host->as.handle || now->vport != fn->vport ||
	    (fn->generation && now->generation != fn->generation))
		return binding_is_given(f, fn, now) ? DIFFERENCE_SUPERSEDED : DIFFERENCE_FOREIGN;
	if (fn->as.identity_can && !identity_is_equal(&now->identity, &fn->identity))
		return DIFFERENCE_DRIFTED;
	return DIFFERENCE_SAME;
}

enum difference difference_of(const struct fabric *f, const struct fabric_function *fn)
{
	if (fn->item)
		return fn->doubt ? DIFFERENCE_IN_DOUBT : DIFFERENCE_SAME;
	if (!fn->present || !fn->as.now.present)
		return fn->host ? DIFFERENCE_STALE : DIFFERENCE_SAME;
	if (fn->as.now.unknown && !fabric_function_is_kept(fn))
		return DIFFERENCE_UNTOLD; /* S1: what cannot be told is not missing */
	if (fn->host)
		return difference_assigned(f, fn);
	if (fn->as.now.host && !fabric_function_is_kept(fn))
		return binding_is_given(f, fn, &fn->as.now) ? DIFFERENCE_SUPERSEDED
							    : DIFFERENCE_FOREIGN;
	if (fn->highest && fn->as.identity_can && !identity_is_empty(&fn->as.now.identity))
		return DIFFERENCE_LEFTOVER;
	return DIFFERENCE_SAME;
}

/* Whose switch is not read, so that nothing can be said of @fn; NULL: it is. A function that nobody
 * has shown since the start may be any provider's. */
static const struct fabric_provider *unread(const struct fabric *f,
					    const struct fabric_function *fn)
{
	const struct fabric_provider *own = provider_of_function(f, fn);

	for (size_t i = 0; i < f->provider_count; i++) {
		const struct fabric_provider *p = f->providers[i];

		if (!p->scanned && (p == own || (!own && !fn->present)))
			return p;
	}
	return NULL;
}

static const char *seen_at(const struct fabric *f, const struct fabric_function *fn, char *text,
			   size_t size)
{
	const struct fabric_host *at = function_place(f, fn);
	const struct fabric_provider *away = unread(f, fn);

	if (away)
		(void)snprintf(text, size, "provider %s is not %s", away->name,
			       away->connected ? "read" : "connected");
	else if (!fn->present)
		(void)snprintf(text, size, "the adapter is not there");
	else if (fn->as.now.unknown)
		(void)snprintf(text, size, "%s does not answer, it may have it",
			       at ? at->name : "a host");
	else if (!at)
		(void)snprintf(text, size, "the switch shows it nowhere");
	else if (binding_is_elsewhere(at, &fn->as.now))
		(void)snprintf(text, size, "it is on %s, outside of its virtual switch", at->name);
	else
		(void)snprintf(text, size,
			       "the switch shows it at %s vport %u, generation %" PRIu64, at->name,
			       fn->as.now.vport, fn->as.now.generation);
	return text;
}

void foreign_say(const struct fabric *f, const struct fabric_function *fn,
		 char out[static DB_TEXT_MAX])
{
	const struct fabric_host *at = function_place(f, fn);
	char seen[128];

	if (at && binding_is_elsewhere(at, &fn->as.now))
		(void)snprintf(out, DB_TEXT_MAX,
			       "it is on %s outside of its virtual switch, and only %s can let it "
			       "go",
			       at->name, at->name);
	else
		(void)snprintf(out, DB_TEXT_MAX,
			       "%s, by someone else; run fabricctl adopt first: it takes what the "
			       "switch shows",
			       seen_at(f, fn, seen, sizeof(seen)));
}

void fabric_differences(const struct fabric *f,
			void (*fn)(void *arg, const struct fabric_difference *d), void *arg)
{
	for (size_t i = 0; i < f->functions.count; i++) {
		const struct fabric_function *one = f->functions.at[i];
		enum difference kind = difference_of(f, one);
		struct fabric_difference d;
		char seen[128];

		if (kind == DIFFERENCE_SAME)
			continue;
		d.kind = kinds[kind == DIFFERENCE_STALE && unread(f, one) ? DIFFERENCE_UNTOLD
									  : kind];
		d.subject = one->name;
		if (one->host)
			(void)snprintf(d.detail, sizeof(d.detail), "assigned to %s vport %u; %s",
				       one->host->name, one->vport,
				       seen_at(f, one, seen, sizeof(seen)));
		else
			(void)snprintf(d.detail, sizeof(d.detail), "assigned to nobody; %s",
				       seen_at(f, one, seen, sizeof(seen)));
		fn(arg, &d);
	}
}

/* ---- repair ---- */

/* A failover's or a repair's own waiting: 1, 2, 4 ... times the first wait. */
void function_retry_later(struct fabric *f, struct fabric_function *fn)
{
	uint64_t wait = (uint64_t)f->config.repair_retry_ms
			<< (fn->retries < 10 ? fn->retries : 10);

	fn->retry_ms = f->now_ms + (wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS);
	fn->retries++;
}

/* Not heard, or without power: what is bound to it then is bound in vain, and in the way of a
 * failover. One that has never beaten is made ready before it boots. */
static bool is_away(const struct fabric_host *host)
{
	return host->has_beaten && (host->state == FABRIC_HOST_SUSPECT || host->live.suspect ||
				    (host->as.state.power_known && !host->as.state.power));
}

static bool is_mendable(const struct fabric *f, const struct fabric_function *fn)
{
	const struct fabric_provider *p = provider_of_function(f, fn);

	if (fn->item || fn->bad || !p || !p->reconciled || card_withheld(fn))
		return false;
	switch (difference_of(f, fn)) {
	case DIFFERENCE_MISSING:
	case DIFFERENCE_SUPERSEDED:
	case DIFFERENCE_DRIFTED:
		return !fn->host ||
		       (host_is_open(fn->host) && fn->host->present && !is_away(fn->host));
	case DIFFERENCE_LEFTOVER:
		return true;
	case DIFFERENCE_SAME:
	case DIFFERENCE_FOREIGN:
	case DIFFERENCE_STALE:
	case DIFFERENCE_IN_DOUBT:
	case DIFFERENCE_UNTOLD:
		break;
	}
	return false;
}

static void repair_fill(struct fabric *f, struct fabric_change *change, struct fabric_function *fn)
{
	struct fabric_item *item = &change->items[change->item_count++];
	const struct fabric_provider *p = provider_of_function(f, fn);
	uint16_t at = fn->as.now.host;

	change_fill(f, item, fn->host ? DB_OP_MOVE : DB_OP_RELEASE, fn, fn->host, fn->vport,
		    &fn->identity);
	if (at && at <= p->host_count && p->hosts[at - 1]) {
		(void)snprintf(item->row.from_host, sizeof(item->row.from_host), "%s",
			       p->hosts[at - 1]->name);
		item->row.from_vport = fn->as.now.vport;
	}
	function_retry_later(f, fn);
}

static void repair(struct fabric *f, struct fabric_function **fns, size_t count)
{
	struct fabric_change *change = change_make(f, DB_CHANGE_REPAIR, count);
	char text[256];

	if (!change || change_keep(f, change)) {
		freeze(f, "out of memory");
		return;
	}
	for (size_t i = 0; i < count; i++) {
		log_warning("function %s: %s: %s; it is mended", fns[i]->name,
			    kinds[difference_of(f, fns[i])],
			    seen_at(f, fns[i], text, sizeof(text)));
		repair_fill(f, change, fns[i]);
	}
	change_store_intent(f, change);
}

void reconcile_advance(struct fabric *f)
{
	struct fabric_function *fns[REPAIRS_AT_ONCE];
	uint64_t next = UINT64_MAX;
	size_t count = 0;

	if (f->now_ms < f->reconcile_ms)
		return;
	f->reconcile_ms = UINT64_MAX;
	if (f->frozen || (!f->adopted && !DEFECT(REPAIR_RESTORED)) || !f->config.repair ||
	    f->change_running >= FABRIC_RUNNING_MAX)
		return;
	for (size_t i = 0; i < f->functions.count; i++) {
		struct fabric_function *fn = f->functions.at[i];

		if (!is_mendable(f, fn))
			continue;
		if (fn->retry_ms > f->now_ms || count == REPAIRS_AT_ONCE) {
			if (fn->retry_ms < next)
				next = fn->retry_ms;
			continue;
		}
		fns[count++] = fn;
	}
	if (next < f->now_ms + 10)
		next = f->now_ms + 10;
	f->reconcile_ms = next;
	if (count)
		repair(f, fns, count);
}

void function_noticed(struct fabric *f, struct fabric_function *fn)
{
	uint64_t when = fn->retry_ms > f->now_ms ? fn->retry_ms : f->now_ms;

	if (is_mendable(f, fn) && when < f->reconcile_ms)
		f->reconcile_ms = when;
}

/* ---- after a scan ---- */

static void say_difference(void *arg, const struct fabric_difference *d)
{
	struct fabric *f = arg;

	log_warning("function %s: %s: %s", d->subject, d->kind, d->detail);
	history_event(f, "function.difference", d->subject, "%s: %s", d->kind, d->detail);
}

/* A readmitted host has its time, and a cold spare that was one is off on purpose. */
static bool is_to_be_judged(const struct fabric *f, const struct fabric_host *host)
{
	return host->has_beaten && !host_is_shut(host) && !host->beat_by_ms &&
	       !(host->state == FABRIC_HOST_UNKNOWN && cold_is_off(f, host));
}

/* S6: from here on hosts are judged, each with a full fresh window. */
static void judging_start(struct fabric_provider *p)
{
	struct fabric *f = p->f;

	for (size_t i = 0; i < f->chassis_count; i++) {
		struct chassis *c = &f->chassis[i];

		if (c->provider != p->number)
			continue;
		for (size_t n = 0; n < c->host_count; n++)
			if (is_to_be_judged(f, c->hosts[n]))
				live_watch(c->lives[n], f->now_ms);
		live_chassis_start(&c->live, c->lives, c->host_count, f->now_ms);
		night_begin(f, c);
	}
	f->judge_ms = f->now_ms;
}

void reconcile_provider(struct fabric_provider *p)
{
	struct fabric *f = p->f;

	f->reconcile_ms = f->now_ms;
	look(f);
	if (p->reconciled)
		return;
	p->reconciled = true;
	p->was_reconciled = true;
	incidents_resume(f, p);
	adopt_when_empty(f);
	judging_start(p);
	fabric_differences(f, say_difference, f);
	log_notice("provider %s: reconciled", p->name);
	history_event(f, "provider.reconciled", p->name, "%zu functions", p->function_count);
}
