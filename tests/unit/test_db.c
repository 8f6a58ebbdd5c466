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

#include "db/db.h"
#include "db/inside.h"

static int open_db(void **state)
{
	char why[DB_TEXT_MAX];
	struct db *db = NULL;

	if (db_open(":memory:", why, &db))
		return -1;
	*state = db;
	return 0;
}

static int close_db(void **state)
{
	db_close(*state);
	return 0;
}

static struct db_batch *batch_new(void)
{
	struct db_batch *b = NULL;

	assert_int_equal(db_batch_new(&b), 0);
	return b;
}

static int apply(struct db *db, struct db_batch *b, char *why)
{
	int r = db_apply(db, b, why);

	db_batch_free(b);
	return r;
}

/* What a database tells, one of each kind and how many there were. */
struct told {
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
	char bytes[16]; /* of the record */
	struct db_event event;
	struct db_idempotency idempotency;
	struct db_turn turn;
	struct db_chassis chassis;
	int n[DB_KINDS];
	char order[64]; /* the first two letters of each row's kind */
	uint64_t events[8];
	uint64_t changes[8];
	struct db_assignment assignments[8];
};

static void note_order(struct told *told, const char *kind)
{
	size_t length = strlen(told->order);

	if (length + 3 < sizeof(told->order))
		(void)snprintf(told->order + length, 3, "%.2s", kind);
}

