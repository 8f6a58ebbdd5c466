/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of db/ share, and its tests; nobody else includes it. */
#pragma once

#include <limits.h>
#include <sqlite3.h>

#include "db/db.h"
#include "db/row.h"
#include "db/schema.h"

struct db_batch {
	struct buf rows; /* packed, one behind the other */
	size_t n;
	size_t n_places; /* of these, rows about assignments */
	/* while the writer has it */
	struct db_batch *next;
	uint64_t cookie;
	uint64_t since_ms;
	int result;
};

enum { DB_HASH = 32, DB_HASH_TEXT = 2 * DB_HASH + 1 };

/* Where the audit's chain stands (chain.h). */
struct db_chain {
	uint8_t key[DB_HASH]; /* all zero where nothing has to be proved */
	uint64_t id;          /* of the last row */
	uint8_t hash[DB_HASH];
	bool is_moved; /* rows were added in this transaction */
};

struct db {
	sqlite3 *sql;
	sqlite3_stmt *writes[DB_KINDS];
	sqlite3_stmt *begin;
	sqlite3_stmt *commit;
	char path[PATH_MAX]; /* "": in memory */
	bool is_fast;
	uint64_t event_last; /* in the last transaction that was durable; 0: none of this life */
	uint64_t audit_last;
	struct db_chain chain;
	const char *key_of; /* the path whose key counts; NULL: @path's own. Borrowed */
	int lock_fd;        /* -1: none */
	int wal_pages;      /* in the write-ahead log after the last commit */
	char incarnation[DB_NAME_MAX];
};

/* Text into @why (may be NULL), cut at DB_TEXT_MAX. */
void db_say(char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The errno for what SQLite answered, negative; @why gets "@doing: sentence". */
int db_failed(sqlite3 *sql, int answer, char *why, const char *doing);

/* Statements without parameters. @doing as above. */
MUST_USE int db_run(struct db *db, const char *text, char *why, const char *doing);
/* The first column of the first row as text into @out; "" when there is no row. */
MUST_USE int db_ask_text(struct db *db, const char *text, char *why, char out[static DB_TEXT_MAX]);
MUST_USE int db_ask_number(struct db *db, const char *text, char *why, uint64_t *out);

/* The parts of db_open(), for what else opens a file. */
MUST_USE int db_connect(struct db *db, const char *path, bool is_new, bool is_fast, char *why);
/* @path: NULL where a copy beside it makes no sense. */
MUST_USE int db_migrate(struct db *db, const char *path, const struct db_schema *schema,
			uint64_t version, char *why);
/* From here on the file is ours to write. */
MUST_USE int db_accept(struct db *db, char *why);

/* Opens @path for reading, sound and of a known version. */
MUST_USE int db_reader_open(struct db *db, const char *path, char *why, uint64_t *version);
/* A draft, or what else stands alone, and its side files. */
void db_draft_remove(const char *draft);
/* The connection goes, the lock stays; the file and its log are left as they are. */
void db_disconnect(struct db *db);

/**
 * db_renew() - after an error on COMMIT or sync: a new file with all that the old one shows
 *
 * The page cache may show what the disk does not have: so all that can be read is written once
 * more, synced with its folder, read again, compared with what was acknowledged, and takes the
 * place of the old file, which is kept as PATH.replaced. @db has no connection afterwards, in any
 * case; after a failure it may be called again. -EOPNOTSUPP for a database in memory.
 */
MUST_USE int db_renew(struct db *db, char *why);

/* db_open() with another schema, for the tests of migration. */
MUST_USE int db_open_schema(const char *path, const struct db_schema *schema, bool is_fast,
			    char *why, struct db **out);

/**
 * db_apply_group() - several batches in one transaction
 * @is_refused: set on failure: true when nothing was written for certain, because a row broke a
 *              constraint; the others of the group may be tried without it
 */
MUST_USE int db_apply_group(struct db *db, const struct db_batch *const *batches, size_t n,
			    bool *is_refused, char *why);
/* Moves the write-ahead log into the file once it is long. An error here has lost nothing yet. */
MUST_USE int db_checkpoint_if_due(struct db *db, char *why);
