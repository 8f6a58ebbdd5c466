/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What people and programs ask of the brain, and what they are refused: each asking in a frozen
 * fabric, of a host that nobody knows, and in the wrong state (house_fixture.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fabricd/state.h"
#include "house_fixture.h"

static struct fabric_problem problem;

/* ---- of a host ---- */

static int ask_spare(struct house *h, const char *name)
{
	return fabric_host_set_spare(h->fabric, name, true, 0, on_answer, h);
}

static int ask_enroll(struct house *h, const char *name)
{
	char key[65];

	return fabric_host_enroll(h->fabric, name, false, 0, &problem, key, on_answer, h);
}

static int ask_failover_plan(struct house *h, const char *name)
{
	OWNED(fabric_plan_done) struct fabric_plan plan = { 0 };

	return fabric_host_failover_plan(h->fabric, name, &problem, &plan);
}

static int ask_maintenance(struct house *h, const char *name)
{
	return fabric_host_maintenance(h->fabric, name, true, 0, &problem, on_answer, h);
}

static int ask_drain(struct house *h, const char *name)
{
	return fabric_host_drain(h->fabric, name, "", &(struct fabric_asker){ 0 }, &problem,
				 on_answer, h);
}

static int ask_drain_plan(struct house *h, const char *name)
{
	OWNED(fabric_plan_done) struct fabric_plan plan = { 0 };

	return fabric_host_drain_plan(h->fabric, name, "", &problem, &plan);
}

static int ask_confirm(struct house *h, const char *name)
{
	const struct fabric_host *known = fabric_host_find(h->fabric, name);

	return fabric_host_fence_confirm(h->fabric, name, known ? known->incident : 1, 0, &problem,
					 on_answer, h);
}

static int ask_assign(struct house *h, const char *name)
{
	return ask(h, DB_OP_ASSIGN, VF3, name, 0);
}

static const struct {
	const char *what;
	int (*ask)(struct house *h, const char *name);
} askings[] = {
	{ "spare", ask_spare },           { "enroll", ask_enroll },
	{ "failover", failover },         { "failover plan", ask_failover_plan },
	{ "readmit", readmit },           { "maintenance", ask_maintenance },
	{ "drain", ask_drain },           { "drain plan", ask_drain_plan },
	{ "fence-confirm", ask_confirm }, { "assign", ask_assign },
};
enum { ASKINGS = sizeof(askings) / sizeof(*askings) };

static void all_refuse(struct house *h, const char *name, int refusal)
{
	for (unsigned i = 0; i < ASKINGS; i++) {
		int r = askings[i].ask(h, name);

		if (r != refusal)
			fail_msg("%s of %s: %d, not %d", askings[i].what, name, r, refusal);
	}
}

/* bay1 is blocked: its fence is not proved, and it is off. */
static void block(struct house *h)
{
	fault(h, PROVIDER_ISOLATE, SIM_FAULT_REFUSED, 0, 0);
	fault(h, PROVIDER_UNBIND, SIM_FAULT_REFUSED, 0, 0);
	silence(h, BAY1);
	run_until_state(h, "bay1", FABRIC_HOST_BLOCKED);
}

static void lose_the_switch(struct house *h)
{
	h->reach[0].sink.state(h->reach[0].sink.arg, PROVIDER_LOST, NULL);
	run(h, 10);
}

static void nothing_is_done_to_a_host_that_nobody_knows(void **state)
{
	struct house *h = *state;

	usual(h);

	all_refuse(h, "bay99", REFUSE_NO_HOST);
	assert_int_equal(fabric_host_drain(h->fabric, "bay1", "bay99", &(struct fabric_asker){ 0 },
					   &problem, on_answer, h),
			 REFUSE_NO_HOST);
}

static void s15_nothing_is_done_in_a_frozen_fabric(void **state)
{
	struct house *h = *state;
	OWNED(fabric_plan_done) struct fabric_plan plan = { 0 };

	usual(h);
	block(h);
	freeze(h->fabric, "the test says so");

	all_refuse(h, "bay1", REFUSE_FROZEN);
	assert_int_equal(fabric_adopt(h->fabric, false, 0, &plan, on_answer, h), REFUSE_FROZEN);
	assert_int_equal(fabric_backup(h->fabric, "/copy", 0, on_answer, h), REFUSE_FROZEN);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_BLOCKED);
	assert_false(host(h, "bay1")->spare);
}

