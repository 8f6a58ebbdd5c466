/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "topology/graph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BUSES = 256, RIDS = 65536 };

void topo_graph_done(struct topo_graph *g)
{
	free(g->functions);
	free(g->nodes);
	free(g->order);
	free(g->switches);
	*g = (struct topo_graph){ 0 };
}

/* Half as much again: at ten thousand functions a doubling would cost more than the rest. */
static int graph_reserve(struct topo_graph *g)
{
	size_t room = g->room + g->room / 2 + 64;
	struct topo_function *functions;

	if (g->count < g->room)
		return 0;
	functions = realloc(g->functions, room * sizeof(*functions));
	if (!functions)
		return -ENOMEM;
	g->functions = functions;
	g->room = room;
	return 0;
}

int topo_graph_add(struct topo_graph *g, const struct topo_address *address, const uint8_t *bytes,
		   size_t length)
{
	int r;

	if (g->count == TOPO_FUNCTIONS_MAX)
		return REFUSE_LIMIT;
	r = graph_reserve(g);
	if (r)
		return r;
	g->functions[g->count].address = *address;
	topo_decode(bytes, length, &g->functions[g->count]);
	g->count++;
	return 0;
}

static int function_compare(const void *a, const void *b)
{
	const struct topo_function *left = a;
	const struct topo_function *right = b;

	return topo_address_compare(&left->address, &right->address);
}

void topo_graph_sort(struct topo_graph *g)
{
	if (g->count)
		qsort(g->functions, g->count, sizeof(*g->functions), function_compare);
}

/* ---- order ---- */

static const struct topo_address *address_of(const struct topo_graph *g, uint32_t i)
{
	return &g->functions[i].address;
}

static int order_compare(const void *a, const void *b, void *arg)
{
	const struct topo_graph *g = arg;
	uint32_t left = *(const uint32_t *)a;
	uint32_t right = *(const uint32_t *)b;
	int by_address = topo_address_compare(address_of(g, left), address_of(g, right));

	if (by_address)
		return by_address;
	return left < right ? -1 : left > right;
}

static int graph_prepare(struct topo_graph *g)
{
	size_t n = g->count ? g->count : 1;

	g->nodes = calloc(n, sizeof(*g->nodes));
	g->order = calloc(n, sizeof(*g->order));
	if (!g->nodes || !g->order)
		return -ENOMEM;
	for (uint32_t i = 0; i < g->count; i++) {
		g->order[i] = i;
		g->nodes[i] = (struct topo_node){ .parent = TOPO_NONE,
						  .physfn = TOPO_NONE,
						  .switch_id = TOPO_NONE,
						  .first_child = TOPO_NONE,
						  .first_vf = TOPO_NONE,
						  .next = TOPO_NONE };
		g->nodes[i].impossible = !topo_address_is_possible(address_of(g, i));
	}
	qsort_r(g->order, g->count, sizeof(*g->order), order_compare, g);
	for (size_t k = 1; k < g->count; k++)
		g->nodes[g->order[k]].repeated = !topo_address_compare(
			address_of(g, g->order[k - 1]), address_of(g, g->order[k]));
	return 0;
}

/* ---- one domain at a time: g->order[from .. to) ---- */

struct domain {
	struct topo_graph *g;
	size_t from;
	size_t to;
	uint32_t above[BUSES]; /* the bridge above each bus, or TOPO_NONE */
};

static bool is_bridge(const struct topo_function *f)
{
	return f->header == TOPO_HEADER_BRIDGE || f->header == TOPO_HEADER_CARDBUS;
}

/* Smaller is nearer: 0 for the bridge's own secondary bus, else the width of its range. */
static unsigned int bridge_distance(const struct topo_function *f, unsigned int bus)
{
	unsigned int from = f->bridge.secondary;
	unsigned int to = f->bridge.subordinate;

	return bus == from ? 0 : to - from;
}

