/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "topology/name.h"

/* Names that are given away already; ended by NULL. */
static bool is_taken(const char *name, void *arg)
{
	for (const char **at = arg; *at; at++)
		if (!strcmp(*at, name))
			return true;
	return false;
}

static const char *adapter(const char *serial, const char **taken)
{
	static char out[TOPO_NAME_MAX];

	topo_name_adapter(0x020000, serial, "sw0-p12", is_taken, taken, out);
	return out;
}

static void the_kind_follows_the_class(void **unused)
{
	(void)unused;
	assert_string_equal(topo_name_kind(0x020000), "nic");
	assert_string_equal(topo_name_kind(0x028000), "nic");
	assert_string_equal(topo_name_kind(0x020700), "ib");
	assert_string_equal(topo_name_kind(0x0c0400), "fc");
	assert_string_equal(topo_name_kind(0x010802), "nvme");
	assert_string_equal(topo_name_kind(0x010700), "hba");
	assert_string_equal(topo_name_kind(0x030000), "gpu");
	assert_string_equal(topo_name_kind(0x030200), "gpu");
	assert_string_equal(topo_name_kind(0xff0000), "dev");
	assert_string_equal(topo_name_kind(0), "dev");
}

static void an_adapter_is_named_by_the_end_of_its_serial(void **unused)
{
	const char *none[] = { NULL };

	(void)unused;
	assert_string_equal(adapter("A0:36:9F:12:3F:A2", none), "nic-3fa2");
	assert_string_equal(adapter("A2", none), "nic-a2");
}

static void each_clash_takes_one_more_character(void **unused)
{
	const char *one[] = { "nic-3fa2", NULL };
	const char *two[] = { "nic-3fa2", "nic-93fa2", NULL };

	(void)unused;
	assert_string_equal(adapter("1293FA2", one), "nic-93fa2");
	assert_string_equal(adapter("1293FA2", two), "nic-293fa2");
}

static void without_a_serial_the_position_counts(void **unused)
{
	const char *none[] = { NULL };
	const char *taken[] = { "nic-sw0-p12", "nic-sw0-p12-2", NULL };

	(void)unused;
	assert_string_equal(adapter("", none), "nic-sw0-p12");
	assert_string_equal(adapter("---", none), "nic-sw0-p12");
	assert_string_equal(adapter("", taken), "nic-sw0-p12-3");
}

static void a_serial_that_is_taken_whole_gives_way_to_the_position(void **unused)
{
	const char *taken[] = { "nic-7a3f", "nic-17a3f", NULL };

	(void)unused;
	assert_string_equal(adapter("17A3F", taken), "nic-sw0-p12");
}

static void the_longest_parts_still_give_a_name(void **unused)
{
	const char *none[] = { NULL };
	char serial[200], position[200], out[TOPO_NAME_MAX];

	(void)unused;
	memset(serial, '-', sizeof(serial));
	memset(position, 'p', sizeof(position));
	serial[sizeof(serial) - 1] = position[sizeof(position) - 1] = '\0';
	topo_name_adapter(0x010802, serial, position, is_taken, none, out);
	assert_int_equal(strlen(out), 5 + 48);
	assert_memory_equal(out, "nvme-ppp", 8);
}

static void functions_hosts_and_ports_are_spelled_by_their_place(void **unused)
{
	char out[TOPO_NAME_MAX];

	(void)unused;
	topo_name_function("nic-3fa2", TOPO_NAME_VF, 0, 3, out);
	assert_string_equal(out, "nic-3fa2/pf0/vf3");
	topo_name_function("nic-3fa2", TOPO_NAME_PF, 1, 0, out);
	assert_string_equal(out, "nic-3fa2/pf1");
	topo_name_function("nic-3fa2", TOPO_NAME_BF, 0, 0, out);
	assert_string_equal(out, "nic-3fa2/bf");
	topo_name_function("gpu-1", TOPO_NAME_DEVICE, 2, 0, out);
	assert_string_equal(out, "gpu-1/f2");
	topo_name_in_chassis("bay7", 1, out);
	assert_string_equal(out, "bay7");
	topo_name_in_chassis("bay7", 2, out);
	assert_string_equal(out, "ch2/bay7");
	topo_name_port("sw0", 12, out);
	assert_string_equal(out, "sw0/p12");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kind_follows_the_class),
		cmocka_unit_test(an_adapter_is_named_by_the_end_of_its_serial),
		cmocka_unit_test(each_clash_takes_one_more_character),
		cmocka_unit_test(without_a_serial_the_position_counts),
		cmocka_unit_test(a_serial_that_is_taken_whole_gives_way_to_the_position),
		cmocka_unit_test(the_longest_parts_still_give_a_name),
		cmocka_unit_test(functions_hosts_and_ports_are_spelled_by_their_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
