/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "failover/replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cursor.h"

enum {
	WORK_MAX = 8 << 20, /* looks times hosts: some 50 ms */
	LOOK_GAP_MS = 10,   /* as hosts_judge(): never twice at one time */
};

#define TIME_MAX (UINT64_C(1) << 62)

struct replay_entry {
	uint64_t at_ms;
	uint64_t extra; /* STATE, SETTINGS: where they stand; JUDGE: since when the database waits
			 */
	uint16_t host;
	uint8_t kind;
	uint8_t value;
};

_Static_assert(RECORD_KINDS == 16, "every low half of a byte is a kind");

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

/* ---- bytes ---- */

static uint64_t number_read(struct cursor *c)
{
	uint64_t n = 0;

	for (unsigned shift = 0; shift < 63; shift += 7) {
		uint8_t byte = cursor_u8(c);

		n |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return n;
	}
	c->overrun = true;
	return 0;
}

static uint64_t number_read_to(struct cursor *c, uint64_t least, uint64_t most)
{
	uint64_t n = number_read(c);

	if (n < least || n > most)
		c->overrun = true;
	return c->overrun ? least : n;
}

static uint64_t unzigzag(struct cursor *c, uint64_t from_ms, uint64_t z)
{
	uint64_t far = (z >> 1) + (z & 1);
	bool fits = z & 1 ? far <= from_ms : far < TIME_MAX - from_ms;

	if (!fits)
		c->overrun = true;
	if (!fits)
		return from_ms;
	return z & 1 ? from_ms - far : from_ms + far;
}

static uint64_t time_read(struct cursor *c, uint64_t from_ms)
{
	return unzigzag(c, from_ms, number_read(c));
}

/* One that may be 0, for never. */
static uint64_t time_read_maybe(struct cursor *c, uint64_t from_ms)
{
	uint64_t z = number_read(c);

	return z ? unzigzag(c, from_ms, z - 1) : 0;
}

static void settings_read(struct cursor *c, struct record_settings *s)
{
	s->live.interval_ms = (uint32_t)number_read_to(c, 1, 3600000);
	s->live.missed = (uint32_t)number_read_to(c, 1, 10000);
	s->live.storm_percent = (uint32_t)number_read_to(c, 0, 100);
	s->live.storm_min = (uint32_t)number_read_to(c, 0, UINT32_MAX);
	s->live.policy = (enum live_policy)number_read_to(c, 0, LIVE_WITNESS_ALL);
	s->rate_count = (uint32_t)number_read_to(c, 0, UINT32_MAX);
	s->rate_window_ms = (uint32_t)number_read_to(c, 0, UINT32_MAX);
}

/* ---- the state of a chassis ---- */

struct state {
	uint64_t now_ms;
	struct record_settings settings;
	struct live_chassis chassis;
	struct live_rate rate;
	struct live_host *live; /* as many as the record has hosts */
	struct record_host *hosts;
	size_t count;
};

static void state_done(struct state *s)
{
	free(s->live);
	free(s->hosts);
}
OWNED_BY_VALUE(struct state, state_done)

static int state_init(struct state *s, size_t count)
{
	*s = (struct state){ .count = count };
	s->live = calloc(count, sizeof(*s->live));
	s->hosts = calloc(count, sizeof(*s->hosts));
	return s->live && s->hosts ? 0 : -ENOMEM;
}

static void host_read(struct cursor *c, struct state *s, size_t n)
{
	uint8_t bits = cursor_u8(c);
	struct live_host *live = &s->live[n];

	live->watched = bits & 1;
	live->suspect = bits >> 1 & 1;
	live->aside = bits >> 2 & 1;
	s->hosts[n].shut = bits >> 3 & 1;
	s->hosts[n].busy = bits >> 4 & 1;
	live->witness = (enum live_witness)(bits >> 5 & 3);
	s->hosts[n].cold = bits >> 7;
	if (live->witness > LIVE_SAYS_DEAD)
		c->overrun = true;
	live->last_beat_ms = time_read_maybe(c, s->now_ms);
	live->fresh_ms = time_read_maybe(c, s->now_ms);
}

