/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/event.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/session.h"
#include "cli/sse.h"
#include "cli/text.h"

enum { RETRY_MS = 250, RETRY_MAX_MS = 5000 };

struct following {
	struct session *s;
	struct sse sse;
	unsigned long left; /* events to print yet; 0: no end */
	bool heard;         /* an event came on this connection */
	bool enough;
	int error; /* that ended the stream from our side */
	bool away; /* and said so */
};

/* Members that stand at the front of the line. */
static const char *const front[] = { "time", "type", "subject", "detail" };

static bool is_front(const char *key)
{
	for (size_t i = 0; i < sizeof(front) / sizeof(*front); i++)
		if (!strcmp(front[i], key))
			return true;
	return !strcmp(key, "id") || !strcmp(key, "n"); /* the number is its place, not its news */
}

static void word_add(struct buf *out, const char *word, enum style style, bool color)
{
	if (!word || !*word)
		return;
	buf_text(out, out->length ? "  " : "");
	text_styled(out, word, style, color);
}

static void member_add(struct buf *out, const char *key, const doc *value)
{
	OWNED(buf_done) struct buf words = { 0 };

	if (!value)
		return;
	buf_printf(&words, "%s ", key);
	doc_words(&words, value);
	word_add(out, words.failed ? NULL : (const char *)words.data, STYLE_PLAIN, false);
}

/* "2026-11-22T01:16:11.123Z  host.fenced  bay3  epoch 4" */
static void event_line(struct buf *out, const struct sse_event *event, const doc *d, bool color)
{
	bool gap = !strcmp(event->type, "gap");
	char *time = doc_words_at(d, "time");
	char *subject = doc_words_at(d, "subject");
	char *detail = doc_words_at(d, "detail");
	const char *type = doc_text(d, "type");

	word_add(out, time, STYLE_DIM, color);
	word_add(out, type ? type : event->type, gap ? STYLE_BAD : STYLE_HEAD, color);
	word_add(out, subject, STYLE_PLAIN, color);
	word_add(out, detail, STYLE_PLAIN, color);
	if (json_object_is_type(d, json_type_object)) {
		json_object_object_foreach(d, key, value)
		{
			if (!is_front(key))
				member_add(out, key, value);
		}
	} else {
		word_add(out, event->data, STYLE_PLAIN, color);
	}
	buf_text(out, "\n");
	free(time);
	free(subject);
	free(detail);
}

/* One event stays on one line, whatever its data held. */
static void event_json(struct buf *out, const char *data)
{
	for (; *data; data++)
		buf_u8(out, *data == '\n' || *data == '\r' ? ' ' : (uint8_t)*data);
	buf_text(out, "\n");
}

static int on_event(const struct sse_event *event, void *arg)
{
	struct following *f = arg;
	OWNED(doc_free) doc *d = doc_parse(event->data, strlen(event->data));
	OWNED(buf_done) struct buf out = { 0 };

	if (session_is_json(f->s))
		event_json(&out, event->data);
	else
		event_line(&out, event, d, f->s->color);
	if (!strcmp(event->type, "gap"))
		session_say("WARNING: events are missing here; read what you follow anew");
	session_print(&out);
	if (fflush(stdout)) /* nobody reads any more */
		return -EPIPE;
	f->heard = true;
	if (f->left && !--f->left)
		f->enough = true;
	return f->enough ? -ECANCELED : 0;
}

static int on_stream(const void *bytes, size_t length, void *arg)
{
	struct following *f = arg;

	if (f->away)
		session_say("fabricd is back");
	f->away = false;
	f->error = sse_feed(&f->sse, bytes, length, on_event, f);
	return f->error;
}

