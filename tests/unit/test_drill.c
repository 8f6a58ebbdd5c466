/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Drills: the fence of an idle spare is proved, and whatever happens meanwhile is safe. */
#include "fabricd/state.h"
#include "house_fixture.h"

static int drill(struct house *h, const char *name)
{
	const struct fabric_drill how = { 0 };
	struct fabric_problem problem = { 0 };

	h->answer.count = 0;
	return fabric_host_drill(h->fabric, name, &how, 7, &problem, on_answer, h);
}

static void assert_refused(struct house *h, const char *name, int refusal, const char *part)
{
	const struct fabric_drill how = { 0 };
	struct fabric_problem problem = { 0 };
	size_t from = h->sent_count;

	assert_int_equal(fabric_host_drill(h->fabric, name, &how, 0, &problem, on_answer, h),
			 refusal);
	if (!strstr(problem.reason, part))
		fail_msg("\"%s\" does not hold \"%s\"", problem.reason, part);
	assert_int_equal(effects(h, from), 0);
}

static const struct fabric_incident *last_incident(const struct house *h)
{
	size_t count;
	const struct fabric_incident *const *all = fabric_incidents(h->fabric, &count);

	assert_int_not_equal(count, 0);
	return all[count - 1];
}

static void assert_ends_with(const struct fabric_incident *of, const char *part)
{
	assert_int_equal(of->row.state, DB_INCIDENT_DONE);
	for (size_t i = 0; i < of->step_count; i++)
		if (!strcmp(of->steps[i].what, "done") && strstr(of->steps[i].detail, part))
			return;
	fail_msg("its end does not say \"%s\"", part);
}

static bool is_empty_at_switch(const struct house *h, unsigned bay)
{
	const struct sim_map *map = sim_model_map(h->reach[0].model);

	for (size_t i = 0; i < map->function_count; i++)
		if (map->functions[i].now.host == bay)
			return false;
	return true;
}

/* ---- what it does ---- */

static void a_drill_proves_a_spares_fence_and_lets_it_in_again(void **state)
{
	struct house *h = *state;
	uint64_t epoch;
	size_t from;

	usual(h);
	epoch = host(h, "bay8")->epoch;
	from = h->sent_count;
	assert_int_equal(host(h, "bay8")->proved.wall_ms, 0);
	assert_int_equal(drill(h, "bay8"), 0);
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_FENCING); /* the door is closed */
	run(h, 2 * BEAT);

	assert_int_equal(h->answer.count, 1);
	assert_int_equal(h->answer.r, 0);
	assert_int_equal(h->answer.id, last_incident(h)->row.id);
	assert_true(last_incident(h)->row.drill);
	assert_ends_with(last_incident(h), "its fence was proved (isolate), and it is let in");
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_ALIVE);
	assert_true(host(h, "bay8")->spare);
	assert_int_equal(host(h, "bay8")->epoch, epoch + 2);
	assert_int_equal(sent(h, PROVIDER_ISOLATE, from), 2); /* cut off, and let in */
	assert_true(sent(h, PROVIDER_READ_HOST, from) >= 2);
	assert_int_equal(sent(h, PROVIDER_HOST_POWER, from), 0);
	assert_false(state_at_switch(h, BAY8)->isolated);
	assert_string_equal(host(h, "bay8")->proved.rungs, "isolate");
	assert_true(host(h, "bay8")->proved.by_drill);
	assert_int_equal(host(h, "bay8")->proved.incident, h->answer.id);
	assert_int_equal(events(h, "host.drill", "bay8"), 1);
	assert_int_equal(events(h, "host.drilled", "bay8"), 1);
	assert_int_equal(at_switch(h, VF1), BAY1); /* nobody else has noticed */
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_ALIVE);
}

