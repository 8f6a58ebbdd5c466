/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "provider/queue.h"

enum { LOG_MAX = 70000, TIMEOUT_MS = 1000, LATENESS_MS = 500 };
/* No deadline is further away without a barrier, so an earlier life is waited out for so long. */
enum { FURTHEST_MS = (1 + PROVIDER_QUEUE_PATIENCE) * TIMEOUT_MS };

/* A provider that takes notes, and a user that does. */
struct rig {
	struct provider provider;
	struct provider_queue *q;
	struct provider_hello hello;
	uint64_t now_ms;
	int submit_answer;
	struct provider_op *sent;
	size_t sent_count;
	struct {
		uint64_t attempt;
		enum provider_outcome outcome;
		uint64_t at_ms;
	} * ended;
	size_t ended_count;
	uint64_t gated_attempt; /* the gate refuses it */
	uint16_t gated_host;    /* and all binds to it */
	bool put_again;         /* each completion puts one more */
	uint64_t next_attempt;
};

static struct rig *rig_of(struct provider *p)
{
	return (struct rig *)((char *)p - offsetof(struct rig, provider));
}

static int rig_submit(struct provider *p, const struct provider_op *op)
{
	struct rig *rig = rig_of(p);

	if (rig->submit_answer)
		return rig->submit_answer;
	assert_true(rig->sent_count < LOG_MAX);
	rig->sent[rig->sent_count++] = *op;
	return 0;
}

static const struct provider_ops rig_ops = { .name = "rig", .submit = rig_submit };

static bool rig_gate(void *arg, const struct provider_op *op)
{
	const struct rig *rig = arg;

	return op->attempt != rig->gated_attempt &&
	       !(op->verb == PROVIDER_BIND && op->host == rig->gated_host);
}

static void rig_completed(void *arg, const struct provider_op *op,
			  const struct provider_completion *done)
{
	struct rig *rig = arg;

	assert_int_equal(op->attempt, done->attempt);
	assert_true(rig->ended_count < LOG_MAX);
	rig->ended[rig->ended_count].attempt = op->attempt;
	rig->ended[rig->ended_count].at_ms = rig->now_ms;
	rig->ended[rig->ended_count++].outcome = done->outcome;
	if (rig->put_again) {
		struct provider_op more = *op;

		more.attempt = rig->next_attempt++;
		assert_int_equal(
			provider_queue_put(rig->q, 1, PROVIDER_FOR_REST, &more, TIMEOUT_MS), 0);
	}
}

static void rig_attach(struct rig *rig)
{
	assert_int_equal(provider_queue_attach(rig->q, &rig->provider, &rig->hello, 2, rig->now_ms),
			 0);
}

static int rig_setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	const struct provider_queue_user user = {
		.gate = rig_gate,
		.completed = rig_completed,
		.arg = rig,
	};

	rig->provider.ops = &rig_ops;
	rig->sent = calloc(LOG_MAX, sizeof(rig->sent[0]));
	rig->ended = calloc(LOG_MAX, sizeof(rig->ended[0]));
	rig->hello = (struct provider_hello){ .can = PROVIDER_CAN_BARRIER,
					      .lateness_ms = LATENESS_MS,
					      .timeout_ms = TIMEOUT_MS,
					      .depth = 64 };
	rig->gated_host = UINT16_MAX;
	rig->next_attempt = 100000;
	rig->now_ms = 10000;
	assert_int_equal(provider_queue_new(&user, &rig->q), 0);
	rig_attach(rig);
	*state = rig;
	return 0;
}

static int rig_teardown(void **state)
{
	struct rig *rig = *state;

	provider_queue_free(rig->q);
	free(rig->sent);
	free(rig->ended);
	free(rig);
	return 0;
}

static void advance_to(struct rig *rig, uint64_t now_ms)
{
	rig->now_ms = now_ms;
	provider_queue_advance(rig->q, now_ms);
}

static void advance(struct rig *rig)
{
	advance_to(rig, rig->now_ms);
}

static void put_op(struct rig *rig, const struct provider_op *op)
{
	assert_int_equal(provider_queue_put(rig->q, 1, PROVIDER_FOR_REST, op, TIMEOUT_MS), 0);
}

static void put_urgent(struct rig *rig, enum provider_urgency urgency, uint64_t attempt,
		       enum provider_verb verb, uint32_t function, uint16_t host)
{
	const struct provider_op op = { .attempt = attempt,
					.verb = verb,
					.function = function,
					.host = host,
					.vport = verb == PROVIDER_BIND,
					.generation = verb == PROVIDER_BIND,
					.value = verb == PROVIDER_READ,
					.switch_handle = 1 };

	assert_int_equal(provider_queue_put(rig->q, 1, urgency, &op, TIMEOUT_MS), 0);
}

static void put(struct rig *rig, uint64_t attempt, enum provider_verb verb, uint32_t function,
		uint16_t host)
{
	put_urgent(rig, PROVIDER_FOR_REST, attempt, verb, function, host);
}

static void answer(struct rig *rig, uint64_t attempt, enum provider_outcome outcome)
{
	const struct provider_completion done = { .attempt = attempt, .outcome = outcome };

	provider_queue_completed(rig->q, &done, rig->now_ms);
}

static bool was_sent(const struct rig *rig, uint64_t attempt)
{
	for (size_t i = 0; i < rig->sent_count; i++)
		if (rig->sent[i].attempt == attempt)
			return true;
	return false;
}

/* -1: it has not ended. Twice is a failure of its own. */
static int outcome_of(const struct rig *rig, uint64_t attempt)
{
	int outcome = -1;

	for (size_t i = 0; i < rig->ended_count; i++)
		if (rig->ended[i].attempt == attempt) {
			assert_int_equal(outcome, -1);
			outcome = (int)rig->ended[i].outcome;
		}
	return outcome;
}

static uint64_t ended_at(const struct rig *rig, uint64_t attempt)
{
	for (size_t i = 0; i < rig->ended_count; i++)
		if (rig->ended[i].attempt == attempt)
			return rig->ended[i].at_ms;
	return 0;
}

static void without_barrier(struct rig *rig)
{
	provider_queue_detach(rig->q, rig->now_ms);
	advance(rig);
	rig->hello.can = 0;
	rig_attach(rig);
	/* what an earlier life may have sent is over */
	rig->now_ms += FURTHEST_MS + LATENESS_MS;
}

