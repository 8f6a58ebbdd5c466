/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "topology/kind.h"

#include <stdio.h>

/* PCI Code and ID Assignment 1.11. The row with the sub-class, else the one for the whole class. */
static const struct {
	uint16_t class_code;
	bool whole; /* any sub-class of this base class */
	const char *text;
} kinds[] = {
	{ 0x0100, false, "SCSI controller" },
	{ 0x0101, false, "IDE controller" },
	{ 0x0104, false, "RAID controller" },
	{ 0x0106, false, "SATA controller" },
	{ 0x0107, false, "SAS controller" },
	{ 0x0108, false, "NVMe controller" },
	{ 0x0100, true, "storage controller" },
	{ 0x0200, false, "Ethernet controller" },
	{ 0x0207, false, "InfiniBand controller" },
	{ 0x0200, true, "network controller" },
	{ 0x0300, false, "VGA controller" },
	{ 0x0302, false, "3D controller" },
	{ 0x0300, true, "display controller" },
	{ 0x0403, false, "audio device" },
	{ 0x0400, true, "multimedia device" },
	{ 0x0502, false, "CXL memory" },
	{ 0x0500, true, "memory controller" },
	{ 0x0600, false, "host bridge" },
	{ 0x0601, false, "ISA bridge" },
	{ 0x0604, false, "PCI bridge" },
	{ 0x0607, false, "CardBus bridge" },
	{ 0x0600, true, "bridge" },
	{ 0x0700, true, "communication controller" },
	{ 0x0806, false, "IOMMU" },
	{ 0x0800, true, "system peripheral" },
	{ 0x0900, true, "input device" },
	{ 0x0b00, true, "processor" },
	{ 0x0c03, false, "USB controller" },
	{ 0x0c04, false, "Fibre Channel controller" },
	{ 0x0c05, false, "SMBus" },
	{ 0x0c00, true, "serial bus controller" },
	{ 0x0d00, true, "wireless controller" },
	{ 0x1000, true, "encryption controller" },
	{ 0x1100, true, "signal processing" },
	{ 0x1200, true, "accelerator" },
	{ 0x1300, true, "instrumentation" },
};

static const char *class_text(uint16_t class_code)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		uint16_t mask = kinds[i].whole ? 0xff00 : 0xffff;

		if ((class_code & mask) == kinds[i].class_code)
			return kinds[i].text;
	}
	return NULL;
}

/* What the port is says more than that it is a bridge. */
static const char *port_text(const struct topo_function *f)
{
	if (!f->express.offset || f->header != TOPO_HEADER_BRIDGE)
		return NULL;
	switch (f->express.type) {
	case TOPO_ROOT_PORT:
		return "root port";
	case TOPO_UPSTREAM:
		return "switch upstream port";
	case TOPO_DOWNSTREAM:
		return "switch downstream port";
	case TOPO_PCIE_TO_PCI:
		return "PCIe-to-PCI bridge";
	case TOPO_PCI_TO_PCIE:
		return "PCI-to-PCIe bridge";
	case TOPO_ENDPOINT:
	case TOPO_LEGACY_ENDPOINT:
	case TOPO_RC_ENDPOINT:
	case TOPO_RC_EVENT_COLLECTOR:
	case TOPO_EXPRESS_UNKNOWN:
		break;
	}
	return NULL;
}

void topo_kind_format(const struct topo_function *f, char out[static 40])
{
	const char *text = port_text(f);

	if (!text && f->vendor == 0xffff && f->class_code == 0xffff)
		text = f->config_bytes ? "no answer" : "nothing known";
	if (!text)
		text = class_text(f->class_code);
	if (text)
		(void)snprintf(out, 40, "%s", text);
	else
		(void)snprintf(out, 40, "class %04x", f->class_code);
}
