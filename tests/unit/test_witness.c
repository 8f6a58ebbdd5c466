/* SPDX-License-Identifier: GPL-2.0-or-later */
/* S7 with the whole brain: what comes from a host's port while its beats do not. */
#include "house_fixture.h"

static void traffic(struct house *h, unsigned bay, bool on)
{
	assert_int_equal(sim_model_host(h->reach[0].model, (uint16_t)bay, SIM_HOST_TRAFFIC, on), 0);
}

static void all_send(struct house *h)
{
	for (unsigned bay = 1; bay <= HOSTS; bay++)
		traffic(h, bay, true);
}

/* It dies: neither beats nor anything else. */
static void die(struct house *h, unsigned bay)
{
	silence(h, bay);
	traffic(h, bay, false);
}

static void s7_a_host_that_sends_and_does_not_beat_is_not_fenced(void **state)
{
	struct house *h = *state;

	all_send(h);
	usual(h);
	silence(h, BAY1);
	run(h, 60 * BEAT);

	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_SUSPECT);
	assert_int_equal(at_switch(h, VF1), BAY1);
	assert_int_equal(host(h, "bay1")->live.witness, LIVE_SAYS_ALIVE);
	assert_string_equal(fabric_host_traffic_text(host(h, "bay1")), "moves");
	assert_int_equal(events(h, "host.unheard", "bay1"), 1);
	assert_int_equal(events(h, "failover.hold", NULL), 1);
	assert_true(health(h).hold);
	assert_non_null(strstr(health(h).detail, "bay1 is silent, but traffic comes from it"));
	assert_int_equal(events(h, "host.fencing", NULL), 0);
}

static void s7_while_we_are_cut_off_nobody_else_is_fenced_either(void **state)
{
	struct house *h = *state;

	all_send(h);
	usual(h);
	silence(h, BAY2);
	run(h, 10 * BEAT);
	die(h, BAY1);
	run(h, 20 * BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_SUSPECT);
	assert_int_equal(events(h, "host.fencing", NULL), 0);

	/* Heard again: everybody gets a full fresh window, and then the dead one is failed over. */
	h->agents[BAY2 - 1].beats = true;
	run(h, WINDOW - BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_SUSPECT);
	run(h, MOVED);
	assert_int_equal(at_switch(h, VF1), BAY8);
	assert_int_equal(events(h, "host.fencing", "bay1"), 1);
}

static void s7_a_host_whose_counter_stands_is_failed_over_as_ever(void **state)
{
	struct house *h = *state;

	all_send(h);
	usual(h);
	die(h, BAY1);
	run(h, MOVED);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(h, VF1), BAY8);
	assert_int_equal(events(h, "host.unheard", NULL), 0);
	assert_int_equal(events(h, "failover.hold", NULL), 0);
}

static void s7_one_that_sends_and_then_dies_is_failed_over_a_window_later(void **state)
{
	struct house *h = *state;

	all_send(h);
	usual(h);
	silence(h, BAY1);
	run(h, 20 * BEAT);
	assert_int_equal(at_switch(h, VF1), BAY1);
	traffic(h, BAY1, false);
	run(h, WINDOW + MOVED);
	assert_int_equal(at_switch(h, VF1), BAY8);
	assert_int_equal(events(h, "failover.resume", NULL), 1);
}

static void s7_a_person_may_fail_over_one_that_sends(void **state)
{
	struct house *h = *state;

	all_send(h);
	usual(h);
	silence(h, BAY1);
	run(h, 20 * BEAT);
	assert_int_equal(failover(h, "bay1"), 0);
	run(h, MOVED);
	assert_int_equal(at_switch(h, VF1), BAY8);
}

static void s7_with_policy_none_nobody_is_asked_and_silence_suffices(void **state)
{
	struct house *h = *state;
	size_t from;

	h->config.witness = CONFIG_WITNESS_NONE;
	all_send(h);
	usual(h);
	silence(h, BAY1);
	from = h->sent_count;
	run(h, WINDOW - 1);
	assert_int_equal(sent(h, PROVIDER_READ_HOST, from), 0);
	run(h, MOVED - WINDOW);
	assert_int_equal(at_switch(h, VF1), BAY8);
}

