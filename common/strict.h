/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is this text strict JSON (RFC 8259), and nothing else? json-c takes single quotes, NaN, raw
 * control characters, duplicate keys and clamps integers even when told to be strict; so every body
 * passes here before json-c sees it. A scan: nothing is built.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/result.h"

enum { STRICT_DEPTH_MAX = 32, STRICT_POINTER_MAX = 256, STRICT_REASON_MAX = 160 };

struct strict_error {
	unsigned line;   /* from 1 */
	unsigned column; /* in bytes, from 1 */
	/* JSON pointer (RFC 6901) of the value that was being read; cut with "..." when longer */
	char pointer[STRICT_POINTER_MAX];
	char reason[STRICT_REASON_MAX];
};

/**
 * strict_scan() - check one JSON text
 * @text: need not end in NUL
 * @error: set on refusal
 *
 * Refused beyond what RFC 8259 says: a key twice in one object, however it is escaped; an integer
 * outside -2^63 .. 2^64 - 1, a number that is not finite as a double; values nested over 32 deep;
 * bytes that are not UTF-8; an escape of half a surrogate pair or of NUL.
 * Return: 0, -ENOMEM, or REFUSE_SYNTAX.
 */
MUST_USE int strict_scan(const char *text, size_t length, struct strict_error *error);
