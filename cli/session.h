/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every command has: the daemon at the other end, and the way to stdout and stderr. */
#pragma once

#include <stdbool.h>

#include "cli/command.h"
#include "cli/doc.h"
#include "cli/http.h"

struct session {
	struct http *http; /* the session's */
	const char *socket;
	const char *output; /* one of the command's */
	bool color;         /* on stdout */
	bool utf8;          /* the terminal draws lines */
};

bool session_is_json(const struct session *s);

/**
 * session_ask() - one request to the daemon
 *
 * A failure is said on stderr with what to do about it; a refusal's document goes to stdout too
 * under -o json. Return: CLI_DONE with an answer of 2xx, else the exit code.
 */
enum cli_exit session_ask(struct session *s, const struct http_request *request,
			  struct http_answer *answer);
enum cli_exit session_get(struct session *s, const char *target, struct http_answer *answer);
/* session_get() and its document; *@out is the caller's. */
enum cli_exit session_get_doc(struct session *s, const char *target, struct http_answer *answer,
			      doc **out);
/* The document in @answer; says so on stderr where there is none. */
enum cli_exit session_doc(const struct http_answer *answer, doc **out);

/* Called for each page; the items are borrowed. */
typedef enum cli_exit session_page_fn(struct session *s, const doc *items,
				      const struct http_answer *answer, void *arg);

/**
 * session_pages() - a list to its end
 * @target: "/v1/hosts?state=free" or "/v1/hosts"
 * @all:    follow "next"; else the first page alone
 */
enum cli_exit session_pages(struct session *s, const char *target, bool all, session_page_fn *fn,
			    void *arg);

/* All items of a list in one array, the caller's. */
enum cli_exit session_items(struct session *s, const char *target, doc **out);

/* To stdout, as it is. Whether stdout took it is asked once, at the end of the program. */
void session_print(const struct buf *text);
/* The document as it was received; a terminal gets the newline that it may lack. */
void session_print_answer(const struct http_answer *answer);
/* "fabricctl: ..." on stderr. */
void session_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* What http_call() returned for @request, other than 0, in words on stderr: with where to look
 * whether it was taken, if its answer is lost. @request: NULL, it only reads. */
enum cli_exit session_say_unreached(const struct session *s, const struct http_request *request,
				    int error);
/* The problem document of a refusal, in words on stderr. Return: the exit code that fits. */
enum cli_exit session_say_problem(const struct http_answer *answer);
enum cli_exit session_no_memory(void);
