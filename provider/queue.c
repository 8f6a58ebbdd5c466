/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/queue.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/defect.h"

/* Among those of one urgency. */
enum lane { LANE_ISOLATE, LANE_UNBIND, LANE_BETWEEN, LANE_BIND, LANE_READ, LANES };

static const enum lane lanes[PROVIDER_VERBS] = {
	[PROVIDER_ISOLATE] = LANE_ISOLATE,        [PROVIDER_UNBIND] = LANE_UNBIND,
	[PROVIDER_RESET] = LANE_BETWEEN,          [PROVIDER_IDENTITY] = LANE_BETWEEN,
	[PROVIDER_NUM_VFS] = LANE_BETWEEN,        [PROVIDER_BIND] = LANE_BIND,
	[PROVIDER_HOST_POWER] = LANE_ISOLATE,     [PROVIDER_READ] = LANE_READ,
	[PROVIDER_READ_HOST] = LANE_UNBIND,       [PROVIDER_SLOT_POWER] = LANE_BETWEEN,
	[PROVIDER_SLOT_ATTENTION] = LANE_BETWEEN,
};

enum {
	BUCKETS = 8192,
	BUCKET_BITS = 13,
	RETRY_MS = 1,
	SMOOTHING = 16,
	SERVICE_FIRST_US = 1200,
	SLOW_US = 5000
};

/* What an operation touches, and a settle waits for. */
enum { TOUCH_FUNCTION = 1, TOUCH_HOST, TOUCH_ALL };
#define KEY(kind, handle) ((uint64_t)(kind) << 32 | (handle)) /* handle 0: any */

struct entry;

/* One operation in flight, or one settle that waits, at one key. */
struct link {
	TAILQ_ENTRY(link) at;
	struct key *key; /* NULL: not linked */
	struct entry *entry;
};
TAILQ_HEAD(links, link);

/* One function, one host, any of them, or all there is. */
struct key {
	LIST_ENTRY(key) chain;
	TAILQ_ENTRY(key) by_tail;
	uint64_t id;
	struct links flying;  /* in the order in which they were sent */
	struct links holding; /* settles, in the order in which they were put */
	uint64_t tail_ms;     /* until then something UNKNOWN may be carried out; 0: nothing */
};

enum entry_state {
	ENTRY_WAITING, /* in its lane */
	ENTRY_HELD,    /* a settle; something that was sent before it is in flight */
	ENTRY_READY,   /* a settle; nothing is, any more */
	ENTRY_TIMED,   /* a settle, to be done by time alone */
	ENTRY_SENT,
	ENTRY_ENDING,
};

enum { LINKS = 4, NO_PLACE = -1 };

struct entry {
	TAILQ_ENTRY(entry) all;
	TAILQ_ENTRY(entry) at; /* in a lane, in ready, or in ending */
	LIST_ENTRY(entry) chain;
	struct provider_op op;
	uint64_t sequence; /* of a settle: when it was put; of any other: when it was sent */
	uint64_t when_ms;  /* SENT: deadline; TIMED: done */
	uint64_t sent_ms;
	int place; /* in the heap, or NO_PLACE */
	uint32_t timeout_ms;
	uint16_t switch_index;
	enum provider_urgency urgency;
	uint8_t held; /* links that hold it */
	enum entry_state state;
	enum provider_outcome outcome; /* ENDING */
	const char *text;              /* ENDING; static */
	struct link links[LINKS];
};
TAILQ_HEAD(entries, entry);

struct lane_set {
	struct entries lanes[PROVIDER_URGENCIES][LANES];
	size_t waiting[PROVIDER_URGENCIES];
	unsigned in_a_row;  /* of fences and failovers, sent while others waited */
	uint64_t linger_ms; /* so long the next one of these is waited for */
	uint32_t flying;
	uint32_t window;
	int64_t service_us; /* smoothed: of the switch's own time, by one command */
	bool has_learnt;    /* it has completed one: service_us says something */
	uint64_t last_ms;   /* of the last completion */
	uint64_t retry_ms;  /* the provider takes no more before */
};

struct provider_queue {
	struct provider_queue_user user;
	struct provider *provider; /* NULL: detached */
	struct provider_hello hello;
	uint64_t attached_ms;
	uint64_t settle_retry_ms;
	size_t switch_count;
	struct lane_set switches[PROVIDER_SWITCHES_MAX];
	struct entries all;
	struct entries ready;
	struct entries ending;
	size_t count;
	size_t ending_count;
	uint64_t sequence;
	struct entry **heap; /* by when_ms */
	size_t heap_count;
	TAILQ_HEAD(, key) tails; /* keys with a tail, oldest first as far as it matters */
	LIST_HEAD(, entry) by_attempt[BUCKETS];
	LIST_HEAD(, key) keys[BUCKETS];
};

