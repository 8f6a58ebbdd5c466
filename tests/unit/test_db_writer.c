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
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "db/inside.h"
#include "db/writer.h"

enum { ANSWERS = 512 };

struct answers {
	uint64_t cookies[ANSWERS];
	int results[ANSWERS];
	char why[ANSWERS][64];
	size_t n;
};

struct bench {
	char folder[64];
	char path[80];
	struct db *db;
	struct db_writer *writer;
	struct answers answers;
};

static void on_written(void *arg, uint64_t cookie, int r, const char *why)
{
	struct answers *a = arg;

	assert_true(a->n < ANSWERS);
	a->cookies[a->n] = cookie;
	a->results[a->n] = r;
	(void)snprintf(a->why[a->n], sizeof(*a->why), "%.63s", why);
	a->n++;
}

static int make_bench(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	char why[DB_TEXT_MAX];

	if (!b)
		return -1;
	(void)snprintf(b->folder, sizeof(b->folder), "/tmp/test_db_writer.XXXXXX");
	if (!mkdtemp(b->folder))
		return -1;
	(void)snprintf(b->path, sizeof(b->path), "%s/f.db", b->folder);
	if (db_open(b->path, why, &b->db) ||
	    db_writer_new(b->db, on_written, &b->answers, &b->writer))
		return -1;
	*state = b;
	return 0;
}

static int remove_bench(void **state)
{
	struct bench *b = *state;
	char command[128];
	int r;

	db_writer_free(b->writer);
	db_close(b->db);
	(void)snprintf(command, sizeof(command), "rm -rf %s", b->folder);
	r = system(command); /* the folder is our own, from mkdtemp() */
	free(b);
	return r;
}

static struct db_batch *event_batch(uint64_t n)
{
	const struct db_event event = { .n = n, .type = "test" };
	struct db_batch *batch = NULL;

	assert_int_equal(db_batch_new(&batch), 0);
	db_put_event(batch, &event);
	return batch;
}

/* Refused: a step without its incident. */
static struct db_batch *bad_batch(void)
{
	const struct db_step step = { .incident = 9, .n = 1 };
	struct db_batch *batch = NULL;

	assert_int_equal(db_batch_new(&batch), 0);
	db_put_step(batch, &step);
	return batch;
}

static void reap_until(struct bench *b, size_t n)
{
	struct pollfd wait = { .fd = db_writer_fd(b->writer), .events = POLLIN };

	while (b->answers.n < n) {
		assert_int_equal(poll(&wait, 1, 20000), 1);
		db_writer_reap(b->writer);
	}
	assert_int_equal(b->answers.n, n);
}

static void on_event(void *arg, const struct db_event *row)
{
	uint64_t *highest = arg;

	assert_int_equal(row->n, *highest + 1); /* without gaps */
	*highest = row->n;
}

static uint64_t highest_event(struct db *db)
{
	uint64_t highest = 0;
	const struct db_reader reader = { .event = on_event, .events = SIZE_MAX, .arg = &highest };

	assert_int_equal(db_load(db, &reader, NULL), 0);
	return highest;
}

