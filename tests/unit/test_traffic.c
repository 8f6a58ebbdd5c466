/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "failover/traffic.h"

enum { BEAT = 1000, LAST = 10000 };

static const struct live_config five = { .interval_ms = BEAT,
					 .missed = 5,
					 .policy = LIVE_WITNESS_ANY };
static const struct live_config three = { .interval_ms = BEAT,
					  .missed = 3,
					  .policy = LIVE_WITNESS_ANY };

/* A host that has beaten at LAST, and not since. */
static struct live_host silent(void)
{
	return (struct live_host){ .watched = true, .last_beat_ms = LAST, .fresh_ms = 5000 };
}

static void s7_a_reading_is_asked_for_when_beats_are_missing_and_then_with_each_beat(void **unused)
{
	const struct live_host host = silent();
	struct live_traffic t = { 0 };

	(void)unused;
	assert_int_equal(live_traffic_due_ms(&t, &host, &five), LAST + 2500);
	live_traffic_ask(&t, &host, LAST + 2500);
	assert_int_equal(live_traffic_due_ms(&t, &host, &five), UINT64_MAX);
	live_traffic_take(&t, &host, &five, true, 7, LAST + 2510);
	assert_int_equal(live_traffic_due_ms(&t, &host, &five), LAST + 3510);
	live_traffic_ask(&t, &host, LAST + 3510);
	live_traffic_lose(&t);
	assert_int_equal(live_traffic_due_ms(&t, &host, &five), LAST + 4510);
}

static void s7_two_readings_fit_in_before_the_verdict_of_the_shortest_window(void **unused)
{
	const struct live_host host = silent();
	struct live_traffic t = { 0 };
	uint64_t first = live_traffic_due_ms(&t, &host, &three);
	uint64_t second;

	(void)unused;
	assert_true(first > LAST + BEAT);
	live_traffic_ask(&t, &host, first);
	live_traffic_take(&t, &host, &three, true, 7, first + 10);
	second = live_traffic_due_ms(&t, &host, &three);
	assert_int_equal(second, first + 10 + BEAT);
	assert_true(second < LAST + live_window_ms(&three));
}

static void s7_nobody_is_read_who_is_not_watched_or_not_asked(void **unused)
{
	const struct live_config none = { .interval_ms = BEAT, .missed = 5 };
	struct live_host host = silent();
	const struct live_traffic t = { 0 };

	(void)unused;
	assert_int_equal(none.policy, LIVE_WITNESS_NONE);
	assert_int_equal(live_traffic_due_ms(&t, &host, &none), UINT64_MAX);
	host.watched = false;
	assert_int_equal(live_traffic_due_ms(&t, &host, &five), UINT64_MAX);
}

/* Two readings, a beat apart. */
static void read_twice(struct live_traffic *t, const struct live_host *host, uint64_t first,
		       uint64_t second)
{
	live_traffic_ask(t, host, LAST + 2500);
	live_traffic_take(t, host, &five, true, first, LAST + 2510);
	live_traffic_ask(t, host, LAST + 3510);
	live_traffic_take(t, host, &five, true, second, LAST + 3520);
}

static void s7_a_counter_that_moves_says_alive_and_one_that_stands_says_nothing(void **unused)
{
	static const struct {
		uint64_t first, second;
		enum live_witness says;
	} rows[] = {
		{ 7, 8, LIVE_SAYS_ALIVE },
		{ 0, UINT64_MAX, LIVE_SAYS_ALIVE },
		{ 7, 7, LIVE_CANNOT_TELL },
		{ 7, 0, LIVE_CANNOT_TELL }, /* the switch has started anew */
	};
	const struct live_host host = silent();

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct live_traffic t = { 0 };

		read_twice(&t, &host, rows[i].first, rows[i].second);
		assert_int_equal(live_traffic_says(&t, &host, &five, LAST + 3520), rows[i].says);
	}
}

static void s7_one_reading_says_nothing(void **unused)
{
	const struct live_host host = silent();
	struct live_traffic t = { 0 };

	(void)unused;
	live_traffic_ask(&t, &host, LAST + 2500);
	live_traffic_take(&t, &host, &five, true, 1000, LAST + 2510);
	assert_int_equal(live_traffic_says(&t, &host, &five, LAST + 2510), LIVE_CANNOT_TELL);
}

static void s7_a_later_reading_that_stands_takes_it_back(void **unused)
{
	const struct live_host host = silent();
	struct live_traffic t = { 0 };

	(void)unused;
	read_twice(&t, &host, 7, 9);
	live_traffic_ask(&t, &host, LAST + 4520);
	live_traffic_take(&t, &host, &five, true, 9, LAST + 4530);
	assert_int_equal(live_traffic_says(&t, &host, &five, LAST + 4530), LIVE_CANNOT_TELL);
}

static void s7_a_reading_right_after_another_does_not_take_it_back(void **unused)
{
	const struct live_host host = silent();
	struct live_traffic t = { 0 };

	(void)unused;
	read_twice(&t, &host, 7, 9);
	live_traffic_ask(&t, &host, LAST + 3530); /* a hint's */
	live_traffic_take(&t, &host, &five, true, 9, LAST + 3540);
	assert_int_equal(live_traffic_says(&t, &host, &five, LAST + 3540), LIVE_SAYS_ALIVE);
}

