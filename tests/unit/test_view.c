/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/buf.h"
#include "sim/capture_device.h"
#include "sim/space.h"
#include "sim/view.h"
#include "sim_fixture.h"
#include "topology/graph.h"

struct fixture {
	struct sim_chassis *chassis;
	struct sim_map map;
	struct topo_graph graph;
	struct buf capture; /* the view as lspci -xxxx prints it */
	struct topo_address last;
	bool is_sorted;
};

static void on_config(void *arg, const struct provider_config *config)
{
	struct fixture *f = arg;
	const struct topo_address at = { config->domain, config->bus, config->device,
					 config->function };

	if (f->graph.count && topo_address_compare(&f->last, &at) >= 0)
		f->is_sorted = false;
	f->last = at;
	assert_int_equal(topo_graph_add(&f->graph, &at, config->bytes, config->length), 0);
	buf_printf(&f->capture, "%04x:%02x:%02x.%x Thing\n", at.domain, at.bus, at.device,
		   at.function);
	for (unsigned i = 0; i < config->length; i++)
		buf_printf(&f->capture,
			   i % 16 ? " %02x"
			   : i    ? "\n%02x: %02x"
				  : "%02x: %02x",
			   i % 16 ? config->bytes[i] : i, config->bytes[i]);
	buf_text(&f->capture, "\n\n");
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->chassis = fixture_new();
	f->chassis->hosts[BAY3 - 1].vports = 40;
	assert_int_equal(sim_map_init(&f->map, f->chassis), 0);
	*state = f;
	return 0;
}

static void view(struct fixture *f, uint16_t host)
{
	topo_graph_done(&f->graph);
	buf_done(&f->capture);
	f->graph = (struct topo_graph){ 0 };
	f->capture = (struct buf){ 0 };
	f->is_sorted = true;
	assert_int_equal(sim_view(&f->map, host, on_config, f), 0);
	assert_true(f->is_sorted);
	assert_int_equal(topo_graph_link(&f->graph), 0);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	topo_graph_done(&f->graph);
	buf_done(&f->capture);
	sim_map_done(&f->map);
	sim_chassis_free(f->chassis);
	free(f);
	return 0;
}

static void bind(struct fixture *f, uint32_t function, uint16_t host, uint16_t vport)
{
	assert_int_equal(sim_map_place(&f->map, function, host, vport, 1, PROVIDER_MANAGED), 0);
}

static const struct topo_function *at(const struct fixture *f, uint32_t domain, uint8_t bus,
				      uint8_t device, uint8_t function)
{
	const struct topo_address address = { domain, bus, device, function };
	uint32_t i = topo_graph_find(&f->graph, &address);

	return i == TOPO_NONE ? NULL : &f->graph.functions[i];
}

/* What lspci says on standard error, and how it ends. */
static void expect_lspci_content(struct fixture *f, const char *options)
{
	char path[] = "/tmp/test_view.XXXXXX", command[256], line[512] = "";
	int fd = mkstemp(path);
	FILE *out;

	if (access("/usr/bin/lspci", X_OK))
		skip();
	assert_true(fd >= 0);
	assert_int_equal(write(fd, f->capture.data, f->capture.length), f->capture.length);
	close(fd);
	snprintf(command, sizeof(command), "/usr/bin/lspci -F %s %s 2>&1 >/dev/null", path,
		 options);
	out = popen(command, "r");
	assert_non_null(out);
	/* -vvv looks for this machine's kernel modules, which are no business of the capture */
	while (fgets(line, sizeof(line), out) && strstr(line, "libkmod"))
		line[0] = '\0';
	assert_string_equal(line, "");
	assert_int_equal(pclose(out), 0);
	/* Among what it decodes is nothing that it cannot read. */
	snprintf(command, sizeof(command),
		 "/usr/bin/lspci -F %s -vvv 2>/dev/null | grep -E "
		 "'<\\?>|!!!|unknown|broken|invalid'",
		 path);
	out = popen(command, "r");
	assert_non_null(out);
	line[0] = '\0';
	while (fgets(line, sizeof(line), out) && strstr(line, "Multi-Root I/O"))
		line[0] = '\0';
	assert_string_equal(line, "");
	pclose(out);
	unlink(path);
}