static void lanes_go_before_one_another(void **state)
{
	static const struct {
		enum provider_verb verb;
		uint32_t function;
		uint16_t host;
	} puts[] = {
		{ PROVIDER_READ, 1, 0 },       { PROVIDER_BIND, 2, 1 },
		{ PROVIDER_READ_HOST, 0, 1 },  { PROVIDER_RESET, 3, 0 },
		{ PROVIDER_HOST_POWER, 0, 2 }, { PROVIDER_IDENTITY, 4, 0 },
		{ PROVIDER_UNBIND, 5, 1 },     { PROVIDER_NUM_VFS, 6, 0 },
		{ PROVIDER_ISOLATE, 0, 3 },    { PROVIDER_UNBIND, 6, 1 },
	};
	static const uint64_t order[] = { 5, 9, 3, 7, 10, 4, 6, 8, 2, 1 };
	struct rig *rig = *state;

	for (size_t i = 0; i < 10; i++)
		put(rig, i + 1, puts[i].verb, puts[i].function, puts[i].host);
	advance(rig);
	while (rig->ended_count < rig->sent_count) {
		for (size_t i = rig->ended_count; i < rig->sent_count; i++)
			if (rig->sent[i].verb == PROVIDER_READ ||
			    rig->sent[i].verb == PROVIDER_READ_HOST)
				answer(rig, rig->sent[i].attempt, PROVIDER_REFUSED);
			else
				answer(rig, rig->sent[i].attempt, PROVIDER_DONE);
		advance(rig);
	}

	assert_int_equal(rig->sent_count, 10);
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(rig->sent[i].attempt, order[i]);
	assert_true(provider_queue_is_idle(rig->q));
}

static void nothing_is_sent_or_completed_from_within_put(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(provider_queue_next_ms(rig->q), UINT64_MAX);
	put(rig, 1, PROVIDER_RESET, 1, 0);
	assert_int_equal(rig->sent_count, 0);
	assert_int_equal(provider_queue_next_ms(rig->q), 0);
	assert_false(provider_queue_is_idle(rig->q));
	advance(rig);
	assert_int_equal(rig->sent_count, 1);
	assert_int_equal(rig->sent[0].deadline_ms, rig->now_ms + TIMEOUT_MS);
	assert_int_equal(provider_queue_next_ms(rig->q), rig->now_ms + TIMEOUT_MS);
}

static void what_makes_no_sense_is_not_taken(void **state)
{
	struct rig *rig = *state;
	const struct provider_op reset = { .attempt = 1, .verb = PROVIDER_RESET, .function = 1 };
	const struct provider_op nothing = { .attempt = 2 };

	assert_int_equal(provider_queue_put(rig->q, 0, PROVIDER_FOR_REST, &reset, 1), -EINVAL);
	assert_int_equal(provider_queue_put(rig->q, 3, PROVIDER_FOR_REST, &reset, 1), -EINVAL);
	assert_int_equal(provider_queue_put(rig->q, 1, PROVIDER_FOR_REST, &nothing, 1), -EINVAL);
	assert_int_equal(provider_queue_put(rig->q, 1, PROVIDER_FOR_REST, &reset, 1), 0);
	assert_int_equal(provider_queue_put(rig->q, 1, PROVIDER_FOR_REST, &reset, 1), -EINVAL);
	advance(rig);
	assert_int_equal(provider_queue_put(rig->q, 1, PROVIDER_FOR_REST, &reset, 1), -EINVAL);
	assert_int_equal(provider_queue_attach(rig->q, &rig->provider, &rig->hello, 1, rig->now_ms),
			 -EALREADY);
	provider_queue_detach(rig->q, rig->now_ms);
	assert_int_equal(provider_queue_put(rig->q, 1, PROVIDER_FOR_REST, &nothing, 1), -ENOTCONN);
	assert_int_equal(provider_queue_attach(rig->q, &rig->provider, &rig->hello,
					       PROVIDER_SWITCHES_MAX + 1, rig->now_ms),
			 -EINVAL);
}

static void a_full_queue_says_so(void **state)
{
	struct rig *rig = *state;
	struct provider_op op = { .verb = PROVIDER_RESET, .function = 1 };

	for (uint64_t i = 1; i <= PROVIDER_QUEUE_MAX; i++) {
		op.attempt = i;
		assert_int_equal(provider_queue_put(rig->q, 1, PROVIDER_FOR_REST, &op, TIMEOUT_MS),
				 0);
	}
	op.attempt++;
	assert_int_equal(provider_queue_put(rig->q, 1, PROVIDER_FOR_REST, &op, TIMEOUT_MS),
			 -ENOBUFS);
	provider_queue_detach(rig->q, rig->now_ms);
	while (!provider_queue_is_idle(rig->q))
		advance(rig);
	assert_int_equal(rig->ended_count, PROVIDER_QUEUE_MAX);
	rig->ended_count = 0;
	rig_attach(rig);
	assert_int_equal(provider_queue_put(rig->q, 1, PROVIDER_FOR_REST, &op, TIMEOUT_MS), 0);
}

static void s14_what_the_gate_refuses_is_never_sent(void **state)
{
	struct rig *rig = *state;

	rig->gated_attempt = 1;
	put(rig, 1, PROVIDER_BIND, 1, 1);
	put(rig, 2, PROVIDER_BIND, 2, 1);
	advance(rig);
	assert_int_equal(outcome_of(rig, 1), PROVIDER_GATED);
	assert_false(was_sent(rig, 1));
	assert_true(was_sent(rig, 2));
}

static void s14_the_gate_is_asked_when_it_is_sent_not_when_it_is_put(void **state)
{
	struct rig *rig = *state;

	rig->hello.depth = 1;
	provider_queue_detach(rig->q, rig->now_ms);
	rig_attach(rig);
	put(rig, 1, PROVIDER_BIND, 1, 7);
	put(rig, 2, PROVIDER_BIND, 2, 7);
	advance(rig);
	assert_false(was_sent(rig, 2));
	rig->gated_host = 7; /* its epoch rose */
	answer(rig, 1, PROVIDER_DONE);
	advance(rig);
	assert_int_equal(outcome_of(rig, 2), PROVIDER_GATED);
	assert_int_equal(rig->sent_count, 1);
}

static void what_is_overdue_is_unknown_even_if_the_provider_forgets(void **state)
{
	struct rig *rig = *state;

	put(rig, 1, PROVIDER_RESET, 1, 0);
	advance(rig);
	advance_to(rig, rig->now_ms + TIMEOUT_MS - 1);
	assert_int_equal(outcome_of(rig, 1), -1);
	advance_to(rig, rig->now_ms + 1);
	assert_int_equal(outcome_of(rig, 1), PROVIDER_UNKNOWN);
	assert_true(provider_queue_is_idle(rig->q));
}

static void s19_a_late_completion_counts_for_nothing(void **state)
{
	struct rig *rig = *state;

	put(rig, 1, PROVIDER_RESET, 1, 0);
	advance(rig);
	advance_to(rig, rig->now_ms + TIMEOUT_MS);
	put(rig, 2, PROVIDER_RESET, 1, 0);
	answer(rig, 1, PROVIDER_DONE);
	answer(rig, 2, PROVIDER_DONE); /* put, not sent */
	answer(rig, 3, PROVIDER_DONE); /* never heard of */
	assert_int_equal(rig->ended_count, 1);
	assert_int_equal(outcome_of(rig, 1), PROVIDER_UNKNOWN);
	assert_int_equal(outcome_of(rig, 2), -1);
}

