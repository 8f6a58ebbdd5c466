/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "topology/decode.h"

static uint8_t bytes[TOPO_CONFIG_BYTES];
static struct topo_function f;

static void put16(size_t at, unsigned int v)
{
	bytes[at] = (uint8_t)v;
	bytes[at + 1] = (uint8_t)(v >> 8);
}

static void put32(size_t at, uint32_t v)
{
	put16(at, v & 0xffff);
	put16(at + 2, v >> 16);
}

static int setup(void **unused)
{
	(void)unused;
	memset(bytes, 0, sizeof(bytes));
	memset(&f, 0, sizeof(f));
	return 0;
}

/* A PCI Express function of that type at 40, with the extended page open. */
static void put_express(enum topo_express_type type, unsigned int flags)
{
	put16(0x06, 0x10);
	bytes[0x34] = 0x40;
	bytes[0x40] = 0x10;
	put16(0x42, 2U | (unsigned int)type << 4 | flags);
}

static void put_ext(size_t at, unsigned int id, size_t next)
{
	put32(at, id | 1U << 16 | (uint32_t)next << 20);
}

static void function_without_bytes_reads_as_ones(void **unused)
{
	(void)unused;

	topo_decode(NULL, 0, &f);

	assert_int_equal(f.vendor, 0xffff);
	assert_int_equal(f.class_code, 0xffff);
	assert_int_equal(f.revision, 0xff);
	assert_int_equal(f.header, TOPO_HEADER_UNKNOWN);
	assert_false(f.multi_function);
	assert_int_equal(f.cap_count, 0);
}

static void address_is_left_alone(void **unused)
{
	(void)unused;
	f.address = (struct topo_address){ .domain = 7, .bus = 3, .device = 2, .function = 1 };

	topo_decode(bytes, sizeof(bytes), &f);

	assert_int_equal(f.address.domain, 7);
	assert_int_equal(f.address.function, 1);
}

static void every_length_is_decoded_within_its_bytes(void **unused)
{
	(void)unused;
	put_express(TOPO_DOWNSTREAM, 0x100);
	put_ext(0x100, TOPO_EXT_SRIOV, 0x140);
	put_ext(0x140, TOPO_EXT_REBAR, 0xffc);
	put32(0x148, 6U << 5);
	put_ext(0xffc, TOPO_EXT_AER, 0);

	for (size_t length = 0; length <= TOPO_CONFIG_BYTES; length++) {
		uint8_t exact[TOPO_CONFIG_BYTES];
		uint8_t *end = exact + sizeof(exact) - length;

		memcpy(end, bytes, length);
		topo_decode(end, length, &f);
		assert_int_equal(f.config_bytes, length);
	}
	assert_int_equal(f.ext_cap_count, 3);
}

static void capability_loop_ends_at_the_first_repeated_offset(void **unused)
{
	(void)unused;
	put16(0x06, 0x10);
	bytes[0x34] = 0x40;
	put16(0x40, 0x4801);
	put16(0x48, 0x4001);

	topo_decode(bytes, sizeof(bytes), &f);

	assert_int_equal(f.cap_count, 2);
	assert_int_equal(f.caps[1].offset, 0x48);
}

static void extended_capability_loop_ends(void **unused)
{
	(void)unused;
	put_express(TOPO_ENDPOINT, 0);
	put_ext(0x100, TOPO_EXT_AER, 0x200);
	put_ext(0x200, TOPO_EXT_ACS, 0x100);

	topo_decode(bytes, sizeof(bytes), &f);

	assert_int_equal(f.ext_cap_count, 2);
	assert_int_equal(topo_function_ext(&f, TOPO_EXT_ACS), 0x200);
}

static void longest_extended_chain_is_cut_and_says_so(void **unused)
{
	(void)unused;
	put_express(TOPO_ENDPOINT, 0);
	for (size_t at = 0x100; at < 0xffc; at += 4)
		put_ext(at, TOPO_EXT_REBAR, at + 4);

	topo_decode(bytes, sizeof(bytes), &f);

	assert_int_equal(f.ext_cap_count, TOPO_EXT_CAPS);
	assert_true(f.ext_cap_cut);
	assert_true(f.rebar_count <= TOPO_REBARS);
}

