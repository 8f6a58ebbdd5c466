/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "topology/graph.h"
#include "topology/json.h"

static struct topo_graph g;

static int setup(void **unused)
{
	(void)unused;
	memset(&g, 0, sizeof(g));
	return 0;
}

static int teardown(void **unused)
{
	(void)unused;
	topo_graph_done(&g);
	return 0;
}

static void put16(uint8_t *at, unsigned int v)
{
	at[0] = (uint8_t)v;
	at[1] = (uint8_t)(v >> 8);
}

/* A PCI Express function at 40: type, link best and now as speed << 4 | width. */
static void put_express(uint8_t *bytes, enum topo_express_type type, unsigned int best,
			unsigned int now)
{
	put16(bytes + 0x06, 0x10);
	bytes[0x34] = 0x40;
	bytes[0x40] = 0x10;
	put16(bytes + 0x42, 2U | (unsigned int)type << 4);
	put16(bytes + 0x4c, best >> 4 | (best & 0xf) << 4);
	put16(bytes + 0x52, now >> 4 | (now & 0xf) << 4);
}

static void put_sriov(uint8_t *bytes, unsigned int vfs, unsigned int offset, unsigned int stride)
{
	put16(bytes + 0x100, 0x0010);
	put16(bytes + 0x102, 1);
	put16(bytes + 0x108, 1);
	put16(bytes + 0x10c, vfs);
	put16(bytes + 0x10e, vfs);
	put16(bytes + 0x110, vfs);
	put16(bytes + 0x114, offset);
	put16(bytes + 0x116, stride);
}

static uint32_t add(const char *address, const uint8_t *bytes, size_t length)
{
	struct topo_address a;

	assert_int_equal(topo_address_parse(address, &a), 0);
	assert_int_equal(topo_graph_add(&g, &a, bytes, length), 0);
	return (uint32_t)g.count - 1;
}

static uint32_t add_device(const char *address)
{
	uint8_t bytes[64] = { 0x86, 0x80, 0x00, 0x10 };

	return add(address, bytes, sizeof(bytes));
}

/* A bridge; with a type other than TOPO_EXPRESS_UNKNOWN a PCI Express port. */
static uint32_t add_bridge(const char *address, enum topo_express_type type, unsigned int secondary,
			   unsigned int subordinate)
{
	uint8_t bytes[256] = { 0x86, 0x80, 0x00, 0x10 };

	put16(bytes + 0x0a, 0x0604);
	bytes[0x0e] = 1;
	bytes[0x19] = (uint8_t)secondary;
	bytes[0x1a] = (uint8_t)subordinate;
	if (type != TOPO_EXPRESS_UNKNOWN)
		put_express(bytes, type, 0x44, 0x44);
	return add(address, bytes, sizeof(bytes));
}

static uint32_t add_endpoint(const char *address, unsigned int best, unsigned int now)
{
	uint8_t bytes[256] = { 0x86, 0x80, 0x00, 0x10 };

	put_express(bytes, TOPO_ENDPOINT, best, now);
	return add(address, bytes, sizeof(bytes));
}

static uint32_t add_pf(const char *address, unsigned int vfs, unsigned int offset,
		       unsigned int stride)
{
	uint8_t bytes[512] = { 0x86, 0x80, 0x00, 0x10 };

	put_express(bytes, TOPO_ENDPOINT, 0x44, 0x44);
	put_sriov(bytes, vfs, offset, stride);
	return add(address, bytes, sizeof(bytes));
}

static void link_all(void)
{
	assert_int_equal(topo_graph_link(&g), 0);
}

static void parent_is_the_bridge_with_that_secondary_bus(void **unused)
{
	uint32_t root, port, device;

	(void)unused;
	device = add_device("03:00.0");
	root = add_bridge("00:01.0", TOPO_EXPRESS_UNKNOWN, 1, 5);
	port = add_bridge("01:00.0", TOPO_EXPRESS_UNKNOWN, 3, 3);
	link_all();

	assert_int_equal(g.nodes[device].parent, port);
	assert_int_equal(g.nodes[port].parent, root);
	assert_int_equal(g.nodes[root].parent, TOPO_NONE);
}

static void bus_inside_a_range_belongs_to_the_narrowest(void **unused)
{
	uint32_t inner, device;

	(void)unused;
	add_bridge("00:01.0", TOPO_EXPRESS_UNKNOWN, 1, 0xff);
	inner = add_bridge("01:00.0", TOPO_EXPRESS_UNKNOWN, 3, 6);
	device = add_device("05:00.0");
	link_all();

	assert_int_equal(g.nodes[device].parent, inner);
}

