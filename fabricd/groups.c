/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What moves together when a host is given up, and where each goes.
 *
 * A group is a profile, or all that a host has outside of profiles, which counts as one group of
 * the default priority. A group goes whole to one host, or waits. One host that has room for all
 * groups is preferred; where there is none they go by priority, the highest first, over all hosts
 * that are given up at the same time.
 */
#include "fabricd/groups.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/natural.h"

/* ---- what there is to be moved ---- */

unsigned host_free_vports(const struct fabric_host *host)
{
	unsigned n = 0;

	for (uint16_t v = 1; v <= host->as.vports && v <= PROVIDER_VPORTS_MAX; v++)
		n += !host_vport_user(host, v);
	return n;
}

/* A change that is under way has some function of it: who goes where is told at its end. */
static bool is_under_way(const struct fabric_profile *profile)
{
	for (size_t i = 0; i < profile->member_count; i++)
		if (profile->members[i].fn->item)
			return true;
	return false;
}

static bool is_movable(const struct fabric *f, const struct fabric_function *fn)
{
	return !fn->item && fn->present && !card_withheld(fn) && fn->retry_ms <= f->now_ms &&
	       !(fn->profile && is_under_way(fn->profile));
}

bool move_leaves(const struct fabric *f, const struct fabric_function *fn)
{
	return function_place(f, fn) != fn->host && binding_is_foreign(f, fn, &fn->as.now);
}

static bool is_chosen(const struct fabric *f, const struct fabric_function *fn,
		      enum move_which which)
{
	return which == MOVE_ALL ||
	       (!move_leaves(f, fn) && (which == MOVE_OURS || is_movable(f, fn)));
}

/* The highest priority first, then by the profile's name; what is in none comes behind those. */
static int compare_functions(const void *a, const void *b)
{
	const struct fabric_function *x = *(struct fabric_function *const *)a;
	const struct fabric_function *y = *(struct fabric_function *const *)b;
	unsigned px = x->profile ? x->profile->priority : FABRIC_PRIORITY;
	unsigned py = y->profile ? y->profile->priority : FABRIC_PRIORITY;

	if (px != py)
		return px > py ? -1 : 1;
	if (x->profile != y->profile)
		return !x->profile   ? 1
		       : !y->profile ? -1
				     : natural_compare(x->profile->name, y->profile->name);
	return x->vport < y->vport ? -1 : x->vport > y->vport;
}

static int groups_make(struct move *m)
{
	m->groups = calloc(m->fn_count + 1, sizeof(*m->groups));
	if (!m->groups)
		return -ENOMEM;
	for (size_t i = 0; i < m->fn_count; i++) {
		const struct fabric_profile *profile = m->fns[i]->profile;
		struct move_group *last = m->group_count ? &m->groups[m->group_count - 1] : NULL;

		if (last && last->profile == profile) {
			last->count++;
			continue;
		}
		m->groups[m->group_count++] =
			(struct move_group){ .profile = profile,
					     .priority =
						     profile ? profile->priority : FABRIC_PRIORITY,
					     .fns = &m->fns[i],
					     .count = 1 };
	}
	return 0;
}

void move_free(struct move *m)
{
	if (!m)
		return;
	free(m->groups);
	free(m);
}

int move_new(struct fabric *f, struct fabric_host *from, enum move_which which, struct move **out)
{
	OWNED(move_free) struct move *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return -ENOMEM;
	m->from = from;
	for (unsigned v = 1; v <= PROVIDER_VPORTS_MAX; v++) {
		struct fabric_function *fn = from->vports[v];

		if (fn && fn->host == from && is_chosen(f, fn, which))
			m->fns[m->fn_count++] = fn;
	}
	qsort(m->fns, m->fn_count, sizeof(*m->fns), compare_functions);
	r = groups_make(m);
	if (!r)
		*out = TAKE(m);
	return r;
}

/* ---- where to ---- */

static bool is_reachable(const struct fabric_host *host, struct fabric_function *const *fns,
			 size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!host->present || !fns[i]->adapter ||
		    fns[i]->adapter->provider != host->provider)
			return false;
	return true;
}

static unsigned room_of(const struct fabric_host *host)
{
	unsigned n = host_free_vports(host);

	return n > host->promised ? n - host->promised : 0;
}

/* It has what went before of this incident, or is about to get it. */
static bool is_ours(const struct move *m, const struct fabric_host *host)
{
	return host->promised_to == m->from ||
	       (m->incident && host->took == m->incident->row.id && !host->promised);
}