/* It is let in a moment before who asked is answered. */
static void the_next_drill_begins_once_the_one_before_was_answered(void **state)
{
	struct house *h = *state;

	usual(h);
	assert_int_equal(drill(h, "bay8"), 0);
	while (last_incident(h)->row.state != DB_INCIDENT_DONE)
		house_step(h, h->now_ms + BEAT);
	assert_int_equal(h->answer.count, 0);
	assert_refused(h, "bay8", REFUSE_HOST_STATE, "one at a time");
	run(h, BEAT);

	assert_int_equal(h->answer.count, 1);
	assert_int_equal(h->answer.r, 0);
	assert_int_equal(drill(h, "bay8"), 0);
	run(h, 2 * BEAT);
	assert_int_equal(h->answer.r, 0);
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_ALIVE);
}

static void a_spare_that_was_drilled_takes_over_at_once(void **state)
{
	struct house *h = *state;

	usual(h);
	assert_int_equal(drill(h, "bay8"), 0);
	run(h, 2 * BEAT);
	silence(h, BAY1);
	run(h, MOVED);

	assert_int_equal(at_switch(h, VF1), BAY8); /* it has beaten all the time */
}

static void where_nothing_isolates_the_empty_read_back_is_the_proof(void **state)
{
	struct house *h = *state;

	usual(h);
	fault(h, PROVIDER_ISOLATE, SIM_FAULT_REFUSED, 0, 0);
	assert_int_equal(drill(h, "bay8"), 0);
	run(h, 20 * BEAT);

	assert_string_equal(host(h, "bay8")->proved.rungs, "read back empty");
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_ALIVE);
}

static int drill_power(struct house *h)
{
	const struct fabric_drill how = { .power = true };
	struct fabric_problem problem = { 0 };

	h->answer.count = 0;
	return fabric_host_drill(h->fabric, "bay8", &how, 7, &problem, on_answer, h);
}

static void with_power_it_is_taken_once_the_host_is_empty_and_given_back(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	from = h->sent_count;
	assert_int_equal(drill_power(h), 0);
	silence(h, BAY8); /* it boots */
	run(h, 2 * BEAT);

	assert_int_equal(h->answer.count, 1);
	assert_int_equal(h->answer.r, 0);
	assert_string_equal(host(h, "bay8")->proved.rungs, "isolate, power");
	assert_int_equal(sent(h, PROVIDER_HOST_POWER, from), 2);
	assert_true(state_at_switch(h, BAY8)->power);
	assert_false(state_at_switch(h, BAY8)->isolated);
	assert_true(host(h, "bay8")->spare);
	h->agents[BAY8 - 1].beats = true;
	h->agents[BAY8 - 1].boots++;
	run(h, 2 * BEAT);
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_ALIVE);
}

/* Somebody has bound a function there, and nobody has told the manager. */
static void with_power_what_is_there_goes_before_its_power(void **state)
{
	struct house *h = *state;
	size_t unbind = 0;
	size_t power = 0;
	size_t from;

	usual(h);
	foreign(h, PROVIDER_BIND, VF3, BAY8, 20, 0);
	assert_int_equal(at_switch(h, VF3), BAY8);
	from = h->sent_count;
	assert_int_equal(drill_power(h), 0);
	silence(h, BAY8);
	run(h, 5 * BEAT);

	for (size_t i = from; i < h->sent_count; i++) {
		if (h->sent[i].verb == PROVIDER_UNBIND)
			unbind = i;
		if (h->sent[i].verb == PROVIDER_HOST_POWER && !h->sent[i].value)
			power = i;
	}
	assert_int_not_equal(unbind, 0);
	assert_true(power > unbind);
	assert_int_equal(h->answer.r, 0);
}

static void a_cold_spare_is_drilled_and_stays_off(void **state)
{
	struct house *h = *state;

	usual(h);
	spare(h, "bay7");
	silence(h, 7);
	assert_int_equal(sim_model_host(h->reach[0].model, 7, SIM_HOST_POWER, false), 0);
	run(h, STEADY);
	assert_int_equal(fabric_host_spare_kind(h->fabric, host(h, "bay7")), FABRIC_SPARE_COLD);
	assert_int_equal(drill(h, "bay7"), 0);
	run(h, 2 * BEAT);

	assert_int_equal(h->answer.count, 1);
	assert_int_equal(h->answer.r, 0);
	assert_string_equal(host(h, "bay7")->proved.rungs, "isolate");
	assert_false(state_at_switch(h, 7)->power);
	assert_false(state_at_switch(h, 7)->isolated);
	assert_int_equal(fabric_host_spare_kind(h->fabric, host(h, "bay7")), FABRIC_SPARE_COLD);
}

