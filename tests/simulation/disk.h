/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The disk, and the database on it. What w->db holds is the image of the last sync: a batch gets
 * there when its sync has succeeded, or by luck when a crash comes before. What was written and not
 * synced is lost at a crash, the tail of it. An error at a write or a sync leaves in limbo whether
 * that batch is there; from then on nothing is written before all of it was written anew, to a
 * disk that works (db/renew.c), and the manager begins again from that file.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

struct world;

struct commit {
	struct commit *next;
	uint64_t cookie;
	uint64_t due_ms;
	struct db_batch *batch;
	bool is_synced;
	bool has_failed;
};

struct disk {
	struct commit *first; /* handed over, and not answered */
	struct commit **last;
	int error;              /* what every write is answered with; 0: none has failed */
	uint64_t bad_until_ms;  /* nothing can be written before */
	int bad_error;          /* what it says then */
	uint64_t renew_ms;      /* in trouble: when all is written anew, if it can be */
	uint64_t since_ms;      /* when it began */
	struct db_batch *limbo; /* the page cache shows it; the disk may have it or not */
	char folder[64];        /* of the file, in runs that have one; "": in memory */
	bool has_copy;          /* a backup stands beside it */
	bool is_restore_wanted; /* once the manager is dead */
	bool was_restored;
	bool is_restored;  /* and not adopted since */
	bool adopt_asked;  /* since it was restored */
	uint64_t adopt_ms; /* when an operator does that; 0: nobody is about to */
};

/* Opens the database of a new run: a file in one of five. */
void disk_init(struct world *w);
void disk_done(struct world *w);
void disk_submit_take(struct world *w, struct db_batch *batch, uint64_t cookie);
/* Since when the oldest batch waits; 0: none does. */
uint64_t disk_waiting_since_ms(const struct world *w);
/* What has come to an end is answered. In trouble: writes anew when it is time. */
void disk_advance(struct world *w);
uint64_t disk_next_ms(const struct world *w);
/* The process that wrote is gone: what was not synced may be lost. */
void disk_crash(struct world *w);

/* ---- what goes wrong, and what people do ---- */
/* Full, or failing, for a while. */
void act_disk(struct world *w);
/* Copies the database, for later. */
void act_backup(struct world *w);
/* The manager is killed, and last week's copy put in place of its database. */
void act_restore(struct world *w);
/* An operator takes what the switch shows as the truth. */
void disk_adopt(struct world *w);
