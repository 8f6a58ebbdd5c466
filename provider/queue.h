/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What waits for a provider: one queue for each, in it one for each switch. Pure.
 *
 * An operation is put, waits, passes the gate, is sent, and completes exactly once. It waits among
 * those of its urgency: a fence's go first, then a failover's, then all others; among these in its
 * lane (isolate and power; unbind, and read a whole host; the steps between owners; bind; read),
 * first in, first out within each. What is sent is not called back: so for a moment after each of a
 * fence's or a failover's, the next one of these is waited for and nothing else is sent. All the
 * same one command in PROVIDER_QUEUE_SHARE is another's, so that nothing waits for ever behind
 * failovers; and but for a fence's, nothing goes before what waits already and is of the same
 * function. Each switch has a window of commands outstanding, kept so small that what must go first
 * (a fence) never waits long behind what is under way: about 5 ms of the switch's own time, 2 to 64
 * commands, never more than the switch's depth. An isolate command may go beyond the window, not
 * beyond the depth.
 *
 * The deadline of a command allows for those before it in its switch: timeout_ms each until the
 * switch has answered at all, then twice the mean of what each takes. So a switch of 15 s per
 * command is not taken for a dead one, and a lost answer of a fast one shows after timeout_ms and
 * some 10 ms.
 *
 * A completion without an answer is UNKNOWN: it comes at the deadline even when the provider
 * forgets it, and an answer that comes later still is dropped (S19).
 *
 * PROVIDER_SETTLE takes no place in the lanes. It waits until every command that had been *sent*
 * before it was put, and that touches its function or host, has completed. Then it goes to a
 * provider with a barrier; without one it is done here, once what completed as UNKNOWN, or may have
 * been sent in an earlier life, can no longer be carried out. What is sent after it was put is not
 * its matter: the sender holds locks, and the gate. Reads touch nothing; an unbind without a host
 * touches every host; NUM_VFS, and a reset that ended UNKNOWN, touch every function.
 *
 * Nothing is sent or completed but from advance() and completed(): after put(), withdraw(),
 * completed() and detach(), ask next_ms() again. Callbacks may put and withdraw.
 */
#pragma once

#include "provider/provider.h"

enum {
	PROVIDER_QUEUE_MAX = 65536, /* operations in one queue, sent ones included */
	PROVIDER_QUEUE_PATIENCE =
		2, /* timeouts that a deadline is extended by at most, without a barrier */
	PROVIDER_QUEUE_SHARE = 8, /* of so many commands one is no failover's, while others wait */
	PROVIDER_QUEUE_LINGER_MS = 20, /* a failover's next step comes in it, commits included */
	PROVIDER_QUEUE_WINDOW_MIN = 2,
	PROVIDER_QUEUE_WINDOW_MAX = 64,
	PROVIDER_QUEUE_WINDOW_US = 5000, /* of one switch's time may stand in its window */
};

/* The most urgent first. */
enum provider_urgency {
	PROVIDER_FOR_FENCE,
	PROVIDER_FOR_FAILOVER,
	PROVIDER_FOR_REST,
	PROVIDER_URGENCIES,
};

struct provider_queue;

struct provider_queue_user {
	/* The last gate before the wire (S14): false completes the op as PROVIDER_GATED, unsent. */
	bool (*gate)(void *arg, const struct provider_op *op);
	/* @op is the one that was put; @done is borrowed. Called from provider_queue_advance() and
	 * provider_queue_completed() alone. */
	void (*completed)(void *arg, const struct provider_op *op,
			  const struct provider_completion *done);
	void *arg;
};

MUST_USE int provider_queue_new(const struct provider_queue_user *user,
				struct provider_queue **out);
/* What it holds is dropped without completion. */
void provider_queue_free(struct provider_queue *q);
OWNED_BY(struct provider_queue, provider_queue_free)

/**
 * provider_queue_attach() - the provider is connected
 * @p: borrowed until provider_queue_detach()
 * @switches: of the last scan; handles 1 .. @switches are taken. 0: settles alone
 *
 * Return: 0; -EINVAL for more than PROVIDER_SWITCHES_MAX; -EALREADY while attached.
 */
MUST_USE int provider_queue_attach(struct provider_queue *q, struct provider *p,
				   const struct provider_hello *hello, size_t switches,
				   uint64_t now_ms);

/* Lost: what was sent completes as UNKNOWN, what was waiting as GATED, on the next advance(). */
void provider_queue_detach(struct provider_queue *q, uint64_t now_ms);

/**
 * provider_queue_put() - takes a copy of @op
 * @switch_handle: 1 ..; not looked at for PROVIDER_SETTLE
 * @urgency: who goes first among those that wait; not looked at for PROVIDER_SETTLE
 * @op: its deadline_ms is not looked at: it is set when it is sent, to now + @timeout_ms and the
 *      allowance above
 *
 * Return: 0; -ENOTCONN detached; -ENOBUFS full; -EINVAL (provider_op_check(), no such switch, or
 * its attempt is in the queue already); -ENOMEM. Nothing completes unless 0 was returned.
 */
MUST_USE int provider_queue_put(struct provider_queue *q, uint16_t switch_handle,
				enum provider_urgency urgency, const struct provider_op *op,
				uint32_t timeout_ms);

/* Waiting ops that match complete as GATED on the next advance(); sent ones are left. */
void provider_queue_withdraw(struct provider_queue *q,
			     bool (*match)(const struct provider_op *op, void *arg), void *arg);

/* To be fed by the provider's sink. What is not in flight is ignored. A read's answer that does not
 * fit its question becomes FAILED. */
void provider_queue_completed(struct provider_queue *q, const struct provider_completion *done,
			      uint64_t now_ms);

/* Completes what has come to its end or is overdue, then sends what may be sent. */
void provider_queue_advance(struct provider_queue *q, uint64_t now_ms);

/* When advance() has something to do: 0 at once, UINT64_MAX nothing by itself. */
uint64_t provider_queue_next_ms(const struct provider_queue *q);

/* Nothing waits, nothing is in flight, nothing is to be completed. */
bool provider_queue_is_idle(const struct provider_queue *q);

/* Commands that may be outstanding at one switch now; for metrics and tests. */
uint32_t provider_queue_window(const struct provider_queue *q, uint16_t switch_handle);
