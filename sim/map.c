/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/map.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BY_MAC, BY_WWPN };

struct provider_function *sim_map_function(const struct sim_map *map, uint32_t handle)
{
	return handle && handle <= map->function_count ? &map->functions[handle - 1] : NULL;
}

uint32_t sim_map_slot_find(const struct sim_map *map, uint16_t switch_handle, uint16_t port)
{
	for (uint32_t i = 1; i <= map->adapter_count; i++)
		if (map->adapters[i - 1].switch_handle == switch_handle &&
		    map->adapters[i - 1].port == port)
			return i;
	return 0;
}

struct provider_host *sim_map_host(const struct sim_map *map, uint16_t handle)
{
	return handle && handle <= map->host_count ? &map->hosts[handle - 1] : NULL;
}

static struct provider_adapter *adapter_of(const struct sim_map *map,
					   const struct provider_function *f)
{
	return &map->adapters[f->adapter - 1];
}

struct sim_vport *sim_map_vport(const struct sim_map *map, uint16_t host, uint16_t vport)
{
	const struct provider_host *h = sim_map_host(map, host);

	if (!h || !vport || vport > h->vports)
		return NULL;
	return &map->vports[map->vport_first[host - 1] + vport - 1];
}

struct provider_function *sim_map_pf(const struct sim_map *map,
				     const struct provider_function *function)
{
	return &map->functions[function->handle - function->vf - 1];
}

static void changed(struct sim_map *map, enum sim_part part, uint32_t handle)
{
	if (map->changed)
		map->changed(map->arg, part, handle);
}

/* building */

static void build_device(struct provider_function *f, const struct sim_adapter *a,
			 const struct sim_bar *bars)
{
	f->vendor = a->device.vendor;
	f->device = a->device.device;
	f->identity_can = a->device.identity_can;
	f->flr = a->device.flr;
	f->buses = 1;
	f->window_bytes = sim_device_window(bars, 1);
	f->now.present = true;
}

/* A PF, or a plain function, and its VFs after it. Return: the next free handle. */
static uint32_t build_pf(struct sim_map *map, const struct sim_adapter *a, uint32_t adapter,
			 uint32_t handle, uint8_t pf)
{
	const struct sim_device *d = &a->device;
	struct provider_function *f = &map->functions[handle - 1];

	build_device(f, a, d->bars);
	f->adapter = adapter;
	f->handle = f->now.function = handle++;
	f->kind =
		d->mode == PROVIDER_ADAPTER_PLAIN ? PROVIDER_FUNCTION_DEVICE : PROVIDER_FUNCTION_PF;
	f->pf = pf;
	f->window_bytes += sim_device_window(d->vf_bars, d->total_vfs);
	/* Bound whole it stands at function 0 of its vport, whatever it is on its card. */
	f->buses = sim_device_buses(d, 0, a->num_vfs);
	if (d->mode == PROVIDER_ADAPTER_PLAIN)
		return handle;
	for (uint16_t vf = 1; vf <= d->total_vfs; vf++) {
		f = &map->functions[handle - 1];
		build_device(f, a, d->vf_bars);
		f->adapter = adapter;
		f->handle = f->now.function = handle++;
		f->kind = PROVIDER_FUNCTION_VF;
		f->pf = pf;
		f->vf = vf;
		f->device = d->vf_device;
		f->flr = true; /* PCIe Base 5.0 §9.2.2.2: every VF can be reset alone */
		f->now.present = vf <= a->num_vfs;
	}
	return handle;
}

static uint32_t build_bf(struct sim_map *map, const struct sim_adapter *a, uint32_t adapter,
			 uint32_t handle)
{
	struct provider_function *f = &map->functions[handle - 1];

	build_device(f, a, a->device.bars);
	f->adapter = adapter;
	f->handle = f->now.function = handle;
	f->kind = PROVIDER_FUNCTION_BF;
	f->identity_can = 0;
	f->flr = false; /* it is the card's */
	return handle + 1;
}

/* PF p and PF p + 1, and their VFs of one number, point at each other; the last at the first. */
static void build_ring(struct sim_map *map, const struct sim_adapter *a,
		       const struct provider_adapter *adapter)
{
	uint32_t start = adapter->first_function + (a->device.mode == PROVIDER_ADAPTER_MRA);
	uint32_t each;

	assert(a->pfs);
	each = (adapter->first_function + adapter->function_count - start) / a->pfs;

	for (uint8_t pf = 0; pf < a->pfs; pf++)
		for (uint32_t i = 0; i < each; i++)
			map->functions[start + pf * each + i - 1].depends =
				start + (uint32_t)((pf + 1) % a->pfs) * each + i;
}

