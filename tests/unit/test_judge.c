/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From silence to a verdict and on to a spare, where test_safety.c does not look: the policy that
 * asks every witness, ways of beats, who is no target, what stands still when frozen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fabricd/state.h"
#include "house_fixture.h"

static void s7_where_all_must_say_so_silence_is_no_verdict(void **state)
{
	struct house *h = *state;

	h->config.witness = CONFIG_WITNESS_ALL;
	usual(h);
	silence(h, BAY1);
	run(h, 3 * WINDOW);
	assert_int_equal(events(h, "host.fencing", "bay1"), 0);

	assert_int_equal(sim_model_host(h->reach[0].model, BAY1, SIM_HOST_POWER, false), 0);
	run(h, MOVED);
	assert_int_equal(events(h, "host.fencing", "bay1"), 1);
}

static int leaving(struct house *h, const char *name, const char *boot, uint64_t seq)
{
	uint64_t epoch;

	return fabric_leaving(h->fabric, name, boot, seq, h->now_ms, &epoch);
}

/* A beat that does not count says nothing, this neither. */
static void who_says_in_a_late_beat_that_it_leaves_does_not(void **state)
{
	struct house *h = *state;

	usual(h);
	assert_int_equal(leaving(h, "bay1", "boot-0-0", 1), REFUSE_FIELD);
	assert_int_equal(leaving(h, "bay99", "boot-0-0", 1), REFUSE_NO_HOST);
	run(h, BEAT);

	assert_int_equal(events(h, "host.fencing", NULL), 0);
}

static void beats_are_counted_by_the_way_that_they_came(void **state)
{
	struct house *h = *state;
	const struct beats *b;

	usual(h);
	b = &host(h, "bay1")->beats;
	fabric_beat_heard(h->fabric, "bay99", "port", BEAT_COUNTED, 1);
	fabric_beat_heard(h->fabric, "bay1", "port", BEAT_COUNTED, 10);
	fabric_beat_heard(h->fabric, "bay1", "network A", BEAT_COUNTED, 20);
	fabric_beat_heard(h->fabric, "bay1", "port", BEAT_REORDERED, 5);
	fabric_beat_heard(h->fabric, "bay1", "port", BEAT_FORGED, 30);
	for (unsigned i = 2; i <= BEAT_WAYS; i++) {
		char way[32];

		(void)snprintf(way, sizeof(way), "way %u", i);
		fabric_beat_heard(h->fabric, "bay1", way, BEAT_COUNTED, 40);
	}

	assert_string_equal(b->ways[0].name, "port");
	assert_int_equal(b->ways[0].count, 2);
	assert_int_equal(b->ways[0].heard_ms, 10);
	assert_string_equal(b->ways[1].name, "network A");
	assert_int_equal(b->ways[1].count, 1);
	assert_int_equal(b->counts[BEAT_COUNTED], BEAT_WAYS + 1); /* one way too many is left out */
	assert_int_equal(b->counts[BEAT_FORGED], 1);
}

/* So many beats, and ch2/bay1 beats too. */
static void run_with_other(struct house *h, unsigned beats)
{
	static uint64_t seq;
	uint64_t epoch;

	while (beats-- > 0) {
		int r = fabric_beat(h->fabric, "ch2/bay1", "boot-other", ++seq, h->now_ms, &epoch);

		assert_true(!r || r == REFUSE_NO_HOST); /* before the first scan */
		run(h, BEAT);
	}
}

static void a_spare_of_another_switch_is_no_target(void **state)
{
	struct house *h = *state;
	struct sim_chassis *c = chassis_with("bay", 2);

	reach_add_take(h, c);
	manager_start(h);
	run_with_other(h, 20);
	assign(h, VF1, "bay1", 0);
	spare(h, "ch2/bay1");
	run_with_other(h, 1);
	silence(h, BAY1);
	run_with_other(h, 16);
	assert_int_equal(host(h, "ch2/bay1")->state, FABRIC_HOST_ALIVE);

	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_equal(h->fabric->incidents[0]->row.state, DB_INCIDENT_WAITING);
	assert_int_equal(at_switch(h, VF1), 0);
}