static void bridge_claim(struct domain *d, uint32_t i)
{
	const struct topo_function *f = &d->g->functions[i];
	unsigned int last = f->bridge.subordinate;

	if (last < f->bridge.secondary)
		last = f->bridge.secondary;
	for (unsigned int bus = f->bridge.secondary; bus <= last; bus++) {
		uint32_t *above = &d->above[bus];

		if (bus == f->address.bus)
			continue;
		if (*above == TOPO_NONE ||
		    bridge_distance(f, bus) < bridge_distance(&d->g->functions[*above], bus))
			*above = i;
	}
}

/* A walk upwards from each bus; one that comes back to a bus of this same walk is a ring. */
static void rings_cut(struct domain *d)
{
	uint16_t walk_of[BUSES] = { 0 };

	for (unsigned int start = 0; start < BUSES; start++) {
		unsigned int bus = start;

		while (d->above[bus] != TOPO_NONE && !walk_of[bus]) {
			walk_of[bus] = (uint16_t)(start + 1);
			bus = address_of(d->g, d->above[bus])->bus;
		}
		/*
		 * Each walk starts at the lowest bus that was not walked yet, but may enter the
		 * ring anywhere: its lowest bus is looked for.
		 */
		if (d->above[bus] != TOPO_NONE && walk_of[bus] == start + 1) {
			unsigned int lowest = bus;

			for (unsigned int at = address_of(d->g, d->above[bus])->bus; at != bus;
			     at = address_of(d->g, d->above[at])->bus)
				if (at < lowest)
					lowest = at;
			d->above[lowest] = TOPO_NONE;
		}
	}
}

static void domain_parents(struct domain *d)
{
	struct topo_graph *g = d->g;

	for (unsigned int bus = 0; bus < BUSES; bus++)
		d->above[bus] = TOPO_NONE;
	for (size_t k = d->from; k < d->to; k++) {
		const struct topo_function *f = &g->functions[g->order[k]];

		if (is_bridge(f) && f->bridge.secondary)
			bridge_claim(d, g->order[k]);
	}
	rings_cut(d);
	for (size_t k = d->from; k < d->to; k++)
		g->nodes[g->order[k]].parent = d->above[address_of(g, g->order[k])->bus];
}

/* ---- orphan buses ---- */

/* What a function says about its bus: it hangs at a root complex, or it must have a port above. */
static bool is_of_root(const struct topo_function *f)
{
	if (!f->express.offset)
		return f->class_code == 0x0600;
	return f->express.type == TOPO_ROOT_PORT || f->express.type == TOPO_RC_ENDPOINT ||
	       f->express.type == TOPO_RC_EVENT_COLLECTOR;
}

static bool needs_port_above(const struct topo_function *f)
{
	return f->express.offset &&
	       (f->express.type == TOPO_ENDPOINT || f->express.type == TOPO_LEGACY_ENDPOINT ||
		f->express.type == TOPO_UPSTREAM || f->express.type == TOPO_DOWNSTREAM ||
		f->express.type == TOPO_PCIE_TO_PCI);
}

static void domain_orphans(struct domain *d)
{
	struct topo_graph *g = d->g;
	bool root[BUSES] = { true };
	bool needs[BUSES] = { false };

	for (size_t k = d->from; k < d->to; k++) {
		const struct topo_function *f = &g->functions[g->order[k]];

		root[f->address.bus] |= is_of_root(f);
		needs[f->address.bus] |= needs_port_above(f);
	}
	for (size_t k = d->from; k < d->to; k++) {
		struct topo_node *node = &g->nodes[g->order[k]];
		unsigned int bus = address_of(g, g->order[k])->bus;

		node->orphan = node->parent == TOPO_NONE && needs[bus] && !root[bus];
	}
}

/* ---- virtual functions ---- */

/* Of one domain: which VF stands at a routing ID. Kept between domains, clean. */
struct vf_map {
	uint32_t physfn[RIDS]; /* index of the PF plus one; 0: nobody's VF */
	uint16_t vf_index[RIDS];
	bool present[RIDS];
	uint16_t rids[RIDS]; /* those that are present, in order */
	size_t count;
};

