/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The items of changes, from intent to commit. Each item makes its own way (docs/safety.md,
 * "forward or parked"): a read-back, a step chosen from it (mriov/handover.h), its completion, the
 * next read-back. Items that end together are committed together. Their states: item.h.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/defect.h"
#include "common/log.h"
#include "fabricd/item.h"

enum { BACKOFF_MAX_MS = 5000, UNKNOWN_WAIT_MS = 1000 };

static const enum provider_verb verbs[HANDOVER_NEXTS] = {
	[HANDOVER_READ] = PROVIDER_READ,      [HANDOVER_UNBIND] = PROVIDER_UNBIND,
	[HANDOVER_RESET] = PROVIDER_RESET,    [HANDOVER_CLEAR] = PROVIDER_IDENTITY,
	[HANDOVER_SET] = PROVIDER_IDENTITY,   [HANDOVER_BIND] = PROVIDER_BIND,
	[HANDOVER_DONE] = PROVIDER_VERB_NONE,
};

/* ---- small things ---- */

void item_ready(struct fabric *f, struct fabric_item *item)
{
	assert(item->run.at != ITEM_READY); /* it would cut off those behind it */
	item->run.at = ITEM_READY;
	item->run.next = NULL;
	*f->ready_last = item;
	f->ready_last = &item->run.next;
}

void item_pause(struct fabric_item *item, const char *step)
{
	item->run.at = ITEM_HOLD;
	item->step = step;
}

void item_hold(struct fabric_item *item, const char *step)
{
	item_pause(item, step);
	item->run.seen_valid = false;
}

void item_wait(struct fabric *f, struct fabric_item *item, uint64_t wait_ms)
{
	item->run.at = ITEM_BACKOFF;
	item->run.wait_ms = f->now_ms + wait_ms;
	if (item->run.wait_ms < f->backoff_ms)
		f->backoff_ms = item->run.wait_ms;
}

void item_back_off(struct fabric *f, struct fabric_item *item)
{
	uint64_t wait = 20u << (item->run.tries < 8 ? item->run.tries : 8);

	item_wait(f, item, wait < BACKOFF_MAX_MS ? wait : BACKOFF_MAX_MS);
}

void item_goal(struct fabric *f, const struct fabric_item *item, struct handover_goal *goal)
{
	const struct fabric_host *host =
		item->row.op == DB_OP_RELEASE ? NULL : host_get(f, item->row.host);

	*goal = (struct handover_goal){
		.host = host ? host->as.handle : 0,
		.vport = host ? item->row.vport : 0,
		.generation = item->row.generation,
		.identity = item->row.identity,
		.has_identity = item->fn->as.identity_can != 0,
	};
}

bool item_is_leaving(const struct fabric_item *item)
{
	return item->run.at == ITEM_ASKING || item->run.has_left ||
	       (item->run.at == ITEM_EFFECT && item->run.last == HANDOVER_UNBIND);
}

/* ---- S17, inside one change ---- */

enum elsewhere { ELSEWHERE_NOT, ELSEWHERE_STILL, ELSEWHERE_FOR_GOOD };

/* S17: whether somebody of this change still has what this item is to be given: shown by the
 * switch, or by its assignment. */
static enum elsewhere identity_elsewhere(const struct fabric_item *item)
{
	const struct fabric_change *change = item->change;

	if (!change->run.identities_move || identity_is_empty(&item->row.identity))
		return ELSEWHERE_NOT;
	for (size_t i = 0; i < change->item_count; i++) {
		const struct fabric_item *other = &change->items[i];
		const struct fabric_function *fn = other->fn;

		if (other == item)
			continue;
		if (identity_is_clash(&fn->as.now.identity, &item->row.identity) ||
		    (fn->host && identity_is_clash(&fn->identity, &item->row.identity)))
			return other->run.at == ITEM_STORED ? ELSEWHERE_FOR_GOOD : ELSEWHERE_STILL;
	}
	return ELSEWHERE_NOT;
}

/* ---- the end of an item ---- */

static void items_add(struct fabric_items *list, struct fabric_item *item)
{
	if (!list->first)
		list->last = &list->first;
	item->run.next_ended = NULL;
	*list->last = item;
	list->last = &item->run.next_ended;
}

static struct fabric_item *items_take(struct fabric_items *list)
{
	struct fabric_item *item = list->first;

	list->first = item->run.next_ended;
	return item;
}

void item_end(struct fabric *f, struct fabric_item *item, enum db_change_state state,
	      const char *reason)
{
	/* What it was to carry lives elsewhere still: it cannot be held under that name. */
	if (state == DB_CHANGE_PARKED && identity_elsewhere(item) != ELSEWHERE_NOT)
		state = DB_CHANGE_FAILED;
	item->run.at = ITEM_ENDED;
	item->run.attempt = 0; /* nobody waits for it any more */
	item->row.state = state;
	item->step = fabric_change_state_text(state);
	if (reason != item->row.reason)
		(void)snprintf(item->row.reason, sizeof(item->row.reason), "%s", reason);
	item->change->run.has_failed |= state == DB_CHANGE_FAILED;
	items_add(&item->change->run.ended, item);
	wake(f);
	if (item->fn->profile)
		look(f); /* the others of it may wait for this one */
}

