/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/qemu/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { COMMAND_LINE_MAX = 64 << 10 };

/* glibc 2.36 has these; older ones do not. */
static int pidfd_of(pid_t pid)
{
	long fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : (int)fd;
}

bool qemu_process_is_gone(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && p.revents & POLLIN;
}

int qemu_process_kill(int pidfd)
{
	return syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) ? -errno : 0;
}

/* The folder resolved, the last component as it is: it need not be there. */
static bool path_resolve(const char *path, char out[static PATH_MAX])
{
	char folder[PATH_MAX], whole[PATH_MAX];
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	int length;

	length = snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1,
			  slash ? path : ".");
	if (length < 0 || (size_t)length >= sizeof(folder) || !*name || !realpath(folder, whole))
		return false;
	length = snprintf(out, PATH_MAX, "%s/%s", strcmp(whole, "/") ? whole : "", name);
	return length > 0 && length < PATH_MAX;
}

/* One option's value, which may be the path; @cwd: where the process stands. */
static bool piece_is(const char *piece, size_t length, const char *cwd, const char *wanted)
{
	char path[PATH_MAX], resolved[PATH_MAX];
	int written;

	if (length > 5 && (!strncmp(piece, "path=", 5) || !strncmp(piece, "unix:", 5))) {
		piece += 5;
		length -= 5;
	} else {
		return false;
	}
	written = snprintf(path, sizeof(path), "%s%s%.*s", piece[0] == '/' ? "" : cwd,
			   piece[0] == '/' ? "" : "/", (int)length, piece);
	return written > 0 && (size_t)written < sizeof(path) && path_resolve(path, resolved) &&
	       !strcmp(resolved, wanted);
}

/* "socket,id=qmp,path=/x,server=on" */
static bool argument_has(const char *argument, const char *cwd, const char *wanted)
{
	while (*argument) {
		size_t length = strcspn(argument, ",");

		if (piece_is(argument, length, cwd, wanted))
			return true;
		argument += length + (argument[length] == ',');
	}
	return false;
}

/* Of /proc/PID. Return: bytes read, a NUL behind them; <0: -errno. */
static ssize_t proc_read(pid_t pid, const char *name, char *out, size_t size)
{
	char path[64];
	size_t got = 0;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name); /* it fits */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (got < size - 1 && (n = read(fd, out + got, size - 1 - got)) > 0)
		got += (size_t)n;
	(void)close(fd); /* only read */
	out[got] = '\0';
	return (ssize_t)got;
}

static bool serves(pid_t pid, const char *wanted)
{
	static char line[COMMAND_LINE_MAX];
	char cwd[PATH_MAX], link[64];
	ssize_t length = proc_read(pid, "cmdline", line, sizeof(line));
	ssize_t cwd_length;

	/* most processes do not even name the file */
	if (length <= 0 || !memmem(line, (size_t)length, strrchr(wanted, '/') + 1,
				   strlen(strrchr(wanted, '/') + 1)))
		return false;
	(void)snprintf(link, sizeof(link), "/proc/%d/cwd", (int)pid); /* it fits */
	cwd_length = readlink(link, cwd, sizeof(cwd) - 1);
	cwd[cwd_length > 0 ? cwd_length : 0] = '\0';
	for (const char *at = line; at < line + length; at += strlen(at) + 1)
		if (argument_has(at, cwd, wanted))
			return true;
	return false;
}

bool qemu_process_serves(pid_t pid, const char *socket_path)
{
	char wanted[PATH_MAX];

	return path_resolve(socket_path, wanted) && serves(pid, wanted);
}

int qemu_process_of_socket(int fd, pid_t *pid, int *pidfd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	int opened;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		return -errno;
	if (peer.pid <= 0)
		return -ESRCH; /* of another pid name space */
	opened = pidfd_of(peer.pid);
	if (opened < 0)
		return opened;
	*pid = peer.pid;
	*pidfd = opened;
	return 0;
}

/* The pidfd first, then the look: so it is of the process that was looked at. */
static int process_take(pid_t pid, const char *wanted, int *pidfd)
{
	int opened = pidfd_of(pid);

	if (opened < 0)
		return opened;
	if (!serves(pid, wanted) || qemu_process_is_gone(opened)) {
		(void)close(opened);
		return -ESRCH;
	}
	*pidfd = opened;
	return 0;
}

int qemu_process_find(const char *socket_path, pid_t *pid, int *pidfd)
{
	char wanted[PATH_MAX];
	const struct dirent *entry;
	DIR *proc;
	int r = -ESRCH;

	if (!path_resolve(socket_path, wanted))
		return -ESRCH; /* not even its folder is there */
	proc = opendir("/proc");
	if (!proc)
		return -errno;
	while (r == -ESRCH && (entry = readdir(proc))) {
		pid_t candidate = (pid_t)strtol(entry->d_name, NULL, 10);

		if (!isdigit((unsigned char)entry->d_name[0]) || candidate == getpid() ||
		    !serves(candidate, wanted))
			continue;
		r = process_take(candidate, wanted, pidfd);
		if (!r)
			*pid = candidate;
	}
	(void)closedir(proc); /* only read */
	return r;
}