static void vf_map_clear(struct vf_map *map)
{
	for (size_t i = 0; i < map->count; i++) {
		map->physfn[map->rids[i]] = 0;
		map->present[map->rids[i]] = false;
	}
	map->count = 0;
}

static void vf_map_fill(struct vf_map *map, const struct domain *d)
{
	for (size_t k = d->from; k < d->to; k++) {
		uint32_t i = d->g->order[k];
		uint16_t rid = topo_address_rid(address_of(d->g, i));

		if (d->g->nodes[i].impossible || map->present[rid])
			continue;
		map->present[rid] = true;
		map->rids[map->count++] = rid;
	}
}

/* VFs 1 .. @count at @first, @first + @stride, ...; none beyond bus ff. */
struct vf_range {
	uint32_t pf;
	uint32_t first;
	uint32_t stride;
	uint32_t count;
};

static bool vf_range_get(const struct topo_graph *g, uint32_t pf, struct vf_range *out)
{
	const struct topo_function *f = &g->functions[pf];
	uint32_t count = topo_sriov_enabled_vfs(&f->sriov);
	uint16_t first;
	uint32_t most;

	if (g->nodes[pf].impossible || is_bridge(f) || !count)
		return false;
	if (topo_vf_rid(&f->sriov.vfs, topo_address_rid(&f->address), 1, &first))
		return false;
	most = f->sriov.vfs.vf_stride ? (RIDS - 1U - first) / f->sriov.vfs.vf_stride + 1 : 1;
	*out = (struct vf_range){ .pf = pf,
				  .first = first,
				  .stride = f->sriov.vfs.vf_stride ? f->sriov.vfs.vf_stride : 1,
				  .count = count < most ? count : most };
	return true;
}

/* False if another PF has it: there this one's VFs end. */
static bool vf_map_claim(struct vf_map *map, const struct vf_range *range, uint32_t rid)
{
	if (map->physfn[rid])
		return false;
	map->physfn[rid] = range->pf + 1;
	map->vf_index[rid] = (uint16_t)((rid - range->first) / range->stride + 1);
	return true;
}