/* ---- frozen ---- */

static void s15_a_frozen_manager_fences_no_blocked_host_again(void **state)
{
	struct house *h = *state;

	usual(h);
	fault(h, PROVIDER_ISOLATE, SIM_FAULT_REFUSED, 0, 0);
	fault(h, PROVIDER_UNBIND, SIM_FAULT_REFUSED, 0, 0);
	silence(h, BAY1);
	run_until_state(h, "bay1", FABRIC_HOST_BLOCKED);
	freeze(h->fabric, "the test says so");
	run(h, 200 * BEAT);

	assert_null(host(h, "bay1")->fence);
	assert_null(h->fabric->batch);
}

static void s15_a_frozen_manager_plans_no_move(void **state)
{
	struct house *h = *state;

	manager_start(h);
	run(h, STEADY);
	assign(h, VF1, "bay1", 0);
	silence(h, BAY1);
	run(h, MOVED);
	assert_int_equal(h->fabric->incidents[0]->row.state, DB_INCIDENT_WAITING);
	((struct fabric_host *)host(h, "bay8"))->spare = true;
	freeze(h->fabric, "the test says so");
	run(h, 20 * BEAT);

	assert_null(function(h, VF1)->item);
	assert_int_equal(h->fabric->incidents[0]->row.change, 0);
}

/* ---- incidents that memory has not ---- */

static void a_host_whose_incident_is_not_known_any_more_is_fenced_again_all_the_same(void **state)
{
	struct house *h = *state;

	usual(h);
	silence(h, BAY1);
	run(h, MOVED);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	((struct fabric_host *)host(h, "bay1"))->incident = 999;
	incident_durable(h->fabric, 999);
	sim_model_reboot(h->reach[0].model, 0);
	run(h, MOVED);

	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_equal(events(h, "host.fenced-again", "bay1"), 1);
}

/* ---- what hooks say ---- */

static unsigned hook_steps(const struct fabric_incident *incident)
{
	unsigned n = 0;

	for (size_t i = 0; i < incident->step_count; i++)
		n += !strcmp(incident->steps[i].what, "hook");
	return n;
}

static void what_a_hook_says_is_told_once_and_of_an_incident_that_is_known(void **state)
{
	struct house *h = *state;
	struct fabric_incident *incident;
	size_t told;

	usual(h);
	silence(h, BAY1);
	run(h, MOVED);
	incident = h->fabric->incidents[0];
	fabric_hook_told(h->fabric, 999, "50-mail: failed");
	fabric_hook_told(h->fabric, 1, "50-mail: failed");
	fabric_hook_told(h->fabric, 1, "50-mail: failed");
	assert_int_equal(hook_steps(incident), 1);
	run(h, 10);
	incident_step_durable(h->fabric, 999);
	told = incident->told;
	assert_int_equal(told, incident->step_count);
	incident_step_durable(h->fabric, 1); /* there is no other */
	assert_int_equal(incident->told, told);
	freeze(h->fabric, "the test says so");
	fabric_hook_told(h->fabric, 1, "60-page: failed");
	assert_int_equal(hook_steps(incident), 1);
}

static int step_result;

static int on_step(void *arg, const struct fabric_incident *incident, const struct db_step *step)
{
	(void)arg;
	(void)incident;
	(void)step;
	return step_result;
}

static void a_step_that_no_hook_was_run_for_says_so_once(void **state)
{
	struct house *h = *state;

	usual(h);
	h->fabric->io.step = on_step;
	silence(h, BAY1);
	run(h, MOVED);
	assert_int_equal(hook_steps(h->fabric->incidents[0]), 0);

	step_result = -EBUSY;
	silence(h, BAY2);
	run(h, MOVED);
	step_result = 0;
	assert_int_equal(hook_steps(h->fabric->incidents[1]), 1);
}