static void s7_with_policy_all_silence_and_a_counter_that_stands_do_not_suffice(void **state)
{
	struct house *h = *state;

	h->config.witness = CONFIG_WITNESS_ALL;
	all_send(h);
	usual(h);
	die(h, BAY1);
	run(h, 60 * BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_SUSPECT);
	assert_int_equal(sim_model_host(h->reach[0].model, BAY1, SIM_HOST_POWER, false), 0);
	run(h, MOVED);
	assert_int_equal(at_switch(h, VF1), BAY8);
}

static void s7_one_without_power_is_dead_whatever_was_counted_before(void **state)
{
	struct house *h = *state;

	all_send(h);
	usual(h);
	silence(h, BAY1);
	run(h, 20 * BEAT);
	assert_int_equal(host(h, "bay1")->live.witness, LIVE_SAYS_ALIVE);
	assert_int_equal(sim_model_host(h->reach[0].model, BAY1, SIM_HOST_POWER, false), 0);
	run(h, 3 * BEAT);
	assert_int_equal(at_switch(h, VF1), BAY8);
}

static void s7_nobody_who_beats_is_read(void **state)
{
	struct house *h = *state;
	size_t from;

	all_send(h);
	usual(h);
	run(h, 5 * BEAT);
	from = h->sent_count;
	run(h, 100 * BEAT);
	assert_int_equal(sent(h, PROVIDER_READ_HOST, from), 0);
	silence(h, BAY1);
	run(h, WINDOW - 1);
	assert_int_equal(sent(h, PROVIDER_READ_HOST, from), 3);
	assert_int_equal(effects(h, from), 0);
}

static void s7_a_switch_that_counts_nothing_cannot_tell(void **state)
{
	struct house *h = *state;

	h->reach[0].chassis->can.tell_traffic = false;
	all_send(h);
	usual(h);
	silence(h, BAY1);
	run(h, 4 * BEAT);
	assert_string_equal(fabric_host_traffic_text(host(h, "bay1")), "not-counted");
	run(h, MOVED - 4 * BEAT);
	assert_int_equal(at_switch(h, VF1), BAY8);
}

static void s7_reads_that_are_not_answered_say_nothing(void **state)
{
	struct house *h = *state;

	all_send(h);
	usual(h);
	fault(h, PROVIDER_READ_HOST, SIM_FAULT_LOST, 0, 0);
	silence(h, BAY1);
	run(h, WINDOW + BEAT);
	assert_int_equal(events(h, "host.fencing", "bay1"), 1);
	assert_int_equal(events(h, "host.unheard", NULL), 0);
}

static void s7_the_time_line_tells_what_the_counter_did(void **state)
{
	struct house *h = *state;
	const struct fabric_incident *incident;
	bool is_told = false;

	all_send(h);
	usual(h);
	die(h, BAY1);
	run(h, MOVED);
	incident = fabric_incident_find(h->fabric, host(h, "bay1")->incident);
	if (!incident)
		incident = fabric_incident_find(h->fabric, 1);
	assert_non_null(incident);
	for (size_t i = 0; i < incident->step_count; i++)
		is_told = is_told || strstr(incident->steps[i].detail, "traffic from it: stands");
	assert_true(is_told);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, house_begin, house_end)
	const struct CMUnitTest tests[] = {
		TEST(s7_a_host_that_sends_and_does_not_beat_is_not_fenced),
		TEST(s7_while_we_are_cut_off_nobody_else_is_fenced_either),
		TEST(s7_a_host_whose_counter_stands_is_failed_over_as_ever),
		TEST(s7_one_that_sends_and_then_dies_is_failed_over_a_window_later),
		TEST(s7_a_person_may_fail_over_one_that_sends),
		TEST(s7_with_policy_none_nobody_is_asked_and_silence_suffices),
		TEST(s7_with_policy_all_silence_and_a_counter_that_stands_do_not_suffice),
		TEST(s7_one_without_power_is_dead_whatever_was_counted_before),
		TEST(s7_nobody_who_beats_is_read),
		TEST(s7_a_switch_that_counts_nothing_cannot_tell),
		TEST(s7_reads_that_are_not_answered_say_nothing),
		TEST(s7_the_time_line_tells_what_the_counter_did),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
