/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/inside.h"

static void close_at(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd); /* read from, or synced before */
}

bool db_file_is_memory(const char *path)
{
	return !strcmp(path, ":memory:") ||
	       (!strncmp(path, "file:", 5) && strstr(path, "mode=memory"));
}

int db_file_resolve(const char *path, char *why, char out[static PATH_MAX])
{
	if (realpath(path, out))
		return 0;
	if (errno != ENOENT) {
		int error = errno;

		db_say(why, "%s: %s", path, strerror(error));
		return -error;
	}
	return db_file_beside(path, "", why, out);
}

int db_file_beside(const char *path, const char *ending, char *why, char out[static PATH_MAX])
{
	int n = snprintf(out, PATH_MAX, "%s%s", path, ending);

	/* Room is left for the endings that SQLite adds. */
	if (n < 0 || n > PATH_MAX - 32) {
		db_say(why, "%.64s...: the path is too long", path);
		return -ENAMETOOLONG;
	}
	return 0;
}

void db_file_hand_over(const char *path)
{
	char folder[PATH_MAX];
	struct stat status;

	if (geteuid() || db_file_beside(path, "", NULL, folder) || stat(dirname(folder), &status))
		return;
	/* When it fails, fabricd says at its start which file it cannot use. */
	(void)!lchown(path, status.st_uid, status.st_gid);
}

static int lock_not_opened(const char *path, int error, char *why)
{
	char folder[PATH_MAX];

	(void)snprintf(folder, sizeof(folder), "%s", path); /* was measured before */
	if (error == ENOENT)
		db_say(why, "%s: the folder %s is missing: create it, owned by the user of fabricd",
		       path, dirname(folder));
	else
		db_say(why, "%s: cannot write in the folder %s: %s", path, dirname(folder),
		       strerror(error));
	return -error;
}

static int lock_not_got(const char *path, int fd, int error, char *why)
{
	char pid[24] = "";

	if (error != EWOULDBLOCK) {
		db_say(why, "%s: cannot lock: %s", path, strerror(error));
		return -error;
	}
	if (pread(fd, pid, sizeof(pid) - 1, 0) > 0)
		pid[strspn(pid, "0123456789")] = '\0';
	db_say(why, "%s: is in use by another fabricd%s%s: stop that one first", path,
	       pid[0] ? ", pid " : "", pid);
	return -EBUSY;
}

int db_file_lock(const char *path, char *why, int *fd)
{
	char name[PATH_MAX];
	OWNED(close) int lock = -1;
	int r = db_file_beside(path, ".lock", why, name);

	if (r)
		return r;
	lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (lock < 0)
		return lock_not_opened(path, errno, why);
	db_file_hand_over(name);
	if (flock(lock, LOCK_EX | LOCK_NB))
		return lock_not_got(path, lock, errno, why);
	/* The pid is there for the sentence alone; a full disk must not keep the daemon out. */
	if (!ftruncate(lock, 0))
		(void)dprintf(lock, "%ld\n", (long)getpid());

	*fd = lock;
	lock = -1;
	return 0;
}

static uint32_t be32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* SQLite's file format, section 1.3: magic at 0, page size at 16 (1 means 64 KiB), application id
 * at 68; 100 bytes in all. */
static int header_check(const char *path, const uint8_t *header, size_t length, uint32_t id,
			char *why)
{
	static const char magic[16] = "SQLite format 3";

	if (!length) {
		db_say(why,
		       "%s: is empty, and a database never is: its content was lost. Put a "
		       "backup there, or remove the file to start without one",
		       path);
		return -EBADMSG;
	}
	if (length < 100 || memcmp(header, magic, sizeof(magic)) != 0) {
		db_say(why, "%s: is not a database: left as it is", path);
		return -EBADMSG;
	}
	if (be32(header + 68) != id) {
		db_say(why, "%s: is a database of another program: left as it is", path);
		return -EBADMSG;
	}
	return 0;
}

static int64_t page_size(const uint8_t *header)
{
	int64_t size = header[16] << 8 | header[17];

	return size > 1 ? size : 65536;
}

static int nothing_there(const char *path, char *why, bool *exists)
{
	char log[PATH_MAX];
	int r = db_file_beside(path, "-wal", why, log);

	if (r)
		return r;
	if (!access(log, F_OK)) {
		db_say(why,
		       "%s: is missing, but its write-ahead log %s is there: put the file "
		       "back, or remove the log to start without both",
		       path, log);
		return -EBADMSG;
	}
	*exists = false;
	return 0;
}

bool db_file_was_left_open(const char *path)
{
	char log[PATH_MAX];

	return db_file_beside(path, "-wal", NULL, log) || !access(log, F_OK);
}

