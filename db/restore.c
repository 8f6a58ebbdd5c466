/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that no daemon has open: checked, copied, put in a database's place. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "db/check.h"
#include "db/copy.h"
#include "db/file.h"
#include "db/inside.h"

enum { URI_MAX = 3 * PATH_MAX + 32 };

/* A path as SQLite takes it in a URI: what means something there is escaped. */
static void uri_format(const char *path, char out[static URI_MAX])
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 0;

	memcpy(out, "file:", 5);
	n = 5;
	for (; *path; path++) {
		unsigned char c = (unsigned char)*path;

		if (c == '%' || c == '?' || c == '#') {
			out[n++] = '%';
			out[n++] = hex[c >> 4];
			out[n++] = hex[c & 15];
		} else {
			out[n++] = (char)c;
		}
	}
	memcpy(out + n, "?immutable=1", sizeof("?immutable=1"));
}

/* Without a write-ahead log nobody writes: then SQLite needs, and makes, no side files. */
static int reader_open(struct db *db, const char *path, char *why)
{
	char uri[URI_MAX];
	int answer;

	uri_format(path, uri);
	answer = sqlite3_open_v2(db_file_was_left_open(path) ? path : uri, &db->sql,
				 SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX |
					 SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_URI,
				 NULL);
	if (answer != SQLITE_OK)
		return db_failed(db->sql, answer, why, "be opened");
	(void)sqlite3_db_config(db->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_busy_timeout(db->sql, 2000);
	return db_run(db, "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON", why, "be read");
}

int db_reader_open(struct db *db, const char *path, char *why, uint64_t *version)
{
	struct db_schema schema = db_schema;
	bool exists = false;
	int r = db_file_check(path, DB_APPLICATION_ID, why, &exists);

	if (!r && !exists) {
		db_say(why, "%s: is not there", path);
		r = -ENOENT;
	}
	if (!r)
		r = reader_open(db, path, why);
	if (!r)
		r = db_check_version(db, path, &schema, why, version);
	if (!r)
		r = db_check_content(db, path, true, why);
	if (r)
		return r;
	schema.n = *version;
	return db_check_tables(db, path, &schema, why);
}

static int report_fill(struct db *db, const char *path, char *why, struct db_report *out)
{
	const struct {
		const char *text;
		uint64_t *number;
	} asks[] = {
		{ "SELECT count(*) FROM assignment", &out->assignments },
		{ "SELECT count(*) FROM change WHERE state='running'", &out->running },
		{ "SELECT count(*) FROM incident WHERE state<>'done'", &out->incidents },
		{ "SELECT count(*) FROM event", &out->events },
		{ "SELECT wall_ms FROM event ORDER BY n DESC LIMIT 1", &out->last_wall_ms },
		{ "SELECT count(*) FROM audit", &out->audit },
	};
	char text[DB_TEXT_MAX];
	struct stat status;
	int r = db_ask_text(db, "SELECT value FROM meta WHERE key='incarnation'", why, text);

	(void)snprintf(out->incarnation, sizeof(out->incarnation), "%.36s", text);
	if (!stat(path, &status))
		out->bytes = (uint64_t)status.st_size;
	for (size_t i = 0; !r && i < sizeof(asks) / sizeof(*asks); i++)
		r = db_ask_number(db, asks[i].text, why, asks[i].number);
	return r;
}

static void ignore(void *arg, const void *row)
{
	(void)arg;
	(void)row;
}
#define IGNORER(kind)                                                     \
	static void ignore_##kind(void *arg, const struct db_##kind *row) \
	{                                                                 \
		ignore(arg, row);                                         \
	}
IGNORER(number)
IGNORER(adapter)
IGNORER(host)
IGNORER(function)
IGNORER(assignment)
IGNORER(profile)
IGNORER(member)
IGNORER(chassis)
IGNORER(turn)
IGNORER(change)
IGNORER(item)
IGNORER(incident)
IGNORER(step)
IGNORER(record)
IGNORER(event)
IGNORER(idempotency)

/* Every row fits: a daemon would start with it. */
static int rows_check(struct db *db, const char *path, char *why)
{
	static const struct db_reader reader = {
		.number = ignore_number,
		.adapter = ignore_adapter,
		.host = ignore_host,
		.function = ignore_function,
		.assignment = ignore_assignment,
		.profile = ignore_profile,
		.member = ignore_member,
		.chassis = ignore_chassis,
		.turn = ignore_turn,
		.change = ignore_change,
		.item = ignore_item,
		.incident = ignore_incident,
		.step = ignore_step,
		.record = ignore_record,
		.event = ignore_event,
		.idempotency = ignore_idempotency,
		.changes = SIZE_MAX,
		.incidents = SIZE_MAX,
		.events = SIZE_MAX,
		.record_bytes = SIZE_MAX,
	};
	char reason[DB_TEXT_MAX] = "";
	int r = db_load(db, &reader, reason);

	if (r)
		db_say(why, "%s: %.400s", path, reason);
	return r;
}

static struct db *reader_new(void)
{
	struct db *db = calloc(1, sizeof(*db));

	if (db)
		db->lock_fd = -1;
	return db;
}

int db_check(const char *path, char *why, struct db_report *out)
{
	OWNED(db_close) struct db *db = reader_new();
	struct db_report report = { 0 };
	char real[PATH_MAX];
	int r;

	db_say(why, "out of memory");
	if (!db)
		return -ENOMEM;
	r = db_file_resolve(path, why, real);
	if (!r)
		r = db_reader_open(db, real, why, &report.version);
	if (!r)
		r = report_fill(db, real, why, &report);
	/* Columns of an older version are not those that we read; it is migrated first. */
	if (!r && report.version == db_schema.n)
		r = rows_check(db, real, why);
	if (r)
		return r;

	*out = report;
	return 0;
}

int db_backup(const char *path, const char *to, char *why)
{
	OWNED(db_copy_free) struct db_copy *copy = NULL;
	char real[PATH_MAX];
	bool exists = false;
	bool is_done = false;
	int r = db_file_resolve(path, why, real);

	if (!r)
		r = db_file_check(real, DB_APPLICATION_ID, why, &exists);
	if (!r && !exists) {
		db_say(why, "%s: is not there", real);
		r = -ENOENT;
	}
	if (!r)
		r = db_copy_new(real, to, why, &copy);
	while (!r && !is_done)
		r = db_copy_step(copy, -1, &is_done, why);
	return r;
}

/* ---- restoring ---- */

/* Far above what a later life of the same database can have counted to; and above what the database
 * that is replaced has, which may be an earlier restore of the same copy. */
#define LEAP         "1048576"
#define ATTEMPT_LEAP "1099511627776"

struct counted {
	uint64_t generation;
	uint64_t epoch;
	uint64_t attempt;
};

/* Nothing of this is undone by what the switch shows: it is not read before the daemon starts. */
static const char makes_it_another_one[] =
	"BEGIN IMMEDIATE;"
	"DELETE FROM meta WHERE key='incarnation';"
	"INSERT INTO number VALUES ('adopted', 0)"
	" ON CONFLICT (name) DO UPDATE SET value=0;"
	"INSERT INTO number VALUES ('attempt', 0) ON CONFLICT (name) DO NOTHING;"
	"UPDATE number SET value=max(value, :attempt)+" ATTEMPT_LEAP " WHERE name='attempt';"
	"DELETE FROM number WHERE name LIKE 'cold %';"
	/* Of functions that the copy does not know nobody can tell how far they were. */
	"INSERT INTO number VALUES ('generation', 0) ON CONFLICT (name) DO NOTHING;"
	"UPDATE number SET value=max(value, :generation,"
	" (SELECT coalesce(max(generation), 0) FROM function))+" LEAP " WHERE name='generation';"
	"UPDATE function SET generation=max(generation, :generation)+" LEAP ";"
	"UPDATE host SET epoch=max(epoch, :epoch)+" LEAP ", boot_id='', incident=NULL,"
	" state=CASE WHEN state='maintenance' OR state='quarantined' THEN state ELSE 'unknown' END;"
	"INSERT INTO step SELECT i.id,"
	" coalesce((SELECT max(s.n) FROM step s WHERE s.incident=i.id), 0)+1, :now,"
	" coalesce((SELECT max(s.offset_ms) FROM step s WHERE s.incident=i.id), 0), 'done',"
	" 'the database was restored from a backup: nobody knows what became of it'"
	" FROM incident i WHERE i.state<>'done';"
	"UPDATE incident SET state='done', ended_wall_ms=:now WHERE state<>'done';"
	"UPDATE item SET state='failed', reason='the database was restored from a backup'"
	" WHERE state='running';"
	"UPDATE change SET state='failed', ended_wall_ms=:now WHERE state='running';"
	"DELETE FROM idempotency;"
	"COMMIT";

/* What stands at @path, as far as it can be read; where it cannot, the leap alone has to do. */
static void counted_read(const char *path, struct counted *out)
{
	OWNED(db_close) struct db *db = reader_new();
	char why[DB_TEXT_MAX] = "";
	uint64_t version;

	*out = (struct counted){ 0 };
	if (!db || db_reader_open(db, path, why, &version) ||
	    db_ask_number(db, "SELECT max(generation) FROM function", why, &out->generation) ||
	    db_ask_number(db, "SELECT max(epoch) FROM host", why, &out->epoch) ||
	    db_ask_number(db, "SELECT value FROM number WHERE name='attempt'", why, &out->attempt))
		log_warning("database: what stood at %s cannot be read: %s", path, why);
}

static int bind_named(sqlite3_stmt *one, const char *name, uint64_t value)
{
	int n = sqlite3_bind_parameter_index(one, name);

	return n ? sqlite3_bind_int64(one, n, (sqlite3_int64)value) : SQLITE_OK;
}

static int bind_all(sqlite3_stmt *one, const struct counted *above, uint64_t now)
{
	int answer = bind_named(one, ":now", now);

	if (answer == SQLITE_OK)
		answer = bind_named(one, ":generation", above->generation);
	if (answer == SQLITE_OK)
		answer = bind_named(one, ":epoch", above->epoch);
	return answer == SQLITE_OK ? bind_named(one, ":attempt", above->attempt) : answer;
}

static int make_another_one(struct db *db, const struct counted *above, uint64_t now, char *why)
{
	const char *text = makes_it_another_one;
	int answer = SQLITE_OK;

	while (answer == SQLITE_OK && *text) {
		sqlite3_stmt *one = NULL;

		answer = sqlite3_prepare_v2(db->sql, text, -1, &one, &text);
		if (answer == SQLITE_OK)
			answer = bind_all(one, above, now);
		if (answer == SQLITE_OK)
			answer = sqlite3_step(one);
		(void)sqlite3_finalize(one); /* says again what step said */
		if (answer == SQLITE_DONE || answer == SQLITE_ROW)
			answer = SQLITE_OK;
	}
	return answer == SQLITE_OK ? 0 : db_failed(db->sql, answer, why, "be made another one");
}

static int audit_restored(struct db *db, const char *from, const char *incarnation, uint32_t uid,
			  char *why)
{
	OWNED(db_batch_free) struct db_batch *batch = NULL;
	struct db_audit row = { .wall_ms = clock_wall_ms(), .uid = uid };

	if (db_batch_new(&batch))
		return -ENOMEM;
	db_say(row.detail, "from %.400s, incarnation %.36s", from, incarnation);
	(void)snprintf(row.action, sizeof(row.action), "db.restore");
	(void)snprintf(row.subject, sizeof(row.subject), "database");
	db_put_audit(batch, &row);
	return db_apply(db, batch, why);
}

/* @draft: a copy that nobody else knows of. */
static int draft_rework(const char *draft, const char *path, const char *from, uint32_t uid,
			char *why)
{
	OWNED(db_close) struct db *db = reader_new();
	char before[DB_TEXT_MAX] = "";
	struct counted above;
	uint64_t version = 0;
	int r = db ? db_connect(db, draft, false, false, why) : -ENOMEM;

	counted_read(path, &above);
	if (!r)
		r = db_check_version(db, draft, &db_schema, why, &version);
	if (!r)
		r = db_migrate(db, NULL, &db_schema, version, why);
	if (!r)
		r = db_check_tables(db, draft, &db_schema, why);
	if (!r)
		r = db_ask_text(db, "SELECT value FROM meta WHERE key='incarnation'", why, before);
	if (!r)
		r = make_another_one(db, &above, clock_wall_ms(), why);
	if (db)
		db->key_of = path;
	if (!r)
		r = db_accept(db, why);
	if (!r)
		r = audit_restored(db, from, before, uid, why);
	return r;
}

static int draft_copy(const char *from, const char *draft, char *why)
{
	OWNED(db_close) struct db *db = reader_new();
	uint64_t version;
	char *text;
	int r = db ? db_reader_open(db, from, why, &version) : -ENOMEM;

	if (r)
		return r;
	text = sqlite3_mprintf("VACUUM INTO %Q", draft);
	if (!text)
		return -ENOMEM;
	r = db_run(db, text, why, "be copied");
	sqlite3_free(text);
	return r;
}

void db_draft_remove(const char *draft)
{
	static const char *const endings[] = { "", "-journal", "-wal", "-shm" };
	char name[PATH_MAX];

	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++)
		if (!db_file_beside(draft, endings[i], NULL, name))
			(void)unlink(name); /* most are not there */
}

