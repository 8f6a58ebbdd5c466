/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "failover/liveness.h"

enum { HOSTS = 16, BEAT = 1000, WINDOW = 5 * BEAT, START = 100000, TICK = 50 };

/* A chassis of 16 hosts whose beats are out of phase, on a clock of its own. */
struct world {
	struct live_config config;
	struct live_chassis chassis;
	struct live_host host[HOSTS];
	struct live_host *hosts[HOSTS];
	bool beats[HOSTS];
	uint64_t now;
	uint64_t db_waits_since;
	unsigned dead[HOSTS]; /* verdicts */
	unsigned proved[HOSTS];
	unsigned suspected[HOSTS];
	unsigned recovered[HOSTS];
	uint64_t dead_at[HOSTS];
	unsigned changes; /* of the breaker */
	bool keep_watching;
};

static void world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->config = (struct live_config){ .interval_ms = BEAT,
					  .missed = 5,
					  .storm_percent = 34,
					  .storm_min = 2,
					  .policy = LIVE_WITNESS_ANY };
	w->now = START;
	for (int i = 0; i < HOSTS; i++) {
		w->hosts[i] = &w->host[i];
		w->beats[i] = true;
		live_watch(&w->host[i], w->now);
	}
	live_chassis_start(&w->chassis, w->hosts, HOSTS, w->now);
}

static void world_beat(struct world *w)
{
	for (int i = 0; i < HOSTS; i++)
		if (w->beats[i] && w->now % BEAT == (uint64_t)i * TICK)
			live_beat(&w->host[i], &w->config, w->now);
}

static void world_judge(struct world *w)
{
	enum live_verdict verdicts[HOSTS];

	w->changes += live_judge(&w->chassis, &w->config, w->hosts, HOSTS, w->now,
				 w->db_waits_since, verdicts);
	for (int i = 0; i < HOSTS; i++) {
		w->dead[i] += verdicts[i] == LIVE_DEAD;
		w->proved[i] += verdicts[i] == LIVE_DEAD_PROVED;
		w->suspected[i] += verdicts[i] == LIVE_SUSPECTED;
		w->recovered[i] += verdicts[i] == LIVE_RECOVERED;
		if (verdicts[i] != LIVE_DEAD && verdicts[i] != LIVE_DEAD_PROVED)
			continue;
		w->dead_at[i] = w->now;
		if (!w->keep_watching)
			live_unwatch(&w->host[i]);
	}
}

static void world_run(struct world *w, uint64_t ms)
{
	for (uint64_t end = w->now + ms; w->now < end;) {
		w->now += TICK;
		world_beat(w);
		world_judge(w);
	}
}

static void world_silence(struct world *w, int from, int count)
{
	for (int i = from; i < from + count; i++)
		w->beats[i] = false;
}

static unsigned world_deaths(const struct world *w)
{
	unsigned n = 0;

	for (int i = 0; i < HOSTS; i++)
		n += w->dead[i] + w->proved[i];
	return n;
}

/* ---- the plain way ---- */

static void hosts_that_beat_are_left_alone(void **unused)
{
	struct world w;

	(void)unused;
	world_init(&w);

	world_run(&w, 60 * BEAT);

	assert_int_equal(world_deaths(&w), 0);
	assert_int_equal(w.changes, 0);
	for (int i = 0; i < HOSTS; i++)
		assert_int_equal(w.suspected[i], 0);
}

static void a_silent_host_is_suspected_then_dead_after_its_whole_window(void **unused)
{
	struct world w;
	uint64_t last;

	(void)unused;
	world_init(&w);
	world_run(&w, 2 * WINDOW);
	last = w.host[3].last_beat_ms;
	world_silence(&w, 3, 1);

	world_run(&w, last + 2 * BEAT + BEAT / 2 - TICK - w.now);
	assert_int_equal(w.suspected[3], 0);
	world_run(&w, TICK);
	assert_int_equal(w.suspected[3], 1);
	world_run(&w, last + WINDOW - TICK - w.now);
	assert_int_equal(world_deaths(&w), 0);
	world_run(&w, TICK);

	assert_int_equal(w.dead[3], 1);
	assert_int_equal(w.suspected[3], 1);
	assert_int_equal(world_deaths(&w), 1);
	assert_false(w.chassis.hold);
}

