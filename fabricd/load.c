/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the database holds, taken in once at the start. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/state.h"

struct loading {
	struct fabric *f;
	int r;
};

static void load_quarantine(struct loading *l, const char *name, bool quarantined)
{
	struct fabric_adapter *adapter = named_get(&l->f->adapters, sizeof(*adapter), name);

	if (!adapter)
		l->r = -ENOMEM;
	else
		adapter->quarantined = quarantined;
}

static void load_cold(struct loading *l, const char *name, uint64_t incident)
{
	struct fabric_host *host = incident ? named_get(&l->f->hosts, sizeof(*host), name) : NULL;

	if (host)
		cold_load(l->f, host, incident);
	else if (incident)
		l->r = -ENOMEM;
}

static struct fabric_port *port_known(struct loading *l, const char *name)
{
	struct fabric_port *port = named_get(&l->f->ports, sizeof(*port), name);

	if (!port)
		l->r = -ENOMEM;
	return port;
}

/* What is not set needs no port, which may be none any more. */
static void load_slot(struct loading *l, const char *row)
{
	struct fabric_port *port = NULL;

	if (!strncmp(row, SLOT_OFF_NUMBER, strlen(SLOT_OFF_NUMBER))) {
		port = port_known(l, row + strlen(SLOT_OFF_NUMBER));
		if (port)
			port->off_by_hand = true;
	} else if (!strncmp(row, SLOT_UNSCRUBBED_NUMBER, strlen(SLOT_UNSCRUBBED_NUMBER))) {
		port = port_known(l, row + strlen(SLOT_UNSCRUBBED_NUMBER));
		if (port)
			port->unscrubbed = true;
	}
}

static void load_number(void *arg, const struct db_number *row)
{
	struct loading *l = arg;

	if (!strcmp(row->name, "attempt")) {
		l->f->attempt = row->value;
	} else if (!strcmp(row->name, "generation")) {
		l->f->lowest = row->value;
	} else if (!strcmp(row->name, "adopted")) {
		/* Never written as 0 but by a restore. */
		l->f->adopted = row->value != 0;
		l->f->restored = row->value == 0;
	} else if (!strncmp(row->name, COLD_NUMBER, strlen(COLD_NUMBER))) {
		load_cold(l, row->name + strlen(COLD_NUMBER), row->value);
	} else if (!strncmp(row->name, QUARANTINE_NUMBER, strlen(QUARANTINE_NUMBER)))
		load_quarantine(l, row->name + strlen(QUARANTINE_NUMBER), row->value != 0);
	else if (row->value)
		load_slot(l, row->name);
}

static void load_adapter(void *arg, const struct db_adapter *row)
{
	struct loading *l = arg;
	struct fabric_adapter *adapter = named_get(&l->f->adapters, sizeof(*adapter), row->name);

	if (!adapter) {
		l->r = -ENOMEM;
		return;
	}
	(void)snprintf(adapter->position, sizeof(adapter->position), "%s", row->position);
	(void)snprintf(adapter->as.serial, sizeof(adapter->as.serial), "%s", row->serial);
	adapter->as.class_code = row->class_code;
}

static void load_host(void *arg, const struct db_host *row)
{
	static const enum fabric_host_state states[DB_HOST_STATES] = {
		[DB_HOST_UNKNOWN] = FABRIC_HOST_UNKNOWN,
		[DB_HOST_ALIVE] = FABRIC_HOST_ALIVE,
		[DB_HOST_FENCING] = FABRIC_HOST_FENCING,
		[DB_HOST_FENCED] = FABRIC_HOST_FENCED,
		[DB_HOST_BLOCKED] = FABRIC_HOST_BLOCKED,
		[DB_HOST_MAINTENANCE] = FABRIC_HOST_MAINTENANCE,
		[DB_HOST_QUARANTINED] = FABRIC_HOST_QUARANTINED,
	};
	struct loading *l = arg;
	struct fabric_host *host = named_get(&l->f->hosts, sizeof(*host), row->name);

	if (!host) {
		l->r = -ENOMEM;
		return;
	}
	host->state = states[row->state];
	host->spare = row->spare;
	host->epoch = row->epoch;
	host->epoch_stored = row->epoch;
	host->incident = row->incident;
	host->proved.wall_ms = row->proved_wall_ms;
	host->proved.incident = row->proved_incident;
	host->proved.by_drill = row->proved_by_drill;
	(void)snprintf(host->proved.rungs, sizeof(host->proved.rungs), "%s", row->proved_rungs);
	host->has_beaten = row->boot_id[0] != '\0';
	(void)snprintf(host->boot_id, sizeof(host->boot_id), "%s", row->boot_id);
}