#define LISTENER(kind, KIND)                                          \
	static void on_##kind(void *arg, const struct db_##kind *row) \
	{                                                             \
		struct told *told = arg;                              \
                                                                      \
		told->kind = *row;                                    \
		told->n[KIND]++;                                      \
		note_order(told, #kind);                              \
	}
LISTENER(number, DB_NUMBER)
LISTENER(adapter, DB_ADAPTER)
LISTENER(host, DB_HOST)
LISTENER(function, DB_FUNCTION)
LISTENER(item, DB_ITEM)
LISTENER(incident, DB_INCIDENT)
LISTENER(step, DB_STEP)
LISTENER(idempotency, DB_IDEMPOTENCY)
LISTENER(turn, DB_TURN)
LISTENER(chassis, DB_CHASSIS)

static void on_assignment(void *arg, const struct db_assignment *row)
{
	struct told *told = arg;

	told->assignment = *row;
	told->assignments[told->n[DB_ASSIGNMENT]++ % 8] = *row;
	note_order(told, "as");
}

static void on_change(void *arg, const struct db_change *row)
{
	struct told *told = arg;

	told->change = *row;
	told->changes[told->n[DB_CHANGE]++ % 8] = row->id;
	note_order(told, "ch");
}

static void on_record(void *arg, const struct db_record *row)
{
	struct told *told = arg;

	told->record = *row;
	assert_in_range(row->data.length, 0, sizeof(told->bytes));
	if (row->data.length)
		memcpy(told->bytes, row->data.at, row->data.length);
	told->n[DB_RECORD]++;
	note_order(told, "re");
}

static void on_event(void *arg, const struct db_event *row)
{
	struct told *told = arg;

	told->event = *row;
	told->events[told->n[DB_EVENT]++ % 8] = row->n;
	note_order(told, "ev");
}

static int load(struct db *db, size_t limit, struct told *told)
{
	char why[DB_TEXT_MAX];
	const struct db_reader reader = {
		.number = on_number,
		.adapter = on_adapter,
		.host = on_host,
		.function = on_function,
		.assignment = on_assignment,
		.chassis = on_chassis,
		.turn = on_turn,
		.change = on_change,
		.item = on_item,
		.incident = on_incident,
		.step = on_step,
		.record = on_record,
		.event = on_event,
		.idempotency = on_idempotency,
		.changes = limit,
		.incidents = limit,
		.events = limit,
		.record_bytes = limit,
		.arg = told,
	};

	memset(told, 0, sizeof(*told));
	return db_load(db, &reader, why);
}

static void put_function(struct db_batch *b, const char *name)
{
	struct db_function row = { .generation = 1 };

	(void)snprintf(row.name, sizeof(row.name), "%s", name);
	db_put_function(b, &row);
}

static void put_host(struct db_batch *b, const char *name)
{
	struct db_host row = { .state = DB_HOST_ALIVE };

	(void)snprintf(row.name, sizeof(row.name), "%s", name);
	db_put_host(b, &row);
}

static void put_assignment(struct db_batch *b, const char *function, const char *host,
			   uint16_t vport, uint64_t mac)
{
	struct db_assignment row = { .vport = vport, .generation = 1, .identity.mac = mac };

	(void)snprintf(row.function, sizeof(row.function), "%s", function);
	(void)snprintf(row.host, sizeof(row.host), "%s", host);
	db_put_assignment(b, &row);
}

/* Functions f1 and f2 at bay1, vports 1 and 2, MACs 1 and 2. */
static void put_two(struct db *db)
{
	struct db_batch *b = batch_new();

	put_host(b, "bay1");
	put_function(b, "f1");
	put_function(b, "f2");
	put_assignment(b, "f1", "bay1", 1, 1);
	put_assignment(b, "f2", "bay1", 2, 2);
	assert_int_equal(apply(db, b, NULL), 0);
}

static const struct db_number a_number = { .name = "attempt", .value = UINT64_MAX };
static const struct db_adapter an_adapter = {
	.name = "nic-3fa2", .serial = "00-11", .position = "sw0-p12", .class_code = 0x020000
};
static const struct db_host a_host = { .name = "bay7",
				       .state = DB_HOST_QUARANTINED,
				       .spare = true,
				       .epoch = 9,
				       .boot_id = "5c1b2a7e",
				       .incident = 3 };
static const struct db_function a_function = { .name = "nic-3fa2/pf0/vf3",
					       .generation = 1ull << 63,
					       .bad = true };
static const struct db_assignment an_assignment = {
	.function = "nic-3fa2/pf0/vf3",
	.host = "bay7",
	.vport = 65535,
	.generation = 17,
	.state = DB_ASSIGNMENT_BLOCKED,
	.identity = { .mac = 0xfffffffffffe, .wwpn = UINT64_MAX, .wwnn = 1ull << 63, .vlan = 4094 },
};
static const struct db_change a_change = { .id = 5,
					   .kind = DB_CHANGE_REPAIR,
					   .state = DB_CHANGE_CANCELLED,
					   .effect = true,
					   .uid = UINT32_MAX,
					   .incident = 3,
					   .started_wall_ms = 1700000000000,
					   .ended_wall_ms = 1700000000001 };
static const struct db_item an_item = {
	.change = 5,
	.n = 4,
	.op = DB_OP_MOVE,
	.function = "nic-3fa2/pf0/vf3",
	.from_host = "bay6",
	.from_vport = 7,
	.host = "bay7",
	.vport = 8,
	.generation = 17,
	.epoch = 9,
	.identity = { .mac = 2, .wwpn = 3, .wwnn = 4, .vlan = 5 },
	.state = DB_CHANGE_FAILED,
	.reason = "the switch does not answer; it\xc2\xb4s in doubt",
};
static const struct db_incident an_incident = { .id = 3,
						.host = "bay7",
						.state = DB_INCIDENT_WAITING,
						.cause = "silent for 5 beats",
						.target = "bay8",
						.change = 5,
						.started_wall_ms = 11,
						.ended_wall_ms = 12 };
static const struct db_step a_step = { .incident = 3,
				       .n = 2,
				       .wall_ms = 11,
				       .offset_ms = UINT32_MAX,
				       .what = "fence",
				       .detail = "epoch 9" };
static const struct db_turn a_turn = { .id = 6,
				       .kind = DB_TURN_FLAP,
				       .host = "bay7",
				       .provider = "sim0",
				       .chassis = 65535,
				       .boot_id = "boot-1",
				       .at_ms = 12 };
static const struct db_chassis a_chassis = { .number = 65535, .provider = "sim0" };
static const struct db_record a_record = { .incident = 3,
					   .settings = "heartbeat.missed=5",
					   .data = { (const uint8_t *)"a\0b\xff", 4 } };
static const struct db_event an_event = {
	.n = 77, .wall_ms = 13, .type = "host", .subject = "bay7", .detail = "'quoted'"
};
static const struct db_audit an_audit = {
	.wall_ms = 14, .uid = 0, .action = "host.readmit", .subject = "bay7", .change = 5
};
static const struct db_idempotency a_key = {
	.key = "k-1", .uid = 1000, .hash = UINT64_MAX - 1, .change = 5, .wall_ms = 15
};

static void put_one_of_each(struct db_batch *b)
{
	db_put_number(b, &a_number);
	db_put_adapter(b, &an_adapter);
	db_put_host(b, &a_host);
	db_put_function(b, &a_function);
	db_put_assignment(b, &an_assignment);
	db_put_change(b, &a_change);
	db_put_item(b, &an_item);
	db_put_incident(b, &an_incident);
	db_put_step(b, &a_step);
	db_put_record(b, &a_record);
	db_put_chassis(b, &a_chassis);
	db_put_turn(b, &a_turn);
	db_put_event(b, &an_event);
	db_put_audit(b, &an_audit);
	db_put_idempotency(b, &a_key);
}

static void every_row_comes_back_as_it_was_put(void **state)
{
	struct db_batch *b = batch_new();
	struct told told;
	uint64_t audits = 0;

	put_one_of_each(b);
	assert_int_equal(db_batch_size(b), 15);
	assert_int_equal(apply(*state, b, NULL), 0);

	assert_int_equal(load(*state, 10, &told), 0);
	assert_memory_equal(&told.number, &a_number, sizeof(a_number));
	assert_memory_equal(&told.adapter, &an_adapter, sizeof(an_adapter));
	assert_string_equal(told.host.name, a_host.name);
	assert_int_equal(told.host.state, a_host.state);
	assert_true(told.host.spare);
	assert_int_equal(told.host.epoch, a_host.epoch);
	assert_string_equal(told.host.boot_id, a_host.boot_id);
	assert_int_equal(told.host.incident, a_host.incident);
	assert_string_equal(told.function.name, a_function.name);
	assert_true(told.function.generation == a_function.generation);
	assert_true(told.function.bad);
	assert_string_equal(told.assignment.host, "bay7");
	assert_int_equal(told.assignment.vport, 65535);
	assert_int_equal(told.assignment.state, DB_ASSIGNMENT_BLOCKED);
	assert_true(identity_is_equal(&told.assignment.identity, &an_assignment.identity));
	assert_int_equal(told.change.kind, DB_CHANGE_REPAIR);
	assert_int_equal(told.change.state, DB_CHANGE_CANCELLED);
	assert_true(told.change.effect);
	assert_true(told.change.uid == UINT32_MAX);
	assert_int_equal(told.change.incident, 3);
	assert_true(told.change.ended_wall_ms == a_change.ended_wall_ms);
	assert_int_equal(told.item.op, DB_OP_MOVE);
	assert_string_equal(told.item.from_host, "bay6");
	assert_int_equal(told.item.from_vport, 7);
	assert_int_equal(told.item.vport, 8);
	assert_int_equal(told.item.epoch, 9);
	assert_int_equal(told.item.state, DB_CHANGE_FAILED);
	assert_string_equal(told.item.reason, an_item.reason);
	assert_true(identity_is_equal(&told.item.identity, &an_item.identity));
	assert_int_equal(told.incident.state, DB_INCIDENT_WAITING);
	assert_string_equal(told.incident.cause, an_incident.cause);
	assert_string_equal(told.incident.target, "bay8");
	assert_int_equal(told.incident.change, 5);
	assert_true(told.step.offset_ms == UINT32_MAX);
	assert_string_equal(told.step.detail, "epoch 9");
	assert_memory_equal(&told.chassis, &a_chassis, sizeof(a_chassis));
	assert_memory_equal(&told.turn, &a_turn, sizeof(a_turn));
	assert_string_equal(told.record.settings, "heartbeat.missed=5");
	assert_int_equal(told.record.data.length, 4);
	assert_memory_equal(told.bytes, "a\0b\xff", 4);
	assert_int_equal(told.event.n, 77);
	assert_string_equal(told.event.detail, "'quoted'");
	assert_string_equal(told.idempotency.key, "k-1");
	assert_true(told.idempotency.hash == a_key.hash);
	assert_int_equal(told.idempotency.uid, 1000);
	assert_int_equal(db_count_audit(*state, &audits), 0);
	assert_int_equal(audits, 1);
}

static void kinds_are_told_in_the_order_of_the_reader(void **state)
{
	struct db_batch *b = batch_new();
	struct told told;

	put_one_of_each(b);
	assert_int_equal(apply(*state, b, NULL), 0);

	assert_int_equal(load(*state, 10, &told), 0);
	assert_string_equal(told.order, "nuadhofuaschtuchitinstreevid");
}

static void every_word_of_every_enum_is_taken_by_the_tables(void **state)
{
	struct db_change change = a_change;
	struct db_incident incident = an_incident;
	struct db_host host = a_host;
	struct db_assignment assignment = an_assignment;
	struct db_item item = an_item;
	struct db_batch *b = batch_new();

	put_one_of_each(b);
	for (unsigned int i = 0; i < DB_HOST_STATES; i++) {
		host.state = i;
		db_put_host(b, &host);
	}
	for (unsigned int i = 0; i < DB_CHANGE_STATES; i++) {
		change.state = i;
		item.state = i;
		item.n = i;
		db_put_change(b, &change);
		db_put_item(b, &item);
	}
	for (unsigned int i = 0; i < DB_CHANGE_KINDS; i++) {
		change.kind = i;
		db_put_change(b, &change);
	}
	for (unsigned int i = 0; i < DB_OPS; i++) {
		item.op = i;
		db_put_item(b, &item);
	}
	for (unsigned int i = 0; i < DB_INCIDENT_STATES; i++) {
		incident.state = i;
		db_put_incident(b, &incident);
	}
	assert_int_equal(apply(*state, b, NULL), 0);

	/* Of assignments only a function's last row is written. */
	for (unsigned int i = 0; i < DB_ASSIGNMENT_STATES; i++) {
		struct told told;

		b = batch_new();
		assignment.state = i;
		db_put_assignment(b, &assignment);
		assert_int_equal(apply(*state, b, NULL), 0);
		assert_int_equal(load(*state, 1, &told), 0);
		assert_int_equal(told.assignment.state, i);
	}
}

static void a_put_replaces_the_row_of_its_key(void **state)
{
	struct db_host changed = a_host;
	struct db_batch *b = batch_new();
	struct told told;

	changed.state = DB_HOST_FENCED;
	changed.epoch = 10;
	put_one_of_each(b);
	db_put_host(b, &changed);
	assert_int_equal(apply(*state, b, NULL), 0);

	assert_int_equal(load(*state, 10, &told), 0);
	assert_int_equal(told.n[DB_HOST], 1);
	assert_int_equal(told.host.state, DB_HOST_FENCED);
	assert_int_equal(told.host.epoch, 10);
}

/* Applies one row over those of put_two() and expects a refusal that leaves all as it was. */
static void expect_refusal(struct db *db, struct db_batch *b, const char *word)
{
	char why[DB_TEXT_MAX];
	struct told told;

	put_function(b, "f9");
	assert_int_equal(apply(db, b, why), -EINVAL);
	assert_non_null(strstr(why, word));
	assert_int_equal(load(db, 10, &told), 0);
	assert_int_equal(told.n[DB_FUNCTION], 2);
	assert_int_equal(told.n[DB_ASSIGNMENT], 2);
}

static void a_mac_lives_once(void **state)
{
	struct db_batch *b = batch_new();

	put_two(*state);
	put_function(b, "f3");
	put_assignment(b, "f3", "bay1", 3, 2);
	expect_refusal(*state, b, "mac");
}

static void a_wwpn_lives_once(void **state)
{
	struct db_assignment row = { .function = "f1", .host = "bay1", .vport = 1 };
	struct db_batch *b = batch_new();

	put_two(*state);
	row.identity.wwpn = 0x500143800000000a;
	db_put_assignment(b, &row);
	(void)snprintf(row.function, sizeof(row.function), "f2");
	row.vport = 2;
	db_put_assignment(b, &row);
	expect_refusal(*state, b, "wwpn");
}

static void a_vport_holds_one_function(void **state)
{
	struct db_batch *b = batch_new();

	put_two(*state);
	put_assignment(b, "f2", "bay1", 1, 2);
	expect_refusal(*state, b, "vport");
}

static void functions_without_host_or_mac_do_not_clash(void **state)
{
	struct db_batch *b = batch_new();
	struct told told;

	put_two(*state);
	put_assignment(b, "f1", "", 0, 0);
	put_assignment(b, "f2", "", 0, 0);
	assert_int_equal(apply(*state, b, NULL), 0);
	assert_int_equal(load(*state, 1, &told), 0);
	assert_int_equal(told.n[DB_ASSIGNMENT], 2);
	assert_string_equal(told.assignment.host, "");
}

static void an_unknown_state_is_refused(void **state)
{
	struct db_host host = a_host;
	struct db_batch *b = batch_new();

	put_two(*state);
	host.state = DB_HOST_STATES;
	host.incident = 0;
	db_put_host(b, &host);
	expect_refusal(*state, b, "CHECK");
}

static void a_mac_of_more_than_48_bits_is_refused(void **state)
{
	struct db_batch *b = batch_new();

	put_two(*state);
	put_assignment(b, "f1", "bay1", 1, 1ull << 48);
	expect_refusal(*state, b, "CHECK");
}

static void an_assignment_to_a_host_without_record_is_refused(void **state)
{
	struct db_batch *b = batch_new();

	put_two(*state);
	put_assignment(b, "f1", "bay2", 1, 1);
	expect_refusal(*state, b, "FOREIGN KEY");
}

static void an_item_without_its_change_is_refused(void **state)
{
	struct db_batch *b = batch_new();

	put_two(*state);
	db_put_item(b, &an_item);
	expect_refusal(*state, b, "FOREIGN KEY");
}

static void a_row_may_stand_before_the_one_that_it_refers_to(void **state)
{
	struct db_batch *b = batch_new();

	put_assignment(b, "f1", "bay1", 1, 1);
	put_function(b, "f1");
	put_host(b, "bay1");
	assert_int_equal(apply(*state, b, NULL), 0);
}

static void after_a_refusal_the_next_batch_is_written(void **state)
{
	struct db_batch *b = batch_new();
	struct told told;

	put_two(*state);
	put_assignment(b, "f2", "bay1", 1, 2);
	assert_int_equal(apply(*state, b, NULL), -EINVAL);

	b = batch_new();
	put_assignment(b, "f2", "bay1", 9, 2);
	assert_int_equal(apply(*state, b, NULL), 0);
	assert_int_equal(load(*state, 1, &told), 0);
	assert_int_equal(told.assignment.vport, 9);
}

static void two_functions_swap_macs_in_one_batch(void **state)
{
	struct db_batch *b = batch_new();
	struct told told;

	put_two(*state);
	put_assignment(b, "f1", "bay1", 1, 2);
	put_assignment(b, "f2", "bay1", 2, 1);
	assert_int_equal(apply(*state, b, NULL), 0);

	assert_int_equal(load(*state, 1, &told), 0);
	assert_int_equal(told.assignments[0].identity.mac, 2);
	assert_int_equal(told.assignments[1].identity.mac, 1);
}

static void two_functions_swap_vports_in_one_batch(void **state)
{
	struct db_batch *b = batch_new();
	struct told told;

	put_two(*state);
	put_assignment(b, "f2", "bay1", 1, 2);
	put_assignment(b, "f1", "bay1", 2, 1);
	assert_int_equal(apply(*state, b, NULL), 0);

	assert_int_equal(load(*state, 1, &told), 0);
	assert_int_equal(told.assignments[0].vport, 2);
	assert_int_equal(told.assignments[1].vport, 1);
}

static void of_several_rows_of_a_function_the_last_one_stays(void **state)
{
	struct db_batch *b = batch_new();
	struct told told;

	put_two(*state);
	put_assignment(b, "f1", "bay1", 2, 2); /* where f2 is, for a moment */
	put_assignment(b, "f2", "bay1", 3, 3);
	put_assignment(b, "f1", "bay1", 4, 4);
	put_assignment(b, "f2", "bay1", 4, 5);
	db_remove_assignment(b, "f2");
	assert_int_equal(apply(*state, b, NULL), 0);

	assert_int_equal(load(*state, 1, &told), 0);
	assert_int_equal(told.n[DB_ASSIGNMENT], 1);
	assert_string_equal(told.assignment.function, "f1");
	assert_int_equal(told.assignment.vport, 4);
	assert_int_equal(told.assignment.identity.mac, 4);
}

static void an_assignment_that_is_removed_and_put_again_is_there(void **state)
{
	struct db_batch *b = batch_new();
	struct told told;

	put_two(*state);
	db_remove_assignment(b, "f1");
	put_assignment(b, "f1", "bay1", 7, 1);
	db_remove_assignment(b, "f2");
	assert_int_equal(apply(*state, b, NULL), 0);

	assert_int_equal(load(*state, 1, &told), 0);
	assert_int_equal(told.n[DB_ASSIGNMENT], 1);
	assert_int_equal(told.assignment.vport, 7);
}

static void the_audit_can_be_neither_changed_nor_deleted(void **state)
{
	static const char *const attempts[] = {
		"UPDATE audit SET uid=1",
		"DELETE FROM audit",
		"REPLACE INTO audit SELECT id, 1, 1, '', '', '', 1, '' FROM audit",
		"INSERT INTO audit SELECT * FROM audit WHERE 1 ON CONFLICT (id) DO NOTHING",
	};
	struct db *db = *state;
	struct db_batch *b = batch_new();
	uint64_t rows = 0;

	db_put_audit(b, &an_audit);
	assert_int_equal(apply(db, b, NULL), 0);

	for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++) {
		assert_int_equal(sqlite3_exec(db->sql, attempts[i], NULL, NULL, NULL),
				 SQLITE_CONSTRAINT_TRIGGER);
		assert_non_null(strstr(sqlite3_errmsg(db->sql), "append-only"));
	}
	assert_int_equal(db_count_audit(db, &rows), 0);
	assert_int_equal(rows, 1);
}