static int restore_locked(const char *from, const char *path, uint32_t uid, char *why)
{
	char draft[PATH_MAX];
	char next[PATH_MAX];
	int r = db_file_replace(path, why); /* one that was cut short */

	if (!r)
		r = db_file_beside(path, ".new", why, draft);
	if (!r)
		r = db_file_next(path, why, next);
	if (r)
		return r;
	db_draft_remove(draft);
	r = draft_copy(from, draft, why);
	if (!r)
		r = draft_rework(draft, path, from, uid, why);
	if (r) {
		db_draft_remove(draft);
		return r;
	}
	db_file_hand_over(draft);
	db_file_mode(draft, path);
	r = db_file_rename(draft, next, why);
	return r ? r : db_file_replace(path, why);
}

int db_restore(const char *from, const char *path, uint32_t uid, char *why)
{
	char source[PATH_MAX];
	char real[PATH_MAX];
	int lock = -1;
	int r;

	r = db_file_resolve(from, why, source);
	if (!r)
		r = db_file_resolve(path, why, real);
	if (!r && !strcmp(source, real)) {
		db_say(why, "%s: is the database itself, not a copy of it", real);
		r = -EINVAL;
	}
	if (!r)
		r = db_file_lock(real, why, &lock);
	if (!r)
		r = restore_locked(source, real, uid, why);
	if (lock >= 0)
		(void)close(lock); /* nothing was written to it */
	return r;
}
