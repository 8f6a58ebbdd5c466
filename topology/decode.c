/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "topology/decode.h"

#include <string.h>

/* The bytes that are known; every read outside of them gives ones. */
struct config {
	const uint8_t *bytes;
	size_t length;
};

static uint8_t get8(const struct config *c, size_t at)
{
	return at < c->length ? c->bytes[at] : 0xff;
}

static uint16_t get16(const struct config *c, size_t at)
{
	return (uint16_t)(get8(c, at) | get8(c, at + 1) << 8);
}

static uint32_t get32(const struct config *c, size_t at)
{
	return get16(c, at) | (uint32_t)get16(c, at + 2) << 16;
}

static bool is_known(const struct config *c, size_t at, size_t size)
{
	return at + size <= c->length;
}

/* ---- header. PCIe Base 5.0 §7.5.1 ---- */

static enum topo_header decode_header_type(uint8_t type)
{
	switch (type & 0x7f) {
	case 0:
		return TOPO_HEADER_NORMAL;
	case 1:
		return TOPO_HEADER_BRIDGE;
	case 2:
		return TOPO_HEADER_CARDBUS;
	default:
		return TOPO_HEADER_UNKNOWN;
	}
}

static const struct topo_window window_closed = { .base = 1, .limit = 0 };

/* I/O: bits 15:12 in the byte, 31:16 in the upper half if the low nibble says 1; 4 KiB steps. */
static struct topo_window decode_io_window(const struct config *c)
{
	uint8_t base = get8(c, 0x1c);
	uint8_t limit = get8(c, 0x1d);
	struct topo_window w = { .base = (uint64_t)(base & 0xf0) << 8,
				 .limit = (uint64_t)(limit & 0xf0) << 8 | 0xfff };

	if ((base & 0x0f) == 1) {
		w.base |= (uint64_t)get16(c, 0x30) << 16;
		w.limit |= (uint64_t)get16(c, 0x32) << 16;
	}
	return w;
}

/* Memory: bits 31:20 in a 16-bit register; 1 MiB steps. */
static struct topo_window decode_memory_window(const struct config *c, size_t at)
{
	return (struct topo_window){
		.base = (uint64_t)(get16(c, at) & 0xfff0) << 16,
		.limit = (uint64_t)(get16(c, at + 2) & 0xfff0) << 16 | 0xfffff,
	};
}

static void decode_bridge(const struct config *c, struct topo_bridge *b)
{
	b->primary = get8(c, 0x18);
	b->secondary = get8(c, 0x19);
	b->subordinate = get8(c, 0x1a);
	b->control = get16(c, 0x3e);
	b->io = decode_io_window(c);
	b->memory = decode_memory_window(c, 0x20);
	b->prefetchable = decode_memory_window(c, 0x24);
	b->prefetchable_64 = (get16(c, 0x24) & 0x0f) == 1;
	if (b->prefetchable_64) {
		b->prefetchable.base |= (uint64_t)get32(c, 0x28) << 32;
		b->prefetchable.limit |= (uint64_t)get32(c, 0x2c) << 32;
	}
}

static void decode_cardbus(const struct config *c, struct topo_bridge *b)
{
	b->primary = get8(c, 0x18);
	b->secondary = get8(c, 0x19);
	b->subordinate = get8(c, 0x1a);
	b->control = get16(c, 0x3e);
	b->io = b->memory = b->prefetchable = window_closed;
}

static void decode_bars(const struct config *c, size_t count, struct topo_function *f)
{
	for (size_t i = 0; i < count; i++)
		f->bars[i] = get32(c, 0x10 + 4 * i);
}

