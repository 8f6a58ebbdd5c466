/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is put down of a night, to the byte; that it can be run again is test_replay.c's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failover/record.h"

enum {
	HOSTS = 8,
	START = 100000,
	BEAT = 1000,
	LIMIT = (32 << 10) + HOSTS * (64 + 5 * 15), /* of a part, as record.h has it */
};

/* The reallocation that fails, counted from 1; 0: none. */
static unsigned fails_in;

void *__real_realloc(void *at, size_t size);
void *__wrap_realloc(void *at, size_t size);

void *__wrap_realloc(void *at, size_t size)
{
	if (fails_in && !--fails_in)
		return NULL;
	return __real_realloc(at, size);
}

struct night {
	struct record_settings settings;
	struct live_chassis chassis;
	struct live_rate rate;
	struct live_host host[HOSTS];
	struct live_host *hosts[HOSTS];
	struct record_host around[HOSTS];
	struct record_view view;
	struct recorder r;
	size_t seen; /* of the part that is being written */
};

static void night_new(struct night *w)
{
	memset(w, 0, sizeof(*w));
	w->settings = (struct record_settings){ .live = { .interval_ms = BEAT, .missed = 5 } };
	for (int i = 0; i < HOSTS; i++)
		w->hosts[i] = &w->host[i];
	w->view = (struct record_view){ &w->chassis, &w->rate, w->hosts, HOSTS };
}

static void anew(struct night *w)
{
	record_anew(&w->r, &w->settings, &w->view, w->around, START);
	w->seen = w->r.parts[1].length;
}

static void night_begin(struct night *w)
{
	night_new(w);
	anew(w);
}

static void judge(struct night *w, uint64_t now_ms)
{
	record_judge(&w->r, &w->settings, &w->view, now_ms, 0);
}

static const char *name_of(const void *arg, size_t n)
{
	(void)arg;
	(void)n;
	return "bay";
}

static int export(struct night *w, size_t incident, struct buf *out)
{
	return record_export(&w->r, &w->view, incident, START, START, name_of, NULL, out);
}

/* These bytes were put down since this was asked last, and no others. */
static void assert_put(struct night *w, const uint8_t *bytes, size_t count)
{
	const struct record_part *part = &w->r.parts[1];

	assert_int_equal(part->length - w->seen, count);
	if (count)
		assert_memory_equal(part->bytes + w->seen, bytes, count);
	w->seen = part->length;
}
#define ASSERT_PUT(w, ...) \
	assert_put(w, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))
#define ASSERT_NOTHING_PUT(w) assert_put(w, NULL, 0)

static void every_call(struct night *w, size_t n)
{
	record_beat(&w->r, n, START);
	record_watch(&w->r, n, START);
	record_unwatch(&w->r, n, START);
	record_rate(&w->r, n, START);
	record_open(&w->r, n, START);
	record_begin(&w->r, n, START);
	record_leave(&w->r, n, true, false, START);
	record_witness(&w->r, n, LIVE_SAYS_DEAD, START);
	record_busy(&w->r, n, true, START);
	record_cold(&w->r, n, true);
}

/* ---- what is not put down ---- */

static void nothing_is_kept_while_it_is_off(void **state)
{
	OWNED(buf_done) struct buf out = { 0 };
	struct night w;

	(void)state;
	for (int stopped = 0; stopped < 2; stopped++) {
		night_new(&w);
		if (stopped) {
			anew(&w);
			record_stop(&w.r);
		}
		every_call(&w, 0);
		record_hold(&w.r, true);
		record_say(&w.r, 0, RECORD_SUSPECTED);
		judge(&w, START + 1000 * BEAT);

		assert_int_equal(w.r.parts[0].length, 0);
		assert_int_equal(w.r.parts[1].length, 0);
		assert_int_equal(record_since_ms(&w.r), UINT64_MAX);
		assert_int_equal(export(&w, 0, &out), -ENODATA);
		record_done(&w.r);
	}
}

static void nobody_is_put_down_who_has_no_place(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	every_call(&w, HOSTS);
	ASSERT_NOTHING_PUT(&w);
	record_done(&w.r);
}

