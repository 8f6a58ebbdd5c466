/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Offsets and bits: PCIe Base 5.0 §7.5, §7.7, §7.8, §9.3.3; as Linux' pci_regs.h has them. */
#include "sim/space.h"

#include <string.h>

#include "sim/map.h"
#include "topology/decode.h"

enum {
	/* where the capabilities of a modelled function stand */
	AT_PM = 0x40,
	AT_MSIX = 0x50,
	AT_EXPRESS = 0x80,
	AT_AER = 0x100,
	AT_SERIAL = 0x148,
	AT_ARI = 0x158,
	AT_SRIOV = 0x160, /* as the 82599 has it */
	AT_ACS = 0x1a0,
	AT_DPC = 0x1b0,
	AT_MRIOV = 0x1c0,
	/* header */
	COMMAND = 0x04,
	STATUS = 0x06,
	HEADER_TYPE = 0x0e,
	BAR0 = 0x10,
	CAP_POINTER = 0x34,
	MEMORY_AND_MASTER = 0x0006,
	NO_INTX = 0x0400,
	HAS_CAPS = 0x0010,
	MULTI = 0x80,
	MIB = 1 << 20,
};

static void put8(struct sim_space *s, unsigned at, unsigned v)
{
	s->bytes[at] = (uint8_t)v;
}

static void put16(struct sim_space *s, unsigned at, unsigned v)
{
	put8(s, at, v);
	put8(s, at + 1, v >> 8);
}

static void put32(struct sim_space *s, unsigned at, uint32_t v)
{
	put16(s, at, v & 0xffff);
	put16(s, at + 2, v >> 16);
}

static unsigned get16(const struct sim_space *s, unsigned at)
{
	return s->bytes[at] | (unsigned)s->bytes[at + 1] << 8;
}

/* Links a capability in at the end of the chain. */
static void cap_add(struct sim_space *s, unsigned at, unsigned id)
{
	put8(s, s->last_cap ? s->last_cap + 1u : CAP_POINTER, at);
	put8(s, at, id);
	put8(s, at + 1, 0);
	put16(s, STATUS, get16(s, STATUS) | HAS_CAPS);
	s->last_cap = (uint8_t)at;
}

/* The chain of extended capabilities begins at 100. */
static void ext_add(struct sim_space *s, unsigned at, unsigned id, unsigned version)
{
	if (s->last_ext)
		put16(s, s->last_ext + 2u, (get16(s, s->last_ext + 2u) & 0xf) | at << 4);
	put16(s, at, id);
	put16(s, at + 2, version);
	s->last_ext = (uint16_t)at;
}

/* Speed code of a link; 1 = 2.5 GT/s. */
static unsigned speed_code(uint32_t mtps)
{
	unsigned code = 1;

	for (uint32_t at = 2500; code < 6 && at < mtps; code++)
		at = at == 5000 ? 8000 : at * 2;
	return code;
}

static void add_pm(struct sim_space *s)
{
	cap_add(s, AT_PM, 0x01);
	put16(s, AT_PM + 2, 0x0003); /* version 3 */
	put16(s, AT_PM + 4, 0x0008); /* D0, No_Soft_Reset */
}

/* What every express capability has; the link is the same at both ends. */
static void add_express(struct sim_space *s, unsigned type, uint32_t device_caps)
{
	cap_add(s, AT_EXPRESS, TOPO_CAP_EXPRESS);
	put16(s, AT_EXPRESS + 0x02, 2 | type << 4);
	put32(s, AT_EXPRESS + 0x04, 0x8001 | device_caps); /* role-based errors, 256 bytes */
	put16(s, AT_EXPRESS + 0x08, 0x2810);               /* 512-byte reads, relaxed ordering */
}

