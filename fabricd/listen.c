/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fabricd/listen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

enum { WHY_MAX = 512 };

static int fail(char *why, int error, const char *hint)
{
	(void)snprintf(why, WHY_MAX, "what systemd handed over: %s%s", strerror(error), hint);
	return -error;
}

int listen_handed_over(char *why, int *fd)
{
	int count = sd_listen_fds(1);
	int r;

	if (count < 0)
		return fail(why, -count, "");
	if (!count) {
		*fd = -1;
		return 0;
	}
	if (count > 1)
		return fail(why, EINVAL, ": more than one socket");
	r = sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, NULL, 0);
	if (r <= 0)
		return fail(why, r ? -r : EINVAL, ": not a listening Unix stream socket");
	*fd = SD_LISTEN_FDS_START;
	return 0;
}