static void put_ended_change(struct db_batch *b, uint64_t id, enum db_change_state state)
{
	struct db_change change = { .id = id, .state = state };
	struct db_item item = { .change = id, .n = 1, .function = "f" };

	db_put_change(b, &change);
	db_put_item(b, &item);
}

static void all_running_changes_come_and_the_last_ended_ones(void **state)
{
	struct db_batch *b = batch_new();
	struct told told;

	put_ended_change(b, 1, DB_CHANGE_RUNNING);
	for (uint64_t id = 2; id < 7; id++)
		put_ended_change(b, id, DB_CHANGE_DONE);
	assert_int_equal(apply(*state, b, NULL), 0);

	assert_int_equal(load(*state, 2, &told), 0);
	assert_int_equal(told.n[DB_CHANGE], 3);
	assert_int_equal(told.changes[0], 1);
	assert_int_equal(told.changes[1], 5);
	assert_int_equal(told.changes[2], 6);
	assert_int_equal(told.n[DB_ITEM], 3);
}

static void all_open_incidents_come_and_the_last_ended_ones(void **state)
{
	struct db_batch *b = batch_new();
	struct told told;

	put_host(b, "bay1");
	for (uint64_t id = 1; id < 6; id++) {
		const struct db_incident incident = { .id = id,
						      .host = "bay1",
						      .state = id == 1 ? DB_INCIDENT_BLOCKED
								       : DB_INCIDENT_DONE };
		const struct db_step step = { .incident = id, .n = 1 };

		db_put_incident(b, &incident);
		db_put_step(b, &step);
	}
	assert_int_equal(apply(*state, b, NULL), 0);

	assert_int_equal(load(*state, 1, &told), 0);
	assert_int_equal(told.n[DB_INCIDENT], 2);
	assert_int_equal(told.n[DB_STEP], 2);
	assert_int_equal(told.step.incident, 5);
}

