/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/resource.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/session.h"
#include "common/url.h"

enum { PAGE = 1000 };

/* A column that no document has is left out, so these may name more than a daemon serves. */
static const struct show_column host_columns[] = {
	{ "HOST", "id", SHOW_WORDS },
	{ "STATE", "state", SHOW_STATE },
	{ "SPARE", "spare", SHOW_WORDS },
	{ "SPARE KIND", "spare_kind", SHOW_WORDS },
	{ "EPOCH", "epoch", SHOW_WORDS },
	{ "BAY", "bay", SHOW_WORDS },
	{ "PORT", "port", SHOW_WORDS },
	{ "POWER", "power", SHOW_WORDS },
	{ "LINK", "link", SHOW_STATE },
	{ "FUNCTIONS", "functions", SHOW_WORDS },
	{ "INCIDENT", "incident", SHOW_WORDS },
	{ "NOT JUDGED", "not_judged", SHOW_WORDS },
	{ 0 },
};

static const struct show_column switch_columns[] = {
	{ "SWITCH", "id", SHOW_WORDS },         { "STATE", "state", SHOW_STATE },
	{ "PROVIDER", "provider", SHOW_WORDS }, { "CHASSIS", "chassis", SHOW_WORDS },
	{ "VENDOR", "vendor", SHOW_WORDS },     { "MODEL", "model", SHOW_WORDS },
	{ "SERIAL", "serial", SHOW_WORDS },     { "PORTS", "ports", SHOW_WORDS },
	{ "BOOT", "boot_id", SHOW_WORDS },      { 0 },
};

static const struct show_column port_columns[] = {
	{ "PORT", "id", SHOW_WORDS },         { "SWITCH", "switch", SHOW_WORDS },
	{ "KIND", "kind", SHOW_WORDS },       { "STATE", "state", SHOW_STATE },
	{ "LINK", "link", SHOW_STATE },       { "WIDTH", "width", SHOW_WORDS },
	{ "MT/S", "mtps", SHOW_WORDS },       { "HOST", "host", SHOW_WORDS },
	{ "ADAPTER", "adapter", SHOW_WORDS }, { "PEER", "peer", SHOW_WORDS },
	{ "SLOT", "slot", SHOW_WORDS },       { 0 },
};

static const struct show_column adapter_columns[] = {
	{ "ADAPTER", "id", SHOW_WORDS },          { "KIND", "kind", SHOW_WORDS },
	{ "MODE", "mode", SHOW_WORDS },           { "STATE", "state", SHOW_STATE },
	{ "KEEPER", "keeper", SHOW_WORDS },       { "PORT", "port", SHOW_WORDS },
	{ "VENDOR", "vendor", SHOW_WORDS },       { "DEVICE", "device", SHOW_WORDS },
	{ "SERIAL", "serial", SHOW_WORDS },       { "MODEL", "model", SHOW_WORDS },
	{ "FUNCTIONS", "functions", SHOW_WORDS }, { "FREE", "free", SHOW_WORDS },
	{ "BOUND", "bound", SHOW_WORDS },         { 0 },
};

static const struct show_column function_columns[] = {
	{ "FUNCTION", "id", SHOW_WORDS },     { "KIND", "kind", SHOW_WORDS },
	{ "STATE", "state", SHOW_STATE },     { "HOST", "host", SHOW_WORDS },
	{ "VPORT", "vport", SHOW_WORDS },     { "IDENTITY", "identity", SHOW_WORDS },
	{ "PROFILE", "profile", SHOW_WORDS }, { "GENERATION", "generation", SHOW_WORDS },
	{ "KEPT", "kept", SHOW_FLAG },        { "CHANGE", "change", SHOW_WORDS },
	{ "STEP", "step", SHOW_WORDS },       { 0 },
};

