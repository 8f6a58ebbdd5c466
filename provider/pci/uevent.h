/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's events (NETLINK_KOBJECT_UEVENT): one datagram to struct. Pure.
 *
 * A datagram is "ACTION@DEVPATH", NUL, then "KEY=VALUE" texts, each with its NUL.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/result.h"
#include "topology/address.h"

enum { UEVENT_MAX = 8192, UEVENT_DRIVER_MAX = 64 };

enum uevent_action {
	UEVENT_ADD,
	UEVENT_REMOVE,
	UEVENT_BIND,
	UEVENT_UNBIND,
	UEVENT_CHANGE,
	UEVENT_OTHER,
};

struct uevent {
	enum uevent_action action;
	bool is_pci; /* of a PCI function; what follows is set only then */
	struct topo_address address;
	char driver[UEVENT_DRIVER_MAX]; /* empty: none, or not told */
	bool is_recovery_failed;        /* error recovery ended without the device */
};

/**
 * uevent_parse() - read one datagram
 * @bytes: as received; at most UEVENT_MAX of them
 *
 * Keys that are not known are passed over. Return: 0, or -EBADMSG for what the kernel does not
 * send.
 */
MUST_USE int uevent_parse(const uint8_t *bytes, size_t length, struct uevent *out);

const char *uevent_action_text(enum uevent_action action); /* "add" */
