/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "topology/kind.h"

struct build {
	const struct topo_graph *g;
	struct provider_scan *scan;
	struct provider_machine_spot
		*spots; /* of each bridge that is a port, by its index in the graph */
	uint16_t rc;    /* handle of the root complex; 0: not needed so far */
	uint32_t rc_ports;
	char *why;
	uint32_t *places; /* of each function made, its index in the graph; NULL: nobody asks */
};

static void build_done(struct build *b)
{
	provider_scan_free(b->scan);
	free(b->spots);
}
OWNED_BY_VALUE(struct build, build_done)

static int limit(const struct build *b, const char *what, int most)
{
	(void)snprintf(b->why, PROVIDER_TEXT_MAX, "more than %d %s", most, what); /* it fits */
	return REFUSE_LIMIT;
}

static struct provider_switch *switch_add(struct build *b)
{
	struct provider_switch *s = &b->scan->switches[b->scan->switch_count++];

	s->handle = (uint16_t)b->scan->switch_count;
	s->chassis = 1;
	return s;
}

static int switches_build(struct build *b)
{
	/* one place stays free for the root complex */
	if (b->g->switch_count > PROVIDER_SWITCHES_MAX - 1)
		return limit(b, "switches", PROVIDER_SWITCHES_MAX - 1);
	for (size_t i = 0; i < b->g->switch_count; i++) {
		const struct topo_switch *s = &b->g->switches[i];
		uint32_t face = s->upstream != TOPO_NONE ? s->upstream : s->first_port;
		struct provider_switch *made = switch_add(b);

		(void)snprintf(made->name, sizeof(made->name), "sw%zu", i); /* it fits */
		if (face != TOPO_NONE) {
			made->vendor = b->g->functions[face].vendor;
			made->device = b->g->functions[face].device;
		}
	}
	return 0;
}

static struct provider_port *port_add(struct build *b, uint32_t function,
				      struct provider_machine_spot spot)
{
	const struct topo_link *link = &b->g->functions[function].express.link;
	struct provider_port *p = &b->scan->ports[b->scan->port_count++];

	b->spots[function] = spot;
	*p = (struct provider_port){ .switch_handle = spot.switch_handle,
				     .number = spot.number,
				     .role = PROVIDER_PORT_DOWNSTREAM };
	if (!link->present)
		return p;
	p->link = link->width && (!link->active_reporting || link->active);
	p->max_width = link->max_width;
	p->max_mtps = 100u * topo_speed_tenths(link->max_speed);
	if (p->link) {
		p->width = link->width;
		p->mtps = 100u * topo_speed_tenths(link->speed);
	}
	return p;
}

/* Has switch @s a port number twice? */
static bool numbers_repeat(const struct topo_graph *g, size_t s)
{
	uint8_t seen[256 / 8] = { 0 };

	for (size_t i = 0; i < g->count; i++) {
		uint8_t n = g->functions[i].express.port;

		if (g->nodes[i].switch_id != s || g->nodes[i].repeated)
			continue;
		if (seen[n / 8] >> n % 8 & 1)
			return true;
		seen[n / 8] = (uint8_t)(seen[n / 8] | 1 << n % 8);
	}
	return false;
}

/* The switch that hangs below port @function of @s, or above its upstream port; 0: none. */
static uint16_t peer_of(const struct topo_graph *g, uint32_t function, uint32_t s)
{
	if (function == g->switches[s].upstream)
		return (uint16_t)(g->switches[s].above == TOPO_NONE ? 0 : g->switches[s].above + 1);
	for (size_t i = 0; i < g->switch_count; i++)
		if (g->switches[i].upstream != TOPO_NONE &&
		    g->nodes[g->switches[i].upstream].parent == function)
			return (uint16_t)(i + 1);
	return 0;
}

