/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/stream.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { AT_ONCE_BYTES = 256 * 1024 };

struct stream {
	struct stream_user user;
	struct bufferevent *bev;
	struct event *end;
	struct buf out;
	bool ending;    /* ended() is on its way */
	bool finishing; /* it ends when all is written */
	char why[PROVIDER_TEXT_MAX];
};

static void stream_pong(struct stream *s, const struct wire_frame *f)
{
	uint64_t number;

	if (wire_ping_get(f, &number)) {
		stream_end(s, "malformed ping");
		return;
	}
	wire_ping_put(&s->out, WIRE_PONG, number);
	stream_send(s);
}

static void stream_frame(struct stream *s, const struct wire_frame *f)
{
	char why[64];

	if (f->type == WIRE_PING) {
		stream_pong(s, f);
	} else if (!f->type || f->type >= WIRE_TYPES) {
		wire_unsupported_put(&s->out, f->type);
		stream_send(s);
	} else if (s->user.frame(s->user.arg, f) < 0) {
		(void)snprintf(why, sizeof(why), "malformed or misplaced message: %s",
			       wire_type_text(f->type)); /* it fits */
		stream_end(s, why);
	}
}

static void stream_readable(struct bufferevent *bev, void *arg)
{
	struct evbuffer *input = bufferevent_get_input(bev);
	struct stream *s = arg;
	size_t length = evbuffer_get_length(input);
	const uint8_t *bytes = evbuffer_pullup(input, -1);
	size_t taken = 0;

	if (length && !bytes) {
		stream_end(s, strerror(ENOMEM));
		return;
	}
	while (!s->ending && !s->finishing) {
		struct wire_frame f;
		int n = wire_frame_next(bytes + taken, length - taken, &f);

		if (n < 0)
			stream_end(s, "not a message of this protocol");
		if (n <= 0)
			break;
		stream_frame(s, &f);
		taken += (size_t)n;
	}
	(void)evbuffer_drain(input, taken); /* no more than it holds */
	if (!s->ending && s->user.batch)
		s->user.batch(s->user.arg);
}

static void stream_written(struct bufferevent *bev, void *arg)
{
	struct stream *s = arg;

	if (s->ending)
		return;
	if (s->finishing) {
		if (!evbuffer_get_length(bufferevent_get_output(bev)))
			stream_end(s, s->why);
		return;
	}
	if (s->user.room)
		s->user.room(s->user.arg);
}

static void stream_event(struct bufferevent *bev, short what, void *arg)
{
	struct stream *s = arg;

	(void)bev;
	if (what & BEV_EVENT_EOF)
		stream_end(s, s->finishing ? s->why : "the other end closed the connection");
	else if (what & BEV_EVENT_ERROR)
		stream_end(s, strerror(errno));
}

static void stream_ended(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	(void)fd;
	(void)what;
	s->user.ended(s->user.arg, s->why);
}

int stream_new_take(struct event_base *base, int fd, const struct stream_user *user,
		    struct stream **out)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s) {
		close(fd);
		return -ENOMEM;
	}
	s->user = *user;
	s->end = event_new(base, -1, 0, stream_ended, s);
	s->bev = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!s->bev)
		close(fd);
	if (!s->end || !s->bev) {
		stream_free(s);
		return -ENOMEM;
	}
	bufferevent_setcb(s->bev, stream_readable, stream_written, stream_event, s);
	bufferevent_setwatermark(s->bev, EV_WRITE, STREAM_OUTPUT_LOW, 0);
	(void)bufferevent_set_max_single_read(s->bev, AT_ONCE_BYTES);  /* the default does too */
	(void)bufferevent_set_max_single_write(s->bev, AT_ONCE_BYTES); /* likewise */
	if (bufferevent_enable(s->bev, EV_READ | EV_WRITE)) {
		stream_free(s);
		return -ENOMEM;
	}
	*out = s;
	return 0;
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	if (s->bev)
		bufferevent_free(s->bev);
	if (s->end)
		event_free(s->end);
	buf_done(&s->out);
	free(s);
}

struct buf *stream_out(struct stream *s)
{
	return &s->out;
}

void stream_send(struct stream *s)
{
	if (!s->out.length && !s->out.failed)
		return;
	if (s->out.failed || (!s->ending && bufferevent_write(s->bev, s->out.data, s->out.length)))
		stream_end(s, strerror(ENOMEM));
	s->out.length = 0;
	if (stream_unwritten(s) > STREAM_OUTPUT_MAX)
		stream_end(s, "the other end does not read");
}

size_t stream_unwritten(const struct stream *s)
{
	return evbuffer_get_length(bufferevent_get_output(s->bev));
}

static void why_set(struct stream *s, const char *why)
{
	if (why != s->why)
		(void)snprintf(s->why, sizeof(s->why), "%s", why); /* cut is fine */
}

void stream_end(struct stream *s, const char *why)
{
	if (s->ending)
		return;
	s->ending = true;
	why_set(s, why);
	(void)bufferevent_disable(s->bev, EV_READ | EV_WRITE); /* what comes in is dropped */
	event_active(s->end, 0, 0);
}

void stream_finish(struct stream *s, const char *why)
{
	if (s->ending || s->finishing)
		return;
	s->finishing = true;
	why_set(s, why);
	(void)bufferevent_disable(s->bev, EV_READ);
	if (!stream_unwritten(s))
		stream_end(s, s->why);
}