static void s7_what_was_alive_counts_for_one_window_when_nothing_is_answered_any_more(void **unused)
{
	const struct live_host host = silent();
	struct live_traffic t = { 0 };

	(void)unused;
	read_twice(&t, &host, 7, 9);
	live_traffic_ask(&t, &host, LAST + 4520);
	live_traffic_lose(&t);
	assert_int_equal(live_traffic_says(&t, &host, &five, LAST + 3510 + 4999), LIVE_SAYS_ALIVE);
	assert_int_equal(live_traffic_says(&t, &host, &five, LAST + 3510 + 5000), LIVE_CANNOT_TELL);
}

static void s7_readings_of_an_earlier_silence_do_not_count(void **unused)
{
	struct live_host host = silent();
	struct live_traffic t = { 0 };

	(void)unused;
	read_twice(&t, &host, 7, 9);
	host.last_beat_ms = LAST + 4000;
	assert_int_equal(live_traffic_says(&t, &host, &five, LAST + 4001), LIVE_CANNOT_TELL);
	assert_int_equal(live_traffic_due_ms(&t, &host, &five), LAST + 4000 + 2500);
	/* The first of the next silence is compared with nothing. */
	live_traffic_ask(&t, &host, LAST + 6500);
	live_traffic_take(&t, &host, &five, true, 50, LAST + 6510);
	assert_int_equal(live_traffic_says(&t, &host, &five, LAST + 6510), LIVE_CANNOT_TELL);
}

static void s7_a_reading_that_was_asked_for_before_a_beat_is_not_taken(void **unused)
{
	struct live_host host = silent();
	struct live_traffic t = { 0 };

	(void)unused;
	live_traffic_ask(&t, &host, LAST + 2500);
	live_traffic_take(&t, &host, &five, true, 7, LAST + 2510);
	live_traffic_ask(&t, &host, LAST + 3510);
	host.last_beat_ms = LAST + 3515;
	live_traffic_take(&t, &host, &five, true, 9, LAST + 3520);
	assert_int_equal(live_traffic_says(&t, &host, &five, LAST + 3520), LIVE_CANNOT_TELL);
	assert_int_equal(t.readings, 1);
}

/* At the very same time: nobody knows which was first. */
static void s7_a_reading_that_was_asked_for_with_a_beat_is_of_no_silence(void **unused)
{
	struct live_host host = silent();
	struct live_traffic t = { 0 };

	(void)unused;
	read_twice(&t, &host, 7, 9);
	host.last_beat_ms = LAST + 3510;
	assert_int_equal(live_traffic_says(&t, &host, &five, LAST + 3520), LIVE_CANNOT_TELL);
	assert_int_equal(live_traffic_due_ms(&t, &host, &five), LAST + 3510 + 2500);
	live_traffic_ask(&t, &host, LAST + 3510);
	live_traffic_take(&t, &host, &five, true, 11, LAST + 3530);
	assert_int_equal(t.readings, 0);
}

static void s7_what_is_not_told_is_no_reading(void **unused)
{
	const struct live_host host = silent();
	struct live_traffic t = { 0 };

	(void)unused;
	live_traffic_ask(&t, &host, LAST + 2500);
	live_traffic_take(&t, &host, &five, true, 7, LAST + 2510);
	live_traffic_ask(&t, &host, LAST + 3510);
	live_traffic_take(&t, &host, &five, false, 9, LAST + 3520);
	assert_int_equal(live_traffic_says(&t, &host, &five, LAST + 3520), LIVE_CANNOT_TELL);
	assert_int_equal(t.readings, 1);
}

static void s7_a_counter_that_fell_takes_it_back_at_once(void **unused)
{
	const struct live_host host = silent();
	struct live_traffic t = { 0 };

	(void)unused;
	read_twice(&t, &host, 7, 9);
	live_traffic_ask(&t, &host, LAST + 3530); /* right after, and the switch has started anew */
	live_traffic_take(&t, &host, &five, true, 3, LAST + 3540);
	assert_int_equal(live_traffic_says(&t, &host, &five, LAST + 3540), LIVE_CANNOT_TELL);
}

/* The clock counts from the start of the machine. */
static void s7_the_first_reading_counts_however_early_the_clock(void **unused)
{
	const struct live_host host = { .watched = true, .last_beat_ms = 1, .fresh_ms = 1 };
	struct live_traffic t = { 0 };

	(void)unused;
	live_traffic_ask(&t, &host, 500);
	live_traffic_take(&t, &host, &five, true, 0, 510);
	live_traffic_ask(&t, &host, 1510);
	live_traffic_take(&t, &host, &five, true, 4, 1520);
	assert_int_equal(live_traffic_says(&t, &host, &five, 1520), LIVE_SAYS_ALIVE);
}

