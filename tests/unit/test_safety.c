/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The safety rules (docs/safety.md), each at the brain itself (house_fixture.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fabricd/state.h"
#include "house_fixture.h"

/* ---- S1 ---- */

/* An adoption would believe it. */
static void s1_what_was_unbound_for_a_host_that_died_is_not_shown_where_it_was(void **state)
{
	struct house *h = *state;
	size_t from;

	manager_start(h);
	run(h, STEADY);
	assign(h, VF1, "bay1", MAC1);
	from = h->sent_count;
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay2", 0), 0);
	run_until_sent(h, PROVIDER_UNBIND, from);
	assert_int_equal(failover(h, "bay2"), 0);
	run(h, 2000);

	assert_null(function(h, VF1)->item);
	assert_int_equal(at_switch(h, VF1), 0);
	assert_int_equal(function(h, VF1)->as.now.host, 0);
}

static void s1_every_step_of_a_move_is_read_back_before_the_next(void **state)
{
	struct house *h = *state;
	size_t from;
	bool is_read = false;

	usual(h);
	from = h->sent_count;
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay2", 0), 0);
	run(h, 500);

	assert_int_equal(at_switch(h, VF1), BAY2);
	for (size_t i = from; i < h->sent_count; i++) {
		enum provider_verb verb = h->sent[i].verb;

		/* A reset binds nothing: it alone may follow another step's reading. */
		if (is_effect(verb) && verb != PROVIDER_IDENTITY)
			assert_true(is_read);
		is_read = verb == PROVIDER_READ || (is_read && verb == PROVIDER_RESET);
	}
	assert_int_equal(sent(h, PROVIDER_BIND, from), 1);
	assert_true(is_read); /* "done" was read back too */
}

static void s1_a_fence_that_is_not_proved_blocks_the_host_and_nothing_of_it_moves(void **state)
{
	struct house *h = *state;

	usual(h);
	fault(h, PROVIDER_ISOLATE, SIM_FAULT_REFUSED, 0, 0);
	fault(h, PROVIDER_UNBIND, SIM_FAULT_REFUSED, 0, 0);
	silence(h, BAY1);
	run(h, WINDOW + 25 * BEAT);

	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_BLOCKED);
	assert_int_equal(events(h, "host.blocked", "bay1"), 1);
	assert_string_equal(health(h).status, "degraded");
	assert_int_equal(at_switch(h, VF1), BAY1);
	assert_string_equal(function(h, VF1)->host->name, "bay1");
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay2", 0), REFUSE_FUNCTION_BLOCKED);

	sim_model_fault_clear(h->reach[0].model);
	run(h, 60 * BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(h, VF1), BAY8);
}

static void s1_a_switch_that_never_settles_blocks_the_host_too(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	fault(h, PROVIDER_BIND, SIM_FAULT_LATE, 120 * BEAT, 1);
	from = h->sent_count;
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay1", 0), 0);
	run_until_sent(h, PROVIDER_BIND, from);
	assert_int_equal(failover(h, "bay1"), 0);
	run(h, 60 * BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_BLOCKED);
	assert_int_equal(events(h, "host.blocked", "bay1"), 1);
	assert_int_equal(at_switch(h, VF1), BAY1);

	run(h, 120 * BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(h, VF1), BAY8);
}

static void one_attempt_is_enough_where_all_goes_well(void **state)
{
	struct house *h = *state;

	h->config.command_attempts = 1;
	usual(h);
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay2", 0), 0);
	run(h, 500);
	assert_int_equal(at_switch(h, VF1), BAY2);
	assert_int_equal(mac_at_switch(h, VF1), MAC1);
}

static void s1_what_was_leaving_a_blocked_host_does_not_leave_it(void **state)
{
	struct house *h = *state;

	usual(h);
	fault(h, PROVIDER_ISOLATE, SIM_FAULT_REFUSED, 0, 0);
	fault(h, PROVIDER_READ_HOST, SIM_FAULT_LOST, 0, 0); /* the fence proves nothing */
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay2", 0), 0);
	assert_int_equal(failover(h, "bay1"), 0);
	run(h, 30 * BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_BLOCKED);
	assert_int_equal(at_switch(h, VF1), BAY1);

	sim_model_fault_clear(h->reach[0].model);
	run(h, 60 * BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(h, VF1), BAY2); /* where it was asked to go */
}

static int confirm(struct house *h, const char *name)
{
	struct fabric_problem problem;

	return fabric_host_fence_confirm(h->fabric, name, host(h, name)->incident, 0, &problem,
					 on_answer, h);
}

static void s1_nobody_can_vouch_for_a_host_that_beats(void **state)
{
	struct house *h = *state;

	usual(h);
	fault(h, PROVIDER_ISOLATE, SIM_FAULT_REFUSED, 0, 0);
	fault(h, PROVIDER_UNBIND, SIM_FAULT_REFUSED, 0, 0);
	assert_int_equal(failover(h, "bay1"), 0);
	assert_int_equal(confirm(h, "bay1"), REFUSE_HOST_STATE); /* not blocked yet */
	run(h, 25 * BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_BLOCKED);
	assert_int_equal(confirm(h, "bay1"), REFUSE_HOST_STATE);
	silence(h, BAY1);
	run(h, WINDOW + BEAT);
	assert_int_equal(confirm(h, "bay1"), 0);
}

static void s1_a_person_vouches_for_the_host_and_not_for_the_read_back(void **state)
{
	struct house *h = *state;

	usual(h);
	fault(h, PROVIDER_ISOLATE, SIM_FAULT_REFUSED, 0, 0);
	fault(h, PROVIDER_UNBIND, SIM_FAULT_REFUSED, 0, 0);
	silence(h, BAY1);
	run(h, WINDOW + 25 * BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_BLOCKED);
	assert_int_equal(confirm(h, "bay1"), 0);
	run(h, 20 * BEAT);

	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(h, VF1), BAY1); /* still: so it is bound nowhere else */
	assert_int_equal(sent(h, PROVIDER_BIND, 0), 2);
}

static void s1_a_command_without_answer_is_looked_for_not_repeated(void **state)
{
	struct house *h = *state;

	usual(h);
	fault(h, PROVIDER_BIND, SIM_FAULT_LOST, 0, 1);
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay3", 0), 0);
	run(h, 5 * BEAT);

	assert_int_equal(at_switch(h, VF3), BAY3);
	assert_int_equal(sent(h, PROVIDER_BIND, 0), 3); /* VF1, VF2, VF3: each once */
}

/* ---- S2 ---- */

static void s2_wall_time_may_jump_and_nobody_is_judged_by_it(void **state)
{
	struct house *h = *state;

	usual(h);
	for (int i = 0; i < 20; i++) {
		h->wall_skew_ms = i % 2 ? 86400000 : -86400000;
		run(h, BEAT);
	}

	assert_int_equal(events(h, "host.suspect", NULL), 0);
	assert_int_equal(events(h, "host.fencing", NULL), 0);
	silence(h, BAY1);
	run(h, MOVED);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
}

/* ---- S3 ---- */

static void s3_a_manager_that_was_stopped_judges_nobody_for_a_window(void **state)
{
	struct house *h = *state;
	uint64_t from;

	usual(h);
	silence(h, BAY1);
	run(h, BEAT);
	h->now_ms += 30 * BEAT; /* SIGSTOP */
	h->next_beat_ms = h->now_ms;
	from = h->now_ms;
	run(h, WINDOW - BEAT);
	assert_int_equal(events(h, "host.fencing", NULL), 0);

	run(h, 3 * BEAT);
	assert_int_equal(events(h, "host.fencing", "bay1"), 1);
	assert_int_equal(events(h, "host.fencing", NULL), 1);
	for (size_t i = 0; i < h->event_count; i++)
		if (!strcmp(h->events[i].type, "host.fencing"))
			assert_true(h->events[i].at_ms >= from + WINDOW);
}

static void s3_a_database_that_owes_an_answer_stops_all_verdicts(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	spare(h, "bay7");
	house_step(h, h->now_ms);
	h->holds_commits = true;
	spare(h, "bay6");
	silence(h, BAY1);
	from = h->sent_count;
	run(h, WINDOW + 5 * BEAT);

	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_ALIVE);
	assert_int_equal(effects(h, from), 0);
	h->holds_commits = false;
	run(h, WINDOW + 3 * BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
}

static void s3_a_beat_that_came_twice_or_late_counts_for_nothing(void **state)
{
	struct house *h = *state;
	uint64_t epoch;

	usual(h);
	silence(h, BAY1);
	for (unsigned i = 0; i < 8; i++) {
		run(h, BEAT);
		if (host(h, "bay1")->state == FABRIC_HOST_ALIVE ||
		    host(h, "bay1")->state == FABRIC_HOST_SUSPECT)
			assert_int_equal(fabric_beat(h->fabric, "bay1", "boot-0-0",
						     h->agents[0].seq, h->now_ms, &epoch),
					 REFUSE_FIELD);
	}
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
}

/* ---- S4 ---- */

static void s4_when_many_fall_silent_at_once_nobody_is_fenced_and_it_is_told(void **state)
{
	struct house *h = *state;

	usual(h);
	for (unsigned bay = 1; bay <= 4; bay++)
		silence(h, bay);
	run(h, 30 * BEAT);

	assert_int_equal(events(h, "host.fencing", NULL), 0);
	assert_int_equal(events(h, "failover.hold", NULL), 1);
	assert_true(health(h).hold);
	for (unsigned bay = 2; bay <= 4; bay++)
		h->agents[bay - 1].beats = true;
	run(h, WINDOW - BEAT);
	assert_int_equal(events(h, "host.fencing", NULL), 0); /* a full fresh window */
	run(h, 5 * BEAT);
	assert_int_equal(events(h, "host.fencing", NULL), 1);
	assert_int_equal(events(h, "failover.resume", NULL), 1);
}

static void s4_a_storm_in_one_chassis_holds_no_other(void **state)
{
	struct house *h = *state;
	uint64_t epoch;

	reach_new(h, "slot", 4, false);
	manager_start(h);
	for (unsigned i = 0; i < 20; i++) {
		run(h, BEAT);
		for (unsigned n = 1; n <= 4; n++) {
			char name[16];

			(void)snprintf(name, sizeof(name), "ch2/slot%u", n);
			assert_int_equal(
				fabric_beat(h->fabric, name, "boot", i + 1, h->now_ms, &epoch), 0);
		}
	}
	silence(h, BAY1); /* all four slots fall silent with it */
	run(h, MOVED);

	assert_true(health(h).hold);
	assert_int_equal(events(h, "host.fencing", NULL), 1);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
}

/* ---- S5 ---- */

static void s5_one_failover_at_a_time_for_each_switch(void **state)
{
	struct house *h = *state;

	usual(h);
	fault(h, PROVIDER_READ_HOST, SIM_FAULT_DELAY, 900, 0); /* the first one takes its time */
	silence(h, BAY1);
	silence(h, BAY2);
	run(h, WINDOW + 500);
	assert_int_equal(events(h, "host.fencing", NULL), 1);

	run(h, 20 * BEAT);
	assert_int_equal(events(h, "host.fencing", NULL), 2);
}