static void build_adapter(struct sim_map *map, const struct sim_adapter *a, uint32_t handle,
			  uint32_t *next)
{
	struct provider_adapter *adapter = &map->adapters[handle - 1];

	*adapter = (struct provider_adapter){
		.handle = handle,
		.switch_handle = a->switch_handle,
		.port = a->port,
		.class_code = a->device.class_code,
		.vendor = a->device.vendor,
		.device = a->device.device,
		.mode = a->device.mode,
		.keeper = a->keeper,
		.keeper_host = a->keeper_host,
		.num_vfs = a->num_vfs,
		.total_vfs = a->device.total_vfs,
		.first_function = *next,
		.function_count = sim_adapter_functions(a),
	};
	memcpy(adapter->serial, a->serial, sizeof(adapter->serial));
	memcpy(adapter->model, a->model, sizeof(adapter->model));
	if (a->device.mode == PROVIDER_ADAPTER_MRA)
		*next = build_bf(map, a, handle, *next);
	for (uint8_t pf = 0; pf < a->pfs; pf++)
		*next = build_pf(map, a, handle, *next, pf);
	if (a->ring)
		build_ring(map, a, adapter);
}

static void build_host(struct sim_map *map, const struct sim_chassis *c, uint16_t handle,
		       uint32_t *next)
{
	const struct sim_host *h = &c->hosts[handle - 1];
	struct provider_host *host = &map->hosts[handle - 1];

	*host = (struct provider_host){
		.handle = handle,
		.switch_handle = h->switch_handle,
		.port = h->port,
		.vports = h->vports,
		.chassis = c->number,
		.buses = h->buses,
		.window_bytes = h->window_bytes,
		.state = { .host = handle,
			   .power = h->power,
			   .link = h->link && h->power,
			   .power_known = true },
		.can_power_on = c->can.power,
	};
	memcpy(host->bay, h->bay, sizeof(host->bay));
	map->vport_first[handle - 1] = *next;
	*next += h->vports;
}

static void port_follow(struct provider_port *p, bool link)
{
	p->link = link;
	p->width = link ? p->max_width : 0;
	p->mtps = link ? p->max_mtps : 0;
}

static int compare_ports(const void *a, const void *b)
{
	const struct provider_port *p = a, *q = b;

	if (p->switch_handle != q->switch_handle)
		return p->switch_handle < q->switch_handle ? -1 : 1;
	return (p->number > q->number) - (p->number < q->number);
}

static void build_ports(struct sim_map *map, const struct sim_chassis *c)
{
	struct provider_port *p = map->ports;

	for (size_t i = 0; i < c->host_count; i++)
		*p++ = (struct provider_port){
			.switch_handle = c->hosts[i].switch_handle,
			.number = c->hosts[i].port,
			.role = PROVIDER_PORT_UPSTREAM,
			.max_width = 8,
			.max_mtps = 16000,
			.host = (uint16_t)(i + 1),
		};
	for (size_t i = 0; i < c->adapter_count; i++)
		*p++ = (struct provider_port){
			.switch_handle = c->adapters[i].switch_handle,
			.number = c->adapters[i].port,
			.role = PROVIDER_PORT_DOWNSTREAM,
			.link = true,
			.width = c->adapters[i].width,
			.mtps = c->adapters[i].mtps,
			.max_width = c->adapters[i].device.width,
			.max_mtps = c->adapters[i].device.mtps,
			.adapter = (uint32_t)(i + 1),
			.has_slot = true,
			.slot_presence = true,
			.slot_power = true,
		};
	for (size_t i = 0; i < c->link_count; i++)
		for (unsigned end = 0; end < 2; end++)
			*p++ = (struct provider_port){
				.switch_handle = c->links[i].switches[end],
				.number = c->links[i].ports[end],
				.role = PROVIDER_PORT_INTERSWITCH,
				.link = true,
				.width = c->links[i].width,
				.mtps = c->links[i].mtps,
				.max_width = c->links[i].width,
				.max_mtps = c->links[i].mtps,
				.peer = c->links[i].switches[!end],
			};
	qsort(map->ports, map->port_count, sizeof(*map->ports), compare_ports);
	for (size_t i = 0; i < map->port_count; i++)
		if (map->ports[i].host) {
			const struct provider_host *h = &map->hosts[map->ports[i].host - 1];

			port_follow(&map->ports[i], h->state.link);
		}
}

