/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The HTTP client of the control socket, over libcurl. One connection, kept open between calls. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/own.h"
#include "common/result.h"

enum {
	HTTP_ANSWER_MAX = 512 * 1024 * 1024, /* bytes of one body */
	HTTP_TIMEOUT_MS = 30000,             /* for an answer that nobody has to wait for */
};

struct http;

/* Return: 0; -ENAMETOOLONG for a path that no socket can have; -ENOMEM. */
MUST_USE int http_new(const char *socket, struct http **out);
void http_free(struct http *h);
OWNED_BY(struct http, http_free)

struct http_request {
	const char *method;         /* NULL: GET */
	const char *target;         /* "/v1/hosts?limit=10", encoded */
	const char *body;           /* JSON; NULL: none */
	const char *const *headers; /* further ones, "Name: value"; NULL ends them; may be NULL */
	long timeout_ms;            /* for the whole answer; 0: HTTP_TIMEOUT_MS; -1: none */
	const char *waiting_for;    /* not NULL: after a second, a line on stderr tells of it */
	/* A stream: called with the pieces of a 200's body as they come, in place of storing them.
	 * Another return than 0 ends the call with -ECANCELED. */
	int (*stream)(const void *bytes, size_t length, void *arg);
	void *stream_arg;
};

struct http_answer {
	long status;
	struct buf body;
	char type[64];      /* media type, without its parameters */
	char location[256]; /* "" where there is none */
};

void http_answer_done(struct http_answer *a);
OWNED_BY_VALUE(struct http_answer, http_answer_done)

/**
 * http_call() - send a request, wait for its answer
 * @answer: zeroed, or that of a call before, whose body is dropped; to be done in every case
 *
 * Return: 0 with any status; -ENOENT, -EACCES, -ECONNREFUSED, ... where the daemon was not reached;
 * -ECONNRESET where it was, but its answer was lost; -ETIMEDOUT; -EMSGSIZE; -EPROTO; -ECANCELED.
 */
MUST_USE int http_call(struct http *h, const struct http_request *request,
		       struct http_answer *answer);
