/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The graph: which function stands above, beside and behind which.
 *
 * Functions are added in the order of their source, each as often as the source names it; then
 * topo_graph_link() works out, once, all that follows from bus numbers and routing IDs:
 *
 *   parent  the bridge above. A bus belongs to the bridge whose secondary bus it is, or else to the
 *           bridge with the narrowest range secondary .. subordinate around it (VFs live there).
 *           A bridge whose secondary bus is 0 has none below it, and no bridge stands above its
 *           own bus; a ring of bridges is cut at its lowest bus.
 *   switch  an upstream bridge and the downstream bridges whose parent it is. A switch below a
 *           port of another is a switch of its own. Downstream bridges on a bus without any
 *           bridge above are a switch too, one whose upstream bridge is not in the source.
 *   physfn  of a function whose routing ID is that of an enabled VF. Where the VFs of two PFs would
 *           overlap, the first PF keeps its own and the other's end there. Bridges, and functions
 *           that have an SR-IOV capability, are nobody's VF.
 *   orphan  it stands on a bus without a bridge above that cannot be a root bus.
 *
 * Sources are real machines and hostile files: addresses repeat and need not be possible. Of
 * repeated addresses the first one counts as bridge and as PF. Time is n log n in the number of
 * functions.
 *
 * Functions are named by their index, in the order they were added.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/own.h"
#include "common/result.h"
#include "topology/decode.h"

enum { TOPO_FUNCTIONS_MAX = 131072 };

#define TOPO_NONE UINT32_MAX

struct topo_node {
	uint32_t parent;      /* the bridge above, or TOPO_NONE */
	uint32_t physfn;      /* the PF, or TOPO_NONE */
	uint16_t vf_index;    /* 1 ..; 0: not a VF */
	uint32_t switch_id;   /* index into topo_graph.switches, or TOPO_NONE */
	uint32_t first_child; /* of a bridge: what its buses hold, VFs apart; in order of address */
	uint32_t first_vf;    /* of a PF: its VFs, in order of address */
	uint32_t next;        /* in the list that this one is in */
	bool orphan;
	bool repeated;   /* an earlier function has the same address */
	bool impossible; /* device above 1f or function above 7 */
};

struct topo_switch {
	uint32_t upstream;   /* TOPO_NONE: not in the source */
	uint32_t first_port; /* a downstream bridge; TOPO_NONE: none */
	uint32_t ports;      /* downstream bridges */
	uint32_t above;      /* the switch that this one hangs below, or TOPO_NONE */
};

struct topo_graph {
	size_t count;
	struct topo_function *functions;
	/* from here on: set by topo_graph_link() */
	struct topo_node *nodes;
	uint32_t *order; /* indices by address; repeated ones in the order they were added */
	uint32_t first_root;
	size_t switch_count;
	struct topo_switch *switches;
	size_t domain_count;
	/* private */
	size_t room;
};

void topo_graph_done(struct topo_graph *g);
OWNED_BY_VALUE(struct topo_graph, topo_graph_done)

/**
 * topo_graph_add() - decode one function and append it
 * @g: starts as { 0 }
 *
 * Return: 0, -ENOMEM, or REFUSE_LIMIT beyond TOPO_FUNCTIONS_MAX.
 */
MUST_USE int topo_graph_add(struct topo_graph *g, const struct topo_address *address,
			    const uint8_t *bytes, size_t length);
/* Sorts what was added by address: for sources whose own order means nothing. Before linking. */
void topo_graph_sort(struct topo_graph *g);
/* Once, after the last function. Return: 0 or -ENOMEM. */
MUST_USE int topo_graph_link(struct topo_graph *g);

/* The first function at that address, or TOPO_NONE. After linking. */
uint32_t topo_graph_find(const struct topo_graph *g, const struct topo_address *address);

/* The state of the link above function @i, both ends considered. */
struct topo_link_state {
	bool up;       /* it has a width */
	bool below;    /* it could be faster or wider: both ends say so, as far as they are known */
	uint8_t speed; /* codes, now */
	uint8_t width;
	uint8_t best_speed; /* 0: unknown */
	uint8_t best_width;
};

/**
 * topo_graph_link_state() - how the link runs that function @i is the lower end of
 *
 * Return: false if there is none: not PCI Express, a VF, a root port or downstream port (a link is
 * told at its lower end), a function that shares the link of an earlier function of its device.
 */
bool topo_graph_link_state(const struct topo_graph *g, uint32_t i, struct topo_link_state *out);
/* True if @i and @other are functions of one device: same domain, bus and device number. */
bool topo_graph_is_same_device(const struct topo_graph *g, uint32_t i, uint32_t other);
