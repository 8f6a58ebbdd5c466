/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/profiles: functions that go together. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/body.h"
#include "api/call.h"
#include "api/commands.h"
#include "api/resource.h"

/* ---- documents ---- */

static void id_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_profile *p = object;

	(void)f;
	value_text(v, p->name);
}

static void priority_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_profile *p = object;

	(void)f;
	value_number(v, p->priority);
}

static void state_get(const struct fabric *f, const void *object, struct value *v)
{
	char why[DB_TEXT_MAX];

	(void)f;
	value_text(v, fabric_profile_state(object, why));
}

static void reason_put(const struct fabric *f, const void *object, struct buf *out)
{
	char why[DB_TEXT_MAX];

	(void)f;
	(void)fabric_profile_state(object, why);
	if (*why)
		json_text(out, why);
	else
		json_null(out);
}

static void host_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_host *host = fabric_profile_host(object);

	(void)f;
	value_text(v, host ? host->name : NULL);
}

static void count_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_profile *p = object;

	(void)f;
	value_number(v, p->member_count);
}

static void functions_put(const struct fabric *f, const void *object, struct buf *out)
{
	const struct fabric_profile *p = object;

	(void)f;
	json_open(out, '[');
	for (size_t i = 0; i < p->member_count; i++) {
		const struct fabric_function *fn = p->members[i].fn;
		const struct fabric_owner owner = fabric_function_owner(fn);

		json_open(out, '{');
		json_member_text(out, "function", fn->name);
		identity_member(out, "identity", &p->members[i].identity);
		json_member_text(out, "host", owner.host ? owner.host->name : NULL);
		json_member_text(out, "state",
				 fabric_function_state_text(fabric_function_state(fn)));
		json_close(out, '}');
	}
	json_close(out, ']');
}

static const struct field fields[] = {
	{ .name = "id", .get = id_get },
	{ .name = "priority", .get = priority_get },
	{ .name = "state", .get = state_get },
	{ .name = "reason", .write = reason_put },
	{ .name = "host", .get = host_get },
	{ .name = "count", .get = count_get },
	{ .name = "functions", .write = functions_put },
	{ 0 },
};

RESOURCE_LIST(profile, fabric_profiles)

static const void *profile_find(const struct fabric *f, const char *id)
{
	return fabric_profile_find(f, id);
}

const struct resource resource_profiles = {
	.name = "profiles",
	.fields = fields,
	.missing = REFUSE_NO_PROFILE,
	.find = profile_find,
	.count = profile_count,
	.at = profile_at,
};

static void profile_get(struct api_call *call)
{
	resource_get(call, &resource_profiles);
}

const struct api_command api_profile_get = {
	.name = "profile.get",
	.method = MESSAGE_GET,
	.collection = "profiles",
	.takes_id = CALL_ANY_ID,
	.right = SERVER_RIGHT_READ,
	.summary = "functions that go together, with their identities and priority",
	.run = profile_get,
};

/* ---- defining ---- */

/* @why: its .op is the index of the function that it is about. */
static void set_refuse(struct api_call *call, int r, const struct fabric_problem *why)
{
	struct problem p;
	char path[96];

	problem_from_fabric(&p, r, why, false);
	if (r > 0 && why->op != SIZE_MAX) {
		(void)snprintf(path, sizeof(path), "/functions/%zu/%.64s", why->op,
			       why->field ? why->field : "");
		problem_field(&p, r, path, "%s", why->reason);
	}
	call_refuse_with(call, &p);
}

/* Answers with the profile as it is now. */
static bool profile_done(struct ticket *t, int r, uint64_t id)
{
	const struct fabric_profile *profile = fabric_profile_find(t->api->fabric, t->subject);
	char location[FABRIC_NAME_MAX + 16];
	uint64_t hash = 0;
	struct problem p;

	(void)id;
	if (!r && !profile)
		r = REFUSE_NO_PROFILE;
	if (r) {
		problem_init(&p, r);
		api_send_problem(t->api, t->conn, &p);
		return false;
	}
	(void)snprintf(location, sizeof(location), "profiles/%s", t->subject);
	resource_write(&resource_profiles, t->api->fabric, profile, call_body(t->api), &hash);
	buf_text(&t->api->body, "\n");
	api_send(t->api, t->conn, t->is_new ? 201 : 200, t->is_new ? location : NULL);
	return false;
}

static void profile_set(struct api_call *call)
{
	OWNED(body_profile_done) struct body_profile body = { 0 };
	const struct fabric_profile *profile = fabric_profile_find(call->fabric, call->id);
	struct fabric_profile_request request = { .uid = server_conn_uid(call->conn) };
	struct fabric_problem why = { .op = SIZE_MAX };
	struct ticket *t;
	struct problem p;
	int r = body_profile_parse(call->request->body, call->request->body_length, &body, &p);

	if (r > 0) {
		call_refuse_with(call, &p);
		return;
	}
	if (!r && strlen(call->id) >= sizeof(request.name)) {
		problem_init(&p, REFUSE_FIELD);
		(void)snprintf(p.detail, sizeof(p.detail),
			       "a profile's name has 1 to %zu characters",
			       sizeof(request.name) - 1);
		call_refuse_with(call, &p);
		return;
	}
	if (!r)
		r = call_if_match(call, &resource_profiles, profile);
	if (!r)
		r = ticket_new(call->api, call->conn, profile_done, &t);
	if (r) {
		call_refuse(call, r);
		return;
	}
	(void)snprintf(t->subject, sizeof(t->subject), "%s", call->id);
	(void)snprintf(request.name, sizeof(request.name), "%s", call->id);
	t->is_new = !profile;
	request.priority = body.priority;
	request.members = body.members;
	request.member_count = body.member_count;
	r = fabric_profile_set(call->fabric, &request, &why, ticket_answered, t);
	if (!r) {
		ticket_hold(t);
		return;
	}
	ticket_free(t);
	set_refuse(call, r, &why);
}

