/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one thread that writes the database. Batches are applied in the order of submission. */
#pragma once

#include "db/db.h"

struct db_writer;

/* @r: 0 durable, or -errno: unknown. Called by db_writer_reap() on the thread that calls it. */
typedef void db_written_fn(void *arg, uint64_t cookie, int r, const char *why);

/* @db stays the caller's, untouched by others until db_writer_free(). */
MUST_USE int db_writer_new(struct db *db, db_written_fn *written, void *arg,
			   struct db_writer **out);
/* Applies what was submitted, then ends the thread. Nothing is told any more. */
void db_writer_free(struct db_writer *writer);
OWNED_BY(struct db_writer, db_writer_free)

/* Takes @batch over. Batches that wait together may share one transaction; each gets its own
 * answer. After an error every later batch is answered with the same error: the owner freezes. */
void db_writer_submit_take(struct db_writer *writer, struct db_batch *batch, uint64_t cookie);
/* Readable when db_writer_reap() has something to tell. The writer's. */
int db_writer_fd(const struct db_writer *writer);
void db_writer_reap(struct db_writer *writer);
/* After an error the thread tries, later and later, to write the database anew (db_renew()): then
 * all is in a file that can be trusted, and the owner begins again from it, as after a restart. */
struct db_trouble {
	bool is_renewed; /* it has worked: close the writer and the database, and open both */
	unsigned tries;
	char why[DB_TEXT_MAX]; /* the last try failed for this; "" */
};
/* Return: true in trouble, with @out set. The descriptor is readable after each try. */
bool db_writer_trouble(const struct db_writer *writer, struct db_trouble *out);
/* The first try comes @ms after an error; 0 unless told. For an owner that was here before. */
void db_writer_renew_after(struct db_writer *writer, uint64_t ms);

/* @r: 0, the copy is durable; or -errno, @why. By db_writer_reap(). */
typedef void db_backed_up_fn(void *arg, int r, const char *why);
/**
 * db_writer_backup() - copy the database to @to, which must not be there
 *
 * The thread copies some pages between one transaction and the next: batches do not wait for the
 * end of it, and the copy shows one moment. Return: 0, and @fn follows; -EBUSY while another one is
 * under way; -ENAMETOOLONG; -EOPNOTSUPP for a database in memory.
 */
MUST_USE int db_writer_backup(struct db_writer *writer, const char *to, db_backed_up_fn *fn,
			      void *arg);
/* Milliseconds (boot-time clock) since which the oldest unanswered batch waits; 0: none waits. */
uint64_t db_writer_waiting_since_ms(const struct db_writer *writer);
