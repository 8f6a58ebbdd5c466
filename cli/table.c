/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { GAP = 2 };

void table_done(struct table *t)
{
	for (size_t i = 0; i < t->row_count * t->column_count; i++)
		free(t->cells[i].text);
	free(t->cells);
	*t = (struct table){ 0 };
}

void table_column_add(struct table *t, const char *title)
{
	assert(!t->row_count && t->column_count < TABLE_COLUMNS);
	t->columns[t->column_count++] =
		(struct table_column){ .title = title, .width = text_width(title) };
}

void table_row_add(struct table *t)
{
	if (t->failed)
		return;
	if (t->row_count == t->row_room) {
		size_t room = t->row_room ? 2 * t->row_room : 16;
		struct table_cell *cells =
			realloc(t->cells, room * t->column_count * sizeof(*cells));

		if (!cells) {
			t->failed = true;
			return;
		}
		t->cells = cells;
		t->row_room = room;
	}
	memset(t->cells + t->row_count * t->column_count, 0, t->column_count * sizeof(*t->cells));
	t->row_count++;
}

void table_cell_set(struct table *t, size_t column, const char *text, enum style style)
{
	struct table_cell *cell;
	size_t width;

	assert(column < t->column_count);
	if (t->failed || !text || !*text)
		return;
	cell = &t->cells[(t->row_count - 1) * t->column_count + column];
	free(cell->text);
	*cell = (struct table_cell){ strdup(text), style };
	t->failed = !cell->text;
	t->columns[column].used = true;
	width = text_width(text);
	if (width > t->columns[column].width)
		t->columns[column].width = width;
}

static void spaces(struct buf *out, size_t n)
{
	while (n--)
		buf_u8(out, ' ');
}

static void row_format(const struct table *t, const struct table_cell *row, size_t indent,
		       bool color, struct buf *out)
{
	size_t pending = indent;

	for (size_t i = 0; i < t->column_count; i++) {
		const char *text = row[i].text ? row[i].text : "";

		if (!t->columns[i].used)
			continue;
		if (*text) {
			spaces(out, pending);
			pending = 0;
			text_styled(out, text, row[i].style, color);
		}
		pending += t->columns[i].width - text_width(text) + GAP;
	}
	buf_u8(out, '\n');
}

void table_format(const struct table *t, enum table_look look, size_t indent, bool color,
		  struct buf *out)
{
	struct table_cell titles[TABLE_COLUMNS];

	if (t->failed)
		out->failed = true;
	for (size_t i = 0; i < t->column_count; i++)
		titles[i] =
			(struct table_cell){ (char *)(uintptr_t)t->columns[i].title, STYLE_HEAD };
	if (look == TABLE_WITH_TITLES)
		row_format(t, titles, indent, color, out);
	for (size_t i = 0; i < t->row_count; i++)
		row_format(t, t->cells + i * t->column_count, indent, color, out);
}
