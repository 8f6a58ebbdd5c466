/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fabric as one picture, from the daemon's lists: who has what, and what is free. */
#pragma once

#include <stdbool.h>

#include "cli/command.h"
#include "cli/doc.h"
#include "cli/tree.h"

/* Arrays as GET /v1/... gives them. All borrowed; NULL counts as empty. */
struct fabric_lists {
	const doc *switches;
	const doc *ports;
	const doc *hosts;
	const doc *adapters;
	const doc *functions;
};

void fabric_tree_make(struct tree *t, const struct fabric_lists *lists, bool color);
/* The same for Graphviz: hosts, adapters, and an edge for each function that a host has. */
void fabric_dot_make(struct buf *out, const struct fabric_lists *lists);

extern const struct cli_command cli_topology;
