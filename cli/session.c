/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/text.h"
#include "common/url.h"

/* What to do next, by the problem's code. */
static const struct {
	const char *code;
	const char *hint;
} hints[] = {
	{ "no-function", "see 'fabricctl function list'" },
	{ "no-host", "see 'fabricctl host list'" },
	{ "no-adapter", "see 'fabricctl adapter list'" },
	{ "no-change", "see 'fabricctl change list'" },
	{ "no-incident", "see 'fabricctl incident list'" },
	{ "no-record", "only the newest incidents that began while hosts were judged have one" },
	{ "no-vport", "see 'fabricctl host view HOST'" },
	{ "function-bound",
	  "move it with 'fabricctl function move', or, with its profile, 'fabricctl "
	  "profile move'; or release it first" },
	{ "function-free", "assign it with 'fabricctl function assign', or, with its profile, "
			   "'fabricctl profile assign'" },
	{ "function-locked", "see 'fabricctl change list --state running'" },
	{ "function-kept", "give one of its virtual functions instead" },
	{ "function-blocked", "its host must be proved fenced: see 'fabricctl incident list' and "
			      "'fabricctl host fence-confirm --help'" },
	{ "vport-taken", "see 'fabricctl host show HOST', or leave --vport out" },
	{ "host-full", "see 'fabricctl host show HOST'; release a function first" },
	{ "host-locked", "an incident holds it: see 'fabricctl incident list'" },
	{ "host-fenced", "once it is repaired: 'fabricctl host readmit HOST'" },
	{ "no-spare", "make one with 'fabricctl host set HOST --spare on'; it counts once it has "
		      "been alive for some time" },
	{ "reserve", "see 'fabricctl host list --spare true'; make another spare, or lower reserve "
		     "in [failover] of fabricd.conf" },
	{ "not-cancellable", "follow it with 'fabricctl change wait ID'" },
	{ "provider-away", "see 'fabricctl health'; the switch's provider must be running" },
	{ "frozen", "see 'fabricctl health' and the log: journalctl -u fabricd" },
	{ "in-doubt", "try again in a moment" },
	{ "limit", "try again in a moment" },
	{ "adopt-first", "see 'fabricctl adopt --dry-run'" },
	{ "forbidden",
	  "reading needs group fabric-ro, changing fabric-op, administration fabric-admin" },
};

bool session_is_json(const struct session *s)
{
	return !strcmp(s->output, "json");
}

void session_print(const struct buf *text)
{
	if (text->length)
		(void)!fwrite(text->data, 1, text->length,
			      stdout); /* main() asks ferror() at the end */
}

void session_print_answer(const struct http_answer *answer)
{
	size_t length = answer->body.length;

	session_print(&answer->body);
	if (length && answer->body.data[length - 1] != '\n' && isatty(STDOUT_FILENO))
		(void)putchar('\n'); /* as above */
}

void session_say(const char *format, ...)
{
	OWNED(buf_done) struct buf text = { 0 };
	OWNED(buf_done) struct buf clean = { 0 };
	va_list args;

	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	if (text.failed || !text.length)
		return;
	text_clean(&clean, (const char *)text.data);
	(void)fprintf(stderr, "fabricctl: %s\n", /* nowhere else to say it */
		      clean.failed || !clean.length ? "" : (const char *)clean.data);
}

enum cli_exit session_no_memory(void)
{
	session_say("out of memory");
	return CLI_FAILED;
}

/* Where it is seen whether a request was taken: by the begin and the end of its target, the first
 * that fits. What ends with a space goes on with the id that stands between. */
static const struct {
	const char *begin;
	const char *end;
	const char *see;
	const char *and; /* NULL: nowhere else */
} looks[] = {
	{ "/v1/hosts/", "/drill", "host show ", "incident list --host " },
	{ "/v1/hosts/", "/failover", "incident list --host ", NULL },
	{ "/v1/hosts/", "/fence-confirm", "incident list --host ", NULL },
	{ "/v1/hosts/", "/drain", "change list", NULL },
	{ "/v1/hosts/", "/maintenance", "host show ", NULL },
	{ "/v1/hosts/", "/readmit", "host show ", NULL },
	{ "/v1/hosts/", "/enroll", "audit list --last 10", NULL },
	{ "/v1/hosts/", "", "host show ", NULL },
	{ "/v1/profiles/", "/assign", "change list", NULL },
	{ "/v1/profiles/", "/move", "change list", NULL },
	{ "/v1/profiles/", "/release", "change list", NULL },
	{ "/v1/profiles/", "", "profile show ", NULL },
	{ "/v1/changes", "", "change list", NULL },
	{ "/v1/adopt", "", "health", NULL },
};

