/* SPDX-License-Identifier: GPL-2.0-or-later */
/* POST /v1/adopt: take what the switch shows as the truth. */
#include "api/body.h"
#include "api/call.h"
#include "api/commands.h"
#include "api/resource.h"

static bool adopted(struct ticket *t, int r, uint64_t id)
{
	struct buf *out = call_body(t->api);
	struct problem p;

	(void)id;
	if (r) {
		problem_init(&p, r);
		api_send_problem(t->api, t->conn, &p);
		return false;
	}
	buf_bytes(out, t->body.data, t->body.length);
	out->failed |= t->body.failed;
	api_send(t->api, t->conn, 200, NULL);
	return false;
}

static void adopt_post(struct api_call *call)
{
	OWNED(fabric_plan_done) struct fabric_plan plan = { 0 };
	struct ticket *t = NULL;
	bool dry_run = false;
	struct problem p;
	int r = body_dry_run_parse(call->request->body, call->request->body_length, &dry_run, &p);

	if (r > 0) {
		call_refuse_with(call, &p);
		return;
	}
	if (!r)
		r = ticket_new(call->api, call->conn, adopted, &t);
	if (!r) {
		r = fabric_adopt(call->fabric, dry_run, server_conn_uid(call->conn), &plan,
				 ticket_answered, t);
		if (r || dry_run)
			ticket_free(t);
	}
	if (r) {
		call_refuse(call, r);
	} else if (dry_run) {
		plan_write(&plan, true, call_body(call->api));
		call_reply(call, 200, 0);
	} else {
		plan_write(&plan, false, &t->body);
		ticket_hold(t);
	}
}

const struct api_command api_adopt_post = {
	.name = "adopt.post",
	.method = MESSAGE_POST,
	.collection = "adopt",
	.right = SERVER_RIGHT_ADMIN,
	.params = call_no_params,
	.summary = "take the switch's bindings as the truth; {\"dry_run\":true} lists them only",
	.run = adopt_post,
};