/* Each switch starts on an island of its own; a link joins two. */
static void build_islands(struct sim_map *map, const struct sim_chassis *c)
{
	for (size_t i = 0; i < map->switch_count; i++)
		map->island[i] = (uint16_t)i;
	for (size_t i = 0; i < c->link_count; i++) {
		uint16_t from = map->island[c->links[i].switches[0] - 1];
		uint16_t to = map->island[c->links[i].switches[1] - 1];

		for (size_t j = 0; j < map->switch_count; j++)
			if (map->island[j] == from)
				map->island[j] = to;
	}
}

static void build(struct sim_map *map, const struct sim_chassis *c)
{
	uint32_t function = 1, vport = 0;

	for (size_t i = 0; i < map->switch_count; i++) {
		map->switches[i] = (struct provider_switch){
			.handle = (uint16_t)(i + 1),
			.chassis = c->number,
			.vendor = c->switches[i].vendor,
			.device = c->switches[i].device,
		};
		memcpy(map->switches[i].name, c->switches[i].name, sizeof(c->switches[i].name));
	}
	for (size_t i = 0; i < map->host_count; i++)
		build_host(map, c, (uint16_t)(i + 1), &vport);
	for (uint32_t i = 0; i < map->adapter_count; i++)
		build_adapter(map, &c->adapters[i], i + 1, &function);
	build_ports(map, c);
	build_islands(map, c);
}

/* calloc(), but that nothing is no failure. */
static void *zeroed(size_t count, size_t size)
{
	return calloc(count ? count : 1, size);
}

int sim_map_init(struct sim_map *map, const struct sim_chassis *chassis)
{
	size_t vports = 0;

	*map = (struct sim_map){ .chassis = chassis };
	map->switch_count = chassis->switch_count;
	map->host_count = chassis->host_count;
	map->adapter_count = chassis->adapter_count;
	map->port_count = chassis->host_count + chassis->adapter_count + 2 * chassis->link_count;
	for (size_t i = 0; i < chassis->adapter_count; i++)
		map->function_count += sim_adapter_functions(&chassis->adapters[i]);
	for (size_t i = 0; i < chassis->host_count; i++)
		vports += chassis->hosts[i].vports;
	for (map->bucket_count = 16; map->bucket_count < map->function_count;)
		map->bucket_count *= 2;
	map->switches = zeroed(map->switch_count, sizeof(*map->switches));
	map->ports = zeroed(map->port_count, sizeof(*map->ports));
	map->hosts = zeroed(map->host_count, sizeof(*map->hosts));
	map->adapters = zeroed(map->adapter_count, sizeof(*map->adapters));
	map->functions = zeroed(map->function_count, sizeof(*map->functions));
	map->vports = zeroed(vports, sizeof(*map->vports));
	map->vport_first = zeroed(map->host_count, sizeof(*map->vport_first));
	map->island = zeroed(map->switch_count, sizeof(*map->island));
	map->bound = zeroed(map->adapter_count, sizeof(*map->bound));
	map->gone = zeroed(map->adapter_count, sizeof(*map->gone));
	map->slots = zeroed(map->adapter_count, sizeof(*map->slots));
	for (int by = 0; by < 2; by++) {
		map->buckets[by] = zeroed(map->bucket_count, sizeof(*map->buckets[by]));
		map->chain[by] = zeroed(map->function_count, sizeof(*map->chain[by]));
		if (!map->buckets[by] || !map->chain[by])
			return -ENOMEM;
	}
	if (!map->switches || !map->ports || !map->hosts || !map->adapters || !map->functions ||
	    !map->vports || !map->vport_first || !map->island || !map->bound || !map->gone ||
	    !map->slots)
		return -ENOMEM;
	build(map, chassis);
	return 0;
}

void sim_map_done(struct sim_map *map)
{
	free(map->switches);
	free(map->ports);
	free(map->hosts);
	free(map->adapters);
	free(map->functions);
	free(map->vports);
	free(map->vport_first);
	free(map->island);
	free(map->bound);
	free(map->gone);
	free(map->slots);
	for (int by = 0; by < 2; by++) {
		free(map->buckets[by]);
		free(map->chain[by]);
	}
}

/* identities */

static uint64_t key_of(const struct identity *id, int by)
{
	return by == BY_MAC ? id->mac : id->wwpn;
}

static uint32_t *bucket_of(const struct sim_map *map, int by, uint64_t key)
{
	uint64_t hash = key * 0x9e3779b97f4a7c15ull;

	return &map->buckets[by][(hash >> 32) & (map->bucket_count - 1)];
}

