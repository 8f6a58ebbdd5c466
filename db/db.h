/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must outlive the manager: desired state, journal, history. SQLite underneath.
 *
 * A batch is a list of typed rows, built by the thread that decides, and applied as one
 * transaction: by the writer thread (writer.h) in the daemon, at once in the simulation. Nothing
 * here is read while the daemon runs, except once at the start: db_load() tells all that stands in
 * the tables through callbacks. Rows are values; "put" replaces the row of the same key.
 *
 * What a row refers to must be there when its batch is committed, in whatever order they stand in
 * it: an assignment needs its function and its host (unless ""), a member its profile and its
 * function, an item its change, a step its incident, an incident its host; an incident or change
 * that is named (not 0) by a host, a change, an incident or an idempotency key needs its row too.
 * MACs, WWPNs and (host, vport) are unique among the assignments at commit: two functions may swap
 * them within one batch. A function is unique among the members, row by row: it leaves one profile
 * before it comes into another.
 *
 * db_apply(): 0 means durable (WAL, synchronous=FULL). An error is UNKNOWN, not "rolled back": the
 * rows may be there after a restart. The caller freezes (docs/safety.md, S15).
 * -EINVAL alone is certain: a row broke a rule of the tables, which is the caller's mistake, and
 * nothing of its batch was written.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/identity.h"
#include "common/own.h"
#include "common/result.h"

enum {
	DB_NAME_MAX = 64,  /* bytes of a name, NUL included */
	DB_TEXT_MAX = 512, /* bytes of a reason or detail, NUL included; longer is cut */
	DB_KEY_MAX = 256,  /* bytes of an Idempotency-Key, NUL included */
};

struct db;
struct db_batch;

/* Enumerations are stored by these texts; a value outside its table is refused by a CHECK. */
enum db_host_state {
	DB_HOST_UNKNOWN,
	DB_HOST_ALIVE, /* has beaten; after a restart it is judged once S6's window has passed */
	DB_HOST_FENCING,
	DB_HOST_FENCED,
	DB_HOST_BLOCKED,
	DB_HOST_MAINTENANCE,
	DB_HOST_QUARANTINED,
	DB_HOST_STATES,
};

struct db_host {
	char name[DB_NAME_MAX]; /* key */
	enum db_host_state state;
	bool spare;
	uint64_t epoch;
	char boot_id[DB_NAME_MAX]; /* of its last beat's kernel; "" before the first */
	uint64_t incident;         /* the open one; 0: none */
	/* The last time that its virtual switch was read back empty by a fence. */
	uint64_t proved_wall_ms;        /* 0: never */
	char proved_rungs[DB_NAME_MAX]; /* "isolate, unbind" */
	uint64_t proved_incident;
	bool proved_by_drill;
};

struct db_adapter {
	char name[DB_NAME_MAX];     /* key; given once, never reused */
	char serial[DB_NAME_MAX];   /* evidence; "" when it has none */
	char position[DB_NAME_MAX]; /* "sw0-p12" where it was last */
	uint32_t class_code;
};

/* The highest owner generation that was ever given, assigned or not (S14). */
struct db_function {
	char name[DB_NAME_MAX]; /* key */
	uint64_t generation;
	bool bad;
};

enum db_assignment_state {
	DB_ASSIGNMENT_BOUND,
	DB_ASSIGNMENT_PARKED,
	DB_ASSIGNMENT_BLOCKED,
	DB_ASSIGNMENT_STATES
};

struct db_assignment {
	char function[DB_NAME_MAX]; /* key */
	char host[DB_NAME_MAX];
	uint16_t vport; /* unique with @host */
	uint64_t generation;
	enum db_assignment_state state;
	struct identity identity; /* MAC and WWPN unique in the table */
};

/* Functions that go to a host, from it and to another one together. */
struct db_profile {
	char name[DB_NAME_MAX]; /* key */
	uint32_t priority;      /* 0 .. 1000; the highest goes first */
};

/* One function of a profile; each function is in one at most. */
struct db_member {
	char profile[DB_NAME_MAX]; /* key with @n */
	uint32_t n;
	char function[DB_NAME_MAX];
	struct identity identity; /* that it carries, wherever it is */
};

