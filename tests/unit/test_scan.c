/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A scan becomes records, each found by its name: several chassis side by side. */
#include "house_fixture.h"

static void two_chassis_of_one_number_do_not_share_a_record(void **state)
{
	struct house *h = *state;
	struct fabric_next next[FABRIC_NEXT_MAX];
	char why[DB_TEXT_MAX];

	h->one_number = true;
	reach_new(h, "bay", 8, true);
	usual(h);

	assert_false(health(h).ready);
	(void)snprintf(why, sizeof(why), "%s", health(h).detail);
	assert_non_null(strstr(why, "sw0 is a switch of provider"));
	assert_non_null(strstr(why, "a number of its own"));
	assert_int_equal(host(h, "bay1")->provider, 0);
	/* To adopt would be refused now, and help nothing. */
	assert_int_equal(fabric_health_next(h->fabric, next), 1);
	assert_non_null(strstr(next[0].when, "give it a \"number\" of its own in its chassis file"));
	assert_string_equal(next[0].command, "fabricctl health");
}

/* Its switches have other names. */
static void two_chassis_of_one_number_do_not_share_a_host_either(void **state)
{
	struct house *h = *state;
	struct sim_chassis *other = sim_chassis_new("safety");

	assert_non_null(sim_chassis_add_switch(other, "sw9"));
	assert_non_null(sim_chassis_add_host(other, "bay3", 1));
	h->one_number = true;
	reach_add_take(h, other);
	usual(h);

	assert_false(health(h).ready);
	assert_non_null(strstr(health(h).detail, "bay3 is a host of provider"));
	assert_int_equal(host(h, "bay3")->provider, 0);
}

static void switches_hosts_and_ports_of_a_second_chassis_have_its_number(void **state)
{
	struct house *h = *state;

	reach_new(h, "bay", 8, true);
	usual(h);

	assert_true(health(h).ready);
	assert_int_equal(fabric_switch_find(h->fabric, "sw0")->provider, 0);
	assert_int_equal(fabric_switch_find(h->fabric, "ch2/sw0")->provider, 1);
	assert_int_equal(fabric_port_find(h->fabric, "ch2/sw0/p1")->provider, 1);
	assert_string_equal(fabric_port_find(h->fabric, "ch2/sw0/p1")->attached, "ch2/bay1");
	assert_int_equal(host(h, "bay1")->provider, 0);
	assert_int_equal(host(h, "ch2/bay1")->provider, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, house_begin, house_end)
	const struct CMUnitTest tests[] = {
		TEST(two_chassis_of_one_number_do_not_share_a_record),
		TEST(two_chassis_of_one_number_do_not_share_a_host_either),
		TEST(switches_hosts_and_ports_of_a_second_chassis_have_its_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
