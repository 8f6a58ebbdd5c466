/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "db/inside.h"

union any_row {
	struct db_number number;
	struct db_adapter adapter;
	struct db_host host;
	struct db_function function;
	struct db_assignment assignment;
	struct db_change change;
	struct db_item item;
	struct db_incident incident;
	struct db_step step;
	struct db_record record;
	struct db_event event;
	struct db_idempotency idempotency;
	struct db_profile profile;
	struct db_member member;
	struct db_turn turn;
	struct db_chassis chassis;
};

#define TELLER(kind)                                                             \
	static bool tell_##kind(const struct db_reader *reader, const void *row) \
	{                                                                        \
		if (reader->kind && row)                                         \
			reader->kind(reader->arg, row);                          \
		return reader->kind;                                             \
	}
TELLER(number)
TELLER(adapter)
TELLER(host)
TELLER(function)
TELLER(assignment)
TELLER(change)
TELLER(item)
TELLER(incident)
TELLER(step)
TELLER(record)
TELLER(event)
TELLER(idempotency)
TELLER(profile)
TELLER(member)
TELLER(turn)
TELLER(chassis)

#define SOME_CHANGES                                                              \
	"(state='running' OR id IN (SELECT id FROM change WHERE state<>'running'" \
	" ORDER BY id DESC LIMIT ?1))"
#define SOME_INCIDENTS                                                        \
	"(state<>'done' OR id IN (SELECT id FROM incident WHERE state='done'" \
	" ORDER BY id DESC LIMIT ?1))"

/* In the order of struct db_reader. */
static const struct load {
	enum db_kind kind;
	const char *rest; /* of the SELECT */
	size_t limit;     /* offset in struct db_reader of ?1; 0: none */
	/* Whether the reader wants this kind; tells it @row unless that is NULL. */
	bool (*tell)(const struct db_reader *reader, const void *row);
} loads[] = {
	{ DB_NUMBER, "ORDER BY name", 0, tell_number },
	{ DB_ADAPTER, "ORDER BY name", 0, tell_adapter },
	{ DB_HOST, "ORDER BY name", 0, tell_host },
	{ DB_FUNCTION, "ORDER BY name", 0, tell_function },
	{ DB_ASSIGNMENT, "ORDER BY function", 0, tell_assignment },
	{ DB_PROFILE, "ORDER BY name", 0, tell_profile },
	{ DB_MEMBER, "ORDER BY profile, n", 0, tell_member },
	{ DB_CHASSIS, "ORDER BY number", 0, tell_chassis },
	{ DB_TURN, "ORDER BY id", 0, tell_turn },
	{ DB_CHANGE, "WHERE " SOME_CHANGES " ORDER BY id", offsetof(struct db_reader, changes),
	  tell_change },
	{ DB_ITEM,
	  "WHERE change IN (SELECT id FROM change WHERE " SOME_CHANGES ") ORDER BY change, n",
	  offsetof(struct db_reader, changes), tell_item },
	{ DB_INCIDENT, "WHERE " SOME_INCIDENTS " ORDER BY id",
	  offsetof(struct db_reader, incidents), tell_incident },
	{ DB_STEP,
	  "WHERE incident IN (SELECT id FROM incident WHERE " SOME_INCIDENTS
	  ") ORDER BY incident, n",
	  offsetof(struct db_reader, incidents), tell_step },
	{ DB_RECORD,
	  "WHERE incident IN (SELECT incident FROM (SELECT incident,"
	  " sum(length(data)) OVER (ORDER BY incident DESC) AS room FROM record)"
	  " WHERE room <= ?1) ORDER BY incident",
	  offsetof(struct db_reader, record_bytes), tell_record },
	{ DB_EVENT, "WHERE n IN (SELECT n FROM event ORDER BY n DESC LIMIT ?1) ORDER BY n",
	  offsetof(struct db_reader, events), tell_event },
	{ DB_IDEMPOTENCY, "ORDER BY key, uid", 0, tell_idempotency },
};

static int read_text(sqlite3_stmt *rows, int at, const struct db_column *column, uint8_t *member)
{
	const char *text = (const char *)sqlite3_column_text(rows, at);
	size_t length = (size_t)sqlite3_column_bytes(rows, at);

	if (!text)
		return sqlite3_column_type(rows, at) == SQLITE_NULL ? 0 : -ENOMEM;
	if (length >= column->size || memchr(text, '\0', length))
		return -EBADMSG;
	memcpy(member, text, length);
	return 0;
}

