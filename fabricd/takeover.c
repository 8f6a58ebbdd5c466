/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a fenced host to a spare: which one, and the change that moves what is left.
 *
 * Nothing is remembered between two moves: what is still assigned to the fenced host is what is
 * left to be moved, also after a restart.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fabricd/state.h"

/* ---- where to ---- */

unsigned host_free_vports(const struct fabric_host *host)
{
	unsigned n = 0;

	for (uint16_t v = 1; v <= host->as.vports && v <= PROVIDER_VPORTS_MAX; v++)
		n += !host_vport_user(host, v);
	return n;
}

/* Every function that is assigned to @host and free to be moved now. */
size_t host_functions(struct fabric *f, const struct fabric_host *host, bool all,
		      struct fabric_function **out)
{
	size_t n = 0;

	for (unsigned v = 1; v <= PROVIDER_VPORTS_MAX; v++) {
		struct fabric_function *fn = host->vports[v];

		if (!fn || fn->host != host)
			continue;
		if (all ||
		    (!fn->item && fn->present && !card_withheld(fn) && fn->retry_ms <= f->now_ms))
			out[n++] = fn;
	}
	return n;
}

static bool is_reachable(const struct fabric_host *host, struct fabric_function *const *fns,
			 size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!host->present || !fns[i]->adapter ||
		    fns[i]->adapter->provider != host->provider)
			return false;
	return true;
}

struct fabric_host *failover_target(struct fabric *f, const struct fabric_host *dead,
				    const char *preferred, struct fabric_function *const *fns,
				    size_t count, char *why)
{
	const struct live_config live = live_config_of(f);
	const struct target_need need = { (unsigned)count, dead->as.chassis,
					  dead->as.switch_handle };
	struct fabric_host *before = preferred[0] ? host_get(f, preferred) : NULL;
	struct target_candidate *candidates;
	int best;

	/* A profile stays together: what is left goes where the rest went. */
	if (before && before != dead && host_is_open(before) &&
	    before->state != FABRIC_HOST_MAINTENANCE && is_reachable(before, fns, count) &&
	    host_free_vports(before) >= count)
		return before;
	candidates = calloc(f->hosts.count + 1, sizeof(*candidates));
	if (!candidates)
		return NULL;
	for (size_t i = 0; i < f->hosts.count; i++) {
		const struct fabric_host *host = f->hosts.at[i];

		candidates[i] = (struct target_candidate){
			.name = host->name,
			.spare = host->spare && host != dead,
			.door_open = host_is_open(host) && host->state == FABRIC_HOST_ALIVE,
			.steady = live_is_steady(&host->live, &live, f->config.spare_windows,
						 f->now_ms),
			.reachable = is_reachable(host, fns, count),
			.used = host->functions,
			.free_vports = host_free_vports(host),
			.chassis = host->as.chassis,
			.switch_handle = host->as.switch_handle,
		};
	}
	best = target_choose(candidates, f->hosts.count, &need, why, DB_TEXT_MAX);
	free(candidates);
	return best < 0 ? NULL : f->hosts.at[best];
}

struct fabric_change *failover_change(struct fabric *f, struct fabric_host *target,
				      struct fabric_function *const *fns, size_t count)
{
	struct fabric_change *change = change_make(f, DB_CHANGE_FAILOVER, count);
	bool taken[PROVIDER_VPORTS_MAX + 1];

	if (!change)
		return NULL;
	for (uint16_t v = 1; v <= PROVIDER_VPORTS_MAX; v++)
		taken[v] = host_vport_user(target, v) || v > target->as.vports;
	for (size_t i = 0; i < count; i++) {
		uint16_t vport = fns[i]->vport;

		if (taken[vport])
			for (vport = 1; vport < PROVIDER_VPORTS_MAX && taken[vport]; vport++)
				;
		taken[vport] = true;
		change_fill(f, &change->items[i], DB_OP_MOVE, fns[i], target, vport,
			    &fns[i]->identity);
		change->items[i].change = change; /* a plan is never kept, and looks at it */
		change->item_count++;
	}
	return change;
}

/* ---- moving ---- */

static void incident_wait(struct fabric *f, struct fabric_incident *incident, const char *why)
{
	if (incident->row.state == DB_INCIDENT_WAITING)
		return;
	incident->row.state = DB_INCIDENT_WAITING;
	incident_step(f, incident, "waiting", "no spare is fit%s%s", why[0] ? ": " : "", why);
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

void incident_move(struct fabric *f, struct fabric_incident *incident)
{
	struct fabric_function *fns[PROVIDER_VPORTS_MAX];
	struct fabric_host *dead = incident->host;
	struct fabric_host *target;
	struct fabric_change *change;
	char why[DB_TEXT_MAX] = "";
	size_t count;

	if (!dead->functions && is_led_to(dead))
		return;
	if (!dead->functions) {
		incident_end(f, incident,
			     incident->row.change ? "all functions have moved" : "nothing to move");
		return;
	}
	count = host_functions(f, dead, false, fns);
	if (!count)
		return; /* locked, away, or to be tried again later */
	target = failover_target(f, dead, incident->row.target, fns, count, why);
	if (!target) {
		incident_wait(f, incident, why);
		return;
	}
	change = failover_change(f, target, fns, count);
	if (!change || change_keep(f, change)) {
		freeze(f, "out of memory");
		return;
	}
	change->row.incident = incident->row.id;
	target->spare = false;
	host_store(f, target);
	change_store_intent(f, change);
	incident->row.state = DB_INCIDENT_MOVING;
	incident->row.change = change->row.id;
	(void)snprintf(incident->row.target, sizeof(incident->row.target), "%s", target->name);
	incident_step(f, incident, "move", "%zu function%s to %s, change %" PRIu64, count,
		      count == 1 ? "" : "s", target->name, change->row.id);
	incident_store(f, incident);
}

void incident_change_ended(struct fabric *f, struct fabric_change *change)
{
	struct fabric_incident *incident = incident_get(f, change->row.incident);
	size_t done = 0;

	if (!incident || incident->row.state != DB_INCIDENT_MOVING)
		return;
	for (size_t i = 0; i < change->item_count; i++) {
		const struct db_item *row = &change->items[i].row;

		done += row->state == DB_CHANGE_DONE;
		if (row->state == DB_CHANGE_FAILED)
			change->items[i].fn->retry_ms = f->now_ms + f->config.repair_retry_ms;
		if (row->state != DB_CHANGE_DONE)
			incident_step(f, incident, fabric_change_state_text(row->state), "%s: %s",
				      row->function, row->reason);
	}
	incident_step(f, incident, "moved", "%zu of %zu functions bound and read back at %s", done,
		      change->item_count, incident->row.target);
	incident_move(f, incident);
}

struct fabric_change *incident_change(struct fabric *f, const struct fabric_incident *incident)
{
	struct fabric_change *change = change_find(f, incident->row.change);

	return change && !change->run.is_over ? change : NULL;
}
