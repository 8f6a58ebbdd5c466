/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One request, from its line in the command table to its answer.
 *
 * The table is the list of const entries at the end of call.c; each entry stands in the file of its
 * resource. A path is /v1/COLLECTION[/ID]; ids hold slashes, as they are or as %2F. For PUT and
 * POST under hosts and profiles the last segment is the verb.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>

#include "api/api.h"
#include "api/problem.h"
#include "api/roles.h"
#include "api/server.h"
#include "api/stream.h"
#include "api/ticket.h"
#include "api/view.h"
#include "fabricd/fabric.h"

enum { CALL_PARAMS_MAX = 16 };

struct api {
	struct event_base *base;
	struct fabric *fabric;
	struct server *server;
	struct roles roles;
	struct buf body;    /* of the answer being made */
	struct buf headers; /* likewise */
	struct ticket_list tickets;
	struct streams streams;
	struct view_list views;
	unsigned view_count;
};

struct resource;

struct api_call {
	struct api *api;
	struct fabric *fabric;
	struct server_conn *conn;
	const struct server_request *request;
	const struct api_command *command;
	enum message_method method; /* HEAD counts as GET */
	const char *id;             /* decoded; NULL: the collection */
	struct {
		const char *name;
		const char *value;
	} params[CALL_PARAMS_MAX];
	size_t param_count;
};

struct api_command {
	const char *name; /* "host.failover" */
	enum message_method method;
	const char *collection; /* "hosts" */
	enum { CALL_NO_ID, CALL_ID, CALL_ANY_ID } takes_id;
	const char *verb; /* "failover"; NULL: none */
	/* heartbeat: OPERATE, or being the host's own user, which run() looks at */
	enum server_right right;
	bool is_open; /* run() checks the right itself */
	/* Query parameters that it knows; NULL: run() checks them itself. */
	const char *const *params;
	const char *summary;
	void (*run)(struct api_call *call);
};

extern const char *const call_no_params[];
extern const char *const call_wait_params[]; /* "wait" alone */
enum { WAIT_MAX_S = 3600 };

void call_run(struct api *api, struct server_conn *c, const struct server_request *request);
void call_commands(void (*fn)(void *arg, const struct api_command *command), void *arg);

const char *call_param(const struct api_call *call, const char *name);
/* Refuses by the name of the first parameter that is not @but (NULL: of the first). False: there is
 * none, and nothing was refused. */
bool call_refuse_params(struct api_call *call, const char *but);
/* "?NAME=SECONDS", 0 .. @most; 0 if it is not given. Return: 0, or REFUSE_FIELD with @p set. */
MUST_USE int call_seconds(const struct api_call *call, const char *name, uint32_t most,
			  uint32_t *seconds, struct problem *p);

/* The document in api->body, with its ETag unless @hash is 0, and the id of what was made. */
void call_reply(struct api_call *call, int status, uint64_t hash);
/* May who asks speak for the host that is named: an operator, or that host's own user. */
bool call_is_of_host(const struct api_call *call);
void call_refuse(struct api_call *call, int r);
void call_refuse_with(struct api_call *call, const struct problem *p);
/* If-Match and If-None-Match, if they are there, against the object as it is now; NULL: there is
 * none. Return: 0 or REFUSE_PRECONDITION. */
MUST_USE int call_if_match(struct api_call *call, const struct resource *resource,
			   const void *object);
/* api->body emptied, to be written. */
struct buf *call_body(struct api *api);

/* For those that answer later. @location: "changes/17" behind /v1/, or NULL. */
void api_send(struct api *api, struct server_conn *c, int status, const char *location);
void api_send_text(struct api *api, struct server_conn *c, const char *type);
void api_send_problem(struct api *api, struct server_conn *c, const struct problem *problem);

/* 64 bits of @bytes, going on from @hash; start with 0. Not for what an enemy may choose. */
uint64_t api_hash(uint64_t hash, const void *bytes, size_t length);
