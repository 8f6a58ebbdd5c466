/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/json_read.h"

#include <errno.h>
#include <string.h>

static char place_next(struct json_place *p)
{
	while (p->at < p->end &&
	       (*p->at == ' ' || *p->at == '\t' || *p->at == '\r' || *p->at == '\n'))
		p->at++;
	if (p->at == p->end)
		return '\0';
	return *p->at;
}

static bool place_take(struct json_place *p, char c)
{
	if (place_next(p) != c || p->at == p->end)
		return false;
	p->at++;
	return true;
}

int json_enter(struct json_place *p, char bracket)
{
	return place_take(p, bracket) ? 0 : -EBADMSG;
}

int json_element(struct json_place *p)
{
	if (place_take(p, ']'))
		return -ENOENT;
	(void)place_take(p, ','); /* where there must be one, the scan has seen to it */
	return p->at < p->end ? 0 : -EBADMSG;
}

int json_member(struct json_place *p, char *key, size_t size)
{
	int r;

	if (place_take(p, '}'))
		return -ENOENT;
	(void)place_take(p, ','); /* as above */
	r = json_text_read(p, key, size);
	if (r == -EMSGSIZE)
		key[0] = '\0';
	if (r && r != -EMSGSIZE)
		return r;
	return place_take(p, ':') ? 0 : -EBADMSG;
}

/* ---- texts ---- */

struct text {
	char *out;
	size_t size;
	size_t length; /* also of what did not fit */
};

static void text_byte(struct text *t, unsigned c)
{
	if (t->length + 1 < t->size)
		t->out[t->length] = (char)c;
	t->length++;
}

static void text_character(struct text *t, uint32_t c)
{
	if (c < 0x80) {
		text_byte(t, c);
	} else if (c < 0x800) {
		text_byte(t, 0xc0 | c >> 6);
		text_byte(t, 0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		text_byte(t, 0xe0 | c >> 12);
		text_byte(t, 0x80 | (c >> 6 & 0x3f));
		text_byte(t, 0x80 | (c & 0x3f));
	} else {
		text_byte(t, 0xf0 | c >> 18);
		text_byte(t, 0x80 | (c >> 12 & 0x3f));
		text_byte(t, 0x80 | (c >> 6 & 0x3f));
		text_byte(t, 0x80 | (c & 0x3f));
	}
}

/* Four hex digits behind "\u". */
static int unit_read(struct json_place *p, uint32_t *out)
{
	static const char digits[] = "0123456789abcdef";

	*out = 0;
	if (p->end - p->at < 4)
		return -EBADMSG;
	for (int i = 0; i < 4; i++, p->at++) {
		const char *digit = *p->at ? strchr(digits, *p->at | 0x20) : NULL;

		if (!digit)
			return -EBADMSG;
		*out = *out << 4 | (uint32_t)(digit - digits);
	}
	return 0;
}

static int unicode_read(struct json_place *p, struct text *t)
{
	uint32_t low = 0;
	uint32_t c;
	int r = unit_read(p, &c);

	if (!r && c >= 0xd800 && c < 0xdc00) {
		if (p->end - p->at < 2 || p->at[0] != '\\' || p->at[1] != 'u')
			return -EBADMSG;
		p->at += 2;
		r = unit_read(p, &low);
		c = 0x10000 + ((c - 0xd800) << 10) + ((low - 0xdc00) & 0x3ff);
	}
	if (!r)
		text_character(t, c);
	return r;
}

static int escape_read(struct json_place *p, struct text *t)
{
	static const char letters[] = "\"\\/bfnrt";
	static const char meant[] = "\"\\/\b\f\n\r\t";
	const char *at;
	char c;

	if (p->at == p->end)
		return -EBADMSG;
	c = *p->at++;
	at = c ? strchr(letters, c) : NULL;

	if (c == 'u')
		return unicode_read(p, t);
	if (!at)
		return -EBADMSG;
	text_byte(t, (unsigned char)meant[at - letters]);
	return 0;
}

int json_text_read(struct json_place *p, char *out, size_t size)
{
	struct text t = { .out = out, .size = size };

	if (!place_take(p, '"'))
		return -EBADMSG;
	while (p->at < p->end && *p->at != '"') {
		if (*p->at++ != '\\') {
			text_byte(&t, (unsigned char)p->at[-1]);
			continue;
		}
		if (escape_read(p, &t))
			return -EBADMSG;
	}
	if (!place_take(p, '"'))
		return -EBADMSG;
	out[t.length < size ? t.length : 0] = '\0';
	return t.length < size ? 0 : -EMSGSIZE;
}

/* ---- other values ---- */

int json_number_read(struct json_place *p, uint64_t *out)
{
	uint64_t n = 0;
	char c = place_next(p);

	if (c < '0' || c > '9')
		return -EBADMSG;
	for (; p->at < p->end && *p->at >= '0' && *p->at <= '9'; p->at++) {
		unsigned digit = (unsigned)(*p->at - '0');

		if (n > (UINT64_MAX - digit) / 10)
			return -EBADMSG;
		n = n * 10 + digit;
	}
	if (p->at < p->end && strchr(".eE", *p->at) && *p->at)
		return -EBADMSG;
	*out = n;
	return 0;
}

bool json_null_read(struct json_place *p)
{
	if (place_next(p) != 'n' || p->end - p->at < 4 || memcmp(p->at, "null", 4) != 0)
		return false;
	p->at += 4;
	return true;
}

/* What is no bracket and no text: a number or a word. */
static int word_skip(struct json_place *p)
{
	const char *from = p->at;

	while (p->at < p->end && *p->at && !strchr(" \t\r\n,:]}[{\"", *p->at))
		p->at++;
	return p->at > from ? 0 : -EBADMSG;
}

int json_skip(struct json_place *p)
{
	unsigned depth = 0;

	do {
		char none[1];
		char c = place_next(p);
		int r = 0;

		if (c == '{' || c == '[') {
			depth++;
			p->at++;
		} else if (depth && (c == '}' || c == ']')) {
			depth--;
			p->at++;
		} else if (depth && (c == ',' || c == ':')) {
			p->at++;
		} else {
			r = c == '"' ? json_text_read(p, none, sizeof(none)) : word_skip(p);
		}
		if (r && r != -EMSGSIZE)
			return r;
	} while (depth);
	return 0;
}