static void power_that_is_not_taken_fails_the_drill(void **state)
{
	struct house *h = *state;

	usual(h);
	fault(h, PROVIDER_HOST_POWER, SIM_FAULT_REFUSED, 0, 1);
	assert_int_equal(drill_power(h), 0);
	run(h, 5 * BEAT);

	assert_int_equal(h->answer.r, REFUSE_DRILL);
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_BLOCKED);
	assert_true(state_at_switch(h, BAY8)->power);
}

static void a_real_fence_is_a_proof_too_and_outlives_the_manager(void **state)
{
	struct house *h = *state;
	uint64_t wall;

	usual(h);
	silence(h, BAY1);
	run(h, MOVED);
	assert_string_equal(host(h, "bay1")->proved.rungs, "isolate, unbind");
	assert_false(host(h, "bay1")->proved.by_drill);
	wall = host(h, "bay1")->proved.wall_ms;
	assert_true(wall > 1700000000000);
	assert_int_equal(drill(h, "bay8"), REFUSE_HOST_STATE); /* it has functions now */

	manager_kill(h);
	manager_start(h);
	assert_int_equal(host(h, "bay1")->proved.wall_ms, wall);
	assert_string_equal(host(h, "bay1")->proved.rungs, "isolate, unbind");
	assert_int_equal(host(h, "bay1")->proved.incident, 1);
}

/* ---- what is refused ---- */

static void what_is_in_use_or_not_well_is_not_drilled(void **state)
{
	struct house *h = *state;
	const struct fabric_drill force = { .force = true };
	struct fabric_problem problem;

	usual(h);
	assert_refused(h, "bay9", REFUSE_NO_HOST, "there is no host bay9");
	assert_refused(h, "bay2", REFUSE_HOST_STATE, "bay2 is no spare");
	spare(h, "bay1");
	assert_refused(h, "bay1", REFUSE_HOST_STATE, "bay1 has functions");
	assert_int_equal(
		fabric_host_maintenance(h->fabric, "bay8", true, 0, &problem, on_answer, h), 0);
	run(h, 100);
	assert_refused(h, "bay8", REFUSE_HOST_STATE, "bay8 is maintenance, not alive");
	assert_int_equal(fabric_host_drill(h->fabric, "bay1", &force, 0, &problem, on_answer, h),
			 REFUSE_HOST_STATE);
	assert_int_equal(fabric_host_drill(h->fabric, "bay2", &force, 0, &problem, on_answer, h),
			 0);
	assert_refused(h, "bay3", REFUSE_HOST_STATE, "bay2 is being drilled, incident 1");
	run(h, 2 * BEAT);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_ALIVE);
	assert_false(host(h, "bay2")->spare);
}

static void what_a_change_leads_to_is_not_drilled(void **state)
{
	struct house *h = *state;

	usual(h);
	fault(h, PROVIDER_BIND, SIM_FAULT_DELAY, 800, 0);
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay8", 0), 0);
	assert_refused(h, "bay8", REFUSE_HOST_STATE, "or is about to");
}

static void what_somebody_else_bound_is_not_drilled(void **state)
{
	struct house *h = *state;

	usual(h);
	foreign(h, PROVIDER_BIND, VF3, BAY8, 20, 0);
	scan_again(h);
	assert_refused(h, "bay8", REFUSE_HOST_STATE, "bay8 has functions");
}

