/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "api/call.h"
#include "common/json.h"

enum { STREAM_FULL = 64 * 1024, QUIET_S = 15 };

struct stream {
	LIST_ENTRY(stream) link;
	struct api *api;
	struct server_conn *conn;
	uint64_t told; /* number of the last event that was written */
};

/* Writes to one stream, until it has enough. */
struct pump {
	struct stream *stream;
	const char *incarnation;
	struct buf out;
};

static void stream_gone(void *arg)
{
	struct stream *stream = arg;

	LIST_REMOVE(stream, link);
	free(stream);
}

static void id_write(struct buf *out, const char *incarnation, uint64_t n)
{
	buf_printf(out, "id: %s-%" PRIu64 "\n", incarnation, n);
}

static void event_write(void *arg, const struct db_event *event)
{
	struct pump *pump = arg;
	struct stream *stream = pump->stream;

	if (event->n <= stream->told || event->n > stream->api->streams.durable ||
	    pump->out.length >= STREAM_FULL)
		return;
	id_write(&pump->out, pump->incarnation, event->n);
	buf_text(&pump->out, "data: ");
	json_begin(&pump->out);
	json_member_number(&pump->out, "n", event->n);
	json_member_time(&pump->out, "time", event->wall_ms);
	json_member_text(&pump->out, "type", event->type);
	json_member_text(&pump->out, "subject", *event->subject ? event->subject : NULL);
	json_member_text(&pump->out, "detail", event->detail);
	json_close(&pump->out, '}');
	buf_text(&pump->out, "\n\n");
	stream->told = event->n;
}

/* @from .. @to are not to be had. */
static void gap_write(struct pump *pump, uint64_t from, uint64_t to)
{
	id_write(&pump->out, pump->incarnation, to);
	buf_text(&pump->out, "event: gap\ndata: ");
	json_begin(&pump->out);
	json_member_text(&pump->out, "type", "gap");
	json_member_number(&pump->out, "from", from);
	json_member_number(&pump->out, "to", to);
	json_member_text(&pump->out, "detail",
			 "events are missing here; read what you follow "
			 "anew");
	json_close(&pump->out, '}');
	buf_text(&pump->out, "\n\n");
	pump->stream->told = to;
}

static void stream_pump(struct stream *stream)
{
	struct api *api = stream->api;
	struct pump pump = { .stream = stream, .incarnation = fabric_incarnation(api->fabric) };
	uint64_t first = 0;

	if (stream->told >= api->streams.durable ||
	    server_stream_waiting(stream->conn) >= STREAM_FULL)
		return;
	if (!fabric_events_after(api->fabric, stream->told, NULL, NULL, &first) &&
	    first > stream->told + 1)
		gap_write(&pump, stream->told + 1, first - 1);
	(void)fabric_events_after(api->fabric, stream->told, event_write, &pump, &first);
	if (!pump.out.failed && pump.out.length)
		server_stream_write(stream->conn, pump.out.data, pump.out.length);
	buf_done(&pump.out);
}

static void stream_drained(void *arg)
{
	stream_pump(arg);
}

static void on_pump(evutil_socket_t fd, short what, void *arg)
{
	struct api *api = arg;
	struct stream *stream = LIST_FIRST(&api->streams.list);

	(void)fd;
	(void)what;
	while (stream) {
		struct stream *next = LIST_NEXT(stream, link);

		stream_pump(stream); /* may free it */
		stream = next;
	}
}

static void on_quiet(evutil_socket_t fd, short what, void *arg)
{
	struct api *api = arg;
	struct stream *stream = LIST_FIRST(&api->streams.list);

	(void)fd;
	(void)what;
	while (stream) {
		struct stream *next = LIST_NEXT(stream, link);

		if (!server_stream_waiting(stream->conn))
			server_stream_write(stream->conn, ":\n\n", 3); /* may free it */
		stream = next;
	}
}

int streams_init(struct api *api)
{
	struct timeval quiet = { .tv_sec = QUIET_S };
	struct streams *s = &api->streams;

	LIST_INIT(&s->list);
	s->durable = fabric_event_last(api->fabric);
	s->pump = event_new(api->base, -1, 0, on_pump, api);
	s->quiet = event_new(api->base, -1, EV_PERSIST, on_quiet, api);
	return s->pump && s->quiet && !event_add(s->quiet, &quiet) ? 0 : -ENOMEM;
}

void streams_done(struct api *api)
{
	if (api->streams.pump)
		event_free(api->streams.pump);
	if (api->streams.quiet)
		event_free(api->streams.quiet);
}

/* Not at once: the fabric is in the middle of something. */
void streams_publish(struct api *api, uint64_t n)
{
	if (n > api->streams.durable)
		api->streams.durable = n;
	if (!LIST_EMPTY(&api->streams.list))
		event_active(api->streams.pump, EV_TIMEOUT, 0);
}

int stream_start(struct api *api, struct server_conn *c, uint64_t after, bool has_gap)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	struct pump pump = { .stream = stream, .incarnation = fabric_incarnation(api->fabric) };
	uint64_t first = 0;

	if (!stream)
		return -ENOMEM;
	stream->api = api;
	stream->conn = c;
	stream->told = after;
	LIST_INSERT_HEAD(&api->streams.list, stream, link);
	server_stream_start(c, "text/event-stream", stream_drained, stream_gone, stream);
	if (has_gap) { /* another incarnation's numbers mean nothing here */
		(void)fabric_events_after(api->fabric, 0, NULL, NULL, &first);
		gap_write(&pump, 0, first ? first - 1 : 0);
		if (!pump.out.failed)
			server_stream_write(c, pump.out.data, pump.out.length);
		buf_done(&pump.out);
	}
	return 0; /* the head leaves, and with that stream_drained() writes what there is */
}