const struct api_command api_profile_set = {
	.name = "profile.set",
	.method = MESSAGE_PUT,
	.collection = "profiles",
	.takes_id = CALL_ID,
	.right = SERVER_RIGHT_OPERATE,
	.params = call_no_params,
	.summary = "define it: {\"priority\":N,\"functions\":[{\"function\":ID,\"identity\":{}}]}",
	.run = profile_set,
};

static bool profile_gone(struct ticket *t, int r, uint64_t id)
{
	struct problem p;

	(void)id;
	if (!r) {
		(void)call_body(t->api);
		api_send(t->api, t->conn, 204, NULL);
		return false;
	}
	problem_init(&p, r);
	api_send_problem(t->api, t->conn, &p);
	return false;
}

/* For what is done to one that is there. Return: 0, or it has been refused. */
static int profile_check(struct api_call *call)
{
	const struct fabric_profile *profile = fabric_profile_find(call->fabric, call->id);
	int r = profile ? call_if_match(call, &resource_profiles, profile) : REFUSE_NO_PROFILE;

	if (r)
		call_refuse(call, r);
	return r;
}

static void profile_delete(struct api_call *call)
{
	struct fabric_problem why = { .op = SIZE_MAX };
	struct ticket *t;
	int r;

	if (profile_check(call))
		return;
	r = ticket_new(call->api, call->conn, profile_gone, &t);
	if (r) {
		call_refuse(call, r);
		return;
	}
	r = fabric_profile_delete(call->fabric, call->id, server_conn_uid(call->conn), &why,
				  ticket_answered, t);
	ticket_asked(t, call, r, &why, false);
}

const struct api_command api_profile_delete = {
	.name = "profile.delete",
	.method = MESSAGE_DELETE,
	.collection = "profiles",
	.takes_id = CALL_ID,
	.right = SERVER_RIGHT_OPERATE,
	.params = call_no_params,
	.summary = "its functions stay where they are, and go together no more",
	.run = profile_delete,
};

/* ---- giving it to a host, and taking it away ---- */

static void change_plan(struct api_call *call, enum db_op op, const struct body_place *body)
{
	OWNED(fabric_plan_done) struct fabric_plan plan = { 0 };
	struct fabric_problem why = { .op = SIZE_MAX };
	int r = fabric_profile_change_plan(call->fabric, call->id, op, body->host, &why, &plan);

	plan_answer(call, r, &why, false, &plan);
}

static void change_begin(struct api_call *call, enum db_op op, const struct body_place *body,
			 uint32_t wait_s)
{
	struct fabric_problem why = { .op = SIZE_MAX };
	struct fabric_asker who = { .uid = server_conn_uid(call->conn) };
	char key[DB_KEY_MAX];
	struct ticket *t;
	struct problem p;
	int r = change_key_get(call, key, &p);

	if (r) {
		call_refuse_with(call, &p);
		return;
	}
	who.key = *key ? key : NULL;
	who.hash = api_hash(api_hash(op, call->id, strlen(call->id)), call->request->body,
			    call->request->body_length);
	t = change_ticket(call, wait_s);
	if (!t)
		return;
	r = fabric_profile_change(call->fabric, call->id, op, body->host, &who, &why,
				  ticket_answered, t);
	ticket_asked(t, call, r, &why, false);
}

static void profile_change(struct api_call *call, enum db_op op)
{
	struct body_place body = { 0 };
	uint32_t wait_s = 0;
	struct problem p;
	int r;

	if (profile_check(call))
		return;
	r = call_seconds(call, "wait", WAIT_MAX_S, &wait_s, &p);
	if (!r)
		r = body_place_parse(call->request->body, call->request->body_length,
				     op == DB_OP_RELEASE ? BODY_PLACE_NONE : BODY_PLACE_HOST, &body,
				     &p);
	if (r > 0)
		call_refuse_with(call, &p);
	else if (r)
		call_refuse(call, r);
	else if (body.dry_run)
		change_plan(call, op, &body);
	else
		change_begin(call, op, &body, wait_s);
}

static void profile_assign(struct api_call *call)
{
	profile_change(call, DB_OP_ASSIGN);
}

static void profile_move(struct api_call *call)
{
	profile_change(call, DB_OP_MOVE);
}

static void profile_release(struct api_call *call)
{
	profile_change(call, DB_OP_RELEASE);
}

const struct api_command api_profile_assign = {
	.name = "profile.assign",
	.method = MESSAGE_POST,
	.collection = "profiles",
	.takes_id = CALL_ID,
	.verb = "assign",
	.right = SERVER_RIGHT_OPERATE,
	.params = call_wait_params,
	.summary = "give all of it to a host: {\"host\":ID}; dry_run plans, ?wait=SECONDS waits",
	.run = profile_assign,
};
const struct api_command api_profile_move = {
	.name = "profile.move",
	.method = MESSAGE_POST,
	.collection = "profiles",
	.takes_id = CALL_ID,
	.verb = "move",
	.right = SERVER_RIGHT_OPERATE,
	.params = call_wait_params,
	.summary = "move all of it to {\"host\":ID}; dry_run plans, ?wait=SECONDS waits",
	.run = profile_move,
};
const struct api_command api_profile_release = {
	.name = "profile.release",
	.method = MESSAGE_POST,
	.collection = "profiles",
	.takes_id = CALL_ID,
	.verb = "release",
	.right = SERVER_RIGHT_OPERATE,
	.params = call_wait_params,
	.summary = "take all of it back; dry_run plans, ?wait=SECONDS waits",
	.run = profile_release,
};
