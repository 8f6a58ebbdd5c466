/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kinds of adapters that QEMU emulates and that the pool may have: one line each. And the back
 * ends that network adapters may have.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What stands behind the adapter: its part outside the guest. */
enum qemu_back {
	QEMU_BACK_NONE,
	QEMU_BACK_IMAGE, /* a raw file; the adapter is known by its serial */
	QEMU_BACK_NET,   /* a netdev; the adapter is known by its MAC */
};

struct qemu_device {
	const char *model; /* in the chassis file */
	const char *type;  /* QEMU's */
	const char *label; /* for people */
	enum qemu_back back;
	uint32_t class_code;
	uint16_t vendor;
	uint16_t device;
	uint8_t serial_max;  /* bytes of a serial that the device takes; 0: it has none */
	uint32_t window_kib; /* memory that it needs below its vport */
};

/* NULL: no such model. */
const struct qemu_device *qemu_device_find(const char *model);
/* By QEMU's type, as the QOM tree names it. NULL: none that the pool may have. */
const struct qemu_device *qemu_device_find_type(const char *type);
/* The models' names for a refusal: "nvme, virtio-blk, ...". */
const char *qemu_device_models(void);

/* One kind of netdev, with the keys of the chassis file that it takes. */
struct qemu_netdev {
	const char *type;    /* in the chassis file and in QEMU */
	const char *options; /* keys of which just one is needed, each between spaces; "": none */
	bool can_restrict;   /* "restrict": the guest reaches nothing but the host; the default */
};

const struct qemu_netdev *qemu_netdev_find(const char *type);