static void conventional_function_has_no_extended_capabilities(void **unused)
{
	(void)unused;
	put16(0x06, 0x10);
	bytes[0x34] = 0x40;
	bytes[0x40] = 0x01;
	put_ext(0x100, TOPO_EXT_AER, 0);

	topo_decode(bytes, sizeof(bytes), &f);

	assert_int_equal(f.cap_count, 1);
	assert_int_equal(f.ext_cap_count, 0);
}

static void bridge_shows_its_buses_and_windows(void **unused)
{
	(void)unused;
	bytes[0x0e] = 0x81;
	bytes[0x18] = 2;
	bytes[0x19] = 3;
	bytes[0x1a] = 6;
	bytes[0x1c] = 0x41;
	bytes[0x1d] = 0x51;
	put16(0x30, 0x0001);
	put16(0x32, 0x0001);
	put16(0x20, 0xfe80);
	put16(0x22, 0xfe90);
	put16(0x24, 0x0001);
	put16(0x26, 0x0ff1);
	put32(0x28, 0x80);
	put32(0x2c, 0x80);

	topo_decode(bytes, sizeof(bytes), &f);

	assert_int_equal(f.header, TOPO_HEADER_BRIDGE);
	assert_true(f.multi_function);
	assert_int_equal(f.bridge.primary, 2);
	assert_int_equal(f.bridge.secondary, 3);
	assert_int_equal(f.bridge.subordinate, 6);
	assert_int_equal(f.bridge.io.base, 0x14000);
	assert_int_equal(f.bridge.io.limit, 0x15fff);
	assert_int_equal(f.bridge.memory.base, 0xfe800000);
	assert_int_equal(f.bridge.memory.limit, 0xfe9fffff);
	assert_true(f.bridge.prefetchable_64);
	assert_int_equal(f.bridge.prefetchable.base, 0x8000000000);
	assert_int_equal(f.bridge.prefetchable.limit, 0x800fffffff);
}

static void slot_and_link_of_a_downstream_port(void **unused)
{
	(void)unused;
	put_express(TOPO_DOWNSTREAM, 0x100);
	put32(0x4c, 0x07000000 | 1U << 20 | 16U << 4 | 4);
	put16(0x52, 1U << 13 | 32U << 4 | 3);
	put32(0x54, 306U << 19 | 1U << 6 | 1U << 1 | 250U << 7 | 1U << 15);
	put16(0x5a, 1U << 6);
	put32(0x64, 1U << 5);
	put16(0x68, 1U << 5);

	topo_decode(bytes, sizeof(bytes), &f);

	assert_int_equal(f.express.type, TOPO_DOWNSTREAM);
	assert_int_equal(f.express.port, 7);
	assert_true(f.express.link.present);
	assert_int_equal(topo_speed_tenths(f.express.link.max_speed), 160);
	assert_int_equal(f.express.link.max_width, 16);
	assert_int_equal(topo_speed_tenths(f.express.link.speed), 80);
	assert_int_equal(f.express.link.width, 32);
	assert_true(f.express.link.active);
	assert_true(f.express.slot.implemented);
	assert_int_equal(f.express.slot.number, 306);
	assert_true(f.express.slot.hotplug);
	assert_true(f.express.slot.power_controller);
	assert_true(f.express.slot.presence);
	assert_int_equal(f.express.slot.power_limit_dw, 250);
	assert_true(f.express.ari_forwarding);
}

static void ports_above_a_link_may_have_a_slot_and_no_others(void **unused)
{
	(void)unused;
	for (unsigned int type = 0; type < 16; type++) {
		bool may = type == TOPO_ROOT_PORT || type == TOPO_DOWNSTREAM ||
			   type == TOPO_PCI_TO_PCIE;

		put_express((enum topo_express_type)type, 0x100);
		topo_decode(bytes, sizeof(bytes), &f);
		assert_int_equal(f.express.slot.implemented, may);
	}
}

static void capability_id_of_ones_ends_the_chain(void **unused)
{
	(void)unused;
	put16(0x06, 0x10);
	bytes[0x34] = 0x40;
	put16(0x40, 0x4801);
	put16(0x48, 0x50ff);
	put16(0x50, 0x0001);

	topo_decode(bytes, sizeof(bytes), &f);

	assert_int_equal(f.cap_count, 1);
}

