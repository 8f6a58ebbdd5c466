/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/fabric_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/resource.h"
#include "cli/session.h"
#include "cli/text.h"
#include "cli/topology.h"

/* ---- words on a line ---- */

static void word(struct buf *line, const char *text, enum style style, bool color)
{
	if (!text || !*text)
		return;
	if (line->length)
		buf_text(line, "  ");
	text_styled(line, text, style, color);
}

/* "LABEL VALUE" where the member is there. */
static void member(struct buf *line, const doc *d, const char *path, const char *label)
{
	OWNED(buf_done) struct buf words = { 0 };
	doc *value = doc_find(d, path);

	if (!value)
		return;
	buf_text(&words, label);
	doc_words(&words, value);
	if (!words.failed && words.length > strlen(label))
		word(line, (const char *)words.data, STYLE_PLAIN, false);
}

static void state_word(struct buf *line, const doc *d, bool color)
{
	const char *state = doc_text(d, "state");

	if (state)
		word(line, state, text_state_style(state), color);
}

static void heading(struct tree *t, const char *name, const doc *list, bool color)
{
	OWNED(buf_done) struct buf line = { 0 };
	char count[32];

	word(&line, name, STYLE_HEAD, color);
	(void)snprintf(count, sizeof(count), "(%zu)", doc_count(list));
	word(&line, count, STYLE_DIM, color);
	tree_add_take(t, 1, &line);
}

/* ---- an index: arrays of documents by the text of one member ---- */

static doc *index_make(const doc *list, const char *path)
{
	doc *all = json_object_new_object();

	for (size_t i = 0; all && i < doc_count(list); i++) {
		char *key = doc_words_at(doc_at(list, i), path);
		doc *bucket = NULL;

		if (key && !json_object_object_get_ex(all, key, &bucket)) {
			bucket = json_object_new_array();
			(void)json_object_object_add(all, key, bucket); /* a loss shows as a gap */
		}
		if (bucket) /* the same */
			(void)json_object_array_add(bucket, json_object_get(doc_at(list, i)));
		free(key);
	}
	return all;
}

static const doc *index_find(const doc *all, const char *key)
{
	doc *bucket = NULL;

	return key && all && json_object_object_get_ex(all, key, &bucket) ? bucket : NULL;
}

static const char *id_of(const doc *d)
{
	const char *id = doc_text(d, "id");

	return id ? id : "?";
}

/* The id behind its adapter's: "pf0/vf3" of "nic-3fa2/pf0/vf3". */
static const char *short_id(const doc *function)
{
	const char *id = id_of(function);
	const char *adapter = doc_text(function, "adapter");
	size_t n = adapter ? strlen(adapter) : 0;

	return n && !strncmp(id, adapter, n) && id[n] == '/' ? id + n + 1 : id;
}

/* ---- the tree ---- */

static void switches_add(struct tree *t, const struct fabric_lists *lists, bool color)
{
	OWNED(doc_free) doc *ports = index_make(lists->ports, "switch");

	heading(t, "switches", lists->switches, color);
	for (size_t i = 0; i < doc_count(lists->switches); i++) {
		const doc *d = doc_at(lists->switches, i);
		OWNED(buf_done) struct buf line = { 0 };
		size_t count = doc_count(index_find(ports, doc_text(d, "id")));
		char text[32];

		word(&line, id_of(d), STYLE_HEAD, color);
		state_word(&line, d, color);
		(void)snprintf(text, sizeof(text), "%zu ports", count);
		word(&line, count ? text : NULL, STYLE_PLAIN, color);
		member(&line, d, "provider", "provider ");
		tree_add_take(t, 2, &line);
	}
}

static void port_word(struct buf *line, const doc *ports_by, const char *id)
{
	const doc *port = doc_at(index_find(ports_by, id), 0);

	if (port)
		member(line, port, "id", "at ");
}

/* "bay7" says nothing behind "ch2/bay7". */
static bool is_end_of(const char *id, const char *bay)
{
	size_t n = bay ? strlen(bay) : 0;
	size_t length = id ? strlen(id) : 0;

	return n && n <= length && !strcmp(id + length - n, bay);
}

static void host_function_add(struct tree *t, const doc *function, bool color)
{
	OWNED(buf_done) struct buf line = { 0 };
	const char *state = doc_text(function, "state");

	member(&line, function, "vport", "vport ");
	word(&line, id_of(function), STYLE_PLAIN, color);
	if (!state || strcmp(state, "bound")) /* bound is what one expects of it */
		state_word(&line, function, color);
	member(&line, function, "identity", "");
	tree_add_take(t, 3, &line);
}