static void what_is_as_it_was_is_not_put_down_again(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	record_open(&w.r, 3, START);
	ASSERT_NOTHING_PUT(&w);
	record_busy(&w.r, 3, true, START + 1);
	ASSERT_PUT(&w, RECORD_BUSY | 1 << 4, 3, 2);
	record_busy(&w.r, 3, true, START + 1);
	record_witness(&w.r, 3, LIVE_CANNOT_TELL, START + 1);
	ASSERT_NOTHING_PUT(&w);
	record_witness(&w.r, 3, LIVE_SAYS_DEAD, START + 1);
	ASSERT_PUT(&w, RECORD_WITNESS | LIVE_SAYS_DEAD << 4, 3, 0);
	record_witness(&w.r, 3, LIVE_SAYS_DEAD, START + 1);
	record_cold(&w.r, 3, false);
	ASSERT_NOTHING_PUT(&w);
	record_cold(&w.r, 3, true);
	ASSERT_PUT(&w, RECORD_COLD | 1 << 4, 3);
	record_cold(&w.r, 3, true);
	ASSERT_NOTHING_PUT(&w);
	record_begin(&w.r, 3, START + 1);
	ASSERT_PUT(&w, RECORD_BEGIN, 3, 0);
	record_open(&w.r, 3, START);
	ASSERT_PUT(&w, RECORD_OPEN, 3, 1);
	record_open(&w.r, 3, START);
	ASSERT_NOTHING_PUT(&w);
	record_done(&w.r);
}

static void a_fence_that_was_foretold_is_put_down_once(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	record_say(&w.r, 2, RECORD_FENCED);
	ASSERT_PUT(&w, RECORD_SAID | RECORD_FENCED << 4, 2);
	record_begin(&w.r, 2, START);
	ASSERT_NOTHING_PUT(&w);
	record_say(&w.r, 4, RECORD_PROVED);
	record_begin(&w.r, 4, START);
	ASSERT_PUT(&w, RECORD_SAID | RECORD_PROVED << 4, 4);
	record_say(&w.r, 5, RECORD_WAITS);
	record_begin(&w.r, 5, START); /* by hand, meanwhile */
	ASSERT_PUT(&w, RECORD_SAID | RECORD_WAITS << 4, 5, RECORD_BEGIN, 5, 0);
	record_leave(&w.r, 6, true, true, START);
	record_begin(&w.r, 6, START);
	ASSERT_PUT(&w, RECORD_LEAVE | 1 << 4, 6, 0);
	record_leave(&w.r, 7, true, false, START);
	record_begin(&w.r, 7, START);
	ASSERT_PUT(&w, RECORD_LEAVE | 1 << 4, 7, 0, RECORD_BEGIN, 7, 0);
	record_done(&w.r);
}

/* ---- looks ---- */

static void settings_are_put_down_whole_when_one_is_another(void **state)
{
	struct night w;
	struct record_settings *s = &w.settings;
	uint32_t *const each[] = { &s->live.interval_ms, &s->live.missed, &s->live.storm_percent,
				   &s->live.storm_min,   &s->rate_count,  &s->rate_window_ms };

	(void)state;
	night_begin(&w);
	*s = (struct record_settings){ .live = { .interval_ms = 11,
						 .missed = 12,
						 .storm_percent = 13,
						 .storm_min = 14,
						 .policy = LIVE_WITNESS_ALL },
				       .rate_count = 15,
				       .rate_window_ms = 16 };
	judge(&w, START);
	ASSERT_PUT(&w, RECORD_SETTINGS, 11, 12, 13, 14, LIVE_WITNESS_ALL, 15, 16, RECORD_JUDGE, 0);
	judge(&w, START);
	ASSERT_PUT(&w, RECORD_JUDGE, 0);
	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
		++*each[i];
		judge(&w, START);
		assert_int_equal(w.r.parts[1].length - w.seen, 10);
		w.seen = w.r.parts[1].length;
	}
	s->live.policy = LIVE_WITNESS_ANY;
	judge(&w, START);
	ASSERT_PUT(&w, RECORD_SETTINGS, 12, 13, 14, 15, LIVE_WITNESS_ANY, 16, 17, RECORD_JUDGE, 0);
	record_done(&w.r);
}