static void switch_ports_build(struct build *b, uint32_t s)
{
	bool by_place = numbers_repeat(b->g, s);
	uint16_t place = 0;

	for (size_t k = 0; k < b->g->count; k++) {
		uint32_t i = b->g->order[k];
		struct provider_port *p;
		uint16_t number;

		if (b->g->nodes[i].switch_id != s || b->g->nodes[i].repeated)
			continue;
		number = by_place ? place++ : b->g->functions[i].express.port;
		p = port_add(b, i,
			     (struct provider_machine_spot){ .switch_handle = (uint16_t)(s + 1),
							     .number = number });
		p->peer = peer_of(b->g, i, s);
		if (p->peer)
			p->role = PROVIDER_PORT_INTERSWITCH;
		else if (i == b->g->switches[s].upstream)
			p->role = PROVIDER_PORT_UPSTREAM;
	}
}

static uint16_t rc_get(struct build *b)
{
	if (!b->rc) {
		struct provider_switch *made = switch_add(b);

		(void)snprintf(made->name, sizeof(made->name), "rc"); /* it fits */
		b->rc = made->handle;
	}
	return b->rc;
}

static int rc_port_add(struct build *b, uint32_t i)
{
	if (b->rc_ports > UINT16_MAX - 1)
		return limit(b, "root ports", UINT16_MAX - 1);
	(void)port_add(b, i,
		       (struct provider_machine_spot){ .switch_handle = rc_get(b),
						       .number = (uint16_t)b->rc_ports++ });
	return 0;
}

static int roots_build(struct build *b)
{
	int r = 0;

	(void)rc_get(b);
	for (size_t k = 0; !r && k < b->g->count; k++) {
		uint32_t i = b->g->order[k];

		if (b->g->functions[i].express.type == TOPO_ROOT_PORT &&
		    b->g->functions[i].header == TOPO_HEADER_BRIDGE && !b->g->nodes[i].repeated)
			r = rc_port_add(b, i);
	}
	return r;
}

/* Where function @i hangs: the port of a switch above it, or its root port. */
static int spot_get(struct build *b, uint32_t i, struct provider_machine_spot *out)
{
	uint32_t top = i;

	while (b->g->nodes[top].parent != TOPO_NONE && !b->spots[top].switch_handle)
		top = b->g->nodes[top].parent;
	if (!b->spots[top].switch_handle) {
		int r = rc_port_add(b, top);

		if (r)
			return r;
	}
	*out = b->spots[top];
	return 0;
}

/* Can it be given away at all? What is built into the root complex cannot. */
static bool is_giveable(const struct topo_graph *g, uint32_t i)
{
	const struct topo_node *n = &g->nodes[i];

	return g->functions[i].header == TOPO_HEADER_NORMAL && n->physfn == TOPO_NONE &&
	       !n->repeated && !n->impossible && g->functions[i].vendor != 0xffff &&
	       (n->parent != TOPO_NONE || n->orphan);
}

static uint8_t identity_kinds(uint16_t class_code)
{
	if (class_code >> 8 == 0x02)
		return PROVIDER_IDENTITY_MAC;
	return class_code == 0x0c04 ? PROVIDER_IDENTITY_WWN : 0;
}

static struct provider_function *function_add(struct build *b, struct provider_adapter *a,
					      uint32_t i)
{
	const struct topo_function *from = &b->g->functions[i];
	struct provider_function *f = &b->scan->functions[b->scan->function_count++];

	*f = (struct provider_function){
		.handle = (uint32_t)b->scan->function_count,
		.adapter = a->handle,
		.kind = from->sriov.offset ? PROVIDER_FUNCTION_PF : PROVIDER_FUNCTION_DEVICE,
		.pf = from->address.function,
		.vendor = from->vendor,
		.device = from->device,
		.identity_can = identity_kinds(from->class_code),
		.buses = 1,
		.flr = from->express.flr,
		.now = { .function = (uint32_t)b->scan->function_count, .present = true },
	};
	if (!a->function_count++)
		a->first_function = f->handle;
	if (b->places)
		b->places[f->handle - 1] = i;
	return f;
}

