/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket: /v1 over HTTP, for orchestration, fabricctl and the hosts' agents.
 *
 * A request comes in through server.h, which knows HTTP and no fabric. Its sender's rights are
 * those of its groups (roles.h). call.h finds the entry of the command table that method and path
 * name; the entry says which right it takes, checks nothing else, and runs. Reads render structs of
 * fabricd/ through tables of fields (resource.h), which also serve filters, cursors and ETags; so a
 * field is said once. Bodies pass strict.h, then json-c, then body.h, which names the field that is
 * wrong. What must be durable first is answered by a ticket (ticket.h): the fabric calls it, or the
 * client leaves and it is forgotten. /v1/events is read from the fabric's own memory of events, at
 * the pace of each client, so no client costs more than one buffer.
 *
 * Nothing is decided here: what may be done to a function, fabricd/ says.
 */
#pragma once

#include "common/own.h"
#include "common/result.h"
#include "db/db.h"

struct api;
struct event_base;
struct fabric;
struct server_limits;

struct api_config {
	const char *path; /* of the socket; NULL: @fd listens already (socket activation) */
	int fd;           /* taken over when @path is NULL */
	/* NULL: the usual ones. Borrowed for the call. */
	const struct server_limits *limits;
};

/**
 * api_new() - serve @fabric on a socket
 * @fabric: borrowed; its group names (fabric_config()) are looked up now, one that does not exist
 *          grants nothing
 * @why: 512 bytes, set on failure
 *
 * From the next turn of @base on requests are answered; /v1/health says 503 until the fabric is
 * ready. Return: 0; -EADDRINUSE when another program listens there; another -errno.
 */
MUST_USE int api_new(struct event_base *base, struct fabric *fabric,
		     const struct api_config *config, char *why, struct api **out);

/* fabric_io.published: @event is durable. */
void api_publish(struct api *api, const struct db_event *event);

/* Before fabric_free(), and with no fabric_advance() between the two: answers that the fabric still
 * owes would find nobody. */
void api_free(struct api *api);
OWNED_BY(struct api, api_free)

/* One line for each command, for manuals and tests: "GET /v1/hosts/ID", right, summary. */
void api_commands(void (*fn)(void *arg, const char *request, const char *right,
			     const char *summary),
		  void *arg);