static void what_was_sent_cannot_have_been_gated(void **state)
{
	struct rig *rig = *state;

	put(rig, 1, PROVIDER_RESET, 1, 0);
	put(rig, 2, PROVIDER_RESET, 1, 0);
	advance(rig);
	answer(rig, 1, PROVIDER_GATED);
	answer(rig, 2, (enum provider_outcome)77);
	assert_int_equal(outcome_of(rig, 1), PROVIDER_UNKNOWN);
	assert_int_equal(outcome_of(rig, 2), PROVIDER_UNKNOWN);
}

static void when_the_provider_is_lost_sent_is_unknown_and_waiting_is_gated(void **state)
{
	struct rig *rig = *state;

	rig->hello.depth = 2;
	provider_queue_detach(rig->q, rig->now_ms);
	rig_attach(rig);
	for (uint64_t i = 1; i <= 4; i++)
		put(rig, i, PROVIDER_RESET, (uint32_t)i, 0);
	advance(rig);
	assert_int_equal(rig->sent_count, 2);
	const struct provider_op held = { .attempt = 5, .verb = PROVIDER_SETTLE, .function = 1 };
	const struct provider_op free_one = { .attempt = 6,
					      .verb = PROVIDER_SETTLE,
					      .function = 9 };
	put_op(rig, &held);
	put_op(rig, &free_one);
	advance(rig);
	assert_true(was_sent(rig, 6));

	provider_queue_detach(rig->q, rig->now_ms);
	assert_int_equal(rig->ended_count, 0);
	assert_int_equal(provider_queue_next_ms(rig->q), 0);
	advance(rig);

	assert_int_equal(outcome_of(rig, 1), PROVIDER_UNKNOWN);
	assert_int_equal(outcome_of(rig, 2), PROVIDER_UNKNOWN);
	assert_int_equal(outcome_of(rig, 3), PROVIDER_GATED);
	assert_int_equal(outcome_of(rig, 4), PROVIDER_GATED);
	assert_int_equal(outcome_of(rig, 5), PROVIDER_GATED);
	assert_int_equal(outcome_of(rig, 6), PROVIDER_UNKNOWN);
	assert_int_equal(provider_queue_next_ms(rig->q), UINT64_MAX);
	assert_true(provider_queue_is_idle(rig->q));
	answer(rig, 1, PROVIDER_DONE);
	assert_int_equal(rig->ended_count, 6);
}

static bool is_of_host_1(const struct provider_op *op, void *arg)
{
	(void)arg;
	return op->host == 1;
}

static void withdrawing_reaches_what_waits_and_leaves_what_was_sent(void **state)
{
	struct rig *rig = *state;

	rig->hello.depth = 1;
	provider_queue_detach(rig->q, rig->now_ms);
	rig_attach(rig);
	put(rig, 1, PROVIDER_BIND, 1, 1);
	put(rig, 2, PROVIDER_BIND, 2, 1);
	put(rig, 3, PROVIDER_BIND, 3, 2);
	advance(rig);

	provider_queue_withdraw(rig->q, is_of_host_1, NULL);
	provider_queue_withdraw(rig->q, is_of_host_1, NULL);
	assert_int_equal(rig->ended_count, 0);
	advance(rig);
	answer(rig, 1, PROVIDER_DONE);
	advance(rig);

	assert_int_equal(outcome_of(rig, 1), PROVIDER_DONE);
	assert_int_equal(outcome_of(rig, 2), PROVIDER_GATED);
	assert_false(was_sent(rig, 2));
	assert_true(was_sent(rig, 3));
}

static void callbacks_may_put_without_end(void **state)
{
	struct rig *rig = *state;

	rig->gated_host = 1;
	rig->put_again = true;
	put(rig, 1, PROVIDER_BIND, 1, 1);
	for (size_t i = 0; i < 10; i++)
		advance(rig); /* each returns, although every end puts one more */
	assert_true(rig->ended_count >= 10);
	assert_int_equal(provider_queue_next_ms(rig->q), 0);
	rig->put_again = false;
	advance(rig);
	advance(rig);
	assert_true(provider_queue_is_idle(rig->q));
}

static void a_provider_that_takes_no_more_is_asked_again(void **state)
{
	struct rig *rig = *state;
	const struct provider_op settle = { .attempt = 2, .verb = PROVIDER_SETTLE };

	rig->submit_answer = -ENOBUFS;
	put(rig, 1, PROVIDER_RESET, 1, 0);
	put_op(rig, &settle);
	advance(rig);
	assert_int_equal(rig->ended_count, 0);
	assert_int_equal(provider_queue_next_ms(rig->q), rig->now_ms + 1);
	rig->submit_answer = 0;
	advance(rig);
	assert_int_equal(rig->sent_count, 0);
	advance_to(rig, rig->now_ms + 1);
	assert_int_equal(rig->sent_count, 2);
}

static void what_the_provider_never_takes_ends_as_never_sent(void **state)
{
	struct rig *rig = *state;
	const struct provider_op settle = { .attempt = 2, .verb = PROVIDER_SETTLE };

	rig->submit_answer = -EINVAL;
	put(rig, 1, PROVIDER_RESET, 1, 0);
	put_op(rig, &settle);
	advance(rig);
	assert_int_equal(outcome_of(rig, 1), PROVIDER_GATED);
	assert_int_equal(outcome_of(rig, 2), PROVIDER_GATED);
	assert_true(provider_queue_is_idle(rig->q));
}

static void an_answer_that_does_not_fit_its_question_is_a_failure(void **state)
{
	struct rig *rig = *state;
	struct provider_op read = { .verb = PROVIDER_READ, .function = 5, .value = 2 };
	struct provider_op host = { .verb = PROVIDER_READ_HOST, .host = 3 };
	const struct provider_binding ab[] = { { .function = 5 }, { .function = 6 } };
	const struct provider_binding ba[] = { { .function = 6 }, { .function = 5 } };
	const struct provider_binding vs[] = { { .function = 5, .host = 3, .vport = 1 },
					       { .function = 6, .host = 3, .vport = 2 } };
	const struct provider_binding twice[] = { { .function = 5, .host = 3, .vport = 1 },
						  { .function = 6, .host = 3, .vport = 1 } };
	const struct {
		const struct provider_op *op;
		struct provider_completion done;
		enum provider_outcome becomes;
	} cases[] = {
		{ &read, { .bindings = ab, .binding_count = 2 }, PROVIDER_DONE },
		{ &read, { .bindings = ab, .binding_count = 1 }, PROVIDER_FAILED },
		{ &read, { .bindings = ba, .binding_count = 2 }, PROVIDER_FAILED },
		{ &read, { .outcome = PROVIDER_REFUSED }, PROVIDER_REFUSED },
		{ &host,
		  { .bindings = vs, .binding_count = 2, .host = { .host = 3 } },
		  PROVIDER_DONE },
		{ &host, { .host = { .host = 3 } }, PROVIDER_DONE },
		{ &host,
		  { .bindings = vs, .binding_count = 2, .host = { .host = 4 } },
		  PROVIDER_FAILED },
		{ &host,
		  { .bindings = ab, .binding_count = 2, .host = { .host = 3 } },
		  PROVIDER_FAILED },
		{ &host,
		  { .bindings = twice, .binding_count = 2, .host = { .host = 3 } },
		  PROVIDER_FAILED },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct provider_op op = *cases[i].op;
		struct provider_completion done = cases[i].done;

		op.attempt = done.attempt = i + 1;
		put_op(rig, &op);
		advance(rig);
		provider_queue_completed(rig->q, &done, rig->now_ms);
		assert_int_equal(outcome_of(rig, i + 1), cases[i].becomes);
	}
}

