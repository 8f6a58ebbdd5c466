/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cold spares (S11), in the house: bay8 is off at the switch and set as a spare, VF1 and VF2 are at
 * bay1, which falls silent. What turns a host on is the command at the modelled switch; that its
 * agent then beats is the test's to say.
 */
#include "fabricd/state.h"
#include "house_fixture.h"

enum {
	BAY7 = 7,
	COLD_START = 60 * BEAT, /* of every test here */
	FENCED = MOVED + 2000,  /* bay1 is fenced, and all that follows at once has happened */
};

static void power(struct house *h, unsigned bay, bool on)
{
	assert_int_equal(sim_model_host(h->reach[0].model, (uint16_t)bay, SIM_HOST_POWER, on), 0);
}

/* As usual(), but bay8 is off from the start and has never beaten. */
static void cold(struct house *h)
{
	h->config.cold_start_ms = COLD_START;
	silence(h, BAY8);
	power(h, BAY8, false);
	usual(h);
	run(h, 500);
	assert_int_equal(fabric_host_spare_kind(h->fabric, host(h, "bay8")), FABRIC_SPARE_COLD);
}

static void beats_again(struct house *h, unsigned bay)
{
	h->agents[bay - 1].beats = true;
	h->agents[bay - 1].boots++;
	h->agents[bay - 1].seq = 0;
}

static const struct fabric_incident *incident_of(const struct house *h, const char *name)
{
	size_t count;
	const struct fabric_incident *const *all = fabric_incidents(h->fabric, &count);

	while (count-- > 0)
		if (!strcmp(all[count]->row.host, name))
			return all[count];
	fail_msg("no incident of %s", name);
	return NULL;
}

static const struct db_step *step_of(const struct house *h, const char *name, const char *what)
{
	const struct fabric_incident *incident = incident_of(h, name);

	for (size_t i = 0; i < incident->step_count; i++)
		if (!strcmp(incident->steps[i].what, what))
			return &incident->steps[i];
	return NULL;
}

static bool is_power_on(const struct provider_op *op, unsigned bay)
{
	return op->verb == PROVIDER_HOST_POWER && op->value == 1 && op->host == bay;
}

static unsigned power_ons(const struct house *h, unsigned bay)
{
	unsigned n = 0;

	for (size_t i = 0; i < h->sent_count; i++)
		n += is_power_on(&h->sent[i], bay);
	return n;
}

static void run_until_power_on(struct house *h, unsigned bay)
{
	for (unsigned steps = 0; steps < 60000 && !power_ons(h, bay); steps++)
		house_step(h, h->now_ms + 1);
	assert_int_not_equal(power_ons(h, bay), 0);
}

/* bay1 falls silent; all of it is bound to bay8, and that is stored; its power-on waits for the
 * switch, which takes no more. */
static void until_bound_and_waiting(struct house *h)
{
	silence(h, BAY1);
	while (at_switch(h, VF1) != BAY8 || at_switch(h, VF2) != BAY8)
		house_step(h, h->now_ms + 1);
	h->holds_commits = true;
	run(h, 50);
	h->reach[0].is_full = true;
	h->holds_commits = false;
	run(h, 10);
	assert_non_null(step_of(h, "bay1", "power on"));
	assert_int_equal(power_ons(h, BAY8), 0);
}

/* By somebody else. */
static void cut_off(struct house *h, unsigned bay)
{
	const struct provider_op op = { .attempt = 1ull << 61,
					.verb = PROVIDER_ISOLATE,
					.host = (uint16_t)bay,
					.value = 1,
					.deadline_ms = h->now_ms + 1000 };
	struct provider_sink none = { 0 };
	struct provider *other = sim_model_provider(h->reach[0].model, &none);

	(void)other->ops->submit(other, &op);
	provider_close(other);
	run(h, 20);
}

static void s11_a_cold_spare_is_bound_and_read_back_before_it_is_powered_on(void **state)
{
	struct house *h = *state;

	cold(h);
	silence(h, BAY1);
	run_until_power_on(h, BAY8);

	assert_int_equal(at_switch(h, VF1), BAY8);
	assert_int_equal(at_switch(h, VF2), BAY8);
	assert_string_equal(function(h, VF1)->host->name, "bay8");
	assert_int_equal(mac_at_switch(h, VF1), MAC1);
	assert_int_equal(h->sent[h->sent_count - 1].epoch, host(h, "bay8")->epoch);
	for (size_t i = h->sent_count; i-- > 0;)
		if (is_power_on(&h->sent[i], BAY8)) {
			assert_int_equal(h->sent[i - 1].verb, PROVIDER_READ);
			break;
		}
	run(h, 100);
	assert_true(state_at_switch(h, BAY8)->power);
	assert_int_equal(incident_of(h, "bay1")->row.state, DB_INCIDENT_MOVING);
	assert_int_equal(fabric_host_spare_kind(h->fabric, host(h, "bay8")), FABRIC_SPARE_STARTING);
	assert_non_null(step_of(h, "bay1", "power on"));
	assert_non_null(step_of(h, "bay1", "first beat"));
}