static const struct show_column assignment_columns[] = {
	{ "ASSIGNMENT", "id", SHOW_WORDS },
	{ "FUNCTION", "function", SHOW_WORDS },
	{ "HOST", "host", SHOW_WORDS },
	{ "VPORT", "vport", SHOW_WORDS },
	{ "STATE", "state", SHOW_STATE },
	{ "IDENTITY", "identity", SHOW_WORDS },
	{ "PROFILE", "profile", SHOW_WORDS },
	{ "GENERATION", "generation", SHOW_WORDS },
	{ "HOST SAYS", "condition", SHOW_STATE },
	{ "DETAIL", "seen.detail", SHOW_WORDS },
	{ 0 },
};

static const struct show_column change_columns[] = {
	{ "CHANGE", "id", SHOW_WORDS },
	{ "KIND", "kind", SHOW_WORDS },
	{ "STATE", "state", SHOW_STATE },
	{ "STARTED", "started", SHOW_WORDS },
	{ "ENDED", "ended", SHOW_WORDS },
	{ "UID", "uid", SHOW_WORDS },
	{ "INCIDENT", "incident", SHOW_WORDS },
	{ "REASON", "reason", SHOW_WORDS },
	{ 0 },
};

static const struct show_column incident_columns[] = {
	{ "INCIDENT", "id", SHOW_WORDS },
	{ "HOST", "host", SHOW_WORDS },
	{ "STATE", "state", SHOW_STATE },
	{ "CAUSE", "cause", SHOW_WORDS },
	{ "VERDICT", "verdict", SHOW_WORDS },
	{ "TARGET", "target", SHOW_WORDS },
	{ "STARTED", "started", SHOW_WORDS },
	{ "ENDED", "ended", SHOW_WORDS },
	{ 0 },
};

static const struct show_column profile_columns[] = {
	{ "PROFILE", "id", SHOW_WORDS },
	{ "PRIORITY", "priority", SHOW_WORDS },
	{ "STATE", "state", SHOW_STATE },
	{ "HOST", "host", SHOW_WORDS },
	{ "FUNCTIONS", "count", SHOW_WORDS },
	{ "REASON", "reason", SHOW_WORDS },
	{ 0 },
};

const struct cli_resource cli_resource_host = { "host", "/v1/hosts", KIND_HOST, host_columns };
const struct cli_resource cli_resource_switch = { "switch", "/v1/switches", KIND_SWITCH,
						  switch_columns };
const struct cli_resource cli_resource_port = { "port", "/v1/ports", KIND_PORT, port_columns };
const struct cli_resource cli_resource_adapter = { "adapter", "/v1/adapters", KIND_ADAPTER,
						   adapter_columns };
const struct cli_resource cli_resource_function = { "function", "/v1/functions", KIND_FUNCTION,
						    function_columns };
const struct cli_resource cli_resource_assignment = { "assignment", "/v1/assignments",
						      KIND_ASSIGNMENT, assignment_columns };
const struct cli_resource cli_resource_change = { "change", "/v1/changes", KIND_CHANGE,
						  change_columns };
const struct cli_resource cli_resource_incident = { "incident", "/v1/incidents", KIND_INCIDENT,
						    incident_columns };

const struct cli_resource cli_resource_profile = { "profile", "/v1/profiles", KIND_PROFILE,
						   profile_columns };

const struct cli_resource *const cli_resources[] = {
	&cli_resource_host,     &cli_resource_switch,
	&cli_resource_port,     &cli_resource_adapter,
	&cli_resource_function, &cli_resource_assignment,
	&cli_resource_change,   &cli_resource_incident,
	&cli_resource_profile,  NULL,
};

/* ---- list ---- */

static void query_add(struct buf *url, const char *name, const char *value)
{
	buf_text(url, memchr(url->data, '?', url->length) ? "&" : "?");
	url_query(url, name);
	buf_text(url, "=");
	url_query(url, value);
}

