/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/line_reader.h"

#include <errno.h>
#include <string.h>

void line_reader_init(struct line_reader *r, size_t max)
{
	*r = (struct line_reader){ .max = max };
}

void line_reader_done(struct line_reader *r)
{
	buf_done(&r->part);
}

void line_reader_reset(struct line_reader *r)
{
	r->part.length = 0;
	r->is_skipping = false;
}

/* A piece of a line, with or without its end. */
static int piece_take(struct line_reader *r, const char *bytes, size_t length, bool is_end)
{
	if (!r->is_skipping && r->part.length + length + is_end > r->max) {
		r->is_skipping = true;
		r->too_long++;
	}
	if (!r->is_skipping)
		buf_bytes(&r->part, bytes, length);
	if (!r->part.failed)
		return 0;
	buf_done(&r->part);
	r->part = (struct buf){ 0 };
	r->is_skipping = true;
	return -ENOMEM;
}

int line_reader_feed(struct line_reader *r, const void *bytes, size_t length,
		     void (*fn)(void *arg, const char *text, size_t length), void *arg)
{
	const char *at = bytes;
	const char *end = at + length;
	int result = 0;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline ? newline : end;

		if (piece_take(r, at, (size_t)(stop - at), newline != NULL))
			result = -ENOMEM;
		if (newline) {
			if (!r->is_skipping && r->part.length)
				fn(arg, (const char *)r->part.data, r->part.length);
			line_reader_reset(r);
		}
		at = newline ? newline + 1 : end;
	}
	return result;
}
