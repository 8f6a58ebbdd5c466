/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "provider/provider.h"

/* Two switches joined by a link, two hosts, a shared SR-IOV adapter with a PF and three VFs, and
 * a plain one. VF 1 is bound to host 1; VFs 2 and 3 depend on each other. */
static struct provider_scan *scan_new(void)
{
	static const struct provider_switch switches[] = {
		{ .handle = 1, .chassis = 1, .name = "sw0" },
		{ .handle = 2, .chassis = 1, .name = "sw1" },
	};
	static const struct provider_port ports[] = {
		{ .switch_handle = 1, .number = 0, .host = 1 },
		{ .switch_handle = 1, .number = 4, .role = PROVIDER_PORT_DOWNSTREAM, .adapter = 1 },
		{ .switch_handle = 1, .number = 9, .role = PROVIDER_PORT_INTERSWITCH, .peer = 2 },
		{ .switch_handle = 2, .number = 0, .host = 2 },
		{ .switch_handle = 2, .number = 4, .role = PROVIDER_PORT_DOWNSTREAM, .adapter = 2 },
	};
	static const struct provider_host hosts[] = {
		{ .handle = 1,
		  .switch_handle = 1,
		  .vports = 4,
		  .bay = "bay1",
		  .chassis = 1,
		  .buses = 1,
		  .state = { .host = 1 } },
		{ .handle = 2,
		  .switch_handle = 2,
		  .vports = 240,
		  .bay = "bay2",
		  .chassis = 1,
		  .buses = 1,
		  .state = { .host = 2 } },
	};
	static const struct provider_adapter adapters[] = {
		{ .handle = 1,
		  .switch_handle = 1,
		  .port = 4,
		  .class_code = 0x020000,
		  .mode = PROVIDER_ADAPTER_SRIOV,
		  .keeper = PROVIDER_KEEPER_SWITCH,
		  .num_vfs = 3,
		  .total_vfs = 3,
		  .first_function = 1,
		  .function_count = 4 },
		{ .handle = 2,
		  .switch_handle = 2,
		  .port = 4,
		  .first_function = 5,
		  .function_count = 1 },
	};
	static const struct provider_function functions[] = {
		{ .handle = 1,
		  .adapter = 1,
		  .kind = PROVIDER_FUNCTION_PF,
		  .buses = 1,
		  .now = { .function = 1 } },
		{ .handle = 2,
		  .adapter = 1,
		  .kind = PROVIDER_FUNCTION_VF,
		  .vf = 1,
		  .buses = 1,
		  .now = { .function = 2,
			   .host = 1,
			   .vport = 1,
			   .generation = 7,
			   .identity = { .mac = 0x020000000001 } } },
		{ .handle = 3,
		  .adapter = 1,
		  .kind = PROVIDER_FUNCTION_VF,
		  .vf = 2,
		  .buses = 1,
		  .depends = 4,
		  .now = { .function = 3 } },
		{ .handle = 4,
		  .adapter = 1,
		  .kind = PROVIDER_FUNCTION_VF,
		  .vf = 3,
		  .buses = 1,
		  .depends = 3,
		  .now = { .function = 4 } },
		{ .handle = 5, .adapter = 2, .buses = 1, .now = { .function = 5 } },
	};
	struct provider_scan *scan = calloc(1, sizeof(*scan));

	assert_non_null(scan);
#define COPY(array, count)                                        \
	do {                                                      \
		scan->array = malloc(sizeof(array));              \
		assert_non_null(scan->array);                     \
		memcpy(scan->array, array, sizeof(array));        \
		scan->count = sizeof(array) / sizeof((array)[0]); \
	} while (0)
	COPY(switches, switch_count);
	COPY(ports, port_count);
	COPY(hosts, host_count);
	COPY(adapters, adapter_count);
	COPY(functions, function_count);
	return scan;
}