/* "/v1/functions?state=free&limit=1000" */
static void list_target(struct buf *url, const struct cli_call *call, const char *limit)
{
	buf_text(url, call->command->resource->path);
	for (size_t i = 0; i < call->given_count; i++)
		if (strcmp(call->given[i].name, "--limit"))
			query_add(url, call->given[i].name + 2, call->given[i].value);
	query_add(url, "limit", limit);
}

struct listing {
	const struct cli_call *call;
	struct table table;
	struct buf text; /* what -o json and -o ids print */
	size_t pages;
	size_t items; /* joined so far */
	bool all;     /* pages are turned to the end */
	char *next;   /* the cursor behind the latest page */
};

/* One page is printed as it came. When a second one comes, all become one document. */
static enum cli_exit page_json(struct listing *l, const doc *items,
			       const struct http_answer *answer, const char *next)
{
	if (l->pages == 0 && (!next || !l->all)) {
		buf_bytes(&l->text, answer->body.data, answer->body.length);
		return l->text.failed ? session_no_memory() : CLI_DONE;
	}
	if (l->pages == 0)
		buf_text(&l->text, "{\"items\":[");
	for (size_t i = 0; i < doc_count(items); i++) {
		buf_text(&l->text, l->items++ ? ",\n" : "");
		buf_text(&l->text,
			 json_object_to_json_string_ext(doc_at(items, i),
							JSON_C_TO_STRING_PLAIN |
								JSON_C_TO_STRING_NOSLASHESCAPE));
	}
	if (!next)
		buf_text(&l->text, "],\"next\":null}\n");
	return l->text.failed ? session_no_memory() : CLI_DONE;
}

static void page_ids(struct listing *l, const doc *items)
{
	for (size_t i = 0; i < doc_count(items); i++) {
		char *id = doc_words_at(doc_at(items, i), "id");

		if (id) {
			text_clean(&l->text, id);
			buf_text(&l->text, "\n");
		}
		free(id);
	}
}

static enum cli_exit on_page(struct session *s, const doc *items, const struct http_answer *answer,
			     void *arg)
{
	OWNED(doc_free) doc *page = NULL;
	struct listing *l = arg;
	enum cli_exit r = CLI_DONE;
	const char *next;

	if (session_doc(answer, &page))
		return CLI_FAILED;
	next = doc_text(page, "next");
	if (session_is_json(s))
		r = page_json(l, items, answer, next);
	else if (!strcmp(s->output, "ids"))
		page_ids(l, items);
	else
		show_rows(&l->table, l->call->command->resource->columns, items);
	l->pages++;
	free(l->next);
	l->next = next ? strdup(next) : NULL;
	return r;
}

static enum cli_exit list_print(struct session *s, struct listing *l)
{
	if (!strcmp(s->output, "table")) {
		if (!l->table.row_count)
			session_say("no %s", l->call->command->resource->name);
		else
			table_format(&l->table, TABLE_WITH_TITLES, 0, s->color, &l->text);
		if (l->next)
			session_say("there are more: --cursor %s", l->next);
	}
	if (l->text.failed)
		return session_no_memory();
	session_print(&l->text);
	return CLI_DONE;
}

static enum cli_exit list_run(struct session *s, const struct cli_call *call)
{
	const char *limit = cli_call_option(call, "--limit");
	/* who sets a limit or a cursor turns the pages himself */
	bool all = !limit && !cli_call_option(call, "--cursor");
	OWNED(buf_done) struct buf url = { 0 };
	struct listing l = { .call = call, .all = all };
	char most[16];
	enum cli_exit r;

	(void)snprintf(most, sizeof(most), "%d", PAGE);
	list_target(&url, call, limit ? limit : most);
	r = url.failed ? session_no_memory()
		       : session_pages(s, (const char *)url.data, all, on_page, &l);
	if (!r)
		r = list_print(s, &l);
	table_done(&l.table);
	buf_done(&l.text);
	free(l.next);
	return r;
}

