/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP/1.x requests, from bytes to structs: the head, and chunked bodies. No I/O, no allocation.
 *
 * Strict where RFC 9112 lets a server choose: lines end in CRLF, one Host, one Content-Length, no
 * Content-Length beside Transfer-Encoding, no folded lines, no blank before a header's colon.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/result.h"

enum {
	MESSAGE_HEAD_MAX = 16 * 1024,  /* request line and headers */
	MESSAGE_TARGET_MAX = 8 * 1024, /* request target */
	MESSAGE_HEADERS_MAX = 64,
	MESSAGE_BODY_MAX = 1024 * 1024,
};

enum message_method {
	MESSAGE_GET,
	MESSAGE_HEAD,
	MESSAGE_POST,
	MESSAGE_PUT,
	MESSAGE_PATCH,
	MESSAGE_DELETE,
	MESSAGE_OTHER, /* a valid token that is none of these */
	MESSAGE_METHODS,
};
const char *message_method_text(enum message_method method);

/* A part of the head: offset from its first byte. Length 0 and offset 0: it is not there. */
struct message_part {
	uint32_t at;
	uint32_t length;
};

/* The headers that anybody here asks for; all others are checked for their form and forgotten. */
enum message_header {
	MESSAGE_HOST,
	MESSAGE_CONTENT_LENGTH,
	MESSAGE_TRANSFER_ENCODING,
	MESSAGE_CONNECTION,
	MESSAGE_EXPECT,
	MESSAGE_IF_MATCH,
	MESSAGE_IF_NONE_MATCH,
	MESSAGE_IDEMPOTENCY_KEY,
	MESSAGE_LAST_EVENT_ID,
	MESSAGE_KNOWN_HEADERS,
};

struct message_head {
	enum message_method method;
	struct message_part target; /* origin form: "/v1/hosts?limit=2" */
	struct message_part headers[MESSAGE_KNOWN_HEADERS];
	uint32_t length; /* of the head, the empty line included */
	uint32_t body_length;
	bool chunked;
	bool keep_alive;
	bool http10;
	bool expects_continue;
};

/**
 * message_head_parse() - one request's head at the start of @bytes
 * @seen: how many bytes an earlier call has looked at; 0 for a new request. Kept by the caller, so
 *        that bytes that drip in are not searched anew
 * @why:  set on refusal: what is wrong, for people; static
 *
 * Return: 0 and @out; -EAGAIN while bytes are missing; REFUSE_HTTP, REFUSE_TARGET_LONG,
 * REFUSE_HEAD_LARGE, REFUSE_TOO_LARGE, REFUSE_EXPECT, REFUSE_NOT_IMPLEMENTED or
 * REFUSE_HTTP_VERSION. @out->method is valid then too, once the request line could be read.
 */
MUST_USE int message_head_parse(const char *bytes, size_t length, size_t *seen,
				struct message_head *out, const char **why);

/* A chunked body as it arrives; starts as { 0 }. */
struct message_chunks {
	int state;
	uint64_t left;    /* of this chunk */
	uint32_t line;    /* bytes of this line so far */
	uint32_t trailer; /* bytes of the trailer so far */
	bool digit;
};

/**
 * message_chunks_take() - decode what has arrived
 * @used: how many of @length bytes were taken
 * @body: appended to
 *
 * Return: 0 at the end of the body; -EAGAIN while bytes are missing; REFUSE_HTTP or
 * REFUSE_TOO_LARGE, @why set.
 */
MUST_USE int message_chunks_take(struct message_chunks *c, const char *bytes, size_t length,
				 size_t *used, struct buf *body, const char **why);
