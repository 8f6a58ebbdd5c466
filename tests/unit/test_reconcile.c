/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is wanted against what the switch shows: each difference by its name, what is mended and
 * what is not, adoption, and when judging begins (house_fixture.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fabricd/state.h"
#include "house_fixture.h"

struct found {
	const char *subject;
	const char *kind;
	char detail[DB_TEXT_MAX];
	unsigned all;
};

static void on_difference(void *arg, const struct fabric_difference *d)
{
	struct found *found = arg;

	found->all++;
	if (strcmp(found->subject, d->subject) != 0)
		return;
	found->kind = d->kind;
	(void)snprintf(found->detail, sizeof(found->detail), "%s", d->detail);
}

static struct found differences(const struct house *h, const char *subject)
{
	struct found found = { .subject = subject, .kind = "" };

	fabric_differences(h->fabric, on_difference, &found);
	return found;
}

static void is_different(const struct house *h, const char *subject, const char *kind)
{
	assert_string_equal(differences(h, subject).kind, kind);
}

static struct fabric_function *writable(const struct house *h, const char *name)
{
	return (struct fabric_function *)function(h, name);
}

/* Nothing is mended: what is found stays to be looked at. */
static void unmended(struct house *h)
{
	h->config.repair = false;
	usual(h);
	is_different(h, VF1, "");
}

static void each_difference_has_its_name(void **state)
{
	struct house *h = *state;
	uint64_t older;

	unmended(h);
	older = function(h, VF2)->generation;
	foreign(h, PROVIDER_UNBIND, VF1, BAY1, 0, 0);
	foreign(h, PROVIDER_BIND, VF3, BAY3, 9, 0);
	foreign(h, PROVIDER_UNBIND, VF2, BAY1, 0, 0);
	foreign(h, PROVIDER_BIND, VF2, BAY3, 8, older);
	scan_again(h);

	is_different(h, VF1, "missing");
	is_different(h, VF2, "foreign");
	is_different(h, VF3, "foreign");
	writable(h, VF1)->as.now.unknown = true;
	is_different(h, VF1, "in-doubt");
	writable(h, VF1)->present = false;
	is_different(h, VF1, "stale");
	writable(h, VF3)->present = false;
	is_different(h, VF3, ""); /* of nobody, and not there */
}

static void an_identity_that_is_not_as_it_was_given_has_drifted(void **state)
{
	struct house *h = *state;

	unmended(h);
	writable(h, VF1)->as.now.identity.mac = MAC2;
	is_different(h, VF1, "drifted-identity");
	writable(h, VF3)->highest = 1; /* it was given once, and is free */
	writable(h, VF3)->as.now.identity.mac = MAC2;
	is_different(h, VF3, "drifted-identity");
}

static void what_is_under_way_is_no_difference_unless_in_doubt(void **state)
{
	struct house *h = *state;

	unmended(h);
	fault(h, PROVIDER_BIND, SIM_FAULT_DELAY, 5 * BEAT, 0);
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay2", 0), 0);
	run_until_sent(h, PROVIDER_BIND, h->sent_count);
	assert_int_equal(at_switch(h, VF1), 0);
	is_different(h, VF1, "");
	writable(h, VF1)->doubt = true;
	is_different(h, VF1, "in-doubt");
}

/* ---- what is mended, and when ---- */

static void what_is_bad_is_not_mended(void **state)
{
	struct house *h = *state;
	size_t from;

	unmended(h);
	foreign(h, PROVIDER_UNBIND, VF1, BAY1, 0, 0);
	scan_again(h);
	is_different(h, VF1, "missing");
	writable(h, VF1)->bad = true;
	from = h->sent_count;
	h->config.repair = true;
	fabric_configure(h->fabric, &h->config);
	h->fabric->reconcile_ms = h->now_ms;
	run(h, 20 * BEAT);

	assert_int_equal(effects(h, from), 0);
}

static void a_repair_that_fails_is_tried_again_later_and_later(void **state)
{
	struct house *h = *state;
	size_t before;

	usual(h);
	fault(h, PROVIDER_BIND, SIM_FAULT_REFUSED, 0, 0);
	foreign(h, PROVIDER_UNBIND, VF1, BAY1, 0, 0);
	before = h->fabric->change_count;
	for (unsigned i = 0; i < 100; i++) {
		scan_again(h);
		run(h, BEAT);
	}

	assert_in_range(h->fabric->change_count - before, 2, 8);
	sim_model_fault_clear(h->reach[0].model);
	run(h, 300 * BEAT);
	assert_int_equal(at_switch(h, VF1), BAY1);
}

/* ---- judging begins once, and for its own switch ---- */

static void s6_a_scan_gives_nobody_a_fresh_window(void **state)
{
	struct house *h = *state;

	usual(h);
	silence(h, BAY1);
	for (unsigned i = 0; i < 8; i++) {
		scan_again(h);
		run(h, BEAT);
	}

	assert_int_equal(events(h, "host.fencing", "bay1"), 1);
}

static void s6_a_switch_that_comes_back_gives_no_other_chassis_a_fresh_window(void **state)
{
	struct house *h = *state;
	const struct provider_sink *other;

	reach_new(h, "bay", 2, false);
	usual(h);
	other = &h->reach[1].sink;
	silence(h, BAY1);
	for (unsigned i = 0; i < 8; i++) {
		other->state(other->arg, PROVIDER_LOST, NULL);
		other->state(other->arg, PROVIDER_READY, sim_model_hello(h->reach[1].model));
		run(h, BEAT);
	}

	assert_int_equal(events(h, "host.fencing", "bay1"), 1);
}

/* What nobody can read is not stale. */
static void a_function_whose_switch_is_not_connected_is_in_doubt_and_health_says_why(void **state)
{
	struct house *h = *state;

	usual(h);
	manager_kill(h);
	h->reach[0].is_cut = true;
	h->reach[0].why = "another manager is connected";
	manager_start(h);
	run(h, STEADY);
	assert_string_equal(health(h).detail,
			    "provider sim0: connecting: another manager is connected");
	is_different(h, VF1, "in-doubt");
	assert_non_null(strstr(differences(h, VF1).detail, "; provider sim0 is not connected"));

	h->reach[0].is_cut = false;
	run(h, STEADY);
	is_different(h, VF1, "");
}

/* ---- adoption ---- */

static void nothing_is_taken_for_empty_before_every_switch_is_compared(void **state)
{
	struct house *h = *state;

	reach_new(h, "bay", 2, false);
	h->reach[1].is_cut = true;
	manager_start(h);
	run(h, STEADY);
	assert_false(h->fabric->adopted);

	h->reach[1].is_cut = false;
	run(h, STEADY);
	assert_true(h->fabric->adopted);
}

static int adopt(struct house *h, bool dry_run, size_t *count)
{
	OWNED(fabric_plan_done) struct fabric_plan plan = { 0 };
	int r = fabric_adopt(h->fabric, dry_run, 0, &plan, on_answer, h);

	*count = plan.item_count;
	return r;
}

static void what_would_be_adopted_is_told_and_not_done(void **state)
{
	struct house *h = *state;
	char why[DB_TEXT_MAX];
	size_t count;

	usual(h);
	manager_kill(h);
	db_close(h->db);
	assert_int_equal(db_open_fast(":memory:", why, &h->db), 0);
	manager_start(h);
	assert_int_equal(adopt(h, false, &count), REFUSE_PROVIDER_AWAY);
	run(h, STEADY);
	assert_int_equal(adopt(h, true, &count), 0);
	run(h, BEAT);
	assert_int_equal(count, 2);
	assert_string_equal(health(h).status, "adopt");
	assert_null(function(h, VF1)->host);
	assert_int_equal(events(h, "fabric.adopted", NULL), 0);

	assert_int_equal(adopt(h, false, &count), 0);
	run(h, BEAT);
	assert_string_equal(function(h, VF1)->host->name, "bay1");
}

/* It is ours, and is set right; a restored database may be wrong about it. */
static void an_identity_that_drifted_is_adopted_by_a_restored_database_alone(void **state)
{
	struct house *h = *state;
	size_t count;

	unmended(h);
	writable(h, VF1)->as.now.identity.mac = MAC2;
	assert_int_equal(adopt(h, true, &count), 0);
	assert_int_equal(count, 0);
	h->fabric->restored = true;
	assert_int_equal(adopt(h, true, &count), 0);
	assert_int_equal(count, 1);
}

/* A restored database has VF1 there still; the switch has had it nowhere since. */
static void what_stands_where_a_lost_one_was_is_adopted(void **state)
{
	struct house *h = *state;
	OWNED(fabric_plan_done) struct fabric_plan plan = { 0 };
	uint16_t vport;
	bool is_there = false;

	unmended(h);
	vport = function(h, VF1)->vport;
	foreign(h, PROVIDER_UNBIND, VF1, BAY1, 0, 0);
	foreign(h, PROVIDER_BIND, VF3, BAY1, vport, 0);
	scan_again(h);
	h->fabric->restored = true;
	assert_int_equal(fabric_adopt(h->fabric, true, 0, &plan, NULL, NULL), 0);

	for (size_t i = 0; i < plan.item_count; i++) {
		if (strcmp(plan.items[i].row.function, VF3) != 0)
			continue;
		is_there = true;
		assert_int_not_equal(plan.items[i].row.state, DB_CHANGE_REFUSED);
		assert_string_equal(plan.items[i].row.host, "bay1");
	}
	assert_true(is_there);
}

#define T(name) cmocka_unit_test_setup_teardown(name, house_begin, house_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_difference_has_its_name),
		T(an_identity_that_is_not_as_it_was_given_has_drifted),
		T(what_is_under_way_is_no_difference_unless_in_doubt),
		T(what_is_bad_is_not_mended),
		T(a_repair_that_fails_is_tried_again_later_and_later),
		T(s6_a_scan_gives_nobody_a_fresh_window),
		T(s6_a_switch_that_comes_back_gives_no_other_chassis_a_fresh_window),
		T(nothing_is_taken_for_empty_before_every_switch_is_compared),
		T(a_function_whose_switch_is_not_connected_is_in_doubt_and_health_says_why),
		T(what_would_be_adopted_is_told_and_not_done),
		T(an_identity_that_drifted_is_adopted_by_a_restored_database_alone),
		T(what_stands_where_a_lost_one_was_is_adopted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
