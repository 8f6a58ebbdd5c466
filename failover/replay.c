/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "failover/replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "failover/replay_look.h"

static const struct {
	const char *word;
	const char *text;
} whats[REPLAY_WHATS] = {
	[REPLAY_SUSPECTED] = { "suspected", "suspected" },
	[REPLAY_RECOVERED] = { "recovered", "beating again" },
	[REPLAY_FENCED] = { "judged-dead", "judged dead" },
	[REPLAY_PROVED] = { "proved-dead", "proved dead" },
	[REPLAY_NOT_ACTED] = { "told-only", "judged dead, and not acted on" },
	[REPLAY_WAITS] = { "waits-for-switch", "held by another incident at its switch" },
	[REPLAY_RATED] = { "waits-for-rate", "held by the rate of failovers" },
	[REPLAY_OFF] = { "cold-spare", "off, a cold spare" },
	[REPLAY_BREAKER] = { "held-by-breaker", "held by the storm breaker" },
	[REPLAY_BEGUN] = { "fenced-by-hand", "fenced by hand" },
	[REPLAY_LEFT] = { "left", "leaving, and fenced" },
	[REPLAY_STAYED] = { "stayed", "leaving, and not fenced" },
	[REPLAY_OPENED] = { "readmitted", "readmitted" },
	[REPLAY_HELD] = { "breaker-on", "held by the storm breaker" },
	[REPLAY_RESUMED] = { "breaker-off", "held no more" },
};

const char *replay_what_text(enum replay_what what)
{
	return whats[what].text;
}

const char *replay_what_word(enum replay_what what)
{
	return whats[what].word;
}

/* ---- as it was: every word is confirmed by the record ---- */

static void said_check(struct replay_run *run, uint16_t host, enum replay_what what)
{
	const struct replay_step *said = &run->said[run->said_seen];

	if (run->said_seen == run->said_count)
		replay_differs(run, "%s was %s, and is not now", replay_host_name(run, host),
			       replay_what_text(what));
	else if (said->host != host || said->what != what)
		replay_differs(run, "%s was %s; now %s is %s", replay_host_name(run, host),
			       replay_what_text(what), replay_host_name(run, said->host),
			       replay_what_text((enum replay_what)said->what));
	else
		run->said_seen++;
}

static void said_end(struct replay_run *run)
{
	const struct replay_step *said = &run->said[run->said_seen];

	if (run->said_seen < run->said_count)
		replay_differs(run, "%s is %s, and was not that night",
			       replay_host_name(run, said->host),
			       replay_what_text((enum replay_what)said->what));
	run->said_count = 0;
	run->said_seen = 0;
}

static bool host_is_as(const struct replay_state *a, const struct replay_state *b, size_t n)
{
	return a->live[n].watched == b->live[n].watched &&
	       a->live[n].suspect == b->live[n].suspect && a->live[n].aside == b->live[n].aside &&
	       a->live[n].witness == b->live[n].witness &&
	       a->live[n].last_beat_ms == b->live[n].last_beat_ms &&
	       a->live[n].fresh_ms == b->live[n].fresh_ms && a->hosts[n].shut == b->hosts[n].shut &&
	       a->hosts[n].busy == b->hosts[n].busy && a->hosts[n].cold == b->hosts[n].cold;
}

/* A state that was put down: the run must stand exactly there. */
static void state_check(struct replay_run *run, const struct replay_entry *e)
{
	OWNED(replay_state_done) struct replay_state was = { 0 };
	const struct replay_state *mine = &run->s;

	if (replay_state_init(&was, run->s.count)) {
		run->error = -ENOMEM;
		return;
	}
	replay_state_load(run->replay, e, &was);
	run->now_ms = e->at_ms;
	if (was.chassis.hold != mine->chassis.hold ||
	    was.chassis.judging != mine->chassis.judging ||
	    was.chassis.last_judge_ms != mine->chassis.last_judge_ms ||
	    was.chassis.quiet_since_ms != mine->chassis.quiet_since_ms)
		replay_differs(run, "the chassis is not in the state that was put down");
	if (was.rate.count != mine->rate.count ||
	    memcmp(was.rate.at_ms, mine->rate.at_ms, was.rate.count * sizeof(was.rate.at_ms[0])) !=
		    0)
		replay_differs(
			run, "the failovers that count for the rate are others than were put down");
	for (uint16_t i = 0; i < mine->count; i++)
		if (!host_is_as(&was, mine, i))
			replay_differs(run, "%s is not in the state that was put down",
				       replay_host_name(run, i));
}

/* ---- as it might have been ---- */

/* How long each host's incident kept its switch, by the record. */
static void night_measure(struct replay_run *run)
{
	for (size_t i = 0; i < run->replay->entry_count; i++) {
		const struct replay_entry *e = &run->replay->entries[i];
		struct replay_part *part = &run->parts[e->host];

		if (e->kind == RECORD_BEGIN || e->kind == RECORD_LEAVE ||
		    (e->kind == RECORD_SAID &&
		     (e->value == RECORD_FENCED || e->value == RECORD_PROVED)))
			part->night_begun_ms = e->at_ms;
		if (e->kind == RECORD_BUSY && !e->value && part->night_begun_ms &&
		    !part->night_busy_ms)
			part->night_busy_ms = e->at_ms - part->night_begun_ms;
	}
}

