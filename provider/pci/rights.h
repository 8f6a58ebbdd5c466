/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What fabric-provider-pci may do beside what its user may. */
#pragma once

#include "common/result.h"

/**
 * pci_rights_drop() - give up, for good, all capabilities but those that are needed
 *
 * Kept, where they are there: CAP_SYS_ADMIN (all of configuration space, NVMe admin commands),
 * CAP_NET_ADMIN (MAC addresses of VFs, room for events), CAP_DAC_OVERRIDE (the socket's folder is
 * another user's). Without any of them it runs, and looks. Nothing that is started may have more.
 * Return: 0 or -errno.
 */
MUST_USE int pci_rights_drop(void);
