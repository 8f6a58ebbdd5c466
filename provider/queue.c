/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/defect.h"
#include "provider/queue_inside.h"

enum { RETRY_MS = 1 };

/* The heap: what has a time. */

static void heap_set(struct provider_queue *q, size_t place, struct entry *e)
{
	q->heap[place] = e;
	e->place = (int)place;
}

static void heap_up(struct provider_queue *q, size_t place, struct entry *e)
{
	while (place && q->heap[(place - 1) / 2]->when_ms > e->when_ms) {
		heap_set(q, place, q->heap[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	heap_set(q, place, e);
}

static void heap_down(struct provider_queue *q, size_t place, struct entry *e)
{
	for (;;) {
		size_t child = 2 * place + 1;

		if (child + 1 < q->heap_count &&
		    q->heap[child + 1]->when_ms < q->heap[child]->when_ms)
			child++;
		if (child >= q->heap_count || q->heap[child]->when_ms >= e->when_ms)
			break;
		heap_set(q, place, q->heap[child]);
		place = child;
	}
	heap_set(q, place, e);
}

static void heap_add(struct provider_queue *q, struct entry *e, uint64_t when_ms)
{
	e->when_ms = when_ms;
	heap_up(q, q->heap_count++, e);
}

static void heap_remove(struct provider_queue *q, struct entry *e)
{
	size_t place;
	struct entry *last;

	if (e->place == NO_PLACE)
		return;
	place = (size_t)e->place;
	e->place = NO_PLACE;
	last = q->heap[--q->heap_count];
	if (last == e)
		return;
	if (place && q->heap[(place - 1) / 2]->when_ms > last->when_ms)
		heap_up(q, place, last);
	else
		heap_down(q, place, last);
}

static struct entry *entry_find(const struct provider_queue *q, uint64_t attempt)
{
	struct entry *e;

	LIST_FOREACH (e, &q->by_attempt[bucket_of(attempt)], chain)
		if (e->op.attempt == attempt)
			return e;
	return NULL;
}

/* Out of whatever it stands in; its attempt is free again, and what it held up goes on. */
static void entry_leave(struct provider_queue *q, struct entry *e)
{
	struct lane_set *set = &q->switches[e->switch_index];

	switch (e->state) {
	case ENTRY_WAITING:
		lane_remove(set, e);
		break;
	case ENTRY_READY:
		TAILQ_REMOVE(&q->ready, e, at);
		break;
	case ENTRY_ENDING:
		TAILQ_REMOVE(&q->ending, e, at);
		q->ending_count--;
		break;
	case ENTRY_SENT:
		if (is_settle(e))
			break;
		set->flying--;
		break;
	case ENTRY_HELD:
	case ENTRY_TIMED:
		break;
	}
	heap_remove(q, e);
	entry_unlink(q, e);
}

static void entry_free(struct provider_queue *q, struct entry *e)
{
	TAILQ_REMOVE(&q->all, e, all);
	LIST_REMOVE(e, chain);
	q->count--;
	free(e);
}

/* To be completed on the next advance(). */
static void entry_end_later(struct provider_queue *q, struct entry *e,
			    enum provider_outcome outcome, const char *text)
{
	if (e->state == ENTRY_ENDING)
		return;
	if (outcome == PROVIDER_UNKNOWN)
		entry_tail_note(q, e);
	entry_leave(q, e);
	e->state = ENTRY_ENDING;
	e->outcome = outcome;
	e->text = text;
	TAILQ_INSERT_TAIL(&q->ending, e, at);
	q->ending_count++;
}

/* Everything is in order again before the user hears of it, since the user may put more. */
static void entry_end(struct provider_queue *q, struct entry *e,
		      const struct provider_completion *done)
{
	const struct provider_op op = e->op;

	if (done->outcome == PROVIDER_UNKNOWN)
		entry_tail_note(q, e);
	entry_leave(q, e);
	entry_free(q, e);
	q->user.completed(q->user.arg, &op, done);
}

static void entry_end_with(struct provider_queue *q, struct entry *e, enum provider_outcome outcome,
			   const char *text)
{
	struct provider_completion done = { .attempt = e->op.attempt, .outcome = outcome };

	(void)snprintf(done.text, sizeof(done.text), "%s", text); /* cut is fine */
	entry_end(q, e, &done);
}

/* Where time alone is the proof of settling, a later life must be able to tell how long the
 * deadline of a command of an earlier one may have been: it is bounded. */
static uint64_t deadline_most_ms(uint32_t timeout_ms)
{
	return (1 + PROVIDER_QUEUE_PATIENCE) * (uint64_t)timeout_ms;
}

/* Does the answer fit the question? */
static bool answer_fits(const struct provider_op *op, const struct provider_completion *done)
{
	if (done->outcome != PROVIDER_DONE)
		return true;
	if (op->verb == PROVIDER_READ) {
		if (done->binding_count != op->value)
			return false;
		for (uint32_t i = 0; i < op->value; i++)
			if (done->bindings[i].function != op->function + i)
				return false;
	} else if (op->verb == PROVIDER_READ_HOST) {
		if (done->host.host != op->host || done->binding_count > PROVIDER_VPORTS_MAX)
			return false;
		for (size_t i = 0; i < done->binding_count; i++)
			if (done->bindings[i].host != op->host || !done->bindings[i].vport ||
			    (i && done->bindings[i].vport <= done->bindings[i - 1].vport))
				return false;
	}
	return true;
}

static void ending_complete(struct provider_queue *q)
{
	/* those that stand there now: what the callbacks add comes with the next advance() */
	for (size_t n = q->ending_count; n && !TAILQ_EMPTY(&q->ending); n--) {
		struct entry *e = TAILQ_FIRST(&q->ending);

		entry_end_with(q, e, e->outcome, e->text);
	}
}

static void overdue_complete(struct provider_queue *q, uint64_t now_ms)
{
	while (q->heap_count && q->heap[0]->when_ms <= now_ms) {
		struct entry *e = q->heap[0];

		if (e->state == ENTRY_TIMED)
			entry_end_with(q, e, PROVIDER_DONE, "");
		else
			entry_end_with(q, e, PROVIDER_UNKNOWN, "no answer by the deadline");
	}
}

/* Return: 0 sent; -EAGAIN the provider takes no more now; <0 it never will. */
static int entry_send(struct provider_queue *q, struct entry *e, uint64_t now_ms)
{
	uint64_t allowed_ms = e->timeout_ms;
	int r;

	if (!is_settle(e)) {
		allowed_ms += wait_allowed_ms(&q->switches[e->switch_index], e->timeout_ms);
		if (!(q->hello.can & PROVIDER_CAN_BARRIER) &&
		    allowed_ms > deadline_most_ms(e->timeout_ms))
			allowed_ms = deadline_most_ms(e->timeout_ms);
	}
	e->op.deadline_ms = now_ms + allowed_ms;
	if (!is_settle(e)) {
		r = entry_link(q, e);
		if (r)
			return -EAGAIN;
	}
	r = q->provider->ops->submit(q->provider, &e->op);
	if (r) {
		if (!is_settle(e))
			entry_unlink(q, e);
		return r == -EINVAL || r == -ETIME ? r : -EAGAIN;
	}
	e->state = ENTRY_SENT;
	e->sent_ms = now_ms;
	heap_add(q, e, e->op.deadline_ms);
	return 0;
}

/* Without a barrier time alone proves it: see @lateness_ms in struct provider_hello. */
static uint64_t settle_due_ms(const struct provider_queue *q, const struct entry *settle)
{
	const struct provider_op *op = &settle->op;
	uint32_t timeout_ms =
		q->hello.timeout_ms > settle->timeout_ms ? q->hello.timeout_ms : settle->timeout_ms;
	uint64_t due_ms = q->attached_ms + deadline_most_ms(timeout_ms) + q->hello.lateness_ms;
	uint64_t ids[LINKS];
	size_t n = keys_of(op, ids);

	for (size_t i = 0; i < n; i++) {
		const struct key *key = key_find(q, ids[i]);

		if (key)
			due_ms = max64(due_ms, key->tail_ms);
	}
	return due_ms;
}

static void settle_time(struct provider_queue *q, struct entry *e, uint64_t now_ms)
{
	uint64_t due_ms = settle_due_ms(q, e);

	if (due_ms <= now_ms) {
		entry_end_later(q, e, PROVIDER_DONE, "");
		return;
	}
	TAILQ_REMOVE(&q->ready, e, at);
	e->state = ENTRY_TIMED;
	heap_add(q, e, due_ms);
}

static void settles_send(struct provider_queue *q, uint64_t now_ms)
{
	struct entry *e;

	if (q->settle_retry_ms > now_ms)
		return;
	while (q->provider && (e = TAILQ_FIRST(&q->ready))) {
		int r;

		if (!(q->hello.can & PROVIDER_CAN_BARRIER)) {
			settle_time(q, e, now_ms);
			continue;
		}
		TAILQ_REMOVE(&q->ready, e, at);
		r = entry_send(q, e, now_ms);
		if (r)
			TAILQ_INSERT_HEAD(&q->ready, e, at);
		if (r == -EAGAIN) {
			q->settle_retry_ms = now_ms + RETRY_MS;
			return;
		}
		if (r)
			entry_end_later(q, e, PROVIDER_GATED, "the provider does not take it");
	}
}

static void set_send(struct provider_queue *q, struct lane_set *set, uint64_t now_ms)
{
	while (q->provider && set_has_room(q, set) && set_turn_ms(set) <= now_ms) {
		struct entry *e = set_first(set);
		int r;

		if (!q->user.gate(q->user.arg, &e->op)) {
			entry_end_later(q, e, PROVIDER_GATED,
					"refused at the gate before the wire");
			continue;
		}
		r = entry_send(q, e, now_ms);
		if (r == -EAGAIN) {
			set->retry_ms = now_ms + RETRY_MS;
		} else if (r) {
			entry_end_later(q, e, PROVIDER_GATED, "the provider does not take it");
		} else {
			lane_remove(set, e);
			set_sent(set, e->urgency, now_ms);
		}
	}
}

int provider_queue_new(const struct provider_queue_user *user, struct provider_queue **out)
{
	OWNED(provider_queue_free) struct provider_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	q->user = *user;
	TAILQ_INIT(&q->all);
	TAILQ_INIT(&q->ready);
	TAILQ_INIT(&q->ending);
	TAILQ_INIT(&q->tails);
	for (size_t i = 0; i < PROVIDER_SWITCHES_MAX; i++)
		lanes_init(&q->switches[i]);
	q->heap = calloc(PROVIDER_QUEUE_MAX, sizeof(q->heap[0]));
	if (!q->heap || !key_get(q, KEY(TOUCH_FUNCTION, 0)) || !key_get(q, KEY(TOUCH_HOST, 0)) ||
	    !key_get(q, KEY(TOUCH_ALL, 0)))
		return -ENOMEM;
	*out = TAKE(q);
	return 0;
}

void provider_queue_free(struct provider_queue *q)
{
	struct entry *e;

	if (!q)
		return;
	while ((e = TAILQ_FIRST(&q->all))) {
		TAILQ_REMOVE(&q->all, e, all);
		free(e);
	}
	for (size_t i = 0; i < BUCKETS; i++) {
		struct key *key;

		while ((key = LIST_FIRST(&q->keys[i]))) {
			LIST_REMOVE(key, chain);
			free(key);
		}
	}
	free(q->heap);
	free(q);
}

int provider_queue_attach(struct provider_queue *q, struct provider *p,
			  const struct provider_hello *hello, size_t switches, uint64_t now_ms)
{
	if (q->provider)
		return -EALREADY;
	if (switches > PROVIDER_SWITCHES_MAX)
		return -EINVAL;
	q->provider = p;
	q->hello = *hello;
	if (!q->hello.depth)
		q->hello.depth = 1;
	q->attached_ms = now_ms;
	q->settle_retry_ms = 0;
	q->switch_count = switches;
	for (size_t i = 0; i < switches; i++)
		lanes_attach(q, &q->switches[i], now_ms);
	return 0;
}

void provider_queue_detach(struct provider_queue *q, uint64_t now_ms)
{
	struct entry *e;

	(void)now_ms;
	q->provider = NULL;
	/* what waits first: a settle must not be let go by what ends below */
	TAILQ_FOREACH (e, &q->all, all)
		if (e->state != ENTRY_SENT)
			entry_end_later(q, e, PROVIDER_GATED, "the provider was lost");
	TAILQ_FOREACH (e, &q->all, all)
		if (e->state == ENTRY_SENT)
			entry_end_later(q, e, PROVIDER_UNKNOWN, "the provider was lost");
}

int provider_queue_put(struct provider_queue *q, uint16_t switch_handle,
		       enum provider_urgency urgency, const struct provider_op *op,
		       uint32_t timeout_ms)
{
	bool settle = op->verb == PROVIDER_SETTLE;
	struct entry *e;

	if (!q->provider)
		return -ENOTCONN;
	if (provider_op_check(op) || entry_find(q, op->attempt))
		return -EINVAL;
	if (!settle && (!switch_handle || switch_handle > q->switch_count))
		return -EINVAL;
	if (q->count == PROVIDER_QUEUE_MAX)
		return -ENOBUFS;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->op = *op;
	e->timeout_ms = timeout_ms;
	e->switch_index = settle ? 0 : (uint16_t)(switch_handle - 1);
	e->place = NO_PLACE;
	if (settle && entry_link(q, e)) {
		free(e);
		return -ENOMEM;
	}
	TAILQ_INSERT_TAIL(&q->all, e, all);
	LIST_INSERT_HEAD(&q->by_attempt[bucket_of(op->attempt)], e, chain);
	q->count++;
	if (!settle) {
		struct lane_set *set = &q->switches[e->switch_index];

		e->urgency = urgency_allowed(set, op, urgency);
		lane_add(set, e);
	} else if (e->held) {
		e->state = ENTRY_HELD;
	} else {
		settle_make_ready(q, e);
	}
	return 0;
}

void provider_queue_withdraw(struct provider_queue *q,
			     bool (*match)(const struct provider_op *op, void *arg), void *arg)
{
	struct entry *e;

	TAILQ_FOREACH (e, &q->all, all)
		if (e->state != ENTRY_SENT && e->state != ENTRY_ENDING && match(&e->op, arg))
			entry_end_later(q, e, PROVIDER_GATED, "withdrawn");
}

/* S19: an answer counts for its own attempt alone. */
static struct entry *entry_answered(const struct provider_queue *q, uint64_t attempt)
{
	struct entry *e = entry_find(q, attempt);

	if (e || !DEFECT(LATE_ANSWER))
		return e;
	TAILQ_FOREACH (e, &q->all, all)
		if (e->state == ENTRY_SENT && !is_settle(e) && !lane_is_read(e->op.verb))
			break;
	return e;
}

void provider_queue_completed(struct provider_queue *q, const struct provider_completion *done,
			      uint64_t now_ms)
{
	struct entry *e = entry_answered(q, done->attempt);
	struct provider_completion wrong = { .attempt = done->attempt };
	struct lane_set *set;

	if (!e || e->state != ENTRY_SENT)
		return;
	set = &q->switches[e->switch_index];
	if (!is_settle(e) && done->outcome != PROVIDER_UNKNOWN)
		window_learn(q, e, now_ms);
	if (!is_settle(e) && e->urgency != PROVIDER_FOR_REST)
		set_linger(set, set->flying - 1, now_ms);
	if ((unsigned)done->outcome > PROVIDER_UNKNOWN) {
		/* it was sent, so it cannot have been gated */
		entry_end_with(q, e, PROVIDER_UNKNOWN, "the provider gave no verdict");
		return;
	}
	if (!answer_fits(&e->op, done)) {
		wrong.outcome = PROVIDER_FAILED;
		(void)snprintf(wrong.text, sizeof(wrong.text),
			       "the answer does not fit the question"); /* it fits */
		done = &wrong;
	}
	entry_end(q, e, done);
}

void provider_queue_advance(struct provider_queue *q, uint64_t now_ms)
{
	tails_forget(q, now_ms);
	ending_complete(q);
	overdue_complete(q, now_ms);
	settles_send(q, now_ms);
	for (size_t i = 0; i < q->switch_count; i++)
		set_send(q, &q->switches[i], now_ms);
	ending_complete(q);
}

uint64_t provider_queue_next_ms(const struct provider_queue *q)
{
	uint64_t next_ms = q->heap_count ? q->heap[0]->when_ms : UINT64_MAX;

	if (q->ending_count)
		return 0;
	if (!q->provider)
		return next_ms;
	if (!TAILQ_EMPTY(&q->ready) && q->settle_retry_ms < next_ms)
		next_ms = q->settle_retry_ms;
	for (size_t i = 0; i < q->switch_count; i++)
		if (set_has_room(q, &q->switches[i]) && set_turn_ms(&q->switches[i]) < next_ms)
			next_ms = set_turn_ms(&q->switches[i]);
	return next_ms;
}

bool provider_queue_is_idle(const struct provider_queue *q)
{
	return !q->count;
}

uint32_t provider_queue_window(const struct provider_queue *q, uint16_t switch_handle)
{
	assert(switch_handle && switch_handle <= q->switch_count);
	return q->switches[switch_handle - 1].window;
}