static int vfs_add(struct build *b, struct provider_adapter *a, uint32_t pf)
{
	const struct topo_function *from = &b->g->functions[pf];

	if (from->sriov.total_vfs > a->total_vfs)
		a->total_vfs = from->sriov.total_vfs;
	if (topo_sriov_enabled_vfs(&from->sriov) > a->num_vfs)
		a->num_vfs = topo_sriov_enabled_vfs(&from->sriov);
	for (uint32_t i = b->g->nodes[pf].first_vf; i != TOPO_NONE; i = b->g->nodes[i].next) {
		struct provider_function *f;

		if (b->scan->function_count == PROVIDER_FUNCTIONS_MAX)
			return limit(b, "functions", PROVIDER_FUNCTIONS_MAX);
		f = function_add(b, a, i);
		f->kind = PROVIDER_FUNCTION_VF;
		f->vf = b->g->nodes[i].vf_index;
		f->pf = from->address.function;
		f->flr = true; /* always: PCIe Base 5.0 §9.2.2.2 */
		/* a VF's own vendor and device registers read ffff: PCIe Base 5.0 §9.3.4.1 */
		f->vendor = from->vendor;
		f->device = from->sriov.vf_device;
		if (f->vf > a->total_vfs)
			a->total_vfs = f->vf;
	}
	if (a->num_vfs > a->total_vfs)
		a->num_vfs = a->total_vfs;
	return 0;
}

static int adapter_begin(struct build *b, uint32_t i, struct provider_adapter **out)
{
	const struct topo_function *from = &b->g->functions[i];
	struct provider_adapter *a;
	char kind[40];
	struct provider_machine_spot spot;
	int r = spot_get(b, i, &spot);

	if (r)
		return r;
	a = &b->scan->adapters[b->scan->adapter_count++];
	*a = (struct provider_adapter){
		.handle = (uint32_t)b->scan->adapter_count,
		.switch_handle = spot.switch_handle,
		.port = spot.number,
		.class_code = (uint32_t)from->class_code << 8 | from->prog_if,
		.vendor = from->vendor,
		.device = from->device,
	};
	topo_kind_format(from, kind);
	(void)snprintf(a->model, sizeof(a->model), "%s %04x:%04x", kind, from->vendor,
		       from->device); /* it fits */
	if (from->serial)
		(void)snprintf(a->serial, sizeof(a->serial), "%016llx",
			       (unsigned long long)from->serial); /* it fits */
	*out = a;
	return 0;
}

static void mode_raise(struct provider_adapter *a, const struct topo_function *f)
{
	if (topo_function_ext(f, TOPO_EXT_MRIOV))
		a->mode = PROVIDER_ADAPTER_MRA;
	else if (f->sriov.offset && a->mode == PROVIDER_ADAPTER_PLAIN)
		a->mode = PROVIDER_ADAPTER_SRIOV;
}

/* The device that @g->order[*k] begins: its functions first, then their VFs. */
static int adapter_build(struct build *b, size_t *k)
{
	uint32_t first = b->g->order[*k];
	struct provider_adapter *a;
	size_t begin = *k;
	int r = adapter_begin(b, first, &a);

	for (; !r && *k < b->g->count; (*k)++) {
		uint32_t i = b->g->order[*k];

		if (!topo_graph_is_same_device(b->g, first, i))
			break;
		if (!is_giveable(b->g, i))
			continue;
		if (b->scan->function_count == PROVIDER_FUNCTIONS_MAX)
			return limit(b, "functions", PROVIDER_FUNCTIONS_MAX);
		(void)function_add(b, a, i);
		mode_raise(a, &b->g->functions[i]);
	}
	for (size_t n = begin; !r && n < *k; n++)
		if (is_giveable(b->g, b->g->order[n]) &&
		    b->g->functions[b->g->order[n]].sriov.offset)
			r = vfs_add(b, a, b->g->order[n]);
	return r;
}

static int adapters_build(struct build *b)
{
	for (size_t k = 0; k < b->g->count;) {
		int r;

		if (!is_giveable(b->g, b->g->order[k])) {
			k++;
			continue;
		}
		r = adapter_build(b, &k);
		if (r)
			return r;
	}
	return 0;
}

