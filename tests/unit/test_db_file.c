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
#include <limits.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "db/db.h"
#include "db/inside.h"
#include "db_place.h"

static struct db *open_at(struct place *p)
{
	struct db *db = NULL;

	if (db_open(p->path, p->why, &db))
		fail_msg("%s", p->why);
	return db;
}

static void refuse(struct place *p, int error, const char *words)
{
	struct db *db = NULL;

	p->why[0] = '\0';
	assert_int_equal(db_open(p->path, p->why, &db), error);
	assert_null(db);
	assert_non_null(strstr(p->why, p->path));
	if (!strstr(p->why, words))
		fail_msg("\"%s\" does not say \"%s\"", p->why, words);
}

struct bytes {
	uint8_t *data;
	size_t length;
};

static struct bytes read_file(const char *path)
{
	struct bytes b = { 0 };
	struct stat status;
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &status), 0);
	b.length = (size_t)status.st_size;
	b.data = malloc(b.length + 1);
	assert_non_null(b.data);
	assert_int_equal(read(fd, b.data, b.length), (ssize_t)b.length);
	close(fd);
	return b;
}

static void write_file(const char *path, const void *data, size_t length)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, length), (ssize_t)length);
	close(fd);
}

/* Refused, and not a byte of it is another one afterwards. */
static void refuse_untouched(struct place *p, int error, const char *words)
{
	struct bytes before = read_file(p->path);
	struct bytes after;

	refuse(p, error, words);

	after = read_file(p->path);
	assert_int_equal(before.length, after.length);
	assert_memory_equal(before.data, after.data, after.length);
	free(before.data);
	free(after.data);
}

