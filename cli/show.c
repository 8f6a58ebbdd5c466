/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INDENT = 2 };

const struct show_column show_operation_columns[] = {
	{ "OP", "op", SHOW_WORDS },         { "FUNCTION", "function", SHOW_WORDS },
	{ "FROM", "from", SHOW_WORDS },     { "HOST", "host", SHOW_WORDS },
	{ "VPORT", "vport", SHOW_WORDS },   { "IDENTITY", "identity", SHOW_WORDS },
	{ "STATE", "state", SHOW_STATE },   { "STEP", "step", SHOW_WORDS },
	{ "REASON", "reason", SHOW_WORDS }, { 0 },
};

static const struct show_column timeline_columns[] = {
	{ "TIME", "time", SHOW_WORDS },
	{ "AFTER", "offset_ms", SHOW_OFFSET },
	{ "WHAT", "what", SHOW_WORDS },
	{ "DETAIL", "detail", SHOW_WORDS },
	{ 0 },
};

static const struct show_column move_columns[] = {
	{ "FUNCTION", "function", SHOW_WORDS },
	{ "FROM", "from", SHOW_WORDS },
	{ "TO", "to", SHOW_WORDS },
	{ "VPORT", "vport", SHOW_WORDS },
	{ "IDENTITY", "identity", SHOW_WORDS },
	{ "OUTCOME", "outcome", SHOW_STATE },
	{ "REASON", "reason", SHOW_WORDS },
	{ 0 },
};

static const struct show_column key_columns[] = {
	{ "KEY", "key", SHOW_WORDS },         { "VALUE", "value", SHOW_WORDS },
	{ "DEFAULT", "default", SHOW_WORDS }, { "UNIT", "unit", SHOW_WORDS },
	{ "HELP", "help", SHOW_WORDS },       { 0 },
};

static const struct show_column seen_columns[] = {
	{ "ADDRESS", "address", SHOW_WORDS },   { "SLOT", "slot", SHOW_WORDS },
	{ "CLASS", "class", SHOW_WORDS },       { "VENDOR", "vendor", SHOW_WORDS },
	{ "DEVICE", "device", SHOW_WORDS },     { "DRIVER", "driver", SHOW_WORDS },
	{ "SERIAL", "serial", SHOW_WORDS },     { "MAC", "mac", SHOW_WORDS },
	{ "WWPN", "wwpn", SHOW_WORDS },         { "LINK", "link", SHOW_STATE },
	{ "FUNCTION", "function", SHOW_WORDS }, { 0 },
};

/* Arrays that have columns of their own, by the member's name. */
static const struct show_column member_columns[] = {
	{ "FUNCTION", "function", SHOW_WORDS },
	{ "HOST", "host", SHOW_WORDS },
	{ "STATE", "state", SHOW_STATE },
	{ "IDENTITY", "identity", SHOW_WORDS },
	{ 0 },
};

static const struct {
	const char *member;
	const struct show_column *columns;
} known[] = {
	{ "operations", show_operation_columns },
	{ "timeline", timeline_columns },
	{ "moves", move_columns },
	{ "functions", member_columns },
	{ "keys", key_columns },
	{ "seen", seen_columns },
	{ "plan", show_operation_columns }, /* one without steps: what is adopted */
};

static void offset_set(struct table *t, size_t column, const doc *row, const char *path)
{
	int64_t ms = doc_number(row, path, INT64_MIN);
	char text[40];

	if (ms == INT64_MIN)
		return;
	(void)snprintf(text, sizeof(text), "%c%" PRId64 ".%03d s", ms < 0 ? '-' : '+',
		       (ms < 0 ? -ms : ms) / 1000, (int)((ms < 0 ? -ms : ms) % 1000));
	table_cell_set(t, column, text, STYLE_PLAIN);
}

static void cell_set(struct table *t, size_t column, const struct show_column *how, const doc *row)
{
	char *words;

	if (how->how == SHOW_OFFSET) {
		offset_set(t, column, row, how->path);
		return;
	}
	if (how->how == SHOW_FLAG) {
		table_cell_set(t, column, doc_is_true(row, how->path) ? how->path : NULL,
			       STYLE_DIM);
		return;
	}
	words = doc_words_at(row, how->path);
	table_cell_set(t, column, words,
		       words && how->how == SHOW_STATE ? text_state_style(words) : STYLE_PLAIN);
	free(words);
}

void show_rows(struct table *t, const struct show_column *columns, const doc *array)
{
	if (!t->column_count)
		for (size_t i = 0; columns[i].title; i++)
			table_column_add(t, columns[i].title);
	for (size_t i = 0; i < doc_count(array); i++) {
		table_row_add(t);
		for (size_t j = 0; columns[j].title; j++)
			cell_set(t, j, &columns[j], doc_at(array, i));
	}
}

static bool is_objects(const doc *array)
{
	return doc_count(array) && json_object_is_type(doc_at(array, 0), json_type_object);
}

