/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/json_read.h"

static struct json_place place(const char *text)
{
	return (struct json_place){ text, text + strlen(text) };
}

static void members_come_in_their_order_and_end(void **state)
{
	struct json_place p = place(" { \"a\" : 7 , \"b\":\"x\",\"c\":null} ");
	uint64_t n = 0;
	char text[8];

	(void)state;
	assert_int_equal(json_enter(&p, '{'), 0);
	assert_int_equal(json_member(&p, text, sizeof(text)), 0);
	assert_string_equal(text, "a");
	assert_int_equal(json_number_read(&p, &n), 0);
	assert_int_equal(n, 7);
	assert_int_equal(json_member(&p, text, sizeof(text)), 0);
	assert_false(json_null_read(&p));
	assert_int_equal(json_text_read(&p, text, sizeof(text)), 0);
	assert_string_equal(text, "x");
	assert_int_equal(json_member(&p, text, sizeof(text)), 0);
	assert_true(json_null_read(&p));
	assert_int_equal(json_member(&p, text, sizeof(text)), -ENOENT);
}

static void values_that_are_not_wanted_are_skipped_whole(void **state)
{
	struct json_place p = place("[{\"a\":[1,{\"b\":\"]}\\\"\"}]},-1.5e3,true,\"x\",5]");
	uint64_t n = 0;

	(void)state;
	assert_int_equal(json_enter(&p, '['), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(json_element(&p), 0);
		assert_int_equal(json_skip(&p), 0);
	}
	assert_int_equal(json_element(&p), 0);
	assert_int_equal(json_number_read(&p, &n), 0);
	assert_int_equal(n, 5);
	assert_int_equal(json_element(&p), -ENOENT);
}

static void escapes_are_undone(void **state)
{
	struct json_place p = place("\"\\\"\\\\\\/\\n\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"");
	char text[32];

	(void)state;
	assert_int_equal(json_text_read(&p, text, sizeof(text)), 0);
	assert_string_equal(text, "\"\\/\nA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
}

static void a_text_that_does_not_fit_says_so_and_is_passed(void **state)
{
	struct json_place p = place("[\"abcd\",3]");
	char text[4];
	uint64_t n = 0;

	(void)state;
	assert_int_equal(json_enter(&p, '['), 0);
	assert_int_equal(json_element(&p), 0);
	assert_int_equal(json_text_read(&p, text, sizeof(text)), -EMSGSIZE);
	assert_int_equal(json_element(&p), 0);
	assert_int_equal(json_number_read(&p, &n), 0);
}

static void numbers_are_whole_and_fit(void **state)
{
	static const char *const bad[] = {
		"-1", "1.0", "1e3", "18446744073709551616", "\"1\"", ""
	};
	struct json_place p = place("18446744073709551615");
	uint64_t n = 0;

	(void)state;
	assert_int_equal(json_number_read(&p, &n), 0);
	assert_true(n == UINT64_MAX);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		p = place(bad[i]);
		assert_int_equal(json_number_read(&p, &n), -EBADMSG);
	}
}

/* Each text on the heap, without a NUL, for the sanitizer to watch its end. */
static void what_ends_early_is_refused_and_never_read_past(void **state)
{
	static const char text[] = "{\"a\\u00e9\\ud83d\\ude00\":[1,\"x\",null]}";
	char key[32];

	(void)state;
	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		char *copy = malloc(n ? n : 1);
		struct json_place p = { copy, copy + n };

		memcpy(copy, text, n);
		assert_int_not_equal(json_skip(&p), 0);
		p.at = copy;
		if (!json_enter(&p, '{') && !json_member(&p, key, sizeof(key)))
			(void)!json_null_read(&p);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_come_in_their_order_and_end),
		cmocka_unit_test(values_that_are_not_wanted_are_skipped_whole),
		cmocka_unit_test(escapes_are_undone),
		cmocka_unit_test(a_text_that_does_not_fit_says_so_and_is_passed),
		cmocka_unit_test(numbers_are_whole_and_fit),
		cmocka_unit_test(what_ends_early_is_refused_and_never_read_past),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
