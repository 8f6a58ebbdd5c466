/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Incidents that are run again, with the whole brain (fabricd/night.c). */
#include "fabricd/state.h"
#include "house_fixture.h"

static void replay(struct house *h, uint64_t incident, const char *key, const char *value,
		   struct fabric_replay *out)
{
	const struct fabric_replay_set set = { key, value };
	struct fabric_problem problem;

	assert_int_equal(
		fabric_incident_replay(h->fabric, incident, &set, key ? 1 : 0, &problem, out), 0);
	assert_string_equal(out->night.difference, "");
	assert_true(out->night.is_same);
}

/* When @host met with @what; 0: never. */
static uint64_t met(const struct fabric_replay *r, const struct replay_outcome *outcome,
		    const char *host, enum replay_what what)
{
	for (size_t i = 0; i < outcome->count; i++) {
		const struct replay_step *step = &outcome->steps[i];

		if (step->what == what && step->host != REPLAY_CHASSIS &&
		    !strcmp(r->replay->hosts[step->host].name, host))
			return step->at_ms;
	}
	return 0;
}

static void refused(struct house *h, int refusal, const char *key, const char *value,
		    const char *words)
{
	const struct fabric_replay_set set = { key, value };
	struct fabric_problem problem = { 0 };
	struct fabric_replay r = { 0 };

	assert_int_equal(fabric_incident_replay(h->fabric, 1, &set, key ? 1 : 0, &problem, &r),
			 refusal);
	assert_null(r.replay);
	if (!strstr(problem.reason, words))
		fail_msg("%s", problem.reason);
}

static void an_incident_is_kept_with_what_led_to_it(void **state)
{
	OWNED(fabric_replay_done) struct fabric_replay r = { 0 };
	struct house *h = *state;

	usual(h);
	silence(h, BAY1);
	run(h, MOVED);
	replay(h, 1, NULL, NULL, &r);

	assert_true(met(&r, &r.night, "bay1", REPLAY_SUSPECTED));
	assert_int_equal(met(&r, &r.night, "bay1", REPLAY_FENCED),
			 fabric_incident_find(h->fabric, 1)->verdict_ms);
	assert_true(r.replay->zero_ms - r.replay->begin_ms > 3 * WINDOW);
	assert_int_equal(r.otherwise.count, 0);
}

static void it_outlives_the_manager(void **state)
{
	OWNED(fabric_replay_done) struct fabric_replay r = { 0 };
	struct house *h = *state;

	usual(h);
	silence(h, BAY1);
	run(h, MOVED + 4 * WINDOW);
	manager_kill(h);
	manager_start(h);
	run(h, 2 * WINDOW);
	replay(h, 1, NULL, NULL, &r);

	assert_true(met(&r, &r.night, "bay1", REPLAY_FENCED));
	assert_true(r.replay->end_ms >= met(&r, &r.night, "bay1", REPLAY_FENCED) + 3 * WINDOW);
}

static void a_host_that_is_heard_after_its_fence_would_have_been_spared(void **state)
{
	OWNED(fabric_replay_done) struct fabric_replay r = { 0 };
	struct house *h = *state;

	usual(h);
	silence(h, BAY1);
	run_until_state(h, "bay1", FABRIC_HOST_FENCED);
	h->agents[BAY1 - 1].beats = true;
	run(h, 4 * WINDOW);
	replay(h, 1, "heartbeat.missed", "8", &r);

	assert_true(met(&r, &r.night, "bay1", REPLAY_FENCED));
	assert_true(met(&r, &r.otherwise, "bay1", REPLAY_RECOVERED));
	assert_false(met(&r, &r.otherwise, "bay1", REPLAY_FENCED));
}

