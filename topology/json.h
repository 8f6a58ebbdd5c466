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
/**
 * topo_json_write_part() - the same in slices, for who must not take long
 * @from: the first function of this part; 0 writes what stands before the first, too
 * @count: how many; the part that reaches the last one writes the document's end
 *
 * An empty graph is one part. Return: as above.
 */
MUST_USE int topo_json_write_part(const struct topo_graph *g, const char *source, size_t from,
				  size_t count, FILE *out);
