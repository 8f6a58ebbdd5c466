/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The HTTP/1.1 messages of beats and views: the requests, and the daemon's answer. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/result.h"

enum {
	ANSWER_HEAD_MAX = 8 * 1024,
	ANSWER_BODY_MAX = 64 * 1024,
};

struct answer {
	unsigned status;     /* 200 .. 599 */
	const uint8_t *body; /* borrowed from the bytes that were parsed */
	size_t body_length;
	size_t length; /* of the whole message; what follows is the next one's */
	bool close;    /* the daemon closes the connection behind it */
};

/**
 * answer_request_format() - one beat as a PUT request
 * @out:     appended to
 * @host:    id of the host; may hold slashes
 * @boot_id: the kernel's, as text
 * @seq:     larger than that of every beat before under the same boot id
 */
void answer_request_format(struct buf *out, const char *host, const char *boot_id, uint64_t seq);

/* A line as a PUT request; @verb: "seen" for one of that type, "says" for the others. */
void answer_line_format(struct buf *out, const char *host, const char *verb, const void *body,
			size_t length);

/**
 * answer_parse() - find one whole answer at the start of @bytes
 *
 * A chunked body is not read: such an answer counts as one without a body that closes.
 * Return: 0 and @answer; -EAGAIN while bytes are missing; -EBADMSG for what is not HTTP/1.x;
 * -EMSGSIZE above the limits.
 */
MUST_USE int answer_parse(const uint8_t *bytes, size_t length, struct answer *answer);

/* The number behind "epoch" in the body of a refusal. Return: 0 or -ENOENT. */
MUST_USE int answer_epoch_find(const struct answer *answer, uint64_t *epoch);
