/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an agent says by datagram, and which answers it believes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/dialog.h"

#define BOOT "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"

static const uint8_t key[DATAGRAM_KEY] = "0123456789abcdef0123456789abcde";
static const uint8_t other_key[DATAGRAM_KEY] = "an other key of an other host..";

struct rig {
	struct dialog dialog;
	struct datagram answer; /* as it was taken in */
};

static int begin(void **state)
{
	static struct rig rig;

	rig = (struct rig){ 0 };
	*state = &rig;
	return datagram_setup() || dialog_init(&rig.dialog, "bay3", BOOT, key);
}

/* Return: what it said. */
static struct datagram beat(struct rig *rig, uint64_t seq)
{
	const struct dialog_now now = { .seq = seq, .epoch = 7, .incarnation = 99 };
	uint8_t bytes[DATAGRAM_SIZE];
	struct datagram said;

	dialog_beat(&rig->dialog, &now, bytes);
	assert_int_equal(datagram_open(bytes, sizeof(bytes), key, &said), 0);
	return said;
}

static enum dialog_news take(struct rig *rig, const struct datagram *answer, const uint8_t *with)
{
	uint8_t bytes[DATAGRAM_SIZE];

	datagram_seal(answer, with, bytes);
	return dialog_take(&rig->dialog, bytes, sizeof(bytes), &rig->answer);
}

static enum dialog_news answer(struct rig *rig, enum datagram_type type, uint64_t seq)
{
	struct datagram a = rig->dialog.beat;

	a.type = type;
	a.seq = seq;
	a.epoch = 8;
	return take(rig, &a, key);
}

static void a_beat_carries_what_was_told(void **state)
{
	struct datagram said = beat(*state, 5);

	assert_int_equal(said.type, DATAGRAM_BEAT);
	assert_true(said.host == datagram_host_hash("bay3"));
	assert_int_equal(said.seq, 5);
	assert_int_equal(said.epoch, 7);
	assert_int_equal(said.incarnation, 99);
	assert_int_equal(said.nonce, 0);
}

static void a_boot_id_that_is_none_is_refused(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(dialog_init(&rig->dialog, "bay3", "boot-1", key), -EINVAL);
}

static void only_an_answer_to_one_of_the_last_beats_of_this_boot_is_believed(void **state)
{
	struct rig *rig = *state;
	struct datagram a;

	assert_int_equal(answer(rig, DATAGRAM_STATUS, 0), DIALOG_NOT_BELIEVED); /* none was said */
	for (uint64_t seq = 1; seq <= DIALOG_ANSWERS_FOR + 1; seq++)
		(void)beat(rig, seq);
	a = rig->dialog.beat;
	a.type = DATAGRAM_FENCED;
	assert_int_equal(take(rig, &a, other_key), DIALOG_NOT_BELIEVED);
	a.boot_id[0] ^= 1;
	assert_int_equal(take(rig, &a, key), DIALOG_NOT_BELIEVED);
	a.boot_id[0] ^= 1;
	a.host ^= 1;
	assert_int_equal(take(rig, &a, key), DIALOG_NOT_BELIEVED);
	assert_int_equal(answer(rig, DATAGRAM_FENCED, 1), DIALOG_NOT_BELIEVED); /* too old */
	assert_int_equal(answer(rig, DATAGRAM_FENCED, DIALOG_ANSWERS_FOR + 2), DIALOG_NOT_BELIEVED);
	/* its own words, thrown back */
	assert_int_equal(answer(rig, DATAGRAM_BEAT, 9), DIALOG_NOT_BELIEVED);
	assert_int_equal(answer(rig, DATAGRAM_RESPONSE, 9), DIALOG_NOT_BELIEVED);
	assert_int_equal(rig->answer.seq, 0);

	assert_int_equal(answer(rig, DATAGRAM_FENCED, 2), DIALOG_FENCED);
	assert_int_equal(rig->answer.epoch, 8);
}