static struct fabric_function *function_known(struct loading *l, const char *name)
{
	struct fabric_function *fn =
		named_get(&l->f->functions, sizeof(struct fabric_function), name);

	if (!fn)
		l->r = -ENOMEM;
	return fn;
}

static void load_function(void *arg, const struct db_function *row)
{
	struct loading *l = arg;
	struct fabric_function *fn = function_known(l, row->name);

	if (!fn)
		return;
	fn->highest = row->generation;
	fn->generation = row->generation;
	fn->bad = row->bad;
}

static void load_assignment(void *arg, const struct db_assignment *row)
{
	struct loading *l = arg;
	struct fabric_function *fn = function_known(l, row->function);
	struct fabric_host *host = named_get(&l->f->hosts, sizeof(*host), row->host);

	if (!fn || !host) {
		l->r = -ENOMEM;
		return;
	}
	if (row->vport > PROVIDER_VPORTS_MAX) {
		l->r = -EBADMSG;
		return;
	}
	function_own(fn, host, row->vport);
	fn->generation = row->generation;
	if (fn->highest < row->generation)
		fn->highest = row->generation;
	function_given(fn, row->generation);
	fn->identity = row->identity;
	fn->assigned = row->state;
}

static void load_profile(void *arg, const struct db_profile *row)
{
	struct loading *l = arg;
	int r = profile_load(l->f, row);

	if (r)
		l->r = r;
}

static void load_member(void *arg, const struct db_member *row)
{
	struct loading *l = arg;
	struct fabric_function *fn = function_known(l, row->function);
	int r = fn ? profile_load_member(l->f, row, fn) : -ENOMEM;

	if (r)
		l->r = r;
}

static void load_chassis(void *arg, const struct db_chassis *row)
{
	struct loading *l = arg;

	if (!number_load(l->f, row))
		l->r = -ENOMEM;
}

static void load_turn(void *arg, const struct db_turn *row)
{
	struct loading *l = arg;

	if (!turn_load(l->f, row))
		l->r = -ENOMEM;
}

static void load_change(void *arg, const struct db_change *row)
{
	struct loading *l = arg;
	struct fabric_change *change = change_make(l->f, row->kind, 0);
	int r;

	if (!change) {
		l->r = -ENOMEM;
		return;
	}
	change->row = *row;
	change->durable = true;
	if (l->f->next_change <= row->id)
		l->f->next_change = row->id + 1;
	r = change_keep(l->f, change);
	if (r)
		l->r = r; /* and no other is forgotten */
}

/* What was under way when a backup was made has failed, and may have been done for all that: by the
 * life that went on. */
static void load_given(struct loading *l, struct fabric_function *fn, const struct db_item *row)
{
	const struct fabric_host *host =
		row->op == DB_OP_RELEASE ? NULL : host_get(l->f, row->host);

	if (row->generation == fn->highest && (host || row->op == DB_OP_RELEASE))
		function_lead(fn, row->generation, host, row->vport);
	if (row->state == DB_CHANGE_DONE || row->state == DB_CHANGE_PARKED)
		function_given(fn, row->generation);
}

static void load_item(void *arg, const struct db_item *row)
{
	struct loading *l = arg;
	struct fabric_change *change = change_find(l->f, row->change);
	struct fabric_item *items;
	struct fabric_function *fn = function_known(l, row->function);

	if (!change || !fn)
		return;
	if (row->vport > PROVIDER_VPORTS_MAX) {
		l->r = -EBADMSG;
		return;
	}
	load_given(l, fn, row);
	/* Room for a power of two of them. */
	if (!(change->item_count & (change->item_count - 1))) {
		size_t room = change->item_count ? change->item_count * 2 : 1;

		items = realloc(change->items, room * sizeof(*items));
		if (!items) {
			l->r = -ENOMEM;
			return;
		}
		change->items = items;
	}
	if (change->row.incident && host_get(l->f, row->host))
		host_get(l->f, row->host)->took = change->row.incident;
	change->items[change->item_count++] =
		(struct fabric_item){ .row = *row, .fn = fn, .step = "" };
}