enum db_change_state {
	DB_CHANGE_RUNNING,
	DB_CHANGE_DONE,
	DB_CHANGE_REFUSED,
	DB_CHANGE_PARKED,
	DB_CHANGE_FAILED,
	DB_CHANGE_CANCELLED,
	DB_CHANGE_STATES,
};
enum db_change_kind { DB_CHANGE_ASKED, DB_CHANGE_FAILOVER, DB_CHANGE_REPAIR, DB_CHANGE_KINDS };
enum db_op { DB_OP_ASSIGN, DB_OP_RELEASE, DB_OP_MOVE, DB_OPS };

struct db_change {
	uint64_t id; /* key; rises */
	enum db_change_kind kind;
	enum db_change_state state;
	bool effect;       /* its first effect may have happened */
	uint32_t uid;      /* who asked */
	uint64_t incident; /* 0: none */
	uint64_t started_wall_ms;
	uint64_t ended_wall_ms; /* 0: running */
};

/* One function's part of a change: the journal's intent. Key: change and n. */
struct db_item {
	uint64_t change;
	uint32_t n;
	enum db_op op;
	char function[DB_NAME_MAX];
	char from_host[DB_NAME_MAX]; /* "": nowhere */
	uint16_t from_vport;
	char host[DB_NAME_MAX]; /* where to; "": nowhere */
	uint16_t vport;
	uint64_t generation; /* that it will be owned under */
	uint64_t epoch;      /* of @host when this was planned */
	struct identity identity;
	enum db_change_state state;
	char reason[DB_TEXT_MAX]; /* why not done; "" */
};

enum db_incident_state {
	DB_INCIDENT_FENCING,
	DB_INCIDENT_BLOCKED,
	DB_INCIDENT_WAITING, /* fenced; no spare is fit yet */
	DB_INCIDENT_MOVING,
	DB_INCIDENT_DONE,
	DB_INCIDENT_STATES,
};

struct db_incident {
	uint64_t id; /* key; rises */
	char host[DB_NAME_MAX];
	enum db_incident_state state;
	char cause[DB_TEXT_MAX];  /* "silent for 5 beats", "powered off", "asked by uid 0" */
	char target[DB_NAME_MAX]; /* "" while none is chosen */
	uint64_t change;          /* 0: none yet */
	uint64_t started_wall_ms;
	uint64_t ended_wall_ms;
	bool drill;
};

struct db_step {
	uint64_t incident;
	uint32_t n; /* key with @incident; from 1 */
	uint64_t wall_ms;
	uint32_t offset_ms; /* since the first step: by the boot-time clock, over a restart by wall
			       time */
	char what[DB_NAME_MAX];
	char detail[DB_TEXT_MAX];
};

struct db_bytes {
	const uint8_t *at; /* borrowed */
	size_t length;
};

/* What the judging of its host's chassis was told around an incident. */
struct db_record {
	uint64_t incident;          /* key */
	char settings[DB_TEXT_MAX]; /* that it was judged by, KEY=VALUE with blanks between */
	struct db_bytes data;       /* as failover/record.h puts it */
};

enum db_turn_kind { DB_TURN_FAILOVER, DB_TURN_FLAP, DB_TURN_KINDS };

/* What counts by how often it was within a time (S5, S10). */
struct db_turn {
	uint64_t id; /* key */
	enum db_turn_kind kind;
	char host[DB_NAME_MAX];
	char provider[DB_NAME_MAX]; /* and @chassis: where that host was */
	uint16_t chassis;
	char boot_id[DB_NAME_MAX]; /* of the manager's machine; "": not known */
	uint64_t at_ms;            /* boot-time clock of that boot */
};

/* Whose the number of a chassis is: there hosts and functions are looked for that were there. */
struct db_chassis {
	uint64_t number; /* key */
	char provider[DB_NAME_MAX];
};

struct db_event {
	uint64_t n; /* key; rises without gaps */
	uint64_t wall_ms;
	char type[DB_NAME_MAX];
	char subject[DB_NAME_MAX];
	char detail[DB_TEXT_MAX];
};

/* Append-only: triggers refuse UPDATE and DELETE. Numbered without gaps, and chained by hashes,
 * when it is written (chain.h). */