static void s5_proved_deaths_wait_for_nobody(void **state)
{
	struct house *h = *state;

	usual(h);
	fault(h, PROVIDER_READ_HOST, SIM_FAULT_DELAY, 900, 0);
	assert_int_equal(sim_model_host(h->reach[0].model, BAY1, SIM_HOST_POWER, false), 0);
	assert_int_equal(sim_model_host(h->reach[0].model, BAY2, SIM_HOST_POWER, false), 0);
	run(h, 500);

	assert_int_equal(events(h, "host.fencing", NULL), 2);
}

static void s5_after_six_failovers_in_ten_minutes_the_seventh_waits(void **state)
{
	struct house *h = *state;

	h->config.flap_count = 0; /* S10 is not what is looked at */
	usual(h);
	for (unsigned n = 0; n < 7; n++) {
		silence(h, BAY2);
		run(h, 10 * BEAT);
		if (n == 6)
			break;
		assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_FENCED);
		h->agents[BAY2 - 1].beats = true;
		run(h, 2 * BEAT);
		assert_int_equal(readmit(h, "bay2"), 0);
		run(h, 10 * BEAT);
		assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_ALIVE);
	}

	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_SUSPECT);
	assert_int_equal(events(h, "host.fencing", "bay2"), 6);
	run(h, 600 * BEAT);
	assert_int_equal(events(h, "host.fencing", "bay2"), 7);
}

/* ---- S6 ---- */

static void s6_after_a_start_a_dead_host_has_one_full_window(void **state)
{
	struct house *h = *state;

	usual(h);
	silence(h, BAY1);
	run(h, BEAT);
	manager_kill(h);
	h->now_ms += 60 * BEAT;
	h->next_beat_ms = h->now_ms;
	h->event_count = 0;
	manager_start(h);
	run(h, WINDOW - BEAT);
	assert_true(health(h).ready);
	assert_int_equal(events(h, "host.fencing", NULL), 0);

	run(h, 3 * BEAT);
	assert_int_equal(events(h, "host.fencing", "bay1"), 1);
	assert_int_equal(events(h, "host.fencing", NULL), 1);
}

static void s6_no_verdict_before_reconcile_is_finished(void **state)
{
	struct house *h = *state;

	usual(h);
	manager_kill(h);
	silence(h, BAY1);
	h->event_count = 0;
	/* Something that an earlier life has sent is still under way. */
	fault(h, PROVIDER_RESET, SIM_FAULT_LATE, 20 * BEAT, 1);
	{
		const struct provider_op late = { .attempt = 1,
						  .verb = PROVIDER_RESET,
						  .function = 3,
						  .deadline_ms = h->now_ms + 100 };
		struct provider_sink none = { 0 };
		struct provider *old = sim_model_provider(h->reach[0].model, &none);

		(void)old->ops->submit(old, &late);
		provider_close(old);
	}
	manager_start(h);
	run(h, 15 * BEAT);
	assert_false(health(h).ready);
	assert_int_equal(events(h, "host.fencing", NULL), 0);

	run(h, 5 * BEAT + WINDOW + 2 * BEAT);
	assert_true(health(h).ready);
	assert_int_equal(events(h, "host.fencing", "bay1"), 1);
}

static void s6_one_dead_switch_delays_no_other_chassis(void **state)
{
	struct house *h = *state;

	reach_new(h, "slot", 4, false);
	h->reach[1].is_cut = true;
	usual(h);
	assert_false(health(h).ready);
	silence(h, BAY1);
	run(h, MOVED);

	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(h, VF1), BAY8);
}

static void s6_nobody_is_judged_while_its_switch_is_lost(void **state)
{
	struct house *h = *state;
	const struct provider_sink *sink = &h->reach[0].sink;

	usual(h);
	sink->state(sink->arg, PROVIDER_LOST, NULL);
	silence(h, BAY1);
	run(h, 3 * WINDOW);
	assert_int_equal(events(h, "host.fencing", NULL), 0);

	sink->state(sink->arg, PROVIDER_READY, sim_model_hello(h->reach[0].model));
	run(h, WINDOW - BEAT);
	assert_true(health(h).ready);
	assert_int_equal(events(h, "host.fencing", NULL), 0);
	run(h, 3 * BEAT);
	assert_int_equal(events(h, "host.fencing", "bay1"), 1);
}

static void s6_a_switch_that_comes_back_gives_everybody_a_full_window(void **state)
{
	struct house *h = *state;
	uint64_t back_ms;

	usual(h);
	silence(h, BAY1);
	run(h, WINDOW - 500);
	sim_model_reboot(h->reach[0].model, 0);
	back_ms = h->now_ms;
	run(h, WINDOW - BEAT);
	assert_int_equal(events(h, "host.fencing", NULL), 0);

	run(h, 3 * BEAT);
	assert_int_equal(events(h, "host.fencing", "bay1"), 1);
	assert_true(h->now_ms > back_ms + WINDOW);
}

/* ---- S7 ---- */

static void s7_a_host_without_power_or_link_is_fenced_at_once(void **state)
{
	struct house *h = *state;

	usual(h);
	assert_int_equal(sim_model_host(h->reach[0].model, BAY1, SIM_HOST_POWER, false), 0);
	assert_int_equal(sim_model_host(h->reach[0].model, BAY2, SIM_HOST_LINK, false), 0);
	run(h, 500);

	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(h, VF1), BAY8);
}

/* ---- S8 ---- */

static void s8_nothing_leaves_before_the_intent_is_durable(void **state)
{
	struct house *h = *state;
	unsigned answers;
	size_t from;

	usual(h);
	answers = h->answer.count;
	from = h->sent_count;
	h->holds_commits = true;
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay3", 0), 0);
	run(h, 500);
	assert_int_equal(h->sent_count, from);
	assert_int_equal(h->answer.count, answers);

	h->holds_commits = false;
	run(h, 500);
	assert_int_equal(h->answer.count, answers + 1);
	assert_int_equal(at_switch(h, VF3), BAY3);
}

static void s8_the_first_effect_is_announced_before_it_leaves(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	from = h->sent_count;
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay3", 0), 0);
	run_until_sent(h, PROVIDER_READ, from);
	h->holds_commits = true;
	run(h, 500);
	assert_int_equal(effects(h, from), 0);

	h->holds_commits = false;
	run(h, 500);
	assert_int_equal(at_switch(h, VF3), BAY3);
}

/* Else who reads it, and reads again after a crash, has seen time go back. */
static void s8_who_has_a_function_is_told_once_that_is_durable(void **state)
{
	struct house *h = *state;
	uint64_t generation;
	size_t from;

	usual(h);
	generation = fabric_function_owner(function(h, VF1)).generation;
	from = h->sent_count;
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay3", 0), 0);
	run_until_sent(h, PROVIDER_BIND, from);
	h->holds_commits = true;
	run(h, 500);
	assert_int_equal(at_switch(h, VF1), BAY3);
	assert_string_equal(fabric_function_owner(function(h, VF1)).host->name, "bay1");
	assert_int_equal(fabric_function_owner(function(h, VF1)).generation, generation);

	manager_kill(h);
	manager_start(h);
	assert_string_equal(fabric_function_owner(function(h, VF1)).host->name, "bay1");
	run(h, 2 * BEAT);
	assert_string_equal(fabric_function_owner(function(h, VF1)).host->name, "bay3");
	assert_true(fabric_function_owner(function(h, VF1)).generation > generation);
}

static void s8_what_was_under_way_is_completed_after_a_crash(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	from = h->sent_count;
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay3", 0), 0);
	run_until_sent(h, PROVIDER_RESET, from);
	manager_kill(h);
	from = h->sent_count;
	manager_start(h);
	run(h, 2 * BEAT);

	assert_int_equal(at_switch(h, VF1), BAY3);
	assert_int_equal(mac_at_switch(h, VF1), MAC1);
	assert_string_equal(function(h, VF1)->host->name, "bay3");
	/* It settles and reads before it goes on. */
	assert_int_equal(h->sent[from].verb, PROVIDER_SETTLE);
	for (size_t i = from; i < h->sent_count && !is_effect(h->sent[i].verb); i++)
		from = i;
	assert_int_equal(h->sent[from].verb, PROVIDER_READ);
}

static void a_change_may_be_cancelled_before_its_first_effect_and_not_after(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	h->holds_commits = true;
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay3", 0), 0);
	run(h, 50);
	{
		size_t count;
		const struct fabric_change *const *all = fabric_changes(h->fabric, &count);

		assert_int_equal(
			fabric_change_cancel(h->fabric, all[count - 1]->row.id, 0, on_answer, h),
			0);
	}
	h->holds_commits = false;
	run(h, 500);
	assert_int_equal(at_switch(h, VF3), 0);
	assert_null(function(h, VF3)->host);

	from = h->sent_count;
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay3", 0), 0);
	run_until_sent(h, PROVIDER_RESET, from);
	assert_int_equal(fabric_change_cancel(h->fabric, function(h, VF3)->item->row.change, 0,
					      on_answer, h),
			 REFUSE_NOT_CANCELLABLE);
	run(h, 500);
	assert_int_equal(at_switch(h, VF3), BAY3);
}

static void a_function_is_locked_by_the_change_that_has_it(void **state)
{
	struct house *h = *state;

	usual(h);
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay2", 0), 0);
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay3", 0), REFUSE_FUNCTION_LOCKED);
	run(h, 500);
	assert_int_equal(at_switch(h, VF1), BAY2);
}

static void a_vport_that_is_promised_is_given_to_nobody_else(void **state)
{
	struct house *h = *state;
	struct fabric_request_op one = op(DB_OP_ASSIGN, VF3, "bay3", 0);

	usual(h);
	one.vport = 7;
	assert_int_equal(request(h, &one, 1), 0);
	one = op(DB_OP_ASSIGN, "nic-0001/pf0/vf4", "bay3", 0);
	one.vport = 7;
	assert_int_equal(request(h, &one, 1), REFUSE_VPORT_TAKEN);
}

static void what_leads_to_a_host_that_died_is_parked_and_goes_on_with_its_profile(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	fault(h, PROVIDER_RESET, SIM_FAULT_DELAY, 900, 1);
	from = h->sent_count;
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay2", 0), 0);
	run_until_sent(h, PROVIDER_RESET, from);
	assert_int_equal(failover(h, "bay2"), 0);
	run(h, 10 * BEAT);

	assert_int_equal(events(h, "function.parked", VF1), 1);
	assert_int_equal(at_switch(h, VF1), BAY8); /* as bay2's, whose spare that is */
	assert_int_equal(mac_at_switch(h, VF1), MAC1);
	assert_int_equal(at_switch(h, VF2), BAY1);
}

static void a_failover_waits_for_what_still_leads_to_the_host_that_died(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	fault(h, PROVIDER_UNBIND, SIM_FAULT_LOST, 0, 1);
	from = h->sent_count;
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay2", 0), 0);
	run_until_sent(h, PROVIDER_UNBIND, from);
	assert_int_equal(failover(h, "bay2"), 0); /* fenced long before that answer is given up */
	run(h, 10 * BEAT);

	assert_int_equal(at_switch(h, VF1), BAY8);
	assert_int_equal(mac_at_switch(h, VF1), MAC1);
	assert_int_equal(fabric_incident_find(h->fabric, 1)->row.state, DB_INCIDENT_DONE);
}

static void what_someone_else_bound_is_not_unbound(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	foreign(h, PROVIDER_BIND, VF3, BAY3, 20, 0);
	from = h->sent_count;
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay2", 0), 0); /* not seen yet */
	run(h, 30 * BEAT);

	assert_int_equal(at_switch(h, VF3), BAY3);
	assert_int_equal(effects(h, from), 0);
	assert_int_equal(events(h, "function.failed", VF3), 1);
}