static void the_newest_records_come_that_have_room_together(void **state)
{
	struct db_batch *b = batch_new();
	struct told told;

	put_host(b, "bay1");
	for (uint64_t id = 1; id < 6; id++) {
		const struct db_incident incident = { .id = id, .host = "bay1" };
		const struct db_record record = { .incident = id,
						  .data = { (const uint8_t *)"0123", 4 } };

		db_put_incident(b, &incident);
		db_put_record(b, &record);
	}
	assert_int_equal(apply(*state, b, NULL), 0);

	assert_int_equal(load(*state, 11, &told), 0);
	assert_int_equal(told.n[DB_RECORD], 2);
	assert_int_equal(told.record.incident, 5);
}

static void a_record_is_put_again_when_it_has_grown(void **state)
{
	struct db_record record = a_record;
	struct db_batch *b = batch_new();
	struct told told;

	put_one_of_each(b);
	record.data = (struct db_bytes){ (const uint8_t *)"longer", 6 };
	db_put_record(b, &record);
	assert_int_equal(apply(*state, b, NULL), 0);

	assert_int_equal(load(*state, 10, &told), 0);
	assert_int_equal(told.n[DB_RECORD], 1);
	assert_memory_equal(told.bytes, "longer", 6);
}

static void the_last_events_come_by_number(void **state)
{
	struct db_batch *b = batch_new();
	struct told told;

	for (uint64_t n = 1; n < 6; n++) {
		const struct db_event event = { .n = n };

		db_put_event(b, &event);
	}
	assert_int_equal(apply(*state, b, NULL), 0);

	assert_int_equal(load(*state, 2, &told), 0);
	assert_int_equal(told.n[DB_EVENT], 2);
	assert_int_equal(told.events[0], 4);
	assert_int_equal(told.events[1], 5);
}

