/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One connection that carries frames, for both ends: libevent's buffers below, wire.h above. */
#pragma once

#include <event2/event.h>

#include "provider/wire.h"

enum {
	STREAM_OUTPUT_MAX = 64 * 1024 * 1024, /* not read by the other end: it is dropped */
	STREAM_OUTPUT_LOW = 256 * 1024,       /* below this there is room for more */
};

struct stream;

struct stream_user {
	/* <0 ends the stream. Unknown types and pings never come here. */
	int (*frame)(void *arg, const struct wire_frame *f);
	/* All frames that came together have been handled. May be NULL. */
	void (*batch)(void *arg);
	/* Less than STREAM_OUTPUT_LOW is left to write. May be NULL. */
	void (*room)(void *arg);
	/* It is over: the other end closed it, or stream_end(), or an error. The stream is to be
	 * freed here, or later from outside its callbacks. */
	void (*ended)(void *arg, const char *why);
	void *arg;
};

/* Takes @fd over, on failure too. */
MUST_USE int stream_new_take(struct event_base *base, int fd, const struct stream_user *user,
			     struct stream **out);
/* Not from within frame(), batch() or room(). */
void stream_free(struct stream *s);

/* Frames are put here, then sent by stream_send(). */
struct buf *stream_out(struct stream *s);
void stream_send(struct stream *s);
/* What has been sent and not yet written to the socket. */
size_t stream_unwritten(const struct stream *s);

/* ended() follows from the event loop, never from within. Twice is once. */
void stream_end(struct stream *s, const char *why);
/* The same once all that was sent is written. Nothing is read any more. */
void stream_finish(struct stream *s, const char *why);
