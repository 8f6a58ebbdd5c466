/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/row.h"

#include <assert.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))
#define AT(row, member) \
	.offset = offsetof(struct row, member), .size = sizeof(((struct row *)NULL)->member)
#define TEXT(row, member)                                                \
	{                                                                \
		.name = #member, .type = DB_COLUMN_TEXT, AT(row, member) \
	}
#define NUMBER(row, member)                                                \
	{                                                                  \
		.name = #member, .type = DB_COLUMN_NUMBER, AT(row, member) \
	}
#define BOOL(row, member)                                                \
	{                                                                \
		.name = #member, .type = DB_COLUMN_BOOL, AT(row, member) \
	}
#define BYTES(row, member)                                                \
	{                                                                 \
		.name = #member, .type = DB_COLUMN_BYTES, AT(row, member) \
	}
#define WORD(row, member, list)                                                          \
	{                                                                                \
		.name = #member, .type = DB_COLUMN_WORD, AT(row, member), .words = list, \
		.n_words = COUNT(list)                                                   \
	}
/* Stored as NULL when empty: a foreign key or a UNIQUE index stands on it, or it is rarely there.
 */
#define MAYBE_TEXT(row, member)                                                               \
	{                                                                                     \
		.name = #member, .type = DB_COLUMN_TEXT, .is_optional = true, AT(row, member) \
	}
#define MAYBE_NUMBER(row, member)                                                               \
	{                                                                                       \
		.name = #member, .type = DB_COLUMN_NUMBER, .is_optional = true, AT(row, member) \
	}
#define IDENTITY_PART(row, part)                                              \
	{                                                                     \
		.name = #part, .type = DB_COLUMN_NUMBER, .is_optional = true, \
		AT(row, identity.part)                                        \
	}
#define IDENTITY(row)                                                                \
	IDENTITY_PART(row, mac), IDENTITY_PART(row, wwpn), IDENTITY_PART(row, wwnn), \
		IDENTITY_PART(row, vlan)

static const char *const host_states[DB_HOST_STATES] = {
	[DB_HOST_UNKNOWN] = "unknown",         [DB_HOST_ALIVE] = "alive",
	[DB_HOST_FENCING] = "fencing",         [DB_HOST_FENCED] = "fenced",
	[DB_HOST_BLOCKED] = "blocked",         [DB_HOST_MAINTENANCE] = "maintenance",
	[DB_HOST_QUARANTINED] = "quarantined",
};

static const char *const assignment_states[DB_ASSIGNMENT_STATES] = {
	[DB_ASSIGNMENT_BOUND] = "bound",
	[DB_ASSIGNMENT_PARKED] = "parked",
	[DB_ASSIGNMENT_BLOCKED] = "blocked",
};

static const char *const change_states[DB_CHANGE_STATES] = {
	[DB_CHANGE_RUNNING] = "running", [DB_CHANGE_DONE] = "done",
	[DB_CHANGE_REFUSED] = "refused", [DB_CHANGE_PARKED] = "parked",
	[DB_CHANGE_FAILED] = "failed",   [DB_CHANGE_CANCELLED] = "cancelled",
};

static const char *const change_kinds[DB_CHANGE_KINDS] = {
	[DB_CHANGE_ASKED] = "asked",
	[DB_CHANGE_FAILOVER] = "failover",
	[DB_CHANGE_REPAIR] = "repair",
};

static const char *const ops[DB_OPS] = {
	[DB_OP_ASSIGN] = "assign",
	[DB_OP_RELEASE] = "release",
	[DB_OP_MOVE] = "move",
};

static const char *const incident_states[DB_INCIDENT_STATES] = {
	[DB_INCIDENT_FENCING] = "fencing", [DB_INCIDENT_BLOCKED] = "blocked",
	[DB_INCIDENT_WAITING] = "waiting", [DB_INCIDENT_MOVING] = "moving",
	[DB_INCIDENT_DONE] = "done",
};

static const char *const turn_kinds[DB_TURN_KINDS] = {
	[DB_TURN_FAILOVER] = "failover",
	[DB_TURN_FLAP] = "flap",
};

static const struct db_column number_columns[] = {
	TEXT(db_number, name),
	NUMBER(db_number, value),
};

