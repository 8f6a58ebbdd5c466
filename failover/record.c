/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "failover/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	PART_BYTES = 32 << 10,
	PART_BYTES_HOST = 64, /* and for each beat that it may miss: */
	PART_BYTES_BEAT = 15, /* three windows of 5 bytes */
	PART_FIRST = 1024,
	ENTRY_MAX = 40,
	NO_TIME = 0, /* beside 1 + the zigzag of a time */
};

/* ---- numbers ---- */

/* LEB128: seven bits a byte, the lowest first. */
static size_t number_put(uint8_t *to, uint64_t n)
{
	size_t length = 0;

	for (; n >= 0x80; n >>= 7)
		to[length++] = (uint8_t)(n | 0x80);
	to[length++] = (uint8_t)n;
	return length;
}

/* @to - @from, small whichever is later. */
static uint64_t zigzag(uint64_t from, uint64_t to)
{
	return to >= from ? (to - from) << 1 : ((from - to) << 1) - 1;
}

static void number_add(struct buf *out, uint64_t n)
{
	uint8_t bytes[10];

	buf_bytes(out, bytes, number_put(bytes, n));
}

/* A time that may be 0, for never. */
static void time_add(struct buf *out, uint64_t now_ms, uint64_t at_ms)
{
	number_add(out, at_ms ? zigzag(now_ms, at_ms) + 1 : NO_TIME);
}

/* ---- the whole state ---- */

static void settings_add(struct buf *out, const struct record_settings *s)
{
	number_add(out, s->live.interval_ms);
	number_add(out, s->live.missed);
	number_add(out, s->live.storm_percent);
	number_add(out, s->live.storm_min);
	number_add(out, s->live.policy);
	number_add(out, s->rate_count);
	number_add(out, s->rate_window_ms);
}

static void host_add(struct buf *out, const struct live_host *live, const struct record_host *host,
		     uint64_t now_ms)
{
	buf_u8(out,
	       (uint8_t)(live->watched | (unsigned)live->suspect << 1 | (unsigned)live->aside << 2 |
			 (unsigned)host->shut << 3 | (unsigned)host->busy << 4 |
			 (unsigned)live->witness << 5 | (unsigned)host->cold << 7));
	time_add(out, now_ms, live->last_beat_ms);
	time_add(out, now_ms, live->fresh_ms);
}

static void state_add(struct buf *out, const struct recorder *r, const struct record_view *view,
		      uint64_t now_ms)
{
	const struct live_chassis *chassis = view->chassis;

	buf_u8(out, RECORD_STATE);
	buf_le64(out, now_ms);
	settings_add(out, &r->settings);
	buf_u8(out, (uint8_t)(chassis->hold | chassis->judging << 1));
	time_add(out, now_ms, chassis->last_judge_ms);
	time_add(out, now_ms, chassis->quiet_since_ms);
	number_add(out, view->rate->count);
	for (unsigned i = 0; i < view->rate->count; i++)
		time_add(out, now_ms, view->rate->at_ms[i]);
	for (size_t i = 0; i < r->count; i++)
		host_add(out, view->hosts[i], &r->hosts[i], now_ms);
}

/* ---- parts ---- */

static size_t part_limit(const struct recorder *r)
{
	return PART_BYTES +
	       r->count * (PART_BYTES_HOST + r->settings.live.missed * (size_t)PART_BYTES_BEAT);
}

static bool part_room(struct record_part *part, size_t length)
{
	size_t room = part->room ? part->room : PART_FIRST;
	uint8_t *grown;

	while (room - part->length < length)
		room *= 2;
	if (room == part->room)
		return true;
	grown = realloc(part->bytes, room);
	if (!grown)
		return false;
	part->bytes = grown;
	part->room = room;
	return true;
}

/* An entry: @head, then @n numbers. */
static void entry_put(struct recorder *r, unsigned head, const uint64_t *numbers, size_t n)
{
	struct record_part *part = &r->parts[1];
	uint8_t *at;

	if (!r->on || r->is_broken)
		return;
	if (part->length > 2 * part_limit(r) || !part_room(part, ENTRY_MAX)) {
		r->is_broken = true;
		return;
	}
	at = part->bytes + part->length;
	*at++ = (uint8_t)head;
	for (size_t i = 0; i < n; i++)
		at += number_put(at, numbers[i]);
	part->length = (size_t)(at - part->bytes);
}

/* NULL: nobody has that place; nobody has any while the recorder is off. */
static struct record_host *host_at(struct recorder *r, size_t n)
{
	return n < r->count ? &r->hosts[n] : NULL;
}

