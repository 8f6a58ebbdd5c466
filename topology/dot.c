/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "topology/dot.h"
int topo_dot_write(const struct topo_graph *g, const char *title, FILE *out)
{
	(void)g;
	(void)title;
	(void)out;
	return 0;
}
