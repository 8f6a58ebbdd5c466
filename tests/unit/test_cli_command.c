/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/command.h"

enum { WORDS = 16 };

/* Blank-separated words; the result points into a static copy. */
static enum cli_exit parse(const char *line, struct cli_call *call)
{
	static char copy[256];
	const char *words[WORDS];
	OWNED(buf_done) struct buf error = { 0 };
	size_t count = 0;
	enum cli_exit r;

	assert_true(strlen(line) < sizeof(copy));
	strcpy(copy, line);
	for (char *at = strtok(copy, " "); at; at = strtok(NULL, " "))
		words[count++] = at;
	r = cli_parse(count, words, call, &error);
	assert_int_equal(r == CLI_USAGE, error.length != 0);
	return r;
}

static void every_entry_is_whole(void **state)
{
	(void)state;
	for (size_t i = 0; cli_commands[i]; i++) {
		const struct cli_command *c = cli_commands[i];

		assert_non_null(c->summary);
		assert_non_null(c->examples);
		assert_non_null(c->outputs);
		assert_non_null(c->run);
		assert_non_null(strstr(c->examples, c->name));
		assert_true(!c->filters || c->resource);
		for (size_t j = 0; j < CLI_OPTIONS && c->options[j].name; j++) {
			assert_memory_equal(c->options[j].name, "--", 2);
			assert_non_null(c->options[j].help);
		}
	}
}

static void every_name_is_one_or_two_words_and_stands_once(void **state)
{
	(void)state;
	for (size_t i = 0; cli_commands[i]; i++) {
		const char *blank = strchr(cli_commands[i]->name, ' ');

		assert_true(!blank || !strchr(blank + 1, ' '));
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(cli_commands[i]->name, cli_commands[j]->name);
	}
}

static void every_entry_parses_by_its_name_with_help(void **state)
{
	(void)state;
	for (size_t i = 0; cli_commands[i]; i++) {
		OWNED(buf_done) struct buf line = { 0 };
		struct cli_call call;

		buf_printf(&line, "%s --help", cli_commands[i]->name);
		assert_int_equal(parse((const char *)line.data, &call), CLI_DONE);
		assert_ptr_equal(call.command, cli_commands[i]);
		assert_true(call.help);
	}
}

static void options_and_operands_are_told_apart(void **state)
{
	struct cli_call call;

	(void)state;
	assert_int_equal(
		parse("function --socket /s assign --mac M f1 -o json h1 --vport=3", &call),
		CLI_DONE);

	assert_string_equal(call.command->name, "function assign");
	assert_int_equal(call.operand_count, 2);
	assert_string_equal(call.operands[0], "f1");
	assert_string_equal(call.operands[1], "h1");
	assert_string_equal(cli_call_option(&call, "--mac"), "M");
	assert_string_equal(cli_call_option(&call, "--vport"), "3");
	assert_null(cli_call_option(&call, "--wwpn"));
	assert_string_equal(call.socket, "/s");
	assert_string_equal(call.output, "json");
}

static void behind_two_dashes_all_are_operands(void **state)
{
	struct cli_call call;

	(void)state;
	assert_int_equal(parse("host show -- --help", &call), CLI_DONE);
	assert_false(call.help);
	assert_string_equal(call.operands[0], "--help");
}

static void only_lists_take_filters(void **state)
{
	struct cli_call call;

	(void)state;
	assert_int_equal(parse("adapter list --anything x", &call), CLI_DONE);
	assert_string_equal(cli_call_option(&call, "--anything"), "x");
	assert_int_equal(parse("adapter list --UPPER x", &call), CLI_USAGE);
	assert_int_equal(parse("adapter list --any&x y", &call), CLI_USAGE);
	assert_int_equal(parse("adapter show a --anything x", &call), CLI_USAGE);
}

static void a_group_alone_is_usage_but_has_help(void **state)
{
	struct cli_call call;

	(void)state;
	assert_int_equal(parse("host", &call), CLI_USAGE);
	assert_int_equal(parse("host --help", &call), CLI_DONE);
	assert_string_equal(call.group, "host");
	assert_int_equal(parse("help host set", &call), CLI_DONE);
	assert_string_equal(call.command->name, "host set");
	assert_int_equal(parse("hos --help", &call), CLI_USAGE);
	assert_int_equal(parse("", &call), CLI_USAGE);
}

static void numbers_are_digits_within_their_bounds(void **state)
{
	unsigned long n = 42;

	(void)state;
	assert_true(cli_number_parse("0", 0, 9, &n));
	assert_int_equal(n, 0);
	assert_true(cli_number_parse("9", 0, 9, &n));
	assert_int_equal(n, 9);
	for (size_t i = 0; i < 8; i++) {
		static const char *const bad[] = { "",   "-1", "10",  "1x",
						   " 1", "+1", "0x1", "99999999999999999999999" };

		assert_false(cli_number_parse(bad[i], 0, 9, &n));
	}
	assert_int_equal(n, 9);
}

static void outputs_are_compared_whole(void **state)
{
	(void)state;
	assert_true(cli_output_is_among("json", "table|json|ids"));
	assert_true(cli_output_is_among("ids", "table|json|ids"));
	assert_false(cli_output_is_among("jso", "table|json|ids"));
	assert_false(cli_output_is_among("json|ids", "table|json|ids"));
	assert_false(cli_output_is_among("", "table|json|ids"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_entry_is_whole),
		cmocka_unit_test(every_name_is_one_or_two_words_and_stands_once),
		cmocka_unit_test(every_entry_parses_by_its_name_with_help),
		cmocka_unit_test(options_and_operands_are_told_apart),
		cmocka_unit_test(behind_two_dashes_all_are_operands),
		cmocka_unit_test(only_lists_take_filters),
		cmocka_unit_test(a_group_alone_is_usage_but_has_help),
		cmocka_unit_test(numbers_are_digits_within_their_bounds),
		cmocka_unit_test(outputs_are_compared_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
