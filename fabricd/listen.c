/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fabricd/listen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

enum { WHY_MAX = 512, BACKLOG = 512 };

static int fail(char *why, const char *path, int error, const char *hint)
{
	(void)snprintf(why, WHY_MAX, "%s: %s%s", path, strerror(error), hint);
	return -error;
}

static int unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Return: 0 nobody listens at @address, 1 somebody does, -errno. */
static int is_served(const struct sockaddr_un *address)
{
	int fd = unix_socket();
	int r;

	if (fd < 0)
		return -errno;
	r = connect(fd, (const struct sockaddr *)address, sizeof(*address)) ? -errno : 0;
	close(fd);
	/* EAGAIN: its queue is full, so there is one. */
	if (!r || r == -EAGAIN)
		return 1;
	return r == -ECONNREFUSED || r == -ENOENT ? 0 : r;
}

/* Only a socket is ever removed, and only a dead one. */
static int clear_path(const struct sockaddr_un *address, char *why)
{
	struct stat status;
	int r;

	if (lstat(address->sun_path, &status))
		return errno == ENOENT ? 0 : fail(why, address->sun_path, errno, "");
	if (!S_ISSOCK(status.st_mode))
		return fail(why, address->sun_path, EEXIST, " and is no socket");
	r = is_served(address);
	if (r == 1)
		return fail(why, address->sun_path, EADDRINUSE, ": another daemon answers there");
	if (r)
		return fail(why, address->sun_path, -r, "");
	if (unlink(address->sun_path) && errno != ENOENT)
		return fail(why, address->sun_path, errno, "");
	return 0;
}

static int own_open(const char *path, char *why, int *out)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return fail(why, path, ENAMETOOLONG, "");
	memcpy(address.sun_path, path, strlen(path) + 1);
	r = clear_path(&address, why);
	if (r)
		return r;
	fd = unix_socket();
	if (fd < 0)
		return fail(why, path, errno, "");
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) || chmod(path, 0666) ||
	    listen(fd, BACKLOG)) {
		r = fail(why, path, errno, "");
		close(fd);
		return r;
	}
	*out = fd;
	return 0;
}

int listen_open(const char *path, char *why, int *fd, bool *is_ours)
{
	int given = sd_listen_fds(1);
	int r;

	if (given < 0)
		return fail(why, "LISTEN_FDS", -given, "");
	if (given > 1)
		return fail(why, "LISTEN_FDS", E2BIG, ": one socket is expected");
	if (given == 1) {
		r = sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, NULL, 0);
		if (r <= 0)
			return fail(why, "LISTEN_FDS", r ? -r : EINVAL,
				    ": not a listening Unix stream socket");
		*fd = SD_LISTEN_FDS_START;
		*is_ours = false;
		return 0;
	}
	r = own_open(path, why, fd);
	if (!r)
		*is_ours = true;
	return r;
}
