/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "failover/replay_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cursor.h"

#define TIME_MAX (UINT64_C(1) << 62)

_Static_assert(RECORD_KINDS == 16, "every low half of a byte is a kind");

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

void replay_state_done(struct replay_state *s)
{
	free(s->live);
	free(s->hosts);
}

int replay_state_init(struct replay_state *s, size_t count)
{
	*s = (struct replay_state){ .count = count };
	s->live = calloc(count, sizeof(*s->live));
	s->hosts = calloc(count, sizeof(*s->hosts));
	return s->live && s->hosts ? 0 : -ENOMEM;
}

static void host_read(struct cursor *c, struct replay_state *s, size_t n)
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
static void state_read(struct cursor *c, struct replay_state *s)
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
	struct replay_state scratch;
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
	OWNED(replay_state_done) struct replay_state scratch = { 0 };
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
		result = replay_state_init(&scratch, r->host_count);
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

/* ---- what was checked, once more ---- */

static struct cursor entry_cursor(const struct replay *r, const struct replay_entry *e)
{
	return (struct cursor){ .at = r->bytes + e->extra, .end = r->bytes + r->length };
}

void replay_state_load(const struct replay *r, const struct replay_entry *e, struct replay_state *s)
{
	struct cursor c = entry_cursor(r, e);

	state_read(&c, s);
}

void replay_settings_load(const struct replay *r, const struct replay_entry *e,
			  struct record_settings *settings)
{
	struct cursor c = entry_cursor(r, e);

	settings_read(&c, settings);
}

bool replay_entry_has_time(const struct replay_entry *e)
{
	return kinds[e->kind].has_time;
}
