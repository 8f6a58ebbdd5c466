/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How often it was counts over restarts (fabricd/turns.c): S5's failovers, S10's flaps. */
#include "house_fixture.h"

enum {
	AGAIN = 10 * BEAT
}; /* a host that has fallen silent is fenced, one that was let in steady */

static void restart(struct house *h)
{
	run(h, BEAT); /* what has happened is durable */
	manager_kill(h);
	manager_start(h);
	run(h, 2 * WINDOW);
}

static void dies_and_is_let_in(struct house *h, unsigned bay, const char *name)
{
	silence(h, bay);
	run(h, AGAIN);
	assert_int_equal(host(h, name)->state, FABRIC_HOST_FENCED);
	h->agents[bay - 1].beats = true;
	run(h, 2 * BEAT);
	assert_int_equal(readmit(h, name), 0);
	run(h, AGAIN);
	assert_int_equal(host(h, name)->state, FABRIC_HOST_ALIVE);
}

/* Six failovers, as many as there may be; S10 is not what is looked at. */
static void six_failovers(struct house *h)
{
	h->config.flap_count = 0;
	usual(h);
	for (unsigned n = 0; n < 6; n++)
		dies_and_is_let_in(h, BAY2, "bay2");
}

static void flap(struct house *h, unsigned bay)
{
	silence(h, bay);
	run(h, 3 * BEAT + 500);
	h->agents[bay - 1].beats = true;
	run(h, 3 * BEAT);
}

struct stored {
	unsigned kinds[DB_TURN_KINDS];
};

static void on_turn(void *arg, const struct db_turn *row)
{
	struct stored *stored = arg;

	stored->kinds[row->kind]++;
}

static struct stored stored(struct house *h)
{
	struct stored out = { { 0 } };
	const struct db_reader reader = { .turn = on_turn, .arg = &out };
	char why[DB_TEXT_MAX];

	assert_int_equal(db_load(h->db, &reader, why), 0);
	return out;
}

static void s5_a_restart_does_not_begin_the_count_anew(void **state)
{
	struct house *h = *state;

	six_failovers(h);
	restart(h);
	silence(h, BAY2);
	run(h, AGAIN);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_SUSPECT);

	run(h, 600 * BEAT);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_FENCED);
}

static void s5_half_before_a_restart_and_half_after_it_are_as_many(void **state)
{
	struct house *h = *state;

	h->config.flap_count = 0;
	usual(h);
	for (unsigned n = 0; n < 6; n++) {
		dies_and_is_let_in(h, BAY2, "bay2");
		if (n % 2)
			restart(h);
	}
	silence(h, BAY3);
	run(h, AGAIN);
	assert_int_equal(host(h, "bay3")->state, FABRIC_HOST_SUSPECT);
}

/* Those of the other boot count as just now, all of them, for one whole window. */
static void s5_what_another_boot_of_the_machine_has_seen_counts_as_just_now(void **state)
{
	struct house *h = *state;

	six_failovers(h);
	run(h, 400 * BEAT);
	h->boot_id = "boot-2";
	restart(h);
	silence(h, BAY2);
	run(h, 300 * BEAT);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_SUSPECT);

	/* Now it has a time of this boot. */
	restart(h);
	run(h, 300 * BEAT);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_FENCED);
}

static void s5_a_machine_that_cannot_tell_its_boot_counts_as_another(void **state)
{
	struct house *h = *state;

	six_failovers(h);
	run(h, 400 * BEAT);
	h->boot_id = NULL;
	restart(h);
	silence(h, BAY2);
	run(h, 300 * BEAT);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_SUSPECT);
}

/* A manager that begins with six times @row. */
static void restart_with_six(struct house *h, struct db_turn row)
{
	struct db_batch *batch = NULL;

	usual(h);
	run(h, BEAT);
	manager_kill(h);
	assert_int_equal(db_batch_new(&batch), 0);
	for (row.id = 1; row.id <= 6; row.id++)
		db_put_turn(batch, &row);
	assert_int_equal(db_apply(h->db, batch, NULL), 0);
	db_batch_free(batch);
	manager_start(h);
	run(h, 2 * WINDOW);
}

/* As the manager has just stored it. */
static const struct db_turn a_failover = { .kind = DB_TURN_FAILOVER,
					   .host = "bay2",
					   .provider = "sim0",
					   .chassis = 1,
					   .boot_id = "boot-1",
					   .at_ms = START };

static void s5_failovers_count_in_their_chassis_and_are_no_flaps(void **state)
{
	struct house *h = *state;

	restart_with_six(h, a_failover);
	flap(h, BAY2);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_ALIVE);
	silence(h, BAY3);
	run(h, AGAIN);
	assert_int_equal(host(h, "bay3")->state, FABRIC_HOST_SUSPECT);
}

/* A number is one chassis', whatever its provider was called when it was noted. */
static void s5_failovers_count_also_when_their_provider_was_called_otherwise(void **state)
{
	struct db_turn renamed = a_failover;
	struct house *h = *state;

	(void)snprintf(renamed.provider, sizeof(renamed.provider), "left");
	restart_with_six(h, renamed);
	silence(h, BAY3);
	run(h, AGAIN);
	assert_int_equal(host(h, "bay3")->state, FABRIC_HOST_SUSPECT);
}

/* One of another kind, of another chassis. */
static void s5_what_is_no_failover_of_this_chassis_does_not_count(void **state)
{
	struct db_turn others[] = { a_failover, a_failover };

	others[0].kind = DB_TURN_FLAP;
	others[1].chassis = 2;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		struct house *h;

		assert_int_equal(house_end(state), 0);
		assert_int_equal(house_begin(state), 0);
		h = *state;
		restart_with_six(h, others[i]);
		silence(h, BAY3);
		run(h, AGAIN);
		assert_int_equal(host(h, "bay3")->state, FABRIC_HOST_FENCED);
	}
}

