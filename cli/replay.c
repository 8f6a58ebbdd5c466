/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/session.h"
#include "cli/show.h"
#include "common/json.h"
#include "common/url.h"

static const struct show_column step_columns[] = {
	{ "AFTER", "offset_ms", SHOW_OFFSET },
	{ "HOST", "host", SHOW_WORDS },
	{ "WHAT", "what", SHOW_STATE },
	{ "ASSUMED", "assumed", SHOW_FLAG },
	{ 0 },
};

/* Which of those before @n sets the @length characters of @key too? */
static bool is_set_before(const struct cli_call *call, size_t n, const char *key, size_t length)
{
	for (size_t i = 0; i < n; i++) {
		const struct cli_given *given = &call->given[i];

		if (given->option && given->option->kind == KIND_SETTING &&
		    !strncmp(given->value, key, length) && given->value[length] == '=')
			return true;
	}
	return false;
}

/* {"set":{"heartbeat.missed":"10"}} */
static bool body_write(const struct cli_call *call, struct buf *out)
{
	json_open(out, '{');
	json_key(out, "set");
	json_open(out, '{');
	for (size_t i = 0; i < call->given_count; i++) {
		const char *text = call->given[i].value;
		const char *equals = text ? strchr(text, '=') : NULL;
		char key[64];

		if (!call->given[i].option || call->given[i].option->kind != KIND_SETTING)
			continue;
		if (!equals || equals == text || (size_t)(equals - text) >= sizeof(key)) {
			session_say("--set takes KEY=VALUE, not %s", text ? text : "");
			return false;
		}
		if (is_set_before(call, i, text, (size_t)(equals - text))) {
			session_say("--set: %.*s is given twice", (int)(equals - text), text);
			return false;
		}
		memcpy(key, text, (size_t)(equals - text));
		key[equals - text] = '\0';
		json_member_text(out, key, equals + 1);
	}
	json_close(out, '}');
	json_close(out, '}');
	return true;
}

static double seconds(const doc *d, const char *path)
{
	return (double)doc_number(d, path, 0) / 1000;
}

static void head_show(struct buf *out, const doc *d, bool color)
{
	const char *difference = doc_text(d, "difference");

	text_styled(out, "as it was", STYLE_HEAD, color);
	buf_text(out, ": ");
	if (difference) {
		text_styled(out, "it differs: ", STYLE_BAD, color);
		text_clean(out, difference);
	} else {
		text_styled(out, "the same as that night", STYLE_GOOD, color);
	}
	buf_printf(out, "\n%" PRId64 " beats and %" PRId64 " looks, from %+.3f s to %+.3f s\n",
		   doc_number(d, "beats", 0), doc_number(d, "looks", 0), seconds(d, "begin_ms"),
		   seconds(d, "end_ms"));
}

static void settings_show(struct buf *out, const doc *d, const char *path, bool color)
{
	OWNED(buf_done) struct buf words = { 0 };
	const doc *settings = doc_find(d, path);

	if (!settings || !json_object_object_length(settings))
		return;
	doc_words(&words, settings);
	text_styled(out, path, STYLE_HEAD, color);
	buf_text(out, ": ");
	text_clean(out, words.length ? (const char *)words.data : "");
	buf_text(out, "\n");
}

static void hosts_show(struct buf *out, const doc *d)
{
	const doc *hosts = doc_array(d, "hosts");

	buf_text(out, "\n");
	for (size_t i = 0; i < doc_count(hosts); i++) {
		const char *detail = doc_text(doc_at(hosts, i), "detail");

		text_clean(out, detail ? detail : "");
		buf_text(out, "\n");
	}
}

static void steps_show(struct buf *out, const doc *d, const char *path, bool color)
{
	const doc *steps = doc_array(d, path);

	if (!steps)
		return;
	buf_text(out, "\n");
	text_styled(out, path, STYLE_HEAD, color);
	buf_text(out, "\n");
	show_array(out, step_columns, steps, 2, color);
}

static void replay_show(struct buf *out, const doc *d, bool color)
{
	head_show(out, d, color);
	settings_show(out, d, "settings", color);
	settings_show(out, d, "set", color);
	hosts_show(out, d);
	steps_show(out, d, "night", color);
	steps_show(out, d, "otherwise", color);
}

static enum cli_exit run_replay(struct session *s, const struct cli_call *call)
{
	OWNED(http_answer_done) struct http_answer answer = { 0 };
	OWNED(buf_done) struct buf url = { 0 };
	OWNED(buf_done) struct buf body = { 0 };
	OWNED(buf_done) struct buf out = { 0 };
	OWNED(doc_free) doc *d = NULL;
	enum cli_exit r;

	if (!body_write(call, &body))
		return CLI_USAGE;
	buf_text(&url, "/v1/incidents/");
	url_path(&url, call->operands[0]);
	buf_text(&url, "/replay");
	buf_text(&body, "");
	if (url.failed || body.failed)
		return session_no_memory();
	r = session_ask(s,
			&(struct http_request){ .method = "POST",
						.target = (const char *)url.data,
						.body = (const char *)body.data },
			&answer);
	if (r)
		return r;
	r = session_doc(&answer, &d);
	if (r)
		return r;
	if (session_is_json(s)) {
		session_print_answer(&answer);
	} else {
		replay_show(&out, d, s->color);
		session_print(&out);
	}
	return doc_is_true(d, "same") ? CLI_DONE : CLI_REFUSED;
}

const struct cli_command cli_incident_replay = {
	.name = "incident replay",
	.summary = "run again what led to an incident, as it was or with other settings",
	.detail = "What the manager was told around the incident, beat by beat, is judged once "
		  "more. As it\nwas it must give the same verdicts; with --set it says what would "
		  "have happened.\nTimes count from the first line of the incident's time line. "
		  "Nothing is changed.",
	.examples = "  fabricctl incident replay 3\n"
		    "  fabricctl incident replay 3 --set heartbeat.missed=10\n"
		    "  fabricctl incident replay 3 --set failover.storm-percent=20 "
		    "--set failover.storm-min=3",
	.outputs = "table|json",
	.operands = { { "ID", KIND_INCIDENT, false } },
	.options = { { "--set", "KEY=VALUE", KIND_SETTING,
		       "what if this had been so; may be given more than once", false } },
	.run = run_replay,
};