static void s15_the_first_reason_why_it_is_frozen_stands(void **state)
{
	struct house *h = *state;
	uint64_t since_ms;

	usual(h);
	freeze(h->fabric, "the first");
	freeze(h->fabric, "the second");

	assert_string_equal(fabric_frozen(h->fabric, &since_ms), "the first");
	assert_string_equal(health(h).status, "frozen");
}

/* ---- keys ---- */

static int enroll_result;

static int on_enroll(void *arg, const char *name, bool force, char key[static 65])
{
	(void)arg;
	(void)name;
	(void)force;
	(void)snprintf(key, 65, "%064d", 7);
	return enroll_result;
}

static void a_key_is_made_where_there_are_datagrams_and_it_can_be_kept(void **state)
{
	struct house *h = *state;

	usual(h);
	assert_int_equal(ask_enroll(h, "bay1"), REFUSE_HOST_STATE);
	assert_non_null(strstr(problem.reason, "no beats are heard by datagrams"));
	h->fabric->io.host_enroll = on_enroll;
	enroll_result = -EEXIST;
	assert_int_equal(ask_enroll(h, "bay1"), REFUSE_HOST_STATE);
	assert_non_null(strstr(problem.reason, "same hash"));
	enroll_result = -ENOSPC;
	assert_int_equal(ask_enroll(h, "bay1"), REFUSE_HOST_STATE);
	assert_non_null(strstr(problem.reason, "cannot be stored"));
	run(h, 10);
	assert_int_equal(events(h, "host.enrolled", "bay1"), 0);

	enroll_result = 0;
	assert_int_equal(ask_enroll(h, "bay1"), 0);
	run(h, 10);
	assert_int_equal(events(h, "host.enrolled", "bay1"), 1);

	/* 1000000 ms after the boot of a machine that was booted on 2023-11-14 */
	enroll_result = -EBUSY;
	assert_int_equal(ask_enroll(h, "bay1"), REFUSE_HOST_STATE);
	assert_non_null(strstr(problem.reason, "the key given at 2023-11-14T22:3"));
	assert_non_null(strstr(problem.reason, "is not in use yet"));
	assert_int_equal(ask_enroll(h, "bay2"), REFUSE_HOST_STATE);
	assert_non_null(strstr(problem.reason, "the key given at an unknown time"));
	run(h, 10);
	assert_int_equal(events(h, "host.enrolled", NULL), 1);
}

/* ---- failover by hand ---- */

static void a_failover_by_hand_needs_a_host_that_is_not_fenced_a_switch_and_a_spare(void **state)
{
	struct house *h = *state;

	manager_start(h);
	run(h, STEADY);
	assign(h, VF1, "bay1", MAC1);
	assert_int_equal(failover(h, "bay1"), REFUSE_NO_SPARE);
	spare(h, "bay8");
	assert_int_equal(ask_failover_plan(h, "bay1"), 0);
	lose_the_switch(h);
	assert_int_equal(failover(h, "bay1"), REFUSE_PROVIDER_AWAY);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_ALIVE);
	h->reach[0].sink.state(h->reach[0].sink.arg, PROVIDER_READY,
			       sim_model_hello(h->reach[0].model));
	run(h, STEADY);

	assert_int_equal(failover(h, "bay1"), 0);
	assert_int_equal(fabric_host_failover(h->fabric, "bay1", 0, &problem, on_answer, h),
			 REFUSE_HOST_STATE);
	assert_non_null(strstr(problem.reason, "see incident 1"));
	run(h, MOVED);
	assert_int_equal(at_switch(h, VF1), BAY8);
	assert_int_equal(failover(h, "bay1"), REFUSE_HOST_STATE);
}

static void the_plan_of_a_host_that_holds_nothing_says_so(void **state)
{
	struct house *h = *state;
	OWNED(fabric_plan_done) struct fabric_plan plan = { 0 };

	usual(h);

	assert_int_equal(fabric_host_failover_plan(h->fabric, "bay3", &problem, &plan), 0);
	assert_int_equal(plan.item_count, 0);
	assert_non_null(strstr(plan.detail, "it holds no function"));
	assert_string_equal(plan.target, "");
	assert_int_equal(fabric_host_drain_plan(h->fabric, "bay3", "", &problem, &plan), 0);
	assert_int_equal(plan.item_count, 0);
	assert_int_equal(ask_drain(h, "bay3"), REFUSE_FUNCTION_FREE);
}