static void sql(const char *path, const char *text)
{
	sqlite3 *other = NULL;

	assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
	if (sqlite3_exec(other, text, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", text, sqlite3_errmsg(other));
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
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

static void on_event(void *arg, const struct db_event *row)
{
	(void)row;
	++*(unsigned int *)arg;
}

static unsigned int count_events(struct db *db)
{
	unsigned int n = 0;
	const struct db_reader reader = { .event = on_event, .events = SIZE_MAX, .arg = &n };

	assert_int_equal(db_load(db, &reader, NULL), 0);
	return n;
}

static void fill(struct place *p)
{
	struct db *db = open_at(p);

	put_events(db, 1, 500);
	db_close(db);
}

static void rows_are_there_when_it_is_opened_again(void **state)
{
	struct db *db;

	fill(*state);
	db = open_at(*state);
	assert_int_equal(count_events(db), 499);
	db_close(db);
}

static void the_settings_are_those_of_durability(void **state)
{
	static const char *const settings[][2] = {
		{ "PRAGMA journal_mode", "wal" },
		{ "PRAGMA synchronous", "2" },
		{ "PRAGMA foreign_keys", "1" },
		{ "PRAGMA trusted_schema", "0" },
		{ "PRAGMA cell_size_check", "1" },
		{ "PRAGMA busy_timeout", "2000" },
		{ "PRAGMA application_id", "1717658226" },
	};
	struct db *db = open_at(*state);
	char text[DB_TEXT_MAX];
	uint64_t version = 0;

	assert_int_equal(db_ask_number(db, "PRAGMA user_version", NULL, &version), 0);
	assert_int_equal(version, db_schema.n);
	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
		assert_int_equal(db_ask_text(db, settings[i][0], NULL, text), 0);
		assert_string_equal(text, settings[i][1]);
	}
	db_close(db);
}

static void an_incarnation_is_given_once(void **state)
{
	struct place *p = *state;
	char first[DB_NAME_MAX];
	struct db *db = open_at(p);

	(void)snprintf(first, sizeof(first), "%s", db_incarnation(db));
	assert_int_equal(strlen(first), 36);
	db_close(db);
	db = open_at(p);
	assert_string_equal(db_incarnation(db), first);
	db_close(db);

	assert_int_equal(unlink(p->path), 0);
	db = open_at(p);
	assert_string_not_equal(db_incarnation(db), first);
	db_close(db);
}

static void a_database_without_incarnation_gets_another_one(void **state)
{
	struct place *p = *state;
	char first[DB_NAME_MAX];
	struct db *db = open_at(p);

	(void)snprintf(first, sizeof(first), "%s", db_incarnation(db));
	db_close(db);
	sql(p->path, "DELETE FROM meta WHERE key='incarnation'");
	db = open_at(p);
	assert_int_equal(strlen(db_incarnation(db)), 36);
	assert_string_not_equal(db_incarnation(db), first);
	db_close(db);
}

static void one_daemon_opens_it(void **state)
{
	struct place *p = *state;
	struct db *db = open_at(p);
	char pid[40];

	(void)snprintf(pid, sizeof(pid), "another fabricd, pid %ld:", (long)getpid());
	refuse(p, -EBUSY, pid);

	db_close(db);
	db = open_at(p);
	db_close(db);
}

static void a_link_to_it_is_the_same_database(void **state)
{
	struct place *p = *state;
	struct db *db = open_at(p);
	struct db *other = NULL;
	char alias[96];

	(void)snprintf(alias, sizeof(alias), "%s/alias.db", p->folder);
	assert_int_equal(symlink(p->path, alias), 0);
	assert_int_equal(db_open(alias, p->why, &other), -EBUSY);
	db_close(db);
	assert_int_equal(db_open(alias, p->why, &other), 0);
	db_close(other);
}

static void a_missing_folder_is_named(void **state)
{
	struct place *p = *state;

	(void)snprintf(p->path, sizeof(p->path), "%s/no/f.db", p->folder);
	refuse(p, -ENOENT, "is missing: create it");
}

static void a_folder_is_no_database(void **state)
{
	struct place *p = *state;

	assert_int_equal(mkdir(p->path, 0700), 0);
	refuse(p, -EBADMSG, "is not a file");
}

static void a_path_that_is_too_long_is_refused(void **state)
{
	struct place *p = *state;
	char path[PATH_MAX + 8];
	struct db *db = NULL;

	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(db_open(path, p->why, &db), -ENAMETOOLONG);
}

static void an_empty_file_is_not_taken_for_a_new_database(void **state)
{
	struct place *p = *state;

	write_file(p->path, "", 0);
	refuse_untouched(p, -EBADMSG, "is empty");
}

static void a_text_file_is_left_as_it_is(void **state)
{
	struct place *p = *state;
	char text[300];

	memset(text, 'x', sizeof(text));
	write_file(p->path, text, sizeof(text));
	refuse_untouched(p, -EBADMSG, "is not a database");
	write_file(p->path, "SQLite format 3", 16);
	refuse_untouched(p, -EBADMSG, "is not a database");
}

static void the_database_of_another_program_is_left_as_it_is(void **state)
{
	struct place *p = *state;
	char log[96];

	sql(p->path, "PRAGMA journal_mode=WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)");
	refuse_untouched(p, -EBADMSG, "another program");
	(void)snprintf(log, sizeof(log), "%s-wal", p->path);
	assert_int_equal(access(log, F_OK), -1);
}

static void set_version(const char *path, size_t version)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "PRAGMA user_version=%zu", version);
	sql(path, text);
}

static void a_newer_version_is_left_as_it_is(void **state)
{
	struct place *p = *state;
	char words[96];

	fill(p);
	set_version(p->path, db_schema.n + 1);
	(void)snprintf(words, sizeof(words), "version %zu, this fabricd knows versions up to %zu",
		       db_schema.n + 1, db_schema.n);
	refuse_untouched(p, -EBADMSG, words);
}

static void a_negative_version_is_refused(void **state)
{
	struct place *p = *state;

	fill(p);
	sql(p->path, "PRAGMA user_version=-1");
	refuse_untouched(p, -EBADMSG, "version");
}

static void a_truncated_file_is_left_as_it_is(void **state)
{
	struct place *p = *state;
	struct stat status;

	fill(p);
	assert_int_equal(stat(p->path, &status), 0);
	for (off_t length = status.st_size - 1; length > 0; length -= status.st_size / 16) {
		assert_int_equal(truncate(p->path, length), 0);
		refuse_untouched(p, -EBADMSG, "");
	}
}

