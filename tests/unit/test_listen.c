/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fabricd/listen.h"

static char folder[64];
static char path[96];
static char why[512];

static int setup(void **unused)
{
	(void)unused;
	(void)snprintf(folder, sizeof(folder), "/tmp/test_listen.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/s", folder);
	return 0;
}

static int teardown(void **unused)
{
	(void)unused;
	(void)unlink(path);
	return rmdir(folder);
}

static int client_connect(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	close(fd);
	return -1;
}

static void everybody_may_connect_to_what_it_opens(void **unused)
{
	struct stat status;
	bool ours = false;
	int fd = -1;
	int client;

	(void)unused;
	assert_int_equal(listen_open(path, why, &fd, &ours), 0);

	client = client_connect();
	assert_true(client >= 0);
	assert_true(ours);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0666);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(client);
	close(fd);
}

static void what_a_killed_daemon_left_is_replaced(void **unused)
{
	bool ours;
	int fd;

	(void)unused;
	assert_int_equal(listen_open(path, why, &fd, &ours), 0);
	close(fd); /* as kill -9 does: the path stays */

	assert_int_equal(listen_open(path, why, &fd, &ours), 0);
	close(fd);
}

static void a_living_daemon_is_left_alone(void **unused)
{
	bool ours;
	int fd;
	int second = -1;
	int client;

	(void)unused;
	assert_int_equal(listen_open(path, why, &fd, &ours), 0);

	assert_int_equal(listen_open(path, why, &second, &ours), -EADDRINUSE);
	assert_non_null(strstr(why, "another daemon answers there"));
	assert_int_equal(second, -1);
	client = client_connect();
	assert_true(client >= 0);
	close(client);
	close(fd);
}

static void what_is_no_socket_is_never_removed(void **unused)
{
	struct stat status;
	bool ours;
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void)unused;
	assert_true(fd >= 0);
	close(fd);

	assert_int_equal(listen_open(path, why, &fd, &ours), -EEXIST);
	assert_int_equal(stat(path, &status), 0);
}

static void a_folder_that_is_not_there_is_named(void **unused)
{
	bool ours;
	int fd;

	(void)unused;
	assert_int_equal(listen_open("/nonexistent/s", why, &fd, &ours), -ENOENT);
	assert_non_null(strstr(why, "/nonexistent/s: No such file or directory"));
}

/* ---- what systemd hands over ---- */

/* Runs in a child: descriptor 3 is taken there. Its exit code is listen_open()'s -errno. */
static int handed_over(int (*make)(void))
{
	char pid[16];
	bool ours = true;
	int fd = -1;
	int r = make();

	if (r < 0)
		return 99;
	if (r != 3 && dup2(r, 3) != 3)
		return 98;
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	if (setenv("LISTEN_PID", pid, 1) || setenv("LISTEN_FDS", "1", 1))
		return 97;
	r = listen_open("/nonexistent/s", why, &fd, &ours);
	if (!r && (fd != 3 || ours))
		return 96;
	return -r;
}

static int make_listening(void)
{
	bool ours;
	int fd;

	return listen_open(path, why, &fd, &ours) ? -1 : fd;
}

static int make_datagram(void)
{
	return socket(AF_UNIX, SOCK_DGRAM, 0);
}

static int in_child(int (*make)(void))
{
	int status;
	pid_t child = fork();

	if (!child)
		_exit(handed_over(make));
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static void a_socket_of_systemd_is_taken_instead(void **unused)
{
	(void)unused;
	assert_int_equal(in_child(make_listening), 0);
}

static void something_else_from_systemd_is_refused(void **unused)
{
	(void)unused;
	assert_int_equal(in_child(make_datagram), EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(everybody_may_connect_to_what_it_opens, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_a_killed_daemon_left_is_replaced, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_living_daemon_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_socket_is_never_removed, setup,
						teardown),
		cmocka_unit_test(a_folder_that_is_not_there_is_named),
		cmocka_unit_test_setup_teardown(a_socket_of_systemd_is_taken_instead, setup,
						teardown),
		cmocka_unit_test(something_else_from_systemd_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