/* ---- the fence's way back ---- */

/* Its epoch is not stored yet: a readmission is given up for the fence that begins. */
static void s20_what_was_given_up_before_its_epoch_was_stored_does_not_begin(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	silence(h, BAY1);
	run(h, MOVED);
	h->agents[0].beats = true;
	run(h, 2 * BEAT);
	h->holds_commits = true;
	assert_int_equal(readmit(h, "bay1"), 0);
	run(h, 10);
	assert_non_null(host(h, "bay1")->fence);
	fence_cancel(h->fabric, (struct fabric_host *)host(h, "bay1"));
	from = h->sent_count;
	h->holds_commits = false;
	run(h, BEAT);

	assert_int_equal(h->sent_count, from);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
}

/* S19: an unbind whose end is not known has settled before the host is read. */
static void s19_a_fence_settles_what_it_has_no_answer_to_before_it_reads(void **state)
{
	struct house *h = *state;
	size_t unbind;
	size_t n;

	usual(h);
	fault(h, PROVIDER_UNBIND, SIM_FAULT_LOST, 0, 1);
	n = h->sent_count;
	silence(h, BAY1);
	run_until_sent(h, PROVIDER_UNBIND, n);
	while (h->sent[n].verb != PROVIDER_UNBIND)
		n++;
	unbind = n;
	run(h, 5 * BEAT);
	while (h->sent[n].verb != PROVIDER_READ_HOST)
		n++;

	assert_int_equal(sent(h, PROVIDER_SETTLE, unbind) - sent(h, PROVIDER_SETTLE, n), 1);
}

/* The answer to a question of the fence before it says nothing to the one that begins. */
static void s19_a_fence_that_begins_anew_is_proved_by_its_own_read_alone(void **state)
{
	struct house *h = *state;
	struct fabric_host *bay1;
	unsigned before;

	usual(h);
	silence(h, BAY1);
	run(h, 2 * MOVED);
	bay1 = (struct fabric_host *)host(h, "bay1");
	sim_model_reboot(h->reach[0].model, 0);
	fault(h, PROVIDER_READ_HOST, SIM_FAULT_DELAY, 500, 1);
	run_until_sent(h, PROVIDER_READ_HOST, h->sent_count);
	before = events(h, "host.fenced-again", "bay1");
	h->holds_commits = true;
	assert_int_equal(fence_start(h->fabric, bay1), 0);
	run(h, BEAT);
	assert_non_null(bay1->fence);

	h->holds_commits = false;
	run(h, BEAT);
	assert_null(bay1->fence);
	assert_int_equal(events(h, "host.fenced-again", "bay1"), before + 1);
}

/* Until all of the first has moved, not only while it is fenced. */
static void s5_the_next_waits_while_the_functions_of_the_one_before_move(void **state)
{
	struct house *h = *state;

	usual(h);
	assign(h, VF3, "bay2", 0);
	spare(h, "bay7");
	h->reach[0].full_for = 1u << PROVIDER_BIND;
	silence(h, BAY1);
	run(h, MOVED);
	assert_int_equal(fabric_incident_find(h->fabric, 1)->row.state, DB_INCIDENT_MOVING);
	silence(h, BAY2);
	run(h, MOVED);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_SUSPECT);

	h->reach[0].full_for = 0;
	run(h, MOVED);
	assert_int_equal(fabric_incident_find(h->fabric, 1)->row.state, DB_INCIDENT_DONE);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_FENCED);
}

/* ---- who says that it leaves ---- */

