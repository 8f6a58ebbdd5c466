/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Adoption: what the switch shows becomes what is wanted, once, because a person says so, or
 * because a new database has met a switch that shows nothing.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "fabricd/state.h"

static bool is_bound_by_others(const struct fabric *f)
{
	for (size_t i = 0; i < f->functions.count; i++) {
		const struct fabric_function *fn = f->functions.at[i];

		if (!fn->item && fn->present && !function_is_nowhere(fn) && !fn->host &&
		    !fabric_function_is_kept(fn))
			return true;
	}
	return false;
}

static void adopted_store(struct fabric *f)
{
	const struct db_number row = { .name = "adopted", .value = 1 };

	f->adopted = true;
	f->restored = false;
	db_put_number(batch_open(f), &row);
}

/* S20: the switch holds it off, and this database knows of no fence: an earlier life's, or another
 * database's. Nobody else would ever let it in again. */
static bool is_held_off(const struct fabric_host *host)
{
	return host->present && host->as.state.isolated && !host_is_shut(host);
}

/* They count as fenced, once that is proved, until somebody readmits them. Return: how many. */
static size_t held_off_take(struct fabric *f, bool dry_run, uint32_t uid)
{
	size_t count = 0;

	for (size_t i = 0; i < f->hosts.count; i++) {
		struct fabric_host *host = f->hosts.at[i];

		if (!is_held_off(host))
			continue;
		count++;
		if (!dry_run)
			(void)incident_start(f, host, uid, "adopted: the switch has it isolated");
	}
	return count;
}

void adopt_when_empty(struct fabric *f)
{
	if (f->adopted)
		return;
	for (size_t i = 0; i < f->provider_count; i++)
		if (!f->providers[i]->reconciled)
			return;
	if (f->restored) {
		log_warning("fabric: the database was restored from a backup; nothing is repaired "
			    "before `fabricctl adopt`");
		return;
	}
	if (is_bound_by_others(f)) {
		log_warning("fabric: the switch shows bindings that this database does not know; "
			    "nothing is repaired before `fabricctl adopt`");
		return;
	}
	adopted_store(f);
	(void)held_off_take(f, false, 0); /* they are told of one by one */
}

/* Assigned by a restored database, and bound nowhere: released since, as far as anyone knows. */
static bool is_lost(const struct fabric *f, const struct fabric_function *fn)
{
	enum difference kind = difference_of(f, fn);

	return f->restored && fn->host && !fn->item &&
	       (kind == DIFFERENCE_MISSING || kind == DIFFERENCE_STALE);
}

static void release_lost(struct fabric *f, struct fabric_function *fn, uint32_t uid)
{
	history_audit(f, uid, "adopt", fn->name, 0, "released from %s vport %u: bound nowhere",
		      fn->host->name, fn->vport);
	function_own(fn, NULL, 0);
	fn->identity = (struct identity){ 0 };
	fn->generation = fn->highest;
	db_remove_assignment(batch_open(f), fn->name);
}

/* Its identity lives on another function that is, or is about to be, taken in. */
static const struct fabric_function *adoption_clash(const struct fabric *f,
						    const struct fabric_function *fn)
{
	for (size_t i = 0; i < f->functions.count; i++) {
		const struct fabric_function *o = f->functions.at[i];
		const struct identity *its = o->is_taken ? &o->as.now.identity : &o->identity;

		if (o != fn && (o->is_taken || (o->host && !is_lost(f, o))) &&
		    identity_is_clash(its, &fn->as.now.identity))
			return o;
	}
	return NULL;
}

static void adopt_one(struct fabric *f, struct fabric_function *fn, struct fabric_host *host,
		      uint32_t uid)
{
	struct db_function function = { .bad = fn->bad };
	struct db_assignment row = { .vport = fn->as.now.vport,
				     .generation = fn->as.now.generation,
				     .state = DB_ASSIGNMENT_BOUND,
				     .identity = fn->as.now.identity };

	function_own(fn, host, fn->as.now.vport);
	seen_look(f, host);
	fn->identity = fn->as.now.identity;
	fn->assigned = DB_ASSIGNMENT_BOUND;
	fn->generation = fn->as.now.generation;
	if (fn->highest < fn->generation)
		function_lead(fn, fn->generation, host, fn->vport);
	function_given(fn, fn->generation);
	function.generation = fn->highest;
	(void)snprintf(function.name, sizeof(function.name), "%s", fn->name);
	(void)snprintf(row.function, sizeof(row.function), "%s", fn->name);
	(void)snprintf(row.host, sizeof(row.host), "%s", host->name);
	db_put_function(batch_open(f), &function);
	db_put_assignment(batch_open(f), &row);
	history_audit(f, uid, "adopt", fn->name, 0, "at %s vport %u, generation %" PRIu64,
		      host->name, row.vport, row.generation);
}

