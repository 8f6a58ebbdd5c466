/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control socket, where systemd has made it for us. */
#pragma once

#include "common/result.h"

/**
 * listen_handed_over() - the one socket that systemd listens on in our place
 * @why: 512 bytes, set on failure
 * @fd:  -1 when there is none; else the caller's
 *
 * Return: 0; -EINVAL for something else than one listening Unix stream socket; another -errno.
 */
MUST_USE int listen_handed_over(char *why, int *fd);
