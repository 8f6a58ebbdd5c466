/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_done(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ 0 };
}

static bool buf_reserve(struct buf *b, size_t more)
{
	size_t room = b->room ? b->room : 256;
	uint8_t *data;

	if (b->failed)
		return false;
	if (b->length + more + 1 <= b->room)
		return true;
	while (room < b->length + more + 1)
		room *= 2;
	data = realloc(b->data, room);
	if (!data) {
		b->failed = true;
		return false;
	}
	b->data = data;
	b->room = room;
	return true;
}

void buf_bytes(struct buf *b, const void *bytes, size_t length)
{
	if (!length || !buf_reserve(b, length))
		return;
	memcpy(b->data + b->length, bytes, length);
	b->length += length;
	b->data[b->length] = '\0';
}

void buf_u8(struct buf *b, uint8_t v)
{
	buf_bytes(b, &v, 1);
}

void buf_le16(struct buf *b, uint16_t v)
{
	const uint8_t bytes[] = { (uint8_t)v, (uint8_t)(v >> 8) };

	buf_bytes(b, bytes, sizeof(bytes));
}

void buf_le32(struct buf *b, uint32_t v)
{
	buf_le16(b, (uint16_t)v);
	buf_le16(b, (uint16_t)(v >> 16));
}

void buf_le64(struct buf *b, uint64_t v)
{
	buf_le32(b, (uint32_t)v);
	buf_le32(b, (uint32_t)(v >> 32));
}

void buf_text8(struct buf *b, const char *text)
{
	size_t length = strnlen(text, UINT8_MAX);

	buf_u8(b, (uint8_t)length);
	buf_bytes(b, text, length);
}

void buf_text(struct buf *b, const char *text)
{
	buf_bytes(b, text, strlen(text));
}

void buf_vprintf(struct buf *b, const char *format, va_list args)
{
	va_list again;
	int length;

	va_copy(again, args);
	length = vsnprintf(NULL, 0, format, args);
	if (length >= 0 && buf_reserve(b, (size_t)length)) {
		(void)vsnprintf((char *)b->data + b->length, (size_t)length + 1, format,
				again); /* it fits: measured above */
		b->length += (size_t)length;
	}
	va_end(again);
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_vprintf(b, format, args);
	va_end(args);
}

void buf_drop(struct buf *b, size_t length)
{
	if (length > b->length)
		length = b->length;
	if (!length)
		return;
	memmove(b->data, b->data + length, b->length - length);
	b->length -= length;
	b->data[b->length] = '\0';
}

char *buf_text_take(struct buf *b)
{
	char *text;

	if (!buf_reserve(b, 0))
		return NULL;
	b->data[b->length] = '\0';
	text = (char *)b->data;
	*b = (struct buf){ 0 };
	return text;
}
