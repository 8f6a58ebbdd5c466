/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The modelled switch's memory: a file that holds a snapshot of the model and the records of what
 * changed after it.
 *
 * A record is written before the command that caused it is answered, so that a killed fabricsim
 * comes back with every map that it acknowledged. The disk is made to follow when the switch has
 * been quiet for a while, and at the end; a snapshot replaces the file whole (sync, rename, sync
 * of the folder) at the start and when the records have grown long.
 */
#pragma once

#include "sim/model.h"

struct sim_store;

/**
 * sim_store_open() - takes the file, loads the model from it, and follows the model from then on
 * @why: SIM_STORE_WHY bytes
 *
 * A new file is begun when there is none, with a random seed. Return: 0; REFUSE_FIELD when it is
 * another chassis's or is in use; -errno.
 */
enum { SIM_STORE_WHY = 256 };
MUST_USE int sim_store_open(const char *path, struct sim_model *model, struct sim_store **out,
			    char *why);
/* Writes a last snapshot. */
void sim_store_close(struct sim_store *store);
OWNED_BY(struct sim_store, sim_store_close)

/* Makes the disk follow; a new snapshot when it is time for one. Does nothing when nothing is to be
 * done. */
void sim_store_sync(struct sim_store *store);
bool sim_store_is_dirty(const struct sim_store *store);