static const struct db_column adapter_columns[] = {
	TEXT(db_adapter, name),
	TEXT(db_adapter, serial),
	TEXT(db_adapter, position),
	NUMBER(db_adapter, class_code),
};

static const struct db_column host_columns[] = {
	TEXT(db_host, name),
	WORD(db_host, state, host_states),
	BOOL(db_host, spare),
	NUMBER(db_host, epoch),
	TEXT(db_host, boot_id),
	MAYBE_NUMBER(db_host, incident),
	NUMBER(db_host, proved_wall_ms),
	TEXT(db_host, proved_rungs),
	NUMBER(db_host, proved_incident),
	BOOL(db_host, proved_by_drill),
};

static const struct db_column function_columns[] = {
	TEXT(db_function, name),
	NUMBER(db_function, generation),
	BOOL(db_function, bad),
};

static const struct db_column assignment_columns[] = {
	TEXT(db_assignment, function),
	MAYBE_TEXT(db_assignment, host),
	NUMBER(db_assignment, vport),
	NUMBER(db_assignment, generation),
	WORD(db_assignment, state, assignment_states),
	IDENTITY(db_assignment),
};

static const struct db_column change_columns[] = {
	NUMBER(db_change, id),
	WORD(db_change, kind, change_kinds),
	WORD(db_change, state, change_states),
	BOOL(db_change, effect),
	NUMBER(db_change, uid),
	MAYBE_NUMBER(db_change, incident),
	NUMBER(db_change, started_wall_ms),
	NUMBER(db_change, ended_wall_ms),
};

static const struct db_column item_columns[] = {
	NUMBER(db_item, change),
	NUMBER(db_item, n),
	WORD(db_item, op, ops),
	TEXT(db_item, function),
	MAYBE_TEXT(db_item, from_host),
	NUMBER(db_item, from_vport),
	MAYBE_TEXT(db_item, host),
	NUMBER(db_item, vport),
	NUMBER(db_item, generation),
	NUMBER(db_item, epoch),
	IDENTITY(db_item),
	WORD(db_item, state, change_states),
	TEXT(db_item, reason),
};

static const struct db_column incident_columns[] = {
	NUMBER(db_incident, id),
	TEXT(db_incident, host),
	WORD(db_incident, state, incident_states),
	TEXT(db_incident, cause),
	MAYBE_TEXT(db_incident, target),
	MAYBE_NUMBER(db_incident, change),
	NUMBER(db_incident, started_wall_ms),
	NUMBER(db_incident, ended_wall_ms),
	BOOL(db_incident, drill),
};

static const struct db_column step_columns[] = {
	NUMBER(db_step, incident),  NUMBER(db_step, n),  NUMBER(db_step, wall_ms),
	NUMBER(db_step, offset_ms), TEXT(db_step, what), TEXT(db_step, detail),
};

static const struct db_column record_columns[] = {
	NUMBER(db_record, incident),
	TEXT(db_record, settings),
	BYTES(db_record, data),
};

static const struct db_column event_columns[] = {
	NUMBER(db_event, n),     NUMBER(db_event, wall_ms), TEXT(db_event, type),
	TEXT(db_event, subject), TEXT(db_event, detail),
};

static const struct db_column idempotency_columns[] = {
	TEXT(db_idempotency, key),       NUMBER(db_idempotency, uid),
	NUMBER(db_idempotency, hash),    MAYBE_NUMBER(db_idempotency, change),
	NUMBER(db_idempotency, wall_ms),
};

static const struct db_column profile_columns[] = {
	TEXT(db_profile, name),
	NUMBER(db_profile, priority),
};

static const struct db_column member_columns[] = {
	TEXT(db_member, profile),
	NUMBER(db_member, n),
	TEXT(db_member, function),
	IDENTITY(db_member),
};

static const struct db_column turn_columns[] = {
	NUMBER(db_turn, id),     WORD(db_turn, kind, turn_kinds), TEXT(db_turn, host),
	TEXT(db_turn, provider), NUMBER(db_turn, chassis),        TEXT(db_turn, boot_id),
	NUMBER(db_turn, at_ms),
};

