/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The topology as a tree for people. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "common/result.h"
#include "topology/graph.h"

/**
 * topo_tree_write() - one line per function, VFs under their PF and many of them in one line
 * @g:     linked
 * @title: stands in the first line, as the source was named
 * @color: ANSI colours: links that run below their best, what is odd, addresses
 *
 * Return: 0, or -EIO if @out took not all of it.
 */
MUST_USE int topo_tree_write(const struct topo_graph *g, const char *title, bool color, FILE *out);
