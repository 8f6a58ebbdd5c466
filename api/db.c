/* SPDX-License-Identifier: GPL-2.0-or-later */
/* POST /v1/db/backup: a copy of the database while it is in use. */
#include <stdio.h>

#include "api/body.h"
#include "api/call.h"
#include "api/commands.h"
#include "common/json.h"

static void refuse(struct api *api, struct server_conn *conn, int r)
{
	struct problem p;

	problem_init(&p, r);
	if (r == REFUSE_BACKUP)
		(void)snprintf(p.detail, sizeof(p.detail), "%s", fabric_backup_why(api->fabric));
	if (r == REFUSE_LIMIT)
		(void)snprintf(p.detail, sizeof(p.detail), "another copy is being made");
	api_send_problem(api, conn, &p);
}

static bool backed_up(struct ticket *t, int r, uint64_t id)
{
	struct buf *out = call_body(t->api);

	(void)id;
	if (r) {
		refuse(t->api, t->conn, r);
		return false;
	}
	buf_bytes(out, t->body.data, t->body.length);
	out->failed |= t->body.failed;
	api_send(t->api, t->conn, 200, NULL);
	return false;
}

static void backup_post(struct api_call *call)
{
	char file[DB_TEXT_MAX];
	struct ticket *t = NULL;
	struct problem p;
	int r;

	r = body_file_parse(call->request->body, call->request->body_length, file, &p);
	if (r > 0) {
		call_refuse_with(call, &p);
		return;
	}
	if (!r)
		r = ticket_new(call->api, call->conn, backed_up, &t);
	if (!r) {
		r = fabric_backup(call->fabric, file, server_conn_uid(call->conn), ticket_answered,
				  t);
		if (r)
			ticket_free(t);
	}
	if (r) {
		refuse(call->api, call->conn, r);
		return;
	}
	json_open(&t->body, '{');
	json_member_text(&t->body, "file", file);
	json_member_text(&t->body, "incarnation", fabric_incarnation(call->fabric));
	json_close(&t->body, '}');
	buf_text(&t->body, "\n");
	ticket_hold(t);
}

const struct api_command api_db_backup = {
	.name = "db.backup",
	.method = MESSAGE_POST,
	.collection = "db",
	.verb = "backup",
	.right = SERVER_RIGHT_ADMIN,
	.params = call_no_params,
	.summary = "copy the database to a new file, {\"file\":PATH}",
	.run = backup_post,
};
