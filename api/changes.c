/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/changes: what was asked for, what failovers and repairs do, and how it goes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/body.h"
#include "api/call.h"
#include "api/commands.h"
#include "api/resource.h"

/* ---- documents ---- */

static const char *text_or_null(const char *text)
{
	return *text ? text : NULL;
}

static void vport_member(struct buf *out, const char *key, uint16_t vport)
{
	json_key(out, key);
	if (vport)
		json_number(out, vport);
	else
		json_null(out);
}

/* Its end is told only once it is durable; until then the function is locked by it. */
static bool item_is_open(const struct fabric_item *item)
{
	return item->fn && item->fn->item == item;
}

enum db_change_state change_state(const struct fabric_change *change)
{
	for (size_t i = 0; i < change->item_count; i++) {
		if (item_is_open(&change->items[i]))
			return DB_CHANGE_RUNNING;
	}
	return change->row.state;
}

/* One operation: {"op","function",...}. @is_done: false, it is only planned, and has no state.
 * @step: NULL unless it runs. */
static void item_write(const struct db_item *row, bool is_done, const char *step, struct buf *out)
{
	json_open(out, '{');
	json_member_text(out, "op", fabric_op_text(row->op));
	json_member_text(out, "function", row->function);
	json_member_text(out, "host", text_or_null(row->host));
	vport_member(out, "vport", row->vport);
	json_member_text(out, "from", text_or_null(row->from_host));
	vport_member(out, "from_vport", row->from_vport);
	identity_member(out, "identity", &row->identity);
	json_member_number(out, "generation", row->generation);
	json_member_text(out, "state", is_done ? fabric_change_state_text(row->state) : NULL);
	json_member_text(out, "reason", text_or_null(row->reason));
	json_member_text(out, "step", row->state == DB_CHANGE_RUNNING ? step : NULL);
	json_close(out, '}');
}

static void id_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_change *c = object;

	(void)f;
	value_number(v, c->row.id);
}

static void kind_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_change *c = object;

	(void)f;
	value_text(v, fabric_change_kind_text(c->row.kind));
}

static void state_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_change *c = object;

	(void)f;
	value_text(v, fabric_change_state_text(change_state(c)));
}

static void started_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_change *c = object;

	(void)f;
	value_time(v, c->row.started_wall_ms);
}

static void ended_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_change *c = object;

	(void)f;
	value_time(v, change_state(c) == DB_CHANGE_RUNNING ? 0 : c->row.ended_wall_ms);
}

static void uid_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_change *c = object;

	(void)f;
	value_number(v, c->row.uid);
}

static void incident_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_change *c = object;

	(void)f;
	value_number_or_null(v, c->row.incident);
}

/* The first thing that went wrong. */
static void reason_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_change *c = object;

	(void)f;
	value_text(v, NULL);
	for (size_t i = 0; i < c->item_count && v->kind == VALUE_NULL; i++)
		value_text(v, c->items[i].row.reason);
}

static void operations_put(const struct fabric *f, const void *object, struct buf *out)
{
	const struct fabric_change *c = object;

	(void)f;
	json_open(out, '[');
	for (size_t i = 0; i < c->item_count; i++) {
		struct db_item row = c->items[i].row;

		if (item_is_open(&c->items[i]))
			row.state = DB_CHANGE_RUNNING;
		item_write(&row, true, c->items[i].step, out);
	}
	json_close(out, ']');
}

static const struct field fields[] = {
	{ .name = "id", .get = id_get },
	{ .name = "kind", .get = kind_get },
	{ .name = "state", .get = state_get },
	{ .name = "started", .get = started_get },
	{ .name = "ended", .get = ended_get },
	{ .name = "uid", .get = uid_get },
	{ .name = "incident", .get = incident_get },
	{ .name = "reason", .get = reason_get },
	{ .name = "operations", .write = operations_put },
	{ 0 },
};

RESOURCE_LIST(change, fabric_changes)

static const void *change_find(const struct fabric *f, const char *id)
{
	uint64_t n = resource_number_parse(id);

	return n ? fabric_change_find(f, n) : NULL;
}

/* It would not be there, and its number another's, if the manager died now. */
static bool is_durable(const void *object)
{
	const struct fabric_change *c = object;

	return c->durable;
}

const struct resource resource_changes = {
	.name = "changes",
	.fields = fields,
	.missing = REFUSE_NO_CHANGE,
	.find = change_find,
	.count = change_count,
	.at = change_at,
	.has = is_durable,
};

void plan_write(const struct fabric_plan *plan, bool dry_run, struct buf *out)
{
	json_open(out, '{');
	json_member_bool(out, "dry_run", dry_run);
	if (*plan->target)
		json_member_text(out, "target", plan->target);
	if (*plan->detail)
		json_member_text(out, "detail", plan->detail);
	json_key(out, "plan");
	json_open(out, '[');
	for (size_t i = 0; i < plan->item_count; i++) {
		const struct fabric_plan_item *item = &plan->items[i];

		item_write(&item->row, !dry_run || item->row.state == DB_CHANGE_REFUSED, NULL, out);
		out->length--; /* one member more: the bracket comes behind it */
		json_key(out, "steps");
		json_open(out, '[');
		for (size_t k = 0; k < sizeof(item->steps) / sizeof(*item->steps); k++) {
			if (!item->steps[k])
				break;
			json_text(out, item->steps[k]);
		}
		json_close(out, ']');
		json_close(out, '}');
	}
	json_close(out, ']');
	json_close(out, '}');
	buf_text(out, "\n");
}

