/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine's PCI tree, as its own system or a capture shows it, told as a provider's scan. Pure.
 *
 * Each switch is one ("sw0", "sw1", ... by address); what hangs at root ports, or on a bus without
 * a bridge above, is at one more, "rc". Ports carry the number in their Link Capabilities, or their
 * place by address where a switch has a number twice. A device below a bridge is an adapter, with
 * its functions and those of its VFs that the source shows. There are no hosts: who else sees the
 * switch is not in these bytes. So everything is bound nowhere, and nothing can be bound.
 */
#pragma once

#include "provider/provider.h"
#include "topology/graph.h"

/**
 * provider_machine_scan() - a whole scan
 * @g: linked
 * @why: PROVIDER_TEXT_MAX bytes; set for REFUSE_LIMIT
 *
 * Return: 0, REFUSE_LIMIT for a machine larger than a scan can tell, or -ENOMEM.
 */
MUST_USE int provider_machine_scan(const struct topo_graph *g, struct provider_scan **out,
				   char *why);

/* Where in the graph a scan's records come from. */
struct provider_machine_places {
	uint32_t *functions; /* by handle - 1: index in the graph */
	/* by index in the graph: the port that a bridge is; switch 0: none */
	struct provider_machine_spot {
		uint16_t switch_handle;
		uint16_t number;
	} * ports;
};

void provider_machine_places_done(struct provider_machine_places *places);
OWNED_BY_VALUE(struct provider_machine_places, provider_machine_places_done)

/**
 * provider_machine_scan_places() - as provider_machine_scan(), for a machine whose cards come and
 * go
 * @places: { 0 }; the caller's to provider_machine_places_done(), also after a failure
 *
 * "rc" is there always, and has all root ports, whether or not something hangs there: so numbers
 * stay when a card comes.
 */
MUST_USE int provider_machine_scan_places(const struct topo_graph *g, struct provider_scan **out,
					  struct provider_machine_places *places, char *why);

/* Which chassis the machine is to be; a scan says 1. @number: 1 .. */
void provider_machine_number(struct provider_scan *scan, uint16_t number);
/* As --chassis has it, 1 to 65535. Return: 0 or -EINVAL. */
MUST_USE int provider_machine_number_parse(const char *text, uint16_t *number);

/* A number that stays the same as long as the same functions stand at the same places, so that
 * handles keep their meaning. */
uint64_t provider_machine_mark(const struct topo_graph *g);
