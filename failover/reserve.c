/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "failover/reserve.h"

#include <stdbool.h>
#include <stdlib.h>

static int compare_down(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a;
	unsigned y = *(const unsigned *)b;

	return x > y ? -1 : x < y;
}

/* Spares that nobody uses yet begin at @free; those from @own on are this host's. */
struct spares {
	unsigned *rooms;
	size_t count;
	size_t own;
	size_t free;
};

static bool group_fits(struct spares *s, unsigned size)
{
	for (size_t i = s->own; i < s->free; i++) {
		if (s->rooms[i] < size)
			continue;
		s->rooms[i] -= size;
		return true;
	}
	if (s->free == s->count || s->rooms[s->free] < size)
		return false;
	s->rooms[s->free++] -= size;
	return true;
}

static unsigned load_short(struct spares *s, const struct reserve_load *load)
{
	unsigned missing = 0;
	unsigned all = 0;

	for (size_t i = 0; i < load->count; i++)
		all += load->sizes[i];
	s->own = s->free;
	if (group_fits(s, all))
		return 0;
	for (size_t i = 0; i < load->count; i++)
		if (!group_fits(s, load->sizes[i]))
			missing += load->sizes[i];
	return missing;
}

unsigned reserve_short(const struct reserve_load *loads, size_t load_count, unsigned *rooms,
		       size_t room_count)
{
	struct spares s = { .rooms = rooms, .count = room_count };
	unsigned missing = 0;

	if (room_count)
		qsort(rooms, room_count, sizeof(*rooms), compare_down);
	for (size_t i = 0; i < load_count; i++)
		missing += load_short(&s, &loads[i]);
	return missing;
}