static void index_remove(struct sim_map *map, uint32_t handle, const struct identity *id)
{
	for (int by = 0; by < 2; by++) {
		uint32_t *at = bucket_of(map, by, key_of(id, by));

		if (!key_of(id, by))
			continue;
		while (*at != handle)
			at = &map->chain[by][*at - 1];
		*at = map->chain[by][handle - 1];
	}
}

static void index_add(struct sim_map *map, uint32_t handle, const struct identity *id)
{
	for (int by = 0; by < 2; by++) {
		uint32_t *head = bucket_of(map, by, key_of(id, by));

		if (!key_of(id, by))
			continue;
		map->chain[by][handle - 1] = *head;
		*head = handle;
	}
}

bool sim_map_answers(const struct sim_map *map, uint32_t adapter)
{
	const struct sim_slot *slot = &map->slots[adapter - 1];

	return !map->gone[adapter - 1] && !slot->out && !slot->off;
}

/* Another function that carries what must live once; 0: none. A card that is not in, or without
 * power, carries nothing that the switch could see. */
static uint32_t index_find_other(const struct sim_map *map, uint32_t handle,
				 const struct identity *id)
{
	for (int by = 0; by < 2; by++) {
		uint64_t key = key_of(id, by);

		for (uint32_t at = key ? *bucket_of(map, by, key) : 0; at;
		     at = map->chain[by][at - 1])
			if (at != handle &&
			    key_of(&map->functions[at - 1].now.identity, by) == key &&
			    sim_map_answers(map, map->functions[at - 1].adapter))
				return at;
	}
	return 0;
}

void sim_map_identify(struct sim_map *map, uint32_t function, const struct identity *identity)
{
	struct provider_function *f = sim_map_function(map, function);

	if (!f || identity_is_equal(&f->now.identity, identity))
		return;
	index_remove(map, function, &f->now.identity);
	f->now.identity = *identity;
	index_add(map, function, identity);
	changed(map, SIM_PART_FUNCTION, function);
}

/* bindings */

static void remember(struct sim_map *map, const struct provider_binding *b)
{
	map->undo[map->undo_end++ % SIM_MAP_UNDO] =
		(struct sim_undo){ b->function, b->host, b->vport, b->generation };
	if (map->undo_end - map->undo_start > SIM_MAP_UNDO)
		map->undo_start++;
}

/* What the host's slot remembers of a function that goes. */
static void slot_empty(struct sim_map *map, const struct provider_binding *b,
		       enum provider_mode mode)
{
	struct sim_vport *slot = sim_map_vport(map, b->host, b->vport);

	slot->function = 0;
	slot->changed |= SIM_SLOT_PDC | SIM_SLOT_DLLSC;
	slot->changed |= mode == PROVIDER_SURPRISE ? SIM_SLOT_SURPRISE : SIM_SLOT_ATTENTION;
}

/* The place is free: @f is moved there, or to nowhere when @host is 0. */
static void place(struct sim_map *map, struct provider_function *f, uint16_t host, uint16_t vport,
		  uint64_t generation, enum provider_mode mode)
{
	struct sim_vport *slot = sim_map_vport(map, host, vport);

	remember(map, &f->now);
	if (f->now.host) {
		slot_empty(map, &f->now, mode);
		map->bound[f->adapter - 1]--;
	}
	f->now.host = host;
	f->now.vport = host ? vport : 0;
	f->now.generation = host ? generation : 0;
	if (slot) {
		slot->function = f->handle;
		slot->changed |= SIM_SLOT_PDC | SIM_SLOT_DLLSC;
		map->bound[f->adapter - 1]++;
	}
	changed(map, SIM_PART_FUNCTION, f->handle);
}

int sim_map_place(struct sim_map *map, uint32_t function, uint16_t host, uint16_t vport,
		  uint64_t generation, enum provider_mode mode)
{
	struct provider_function *f = sim_map_function(map, function);
	const struct sim_vport *slot = sim_map_vport(map, host, vport);

	if (!f || (host && (!slot || (slot->function && slot->function != function))))
		return -EBADMSG;
	place(map, f, host, vport, generation, mode);
	return 0;
}

static void host_state_set(struct sim_map *map, const struct provider_host_state *state)
{
	struct provider_host *h = &map->hosts[state->host - 1];

	h->state = *state;
	for (size_t i = 0; i < map->port_count; i++) {
		struct provider_port *p = &map->ports[i];

		if (p->host == state->host)
			port_follow(p, state->link);
	}
}