static void nobody_is_drilled_in_a_storm_or_while_an_incident_is_open(void **state)
{
	struct house *h = *state;

	usual(h);
	for (unsigned bay = 2; bay <= 5; bay++)
		silence(h, bay);
	run(h, WINDOW + BEAT);
	assert_true(health(h).hold);
	assert_refused(h, "bay8", REFUSE_HOST_STATE, "automatic failover is held");
	for (unsigned bay = 2; bay <= 5; bay++)
		h->agents[bay - 1].beats = true;
	run(h, 2 * WINDOW);

	fault(h, PROVIDER_ISOLATE, SIM_FAULT_DELAY, 800, 1);
	assert_int_equal(failover(h, "bay1"), 0);
	run(h, 100);
	assert_refused(h, "bay8", REFUSE_HOST_STATE, "of bay1 is open, and may need a spare");
}

static void an_incident_behind_another_provider_needs_no_spare_of_this_one(void **state)
{
	struct house *h = *state;
	struct fabric_problem problem;
	uint64_t epoch;

	reach_new(h, "slot", 2, false);
	usual(h);
	fault(h, PROVIDER_ISOLATE, SIM_FAULT_DELAY, 5000, 1);
	assert_int_equal(failover(h, "bay1"), 0);
	run(h, 100);
	assert_refused(h, "bay8", REFUSE_HOST_STATE, "of bay1 is open");
	assert_int_equal(fabric_beat(h->fabric, "ch2/slot1", "boot", 1, h->now_ms, &epoch), 0);

	assert_int_equal(fabric_host_drill(h->fabric, "ch2/slot1",
					   &(struct fabric_drill){ .force = true }, 0, &problem,
					   on_answer, h),
			 0);
	run(h, BEAT);
	assert_ends_with(last_incident(h), "its fence was proved");
}

static void nobody_is_drilled_behind_a_switch_that_is_lost_or_by_a_frozen_manager(void **state)
{
	struct house *h = *state;

	usual(h);
	h->reach[0].sink.state(h->reach[0].sink.arg, PROVIDER_LOST, NULL);
	assert_refused(h, "bay8", REFUSE_PROVIDER_AWAY, "the switch of bay8 is not ready");
	h->commit_fails = -EIO;
	assert_int_equal(fabric_host_set_spare(h->fabric, "bay7", true, 0, on_answer, h), 0);
	run(h, 100);
	assert_refused(h, "bay8", REFUSE_FROZEN, "the database cannot be written");
}

static void assert_power_refused(struct house *h, const char *name, const char *reason)
{
	const struct fabric_drill how = { .power = true };
	struct fabric_problem problem = { 0 };

	assert_int_equal(fabric_host_drill(h->fabric, name, &how, 0, &problem, on_answer, h),
			 REFUSE_HOST_STATE);
	assert_string_equal(problem.reason, reason);
}

static void power_is_taken_only_where_it_is_on_and_can_be_given_back(void **state)
{
	struct house *h = *state;
	struct provider_host *bay8;
	struct provider_hello *hello;

	usual(h);
	spare(h, "bay7");
	silence(h, 7);
	assert_int_equal(sim_model_host(h->reach[0].model, 7, SIM_HOST_POWER, false), 0);
	run(h, STEADY);
	assert_power_refused(h, "bay7", "bay7 is off already");
	bay8 = &host_get(h->fabric, "bay8")->as;
	bay8->can_power_on = false;
	assert_power_refused(h, "bay8", "its switch cannot turn bay8 off and on again");
	bay8->can_power_on = true;
	hello = &h->fabric->providers[0]->hello;
	hello->can &= ~(uint32_t)PROVIDER_CAN_POWER;
	assert_power_refused(h, "bay8", "its switch cannot turn bay8 off and on again");
	hello->can |= PROVIDER_CAN_POWER;
	assert_int_equal(drill_power(h), 0);
}

static void nobody_is_drilled_before_a_restored_database_is_adopted(void **state)
{
	struct house *h = *state;

	usual(h);
	h->fabric->restored = true;
	assert_refused(h, "bay8", REFUSE_ADOPT, "restored from a backup");
}

/* ---- while it runs ---- */

