/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading JSON without building anything: a place that walks over a text. The text has passed
 * strict_scan(); one that has not is refused or read wrongly, but never past its end.
 *
 *	struct json_place at = { text, text + length };
 *
 *	r = json_enter(&at, '{');
 *	while (!r && (r = json_member(&at, key, sizeof(key))) == 0)
 *		r = read or skip the value
 *	r is -ENOENT behind the closing brace
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/result.h"

struct json_place {
	const char *at;
	const char *end;
};

/* Each returns 0, -EBADMSG when something else stands there, or what is said beside it. */

/* Into the object or array ('{' or '[') that begins here. */
MUST_USE int json_enter(struct json_place *p, char bracket);
/* To the value of the next member of the object; its key, unescaped, into @key. A key that does
 * not fit is "". -ENOENT: there is none, and the place is behind the object. */
MUST_USE int json_member(struct json_place *p, char *key, size_t size);
/* To the next element of the array. -ENOENT: there is none, the place is behind the array. */
MUST_USE int json_element(struct json_place *p);
/* A text, unescaped, into @out. -EMSGSIZE: longer than @size - 1 bytes. */
MUST_USE int json_text_read(struct json_place *p, char *out, size_t size);
/* An integer of 0 .. 2^64 - 1, written without fraction and exponent. */
MUST_USE int json_number_read(struct json_place *p, uint64_t *out);
/* True, and the place is behind it, when null stands here. */
bool json_null_read(struct json_place *p);
/* Over any value. */
MUST_USE int json_skip(struct json_place *p);