void sim_map_host_state(struct sim_map *map, const struct provider_host_state *state)
{
	if (!sim_map_host(map, state->host))
		return;
	host_state_set(map, state);
	changed(map, SIM_PART_HOST, state->host);
}

void sim_map_revert(struct sim_map *map, size_t changes)
{
	for (size_t i = 0; i < map->host_count; i++)
		if (map->hosts[i].state.isolated) {
			struct provider_host_state state = map->hosts[i].state;

			state.isolated = false;
			sim_map_host_state(map, &state);
		}
	while (changes-- && map->undo_end > map->undo_start) {
		struct sim_undo u = map->undo[--map->undo_end % SIM_MAP_UNDO];
		const struct provider_function *f = sim_map_function(map, u.function);
		size_t end = map->undo_end;

		/* A card that has left its slot since is not there to be bound. */
		if (u.host && (map->slots[f->adapter - 1].out || map->slots[f->adapter - 1].off))
			continue;
		/* Backwards, each step restores what once was, so the place is free. */
		place(map, sim_map_function(map, u.function), u.host, u.vport, u.generation,
		      PROVIDER_SURPRISE);
		map->undo_end = end;
	}
}

void sim_map_enable_vfs(struct sim_map *map, uint32_t adapter, uint16_t num_vfs)
{
	static const struct identity none;
	struct provider_adapter *a = &map->adapters[adapter - 1];
	const struct sim_device *d = &map->chassis->adapters[adapter - 1].device;

	a->num_vfs = num_vfs;
	for (uint32_t i = 0; i < a->function_count; i++) {
		struct provider_function *f = &map->functions[a->first_function + i - 1];

		if (f->kind == PROVIDER_FUNCTION_PF)
			f->buses = sim_device_buses(d, 0, num_vfs);
		if (f->kind != PROVIDER_FUNCTION_VF)
			continue;
		/* No state of a VF survives VF Enable going off (PCIe Base 5.0 §9.3.3.3.1). */
		sim_map_identify(map, f->handle, &none);
		f->now.present = f->vf <= num_vfs && sim_map_answers(map, adapter);
	}
	changed(map, SIM_PART_ADAPTER, adapter);
}

static void adapter_port_follow(const struct sim_map *map, struct provider_port *p, bool present)
{
	const struct sim_adapter *a = &map->chassis->adapters[p->adapter - 1];
	const struct sim_slot *slot = &map->slots[p->adapter - 1];

	p->slot_presence = !slot->out;
	p->slot_power = !slot->off;
	p->link = present;
	p->width = present ? a->width : 0;
	p->mtps = present ? a->mtps : 0;
}

static void adapter_follow(struct sim_map *map, uint32_t adapter)
{
	const struct provider_adapter *a = &map->adapters[adapter - 1];
	bool present = sim_map_answers(map, adapter);

	for (uint32_t i = 0; i < a->function_count; i++) {
		struct provider_function *f = &map->functions[a->first_function + i - 1];

		f->now.present = present && f->vf <= a->num_vfs;
	}
	for (size_t i = 0; i < map->port_count; i++)
		if (map->ports[i].adapter == adapter)
			adapter_port_follow(map, &map->ports[i], present);
	changed(map, SIM_PART_ADAPTER, adapter);
}

void sim_map_plug(struct sim_map *map, uint32_t adapter, bool present)
{
	map->gone[adapter - 1] = !present;
	adapter_follow(map, adapter);
}

void sim_map_slot(struct sim_map *map, uint32_t adapter, const struct sim_slot *slot)
{
	const struct provider_adapter *a = &map->adapters[adapter - 1];

	map->slots[adapter - 1] = *slot;
	for (uint32_t i = 0; (slot->out || slot->off) && i < a->function_count; i++) {
		struct provider_function *f = &map->functions[a->first_function + i - 1];

		if (f->now.host)
			place(map, f, 0, 0, 0, PROVIDER_SURPRISE);
	}
	adapter_follow(map, adapter);
}

void sim_map_card(struct sim_map *map, uint32_t adapter, const char *serial)
{
	struct provider_adapter *a = &map->adapters[adapter - 1];

	(void)snprintf(a->serial, sizeof(a->serial), "%s", serial);
	map->gone[adapter - 1] = false;
	adapter_follow(map, adapter);
}

/* commands */

