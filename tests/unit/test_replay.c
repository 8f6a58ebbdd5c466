/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nights that are recorded and run again: failover/record.c, failover/replay.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failover/replay.h"

enum { HOSTS = 8, BEAT = 1000, START = 100000, TICK = 50 };

/* A chassis whose hosts beat out of phase, and what fabricd/judge.c does around it. */
struct night {
	struct record_settings settings;
	struct live_chassis chassis;
	struct live_rate rate;
	struct live_host host[HOSTS];
	struct live_host *hosts[HOSTS];
	struct record_host around[HOSTS];
	struct record_view view;
	struct recorder recorder;
	bool is_silent[HOSTS];
	uint64_t busy_until[HOSTS];
	uint64_t busy_ms;
	uint64_t fenced_ms[HOSTS];
	uint64_t now;
	uint64_t db_waits_since;
	bool forgets_beats; /* of host 0: they are not recorded */
};

static const char *name_of(const void *arg, size_t n)
{
	static char names[HOSTS][16];

	(void)arg;
	(void)snprintf(names[n], sizeof(names[n]), "bay%zu", n + 1);
	return names[n];
}

static void night_begin(struct night *w)
{
	memset(w, 0, sizeof(*w));
	w->settings = (struct record_settings){ .live = { .interval_ms = BEAT,
							  .missed = 5,
							  .storm_percent = 34,
							  .storm_min = 2,
							  .policy = LIVE_WITNESS_ANY },
						.rate_count = 6,
						.rate_window_ms = 600000 };
	w->now = START;
	w->busy_ms = 200;
	for (int i = 0; i < HOSTS; i++) {
		w->hosts[i] = &w->host[i];
		live_watch(&w->host[i], w->now);
	}
	live_chassis_start(&w->chassis, w->hosts, HOSTS, w->now);
	w->view = (struct record_view){ &w->chassis, &w->rate, w->hosts, HOSTS };
	record_anew(&w->recorder, &w->settings, &w->view, w->around, w->now);
}

static void night_end(struct night *w)
{
	record_done(&w->recorder);
}

static void fence(struct night *w, size_t n)
{
	live_unwatch(&w->host[n]);
	record_begin(&w->recorder, n, w->now);
	w->around[n].shut = w->around[n].busy = true;
	w->busy_until[n] = w->now + w->busy_ms;
	w->fenced_ms[n] = w->now;
}

static bool switch_is_busy(const struct night *w)
{
	for (size_t i = 0; i < HOSTS; i++)
		if (w->around[i].busy)
			return true;
	return false;
}

static void dead(struct night *w, size_t n, bool proved)
{
	enum record_said said = proved ? RECORD_PROVED : RECORD_FENCED;

	if (proved && w->around[n].cold)
		said = RECORD_OFF;
	else if (w->host[n].aside)
		said = RECORD_NOT_ACTED;
	else if (!proved && switch_is_busy(w))
		said = RECORD_WAITS;
	else if (!proved && !live_rate_allows(&w->rate, w->settings.rate_count,
					      w->settings.rate_window_ms, w->now))
		said = RECORD_RATED;
	record_say(&w->recorder, n, said);
	if (said != RECORD_FENCED && said != RECORD_PROVED)
		return;
	if (!proved)
		live_rate_note(&w->rate, w->now);
	fence(w, n);
}

static void judge(struct night *w)
{
	enum live_verdict verdicts[HOSTS];

	record_judge(&w->recorder, &w->settings, &w->view, w->now, w->db_waits_since);
	if (live_judge(&w->chassis, &w->settings.live, w->hosts, HOSTS, w->now, w->db_waits_since,
		       verdicts))
		record_hold(&w->recorder, w->chassis.hold);
	for (size_t i = 0; i < HOSTS; i++) {
		if (verdicts[i] == LIVE_SUSPECTED || verdicts[i] == LIVE_RECOVERED)
			record_say(&w->recorder, i,
				   verdicts[i] == LIVE_SUSPECTED ? RECORD_SUSPECTED
								 : RECORD_RECOVERED);
		else if (verdicts[i] != LIVE_NOTHING)
			dead(w, i, verdicts[i] == LIVE_DEAD_PROVED);
	}
}

static void beat(struct night *w, size_t n)
{
	if (w->around[n].shut)
		w->host[n].last_beat_ms = w->now;
	else
		live_beat(&w->host[n], &w->settings.live, w->now);
	if (n || !w->forgets_beats)
		record_beat(&w->recorder, n, w->now);
}

static void incidents_end(struct night *w)
{
	for (size_t i = 0; i < HOSTS; i++)
		if (w->around[i].busy && w->now >= w->busy_until[i]) {
			w->around[i].busy = false;
			record_busy(&w->recorder, i, false, w->now);
		}
}

static void pass(struct night *w, uint64_t ms)
{
	for (uint64_t end = w->now + ms; w->now < end;) {
		w->now += TICK;
		incidents_end(w);
		for (size_t i = 0; i < HOSTS; i++)
			if (!w->is_silent[i] && w->now % BEAT == i * 2 * TICK)
				beat(w, i);
		judge(w);
	}
}

static void witness(struct night *w, size_t n, enum live_witness says)
{
	w->host[n].witness = says;
	record_witness(&w->recorder, n, says, w->now);
}

static void door_open(struct night *w, size_t n)
{
	w->around[n].shut = false;
	record_open(&w->recorder, n, w->now);
	record_busy(&w->recorder, n, false, w->now);
	w->around[n].busy = false;
	live_watch(&w->host[n], w->now);
	record_watch(&w->recorder, n, w->now);
}

static struct replay *opened(struct night *w)
{
	OWNED(buf_done) struct buf bytes = { 0 };
	struct replay *replay = NULL;
	char why[REPLAY_WHY_MAX];

	assert_int_equal(
		record_export(&w->recorder, &w->view, 2, START, w->now, name_of, NULL, &bytes), 0);
	assert_int_equal(replay_open(bytes.data, bytes.length, why, &replay), 0);
	assert_string_equal(why, "");
	return replay;
}

static void run(const struct replay *replay, const struct replay_change *change,
		struct replay_outcome *out)
{
	assert_int_equal(replay_run(replay, change, out), 0);
}

static void assert_same(struct night *w)
{
	OWNED(replay_free) struct replay *replay = opened(w);
	OWNED(replay_outcome_done) struct replay_outcome out = { 0 };

	run(replay, &(struct replay_change){ 0 }, &out);

	assert_string_equal(out.difference, "");
	assert_true(out.is_same);
}

