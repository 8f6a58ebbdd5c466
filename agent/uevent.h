/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's own events of devices that come, go and change (NETLINK_KOBJECT_UEVENT). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/result.h"

struct uevent {
	char action[16];    /* "add", "remove", "bind", "unbind", "change", ... */
	char subsystem[32]; /* "pci", "net", "nvme", ... */
	char address[16];   /* of a PCI function; "" */
};

/**
 * uevent_parse() - one message: "ACTION@PATH", then KEY=VALUE texts, each ended by NUL
 *
 * Return: 0; -EBADMSG for what is none. Values that are too long are left empty.
 */
MUST_USE int uevent_parse(const char *bytes, size_t length, struct uevent *out);
/* May it change what the host sees of its functions? */
bool uevent_matters(const struct uevent *event);

/* A socket that hears the kernel. Return: 0 and @fd, or -errno. */
MUST_USE int uevent_open(int *fd);
/* Takes in all that has come. @lost: some were lost, so everything may have changed. Return: how
 * many of those that came matter, or -errno: the socket is of no more use. */
MUST_USE int uevent_drain(int fd, bool *lost);