static size_t bucket_of(uint64_t id)
{
	return (size_t)((id * 0x9e3779b97f4a7c15ull) >> (64 - BUCKET_BITS));
}

static uint64_t max64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

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

/* Keys: who touches what. */

static struct key *key_find(const struct provider_queue *q, uint64_t id)
{
	struct key *key;

	LIST_FOREACH (key, &q->keys[bucket_of(id)], chain)
		if (key->id == id)
			return key;
	return NULL;
}

static struct key *key_get(struct provider_queue *q, uint64_t id)
{
	struct key *key = key_find(q, id);

	if (key)
		return key;
	key = calloc(1, sizeof(*key));
	if (!key)
		return NULL;
	key->id = id;
	TAILQ_INIT(&key->flying);
	TAILQ_INIT(&key->holding);
	LIST_INSERT_HEAD(&q->keys[bucket_of(id)], key, chain);
	return key;
}

static void key_drop_unused(struct key *key)
{
	/* "any" and "all" stay, so that a tail always has a place to be noted */
	if (!(uint32_t)key->id || key->tail_ms || !TAILQ_EMPTY(&key->flying) ||
	    !TAILQ_EMPTY(&key->holding))
		return;
	LIST_REMOVE(key, chain);
	free(key);
}

static void key_tail_note(struct provider_queue *q, struct key *key, uint64_t until_ms)
{
	if (until_ms <= key->tail_ms)
		return;
	if (key->tail_ms)
		TAILQ_REMOVE(&q->tails, key, by_tail);
	key->tail_ms = until_ms;
	TAILQ_INSERT_TAIL(&q->tails, key, by_tail);
}

static void tails_forget(struct provider_queue *q, uint64_t now_ms)
{
	struct key *key;

	while ((key = TAILQ_FIRST(&q->tails)) && key->tail_ms <= now_ms) {
		TAILQ_REMOVE(&q->tails, key, by_tail);
		key->tail_ms = 0;
		key_drop_unused(key);
	}
}

/* The ids of what @op touches, or what a settle waits for. */
static size_t keys_of(const struct provider_op *op, uint64_t ids[static LINKS])
{
	size_t n = 0;

	switch (op->verb) {
	case PROVIDER_VERB_NONE:
	case PROVIDER_READ:
	case PROVIDER_READ_HOST:
	case PROVIDER_SLOT_ATTENTION:
	case PROVIDER_VERBS:
		return 0;
	case PROVIDER_SLOT_POWER: /* the adapter there, whichever functions it has */
		ids[n++] = KEY(TOUCH_FUNCTION, 0);
		ids[n++] = KEY(TOUCH_HOST, 0);
		ids[n++] = KEY(TOUCH_ALL, 0);
		return n;
	case PROVIDER_SETTLE:
		if (op->function) {
			ids[n++] = KEY(TOUCH_FUNCTION, op->function);
			ids[n++] = KEY(TOUCH_FUNCTION, 0);
		}
		if (op->host) {
			ids[n++] = KEY(TOUCH_HOST, op->host);
			ids[n++] = KEY(TOUCH_HOST, 0);
		}
		if (!n)
			ids[n++] = KEY(TOUCH_ALL, 0);
		return n;
	case PROVIDER_ISOLATE:
	case PROVIDER_UNBIND:
	case PROVIDER_RESET:
	case PROVIDER_IDENTITY:
	case PROVIDER_NUM_VFS:
	case PROVIDER_BIND:
	case PROVIDER_HOST_POWER:
		if (op->function)
			ids[n++] = KEY(TOUCH_FUNCTION,
				       op->verb == PROVIDER_NUM_VFS ? 0 : op->function);
		if (op->host || op->verb == PROVIDER_UNBIND)
			ids[n++] = KEY(TOUCH_HOST, op->host);
		ids[n++] = KEY(TOUCH_ALL, 0);
		return n;
	}
	return 0;
}

static bool is_settle(const struct entry *e)
{
	return e->op.verb == PROVIDER_SETTLE;
}

static void settle_make_ready(struct provider_queue *q, struct entry *e)
{
	e->state = ENTRY_READY;
	TAILQ_INSERT_TAIL(&q->ready, e, at);
}