void plan_answer(struct api_call *call, int r, const struct fabric_problem *why, bool of_body,
		 const struct fabric_plan *plan)
{
	struct problem p;

	if (r) {
		problem_from_fabric(&p, r, why, of_body);
		call_refuse_with(call, &p);
		return;
	}
	plan_write(plan, true, call_body(call->api));
	call_reply(call, 200, 0);
}

/* ---- reading ---- */

static void change_get(struct api_call *call)
{
	struct ticket *t;
	uint32_t wait_s = 0;
	struct problem p;
	const struct fabric_change *change = call->id ? change_find(call->fabric, call->id) : NULL;

	if (!change || !call_param(call, "wait")) {
		resource_get(call, &resource_changes);
		return;
	}
	if (call_refuse_params(call, "wait"))
		return;
	if (call_seconds(call, "wait", WAIT_MAX_S, &wait_s, &p)) {
		call_refuse_with(call, &p);
		return;
	}
	if (change_state(change) != DB_CHANGE_RUNNING || !wait_s) {
		resource_one_get(call, &resource_changes, "wait");
		return;
	}
	if (ticket_new(call->api, call->conn, NULL, &t)) {
		call_refuse(call, -ENOMEM);
		return;
	}
	t->wait_s = wait_s;
	ticket_hold(t);
	if (!ticket_change_wait(t, change->row.id))
		ticket_free(t);
}

const struct api_command api_change_get = {
	.name = "change.get",
	.method = MESSAGE_GET,
	.collection = "changes",
	.takes_id = CALL_ANY_ID,
	.right = SERVER_RIGHT_READ,
	.summary = "changes; with an id and ?wait=SECONDS, once that one has ended",
	.run = change_get,
};

/* ---- asking ---- */

int change_key_get(const struct api_call *call, char key[static DB_KEY_MAX], struct problem *p)
{
	struct message_part part = call->request->head->headers[MESSAGE_IDEMPOTENCY_KEY];

	*key = '\0';
	if (!part.at)
		return 0;
	for (uint32_t i = 0; i < part.length; i++) {
		if ((unsigned char)call->request->bytes[part.at + i] < ' ')
			part.length = 0;
	}
	if (!part.length || part.length >= DB_KEY_MAX) {
		problem_init(p, REFUSE_FIELD);
		(void)snprintf(p->detail, sizeof(p->detail),
			       "Idempotency-Key takes 1 to %d characters", DB_KEY_MAX - 1);
		return REFUSE_FIELD;
	}
	memcpy(key, call->request->bytes + part.at, part.length);
	key[part.length] = '\0';
	return 0;
}

static void change_plan(struct api_call *call, const struct fabric_request *request)
{
	OWNED(fabric_plan_done) struct fabric_plan plan = { 0 };
	struct fabric_problem why = { .op = SIZE_MAX };
	int r = fabric_change_plan(call->fabric, request, &why, &plan);

	plan_answer(call, r, &why, true, &plan);
}

static bool change_accepted(struct ticket *t, int r, uint64_t id)
{
	struct problem p;

	if (!r)
		return ticket_change_wait(t, id);
	problem_init(&p, r);
	api_send_problem(t->api, t->conn, &p);
	return false;
}

struct ticket *change_ticket(struct api_call *call, uint32_t wait_s)
{
	struct ticket *t;
	int r = ticket_new(call->api, call->conn, change_accepted, &t);

	if (r) {
		call_refuse(call, r);
		return NULL;
	}
	t->wait_s = wait_s;
	t->is_new = true;
	return t;
}

static void change_submit(struct api_call *call, const struct fabric_request *request,
			  uint32_t wait_s)
{
	struct fabric_problem why = { .op = SIZE_MAX };
	struct ticket *t = change_ticket(call, wait_s);
	int r;

	if (!t)
		return;
	r = fabric_change_request(call->fabric, request, &why, ticket_answered, t);
	ticket_asked(t, call, r, &why, true);
}

static void change_post(struct api_call *call)
{
	OWNED(body_change_done) struct body_change body = { 0 };
	struct fabric_request request = { .uid = server_conn_uid(call->conn) };
	char key[DB_KEY_MAX];
	uint32_t wait_s = 0;
	struct problem p;
	int r = call_seconds(call, "wait", WAIT_MAX_S, &wait_s, &p);

	if (!r)
		r = change_key_get(call, key, &p);
	if (!r)
		r = body_change_parse(call->request->body, call->request->body_length, &body, &p);
	if (r > 0) {
		call_refuse_with(call, &p);
		return;
	}
	if (r) {
		call_refuse(call, r);
		return;
	}
	request.ops = body.ops;
	request.op_count = body.op_count;
	request.key = *key ? key : NULL;
	request.hash = api_hash(0, call->request->body, call->request->body_length);
	if (body.dry_run)
		change_plan(call, &request);
	else
		change_submit(call, &request, wait_s);
}