static void idempotency_keys_go_when_they_are_old(void **state)
{
	struct db_idempotency key = { .key = "old", .wall_ms = 100 };
	struct db_batch *b = batch_new();
	struct told told;

	db_put_idempotency(b, &key);
	(void)snprintf(key.key, sizeof(key.key), "new");
	key.wall_ms = 200;
	db_put_idempotency(b, &key);
	db_expire_idempotency(b, 200);
	assert_int_equal(apply(*state, b, NULL), 0);

	assert_int_equal(load(*state, 1, &told), 0);
	assert_int_equal(told.n[DB_IDEMPOTENCY], 1);
	assert_string_equal(told.idempotency.key, "new");
}

static void one_key_of_two_users_is_two_keys(void **state)
{
	struct db_idempotency key = { .key = "k", .uid = 1 };
	struct db_batch *b = batch_new();
	struct told told;

	db_put_idempotency(b, &key);
	key.uid = 2;
	db_put_idempotency(b, &key);
	assert_int_equal(apply(*state, b, NULL), 0);
	assert_int_equal(load(*state, 1, &told), 0);
	assert_int_equal(told.n[DB_IDEMPOTENCY], 2);
}

static void a_text_that_fills_its_field_is_cut_to_fit(void **state)
{
	struct db_event event = { .n = 1 };
	struct db_batch *b = batch_new();
	struct told told;

	memset(event.type, 'x', sizeof(event.type)); /* no NUL at all */
	memset(event.detail, 'y', sizeof(event.detail) - 1);
	db_put_event(b, &event);
	assert_int_equal(apply(*state, b, NULL), 0);

	assert_int_equal(load(*state, 1, &told), 0);
	assert_int_equal(strlen(told.event.type), DB_NAME_MAX - 1);
	assert_int_equal(strlen(told.event.detail), DB_TEXT_MAX - 1);
}

