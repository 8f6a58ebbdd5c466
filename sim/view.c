/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host's virtual hierarchy:
 *
 *   00:01.0 root port -> 01:00.0 upstream bridge -> bus 02: one downstream bridge for each vport
 *   vport v: its buses follow those of vport v - 1; the function that is bound there stands at 00.0
 *   of the first, alone whatever it is on its card; a PF's enabled VFs stand where the arithmetic
 *   puts them, counted from there.
 *
 * Up to 32 downstream bridges are devices of bus 02; more are functions of devices, so that 240
 * fit. Every vport has a prefetchable window of its host's size above 4 GiB, and an equal share of
 * what there is below: what fits in neither is left unassigned, as firmware leaves it.
 *
 * The manager's view has one domain for each switch: a root port, an upstream bridge and one
 * downstream bridge for each adapter, which shows all of its functions.
 */
#include "sim/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/space.h"
#include "topology/vf.h"

#define LOW_BASE  0x80000000ull /* windows below 4 GiB .. f0000000 */
#define LOW_BYTES 0x70000000ull
#define HIGH_BASE (1ull << 40)
#define MIB       (1ull << 20)

enum {
	ROOT_DEVICE = 1,
	UPSTREAM_BUS = 1,
	INTERNAL_BUS = 2,
	FIRST_BUS = 3,
	LAST_BUS = 255,
	DEVICES = 32,
	ROOT_VENDOR = 0x8086,
	ROOT_PORT_DEVICE = 0x352a,
	LOW_MOST = 256,      /* MiB of one vport */
	DOMAIN_STEP = 0x100, /* where the rest of a switch with too many buses goes on */
};

struct view {
	const struct sim_map *map;
	void (*fn)(void *arg, const struct provider_config *config);
	void *arg;
	uint32_t domain;
	struct sim_space space;
};

static void emit(struct view *v, uint8_t bus, unsigned device, unsigned function, uint16_t length)
{
	const struct provider_config config = {
		.domain = v->domain,
		.bus = bus,
		.device = (uint8_t)device,
		.function = (uint8_t)function,
		.length = length,
		.bytes = v->space.bytes,
	};

	v->fn(v->arg, &config);
}

static void emit_rid(struct view *v, uint16_t rid, uint16_t length)
{
	emit(v, (uint8_t)(rid >> 8), rid >> 3 & 31, rid & 7, length);
}

/* windows */

/* What is still free of one vport's two windows. */
struct windows {
	struct sim_range low;
	struct sim_range high;
};

static uint64_t range_take(struct sim_range *range, uint64_t bytes, uint64_t align)
{
	uint64_t skip = -range->base & (align - 1);
	uint64_t at = range->base + skip;

	if (skip + bytes > range->bytes)
		return 0;
	range->base = at + bytes;
	range->bytes -= skip + bytes;
	return at;
}

/* One BAR of @copies functions; 0: it fits nowhere. */
static uint64_t bar_take(struct windows *w, const struct sim_bar *bar, unsigned copies)
{
	uint64_t bytes = bar->bytes * copies, at = 0;

	if (bar->is_64 && bar->is_prefetchable)
		return range_take(&w->high, bytes, bar->bytes);
	at = range_take(&w->low, bytes, bar->bytes);
	if (!at && bar->is_64)
		at = range_take(&w->high, bytes, bar->bytes);
	return at;
}

/* From the largest to the smallest, so that nothing is lost to alignment. */
static void bars_take(struct windows *w, const struct sim_bar bars[SIM_BARS], unsigned copies,
		      uint64_t out[SIM_BARS])
{
	for (uint64_t size = 1ull << 40; size && copies; size >>= 1)
		for (unsigned i = 0; i < SIM_BARS; i++)
			if (bars[i].bytes == size)
				out[i] = bar_take(w, &bars[i], copies);
}

/* How the memory of a hierarchy is shared out among its downstream bridges. */
struct shares {
	uint64_t low;       /* bytes of one */
	uint64_t high;      /* likewise; what the bridge lets through */
	uint64_t high_step; /* from one to the next: a power of two */
	unsigned count;
};