static void s19_a_settle_waits_for_all_that_was_sent_before_it_and_touches(void **state)
{
	static const struct {
		enum provider_verb verb;
		uint32_t function;
		uint16_t host;
		uint32_t settle_function;
		uint16_t settle_host;
		bool waits;
	} cases[] = {
		{ PROVIDER_BIND, 1, 1, 1, 0, true },
		{ PROVIDER_BIND, 1, 1, 0, 1, true },
		{ PROVIDER_BIND, 1, 1, 0, 0, true },
		{ PROVIDER_BIND, 1, 1, 1, 2, true },
		{ PROVIDER_BIND, 1, 1, 2, 1, true },
		{ PROVIDER_BIND, 1, 1, 2, 2, false },
		{ PROVIDER_BIND, 1, 1, 2, 0, false },
		{ PROVIDER_BIND, 1, 1, 0, 2, false },
		{ PROVIDER_ISOLATE, 0, 1, 0, 1, true },
		{ PROVIDER_ISOLATE, 0, 1, 1, 0, false },
		{ PROVIDER_UNBIND, 1, 0, 0, 9, true },
		{ PROVIDER_UNBIND, 1, 0, 2, 0, false },
		{ PROVIDER_UNBIND, 1, 2, 0, 9, false },
		{ PROVIDER_RESET, 1, 0, 1, 0, true },
		{ PROVIDER_RESET, 1, 0, 2, 0, false },
		{ PROVIDER_NUM_VFS, 1, 0, 2, 0, true },
		{ PROVIDER_IDENTITY, 1, 0, 1, 0, true },
		{ PROVIDER_HOST_POWER, 0, 1, 0, 1, true },
		{ PROVIDER_READ, 1, 0, 1, 0, false },
		{ PROVIDER_READ, 1, 0, 0, 0, false },
		{ PROVIDER_READ_HOST, 0, 1, 0, 1, false },
		{ PROVIDER_SLOT_POWER, 0, 0, 5, 0, true },
		{ PROVIDER_SLOT_POWER, 0, 0, 0, 6, true },
		{ PROVIDER_SLOT_ATTENTION, 0, 0, 5, 0, false },
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t attempt = 2 * i + 1;
		const struct provider_op settle = { .attempt = attempt + 1,
						    .verb = PROVIDER_SETTLE,
						    .function = cases[i].settle_function,
						    .host = cases[i].settle_host };

		put(rig, attempt, cases[i].verb, cases[i].function, cases[i].host);
		advance(rig);
		put_op(rig, &settle);
		advance(rig);
		if (was_sent(rig, attempt + 1) == cases[i].waits)
			fail_msg("case %zu", i);
		answer(rig, attempt, PROVIDER_REFUSED);
		advance(rig);
		assert_true(was_sent(rig, attempt + 1));
		answer(rig, attempt + 1, PROVIDER_DONE);
		assert_int_equal(outcome_of(rig, attempt + 1), PROVIDER_DONE);
		assert_true(provider_queue_is_idle(rig->q));
	}
}

static void a_settle_waits_out_what_has_no_answer(void **state)
{
	struct rig *rig = *state;
	const struct provider_op settle = { .attempt = 2, .verb = PROVIDER_SETTLE, .function = 1 };

	put(rig, 1, PROVIDER_BIND, 1, 1);
	advance(rig);
	put_op(rig, &settle);
	advance_to(rig, rig->now_ms + TIMEOUT_MS - 1);
	assert_false(was_sent(rig, 2));
	advance_to(rig, rig->now_ms + 1);
	assert_int_equal(outcome_of(rig, 1), PROVIDER_UNKNOWN);
	assert_true(was_sent(rig, 2)); /* the barrier is the provider's to know */
	assert_int_equal(rig->sent[1].deadline_ms, rig->now_ms + TIMEOUT_MS);
	advance_to(rig, rig->now_ms + TIMEOUT_MS);
	assert_int_equal(outcome_of(rig, 2), PROVIDER_UNKNOWN);
}

static void a_settle_does_not_starve_behind_what_is_sent_later(void **state)
{
	struct rig *rig = *state;
	const struct provider_op settle = { .attempt = 900, .verb = PROVIDER_SETTLE, .host = 1 };

	put(rig, 1, PROVIDER_BIND, 1, 1);
	advance(rig);
	put_op(rig, &settle);
	put(rig, 2, PROVIDER_BIND, 2, 1);
	put(rig, 3, PROVIDER_BIND, 3, 1);
	advance(rig);
	assert_true(was_sent(rig, 3));
	assert_false(was_sent(rig, 900));
	answer(rig, 1, PROVIDER_DONE);
	advance(rig);
	assert_true(was_sent(rig, 900));
}

static void a_settle_takes_no_place_in_the_window(void **state)
{
	struct rig *rig = *state;
	const struct provider_op settle = { .attempt = 900,
					    .verb = PROVIDER_SETTLE,
					    .function = 9 };

	rig->hello.depth = 1;
	provider_queue_detach(rig->q, rig->now_ms);
	rig_attach(rig);
	put(rig, 1, PROVIDER_BIND, 1, 1);
	put(rig, 2, PROVIDER_BIND, 2, 1);
	put_op(rig, &settle);
	advance(rig);
	assert_true(was_sent(rig, 1));
	assert_true(was_sent(rig, 900));
	assert_false(was_sent(rig, 2));
}