struct db_audit {
	uint64_t wall_ms;
	uint32_t uid;
	char action[DB_NAME_MAX];
	char subject[DB_NAME_MAX];
	char detail[DB_TEXT_MAX];
	uint64_t change; /* 0: none */
};

struct db_idempotency {
	char key[DB_KEY_MAX]; /* key with uid */
	uint32_t uid;
	uint64_t hash; /* of the request */
	uint64_t change;
	uint64_t wall_ms;
};

/* Numbers that the manager keeps: "attempt" (highest reserved), "adopted" (0/1), ... */
struct db_number {
	char name[DB_NAME_MAX]; /* key */
	uint64_t value;
};

MUST_USE int db_batch_new(struct db_batch **out);
void db_batch_free(struct db_batch *batch);
OWNED_BY(struct db_batch, db_batch_free)
/* How many rows it holds. */
size_t db_batch_size(const struct db_batch *batch);

/* Each copies its row into the batch. Memory that runs out sticks, and db_apply() says -ENOMEM. */
void db_put_host(struct db_batch *b, const struct db_host *row);
void db_put_adapter(struct db_batch *b, const struct db_adapter *row);
void db_put_function(struct db_batch *b, const struct db_function *row);
void db_put_assignment(struct db_batch *b, const struct db_assignment *row);
void db_remove_assignment(struct db_batch *b, const char *function);
void db_put_profile(struct db_batch *b, const struct db_profile *row);
void db_put_member(struct db_batch *b, const struct db_member *row);
/* All of them; before those that are to be there instead. */
void db_remove_members(struct db_batch *b, const char *profile);
/* With its members. */
void db_remove_profile(struct db_batch *b, const char *profile);
void db_put_chassis(struct db_batch *b, const struct db_chassis *row);
void db_put_turn(struct db_batch *b, const struct db_turn *row);
void db_remove_turn(struct db_batch *b, uint64_t id);
void db_put_change(struct db_batch *b, const struct db_change *row);
void db_put_item(struct db_batch *b, const struct db_item *row);
void db_put_incident(struct db_batch *b, const struct db_incident *row);
void db_put_step(struct db_batch *b, const struct db_step *row);
void db_put_record(struct db_batch *b, const struct db_record *row);
void db_put_event(struct db_batch *b, const struct db_event *row);
void db_put_audit(struct db_batch *b, const struct db_audit *row);
void db_put_idempotency(struct db_batch *b, const struct db_idempotency *row);
/* Keys older than @before_wall_ms go. */
void db_expire_idempotency(struct db_batch *b, uint64_t before_wall_ms);
void db_put_number(struct db_batch *b, const struct db_number *row);

/* What history may go. Some of it goes each time: ask again, hourly say. */
struct db_expiry {
	uint64_t before_wall_ms; /* older than this goes; 0: no matter how old */
	uint64_t events;         /* beyond the newest so many goes too */
	uint64_t changes;        /* ended ones, with their items; likewise incidents' steps */
	uint64_t keep;           /* so many of the newest stay in any case */
	uint64_t audit;          /* rows of the audit that stay; 0: all */
};
void db_expire_history(struct db_batch *b, const struct db_expiry *what);

/**
 * db_open() - open or create the database
 * @path: ":memory:" or "file:NAME?mode=memory&cache=shared" for tests; a lock file beside a real
 *        one lets one daemon in (-EBUSY)
 * @why:  DB_TEXT_MAX bytes, set on failure: what is wrong and what to do
 *
 * Checks, migrates (each step in one transaction, a copy VACUUMed beside it first) and gives a
 * database without one its incarnation. Return: 0; -EBUSY; -EBADMSG for a file that is damaged, not
 * ours or of a newer version; another -errno.
 */
MUST_USE int db_open(const char *path, char *why, struct db **out);
/* As db_open(), with synchronous=OFF: for simulations, whose crashes are of the process alone. */
MUST_USE int db_open_fast(const char *path, char *why, struct db **out);
void db_close(struct db *db);
OWNED_BY(struct db, db_close)

/* A UUID; another for every database that is created. A copy of the file has the same one.
 * Borrowed. */
const char *db_incarnation(const struct db *db);

