/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Incidents that are run again, with the whole brain (fabricd/night.c). */
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