/* Behind the byte of its kind. */
static void state_read(struct cursor *c, struct state *s)
{
	uint8_t bits;

	s->now_ms = cursor_le64(c);
	if (s->now_ms >= TIME_MAX)
		c->overrun = true;
	if (c->overrun)
		return;
	settings_read(c, &s->settings);
	bits = cursor_u8(c);
	s->chassis.hold = bits & 1;
	s->chassis.judging = bits >> 1 & 1;
	s->chassis.last_judge_ms = time_read_maybe(c, s->now_ms);
	s->chassis.quiet_since_ms = time_read_maybe(c, s->now_ms);
	s->rate.count = (unsigned)number_read_to(c, 0, LIVE_RATE_MAX);
	for (unsigned i = 0; i < s->rate.count; i++)
		s->rate.at_ms[i] = time_read_maybe(c, s->now_ms);
	for (size_t i = 0; i < s->count && !c->overrun; i++)
		host_read(c, s, i);
}

/* ---- taking a record apart ---- */

struct opening {
	struct replay *replay;
	struct cursor c;
	struct state scratch;
	uint64_t at_ms;
	size_t room;
	char *why;
};

/* Greatest value of each kind; whether it has a host and a time. */
static const struct {
	uint8_t most;
	bool has_host;
	bool has_time;
} kinds[RECORD_KINDS] = {
	[RECORD_STATE] = { 0, false, false }, [RECORD_BEAT] = { 0, true, true },
	[RECORD_WATCH] = { 0, true, true },   [RECORD_OPEN] = { 0, true, true },
	[RECORD_BEGIN] = { 0, true, true },   [RECORD_LEAVE] = { 1, true, true },
	[RECORD_ASIDE] = { 1, true, false },  [RECORD_WITNESS] = { LIVE_SAYS_DEAD, true, true },
	[RECORD_BUSY] = { 1, true, true },    [RECORD_SETTINGS] = { 0, false, false },
	[RECORD_JUDGE] = { 1, false, true },  [RECORD_SAID] = { RECORD_SAIDS - 1, true, false },
	[RECORD_HOLD] = { 1, false, false },  [RECORD_UNWATCH] = { 0, true, true },
	[RECORD_COLD] = { 1, true, false },   [RECORD_RATE] = { 0, true, true },
};

static int open_fail(struct opening *o, const char *what)
{
	(void)snprintf(o->why, REPLAY_WHY_MAX, "byte %zu of %zu: %s",
		       (size_t)(o->c.at - o->replay->bytes), o->replay->length, what);
	return -EBADMSG;
}

static bool entries_room(struct opening *o)
{
	struct replay *r = o->replay;
	struct replay_entry *grown;

	if (r->entry_count < o->room)
		return true;
	o->room = o->room ? o->room * 2 : 256;
	grown = realloc(r->entries, o->room * sizeof(*grown));
	if (!grown)
		return false;
	r->entries = grown;
	return true;
}

static void body_read(struct opening *o, struct replay_entry *e)
{
	struct replay *r = o->replay;

	switch ((enum record_kind)e->kind) {
	case RECORD_STATE:
		e->extra = (uint64_t)(o->c.at - r->bytes);
		state_read(&o->c, &o->scratch);
		o->at_ms = o->scratch.now_ms;
		r->settings = o->scratch.settings;
		break;
	case RECORD_SETTINGS:
		e->extra = (uint64_t)(o->c.at - r->bytes);
		settings_read(&o->c, &r->settings);
		break;
	case RECORD_JUDGE:
		r->looks++;
		e->extra = e->value ? time_read(&o->c, o->at_ms) : 0;
		break;
	case RECORD_BEAT:
		r->beats++;
		break;
	case RECORD_WATCH:
	case RECORD_OPEN:
	case RECORD_BEGIN:
	case RECORD_LEAVE:
	case RECORD_ASIDE:
	case RECORD_WITNESS:
	case RECORD_BUSY:
	case RECORD_SAID:
	case RECORD_HOLD:
	case RECORD_UNWATCH:
	case RECORD_COLD:
	case RECORD_RATE:
	case RECORD_KINDS:
		break;
	}
}

static int entry_read(struct opening *o)
{
	struct replay *r = o->replay;
	uint8_t head = cursor_u8(&o->c);
	struct replay_entry e = { .kind = head & 15, .value = head >> 4 };

	if (e.value > kinds[e.kind].most)
		return open_fail(o, "the value does not go with the entry");
	if (kinds[e.kind].has_host)
		e.host = (uint16_t)number_read_to(&o->c, 0, r->host_count - 1);
	if (kinds[e.kind].has_time)
		o->at_ms = time_read(&o->c, o->at_ms);
	body_read(o, &e);
	e.at_ms = o->at_ms;
	if (o->c.overrun)
		return open_fail(o, "the entry ends early, or a number in it is out of range");
	if (!entries_room(o))
		return -ENOMEM;
	r->entries[r->entry_count++] = e;
	return 0;
}

