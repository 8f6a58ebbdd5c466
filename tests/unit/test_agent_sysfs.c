/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/sysfs.h"
#include "agent_tree.h"

static int begin(void **state)
{
	struct tree *t = calloc(1, sizeof(*t));

	*state = t;
	tree_init(t);
	tree_function(t, "0000:00:00.0", "0x060000\n", "0x8086\n", "0x29c0\n", NULL);
	tree_function(t, "0000:02:01.0", "0x060400\n", "0x104c\n", "0x8233\n",
		      "../drivers/pcieport");
	tree_function(t, "0000:00:1f.2", "0x010601\n", "0x8086\n", "0x2922\n", "../drivers/ahci");
	tree_slot(t, "16", "0000:04:00\n");
	tree_slot(t, "16-1", "0000:05:00\n");
	tree_slot(t, "17", "0000:06:00\n");
	return 0;
}

static int end(void **state)
{
	tree_done(*state);
	free(*state);
	return 0;
}

static void functions_are_shown_and_bridges_are_not(void **state)
{
	struct tree *t = *state;
	OWNED(view_done) struct view view = { 0 };

	assert_int_equal(view_read(t->root, &view), 0);

	assert_int_equal(view.count, 1);
	assert_string_equal(view.rows[0].address, "0000:00:1f.2");
	assert_int_equal(view.rows[0].class_code, 0x0106);
	assert_int_equal(view.rows[0].vendor, 0x8086);
	assert_int_equal(view.rows[0].device, 0x2922);
	assert_string_equal(view.rows[0].driver, "ahci");
	assert_false(view.rows[0].has_slot);
}

static void an_nvme_disk_has_its_serial_and_its_slot_and_comes_first(void **state)
{
	struct tree *t = *state;
	OWNED(view_done) struct view view = { 0 };

	tree_nvme(t, "0000:06:00.0");
	assert_int_equal(view_read(t->root, &view), 0);

	assert_int_equal(view.count, 2);
	assert_string_equal(view.rows[0].address, "0000:06:00.0");
	assert_true(view.rows[0].has_slot);
	assert_int_equal(view.rows[0].slot, 17);
	assert_string_equal(view.rows[0].serial, "FAB0001");
	assert_ptr_equal(view_find(&view, "0000:06:00.0"), &view.rows[0]);
	assert_null(view_find(&view, "0000:06:00.1"));
}

static void interfaces_have_their_mac_and_carrier_also_below_virtio(void **state)
{
	static const struct {
		const char *carrier;
		enum agent_link link;
	} cases[] = { { "1\n", AGENT_LINK_UP }, { "0\n", AGENT_LINK_DOWN }, { "", 0 } };
	struct tree *t = *state;

	tree_function(t, "0000:04:00.0", "0x020000\n", "0x1af4\n", "0x1041\n",
		      "../drivers/virtio-pci");
	tree_file(t, "bus/pci/devices/0000:04:00.0/virtio3/net/eth1/address",
		  "02:fa:b0:00:00:01\n");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		OWNED(view_done) struct view view = { 0 };

		tree_file(t, "bus/pci/devices/0000:04:00.0/virtio3/net/eth1/carrier",
			  cases[i].carrier);
		assert_int_equal(view_read(t->root, &view), 0);
		assert_true(view.rows[0].mac == 0x02fab0000001);
		assert_int_equal(view.rows[0].link, cases[i].link);
		assert_int_equal(view.rows[0].slot, 16);
	}
}

static void a_fibre_channel_port_has_its_name(void **state)
{
	struct tree *t = *state;
	OWNED(view_done) struct view view = { 0 };

	tree_function(t, "0000:05:00.0", "0x0c0400\n", "0x1077\n", "0x2532\n", NULL);
	tree_file(t, "bus/pci/devices/0000:05:00.0/host7/fc_host/host7/port_name",
		  "0x5001438000000001\n");
	tree_file(t, "bus/pci/devices/0000:05:00.0/host7/fc_host/host7/port_state", "Online\n");
	assert_int_equal(view_read(t->root, &view), 0);

	assert_true(view.rows[0].wwpn == 0x5001438000000001);
	assert_int_equal(view.rows[0].link, AGENT_LINK_UP);
	assert_string_equal(view.rows[0].driver, "");
	assert_int_equal(view.rows[0].slot, 16); /* the kernel's second slot of that number */
}