static void a_page_of_rubbish_is_found(void **state)
{
	struct place *p = *state;
	struct bytes whole;

	fill(p);
	whole = read_file(p->path);
	for (size_t page = 1; page * 4096 < whole.length; page++) {
		struct bytes foul = read_file(p->path);

		memset(foul.data + page * 4096, 0xa5, 4096);
		write_file(p->path, foul.data, foul.length);
		refuse_untouched(p, -EBADMSG, "");
		write_file(p->path, whole.data, whole.length);
		free(foul.data);
	}
	free(whole.data);
}

static void a_dropped_trigger_is_found(void **state)
{
	struct place *p = *state;

	fill(p);
	sql(p->path, "DROP TRIGGER audit_stays");
	refuse_untouched(p, -EBADMSG, "not those of a fabricd database of version ");
}

static void an_added_trigger_is_found(void **state)
{
	struct place *p = *state;

	fill(p);
	sql(p->path, "CREATE TRIGGER zz AFTER INSERT ON event BEGIN DELETE FROM event; END");
	refuse_untouched(p, -EBADMSG, "at \"zz\"");
}

static void statistics_of_an_administrator_do_no_harm(void **state)
{
	struct place *p = *state;

	fill(p);
	sql(p->path, "ANALYZE");
	db_close(open_at(p));
}

static void a_log_without_its_database_is_not_thrown_away(void **state)
{
	struct place *p = *state;
	char log[96];

	(void)snprintf(log, sizeof(log), "%s-wal", p->path);
	write_file(log, "log", 3);
	refuse(p, -EBADMSG, "write-ahead log");
	assert_int_equal(access(log, F_OK), 0);
	assert_int_equal(access(p->path, F_OK), -1);
}