static void s11_a_first_beat_in_time_ends_the_incident(void **state)
{
	struct house *h = *state;

	cold(h);
	silence(h, BAY1);
	run(h, FENCED);
	run(h, COLD_START - 10 * BEAT);
	assert_int_equal(incident_of(h, "bay1")->row.state, DB_INCIDENT_MOVING);
	beats_again(h, BAY8);
	run(h, 2 * BEAT);

	assert_int_equal(incident_of(h, "bay1")->row.state, DB_INCIDENT_DONE);
	assert_non_null(step_of(h, "bay1", "started"));
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_ALIVE);
	assert_int_equal(power_ons(h, BAY8), 1);
	run(h, 2 * COLD_START);
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_ALIVE);
	assert_int_equal(at_switch(h, VF1), BAY8);
	assert_false(host(h, "bay8")->spare);
}

static void s11_one_that_does_not_beat_in_time_is_fenced_and_the_next_takes_over(void **state)
{
	struct house *h = *state;

	cold(h);
	silence(h, BAY7);
	power(h, BAY7, false);
	spare(h, "bay7");
	run(h, 2 * WINDOW);
	assert_int_equal(fabric_host_spare_kind(h->fabric, host(h, "bay7")), FABRIC_SPARE_COLD);
	silence(h, BAY1);
	run(h, FENCED);
	assert_int_equal(at_switch(h, VF1), BAY7);
	assert_int_equal(power_ons(h, BAY8), 0);
	run(h, COLD_START - 10 * BEAT);
	assert_int_equal(host(h, "bay7")->state, FABRIC_HOST_UNKNOWN);
	run(h, 12 * BEAT);

	assert_int_equal(host(h, "bay7")->state, FABRIC_HOST_FENCED);
	assert_true(state_at_switch(h, BAY7)->isolated);
	assert_non_null(step_of(h, "bay1", "given up"));
	assert_string_equal(step_of(h, "bay1", "goes on")->detail, "in incident 2 of bay7");
	assert_int_equal(incident_of(h, "bay1")->row.state, DB_INCIDENT_DONE);
	assert_int_equal(at_switch(h, VF1), BAY8);
	assert_int_equal(at_switch(h, VF2), BAY8);
	assert_int_equal(mac_at_switch(h, VF1), MAC1);
	assert_int_equal(power_ons(h, BAY8), 1);
	beats_again(h, BAY8);
	run(h, 2 * BEAT);
	assert_int_equal(incident_of(h, "bay7")->row.state, DB_INCIDENT_DONE);
	/* It comes up all the same, late: it stays outside. */
	beats_again(h, BAY7);
	run(h, 2 * BEAT);
	assert_int_equal(h->agents[BAY7 - 1].answer, REFUSE_HOST_FENCED);
	assert_int_equal(at_switch(h, VF1), BAY8);
}

static void s11_a_power_on_that_is_refused_leads_to_the_next(void **state)
{
	struct house *h = *state;

	cold(h);
	silence(h, BAY7);
	power(h, BAY7, false);
	spare(h, "bay7");
	run(h, 2 * WINDOW);
	fault(h, PROVIDER_HOST_POWER, SIM_FAULT_REFUSED, 0, 1);
	silence(h, BAY1);
	run(h, FENCED + 2000);

	assert_non_null(step_of(h, "bay1", "given up"));
	assert_int_equal(host(h, "bay7")->state, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(h, VF1), BAY8);
	assert_true(state_at_switch(h, BAY8)->power);
}

/* S3: its beat had come, and was not read yet, when the switch said that it does not turn it on. */
static void s3_one_that_beats_is_not_given_up_for_what_the_switch_says(void **state)
{
	struct house *h = *state;
	const struct provider_completion refused = { .outcome = PROVIDER_REFUSED };
	struct provider_op op = { .verb = PROVIDER_HOST_POWER, .host = BAY8 };

	cold(h);
	silence(h, BAY1);
	run_until_power_on(h, BAY8);
	op.attempt = host(h, "bay8")->cold.attempt;
	assert_int_not_equal(op.attempt, 0);
	cold_completed(h->fabric->providers[0], &op, &refused);
	beats_again(h, BAY8);
	agent_beat(h, BAY8 - 1);
	run(h, 2 * BEAT);

	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_ALIVE);
	assert_null(step_of(h, "bay1", "given up"));
	assert_int_equal(at_switch(h, VF1), BAY8);
}

static void s11_a_power_on_that_is_not_answered_is_said_again_unless_it_has_power(void **state)
{
	struct house *h = *state;

	cold(h);
	fault(h, PROVIDER_HOST_POWER, SIM_FAULT_LATE, 20000, 1);
	silence(h, BAY1);
	run(h, FENCED + 5000);

	assert_int_equal(power_ons(h, BAY8), 2);
	assert_true(state_at_switch(h, BAY8)->power);
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_UNKNOWN);
	assert_non_null(step_of(h, "bay1", "first beat"));
}

static void s11_a_power_on_whose_answer_is_lost_is_not_said_again(void **state)
{
	struct house *h = *state;

	cold(h);
	fault(h, PROVIDER_HOST_POWER, SIM_FAULT_LOST, 0, 1);
	silence(h, BAY1);
	run(h, FENCED + 5000);

	assert_int_equal(power_ons(h, BAY8), 1);
	assert_true(state_at_switch(h, BAY8)->power);
	assert_non_null(step_of(h, "bay1", "first beat"));
}

