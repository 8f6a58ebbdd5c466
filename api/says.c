/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an agent says beside beats and views: that it leaves, what it was told, that it has let go.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/call.h"
#include "api/commands.h"
#include "common/agent_line.h"

/* Answers with a line, as the host's port would carry it. */
static void line_answer(struct api_call *call, const struct agent_line *line)
{
	agent_line_format(line, call_body(call->api));
	api_send(call->api, call->conn, 200, NULL);
}

static void told_take(struct api_call *call, const struct agent_line *line)
{
	const struct agent_line manager = {
		.type = AGENT_MANAGER,
		.incarnation = agent_incarnation(fabric_incarnation(call->fabric)),
	};

	if (line->incarnation == manager.incarnation)
		fabric_epoch_told(call->fabric, call->id, line->epoch);
	line_answer(call, &manager);
}

static void leaving_take(struct api_call *call, const struct agent_line *line)
{
	struct agent_line status = { .type = AGENT_STATUS };
	uint64_t received_ms = call->request->received_ms;
	int r = fabric_leaving(call->fabric, call->id, line->boot_id, line->seq, received_ms,
			       &status.epoch);

	if (r && r != REFUSE_HOST_FENCED) {
		call_refuse(call, r);
		return;
	}
	fabric_beat_heard(call->fabric, call->id, "socket", BEAT_COUNTED, received_ms);
	status.is_fenced = r != 0;
	line_answer(call, &status);
}

static void stopped_take(struct api_call *call, const struct agent_line *line)
{
	fabric_agent_stopped(call->fabric, call->id, line->boot_id, line->epoch, line->stopped,
			     line->still, line->text);
	(void)call_body(call->api);
	api_send(call->api, call->conn, 204, NULL);
}

/* Return: 0, or a refusal with @p set, or -errno. */
static int line_parse(const struct api_call *call, struct agent_line *line, struct problem *p)
{
	const struct server_request *rq = call->request;
	char why[AGENT_TEXT_MAX] = "";
	int r = agent_line_parse(rq->body, rq->body_length, line, why);

	if (!r && strcmp(line->host, call->id) != 0) {
		(void)snprintf(why, sizeof(why), "/host: is not as this request's target");
		r = REFUSE_FIELD;
	}
	if (r > 0)
		problem_field(p, r, "", "%s", why);
	return r;
}

static void host_says(struct api_call *call)
{
	OWNED(agent_line_done) struct agent_line line = { 0 };
	struct problem p;
	int r;

	if (!call_is_of_host(call)) {
		call_refuse(call, REFUSE_RIGHT);
		return;
	}
	r = fabric_host_find(call->fabric, call->id) ? line_parse(call, &line, &p) : REFUSE_NO_HOST;
	if (r == REFUSE_NO_HOST || r < 0) {
		call_refuse(call, r);
	} else if (r) {
		call_refuse_with(call, &p);
	} else if (line.type == AGENT_TOLD) {
		told_take(call, &line);
	} else if (line.type == AGENT_LEAVING) {
		leaving_take(call, &line);
	} else if (line.type == AGENT_STOPPED) {
		stopped_take(call, &line);
	} else {
		problem_field(&p, REFUSE_FIELD, "/type", "must be told, leaving or stopped here");
		call_refuse_with(call, &p);
	}
}

const struct api_command api_host_says = {
	.name = "host.says",
	.method = MESSAGE_PUT,
	.collection = "hosts",
	.takes_id = CALL_ID,
	.verb = "says",
	.right = SERVER_RIGHT_OPERATE,
	.is_open = true,
	.params = call_no_params,
	.summary = "what its agent says: that it leaves, what it was told, that it has let go; "
		   "also for the host's own user",
	.run = host_says,
};