/* No more tries: held where nobody can reach it if the switch shows it nowhere. */
static void item_give_up(struct fabric *f, struct fabric_item *item, const char *why)
{
	bool nowhere = item->run.seen_valid && !item->run.seen.host;

	if (DEFECT(BIND_TO_DEAD) && item->row.from_host[0] && item->row.op != DB_OP_RELEASE) {
		struct fabric_host *from = host_get(f, item->row.from_host);

		(void)snprintf(item->row.host, sizeof(item->row.host), "%s", from->name);
		item->row.vport = item->row.from_vport;
		item->row.epoch = from->epoch;
		item->run.tries = 0;
		item_ready(f, item);
		return;
	}
	item_end(f, item, nowhere ? DB_CHANGE_PARKED : DB_CHANGE_FAILED, why);
}

static void assignment_store(struct fabric *f, const struct fabric_function *fn)
{
	struct db_assignment row = { .vport = fn->vport,
				     .generation = fn->generation,
				     .state = fn->assigned,
				     .identity = fn->identity };

	(void)snprintf(row.function, sizeof(row.function), "%s", fn->name);
	(void)snprintf(row.host, sizeof(row.host), "%s", fn->host->name);
	db_put_assignment(batch_open(f), &row);
}

/* What the end of @item means for its function, in memory and in the open batch. Others are told
 * once it is durable: fabric_function_owner(). */
static void item_settle_owner(struct fabric *f, struct fabric_item *item)
{
	struct fabric_function *fn = item->fn;
	struct fabric_host *goal =
		item->row.op == DB_OP_RELEASE ? NULL : host_get(f, item->row.host);

	fn->stored = fabric_function_owner(fn);
	fn->unstored = true;
	if (goal && goal->vports[item->row.vport] == fn &&
	    !(fn->host == goal && fn->vport == item->row.vport))
		goal->vports[item->row.vport] = NULL;
	switch (item->row.state) {
	case DB_CHANGE_DONE:
		fn->retries = 0;
		fn->retry_ms = 0;
		fn->generation = item->row.generation;
		fn->assigned = DB_ASSIGNMENT_BOUND;
		fn->identity = goal ? item->row.identity : (struct identity){ 0 };
		function_own(fn, goal, goal ? item->row.vport : 0);
		break;
	case DB_CHANGE_PARKED:
		fn->generation = item->row.generation;
		fn->assigned = DB_ASSIGNMENT_PARKED;
		if (goal) {
			fn->identity = item->row.identity;
			function_own(fn, goal, item->row.vport);
		}
		break;
	case DB_CHANGE_RUNNING:
	case DB_CHANGE_REFUSED:
	case DB_CHANGE_FAILED:
	case DB_CHANGE_CANCELLED:
	case DB_CHANGE_STATES:
		return; /* nothing is as it was not before */
	}
	if (fn->host)
		assignment_store(f, fn);
	else
		db_remove_assignment(batch_open(f), fn->name);
}

static void item_store(struct fabric *f, struct fabric_item *item)
{
	char type[FABRIC_NAME_MAX];
	const struct db_item *row = &item->row;

	item_settle_owner(f, item);
	seen_look(f, item->fn->host);
	db_put_item(batch_open(f), row);
	history_audit(f, item->change->row.uid, fabric_op_text(row->op), row->function, row->change,
		      "%s: from %s to %s, generation %" PRIu64 "%s%s",
		      fabric_change_state_text(row->state),
		      row->from_host[0] ? row->from_host : "nowhere",
		      row->host[0] ? row->host : "nowhere", row->generation,
		      row->reason[0] ? ": " : "", row->reason);
	(void)snprintf(type, sizeof(type), "function.%s", fabric_change_state_text(row->state));
	history_event(f, type, row->function, "%s from %s to %s%s%s", fabric_op_text(row->op),
		      row->from_host[0] ? row->from_host : "nowhere",
		      row->host[0] ? row->host : "nowhere", row->reason[0] ? ": " : "",
		      row->reason);
	item->run.at = ITEM_STORED;
	item->run.stored = f->next_cookie;
	items_add(&item->change->run.stored, item);
}

static enum db_change_state change_outcome(const struct fabric_change *change)
{
	enum db_change_state state = DB_CHANGE_DONE;

	for (size_t i = 0; i < change->item_count; i++) {
		enum db_change_state one = change->items[i].row.state;

		if (one == DB_CHANGE_FAILED ||
		    (one == DB_CHANGE_PARKED && state != DB_CHANGE_FAILED) ||
		    (one == DB_CHANGE_CANCELLED && state == DB_CHANGE_DONE))
			state = one;
	}
	return state;
}

