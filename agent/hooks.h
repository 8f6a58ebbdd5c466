/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The site's own programs around the coming and going of a function: every executable file of a
 * folder, in the order of their names, one after the other, each with a deadline.
 *
 *	HOOK WHAT FUNCTION ADDRESS DRIVER NODE...
 *
 * WHAT is before-remove, after-remove, after-add or fenced. What is not known is "-". The same
 *stands in FABRIC_EVENT, FABRIC_HOST, FABRIC_FUNCTION, FABRIC_ADDRESS, FABRIC_DRIVER, FABRIC_NODES.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/child.h"
#include "agent/sysfs.h"
#include "common/agent_line.h"

enum { HOOKS_WHY_MAX = AGENT_TEXT_MAX };

struct hooks; /* one run */

struct hooks_order {
	const char *folder; /* borrowed for the run; one that is not there has no hooks */
	const char *what;
	const char *host;
	char function[AGENT_FUNCTION_MAX]; /* "": not known */
	char address[AGENT_ADDRESS_MAX];
	char driver[AGENT_DRIVER_MAX];
	char nodes[SYSFS_NODES][SYSFS_NODE_MAX];
	size_t node_count;
	uint32_t each_ms;   /* deadline of each */
	uint64_t all_by_ms; /* boot-time clock: of all */
};

/* @why: NULL when all went well; else the first that did not, and its last line. */
typedef void hooks_done_fn(void *arg, const char *why);

/**
 * hooks_run() - all hooks
 * @order: copied, but for the texts that it points to
 * @fn: called once, later; not after hooks_free()
 *
 * The first that does not end with 0 is the last that runs. Return: 0 or -ENOMEM.
 */
MUST_USE int hooks_run(struct children *children, const struct hooks_order *order,
		       hooks_done_fn *fn, void *arg, struct hooks **out);
/* Also ends a run. NULL does nothing. */
void hooks_free(struct hooks *hooks);
