/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "failover/reserve.h"

static const unsigned eight_in_two[] = { 4, 4 };
static const unsigned eight[] = { 8 };
static const unsigned three[] = { 2, 1 };

static void s12_the_fullest_host_goes_to_the_roomiest_spare(void **unused)
{
	const struct reserve_load loads[] = { { eight, 1 }, { three, 2 } };
	unsigned rooms[] = { 3, 8 };

	(void)unused;
	assert_int_equal(reserve_short(loads, 2, rooms, 2), 0);
}

static void s12_a_group_that_fits_nowhere_is_missing_as_a_whole(void **unused)
{
	const struct reserve_load loads[] = { { eight, 1 } };
	unsigned rooms[] = { 7, 7 };

	(void)unused;
	assert_int_equal(reserve_short(loads, 1, rooms, 2), 8);
}

static void s12_groups_of_one_host_share_what_one_spare_cannot_take(void **unused)
{
	const struct reserve_load loads[] = { { eight_in_two, 2 } };
	unsigned rooms[] = { 7, 4 };

	(void)unused;
	assert_int_equal(reserve_short(loads, 1, rooms, 2), 0);
}

static void s12_a_spare_takes_several_groups_of_one_host_and_of_no_other(void **unused)
{
	static const unsigned sizes[] = { 5, 2, 2 };
	const struct reserve_load loads[] = { { sizes, 3 }, { three, 2 } };
	unsigned rooms[] = { 8, 2 };

	(void)unused;
	/* 5 and 2 into the first, 2 into the second, and nothing is left for the other host. */
	assert_int_equal(reserve_short(loads, 2, rooms, 2), 3);
}

static void s12_a_group_may_take_the_last_room_of_a_spare(void **unused)
{
	static const unsigned sizes[] = { 5, 3, 2 };
	const struct reserve_load loads[] = { { sizes, 3 } };
	unsigned rooms[] = { 8, 2 };

	(void)unused;
	assert_int_equal(reserve_short(loads, 1, rooms, 2), 0);
}

static void s12_what_goes_first_gets_the_room(void **unused)
{
	static const unsigned sizes[] = { 2, 4 };
	const struct reserve_load loads[] = { { sizes, 2 } };
	unsigned rooms[] = { 4 };

	(void)unused;
	assert_int_equal(reserve_short(loads, 1, rooms, 1), 4);
}

static void s12_without_spares_all_is_missing(void **unused)
{
	const struct reserve_load loads[] = { { eight, 1 }, { three, 2 } };

	(void)unused;
	assert_int_equal(reserve_short(loads, 2, NULL, 0), 11);
	assert_int_equal(reserve_short(NULL, 0, NULL, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s12_the_fullest_host_goes_to_the_roomiest_spare),
		cmocka_unit_test(s12_a_group_that_fits_nowhere_is_missing_as_a_whole),
		cmocka_unit_test(s12_groups_of_one_host_share_what_one_spare_cannot_take),
		cmocka_unit_test(s12_a_spare_takes_several_groups_of_one_host_and_of_no_other),
		cmocka_unit_test(s12_a_group_may_take_the_last_room_of_a_spare),
		cmocka_unit_test(s12_what_goes_first_gets_the_room),
		cmocka_unit_test(s12_without_spares_all_is_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