__attribute__((format(printf, 3, 4))) static void
refuse(struct sim_verdict *verdict, enum provider_why why, const char *text, ...)
{
	va_list args;

	verdict->outcome = PROVIDER_REFUSED;
	verdict->why = why;
	va_start(args, text);
	(void)vsnprintf(verdict->text, sizeof(verdict->text), text, args);
	va_end(args);
}

static bool is_kept(const struct sim_map *map, const struct provider_function *f)
{
	if (f->kind == PROVIDER_FUNCTION_BF)
		return true;
	return f->kind == PROVIDER_FUNCTION_PF &&
	       adapter_of(map, f)->mode == PROVIDER_ADAPTER_SRIOV &&
	       adapter_of(map, f)->keeper != PROVIDER_KEEPER_NONE;
}

/* VFs that come and go with their PF. */
static bool is_part_of_pf(const struct sim_map *map, const struct provider_function *f)
{
	return f->kind == PROVIDER_FUNCTION_VF &&
	       (adapter_of(map, f)->mode == PROVIDER_ADAPTER_MRA ||
		adapter_of(map, f)->keeper == PROVIDER_KEEPER_NONE);
}

/* A function of its ring that is bound to another host than @host; 0: none. */
static uint32_t ring_elsewhere(const struct sim_map *map, const struct provider_function *f,
			       uint16_t host)
{
	for (uint32_t at = f->depends; at && at != f->handle; at = map->functions[at - 1].depends)
		if (map->functions[at - 1].now.host && map->functions[at - 1].now.host != host)
			return at;
	return 0;
}

static bool refuse_absent(const struct sim_map *map, const struct provider_function *f,
			  struct sim_verdict *v)
{
	if (f->now.present)
		return false;
	if (!sim_map_answers(map, f->adapter))
		refuse(v, PROVIDER_WHY_NO_FUNCTION, "the card is not there, or has no power");
	else
		refuse(v, PROVIDER_WHY_NO_VF, "VF %u of %u enabled", f->vf,
		       adapter_of(map, f)->num_vfs);
	return true;
}

/* True when it refuses. */
static bool refuse_bind_function(const struct sim_map *map, const struct provider_function *f,
				 const struct provider_op *op, struct sim_verdict *v)
{
	if (refuse_absent(map, f, v))
		return true;
	if (is_kept(map, f))
		refuse(v, PROVIDER_WHY_KEPT, "the adapter is shared; its keeper has this function");
	else if (is_part_of_pf(map, f))
		refuse(v, PROVIDER_WHY_SPLIT, "the adapter is given whole, with its PF");
	else if (f->now.host)
		refuse(v, PROVIDER_WHY_BOUND, "bound to host %u at vport %u", f->now.host,
		       f->now.vport);
	else if (ring_elsewhere(map, f, op->host))
		refuse(v, PROVIDER_WHY_SPLIT, "function %u of its dependency ring is elsewhere",
		       ring_elsewhere(map, f, op->host));
	else
		return false;
	return true;
}

static void do_bind(struct sim_map *map, const struct provider_op *op, struct sim_verdict *v)
{
	struct provider_function *f = sim_map_function(map, op->function);
	struct provider_host *h = sim_map_host(map, op->host);
	struct sim_vport *slot = sim_map_vport(map, op->host, op->vport);

	if (!f)
		refuse(v, PROVIDER_WHY_NO_FUNCTION, "no function %u", op->function);
	else if (!h)
		refuse(v, PROVIDER_WHY_NO_HOST, "no host %u", op->host);
	else if (!slot)
		refuse(v, PROVIDER_WHY_NO_VPORT, "host %u has vports 1 .. %u", op->host, h->vports);
	else if (refuse_bind_function(map, f, op, v))
		return;
	else if (h->state.isolated)
		refuse(v, PROVIDER_WHY_ISOLATED, "host %u is isolated", op->host);
	else if (slot->function)
		refuse(v, PROVIDER_WHY_VPORT_TAKEN, "function %u is there", slot->function);
	else if (map->island[adapter_of(map, f)->switch_handle - 1] !=
		 map->island[h->switch_handle - 1])
		refuse(v, PROVIDER_WHY_UNSUPPORTED, "no link joins the two switches");
	else if (f->buses > h->buses || f->window_bytes > h->window_bytes)
		refuse(v, PROVIDER_WHY_UNSUPPORTED,
		       "needs %u buses and %llu MiB; a vport there has %u and %llu", f->buses,
		       (unsigned long long)(f->window_bytes + (1 << 20) - 1) >> 20, h->buses,
		       (unsigned long long)h->window_bytes >> 20);
	else
		place(map, f, op->host, op->vport, op->generation, op->mode);
}