static void what_is_no_text_does_not_leave_the_host_as_one(void **state)
{
	struct tree *t = *state;
	OWNED(view_done) struct view view = { 0 };

	tree_nvme(t, "0000:06:00.0");
	tree_file(t, "bus/pci/devices/0000:06:00.0/nvme/nvme0/serial", "A\xff\x01\"B\n");
	assert_int_equal(view_read(t->root, &view), 0);

	assert_string_equal(view.rows[0].serial, "A??\"B");
}

static void slots_are_found_by_function_and_by_number(void **state)
{
	struct tree *t = *state;
	char name[SYSFS_SLOT_MAX];
	char held[AGENT_ADDRESS_MAX];

	assert_int_equal(sysfs_slot_find(t->root, "0000:05:00.3", 0, name, held), 0);
	assert_string_equal(name, "16-1");
	assert_string_equal(held, "0000:05:00");
	assert_int_equal(sysfs_slot_find(t->root, "", 17, name, held), 0);
	assert_string_equal(name, "17");
	assert_int_equal(sysfs_slot_find(t->root, "", 99, name, held), -ENOENT);
	assert_int_equal(sysfs_slot_find(t->root, "0000:00:1f.2", 0, name, held), -ENOENT);
}

static void nodes_are_disks_their_partitions_and_interfaces(void **state)
{
	struct tree *t = *state;
	char nodes[SYSFS_NODES][SYSFS_NODE_MAX];
	char longest[80];

	tree_nvme(t, "0000:06:00.0");
	tree_file(t, "bus/pci/devices/0000:04:00.0/net/eth1/uevent", "INTERFACE=eth1\n");
	tree_file(t, "bus/pci/devices/0000:04:00.0/evil/uevent", "DEVNAME=../../etc/passwd\n");
	tree_file(t, "bus/pci/devices/0000:04:00.0/0000:05:00.0/x/uevent", "DEVNAME=sdz\n");
	(void)snprintf(longest, sizeof(longest), "DEVNAME=%058d\n", 0); /* and "/dev/", and NUL */
	tree_file(t, "bus/pci/devices/0000:05:00.0/a/uevent", longest);
	(void)snprintf(longest, sizeof(longest), "DEVNAME=%059d\n", 0);
	tree_file(t, "bus/pci/devices/0000:05:00.0/b/uevent", longest);

	assert_int_equal(sysfs_nodes(t->root, "0000:06:00.0", nodes), 2);
	assert_string_equal(nodes[0], "/dev/nvme0n1");
	assert_string_equal(nodes[1], "/dev/nvme0n1p1");
	assert_int_equal(sysfs_nodes(t->root, "0000:04:00.0", nodes), 1);
	assert_string_equal(nodes[0], "eth1");
	assert_int_equal(sysfs_nodes(t->root, "0000:05:00.0", nodes), 1); /* none is cut */
	assert_int_equal(strlen(nodes[0]), SYSFS_NODE_MAX - 1);
	assert_int_equal(sysfs_nodes(t->root, "0000:09:00.0", nodes), 0);
}

static void a_host_without_a_bus_says_so(void **state)
{
	OWNED(view_done) struct view view = { 0 };

	(void)state;
	assert_int_equal(view_read("/nowhere", &view), -ENOENT);
	assert_false(sysfs_function_is_there("/nowhere", "0000:00:00.0"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(functions_are_shown_and_bridges_are_not),
		TEST(an_nvme_disk_has_its_serial_and_its_slot_and_comes_first),
		TEST(interfaces_have_their_mac_and_carrier_also_below_virtio),
		TEST(a_fibre_channel_port_has_its_name),
		TEST(what_is_no_text_does_not_leave_the_host_as_one),
		TEST(slots_are_found_by_function_and_by_number),
		TEST(nodes_are_disks_their_partitions_and_interfaces),
		TEST(a_host_without_a_bus_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