static void s7_a_switch_that_takes_just_a_beat_is_asked_on(void **unused)
{
	const struct live_host host = silent();
	struct live_traffic t = { 0 };

	(void)unused;
	live_traffic_ask(&t, &host, LAST + 2500);
	live_traffic_take(&t, &host, &five, true, 7, LAST + 2500 + BEAT);
	assert_int_equal(live_traffic_due_ms(&t, &host, &five), LAST + 2500 + 2 * BEAT);
}

static void s7_a_switch_that_counts_nothing_is_asked_once_in_each_silence(void **unused)
{
	struct live_host host = silent();
	struct live_traffic t = { 0 };

	(void)unused;
	live_traffic_ask(&t, &host, LAST + 2500);
	live_traffic_take(&t, &host, &five, false, 0, LAST + 2510);
	assert_int_equal(live_traffic_due_ms(&t, &host, &five), UINT64_MAX);
	assert_int_equal(live_traffic_says(&t, &host, &five, LAST + 2510), LIVE_CANNOT_TELL);
	host.last_beat_ms = LAST + 3000;
	assert_int_equal(live_traffic_due_ms(&t, &host, &five), LAST + 5500);
}

static void s7_what_a_switch_had_counted_before_it_was_lost_counts_no_more(void **unused)
{
	const struct live_host host = silent();
	struct live_traffic t = { 0 };

	(void)unused;
	read_twice(&t, &host, 7, 9);
	live_traffic_forget(&t);
	assert_int_equal(live_traffic_says(&t, &host, &five, LAST + 3530), LIVE_CANNOT_TELL);
	live_traffic_ask(&t, &host, LAST + 4000);
	live_traffic_take(&t, &host, &five, true, 100, LAST + 4010);
	assert_int_equal(live_traffic_says(&t, &host, &five, LAST + 4010), LIVE_CANNOT_TELL);
}

static void s7_who_is_set_aside_or_known_to_be_dead_is_not_read(void **unused)
{
	struct live_host host = silent();
	const struct live_traffic t = { 0 };

	(void)unused;
	host.aside = true;
	assert_int_equal(live_traffic_due_ms(&t, &host, &five), UINT64_MAX);
	host.aside = false;
	host.witness = LIVE_SAYS_DEAD;
	assert_int_equal(live_traffic_due_ms(&t, &host, &five), UINT64_MAX);
	host.witness = LIVE_SAYS_ALIVE;
	assert_int_equal(live_traffic_due_ms(&t, &host, &five), LAST + 2500);
}

static void s7_a_switch_that_takes_longer_than_a_beat_is_left_alone_for_a_while(void **unused)
{
	struct live_host host = silent();
	struct live_traffic t = { 0 };

	(void)unused;
	live_traffic_ask(&t, &host, LAST + 2500);
	live_traffic_take(&t, &host, &five, true, 7, LAST + 17500);
	assert_int_equal(live_traffic_due_ms(&t, &host, &five), LAST + 77500);
	host.last_beat_ms = LAST + 30000; /* another silence, the same switch */
	assert_int_equal(live_traffic_due_ms(&t, &host, &five), LAST + 77500);
	live_traffic_ask(&t, &host, LAST + 77500);
	live_traffic_take(&t, &host, &five, true, 7, LAST + 77600);
	assert_int_equal(live_traffic_due_ms(&t, &host, &five), LAST + 78600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			s7_a_reading_is_asked_for_when_beats_are_missing_and_then_with_each_beat),
		cmocka_unit_test(s7_two_readings_fit_in_before_the_verdict_of_the_shortest_window),
		cmocka_unit_test(s7_nobody_is_read_who_is_not_watched_or_not_asked),
		cmocka_unit_test(
			s7_a_counter_that_moves_says_alive_and_one_that_stands_says_nothing),
		cmocka_unit_test(s7_one_reading_says_nothing),
		cmocka_unit_test(s7_a_later_reading_that_stands_takes_it_back),
		cmocka_unit_test(s7_a_reading_right_after_another_does_not_take_it_back),
		cmocka_unit_test(
			s7_what_was_alive_counts_for_one_window_when_nothing_is_answered_any_more),
		cmocka_unit_test(s7_readings_of_an_earlier_silence_do_not_count),
		cmocka_unit_test(s7_a_reading_that_was_asked_for_before_a_beat_is_not_taken),
		cmocka_unit_test(s7_a_reading_that_was_asked_for_with_a_beat_is_of_no_silence),
		cmocka_unit_test(s7_what_is_not_told_is_no_reading),
		cmocka_unit_test(s7_a_counter_that_fell_takes_it_back_at_once),
		cmocka_unit_test(s7_the_first_reading_counts_however_early_the_clock),
		cmocka_unit_test(s7_a_switch_that_takes_just_a_beat_is_asked_on),
		cmocka_unit_test(s7_a_switch_that_counts_nothing_is_asked_once_in_each_silence),
		cmocka_unit_test(s7_who_is_set_aside_or_known_to_be_dead_is_not_read),
		cmocka_unit_test(
			s7_a_switch_that_takes_longer_than_a_beat_is_left_alone_for_a_while),
		cmocka_unit_test(s7_what_a_switch_had_counted_before_it_was_lost_counts_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