static void decode_by_header(const struct config *c, struct topo_function *f)
{
	switch (f->header) {
	case TOPO_HEADER_NORMAL:
		decode_bars(c, 6, f);
		f->rom = get32(c, 0x30);
		f->subsystem_vendor = get16(c, 0x2c);
		f->subsystem_device = get16(c, 0x2e);
		break;
	case TOPO_HEADER_BRIDGE:
		decode_bars(c, 2, f);
		f->rom = get32(c, 0x38);
		decode_bridge(c, &f->bridge);
		break;
	case TOPO_HEADER_CARDBUS:
		decode_bars(c, 1, f);
		decode_cardbus(c, &f->bridge);
		break;
	case TOPO_HEADER_UNKNOWN:
		break;
	}
}

/* ---- PCI Express. PCIe Base 5.0 §7.5.3 ---- */

static enum topo_express_type decode_express_type(uint16_t flags)
{
	uint8_t type = flags >> 4 & 0xf;

	if (type == 2 || type == 3 || type > TOPO_RC_EVENT_COLLECTOR)
		return TOPO_EXPRESS_UNKNOWN;
	return (enum topo_express_type)type;
}

/* Ports with a link below them may have a slot; elsewhere the bit means nothing. */
static bool type_has_slot(enum topo_express_type type)
{
	return type == TOPO_ROOT_PORT || type == TOPO_DOWNSTREAM || type == TOPO_PCI_TO_PCIE;
}

static bool type_has_link(enum topo_express_type type)
{
	return type != TOPO_RC_ENDPOINT && type != TOPO_RC_EVENT_COLLECTOR;
}

/* Value times 1, 0.1, 0.01 or 0.001 W; three values from f0 on have a meaning of their own. */
static uint16_t decode_power_limit(uint32_t capabilities)
{
	static const uint32_t milliwatts[] = { 1000, 100, 10, 1 };
	static const uint16_t above[] = { 2500, 2750, 3000 };
	uint32_t value = capabilities >> 7 & 0xff;
	uint32_t scale = capabilities >> 15 & 3;

	if (!scale && value >= 0xf0)
		return value - 0xf0 < 3 ? above[value - 0xf0] : 0;
	return (uint16_t)(value * milliwatts[scale] / 100);
}

static void decode_slot(const struct config *c, size_t at, struct topo_slot *s)
{
	uint32_t capabilities = get32(c, at + 0x14);

	s->implemented = true;
	s->attention_button = capabilities & 1U << 0;
	s->power_controller = capabilities & 1U << 1;
	s->mrl_sensor = capabilities & 1U << 2;
	s->attention_indicator = capabilities & 1U << 3;
	s->power_indicator = capabilities & 1U << 4;
	s->hotplug_surprise = capabilities & 1U << 5;
	s->hotplug = capabilities & 1U << 6;
	s->power_limit_dw = decode_power_limit(capabilities);
	s->interlock = capabilities & 1U << 17;
	s->no_command_completed = capabilities & 1U << 18;
	s->number = (uint16_t)(capabilities >> 19);
	s->control = get16(c, at + 0x18);
	s->status = get16(c, at + 0x1a);
	s->presence = s->status & 1U << 6;
}

static void decode_link(const struct config *c, size_t at, struct topo_link *l)
{
	uint32_t capabilities = get32(c, at + 0x0c);
	uint16_t status = get16(c, at + 0x12);

	l->present = true;
	l->max_speed = capabilities & 0xf;
	l->max_width = capabilities >> 4 & 0x3f;
	l->active_reporting = capabilities & 1U << 20;
	l->speed = status & 0xf;
	l->width = status >> 4 & 0x3f;
	l->active = status & 1U << 13;
	l->disabled = get16(c, at + 0x10) & 1U << 4;
}

static void decode_express(const struct config *c, uint8_t at, struct topo_express *e)
{
	uint16_t flags = get16(c, at + 2U);
	uint32_t device = get32(c, at + 4U);

	e->offset = at;
	e->version = flags & 0xf;
	e->type = decode_express_type(flags);
	if (!is_known(c, at + 4U, 0x10))
		return;
	e->flr = device & 1U << 28;
	e->max_payload = (uint16_t)(128U << (device & 7));
	if (type_has_link(e->type)) {
		e->port = get8(c, at + 0x0fU);
		decode_link(c, at, &e->link);
	}
	if (type_has_slot(e->type) && flags & 1U << 8 && is_known(c, at + 0x14U, 8))
		decode_slot(c, at, &e->slot);
	if (e->version >= 2 && is_known(c, at + 0x24U, 6)) {
		e->ari_forwarding_capable = get32(c, at + 0x24U) & 1U << 5;
		e->ari_forwarding = get16(c, at + 0x28U) & 1U << 5;
	}
}