static uint64_t power_at_least(uint64_t n)
{
	uint64_t power = MIB;

	while (power < n)
		power *= 2;
	return power;
}

static struct shares shares_make(unsigned count, uint64_t high)
{
	struct shares s = { .high = (high + MIB - 1) & ~(MIB - 1), .count = count };

	s.low = LOW_MOST * MIB;
	while (s.low > MIB && s.low * count > LOW_BYTES)
		s.low /= 2;
	s.high_step = power_at_least(s.high);
	return s;
}

static struct windows windows_of(const struct shares *s, unsigned index)
{
	return (struct windows){
		.low = { LOW_BASE + s->low * index, s->low },
		.high = { HIGH_BASE + s->high_step * index, s->high },
	};
}

/* bridges */

/* Root port and upstream bridge; all windows and buses of what is below. */
static void emit_trunk(struct view *v, const struct provider_switch *sw,
		       const struct provider_port *port, const struct shares *s, uint8_t last_bus)
{
	struct sim_bridge b = {
		.type = SIM_BRIDGE_ROOT_PORT,
		.vendor = ROOT_VENDOR,
		.device = ROOT_PORT_DEVICE,
		.secondary = UPSTREAM_BUS,
		.subordinate = last_bus,
		.memory = { LOW_BASE, s->low * s->count },
		.prefetchable = { HIGH_BASE,
				  s->count ? s->high_step * (s->count - 1) + s->high : 0 },
		.link = port->link,
		.width = port->width,
		.max_width = port->max_width,
		.mtps = port->mtps,
		.max_mtps = port->max_mtps,
		.port = ROOT_DEVICE,
	};

	sim_space_bridge(&v->space, &b);
	emit(v, 0, ROOT_DEVICE, 0, SIM_CONFIG_BYTES);
	b.type = SIM_BRIDGE_UPSTREAM;
	b.vendor = sw->vendor;
	b.device = sw->device;
	b.primary = UPSTREAM_BUS;
	b.secondary = INTERNAL_BUS;
	b.port = (uint8_t)port->number;
	sim_space_bridge(&v->space, &b);
	emit(v, UPSTREAM_BUS, 0, 0, SIM_CONFIG_BYTES);
}

/* The @index-th of @s->count downstream bridges. */
static void emit_downstream(struct view *v, struct sim_bridge *b, const struct shares *s,
			    unsigned index)
{
	const struct windows w = windows_of(s, index);
	bool is_wide = s->count > DEVICES;

	b->type = SIM_BRIDGE_DOWNSTREAM;
	b->primary = INTERNAL_BUS;
	b->is_multi = is_wide;
	b->memory = w.low;
	b->prefetchable = w.high;
	sim_space_bridge(&v->space, b);
	emit(v, INTERNAL_BUS, is_wide ? index / 8 : index, is_wide ? index % 8 : 0,
	     SIM_CONFIG_BYTES);
}

/* endpoints */

/* A serial's digits as the number that a Device Serial Number is: the last 16 hexadecimal ones. */
static uint64_t serial_number(const char *serial)
{
	uint64_t n = 0;

	for (; *serial; serial++) {
		const char *digits = "0123456789abcdef", *at;

		at = strchr(digits, *serial | 0x20);
		if (at && *at)
			n = n << 4 | (uint64_t)(at - digits);
	}
	return n;
}

static struct sim_endpoint endpoint_make(const struct sim_map *map,
					 const struct provider_function *f)
{
	const struct sim_adapter *a = &map->chassis->adapters[f->adapter - 1];

	return (struct sim_endpoint){
		.device = &a->device,
		.captured = a->captured,
		.captured_bytes = a->captured_bytes,
		.device_id = f->device,
		.is_vf = f->kind == PROVIDER_FUNCTION_VF,
		.is_bf = f->kind == PROVIDER_FUNCTION_BF,
		.width = a->width,
		.mtps = a->mtps,
		.serial = serial_number(a->serial),
		.first_vf_offset = a->device.first_vf_offset,
	};
}

