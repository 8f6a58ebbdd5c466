/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attempts that wait for an answer, each with its deadline. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/own.h"
#include "common/result.h"

struct pending {
	struct pending_slot {
		uint64_t attempt; /* 0: empty */
		uint64_t deadline_ms;
	} * slots;
	size_t room; /* a power of two, at most half of it taken */
	size_t count;
	uint64_t earliest_ms; /* no deadline is before it; UINT64_MAX while there is none */
};

/* Starts from zeroes. */
void pending_done(struct pending *p);
OWNED_BY_VALUE(struct pending, pending_done)

/* @attempt: not 0. One that is there already gets the new deadline. Return: 0 or -ENOMEM. */
MUST_USE int pending_add(struct pending *p, uint64_t attempt, uint64_t deadline_ms);
/* False when it was not there. */
bool pending_remove(struct pending *p, uint64_t attempt);
/* Takes out those whose deadline is at or before @now_ms, at most @most of them; UINT64_MAX: all.
 * Return: how many stand in @out; when that is @most there may be more. */
size_t pending_take(struct pending *p, uint64_t now_ms, uint64_t *out, size_t most);
