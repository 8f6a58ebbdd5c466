/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What SQLite itself takes for the rows of a change: the same tables, plain prepared statements,
 * WAL, synchronous=FULL, and nothing else. With --batch the same rows through db_apply().
 *
 *   db_reference --db FILE --transactions T [--functions N[xW]] [--items N[xW]]
 *                [--assignments N[xW]] [--audit N] [--events N] [--batch]
 *
 * N rows, each written W times (1), spread evenly over T transactions in the order functions,
 * items, assignments, audit, events. FILE must not exist. Prints milliseconds, without opening and
 * without the checkpoint that moves the log into the file (the daemon answers before it).
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "common/clock.h"
#include "db/db.h"
#include "db/schema.h"

enum kind { FUNCTIONS, ITEMS, ASSIGNMENTS, AUDIT, EVENTS, KINDS };

enum { HOSTS = 16, VFS = 64 };

struct amount {
	unsigned int rows;
	unsigned int times;
};

struct work {
	const char *path;
	unsigned int transactions;
	bool is_batch;
	struct amount amounts[KINDS];
};

struct target {
	sqlite3 *sql;
	sqlite3_stmt *writes[KINDS];
	struct db *db; /* with --batch, instead */
	struct db_batch *batch;
};

static const char *const texts[KINDS] = {
	[FUNCTIONS] = "INSERT INTO function(name,generation,bad) VALUES (?,?,0)"
		      " ON CONFLICT(name) DO UPDATE SET generation=excluded.generation",
	[ITEMS] = "INSERT INTO item(change,n,op,function,from_host,from_vport,host,vport,"
		  "generation,epoch,mac,state,reason)"
		  " VALUES (1,?,'assign',?,NULL,0,?,?,?,1,?,?,'')"
		  " ON CONFLICT(change,n) DO UPDATE SET state=excluded.state",
	[ASSIGNMENTS] = "INSERT INTO assignment(function,host,vport,generation,state,mac)"
			" VALUES (?,?,?,?,'bound',?) ON CONFLICT(function) DO UPDATE SET"
			" generation=excluded.generation",
	[AUDIT] = "INSERT INTO audit(wall_ms,uid,action,subject,detail,change)"
		  " VALUES (?,0,'function.assign',?,?,1)",
	[EVENTS] = "INSERT INTO event(n,wall_ms,type,subject,detail) VALUES (?,?,'function',?,?)",
};

static void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "db_reference: %s: %s\n", what, why);
	exit(4);
}

static void check(sqlite3 *sql, int answer)
{
	if (answer != SQLITE_OK && answer != SQLITE_DONE)
		die("sqlite", sqlite3_errmsg(sql));
}

static void run(sqlite3 *sql, const char *text)
{
	check(sql, sqlite3_exec(sql, text, NULL, NULL, NULL));
}

/* One row as the daemon would name it. */
struct row {
	char function[DB_NAME_MAX];
	char host[DB_NAME_MAX];
	uint16_t vport;
	uint64_t mac;
};

static struct row row_make(unsigned int i)
{
	struct row row = { .vport = (uint16_t)(i / HOSTS), .mac = 0x02fab0000000 + i + 1u };

	(void)snprintf(row.function, sizeof(row.function), "nic-%04x/pf0/vf%u", i / VFS,
		       i % VFS + 1);
	(void)snprintf(row.host, sizeof(row.host), "bay%u", i % HOSTS + 1);
	return row;
}

/* The steps say what is wrong with a binding. */
static void text(sqlite3_stmt *write, int at, const char *value)
{
	(void)sqlite3_bind_text(write, at, value, -1, SQLITE_STATIC);
}

static void number(sqlite3_stmt *write, int at, uint64_t value)
{
	(void)sqlite3_bind_int64(write, at, (sqlite3_int64)value);
}

static void plain_write(struct target *t, enum kind kind, unsigned int i, unsigned int turn)
{
	const struct row row = row_make(i);
	sqlite3_stmt *write = t->writes[kind];

	switch (kind) {
	case FUNCTIONS:
		text(write, 1, row.function);
		number(write, 2, turn);
		break;
	case ITEMS:
		number(write, 1, i);
		text(write, 2, row.function);
		text(write, 3, row.host);
		number(write, 4, row.vport);
		number(write, 5, 1);
		number(write, 6, row.mac);
		text(write, 7, turn == 1 ? "running" : "done");
		break;
	case ASSIGNMENTS:
		text(write, 1, row.function);
		text(write, 2, row.host);
		number(write, 3, row.vport);
		number(write, 4, turn);
		number(write, 5, row.mac);
		break;
	case AUDIT:
		number(write, 1, clock_wall_ms());
		text(write, 2, row.function);
		text(write, 3, row.host);
		break;
	case EVENTS:
		number(write, 1, i + 1u);
		number(write, 2, clock_wall_ms());
		text(write, 3, row.function);
		text(write, 4, row.host);
		break;
	case KINDS:
		break;
	}
	check(t->sql, sqlite3_step(write));
	check(t->sql, sqlite3_reset(write));
}