static void who_is_held_by_the_breaker_would_have_been_failed_over_without_it(void **state)
{
	OWNED(fabric_replay_done) struct fabric_replay r = { 0 };
	struct house *h = *state;

	usual(h);
	silence(h, BAY1);
	silence(h, BAY2);
	silence(h, BAY3);
	run(h, 2 * WINDOW);
	assert_true(health(h).hold);
	assert_int_equal(failover(h, "bay1"), 0);
	run(h, MOVED);
	replay(h, 1, "failover.storm-percent", "90", &r);

	assert_true(met(&r, &r.night, "bay2", REPLAY_BREAKER));
	assert_true(met(&r, &r.night, "bay1", REPLAY_BEGUN));
	assert_true(met(&r, &r.otherwise, "bay1", REPLAY_FENCED));
	assert_true(met(&r, &r.otherwise, "bay2", REPLAY_FENCED));
	assert_false(met(&r, &r.otherwise, "bay2", REPLAY_BREAKER));
}

static void settings_are_checked_as_those_of_the_file(void **state)
{
	struct house *h = *state;

	usual(h);
	silence(h, BAY1);
	run(h, MOVED);
	refused(h, REFUSE_FIELD, "heartbeat.interval", "2s", "beats that were not sent");
	refused(h, REFUSE_FIELD, "failover.reserve", "1",
		"failover.reserve does not enter a verdict; what may be set: heartbeat.missed, ");
	refused(h, REFUSE_FIELD, "missed", "7", "does not enter a verdict");
	refused(h, REFUSE_FIELD, "heartbeat.missed", "2", "3");
	refused(h, REFUSE_FIELD, "heartbeat.missed", "seven", "from 3 to 100, not seven");
	refused(h, REFUSE_FIELD, "heartbeat.missed", "7\n[failover]\nwitness = none",
		"this cannot be its value");
	refused(h, REFUSE_FIELD, "failover.witness", "perhaps", "none any all");
}

static void what_is_not_there_and_what_is_damaged_is_refused(void **state)
{
	struct house *h = *state;

	usual(h);
	refused(h, REFUSE_NO_INCIDENT, NULL, NULL, "there is no incident 1");
	silence(h, BAY1);
	run(h, MOVED);
	fabric_incident_find(h->fabric, 1)->record[0] ^= 1;
	refused(h, REFUSE_NO_RECORD, NULL, NULL, "this is no record");
}

/* ---- settings ---- */

static void each_setting_has_its_name_and_is_said_as_the_file_has_it(void **state)
{
	static const struct record_settings settings = {
		.live = { .interval_ms = 1, .missed = 2, .storm_percent = 3, .storm_min = 4 },
		.rate_count = 5,
		.rate_window_ms = 6
	};
	static const char *const rows[][2] = {
		{ "heartbeat.interval", "1ms" },   { "heartbeat.missed", "2" },
		{ "failover.witness", "none" },    { "failover.storm-percent", "3" },
		{ "failover.storm-min", "4" },     { "failover.rate-count", "5" },
		{ "failover.rate-window", "6ms" },
	};
	static const char *const policies[] = { "none", "any", "all" };
	char name[FABRIC_NAME_MAX];
	char value[FABRIC_NAME_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(fabric_replay_setting(i, &settings, name, value));
		assert_string_equal(name, rows[i][0]);
		assert_string_equal(value, rows[i][1]);
	}
	for (int i = LIVE_WITNESS_NONE; i <= LIVE_WITNESS_ALL; i++) {
		struct record_settings other = settings;

		other.live.policy = (enum live_policy)i;
		assert_true(fabric_replay_setting(2, &other, name, value));
		assert_string_equal(value, policies[i]);
	}
	assert_false(fabric_replay_setting(7, &settings, name, value));
}

