/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "db/chain.h"
#include "db/expire.h"
#include "db/inside.h"

enum { CHECKPOINT_PAGES = 1000 }; /* SQLite's own default */

/* A row about an assignment. */
struct place {
	struct db_row row;
	const char *function;
	size_t n; /* its turn within the transaction */
};

struct places {
	struct place *all;
	size_t n;
};

static void places_done(struct places *places)
{
	free(places->all);
}
OWNED_BY_VALUE(struct places, places_done)

static int bind_text(sqlite3_stmt *write, int at, const struct db_column *column,
		     const uint8_t **from)
{
	size_t length;
	const char *text = db_row_text(from, &length);

	if (!length && column->is_optional)
		return sqlite3_bind_null(write, at);
	return sqlite3_bind_text(write, at, text, (int)length, SQLITE_STATIC);
}

static int bind_number(sqlite3_stmt *write, int at, const struct db_column *column,
		       const uint8_t **from)
{
	uint64_t number = db_row_number(from);

	if (!number && column->is_optional)
		return sqlite3_bind_null(write, at);
	return sqlite3_bind_int64(write, at, (sqlite3_int64)number);
}

/* A value outside the table of words becomes a word that the CHECK refuses. */
static int bind_word(sqlite3_stmt *write, int at, const struct db_column *column,
		     const uint8_t **from)
{
	uint64_t number = db_row_number(from);
	const char *word = number < column->n_words ? column->words[number] : "?";

	return sqlite3_bind_text(write, at, word, -1, SQLITE_STATIC);
}

static int bind_bytes(sqlite3_stmt *write, int at, const uint8_t **from)
{
	struct db_bytes bytes = db_row_bytes(from);

	return sqlite3_bind_blob64(write, at, bytes.at, bytes.length, SQLITE_STATIC);
}

static int bind_column(sqlite3_stmt *write, int at, const struct db_column *column,
		       const uint8_t **from)
{
	switch (column->type) {
	case DB_COLUMN_TEXT:
		return bind_text(write, at, column, from);
	case DB_COLUMN_WORD:
		return bind_word(write, at, column, from);
	case DB_COLUMN_NUMBER:
	case DB_COLUMN_BOOL:
		return bind_number(write, at, column, from);
	case DB_COLUMN_BYTES:
		return bind_bytes(write, at, from);
	}
	return SQLITE_MISUSE;
}

static int step_and_reset(sqlite3_stmt *statement)
{
	int answer = sqlite3_step(statement);

	(void)sqlite3_reset(statement); /* says again what step said */
	return answer == SQLITE_DONE || answer == SQLITE_ROW ? SQLITE_OK : answer;
}

static int row_write(struct db *db, struct db_row row)
{
	const struct db_table *table = &db_tables[row.kind];
	sqlite3_stmt *write = db->writes[row.kind];
	int answer = SQLITE_OK;

	if (row.kind == DB_AUDIT)
		return db_chain_write(db, row);
	if (row.kind == DB_EXPIRY)
		return db_expire(db, row);
	for (size_t i = 0; answer == SQLITE_OK && i < table->n; i++)
		answer = bind_column(write, (int)i + 1, &table->columns[i], &row.at);
	return answer == SQLITE_OK ? step_and_reset(write) : answer;
}

/* What db_renew() must find again, once it is durable. */
struct marks {
	uint64_t event;
	uint64_t audit;
};

static void marks_note(struct marks *marks, const struct db *db, struct db_row row)
{
	const uint8_t *at = row.at;

	if (row.kind == DB_EVENT)
		marks->event = db_row_number(&at);
	else if (row.kind == DB_AUDIT)
		marks->audit = db->chain.id;
}

static bool is_place(enum db_kind kind)
{
	return kind == DB_ASSIGNMENT || kind == DB_REMOVAL;
}

static void place_add(struct places *places, struct db_row row)
{
	const uint8_t *at = row.at;
	size_t length;
	struct place *place = &places->all[places->n];

	*place = (struct place){ .row = row, .n = places->n };
	place->function = db_row_text(&at, &length);
	places->n++;
}

/* All rows but those about assignments, which are put aside. */
static int batch_write(struct db *db, const struct db_batch *batch, struct places *places,
		       struct marks *marks)
{
	const uint8_t *at = batch->rows.data;
	const uint8_t *end = at + batch->rows.length;
	int answer = SQLITE_OK;