static void decode_caps(const struct config *c, struct topo_function *f)
{
	uint8_t at = get8(c, f->header == TOPO_HEADER_CARDBUS ? 0x14 : 0x34) & 0xfc;
	bool seen[256] = { false };

	while (at >= 0x40 && !seen[at] && is_known(c, at, 4)) {
		uint8_t id = get8(c, at);

		if (id == 0xff)
			break;
		seen[at] = true;
		f->caps[f->cap_count++] = (struct topo_cap){ .id = id, .offset = at };
		if (id == TOPO_CAP_EXPRESS && !f->express.offset)
			decode_express(c, at, &f->express);
		at = get8(c, at + 1U) & 0xfc;
	}
}

/* ---- extended capabilities: one function each, @at the capability's offset ---- */

/* PCIe Base 5.0 §7.8.4 */
static void decode_aer(const struct config *c, uint16_t at, struct topo_function *f)
{
	f->aer = (struct topo_aer){
		.uncorrectable_status = get32(c, at + 0x04U),
		.uncorrectable_mask = get32(c, at + 0x08U),
		.uncorrectable_severity = get32(c, at + 0x0cU),
		.correctable_status = get32(c, at + 0x10U),
		.correctable_mask = get32(c, at + 0x14U),
		.control = get32(c, at + 0x18U),
	};
}

static void decode_serial(const struct config *c, uint16_t at, struct topo_function *f)
{
	f->serial = get32(c, at + 4U) | (uint64_t)get32(c, at + 8U) << 32;
}

static void decode_acs(const struct config *c, uint16_t at, struct topo_function *f)
{
	f->acs_capability = get16(c, at + 4U);
	f->acs_control = get16(c, at + 6U);
}

static void decode_ari(const struct config *c, uint16_t at, struct topo_function *f)
{
	f->ari_capability = get16(c, at + 4U);
	f->ari_control = get16(c, at + 6U);
}

static void decode_ats(const struct config *c, uint16_t at, struct topo_function *f)
{
	f->ats_capability = get16(c, at + 4U);
	f->ats_control = get16(c, at + 6U);
}

static void decode_pasid(const struct config *c, uint16_t at, struct topo_function *f)
{
	f->pasid_capability = get16(c, at + 4U);
	f->pasid_control = get16(c, at + 6U);
}

/* PCIe Base 5.0 §7.9.15 */
static void decode_dpc(const struct config *c, uint16_t at, struct topo_function *f)
{
	f->dpc_capability = get16(c, at + 4U);
	f->dpc_control = get16(c, at + 6U);
	f->dpc_status = get16(c, at + 8U);
	f->dpc_source = get16(c, at + 0x0aU);
}

/* PCIe Base 5.0 §9.3.3 */
static void decode_sriov(const struct config *c, uint16_t at, struct topo_function *f)
{
	struct topo_sriov *s = &f->sriov;

	if (!is_known(c, at, 0x40))
		return;
	s->offset = at;
	s->capabilities = get32(c, at + 0x04U);
	s->control = get16(c, at + 0x08U);
	s->status = get16(c, at + 0x0aU);
	s->migration_capable = s->capabilities & 1;
	s->enabled = s->control & 1U << 0;
	s->migration_enable = s->control & 1U << 1;
	s->memory_enable = s->control & 1U << 3;
	s->ari_hierarchy = s->control & 1U << 4;
	s->initial_vfs = get16(c, at + 0x0cU);
	s->total_vfs = get16(c, at + 0x0eU);
	s->vfs.num_vfs = get16(c, at + 0x10U);
	s->dependency_link = get8(c, at + 0x12U);
	s->vfs.first_vf_offset = get16(c, at + 0x14U);
	s->vfs.vf_stride = get16(c, at + 0x16U);
	s->vf_device = get16(c, at + 0x1aU);
	s->supported_page_sizes = get32(c, at + 0x1cU);
	s->system_page_size = get32(c, at + 0x20U);
	for (size_t i = 0; i < 6; i++)
		s->bars[i] = get32(c, at + 0x24U + 4 * i);
	s->migration_array = get32(c, at + 0x3cU);
}

