/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A process that shares nothing with this one but what it is given. */
#pragma once

#include <sys/types.h>

#include "common/result.h"

/**
 * spawn_alone() - start @path in a process group of its own
 * @words: its arguments, the first is what it is called; NULL ends them
 * @environment: all of it; NULL ends it
 * @in: its standard input; @out: its output and error output; borrowed
 * @pid: set on success, of its group too; the caller reaps it
 *
 * It has no other file, no signal blocked or ignored, and "/" as its folder. What a terminal sends
 * to our group is not for it. Return: 0, or -errno.
 */
MUST_USE int spawn_alone(const char *path, char *const words[], char *const environment[], int in,
			 int out, pid_t *pid);
