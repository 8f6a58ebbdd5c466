/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MAC address and VLAN of a VF, set through the network interface of its PF by rtnetlink. The PF's
 * driver keeps them, and most check that the VF sends under no other.
 *
 * Source: linux/if_link.h, IFLA_VFINFO_LIST, IFLA_VF_MAC, IFLA_VF_VLAN.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/identity.h"

enum { VF_MAC_ANSWER_MAX = 65536 };

/* The request that sets both of VF @vf (0 .. here, as the kernel counts); an empty identity clears.
 */
void vf_mac_request(struct buf *out, uint32_t seq, uint32_t interface, uint32_t vf,
		    const struct identity *identity);

/**
 * vf_mac_parse() - what an RTM_NEWLINK message says of one VF
 * @bytes: one netlink message, with its header
 *
 * Return: 0; -EBADMSG; REFUSE_NO_VF when it tells nothing of that VF.
 */
MUST_USE int vf_mac_parse(const uint8_t *bytes, size_t length, uint32_t vf, struct identity *out);

/* Sets them and reads back; may wait for the driver. Return: 0; -errno; -EIO: they read otherwise.
 */
MUST_USE int vf_mac_set(uint32_t interface, uint32_t vf, const struct identity *identity);
MUST_USE int vf_mac_get(uint32_t interface, uint32_t vf, struct identity *out);
