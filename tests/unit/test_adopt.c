/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the switch shows becomes what is wanted (fabricd/adopt.c), in a house of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "house_fixture.h"

#include "fabricd/state.h"

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

enum { LEAP = 1 << 20 };

/* Likewise, and its counters begin above (db/restore.c). */
static void backup_restored(struct house *h)
{
	const char *const known[] = { VF1, VF2 };
	const struct db_number row = { .name = "generation", .value = LEAP + 10 };
	struct db_batch *batch = NULL;

	assert_int_equal(db_batch_new(&batch), 0);
	db_put_number(batch, &row);
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		struct db_function fn = { .generation = function(h, known[i])->highest + LEAP };

		(void)snprintf(fn.name, sizeof(fn.name), "%s", known[i]);
		db_put_function(batch, &fn);
	}
	manager_kill(h);
	assert_int_equal(db_apply(h->db, batch, NULL), 0);
	db_batch_free(batch);
	manager_start(h); /* it ends again, but with these rows */
	database_restored(h);
}

/* After the backup VF1 was moved to bay3, which uses it. */
static void moved_since(struct house *h)
{
	uint64_t generation = function(h, VF1)->generation % LEAP;

	foreign(h, PROVIDER_UNBIND, VF1, BAY1, 1, 0);
	foreign(h, PROVIDER_BIND, VF1, BAY3, 1, generation + 1);
}

