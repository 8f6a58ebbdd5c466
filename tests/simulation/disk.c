/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/simulation/disk.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/simulation/acts.h"

/* ---- the file ---- */

static void path_of(const struct world *w, const char *name, char out[static PATH_MAX])
{
	(void)snprintf(out, PATH_MAX, "%s/%s", w->disk.folder, name);
}

static void database_open(struct world *w)
{
	char path[PATH_MAX] = ":memory:";
	char why[DB_TEXT_MAX];

	if (w->disk.folder[0])
		path_of(w, "db", path);
	if (!db_open_fast(path, why, &w->db))
		return;
	(void)fprintf(stderr, "database: %s\n", why);
	abort();
}

void disk_init(struct world *w)
{
	w->disk.last = &w->disk.first;
	if (w->seed % 5 == 3) {
		(void)snprintf(w->disk.folder, sizeof(w->disk.folder), "/tmp/simulation.XXXXXX");
		if (!mkdtemp(w->disk.folder))
			abort();
	}
	database_open(w);
}

static void folder_remove(const struct world *w)
{
	static const char *const names[] = {
		"db",   "db-wal",      "db-shm",          "db.lock",         "db.audit-key",
		"copy", "db.replaced", "db.replaced-wal", "db.replaced-shm", "copy.audit-key"
	};
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		path_of(w, names[i], path);
		(void)unlink(path); /* most are not there */
	}
	if (rmdir(w->disk.folder))
		(void)fprintf(stderr, "%s: %s\n", w->disk.folder, strerror(errno));
}

static void commits_drop(struct world *w)
{
	while (w->disk.first) {
		struct commit *c = w->disk.first;

		w->disk.first = c->next;
		db_batch_free(c->batch);
		free(c);
	}
	w->disk.last = &w->disk.first;
}

void disk_done(struct world *w)
{
	commits_drop(w);
	db_batch_free(w->disk.limbo);
	db_close(w->db);
	if (w->disk.folder[0])
		folder_remove(w);
}

/* ---- writing ---- */

/* The database has no reason to refuse: what it refuses is a fault of ours. */
static void apply(struct world *w, const struct db_batch *batch)
{
	char why[DB_TEXT_MAX] = "";
	int r = db_apply(w->db, batch, why);

	if (r)
		world_broken(w, "the database refuses a batch: %s (%s)", why, strerror(-r));
}

void disk_submit_take(struct world *w, struct db_batch *batch, uint64_t cookie)
{
	struct commit *c = calloc(1, sizeof(*c));

	assert(c);
	c->cookie = cookie;
	c->batch = batch;
	c->due_ms = w->now_ms + world_random(w, 3) +
		    (world_random(w, 200) == 0 ? world_random(w, 400) : 0);
	*w->disk.last = c;
	w->disk.last = &c->next;
}

uint64_t disk_waiting_since_ms(const struct world *w)
{
	return w->disk.first ? w->disk.first->due_ms - 3 : 0;
}

/* Of what was written when it failed the page cache may show all, and the disk have nothing. */
static void trouble_begin(struct world *w, struct commit *c)
{
	struct disk *d = &w->disk;

	d->error = d->bad_error;
	d->since_ms = w->now_ms;
	d->renew_ms = w->now_ms;
	d->limbo = c->batch;
	c->batch = NULL;
	world_story(w, "the disk fails: %s", strerror(-d->error));
}

static void commit_sync(struct world *w, struct commit *c)
{
	struct disk *d = &w->disk;

	if (c->is_synced || c->has_failed)
		return;
	if (!d->error && w->now_ms < d->bad_until_ms)
		trouble_begin(w, c);
	if (d->error) {
		c->has_failed = true;
		return;
	}
	apply(w, c->batch);
	c->is_synced = true;
}

static void commits_advance(struct world *w)
{
	struct disk *d = &w->disk;

	while (d->first && d->first->due_ms <= w->now_ms && !w->dead) {
		struct commit *c = d->first;

		commit_sync(w, c);
		if (!world_manager_runs(w))
			return;
		d->first = c->next;
		if (!d->first)
			d->last = &d->first;
		fabric_written(w->fabric, c->cookie, c->has_failed ? d->error : 0,
			       c->has_failed ? "as the test says" : "");
		db_batch_free(c->batch);
		free(c);
	}
}

/* ---- after an error ---- */

/* Whether it got there is known at last. */
static void limbo_end(struct world *w)
{
	struct disk *d = &w->disk;

	if (d->limbo && world_random(w, 2))
		apply(w, d->limbo);
	db_batch_free(d->limbo);
	d->limbo = NULL;
	d->error = 0;
}

