/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

enum {
	RECORDS_MOST = 4 << 20, /* bytes of records; then a new snapshot */
	FILE_MOST = 256 << 20,  /* no chassis has a longer state */
	PATH_BYTES = 4096,
	EXIT_CODE_FAILED = 4, /* as main.c: failed on the way */
};

struct sim_store {
	struct sim_model *model;
	char path[PATH_BYTES];
	int fd;   /* the file, for appending */
	int lock; /* a file beside it, which is not replaced */
	size_t records;
	bool is_dirty;
};

static int write_all(int fd, const uint8_t *bytes, size_t length)
{
	while (length) {
		ssize_t n = write(fd, bytes, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		length -= (size_t)n;
	}
	return 0;
}

static int folder_sync(const char *path)
{
	char folder[PATH_BYTES];
	const char *slash = strrchr(path, '/');
	int fd, r = 0;

	(void)snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1,
		       slash ? path : ".");
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fsync(fd))
		r = -errno;
	close(fd);
	return r;
}

/* @fd, which has the snapshot, takes the file's place. */
static int snapshot_put(struct sim_store *store, int fd, const char *temporary)
{
	OWNED(buf_done) struct buf b = { 0 };
	int r;

	sim_model_save(store->model, &b);
	if (b.failed)
		return -ENOMEM;
	r = write_all(fd, b.data, b.length);
	if (r)
		return r;
	if (fsync(fd) || rename(temporary, store->path))
		return -errno;
	return folder_sync(store->path);
}

static int snapshot(struct sim_store *store)
{
	char temporary[PATH_BYTES + 8];
	int fd, r;

	(void)snprintf(temporary, sizeof(temporary), "%s.new", store->path);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	r = snapshot_put(store, fd, temporary);
	if (r) {
		close(fd);
		(void)unlink(temporary); /* half a snapshot is of no use; absent is fine */
		return r;
	}
	if (store->fd >= 0)
		close(store->fd);
	store->fd = fd;
	store->records = 0;
	store->is_dirty = false;
	return 0;
}

/* A switch that cannot remember must not say that it has: it dies before the answer leaves. */
static void die(const struct sim_store *store, int r)
{
	log_err("state %s: %s", store->path, strerror(-r));
	exit(EXIT_CODE_FAILED);
}

static void record_write(void *arg, const uint8_t *record, size_t length)
{
	struct sim_store *store = arg;
	int r = write_all(store->fd, record, length);

	if (r)
		die(store, r);
	store->records += length;
	store->is_dirty = true;
}

static int lock_take(struct sim_store *store, char *why)
{
	char path[PATH_BYTES + 8];

	(void)snprintf(path, sizeof(path), "%s.lock", store->path);
	store->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (store->lock < 0) {
		(void)snprintf(why, SIM_STORE_WHY, "%.200s: %s", path, strerror(errno));
		return -errno;
	}
	if (flock(store->lock, LOCK_EX | LOCK_NB)) {
		(void)snprintf(why, SIM_STORE_WHY, "%.200s: in use by another fabricsim",
			       store->path);
		return REFUSE_FIELD;
	}
	return 0;
}

static int file_read(const char *path, struct buf *b)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t chunk[65536];
	ssize_t n;
	int r = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	while ((n = read(fd, chunk, sizeof(chunk))) != 0 && b->length < FILE_MOST) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			r = -errno;
			break;
		}
		buf_bytes(b, chunk, (size_t)n);
	}
	close(fd);
	return r ? r : b->failed ? -ENOMEM : 0;
}

static int load(struct sim_store *store, char *why)
{
	OWNED(buf_done) struct buf b = { 0 };
	uint64_t seed;
	size_t used;
	int r = file_read(store->path, &b);

	if (r) {
		(void)snprintf(why, SIM_STORE_WHY, "%.200s: %s", store->path, strerror(-r));
		return r;
	}
	if (!b.length) {
		if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
			seed = clock_wall_ms();
		sim_model_seed(store->model, seed);
		return 0;
	}
	r = sim_model_load(store->model, b.data, b.length, clock_boot_ms(), &used);
	if (r) {
		(void)snprintf(why, SIM_STORE_WHY,
			       "%.180s: not the state of this chassis (byte %zu)", store->path,
			       used);
		return r == -EBADMSG ? REFUSE_FIELD : r;
	}
	if (used < b.length)
		log_warning("state %s: the last %zu bytes were torn off, and are left out",
			    store->path, b.length - used);
	return 0;
}

static int take(struct sim_store *store, char *why)
{
	int r = lock_take(store, why);

	if (!r)
		r = load(store, why);
	if (r)
		return r;
	r = snapshot(store);
	if (r)
		(void)snprintf(why, SIM_STORE_WHY, "%.200s: %s", store->path, strerror(-r));
	return r;
}

static void store_free(struct sim_store *store)
{
	if (store->fd >= 0)
		close(store->fd);
	if (store->lock >= 0)
		close(store->lock);
	free(store);
}

int sim_store_open(const char *path, struct sim_model *model, struct sim_store **out, char *why)
{
	struct sim_store *store;
	int r;

	if (strlen(path) >= PATH_BYTES) {
		(void)snprintf(why, SIM_STORE_WHY, "the path of the state is too long");
		return -ENAMETOOLONG;
	}
	store = calloc(1, sizeof(*store));
	if (!store) {
		(void)snprintf(why, SIM_STORE_WHY, "out of memory");
		return -ENOMEM;
	}
	store->model = model;
	store->fd = store->lock = -1;
	(void)snprintf(store->path, sizeof(store->path), "%s", path);
	r = take(store, why);
	if (r) {
		store_free(store);
		return r;
	}
	sim_model_store(model, record_write, store);
	*out = store;
	return 0;
}

void sim_store_close(struct sim_store *store)
{
	int r;

	if (!store)
		return;
	sim_model_store(store->model, NULL, NULL);
	r = snapshot(store);
	if (r)
		log_err("state %s: %s", store->path, strerror(-r));
	store_free(store);
}

void sim_store_sync(struct sim_store *store)
{
	int r = 0;

	if (!store->is_dirty)
		return;
	store->is_dirty = false;
	if (store->records > RECORDS_MOST)
		r = snapshot(store);
	else if (fdatasync(store->fd))
		r = -errno;
	if (r)
		die(store, r);
}

bool sim_store_is_dirty(const struct sim_store *store)
{
	return store->is_dirty;
}