static void a_failover_of_a_host_that_holds_nothing_needs_no_spare(void **state)
{
	struct house *h = *state;

	manager_start(h);
	run(h, STEADY);

	assert_int_equal(failover(h, "bay3"), 0);
	run_until_state(h, "bay3", FABRIC_HOST_FENCED);
}

static void a_drain_that_is_asked_for_again_under_its_key_is_the_same_change(void **state)
{
	struct house *h = *state;
	struct fabric_asker who = { .key = "k", .hash = 7 };
	uint64_t first = 0;

	usual(h);
	for (int i = 0; i < 3; i++) {
		if (i == 2) { /* that answer was lost with its manager */
			manager_kill(h);
			manager_start(h);
			run(h, STEADY);
		}
		assert_int_equal(
			fabric_host_drain(h->fabric, "bay1", "", &who, &problem, on_answer, h), 0);
		run(h, 500); /* it has nothing any more */
		first = i ? first : h->answer.id;
		assert_int_equal(h->answer.id, first);
	}
	assert_int_equal(events(h, "host.drain", "bay1"), 1);
	who.hash = 8;
	assert_int_equal(fabric_host_drain(h->fabric, "bay1", "", &who, &problem, on_answer, h),
			 REFUSE_KEY_REUSED);
	who.key = NULL;
	assert_int_equal(fabric_host_drain(h->fabric, "bay1", "", &who, &problem, on_answer, h),
			 REFUSE_FUNCTION_FREE);
}

static void what_a_drain_cannot_move_is_not_told_as_one(void **state)
{
	struct house *h = *state;

	usual(h);
	h->config.reserve = 1;
	fabric_configure(h->fabric, &h->config);
	assign(h, VF3, "bay2", 0);
	assert_int_equal(fabric_host_drain(h->fabric, "bay1", "bay8", &(struct fabric_asker){ 0 },
					   &problem, on_answer, h),
			 REFUSE_RESERVE);
	run(h, 100);

	assert_int_equal(events(h, "host.drain", "bay1"), 0);
}

/* A drain that takes its time. */
static void begin_to_move(struct house *h, const char *to)
{
	fault(h, PROVIDER_BIND, SIM_FAULT_DELAY, 800, 0);
	h->reach[0].chassis->timeout_ms = 5000;
	assert_int_equal(fabric_host_drain(h->fabric, "bay1", to, &(struct fabric_asker){ 0 },
					   &problem, on_answer, h),
			 0);
	run(h, 200);
	assert_int_equal(host(h, to)->functions, 0);
}

static void a_host_that_functions_are_moved_to_is_not_drained_before_they_are_there(void **state)
{
	struct house *h = *state;

	usual(h);
	begin_to_move(h, "bay2");
	assert_int_equal(ask_drain_plan(h, "bay2"), REFUSE_HOST_STATE);
	assert_int_equal(ask_drain(h, "bay2"), REFUSE_HOST_STATE);
	assert_string_equal(problem.reason, "2 functions are on the way to bay2, by change 3: "
					    "fabricctl change wait 3 comes first");
	run(h, MOVED);

	assert_int_equal(host(h, "bay2")->functions, 2);
	assert_int_equal(ask_drain(h, "bay2"), 0);
}

static void who_begins_to_work_at_a_host_is_told_what_it_has_or_is_about_to_have(void **state)
{
	struct house *h = *state;
	struct fabric_next next[FABRIC_NEXT_MAX];

	usual(h);
	begin_to_move(h, "bay2");
	assert_int_equal(ask_maintenance(h, "bay2"), 0); /* it may be urgent */
	assert_int_equal(fabric_host_next(h->fabric, host(h, "bay2"), next), 2);
	assert_string_equal(next[0].command, "fabricctl change wait 3");
	assert_non_null(strstr(next[0].when, "2 functions are on the way to it"));
	assert_string_equal(next[1].command, "fabricctl host maintenance bay2 off");
	run(h, MOVED);
	assert_int_equal(fabric_host_next(h->fabric, host(h, "bay2"), next), 2);
	assert_string_equal(next[0].command, "fabricctl host drain bay2 --wait 60");
	assert_non_null(strstr(next[0].when, "it holds 2 functions"));

	assert_int_equal(ask_drain(h, "bay2"), 0); /* what it says is right */
	run(h, MOVED);
	assert_int_equal(fabric_host_next(h->fabric, host(h, "bay2"), next), 1);
}