static void a_failover_goes_round_what_someone_else_bound_at_the_spare(void **state)
{
	struct house *h = *state;

	usual(h);
	foreign(h, PROVIDER_BIND, VF3, BAY8, function(h, VF1)->vport, 0);
	scan_again(h);
	silence(h, BAY1);
	run(h, MOVED);

	assert_int_equal(at_switch(h, VF1), BAY8);
	assert_int_equal(at_switch(h, VF2), BAY8);
	assert_int_equal(at_switch(h, VF3), BAY8);
	assert_int_equal(fabric_incident_find(h->fabric, 1)->row.state, DB_INCIDENT_DONE);
}

static void what_is_parked_after_all_tries_says_why(void **state)
{
	struct house *h = *state;
	const struct fabric_change *change;

	usual(h);
	fault(h, PROVIDER_BIND, SIM_FAULT_REFUSED, 0, 0);
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay2", 0), 0);
	run(h, 30 * BEAT);

	change = fabric_change_find(h->fabric, 3);
	assert_int_equal(change->row.state, DB_CHANGE_PARKED);
	assert_string_equal(change->items[0].row.reason, "bind: told to refuse");
}

static void nothing_is_mended_at_a_host_that_is_silent(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	silence(h, BAY1);
	run_until_state(h, "bay1", FABRIC_HOST_SUSPECT);
	from = h->sent_count;
	foreign(h, PROVIDER_UNBIND, VF1, 0, 0, 0);
	scan_again(h);
	assert_int_equal(at_switch(h, VF1), 0);
	assert_int_equal(sent(h, PROVIDER_BIND, from), 0);

	h->agents[0].beats = true;
	run(h, 3 * BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_ALIVE);
	assert_int_equal(at_switch(h, VF1), BAY1);
}

static void a_failover_waits_for_no_repair(void **state)
{
	struct house *h = *state;

	usual(h);
	fault(h, PROVIDER_BIND, SIM_FAULT_REFUSED, 0, 0);
	foreign(h, PROVIDER_UNBIND, VF1, 0, 0, 0);
	scan_again(h);
	run(h, 60 * BEAT); /* tried again and again, each time later */
	assert_true(function(h, VF1)->retry_ms > h->now_ms + BEAT);
	sim_model_fault_clear(h->reach[0].model);
	assert_int_equal(failover(h, "bay1"), 0);
	run(h, BEAT);

	assert_int_equal(at_switch(h, VF1), BAY8);
	assert_int_equal(mac_at_switch(h, VF1), MAC1);
}

/* ---- S9 ---- */

static void s9_a_fenced_host_stays_fenced_whatever_it_beats(void **state)
{
	struct house *h = *state;

	usual(h);
	silence(h, BAY1);
	run(h, MOVED);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	h->agents[0].beats = true;
	run(h, 600 * BEAT);

	assert_int_equal(h->agents[0].answer, REFUSE_HOST_FENCED);
	assert_int_equal(h->agents[0].epoch, host(h, "bay1")->epoch);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	assert_true(state_at_switch(h, BAY1)->isolated);
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay1", 0), REFUSE_HOST_FENCED);
}

static int leave(struct house *h, unsigned bay, const char *name)
{
	struct agent *a = &h->agents[bay - 1];
	char boot[32];

	(void)snprintf(boot, sizeof(boot), "boot-%u-%u", bay - 1, a->boots);
	silence(h, bay);
	return fabric_leaving(h->fabric, name, boot, ++a->seq, h->now_ms, &a->epoch);
}

static void a_host_that_leaves_hands_over_before_its_window_is_over(void **state)
{
	struct house *h = *state;
	size_t count = 0;
	const struct fabric_incident *const *incidents;

	usual(h);
	run(h, 10 * BEAT);
	assert_int_equal(leave(h, BAY1, "bay1"), REFUSE_HOST_FENCED);
	run(h, BEAT);

	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(h, VF1), BAY8);
	incidents = fabric_incidents(h->fabric, &count);
	assert_int_equal(count, 1);
	assert_string_equal(incidents[0]->row.cause, "left");
}

/* S6: a word is no reason to fail over before what the switch shows is known. */
static void s6_who_leaves_while_its_switch_is_lost_is_not_fenced_for_it(void **state)
{
	struct house *h = *state;
	const struct provider_sink *sink = &h->reach[0].sink;
	uint64_t epoch;

	usual(h);
	run(h, 10 * BEAT);
	sink->state(sink->arg, PROVIDER_LOST, NULL);
	epoch = host(h, "bay1")->epoch;
	assert_int_equal(leave(h, BAY1, "bay1"), 0);
	assert_true(host(h, "bay1")->epoch == epoch);
}

static void s9_it_is_fenced_after_a_restart_too(void **state)
{
	struct house *h = *state;

	usual(h);
	silence(h, BAY1);
	run(h, MOVED);
	manager_kill(h);
	h->agents[0].beats = true;
	manager_start(h);
	run(h, 60 * BEAT);

	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_equal(h->agents[0].answer, REFUSE_HOST_FENCED);
}

static void s9_what_was_moved_does_not_come_back_with_the_host(void **state)
{
	struct house *h = *state;

	usual(h);
	silence(h, BAY1);
	run(h, MOVED);
	h->agents[0].beats = true;
	run(h, 2 * BEAT);
	assert_int_equal(readmit(h, "bay1"), 0);
	run(h, 60 * BEAT);

	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_ALIVE);
	assert_int_equal(h->agents[0].answer, 0);
	assert_false(state_at_switch(h, BAY1)->isolated);
	assert_int_equal(at_switch(h, VF1), BAY8);
	assert_int_equal(host(h, "bay1")->functions, 0);
	assert_false(host(h, "bay1")->spare);
}

static void s9_a_host_is_let_in_only_with_an_empty_virtual_switch(void **state)
{
	struct house *h = *state;

	usual(h);
	foreign(h, PROVIDER_BIND, VF3, BAY3, 20, 0);
	fault(h, PROVIDER_ISOLATE, SIM_FAULT_REFUSED, 0, 0);
	fault(h, PROVIDER_UNBIND, SIM_FAULT_REFUSED, 0, 0);
	fault(h, PROVIDER_HOST_POWER, SIM_FAULT_REFUSED, 0, 0);
	assert_int_equal(failover(h, "bay3"), 0);
	silence(h, BAY3);
	run(h, 20 * BEAT);
	assert_int_equal(confirm(h, "bay3"), 0);
	run(h, BEAT);
	assert_int_equal(host(h, "bay3")->state, FABRIC_HOST_FENCED);
	assert_int_equal(readmit(h, "bay3"), 0);
	run(h, 20 * BEAT);
	assert_int_equal(h->answer.r, REFUSE_IN_DOUBT);
	assert_int_equal(host(h, "bay3")->state, FABRIC_HOST_FENCED);

	sim_model_fault_clear(h->reach[0].model);
	assert_int_equal(readmit(h, "bay3"), 0);
	run(h, BEAT);
	h->agents[BAY3 - 1].beats = true;
	run(h, 2 * BEAT);
	assert_int_equal(host(h, "bay3")->state, FABRIC_HOST_ALIVE);
	assert_int_equal(at_switch(h, VF3), 0);
}

static void s9_a_blocked_host_that_beats_is_let_in_as_it_is_and_its_fence_ends(void **state)
{
	struct house *h = *state;
	struct fabric_request_op ops[5];
	char names[5][32];
	uint64_t epoch;
	size_t from;

	usual(h);
	for (unsigned i = 0; i < 5; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "nic-0001/pf0/vf%u", i + 3);
		ops[i] = op(DB_OP_ASSIGN, names[i], "bay1", 0);
	}
	assert_int_equal(request(h, ops, 5), 0);
	run(h, BEAT);
	fault(h, PROVIDER_ISOLATE, SIM_FAULT_REFUSED, 0, 0);
	fault(h, PROVIDER_UNBIND, SIM_FAULT_REFUSED, 0, 0);
	fault(h, PROVIDER_HOST_POWER, SIM_FAULT_REFUSED, 0, 0);
	assert_int_equal(failover(h, "bay1"), 0);
	run_until_state(h, "bay1", FABRIC_HOST_BLOCKED);
	sim_model_fault_clear(h->reach[0].model);
	fault(h, PROVIDER_ISOLATE, SIM_FAULT_REFUSED, 0, 0);
	fault(h, PROVIDER_UNBIND, SIM_FAULT_DELAY, 900, 0); /* the others wait behind it */
	from = h->sent_count;
	run_until_sent(h, PROVIDER_UNBIND, from);
	epoch = host(h, "bay1")->epoch;
	assert_int_equal(readmit(h, "bay1"), 0);
	sim_model_fault_clear(h->reach[0].model);
	from = h->sent_count;
	run(h, 30 * BEAT);

	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_ALIVE);
	assert_int_equal(host(h, "bay1")->epoch, epoch + 1);
	assert_false(state_at_switch(h, BAY1)->isolated);
	for (size_t i = from; i < h->sent_count; i++)
		assert_false(h->sent[i].verb == PROVIDER_UNBIND && !h->sent[i].generation);
	assert_int_equal(at_switch(h, VF1), BAY1);
	assert_int_equal(at_switch(h, names[4]), BAY1);
}

/* ---- S11 ---- */

static void s11_a_spare_that_has_just_begun_to_beat_is_no_target(void **state)
{
	struct house *h = *state;

	silence(h, BAY8);
	usual(h);
	h->agents[BAY8 - 1].beats = true;
	run(h, BEAT);
	silence(h, BAY1);
	run(h, MOVED);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(h, VF1), 0);
	assert_int_equal(fabric_function_state(function(h, VF1)), FABRIC_FUNCTION_PARKED);

	run(h, 3 * WINDOW);
	assert_int_equal(at_switch(h, VF1), BAY8);
	assert_int_equal(mac_at_switch(h, VF1), MAC1);
}

/* ---- S10 ---- */

/* It falls silent for long enough to be suspected, and beats again. */
static void flap(struct house *h, unsigned bay)
{
	silence(h, bay);
	run(h, 3 * BEAT + 500);
	h->agents[bay - 1].beats = true;
	run(h, 3 * BEAT);
}

static void s10_a_flapping_host_is_quarantined_and_left_by_readmit_alone(void **state)
{
	struct house *h = *state;

	usual(h);
	flap(h, BAY1);
	flap(h, BAY1);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_ALIVE);
	flap(h, BAY1);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_QUARANTINED);
	assert_int_equal(events(h, "host.quarantined", "bay1"), 1);
	/* It keeps what it has, and is given no more. */
	assert_int_equal(at_switch(h, VF1), BAY1);
	assert_int_equal(h->agents[0].answer, 0);
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay1", 0), REFUSE_HOST_STATE);

	manager_kill(h);
	manager_start(h);
	run(h, 700 * BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_QUARANTINED);
	assert_int_equal(readmit(h, "bay1"), 0);
	run(h, 10 * BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_ALIVE);
	assign(h, VF3, "bay1", 0);
}

static void s10_after_readmission_it_is_counted_anew(void **state)
{
	struct house *h = *state;

	usual(h);
	for (unsigned n = 0; n < 3; n++)
		flap(h, BAY1);
	assert_int_equal(readmit(h, "bay1"), 0);
	run(h, 3 * BEAT);
	flap(h, BAY1);
	flap(h, BAY1);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_ALIVE);
	flap(h, BAY1);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_QUARANTINED);
}