/* PCIe Base 5.0 §7.8.6: the first control register says how many pairs follow. */
static void decode_rebar(const struct config *c, uint16_t at, struct topo_function *f)
{
	uint32_t count = get32(c, at + 8U) >> 5 & 7;

	for (uint32_t i = 0; i < count && i < TOPO_REBARS && is_known(c, at + 4U + 8 * i, 8); i++) {
		uint32_t control = get32(c, at + 8U + 8 * i);

		f->rebars[f->rebar_count++] = (struct topo_rebar){
			.bar = control & 7,
			.size = control >> 8 & 0x3f,
			.sizes = get32(c, at + 4U + 8 * i) >> 4,
		};
	}
}

/* PCIe Base 5.0 §7.9.6; CXL 2.0 §8.1.1 gives the vendor and the ids. */
static void decode_dvsec(const struct config *c, uint16_t at, struct topo_function *f)
{
	uint16_t id = get16(c, at + 8U);

	if (get16(c, at + 4U) != 0x1e98 || id >= TOPO_CXL_DVSECS || f->cxl_dvsecs & 1U << id)
		return;
	f->cxl_dvsecs = (uint16_t)(f->cxl_dvsecs | 1U << id);
	f->cxl_dvsec_offset[id] = at;
}

static const struct {
	uint16_t id;
	bool each; /* every one of that id, not just the first */
	void (*decode)(const struct config *c, uint16_t at, struct topo_function *f);
} ext_decoders[] = {
	{ TOPO_EXT_AER, false, decode_aer },     { TOPO_EXT_SERIAL, false, decode_serial },
	{ TOPO_EXT_ACS, false, decode_acs },     { TOPO_EXT_ARI, false, decode_ari },
	{ TOPO_EXT_ATS, false, decode_ats },     { TOPO_EXT_SRIOV, false, decode_sriov },
	{ TOPO_EXT_REBAR, false, decode_rebar }, { TOPO_EXT_PASID, false, decode_pasid },
	{ TOPO_EXT_DPC, false, decode_dpc },     { TOPO_EXT_DVSEC, true, decode_dvsec },
};

static void decode_ext_cap(const struct config *c, uint16_t id, uint16_t at,
			   struct topo_function *f)
{
	for (size_t i = 0; i < sizeof(ext_decoders) / sizeof(*ext_decoders); i++) {
		if (ext_decoders[i].id != id)
			continue;
		if (ext_decoders[i].each || !topo_function_ext(f, id))
			ext_decoders[i].decode(c, at, f);
	}
}

static void ext_cap_add(const struct config *c, uint32_t header, uint16_t at,
			struct topo_function *f)
{
	uint16_t id = (uint16_t)header;

	decode_ext_cap(c, id, at, f);
	f->ext_caps[f->ext_cap_count++] =
		(struct topo_ext_cap){ .id = id, .offset = at, .version = header >> 16 & 0xf };
}

static void decode_ext_caps(const struct config *c, struct topo_function *f)
{
	bool seen[TOPO_CONFIG_BYTES / 4] = { false };
	uint16_t at = 0x100;

	while (at >= 0x100 && !seen[at / 4] && is_known(c, at, 4)) {
		uint32_t header = get32(c, at);

		if (!header || header == 0xffffffff)
			break;
		if (f->ext_cap_count == TOPO_EXT_CAPS) {
			f->ext_cap_cut = true;
			break;
		}
		seen[at / 4] = true;
		ext_cap_add(c, header, at, f);
		at = header >> 20 & 0xffc;
	}
}

