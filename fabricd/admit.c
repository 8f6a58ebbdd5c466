/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Admission: a request is checked whole, its functions, vports and identities are reserved, and its
 * intent is journalled; or nothing at all has happened (docs/safety.md, "forward or parked").
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/defect.h"
#include "common/log.h"
#include "fabricd/state.h"
#include "mriov/place.h"

/* ---- changes as objects ---- */

struct fabric_change *change_find(struct fabric *f, uint64_t id)
{
	size_t low = 0;
	size_t high = f->change_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (f->changes[middle]->row.id == id)
			return f->changes[middle];
		if (f->changes[middle]->row.id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

void change_free(struct fabric_change *change)
{
	if (!change)
		return;
	while (change->run.waiters) {
		struct fabric_waiter *next = change->run.waiters->next;

		free(change->run.waiters);
		change->run.waiters = next;
	}
	free(change->items);
	free(change);
}

struct fabric_change *change_make(struct fabric *f, enum db_change_kind kind, size_t items)
{
	struct fabric_change *change = calloc(1, sizeof(*change));

	if (!change)
		return NULL;
	change->row.kind = kind;
	change->row.state = DB_CHANGE_RUNNING;
	change->row.started_wall_ms = f->io.wall_ms(f->io.arg);
	if (!items)
		return change;
	change->items = calloc(items, sizeof(*change->items));
	if (!change->items) {
		free(change);
		return NULL;
	}
	return change;
}

/* The oldest ended changes make room; running ones stay. */
static void changes_trim(struct fabric *f)
{
	size_t ended = f->change_count - f->change_running;
	size_t kept = 0;

	if (ended <= FABRIC_ENDED_KEPT + FABRIC_ENDED_KEPT / 4)
		return;
	for (size_t i = 0; i < f->change_count; i++) {
		struct fabric_change *change = f->changes[i];

		if (ended > FABRIC_ENDED_KEPT && change->run.is_over && !change->run.waiters) {
			change_free(change);
			ended--;
			continue;
		}
		f->changes[kept++] = change;
	}
	f->change_count = kept;
}

int change_keep(struct fabric *f, struct fabric_change *change)
{
	changes_trim(f);
	if (f->change_count == f->change_room) {
		size_t room = f->change_room ? f->change_room * 2 : 64;
		struct fabric_change **changes = realloc(f->changes, room * sizeof(*changes));

		if (!changes)
			return -ENOMEM;
		f->changes = changes;
		f->change_room = room;
	}
	f->changes[f->change_count++] = change;
	if (change->row.state == DB_CHANGE_RUNNING)
		f->change_running++;
	return 0;
}

void change_fill(struct fabric *f, struct fabric_item *item, enum db_op op,
		 struct fabric_function *fn, struct fabric_host *host, uint16_t vport,
		 const struct identity *identity)
{
	struct db_item *row = &item->row;

	(void)f;
	item->fn = fn;
	item->step = "waits for the journal";
	row->op = op;
	row->state = DB_CHANGE_RUNNING;
	(void)snprintf(row->function, sizeof(row->function), "%s", fn->name);
	if (fn->host) {
		(void)snprintf(row->from_host, sizeof(row->from_host), "%s", fn->host->name);
		row->from_vport = fn->vport;
	}
	if (host) {
		(void)snprintf(row->host, sizeof(row->host), "%s", host->name);
		row->vport = vport;
		row->epoch = host->epoch;
	}
	row->generation = (fn->highest > f->lowest ? fn->highest : f->lowest) + 1;
	if (identity)
		row->identity = *identity;
}

void change_event(struct fabric *f, const struct fabric_change *change)
{
	char id[FABRIC_NAME_MAX];
	char type[FABRIC_NAME_MAX];

	(void)snprintf(id, sizeof(id), "%" PRIu64, change->row.id);
	(void)snprintf(type, sizeof(type), "change.%s",
		       fabric_change_state_text(change->row.state));
	history_event(f, type, id, "%s, %zu function%s", fabric_change_kind_text(change->row.kind),
		      change->item_count, change->item_count == 1 ? "" : "s");
}

/* Locks, reserves, numbers and journals; the change is the fabric's from here on. */
void change_store_intent(struct fabric *f, struct fabric_change *change)
{
	struct db_batch *batch = batch_open(f);

	change->row.id = f->next_change++;
	change->run.open = change->item_count;
	db_put_change(batch, &change->row);
	for (size_t i = 0; i < change->item_count; i++) {
		struct fabric_item *item = &change->items[i];
		struct fabric_function *fn = item->fn;
		struct fabric_host *host = host_get(f, item->row.host);
		struct db_function function = { .generation = item->row.generation,
						.bad = fn->bad };

		item->change = change;
		item->row.change = change->row.id;
		item->row.n = (uint32_t)i;
		fn->item = item;
		function_lead(fn, item->row.generation, item->row.op == DB_OP_RELEASE ? NULL : host,
			      item->row.vport);
		if (host)
			host->vports[item->row.vport] = fn;
		(void)snprintf(function.name, sizeof(function.name), "%s", fn->name);
		db_put_function(batch, &function);
		db_put_item(batch, &item->row);
	}
	batch_after(f, AFTER_INTENT, change->row.id);
	change_event(f, change);
}

/* ---- checking a request ---- */

struct admission {
	struct fabric *f;
	const struct fabric_request *request;
	struct fabric_problem *problem;
	struct fabric_change *change;
	size_t at; /* operation that is being looked at */
};

__attribute__((format(printf, 4, 5))) static int refuse(struct admission *a, int refusal,
							const char *field, const char *format, ...)
{
	va_list args;

	a->problem->op = a->at;
	a->problem->field = field;
	va_start(args, format);
	(void)vsnprintf(a->problem->reason, sizeof(a->problem->reason), format, args);
	va_end(args);
	return refusal;
}

static int check_function(struct admission *a, struct fabric_function *fn)
{
	struct fabric *f = a->f;

	if (fn->item && fn->item->change == a->change)
		return refuse(a, REFUSE_TWICE, "function", "%s is named before in this change",
			      fn->name);
	if (fn->present && card_withheld(fn))
		return refuse(a, REFUSE_CARD_WITHHELD, "function", "%s: %s", fn->name,
			      card_withheld(fn));
	if (fn->item)
		return refuse(a, REFUSE_FUNCTION_LOCKED, "function",
			      "change %" PRIu64 " has %s locked; wait for it", fn->item->row.change,
			      fn->name);
	if (!provider_is_usable(provider_of_function(f, fn)))
		return refuse(a, REFUSE_PROVIDER_AWAY, "function", "the switch of %s is not ready",
			      fn->name);
	if (!fn->present)
		return refuse(a, REFUSE_NO_FUNCTION, "function", "%s is not in the fabric now",
			      fn->name);
	if (fabric_function_is_kept(fn))
		return refuse(a, REFUSE_FUNCTION_KEPT, "function",
			      "%s stays with the keeper of its adapter", fn->name);
	if (fn->as.kind == PROVIDER_FUNCTION_VF && fn->adapter->as.keeper == PROVIDER_KEEPER_NONE)
		return refuse(a, REFUSE_ADAPTER_SPLIT, "function",
			      "%s is given whole, by its PF; its VFs go with it",
			      fn->adapter->name);
	if (fn->host &&
	    (fn->host->state == FABRIC_HOST_FENCING || fn->host->state == FABRIC_HOST_BLOCKED))
		return refuse(a, REFUSE_FUNCTION_BLOCKED, "function",
			      "%s is %s; see incident %" PRIu64, fn->host->name,
			      fabric_host_state_text(fn->host->state), fn->host->incident);
	return 0;
}

static int bound_by_others(struct admission *a, const struct fabric_function *fn)
{
	const struct fabric_host *at = function_place(a->f, fn);

	if (at && binding_is_elsewhere(at, &fn->as.now))
		return refuse(a, REFUSE_FUNCTION_BOUND, "function",
			      "%s is on %s, outside of its virtual switch: only %s can let it go",
			      fn->name, at->name, at->name);
	return refuse(a, REFUSE_FUNCTION_BOUND, "function",
		      "the switch shows %s bound by someone else", fn->name);
}

/* What it would take away somebody uses, under an assignment that this database does not know. */
static int check_place(struct admission *a, const struct fabric_function *fn)
{
	const struct fabric_host *at = function_place(a->f, fn);
	char why[DB_TEXT_MAX];

	if (fn->as.now.unknown || !binding_is_foreign(a->f, fn, &fn->as.now))
		return 0;
	if (binding_is_elsewhere(at, &fn->as.now))
		return bound_by_others(a, fn);
	foreign_say(a->f, fn, why);
	return refuse(a, REFUSE_ADOPT, "function", "%s is assigned to %s here, and %.400s",
		      fn->name, fn->host->name, why);
}

static int check_op(struct admission *a, const struct fabric_request_op *op,
		    struct fabric_function *fn)
{
	if (op->op != DB_OP_RELEASE && fn->as.kind == PROVIDER_FUNCTION_VF &&
	    fn->as.vf > fn->adapter->as.num_vfs)
		return refuse(a, REFUSE_NO_VF, "function", "%s has %u VFs enabled",
			      fn->adapter->name, fn->adapter->as.num_vfs);
	if (op->op != DB_OP_RELEASE && !fn->as.now.present)
		return refuse(a, REFUSE_FUNCTION_BAD, "function", "%s does not answer", fn->name);
	if (op->op == DB_OP_ASSIGN && fn->host)
		return refuse(a, REFUSE_FUNCTION_BOUND, "function", "%s is assigned to %s; move it",
			      fn->name, fn->host->name);
	if (op->op == DB_OP_ASSIGN && fn->as.now.host && !a->f->adopted)
		return refuse(a, REFUSE_ADOPT, "function",
			      "the switch shows %s bound, and this database does not know it; "
			      "run fabricctl adopt first",
			      fn->name);
	if (op->op == DB_OP_ASSIGN && fn->as.now.host)
		return bound_by_others(a, fn);
	if (op->op != DB_OP_ASSIGN && !fn->host)
		return refuse(a, REFUSE_FUNCTION_FREE, "function", "%s is assigned to no host",
			      fn->name);
	if (op->op != DB_OP_ASSIGN && check_place(a, fn))
		return check_place(a, fn);
	if (op->op != DB_OP_RELEASE && fn->bad)
		return refuse(
			a, REFUSE_FUNCTION_BAD, "function",
			"%s stopped answering and is marked bad; release it, and it is mended "
			"once it answers",
			fn->name);
	return 0;
}

static int check_host(struct admission *a, const struct fabric_function *fn,
		      struct fabric_host *host, bool is_move)
{
	char why[DB_TEXT_MAX];
	const struct mr_room room = { host->as.buses, host->as.window_bytes };
	const struct mr_need need = { fn->as.buses, fn->as.window_bytes };

	if (host->state == FABRIC_HOST_FENCED)
		return refuse(a, REFUSE_HOST_FENCED, "host",
			      "%s is fenced; fabricctl host readmit %s lets it in again",
			      host->name, host->name);
	if (!host_is_open(host))
		return refuse(a, REFUSE_HOST_STATE, "host", "%s is %s", host->name,
			      fabric_host_state_text(host->state));
	if (is_move && fn->host == host)
		return refuse(a, REFUSE_SAME_HOST, "host", "%s is at %s already", fn->name,
			      host->name);
	if (!host->present || host->provider != fn->adapter->provider)
		return refuse(a, REFUSE_UNREACHABLE, "host", "%s and %s share no switch",
			      host->name, fn->adapter->name);
	if (mr_fit(&room, &need, why, sizeof(why)))
		return refuse(a, REFUSE_HOST_BUSES, "host", "%s at %s: %s", fn->name, host->name,
			      why);
	return 0;
}

static bool vport_is_taken(const void *arg, uint16_t vport)
{
	const struct fabric_host *host = arg;

	return host_vport_user(host, vport) != NULL;
}

static int choose_vport(struct admission *a, const struct fabric_host *host, uint16_t wanted,
			uint16_t *out)
{
	int r = mr_vport_choose(vport_is_taken, host, host->as.vports, wanted, out);

	if (r == REFUSE_NO_VPORT)
		return refuse(a, r, "vport", "%s has vports 1 to %u", host->name, host->as.vports);
	if (r == REFUSE_VPORT_TAKEN)
		return refuse(a, r, "vport", "vport %u of %s has %s", wanted, host->name,
			      host_vport_user(host, wanted)->name);
	if (r)
		return refuse(a, r, "host", "all %u vports of %s are taken", host->as.vports,
			      host->name);
	return 0;
}

static int check_identity(struct admission *a, const struct fabric_function *fn,
			  const struct identity *identity)
{
	const char *field = NULL;
	int r = mr_identity_check(fn->as.identity_can & PROVIDER_IDENTITY_MAC,
				  fn->as.identity_can & PROVIDER_IDENTITY_WWN, identity, &field);

	if (r)
		return refuse(a, r, field, "%s cannot carry it", fn->name);
	return 0;
}

static int admit_op(struct admission *a, const struct fabric_request_op *op)
{
	struct fabric *f = a->f;
	struct fabric_item *item = &a->change->items[a->change->item_count];
	struct fabric_function *fn = function_get(f, op->function);
	struct fabric_host *host = NULL;
	struct identity identity = { 0 };
	uint16_t vport = 0;
	int r;

	if (!fn)
		return refuse(a, REFUSE_NO_FUNCTION, "function", "there is no function %s",
			      op->function);
	r = check_function(a, fn);
	if (!r)
		r = check_op(a, op, fn);
	if (!r && op->op != DB_OP_RELEASE) {
		host = host_get(f, op->host);
		if (!host)
			return refuse(a, REFUSE_NO_HOST, "host", "there is no host %s", op->host);
		r = check_host(a, fn, host, op->op == DB_OP_MOVE);
		if (!r)
			r = choose_vport(a, host, op->vport, &vport);
		identity = op->has_identity || (!fn->profile && op->op != DB_OP_MOVE) ? op->identity
			   : fn->profile ? *function_profile_identity(fn)
					 : fn->identity;
		if (!r)
			r = check_identity(a, fn, &identity);
	}
	if (r)
		return r;
	change_fill(f, item, op->op, fn, host, vport, &identity);
	item->change = a->change;
	a->change->item_count++;
	fn->item = item;
	if (host)
		host->vports[vport] = fn;
	return 0;
}

/* Functions of a dependency ring go together, to one host (PCIe Base 5.0 §9.3.3.8). */
static int check_rings(struct admission *a)
{
	for (a->at = 0; a->at < a->change->item_count; a->at++) {
		const struct fabric_item *item = &a->change->items[a->at];
		const struct fabric_provider *p = provider_of_function(a->f, item->fn);
		uint32_t next = item->fn->as.depends;

		for (unsigned n = 0; next && next != item->fn->as.handle && n < 256; n++) {
			const struct fabric_function *tied =
				next <= p->function_count ? p->functions[next - 1] : NULL;

			if (!tied)
				break;
			if (!tied->item || tied->item->change != a->change ||
			    strcmp(tied->item->row.host, item->row.host) != 0)
				return refuse(a, REFUSE_DEPENDENCY, "function",
					      "%s goes together with %s: name both, for one host",
					      item->fn->name, tied->name);
			next = tied->as.depends;
		}
	}
	return 0;
}

/* Where @fn is when the change has ended, as text; "": nowhere. */
static const char *goes_to(const struct admission *a, const struct fabric_function *fn)
{
	if (fn->item && fn->item->change == a->change)
		return fn->item->row.host;
	return fn->host ? fn->host->name : "";
}

/* What the change leaves of @fn's profile is with one host, or with none. */
static int check_profile(struct admission *a, const struct fabric_item *item)
{
	const struct fabric_profile *profile = item->fn->profile;
	const char *to = item->row.host;

	for (size_t i = 0; i < profile->member_count; i++) {
		const struct fabric_function *o = profile->members[i].fn;

		if (o->item && o->item->change != a->change)
			return refuse(a, REFUSE_FUNCTION_LOCKED, "function",
				      "change %" PRIu64
				      " has %s, of profile %s, locked; wait for it",
				      o->item->row.change, o->name, profile->name);
		if (o->item && o->item->row.op != DB_OP_RELEASE &&
		    !identity_is_equal(&o->item->row.identity, &profile->members[i].identity)) {
			a->at = (size_t)(o->item - a->change->items);
			return refuse(a, REFUSE_IN_PROFILE, "identity",
				      "%s carries what profile %s says: fabricctl profile set",
				      o->name, profile->name);
		}
		if (strcmp(goes_to(a, o), to) != 0)
			return refuse(a, REFUSE_IN_PROFILE, "function",
				      "%s is in profile %s, and goes with it: fabricctl profile "
				      "%s %s%s",
				      item->fn->name, profile->name, fabric_op_text(item->row.op),
				      profile->name, item->row.op == DB_OP_RELEASE ? "" : " HOST");
	}
	return 0;
}

static int check_profiles(struct admission *a)
{
	for (a->at = 0; !DEFECT(SPLIT_PROFILE) && a->at < a->change->item_count; a->at++) {
		const struct fabric_item *item = &a->change->items[a->at];
		const struct fabric_profile *profile = item->fn->profile;
		bool is_first = true;
		int r;

		/* Once for each profile, at the first of its functions that is named. */
		for (size_t i = 0; profile && i < item->fn->member; i++)
			is_first = is_first && (!profile->members[i].fn->item ||
						profile->members[i].fn->item->change != a->change);
		r = profile && is_first ? check_profile(a, item) : 0;
		if (r)
			return r;
	}
	return 0;
}

/* S16: a reset that is not the function's own hits every function of its adapter. */
static int check_blast(struct admission *a, const struct fabric_function *fn)
{
	if (fn->as.flr || DEFECT(NO_BLAST_SET))
		return 0;
	for (const struct fabric_function *o = fn->adapter->first; o; o = o->next_in_adapter) {
		if (o->item && o->item->change == a->change) { /* @fn itself too */
			if (strcmp(o->item->row.host, fn->item->row.host) != 0 &&
			    o->item->row.host[0] && fn->item->row.host[0])
				return refuse(a, REFUSE_BLAST, "function",
					      "%s and %s are reset together: name one host",
					      fn->name, o->name);
			continue;
		}
		if (o->item)
			return refuse(a, REFUSE_FUNCTION_LOCKED, "function",
				      "%s has no reset of its own, and change %" PRIu64 " has %s",
				      fn->name, o->item->row.change, o->name);
		if (o->host || !function_is_nowhere(o))
			return refuse(a, REFUSE_BLAST, "function",
				      "%s has no reset of its own, and %s %s at %s", fn->name,
				      o->name, o->as.now.unknown ? "may be" : "is",
				      o->host ? o->host->name : "another host");
	}
	return 0;
}

static int check_blasts(struct admission *a)
{
	for (a->at = 0; a->at < a->change->item_count; a->at++) {
		int r = check_blast(a, a->change->items[a->at].fn);

		if (r)
			return r;
	}
	return 0;
}

/* ---- S17: an identity lives once ---- */

struct claim {
	uint64_t key; /* a MAC, or a WWPN, whose upper 16 bits are never all zero (NAA) */
	const struct fabric_item *item;
};

static int compare_claims(const void *a, const void *b)
{
	const struct claim *x = a;
	const struct claim *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

struct claims {
	struct claim *at;
	size_t count;
};

static const struct claim *claim_of(const struct claims *claims, uint64_t key)
{
	const struct claim wanted = { .key = key };

	return bsearch(&wanted, claims->at, claims->count, sizeof(wanted), compare_claims);
}

/* Who of this change claims what @identity holds; NULL: nobody. */
static const struct claim *claim_find(const struct claims *claims, const struct identity *identity)
{
	const struct claim *c = claim_of(claims, identity->mac);

	return c ? c : claim_of(claims, identity->wwpn);
}

static int identity_taken(struct admission *a, const struct claim *claim,
			  const struct fabric_function *holder)
{
	bool is_mac = claim->key == claim->item->row.identity.mac;

	a->at = claim->item->row.n;
	return refuse(a, REFUSE_IDENTITY_TAKEN, is_mac ? "identity/mac" : "identity/wwpn",
		      "%s has it", holder->name);
}

/* One look at everything that holds or will hold an identity. A function of this change that lets
 * its own go may hand it over: the item that gets it waits (change.c). */
static int check_holder(struct admission *a, const struct claims *claims,
			const struct fabric_function *fn)
{
	const struct identity *kept = function_profile_identity(fn);
	const struct claim *reserved = kept ? claim_find(claims, kept) : NULL;
	const struct identity *held[] = { fn->host ? &fn->identity : NULL, &fn->as.now.identity,
					  fn->item && fn->item->change != a->change
						  ? &fn->item->row.identity
						  : NULL };
	bool is_ours = fn->item && fn->item->change == a->change;

	/* What a profile carries is nobody else's, wherever the profile is. */
	if (reserved && reserved->item->fn != fn)
		return identity_taken(a, reserved, fn);
	for (size_t i = 0; i < sizeof(held) / sizeof(*held); i++) {
		const struct claim *claim = held[i] ? claim_find(claims, held[i]) : NULL;

		if (!claim || claim->item->fn == fn)
			continue;
		if (!is_ours || identity_is_clash(&fn->item->row.identity, held[i]))
			return identity_taken(a, claim, fn);
		a->change->run.identities_move = true;
	}
	return 0;
}

static int check_claims(struct admission *a, struct claims *claims)
{
	struct fabric *f = a->f;

	qsort(claims->at, claims->count, sizeof(*claims->at), compare_claims);
	for (size_t i = 1; i < claims->count; i++)
		if (claims->at[i].key == claims->at[i - 1].key)
			return identity_taken(a, &claims->at[i], claims->at[i - 1].item->fn);
	for (size_t i = 0; i < f->functions.count; i++) {
		int r = check_holder(a, claims, f->functions.at[i]);

		if (r)
			return r;
	}
	return 0;
}

static int check_identities(struct admission *a)
{
	struct fabric_change *change = a->change;
	struct claims claims = { 0 };
	int r;

	claims.at = calloc(change->item_count * 2, sizeof(*claims.at));
	if (!claims.at)
		return -ENOMEM;
	for (size_t i = 0; i < change->item_count; i++) {
		struct fabric_item *item = &change->items[i];

		item->row.n = (uint32_t)i;
		if (item->row.identity.mac)
			claims.at[claims.count++] = (struct claim){ item->row.identity.mac, item };
		if (item->row.identity.wwpn)
			claims.at[claims.count++] = (struct claim){ item->row.identity.wwpn, item };
	}
	r = claims.count ? check_claims(a, &claims) : 0;
	free(claims.at);
	return r;
}

/* ---- the whole request ---- */

/* Lets go what admission reserved. */
static void admission_undo(struct admission *a)
{
	for (size_t i = 0; i < a->change->item_count; i++) {
		struct fabric_item *item = &a->change->items[i];
		struct fabric_host *host = host_get(a->f, item->row.host);

		item->fn->item = NULL;
		if (host && host->vports[item->row.vport] == item->fn)
			host->vports[item->row.vport] = NULL;
	}
}

static int check_reserve(struct admission *a)
{
	char why[DB_TEXT_MAX];
	int r = reserve_check(a->f, a->change, why);

	a->at = SIZE_MAX;
	return r > 0 ? refuse(a, r, NULL, "%s", why) : r;
}

static int admit(struct fabric *f, const struct fabric_request *request,
		 struct fabric_problem *problem, struct fabric_change **out)
{
	struct admission a = { .f = f, .request = request, .problem = problem, .at = SIZE_MAX };
	int r = 0;

	*problem = (struct fabric_problem){ .op = SIZE_MAX };
	if (f->frozen)
		return refuse(&a, REFUSE_FROZEN, NULL, "%s", f->frozen_why);
	if (!request->op_count || request->op_count > FABRIC_OPS_MAX)
		return refuse(&a, REFUSE_FIELD, "operations", "1 to %d operations", FABRIC_OPS_MAX);
	if (f->change_running >= FABRIC_RUNNING_MAX)
		return refuse(&a, REFUSE_LIMIT, NULL, "%zu changes are under way",
			      f->change_running);
	a.change = change_make(f, DB_CHANGE_ASKED, request->op_count);
	if (!a.change)
		return -ENOMEM;
	a.change->row.uid = request->uid;
	for (a.at = 0; !r && a.at < request->op_count; a.at++)
		r = admit_op(&a, &request->ops[a.at]);
	if (!r)
		r = check_blasts(&a);
	if (!r)
		r = check_rings(&a);
	if (!r)
		r = check_profiles(&a);
	if (!r)
		r = check_identities(&a);
	if (!r)
		r = check_reserve(&a);
	if (r) {
		admission_undo(&a);
		change_free(a.change);
		return r;
	}
	*out = a.change;
	return 0;
}

static void key_keep(struct fabric *f, const struct fabric_request *request, uint64_t change)
{
	struct db_idempotency row = { .uid = request->uid,
				      .hash = request->hash,
				      .change = change,
				      .wall_ms = f->io.wall_ms(f->io.arg) };

	(void)snprintf(row.key, sizeof(row.key), "%s", request->key);
	db_put_idempotency(batch_open(f), &row);
	if (f->key_count == f->key_room) {
		size_t room = f->key_room ? f->key_room * 2 : 64;
		struct db_idempotency *keys = realloc(f->keys, room * sizeof(*keys));

		if (!keys)
			return; /* it still counts after a restart */
		f->keys = keys;
		f->key_room = room;
	}
	f->keys[f->key_count++] = row;
}

enum { KEY_LIFE_MS = 24 * 3600 * 1000 };

static void keys_expire(struct fabric *f)
{
	uint64_t wall_ms = f->io.wall_ms(f->io.arg);
	uint64_t before = wall_ms > KEY_LIFE_MS ? wall_ms - KEY_LIFE_MS : 0;
	size_t kept = 0;

	if (f->now_ms < f->keys_expire_ms)
		return;
	f->keys_expire_ms = f->now_ms + 60000;
	for (size_t i = 0; i < f->key_count; i++)
		if (f->keys[i].wall_ms >= before)
			f->keys[kept++] = f->keys[i];
	if (kept == f->key_count)
		return;
	f->key_count = kept;
	db_expire_idempotency(batch_open(f), before);
}

int change_request_begin(struct fabric *f, const struct fabric_request *request,
			 struct fabric_problem *problem, fabric_answer_fn *fn, void *arg)
{
	f->now_ms = f->io.now_ms(f->io.arg);
	*problem = (struct fabric_problem){ .op = SIZE_MAX };
	wake(f);
	if (!request->key)
		return -ENOENT;
	keys_expire(f);
	for (size_t i = f->key_count; i-- > 0;) {
		const struct db_idempotency *row = &f->keys[i];

		if (row->uid != request->uid || strcmp(row->key, request->key) != 0)
			continue;
		if (row->hash != request->hash) {
			(void)snprintf(problem->reason, sizeof(problem->reason),
				       "it stands for change %" PRIu64, row->change);
			return REFUSE_KEY_REUSED;
		}
		/* Behind the intent that may still be on its way to the disk. */
		(void)batch_open(f);
		batch_answer(f, fn, arg, row->change);
		return 0;
	}
	return -ENOENT;
}

int fabric_change_request(struct fabric *f, const struct fabric_request *request,
			  struct fabric_problem *problem, fabric_answer_fn *fn, void *arg)
{
	struct admission a = { .f = f };
	int r;

	r = change_request_begin(f, request, problem, fn, arg);
	if (r != -ENOENT)
		return r;
	r = admit(f, request, problem, &a.change);
	if (r)
		return r;
	r = change_keep(f, a.change);
	if (r) {
		admission_undo(&a);
		change_free(a.change);
		return r;
	}
	change_store_intent(f, a.change);
	if (request->key)
		key_keep(f, request, a.change->row.id);
	history_audit(f, request->uid, "change.request", a.change->items[0].row.function,
		      a.change->row.id, "%s of %zu function%s",
		      fabric_op_text(a.change->items[0].row.op), a.change->item_count,
		      a.change->item_count == 1 ? "" : "s");
	batch_answer(f, fn, arg, a.change->row.id);
	return 0;
}

/* ---- plans ---- */

void fabric_plan_done(struct fabric_plan *plan)
{
	free(plan->items);
	plan->items = NULL;
	plan->item_count = 0;
}

int plan_steps(struct fabric *f, const struct fabric_change *change, struct fabric_plan *out)
{
	out->items = calloc(change->item_count + 1, sizeof(*out->items));
	if (!out->items)
		return -ENOMEM;
	out->item_count = change->item_count;
	for (size_t i = 0; i < change->item_count; i++) {
		const struct fabric_item *item = &change->items[i];
		struct handover_seen seen = { .host = item->fn->as.now.host,
					      .vport = item->fn->as.now.vport,
					      .generation = item->fn->as.now.generation,
					      .identity = item->fn->as.now.identity };
		struct handover_goal goal;
		const struct fabric_host *asked = removal_host(f, item, &item->fn->as.now);
		bool reset = false;

		item_goal(f, item, &goal);
		out->items[i].row = item->row;
		if (asked)
			(void)snprintf(out->items[i].ask, sizeof(out->items[i].ask),
				       "%s's agent is asked to let go, if it is reached",
				       asked->name);
		for (size_t n = 0; n + 2 < sizeof(out->items[i].steps) / sizeof(char *); n++) {
			enum handover_next next = handover_next(&goal, &seen, reset);

			if (next == HANDOVER_DONE)
				break;
			if (next == HANDOVER_UNBIND && asked)
				out->items[i].steps[n++] = out->items[i].ask;
			out->items[i].steps[n] = handover_text(next);
			handover_foresee(&goal, next, &seen, &reset);
		}
	}
	return 0;
}

int fabric_change_plan(struct fabric *f, const struct fabric_request *request,
		       struct fabric_problem *problem, struct fabric_plan *out)
{
	struct fabric_change *change = NULL;
	struct admission a = { .f = f };
	int r;

	f->now_ms = f->io.now_ms(f->io.arg);
	*out = (struct fabric_plan){ 0 };
	r = admit(f, request, problem, &change);
	if (r)
		return r;
	r = plan_steps(f, change, out);
	a.change = change;
	admission_undo(&a);
	change_free(change);
	return r;
}
