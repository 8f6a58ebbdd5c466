/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/check.h"

#include <errno.h>
#include <string.h>

int db_check_version(struct db *db, const char *path, const struct db_schema *schema, char *why,
		     uint64_t *version)
{
	int r = db_ask_number(db, "PRAGMA user_version", why, version);

	if (r)
		return r;
	if (*version > schema->n) {
		db_say(why,
		       "%s: is of version %llu, this fabricd knows versions up to %zu: "
		       "install the newer fabricd, or put a backup there",
		       path, (unsigned long long)*version, schema->n);
		return -EBADMSG;
	}
	return 0;
}

int db_check_content(struct db *db, const char *path, bool was_left_open, char *why)
{
	char verdict[DB_TEXT_MAX];
	int r = db_ask_text(db,
			    was_left_open ? "PRAGMA integrity_check(1)" : "PRAGMA quick_check(1)",
			    why, verdict);

	if (!r && strcmp(verdict, "ok") != 0) {
		db_say(why, "%s: is damaged: %.300s. Put a backup there", path, verdict);
		return -EBADMSG;
	}
	if (!r && was_left_open)
		r = db_ask_text(db, "SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1", why,
				verdict);
	if (!r && was_left_open && verdict[0] && strcmp(verdict, "ok") != 0) {
		db_say(why,
		       "%s: is damaged: a row of the table %.64s refers to one that is gone. "
		       "Put a backup there",
		       path, verdict);
		return -EBADMSG;
	}
	return r;
}

static const char all_objects[] = "SELECT name, type || ' ' || tbl_name || ' ' || sql"
				  " FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
				  " ORDER BY name, type";

static void close_at(sqlite3 **sql)
{
	(void)sqlite3_close(*sql); /* its statements are finalized */
}

static void finalize_at(sqlite3_stmt **statement)
{
	(void)sqlite3_finalize(*statement); /* its error was told */
}

static const char *column(sqlite3_stmt *objects, int at)
{
	const char *text = (const char *)sqlite3_column_text(objects, at);

	return text ? text : "";
}

/* Return: SQLITE_DONE when both list the same, SQLITE_ROW at the first difference. */
static int objects_compare(sqlite3_stmt *have, sqlite3_stmt *want)
{
	int answer;

	do {
		int other = sqlite3_step(want);

		answer = sqlite3_step(have);
		if (answer != SQLITE_ROW && answer != SQLITE_DONE)
			return answer;
		if (answer != other)
			return SQLITE_ROW;
	} while (answer == SQLITE_ROW && !strcmp(column(have, 0), column(want, 0)) &&
		 !strcmp(column(have, 1), column(want, 1)));
	return answer;
}

/* An empty database with the tables that ours should have. */
static int reference_open(const struct db_schema *schema, sqlite3 **out)
{
	int answer = sqlite3_open(":memory:", out);

	for (size_t i = 0; answer == SQLITE_OK && i < schema->n; i++)
		answer = sqlite3_exec(*out, schema->steps[i], NULL, NULL, NULL);
	return answer;
}

int db_check_tables(struct db *db, const char *path, const struct db_schema *schema, char *why)
{
	OWNED(close) sqlite3 *reference = NULL;
	OWNED(finalize) sqlite3_stmt *have = NULL;
	OWNED(finalize) sqlite3_stmt *want = NULL;
	int answer = reference_open(schema, &reference);

	if (answer == SQLITE_OK)
		answer = sqlite3_prepare_v2(reference, all_objects, -1, &want, NULL);
	if (answer != SQLITE_OK)
		return db_failed(reference, answer, why, "be compared");
	answer = sqlite3_prepare_v2(db->sql, all_objects, -1, &have, NULL);
	if (answer == SQLITE_OK)
		answer = objects_compare(have, want);
	if (answer == SQLITE_DONE)
		return 0;
	if (answer != SQLITE_ROW)
		return db_failed(db->sql, answer, why, "be read");
	db_say(why,
	       "%s: its tables are not those of a fabricd database of version %zu (at \"%.64s\"): "
	       "someone changed them. Put a backup there",
	       path, schema->n, column(have, 0)[0] ? column(have, 0) : column(want, 0));
	return -EBADMSG;
}
