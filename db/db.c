/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/db.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "db/chain.h"
#include "db/check.h"
#include "db/file.h"
#include "db/inside.h"

void db_say(char *why, const char *format, ...)
{
	va_list args;

	if (!why)
		return;
	va_start(args, format);
	(void)vsnprintf(why, DB_TEXT_MAX, format, args); /* longer is cut */
	va_end(args);
}

static const struct {
	int answer;
	int error;
} errors[] = {
	{ SQLITE_NOMEM, ENOMEM },    { SQLITE_FULL, ENOSPC },     { SQLITE_BUSY, EBUSY },
	{ SQLITE_LOCKED, EBUSY },    { SQLITE_CORRUPT, EBADMSG }, { SQLITE_NOTADB, EBADMSG },
	{ SQLITE_READONLY, EROFS },  { SQLITE_PERM, EACCES },     { SQLITE_CONSTRAINT, EINVAL },
	{ SQLITE_TOOBIG, E2BIG },    { SQLITE_SCHEMA, EBADMSG },  { SQLITE_ERROR, EBADMSG },
	{ SQLITE_CANTOPEN, EACCES },
};

static int error_of(sqlite3 *sql, int answer)
{
	int system = sql ? sqlite3_system_errno(sql) : 0;

	if (((answer & 0xff) == SQLITE_IOERR || (answer & 0xff) == SQLITE_CANTOPEN) && system > 0)
		return system;
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (errors[i].answer == (answer & 0xff))
			return errors[i].error;
	return EIO;
}

int db_failed(sqlite3 *sql, int answer, char *why, const char *doing)
{
	int error = error_of(sql, answer);
	const char *file = sql ? sqlite3_db_filename(sql, "main") : NULL;
	const char *text = sql && (sqlite3_errcode(sql) & 0xff) == (answer & 0xff)
				   ? sqlite3_errmsg(sql)
				   : sqlite3_errstr(answer);
	bool is_named = file && *file;

	if (is_named && (answer & 0xff) == SQLITE_CORRUPT)
		db_say(why, "%s: is damaged: it cannot %s: %s. Put a backup there", file, doing,
		       text);
	else
		db_say(why, "%s%sthe database cannot %s: %s", is_named ? file : "",
		       is_named ? ": " : "", doing, text);
	return -error;
}

int db_run(struct db *db, const char *text, char *why, const char *doing)
{
	int answer = sqlite3_exec(db->sql, text, NULL, NULL, NULL);

	return answer == SQLITE_OK ? 0 : db_failed(db->sql, answer, why, doing);
}

int db_ask_text(struct db *db, const char *text, char *why, char out[static DB_TEXT_MAX])
{
	sqlite3_stmt *ask = NULL;
	int answer = sqlite3_prepare_v2(db->sql, text, -1, &ask, NULL);

	out[0] = '\0';
	if (answer == SQLITE_OK)
		answer = sqlite3_step(ask);
	if (answer == SQLITE_ROW && sqlite3_column_text(ask, 0))
		db_say(out, "%s", (const char *)sqlite3_column_text(ask, 0));
	(void)sqlite3_finalize(ask); /* says again what step said */
	if (answer == SQLITE_ROW || answer == SQLITE_DONE)
		return 0;
	return db_failed(db->sql, answer, why, "be read");
}

int db_ask_number(struct db *db, const char *text, char *why, uint64_t *out)
{
	char number[DB_TEXT_MAX];
	int r = db_ask_text(db, text, why, number);

	if (!r)
		*out = strtoull(number, NULL, 10);
	return r;
}

static int note_wal_pages(void *arg, sqlite3 *sql, const char *name, int pages)
{
	struct db *db = arg;

	(void)sql;
	(void)name;
	db->wal_pages = pages;
	return SQLITE_OK;
}

/*
 * A connection with its settings. Until db_accept() closing it leaves the file alone: without a
 * checkpoint, SQLite writes to its side files only.
 */
