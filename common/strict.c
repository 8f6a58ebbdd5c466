/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/strict.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/json.h"
#include "common/own.h"

/* One object or array that is open. */
struct level {
	bool is_object;
	uint32_t serial; /* which object: keys of different ones may be alike */
	size_t index;    /* array: of the value being read */
	size_t key;      /* object: where the key's text begins in @keys */
	size_t key_length;
};

/* A key that was seen. */
struct seen {
	uint64_t hash; /* 0: free */
	uint32_t serial;
	uint32_t at; /* in @keys */
	uint32_t length;
};

struct scan {
	const char *text;
	const char *at;
	const char *end;
	struct strict_error *error;
	struct level levels[STRICT_DEPTH_MAX];
	unsigned depth;
	uint32_t serials;
	struct buf keys; /* unescaped, one behind the other */
	struct seen *table;
	size_t table_size; /* a power of two, or 0 */
	size_t table_used;
};

static void scan_done(struct scan *s)
{
	buf_done(&s->keys);
	free(s->table);
}
OWNED_BY_VALUE(struct scan, scan_done)

/* ---- saying what is wrong ---- */

static void pointer_text(struct buf *out, const char *key, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (key[i] == '~')
			buf_text(out, "~0");
		else if (key[i] == '/')
			buf_text(out, "~1");
		else
			buf_bytes(out, key + i, 1);
	}
}

static void pointer_format(const struct scan *s, char out[static STRICT_POINTER_MAX])
{
	OWNED(buf_done) struct buf text = { 0 };

	buf_text(&text, "");
	for (unsigned i = 0; i < s->depth; i++) {
		const struct level *level = &s->levels[i];

		if (level->is_object && level->key == SIZE_MAX)
			break;
		buf_text(&text, "/");
		if (level->is_object)
			pointer_text(&text, (const char *)s->keys.data + level->key,
				     level->key_length);
		else
			buf_printf(&text, "%zu", level->index);
	}
	(void)snprintf(out, STRICT_POINTER_MAX, "%s",
		       text.failed || !text.data ? "" : (const char *)text.data);
	if (text.length >= STRICT_POINTER_MAX)
		memcpy(out + STRICT_POINTER_MAX - 4, "...", 4);
}

__attribute__((format(printf, 3, 4))) static int refuse(struct scan *s, const char *where,
							const char *format, ...)
{
	struct strict_error *e = s->error;
	va_list args;

	e->line = 1;
	e->column = 1;
	for (const char *c = s->text; c < where; c++) {
		e->column++;
		if (*c == '\n') {
			e->line++;
			e->column = 1;
		}
	}
	va_start(args, format);
	(void)vsnprintf(e->reason, sizeof(e->reason), format, args); /* cut when too long */
	va_end(args);
	pointer_format(s, e->pointer);
	return REFUSE_SYNTAX;
}

static int refuse_byte(struct scan *s, const char *wanted)
{
	unsigned char c;

	if (s->at >= s->end)
		return refuse(s, s->at, "the text ends where %s should stand", wanted);
	c = (unsigned char)*s->at;
	if (c > ' ' && c < 0x7f)
		return refuse(s, s->at, "'%c' stands where %s should", c, wanted);
	return refuse(s, s->at, "byte 0x%02x stands where %s should", c, wanted);
}

/* ---- strings ---- */

static void utf8_put(struct buf *out, uint32_t c)
{
	if (c < 0x80) {
		buf_u8(out, (uint8_t)c);
	} else if (c < 0x800) {
		buf_u8(out, (uint8_t)(0xc0 | c >> 6));
		buf_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_u8(out, (uint8_t)(0xe0 | c >> 12));
		buf_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
		buf_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
	} else {
		buf_u8(out, (uint8_t)(0xf0 | c >> 18));
		buf_u8(out, (uint8_t)(0x80 | (c >> 12 & 0x3f)));
		buf_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
		buf_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
	}
}

