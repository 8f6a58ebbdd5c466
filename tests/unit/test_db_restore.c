/* SPDX-License-Identifier: GPL-2.0-or-later */
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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "db/copy.h"
#include "db/file.h"
#include "db/inside.h"
#include "db_place.h"

static struct db *open_at(struct place *p, const char *path)
{
	struct db *db = NULL;

	if (db_open(path, p->why, &db))
		fail_msg("%s", p->why);
	return db;
}

static void put_events(struct db *db, uint64_t from, uint64_t to)
{
	struct db_batch *b = NULL;

	assert_int_equal(db_batch_new(&b), 0);
	for (uint64_t n = from; n < to; n++) {
		struct db_event event = { .n = n, .type = "test", .subject = "row" };

		memset(event.detail, 'd', 200);
		db_put_event(b, &event);
	}
	assert_int_equal(db_apply(db, b, NULL), 0);
	db_batch_free(b);
}

/* A life's worth: a fenced host with an open incident, a change that runs, an assignment. */
static void put_life(struct db *db)
{
	const struct db_host host = {
		.name = "bay1", .state = DB_HOST_FENCED, .epoch = 4, .boot_id = "b", .incident = 2
	};
	const struct db_incident incident = { .id = 2,
					      .host = "bay1",
					      .state = DB_INCIDENT_WAITING };
	const struct db_function function = { .name = "f1", .generation = 7 };
	const struct db_assignment assignment = {
		.function = "f1", .host = "bay1", .vport = 3, .generation = 6
	};
	const struct db_change change = { .id = 5, .state = DB_CHANGE_RUNNING };
	const struct db_item item = { .change = 5, .function = "f1", .host = "bay1", .vport = 3 };
	const struct db_number attempt = { .name = "attempt", .value = 1000 };
	const struct db_number adopted = { .name = "adopted", .value = 1 };
	const struct db_idempotency key = { .key = "k", .change = 5 };
	struct db_batch *b = NULL;

	assert_int_equal(db_batch_new(&b), 0);
	db_put_host(b, &host);
	db_put_incident(b, &incident);
	db_put_function(b, &function);
	db_put_assignment(b, &assignment);
	db_put_change(b, &change);
	db_put_item(b, &item);
	db_put_number(b, &attempt);
	db_put_number(b, &adopted);
	db_put_idempotency(b, &key);
	if (db_apply(db, b, NULL))
		fail();
	db_batch_free(b);
}

static void number_is(struct db *db, const char *ask, uint64_t number)
{
	uint64_t n = UINT64_MAX;

	assert_int_equal(db_ask_number(db, ask, NULL, &n), 0);
	if (n != number)
		fail_msg("%s: %llu, not %llu", ask, (unsigned long long)n,
			 (unsigned long long)number);
}

static void text_is(struct db *db, const char *ask, const char *text)
{
	char is[DB_TEXT_MAX];

	assert_int_equal(db_ask_text(db, ask, NULL, is), 0);
	assert_string_equal(is, text);
}

/* A database with a life in it, closed, and a copy of it. */
static void make_both(struct place *p)
{
	struct db *db = open_at(p, p->path);

	put_life(db);
	put_events(db, 1, 50);
	db_close(db);
	assert_int_equal(db_backup(p->path, p->copy, p->why), 0);
}