static void s11_a_power_on_that_a_scan_overtakes_is_not_said_again(void **state)
{
	struct house *h = *state;

	cold(h);
	fault(h, PROVIDER_HOST_POWER, SIM_FAULT_DELAY, 700, 1);
	silence(h, BAY1);
	run_until_power_on(h, BAY8);
	scan_again(h);
	run(h, 5 * BEAT);

	assert_int_equal(power_ons(h, BAY8), 1);
	assert_non_null(step_of(h, "bay1", "first beat"));
}

static void s11_a_spare_that_is_not_proved_off_does_not_take_over(void **state)
{
	struct house *h = *state;

	cold(h);
	power(h, BAY8, true); /* on, and it does not beat */
	run(h, 1000);
	silence(h, BAY1);
	run(h, FENCED);

	assert_int_equal(incident_of(h, "bay1")->row.state, DB_INCIDENT_WAITING);
	assert_non_null(strstr(step_of(h, "bay1", "waiting")->detail,
			       "bay8 does not beat, and is not proved off"));
	assert_int_equal(at_switch(h, VF1), 0);
	/* Now it is. */
	power(h, BAY8, false);
	run(h, 2 * BEAT);
	assert_int_equal(at_switch(h, VF1), BAY8);
	assert_int_equal(power_ons(h, BAY8), 1);
}

static void s11_where_the_switch_cannot_tell_nobody_is_proved_off(void **state)
{
	struct house *h = *state;

	const struct provider_event unsaid = { .kind = PROVIDER_EVENT_HOST,
					       .host = { .host = BAY8 } };

	h->reach[0].chassis->can.tell_power = false;
	h->config.cold_start_ms = COLD_START;
	silence(h, BAY8);
	power(h, BAY8, false);
	usual(h);
	h->reach[0].sink.told(h->reach[0].sink.arg, &unsaid); /* no power, and not known */
	silence(h, BAY1);
	run(h, FENCED);

	assert_int_equal(fabric_host_spare_kind(h->fabric, host(h, "bay8")), FABRIC_SPARE_NONE);
	assert_int_equal(incident_of(h, "bay1")->row.state, DB_INCIDENT_WAITING);
	assert_int_equal(at_switch(h, VF1), 0);
	assert_int_equal(power_ons(h, BAY8), 0);
}

static void s11_one_that_the_switch_cannot_turn_on_does_not_take_over(void **state)
{
	struct house *h = *state;

	h->config.cold_start_ms = COLD_START;
	((struct provider_host *)sim_model_map(h->reach[0].model)->hosts)[BAY8 - 1].can_power_on =
		false;
	silence(h, BAY8);
	power(h, BAY8, false);
	usual(h);
	silence(h, BAY1);
	run(h, FENCED);

	assert_int_equal(fabric_host_spare_kind(h->fabric, host(h, "bay8")), FABRIC_SPARE_NONE);
	assert_int_equal(at_switch(h, VF1), 0);
	assert_int_equal(power_ons(h, BAY8), 0);
}

static void s11_one_that_beats_although_it_is_said_to_be_off_is_not_cold(void **state)
{
	struct house *h = *state;

	cold(h);
	h->agents[BAY8 - 1].beats = true;
	run(h, 4 * WINDOW);

	assert_int_equal(events(h, "host.cold", "bay8"), 0);
	assert_int_not_equal(fabric_host_spare_kind(h->fabric, host(h, "bay8")), FABRIC_SPARE_COLD);
}

static void s11_what_sits_in_it_already_keeps_it_from_taking_over(void **state)
{
	struct house *h = *state;

	cold(h);
	foreign(h, PROVIDER_BIND, VF3, BAY8, 5, 77);
	scan_again(h);

	assert_int_not_equal(fabric_host_spare_kind(h->fabric, host(h, "bay8")), FABRIC_SPARE_COLD);
}

static void
s11_one_to_which_nothing_can_be_bound_is_not_powered_on_before_something_is(void **state)
{
	struct house *h = *state;

	cold(h);
	fault(h, PROVIDER_BIND, SIM_FAULT_REFUSED, 0, 100000);
	silence(h, BAY1);
	run(h, FENCED + 3 * COLD_START);
	assert_int_equal(power_ons(h, BAY8), 0);
	assert_non_null(step_of(h, "bay1", "not started"));
	sim_model_fault_clear(h->reach[0].model);
	for (unsigned n = 0; n < 600 && !power_ons(h, BAY8); n++)
		run(h, BEAT);

	assert_int_equal(power_ons(h, BAY8), 1);
	assert_int_equal(at_switch(h, VF1), BAY8);
}

static void s11_one_that_is_cut_off_does_not_take_over(void **state)
{
	struct house *h = *state;

	cold(h);
	cut_off(h, BAY8);
	scan_again(h);
	assert_true(state_at_switch(h, BAY8)->isolated);

	assert_int_not_equal(fabric_host_spare_kind(h->fabric, host(h, "bay8")), FABRIC_SPARE_COLD);
}

/* A manager is killed between the end of the binding and the power-on, and something is lost
 * meanwhile. */
static int maintenance(struct house *h, bool on, struct fabric_problem *problem)
{
	*problem = (struct fabric_problem){ 0 };
	return fabric_host_maintenance(h->fabric, "bay8", on, 0, problem, on_answer, h);
}