static struct target_candidate candidate_of(const struct fabric *f, const struct move *m,
					    struct fabric_function *const *fns, size_t count,
					    const struct fabric_host *host)
{
	const struct live_config live = live_config_of(f);
	bool ours = is_ours(m, host);
	bool is_silent = host->state == FABRIC_HOST_UNKNOWN;
	bool is_cold = host_is_cold(f, host) || (ours && host->cold.incident);

	/* Most are no spares, and nobody looks at the rest of what they are. */
	if ((!host->spare && !ours) || host == m->from)
		return (struct target_candidate){ .name = host->name };
	return (struct target_candidate){
		.name = host->name,
		.spare = true,
		.ours = ours,
		.door_open = is_cold || is_silent || host->state == FABRIC_HOST_ALIVE,
		.silent = is_silent,
		.cold = is_cold,
		.steady = host->live.witness != LIVE_SAYS_DEAD &&
			  live_is_steady(&host->live, &live, f->config.spare_windows, f->now_ms),
		.reachable = is_reachable(host, fns, count),
		.used = host->functions + host->promised,
		.free_vports = room_of(host),
		.chassis = host->as.chassis,
		.switch_handle = host->as.switch_handle,
	};
}

static struct fabric_host *spare_choose(struct fabric *f, const struct move *m,
					struct fabric_function *const *fns, size_t count, char *why)
{
	const struct target_need need = { (unsigned)count, m->from->as.chassis,
					  m->from->as.switch_handle };
	struct target_candidate *candidates = calloc(f->hosts.count + 1, sizeof(*candidates));
	int best;

	if (!candidates)
		return NULL;
	for (size_t i = 0; i < f->hosts.count; i++)
		candidates[i] = candidate_of(f, m, fns, count, f->hosts.at[i]);
	best = target_choose(candidates, f->hosts.count, &need, why, DB_TEXT_MAX);
	free(candidates);
	return best < 0 ? NULL : f->hosts.at[best];
}

/* Who has the rest of it: what is left goes where that went. NULL: nobody that is let in. */
static struct fabric_host *mate_of(struct fabric *f, const struct move *m,
				   const struct move_group *g)
{
	if (!g->profile && m->incident && m->incident->row.target[0]) {
		struct fabric_host *host = host_get(f, m->incident->row.target);

		return host && host != m->from && host_is_open(host) ? host : NULL;
	}
	for (size_t i = 0; g->profile && i < g->profile->member_count; i++) {
		struct fabric_host *host = g->profile->members[i].fn->host;

		if (host && host != m->from && host_is_open(host))
			return host;
	}
	return NULL;
}

static bool has_room(const struct fabric_host *host, const struct move_group *g)
{
	return host->state != FABRIC_HOST_MAINTENANCE && is_reachable(host, g->fns, g->count) &&
	       room_of(host) >= g->count;
}

static void promise(const struct move *m, struct move_group *g, struct fabric_host *host)
{
	g->target = host;
	host->promised += (unsigned)g->count;
	host->promised_to = m->from;
}

/* All of it to one host, unless some of it is elsewhere already. */
static void place_whole(struct fabric *f, struct move *m)
{
	char why[DB_TEXT_MAX] = "";
	struct fabric_host *host;

	if (m->group_count < 2)
		return;
	for (size_t i = 0; i < m->group_count; i++)
		if (m->groups[i].target || mate_of(f, m, &m->groups[i]))
			return;
	host = spare_choose(f, m, m->fns, m->fn_count, why);
	for (size_t i = 0; host && i < m->group_count; i++) {
		promise(m, &m->groups[i], host);
		(void)snprintf(m->groups[i].why, sizeof(m->groups[i].why), "%s", why);
	}
}

static void place_group(struct fabric *f, struct move *m, struct move_group *g)
{
	struct fabric_host *mate = mate_of(f, m, g);
	struct fabric_host *host = mate && has_room(mate, g) ? mate : NULL;

	if (!host && mate && g->profile)
		(void)snprintf(g->why, sizeof(g->why), "%s has the rest of it, and no room now",
			       mate->name);
	else if (!host)
		host = spare_choose(f, m, g->fns, g->count, g->why);
	if (host)
		promise(m, g, host);
}

struct turn {
	struct move *m;
	struct move_group *g;
};

static int compare_turns(const void *a, const void *b)
{
	const struct turn *x = a;
	const struct turn *y = b;
	uint64_t ix = x->m->incident ? x->m->incident->row.id : 0;
	uint64_t iy = y->m->incident ? y->m->incident->row.id : 0;

	if (x->g->priority != y->g->priority)
		return x->g->priority > y->g->priority ? -1 : 1;
	if (ix != iy)
		return ix < iy ? -1 : 1;
	return x->g < y->g ? -1 : x->g > y->g;
}

