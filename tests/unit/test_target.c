/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "failover/target.h"

static const struct target_need need = { .vports = 4, .chassis = 1, .switch_handle = 1 };

static struct target_candidate spare(const char *name)
{
	return (struct target_candidate){ .name = name,
					  .spare = true,
					  .door_open = true,
					  .steady = true,
					  .reachable = true,
					  .free_vports = 8,
					  .chassis = 1,
					  .switch_handle = 1 };
}

static void s11_a_fit_spare_takes_over(void **unused)
{
	struct target_candidate c[] = { spare("bay15"), spare("bay16") };
	char why[256] = "x";

	(void)unused;
	c[0].spare = false;

	assert_int_equal(target_choose(c, 2, &need, why, sizeof(why)), 1);
	assert_string_equal(why, "");
}

static void s11_each_thing_that_is_missing_is_named(void **unused)
{
	struct target_candidate c[] = { spare("bay1"), spare("bay2"), spare("bay3"),
					spare("bay4"), spare("bay5"), spare("bay6") };
	char why[512];

	(void)unused;
	c[0].door_open = false;
	c[1].steady = false;
	c[2].used = 1;
	c[3].reachable = false;
	c[4].free_vports = 3;
	c[5].spare = false;

	assert_int_equal(target_choose(c, 6, &need, why, sizeof(why)), -1);
	assert_string_equal(why, "bay1 is not admitted to the fabric; "
				 "bay2 has not been alive for long enough; "
				 "bay3 holds functions already; "
				 "bay5 has too few free vports; "
				 "bay4 is not reached by every adapter");
	c[0].reachable = false;
	c[1].reachable = false;
	assert_int_equal(target_choose(c, 6, &need, why, sizeof(why)), -1);
	assert_string_equal(why, "bay3 holds functions already; "
				 "bay5 has too few free vports; "
				 "3 spares are not reached by every adapter");
}

static void s11_who_has_taken_over_for_the_host_before_goes_on(void **unused)
{
	struct target_candidate c[] = { spare("bay15"), spare("bay16"), spare("bay17") };
	char why[256];

	(void)unused;
	c[2].used = 4;
	c[2].ours = true;
	c[2].chassis = 2;

	assert_int_equal(target_choose(c, 3, &need, why, sizeof(why)), 2);
	c[2].free_vports = 3;
	assert_int_equal(target_choose(c, 3, &need, why, sizeof(why)), 0);
	assert_string_equal(why, "bay17 has too few free vports");
}

static void s11_a_warm_spare_comes_before_a_cold_one(void **unused)
{
	struct target_candidate c[] = { spare("bay1"), spare("bay2") };
	char why[256];

	(void)unused;
	c[0].cold = true;
	c[1].chassis = 2;

	assert_int_equal(target_choose(c, 2, &need, why, sizeof(why)), 1);
}

static void s11_a_cold_spare_need_not_beat_and_one_that_is_not_proved_off_must(void **unused)
{
	struct target_candidate c[] = { spare("bay1"), spare("bay2") };
	char why[256];

	(void)unused;
	c[0].silent = c[1].silent = true;
	c[0].steady = c[1].steady = false;
	c[1].cold = true;

	assert_int_equal(target_choose(c, 2, &need, why, sizeof(why)), 1);
	assert_string_equal(why, "bay1 does not beat, and is not proved off");
}

static void s11_its_own_chassis_comes_before_its_own_switch_before_the_name(void **unused)
{
	struct target_candidate c[] = { spare("bay1"), spare("bay2"), spare("bay10"),
					spare("bay3") };
	char why[256];

	(void)unused;
	c[0].chassis = 2;
	c[1].switch_handle = 2;

	assert_int_equal(target_choose(c, 4, &need, why, sizeof(why)), 3);
	assert_int_equal(target_choose(c, 3, &need, why, sizeof(why)), 2);
	assert_int_equal(target_choose(c, 2, &need, why, sizeof(why)), 1);
	assert_int_equal(target_choose(c, 1, &need, why, sizeof(why)), 0);
}

static void s11_a_switch_of_the_same_number_in_another_chassis_is_not_its_own(void **unused)
{
	struct target_candidate c[] = { spare("bay1"), spare("bay2") };
	char why[256];

	(void)unused;
	c[0].chassis = 2;
	c[0].switch_handle = 2;
	c[1].chassis = 2;

	assert_int_equal(target_choose(c, 2, &need, why, sizeof(why)), 0);
}

