/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "provider/pci/state.h"

static struct pci_state state;
static struct pci_state again;
static char why[160];

static struct pci_state_record record(uint8_t bus, uint16_t vport)
{
	return (struct pci_state_record){ .address = { .bus = bus },
					  .vendor = 0x1b36,
					  .device = 0x10,
					  .vport = vport,
					  .generation = 1000000000000ull + vport };
}

static void put(uint8_t bus, uint16_t vport)
{
	const struct pci_state_record r = record(bus, vport);

	assert_int_equal(pci_state_put(&state, &r), 0);
}

static int setup(void **unused)
{
	(void)unused;
	memset(&state, 0, sizeof(state));
	memset(&again, 0, sizeof(again));
	(void)snprintf(state.boot_id, sizeof(state.boot_id), "boot-1");
	return 0;
}

static void what_was_written_is_read(void **unused)
{
	OWNED(buf_done) struct buf b = { 0 };

	(void)unused;
	for (unsigned i = PCI_STATE_MAX; i; i--)
		put((uint8_t)i, (uint16_t)i);

	pci_state_format(&state, &b);

	assert_false(b.failed);
	assert_true(b.length < PCI_STATE_BYTES);
	assert_int_equal(pci_state_parse((const char *)b.data, b.length, &again, why), 0);
	assert_int_equal(again.count, PCI_STATE_MAX);
	assert_memory_equal(&state, &again, sizeof(state));
}

static void record_of_the_same_function_is_replaced(void **unused)
{
	const struct topo_address bus_3 = { .bus = 3 };
	const struct pci_state_record clash = record(5, 9);

	(void)unused;
	put(4, 1);
	put(3, 2);
	put(3, 9);

	assert_int_equal(state.count, 2);
	assert_int_equal(pci_state_find(&state, &bus_3)->vport, 9);
	assert_int_equal(pci_state_put(&state, &clash), REFUSE_VPORT_TAKEN);
	pci_state_drop(&state, &bus_3);
	assert_null(pci_state_find(&state, &bus_3));
	assert_int_equal(state.count, 1);
}

static void each_flipped_or_missing_byte_is_noticed(void **unused)
{
	OWNED(buf_done) struct buf b = { 0 };

	(void)unused;
	put(3, 1);
	put(4, 2);
	pci_state_format(&state, &b);
	for (size_t i = 0; i < b.length; i++) {
		assert_int_equal(pci_state_parse((const char *)b.data, i, &again, why),
				 REFUSE_SYNTAX);
		b.data[i] ^= 1;
		assert_int_equal(pci_state_parse((const char *)b.data, b.length, &again, why),
				 REFUSE_SYNTAX);
		b.data[i] ^= 1;
	}
	assert_int_equal(again.count, 0);
}

static void lines_that_are_not_ours_are_told_by_their_number(void **unused)
{
	static const char *const texts[] = {
		"fabric-provider-pci 1 b\nbound 0000:03:00.1 1b36:0010 0 7\n",
		"fabric-provider-pci 1 b\nbound 0000:03:00.1 1b36:0010 241 7\n",
		"fabric-provider-pci 1 b\nbound 0000:03:00.1 1b36:0010 1 0\n",
		"fabric-provider-pci 1 b\nbound 0000:03:00.1 1b36 1 7\n",
		"fabric-provider-pci 1 b\nbound 03 1b36:0010 1 7\n",
		"fabric-provider-pci 1 b\nbound 0000:03:00.1 1b36:0010 1 -7\n",
		"fabric-provider-pci 1 b\nbound 0000:03:00.1 1b36:0010 1 7 8\n",
		"fabric-provider-pci 1 b\nbond 0000:03:00.1 1b36:0010 1 7\n",
		"fabric-provider-pci 1 b\nsum 0\n",
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(pci_state_parse(texts[i], strlen(texts[i]), &again, why),
				 REFUSE_SYNTAX);
		assert_int_equal(strncmp(why, "line 2: ", 8), 0);
	}
	assert_int_equal(pci_state_parse("fabric-provider-pci 2 b\n", 24, &again, why),
			 REFUSE_SYNTAX);
	assert_string_equal(why, "line 1: not a state file of this version");
}

static void file_is_replaced_as_a_whole(void **unused)
{
	char folder[] = "/tmp/fabric-test-state-XXXXXX";
	char path[64];
	char fresh[64];
	struct stat st;

	(void)unused;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/state", folder);
	(void)snprintf(fresh, sizeof(fresh), "%s/state.new", folder);
	assert_int_equal(pci_state_load(path, &again, why), -ENOENT);
	put(3, 1);
	/* what is at the name of the new file is never followed */
	assert_int_equal(symlink("/nonexistent/elsewhere", fresh), 0);

	assert_int_equal(pci_state_save(path, &state), 0);
	put(4, 2);
	assert_int_equal(pci_state_save(path, &state), 0);

	assert_int_equal(pci_state_load(path, &again, why), 0);
	assert_int_equal(again.count, 2);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(access(fresh, F_OK), -1);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("elsewhere", path), 0);
	assert_int_equal(pci_state_load(path, &again, why), -ELOOP);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_was_written_is_read, setup),
		cmocka_unit_test_setup(record_of_the_same_function_is_replaced, setup),
		cmocka_unit_test_setup(each_flipped_or_missing_byte_is_noticed, setup),
		cmocka_unit_test_setup(lines_that_are_not_ours_are_told_by_their_number, setup),
		cmocka_unit_test_setup(file_is_replaced_as_a_whole, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