static void s10_a_host_in_quarantine_is_judged_after_a_restart_too(void **state)
{
	struct house *h = *state;

	usual(h);
	for (unsigned n = 0; n < 3; n++)
		flap(h, BAY1);
	run(h, BEAT);
	manager_kill(h);
	manager_start(h);
	run(h, 30 * BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_QUARANTINED);
	silence(h, BAY1);
	run(h, 10 * BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(h, VF1), BAY8);
}

static void s10_turns_that_are_far_apart_count_for_nothing(void **state)
{
	struct house *h = *state;

	usual(h);
	for (unsigned n = 0; n < 5; n++) {
		flap(h, BAY1);
		run(h, 301 * BEAT);
	}
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_ALIVE);
	assert_int_equal(events(h, "host.suspect", "bay1"), 5);
}

static void s10_what_many_hosts_do_at_once_says_nothing_of_one(void **state)
{
	struct house *h = *state;

	usual(h);
	for (unsigned n = 0; n < 4; n++) {
		for (unsigned bay = BAY1; bay <= BAY3; bay++)
			silence(h, bay);
		run(h, 3 * BEAT + 500);
		for (unsigned bay = BAY1; bay <= BAY3; bay++)
			h->agents[bay - 1].beats = true;
		run(h, 3 * BEAT);
	}
	assert_int_equal(events(h, "host.suspect", "bay2"), 4);
	assert_int_equal(events(h, "host.quarantined", NULL), 0);
}

static void s10_a_host_in_quarantine_is_no_target(void **state)
{
	struct house *h = *state;

	usual(h);
	for (unsigned n = 0; n < 3; n++)
		flap(h, BAY8);
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_QUARANTINED);
	run(h, 60 * BEAT);
	silence(h, BAY1);
	run(h, 10 * BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(h, VF1), 0);

	assert_int_equal(readmit(h, "bay8"), 0);
	run(h, 4 * WINDOW);
	assert_int_equal(at_switch(h, VF1), BAY8);
}

static void s10_a_host_that_is_fenced_again_and_again_comes_back_to_quarantine(void **state)
{
	struct house *h = *state;

	usual(h);
	for (unsigned n = 0; n < 3; n++) {
		assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_ALIVE);
		silence(h, BAY2);
		run(h, 10 * BEAT);
		assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_FENCED);
		h->agents[BAY2 - 1].beats = true;
		run(h, 2 * BEAT);
		assert_int_equal(readmit(h, "bay2"), 0);
		run(h, 10 * BEAT);
	}
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_QUARANTINED);
	/* It holds nothing: what would it be fenced for? */
	silence(h, BAY2);
	run(h, 60 * BEAT);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_QUARANTINED);
	assert_int_equal(events(h, "host.fencing", "bay2"), 3);
	assert_int_equal(events(h, "host.verdict", "bay2"), 1);
}

static void s10_a_host_in_quarantine_that_dies_is_failed_over_once(void **state)
{
	struct house *h = *state;

	usual(h);
	for (unsigned n = 0; n < 3; n++)
		flap(h, BAY1);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_QUARANTINED);
	silence(h, BAY1);
	run(h, 10 * BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(h, VF1), BAY8);
	h->agents[0].beats = true;
	run(h, 2 * BEAT);
	assert_int_equal(readmit(h, "bay1"), 0);
	run(h, 10 * BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_QUARANTINED);
	assert_int_equal(events(h, "host.fencing", "bay1"), 1);
}

/* ---- S13 ---- */

static int maintain(struct house *h, const char *name, bool on)
{
	struct fabric_problem problem;

	return fabric_host_maintenance(h->fabric, name, on, 0, &problem, on_answer, h);
}

static void s13_a_verdict_on_a_host_in_maintenance_is_told_once_and_not_acted_on(void **state)
{
	struct house *h = *state;

	usual(h);
	assert_int_equal(maintain(h, "bay1", true), 0);
	run(h, BEAT);
	silence(h, BAY1);
	run(h, 30 * BEAT);
	assert_int_equal(events(h, "host.verdict", "bay1"), 1);
	/* Nor when it is proved. */
	assert_int_equal(sim_model_host(h->reach[0].model, BAY1, SIM_HOST_POWER, false), 0);
	run(h, 30 * BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_MAINTENANCE);
	assert_int_equal(events(h, "host.fencing", NULL), 0);
	assert_int_equal(events(h, "host.verdict", "bay1"), 1);
	assert_string_equal(function(h, VF1)->host->name, "bay1");
}

static void s13_maintenance_survives_a_restart(void **state)
{
	struct house *h = *state;

	usual(h);
	assert_int_equal(maintain(h, "bay1", true), 0);
	run(h, BEAT);
	manager_kill(h);
	silence(h, BAY1);
	manager_start(h);
	run(h, 60 * BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_MAINTENANCE);
	assert_int_equal(events(h, "host.fencing", NULL), 0);
	assert_int_equal(events(h, "host.verdict", "bay1"), 1);
}

static void s13_the_end_of_maintenance_gives_a_full_fresh_window(void **state)
{
	struct house *h = *state;

	usual(h);
	assert_int_equal(maintain(h, "bay1", true), 0);
	silence(h, BAY1);
	run(h, 30 * BEAT);
	assert_int_equal(maintain(h, "bay1", false), 0);
	run(h, WINDOW - 100);
	assert_int_equal(events(h, "host.fencing", NULL), 0);
	run(h, 5 * BEAT);
	assert_int_equal(events(h, "host.fencing", "bay1"), 1);
	assert_int_equal(at_switch(h, VF1), BAY8);
}

static void s13_a_host_in_maintenance_is_no_target(void **state)
{
	struct house *h = *state;

	usual(h);
	assert_int_equal(maintain(h, "bay8", true), 0);
	silence(h, BAY1);
	run(h, 60 * BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(h, VF1), 0);
	/* S11: it is steady anew from there on. */
	assert_int_equal(maintain(h, "bay8", false), 0);
	run(h, 2 * WINDOW);
	assert_int_equal(at_switch(h, VF1), 0);
	run(h, 2 * WINDOW);
	assert_int_equal(at_switch(h, VF1), BAY8);
}

static void s13_hosts_in_maintenance_make_no_storm(void **state)
{
	struct house *h = *state;

	usual(h);
	for (unsigned bay = 4; bay <= 7; bay++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "bay%u", bay);
		assert_int_equal(maintain(h, name, true), 0);
		silence(h, bay);
	}
	run(h, 30 * BEAT);
	assert_int_equal(events(h, "failover.hold", NULL), 0);
	silence(h, BAY1);
	run(h, MOVED);
	assert_int_equal(at_switch(h, VF1), BAY8);
}

static void s13_maintenance_is_no_way_round_a_fence(void **state)
{
	struct house *h = *state;

	usual(h);
	silence(h, BAY1);
	run(h, MOVED);
	assert_int_equal(maintain(h, "bay1", true), REFUSE_HOST_STATE);
	assert_int_equal(maintain(h, "bay1", false), REFUSE_HOST_STATE);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
}

/* ---- S12 ---- */

static void reserve(struct house *h, unsigned failures)
{
	h->config.reserve = failures;
	fabric_configure(h->fabric, &h->config);
}

static void s12_nothing_is_given_that_uses_the_last_spare(void **state)
{
	struct house *h = *state;

	usual(h);
	reserve(h, 1);
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay8", 0), REFUSE_RESERVE);
	assert_int_equal(ask(h, DB_OP_MOVE, VF2, "bay8", 0), REFUSE_RESERVE);
	assert_null(function(h, VF3)->item);
	/* Elsewhere there is room, and a second spare makes one of them free. */
	assign(h, VF3, "bay2", 0);
	spare(h, "bay7");
	assert_int_equal(ask(h, DB_OP_MOVE, VF3, "bay8", 0), 0);
	run(h, BEAT);
	assert_int_equal(at_switch(h, VF3), BAY8);
}

static void s12_so_many_failures_as_policy_says_have_room(void **state)
{
	struct house *h = *state;

	usual(h);
	reserve(h, 2);
	/* The second host that holds something would have no spare. */
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay2", 0), REFUSE_RESERVE);
	assert_int_equal(ask(h, DB_OP_MOVE, VF2, "bay2", 0), REFUSE_RESERVE);
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay1", 0), 0);
	run(h, BEAT);
	spare(h, "bay7");
	assert_int_equal(ask(h, DB_OP_MOVE, VF2, "bay2", 0), 0);
}

static void s12_a_spare_that_could_not_take_over_is_no_room(void **state)
{
	struct house *h = *state;

	usual(h);
	reserve(h, 1);
	assert_int_equal(maintain(h, "bay8", true), 0);
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay1", 0), REFUSE_RESERVE);
	/* What makes it no worse is done. */
	assert_int_equal(ask(h, DB_OP_RELEASE, VF2, "", 0), 0);
	assert_int_equal(maintain(h, "bay8", false), 0);
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay1", 0), 0);
}

static void s12_what_is_under_way_counts_too(void **state)
{
	struct house *h = *state;

	usual(h);
	spare(h, "bay7");
	reserve(h, 1);
	h->holds_commits = true;
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay7", 0), 0);
	assert_int_equal(ask(h, DB_OP_ASSIGN, GPU0, "bay8", 0), REFUSE_RESERVE);
}

static void s12_a_failover_uses_what_was_kept_for_it(void **state)
{
	struct house *h = *state;

	usual(h);
	reserve(h, 1);
	silence(h, BAY1);
	run(h, MOVED);
	assert_int_equal(at_switch(h, VF1), BAY8);
	assert_int_equal(at_switch(h, VF2), BAY8);
}

/* ---- planned moves ---- */

static int drain(struct house *h, const char *name, const char *to)
{
	struct fabric_problem problem;

	return fabric_host_drain(h->fabric, name, to, &(struct fabric_asker){ 0 }, &problem,
				 on_answer, h);
}

static void a_host_is_drained_to_a_spare_as_one_change_and_not_fenced(void **state)
{
	struct house *h = *state;
	struct fabric_problem problem;
	struct fabric_plan plan;
	unsigned answers;
	uint16_t vport;

	usual(h);
	vport = function(h, VF2)->vport;
	assert_int_equal(fabric_host_drain_plan(h->fabric, "bay1", "", &problem, &plan), 0);
	assert_string_equal(plan.target, "bay8");
	assert_int_equal(plan.item_count, 2);
	fabric_plan_done(&plan);
	assert_null(function(h, VF1)->item);

	answers = h->answer.count;
	assert_int_equal(drain(h, "bay1", ""), 0);
	run(h, 2 * BEAT);
	assert_int_equal(h->answer.count, answers + 1);
	assert_int_equal(fabric_change_find(h->fabric, h->answer.id)->row.state, DB_CHANGE_DONE);
	assert_int_equal(at_switch(h, VF1), BAY8);
	assert_int_equal(mac_at_switch(h, VF1), MAC1);
	assert_int_equal(function(h, VF2)->vport, vport);
	assert_int_equal(host(h, "bay1")->functions, 0);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_ALIVE);
	assert_int_equal(events(h, "host.drain", "bay1"), 1);

	assert_int_equal(drain(h, "bay1", ""), REFUSE_FUNCTION_FREE);
	assert_int_equal(fabric_host_drain_plan(h->fabric, "bay1", "", &problem, &plan), 0);
	assert_int_equal(plan.item_count, 0);
}

