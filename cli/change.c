/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/change.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "cli/show.h"
#include "common/clock.h"
#include "common/url.h"

enum {
	WAIT_MAX_S = 86400,
	WAIT_SLICE_S = 30, /* asked for in one request */
	ANSWER_SLACK_MS = 10000,
	RETRY_MS = 250,
	OUTAGE_MS = 60000, /* how long a daemon may be away while its change is followed */
	BODY_MAX = 1024 * 1024,
};

enum cli_exit change_exit(const char *state)
{
	if (state && !strcmp(state, "done"))
		return CLI_DONE;
	if (state && !strcmp(state, "refused"))
		return CLI_REFUSED;
	return CLI_FAILED;
}

static bool is_running(const doc *change)
{
	const char *state = doc_text(change, "state");

	return state && !strcmp(state, "running");
}

static void sleep_ms(long ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	(void)nanosleep(&t, NULL); /* a shorter sleep does no harm */
}

/* ---- printing ---- */

/* Where a failover would go to, or why it could not. */
static void print_plan_reason(struct buf *out, const doc *d)
{
	const char *target = doc_text(d, "target");
	const char *detail = doc_text(d, "detail");

	if (target) {
		buf_text(out, "target: ");
		text_clean(out, target);
		buf_text(out, "\n");
	}
	if (detail) {
		text_clean(out, detail);
		buf_text(out, "\n");
	}
}

void change_print_plan(struct session *s, const doc *d)
{
	OWNED(buf_done) struct buf out = { 0 };
	const doc *plan = doc_array(d, "plan");

	if (!plan) {
		show_object(&out, d, s->color);
	} else {
		print_plan_reason(&out, d);
		buf_text(&out, doc_count(plan) ? "nothing was changed; this would be done:\n"
					       : "nothing was changed; there is nothing to do\n");
		show_plan(&out, plan);
	}
	session_print(&out);
}

/* "change 17: done", and a line for each operation. */
static void print_outcome(struct session *s, const doc *change)
{
	OWNED(buf_done) struct buf out = { 0 };
	char *id = doc_words_at(change, "id");
	const char *state = doc_text(change, "state");
	char *reason = doc_words_at(change, "reason");

	buf_text(&out, "change ");
	text_clean(&out, id ? id : "?");
	buf_text(&out, ": ");
	text_styled(&out, state ? state : "?", text_state_style(state ? state : ""), s->color);
	if (reason) {
		buf_text(&out, ", ");
		text_clean(&out, reason);
	}
	buf_text(&out, "\n");
	if (doc_count(doc_array(change, "operations")))
		show_array(&out, show_operation_columns, doc_array(change, "operations"), 2,
			   s->color);
	session_print(&out);
	free(id);
	free(reason);
}

/* The end of a command that had a change to wait for, or had none. */
static enum cli_exit conclude(struct session *s, const struct http_answer *answer, doc *change,
			      bool waited)
{
	char *id = doc_words_at(change, "id");
	enum cli_exit r = CLI_DONE;

	if (session_is_json(s))
		session_print_answer(answer);
	else if (waited || !is_running(change))
		print_outcome(s, change);
	else
		(void)printf("change %s is accepted; follow it with: fabricctl change wait %s\n",
			     id ? id : "?", id ? id : "?");
	if (is_running(change)) {
		r = waited ? CLI_FAILED : CLI_DONE;
		if (waited)
			session_say("change %s is still running; go on with: fabricctl change wait "
				    "%s",
				    id ? id : "?", id ? id : "?");
	} else {
		r = change_exit(doc_text(change, "state"));
	}
	free(id);
	return r;
}

/* ---- following ---- */

struct follow {
	char *id;
	uint64_t until_ms; /* 0: as long as it takes */
	uint64_t heard_ms; /* the daemon's latest answer */
};

static uint64_t seconds_left(const struct follow *f)
{
	uint64_t now = clock_boot_ms();
	uint64_t left;

	if (!f->until_ms)
		return WAIT_SLICE_S;
	left = f->until_ms > now ? (f->until_ms - now + 999) / 1000 : 0;
	return left < WAIT_SLICE_S ? left : WAIT_SLICE_S;
}

