/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Profiles: functions that are with one host, or with none, and go together, each with the identity
 * that it carries wherever it is.
 *
 * A profile says what belongs together; where it is, its functions' assignments say. So it is moved
 * by an ordinary change of all its functions (admit.c lets no change through that would split one),
 * and a failover moves it as one group (groups.c).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/natural.h"
#include "fabricd/state.h"
#include "mriov/place.h"

/* ---- the list of them, by name ---- */

/* Where @name stands, or would. */
static size_t place_of(const struct fabric *f, const char *name)
{
	size_t low = 0;
	size_t high = f->profile_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (natural_compare(f->profiles[middle]->name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct fabric_profile *profile_get(struct fabric *f, const char *name)
{
	size_t at = place_of(f, name);

	return at < f->profile_count && !strcmp(f->profiles[at]->name, name) ? f->profiles[at]
									     : NULL;
}

static void profile_free(struct fabric_profile *profile)
{
	if (!profile)
		return;
	free(profile->members);
	free(profile);
}
OWNED_BY(struct fabric_profile, profile_free)

static int list_add(struct fabric *f, struct fabric_profile *profile)
{
	size_t at = place_of(f, profile->name);

	if (f->profile_count == f->profile_room) {
		size_t room = f->profile_room ? f->profile_room * 2 : 16;
		struct fabric_profile **grown = realloc(f->profiles, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		f->profiles = grown;
		f->profile_room = room;
	}
	memmove(f->profiles + at + 1, f->profiles + at,
		(f->profile_count - at) * sizeof(struct fabric_profile *));
	f->profiles[at] = profile;
	f->profile_count++;
	return 0;
}

static void list_remove(struct fabric *f, const struct fabric_profile *profile)
{
	size_t at = place_of(f, profile->name);

	f->profile_count--;
	memmove(f->profiles + at, f->profiles + at + 1,
		(f->profile_count - at) * sizeof(struct fabric_profile *));
}

void profiles_free(struct fabric *f)
{
	for (size_t i = 0; i < f->profile_count; i++)
		profile_free(f->profiles[i]);
	free(f->profiles);
	f->profiles = NULL;
	f->profile_count = 0;
}

/* ---- its functions ---- */

static void members_untie(struct fabric_profile *profile)
{
	for (size_t i = 0; i < profile->member_count; i++)
		profile->members[i].fn->profile = NULL;
}

static void members_tie(struct fabric_profile *profile)
{
	for (size_t i = 0; i < profile->member_count; i++) {
		profile->members[i].fn->profile = profile;
		profile->members[i].fn->member = i;
	}
}

const struct identity *function_profile_identity(const struct fabric_function *fn)
{
	return fn->profile ? &fn->profile->members[fn->member].identity : NULL;
}

/* ---- taken in at the start ---- */

int profile_load(struct fabric *f, const struct db_profile *row)
{
	OWNED(profile_free) struct fabric_profile *profile = calloc(1, sizeof(*profile));
	int r;

	if (!profile)
		return -ENOMEM;
	(void)snprintf(profile->name, sizeof(profile->name), "%s", row->name);
	profile->priority = row->priority;
	r = list_add(f, profile);
	if (!r)
		(void)TAKE(profile);
	return r;
}

int profile_load_member(struct fabric *f, const struct db_member *row, struct fabric_function *fn)
{
	struct fabric_profile *profile = profile_get(f, row->profile);
	struct fabric_member *grown;

	if (!profile || fn->profile)
		return -EBADMSG;
	grown = realloc(profile->members, (profile->member_count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	profile->members = grown;
	fn->profile = profile;
	fn->member = profile->member_count;
	profile->members[profile->member_count++] =
		(struct fabric_member){ .fn = fn, .identity = row->identity };
	return 0;
}

/* ---- reading ---- */

const struct fabric_profile *const *fabric_profiles(const struct fabric *f, size_t *count)
{
	*count = f->profile_count;
	return (const struct fabric_profile *const *)f->profiles;
}

const struct fabric_profile *fabric_profile_find(const struct fabric *f, const char *name)
{
	size_t at = place_of(f, name);

	return at < f->profile_count && !strcmp(f->profiles[at]->name, name) ? f->profiles[at]
									     : NULL;
}

const struct fabric_host *fabric_profile_host(const struct fabric_profile *profile)
{
	const struct fabric_host *host =
		profile->member_count ? profile->members[0].fn->host : NULL;

	for (size_t i = 1; i < profile->member_count; i++)
		if (profile->members[i].fn->host != host)
			return NULL;
	return host;
}

static const struct fabric_function *first_assigned(const struct fabric_profile *profile)
{
	for (size_t i = 0; i < profile->member_count; i++)
		if (profile->members[i].fn->host)
			return profile->members[i].fn;
	return NULL;
}

/* The one that is not where @with is; NULL: they are together. */
static const struct fabric_function *first_apart(const struct fabric_profile *profile,
						 const struct fabric_function *with)
{
	for (size_t i = 0; with && i < profile->member_count; i++)
		if (profile->members[i].fn->host != with->host)
			return profile->members[i].fn;
	return NULL;
}

static const struct fabric_function *first_under_way(const struct fabric_profile *profile)
{
	for (size_t i = 0; i < profile->member_count; i++)
		if (profile->members[i].fn->item)
			return profile->members[i].fn;
	return NULL;
}

const char *fabric_profile_state(const struct fabric_profile *profile, char why[static DB_TEXT_MAX])
{
	const struct fabric_function *with = first_assigned(profile);
	const struct fabric_function *apart = first_apart(profile, with);
	const struct fabric_function *busy = first_under_way(profile);

	why[0] = '\0';
	if (busy) {
		(void)snprintf(why, DB_TEXT_MAX, "change %" PRIu64 " has it",
			       busy->item->row.change);
		return "changing";
	}
	if (apart) {
		(void)snprintf(why, DB_TEXT_MAX,
			       "%s is with %s, %s with %s; fabricctl profile move %s HOST",
			       with->name, with->host->name, apart->name,
			       apart->host ? apart->host->name : "nobody", profile->name);
		return "split";
	}
	for (size_t i = 0; with && i < profile->member_count; i++) {
		const struct fabric_member *m = &profile->members[i];
		enum fabric_function_state state = fabric_function_state(m->fn);

		if (state != FABRIC_FUNCTION_BOUND) {
			(void)snprintf(why, DB_TEXT_MAX, "%s is %s", m->fn->name,
				       fabric_function_state_text(state));
			return fabric_function_state_text(state);
		}
		if (!identity_is_equal(&m->fn->identity, &m->identity)) {
			(void)snprintf(why, DB_TEXT_MAX, "%s carries another identity",
				       m->fn->name);
			return "split";
		}
	}
	return with ? "bound" : "free";
}

/* ---- defining one ---- */

static int problem_at(struct fabric_problem *problem, int refusal, size_t member, const char *field)
{
	problem->op = member;
	problem->field = field;
	return refusal;
}

static bool is_name(const char *name)
{
	size_t length = strlen(name);

	return length && length < FABRIC_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		       length &&
	       strchr("._-", name[0]) == NULL;
}

struct defining {
	struct fabric *f;
	const struct fabric_profile_request *request;
	struct fabric_problem *problem;
	struct fabric_profile *old; /* NULL: it is new */
	struct fabric_profile *made;
};

/* Who else carries, or is to carry, what @id holds; NULL: nobody. */
static const struct fabric_function *identity_holder(const struct defining *d, size_t upto,
						     const struct identity *id)
{
	const struct fabric_profile *made = d->made;

	for (size_t i = 0; i < upto; i++)
		if (identity_is_clash(&made->members[i].identity, id))
			return made->members[i].fn;
	for (size_t i = 0; i < d->f->functions.count; i++) {
		const struct fabric_function *o = d->f->functions.at[i];
		const struct identity *own = function_profile_identity(o);

		if (o == made->members[upto].fn)
			continue;
		if (own && o->profile != d->old && identity_is_clash(own, id))
			return o;
		if (o->host && identity_is_clash(&o->identity, id))
			return o;
	}
	return NULL;
}

static int check_identity(const struct defining *d, size_t n)
{
	const struct fabric_member *m = &d->made->members[n];
	const struct fabric_function *holder;
	const char *field = NULL;
	int r = 0;

	if (m->fn->present)
		r = mr_identity_check(m->fn->as.identity_can & PROVIDER_IDENTITY_MAC,
				      m->fn->as.identity_can & PROVIDER_IDENTITY_WWN, &m->identity,
				      &field);
	if (r) {
		r = problem_say(d->problem, r, "%s cannot carry it", m->fn->name);
		return problem_at(d->problem, r, n, field);
	}
	if (m->fn->host && !identity_is_equal(&m->fn->identity, &m->identity)) {
		r = problem_say(d->problem, REFUSE_IN_PROFILE,
				"%s is with %s under another identity: release it first, or leave "
				"the identity out",
				m->fn->name, m->fn->host->name);
		return problem_at(d->problem, r, n, "identity");
	}
	holder = identity_is_empty(&m->identity) ? NULL : identity_holder(d, n, &m->identity);
	if (holder) {
		r = problem_say(d->problem, REFUSE_IDENTITY_TAKEN, "%s has it", holder->name);
		return problem_at(d->problem, r, n, "identity");
	}
	return 0;
}

static int check_member(const struct defining *d, size_t n)
{
	const struct fabric_profile_member *asked = &d->request->members[n];
	struct fabric_function *fn = function_get(d->f, asked->function);
	struct fabric_member *m = &d->made->members[n];
	int r = 0;

	if (!fn)
		r = problem_say(d->problem, REFUSE_NO_FUNCTION, "there is no function %s",
				asked->function);
	else if (fabric_function_is_kept(fn))
		r = problem_say(d->problem, REFUSE_FUNCTION_KEPT,
				"%s stays with the keeper of its adapter", fn->name);
	else if (fn->profile && fn->profile != d->old)
		r = problem_say(d->problem, REFUSE_IN_PROFILE, "%s is in profile %s", fn->name,
				fn->profile->name);
	else if (fn->item)
		r = problem_say(d->problem, REFUSE_FUNCTION_LOCKED,
				"change %" PRIu64 " has %s locked; wait for it",
				fn->item->row.change, fn->name);
	for (size_t i = 0; !r && i < n; i++)
		if (d->made->members[i].fn == fn)
			r = problem_say(d->problem, REFUSE_TWICE, "%s is named before", fn->name);
	if (!r && n && fn->host != d->made->members[0].fn->host)
		r = problem_say(d->problem, REFUSE_IN_PROFILE,
				"%s is with %s, %s with %s: bring them together first", fn->name,
				fn->host ? fn->host->name : "nobody", d->made->members[0].fn->name,
				d->made->members[0].fn->host ? d->made->members[0].fn->host->name
							     : "nobody");
	if (r)
		return problem_at(d->problem, r, n, "function");
	m->fn = fn;
	if (asked->has_identity)
		m->identity = asked->identity;
	else if (fn->host)
		m->identity = fn->identity;
	else if (fn->profile && fn->profile == d->old)
		m->identity = *function_profile_identity(fn);
	d->made->member_count = n + 1;
	return check_identity(d, n);
}

/* What waits to be moved, or bound again, goes whole for as long as it does: it leaves its profile
 * before or after that. */
static int check_waits(const struct fabric_profile *profile, const struct fabric_function *fn,
		       struct fabric_problem *problem)
{
	if (fn->host && host_is_shut(fn->host))
		return problem_say(
			problem, REFUSE_PROFILE_WAITS,
			"%s is with %s, which is %s, and waits: fabricctl incident show %" PRIu64
			" says for what%s%s",
			fn->name, fn->host->name, fabric_host_state_text(fn->host->state),
			fn->host->incident,
			fn->host->state == FABRIC_HOST_FENCED
				? "; or give it up: fabricctl profile release "
				: "",
			fn->host->state == FABRIC_HOST_FENCED ? profile->name : "");
	if (fn->host && fn->assigned == DB_ASSIGNMENT_PARKED)
		return problem_say(problem, REFUSE_PROFILE_WAITS,
				   "%s is parked for %s: fabricctl profile move %s HOST, or "
				   "fabricctl profile release %s, comes first",
				   fn->name, fn->host->name, profile->name, profile->name);
	return 0;
}

/* @kept: what it is to have from now on; NULL: it is to be no more. */
static int check_leavers(const struct fabric_profile *profile, const struct fabric_profile *kept,
			 struct fabric_problem *problem)
{
	for (size_t i = 0; i < profile->member_count; i++) {
		const struct fabric_function *fn = profile->members[i].fn;
		bool stays = false;
		int r;

		for (size_t k = 0; kept && k < kept->member_count; k++)
			stays = stays || kept->members[k].fn == fn;
		r = stays ? 0 : check_waits(profile, fn, problem);
		if (r)
			return r;
	}
	return 0;
}

static int check_profile(struct defining *d)
{
	const struct fabric_profile_request *request = d->request;
	const struct fabric_function *busy = d->old ? first_under_way(d->old) : NULL;

	if (d->f->frozen)
		return problem_say(d->problem, REFUSE_FROZEN, "%s", d->f->frozen_why);
	if (!is_name(request->name))
		return problem_say(d->problem, REFUSE_FIELD,
				   "a profile's name has 1 to %d letters, digits, dots, dashes and "
				   "underscores, and begins with a letter or digit",
				   FABRIC_NAME_MAX - 1);
	if (request->priority > FABRIC_PRIORITY_MAX || !request->member_count ||
	    request->member_count > PROVIDER_VPORTS_MAX)
		return problem_say(d->problem, REFUSE_FIELD,
				   "priority goes to %d, and 1 to %d functions",
				   FABRIC_PRIORITY_MAX, PROVIDER_VPORTS_MAX);
	if (!d->old && d->f->profile_count >= FABRIC_PROFILES_MAX)
		return problem_say(d->problem, REFUSE_LIMIT, "there are %zu profiles",
				   d->f->profile_count);
	if (busy)
		return problem_say(d->problem, REFUSE_FUNCTION_LOCKED,
				   "change %" PRIu64 " has %s locked; wait for it",
				   busy->item->row.change, busy->name);
	for (size_t n = 0; n < request->member_count; n++) {
		int r = check_member(d, n);

		if (r)
			return r;
	}
	return d->old ? check_leavers(d->old, d->made, d->problem) : 0;
}

static void profile_store(struct fabric *f, const struct fabric_profile *profile)
{
	struct db_profile row = { .priority = profile->priority };

	(void)snprintf(row.name, sizeof(row.name), "%s", profile->name);
	db_put_profile(batch_open(f), &row);
	db_remove_members(batch_open(f), profile->name);
	for (size_t i = 0; i < profile->member_count; i++) {
		const struct fabric_function *fn = profile->members[i].fn;
		struct db_function known = { .generation = fn->highest, .bad = fn->bad };
		struct db_member member = { .n = (uint32_t)i,
					    .identity = profile->members[i].identity };

		(void)snprintf(known.name, sizeof(known.name), "%s", fn->name);
		(void)snprintf(member.profile, sizeof(member.profile), "%s", profile->name);
		(void)snprintf(member.function, sizeof(member.function), "%s", fn->name);
		db_put_function(batch_open(f),
				&known); /* it may never have been given to anybody */
		db_put_member(batch_open(f), &member);
	}
}

int fabric_profile_set(struct fabric *f, const struct fabric_profile_request *request,
		       struct fabric_problem *problem, fabric_answer_fn *fn, void *arg)
{
	OWNED(profile_free) struct fabric_profile *made = calloc(1, sizeof(*made));
	struct defining d = { f, request, problem, profile_get(f, request->name), made };
	int r;

	*problem = (struct fabric_problem){ .op = SIZE_MAX };
	f->now_ms = f->io.now_ms(f->io.arg);
	if (made)
		made->members = calloc(request->member_count + 1, sizeof(*made->members));
	if (!made || !made->members)
		return -ENOMEM;
	r = check_profile(&d);
	if (r)
		return r;
	(void)snprintf(made->name, sizeof(made->name), "%s", request->name);
	made->priority = request->priority;
	if (!d.old && list_add(f, made))
		return -ENOMEM;
	if (d.old) {
		members_untie(d.old);
		f->profiles[place_of(f, made->name)] = made;
		profile_free(d.old);
	}
	members_tie(made);
	profile_store(f, made);
	history_audit(f, request->uid, "profile.set", made->name, 0, "%zu functions, priority %u",
		      made->member_count, made->priority);
	history_event(f, "profile.set", made->name, "%zu function%s, priority %u",
		      made->member_count, made->member_count == 1 ? "" : "s", made->priority);
	batch_answer(f, fn, arg, 0);
	(void)TAKE(made);
	look(f);
	return 0;
}

int fabric_profile_delete(struct fabric *f, const char *name, uint32_t uid,
			  struct fabric_problem *problem, fabric_answer_fn *fn, void *arg)
{
	struct fabric_profile *profile = profile_get(f, name);
	const struct fabric_function *busy;
	int r;

	f->now_ms = f->io.now_ms(f->io.arg);
	if (!profile)
		return problem_say(problem, REFUSE_NO_PROFILE, "there is no profile %s", name);
	if (f->frozen)
		return problem_say(problem, REFUSE_FROZEN, "%s", f->frozen_why);
	busy = first_under_way(profile);
	if (busy)
		return problem_say(problem, REFUSE_FUNCTION_LOCKED,
				   "change %" PRIu64 " has %s locked; wait for it",
				   busy->item->row.change, busy->name);
	r = check_leavers(profile, NULL, problem);
	if (r)
		return r;
	members_untie(profile);
	list_remove(f, profile);
	db_remove_profile(batch_open(f), profile->name);
	history_audit(f, uid, "profile.delete", name, 0, "its %zu functions stay where they are",
		      profile->member_count);
	history_event(f, "profile.deleted", name, "its functions stay where they are");
	profile_free(profile);
	batch_answer(f, fn, arg, 0);
	look(f);
	return 0;
}

/* ---- giving it to a host, and taking it away ---- */

static int where_check(const struct fabric_profile *profile, enum db_op op,
		       const struct fabric_host *host, struct fabric_problem *problem)
{
	const struct fabric_function *with = first_assigned(profile);

	if (op == DB_OP_ASSIGN && with)
		return problem_say(problem, REFUSE_FUNCTION_BOUND, "%s of it is with %s; move it",
				   with->name, with->host->name);
	if (op != DB_OP_ASSIGN && !with)
		return problem_say(problem, REFUSE_FUNCTION_FREE, "it is with no host");
	if (op == DB_OP_MOVE && host == fabric_profile_host(profile))
		return problem_say(problem, REFUSE_SAME_HOST, "it is with %s already", host->name);
	return 0;
}

/* Those that are where they should be, and free ones of which none is to be had, stay out. */
static enum db_op op_of(const struct fabric_function *fn, enum db_op op)
{
	return op == DB_OP_MOVE && !fn->host ? DB_OP_ASSIGN : op;
}

static bool is_left_out(const struct fabric_function *fn, enum db_op op,
			const struct fabric_host *host)
{
	return (op == DB_OP_RELEASE && !fn->host) || (op == DB_OP_MOVE && fn->host == host);
}

/* @ops: room for each function of it. Return: how many. */
static size_t ops_make(const struct fabric_profile *profile, enum db_op op,
		       struct fabric_host *host, struct fabric_request_op *ops)
{
	size_t n = 0;

	for (size_t i = 0; i < profile->member_count; i++) {
		const struct fabric_function *fn = profile->members[i].fn;

		if (is_left_out(fn, op, host))
			continue;
		ops[n].op = op_of(fn, op);
		(void)snprintf(ops[n].function, sizeof(ops[n].function), "%s", fn->name);
		if (op != DB_OP_RELEASE) {
			(void)snprintf(ops[n].host, sizeof(ops[n].host), "%s", host->name);
			ops[n].has_identity = true;
			ops[n].identity = profile->members[i].identity;
		}
		n++;
	}
	return n;
}

/* The request that does it. @ops: the caller's to free. */
static int request_make(struct fabric *f, const char *name, enum db_op op, const char *to,
			struct fabric_problem *problem, struct fabric_request *request,
			struct fabric_request_op **ops)
{
	const struct fabric_profile *profile = profile_get(f, name);
	struct fabric_host *host = op == DB_OP_RELEASE ? NULL : host_get(f, to);
	int r;

	*problem = (struct fabric_problem){ .op = SIZE_MAX };
	if (!profile)
		return problem_say(problem, REFUSE_NO_PROFILE, "there is no profile %s", name);
	if (op != DB_OP_RELEASE && !host)
		return problem_say(problem, REFUSE_NO_HOST, "there is no host %s", to);
	r = where_check(profile, op, host, problem);
	if (r)
		return r;
	*ops = calloc(profile->member_count, sizeof(struct fabric_request_op));
	if (!*ops)
		return -ENOMEM;
	request->op_count = ops_make(profile, op, host, *ops);
	request->ops = *ops;
	return 0;
}

int fabric_profile_change(struct fabric *f, const char *name, enum db_op op, const char *to,
			  const struct fabric_asker *who, struct fabric_problem *problem,
			  fabric_answer_fn *fn, void *arg)
{
	struct fabric_request request = { .uid = who->uid, .key = who->key, .hash = who->hash };
	struct fabric_request_op *ops = NULL;
	int r;

	/* Before it is looked at where the profile is: it is there by then. */
	r = change_request_begin(f, &request, problem, fn, arg);
	if (r != -ENOENT)
		return r;
	r = request_make(f, name, op, to, problem, &request, &ops);
	if (!r)
		r = fabric_change_request(f, &request, problem, fn, arg);
	free(ops);
	if (r)
		return r;
	history_event(f, "profile.change", name, "%s%s%s, %zu function%s", fabric_op_text(op),
		      op == DB_OP_RELEASE ? "" : " to ", op == DB_OP_RELEASE ? "" : to,
		      request.op_count, request.op_count == 1 ? "" : "s");
	return 0;
}

int fabric_profile_change_plan(struct fabric *f, const char *name, enum db_op op, const char *to,
			       struct fabric_problem *problem, struct fabric_plan *out)
{
	struct fabric_request request = { 0 };
	struct fabric_request_op *ops = NULL;
	int r = request_make(f, name, op, to, problem, &request, &ops);

	*out = (struct fabric_plan){ 0 };
	if (!r)
		r = fabric_change_plan(f, &request, problem, out);
	free(ops);
	return r;
}