static void do_unbind(struct sim_map *map, const struct provider_op *op, struct sim_verdict *v)
{
	struct provider_function *f = sim_map_function(map, op->function);
	const struct provider_host *h = f ? sim_map_host(map, f->now.host) : NULL;

	if (!f)
		refuse(v, PROVIDER_WHY_NO_FUNCTION, "no function %u", op->function);
	else if (h && h->state.power && op->mode == PROVIDER_SURPRISE &&
		 !map->chassis->can.surprise)
		refuse(v, PROVIDER_WHY_UNSUPPORTED,
		       "it cannot be taken from host %u by surprise; power the host off",
		       f->now.host);
	else if (f->now.host)
		place(map, f, 0, 0, 0, op->mode);
}

static void do_isolate(struct sim_map *map, const struct provider_op *op, struct sim_verdict *v)
{
	const struct provider_host *h = sim_map_host(map, op->host);
	struct provider_host_state state;

	if (!h) {
		refuse(v, PROVIDER_WHY_NO_HOST, "no host %u", op->host);
		return;
	}
	if (!map->chassis->can.isolate) {
		refuse(v, PROVIDER_WHY_UNSUPPORTED, "this switch isolates nobody");
		return;
	}
	state = h->state;
	state.isolated = op->value != 0;
	sim_map_host_state(map, &state);
}

static void do_power(struct sim_map *map, const struct provider_op *op, struct sim_verdict *v)
{
	const struct provider_host *h = sim_map_host(map, op->host);
	struct provider_host_state state;

	if (!h) {
		refuse(v, PROVIDER_WHY_NO_HOST, "no host %u", op->host);
		return;
	}
	if (!map->chassis->can.power) {
		refuse(v, PROVIDER_WHY_UNSUPPORTED, "this switch turns nobody on or off");
		return;
	}
	state = h->state;
	state.power = state.link = op->value != 0;
	sim_map_host_state(map, &state);
}

/* A function of @adapter, @f aside, that is bound to another host than @f is; 0: none. */
static uint32_t blast_victim(const struct sim_map *map, const struct provider_function *f,
			     const struct provider_adapter *a)
{
	if (map->bound[a->handle - 1] == (f->now.host != 0))
		return 0;
	for (uint32_t i = 0; i < a->function_count; i++) {
		const struct provider_function *other = &map->functions[a->first_function + i - 1];
		bool is_hit = !f->flr ||
			      (other->kind == PROVIDER_FUNCTION_VF && !f->vf && other->pf == f->pf);

		if (is_hit && other != f && other->now.host && other->now.host != f->now.host)
			return other->handle;
	}
	return 0;
}

static void do_reset(struct sim_map *map, const struct provider_op *op, struct sim_verdict *v)
{
	static const struct identity none;
	struct provider_function *f = sim_map_function(map, op->function);
	struct provider_adapter *a;

	if (!f) {
		refuse(v, PROVIDER_WHY_NO_FUNCTION, "no function %u", op->function);
		return;
	}
	a = adapter_of(map, f);
	if (map->slots[f->adapter - 1].out || map->slots[f->adapter - 1].off) {
		refuse(v, PROVIDER_WHY_NO_FUNCTION, "the card is not there, or has no power");
		return;
	}
	if (blast_victim(map, f, a)) {
		refuse(v, PROVIDER_WHY_BLAST, "it would hit function %u", blast_victim(map, f, a));
		return;
	}
	if (f->vf)
		return;
	/* Its VFs are destroyed. The switch enables as many again, with nothing in them. */
	for (uint32_t i = 0; i < a->function_count; i++) {
		const struct provider_function *other = &map->functions[a->first_function + i - 1];

		if (other->vf && (other->pf == f->pf || !f->flr))
			sim_map_identify(map, other->handle, &none);
	}
}

static void do_identity(struct sim_map *map, const struct provider_op *op, struct sim_verdict *v)
{
	const struct provider_function *f = sim_map_function(map, op->function);
	const struct identity *id = &op->identity;

	if (!f)
		refuse(v, PROVIDER_WHY_NO_FUNCTION, "no function %u", op->function);
	else if (refuse_absent(map, f, v))
		return;
	else if (is_kept(map, f))
		refuse(v, PROVIDER_WHY_KEPT, "the adapter is shared; its keeper has this function");
	else if ((id->mac || id->vlan) && !(f->identity_can & PROVIDER_IDENTITY_MAC))
		refuse(v, PROVIDER_WHY_IDENTITY, "it has no MAC address and no VLAN");
	else if ((id->wwpn || id->wwnn) && !(f->identity_can & PROVIDER_IDENTITY_WWN))
		refuse(v, PROVIDER_WHY_IDENTITY, "it has no world wide names");
	else if (map->chassis->checks_identity && index_find_other(map, op->function, id))
		refuse(v, PROVIDER_WHY_IDENTITY, "function %u carries it",
		       index_find_other(map, op->function, id));
	else
		sim_map_identify(map, op->function, id);
}