/* One of a host, at a time. */
static void entry_at(struct recorder *r, enum record_kind kind, unsigned value, size_t n,
		     uint64_t at_ms)
{
	const uint64_t numbers[] = { n, zigzag(r->last_ms, at_ms) };

	if (!host_at(r, n))
		return;
	entry_put(r, kind | value << 4, numbers, 2);
	r->last_ms = at_ms;
}

/* One of a host, that belongs to the look before it. */
static void entry_of(struct recorder *r, enum record_kind kind, unsigned value, size_t n)
{
	const uint64_t number = n;

	entry_put(r, kind | value << 4, &number, 1);
}

static uint8_t shadow_of(const struct live_host *live)
{
	return (uint8_t)(live->aside | (unsigned)live->witness << 1);
}

static void shadows_take(struct recorder *r, const struct record_view *view)
{
	for (size_t i = 0; i < r->count; i++)
		r->shadow[i] = shadow_of(view->hosts[i]);
}

/* The part that was written becomes the older one, and another begins with the state. */
static void part_begin(struct recorder *r, const struct record_view *view, uint64_t now_ms)
{
	struct record_part older = r->parts[0];
	OWNED(buf_done) struct buf state = { 0 };

	r->parts[0] = r->parts[1];
	r->parts[1] = older;
	r->parts[1].length = 0;
	if (r->is_broken)
		r->parts[0].length = 0;
	r->last_ms = now_ms;
	state_add(&state, r, view, now_ms);
	r->is_broken = state.failed || !part_room(&r->parts[1], state.length);
	if (r->is_broken)
		return;
	memcpy(r->parts[1].bytes, state.data, state.length);
	r->parts[1].length = state.length;
	r->parts[1].since_ms = now_ms;
	shadows_take(r, view);
}

static bool hosts_take(struct recorder *r, const struct record_host *hosts, size_t count)
{
	struct record_host *copy = realloc(r->hosts, (count + 1) * sizeof(*copy));
	uint8_t *shadow;

	if (!copy)
		return false;
	r->hosts = copy;
	shadow = realloc(r->shadow, count + 1);
	if (!shadow)
		return false;
	r->shadow = shadow;
	memcpy(r->hosts, hosts, count * sizeof(*hosts));
	r->count = count;
	return true;
}

void record_anew(struct recorder *r, const struct record_settings *settings,
		 const struct record_view *view, const struct record_host *hosts, uint64_t now_ms)
{
	record_stop(r);
	if (view->count > RECORD_HOSTS_MAX || !hosts_take(r, hosts, view->count))
		return;
	r->settings = *settings;
	r->on = true;
	part_begin(r, view, now_ms);
}

void record_stop(struct recorder *r)
{
	r->on = false;
	r->is_broken = false;
	r->count = 0;
	r->expected = SIZE_MAX;
	r->parts[0].length = 0;
	r->parts[1].length = 0;
}

void record_done(struct recorder *r)
{
	free(r->parts[0].bytes);
	free(r->parts[1].bytes);
	free(r->hosts);
	free(r->shadow);
	*r = (struct recorder){ 0 };
}

uint64_t record_since_ms(const struct recorder *r)
{
	if (!r->on || r->is_broken)
		return UINT64_MAX;
	return r->parts[0].length ? r->parts[0].since_ms : r->parts[1].since_ms;
}

/* ---- what comes ---- */

void record_beat(struct recorder *r, size_t n, uint64_t received_ms)
{
	entry_at(r, RECORD_BEAT, 0, n, received_ms);
}

void record_watch(struct recorder *r, size_t n, uint64_t now_ms)
{
	entry_at(r, RECORD_WATCH, 0, n, now_ms);
}

void record_unwatch(struct recorder *r, size_t n, uint64_t now_ms)
{
	entry_at(r, RECORD_UNWATCH, 0, n, now_ms);
}

void record_rate(struct recorder *r, size_t n, uint64_t now_ms)
{
	entry_at(r, RECORD_RATE, 0, n, now_ms);
}

void record_open(struct recorder *r, size_t n, uint64_t now_ms)
{
	struct record_host *host = host_at(r, n);

	if (!host || !host->shut)
		return;
	host->shut = false;
	entry_at(r, RECORD_OPEN, 0, n, now_ms);
}

void record_begin(struct recorder *r, size_t n, uint64_t now_ms)
{
	struct record_host *host = host_at(r, n);

	if (!host)
		return;
	if (r->expected != n)
		entry_at(r, RECORD_BEGIN, 0, n, now_ms);
	r->expected = SIZE_MAX;
	host->shut = true;
	host->busy = true;
}

void record_leave(struct recorder *r, size_t n, bool may, bool is_fenced, uint64_t now_ms)
{
	entry_at(r, RECORD_LEAVE, may, n, now_ms);
	r->expected = is_fenced ? n : SIZE_MAX;
}

