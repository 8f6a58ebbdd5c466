/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A disk that fails, under a real database: SQLite's own file methods, with syncs and writes that
 * err when a test says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/inside.h"
#include "db/writer.h"

/* ---- the disk ---- */

static sqlite3_vfs disk;
static sqlite3_vfs *real;
/* Of the real file system, with two of them ours: one table for each of its own. */
static struct table {
	sqlite3_io_methods ours; /* first: a file points here */
	const sqlite3_io_methods *real;
} tables[4];
static struct {
	_Atomic int sync;       /* what xSync answers; SQLITE_OK: as the real one */
	_Atomic int write;      /* likewise */
	_Atomic int sync_after; /* so many go well first */
	_Atomic int write_after;
	_Atomic int syncs; /* seen */
	_Atomic int writes;
	const char *_Atomic full_with; /* there is no room while this file is there */
} fault;

static const sqlite3_io_methods *real_of(const sqlite3_file *file)
{
	return ((const struct table *)(const void *)file->pMethods)->real;
}

static int disk_sync(sqlite3_file *file, int flags)
{
	if (fault.sync != SQLITE_OK && fault.syncs++ >= fault.sync_after)
		return fault.sync;
	return real_of(file)->xSync(file, flags);
}

static int disk_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
	if (fault.full_with && !access(fault.full_with, F_OK))
		return SQLITE_FULL;
	if (fault.write != SQLITE_OK && fault.writes++ >= fault.write_after)
		return fault.write;
	return real_of(file)->xWrite(file, bytes, n, at);
}

static int disk_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags,
		     int *out)
{
	int answer = real->xOpen(vfs, name, file, flags, out);

	if (answer != SQLITE_OK || !file->pMethods)
		return answer;
	for (struct table *t = tables; t < tables + 4; t++) {
		if (t->real && t->real != file->pMethods)
			continue;
		t->real = file->pMethods;
		t->ours = *t->real;
		t->ours.xSync = disk_sync;
		t->ours.xWrite = disk_write;
		file->pMethods = &t->ours;
		return SQLITE_OK;
	}
	abort();
}

static int disk_insert(void **state)
{
	(void)state;
	real = sqlite3_vfs_find(NULL);
	disk = *real;
	disk.zName = "faulty";
	disk.xOpen = disk_open;
	return sqlite3_vfs_register(&disk, 1);
}

/* ---- the bench ---- */

struct bench {
	char folder[64];
	char path[80];
	char why[DB_TEXT_MAX];
	struct db *db;
	struct db_writer *writer;
	unsigned answers;
	int last;              /* answer */
	uint64_t acknowledged; /* event */
};

static void on_written(void *arg, uint64_t cookie, int r, const char *why)
{
	struct bench *b = arg;

	(void)why;
	b->answers++;
	b->last = r;
	if (!r)
		b->acknowledged = cookie;
}

static int begin(struct bench *b)
{
	b->writer = NULL;
	b->db = NULL;
	if (db_open(b->path, b->why, &b->db))
		return -1;
	return db_writer_new(b->db, on_written, b, &b->writer);
}

static void end(struct bench *b)
{
	db_writer_free(b->writer);
	db_close(b->db);
	b->writer = NULL;
	b->db = NULL;
}

static int make_bench(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	memset(&fault, 0, sizeof(fault));
	if (!b)
		return -1;
	(void)snprintf(b->folder, sizeof(b->folder), "/tmp/test_db_renew.XXXXXX");
	if (!mkdtemp(b->folder))
		return -1;
	(void)snprintf(b->path, sizeof(b->path), "%s/f.db", b->folder);
	*state = b;
	return begin(b);
}

static int remove_bench(void **state)
{
	struct bench *b = *state;
	char command[128];
	int r;

	memset(&fault, 0, sizeof(fault));
	end(b);
	(void)snprintf(command, sizeof(command), "rm -rf %s", b->folder);
	r = system(command); /* the folder is our own, from mkdtemp() */
	free(b);
	return r;
}

static void submit(struct bench *b, uint64_t n)
{
	const struct db_event event = { .n = n, .type = "test" };
	struct db_batch *batch = NULL;

	assert_int_equal(db_batch_new(&batch), 0);
	db_put_event(batch, &event);
	db_writer_submit_take(b->writer, batch, n);
}

static void reap(struct bench *b)
{
	struct pollfd wait = { .fd = db_writer_fd(b->writer), .events = POLLIN };

	assert_int_equal(poll(&wait, 1, 60000), 1);
	db_writer_reap(b->writer);
}

static int write_event(struct bench *b, uint64_t n)
{
	unsigned before = b->answers;

	submit(b, n);
	while (b->answers == before)
		reap(b);
	return b->last;
}

static struct db_trouble wait_for_tries(struct bench *b, unsigned tries)
{
	struct db_trouble trouble = { 0 };

