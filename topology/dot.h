/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The topology as a picture, in Graphviz' language. */
#pragma once

#include <stdio.h>

#include "common/result.h"
#include "topology/graph.h"

/**
 * topo_dot_write() - a digraph: root complexes, switches as boxes around their ports, devices, VFs
 * @g:     linked
 * @title: stands under the picture
 *
 * Functions of one device share a box, VFs of one PF share another; what is built into a root
 * complex is counted, not drawn. An edge is a link: its label says how fast it runs.
 *
 * Return: 0, or -EIO if @out took not all of it.
 */
MUST_USE int topo_dot_write(const struct topo_graph *g, const char *title, FILE *out);