static void s19_without_a_barrier_an_unknown_is_waited_out_by_time(void **state)
{
	struct rig *rig = *state;
	const struct provider_op settle = { .attempt = 2, .verb = PROVIDER_SETTLE, .function = 1 };
	const struct provider_op other = { .attempt = 3, .verb = PROVIDER_SETTLE, .function = 2 };
	uint64_t sent_ms;

	without_barrier(rig);
	put(rig, 1, PROVIDER_BIND, 1, 1);
	advance(rig);
	sent_ms = rig->now_ms;
	put_op(rig, &settle);
	put_op(rig, &other);
	advance(rig);
	assert_int_equal(outcome_of(rig, 3), PROVIDER_DONE); /* nothing touches it */
	while (outcome_of(rig, 2) == -1) {
		assert_true(provider_queue_next_ms(rig->q) != UINT64_MAX);
		advance_to(rig, provider_queue_next_ms(rig->q) > rig->now_ms
					? provider_queue_next_ms(rig->q)
					: rig->now_ms);
	}
	assert_int_equal(outcome_of(rig, 1), PROVIDER_UNKNOWN);
	assert_int_equal(outcome_of(rig, 2), PROVIDER_DONE);
	assert_int_equal(ended_at(rig, 2), sent_ms + TIMEOUT_MS + LATENESS_MS);
	assert_int_equal(rig->sent_count, 1);
}

static void without_a_barrier_an_answer_leaves_no_tail(void **state)
{
	static const enum provider_outcome answers[] = { PROVIDER_DONE, PROVIDER_REFUSED,
							 PROVIDER_FAILED };
	struct rig *rig = *state;

	without_barrier(rig);
	for (size_t i = 0; i < 3; i++) {
		const struct provider_op settle = {
			.attempt = 100 + i, .verb = PROVIDER_SETTLE, .function = 1, .host = 1
		};

		put(rig, i + 1, PROVIDER_BIND, 1, 1);
		advance(rig);
		put_op(rig, &settle);
		answer(rig, i + 1, answers[i]);
		advance(rig);
		assert_int_equal(outcome_of(rig, 100 + i), PROVIDER_DONE);
	}
}

static void an_unknown_reset_reaches_every_function_and_an_unplaced_unbind_every_host(void **state)
{
	struct rig *rig = *state;
	const struct provider_op unbind = { .attempt = 2, .verb = PROVIDER_UNBIND, .function = 1 };
	const struct provider_op function = { .attempt = 10,
					      .verb = PROVIDER_SETTLE,
					      .function = 77 };
	const struct provider_op host = { .attempt = 11, .verb = PROVIDER_SETTLE, .host = 77 };
	const struct provider_op later = {
		.attempt = 12, .verb = PROVIDER_SETTLE, .function = 77, .host = 77
	};

	without_barrier(rig);
	put(rig, 1, PROVIDER_RESET, 1, 0);
	assert_int_equal(provider_queue_put(rig->q, 2, PROVIDER_FOR_REST, &unbind, TIMEOUT_MS), 0);
	advance(rig);
	advance_to(rig, rig->now_ms + TIMEOUT_MS);
	put_op(rig, &function);
	put_op(rig, &host);
	advance_to(rig, rig->now_ms + LATENESS_MS - 1);
	assert_int_equal(outcome_of(rig, 10), -1);
	assert_int_equal(outcome_of(rig, 11), -1);
	advance_to(rig, rig->now_ms + 1);
	assert_int_equal(outcome_of(rig, 10), PROVIDER_DONE);
	assert_int_equal(outcome_of(rig, 11), PROVIDER_DONE);
	put_op(rig, &later);
	advance(rig);
	assert_int_equal(outcome_of(rig, 12), PROVIDER_DONE); /* the tail is over */
}

static void s18_without_a_barrier_no_deadline_outlasts_what_a_later_life_waits(void **state)
{
	struct rig *rig = *state;

	without_barrier(rig);
	for (uint32_t i = 0; i < 50; i++) /* isolations pass a full window */
		put(rig, i + 1, PROVIDER_ISOLATE, 0, (uint16_t)(i + 1));
	advance(rig);
	assert_true(rig->sent_count > 4);
	for (size_t i = 0; i < rig->sent_count; i++)
		assert_true(rig->sent[i].deadline_ms <= rig->now_ms + FURTHEST_MS);
}

static void s18_without_a_barrier_an_earlier_life_is_waited_out(void **state)
{
	struct rig *rig = *state;
	const struct provider_op settle = { .attempt = 1, .verb = PROVIDER_SETTLE };
	uint64_t attached_ms = rig->now_ms;

	provider_queue_detach(rig->q, rig->now_ms);
	rig->hello.can = 0;
	rig_attach(rig);
	put_op(rig, &settle);
	advance(rig);
	assert_int_equal(provider_queue_next_ms(rig->q), attached_ms + FURTHEST_MS + LATENESS_MS);
	advance_to(rig, attached_ms + FURTHEST_MS + LATENESS_MS - 1);
	assert_int_equal(rig->ended_count, 0);
	advance_to(rig, rig->now_ms + 1);
	assert_int_equal(outcome_of(rig, 1), PROVIDER_DONE);
}

static void tails_outlive_a_reconnect(void **state)
{
	struct rig *rig = *state;
	struct provider_op settle = { .attempt = 2, .verb = PROVIDER_SETTLE, .host = 1 };
	const struct provider_op bind = { .attempt = 1,
					  .verb = PROVIDER_BIND,
					  .function = 1,
					  .host = 1,
					  .vport = 1,
					  .generation = 1 };
	uint64_t sent_ms;

	without_barrier(rig);
	sent_ms = rig->now_ms;
	assert_int_equal(provider_queue_put(rig->q, 1, PROVIDER_FOR_REST, &bind, 100 * TIMEOUT_MS),
			 0);
	advance(rig);
	provider_queue_detach(rig->q, rig->now_ms);
	advance(rig);
	rig_attach(rig);
	put_op(rig, &settle);
	advance_to(rig, sent_ms + 100 * TIMEOUT_MS + LATENESS_MS - 1);
	assert_int_equal(outcome_of(rig, 2), -1);
	advance_to(rig, rig->now_ms + 1);
	assert_int_equal(outcome_of(rig, 2), PROVIDER_DONE);
}

/* A switch that takes @service_us for each command, one after the other. */
static void serve(struct rig *rig, uint64_t count, uint64_t service_us, uint32_t *most)
{
	uint64_t busy_us = rig->now_ms * 1000;
	size_t served = rig->sent_count;
	size_t base = rig->sent_count;

	*most = 0;
	advance(rig);
	while (served < base + count) {
		uint32_t flying = (uint32_t)(rig->sent_count - served);

		/* the first half is for learning */
		if (flying > *most && served > base + count / 2)
			*most = flying;
		assert_true(served < rig->sent_count);
		busy_us += service_us;
		if (busy_us / 1000 > rig->now_ms)
			advance_to(rig, busy_us / 1000 - 1); /* what is overdue ends before */
		rig->now_ms = busy_us / 1000;
		answer(rig, rig->sent[served++].attempt, PROVIDER_DONE);
		advance(rig);
	}
}