/* Each port names the first adapter on it. */
static void ports_finish(struct provider_scan *scan)
{
	if (scan->port_count)
		qsort(scan->ports, scan->port_count, sizeof(scan->ports[0]), provider_port_compare);
	for (size_t i = scan->adapter_count; i--;) {
		const struct provider_port key = { .switch_handle = scan->adapters[i].switch_handle,
						   .number = scan->adapters[i].port };
		struct provider_port *p = bsearch(&key, scan->ports, scan->port_count, sizeof(key),
						  provider_port_compare);

		if (p->role == PROVIDER_PORT_DOWNSTREAM)
			p->adapter = (uint32_t)(i + 1);
	}
}

static int build_begin(struct build *b)
{
	size_t most = b->g->count + 1;

	b->spots = calloc(most, sizeof(b->spots[0]));
	b->scan = calloc(1, sizeof(*b->scan));
	if (!b->spots || !b->scan)
		return -ENOMEM;
	b->scan->switches = calloc(PROVIDER_SWITCHES_MAX, sizeof(b->scan->switches[0]));
	b->scan->ports = calloc(most, sizeof(b->scan->ports[0]));
	b->scan->adapters = calloc(most, sizeof(b->scan->adapters[0]));
	b->scan->functions = calloc(most, sizeof(b->scan->functions[0]));
	if (!b->scan->switches || !b->scan->ports || !b->scan->adapters || !b->scan->functions)
		return -ENOMEM;
	return 0;
}

static int build_all(struct build *b, bool all_roots)
{
	int r = build_begin(b);

	if (!r)
		r = switches_build(b);
	for (uint32_t s = 0; !r && s < b->g->switch_count; s++)
		switch_ports_build(b, s);
	if (!r && all_roots)
		r = roots_build(b);
	if (!r)
		r = adapters_build(b);
	if (!r)
		ports_finish(b->scan);
	return r;
}

int provider_machine_scan(const struct topo_graph *g, struct provider_scan **out, char *why)
{
	OWNED(build_done) struct build b = { .g = g, .why = why };
	int r = build_all(&b, false);

	if (!r)
		*out = TAKE(b.scan);
	return r;
}

void provider_machine_places_done(struct provider_machine_places *places)
{
	free(places->functions);
	free(places->ports);
	*places = (struct provider_machine_places){ 0 };
}

int provider_machine_scan_places(const struct topo_graph *g, struct provider_scan **out,
				 struct provider_machine_places *places, char *why)
{
	OWNED(build_done) struct build b = { .g = g, .why = why };
	int r;

	b.places = places->functions = calloc(g->count + 1, sizeof(places->functions[0]));
	if (!b.places)
		return -ENOMEM;
	r = build_all(&b, true);
	if (r)
		return r;
	places->ports = TAKE(b.spots);
	*out = TAKE(b.scan);
	return 0;
}

static uint64_t mark_add(uint64_t mark, uint64_t v)
{
	/* FNV-1a over the value's bytes */
	for (unsigned i = 0; i < 8; i++)
		mark = (mark ^ (v >> 8 * i & 0xff)) * 0x100000001b3ull;
	return mark;
}

void provider_machine_number(struct provider_scan *scan, uint16_t number)
{
	for (size_t i = 0; i < scan->switch_count; i++)
		scan->switches[i].chassis = number;
	for (size_t i = 0; i < scan->host_count; i++)
		scan->hosts[i].chassis = number;
}

int provider_machine_number_parse(const char *text, uint16_t *number)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || !n || n > UINT16_MAX)
		return -EINVAL;
	*number = (uint16_t)n;
	return 0;
}

uint64_t provider_machine_mark(const struct topo_graph *g)
{
	uint64_t mark = 0xcbf29ce484222325ull;

	for (size_t k = 0; k < g->count; k++) {
		const struct topo_function *f = &g->functions[g->order[k]];

		mark = mark_add(mark,
				(uint64_t)f->address.domain << 32 | (uint64_t)f->address.bus << 16 |
					(uint64_t)f->address.device << 8 | f->address.function);
		mark = mark_add(mark, (uint64_t)f->vendor << 48 | (uint64_t)f->device << 32 |
					      f->class_code);
		mark = mark_add(mark, f->serial);
		mark = mark_add(mark, (uint64_t)f->bridge.secondary << 32 |
					      topo_sriov_enabled_vfs(&f->sriov));
	}
	return mark;
}