static void who_is_set_aside_is_put_down_when_that_changes(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	w.host[1].witness = LIVE_SAYS_DEAD; /* stands beside it */
	record_witness(&w.r, 1, LIVE_SAYS_DEAD, START);
	w.seen = w.r.parts[1].length;
	w.host[1].aside = true;
	judge(&w, START);
	ASSERT_PUT(&w, RECORD_ASIDE | 1 << 4, 1, RECORD_JUDGE, 0);
	judge(&w, START);
	ASSERT_PUT(&w, RECORD_JUDGE, 0);
	w.host[1].aside = false;
	judge(&w, START);
	ASSERT_PUT(&w, RECORD_ASIDE, 1, RECORD_JUDGE, 0);
	record_done(&w.r);
}

static void a_look_tells_since_when_the_database_owes_an_answer(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	record_judge(&w.r, &w.settings, &w.view, START + 10, START + 4);
	ASSERT_PUT(&w, RECORD_JUDGE | 1 << 4, 20, 11);
	record_done(&w.r);
}

/* ---- bounds ---- */

static void a_part_ends_after_so_many_windows(void **state)
{
	const uint64_t kept = RECORD_WINDOWS * 5ull * BEAT;
	struct night w;

	(void)state;
	night_begin(&w);
	judge(&w, START + kept - 1);
	assert_int_equal(w.r.parts[0].length, 0);
	judge(&w, START + kept);
	assert_int_equal(w.r.parts[1].since_ms, START + kept);
	assert_int_equal(record_since_ms(&w.r), START); /* the older part is there too */
	judge(&w, START + 2 * kept);
	assert_int_equal(record_since_ms(&w.r), START + kept);
	record_done(&w.r);
}

static void a_part_that_is_full_ends_with_the_next_look(void **state)
{
	struct night w;

	(void)state;
	night_begin(&w);
	while (w.r.parts[1].length < LIMIT)
		record_hold(&w.r, true);
	judge(&w, START);
	assert_int_equal(w.r.parts[0].length, 0);
	judge(&w, START);
	assert_int_equal(w.r.parts[0].length, LIMIT + 2);
	record_done(&w.r);
}

static void beyond_twice_that_nothing_is_kept_until_a_look_begins_anew(void **state)
{
	OWNED(buf_done) struct buf out = { 0 };
	struct night w;

	(void)state;
	night_begin(&w);
	for (unsigned n = 0; n < 3 * LIMIT && record_since_ms(&w.r) == START; n++)
		record_hold(&w.r, true);
	assert_int_equal(record_since_ms(&w.r), UINT64_MAX);
	assert_int_equal(w.r.parts[1].length, 2 * LIMIT + 1);
	assert_int_equal(export(&w, 0, &out), -ENODATA);
	judge(&w, START + 7);
	assert_int_equal(record_since_ms(&w.r), START + 7);
	record_done(&w.r);
}

static void a_chassis_of_too_many_hosts_is_not_recorded(void **state)
{
	static struct live_host *hosts[RECORD_HOSTS_MAX + 1];
	static const struct record_host around[RECORD_HOSTS_MAX + 1];
	struct night w;

	(void)state;
	night_new(&w);
	for (size_t i = 0; i <= RECORD_HOSTS_MAX; i++)
		hosts[i] = &w.host[0];
	for (size_t more = 0; more < 2; more++) {
		w.view.hosts = hosts;
		w.view.count = RECORD_HOSTS_MAX + more;
		record_anew(&w.r, &w.settings, &w.view, around, START);
		assert_int_equal(record_since_ms(&w.r), more ? UINT64_MAX : START);
	}
	record_done(&w.r);
}

/* ---- out ---- */

