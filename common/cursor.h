/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bounded little-endian reader; the error sticks, so a parser checks it once, at the end. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
	const uint8_t *at;
	const uint8_t *end;
	bool overrun; /* a read went past end; every later read gives 0 */
};

static inline uint8_t cursor_u8(struct cursor *c)
{
	if (c->overrun || c->at == c->end) {
		c->overrun = true;
		return 0;
	}
	return *c->at++;
}

static inline uint16_t cursor_le16(struct cursor *c)
{
	uint16_t low = cursor_u8(c);

	return (uint16_t)(low | cursor_u8(c) << 8);
}

static inline uint32_t cursor_le32(struct cursor *c)
{
	uint32_t low = cursor_le16(c);

	return low | (uint32_t)cursor_le16(c) << 16;
}

static inline uint64_t cursor_le64(struct cursor *c)
{
	uint64_t low = cursor_le32(c);

	return low | (uint64_t)cursor_le32(c) << 32;
}

/* @length bytes into @out; zeroes there when they are not all present. */
static inline void cursor_bytes(struct cursor *c, void *out, size_t length)
{
	if (c->overrun || (size_t)(c->end - c->at) < length) {
		c->overrun = true;
		memset(out, 0, length);
		return;
	}
	memcpy(out, c->at, length);
	c->at += length;
}

/*
 * A text: its length as one byte, then that many bytes. Refused (overrun) when it does not fit
 * @size with its NUL, or holds a control character.
 */
static inline void cursor_text(struct cursor *c, char *out, size_t size)
{
	size_t length = cursor_u8(c);

	if (length >= size)
		c->overrun = true;
	if (c->overrun) {
		out[0] = '\0';
		return;
	}
	cursor_bytes(c, out, length);
	out[c->overrun ? 0 : length] = '\0';
	for (size_t i = 0; i < length && !c->overrun; i++)
		if ((uint8_t)out[i] < 0x20 || out[i] == 0x7f)
			c->overrun = true;
	if (c->overrun)
		out[0] = '\0';
}