static void the_window_holds_about_5_ms_of_the_switchs_time(void **state)
{
	static const struct {
		uint64_t service_us;
		uint32_t least;
		uint32_t most;
	} cases[] = {
		{ 10, 64, 64 }, { 250, 12, 28 },  { 1000, 5, 5 },
		{ 2500, 2, 2 }, { 100000, 2, 2 }, { 15000000, 2, 2 },
	};
	struct rig *rig = *state;
	uint64_t attempt = 1;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t most;

		for (size_t n = 0; n < 2000; n++) {
			const struct provider_op op = { .attempt = attempt++,
							.verb = PROVIDER_RESET,
							.function = 1 };

			assert_int_equal(
				provider_queue_put(rig->q, 1, PROVIDER_FOR_REST, &op, 1000000), 0);
		}
		serve(rig, 2000, cases[i].service_us, &most);
		if (most < cases[i].least || most > cases[i].most)
			fail_msg("%u at once with %u us each", most, (unsigned)cases[i].service_us);
	}
	assert_int_equal(provider_queue_window(rig->q, 2), 4); /* learnt by each switch alone */
}

static void a_slow_switch_is_not_taken_for_a_dead_one(void **state)
{
	struct rig *rig = *state;
	uint32_t most;

	/* 15 s each, of which a command may take 20: none may end as UNKNOWN for its place alone */
	for (uint64_t i = 1; i <= 40; i++) {
		const struct provider_op op = { .attempt = i,
						.verb = PROVIDER_RESET,
						.function = 1 };

		assert_int_equal(provider_queue_put(rig->q, 1, PROVIDER_FOR_REST, &op, 20000), 0);
	}
	serve(rig, 40, 15000000, &most);
	for (uint64_t i = 1; i <= 40; i++)
		assert_int_equal(outcome_of(rig, i), PROVIDER_DONE);
	assert_int_equal(most, 2);
}

static void the_lost_answer_of_a_fast_switch_shows_in_time(void **state)
{
	struct rig *rig = *state;
	uint32_t most;

	for (uint64_t i = 1; i <= 1000; i++)
		put(rig, i, PROVIDER_RESET, 1, 0);
	serve(rig, 1000, 100, &most);
	for (uint64_t i = 2001; i <= 2064; i++)
		put(rig, i, PROVIDER_RESET, 1, 0);
	advance(rig);
	assert_true(rig->sent_count > 1010);
	for (size_t i = 1000; i < rig->sent_count; i++)
		assert_true(rig->sent[i].deadline_ms <= rig->now_ms + TIMEOUT_MS + 12);
}

static void the_window_never_exceeds_the_depth(void **state)
{
	struct rig *rig = *state;

	rig->hello.depth = 3;
	provider_queue_detach(rig->q, rig->now_ms);
	rig_attach(rig);
	for (uint64_t i = 1; i <= 10; i++)
		put(rig, i, PROVIDER_RESET, 1, 0);
	put(rig, 11, PROVIDER_ISOLATE, 0, 1);
	advance(rig);
	assert_int_equal(rig->sent_count, 3);
	assert_int_equal(rig->sent[0].attempt, 11);
}

static void a_fence_passes_a_full_window(void **state)
{
	struct rig *rig = *state;

	for (uint64_t i = 1; i <= 100; i++)
		put(rig, i, PROVIDER_RESET, 1, 0);
	advance(rig);
	assert_int_equal(rig->sent_count, provider_queue_window(rig->q, 1));
	put(rig, 200, PROVIDER_ISOLATE, 0, 1);
	advance(rig);
	assert_true(was_sent(rig, 200));
	assert_int_equal(rig->sent_count, provider_queue_window(rig->q, 1) + 1);
}

static void switches_do_not_wait_for_each_other(void **state)
{
	struct rig *rig = *state;

	for (uint64_t i = 1; i <= 200; i++)
		put(rig, i, PROVIDER_RESET, 1, 0);
	const struct provider_op other = {
		.attempt = 900, .verb = PROVIDER_READ, .function = 1, .value = 1
	};
	assert_int_equal(provider_queue_put(rig->q, 2, PROVIDER_FOR_REST, &other, TIMEOUT_MS), 0);
	advance(rig);
	assert_true(was_sent(rig, 900));
}

/* ---- what is urgent ---- */

/* The switch carries out what it has, each in turn, @each_ms later, until nothing is left. */
static void drain(struct rig *rig, size_t from, uint64_t each_ms)
{
	advance(rig);
	for (size_t i = from; !provider_queue_is_idle(rig->q); i++) {
		while (i == rig->sent_count) {
			assert_true(provider_queue_next_ms(rig->q) != UINT64_MAX);
			advance_to(rig, provider_queue_next_ms(rig->q));
		}
		rig->now_ms += each_ms;
		answer(rig, rig->sent[i].attempt,
		       rig->sent[i].verb == PROVIDER_READ || rig->sent[i].verb == PROVIDER_READ_HOST
			       ? PROVIDER_REFUSED
			       : PROVIDER_DONE);
		advance(rig);
	}
}

static void fences_go_before_failovers_and_these_before_all_others(void **state)
{
	static const struct {
		enum provider_urgency urgency;
		enum provider_verb verb;
		uint32_t function;
		uint16_t host;
	} puts[] = {
		{ PROVIDER_FOR_REST, PROVIDER_HOST_POWER, 0, 3 },
		{ PROVIDER_FOR_REST, PROVIDER_UNBIND, 2, 3 },
		{ PROVIDER_FOR_FAILOVER, PROVIDER_READ, 3, 0 },
		{ PROVIDER_FOR_FAILOVER, PROVIDER_BIND, 4, 2 },
		{ PROVIDER_FOR_FAILOVER, PROVIDER_RESET, 5, 0 },
		{ PROVIDER_FOR_FENCE, PROVIDER_READ_HOST, 0, 1 },
		{ PROVIDER_FOR_FENCE, PROVIDER_UNBIND, 6, 1 },
		{ PROVIDER_FOR_FENCE, PROVIDER_ISOLATE, 0, 1 },
		{ PROVIDER_FOR_FAILOVER, PROVIDER_HOST_POWER, 0, 2 },
	};
	static const uint64_t order[] = { 8, 6, 7, 9, 5, 4, 3, 1, 2 };
	struct rig *rig = *state;

	for (size_t i = 0; i < 9; i++)
		put_urgent(rig, puts[i].urgency, i + 1, puts[i].verb, puts[i].function,
			   puts[i].host);
	drain(rig, 0, 1);

	assert_int_equal(rig->sent_count, 9);
	for (size_t i = 0; i < 9; i++)
		assert_int_equal(rig->sent[i].attempt, order[i]);
}