/* Commits what has ended of @change, all in the batch that is open now. */
static void change_store_ended(struct fabric *f, struct fabric_change *change)
{
	while (change->run.ended.first) {
		item_store(f, items_take(&change->run.ended));
		change->run.open--;
	}
	if (!change->run.open) {
		change->row.state = change_outcome(change);
		change->row.ended_wall_ms = f->io.wall_ms(f->io.arg);
		f->change_running--;
		db_put_change(batch_open(f), &change->row);
		change->run.end_stored = f->next_cookie;
		change_event(f, change);
		log_notice("change %" PRIu64 ": %s", change->row.id,
			   fabric_change_state_text(change->row.state));
	}
	batch_after(f, AFTER_ITEMS, change->row.id);
}

/* Unlocked only now: before, a crash would find the item open and go on with it. Items that ended
 * later stand in a later batch. */
void change_items_durable(struct fabric *f, uint64_t id, uint64_t cookie)
{
	struct fabric_change *change = change_find(f, id);

	while (change && change->run.stored.first &&
	       change->run.stored.first->run.stored <= cookie) {
		struct fabric_item *item = items_take(&change->run.stored);

		item->fn->item = NULL;
		item->fn->unstored = false;
		if (change->run.identities_move)
			look(f); /* who waits for its identity may go on */
		function_noticed(f, item->fn);
		card_noticed(f, item->fn);
	}
	if (!change || change->row.state == DB_CHANGE_RUNNING || change->run.is_over ||
	    change->run.end_stored > cookie)
		return;
	change->run.is_over = true;
	incident_change_ended(f, change);
	while (change->run.waiters) {
		struct fabric_waiter *w = change->run.waiters;

		change->run.waiters = w->next;
		w->fn(w->arg, 0, id);
		free(w);
	}
}

/* ---- effects ---- */

bool item_gate(const struct fabric_item *item, const struct fabric_host *host,
	       const struct provider_op *op)
{
	if (DEFECT(NO_GENERATION) || DEFECT(BIND_TO_DEAD))
		return true;
	if (item->run.at != ITEM_EFFECT || item->run.attempt != op->attempt ||
	    item->row.generation != op->generation)
		return false;
	/* The door may have closed while it waited (S20), or a fence be unbinding it (S19). */
	return op->verb != PROVIDER_BIND ||
	       (host && host_is_open(host) && host->epoch == op->epoch && !item->fn->unbound_from);
}

/* The first effect of a change is announced in the journal: from then on it cannot be cancelled. */
static bool effect_is_allowed(struct fabric *f, struct fabric_item *item)
{
	struct fabric_change *change = item->change;

	if (change->row.effect || DEFECT(JOURNAL_LATER))
		return true;
	if (!change->run.effect_wanted) {
		struct db_change row = change->row;

		change->run.effect_wanted = true;
		row.effect = true;
		db_put_change(batch_open(f), &row);
		batch_after(f, AFTER_EFFECT, row.id);
	}
	item_pause(item, "waits for the journal");
	return false;
}

void change_effect_durable(struct fabric *f, uint64_t id)
{
	struct fabric_change *change = change_find(f, id);

	assert(change); /* it cannot end before its first effect */
	change->row.effect = true;
	for (size_t i = 0; i < change->item_count; i++)
		if (change->items[i].run.at == ITEM_HOLD)
			item_ready(f, &change->items[i]);
}

static void item_submit(struct fabric *f, struct fabric_item *item, enum handover_next next)
{
	struct fabric_provider *p = provider_of_function(f, item->fn);
	const struct fabric_host *host = host_get(f, item->row.host);
	struct provider_op op = {
		.attempt = attempt_next(f),
		.generation = item->row.generation,
		.verb = verbs[next],
		.function = item->fn->as.handle,
	};

	if (!op.attempt) {
		item_pause(item, "waits for the journal");
		return;
	}
	if (next == HANDOVER_BIND) {
		op.host = host->as.handle;
		op.vport = item->row.vport;
		op.epoch = item->row.epoch;
	} else if (next == HANDOVER_UNBIND) {
		const struct fabric_host *at = item->run.seen.host <= p->host_count
						       ? p->hosts[item->run.seen.host - 1]
						       : NULL;

		op.host = item->run.seen.host;
		op.vport = item->run.seen.vport;
		op.mode = at && (host_takes_part(at) || at->state == FABRIC_HOST_UNKNOWN)
				  ? PROVIDER_MANAGED
				  : PROVIDER_SURPRISE;
	} else if (next == HANDOVER_SET) {
		op.identity = item->row.identity;
	}
	item->run.attempt = op.attempt;
	item->run.last = next;
	item->run.begun = true;
	item->run.at = ITEM_EFFECT;
	item->run.seen_valid = false;
	item->fn->doubt = false;
	item->step = provider_verb_text(op.verb);
	item->run.urgency = urgency_of(f, item);
	if (provider_queue_put(p->queue, item->fn->adapter->as.switch_handle,
			       (enum provider_urgency)item->run.urgency, &op,
			       provider_timeout(p))) {
		item->run.tries++;
		item_back_off(f, item);
		return;
	}
	flow_begin(f, item);
}