static void s11_exactly_enough_vports_are_enough(void **unused)
{
	struct target_candidate c = spare("bay1");
	char why[256];

	(void)unused;
	c.free_vports = 4;

	assert_int_equal(target_choose(&c, 1, &need, why, sizeof(why)), 0);
}

static void no_spare_at_all_is_said_so(void **unused)
{
	struct target_candidate c = spare("bay1");
	char why[256];

	(void)unused;
	c.spare = false;

	assert_int_equal(target_choose(&c, 1, &need, why, sizeof(why)), -1);
	assert_string_equal(why, "no host is a spare");
	assert_int_equal(target_choose(NULL, 0, &need, why, sizeof(why)), -1);
	assert_string_equal(why, "no host is a spare");
}

static void reasons_that_do_not_fit_are_cut(void **unused)
{
	struct target_candidate c[40];
	char why[64];

	(void)unused;
	for (int i = 0; i < 40; i++) {
		c[i] = spare("bay123");
		c[i].steady = false;
	}

	assert_int_equal(target_choose(c, 40, &need, why, sizeof(why)), -1);
	assert_int_equal(strlen(why), sizeof(why) - 1);
	assert_int_equal(target_choose(c, 40, &need, NULL, 0), -1);
}

static void nothing_is_written_behind_the_room_for_reasons(void **unused)
{
	struct target_candidate c[] = { spare("bay1"), spare("bay2"), spare("bay3"),
					spare("bay4") };
	struct {
		char why[8];
		char behind[256];
	} room;

	(void)unused;
	for (size_t i = 0; i < 3; i++)
		c[i].door_open = false;
	c[3].reachable = false;
	memset(&room, '#', sizeof(room));

	assert_int_equal(target_choose(c, 4, &need, room.why, sizeof(room.why)), -1);
	assert_string_equal(room.why, "bay1 is");
	for (size_t i = 0; i < sizeof(room.behind); i++)
		assert_int_equal(room.behind[i], '#');
}

static void s11_its_own_switch_comes_before_a_better_name(void **unused)
{
	struct target_candidate c[] = { spare("bay2"), spare("bay1") };
	char why[256];

	(void)unused;
	c[1].switch_handle = 2;

	assert_int_equal(target_choose(c, 2, &need, why, sizeof(why)), 0);
}

static void s11_in_another_chassis_the_name_decides_whatever_the_switch(void **unused)
{
	struct target_candidate c[] = { spare("bay2"), spare("bay1") };
	char why[256];

	(void)unused;
	c[0].chassis = 2;
	c[1].chassis = 2;
	c[1].switch_handle = 2;

	assert_int_equal(target_choose(c, 2, &need, why, sizeof(why)), 1);
}

static void of_equal_ones_the_first_is_chosen(void **unused)
{
	struct target_candidate c[] = { spare("bay1"), spare("bay1") };
	char why[256];

	(void)unused;
	assert_int_equal(target_choose(c, 2, &need, why, sizeof(why)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s11_a_fit_spare_takes_over),
		cmocka_unit_test(s11_who_has_taken_over_for_the_host_before_goes_on),
		cmocka_unit_test(s11_each_thing_that_is_missing_is_named),
		cmocka_unit_test(s11_a_warm_spare_comes_before_a_cold_one),
		cmocka_unit_test(
			s11_a_cold_spare_need_not_beat_and_one_that_is_not_proved_off_must),
		cmocka_unit_test(s11_its_own_chassis_comes_before_its_own_switch_before_the_name),
		cmocka_unit_test(s11_a_switch_of_the_same_number_in_another_chassis_is_not_its_own),
		cmocka_unit_test(s11_exactly_enough_vports_are_enough),
		cmocka_unit_test(no_spare_at_all_is_said_so),
		cmocka_unit_test(reasons_that_do_not_fit_are_cut),
		cmocka_unit_test(nothing_is_written_behind_the_room_for_reasons),
		cmocka_unit_test(s11_its_own_switch_comes_before_a_better_name),
		cmocka_unit_test(s11_in_another_chassis_the_name_decides_whatever_the_switch),
		cmocka_unit_test(of_equal_ones_the_first_is_chosen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
