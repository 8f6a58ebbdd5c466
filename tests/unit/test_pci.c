/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <limits.h>
#include <sys/stat.h>

#include "provider/pci.h"

static char tree[] = "/tmp/fabric-test-pci-XXXXXX";
static struct topo_graph g;
static char reason[PROVIDER_PCI_REASON];

static void make_folder(const char *path)
{
	char whole[PATH_MAX];

	(void)snprintf(whole, sizeof(whole), "%s/%s", tree, path);
	assert_int_equal(mkdir(whole, 0700), 0);
}

static void make_config(const char *name, size_t length)
{
	char path[PATH_MAX];
	uint8_t bytes[TOPO_CONFIG_BYTES] = { 0x86, 0x80, 0x34, 0x12 };
	FILE *f;

	(void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s", name);
	make_folder(path);
	(void)snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/config", tree, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, length, f), length);
	assert_int_equal(fclose(f), 0);
}

static int setup(void **unused)
{
	(void)unused;
	(void)snprintf(tree, sizeof(tree), "/tmp/fabric-test-pci-XXXXXX");
	assert_non_null(mkdtemp(tree));
	make_folder("sys");
	make_folder("sys/bus");
	make_folder("sys/bus/pci");
	make_folder("sys/bus/pci/devices");
	memset(&g, 0, sizeof(g));
	return 0;
}

static int teardown(void **unused)
{
	char command[PATH_MAX];

	(void)unused;
	topo_graph_done(&g);
	(void)snprintf(command, sizeof(command), "rm -r %s", tree);
	return system(command);
}

static void saved_tree_is_read_in_order_of_address(void **unused)
{
	(void)unused;
	make_config("0000:02:00.0", 64);
	make_config("10000:e1:00.1", 4096);
	make_config("0000:00:1f.3", 256);

	assert_int_equal(provider_pci_load(tree, &g, reason), 0);

	assert_int_equal(g.count, 3);
	assert_int_equal(g.functions[0].address.device, 0x1f);
	assert_int_equal(g.functions[0].config_bytes, 256);
	assert_int_equal(g.functions[1].config_bytes, 64);
	assert_int_equal(g.functions[2].address.domain, 0x10000);
	assert_int_equal(g.functions[2].config_bytes, 4096);
	assert_int_equal(g.functions[2].device, 0x1234);
}

static void function_without_readable_bytes_has_none(void **unused)
{
	(void)unused;
	make_folder("sys/bus/pci/devices/0000:00:00.0");
	make_config("0000:00:01.0", 10);

	assert_int_equal(provider_pci_load(tree, &g, reason), 0);

	assert_int_equal(g.count, 2);
	assert_int_equal(g.functions[0].config_bytes, 0);
	assert_int_equal(g.functions[1].config_bytes, 0);
}

static void what_libpci_calls_an_error_is_a_result(void **unused)
{
	(void)unused;
	make_folder("sys/bus/pci/devices/nonsense");
	assert_int_equal(provider_pci_load(tree, &g, reason), REFUSE_FIELD);
	assert_non_null(strstr(reason, "nonsense"));
	topo_graph_done(&g);

	assert_int_equal(provider_pci_load("/nonexistent", &g, reason), REFUSE_FIELD);
	assert_non_null(strstr(reason, "/nonexistent"));
}

static void tree_can_be_read_after_a_failure(void **unused)
{
	(void)unused;
	assert_int_equal(provider_pci_load("/nonexistent", &g, reason), REFUSE_FIELD);
	make_config("0000:02:00.0", 64);

	assert_int_equal(provider_pci_load(tree, &g, reason), 0);

	assert_int_equal(g.count, 1);
}

static void name_that_is_too_long_is_refused(void **unused)
{
	char name[PATH_MAX + 1];

	(void)unused;
	memset(name, 'x', PATH_MAX);
	name[PATH_MAX] = '\0';

	assert_int_equal(provider_pci_load(name, &g, reason), REFUSE_FIELD);
}

int main(void)
{
#define PCI_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		PCI_TEST(saved_tree_is_read_in_order_of_address),
		PCI_TEST(function_without_readable_bytes_has_none),
		PCI_TEST(what_libpci_calls_an_error_is_a_result),
		PCI_TEST(tree_can_be_read_after_a_failure),
		PCI_TEST(name_that_is_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
