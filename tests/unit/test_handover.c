/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mriov/handover.h"

static const struct handover_goal goal = {
	.host = 2,
	.vport = 3,
	.generation = 9,
	.identity = { .mac = 0x02fab0000001 },
	.has_identity = true,
};
static const struct handover_goal release = { .generation = 10, .has_identity = true };

/* Every state that a read-back can show, in the few values that matter. */
static void each_seen(void (*fn)(const struct handover_seen *seen))
{
	const uint64_t macs[] = { 0, 0x02fab0000001, 0x02fab0000002 };

	for (uint32_t host = 0; host < 3; host++)
		for (uint16_t vport = 0; vport < 4; vport++)
			for (uint64_t generation = 8; generation < 10; generation++)
				for (size_t m = 0; m < 3; m++)
					fn(&(struct handover_seen){ .valid = true,
								    .host = host,
								    .vport = vport,
								    .generation = generation,
								    .identity.mac = macs[m] });
}

static void check_bind(const struct handover_seen *seen)
{
	for (int reset = 0; reset < 2; reset++) {
		if (handover_next(&goal, seen, reset) != HANDOVER_BIND)
			continue;
		assert_int_equal(seen->host, 0);
		assert_true(reset);
		assert_true(seen->identity.mac == goal.identity.mac);
	}
}

static void s1_s16_s17_no_bind_unless_nowhere_reset_and_named(void **unused)
{
	(void)unused;
	each_seen(check_bind);
}

static void check_set(const struct handover_seen *seen)
{
	if (handover_next(&goal, seen, true) != HANDOVER_SET)
		return;
	assert_int_equal(seen->host, 0);
	assert_true(identity_is_empty(&seen->identity));
}

static void s17_a_new_identity_waits_for_the_old_one_to_be_cleared(void **unused)
{
	(void)unused;
	each_seen(check_set);
}

static void check_end(const struct handover_seen *seen)
{
	for (int which = 0; which < 2; which++) {
		const struct handover_goal *g = which ? &release : &goal;
		struct handover_seen at = *seen;
		bool reset = false;
		int steps = 0;

		while (handover_next(g, &at, reset) != HANDOVER_DONE) {
			handover_foresee(g, handover_next(g, &at, reset), &at, &reset);
			assert_true(++steps < 8);
		}
		assert_int_equal(at.host, g->host);
		assert_true(at.identity.mac == (g->host ? g->identity.mac : 0));
	}
}

static void every_state_comes_to_the_goal(void **unused)
{
	(void)unused;
	each_seen(check_end);
}

static void without_a_read_back_it_reads(void **unused)
{
	const struct handover_seen nothing = { 0 };

	(void)unused;
	assert_int_equal(handover_next(&goal, &nothing, true), HANDOVER_READ);
}

static void another_generation_at_the_goal_is_not_done(void **unused)
{
	const struct handover_seen old = {
		.valid = true, .host = 2, .vport = 3, .generation = 8, .identity = goal.identity
	};

	(void)unused;
	assert_int_equal(handover_next(&goal, &old, true), HANDOVER_UNBIND);
}

static void a_function_without_identities_is_bound_without(void **unused)
{
	const struct handover_goal plain = { .host = 2, .vport = 3, .generation = 9 };
	const struct handover_seen nowhere = { .valid = true };

	(void)unused;
	assert_int_equal(handover_next(&plain, &nowhere, true), HANDOVER_BIND);
}

static void every_step_has_a_text(void **unused)
{
	(void)unused;
	for (int i = 0; i < HANDOVER_NEXTS; i++)
		assert_non_null(handover_text((enum handover_next)i));
}

static void another_vport_of_the_right_host_is_not_done(void **unused)
{
	const struct handover_seen beside = {
		.valid = true, .host = 2, .vport = 4, .generation = 9, .identity = goal.identity
	};

	(void)unused;
	assert_int_equal(handover_next(&goal, &beside, true), HANDOVER_UNBIND);
}

/* What such a function carries is its maker's, and stays. */
static void a_function_without_identities_keeps_what_it_carries(void **unused)
{
	const struct handover_goal plain = { .host = 2, .vport = 3, .generation = 9 };
	const struct handover_goal away = { .generation = 10 };
	struct handover_seen seen = { .valid = true, .identity.mac = 5 };

	(void)unused;
	assert_int_equal(handover_next(&plain, &seen, true), HANDOVER_BIND);
	assert_int_equal(handover_next(&away, &seen, true), HANDOVER_DONE);
	seen.host = 2;
	seen.vport = 3;
	seen.generation = 9;
	assert_int_equal(handover_next(&plain, &seen, true), HANDOVER_DONE);
}

static void no_two_steps_have_one_text(void **unused)
{
	(void)unused;
	for (int i = 0; i < HANDOVER_NEXTS; i++)
		for (int k = 0; k < i; k++)
			assert_string_not_equal(handover_text((enum handover_next)i),
						handover_text((enum handover_next)k));
	assert_string_equal(handover_text(HANDOVER_DONE), "done");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s1_s16_s17_no_bind_unless_nowhere_reset_and_named),
		cmocka_unit_test(s17_a_new_identity_waits_for_the_old_one_to_be_cleared),
		cmocka_unit_test(every_state_comes_to_the_goal),
		cmocka_unit_test(without_a_read_back_it_reads),
		cmocka_unit_test(another_generation_at_the_goal_is_not_done),
		cmocka_unit_test(a_function_without_identities_is_bound_without),
		cmocka_unit_test(every_step_has_a_text),
		cmocka_unit_test(another_vport_of_the_right_host_is_not_done),
		cmocka_unit_test(a_function_without_identities_keeps_what_it_carries),
		cmocka_unit_test(no_two_steps_have_one_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
