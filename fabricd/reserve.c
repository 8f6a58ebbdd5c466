/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * S12: room for the failures that policy says. A change is weighed by what it leaves, with all that
 * is under way, against what there was: if the fullest hosts failed, for how many functions more
 * would the spares have no vport?
 */
#include "failover/reserve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/state.h"

enum { BEFORE, AFTER };

struct weighing {
	struct fabric *f;
	const struct fabric_change *change;
	const struct fabric_host **loaded; /* the fullest first */
	unsigned *rooms;
};

/* Where @fn is before the change, or after it, when all that is under way has ended. */
static struct fabric_host *place_at(const struct weighing *w, const struct fabric_function *fn,
				    unsigned when)
{
	bool is_own = fn->item && fn->item->change == w->change;

	return fn->item && !(is_own && when == BEFORE) ? host_get(w->f, fn->item->row.host)
						       : fn->host;
}

static void loads_count(const struct weighing *w)
{
	struct fabric *f = w->f;

	for (size_t i = 0; i < f->hosts.count; i++)
		memset(((struct fabric_host *)f->hosts.at[i])->load, 0,
		       sizeof(((struct fabric_host *)f->hosts.at[i])->load));
	for (size_t i = 0; i < f->functions.count; i++) {
		for (unsigned when = BEFORE; when <= AFTER; when++) {
			struct fabric_host *host = place_at(w, f->functions.at[i], when);

			if (host)
				host->load[when]++;
		}
	}
}

static int compare_before(const void *a, const void *b)
{
	const struct fabric_host *x = *(const struct fabric_host *const *)a;
	const struct fabric_host *y = *(const struct fabric_host *const *)b;

	return x->load[BEFORE] > y->load[BEFORE] ? -1 : x->load[BEFORE] < y->load[BEFORE];
}

static int compare_after(const void *a, const void *b)
{
	const struct fabric_host *x = *(const struct fabric_host *const *)a;
	const struct fabric_host *y = *(const struct fabric_host *const *)b;

	return x->load[AFTER] > y->load[AFTER] ? -1 : x->load[AFTER] < y->load[AFTER];
}

/* ---- what goes together ---- */

struct sized {
	unsigned priority;
	unsigned size;
};

static int compare_sized(const void *a, const void *b)
{
	const struct sized *x = a;
	const struct sized *y = b;

	return x->priority > y->priority ? -1 : x->priority < y->priority;
}

/* The groups of @host, as groups.c makes them. @sizes: room for all profiles and one more. */
static size_t groups_of(const struct weighing *w, const struct fabric_host *host, unsigned when,
			struct sized *sizes)
{
	unsigned rest = host->load[when];
	size_t n = 0;

	for (size_t i = 0; i < w->f->profile_count; i++) {
		const struct fabric_profile *profile = w->f->profiles[i];
		unsigned size = 0;

		for (size_t k = 0; k < profile->member_count; k++)
			size += place_at(w, profile->members[k].fn, when) == host;
		if (size)
			sizes[n++] = (struct sized){ profile->priority, size };
		rest -= size;
	}
	if (rest)
		sizes[n++] = (struct sized){ FABRIC_PRIORITY, rest };
	qsort(sizes, n, sizeof(*sizes), compare_sized);
	return n;
}

/* What the first @failures of @w->loaded would need and not get. */
static int short_of_loaded(const struct weighing *w, size_t failures, size_t room_count,
			   unsigned when, unsigned *missing)
{
	size_t most = w->f->profile_count + 1;
	struct reserve_load *loads = calloc(failures + 1, sizeof(*loads));
	unsigned *sizes = calloc((failures + 1) * most, sizeof(*sizes));
	struct sized *sized = calloc(most, sizeof(*sized));
	bool is_made = loads && sizes && sized;

	for (size_t i = 0; is_made && i < failures; i++) {
		loads[i].sizes = sizes + i * most;
		loads[i].count = groups_of(w, w->loaded[i], when, sized);
		for (size_t k = 0; k < loads[i].count; k++)
			sizes[i * most + k] = sized[k].size;
	}
	if (is_made)
		*missing = reserve_short(loads, failures, w->rooms, room_count);
	free(loads);
	free(sizes);
	free(sized);
	return is_made ? 0 : -ENOMEM;
}

/* What the spares of provider @p lack, before the change or after it. */
static int short_of(struct weighing *w, const struct fabric_provider *p, unsigned when,
		    unsigned *missing)
{
	struct fabric *f = w->f;
	size_t load_count = 0;
	size_t room_count = 0;

	for (size_t i = 0; i < f->hosts.count; i++) {
		const struct fabric_host *host = f->hosts.at[i];

		if (host->provider != p->number)
			continue;
		if (host->load[when])
			w->loaded[load_count++] = host;
		else if (host->spare && host->present &&
			 (host->state == FABRIC_HOST_ALIVE || cold_is_off(f, host)))
			w->rooms[room_count++] =
				host_free_vports(host) + (when == AFTER ? 0 : host->load[AFTER]);
	}
	qsort(w->loaded, load_count, sizeof(struct fabric_host *),
	      when == AFTER ? compare_after : compare_before);
	if (load_count > f->config.reserve)
		load_count = f->config.reserve;
	return short_of_loaded(w, load_count, room_count, when, missing);
}

static int weigh(struct weighing *w, char why[static DB_TEXT_MAX])
{
	unsigned reserve = w->f->config.reserve;

	loads_count(w);
	for (size_t i = 0; i < w->f->provider_count; i++) {
		unsigned before = 0;
		unsigned after = 0;
		int r = short_of(w, w->f->providers[i], BEFORE, &before);

		if (!r)
			r = short_of(w, w->f->providers[i], AFTER, &after);
		if (r)
			return r;
		if (after <= before)
			continue;
		(void)snprintf(why, DB_TEXT_MAX,
			       "if the fullest %u host%s failed, the spares would have no vport "
			       "for %u function%s (reserve = %u)",
			       reserve, reserve == 1 ? "" : "s", after, after == 1 ? "" : "s",
			       reserve);
		return REFUSE_RESERVE;
	}
	return 0;
}

int reserve_check(struct fabric *f, const struct fabric_change *change,
		  char why[static DB_TEXT_MAX])
{
	struct weighing w = { .f = f, .change = change };
	int r = -ENOMEM;

	if (!f->config.reserve)
		return 0;
	w.loaded = calloc(f->hosts.count + 1, sizeof(struct fabric_host *));
	w.rooms = calloc(f->hosts.count + 1, sizeof(*w.rooms));
	if (w.loaded && w.rooms)
		r = weigh(&w, why);
	free(w.loaded);
	free(w.rooms);
	return r;
}