int db_connect(struct db *db, const char *path, bool is_new, bool is_fast, char *why)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
		    (is_new ? SQLITE_OPEN_CREATE : 0) |
		    (db_file_is_memory(path) ? SQLITE_OPEN_URI : SQLITE_OPEN_NOFOLLOW);
	int answer = sqlite3_open_v2(path, &db->sql, flags, NULL);

	if (answer != SQLITE_OK) {
		int r = db_failed(db->sql, answer, why, "be opened");

		db_say(why, "%s: cannot be opened: %s", path,
		       db->sql ? sqlite3_errmsg(db->sql) : sqlite3_errstr(answer));
		return r;
	}
	if (sqlite3_db_readonly(db->sql, "main") == 1) {
		db_say(why, "%s: is read-only: the user of fabricd must be able to write it", path);
		return -EROFS;
	}
	(void)sqlite3_db_config(db->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	(void)sqlite3_db_config(db->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_busy_timeout(db->sql, 2000);
	(void)sqlite3_wal_hook(db->sql, note_wal_pages, db); /* in place of the automatic one */
	return db_run(db,
		      is_fast ? "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF;"
				"PRAGMA cell_size_check=ON; PRAGMA synchronous=OFF;"
				"PRAGMA cache_size=-8192;"
			      : "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF;"
				"PRAGMA cell_size_check=ON; PRAGMA synchronous=FULL;"
				"PRAGMA cache_size=-8192;",
		      why, "be set up");
}

static int db_wal_on(struct db *db, const char *path, char *why)
{
	char mode[DB_TEXT_MAX];
	int r = db_ask_text(db, "PRAGMA journal_mode=WAL", why, mode);

	if (r)
		return r;
	if (strcmp(mode, "wal") != 0) {
		db_say(why,
		       "%s: no write-ahead log is possible here (SQLite says \"%s\"): use a "
		       "local file system",
		       path, mode);
		return -EOPNOTSUPP;
	}
	return 0;
}

static int copy_aside(struct db *db, const char *path, uint64_t next, char *why)
{
	char draft[PATH_MAX];
	char copy[PATH_MAX];
	char ending[40];
	char *text;
	int r;

	(void)snprintf(ending, sizeof(ending), ".before-v%llu", (unsigned long long)next);
	r = db_file_beside(path, ending, why, copy);
	if (!r)
		r = db_file_beside(copy, ".new", why, draft);
	if (r)
		return r;
	(void)unlink(draft); /* of an attempt that was cut short */
	text = sqlite3_mprintf("VACUUM INTO %Q", draft);
	if (!text)
		return -ENOMEM;
	r = db_run(db, text, why, "be copied before its migration");
	sqlite3_free(text);
	return r ? r : db_file_rename(draft, copy, why);
}

static int db_step_up(struct db *db, const struct db_schema *schema, uint64_t from, char *why)
{
	char text[128];
	int r = db_run(db, "BEGIN IMMEDIATE", why, "begin a migration");

	if (r)
		return r;
	(void)snprintf(text, sizeof(text),
		       "PRAGMA application_id=%d; PRAGMA user_version=%llu; COMMIT",
		       DB_APPLICATION_ID, (unsigned long long)from + 1);
	r = db_run(db, schema->steps[from], why, "be migrated");
	if (!r)
		r = db_run(db, text, why, "commit a migration");
	if (r)
		(void)sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL,
				   NULL); /* what failed is being told */
	return r;
}

/* @path: NULL where a copy beside it makes no sense. */
int db_migrate(struct db *db, const char *path, const struct db_schema *schema, uint64_t version,
	       char *why)
{
	int r = 0;

	if (path && version < schema->n)
		r = copy_aside(db, path, version + 1, why);
	for (; !r && version < schema->n; version++)
		r = db_step_up(db, schema, version, why);
	return r;
}

/* A random UUID, version 4. */
static int uuid_new(char out[static 37])
{
	uint8_t b[16];

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		return -EIO;
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	(void)snprintf(out, 37,
		       "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
		       b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
		       b[13], b[14], b[15]);
	return 0;
}

static int db_incarnate(struct db *db, char *why)
{
	static const char ask[] = "SELECT value FROM meta WHERE key='incarnation'";
	char text[DB_TEXT_MAX];
	char uuid[37];
	int r = db_ask_text(db, ask, why, text);

	if (!r && !text[0]) {
		r = uuid_new(uuid);
		(void)snprintf(text, sizeof(text), "INSERT INTO meta VALUES ('incarnation','%s')",
			       uuid);
		if (!r)
			r = db_run(db, text, why, "store its incarnation");
		if (!r)
			r = db_ask_text(db, ask, why, text);
	}
	if (!r)
		(void)snprintf(db->incarnation, sizeof(db->incarnation), "%.36s", text);
	return r;
}

static int db_prepare(struct db *db, const char *text, char *why, sqlite3_stmt **out)
{
	int answer = sqlite3_prepare_v3(db->sql, text, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);

	return answer == SQLITE_OK ? 0 : db_failed(db->sql, answer, why, "be used");
}

static int db_prepare_all(struct db *db, char *why)
{
	int r = db_prepare(db, "BEGIN IMMEDIATE", why, &db->begin);

	if (!r)
		r = db_prepare(db, "COMMIT", why, &db->commit);
	for (size_t kind = 0; !r && kind < DB_KINDS; kind++) {
		OWNED(buf_done) struct buf text = { 0 };

		db_row_write_sql(&text, &db_tables[kind]);
		if (text.failed)
			return -ENOMEM;
		r = db_prepare(db, (const char *)text.data, why, &db->writes[kind]);
	}
	return r;
}

