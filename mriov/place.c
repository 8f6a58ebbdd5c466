/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mriov/place.h"

#include <inttypes.h>
#include <stdio.h>

int mr_fit(const struct mr_room *room, const struct mr_need *need, char *why, size_t why_size)
{
	if (need->buses > room->buses) {
		(void)snprintf(why, why_size, "needs %u bus numbers, a vport has %u", need->buses,
			       room->buses);
		return REFUSE_HOST_BUSES;
	}
	if (need->window_bytes > room->window_bytes) {
		(void)snprintf(why, why_size,
			       "needs %" PRIu64 " KiB of memory space, a vport has %" PRIu64 " KiB",
			       need->window_bytes >> 10, room->window_bytes >> 10);
		return REFUSE_HOST_BUSES;
	}
	return 0;
}

int mr_vport_choose(bool (*is_taken)(const void *host, uint16_t vport), const void *host,
		    uint16_t vports, uint16_t wanted, uint16_t *out)
{
	if (vports > MR_VPORTS_MAX)
		vports = MR_VPORTS_MAX;
	if (wanted > vports)
		return REFUSE_NO_VPORT;
	if (wanted && is_taken(host, wanted))
		return REFUSE_VPORT_TAKEN;
	if (wanted) {
		*out = wanted;
		return 0;
	}
	for (uint16_t v = 1; v <= vports; v++)
		if (!is_taken(host, v)) {
			*out = v;
			return 0;
		}
	return REFUSE_HOST_FULL;
}

int mr_identity_check(bool can_mac, bool can_wwn, const struct identity *identity,
		      const char **field)
{
	const struct {
		bool is_bad;
		const char *field;
	} checks[] = {
		{ identity->mac && !can_mac, "identity/mac" },
		{ identity->vlan && !can_mac, "identity/vlan" },
		{ identity->wwpn && !can_wwn, "identity/wwpn" },
		{ identity->wwnn && !can_wwn, "identity/wwnn" },
	};

	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++)
		if (checks[i].is_bad) {
			*field = checks[i].field;
			return REFUSE_IDENTITY_KIND;
		}
	return 0;
}