/* REFUSE_HOST_FENCED: it is fenced at once; 0: its window runs. */
static int leave(struct house *h, unsigned bay)
{
	struct agent *a = &h->agents[bay - 1];
	char name[16];
	char boot[32];

	(void)snprintf(name, sizeof(name), "bay%u", bay);
	(void)snprintf(boot, sizeof(boot), "boot-%u-%u", bay - 1, a->boots);
	return fabric_leaving(h->fabric, name, boot, ++a->seq, h->now_ms, &a->epoch);
}

static void who_leaves_is_fenced_at_once_where_a_verdict_would_be_given(void **state)
{
	struct house *h = *state;

	usual(h);
	assert_int_equal(leave(h, BAY2), REFUSE_HOST_FENCED);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_FENCING);
}

static void s4_who_leaves_in_a_storm_is_not_fenced_by_its_word(void **state)
{
	struct house *h = *state;

	usual(h);
	for (unsigned bay = 3; bay < 7; bay++)
		silence(h, bay);
	run(h, 2 * WINDOW);
	assert_true(health(h).hold);
	assert_int_equal(leave(h, BAY2), 0);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_ALIVE);
}

static void s5_who_leaves_while_its_switch_is_busy_is_not_fenced_by_its_word(void **state)
{
	struct house *h = *state;

	usual(h);
	h->reach[0].full_for = 1u << PROVIDER_BIND;
	silence(h, BAY1);
	run(h, MOVED);
	assert_int_equal(leave(h, BAY2), 0);
	h->reach[0].full_for = 0;
	run(h, MOVED);
	assert_int_equal(leave(h, BAY2), REFUSE_HOST_FENCED);
}

static void s5_who_leaves_when_there_were_too_many_is_not_fenced_by_its_word(void **state)
{
	struct house *h = *state;

	h->config.rate_count = 1;
	usual(h);
	silence(h, BAY1);
	run(h, MOVED);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_equal(leave(h, BAY2), 0);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_ALIVE);
}

static void s5_who_is_proved_dead_is_fenced_however_many_there_were(void **state)
{
	struct house *h = *state;

	h->config.rate_count = 1;
	usual(h);
	silence(h, BAY1);
	run(h, MOVED);
	silence(h, BAY2);
	assert_int_equal(sim_model_host(h->reach[0].model, BAY2, SIM_HOST_POWER, false), 0);
	run(h, 2 * BEAT);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_FENCED);
}

static void who_leaves_before_a_restored_database_is_adopted_is_not_fenced(void **state)
{
	struct house *h = *state;

	usual(h);
	h->fabric->restored = true;
	assert_int_equal(leave(h, BAY2), 0);
	h->fabric->restored = false;
	freeze(h->fabric, "the test says so"); /* S15 */
	assert_int_equal(leave(h, BAY3), 0);
	assert_int_equal(host(h, "bay3")->state, FABRIC_HOST_ALIVE);
}

/* ---- readmitted, and not heard ---- */

enum { COLD_START = 30 * BEAT };

/* bay2 is dead, and let in all the same; then it is given VF3. */
static void dead_and_let_in(struct house *h)
{
	h->config.cold_start_ms = COLD_START;
	usual(h);
	silence(h, BAY2);
	run(h, MOVED);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_FENCED);
	run(h, 2 * WINDOW);
	assert_int_equal(readmit(h, "bay2"), 0);
	run(h, BEAT);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_UNKNOWN);
	assign(h, VF3, "bay2", 0);
	assert_int_equal(at_switch(h, VF3), BAY2);
}

static void who_was_readmitted_and_does_not_beat_is_judged_when_its_time_is_over(void **state)
{
	struct house *h = *state;
	struct fabric_next next[FABRIC_NEXT_MAX];
	char why[DB_TEXT_MAX];

	dead_and_let_in(h);
	assert_int_equal(fabric_host_next(h->fabric, host(h, "bay2"), next), 1);
	assert_non_null(strstr(next[0].when, "bay2, which was readmitted and does not beat"));
	assert_true(fabric_host_unjudged(h->fabric, host(h, "bay2"), why));
	assert_non_null(strstr(why, "it has not beaten since it was readmitted"));
	run(h, COLD_START - 3 * BEAT);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_UNKNOWN);
	assert_int_equal(at_switch(h, VF3), BAY2);

	run(h, 3 * BEAT + MOVED);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(h, VF3), BAY8);
	assert_int_equal(fabric_host_next(h->fabric, host(h, "bay2"), next), 1);
	assert_string_equal(next[0].command, "fabricctl host readmit bay2");
}

