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

enum { VIEWS_MAX = 4 }; /* at once: each may hold the whole fabric */

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
};

static void view_free(struct view *view)
{
	LIST_REMOVE(view, link);
	view->api->view_count--;
	topo_graph_done(&view->graph);
	buf_done(&view->text);
	free(view);
}

static void view_gone(void *arg)
{
	struct view *view = arg;

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

static int graph_write(struct view *view, FILE *out)
{
	if (view->format == VIEW_JSON)
		return topo_json_write(&view->graph, view->title, out);
	return topo_tree_write(&view->graph, view->title, false, out);
}

static int graph_text(struct view *view, struct buf *out)
{
	char *text = NULL;
	size_t length = 0;
	FILE *stream;
	int r;

	topo_graph_sort(&view->graph);
	r = topo_graph_link(&view->graph);
	if (r)
		return r;
	stream = open_memstream(&text, &length);
	if (!stream)
		return -ENOMEM;
	r = graph_write(view, stream);
	if (fclose(stream))
		r = -ENOMEM;
	if (!r)
		buf_bytes(out, text, length);
	free(text);
	return r;
}

static void view_answer(struct view *view)
{
	struct buf *out = call_body(view->api);
	struct problem p;
	int r = view->failed;

	if (!r && view->format == VIEW_LSPCI)
		buf_bytes(out, view->text.data, view->text.length);
	else if (!r)
		r = graph_text(view, out);
	if (r) {
		problem_init(&p, r);
		api_send_problem(view->api, view->conn, &p);
		return;
	}
	out->failed |= view->text.failed;
	api_send_text(view->api, view->conn, formats[view->format].type);
}

static void view_take(void *arg, const struct provider_config *config, const char *why)
{
	struct view *view = arg;
	struct problem p;

	if (config) {
		view_add(view, config);
		return;
	}
	if (why && *why) {
		problem_init(&p, REFUSE_PROVIDER_AWAY);
		(void)snprintf(p.detail, sizeof(p.detail), "%s", why);
		api_send_problem(view->api, view->conn, &p);
	} else {
		view_answer(view);
	}
	view_free(view);
}

static void view_start(struct api_call *call, const char *host, enum view_format format)
{
	struct view *view = call->api->view_count < VIEWS_MAX ? calloc(1, sizeof(*view)) : NULL;
	int r;

	if (!view) {
		call_refuse(call, call->api->view_count < VIEWS_MAX ? -ENOMEM : REFUSE_LIMIT);
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