#define COPY(to, from) (void)snprintf(to, sizeof(to), "%s", from)

static void put_item(struct db_batch *b, const struct row *row, unsigned int i, unsigned int turn)
{
	struct db_item item = { .change = 1, .n = i, .vport = row->vport, .generation = 1 };

	COPY(item.function, row->function);
	COPY(item.host, row->host);
	item.epoch = 1;
	item.identity.mac = row->mac;
	item.state = turn == 1 ? DB_CHANGE_RUNNING : DB_CHANGE_DONE;
	db_put_item(b, &item);
}

static void put_assignment(struct db_batch *b, const struct row *row, unsigned int turn)
{
	struct db_assignment assignment = { .vport = row->vport, .generation = turn };

	COPY(assignment.function, row->function);
	COPY(assignment.host, row->host);
	assignment.identity.mac = row->mac;
	db_put_assignment(b, &assignment);
}

static void put_function(struct db_batch *b, const struct row *row, unsigned int turn)
{
	struct db_function function = { .generation = turn };

	COPY(function.name, row->function);
	db_put_function(b, &function);
}

static void put_audit(struct db_batch *b, const struct row *row)
{
	struct db_audit audit = { .wall_ms = clock_wall_ms(), .change = 1 };

	COPY(audit.action, "function.assign");
	COPY(audit.subject, row->function);
	COPY(audit.detail, row->host);
	db_put_audit(b, &audit);
}

static void put_event(struct db_batch *b, const struct row *row, unsigned int i)
{
	struct db_event event = { .n = i + 1u, .wall_ms = clock_wall_ms() };

	COPY(event.type, "function");
	COPY(event.subject, row->function);
	COPY(event.detail, row->host);
	db_put_event(b, &event);
}

static void batch_write(struct target *t, enum kind kind, unsigned int i, unsigned int turn)
{
	const struct row row = row_make(i);

	switch (kind) {
	case FUNCTIONS:
		put_function(t->batch, &row, turn);
		break;
	case ITEMS:
		put_item(t->batch, &row, i, turn);
		break;
	case ASSIGNMENTS:
		put_assignment(t->batch, &row, turn);
		break;
	case AUDIT:
		put_audit(t->batch, &row);
		break;
	case EVENTS:
		put_event(t->batch, &row, i);
		break;
	case KINDS:
		break;
	}
}

static void begin(struct target *t)
{
	if (!t->db)
		run(t->sql, "BEGIN IMMEDIATE");
	else if (db_batch_new(&t->batch))
		die("batch", strerror(ENOMEM));
}

static void commit(struct target *t)
{
	char why[DB_TEXT_MAX];

	if (!t->db) {
		run(t->sql, "COMMIT");
		return;
	}
	if (db_apply(t->db, t->batch, why))
		die("db_apply", why);
	db_batch_free(TAKE(t->batch));
}

/* Where within all transactions the next row stands. */
struct progress {
	unsigned long total;
	unsigned long done;
	unsigned long commit_at;
	unsigned int transaction;
};

static void turn_transaction(const struct work *w, struct target *t, struct progress *p)
{
	if (p->done < p->commit_at)
		return;
	if (p->transaction)
		commit(t);
	p->transaction++;
	p->commit_at = p->total * p->transaction / w->transactions;
	begin(t);
}

static void write_all(const struct work *w, struct target *t)
{
	struct progress p = { 0 };

	for (int kind = 0; kind < KINDS; kind++)
		p.total += (unsigned long)w->amounts[kind].rows * w->amounts[kind].times;
	for (int kind = 0; kind < KINDS; kind++) {
		unsigned int rows = w->amounts[kind].rows;

		for (unsigned int n = 0; n < rows * w->amounts[kind].times; n++) {
			turn_transaction(w, t, &p);
			(t->db ? batch_write : plain_write)(t, (enum kind)kind, n % rows,
							    n / rows + 1);
			p.done++;
		}
	}
	if (p.transaction)
		commit(t);
}