static int read_number(sqlite3_stmt *rows, int at, const struct db_column *column, uint8_t *member)
{
	uint64_t wide = (uint64_t)sqlite3_column_int64(rows, at);
	uint32_t word = (uint32_t)wide;
	uint16_t half = (uint16_t)wide;

	switch (column->size) {
	case sizeof(wide):
		memcpy(member, &wide, sizeof(wide));
		return 0;
	case sizeof(word):
		memcpy(member, &word, sizeof(word));
		return word == wide ? 0 : -EBADMSG;
	case sizeof(half):
		memcpy(member, &half, sizeof(half));
		return half == wide ? 0 : -EBADMSG;
	default:
		return -EBADMSG;
	}
}

static int read_bool(sqlite3_stmt *rows, int at, uint8_t *member)
{
	bool value = sqlite3_column_int64(rows, at) != 0;

	memcpy(member, &value, sizeof(value));
	return 0;
}

static int read_word(sqlite3_stmt *rows, int at, const struct db_column *column, uint8_t *member)
{
	const char *text = (const char *)sqlite3_column_text(rows, at);

	for (unsigned int i = 0; text && i < column->n_words; i++) {
		if (!strcmp(text, column->words[i])) {
			memcpy(member, &i, sizeof(i));
			return 0;
		}
	}
	return -EBADMSG;
}

static int read_bytes(sqlite3_stmt *rows, int at, uint8_t *member)
{
	struct db_bytes bytes = { .at = sqlite3_column_blob(rows, at) };

	bytes.length = (size_t)sqlite3_column_bytes(rows, at);
	memcpy(member, &bytes, sizeof(bytes));
	return 0;
}

static int read_column(sqlite3_stmt *rows, int at, const struct db_column *column, uint8_t *row)
{
	uint8_t *member = row + column->offset;

	switch (column->type) {
	case DB_COLUMN_TEXT:
		return read_text(rows, at, column, member);
	case DB_COLUMN_NUMBER:
		return read_number(rows, at, column, member);
	case DB_COLUMN_BOOL:
		return read_bool(rows, at, member);
	case DB_COLUMN_WORD:
		return read_word(rows, at, column, member);
	case DB_COLUMN_BYTES:
		return read_bytes(rows, at, member);
	}
	return -EBADMSG;
}

static int read_row(sqlite3_stmt *rows, const struct db_table *table, union any_row *row, char *why)
{
	int r = 0;

	memset(row, 0, sizeof(*row));
	for (size_t i = 0; !r && i < table->n; i++) {
		r = read_column(rows, (int)i, &table->columns[i], (uint8_t *)row);
		if (r)
			db_say(why, "table %s, row %.63s: the column %s holds what it cannot hold",
			       table->name, (const char *)sqlite3_column_text(rows, 0),
			       table->columns[i].name);
	}
	return r;
}

static int load_rows(struct db *db, sqlite3_stmt *rows, const struct load *load,
		     const struct db_reader *reader, char *why)
{
	union any_row row;
	int answer;
	int r = 0;

	while (!r && (answer = sqlite3_step(rows)) == SQLITE_ROW) {
		r = read_row(rows, &db_tables[load->kind], &row, why);
		if (!r)
			(void)load->tell(reader, &row); /* it is wanted */
	}
	if (r)
		return r;
	return answer == SQLITE_DONE ? 0 : db_failed(db->sql, answer, why, "be read");
}

static int load_kind(struct db *db, const struct load *load, const struct db_reader *reader,
		     char *why)
{
	OWNED(buf_done) struct buf text = { 0 };
	sqlite3_stmt *rows = NULL;
	size_t limit = 0;
	int answer;
	int r;

	db_row_read_sql(&text, &db_tables[load->kind]);
	buf_printf(&text, " %s", load->rest);
	if (text.failed)
		return -ENOMEM;
	answer = sqlite3_prepare_v2(db->sql, (const char *)text.data, -1, &rows, NULL);
	if (answer != SQLITE_OK)
		return db_failed(db->sql, answer, why, "be read");
	if (load->limit) {
		memcpy(&limit, (const uint8_t *)reader + load->limit, sizeof(limit));
		(void)sqlite3_bind_int64(rows, 1, limit > INT32_MAX ? INT32_MAX : (int)limit);
	}
	r = load_rows(db, rows, load, reader, why);
	(void)sqlite3_finalize(rows); /* says again what step said */
	return r;
}

int db_load(struct db *db, const struct db_reader *reader, char *why)
{
	int answer = sqlite3_exec(db->sql, "BEGIN", NULL, NULL, NULL);
	int r = 0;

	if (answer != SQLITE_OK)
		return db_failed(db->sql, answer, why, "be read");
	for (size_t i = 0; !r && i < sizeof(loads) / sizeof(*loads); i++)
		if (loads[i].tell(reader, NULL))
			r = load_kind(db, &loads[i], reader, why);
	(void)sqlite3_exec(db->sql, "COMMIT", NULL, NULL, NULL); /* nothing was written */
	return r;
}
