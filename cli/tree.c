/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/tree.h"

#include <assert.h>
#include <stdlib.h>

void tree_done(struct tree *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->nodes[i].text);
	free(t->nodes);
	*t = (struct tree){ 0 };
}

static bool tree_reserve(struct tree *t)
{
	size_t room = t->room ? 2 * t->room : 64;
	struct tree_node *nodes;

	if (t->count < t->room)
		return true;
	nodes = realloc(t->nodes, room * sizeof(*nodes));
	if (!nodes)
		return false;
	t->nodes = nodes;
	t->room = room;
	return true;
}

void tree_add_take(struct tree *t, unsigned depth, struct buf *text)
{
	char *line = buf_text_take(text);

	assert(depth < TREE_DEPTH);
	if (!line || !tree_reserve(t)) {
		t->failed = true;
		free(line);
		return;
	}
	t->nodes[t->count++] = (struct tree_node){ .text = line, .depth = depth };
}

/* From the last node up: what is open at each depth below this node. */
static void branches_find(struct tree *t)
{
	unsigned open = 0;

	for (size_t i = t->count; i-- > 0;) {
		struct tree_node *node = &t->nodes[i];

		open &= (2U << node->depth) - 1; /* what hangs deeper hangs on an earlier node */
		node->more = open;
		open |= 1U << node->depth;
	}
}

void tree_draw(struct tree *t, bool utf8, struct buf *out)
{
	const char *const pass = utf8 ? "│  " : "|  ";
	const char *const fork = utf8 ? "├─ " : "|- ";
	const char *const last = utf8 ? "└─ " : "`- ";

	if (t->failed)
		out->failed = true;
	branches_find(t);
	for (size_t i = 0; i < t->count; i++) {
		const struct tree_node *node = &t->nodes[i];

		for (unsigned depth = 1; depth < node->depth; depth++)
			buf_text(out, node->more & 1U << depth ? pass : "   ");
		if (node->depth)
			buf_text(out, node->more & 1U << node->depth ? fork : last);
		buf_text(out, node->text);
		buf_text(out, "\n");
	}
}
