/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/ticket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/call.h"
#include "api/resource.h"

int ticket_new(struct api *api, struct server_conn *c,
	       bool (*finish)(struct ticket *t, int r, uint64_t id), struct ticket **out)
{
	struct ticket *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->api = api;
	t->conn = c;
	t->finish = finish;
	LIST_INSERT_HEAD(&api->tickets, t, link);
	*out = t;
	return 0;
}

void ticket_free(struct ticket *t)
{
	LIST_REMOVE(t, link);
	if (t->timer)
		event_free(t->timer);
	buf_done(&t->body);
	free(t);
}

/* What the fabric owes cannot be called off, but for a wait. */
static void ticket_gone(void *arg)
{
	struct ticket *t = arg;

	t->conn = NULL;
	if (!t->is_change_wait)
		return;
	fabric_change_unwait(t->api->fabric, t);
	ticket_free(t);
}

void ticket_hold(struct ticket *t)
{
	server_hold(t->conn, ticket_gone, t);
}

void ticket_asked(struct ticket *t, struct api_call *call, int r, const struct fabric_problem *why,
		  bool of_body)
{
	struct problem p;

	if (!r) {
		ticket_hold(t);
		return;
	}
	ticket_free(t);
	problem_from_fabric(&p, r, why, of_body);
	call_refuse_with(call, &p);
}

void ticket_answered(void *arg, int r, uint64_t id)
{
	struct ticket *t = arg;

	if (t->conn && t->finish(t, r, id))
		return;
	ticket_free(t);
}

/* ---- waiting for a change's end ---- */

static void change_answer(struct ticket *t)
{
	const struct fabric_change *change = fabric_change_find(t->api->fabric, t->id);
	struct buf *out = call_body(t->api);
	char location[64];
	uint64_t hash = 0;

	if (!change) { /* ended, and so long ago that it is not kept */
		struct problem p;

		problem_init(&p, REFUSE_NO_CHANGE);
		api_send_problem(t->api, t->conn, &p);
		return;
	}
	(void)snprintf(location, sizeof(location), "changes/%llu", (unsigned long long)t->id);
	resource_write(&resource_changes, t->api->fabric, change, out, &hash);
	buf_text(out, "\n");
	api_send(t->api, t->conn,
		 change_state(change) == DB_CHANGE_RUNNING && t->is_new ? 202 : 200, location);
}

static void ticket_waited(void *arg, int r, uint64_t id)
{
	struct ticket *t = arg;

	(void)r; /* however it ended, the document says so */
	(void)id;
	change_answer(t);
	ticket_free(t);
}

static void ticket_timed_out(evutil_socket_t fd, short what, void *arg)
{
	struct ticket *t = arg;

	(void)fd;
	(void)what;
	fabric_change_unwait(t->api->fabric, t);
	change_answer(t);
	ticket_free(t);
}

static bool wait_begin(struct ticket *t)
{
	struct timeval limit = { .tv_sec = t->wait_s };

	if (!t->wait_s)
		return false;
	t->timer = evtimer_new(t->api->base, ticket_timed_out, t);
	if (!t->timer || evtimer_add(t->timer, &limit))
		return false;
	/* Refused when the fabric does not know it any more. */
	t->is_change_wait = !fabric_change_wait(t->api->fabric, t->id, ticket_waited, t);
	return t->is_change_wait;
}

bool ticket_change_wait(struct ticket *t, uint64_t id)
{
	t->id = id;
	if (wait_begin(t))
		return true;
	change_answer(t);
	return false;
}