static void look_put(struct buf *out, const char *see, const char *id, size_t length)
{
	buf_text(out, "'fabricctl ");
	buf_text(out, see);
	if (see[strlen(see) - 1] == ' ')
		buf_bytes(out, id, length);
	buf_text(out, "'");
}

/* Nothing for what only reads. */
static void looks_put(struct buf *out, const struct http_request *request)
{
	bool writes = request && request->method;
	size_t length = writes ? strcspn(request->target, "?") : 0;

	for (size_t i = 0; writes && i < sizeof(looks) / sizeof(*looks); i++) {
		size_t before = strlen(looks[i].begin);
		size_t behind = strlen(looks[i].end);
		const char *id = request->target + before;

		if (length < before + behind ||
		    strncmp(request->target, looks[i].begin, before) != 0 ||
		    strncmp(request->target + length - behind, looks[i].end, behind) != 0)
			continue;
		look_put(out, looks[i].see, id, length - before - behind);
		if (looks[i].and) {
			buf_text(out, " and ");
			look_put(out, looks[i].and, id, length - before - behind);
		}
		return;
	}
}

static enum cli_exit say_lost(const struct session *s, const struct http_request *request,
			      int error)
{
	OWNED(buf_done) struct buf see = { 0 };
	bool is_lost = error == -ECONNRESET;

	looks_put(&see, request);
	if (see.failed)
		return session_no_memory();
	session_say(is_lost ? "the connection to fabricd at %s was lost before its answer came%s%s"
			    : "fabricd at %s does not answer in time; is it busy or stopped? "
			      "(systemctl status fabricd)%s%s",
		    s->socket,
		    see.length ? "; what was asked for may have been taken: see "
		    : is_lost  ? "; ask again"
			       : "",
		    see.length ? (const char *)see.data : "");
	return is_lost ? CLI_FAILED : CLI_UNREACHED;
}

enum cli_exit session_say_unreached(const struct session *s, const struct http_request *request,
				    int error)
{
	switch (error) {
	case -EACCES:
	case -EPERM:
		session_say("cannot reach fabricd at %s: %s; you need to be root or in one of the "
			    "groups fabric-ro, fabric-op, fabric-admin",
			    s->socket, strerror(-error));
		return CLI_UNREACHED;
	case -ECONNRESET:
	case -ETIMEDOUT:
		return say_lost(s, request, error);
	case -EMSGSIZE:
		session_say("the answer of fabricd at %s is too large", s->socket);
		return CLI_FAILED;
	case -EPROTO:
		session_say("what answers at %s does not speak HTTP as fabricd does", s->socket);
		return CLI_FAILED;
	case -ENOMEM:
		return session_no_memory();
	default:
		session_say("cannot reach fabricd at %s: %s; is it running? (systemctl status "
			    "fabricd, or --socket)",
			    s->socket, strerror(-error));
		return CLI_UNREACHED;
	}
}

static const char *hint_find(const char *code)
{
	for (size_t i = 0; code && i < sizeof(hints) / sizeof(*hints); i++)
		if (!strcmp(hints[i].code, code))
			return hints[i].hint;
	return NULL;
}

static enum cli_exit exit_of(long status, const char *code)
{
	if (code && !strcmp(code, "provider-away"))
		return CLI_UNREACHED;
	if (code && (!strcmp(code, "frozen") || !strcmp(code, "limit")))
		return CLI_REFUSED;
	return status >= 400 && status < 500 ? CLI_REFUSED : CLI_FAILED;
}

static void say_errors(const doc *problem)
{
	const doc *errors = doc_array(problem, "errors");

	for (size_t i = 0; i < doc_count(errors); i++) {
		const char *path = doc_text(doc_at(errors, i), "path");
		const char *reason = doc_text(doc_at(errors, i), "reason");

		session_say("  %s: %s", path && *path ? path : "/", reason ? reason : "bad");
	}
}