/* A virtual machine that was set back to a snapshot, for one. */
static void s5_a_time_that_is_yet_to_come_counts_as_just_now(void **state)
{
	struct house *h = *state;
	struct db_turn row = a_failover;

	row.at_ms = START + 1000000 * BEAT;
	restart_with_six(h, row);
	silence(h, BAY2);
	run(h, 300 * BEAT);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_SUSPECT);

	run(h, 300 * BEAT);
	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_FENCED);
}

static void s5_what_was_in_one_chassis_counts_in_no_other(void **state)
{
	struct house *h = *state;

	uint64_t epoch;

	reach_new(h, "slot", 2, false);
	six_failovers(h);
	restart(h);
	for (unsigned n = 1; n <= 20; n++) {
		assert_int_equal(fabric_beat(h->fabric, "ch2/slot1", "boot", n, h->now_ms, &epoch),
				 0);
		run(h, BEAT);
	}
	run(h, AGAIN);
	assert_int_equal(host(h, "ch2/slot1")->state, FABRIC_HOST_FENCED);
	silence(h, BAY3);
	run(h, AGAIN);
	assert_int_equal(host(h, "bay3")->state, FABRIC_HOST_SUSPECT);
}

static void s10_a_restart_forgets_no_turn(void **state)
{
	struct house *h = *state;

	usual(h);
	flap(h, BAY1);
	restart(h);
	flap(h, BAY1);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_ALIVE);
	restart(h);
	flap(h, BAY1);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_QUARANTINED);
}

static void s10_what_a_readmission_has_ended_does_not_come_back_with_a_restart(void **state)
{
	struct house *h = *state;

	usual(h);
	flap(h, BAY3);
	for (unsigned n = 0; n < 3; n++)
		flap(h, BAY1);
	silence(h, BAY1);
	run(h, AGAIN);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	h->agents[BAY1 - 1].beats = true;
	run(h, 2 * BEAT);
	assert_int_equal(readmit(h, "bay1"), 0);
	run(h, AGAIN);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_QUARANTINED);
	assert_int_equal(readmit(h, "bay1"), 0);
	run(h, BEAT);
	assert_int_equal(stored(h).kinds[DB_TURN_FLAP], 1);     /* bay3's */
	assert_int_equal(stored(h).kinds[DB_TURN_FAILOVER], 1); /* that counts in its chassis */
	restart(h);
	flap(h, BAY1);
	flap(h, BAY1);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_ALIVE);
}

static void what_does_not_count_any_more_goes_from_the_database(void **state)
{
	struct house *h = *state;
	struct stored all;

	usual(h);
	flap(h, BAY1);
	dies_and_is_let_in(h, BAY2, "bay2");
	all = stored(h);
	assert_int_equal(all.kinds[DB_TURN_FLAP], 2); /* dead, too, is a turn */
	assert_int_equal(all.kinds[DB_TURN_FAILOVER], 1);

	run(h, 560 * BEAT);
	all = stored(h);
	assert_int_equal(all.kinds[DB_TURN_FAILOVER], 1);
	run(h, 50 * BEAT);
	all = stored(h);
	assert_int_equal(all.kinds[DB_TURN_FLAP], 0);
	assert_int_equal(all.kinds[DB_TURN_FAILOVER], 0);
}

static void s10_where_nobody_counts_nothing_is_stored(void **state)
{
	struct house *h = *state;

	h->config.flap_count = 0;
	usual(h);
	flap(h, BAY1);
	assert_int_equal(stored(h).kinds[DB_TURN_FLAP], 0);
}

static void each_goes_from_the_database_when_its_own_window_is_over(void **state)
{
	struct house *h = *state;

	for (int longer = 0; longer < 2; longer++) {
		if (longer) {
			(void)house_end(state);
			assert_int_equal(house_begin(state), 0);
			h = *state;
		}
		h->config.rate_window_ms = longer ? 300000 : 100000;
		h->config.flap_window_ms = longer ? 100000 : 300000;
		usual(h);
		dies_and_is_let_in(h, BAY2, "bay2");
		assert_int_equal(stored(h).kinds[DB_TURN_FAILOVER], 1);
		flap(h, BAY3);
		run(h, BEAT);
		assert_int_not_equal(stored(h).kinds[DB_TURN_FLAP], 0);
		run(h, 150000);
		assert_int_equal(stored(h).kinds[DB_TURN_FAILOVER] != 0, longer);
		assert_int_equal(stored(h).kinds[DB_TURN_FLAP] != 0, !longer);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, house_begin, house_end)
	const struct CMUnitTest tests[] = {
		TEST(each_goes_from_the_database_when_its_own_window_is_over),
		TEST(s5_a_restart_does_not_begin_the_count_anew),
		TEST(s5_half_before_a_restart_and_half_after_it_are_as_many),
		TEST(s5_what_another_boot_of_the_machine_has_seen_counts_as_just_now),
		TEST(s5_a_machine_that_cannot_tell_its_boot_counts_as_another),
		TEST(s5_failovers_count_in_their_chassis_and_are_no_flaps),
		TEST(s5_failovers_count_also_when_their_provider_was_called_otherwise),
		TEST(s5_what_is_no_failover_of_this_chassis_does_not_count),
		TEST(s5_a_time_that_is_yet_to_come_counts_as_just_now),
		TEST(s5_what_was_in_one_chassis_counts_in_no_other),
		TEST(s10_a_restart_forgets_no_turn),
		TEST(s10_what_a_readmission_has_ended_does_not_come_back_with_a_restart),
		TEST(s10_where_nobody_counts_nothing_is_stored),
		TEST(what_does_not_count_any_more_goes_from_the_database),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
