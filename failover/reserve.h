/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Room for the failures to come (S12): pure, numbers go in, a number comes out. */
#pragma once

#include <stddef.h>

/**
 * reserve_short() - what the spares lack if the fullest hosts fail
 * @loads: functions of each host, @load_count of them; sorted by this
 * @rooms: free vports of each empty spare, @room_count of them; sorted by this
 * @failures: so many hosts fail, none comes back
 *
 * A host goes to a spare as a whole, the fullest to the roomiest. Return: functions for which
 * there is no vport; 0: all of it fits.
 */
unsigned reserve_short(unsigned *loads, size_t load_count, unsigned *rooms, size_t room_count,
		       unsigned failures);
