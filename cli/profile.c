/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/profile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/change.h"
#include "cli/session.h"
#include "cli/show.h"
#include "common/identity.h"
#include "common/json.h"
#include "common/url.h"

enum { PRIORITY_MAX = 1000, STATUS_NOT_FOUND = 404 };

/* "/v1/profiles/web/move" */
static void target_put(struct buf *url, const char *name, const char *verb)
{
	buf_text(url, "/v1/profiles/");
	url_path(url, name);
	buf_text(url, verb);
}

/* ---- set ---- */

enum { MAC_LENGTH = sizeof("02:fa:b0:00:00:01") - 1 };

/* "MAC" or "WWPN", by its length. Return: CLI_DONE or CLI_USAGE. */
static enum cli_exit identity_put(struct buf *body, const char *function, const char *text)
{
	bool is_mac = strlen(text) == MAC_LENGTH;
	const char *flaw = is_mac ? identity_mac_flaw(text) : identity_wwn_flaw(text);

	if (flaw && !is_mac && strlen(text) < MAC_LENGTH - 1)
		flaw = "is neither a MAC address, as 02:fa:b0:00:00:01, nor a WWPN, as "
		       "50:01:43:80:00:00:00:01";
	if (flaw) {
		session_say("--functions: %s: %s %s", function, *text ? text : "\"\"", flaw);
		return CLI_USAGE;
	}
	json_key(body, "identity");
	json_open(body, '{');
	json_member_text(body, is_mac ? "mac" : "wwpn", text);
	json_close(body, '}');
	return CLI_DONE;
}

/* Is @name one of the functions in @list before @word, which stands in it? */
static bool is_named_before(const char *list, const char *word, size_t length)
{
	while (list < word) {
		size_t n = strcspn(list, ",");

		if (strcspn(list, "=,") == length && !memcmp(list, word, length))
			return true;
		list += n + 1;
	}
	return false;
}

/* "FUNCTION" or "FUNCTION=MAC", between commas. Return: CLI_DONE or CLI_USAGE. */
static enum cli_exit functions_check(const char *list)
{
	const char *word = list;

	if (!*list) {
		session_say("--functions is empty: FUNCTION or FUNCTION=MAC, with commas between; "
			    "to dissolve it: fabricctl profile delete");
		return CLI_USAGE;
	}
	for (;;) {
		size_t length = strcspn(word, "=,");

		if (!length) {
			session_say("--functions: a function is missing %s: %s",
				    word[0] == '=' ? "before an ="
				    : word == list ? "before the first comma"
				    : *word        ? "between two commas"
						   : "behind the last comma",
				    list);
			return CLI_USAGE;
		}
		if (is_named_before(list, word, length)) {
			session_say("--functions: %.*s is named twice", (int)length, word);
			return CLI_USAGE;
		}
		word += strcspn(word, ",");
		if (!*word++)
			return CLI_DONE;
	}
}

/* @list has been checked. */
static enum cli_exit functions_put(struct buf *body, const char *list)
{
	char *copy = strdup(list);
	char *rest = copy;
	char *word;
	enum cli_exit r = copy ? CLI_DONE : session_no_memory();

	json_open(body, '[');
	while (!r && (word = strsep(&rest, ","))) {
		char *identity = strchr(word, '=');

		if (identity)
			*identity++ = '\0';
		json_open(body, '{');
		json_member_text(body, "function", word);
		if (identity)
			r = identity_put(body, word, identity);
		json_close(body, '}');
	}
	json_close(body, ']');
	free(copy);
	return r;
}

/* Those that it has, with their identities. */
static void functions_keep(struct buf *body, const doc *profile)
{
	const doc *functions = doc_array(profile, "functions");

	json_open(body, '[');
	for (size_t i = 0; i < doc_count(functions); i++) {
		const doc *one = doc_at(functions, i);
		const doc *identity = doc_find(one, "identity");

		json_open(body, '{');
		json_member_text(body, "function", doc_text(one, "function"));
		json_key(body, "identity");
		buf_text(body, identity ? json_object_to_json_string_ext((doc *)identity,
									 JSON_C_TO_STRING_PLAIN)
					: "{}");
		json_close(body, '}');
	}
	json_close(body, ']');
}