static void do_num_vfs(struct sim_map *map, const struct provider_op *op, struct sim_verdict *v)
{
	const struct provider_function *f = sim_map_function(map, op->function);

	if (!f || f->kind != PROVIDER_FUNCTION_PF)
		refuse(v, PROVIDER_WHY_NO_FUNCTION, "no PF %u", op->function);
	else if (op->value > adapter_of(map, f)->total_vfs)
		refuse(v, PROVIDER_WHY_NO_VF, "%u VFs of %u", op->value,
		       adapter_of(map, f)->total_vfs);
	else if (op->value == adapter_of(map, f)->num_vfs)
		return;
	else if (map->bound[f->adapter - 1])
		/* NumVFs may be written while VF Enable is off, which ends every VF. */
		refuse(v, PROVIDER_WHY_BLAST, "%u functions of the adapter are bound",
		       map->bound[f->adapter - 1]);
	else
		sim_map_enable_vfs(map, f->adapter, (uint16_t)op->value);
}

static void do_read(struct sim_map *map, const struct provider_op *op, struct sim_verdict *v)
{
	if (!op->value || op->value > PROVIDER_READ_MAX || !sim_map_function(map, op->function) ||
	    op->value - 1 > map->function_count - op->function)
		refuse(v, PROVIDER_WHY_NO_FUNCTION, "no functions %u .. %llu", op->function,
		       (unsigned long long)op->function + op->value - 1);
}

static void do_read_host(struct sim_map *map, const struct provider_op *op, struct sim_verdict *v)
{
	if (!sim_map_host(map, op->host))
		refuse(v, PROVIDER_WHY_NO_HOST, "no host %u", op->host);
}

static void do_nothing(struct sim_map *map, const struct provider_op *op, struct sim_verdict *v)
{
	(void)map;
	(void)op;
	(void)v;
}

static void do_slot(struct sim_map *map, const struct provider_op *op, struct sim_verdict *v)
{
	uint32_t adapter = sim_map_slot_find(map, op->switch_handle, op->port);
	struct sim_slot slot;

	if (!adapter) {
		refuse(v, PROVIDER_WHY_NO_FUNCTION, "switch %u port %u has no slot",
		       op->switch_handle, op->port);
		return;
	}
	slot = map->slots[adapter - 1];
	if (op->verb == PROVIDER_SLOT_ATTENTION)
		slot.attention = (uint8_t)op->value;
	else
		slot.off = !op->value;
	if (op->verb == PROVIDER_SLOT_POWER && op->value && slot.out)
		refuse(v, PROVIDER_WHY_NO_FUNCTION, "there is no card in the slot");
	else
		sim_map_slot(map, adapter, &slot);
}

static void (*const commands[PROVIDER_VERBS])(struct sim_map *, const struct provider_op *,
					      struct sim_verdict *) = {
	[PROVIDER_VERB_NONE] = do_nothing,   [PROVIDER_ISOLATE] = do_isolate,
	[PROVIDER_UNBIND] = do_unbind,       [PROVIDER_RESET] = do_reset,
	[PROVIDER_IDENTITY] = do_identity,   [PROVIDER_NUM_VFS] = do_num_vfs,
	[PROVIDER_BIND] = do_bind,           [PROVIDER_HOST_POWER] = do_power,
	[PROVIDER_READ] = do_read,           [PROVIDER_READ_HOST] = do_read_host,
	[PROVIDER_SETTLE] = do_nothing,      [PROVIDER_SLOT_POWER] = do_slot,
	[PROVIDER_SLOT_ATTENTION] = do_slot,
};

void sim_map_apply(struct sim_map *map, const struct provider_op *op, struct sim_verdict *verdict)
{
	*verdict = (struct sim_verdict){ .outcome = PROVIDER_DONE };
	if ((unsigned)op->verb >= PROVIDER_VERBS)
		refuse(verdict, PROVIDER_WHY_UNSUPPORTED, "unknown command");
	else
		commands[op->verb](map, op, verdict);
}
