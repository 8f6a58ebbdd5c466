/* SPDX-License-Identifier: GPL-2.0-or-later */
/* S15: a new database file after an error on COMMIT or sync. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/log.h"
#include "db/check.h"
#include "db/file.h"
#include "db/inside.h"

static struct db *other_new(void)
{
	struct db *db = calloc(1, sizeof(*db));

	if (db)
		db->lock_fd = -1;
	return db;
}

/* A connection of its own, so that nothing is believed that the failed one had in memory. Its log
 * is read anew from its first frame. */
static int copy_out(const struct db *db, const char *draft, char *why)
{
	OWNED(db_close) struct db *old = other_new();
	char *text;
	int r = old ? db_connect(old, db->path, false, db->is_fast, why) : -ENOMEM;

	if (!r)
		r = db_check_content(old, db->path, true, why);
	if (r)
		return r;
	text = sqlite3_mprintf("VACUUM INTO %Q", draft);
	if (!text)
		return -ENOMEM;
	r = db_run(old, text, why, "be written anew");
	sqlite3_free(text);
	return r;
}

/* All that was acknowledged is in it, and it is the same database. */
static int compare(const struct db *db, const char *draft, char *why)
{
	OWNED(db_close) struct db *new = other_new();
	char incarnation[DB_TEXT_MAX] = "";
	uint64_t version = 0;
	uint64_t event = 0;
	uint64_t audit = 0;
	int r = new ? db_reader_open(new, draft, why, &version) : -ENOMEM;

	if (!r)
		r = db_ask_number(new, "SELECT max(n) FROM event", why, &event);
	if (!r)
		r = db_ask_number(new, "SELECT max(id) FROM audit", why, &audit);
	if (!r)
		r = db_ask_text(new, "SELECT value FROM meta WHERE key='incarnation'", why,
				incarnation);
	if (r)
		return r;
	if (version != db_schema.n || strcmp(incarnation, db->incarnation) != 0 ||
	    event < db->event_last || audit < db->audit_last) {
		db_say(why,
		       "%s: has lost what was acknowledged (event %llu of %llu, audit row %llu of "
		       "%llu): put a backup there",
		       db->path, (unsigned long long)event, (unsigned long long)db->event_last,
		       (unsigned long long)audit, (unsigned long long)db->audit_last);
		return -EBADMSG;
	}
	return 0;
}

static int replace(const struct db *db, const char *draft, char *why)
{
	char next[PATH_MAX];
	int r = db_file_next(db->path, why, next);

	db_file_mode(draft, db->path);
	if (!r)
		r = db_file_rename(draft, next, why);
	return r ? r : db_file_replace(db->path, why);
}

/* Room that a copy takes beside the pages themselves: an index into its log, at least. */
enum { MARGIN = 65536 };

/* Bytes of the file beside @path; 0: it is not there. */
static uint64_t size_of(const char *path, const char *ending)
{
	char why[DB_TEXT_MAX];
	char beside[PATH_MAX];
	struct stat status;

	if (db_file_beside(path, ending, why, beside) || stat(beside, &status) ||
	    status.st_size < 0)
		return 0;
	return (uint64_t)status.st_size;
}

/* SQLite does not always call it that. Never while the file itself is on its way to ".replaced". */
static bool is_for_want_of_room(const char *path, int r)
{
	uint64_t pages = size_of(path, "");
	struct statvfs disk;

	if (!pages || r == -EBADMSG || statvfs(path, &disk))
		return false;
	return r == -ENOSPC ||
	       (uint64_t)disk.f_bavail * disk.f_frsize < pages + size_of(path, "-wal") + MARGIN;
}

/* What an earlier thaw, or a restore, has put away is evidence, for people; a thaw puts its own in
 * that place anyway, and must not fail for want of the room. Return: true: something went. */
static bool evidence_give_up(const char *path)
{
	static const char *const endings[] = { ".replaced-shm", ".replaced-wal", ".replaced" };
	char why[DB_TEXT_MAX];
	char name[PATH_MAX];
	bool is_any = false;

	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++)
		if (!db_file_beside(path, endings[i], why, name) && !unlink(name)) {
			log_notice("database: %s is removed, for there is no room", name);
			is_any = true;
		}
	return is_any;
}

static int write_anew(const struct db *db, const char *draft, char *why)
{
	int r;

	db_draft_remove(draft);
	r = copy_out(db, draft, why);
	if (!r)
		r = compare(db, draft, why);
	if (!r)
		r = replace(db, draft, why);
	if (r)
		db_draft_remove(draft);
	return r;
}

int db_renew(struct db *db, char *why)
{
	char draft[PATH_MAX];
	int r;

	if (!db->path[0])
		return -EOPNOTSUPP;
	db_disconnect(db);
	/* What an earlier try has made whole only has to be put in its place. */
	r = db_file_replace(db->path, why);
	if (!r)
		r = db_file_beside(db->path, ".new", why, draft);
	if (r)
		return r;
	r = write_anew(db, draft, why);
	if (r && is_for_want_of_room(db->path, r) && evidence_give_up(db->path))
		r = write_anew(db, draft, why);
	return r;
}
