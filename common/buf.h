/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A growing byte buffer; the error sticks, so a writer checks it once, at the end. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/own.h"
#include "common/result.h"

struct buf {
	uint8_t *data; /* the buffer's; NUL-terminated after buf_printf() and buf_text() */
	size_t length;
	size_t room;
	bool failed; /* memory ran out; what came after is missing */
};

void buf_done(struct buf *b);
OWNED_BY_VALUE(struct buf, buf_done)

void buf_bytes(struct buf *b, const void *bytes, size_t length);
void buf_u8(struct buf *b, uint8_t v);
void buf_le16(struct buf *b, uint16_t v);
void buf_le32(struct buf *b, uint32_t v);
void buf_le64(struct buf *b, uint64_t v);
/* As cursor_text() reads it: length byte, bytes. Cut at 255. */
void buf_text8(struct buf *b, const char *text);
/* Without the NUL; a NUL stands behind the data all the same. */
void buf_text(struct buf *b, const char *text);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));
/* Forgets the first @length bytes. */
void buf_drop(struct buf *b, size_t length);
/* Hands the text over; the caller's, to free(). NULL when memory ran out. */
char *buf_text_take(struct buf *b);
