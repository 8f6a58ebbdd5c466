/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process that is a blade: found, watched and ended by a pidfd, which never names another one.
 * It is told from others by its command line, where the path of its QMP socket stands.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/result.h"

/**
 * qemu_process_of_socket() - who serves the other end of a connected Unix socket (SO_PEERCRED)
 * @pidfd: the caller's to close
 *
 * Return: 0; -ESRCH: it has ended; another -errno.
 */
MUST_USE int qemu_process_of_socket(int fd, pid_t *pid, int *pidfd);

/**
 * qemu_process_find() - the process whose command line has the path of that QMP socket
 *
 * A look at all of /proc: some milliseconds. Processes whose command line cannot be read are taken
 * not to be it.
 * Return: 0 with @pid and @pidfd (the caller's to close); -ESRCH: none; another -errno: it cannot
 * be told.
 */
MUST_USE int qemu_process_find(const char *socket_path, pid_t *pid, int *pidfd);

/* Does its command line have path=PATH or unix:PATH, taken from its own working directory? */
bool qemu_process_serves(pid_t pid, const char *socket_path);

/* True when the process has ended. */
bool qemu_process_is_gone(int pidfd);
/* SIGKILL. Return: 0, -ESRCH when it has ended already, or another -errno. */
MUST_USE int qemu_process_kill(int pidfd);