static void a_beat_ends_suspicion_and_starts_the_window_anew(void **unused)
{
	struct world w;

	(void)unused;
	world_init(&w);
	world_run(&w, 2 * WINDOW);
	world_silence(&w, 3, 1);
	world_run(&w, 4 * BEAT);
	w.beats[3] = true;

	world_run(&w, 2 * WINDOW);

	assert_int_equal(w.suspected[3], 1);
	assert_int_equal(w.recovered[3], 1);
	assert_int_equal(world_deaths(&w), 0);
}

static void an_overtaken_beat_does_not_turn_back_the_clock(void **unused)
{
	struct world w;
	uint64_t last;

	(void)unused;
	world_init(&w);
	world_run(&w, WINDOW);
	last = w.host[0].last_beat_ms;

	live_beat(&w.host[0], &w.config, last - 2 * BEAT);

	assert_int_equal(w.host[0].last_beat_ms, last);
}

static void suspicion_comes_before_the_verdict_in_the_shortest_window(void **unused)
{
	struct world w;

	(void)unused;
	world_init(&w);
	w.config.missed = 2;
	world_run(&w, WINDOW);
	world_silence(&w, 3, 1);

	world_run(&w, WINDOW);

	assert_int_equal(w.suspected[3], 1);
	assert_int_equal(w.dead[3], 1);
}

static void an_unwatched_host_gets_no_verdict(void **unused)
{
	struct world w;

	(void)unused;
	world_init(&w);
	world_silence(&w, 3, 1);
	live_unwatch(&w.host[3]);
	w.host[3].witness = LIVE_SAYS_DEAD;

	world_run(&w, 4 * WINDOW);

	assert_int_equal(world_deaths(&w), 0);
	assert_int_equal(w.suspected[3], 0);
}

/* ---- S3 ---- */

static void s3_a_stopped_manager_finds_nobody_dead(void **unused)
{
	struct world w;

	(void)unused;
	world_init(&w);
	world_run(&w, 2 * WINDOW);
	w.now += 30 * BEAT; /* stopped; what beat meanwhile is lost too */

	world_judge(&w);
	world_run(&w, 4 * WINDOW);

	assert_int_equal(world_deaths(&w), 0);
	assert_int_equal(w.changes, 0);
	for (int i = 0; i < HOSTS; i++)
		assert_int_equal(w.suspected[i], 0);
}

static void s3_after_a_gap_a_silent_host_has_a_whole_window_more(void **unused)
{
	struct world w;
	uint64_t back;

	(void)unused;
	world_init(&w);
	world_run(&w, 2 * WINDOW);
	world_silence(&w, 3, 1);
	world_run(&w, WINDOW - BEAT);
	w.now += BEAT + TICK;
	back = w.now;
	world_judge(&w);

	world_run(&w, 2 * WINDOW);

	assert_int_equal(w.dead[3], 1);
	assert_int_equal(w.dead_at[3], back + WINDOW);
}

static void s3_a_gap_of_one_beat_is_no_stall(void **unused)
{
	struct world w;
	uint64_t last;

	(void)unused;
	world_init(&w);
	world_run(&w, 2 * WINDOW);
	last = w.host[3].last_beat_ms;
	world_silence(&w, 3, 1);
	world_run(&w, last + WINDOW - BEAT - w.now);
	w.now += BEAT;

	world_judge(&w);

	assert_int_equal(w.dead[3], 1);
}

static void s3_no_verdict_while_the_database_owes_an_answer_for_longer_than_a_beat(void **unused)
{
	struct world w;
	uint64_t thawed;

	(void)unused;
	world_init(&w);
	world_run(&w, 2 * WINDOW);
	world_silence(&w, 3, 1);
	w.host[4].witness = LIVE_SAYS_DEAD;
	live_unwatch(&w.host[4]);
	w.db_waits_since = w.now;
	world_run(&w, 2 * BEAT);
	live_watch(&w.host[4], w.now);
	world_run(&w, 4 * WINDOW);
	assert_int_equal(world_deaths(&w), 0);

	thawed = w.now;
	w.db_waits_since = 0;
	world_run(&w, 2 * WINDOW);

	assert_int_equal(w.dead[3], 1);
	assert_int_equal(w.dead_at[3], thawed + WINDOW);
	assert_int_equal(w.proved[4], 1);
	assert_int_equal(w.dead_at[4], thawed + WINDOW);
}

