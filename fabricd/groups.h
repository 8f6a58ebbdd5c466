/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What moves together when a host is given up, and where each goes; see groups.c. */
#pragma once

#include "fabricd/state.h"

/* A profile, or all that the host has outside of profiles. */
struct move_group {
	const struct fabric_profile *profile; /* NULL: outside of profiles */
	unsigned priority;
	struct fabric_function **fns; /* @count of them, in the move's array */
	size_t count;
	struct fabric_host *target; /* NULL: it waits */
	char why[DB_TEXT_MAX];      /* which spares were passed over; or why it waits */
};

/* All that one host has. */
struct move {
	struct fabric_host *from;
	struct fabric_incident *incident; /* NULL: of none; the caller's to set */
	struct fabric_function *fns[PROVIDER_VPORTS_MAX];
	size_t fn_count;
	struct move_group *groups; /* the highest priority first */
	size_t group_count;
};

enum move_which {
	MOVE_ALL,
	MOVE_OURS, /* but for what is left: move_leaves() */
	MOVE_NOW,  /* of these what is free to be moved now, and no profile of which something is
		      under way */
};
/* Groups of what is assigned to @from. Return: 0 or -ENOMEM. */
MUST_USE int move_new(struct fabric *f, struct fabric_host *from, enum move_which which,
		      struct move **out);
/* The switch shows @fn at another host than its own, and not by us: whoever has it there keeps it.
 */
bool move_leaves(const struct fabric *f, const struct fabric_function *fn);
void move_free(struct move *m);
OWNED_BY(struct move, move_free)

/* Finds a target for each group of all @moves, or says why there is none. Return: 0 or -ENOMEM. */
MUST_USE int moves_place(struct fabric *f, struct move *const *moves, size_t count);
/* The first that found no target; NULL: all have one. */
const struct move_group *move_waiting(const struct move *m);
/* For each of @m->fns the vport at its target: its own where that is free; 0: there is none. */
void move_vports(const struct move *m, uint16_t vports[static PROVIDER_VPORTS_MAX]);

/* "profile web (priority 500, 4 functions)"; "4 functions" */
void group_say(const struct move_group *g, char out[static DB_TEXT_MAX]);
/* "4 functions move to bay8, ..." */
void move_say(const struct move *m, char out[static DB_TEXT_MAX]);
/* "; powers on bay9, waits up to 300 s for its first beat", for each that is a cold spare. */
void colds_say(const struct fabric *f, const struct move *m, char out[static DB_TEXT_MAX]);
/* "bay8, bay9" */
void move_targets(const struct move *m, char out[static FABRIC_NAME_MAX]);
