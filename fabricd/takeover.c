/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a fenced host to a spare: which one, and the change that moves what is left.
 *
 * Nothing is remembered between two moves: what is still assigned to the fenced host is what is
 * left to be moved, also after a restart.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/groups.h"
#include "fabricd/state.h"

struct fabric_change *failover_change(struct fabric *f, const struct move *m)
{
	struct fabric_change *change = change_make(f, DB_CHANGE_FAILOVER, m->fn_count);
	uint16_t vports[PROVIDER_VPORTS_MAX];
	size_t n = 0;

	if (!change)
		return NULL;
	move_vports(m, vports);
	for (size_t i = 0; i < m->group_count; i++) {
		const struct move_group *g = &m->groups[i];

		for (size_t k = 0; k < g->count; k++, n++) {
			struct fabric_item *item = &change->items[change->item_count];

			if (!g->target || !vports[n])
				continue;
			change_fill(f, item, DB_OP_MOVE, g->fns[k], g->target, vports[n],
				    &g->fns[k]->identity);
			item->change = change; /* a plan is never kept, and looks at it */
			change->item_count++;
		}
	}
	return change;
}

/* ---- moving ---- */

/* Each group that has found no spare. */
static void waiting_say(struct fabric *f, struct fabric_incident *incident, const struct move *m)
{
	for (size_t i = 0; i < m->group_count; i++) {
		const struct move_group *g = &m->groups[i];
		char group[DB_TEXT_MAX];

		if (g->target)
			continue;
		group_say(g, group);
		incident_step(f, incident, "waiting", "%s%sno spare is fit%s%s",
			      g->profile ? group : "", g->profile ? ": " : "",
			      g->why[0] ? ": " : "", g->why);
	}
}

static void incident_wait(struct fabric *f, const struct move *m)
{
	struct fabric_incident *incident = m->incident;

	if (incident->row.state == DB_INCIDENT_WAITING)
		return;
	incident->row.state = DB_INCIDENT_WAITING;
	waiting_say(f, incident, m);
	incident_store(f, incident);
}

/* A change that was asked for before still leads to @dead: it ends parked, as @dead's. */
static bool is_led_to(const struct fabric_host *dead)
{
	for (unsigned v = 1; v <= PROVIDER_VPORTS_MAX; v++) {
		const struct fabric_function *fn = dead->vports[v];

		if (fn && fn->item && fn->host != dead)
			return true;
	}
	return false;
}

/* Return: it is over, or has nothing that could be moved now. */
static bool incident_has_nothing(struct fabric *f, struct fabric_incident *incident)
{
	const struct fabric_host *dead = incident->host;

	if (dead->functions)
		return false;
	if (!is_led_to(dead) && !cold_is_awaited(f, incident))
		incident_end(f, incident,
			     incident->row.change ? "all functions have moved" : "nothing to move");
	return true;
}

/* What went where, and why not elsewhere. */
static void moves_say(struct fabric *f, struct fabric_incident *incident, const struct move *m)
{
	for (size_t i = 0; i < m->group_count; i++) {
		const struct move_group *g = &m->groups[i];
		char group[DB_TEXT_MAX];

		if (!g->target)
			continue;
		group_say(g, group);
		incident_step(f, incident, "move", "%s to %s, change %" PRIu64 "%s%s", group,
			      g->target->name, incident->row.change,
			      g->why[0] ? "; passed over: " : "", g->why);
	}
}

/* All groups that have found a target go there in one change. */
static void incident_move(struct fabric *f, struct move *m)
{
	struct fabric_incident *incident = m->incident;
	struct fabric_change *change = failover_change(f, m);

	if (change && !change->item_count) {
		change_free(change);
		incident_wait(f, m);
		return;
	}
	if (!change || change_keep(f, change)) {
		freeze(f, "out of memory");
		return;
	}
	change->row.incident = incident->row.id;
	incident->row.target[0] = '\0';
	for (size_t i = 0; i < m->group_count; i++) {
		struct fabric_host *target = m->groups[i].target;

		if (!target)
			continue;
		if (!incident->row.target[0] || !m->groups[i].profile)
			(void)snprintf(incident->row.target, sizeof(incident->row.target), "%s",
				       target->name);
		if (cold_is_off(f, target))
			cold_begin(f, target, incident);
		target->spare = false;
		target->took = incident->row.id;
		host_store(f, target);
	}
	change_store_intent(f, change);
	incident->row.state = DB_INCIDENT_MOVING;
	incident->row.change = change->row.id;
	moves_say(f, incident, m);
	waiting_say(f, incident, m);
	incident_store(f, incident);
}