static void s11_one_that_is_being_started_is_nobodys_to_work_at(void **state)
{
	struct house *h = *state;
	struct fabric_problem problem;

	cold(h);
	silence(h, BAY1);
	run_until_power_on(h, BAY8);
	assert_int_equal(maintenance(h, true, &problem), REFUSE_HOST_STATE);
	assert_string_equal(problem.reason,
			    "bay8 is being started for incident 1, and nobody else would take "
			    "over; fabricctl host failover bay8 gives what it has to the next "
			    "spare");
	spare(h, "bay7");
	run(h, 100);
	assert_int_equal(failover(h, "bay8"), 0); /* what it says is right */
	run(h, FENCED);

	assert_int_equal(at_switch(h, VF1), BAY7);
	assert_int_equal(maintenance(h, true, &problem), REFUSE_HOST_STATE); /* fenced */
}

/* As a database of an earlier version may have it. */
static void s11_maintenance_of_one_that_is_being_started_ends_no_wait(void **state)
{
	struct house *h = *state;
	struct fabric_problem problem;

	cold(h);
	silence(h, BAY1);
	run_until_power_on(h, BAY8);
	spare(h, "bay7");
	run(h, 100);
	((struct fabric_host *)host(h, "bay8"))->state = FABRIC_HOST_MAINTENANCE;
	run(h, 2 * COLD_START);
	assert_int_equal(fabric_host_spare_kind(h->fabric, host(h, "bay8")), FABRIC_SPARE_STARTING);
	assert_int_equal(incident_of(h, "bay1")->row.state, DB_INCIDENT_MOVING);
	assert_int_equal(maintenance(h, false, &problem), 0);
	run(h, COLD_START - BEAT);
	assert_int_equal(at_switch(h, VF1), BAY8); /* all its time again */
	run(h, BEAT + FENCED);

	assert_int_equal(at_switch(h, VF1), BAY7);
	assert_non_null(step_of(h, "bay1", "given up"));
}

static void s11_what_is_missing_is_bound_again_before_it_is_powered_on(void **state)
{
	struct house *h = *state;

	cold(h);
	until_bound_and_waiting(h);
	foreign(h, PROVIDER_UNBIND, VF2, BAY8, 0, 0);
	assert_int_equal(at_switch(h, VF2), 0);
	manager_kill(h);
	h->reach[0].is_full = false;
	manager_start(h);
	run_until_power_on(h, BAY8);

	assert_int_equal(at_switch(h, VF1), BAY8);
	assert_int_equal(at_switch(h, VF2), BAY8);
}

static void s11_a_warm_spare_that_the_switch_shows_off_is_passed_over(void **state)
{
	struct house *h = *state;

	usual(h);
	spare(h, "bay7");
	silence(h, BAY1);
	run_until_state(h, "bay1", FABRIC_HOST_FENCING);
	silence(h, BAY7);
	power(h, BAY7, false);
	run(h, 500);

	assert_string_equal(incident_of(h, "bay1")->row.target, "bay8");
}

static void s11_a_warm_spare_is_preferred(void **state)
{
	struct house *h = *state;

	h->config.cold_start_ms = COLD_START;
	silence(h, BAY7);
	power(h, BAY7, false);
	usual(h);
	spare(h, "bay7");
	run(h, 1000);
	assert_int_equal(fabric_host_spare_kind(h->fabric, host(h, "bay7")), FABRIC_SPARE_COLD);
	assert_int_equal(fabric_host_spare_kind(h->fabric, host(h, "bay8")), FABRIC_SPARE_WARM);
	silence(h, BAY1);
	run(h, FENCED);

	assert_int_equal(at_switch(h, VF1), BAY8);
	assert_int_equal(power_ons(h, BAY7), 0);
	assert_int_equal(incident_of(h, "bay1")->row.state, DB_INCIDENT_DONE);
}

static void s11_one_that_a_person_turns_on_in_between_is_not_told_again(void **state)
{
	struct house *h = *state;

	cold(h);
	silence(h, BAY1);
	run_until_sent(h, PROVIDER_BIND, h->sent_count);
	power(h, BAY8, true);
	beats_again(h, BAY8);
	run(h, 3 * BEAT);

	assert_int_equal(power_ons(h, BAY8), 0);
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_ALIVE);
	assert_int_equal(at_switch(h, VF1), BAY8);
	assert_int_equal(at_switch(h, VF2), BAY8);
	assert_int_equal(incident_of(h, "bay1")->row.state, DB_INCIDENT_DONE);
}

static void s11_one_that_loses_its_power_before_its_first_beat_is_given_up_at_once(void **state)
{
	struct house *h = *state;

	cold(h);
	silence(h, BAY7);
	power(h, BAY7, false);
	spare(h, "bay7");
	run(h, 2 * WINDOW);
	silence(h, BAY1);
	run(h, FENCED);
	assert_int_equal(at_switch(h, VF1), BAY7);
	power(h, BAY7, false);
	run(h, 3 * BEAT);

	assert_int_equal(host(h, "bay7")->state, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(h, VF1), BAY8);
}

