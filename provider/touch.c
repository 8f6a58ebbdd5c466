/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who touches what: each command in flight stands at the keys of what it touches, and a settle
 * waits at those that it asks for, until what was sent before it has left them.
 */
#include <errno.h>
#include <stdlib.h>

#include "provider/queue_inside.h"

struct key *key_find(const struct provider_queue *q, uint64_t id)
{
	struct key *key;

	LIST_FOREACH (key, &q->keys[bucket_of(id)], chain)
		if (key->id == id)
			return key;
	return NULL;
}

struct key *key_get(struct provider_queue *q, uint64_t id)
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

void tails_forget(struct provider_queue *q, uint64_t now_ms)
{
	struct key *key;

	while ((key = TAILQ_FIRST(&q->tails)) && key->tail_ms <= now_ms) {
		TAILQ_REMOVE(&q->tails, key, by_tail);
		key->tail_ms = 0;
		key_drop_unused(key);
	}
}

size_t keys_of(const struct provider_op *op, uint64_t ids[static LINKS])
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

void settle_make_ready(struct provider_queue *q, struct entry *e)
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

void entry_unlink(struct provider_queue *q, struct entry *e)
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

int entry_link(struct provider_queue *q, struct entry *e)
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

void entry_tail_note(struct provider_queue *q, const struct entry *e)
{
	uint64_t until_ms = e->op.deadline_ms + q->hello.lateness_ms;

	for (size_t i = 0; i < LINKS; i++)
		if (!is_settle(e) && e->links[i].key)
			key_tail_note(q, e->links[i].key, until_ms);
	/* a reset may reach further than the function it names (S16) */
	if (e->op.verb == PROVIDER_RESET)
		key_tail_note(q, key_find(q, KEY(TOUCH_FUNCTION, 0)), until_ms);
}