/* ---- fence-confirm and readmission ---- */

static void a_person_vouches_for_the_open_incident_alone(void **state)
{
	struct house *h = *state;

	usual(h);
	block(h);
	run(h, MOVED); /* its last beat is long ago */

	assert_int_equal(
		fabric_host_fence_confirm(h->fabric, "bay1", 99, 0, &problem, on_answer, h),
		REFUSE_NO_INCIDENT);
	assert_non_null(strstr(problem.reason, "the open incident of bay1 is 1"));
	assert_int_equal(fabric_host_fence_confirm(h->fabric, "bay2", 1, 0, &problem, on_answer, h),
			 REFUSE_NO_INCIDENT);
	assert_string_equal(problem.reason, "bay2 has no open incident");
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_BLOCKED);
	assert_int_equal(ask_confirm(h, "bay1"), 0);
}

static void a_blocked_host_that_is_silent_is_not_let_in(void **state)
{
	struct house *h = *state;

	usual(h);
	block(h);
	run(h, MOVED);

	assert_int_equal(readmit(h, "bay1"), REFUSE_HOST_STATE);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_BLOCKED);
}

static void a_host_is_not_let_in_while_its_functions_are_moved(void **state)
{
	struct house *h = *state;

	usual(h);
	silence(h, BAY1);
	run_until_sent(h, PROVIDER_BIND, h->sent_count);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);

	assert_int_equal(fabric_host_readmit(h->fabric, "bay1", 0, &problem, on_answer, h),
			 REFUSE_HOST_STATE);
	assert_non_null(strstr(problem.reason, "are being moved by change"));
	run(h, MOVED);
	assert_int_equal(fabric_host_readmit(h->fabric, "bay1", 0, &problem, on_answer, h), 0);
}

static void a_host_is_let_in_by_its_switch_alone_and_not_while_it_is_fenced_again(void **state)
{
	struct house *h = *state;
	uint64_t epoch;

	usual(h);
	silence(h, BAY1);
	run(h, 2 * MOVED);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	epoch = host(h, "bay1")->epoch;
	lose_the_switch(h);
	assert_int_equal(readmit(h, "bay1"), REFUSE_PROVIDER_AWAY);
	h->reach[0].sink.state(h->reach[0].sink.arg, PROVIDER_READY,
			       sim_model_hello(h->reach[0].model));
	run(h, 500);
	sim_model_reboot(h->reach[0].model, 0); /* fenced again before anything else */
	while (!host(h, "bay1")->fence || !provider_is_usable(h->fabric->providers[0]))
		house_step(h, h->now_ms + 1);

	assert_int_equal(fabric_host_readmit(h->fabric, "bay1", 0, &problem, on_answer, h),
			 REFUSE_HOST_STATE);
	assert_non_null(strstr(problem.reason, "is being fenced again"));
	assert_true(host(h, "bay1")->epoch >= epoch);
	run(h, 500);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, house_begin, house_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nothing_is_done_to_a_host_that_nobody_knows),
		T(s15_nothing_is_done_in_a_frozen_fabric),
		T(s15_the_first_reason_why_it_is_frozen_stands),
		T(a_key_is_made_where_there_are_datagrams_and_it_can_be_kept),
		T(a_failover_by_hand_needs_a_host_that_is_not_fenced_a_switch_and_a_spare),
		T(the_plan_of_a_host_that_holds_nothing_says_so),
		T(a_failover_of_a_host_that_holds_nothing_needs_no_spare),
		T(a_drain_that_is_asked_for_again_under_its_key_is_the_same_change),
		T(what_a_drain_cannot_move_is_not_told_as_one),
		T(a_host_that_functions_are_moved_to_is_not_drained_before_they_are_there),
		T(who_begins_to_work_at_a_host_is_told_what_it_has_or_is_about_to_have),
		T(a_person_vouches_for_the_open_incident_alone),
		T(a_blocked_host_that_is_silent_is_not_let_in),
		T(a_host_is_not_let_in_while_its_functions_are_moved),
		T(a_host_is_let_in_by_its_switch_alone_and_not_while_it_is_fenced_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