static void assert_differs(struct night *w, const char *words)
{
	OWNED(replay_free) struct replay *replay = opened(w);
	OWNED(replay_outcome_done) struct replay_outcome out = { 0 };

	run(replay, &(struct replay_change){ 0 }, &out);

	assert_false(out.is_same);
	assert_non_null(strstr(out.difference, words));
}

/* Of @host, @what; NULL: it is not among the steps. */
static const struct replay_step *find(const struct replay_outcome *out, uint16_t host,
				      enum replay_what what)
{
	for (size_t i = 0; i < out->count; i++)
		if (out->steps[i].host == host && out->steps[i].what == what)
			return &out->steps[i];
	return NULL;
}

/* ---- as it was ---- */

static void a_quiet_night_runs_again_as_it_was(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	pass(&w, 100000);

	assert_same(&w);
	night_end(&w);
}

static void a_death_runs_again_at_the_same_look(void **state)
{
	OWNED(replay_outcome_done) struct replay_outcome out = { 0 };
	OWNED(replay_free) struct replay *replay = NULL;
	struct night w;

	(void)state;
	night_begin(&w);
	pass(&w, 40000);
	w.is_silent[2] = true;
	pass(&w, 8000);
	replay = opened(&w);
	run(replay, &(struct replay_change){ 0 }, &out);

	assert_true(out.is_same);
	assert_non_null(find(&out, 2, REPLAY_SUSPECTED));
	assert_non_null(find(&out, 2, REPLAY_FENCED));
	assert_int_equal(find(&out, 2, REPLAY_FENCED)->at_ms, w.fenced_ms[2]);
	assert_string_equal(replay->hosts[2].name, "bay3");
	night_end(&w);
}

static void storms_stalls_witnesses_and_the_rate_run_again(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	w.settings.rate_count = 1;
	pass(&w, 20000);
	w.is_silent[1] = w.is_silent[2] = w.is_silent[3] = true;
	pass(&w, 9000);
	assert_true(w.chassis.hold);
	assert_same(&w);
	w.is_silent[2] = w.is_silent[3] = false;
	pass(&w, 9000);
	assert_true(w.fenced_ms[1]);
	assert_same(&w);
	w.now += 7000; /* the manager was stopped */
	pass(&w, 3000);
	w.db_waits_since = w.now;
	pass(&w, 3000);
	w.db_waits_since = 0;
	witness(&w, 4, LIVE_SAYS_DEAD);
	pass(&w, 9000);
	assert_true(w.fenced_ms[4]);
	w.is_silent[5] = true;
	pass(&w, 7000);
	assert_false(w.fenced_ms[5]);
	assert_same(&w);
	w.host[6].aside = true;
	w.is_silent[6] = true;
	pass(&w, 9000);
	assert_same(&w);
	door_open(&w, 1);
	w.is_silent[1] = false;
	w.settings.live.missed = 7;
	pass(&w, 9000);

	assert_same(&w);
	night_end(&w);
}

static void who_leaves_and_who_is_fenced_by_hand_run_again(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	pass(&w, 20000);
	record_leave(&w.recorder, 3, true, true, w.now);
	live_rate_note(&w.rate, w.now);
	fence(&w, 3);
	pass(&w, 1000);
	fence(&w, 4);
	pass(&w, 1000);

	assert_same(&w);
	night_end(&w);
}

static void what_is_kept_reaches_back_and_is_bounded(void **state)
{
	OWNED(replay_free) struct replay *replay = NULL;
	uint64_t window = 5 * BEAT;
	struct night w;

	(void)state;
	night_begin(&w);
	pass(&w, 1000 * BEAT);
	replay = opened(&w);

	assert_in_range(w.now - replay->begin_ms, RECORD_WINDOWS * window,
			2 * RECORD_WINDOWS * window + BEAT);
	assert_in_range(w.recorder.parts[0].room + w.recorder.parts[1].room, 1, 64 << 10);
	night_end(&w);
}

static void beats_without_looks_do_not_fill_memory(void **state)
{
	OWNED(buf_done) struct buf bytes = { 0 };
	struct night w;

	(void)state;
	night_begin(&w);
	for (int i = 0; i < 1000000; i++) {
		w.now++;
		beat(&w, 1);
	}

	assert_in_range(w.recorder.parts[1].room, 1, 256 << 10);
	assert_int_equal(
		record_export(&w.recorder, &w.view, 2, START, w.now, name_of, NULL, &bytes),
		-ENODATA);
	pass(&w, 10000);
	assert_same(&w);
	night_end(&w);
}

/* ---- it can tell ---- */

static void a_beat_that_was_not_recorded_is_found_out(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	pass(&w, 30000);
	w.forgets_beats = true;
	pass(&w, BEAT);

	assert_differs(&w, "bay1 is not in the state that was put down");
	night_end(&w);
}

static void a_verdict_without_a_reason_is_found_out(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	pass(&w, 30000);
	record_say(&w.recorder, 3, RECORD_SUSPECTED);
	pass(&w, 700);

	assert_differs(&w, "bay4 was suspected, and is not now");
	night_end(&w);
}

static void a_verdict_that_was_not_given_is_found_out(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	pass(&w, 30000);
	record_judge(&w.recorder, &w.settings, &w.view, w.now + 900, 0);
	record_witness(&w.recorder, 5, LIVE_SAYS_DEAD, w.now);
	record_judge(&w.recorder, &w.settings, &w.view, w.now + 950, 0);

	assert_differs(&w, "bay6 is proved dead, and was not that night");
	night_end(&w);
}

static void every_step_has_its_words(void **state)
{
	static const struct {
		const char *word, *text;
	} words[REPLAY_WHATS] = {
		{ "suspected", "suspected" },
		{ "recovered", "beating again" },
		{ "judged-dead", "judged dead" },
		{ "proved-dead", "proved dead" },
		{ "told-only", "judged dead, and not acted on" },
		{ "waits-for-switch", "held by another incident at its switch" },
		{ "waits-for-rate", "held by the rate of failovers" },
		{ "cold-spare", "off, a cold spare" },
		{ "held-by-breaker", "held by the storm breaker" },
		{ "fenced-by-hand", "fenced by hand" },
		{ "left", "leaving, and fenced" },
		{ "stayed", "leaving, and not fenced" },
		{ "readmitted", "readmitted" },
		{ "breaker-on", "held by the storm breaker" },
		{ "breaker-off", "held no more" },
	};

	(void)state;
	for (unsigned i = 0; i < REPLAY_WHATS; i++) {
		assert_string_equal(replay_what_word((enum replay_what)i), words[i].word);
		assert_string_equal(replay_what_text((enum replay_what)i), words[i].text);
	}
}