/* ---- show ---- */

static enum cli_exit show_functions_of(struct session *s, const char *host, struct buf *out)
{
	OWNED(buf_done) struct buf url = { 0 };
	OWNED(doc_free) doc *functions = NULL;
	enum cli_exit r;

	buf_text(&url, cli_resource_function.path);
	query_add(&url, "host", host);
	r = url.failed ? session_no_memory() : session_items(s, (const char *)url.data, &functions);
	if (r)
		return r;
	buf_text(out, "\n");
	text_styled(out, "functions", STYLE_HEAD, s->color);
	buf_text(out, doc_count(functions) ? "\n" : ": none\n");
	if (doc_count(functions))
		show_array(out, function_columns, functions, 2, s->color);
	return CLI_DONE;
}

static enum cli_exit show_all(struct session *s, const doc *items, const struct http_answer *answer,
			      void *arg)
{
	struct buf *out = arg;

	(void)answer;
	for (size_t i = 0; i < doc_count(items); i++) {
		buf_text(out, out->length ? "\n" : "");
		show_object(out, doc_at(items, i), s->color);
	}
	return out->failed ? session_no_memory() : CLI_DONE;
}

static enum cli_exit show_one(struct session *s, const struct cli_call *call, struct buf *out)
{
	const struct cli_resource *resource = call->command->resource;
	OWNED(http_answer_done) struct http_answer answer = { 0 };
	OWNED(buf_done) struct buf url = { 0 };
	OWNED(doc_free) doc *d = NULL;
	enum cli_exit r;

	buf_printf(&url, "%s/", resource->path);
	url_path(&url, call->operands[0]);
	if (url.failed)
		return session_no_memory();
	if (session_is_json(s)) {
		r = session_get(s, (const char *)url.data, &answer);
		if (!r)
			session_print_answer(&answer);
		return r;
	}
	r = session_get_doc(s, (const char *)url.data, &answer, &d);
	if (r)
		return r;
	show_object(out, d, s->color);
	if (resource == &cli_resource_host && !doc_array(d, "functions"))
		return show_functions_of(s, call->operands[0], out);
	return CLI_DONE;
}

static enum cli_exit show_run(struct session *s, const struct cli_call *call)
{
	OWNED(buf_done) struct buf out = { 0 };
	enum cli_exit r;

	if (call->operand_count)
		r = show_one(s, call, &out);
	else if (session_is_json(s))
		return list_run(s, call);
	else
		r = session_pages(s, call->command->resource->path, true, show_all, &out);
	if (!r && out.failed)
		r = session_no_memory();
	if (!r)
		session_print(&out);
	return r;
}

/* ---- the entries ---- */

#define LIST_OUTPUTS "table|json|ids"
#define LIST_DETAIL                                                                    \
	"Without --limit and --cursor all pages are read. Every --FIELD VALUE is a\n"  \
	"filter that the daemon applies: only what has that value is listed. -o ids\n" \
	"prints one id on each line, for scripts."
#define LIST_PAGING                                                                            \
	{ "--limit", "N", KIND_NUMBER, "one page of at most N, 1 to 1000", false },            \
	{                                                                                      \
		"--cursor", "C", KIND_TEXT, "start behind this cursor of a page before", false \
	}
#define SHOW_DETAIL "Without an ID all are shown, one after another."