/* One long poll. *@change is replaced when there is an answer. */
static int poll_once(struct session *s, struct follow *f, struct http_answer *answer)
{
	OWNED(buf_done) struct buf url = { 0 };
	OWNED(buf_done) struct buf subject = { 0 };
	uint64_t wait_s = seconds_left(f);

	buf_text(&url, "/v1/changes/");
	url_path(&url, f->id);
	buf_printf(&url, "?wait=%" PRIu64, wait_s);
	buf_printf(&subject, "change %s", f->id);
	if (url.failed || subject.failed)
		return -ENOMEM;
	return http_call(
		s->http,
		&(struct http_request){ .target = (const char *)url.data,
					.timeout_ms = (long)wait_s * 1000 + ANSWER_SLACK_MS,
					.waiting_for = (const char *)subject.data },
		answer);
}

/* The daemon may be restarted while its change is followed: the change lives on in its journal. */
static bool may_return(const struct follow *f, int error)
{
	bool away = error == -ECONNREFUSED || error == -ENOENT || error == -ECONNRESET;

	return away && f->heard_ms && clock_boot_ms() - f->heard_ms < OUTAGE_MS &&
	       (!f->until_ms || clock_boot_ms() < f->until_ms);
}

/* Until the change has ended or the time is over; *@change and @answer get its latest document. */
static enum cli_exit follow(struct session *s, struct follow *f, struct http_answer *answer,
			    doc **change)
{
	for (;;) {
		uint64_t asked_ms = clock_boot_ms();
		int r = poll_once(s, f, answer);
		enum cli_exit e;

		if (r && !may_return(f, r))
			return session_say_unreached(s, NULL, r);
		if (r) {
			sleep_ms(RETRY_MS);
			continue;
		}
		if (answer->status == 503 && f->heard_ms && may_return(f, -ECONNREFUSED)) {
			sleep_ms(RETRY_MS); /* it is starting */
			continue;
		}
		if (answer->status != 200) {
			if (session_is_json(s))
				session_print_answer(answer);
			return session_say_problem(answer);
		}
		f->heard_ms = clock_boot_ms();
		doc_free(TAKE(*change));
		e = session_doc(answer, change);
		if (e || !is_running(*change) || (f->until_ms && f->heard_ms >= f->until_ms))
			return e;
		if (f->heard_ms - asked_ms < RETRY_MS)
			sleep_ms(RETRY_MS); /* a daemon that does not wait is not pressed */
	}
}

/* ---- sending ---- */

static enum cli_exit wait_parse(const char *name, const char *text, unsigned long *seconds)
{
	if (!text || cli_number_parse(text, 0, WAIT_MAX_S, seconds))
		return CLI_DONE;
	session_say("%s takes 0 to %d seconds, not %s", name, WAIT_MAX_S, text);
	return CLI_USAGE;
}

/* A random key: with it, asking again cannot make a second change of one. */
static void key_make(char out[static 64])
{
	uint8_t random[16] = { 0 };
	size_t used = (size_t)snprintf(out, 64, "Idempotency-Key: ");

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
		uint64_t now = clock_wall_ms(); /* still a key that nobody else has used */

		memcpy(random, &now, sizeof(now));
	}
	for (size_t i = 0; i < sizeof(random); i++)
		used += (size_t)snprintf(out + used, 64 - used, "%02x", random[i]);
}

static int post_once(struct session *s, const char *path, const char *body, unsigned long wait_s,
		     const char *const *headers, struct http_answer *answer)
{
	OWNED(buf_done) struct buf target = { 0 };

	if (wait_s > WAIT_SLICE_S) /* the rest is waited for by follow() */
		wait_s = WAIT_SLICE_S;
	buf_text(&target, path);
	if (wait_s)
		buf_printf(&target, "?wait=%lu", wait_s);
	if (target.failed)
		return -ENOMEM;
	return http_call(
		s->http,
		&(struct http_request){ .method = "POST",
					.target = (const char *)target.data,
					.body = body,
					.headers = headers,
					.timeout_ms = (long)wait_s * 1000 + HTTP_TIMEOUT_MS,
					.waiting_for = "the change" },
		answer);
}

/* An answer that was lost is asked for again under the same key, for some seconds. */
static int post(struct session *s, const char *path, const char *body, unsigned long wait_s,
		struct http_answer *answer)
{
	uint64_t until_ms = clock_boot_ms() + wait_s * 1000 + ANSWER_SLACK_MS;
	char key[64];
	const char *const headers[] = { key, NULL };
	bool lost = false;