static void an_empty_hierarchy_is_a_switch_with_a_port_for_each_vport(void **state)
{
	struct fixture *f = *state;

	view(f, BAY1);
	assert_int_equal(f->graph.count, 2 + 4);
	assert_int_equal(f->graph.switch_count, 1);
	assert_int_equal(f->graph.switches[0].ports, 4);
	assert_int_equal(at(f, 0, 0, 1, 0)->express.type, TOPO_ROOT_PORT);
	assert_int_equal(at(f, 0, 0, 1, 0)->bridge.subordinate, 6);
	assert_int_equal(at(f, 0, 1, 0, 0)->express.type, TOPO_UPSTREAM);
	assert_int_equal(at(f, 0, 2, 3, 0)->bridge.secondary, 6);
	assert_true(at(f, 0, 2, 3, 0)->express.slot.implemented);
	assert_true(at(f, 0, 2, 3, 0)->express.slot.hotplug);
	assert_int_equal(at(f, 0, 2, 3, 0)->express.slot.number, 4);
	assert_false(at(f, 0, 2, 3, 0)->express.slot.presence);
	expect_lspci_content(f, "-vvv");
}

static void buses_and_windows_lie_inside_those_above(void **state)
{
	struct fixture *f = *state;

	bind(f, GPU_F0, BAY1, 2);
	view(f, BAY1);
	for (size_t i = 0; i < f->graph.count; i++) {
		const struct topo_function *fn = &f->graph.functions[i];
		const struct topo_function *up;

		if (f->graph.nodes[i].parent == TOPO_NONE)
			continue;
		up = &f->graph.functions[f->graph.nodes[i].parent];
		assert_true(fn->address.bus >= up->bridge.secondary);
		assert_true(fn->address.bus <= up->bridge.subordinate);
		if (fn->header != TOPO_HEADER_BRIDGE)
			continue;
		assert_int_equal(fn->bridge.primary, up->bridge.secondary);
		assert_true(fn->bridge.subordinate <= up->bridge.subordinate);
		assert_true(fn->bridge.memory.base >= up->bridge.memory.base);
		assert_true(fn->bridge.memory.limit <= up->bridge.memory.limit);
		assert_true(fn->bridge.prefetchable.base >= up->bridge.prefetchable.base);
		assert_true(fn->bridge.prefetchable.limit <= up->bridge.prefetchable.limit);
	}
}

static void a_lone_vf_is_an_ordinary_endpoint(void **state)
{
	struct fixture *f = *state;
	const struct topo_function *vf, *bridge;
	uint64_t bar;

	bind(f, SHARED_VF2, BAY1, 3);
	view(f, BAY1);
	vf = at(f, 0, 5, 0, 0);
	bridge = at(f, 0, 2, 2, 0);
	assert_non_null(vf);
	assert_int_equal(vf->vendor, 0x8086);
	assert_int_equal(vf->device, 0x10ed);
	assert_int_equal(vf->class_code, 0x0200);
	assert_int_equal(vf->command & 6, 6);
	assert_int_equal(vf->sriov.offset, 0);
	assert_true(vf->express.flr);
	bar = (uint64_t)vf->bars[1] << 32 | (vf->bars[0] & ~0xfu);
	assert_true(bar >= bridge->bridge.prefetchable.base);
	assert_true(bar + (16 << 10) - 1 <= bridge->bridge.prefetchable.limit);
	assert_int_not_equal(vf->bars[3] & ~0xfu, 0);
	expect_lspci_content(f, "-tv");
	expect_lspci_content(f, "-vvv");
}

