/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GET /v1/events: what happens, as server-sent events. */
#include <stdio.h>
#include <string.h>

#include "api/call.h"
#include "api/commands.h"
#include "api/resource.h"

/* "INCARNATION-NUMBER", or the number alone. Return: 0 or REFUSE_FIELD. */
static int place_parse(const struct api_call *call, const char *text, uint64_t *after, bool *gap)
{
	const char *incarnation = fabric_incarnation(call->fabric);
	const char *dash = strrchr(text, '-');
	const char *number = dash ? dash + 1 : text;

	*after = resource_number_parse(number);
	if (!*after && strcmp(number, "0") != 0)
		return REFUSE_FIELD;
	*gap = dash && ((size_t)(dash - text) != strlen(incarnation) ||
			strncmp(text, incarnation, (size_t)(dash - text)) != 0);
	if (!*gap && *after > fabric_event_last(call->fabric))
		*gap = true; /* no such event yet: of another history */
	return 0;
}

/* Where to go on: ?since=, else Last-Event-ID, else now. */
static int place_get(const struct api_call *call, uint64_t *after, bool *gap, struct problem *p)
{
	struct message_part part = call->request->head->headers[MESSAGE_LAST_EVENT_ID];
	const char *since = call_param(call, "since");
	char text[128];
	int r;

	*after = call->api->streams.durable;
	*gap = false;
	if (!since && !part.length)
		return 0;
	if (!since && part.length < sizeof(text)) {
		memcpy(text, call->request->bytes + part.at, part.length);
		text[part.length] = '\0';
		since = text;
	}
	r = since ? place_parse(call, since, after, gap) : REFUSE_FIELD;
	if (r)
		problem_field(p, r, "?since", "not the id of an event");
	return r;
}

static void event_follow(struct api_call *call)
{
	struct problem p;
	uint64_t after = 0;
	bool gap = false;
	int r = place_get(call, &after, &gap, &p);

	if (r) {
		call_refuse_with(call, &p);
		return;
	}
	if (call->request->head->method == MESSAGE_HEAD) {
		(void)call_body(call->api);
		api_send_text(call->api, call->conn, "text/event-stream");
		return;
	}
	r = stream_start(call->api, call->conn, after, gap);
	if (r)
		call_refuse(call, r);
}

static const char *const event_params[] = { "since", NULL };

const struct api_command api_event_follow = {
	.name = "event.follow",
	.method = MESSAGE_GET,
	.collection = "events",
	.right = SERVER_RIGHT_READ,
	.params = event_params,
	.summary = "server-sent events; ?since=ID or Last-Event-ID goes on behind that one",
	.run = event_follow,
};
