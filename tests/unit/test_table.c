/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/table.h"
#include "cli/tree.h"

static void row(struct table *t, const char *a, const char *b, const char *c)
{
	table_row_add(t);
	table_cell_set(t, 0, a, STYLE_PLAIN);
	table_cell_set(t, 1, b, STYLE_BAD);
	table_cell_set(t, 2, c, STYLE_PLAIN);
}

static struct table three_columns(void)
{
	struct table t = { 0 };

	table_column_add(&t, "ID");
	table_column_add(&t, "STATE");
	table_column_add(&t, "X");
	return t;
}

static void is_formatted(const struct table *t, enum table_look look, size_t indent, bool color,
			 const char *expected)
{
	OWNED(buf_done) struct buf out = { 0 };

	table_format(t, look, indent, color, &out);

	assert_false(out.failed);
	assert_string_equal((const char *)out.data, expected);
}

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
	OWNED(table_done) struct table t = three_columns();

	(void)state;
	row(&t, "a", "quarantined", "1");
	row(&t, "longer", "ok", "2");

	is_formatted(&t, TABLE_WITH_TITLES, 2, false,
		     "  ID      STATE        X\n"
		     "  a       quarantined  1\n"
		     "  longer  ok           2\n");
}

static void wide_and_combining_characters_stay_aligned(void **state)
{
	OWNED(table_done) struct table t = three_columns();

	(void)state;
	row(&t, "b\xc3\xa4y", "x", "1");               /* ä: one column */
	row(&t, "\xe5\x8c\x97\xe4\xba\xac", "x", "2"); /* two characters of two columns */
	row(&t, "e\xcc\x81", "x", "3");                /* a combining accent: none */

	is_formatted(&t, TABLE_BARE, 0, false,
		     "b\xc3\xa4y   x      1\n"
		     "\xe5\x8c\x97\xe4\xba\xac  x      2\n"
		     "e\xcc\x81     x      3\n");
}

static void a_column_that_nobody_uses_is_left_out(void **state)
{
	OWNED(table_done) struct table t = three_columns();

	(void)state;
	row(&t, "a", NULL, "1");
	row(&t, "b", "", "2");

	is_formatted(&t, TABLE_WITH_TITLES, 0, false, "ID  X\na   1\nb   2\n");
}

static void lines_have_no_blanks_at_their_end(void **state)
{
	OWNED(table_done) struct table t = three_columns();

	(void)state;
	row(&t, "a", "ok", NULL);
	row(&t, NULL, "ok", "1");

	is_formatted(&t, TABLE_BARE, 0, false, "a   ok\n    ok     1\n");
}

static void colours_do_not_count_as_width(void **state)
{
	OWNED(table_done) struct table t = three_columns();

	(void)state;
	row(&t, "a", "bad", "1");

	is_formatted(&t, TABLE_BARE, 0, true, "a   \033[1;31mbad\033[0m    1\n");
}

static void what_a_terminal_would_obey_becomes_a_question_mark(void **state)
{
	OWNED(table_done) struct table t = three_columns();

	(void)state;
	row(&t, "a\033[2Jb\n\x7f", "\xff\xc3", "1");

	is_formatted(&t, TABLE_BARE, 0, false, "a?[2Jb??  ??     1\n");
}

static void ten_thousand_rows_are_all_there(void **state)
{
	OWNED(table_done) struct table t = three_columns();
	OWNED(buf_done) struct buf out = { 0 };
	size_t lines = 0;

	(void)state;
	for (int i = 0; i < 10000; i++)
		row(&t, "a", "b", "c");
	table_format(&t, TABLE_BARE, 0, false, &out);

	for (size_t i = 0; i < out.length; i++)
		lines += out.data[i] == '\n';
	assert_int_equal(lines, 10000);
}

static void node(struct tree *t, unsigned depth, const char *text)
{
	OWNED(buf_done) struct buf line = { 0 };

	buf_text(&line, text);
	tree_add_take(t, depth, &line);
}

static void branches_end_with_their_last_node(void **state)
{
	OWNED(tree_done) struct tree t = { 0 };
	OWNED(buf_done) struct buf out = { 0 };

	(void)state;
	node(&t, 0, "root");
	node(&t, 1, "a");
	node(&t, 2, "a1");
	node(&t, 3, "a11");
	node(&t, 2, "a2");
	node(&t, 1, "b");
	node(&t, 2, "b1");
	node(&t, 3, "b11");
	tree_draw(&t, false, &out);

	assert_string_equal((const char *)out.data, "root\n"
						    "|- a\n"
						    "|  |- a1\n"
						    "|  |  `- a11\n"
						    "|  `- a2\n"
						    "`- b\n"
						    "   `- b1\n"
						    "      `- b11\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
		cmocka_unit_test(wide_and_combining_characters_stay_aligned),
		cmocka_unit_test(a_column_that_nobody_uses_is_left_out),
		cmocka_unit_test(lines_have_no_blanks_at_their_end),
		cmocka_unit_test(colours_do_not_count_as_width),
		cmocka_unit_test(what_a_terminal_would_obey_becomes_a_question_mark),
		cmocka_unit_test(ten_thousand_rows_are_all_there),
		cmocka_unit_test(branches_end_with_their_last_node),
	};

	(void)text_setup(); /* what the terminal is does not matter here */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
