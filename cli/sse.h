/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reader of a text/event-stream, fed with pieces as they come. */
#pragma once

#include <stddef.h>

#include "common/buf.h"
#include "common/own.h"
#include "common/result.h"

enum { SSE_EVENT_MAX = 1024 * 1024, SSE_ID_MAX = 128, SSE_TYPE_MAX = 64 };

struct sse_event {
	const char *id;   /* the latest that came; "" before the first */
	const char *type; /* "message" unless the stream says otherwise */
	const char *data; /* its lines, joined by newlines */
};

/* Another return than 0 ends sse_feed() with it. */
typedef int sse_event_fn(const struct sse_event *event, void *arg);

struct sse {
	struct buf line;
	struct buf data;
	char id[SSE_ID_MAX];   /* of the latest whole event, for Last-Event-ID */
	char next[SSE_ID_MAX]; /* of the event that is coming */
	bool has_next;
	char type[SSE_TYPE_MAX];
	unsigned long retry_ms; /* what the stream asked for; 0: nothing */
	bool has_data;
	bool after_cr; /* a newline that comes now belongs to the line before */
};

void sse_done(struct sse *s);
/* For a new connection: drops what of an event has come, and keeps the id. */
void sse_restart(struct sse *s);
/* Return: 0; -EMSGSIZE for a line or an event above SSE_EVENT_MAX; -ENOMEM; or what @fn gave. */
MUST_USE int sse_feed(struct sse *s, const void *bytes, size_t length, sse_event_fn *fn, void *arg);