/* Each that somebody else has: it stays, and the others go without it. Told once. */
static void left_say(struct fabric *f, struct fabric_incident *incident)
{
	for (unsigned v = 1; v <= PROVIDER_VPORTS_MAX; v++) {
		const struct fabric_function *fn = incident->host->vports[v];
		char why[DB_TEXT_MAX];
		char detail[DB_TEXT_MAX];

		if (!fn || fn->host != incident->host || !move_leaves(f, fn))
			continue;
		foreign_say(f, fn, why);
		(void)snprintf(detail, sizeof(detail), "%s stays: %.400s", fn->name, why);
		if (!incident_is_said(incident, "left", detail))
			incident_step(f, incident, "left", "%s", detail);
	}
}

/* Return: 0 with @out, NULL when there is nothing to be moved now. */
static int incident_plan(struct fabric *f, struct fabric_incident *incident, struct move **out)
{
	OWNED(move_free) struct move *m = NULL;
	int r;

	*out = NULL;
	if (incident_has_nothing(f, incident))
		return 0;
	left_say(f, incident);
	r = move_new(f, incident->host, MOVE_NOW, &m);
	if (r || !m->fn_count)
		return r; /* locked, away, or to be tried again later */
	m->incident = incident;
	*out = TAKE(m);
	return 0;
}

void incidents_move(struct fabric *f, struct fabric_incident *const *incidents, size_t count)
{
	struct move **moves = calloc(count + 1, sizeof(struct move *));
	size_t n = 0;
	int r = moves ? 0 : -ENOMEM;

	for (size_t i = 0; !r && i < count; i++) {
		r = incident_plan(f, incidents[i], &moves[n]);
		n += !r && moves[n];
	}
	if (!r)
		r = moves_place(f, moves, n);
	for (size_t i = 0; !r && i < n; i++)
		incident_move(f, moves[i]);
	if (r)
		freeze(f, "out of memory");
	for (size_t i = 0; i < n; i++)
		move_free(moves[i]);
	free(moves);
}

/* For each target what has arrived there, in the order of the items. */
static void arrivals_say(struct fabric *f, struct fabric_incident *incident,
			 const struct fabric_change *change)
{
	for (size_t i = 0; i < change->item_count; i++) {
		const char *target = change->items[i].row.host;
		size_t done = 0;
		size_t all = 0;

		for (size_t k = 0; k < change->item_count; k++) {
			const struct db_item *row = &change->items[k].row;

			if (strcmp(row->host, target) != 0)
				continue;
			if (k < i)
				break; /* told before */
			all++;
			done += row->state == DB_CHANGE_DONE;
		}
		if (all)
			incident_step(f, incident, "moved",
				      "%zu of %zu functions bound and read back at %s", done, all,
				      target);
	}
}

void incident_change_ended(struct fabric *f, struct fabric_change *change)
{
	struct fabric_incident *incident = incident_get(f, change->row.incident);

	if (!incident || incident->row.state != DB_INCIDENT_MOVING)
		return;
	for (size_t i = 0; i < change->item_count; i++) {
		const struct db_item *row = &change->items[i].row;

		if (row->state == DB_CHANGE_FAILED)
			change->items[i].fn->retry_ms = f->now_ms + f->config.repair_retry_ms;
		if (row->state != DB_CHANGE_DONE)
			incident_step(f, incident, fabric_change_state_text(row->state), "%s: %s",
				      row->function, row->reason);
	}
	arrivals_say(f, incident, change);
	look(f); /* what is left of it */
}

struct fabric_change *incident_change(struct fabric *f, const struct fabric_incident *incident)
{
	struct fabric_change *change = change_find(f, incident->row.change);

	return change && !change->run.is_over ? change : NULL;
}