static void a_record_of_other_hosts_is_not_given_out(void **state)
{
	OWNED(buf_done) struct buf out = { 0 };
	struct night w;

	(void)state;
	night_begin(&w);
	assert_int_equal(export(&w, HOSTS, &out), -ENODATA);
	w.view.count = HOSTS - 1; /* one was taken out, and it was not begun anew */
	assert_int_equal(export(&w, 0, &out), -ENODATA);
	assert_int_equal(out.length, 0);
	w.view.count = HOSTS;
	assert_int_equal(export(&w, HOSTS - 1, &out), 0);
	record_done(&w.r);
}

static void a_record_that_no_replay_would_take_is_not_given_out(void **state)
{
	OWNED(buf_done) struct buf one = { 0 };
	OWNED(buf_done) struct buf out = { 0 };
	struct night w;

	(void)state;
	night_begin(&w);
	assert_int_equal(export(&w, 0, &one), 0);
	while (out.length < RECORD_BYTES_MAX - one.length)
		buf_u8(&out, 0);
	assert_int_equal(export(&w, 0, &out), 0);
	assert_int_equal(out.length, RECORD_BYTES_MAX);
	out.length -= one.length - 1;
	assert_int_equal(export(&w, 0, &out), -EFBIG);
	record_done(&w.r);
}

/* ---- memory ---- */

static void without_memory_nothing_is_kept_until_a_look_begins_anew(void **state)
{
	OWNED(buf_done) struct buf out = { 0 };
	struct night w;

	(void)state;
	for (unsigned n = 1; n < 5; n++) { /* hosts, shadows, the state, the part */
		night_new(&w);
		fails_in = n;
		anew(&w);
		assert_int_equal(fails_in, 0);
		assert_int_equal(record_since_ms(&w.r), UINT64_MAX);
		assert_int_equal(export(&w, 0, &out), -ENODATA);
		every_call(&w, 0);
		judge(&w, START + 3);
		assert_int_equal(record_since_ms(&w.r), n < 3 ? UINT64_MAX : START + 3);
		anew(&w);
		assert_int_equal(record_since_ms(&w.r), START);
		record_done(&w.r);
	}
}

static void an_entry_without_memory_ends_the_record_until_a_look_begins_anew(void **state)
{
	OWNED(buf_done) struct buf out = { 0 };
	struct night w;
	size_t length;

	(void)state;
	night_begin(&w);
	fails_in = 1;
	while (fails_in)
		record_hold(&w.r, true);
	length = w.r.parts[1].length;
	record_hold(&w.r, false); /* there would be memory for this one */
	assert_int_equal(w.r.parts[1].length, length);
	assert_int_equal(record_since_ms(&w.r), UINT64_MAX);
	assert_int_equal(export(&w, 0, &out), -ENODATA);
	judge(&w, START + 3);
	assert_int_equal(record_since_ms(&w.r), START + 3);
	fails_in = 1;
	assert_int_equal(export(&w, 0, &out), -ENOMEM);
	record_done(&w.r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_kept_while_it_is_off),
		cmocka_unit_test(nobody_is_put_down_who_has_no_place),
		cmocka_unit_test(what_is_as_it_was_is_not_put_down_again),
		cmocka_unit_test(a_fence_that_was_foretold_is_put_down_once),
		cmocka_unit_test(settings_are_put_down_whole_when_one_is_another),
		cmocka_unit_test(who_is_set_aside_is_put_down_when_that_changes),
		cmocka_unit_test(a_look_tells_since_when_the_database_owes_an_answer),
		cmocka_unit_test(a_part_ends_after_so_many_windows),
		cmocka_unit_test(a_part_that_is_full_ends_with_the_next_look),
		cmocka_unit_test(beyond_twice_that_nothing_is_kept_until_a_look_begins_anew),
		cmocka_unit_test(a_chassis_of_too_many_hosts_is_not_recorded),
		cmocka_unit_test(a_record_of_other_hosts_is_not_given_out),
		cmocka_unit_test(a_record_that_no_replay_would_take_is_not_given_out),
		cmocka_unit_test(without_memory_nothing_is_kept_until_a_look_begins_anew),
		cmocka_unit_test(an_entry_without_memory_ends_the_record_until_a_look_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
