/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/result.h"

static void every_refusal_has_a_text_a_code_and_a_status(void **unused)
{
	(void)unused;
	for (int i = 1; i < REFUSAL_END; i++) {
		assert_non_null(refusal_text(i));
		assert_non_null(refusal_code(i));
		assert_in_range(refusal_http_status(i), 400, 599);
	}
	assert_int_equal(refusal_http_status(REFUSE_FUNCTION_BOUND), 409);
}

static void no_two_refusals_share_a_code(void **unused)
{
	(void)unused;
	for (int i = 1; i < REFUSAL_END; i++)
		for (int j = i + 1; j < REFUSAL_END; j++)
			assert_string_not_equal(refusal_code(i), refusal_code(j));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_refusal_has_a_text_a_code_and_a_status),
		cmocka_unit_test(no_two_refusals_share_a_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