/* Behind the look at entry @i: did the manager look again within a beat? */
static bool looks_on(const struct replay_run *run, size_t i)
{
	uint64_t at_ms = run->replay->entries[i].at_ms;
	uint64_t then_ms = run->replay->end_ms;

	for (size_t k = i + 1; k < run->replay->entry_count; k++) {
		if (run->replay->entries[k].kind != RECORD_JUDGE)
			continue;
		then_ms = run->replay->entries[k].at_ms;
		break;
	}
	return then_ms >= at_ms && then_ms - at_ms <= run->s.settings.live.interval_ms;
}

/* The looks that the settings want before @at_ms. */
static void looks_make(struct replay_run *run, uint64_t at_ms)
{
	while (!run->error && run->may_look && run->s.chassis.judging) {
		if (run->next_ms < at_ms)
			replay_next_plan(run); /* a beat may have put it off */
		if (run->error || run->next_ms >= at_ms)
			return;
		replay_look(run, run->next_ms, run->waits_ms);
	}
}

/* Who was silent at the end of the record stays so; all others beat on. */
static void beats_make(struct replay_run *run, const bool *is_silent, uint64_t at_ms)
{
	uint32_t interval = run->s.settings.live.interval_ms;

	for (size_t i = 0; i < run->s.count; i++) {
		struct live_host *live = &run->s.live[i];

		if (is_silent[i] || !live->last_beat_ms || live->last_beat_ms >= at_ms)
			continue;
		live_beat(live, &run->s.settings.live,
			  live->last_beat_ms + (at_ms - live->last_beat_ms) / interval * interval);
	}
}

/* @horizon_ms: when the last of them is due. Return: false when nobody is silent. */
static bool silent_find(const struct replay_run *run, bool *is_silent, uint64_t *horizon_ms)
{
	const struct live_config *config = &run->s.settings.live;
	bool any = false;

	*horizon_ms = run->now_ms;
	for (size_t i = 0; i < run->s.count; i++) {
		const struct live_host *live = &run->s.live[i];
		uint64_t since =
			live->last_beat_ms > live->fresh_ms ? live->last_beat_ms : live->fresh_ms;
		uint64_t due = since + live_window_ms(config);

		/* Two beats, and half of one: no jitter looks like it. */
		is_silent[i] = run->now_ms >= live->last_beat_ms + 2 * config->interval_ms +
						      config->interval_ms / 2;
		if (!is_silent[i] || !live->watched)
			continue;
		any = true;
		if (due > *horizon_ms)
			*horizon_ms = due;
	}
	*horizon_ms += config->interval_ms;
	return any;
}

static void end_assume(struct replay_run *run)
{
	bool *is_silent = calloc(run->s.count, sizeof(*is_silent));
	uint64_t horizon_ms;

	if (!is_silent) {
		run->error = -ENOMEM;
		return;
	}
	run->now_ms = run->replay->end_ms;
	run->assumed = true;
	if (silent_find(run, is_silent, &horizon_ms)) {
		while (!run->error && run->s.chassis.judging) {
			replay_next_plan(run);
			if (run->error || run->next_ms > horizon_ms)
				break;
			beats_make(run, is_silent, run->next_ms);
			replay_look(run, run->next_ms, 0);
		}
	}
	free(is_silent);
}

/* ---- entries ---- */

static void beat_run(struct replay_run *run, const struct replay_entry *e)
{
	struct live_host *live = &run->s.live[e->host];

	if (run->s.hosts[e->host].shut)
		live->last_beat_ms = e->at_ms;
	else
		live_beat(live, &run->s.settings.live, e->at_ms);
}

static void leave_run(struct replay_run *run, const struct replay_entry *e)
{
	bool stays = !e->value || !run->s.chassis.judging || run->s.chassis.hold ||
		     run->s.hosts[e->host].shut || replay_switch_is_busy(run, e->host) ||
		     !replay_rate_allows(run);

	replay_tell(run, e->host, stays ? REPLAY_STAYED : REPLAY_LEFT);
	if (stays)
		return;
	live_rate_note(&run->s.rate, run->now_ms);
	replay_host_shut(run, e->host);
	/* It is that night's, but for what the settings forbid. */
	run->parts[e->host].own = false;
}

static void begin_run(struct replay_run *run, const struct replay_entry *e)
{
	if (run->s.hosts[e->host].shut)
		return;
	replay_tell(run, e->host, REPLAY_BEGUN);
	replay_host_shut(run, e->host);
	run->parts[e->host].own = false;
}

static void open_run(struct replay_run *run, const struct replay_entry *e)
{
	run->parts[e->host].night_shut = false;
	if (!run->s.hosts[e->host].shut)
		return;
	run->s.hosts[e->host].shut = false;
	run->s.hosts[e->host].busy = false;
	run->parts[e->host].own = false;
	replay_tell(run, e->host, REPLAY_OPENED);
}