/* First index into @map->rids that is at least @rid. */
static size_t vf_map_find(const struct vf_map *map, uint32_t rid)
{
	size_t low = 0;
	size_t high = map->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (map->rids[middle] < rid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/*
 * Two ways to the same: over the VFs, or over what is present among them. A capture may name few
 * functions and claim 65,535 VFs for each, or name 65,536 and claim few: the shorter way is taken.
 */
static void vf_map_claim_range(struct vf_map *map, const struct vf_range *range)
{
	uint32_t last = range->first + (range->count - 1) * range->stride;
	size_t from = vf_map_find(map, range->first);
	size_t to = vf_map_find(map, last + 1);

	if (range->count <= to - from) {
		for (uint32_t rid = range->first; rid <= last; rid += range->stride)
			if (map->present[rid] && !vf_map_claim(map, range, rid))
				return;
		return;
	}
	for (size_t at = from; at < to; at++) {
		uint32_t rid = map->rids[at];

		if (!((rid - range->first) % range->stride) && !vf_map_claim(map, range, rid))
			return;
	}
}

static bool can_be_vf(const struct topo_graph *g, uint32_t i)
{
	return !g->nodes[i].impossible && !is_bridge(&g->functions[i]) &&
	       !g->functions[i].sriov.offset;
}

static void vf_map_tell(const struct vf_map *map, const struct domain *d)
{
	struct topo_graph *g = d->g;

	for (size_t k = d->from; k < d->to; k++) {
		uint32_t i = g->order[k];
		uint16_t rid = topo_address_rid(address_of(g, i));

		if (!can_be_vf(g, i) || !map->physfn[rid])
			continue;
		g->nodes[i].physfn = map->physfn[rid] - 1;
		g->nodes[i].vf_index = map->vf_index[rid];
	}
}

static void domain_vfs(struct domain *d, struct vf_map *map)
{
	struct vf_range range;

	for (size_t k = d->from; k < d->to; k++) {
		if (!vf_range_get(d->g, d->g->order[k], &range))
			continue;
		if (!map->count)
			vf_map_fill(map, d);
		vf_map_claim_range(map, &range);
	}
	if (map->count)
		vf_map_tell(map, d);
	vf_map_clear(map);
}

/* ---- switches ---- */

static bool is_port(const struct topo_function *f, enum topo_express_type type)
{
	return f->header == TOPO_HEADER_BRIDGE && f->express.offset && f->express.type == type;
}

static void switch_add(struct topo_graph *g, uint32_t upstream, uint32_t first_port)
{
	g->switches[g->switch_count++] = (struct topo_switch){ .upstream = upstream,
							       .first_port = first_port,
							       .above = TOPO_NONE };
}

static void switch_join(struct topo_graph *g, uint32_t id, uint32_t port)
{
	g->nodes[port].switch_id = id;
	if (g->switches[id].first_port == TOPO_NONE)
		g->switches[id].first_port = port;
	g->switches[id].ports++;
}

static bool is_same_bus(const struct topo_graph *g, uint32_t a, uint32_t b)
{
	return address_of(g, a)->domain == address_of(g, b)->domain &&
	       address_of(g, a)->bus == address_of(g, b)->bus;
}

/* The switch whose upstream bridge is missing is known by the bus that its ports share. */
static uint32_t switch_of_bus(struct topo_graph *g, uint32_t port)
{
	const struct topo_switch *last;

	if (g->switch_count) {
		last = &g->switches[g->switch_count - 1];
		if (last->upstream == TOPO_NONE && is_same_bus(g, last->first_port, port))
			return (uint32_t)g->switch_count - 1;
	}
	switch_add(g, TOPO_NONE, port);
	return (uint32_t)g->switch_count - 1;
}

static void switches_number(struct topo_graph *g)
{
	for (size_t k = 0; k < g->count; k++) {
		uint32_t i = g->order[k];

		if (!is_port(&g->functions[i], TOPO_UPSTREAM))
			continue;
		g->nodes[i].switch_id = (uint32_t)g->switch_count;
		switch_add(g, i, TOPO_NONE);
	}
}

static void switches_fill(struct topo_graph *g)
{
	for (size_t k = 0; k < g->count; k++) {
		uint32_t i = g->order[k];
		uint32_t parent = g->nodes[i].parent;

		if (!is_port(&g->functions[i], TOPO_DOWNSTREAM))
			continue;
		if (parent == TOPO_NONE)
			switch_join(g, switch_of_bus(g, i), i);
		else if (is_port(&g->functions[parent], TOPO_UPSTREAM))
			switch_join(g, g->nodes[parent].switch_id, i);
	}
}

static void switches_nest(struct topo_graph *g)
{
	for (size_t s = 0; s < g->switch_count; s++) {
		uint32_t at = g->switches[s].upstream;

		if (at == TOPO_NONE)
			continue;
		do
			at = g->nodes[at].parent;
		while (at != TOPO_NONE && g->nodes[at].switch_id == TOPO_NONE);
		if (at != TOPO_NONE)
			g->switches[s].above = g->nodes[at].switch_id;
	}
}

static int graph_switches(struct topo_graph *g)
{
	size_t most = 1;

	for (size_t i = 0; i < g->count; i++)
		most += is_port(&g->functions[i], TOPO_UPSTREAM) ||
			is_port(&g->functions[i], TOPO_DOWNSTREAM);
	g->switches = calloc(most, sizeof(*g->switches));
	if (!g->switches)
		return -ENOMEM;
	switches_number(g);
	switches_fill(g);
	switches_nest(g);
	return 0;
}

/* ---- lists ---- */

/* From the last address to the first, each to the head: the lists come out in order. */
static void graph_lists(struct topo_graph *g)
{
	g->first_root = TOPO_NONE;
	for (size_t k = g->count; k-- > 0;) {
		uint32_t i = g->order[k];
		struct topo_node *node = &g->nodes[i];
		uint32_t *head = &g->first_root;

		if (node->physfn != TOPO_NONE)
			head = &g->nodes[node->physfn].first_vf;
		else if (node->parent != TOPO_NONE)
			head = &g->nodes[node->parent].first_child;
		node->next = *head;
		*head = i;
	}
}

/* ---- the whole ---- */

static void free_map(struct vf_map *map)
{
	free(map);
}
OWNED_BY(struct vf_map, free_map)

static int graph_domains(struct topo_graph *g)
{
	OWNED(free_map) struct vf_map *map = calloc(1, sizeof(*map));
	struct domain d = { .g = g };

	if (!map)
		return -ENOMEM;
	for (d.from = 0; d.from < g->count; d.from = d.to) {
		uint32_t domain = address_of(g, g->order[d.from])->domain;

		d.to = d.from + 1;
		while (d.to < g->count && address_of(g, g->order[d.to])->domain == domain)
			d.to++;
		domain_parents(&d);
		domain_orphans(&d);
		domain_vfs(&d, map);
		g->domain_count++;
	}
	return 0;
}

int topo_graph_link(struct topo_graph *g)
{
	int r = graph_prepare(g);

	if (!r)
		r = graph_domains(g);
	if (!r)
		r = graph_switches(g);
	if (!r)
		graph_lists(g);
	return r;
}

uint32_t topo_graph_find(const struct topo_graph *g, const struct topo_address *address)
{
	size_t low = 0;
	size_t high = g->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (topo_address_compare(address_of(g, g->order[middle]), address) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == g->count || topo_address_compare(address_of(g, g->order[low]), address))
		return TOPO_NONE;
	return g->order[low];
}

bool topo_graph_is_same_device(const struct topo_graph *g, uint32_t i, uint32_t other)
{
	const struct topo_address *a = address_of(g, i);
	const struct topo_address *b = address_of(g, other);

	return a->domain == b->domain && a->bus == b->bus && a->device == b->device;
}

/* An earlier function of the same device tells the link already. */
static bool is_link_told(const struct topo_graph *g, uint32_t i)
{
	struct topo_address first = *address_of(g, i);

	for (first.function = 0; first.function < address_of(g, i)->function; first.function++) {
		uint32_t other = topo_graph_find(g, &first);

		if (other != TOPO_NONE && g->functions[other].express.link.present)
			return true;
	}
	return false;
}

static uint8_t lesser(uint8_t a, uint8_t b)
{
	return a < b ? a : b;
}

bool topo_graph_link_state(const struct topo_graph *g, uint32_t i, struct topo_link_state *out)
{
	const struct topo_express *e = &g->functions[i].express;
	const struct topo_node *node = &g->nodes[i];
	const struct topo_link *above;

	if (!e->link.present || node->vf_index || e->type == TOPO_ROOT_PORT ||
	    e->type == TOPO_DOWNSTREAM || e->type == TOPO_PCI_TO_PCIE || is_link_told(g, i))
		return false;
	*out = (struct topo_link_state){ .up = e->link.width,
					 .speed = e->link.speed,
					 .width = e->link.width,
					 .best_speed = e->link.max_speed,
					 .best_width = e->link.max_width };
	above = node->parent == TOPO_NONE ? NULL : &g->functions[node->parent].express.link;
	if (above && above->present) {
		out->best_speed = lesser(out->best_speed, above->max_speed);
		out->best_width = lesser(out->best_width, above->max_width);
	}
	out->below = out->up && topo_speed_tenths(out->speed) &&
		     (out->speed < out->best_speed || out->width < out->best_width);
	return true;
}
