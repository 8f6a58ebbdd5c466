/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fabricctl topology --from SOURCE: the topology of a capture, a saved tree or this machine. */
#pragma once

#include <stdbool.h>

/**
 * cli_topology_from() - read a source without any daemon and print its topology on stdout
 * @source: "dump:FILE", "sysfs:DIR" (which holds sys/bus/pci) or "pci"
 * @output: "tree", "json" or "dot"
 * @color:  of the tree
 *
 * Return: the exit code: 0 done, 1 bad input, 2 usage, 4 failed on the way. Except for 0 the reason
 * is on stderr ("fabricctl: FILE:LINE: reason") and, unless it is 4, nothing is on stdout.
 */
int cli_topology_from(const char *source, const char *output, bool color);