static int hosts_read(struct opening *o)
{
	struct replay *r = o->replay;
	size_t most = (size_t)(o->c.end - o->c.at) / 2;

	r->host_count = number_read_to(&o->c, 1, RECORD_HOSTS_MAX);
	if (o->c.overrun || r->host_count > most || r->incident >= r->host_count)
		return open_fail(o, "not that many hosts");
	r->hosts = calloc(r->host_count, sizeof(*r->hosts));
	if (!r->hosts)
		return -ENOMEM;
	for (size_t i = 0; i < r->host_count; i++) {
		cursor_text(&o->c, r->hosts[i].name, sizeof(r->hosts[i].name));
		r->hosts[i].group = (uint16_t)number_read_to(&o->c, 0, UINT16_MAX);
	}
	return o->c.overrun ? open_fail(o, "the names of the hosts end early") : 0;
}

static int head_read(struct opening *o)
{
	struct replay *r = o->replay;
	uint8_t version;

	if (cursor_le32(&o->c) != RECORD_MAGIC)
		return open_fail(o, "this is no record");
	version = cursor_u8(&o->c);
	if (version != RECORD_VERSION) {
		(void)snprintf(o->why, REPLAY_WHY_MAX,
			       "the record is of version %u; this program reads version %d",
			       version, RECORD_VERSION);
		return -EBADMSG;
	}
	r->zero_ms = cursor_le64(&o->c);
	r->incident = number_read_to(&o->c, 0, RECORD_HOSTS_MAX - 1);
	if (o->c.overrun || r->zero_ms >= TIME_MAX)
		return open_fail(o, "its head ends early, or a number in it is out of range");
	return hosts_read(o);
}

static int entries_read(struct opening *o)
{
	struct replay *r = o->replay;
	int result = 0;

	while (!result && o->c.at != o->c.end)
		result = entry_read(o);
	if (result)
		return result;
	if (!r->entry_count || r->entries[0].kind != RECORD_STATE)
		return open_fail(o, "it does not begin with a state");
	if (r->entries[r->entry_count - 1].kind != RECORD_STATE)
		return open_fail(o, "it does not end with a state");
	r->begin_ms = r->entries[0].at_ms;
	r->end_ms = o->at_ms;
	return 0;
}

int replay_open(const uint8_t *bytes, size_t length, char *why, struct replay **out)
{
	OWNED(replay_free) struct replay *r = calloc(1, sizeof(*r));
	struct opening o = { .replay = r, .why = why };
	OWNED(state_done) struct state scratch = { 0 };
	int result;

	(void)snprintf(why, REPLAY_WHY_MAX, "out of memory");
	if (!r)
		return -ENOMEM;
	if (length > RECORD_BYTES_MAX) {
		(void)snprintf(why, REPLAY_WHY_MAX, "it is longer than %d bytes", RECORD_BYTES_MAX);
		return -EBADMSG;
	}
	r->bytes = malloc(length + 1);
	if (!r->bytes)
		return -ENOMEM;
	if (length)
		memcpy(r->bytes, bytes, length);
	r->length = length;
	o.c = (struct cursor){ .at = r->bytes, .end = r->bytes + length };
	result = head_read(&o);
	if (!result)
		result = state_init(&scratch, r->host_count);
	o.scratch = scratch;
	if (!result)
		result = entries_read(&o);
	if (result)
		return result;
	why[0] = '\0';
	*out = TAKE(r);
	return 0;
}

void replay_free(struct replay *r)
{
	if (!r)
		return;
	free(r->hosts);
	free(r->entries);
	free(r->bytes);
	free(r);
}

/* ---- a run ---- */

/* What the run keeps of a host. */
struct part {
	uint8_t said;           /* 1 + the last enum replay_what that was said of it; 0: none */
	bool own;               /* its incident is one that the run has begun */
	bool night_shut;        /* that night its door is closed by now */
	uint64_t busy_until_ms; /* with @own */
	uint64_t night_busy_ms; /* how long that night's incident kept its switch; 0: not told */
	uint64_t night_begun_ms;
};

