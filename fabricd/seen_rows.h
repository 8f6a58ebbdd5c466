/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From what an agent says on the wire (common/agent_line.h) to what the brain takes (fabric.h). */
#pragma once

#include "common/agent_line.h"
#include "common/result.h"
#include "fabricd/fabric.h"

/* The functions of a "seen" line. @rows: the caller's, to free(). Return: 0 or -ENOMEM. */
MUST_USE int seen_rows_make(const struct agent_line *line, struct fabric_seen **rows,
			    size_t *count);
enum fabric_ask_outcome seen_outcome(enum agent_outcome outcome);
/* A question as a "leave" line. */
void seen_leave_make(const struct fabric_ask *ask, struct agent_line *out);
