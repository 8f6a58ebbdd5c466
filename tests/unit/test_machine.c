/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "provider/machine.h"
#include "topology/capture.h"

static int take(const struct capture_device *device, void *arg)
{
	return topo_graph_add(arg, &device->address, device->bytes, device->length);
}

static void load(const char *path, struct topo_graph *g)
{
	struct capture_error error;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(capture_read(fd, take, g, &error), 0);
	(void)close(fd);
	assert_int_equal(topo_graph_link(g), 0);
}

static struct provider_scan *scan_of(const char *path)
{
	OWNED(topo_graph_done) struct topo_graph g = { 0 };
	struct provider_scan *scan = NULL;
	char why[PROVIDER_TEXT_MAX] = "";

	load(path, &g);
	assert_int_equal(provider_machine_scan(&g, &scan, why), 0);
	if (provider_scan_check(scan, why))
		fail_msg("%s: %s", path, why);
	return scan;
}

static void a_switch_its_ports_and_the_vfs_of_its_adapter_are_told(void **unused)
{
	OWNED(provider_scan_free)
	struct provider_scan *scan =
		scan_of(TEST_DATA "/captures/qemu72-x3130-nvme-sriov-vfs-on.lspci");
	const struct provider_adapter *a = NULL;
	size_t vfs = 0;

	(void)unused;
	for (size_t i = 0; i < scan->adapter_count; i++)
		if (!a && scan->adapters[i].mode == PROVIDER_ADAPTER_SRIOV)
			a = &scan->adapters[i];
	assert_non_null(a);
	assert_int_equal(a->class_code, 0x010802);
	assert_int_equal(a->num_vfs, 4);
	for (uint32_t h = a->first_function; h < a->first_function + a->function_count; h++)
		if (scan->functions[h - 1].kind == PROVIDER_FUNCTION_VF) {
			assert_int_equal(scan->functions[h - 1].vf, ++vfs);
			assert_int_equal(scan->functions[h - 1].vendor, 0x1b36);
			assert_int_equal(scan->functions[h - 1].device, 0x0010);
		}
	assert_int_equal(vfs, 4);
	assert_string_equal(scan->switches[0].name, "sw0");
	assert_int_equal(scan->host_count, 0);
}

static void a_machine_is_chassis_1_or_the_one_that_it_is_told_to_be(void **unused)
{
	OWNED(provider_scan_free)
	struct provider_scan *scan =
		scan_of(TEST_DATA "/captures/qemu10-nested-switch-igb-vfs-on.lspci");
	static const char *const none[] = { "", "0", "-1", "65536", "1x", " 2" };
	char why[PROVIDER_TEXT_MAX];
	uint16_t number = 0;

	(void)unused;
	assert_in_range(scan->switch_count, 2, 100);
	assert_int_equal(scan->switches[1].chassis, 1);
	assert_int_equal(provider_machine_number_parse("65535", &number), 0);
	provider_machine_number(scan, number);
	for (size_t i = 0; i < scan->switch_count; i++)
		assert_int_equal(scan->switches[i].chassis, 65535);
	assert_int_equal(provider_scan_check(scan, why), 0);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_int_equal(provider_machine_number_parse(none[i], &number), -EINVAL);
}

static void a_switch_below_a_switch_is_its_peer(void **unused)
{
	OWNED(provider_scan_free)
	struct provider_scan *scan =
		scan_of(TEST_DATA "/captures/qemu10-nested-switch-igb-vfs-on.lspci");
	size_t links = 0;

	(void)unused;
	for (size_t i = 0; i < scan->port_count; i++)
		links += scan->ports[i].peer != 0;
	assert_int_equal(links, 2); /* both ends of one */
}

/* Every capture that there is, the real ones where they are at hand: none is too strange. */
static void every_capture_gives_a_scan_that_is_believed(void **unused)
{
	static const char *const folders[] = { TEST_DATA "/captures", TEST_CAPTURES "/real" };
	size_t files = 0;

	(void)unused;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		DIR *dir = opendir(folders[i]);
		const struct dirent *entry;

		while (dir && (entry = readdir(dir))) {
			char path[1024];

			if (!strstr(entry->d_name, ".lspci"))
				continue;
			(void)snprintf(path, sizeof(path), "%s/%s", folders[i], entry->d_name);
			provider_scan_free(scan_of(path));
			files++;
		}
		if (dir)
			(void)closedir(dir);
	}
	assert_true(files >= 3);
}

static void the_mark_changes_when_something_stands_elsewhere(void **unused)
{
	OWNED(topo_graph_done) struct topo_graph on = { 0 };
	OWNED(topo_graph_done) struct topo_graph again = { 0 };
	OWNED(topo_graph_done) struct topo_graph off = { 0 };

	(void)unused;
	load(TEST_DATA "/captures/qemu72-x3130-nvme-sriov-vfs-on.lspci", &on);
	load(TEST_DATA "/captures/qemu72-x3130-nvme-sriov-vfs-on.lspci", &again);
	load(TEST_DATA "/captures/qemu72-x3130-nvme-sriov-vfs-off.lspci", &off);
	assert_int_equal(provider_machine_mark(&on), provider_machine_mark(&again));
	assert_int_not_equal(provider_machine_mark(&on), provider_machine_mark(&off));
}

static void a_machine_with_too_many_switches_is_refused_with_the_reason(void **unused)
{
	OWNED(topo_graph_done) struct topo_graph g = { 0 };
	struct provider_scan *scan = NULL;
	char why[PROVIDER_TEXT_MAX] = "";
	uint8_t bridge[256] = { 0xb5, 0x10, 0x01, 0x87, 0, 0, 0x10, 0, 0, 0, 0x04, 0x06, 0, 0, 1 };

	(void)unused;
	bridge[0x34] = 0x40;
	bridge[0x40] = 0x10;
	for (uint8_t i = 0; i < PROVIDER_SWITCHES_MAX; i++) {
		struct topo_address upstream = { .domain = i };
		struct topo_address downstream = { .domain = i, .bus = 1 };

		bridge[0x18] = 0;
		bridge[0x19] = 1;
		bridge[0x1a] = 2;
		bridge[0x42] = TOPO_UPSTREAM << 4 | 2;
		assert_int_equal(topo_graph_add(&g, &upstream, bridge, sizeof(bridge)), 0);
		bridge[0x18] = 1;
		bridge[0x19] = bridge[0x1a] = 2;
		bridge[0x42] = TOPO_DOWNSTREAM << 4 | 2;
		assert_int_equal(topo_graph_add(&g, &downstream, bridge, sizeof(bridge)), 0);
	}
	assert_int_equal(topo_graph_link(&g), 0);
	assert_int_equal(g.switch_count, PROVIDER_SWITCHES_MAX);
	assert_int_equal(provider_machine_scan(&g, &scan, why), REFUSE_LIMIT);
	assert_string_equal(why, "more than 63 switches");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_switch_its_ports_and_the_vfs_of_its_adapter_are_told),
		cmocka_unit_test(a_machine_is_chassis_1_or_the_one_that_it_is_told_to_be),
		cmocka_unit_test(a_switch_below_a_switch_is_its_peer),
		cmocka_unit_test(every_capture_gives_a_scan_that_is_believed),
		cmocka_unit_test(the_mark_changes_when_something_stands_elsewhere),
		cmocka_unit_test(a_machine_with_too_many_switches_is_refused_with_the_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