static int connect_once(struct following *f, struct http_answer *answer)
{
	char resume[SSE_ID_MAX + 32];
	const char *headers[] = { "Accept: text/event-stream", NULL, NULL };

	(void)snprintf(resume, sizeof(resume), "Last-Event-ID: %s", f->sse.id);
	if (*f->sse.id)
		headers[1] = resume;
	sse_restart(&f->sse);
	f->heard = false;
	return http_call(f->s->http,
			 &(struct http_request){ .target = "/v1/events",
						 .headers = headers,
						 .timeout_ms = -1,
						 .stream = on_stream,
						 .stream_arg = f },
			 answer);
}

static void say_away(struct following *f, int error)
{
	if (!f->away)
		session_say("the connection to fabricd is lost%s%s; trying again until it is back",
			    error ? ": " : "", error ? strerror(-error) : "");
	f->away = true;
}

static unsigned long pause_ms(const struct following *f, unsigned failures)
{
	unsigned long first = f->sse.retry_ms ? f->sse.retry_ms : RETRY_MS;
	unsigned long wait = failures < 8 ? first << failures : RETRY_MAX_MS;

	return wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS;
}

/* Until there is a reason to end: *@r is then the exit code. Return: true to connect anew. */
static bool goes_on(struct following *f, int error, const struct http_answer *answer, bool first,
		    enum cli_exit *r)
{
	if (f->enough || f->error == -EPIPE)
		return *r = CLI_DONE, false;
	if (f->error) {
		session_say("fabricd sent an event that is too large");
		return *r = CLI_FAILED, false;
	}
	if (error && first)
		return *r = session_say_unreached(f->s, NULL, error), false;
	/* a daemon that is starting answers 503; what else is not 200 will not mend itself */
	if (!error && answer->status != 200 && (first || answer->status != 503))
		return *r = session_say_problem(answer), false;
	say_away(f, error);
	return true;
}

static enum cli_exit follow(struct following *f)
{
	OWNED(http_answer_done) struct http_answer answer = { 0 };
	enum cli_exit r = CLI_DONE;
	unsigned failures = 0;
	bool first = true;

	for (;;) {
		int error = connect_once(f, &answer);
		struct timespec pause;
		unsigned long ms;

		if (!goes_on(f, error, &answer, first, &r))
			return r;
		first = false;
		failures = f->heard ? 0 : failures + 1;
		ms = pause_ms(f, failures);
		pause = (struct timespec){ .tv_sec = (time_t)(ms / 1000),
					   .tv_nsec = (long)(ms % 1000) * 1000000 };
		(void)nanosleep(&pause, NULL); /* a shorter pause does no harm */
	}
}

static enum cli_exit run_follow(struct session *s, const struct cli_call *call)
{
	const char *since = cli_call_option(call, "--since");
	const char *count = cli_call_option(call, "--count");
	struct following f = { .s = s };
	enum cli_exit r;

	if (since && (strlen(since) >= sizeof(f.sse.id) || strpbrk(since, "\r\n"))) {
		session_say("--since takes the id of an event");
		return CLI_USAGE;
	}
	if (count && !cli_number_parse(count, 1, 1000000000, &f.left)) {
		session_say("--count takes a number from 1, not %s", count);
		return CLI_USAGE;
	}
	(void)snprintf(f.sse.id, sizeof(f.sse.id), "%s", since ? since : "");
	r = follow(&f);
	sse_done(&f.sse);
	return r;
}

const struct cli_command cli_event_follow = {
	.name = "event follow",
	.summary = "print what happens in the fabric, as it happens",
	.detail = "One line for each event: time, type, subject, details; under -o json one JSON\n"
		  "document. A connection that is lost is made again, and goes on behind the last\n"
		  "event; where the daemon cannot (it keeps so many), a gap is printed and warned\n"
		  "of. Ends when it is interrupted.",
	.examples = "  fabricctl event follow\n"
		    "  fabricctl event follow --since 3-1200 -o json | jq -c .",
	.outputs = "table|json",
	.options = { { "--since", "ID", KIND_TEXT, "go on behind this event", false },
		     { "--count", "N", KIND_NUMBER, "end after N events", false } },
	.run = run_follow,
};