static void s3_even_a_proved_death_waits_out_the_window_after_a_gap(void **unused)
{
	struct world w;
	uint64_t back;

	(void)unused;
	world_init(&w);
	world_run(&w, 2 * WINDOW);
	w.host[3].witness = LIVE_SAYS_DEAD;
	w.now += 10 * BEAT;
	back = w.now;
	world_judge(&w);

	world_run(&w, 2 * WINDOW);

	assert_int_equal(w.proved[3], 1);
	assert_int_equal(w.dead_at[3], back + WINDOW);
}

static void s3_a_quiet_loop_is_told_to_look_before_it_looks_stalled(void **unused)
{
	struct world w;
	uint64_t next;

	(void)unused;
	world_init(&w);
	world_run(&w, 2 * WINDOW);
	for (int i = 0; i < HOSTS; i++)
		live_beat(&w.host[i], &w.config, w.now);
	world_judge(&w);

	next = live_next_ms(&w.chassis, &w.config, w.hosts, HOSTS, w.now);

	assert_true(next > w.now);
	assert_true(next <= w.now + BEAT / 2);
}

/* ---- S4 ---- */

/* The measured cases: of 16, up to 5 are evicted, 6 and more are a storm. */
static void s4_up_to_five_of_sixteen_are_evicted_and_from_six_on_nobody_is(void **unused)
{
	(void)unused;
	for (int silent = 1; silent <= HOSTS; silent++) {
		struct world w;

		world_init(&w);
		world_run(&w, 2 * WINDOW);
		world_silence(&w, 0, silent);

		world_run(&w, 10 * WINDOW);

		assert_int_equal(world_deaths(&w), silent < 6 ? silent : 0);
		assert_int_equal(w.chassis.hold, silent >= 6);
		assert_int_equal(w.changes, silent >= 6);
	}
}

static void s4_hosts_within_one_beat_of_the_verdict_count_before_any_is_evicted(void **unused)
{
	struct world w;

	(void)unused;
	world_init(&w);
	world_run(&w, 2 * WINDOW);
	/* Their beats lie up to 0.9 s apart, so they come due one by one. */
	for (int i = 0; i < 10; i++)
		live_beat(&w.host[i], &w.config, w.now + (uint64_t)i * 100);
	world_silence(&w, 0, 10);

	world_run(&w, 3 * WINDOW);

	assert_int_equal(world_deaths(&w), 0);
	assert_true(w.chassis.hold);
}

static void s4_two_silent_of_two_are_a_storm_and_one_of_two_is_not(void **unused)
{
	(void)unused;
	for (int silent = 1; silent <= 2; silent++) {
		struct world w;

		world_init(&w);
		for (int i = 2; i < HOSTS; i++)
			live_unwatch(&w.host[i]);
		world_run(&w, 2 * WINDOW);
		world_silence(&w, 0, silent);

		world_run(&w, 3 * WINDOW);

		assert_int_equal(world_deaths(&w), silent == 1 ? 1 : 0);
		assert_int_equal(w.chassis.hold, silent == 2);
	}
}

/* Neither among the silent nor among those that are watched. */
static void s4_who_is_set_aside_is_no_part_of_a_storm(void **unused)
{
	struct world w;

	(void)unused;
	world_init(&w);
	world_run(&w, 2 * WINDOW);
	w.host[5].aside = true;
	world_silence(&w, 0, 6); /* five of fifteen */
	world_run(&w, 3 * WINDOW);
	assert_false(w.chassis.hold);
	assert_int_equal(w.dead[0], 1);

	world_init(&w);
	world_run(&w, 2 * WINDOW);
	w.host[14].aside = w.host[15].aside = true;
	world_silence(&w, 0, 5); /* five of fourteen */
	world_run(&w, 3 * WINDOW);
	assert_true(w.chassis.hold);
	assert_int_equal(world_deaths(&w), 0);
}

/* Second fault of the prototype: who is just short of its first beat is not evicted. */
static void s4_leaving_hold_gives_everybody_a_full_fresh_window(void **unused)
{
	struct world w;
	uint64_t left;

	(void)unused;
	world_init(&w);
	world_run(&w, 2 * WINDOW);
	world_silence(&w, 0, 12);
	world_run(&w, 2 * WINDOW);
	assert_true(w.chassis.hold);

	for (int i = 0; i < 11; i++)
		w.beats[i] = true;
	while (w.chassis.hold)
		world_run(&w, TICK);
	left = w.now;
	assert_int_equal(w.changes, 2);
	assert_int_equal(world_deaths(&w), 0);
	world_run(&w, 2 * WINDOW);

	assert_int_equal(world_deaths(&w), 1); /* the one that never came back */
	assert_int_equal(w.dead_at[11], left + WINDOW);
}

