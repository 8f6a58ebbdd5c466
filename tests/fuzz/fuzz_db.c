/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as the database file: refused with a sentence, or opened, read and written. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/db.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/fuzz_db.XXXXXX";
static char path[64];
static char side[96];

static void side_files_remove(void)
{
	static const char *const names[] = {
		"f.db",         "f.db-wal",       "f.db-shm",          "f.db.lock",
		"f.db.new",     "f.db.before-v2", "other.db",          "other.db.lock",
		"other.db.new", "other.db.next",  "other.db.replaced", "other.db.audit-key"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		(void)snprintf(side, sizeof(side), "%s/%s", folder, names[i]);
		(void)unlink(side); /* most are not there */
	}
}

static void folder_remove(void)
{
	side_files_remove();
	(void)rmdir(folder); /* at the end of the process */
}

static void folder_make(void)
{
	if (path[0])
		return;
	if (!mkdtemp(folder))
		abort();
	(void)snprintf(path, sizeof(path), "%s/f.db", folder);
	(void)atexit(folder_remove);
}

static void file_write(const uint8_t *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	(void)close(fd); /* nobody relies on it */
}

static void text_check(const char *text, size_t size)
{
	if (!memchr(text, '\0', size))
		abort();
}

#define LISTENER(kind, member)                                        \
	static void on_##kind(void *arg, const struct db_##kind *row) \
	{                                                             \
		++*(size_t *)arg;                                     \
		text_check(row->member, sizeof(row->member));         \
	}
LISTENER(number, name)
LISTENER(adapter, serial)
LISTENER(host, boot_id)
LISTENER(function, name)
LISTENER(assignment, host)
LISTENER(item, reason)
LISTENER(incident, cause)
LISTENER(step, detail)
LISTENER(event, detail)
LISTENER(idempotency, key)

static void on_record(void *arg, const struct db_record *row)
{
	++*(size_t *)arg;
	text_check(row->settings, sizeof(row->settings));
	for (size_t i = 0; i < row->data.length; i++)
		*(size_t *)arg += row->data.at[i];
}

static void on_change(void *arg, const struct db_change *row)
{
	++*(size_t *)arg;
	if (row->state >= DB_CHANGE_STATES || row->kind >= DB_CHANGE_KINDS)
		abort();
}

static void database_use(struct db *db)
{
	OWNED(db_batch_free) struct db_batch *batch = NULL;
	const struct db_host host = { .name = "bay1" };
	const struct db_audit audit = { .action = "fuzz" };
	const struct db_expiry expiry = { .before_wall_ms = 1000, .events = 5, .audit = 3 };
	char why[DB_TEXT_MAX] = "";
	size_t rows = 0;
	const struct db_reader reader = {
		.number = on_number,
		.adapter = on_adapter,
		.host = on_host,
		.function = on_function,
		.assignment = on_assignment,
		.change = on_change,
		.item = on_item,
		.incident = on_incident,
		.step = on_step,
		.record = on_record,
		.event = on_event,
		.idempotency = on_idempotency,
		.changes = 100,
		.incidents = 100,
		.events = 100,
		.record_bytes = 100000,
		.arg = &rows,
	};

	if (db_load(db, &reader, why) && !why[0])
		abort();
	if (db_batch_new(&batch))
		return;
	db_put_host(batch, &host);
	db_put_audit(batch, &audit);
	db_expire_history(batch, &expiry);
	why[0] = '\0';
	if (db_apply(db, batch, why) && !why[0])
		abort();
}

static void ignore_audit(void *arg, uint64_t id, const struct db_audit *row)
{
	(void)id;
	text_check(row->detail, sizeof(row->detail));
	++*(size_t *)arg;
}

/* A copy that somebody brings: checked, its audit read and verified, written anew, put back. */
static void file_use(void)
{
	char why[DB_TEXT_MAX] = "";
	struct db_report report;
	struct db_audit_report audit;
	char other[96];
	size_t rows = 0;

	(void)snprintf(other, sizeof(other), "%s/other.db", folder);
	if (db_check(path, why, &report) && !why[0])
		abort();
	why[0] = '\0';
	if (db_audit_list(path, 0, why, ignore_audit, &rows) && !why[0])
		abort();
	why[0] = '\0';
	if (db_audit_verify(path, other, why, &audit) && !why[0])
		abort();
	why[0] = '\0';
	if (db_restore(path, other, 0, why) && !why[0])
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OWNED(db_close) struct db *db = NULL;
	char why[DB_TEXT_MAX] = "";
	int r;

	folder_make();
	side_files_remove();
	file_write(data, size);
	file_use();
	r = db_open_fast(path, why, &db);
	if (r ? !why[0] || db : !db)
		abort();
	if (!r)
		database_use(db);
	return 0;
}
