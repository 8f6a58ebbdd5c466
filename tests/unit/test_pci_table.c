/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capture_fixture.h"
#include "provider/pci/table.h"

static struct fixture fixture;
static struct pci_table table;

static void look(void)
{
	OWNED(topo_graph_done) struct topo_graph g = { 0 };
	char why[PROVIDER_TEXT_MAX];

	fixture_graph(&fixture, &g);
	assert_int_equal(pci_table_take(&table, &g, why), 0);
}

static void bound_nowhere(void *arg, struct pci_function *f, struct provider_binding *out)
{
	(void)arg;
	out->present = f->answers;
}

static uint16_t no_vfs(void *arg, const struct pci_function *f)
{
	(void)arg;
	(void)f;
	return 0;
}

static struct provider_scan *scan(void)
{
	struct provider_scan *s;
	char why[PROVIDER_TEXT_MAX] = "";

	assert_int_equal(pci_table_scan(&table, bound_nowhere, no_vfs, NULL, &s), 0);
	if (provider_scan_check(s, why))
		fail_msg("%s", why);
	assert_int_equal(s->hosts[0].chassis, 3);
	assert_int_equal(s->switches[0].chassis, 3);
	return s;
}

static struct pci_function *at(const char *address)
{
	struct topo_address a;

	assert_int_equal(topo_address_parse(address, &a), 0);
	return pci_table_at(&table, &a);
}

static int setup(void **unused)
{
	(void)unused;
	memset(&table, 0, sizeof(table));
	(void)snprintf(table.bay, sizeof(table.bay), "here");
	table.chassis = 3;
	fixture_load(&fixture, "qemu72-x3130-nvme-sriov-vfs-off.lspci");
	return 0;
}

static int teardown(void **unused)
{
	(void)unused;
	pci_table_done(&table);
	return 0;
}

static void machine_is_one_host_with_all_cards(void **unused)
{
	OWNED(provider_scan_free) struct provider_scan *s = NULL;

	(void)unused;
	look();

	s = scan();

	assert_int_equal(s->host_count, 1);
	assert_string_equal(s->hosts[0].bay, "here");
	assert_int_equal(s->adapter_count, 3);
	/* two PFs with 4 and 32 VFs, that may be, and an Ethernet controller */
	assert_int_equal(s->function_count, 39);
	assert_int_equal(s->adapters[0].total_vfs, 4);
}

static void only_what_a_rule_names_is_in_the_pool(void **unused)
{
	OWNED(provider_scan_free) struct provider_scan *s = NULL;

	(void)unused;
	assert_int_equal(pci_rules_add(&table.rules, "03:00.0"), 0);
	assert_int_equal(pci_rules_add(&table.rules, "slot:17"), 0);
	look();

	s = scan();

	/* the PF stays with the machine, the plain card is given whole, the rest is not ours */
	assert_true(pci_table_is_kept(&table, at("0000:03:00.0")));
	assert_false(pci_table_is_kept(&table, at("0000:04:00.0")));
	assert_true(pci_table_is_kept(&table, at("0000:06:00.0")));
	assert_true(table.cards[0].in_pool && table.cards[1].in_pool && !table.cards[2].in_pool);
	assert_int_equal(s->adapters[0].keeper, PROVIDER_KEEPER_HOST);
	assert_int_equal(s->adapters[1].keeper, PROVIDER_KEEPER_NONE);
	assert_int_equal(s->adapters[2].keeper, PROVIDER_KEEPER_HOST);
}

static void rules_that_name_nothing_are_refused(void **unused)
{
	static const char *const texts[] = { "",        "slot:", "slot:x",  "slot:8192",
					     "slot:1x", "3",     "03:3f.0", "0000:03:00.0x" };

	(void)unused;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(pci_rules_add(&table.rules, texts[i]), REFUSE_FIELD);
	for (size_t i = 0; i < PCI_TABLE_RULES; i++)
		assert_int_equal(pci_rules_add(&table.rules, "slot:5"), 0);
	assert_int_equal(pci_rules_add(&table.rules, "slot:5"), REFUSE_LIMIT);
}

static void handles_stay_when_vfs_come(void **unused)
{
	uint32_t handle;

	(void)unused;
	look();
	handle = at("0000:06:00.0")->as.handle;

	fixture_load(&fixture, "qemu72-x3130-nvme-sriov-vfs-on.lspci");
	look();

	assert_int_equal(table.epoch, 1);
	assert_int_equal(table.function_count, 39);
	assert_int_equal(at("0000:06:00.0")->as.handle, handle);
}

