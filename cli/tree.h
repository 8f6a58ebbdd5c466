/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of a tree, and the branches drawn before them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/own.h"

enum { TREE_DEPTH = 8 };

struct tree_node {
	char *text; /* the tree's */
	unsigned depth;
	unsigned more; /* bit n: a later node hangs on the same branch of depth n */
};

struct tree {
	struct tree_node *nodes;
	size_t count;
	size_t room;
	bool failed; /* memory ran out; what came after is missing */
};

void tree_done(struct tree *t);
OWNED_BY_VALUE(struct tree, tree_done)

/* Below the latest node of @depth - 1; 0 is the root. @text is taken, and empty afterwards. */
void tree_add_take(struct tree *t, unsigned depth, struct buf *text);
void tree_draw(struct tree *t, bool utf8, struct buf *out);
