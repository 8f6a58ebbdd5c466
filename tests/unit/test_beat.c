/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/beat.h"

enum { START = 5000, INTERVAL = 1000 };

static struct beat beating(void)
{
	struct beat b;

	beat_init(&b, INTERVAL, START);
	assert_int_equal(beat_step(&b, BEAT_TIMER, START), BEAT_CONNECT);
	assert_int_equal(beat_step(&b, BEAT_CONNECTED, START), BEAT_DO_NOTHING);
	return b;
}

static void the_first_beat_leaves_at_once_and_the_next_an_interval_later(void **state)
{
	struct beat b = beating();

	(void)state;
	assert_int_equal(beat_wake_ms(&b), START);
	assert_int_equal(beat_step(&b, BEAT_TIMER, START), BEAT_SEND);
	assert_int_equal(beat_step(&b, BEAT_ANSWERED, START + 3), BEAT_DO_NOTHING);

	assert_int_equal(beat_wake_ms(&b), START + INTERVAL);
	assert_int_equal(beat_step(&b, BEAT_TIMER, START + INTERVAL), BEAT_SEND);
}

static void beats_that_were_missed_are_not_sent_later(void **state)
{
	struct beat b = beating();

	(void)state;
	assert_int_equal(beat_step(&b, BEAT_TIMER, START + 9500), BEAT_SEND);
	beat_step(&b, BEAT_ANSWERED, START + 9501);

	assert_int_equal(beat_wake_ms(&b), START + 9500 + INTERVAL);
}

static void an_answer_that_does_not_come_costs_two_beats_at_most(void **state)
{
	struct beat b = beating();

	(void)state;
	beat_step(&b, BEAT_TIMER, START);

	assert_int_equal(beat_wake_ms(&b), START + 2 * INTERVAL);
	assert_int_equal(beat_step(&b, BEAT_TIMER, START + 2 * INTERVAL), BEAT_DROP);
	assert_int_equal(beat_wake_ms(&b), START + 2 * INTERVAL + 100);
	assert_int_equal(beat_step(&b, BEAT_TIMER, START + 2 * INTERVAL + 100), BEAT_CONNECT);
}

static void connecting_never_gives_up_and_never_waits_longer_than_two_beats(void **state)
{
	struct beat b;
	uint64_t now = START;

	(void)state;
	beat_init(&b, INTERVAL, now);
	for (int i = 0; i < 100000; i++) {
		uint64_t wake;

		assert_int_equal(beat_step(&b, BEAT_TIMER, now), BEAT_CONNECT);
		assert_int_equal(beat_step(&b, BEAT_LOST, now), BEAT_DROP);
		wake = beat_wake_ms(&b);
		assert_true(wake > now);
		assert_true(wake - now <= 2 * INTERVAL);
		now = wake;
	}
}

static void an_answered_beat_makes_the_next_connection_quick_again(void **state)
{
	struct beat b = beating();

	(void)state;
	b.failures = 12;
	beat_step(&b, BEAT_TIMER, START);
	beat_step(&b, BEAT_ANSWERED, START);
	assert_int_equal(beat_step(&b, BEAT_LOST, START + 10), BEAT_DROP);

	assert_int_equal(beat_wake_ms(&b), START + 110);
}

static void every_state_survives_a_lost_connection(void **state)
{
	(void)state;
	for (int link = BEAT_CONNECTING; link < BEAT_LINKS; link++) {
		struct beat b = { .interval_ms = INTERVAL, .link = (enum beat_link)link };

		assert_int_equal(beat_step(&b, BEAT_LOST, START), BEAT_DROP);
		assert_int_equal(b.link, BEAT_AWAY);
	}
}

static void a_fence_is_said_once_and_slows_the_beats_down(void **state)
{
	struct beat b = beating();

	(void)state;
	assert_int_equal(beat_judge(&b, 409, true), BEAT_FENCED);
	assert_int_equal(beat_judge(&b, 409, true), BEAT_NO_NEWS);
	beat_step(&b, BEAT_TIMER, START);
	beat_step(&b, BEAT_ANSWERED, START);

	assert_int_equal(beat_wake_ms(&b), START + 2 * INTERVAL);
}

static void a_readmitted_host_is_back_at_full_pace_at_once(void **state)
{
	struct beat b = beating();

	(void)state;
	beat_judge(&b, 409, true);
	beat_step(&b, BEAT_TIMER, START);
	assert_int_equal(beat_judge(&b, 204, false), BEAT_READMITTED);
	beat_step(&b, BEAT_ANSWERED, START);

	assert_int_equal(beat_wake_ms(&b), START + INTERVAL);
}

static void only_an_accepted_beat_ends_a_fence(void **state)
{
	struct beat b = beating();

	(void)state;
	beat_judge(&b, 409, true);

	assert_int_equal(beat_judge(&b, 503, false), BEAT_REFUSED);
	assert_true(b.fenced);
	assert_int_equal(beat_judge(&b, 204, false), BEAT_READMITTED);
	assert_false(b.fenced);
}

static void a_refusal_is_said_once_and_so_is_its_end(void **state)
{
	struct beat b = beating();

	(void)state;
	assert_int_equal(beat_judge(&b, 204, false), BEAT_ACCEPTED);
	assert_int_equal(beat_judge(&b, 200, false), BEAT_NO_NEWS);
	assert_int_equal(beat_judge(&b, 404, false), BEAT_REFUSED);
	assert_int_equal(beat_judge(&b, 404, false), BEAT_NO_NEWS);
	assert_int_equal(beat_judge(&b, 204, false), BEAT_ACCEPTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_beat_leaves_at_once_and_the_next_an_interval_later),
		cmocka_unit_test(beats_that_were_missed_are_not_sent_later),
		cmocka_unit_test(an_answer_that_does_not_come_costs_two_beats_at_most),
		cmocka_unit_test(connecting_never_gives_up_and_never_waits_longer_than_two_beats),
		cmocka_unit_test(an_answered_beat_makes_the_next_connection_quick_again),
		cmocka_unit_test(every_state_survives_a_lost_connection),
		cmocka_unit_test(a_fence_is_said_once_and_slows_the_beats_down),
		cmocka_unit_test(a_readmitted_host_is_back_at_full_pace_at_once),
		cmocka_unit_test(only_an_accepted_beat_ends_a_fence),
		cmocka_unit_test(a_refusal_is_said_once_and_so_is_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
