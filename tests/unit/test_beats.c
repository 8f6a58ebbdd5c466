/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Beats and what agents claim, with the whole brain. */
#include "house_fixture.h"

static int beat_as(struct house *h, const char *name, const char *boot_id, uint64_t seq)
{
	uint64_t epoch = 0;

	return fabric_beat(h->fabric, name, boot_id, seq, h->now_ms, &epoch);
}

static void two_agents_of_one_host_are_told_once_and_not_with_each_beat(void **state)
{
	struct house *h = *state;

	usual(h);
	for (uint64_t n = 1; n <= 60; n++) {
		run(h, BEAT);
		assert_int_equal(beat_as(h, "bay1", "another", n), 0);
	}

	assert_int_equal(events(h, "host.booted", "bay1"), 1);
	assert_int_equal(events(h, "host.two-agents", "bay1"), 1);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_ALIVE);
	assert_int_equal(events(h, "host.suspect", NULL), 0);
}

static void two_agents_are_told_again_an_hour_later(void **state)
{
	struct house *h = *state;

	usual(h);
	for (uint64_t n = 1; n <= 3700; n++) {
		run(h, BEAT);
		assert_int_equal(beat_as(h, "bay1", "another", n), 0);
	}

	assert_int_equal(events(h, "host.two-agents", "bay1"), 2);
}

static void a_host_that_boots_is_told_each_time(void **state)
{
	struct house *h = *state;

	usual(h);
	for (unsigned n = 0; n < 6; n++) {
		h->agents[BAY1 - 1].boots++;
		run(h, 3 * BEAT);
	}

	assert_int_equal(events(h, "host.booted", "bay1"), 6);
	assert_int_equal(events(h, "host.two-agents", "bay1"), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, house_begin, house_end)
	const struct CMUnitTest tests[] = {
		TEST(two_agents_of_one_host_are_told_once_and_not_with_each_beat),
		TEST(two_agents_are_told_again_an_hour_later),
		TEST(a_host_that_boots_is_told_each_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