struct run {
	const struct replay *replay;
	const struct replay_change *change;
	bool is_exact;
	struct state s;
	struct live_host **lives;
	enum live_verdict *verdicts;
	struct part *parts;
	struct replay_outcome *out;
	size_t room;
	uint64_t now_ms;
	uint64_t look_ms; /* of the last look */
	uint64_t next_ms; /* when the settings want one, no later than that */
	bool may_look;    /* that night it looked once a beat here */
	uint64_t waits_ms;
	bool assumed;
	size_t work;
	int error;
	/* Exact: what the last look said, in order, and how much of it the record has confirmed. */
	struct replay_step *said;
	size_t said_count;
	size_t said_seen;
};

static void run_done(struct run *run)
{
	state_done(&run->s);
	free(run->lives);
	free(run->verdicts);
	free(run->parts);
	free(run->said);
}
OWNED_BY_VALUE(struct run, run_done)

static const char *host_name(const struct run *run, uint16_t host)
{
	return host == REPLAY_CHASSIS ? "the chassis" : run->replay->hosts[host].name;
}

/* The first one stands. */
__attribute__((format(printf, 2, 3))) static void differs(struct run *run, const char *format, ...)
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

static void step_add(struct run *run, uint16_t host, enum replay_what what)
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
static void tell(struct run *run, uint16_t host, enum replay_what what)
{
	uint8_t *last = host == REPLAY_CHASSIS ? NULL : &run->parts[host].said;

	if (last && is_condition(what) && *last == what + 1)
		return;
	if (last)
		*last = (uint8_t)(what + 1);
	step_add(run, host, what);
}

/* For the record: every word of a look. */
static void say(struct run *run, uint16_t host, enum replay_what what)
{
	tell(run, host, what);
	if (run->is_exact)
		run->said[run->said_count++] =
			(struct replay_step){ .host = host, .what = (uint8_t)what };
}

static void run_load(struct run *run, const struct replay_entry *e)
{
	struct cursor c = { .at = run->replay->bytes + e->extra,
			    .end = run->replay->bytes + run->replay->length };

	state_read(&c, &run->s); /* it was checked when the record was opened */
}

static int run_init(struct run *run, const struct replay *replay,
		    const struct replay_change *change, struct replay_outcome *out)
{
	size_t count = replay->host_count;
	int r = state_init(&run->s, count);

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
static void settings_turn(struct run *run)
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
static bool work_add(struct run *run)
{
	run->work += run->s.count;
	if (run->work > WORK_MAX)
		run->error = -E2BIG;
	return !run->error;
}

static bool is_busy(const struct run *run, size_t n)
{
	const struct part *part = &run->parts[n];

	return part->own ? run->now_ms < part->busy_until_ms : run->s.hosts[n].busy;
}

static bool switch_is_busy(struct run *run, size_t n)
{
	if (!work_add(run))
		return false;
	for (size_t i = 0; i < run->s.count; i++)
		if (run->replay->hosts[i].group == run->replay->hosts[n].group && is_busy(run, i))
			return true;
	return false;
}

static bool rate_allows(const struct run *run)
{
	return live_rate_allows(&run->s.rate, run->s.settings.rate_count,
				run->s.settings.rate_window_ms, run->now_ms);
}

/* Its door is closed. */
static void host_shut(struct run *run, size_t n)
{
	struct part *part = &run->parts[n];
	uint64_t busy_ms = part->night_busy_ms ? part->night_busy_ms : run->change->busy_ms;

	live_unwatch(&run->s.live[n]);
	run->s.hosts[n].shut = true;
	run->s.hosts[n].busy = true;
	part->own = !run->is_exact;
	part->busy_until_ms = run->now_ms + busy_ms;
}

/* ---- a look ---- */

static void host_dead(struct run *run, uint16_t n, bool proved)
{
	if (proved && run->s.hosts[n].cold) {
		say(run, n, REPLAY_OFF);
		return;
	}
	if (run->s.live[n].aside) {
		say(run, n, REPLAY_NOT_ACTED);
		return;
	}
	if (!proved && switch_is_busy(run, n)) {
		say(run, n, REPLAY_WAITS);
		return;
	}
	if (!proved && !rate_allows(run)) {
		say(run, n, REPLAY_RATED);
		return;
	}
	if (!proved)
		live_rate_note(&run->s.rate, run->now_ms);
	say(run, n, proved ? REPLAY_PROVED : REPLAY_FENCED);
	host_shut(run, n);
}

/* S4: who would have been judged but for the breaker. It is no word of the record's. */
static void breaker_tell(struct run *run)
{
	const struct live_config *config = &run->s.settings.live;

	for (uint16_t i = 0; run->s.chassis.hold && i < run->s.count; i++) {
		const struct live_host *live = run->lives[i];
		uint64_t since =
			live->last_beat_ms > live->fresh_ms ? live->last_beat_ms : live->fresh_ms;

		if (live->watched && !live->aside && run->verdicts[i] == LIVE_NOTHING &&
		    config->policy != LIVE_WITNESS_ALL &&
		    run->now_ms >= since + live_window_ms(config))
			tell(run, i, REPLAY_BREAKER);
	}
}

static void verdicts_take(struct run *run)
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

static void next_plan(struct run *run)
{
	if (!work_add(run))
		return;
	run->next_ms = live_next_ms(&run->s.chassis, &run->s.settings.live, run->lives,
				    run->s.count, run->now_ms);
	if (run->next_ms <= run->look_ms)
		run->next_ms = run->look_ms + LOOK_GAP_MS;
}

static void look(struct run *run, uint64_t at_ms, uint64_t waits_ms)
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
		next_plan(run);
}

