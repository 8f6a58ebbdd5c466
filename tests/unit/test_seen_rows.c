/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What agents say, in the brain's words. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fabricd/seen_rows.h"

static bool is_without_memory;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
	return is_without_memory ? NULL : __real_calloc(count, size);
}

static void a_row_is_what_the_agent_saw(void **state)
{
	static const struct {
		enum agent_link from;
		enum fabric_seen_link to;
	} links[AGENT_LINKS] = {
		{ AGENT_LINK_UNKNOWN, FABRIC_SEEN_LINK_UNKNOWN },
		{ AGENT_LINK_UP, FABRIC_SEEN_LINK_UP },
		{ AGENT_LINK_DOWN, FABRIC_SEEN_LINK_DOWN },
	};

	(void)state;
	for (size_t i = 0; i < AGENT_LINKS; i++) {
		struct agent_function from = { .mac = 0x0200000000a1,
					       .wwpn = 7,
					       .class_code = 0x0200,
					       .vendor = 0x1af4,
					       .device = 0x1041,
					       .has_slot = true,
					       .slot = 12,
					       .link = links[i].from };
		const struct agent_line line = { .seen = &from, .seen_count = 1 };
		struct fabric_seen *rows = NULL;
		size_t count = 0;

		assert_int_equal(seen_rows_make(&line, &rows, &count), 0);
		assert_int_equal(count, 1);
		assert_int_equal(rows[0].link, links[i].to);
		assert_int_equal(rows[0].mac, 0x0200000000a1);
		assert_int_equal(rows[0].wwpn, 7);
		assert_int_equal(rows[0].class_code, 0x020000);
		assert_int_equal(rows[0].vendor, 0x1af4);
		assert_int_equal(rows[0].device, 0x1041);
		assert_int_equal(rows[0].slot, 12);
		free(rows);
	}
}

static void a_slot_that_cannot_be_is_none(void **state)
{
	static const struct {
		bool has_slot;
		uint32_t slot;
		uint16_t is;
	} rows[] = {
		{ false, 5, 0 },
		{ true, UINT16_MAX, UINT16_MAX },
		{ true, UINT16_MAX + 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct agent_function from = { .has_slot = rows[i].has_slot, .slot = rows[i].slot };
		const struct agent_line line = { .seen = &from, .seen_count = 1 };
		struct fabric_seen *made = NULL;
		size_t count = 0;

		assert_int_equal(seen_rows_make(&line, &made, &count), 0);
		assert_int_equal(made[0].slot, rows[i].is);
		free(made);
	}
}

static void without_memory_there_are_no_rows(void **state)
{
	const struct agent_line line = { .seen_count = 1 };
	struct fabric_seen *rows = NULL;
	size_t count = 7;

	(void)state;
	is_without_memory = true;
	assert_int_equal(seen_rows_make(&line, &rows, &count), -ENOMEM);
	is_without_memory = false;
	assert_null(rows);
	assert_int_equal(count, 7);
}

static void each_outcome_is_taken_for_what_it_is(void **state)
{
	(void)state;
	assert_int_equal(seen_outcome(AGENT_LEFT_DONE), FABRIC_ASK_DONE);
	assert_int_equal(seen_outcome(AGENT_LEFT_REFUSED), FABRIC_ASK_REFUSED);
	assert_int_equal(seen_outcome(AGENT_LEFT_FAILED), FABRIC_ASK_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_is_what_the_agent_saw),
		cmocka_unit_test(a_slot_that_cannot_be_is_none),
		cmocka_unit_test(without_memory_there_are_no_rows),
		cmocka_unit_test(each_outcome_is_taken_for_what_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
