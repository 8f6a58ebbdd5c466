/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/incidents: a host's failure from suspicion to recovery, with its time line. */
#include "api/call.h"
#include "api/commands.h"
#include "api/resource.h"

enum db_incident_state incident_state(const struct fabric_incident *incident)
{
	if (incident->row.state == DB_INCIDENT_DONE && incident->unstored)
		return DB_INCIDENT_MOVING;
	return incident->row.state;
}

static void id_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_incident *i = object;

	(void)f;
	value_number(v, i->row.id);
}

static void host_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_incident *i = object;

	(void)f;
	value_text(v, i->row.host);
}

static void state_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_incident *i = object;

	(void)f;
	value_text(v, fabric_incident_state_text(incident_state(i)));
}

static void cause_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_incident *i = object;

	(void)f;
	value_text(v, i->row.cause);
}

static void target_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_incident *i = object;

	(void)f;
	value_text(v, i->row.target);
}

static void change_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_incident *i = object;

	(void)f;
	value_number_or_null(v, i->row.change);
}

static void started_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_incident *i = object;

	(void)f;
	value_time(v, i->row.started_wall_ms);
}

static void ended_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_incident *i = object;

	(void)f;
	value_time(v, incident_state(i) == DB_INCIDENT_DONE ? i->row.ended_wall_ms : 0);
}

static void drill_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_incident *i = object;

	(void)f;
	value_bool(v, i->row.drill);
}

static void timeline_put(const struct fabric *f, const void *object, struct buf *out)
{
	const struct fabric_incident *incident = object;

	(void)f;
	json_open(out, '[');
	for (size_t i = 0; i < incident->step_count; i++) {
		const struct db_step *step = &incident->steps[i];

		json_open(out, '{');
		json_member_time(out, "time", step->wall_ms);
		json_member_number(out, "offset_ms", step->offset_ms);
		json_member_text(out, "what", step->what);
		json_member_text(out, "detail", *step->detail ? step->detail : NULL);
		json_close(out, '}');
	}
	json_close(out, ']');
}

/* What its change moves; empty once that change is no longer kept in memory. */
static void moves_put(const struct fabric *f, const void *object, struct buf *out)
{
	const struct fabric_incident *incident = object;
	const struct fabric_change *change =
		incident->row.change ? fabric_change_find(f, incident->row.change) : NULL;

	json_open(out, '[');
	for (size_t i = 0; change && i < change->item_count; i++) {
		const struct db_item *row = &change->items[i].row;

		json_open(out, '{');
		json_member_text(out, "function", row->function);
		json_member_text(out, "from", *row->from_host ? row->from_host : NULL);
		json_member_text(out, "to", *row->host ? row->host : NULL);
		json_member_number(out, "vport", row->vport);
		identity_member(out, "identity", &row->identity);
		json_member_text(out, "outcome", fabric_change_state_text(row->state));
		json_member_text(out, "reason", *row->reason ? row->reason : NULL);
		json_close(out, '}');
	}
	json_close(out, ']');
}

static void next_put(const struct fabric *f, const void *object, struct buf *out)
{
	struct fabric_next next[FABRIC_NEXT_MAX];

	next_steps_write(next, fabric_incident_next(f, object, next), out);
}

static const struct field fields[] = {
	{ .name = "id", .get = id_get },
	{ .name = "host", .get = host_get },
	{ .name = "state", .get = state_get },
	{ .name = "cause", .get = cause_get },
	{ .name = "target", .get = target_get },
	{ .name = "change", .get = change_get },
	{ .name = "started", .get = started_get },
	{ .name = "ended", .get = ended_get },
	{ .name = "drill", .get = drill_get },
	{ .name = "timeline", .write = timeline_put },
	{ .name = "moves", .write = moves_put },
	{ .name = "next", .write = next_put, .moves = true },
	{ 0 },
};

RESOURCE_LIST(incident, fabric_incidents)

static const void *incident_find(const struct fabric *f, const char *id)
{
	uint64_t n = resource_number_parse(id);

	return n ? fabric_incident_find(f, n) : NULL;
}

/* As for a change. */
static bool is_durable(const void *object)
{
	const struct fabric_incident *i = object;

	return i->durable;
}

const struct resource resource_incidents = {
	.name = "incidents",
	.fields = fields,
	.missing = REFUSE_NO_INCIDENT,
	.find = incident_find,
	.count = incident_count,
	.at = incident_at,
	.has = is_durable,
};

static void incident_get(struct api_call *call)
{
	resource_get(call, &resource_incidents);
}

const struct api_command api_incident_get = {
	.name = "incident.get",
	.method = MESSAGE_GET,
	.collection = "incidents",
	.takes_id = CALL_ANY_ID,
	.right = SERVER_RIGHT_READ,
	.summary = "failures of hosts, with their time lines",
	.run = incident_get,
};
