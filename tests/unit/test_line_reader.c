/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/line_reader.h"

enum { MAX = 8 };

static void line_add(void *arg, const char *text, size_t length)
{
	buf_printf(arg, "<%.*s>", (int)length, text);
}

static void feed(struct line_reader *r, const char *text, struct buf *out)
{
	assert_int_equal(line_reader_feed(r, text, strlen(text), line_add, out), 0);
}

static void lines_are_cut_wherever_the_pieces_end(void **state)
{
	static const char text[] = "ab\n\ncd\nefghijk\nl";

	(void)state;
	for (size_t step = 1; step < sizeof(text); step++) {
		OWNED(line_reader_done) struct line_reader r;
		OWNED(buf_done) struct buf out = { 0 };

		line_reader_init(&r, MAX);
		for (size_t i = 0; i < sizeof(text) - 1; i += step) {
			size_t left = sizeof(text) - 1 - i;

			assert_int_equal(line_reader_feed(&r, text + i, left < step ? left : step,
							  line_add, &out),
					 0);
		}
		assert_string_equal((char *)out.data, "<ab><cd><efghijk>");
		assert_int_equal(r.too_long, 0);
	}
}

static void a_line_that_is_too_long_costs_itself_and_no_other(void **state)
{
	OWNED(line_reader_done) struct line_reader r;
	OWNED(buf_done) struct buf out = { 0 };

	(void)state;
	line_reader_init(&r, MAX);
	feed(&r, "1234567", &out);
	feed(&r, "8", &out);
	for (int i = 0; i < 10000; i++)
		feed(&r, "more and more", &out);
	assert_true(r.part.length <= MAX);
	feed(&r, "\nok\n12345678\nok\n", &out);

	assert_string_equal((char *)out.data, "<ok><ok>");
	assert_int_equal(r.too_long, 2);
}

static void a_reset_forgets_the_part_that_it_had(void **state)
{
	OWNED(line_reader_done) struct line_reader r;
	OWNED(buf_done) struct buf out = { 0 };

	(void)state;
	line_reader_init(&r, MAX);
	feed(&r, "half", &out);
	line_reader_reset(&r);
	feed(&r, "whole\n", &out);

	assert_string_equal((char *)out.data, "<whole>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_cut_wherever_the_pieces_end),
		cmocka_unit_test(a_line_that_is_too_long_costs_itself_and_no_other),
		cmocka_unit_test(a_reset_forgets_the_part_that_it_had),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
