/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "db/inside.h"

int db_batch_new(struct db_batch **out)
{
	struct db_batch *batch = calloc(1, sizeof(*batch));

	if (!batch)
		return -ENOMEM;
	*out = batch;
	return 0;
}

void db_batch_free(struct db_batch *batch)
{
	if (!batch)
		return;
	buf_done(&batch->rows);
	free(batch);
}

size_t db_batch_size(const struct db_batch *batch)
{
	return batch->n;
}

static void batch_add(struct db_batch *b, enum db_kind kind, const void *row)
{
	db_row_pack(&b->rows, kind, row);
	b->n++;
	if (kind == DB_ASSIGNMENT || kind == DB_REMOVAL)
		b->n_places++;
}

void db_put_host(struct db_batch *b, const struct db_host *row)
{
	batch_add(b, DB_HOST, row);
}

void db_put_adapter(struct db_batch *b, const struct db_adapter *row)
{
	batch_add(b, DB_ADAPTER, row);
}

void db_put_function(struct db_batch *b, const struct db_function *row)
{
	batch_add(b, DB_FUNCTION, row);
}

void db_put_assignment(struct db_batch *b, const struct db_assignment *row)
{
	batch_add(b, DB_ASSIGNMENT, row);
}

void db_remove_assignment(struct db_batch *b, const char *function)
{
	struct db_assignment row = { 0 };

	memcpy(row.function, function, strnlen(function, sizeof(row.function) - 1));
	batch_add(b, DB_REMOVAL, &row);
}

void db_put_profile(struct db_batch *b, const struct db_profile *row)
{
	batch_add(b, DB_PROFILE, row);
}

void db_put_member(struct db_batch *b, const struct db_member *row)
{
	batch_add(b, DB_MEMBER, row);
}

void db_remove_members(struct db_batch *b, const char *profile)
{
	struct db_profile row = { 0 };

	memcpy(row.name, profile, strnlen(profile, sizeof(row.name) - 1));
	batch_add(b, DB_MEMBERS_REMOVAL, &row);
}

void db_remove_profile(struct db_batch *b, const char *profile)
{
	struct db_profile row = { 0 };

	db_remove_members(b, profile);
	memcpy(row.name, profile, strnlen(profile, sizeof(row.name) - 1));
	batch_add(b, DB_PROFILE_REMOVAL, &row);
}

void db_put_change(struct db_batch *b, const struct db_change *row)
{
	batch_add(b, DB_CHANGE, row);
}

void db_put_item(struct db_batch *b, const struct db_item *row)
{
	batch_add(b, DB_ITEM, row);
}

void db_put_incident(struct db_batch *b, const struct db_incident *row)
{
	batch_add(b, DB_INCIDENT, row);
}

void db_put_step(struct db_batch *b, const struct db_step *row)
{
	batch_add(b, DB_STEP, row);
}

void db_put_record(struct db_batch *b, const struct db_record *row)
{
	batch_add(b, DB_RECORD, row);
}

void db_put_event(struct db_batch *b, const struct db_event *row)
{
	batch_add(b, DB_EVENT, row);
}

void db_put_audit(struct db_batch *b, const struct db_audit *row)
{
	batch_add(b, DB_AUDIT, row);
}

void db_put_idempotency(struct db_batch *b, const struct db_idempotency *row)
{
	batch_add(b, DB_IDEMPOTENCY, row);
}

void db_expire_idempotency(struct db_batch *b, uint64_t before_wall_ms)
{
	const struct db_idempotency row = { .wall_ms = before_wall_ms };

	batch_add(b, DB_KEY_EXPIRY, &row);
}

void db_expire_history(struct db_batch *b, const struct db_expiry *what)
{
	batch_add(b, DB_EXPIRY, what);
}

void db_put_turn(struct db_batch *b, const struct db_turn *row)
{
	batch_add(b, DB_TURN, row);
}

void db_remove_turn(struct db_batch *b, uint64_t id)
{
	const struct db_turn row = { .id = id };

	batch_add(b, DB_TURN_REMOVAL, &row);
}

void db_put_chassis(struct db_batch *b, const struct db_chassis *row)
{
	batch_add(b, DB_CHASSIS, row);
}

void db_put_number(struct db_batch *b, const struct db_number *row)
{
	batch_add(b, DB_NUMBER, row);
}
