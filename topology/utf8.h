/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of files are bytes; what we print for other programs is UTF-8. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Bytes of the well-formed UTF-8 sequence at @s (RFC 3629), NUL-terminated; 0 if it is not one. */
static inline size_t topo_utf8_length(const uint8_t *s)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;

	if (n == 1)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	/* Too long a form, surrogates, beyond 10ffff: all show in the second byte. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}
