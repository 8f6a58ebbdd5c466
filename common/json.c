/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/json.h"

#include <inttypes.h>
#include <string.h>

#include "common/clock.h"

size_t json_utf8_length(const unsigned char *at, size_t left)
{
	unsigned char lowest = 0x80;
	unsigned char highest = 0xbf;
	size_t n = *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;

	if (*at < 0x80)
		return 1;
	if (*at < 0xc2 || *at > 0xf4 || left < n)
		return 0;
	if (*at == 0xe0)
		lowest = 0xa0;
	else if (*at == 0xed)
		highest = 0x9f;
	else if (*at == 0xf0)
		lowest = 0x90;
	else if (*at == 0xf4)
		highest = 0x8f;
	if (at[1] < lowest || at[1] > highest)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

static void comma(struct buf *out)
{
	uint8_t last = out->length ? out->data[out->length - 1] : '{';

	if (last != '{' && last != '[' && last != ':')
		buf_bytes(out, ",", 1);
}

void json_open(struct buf *out, char bracket)
{
	comma(out);
	buf_bytes(out, &bracket, 1);
}

void json_begin(struct buf *out)
{
	buf_bytes(out, "{", 1);
}

void json_close(struct buf *out, char bracket)
{
	buf_bytes(out, &bracket, 1);
}

void json_key(struct buf *out, const char *key)
{
	json_text(out, key);
	buf_bytes(out, ":", 1);
}

/* One character that does not stand for itself. Return: bytes of @at that it took. */
static size_t special_write(struct buf *out, const unsigned char *at, size_t left)
{
	size_t n = 1;

	if (*at == '"' || *at == '\\') {
		const char escape[2] = { '\\', (char)*at };

		buf_bytes(out, escape, 2);
	} else if (*at == '\n') {
		buf_text(out, "\\n");
	} else if ((*at && *at < ' ') || *at == 0x7f) {
		buf_printf(out, "\\u%04x", *at);
	} else {
		n = *at ? json_utf8_length(at, left) : 0;
		if (n)
			buf_bytes(out, at, n);
		else
			buf_text(out, "\xef\xbf\xbd");
		n = n ? n : 1;
	}
	return n;
}

void json_text_n(struct buf *out, const char *text, size_t length)
{
	const unsigned char *at = (const unsigned char *)text;
	const unsigned char *end = at + length;

	comma(out);
	buf_bytes(out, "\"", 1);
	while (at < end) {
		const unsigned char *plain = at;

		while (at < end && *at >= ' ' && *at < 0x7f && *at != '"' && *at != '\\')
			at++;
		buf_bytes(out, plain, (size_t)(at - plain));
		if (at < end)
			at += special_write(out, at, (size_t)(end - at));
	}
	buf_bytes(out, "\"", 1);
}

void json_text(struct buf *out, const char *text)
{
	if (text)
		json_text_n(out, text, strlen(text));
	else
		json_null(out);
}

void json_number(struct buf *out, uint64_t n)
{
	char digits[24];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + n % 10);
	while (n /= 10);
	comma(out);
	buf_bytes(out, digits + at, sizeof(digits) - at);
}

void json_boolean(struct buf *out, bool b)
{
	comma(out);
	buf_text(out, b ? "true" : "false");
}

void json_null(struct buf *out)
{
	comma(out);
	buf_text(out, "null");
}

void json_member_text(struct buf *out, const char *key, const char *text)
{
	json_key(out, key);
	json_text(out, text);
}

void json_member_number(struct buf *out, const char *key, uint64_t n)
{
	json_key(out, key);
	json_number(out, n);
}

void json_member_signed(struct buf *out, const char *key, int64_t n)
{
	json_key(out, key);
	buf_printf(out, "%" PRId64, n);
}

void json_member_bool(struct buf *out, const char *key, bool b)
{
	json_key(out, key);
	json_boolean(out, b);
}

void json_member_time(struct buf *out, const char *key, uint64_t wall_ms)
{
	char text[32];

	if (wall_ms)
		clock_wall_format(wall_ms, text);
	json_member_text(out, key, wall_ms ? text : NULL);
}