static void s11_a_spare_that_is_turned_off_is_a_cold_one_and_is_not_fenced(void **state)
{
	struct house *h = *state;

	h->config.cold_start_ms = COLD_START;
	usual(h);
	silence(h, BAY8);
	power(h, BAY8, false);
	run(h, 2 * WINDOW);

	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_UNKNOWN);
	assert_true(host(h, "bay8")->spare);
	assert_int_equal(events(h, "host.cold", "bay8"), 1);
	assert_int_equal(events(h, "host.fencing", "bay8"), 0);
	assert_int_equal(fabric_host_spare_kind(h->fabric, host(h, "bay8")), FABRIC_SPARE_COLD);
	/* And one that holds something is, though it was made a spare. */
	spare(h, "bay1");
	silence(h, BAY1);
	power(h, BAY1, false);
	run(h, 2 * WINDOW);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(h, VF1), BAY8);
}

static void s11_a_spare_that_dies_while_it_takes_over_is_followed_by_the_next(void **state)
{
	struct house *h = *state;

	h->config.cold_start_ms = COLD_START;
	usual(h);
	spare(h, "bay7");
	run(h, 100);
	fault(h, PROVIDER_BIND, SIM_FAULT_DELAY, 400, 2);
	silence(h, BAY1);
	run_until_sent(h, PROVIDER_BIND, h->sent_count);
	assert_string_equal(incident_of(h, "bay1")->row.target, "bay7");
	silence(h, BAY7);
	power(h, BAY7, false);
	run(h, MOVED);

	assert_int_equal(host(h, "bay7")->state, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(h, VF1), BAY8);
	assert_int_equal(at_switch(h, VF2), BAY8);
	assert_int_equal(mac_at_switch(h, VF1), MAC1);
	assert_int_equal(incident_of(h, "bay1")->row.state, DB_INCIDENT_DONE);
	assert_int_equal(incident_of(h, "bay7")->row.state, DB_INCIDENT_DONE);
}

/* S5: one failover at a time, and this one waits for a host that boots for a minute. */
static void s5_a_host_that_starts_up_keeps_no_other_failover_waiting(void **state)
{
	struct house *h = *state;

	cold(h);
	silence(h, BAY1);
	run(h, FENCED);
	assert_int_equal(incident_of(h, "bay1")->row.state, DB_INCIDENT_MOVING);
	silence(h, BAY2);
	run(h, MOVED);

	assert_int_equal(incident_of(h, "bay1")->row.state, DB_INCIDENT_MOVING);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_FENCED);
}

static void s11_one_that_is_fenced_by_hand_while_it_starts_is_left_to_its_fence(void **state)
{
	struct house *h = *state;

	cold(h);
	silence(h, BAY1);
	run(h, FENCED);
	spare(h, "bay2");
	run(h, 100);
	/* bay2 holds nothing and is a warm spare by now */
	assert_int_equal(failover(h, "bay8"), 0);
	run(h, 2000);

	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(h, VF1), BAY2);
	assert_int_equal(incident_of(h, "bay1")->row.state, DB_INCIDENT_DONE);
}

/* The switch is busy for so long that the power-on still waits when its host is fenced. */
static void s14_a_power_on_that_waited_while_its_host_was_fenced_is_not_sent(void **state)
{
	struct house *h = *state;

	cold(h);
	until_bound_and_waiting(h);
	spare(h, "bay2");
	assert_int_equal(failover(h, "bay8"), 0);
	run(h, 10);
	h->reach[0].is_full = false;
	run(h, 2 * BEAT);

	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_FENCED);
	assert_int_equal(power_ons(h, BAY8), 0);
	assert_false(state_at_switch(h, BAY8)->power);
	assert_int_equal(at_switch(h, VF1), BAY2);
}

/* Carried out long after it was given up: the fence has waited for it, or it finds a closed door.
 */
static void s20_a_power_on_that_is_carried_out_late_changes_nothing_for_a_fenced_host(void **state)
{
	struct house *h = *state;

	cold(h);
	spare(h, "bay2");
	silence(h, 2);
	power(h, 2, false);
	run(h, 2 * WINDOW);
	fault(h, PROVIDER_HOST_POWER, SIM_FAULT_LATE, 3 * COLD_START, 3);
	silence(h, BAY1);
	run(h, FENCED);
	assert_int_equal(at_switch(h, VF1), 2);
	assert_false(state_at_switch(h, 2)->power);
	run(h, COLD_START + 2 * BEAT);
	assert_int_not_equal(host(h, "bay2")->state, FABRIC_HOST_UNKNOWN);
	assert_int_not_equal(at_switch(h, VF1), BAY8); /* not settled: nothing moves (S19) */
	for (unsigned n = 0; n < 4 * COLD_START / BEAT && !power_ons(h, BAY8); n++)
		run(h, BEAT);
	beats_again(h, BAY8);
	run(h, 2 * BEAT);

	assert_true(state_at_switch(h, 2)->power);
	assert_true(state_at_switch(h, 2)->isolated);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(h, VF1), BAY8);
}

static void s3_while_the_database_stands_still_no_starting_spare_is_given_up(void **state)
{
	struct house *h = *state;

	cold(h);
	silence(h, BAY1);
	run(h, FENCED);
	assert_int_equal(at_switch(h, VF1), BAY8);
	run(h, COLD_START - FENCED - 2 * BEAT);
	h->holds_commits = true;
	spare(h, "bay3"); /* waits to be written */
	run(h, 20 * BEAT);
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_UNKNOWN);

	h->holds_commits = false;
	run(h, 20 * BEAT);
	assert_int_not_equal(host(h, "bay8")->state, FABRIC_HOST_UNKNOWN);
}

