/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/change.h"
#include "cli/session.h"
#include "cli/show.h"
#include "common/json.h"
#include "common/url.h"

/* "/v1/hosts/bay7/failover" */
static void host_target(struct buf *url, const char *host, const char *verb)
{
	buf_text(url, "/v1/hosts/");
	url_path(url, host);
	buf_text(url, verb);
}

/* Sends, and shows the object that comes back; @said where none does. */
static enum cli_exit host_ask(struct session *s, const char *method, const struct buf *url,
			      const char *body, const char *said)
{
	OWNED(http_answer_done) struct http_answer answer = { 0 };
	OWNED(buf_done) struct buf out = { 0 };
	OWNED(doc_free) doc *d = NULL;
	enum cli_exit r;

	if (url->failed)
		return session_no_memory();
	r = session_ask(s,
			&(struct http_request){
				.method = method, .target = (const char *)url->data, .body = body },
			&answer);
	if (r)
		return r;
	if (session_is_json(s)) {
		session_print_answer(&answer);
		return CLI_DONE;
	}
	if (!answer.body.length) {
		(void)printf("%s\n", said);
		return CLI_DONE;
	}
	r = session_doc(&answer, &d);
	if (r)
		return r;
	if (doc_array(d, "plan"))
		change_print_plan(s, d);
	else
		show_object(&out, d, s->color);
	session_print(&out);
	return CLI_DONE;
}

static enum cli_exit run_set(struct session *s, const struct cli_call *call)
{
	OWNED(buf_done) struct buf url = { 0 };
	const char *spare = cli_call_option(call, "--spare");
	bool on = !strcmp(spare, "on");

	if (!on && strcmp(spare, "off")) {
		session_say("--spare takes on or off, not %s", spare);
		return CLI_USAGE;
	}
	host_target(&url, call->operands[0], "");
	return host_ask(s, "PATCH", &url, on ? "{\"spare\":true}" : "{\"spare\":false}", "done");
}

static enum cli_exit run_maintenance(struct session *s, const struct cli_call *call)
{
	OWNED(buf_done) struct buf url = { 0 };
	const char *word = call->operands[1];
	bool on = !strcmp(word, "on");

	if (!on && strcmp(word, "off")) {
		session_say("maintenance is on or off, not %s", word);
		return CLI_USAGE;
	}
	host_target(&url, call->operands[0], "/maintenance");
	return host_ask(s, "POST", &url, on ? "{\"on\":true}" : "{\"on\":false}", "done");
}

static enum cli_exit run_drain(struct session *s, const struct cli_call *call)
{
	OWNED(buf_done) struct buf path = { 0 };
	OWNED(buf_done) struct buf body = { 0 };
	const char *to = cli_call_option(call, "--to");
	bool dry_run = cli_call_option(call, "--dry-run") != NULL;

	host_target(&path, call->operands[0], "/drain");
	json_open(&body, '{');
	if (to)
		json_member_text(&body, "to", to);
	json_member_bool(&body, "dry_run", dry_run);
	json_close(&body, '}');
	if (path.failed || body.failed)
		return session_no_memory();
	return change_send(s, call, (const char *)path.data, (const char *)body.data, dry_run);
}

static enum cli_exit run_readmit(struct session *s, const struct cli_call *call)
{
	OWNED(buf_done) struct buf url = { 0 };

	host_target(&url, call->operands[0], "/readmit");
	return host_ask(s, "POST", &url, "{}", "readmitted");
}

/* The key alone, so that it can be written to a file as it comes. */
static enum cli_exit run_enroll(struct session *s, const struct cli_call *call)
{
	OWNED(http_answer_done) struct http_answer answer = { 0 };
	OWNED(buf_done) struct buf url = { 0 };
	OWNED(doc_free) doc *d = NULL;
	const char *key;
	enum cli_exit r;

	host_target(&url, call->operands[0], "/enroll");
	if (url.failed)
		return session_no_memory();
	r = session_ask(s,
			&(struct http_request){ .method = "POST",
						.target = (const char *)url.data,
						.body = cli_call_option(call, "--force")
								? "{\"force\":true}"
								: "{}" },
			&answer);
	if (!r && session_is_json(s)) {
		session_print_answer(&answer);
		return CLI_DONE;
	}
	if (!r)
		r = session_doc(&answer, &d);
	if (r)
		return r;
	key = doc_text(d, "key");
	(void)printf("%s\n", key ? key : "");
	return key ? CLI_DONE : CLI_FAILED;
}

static enum cli_exit run_failover(struct session *s, const struct cli_call *call)
{
	OWNED(buf_done) struct buf url = { 0 };
	bool dry_run = cli_call_option(call, "--dry-run") != NULL;

	host_target(&url, call->operands[0], "/failover");
	return host_ask(s, "POST", &url, dry_run ? "{\"dry_run\":true}" : "{}",
			"failover has begun; follow it with: fabricctl event follow");
}

static enum cli_exit run_fence_confirm(struct session *s, const struct cli_call *call)
{
	OWNED(buf_done) struct buf url = { 0 };
	unsigned long incident = 0;
	char body[64];

	if (!cli_number_parse(cli_call_option(call, "--incident"), 0, 1UL << 53, &incident)) {
		session_say("--incident takes a number, not %s",
			    cli_call_option(call, "--incident"));
		return CLI_USAGE;
	}
	(void)snprintf(body, sizeof(body), "{\"incident\":%lu}", incident);
	host_target(&url, call->operands[0], "/fence-confirm");
	return host_ask(s, "POST", &url, body, "confirmed");
}

