/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of items share: change.c (an item's way from intent to commit), flow.c (its turn
 * at the switch, and read-backs that are joined), asking.c (its host's agent) and together.c (its
 * profile). For these alone.
 *
 *   INTENT    its intent is not durable yet (S8)
 *   READY     in the list of those that are looked at next
 *   HOLD      waits for something that is looked at again by items_look(): a switch that is away,
 *             the fence of the host that it leaves, another item that must give an identity up
 *   QUEUED    waits for room among the switch's effects
 *   EFFECT    a command is queued or under way
 *   SETTLING  its outcome is UNKNOWN; nothing is read before that has settled (S19)
 *   WANTING   wants to be read back
 *   READING   a read that covers it is under way
 *   BACKOFF   tries again at wait_ms
 *   ASKING    its host's agent is asked to let it go, until wait_ms
 *   ENDED     not stored yet
 *   STORED    the end: unlocked
 */
#pragma once

#include "fabricd/state.h"

enum {
	ITEM_INTENT,
	ITEM_READY,
	ITEM_HOLD,
	ITEM_QUEUED,
	ITEM_EFFECT,
	ITEM_SETTLING,
	ITEM_WANTING,
	ITEM_READING,
	ITEM_BACKOFF,
	ITEM_ASKING,
	ITEM_ENDED,
	ITEM_STORED,
};

/* ---- change.c ---- */

void item_ready(struct fabric *f, struct fabric_item *item);
/* HOLD; what was read back still counts when it goes on. @step: not copied. */
void item_pause(struct fabric_item *item, const char *step);
/* HOLD; it is read back anew. */
void item_hold(struct fabric_item *item, const char *step);
void item_wait(struct fabric *f, struct fabric_item *item, uint64_t wait_ms);
void item_back_off(struct fabric *f, struct fabric_item *item);
void item_end(struct fabric *f, struct fabric_item *item, enum db_change_state state,
	      const char *reason);
/* The host that the item leads to is not the one that it was planned for any more. */
bool goal_is_lost(struct fabric *f, const struct fabric_item *item);
/* It leaves a host whose door is closed and which is not proved fenced yet. */
bool origin_is_fencing(struct fabric *f, const struct fabric_item *item);

/* ---- flow.c ---- */

enum provider_urgency urgency_of(struct fabric *f, const struct fabric_item *item);
/* For one more effect of it. */
bool item_has_room(struct fabric *f, const struct fabric_item *item);
/* QUEUED: it is made ready when there is room. */
void item_queue(struct fabric *f, struct fabric_item *item);
/* An effect of it was handed over, with run.urgency; it has come back. */
void flow_begin(struct fabric *f, const struct fabric_item *item);
void flow_end(struct fabric *f, const struct fabric_item *item);
/* Those that waited for room look again, in their order. */
void flow_refill(struct fabric *f, struct flow *flow);
bool flow_may_refill(const struct flow *flow);
/* WANTING; or it tries again, for want of memory. */
void item_want_read(struct fabric *f, struct fabric_item *item);
void flow_read(struct fabric_provider *p, uint16_t switch_handle);
/* When a read is due that waits to be joined. */
uint64_t flow_read_ms(const struct flow *flow);
void flow_read_over(struct fabric_provider *p, const struct provider_op *op);

/* ---- asking.c ---- */

/* Before it is unbound. Return: true when the answer is waited for. */
bool item_asks(struct fabric *f, struct fabric_item *item);
/* ASKING: the host that was asked is as it was then. */
bool ask_stands(struct fabric *f, const struct fabric_item *item);
/* ASKING: it has not answered in time. */
void ask_is_over(struct fabric *f, struct fabric_item *item);
/* Return: true when @item has ended for that, with its read-back. */
bool unanswered_ends(struct fabric *f, struct fabric_item *item, enum handover_next next);

/* ---- together.c ---- */

/* @is_out: it is bound no more where it was. Return: true when another of its profile is waited
 * for. */
bool item_awaits_mates(struct fabric *f, struct fabric_item *item, bool is_out);
/* Return: true when it has ended, for one of its profile stays. */
bool item_stays(struct fabric *f, struct fabric_item *item, enum handover_next next);