static void domains_are_apart(void **unused)
{
	uint32_t bridge, here, there;

	(void)unused;
	bridge = add_bridge("0001:00:01.0", TOPO_EXPRESS_UNKNOWN, 1, 1);
	here = add_device("0001:01:00.0");
	there = add_device("0002:01:00.0");
	link_all();

	assert_int_equal(g.domain_count, 2);
	assert_int_equal(g.nodes[here].parent, bridge);
	assert_int_equal(g.nodes[there].parent, TOPO_NONE);
}

static void bridge_with_secondary_bus_0_has_nothing_below(void **unused)
{
	uint32_t beside, inside;

	(void)unused;
	add_bridge("0001:00:11.0", TOPO_EXPRESS_UNKNOWN, 0, 0xff);
	beside = add_device("0001:00:1f.0");
	inside = add_device("0001:05:00.0");
	link_all();

	assert_int_equal(g.nodes[beside].parent, TOPO_NONE);
	assert_int_equal(g.nodes[inside].parent, TOPO_NONE);
}

static void bridge_stands_not_above_its_own_bus(void **unused)
{
	uint32_t bridge, neighbour, above;

	(void)unused;
	bridge = add_bridge("01:00.0", TOPO_EXPRESS_UNKNOWN, 1, 4);
	neighbour = add_device("01:01.0");
	above = add_bridge("08:00.0", TOPO_EXPRESS_UNKNOWN, 1, 4);
	link_all();

	assert_int_equal(g.nodes[bridge].parent, above);
	assert_int_equal(g.nodes[neighbour].parent, above);
}

static void ring_of_bridges_is_cut_at_its_lowest_bus(void **unused)
{
	uint32_t a, b, c, leaf;

	(void)unused;
	c = add_bridge("04:00.0", TOPO_EXPRESS_UNKNOWN, 2, 2);
	a = add_bridge("02:00.0", TOPO_EXPRESS_UNKNOWN, 3, 3);
	b = add_bridge("03:00.0", TOPO_EXPRESS_UNKNOWN, 4, 4);
	/* Its walk enters the ring from outside. */
	leaf = add_device("01:00.0");
	add_bridge("04:01.0", TOPO_EXPRESS_UNKNOWN, 1, 1);
	link_all();

	assert_int_equal(g.nodes[a].parent, TOPO_NONE);
	assert_int_equal(g.nodes[b].parent, a);
	assert_int_equal(g.nodes[c].parent, b);
	assert_int_equal(g.nodes[g.nodes[leaf].parent].parent, b);
}

static void repeated_address_is_two_functions_and_one_bridge(void **unused)
{
	const uint8_t nothing[1] = { 0 };
	uint32_t first, second, device;

	(void)unused;
	first = add("00:01.0", nothing, 0);
	second = add_bridge("00:01.0", TOPO_EXPRESS_UNKNOWN, 1, 1);
	device = add_device("01:00.0");
	link_all();

	assert_false(g.nodes[first].repeated);
	assert_true(g.nodes[second].repeated);
	/* The first of them shows no bytes, so it is no bridge. */
	assert_int_equal(g.nodes[device].parent, second);
}

static void switch_is_an_upstream_bridge_with_its_downstream_bridges(void **unused)
{
	uint32_t up, one, two, inner_up, inner_one;

	(void)unused;
	add_bridge("00:01.0", TOPO_ROOT_PORT, 1, 9);
	up = add_bridge("01:00.0", TOPO_UPSTREAM, 2, 9);
	one = add_bridge("02:00.0", TOPO_DOWNSTREAM, 3, 3);
	two = add_bridge("02:01.0", TOPO_DOWNSTREAM, 4, 9);
	inner_up = add_bridge("04:00.0", TOPO_UPSTREAM, 5, 9);
	inner_one = add_bridge("05:00.0", TOPO_DOWNSTREAM, 6, 6);
	link_all();

	assert_int_equal(g.switch_count, 2);
	assert_int_equal(g.switches[0].upstream, up);
	assert_int_equal(g.switches[0].ports, 2);
	assert_int_equal(g.switches[0].first_port, one);
	assert_int_equal(g.switches[0].above, TOPO_NONE);
	assert_int_equal(g.switches[1].upstream, inner_up);
	assert_int_equal(g.switches[1].above, 0);
	assert_int_equal(g.nodes[two].switch_id, 0);
	assert_int_equal(g.nodes[inner_one].switch_id, 1);
}

static void ports_without_their_upstream_bridge_are_one_switch(void **unused)
{
	uint32_t one, other;

	(void)unused;
	one = add_bridge("02:00.0", TOPO_DOWNSTREAM, 3, 3);
	add_bridge("02:01.0", TOPO_DOWNSTREAM, 4, 4);
	other = add_bridge("08:00.0", TOPO_DOWNSTREAM, 9, 9);
	link_all();

	assert_int_equal(g.switch_count, 2);
	assert_int_equal(g.switches[0].upstream, TOPO_NONE);
	assert_int_equal(g.switches[0].ports, 2);
	assert_int_equal(g.nodes[one].switch_id, 0);
	assert_int_equal(g.nodes[other].switch_id, 1);
}