/* Holds the database, so that batches pile up behind it. */
static sqlite3 *hold(struct bench *b)
{
	sqlite3 *other = NULL;

	assert_int_equal(sqlite3_open(b->path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	return other;
}

static void let_go(sqlite3 *other)
{
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
}

static void batches_are_answered_in_the_order_of_submission(void **state)
{
	struct bench *b = *state;

	for (uint64_t n = 1; n <= 300; n++)
		db_writer_submit_take(b->writer, event_batch(n), n * 7);
	reap_until(b, 300);

	for (size_t i = 0; i < 300; i++) {
		assert_int_equal(b->answers.results[i], 0);
		assert_int_equal(b->answers.cookies[i], (i + 1) * 7);
		assert_string_equal(b->answers.why[i], "");
	}
	assert_int_equal(highest_event(b->db), 300);
}

static void an_answer_means_that_the_row_is_there(void **state)
{
	struct bench *b = *state;

	for (uint64_t n = 1; n <= 20; n++) {
		db_writer_submit_take(b->writer, event_batch(n), n);
		reap_until(b, n);
		assert_int_equal(highest_event(b->db), n);
	}
}

static void batches_that_wait_together_share_a_transaction(void **state)
{
	struct bench *b = *state;
	sqlite3 *other = hold(b);
	int pages;

	for (uint64_t n = 1; n <= 40; n++)
		db_writer_submit_take(b->writer, event_batch(n), n);
	let_go(other);
	reap_until(b, 40);

	/* Each transaction writes the page of the table again. */
	pages = b->db->wal_pages;
	assert_int_equal(highest_event(b->db), 40);
	assert_true(pages < 20);
}

static void a_batch_that_fails_takes_the_later_ones_along_and_not_the_earlier(void **state)
{
	struct bench *b = *state;
	sqlite3 *other = hold(b);

	for (uint64_t n = 1; n <= 5; n++)
		db_writer_submit_take(b->writer, event_batch(n), n);
	db_writer_submit_take(b->writer, bad_batch(), 6);
	for (uint64_t n = 6; n <= 9; n++)
		db_writer_submit_take(b->writer, event_batch(n), n + 1);
	let_go(other);
	reap_until(b, 10);

	for (size_t i = 0; i < 10; i++) {
		assert_int_equal(b->answers.cookies[i], i + 1);
		assert_int_equal(b->answers.results[i], i < 5 ? 0 : -EINVAL);
	}
	assert_int_equal(highest_event(b->db), 5);
}

static void after_an_error_nothing_is_written_any_more(void **state)
{
	struct bench *b = *state;

	db_writer_submit_take(b->writer, bad_batch(), 1);
	reap_until(b, 1);
	for (uint64_t n = 1; n <= 3; n++) {
		db_writer_submit_take(b->writer, event_batch(n), n);
		reap_until(b, n + 1);
		assert_int_equal(b->answers.results[n], -EINVAL);
		assert_string_equal(b->answers.why[n], b->answers.why[0]);
	}
	assert_int_equal(highest_event(b->db), 0);
}

static void what_was_submitted_is_written_before_the_end(void **state)
{
	struct bench *b = *state;

	for (uint64_t n = 1; n <= 100; n++)
		db_writer_submit_take(b->writer, event_batch(n), n);
	db_writer_free(b->writer);
	b->writer = NULL;

	assert_int_equal(b->answers.n, 0);
	assert_int_equal(highest_event(b->db), 100);
}

static void the_oldest_waiting_batch_has_a_time(void **state)
{
	struct bench *b = *state;
	sqlite3 *other;

	assert_int_equal(db_writer_waiting_since_ms(b->writer), 0);
	other = hold(b);
	db_writer_submit_take(b->writer, event_batch(1), 1);
	assert_true(db_writer_waiting_since_ms(b->writer) > 0);
	let_go(other);
	reap_until(b, 1);
	assert_int_equal(db_writer_waiting_since_ms(b->writer), 0);
}

static void a_full_disk_is_an_error_that_stays(void **state)
{
	struct bench *b = *state;
	struct rlimit before;
	struct rlimit small;
	size_t bad = 0;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 128 * 1024;
	assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (uint64_t n = 1; n <= 200; n++) {
		db_writer_submit_take(b->writer, event_batch(n), n);
		reap_until(b, n);
	}
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	db_writer_submit_take(b->writer, event_batch(201), 201);
	reap_until(b, 201);

	while (bad < 201 && !b->answers.results[bad])
		bad++;
	assert_true(bad > 0 && bad < 200);
	for (size_t i = bad; i < 201; i++)
		assert_int_equal(b->answers.results[i], b->answers.results[bad]);
	assert_true(b->answers.results[bad] < 0);
	assert_true(strlen(b->answers.why[bad]) > 0);

	/* And all that was acknowledged is in the file. */
	db_writer_free(b->writer);
	b->writer = NULL;
	db_close(b->db);
	assert_int_equal(db_open(b->path, NULL, &b->db), 0);
	assert_true(highest_event(b->db) >= bad);
}

/* Submits batches for ever, and writes the number of each that is answered into @pipe. */
static void tell_answer(void *arg, uint64_t cookie, int r, const char *why)
{
	const int *pipe = arg;

	(void)why;
	if (r || write(*pipe, &cookie, sizeof(cookie)) != sizeof(cookie))
		_exit(3);
}

static void write_for_ever(const char *path, int pipe)
{
	char why[DB_TEXT_MAX];
	struct db_writer *writer = NULL;
	struct db *db = NULL;
	uint64_t n;

	if (db_open(path, why, &db) || db_writer_new(db, tell_answer, &pipe, &writer))
		_exit(4);
	n = highest_event(db);
	for (;;) {
		struct pollfd wait = { .fd = db_writer_fd(writer), .events = POLLIN };

		for (int i = 0; i < 4; i++) {
			n++;
			db_writer_submit_take(writer, event_batch(n), n);
		}
		(void)poll(&wait, 1, 1000);
		db_writer_reap(writer);
	}
}

/* Kills the writer once it has acknowledged @wanted batches more. Return: the last of them. */
static uint64_t kill_after(struct bench *b, unsigned int wanted)
{
	uint64_t last = 0;
	uint64_t n;
	int ends[2];
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		close(ends[0]);
		write_for_ever(b->path, ends[1]);
	}
	close(ends[1]);
	while (wanted-- && read(ends[0], &n, sizeof(n)) == sizeof(n))
		last = n;
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	while (read(ends[0], &n, sizeof(n)) == sizeof(n))
		last = n;
	close(ends[0]);
	return last;
}

static void kill_9_loses_no_acknowledged_batch(void **state)
{
	struct bench *b = *state;
	uint64_t acknowledged = 0;

	db_writer_free(b->writer);
	b->writer = NULL;
	for (unsigned int i = 0; i < 30; i++) {
		uint64_t last;

		db_close(TAKE(b->db));
		last = kill_after(b, 1 + (i * 37) % 61);
		assert_true(last > acknowledged);
		acknowledged = last;
		assert_int_equal(db_open(b->path, NULL, &b->db), 0);
		assert_true(highest_event(b->db) >= acknowledged);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_bench, remove_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(batches_are_answered_in_the_order_of_submission),
		TEST(an_answer_means_that_the_row_is_there),
		TEST(batches_that_wait_together_share_a_transaction),
		TEST(a_batch_that_fails_takes_the_later_ones_along_and_not_the_earlier),
		TEST(after_an_error_nothing_is_written_any_more),
		TEST(what_was_submitted_is_written_before_the_end),
		TEST(the_oldest_waiting_batch_has_a_time),
		TEST(a_full_disk_is_an_error_that_stays),
		TEST(kill_9_loses_no_acknowledged_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
