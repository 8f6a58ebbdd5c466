/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The topology as JSON, streamed: one object per function, in the order they were added. */
#pragma once

#include <stdio.h>

#include "common/result.h"
#include "topology/graph.h"

/**
 * topo_json_write() - one JSON document and a newline
 * @g:      linked
 * @source: what "source" says, e.g. "dump:FILE"; bytes that are not UTF-8 become U+FFFD
 *
 * Return: 0, or -EIO if @out took not all of it.
 */
MUST_USE int topo_json_write(const struct topo_graph *g, const char *source, FILE *out);