/* The profile as it is; NULL where there is none. */
static enum cli_exit profile_read(struct session *s, const char *name, doc **out)
{
	OWNED(http_answer_done) struct http_answer answer = { 0 };
	OWNED(buf_done) struct buf url = { 0 };
	int error;

	*out = NULL;
	target_put(&url, name, "");
	if (url.failed)
		return session_no_memory();
	error = http_call(s->http, &(struct http_request){ .target = (const char *)url.data },
			  &answer);
	if (error)
		return session_say_unreached(s, NULL, error);
	if (answer.status == STATUS_NOT_FOUND)
		return CLI_DONE;
	if (answer.status != 200)
		return session_say_problem(&answer);
	return session_doc(&answer, out);
}

/* What the options leave out stays as it is. */
static enum cli_exit body_make(struct session *s, const struct cli_call *call, struct buf *body)
{
	const char *list = cli_call_option(call, "--functions");
	const char *given = cli_call_option(call, "--priority");
	OWNED(doc_free) doc *old = NULL;
	unsigned long priority = 0;
	enum cli_exit r;

	if (given && !cli_number_parse(given, 0, PRIORITY_MAX, &priority)) {
		session_say("--priority takes a number from 0 to %d, not %s", PRIORITY_MAX, given);
		return CLI_USAGE;
	}
	r = list ? functions_check(list) : CLI_DONE;
	if (!r)
		r = profile_read(s, call->operands[0], &old);
	if (r)
		return r;
	if (!list && !old) {
		session_say("there is no profile %s yet: --functions or --file says what is in it",
			    call->operands[0]);
		return CLI_REFUSED;
	}
	json_open(body, '{');
	if (given)
		json_member_number(body, "priority", priority);
	else if (old)
		json_member_number(body, "priority",
				   (uint64_t)json_object_get_int64(doc_find(old, "priority")));
	json_key(body, "functions");
	if (list)
		r = functions_put(body, list);
	else
		functions_keep(body, old);
	json_close(body, '}');
	return !r && body->failed ? session_no_memory() : r;
}

static enum cli_exit run_set(struct session *s, const struct cli_call *call)
{
	const char *file = cli_call_option(call, "--file");
	OWNED(http_answer_done) struct http_answer answer = { 0 };
	OWNED(buf_done) struct buf body = { 0 };
	OWNED(buf_done) struct buf url = { 0 };
	enum cli_exit r;

	if (file && (cli_call_option(call, "--functions") || cli_call_option(call, "--priority"))) {
		session_say("--file says all, and takes neither --functions nor --priority");
		return CLI_USAGE;
	}
	r = file ? change_body_read(file, &body) : body_make(s, call, &body);
	target_put(&url, call->operands[0], "");
	if (!r && url.failed)
		r = session_no_memory();
	if (!r)
		r = session_ask(s,
				&(struct http_request){ .method = "PUT",
							.target = (const char *)url.data,
							.body = (const char *)body.data },
				&answer);
	return r ? r : show_answer(s, &answer);
}

static enum cli_exit run_delete(struct session *s, const struct cli_call *call)
{
	OWNED(http_answer_done) struct http_answer answer = { 0 };
	OWNED(buf_done) struct buf url = { 0 };
	enum cli_exit r;

	target_put(&url, call->operands[0], "");
	if (url.failed)
		return session_no_memory();
	r = session_ask(
		s, &(struct http_request){ .method = "DELETE", .target = (const char *)url.data },
		&answer);
	if (!r)
		(void)printf("profile %s is deleted; its functions stay where they are\n",
			     call->operands[0]);
	return r;
}

/* ---- whole, to a host and away ---- */

static enum cli_exit change(struct session *s, const struct cli_call *call, const char *verb)
{
	OWNED(buf_done) struct buf path = { 0 };
	OWNED(buf_done) struct buf body = { 0 };
	bool dry_run = cli_call_option(call, "--dry-run") != NULL;

