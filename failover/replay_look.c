/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "failover/replay_look.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	WORK_MAX = 8 << 20, /* looks times hosts: some 50 ms */
	LOOK_GAP_MS = 10,   /* as hosts_judge(): never twice at one time */
};

void replay_run_done(struct replay_run *run)
{
	replay_state_done(&run->s);
	free(run->lives);
	free(run->verdicts);
	free(run->parts);
	free(run->said);
}

const char *replay_host_name(const struct replay_run *run, uint16_t host)
{
	return host == REPLAY_CHASSIS ? "the chassis" : run->replay->hosts[host].name;
}

/* The first one stands. */
void replay_differs(struct replay_run *run, const char *format, ...)
{
	int64_t offset = (int64_t)(run->now_ms - run->replay->zero_ms);
	char *text = run->out->difference;
	va_list args;
	int n;

	if (!run->is_exact || text[0])
		return;
	n = snprintf(text, REPLAY_WHY_MAX, "%+.3f s: ", (double)offset / 1000);
	va_start(args, format);
	(void)vsnprintf(text + n, REPLAY_WHY_MAX - (size_t)n, format, args); /* cut when long */
	va_end(args);
}

static void step_add(struct replay_run *run, uint16_t host, enum replay_what what)
{
	struct replay_step *grown;

	if (run->out->count == run->room) {
		run->room = run->room ? run->room * 2 : 64;
		grown = realloc(run->out->steps, run->room * sizeof(*grown));
		if (!grown) {
			run->error = -ENOMEM;
			return;
		}
		run->out->steps = grown;
	}
	run->out->steps[run->out->count++] = (struct replay_step){
		.at_ms = run->now_ms, .host = host, .what = (uint8_t)what, .assumed = run->assumed
	};
}

static bool is_condition(enum replay_what what)
{
	return what == REPLAY_NOT_ACTED || what == REPLAY_WAITS || what == REPLAY_RATED ||
	       what == REPLAY_BREAKER || what == REPLAY_OFF;
}

/* For people: what lasts is told once. */
void replay_tell(struct replay_run *run, uint16_t host, enum replay_what what)
{
	uint8_t *last = host == REPLAY_CHASSIS ? NULL : &run->parts[host].said;

	if (last && is_condition(what) && *last == what + 1)
		return;
	if (last)
		*last = (uint8_t)(what + 1);
	step_add(run, host, what);
}

/* For the record: every word of a look. */
static void say(struct replay_run *run, uint16_t host, enum replay_what what)
{
	replay_tell(run, host, what);
	if (run->is_exact)
		run->said[run->said_count++] =
			(struct replay_step){ .host = host, .what = (uint8_t)what };
}

int replay_run_init(struct replay_run *run, const struct replay *replay,
		    const struct replay_change *change, struct replay_outcome *out)
{
	size_t count = replay->host_count;
	int r = replay_state_init(&run->s, count);

	run->replay = replay;
	run->change = change;
	run->is_exact = !change->which;
	run->out = out;
	run->lives = calloc(count, sizeof(*run->lives));
	run->verdicts = calloc(count, sizeof(*run->verdicts));
	run->parts = calloc(count, sizeof(*run->parts));
	run->said = calloc(count + 1, sizeof(*run->said));
	if (r || !run->lives || !run->verdicts || !run->parts || !run->said)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		run->lives[i] = &run->s.live[i];
	return 0;
}

/* Those of the night, but for what is set. */
void replay_settings_turn(struct replay_run *run)
{
	const struct record_settings *set = &run->change->settings;
	struct record_settings *now = &run->s.settings;
	unsigned which = run->change->which;

	if (which & REPLAY_SET_MISSED)
		now->live.missed = set->live.missed;
	if (which & REPLAY_SET_POLICY)
		now->live.policy = set->live.policy;
	if (which & REPLAY_SET_STORM_PERCENT)
		now->live.storm_percent = set->live.storm_percent;
	if (which & REPLAY_SET_STORM_MIN)
		now->live.storm_min = set->live.storm_min;
	if (which & REPLAY_SET_RATE_COUNT)
		now->rate_count = set->rate_count;
	if (which & REPLAY_SET_RATE_WINDOW)
		now->rate_window_ms = set->rate_window_ms;
}

/* ---- S5 ---- */

/* Return: false when it is too much. */
static bool work_add(struct replay_run *run)
{
	run->work += run->s.count;
	if (run->work > WORK_MAX)
		run->error = -E2BIG;
	return !run->error;
}

