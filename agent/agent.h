/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent's middle: beats over all transports in one rhythm, this host's own view whenever it has
 * changed, functions that are to leave, and what fabricd says of this host.
 *
 * The view is read from sysfs when the kernel tells of a change, and every 10 s in any case; a
 * change leaves at once, and then at most ten in a second. Where the kernel's events cannot be
 * heard, sysfs is read every second.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/transport.h"
#include "common/result.h"

enum { AGENT_UDP = 4, AGENT_TRANSPORTS = 3 + AGENT_UDP };

struct agent;

struct agent_config {
	char host[AGENT_HOST_MAX];
	char boot_id[AGENT_BOOT_ID_MAX];
	const char *sysfs;    /* NULL: it tells nothing of what this host sees */
	const char *hooks;    /* folder */
	const char *key_file; /* of datagrams */
	const char *state;    /* file, see memory.h; NULL: none */
	uint64_t interval_ms;
	uint32_t hook_ms; /* deadline of each hook */
	struct {
		const struct transport_ops *ops;
		const char *where;
	} ways[AGENT_TRANSPORTS];
	size_t way_count; /* 1 .. AGENT_TRANSPORTS */
};

/* @config is copied, the texts that it points to are not. Return: 0, or -errno, and why is said. */
MUST_USE int agent_new(struct event_base *base, const struct agent_config *config,
		       struct agent **out);
/* Says by all ways that can that this host leaves; no beat follows. Return: false when no way can.
 */
bool agent_leave(struct agent *agent);
/* fabricd has said that this host is fenced. */
bool agent_is_fenced(const struct agent *agent);
/* NULL does nothing. */
void agent_free(struct agent *agent);