static void a_host_is_drained_to_the_host_that_is_named(void **state)
{
	struct house *h = *state;

	usual(h);
	assign(h, VF3, "bay2", 0); /* on the vport that VF1 has at bay1 */
	assert_int_equal(function(h, VF3)->vport, function(h, VF1)->vport);
	assert_int_equal(drain(h, "bay1", "bay99"), REFUSE_NO_HOST);
	assert_int_equal(drain(h, "bay1", "bay1"), REFUSE_SAME_HOST);
	assert_int_equal(drain(h, "bay1", "bay2"), 0);
	run(h, 2 * BEAT);
	assert_int_equal(at_switch(h, VF1), BAY2);
	assert_int_equal(at_switch(h, VF2), BAY2);
	assert_int_equal(host(h, "bay2")->functions, 3);
}

static void a_host_that_is_fenced_is_not_drained(void **state)
{
	struct house *h = *state;

	usual(h);
	silence(h, BAY8);
	run(h, 3 * BEAT);
	assert_int_equal(drain(h, "bay1", ""), REFUSE_NO_SPARE);
	assert_int_equal(failover(h, "bay2"), 0);
	run(h, BEAT);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_FENCED);
	assert_int_equal(drain(h, "bay2", "bay3"), REFUSE_HOST_STATE);
	assert_int_equal(drain(h, "bay1", "bay2"), REFUSE_HOST_FENCED);
}

/* ---- S14 ---- */

static void s14_a_bind_that_waits_does_not_leave_once_the_door_is_closed(void **state)
{
	struct house *h = *state;
	struct fabric_request_op ops[6];
	char names[6][32];
	size_t from;
	uint64_t epoch;

	usual(h);
	epoch = host(h, "bay3")->epoch;
	/* One command at a time, so that binds wait in the queue when the door closes. */
	fault(h, PROVIDER_BIND, SIM_FAULT_DELAY, 400, 0);
	for (unsigned i = 0; i < 6; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "nic-0001/pf0/vf%u", i + 3);
		ops[i] = op(DB_OP_ASSIGN, names[i], "bay3", 0);
	}
	from = h->sent_count;
	assert_int_equal(request(h, ops, 6), 0);
	run_until_sent(h, PROVIDER_BIND, from);
	h->holds_commits = true; /* the gate's turn: the fence itself has not begun yet */
	assert_int_equal(failover(h, "bay3"), 0);
	from = h->sent_count;
	run(h, 5 * BEAT);
	assert_int_equal(sent(h, PROVIDER_BIND, from), 0);
	h->holds_commits = false;
	run(h, 30 * BEAT);

	assert_true(host(h, "bay3")->epoch > epoch);
	assert_int_equal(host(h, "bay3")->state, FABRIC_HOST_FENCED);
	for (size_t i = from; i < h->sent_count; i++)
		assert_false(h->sent[i].verb == PROVIDER_BIND && h->sent[i].host == BAY3);
}

static void s14_every_owner_has_a_higher_generation_than_the_one_before(void **state)
{
	struct house *h = *state;
	uint64_t generation;

	usual(h);
	generation = function(h, VF1)->generation;
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay2", 0), 0);
	run(h, 500);
	assert_true(function(h, VF1)->generation > generation);
	generation = function(h, VF1)->generation;
	assert_int_equal(ask(h, DB_OP_RELEASE, VF1, "", 0), 0);
	run(h, 500);
	manager_kill(h);
	manager_start(h);
	run(h, BEAT);
	assign(h, VF1, "bay3", 0);
	assert_true(function(h, VF1)->generation > generation + 1);
}

static void s14_a_manager_that_hears_of_a_higher_epoch_freezes(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	fabric_epoch_told(h->fabric, "bay1", host(h, "bay1")->epoch);
	fabric_epoch_told(h->fabric, "nobody", 99);
	assert_false(health(h).frozen);
	fabric_epoch_told(h->fabric, "bay1", host(h, "bay1")->epoch + 1);
	assert_true(health(h).frozen);
	from = h->sent_count;
	silence(h, BAY1);
	run(h, MOVED);
	assert_int_equal(effects(h, from), 0);
}

/* Else a manager that is killed in between would freeze at its next start. */
static void s14_an_agent_is_told_no_epoch_that_is_not_durable(void **state)
{
	struct house *h = *state;
	uint64_t before;

	usual(h);
	run(h, 10 * BEAT);
	before = host(h, "bay1")->epoch;
	h->holds_commits = true;
	assert_int_equal(leave(h, BAY1, "bay1"), REFUSE_HOST_FENCED);
	assert_int_equal(host(h, "bay1")->epoch, before + 1);
	assert_int_equal(h->agents[0].epoch, before);
	h->holds_commits = false;
	h->agents[0].beats = true;
	run(h, 2 * BEAT);
	assert_int_equal(h->agents[0].epoch, before + 1);
}

static void s14_a_manager_that_meets_a_higher_generation_freezes(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	foreign(h, PROVIDER_UNBIND, VF1, BAY1, 0, 0);
	foreign(h, PROVIDER_BIND, VF1, BAY3, 20, 99);
	assert_int_equal(at_switch(h, VF1), BAY3);
	from = h->sent_count;
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay2", 0), 0);
	run(h, 10 * BEAT);

	assert_true(health(h).frozen);
	assert_int_equal(effects(h, from), 0);
	assert_int_equal(at_switch(h, VF1), BAY3);
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay2", 0), REFUSE_FROZEN);
	silence(h, BAY1);
	run(h, 10 * BEAT);
	assert_int_equal(effects(h, from), 0);
	assert_int_equal(events(h, "host.fencing", NULL), 0);
}

static void s14_a_scan_that_shows_a_higher_generation_freezes(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	foreign(h, PROVIDER_UNBIND, VF1, BAY1, 0, 0);
	foreign(h, PROVIDER_BIND, VF1, BAY3, 20, 99);
	from = h->sent_count;
	scan_again(h);

	assert_true(health(h).frozen);
	silence(h, BAY1);
	run(h, 10 * BEAT);
	assert_int_equal(effects(h, from), 0);
	assert_int_equal(at_switch(h, VF1), BAY3);
	assert_int_equal(events(h, "host.fencing", NULL), 0);
}

/* Nobody has it here: another manager has given it since. */
static void s14_a_manager_that_starts_behind_what_the_switch_shows_freezes(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	assert_int_equal(ask(h, DB_OP_RELEASE, VF1, "", 0), 0);
	run(h, 5 * BEAT);
	assert_int_equal(at_switch(h, VF1), 0);
	foreign(h, PROVIDER_BIND, VF1, BAY3, 20, 99);
	assert_false(health(h).frozen);
	manager_kill(h);
	from = h->sent_count;
	manager_start(h);
	run(h, 10 * BEAT);

	assert_true(health(h).frozen);
	assert_int_equal(effects(h, from), 0);
}

static void s15_what_is_under_way_stands_still_in_a_frozen_fabric(void **state)
{
	struct house *h = *state;
	struct fabric_request_op ops[2];
	size_t from;

	usual(h);
	foreign(h, PROVIDER_UNBIND, VF1, BAY1, 0, 0);
	foreign(h, PROVIDER_BIND, VF1, BAY3, 20, 99);
	ops[0] = op(DB_OP_MOVE, VF1, "bay2", 0); /* it meets the generation */
	ops[1] = op(DB_OP_MOVE, VF2, "bay2", 0);
	from = h->sent_count;
	assert_int_equal(request(h, ops, 2), 0);
	run(h, 10 * BEAT);

	assert_true(health(h).frozen);
	assert_int_equal(effects(h, from), 0);
	assert_int_equal(at_switch(h, VF2), BAY1);
}

/* ---- S15 ---- */

static void s15_a_database_that_cannot_be_written_freezes_and_acknowledges_nothing(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	from = h->sent_count;
	h->commit_fails = -EIO;
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay3", 0), 0);
	run(h, 500);
	assert_int_equal(h->answer.r, REFUSE_FROZEN);
	assert_true(health(h).frozen);

	h->commit_fails = 0; /* what a page cache shows after that proves nothing */
	silence(h, BAY1);
	run(h, 20 * BEAT);
	assert_int_equal(effects(h, from), 0);
	assert_int_equal(at_switch(h, VF1), BAY1); /* the data path stays as it is */
}

static void s15_a_frozen_manager_sleeps_until_it_has_something_to_do(void **state)
{
	struct house *h = *state;
	unsigned turns = 0;

	usual(h);
	h->commit_fails = -EIO;
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay3", 0), 0);
	foreign(h, PROVIDER_UNBIND, VF1, BAY1, 1, 0); /* there would be something to mend */
	scan_again(h);
	assert_true(health(h).frozen);

	for (uint64_t end_ms = h->now_ms + 10 * BEAT; h->now_ms < end_ms; turns++)
		house_step(h, end_ms);
	assert_in_range(turns, 0, 1000);
}

/* ---- S16 ---- */

static void s16_between_two_owners_there_is_a_reset(void **state)
{
	struct house *h = *state;
	size_t from;
	bool is_reset = false;

	usual(h);
	from = h->sent_count;
	silence(h, BAY1);
	run(h, MOVED);

	assert_int_equal(at_switch(h, VF1), BAY8);
	for (size_t i = from; i < h->sent_count; i++) {
		if (h->sent[i].function != function(h, VF1)->as.handle)
			continue;
		if (h->sent[i].verb == PROVIDER_UNBIND)
			is_reset = false;
		if (h->sent[i].verb == PROVIDER_RESET)
			is_reset = true;
		if (h->sent[i].verb == PROVIDER_BIND)
			assert_true(is_reset);
	}
}

static void s16_a_reset_that_would_hit_another_owner_is_refused(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	assign(h, GPU0, "bay1", 0);
	from = h->sent_count;

	assert_int_equal(ask(h, DB_OP_ASSIGN, GPU1, "bay2", 0), REFUSE_BLAST);
	foreign(h, PROVIDER_BIND, GPU1, BAY3, 20, 0);
	scan_again(h);
	assert_int_equal(ask(h, DB_OP_MOVE, GPU0, "bay2", 0), REFUSE_BLAST);
	foreign(h, PROVIDER_UNBIND, GPU1, BAY3, 20, 0);
	scan_again(h);
	assert_int_equal(ask(h, DB_OP_MOVE, GPU0, "bay2", 0), 0); /* nobody else is hit */
	assert_int_equal(ask(h, DB_OP_ASSIGN, GPU1, "bay2", 0), REFUSE_FUNCTION_LOCKED);
	run(h, 500);
	assert_int_equal(at_switch(h, GPU0), BAY2);
	assert_int_equal(effects(h, from), 3);
}

static void s16_a_card_that_is_reset_as_one_moves_as_one(void **state)
{
	struct house *h = *state;
	struct fabric_request_op ops[2];

	usual(h);
	ops[0] = op(DB_OP_ASSIGN, GPU0, "bay1", 0);
	ops[1] = op(DB_OP_ASSIGN, GPU1, "bay2", 0);
	assert_int_equal(request(h, ops, 2), REFUSE_BLAST);
	ops[1] = op(DB_OP_ASSIGN, GPU1, "bay1", 0);
	assert_int_equal(request(h, ops, 2), 0);
	run(h, 500);
	assert_int_equal(at_switch(h, GPU0), BAY1);
	assert_int_equal(at_switch(h, GPU1), BAY1);
	silence(h, BAY1);
	run(h, MOVED);

	assert_int_equal(at_switch(h, GPU0), BAY8);
	assert_int_equal(at_switch(h, GPU1), BAY8);
}