static void s4_a_stall_during_hold_does_not_end_it(void **unused)
{
	struct world w;

	(void)unused;
	world_init(&w);
	world_run(&w, 2 * WINDOW);
	world_silence(&w, 0, 12);
	world_run(&w, 2 * WINDOW);
	w.now += 10 * BEAT;
	world_judge(&w);

	world_run(&w, 4 * WINDOW);

	assert_true(w.chassis.hold);
	assert_int_equal(w.changes, 1);
	assert_int_equal(world_deaths(&w), 0);
}

static void s4_proved_deaths_pass_through_hold(void **unused)
{
	struct world w;

	(void)unused;
	world_init(&w);
	world_run(&w, 2 * WINDOW);
	world_silence(&w, 0, 8);
	world_run(&w, 2 * WINDOW);
	assert_true(w.chassis.hold);
	w.host[9].witness = LIVE_SAYS_DEAD;

	world_run(&w, TICK);

	assert_int_equal(w.proved[9], 1);
	assert_int_equal(world_deaths(&w), 1);
	assert_true(w.chassis.hold);
}

/* Ten powered off do not stop the eviction of one that hangs; nor do they shrink its share. */
static void s4_a_host_proved_dead_counts_neither_as_silent_nor_in_the_total(void **unused)
{
	struct world w;

	(void)unused;
	world_init(&w);
	w.keep_watching = true;
	world_run(&w, 2 * WINDOW);
	world_silence(&w, 0, 10);
	for (int i = 0; i < 10; i++)
		w.host[i].witness = LIVE_SAYS_DEAD;
	world_run(&w, 2 * WINDOW);
	assert_false(w.chassis.hold);

	world_silence(&w, 10, 1);
	world_run(&w, 2 * WINDOW);
	assert_true(w.dead[10] > 0);
	assert_false(w.chassis.hold);

	/* 3 of the 6 that are left: a storm, though only 3 of 16. */
	world_init(&w);
	w.keep_watching = true;
	world_run(&w, 2 * WINDOW);
	for (int i = 0; i < 10; i++)
		w.host[i].witness = LIVE_SAYS_DEAD;
	world_silence(&w, 10, 3);
	world_run(&w, 2 * WINDOW);
	assert_true(w.chassis.hold);
	assert_int_equal(w.dead[10] + w.dead[11] + w.dead[12], 0);
}

/* ---- S5 ---- */

static void s5_the_seventh_failover_in_the_window_waits(void **unused)
{
	struct live_rate rate = { 0 };

	(void)unused;
	for (uint64_t i = 0; i < 6; i++) {
		assert_true(live_rate_allows(&rate, 6, 600000, START + i));
		live_rate_note(&rate, START + i);
	}

	assert_false(live_rate_allows(&rate, 6, 600000, START + 6));
	assert_false(live_rate_allows(&rate, 6, 600000, START + 599999));
	assert_true(live_rate_allows(&rate, 6, 600000, START + 600000));
}

static void s5_old_failovers_are_forgotten_first(void **unused)
{
	struct live_rate rate = { 0 };

	(void)unused;
	for (uint64_t i = 0; i < 3 * LIVE_RATE_MAX; i++)
		live_rate_note(&rate, START + i);

	assert_int_equal(rate.count, LIVE_RATE_MAX);
	assert_int_equal(rate.at_ms[LIVE_RATE_MAX - 1], START + 3 * LIVE_RATE_MAX - 1);
	assert_int_equal(rate.at_ms[0], START + 2 * LIVE_RATE_MAX);
}

/* ---- S6 ---- */

static void s6_no_verdict_before_reconcile_is_finished(void **unused)
{
	struct world w;

	(void)unused;
	world_init(&w);
	live_chassis_stop(&w.chassis);
	world_silence(&w, 3, 1);
	w.host[4].witness = LIVE_SAYS_DEAD;

	world_run(&w, 10 * WINDOW);

	assert_int_equal(world_deaths(&w), 0);
	assert_int_equal(live_next_ms(&w.chassis, &w.config, w.hosts, HOSTS, w.now), UINT64_MAX);
}

