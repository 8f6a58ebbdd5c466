/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "provider/pending.h"

static void what_was_added_is_found_once(void **unused)
{
	OWNED(pending_done) struct pending p = { 0 };

	(void)unused;
	assert_false(pending_remove(&p, 1));
	assert_int_equal(pending_add(&p, 1, 10), 0);
	assert_int_equal(pending_add(&p, 1, 10), 0);
	assert_int_equal(p.count, 1);
	assert_true(pending_remove(&p, 1));
	assert_false(pending_remove(&p, 1));
	assert_false(pending_remove(&p, 0));
	assert_int_equal(p.count, 0);
	assert_true(p.earliest_ms == UINT64_MAX);
}

static void what_is_overdue_comes_out_and_the_rest_stays(void **unused)
{
	OWNED(pending_done) struct pending p = { 0 };
	uint64_t out[4];

	(void)unused;
	for (uint64_t i = 1; i <= 10; i++)
		assert_int_equal(pending_add(&p, i, 100 * i), 0);
	assert_int_equal(p.earliest_ms, 100);
	assert_int_equal(pending_take(&p, 99, out, 4), 0);
	assert_int_equal(pending_take(&p, 300, out, 4), 3);
	assert_int_equal(p.earliest_ms, 400);
	assert_int_equal(pending_take(&p, UINT64_MAX, out, 4), 4);
	assert_int_equal(pending_take(&p, UINT64_MAX, out, 4), 3);
	assert_int_equal(pending_take(&p, UINT64_MAX, out, 4), 0);
}

static uint32_t random_below(uint32_t *seed, uint32_t n)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 8) % n;
}

/* Against an array that is indexed by the attempt. */
static void it_agrees_with_the_plainest_table(void **unused)
{
	enum { ATTEMPTS = 3000, STEPS = 200000 };
	OWNED(pending_done) struct pending p = { 0 };
	uint64_t *deadlines = calloc(ATTEMPTS, sizeof(*deadlines)); /* 0: not there */
	uint32_t seed = 7;
	uint64_t now_ms = 1;
	size_t count = 0;

	(void)unused;
	for (size_t i = 0; i < STEPS; i++) {
		uint64_t attempt = 1 + random_below(&seed, ATTEMPTS - 1);
		uint32_t what = random_below(&seed, 100);
		uint64_t out[7];
		size_t n;

		if (what < 52) {
			count += !deadlines[attempt];
			deadlines[attempt] = now_ms + 1 + random_below(&seed, 5000);
			assert_int_equal(pending_add(&p, attempt, deadlines[attempt]), 0);
		} else if (what < 99) {
			assert_int_equal(pending_remove(&p, attempt), deadlines[attempt] != 0);
			count -= deadlines[attempt] != 0;
			deadlines[attempt] = 0;
		} else {
			now_ms += random_below(&seed, 100);
			do {
				n = pending_take(&p, now_ms, out, 7);
				for (size_t k = 0; k < n; k++) {
					assert_true(deadlines[out[k]] &&
						    deadlines[out[k]] <= now_ms);
					deadlines[out[k]] = 0;
					count--;
				}
			} while (n == 7);
			for (size_t k = 1; k < ATTEMPTS; k++)
				assert_true(!deadlines[k] || (deadlines[k] > now_ms &&
							      deadlines[k] >= p.earliest_ms));
		}
		assert_int_equal(p.count, count);
	}
	free(deadlines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_added_is_found_once),
		cmocka_unit_test(what_is_overdue_comes_out_and_the_rest_stays),
		cmocka_unit_test(it_agrees_with_the_plainest_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