static void s16_what_comes_later_to_the_host_of_its_card_needs_no_reset(void **state)
{
	struct house *h = *state;
	struct fabric_request_op ops[2];
	size_t from;

	usual(h);
	ops[0] = op(DB_OP_ASSIGN, GPU0, "bay1", 0);
	ops[1] = op(DB_OP_ASSIGN, GPU1, "bay1", 0);
	assert_int_equal(request(h, ops, 2), 0);
	run(h, 500);
	foreign(h, PROVIDER_UNBIND, GPU0, BAY1, 0, 0);
	from = h->sent_count;
	scan_again(h);
	run(h, 2 * BEAT);

	assert_int_equal(at_switch(h, GPU0), BAY1);
	assert_int_equal(at_switch(h, GPU1), BAY1);
	assert_int_equal(effects(h, from), 1);
}

/* No reset was carried out, or refused, that would have hit @fn where it is bound. */
static unsigned resets_at_bound;

static void on_effect(void *arg, const struct sim_effect *effect)
{
	const struct sim_map *map = sim_model_map(((struct house *)arg)->reach[0].model);
	const struct provider_function *fn = &map->functions[effect->op->function - 1];

	for (size_t i = 0;
	     effect->op->verb == PROVIDER_RESET && !fn->flr && i < map->function_count; i++)
		resets_at_bound +=
			map->functions[i].adapter == fn->adapter && map->functions[i].now.host != 0;
}

static void s16_no_reset_hits_a_function_that_has_arrived(void **state)
{
	static const enum sim_fault_kind kinds[] = { SIM_FAULT_FAILED, SIM_FAULT_LOST,
						     SIM_FAULT_REFUSED, SIM_FAULT_LATE,
						     SIM_FAULT_DELAY };
	static const enum provider_verb verbs[] = { PROVIDER_RESET, PROVIDER_UNBIND,
						    PROVIDER_BIND };
	struct house *h = *state;
	struct fabric_request_op ops[2];

	usual(h);
	sim_model_observe(h->reach[0].model, on_effect, h);
	resets_at_bound = 0;
	ops[0] = op(DB_OP_ASSIGN, GPU0, "bay1", 0);
	ops[1] = op(DB_OP_ASSIGN, GPU1, "bay1", 0);
	for (unsigned i = 0; i < 15; i++) {
		fault(h, verbs[i / 5], kinds[i % 5],
		      kinds[i % 5] == SIM_FAULT_LATE ? 5 * BEAT : 700, 1);
		assert_int_equal(request(h, ops, 2), 0);
		run(h, 20 * BEAT);
		assert_int_equal(at_switch(h, GPU0), i % 2 ? BAY2 : BAY1);
		assert_int_equal(at_switch(h, GPU1), i % 2 ? BAY2 : BAY1);
		assert_int_equal(resets_at_bound, 0);
		sim_model_fault_clear(h->reach[0].model);
		ops[0] = op(DB_OP_MOVE, GPU0, i % 2 ? "bay1" : "bay2", 0);
		ops[1] = op(DB_OP_MOVE, GPU1, i % 2 ? "bay1" : "bay2", 0);
	}
}

/* ---- S17 ---- */

static void s17_an_identity_that_lives_is_given_to_nobody_else(void **state)
{
	struct house *h = *state;
	struct fabric_request_op ops[2];

	usual(h);
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay2", MAC1), REFUSE_IDENTITY_TAKEN);
	ops[0] = op(DB_OP_ASSIGN, VF3, "bay2", MAC2);
	ops[1] = op(DB_OP_ASSIGN, "nic-0001/pf0/vf4", "bay2", MAC2);
	assert_int_equal(request(h, ops, 2), REFUSE_IDENTITY_TAKEN);
	run(h, 500);
	assert_null(function(h, VF3)->host);
}

static void s17_an_identity_is_cleared_at_its_old_place_before_it_is_set_at_the_new(void **state)
{
	struct house *h = *state;
	struct fabric_request_op ops[2];
	size_t from;
	bool is_cleared = false;

	usual(h);
	from = h->sent_count;
	ops[0] = op(DB_OP_ASSIGN, VF3, "bay3", MAC1);
	ops[1] = op(DB_OP_RELEASE, VF1, "", 0);
	assert_int_equal(request(h, ops, 2), 0);
	run(h, 3 * BEAT);

	assert_int_equal(mac_at_switch(h, VF1), 0);
	assert_int_equal(mac_at_switch(h, VF3), MAC1);
	for (size_t i = from; i < h->sent_count; i++) {
		if (h->sent[i].verb != PROVIDER_IDENTITY)
			continue;
		if (h->sent[i].function == function(h, VF1)->as.handle)
			is_cleared = true;
		else if (h->sent[i].identity.mac == MAC1)
			assert_true(is_cleared);
	}
}

static void s17_an_identity_is_set_before_the_host_can_see_the_function(void **state)
{
	struct house *h = *state;
	bool is_set = false;

	usual(h);
	for (size_t i = 0; i < h->sent_count; i++) {
		if (h->sent[i].function != function(h, VF1)->as.handle)
			continue;
		if (h->sent[i].verb == PROVIDER_IDENTITY && h->sent[i].identity.mac == MAC1)
			is_set = true;
		if (h->sent[i].verb == PROVIDER_BIND)
			assert_true(is_set);
	}
	assert_true(is_set);
}

/* Another manager's hand at an adapter. */
static void foreign_identity(struct house *h, const char *fn, uint64_t mac)
{
	const struct provider_op op = { .attempt = 1ull << 61,
					.verb = PROVIDER_IDENTITY,
					.function = function(h, fn)->as.handle,
					.identity = { .mac = mac },
					.deadline_ms = h->now_ms + 1000 };
	struct provider_sink none = { 0 };
	struct provider *other = sim_model_provider(h->reach[0].model, &none);

	(void)other->ops->submit(other, &op);
	provider_close(other);
	run(h, 20);
	assert_int_equal(mac_at_switch(h, fn), mac);
}

static void s17_an_identity_that_only_the_switch_shows_is_taken_too(void **state)
{
	struct house *h = *state;

	usual(h);
	foreign_identity(h, VF3, MAC2);
	scan_again(h);
	assert_int_equal(ask(h, DB_OP_ASSIGN, "nic-0001/pf0/vf4", "bay2", MAC2),
			 REFUSE_IDENTITY_TAKEN);
}

static void s17_what_a_free_function_still_carries_is_cleared(void **state)
{
	struct house *h = *state;

	usual(h);
	assign(h, VF3, "bay2", MAC2);
	assert_int_equal(ask(h, DB_OP_RELEASE, VF3, "", 0), 0);
	run(h, 500);
	assert_int_equal(mac_at_switch(h, VF3), 0);
	foreign_identity(h, VF3, MAC2);
	scan_again(h);
	run(h, 2 * BEAT);

	assert_int_equal(mac_at_switch(h, VF3), 0);
}

static void s17_an_identity_that_drifted_is_set_right(void **state)
{
	struct house *h = *state;

	usual(h);
	foreign_identity(h, VF1, MAC2);
	scan_again(h);
	run(h, 2 * BEAT);

	assert_int_equal(mac_at_switch(h, VF1), MAC1);
	assert_int_equal(at_switch(h, VF1), BAY1);
}

static void s17_adoption_takes_no_identity_twice(void **state)
{
	struct house *h = *state;
	struct fabric_plan plan = { 0 };
	char why[DB_TEXT_MAX];
	unsigned refused = 0;

	usual(h);
	foreign_identity(h, VF2, MAC1); /* VF1 has it too */
	manager_kill(h);
	db_close(h->db);
	assert_int_equal(db_open_fast(":memory:", why, &h->db), 0);
	manager_start(h);
	run(h, BEAT);
	assert_int_equal(fabric_adopt(h->fabric, false, 0, &plan, on_answer, h), 0);
	for (size_t i = 0; i < plan.item_count; i++)
		refused += plan.items[i].row.state == DB_CHANGE_REFUSED;
	assert_int_equal(plan.item_count, 2);
	assert_int_equal(refused, 1);
	fabric_plan_done(&plan);
	run(h, BEAT);
	assert_false(function(h, VF1)->host && function(h, VF2)->host);
}

/* ---- S19 ---- */

static void s19_after_no_answer_nothing_is_read_before_the_switch_has_settled(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	fault(h, PROVIDER_BIND, SIM_FAULT_LATE, 10 * BEAT, 1); /* carried out long after */
	from = h->sent_count;
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay3", 0), 0);
	run_until_sent(h, PROVIDER_BIND, from);
	from = h->sent_count;
	run(h, 6 * BEAT);
	assert_int_equal(fabric_function_state(function(h, VF3)), FABRIC_FUNCTION_DOUBT);
	assert_int_equal(sent(h, PROVIDER_READ, from), 0);
	assert_int_equal(effects(h, from), 0);
	assert_true(sent(h, PROVIDER_SETTLE, from) > 0);

	run(h, 10 * BEAT);
	assert_int_equal(at_switch(h, VF3), BAY3);
	assert_int_equal(effects(h, from), 0); /* it was there */
}

static void s19_a_manager_that_starts_settles_before_it_scans_or_does_anything(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	manager_kill(h);
	from = h->sent_count;
	manager_start(h);
	run(h, 500);

	assert_true(h->sent_count > from);
	assert_int_equal(h->sent[from].verb, PROVIDER_SETTLE);
	assert_int_equal(h->sent[from].function, 0);
	assert_int_equal(h->sent[from].host, 0);
}

/* VF1, which has been at bay2 and is back: the switch goes back to the map of then. */
static void older_map(struct house *h)
{
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay2", 5), 0);
	run(h, BEAT);
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay1", 1), 0);
	run(h, BEAT);
	foreign(h, PROVIDER_UNBIND, VF1, BAY1, 1, 0);
	foreign(h, PROVIDER_BIND, VF1, BAY2, 5, function(h, VF1)->generation - 1);
	scan_again(h);
}

static void s19_what_a_fence_unbinds_is_not_read_back_before_it_has_settled(void **state)
{
	struct house *h = *state;
	size_t from;

	h->config.repair = false;
	usual(h);
	older_map(h);
	fault(h, PROVIDER_UNBIND, SIM_FAULT_LATE, 5 * BEAT, 1);
	from = h->sent_count;
	assert_int_equal(failover(h, "bay2"), 0);
	run_until_sent(h, PROVIDER_UNBIND, from);

	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay3", 0), 0);
	run(h, BEAT / 2);
	assert_string_equal(function(h, VF1)->item->step, "waits for the fence");
	run(h, 30 * BEAT);
	assert_int_equal(at_switch(h, VF1), BAY3);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_FENCED);
}

/* Another host's fence is proved meanwhile: its read-back says nothing of what this one has sent.
 */