/* One transaction. Return: 0 durable; -errno unknown: see above; @why says what (may be NULL). */
MUST_USE int db_apply(struct db *db, const struct db_batch *batch, char *why);

/* What db_load() tells, in this order; each may be NULL. Rows are borrowed for the call. */
struct db_reader {
	void (*number)(void *arg, const struct db_number *row);
	void (*adapter)(void *arg, const struct db_adapter *row);
	void (*host)(void *arg, const struct db_host *row);
	void (*function)(void *arg, const struct db_function *row);
	void (*assignment)(void *arg, const struct db_assignment *row);
	void (*profile)(void *arg, const struct db_profile *row);
	void (*member)(void *arg, const struct db_member *row); /* in the order of @n */
	void (*chassis)(void *arg, const struct db_chassis *row);
	void (*turn)(void *arg, const struct db_turn *row);
	void (*change)(void *arg, const struct db_change *row); /* by id: all running, and the last
								   @changes ended ones */
	void (*item)(void *arg, const struct db_item *row);     /* of those changes */
	void (*incident)(void *arg, const struct db_incident *row);
	void (*step)(void *arg, const struct db_step *row);
	/* Of the newest incidents, as many as have @record_bytes together. */
	void (*record)(void *arg, const struct db_record *row);
	void (*event)(void *arg, const struct db_event *row); /* the last @events, by number */
	void (*idempotency)(void *arg, const struct db_idempotency *row);
	size_t changes;
	size_t incidents;
	size_t events;
	size_t record_bytes;
	void *arg;
};
MUST_USE int db_load(struct db *db, const struct db_reader *reader, char *why);

/* For the tests: rows in the audit table. */
MUST_USE int db_count_audit(struct db *db, uint64_t *rows);

/* ---- a file, with no daemon at it ---- */

/* What a database holds, for people. */
struct db_report {
	uint64_t version; /* of its tables */
	char incarnation[DB_NAME_MAX];
	uint64_t bytes;
	uint64_t assignments;
	uint64_t running;   /* changes */
	uint64_t incidents; /* open */
	uint64_t events;
	uint64_t last_wall_ms; /* of the last event; 0: there is none */
	uint64_t audit;
};

/**
 * db_check() - is this a sound database of ours?
 *
 * Reads all of it and writes nothing; a daemon may have it open. Return: 0; -ENOENT; -EBADMSG for a
 * file that is damaged, not ours or of a newer version; another -errno. @why as for db_open().
 */
MUST_USE int db_check(const char *path, char *why, struct db_report *out);

/* A copy of the database at @path as it is now, durable, as one file at @to, which must not be
 * there (-EEXIST). A daemon may have it open, and goes on meanwhile. */
MUST_USE int db_backup(const char *path, const char *to, char *why);

/**
 * db_restore() - put a copy in the place of the database at @path
 * @from: is checked first; stays as it is
 * @uid:  who asked, for the audit
 *
 * -EBUSY while a daemon has @path open. What stood there is kept as PATH.replaced. The database is
 * another one from here on: a new incarnation, attempts, generations and epochs that begin far
 * above all that its later life may have given; what ran is ended as failed, no host counts as
 * fenced or as heard of, and it is not adopted: nothing is repaired by itself (docs/safety.md).
 */
MUST_USE int db_restore(const char *from, const char *path, uint32_t uid, char *why);

struct db_audit_report {
	uint64_t rows;    /* that fit */
	uint64_t anchor;  /* the chain begins behind this row: those before are gone, or under
			     another  key */
	uint64_t genesis; /* rows up to this one are older than the chain */
	uint64_t misfit;  /* the first row that does not fit, or is missing; 0: none */
};

/**
 * db_audit_verify() - does every row of the audit fit the one before?
 * @key_of: the database whose key it was written with, PATH.audit-key; NULL: @path's own
 *
 * The daemon may run. Return: 0; -EBADMSG with @why and @out.misfit; another -errno.
 */
MUST_USE int db_audit_verify(const char *path, const char *key_of, char *why,
			     struct db_audit_report *out);
/* The last @last rows, 0: all, oldest first. */
MUST_USE int db_audit_list(const char *path, uint64_t last, char *why,
			   void (*fn)(void *arg, uint64_t id, const struct db_audit *row),
			   void *arg);