static const struct db_item *last_item(struct house *h)
{
	return &h->fabric->changes[h->fabric->change_count - 1]->items[0].row;
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

/* ---- what living hosts have of which a restored database does not know ---- */

static void what_a_restored_database_has_elsewhere_is_neither_released_nor_moved(void **state)
{
	struct house *h = *state;
	struct fabric_problem problem;
	const struct fabric_asker who = { 0 };
	struct fabric_plan plan = { 0 };
	size_t from;

	usual(h);
	moved_since(h);
	backup_restored(h);
	assert_string_equal(function(h, VF1)->host->name, "bay1");
	from = h->sent_count;
	assert_int_equal(ask(h, DB_OP_RELEASE, VF1, "", 0), REFUSE_ADOPT);
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay2", 0), REFUSE_ADOPT);
	assert_int_equal(fabric_host_drain(h->fabric, "bay1", "bay2", &who, &problem, on_answer, h),
			 REFUSE_ADOPT);
	assert_non_null(strstr(problem.reason, "bay3 vport 1, generation 2"));
	assert_non_null(strstr(problem.reason, "fabricctl adopt"));
	run(h, BEAT);
	assert_int_equal(effects(h, from), 0);

	adopt(h, &plan);
	fabric_plan_done(&plan);
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay2", 0), 0);
	run(h, BEAT);
	assert_int_equal(at_switch(h, VF1), BAY2);
}

static void what_is_found_elsewhere_at_the_first_look_is_left_there(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	backup_restored(h);
	moved_since(h);
	from = h->sent_count;
	assert_int_equal(ask(h, DB_OP_RELEASE, VF1, "", 0), 0); /* not seen yet */
	run(h, 30 * BEAT);

	assert_int_equal(at_switch(h, VF1), BAY3);
	assert_int_equal(effects(h, from), 0);
	assert_int_equal(last_item(h)->state, DB_CHANGE_FAILED);
	assert_non_null(strstr(last_item(h)->reason, "bay3 vport 1, generation 2"));
	assert_non_null(strstr(last_item(h)->reason, "fabricctl adopt"));
	assert_string_equal(function(h, VF1)->host->name, "bay1");
}

static void what_a_restored_database_has_where_it_is_works_at_once(void **state)
{
	struct house *h = *state;

	usual(h);
	backup_restored(h);
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay2", 0), 0);
	run(h, BEAT);
	assert_int_equal(at_switch(h, VF1), BAY2);
	assert_int_equal(ask(h, DB_OP_RELEASE, VF1, "", 0), 0);
	run(h, BEAT);
	assert_int_equal(at_switch(h, VF1), 0);
}

/* The change was under way when the backup was made: the copy calls it failed. */
static void what_a_backup_saw_begun_may_be_done_since(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	fault(h, PROVIDER_UNBIND, SIM_FAULT_REFUSED, 0, 0);
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay3", 1), 0);
	run(h, 30 * BEAT);
	assert_int_equal(last_item(h)->state, DB_CHANGE_FAILED);
	sim_model_fault_clear(h->reach[0].model);
	moved_since(h);
	backup_restored(h);
	from = h->sent_count;

	assert_int_equal(ask(h, DB_OP_RELEASE, VF1, "", 0), REFUSE_ADOPT);
	run(h, BEAT);
	assert_int_equal(effects(h, from), 0);
}

static size_t left_count(struct house *h)
{
	const struct fabric_incident *incident = fabric_incident_find(h->fabric, 1);
	size_t count = 0;

	for (size_t i = 0; i < incident->step_count; i++)
		count += !strcmp(incident->steps[i].what, "left");
	return count;
}

static void a_failover_leaves_what_a_living_host_has_and_goes_on_without_it(void **state)
{
	struct house *h = *state;
	struct fabric_plan plan = { 0 };

	usual(h);
	moved_since(h);
	backup_restored(h);
	run(h, STEADY);
	assert_int_equal(failover(h, "bay1"), 0);
	run(h, 60 * BEAT);

	assert_int_equal(at_switch(h, VF1), BAY3);
	assert_int_equal(at_switch(h, VF2), BAY8);
	assert_int_equal(left_count(h), 1);
	assert_int_equal(fabric_incident_find(h->fabric, 1)->row.state, DB_INCIDENT_MOVING);

	adopt(h, &plan);
	fabric_plan_done(&plan);
	run(h, BEAT);
	assert_string_equal(function(h, VF1)->host->name, "bay3");
	assert_int_equal(at_switch(h, VF1), BAY3);
	assert_int_equal(fabric_incident_find(h->fabric, 1)->row.state, DB_INCIDENT_DONE);
}

/* Nobody has scanned since. */
static void a_failover_looks_before_it_takes(void **state)
{
	struct house *h = *state;

	usual(h);
	backup_restored(h);
	run(h, STEADY);
	moved_since(h);
	assert_int_equal(failover(h, "bay1"), 0);
	run(h, 60 * BEAT);

	assert_int_equal(at_switch(h, VF1), BAY3);
	assert_int_equal(at_switch(h, VF2), BAY8);
	assert_int_equal(left_count(h), 1);
}

/* The numbers between are another life's, also once this one has adopted. */
static void what_another_life_has_bound_is_not_mended_either(void **state)
{
	struct house *h = *state;
	struct fabric_plan plan = { 0 };

	usual(h);
	backup_restored(h);
	adopt(h, &plan);
	fabric_plan_done(&plan);
	moved_since(h);
	scan_again(h);
	run(h, 60 * BEAT);

	assert_int_equal(at_switch(h, VF1), BAY3);
	assert_false(health(h).frozen);
}

/* Of what was given before the backup a switch may show an older map. */
static void what_was_given_before_the_backup_is_ours(void **state)
{
	struct house *h = *state;
	struct fabric_plan plan = { 0 };

	usual(h);
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay2", 0), 0);
	run(h, BEAT);
	backup_restored(h);
	adopt(h, &plan);
	fabric_plan_done(&plan);
	foreign(h, PROVIDER_UNBIND, VF1, BAY2, 1, 0);
	foreign(h, PROVIDER_BIND, VF1, BAY1, 1, 1);
	scan_again(h);
	run(h, 60 * BEAT);

	assert_int_equal(at_switch(h, VF1), BAY2);
}

/* In any database: the number that a change has just been given. */
static void who_has_bound_under_the_next_generation_is_somebody_else(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	moved_since(h);
	from = h->sent_count;
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay2", 0), 0); /* not seen yet */
	run(h, BEAT);
	assert_int_equal(last_item(h)->state, DB_CHANGE_FAILED);
	assert_int_equal(last_item(h)->generation, function(h, VF1)->as.now.generation);
	run(h, 60 * BEAT);
	manager_kill(h);
	manager_start(h);
	run(h, 60 * BEAT);

	assert_int_equal(at_switch(h, VF1), BAY3);
	assert_int_equal(effects(h, from), 0);
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
		TEST(what_a_restored_database_has_elsewhere_is_neither_released_nor_moved),
		TEST(what_is_found_elsewhere_at_the_first_look_is_left_there),
		TEST(what_a_restored_database_has_where_it_is_works_at_once),
		TEST(what_a_backup_saw_begun_may_be_done_since),
		TEST(a_failover_leaves_what_a_living_host_has_and_goes_on_without_it),
		TEST(a_failover_looks_before_it_takes),
		TEST(what_another_life_has_bound_is_not_mended_either),
		TEST(what_was_given_before_the_backup_is_ours),
		TEST(who_has_bound_under_the_next_generation_is_somebody_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
