/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "api/commands.h"
#include "topology/graph.h"
#include "topology/json.h"
#include "topology/tree.h"

enum {
	VIEWS_MAX = 4, /* at once: each may hold the whole fabric */
	SLICE = 2048,  /* functions written in one turn of the loop: some 5 ms */
};

enum view_format { VIEW_JSON, VIEW_TREE, VIEW_LSPCI };

static const struct {
	const char *name;
	const char *type;
} formats[] = {
	[VIEW_JSON] = { "json", "application/json" },
	[VIEW_TREE] = { "tree", "text/plain; charset=utf-8" },
	[VIEW_LSPCI] = { "lspci", "text/plain; charset=utf-8" },
};

struct view {
	LIST_ENTRY(view) link;
	struct api *api;
	struct server_conn *conn;
	enum view_format format;
	char title[FABRIC_NAME_MAX]; /* "fabric", or the host */
	struct topo_graph graph;
	struct buf text; /* of a capture */
	int failed;      /* of adding; 0: none */
	bool collected;  /* the fabric calls no more */
	/* the graph, being written */
	size_t at;
	struct event *slice;
	FILE *stream;
	char *written;
	size_t written_length;
};

static void view_free(struct view *view)
{
	LIST_REMOVE(view, link);
	view->api->view_count--;
	topo_graph_done(&view->graph);
	buf_done(&view->text);
	if (view->slice)
		event_free(view->slice);
	if (view->stream)
		(void)fclose(view->stream); /* what it holds is thrown away */
	free(view->written);
	free(view);
}

static void view_gone(void *arg)
{
	struct view *view = arg;

	if (!view->collected)
		fabric_view_cancel(view->api->fabric, view);
	view_free(view);
}

/* ---- collecting ---- */

static void hex_byte(struct buf *out, uint8_t byte)
{
	static const char digits[] = "0123456789abcdef";
	const char text[3] = { ' ', digits[byte >> 4], digits[byte & 15] };

	buf_bytes(out, text, sizeof(text));
}

/* As lspci -xxxx prints it. */
static void capture_write(struct buf *out, const struct provider_config *config)
{
	const uint8_t *b = config->bytes;

	buf_printf(out, "%04x:%02x:%02x.%x %02x%02x: %02x%02x:%02x%02x\n", config->domain,
		   config->bus, config->device, config->function, b[11], b[10], b[1], b[0], b[3],
		   b[2]);
	for (unsigned at = 0; at < config->length; at++) {
		if (at % 16 == 0)
			buf_printf(out, config->length > 256 ? "%03x:" : "%02x:", at);
		hex_byte(out, b[at]);
		if (at % 16 == 15)
			buf_bytes(out, "\n", 1);
	}
	buf_bytes(out, "\n", 1);
}

static void view_add(struct view *view, const struct provider_config *config)
{
	const struct topo_address address = { .domain = config->domain,
					      .bus = config->bus,
					      .device = config->device,
					      .function = config->function };

	if (view->format == VIEW_LSPCI)
		capture_write(&view->text, config);
	else if (!view->failed)
		view->failed =
			topo_graph_add(&view->graph, &address, config->bytes, config->length);
}

/* ---- answering ---- */

static int tree_write(struct view *view)
{
	int r;

	topo_graph_sort(&view->graph);
	r = topo_graph_link(&view->graph);
	if (r)
		return r;
	view->stream = open_memstream(&view->written, &view->written_length);
	return view->stream ? topo_tree_write(&view->graph, view->title, false, view->stream)
			    : -ENOMEM;
}

static void view_refuse(struct view *view, int r, const char *why)
{
	struct problem p;

	problem_init(&p, r);
	(void)snprintf(p.detail, sizeof(p.detail), "%s", why);
	api_send_problem(view->api, view->conn, &p);
}