static void s6_after_reconcile_everybody_has_one_full_window(void **unused)
{
	struct world w;
	uint64_t started;

	(void)unused;
	world_init(&w);
	live_chassis_stop(&w.chassis);
	world_silence(&w, 3, 1);
	w.host[4].witness = LIVE_SAYS_DEAD;
	world_run(&w, 10 * WINDOW);
	started = w.now;

	live_chassis_start(&w.chassis, w.hosts, HOSTS, w.now);
	world_run(&w, 2 * BEAT);
	assert_int_equal(w.suspected[3], 0);
	world_run(&w, 2 * WINDOW);

	assert_int_equal(w.dead[3], 1);
	assert_int_equal(w.dead_at[3], started + WINDOW);
	assert_int_equal(w.proved[4], 1);
	assert_int_equal(w.dead_at[4], started + WINDOW);
}

static void s6_a_host_that_never_beats_after_a_restart_is_judged(void **unused)
{
	struct world w;

	(void)unused;
	world_init(&w);
	world_silence(&w, 3, 1);

	world_run(&w, 2 * WINDOW);

	assert_int_equal(w.dead[3], 1);
	assert_int_equal(w.dead_at[3], START + WINDOW);
}

static void s6_a_door_that_opens_gives_that_host_a_full_window(void **unused)
{
	struct world w;
	uint64_t opened;

	(void)unused;
	world_init(&w);
	world_silence(&w, 3, 1);
	live_unwatch(&w.host[3]);
	world_run(&w, 4 * WINDOW);
	opened = w.now;

	live_watch(&w.host[3], w.now);
	world_run(&w, 2 * WINDOW);

	assert_int_equal(w.dead[3], 1);
	assert_int_equal(w.dead_at[3], opened + WINDOW);
}

/* ---- S7 ---- */

/* What policy makes of a host that is silent or not, and of what its witness says. */
static void s7_policy_decides_what_silence_and_a_witness_are_worth(void **unused)
{
	static const struct {
		enum live_policy policy;
		enum live_witness witness;
		bool silent;
		enum live_verdict want;
		bool hold;
	} rows[] = {
		{ LIVE_WITNESS_NONE, LIVE_CANNOT_TELL, true, LIVE_DEAD, false },
		{ LIVE_WITNESS_NONE, LIVE_SAYS_ALIVE, true, LIVE_DEAD, false },
		{ LIVE_WITNESS_NONE, LIVE_SAYS_DEAD, true, LIVE_DEAD, false },
		{ LIVE_WITNESS_NONE, LIVE_SAYS_DEAD, false, LIVE_NOTHING, false },
		{ LIVE_WITNESS_ANY, LIVE_CANNOT_TELL, true, LIVE_DEAD, false },
		{ LIVE_WITNESS_ANY, LIVE_CANNOT_TELL, false, LIVE_NOTHING, false },
		{ LIVE_WITNESS_ANY, LIVE_SAYS_ALIVE, true, LIVE_NOTHING, true },
		{ LIVE_WITNESS_ANY, LIVE_SAYS_ALIVE, false, LIVE_NOTHING, false },
		{ LIVE_WITNESS_ANY, LIVE_SAYS_DEAD, true, LIVE_DEAD_PROVED, false },
		{ LIVE_WITNESS_ANY, LIVE_SAYS_DEAD, false, LIVE_DEAD_PROVED, false },
		{ LIVE_WITNESS_ALL, LIVE_CANNOT_TELL, true, LIVE_NOTHING, false },
		{ LIVE_WITNESS_ALL, LIVE_SAYS_ALIVE, true, LIVE_NOTHING, true },
		{ LIVE_WITNESS_ALL, LIVE_SAYS_DEAD, true, LIVE_DEAD_PROVED, false },
		{ LIVE_WITNESS_ALL, LIVE_SAYS_DEAD, false, LIVE_NOTHING, false },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world w;

		world_init(&w);
		w.config.policy = rows[i].policy;
		world_run(&w, 2 * WINDOW);
		w.beats[3] = !rows[i].silent;
		w.host[3].witness = rows[i].witness;

		world_run(&w, 2 * WINDOW);

		assert_int_equal(w.dead[3], rows[i].want == LIVE_DEAD);
		assert_int_equal(w.proved[3], rows[i].want == LIVE_DEAD_PROVED);
		assert_int_equal(w.chassis.hold, rows[i].hold);
		assert_int_equal(world_deaths(&w), rows[i].want != LIVE_NOTHING);
	}
}