static void while_it_runs_the_spare_is_given_nothing(void **state)
{
	struct house *h = *state;

	usual(h);
	fault(h, PROVIDER_ISOLATE, SIM_FAULT_DELAY, 900, 1);
	assert_int_equal(drill(h, "bay8"), 0);
	run(h, 100);

	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay8", 0), REFUSE_HOST_STATE);
}

static void a_death_in_a_drill_takes_another_spare_at_once(void **state)
{
	struct house *h = *state;

	usual(h);
	spare(h, "bay2");
	silence(h, BAY1);
	run(h, WINDOW - 300);
	fault(h, PROVIDER_ISOLATE, SIM_FAULT_DELAY, 900, 1);
	assert_int_equal(drill(h, "bay8"), 0);
	run_until_state(h, "bay1", FABRIC_HOST_FENCING);
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_FENCING); /* neither waits */
	run(h, MOVED);

	assert_int_equal(at_switch(h, VF1), BAY2);
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_ALIVE);
	assert_int_equal(h->answer.r, 0);
}

static void a_death_in_a_drill_of_the_only_spare_takes_it_when_it_is_back(void **state)
{
	struct house *h = *state;

	usual(h);
	silence(h, BAY1);
	run(h, WINDOW - 300);
	fault(h, PROVIDER_READ_HOST, SIM_FAULT_LOST, 0, 2);
	assert_int_equal(drill(h, "bay8"), 0);
	run_until_state(h, "bay1", FABRIC_HOST_FENCED);
	run(h, 20 * BEAT);

	assert_int_equal(at_switch(h, VF1), BAY8);
	assert_int_equal(at_switch(h, VF2), BAY8);
}

static void a_spare_that_falls_silent_in_its_drill_stays_fenced(void **state)
{
	struct house *h = *state;

	usual(h);
	fault(h, PROVIDER_READ_HOST, SIM_FAULT_LOST, 0, 8);
	assert_int_equal(drill(h, "bay8"), 0);
	silence(h, BAY8);
	run(h, 60 * BEAT);

	assert_int_equal(h->answer.r, REFUSE_DRILL);
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_FENCED);
	assert_true(state_at_switch(h, BAY8)->isolated);
	assert_ends_with(last_incident(h), "it fell silent in its drill: bay8 stays fenced");
}

/* ---- what it finds ---- */

static void a_fence_that_cannot_be_proved_takes_nobodys_power_and_blocks(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	from = h->sent_count;
	fault(h, PROVIDER_ISOLATE, SIM_FAULT_REFUSED, 0, 0);
	fault(h, PROVIDER_READ_HOST, SIM_FAULT_LOST, 0, 0);
	assert_int_equal(drill(h, "bay8"), 0);
	run(h, 60 * BEAT);

	assert_int_equal(h->answer.count, 1);
	assert_int_equal(h->answer.r, REFUSE_DRILL);
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_BLOCKED);
	assert_int_equal(sent(h, PROVIDER_HOST_POWER, from), 0);
	assert_int_equal(events(h, "host.drill-failed", "bay8"), 1);
	assert_int_equal(host(h, "bay8")->proved.wall_ms, 0);

	/* It is tried again; once it is proved a person has the word. */
	sim_model_fault_clear(h->reach[0].model);
	run(h, 60 * BEAT);
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_FENCED);
	assert_ends_with(last_incident(h), "bay8 stays fenced until somebody has looked at it");
	assert_int_not_equal(host(h, "bay8")->proved.wall_ms, 0);
	assert_int_equal(readmit(h, "bay8"), 0);
	run(h, BEAT);
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_ALIVE);
	assert_true(host(h, "bay8")->spare);
}