static void vfs_are_found_by_their_routing_id(void **unused)
{
	uint32_t pf, vf1, vf2, between, vf9;

	(void)unused;
	add_bridge("00:01.0", TOPO_ROOT_PORT, 1, 2);
	vf9 = add_device("02:00.0"); /* 0100 + f0 + 8 * 2 = 0200: a later bus */
	pf = add_pf("01:00.0", 9, 0xf0, 2);
	vf1 = add_device("01:1e.0");
	between = add_device("01:1e.1");
	vf2 = add_device("01:1e.2");
	link_all();

	assert_int_equal(g.nodes[vf1].physfn, pf);
	assert_int_equal(g.nodes[vf1].vf_index, 1);
	assert_int_equal(g.nodes[vf2].vf_index, 2);
	assert_int_equal(g.nodes[vf9].physfn, pf);
	assert_int_equal(g.nodes[vf9].vf_index, 9);
	assert_int_equal(g.nodes[between].physfn, TOPO_NONE);
	assert_int_equal(g.nodes[pf].physfn, TOPO_NONE);
	/* In order of address below their PF. */
	assert_int_equal(g.nodes[pf].first_vf, vf1);
	assert_int_equal(g.nodes[vf1].next, vf2);
	assert_int_equal(g.nodes[vf2].next, vf9);
}

/* As many functions as VFs, and as VFs with gaps: the graph goes two ways about these. */
static void every_vf_of_a_full_range_is_found(void **unused)
{
	(void)unused;
	for (unsigned int stride = 1; stride <= 2; stride++) {
		struct topo_address a = { .bus = 1 };
		uint32_t pf = add_pf("01:00.0", 7 / stride, 1, stride);

		for (a.function = 1; a.function < 8; a.function++)
			assert_int_equal(topo_graph_add(&g, &a, NULL, 0), 0);
		link_all();

		for (uint32_t i = 1; i < 8; i++) {
			bool is_vf = (i - 1) % stride == 0 && (i - 1) / stride < 7 / stride;

			assert_int_equal(g.nodes[i].physfn, is_vf ? pf : TOPO_NONE);
			assert_int_equal(g.nodes[i].vf_index, is_vf ? (i - 1) / stride + 1 : 0);
		}
		topo_graph_done(&g);
	}
}

static void stride_0_makes_one_vf_and_none_lie_beyond_bus_ff(void **unused)
{
	uint32_t pf, vf, next, last, wrapped;

	(void)unused;
	pf = add_pf("01:00.0", 3, 1, 0);
	vf = add_device("01:00.1");
	next = add_device("01:00.2");
	add_pf("ff:1f.0", 9, 6, 1);
	last = add_device("ff:1f.7");
	wrapped = add_device("00:00.0");
	link_all();

	assert_int_equal(g.nodes[vf].physfn, pf);
	assert_int_equal(g.nodes[next].physfn, TOPO_NONE);
	assert_int_equal(g.nodes[last].vf_index, 2);
	assert_int_equal(g.nodes[wrapped].vf_index, 0);
}

static void vfs_beyond_num_vfs_or_without_enable_are_none(void **unused)
{
	uint8_t bytes[512] = { 0x86, 0x80, 0x00, 0x10 };
	uint32_t beyond, disabled;

	(void)unused;
	add_pf("01:00.0", 2, 1, 1);
	beyond = add_device("01:00.3");
	put_express(bytes, TOPO_ENDPOINT, 0x44, 0x44);
	put_sriov(bytes, 4, 1, 1);
	bytes[0x108] = 0;
	add("05:00.0", bytes, sizeof(bytes));
	disabled = add_device("05:00.1");
	link_all();

	assert_int_equal(g.nodes[beyond].vf_index, 0);
	assert_int_equal(g.nodes[disabled].vf_index, 0);
}

static void pf_is_no_vf_and_overlapping_vfs_stay_with_the_first(void **unused)
{
	uint32_t first, second, shared;

	(void)unused;
	first = add_pf("01:00.0", 4, 1, 1);
	second = add_pf("01:00.1", 4, 1, 1);
	shared = add_device("01:00.2");
	link_all();

	assert_int_equal(g.nodes[second].vf_index, 0);
	assert_int_equal(g.nodes[shared].physfn, first);
	assert_int_equal(g.nodes[shared].vf_index, 2);
}

