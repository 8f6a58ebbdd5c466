/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client that waits for an answer that the fabric gives later.
 *
 * The fabric keeps the ticket's address as @arg of a fabric_answer_fn and calls it once, whether
 * the client is still there or not; so a ticket outlives its client, and only then is freed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "api/server.h"
#include "fabricd/fabric.h"

struct api;
struct api_call;
struct event;

struct ticket {
	LIST_ENTRY(ticket) link;
	struct api *api;
	struct server_conn *conn; /* NULL: the client has gone */
	/* The fabric has answered, and the client is there: answers it, or waits on and returns
	 * true. */
	bool (*finish)(struct ticket *t, int r, uint64_t id);
	char subject[FABRIC_NAME_MAX];
	uint64_t id;         /* of the change being waited for */
	uint32_t wait_s;     /* wish of the client */
	bool is_new;         /* the client made that change: 202 while it runs */
	bool is_change_wait; /* the fabric holds it as a waiter, which can be taken back */
	struct event *timer;
	struct buf body; /* an answer that is ready */
};
LIST_HEAD(ticket_list, ticket);

MUST_USE int ticket_new(struct api *api, struct server_conn *c,
			bool (*finish)(struct ticket *t, int r, uint64_t id), struct ticket **out);
/* The fabric has refused at once: it will not call. */
void ticket_free(struct ticket *t);
/* The client waits from here on. */
void ticket_hold(struct ticket *t);
/* The fabric was asked: with 0 the client waits, else it is told what was refused. @of_body: an
 * operation that @why names stands in the request's body. */
void ticket_asked(struct ticket *t, struct api_call *call, int r, const struct fabric_problem *why,
		  bool of_body);
/* To be given to the fabric, with the ticket. */
fabric_answer_fn ticket_answered;
/**
 * ticket_change_wait() - answer with the change once it has ended, or after wait_s as it is
 *
 * For a ticket that is held. Return: true while it waits; false when it has answered at once, and
 * the caller frees it (finish() returns this value).
 */
bool ticket_change_wait(struct ticket *t, uint64_t id);
