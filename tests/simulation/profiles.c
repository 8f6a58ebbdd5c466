/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Profiles: people define them and move them about, and they stay whole. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/simulation/acts.h"

enum { PROFILE_MEMBERS = 4 };

static void on_set(void *arg, int r, uint64_t id)
{
	(void)arg;
	(void)r;
	(void)id;
}

/* ---- what people do ---- */

static bool may_join(const struct fabric_function *fn, const struct fabric_function *first)
{
	return fn->host == first->host && !fn->item && !fn->profile && fn->present &&
	       fn->adapter == first->adapter && !fabric_function_is_kept(fn);
}

/* Some functions of one adapter that are together anyway; free ones get identities. */
static void define(struct world *w, const char *name)
{
	struct fabric_profile_member members[PROFILE_MEMBERS] = { 0 };
	struct fabric_profile_request request = { .priority = (unsigned)world_random(w, 1001),
						  .members = members };
	struct fabric_problem problem = { 0 };
	size_t count;
	const struct fabric_function *const *all = fabric_functions(w->fabric, &count);
	size_t from = count ? world_random(w, count) : 0;
	size_t wanted = 2 + world_random(w, PROFILE_MEMBERS - 1);

	for (size_t i = from; i < count && request.member_count < wanted; i++) {
		struct fabric_profile_member *m = &members[request.member_count];

		if (!may_join(all[i], all[from]))
			continue;
		(void)snprintf(m->function, sizeof(m->function), "%s", all[i]->name);
		m->has_identity =
			!all[i]->host && (all[i]->as.identity_can & PROVIDER_IDENTITY_MAC) != 0;
		m->identity.mac = m->has_identity ? w->next_mac++ : 0;
		request.member_count++;
	}
	(void)snprintf(request.name, sizeof(request.name), "%s", name);
	if (request.member_count && !fabric_profile_set(w->fabric, &request, &problem, on_set, w))
		world_story(w, "operator: profile %s, priority %u, is %zu functions from %s on",
			    name, request.priority, request.member_count, members[0].function);
}

static void place(struct world *w, const struct fabric_profile *profile)
{
	const char *to = w->actors[world_random(w, w->actor_count)].name;
	static const struct fabric_asker operator= { 0 };
	enum db_op op = DB_OP_ASSIGN;
	struct fabric_problem problem = { 0 };
	char why[DB_TEXT_MAX];

	if (strcmp(fabric_profile_state(profile, why), "free") != 0)
		op = world_random(w, 4) ? DB_OP_MOVE : DB_OP_RELEASE;
	w->moves++;
	if (fabric_profile_change(w->fabric, profile->name, op, to, &operator, & problem,
				  on_acknowledged, w))
		world_story(w, "operator: %s profile %s %s: refused: %s", fabric_op_text(op),
			    profile->name, to, problem.reason);
	else
		world_story(w, "operator: %s profile %s %s", fabric_op_text(op), profile->name, to);
}

void act_profile(struct world *w)
{
	char name[16];
	const struct fabric_profile *profile;
	struct fabric_problem problem = { 0 };

	(void)snprintf(name, sizeof(name), "p%" PRIu64, world_random(w, WORLD_PROFILES));
	profile = fabric_profile_find(w->fabric, name);
	if (!profile)
		define(w, name);
	else if (world_random(w, 12))
		place(w, profile);
	else if (!fabric_profile_delete(w->fabric, name, 0, &problem, on_set, w))
		world_story(w, "operator: profile %s is no more", name);
}

/* ---- they stay whole ---- */

/* A repair puts it back to where it belongs: that is no other place. */
static bool is_mended(const struct fabric_change *change)
{
	return change->row.kind == DB_CHANGE_REPAIR && change->row.state == DB_CHANGE_DONE;
}

/* The last that was tried with it came to nothing, or nothing can be tried: its card is away, its
 * host is fenced and waits for a spare. */
static bool is_excused(const struct world *w, const struct fabric_function *fn)
{
	size_t count;
	const struct fabric_change *const *changes = fabric_changes(w->fabric, &count);

	if (!fn->present || (fn->host && fn->host->state == FABRIC_HOST_FENCED))
		return true;
	for (size_t c = count; c-- > 0;)
		for (size_t i = 0; i < changes[c]->item_count; i++)
			if (changes[c]->items[i].fn == fn && !is_mended(changes[c]))
				return changes[c]->row.kind != DB_CHANGE_ASKED &&
				       changes[c]->items[i].row.state != DB_CHANGE_DONE;
	return false;
}

static bool is_under_way(const struct fabric_profile *profile)
{
	for (size_t i = 0; i < profile->member_count; i++)
		if (profile->members[i].fn->item)
			return true;
	return false;
}

static void check_whole(struct world *w, const struct fabric_profile *profile)
{
	const struct fabric_function *first = profile->members[0].fn;
	const struct fabric_function *apart = NULL;
	bool *split = &w->split[profile->name[1] - '0']; /* until it is whole again */

	for (size_t i = 0; i < profile->member_count; i++) {
		const struct fabric_function *fn = profile->members[i].fn;

		apart = fn->host != first->host ? fn : apart;
	}
	*split = apart && *split;
	for (size_t i = 0; apart && i < profile->member_count; i++)
		*split = *split || is_excused(w, profile->members[i].fn);
	if (apart && !*split)
		world_broken(w, "profile %s is split: %s is with %s, %s with %s", profile->name,
			     first->name, first->host ? first->host->name : "nobody", apart->name,
			     apart->host ? apart->host->name : "nobody");
}

static void check_carried(struct world *w, const struct fabric_profile *profile)
{
	bool *loose = &w->loose[profile->name[1] - '0'];

	if (*loose) {
		char why[DB_TEXT_MAX];
		const char *state = fabric_profile_state(profile, why);

		*loose = strcmp(state, "bound") != 0 && strcmp(state, "free") != 0;
		w->split[profile->name[1] - '0'] = *loose;
	}
	if (*loose)
		return;
	for (size_t i = 0; i < profile->member_count; i++) {
		const struct fabric_member *m = &profile->members[i];

		if (m->fn->host && !identity_is_equal(&m->fn->identity, &m->identity))
			world_broken(w, "profile %s: %s is with %s under another identity",
				     profile->name, m->fn->name, m->fn->host->name);
	}
}

void profiles_loosen(struct world *w)
{
	for (size_t i = 0; i < WORLD_PROFILES; i++)
		w->loose[i] = true;
}

void check_profiles(struct world *w)
{
	size_t count;
	const struct fabric_profile *const *profiles = fabric_profiles(w->fabric, &count);

	for (size_t i = 0; i < count; i++) {
		if (is_under_way(profiles[i]))
			continue;
		check_carried(w, profiles[i]);
		check_whole(w, profiles[i]);
	}
}