int moves_place(struct fabric *f, struct move *const *moves, size_t count)
{
	struct turn *turns;
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += moves[i]->group_count;
	turns = calloc(n + 1, sizeof(*turns));
	if (!turns)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < moves[i]->group_count; k++)
			turns[n++] = (struct turn){ moves[i], &moves[i]->groups[k] };
	qsort(turns, n, sizeof(*turns), compare_turns);
	for (size_t i = 0; i < f->hosts.count; i++) {
		struct fabric_host *host = f->hosts.at[i];

		host->promised = 0;
		host->promised_to = NULL;
	}
	for (size_t i = 0; i < n; i++) {
		if (turns[i].g == turns[i].m->groups)
			place_whole(f, turns[i].m);
		if (!turns[i].g->target)
			place_group(f, turns[i].m, turns[i].g);
	}
	free(turns);
	return 0;
}

const struct move_group *move_waiting(const struct move *m)
{
	for (size_t i = 0; i < m->group_count; i++)
		if (!m->groups[i].target)
			return &m->groups[i];
	return NULL;
}

/* ---- which vports ---- */

static bool is_given(const struct move *m, const uint16_t *vports, size_t count,
		     const struct fabric_host *host, uint16_t vport)
{
	size_t n = 0;

	for (size_t i = 0; i < m->group_count && n < count; i++)
		for (size_t k = 0; k < m->groups[i].count && n < count; k++, n++)
			if (m->groups[i].target == host && vports[n] == vport)
				return true;
	return false;
}

void move_vports(const struct move *m, uint16_t vports[static PROVIDER_VPORTS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < m->group_count; i++) {
		const struct fabric_host *host = m->groups[i].target;

		for (size_t k = 0; k < m->groups[i].count; k++, n++) {
			uint16_t own = m->groups[i].fns[k]->vport;

			vports[n] = 0;
			/* The one that it has where that is free, else the first. */
			for (uint16_t v = 0; host && v <= host->as.vports && !vports[n]; v++) {
				uint16_t vport = v ? v : own;

				if (vport <= host->as.vports && !host_vport_user(host, vport) &&
				    !is_given(m, vports, n, host, vport))
					vports[n] = vport;
			}
		}
	}
}

/* ---- for people ---- */

void group_say(const struct move_group *g, char out[static DB_TEXT_MAX])
{
	const char *s = g->count == 1 ? "" : "s";

	if (g->profile)
		(void)snprintf(out, DB_TEXT_MAX, "profile %s (priority %u, %zu function%s)",
			       g->profile->name, g->priority, g->count, s);
	else
		(void)snprintf(out, DB_TEXT_MAX, "%zu function%s", g->count, s);
}

void move_say(const struct move *m, char out[static DB_TEXT_MAX])
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < m->group_count && at < DB_TEXT_MAX; i++) {
		const struct move_group *g = &m->groups[i];
		char group[DB_TEXT_MAX];
		int n;

		group_say(g, group);
		n = snprintf(out + at, DB_TEXT_MAX - at, "%s%.200s move%s to %s", i ? ", " : "",
			     group, g->profile || g->count == 1 ? "s" : "",
			     g->target ? g->target->name : "nobody yet");
		at += n < 0 ? 0 : (size_t)n;
	}
}

void move_targets(const struct move *m, char out[static FABRIC_NAME_MAX])
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < m->group_count && at < FABRIC_NAME_MAX; i++) {
		const struct fabric_host *host = m->groups[i].target;
		bool is_first = host != NULL;
		int n;

		for (size_t k = 0; k < i; k++)
			is_first = is_first && m->groups[k].target != host;
		if (!is_first)
			continue;
		n = snprintf(out + at, FABRIC_NAME_MAX - at, "%s%s", at ? ", " : "", host->name);
		at += n < 0 ? 0 : (size_t)n;
	}
}

void colds_say(const struct fabric *f, const struct move *m, char out[static DB_TEXT_MAX])
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < m->group_count && at < DB_TEXT_MAX; i++) {
		const struct fabric_host *host = m->groups[i].target;
		bool is_first = host && host_is_cold(f, host);
		int n;

		for (size_t k = 0; k < i; k++)
			is_first = is_first && m->groups[k].target != host;
		if (!is_first)
			continue;
		n = snprintf(out + at, DB_TEXT_MAX - at,
			     "; powers on %s, waits up to %" PRIu32 " s for its first beat",
			     host->name, f->config.cold_start_ms / 1000);
		at += n < 0 ? 0 : (size_t)n;
	}
}
