/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last line that says anything of what a program prints, taken in as it comes. */
#pragma once

#include <stddef.h>

enum { LAST_LINE_MAX = 200 }; /* bytes of a line that are kept, NUL included */

/* All zero: nothing was printed. */
struct last_line {
	char now[LAST_LINE_MAX]; /* being printed */
	size_t length;           /* of it, its last blanks not counted */
	size_t blanks;
	char before[LAST_LINE_MAX]; /* the last one that had its newline and was not blank */
};

/* What is no plain text becomes '?'. */
void last_line_take(struct last_line *line, const char *bytes, size_t length);
/* "": there is none. Borrowed from @line. */
const char *last_line_text(const struct last_line *line);
