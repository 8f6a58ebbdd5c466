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

/* S9, S14: else an agent would let go under the epoch before, and again under this one. */
static void s9_a_host_is_told_that_it_is_fenced_once_the_epoch_of_that_can_be_told(void **state)
{
	struct house *h = *state;
	uint64_t before;
	uint64_t told = 0;

	usual(h);
	run(h, 10 * BEAT);
	before = host(h, "bay1")->epoch;
	h->holds_commits = true;
	assert_int_equal(failover(h, "bay1"), 0);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCING);
	assert_int_equal(
		fabric_beat(h->fabric, "bay1", "boot-0-0", ++h->agents[0].seq, h->now_ms, &told),
		0);
	assert_int_equal(told, before);
	assert_int_equal(fabric_beat_answer(h->fabric, "bay1"), 0); /* by another way */

	h->holds_commits = false;
	run(h, 3 * BEAT);
	assert_int_equal(h->agents[0].answer, REFUSE_HOST_FENCED);
	assert_int_equal(h->agents[0].epoch, before + 1);
	assert_int_equal(fabric_beat_answer(h->fabric, "bay1"), REFUSE_HOST_FENCED);
	assert_int_equal(fabric_beat_answer(h->fabric, "bay2"), 0);
	assert_int_equal(fabric_beat_answer(h->fabric, "nobody"), REFUSE_NO_HOST);
}

/* ---- what a fenced host's agent claims ---- */

static void claims(struct house *h, const char *boot_id, uint64_t epoch)
{
	fabric_agent_stopped(h->fabric, "bay1", boot_id, epoch, 8, 0, "");
}

static unsigned claim_steps(const struct house *h)
{
	size_t count;
	const struct fabric_incident *const *incidents = fabric_incidents(h->fabric, &count);
	unsigned n = 0;

	for (size_t i = 0; i < count; i++)
		for (size_t s = 0; s < incidents[i]->step_count; s++)
			n += !strcmp(incidents[i]->steps[s].what, "claim");
	return n;
}

static void what_its_agent_claims_is_told_once_and_as_a_claim(void **state)
{
	struct house *h = *state;

	usual(h);
	silence(h, BAY1);
	run(h, MOVED);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	claims(h, "boot-0-0", host(h, "bay1")->epoch);
	claims(h, "boot-0-0", host(h, "bay1")->epoch);
	run(h, BEAT);

	assert_int_equal(events(h, "host.stopped-using", "bay1"), 1);
	assert_int_equal(claim_steps(h), 1);
}

static void what_is_old_of_another_boot_or_of_nobody_fenced_is_not_told(void **state)
{
	struct house *h = *state;
	uint64_t epoch;

	usual(h);
	epoch = host(h, "bay1")->epoch;
	claims(h, "boot-0-0", epoch); /* it is not fenced */
	silence(h, BAY1);
	run(h, MOVED);
	claims(h, "boot-0-0", epoch);
	claims(h, "boot-0-1", host(h, "bay1")->epoch);
	claims(h, "boot-0-0", host(h, "bay1")->epoch + 1);
	run(h, BEAT);

	assert_int_equal(events(h, "host.stopped-using", NULL), 0);
	assert_int_equal(claim_steps(h), 0);
}

/* S20: neither sooner nor instead of a proof. */
static void s20_an_agent_that_says_it_has_stopped_proves_nothing(void **state)
{
	struct house *h = *state;

	usual(h);
	fault(h, PROVIDER_ISOLATE, SIM_FAULT_REFUSED, 0, 0);
	fault(h, PROVIDER_UNBIND, SIM_FAULT_REFUSED, 0, 0);
	fault(h, PROVIDER_HOST_POWER, SIM_FAULT_REFUSED, 0, 0);
	silence(h, BAY1);
	for (unsigned n = 0; n < 120; n++) {
		run(h, BEAT);
		claims(h, "boot-0-0", host(h, "bay1")->epoch);
	}

	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_BLOCKED);
	assert_int_equal(events(h, "host.stopped-using", "bay1"), 1);
	assert_int_equal(at_switch(h, VF1), BAY1);
	assert_int_equal(events(h, "host.fenced", NULL), 0);
}

static void an_agent_that_claims_too_early_changes_nothing(void **state)
{
	struct house *h = *state;

	usual(h);
	for (unsigned n = 0; n < 10; n++) {
		claims(h, "boot-0-0", host(h, "bay1")->epoch);
		run(h, BEAT);
	}
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_ALIVE);
	assert_int_equal(at_switch(h, VF1), BAY1);
	assert_int_equal(sent(h, PROVIDER_ISOLATE, 0), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, house_begin, house_end)
	const struct CMUnitTest tests[] = {
		TEST(two_agents_of_one_host_are_told_once_and_not_with_each_beat),
		TEST(two_agents_are_told_again_an_hour_later),
		TEST(a_host_that_boots_is_told_each_time),
		TEST(s9_a_host_is_told_that_it_is_fenced_once_the_epoch_of_that_can_be_told),
		TEST(what_its_agent_claims_is_told_once_and_as_a_claim),
		TEST(what_is_old_of_another_boot_or_of_nobody_fenced_is_not_told),
		TEST(s20_an_agent_that_says_it_has_stopped_proves_nothing),
		TEST(an_agent_that_claims_too_early_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