static void a_sound_scan_and_an_empty_one_are_believed(void **unused)
{
	OWNED(provider_scan_free) struct provider_scan *scan = scan_new();
	const struct provider_scan empty = { 0 };
	char why[PROVIDER_TEXT_MAX] = "untouched";

	(void)unused;
	assert_int_equal(provider_scan_check(scan, why), 0);
	assert_int_equal(provider_scan_check(&empty, why), 0);
	assert_string_equal(why, "untouched");
}

#define DEFECT(name, ...)                            \
	static void name(struct provider_scan *scan) \
	{                                            \
		__VA_ARGS__;                         \
	}
DEFECT(too_many_hosts, scan->host_count = PROVIDER_HOSTS_MAX + 1)
DEFECT(array_missing, free(scan->ports); scan->ports = NULL)
DEFECT(switch_handle_wrong, scan->switches[1].handle = 1)
DEFECT(switch_unnamed, scan->switches[0].name[0] = '\0')
DEFECT(switch_name_without_end, memset(scan->switches[0].name, 'a', PROVIDER_NAME_MAX))
DEFECT(switch_named_twice, strcpy(scan->switches[1].name, "sw0"))
DEFECT(switch_without_chassis, scan->switches[0].chassis = 0)
DEFECT(port_of_no_switch, scan->ports[4].switch_handle = 3)
DEFECT(port_of_switch_0, scan->ports[0].switch_handle = 0)
DEFECT(port_twice, scan->ports[4].number = 0)
DEFECT(ports_out_of_order, scan->ports[1].number = 10)
DEFECT(port_role_wrong, memset(&scan->ports[0].role, 0x7f, sizeof(scan->ports[0].role)))
DEFECT(port_host_elsewhere, scan->ports[0].host = 2)
DEFECT(port_host_missing, scan->ports[0].host = 3)
DEFECT(port_role_not_of_a_host, scan->ports[0].role = PROVIDER_PORT_DOWNSTREAM)
DEFECT(port_adapter_elsewhere, scan->ports[1].adapter = 2)
DEFECT(port_role_not_of_an_adapter, scan->ports[1].role = PROVIDER_PORT_INTERSWITCH)
DEFECT(port_peer_itself, scan->ports[2].peer = 1)
DEFECT(port_peer_missing, scan->ports[2].peer = 3)
DEFECT(port_peer_of_a_host_port, scan->ports[0].peer = 2)
DEFECT(host_handle_wrong, scan->hosts[0].handle = 2)
DEFECT(host_state_of_another, scan->hosts[0].state.host = 2)
DEFECT(host_without_bay, scan->hosts[0].bay[0] = '\0')
DEFECT(bay_twice, strcpy(scan->hosts[1].bay, "bay1"))
DEFECT(host_on_no_port, scan->ports[0].host = 0)
DEFECT(host_without_vports, scan->hosts[0].vports = 0)
DEFECT(host_with_241_vports, scan->hosts[0].vports = 241)
DEFECT(host_slot_beyond, scan->hosts[0].first_slot = 8192)
DEFECT(host_without_buses, scan->hosts[0].buses = 0)
DEFECT(host_without_chassis, scan->hosts[0].chassis = 0)
DEFECT(slot_of_a_host, scan->ports[0].has_slot = true)
DEFECT(slot_powered_where_none_is, scan->ports[1].slot_power = true)
DEFECT(adapter_handle_wrong, scan->adapters[1].handle = 1)
DEFECT(adapter_on_no_port, scan->ports[4].adapter = 0; scan->adapters[1].port = 5)
DEFECT(adapter_class_wide, scan->adapters[0].class_code = 0x1000000)
DEFECT(adapter_serial_without_end, memset(scan->adapters[0].serial, 'a', PROVIDER_NAME_MAX))
DEFECT(adapter_keeper_unnamed, scan->adapters[0].keeper = PROVIDER_KEEPER_HOST)
DEFECT(adapter_keeper_missing, scan->adapters[0].keeper = PROVIDER_KEEPER_HOST;
       scan->adapters[0].keeper_host = 3)