static void a_door_that_does_not_open_again_stays_closed_and_is_told(void **state)
{
	struct house *h = *state;
	uint64_t epoch;

	usual(h);
	epoch = host(h, "bay8")->epoch;
	assert_int_equal(drill(h, "bay8"), 0);
	run_until_state(h, "bay8", FABRIC_HOST_FENCED);
	fault(h, PROVIDER_READ_HOST, SIM_FAULT_LOST, 0, 0);
	run(h, 60 * BEAT);
	assert_int_equal(host(h, "bay8")->epoch, epoch + 2); /* opened once */

	assert_int_equal(h->answer.count, 1);
	assert_int_equal(h->answer.r, REFUSE_DRILL);
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_FENCED);
	assert_ends_with(last_incident(h), "its door cannot be opened again: bay8 stays fenced");
	sim_model_fault_clear(h->reach[0].model);
	assert_int_equal(readmit(h, "bay8"), 0);
	run(h, 2 * BEAT);
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_ALIVE);
}

static void a_door_that_is_being_opened_is_not_opened_once_more(void **state)
{
	struct house *h = *state;
	uint64_t epoch;

	usual(h);
	fault(h, PROVIDER_READ_HOST, SIM_FAULT_DELAY, 300, 0);
	assert_int_equal(drill(h, "bay8"), 0);
	while (!h->fabric->drill.is_opening)
		house_step(h, h->now_ms + 1);
	epoch = host(h, "bay8")->epoch;
	drill_fenced(h->fabric, incident_get(h->fabric, last_incident(h)->row.id));
	run(h, 2 * BEAT);

	assert_int_equal(host(h, "bay8")->epoch, epoch);
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_ALIVE);
	assert_int_equal(h->answer.count, 1);
	assert_int_equal(h->answer.r, 0);
}

/* The door is being opened when the manager freezes; who waits for it is told once. */
static void who_asked_is_answered_once_when_the_manager_freezes_at_the_open_door(void **state)
{
	struct house *h = *state;

	usual(h);
	assert_int_equal(drill(h, "bay8"), 0);
	run_until_state(h, "bay8", FABRIC_HOST_FENCED);
	fault(h, PROVIDER_READ_HOST, SIM_FAULT_LOST, 0, 0);
	run(h, 100);
	freeze(h->fabric, "the test says so");
	run(h, 60 * BEAT);

	assert_int_equal(h->answer.count, 1);
	assert_int_equal(h->answer.r, REFUSE_FROZEN);
}

/* ---- whatever happens to the manager ---- */

static void a_manager_that_dies_at_any_moment_of_a_drill_leaves_it_safe(void **state)
{
	struct fabric_next next[FABRIC_NEXT_MAX];
	struct house *h = *state;
	unsigned stayed = 0;
	unsigned let_in = 0;

	usual(h);
	fault(h, PROVIDER_ISOLATE, SIM_FAULT_DELAY, 10, 0);
	for (unsigned ms = 0; ms < 60; ms++) {
		uint64_t epoch = host(h, "bay8")->epoch;

		assert_int_equal(drill(h, "bay8"), 0);
		for (uint64_t end = h->now_ms + ms; h->now_ms < end;)
			house_step(h, h->now_ms + 1);
		manager_kill(h);
		manager_start(h);
		run(h, STEADY);

		assert_true(is_empty_at_switch(h, BAY8));
		assert_true(host(h, "bay8")->spare);
		assert_true(host(h, "bay8")->epoch >= epoch);
		if (host(h, "bay8")->state == FABRIC_HOST_FENCED) {
			stayed++;
			assert_true(state_at_switch(h, BAY8)->isolated);
			assert_ends_with(last_incident(h), "the manager was restarted");
			assert_int_equal(fabric_health_next(h->fabric, next), 1);
			assert_string_equal(next[0].command, "fabricctl host readmit bay8");
			assert_int_equal(readmit(h, "bay8"), 0);
			run(h, STEADY);
		} else {
			let_in++; /* it was over, or not begun */
		}
		assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_ALIVE);
		assert_false(state_at_switch(h, BAY8)->isolated);
		assert_int_equal(at_switch(h, VF1), BAY1);
	}
	assert_true(stayed > 10);
	assert_true(let_in > 1);
}