static enum cli_exit run_view(struct session *s, const struct cli_call *call)
{
	OWNED(http_answer_done) struct http_answer answer = { 0 };
	OWNED(buf_done) struct buf url = { 0 };
	enum cli_exit r;

	host_target(&url, call->operands[0], "?view=");
	buf_text(&url, s->output);
	if (url.failed)
		return session_no_memory();
	r = session_get(s, (const char *)url.data, &answer);
	if (!r)
		session_print_answer(&answer);
	return r;
}

const struct cli_command cli_host_set = {
	.name = "host set",
	.summary = "make a host a spare, or no spare",
	.examples = "  fabricctl host set bay16 --spare on",
	.outputs = "table|json",
	.operands = { { "HOST", KIND_HOST, false } },
	.options = { { "--spare", "on|off", KIND_ON_OFF, "whether it may take over for another",
		       true } },
	.run = run_set,
};
const struct cli_command cli_host_drain = {
	.name = "host drain",
	.summary = "move all functions of a host to a spare, or to another host, as one change",
	.detail = "The host takes part: its agent is asked to let each function go. It is not "
		  "fenced, "
		  "and\nstays as it is; see host maintenance. Without --to it is the spare that a "
		  "failover would take.",
	.examples = "  fabricctl host drain bay3 --dry-run\n"
		    "  fabricctl host drain bay3 --wait 60\n"
		    "  fabricctl host drain bay3 --to bay9",
	.outputs = "table|json",
	.operands = { { "HOST", KIND_HOST, false } },
	.options = { { "--to", "HOST", KIND_HOST, "where to; a spare unless given", false },
		     { "--dry-run", NULL, KIND_TEXT, "only say, step by step, what would be done",
		       false },
		     { "--wait", "SECONDS", KIND_NUMBER,
		       "wait for its end, and say what came of it", false } },
	.run = run_drain,
};
const struct cli_command cli_host_maintenance = {
	.name = "host maintenance",
	.summary = "say that somebody works at a host: it is not failed over",
	.detail =
		"Verdicts on it are told as events and not acted on, and it is nobody's spare. Off "
		"gives\nit a full fresh window.",
	.examples = "  fabricctl host drain bay3 --wait 60\n"
		    "  fabricctl host maintenance bay3 on\n"
		    "  fabricctl host maintenance bay3 off",
	.outputs = "table|json",
	.operands = { { "HOST", KIND_HOST, false }, { "on|off", KIND_ON_OFF, false } },
	.run = run_maintenance,
};
const struct cli_command cli_host_readmit = {
	.name = "host readmit",
	.summary = "let a fenced host come back, under a new epoch; or end its quarantine",
	.detail = "Its functions stay where they are now: nothing moves back by itself.",
	.examples = "  fabricctl host readmit bay3",
	.outputs = "table|json",
	.operands = { { "HOST", KIND_HOST, false } },
	.run = run_readmit,
};
const struct cli_command cli_host_enroll = {
	.name = "host enroll",
	.summary = "make a key for a host's datagrams, and print it, once",
	.detail = "Give it to the host's agent as its --key-file. The key that it had before is "
		  "accepted beside it\nuntil the first beat under the new one. Refused while the "
		  "one that was made last is not\n"
		  "used yet: with --force it is given up, and an agent that has it is not heard.",
	.examples = "  (umask 077; fabricctl host enroll bay3 > bay3.key)",
	.outputs = "table|json",
	.operands = { { "HOST", KIND_HOST, false } },
	.options = { { "--force", NULL, KIND_TEXT,
		       "give up the last one, which nobody has used yet", false } },
	.run = run_enroll,
};
const struct cli_command cli_host_failover = {
	.name = "host failover",
	.summary = "fence a host and give its functions to a spare, now",
	.detail = "The host is cut off at the switch, alive or not. See --dry-run first.",
	.examples = "  fabricctl host failover bay3 --dry-run\n  fabricctl host failover bay3",
	.outputs = "table|json",
	.operands = { { "HOST", KIND_HOST, false } },
	.options = { { "--dry-run", NULL, KIND_TEXT, "only say what would be done", false } },
	.run = run_failover,
};
const struct cli_command cli_host_fence_confirm = {
	.name = "host fence-confirm",
	.summary = "vouch that a blocked host is off, when no fence could be proved",
	.detail = "Only after its power was taken away by hand. It replaces the proof that the "
		  "host is\noff, and nothing else: each function moves only once the switch shows "
		  "it nowhere.",
	.examples = "  fabricctl incident list --host bay3\n"
		    "  fabricctl host fence-confirm bay3 --incident 4",
	.outputs = "table|json",
	.operands = { { "HOST", KIND_HOST, false } },
	.options = { { "--incident", "N", KIND_INCIDENT, "the incident that is meant", true } },
	.run = run_fence_confirm,
};
const struct cli_command cli_host_view = {
	.name = "host view",
	.summary = "show the PCIe tree that a host sees",
	.detail = "-o lspci is a capture: its virtual hierarchy's configuration space, as lspci "
		  "reads it.",
	.examples = "  fabricctl host view bay7\n"
		    "  fabricctl host view bay7 -o lspci | lspci -F /dev/stdin -tv",
	.outputs = "tree|lspci",
	.operands = { { "HOST", KIND_HOST, false } },
	.run = run_view,
};
