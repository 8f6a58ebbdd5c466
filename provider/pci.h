/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Configuration space of this machine, or of a saved sysfs tree, through libpci. Read-only.
 *
 * libpci reports trouble by calling back and must not be returned to; its own callback ends the
 * process. Ours jumps back into this file and becomes a result. What libpci held open at that
 * moment is lost, it offers no way to give it back; so what is known to upset it is looked for
 * first.
 */
#pragma once

#include "common/result.h"
#include "topology/graph.h"

enum { PROVIDER_PCI_REASON = 300 };

/**
 * provider_pci_read() - the bytes of every function that sysfs shows, in no order
 * @tree:   a folder that holds sys/bus/pci; NULL: this machine
 * @take:   called for each; @length is what could be read, 0 .. TOPO_CONFIG_BYTES; not 0 ends it
 * @reason: set when the result is REFUSE_FIELD: what libpci says
 *
 * Return: 0; what @take returned; REFUSE_FIELD if libpci cannot read the tree.
 */
MUST_USE int provider_pci_read(const char *tree,
			       int (*take)(void *arg, const struct topo_address *address,
					   const uint8_t *bytes, size_t length),
			       void *arg, char reason[static PROVIDER_PCI_REASON]);

/**
 * provider_pci_load() - add every function that sysfs shows, by address, and link the graph
 * @tree:   a folder that holds sys/bus/pci; NULL: this machine
 * @g:      { 0 }; the caller's to topo_graph_done(), also after a failure
 * @reason: set when the result is not 0: what libpci says
 *
 * Who is not root sees 64 bytes of most functions; a function whose bytes cannot be read has none.
 *
 * Return: 0; REFUSE_FIELD if libpci cannot read the tree; REFUSE_LIMIT; -ENOMEM.
 */
MUST_USE int provider_pci_load(const char *tree, struct topo_graph *g,
			       char reason[static PROVIDER_PCI_REASON]);