static void sql(const char *path, const char *text)
{
	sqlite3 *other = NULL;

	assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
	if (sqlite3_exec(other, text, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", text, sqlite3_errmsg(other));
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
}

static void spoil(const char *path, off_t at)
{
	uint8_t rubbish[4096];
	int fd = open(path, O_WRONLY);

	assert_true(fd >= 0);
	memset(rubbish, 0x5a, sizeof(rubbish));
	assert_int_equal(pwrite(fd, rubbish, sizeof(rubbish), at & ~4095), sizeof(rubbish));
	close(fd);
}

static bool is_there(struct place *p, const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", p->folder, name);
	return !access(path, F_OK);
}

static void a_sound_database_is_reported(void **state)
{
	struct place *p = *state;
	struct db_report report;
	struct db *db;

	make_both(p);
	assert_int_equal(db_check(p->copy, p->why, &report), 0);

	assert_int_equal(report.version, db_schema.n);
	assert_int_equal(report.assignments, 1);
	assert_int_equal(report.running, 1);
	assert_int_equal(report.incidents, 1);
	assert_int_equal(report.events, 49);
	assert_true(report.bytes > 4096);
	db = open_at(p, p->path);
	assert_string_equal(report.incarnation, db_incarnation(db));
	db_close(db);
}

static void a_check_leaves_nothing_beside_the_file(void **state)
{
	struct place *p = *state;
	struct db_report report;

	make_both(p);
	assert_int_equal(db_check(p->copy, p->why, &report), 0);
	assert_false(is_there(p, "copy.db-wal"));
	assert_false(is_there(p, "copy.db-shm"));
	assert_false(is_there(p, "copy.db.lock"));
}

static void a_database_that_is_in_use_is_checked_with_what_its_log_holds(void **state)
{
	struct place *p = *state;
	struct db *db = open_at(p, p->path);
	struct db_report report;

	put_events(db, 1, 11);
	assert_int_equal(db_check(p->path, p->why, &report), 0);
	assert_int_equal(report.events, 10);
	put_events(db, 11, 12); /* it goes on */
	db_close(db);
}

static void refuse_check(struct place *p, const char *path, int error, const char *words)
{
	struct db_report report;

	p->why[0] = '\0';
	assert_int_equal(db_check(path, p->why, &report), error);
	if (!strstr(p->why, words) || !strstr(p->why, path))
		fail_msg("\"%s\" does not say \"%s\" of %s", p->why, words, path);
}

static void what_is_not_sound_is_named(void **state)
{
	struct place *p = *state;
	struct stat status;

	refuse_check(p, p->path, -ENOENT, "is not there");
	make_both(p);
	sql(p->copy, "PRAGMA user_version=99");
	refuse_check(p, p->copy, -EBADMSG, "version 99");
	sql(p->copy, "PRAGMA user_version=1; PRAGMA foreign_keys=OFF; DELETE FROM host");
	assert_int_equal(stat(p->copy, &status), 0);
	if (db_schema.n == 1)
		refuse_check(p, p->copy, -EBADMSG, "refers to one that is gone");
	spoil(p->copy, status.st_size / 2);
	refuse_check(p, p->copy, -EBADMSG, "is damaged");
	assert_int_equal(truncate(p->copy, status.st_size - 100), 0);
	refuse_check(p, p->copy, -EBADMSG, "ends in the middle");
	assert_int_equal(truncate(p->copy, 0), 0);
	refuse_check(p, p->copy, -EBADMSG, "is empty");
}

static void a_copy_shows_one_moment_and_the_others_go_on(void **state)
{
	struct place *p = *state;
	struct db *db = open_at(p, p->path);
	struct db_copy *copy = NULL;
	struct db_report report;
	bool is_done = false;
	unsigned steps = 0;

	put_events(db, 1, 2001);
	assert_int_equal(db_copy_new(p->path, p->copy, p->why, &copy), 0);
	for (; !is_done; steps++) {
		put_events(db, 2001 + steps, 2002 + steps);
		assert_int_equal(db_copy_step(copy, 8, &is_done, p->why), 0);
	}
	db_copy_free(copy);
	db_close(db);

	assert_true(steps > 3);
	assert_int_equal(db_check(p->copy, p->why, &report), 0);
	assert_int_equal(report.events, 2000);
	assert_false(is_there(p, "copy.db-wal"));
}

static void a_copy_never_takes_the_place_of_a_file(void **state)
{
	struct place *p = *state;
	struct db_copy *copy = NULL;
	bool is_done = false;
	int fd;

	make_both(p);
	assert_int_equal(db_backup(p->path, p->copy, p->why), -EEXIST);
	assert_non_null(strstr(p->why, "not overwritten"));

	/* Nor of one that comes while it is made. */
	assert_int_equal(unlink(p->copy), 0);
	assert_int_equal(db_copy_new(p->path, p->copy, p->why, &copy), 0);
	fd = open(p->copy, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(db_copy_step(copy, -1, &is_done, p->why), -EEXIST);
	db_copy_free(copy);
}

static unsigned files_in(const char *folder)
{
	char command[128];
	unsigned n = 0;
	FILE *list;

	(void)snprintf(command, sizeof(command), "ls -A %s | wc -l", folder);
	list = popen(command, "r"); /* the folder is our own */
	assert_non_null(list);
	assert_int_equal(fscanf(list, "%u", &n), 1);
	pclose(list);
	return n;
}

static void a_copy_that_is_given_up_leaves_nothing(void **state)
{
	struct place *p = *state;
	struct db_copy *copy = NULL;
	struct db *db = open_at(p, p->path);
	bool is_done = false;
	unsigned before;

	put_events(db, 1, 2001);
	before = files_in(p->folder);
	assert_int_equal(db_copy_new(p->path, p->copy, p->why, &copy), 0);
	assert_int_equal(db_copy_step(copy, 8, &is_done, p->why), 0);
	assert_true(files_in(p->folder) > before);
	db_copy_free(copy);
	assert_int_equal(files_in(p->folder), before);
	db_close(db);
}

static void a_restored_database_is_another_one(void **state)
{
	struct place *p = *state;
	char before[DB_NAME_MAX];
	struct db *db;

	make_both(p);
	db = open_at(p, p->path);
	(void)snprintf(before, sizeof(before), "%s", db_incarnation(db));
	put_events(db, 50, 60); /* since the copy */
	db_close(db);
	if (db_restore(p->copy, p->path, 1000, p->why))
		fail_msg("%s", p->why);

	db = open_at(p, p->path);
	assert_string_not_equal(db_incarnation(db), before);
	number_is(db, "SELECT max(n) FROM event", 49);
	number_is(db, "SELECT value FROM number WHERE name='adopted'", 0);
	number_is(db, "SELECT value FROM number WHERE name='attempt'", 1000 + (1ull << 40));
	number_is(db, "SELECT generation FROM function", 7 + (1 << 20));
	number_is(db, "SELECT value FROM number WHERE name='generation'", 7 + (1 << 20));
	number_is(db, "SELECT generation FROM assignment", 6);
	number_is(db, "SELECT epoch FROM host", 4 + (1 << 20));
	text_is(db, "SELECT state || boot_id || coalesce(incident,'none') FROM host",
		"unknownnone");
	text_is(db, "SELECT state FROM incident", "done");
	text_is(db, "SELECT what FROM step", "done");
	text_is(db, "SELECT c.state || i.state FROM change c, item i", "failedfailed");
	number_is(db, "SELECT count(*) FROM idempotency", 0);
	text_is(db, "SELECT action || uid FROM audit", "db.restore1000");
	db_close(db);
}

static void a_copy_that_is_restored_twice_counts_above_its_first_life(void **state)
{
	struct place *p = *state;
	const struct db_function function = { .name = "f1", .generation = 9 + (1 << 20) };
	const struct db_host host = { .name = "bay1", .epoch = 5 + (1 << 20) };
	const struct db_number attempt = { .name = "attempt", .value = 1000 + (1ull << 41) };
	struct db_batch *b = NULL;
	struct db *db;

	make_both(p);
	if (db_restore(p->copy, p->path, 1000, p->why))
		fail_msg("%s", p->why);
	db = open_at(p, p->path);
	assert_int_equal(db_batch_new(&b), 0);
	db_put_function(b, &function);
	db_put_host(b, &host);
	db_put_number(b, &attempt);
	assert_int_equal(db_apply(db, b, NULL), 0);
	db_batch_free(b);
	db_close(db);

	if (db_restore(p->copy, p->path, 1000, p->why))
		fail_msg("%s", p->why);

	db = open_at(p, p->path);
	number_is(db, "SELECT generation FROM function", 9 + (2 << 20));
	number_is(db, "SELECT epoch FROM host", 5 + (2 << 20));
	number_is(db, "SELECT value FROM number WHERE name='attempt'", 1000 + (3ull << 40));
	db_close(db);
}

static void what_stood_there_is_kept_with_its_log(void **state)
{
	struct place *p = *state;
	struct db_report report;
	char old[96];
	pid_t child;
	int status;

	make_both(p);
	child = fork();
	if (!child) {
		struct db *db = NULL;

		if (!db_open(p->path, p->why, &db))
			put_events(db, 50, 61);
		_exit(0); /* left open: the rows are in the log */
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(is_there(p, "f.db-wal"));
	if (db_restore(p->copy, p->path, 0, p->why))
		fail_msg("%s", p->why);

	(void)snprintf(old, sizeof(old), "%s.replaced", p->path);
	assert_int_equal(db_check(old, p->why, &report), 0);
	assert_int_equal(report.events, 60);
	assert_int_equal(db_check(p->path, p->why, &report), 0);
	assert_int_equal(report.events, 49);
}

static void a_daemon_keeps_a_restore_out(void **state)
{
	struct place *p = *state;
	struct db *db;

	make_both(p);
	db = open_at(p, p->path);
	assert_int_equal(db_restore(p->copy, p->path, 0, p->why), -EBUSY);
	assert_non_null(strstr(p->why, "in use by another fabricd"));
	db_close(db);
}

static void a_copy_that_is_not_sound_changes_nothing(void **state)
{
	struct place *p = *state;
	struct db_report report;
	struct stat status;

	make_both(p);
	assert_int_equal(stat(p->copy, &status), 0);
	spoil(p->copy, status.st_size / 2);
	assert_int_equal(db_restore(p->copy, p->path, 0, p->why), -EBADMSG);
	assert_int_equal(db_restore(p->path, p->path, 0, p->why), -EINVAL);
	assert_int_equal(db_check(p->path, p->why, &report), 0);
	assert_false(is_there(p, "f.db.next"));
	assert_false(is_there(p, "f.db.new"));
	assert_false(is_there(p, "f.db.replaced"));
}

/* Wherever it is cut short, from the moment that the new one is whole, the next start has it. */
static void a_replacement_that_was_cut_short_is_ended_by_the_next_start(void **state)
{
	static const char *const moves[] = { "true", "mv f.db f.db.replaced",
					     "mv f.db-wal f.db.replaced-wal", "rm -f f.db-shm" };
	struct place *p = *state;

	for (size_t cut = 0; cut < sizeof(moves) / sizeof(*moves); cut++) {
		char command[512];
		struct db *db;
		pid_t child;
		int status;

		(void)snprintf(command, sizeof(command), "cd %s && rm -f *", p->folder);
		assert_int_equal(system(command), 0);
		make_both(p);
		child = fork();
		if (!child) {
			db = NULL;
			if (!db_open(p->path, p->why, &db))
				put_events(db, 50, 61);
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		(void)snprintf(command, sizeof(command), "cd %s && cp copy.db f.db.next",
			       p->folder);
		assert_int_equal(system(command), 0);
		for (size_t i = 0; i <= cut; i++) {
			(void)snprintf(command, sizeof(command), "cd %s && %s", p->folder,
				       moves[i]);
			assert_int_equal(system(command), 0);
		}

		db = open_at(p, p->path);
		number_is(db, "SELECT max(n) FROM event", 49);
		db_close(db);
		assert_true(is_there(p, "f.db.replaced"));
		assert_false(is_there(p, "f.db.next"));
	}
}

static void a_restore_into_an_empty_folder_makes_the_database(void **state)
{
	struct place *p = *state;
	struct db_report report;

	struct stat status;

	make_both(p);
	assert_int_equal(unlink(p->path), 0);
	if (db_restore(p->copy, p->path, 0, p->why))
		fail_msg("%s", p->why);
	assert_int_equal(db_check(p->path, p->why, &report), 0);
	assert_int_equal(report.assignments, 1);
	assert_int_equal(stat(p->path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0640);

	assert_int_equal(chmod(p->path, 0600), 0);
	assert_int_equal(db_restore(p->copy, p->path, 0, p->why), 0);
	assert_int_equal(stat(p->path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
}

#define PLACED(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACED(a_sound_database_is_reported),
		PLACED(a_check_leaves_nothing_beside_the_file),
		PLACED(a_database_that_is_in_use_is_checked_with_what_its_log_holds),
		PLACED(what_is_not_sound_is_named),
		PLACED(a_copy_shows_one_moment_and_the_others_go_on),
		PLACED(a_copy_never_takes_the_place_of_a_file),
		PLACED(a_copy_that_is_given_up_leaves_nothing),
		PLACED(a_restored_database_is_another_one),
		PLACED(a_copy_that_is_restored_twice_counts_above_its_first_life),
		PLACED(what_stood_there_is_kept_with_its_log),
		PLACED(a_daemon_keeps_a_restore_out),
		PLACED(a_copy_that_is_not_sound_changes_nothing),
		PLACED(a_replacement_that_was_cut_short_is_ended_by_the_next_start),
		PLACED(a_restore_into_an_empty_folder_makes_the_database),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
