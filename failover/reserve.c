/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "failover/reserve.h"

#include <stdlib.h>

static int compare_down(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a;
	unsigned y = *(const unsigned *)b;

	return x > y ? -1 : x < y;
}

unsigned reserve_short(unsigned *loads, size_t load_count, unsigned *rooms, size_t room_count,
		       unsigned failures)
{
	unsigned missing = 0;

	if (load_count)
		qsort(loads, load_count, sizeof(*loads), compare_down);
	if (room_count)
		qsort(rooms, room_count, sizeof(*rooms), compare_down);
	for (size_t i = 0; i < failures && i < load_count; i++) {
		unsigned room = i < room_count ? rooms[i] : 0;

		missing += loads[i] > room ? loads[i] - room : 0;
	}
	return missing;
}