DEFECT(adapter_keeper_named_twice, scan->adapters[0].keeper_host = 1)
DEFECT(adapter_more_vfs_than_total, scan->adapters[0].num_vfs = 4)
DEFECT(adapter_functions_beyond, scan->adapters[1].function_count = 2)
DEFECT(adapter_functions_wrap, scan->adapters[1].first_function = UINT32_MAX)
DEFECT(adapter_functions_overlap, scan->adapters[1].first_function = 4;
       scan->adapters[1].function_count = 2)
DEFECT(adapter_leaves_one_out, scan->adapters[0].function_count = 3)
DEFECT(function_handle_wrong, scan->functions[0].handle = 9)
DEFECT(function_binding_of_another, scan->functions[0].now.function = 9)
DEFECT(function_without_adapter, scan->functions[4].adapter = 0)
DEFECT(function_of_another_adapter, scan->functions[4].adapter = 1)
DEFECT(function_kind_wrong, memset(&scan->functions[0].kind, 0x7f, sizeof(int)))
DEFECT(vf_0, scan->functions[1].vf = 0)
DEFECT(vf_beyond_total, scan->functions[1].vf = 4)
DEFECT(pf_with_vf_number, scan->functions[0].vf = 1)
DEFECT(function_without_buses, scan->functions[0].buses = 0)
DEFECT(function_identity_kinds, scan->functions[0].identity_can = 0x80)
DEFECT(mac_wide, scan->functions[1].now.identity.mac = 1ull << 48)
DEFECT(vlan_4095, scan->functions[1].now.identity.vlan = 4095)
DEFECT(bound_without_vport, scan->functions[1].now.vport = 0)
DEFECT(bound_beyond_the_vports, scan->functions[1].now.vport = 5)
DEFECT(bound_to_no_host, scan->functions[1].now.host = 3)
DEFECT(vport_without_host, scan->functions[0].now.vport = 1)
DEFECT(generation_without_host, scan->functions[0].now.generation = 1)
DEFECT(vport_with_two, scan->functions[0].now.host = 1; scan->functions[0].now.vport = 1)
DEFECT(depends_on_itself, scan->functions[2].depends = 3)
DEFECT(depends_on_nothing_there, scan->functions[2].depends = 6)
DEFECT(depends_on_one_that_does_not, scan->functions[2].depends = 1)
DEFECT(two_depend_on_one, scan->functions[0].depends = 3)

static void a_foreign_binding_may_stand_outside_of_the_virtual_switch(void **unused)
{
	OWNED(provider_scan_free) struct provider_scan *scan = scan_new();

	(void)unused;
	scan->functions[1].now.vport = PROVIDER_VPORTS_MAX;
	assert_int_equal(provider_scan_check(scan, NULL), -EBADMSG);
	scan->functions[1].now.generation = 0;
	assert_int_equal(provider_scan_check(scan, NULL), 0);
	scan->functions[1].now.vport = PROVIDER_VPORTS_MAX + 1;
	assert_int_equal(provider_scan_check(scan, NULL), -EBADMSG);
}