static void s7_a_witness_that_says_dead_cuts_the_wait_short(void **unused)
{
	struct world w;

	(void)unused;
	world_init(&w);
	world_run(&w, 2 * WINDOW);
	world_silence(&w, 3, 1);
	world_run(&w, BEAT);
	w.host[3].witness = LIVE_SAYS_DEAD;

	world_run(&w, TICK);

	assert_int_equal(w.proved[3], 1);
}

static void s7_power_off_and_link_down_say_dead_and_nothing_else_says_anything(void **unused)
{
	(void)unused;
	assert_int_equal(live_witness_of(true, false, true), LIVE_SAYS_DEAD);
	assert_int_equal(live_witness_of(true, false, false), LIVE_SAYS_DEAD);
	assert_int_equal(live_witness_of(true, true, false), LIVE_SAYS_DEAD);
	assert_int_equal(live_witness_of(true, true, true), LIVE_CANNOT_TELL);
	assert_int_equal(live_witness_of(false, true, false), LIVE_SAYS_DEAD);
	assert_int_equal(live_witness_of(false, false, true), LIVE_CANNOT_TELL);
	assert_int_equal(live_witness_of(false, true, true), LIVE_CANNOT_TELL);
}

/* ---- S11 ---- */

static void s11_a_host_is_steady_after_three_whole_windows(void **unused)
{
	struct world w;
	uint64_t first;

	(void)unused;
	world_init(&w);
	world_run(&w, BEAT);
	first = w.host[3].alive_since_ms;

	assert_false(live_is_steady(&w.host[3], &w.config, 3, first + 1));
	world_run(&w, first + 3 * WINDOW - TICK - w.now);
	assert_false(live_is_steady(&w.host[3], &w.config, 3, w.now));
	world_run(&w, TICK);
	assert_true(live_is_steady(&w.host[3], &w.config, 3, w.now));
}

static void s11_a_break_in_the_series_starts_it_anew(void **unused)
{
	struct world w;

	(void)unused;
	world_init(&w);
	world_run(&w, 4 * WINDOW);
	world_silence(&w, 3, 1);
	world_run(&w, 4 * BEAT);
	assert_false(live_is_steady(&w.host[3], &w.config, 3, w.now));
	w.beats[3] = true;

	world_run(&w, 2 * WINDOW);
	assert_false(live_is_steady(&w.host[3], &w.config, 3, w.now));
	world_run(&w, 2 * WINDOW);
	assert_true(live_is_steady(&w.host[3], &w.config, 3, w.now));
}

static void s11_one_beat_lost_breaks_no_series(void **unused)
{
	struct world w;

	(void)unused;
	world_init(&w);
	world_run(&w, 4 * WINDOW);
	world_silence(&w, 3, 1);
	world_run(&w, BEAT);
	w.beats[3] = true;

	world_run(&w, 2 * BEAT);

	assert_true(live_is_steady(&w.host[3], &w.config, 3, w.now));
}

static void s11_what_a_host_was_before_its_fence_counts_no_more(void **unused)
{
	struct world w;

	(void)unused;
	world_init(&w);
	world_run(&w, 4 * WINDOW);

	live_unwatch(&w.host[3]);
	assert_false(live_is_steady(&w.host[3], &w.config, 3, w.now));
	live_watch(&w.host[3], w.now);
	world_run(&w, 2 * BEAT);

	assert_false(live_is_steady(&w.host[3], &w.config, 3, w.now));
}

/* ---- when to look ---- */

/* Looking only when asked to must find what looking all the time finds, and at the same time. */
static void looking_when_told_to_misses_no_verdict(void **unused)
{
	struct world w;
	uint64_t last;
	unsigned looks = 0;

	(void)unused;
	world_init(&w);
	world_run(&w, 2 * WINDOW);
	last = w.host[3].last_beat_ms;
	for (int i = 0; i < HOSTS; i++)
		if (i != 3)
			live_unwatch(&w.host[i]);

	while (!w.dead[3] && looks < 100) {
		uint64_t next = live_next_ms(&w.chassis, &w.config, w.hosts, HOSTS, w.now);

		assert_true(next > w.now);
		w.now = next;
		world_judge(&w);
		looks++;
	}

	assert_int_equal(w.dead_at[3], last + WINDOW);
	assert_int_equal(w.suspected[3], 1);
	assert_true(looks < 20);
}