static void an_answer_that_was_overtaken_or_comes_again_is_old_news(void **state)
{
	struct rig *rig = *state;

	(void)beat(rig, 1);
	(void)beat(rig, 2);

	assert_int_equal(answer(rig, DATAGRAM_STATUS, 2), DIALOG_STATUS);
	assert_int_equal(answer(rig, DATAGRAM_FENCED, 1), DIALOG_OLD);
	assert_int_equal(answer(rig, DATAGRAM_FENCED, 2), DIALOG_OLD);
}

static void each_beat_is_challenged_once(void **state)
{
	const struct dialog_now now = { .seq = 3 };
	struct rig *rig = *state;
	uint8_t bytes[DATAGRAM_SIZE];
	struct datagram said;
	struct datagram a;

	(void)beat(rig, 1);
	a = rig->dialog.beat;
	a.type = DATAGRAM_CHALLENGE;
	a.nonce = 1234;
	assert_int_equal(take(rig, &a, key), DIALOG_CHALLENGE);
	dialog_respond(&rig->dialog, &rig->answer, &now, bytes);
	assert_int_equal(datagram_open(bytes, sizeof(bytes), key, &said), 0);

	assert_int_equal(said.type, DATAGRAM_RESPONSE);
	assert_int_equal(said.nonce, 1234);
	assert_int_equal(said.seq, 3);
	assert_int_equal(take(rig, &a, key), DIALOG_OLD);
	assert_int_equal(beat(rig, 4).nonce, 0);
}

static void a_claim_takes_the_place_of_beats_until_it_is_answered(void **state)
{
	struct rig *rig = *state;
	uint64_t stopped;
	uint64_t still;
	struct datagram said;

	(void)beat(rig, 1);
	dialog_claim(&rig->dialog, 8, 2);
	assert_int_equal(answer(rig, DATAGRAM_FENCED, 1), DIALOG_FENCED); /* not to the claim */
	said = beat(rig, 2);
	datagram_claim_read(said.nonce, &stopped, &still);
	assert_int_equal(said.type, DATAGRAM_STOPPED);
	assert_int_equal(stopped, 8);
	assert_int_equal(still, 2);
	assert_int_equal(beat(rig, 3).type, DATAGRAM_STOPPED);
	assert_int_equal(answer(rig, DATAGRAM_FENCED, 3), DIALOG_FENCED);

	assert_int_equal(beat(rig, 4).type, DATAGRAM_BEAT);
}

static void a_claim_that_nobody_answers_is_said_three_times(void **state)
{
	struct rig *rig = *state;

	dialog_claim(&rig->dialog, 1, 0);
	for (uint64_t seq = 1; seq <= DIALOG_CLAIMS; seq++)
		assert_int_equal(beat(rig, seq).type, DATAGRAM_STOPPED);

	assert_int_equal(beat(rig, 9).type, DATAGRAM_BEAT);
}

static void who_leaves_says_so_and_claims_nothing(void **state)
{
	const struct dialog_now now = { .seq = 2 };
	struct rig *rig = *state;
	uint8_t bytes[DATAGRAM_SIZE];
	struct datagram said;

	dialog_claim(&rig->dialog, 1, 0);
	dialog_leave(&rig->dialog, &now, bytes);
	assert_int_equal(datagram_open(bytes, sizeof(bytes), key, &said), 0);

	assert_int_equal(said.type, DATAGRAM_LEAVING);
	assert_int_equal(said.nonce, 0);
	assert_int_equal(answer(rig, DATAGRAM_FENCED, 2), DIALOG_FENCED);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_beat_carries_what_was_told),
		TEST(a_boot_id_that_is_none_is_refused),
		TEST(only_an_answer_to_one_of_the_last_beats_of_this_boot_is_believed),
		TEST(an_answer_that_was_overtaken_or_comes_again_is_old_news),
		TEST(each_beat_is_challenged_once),
		TEST(a_claim_takes_the_place_of_beats_until_it_is_answered),
		TEST(a_claim_that_nobody_answers_is_said_three_times),
		TEST(who_leaves_says_so_and_claims_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
