/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the rows of db.h map to columns. One table for all kinds: from it come the SQL texts, the
 * packed form in a batch, the binding and the loading. A new table is a step in schema.c, a struct
 * in db.h, an entry here, and its put and reader functions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/result.h"
#include "db/db.h"

enum db_kind {
	DB_NUMBER,
	DB_ADAPTER,
	DB_HOST,
	DB_FUNCTION,
	DB_ASSIGNMENT,
	DB_CHANGE,
	DB_ITEM,
	DB_INCIDENT,
	DB_STEP,
	DB_RECORD,
	DB_EVENT,
	DB_IDEMPOTENCY,
	DB_PROFILE,
	DB_MEMBER,
	DB_TURN,
	DB_CHASSIS,
	DB_AUDIT,
	DB_KEY_EXPIRY, /* not a table: what db_expire_idempotency() asks for */
	DB_EXPIRY,     /* not a table: what db_expire_history() asks for */
	DB_REMOVAL,    /* not a table: what db_remove_assignment() asks for */
	/* not tables: the two halves of what db_remove_profile() asks for */
	DB_MEMBERS_REMOVAL,
	DB_PROFILE_REMOVAL,
	DB_TURN_REMOVAL, /* not a table: what db_remove_turn() asks for */
	DB_KINDS,
};

enum db_column_type {
	DB_COLUMN_TEXT,   /* char[size] */
	DB_COLUMN_NUMBER, /* unsigned of size bytes */
	DB_COLUMN_BOOL,
	DB_COLUMN_WORD,  /* an enum, stored as one of @words */
	DB_COLUMN_BYTES, /* struct db_bytes; the last column of its row */
};

struct db_column {
	const char *name;
	enum db_column_type type;
	bool is_optional; /* "" and 0 are stored as NULL */
	uint16_t offset;
	uint16_t size;
	const char *const *words;
	unsigned int n_words;
};

struct db_table {
	const char *name; /* NULL: not a table */
	const struct db_column *columns;
	size_t n;
	size_t keys;     /* the first @keys columns are its key; 0: append only */
	const char *sql; /* instead of the upsert that the columns give; NULL otherwise */
};

extern const struct db_table db_tables[DB_KINDS];

/* Bytes of a packed row, without its DB_COLUMN_BYTES; and, separately, of any row struct. */
enum { DB_ROW_MAX = 1536 };

/* A packed row: its kind, its length, then each column: 8 bytes of number, or 2 bytes of length and
 * the text with its NUL, or 8 bytes of length and the bytes. Lives within one process: native byte
 * order, no alignment. */
struct db_row {
	enum db_kind kind;
	const uint8_t *at; /* of the first column */
};

void db_row_pack(struct buf *out, enum db_kind kind, const void *row);
/* Moves @at behind the row. Rows are our own: they are well formed. */
struct db_row db_row_next(const uint8_t **at);
/* One column; moves @at behind it. */
uint64_t db_row_number(const uint8_t **at);
const char *db_row_text(const uint8_t **at, size_t *length);
struct db_bytes db_row_bytes(const uint8_t **at);
/* "INSERT ... ON CONFLICT ..." as text, or "SELECT ... FROM ...". */
void db_row_write_sql(struct buf *out, const struct db_table *table);
void db_row_read_sql(struct buf *out, const struct db_table *table);