/* What the switch shows and this database does not have. */
static bool is_adoptable(const struct fabric *f, const struct fabric_function *fn)
{
	enum difference kind = difference_of(f, fn);

	if (kind == DIFFERENCE_DRIFTED && !f->restored)
		return false;
	return fn->as.now.host && !fn->item &&
	       (kind == DIFFERENCE_FOREIGN || kind == DIFFERENCE_SUPERSEDED ||
		kind == DIFFERENCE_DRIFTED);
}

/* Before anything is taken in: what they held is then free. Return: how many. */
static size_t lost_release(struct fabric *f, bool dry_run, uint32_t uid, struct fabric_plan *out)
{
	size_t before = out->item_count;

	for (size_t i = 0; i < f->functions.count; i++) {
		struct fabric_function *fn = f->functions.at[i];
		struct fabric_plan_item *item = &out->items[out->item_count];

		if (!is_lost(f, fn))
			continue;
		out->item_count++;
		item->row.op = DB_OP_RELEASE;
		item->row.state = DB_CHANGE_DONE;
		(void)snprintf(item->row.function, sizeof(item->row.function), "%s", fn->name);
		item->steps[0] = "release it: the switch shows it nowhere";
		if (!dry_run)
			release_lost(f, fn, uid);
	}
	return out->item_count - before;
}

static struct fabric_host *place_of(const struct fabric *f, const struct fabric_function *fn)
{
	const struct fabric_provider *p = provider_of_function(f, fn);
	uint16_t host = fn->as.now.host;

	return p && host && host <= p->host_count ? p->hosts[host - 1] : NULL;
}

/* It can be taken in as far as it alone is concerned. */
static bool is_sound(const struct fabric *f, const struct fabric_function *fn)
{
	const struct fabric_host *host = place_of(f, fn);

	return host && is_adoptable(f, fn) && !binding_is_elsewhere(host, &fn->as.now) &&
	       !adoption_clash(f, fn);
}

/* Who has the place where the switch shows @fn, by its assignment or because a change promises it,
 * and does not leave it with this adoption; NULL: nobody. */
static const struct fabric_function *place_holder(const struct fabric *f,
						  const struct fabric_function *fn)
{
	const struct fabric_function *holder = place_of(f, fn)->vports[fn->as.now.vport];

	/* Each looks at the one that stands where it is to go, until one is free to. */
	for (size_t i = 0; holder && holder != fn && i <= PROVIDER_VPORTS_MAX; i++) {
		const struct fabric_host *at;

		if (is_lost(f, holder))
			return NULL;
		at = place_of(f, holder);
		if (!is_sound(f, holder) || at->vports[holder->as.now.vport] == holder)
			return holder;
		holder = at->vports[holder->as.now.vport];
	}
	return NULL;
}

/* Why it stays as it is. Return: false when it can be taken in. */
static bool is_refused(const struct fabric *f, const struct fabric_function *fn,
		       struct fabric_plan_item *item)
{
	const struct fabric_host *host = place_of(f, fn);
	const struct fabric_function *other;
	char *why = item->row.reason;
	size_t size = sizeof(item->row.reason);

	if (binding_is_elsewhere(host, &fn->as.now)) {
		(void)snprintf(why, size,
			       "it is outside of the virtual switch of %s, which alone can let it "
			       "go",
			       host->name);
		return true;
	}
	other = adoption_clash(f, fn);
	if (other) {
		(void)snprintf(why, size, "%s has its identity too; release one of them",
			       other->name);
		return true;
	}
	other = place_holder(f, fn);
	if (!other)
		return false;
	(void)snprintf(why, size, "vport %u of %s is %s's; release that, or move it",
		       fn->as.now.vport, host->name, other->name);
	return true;
}

