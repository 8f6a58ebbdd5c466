/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The columns of truth.tsv that the topology JSON has no place for: where the SR-IOV capability
 * stands, and how many bytes are known. The other columns: tests/scenario/test_topology_truth.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "topology/capture.h"
#include "topology/graph.h"

static const char *const folders[] = { TEST_DATA "/captures", TEST_CAPTURES "/real" };

static struct topo_graph g;
static char loaded[256]; /* the file that g holds */

static int take(const struct capture_device *device, void *arg)
{
	return topo_graph_add(arg, &device->address, device->bytes, device->length);
}

static void load(const char *folder, const char *file)
{
	char path[1024];
	struct capture_error error;
	int fd;

	if (!strcmp(loaded, file))
		return;
	topo_graph_done(&g);
	(void)snprintf(loaded, sizeof(loaded), "%s", file);
	(void)snprintf(path, sizeof(path), "%s/%s", folder, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(capture_read(fd, take, &g, &error), 0);
	(void)close(fd);
	assert_int_equal(topo_graph_link(&g), 0);
}

static size_t split(char *line, char **fields, size_t most)
{
	size_t n = 0;

	line[strcspn(line, "\n")] = '\0';
	for (char *field; n < most && (field = strsep(&line, "\t"));)
		fields[n++] = field;
	return n;
}

static size_t column(char **names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(names[i], name))
			return i;
	fail_msg("truth.tsv has no column %s", name);
	return 0;
}

static size_t check_folder(const char *folder)
{
	char path[1024], head[4096], line[4096];
	char *names[64], *fields[64];
	size_t count, bdf, offset, bytes;
	size_t rows = 0;
	FILE *truth;

	(void)snprintf(path, sizeof(path), "%s/truth.tsv", folder);
	truth = fopen(path, "r");
	if (!truth)
		return 0;
	assert_non_null(fgets(head, sizeof(head), truth));
	count = split(head, names, 64);
	bdf = column(names, count, "bdf");
	offset = column(names, count, "sriov_off");
	bytes = column(names, count, "cfg_bytes");
	while (fgets(line, sizeof(line), truth)) {
		struct topo_address address;
		const struct topo_function *f;
		uint32_t i;

		assert_int_equal(split(line, fields, 64), count);
		load(folder, fields[0]);
		assert_int_equal(topo_address_parse(fields[bdf], &address), 0);
		i = topo_graph_find(&g, &address);
		assert_int_not_equal(i, TOPO_NONE);
		f = &g.functions[i];
		assert_int_equal(f->config_bytes, strtoul(fields[bytes], NULL, 10));
		assert_int_equal(f->sriov.offset, strtoul(fields[offset], NULL, 16));
		rows++;
	}
	(void)fclose(truth); /* only read */
	topo_graph_done(&g);
	loaded[0] = '\0';
	return rows;
}

static void sriov_offset_and_length_are_as_lspci_reads_them(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		size_t rows = check_folder(folders[i]);

		print_message("%s: %zu functions%s\n", folders[i], rows,
			      rows ? "" : " (SKIPPED: not here)");
		assert_true(rows || i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sriov_offset_and_length_are_as_lspci_reads_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
