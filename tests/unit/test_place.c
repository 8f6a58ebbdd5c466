/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mriov/place.h"

static bool below_three(const void *host, uint16_t vport)
{
	(void)host;
	return vport < 3;
}

static bool always(const void *host, uint16_t vport)
{
	(void)host;
	(void)vport;
	return true;
}

static void the_lowest_free_vport_is_chosen(void **unused)
{
	uint16_t vport = 0;

	(void)unused;
	assert_int_equal(mr_vport_choose(below_three, NULL, 4, 0, &vport), 0);
	assert_int_equal(vport, 3);
}

static void a_vport_that_is_asked_for_must_be_there_and_free(void **unused)
{
	uint16_t vport = 0;

	(void)unused;
	assert_int_equal(mr_vport_choose(below_three, NULL, 4, 5, &vport), REFUSE_NO_VPORT);
	assert_int_equal(mr_vport_choose(below_three, NULL, 4, 2, &vport), REFUSE_VPORT_TAKEN);
	assert_int_equal(mr_vport_choose(always, NULL, 240, 0, &vport), REFUSE_HOST_FULL);
	assert_int_equal(mr_vport_choose(below_three, NULL, 4, 4, &vport), 0);
	assert_int_equal(vport, 4);
}

static void what_does_not_fit_is_refused_with_its_figures(void **unused)
{
	const struct mr_room room = { .buses = 1, .window_bytes = 2 << 20 };
	const struct mr_need wide = { .buses = 17, .window_bytes = 1 << 20 };
	const struct mr_need large = { .buses = 1, .window_bytes = 4 << 20 };
	const struct mr_need small = { .buses = 1, .window_bytes = 2 << 20 };
	char why[128] = "";

	(void)unused;
	assert_int_equal(mr_fit(&room, &wide, why, sizeof(why)), REFUSE_HOST_BUSES);
	assert_string_equal(why, "needs 17 bus numbers, a vport has 1");
	assert_int_equal(mr_fit(&room, &large, why, sizeof(why)), REFUSE_HOST_BUSES);
	assert_string_equal(why, "needs 4096 KiB of memory space, a vport has 2048 KiB");
	assert_int_equal(mr_fit(&room, &small, why, sizeof(why)), 0);
}

static void an_ethernet_function_carries_no_wwn(void **unused)
{
	const struct identity fc = { .wwpn = 1 };
	const struct identity eth = { .mac = 2, .vlan = 3 };
	const char *field = NULL;

	(void)unused;
	assert_int_equal(mr_identity_check(true, false, &fc, &field), REFUSE_IDENTITY_KIND);
	assert_string_equal(field, "identity/wwpn");
	assert_int_equal(mr_identity_check(false, true, &eth, &field), REFUSE_IDENTITY_KIND);
	assert_string_equal(field, "identity/mac");
	assert_int_equal(mr_identity_check(true, false, &eth, &field), 0);
}

static void each_part_of_an_identity_is_refused_by_its_name(void **unused)
{
	static const struct {
		struct identity identity;
		const char *field;
		bool needs_mac;
	} rows[] = {
		{ { .mac = 1 }, "identity/mac", true },
		{ { .vlan = 1 }, "identity/vlan", true },
		{ { .wwpn = 1 }, "identity/wwpn", false },
		{ { .wwnn = 1 }, "identity/wwnn", false },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *field = NULL;
		bool mac = rows[i].needs_mac;

		assert_int_equal(mr_identity_check(!mac, mac, &rows[i].identity, &field),
				 REFUSE_IDENTITY_KIND);
		assert_string_equal(field, rows[i].field);
		assert_int_equal(mr_identity_check(mac, !mac, &rows[i].identity, &field), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lowest_free_vport_is_chosen),
		cmocka_unit_test(a_vport_that_is_asked_for_must_be_there_and_free),
		cmocka_unit_test(what_does_not_fit_is_refused_with_its_figures),
		cmocka_unit_test(an_ethernet_function_carries_no_wwn),
		cmocka_unit_test(each_part_of_an_identity_is_refused_by_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