static void put_link(struct sim_space *s, uint32_t caps, bool link, unsigned max_width,
		     unsigned width, uint32_t max_mtps, uint32_t mtps)
{
	unsigned best = speed_code(max_mtps);

	put32(s, AT_EXPRESS + 0x0c, caps | best | max_width << 4);
	put16(s, AT_EXPRESS + 0x10, 0x0040); /* common clock */
	put16(s, AT_EXPRESS + 0x12,
	      0x1000 | (link ? speed_code(mtps) | width << 4 : 1)); /* slot clock */
	put32(s, AT_EXPRESS + 0x2c, ((1u << best) - 1) << 1);       /* all speeds up to the best */
	put16(s, AT_EXPRESS + 0x30, best);
}

static void add_aer(struct sim_space *s, uint32_t status)
{
	ext_add(s, AT_AER, TOPO_EXT_AER, 2);
	put32(s, AT_AER + 0x04, status);
	put32(s, AT_AER + 0x0c, 0x00462030); /* severities as reset leaves them */
	put32(s, AT_AER + 0x14, 0x00002000); /* advisory ones are masked */
	put32(s, AT_AER + 0x18, 0x000000a0); /* ECRC can be generated and checked */
}

/* bridges */

static void put_windows(struct sim_space *s, const struct sim_bridge *b)
{
	uint64_t last = b->memory.base + b->memory.bytes - MIB;

	put16(s, 0x1c, 0x01f1); /* no I/O window: base above limit */
	if (b->memory.bytes) {
		put16(s, 0x20, (unsigned)(b->memory.base >> 16) & 0xfff0);
		put16(s, 0x22, (unsigned)(last >> 16) & 0xfff0);
	} else {
		put16(s, 0x20, 0xfff0);
	}
	if (!b->prefetchable.bytes) {
		put16(s, 0x24, 0xfff1);
		put16(s, 0x26, 0x0001);
		return;
	}
	last = b->prefetchable.base + b->prefetchable.bytes - MIB;
	put16(s, 0x24, ((unsigned)(b->prefetchable.base >> 16) & 0xfff0) | 1);
	put16(s, 0x26, ((unsigned)(last >> 16) & 0xfff0) | 1);
	put32(s, 0x28, (uint32_t)(b->prefetchable.base >> 32));
	put32(s, 0x2c, (uint32_t)(last >> 32));
}

/* Presence, link and what changed of them; facts of the registers: PCIe Base 5.0 §7.5.3.9-11. */
static void put_slot(struct sim_space *s, const struct sim_bridge *b)
{
	unsigned changed = (b->changed & SIM_SLOT_ATTENTION ? 1u : 0u) |
			   (b->changed & SIM_SLOT_PDC ? 1u << 3 : 0u) |
			   (b->changed & SIM_SLOT_DLLSC ? 1u << 8 : 0u);

	put16(s, AT_EXPRESS + 0x02, get16(s, AT_EXPRESS + 0x02) | 1 << 8);
	/* attention button, both indicators, power controller, surprise, hot-plug; 25 W */
	put32(s, AT_EXPRESS + 0x14, 0x0000007b | 25u << 7 | (uint32_t)b->slot << 19);
	/* interrupts for what can happen; power indicator and power follow the card */
	put16(s, AT_EXPRESS + 0x18, 0x1029 | 3u << 6 | (b->link ? 1u << 8 : 3u << 8 | 1u << 10));
	put16(s, AT_EXPRESS + 0x1a, changed | (b->link ? 1u << 6 : 0));
}

static void put_port(struct sim_space *s, const struct sim_bridge *b)
{
	static const unsigned types[] = {
		[SIM_BRIDGE_ROOT_PORT] = TOPO_ROOT_PORT,
		[SIM_BRIDGE_UPSTREAM] = TOPO_UPSTREAM,
		[SIM_BRIDGE_DOWNSTREAM] = TOPO_DOWNSTREAM,
	};
	bool reports_link = b->type != SIM_BRIDGE_UPSTREAM;

	add_express(s, types[b->type], 0);
	put_link(s,
		 (reports_link ? 1u << 20 : 0) | (b->slot ? 1u << 19 : 0) | (uint32_t)b->port << 24,
		 b->link, b->max_width, b->width, b->max_mtps, b->mtps);
	if (reports_link && b->link)
		put16(s, AT_EXPRESS + 0x12, get16(s, AT_EXPRESS + 0x12) | 1 << 13);
	if (b->slot)
		put_slot(s, b);
	if (!reports_link)
		return;
	/* ARI forwarding: VFs stand at devices above 0 behind a port */
	put32(s, AT_EXPRESS + 0x24, 1 << 5);
	put16(s, AT_EXPRESS + 0x28, 1 << 5);
}