static bool is_busy(const struct replay_run *run, size_t n)
{
	const struct replay_part *part = &run->parts[n];

	return part->own ? run->now_ms < part->busy_until_ms : run->s.hosts[n].busy;
}

bool replay_switch_is_busy(struct replay_run *run, size_t n)
{
	if (!work_add(run))
		return false;
	for (size_t i = 0; i < run->s.count; i++)
		if (run->replay->hosts[i].group == run->replay->hosts[n].group && is_busy(run, i))
			return true;
	return false;
}

bool replay_rate_allows(const struct replay_run *run)
{
	return live_rate_allows(&run->s.rate, run->s.settings.rate_count,
				run->s.settings.rate_window_ms, run->now_ms);
}

/* Its door is closed. */
void replay_host_shut(struct replay_run *run, size_t n)
{
	struct replay_part *part = &run->parts[n];
	uint64_t busy_ms = part->night_busy_ms ? part->night_busy_ms : run->change->busy_ms;

	live_unwatch(&run->s.live[n]);
	run->s.hosts[n].shut = true;
	run->s.hosts[n].busy = true;
	part->own = !run->is_exact;
	part->busy_until_ms = run->now_ms + busy_ms;
}

/* ---- a look ---- */

static void host_dead(struct replay_run *run, uint16_t n, bool proved)
{
	if (proved && run->s.hosts[n].cold) {
		say(run, n, REPLAY_OFF);
		return;
	}
	if (run->s.live[n].aside) {
		say(run, n, REPLAY_NOT_ACTED);
		return;
	}
	if (!proved && replay_switch_is_busy(run, n)) {
		say(run, n, REPLAY_WAITS);
		return;
	}
	if (!proved && !replay_rate_allows(run)) {
		say(run, n, REPLAY_RATED);
		return;
	}
	if (!proved)
		live_rate_note(&run->s.rate, run->now_ms);
	say(run, n, proved ? REPLAY_PROVED : REPLAY_FENCED);
	replay_host_shut(run, n);
}

/* S4: who would have been judged but for the breaker. It is no word of the record's. */
static void breaker_tell(struct replay_run *run)
{
	const struct live_config *config = &run->s.settings.live;

	for (uint16_t i = 0; run->s.chassis.hold && i < run->s.count; i++) {
		const struct live_host *live = run->lives[i];
		uint64_t since =
			live->last_beat_ms > live->fresh_ms ? live->last_beat_ms : live->fresh_ms;

		if (live->watched && !live->aside && run->verdicts[i] == LIVE_NOTHING &&
		    config->policy != LIVE_WITNESS_ALL &&
		    run->now_ms >= since + live_window_ms(config))
			replay_tell(run, i, REPLAY_BREAKER);
	}
}

static void verdicts_take(struct replay_run *run)
{
	for (uint16_t i = 0; i < run->s.count; i++) {
		switch (run->verdicts[i]) {
		case LIVE_NOTHING:
			break;
		case LIVE_SUSPECTED:
			say(run, i, REPLAY_SUSPECTED);
			break;
		case LIVE_RECOVERED:
			say(run, i, REPLAY_RECOVERED);
			break;
		case LIVE_DEAD:
		case LIVE_DEAD_PROVED:
			host_dead(run, i, run->verdicts[i] == LIVE_DEAD_PROVED);
			break;
		}
	}
}

void replay_next_plan(struct replay_run *run)
{
	if (!work_add(run))
		return;
	run->next_ms = live_next_ms(&run->s.chassis, &run->s.settings.live, run->lives,
				    run->s.count, run->now_ms);
	if (run->next_ms <= run->look_ms)
		run->next_ms = run->look_ms + LOOK_GAP_MS;
}

void replay_look(struct replay_run *run, uint64_t at_ms, uint64_t waits_ms)
{
	if (!work_add(run))
		return;
	run->now_ms = at_ms;
	run->look_ms = at_ms;
	run->said_count = 0;
	run->said_seen = 0;
	if (live_judge(&run->s.chassis, &run->s.settings.live, run->lives, run->s.count, at_ms,
		       waits_ms, run->verdicts))
		say(run, REPLAY_CHASSIS, run->s.chassis.hold ? REPLAY_HELD : REPLAY_RESUMED);
	verdicts_take(run);
	breaker_tell(run);
	if (!run->is_exact)
		replay_next_plan(run);
}
