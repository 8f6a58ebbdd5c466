/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/leash.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/spawn.h"

/* Its input ends when the last who could write to it is gone. */
static char script[] = "trap '' HUP INT QUIT TERM\n"
		       "held=\n"
		       "while read -r what group; do\n"
		       "	case $what in\n"
		       "	+)	held=\"$held $group\" ;;\n"
		       "	-)	rest=\n"
		       "		for one in $held; do\n"
		       "			[ \"$one\" = \"$group\" ] || rest=\"$rest $one\"\n"
		       "		done\n"
		       "		held=$rest ;;\n"
		       "	esac\n"
		       "done\n"
		       "for one in $held; do\n"
		       "	kill -9 \"-$one\"\n"
		       "done\n";

struct leash {
	int fd;
	pid_t pid;
};

static int shell_spawn(int in, pid_t *pid)
{
	static char name[] = "fabric-leash";
	static char option[] = "-c";
	char *words[] = { name, option, script, NULL };
	char *environment[] = { NULL };
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int r;

	if (nowhere < 0)
		return -errno;
	r = spawn_alone("/bin/sh", words, environment, in, nowhere, pid);
	(void)close(nowhere); /* nothing was written to it */
	return r;
}

int leash_new(struct leash **out)
{
	struct leash *leash = calloc(1, sizeof(*leash));
	int ends[2];
	int r;

	if (!leash)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) {
		r = -errno;
		free(leash);
		return r;
	}
	leash->fd = ends[0];
	r = shell_spawn(ends[1], &leash->pid);
	(void)close(ends[1]); /* the shell has its own */
	if (r) {
		(void)close(leash->fd); /* nothing was written to it */
		free(leash);
		return r;
	}
	*out = leash;
	return 0;
}

void leash_free(struct leash *leash)
{
	if (!leash)
		return;
	(void)kill(leash->pid, SIGKILL); /* before it hears of the end */
	(void)close(leash->fd);          /* nothing is lost by it */
	while (waitpid(leash->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(leash);
}

static int leash_tell(struct leash *leash, char what, pid_t group)
{
	char line[32];
	int length = snprintf(line, sizeof(line), "%c %d\n", what, (int)group);
	ssize_t n = send(leash->fd, line, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0)
		return -errno;
	return n == length ? 0 : -EIO;
}

int leash_hold(struct leash *leash, pid_t group)
{
	return leash_tell(leash, '+', group);
}

int leash_drop(struct leash *leash, pid_t group)
{
	return leash_tell(leash, '-', group);
}