static void a_slot_shows_what_is_bound_and_what_changed(void **state)
{
	struct fixture *f = *state;
	const struct topo_function *bridge;

	bind(f, SHARED_VF2, BAY1, 1);
	view(f, BAY1);
	bridge = at(f, 0, 2, 0, 0);
	assert_true(bridge->express.slot.presence);
	assert_true(bridge->express.link.active);
	assert_int_equal(bridge->express.slot.status, 1 << 3 | 1 << 6 | 1 << 8);
	assert_int_equal(bridge->express.link.width, 8);
	assert_false(at(f, 0, 2, 1, 0)->express.link.active);
	sim_map_vport(&f->map, BAY1, 1)->changed = 0;
	assert_int_equal(sim_map_place(&f->map, SHARED_VF2, 0, 0, 0, PROVIDER_SURPRISE), 0);
	view(f, BAY1);
	bridge = at(f, 0, 2, 0, 0);
	assert_false(bridge->express.slot.presence);
	assert_false(bridge->express.link.active);
	assert_int_equal(bridge->express.slot.status, 1 << 3 | 1 << 8);
	assert_int_equal(bridge->aer.uncorrectable_status, 1 << 5);
}

static void a_whole_adapter_shows_its_vfs_where_the_arithmetic_puts_them(void **state)
{
	struct fixture *f = *state;
	const struct topo_function *pf;
	uint32_t i;

	bind(f, WHOLE_PF, BAY2, 1);
	view(f, BAY2);
	pf = at(f, 0, 3, 0, 0);
	assert_non_null(pf);
	assert_true(pf->sriov.enabled && pf->sriov.memory_enable);
	assert_int_equal(pf->sriov.vfs.num_vfs, 2);
	assert_int_equal(pf->sriov.total_vfs, 4);
	assert_int_equal(pf->sriov.initial_vfs, 4);
	assert_int_equal(pf->sriov.vf_device, 0x10ed);
	assert_non_null(at(f, 0, 3, 16, 0));
	assert_non_null(at(f, 0, 3, 16, 2));
	assert_null(at(f, 0, 3, 16, 4));
	i = topo_graph_find(&f->graph, &(struct topo_address){ 0, 3, 16, 2 });
	assert_int_equal(f->graph.nodes[i].vf_index, 2);
	assert_ptr_equal(&f->graph.functions[f->graph.nodes[i].physfn], pf);
	expect_lspci_content(f, "-tv");
	expect_lspci_content(f, "-vvv");
}

static bool is_inside(uint64_t address, uint64_t bytes, const struct topo_window *window)
{
	return address >= window->base && address + bytes - 1 <= window->limit;
}

/* Each BAR that was assigned lies on its size, in a window of the bridge above, beside the others.
 * Return: how many were. */
static unsigned check_bars(const struct topo_function *fn, const struct topo_function *up,
			   const struct sim_bar bars[SIM_BARS])
{
	uint64_t begin[SIM_BARS] = { 0 };
	unsigned assigned = 0;

	for (unsigned i = 0; i < SIM_BARS; i++) {
		if (!bars[i].bytes)
			continue;
		begin[i] = fn->bars[i] & ~0xfu;
		if (bars[i].is_64)
			begin[i] |= (uint64_t)fn->bars[i + 1] << 32;
		if (!begin[i])
			continue;
		assigned++;
		assert_int_equal(begin[i] % bars[i].bytes, 0);
		assert_true(is_inside(begin[i], bars[i].bytes, &up->bridge.memory) ||
			    is_inside(begin[i], bars[i].bytes, &up->bridge.prefetchable));
		for (unsigned j = 0; j < i; j++)
			assert_true(!begin[j] || begin[j] + bars[j].bytes <= begin[i] ||
				    begin[i] + bars[i].bytes <= begin[j]);
	}
	return assigned;
}

