/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Room for the failures to come (S12): pure, numbers go in, a number comes out. */
#pragma once

#include <stddef.h>

/* A host that fails: the sizes of the groups that it has, those that go first in front. */
struct reserve_load {
	const unsigned *sizes;
	size_t count;
};

/**
 * reserve_short() - what the spares lack if these hosts fail
 * @loads: the fullest first; none comes back
 * @rooms: free vports of each empty spare; used up by this
 *
 * A host goes as a whole to the roomiest spare, or, where that is too small, each group as a whole
 * to a spare that has taken another of them, or to the roomiest that is left. Return: functions for
 * which there is no vport; 0: all of it fits.
 */
unsigned reserve_short(const struct reserve_load *loads, size_t load_count, unsigned *rooms,
		       size_t room_count);