static void what_does_not_fit_a_row_is_refused_on_loading(void **state)
{
	static const char *const foul[] = {
		"UPDATE assignment SET vport=65536 WHERE function='f1'",
		"UPDATE assignment SET vport=-1 WHERE function='f1'",
		"UPDATE host SET boot_id=printf('%.*c', 64, 'x')",
		"UPDATE host SET boot_id=CAST(x'410042' AS TEXT)",
	};
	struct db *db = *state;
	struct told told;

	put_two(db);
	for (size_t i = 0; i < sizeof(foul) / sizeof(*foul); i++) {
		assert_int_equal(sqlite3_exec(db->sql, "SAVEPOINT s", NULL, NULL, NULL), 0);
		assert_int_equal(sqlite3_exec(db->sql, foul[i], NULL, NULL, NULL), 0);
		assert_int_equal(sqlite3_exec(db->sql, "RELEASE s", NULL, NULL, NULL), 0);
		assert_int_equal(load(db, 1, &told), -EBADMSG);
		assert_int_equal(sqlite3_exec(db->sql,
					      "UPDATE assignment SET vport=1 WHERE function='f1';"
					      "UPDATE host SET boot_id=''",
					      NULL, NULL, NULL),
				 0);
	}
	assert_int_equal(load(db, 1, &told), 0);
}

