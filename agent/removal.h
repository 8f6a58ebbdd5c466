/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The functions that are leaving this host, at fabricd's request: hooks before, the slot asked off,
 * waiting until the kernel has let go, hooks after, the answer. Nothing is unmounted here: what is
 * in use is the site's to end, in its hooks.
 */
#pragma once

#include <stdint.h>

#include "agent/child.h"
#include "common/agent_line.h"

enum { REMOVALS = 16 };

struct removals;

struct removals_config {
	struct event_base *base;
	struct children *children;
	const char *sysfs;
	const char *hooks; /* folder */
	const char *host;
	uint32_t hook_ms; /* deadline of each hook */
	/* How one ended; @answer is a "left" line. @from: as given with the request. */
	void (*answered)(void *arg, void *from, const struct agent_line *answer);
	void *arg;
};

MUST_USE int removals_new(const struct removals_config *config, struct removals **out);
/* Ends what runs, unanswered. NULL does nothing. */
void removals_free(struct removals *r);

/* A "leave" line. A function that is leaving already is not asked anew: its end is told under the
 * id that came last. */
void removals_request(struct removals *r, const struct agent_line *leave, void *from);
/* Something has changed on the bus. */
void removals_look(struct removals *r);
