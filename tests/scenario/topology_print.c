/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The topology command alone: topology_print SOURCE [tree|json|dot] [color]. Not installed. */
#include <stdio.h>

#include "cli/topology.h"

int main(int argc, char **argv)
{
	if (argc < 2 || argc > 4) {
		(void)fprintf(stderr, "usage: topology_print SOURCE [tree|json|dot] [color]\n");
		return 2;
	}
	return cli_topology_from(argv[1], argc > 2 ? argv[2] : "tree", argc > 3);
}