static void plain_open(const struct work *w, struct target *t)
{
	if (sqlite3_open(w->path, &t->sql) != SQLITE_OK)
		die(w->path, "cannot be opened");
	run(t->sql, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
		    "PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-8192");
	for (size_t i = 0; i < db_schema.n; i++)
		run(t->sql, db_schema.steps[i]);
	run(t->sql, "INSERT INTO change(id,kind,state,effect,uid,started_wall_ms,"
		    "ended_wall_ms) VALUES (1,'asked','running',0,0,0,0)");
	for (int i = 1; i <= HOSTS; i++) {
		char insert[128];

		(void)snprintf(insert, sizeof(insert),
			       "INSERT INTO host(name,state,spare,epoch,boot_id) "
			       "VALUES ('bay%d','alive',0,1,'')",
			       i);
		run(t->sql, insert);
	}
	for (int kind = 0; kind < KINDS; kind++)
		check(t->sql, sqlite3_prepare_v3(t->sql, texts[kind], -1, SQLITE_PREPARE_PERSISTENT,
						 &t->writes[kind], NULL));
}

static void batch_open(const struct work *w, struct target *t)
{
	const struct db_change change = { .id = 1 };
	char why[DB_TEXT_MAX];

	if (db_open(w->path, why, &t->db))
		die("db_open", why);
	begin(t);
	db_put_change(t->batch, &change);
	for (int i = 1; i <= HOSTS; i++) {
		struct db_host host = { .state = DB_HOST_ALIVE, .epoch = 1 };

		(void)snprintf(host.name, sizeof(host.name), "bay%d", i);
		db_put_host(t->batch, &host);
	}
	commit(t);
}

static void close_all(struct target *t)
{
	for (int kind = 0; kind < KINDS; kind++)
		(void)sqlite3_finalize(t->writes[kind]); /* all is written and measured */
	(void)sqlite3_close(t->sql);
	db_close(t->db);
}

static struct amount amount_parse(const char *word)
{
	struct amount amount = { .times = 1 };
	char *end;

	amount.rows = (unsigned int)strtoul(word, &end, 10);
	if (*end == 'x')
		amount.times = (unsigned int)strtoul(end + 1, &end, 10);
	if (*end || end == word || !amount.times || amount.times > 16 || amount.rows > 1u << 24) {
		(void)fprintf(stderr, "db_reference: \"%s\" is no number of rows\n", word);
		exit(2);
	}
	return amount;
}

static const struct option options[] = {
	{ "functions", required_argument, NULL, FUNCTIONS },
	{ "items", required_argument, NULL, ITEMS },
	{ "assignments", required_argument, NULL, ASSIGNMENTS },
	{ "audit", required_argument, NULL, AUDIT },
	{ "events", required_argument, NULL, EVENTS },
	{ "db", required_argument, NULL, 'd' },
	{ "transactions", required_argument, NULL, 't' },
	{ "batch", no_argument, NULL, 'b' },
	{ 0 },
};

static void options_read(int argc, char **argv, struct work *w)
{
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'd')
			w->path = optarg;
		else if (option == 't')
			w->transactions = amount_parse(optarg).rows;
		else if (option == 'b')
			w->is_batch = true;
		else if (option < KINDS)
			w->amounts[option] = amount_parse(optarg);
		else
			exit(2);
	}
}

static void work_check(const struct work *w)
{
	if (!w->path || !w->transactions) {
		(void)fprintf(stderr,
			      "usage: db_reference --db FILE --transactions T [--functions N[xW]] "
			      "[--items N[xW]] [--assignments N[xW]] [--audit N] [--events N] "
			      "[--batch]\n");
		exit(2);
	}
	if (w->amounts[AUDIT].times > 1 || w->amounts[EVENTS].times > 1) {
		(void)fprintf(stderr, "db_reference: audit rows and events are written once\n");
		exit(2);
	}
	if (!access(w->path, F_OK)) {
		(void)fprintf(stderr, "db_reference: %s is there already\n", w->path);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	struct work w = { .amounts = { { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 } } };
	struct target t = { 0 };
	uint64_t start;

	options_read(argc, argv, &w);
	work_check(&w);
	(w.is_batch ? batch_open : plain_open)(&w, &t);
	start = clock_boot_us();
	write_all(&w, &t);
	(void)printf("%.3f\n", (double)(clock_boot_us() - start) / 1000.0);
	close_all(&t);
	return 0;
}