	key_make(key);
	for (;;) {
		int r = post_once(s, path, body, wait_s, headers, answer);

		if (r == -ECONNRESET)
			lost = true;
		if (!r || !lost || clock_boot_ms() >= until_ms ||
		    (r != -ECONNRESET && r != -ECONNREFUSED && r != -ENOENT))
			return r && lost ? -ECONNRESET : r;
		sleep_ms(RETRY_MS);
	}
}

/* Sends @body; prints what became of it. */
enum cli_exit change_send(struct session *s, const struct cli_call *call, const char *path,
			  const char *body, bool dry_run)
{
	const char *wait = cli_call_option(call, "--wait");
	OWNED(http_answer_done) struct http_answer answer = { 0 };
	OWNED(doc_free) doc *change = NULL;
	struct follow f = { 0 };
	unsigned long wait_s = 0;
	enum cli_exit r = wait_parse("--wait", wait, &wait_s);
	int error;

	if (r)
		return r;
	f.until_ms = clock_boot_ms() + wait_s * 1000;
	error = post(s, path, body, dry_run ? 0 : wait_s, &answer);
	if (error)
		return session_say_unreached(
			s, &(struct http_request){ .method = "POST", .target = path }, error);
	if (answer.status < 200 || answer.status > 299) {
		if (session_is_json(s))
			session_print_answer(&answer);
		return session_say_problem(&answer);
	}
	r = session_doc(&answer, &change);
	if (r)
		return r;
	if (dry_run || doc_array(change, "plan")) { /* or there is nothing to do */
		if (session_is_json(s))
			session_print_answer(&answer);
		else
			change_print_plan(s, change);
		return CLI_DONE;
	}
	if (wait_s && is_running(change)) {
		f.id = doc_words_at(change, "id");
		f.heard_ms = clock_boot_ms();
		r = f.id ? follow(s, &f, &answer, &change) : CLI_FAILED;
		free(f.id);
		if (r)
			return r;
	}
	return conclude(s, &answer, change, wait_s != 0);
}

static bool add(doc *object, const char *key, doc *value)
{
	return value && !json_object_object_add(object, key, value);
}

static bool add_text(doc *object, const char *key, const char *text)
{
	return !text || add(object, key, json_object_new_string(text));
}

/* --name NUMBER as a member of that name. Return: CLI_DONE too when it was not given. */
static enum cli_exit add_number(doc *object, const struct cli_call *call, const char *option)
{
	const char *text = cli_call_option(call, option);
	unsigned long value = 0;

	if (!text)
		return CLI_DONE;
	if (!cli_number_parse(text, 0, UINT16_MAX, &value)) {
		session_say("%s takes a number from 0 to %d, not %s", option, UINT16_MAX, text);
		return CLI_USAGE;
	}
	return add(object, option + 2, json_object_new_int64((int64_t)value)) ? CLI_DONE
									      : session_no_memory();
}

/* No identity option, no identity: the adapter's own, or its profile's, stays. */
static enum cli_exit add_identity(doc *operation, const struct cli_call *call)
{
	OWNED(doc_free) doc *identity = json_object_new_object();
	enum cli_exit r;

	if (!identity)
		return session_no_memory();
	r = add_number(identity, call, "--vlan");
	if (r)
		return r;
	if (!add_text(identity, "mac", cli_call_option(call, "--mac")) ||
	    !add_text(identity, "wwpn", cli_call_option(call, "--wwpn")) ||
	    !add_text(identity, "wwnn", cli_call_option(call, "--wwnn")))
		return session_no_memory();
	if (!json_object_object_length(identity))
		return CLI_DONE;
	return add(operation, "identity", TAKE(identity)) ? CLI_DONE : session_no_memory();
}

static enum cli_exit operation_make(const struct cli_call *call, const char *op, doc **out)
{
	OWNED(doc_free) doc *operation = json_object_new_object();
	enum cli_exit r;

	if (!operation || !add_text(operation, "op", op) ||
	    !add_text(operation, "function", call->operands[0]) ||
	    !add_text(operation, "host", call->operands[1]))
		return session_no_memory();
	r = add_number(operation, call, "--vport");
	if (!r)
		r = add_identity(operation, call);
	if (!r)
		*out = TAKE(operation);
	return r;
}