static void nobody_watched_needs_no_look(void **unused)
{
	struct world w;

	(void)unused;
	world_init(&w);
	for (int i = 0; i < HOSTS; i++)
		live_unwatch(&w.host[i]);

	assert_int_equal(live_next_ms(&w.chassis, &w.config, w.hosts, HOSTS, w.now), UINT64_MAX);
}

/* ---- on the very millisecond ---- */

static void s4_a_host_exactly_one_beat_before_its_verdict_counts_for_the_storm(void **unused)
{
	struct world w;

	(void)unused;
	world_init(&w);
	for (int i = 2; i < HOSTS; i++)
		live_unwatch(&w.host[i]);
	world_run(&w, 2 * WINDOW);
	world_silence(&w, 0, 2);
	live_beat(&w.host[0], &w.config, w.now);
	live_beat(&w.host[1], &w.config, w.now + BEAT);

	world_run(&w, WINDOW);

	assert_true(w.chassis.hold);
	assert_int_equal(world_deaths(&w), 0);
}

static void s4_exactly_the_share_of_a_storm_is_a_storm(void **unused)
{
	struct world w;

	(void)unused;
	world_init(&w);
	w.config.storm_percent = 50;
	world_run(&w, 2 * WINDOW);
	world_silence(&w, 0, 8);

	world_run(&w, 3 * WINDOW);

	assert_true(w.chassis.hold);
	assert_int_equal(world_deaths(&w), 0);
}

static void s4_where_nobody_is_watched_there_is_no_storm(void **unused)
{
	struct world w;

	(void)unused;
	world_init(&w);
	w.config.storm_min = 0;
	for (int i = 0; i < HOSTS; i++)
		live_unwatch(&w.host[i]);

	world_run(&w, 3 * WINDOW);

	assert_false(w.chassis.hold);
}

static void s3_a_database_that_answers_within_a_beat_delays_no_verdict(void **unused)
{
	struct world w;
	uint64_t last;

	(void)unused;
	world_init(&w);
	world_run(&w, 2 * WINDOW);
	last = w.host[3].last_beat_ms;
	world_silence(&w, 3, 1);

	while (w.now < last + 2 * WINDOW) {
		w.db_waits_since = w.now + TICK - BEAT;
		world_run(&w, TICK);
	}

	assert_int_equal(w.dead[3], 1);
	assert_int_equal(w.dead_at[3], last + WINDOW);
}

static void only_a_beat_that_is_fresh_enough_ends_suspicion(void **unused)
{
	static const struct {
		uint64_t ago_ms; /* 0: never */
		enum live_verdict want;
	} rows[] = {
		{ 0, LIVE_NOTHING },
		{ 2 * BEAT + BEAT / 2, LIVE_NOTHING },
		{ 2 * BEAT + BEAT / 2 - 1, LIVE_RECOVERED },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct world w;
		enum live_verdict verdicts[HOSTS];

		world_init(&w);
		w.now = 2 * BEAT; /* since the machine started */
		if (rows[i].ago_ms)
			w.now += START;
		live_chassis_start(&w.chassis, w.hosts, HOSTS, w.now);
		w.host[3].suspect = true;
		w.host[3].last_beat_ms = rows[i].ago_ms ? w.now - rows[i].ago_ms : 0;

		live_judge(&w.chassis, &w.config, w.hosts, HOSTS, w.now, 0, verdicts);

		assert_int_equal(verdicts[3], rows[i].want);
		assert_int_equal(w.host[3].suspect, rows[i].want == LIVE_NOTHING);
	}
}

static void s11_a_series_breaks_after_the_suspicion_and_not_on_it(void **unused)
{
	const uint64_t limit = 2 * BEAT + BEAT / 2;
	struct world w;
	struct live_host *host = &w.host[3];

	(void)unused;
	world_init(&w);
	live_beat(host, &w.config, START);
	live_beat(host, &w.config, START + limit);
	assert_int_equal(host->alive_since_ms, START);
	assert_true(live_is_steady(host, &w.config, 0, START + 2 * limit - 1));
	assert_false(live_is_steady(host, &w.config, 0, START + 2 * limit));

	live_beat(host, &w.config, START + 2 * limit + 1);
	assert_int_equal(host->alive_since_ms, START + 2 * limit + 1);
}