/* 100 of a failover, 20 others: each eighth is one of those, and the rest follow. */
static void nothing_waits_for_ever_behind_failovers(void **state)
{
	struct rig *rig = *state;
	uint64_t began_ms = rig->now_ms;

	for (uint64_t i = 1; i <= 20; i++)
		put(rig, 1000 + i, PROVIDER_RESET, 1000, 0);
	for (uint64_t i = 1; i <= 100; i++)
		put_urgent(rig, PROVIDER_FOR_FAILOVER, i, PROVIDER_RESET, (uint32_t)i, 0);
	drain(rig, 0, 100);

	assert_int_equal(rig->sent_count, 120);
	for (size_t i = 0; i < 112; i++)
		assert_int_equal(rig->sent[i].attempt > 1000, i % 8 == 7);
	for (size_t i = 1; i <= 20; i++)
		assert_int_equal(outcome_of(rig, 1000 + i), PROVIDER_DONE);
	/* The switch has stood idle once, when the failovers were over. */
	assert_int_equal(rig->now_ms, began_ms + 120 * 100 + PROVIDER_QUEUE_LINGER_MS);
}

static void what_nobody_waited_for_counts_for_no_share(void **state)
{
	struct rig *rig = *state;

	for (uint64_t i = 1; i <= 50; i++)
		put_urgent(rig, PROVIDER_FOR_FAILOVER, i, PROVIDER_RESET, (uint32_t)i, 0);
	drain(rig, 0, 100);
	put(rig, 1001, PROVIDER_RESET, 1000, 0);
	put_urgent(rig, PROVIDER_FOR_FAILOVER, 51, PROVIDER_RESET, 51, 0);
	advance(rig);

	assert_int_equal(rig->sent[50].attempt, 51);
}

/* A host that is not cut off yet writes on. */
static void nobody_has_a_share_while_a_fence_waits(void **state)
{
	struct rig *rig = *state;

	for (uint64_t i = 1; i <= 3; i++)
		put(rig, 1000 + i, PROVIDER_RESET, 1000, 0);
	for (uint64_t i = 1; i <= 40; i++)
		put_urgent(rig, PROVIDER_FOR_FENCE, i, PROVIDER_UNBIND, (uint32_t)i, 1);
	put_urgent(rig, PROVIDER_FOR_FAILOVER, 500, PROVIDER_RESET, 500, 0);
	drain(rig, 0, 100);

	for (size_t i = 0; i < 40; i++)
		assert_int_equal(rig->sent[i].attempt, i + 1);
	assert_int_equal(rig->sent[40].attempt, 1001); /* it was owed that for long */
	assert_int_equal(rig->sent[41].attempt, 500);
}

static void what_is_of_the_same_function_keeps_its_order(void **state)
{
	static const uint64_t order[] = { 3, 4, 1, 2, 5 };
	struct rig *rig = *state;

	put(rig, 1, PROVIDER_RESET, 1, 0);
	put_urgent(rig, PROVIDER_FOR_FAILOVER, 2, PROVIDER_RESET, 1, 0);
	put_urgent(rig, PROVIDER_FOR_FENCE, 3, PROVIDER_UNBIND, 1, 1);
	put_urgent(rig, PROVIDER_FOR_FAILOVER, 4, PROVIDER_RESET, 2, 0);
	put(rig, 5, PROVIDER_BIND, 2, 2);
	drain(rig, 0, 1);

	for (size_t i = 0; i < 5; i++)
		assert_int_equal(rig->sent[i].attempt, order[i]);
}

/* A read commands nothing, so it may pass; what is asked is what is true when it is carried out. */
static void a_read_passes_what_waits_for_the_same_function(void **state)
{
	struct rig *rig = *state;

	put(rig, 1, PROVIDER_RESET, 1, 0);
	put_urgent(rig, PROVIDER_FOR_FAILOVER, 2, PROVIDER_READ, 1, 0);
	drain(rig, 0, 1);

	assert_int_equal(rig->sent[0].attempt, 2);
}

/* Its next step would have to wait for all that was sent in between. */
static void after_a_failovers_command_its_next_one_is_waited_for(void **state)
{
	struct rig *rig = *state;
	uint64_t over_ms;

	put_urgent(rig, PROVIDER_FOR_FAILOVER, 1, PROVIDER_RESET, 1, 0);
	put(rig, 10, PROVIDER_RESET, 10, 0);
	advance(rig);
	advance_to(rig, rig->now_ms + 1);
	assert_int_equal(rig->sent_count, 1);
	answer(rig, 1, PROVIDER_DONE);
	over_ms = rig->now_ms;
	advance_to(rig, over_ms + PROVIDER_QUEUE_LINGER_MS - 1);
	assert_int_equal(rig->sent_count, 1);
	assert_int_equal(provider_queue_next_ms(rig->q), over_ms + PROVIDER_QUEUE_LINGER_MS);
	put_urgent(rig, PROVIDER_FOR_FAILOVER, 2, PROVIDER_RESET, 1, 0);
	advance(rig);
	assert_true(was_sent(rig, 2));
	answer(rig, 2, PROVIDER_DONE);
	over_ms = rig->now_ms;
	advance_to(rig, over_ms + PROVIDER_QUEUE_LINGER_MS - 1);
	assert_int_equal(rig->sent_count, 2);
	advance_to(rig, over_ms + PROVIDER_QUEUE_LINGER_MS);
	assert_true(was_sent(rig, 10));
}

/* Twice what the switch takes for each, and that moment; not until the deadline. */
static void an_answer_that_is_lost_holds_nobody_up_for_long(void **state)
{
	struct rig *rig = *state;
	uint64_t sent_ms;

	for (uint64_t i = 1; i <= 200; i++)
		put(rig, i, PROVIDER_RESET, 1, 0);
	drain(rig, 0, 100);
	rig->now_ms += 1000;
	put_urgent(rig, PROVIDER_FOR_FAILOVER, 1000, PROVIDER_RESET, 2, 0);
	put(rig, 1001, PROVIDER_RESET, 3, 0);
	advance(rig);
	sent_ms = rig->now_ms;
	advance_to(rig, sent_ms + 150);
	assert_false(was_sent(rig, 1001));
	advance_to(rig, provider_queue_next_ms(rig->q));

	assert_true(was_sent(rig, 1001));
	assert_in_range(rig->now_ms, sent_ms + 200, sent_ms + 230);
}

/* What was put for another connection's failover says nothing of this one. */
static void nobody_lingers_over_a_reconnect(void **state)
{
	struct rig *rig = *state;

	put_urgent(rig, PROVIDER_FOR_FAILOVER, 1, PROVIDER_RESET, 1, 0);
	advance(rig);
	provider_queue_detach(rig->q, rig->now_ms);
	advance(rig);
	rig_attach(rig);
	put(rig, 2, PROVIDER_RESET, 2, 0);
	advance(rig);

	assert_true(was_sent(rig, 2));
}