/* Answers with the stream's text, and ends. */
static void view_finish(struct view *view, int r)
{
	struct buf *out = call_body(view->api);

	if (view->stream && fclose(view->stream))
		r = -ENOMEM;
	view->stream = NULL;
	if (r) {
		view_refuse(view, r, "");
	} else {
		buf_bytes(out, view->written, view->written_length);
		buf_bytes(out, view->text.data, view->text.length);
		out->failed |= view->text.failed;
		api_send_text(view->api, view->conn, formats[view->format].type);
	}
	view_free(view);
}

/* A large fabric takes long to write: some of it, then everybody else has a turn. */
static void view_slice(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval none;
	struct view *view = arg;
	int r = topo_json_write_part(&view->graph, view->title, view->at, SLICE, view->stream);

	(void)fd;
	(void)what;
	view->at += SLICE;
	if (r || view->at >= view->graph.count || evtimer_add(view->slice, &none))
		view_finish(view, r);
}

/* Return: 0 and the text follows; or what went wrong. */
static int graph_begin(struct view *view)
{
	static const struct timeval none;
	int r;

	topo_graph_sort(&view->graph);
	r = topo_graph_link(&view->graph);
	if (r)
		return r;
	view->stream = open_memstream(&view->written, &view->written_length);
	view->slice = evtimer_new(view->api->base, view_slice, view);
	if (!view->stream || !view->slice)
		return -ENOMEM;
	return evtimer_add(view->slice, &none) ? -ENOMEM : 0;
}

static void view_answer(struct view *view)
{
	int r = view->failed;

	if (!r && view->format == VIEW_JSON)
		r = graph_begin(view);
	else if (!r && view->format == VIEW_TREE)
		r = tree_write(view);
	if (r || view->format != VIEW_JSON)
		view_finish(view, r);
}

static void view_take(void *arg, const struct provider_config *config, const char *why)
{
	struct view *view = arg;

	if (config) {
		view_add(view, config);
		return;
	}
	view->collected = true;
	if (why && *why) {
		view_refuse(view, REFUSE_PROVIDER_AWAY, why);
		view_free(view);
	} else {
		view_answer(view);
	}
}

static void view_limit_refuse(struct api_call *call)
{
	struct problem p;

	problem_init(&p, call->api->view_count < VIEWS_MAX ? -ENOMEM : REFUSE_LIMIT);
	if (p.refusal == REFUSE_LIMIT)
		(void)snprintf(p.detail, sizeof(p.detail),
			       "%u views are being read from the switches", call->api->view_count);
	call_refuse_with(call, &p);
}

static void view_start(struct api_call *call, const char *host, enum view_format format)
{
	struct view *view = call->api->view_count < VIEWS_MAX ? calloc(1, sizeof(*view)) : NULL;
	int r;

	if (!view) {
		view_limit_refuse(call);
		return;
	}
	view->api = call->api;
	view->conn = call->conn;
	view->format = format;
	(void)snprintf(view->title, sizeof(view->title), "%s", host ? host : "fabric");
	LIST_INSERT_HEAD(&call->api->views, view, link);
	call->api->view_count++;
	r = fabric_view(call->fabric, host, view_take, view);
	if (r) {
		view_free(view);
		call_refuse(call, r);
		return;
	}
	server_hold(call->conn, view_gone, view);
}

void view_host(struct api_call *call, const char *format)
{
	struct problem p;

	for (int i = VIEW_TREE; i <= VIEW_LSPCI; i++) {
		if (!strcmp(formats[i].name, format)) {
			view_start(call, call->id, (enum view_format)i);
			return;
		}
	}
	problem_field(&p, REFUSE_FIELD, "?view", "must be tree or lspci");
	call_refuse_with(call, &p);
}

static void topology_get(struct api_call *call)
{
	view_start(call, NULL, VIEW_JSON);
}

const struct api_command api_topology_get = {
	.name = "topology.get",
	.method = MESSAGE_GET,
	.collection = "topology",
	.right = SERVER_RIGHT_READ,
	.params = call_no_params,
	.summary = "the fabric as the manager sees it, decoded",
	.run = topology_get,
};
