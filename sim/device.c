/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/device.h"

#include <string.h>

#define KIB 1024ull
#define MIB (1024 * KIB)

/* The ids are those of real cards, so that a host's tools know what they look at; that a model
 * behaves as its card does is claimed for the fields of its SR-IOV capability alone. */
static const struct sim_device devices[] = {
	{
		.name = "ethernet",
		.model = "82599-like 10GbE",
		.class_code = 0x020000,
		.vendor = 0x8086,
		.device = 0x10fb,
		.subvendor = 0x8086,
		.subdevice = 0x000c,
		.revision = 1,
		.mode = PROVIDER_ADAPTER_SRIOV,
		.vf_device = 0x10ed,
		.first_vf_offset = 128,
		.vf_stride = 2,
		.total_vfs = 64,
		.identity_can = PROVIDER_IDENTITY_MAC | PROVIDER_IDENTITY_ENFORCED,
		.flr = true,
		.width = 8,
		.mtps = 5000,
		.bars = { { 512 * KIB, true, true },
			  { 0 },
			  { 0 },
			  { 0 },
			  { 16 * KIB, true, true } },
		.vf_bars = { { 16 * KIB, true, true }, { 0 }, { 0 }, { 16 * KIB, true, true } },
	},
	{
		.name = "ethernet-plain",
		.model = "82574-like 1GbE",
		.class_code = 0x020000,
		.vendor = 0x8086,
		.device = 0x10d3,
		.subvendor = 0x8086,
		.subdevice = 0xa01f,
		.mode = PROVIDER_ADAPTER_PLAIN,
		.identity_can = PROVIDER_IDENTITY_MAC,
		.width = 1,
		.mtps = 2500,
		.bars = { { .bytes = 128 * KIB },
			  { .bytes = 512 * KIB },
			  { 0 },
			  { .bytes = 16 * KIB } },
	},
	{
		.name = "ethernet-mra",
		.model = "multi-root aware 10GbE (modelled)",
		.class_code = 0x020000,
		.vendor = 0x17d5, /* Neterion: the one maker that left traces of such a card */
		.device = 0x5833,
		.subvendor = 0x17d5,
		.subdevice = 0x6030,
		.revision = 1,
		.mode = PROVIDER_ADAPTER_MRA,
		.vf_device = 0x5833,
		.first_vf_offset = 1,
		.vf_stride = 1,
		.total_vfs = 0,
		.identity_can = PROVIDER_IDENTITY_MAC | PROVIDER_IDENTITY_ENFORCED,
		.flr = true,
		.width = 8,
		.mtps = 5000,
		.bars = { { 1 * MIB, true, true }, { 0 }, { 64 * KIB, true, true } },
		.vf_bars = { { 64 * KIB, true, true } },
	},
	{
		.name = "fc",
		.model = "QLogic-like 16G Fibre Channel",
		.class_code = 0x0c0400,
		.vendor = 0x1077,
		.device = 0x2031,
		.subvendor = 0x1077,
		.subdevice = 0x0241,
		.revision = 2,
		.mode = PROVIDER_ADAPTER_PLAIN,
		.identity_can = PROVIDER_IDENTITY_WWN | PROVIDER_IDENTITY_ENFORCED,
		.flr = true,
		.width = 8,
		.mtps = 8000,
		.bars = { { 16 * KIB, true, true }, { 0 }, { 1 * MIB, true, true } },
	},
	{
		.name = "fc-sriov",
		.model = "SR-IOV Fibre Channel",
		.class_code = 0x0c0400,
		.vendor = 0x1077,
		.device = 0x2031,
		.subvendor = 0x1077,
		.subdevice = 0x0241,
		.revision = 2,
		.mode = PROVIDER_ADAPTER_SRIOV,
		.vf_device = 0x2031,
		.first_vf_offset = 8,
		.vf_stride = 1,
		.total_vfs = 32,
		.identity_can = PROVIDER_IDENTITY_WWN | PROVIDER_IDENTITY_ENFORCED,
		.flr = true,
		.width = 8,
		.mtps = 8000,
		.bars = { { 16 * KIB, true, true }, { 0 }, { 1 * MIB, true, true } },
		.vf_bars = { { 16 * KIB, true, true } },
	},
	{
		.name = "nvme",
		.model = "NVMe SSD",
		.class_code = 0x010802,
		.vendor = 0x144d,
		.device = 0xa808,
		.subvendor = 0x144d,
		.subdevice = 0xa801,
		.mode = PROVIDER_ADAPTER_PLAIN,
		.flr = true,
		.width = 4,
		.mtps = 8000,
		.bars = { { 16 * KIB, true, false } },
	},
	{
		.name = "nvme-sriov",
		.model = "SR-IOV NVMe SSD",
		.class_code = 0x010802,
		.vendor = 0x144d,
		.device = 0xa824,
		.subvendor = 0x144d,
		.subdevice = 0xa809,
		.mode = PROVIDER_ADAPTER_SRIOV,
		.vf_device = 0xa824,
		.first_vf_offset = 1,
		.vf_stride = 1,
		.total_vfs = 32,
		.flr = true,
		.width = 4,
		.mtps = 16000,
		.bars = { { 32 * KIB, true, false } },
		.vf_bars = { { 32 * KIB, true, false } },
	},
	{
		.name = "gpu",
		.model = "NVIDIA-like GPU",
		.class_code = 0x030200,
		.vendor = 0x10de,
		.device = 0x1eb8,
		.subvendor = 0x10de,
		.subdevice = 0x12a2,
		.revision = 0xa1,
		.mode = PROVIDER_ADAPTER_PLAIN,
		.flr = false, /* its reset is the card's */
		.width = 16,
		.mtps = 8000,
		.bars = { { .bytes = 16 * MIB },
			  { 256 * MIB, true, true },
			  { 0 },
			  { 32 * MIB, true, true } },
	},
	{ 0 },
};

const struct sim_device *sim_device_list(void)
{
	return devices;
}

const struct sim_device *sim_device_find(const char *name)
{
	for (const struct sim_device *d = devices; d->name; d++)
		if (!strcmp(d->name, name))
			return d;
	return NULL;
}

uint64_t sim_device_window(const struct sim_bar *bars, unsigned copies)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < SIM_BARS; i++)
		bytes += bars[i].bytes * copies;
	return bytes;
}

uint16_t sim_device_buses(const struct sim_device *device, uint8_t pf, uint16_t num_vfs)
{
	if (!num_vfs)
		return 1;
	/* PCIe Base 5.0 §9.3.3.9: the last VF's routing ID, counted from the PF's bus. */
	return (uint16_t)(1 + ((pf + device->first_vf_offset +
				(uint32_t)(num_vfs - 1) * device->vf_stride) >>
			       8));
}