const struct api_command api_change_post = {
	.name = "change.post",
	.method = MESSAGE_POST,
	.collection = "changes",
	.right = SERVER_RIGHT_OPERATE,
	.params = call_wait_params,
	.summary = "assign, release, move; dry_run plans only, ?wait=SECONDS waits for the end",
	.run = change_post,
};

/* ---- all that a host has ---- */

static void drain_plan(struct api_call *call, const struct body_place *body)
{
	OWNED(fabric_plan_done) struct fabric_plan plan = { 0 };
	struct fabric_problem why = { .op = SIZE_MAX };
	int r = fabric_host_drain_plan(call->fabric, call->id, body->host, &why, &plan);

	plan_answer(call, r, &why, false, &plan);
}

/* A key was heard of before, or what the host has moves, or there is nothing to do: that is said.
 */
static void drain_begin(struct api_call *call, const struct body_place *body, const char *key,
			uint32_t wait_s)
{
	struct fabric_problem why = { .op = SIZE_MAX };
	struct fabric_asker who = { .uid = server_conn_uid(call->conn), .key = *key ? key : NULL };
	struct ticket *t = change_ticket(call, wait_s);
	int r;

	if (!t)
		return;
	who.hash = api_hash(api_hash(api_hash(0, "drain", 5), call->id, strlen(call->id)),
			    call->request->body, call->request->body_length);
	r = fabric_host_drain(call->fabric, call->id, body->host, &who, &why, ticket_answered, t);
	if (r != REFUSE_FUNCTION_FREE) {
		ticket_asked(t, call, r, &why, false);
		return;
	}
	ticket_free(t);
	drain_plan(call, body);
}

static void host_drain(struct api_call *call)
{
	const struct fabric_host *host = fabric_host_find(call->fabric, call->id);
	struct body_place body = { 0 };
	char key[DB_KEY_MAX];
	uint32_t wait_s = 0;
	struct problem p;
	int r = host ? call_if_match(call, &resource_hosts, host) : REFUSE_NO_HOST;

	if (r) {
		call_refuse(call, r);
		return;
	}
	r = call_seconds(call, "wait", WAIT_MAX_S, &wait_s, &p);
	if (!r)
		r = change_key_get(call, key, &p);
	if (!r)
		r = body_place_parse(call->request->body, call->request->body_length, BODY_PLACE_TO,
				     &body, &p);
	if (r > 0)
		call_refuse_with(call, &p);
	else if (r)
		call_refuse(call, r);
	else if (body.dry_run)
		drain_plan(call, &body);
	else
		drain_begin(call, &body, key, wait_s);
}

const struct api_command api_host_drain = {
	.name = "host.drain",
	.method = MESSAGE_POST,
	.collection = "hosts",
	.takes_id = CALL_ID,
	.verb = "drain",
	.right = SERVER_RIGHT_OPERATE,
	.params = call_wait_params,
	.summary =
		"move all it has to a spare, or {\"to\":HOST}; dry_run plans, ?wait=SECONDS waits",
	.run = host_drain,
};

/* ---- cancelling ---- */

static bool change_cancelled(struct ticket *t, int r, uint64_t id)
{
	struct problem p;

	(void)id;
	if (!r)
		return ticket_change_wait(t, t->id); /* does not wait: there is no wait_s */
	problem_init(&p, r);
	api_send_problem(t->api, t->conn, &p);
	return false;
}

static void cancel_refuse(struct api_call *call, int r)
{
	const struct fabric_change *change = change_find(call->fabric, call->id);
	struct problem p;

	if (r != REFUSE_NOT_CANCELLABLE || !change) {
		call_refuse(call, r);
		return;
	}
	problem_init(&p, r);
	(void)snprintf(p.detail, sizeof(p.detail), "change %s is %s; its kind is %s", call->id,
		       fabric_change_state_text(change_state(change)),
		       fabric_change_kind_text(change->row.kind));
	call_refuse_with(call, &p);
}

static void change_cancel(struct api_call *call)
{
	const struct fabric_change *change = change_find(call->fabric, call->id);
	struct ticket *t;
	int r = change ? call_if_match(call, &resource_changes, change) : REFUSE_NO_CHANGE;

	if (!r)
		r = ticket_new(call->api, call->conn, change_cancelled, &t);
	if (r) {
		call_refuse(call, r);
		return;
	}
	t->id = change->row.id;
	r = fabric_change_cancel(call->fabric, t->id, server_conn_uid(call->conn), ticket_answered,
				 t);
	if (!r) {
		ticket_hold(t);
		return;
	}
	ticket_free(t);
	cancel_refuse(call, r);
}

const struct api_command api_change_cancel = {
	.name = "change.cancel",
	.method = MESSAGE_DELETE,
	.collection = "changes",
	.takes_id = CALL_ID,
	.right = SERVER_RIGHT_OPERATE,
	.params = call_no_params,
	.summary = "cancel a change that has had no effect yet",
	.run = change_cancel,
};
