/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An adapter made from a real device's configuration space. */
#pragma once

#include "sim/chassis.h"
#include "topology/address.h"

/**
 * sim_capture_device() - fill @adapter in from the bytes of one function
 * @bytes: copied
 * @why: SIM_CHASSIS_WHY bytes
 *
 * Ids, class, SR-IOV capability, function-level reset and the link's best come from the capture;
 * NumVFs from it too, where VFs were enabled. Sizes of BARs do not stand in a capture: each is as
 * large as the alignment of its address allows, 4 KiB .. 1 MiB.
 * Return: 0, -ENOMEM, or REFUSE_FIELD: not an endpoint.
 */
MUST_USE int sim_capture_device(struct sim_adapter *adapter, const uint8_t *bytes, size_t length,
				char *why);
/* Reads the function at @address from the capture at @path. -errno with @why when it cannot. */
MUST_USE int sim_capture_read(const char *path, const struct topo_address *address,
			      struct sim_adapter *adapter, char *why);