void sim_space_bridge(struct sim_space *space, const struct sim_bridge *bridge)
{
	struct sim_space *s = space;

	*s = (struct sim_space){ .last_cap = 0 };
	put16(s, 0x00, bridge->vendor);
	put16(s, 0x02, bridge->device);
	put16(s, COMMAND, MEMORY_AND_MASTER | NO_INTX);
	put16(s, 0x0a, 0x0604);
	put8(s, HEADER_TYPE, 1 | (bridge->is_multi ? MULTI : 0));
	put8(s, 0x18, bridge->primary);
	put8(s, 0x19, bridge->secondary);
	put8(s, 0x1a, bridge->subordinate);
	put_windows(s, bridge);
	add_pm(s);
	put_port(s, bridge);
	add_aer(s, bridge->changed & SIM_SLOT_SURPRISE ? 1u << 5 : 0);
	if (bridge->type == SIM_BRIDGE_UPSTREAM)
		return;
	ext_add(s, AT_ACS, TOPO_EXT_ACS, 1);
	put16(s, AT_ACS + 4, 0x005f);
	put16(s, AT_ACS + 6, 0x001d); /* what isolation needs: SV RR CR UF */
	ext_add(s, AT_DPC, TOPO_EXT_DPC, 1);
	put16(s, AT_DPC + 4, 0x1080); /* software trigger, DL_Active */
}

/* endpoints */

static void put_bars(struct sim_space *s, unsigned at, const struct sim_bar bars[SIM_BARS],
		     const uint64_t addresses[SIM_BARS])
{
	for (unsigned i = 0; i < SIM_BARS; i++) {
		const struct sim_bar *bar = &bars[i];
		uint32_t kind = (bar->is_64 ? 4u : 0) | (bar->is_prefetchable ? 8u : 0);

		if (!bar->bytes)
			continue;
		put32(s, at + 4 * i, (uint32_t)addresses[i] | kind);
		if (bar->is_64 && i + 1 < SIM_BARS)
			put32(s, at + 4 * i + 4, (uint32_t)(addresses[i] >> 32));
		i += bar->is_64;
	}
}

static void add_msix(struct sim_space *s, const struct sim_bar bars[SIM_BARS])
{
	unsigned bar = 0;

	while (bar < SIM_BARS && !bars[bar].bytes)
		bar++;
	if (bar == SIM_BARS)
		return;
	cap_add(s, AT_MSIX, 0x11);
	put16(s, AT_MSIX + 2, 0x8002); /* three vectors, enabled */
	put32(s, AT_MSIX + 4, (uint32_t)(bars[bar].bytes / 2) | bar);
	put32(s, AT_MSIX + 8, (uint32_t)(bars[bar].bytes / 4 * 3) | bar);
}

static void add_sriov(struct sim_space *s, const struct sim_endpoint *e)
{
	const struct sim_device *d = e->device;

	ext_add(s, AT_SRIOV, TOPO_EXT_SRIOV, 1);
	put32(s, AT_SRIOV + 0x04, 0x00000002); /* ARI Capable Hierarchy Preserved */
	put16(s, AT_SRIOV + 0x08, e->num_vfs ? 0x0019 : 0x0010); /* VF Enable, MSE, ARI */
	put16(s, AT_SRIOV + 0x0c, d->total_vfs); /* InitialVFs: the same without migration */
	put16(s, AT_SRIOV + 0x0e, d->total_vfs);
	put16(s, AT_SRIOV + 0x10, e->num_vfs);
	put16(s, AT_SRIOV + 0x14, e->first_vf_offset);
	put16(s, AT_SRIOV + 0x16, d->vf_stride);
	put16(s, AT_SRIOV + 0x1a, d->vf_device);
	put32(s, AT_SRIOV + 0x1c, 0x00000553);
	put32(s, AT_SRIOV + 0x20, 0x00000001);
	put_bars(s, AT_SRIOV + 0x24, d->vf_bars, e->vf_bars);
}