int db_file_check(const char *path, uint32_t application_id, char *why, bool *exists)
{
	OWNED(close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint8_t header[100];
	struct stat status;
	ssize_t length;
	int r;

	if (fd < 0 && errno == ENOENT)
		return nothing_there(path, why, exists);
	if (fd < 0 || fstat(fd, &status)) {
		r = -errno;
		db_say(why, "%s: cannot read it: %s", path, strerror(-r));
		return r;
	}
	if (!S_ISREG(status.st_mode)) {
		db_say(why, "%s: is not a file", path);
		return -EBADMSG;
	}
	length = pread(fd, header, sizeof(header), 0);
	if (length < 0) {
		r = -errno;
		db_say(why, "%s: cannot read it: %s", path, strerror(-r));
		return r;
	}
	r = header_check(path, header, (size_t)length, application_id, why);
	if (!r && status.st_size % page_size(header) && !db_file_was_left_open(path)) {
		db_say(why, "%s: is damaged: it ends in the middle of a page. Put a backup there",
		       path);
		r = -EBADMSG;
	}
	if (r)
		return r;

	*exists = true;
	return 0;
}

static int sync_one(const char *path, int flags, char *why)
{
	OWNED(close) int fd = open(path, flags | O_CLOEXEC);
	int error;

	if (fd >= 0 && !fsync(fd))
		return 0;
	error = errno;
	db_say(why, "%s: cannot write it to disk: %s", path, strerror(error));
	return -error;
}

int db_file_sync(const char *path, char *why)
{
	char folder[PATH_MAX];
	int r = db_file_beside(path, "", why, folder);

	if (!r)
		r = sync_one(path, O_RDONLY, why);
	if (!r)
		r = sync_one(dirname(folder), O_RDONLY | O_DIRECTORY, why);
	return r;
}

int db_file_rename(const char *from, const char *to, char *why)
{
	int r = sync_one(from, O_RDONLY, why);

	if (r)
		return r;
	if (rename(from, to)) {
		r = -errno;
		db_say(why, "%s: cannot rename %s to it: %s", to, from, strerror(-r));
		return r;
	}
	return db_file_sync(to, why);
}

int db_file_rename_new(const char *from, const char *to, char *why)
{
	int r = sync_one(from, O_RDONLY, why);

	if (r)
		return r;
	/* Unlike rename(), link() does not replace. */
	if (link(from, to)) {
		r = -errno;
		db_say(why, "%s: %s", to,
		       r == -EEXIST ? "is there already, and is not overwritten" : strerror(-r));
		return r;
	}
	(void)unlink(from); /* a second name, if it stays, does no harm */
	return db_file_sync(to, why);
}

void db_file_mode(const char *path, const char *like)
{
	struct stat status;
	mode_t mode = stat(like, &status) ? 0640 : status.st_mode & 0666;

	(void)!chmod(path, mode); /* it is ours; else it stays as the umask has made it */
}

int db_file_next(const char *path, char *why, char out[static PATH_MAX])
{
	return db_file_beside(path, ".next", why, out);
}

/* Nothing there is as good as done. */
static int move_away(const char *from, const char *to, char *why)
{
	int r;

	if (!rename(from, to) || errno == ENOENT)
		return 0;
	r = -errno;
	db_say(why, "%s: cannot rename %s to it: %s", to, from, strerror(-r));
	return r;
}

/* The database first: without it a log is not thrown away, and never read as another one's. */
static int old_move_away(const char *path, char *why)
{
	static const char *const leftovers[] = { ".replaced-wal", ".replaced-shm" };
	char old[PATH_MAX];
	char from[PATH_MAX];
	char to[PATH_MAX];
	int r = db_file_beside(path, ".replaced", why, old);

	for (size_t i = 0; !r && !access(path, F_OK) && i < 2; i++) {
		r = db_file_beside(path, leftovers[i], why, to);
		if (!r)
			(void)unlink(to); /* of the one before; mostly not there */
	}
	if (!r)
		r = move_away(path, old, why);
	if (!r)
		r = db_file_beside(path, "-wal", why, from);
	if (!r)
		r = db_file_beside(path, ".replaced-wal", why, to);
	if (!r)
		r = move_away(from, to, why);
	if (!r)
		r = db_file_beside(path, "-shm", why, from);
	if (!r)
		(void)unlink(from); /* an index into the log, made anew from it */
	return r;
}

int db_file_replace(const char *path, char *why)
{
	char next[PATH_MAX];
	int r = db_file_next(path, why, next);

	if (r || access(next, F_OK))
		return r;
	r = old_move_away(path, why);
	if (!r)
		r = db_file_rename(next, path, why);
	return r;
}
