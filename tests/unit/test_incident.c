/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The time line of an incident (fabricd/incident.c). */
#include "house_fixture.h"

/* bay1 is fenced, and no spare is there for what it has. */
static void no_spare(struct house *h)
{
	manager_start(h);
	run(h, STEADY);
	assign(h, VF1, "bay1", MAC1);
	silence(h, BAY1);
	run(h, MOVED);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
}

static void restart_after(struct house *h, uint64_t ms)
{
	manager_kill(h);
	h->now_ms += ms;
	h->next_beat_ms = h->now_ms;
	manager_start(h);
	run(h, STEADY);
}

static const struct db_step *last_step(const struct house *h)
{
	size_t count;
	const struct fabric_incident *const *all = fabric_incidents(h->fabric, &count);

	assert_int_equal(count, 1);
	return &all[0]->steps[all[0]->step_count - 1];
}

static void its_time_line_goes_on_over_a_restart(void **state)
{
	struct house *h = *state;
	uint32_t before_ms;

	no_spare(h);
	before_ms = last_step(h)->offset_ms;
	restart_after(h, 100 * BEAT);
	spare(h, "bay8");
	run(h, STEADY);

	assert_string_equal(last_step(h)->what, "done");
	assert_in_range(last_step(h)->offset_ms, before_ms + 100 * BEAT,
			before_ms + 100 * BEAT + 3 * STEADY);
}

static void its_time_line_never_goes_back_whatever_the_wall_clock_does(void **state)
{
	struct house *h = *state;
	uint32_t before_ms;

	no_spare(h);
	before_ms = last_step(h)->offset_ms;
	h->wall_skew_ms = -3600 * BEAT;
	restart_after(h, BEAT);
	spare(h, "bay8");
	run(h, STEADY);

	assert_string_equal(last_step(h)->what, "done");
	assert_in_range(last_step(h)->offset_ms, before_ms, before_ms + 3 * STEADY);
}

static void its_time_line_ends_at_the_greatest_number(void **state)
{
	struct house *h = *state;

	no_spare(h);
	h->wall_skew_ms = (int64_t)UINT32_MAX * 3;
	restart_after(h, BEAT);
	spare(h, "bay8");
	run(h, STEADY);

	assert_string_equal(last_step(h)->what, "done");
	assert_true(last_step(h)->offset_ms == UINT32_MAX);
}

/* Another blade is in its bay, by all that the switch shows. */
static void bay_rename(struct house *h, unsigned bay, const char *name)
{
	struct sim_map *map = (struct sim_map *)sim_model_map(h->reach[0].model);

	(void)snprintf(map->hosts[bay - 1].bay, sizeof(map->hosts[bay - 1].bay), "%s", name);
}

static void s20_whom_the_switch_does_not_show_after_a_restart_is_blocked_until_it_does(void **state)
{
	struct house *h = *state;

	usual(h);
	fault(h, PROVIDER_READ_HOST, SIM_FAULT_DELAY, 10 * BEAT, 1);
	silence(h, BAY1);
	run_until_state(h, "bay1", FABRIC_HOST_FENCING);
	run(h, 100);
	bay_rename(h, BAY1, "other");
	restart_after(h, BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_BLOCKED);

	bay_rename(h, BAY1, "bay1");
	scan_again(h);
	run(h, 60 * BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(h, VF1), BAY8);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, house_begin, house_end)
	const struct CMUnitTest tests[] = {
		TEST(its_time_line_goes_on_over_a_restart),
		TEST(its_time_line_never_goes_back_whatever_the_wall_clock_does),
		TEST(s20_whom_the_switch_does_not_show_after_a_restart_is_blocked_until_it_does),
		TEST(its_time_line_ends_at_the_greatest_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
