/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "provider/pci/guard.h"
#include "sysfs_fixture.h"

#define DISK      "0000:03:00.0"
#define DISK_PATH "sys/devices/pci0000:00/" DISK
#define NET_PATH  "sys/devices/pci0000:00/0000:04:00.0"

static char why[GUARD_WHY];

static void device(const char *address, const char *class_code)
{
	char path[256];
	char target[256];

	kernel_folder("sys/devices/pci0000:00/%s", address);
	(void)snprintf(path, sizeof(path), "sys/devices/pci0000:00/%s/class", address);
	kernel_file(path, class_code);
	(void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s", address);
	(void)snprintf(target, sizeof(target), "../../../devices/pci0000:00/%s", address);
	kernel_link(path, target);
}

static void block(const char *path, const char *name, const char *numbers)
{
	char link[256];
	char target[256];

	kernel_folder("%s/holders", path);
	kernel_folder("sys/class/block");
	kernel_folder("sys/dev/block");
	(void)snprintf(target, sizeof(target), "%s/%s", kernel.tree, path);
	(void)snprintf(link, sizeof(link), "sys/class/block/%s", name);
	kernel_link(link, target);
	(void)snprintf(link, sizeof(link), "sys/dev/block/%s", numbers);
	kernel_link(link, target);
}

static void mounts(const char *text)
{
	kernel_folder("proc/1");
	kernel_file("proc/1/mountinfo", text);
}

static enum guard_finding look(const char *address)
{
	struct topo_address at = kernel_address(address);

	return guard_look(&kernel.s, &at, why);
}

static int setup(void **state)
{
	if (kernel_setup(state))
		return -1;
	device(DISK, "0x010802\n");
	device("0000:03:00.1", "0x010802\n");
	device("0000:04:00.0", "0x020000\n");
	block(DISK_PATH "/nvme/nvme0/nvme0n1", "nvme0n1", "259:0");
	block(DISK_PATH "/nvme/nvme0/nvme0n1/nvme0n1p1", "nvme0n1p1", "259:1");
	mounts("22 1 0:20 / /proc rw - proc proc rw\n");
	return 0;
}

static void function_that_nobody_uses_is_free(void **unused)
{
	(void)unused;

	assert_int_equal(look(DISK), GUARD_FREE);
	assert_int_equal(look("0000:04:00.0"), GUARD_FREE);
	assert_int_equal(look("0000:09:00.0"), GUARD_FREE);
}

static void disk_with_a_mounted_file_system_is_protected(void **unused)
{
	(void)unused;
	mounts("22 1 0:20 / /proc rw - proc proc rw\n"
	       "29 1 259:1 / /srv rw,relatime shared:1 - ext4 /dev/nvme0n1p1 rw\n");

	assert_int_equal(look(DISK), GUARD_PROTECTED);
	assert_string_equal(why, "/srv (nvme0n1p1) is mounted from it");
	/* its neighbour, whose address begins alike, is not */
	assert_int_equal(look("0000:03:00.1"), GUARD_FREE);
	assert_int_equal(look("0000:04:00.0"), GUARD_FREE);
}

static void file_system_with_numbers_of_its_own_is_found_by_its_source(void **unused)
{
	(void)unused;
	mounts("29 1 0:33 / /srv rw - btrfs /dev/nvme0n1p1 rw\n");

	assert_int_equal(look(DISK), GUARD_PROTECTED);
}

static void disk_below_a_mapped_device_is_protected(void **unused)
{
	(void)unused;
	block("sys/devices/virtual/block/dm-0", "dm-0", "253:0");
	block("sys/devices/virtual/block/dm-1", "dm-1", "253:1");
	kernel_folder("sys/devices/virtual/block/dm-0/slaves");
	kernel_folder("sys/devices/virtual/block/dm-1/slaves");
	kernel_link("sys/devices/virtual/block/dm-1/slaves/dm-0", "../../dm-0");
	kernel_link("sys/devices/virtual/block/dm-0/slaves/nvme0n1p1",
		    "../../../../pci0000:00/" DISK "/nvme/nvme0/nvme0n1/nvme0n1p1");
	mounts("29 1 253:1 / / rw - ext4 /dev/mapper/root rw\n");

	assert_int_equal(look(DISK), GUARD_PROTECTED);
	assert_string_equal(why, "/ (dm-1) is mounted from it");
}

static void disk_that_another_device_is_built_on_is_protected(void **unused)
{
	(void)unused;
	kernel_folder(DISK_PATH "/nvme/nvme0/nvme0n1/holders/md0");

	assert_int_equal(look(DISK), GUARD_PROTECTED);
	assert_string_equal(why, "md0 is built on it");
}

static void swap_protects(void **unused)
{
	(void)unused;
	kernel_file("proc/swaps", "Filename Type Size Used Priority\n"
				  "/dev/nvme0n1p1   partition 100 0 -2\n");

	assert_int_equal(look(DISK), GUARD_PROTECTED);
	assert_string_equal(why, "there is swap on it (nvme0n1p1)");
}

/* As the kernel shows a namespace that has several paths. */
static void shared_namespace(const char *other_state)
{
	kernel_folder("sys/devices/pci0000:00/0000:03:00.1/nvme/nvme1");
	kernel_file("sys/devices/pci0000:00/0000:03:00.1/nvme/nvme1/state", other_state);
	kernel_file(DISK_PATH "/nvme/nvme0/state", "live\n");
	block("sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme9n1", "nvme9n1", "259:9");
	kernel_link("sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0",
		    "../../../pci0000:00/" DISK "/nvme/nvme0");
	kernel_link("sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme1",
		    "../../../pci0000:00/0000:03:00.1/nvme/nvme1");
	mounts("29 1 259:9 / /srv rw - ext4 /dev/nvme9n1 rw\n");
}

static void last_path_to_a_mounted_namespace_is_protected(void **unused)
{
	(void)unused;
	shared_namespace("dead\n");

	assert_int_equal(look(DISK), GUARD_PROTECTED);
}

static void one_of_two_paths_is_free(void **unused)
{
	(void)unused;
	shared_namespace("live\n");

	assert_int_equal(look(DISK), GUARD_FREE);
	assert_int_equal(look("0000:03:00.1"), GUARD_FREE);
}

static void interface_that_is_up_is_busy(void **unused)
{
	char target[256];

	(void)unused;
	kernel_folder(NET_PATH "/net/eth0");
	kernel_folder("sys/class/net");
	(void)snprintf(target, sizeof(target), "%s/" NET_PATH "/net/eth0", kernel.tree);
	kernel_link("sys/class/net/eth0", target);
	kernel_file(NET_PATH "/net/eth0/flags", "0x1002\n");
	assert_int_equal(look("0000:04:00.0"), GUARD_FREE);

	kernel_file(NET_PATH "/net/eth0/flags", "0x1003\n");

	assert_int_equal(look("0000:04:00.0"), GUARD_BUSY);
	assert_string_equal(why, "network interface eth0 is up");
	kernel_file(NET_PATH "/net/eth0/flags", "0x1002\n");
	kernel_link(NET_PATH "/net/eth0/master", "../bond0");
	kernel_folder(NET_PATH "/net/bond0");
	assert_int_equal(look("0000:04:00.0"), GUARD_BUSY);
}

static void interface_in_another_namespace_is_busy(void **unused)
{
	(void)unused;
	kernel_folder(NET_PATH "/net");

	assert_int_equal(look("0000:04:00.0"), GUARD_BUSY);
}

static void bridges_and_the_display_are_protected(void **unused)
{
	(void)unused;
	device("0000:00:02.0", "0x060400\n");
	device("0000:00:03.0", "0x030000\n");
	assert_int_equal(look("0000:00:03.0"), GUARD_FREE);
	kernel_file("sys/devices/pci0000:00/0000:00:03.0/boot_vga", "1\n");

	assert_int_equal(look("0000:00:02.0"), GUARD_PROTECTED);
	assert_string_equal(why, "it is a bridge");
	assert_int_equal(look("0000:00:03.0"), GUARD_PROTECTED);
}

static void what_cannot_be_looked_at_is_protected(void **unused)
{
	(void)unused;
	kernel_remove("proc");

	assert_int_equal(look(DISK), GUARD_PROTECTED);
	assert_non_null(strstr(why, "cannot be read"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, kernel_teardown)
	const struct CMUnitTest tests[] = {
		TEST(function_that_nobody_uses_is_free),
		TEST(disk_with_a_mounted_file_system_is_protected),
		TEST(file_system_with_numbers_of_its_own_is_found_by_its_source),
		TEST(disk_below_a_mapped_device_is_protected),
		TEST(disk_that_another_device_is_built_on_is_protected),
		TEST(swap_protects),
		TEST(last_path_to_a_mounted_namespace_is_protected),
		TEST(one_of_two_paths_is_free),
		TEST(interface_that_is_up_is_busy),
		TEST(interface_in_another_namespace_is_busy),
		TEST(bridges_and_the_display_are_protected),
		TEST(what_cannot_be_looked_at_is_protected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