bool goal_is_lost(struct fabric *f, const struct fabric_item *item)
{
	const struct fabric_host *host;

	if (item->row.op == DB_OP_RELEASE || DEFECT(NO_GENERATION) || DEFECT(BIND_TO_DEAD))
		return false;
	host = host_get(f, item->row.host);
	return !host || !host_is_open(host) || host->epoch != item->row.epoch;
}

bool origin_is_fencing(struct fabric *f, const struct fabric_item *item)
{
	const struct fabric_host *host =
		item->row.from_host[0] ? host_get(f, item->row.from_host) : NULL;

	return host && (host->fence || host->state == FABRIC_HOST_FENCING ||
			host->state == FABRIC_HOST_BLOCKED);
}

static void item_effect(struct fabric *f, struct fabric_item *item, enum handover_next next)
{
	if (!effect_is_allowed(f, item))
		return;
	if (next == HANDOVER_UNBIND && (item_asks(f, item) || item_awaits_mates(f, item, false)))
		return;
	if (item_has_room(f, item))
		item_submit(f, item, next);
	else
		item_queue(f, item);
}

static void item_settle(struct fabric *f, struct fabric_item *item)
{
	struct fabric_provider *p = provider_of_function(f, item->fn);
	struct provider_op op = { .verb = PROVIDER_SETTLE,
				  .attempt = attempt_next(f),
				  .generation = item->row.generation,
				  .function = item->fn->as.handle };

	item->run.at = ITEM_SETTLING;
	item->step = "settle";
	item->run.attempt = op.attempt;
	if (!op.attempt || provider_queue_put(p->queue, item->fn->adapter->as.switch_handle,
					      PROVIDER_FOR_REST, &op, provider_timeout(p)))
		item_back_off(f, item);
}

/* ---- what comes back ---- */

/* S16: those that it hit, and that are bound nowhere, need none of their own. */
static void card_was_reset(struct fabric *f, const struct fabric_function *fn)
{
	for (const struct fabric_function *o = fn->adapter->first; o && !fn->as.flr;
	     o = o->next_in_adapter) {
		struct fabric_item *item = o->item;

		if (o == fn || !item || !function_is_nowhere(o))
			continue;
		item->run.reset_done = true;
		item->run.seen_valid = false;
		if (item->run.at == ITEM_HOLD)
			item_ready(f, item);
	}
}

static void effect_done(struct fabric *f, struct fabric_item *item, enum provider_verb verb)
{
	struct handover_goal goal;

	if (verb == PROVIDER_RESET) {
		item->run.reset_done = true;
		/* A reset binds nothing. What it may do is to forget an identity. */
		item->run.seen_valid = identity_is_empty(&item->run.seen.identity);
		card_was_reset(f, item->fn);
	}
	if (verb == PROVIDER_UNBIND)
		item->run.reset_done = false;
	if (DEFECT(NO_READ_BACK)) {
		item_goal(f, item, &goal);
		item->run.seen_valid = true;
		if (verb == PROVIDER_BIND) {
			item->run.seen.host = (uint16_t)goal.host;
			item->run.seen.vport = goal.vport;
			item->run.seen.generation = goal.generation;
		} else if (verb == PROVIDER_UNBIND) {
			item->run.seen.host = 0;
			item->run.seen.vport = 0;
		} else if (verb == PROVIDER_IDENTITY) {
			item->run.seen.identity = item->run.last == HANDOVER_SET
							  ? goal.identity
							  : (struct identity){ 0 };
		}
	}
	item_ready(f, item);
}

static void settle_completed(struct fabric *f, struct fabric_item *item,
			     const struct provider_completion *done)
{
	assert(item->run.at == ITEM_SETTLING);
	if (done->outcome != PROVIDER_DONE) {
		item_wait(f, item, 100);
		return; /* still in doubt: item_decide() settles again */
	}
	item->fn->doubt = false;
	item_ready(f, item);
}

/* S1: UNKNOWN is neither done nor failed. */
static enum provider_outcome outcome_of(const struct provider_completion *done)
{
	if (done->outcome == PROVIDER_UNKNOWN && DEFECT(UNKNOWN_IS_DONE))
		return PROVIDER_DONE;
	if (done->outcome == PROVIDER_UNKNOWN && DEFECT(UNKNOWN_IS_FAILED))
		return PROVIDER_FAILED;
	return done->outcome;
}

