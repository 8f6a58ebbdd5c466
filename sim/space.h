/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration space of one modelled function: 4096 bytes of registers that are public,
 * to the bit. Of the multi-root capability (0x0011) only the header is known to the public; a base
 * function shows that header, as a marker, and nothing behind it.
 */
#pragma once

#include "sim/device.h"

struct sim_space {
	uint8_t bytes[SIM_CONFIG_BYTES];
	uint8_t last_cap;  /* where the chain of capabilities ends now; 0: it is empty */
	uint16_t last_ext; /* likewise, extended */
};

enum sim_bridge_type { SIM_BRIDGE_ROOT_PORT, SIM_BRIDGE_UPSTREAM, SIM_BRIDGE_DOWNSTREAM };

struct sim_range {
	uint64_t base;
	uint64_t bytes; /* 0: closed */
};

struct sim_bridge {
	enum sim_bridge_type type;
	uint16_t vendor;
	uint16_t device;
	uint8_t primary;
	uint8_t secondary;
	uint8_t subordinate;
	bool is_multi;           /* other functions of the same device follow */
	uint8_t port;            /* number, for Link Capabilities */
	struct sim_range memory; /* below 4 GiB, whole MiB */
	struct sim_range prefetchable;
	bool link; /* Data Link Layer Link Active */
	uint8_t width;
	uint8_t max_width;
	uint32_t mtps;
	uint32_t max_mtps;
	uint16_t slot;   /* Physical Slot Number; 0: no slot */
	uint8_t changed; /* SIM_SLOT_... of its slot */
};

struct sim_endpoint {
	const struct sim_device *device;
	const uint8_t *captured; /* registers of a real one, kept but for what the host decides */
	uint16_t captured_bytes;
	uint16_t device_id; /* as the host must see it */
	bool is_vf;
	bool is_bf;
	bool is_multi;
	uint8_t width;
	uint32_t mtps;
	uint64_t serial;            /* 0: none */
	uint64_t bars[SIM_BARS];    /* addresses; 0: not assigned */
	uint64_t vf_bars[SIM_BARS]; /* of a PF with VFs */
	uint16_t num_vfs;           /* enabled; of a PF */
	uint16_t first_vf_offset;
};

void sim_space_bridge(struct sim_space *space, const struct sim_bridge *bridge);
void sim_space_endpoint(struct sim_space *space, const struct sim_endpoint *endpoint);
/* How many of its bytes are known: all, but for one from a short capture. */
uint16_t sim_space_length(const struct sim_endpoint *endpoint);