/* ---- the whole ---- */

static void decode_common(const struct config *c, struct topo_function *f)
{
	f->vendor = get16(c, 0x00);
	f->device = get16(c, 0x02);
	f->command = get16(c, 0x04);
	f->status = get16(c, 0x06);
	f->revision = get8(c, 0x08);
	f->prog_if = get8(c, 0x09);
	f->class_code = get16(c, 0x0a);
	f->header = decode_header_type(get8(c, 0x0e));
	f->multi_function = f->header != TOPO_HEADER_UNKNOWN && get8(c, 0x0e) & 0x80;
}

void topo_decode(const uint8_t *bytes, size_t length, struct topo_function *out)
{
	struct config c = { .bytes = bytes,
			    .length = length < TOPO_CONFIG_BYTES ? length : TOPO_CONFIG_BYTES };
	struct topo_address address = out->address;

	memset(out, 0, sizeof(*out));
	out->address = address;
	out->config_bytes = (uint16_t)c.length;
	decode_common(&c, out);
	decode_by_header(&c, out);
	if (out->header == TOPO_HEADER_UNKNOWN || !(out->status & 1U << 4))
		return;
	decode_caps(&c, out);
	/* Only these two kinds of function have a second page. */
	if (out->express.offset || topo_function_cap(out, TOPO_CAP_PCIX))
		decode_ext_caps(&c, out);
}

uint8_t topo_function_cap(const struct topo_function *f, uint8_t id)
{
	for (size_t i = 0; i < f->cap_count; i++)
		if (f->caps[i].id == id)
			return f->caps[i].offset;
	return 0;
}

uint16_t topo_function_ext(const struct topo_function *f, uint16_t id)
{
	for (size_t i = 0; i < f->ext_cap_count; i++)
		if (f->ext_caps[i].id == id)
			return f->ext_caps[i].offset;
	return 0;
}

uint16_t topo_sriov_enabled_vfs(const struct topo_sriov *sriov)
{
	bool migrates = sriov->migration_capable && sriov->migration_enable;

	if (!sriov->offset || !sriov->enabled)
		return 0;
	if (!migrates && sriov->vfs.num_vfs > sriov->initial_vfs)
		return sriov->initial_vfs;
	return sriov->vfs.num_vfs;
}

uint16_t topo_speed_tenths(uint8_t code)
{
	static const uint16_t tenths[] = { 0, 25, 50, 80, 160, 320, 640 };

	return code < sizeof(tenths) / sizeof(*tenths) ? tenths[code] : 0;
}

const char *topo_express_type_text(enum topo_express_type type)
{
	switch (type) {
	case TOPO_ENDPOINT:
		return "endpoint";
	case TOPO_LEGACY_ENDPOINT:
		return "legacy-endpoint";
	case TOPO_ROOT_PORT:
		return "root-port";
	case TOPO_UPSTREAM:
		return "upstream";
	case TOPO_DOWNSTREAM:
		return "downstream";
	case TOPO_PCIE_TO_PCI:
		return "pcie-to-pci";
	case TOPO_PCI_TO_PCIE:
		return "pci-to-pcie";
	case TOPO_RC_ENDPOINT:
		return "rc-endpoint";
	case TOPO_RC_EVENT_COLLECTOR:
		return "rc-event-collector";
	case TOPO_EXPRESS_UNKNOWN:
		break;
	}
	return "unknown";
}

const char *topo_header_text(enum topo_header header)
{
	static const char *const texts[] = { [TOPO_HEADER_NORMAL] = "normal",
					     [TOPO_HEADER_BRIDGE] = "bridge",
					     [TOPO_HEADER_CARDBUS] = "cardbus",
					     [TOPO_HEADER_UNKNOWN] = "unknown" };

	return texts[header];
}
