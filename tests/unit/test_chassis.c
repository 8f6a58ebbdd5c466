/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/map.h"
#include "sim_fixture.h"

static void expect_refusal(struct sim_chassis *c, const char *where)
{
	char path[SIM_CHASSIS_WHY] = "", why[SIM_CHASSIS_WHY] = "";

	assert_int_equal(sim_chassis_check(c, path, why), REFUSE_FIELD);
	assert_string_equal(path, where);
	assert_string_not_equal(why, "");
	sim_chassis_free(c);
}

static void what_cannot_be_is_refused_at_its_place(void **unused)
{
	struct sim_chassis *c;

	(void)unused;
	c = fixture_new();
	c->hosts[1].vports = 241;
	expect_refusal(c, "/hosts/1/vports");
	c = fixture_new();
	c->hosts[1].vports = 128;
	c->hosts[1].buses = 2;
	expect_refusal(c, "/hosts/1/buses");
	c = fixture_new();
	c->hosts[2].bay[3] = '1';
	expect_refusal(c, "/hosts");
	c = fixture_new();
	c->hosts[0].port = c->adapters[0].port;
	expect_refusal(c, "/adapters/0/port");
	c = fixture_new();
	c->hosts[0].switch_handle = 3;
	expect_refusal(c, "/hosts/0/switch");
	c = fixture_new();
	c->adapters[0].num_vfs = 9;
	expect_refusal(c, "/adapters/0/num_vfs");
	c = fixture_new();
	c->adapters[1].device.total_vfs = 1;
	expect_refusal(c, "/adapters/1/total_vfs");
	c = fixture_new();
	c->adapters[1].keeper = PROVIDER_KEEPER_SWITCH;
	expect_refusal(c, "/adapters/1/keeper");
	c = fixture_new();
	c->adapters[3].keeper = PROVIDER_KEEPER_NONE;
	expect_refusal(c, "/adapters/3/keeper");
	c = fixture_new();
	c->adapters[0].ring = true;
	expect_refusal(c, "/adapters/0/ring");
	c = fixture_new();
	c->adapters[0].width = 3;
	expect_refusal(c, "/adapters/0/link");
	c = fixture_new();
	c->adapters[0].width = 16;
	expect_refusal(c, "/adapters/0/link");
	c = fixture_new();
	strcpy(c->adapters[4].serial, c->adapters[0].serial);
	expect_refusal(c, "/adapters");
	c = fixture_new();
	c->links[0].switches[1] = 1;
	c->links[0].ports[1] = 99;
	expect_refusal(c, "/links/0/b");
	c = fixture_new();
	strcpy(c->switches[1].name, "sw0");
	expect_refusal(c, "/switches/1/name");
	c = fixture_new();
	c->adapters[0].device.total_vfs = 40000;
	expect_refusal(c, "/adapters/0/total_vfs");
}

static void a_full_hierarchy_is_accepted(void **unused)
{
	char path[SIM_CHASSIS_WHY] = "", why[SIM_CHASSIS_WHY] = "";
	struct sim_chassis *c = fixture_new();

	(void)unused;
	c->hosts[1].vports = 240;
	assert_int_equal(sim_chassis_check(c, path, why), 0);
	sim_chassis_free(c);
}

static void adapters_without_a_serial_may_be_many(void **unused)
{
	char path[SIM_CHASSIS_WHY] = "", why[SIM_CHASSIS_WHY] = "";
	struct sim_chassis *c = fixture_new();

	(void)unused;
	c->adapters[0].serial[0] = c->adapters[2].serial[0] = '\0';
	assert_int_equal(sim_chassis_check(c, path, why), 0);
	sim_chassis_free(c);
}

static void a_generated_chassis_is_what_was_asked_for(void **unused)
{
	char why[SIM_CHASSIS_WHY];
	struct sim_chassis *c = NULL;
	struct sim_map map;
	size_t nics = 0;

	(void)unused;
	assert_int_equal(sim_chassis_generate(16, 2, 7, 8, &c, why), 0);
	assert_int_equal(c->host_count, 16);
	assert_int_equal(c->switch_count, 2);
	assert_int_equal(c->adapter_count, 7);
	for (size_t i = 0; i < 7; i++) {
		assert_int_equal(c->adapters[i].num_vfs, 8);
		assert_int_equal(c->adapters[i].keeper, PROVIDER_KEEPER_SWITCH);
		nics += c->adapters[i].device.class_code == 0x020000;
	}
	assert_int_equal(nics, 4);
	assert_int_equal(c->hosts[15].vports, 56);
	assert_int_equal(sim_map_init(&map, c), 0);
	assert_int_equal(map.function_count, 7 * 9);
	sim_map_done(&map);
	sim_chassis_free(c);
}