	while (!db_writer_trouble(b->writer, &trouble) ||
	       (trouble.tries < tries && !trouble.is_renewed))
		reap(b);
	return trouble;
}

static void on_event(void *arg, const struct db_event *row)
{
	uint64_t *highest = arg;

	assert_int_equal(row->n, *highest + 1);
	*highest = row->n;
}

static uint64_t highest_event(struct db *db)
{
	uint64_t highest = 0;
	const struct db_reader reader = { .event = on_event, .events = SIZE_MAX, .arg = &highest };

	assert_int_equal(db_load(db, &reader, NULL), 0);
	return highest;
}

static bool is_there(const struct bench *b, const char *ending)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s%s", b->path, ending);
	return !access(path, F_OK);
}

/* As the daemon: what was acknowledged is there; what was not, may be. */
static void begin_again(struct bench *b, uint64_t asked)
{
	uint64_t highest;

	end(b);
	memset(&fault, 0, sizeof(fault));
	if (begin(b))
		fail_msg("%s", b->why);
	highest = highest_event(b->db);
	assert_true(highest >= b->acknowledged);
	assert_true(highest <= asked);
	assert_int_equal(write_event(b, highest + 1), 0);
}

/* ---- the tests ---- */

static void a_sync_that_failed_is_answered_and_a_new_file_is_made(void **state)
{
	struct bench *b = *state;
	struct stat before;
	struct stat after;
	struct db_trouble trouble;

	assert_int_equal(write_event(b, 1), 0);
	assert_int_equal(stat(b->path, &before), 0);
	fault.sync = SQLITE_IOERR_FSYNC;
	assert_true(write_event(b, 2) < 0);
	fault.sync = SQLITE_OK;

	trouble = wait_for_tries(b, 99);
	assert_true(trouble.is_renewed);
	assert_int_equal(stat(b->path, &after), 0);
	assert_true(before.st_ino != after.st_ino);
	assert_true(is_there(b, ".replaced"));
	assert_false(is_there(b, ".next"));
	assert_true(write_event(b, 3) < 0); /* not before its owner has begun again */
	begin_again(b, 3);
}

static void while_nothing_can_be_written_it_tries_again_later_and_later(void **state)
{
	struct bench *b = *state;
	struct db_trouble trouble;

	assert_int_equal(write_event(b, 1), 0);
	fault.write = SQLITE_FULL;
	assert_int_equal(write_event(b, 2), -ENOSPC);

	trouble = wait_for_tries(b, 2);
	assert_false(trouble.is_renewed);
	assert_non_null(strstr(trouble.why, "full"));
	assert_false(is_there(b, ".new"));
	fault.write = SQLITE_OK;
	trouble = wait_for_tries(b, 99);
	assert_true(trouble.is_renewed);
	begin_again(b, 2);
}

/* Thawed once: what that has put away is there. */
static void thaw_once(struct bench *b, char old[static 96])
{
	assert_int_equal(write_event(b, 1), 0);
	fault.sync = SQLITE_IOERR_FSYNC;
	assert_true(write_event(b, 2) < 0);
	fault.sync = SQLITE_OK;
	assert_true(wait_for_tries(b, 99).is_renewed);
	begin_again(b, 2);
	(void)snprintf(old, 96, "%s.replaced", b->path);
	assert_true(is_there(b, ".replaced"));
}

static void what_an_earlier_thaw_has_left_goes_when_there_is_no_room_for_the_next(void **state)
{
	struct bench *b = *state;
	char old[96];
	struct stat before;
	struct stat after;

	thaw_once(b, old);
	assert_int_equal(stat(old, &before), 0);
	fault.full_with = old;
	assert_int_equal(write_event(b, b->acknowledged + 1), -ENOSPC);

	assert_true(wait_for_tries(b, 2).is_renewed); /* with its first try */
	fault.full_with = NULL;
	assert_int_equal(stat(old, &after), 0);
	assert_true(before.st_ino != after.st_ino); /* of this thaw */
	begin_again(b, b->acknowledged + 1);
}

static void it_stays_while_something_else_is_the_matter(void **state)
{
	struct bench *b = *state;
	char old[96];

	thaw_once(b, old);
	fault.write = SQLITE_IOERR_WRITE;
	assert_true(write_event(b, b->acknowledged + 1) < 0);
	assert_false(wait_for_tries(b, 2).is_renewed);
	assert_true(is_there(b, ".replaced"));
	fault.write = SQLITE_OK;
	assert_true(wait_for_tries(b, 99).is_renewed);
	begin_again(b, b->acknowledged + 1);
}

