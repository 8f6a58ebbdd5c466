/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A copy of a database in slices, while others write to it. It shows one moment: that of
 * db_copy_new(). Until it is whole and synced it has another name.
 */
#pragma once

#include "db/inside.h"

struct db_copy;

/**
 * db_copy_new() - begin
 * @from: a database; the connection is the copy's own
 * @to:   must not be there (-EEXIST); never overwritten
 */
MUST_USE int db_copy_new(const char *from, const char *to, char *why, struct db_copy **out);
/* @pages more. @is_done: set; the copy then stands at its name, durably, as one file. */
MUST_USE int db_copy_step(struct db_copy *copy, int pages, bool *is_done, char *why);
/* What is not done is removed. */
void db_copy_free(struct db_copy *copy);
OWNED_BY(struct db_copy, db_copy_free)
