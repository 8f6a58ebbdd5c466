/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/pending.h"

#include <errno.h>
#include <stdlib.h>

enum { ROOM_FIRST = 256 };

static size_t home_of(const struct pending *p, uint64_t attempt)
{
	return (size_t)((attempt * 0x9e3779b97f4a7c15ull) >> 32) & (p->room - 1);
}

/* Where it is, or the empty slot where it would be. */
static size_t slot_of(const struct pending *p, uint64_t attempt)
{
	size_t i = home_of(p, attempt);

	while (p->slots[i].attempt && p->slots[i].attempt != attempt)
		i = (i + 1) & (p->room - 1);
	return i;
}

static int pending_grow(struct pending *p)
{
	struct pending larger = *p;

	if (2 * (p->count + 1) <= p->room)
		return 0;
	larger.room = p->room ? 2 * p->room : ROOM_FIRST;
	larger.slots = calloc(larger.room, sizeof(larger.slots[0]));
	if (!larger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < p->room; i++)
		if (p->slots[i].attempt)
			larger.slots[slot_of(&larger, p->slots[i].attempt)] = p->slots[i];
	if (!p->count)
		larger.earliest_ms = UINT64_MAX;
	free(p->slots);
	*p = larger;
	return 0;
}

/* Those behind @hole that stand there only because it was taken move up. */
static void slot_clear(struct pending *p, size_t hole)
{
	for (size_t i = (hole + 1) & (p->room - 1); p->slots[i].attempt;
	     i = (i + 1) & (p->room - 1)) {
		size_t home = home_of(p, p->slots[i].attempt);

		if (((i - home) & (p->room - 1)) >= ((i - hole) & (p->room - 1))) {
			p->slots[hole] = p->slots[i];
			hole = i;
		}
	}
	p->slots[hole].attempt = 0;
	p->count--;
	if (!p->count)
		p->earliest_ms = UINT64_MAX;
}

void pending_done(struct pending *p)
{
	free(p->slots);
	*p = (struct pending){ 0 };
}

int pending_add(struct pending *p, uint64_t attempt, uint64_t deadline_ms)
{
	size_t i;
	int r = pending_grow(p);

	if (r)
		return r;
	i = slot_of(p, attempt);
	p->count += !p->slots[i].attempt;
	p->slots[i] = (struct pending_slot){ .attempt = attempt, .deadline_ms = deadline_ms };
	if (deadline_ms < p->earliest_ms)
		p->earliest_ms = deadline_ms;
	return 0;
}

bool pending_remove(struct pending *p, uint64_t attempt)
{
	size_t i;

	if (!p->count || !attempt)
		return false;
	i = slot_of(p, attempt);
	if (!p->slots[i].attempt)
		return false;
	slot_clear(p, i);
	return true;
}

size_t pending_take(struct pending *p, uint64_t now_ms, uint64_t *out, size_t most)
{
	uint64_t earliest_ms = UINT64_MAX;
	size_t taken = 0;
	size_t i = 0;

	if (!p->count || p->earliest_ms > now_ms)
		return 0;
	while (i < p->room && p->count) {
		const struct pending_slot *slot = &p->slots[i];

		if (slot->attempt && slot->deadline_ms <= now_ms) {
			if (taken == most)
				return taken;
			out[taken++] = slot->attempt;
			slot_clear(p, i); /* another may stand here now */
			continue;
		}
		if (slot->attempt && slot->deadline_ms < earliest_ms)
			earliest_ms = slot->deadline_ms;
		i++;
	}
	p->earliest_ms = earliest_ms;
	return taken;
}