static void a_reader_that_wants_nothing_gets_nothing(void **state)
{
	const struct db_reader reader = { 0 };

	put_two(*state);
	assert_int_equal(db_load(*state, &reader, NULL), 0);
}

static void an_empty_batch_is_a_transaction_too(void **state)
{
	assert_int_equal(apply(*state, batch_new(), NULL), 0);
}

struct profiles_told {
	size_t profiles;
	size_t members;
	struct db_profile last;
	struct db_member member[4];
};

static void on_profile(void *arg, const struct db_profile *row)
{
	struct profiles_told *told = arg;

	told->profiles++;
	told->last = *row;
}

static void on_member(void *arg, const struct db_member *row)
{
	struct profiles_told *told = arg;

	told->member[told->members++ % 4] = *row;
}

static struct profiles_told load_profiles(struct db *db)
{
	struct profiles_told told = { 0 };
	const struct db_reader reader = { .profile = on_profile,
					  .member = on_member,
					  .arg = &told };

	assert_int_equal(db_load(db, &reader, NULL), 0);
	return told;
}

static void put_member(struct db_batch *b, const char *profile, uint32_t n, const char *function)
{
	struct db_member row = { .n = n, .identity = { .mac = n + 7u, .wwpn = UINT64_MAX } };

	(void)snprintf(row.profile, sizeof(row.profile), "%s", profile);
	(void)snprintf(row.function, sizeof(row.function), "%s", function);
	db_put_member(b, &row);
}

static void a_profile_comes_back_with_its_functions_in_order(void **state)
{
	struct db_batch *b = batch_new();
	struct profiles_told told;

	put_two(*state);
	put_member(b, "web", 1, "f1");
	put_member(b, "web", 0, "f2");
	db_put_profile(b, &(struct db_profile){ .name = "web", .priority = 1000 });
	assert_int_equal(apply(*state, b, NULL), 0);

	told = load_profiles(*state);
	assert_int_equal(told.profiles, 1);
	assert_string_equal(told.last.name, "web");
	assert_int_equal(told.last.priority, 1000);
	assert_int_equal(told.members, 2);
	assert_string_equal(told.member[0].function, "f2");
	assert_int_equal(told.member[1].identity.mac, 8);
	assert_true(told.member[1].identity.wwpn == UINT64_MAX);
}

static void the_functions_of_a_profile_are_replaced_and_go_with_it(void **state)
{
	struct db_batch *b = batch_new();
	struct profiles_told told;

	put_two(*state);
	db_put_profile(b, &(struct db_profile){ .name = "web" });
	put_member(b, "web", 0, "f1");
	put_member(b, "web", 1, "f2");
	assert_int_equal(apply(*state, b, NULL), 0);
	b = batch_new();
	db_remove_members(b, "web");
	put_member(b, "web", 0, "f2");
	assert_int_equal(apply(*state, b, NULL), 0);
	told = load_profiles(*state);
	assert_int_equal(told.members, 1);
	assert_string_equal(told.member[0].function, "f2");

	b = batch_new();
	db_remove_profile(b, "web");
	assert_int_equal(apply(*state, b, NULL), 0);
	told = load_profiles(*state);
	assert_int_equal(told.profiles, 0);
	assert_int_equal(told.members, 0);
}