void item_completed(struct fabric *f, struct fabric_item *item, const struct provider_op *op,
		    const struct provider_completion *done)
{
	if (op->verb == PROVIDER_SETTLE) {
		settle_completed(f, item, done);
		return;
	}
	assert(item->run.at == ITEM_EFFECT);
	flow_end(f, item);
	switch (outcome_of(done)) {
	case PROVIDER_DONE:
		effect_done(f, item, op->verb);
		break;
	case PROVIDER_REFUSED:
	case PROVIDER_FAILED:
		log_info("function %s: %s %s: %s", item->row.function, provider_verb_text(op->verb),
			 provider_outcome_text(done->outcome),
			 done->text[0] ? done->text : provider_why_text(done->why));
		(void)snprintf(item->row.reason, sizeof(item->row.reason), "%s: %s",
			       provider_verb_text(op->verb),
			       done->text[0] ? done->text : provider_why_text(done->why));
		item->run.tries++;
		item_back_off(f, item);
		break;
	case PROVIDER_UNKNOWN:
		log_info("function %s: %s: no answer in time", item->row.function,
			 provider_verb_text(op->verb));
		(void)snprintf(item->row.reason, sizeof(item->row.reason), "%s: no answer in time",
			       provider_verb_text(op->verb));
		item->run.tries++;
		item->fn->doubt = !DEFECT(READ_BEFORE_SETTLE);
		item_ready(f, item);
		break;
	case PROVIDER_GATED:
		item_back_off(f, item);
		break;
	}
}

/* S1: it has not been read. Nobody gives up for that; a host that hangs is fenced at last. */
static void read_is_unknown(struct fabric *f, struct fabric_item *item)
{
	const struct fabric_host *at = function_place(f, item->fn);
	uint64_t wait = 50u << (item->run.unknowns < 5 ? item->run.unknowns : 5);

	item->run.unknowns++;
	(void)snprintf(item->run.text, sizeof(item->run.text),
		       "waits: %s does not answer, it may have it", at ? at->name : "a host");
	item->step = item->run.text;
	item->run.seen_valid = false;
	item_wait(f, item, wait < UNKNOWN_WAIT_MS ? wait : UNKNOWN_WAIT_MS);
}

void reads_completed(struct fabric_provider *p, const struct provider_op *op,
		     const struct provider_completion *done)
{
	struct fabric *f = p->f;

	flow_read_over(p, op);
	for (uint32_t i = 0; i < op->value; i++) {
		uint32_t handle = op->function + i;
		struct fabric_function *fn =
			handle <= p->function_count ? p->functions[handle - 1] : NULL;
		struct fabric_item *item = fn ? fn->item : NULL;

		if (!item || item->run.at != ITEM_READING || item->run.attempt != op->attempt)
			continue;
		if (done->outcome != PROVIDER_DONE || i >= done->binding_count) {
			item->step = "read back (no answer yet)";
			item_wait(f, item, 100);
			continue;
		}
		function_seen(f, fn, &done->bindings[i]);
		if (done->bindings[i].unknown && !DEFECT(UNKNOWN_IS_NOWHERE)) {
			read_is_unknown(f, item);
			continue;
		}
		item->run.unknowns = 0;
		item->run.seen = done->bindings[i];
		item->run.seen_valid = true;
		if (item->run.seen.host)
			item->run.reset_done = false;
		item_ready(f, item);
	}
}

/* ---- deciding ---- */

/*
 * A card that came, or is let go, gives up what is bound of it, whoever did that: a kernel binds
 * its driver to whatever comes. Not before adoption in a restored database, for it may be wrong
 * about what has come.
 */
static bool is_taken_off_its_card(const struct fabric *f, const struct fabric_item *item)
{
	const struct fabric_host *at = function_place(f, item->fn);

	return !f->restored && item->change->row.kind == DB_CHANGE_REPAIR &&
	       item->row.op == DB_OP_RELEASE && card_withheld(item->fn) && at &&
	       !binding_is_elsewhere(at, &item->run.seen) &&
	       !strcmp(at->name, item->row.from_host) &&
	       item->run.seen.vport == item->row.from_vport;
}

/* It stays where it is, and nothing of it was touched. */
static void foreign_end(struct fabric *f, struct fabric_item *item)
{
	char why[DB_TEXT_MAX];

	foreign_say(f, item->fn, why);
	item_end(f, item, DB_CHANGE_FAILED, why);
}

static bool item_must_wait(struct fabric *f, struct fabric_item *item)
{
	const struct fabric_provider *p = provider_of_function(f, item->fn);

	if (f->frozen) {
		item_hold(item, "the manager is frozen");
		return true;
	}
	/* Bound nowhere, for it is nowhere; when it is back it is scrubbed first. */
	if (provider_is_usable(p) && !item->fn->present && card_withheld(item->fn)) {
		item_end(f, item, DB_CHANGE_PARKED, card_withheld(item->fn));
		return true;
	}
	if (!provider_is_usable(p) || !item->fn->present) {
		item_hold(item, "waits for the switch");
		return true;
	}
	return false;
}

static bool item_waits_for_identity(struct fabric *f, struct fabric_item *item)
{
	enum elsewhere elsewhere =
		DEFECT(IDENTITY_EARLY) ? ELSEWHERE_NOT : identity_elsewhere(item);

	if (elsewhere == ELSEWHERE_STILL)
		item_pause(item, "waits until its identity is cleared elsewhere");
	else if (elsewhere == ELSEWHERE_FOR_GOOD)
		item_end(f, item, DB_CHANGE_FAILED, "its identity could not be cleared elsewhere");
	return elsewhere != ELSEWHERE_NOT;
}

static bool is_being_reset(const struct fabric_item *item)
{
	return item && item->run.at == ITEM_EFFECT && item->run.last == HANDOVER_RESET;
}

