/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this host's kernel shows of its PCI functions, read from sysfs. Plain reading, no loop;
 * @sysfs is where it is mounted ("/sys"), so that tests give a tree of their own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/agent_line.h"
#include "common/own.h"
#include "common/result.h"

enum { SYSFS_SLOT_MAX = 32, SYSFS_NODE_MAX = 64, SYSFS_NODES = 64 };

struct view {
	struct agent_function *rows; /* those in slots first, then by address */
	size_t count;
};

void view_done(struct view *view);
OWNED_BY_VALUE(struct view, view_done)
/* All functions but bridges. Return: 0 or -errno: there is no PCI bus here. */
MUST_USE int view_read(const char *sysfs, struct view *out);
/* NULL: not there. */
const struct agent_function *view_find(const struct view *view, const char *address);
/* A driver has it, and what that driver makes of it is there too: disks, an interface. */
bool view_row_is_ready(const struct agent_function *row, size_t node_count);

/* Still there, whatever the last view said. */
bool sysfs_function_is_there(const char *sysfs, const char *address);
/* The name of the slot that the function sits in, or of slot number @slot when @address is "".
 * @held: address of what is in it, "0000:05:00". Return: 0 or -ENOENT. */
MUST_USE int sysfs_slot_find(const char *sysfs, const char *address, unsigned slot,
			     char name[static SYSFS_SLOT_MAX], char held[static AGENT_ADDRESS_MAX]);
/* What was made of a function: "/dev/nvme0n1", "eth0"; SYSFS_NODES at most. Return: how many. */
size_t sysfs_nodes(const char *sysfs, const char *address, char nodes[][SYSFS_NODE_MAX]);
