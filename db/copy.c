/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/file.h"

struct db_copy {
	sqlite3 *from;
	sqlite3 *to;
	sqlite3_backup *backup;
	char draft[PATH_MAX]; /* "": none */
	char path[PATH_MAX];
};

/* A read transaction holds the moment, whatever is written meanwhile: without it SQLite would begin
 * again at every commit. */
static int source_open(struct db_copy *copy, const char *from, char *why)
{
	int answer = sqlite3_open_v2(from, &copy->from,
				     SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX |
					     SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOFOLLOW,
				     NULL);

	if (answer == SQLITE_OK)
		answer = sqlite3_busy_timeout(copy->from, 2000);
	if (answer == SQLITE_OK)
		answer = sqlite3_exec(copy->from, "BEGIN; SELECT count(*) FROM sqlite_schema", NULL,
				      NULL, NULL);
	return answer == SQLITE_OK ? 0 : db_failed(copy->from, answer, why, "be read");
}

static int draft_open(struct db_copy *copy, char *why)
{
	int answer;
	int fd;
	int r = db_file_beside(copy->path, ".XXXXXX", why, copy->draft);

	if (r)
		return r;
	fd = mkostemp(copy->draft, O_CLOEXEC);
	if (fd < 0) {
		r = -errno;
		db_say(why, "%s: cannot be written: %s", copy->path, strerror(-r));
		copy->draft[0] = '\0';
		return r;
	}
	(void)close(fd); /* nothing was written to it */
	answer = sqlite3_open_v2(copy->draft, &copy->to,
				 SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
					 SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOFOLLOW,
				 NULL);
	if (answer == SQLITE_OK)
		answer = sqlite3_exec(copy->to, "PRAGMA synchronous=OFF", NULL, NULL, NULL);
	if (answer != SQLITE_OK)
		return db_failed(copy->to, answer, why, "be written");
	copy->backup = sqlite3_backup_init(copy->to, "main", copy->from, "main");
	return copy->backup ? 0 : db_failed(copy->to, sqlite3_errcode(copy->to), why, "be copied");
}

int db_copy_new(const char *from, const char *to, char *why, struct db_copy **out)
{
	OWNED(db_copy_free) struct db_copy *copy = calloc(1, sizeof(*copy));
	int r;

	db_say(why, "out of memory");
	if (!copy)
		return -ENOMEM;
	r = db_file_beside(to, "", why, copy->path);
	if (!r && !access(to, F_OK)) {
		db_say(why, "%s: is there already, and is not overwritten", to);
		r = -EEXIST;
	}
	if (!r)
		r = source_open(copy, from, why);
	if (!r)
		r = draft_open(copy, why);
	if (r)
		return r;

	*out = TAKE(copy);
	return 0;
}

/* The write-ahead log of the source is a property of the file; a copy stands alone. */
static int copy_end(struct db_copy *copy, char *why)
{
	int answer = sqlite3_backup_finish(copy->backup);
	int r;

	copy->backup = NULL;
	if (answer == SQLITE_OK)
		answer = sqlite3_exec(copy->to, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL);
	if (answer != SQLITE_OK)
		return db_failed(copy->to, answer, why, "be written");
	(void)sqlite3_close(copy->to); /* nothing is open in it */
	copy->to = NULL;
	db_file_hand_over(copy->draft);
	r = db_file_rename_new(copy->draft, copy->path, why);
	if (!r)
		copy->draft[0] = '\0';
	return r;
}

int db_copy_step(struct db_copy *copy, int pages, bool *is_done, char *why)
{
	int answer = sqlite3_backup_step(copy->backup, pages);

	*is_done = answer == SQLITE_DONE;
	if (answer == SQLITE_OK || (answer & 0xff) == SQLITE_BUSY ||
	    (answer & 0xff) == SQLITE_LOCKED)
		return 0;
	if (answer == SQLITE_DONE)
		return copy_end(copy, why);
	return db_failed(copy->to, answer, why, "be copied");
}

void db_copy_free(struct db_copy *copy)
{
	static const char *const endings[] = { "-journal", "-wal", "-shm", "" };
	char name[PATH_MAX];

	if (!copy)
		return;
	(void)sqlite3_backup_finish(copy->backup); /* its error was told */
	(void)sqlite3_close(copy->to);
	(void)sqlite3_close(copy->from);
	for (size_t i = 0; copy->draft[0] && i < sizeof(endings) / sizeof(*endings); i++)
		if (!db_file_beside(copy->draft, endings[i], NULL, name))
			(void)unlink(name); /* most are not there */
	free(copy);
}
