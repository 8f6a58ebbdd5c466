/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/call.h"

static enum server_right on_admit(void *arg, const struct server_peer *peer)
{
	struct api *api = arg;

	return roles_right(&api->roles, peer);
}

static void on_request(void *arg, struct server_conn *c, const struct server_request *request)
{
	call_run(arg, c, request);
}

static void on_refused(void *arg, int refusal, const char *why, struct buf *body)
{
	struct problem p;

	(void)arg;
	problem_init(&p, refusal);
	(void)snprintf(p.detail, sizeof(p.detail), "%s", why);
	problem_write(&p, body);
}

int api_new(struct event_base *base, struct fabric *fabric, const struct api_config *config,
	    char *why, struct api **out)
{
	OWNED(api_free) struct api *api = calloc(1, sizeof(*api));
	struct server_limits limits;
	struct server_ops ops = {
		.admit = on_admit, .request = on_request, .refused = on_refused, .arg = api
	};
	int r;

	if (!api)
		return -ENOMEM;
	api->base = base;
	api->fabric = fabric;
	LIST_INIT(&api->tickets);
	LIST_INIT(&api->views);
	roles_init(&api->roles, fabric_config(fabric));
	server_limits_init(&limits);
	r = streams_init(api);
	if (r) {
		(void)snprintf(why, DB_TEXT_MAX, "control socket: no memory");
		return r;
	}
	r = server_new(base, config->path, config->fd, config->limits ? config->limits : &limits,
		       &ops, why, &api->server);
	if (r)
		return r;
	*out = TAKE(api);
	return 0;
}

void api_publish(struct api *api, const struct db_event *event)
{
	streams_publish(api, event->n);
}

void api_free(struct api *api)
{
	if (!api)
		return;
	server_free(api->server); /* streams, views and waits end with their connections */
	while (!LIST_EMPTY(&api->tickets))
		ticket_free(LIST_FIRST(&api->tickets));
	streams_done(api);
	buf_done(&api->body);
	buf_done(&api->headers);
	free(api);
}

struct listing {
	void (*fn)(void *arg, const char *request, const char *right, const char *summary);
	void *arg;
};

static void command_list(void *arg, const struct api_command *command)
{
	struct listing *listing = arg;
	char request[128];

	(void)snprintf(request, sizeof(request), "%s /v1/%s%s%s%s",
		       message_method_text(command->method), command->collection,
		       command->takes_id == CALL_ANY_ID ? "[/ID]"
		       : command->takes_id == CALL_ID   ? "/ID"
							: "",
		       command->verb ? "/" : "", command->verb ? command->verb : "");
	listing->fn(listing->arg, request, roles_right_text(command->right), command->summary);
}

void api_commands(void (*fn)(void *arg, const char *request, const char *right,
			     const char *summary),
		  void *arg)
{
	struct listing listing = { fn, arg };

	call_commands(command_list, &listing);
}