static void endpoint_has_no_slot_and_a_root_complex_endpoint_no_link(void **unused)
{
	(void)unused;
	put_express(TOPO_ENDPOINT, 0x100);
	topo_decode(bytes, sizeof(bytes), &f);
	assert_false(f.express.slot.implemented);
	assert_true(f.express.link.present);

	put_express(TOPO_RC_ENDPOINT, 0);
	topo_decode(bytes, sizeof(bytes), &f);

	assert_false(f.express.link.present);
}

static void reserved_port_types_are_unknown(void **unused)
{
	(void)unused;
	for (unsigned int type = 0; type < 16; type++) {
		bool known = type <= 10 && type != 2 && type != 3;

		put_express((enum topo_express_type)type, 0);
		topo_decode(bytes, sizeof(bytes), &f);
		assert_int_equal(f.express.type, known ? type : TOPO_EXPRESS_UNKNOWN);
	}
}

static void sriov_is_read_whole(void **unused)
{
	(void)unused;
	put_express(TOPO_ENDPOINT, 0);
	put_ext(0x100, TOPO_EXT_SRIOV, 0);
	put32(0x104, 3);
	put16(0x108, 0x19);
	put16(0x10c, 64);
	put16(0x10e, 64);
	put16(0x110, 63);
	bytes[0x112] = 5;
	put16(0x114, 128);
	put16(0x116, 2);
	put16(0x11a, 0x10ed);
	put32(0x11c, 0x553);
	put32(0x120, 1);
	put32(0x130, 0xc);
	put32(0x13c, 0x1003);

	topo_decode(bytes, sizeof(bytes), &f);

	assert_int_equal(f.sriov.offset, 0x100);
	assert_true(f.sriov.enabled && f.sriov.memory_enable && f.sriov.ari_hierarchy);
	assert_true(f.sriov.migration_capable);
	assert_int_equal(f.sriov.initial_vfs, 64);
	assert_int_equal(f.sriov.total_vfs, 64);
	assert_int_equal(f.sriov.vfs.num_vfs, 63);
	assert_int_equal(f.sriov.vfs.first_vf_offset, 128);
	assert_int_equal(f.sriov.vfs.vf_stride, 2);
	assert_int_equal(f.sriov.dependency_link, 5);
	assert_int_equal(f.sriov.vf_device, 0x10ed);
	assert_int_equal(f.sriov.supported_page_sizes, 0x553);
	assert_int_equal(f.sriov.system_page_size, 1);
	assert_int_equal(f.sriov.bars[3], 0xc);
	assert_int_equal(f.sriov.migration_array, 0x1003);
	assert_int_equal(topo_sriov_enabled_vfs(&f.sriov), 63);
}

static void vfs_beyond_initial_exist_only_by_migration(void **unused)
{
	struct topo_sriov s = { .offset = 0x100, .enabled = true, .initial_vfs = 4 };

	(void)unused;
	s.vfs.num_vfs = 8;
	assert_int_equal(topo_sriov_enabled_vfs(&s), 4);

	s.migration_capable = s.migration_enable = true;
	assert_int_equal(topo_sriov_enabled_vfs(&s), 8);

	s.enabled = false;
	assert_int_equal(topo_sriov_enabled_vfs(&s), 0);
}