static void a_switch_that_is_lost_in_a_drill_and_comes_back_ends_it_safely(void **state)
{
	struct house *h = *state;

	usual(h);
	fault(h, PROVIDER_ISOLATE, SIM_FAULT_DELAY, 10, 0);
	for (unsigned ms = 0; ms < 60; ms += 3) {
		const struct provider_hello hello = *sim_model_hello(h->reach[0].model);

		assert_int_equal(drill(h, "bay8"), 0);
		for (uint64_t end = h->now_ms + ms; h->now_ms < end;)
			house_step(h, h->now_ms + 1);
		h->reach[0].sink.state(h->reach[0].sink.arg, PROVIDER_LOST, NULL);
		run(h, BEAT);
		h->reach[0].sink.state(h->reach[0].sink.arg, PROVIDER_READY, &hello);
		run(h, 2 * STEADY);

		assert_int_equal(h->answer.count, 1);
		assert_true(is_empty_at_switch(h, BAY8));
		assert_int_equal(last_incident(h)->row.state, DB_INCIDENT_DONE);
		if (host(h, "bay8")->state == FABRIC_HOST_FENCED) {
			assert_int_equal(h->answer.r, REFUSE_DRILL);
			assert_int_equal(readmit(h, "bay8"), 0);
			run(h, STEADY);
		}
		assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_ALIVE);
	}
}

static void who_asked_is_answered_when_the_manager_freezes_in_a_drill(void **state)
{
	struct house *h = *state;

	usual(h);
	fault(h, PROVIDER_ISOLATE, SIM_FAULT_DELAY, 900, 1);
	assert_int_equal(drill(h, "bay8"), 0);
	run(h, 100);
	h->commit_fails = -EIO;
	assert_int_equal(fabric_host_set_spare(h->fabric, "bay7", true, 0, NULL, NULL), 0);
	run(h, 2 * BEAT);

	assert_int_equal(h->answer.count, 1);
	assert_int_equal(h->answer.r, REFUSE_FROZEN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, house_begin, house_end)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_drill_proves_a_spares_fence_and_lets_it_in_again),
		TEST(the_next_drill_begins_once_the_one_before_was_answered),
		TEST(a_spare_that_was_drilled_takes_over_at_once),
		TEST(where_nothing_isolates_the_empty_read_back_is_the_proof),
		TEST(with_power_it_is_taken_once_the_host_is_empty_and_given_back),
		TEST(with_power_what_is_there_goes_before_its_power),
		TEST(a_cold_spare_is_drilled_and_stays_off),
		TEST(power_that_is_not_taken_fails_the_drill),
		TEST(a_real_fence_is_a_proof_too_and_outlives_the_manager),
		TEST(what_is_in_use_or_not_well_is_not_drilled),
		TEST(what_a_change_leads_to_is_not_drilled),
		TEST(what_somebody_else_bound_is_not_drilled),
		TEST(an_incident_behind_another_provider_needs_no_spare_of_this_one),
		TEST(nobody_is_drilled_in_a_storm_or_while_an_incident_is_open),
		TEST(nobody_is_drilled_behind_a_switch_that_is_lost_or_by_a_frozen_manager),
		TEST(power_is_taken_only_where_it_is_on_and_can_be_given_back),
		TEST(nobody_is_drilled_before_a_restored_database_is_adopted),
		TEST(who_asked_is_answered_once_when_the_manager_freezes_at_the_open_door),
		TEST(a_door_that_is_being_opened_is_not_opened_once_more),
		TEST(while_it_runs_the_spare_is_given_nothing),
		TEST(a_death_in_a_drill_takes_another_spare_at_once),
		TEST(a_death_in_a_drill_of_the_only_spare_takes_it_when_it_is_back),
		TEST(a_spare_that_falls_silent_in_its_drill_stays_fenced),
		TEST(a_fence_that_cannot_be_proved_takes_nobodys_power_and_blocks),
		TEST(a_door_that_does_not_open_again_stays_closed_and_is_told),
		TEST(a_manager_that_dies_at_any_moment_of_a_drill_leaves_it_safe),
		TEST(a_switch_that_is_lost_in_a_drill_and_comes_back_ends_it_safely),
		TEST(who_asked_is_answered_when_the_manager_freezes_in_a_drill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