/* A bind has left, and nothing was read since: where it is seen is where it was. */
static bool is_being_bound(const struct fabric_item *item)
{
	return item && item->run.last == HANDOVER_BIND && !item->run.seen_valid;
}

/* Another function of its card is at the host where it leads. Nothing of a card is bound before the
 * card was reset with all of it bound nowhere, nor ever to two hosts: who comes later to that host
 * has had no other owner since. */
static bool came_with_its_card(struct fabric *f, const struct fabric_item *item)
{
	struct handover_goal goal;

	item_goal(f, item, &goal);
	for (const struct fabric_function *o = item->fn->adapter->first; o && !item->fn->as.flr;
	     o = o->next_in_adapter)
		if (o != item->fn && !o->item && goal.host && goal.host == o->as.now.host &&
		    !o->as.now.unknown && o->as.now.generation &&
		    o->as.now.generation == o->generation)
			return true;
	return false;
}

/* S16, for a function without a reset of its own: its card is reset while nothing of it is bound,
 * and nothing of it is bound while the card may still be reset. */
static bool item_waits_for_card(struct fabric *f, struct fabric_item *item, enum handover_next next)
{
	char why[DB_TEXT_MAX];

	if (item->fn->as.flr || (next != HANDOVER_RESET && next != HANDOVER_BIND) ||
	    DEFECT(NO_BLAST_SET))
		return false;
	/* Of itself nothing of this is true: it is not in doubt, and was just read back nowhere. */
	for (const struct fabric_function *o = item->fn->adapter->first; o;
	     o = o->next_in_adapter) {
		bool resets = next == HANDOVER_RESET;

		if (o->doubt || o->as.now.unknown ||
		    (resets ? is_being_bound(o->item) : is_being_reset(o->item)) ||
		    (resets && o->item && o->as.now.host)) {
			item_hold(item, "waits for the other functions of its card");
			return true;
		}
		if (resets && o->as.now.host) {
			(void)snprintf(why, sizeof(why), "its reset would hit %s", o->name);
			item_end(f, item, DB_CHANGE_PARKED, why);
			return true;
		}
	}
	return false;
}

/* Where it should be, read back. */
static void item_done(struct fabric *f, struct fabric_item *item)
{
	if (item->row.op != DB_OP_RELEASE) {
		item_end(f, item, DB_CHANGE_DONE, "");
		return;
	}
	function_is_clean(f, item->fn);
	/* A release that names a host leaves that host's claim (slot.c). */
	if (item->row.host[0])
		item_end(f, item, DB_CHANGE_PARKED, "its card is scrubbed, or leaves");
	else
		item_end(f, item, DB_CHANGE_DONE, "");
}

/* S19: a fence has told the switch to unbind it, which may be carried out yet: who read it back
 * before that has settled, and bound it, would lose it again. Return: true while the fence goes on;
 * what it left behind is in doubt. */
static bool fence_holds(struct fabric_item *item)
{
	struct fabric_function *fn = item->fn;

	if (!fn->unbound_from)
		return false;
	if (fn->unbound_from->fence)
		return true;
	fn->unbound_from = NULL;
	fn->doubt = true;
	return false;
}

static void item_decide(struct fabric *f, struct fabric_item *item)
{
	struct handover_goal goal;
	struct handover_seen seen;
	enum handover_next next;

	if (item_must_wait(f, item))
		return;
	if (fence_holds(item)) {
		item_hold(item, "waits for the fence");
		return;
	}
	if (item->fn->doubt) {
		item_settle(f, item);
		return;
	}
	/* Where it has left it is looked at: an adoption believes what was seen last. */
	if (goal_is_lost(f, item) && item->run.begun && !item->run.seen_valid &&
	    !item->run.unknowns) {
		item_want_read(f, item);
		return;
	}
	if (goal_is_lost(f, item)) {
		item_end(f, item, DB_CHANGE_PARKED,
			 "the host that it was for is not alive any more");
		return;
	}
	if (origin_is_fencing(f, item)) {
		item_hold(item, "waits for the fence");
		return;
	}
	seen = (struct handover_seen){ .valid = item->run.seen_valid,
				       .host = item->run.seen.host,
				       .vport = item->run.seen.vport,
				       .generation = item->run.seen.generation,
				       .identity = item->run.seen.identity };
	item_goal(f, item, &goal);
	next = handover_next(&goal, &seen, item->run.reset_done);
	if (next == HANDOVER_RESET && came_with_its_card(f, item)) {
		item->run.reset_done = true;
		next = handover_next(&goal, &seen, true);
	}
	if (next == HANDOVER_READ) {
		item_want_read(f, item);
		return;
	}
	if (item_stays(f, item, next) ||
	    (next != HANDOVER_UNBIND && item_awaits_mates(f, item, true)))
		return;
	if (next == HANDOVER_DONE) {
		item_done(f, item);
		return;
	}
	if (binding_is_foreign(f, item->fn, &item->run.seen) && !is_taken_off_its_card(f, item)) {
		foreign_end(f, item);
		return;
	}
	if (!item->run.seen.present && next != HANDOVER_UNBIND) {
		bool is_let_go = item->row.op == DB_OP_RELEASE && !item->row.host[0];

		/* Nobody has it, and nobody gets it before it answers and was reset. */
		item_end(f, item, is_let_go ? DB_CHANGE_DONE : DB_CHANGE_PARKED,
			 "the device does not answer");
		return;
	}
	if (unanswered_ends(f, item, next))
		return;
	/* S17: nothing of a card is given before all of it was scrubbed. */
	if ((next == HANDOVER_SET || next == HANDOVER_BIND) && card_withheld(item->fn)) {
		item_end(f, item, DB_CHANGE_PARKED, card_withheld(item->fn));
		return;
	}
	if (next == HANDOVER_SET && item_waits_for_identity(f, item))
		return;
	if (item_waits_for_card(f, item, next))
		return;
	if (next == (enum handover_next)item->run.last) {
		item->run.tries++;              /* done, it was said, and read back undone */
		item->run.last = HANDOVER_READ; /* once, however often it waits for room */
	}
	if (item->run.tries >= f->config.command_attempts) {
		item_give_up(f, item,
			     item->row.reason[0] ? item->row.reason : "the switch does not do it");
		return;
	}
	item_effect(f, item, next);
}

