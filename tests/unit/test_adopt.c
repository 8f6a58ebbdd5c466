/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the switch shows becomes what is wanted (fabricd/adopt.c), in a house of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "house_fixture.h"

static const char *const VF4 = "nic-0001/pf0/vf4";

/* The manager ends, and begins again from a database that is new. */
static void database_lost(struct house *h)
{
	char why[DB_TEXT_MAX];

	manager_kill(h);
	db_close(h->db);
	assert_int_equal(db_open_fast(":memory:", why, &h->db), 0);
	manager_start(h);
	run(h, BEAT);
}

/* The manager ends, and begins again from the same rows, which are last week's now. */
static void database_restored(struct house *h)
{
	const struct db_number row = { .name = "adopted", .value = 0 };
	struct db_batch *batch = NULL;

	manager_kill(h);
	assert_int_equal(db_batch_new(&batch), 0);
	db_put_number(batch, &row);
	assert_int_equal(db_apply(h->db, batch, NULL), 0);
	db_batch_free(batch);
	manager_start(h);
	run(h, BEAT);
}

static void adopt(struct house *h, struct fabric_plan *plan)
{
	assert_int_equal(fabric_adopt(h->fabric, false, 0, plan, on_answer, h), 0);
	run(h, BEAT);
	assert_false(health(h).frozen);
}

static void s20_a_host_that_the_switch_holds_off_is_taken_in_as_fenced(void **state)
{
	struct house *h = *state;
	struct fabric_plan plan = { 0 };

	usual(h);
	silence(h, BAY1);
	run(h, MOVED);
	assert_true(state_at_switch(h, BAY1)->isolated);
	h->agents[BAY1 - 1].beats = true;

	database_lost(h);
	adopt(h, &plan);
	assert_non_null(strstr(plan.detail, "1 isolated host as fenced"));
	fabric_plan_done(&plan);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);

	assert_int_equal(readmit(h, "bay1"), 0);
	run(h, BEAT);
	assert_false(state_at_switch(h, BAY1)->isolated);
	assign(h, VF3, "bay1", 0);
	assert_int_equal(at_switch(h, VF3), BAY1);
}

static void two_that_have_changed_places_are_both_taken_in(void **state)
{
	struct house *h = *state;
	struct fabric_plan plan = { 0 };

	usual(h);
	foreign(h, PROVIDER_UNBIND, VF1, BAY1, 1, 0);
	foreign(h, PROVIDER_UNBIND, VF2, BAY1, 2, 0);
	foreign(h, PROVIDER_BIND, VF1, BAY1, 2, 7);
	foreign(h, PROVIDER_BIND, VF2, BAY1, 1, 7);

	database_restored(h);
	adopt(h, &plan);
	assert_int_equal(plan.item_count, 2);
	assert_int_equal(plan.items[0].row.state, DB_CHANGE_DONE);
	assert_int_equal(plan.items[1].row.state, DB_CHANGE_DONE);
	assert_string_equal(plan.detail, "2 of 2 bindings are taken in");
	fabric_plan_done(&plan);
	assert_int_equal(function(h, VF1)->vport, 2);
	assert_int_equal(function(h, VF2)->vport, 1);
	run(h, 40 * BEAT);
	assert_int_equal(at_switch(h, VF1), BAY1);
	assert_int_equal(at_switch(h, VF2), BAY1);
}

static void a_place_that_is_promised_is_not_taken_in(void **state)
{
	struct house *h = *state;
	struct fabric_plan plan = { 0 };

	usual(h);
	fault(h, PROVIDER_RESET, SIM_FAULT_LATE, 10 * BEAT, 1);
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay2", 0), 0);
	run(h, 100);
	foreign(h, PROVIDER_BIND, VF4, BAY2, 1, 0);
	scan_again(h);

	adopt(h, &plan);
	assert_int_equal(plan.item_count, 1);
	assert_int_equal(plan.items[0].row.state, DB_CHANGE_REFUSED);
	assert_string_equal(plan.detail, "0 of 1 bindings are taken in");
	assert_non_null(strstr(plan.items[0].row.reason, VF3));
	fabric_plan_done(&plan);
	run(h, 60 * BEAT);
	assert_false(health(h).frozen);
	assert_null(function(h, VF4)->host);
}

static void
s14_a_function_that_a_restored_database_does_not_know_gets_a_generation_above_all(void **state)
{
	struct house *h = *state;
	const struct db_number row = { .name = "generation", .value = 1 << 20 };
	struct db_batch *batch = NULL;

	usual(h);
	manager_kill(h);
	assert_int_equal(db_batch_new(&batch), 0);
	db_put_number(batch, &row);
	assert_int_equal(db_apply(h->db, batch, NULL), 0);
	db_batch_free(batch);
	manager_start(h);
	run(h, BEAT);
	assign(h, VF4, "bay2", 0);
	assert_int_equal(function(h, VF4)->generation, (1 << 20) + 1);
}

/* What it shows is of higher generations than any that such a database knows. */
static void s14_a_database_that_has_adopted_nothing_yet_freezes_for_nothing(void **state)
{
	struct house *h = *state;
	struct fabric_plan plan = { 0 };

	usual(h);
	foreign(h, PROVIDER_UNBIND, VF1, BAY1, 0, 0);
	foreign(h, PROVIDER_BIND, VF1, BAY1, 1, 99);
	database_restored(h);
	assert_false(health(h).frozen);

	database_lost(h);
	assert_false(health(h).frozen);
	adopt(h, &plan);
	assert_int_equal(plan.item_count, 2);
	fabric_plan_done(&plan);
	scan_again(h);
	assert_false(health(h).frozen);
	assert_int_equal(function(h, VF1)->generation, 99);
}

static void s14_what_was_never_given_nor_adopted_freezes_nobody(void **state)
{
	struct house *h = *state;
	struct fabric_plan plan = { 0 };

	usual(h);
	foreign(h, PROVIDER_BIND, VF4, BAY3, 20, 99);
	scan_again(h);
	assert_false(health(h).frozen);

	adopt(h, &plan);
	fabric_plan_done(&plan);
	scan_again(h);
	assert_false(health(h).frozen);
	assert_string_equal(function(h, VF4)->host->name, "bay3");
}

/* What cannot be told now is told of, and taken in the next time. */
static void what_is_not_taken_in_keeps_what_it_has(void **state)
{
	struct house *h = *state;
	struct fabric_plan plan = { 0 };

	usual(h);
	foreign(h, PROVIDER_UNBIND, VF2, BAY1, 2, 0);
	foreign(h, PROVIDER_BIND, VF2, BAY2, 1, 0);
	fault(h, PROVIDER_RESET, SIM_FAULT_LATE, 10 * BEAT, 1);
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay2", 0), 0); /* bay2's vport 1 */
	scan_again(h);

	adopt(h, &plan);
	fabric_plan_done(&plan);
	assert_string_equal(function(h, VF2)->host->name, "bay1");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, house_begin, house_end)
	const struct CMUnitTest tests[] = {
		TEST(s20_a_host_that_the_switch_holds_off_is_taken_in_as_fenced),
		TEST(two_that_have_changed_places_are_both_taken_in),
		TEST(a_place_that_is_promised_is_not_taken_in),
		TEST(s14_a_function_that_a_restored_database_does_not_know_gets_a_generation_above_all),
		TEST(s14_a_database_that_has_adopted_nothing_yet_freezes_for_nothing),
		TEST(s14_what_was_never_given_nor_adopted_freezes_nobody),
		TEST(what_is_not_taken_in_keeps_what_it_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
