/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the queue share: queue.c (its operations, from put to completion), lanes.c
 * (which of those that wait for a switch is sent next, and how many at once) and touch.c (what is
 * in flight touches what, and which settles wait for it). For these alone.
 */
#pragma once

#include <sys/queue.h>

#include "provider/queue.h"

enum { BUCKETS = 8192, BUCKET_BITS = 13 };

/* Among those of one urgency. */
enum lane { LANE_ISOLATE, LANE_UNBIND, LANE_BETWEEN, LANE_BIND, LANE_READ, LANES };

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

static inline size_t bucket_of(uint64_t id)
{
	return (size_t)((id * 0x9e3779b97f4a7c15ull) >> (64 - BUCKET_BITS));
}

static inline uint64_t max64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline bool is_settle(const struct entry *e)
{
	return e->op.verb == PROVIDER_SETTLE;
}

/* ---- touch.c ---- */

/* NULL: nothing has it. */
struct key *key_find(const struct provider_queue *q, uint64_t id);
/* NULL: no memory. */
struct key *key_get(struct provider_queue *q, uint64_t id);
void tails_forget(struct provider_queue *q, uint64_t now_ms);
/* The ids of what @op touches, or what a settle waits for. */
size_t keys_of(const struct provider_op *op, uint64_t ids[static LINKS]);
void settle_make_ready(struct provider_queue *q, struct entry *e);
/* Links @e to all keys that it touches, or to none: -ENOMEM. */
int entry_link(struct provider_queue *q, struct entry *e);
void entry_unlink(struct provider_queue *q, struct entry *e);
/* UNKNOWN: until its deadline and the switch's lateness are over, it may still be carried out. */
void entry_tail_note(struct provider_queue *q, const struct entry *e);

/* ---- lanes.c ---- */

/* Nothing waits. */
void lanes_init(struct lane_set *set);
bool lane_is_read(enum provider_verb verb);
void lane_add(struct lane_set *set, struct entry *e);
void lane_remove(struct lane_set *set, struct entry *e);
/* A new connection: nothing is known of the switch. */
void lanes_attach(const struct provider_queue *q, struct lane_set *set, uint64_t now_ms);
/* @e has completed. */
void window_learn(struct provider_queue *q, const struct entry *e, uint64_t now_ms);
/* What stands before a new command in its switch may keep it waiting for so long. */
uint64_t wait_allowed_ms(const struct lane_set *set, uint32_t timeout_ms);
/* How urgent @op is all the same. */
enum provider_urgency urgency_allowed(const struct lane_set *set, const struct provider_op *op,
				      enum provider_urgency urgency);
/* Is there room for the first that waits? */
bool set_has_room(const struct provider_queue *q, const struct lane_set *set);
/* When it may go. */
uint64_t set_turn_ms(const struct lane_set *set);
/* NULL: nothing waits. */
struct entry *set_first(struct lane_set *set);
/* One of @urgency was sent. */
void set_sent(struct lane_set *set, enum provider_urgency urgency, uint64_t now_ms);
/* A fence's or a failover's is sent or has completed, and @flying are under way. */
void set_linger(struct lane_set *set, uint32_t flying, uint64_t now_ms);
