/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/fault.h"

static void every_form_is_parsed_and_printed_again(void **unused)
{
	static const char *const forms[] = {
		"all:lost",          "bind:late=5000:3",         "unbind:delay=100",
		"all:refused:1",     "identity:done-but-failed", "read-host:lost:1000000000",
		"settle:refused:12", "host-power:late=0",
	};
	(void)unused;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		char why[PROVIDER_TEXT_MAX] = "", text[PROVIDER_TEXT_MAX];
		struct sim_fault fault;

		assert_int_equal(sim_fault_parse(forms[i], &fault, why), 0);
		sim_fault_format(&fault, text);
		assert_string_equal(text, forms[i]);
	}
}

static void anything_else_is_refused_with_a_reason(void **unused)
{
	static const char *const forms[] = {
		"",
		"all",
		"none:lost",
		"bund:lost",
		"bind:",
		"bind:gone",
		"bind:late",
		"bind:lost=3",
		"bind:late=",
		"bind:late=-1",
		"bind:late=1x",
		"bind:delay=99999999999",
		"bind:lost:0",
		"bind:lost:many",
		"bind:lost:1:2",
		"bind:lost:",
		" bind:lost",
		"bind:late= 5",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	(void)unused;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		char why[PROVIDER_TEXT_MAX] = "";
		struct sim_fault fault = { .ms = 42 };

		assert_int_equal(sim_fault_parse(forms[i], &fault, why), REFUSE_FIELD);
		assert_string_not_equal(why, "");
		assert_int_equal(fault.ms, 42);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_is_parsed_and_printed_again),
		cmocka_unit_test(anything_else_is_refused_with_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