static void emit_endpoint(struct view *v, struct sim_endpoint *e, uint16_t rid)
{
	sim_space_endpoint(&v->space, e);
	emit_rid(v, rid, sim_space_length(e));
}

/* The VFs of one PF, where its offset and stride put them. */
static void emit_vfs(struct view *v, const struct provider_function *pf, struct sim_endpoint e,
		     uint16_t rid)
{
	const struct sriov_cap cap = { e.num_vfs, e.first_vf_offset, e.device->vf_stride };
	uint16_t at;

	e.is_vf = true;
	e.device_id = e.device->vf_device;
	memset(e.bars, 0, sizeof(e.bars)); /* a VF's stand in its PF's VF BARs */
	(void)pf;
	for (uint16_t vf = 1; vf <= e.num_vfs; vf++)
		if (!topo_vf_rid(&cap, rid, vf, &at))
			emit_endpoint(v, &e, at);
}

/* What is bound to a vport, at 00.0 of @bus. */
static void emit_bound(struct view *v, const struct provider_function *f, uint8_t bus,
		       struct windows w)
{
	struct sim_endpoint e = endpoint_make(v->map, f);
	const struct sim_device *d = e.device;
	uint16_t rid = (uint16_t)(bus << 8);

	if (f->kind == PROVIDER_FUNCTION_PF)
		e.num_vfs = v->map->adapters[f->adapter - 1].num_vfs;
	bars_take(&w, e.is_vf ? d->vf_bars : d->bars, 1, e.bars);
	if (f->kind == PROVIDER_FUNCTION_PF)
		bars_take(&w, d->vf_bars, d->total_vfs, e.vf_bars);
	emit_endpoint(v, &e, rid);
	if (e.num_vfs)
		emit_vfs(v, f, e, rid);
}

/* a host's view */

static const struct provider_port *port_of_host(const struct sim_map *map, uint16_t host)
{
	for (size_t i = 0; i < map->port_count; i++)
		if (map->ports[i].host == host)
			return &map->ports[i];
	return NULL;
}

static struct sim_bridge vport_bridge(const struct sim_map *map, const struct provider_host *h,
				      uint16_t vport)
{
	const struct provider_switch *sw = &map->switches[h->switch_handle - 1];
	const struct sim_vport *slot = sim_map_vport(map, h->handle, vport);
	const struct provider_function *f = sim_map_function(map, slot->function);
	const struct sim_adapter *a = f ? &map->chassis->adapters[f->adapter - 1] : NULL;
	unsigned first = FIRST_BUS + (vport - 1u) * h->buses;

	return (struct sim_bridge){
		.vendor = sw->vendor,
		.device = sw->device,
		.secondary = (uint8_t)first,
		.subordinate = (uint8_t)(first + h->buses - 1),
		.port = (uint8_t)vport,
		.slot = vport,
		.changed = slot->changed,
		.link = f && f->now.present,
		.width = a ? a->width : 0,
		.max_width = 16,
		.mtps = a ? a->mtps : 0,
		.max_mtps = 16000,
	};
}

static void view_host(struct view *v, const struct provider_host *h)
{
	const struct shares s = shares_make(h->vports, h->window_bytes);

	emit_trunk(v, &v->map->switches[h->switch_handle - 1], port_of_host(v->map, h->handle), &s,
		   (uint8_t)(FIRST_BUS + h->vports * h->buses - 1));
	for (uint16_t vport = 1; vport <= h->vports; vport++) {
		struct sim_bridge b = vport_bridge(v->map, h, vport);

		emit_downstream(v, &b, &s, vport - 1u);
	}
	for (uint16_t vport = 1; vport <= h->vports; vport++) {
		const struct sim_vport *slot = sim_map_vport(v->map, h->handle, vport);
		const struct provider_function *f = sim_map_function(v->map, slot->function);

		if (f && f->now.present)
			emit_bound(v, f, (uint8_t)(FIRST_BUS + (vport - 1u) * h->buses),
				   windows_of(&s, vport - 1u));
	}
}

/* the manager's view */