/* ---- as it was: every word is confirmed by the record ---- */

static void said_check(struct run *run, uint16_t host, enum replay_what what)
{
	const struct replay_step *said = &run->said[run->said_seen];

	if (run->said_seen == run->said_count)
		differs(run, "%s was %s, and is not now", host_name(run, host),
			replay_what_text(what));
	else if (said->host != host || said->what != what)
		differs(run, "%s was %s; now %s is %s", host_name(run, host),
			replay_what_text(what), host_name(run, said->host),
			replay_what_text((enum replay_what)said->what));
	else
		run->said_seen++;
}

static void said_end(struct run *run)
{
	const struct replay_step *said = &run->said[run->said_seen];

	if (run->said_seen < run->said_count)
		differs(run, "%s is %s, and was not that night", host_name(run, said->host),
			replay_what_text((enum replay_what)said->what));
	run->said_count = 0;
	run->said_seen = 0;
}

static bool host_is_as(const struct state *a, const struct state *b, size_t n)
{
	return a->live[n].watched == b->live[n].watched &&
	       a->live[n].suspect == b->live[n].suspect && a->live[n].aside == b->live[n].aside &&
	       a->live[n].witness == b->live[n].witness &&
	       a->live[n].last_beat_ms == b->live[n].last_beat_ms &&
	       a->live[n].fresh_ms == b->live[n].fresh_ms && a->hosts[n].shut == b->hosts[n].shut &&
	       a->hosts[n].busy == b->hosts[n].busy && a->hosts[n].cold == b->hosts[n].cold;
}

/* A state that was put down: the run must stand exactly there. */
static void state_check(struct run *run, const struct replay_entry *e)
{
	OWNED(state_done) struct state was = { 0 };
	struct state mine = run->s;

	if (state_init(&was, run->s.count)) {
		run->error = -ENOMEM;
		return;
	}
	run->s = was;
	run_load(run, e);
	was = run->s;
	run->s = mine;
	run->now_ms = e->at_ms;
	if (was.chassis.hold != mine.chassis.hold || was.chassis.judging != mine.chassis.judging ||
	    was.chassis.last_judge_ms != mine.chassis.last_judge_ms ||
	    was.chassis.quiet_since_ms != mine.chassis.quiet_since_ms)
		differs(run, "the chassis is not in the state that was put down");
	if (was.rate.count != mine.rate.count ||
	    memcmp(was.rate.at_ms, mine.rate.at_ms, was.rate.count * sizeof(was.rate.at_ms[0])) !=
		    0)
		differs(run, "the failovers that count for the rate are others than were put down");
	for (uint16_t i = 0; i < mine.count; i++)
		if (!host_is_as(&was, &mine, i))
			differs(run, "%s is not in the state that was put down", host_name(run, i));
}

/* ---- as it might have been ---- */