static void s15_a_power_on_that_ends_in_a_frozen_fabric_leads_to_nothing(void **state)
{
	struct house *h = *state;

	cold(h);
	silence(h, BAY1);
	run_until_power_on(h, BAY8);
	freeze(h->fabric, "the test says so");
	run(h, 2 * COLD_START);
	assert_int_equal(host(h, "bay8")->cold.beat_by_ms, 0);
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_UNKNOWN);
}

static void who_is_no_spare_is_neither_a_cold_nor_a_warm_one(void **state)
{
	struct house *h = *state;

	silence(h, BAY7);
	power(h, BAY7, false);
	cold(h);
	assert_int_equal(fabric_host_spare_kind(h->fabric, host(h, "bay7")), FABRIC_SPARE_NONE);
	assert_int_equal(fabric_host_spare_kind(h->fabric, host(h, "bay3")), FABRIC_SPARE_NONE);
}

static void s3_a_manager_that_stood_still_gives_a_starting_spare_another_window(void **state)
{
	struct house *h = *state;

	cold(h);
	silence(h, BAY1);
	run(h, FENCED);
	assert_int_equal(at_switch(h, VF1), BAY8);
	h->now_ms += 2 * COLD_START; /* nobody was served meanwhile */
	for (unsigned n = 1; n < HOSTS - 1; n++)
		agent_beat(h, n);
	house_step(h, h->now_ms + 1);
	run(h, 3 * BEAT);
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_UNKNOWN);
	beats_again(h, BAY8);
	run(h, 2 * BEAT);

	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_ALIVE);
	assert_int_equal(incident_of(h, "bay1")->row.state, DB_INCIDENT_DONE);
}

/* Nobody is watched by then, and no look at hosts tells that time went by. */
static void only_bay1_and_the_spare(struct house *h)
{
	for (unsigned bay = 2; bay < BAY8; bay++)
		silence(h, bay);
	cold(h);
	silence(h, BAY1);
	run(h, FENCED);
	assert_int_equal(at_switch(h, VF1), BAY8);
}

static void s3_a_manager_that_stood_still_is_found_out_where_nobody_is_watched(void **state)
{
	struct house *h = *state;

	only_bay1_and_the_spare(h);
	h->now_ms += 2 * COLD_START;
	house_step(h, h->now_ms + 1);
	run(h, 3 * BEAT);
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_UNKNOWN);
	beats_again(h, BAY8);
	run(h, 2 * BEAT);

	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_ALIVE);
}

static void s3_a_database_that_stands_still_is_found_out_where_nobody_is_watched(void **state)
{
	struct house *h = *state;

	only_bay1_and_the_spare(h);
	run(h, COLD_START - FENCED - 2 * BEAT);
	h->holds_commits = true;
	spare(h, "bay3"); /* waits to be written */
	run(h, 20 * BEAT);
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_UNKNOWN);

	h->holds_commits = false;
	run(h, 20 * BEAT);
	assert_int_not_equal(host(h, "bay8")->state, FABRIC_HOST_UNKNOWN);
}

/* A power-on that was refused ends so late that nobody waits for it any more. */
static void a_power_on_that_nobody_waits_for_gives_nobody_up(void **state)
{
	struct house *h = *state;
	const struct provider_completion refused = { .outcome = PROVIDER_REFUSED };
	struct provider_op op = { .verb = PROVIDER_HOST_POWER, .attempt = 1, .host = 9999 };

	cold(h);
	silence(h, BAY1);
	run_until_power_on(h, BAY8);
	cold_completed(h->fabric->providers[0], &op, &refused); /* no such host */
	op.host = BAY8;
	cold_completed(h->fabric->providers[0], &op, &refused); /* another attempt */
	run(h, 10);
	assert_int_equal(fabric_host_spare_kind(h->fabric, host(h, "bay8")), FABRIC_SPARE_STARTING);
	beats_again(h, BAY8);
	run(h, 2 * BEAT);
	op.attempt = 0;
	cold_completed(h->fabric->providers[0], &op, &refused); /* started, and done with */
	run(h, 2 * BEAT);

	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_ALIVE);
	assert_int_equal(at_switch(h, VF1), BAY8);
}

static void s11_one_that_is_to_hold_nothing_any_more_is_a_cold_spare_again(void **state)
{
	struct house *h = *state;

	cold(h);
	fault(h, PROVIDER_BIND, SIM_FAULT_REFUSED, 0, 100000);
	silence(h, BAY1);
	run(h, FENCED + COLD_START / 2);
	assert_int_equal(fabric_host_spare_kind(h->fabric, host(h, "bay8")), FABRIC_SPARE_STARTING);
	for (unsigned n = 0; n < 60 && host(h, "bay8")->functions; n++) {
		(void)ask(h, DB_OP_RELEASE, VF1, "", 0); /* refused while it is tried again */
		(void)ask(h, DB_OP_RELEASE, VF2, "", 0);
		run(h, BEAT);
	}
	run(h, BEAT);

	assert_int_equal(host(h, "bay8")->functions, 0);
	assert_non_null(step_of(h, "bay1", "not started"));
	assert_int_equal(power_ons(h, BAY8), 0);
	assert_int_equal(fabric_host_spare_kind(h->fabric, host(h, "bay8")), FABRIC_SPARE_COLD);
}