/* Every plain member of the first rows becomes a column, in the order of its coming. */
static void columns_guess(const doc *array, struct show_column *columns, size_t most)
{
	size_t used = 0;

	for (size_t i = 0; i < doc_count(array) && i < 64; i++) {
		const doc *row = doc_at(array, i);

		if (!json_object_is_type(row, json_type_object))
			continue;
		json_object_object_foreach(row, key, member)
		{
			size_t seen = 0;

			while (seen < used && strcmp(columns[seen].title, key))
				seen++;
			if (seen < used || used == most - 1 || is_objects(member))
				continue;
			columns[used++] = (struct show_column){ key, key,
								strcmp(key, "state") ? SHOW_WORDS
										     : SHOW_STATE };
		}
	}
}

void show_array(struct buf *out, const struct show_column *columns, const doc *array, size_t indent,
		bool color)
{
	OWNED(table_done) struct table t = { 0 };
	struct show_column guessed[TABLE_COLUMNS + 1] = { 0 };

	if (!columns) {
		columns_guess(array, guessed, TABLE_COLUMNS + 1);
		columns = guessed;
	}
	show_rows(&t, columns, array);
	table_format(&t, TABLE_WITH_TITLES, indent, color, out);
}

static const struct show_column *columns_known(const char *member)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (!strcmp(known[i].member, member))
			return known[i].columns;
	return NULL;
}

static bool is_state(const char *key)
{
	return !strcmp(key, "state") || !strcmp(key, "status");
}

void show_object(struct buf *out, const doc *d, bool color)
{
	OWNED(table_done) struct table t = { 0 };

	if (!json_object_is_type(d, json_type_object)) {
		doc_words(out, d);
		buf_text(out, "\n");
		return;
	}
	table_column_add(&t, "MEMBER");
	table_column_add(&t, "VALUE");
	json_object_object_foreach(d, key, value)
	{
		OWNED(buf_done) struct buf words = { 0 };

		if (is_objects(value))
			continue;
		/* one that has a sentence for people is told by it */
		if (doc_text(value, "detail"))
			buf_text(&words, doc_text(value, "detail"));
		else
			doc_words(&words, value);
		table_row_add(&t);
		table_cell_set(&t, 0, key, STYLE_HEAD);
		table_cell_set(&t, 1, words.length ? (const char *)words.data : "-",
			       words.length && is_state(key)
				       ? text_state_style((const char *)words.data)
				       : STYLE_PLAIN);
	}
	table_format(&t, TABLE_BARE, 0, color, out);
	json_object_object_foreach(d, name, array)
	{
		if (!is_objects(array))
			continue;
		buf_text(out, "\n");
		text_styled(out, name, STYLE_HEAD, color);
		buf_text(out, "\n");
		if (doc_count(doc_array(doc_at(array, 0), "steps")))
			show_plan(out, array);
		else
			show_array(out, columns_known(name), array, INDENT, color);
	}
}

static void plan_word(struct buf *out, const doc *item, const char *path, const char *before)
{
	OWNED(buf_done) struct buf words = { 0 };
	doc *value = doc_find(item, path);

	if (value)
		doc_words(&words, value);
	if (!words.length)
		return;
	buf_text(out, before);
	text_clean(out, (const char *)words.data);
}

/* "nic-3fa2/pf0/vf3: move from bay3 to bay16, vport 2, mac 02:fa:b0:00:00:01" */
static void plan_heading(struct buf *out, const doc *item)
{
	size_t before = out->length;

	plan_word(out, item, "function", "");
	if (out->length == before)
		buf_text(out, "-");
	buf_text(out, ":");
	plan_word(out, item, "op", " ");
	plan_word(out, item, "from", " from ");
	plan_word(out, item, "host", " to ");
	plan_word(out, item, "vport", ", vport ");
	plan_word(out, item, "identity", ", ");
	buf_text(out, "\n");
}

void show_plan(struct buf *out, const doc *plan)
{
	for (size_t i = 0; i < doc_count(plan); i++) {
		const doc *steps = doc_array(doc_at(plan, i), "steps");

		plan_heading(out, doc_at(plan, i));
		for (size_t j = 0; j < doc_count(steps); j++) {
			OWNED(buf_done) struct buf words = { 0 };

			doc_words(&words, doc_at(steps, j));
			buf_printf(out, "  %zu. ", j + 1);
			text_clean(out, words.length ? (const char *)words.data : "-");
			buf_text(out, "\n");
		}
	}
}

enum cli_exit show_answer(struct session *s, const struct http_answer *answer)
{
	OWNED(doc_free) doc *d = NULL;
	OWNED(buf_done) struct buf out = { 0 };
	const doc *items;
	enum cli_exit r;

	if (session_is_json(s)) {
		session_print_answer(answer);
		return CLI_DONE;
	}
	r = session_doc(answer, &d);
	if (r)
		return r;
	items = doc_array(d, "items");
	if (items)
		show_array(&out, NULL, items, 0, s->color);
	else
		show_object(&out, d, s->color);
	session_print(&out);
	return out.failed ? session_no_memory() : CLI_DONE;
}