/* The settles that only waited for what has left @key now. */
static void key_release(struct provider_queue *q, struct key *key)
{
	const struct link *oldest = TAILQ_FIRST(&key->flying);
	struct link *held;

	while ((held = TAILQ_FIRST(&key->holding)) &&
	       (!oldest || held->entry->sequence < oldest->entry->sequence)) {
		TAILQ_REMOVE(&key->holding, held, at);
		held->key = NULL;
		if (!--held->entry->held)
			settle_make_ready(q, held->entry);
	}
}

static void entry_unlink(struct provider_queue *q, struct entry *e)
{
	for (size_t i = 0; i < LINKS; i++) {
		struct key *key = e->links[i].key;

		if (!key)
			continue;
		e->links[i].key = NULL;
		TAILQ_REMOVE(is_settle(e) ? &key->holding : &key->flying, &e->links[i], at);
		if (!is_settle(e))
			key_release(q, key);
		key_drop_unused(key);
	}
}

/* Links @e to all keys that it touches, or to none. */
static int entry_link(struct provider_queue *q, struct entry *e)
{
	uint64_t ids[LINKS];
	struct key *keys[LINKS];
	size_t n = keys_of(&e->op, ids);

	for (size_t i = 0; i < n; i++) {
		keys[i] = key_get(q, ids[i]);
		if (!keys[i]) {
			while (i--)
				key_drop_unused(keys[i]);
			return -ENOMEM;
		}
	}
	e->sequence = ++q->sequence;
	for (size_t i = 0; i < n; i++) {
		if (is_settle(e) && TAILQ_EMPTY(&keys[i]->flying)) {
			key_drop_unused(keys[i]);
			continue;
		}
		e->links[i] = (struct link){ .key = keys[i], .entry = e };
		TAILQ_INSERT_TAIL(is_settle(e) ? &keys[i]->holding : &keys[i]->flying, &e->links[i],
				  at);
		e->held = (uint8_t)(e->held + is_settle(e));
	}
	return 0;
}

/* UNKNOWN: until its deadline and the switch's lateness are over, it may still be carried out. */
static void entry_tail_note(struct provider_queue *q, const struct entry *e)
{
	uint64_t until_ms = e->op.deadline_ms + q->hello.lateness_ms;

	for (size_t i = 0; i < LINKS; i++)
		if (!is_settle(e) && e->links[i].key)
			key_tail_note(q, e->links[i].key, until_ms);
	/* a reset may reach further than the function it names (S16) */
	if (e->op.verb == PROVIDER_RESET)
		key_tail_note(q, key_find(q, KEY(TOUCH_FUNCTION, 0)), until_ms);
}

static struct entry *entry_find(const struct provider_queue *q, uint64_t attempt)
{
	struct entry *e;

	LIST_FOREACH (e, &q->by_attempt[bucket_of(attempt)], chain)
		if (e->op.attempt == attempt)
			return e;
	return NULL;
}

static void lane_add(struct lane_set *set, struct entry *e)
{
	TAILQ_INSERT_TAIL(&set->lanes[e->urgency][lanes[e->op.verb]], e, at);
	set->waiting[e->urgency]++;
}