static void s4_while_many_hosts_are_silent_no_starting_spare_is_given_up(void **state)
{
	struct house *h = *state;

	cold(h);
	silence(h, BAY1);
	run(h, FENCED);
	for (unsigned bay = 2; bay < BAY8; bay++)
		silence(h, bay);
	run(h, 2 * COLD_START);
	assert_true(health(h).hold);
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_UNKNOWN);
	for (unsigned bay = 2; bay <= BAY8; bay++)
		h->agents[bay - 1].beats = true;
	run(h, 2 * BEAT);

	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_ALIVE);
}

static void s6_while_the_switch_is_lost_no_starting_spare_is_given_up(void **state)
{
	struct house *h = *state;

	cold(h);
	silence(h, BAY1);
	run(h, FENCED);
	h->reach[0].sink.state(h->reach[0].sink.arg, PROVIDER_LOST, NULL);
	run(h, 2 * COLD_START);

	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_UNKNOWN);
	beats_again(h, BAY8);
	run(h, 2 * BEAT);
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_ALIVE);
}

/* The manager is killed after every step of the way, until the way is done without. */
static void s11_a_manager_killed_at_any_point_goes_on(void **state)
{
	struct house *h = *state;
	bool has_powered = false;

	cold(h);
	silence(h, BAY1);
	run_until_state(h, "bay1", FABRIC_HOST_FENCED);
	for (unsigned life = 0; life < 60; life++) {
		manager_kill(h);
		manager_start(h);
		/* each life is longer by some steps than the one before */
		for (unsigned n = 0; n < 20 + life * 4; n++)
			house_step(h, h->now_ms + 1);
		has_powered |= power_ons(h, BAY8) != 0;
		assert_true(!has_powered || at_switch(h, VF1) == BAY8);
		assert_true(at_switch(h, VF1) == BAY8 || !state_at_switch(h, BAY8)->power);
	}
	run(h, 2000);
	assert_true(state_at_switch(h, BAY8)->power);
	assert_int_equal(fabric_host_spare_kind(h->fabric, host(h, "bay8")), FABRIC_SPARE_STARTING);
	beats_again(h, BAY8);
	run(h, 2 * BEAT);
	assert_int_equal(incident_of(h, "bay1")->row.state, DB_INCIDENT_DONE);
	assert_int_equal(at_switch(h, VF1), BAY8);
	assert_int_equal(at_switch(h, VF2), BAY8);
}

static void s11_a_manager_killed_while_it_waits_gives_it_all_its_time_again(void **state)
{
	struct house *h = *state;

	cold(h);
	silence(h, BAY1);
	run(h, FENCED);
	run(h, COLD_START / 2);
	manager_kill(h);
	manager_start(h);
	run(h, COLD_START - 5 * BEAT);
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_UNKNOWN);
	assert_int_equal(power_ons(h, BAY8), 1); /* it has power: it is not told again */
	run(h, COLD_START);

	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_FENCED);
	assert_int_equal(incident_of(h, "bay8")->row.state, DB_INCIDENT_WAITING);
}

static void the_plan_says_that_it_is_powered_on(void **state)
{
	struct house *h = *state;
	struct fabric_problem problem;
	OWNED(fabric_plan_done) struct fabric_plan plan = { 0 };

	cold(h);

	assert_int_equal(fabric_host_failover_plan(h->fabric, "bay1", &problem, &plan), 0);
	assert_string_equal(plan.target, "bay8");
	assert_non_null(strstr(plan.detail, "powers on bay8, waits up to 60 s for its first beat"));
}

/* Two groups go to it, and it is turned on once; a warm one is on. */
static void the_plan_says_once_who_is_powered_on(void **state)
{
	struct house *h = *state;
	struct fabric_problem problem;
	struct fabric_profile_member member = { 0 };
	const struct fabric_profile_request web = {
		.name = "web", .priority = 500, .members = &member, .member_count = 1
	};
	const char *first;

	cold(h);
	(void)snprintf(member.function, sizeof(member.function), "%s", VF2);
	assert_int_equal(fabric_profile_set(h->fabric, &web, &problem, on_answer, h), 0);
	run(h, 10);
	for (int warm = 0; warm < 2; warm++) {
		OWNED(fabric_plan_done) struct fabric_plan plan = { 0 };

		if (warm) {
			spare(h, "bay7");
			run(h, 10);
		}
		assert_int_equal(fabric_host_failover_plan(h->fabric, "bay1", &problem, &plan), 0);
		assert_string_equal(plan.target, warm ? "bay7" : "bay8");
		first = strstr(plan.detail, "powers on");
		assert_true(warm ? !first : first && !strstr(first + 1, "powers on"));
	}
}