/* How long each host's incident kept its switch, by the record. */
static void night_measure(struct run *run)
{
	for (size_t i = 0; i < run->replay->entry_count; i++) {
		const struct replay_entry *e = &run->replay->entries[i];
		struct part *part = &run->parts[e->host];

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
static bool looks_on(const struct run *run, size_t i)
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
static void looks_make(struct run *run, uint64_t at_ms)
{
	while (!run->error && run->may_look && run->s.chassis.judging) {
		if (run->next_ms < at_ms)
			next_plan(run); /* a beat may have put it off */
		if (run->error || run->next_ms >= at_ms)
			return;
		look(run, run->next_ms, run->waits_ms);
	}
}

/* Who was silent at the end of the record stays so; all others beat on. */
static void beats_make(struct run *run, const bool *is_silent, uint64_t at_ms)
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
static bool silent_find(const struct run *run, bool *is_silent, uint64_t *horizon_ms)
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

static void end_assume(struct run *run)
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
			next_plan(run);
			if (run->error || run->next_ms > horizon_ms)
				break;
			beats_make(run, is_silent, run->next_ms);
			look(run, run->next_ms, 0);
		}
	}
	free(is_silent);
}

/* ---- entries ---- */

static void beat_run(struct run *run, const struct replay_entry *e)
{
	struct live_host *live = &run->s.live[e->host];

	if (run->s.hosts[e->host].shut)
		live->last_beat_ms = e->at_ms;
	else
		live_beat(live, &run->s.settings.live, e->at_ms);
}

static void leave_run(struct run *run, const struct replay_entry *e)
{
	bool stays = !e->value || !run->s.chassis.judging || run->s.chassis.hold ||
		     run->s.hosts[e->host].shut || switch_is_busy(run, e->host) ||
		     !rate_allows(run);

	tell(run, e->host, stays ? REPLAY_STAYED : REPLAY_LEFT);
	if (stays)
		return;
	live_rate_note(&run->s.rate, run->now_ms);
	host_shut(run, e->host);
	/* It is that night's, but for what the settings forbid. */
	run->parts[e->host].own = false;
}

static void begin_run(struct run *run, const struct replay_entry *e)
{
	if (run->s.hosts[e->host].shut)
		return;
	tell(run, e->host, REPLAY_BEGUN);
	host_shut(run, e->host);
	run->parts[e->host].own = false;
}

static void open_run(struct run *run, const struct replay_entry *e)
{
	run->parts[e->host].night_shut = false;
	if (!run->s.hosts[e->host].shut)
		return;
	run->s.hosts[e->host].shut = false;
	run->s.hosts[e->host].busy = false;
	run->parts[e->host].own = false;
	tell(run, e->host, REPLAY_OPENED);
}

/* What that night's incident of a host does counts while it is the run's too. */
static bool is_nights(const struct run *run, uint16_t host)
{
	return run->is_exact || (run->s.hosts[host].shut && !run->parts[host].own);
}

static void watch_run(struct run *run, const struct replay_entry *e)
{
	/* Let in again that night after a fence that has not been here. */
	if (!run->is_exact && (run->s.hosts[e->host].shut || run->s.live[e->host].watched))
		return;
	live_watch(&run->s.live[e->host], e->at_ms);
}

static void witness_run(struct run *run, const struct replay_entry *e)
{
	/* The fence itself takes link and power. */
	if (!run->is_exact && run->parts[e->host].night_shut && !run->s.hosts[e->host].shut)
		return;
	run->s.live[e->host].witness = (enum live_witness)e->value;
}

static void judge_run(struct run *run, const struct replay_entry *e, size_t i)
{
	if (run->is_exact)
		said_end(run);
	run->waits_ms = e->extra;
	look(run, e->at_ms, e->extra);
	run->may_look = !run->is_exact && looks_on(run, i);
}

static void said_run(struct run *run, const struct replay_entry *e)
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

static void settings_run(struct run *run, const struct replay_entry *e)
{
	struct cursor c = { .at = run->replay->bytes + e->extra,
			    .end = run->replay->bytes + run->replay->length };

	settings_read(&c, &run->s.settings); /* checked when the record was opened */
	settings_turn(run);
}

static void entry_run(struct run *run, const struct replay_entry *e, size_t i)
{
	if (kinds[e->kind].has_time) {
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
	OWNED(run_done) struct run run = { 0 };
	OWNED(replay_outcome_done) struct replay_outcome outcome = { 0 };
	int r = run_init(&run, replay, change, &outcome);

	if (r)
		return r;
	if (!run.is_exact)
		night_measure(&run);
	run_load(&run, &replay->entries[0]);
	run.now_ms = run.look_ms = replay->begin_ms;
	settings_turn(&run);
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
