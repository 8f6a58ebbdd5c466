/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socket on which the kernel tells of devices (NETLINK_KOBJECT_UEVENT). */
#pragma once

#include "common/result.h"

/* @bytes: room in the kernel for what was not read yet; less, where the right is not there, loses
 * events sooner, which reading tells (ENOBUFS). Anybody may send to such a socket: the number of
 * the kernel, the one sender to believe, is 0. @fd: a datagram socket, non-blocking, closed by
 * exec; set only on success, the caller's to close. Return: 0 or -errno. */
MUST_USE int kernel_events_open(int bytes, int *fd);
