/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cuts a stream of bytes into lines; one that is too long is dropped whole, and counted. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/own.h"
#include "common/result.h"

struct line_reader {
	size_t max;        /* bytes of a line, newline included */
	struct buf part;   /* of the line that is not whole yet */
	bool is_skipping;  /* to the next newline */
	uint64_t too_long; /* lines that were dropped */
};

void line_reader_init(struct line_reader *r, size_t max);
void line_reader_done(struct line_reader *r);
OWNED_BY_VALUE(struct line_reader, line_reader_done)
/* Forgets what it has of a line: the stream begins anew. */
void line_reader_reset(struct line_reader *r);

/**
 * line_reader_feed() - bytes that have come
 * @fn: called for each line that is whole by now, without its newline, and not for empty ones;
 *      @text is valid until it returns; it must not touch the reader
 *
 * Return: 0, or -ENOMEM: a line was lost.
 */
MUST_USE int line_reader_feed(struct line_reader *r, const void *bytes, size_t length,
			      void (*fn)(void *arg, const char *text, size_t length), void *arg);
