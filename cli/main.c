/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fabricctl: the command line of the fabric. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/complete.h"
#include "cli/session.h"
#include "cli/text.h"

enum { DEFAULT_MAX = 16, COMPLETE_MS = 1500 };

static const char *socket_path(const char *given)
{
	const char *environment = getenv("FABRIC_SOCKET");

	if (given)
		return given;
	return environment && *environment ? environment : "/run/fabricd/fabricd.sock";
}

static bool wants_color(bool refused)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return !refused && (!no_color || !*no_color) && isatty(STDOUT_FILENO) &&
	       (!term || strcmp(term, "dumb"));
}

/* The last thing that is done: what stdout did not take is not done. */
static int leave(enum cli_exit r)
{
	if (fflush(stdout) || ferror(stdout)) {
		session_say("standard output: %s", strerror(errno ? errno : EIO));
		return r ? (int)r : CLI_FAILED;
	}
	return (int)r;
}

static enum cli_exit print_help(const struct cli_call *call)
{
	OWNED(buf_done) struct buf out = { 0 };

	if (call->version)
		buf_text(&out, "fabricctl " FABRIC_VERSION "\n");
	else if (call->command)
		cli_help_command(&out, call->command);
	else if (call->group)
		cli_help_group(&out, call->group);
	else
		cli_help_program(&out);
	if (out.failed)
		return session_no_memory();
	session_print(&out);
	return CLI_DONE;
}

static enum cli_exit print_usage(const struct cli_call *call, const struct buf *error)
{
	session_say("%s", error->failed || !error->length ? "usage" : (const char *)error->data);
	if (call->command)
		session_say("see 'fabricctl %s --help'", call->command->name);
	else if (call->group)
		session_say("see 'fabricctl %s --help'", call->group);
	else
		session_say("see 'fabricctl --help'");
	return CLI_USAGE;
}

static enum cli_exit run(const struct cli_call *call, bool utf8)
{
	OWNED(http_free) struct http *http = NULL;
	char first[DEFAULT_MAX];
	struct session s = { .socket = socket_path(call->socket),
			     .output = call->output,
			     .color = wants_color(call->no_color),
			     .utf8 = utf8 };
	int r = http_new(s.socket, &http);

	if (r == -ENAMETOOLONG) {
		session_say("the path of the socket is too long: %s", s.socket);
		return CLI_REFUSED;
	}
	if (r)
		return session_no_memory();
	s.http = http;
	(void)snprintf(first, sizeof(first), "%.*s", (int)strcspn(call->command->outputs, "|"),
		       call->command->outputs);
	if (!s.output)
		s.output = first;
	return call->command->run(&s, call);
}

/* Ids from the daemon, if it is there; a shell waits for this, and wants no complaint. */
static void complete_ids(const struct complete *c, struct buf *out)
{
	OWNED(http_free) struct http *http = NULL;
	OWNED(http_answer_done) struct http_answer answer = { 0 };
	OWNED(doc_free) doc *page = NULL;
	const char *path = c->is_value ? complete_path(c->kind) : NULL;
	char target[64];

	if (!path || http_new(socket_path(c->socket), &http))
		return;
	(void)snprintf(target, sizeof(target), "%s?limit=1000", path);
	if (http_call(http, &(struct http_request){ .target = target, .timeout_ms = COMPLETE_MS },
		      &answer))
		return;
	page = doc_parse(answer.body.data, answer.body.length);
	for (size_t i = 0; i < doc_count(doc_array(page, "items")); i++) {
		char *id = doc_words_at(doc_at(doc_array(page, "items"), i), "id");

		if (id && !strncmp(id, c->begun, strlen(c->begun))) {
			text_clean(out, id);
			buf_text(out, "\n");
		}
		free(id);
	}
}

/* "fabricctl __complete WORD... BEGUN": for the completion files. */
static enum cli_exit complete(size_t count, const char *const *words)
{
	OWNED(buf_done) struct buf out = { 0 };
	struct complete c;

	complete_words(count, words, &c, &out);
	complete_ids(&c, &out);
	if (out.failed)
		return CLI_FAILED;
	session_print(&out);
	return CLI_DONE;
}

int main(int argc, char **argv)
{
	const char *const *words = (const char *const *)argv + 1;
	size_t count = argc > 0 ? (size_t)argc - 1 : 0;
	OWNED(buf_done) struct buf error = { 0 };
	bool utf8 = text_setup();
	struct cli_call call;

	if (count && !strcmp(words[0], "__complete"))
		return leave(complete(count - 1, words + 1));
	if (!count) {
		OWNED(buf_done) struct buf help = { 0 };

		cli_help_program(&help);
		(void)!fwrite(help.data, 1, help.length, stderr); /* nowhere else to say it */
		return CLI_USAGE;
	}
	if (cli_parse(count, words, &call, &error))
		return leave(print_usage(&call, &error));
	if (call.help || call.version)
		return leave(print_help(&call));
	return leave(run(&call, utf8));
}
