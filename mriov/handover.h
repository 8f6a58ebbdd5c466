/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Handing a function over: what to do next, from where it should be and what was last read back.
 *
 * unbind -> read back "nowhere" -> reset -> clear the old identity -> read back -> set the new one
 * -> read back -> bind -> read back. The order is not walked blindly: each step is chosen from a
 * read-back, so that a crash, a lost answer or a command that was carried out twice changes nothing
 * but the number of steps. S1, S16 and S17 are kept here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/identity.h"

/* Hosts are told apart by any number that the caller likes; 0 is nowhere. */
struct handover_goal {
	uint32_t host; /* 0: bound nowhere, identity cleared (a release) */
	uint16_t vport;
	uint64_t generation;
	struct identity identity;
	bool has_identity; /* the function can carry one at all; else @identity is not looked at */
};

/* The last read-back. */
struct handover_seen {
	bool valid; /* there is one, and nothing was done since */
	uint32_t host;
	uint16_t vport;
	uint64_t generation;
	struct identity identity;
};

enum handover_next {
	HANDOVER_READ,   /* nothing is known */
	HANDOVER_UNBIND, /* it is bound where it should not be */
	HANDOVER_RESET,
	HANDOVER_CLEAR, /* it carries an identity that is not the one wanted */
	HANDOVER_SET,
	HANDOVER_BIND,
	HANDOVER_DONE, /* read back, as wanted */
	HANDOVER_NEXTS,
};

/**
 * handover_next() - the next step
 * @reset: a reset was carried out since the function was last bound
 *
 * Pure. After every step but READ the caller reads back before it asks again.
 */
enum handover_next handover_next(const struct handover_goal *goal, const struct handover_seen *seen,
				 bool reset);

/* What the step does, for a plan in words; never NULL. */
const char *handover_text(enum handover_next next);

/* What the function will look like once @next has been carried out: for plans. */
void handover_foresee(const struct handover_goal *goal, enum handover_next next,
		      struct handover_seen *seen, bool *reset);
