/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fabricd/seen_rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void row_make(const struct agent_function *from, struct fabric_seen *to)
{
	static const enum fabric_seen_link links[AGENT_LINKS] = {
		[AGENT_LINK_UNKNOWN] = FABRIC_SEEN_LINK_UNKNOWN,
		[AGENT_LINK_UP] = FABRIC_SEEN_LINK_UP,
		[AGENT_LINK_DOWN] = FABRIC_SEEN_LINK_DOWN,
	};

	/* A driver's name that is too long is cut; it is for people. */
	(void)snprintf(to->address, sizeof(to->address), "%s", from->address);
	(void)snprintf(to->driver, sizeof(to->driver), "%.31s", from->driver);
	(void)snprintf(to->serial, sizeof(to->serial), "%s", from->serial);
	to->mac = from->mac;
	to->wwpn = from->wwpn;
	to->class_code = (uint32_t)from->class_code << 8;
	to->vendor = from->vendor;
	to->device = from->device;
	/* A slot number has 13 bits (PCIe Base 5.0 §7.5.3.9); another is none. */
	to->slot = from->has_slot && from->slot <= UINT16_MAX ? (uint16_t)from->slot : 0;
	to->link = links[from->link];
}

int seen_rows_make(const struct agent_line *line, struct fabric_seen **rows, size_t *count)
{
	struct fabric_seen *made = calloc(line->seen_count + 1, sizeof(*made));

	if (!made)
		return -ENOMEM;
	for (size_t i = 0; i < line->seen_count; i++)
		row_make(&line->seen[i], &made[i]);
	*rows = made;
	*count = line->seen_count;
	return 0;
}

enum fabric_ask_outcome seen_outcome(enum agent_outcome outcome)
{
	static const enum fabric_ask_outcome outcomes[AGENT_OUTCOMES] = {
		[AGENT_LEFT_DONE] = FABRIC_ASK_DONE,
		[AGENT_LEFT_REFUSED] = FABRIC_ASK_REFUSED,
		[AGENT_LEFT_FAILED] = FABRIC_ASK_FAILED,
	};

	return outcomes[outcome];
}

void seen_leave_make(const struct fabric_ask *ask, struct agent_line *out)
{
	*out = (struct agent_line){ .type = AGENT_LEAVE,
				    .id = ask->id,
				    .has_slot = ask->slot != 0,
				    .slot = ask->slot,
				    .deadline_ms = ask->deadline_ms };
	(void)snprintf(out->address, sizeof(out->address), "%s", ask->address);
	(void)snprintf(out->function, sizeof(out->function), "%s", ask->function);
}