static void every_bar_lies_in_a_window_or_is_left_out(void **state)
{
	static const uint16_t vports[] = { 4, 30, 240 };
	struct fixture *f = *state;
	unsigned gpu[3];

	for (unsigned i = 0; i < 3; i++) {
		f->chassis->hosts[0].vports = vports[i];
		f->chassis->hosts[0].window_bytes = 512 << 20;
		sim_map_done(&f->map);
		assert_int_equal(sim_map_init(&f->map, f->chassis), 0);
		bind(f, SHARED_VF1, BAY1, 1);
		bind(f, GPU_F0, BAY1, 2);
		bind(f, WHOLE_PF, BAY1, 3);
		bind(f, FC_F0, BAY1, 4);
		view(f, BAY1);
		(void)check_bars(at(f, 0, 3, 0, 0), at(f, 0, 2, 0, 0),
				 f->chassis->adapters[SHARED - 1].device.vf_bars);
		gpu[i] = check_bars(at(f, 0, 4, 0, 0),
				    vports[i] > 32 ? at(f, 0, 2, 0, 1) : at(f, 0, 2, 1, 0),
				    f->chassis->adapters[GPU - 1].device.bars);
		(void)check_bars(at(f, 0, 5, 0, 0),
				 vports[i] > 32 ? at(f, 0, 2, 0, 2) : at(f, 0, 2, 2, 0),
				 f->chassis->adapters[WHOLE - 1].device.bars);
		(void)check_bars(at(f, 0, 6, 0, 0),
				 vports[i] > 32 ? at(f, 0, 2, 0, 3) : at(f, 0, 2, 3, 0),
				 f->chassis->adapters[FC - 1].device.bars);
	}
	/* 16 MiB below 4 GiB: there is room for it behind 30 vports, and none behind 240. */
	assert_int_equal(gpu[0], 3);
	assert_int_equal(gpu[1], 3);
	assert_int_equal(gpu[2], 2);
}

static void forty_vports_are_functions_of_devices(void **state)
{
	struct fixture *f = *state;

	view(f, BAY3);
	assert_int_equal(f->graph.count, 42);
	assert_int_equal(f->graph.switches[0].ports, 40);
	assert_true(at(f, 0, 2, 4, 7)->multi_function);
	assert_int_equal(at(f, 0, 2, 4, 7)->bridge.secondary, 42);
	expect_lspci_content(f, "-tv");
}

static void the_largest_hierarchy_holds_together(void **state)
{
	struct fixture *f = *state;

	f->chassis->hosts[0].vports = 240;
	f->chassis->hosts[0].window_bytes = 512 << 20;
	sim_map_done(&f->map);
	assert_int_equal(sim_map_init(&f->map, f->chassis), 0);
	bind(f, GPU_F0, BAY1, 240);
	bind(f, GPU_F1, BAY1, 1);
	bind(f, FC_F0, BAY1, 120);
	view(f, BAY1);
	assert_int_equal(f->graph.count, 2 + 240 + 3);
	assert_int_equal(at(f, 0, 242, 0, 0)->vendor, 0x10de);
	expect_lspci_content(f, "-tv");
	expect_lspci_content(f, "-vvv");
}

static void the_manager_sees_every_function_of_every_card(void **state)
{
	struct fixture *f = *state;
	size_t vfs = 0, markers = 0;

	view(f, 0);
	assert_int_equal(f->graph.domain_count, 2);
	assert_int_equal(f->graph.switch_count, 2);
	for (size_t i = 0; i < f->graph.count; i++) {
		vfs += f->graph.nodes[i].vf_index != 0;
		markers += topo_function_ext(&f->graph.functions[i], TOPO_EXT_MRIOV) != 0;
		assert_false(f->graph.nodes[i].orphan || f->graph.nodes[i].repeated ||
			     f->graph.nodes[i].impossible);
	}
	assert_int_equal(vfs, 4 + 2 + 2 * 2);
	assert_int_equal(markers, 1);
	/* 2 trunks of 2, a bridge for each of 6 cards, and the cards */
	assert_int_equal(f->graph.count, 2 * 2 + 6 + (1 + 4) + 2 + (1 + 2) + 3 + 1 + 2 * (1 + 2));
	expect_lspci_content(f, "-tv");
	expect_lspci_content(f, "-vvv");
}

static void more_cards_than_buses_go_on_in_another_domain(void **state)
{
	struct fixture *f = *state;
	struct sim_chassis *c = NULL;
	char why[SIM_CHASSIS_WHY];

	assert_int_equal(sim_chassis_generate(1, 1, 300, 2, &c, why), 0);
	sim_map_done(&f->map);
	sim_chassis_free(f->chassis);
	f->chassis = c;
	assert_int_equal(sim_map_init(&f->map, c), 0);
	view(f, 0);
	assert_int_equal(f->graph.domain_count, 2);
	assert_int_equal(f->graph.count, 2 * 2 + 300 + 300 * 3);
}