static enum cli_exit run_operation(struct session *s, const struct cli_call *call, const char *op)
{
	OWNED(doc_free) doc *body = json_object_new_object();
	OWNED(doc_free) doc *operation = NULL;
	bool dry_run = cli_call_option(call, "--dry-run") != NULL;
	enum cli_exit r = operation_make(call, op, &operation);
	doc *operations;

	if (r)
		return r;
	operations = json_object_new_array();
	if (!body || !add(body, "operations", operations) ||
	    json_object_array_add(operations, TAKE(operation)) ||
	    (dry_run && !add(body, "dry_run", json_object_new_boolean(true))))
		return session_no_memory();
	return change_send(s, call, "/v1/changes",
			   json_object_to_json_string_ext(
				   body, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
			   dry_run);
}

static enum cli_exit run_assign(struct session *s, const struct cli_call *call)
{
	return run_operation(s, call, "assign");
}

static enum cli_exit run_release(struct session *s, const struct cli_call *call)
{
	return run_operation(s, call, "release");
}

static enum cli_exit run_move(struct session *s, const struct cli_call *call)
{
	return run_operation(s, call, "move");
}

enum cli_exit change_body_read(const char *path, struct buf *out)
{
	FILE *file = strcmp(path, "-") ? fopen(path, "re") : stdin;
	uint8_t piece[4096];
	size_t got;
	bool bad;

	if (!file) {
		session_say("%s: %s", path, strerror(errno));
		return CLI_REFUSED;
	}
	while ((got = fread(piece, 1, sizeof(piece), file)) && out->length <= BODY_MAX)
		buf_bytes(out, piece, got);
	bad = ferror(file);
	if (file != stdin)
		(void)fclose(file); /* was only read */
	if (out->failed)
		return session_no_memory();
	if (bad || !out->length || out->length > BODY_MAX || memchr(out->data, 0, out->length)) {
		session_say("%s: %s", path,
			    bad            ? "cannot be read"
			    : !out->length ? "is empty"
					   : "is larger than 1 MiB, or holds NUL bytes");
		return CLI_REFUSED;
	}
	return CLI_DONE;
}

static enum cli_exit run_submit(struct session *s, const struct cli_call *call)
{
	OWNED(buf_done) struct buf body = { 0 };
	OWNED(doc_free) doc *d = NULL;
	enum cli_exit r = change_body_read(call->operands[0], &body);

	if (r)
		return r;
	d = doc_parse(body.data, body.length); /* the daemon judges; this only asks for dry_run */
	return change_send(s, call, "/v1/changes", (const char *)body.data,
			   doc_is_true(d, "dry_run"));
}

/* ---- those that exist ---- */

static enum cli_exit run_wait(struct session *s, const struct cli_call *call)
{
	const char *timeout = cli_call_option(call, "--timeout");
	OWNED(http_answer_done) struct http_answer answer = { 0 };
	OWNED(doc_free) doc *change = NULL;
	struct follow f = { 0 };
	unsigned long seconds = 0;
	enum cli_exit r = wait_parse("--timeout", timeout, &seconds);

	if (r)
		return r;
	if (timeout)
		f.until_ms = clock_boot_ms() + seconds * 1000;
	f.id = strdup(call->operands[0]);
	r = f.id ? follow(s, &f, &answer, &change) : session_no_memory();
	free(f.id);
	return r ? r : conclude(s, &answer, change, true);
}

static enum cli_exit run_cancel(struct session *s, const struct cli_call *call)
{
	OWNED(http_answer_done) struct http_answer answer = { 0 };
	OWNED(buf_done) struct buf url = { 0 };
	enum cli_exit r;

