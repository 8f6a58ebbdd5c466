/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records that are put together by hand, to the byte: what is taken, what is refused and why, how
 * much work is too much, and memory that runs out. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failover/replay.h"

enum { NOW = 100000, WORK_MAX = 8 << 20 };

static const char early[] = "the entry ends early, or a number in it is out of range";

/* The allocation that fails, counted from 1; 0: none. */
static unsigned fails_in;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *at, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *at, size_t size);

static bool fails(void)
{
	return fails_in && !--fails_in;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *at, size_t size)
{
	return fails() ? NULL : __real_realloc(at, size);
}

/* ---- putting one together ---- */

static void number(struct buf *out, uint64_t n)
{
	for (; n >= 0x80; n >>= 7)
		buf_u8(out, (uint8_t)(n | 0x80));
	buf_u8(out, (uint8_t)n);
}

static void head(struct buf *out, uint64_t zero_ms, uint64_t incident, size_t hosts)
{
	buf_le32(out, RECORD_MAGIC);
	buf_u8(out, RECORD_VERSION);
	buf_le64(out, zero_ms);
	number(out, incident);
	number(out, hosts);
	for (size_t i = 0; i < hosts; i++) {
		buf_text8(out, "bay");
		number(out, 0);
	}
}

static void settings(struct buf *out, uint64_t interval, uint64_t missed)
{
	number(out, interval);
	number(out, missed);
	number(out, 100); /* percent */
	number(out, 0);
	number(out, LIVE_WITNESS_NONE);
	number(out, 6);
	number(out, 600000);
}

/* @bits: of the first host; @others: of all others. */
static void state_of(struct buf *out, uint64_t now_ms, size_t hosts, uint8_t bits, uint8_t others)
{
	buf_u8(out, RECORD_STATE);
	buf_le64(out, now_ms);
	settings(out, 1000, 5);
	buf_u8(out, 2); /* judging, not held */
	number(out, 0);
	number(out, 0);
	number(out, 0); /* failovers */
	for (size_t i = 0; i < hosts; i++) {
		buf_u8(out, i ? others : bits);
		number(out, 0);
		number(out, 0);
	}
}

static void state(struct buf *out, uint64_t now_ms, size_t hosts)
{
	state_of(out, now_ms, hosts, 0, 0);
}

/* NULL: any will do. */
static void assert_refused(const struct buf *bytes, const char *reason)
{
	struct replay *replay = NULL;
	char why[REPLAY_WHY_MAX];
	const char *colon;

	assert_int_equal(replay_open(bytes->data, bytes->length, why, &replay), -EBADMSG);
	assert_null(replay);
	colon = strstr(why, ": ");
	if (strcmp(colon ? colon + 2 : why, reason) != 0)
		fail_msg("\"%s\", not \"%s\"", why, reason);
}

static struct replay *opened(const struct buf *bytes)
{
	struct replay *replay = NULL;
	char why[REPLAY_WHY_MAX];

	if (replay_open(bytes->data, bytes->length, why, &replay))
		fail_msg("%s", why);
	return replay;
}

/* ---- entries ---- */

static const struct {
	uint8_t kind;
	uint8_t most;
	bool has_host;
	bool has_time;
} kinds[] = {
	{ RECORD_BEAT, 0, true, true },
	{ RECORD_WATCH, 0, true, true },
	{ RECORD_OPEN, 0, true, true },
	{ RECORD_BEGIN, 0, true, true },
	{ RECORD_LEAVE, 1, true, true },
	{ RECORD_ASIDE, 1, true, false },
	{ RECORD_WITNESS, LIVE_SAYS_DEAD, true, true },
	{ RECORD_BUSY, 1, true, true },
	{ RECORD_SETTINGS, 0, false, false },
	{ RECORD_JUDGE, 1, false, true },
	{ RECORD_SAID, RECORD_SAIDS - 1, true, false },
	{ RECORD_HOLD, 1, false, false },
	{ RECORD_UNWATCH, 0, true, true },
	{ RECORD_COLD, 1, true, false },
	{ RECORD_RATE, 0, true, true },
};