static const struct db_column chassis_columns[] = {
	NUMBER(db_chassis, number),
	TEXT(db_chassis, provider),
};

static const struct db_column audit_columns[] = {
	NUMBER(db_audit, wall_ms), NUMBER(db_audit, uid),  TEXT(db_audit, action),
	TEXT(db_audit, subject),   TEXT(db_audit, detail), MAYBE_NUMBER(db_audit, change),
};

static const struct db_column expiry_columns[] = {
	NUMBER(db_expiry, before_wall_ms), NUMBER(db_expiry, events), NUMBER(db_expiry, changes),
	NUMBER(db_expiry, keep),           NUMBER(db_expiry, audit),
};

#define TABLE(name_, keys_)                                                              \
	{                                                                                \
		.name = #name_, .columns = name_##_columns, .n = COUNT(name_##_columns), \
		.keys = keys_                                                            \
	}

const struct db_table db_tables[DB_KINDS] = {
	[DB_NUMBER] = TABLE(number, 1),
	[DB_ADAPTER] = TABLE(adapter, 1),
	[DB_HOST] = TABLE(host, 1),
	[DB_FUNCTION] = TABLE(function, 1),
	[DB_ASSIGNMENT] = TABLE(assignment, 1),
	[DB_CHANGE] = TABLE(change, 1),
	[DB_ITEM] = TABLE(item, 2),
	[DB_INCIDENT] = TABLE(incident, 1),
	[DB_STEP] = TABLE(step, 2),
	[DB_RECORD] = TABLE(record, 1),
	[DB_EVENT] = TABLE(event, 1),
	[DB_IDEMPOTENCY] = TABLE(idempotency, 2),
	[DB_PROFILE] = TABLE(profile, 1),
	[DB_MEMBER] = TABLE(member, 2),
	[DB_CHASSIS] = TABLE(chassis, 1),
	[DB_TURN] = TABLE(turn, 1),
	/* Written by chain.c, which knows number and hash. */
	[DB_AUDIT] = { .columns = audit_columns,
		       .n = COUNT(audit_columns),
		       .sql = "INSERT INTO audit(id,wall_ms,uid,action,subject,detail,change,hash)"
			      " VALUES (?1,?2,?3,?4,?5,?6,?7,?8)" },
	[DB_EXPIRY] = { .columns = expiry_columns,
			.n = COUNT(expiry_columns),
			.sql = "SELECT 1" }, /* expire.c has the real ones */
	/* These carry one column of the row that they are about. */
	[DB_KEY_EXPIRY] = { .columns = &idempotency_columns[4],
			    .n = 1,
			    .sql = "DELETE FROM idempotency WHERE wall_ms < ?1" },
	[DB_REMOVAL] = { .columns = &assignment_columns[0],
			 .n = 1,
			 .sql = "DELETE FROM assignment WHERE function = ?1" },
	[DB_MEMBERS_REMOVAL] = { .columns = &profile_columns[0],
				 .n = 1,
				 .sql = "DELETE FROM member WHERE profile = ?1" },
	[DB_PROFILE_REMOVAL] = { .columns = &profile_columns[0],
				 .n = 1,
				 .sql = "DELETE FROM profile WHERE name = ?1" },
	[DB_TURN_REMOVAL] = { .columns = &turn_columns[0],
			      .n = 1,
			      .sql = "DELETE FROM turn WHERE id = ?1" },
};

static uint64_t member_number(const struct db_column *column, const uint8_t *member)
{
	uint64_t wide = 0;
	uint32_t word;
	uint16_t half;

	switch (column->size) {
	case sizeof(wide):
		memcpy(&wide, member, sizeof(wide));
		return wide;
	case sizeof(word):
		memcpy(&word, member, sizeof(word));
		return word;
	case sizeof(half):
		memcpy(&half, member, sizeof(half));
		return half;
	default:
		return *member;
	}
}

static uint8_t *pack_bytes(uint8_t *to, const void *bytes, size_t length)
{
	memcpy(to, bytes, length);
	return to + length;
}

static uint8_t *pack_text(uint8_t *to, const char *text, size_t size)
{
	uint16_t length = (uint16_t)strnlen(text, size - 1);

	to = pack_bytes(to, &length, sizeof(length));
	to = pack_bytes(to, text, length);
	*to++ = '\0';
	return to;
}