static void any_generated_vf_fits_any_host(void **unused)
{
	char why[SIM_CHASSIS_WHY];
	struct sim_chassis *c = NULL;
	struct sim_map map;

	(void)unused;
	assert_int_equal(sim_chassis_generate(3, 3, 4, 4, &c, why), 0);
	assert_int_equal(sim_map_init(&map, c), 0);
	for (uint32_t function = 1; function <= map.function_count; function++) {
		if (map.functions[function - 1].kind != PROVIDER_FUNCTION_VF)
			continue;
		for (uint16_t host = 1; host <= 3; host++) {
			struct provider_op op = { .verb = PROVIDER_BIND,
						  .function = function,
						  .host = host,
						  .vport = 16 };
			struct sim_verdict verdict;

			sim_map_apply(&map, &op, &verdict);
			assert_int_equal(verdict.outcome, PROVIDER_DONE);
			op.verb = PROVIDER_UNBIND;
			sim_map_apply(&map, &op, &verdict);
		}
	}
	sim_map_done(&map);
	sim_chassis_free(c);
}

static void the_largest_chassis_can_be_generated_and_no_larger(void **unused)
{
	char why[SIM_CHASSIS_WHY] = "";
	struct sim_chassis *c = NULL;

	(void)unused;
	assert_int_equal(sim_chassis_generate(256, 8, 256, 64, &c, why), 0);
	assert_int_equal(c->hosts[0].vports, 240);
	sim_chassis_free(c);
	c = NULL;
	assert_int_equal(sim_chassis_generate(1, 1, 1024, 64, &c, why), REFUSE_FIELD);
	assert_string_not_equal(why, "");
	assert_int_equal(sim_chassis_generate(1, 0, 1, 1, &c, why), REFUSE_FIELD);
	assert_int_equal(sim_chassis_generate(1025, 1, 1, 1, &c, why), REFUSE_FIELD);
	assert_int_equal(sim_chassis_generate(600, 1, 1, 1, &c, why), REFUSE_FIELD);
	assert_null(c);
	assert_int_equal(sim_chassis_generate(0, 1, 0, 0, &c, why), 0);
	sim_chassis_free(c);
}

static void every_built_in_model_can_be_plugged_in(void **unused)
{
	char path[SIM_CHASSIS_WHY] = "", why[SIM_CHASSIS_WHY] = "";

	(void)unused;
	for (const struct sim_device *d = sim_device_list(); d->name; d++) {
		struct sim_chassis *c = fixture_new();

		assert_ptr_equal(sim_device_find(d->name), d);
		assert_non_null(sim_chassis_add_adapter(c, d, "NEW", 1));
		assert_int_equal(sim_chassis_check(c, path, why), 0);
		sim_chassis_free(c);
	}
	assert_null(sim_device_find("toaster"));
}

static void buses_follow_the_routing_ids(void **unused)
{
	struct sim_device d = { .first_vf_offset = 128, .vf_stride = 2 };

	(void)unused;
	assert_int_equal(sim_device_buses(&d, 0, 0), 1);
	assert_int_equal(sim_device_buses(&d, 0, 64), 1);
	assert_int_equal(sim_device_buses(&d, 0, 65), 2);
	d.first_vf_offset = d.vf_stride = 1;
	assert_int_equal(sim_device_buses(&d, 0, 600), 3);
	assert_int_equal(sim_device_buses(&d, 0, 4096), 17);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_be_is_refused_at_its_place),
		cmocka_unit_test(a_full_hierarchy_is_accepted),
		cmocka_unit_test(adapters_without_a_serial_may_be_many),
		cmocka_unit_test(a_generated_chassis_is_what_was_asked_for),
		cmocka_unit_test(any_generated_vf_fits_any_host),
		cmocka_unit_test(the_largest_chassis_can_be_generated_and_no_larger),
		cmocka_unit_test(every_built_in_model_can_be_plugged_in),
		cmocka_unit_test(buses_follow_the_routing_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