static void s11_the_first_beat_after_a_fence_begins_a_series(void **unused)
{
	struct world w;
	struct live_host *host = &w.host[3];

	(void)unused;
	world_init(&w);
	world_run(&w, 4 * WINDOW);
	live_unwatch(host);
	live_watch(host, w.now);
	assert_false(live_is_steady(host, &w.config, 3, w.now)); /* it beat just now, and yet */

	live_beat(host, &w.config, host->last_beat_ms);
	assert_int_equal(host->alive_since_ms, host->last_beat_ms);
	live_unwatch(host);
	live_beat(host, &w.config, w.now + TICK);
	assert_int_equal(host->alive_since_ms, w.now + TICK);
	assert_false(live_is_steady(host, &w.config, 0, w.now + TICK)); /* nobody watches it */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_that_beat_are_left_alone),
		cmocka_unit_test(a_silent_host_is_suspected_then_dead_after_its_whole_window),
		cmocka_unit_test(a_beat_ends_suspicion_and_starts_the_window_anew),
		cmocka_unit_test(an_overtaken_beat_does_not_turn_back_the_clock),
		cmocka_unit_test(suspicion_comes_before_the_verdict_in_the_shortest_window),
		cmocka_unit_test(an_unwatched_host_gets_no_verdict),
		cmocka_unit_test(s3_a_stopped_manager_finds_nobody_dead),
		cmocka_unit_test(s3_after_a_gap_a_silent_host_has_a_whole_window_more),
		cmocka_unit_test(s3_a_gap_of_one_beat_is_no_stall),
		cmocka_unit_test(
			s3_no_verdict_while_the_database_owes_an_answer_for_longer_than_a_beat),
		cmocka_unit_test(s3_even_a_proved_death_waits_out_the_window_after_a_gap),
		cmocka_unit_test(s3_a_quiet_loop_is_told_to_look_before_it_looks_stalled),
		cmocka_unit_test(s4_up_to_five_of_sixteen_are_evicted_and_from_six_on_nobody_is),
		cmocka_unit_test(
			s4_hosts_within_one_beat_of_the_verdict_count_before_any_is_evicted),
		cmocka_unit_test(s4_two_silent_of_two_are_a_storm_and_one_of_two_is_not),
		cmocka_unit_test(s4_who_is_set_aside_is_no_part_of_a_storm),
		cmocka_unit_test(s4_leaving_hold_gives_everybody_a_full_fresh_window),
		cmocka_unit_test(s4_a_stall_during_hold_does_not_end_it),
		cmocka_unit_test(s4_proved_deaths_pass_through_hold),
		cmocka_unit_test(s4_a_host_proved_dead_counts_neither_as_silent_nor_in_the_total),
		cmocka_unit_test(s5_the_seventh_failover_in_the_window_waits),
		cmocka_unit_test(s5_old_failovers_are_forgotten_first),
		cmocka_unit_test(s6_no_verdict_before_reconcile_is_finished),
		cmocka_unit_test(s6_after_reconcile_everybody_has_one_full_window),
		cmocka_unit_test(s6_a_host_that_never_beats_after_a_restart_is_judged),
		cmocka_unit_test(s6_a_door_that_opens_gives_that_host_a_full_window),
		cmocka_unit_test(s7_policy_decides_what_silence_and_a_witness_are_worth),
		cmocka_unit_test(s7_a_witness_that_says_dead_cuts_the_wait_short),
		cmocka_unit_test(
			s7_power_off_and_link_down_say_dead_and_nothing_else_says_anything),
		cmocka_unit_test(s11_a_host_is_steady_after_three_whole_windows),
		cmocka_unit_test(s11_a_break_in_the_series_starts_it_anew),
		cmocka_unit_test(s11_one_beat_lost_breaks_no_series),
		cmocka_unit_test(s11_what_a_host_was_before_its_fence_counts_no_more),
		cmocka_unit_test(looking_when_told_to_misses_no_verdict),
		cmocka_unit_test(nobody_watched_needs_no_look),
		cmocka_unit_test(
			s4_a_host_exactly_one_beat_before_its_verdict_counts_for_the_storm),
		cmocka_unit_test(s4_exactly_the_share_of_a_storm_is_a_storm),
		cmocka_unit_test(s4_where_nobody_is_watched_there_is_no_storm),
		cmocka_unit_test(s3_a_database_that_answers_within_a_beat_delays_no_verdict),
		cmocka_unit_test(only_a_beat_that_is_fresh_enough_ends_suspicion),
		cmocka_unit_test(s11_a_series_breaks_after_the_suspicion_and_not_on_it),
		cmocka_unit_test(s11_the_first_beat_after_a_fence_begins_a_series),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