/* From here on the file is ours to write. */
int db_accept(struct db *db, char *why)
{
	int r;

	(void)sqlite3_db_config(db->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	r = db_incarnate(db, why);
	if (!r)
		r = db_prepare_all(db, why);
	/* In memory, and where a crash may lose rows, nothing is proved. */
	if (!r && db->key_of && !db->is_fast)
		r = db_chain_key(db->key_of, true, why, db->chain.key);
	return r ? r : db_chain_open(db, why);
}

/* A new database is built under another name: it is there whole, or not at all. */
static int db_create(const char *path, const struct db_schema *schema, bool is_fast, char *why)
{
	static const char *const leftovers[] = { ".new", ".new-journal" };
	OWNED(db_close) struct db *db = calloc(1, sizeof(*db));
	char draft[PATH_MAX];
	int r = 0;

	if (!db)
		return -ENOMEM;
	db->lock_fd = -1;
	for (size_t i = sizeof(leftovers) / sizeof(*leftovers); !r && i--;) {
		r = db_file_beside(path, leftovers[i], why, draft);
		if (!r)
			(void)unlink(draft); /* of an attempt that was cut short */
	}
	if (!r)
		r = db_connect(db, draft, true, is_fast, why);
	if (!r)
		r = db_migrate(db, NULL, schema, 0, why);
	if (!r)
		r = db_incarnate(db, why);
	if (r)
		return r;

	db_close(TAKE(db));
	return db_file_rename(draft, path, why);
}

static int db_open_file(struct db *db, const char *path, const struct db_schema *schema,
			bool is_fast, char *why)
{
	uint64_t version = 0;
	bool exists = false;
	bool was_left_open;
	int r = db_file_lock(path, why, &db->lock_fd);

	if (!r)
		r = db_file_replace(path, why);
	if (!r)
		r = db_file_check(path, DB_APPLICATION_ID, why, &exists);
	if (!r && !exists)
		r = db_create(path, schema, is_fast, why);
	if (r)
		return r;

	was_left_open = db_file_was_left_open(path);
	r = db_connect(db, path, false, is_fast, why);
	if (!r)
		r = db_check_version(db, path, schema, why, &version);
	if (!r)
		r = db_check_content(db, path, was_left_open, why);
	if (!r)
		r = db_wal_on(db, path, why);
	if (!r)
		r = db_migrate(db, path, schema, version, why);
	if (!r)
		r = db_check_tables(db, path, schema, why);
	return r;
}

static int db_open_memory(struct db *db, const char *path, const struct db_schema *schema,
			  char *why)
{
	uint64_t version = 0;
	int r = db_connect(db, path, true, true, why);

	if (!r)
		r = db_check_version(db, path, schema, why, &version);
	if (!r)
		r = db_migrate(db, NULL, schema, version, why);
	return r;
}

int db_open_schema(const char *path, const struct db_schema *schema, bool is_fast, char *why,
		   struct db **out)
{
	OWNED(db_close) struct db *db = calloc(1, sizeof(*db));
	char real[PATH_MAX];
	int r = 0;

	db_say(why, "out of memory");
	if (!db)
		return -ENOMEM;
	db->lock_fd = -1;
	if (db_file_is_memory(path)) {
		r = db_open_memory(db, path, schema, why);
	} else {
		r = db_file_resolve(path, why, real);
		db->is_fast = is_fast;
		if (!r)
			r = db_open_file(db, real, schema, is_fast, why);
		if (!r) {
			memcpy(db->path, real, sizeof(db->path));
			db->key_of = db->path;
		}
	}
	if (!r)
		r = db_accept(db, why);
	if (r)
		return r;

	db_say(why, "%s", "");
	*out = TAKE(db);
	return 0;
}

int db_open(const char *path, char *why, struct db **out)
{
	return db_open_schema(path, &db_schema, false, why, out);
}

int db_open_fast(const char *path, char *why, struct db **out)
{
	return db_open_schema(path, &db_schema, true, why, out);
}

static void statements_done(struct db *db)
{
	for (size_t kind = 0; kind < DB_KINDS; kind++) {
		(void)sqlite3_finalize(db->writes[kind]); /* its error was told when it happened */
		db->writes[kind] = NULL;
	}
	(void)sqlite3_finalize(db->begin);
	(void)sqlite3_finalize(db->commit);
	db->begin = NULL;
	db->commit = NULL;
}

void db_disconnect(struct db *db)
{
	statements_done(db);
	if (db->sql)
		(void)sqlite3_db_config(db->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	(void)sqlite3_close(db->sql); /* nothing is open in it any more */
	db->sql = NULL;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	statements_done(db);
	(void)sqlite3_close(db->sql); /* nothing is open in it any more */
	if (db->lock_fd >= 0)
		(void)close(db->lock_fd); /* after SQLite: only now may another come in */
	free(db);
}

const char *db_incarnation(const struct db *db)
{
	return db->incarnation;
}

int db_count_audit(struct db *db, uint64_t *rows)
{
	return db_ask_number(db, "SELECT count(*) FROM audit", NULL, rows);
}