static void who_was_readmitted_and_does_not_beat_is_judged_after_a_restart(void **state)
{
	struct house *h = *state;

	dead_and_let_in(h);
	manager_kill(h);
	manager_start(h);
	run(h, WINDOW - BEAT); /* S6 */
	assert_int_equal(at_switch(h, VF3), BAY2);
	run(h, BEAT + MOVED);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_FENCED);

	run(h, STEADY); /* before that bay8 is no target: S11 */
	assert_int_equal(at_switch(h, VF3), BAY8);
}

/* Its switch was lost for a moment. */
static void who_was_readmitted_keeps_its_time_when_everybody_gets_a_window(void **state)
{
	struct house *h = *state;

	dead_and_let_in(h);
	sim_model_reboot(h->reach[0].model, 0);
	run(h, MOVED + WINDOW);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_UNKNOWN);

	run(h, COLD_START);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_FENCED);
}

static void who_beats_in_time_is_alive_and_is_judged_as_ever(void **state)
{
	struct house *h = *state;

	dead_and_let_in(h);
	h->agents[BAY2 - 1].beats = true;
	run(h, 2 * BEAT);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_ALIVE);
	run(h, 2 * COLD_START);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_ALIVE);

	silence(h, BAY2);
	run(h, MOVED);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_FENCED);
}

/* Neither maintenance nor its end takes its time away, nor its judging. */
static void who_is_worked_at_meanwhile_is_judged_after_that(void **state)
{
	struct house *h = *state;
	struct fabric_problem problem;

	dead_and_let_in(h);
	assert_int_equal(
		fabric_host_maintenance(h->fabric, "bay2", true, 0, &problem, on_answer, h), 0);
	run(h, 2 * COLD_START);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_MAINTENANCE);
	assert_int_equal(events(h, "host.verdict", "bay2"), 1);
	assert_int_equal(
		fabric_host_maintenance(h->fabric, "bay2", false, 0, &problem, on_answer, h), 0);
	run(h, MOVED);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_FENCED);
}

static void who_was_worked_at_for_a_moment_has_its_time_still(void **state)
{
	struct house *h = *state;
	struct fabric_problem problem;

	dead_and_let_in(h);
	for (unsigned on = 2; on-- > 0;)
		assert_int_equal(
			fabric_host_maintenance(h->fabric, "bay2", on, 0, &problem, on_answer, h),
			0);
	run(h, MOVED);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_UNKNOWN);
	run(h, COLD_START);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_FENCED);
}

/* bay2 is dead, flaps, and is let in all the same: to quarantine. */
static void let_in_to_quarantine(struct house *h)
{
	h->config.cold_start_ms = COLD_START;
	h->config.flap_count = 1;
	usual(h);
	silence(h, BAY2);
	run(h, MOVED + 2 * WINDOW);
	assert_int_equal(readmit(h, "bay2"), 0);
	run(h, BEAT);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_QUARANTINED);
}

/* Under the boot that it had. */
static void s10_who_is_readmitted_to_quarantine_is_watched_from_its_first_beat(void **state)
{
	struct house *h = *state;

	let_in_to_quarantine(h);
	assert_false(host(h, "bay2")->live.watched);
	h->agents[BAY2 - 1].beats = true;
	run(h, 2 * BEAT);
	assert_true(host(h, "bay2")->live.watched);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_QUARANTINED);
}

