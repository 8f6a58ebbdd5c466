/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/daemon.h"

#include <stdio.h>

#include "cli/change.h"
#include "cli/session.h"
#include "cli/show.h"
#include "cli/text.h"

static enum cli_exit run_config_show(struct session *s, const struct cli_call *call)
{
	OWNED(http_answer_done) struct http_answer answer = { 0 };
	enum cli_exit r = session_get(s, "/v1/config", &answer);

	(void)call;
	return r ? r : show_answer(s, &answer);
}

static enum cli_exit show_adopted(struct session *s, const struct http_answer *answer, bool dry_run)
{
	OWNED(doc_free) doc *d = NULL;
	OWNED(buf_done) struct buf out = { 0 };
	enum cli_exit r = session_doc(answer, &d);
	const doc *plan = doc_array(d, "plan");
	const char *detail = doc_text(d, "detail");

	if (r)
		return r;
	if (!plan)
		return show_answer(s, answer);
	if (detail)
		text_clean(&out, detail);
	else
		buf_printf(&out, "%zu bindings %s", doc_count(plan),
			   dry_run ? "would be taken in" : "are taken in");
	buf_text(&out, "\n");
	if (doc_count(plan))
		show_array(&out, show_operation_columns, plan, 2, s->color);
	session_print(&out);
	return out.failed ? session_no_memory() : CLI_DONE;
}

static enum cli_exit run_adopt(struct session *s, const struct cli_call *call)
{
	bool dry_run = cli_call_option(call, "--dry-run") != NULL;
	OWNED(http_answer_done) struct http_answer answer = { 0 };
	const struct http_request request = { .method = "POST",
					      .target = "/v1/adopt",
					      .body = dry_run ? "{\"dry_run\":true}"
							      : "{\"dry_run\":false}" };
	enum cli_exit r = session_ask(s, &request, &answer);

	return r                    ? r
	       : session_is_json(s) ? show_answer(s, &answer)
				    : show_adopted(s, &answer, dry_run);
}

/* 503 is an answer too: its document says what is missing yet. */
static enum cli_exit run_health(struct session *s, const struct cli_call *call)
{
	OWNED(http_answer_done) struct http_answer answer = { 0 };
	const struct http_request request = { .target = "/v1/health" };
	int error = http_call(s->http, &request, &answer);
	enum cli_exit r;

	(void)call;
	if (error)
		return session_say_unreached(s, &request, error);
	if (answer.status != 200 && answer.status != 503) {
		if (session_is_json(s))
			session_print_answer(&answer);
		return session_say_problem(&answer);
	}
	r = show_answer(s, &answer);
	return r ? r : answer.status == 200 ? CLI_DONE : CLI_FAILED;
}

const struct cli_command cli_config_show = {
	.name = "config show",
	.summary = "show the daemon's configuration, with what is default",
	.examples = "  fabricctl config show",
	.outputs = "table|json",
	.run = run_config_show,
};
const struct cli_command cli_adopt = {
	.name = "adopt",
	.summary = "take what the switch shows as the truth",
	.detail = "For a new or restored database over a chassis that already runs. Until then "
		  "the\ndaemon reports differences and repairs none.",
	.examples = "  fabricctl adopt --dry-run\n  fabricctl adopt",
	.outputs = "table|json",
	.options = { { "--dry-run", NULL, KIND_TEXT, "only say what would be taken", false } },
	.run = run_adopt,
};
const struct cli_command cli_health = {
	.name = "health",
	.summary = "show whether the daemon is ready, degraded or frozen",
	.detail = "Exit code 0: ready (or degraded, or frozen: it says which); 4: it is still "
		  "starting.",
	.examples = "  fabricctl health",
	.outputs = "table|json",
	.run = run_health,
};
