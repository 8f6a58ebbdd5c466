/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The database as a file among files: its lock, its header, its folder. No SQLite here. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/result.h"

bool db_file_is_memory(const char *path);
/* @path with its symbolic links followed, so that one file has one lock. */
MUST_USE int db_file_resolve(const char *path, char *why, char out[static PATH_MAX]);
/* @path with @ending behind it. */
MUST_USE int db_file_beside(const char *path, const char *ending, char *why,
			    char out[static PATH_MAX]);
/* Takes PATH.lock, or says who has it (-EBUSY). @fd: the caller's; closing it gives the lock up. */
MUST_USE int db_file_lock(const char *path, char *why, int *fd);
/* True when a write-ahead log was left behind: whoever wrote it did not close the database. */
bool db_file_was_left_open(const char *path);
/**
 * db_file_check() - is this a database of ours?
 * @exists: set on success; false when nothing is there and one may be created
 *
 * Reads the header alone and changes nothing. Return: 0; -EBADMSG for what SQLite must not touch.
 */
MUST_USE int db_file_check(const char *path, uint32_t application_id, char *why, bool *exists);
/* Writes to disk what stands in the file, and its name in the folder. */
MUST_USE int db_file_sync(const char *path, char *why);
/* Renames @from to @to durably. */
MUST_USE int db_file_rename(const char *from, const char *to, char *why);
/* The same, but never over a file that is there: -EEXIST. */
MUST_USE int db_file_rename_new(const char *from, const char *to, char *why);
/* Owner and group of @path become those of the folder that it is in, where we are root: what an
 * administrator makes beside the database, the user of fabricd must be able to use. */
void db_file_hand_over(const char *path);
/* @path gets the mode that @like has; 0640 where that is not there. */
void db_file_mode(const char *path, const char *like);
/* The name under which a whole and synced database waits to take the place of @path. */
MUST_USE int db_file_next(const char *path, char *why, char out[static PATH_MAX]);
/**
 * db_file_replace() - let PATH.next, if it is there, take the place of @path
 *
 * What was there becomes PATH.replaced, with its write-ahead log, in place of an earlier one. From
 * the moment that PATH.next is in the folder there is no way back: after a crash the next
 * db_open() goes on here. With the lock held. Return: 0, also when nothing waits; -errno.
 */
MUST_USE int db_file_replace(const char *path, char *why);