/* On its card: the BF is function 0, and PFs come after it. */
static uint16_t card_function(const struct provider_function *f, const struct provider_adapter *a)
{
	if (f->kind == PROVIDER_FUNCTION_BF)
		return 0;
	return (uint16_t)(f->pf + (a->mode == PROVIDER_ADAPTER_MRA));
}

static unsigned card_functions(const struct sim_adapter *a)
{
	return a->pfs + (a->device.mode == PROVIDER_ADAPTER_MRA ? 1u : 0u);
}

/* VFs of several PFs lie one behind the other, or in between each other, and never on a PF. */
static uint16_t card_vf_offset(const struct sim_adapter *a, uint16_t function)
{
	const struct sim_device *d = &a->device;
	unsigned offset = d->first_vf_offset;

	if (offset < card_functions(a))
		offset = card_functions(a);
	if (d->vf_stride < card_functions(a))
		offset += (unsigned)function * d->total_vfs * d->vf_stride - function;
	return (uint16_t)offset;
}

/* The last routing ID that the card takes, counted from its first. */
static uint32_t card_last(const struct sim_map *map, uint32_t adapter)
{
	const struct sim_adapter *a = &map->chassis->adapters[adapter - 1];
	uint16_t num_vfs = map->adapters[adapter - 1].num_vfs;
	uint32_t last = card_functions(a) - 1, function = last;

	if (num_vfs)
		last = function + card_vf_offset(a, (uint16_t)function) +
		       (uint32_t)(num_vfs - 1) * a->device.vf_stride;
	return last;
}

struct placed {
	uint16_t rid;
	const struct provider_function *function;
	struct sim_endpoint endpoint;
};

static int compare_placed(const void *a, const void *b)
{
	const struct placed *p = a, *q = b;

	return (p->rid > q->rid) - (p->rid < q->rid);
}

/* BARs of a card on its slot; @w is used up function by function. */
static void place(struct view *v, struct placed *p, const struct provider_function *f,
		  uint16_t first, struct windows *w)
{
	const struct provider_adapter *a = &v->map->adapters[f->adapter - 1];
	const struct sim_adapter *card = &v->map->chassis->adapters[f->adapter - 1];
	const struct sim_device *d = &card->device;
	uint16_t function = card_function(f, a);
	struct sriov_cap cap = { a->num_vfs, card_vf_offset(card, function), d->vf_stride };

	p->function = f;
	p->endpoint = endpoint_make(v->map, f);
	p->endpoint.first_vf_offset = cap.first_vf_offset;
	p->endpoint.is_multi = card_functions(card) > 1 && !f->vf;
	p->rid = (uint16_t)(first + function);
	if (f->vf) {
		(void)!topo_vf_rid(&cap, p->rid, f->vf, &p->rid); /* it is enabled */
		return;
	}
	bars_take(w, d->bars, 1, p->endpoint.bars);
	if (f->kind != PROVIDER_FUNCTION_PF)
		return;
	p->endpoint.num_vfs = a->num_vfs;
	bars_take(w, d->vf_bars, d->total_vfs, p->endpoint.vf_bars);
}

static int emit_card(struct view *v, const struct provider_adapter *a, uint8_t bus,
		     struct windows w)
{
	struct placed *placed = calloc(a->function_count, sizeof(*placed));
	size_t count = 0;

	if (!placed)
		return -ENOMEM;
	for (uint32_t i = 0; i < a->function_count; i++) {
		const struct provider_function *f = &v->map->functions[a->first_function + i - 1];

		if (f->now.present)
			place(v, &placed[count++], f, (uint16_t)(bus << 8), &w);
	}
	qsort(placed, count, sizeof(*placed), compare_placed);
	for (size_t i = 0; i < count; i++)
		emit_endpoint(v, &placed[i].endpoint, placed[i].rid);
	free(placed);
	return 0;
}

/* Adapters of one switch, from the @from-th on, as many as one domain has bus numbers for. */
struct domain {
	const struct provider_switch *sw;
	uint32_t adapters[DEVICES * 8];
	unsigned count;
	uint8_t first_bus[DEVICES * 8];
	uint8_t last_bus;
	uint64_t high; /* the largest window that one needs */
};