static void load_incident(void *arg, const struct db_incident *row)
{
	struct loading *l = arg;
	struct fabric *f = l->f;
	struct fabric_incident *incident = calloc(1, sizeof(*incident));
	struct fabric_incident **grown =
		realloc(f->incidents, (f->incident_count + 1) * sizeof(*grown));

	if (grown)
		f->incidents = grown;
	if (!incident || !grown) {
		free(incident);
		l->r = -ENOMEM;
		return;
	}
	incident->row = *row;
	incident->durable = true;
	incident->host = host_get(f, row->host);
	f->incident_room = ++f->incident_count;
	f->incidents[f->incident_count - 1] = incident;
	if (f->next_incident <= row->id)
		f->next_incident = row->id + 1;
}

static void load_step(void *arg, const struct db_step *row)
{
	struct loading *l = arg;
	struct fabric_incident *incident = incident_get(l->f, row->incident);
	struct db_step *steps;

	if (!incident)
		return;
	steps = realloc(incident->steps, (incident->step_count + 1) * sizeof(*steps));
	if (!steps) {
		l->r = -ENOMEM;
		return;
	}
	incident->steps = steps;
	incident->steps[incident->step_count++] = *row;
	incident->told = incident->step_count;
}

static void load_record(void *arg, const struct db_record *row)
{
	struct loading *l = arg;
	struct fabric_incident *incident = incident_get(l->f, row->incident);

	if (incident)
		night_keep(l->f, incident, row->data.at, row->data.length);
}

static void load_event(void *arg, const struct db_event *row)
{
	struct loading *l = arg;

	if (l->f->next_event <= row->n)
		l->f->next_event = row->n + 1;
	history_publish(l->f, row);
}

static void load_key(void *arg, const struct db_idempotency *row)
{
	struct loading *l = arg;
	struct fabric *f = l->f;

	if (f->key_count == f->key_room) {
		size_t room = f->key_room ? f->key_room * 2 : 64;
		struct db_idempotency *keys = realloc(f->keys, room * sizeof(*keys));

		if (!keys) {
			l->r = -ENOMEM;
			return;
		}
		f->keys = keys;
		f->key_room = room;
	}
	f->keys[f->key_count++] = *row;
}

/* Only now do items stand still in memory: their functions may point at them. */
static void changes_tie(struct fabric *f)
{
	for (size_t i = 0; i < f->change_count; i++) {
		struct fabric_change *change = f->changes[i];

		for (size_t n = 0; n < change->item_count; n++)
			change->items[n].change = change;
		change->run.is_over = change->row.state != DB_CHANGE_RUNNING;
		if (!change->run.is_over)
			change_resume(f, change);
	}
}

int fabric_load(struct fabric *f, struct db *db, char *why)
{
	struct loading l = { f, 0 };
	const struct db_reader reader = {
		.number = load_number,
		.adapter = load_adapter,
		.host = load_host,
		.function = load_function,
		.assignment = load_assignment,
		.profile = load_profile,
		.member = load_member,
		.chassis = load_chassis,
		.turn = load_turn,
		.change = load_change,
		.item = load_item,
		.incident = load_incident,
		.step = load_step,
		.record = load_record,
		.event = load_event,
		.idempotency = load_key,
		.changes = FABRIC_ENDED_KEPT,
		.incidents = FABRIC_ENDED_KEPT,
		.events = FABRIC_EVENTS_KEPT,
		.record_bytes = FABRIC_RECORD_BYTES,
		.arg = &l,
	};
	int r = db_load(db, &reader, why);

	if (r)
		return r;
	if (l.r) {
		(void)snprintf(why, DB_TEXT_MAX, "%s", strerror(-l.r));
		return l.r;
	}
	named_sort(&f->adapters);
	named_sort(&f->hosts);
	named_sort(&f->functions);
	(void)snprintf(f->incarnation, sizeof(f->incarnation), "%s", db_incarnation(db));
	changes_tie(f);
	return 0;
}