/* The four digits behind \u; <0 if they are not. */
static int32_t hex4(const struct scan *s)
{
	int32_t value = 0;

	if (s->end - s->at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = s->at[i];

		if (c >= '0' && c <= '9')
			value = value * 16 + (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			value = value * 16 + ((c | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return value;
}

static int unicode_take(struct scan *s, const char *start, struct buf *out)
{
	int32_t high = hex4(s);
	int32_t low;

	if (high < 0)
		return refuse(s, start, "\\u takes four hexadecimal digits");
	if (!high)
		return refuse(s, start, "a string holds the character NUL");
	s->at += 4;
	if (high >= 0xdc00 && high <= 0xdfff)
		return refuse(s, start, "half of a surrogate pair");
	if (high < 0xd800 || high > 0xdbff) {
		utf8_put(out, (uint32_t)high);
		return 0;
	}
	if (s->end - s->at < 6 || s->at[0] != '\\' || s->at[1] != 'u')
		return refuse(s, start, "half of a surrogate pair");
	s->at += 2;
	low = hex4(s);
	if (low < 0xdc00 || low > 0xdfff)
		return refuse(s, start, "half of a surrogate pair");
	s->at += 4;
	utf8_put(out, 0x10000 + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00));
	return 0;
}

static int escape_take(struct scan *s, struct buf *out)
{
	static const char names[] = "\"\\/bfnrt";
	static const char values[] = "\"\\/\b\f\n\r\t";
	const char *start = s->at++;
	const char *name;

	if (s->at >= s->end)
		return refuse(s, start, "the text ends in a string");
	if (*s->at == 'u') {
		s->at++;
		return unicode_take(s, start, out);
	}
	name = *s->at ? strchr(names, *s->at) : NULL;
	if (!name)
		return refuse(s, start, "no such escape in a string");
	buf_bytes(out, &values[name - names], 1);
	s->at++;
	return 0;
}

/* The string at s->at, unescaped, behind @out. */
static int string_take(struct scan *s, struct buf *out)
{
	const char *start = s->at++;

	while (s->at < s->end && *s->at != '"') {
		unsigned char c = (unsigned char)*s->at;
		size_t n;
		int r;

		if (c < ' ')
			return refuse(s, s->at, "a string holds the raw control character 0x%02x",
				      c);
		if (c == '\\') {
			r = escape_take(s, out);
			if (r)
				return r;
			continue;
		}
		n = json_utf8_length((const unsigned char *)s->at, (size_t)(s->end - s->at));
		if (!n)
			return refuse(s, s->at, "byte 0x%02x is not UTF-8 here", c);
		buf_bytes(out, s->at, n);
		s->at += n;
	}
	if (s->at >= s->end)
		return refuse(s, start, "a string has no end");
	s->at++;
	return out->failed ? -ENOMEM : 0;
}

/* ---- keys ---- */

static uint64_t key_hash(const uint8_t *key, size_t length, uint32_t serial)
{
	uint64_t h = 0xcbf29ce484222325 ^ serial * 0x9e3779b97f4a7c15;

	for (size_t i = 0; i < length; i++)
		h = (h ^ key[i]) * 0x100000001b3;
	h ^= h >> 29;
	return h ? h : 1;
}

static struct seen *seen_find(const struct scan *s, const struct seen *key)
{
	size_t i = key->hash & (s->table_size - 1);

	for (;; i = (i + 1) & (s->table_size - 1)) {
		struct seen *at = &s->table[i];

		if (!at->hash)
			return at;
		if (at->hash == key->hash && at->serial == key->serial &&
		    at->length == key->length &&
		    !memcmp(s->keys.data + at->at, s->keys.data + key->at, key->length))
			return at;
	}
}

static int table_grow(struct scan *s)
{
	struct scan bigger = *s;

	bigger.table_size = s->table_size ? s->table_size * 2 : 64;
	bigger.table = calloc(bigger.table_size, sizeof(*bigger.table));
	if (!bigger.table)
		return -ENOMEM;
	for (size_t i = 0; i < s->table_size; i++) {
		if (s->table[i].hash)
			*seen_find(&bigger, &s->table[i]) = s->table[i];
	}
	free(s->table);
	s->table = bigger.table;
	s->table_size = bigger.table_size;
	return 0;
}

/* The key that ends s->keys joins those of its object. */
static int key_note(struct scan *s, const char *start)
{
	struct level *level = &s->levels[s->depth - 1];
	struct seen key = { .serial = level->serial,
			    .at = (uint32_t)level->key,
			    .length = (uint32_t)level->key_length };
	struct seen *at;

	if (s->table_used * 2 >= s->table_size) {
		int r = table_grow(s);

		if (r)
			return r;
	}
	key.hash = key_hash(s->keys.data + level->key, level->key_length, level->serial);
	at = seen_find(s, &key);
	if (at->hash)
		return refuse(s, start, "the key stands twice in its object");
	*at = key;
	s->table_used++;
	return 0;
}

static int key_take(struct scan *s)
{
	struct level *level = &s->levels[s->depth - 1];
	const char *start = s->at;
	size_t before = s->keys.length;
	int r;

	level->key = SIZE_MAX;
	if (s->at >= s->end || *s->at != '"')
		return refuse_byte(s, "a key in double quotes");
	buf_bytes(&s->keys, "", 1); /* so that there is always a byte to point to */
	r = string_take(s, &s->keys);
	if (r)
		return r;
	level->key = before + 1;
	level->key_length = s->keys.length - before - 1;
	return key_note(s, start);
}

/* ---- numbers and words ---- */

static bool is_digit(const struct scan *s)
{
	return s->at < s->end && *s->at >= '0' && *s->at <= '9';
}

static int digits_take(struct scan *s)
{
	if (!is_digit(s))
		return refuse_byte(s, "a digit");
	while (is_digit(s))
		s->at++;
	return 0;
}

/* -2^63 .. 2^64 - 1 */
static bool is_integer_in_range(const char *at, const char *end)
{
	bool negative = *at == '-';
	uint64_t most = negative ? (uint64_t)1 << 63 : UINT64_MAX;
	uint64_t value = 0;

	for (at += negative; at < end; at++) {
		unsigned digit = (unsigned)(*at - '0');

		if (value > (most - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	return true;
}

static int number_check(struct scan *s, const char *start, bool is_integer)
{
	char copy[512];
	size_t length = (size_t)(s->at - start);

	if (is_integer)
		return is_integer_in_range(start, s->at)
			       ? 0
			       : refuse(s, start, "the integer is out of range");
	if (length >= sizeof(copy))
		return refuse(s, start, "the number has over 511 characters");
	memcpy(copy, start, length);
	copy[length] = '\0';
	return isfinite(strtod(copy, NULL)) ? 0 : refuse(s, start, "the number is out of range");
}

static int number_take(struct scan *s)
{
	const char *start = s->at;
	bool is_integer = true;
	int r;

	if (*s->at == '-')
		s->at++;
	if (s->at + 1 < s->end && *s->at == '0' && s->at[1] >= '0' && s->at[1] <= '9')
		return refuse(s, start, "a number has a leading zero");
	r = digits_take(s);
	if (!r && s->at < s->end && *s->at == '.') {
		is_integer = false;
		s->at++;
		r = digits_take(s);
	}
	if (!r && s->at < s->end && (*s->at | 0x20) == 'e') {
		is_integer = false;
		s->at++;
		if (s->at < s->end && (*s->at == '+' || *s->at == '-'))
			s->at++;
		r = digits_take(s);
	}
	return r ? r : number_check(s, start, is_integer);
}

static int word_take(struct scan *s)
{
	static const char *const words[] = { "true", "false", "null" };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		size_t n = strlen(words[i]);

		if ((size_t)(s->end - s->at) >= n && !memcmp(s->at, words[i], n)) {
			s->at += n;
			return 0;
		}
	}
	return refuse_byte(s, "a value");
}

/* ---- structure ---- */

static void blanks_skip(struct scan *s)
{
	while (s->at < s->end &&
	       (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
		s->at++;
}

static bool byte_take(struct scan *s, char c)
{
	blanks_skip(s);
	if (s->at >= s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

static int value_take(struct scan *s);

static int member_take(struct scan *s)
{
	int r;

	blanks_skip(s);
	r = key_take(s);
	if (r)
		return r;
	return byte_take(s, ':') ? value_take(s) : refuse_byte(s, "':'");
}

static int members_take(struct scan *s)
{
	int r;

	if (byte_take(s, '}'))
		return 0;
	for (;;) {
		r = member_take(s);
		if (r)
			return r;
		if (byte_take(s, '}'))
			return 0;
		if (!byte_take(s, ','))
			return refuse_byte(s, "',' or '}'");
	}
}

static int elements_take(struct scan *s)
{
	struct level *level = &s->levels[s->depth - 1];
	int r;

	if (byte_take(s, ']'))
		return 0;
	for (;; level->index++) {
		r = value_take(s);
		if (r)
			return r;
		if (byte_take(s, ']'))
			return 0;
		if (!byte_take(s, ','))
			return refuse_byte(s, "',' or ']'");
	}
}

static int container_take(struct scan *s, bool is_object)
{
	int r;

	if (s->depth == STRICT_DEPTH_MAX)
		return refuse(s, s->at, "values are nested over %d deep", STRICT_DEPTH_MAX);
	s->at++;
	s->levels[s->depth++] =
		(struct level){ .is_object = is_object, .serial = ++s->serials, .key = SIZE_MAX };
	r = is_object ? members_take(s) : elements_take(s);
	if (!r)
		s->depth--;
	return r;
}

static int value_take(struct scan *s)
{
	struct buf ignored = { 0 };
	int r;

	blanks_skip(s);
	if (s->at >= s->end)
		return refuse_byte(s, "a value");
	switch (*s->at) {
	case '{':
		return container_take(s, true);
	case '[':
		return container_take(s, false);
	case '"':
		r = string_take(s, &ignored);
		buf_done(&ignored);
		return r;
	default:
		return *s->at == '-' || is_digit(s) ? number_take(s) : word_take(s);
	}
}

int strict_scan(const char *text, size_t length, struct strict_error *error)
{
	OWNED(scan_done) struct scan s = {
		.text = text, .at = text, .end = text + length, .error = error
	};
	int r = value_take(&s);

	if (r)
		return r;
	blanks_skip(&s);
	return s.at == s.end ? 0 : refuse_byte(&s, "the end of the text");
}