static unsigned buses_of(const struct sim_map *map, uint32_t adapter)
{
	return 1 + (card_last(map, adapter) >> 8);
}

static uint64_t window_of(const struct sim_map *map, const struct provider_adapter *a)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < a->function_count; i++)
		if (!map->functions[a->first_function + i - 1].vf)
			bytes += map->functions[a->first_function + i - 1].window_bytes;
	return bytes;
}

/* Fills @d with the next adapters of its switch. Return: where the search goes on. */
static uint32_t domain_fill(const struct sim_map *map, struct domain *d, uint32_t from)
{
	unsigned bus = FIRST_BUS;

	d->count = 0;
	d->high = MIB;
	for (; from <= map->adapter_count && d->count < DEVICES * 8; from++) {
		const struct provider_adapter *a = &map->adapters[from - 1];

		if (a->switch_handle != d->sw->handle)
			continue;
		if (bus + buses_of(map, from) - 1 > LAST_BUS && d->count)
			break;
		d->first_bus[d->count] = (uint8_t)bus;
		d->adapters[d->count++] = from;
		bus += buses_of(map, from);
		if (window_of(map, a) > d->high)
			d->high = window_of(map, a);
	}
	d->last_bus = (uint8_t)(bus - 1 > LAST_BUS ? LAST_BUS : bus - 1);
	return from;
}

static const struct provider_port *port_of_adapter(const struct sim_map *map,
						   const struct provider_adapter *a)
{
	for (size_t i = 0; i < map->port_count; i++)
		if (map->ports[i].adapter == a->handle)
			return &map->ports[i];
	return NULL;
}

static void emit_card_bridge(struct view *v, const struct domain *d, const struct shares *s,
			     unsigned i)
{
	const struct provider_adapter *a = &v->map->adapters[d->adapters[i] - 1];
	const struct provider_port *port = port_of_adapter(v->map, a);
	struct sim_bridge b = {
		.vendor = d->sw->vendor,
		.device = d->sw->device,
		.secondary = d->first_bus[i],
		.subordinate = (uint8_t)(d->first_bus[i] + buses_of(v->map, a->handle) - 1),
		.port = (uint8_t)port->number,
		.slot = port->number,
		.link = port->link,
		.width = port->width,
		.max_width = 16,
		.mtps = port->mtps,
		.max_mtps = 16000,
	};

	emit_downstream(v, &b, s, i);
}

static int view_domain(struct view *v, const struct domain *d)
{
	static const struct provider_port management = {
		.link = true, .width = 4, .max_width = 4, .mtps = 8000, .max_mtps = 8000
	};
	const struct shares s = shares_make(d->count, d->high);
	int r = 0;

	emit_trunk(v, d->sw, &management, &s, d->count ? d->last_bus : INTERNAL_BUS);
	for (unsigned i = 0; i < d->count; i++)
		emit_card_bridge(v, d, &s, i);
	for (unsigned i = 0; i < d->count && !r; i++)
		r = emit_card(v, &v->map->adapters[d->adapters[i] - 1], d->first_bus[i],
			      windows_of(&s, i));
	return r;
}

static int view_switch(struct view *v, const struct provider_switch *sw)
{
	struct domain d = { .sw = sw };
	uint32_t next = 1;
	int r = 0;

	v->domain = sw->handle - 1u;
	do {
		next = domain_fill(v->map, &d, next);
		r = view_domain(v, &d);
		v->domain += DOMAIN_STEP;
	} while (!r && next <= v->map->adapter_count && d.count);
	return r;
}

int sim_view(const struct sim_map *map, uint16_t host,
	     void (*fn)(void *arg, const struct provider_config *config), void *arg)
{
	struct view v = { .map = map, .fn = fn, .arg = arg };
	int r = 0;

	if (host) {
		if (!sim_map_host(map, host))
			return REFUSE_NO_HOST;
		view_host(&v, sim_map_host(map, host));
		return 0;
	}
	for (size_t i = 0; i < map->switch_count && !r; i++)
		r = view_switch(&v, &map->switches[i]);
	return r;
}
