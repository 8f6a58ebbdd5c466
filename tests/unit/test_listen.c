/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fabricd/listen.h"

/* Runs in a child, since descriptor 3 is taken there. Return: -errno of listen_handed_over(). */
static int handed_over(int (*make)(void), const char *count)
{
	char why[512];
	char pid[16];
	int made = make();
	int fd = -2;
	int r;

	if (made < 0 || (made != 3 && dup2(made, 3) != 3) || dup2(3, 4) != 4)
		return 99;
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	if (setenv("LISTEN_PID", pid, 1) || setenv("LISTEN_FDS", count, 1))
		return 98;
	r = listen_handed_over(why, &fd);
	if (!r && fd != 3)
		return 97;
	return getenv("LISTEN_FDS") ? 96 : -r;
}

static int in_child(int (*make)(void), const char *count)
{
	int status;
	pid_t child = fork();

	if (!child)
		_exit(handed_over(make, count));
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static int make_listening(void)
{
	const struct sockaddr_un anonymous = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	/* An address without a name: the kernel picks an abstract one. */
	if (bind(fd, (const struct sockaddr *)&anonymous, sizeof(sa_family_t)) || listen(fd, 1))
		return -1;
	return fd;
}

static int make_idle(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int make_datagram(void)
{
	return socket(AF_UNIX, SOCK_DGRAM, 0);
}

static int make_pipe(void)
{
	int fds[2];

	return pipe(fds) ? -1 : fds[0];
}

static void without_systemd_there_is_none(void **unused)
{
	char why[512];
	int fd = -2;

	(void)unused;
	assert_int_equal(listen_handed_over(why, &fd), 0);
	assert_int_equal(fd, -1);
}

static void a_listening_socket_is_taken(void **unused)
{
	(void)unused;
	assert_int_equal(in_child(make_listening, "1"), 0);
}

static void anything_else_is_refused(void **unused)
{
	(void)unused;
	assert_int_equal(in_child(make_idle, "1"), EINVAL);
	assert_int_equal(in_child(make_datagram, "1"), EINVAL);
	assert_int_equal(in_child(make_pipe, "1"), EINVAL);
	assert_int_equal(in_child(make_listening, "2"), EINVAL);
	assert_int_equal(in_child(make_listening, "x"), EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_systemd_there_is_none),
		cmocka_unit_test(a_listening_socket_is_taken),
		cmocka_unit_test(anything_else_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