static void hosts_add(struct tree *t, const struct fabric_lists *lists, bool color)
{
	OWNED(doc_free) doc *functions = index_make(lists->functions, "host");
	OWNED(doc_free) doc *ports = index_make(lists->ports, "host");

	heading(t, "hosts", lists->hosts, color);
	for (size_t i = 0; i < doc_count(lists->hosts); i++) {
		const doc *d = doc_at(lists->hosts, i);
		const doc *own = index_find(functions, doc_text(d, "id"));
		OWNED(buf_done) struct buf line = { 0 };

		word(&line, id_of(d), STYLE_HEAD, color);
		state_word(&line, d, color);
		word(&line, doc_is_true(d, "spare") ? "spare" : NULL, STYLE_GOOD, color);
		port_word(&line, ports, doc_text(d, "id"));
		if (!is_end_of(doc_text(d, "id"), doc_text(d, "bay")))
			member(&line, d, "bay", "bay ");
		word(&line, own ? NULL : "no functions", STYLE_DIM, color);
		tree_add_take(t, 2, &line);
		for (size_t j = 0; j < doc_count(own); j++)
			host_function_add(t, doc_at(own, j), color);
	}
}

static bool is_alike(const doc *a, const doc *b)
{
	const char *state_a = doc_text(a, "state");
	const char *state_b = doc_text(b, "state");
	const char *kind_a = doc_text(a, "kind");
	const char *kind_b = doc_text(b, "kind");

	return !doc_find(a, "host") && !doc_find(b, "host") && state_a && state_b && kind_a &&
	       kind_b && doc_is_true(a, "kept") == doc_is_true(b, "kept") &&
	       !strcmp(state_a, state_b) && !strcmp(kind_a, kind_b);
}

/* Functions that no host has are drawn as one line for a run of them. */
static size_t run_length(const doc *functions, size_t from)
{
	size_t n = 1;

	while (from + n < doc_count(functions) &&
	       is_alike(doc_at(functions, from), doc_at(functions, from + n)))
		n++;
	return n;
}

static void run_add(struct tree *t, const doc *functions, size_t from, size_t length, bool color)
{
	const doc *first = doc_at(functions, from);
	OWNED(buf_done) struct buf line = { 0 };
	OWNED(buf_done) struct buf name = { 0 };

	buf_text(&name, short_id(first));
	if (length > 1)
		buf_printf(&name, " .. %s", short_id(doc_at(functions, from + length - 1)));
	word(&line, name.failed ? NULL : (const char *)name.data, STYLE_PLAIN, color);
	if (doc_is_true(first, "kept")) /* no host can have it: not free in any useful sense */
		word(&line, "kept", STYLE_DIM, color);
	else
		state_word(&line, first, color);
	member(&line, first, "host", "to ");
	member(&line, first, "vport", "vport ");
	tree_add_take(t, 3, &line);
}

static size_t count_state(const doc *functions, const char *state)
{
	size_t n = 0;

	for (size_t i = 0; i < doc_count(functions); i++) {
		const char *has = doc_text(doc_at(functions, i), "state");

		n += has && !strcmp(has, state) && !doc_is_true(doc_at(functions, i), "kept");
	}
	return n;
}

static void adapters_add(struct tree *t, const struct fabric_lists *lists, bool color)
{
	OWNED(doc_free) doc *functions = index_make(lists->functions, "adapter");
	OWNED(doc_free) doc *ports = index_make(lists->ports, "adapter");

	heading(t, "adapters", lists->adapters, color);
	for (size_t i = 0; i < doc_count(lists->adapters); i++) {
		const doc *d = doc_at(lists->adapters, i);
		const doc *own = index_find(functions, doc_text(d, "id"));
		OWNED(buf_done) struct buf line = { 0 };
		char counts[96];

		word(&line, id_of(d), STYLE_HEAD, color);
		if (!doc_text(d, "state") || strcmp(doc_text(d, "state"), "present"))
			state_word(&line, d, color); /* present is what one expects of it */
		member(&line, d, "kind", "");
		member(&line, d, "mode", "");
		member(&line, d, "keeper", "keeper ");
		port_word(&line, ports, doc_text(d, "id"));
		(void)snprintf(counts, sizeof(counts), "%zu functions, %zu bound, %zu free",
			       doc_count(own), count_state(own, "bound"), count_state(own, "free"));
		word(&line, counts, STYLE_PLAIN, color);
		tree_add_take(t, 2, &line);
		for (size_t j = 0; j < doc_count(own);) {
			size_t n = run_length(own, j);

			run_add(t, own, j, n, color);
			j += n;
		}
	}
}

void fabric_tree_make(struct tree *t, const struct fabric_lists *lists, bool color)
{
	OWNED(buf_done) struct buf root = { 0 };

	word(&root, "fabric", STYLE_HEAD, color);
	tree_add_take(t, 0, &root);
	switches_add(t, lists, color);
	hosts_add(t, lists, color);
	adapters_add(t, lists, color);
}

/* ---- for Graphviz ---- */

static void dot_text(struct buf *out, const char *text)
{
	OWNED(buf_done) struct buf clean = { 0 };

	text_clean(&clean, text);
	buf_text(out, "\"");
	for (size_t i = 0; i < clean.length; i++) {
		if (strchr("\"\\", clean.data[i]))
			buf_text(out, "\\");
		buf_u8(out, clean.data[i]);
	}
	buf_text(out, "\"");
}