/* ---- the loop over them ---- */

void change_intent_durable(struct fabric *f, uint64_t id)
{
	struct fabric_change *change = change_find(f, id);

	assert(change); /* its end is stored after its intent */
	change->durable = true;
	for (size_t i = 0; i < change->item_count; i++)
		if (change->items[i].run.at == ITEM_INTENT)
			item_ready(f, &change->items[i]);
}

/* After a restart: what its journal says is open goes on from a read-back (S8). */
void change_resume(struct fabric *f, struct fabric_change *change)
{
	change->run.open = 0;
	for (size_t i = 0; i < change->item_count; i++) {
		struct fabric_item *item = &change->items[i];
		struct fabric_host *host = host_get(f, item->row.host);

		item->change = change;
		item->step = fabric_change_state_text(item->row.state);
		change->run.has_failed |= item->row.state == DB_CHANGE_FAILED;
		if (item->row.state != DB_CHANGE_RUNNING) {
			item->run.at = ITEM_STORED;
			continue;
		}
		change->run.open++;
		item->fn->item = item;
		if (host && item->row.op != DB_OP_RELEASE)
			host->vports[item->row.vport] = item->fn;
		item_hold(item, "waits for the switch");
	}
	change->run.identities_move = true; /* looked at anew each time */
	if (!change->run.open) {
		/* Its last items were stored, and their change with them: one transaction. */
		change->row.state = change_outcome(change);
		change->run.is_over = true;
		f->change_running--;
	}
}

/* Running changes, newest first. */
struct running {
	size_t at;
	size_t left;
};

static struct running running_all(const struct fabric *f)
{
	return (struct running){ .at = f->change_count, .left = f->change_running };
}

/* NULL: there are no more. */
static struct fabric_change *running_next(const struct fabric *f, struct running *r)
{
	while (r->left && r->at) {
		struct fabric_change *change = f->changes[--r->at];

		if (change->row.state != DB_CHANGE_RUNNING)
			continue;
		r->left--;
		return change;
	}
	return NULL;
}

/* Items of running changes, each once. */
static void items_each(struct fabric *f, void (*fn)(struct fabric *f, struct fabric_item *item))
{
	struct running all = running_all(f);

	for (struct fabric_change *change; (change = running_next(f, &all));)
		for (size_t i = 0; change->durable && i < change->item_count; i++)
			fn(f, &change->items[i]);
}

static void look_at(struct fabric *f, struct fabric_item *item)
{
	if (item->run.at == ITEM_HOLD || (item->run.at == ITEM_BACKOFF && item->run.unknowns) ||
	    (item->run.at == ITEM_ASKING && !ask_stands(f, item)))
		item_ready(f, item);
}

void items_look(struct fabric *f)
{
	items_each(f, look_at);
}

static void wait_over(struct fabric *f, struct fabric_item *item)
{
	if (item->run.at != ITEM_BACKOFF && item->run.at != ITEM_ASKING)
		return;
	if (item->run.wait_ms <= f->now_ms && item->run.at == ITEM_ASKING)
		ask_is_over(f, item);
	else if (item->run.wait_ms <= f->now_ms)
		item_ready(f, item);
	else if (item->run.wait_ms < f->backoff_ms)
		f->backoff_ms = item->run.wait_ms;
}

struct fabric_item *item_of_op(struct fabric *f, const struct fabric_function *fn,
			       const struct provider_op *op)
{
	struct running all = running_all(f);

	if (fn && fn->item && fn->item->run.attempt == op->attempt)
		return fn->item;
	for (struct fabric_change *change; (change = running_next(f, &all));)
		for (size_t i = 0; i < change->item_count; i++)
			if (change->items[i].run.attempt == op->attempt)
				return &change->items[i];
	return NULL;
}

