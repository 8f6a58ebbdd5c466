/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is asked for is checked whole before anything of it is done: each refusal, and that it left
 * nothing behind; keys, plans, and what memory keeps (house_fixture.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fabricd/state.h"
#include "house_fixture.h"

static const char *const BF = "nic-0001/pf0";
static struct fabric_problem problem;

static int request_of(struct house *h, const struct fabric_request *request)
{
	return fabric_change_request(h->fabric, request, &problem, on_answer, h);
}

static int ask_op(struct house *h, const struct fabric_request_op *one)
{
	const struct fabric_request request = { .ops = one, .op_count = 1 };

	return request_of(h, &request);
}

static int asked(struct house *h, enum db_op verb, const char *fn, const char *name, uint64_t mac)
{
	const struct fabric_request_op one = op(verb, fn, name, mac);

	return ask_op(h, &one);
}

static void tell_presence(struct house *h, const char *fn, bool present)
{
	const struct provider_event event = { .kind = PROVIDER_EVENT_FUNCTION,
					      .function = function(h, fn)->as.handle,
					      .present = present };

	h->reach[0].sink.told(h->reach[0].sink.arg, &event);
}

/* ---- the function ---- */

static void a_function_that_is_not_to_be_given_is_refused_with_the_reason(void **state)
{
	struct house *h = *state;

	usual(h);

	assert_int_equal(asked(h, DB_OP_ASSIGN, "nic-9999/pf0/vf1", "bay2", 0), REFUSE_NO_FUNCTION);
	assert_int_equal(asked(h, DB_OP_ASSIGN, BF, "bay2", 0), REFUSE_FUNCTION_KEPT);
	assert_int_equal(asked(h, DB_OP_ASSIGN, VF1, "bay2", 0), REFUSE_FUNCTION_BOUND);
	assert_non_null(strstr(problem.reason, "is assigned to bay1; move it"));
	assert_int_equal(asked(h, DB_OP_MOVE, VF3, "bay2", 0), REFUSE_FUNCTION_FREE);
	assert_int_equal(asked(h, DB_OP_RELEASE, VF3, "", 0), REFUSE_FUNCTION_FREE);
	assert_int_equal(asked(h, DB_OP_MOVE, VF1, "bay1", 0), REFUSE_SAME_HOST);
	assert_int_equal(asked(h, DB_OP_ASSIGN, GPU0, "bay2", MAC2), REFUSE_IDENTITY_KIND);
	assert_string_equal(problem.field, "identity/mac");
	assert_null(function(h, VF1)->item);
	assert_null(function(h, VF3)->item);
}

static void a_function_that_does_not_answer_is_given_to_nobody(void **state)
{
	struct house *h = *state;

	usual(h);
	tell_presence(h, VF3, false);
	tell_presence(h, VF1, false);
	run(h, 100);

	assert_int_equal(asked(h, DB_OP_ASSIGN, VF3, "bay2", 0), REFUSE_FUNCTION_BAD);
	assert_non_null(strstr(problem.reason, "does not answer"));
	assert_true(function(h, VF1)->bad);
	tell_presence(h, VF1, true); /* it answers again, where it is marked bad */
	h->fabric->config.repair = false;
	if (function(h, VF1)->bad) {
		assert_int_equal(asked(h, DB_OP_MOVE, VF1, "bay2", 0), REFUSE_FUNCTION_BAD);
		assert_non_null(strstr(problem.reason, "marked bad"));
	}
	assert_int_equal(asked(h, DB_OP_RELEASE, VF1, "", 0), 0);
}

static void what_is_not_there_or_out_of_reach_is_given_to_nobody(void **state)
{
	struct house *h = *state;

	usual(h);
	((struct fabric_function *)function(h, VF3))->present = false;
	assert_int_equal(asked(h, DB_OP_ASSIGN, VF3, "bay2", 0), REFUSE_NO_FUNCTION);
	assert_non_null(strstr(problem.reason, "not in the fabric now"));

	((struct fabric_adapter *)function(h, VF1)->adapter)->as.num_vfs = 1;
	assert_int_equal(asked(h, DB_OP_ASSIGN, "nic-0001/pf0/vf4", "bay2", 0), REFUSE_NO_VF);
	h->reach[0].sink.state(h->reach[0].sink.arg, PROVIDER_LOST, NULL);
	assert_int_equal(asked(h, DB_OP_ASSIGN, GPU0, "bay2", 0), REFUSE_PROVIDER_AWAY);
}

static void one_function_stands_in_a_change_once(void **state)
{
	struct house *h = *state;
	struct fabric_request_op ops[2];
	const struct fabric_request request = { .ops = ops, .op_count = 2 };

	usual(h);
	ops[0] = op(DB_OP_ASSIGN, VF3, "bay2", 0);
	ops[1] = op(DB_OP_ASSIGN, VF3, "bay3", 0);

	assert_int_equal(request_of(h, &request), REFUSE_TWICE);
	assert_int_equal(problem.op, 1);
	assert_null(function(h, VF3)->item);
	assert_null(host(h, "bay2")->vports[1]);
}

static void a_change_has_operations_and_not_too_many(void **state)
{
	struct house *h = *state;
	struct fabric_request_op one;
	struct fabric_request request = { .ops = &one };

	usual(h);
	one = op(DB_OP_ASSIGN, VF3, "bay2", 0);

	assert_int_equal(request_of(h, &request), REFUSE_FIELD);
	request.op_count = FABRIC_OPS_MAX + 1;
	assert_int_equal(request_of(h, &request), REFUSE_FIELD);
	request.op_count = 1;
	h->fabric->change_running = FABRIC_RUNNING_MAX;
	assert_int_equal(request_of(h, &request), REFUSE_LIMIT);
	h->fabric->change_running = 0;
	assert_int_equal(request_of(h, &request), 0);
}

/* ---- the host ---- */

static void a_vport_that_is_wanted_is_there_and_free(void **state)
{
	struct house *h = *state;
	struct fabric_request_op one;

	usual(h);
	one = op(DB_OP_ASSIGN, VF3, "bay1", 0);
	one.vport = PROVIDER_VPORTS_MAX;
	assert_int_equal(ask_op(h, &one), REFUSE_NO_VPORT);
	assert_non_null(strstr(problem.reason, "bay1 has vports 1 to"));
	one.vport = function(h, VF1)->vport;
	assert_int_equal(ask_op(h, &one), REFUSE_VPORT_TAKEN);
	assert_non_null(strstr(problem.reason, VF1));
	((struct fabric_host *)host(h, "bay3"))->as.vports = 0;
	one = op(DB_OP_ASSIGN, VF3, "bay3", 0);
	assert_int_equal(ask_op(h, &one), REFUSE_HOST_FULL);
	assert_null(function(h, VF3)->item);
}

static void a_host_has_room_for_what_the_function_needs(void **state)
{
	struct house *h = *state;

	usual(h);
	((struct fabric_host *)host(h, "bay3"))->as.window_bytes = 1;

	assert_int_equal(asked(h, DB_OP_ASSIGN, GPU0, "bay3", 0), REFUSE_HOST_BUSES);
}

static void no_function_goes_to_a_host_of_another_switch(void **state)
{
	struct house *h = *state;

	reach_new(h, "box", 2, false);
	usual(h);

	assert_int_equal(asked(h, DB_OP_ASSIGN, VF3, "ch2/box1", 0), REFUSE_UNREACHABLE);
}

static void functions_of_a_ring_go_together_to_one_host(void **state)
{
	struct house *h = *state;
	struct sim_chassis *c = chassis_with("box", 2);
	struct sim_adapter *a = sim_chassis_add_adapter(c, sim_device_find("ethernet"), "R0002", 1);
	struct fabric_request_op ops[2];
	const struct fabric_request request = { .ops = ops, .op_count = 2 };

	a->pfs = 2;
	a->num_vfs = 2;
	a->ring = true;
	a->keeper = PROVIDER_KEEPER_SWITCH;
	reach_add_take(h, c);
	usual(h);
	ops[0] = op(DB_OP_ASSIGN, "nic-0002/pf0/vf1", "ch2/box1", 0);
	ops[1] = op(DB_OP_ASSIGN, "nic-0002/pf1/vf1", "ch2/box2", 0);

	assert_int_equal(ask_op(h, &ops[0]), REFUSE_DEPENDENCY);
	assert_int_equal(request_of(h, &request), REFUSE_DEPENDENCY);
	assert_null(function(h, ops[0].function)->item);
	(void)snprintf(ops[1].host, sizeof(ops[1].host), "ch2/box1");
	assert_int_equal(request_of(h, &request), 0);
}

/* ---- S17 ---- */

static void s17_what_an_absent_function_is_to_carry_is_given_to_nobody_else(void **state)
{
	struct house *h = *state;

	usual(h);
	((struct fabric_function *)function(h, VF1))->as.now.identity = (struct identity){ 0 };
	assert_int_equal(asked(h, DB_OP_ASSIGN, VF3, "bay2", MAC1), REFUSE_IDENTITY_TAKEN);
	assert_string_equal(problem.field, "identity/mac");
}

static void s17_what_a_change_under_way_will_give_is_given_to_nobody_else(void **state)
{
	struct house *h = *state;

	usual(h);
	h->holds_commits = true;
	assert_int_equal(asked(h, DB_OP_ASSIGN, VF3, "bay2", MAC2), 0);
	assert_int_equal(asked(h, DB_OP_ASSIGN, "nic-0001/pf0/vf4", "bay3", MAC2),
			 REFUSE_IDENTITY_TAKEN);
	assert_int_equal(asked(h, DB_OP_ASSIGN, "nic-0001/pf0/vf4", "bay3", 0), 0);
}

/* ---- S12 ---- */

static void s12_the_spares_of_another_switch_are_no_room(void **state)
{
	struct house *h = *state;

	h->config.reserve = 1;
	reach_new(h, "box", 1, false);
	manager_start(h);
	run(h, STEADY);
	spare(h, "ch2/box1");
	((struct fabric_host *)host(h, "ch2/box1"))->state = FABRIC_HOST_ALIVE;

	assert_int_equal(asked(h, DB_OP_ASSIGN, VF3, "bay2", 0), REFUSE_RESERVE);
	spare(h, "bay8");
	run(h, 10);
	assert_int_equal(asked(h, DB_OP_ASSIGN, VF3, "bay2", 0), 0);
}

/* ---- keys ---- */

static void a_key_stands_for_one_change_of_one_person_for_a_day(void **state)
{
	struct house *h = *state;
	struct fabric_request_op one = op(DB_OP_ASSIGN, VF3, "bay2", 0);
	struct fabric_request request = { .ops = &one, .op_count = 1, .key = "k", .hash = 7 };
	uint64_t first;
	size_t count;

	usual(h);
	assert_int_equal(request_of(h, &request), 0);
	run(h, 500);
	first = h->answer.id;
	(void)fabric_changes(h->fabric, &count);

	assert_int_equal(request_of(h, &request), 0);
	run(h, 500);
	assert_int_equal(h->answer.id, first);
	assert_int_equal(h->fabric->change_count, count);
	request.hash = 8;
	assert_int_equal(request_of(h, &request), REFUSE_KEY_REUSED);
	request.uid = 1000;
	one = op(DB_OP_MOVE, VF3, "bay3", 0);
	assert_int_equal(request_of(h, &request), 0);
	run(h, 500);
	assert_int_not_equal(h->answer.id, first);
	request.key = "another";
	one = op(DB_OP_MOVE, VF3, "bay4", 0);
	assert_int_equal(request_of(h, &request), 0);
	run(h, 500);

	h->now_ms += 25ull * 3600 * 1000;
	request = (struct fabric_request){ .ops = &one, .op_count = 1, .key = "k", .hash = 9 };
	one = op(DB_OP_MOVE, VF3, "bay2", 0);
	assert_int_equal(request_of(h, &request), 0);
}

/* ---- plans ---- */

static void a_plan_is_the_steps_to_the_end_and_leaves_nothing_behind(void **state)
{
	struct house *h = *state;
	struct fabric_request_op one = op(DB_OP_ASSIGN, VF3, "bay2", 0);
	const struct fabric_request request = { .ops = &one, .op_count = 1 };
	OWNED(fabric_plan_done) struct fabric_plan plan = { 0 };

	usual(h);
	assert_int_equal(fabric_change_plan(h->fabric, &request, &problem, &plan), 0);

	assert_int_equal(plan.item_count, 1);
	assert_string_equal(plan.items[0].steps[0], "read back where it is");
	assert_string_equal(plan.items[0].steps[1], "reset it");
	assert_string_equal(plan.items[0].steps[2], "bind it and read back binding and identity");
	assert_null(plan.items[0].steps[3]);
	assert_null(function(h, VF3)->item);
	fabric_plan_done(&plan);
	one = op(DB_OP_ASSIGN, VF1, "bay2", 0);
	assert_int_equal(fabric_change_plan(h->fabric, &request, &problem, &plan),
			 REFUSE_FUNCTION_BOUND);
	assert_null(plan.items);
}

/* ---- what memory keeps ---- */

/* The oldest that have ended go, many at a time; those that run, or are waited for, stay. */
static void the_last_changes_that_ended_are_kept_and_no_more(void **state)
{
	struct house *h = *state;
	const size_t most = FABRIC_ENDED_KEPT + FABRIC_ENDED_KEPT / 4;
	size_t seen = 0;

	usual(h);
	for (unsigned i = 0; i < most + 40; i++) {
		assert_int_equal(i % 2 ? asked(h, DB_OP_RELEASE, VF3, "", 0)
				       : asked(h, DB_OP_ASSIGN, VF3, "bay2", 0),
				 0);
		run(h, 20);
		h->sent_count = 0;
		h->event_count = 0;
		if (h->fabric->change_count > seen)
			seen = h->fabric->change_count;
	}

	assert_int_equal(seen, most + 1);
	assert_in_range(h->fabric->change_count, FABRIC_ENDED_KEPT, FABRIC_ENDED_KEPT + 50);
	assert_null(fabric_change_find(h->fabric, 1));
	change_free(NULL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, house_begin, house_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_function_that_is_not_to_be_given_is_refused_with_the_reason),
		T(a_function_that_does_not_answer_is_given_to_nobody),
		T(what_is_not_there_or_out_of_reach_is_given_to_nobody),
		T(one_function_stands_in_a_change_once),
		T(a_change_has_operations_and_not_too_many),
		T(a_vport_that_is_wanted_is_there_and_free),
		T(a_host_has_room_for_what_the_function_needs),
		T(no_function_goes_to_a_host_of_another_switch),
		T(functions_of_a_ring_go_together_to_one_host),
		T(s17_what_an_absent_function_is_to_carry_is_given_to_nobody_else),
		T(s17_what_a_change_under_way_will_give_is_given_to_nobody_else),
		T(s12_the_spares_of_another_switch_are_no_room),
		T(a_key_stands_for_one_change_of_one_person_for_a_day),
		T(a_plan_is_the_steps_to_the_end_and_leaves_nothing_behind),
		T(the_last_changes_that_ended_are_kept_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