static void each_setting_but_the_interval_can_be_another(void **state)
{
	static const struct {
		const char *key, *value;
		unsigned which;
		struct record_settings settings;
	} rows[] = {
		{ "heartbeat.missed", "9", REPLAY_SET_MISSED, { .live.missed = 9 } },
		{ "failover.witness",
		  "all",
		  REPLAY_SET_POLICY,
		  { .live.policy = LIVE_WITNESS_ALL } },
		{ "failover.storm-percent",
		  "77",
		  REPLAY_SET_STORM_PERCENT,
		  { .live.storm_percent = 77 } },
		{ "failover.storm-min", "5", REPLAY_SET_STORM_MIN, { .live.storm_min = 5 } },
		{ "failover.rate-count", "3", REPLAY_SET_RATE_COUNT, { .rate_count = 3 } },
		{ "failover.rate-window",
		  "11s",
		  REPLAY_SET_RATE_WINDOW,
		  { .rate_window_ms = 11000 } },
	};
	struct house *h = *state;

	usual(h);
	silence(h, BAY1);
	run(h, MOVED);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		OWNED(fabric_replay_done) struct fabric_replay r = { 0 };

		replay(h, 1, rows[i].key, rows[i].value, &r);
		assert_int_equal(r.change.which, rows[i].which);
		assert_memory_equal(&r.change.settings, &rows[i].settings,
				    sizeof(r.change.settings));
	}
}

static void a_setting_that_is_given_twice_is_refused(void **state)
{
	static const struct fabric_replay_set sets[] = { { "heartbeat.missed", "7" },
							 { "failover.storm-min", "7" },
							 { "heartbeat.missed", "8" } };
	struct house *h = *state;
	struct fabric_problem problem = { 0 };
	struct fabric_replay r = { 0 };

	usual(h);
	silence(h, BAY1);
	run(h, MOVED);
	assert_int_equal(fabric_incident_replay(h->fabric, 1, sets, 3, &problem, &r), REFUSE_FIELD);
	assert_string_equal(problem.reason, "heartbeat.missed is set twice");
	assert_int_equal(problem.op, 2);
}

/* From the verdict to the end of its time line. */
static void how_long_an_incident_took_counts_where_it_begins_at_another_time(void **state)
{
	OWNED(fabric_replay_done) struct fabric_replay r = { 0 };
	const struct fabric_incident *incident;
	struct house *h = *state;
	uint64_t verdict = 0;
	uint64_t done = 0;

	usual(h);
	silence(h, BAY1);
	run(h, MOVED);
	incident = fabric_incident_find(h->fabric, 1);
	for (size_t i = 0; i < incident->step_count; i++) {
		if (!strcmp(incident->steps[i].what, "verdict"))
			verdict = incident->steps[i].offset_ms;
		if (!strcmp(incident->steps[i].what, "done"))
			done = incident->steps[i].offset_ms;
	}
	assert_true(done > verdict);
	replay(h, 1, NULL, NULL, &r);
	assert_int_equal(r.change.busy_ms, done - verdict);
}

/* ---- what is kept ---- */

/* Two incidents, of bay1 and bay2. */
static void two_incidents(struct house *h)
{
	usual(h);
	assign(h, VF3, "bay2", 0);
	spare(h, "bay7");
	silence(h, BAY1);
	run(h, MOVED + 4 * WINDOW);
	silence(h, BAY2);
	run(h, MOVED);
	assert_non_null(fabric_incident_find(h->fabric, 2)->record);
}

static void memory_forgets_the_oldest_record_but_not_the_one_that_comes(void **state)
{
	static uint8_t bytes[FABRIC_RECORD_BYTES];
	struct house *h = *state;
	struct fabric_incident *one;
	struct fabric_incident *two;

	two_incidents(h);
	one = incident_get(h->fabric, 1);
	two = incident_get(h->fabric, 2);
	night_keep(h->fabric, two, bytes, sizeof(bytes));
	assert_null(one->record);
	assert_non_null(two->record);
	refused(h, REFUSE_NO_RECORD, NULL, NULL, "there is no record in memory");
	night_keep(h->fabric, one, bytes, sizeof(bytes));
	assert_non_null(one->record);
	assert_null(two->record);
	assert_int_equal(h->fabric->record_bytes, sizeof(bytes));
	refused(h, REFUSE_TOO_LARGE, NULL, NULL, "too large to be run while fabricd serves");
}