	buf_text(&url, "/v1/changes/");
	url_path(&url, call->operands[0]);
	if (url.failed)
		return session_no_memory();
	r = session_ask(
		s, &(struct http_request){ .method = "DELETE", .target = (const char *)url.data },
		&answer);
	if (r)
		return r;
	if (session_is_json(s))
		session_print_answer(&answer);
	else
		(void)printf("change %s is cancelled\n", call->operands[0]);
	return CLI_DONE;
}

#define WAITING                                                                                \
	{                                                                                      \
		"--wait", "SECONDS", KIND_NUMBER, "wait for its end, and say what came of it", \
			false                                                                  \
	}
#define CHANGING                                                                               \
	{ "--dry-run", NULL, KIND_TEXT, "only say, step by step, what would be done", false }, \
		WAITING
#define IDENTITY                                                                           \
	{ "--mac", "M", KIND_TEXT, "MAC address, 02:fa:b0:00:00:01", false },              \
		{ "--vlan", "V", KIND_NUMBER, "VLAN, 1 to 4094", false },                  \
		{ "--wwpn", "W", KIND_TEXT, "port name, 50:01:43:80:00:00:00:01", false }, \
	{                                                                                  \
		"--wwnn", "W", KIND_TEXT, "node name", false                               \
	}
#define ENDS                                                                                 \
	"Without --wait it returns as soon as the change is durable. With it, exit code 0\n" \
	"means done and read back at the switch; 4 that the change was parked, failed,\n"    \
	"was cancelled, or is still running when the time is over (it goes on then)."

const struct cli_command cli_function_assign = {
	.name = "function assign",
	.summary = "give a free function to a host",
	.detail = "The identity is set before the host can see the function. Without one, none "
		  "is sent.\n" ENDS,
	.examples = "  fabricctl function assign nic-3fa2/pf0/vf3 bay7\n"
		    "  fabricctl function assign nic-3fa2/pf0/vf3 bay7 --vport 2 --mac "
		    "02:fa:b0:00:00:01 --wait 10\n"
		    "  fabricctl function assign fc-77/pf0/vf1 bay7 --wwpn "
		    "50:01:43:80:00:00:00:01 --dry-run",
	.outputs = "table|json",
	.operands = { { "FUNCTION", KIND_FUNCTION, false }, { "HOST", KIND_HOST, false } },
	.options = { { "--vport", "N", KIND_NUMBER, "this vport; the first free one unless given",
		       false },
		     IDENTITY,
		     CHANGING },
	.run = run_assign,
};
const struct cli_command cli_function_release = {
	.name = "function release",
	.summary = "take a function back from its host",
	.detail = ENDS,
	.examples = "  fabricctl function release nic-3fa2/pf0/vf3 --wait 10",
	.outputs = "table|json",
	.operands = { { "FUNCTION", KIND_FUNCTION, false } },
	.options = { CHANGING },
	.run = run_release,
};
const struct cli_command cli_function_move = {
	.name = "function move",
	.summary = "take a function from its host and give it to another, with its identity",
	.detail = ENDS,
	.examples = "  fabricctl function move nic-3fa2/pf0/vf3 bay9 --dry-run\n"
		    "  fabricctl function move nic-3fa2/pf0/vf3 bay9 --wait 10",
	.outputs = "table|json",
	.operands = { { "FUNCTION", KIND_FUNCTION, false }, { "HOST", KIND_HOST, false } },
	.options = { { "--vport", "N", KIND_NUMBER, "this vport; the first free one unless given",
		       false },
		     CHANGING },
	.run = run_move,
};
const struct cli_command cli_change_submit = {
	.name = "change submit",
	.summary = "send a change of many operations, as JSON",
	.detail = "FILE holds the body of POST /v1/changes; - is standard input.\n" ENDS,
	.examples = "  echo '{\"operations\":[{\"op\":\"release\",\"function\":\"nvme-1\"},"
		    "{\"op\":\"assign\",\n"
		    "    \"function\":\"nvme-2\",\"host\":\"bay7\"}]}' | fabricctl change submit - "
		    "--wait 10",
	.outputs = "table|json",
	.operands = { { "FILE", KIND_FILE, false } },
	.options = { WAITING },
	.run = run_submit,
};
const struct cli_command cli_change_wait = {
	.name = "change wait",
	.summary = "wait until a change has ended, and say what came of it",
	.detail = "A daemon that is restarted meanwhile goes on with the change, and this with "
		  "waiting.\nExit code 0: done. 1: refused. 4: parked, failed, cancelled, or "
		  "still running when\nthe time is over.",
	.examples = "  fabricctl change wait 17\n  fabricctl change wait 17 --timeout 30 -o json",
	.outputs = "table|json",
	.operands = { { "ID", KIND_CHANGE, false } },
	.options = { { "--timeout", "SECONDS", KIND_NUMBER, "not longer than this", false } },
	.run = run_wait,
};
const struct cli_command cli_change_cancel = {
	.name = "change cancel",
	.summary = "cancel a change that has had no effect yet",
	.examples = "  fabricctl change cancel 17",
	.outputs = "table|json",
	.operands = { { "ID", KIND_CHANGE, false } },
	.run = run_cancel,
};