	while (answer == SQLITE_OK && at != end) {
		struct db_row row = db_row_next(&at);

		if (is_place(row.kind))
			place_add(places, row);
		else
			answer = row_write(db, row);
		if (answer == SQLITE_OK)
			marks_note(marks, db, row);
	}
	return answer;
}

static int place_compare(const void *left, const void *right)
{
	const struct place *a = left;
	const struct place *b = right;
	int order = strcmp(a->function, b->function);

	return order ? order : (a->n > b->n) - (a->n < b->n);
}

static bool is_last_of_function(const struct places *places, size_t i)
{
	return i + 1 == places->n ||
	       strcmp(places->all[i].function, places->all[i + 1].function) != 0;
}

/*
 * SQLite checks UNIQUE row by row: two functions that swap vports or MACs would trip over each
 * other halfway. So the old rows of all functions go first, and of each function only its last row
 * comes: what must be unique is the table at COMMIT.
 */
static int places_write(struct db *db, struct places *places)
{
	int answer = SQLITE_OK;

	if (places->n)
		qsort(places->all, places->n, sizeof(*places->all), place_compare);
	for (size_t i = 0; answer == SQLITE_OK && i < places->n; i++)
		if (is_last_of_function(places, i))
			answer = row_write(db, (struct db_row){ .kind = DB_REMOVAL,
								.at = places->all[i].row.at });
	for (size_t i = 0; answer == SQLITE_OK && i < places->n; i++)
		if (is_last_of_function(places, i) && places->all[i].row.kind == DB_ASSIGNMENT)
			answer = row_write(db, places->all[i].row);
	return answer;
}

static int group_write(struct db *db, const struct db_batch *const *batches, size_t n,
		       struct places *places)
{
	const struct db_chain chain = db->chain;
	struct marks marks = { .event = db->event_last, .audit = db->audit_last };
	int answer = step_and_reset(db->begin);

	for (size_t i = 0; answer == SQLITE_OK && i < n; i++)
		answer = batch_write(db, batches[i], places, &marks);
	if (answer == SQLITE_OK)
		answer = places_write(db, places);
	if (answer == SQLITE_OK)
		answer = db_chain_store(db);
	if (answer == SQLITE_OK)
		answer = step_and_reset(db->commit);
	if (answer != SQLITE_OK)
		db->chain = chain;
	if (answer == SQLITE_OK) {
		db->event_last = marks.event;
		db->audit_last = marks.audit;
	}
	return answer;
}

static int group_measure(const struct db_batch *const *batches, size_t n, size_t *places)
{
	*places = 0;
	for (size_t i = 0; i < n; i++) {
		if (batches[i]->rows.failed)
			return -ENOMEM;
		*places += batches[i]->n_places;
	}
	return 0;
}

int db_apply_group(struct db *db, const struct db_batch *const *batches, size_t n, bool *is_refused,
		   char *why)
{
	OWNED(places_done) struct places places = { 0 };
	size_t n_places;
	int answer;
	int r = group_measure(batches, n, &n_places);

	*is_refused = true;
	db_say(why, "out of memory");
	if (!r)
		places.all = calloc(n_places + 1, sizeof(*places.all));
	if (!places.all)
		return -ENOMEM;

	answer = group_write(db, batches, n, &places);
	if (answer == SQLITE_OK) {
		db_say(why, "%s", "");
		return 0;
	}
	r = db_failed(db->sql, answer, why, "write");
	*is_refused = (answer & 0xff) == SQLITE_CONSTRAINT;
	if (!sqlite3_get_autocommit(db->sql))
		(void)sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL); /* UNKNOWN it stays */
	return r;
}

int db_checkpoint_if_due(struct db *db, char *why)
{
	int answer;

	if (db->wal_pages < CHECKPOINT_PAGES)
		return 0;
	db->wal_pages = 0; /* a reader may hold it up: then after the next commit */
	answer = sqlite3_wal_checkpoint_v2(db->sql, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	if (answer == SQLITE_OK || (answer & 0xff) == SQLITE_BUSY)
		return 0;
	return db_failed(db->sql, answer, why, "move its write-ahead log into the file");
}

int db_apply(struct db *db, const struct db_batch *batch, char *why)
{
	bool is_refused;
	int r = db_checkpoint_if_due(db, why);

	return r ? r : db_apply_group(db, &batch, 1, &is_refused, why);
}