static void other_extended_capabilities_are_read(void **unused)
{
	(void)unused;
	put_express(TOPO_ENDPOINT, 0);
	put_ext(0x100, TOPO_EXT_AER, 0x140);
	put32(0x104, 0x100000);
	put32(0x118, 0xa0);
	put_ext(0x140, TOPO_EXT_SERIAL, 0x150);
	put32(0x144, 0xff8fbee6);
	put32(0x148, 0x001b21ff);
	put_ext(0x150, TOPO_EXT_ACS, 0x160);
	put16(0x154, 0x1d);
	put16(0x156, 0x1d);
	put_ext(0x160, TOPO_EXT_DPC, 0x170);
	put16(0x168, 0x1);
	put_ext(0x170, TOPO_EXT_REBAR, 0x190);
	put32(0x174, 0xfff0);
	put32(0x178, 2 | 1U << 5 | 8U << 8);
	put_ext(0x190, TOPO_EXT_DVSEC, 0x1a0);
	put32(0x194, 0x1e98 | 1U << 16 | 0x3cU << 20);
	put16(0x198, 8);
	put_ext(0x1a0, TOPO_EXT_PASID, 0x1b0);
	put16(0x1a4, 0x1400);
	put_ext(0x1b0, TOPO_EXT_ATS, 0x1c0);
	put16(0x1b6, 0x8000);
	put_ext(0x1c0, TOPO_EXT_ARI, 0x1d0);
	put16(0x1c4, 0x0100);
	put_ext(0x1d0, TOPO_EXT_MRIOV, 0);

	topo_decode(bytes, sizeof(bytes), &f);

	assert_int_equal(f.aer.uncorrectable_status, 0x100000);
	assert_int_equal(f.aer.control, 0xa0);
	assert_int_equal(f.serial, 0x001b21ffff8fbee6);
	assert_int_equal(f.acs_capability, 0x1d);
	assert_int_equal(f.dpc_status, 1);
	assert_int_equal(f.rebar_count, 1);
	assert_int_equal(f.rebars[0].bar, 2);
	assert_int_equal(f.rebars[0].size, 8);
	assert_int_equal(f.rebars[0].sizes, 0xfff);
	assert_int_equal(f.cxl_dvsecs, 1U << 8);
	assert_int_equal(f.cxl_dvsec_offset[8], 0x190);
	assert_int_equal(f.pasid_capability, 0x1400);
	assert_int_equal(f.ats_control, 0x8000);
	assert_int_equal(f.ari_capability, 0x0100);
	assert_int_equal(topo_function_ext(&f, TOPO_EXT_MRIOV), 0x1d0);
}

static void addresses_are_parsed_and_formatted(void **unused)
{
	static const struct {
		const char *text;
		const char *again; /* NULL: refused */
	} rows[] = {
		{ "03:00.1", "0000:03:00.1" },
		{ "0000:03:1f.7", "0000:03:1f.7" },
		{ "10000:e1:00.0", "10000:e1:00.0" },
		{ "fffffffe:00:00.0", "fffffffe:00:00.0" },
		{ "0000:00:3f.9", "0000:00:3f.9" },
		{ "000:03:00.1", NULL },
		{ "123456789:03:00.1", NULL },
		{ "0000:3:00.1", NULL },
		{ "0000:03:00.a", NULL },
		{ "0000:03:00.1 ", NULL },
		{ "", NULL },
		{ "0000:", NULL },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct topo_address a;
		char text[TOPO_ADDRESS_TEXT];

		if (!rows[i].again) {
			assert_int_equal(topo_address_parse(rows[i].text, &a), REFUSE_FIELD);
			continue;
		}
		assert_int_equal(topo_address_parse(rows[i].text, &a), 0);
		topo_address_format(&a, text);
		assert_string_equal(text, rows[i].again);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(function_without_bytes_reads_as_ones, setup),
		cmocka_unit_test_setup(address_is_left_alone, setup),
		cmocka_unit_test_setup(every_length_is_decoded_within_its_bytes, setup),
		cmocka_unit_test_setup(capability_loop_ends_at_the_first_repeated_offset, setup),
		cmocka_unit_test_setup(extended_capability_loop_ends, setup),
		cmocka_unit_test_setup(longest_extended_chain_is_cut_and_says_so, setup),
		cmocka_unit_test_setup(conventional_function_has_no_extended_capabilities, setup),
		cmocka_unit_test_setup(bridge_shows_its_buses_and_windows, setup),
		cmocka_unit_test_setup(slot_and_link_of_a_downstream_port, setup),
		cmocka_unit_test_setup(endpoint_has_no_slot_and_a_root_complex_endpoint_no_link,
				       setup),
		cmocka_unit_test_setup(ports_above_a_link_may_have_a_slot_and_no_others, setup),
		cmocka_unit_test_setup(capability_id_of_ones_ends_the_chain, setup),
		cmocka_unit_test_setup(reserved_port_types_are_unknown, setup),
		cmocka_unit_test_setup(sriov_is_read_whole, setup),
		cmocka_unit_test_setup(vfs_beyond_initial_exist_only_by_migration, setup),
		cmocka_unit_test_setup(other_extended_capabilities_are_read, setup),
		cmocka_unit_test_setup(addresses_are_parsed_and_formatted, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