/* Each sync and each write in turn fails, whatever it belongs to. */
static void whichever_operation_fails_nothing_that_was_acknowledged_is_lost(void **state)
{
	struct bench *b = *state;
	uint64_t n = 1;

	for (int after = 0; after < 12; after++) {
		for (int kind = 0; kind < 2; kind++) {
			uint64_t asked = n;

			if (kind)
				fault.write = SQLITE_IOERR_WRITE;
			else
				fault.sync = SQLITE_IOERR_FSYNC;
			fault.write_after = fault.sync_after = after;
			for (int i = 0; i < 16 && !write_event(b, asked); i++)
				asked++;
			fault.write = SQLITE_OK;
			fault.sync = SQLITE_OK;
			assert_true(b->last < 0);
			assert_true(wait_for_tries(b, 99).is_renewed);
			begin_again(b, asked);
			n = b->acknowledged + 1;
		}
	}
}

static void a_row_that_broke_a_rule_is_not_mended_by_a_new_file(void **state)
{
	struct bench *b = *state;
	const struct db_step step = { .incident = 9, .n = 1 };
	struct db_batch *batch = NULL;
	struct db_trouble trouble;

	assert_int_equal(db_batch_new(&batch), 0);
	db_put_step(batch, &step);
	db_writer_submit_take(b->writer, batch, 1);
	while (!b->answers)
		reap(b);
	assert_int_equal(b->last, -EINVAL);
	assert_int_equal(write_event(b, 2), -EINVAL);
	assert_false(db_writer_trouble(b->writer, &trouble));
}

static void a_file_that_lost_what_was_acknowledged_is_not_taken(void **state)
{
	struct bench *b = *state;

	assert_int_equal(write_event(b, 1), 0);
	assert_int_equal(write_event(b, 2), 0);
	db_writer_free(b->writer);
	b->writer = NULL;
	b->db->event_last = 3;
	assert_int_equal(db_renew(b->db, b->why), -EBADMSG);
	assert_non_null(strstr(b->why, "has lost what was acknowledged"));
	assert_false(is_there(b, ".next"));
	assert_false(is_there(b, ".new"));
	b->db->event_last = 2;
	if (db_renew(b->db, b->why))
		fail_msg("%s", b->why);
	assert_int_equal(db_writer_new(b->db, on_written, b, &b->writer), 0);
}

static void a_damaged_file_is_not_taken_either(void **state)
{
	struct bench *b = *state;
	uint8_t rubbish[8192];
	struct stat status;
	int fd;

	for (uint64_t n = 1; n <= 1500; n++)
		submit(b, n);
	while (b->acknowledged < 1500)
		reap(b);
	end(b); /* all is in the file, nothing in the log */
	assert_int_equal(begin(b), 0);
	db_writer_free(b->writer);
	b->writer = NULL;
	fd = open(b->path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &status), 0);
	memset(rubbish, 0x5a, sizeof(rubbish));
	assert_int_equal(pwrite(fd, rubbish, sizeof(rubbish), status.st_size / 2 & ~4095),
			 sizeof(rubbish));
	close(fd);

	assert_int_equal(db_renew(b->db, b->why), -EBADMSG);
	assert_non_null(strstr(b->why, "is damaged"));
	assert_false(is_there(b, ".next"));
	assert_int_equal(db_writer_new(b->db, on_written, b, &b->writer), 0);
}

static void on_backed_up(void *arg, int r, const char *why)
{
	int *answer = arg;

	(void)why;
	*answer = r;
}

static void a_backup_under_way_ends_with_the_error(void **state)
{
	struct bench *b = *state;
	char copy[96];
	int answer = 1;

	(void)snprintf(copy, sizeof(copy), "%s/copy.db", b->folder);
	assert_int_equal(write_event(b, 1), 0);
	db_writer_renew_after(b->writer, 60000);
	fault.sync = SQLITE_IOERR_FSYNC;
	assert_true(write_event(b, 2) < 0);
	assert_int_equal(db_writer_backup(b->writer, copy, on_backed_up, &answer), 0);
	while (answer == 1)
		reap(b);
	assert_true(answer < 0);
	assert_int_equal(access(copy, F_OK), -1);
	fault.sync = SQLITE_OK;
}

#define BENCHED(test) cmocka_unit_test_setup_teardown(test, make_bench, remove_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BENCHED(a_sync_that_failed_is_answered_and_a_new_file_is_made),
		BENCHED(while_nothing_can_be_written_it_tries_again_later_and_later),
		BENCHED(what_an_earlier_thaw_has_left_goes_when_there_is_no_room_for_the_next),
		BENCHED(it_stays_while_something_else_is_the_matter),
		BENCHED(whichever_operation_fails_nothing_that_was_acknowledged_is_lost),
		BENCHED(a_row_that_broke_a_rule_is_not_mended_by_a_new_file),
		BENCHED(a_file_that_lost_what_was_acknowledged_is_not_taken),
		BENCHED(a_damaged_file_is_not_taken_either),
		BENCHED(a_backup_under_way_ends_with_the_error),
	};

	return cmocka_run_group_tests(tests, disk_insert, NULL);
}