static uint8_t *pack_column(uint8_t *to, const struct db_column *column, const uint8_t *row)
{
	const uint8_t *member = row + column->offset;
	uint64_t number;

	if (column->type == DB_COLUMN_TEXT)
		return pack_text(to, (const char *)member, column->size);

	number = member_number(column, member);
	return pack_bytes(to, &number, sizeof(number));
}

/* The bytes themselves come behind all that is packed. */
static uint8_t *pack_length(uint8_t *to, const struct db_column *column, const uint8_t *row,
			    struct db_bytes *bytes)
{
	uint64_t length;

	memcpy(bytes, row + column->offset, sizeof(*bytes));
	length = bytes->length;
	return pack_bytes(to, &length, sizeof(length));
}

struct row_head {
	uint32_t kind;
	uint32_t length;
};

void db_row_pack(struct buf *out, enum db_kind kind, const void *row)
{
	const struct db_table *table = &db_tables[kind];
	uint8_t packed[DB_ROW_MAX];
	uint8_t *to = packed + sizeof(struct row_head);
	struct row_head head = { .kind = kind };
	struct db_bytes bytes = { 0 };

	for (size_t i = 0; i < table->n; i++)
		to = table->columns[i].type == DB_COLUMN_BYTES
			     ? pack_length(to, &table->columns[i], row, &bytes)
			     : pack_column(to, &table->columns[i], row);
	assert(to <= packed + sizeof(packed));
	head.length = (uint32_t)((size_t)(to - packed) + bytes.length);
	memcpy(packed, &head, sizeof(head));
	buf_bytes(out, packed, (size_t)(to - packed));
	if (bytes.length)
		buf_bytes(out, bytes.at, bytes.length);
}

struct db_row db_row_next(const uint8_t **at)
{
	struct row_head head;
	struct db_row row;

	memcpy(&head, *at, sizeof(head));
	row = (struct db_row){ .kind = head.kind, .at = *at + sizeof(head) };
	*at += head.length;
	return row;
}

uint64_t db_row_number(const uint8_t **at)
{
	uint64_t number;

	memcpy(&number, *at, sizeof(number));
	*at += sizeof(number);
	return number;
}

const char *db_row_text(const uint8_t **at, size_t *length)
{
	const char *text = (const char *)*at + sizeof(uint16_t);
	uint16_t n;

	memcpy(&n, *at, sizeof(n));
	*length = n;
	*at += sizeof(n) + n + 1u;
	return text;
}

struct db_bytes db_row_bytes(const uint8_t **at)
{
	uint64_t length = db_row_number(at);
	struct db_bytes bytes = { .at = *at, .length = length };

	*at += length;
	return bytes;
}

static void write_names(struct buf *out, const struct db_table *table, size_t from, size_t to,
			const char *format)
{
	for (size_t i = from; i < to; i++) {
		buf_text(out, i == from ? "" : ",");
		for (const char *c = format; *c; c++) {
			if (*c == '@')
				buf_text(out, table->columns[i].name);
			else
				buf_bytes(out, c, 1);
		}
	}
}

void db_row_write_sql(struct buf *out, const struct db_table *table)
{
	if (table->sql) {
		buf_text(out, table->sql);
		return;
	}
	buf_printf(out, "INSERT INTO %s(", table->name);
	write_names(out, table, 0, table->n, "@");
	buf_text(out, ") VALUES (");
	write_names(out, table, 0, table->n, "?");
	buf_text(out, ")");
	if (!table->keys)
		return;
	/* Never REPLACE: it would delete other rows that stand in the way of a UNIQUE index. */
	buf_text(out, " ON CONFLICT (");
	write_names(out, table, 0, table->keys, "@");
	buf_text(out, ") DO UPDATE SET ");
	write_names(out, table, table->keys, table->n, "@=excluded.@");
}

void db_row_read_sql(struct buf *out, const struct db_table *table)
{
	buf_text(out, "SELECT ");
	write_names(out, table, 0, table->n, "@");
	buf_printf(out, " FROM %s", table->name);
}