static void what_is_stored_for_good_is_not_stored_again_with_the_next(void **state)
{
	struct house *h = *state;
	size_t length;
	uint8_t *bytes;

	usual(h);
	assign(h, VF3, "bay2", 0);
	spare(h, "bay7");
	silence(h, BAY1);
	run(h, MOVED + 4 * WINDOW);
	bytes = fabric_incident_find(h->fabric, 1)->record;
	length = fabric_incident_find(h->fabric, 1)->record_length;
	silence(h, BAY2);
	run(h, MOVED);
	assert_non_null(fabric_incident_find(h->fabric, 2)->record);
	assert_ptr_equal(fabric_incident_find(h->fabric, 1)->record, bytes);
	assert_int_equal(fabric_incident_find(h->fabric, 1)->record_length, length);
}

/* The switch comes back as another, and its hosts are judged anew. */
static void
a_record_that_begins_behind_its_verdict_does_not_take_the_place_of_the_first(void **state)
{
	OWNED(fabric_replay_done) struct fabric_replay r = { 0 };
	struct house *h = *state;

	usual(h);
	silence(h, BAY1);
	run(h, MOVED);
	sim_model_reboot(h->reach[0].model, 0);
	run(h, 5 * WINDOW);
	replay(h, 1, NULL, NULL, &r);

	assert_true(met(&r, &r.night, "bay1", REPLAY_FENCED));
}

static void s15_a_frozen_manager_stores_no_record(void **state)
{
	struct house *h = *state;
	size_t length;

	usual(h);
	silence(h, BAY1);
	run(h, MOVED);
	length = fabric_incident_find(h->fabric, 1)->record_length;
	freeze(h->fabric, "the test says so");
	run(h, 5 * WINDOW);
	assert_int_equal(fabric_incident_find(h->fabric, 1)->record_length, length);
}

/* Its bay is gone, and with it its place in any chassis. */
static void a_host_without_a_chassis_may_say_that_it_leaves(void **state)
{
	struct house *h = *state;
	struct agent *bay8;
	uint64_t epoch;

	usual(h);
	host_get(h->fabric, "bay8")->chassis = 0;
	bay8 = &h->agents[BAY8 - 1];
	assert_int_equal(
		fabric_leaving(h->fabric, "bay8", "boot-7-0", ++bay8->seq, h->now_ms, &epoch), 0);
	assert_int_equal(host(h, "bay8")->state, FABRIC_HOST_ALIVE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, house_begin, house_end)
	const struct CMUnitTest tests[] = {
		TEST(an_incident_is_kept_with_what_led_to_it),
		TEST(it_outlives_the_manager),
		TEST(a_host_that_is_heard_after_its_fence_would_have_been_spared),
		TEST(who_is_held_by_the_breaker_would_have_been_failed_over_without_it),
		TEST(settings_are_checked_as_those_of_the_file),
		TEST(what_is_not_there_and_what_is_damaged_is_refused),
		cmocka_unit_test(each_setting_has_its_name_and_is_said_as_the_file_has_it),
		TEST(each_setting_but_the_interval_can_be_another),
		TEST(a_setting_that_is_given_twice_is_refused),
		TEST(how_long_an_incident_took_counts_where_it_begins_at_another_time),
		TEST(memory_forgets_the_oldest_record_but_not_the_one_that_comes),
		TEST(what_is_stored_for_good_is_not_stored_again_with_the_next),
		TEST(a_record_that_begins_behind_its_verdict_does_not_take_the_place_of_the_first),
		TEST(s15_a_frozen_manager_stores_no_record),
		TEST(a_host_without_a_chassis_may_say_that_it_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