static void impossible_addresses_are_kept_and_are_no_vf(void **unused)
{
	uint32_t device, function;

	(void)unused;
	add_pf("01:00.0", 255, 1, 1);
	device = add_device("01:3f.0");
	function = add_device("01:00.9");
	link_all();

	assert_true(g.nodes[device].impossible && g.nodes[function].impossible);
	assert_int_equal(g.nodes[device].vf_index, 0);
	assert_int_equal(g.nodes[function].vf_index, 0);
}

static void endpoint_on_a_bus_without_bridge_is_an_orphan(void **unused)
{
	uint32_t orphan, uncore, root;

	(void)unused;
	orphan = add_endpoint("41:00.0", 0x44, 0x44);
	uncore = add_device("ff:00.0");
	root = add_endpoint("00:02.0", 0x44, 0x44);
	link_all();

	assert_true(g.nodes[orphan].orphan);
	assert_false(g.nodes[uncore].orphan);
	assert_false(g.nodes[root].orphan);
}

static void link_is_below_its_best_when_both_ends_could_do_more(void **unused)
{
	static const struct {
		unsigned int best, now;
		bool below;
	} rows[] = {
		/* the port above is at 0x44: 16 GT/s x4 */
		{ 0x44, 0x44, false }, { 0x44, 0x34, true },  { 0x44, 0x42, true },
		{ 0x58, 0x44, false }, { 0x31, 0x31, false }, { 0x44, 0x40, false },
		{ 0x44, 0x04, false },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct topo_link_state state;
		uint32_t port, device, second;

		port = add_bridge("00:01.0", TOPO_ROOT_PORT, 1, 1);
		device = add_endpoint("01:00.0", rows[i].best, rows[i].now);
		second = add_endpoint("01:00.1", rows[i].best, rows[i].now);
		link_all();

		assert_true(topo_graph_link_state(&g, device, &state));
		assert_int_equal(state.below, rows[i].below);
		/* Told once, at the lower end, by the first function of the device. */
		assert_false(topo_graph_link_state(&g, port, &state));
		assert_false(topo_graph_link_state(&g, second, &state));
		topo_graph_done(&g);
	}
}

static void functions_are_found_by_address(void **unused)
{
	uint32_t device;
	struct topo_address a = { .bus = 1 };

	(void)unused;
	add_device("02:00.0");
	device = add_device("01:00.0");
	add_device("01:00.0");
	link_all();

	assert_int_equal(topo_graph_find(&g, &a), device);
	a.bus = 3;
	assert_int_equal(topo_graph_find(&g, &a), TOPO_NONE);
}

static void empty_graph_links(void **unused)
{
	(void)unused;
	link_all();

	assert_int_equal(g.first_root, TOPO_NONE);
	assert_int_equal(g.domain_count, 0);
}

static void json_escapes_its_source(void **unused)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	(void)unused;
	link_all();
	assert_non_null(out);
	assert_int_equal(topo_json_write(&g, "dump:a\"b\\\n\xc3\xa4\xff\xc0\x80", out), 0);
	assert_int_equal(fclose(out), 0);

	assert_string_equal(text,
			    "{\"source\":\"dump:a\\\"b\\\\\\u000a\xc3\xa4\\ufffd\\ufffd\\ufffd\","
			    "\"functions\":[\n]}\n");
	free(text);
}

int main(void)
{
#define GRAPH_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		GRAPH_TEST(parent_is_the_bridge_with_that_secondary_bus),
		GRAPH_TEST(bus_inside_a_range_belongs_to_the_narrowest),
		GRAPH_TEST(domains_are_apart),
		GRAPH_TEST(bridge_with_secondary_bus_0_has_nothing_below),
		GRAPH_TEST(bridge_stands_not_above_its_own_bus),
		GRAPH_TEST(ring_of_bridges_is_cut_at_its_lowest_bus),
		GRAPH_TEST(repeated_address_is_two_functions_and_one_bridge),
		GRAPH_TEST(switch_is_an_upstream_bridge_with_its_downstream_bridges),
		GRAPH_TEST(ports_without_their_upstream_bridge_are_one_switch),
		GRAPH_TEST(vfs_are_found_by_their_routing_id),
		GRAPH_TEST(every_vf_of_a_full_range_is_found),
		GRAPH_TEST(stride_0_makes_one_vf_and_none_lie_beyond_bus_ff),
		GRAPH_TEST(vfs_beyond_num_vfs_or_without_enable_are_none),
		GRAPH_TEST(pf_is_no_vf_and_overlapping_vfs_stay_with_the_first),
		GRAPH_TEST(impossible_addresses_are_kept_and_are_no_vf),
		GRAPH_TEST(endpoint_on_a_bus_without_bridge_is_an_orphan),
		GRAPH_TEST(link_is_below_its_best_when_both_ends_could_do_more),
		GRAPH_TEST(functions_are_found_by_address),
		GRAPH_TEST(empty_graph_links),
		GRAPH_TEST(json_escapes_its_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