static void card_that_is_gone_keeps_its_handles(void **unused)
{
	OWNED(provider_scan_free) struct provider_scan *s = NULL;
	uint32_t handle;

	(void)unused;
	look();
	handle = at("0000:04:00.0")->as.handle;

	fixture_drop(&fixture, "0000:04:00.0");
	look();

	assert_int_equal(table.epoch, 1);
	assert_int_equal(table.function_count, 39);
	assert_false(table.functions[handle - 1].answers);
	s = scan();
	assert_false(s->functions[handle - 1].now.present);
	fixture_load(&fixture, "qemu72-x3130-nvme-sriov-vfs-off.lspci");
	look();
	assert_int_equal(table.epoch, 1);
	assert_true(table.functions[handle - 1].answers);
	assert_int_equal(at("0000:04:00.0")->as.handle, handle);
}

static void new_card_comes_behind_all_others(void **unused)
{
	OWNED(provider_scan_free) struct provider_scan *s = NULL;
	struct fixture whole;

	(void)unused;
	whole = fixture;
	fixture_drop(&fixture, "0000:03:00.0");
	look();
	assert_int_equal(table.function_count, 34);
	assert_int_equal(at("0000:04:00.0")->as.handle, 1);

	fixture = whole;
	look();

	assert_int_equal(table.epoch, 1);
	assert_int_equal(at("0000:04:00.0")->as.handle, 1);
	assert_int_equal(at("0000:03:00.0")->as.handle, 35);
	s = scan();
	assert_int_equal(s->adapters[2].first_function, 35);
}

static void another_card_in_its_place_makes_all_handles_new(void **unused)
{
	(void)unused;
	look();

	fixture_at(&fixture, "0000:04:00.0")->bytes[2] ^= 1;
	look();

	assert_int_equal(table.epoch, 2);
	assert_int_equal(table.function_count, 39);
}

static void card_that_reads_ones_does_not_answer(void **unused)
{
	uint32_t handle;

	(void)unused;
	look();
	handle = at("0000:04:00.0")->as.handle;

	memset(fixture_at(&fixture, "0000:04:00.0")->bytes, 0xff, TOPO_CONFIG_BYTES);
	look();

	assert_int_equal(table.epoch, 1);
	assert_false(table.functions[handle - 1].answers);
}

static void slots_are_told_with_power_and_presence(void **unused)
{
	const struct pci_port *full;
	const struct pci_port *empty;

	(void)unused;
	assert_int_equal(pci_rules_add(&table.rules, "slot:17"), 0);
	look();

	full = pci_table_port(&table, at("0000:04:00.0") ? table.cards[1].as.switch_handle : 0,
			      table.cards[1].as.port);
	empty = pci_table_port(&table, table.cards[1].as.switch_handle,
			       (uint16_t)(table.cards[1].as.port + 1));

	assert_true(full->as.has_slot && full->as.slot_presence && full->as.slot_power);
	assert_int_equal(full->slot, 17);
	assert_int_equal(full->first_bus, 4);
	assert_true(empty->as.has_slot && !empty->as.slot_presence);
	assert_true(pci_table_port_in_pool(&table, full));
	assert_false(pci_table_port_in_pool(&table, empty));
	/* only the one in the pool is told */
	for (size_t i = 0; i < table.port_count; i++)
		assert_int_equal(table.ports[i].has_slot,
				 table.ports[i].switch_handle == full->as.switch_handle &&
					 table.ports[i].number == full->as.number);
}

static void every_cut_of_the_machine_can_be_told(void **unused)
{
	struct fixture whole;

	(void)unused;
	fixture_load(&fixture, "qemu10-nested-switch-igb-vfs-on.lspci");
	whole = fixture;
	/* each function missing alone, then there again: handles may be new, the scan is whole */
	for (size_t i = 0; i < whole.count; i++) {
		char address[TOPO_ADDRESS_TEXT];
		struct provider_scan *s;

		topo_address_format(&whole.functions[i].address, address);
		fixture = whole;
		fixture_drop(&fixture, address);
		look();
		s = scan();
		provider_scan_free(s);
		fixture = whole;
		look();
		s = scan();
		provider_scan_free(s);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(machine_is_one_host_with_all_cards),
		TEST(only_what_a_rule_names_is_in_the_pool),
		TEST(rules_that_name_nothing_are_refused),
		TEST(handles_stay_when_vfs_come),
		TEST(card_that_is_gone_keeps_its_handles),
		TEST(new_card_comes_behind_all_others),
		TEST(another_card_in_its_place_makes_all_handles_new),
		TEST(card_that_reads_ones_does_not_answer),
		TEST(slots_are_told_with_power_and_presence),
		TEST(every_cut_of_the_machine_can_be_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
