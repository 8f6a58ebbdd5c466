/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The listening end of the control socket: systemd's, or our own. */
#pragma once

#include <stdbool.h>

#include "common/result.h"

/**
 * listen_open() - listen on a Unix socket
 * @path: used unless systemd handed a socket over
 * @why:  512 bytes, set on failure
 * @fd:   non-blocking, close-on-exec; the caller's
 * @is_ours: true when @path was made here and is to be removed at the end
 *
 * A socket that nobody listens on any more is what a killed daemon leaves: it is replaced. One that
 * answers is left alone. Everybody may connect: what somebody may do is decided by who they are.
 *
 * Return: 0; -EADDRINUSE when somebody listens there; another -errno.
 */
MUST_USE int listen_open(const char *path, char *why, int *fd, bool *is_ours);