static void lane_remove(struct lane_set *set, struct entry *e)
{
	TAILQ_REMOVE(&set->lanes[e->urgency][lanes[e->op.verb]], e, at);
	set->waiting[e->urgency]--;
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

/* The window: how many commands make PROVIDER_QUEUE_WINDOW_US of the switch's time. */
static void window_set(const struct provider_queue *q, struct lane_set *set)
{
	int64_t window = PROVIDER_QUEUE_WINDOW_US / (set->service_us > 0 ? set->service_us : 1);

	if (window < PROVIDER_QUEUE_WINDOW_MIN)
		window = PROVIDER_QUEUE_WINDOW_MIN;
	if (window > PROVIDER_QUEUE_WINDOW_MAX)
		window = PROVIDER_QUEUE_WINDOW_MAX;
	if (window > (int64_t)q->hello.depth)
		window = q->hello.depth;
	set->window = (uint32_t)window;
}

/*
 * A command has kept its switch busy since it was sent, or since the one before it was done. Times
 * are in whole milliseconds: what is below that shows only in the mean, what is far above shows at
 * once.
 */
static void window_learn(struct provider_queue *q, const struct entry *e, uint64_t now_ms)
{
	struct lane_set *set = &q->switches[e->switch_index];
	uint64_t since_ms = max64(e->sent_ms, set->last_ms);
	int64_t sample_us = now_ms > since_ms ? (int64_t)(now_ms - since_ms) * 1000 : 0;
	bool is_slow = sample_us >= SLOW_US && sample_us > 4 * set->service_us;

	set->last_ms = now_ms;
	set->has_learnt = true;
	set->service_us += (sample_us - set->service_us) / (is_slow ? 2 : SMOOTHING);
	window_set(q, set);
}

/* What stands before a new command in its switch may keep it waiting, without anything being wrong:
 * before anything is known of the switch, as long as each may take; then twice what each takes. */
static uint64_t wait_allowed_ms(const struct lane_set *set, uint32_t timeout_ms)
{
	uint64_t each_us =
		set->has_learnt ? 2 * (uint64_t)set->service_us : 1000 * (uint64_t)timeout_ms;

	return set->flying * each_us / 1000;
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

/* A fence's or a failover's was sent, or has completed, and @flying are under way: until those
 * should have completed, and for a moment after that. An answer that is lost holds nobody up for
 * longer. */
static void set_linger(struct lane_set *set, uint32_t flying, uint64_t now_ms)
{
	uint64_t each_us = 2 * (uint64_t)set->service_us;

	set->linger_ms = now_ms + flying * each_us / 1000 + PROVIDER_QUEUE_LINGER_MS;
}

/* Nothing else has had its share. */
static bool set_owes(const struct lane_set *set)
{
	return set->waiting[PROVIDER_FOR_REST] && set->in_a_row >= PROVIDER_QUEUE_SHARE - 1;
}

/* Whose turn it is; PROVIDER_URGENCIES: nothing waits. */
static enum provider_urgency set_turn(const struct lane_set *set)
{
	if (set->waiting[PROVIDER_FOR_FENCE])
		return PROVIDER_FOR_FENCE;
	if (set->waiting[PROVIDER_FOR_FAILOVER] && !set_owes(set))
		return PROVIDER_FOR_FAILOVER;
	return set->waiting[PROVIDER_FOR_REST] ? PROVIDER_FOR_REST : PROVIDER_URGENCIES;
}

/* When the one whose turn it is may go. The steps of a failover follow each other closely: what
 * would be sent in between, each of the next would have to wait for. */
static uint64_t set_turn_ms(const struct lane_set *set)
{
	if (set_turn(set) != PROVIDER_FOR_REST || set_owes(set))
		return set->retry_ms;
	return max64(set->retry_ms, set->linger_ms);
}

static void set_sent(struct lane_set *set, enum provider_urgency urgency, uint64_t now_ms)
{
	set->flying++;
	if (urgency == PROVIDER_FOR_REST) {
		set->in_a_row = 0;
		return;
	}
	set->in_a_row += set->waiting[PROVIDER_FOR_REST] > 0;
	set_linger(set, set->flying, now_ms);
}

static struct entry *set_first(struct lane_set *set)
{
	enum provider_urgency urgency = set_turn(set);

	for (enum lane lane = 0; urgency < PROVIDER_URGENCIES && lane < LANES; lane++)
		if (!TAILQ_EMPTY(&set->lanes[urgency][lane]))
			return TAILQ_FIRST(&set->lanes[urgency][lane]);
	return NULL;
}

/* Is there room for the first that waits? An isolate command may go beyond the window. */
static bool set_has_room(const struct provider_queue *q, const struct lane_set *set)
{
	enum provider_urgency urgency = set_turn(set);

	if (urgency == PROVIDER_URGENCIES)
		return false;
	return set->flying <
	       (TAILQ_EMPTY(&set->lanes[urgency][LANE_ISOLATE]) ? set->window : q->hello.depth);
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

/* The locks of changes let no two of them command one function. Should it happen all the same, they
 * are sent in their order: @op waits with what waits already. */
static enum provider_urgency urgency_allowed(const struct lane_set *set,
					     const struct provider_op *op,
					     enum provider_urgency urgency)
{
	const struct entry *e;

	if (urgency != PROVIDER_FOR_FAILOVER || !op->function || lanes[op->verb] == LANE_READ)
		return urgency;
	for (enum lane lane = 0; lane < LANE_READ; lane++)
		TAILQ_FOREACH (e, &set->lanes[PROVIDER_FOR_REST][lane], at)
			if (e->op.function == op->function)
				return PROVIDER_FOR_REST;
	return urgency;
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
		for (int u = 0; u < PROVIDER_URGENCIES; u++)
			for (enum lane lane = 0; lane < LANES; lane++)
				TAILQ_INIT(&q->switches[i].lanes[u][lane]);
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
	for (size_t i = 0; i < switches; i++) {
		struct lane_set *set = &q->switches[i];

		set->service_us = SERVICE_FIRST_US;
		set->has_learnt = false;
		set->last_ms = now_ms;
		set->retry_ms = 0;
		set->linger_ms = 0;
		window_set(q, set);
	}
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
		if (e->state == ENTRY_SENT && !is_settle(e) && lanes[e->op.verb] != LANE_READ)
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
