/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Aligned columns for people. A column without any value is left out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cli/text.h"
#include "common/buf.h"

enum { TABLE_COLUMNS = 16 };

struct table_cell {
	char *text; /* the table's; NULL: nothing there */
	enum style style;
};

struct table_column {
	const char *title; /* borrowed */
	bool used;         /* some row has a value */
	size_t width;
};

struct table {
	struct table_column columns[TABLE_COLUMNS];
	size_t column_count;
	struct table_cell *cells; /* row after row */
	size_t row_count;
	size_t row_room;
	bool failed; /* memory ran out; what came after is missing */
};

void table_done(struct table *t);
OWNED_BY_VALUE(struct table, table_done)

/* Columns first, then rows. @title is borrowed until table_done(). */
void table_column_add(struct table *t, const char *title);
void table_row_add(struct table *t);
/* In the latest row. @text is copied; NULL or "" is no value. */
void table_cell_set(struct table *t, size_t column, const char *text, enum style style);

enum table_look { TABLE_WITH_TITLES, TABLE_BARE };

/* Each line is preceded by @indent spaces; nothing is padded behind a line's last value. */
void table_format(const struct table *t, enum table_look look, size_t indent, bool color,
		  struct buf *out);
