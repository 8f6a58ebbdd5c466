/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/last_line.h"

#include <ctype.h>
#include <string.h>

static void line_end(struct last_line *line)
{
	if (line->length)
		memcpy(line->before, line->now, sizeof(line->before));
	memset(line->now, 0, sizeof(line->now));
	line->length = 0;
	line->blanks = 0;
}

void last_line_take(struct last_line *line, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)bytes[i];

		if (byte == '\n') {
			line_end(line);
		} else if (isspace(byte)) {
			line->blanks++;
		} else {
			for (; line->blanks; line->blanks--)
				if (line->length && line->length < sizeof(line->now) - 1)
					line->now[line->length++] = ' ';
			if (line->length < sizeof(line->now) - 1)
				line->now[line->length++] = (char)(isprint(byte) ? byte : '?');
		}
	}
}

const char *last_line_text(const struct last_line *line)
{
	return line->length ? line->now : line->before;
}