static void plan_take(const struct fabric *f, struct fabric_function *fn,
		      struct fabric_plan_item *item)
{
	item->row.op = DB_OP_ASSIGN;
	item->row.generation = fn->as.now.generation;
	item->row.vport = fn->as.now.vport;
	item->row.identity = fn->as.now.identity;
	(void)snprintf(item->row.function, sizeof(item->row.function), "%s", fn->name);
	(void)snprintf(item->row.host, sizeof(item->row.host), "%s", place_of(f, fn)->name);
	fn->is_taken = !is_refused(f, fn, item);
	item->row.state = fn->is_taken ? DB_CHANGE_DONE : DB_CHANGE_REFUSED;
	if (fn->is_taken)
		item->steps[0] = "take what the switch shows as its assignment";
}

/* Each place is free before anybody is given it: two may have changed theirs. */
static void taken_store(struct fabric *f, const struct fabric_plan_item *items, size_t count,
			uint32_t uid)
{
	for (size_t i = 0; i < count; i++) {
		struct fabric_function *fn = function_get(f, items[i].row.function);

		if (items[i].row.state == DB_CHANGE_REFUSED || !fn->host)
			continue;
		function_own(fn, NULL, 0);
		db_remove_assignment(batch_open(f), fn->name);
	}
	for (size_t i = 0; i < count; i++) {
		struct fabric_function *fn = function_get(f, items[i].row.function);

		if (items[i].row.state != DB_CHANGE_REFUSED)
			adopt_one(f, fn, place_of(f, fn), uid);
	}
}

/* The switch cannot tell where they are, and nobody here has them. */
static size_t untold_count(const struct fabric *f)
{
	size_t count = 0;

	for (size_t i = 0; i < f->functions.count; i++) {
		const struct fabric_function *fn = f->functions.at[i];

		count += !fn->host && difference_of(f, fn) == DIFFERENCE_UNTOLD;
	}
	return count;
}

__attribute__((format(printf, 2, 3))) static void detail_add(struct fabric_plan *out,
							     const char *format, ...)
{
	size_t used = strlen(out->detail);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(out->detail + used, sizeof(out->detail) - used, format, args); /* cut */
	va_end(args);
}

static void detail_say(const struct fabric *f, struct fabric_plan *out, size_t taken,
		       size_t held_off, bool dry_run)
{
	size_t untold = untold_count(f);

	detail_add(out, "%zu of %zu bindings %s", taken, out->item_count,
		   dry_run ? "would be taken in" : "are taken in");
	if (held_off)
		detail_add(out, "; %zu isolated host%s as fenced", held_off,
			   held_off == 1 ? "" : "s");
	if (untold)
		detail_add(out, "; the switch cannot tell of %zu: adopt again when it can", untold);
}

int fabric_adopt(struct fabric *f, bool dry_run, uint32_t uid, struct fabric_plan *out,
		 fabric_answer_fn *fn, void *arg)
{
	struct fabric_health health;
	size_t taken;
	size_t lost;

	f->now_ms = f->io.now_ms(f->io.arg);
	*out = (struct fabric_plan){ 0 };
	fabric_health_get(f, &health);
	if (f->frozen)
		return REFUSE_FROZEN;
	if (numbers_adopt(f, dry_run, uid, out)) {
		if (!dry_run)
			batch_answer(f, fn, arg, 0);
		wake(f);
		return 0;
	}
	if (!health.ready)
		return REFUSE_PROVIDER_AWAY;
	out->items = calloc(f->functions.count + 1, sizeof(*out->items));
	if (!out->items)
		return -ENOMEM;
	lost = taken = lost_release(f, dry_run, uid, out);
	for (size_t i = 0; i < f->functions.count; i++) {
		struct fabric_function *one = f->functions.at[i];
		struct fabric_plan_item *item = &out->items[out->item_count];

		if (!is_adoptable(f, one) || !place_of(f, one))
			continue;
		out->item_count++;
		plan_take(f, one, item);
		taken += one->is_taken;
	}
	for (size_t i = 0; i < f->functions.count; i++)
		((struct fabric_function *)f->functions.at[i])->is_taken = false;
	if (!dry_run)
		taken_store(f, out->items + lost, out->item_count - lost, uid);
	detail_say(f, out, taken, held_off_take(f, dry_run, uid), dry_run);
	if (dry_run)
		return 0;
	adopted_store(f);
	history_event(f, "fabric.adopted", "fabric", "%zu functions", taken);
	f->judge_ms = f->now_ms;
	batch_answer(f, fn, arg, taken);
	f->reconcile_ms = f->now_ms;
	wake(f);
	return 0;
}