	target_put(&path, call->operands[0], verb);
	json_open(&body, '{');
	if (call->operand_count > 1)
		json_member_text(&body, "host", call->operands[1]);
	json_member_bool(&body, "dry_run", dry_run);
	json_close(&body, '}');
	if (path.failed || body.failed)
		return session_no_memory();
	return change_send(s, call, (const char *)path.data, (const char *)body.data, dry_run);
}

static enum cli_exit run_assign(struct session *s, const struct cli_call *call)
{
	return change(s, call, "/assign");
}

static enum cli_exit run_move(struct session *s, const struct cli_call *call)
{
	return change(s, call, "/move");
}

static enum cli_exit run_release(struct session *s, const struct cli_call *call)
{
	return change(s, call, "/release");
}

#define CHANGING                                                                               \
	{ "--dry-run", NULL, KIND_TEXT, "only say, step by step, what would be done", false }, \
	{                                                                                      \
		"--wait", "SECONDS", KIND_NUMBER, "wait for its end, and say what came of it", \
			false                                                                  \
	}

const struct cli_command cli_profile_set = {
	.name = "profile set",
	.summary = "say which functions go together, with which identities and priority",
	.detail =
		"Nothing moves by it: the functions are with one host, and keep what they carry, "
		"or with none.\nWhat is not given stays as it is. Where no spare has room for all "
		"of a dead host, the highest\npriority goes first; what is in no profile counts as "
		"100.",
	.examples = "  fabricctl profile set web --priority 500 \\\n"
		    "    --functions nic-3fa2/pf0/vf3=02:fa:b0:00:00:01,fc-77/pf0/vf1\n"
		    "  fabricctl profile set web --priority 700\n"
		    "  fabricctl profile set web --file web.json",
	.outputs = "table|json",
	.operands = { { "PROFILE", KIND_PROFILE, false } },
	.options = { { "--functions", "LIST", KIND_TEXT,
		       "FUNCTION or FUNCTION=MAC (or =WWPN), with commas between", false },
		     { "--priority", "N", KIND_NUMBER, "0 to 1000; 100 unless it has another",
		       false },
		     { "--file", "FILE", KIND_FILE,
		       "the body of PUT /v1/profiles/NAME; - is standard input", false } },
	.run = run_set,
};
const struct cli_command cli_profile_delete = {
	.name = "profile delete",
	.summary = "let the functions of a profile go alone again; they stay where they are",
	.examples = "  fabricctl profile delete web",
	.outputs = "table",
	.operands = { { "PROFILE", KIND_PROFILE, false } },
	.run = run_delete,
};
const struct cli_command cli_profile_assign = {
	.name = "profile assign",
	.summary =
		"give all functions of a profile to a host, with their identities, as one change",
	.examples = "  fabricctl profile assign web bay7 --wait 60",
	.outputs = "table|json",
	.operands = { { "PROFILE", KIND_PROFILE, false }, { "HOST", KIND_HOST, false } },
	.options = { CHANGING },
	.run = run_assign,
};
const struct cli_command cli_profile_move = {
	.name = "profile move",
	.summary = "move all functions of a profile to another host, as one change",
	.detail = "It gathers a profile that was split: what is there already stays.",
	.examples = "  fabricctl profile move web bay9 --dry-run\n"
		    "  fabricctl profile move web bay9 --wait 60",
	.outputs = "table|json",
	.operands = { { "PROFILE", KIND_PROFILE, false }, { "HOST", KIND_HOST, false } },
	.options = { CHANGING },
	.run = run_move,
};
const struct cli_command cli_profile_release = {
	.name = "profile release",
	.summary = "take all functions of a profile back from their host, as one change",
	.examples = "  fabricctl profile release web --wait 60",
	.outputs = "table|json",
	.operands = { { "PROFILE", KIND_PROFILE, false } },
	.options = { CHANGING },
	.run = run_release,
};
