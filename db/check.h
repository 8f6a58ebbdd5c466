/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a database that was opened is sound, ours, and of a version that we know. */
#pragma once

#include "db/inside.h"

/* @version: of the database. Return: 0; -EBADMSG when it is newer than @schema. */
MUST_USE int db_check_version(struct db *db, const char *path, const struct db_schema *schema,
			      char *why, uint64_t *version);
/* Pages and rows; with @was_left_open also indexes against tables, and the foreign keys. */
MUST_USE int db_check_content(struct db *db, const char *path, bool was_left_open, char *why);
/* Tables, indexes and triggers are those of @schema, word for word: none was dropped or added. */
MUST_USE int db_check_tables(struct db *db, const char *path, const struct db_schema *schema,
			     char *why);