/* All is written to a file that can be trusted; the manager begins again from that one. */
static void renew(struct world *w)
{
	struct disk *d = &w->disk;
	uint64_t for_ms = w->now_ms - d->since_ms;

	d->renew_ms = w->now_ms + 1000 + world_random(w, 4000);
	if (w->now_ms < d->bad_until_ms)
		return;
	world_story(w, "the database is written anew");
	commits_drop(w);
	limbo_end(w);
	manager_bury(w);
	manager_start(w);
	fabric_thawed(w->fabric, "as the test says", for_ms);
}

void disk_advance(struct world *w)
{
	commits_advance(w);
	if (w->disk.error && world_manager_runs(w) && w->now_ms >= w->disk.renew_ms)
		renew(w);
}

uint64_t disk_next_ms(const struct world *w)
{
	const struct disk *d = &w->disk;
	uint64_t next = UINT64_MAX;

	if (d->first && !d->first->is_synced && !d->first->has_failed)
		next = d->first->due_ms;
	if (d->error && world_manager_runs(w) && d->renew_ms < next)
		next = d->renew_ms;
	if (d->adopt_ms && d->adopt_ms < next)
		next = d->adopt_ms;
	return next;
}

static void restore(struct world *w)
{
	char copy[PATH_MAX];
	char path[PATH_MAX];
	char why[DB_TEXT_MAX] = "";

	path_of(w, "copy", copy);
	path_of(w, "db", path);
	world_story(w, "a backup is restored");
	db_close(w->db);
	w->db = NULL;
	if (db_restore(copy, path, 0, why)) {
		(void)fprintf(stderr, "restore: %s\n", why);
		abort();
	}
	database_open(w);
	w->disk.is_restore_wanted = false;
	w->disk.is_restored = true;
	w->disk.adopt_asked = false;
	w->disk.was_restored = true;
	profiles_loosen(w);
	w->disk.adopt_asked = false;
	w->disk.adopt_ms = w->now_ms + 5000 + world_random(w, 60000);
	known_forget(w);
}

void disk_crash(struct world *w)
{
	struct disk *d = &w->disk;

	while (d->first && (d->first->is_synced || (!d->error && world_random(w, 2)))) {
		struct commit *c = d->first;

		d->first = c->next;
		if (!c->is_synced)
			apply(w, c->batch);
		db_batch_free(c->batch);
		free(c);
	}
	commits_drop(w);
	limbo_end(w);
	if (d->is_restore_wanted)
		restore(w);
}

/* ---- what goes wrong, and what people do ---- */

void act_disk(struct world *w)
{
	struct disk *d = &w->disk;

	d->bad_error = world_random(w, 2) ? -EIO : -ENOSPC;
	d->bad_until_ms = w->now_ms + 1 + world_random(w, world_random(w, 3) ? 2000 : 30000);
	world_story(w, "the disk takes nothing for %" PRIu64 " ms", d->bad_until_ms - w->now_ms);
}

void act_backup(struct world *w)
{
	char copy[PATH_MAX];
	char path[PATH_MAX];
	char why[DB_TEXT_MAX] = "";

	if (!w->disk.folder[0] || w->disk.is_restored)
		return;
	path_of(w, "copy", copy);
	path_of(w, "db", path);
	(void)unlink(copy); /* the first time it is not there */
	if (db_backup(path, copy, why)) {
		(void)fprintf(stderr, "backup: %s\n", why);
		abort();
	}
	w->disk.has_copy = true;
	world_story(w, "operator: copies the database");
}

void act_restore(struct world *w)
{
	if (!w->disk.has_copy || w->disk.is_restored)
		return;
	w->disk.is_restore_wanted = true;
	world_kill(w, "to restore a backup");
}

static void note_foreign(void *arg, const struct fabric_difference *d)
{
	if (!strcmp(d->kind, "foreign"))
		*(bool *)arg = true;
}

static bool has_foreign(const struct world *w)
{
	bool has = false;

	if (world_manager_runs(w))
		fabric_differences(w->fabric, note_foreign, &has);
	return has;
}

void disk_adopt(struct world *w)
{
	struct fabric_plan plan;
	int r;

	if (!w->disk.adopt_ms || w->now_ms < w->disk.adopt_ms)
		return;
	/* Until he is answered; and again for what the switch could not tell then. */
	w->disk.adopt_ms = w->now_ms + (w->disk.is_restored ? 5000 : 60000);
	if (!w->disk.is_restored && (!w->quiet || !has_foreign(w)))
		w->disk.adopt_ms = 0;
	if (!w->disk.adopt_ms || !world_manager_runs(w))
		return;
	r = fabric_adopt(w->fabric, false, 0, &plan, on_done, w);
	profiles_loosen(w);
	w->disk.adopt_asked |= !r;
	world_story(w, "operator: adopts%s%s", r ? ": " : "", r ? "not yet" : "");
	fabric_plan_done(&plan);
}