static void every_defect_of_a_scan_is_named(void **unused)
{
	static const struct {
		void (*apply)(struct provider_scan *scan);
		const char *says;
	} defects[] = {
		{ too_many_hosts, "1025 hosts" },
		{ array_missing, "ports are missing" },
		{ switch_handle_wrong, "switch 2: handle 1" },
		{ switch_unnamed, "switch 1: no name" },
		{ switch_name_without_end, "switch 1: no name" },
		{ switch_named_twice, "switch 2: name as switch 1" },
		{ switch_without_chassis, "switch 1: no chassis" },
		{ port_of_no_switch, "no switch 3" },
		{ port_of_switch_0, "no switch 0" },
		{ port_twice, "switch 2 port 0: twice" },
		{ ports_out_of_order, "adapter 1 is not there" },
		{ port_role_wrong, "role" },
		{ port_host_elsewhere, "host 2 is not there" },
		{ port_host_missing, "host 3 is not there" },
		{ port_role_not_of_a_host, "host 1 is not there" },
		{ port_adapter_elsewhere, "adapter 2 is not there" },
		{ port_role_not_of_an_adapter, "adapter 1 is not there" },
		{ port_peer_itself, "peer 1 cannot be" },
		{ port_peer_missing, "peer 3 cannot be" },
		{ port_peer_of_a_host_port, "peer 2 cannot be" },
		{ host_handle_wrong, "host 1: handle 2" },
		{ host_state_of_another, "host 1: handle 1, 2" },
		{ host_without_bay, "host 1: no bay" },
		{ bay_twice, "bay as host" },
		{ host_on_no_port, "host 1: not on switch 1 port 0" },
		{ host_without_vports, "0 vports" },
		{ host_with_241_vports, "241 vports" },
		{ host_slot_beyond, "slot 8192" },
		{ slot_of_a_host, "port 0: a slot that cannot be" },
		{ slot_powered_where_none_is, "port 4: a slot that cannot be" },
		{ host_without_buses, "no bus" },
		{ host_without_chassis, "host 1: no chassis" },
		{ adapter_handle_wrong, "adapter 2: handle 1" },
		{ adapter_on_no_port, "no switch 2 port 5" },
		{ adapter_class_wide, "class 1000000" },
		{ adapter_serial_without_end, "text without end" },
		{ adapter_keeper_unnamed, "keeper host 0" },
		{ adapter_keeper_missing, "keeper host 3" },
		{ adapter_keeper_named_twice, "keeper host 1" },
		{ adapter_more_vfs_than_total, "4 VFs of 3" },
		{ adapter_functions_beyond, "adapter 2: functions 5" },
		{ adapter_functions_wrap, "adapter 2: functions" },
		{ adapter_functions_overlap, "function 4 is of another" },
		{ adapter_leaves_one_out, "adapter 1 does not have it" },
		{ function_handle_wrong, "function 1: handle 9" },
		{ function_binding_of_another, "9 in its binding" },
		{ function_without_adapter, "of another" },
		{ function_of_another_adapter, "function 5 is of another" },
		{ function_kind_wrong, "kind" },
		{ vf_0, "VF 0 of 3" },
		{ vf_beyond_total, "VF 4 of 3" },
		{ pf_with_vf_number, "VF 1 of 3" },
		{ function_without_buses, "no bus" },
		{ function_identity_kinds, "identity kinds 80" },
		{ mac_wide, "identity cannot be" },
		{ vlan_4095, "identity cannot be" },
		{ bound_without_vport, "no vport 0" },
		{ bound_beyond_the_vports, "no vport 5" },
		{ bound_to_no_host, "no host 3" },
		{ vport_without_host, "bound nowhere" },
		{ generation_without_host, "bound nowhere" },
		{ vport_with_two, "vport 1 has another" },
		{ depends_on_itself, "closes no ring" },
		{ depends_on_nothing_there, "closes no ring" },
		{ depends_on_one_that_does_not, "closes no ring" },
		{ two_depend_on_one, "closes no ring" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(defects) / sizeof(defects[0]); i++) {
		OWNED(provider_scan_free) struct provider_scan *scan = scan_new();
		char why[PROVIDER_TEXT_MAX] = "";

		defects[i].apply(scan);

		assert_int_equal(provider_scan_check(scan, why), -EBADMSG);
		if (!strstr(why, defects[i].says))
			fail_msg("defect %zu: \"%s\" does not say \"%s\"", i, why, defects[i].says);
	}
}

static void an_operation_without_what_its_verb_needs_is_refused(void **unused)
{
	static const struct provider_op good[] = {
		{ .attempt = 1, .verb = PROVIDER_ISOLATE, .host = 1, .value = 1 },
		{ .attempt = 1, .verb = PROVIDER_UNBIND, .function = 1 },
		{ .attempt = 1, .verb = PROVIDER_RESET, .function = 1 },
		{ .attempt = 1, .verb = PROVIDER_IDENTITY, .function = 1 },
		{ .attempt = 1, .verb = PROVIDER_NUM_VFS, .function = 1, .value = 65535 },
		{ .attempt = 1,
		  .verb = PROVIDER_BIND,
		  .function = 1,
		  .host = 1,
		  .vport = 240,
		  .generation = 1 },
		{ .attempt = 1, .verb = PROVIDER_HOST_POWER, .host = 1, .value = 1 },
		{ .attempt = 1, .verb = PROVIDER_READ, .function = 1, .value = 512 },
		{ .attempt = 1, .verb = PROVIDER_READ_HOST, .host = 1 },
		{ .attempt = 1, .verb = PROVIDER_SETTLE },
	};
	static const struct provider_op wrong[] = {
		{ .attempt = 1 },
		{ .attempt = 0, .verb = PROVIDER_SETTLE },
		{ .attempt = 1, .verb = PROVIDER_VERBS },
		{ .attempt = 1, .verb = PROVIDER_ISOLATE, .value = 1 },
		{ .attempt = 1, .verb = PROVIDER_ISOLATE, .host = 1, .value = 2 },
		{ .attempt = 1, .verb = PROVIDER_UNBIND },
		{ .attempt = 1, .verb = PROVIDER_UNBIND, .function = 1, .mode = 2 },
		{ .attempt = 1, .verb = PROVIDER_NUM_VFS, .function = 1, .value = 65536 },
		{ .attempt = 1,
		  .verb = PROVIDER_IDENTITY,
		  .function = 1,
		  .identity = { .mac = 1ull << 48 } },
		{ .attempt = 1,
		  .verb = PROVIDER_IDENTITY,
		  .function = 1,
		  .identity = { .vlan = 4095 } },
		{ .attempt = 1,
		  .verb = PROVIDER_BIND,
		  .function = 1,
		  .host = 1,
		  .vport = 241,
		  .generation = 1 },
		{ .attempt = 1, .verb = PROVIDER_BIND, .function = 1, .host = 1, .generation = 1 },
		{ .attempt = 1, .verb = PROVIDER_BIND, .function = 1, .host = 1, .vport = 1 },
		{ .attempt = 1, .verb = PROVIDER_BIND, .function = 1, .vport = 1, .generation = 1 },
		{ .attempt = 1, .verb = PROVIDER_READ, .function = 1 },
		{ .attempt = 1, .verb = PROVIDER_READ, .function = 1, .value = 513 },
		{ .attempt = 1, .verb = PROVIDER_READ_HOST },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(provider_op_check(&good[i]), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(provider_op_check(&wrong[i]), -EINVAL);
}

static void every_value_has_its_text(void **unused)
{
	(void)unused;
	for (int v = 1; v < PROVIDER_VERBS; v++)
		assert_int_equal(provider_verb_parse(provider_verb_text((enum provider_verb)v)), v);
	for (int o = PROVIDER_DONE; o <= PROVIDER_GATED; o++)
		assert_string_not_equal(provider_outcome_text((enum provider_outcome)o), "?");
	for (int w = PROVIDER_WHY_NONE; w < PROVIDER_WHYS; w++)
		assert_non_null(provider_why_text((enum provider_why)w));
	for (int s = PROVIDER_CONNECTING; s <= PROVIDER_LOST; s++)
		assert_string_not_equal(provider_state_text((enum provider_state)s), "?");
	assert_true(provider_verb_parse("none") < 0);
	assert_true(provider_verb_parse("") < 0);
	assert_string_equal(provider_why_text(PROVIDER_WHYS), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sound_scan_and_an_empty_one_are_believed),
		cmocka_unit_test(every_defect_of_a_scan_is_named),
		cmocka_unit_test(a_foreign_binding_may_stand_outside_of_the_virtual_switch),
		cmocka_unit_test(an_operation_without_what_its_verb_needs_is_refused),
		cmocka_unit_test(every_value_has_its_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
