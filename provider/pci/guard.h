/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is a function of this machine in use, so that it must not be taken away?
 *
 * The kernel does not ask: it takes an NVMe controller from its driver under a mounted file system.
 * So mounts, swap, device mapper and interfaces that are up are followed down to the function.
 */
#pragma once

#include "provider/pci/sysfs.h"

enum guard_finding {
	GUARD_FREE,
	GUARD_BUSY,      /* it works for somebody: it may go if that is what is wanted */
	GUARD_PROTECTED, /* the machine itself stands on it: never */
};

enum { GUARD_WHY = 128 };

/**
 * guard_look() - what stands on @address
 * @why: set unless it is free: "/srv (nvme0n1p1) is mounted from it"
 *
 * Protected: bridges; what carries a mounted file system, swap, or a block device that another one
 * is built on, as the last path to it; the display that the firmware chose. Busy: a network
 * interface that is up or part of another one, or whose network namespace is not ours. A look at
 * a moment; what uses it raw, without a mount, is not seen. What cannot be looked at is protected.
 */
enum guard_finding guard_look(const struct sysfs *s, const struct topo_address *address,
			      char why[static GUARD_WHY]);
