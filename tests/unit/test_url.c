/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/url.h"

static void path_is(const char *id, const char *expected)
{
	OWNED(buf_done) struct buf b = { 0 };

	url_path(&b, id);

	assert_string_equal(b.data ? (const char *)b.data : "", expected);
}

static void slashes_of_an_id_stay_in_the_path(void **state)
{
	(void)state;

	path_is("nic-3fa2/pf0/vf3", "nic-3fa2/pf0/vf3");
	path_is("ch2/bay7", "ch2/bay7");
	path_is("1-42:a@b", "1-42:a@b");
}

static void what_would_end_the_path_is_encoded(void **state)
{
	(void)state;

	path_is("a?b#c%d e", "a%3Fb%23c%25d%20e");
	path_is("\xc3\xa4\n", "%C3%A4%0A");
	path_is("", "");
}

static void a_query_value_cannot_start_another_field(void **state)
{
	OWNED(buf_done) struct buf b = { 0 };

	(void)state;
	url_query(&b, "bay7&state=free+x=1");

	assert_string_equal((const char *)b.data, "bay7%26state%3Dfree%2Bx%3D1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slashes_of_an_id_stay_in_the_path),
		cmocka_unit_test(what_would_end_the_path_is_encoded),
		cmocka_unit_test(a_query_value_cannot_start_another_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