static void nothing_is_drained_to_a_cold_spare_by_itself(void **state)
{
	struct house *h = *state;
	struct fabric_problem problem;

	cold(h);

	assert_int_equal(fabric_host_drain(h->fabric, "bay1", "", &(struct fabric_asker){ 0 },
					   &problem, on_answer, h),
			 REFUSE_NO_SPARE);
	assert_non_null(strstr(problem.reason, "bay8 is a cold spare"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, house_begin, house_end)

/* ---- the switch does not show it any more ---- */

static void scan_keep(void *arg, struct provider_scan *scan, const char *why)
{
	struct provider_scan **kept = arg;

	(void)why;
	*kept = scan;
}

static void state_ignore(void *arg, enum provider_state state, const struct provider_hello *hello)
{
	(void)arg;
	(void)state;
	(void)hello;
}

static void told_ignore(void *arg, const struct provider_event *event)
{
	(void)arg;
	(void)event;
}

/* A scan in which another blade is in that bay. */
static void scan_without(struct house *h, unsigned bay)
{
	struct provider_scan *scan = NULL;
	const struct provider_sink sink = {
		.scanned_take = scan_keep, .state = state_ignore, .told = told_ignore, .arg = &scan
	};
	struct provider *other = sim_model_provider(h->reach[0].model, &sink);

	assert_int_equal(other->ops->scan(other), 0);
	other->ops->advance(other, h->now_ms);
	provider_close(other);
	assert_non_null(scan);
	(void)snprintf(scan->hosts[bay - 1].bay, sizeof(scan->hosts[bay - 1].bay), "other");
	h->reach[0].sink.scanned_take(h->reach[0].sink.arg, scan, "");
}

static void s11_one_that_is_away_while_it_is_powered_on_is_given_up_when_it_is_back(void **state)
{
	struct house *h = *state;

	cold(h);
	fault(h, PROVIDER_HOST_POWER, SIM_FAULT_DELAY, 500, 0);
	silence(h, BAY1);
	run_until_power_on(h, BAY8);
	scan_without(h, BAY8);
	run(h, 3 * BEAT);
	scan_again(h);
	run(h, 2 * COLD_START);

	assert_non_null(step_of(h, "bay1", "given up"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(s11_a_cold_spare_is_bound_and_read_back_before_it_is_powered_on),
		TEST(s11_a_first_beat_in_time_ends_the_incident),
		TEST(s11_one_that_does_not_beat_in_time_is_fenced_and_the_next_takes_over),
		TEST(s11_a_power_on_that_is_refused_leads_to_the_next),
		TEST(s3_one_that_beats_is_not_given_up_for_what_the_switch_says),
		TEST(s11_a_power_on_that_is_not_answered_is_said_again_unless_it_has_power),
		TEST(s11_a_power_on_whose_answer_is_lost_is_not_said_again),
		TEST(s11_a_power_on_that_a_scan_overtakes_is_not_said_again),
		TEST(s11_a_spare_that_is_not_proved_off_does_not_take_over),
		TEST(s11_where_the_switch_cannot_tell_nobody_is_proved_off),
		TEST(s11_one_that_the_switch_cannot_turn_on_does_not_take_over),
		TEST(s11_one_that_beats_although_it_is_said_to_be_off_is_not_cold),
		TEST(s11_what_sits_in_it_already_keeps_it_from_taking_over),
		TEST(s11_one_to_which_nothing_can_be_bound_is_not_powered_on_before_something_is),
		TEST(s11_one_that_is_cut_off_does_not_take_over),
		TEST(s11_one_that_is_being_started_is_nobodys_to_work_at),
		TEST(s11_maintenance_of_one_that_is_being_started_ends_no_wait),
		TEST(s11_what_is_missing_is_bound_again_before_it_is_powered_on),
		TEST(s11_a_warm_spare_that_the_switch_shows_off_is_passed_over),
		TEST(s11_a_warm_spare_is_preferred),
		TEST(s11_one_that_a_person_turns_on_in_between_is_not_told_again),
		TEST(s11_one_that_loses_its_power_before_its_first_beat_is_given_up_at_once),
		TEST(s11_a_spare_that_is_turned_off_is_a_cold_one_and_is_not_fenced),
		TEST(s11_a_spare_that_dies_while_it_takes_over_is_followed_by_the_next),
		TEST(s5_a_host_that_starts_up_keeps_no_other_failover_waiting),
		TEST(s11_one_that_is_fenced_by_hand_while_it_starts_is_left_to_its_fence),
		TEST(s14_a_power_on_that_waited_while_its_host_was_fenced_is_not_sent),
		TEST(s20_a_power_on_that_is_carried_out_late_changes_nothing_for_a_fenced_host),
		TEST(s3_while_the_database_stands_still_no_starting_spare_is_given_up),
		TEST(s15_a_power_on_that_ends_in_a_frozen_fabric_leads_to_nothing),
		TEST(who_is_no_spare_is_neither_a_cold_nor_a_warm_one),
		TEST(s3_a_manager_that_stood_still_gives_a_starting_spare_another_window),
		TEST(s3_a_manager_that_stood_still_is_found_out_where_nobody_is_watched),
		TEST(s3_a_database_that_stands_still_is_found_out_where_nobody_is_watched),
		TEST(a_power_on_that_nobody_waits_for_gives_nobody_up),
		TEST(s11_one_that_is_to_hold_nothing_any_more_is_a_cold_spare_again),
		TEST(s4_while_many_hosts_are_silent_no_starting_spare_is_given_up),
		TEST(s6_while_the_switch_is_lost_no_starting_spare_is_given_up),
		TEST(s11_a_manager_killed_at_any_point_goes_on),
		TEST(s11_a_manager_killed_while_it_waits_gives_it_all_its_time_again),
		TEST(the_plan_says_that_it_is_powered_on),
		TEST(the_plan_says_once_who_is_powered_on),
		TEST(nothing_is_drained_to_a_cold_spare_by_itself),
		TEST(s11_one_that_is_away_while_it_is_powered_on_is_given_up_when_it_is_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
