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
#include <sys/stat.h>
#include <unistd.h>

#include "db/file.h"
#include "db/inside.h"
#include "db_place.h"

enum { ROWS = 20 };

static struct db *open_at(struct place *p)
{
	struct db *db = NULL;

	if (db_open(p->path, p->why, &db))
		fail_msg("%s", p->why);
	return db;
}

static void put_audit(struct db *db, unsigned n)
{
	struct db_audit row = { .wall_ms = 1000 + n, .uid = n, .action = "act", .change = n % 2 };
	struct db_batch *b = NULL;

	assert_int_equal(db_batch_new(&b), 0);
	(void)snprintf(row.subject, sizeof(row.subject), "subject %u", n);
	db_put_audit(b, &row);
	assert_int_equal(db_apply(db, b, NULL), 0);
	db_batch_free(b);
}

static void fill(struct place *p)
{
	struct db *db = open_at(p);

	for (unsigned n = 1; n <= ROWS; n++)
		put_audit(db, n);
	db_close(db);
}

static void sql(const char *path, const char *text)
{
	sqlite3 *other = NULL;

	assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
	if (sqlite3_exec(other, text, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", text, sqlite3_errmsg(other));
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
}

#define TRIGGERS_OFF                                                     \
	"DROP TRIGGER audit_stays_as_written; DROP TRIGGER audit_stays;" \
	"DROP TRIGGER audit_is_not_replaced;"

/* Someone with the file, and without the key: all that the tables keep is put back as it was. */
static void tamper(struct place *p, const char *text)
{
	static char triggers[3][1024];
	sqlite3 *other = NULL;
	sqlite3_stmt *ask = NULL;
	size_t n = 0;

	assert_int_equal(sqlite3_open(p->path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(other,
					    "SELECT sql FROM sqlite_schema WHERE type='trigger'",
					    -1, &ask, NULL),
			 SQLITE_OK);
	while (n < 3 && sqlite3_step(ask) == SQLITE_ROW)
		(void)snprintf(triggers[n++], sizeof(triggers[0]), "%s",
			       (const char *)sqlite3_column_text(ask, 0));
	assert_int_equal(sqlite3_finalize(ask), SQLITE_OK);
	assert_int_equal(n, 3);
	if (sqlite3_exec(other, TRIGGERS_OFF, NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(other, text, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", text, sqlite3_errmsg(other));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(sqlite3_exec(other, triggers[i], NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
}

static struct db_audit_report fits(struct place *p)
{
	struct db_audit_report report;

	if (db_audit_verify(p->path, NULL, p->why, &report))
		fail_msg("%s", p->why);
	assert_int_equal(report.misfit, 0);
	return report;
}

static void misfit(struct place *p, uint64_t row, const char *words)
{
	struct db_audit_report report;

	p->why[0] = '\0';
	assert_int_equal(db_audit_verify(p->path, NULL, p->why, &report), -EBADMSG);
	if (report.misfit != row || !strstr(p->why, words))
		fail_msg("row %llu, not %llu: %s", (unsigned long long)report.misfit,
			 (unsigned long long)row, p->why);
}

static void an_untouched_audit_fits(void **state)
{
	struct place *p = *state;
	struct db_audit_report report;
	struct stat status;

	fill(p);
	report = fits(p);
	assert_int_equal(report.rows, ROWS);
	assert_int_equal(report.anchor, 0);
	assert_int_equal(report.genesis, 0);
	assert_int_equal(stat(p->key, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(status.st_size, 32);

	fill(p); /* it goes on after a restart */
	assert_int_equal(fits(p).rows, 2 * ROWS);
}

static void an_empty_audit_fits(void **state)
{
	struct place *p = *state;

	db_close(open_at(p));
	assert_int_equal(fits(p).rows, 0);
}

static void a_database_in_use_can_be_verified(void **state)
{
	struct place *p = *state;
	struct db *db;

	fill(p);
	db = open_at(p);
	put_audit(db, 21);
	assert_int_equal(fits(p).rows, ROWS + 1);
	put_audit(db, 22);
	db_close(db);
}

/* One statement by someone without the key, and the row that gives it away. */
static void whatever_is_done_to_a_row_is_found(void **state)
{
	static const struct {
		const char *text;
		uint64_t row;
		const char *words;
	} cases[] = {
		{ "UPDATE audit SET wall_ms=wall_ms+1 WHERE id=7", 7, "not as it was" },
		{ "UPDATE audit SET uid=0 WHERE id=1", 1, "not as it was" },
		{ "UPDATE audit SET action='none' WHERE id=20", 20, "not as it was" },
		{ "UPDATE audit SET subject='' WHERE id=7", 7, "not as it was" },
		{ "UPDATE audit SET detail='x' WHERE id=7", 7, "not as it was" },
		{ "UPDATE audit SET change=NULL WHERE id=7", 7, "not as it was" },
		{ "UPDATE audit SET hash=NULL WHERE id=7", 7, "not as it was" },
		{ "UPDATE audit SET hash=(SELECT hash FROM audit WHERE id=6) WHERE id=7", 7,
		  "not as it was" },
		{ "UPDATE audit SET action='acts', subject=substr(subject,2) WHERE id=7", 7,
		  "not as it was" },
		{ "DELETE FROM audit WHERE id=7", 7, "is missing" },
		{ "DELETE FROM audit WHERE id=1", 1, "is missing" },
		{ "DELETE FROM audit WHERE id BETWEEN 3 AND 9", 3, "is missing" },
		{ "DELETE FROM audit WHERE id=20", 20, "missing at the end" },
		{ "DELETE FROM audit WHERE id>10", 11, "missing at the end" },
		{ "DELETE FROM audit", 1, "missing at the end" },
		{ "DELETE FROM audit WHERE id=7; UPDATE audit SET id=id-1 WHERE id>7", 7,
		  "not as it was" },
		{ "UPDATE audit SET id=99 WHERE id=7; UPDATE audit SET id=7 WHERE id=8;"
		  "UPDATE audit SET id=8 WHERE id=99",
		  7, "not as it was" },
		{ "INSERT INTO audit SELECT 21, wall_ms, uid, action, subject, detail, change, hash"
		  " FROM audit WHERE id=20",
		  21, "not as it was" },
		{ "UPDATE audit SET id=id+100 WHERE id>7; UPDATE audit SET id=id-99 WHERE id>100;"
		  "INSERT INTO audit SELECT 8, wall_ms, uid, action, subject, detail, change, hash"
		  " FROM audit WHERE id=7",
		  8, "not as it was" },
		{ "DELETE FROM meta WHERE key='audit_head'", 20, "may not be the last" },
		{ "DELETE FROM audit WHERE id=20; UPDATE meta SET value="
		  "(SELECT '19 '||hash||' '||hash FROM audit WHERE id=19) WHERE key='audit_head'",
		  19, "may not be the last" },
		{ "DELETE FROM audit WHERE id<=5; UPDATE meta SET value="
		  "(SELECT '5 '||hash||' '||hash FROM audit WHERE id=6) WHERE key='audit_anchor'",
		  0, "anchor" },
	};
	struct place *p = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char command[256];

		(void)snprintf(command, sizeof(command), "rm -f %s/*", p->folder);
		assert_int_equal(system(command), 0);
		fill(p);
		tamper(p, cases[i].text);
		misfit(p, cases[i].row, cases[i].words);
	}
}

/* A daemon that starts on it goes on, and does not cover it up. */
static void what_was_cut_off_stays_missing_when_more_is_written(void **state)
{
	struct place *p = *state;
	struct db *db;

	fill(p);
	tamper(p, "DELETE FROM audit WHERE id>15");
	db = open_at(p);
	put_audit(db, 30);
	db_close(db);
	misfit(p, 16, "is missing");
}

static void what_was_added_stays_wrong_when_more_is_written(void **state)
{
	struct place *p = *state;
	struct db *db;

	fill(p);
	tamper(p, "INSERT INTO audit SELECT 21, wall_ms, uid, action, subject, detail, change, hash"
		  " FROM audit WHERE id=20");
	db = open_at(p);
	put_audit(db, 30);
	db_close(db);
	misfit(p, 21, "not as it was");
}

static void with_another_key_it_begins_anew_and_says_so(void **state)
{
	struct place *p = *state;
	struct db_audit_report report;
	struct db *db;

	fill(p);
	assert_int_equal(unlink(p->key), 0);
	assert_true(db_audit_verify(p->path, NULL, p->why, &report) < 0);
	db = open_at(p);
	put_audit(db, 30);
	db_close(db);

	report = fits(p);
	assert_int_equal(report.anchor, ROWS);
	assert_int_equal(report.rows, 2); /* that the key is another, and row 30 */
}

static void a_key_of_another_length_is_refused(void **state)
{
	struct place *p = *state;
	struct db *db = NULL;

	fill(p);
	assert_int_equal(truncate(p->key, 31), 0);
	assert_int_equal(db_open(p->path, p->why, &db), -EBADMSG);
	assert_non_null(strstr(p->why, "is no key"));
	assert_int_equal(truncate(p->key, 33), 0);
	assert_int_equal(db_open(p->path, p->why, &db), -EBADMSG);
}

static void a_refused_batch_leaves_no_gap(void **state)
{
	struct place *p = *state;
	const struct db_audit audit = { .action = "lost" };
	const struct db_step step = { .incident = 9, .n = 1 };
	struct db_batch *b = NULL;
	struct db *db = open_at(p);

	put_audit(db, 1);
	assert_int_equal(db_batch_new(&b), 0);
	db_put_audit(b, &audit);
	db_put_step(b, &step);
	assert_int_equal(db_apply(db, b, NULL), -EINVAL);
	db_batch_free(b);
	put_audit(db, 2);
	db_close(db);
	assert_int_equal(fits(p).rows, 2);
}

/* As version 1 left it. */
static void make_version_1(struct place *p)
{
	char text[256];

	sql(p->path, db_schema.steps[0]);
	(void)snprintf(text, sizeof(text),
		       "PRAGMA application_id=%d; PRAGMA user_version=1;"
		       "INSERT INTO meta VALUES ('incarnation', "
		       "'00000000-0000-4000-8000-000000000000')",
		       DB_APPLICATION_ID);
	sql(p->path, text);
	for (unsigned n = 1; n <= ROWS; n++) {
		(void)snprintf(text, sizeof(text),
			       "INSERT INTO audit(wall_ms,uid,action,subject,detail,change)"
			       " VALUES (%u,%u,'act','s','',NULL)",
			       n, n);
		sql(p->path, text);
	}
}

static void what_version_1_wrote_is_chained_from_a_marked_genesis(void **state)
{
	struct place *p = *state;
	struct db_audit_report report;
	struct db *db;

	make_version_1(p);
	db = open_at(p);
	put_audit(db, 30);
	db_close(db);

	report = fits(p);
	assert_int_equal(report.rows, ROWS + 1);
	assert_int_equal(report.genesis, ROWS);
	tamper(p, "UPDATE audit SET uid=0 WHERE id=5");
	misfit(p, 5, "not as it was");
}

static void put_expiry(struct db *db, const struct db_expiry *what)
{
	struct db_batch *b = NULL;

	assert_int_equal(db_batch_new(&b), 0);
	db_expire_history(b, what);
	assert_int_equal(db_apply(db, b, NULL), 0);
	db_batch_free(b);
}

static void what_is_cut_at_the_beginning_leaves_an_anchor(void **state)
{
	const struct db_expiry what = { .events = 1000, .changes = 1000, .keep = 100, .audit = 5 };
	struct place *p = *state;
	struct db_audit_report report;
	struct db *db;
	uint64_t rows = 0;

	fill(p);
	db = open_at(p);
	put_expiry(db, &what);
	assert_int_equal(db_count_audit(db, &rows), 0);
	assert_int_equal(rows, 5);
	put_expiry(db, &what); /* again: nothing more to do */
	put_audit(db, 30);
	put_expiry(db, &what);
	db_close(db);

	report = fits(p);
	assert_int_equal(report.rows, 5);
	assert_int_equal(report.anchor, ROWS + 1 - 5);
	tamper(p, "DELETE FROM audit WHERE id=17");
	misfit(p, 17, "is missing");
}

static void a_row_in_front_of_the_end_cannot_be_deleted(void **state)
{
	struct place *p = *state;
	sqlite3 *other = NULL;

	fill(p);
	assert_int_equal(sqlite3_open(p->path, &other), SQLITE_OK);
	assert_int_not_equal(sqlite3_exec(other, "DELETE FROM audit WHERE id=1", NULL, NULL, NULL),
			     SQLITE_OK);
	assert_int_not_equal(sqlite3_exec(other, "UPDATE audit SET uid=0", NULL, NULL, NULL),
			     SQLITE_OK);
	sqlite3_close(other);
}

static uint64_t ask(struct db *db, const char *text)
{
	uint64_t n = UINT64_MAX;

	assert_int_equal(db_ask_number(db, text, NULL, &n), 0);
	return n;
}

static void put_history(struct db *db, uint64_t n)
{
	struct db_batch *b = NULL;

	assert_int_equal(db_batch_new(&b), 0);
	for (uint64_t i = 1; i <= n; i++) {
		const struct db_event event = { .n = i, .wall_ms = i };
		const struct db_change change = { .id = i,
						  .state = i == 3 ? DB_CHANGE_RUNNING
								  : DB_CHANGE_DONE,
						  .ended_wall_ms = i == 3 ? 0 : i };
		const struct db_item item = { .change = i, .function = "f", .state = change.state };
		const struct db_incident incident = { .id = i,
						      .host = "bay1",
						      .state = i == 4 ? DB_INCIDENT_WAITING
								      : DB_INCIDENT_DONE,
						      .change = i == 5 ? 5 : 0,
						      .ended_wall_ms = i == 4 ? 0 : i };
		const struct db_step step = { .incident = i, .n = 1 };
		const struct db_record record = { .incident = i };

		db_put_record(b, &record);
		db_put_event(b, &event);
		db_put_change(b, &change);
		db_put_item(b, &item);
		db_put_incident(b, &incident);
		db_put_step(b, &step);
	}
	db_put_host(b, &(struct db_host){ .name = "bay1" });
	assert_int_equal(db_apply(db, b, NULL), 0);
	db_batch_free(b);
}

static void history_goes_by_count_and_what_is_open_stays(void **state)
{
	const struct db_expiry what = { .events = 40, .changes = 30, .keep = 10 };
	struct place *p = *state;
	struct db *db = open_at(p);

	put_history(db, 100);
	put_expiry(db, &what);
	assert_int_equal(ask(db, "SELECT min(n) FROM event"), 61);
	assert_int_equal(ask(db, "SELECT count(*) FROM event"), 40);
	/* 30 of the newest, the one that runs, the one that an incident names. */
	assert_int_equal(ask(db, "SELECT count(*) FROM change"), 32);
	assert_int_equal(ask(db, "SELECT count(*) FROM change WHERE id=3 OR id=5"), 2);
	assert_int_equal(ask(db, "SELECT count(*) FROM item"), 32);
	assert_int_equal(ask(db, "SELECT count(*) FROM incident"), 100);
	assert_int_equal(ask(db, "SELECT count(*) FROM step"), 31);
	assert_int_equal(ask(db, "SELECT count(*) FROM step WHERE incident=4"), 1);
	assert_int_equal(ask(db, "SELECT count(*) FROM record"), 31);
	assert_int_equal(ask(db, "SELECT count(*) FROM record WHERE incident=4"), 1);
	db_close(db);
}

static void history_goes_by_age_but_for_the_newest(void **state)
{
	struct db_expiry what = {
		.before_wall_ms = 51, .events = 1000, .changes = 1000, .keep = 10
	};
	struct place *p = *state;
	struct db *db = open_at(p);

	put_history(db, 100);
	put_expiry(db, &what);
	assert_int_equal(ask(db, "SELECT min(n) FROM event"), 51);
	assert_int_equal(ask(db, "SELECT count(*) FROM change"), 52);
	what.before_wall_ms = UINT32_MAX; /* the clock was set to another year */
	put_expiry(db, &what);
	assert_int_equal(ask(db, "SELECT count(*) FROM event"), 10);
	assert_int_equal(ask(db, "SELECT count(*) FROM change"), 12);
	assert_int_equal(ask(db, "SELECT max(n) FROM event"), 100);
	db_close(db);
}

struct listed {
	uint64_t first;
	uint64_t rows;
};

static void on_row(void *arg, uint64_t id, const struct db_audit *row)
{
	struct listed *l = arg;

	if (!l->rows++)
		l->first = id;
	assert_int_equal(row->uid, id);
}

static void the_last_rows_are_listed(void **state)
{
	struct place *p = *state;
	struct listed all = { 0 };
	struct listed some = { 0 };

	fill(p);
	assert_int_equal(db_audit_list(p->path, 0, p->why, on_row, &all), 0);
	assert_int_equal(all.rows, ROWS);
	assert_int_equal(db_audit_list(p->path, 3, p->why, on_row, &some), 0);
	assert_int_equal(some.rows, 3);
	assert_int_equal(some.first, ROWS - 2);
}

static void a_copy_is_verified_with_the_key_of_its_original(void **state)
{
	struct place *p = *state;
	struct db_audit_report report;
	char copy[96];

	fill(p);
	(void)snprintf(copy, sizeof(copy), "%s/copy.db", p->folder);
	assert_int_equal(db_backup(p->path, copy, p->why), 0);
	assert_int_equal(db_audit_verify(copy, p->path, p->why, &report), 0);
	assert_int_equal(report.rows, ROWS);
	assert_int_equal(db_audit_verify(copy, NULL, p->why, &report), -ENOENT);

	assert_int_equal(db_restore(copy, p->path, 0, p->why), 0);
	assert_int_equal(fits(p).rows, ROWS + 1);
}

#define PLACED(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACED(an_untouched_audit_fits),
		PLACED(an_empty_audit_fits),
		PLACED(a_database_in_use_can_be_verified),
		PLACED(whatever_is_done_to_a_row_is_found),
		PLACED(what_was_cut_off_stays_missing_when_more_is_written),
		PLACED(what_was_added_stays_wrong_when_more_is_written),
		PLACED(with_another_key_it_begins_anew_and_says_so),
		PLACED(a_key_of_another_length_is_refused),
		PLACED(a_refused_batch_leaves_no_gap),
		PLACED(what_version_1_wrote_is_chained_from_a_marked_genesis),
		PLACED(what_is_cut_at_the_beginning_leaves_an_anchor),
		PLACED(a_row_in_front_of_the_end_cannot_be_deleted),
		PLACED(history_goes_by_count_and_what_is_open_stays),
		PLACED(history_goes_by_age_but_for_the_newest),
		PLACED(the_last_rows_are_listed),
		PLACED(a_copy_is_verified_with_the_key_of_its_original),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