/* Runs @in in a process of its own, which ends as by kill -9. */
static void in_a_process_that_dies(struct place *p, void (*in)(struct place *p))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child) {
		in(p);
		(void)kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void fill_and_leave_open(struct place *p)
{
	put_events(open_at(p), 1, 100);
}

static void what_a_killed_daemon_committed_is_there(void **state)
{
	struct db *db;

	in_a_process_that_dies(*state, fill_and_leave_open);
	db = open_at(*state);
	assert_int_equal(count_events(db), 99);
	db_close(db);
}

static void raise_version_and_leave_open(struct place *p)
{
	struct db *db = open_at(p);

	put_events(db, 1000, 1100);
	assert_int_equal(db_run(db, "PRAGMA user_version=77", NULL, ""), 0);
}

static void a_newer_version_in_the_log_is_left_there(void **state)
{
	struct place *p = *state;

	fill(p);
	in_a_process_that_dies(p, raise_version_and_leave_open);
	refuse_untouched(p, -EBADMSG, "version 77");
	set_version(p->path, db_schema.n);
	db_close(open_at(p));
}

static void after_a_kill_a_row_without_its_parent_is_found(void **state)
{
	struct place *p = *state;

	fill(p);
	sql(p->path, "PRAGMA foreign_keys=OFF; INSERT INTO step VALUES (7, 1, 0, 0, '', '')");
	in_a_process_that_dies(p, fill_and_leave_open);
	refuse(p, -EBADMSG, "refers to one that is gone");
}

/* As nobody, since root may write everywhere. */
static void refuse_as_nobody(struct place *p, int error, const char *words)
{
	pid_t child;
	int status;

	if (geteuid() != 0) {
		refuse(p, error, words);
		return;
	}
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		struct db *db = NULL;

		if (setuid(65534))
			_exit(2);
		if (db_open(p->path, p->why, &db) == error && strstr(p->why, words))
			_exit(0);
		(void)fprintf(stderr, "%s\n", p->why);
		_exit(1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_read_only_file_is_refused(void **state)
{
	struct place *p = *state;
	char lock[96];

	fill(p);
	(void)snprintf(lock, sizeof(lock), "%s.lock", p->path);
	assert_int_equal(chmod(p->path, 0444), 0);
	assert_int_equal(chmod(lock, 0666), 0);
	assert_int_equal(chmod(p->folder, 0777), 0);
	refuse_as_nobody(p, -EROFS, "is read-only");
}

static void a_folder_without_write_permission_is_named(void **state)
{
	struct place *p = *state;

	assert_int_equal(chmod(p->folder, 0555), 0);
	refuse_as_nobody(p, -EACCES, "cannot write in the folder");
	assert_int_equal(chmod(p->folder, 0755), 0);
}

/* All tables are needed for the statements: @step comes behind those that there are. */
static struct db_schema schema_and(const char *step)
{
	static const char *steps[32];

	assert_true(db_schema.n < sizeof(steps) / sizeof(*steps));
	memcpy(steps, db_schema.steps, db_schema.n * sizeof(*steps));
	steps[db_schema.n] = step;
	return (struct db_schema){ .steps = steps, .n = db_schema.n + 1 };
}

static void a_migration_keeps_the_rows_and_leaves_a_copy_beside(void **state)
{
	const struct db_schema schema = schema_and("CREATE TABLE added (x INTEGER) STRICT");
	struct place *p = *state;
	struct db *db = NULL;
	uint64_t number = 0;
	char words[32];

	fill(p);
	assert_int_equal(db_open_schema(p->path, &schema, false, p->why, &db), 0);
	assert_int_equal(count_events(db), 499);
	assert_int_equal(db_ask_number(db, "PRAGMA user_version", NULL, &number), 0);
	assert_int_equal(number, schema.n);
	assert_int_equal(db_ask_number(db, "SELECT count(*) FROM added", NULL, &number), 0);
	db_close(db);
	(void)snprintf(words, sizeof(words), "version %zu", schema.n);
	refuse_untouched(p, -EBADMSG, words);

	(void)snprintf(p->path, sizeof(p->path), "%s/f.db.before-v%zu", p->folder, schema.n);
	db = open_at(p);
	assert_int_equal(count_events(db), 499);
	db_close(db);
}

static void a_migration_that_fails_changes_nothing(void **state)
{
	const struct db_schema schema = schema_and("CREATE TABLE added (x INTEGER) STRICT;"
						   "INSERT INTO nowhere VALUES (1)");
	struct place *p = *state;
	struct db *db = NULL;

	fill(p);
	assert_true(db_open_schema(p->path, &schema, false, p->why, &db) < 0);
	assert_non_null(strstr(p->why, "migrated"));

	db = open_at(p);
	assert_int_equal(count_events(db), 499);
	db_close(db);
}

/* As that version left it, with a host and a function of its. */
static void make_version(struct place *p, size_t version)
{
	char text[256];

	for (size_t i = 0; i < version; i++)
		sql(p->path, db_schema.steps[i]);
	(void)snprintf(text, sizeof(text), "PRAGMA application_id=%d", DB_APPLICATION_ID);
	sql(p->path, text);
	set_version(p->path, version);
	sql(p->path, "INSERT INTO meta VALUES ('incarnation', "
		     "'00000000-0000-4000-8000-000000000000')");
	sql(p->path, "INSERT INTO host(name,state,spare,epoch,boot_id)"
		     " VALUES ('bay7','alive',0,3,'b')");
	sql(p->path, "INSERT INTO function(name,generation,bad) VALUES ('nic/vf1',5,0)");
	sql(p->path, "INSERT INTO assignment(function,host,vport,generation,state,mac)"
		     " VALUES ('nic/vf1','bay7',2,5,'bound',77)");
}

static void note_assignment(void *arg, const struct db_assignment *row)
{
	*(struct db_assignment *)arg = *row;
}

static void what_each_earlier_version_left_is_migrated(void **state)
{
	struct place *p = *state;
	char path[sizeof(p->path)];

	memcpy(path, p->path, sizeof(path));
	for (size_t version = 1; version < db_schema.n; version++) {
		struct db_assignment row = { 0 };
		const struct db_reader reader = { .assignment = note_assignment, .arg = &row };
		struct db *db;

		(void)snprintf(p->path, sizeof(p->path), "%.50s%u", path, (unsigned)version);
		make_version(p, version);
		db = open_at(p);
		assert_int_equal(db_load(db, &reader, p->why), 0);
		assert_string_equal(row.host, "bay7");
		assert_int_equal(row.identity.mac, 77);
		db_close(db);
		db_close(open_at(p)); /* its tables are as those that were made at once */
	}
}

static void a_creation_that_was_cut_short_is_begun_anew(void **state)
{
	struct place *p = *state;
	char draft[96];

	(void)snprintf(draft, sizeof(draft), "%s.new", p->path);
	write_file(draft, "half", 4);
	db_close(open_at(p));
	assert_int_equal(access(draft, F_OK), -1);
}

static void a_memory_database_needs_no_file(void **state)
{
	struct place *p = *state;
	struct db *one = NULL;
	struct db *other = NULL;

	assert_int_equal(db_open("file:test_db?mode=memory&cache=shared", p->why, &one), 0);
	put_events(one, 1, 5);
	assert_int_equal(db_open_fast("file:test_db?mode=memory&cache=shared", p->why, &other), 0);
	assert_int_equal(count_events(other), 4);
	assert_string_equal(db_incarnation(one), db_incarnation(other));
	db_close(one);
	db_close(other);
}

static void a_fast_database_is_a_file_too(void **state)
{
	struct place *p = *state;
	struct db *db = NULL;

	assert_int_equal(db_open_fast(p->path, p->why, &db), 0);
	put_events(db, 1, 5);
	db_close(db);
	db = open_at(p);
	assert_int_equal(count_events(db), 4);
	db_close(db);
}

static void a_long_log_is_moved_into_the_file(void **state)
{
	struct place *p = *state;
	struct db *db = open_at(p);
	struct stat status;

	for (uint64_t n = 1; n < 60000; n += 10000)
		put_events(db, n, n + 10000);

	assert_int_equal(stat(p->path, &status), 0);
	assert_true(status.st_size > 4096 * 1000);
	assert_int_equal(count_events(db), 60000);
	db_close(db);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, remove_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rows_are_there_when_it_is_opened_again),
		TEST(the_settings_are_those_of_durability),
		TEST(an_incarnation_is_given_once),
		TEST(a_database_without_incarnation_gets_another_one),
		TEST(one_daemon_opens_it),
		TEST(a_link_to_it_is_the_same_database),
		TEST(a_missing_folder_is_named),
		TEST(a_folder_is_no_database),
		TEST(a_path_that_is_too_long_is_refused),
		TEST(an_empty_file_is_not_taken_for_a_new_database),
		TEST(a_text_file_is_left_as_it_is),
		TEST(the_database_of_another_program_is_left_as_it_is),
		TEST(a_newer_version_is_left_as_it_is),
		TEST(a_negative_version_is_refused),
		TEST(a_truncated_file_is_left_as_it_is),
		TEST(a_page_of_rubbish_is_found),
		TEST(a_dropped_trigger_is_found),
		TEST(an_added_trigger_is_found),
		TEST(statistics_of_an_administrator_do_no_harm),
		TEST(a_log_without_its_database_is_not_thrown_away),
		TEST(what_a_killed_daemon_committed_is_there),
		TEST(a_newer_version_in_the_log_is_left_there),
		TEST(after_a_kill_a_row_without_its_parent_is_found),
		TEST(a_read_only_file_is_refused),
		TEST(a_folder_without_write_permission_is_named),
		TEST(a_migration_keeps_the_rows_and_leaves_a_copy_beside),
		TEST(a_migration_that_fails_changes_nothing),
		TEST(what_each_earlier_version_left_is_migrated),
		TEST(a_creation_that_was_cut_short_is_begun_anew),
		TEST(a_memory_database_needs_no_file),
		TEST(a_fast_database_is_a_file_too),
		TEST(a_long_log_is_moved_into_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