/* ---- each thing of a state, touched by what was not recorded ---- */

static void touch_watched(struct night *w)
{
	w->host[3].watched = false;
}

static void touch_suspect(struct night *w)
{
	w->host[3].suspect = true;
}

static void touch_aside(struct night *w)
{
	w->host[3].aside = true;
}

static void touch_witness(struct night *w)
{
	w->host[3].witness = LIVE_SAYS_ALIVE;
}

static void touch_last_beat(struct night *w)
{
	w->host[3].last_beat_ms--;
}

static void touch_fresh(struct night *w)
{
	w->host[3].fresh_ms--;
}

static void touch_shut(struct night *w)
{
	w->recorder.hosts[3].shut = true;
}

static void touch_busy(struct night *w)
{
	w->recorder.hosts[3].busy = true;
}

static void touch_cold(struct night *w)
{
	w->recorder.hosts[3].cold = true;
}

static void touch_hold(struct night *w)
{
	w->chassis.hold = true;
}

static void touch_judging(struct night *w)
{
	w->chassis.judging = false;
}

static void touch_last_judge(struct night *w)
{
	w->chassis.last_judge_ms--;
}

static void touch_quiet(struct night *w)
{
	w->chassis.quiet_since_ms--;
}

static void touch_rate_count(struct night *w)
{
	w->rate.count = 1;
}

static void touch_rate_time(struct night *w)
{
	w->rate.at_ms[0]--;
}

