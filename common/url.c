/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/url.h"

#include <stdbool.h>
#include <string.h>

static bool is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("-._~", c));
}

static void url_encode(struct buf *out, const char *text, const char *also)
{
	for (; *text; text++)
		if (is_unreserved(*text) || strchr(also, *text))
			buf_u8(out, (uint8_t)*text);
		else
			buf_printf(out, "%%%02X", (unsigned)(uint8_t)*text);
}

void url_path(struct buf *out, const char *id)
{
	url_encode(out, id, "/:@!$&'()*+,;="); /* RFC 3986 §3.3: pchar and the slash */
}

void url_query(struct buf *out, const char *value)
{
	url_encode(out, value, "/:");
}