static void many_vfs_of_several_pfs_never_meet(void **state)
{
	struct fixture *f = *state;
	struct sim_adapter *a = &f->chassis->adapters[RING - 1];

	a->pfs = 4;
	a->device.total_vfs = 200;
	a->num_vfs = 200;
	sim_map_done(&f->map);
	assert_int_equal(sim_map_init(&f->map, f->chassis), 0);
	view(f, 0);
	for (size_t i = 0; i < f->graph.count; i++)
		assert_false(f->graph.nodes[i].orphan || f->graph.nodes[i].repeated);
}

static void a_captured_card_keeps_what_its_maker_wrote(void **state)
{
	const struct topo_address from = { 0, 8, 0, 0 };
	struct fixture *f = *state;
	struct sim_adapter *a = &f->chassis->adapters[WHOLE - 1];
	char why[SIM_CHASSIS_WHY] = "";
	const struct topo_function *pf, *bridge;

	assert_int_equal(sim_capture_read(TEST_DATA
					  "/captures/qemu10-nested-switch-igb-vfs-on.lspci",
					  &from, a, why),
			 0);
	sim_map_done(&f->map);
	assert_int_equal(sim_map_init(&f->map, f->chassis), 0);
	bind(f, WHOLE_PF, BAY2, 1);
	view(f, BAY2);
	pf = at(f, 0, 3, 0, 0);
	bridge = at(f, 0, 2, 0, 0);
	assert_int_equal(pf->device, 0x10c9);
	assert_int_equal(pf->sriov.vfs.num_vfs, 7);
	assert_int_equal(pf->express.max_payload, 128);
	assert_int_equal(at(f, 0, 3, 16, 2)->device, 0x10ca);
	assert_true((pf->bars[0] & ~0xfu) >= bridge->bridge.memory.base);
	assert_true((pf->bars[0] & ~0xfu) <= bridge->bridge.memory.limit);
	expect_lspci_content(f, "-vvv");
}

static void every_built_in_model_is_read_by_lspci(void **state)
{
	struct fixture *f = *state;
	struct sim_chassis *c = sim_chassis_new("models");
	char path[SIM_CHASSIS_WHY], why[SIM_CHASSIS_WHY];

	sim_chassis_add_switch(c, "sw0");
	for (const struct sim_device *d = sim_device_list(); d->name; d++) {
		struct sim_adapter *a = sim_chassis_add_adapter(c, d, d->name, 1);

		a->num_vfs = d->total_vfs;
	}
	assert_int_equal(sim_chassis_check(c, path, why), 0);
	sim_map_done(&f->map);
	sim_chassis_free(f->chassis);
	f->chassis = c;
	assert_int_equal(sim_map_init(&f->map, c), 0);
	view(f, 0);
	expect_lspci_content(f, "-vvv");
}

static void a_host_that_is_not_there_has_no_view(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sim_view(&f->map, 9, on_config, f), REFUSE_NO_HOST);
	assert_int_equal(f->graph.count, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_empty_hierarchy_is_a_switch_with_a_port_for_each_vport),
		T(buses_and_windows_lie_inside_those_above),
		T(a_lone_vf_is_an_ordinary_endpoint),
		T(a_slot_shows_what_is_bound_and_what_changed),
		T(a_whole_adapter_shows_its_vfs_where_the_arithmetic_puts_them),
		T(every_bar_lies_in_a_window_or_is_left_out),
		T(forty_vports_are_functions_of_devices),
		T(the_largest_hierarchy_holds_together),
		T(the_manager_sees_every_function_of_every_card),
		T(more_cards_than_buses_go_on_in_another_domain),
		T(many_vfs_of_several_pfs_never_meet),
		T(a_captured_card_keeps_what_its_maker_wrote),
		T(every_built_in_model_is_read_by_lspci),
		T(a_host_that_is_not_there_has_no_view),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