static void a_function_is_in_one_profile_at_most(void **state)
{
	struct db_batch *b = batch_new();

	put_two(*state);
	db_put_profile(b, &(struct db_profile){ .name = "web" });
	db_put_profile(b, &(struct db_profile){ .name = "db" });
	put_member(b, "web", 0, "f1");
	put_member(b, "db", 0, "f1");
	assert_int_equal(apply(*state, b, NULL), -EINVAL);
}

static void a_member_needs_its_profile_and_its_function(void **state)
{
	struct db_batch *b = batch_new();

	put_two(*state);
	put_member(b, "web", 0, "f1");
	assert_int_equal(apply(*state, b, NULL), -EINVAL);
	b = batch_new();
	db_put_profile(b, &(struct db_profile){ .name = "web" });
	put_member(b, "web", 0, "f9");
	assert_int_equal(apply(*state, b, NULL), -EINVAL);
	b = batch_new();
	db_put_profile(b, &(struct db_profile){ .name = "web", .priority = 1001 });
	assert_int_equal(apply(*state, b, NULL), -EINVAL);
}

static void four_thousand_rows_of_each_kind_fit_one_batch(void **state)
{
	struct db_batch *b = batch_new();
	struct told told;
	uint64_t audits = 0;
	char name[32];

	put_host(b, "bay1");
	db_put_host(b, &(struct db_host){ .name = "bay1", .state = DB_HOST_ALIVE });
	db_put_change(b, &(struct db_change){ .id = 1 });
	for (uint16_t i = 0; i < 4096; i++) {
		struct db_item item = { .change = 1, .n = i, .function = "f", .host = "bay1" };

		(void)snprintf(name, sizeof(name), "nic-%u/pf0/vf%u", i / 64u, i % 64u + 1u);
		put_function(b, name);
		put_assignment(b, name, "bay1", i, i + 1u);
		db_put_item(b, &item);
		db_put_audit(b, &an_audit);
	}
	assert_int_equal(apply(*state, b, NULL), 0);

	assert_int_equal(load(*state, 1, &told), 0);
	assert_int_equal(told.n[DB_ASSIGNMENT], 4096);
	assert_int_equal(told.n[DB_ITEM], 4096);
	assert_int_equal(db_count_audit(*state, &audits), 0);
	assert_int_equal(audits, 4096);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_db, close_db)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_row_comes_back_as_it_was_put),
		TEST(kinds_are_told_in_the_order_of_the_reader),
		TEST(every_word_of_every_enum_is_taken_by_the_tables),
		TEST(a_put_replaces_the_row_of_its_key),
		TEST(a_mac_lives_once),
		TEST(a_wwpn_lives_once),
		TEST(a_vport_holds_one_function),
		TEST(functions_without_host_or_mac_do_not_clash),
		TEST(an_unknown_state_is_refused),
		TEST(a_mac_of_more_than_48_bits_is_refused),
		TEST(an_assignment_to_a_host_without_record_is_refused),
		TEST(an_item_without_its_change_is_refused),
		TEST(a_row_may_stand_before_the_one_that_it_refers_to),
		TEST(after_a_refusal_the_next_batch_is_written),
		TEST(two_functions_swap_macs_in_one_batch),
		TEST(two_functions_swap_vports_in_one_batch),
		TEST(of_several_rows_of_a_function_the_last_one_stays),
		TEST(an_assignment_that_is_removed_and_put_again_is_there),
		TEST(the_audit_can_be_neither_changed_nor_deleted),
		TEST(all_running_changes_come_and_the_last_ended_ones),
		TEST(all_open_incidents_come_and_the_last_ended_ones),
		TEST(the_newest_records_come_that_have_room_together),
		TEST(a_record_is_put_again_when_it_has_grown),
		TEST(the_last_events_come_by_number),
		TEST(idempotency_keys_go_when_they_are_old),
		TEST(one_key_of_two_users_is_two_keys),
		TEST(a_text_that_fills_its_field_is_cut_to_fit),
		TEST(what_does_not_fit_a_row_is_refused_on_loading),
		TEST(a_reader_that_wants_nothing_gets_nothing),
		TEST(an_empty_batch_is_a_transaction_too),
		TEST(a_profile_comes_back_with_its_functions_in_order),
		TEST(the_functions_of_a_profile_are_replaced_and_go_with_it),
		TEST(a_function_is_in_one_profile_at_most),
		TEST(a_member_needs_its_profile_and_its_function),
		TEST(four_thousand_rows_of_each_kind_fit_one_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
