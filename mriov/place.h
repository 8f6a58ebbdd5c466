/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What fits where: vports, bus numbers and memory windows of a host's virtual hierarchy, and which
 * identity which function can carry. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/identity.h"
#include "common/result.h"

enum { MR_VPORTS_MAX = 240 };

/* What one vport of a host reserves for the function behind it (facts of the provider's scan). */
struct mr_room {
	uint16_t buses;
	uint64_t window_bytes;
};

/* What a function needs there. A whole adapter's PF needs the buses of its VFs too:
 * ((PF_RID + offset + (NumVFs - 1) * stride) >> 8) + 1 of them. */
struct mr_need {
	uint16_t buses; /* at least 1 */
	uint64_t window_bytes;
};

/**
 * mr_fit() - does a function fit behind a vport?
 *
 * Return: 0 or REFUSE_HOST_BUSES, with @why (size @why_size) naming the figures.
 */
MUST_USE int mr_fit(const struct mr_room *room, const struct mr_need *need, char *why,
		    size_t why_size);

/**
 * mr_vport_choose() - a vport for a function
 * @taken: [1 .. vports]: whether it is taken or reserved
 * @wanted: 0: the lowest free one
 *
 * Return: 0; REFUSE_NO_VPORT, REFUSE_VPORT_TAKEN, REFUSE_HOST_FULL.
 */
MUST_USE int mr_vport_choose(bool (*is_taken)(const void *host, uint16_t vport), const void *host,
			     uint16_t vports, uint16_t wanted, uint16_t *out);

/**
 * mr_identity_check() - can the function carry all of @identity?
 * @can_mac, @can_wwn: what its kind carries
 * @field: set on refusal: "identity/mac", ...; static
 *
 * Return: 0 or REFUSE_IDENTITY_KIND.
 */
MUST_USE int mr_identity_check(bool can_mac, bool can_wwn, const struct identity *identity,
			       const char **field);