static void add_extended(struct sim_space *s, const struct sim_endpoint *e)
{
	add_aer(s, 0);
	if (e->serial && !e->is_vf) {
		ext_add(s, AT_SERIAL, TOPO_EXT_SERIAL, 1);
		put32(s, AT_SERIAL + 4, (uint32_t)e->serial);
		put32(s, AT_SERIAL + 8, (uint32_t)(e->serial >> 32));
	}
	if (e->device->mode != PROVIDER_ADAPTER_PLAIN)
		ext_add(s, AT_ARI, TOPO_EXT_ARI, 1);
	if (!e->is_vf && !e->is_bf && e->device->total_vfs)
		add_sriov(s, e);
	if (e->is_bf)
		ext_add(s, AT_MRIOV, TOPO_EXT_MRIOV, 1);
}

static void make_endpoint(struct sim_space *s, const struct sim_endpoint *e)
{
	const struct sim_device *d = e->device;
	const struct sim_bar *bars = e->is_vf ? d->vf_bars : d->bars;

	put16(s, 0x00, d->vendor);
	put16(s, COMMAND, MEMORY_AND_MASTER | NO_INTX);
	put8(s, 0x08, d->revision);
	put8(s, 0x09, d->class_code);
	put16(s, 0x0a, d->class_code >> 8);
	put16(s, 0x2c, d->subvendor);
	put16(s, 0x2e, d->subdevice);
	put_bars(s, BAR0, bars, e->bars);
	add_pm(s);
	add_msix(s, bars);
	add_express(s, TOPO_ENDPOINT, d->flr || e->is_vf ? 1u << 28 : 0);
	put_link(s, 0, true, d->width, e->width, d->mtps, e->mtps);
	add_extended(s, e);
}

/* What a host, not the maker, has written into a captured function's registers. */
static void adapt_captured(struct sim_space *s, const struct sim_endpoint *e)
{
	const struct sim_device *d = e->device;
	struct topo_function f = { 0 };
	unsigned at;

	memcpy(s->bytes, e->captured, sizeof(s->bytes));
	topo_decode(s->bytes, e->captured_bytes, &f);
	put16(s, COMMAND, MEMORY_AND_MASTER | NO_INTX);
	for (unsigned i = 0; i < SIM_BARS; i++)
		put32(s, BAR0 + 4 * i, 0);
	put32(s, 0x30, 0); /* expansion ROM */
	put_bars(s, BAR0, d->bars, e->bars);
	at = f.sriov.offset;
	if (!at || at + 0x40 > sizeof(s->bytes))
		return;
	put16(s, at + 0x08,
	      e->num_vfs ? get16(s, at + 0x08) | 0x0009 : get16(s, at + 0x08) & ~0x0009u);
	put16(s, at + 0x0c, d->total_vfs);
	put16(s, at + 0x0e, d->total_vfs);
	put16(s, at + 0x10, e->num_vfs);
	put16(s, at + 0x14, e->first_vf_offset);
	put16(s, at + 0x16, d->vf_stride);
	for (unsigned i = 0; i < SIM_BARS; i++)
		put32(s, at + 0x24 + 4 * i, 0);
	put_bars(s, at + 0x24, d->vf_bars, e->vf_bars);
}

void sim_space_endpoint(struct sim_space *space, const struct sim_endpoint *endpoint)
{
	*space = (struct sim_space){ .last_cap = 0 };
	if (endpoint->captured && !endpoint->is_vf)
		adapt_captured(space, endpoint);
	else
		make_endpoint(space, endpoint);
	put16(space, 0x02, endpoint->device_id);
	put8(space, HEADER_TYPE, endpoint->is_multi ? MULTI : 0);
}

uint16_t sim_space_length(const struct sim_endpoint *endpoint)
{
	return endpoint->captured && !endpoint->is_vf ? endpoint->captured_bytes : SIM_CONFIG_BYTES;
}