static void what_is_urgent_can_be_withdrawn_as_well(void **state)
{
	struct rig *rig = *state;

	put_urgent(rig, PROVIDER_FOR_FAILOVER, 1, PROVIDER_BIND, 1, 1);
	put(rig, 2, PROVIDER_BIND, 2, 2);
	provider_queue_withdraw(rig->q, is_of_host_1, NULL);
	advance(rig);

	assert_int_equal(outcome_of(rig, 1), PROVIDER_GATED);
	assert_int_equal(rig->sent_count, 1);
	assert_true(was_sent(rig, 2));
}

static uint32_t random_below(uint32_t *seed, uint32_t n)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 8) % n;
}

/* Everything at random against the plainest bookkeeping: each op ends exactly once; a settle is
 * sent only when nothing that was sent before its put, and touches it, is unanswered. */
static void under_random_load_each_op_ends_once_and_no_settle_comes_early(void **state)
{
	enum { OPS = 20000 };
	struct rig *rig = *state;
	uint32_t seed = 42;
	uint64_t attempt = 1;
	size_t answered = 0;
	size_t *settle_mark = calloc(OPS + 1, sizeof(size_t)); /* sent_count at the put */
	bool *over = calloc(OPS + 1, sizeof(bool));
	size_t seen = 0;
	size_t checked = 0;
	bool detached = false;

	while (attempt <= OPS || !provider_queue_is_idle(rig->q)) {
		uint32_t what = random_below(&seed, 100);

		if (detached) {
			rig_attach(rig);
			detached = false;
		}
		if (what < 60 && attempt <= OPS) {
			struct provider_op op = {
				.attempt = attempt,
				.verb = (enum provider_verb)(
					1 + random_below(&seed, PROVIDER_VERBS - 1)),
				.function = 1 + random_below(&seed, 8),
				.host = (uint16_t)(1 + random_below(&seed, 4)),
				.vport = 1,
				.generation = 1,
				.value = 1,
				.switch_handle = 1,
			};

			if (op.verb == PROVIDER_SETTLE) {
				settle_mark[attempt] = rig->sent_count;
				op.function = random_below(&seed, 9);
				op.host = (uint16_t)(random_below(&seed, 5));
			}
			assert_int_equal(provider_queue_put(rig->q,
							    (uint16_t)(1 + random_below(&seed, 2)),
							    (enum provider_urgency)random_below(
								    &seed, PROVIDER_URGENCIES),
							    &op, TIMEOUT_MS),
					 0);
			attempt++;
		} else if (what < 80 && rig->sent_count) {
			/* one of the last hundred, so that some are never answered */
			size_t back = 1 + random_below(&seed, 100);

			if (back <= rig->sent_count)
				answer(rig, rig->sent[rig->sent_count - back].attempt,
				       (enum provider_outcome)(random_below(&seed, 4)));
			answered++;
		} else if (what == 99 && random_below(&seed, 20) == 0) {
			provider_queue_detach(rig->q, rig->now_ms);
			detached = true;
		} else if (what < 90) {
			advance_to(rig, rig->now_ms + random_below(&seed, 20));
		}
		for (; seen < rig->ended_count; seen++) {
			assert_false(over[rig->ended[seen].attempt]);
			over[rig->ended[seen].attempt] = true;
		}
		for (; checked < rig->sent_count; checked++) {
			const struct provider_op *s = &rig->sent[checked];

			if (s->verb != PROVIDER_SETTLE)
				continue;
			for (size_t i = 0; i < settle_mark[s->attempt]; i++) {
				const struct provider_op *o = &rig->sent[i];
				bool changes = o->verb != PROVIDER_SETTLE &&
					       o->verb != PROVIDER_READ &&
					       o->verb != PROVIDER_READ_HOST &&
					       o->verb != PROVIDER_SLOT_ATTENTION;

				if (changes && !over[o->attempt] &&
				    ((!s->function && !s->host) ||
				     (s->function && s->function == o->function) ||
				     (s->host && s->host == o->host)))
					fail_msg("settle %u came before %u had ended",
						 (unsigned)s->attempt, (unsigned)o->attempt);
			}
		}
	}
	assert_int_equal(rig->ended_count, OPS);
	assert_true(answered > 1000);
	free(settle_mark);
	free(over);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(lanes_go_before_one_another),
		TEST(nothing_is_sent_or_completed_from_within_put),
		TEST(what_makes_no_sense_is_not_taken),
		TEST(a_full_queue_says_so),
		TEST(s14_what_the_gate_refuses_is_never_sent),
		TEST(s14_the_gate_is_asked_when_it_is_sent_not_when_it_is_put),
		TEST(what_is_overdue_is_unknown_even_if_the_provider_forgets),
		TEST(s19_a_late_completion_counts_for_nothing),
		TEST(what_was_sent_cannot_have_been_gated),
		TEST(when_the_provider_is_lost_sent_is_unknown_and_waiting_is_gated),
		TEST(withdrawing_reaches_what_waits_and_leaves_what_was_sent),
		TEST(callbacks_may_put_without_end),
		TEST(a_provider_that_takes_no_more_is_asked_again),
		TEST(what_the_provider_never_takes_ends_as_never_sent),
		TEST(an_answer_that_does_not_fit_its_question_is_a_failure),
		TEST(s19_a_settle_waits_for_all_that_was_sent_before_it_and_touches),
		TEST(a_settle_waits_out_what_has_no_answer),
		TEST(a_settle_does_not_starve_behind_what_is_sent_later),
		TEST(a_settle_takes_no_place_in_the_window),
		TEST(s19_without_a_barrier_an_unknown_is_waited_out_by_time),
		TEST(without_a_barrier_an_answer_leaves_no_tail),
		TEST(an_unknown_reset_reaches_every_function_and_an_unplaced_unbind_every_host),
		TEST(s18_without_a_barrier_no_deadline_outlasts_what_a_later_life_waits),
		TEST(s18_without_a_barrier_an_earlier_life_is_waited_out),
		TEST(tails_outlive_a_reconnect),
		TEST(the_window_holds_about_5_ms_of_the_switchs_time),
		TEST(a_slow_switch_is_not_taken_for_a_dead_one),
		TEST(the_lost_answer_of_a_fast_switch_shows_in_time),
		TEST(the_window_never_exceeds_the_depth),
		TEST(a_fence_passes_a_full_window),
		TEST(switches_do_not_wait_for_each_other),
		TEST(fences_go_before_failovers_and_these_before_all_others),
		TEST(nothing_waits_for_ever_behind_failovers),
		TEST(what_nobody_waited_for_counts_for_no_share),
		TEST(nobody_has_a_share_while_a_fence_waits),
		TEST(what_is_of_the_same_function_keeps_its_order),
		TEST(a_read_passes_what_waits_for_the_same_function),
		TEST(after_a_failovers_command_its_next_one_is_waited_for),
		TEST(an_answer_that_is_lost_holds_nobody_up_for_long),
		TEST(nobody_lingers_over_a_reconnect),
		TEST(what_is_urgent_can_be_withdrawn_as_well),
		TEST(under_random_load_each_op_ends_once_and_no_settle_comes_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