static void s19_a_fence_lets_go_only_of_what_it_has_unbound_itself(void **state)
{
	struct house *h = *state;
	size_t from;

	h->config.repair = false;
	usual(h);
	older_map(h);
	fault(h, PROVIDER_UNBIND, SIM_FAULT_LATE, 5 * BEAT, 1);
	from = h->sent_count;
	assert_int_equal(failover(h, "bay2"), 0);
	run_until_sent(h, PROVIDER_UNBIND, from);
	assert_int_equal(failover(h, "bay4"), 0);
	run(h, BEAT / 2);
	assert_int_equal(host(h, "bay4")->state, FABRIC_HOST_FENCED);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_FENCING);

	assert_ptr_equal(function(h, VF1)->unbound_from, host(h, "bay2"));
	run(h, 30 * BEAT);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_FENCED);
	assert_null(function(h, VF1)->unbound_from);
}

/* A person vouches for its host while the switch has not answered yet. */
static void s19_what_a_fence_that_was_cut_short_unbinds_is_settled_by_who_moves_it(void **state)
{
	struct house *h = *state;
	struct fabric_problem problem;
	size_t from;

	h->config.repair = false;
	usual(h);
	older_map(h);
	fault(h, PROVIDER_ISOLATE, SIM_FAULT_REFUSED, 0, 0);
	fault(h, PROVIDER_UNBIND, SIM_FAULT_REFUSED, 0, 0);
	fault(h, PROVIDER_HOST_POWER, SIM_FAULT_REFUSED, 0, 0);
	silence(h, BAY2);
	run_until_state(h, "bay2", FABRIC_HOST_BLOCKED);
	run(h, 2 * WINDOW);
	sim_model_fault_clear(h->reach[0].model);
	fault(h, PROVIDER_ISOLATE, SIM_FAULT_REFUSED, 0, 0);
	fault(h, PROVIDER_UNBIND, SIM_FAULT_LATE, 5 * BEAT, 1);
	from = h->sent_count;
	run_until_sent(h, PROVIDER_UNBIND, from);
	assert_int_equal(fabric_host_fence_confirm(h->fabric, "bay2", host(h, "bay2")->incident, 0,
						   &problem, on_answer, h),
			 0);

	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay3", 0), 0);
	run(h, 30 * BEAT);
	assert_int_equal(at_switch(h, VF1), BAY3);
	assert_null(function(h, VF1)->item);
}

static void s20_a_bind_that_waited_does_not_leave_for_a_host_that_is_quarantined(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	h->reach[0].full_for = 1u << PROVIDER_BIND;
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay2", 0), 0);
	run(h, 200);
	assert_string_equal(function(h, VF3)->item->step, "bind");
	host_get(h->fabric, "bay2")->state = FABRIC_HOST_QUARANTINED; /* under the same epoch */
	from = h->sent_count;
	h->reach[0].full_for = 0;
	run(h, 5 * BEAT);
	assert_int_equal(sent(h, PROVIDER_BIND, from), 0);
	assert_int_equal(at_switch(h, VF3), 0);
}

/* Somebody else binds it where a fence finds it, while its own bind waits. */
static void s19_a_bind_that_waited_does_not_leave_while_a_fence_unbinds_its_function(void **state)
{
	struct house *h = *state;
	size_t from;

	h->config.repair = false;
	usual(h);
	h->reach[0].full_for = 1u << PROVIDER_BIND;
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay3", 0), 0);
	run(h, 200);
	assert_string_equal(function(h, VF3)->item->step, "bind");
	foreign(h, PROVIDER_BIND, VF3, BAY2, 5, 1);
	assert_int_equal(at_switch(h, VF3), BAY2);
	fault(h, PROVIDER_UNBIND, SIM_FAULT_LATE, 5 * BEAT, 1);
	from = h->sent_count;
	assert_int_equal(failover(h, "bay2"), 0);
	run_until_sent(h, PROVIDER_UNBIND, from);
	h->reach[0].full_for = 0;
	run(h, BEAT / 2);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_FENCING);
	assert_int_equal(sent(h, PROVIDER_BIND, from), 0);
	run(h, 30 * BEAT);
	assert_int_equal(at_switch(h, VF3), BAY3);
}

/* One command waits at a switch that takes no more, when bay2 is fenced. */
static void s20_what_waits_to_lead_to_a_fenced_host_is_withdrawn_and_nothing_else(void **state)
{
	static const struct {
		enum db_op op;
		const char *to;
		const char *step;
		bool is_withdrawn;
	} rows[] = {
		{ DB_OP_ASSIGN, "bay2", "bind", true },
		{ DB_OP_ASSIGN, "bay3", "bind", false },
		{ DB_OP_MOVE, "bay3", "unbind", false }, /* away from it */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct house *h = *state;
		uint64_t attempt;

		usual(h);
		if (rows[i].op == DB_OP_MOVE)
			assign(h, VF3, "bay2", 0);
		h->reach[0].full_for = 1u << PROVIDER_BIND | 1u << PROVIDER_UNBIND;
		assert_int_equal(ask(h, rows[i].op, VF3, rows[i].to, 0), 0);
		run(h, 200);
		assert_string_equal(function(h, VF3)->item->step, rows[i].step);
		attempt = function(h, VF3)->item->run.attempt;
		assert_int_equal(failover(h, "bay2"), 0);
		run(h, 20);
		assert_int_equal(!function(h, VF3)->item ||
					 function(h, VF3)->item->run.attempt != attempt,
				 rows[i].is_withdrawn);
		(void)house_end(state);
		assert_int_equal(house_begin(state), 0);
	}
	manager_start(*state); /* for house_end() */
}

static void s9_who_is_let_in_is_not_powered_on_by_it(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	silence(h, BAY1);
	run(h, MOVED);
	h->agents[BAY1 - 1].beats = true;
	run(h, 2 * BEAT);
	from = h->sent_count;
	assert_int_equal(readmit(h, "bay1"), 0);
	run(h, 2 * BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_ALIVE);
	assert_int_equal(sent(h, PROVIDER_HOST_POWER, from), 0);
}

/* A blocked host lives after all, and is let in while its next fence waits at a busy switch. */
static void s14_what_a_fence_had_waiting_does_not_leave_for_a_host_that_is_let_in(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	fault(h, PROVIDER_ISOLATE, SIM_FAULT_REFUSED, 0, 0);
	fault(h, PROVIDER_UNBIND, SIM_FAULT_REFUSED, 0, 0);
	fault(h, PROVIDER_HOST_POWER, SIM_FAULT_REFUSED, 0, 0);
	assert_int_equal(failover(h, "bay1"), 0);
	run_until_state(h, "bay1", FABRIC_HOST_BLOCKED);
	sim_model_fault_clear(h->reach[0].model);
	from = h->sent_count;
	while (!host(h, "bay1")->fence)
		house_step(h, h->now_ms + 1);
	h->reach[0].is_full = true;
	run(h, 10);
	assert_int_equal(effects(h, from), 0);
	assert_int_equal(readmit(h, "bay1"), 0);
	run(h, 10);
	h->reach[0].is_full = false;
	run(h, 5 * BEAT);

	for (size_t i = from; i < h->sent_count; i++)
		assert_false(h->sent[i].verb == PROVIDER_ISOLATE && h->sent[i].value == 1);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_ALIVE);
	assert_int_equal(at_switch(h, VF1), BAY1);
}

/* ---- S20 ---- */

static void s20_the_door_is_closed_durably_before_the_first_command_of_a_fence(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	h->holds_commits = true;
	from = h->sent_count;
	assert_int_equal(failover(h, "bay1"), 0);
	run(h, 500);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCING);
	assert_int_equal(h->sent_count, from);

	h->holds_commits = false;
	run(h, 500);
	assert_int_equal(h->sent[from].verb, PROVIDER_ISOLATE);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
}

static void s20_whatever_the_virtual_switch_shows_is_unbound_whoever_bound_it(void **state)
{
	struct house *h = *state;

	usual(h);
	foreign(h, PROVIDER_BIND, VF3, BAY1, 20, 0);
	assert_int_equal(at_switch(h, VF3), BAY1);
	assert_null(function(h, VF3)->host); /* no assignment says so */
	assert_int_equal(failover(h, "bay1"), 0);
	run(h, BEAT);

	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(h, VF3), 0);
}

static void s20_a_bind_in_flight_is_waited_out_before_the_host_counts_as_fenced(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	fault(h, PROVIDER_ISOLATE, SIM_FAULT_REFUSED, 0, 0); /* nothing but waiting helps */
	fault(h, PROVIDER_BIND, SIM_FAULT_LATE, 10 * BEAT, 1);
	from = h->sent_count;
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay1", 0), 0);
	run_until_sent(h, PROVIDER_BIND, from);
	assert_int_equal(failover(h, "bay1"), 0);
	run(h, 8 * BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCING);

	run(h, 20 * BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_not_equal(at_switch(h, VF3), BAY1);
}

static void s20_a_late_beat_does_not_cancel_a_fence(void **state)
{
	struct house *h = *state;

	usual(h);
	fault(h, PROVIDER_ISOLATE, SIM_FAULT_DELAY, 900, 1);
	silence(h, BAY1);
	run_until_state(h, "bay1", FABRIC_HOST_FENCING);
	agent_beat(h, 0);
	run(h, 100); /* until its epoch is durable it is not told */
	agent_beat(h, 0);
	assert_int_equal(h->agents[0].answer, REFUSE_HOST_FENCED);
	run(h, 5 * BEAT);

	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(h, VF1), BAY8);
}

static void s20_a_switch_that_rebooted_fences_its_fenced_hosts_again(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	silence(h, BAY1);
	run(h, MOVED);
	assert_int_equal(at_switch(h, VF1), BAY8);
	from = h->sent_count;
	sim_model_reboot(h->reach[0].model, 4); /* into a map where VF1 and VF2 are at bay1 */
	assert_int_equal(at_switch(h, VF1), BAY1);
	assert_false(state_at_switch(h, BAY1)->isolated);
	run(h, 2 * WINDOW);

	assert_true(state_at_switch(h, BAY1)->isolated);
	assert_int_equal(at_switch(h, VF1), BAY8);
	assert_int_equal(mac_at_switch(h, VF1), MAC1);
	while (from < h->sent_count && !is_effect(h->sent[from].verb))
		from++;
	assert_int_equal(h->sent[from].verb, PROVIDER_ISOLATE); /* before anything else */
}

/* ---- a new or restored database ---- */

static void a_new_database_repairs_nothing_before_it_is_told_to_adopt(void **state)
{
	struct house *h = *state;
	struct fabric_plan plan = { 0 };
	const char *vf4 = "nic-0001/pf0/vf4";
	char why[DB_TEXT_MAX];
	size_t from;

	usual(h);
	manager_kill(h);
	db_close(h->db);
	assert_int_equal(db_open_fast(":memory:", why, &h->db), 0);
	from = h->sent_count;
	manager_start(h);
	run(h, 30 * BEAT);
	assert_string_equal(health(h).status, "adopt");
	assert_int_equal(effects(h, from), 0);
	assert_int_equal(at_switch(h, VF1), BAY1);
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF1, "bay2", 0), REFUSE_ADOPT);

	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay2", 0), 0); /* what is free works at once */
	run(h, BEAT);
	assert_int_equal(at_switch(h, VF3), BAY2);
	assign(h, vf4, "bay1", 0); /* beside what this database does not know */
	assert_int_equal(at_switch(h, vf4), BAY1);
	assert_int_equal(at_switch(h, VF1), BAY1);
	assert_int_equal(fabric_adopt(h->fabric, false, 0, &plan, on_answer, h), 0);
	assert_int_equal(plan.item_count, 2);
	fabric_plan_done(&plan);
	run(h, 10 * BEAT);
	assert_string_equal(function(h, VF1)->host->name, "bay1");
	assert_int_equal(function(h, VF1)->identity.mac, MAC1);
	assert_string_equal(health(h).status, "ok");
}

