/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/leaving.h"

static enum leaving_action run(enum leaving_state *state, const enum leaving_event *events,
			       size_t count)
{
	enum leaving_action last = LEAVING_DO_NOTHING;

	*state = LEAVING_BEFORE;
	for (size_t i = 0; i < count; i++)
		last = leaving_step(state, events[i]);
	return last;
}

#define RUN(state, ...)                                         \
	run(state, (const enum leaving_event[]){ __VA_ARGS__ }, \
	    sizeof((const enum leaving_event[]){ __VA_ARGS__ }) / sizeof(enum leaving_event))

static void a_function_leaves_step_by_step(void **unused)
{
	enum leaving_state s;

	(void)unused;
	assert_int_equal(RUN(&s, LEAVING_HOOKS_DONE), LEAVING_ASK);
	assert_int_equal(leaving_step(&s, LEAVING_WRITTEN), LEAVING_LOOK);
	assert_int_equal(leaving_step(&s, LEAVING_GONE), LEAVING_RUN_AFTER);
	assert_int_equal(leaving_step(&s, LEAVING_HOOKS_DONE), LEAVING_SAY_DONE);
	assert_int_equal(s, LEAVING_OVER);
}

static void a_hook_may_refuse_only_before_anything_was_done(void **unused)
{
	enum leaving_state s;

	(void)unused;
	assert_int_equal(RUN(&s, LEAVING_HOOK_FAILED), LEAVING_SAY_REFUSED);
	assert_int_equal(
		RUN(&s, LEAVING_HOOKS_DONE, LEAVING_WRITTEN, LEAVING_GONE, LEAVING_HOOK_FAILED),
		LEAVING_SAY_DONE);
}

static void it_may_be_gone_before_the_write_comes_back(void **unused)
{
	enum leaving_state s;

	(void)unused;
	assert_int_equal(RUN(&s, LEAVING_HOOKS_DONE, LEAVING_GONE), LEAVING_RUN_AFTER);
	assert_int_equal(leaving_step(&s, LEAVING_WRITTEN), LEAVING_DO_NOTHING);
	assert_int_equal(s, LEAVING_AFTER);
}

static void the_deadline_ends_every_state_with_what_is_known(void **unused)
{
	static const struct {
		enum leaving_state state;
		enum leaving_action says;
	} ends[] = {
		{ LEAVING_BEFORE, LEAVING_SAY_REFUSED },
		{ LEAVING_ASKING, LEAVING_SAY_FAILED },
		{ LEAVING_GOING, LEAVING_SAY_FAILED },
		{ LEAVING_AFTER, LEAVING_SAY_DONE },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		enum leaving_state s = ends[i].state;

		assert_int_equal(leaving_step(&s, LEAVING_DEADLINE), ends[i].says);
		assert_int_equal(s, LEAVING_OVER);
	}
}

static void nothing_comes_after_the_end_and_nobody_is_answered_twice(void **unused)
{
	(void)unused;
	for (int e = 0; e < LEAVING_EVENTS; e++) {
		enum leaving_state s = LEAVING_OVER;

		assert_int_equal(leaving_step(&s, (enum leaving_event)e), LEAVING_DO_NOTHING);
		assert_int_equal(s, LEAVING_OVER);
	}
}

/* Done is said only of what was seen gone. */
static void from_no_state_is_done_said_without_gone(void **unused)
{
	(void)unused;
	for (int st = LEAVING_BEFORE; st < LEAVING_AFTER; st++)
		for (int e = 0; e < LEAVING_EVENTS; e++) {
			enum leaving_state s = (enum leaving_state)st;

			assert_int_not_equal(leaving_step(&s, (enum leaving_event)e),
					     LEAVING_SAY_DONE);
			if (s == LEAVING_AFTER)
				assert_int_equal(e, LEAVING_GONE);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_function_leaves_step_by_step),
		cmocka_unit_test(a_hook_may_refuse_only_before_anything_was_done),
		cmocka_unit_test(it_may_be_gone_before_the_write_comes_back),
		cmocka_unit_test(the_deadline_ends_every_state_with_what_is_known),
		cmocka_unit_test(nothing_comes_after_the_end_and_nobody_is_answered_twice),
		cmocka_unit_test(from_no_state_is_done_said_without_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
