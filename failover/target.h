/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which host takes over (S11): pure, a list of candidates goes in, an index comes out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct target_candidate {
	const char *name;
	bool spare;
	bool ours;      /* has taken over for the same host before: what it holds is no reason */
	bool door_open; /* not fencing, fenced, blocked, in maintenance, quarantined */
	bool cold;      /* proved off, and can be turned on: it need not beat */
	bool silent;    /* has not beaten, and its door is open */
	bool steady;    /* alive for so many windows */
	bool reachable; /* by every adapter of the profile */
	unsigned used;  /* functions assigned to it */
	unsigned free_vports;
	uint16_t chassis;
	uint16_t switch_handle;
};

struct target_need {
	unsigned vports;
	uint16_t chassis; /* of the dead host: its own chassis is preferred, then its own switch */
	uint16_t switch_handle;
};

/**
 * target_choose() - the best fit spare
 * @why: size @why_size: one clause per candidate that is a spare and was passed over; those that
 * are not reached together in one, the last
 *
 * A spare with an open door, steady or cold, that holds no profile and has room. Among those: one
 * that has taken over for the same host, warm before cold, same chassis, same switch, then by name.
 * Return: index, or -1.
 */
int target_choose(const struct target_candidate *candidates, size_t count,
		  const struct target_need *need, char *why, size_t why_size);