static void whatever_was_not_recorded_is_found_out_in_the_next_state(void **state)
{
	static const struct {
		void (*touch)(struct night *w);
		bool failed_over; /* before that: there is a time to be touched */
		const char *words;
	} rows[] = {
		{ touch_watched, false, "bay4 is not in the state that was put down" },
		{ touch_suspect, false, "bay4 is not in the state that was put down" },
		{ touch_aside, false, "bay4 is not in the state that was put down" },
		{ touch_witness, false, "bay4 is not in the state that was put down" },
		{ touch_last_beat, false, "bay4 is not in the state that was put down" },
		{ touch_fresh, false, "bay4 is not in the state that was put down" },
		{ touch_shut, false, "bay4 is not in the state that was put down" },
		{ touch_busy, false, "bay4 is not in the state that was put down" },
		{ touch_cold, false, "bay4 is not in the state that was put down" },
		{ touch_hold, false, "the chassis is not in the state that was put down" },
		{ touch_judging, false, "the chassis is not in the state that was put down" },
		{ touch_last_judge, false, "the chassis is not in the state that was put down" },
		{ touch_quiet, false, "the chassis is not in the state that was put down" },
		{ touch_rate_count, false, "the failovers that count for the rate are others" },
		{ touch_rate_time, true, "the failovers that count for the rate are others" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct night w;

		night_begin(&w);
		pass(&w, 3000);
		if (rows[i].failed_over) {
			w.is_silent[1] = true;
			pass(&w, 8000);
			assert_int_equal(w.rate.count, 1);
		}
		assert_same(&w);
		rows[i].touch(&w);
		assert_differs(&w, rows[i].words);
		night_end(&w);
	}
}

/* ---- as it might have been ---- */

/* Host 2 dies; @after: how long it goes on. */
static struct replay *one_death(struct night *w, uint64_t after)
{
	struct replay *replay;

	night_begin(w);
	pass(w, 40000);
	w->is_silent[2] = true;
	while (!w->fenced_ms[2])
		pass(w, TICK);
	pass(w, after);
	replay = opened(w);
	night_end(w);
	return replay;
}

static void fewer_missed_beats_judge_earlier(void **state)
{
	OWNED(replay_outcome_done) struct replay_outcome out = { 0 };
	OWNED(replay_free) struct replay *replay = NULL;
	struct replay_change change = { .which = REPLAY_SET_MISSED, .settings.live.missed = 3 };
	struct night w;

	(void)state;
	replay = one_death(&w, 0);
	run(replay, &change, &out);

	assert_non_null(find(&out, 2, REPLAY_FENCED));
	assert_int_equal(find(&out, 2, REPLAY_FENCED)->at_ms, w.fenced_ms[2] - 2 * BEAT);
	assert_false(find(&out, 2, REPLAY_FENCED)->assumed);
	for (uint16_t i = 0; i < HOSTS; i++)
		assert_true(i == 2 || !find(&out, i, REPLAY_FENCED));
}

static void more_missed_beats_judge_later_than_the_record_goes(void **state)
{
	OWNED(replay_outcome_done) struct replay_outcome out = { 0 };
	OWNED(replay_free) struct replay *replay = NULL;
	struct replay_change change = { .which = REPLAY_SET_MISSED, .settings.live.missed = 10 };
	struct night w;

	(void)state;
	replay = one_death(&w, 0);
	run(replay, &change, &out);

	assert_non_null(find(&out, 2, REPLAY_FENCED));
	assert_int_equal(find(&out, 2, REPLAY_FENCED)->at_ms, w.fenced_ms[2] + 5 * BEAT);
	assert_true(find(&out, 2, REPLAY_FENCED)->assumed);
	for (uint16_t i = 0; i < HOSTS; i++)
		assert_true(i == 2 || !find(&out, i, REPLAY_SUSPECTED));
}

static void a_host_that_beat_again_after_its_fence_would_have_been_spared(void **state)
{
	OWNED(replay_outcome_done) struct replay_outcome out = { 0 };
	OWNED(replay_free) struct replay *replay = NULL;
	struct replay_change change = { .which = REPLAY_SET_MISSED, .settings.live.missed = 10 };
	struct night w;

	(void)state;
	night_begin(&w);
	pass(&w, 40000);
	w.is_silent[2] = true;
	while (!w.fenced_ms[2])
		pass(&w, TICK);
	witness(&w, 2, LIVE_SAYS_DEAD); /* the fence has taken its link */
	pass(&w, 2000);
	w.is_silent[2] = false;
	pass(&w, 9000);
	replay = opened(&w);
	run(replay, &change, &out);

	assert_non_null(find(&out, 2, REPLAY_SUSPECTED));
	assert_non_null(find(&out, 2, REPLAY_RECOVERED));
	assert_null(find(&out, 2, REPLAY_FENCED));
	assert_null(find(&out, 2, REPLAY_PROVED));
	night_end(&w);
}

static void a_lower_storm_limit_would_have_held_it(void **state)
{
	OWNED(replay_outcome_done) struct replay_outcome out = { 0 };
	OWNED(replay_free) struct replay *replay = NULL;
	struct replay_change change = { .which = REPLAY_SET_STORM_PERCENT,
					.settings.live.storm_percent = 20 };
	struct night w;

	(void)state;
	night_begin(&w);
	pass(&w, 40000);
	w.is_silent[2] = w.is_silent[3] = true;
	pass(&w, 9000);
	assert_true(w.fenced_ms[2] && w.fenced_ms[3]);
	replay = opened(&w);
	run(replay, &change, &out);

	assert_non_null(find(&out, REPLAY_CHASSIS, REPLAY_HELD));
	assert_non_null(find(&out, 2, REPLAY_BREAKER));
	assert_non_null(find(&out, 3, REPLAY_BREAKER));
	assert_null(find(&out, 2, REPLAY_FENCED));
	night_end(&w);
}

static void a_lower_rate_would_have_made_the_second_wait(void **state)
{
	OWNED(replay_outcome_done) struct replay_outcome out = { 0 };
	OWNED(replay_free) struct replay *replay = NULL;
	struct replay_change change = { .which = REPLAY_SET_RATE_COUNT, .settings.rate_count = 1 };
	struct night w;

	(void)state;
	night_begin(&w);
	pass(&w, 40000);
	w.is_silent[2] = w.is_silent[3] = true;
	pass(&w, 9000);
	assert_true(w.fenced_ms[2] && w.fenced_ms[3]);
	replay = opened(&w);
	run(replay, &change, &out);

	assert_non_null(find(&out, 2, REPLAY_FENCED));
	assert_non_null(find(&out, 3, REPLAY_RATED));
	assert_null(find(&out, 3, REPLAY_FENCED));
	night_end(&w);
}

static void a_witness_that_is_not_asked_does_not_cut_the_wait_short(void **state)
{
	OWNED(replay_outcome_done) struct replay_outcome out = { 0 };
	OWNED(replay_free) struct replay *replay = NULL;
	struct replay_change change = { .which = REPLAY_SET_POLICY,
					.settings.live.policy = LIVE_WITNESS_NONE };
	struct night w;

	(void)state;
	night_begin(&w);
	pass(&w, 40000);
	w.is_silent[2] = true;
	witness(&w, 2, LIVE_SAYS_DEAD);
	pass(&w, 9000);
	assert_in_range(w.fenced_ms[2], START + 40000, START + 40000 + BEAT);
	replay = opened(&w);
	run(replay, &change, &out);

	assert_null(find(&out, 2, REPLAY_PROVED));
	assert_non_null(find(&out, 2, REPLAY_FENCED));
	assert_in_range(find(&out, 2, REPLAY_FENCED)->at_ms, w.fenced_ms[2] + 3 * BEAT,
			w.fenced_ms[2] + 6 * BEAT);
	night_end(&w);
}

static void a_manager_that_was_stopped_would_not_have_looked_then_either(void **state)
{
	OWNED(replay_outcome_done) struct replay_outcome out = { 0 };
	OWNED(replay_free) struct replay *replay = NULL;
	struct replay_change change = { .which = REPLAY_SET_MISSED, .settings.live.missed = 3 };
	struct night w;

	(void)state;
	night_begin(&w);
	pass(&w, 40000);
	w.now += 20000; /* stopped; nobody's beat was taken in */
	pass(&w, 3000);
	replay = opened(&w);
	run(replay, &change, &out);

	for (uint16_t i = 0; i < HOSTS; i++)
		assert_null(find(&out, i, REPLAY_FENCED));
	night_end(&w);
}

/* ---- to the word ---- */

/* All steps, in seconds since START; "~" before those that are assumed. */
static void timeline(const struct replay *replay, const struct replay_outcome *out,
		     struct buf *text)
{
	for (size_t i = 0; i < out->count; i++) {
		const struct replay_step *step = &out->steps[i];
		char line[160];

		(void)snprintf(line, sizeof(line), "%s%s%s %s %.2f", i ? ", " : "",
			       step->assumed ? "~" : "",
			       step->host == REPLAY_CHASSIS ? "all"
							    : replay->hosts[step->host].name,
			       replay_what_word((enum replay_what)step->what),
			       (double)(step->at_ms - START) / 1000);
		buf_text(text, line);
	}
	buf_u8(text, '\0');
}

/* Without any setting of its own: it must also be that night again. */
static void assert_was(struct night *w, const char *steps)
{
	OWNED(replay_free) struct replay *replay = opened(w);
	OWNED(replay_outcome_done) struct replay_outcome out = { 0 };
	OWNED(buf_done) struct buf text = { 0 };

	run(replay, &(struct replay_change){ 0 }, &out);
	timeline(replay, &out, &text);
	assert_string_equal(out.difference, "");
	assert_true(out.is_same);
	assert_string_equal((const char *)text.data, steps);
}

/* Where the record does not say how long an incident keeps its switch, @busy_ms. */
static void assert_might(struct night *w, struct replay_change change, const char *steps)
{
	OWNED(replay_free) struct replay *replay = opened(w);
	OWNED(replay_outcome_done) struct replay_outcome out = { 0 };
	OWNED(buf_done) struct buf text = { 0 };

	run(replay, &change, &out);
	timeline(replay, &out, &text);
	assert_string_equal(out.difference, "");
	assert_false(out.is_same);
	assert_string_equal((const char *)text.data, steps);
}

static struct replay_change missed(uint32_t beats)
{
	return (struct replay_change){ .which = REPLAY_SET_MISSED, .settings.live.missed = beats };
}

/* The settings of that night, and yet no longer held to what it said. */
static struct replay_change same(const struct night *w)
{
	return (struct replay_change){ .which = REPLAY_SET_RATE_WINDOW,
				       .settings.rate_window_ms = w->settings.rate_window_ms };
}

/* A beat later: all beat that do, and then it looks. */
static void look_once(struct night *w)
{
	w->now += BEAT;
	for (size_t n = 0; n < HOSTS; n++)
		if (!w->is_silent[n])
			beat(w, n);
	judge(w);
}

static void two_fall_silent(struct night *w, uint64_t busy_ms)
{
	night_begin(w);
	w->busy_ms = busy_ms;
	pass(w, 20000);
	w->is_silent[2] = w->is_silent[3] = true;
}

static void the_second_waits_as_long_as_the_first_kept_their_switch(void **state)
{
	struct night w;

	(void)state;
	two_fall_silent(&w, 3000);
	pass(&w, 5500);
	w.is_silent[2] = false; /* heard, and its door is closed */
	witness(&w, 2, LIVE_SAYS_DEAD);
	pass(&w, 4500);
	assert_was(&w, "bay3 suspected 21.70, bay4 suspected 21.80, "
		       "bay3 judged-dead 24.20, bay4 waits-for-switch 24.30, "
		       "bay4 judged-dead 27.20");
	assert_might(&w, missed(4),
		     "bay3 suspected 21.70, bay4 suspected 21.80, "
		     "bay3 judged-dead 23.20, bay4 waits-for-switch 23.30, "
		     "bay4 judged-dead 26.20");
	assert_might(&w, same(&w),
		     "bay3 suspected 21.70, bay4 suspected 21.80, "
		     "bay3 judged-dead 24.20, bay4 waits-for-switch 24.30, "
		     "bay4 judged-dead 27.20");
	/* It is let in, dies once more, and keeps its switch for less. */
	w.busy_ms = 500;
	witness(&w, 2, LIVE_CANNOT_TELL);
	door_open(&w, 2);
	pass(&w, 3000);
	w.is_silent[2] = true;
	pass(&w, 9000);
	assert_might(&w, missed(4),
		     "bay3 suspected 21.70, bay4 suspected 21.80, "
		     "bay3 judged-dead 23.20, bay4 waits-for-switch 23.30, "
		     "bay4 judged-dead 26.20, bay3 readmitted 30.00, "
		     "bay3 suspected 34.70, bay3 judged-dead 36.20");
	night_end(&w);
}

static void another_switch_is_not_waited_for(void **state)
{
	struct replay_change change = missed(4);
	struct night w;

	(void)state;
	night_begin(&w);
	w.recorder.hosts[3].group = 1;
	pass(&w, 20000);
	w.is_silent[2] = w.is_silent[3] = true;
	pass(&w, 4950);
	change.busy_ms = 3000;
	assert_might(&w, change,
		     "bay3 suspected 21.70, bay4 suspected 21.80, "
		     "bay3 judged-dead 23.20, bay4 judged-dead 23.30");
	night_end(&w);
}

static void how_long_is_told_too_by_one_that_was_proved_dead(void **state)
{
	struct replay_change none = { .which = REPLAY_SET_POLICY };
	struct night w;

	(void)state;
	two_fall_silent(&w, 4000);
	pass(&w, 3000);
	witness(&w, 2, LIVE_SAYS_DEAD);
	pass(&w, 7000);
	assert_was(&w, "bay3 suspected 21.70, bay4 suspected 21.80, "
		       "bay3 proved-dead 23.05, bay4 waits-for-switch 24.30, "
		       "bay4 judged-dead 27.05");
	assert_might(&w, none,
		     "bay3 suspected 21.70, bay4 suspected 21.80, "
		     "bay3 judged-dead 24.20, bay4 waits-for-switch 24.30, "
		     "bay4 judged-dead 28.20");
	assert_might(&w, same(&w),
		     "bay3 suspected 21.70, bay4 suspected 21.80, "
		     "bay3 proved-dead 23.05, bay4 waits-for-switch 24.30, "
		     "bay4 judged-dead 27.05");
	night_end(&w);
}

static void how_long_is_told_too_by_one_that_was_fenced_by_hand(void **state)
{
	struct night w;

	(void)state;
	two_fall_silent(&w, 3000);
	pass(&w, 4000);
	fence(&w, 2);
	pass(&w, 6000);
	assert_was(&w, "bay3 suspected 21.70, bay4 suspected 21.80, "
		       "bay3 fenced-by-hand 24.00, bay4 waits-for-switch 24.30, "
		       "bay4 judged-dead 27.00");
	assert_might(&w, missed(3),
		     "bay3 suspected 21.70, bay4 suspected 21.80, "
		     "bay3 judged-dead 22.20, bay4 waits-for-switch 22.30, "
		     "bay4 judged-dead 25.20");
	assert_might(&w, same(&w),
		     "bay3 suspected 21.70, bay4 suspected 21.80, "
		     "bay3 fenced-by-hand 24.00, bay4 waits-for-switch 24.30, "
		     "bay4 judged-dead 27.00");
	night_end(&w);
}

static void leave(struct night *w, size_t n, bool may, bool is_fenced)
{
	record_leave(&w->recorder, n, may, is_fenced, w->now);
	if (!is_fenced)
		return;
	live_rate_note(&w->rate, w->now);
	fence(w, n);
}

static void how_long_is_told_too_by_one_that_left(void **state)
{
	struct night w;

	(void)state;
	two_fall_silent(&w, 3000);
	pass(&w, 4000);
	leave(&w, 2, true, true);
	pass(&w, 6000);
	assert_was(&w, "bay3 suspected 21.70, bay4 suspected 21.80, bay3 left 24.00, "
		       "bay4 waits-for-switch 24.30, bay4 judged-dead 27.00");
	assert_might(&w, missed(3),
		     "bay3 suspected 21.70, bay4 suspected 21.80, "
		     "bay3 judged-dead 22.20, bay4 waits-for-switch 22.30, "
		     "bay3 stayed 24.00, bay4 judged-dead 25.20");
	night_end(&w);
}

/* Its incident is older than the record, which cannot say since when. */
static void how_long_is_not_told_of_what_had_begun_before(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	w.around[2].shut = w.around[2].busy = true;
	live_unwatch(&w.host[2]);
	record_anew(&w.recorder, &w.settings, &w.view, w.around, w.now);
	w.busy_until[2] = w.now + 1000;
	pass(&w, 2000);
	door_open(&w, 2);
	pass(&w, 18000);
	w.is_silent[2] = w.is_silent[3] = true;
	pass(&w, 9000);
	assert_might(&w, missed(4),
		     "bay3 readmitted 2.00, bay3 suspected 21.70, bay4 suspected 21.80, "
		     ""
		     ""
		     ""
		     "bay3 judged-dead 23.20, bay4 waits-for-switch 23.30, "
		     "bay4 judged-dead 23.40");
	night_end(&w);
}

static void a_leave_is_denied_as_it_was(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	leave(&w, 5, false, false); /* its door is not one to be closed */
	pass(&w, 1000);
	assert_was(&w, "bay6 stayed 0.00");
	w.settings.rate_count = 1;
	pass(&w, 1000);
	fence(&w, 1); /* by hand: its switch is busy */
	leave(&w, 5, true, false);
	leave(&w, 5, true, false);
	pass(&w, 1000);
	assert_was(&w, "bay6 stayed 0.00, bay2 fenced-by-hand 2.00, bay6 stayed 2.00, "
		       "bay6 stayed 2.00");
	leave(&w, 6, true, true);
	pass(&w, 1000);
	leave(&w, 5, true, false); /* too many already */
	assert_was(&w, "bay6 stayed 0.00, bay2 fenced-by-hand 2.00, bay6 stayed 2.00, "
		       "bay6 stayed 2.00, bay7 left 3.00, bay6 stayed 4.00");
	assert_might(&w, same(&w),
		     "bay6 stayed 0.00, bay2 fenced-by-hand 2.00, bay6 stayed 2.00, "
		     "bay6 stayed 2.00, bay7 left 3.00, bay6 stayed 4.00");
	night_end(&w);
}

static void a_leave_is_denied_in_a_storm_and_before_judging(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	pass(&w, 20000);
	w.is_silent[0] = w.is_silent[1] = w.is_silent[2] = w.is_silent[3] = true;
	pass(&w, 7000);
	assert_true(w.chassis.hold);
	leave(&w, 5, true, false);
	assert_was(&w, "bay2 suspected 21.60, bay3 suspected 21.70, bay4 suspected 21.80, "
		       ""
		       ""
		       ""
		       "bay1 suspected 22.50, all breaker-on 23.30, "
		       "bay2 held-by-breaker 24.10, bay3 held-by-breaker 24.20, "
		       "bay4 held-by-breaker 24.30, bay1 held-by-breaker 25.00, "
		       "bay6 stayed 27.00");
	night_end(&w);
	night_begin(&w);
	live_chassis_stop(&w.chassis);
	record_anew(&w.recorder, &w.settings, &w.view, w.around, w.now);
	w.is_silent[2] = true;
	pass(&w, 9000);
	leave(&w, 5, true, false);
	assert_was(&w, "bay6 stayed 9.00");
	assert_might(&w, same(&w), "bay6 stayed 9.00");
	night_end(&w);
}

static void who_leaves_when_it_is_fenced_long_since_does_not(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	w.settings.live.missed = 8;
	pass(&w, 20000);
	w.is_silent[2] = true;
	pass(&w, 6500);
	leave(&w, 2, true, true);
	pass(&w, 1000);
	assert_was(&w, "bay3 suspected 21.70, bay3 left 26.50");
	assert_might(&w, missed(3),
		     "bay3 suspected 21.70, bay3 judged-dead 22.20, bay3 stayed 26.50");
	night_end(&w);
}

static void who_was_let_in_again_and_had_not_been_fenced_goes_on(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	pass(&w, 20000);
	w.is_silent[2] = true;
	pass(&w, 6000);
	door_open(&w, 2);
	pass(&w, 2000);
	assert_was(&w, "bay3 suspected 21.70, bay3 judged-dead 24.20, "
		       "bay3 readmitted 26.00");
	assert_might(&w, missed(10), "bay3 suspected 21.70, ~bay3 judged-dead 29.20");
	assert_might(&w, same(&w),
		     "bay3 suspected 21.70, bay3 judged-dead 24.20, "
		     "bay3 readmitted 26.00, ~bay3 suspected 28.50, "
		     "~bay3 judged-dead 31.00");
	night_end(&w);
}

static void who_is_let_in_with_a_witness_against_it_is_dead_at_once(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	pass(&w, 20000);
	w.is_silent[2] = true;
	pass(&w, 6000);
	witness(&w, 2, LIVE_SAYS_DEAD);
	pass(&w, 500);
	door_open(&w, 2);
	pass(&w, 500);
	assert_was(&w, "bay3 suspected 21.70, bay3 judged-dead 24.20, "
		       "bay3 readmitted 26.50, bay3 proved-dead 26.55");
	assert_might(&w, same(&w),
		     "bay3 suspected 21.70, bay3 judged-dead 24.20, "
		     "bay3 readmitted 26.50, bay3 proved-dead 26.55");
	night_end(&w);
}

static void rest(struct night *w, size_t n)
{
	live_unwatch(&w->host[n]);
	record_unwatch(&w->recorder, n, w->now);
}

static void watch(struct night *w, size_t n)
{
	live_watch(&w->host[n], w->now);
	record_watch(&w->recorder, n, w->now);
}

static void who_is_not_watched_for_a_while_is_watched_afresh(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	pass(&w, 20000);
	w.is_silent[2] = true;
	pass(&w, 3500);
	rest(&w, 2);
	pass(&w, 2500);
	watch(&w, 2);
	pass(&w, 1000);
	watch(&w, 2); /* once more */
	pass(&w, 6000);
	assert_was(&w, "bay3 suspected 21.70, bay3 suspected 29.50, "
		       "bay3 judged-dead 32.00");
	assert_might(&w, same(&w),
		     "bay3 suspected 21.70, bay3 suspected 28.50, "
		     "bay3 judged-dead 31.00");
	assert_might(&w, missed(3), "bay3 suspected 21.70, bay3 judged-dead 22.20");
	night_end(&w);
}

/* Its incident goes on though its door is open. */
static void an_open_host_that_keeps_its_switch_is_waited_for(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	w.around[5].busy = true;
	w.busy_until[5] = START + 26000;
	record_busy(&w.recorder, 5, true, w.now);
	pass(&w, 20000);
	w.is_silent[2] = true;
	pass(&w, 7000);
	assert_was(&w, "bay3 suspected 21.70, bay3 waits-for-switch 24.20, "
		       "bay3 judged-dead 26.00");
	assert_might(&w, same(&w), "bay3 suspected 21.70, bay3 judged-dead 24.20");
	night_end(&w);
}

static void who_was_fenced_by_hand_keeps_its_switch_as_that_night(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	w.busy_ms = 1000;
	pass(&w, 20000);
	fence(&w, 6);
	w.is_silent[2] = true;
	pass(&w, 7000);
	assert_might(&w, same(&w),
		     "bay7 fenced-by-hand 20.00, bay3 suspected 21.70, "
		     "bay3 judged-dead 24.20");
	night_end(&w);
}

static void what_lasts_is_told_once(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	w.settings.rate_count = 1;
	pass(&w, 20000);
	w.host[1].aside = true;
	w.is_silent[1] = w.is_silent[2] = w.is_silent[3] = true;
	pass(&w, 7000);
	assert_was(&w, "bay2 suspected 21.60, bay3 suspected 21.70, bay4 suspected 21.80, "
		       ""
		       ""
		       ""
		       "bay2 told-only 24.10, bay3 judged-dead 24.20, "
		       "bay4 waits-for-switch 24.30, bay4 waits-for-rate 24.40");
	night_end(&w);
}

static void a_cold_spare_that_is_off_is_told_once_and_one_that_is_silent_is_fenced(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	pass(&w, 20000);
	w.around[2].cold = w.around[3].cold = true;
	w.is_silent[2] = w.is_silent[3] = true;
	record_cold(&w.recorder, 2, true);
	record_cold(&w.recorder, 3, true);
	pass(&w, 1000);
	witness(&w, 2, LIVE_SAYS_DEAD);
	pass(&w, 5000);
	assert_was(&w, "bay3 cold-spare 21.05, bay4 suspected 21.80, "
		       "bay4 judged-dead 24.30");
	night_end(&w);
}

static void who_is_proved_dead_waits_for_no_switch(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	w.busy_ms = 9000;
	pass(&w, 20000);
	fence(&w, 6);
	w.is_silent[2] = true;
	pass(&w, 1000);
	witness(&w, 2, LIVE_SAYS_DEAD);
	pass(&w, 1000);
	assert_was(&w, "bay7 fenced-by-hand 20.00, bay3 proved-dead 21.05");
	night_end(&w);
}

static void a_storm_names_who_is_held_and_since_when(void **state)
{
	struct replay_change all = { .which = REPLAY_SET_POLICY,
				     .settings.live.policy = LIVE_WITNESS_ALL };
	struct night w;

	(void)state;
	night_begin(&w);
	pass(&w, 20000);
	rest(&w, 6);
	w.host[5].aside = true;
	for (size_t i = 0; i < 4; i++)
		w.is_silent[i] = true;
	w.is_silent[5] = w.is_silent[6] = true;
	pass(&w, 7000);
	assert_was(&w, "bay2 suspected 21.60, bay3 suspected 21.70, bay4 suspected 21.80, "
		       ""
		       ""
		       ""
		       "bay6 suspected 22.00, bay1 suspected 22.50, all breaker-on 23.30, "
		       ""
		       ""
		       ""
		       "bay2 held-by-breaker 24.10, bay3 held-by-breaker 24.20, "
		       "bay4 held-by-breaker 24.30, bay1 held-by-breaker 25.00");
	assert_might(&w, all,
		     "bay2 suspected 21.60, bay3 suspected 21.70, bay4 suspected 21.80, "
		     ""
		     ""
		     ""
		     "bay6 suspected 22.00, bay1 suspected 22.50, all breaker-on 23.30");
	night_end(&w);
}

/* Looks are a beat apart: who is suspected is overdue already, and that is told with the next. */
static void one_look_tells_one_thing_of_a_host(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	w.settings.live.missed = 3;
	pass(&w, 20000);
	w.is_silent[1] = w.is_silent[2] = w.is_silent[3] = true;
	pass(&w, 500);
	for (int i = 0; i < 3; i++)
		look_once(&w);
	assert_was(&w, "all breaker-on 21.50, bay2 suspected 22.50, bay3 suspected 22.50, "
		       "bay4 suspected 22.50, bay2 held-by-breaker 23.50, "
		       "bay3 held-by-breaker 23.50, bay4 held-by-breaker 23.50");
	night_end(&w);
}

/* What the record says of a look is held against the run by its host and by its word. */
static void who_was_another_and_what_was_another_is_found_out(void **state)
{
	struct night w;

	(void)state;
	for (int host = 0; host < 2; host++) {
		night_begin(&w);
		pass(&w, 20000);
		record_judge(&w.recorder, &w.settings, &w.view, w.now + 10, 0);
		record_witness(&w.recorder, 5, LIVE_SAYS_DEAD, w.now + 10);
		record_judge(&w.recorder, &w.settings, &w.view, w.now + 20, 0);
		record_say(&w.recorder, host ? 6 : 5, host ? RECORD_PROVED : RECORD_FENCED);
		assert_differs(&w, host ? "bay7 was proved dead; now bay6 is proved dead"
					: "bay6 was judged dead; now bay6 is proved dead");
		night_end(&w);
	}
}

/* ---- looks that the night has not made ---- */

static void no_look_is_made_while_the_manager_stood_though_beats_were_heard(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	pass(&w, 20000);
	w.now += 100;
	beat(&w, 1);
	w.now += 7000;
	pass(&w, 2000);
	assert_was(&w, "");
	assert_might(&w, missed(3), "");
	night_end(&w);
}

/* Once a beat suffices. */
static void a_manager_that_looked_once_a_beat_would_have_looked_when_it_was_due(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	pass(&w, 20000);
	w.is_silent[2] = true;
	for (int i = 0; i < 4; i++)
		look_once(&w);
	assert_might(&w, missed(3), "bay3 suspected 21.70, bay3 judged-dead 22.20");
	night_end(&w);
}

static void a_beat_that_comes_when_it_is_due_comes_in_time(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	pass(&w, 20000);
	w.is_silent[0] = true;
	pass(&w, 2 * BEAT);
	w.is_silent[0] = false;
	pass(&w, 3 * BEAT);
	assert_might(&w, missed(3), "bay1 suspected 22.50, bay1 recovered 23.00");
	night_end(&w);
}

static void who_has_been_silent_for_two_beats_and_a_half_stays_silent(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	pass(&w, 20000);
	w.is_silent[2] = true;
	while (w.now < w.host[2].last_beat_ms + 2 * BEAT + BEAT / 2)
		pass(&w, TICK);
	assert_was(&w, "bay3 suspected 21.70");
	assert_might(&w, same(&w), "bay3 suspected 21.70, ~bay3 judged-dead 24.20");
	night_end(&w);
}

/* No beat tells when the switch is free. */
static void who_waits_at_the_end_is_followed_for_one_beat_more(void **state)
{
	struct night w;

	(void)state;
	for (int over = 0; over < 2; over++) {
		struct replay_change change;

		two_fall_silent(&w, 9000);
		pass(&w, 3000);
		w.busy_ms = 200;
		leave(&w, 6, true, true);
		w.is_silent[6] = true;
		w.busy_ms = 9000;
		pass(&w, 2700);
		change = same(&w);
		change.busy_ms = over ? 3500 : 2500;
		assert_might(&w, change,
			     over ? "bay3 suspected 21.70, bay4 suspected 21.80, bay7 left 23.00, "
				    "bay3 judged-dead 24.20, bay4 waits-for-switch 24.30"
				  : "bay3 suspected 21.70, bay4 suspected 21.80, bay7 left 23.00, "
				    "bay3 judged-dead 24.20, bay4 waits-for-switch 24.30, "
				    "~bay4 judged-dead 26.70");
		night_end(&w);
	}
}

/* ---- bytes that are no record ---- */

static void every_cut_and_every_changed_byte_is_refused_or_run(void **state)
{
	OWNED(buf_done) struct buf bytes = { 0 };
	char why[REPLAY_WHY_MAX];
	struct night w;

	(void)state;
	night_begin(&w);
	pass(&w, 3000);
	w.is_silent[2] = true;
	pass(&w, 7000);
	assert_int_equal(
		record_export(&w.recorder, &w.view, 2, START, w.now, name_of, NULL, &bytes), 0);
	for (size_t length = 0; length < bytes.length; length++) {
		struct replay *replay = NULL;

		if (!replay_open(bytes.data, length, why, &replay))
			replay_free(replay);
		else
			assert_true(why[0]);
	}
	for (size_t i = 0; i < bytes.length; i++) {
		struct replay *replay = NULL;
		struct replay_outcome out = { 0 };

		bytes.data[i] ^= 0x55;
		if (!replay_open(bytes.data, bytes.length, why, &replay)) {
			(void)!replay_run(replay, &(struct replay_change){ 0 }, &out);
			replay_outcome_done(&out);
			replay_free(replay);
		}
		bytes.data[i] ^= 0x55;
	}
	night_end(&w);
}

static void another_version_is_named(void **state)
{
	OWNED(buf_done) struct buf bytes = { 0 };
	struct replay *replay = NULL;
	char why[REPLAY_WHY_MAX];

	(void)state;
	buf_le32(&bytes, RECORD_MAGIC);
	buf_u8(&bytes, RECORD_VERSION + 1);

	assert_int_equal(replay_open(bytes.data, bytes.length, why, &replay), -EBADMSG);
	assert_string_equal(why, "the record is of version 2; this program reads version 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_quiet_night_runs_again_as_it_was),
		cmocka_unit_test(a_death_runs_again_at_the_same_look),
		cmocka_unit_test(storms_stalls_witnesses_and_the_rate_run_again),
		cmocka_unit_test(who_leaves_and_who_is_fenced_by_hand_run_again),
		cmocka_unit_test(what_is_kept_reaches_back_and_is_bounded),
		cmocka_unit_test(beats_without_looks_do_not_fill_memory),
		cmocka_unit_test(a_beat_that_was_not_recorded_is_found_out),
		cmocka_unit_test(a_verdict_without_a_reason_is_found_out),
		cmocka_unit_test(a_verdict_that_was_not_given_is_found_out),
		cmocka_unit_test(every_step_has_its_words),
		cmocka_unit_test(whatever_was_not_recorded_is_found_out_in_the_next_state),
		cmocka_unit_test(fewer_missed_beats_judge_earlier),
		cmocka_unit_test(more_missed_beats_judge_later_than_the_record_goes),
		cmocka_unit_test(a_host_that_beat_again_after_its_fence_would_have_been_spared),
		cmocka_unit_test(a_lower_storm_limit_would_have_held_it),
		cmocka_unit_test(a_lower_rate_would_have_made_the_second_wait),
		cmocka_unit_test(a_witness_that_is_not_asked_does_not_cut_the_wait_short),
		cmocka_unit_test(a_manager_that_was_stopped_would_not_have_looked_then_either),
		cmocka_unit_test(the_second_waits_as_long_as_the_first_kept_their_switch),
		cmocka_unit_test(another_switch_is_not_waited_for),
		cmocka_unit_test(how_long_is_told_too_by_one_that_was_proved_dead),
		cmocka_unit_test(how_long_is_told_too_by_one_that_was_fenced_by_hand),
		cmocka_unit_test(how_long_is_told_too_by_one_that_left),
		cmocka_unit_test(how_long_is_not_told_of_what_had_begun_before),
		cmocka_unit_test(a_leave_is_denied_as_it_was),
		cmocka_unit_test(a_leave_is_denied_in_a_storm_and_before_judging),
		cmocka_unit_test(who_leaves_when_it_is_fenced_long_since_does_not),
		cmocka_unit_test(who_was_let_in_again_and_had_not_been_fenced_goes_on),
		cmocka_unit_test(who_is_let_in_with_a_witness_against_it_is_dead_at_once),
		cmocka_unit_test(who_is_not_watched_for_a_while_is_watched_afresh),
		cmocka_unit_test(an_open_host_that_keeps_its_switch_is_waited_for),
		cmocka_unit_test(who_was_fenced_by_hand_keeps_its_switch_as_that_night),
		cmocka_unit_test(what_lasts_is_told_once),
		cmocka_unit_test(
			a_cold_spare_that_is_off_is_told_once_and_one_that_is_silent_is_fenced),
		cmocka_unit_test(who_is_proved_dead_waits_for_no_switch),
		cmocka_unit_test(a_storm_names_who_is_held_and_since_when),
		cmocka_unit_test(no_look_is_made_while_the_manager_stood_though_beats_were_heard),
		cmocka_unit_test(
			a_manager_that_looked_once_a_beat_would_have_looked_when_it_was_due),
		cmocka_unit_test(a_beat_that_comes_when_it_is_due_comes_in_time),
		cmocka_unit_test(one_look_tells_one_thing_of_a_host),
		cmocka_unit_test(who_was_another_and_what_was_another_is_found_out),
		cmocka_unit_test(who_has_been_silent_for_two_beats_and_a_half_stays_silent),
		cmocka_unit_test(who_waits_at_the_end_is_followed_for_one_beat_more),
		cmocka_unit_test(every_cut_and_every_changed_byte_is_refused_or_run),
		cmocka_unit_test(another_version_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
