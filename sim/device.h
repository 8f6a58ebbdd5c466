/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Built-in models of adapters: what a card of a kind is, before it is plugged in. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "provider/provider.h"

enum {
	SIM_BARS = 6,
	SIM_CONFIG_BYTES = PROVIDER_CONFIG_BYTES,
};

struct sim_bar {
	uint64_t bytes; /* a power of two, at least 4 KiB; 0: none */
	bool is_64;     /* takes the next BAR too */
	bool is_prefetchable;
};

/* One adapter's functions are all of one device; a copy stands in each adapter, and may differ
 * from the built-in model there. */
struct sim_device {
	const char *name;  /* in a chassis file: "ethernet" */
	const char *model; /* for people */
	uint32_t class_code;
	uint16_t vendor;
	uint16_t device;
	uint16_t subvendor;
	uint16_t subdevice;
	uint8_t revision;
	enum provider_adapter_mode mode;
	uint16_t vf_device;
	uint16_t first_vf_offset;
	uint16_t vf_stride;
	uint16_t total_vfs;
	uint8_t identity_can; /* PROVIDER_IDENTITY_... */
	bool flr;
	uint8_t width; /* greatest link width, lanes */
	uint32_t mtps; /* greatest link speed, MT/s per lane */
	struct sim_bar bars[SIM_BARS];
	struct sim_bar vf_bars[SIM_BARS];
};

/* By @name; NULL if there is none. */
const struct sim_device *sim_device_find(const char *name);
/* All of them, ended by one without a name. */
const struct sim_device *sim_device_list(void);

/* Memory that one function with these BARs takes below a bridge: they are powers of two, so that
 * laid out from the largest to the smallest none is padded. @copies of each BAR (a PF's VF BARs
 * take one for each VF). */
uint64_t sim_device_window(const struct sim_bar *bars, unsigned copies);
/* Bus numbers behind a vport that shows the PF at 00.0 of the first and @num_vfs VFs; at least 1.
 */
uint16_t sim_device_buses(const struct sim_device *device, uint8_t pf, uint16_t num_vfs);