/* Of @kinds[@k], with @value; and the state that ends the record. */
static void record_with(struct buf *out, size_t k, unsigned value)
{
	head(out, 0, 0, 2);
	state(out, NOW, 2);
	buf_u8(out, (uint8_t)(kinds[k].kind | value << 4));
	if (kinds[k].has_host)
		number(out, 1);
	if (kinds[k].has_time)
		number(out, 2 * 70);
	if (kinds[k].kind == RECORD_SETTINGS)
		settings(out, 1000, 5);
	if (kinds[k].kind == RECORD_JUDGE && value)
		number(out, 0);
	state(out, NOW + 70, 2);
}

static void each_entry_has_its_parts_and_no_value_above_its_greatest(void **unused)
{
	(void)unused;
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		OWNED(buf_done) struct buf good = { 0 };
		OWNED(buf_done) struct buf bad = { 0 };
		OWNED(replay_free) struct replay *replay = NULL;

		record_with(&good, k, kinds[k].most);
		replay = opened(&good);
		assert_int_equal(replay->entry_count, 3);
		record_with(&bad, k, kinds[k].most + 1u);
		assert_refused(&bad, "the value does not go with the entry");
	}
}

static void a_state_has_no_value(void **unused)
{
	OWNED(buf_done) struct buf bytes = { 0 };
	size_t at;

	(void)unused;
	head(&bytes, 0, 0, 2);
	at = bytes.length;
	state(&bytes, NOW, 2);
	bytes.data[at] |= 1 << 4;
	assert_refused(&bytes, "the value does not go with the entry");
}

/* ---- what is out of range ---- */