static void dot_nodes(struct buf *out, const doc *list, const char *look)
{
	for (size_t i = 0; i < doc_count(list); i++) {
		const doc *d = doc_at(list, i);
		const char *state = doc_text(d, "state");
		bool bad = state && text_state_style(state) == STYLE_BAD;
		OWNED(buf_done) struct buf label = { 0 };

		buf_printf(&label, "%s%s%s%s", id_of(d), state ? ", " : "", state ? state : "",
			   doc_is_true(d, "spare") ? ", spare" : "");
		buf_text(out, "\t\t");
		dot_text(out, id_of(d));
		buf_text(out, " [label=");
		dot_text(out, label.failed ? "" : (const char *)label.data);
		buf_printf(out, ", %s%s];\n", look, bad ? ", fillcolor=\"#f4b6b6\"" : "");
	}
}

void fabric_dot_make(struct buf *out, const struct fabric_lists *lists)
{
	buf_text(out, "digraph fabric {\n\trankdir=LR;\n\tranksep=2.5;\n\tnodesep=0.15;\n"
		      "\tnode [fontname=\"Helvetica\", style=\"filled,rounded\", shape=box];\n"
		      "\tedge [fontname=\"Helvetica\", fontsize=9, color=\"#556677\"];\n"
		      "\t{ rank=same;\n");
	dot_nodes(out, lists->adapters, "fillcolor=\"#dbe9f6\"");
	buf_text(out, "\t}\n\t{ rank=same;\n");
	dot_nodes(out, lists->hosts, "fillcolor=\"#e4f1de\"");
	buf_text(out, "\t}\n");
	for (size_t i = 0; i < doc_count(lists->functions); i++) {
		const doc *d = doc_at(lists->functions, i);

		if (!doc_text(d, "host") || !doc_text(d, "adapter"))
			continue;
		buf_text(out, "\t");
		dot_text(out, doc_text(d, "adapter"));
		buf_text(out, " -> ");
		dot_text(out, doc_text(d, "host"));
		buf_text(out, " [label=");
		dot_text(out, short_id(d));
		buf_text(out, "];\n");
	}
	buf_text(out, "}\n");
}

/* ---- the command ---- */

struct fetched {
	doc *lists[5];
};

static void fetched_done(struct fetched *f)
{
	for (size_t i = 0; i < 5; i++)
		doc_free(f->lists[i]);
}
OWNED_BY_VALUE(struct fetched, fetched_done)

static enum cli_exit draw(struct session *s)
{
	static const char *const targets[] = { "/v1/switches?limit=1000", "/v1/ports?limit=1000",
					       "/v1/hosts?limit=1000", "/v1/adapters?limit=1000",
					       "/v1/functions?limit=1000" };
	OWNED(fetched_done) struct fetched f = { 0 };
	OWNED(tree_done) struct tree t = { 0 };
	OWNED(buf_done) struct buf out = { 0 };
	struct fabric_lists lists;

	for (size_t i = 0; i < 5; i++) {
		enum cli_exit r = session_items(s, targets[i], &f.lists[i]);

		if (r)
			return r;
	}
	lists = (struct fabric_lists){ f.lists[0], f.lists[1], f.lists[2], f.lists[3], f.lists[4] };
	if (!strcmp(s->output, "dot")) {
		fabric_dot_make(&out, &lists);
	} else {
		fabric_tree_make(&t, &lists, s->color);
		tree_draw(&t, s->utf8, &out);
	}
	if (out.failed)
		return session_no_memory();
	session_print(&out);
	return CLI_DONE;
}

static enum cli_exit run_topology(struct session *s, const struct cli_call *call)
{
	const char *source = cli_call_option(call, "--from");
	OWNED(http_answer_done) struct http_answer answer = { 0 };
	enum cli_exit r;

	if (source)
		return (enum cli_exit)cli_topology_from(source, s->output, s->color);
	if (!session_is_json(s))
		return draw(s);
	r = session_get(s, "/v1/topology", &answer);
	if (!r)
		session_print_answer(&answer);
	return r;
}

const struct cli_command cli_topology = {
	.name = "topology",
	.summary = "draw the fabric: who has what, and what is free; or any PCIe tree",
	.detail = "Without --from it asks the daemon. With --from it needs none, and reads\n"
		  "dump:FILE (an lspci -x, -xxx or -xxxx capture), sysfs:DIR (a saved tree: DIR\n"
		  "holds sys/bus/pci) or pci (this machine). -o dot is for Graphviz.",
	.examples = "  fabricctl topology\n"
		    "  fabricctl topology --from dump:capture.lspci\n"
		    "  fabricctl topology --from pci -o dot | dot -Tsvg > machine.svg",
	.outputs = "tree|json|dot",
	.options = { { "--from", "SOURCE", KIND_SOURCE, "dump:FILE, sysfs:DIR or pci", false } },
	.run = run_topology,
};