static void s10_who_is_readmitted_out_of_quarantine_has_its_time_and_is_judged(void **state)
{
	struct house *h = *state;

	let_in_to_quarantine(h);
	assert_int_equal(readmit(h, "bay2"), 0);
	run(h, MOVED);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_UNKNOWN);
	assign(h, VF3, "bay2", 0);
	run(h, COLD_START);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(h, VF3), BAY8);
}

/* A cold spare is off on purpose. */
static void s11_a_cold_spare_that_was_readmitted_is_not_judged(void **state)
{
	struct house *h = *state;

	h->config.cold_start_ms = COLD_START;
	h->config.witness = CONFIG_WITNESS_NONE;
	usual(h);
	silence(h, BAY2);
	run(h, MOVED);
	assert_int_equal(sim_model_host(h->reach[0].model, BAY2, SIM_HOST_POWER, false), 0);
	run(h, BEAT);
	assert_int_equal(readmit(h, "bay2"), 0);
	run(h, BEAT);
	spare(h, "bay2");
	assert_int_equal(fabric_host_spare_kind(h->fabric, host(h, "bay2")), FABRIC_SPARE_COLD);
	run(h, COLD_START + MOVED);
	assert_int_equal(fabric_host_spare_kind(h->fabric, host(h, "bay2")), FABRIC_SPARE_COLD);
	manager_kill(h);
	manager_start(h);
	run(h, MOVED);
	assert_int_equal(fabric_host_spare_kind(h->fabric, host(h, "bay2")), FABRIC_SPARE_COLD);
}

#define T(name) cmocka_unit_test_setup_teardown(name, house_begin, house_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(who_leaves_is_fenced_at_once_where_a_verdict_would_be_given),
		T(s4_who_leaves_in_a_storm_is_not_fenced_by_its_word),
		T(s5_who_leaves_while_its_switch_is_busy_is_not_fenced_by_its_word),
		T(s5_who_leaves_when_there_were_too_many_is_not_fenced_by_its_word),
		T(s5_who_is_proved_dead_is_fenced_however_many_there_were),
		T(who_leaves_before_a_restored_database_is_adopted_is_not_fenced),
		T(s5_the_next_waits_while_the_functions_of_the_one_before_move),
		T(s7_where_all_must_say_so_silence_is_no_verdict),
		T(who_says_in_a_late_beat_that_it_leaves_does_not),
		T(beats_are_counted_by_the_way_that_they_came),
		T(a_spare_of_another_switch_is_no_target),
		T(s15_a_frozen_manager_fences_no_blocked_host_again),
		T(s15_a_frozen_manager_plans_no_move),
		T(a_host_whose_incident_is_not_known_any_more_is_fenced_again_all_the_same),
		T(what_a_hook_says_is_told_once_and_of_an_incident_that_is_known),
		T(a_step_that_no_hook_was_run_for_says_so_once),
		T(s19_a_fence_settles_what_it_has_no_answer_to_before_it_reads),
		T(s19_a_fence_that_begins_anew_is_proved_by_its_own_read_alone),
		T(s20_what_was_given_up_before_its_epoch_was_stored_does_not_begin),
		T(who_was_readmitted_and_does_not_beat_is_judged_when_its_time_is_over),
		T(who_was_readmitted_and_does_not_beat_is_judged_after_a_restart),
		T(who_was_readmitted_keeps_its_time_when_everybody_gets_a_window),
		T(who_beats_in_time_is_alive_and_is_judged_as_ever),
		T(who_is_worked_at_meanwhile_is_judged_after_that),
		T(who_was_worked_at_for_a_moment_has_its_time_still),
		T(s10_who_is_readmitted_to_quarantine_is_watched_from_its_first_beat),
		T(s10_who_is_readmitted_out_of_quarantine_has_its_time_and_is_judged),
		T(s11_a_cold_spare_that_was_readmitted_is_not_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