static void a_head_that_cannot_be_is_refused(void **unused)
{
	static const struct {
		uint64_t zero_ms;
		uint64_t incident;
		size_t hosts;
		const char *why; /* NULL: it is taken */
	} rows[] = {
		{ 0, 0, 1, NULL },
		{ 0, 1, 2, NULL },
		{ 0, 2, 2, "not that many hosts" },
		{ 0, 0, 0, "not that many hosts" },
		{ 0, 0, RECORD_HOSTS_MAX, NULL },
		{ 0, 0, RECORD_HOSTS_MAX + 1, "not that many hosts" },
		{ (UINT64_C(1) << 62) - 1, 0, 1, NULL },
		{ UINT64_C(1) << 62, 0, 1,
		  "its head ends early, or a number in it is out of range" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		OWNED(buf_done) struct buf bytes = { 0 };

		head(&bytes, rows[i].zero_ms, rows[i].incident, rows[i].hosts);
		state(&bytes, NOW, rows[i].hosts);
		if (rows[i].why)
			assert_refused(&bytes, rows[i].why);
		else
			replay_free(opened(&bytes));
	}
}

static void a_head_that_ends_early_is_refused_with_what_is_missing(void **unused)
{
	OWNED(buf_done) struct buf bytes = { 0 };

	(void)unused;
	head(&bytes, 0, 0, 3);
	bytes.length = 6; /* within the time that people count from */
	assert_refused(&bytes, "its head ends early, or a number in it is out of range");
	bytes.length = 14; /* behind the incident */
	assert_refused(&bytes, "not that many hosts");
	bytes.length = 15 + 4;
	assert_refused(&bytes, "not that many hosts"); /* each takes two bytes at least */
	bytes.length = 15 + 3 * 5 - 1;
	assert_refused(&bytes, "the names of the hosts end early");
	bytes.length = 15 + 3 * 5;
	assert_refused(&bytes, "it does not begin with a state");
}

/* No room for more of them, and none for a state. */
static void as_many_hosts_as_there_are_bytes_for_may_be(void **unused)
{
	OWNED(buf_done) struct buf bytes = { 0 };

	(void)unused;
	buf_le32(&bytes, RECORD_MAGIC);
	buf_u8(&bytes, RECORD_VERSION);
	buf_le64(&bytes, 0);
	number(&bytes, 0);
	number(&bytes, 2);
	for (int i = 0; i < 2; i++) {
		buf_text8(&bytes, "");
		number(&bytes, 0);
	}
	assert_refused(&bytes, "it does not begin with a state");
}

static void settings_that_cannot_be_are_refused(void **unused)
{
	static const struct {
		uint64_t interval, missed;
		bool is_good;
	} rows[] = {
		{ 1, 1, true },       { 0, 1, false },       { 1, 0, false },
		{ 3600000, 1, true }, { 3600001, 1, false }, { 1, 10000, true },
		{ 1, 10001, false },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		OWNED(buf_done) struct buf bytes = { 0 };

		head(&bytes, 0, 0, 1);
		state(&bytes, NOW, 1);
		buf_u8(&bytes, RECORD_SETTINGS);
		settings(&bytes, rows[i].interval, rows[i].missed);
		state(&bytes, NOW, 1);
		if (rows[i].is_good)
			replay_free(opened(&bytes));
		else
			assert_refused(&bytes, early);
	}
}

static void times_that_cannot_be_are_refused(void **unused)
{
	static const struct {
		uint64_t from_ms, zigzag;
		bool is_good;
	} rows[] = {
		{ 5, 2 * 5 - 1, true }, /* back to 0 */
		{ 5, 2 * 6 - 1, false },
		{ (UINT64_C(1) << 62) - 1, 0, true },
		{ (UINT64_C(1) << 62) - 1, 2, false },
		{ (UINT64_C(1) << 62) - 9, 2 * 8, true },
		{ (UINT64_C(1) << 62) - 9, 2 * 9, false },
		{ UINT64_C(1) << 62, 0, false },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		OWNED(buf_done) struct buf bytes = { 0 };

		head(&bytes, 0, 0, 1);
		state(&bytes, rows[i].from_ms, 1);
		buf_u8(&bytes, RECORD_BEAT);
		number(&bytes, 0);
		number(&bytes, rows[i].zigzag);
		state(&bytes, NOW, 1);
		if (rows[i].is_good)
			replay_free(opened(&bytes));
		else
			assert_refused(&bytes, early);
	}
}

static void a_witness_that_says_none_of_its_words_is_refused(void **unused)
{
	OWNED(buf_done) struct buf bytes = { 0 };

	(void)unused;
	head(&bytes, 0, 0, 1);
	state_of(&bytes, NOW, 1, 3 << 5, 0);
	assert_refused(&bytes, early);
}

static void it_begins_and_ends_with_a_state(void **unused)
{
	OWNED(buf_done) struct buf late = { 0 };
	OWNED(buf_done) struct buf cut = { 0 };

	(void)unused;
	head(&late, 0, 0, 1);
	buf_u8(&late, RECORD_HOLD);
	state(&late, NOW, 1);
	assert_refused(&late, "it does not begin with a state");
	head(&cut, 0, 0, 1);
	state(&cut, NOW, 1);
	buf_u8(&cut, RECORD_HOLD);
	assert_refused(&cut, "it does not end with a state");
}

static void what_is_longer_than_any_record_is_not_even_read(void **unused)
{
	OWNED(buf_done) struct buf bytes = { 0 };

	(void)unused;
	while (bytes.length < RECORD_BYTES_MAX)
		buf_u8(&bytes, 0);
	assert_refused(&bytes, "this is no record");
	buf_u8(&bytes, 0);
	assert_refused(&bytes, "it is longer than 4194304 bytes");
}

/* ---- how much work, and without memory ---- */

static int run(const struct replay *replay, unsigned which)
{
	const struct replay_change change = { .which = which, .settings.rate_count = 6 };
	OWNED(replay_outcome_done) struct replay_outcome out = { 0 };

	return replay_run(replay, &change, &out);
}

/* @count entries of @head and its one byte more, of RECORD_HOSTS_MAX hosts. */
static struct replay *much(uint8_t kind, const uint8_t *more, size_t length, size_t count)
{
	OWNED(buf_done) struct buf bytes = { 0 };

	head(&bytes, 0, 0, RECORD_HOSTS_MAX);
	state_of(&bytes, NOW, RECORD_HOSTS_MAX, 0, 1 << 4); /* all others keep the switch busy */
	for (size_t i = 0; i < count; i++) {
		buf_u8(&bytes, kind);
		buf_bytes(&bytes, more, length);
	}
	state(&bytes, NOW, RECORD_HOSTS_MAX);
	return opened(&bytes);
}

static void looks_without_end_are_refused(void **unused)
{
	static const uint8_t at_once[] = { 0 };
	const size_t most = WORK_MAX / RECORD_HOSTS_MAX;

	(void)unused;
	for (size_t over = 0; over < 2; over++) {
		OWNED(replay_free) struct replay *replay =
			much(RECORD_JUDGE, at_once, 1, most + over);

		assert_int_equal(run(replay, 0), over ? -E2BIG : 0);
	}
}

/* Each look is followed by the plan of the next one. */
static void looks_that_are_planned_count_twice(void **unused)
{
	static const uint8_t at_once[] = { 0 };
	const size_t most = WORK_MAX / RECORD_HOSTS_MAX / 2;

	(void)unused;
	for (size_t over = 0; over < 2; over++) {
		OWNED(replay_free) struct replay *replay =
			much(RECORD_JUDGE, at_once, 1, most + over);

		assert_int_equal(run(replay, REPLAY_SET_RATE_COUNT), over ? -E2BIG : 0);
	}
}

static void looks_for_who_keeps_a_switch_busy_count_too(void **unused)
{
	static const uint8_t leaves[] = { 0, 0 };
	const size_t most = WORK_MAX / RECORD_HOSTS_MAX;

	(void)unused;
	for (size_t over = 0; over < 2; over++) {
		OWNED(replay_free) struct replay *replay =
			much(RECORD_LEAVE | 1 << 4, leaves, 2, most + over);

		assert_int_equal(run(replay, 0), over ? -E2BIG : 0);
	}
}

/* Host 0 is watched and falls silent; 300 beats of host 1, and as many looks. */
static void one_night(struct buf *out)
{
	head(out, 0, 0, 2);
	state_of(out, NOW, 2, 1, 0);
	for (int i = 0; i < 300; i++) {
		buf_u8(out, RECORD_BEAT);
		number(out, 1);
		number(out, 2 * 50);
		buf_u8(out, RECORD_JUDGE);
		number(out, 0);
	}
	state(out, NOW + 15000, 2);
}

static void without_memory_it_says_so_wherever_it_runs_out(void **unused)
{
	OWNED(buf_done) struct buf bytes = { 0 };
	struct replay *replay = NULL;
	char why[REPLAY_WHY_MAX];
	unsigned n = 0;

	(void)unused;
	one_night(&bytes);
	for (;; n++) {
		fails_in = n + 1;
		if (!replay_open(bytes.data, bytes.length, why, &replay))
			break;
		assert_int_equal(fails_in, 0);
		assert_null(replay);
		assert_string_equal(why, "out of memory");
	}
	assert_in_range(n, 7, 12);
	for (unsigned which = 0; which < 2; which++) {
		for (n = 0;; n++) {
			fails_in = n + 1;
			if (!run(replay, which ? REPLAY_SET_RATE_COUNT : 0))
				break;
			assert_int_equal(fails_in, 0);
		}
		assert_in_range(n, 7, 12);
	}
	fails_in = 0;
	replay_free(replay);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_entry_has_its_parts_and_no_value_above_its_greatest),
		cmocka_unit_test(a_state_has_no_value),
		cmocka_unit_test(a_head_that_cannot_be_is_refused),
		cmocka_unit_test(a_head_that_ends_early_is_refused_with_what_is_missing),
		cmocka_unit_test(as_many_hosts_as_there_are_bytes_for_may_be),
		cmocka_unit_test(settings_that_cannot_be_are_refused),
		cmocka_unit_test(times_that_cannot_be_are_refused),
		cmocka_unit_test(a_witness_that_says_none_of_its_words_is_refused),
		cmocka_unit_test(it_begins_and_ends_with_a_state),
		cmocka_unit_test(what_is_longer_than_any_record_is_not_even_read),
		cmocka_unit_test(looks_without_end_are_refused),
		cmocka_unit_test(looks_that_are_planned_count_twice),
		cmocka_unit_test(looks_for_who_keeps_a_switch_busy_count_too),
		cmocka_unit_test(without_memory_it_says_so_wherever_it_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