/* What that night's incident of a host does counts while it is the run's too. */
static bool is_nights(const struct replay_run *run, uint16_t host)
{
	return run->is_exact || (run->s.hosts[host].shut && !run->parts[host].own);
}

static void watch_run(struct replay_run *run, const struct replay_entry *e)
{
	/* Let in again that night after a fence that has not been here. */
	if (!run->is_exact && (run->s.hosts[e->host].shut || run->s.live[e->host].watched))
		return;
	live_watch(&run->s.live[e->host], e->at_ms);
}

static void witness_run(struct replay_run *run, const struct replay_entry *e)
{
	/* The fence itself takes link and power. */
	if (!run->is_exact && run->parts[e->host].night_shut && !run->s.hosts[e->host].shut)
		return;
	run->s.live[e->host].witness = (enum live_witness)e->value;
}

static void judge_run(struct replay_run *run, const struct replay_entry *e, size_t i)
{
	if (run->is_exact)
		said_end(run);
	run->waits_ms = e->extra;
	replay_look(run, e->at_ms, e->extra);
	run->may_look = !run->is_exact && looks_on(run, i);
}

static void said_run(struct replay_run *run, const struct replay_entry *e)
{
	static const enum replay_what said[RECORD_SAIDS] = {
		[RECORD_SUSPECTED] = REPLAY_SUSPECTED, [RECORD_RECOVERED] = REPLAY_RECOVERED,
		[RECORD_FENCED] = REPLAY_FENCED,       [RECORD_PROVED] = REPLAY_PROVED,
		[RECORD_NOT_ACTED] = REPLAY_NOT_ACTED, [RECORD_WAITS] = REPLAY_WAITS,
		[RECORD_RATED] = REPLAY_RATED,         [RECORD_OFF] = REPLAY_OFF,
	};

	if (e->value == RECORD_FENCED || e->value == RECORD_PROVED)
		run->parts[e->host].night_shut = true;
	if (run->is_exact)
		said_check(run, e->host, said[e->value]);
}

static void settings_run(struct replay_run *run, const struct replay_entry *e)
{
	replay_settings_load(run->replay, e, &run->s.settings);
	replay_settings_turn(run);
}

static void entry_run(struct replay_run *run, const struct replay_entry *e, size_t i)
{
	if (replay_entry_has_time(e)) {
		looks_make(run, e->at_ms);
		run->now_ms = e->at_ms;
	}
	switch ((enum record_kind)e->kind) {
	case RECORD_STATE:
		if (run->is_exact)
			said_end(run);
		if (run->is_exact)
			state_check(run, e);
		break;
	case RECORD_BEAT:
		beat_run(run, e);
		break;
	case RECORD_WATCH:
		watch_run(run, e);
		break;
	case RECORD_OPEN:
		open_run(run, e);
		break;
	case RECORD_BEGIN:
		run->parts[e->host].night_shut = true;
		begin_run(run, e);
		break;
	case RECORD_LEAVE:
		leave_run(run, e);
		break;
	case RECORD_ASIDE:
		run->s.live[e->host].aside = e->value;
		break;
	case RECORD_WITNESS:
		witness_run(run, e);
		break;
	case RECORD_BUSY:
		if (is_nights(run, e->host))
			run->s.hosts[e->host].busy = e->value;
		break;
	case RECORD_SETTINGS:
		settings_run(run, e);
		break;
	case RECORD_JUDGE:
		judge_run(run, e, i);
		break;
	case RECORD_SAID:
		said_run(run, e);
		break;
	case RECORD_HOLD:
		if (run->is_exact)
			said_check(run, REPLAY_CHASSIS, e->value ? REPLAY_HELD : REPLAY_RESUMED);
		break;
	case RECORD_UNWATCH:
		live_unwatch(&run->s.live[e->host]);
		break;
	case RECORD_COLD:
		run->s.hosts[e->host].cold = e->value;
		break;
	case RECORD_RATE:
		live_rate_note(&run->s.rate, e->at_ms);
		break;
	case RECORD_KINDS:
		break;
	}
}

void replay_outcome_done(struct replay_outcome *outcome)
{
	free(outcome->steps);
	*outcome = (struct replay_outcome){ 0 };
}

int replay_run(const struct replay *replay, const struct replay_change *change,
	       struct replay_outcome *out)
{
	OWNED(replay_run_done) struct replay_run run = { 0 };
	OWNED(replay_outcome_done) struct replay_outcome outcome = { 0 };
	int r = replay_run_init(&run, replay, change, &outcome);

	if (r)
		return r;
	if (!run.is_exact)
		night_measure(&run);
	replay_state_load(replay, &replay->entries[0], &run.s);
	run.now_ms = run.look_ms = replay->begin_ms;
	replay_settings_turn(&run);
	for (size_t i = 1; i < replay->entry_count && !run.error; i++)
		entry_run(&run, &replay->entries[i], i);
	if (!run.is_exact && !run.error)
		end_assume(&run);
	if (run.error)
		return run.error;
	outcome.is_same = run.is_exact && !outcome.difference[0];
	*out = outcome;
	outcome = (struct replay_outcome){ 0 };
	return 0;
}