/* The detail, unless one of the errors says the same. */
static const char *detail_of(const doc *problem)
{
	const char *detail = doc_text(problem, "detail");
	const doc *errors = doc_array(problem, "errors");

	for (size_t i = 0; detail && i < doc_count(errors); i++) {
		const char *reason = doc_text(doc_at(errors, i), "reason");

		if (reason && !strcmp(reason, detail))
			return NULL;
	}
	return detail;
}

enum cli_exit session_say_problem(const struct http_answer *answer)
{
	OWNED(doc_free) doc *problem = doc_parse(answer->body.data, answer->body.length);
	const char *title = doc_text(problem, "title");
	const char *detail = detail_of(problem);
	const char *code = doc_text(problem, "code");
	const char *hint = hint_find(code);

	if (!title && !detail)
		session_say("fabricd answered %ld, without a reason", answer->status);
	else if (title && detail && strcmp(title, detail))
		session_say("%s: %s", title, detail);
	else
		session_say("%s", title ? title : detail);
	say_errors(problem);
	if (hint)
		session_say("hint: %s", hint);
	return exit_of(answer->status, code);
}

enum cli_exit session_ask(struct session *s, const struct http_request *request,
			  struct http_answer *answer)
{
	int r = http_call(s->http, request, answer);

	if (r)
		return session_say_unreached(s, request, r);
	if (answer->status >= 200 && answer->status < 300)
		return CLI_DONE;
	if (session_is_json(s))
		session_print_answer(answer);
	return session_say_problem(answer);
}

enum cli_exit session_get(struct session *s, const char *target, struct http_answer *answer)
{
	return session_ask(s, &(struct http_request){ .target = target }, answer);
}

enum cli_exit session_doc(const struct http_answer *answer, doc **out)
{
	doc *d = doc_parse(answer->body.data, answer->body.length);

	if (!d) {
		session_say("fabricd's answer is not JSON");
		return CLI_FAILED;
	}
	*out = d;
	return CLI_DONE;
}

enum cli_exit session_get_doc(struct session *s, const char *target, struct http_answer *answer,
			      doc **out)
{
	enum cli_exit r = session_get(s, target, answer);

	return r ? r : session_doc(answer, out);
}

/* One page. *@next gets the cursor behind it, the caller's; NULL at the end. */
static enum cli_exit page_get(struct session *s, const char *target, session_page_fn *fn, void *arg,
			      char **next)
{
	OWNED(http_answer_done) struct http_answer answer = { 0 };
	OWNED(doc_free) doc *page = NULL;
	const doc *items;
	enum cli_exit r = session_get_doc(s, target, &answer, &page);

	if (r)
		return r;
	items = doc_array(page, "items");
	if (!items) {
		session_say("fabricd's answer is no list");
		return CLI_FAILED;
	}
	r = fn(s, items, &answer, arg);
	if (r)
		return r;
	if (doc_text(page, "next") && !(*next = strdup(doc_text(page, "next"))))
		return session_no_memory();
	return CLI_DONE;
}

enum cli_exit session_pages(struct session *s, const char *target, bool all, session_page_fn *fn,
			    void *arg)
{
	char *cursor = NULL;
	enum cli_exit r;

	do {
		OWNED(buf_done) struct buf url = { 0 };
		char *next = NULL;

		buf_text(&url, target);
		if (cursor) {
			buf_text(&url, strchr(target, '?') ? "&cursor=" : "?cursor=");
			url_query(&url, cursor);
		}
		r = url.failed ? session_no_memory()
			       : page_get(s, (const char *)url.data, fn, arg, &next);
		if (!r && next && cursor && !strcmp(next, cursor)) {
			session_say("fabricd's list goes round in a circle");
			r = CLI_FAILED;
		}
		free(cursor);
		cursor = next;
	} while (!r && cursor && all);
	free(cursor);
	return r;
}

static enum cli_exit items_take(struct session *s, const doc *items,
				const struct http_answer *answer, void *arg)
{
	doc *all = arg;

	(void)s;
	(void)answer;
	for (size_t i = 0; i < doc_count(items); i++)
		if (json_object_array_add(all, json_object_get(doc_at(items, i))))
			return session_no_memory();
	return CLI_DONE;
}

enum cli_exit session_items(struct session *s, const char *target, doc **out)
{
	OWNED(doc_free) doc *all = json_object_new_array();
	enum cli_exit r;

	if (!all)
		return session_no_memory();
	r = session_pages(s, target, true, items_take, all);
	if (r)
		return r;
	*out = TAKE(all);
	return CLI_DONE;
}
