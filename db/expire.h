/* SPDX-License-Identifier: GPL-2.0-or-later */
/* History that is old goes, some at a time. */
#pragma once

#include "db/inside.h"

/* @row: packed as DB_EXPIRY; within a transaction. Return: an answer of SQLite. */
MUST_USE int db_expire(struct db *db, struct db_row row);