void record_witness(struct recorder *r, size_t n, enum live_witness witness, uint64_t now_ms)
{
	uint8_t aside;

	if (!host_at(r, n) || r->shadow[n] >> 1 == (uint8_t)witness)
		return;
	aside = r->shadow[n] & 1;
	r->shadow[n] = (uint8_t)(aside | (unsigned)witness << 1);
	entry_at(r, RECORD_WITNESS, witness, n, now_ms);
}

void record_busy(struct recorder *r, size_t n, bool busy, uint64_t now_ms)
{
	struct record_host *host = host_at(r, n);

	if (!host || host->busy == busy)
		return;
	host->busy = busy;
	entry_at(r, RECORD_BUSY, busy, n, now_ms);
}

/* ---- looks ---- */

static bool settings_are(const struct record_settings *a, const struct record_settings *b)
{
	return a->live.interval_ms == b->live.interval_ms && a->live.missed == b->live.missed &&
	       a->live.storm_percent == b->live.storm_percent &&
	       a->live.storm_min == b->live.storm_min && a->live.policy == b->live.policy &&
	       a->rate_count == b->rate_count && a->rate_window_ms == b->rate_window_ms;
}

static void settings_note(struct recorder *r, const struct record_settings *s)
{
	const uint64_t numbers[] = { s->live.interval_ms, s->live.missed, s->live.storm_percent,
				     s->live.storm_min,   s->live.policy, s->rate_count,
				     s->rate_window_ms };

	if (settings_are(&r->settings, s))
		return;
	r->settings = *s;
	entry_put(r, RECORD_SETTINGS, numbers, sizeof(numbers) / sizeof(numbers[0]));
}

static void asides_note(struct recorder *r, const struct record_view *view)
{
	for (size_t i = 0; i < r->count; i++) {
		if ((r->shadow[i] & 1) == view->hosts[i]->aside)
			continue;
		r->shadow[i] ^= 1;
		entry_of(r, RECORD_ASIDE, view->hosts[i]->aside, i);
	}
}

void record_judge(struct recorder *r, const struct record_settings *settings,
		  const struct record_view *view, uint64_t now_ms, uint64_t db_waits_since_ms)
{
	uint64_t kept = RECORD_WINDOWS * live_window_ms(&settings->live);
	uint64_t numbers[2];

	if (!r->on)
		return;
	settings_note(r, settings);
	asides_note(r, view);
	if (r->is_broken || now_ms - r->parts[1].since_ms >= kept ||
	    r->parts[1].length > part_limit(r))
		part_begin(r, view, now_ms);
	numbers[0] = zigzag(r->last_ms, now_ms);
	numbers[1] = zigzag(now_ms, db_waits_since_ms);
	entry_put(r, RECORD_JUDGE | (db_waits_since_ms ? 1U << 4 : 0), numbers,
		  db_waits_since_ms ? 2 : 1);
	r->last_ms = now_ms;
}

void record_cold(struct recorder *r, size_t n, bool cold)
{
	struct record_host *host = host_at(r, n);

	if (!host || host->cold == cold)
		return;
	host->cold = cold;
	entry_of(r, RECORD_COLD, cold, n);
}

void record_hold(struct recorder *r, bool hold)
{
	entry_put(r, RECORD_HOLD | (unsigned)hold << 4, NULL, 0);
}

void record_say(struct recorder *r, size_t n, enum record_said said)
{
	entry_of(r, RECORD_SAID, said, n);
	if (said == RECORD_FENCED || said == RECORD_PROVED)
		r->expected = n;
}

/* ---- out ---- */

int record_export(const struct recorder *r, const struct record_view *view, size_t incident,
		  uint64_t zero_ms, uint64_t now_ms, const char *(*name)(const void *arg, size_t n),
		  const void *arg, struct buf *out)
{
	if (r->is_broken || view->count != r->count || incident >= r->count)
		return -ENODATA;
	buf_le32(out, RECORD_MAGIC);
	buf_u8(out, RECORD_VERSION);
	buf_le64(out, zero_ms);
	number_add(out, incident);
	number_add(out, r->count);
	for (size_t i = 0; i < r->count; i++) {
		buf_text8(out, name(arg, i));
		number_add(out, r->hosts[i].group);
	}
	buf_bytes(out, r->parts[0].bytes, r->parts[0].length);
	buf_bytes(out, r->parts[1].bytes, r->parts[1].length);
	state_add(out, r, view, now_ms);
	if (out->failed)
		return -ENOMEM;
	return out->length > RECORD_BYTES_MAX ? -EFBIG : 0;
}