const struct cli_command cli_host_list = {
	.name = "host list",
	.summary = "list the hosts: state, spare, epoch, bay",
	.detail = LIST_DETAIL,
	.examples = "  fabricctl host list\n  fabricctl host list --spare true -o ids",
	.outputs = LIST_OUTPUTS,
	.options = { LIST_PAGING,
		     { "--state", "STATE", KIND_TEXT,
		       "unknown, alive, suspect, fencing, fenced, "
		       "blocked, maintenance, quarantined",
		       false },
		     { "--spare", "true|false", KIND_TEXT, "spares only, or the others", false } },
	.filters = true,
	.resource = &cli_resource_host,
	.run = list_run,
};
const struct cli_command cli_host_show = {
	.name = "host show",
	.summary = "show one host and its functions",
	.detail = SHOW_DETAIL,
	.examples = "  fabricctl host show bay7\n  fabricctl host show ch2/bay7 -o json",
	.outputs = "table|json",
	.operands = { { "HOST", KIND_HOST, true } },
	.resource = &cli_resource_host,
	.run = show_run,
};
const struct cli_command cli_switch_list = {
	.name = "switch list",
	.summary = "list the switches",
	.detail = LIST_DETAIL,
	.examples = "  fabricctl switch list",
	.outputs = LIST_OUTPUTS,
	.options = { LIST_PAGING },
	.filters = true,
	.resource = &cli_resource_switch,
	.run = list_run,
};
const struct cli_command cli_switch_show = {
	.name = "switch show",
	.summary = "show one switch",
	.detail = SHOW_DETAIL,
	.examples = "  fabricctl switch show sw0",
	.outputs = "table|json",
	.operands = { { "SWITCH", KIND_SWITCH, true } },
	.resource = &cli_resource_switch,
	.run = show_run,
};
const struct cli_command cli_port_list = {
	.name = "port list",
	.summary = "list the ports of all switches",
	.detail = LIST_DETAIL,
	.examples = "  fabricctl port list --switch sw0",
	.outputs = LIST_OUTPUTS,
	.options = { LIST_PAGING, { "--switch", "SWITCH", KIND_SWITCH, "of this switch", false } },
	.filters = true,
	.resource = &cli_resource_port,
	.run = list_run,
};
const struct cli_command cli_port_show = {
	.name = "port show",
	.summary = "show one port",
	.detail = SHOW_DETAIL,
	.examples = "  fabricctl port show sw0/p12",
	.outputs = "table|json",
	.operands = { { "PORT", KIND_PORT, true } },
	.resource = &cli_resource_port,
	.run = show_run,
};
const struct cli_command cli_adapter_list = {
	.name = "adapter list",
	.summary = "list the adapters",
	.detail = LIST_DETAIL,
	.examples = "  fabricctl adapter list",
	.outputs = LIST_OUTPUTS,
	.options = { LIST_PAGING },
	.filters = true,
	.resource = &cli_resource_adapter,
	.run = list_run,
};
const struct cli_command cli_adapter_show = {
	.name = "adapter show",
	.summary = "show one adapter",
	.detail = SHOW_DETAIL,
	.examples = "  fabricctl adapter show nic-3fa2",
	.outputs = "table|json",
	.operands = { { "ADAPTER", KIND_ADAPTER, true } },
	.resource = &cli_resource_adapter,
	.run = show_run,
};
const struct cli_command cli_function_list = {
	.name = "function list",
	.summary = "list the functions: owner, vport, identity, state",
	.detail = LIST_DETAIL,
	.examples = "  fabricctl function list --state free\n"
		    "  fabricctl function list --host bay7\n"
		    "  fabricctl function list --adapter nic-3fa2 --kind vf -o ids",
	.outputs = LIST_OUTPUTS,
	.options = { LIST_PAGING,
		     { "--host", "HOST", KIND_HOST, "given to this host", false },
		     { "--adapter", "ADAPTER", KIND_ADAPTER, "of this adapter", false },
		     { "--kind", "KIND", KIND_TEXT, "device, bf, pf or vf", false },
		     { "--state", "STATE", KIND_TEXT, "free, bound, parked, blocked, doubt or bad",
		       false } },
	.filters = true,
	.resource = &cli_resource_function,
	.run = list_run,
};
const struct cli_command cli_function_show = {
	.name = "function show",
	.summary = "show one function",
	.detail = SHOW_DETAIL,
	.examples = "  fabricctl function show nic-3fa2/pf0/vf3",
	.outputs = "table|json",
	.operands = { { "FUNCTION", KIND_FUNCTION, true } },
	.resource = &cli_resource_function,
	.run = show_run,
};
const struct cli_command cli_assignment_list = {
	.name = "assignment list",
	.summary = "list what is assigned: function, host, vport, identity, and what the host says",
	.detail = LIST_DETAIL,
	.examples = "  fabricctl assignment list --host bay7",
	.outputs = LIST_OUTPUTS,
	.options = { LIST_PAGING, { "--host", "HOST", KIND_HOST, "of this host", false } },
	.filters = true,
	.resource = &cli_resource_assignment,
	.run = list_run,
};
const struct cli_command cli_assignment_show = {
	.name = "assignment show",
	.summary = "show one assignment",
	.detail = SHOW_DETAIL,
	.examples = "  fabricctl assignment show nic-3fa2/pf0/vf3",
	.outputs = "table|json",
	.operands = { { "ASSIGNMENT", KIND_ASSIGNMENT, true } },
	.resource = &cli_resource_assignment,
	.run = show_run,
};
const struct cli_command cli_change_list = {
	.name = "change list",
	.summary = "list the changes, running and ended",
	.detail = LIST_DETAIL,
	.examples = "  fabricctl change list --state running",
	.outputs = LIST_OUTPUTS,
	.options = { LIST_PAGING,
		     { "--state", "STATE", KIND_TEXT,
		       "running, done, refused, parked, failed or cancelled", false } },
	.filters = true,
	.resource = &cli_resource_change,
	.run = list_run,
};
const struct cli_command cli_change_show = {
	.name = "change show",
	.summary = "show one change and what became of each of its operations",
	.detail = SHOW_DETAIL,
	.examples = "  fabricctl change show 17",
	.outputs = "table|json",
	.operands = { { "ID", KIND_CHANGE, true } },
	.resource = &cli_resource_change,
	.run = show_run,
};
const struct cli_command cli_incident_list = {
	.name = "incident list",
	.summary = "list the incidents: hosts that were lost, and what became of them",
	.detail = LIST_DETAIL,
	.examples = "  fabricctl incident list --state blocked",
	.outputs = LIST_OUTPUTS,
	.options = { LIST_PAGING,
		     { "--state", "STATE", KIND_TEXT, "fencing, blocked, waiting, moving or done",
		       false },
		     { "--host", "HOST", KIND_HOST, "of this host", false } },
	.filters = true,
	.resource = &cli_resource_incident,
	.run = list_run,
};
const struct cli_command cli_incident_show = {
	.name = "incident show",
	.summary = "show one incident: its time line and what moved where",
	.detail = SHOW_DETAIL,
	.examples = "  fabricctl incident show 3",
	.outputs = "table|json",
	.operands = { { "ID", KIND_INCIDENT, true } },
	.resource = &cli_resource_incident,
	.run = show_run,
};
const struct cli_command cli_profile_list = {
	.name = "profile list",
	.summary = "list the profiles: priority, host, state",
	.detail = LIST_DETAIL,
	.examples = "  fabricctl profile list\n  fabricctl profile list --state split",
	.outputs = LIST_OUTPUTS,
	.options = { LIST_PAGING,
		     { "--state", "STATE", KIND_TEXT,
		       "free, bound, changing, split, parked, blocked, doubt or bad", false },
		     { "--host", "HOST", KIND_HOST, "with this host", false } },
	.filters = true,
	.resource = &cli_resource_profile,
	.run = list_run,
};
const struct cli_command cli_profile_show = {
	.name = "profile show",
	.summary = "show one profile: its functions, and the identity that each carries",
	.detail = SHOW_DETAIL,
	.examples = "  fabricctl profile show web",
	.outputs = "table|json",
	.operands = { { "PROFILE", KIND_PROFILE, true } },
	.resource = &cli_resource_profile,
	.run = show_run,
};
