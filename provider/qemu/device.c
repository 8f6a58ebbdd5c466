/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/qemu/device.h"

#include <string.h>

/* Ids and classes as QEMU 7.2 shows them behind a PCIe downstream port; igb came with 8.0. */
static const struct qemu_device devices[] = {
	{ "nvme", "nvme", "QEMU NVMe controller", QEMU_BACK_IMAGE, 0x010802, 0x1b36, 0x0010, 20,
	  16 },
	{ "virtio-blk", "virtio-blk-pci", "virtio block device", QEMU_BACK_IMAGE, 0x010000, 0x1af4,
	  0x1042, 20, 32 },
	{ "virtio-net", "virtio-net-pci", "virtio network adapter", QEMU_BACK_NET, 0x020000, 0x1af4,
	  0x1041, 0, 512 },
	{ "e1000e", "e1000e", "82574L-like network adapter", QEMU_BACK_NET, 0x020000, 0x8086,
	  0x10d3, 0, 1024 },
	{ "igb", "igb", "82576-like network adapter", QEMU_BACK_NET, 0x020000, 0x8086, 0x10c9, 0,
	  1024 },
	{ "usb", "qemu-xhci", "QEMU USB controller", QEMU_BACK_NONE, 0x0c0330, 0x1b36, 0x000d, 0,
	  16 },
};

static const struct qemu_netdev netdevs[] = {
	{ "user", "", true },
	{ "socket", " listen connect mcast ", false },
	{ "tap", " ifname ", false },
	{ "bridge", " br ", false },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const struct qemu_device *qemu_device_find(const char *model)
{
	for (size_t i = 0; i < COUNT(devices); i++)
		if (!strcmp(devices[i].model, model))
			return &devices[i];
	return NULL;
}

const struct qemu_device *qemu_device_find_type(const char *type)
{
	for (size_t i = 0; i < COUNT(devices); i++)
		if (!strcmp(devices[i].type, type))
			return &devices[i];
	return NULL;
}

const char *qemu_device_models(void)
{
	return "nvme, virtio-blk, virtio-net, e1000e, igb or usb";
}

const struct qemu_netdev *qemu_netdev_find(const char *type)
{
	for (size_t i = 0; i < COUNT(netdevs); i++)
		if (!strcmp(netdevs[i].type, type))
			return &netdevs[i];
	return NULL;
}