void items_card_lost(struct fabric *f, const struct fabric_adapter *card)
{
	for (const struct fabric_function *fn = card->first; fn; fn = fn->next_in_adapter) {
		struct fabric_item *item = fn->item;

		if (!item)
			continue;
		item->run.seen_valid = false;
		item->run.reset_done = false;
		if (item->run.at == ITEM_READING || item->run.at == ITEM_HOLD)
			item_ready(f, item);
	}
}

void items_void(struct fabric_provider *p)
{
	struct fabric *f = p->f;
	struct running all = running_all(f);

	for (struct fabric_change *change; (change = running_next(f, &all));)
		for (size_t i = 0; i < change->item_count; i++) {
			struct fabric_item *item = &change->items[i];

			if (provider_of_function(f, item->fn) != p)
				continue;
			item->run.seen_valid = false;
			item->run.reset_done = false;
		}
}

static void ready_decide(struct fabric *f)
{
	unsigned budget = FABRIC_SLICE;

	while (f->ready && budget--) {
		struct fabric_item *item = f->ready;

		f->ready = item->run.next;
		if (!f->ready)
			f->ready_last = &f->ready;
		item->run.next = NULL;
		if (item->run.at == ITEM_READY)
			item_decide(f, item);
	}
}

void items_advance(struct fabric *f)
{
	if (f->backoff_ms <= f->now_ms) {
		f->backoff_ms = UINT64_MAX;
		items_each(f, wait_over);
	}
	for (size_t i = 0; i < f->provider_count; i++)
		for (size_t s = 1; s <= f->providers[i]->switch_count; s++)
			flow_refill(f, &f->providers[i]->flows[s]);
	ready_decide(f);
	for (size_t i = 0; i < f->provider_count; i++)
		for (size_t s = 1; s <= f->providers[i]->switch_count; s++)
			flow_read(f->providers[i], (uint16_t)s);
	for (size_t c = 0; c < f->change_count; c++)
		if (f->changes[c]->run.ended.first && f->changes[c]->durable)
			change_store_ended(f, f->changes[c]);
}

uint64_t items_next_ms(const struct fabric *f)
{
	uint64_t next = f->backoff_ms;

	if (f->ready)
		return 0;
	for (size_t i = 0; i < f->provider_count; i++)
		for (size_t s = 1; s <= f->providers[i]->switch_count; s++) {
			const struct flow *flow = &f->providers[i]->flows[s];

			if (flow_may_refill(flow))
				return 0;
			if (flow_read_ms(flow) < next)
				next = flow_read_ms(flow);
		}
	return next;
}

/* ---- asked from outside ---- */

int fabric_change_cancel(struct fabric *f, uint64_t id, uint32_t uid, fabric_answer_fn *fn,
			 void *arg)
{
	struct fabric_change *change = change_find(f, id);
	char text[FABRIC_NAME_MAX];

	f->now_ms = f->io.now_ms(f->io.arg);
	if (!change)
		return REFUSE_NO_CHANGE;
	if (f->frozen)
		return REFUSE_FROZEN;
	if (change->row.state != DB_CHANGE_RUNNING || change->row.effect ||
	    change->run.effect_wanted || change->row.kind != DB_CHANGE_ASKED)
		return REFUSE_NOT_CANCELLABLE;
	/* From here on no item of it starts anything: they have all ended. */
	change->run.effect_wanted = true;
	for (size_t i = 0; i < change->item_count; i++)
		if (change->items[i].run.at < ITEM_ENDED)
			item_end(f, &change->items[i], DB_CHANGE_CANCELLED, "cancelled");
	(void)snprintf(text, sizeof(text), "%" PRIu64, id);
	history_audit(f, uid, "change.cancel", text, id, "before its first effect");
	change_store_ended(f, change);
	batch_answer(f, fn, arg, id);
	return 0;
}

int fabric_change_wait(struct fabric *f, uint64_t id, fabric_answer_fn *fn, void *arg)
{
	struct fabric_change *change = change_find(f, id);
	struct fabric_waiter *waiter;

	if (!change)
		return REFUSE_NO_CHANGE;
	if (change->run.is_over) {
		answer_soon(f, fn, arg, 0, id);
		wake(f);
		return 0;
	}
	waiter = malloc(sizeof(*waiter));
	if (!waiter)
		return -ENOMEM;
	*waiter = (struct fabric_waiter){ change->run.waiters, fn, arg };
	change->run.waiters = waiter;
	return 0;
}

void fabric_change_unwait(struct fabric *f, void *arg)
{
	for (size_t i = 0; i < f->soon_count; i++)
		if (f->soon[i].arg == arg)
			f->soon[i--] = f->soon[--f->soon_count];
	for (size_t c = 0; c < f->change_count; c++) {
		struct fabric_waiter **at = &f->changes[c]->run.waiters;

		while (*at) {
			struct fabric_waiter *w = *at;

			if (w->arg != arg) {
				at = &w->next;
				continue;
			}
			*at = w->next;
			free(w);
		}
	}
}
