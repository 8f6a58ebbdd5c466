/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A connection to a Unix stream socket, for an event loop. */
#pragma once

#include "common/result.h"

/* Connects to what listens at @path, without waiting. @fd: non-blocking, closed by exec; set only
 * on success, the caller's to close. Return: 0, -ENAMETOOLONG, or another -errno. */
MUST_USE int unix_socket_connect(const char *path, int *fd);