/* What a restore writes into a database (db/restore.c), of a host that died meanwhile and of a
 * function that was released since. */
static void a_restored_database_neither_repairs_nor_judges_before_it_is_adopted(void **state)
{
	struct house *h = *state;
	const struct db_number row = { .name = "adopted", .value = 0 };
	struct fabric_plan plan = { 0 };
	struct db_batch *batch = NULL;
	size_t from;

	usual(h);
	foreign(h, PROVIDER_UNBIND, VF1, BAY1, 1, 0);
	manager_kill(h);
	assert_int_equal(db_batch_new(&batch), 0);
	db_put_number(batch, &row);
	assert_int_equal(db_apply(h->db, batch, NULL), 0);
	db_batch_free(batch);
	from = h->sent_count;
	manager_start(h);
	run(h, 3 * BEAT);
	silence(h, BAY1);
	run(h, 40 * BEAT);
	assert_string_equal(health(h).status, "adopt");
	assert_int_equal(effects(h, from), 0);
	assert_int_equal(at_switch(h, VF1), 0);
	assert_non_null(function(h, VF1)->host);

	assert_int_equal(fabric_adopt(h->fabric, false, 0, &plan, on_answer, h), 0);
	assert_int_equal(plan.item_count, 1);
	assert_int_equal(plan.items[0].row.op, DB_OP_RELEASE);
	fabric_plan_done(&plan);
	assert_null(function(h, VF1)->host);
	run(h, 40 * BEAT);
	assert_int_equal(at_switch(h, VF1), 0);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
}

static void note_first(void *arg, const struct db_event *row)
{
	uint64_t *first = arg;

	if (!*first)
		*first = row->n;
}

static void history_that_is_old_goes_from_the_database(void **state)
{
	struct house *h = *state;
	struct db_batch *batch = NULL;
	uint64_t first = 0;
	const struct db_reader reader = { .event = note_first, .events = SIZE_MAX, .arg = &first };

	assert_int_equal(db_batch_new(&batch), 0);
	for (uint64_t n = 1; n <= 6000; n++)
		db_put_event(batch, &(struct db_event){ .n = n, .wall_ms = 1 });
	assert_int_equal(db_apply(h->db, batch, NULL), 0);
	db_batch_free(batch);
	manager_start(h);
	run(h, 599000);
	assert_int_equal(db_load(h->db, &reader, NULL), 0);
	assert_int_equal(first, 1);

	run(h, 5000);
	first = 0;
	assert_int_equal(db_load(h->db, &reader, NULL), 0);
	assert_true(first > 1900 && first < 2100);
	assert_string_equal(health(h).status, "ok");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, house_begin, house_end)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(s1_what_was_unbound_for_a_host_that_died_is_not_shown_where_it_was),
		TEST(s1_every_step_of_a_move_is_read_back_before_the_next),
		TEST(s1_a_fence_that_is_not_proved_blocks_the_host_and_nothing_of_it_moves),
		TEST(s1_a_switch_that_never_settles_blocks_the_host_too),
		TEST(one_attempt_is_enough_where_all_goes_well),
		TEST(s1_what_was_leaving_a_blocked_host_does_not_leave_it),
		TEST(s1_nobody_can_vouch_for_a_host_that_beats),
		TEST(s1_a_person_vouches_for_the_host_and_not_for_the_read_back),
		TEST(s1_a_command_without_answer_is_looked_for_not_repeated),
		TEST(s2_wall_time_may_jump_and_nobody_is_judged_by_it),
		TEST(s3_a_manager_that_was_stopped_judges_nobody_for_a_window),
		TEST(s3_a_database_that_owes_an_answer_stops_all_verdicts),
		TEST(s3_a_beat_that_came_twice_or_late_counts_for_nothing),
		TEST(s4_when_many_fall_silent_at_once_nobody_is_fenced_and_it_is_told),
		TEST(s4_a_storm_in_one_chassis_holds_no_other),
		TEST(s5_one_failover_at_a_time_for_each_switch),
		TEST(s5_proved_deaths_wait_for_nobody),
		TEST(s5_after_six_failovers_in_ten_minutes_the_seventh_waits),
		TEST(s6_after_a_start_a_dead_host_has_one_full_window),
		TEST(s6_no_verdict_before_reconcile_is_finished),
		TEST(s6_one_dead_switch_delays_no_other_chassis),
		TEST(s6_nobody_is_judged_while_its_switch_is_lost),
		TEST(s6_a_switch_that_comes_back_gives_everybody_a_full_window),
		TEST(s7_a_host_without_power_or_link_is_fenced_at_once),
		TEST(s8_nothing_leaves_before_the_intent_is_durable),
		TEST(s8_the_first_effect_is_announced_before_it_leaves),
		TEST(s8_who_has_a_function_is_told_once_that_is_durable),
		TEST(s8_what_was_under_way_is_completed_after_a_crash),
		TEST(a_change_may_be_cancelled_before_its_first_effect_and_not_after),
		TEST(a_function_is_locked_by_the_change_that_has_it),
		TEST(a_vport_that_is_promised_is_given_to_nobody_else),
		TEST(what_leads_to_a_host_that_died_is_parked_and_goes_on_with_its_profile),
		TEST(a_failover_waits_for_what_still_leads_to_the_host_that_died),
		TEST(what_someone_else_bound_is_not_unbound),
		TEST(a_failover_goes_round_what_someone_else_bound_at_the_spare),
		TEST(what_is_parked_after_all_tries_says_why),
		TEST(nothing_is_mended_at_a_host_that_is_silent),
		TEST(a_failover_waits_for_no_repair),
		TEST(s9_a_fenced_host_stays_fenced_whatever_it_beats),
		TEST(a_host_that_leaves_hands_over_before_its_window_is_over),
		TEST(s6_who_leaves_while_its_switch_is_lost_is_not_fenced_for_it),
		TEST(s9_it_is_fenced_after_a_restart_too),
		TEST(s9_what_was_moved_does_not_come_back_with_the_host),
		TEST(s9_a_host_is_let_in_only_with_an_empty_virtual_switch),
		TEST(s9_a_blocked_host_that_beats_is_let_in_as_it_is_and_its_fence_ends),
		TEST(s11_a_spare_that_has_just_begun_to_beat_is_no_target),
		TEST(s10_a_flapping_host_is_quarantined_and_left_by_readmit_alone),
		TEST(s10_after_readmission_it_is_counted_anew),
		TEST(s10_a_host_in_quarantine_is_judged_after_a_restart_too),
		TEST(s10_turns_that_are_far_apart_count_for_nothing),
		TEST(s10_what_many_hosts_do_at_once_says_nothing_of_one),
		TEST(s10_a_host_in_quarantine_is_no_target),
		TEST(s10_a_host_that_is_fenced_again_and_again_comes_back_to_quarantine),
		TEST(s10_a_host_in_quarantine_that_dies_is_failed_over_once),
		TEST(s13_a_verdict_on_a_host_in_maintenance_is_told_once_and_not_acted_on),
		TEST(s13_maintenance_survives_a_restart),
		TEST(s13_the_end_of_maintenance_gives_a_full_fresh_window),
		TEST(s13_a_host_in_maintenance_is_no_target),
		TEST(s13_hosts_in_maintenance_make_no_storm),
		TEST(s13_maintenance_is_no_way_round_a_fence),
		TEST(s12_nothing_is_given_that_uses_the_last_spare),
		TEST(s12_so_many_failures_as_policy_says_have_room),
		TEST(s12_a_spare_that_could_not_take_over_is_no_room),
		TEST(s12_what_is_under_way_counts_too),
		TEST(s12_a_failover_uses_what_was_kept_for_it),
		TEST(a_host_is_drained_to_a_spare_as_one_change_and_not_fenced),
		TEST(a_host_is_drained_to_the_host_that_is_named),
		TEST(a_host_that_is_fenced_is_not_drained),
		TEST(s14_a_bind_that_waits_does_not_leave_once_the_door_is_closed),
		TEST(s14_every_owner_has_a_higher_generation_than_the_one_before),
		TEST(s14_a_manager_that_hears_of_a_higher_epoch_freezes),
		TEST(s14_an_agent_is_told_no_epoch_that_is_not_durable),
		TEST(s14_a_manager_that_meets_a_higher_generation_freezes),
		TEST(s14_a_scan_that_shows_a_higher_generation_freezes),
		TEST(s14_a_manager_that_starts_behind_what_the_switch_shows_freezes),
		TEST(s15_what_is_under_way_stands_still_in_a_frozen_fabric),
		TEST(s15_a_frozen_manager_sleeps_until_it_has_something_to_do),
		TEST(s15_a_database_that_cannot_be_written_freezes_and_acknowledges_nothing),
		TEST(s16_between_two_owners_there_is_a_reset),
		TEST(s16_a_reset_that_would_hit_another_owner_is_refused),
		TEST(s16_a_card_that_is_reset_as_one_moves_as_one),
		TEST(s16_what_comes_later_to_the_host_of_its_card_needs_no_reset),
		TEST(s16_no_reset_hits_a_function_that_has_arrived),
		TEST(s17_an_identity_that_lives_is_given_to_nobody_else),
		TEST(s17_an_identity_that_only_the_switch_shows_is_taken_too),
		TEST(s17_an_identity_is_cleared_at_its_old_place_before_it_is_set_at_the_new),
		TEST(s17_an_identity_is_set_before_the_host_can_see_the_function),
		TEST(s17_what_a_free_function_still_carries_is_cleared),
		TEST(s17_an_identity_that_drifted_is_set_right),
		TEST(s17_adoption_takes_no_identity_twice),
		TEST(s19_after_no_answer_nothing_is_read_before_the_switch_has_settled),
		TEST(s19_a_manager_that_starts_settles_before_it_scans_or_does_anything),
		TEST(s19_what_a_fence_unbinds_is_not_read_back_before_it_has_settled),
		TEST(s19_a_fence_lets_go_only_of_what_it_has_unbound_itself),
		TEST(s20_a_bind_that_waited_does_not_leave_for_a_host_that_is_quarantined),
		TEST(s19_a_bind_that_waited_does_not_leave_while_a_fence_unbinds_its_function),
		TEST(s20_what_waits_to_lead_to_a_fenced_host_is_withdrawn_and_nothing_else),
		TEST(s9_who_is_let_in_is_not_powered_on_by_it),
		TEST(s14_what_a_fence_had_waiting_does_not_leave_for_a_host_that_is_let_in),
		TEST(s19_what_a_fence_that_was_cut_short_unbinds_is_settled_by_who_moves_it),
		TEST(s20_the_door_is_closed_durably_before_the_first_command_of_a_fence),
		TEST(s20_whatever_the_virtual_switch_shows_is_unbound_whoever_bound_it),
		TEST(s20_a_bind_in_flight_is_waited_out_before_the_host_counts_as_fenced),
		TEST(s20_a_late_beat_does_not_cancel_a_fence),
		TEST(s20_a_switch_that_rebooted_fences_its_fenced_hosts_again),
		TEST(a_new_database_repairs_nothing_before_it_is_told_to_adopt),
		TEST(history_that_is_old_goes_from_the_database),
		TEST(a_restored_database_neither_repairs_nor_judges_before_it_is_adopted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
