/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "sim/chassis_file.h"
#include "sim_fixture.h"

#define HEAD                        "{\"chassis\":\"t\",\"switches\":[{\"name\":\"sw0\"},{\"name\":\"sw1\"}],"
#define HOST(rest)                  "{\"bay\":\"bay1\",\"switch\":\"sw0\",\"port\":1" rest "}"
#define NIC(rest)                   "{\"model\":\"ethernet\",\"serial\":\"A1\",\"switch\":\"sw0\",\"port\":9" rest "}"
#define WHOLE_FILE(hosts, adapters) HEAD "\"hosts\":[" hosts "],\"adapters\":[" adapters "]}"

static int parse(const char *text, struct sim_chassis **out, char *error)
{
	return sim_chassis_parse(text, strlen(text), "f.json", NULL, out, error);
}

static void a_small_file_gives_a_chassis(void **unused)
{
	char error[SIM_CHASSIS_ERROR] = "";
	struct sim_chassis *c = NULL;

	(void)unused;
	assert_int_equal(
		parse(WHOLE_FILE(HOST(",\"vports\":8,\"window_mib\":128,\"power\":false"),
				 NIC(",\"keeper\":\"host\",\"keeper_host\":\"bay1\",\"num_vfs\":8,"
				     "\"link\":{\"width\":4,\"gts\":2.5}")),
		      &c, error),
		0);
	assert_string_equal(c->name, "t");
	assert_int_equal(c->hosts[0].vports, 8);
	assert_int_equal(c->hosts[0].window_bytes, 128 << 20);
	assert_false(c->hosts[0].power);
	assert_int_equal(c->adapters[0].keeper_host, 1);
	assert_int_equal(c->adapters[0].device.total_vfs, 64);
	assert_int_equal(c->adapters[0].mtps, 2500);
	assert_int_equal(c->timeout_ms, 5000);
	assert_true(c->has_barrier && c->checks_identity);
	assert_true(c->can.isolate && c->can.surprise && c->can.power && c->can.tell_power);
	assert_true(c->can.tell_traffic);
	sim_chassis_free(c);
}

static void what_is_no_json_is_refused_with_line_and_column(void **unused)
{
	static const struct {
		const char *text;
		const char *error;
	} cases[] = {
		{ "", "f.json:1:1: " },
		{ "{\n  'chassis':1}", "f.json:2:3: " },
		{ "{\"chassis\":\"a\",\n\n \"chassis\":\"b\"}", "f.json:3:2: " },
		{ "{\"chassis\":NaN}", "f.json:1:12: " },
		{ "{} x", "f.json:1:4: " },
	};
	(void)unused;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char error[SIM_CHASSIS_ERROR] = "";
		struct sim_chassis *c = NULL;

		assert_int_equal(parse(cases[i].text, &c, error), REFUSE_SYNTAX);
		assert_memory_equal(error, cases[i].error, strlen(cases[i].error));
		assert_true(strlen(error) > strlen(cases[i].error));
		assert_null(c);
	}
}

static void what_cannot_be_is_refused_with_a_pointer(void **unused)
{
	static const struct {
		const char *text;
		const char *error;
	} cases[] = {
		{ "[]", "f.json: /: an object is expected" },
		{ "7", "f.json: /: an object is expected" },
		{ "{\"chassis\":\"t\"}", "f.json: /: \"switches\" is missing" },
		{ "{\"chassis\":7}", "f.json: /chassis: a text is expected" },
		{ "{\"chassis\":\"\\u0007\"}", "f.json: /chassis: a control character" },
		{ "{\"chassis\":\"t\",\"colour\":1}", "f.json: /colour: no such key" },
		{ "{\"provider\":\"qemu\",\"colour\":1}",
		  "f.json: /provider: \"qemu\" is served by fabric-provider-qemu; fabricsim serves "
		  "\"sim\"" },
		{ HEAD "\"provider\":\"pci\"}", "f.json: /provider: fabricsim serves \"sim\"" },
		{ HEAD "\"hosts\":{}}", "f.json: /hosts: an array is expected" },
		{ WHOLE_FILE("7", ""), "f.json: /hosts/0: an object is expected" },
		{ WHOLE_FILE("{}", ""), "f.json: /hosts/0: \"bay\" is missing" },
		{ WHOLE_FILE(HOST(",\"vports\":0"), ""), "f.json: /hosts/0/vports: 1 .. 65535" },
		{ WHOLE_FILE(HOST(",\"vports\":241"), ""),
		  "f.json: /hosts/0/vports: a host has 1 .. 240 vports: each is a bridge of its "
		  "own, and its bus numbers run out" },
		{ WHOLE_FILE(HOST(",\"vports\":1.5"), ""),
		  "f.json: /hosts/0/vports: a whole number is expected" },
		{ WHOLE_FILE(HOST(",\"vports\":18446744073709551615"), ""),
		  "f.json: /hosts/0/vports: 1 .. 65535" },
		{ WHOLE_FILE(HOST(",\"power\":1"), ""),
		  "f.json: /hosts/0/power: true or false is expected" },
		{ WHOLE_FILE("", "{}"), "f.json: /adapters/0: either \"model\" or \"capture\" with "
					"\"address\" is needed" },
		{ WHOLE_FILE("", "{\"model\":\"toaster\"}"),
		  "f.json: /adapters/0/model: no such model" },
		{ WHOLE_FILE("", NIC(",\"keeper\":\"me\"")),
		  "f.json: /adapters/0/keeper: none, switch, manager or host" },
		{ WHOLE_FILE("", NIC(",\"keeper_host\":\"bay1\"")),
		  "f.json: /adapters/0/keeper_host: its keeper is not a host" },
		{ WHOLE_FILE("", NIC(",\"link\":{\"gts\":3}")),
		  "f.json: /adapters/0/link: a link runs at 2.5, 5, 8, 16, 32 or 64 GT/s" },
		{ WHOLE_FILE("", NIC(",\"identity\":\"face\"")),
		  "f.json: /adapters/0/identity: none, mac, wwn, mac-enforced or wwn-enforced" },
		{ WHOLE_FILE("", NIC(",\"num_vfs\":65")),
		  "f.json: /adapters/0/num_vfs: 65 VFs of 64" },
		{ WHOLE_FILE("", NIC("") "," NIC("")), "f.json: /adapters/1/port: port 9 is taken "
						       "already" },
		{ WHOLE_FILE("", "{\"capture\":\"x\",\"address\":\"00:00.0\"}"),
		  "f.json: /adapters/0/capture: there are no captures here" },
		{ WHOLE_FILE("", "{\"capture\":\"x\",\"address\":\"somewhere\"}"),
		  "f.json: /adapters/0/address: an address is [DOMAIN:]BUS:DEVICE.FUNCTION" },
	};
	(void)unused;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char error[SIM_CHASSIS_ERROR] = "";
		struct sim_chassis *c = NULL;

		assert_int_equal(parse(cases[i].text, &c, error), REFUSE_FIELD);
		assert_string_equal(error, cases[i].error);
		assert_null(c);
	}
}

static void what_is_printed_reads_as_the_same_chassis(void **unused)
{
	OWNED(buf_done) struct buf first = { 0 };
	OWNED(buf_done) struct buf second = { 0 };
	char error[SIM_CHASSIS_ERROR] = "";
	struct sim_chassis *c = fixture_new(), *again = NULL;

	(void)unused;
	c->hosts[0].power = false;
	c->hosts[1].link = false;
	c->has_barrier = false;
	c->lateness_ms = 77;
	strcpy(c->adapters[0].model, "a \"quoted\" \\ one");
	sim_chassis_print(c, &first);
	assert_int_equal(
		sim_chassis_parse((char *)first.data, first.length, "f", NULL, &again, error), 0);
	sim_chassis_print(again, &second);
	assert_int_equal(first.length, second.length);
	assert_memory_equal(first.data, second.data, first.length);
	assert_string_equal(again->adapters[0].model, "a \"quoted\" \\ one");
	sim_chassis_free(c);
	sim_chassis_free(again);
}

static void a_generated_chassis_reads_back(void **unused)
{
	OWNED(buf_done) struct buf printed = { 0 };
	char error[SIM_CHASSIS_ERROR] = "", why[SIM_CHASSIS_WHY];
	struct sim_chassis *c = NULL, *again = NULL;

	(void)unused;
	assert_int_equal(sim_chassis_generate(256, 8, 256, 64, &c, why), 0);
	sim_chassis_print(c, &printed);
	assert_int_equal(
		sim_chassis_parse((char *)printed.data, printed.length, "f", NULL, &again, error),
		0);
	assert_int_equal(again->adapter_count, 256);
	sim_chassis_free(c);
	sim_chassis_free(again);
}

/* A chassis file in a folder of its own, which names a capture beside the tests. */
static int parse_capture(const char *address, struct sim_chassis **out, char *error)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 WHOLE_FILE("", "{\"capture\":\"qemu10-nested-switch-igb-vfs-on.lspci\","
				"\"address\":\"%s\",\"switch\":\"sw0\",\"port\":9}"),
		 address);
	return sim_chassis_parse(text, strlen(text), "f.json", TEST_DATA "/captures", out, error);
}

static void a_captured_device_keeps_its_registers(void **unused)
{
	char error[SIM_CHASSIS_ERROR] = "";
	struct sim_chassis *c = NULL;
	const struct sim_device *d;

	(void)unused;
	if (access(TEST_DATA "/captures/qemu10-nested-switch-igb-vfs-on.lspci", R_OK))
		skip();
	assert_int_equal(parse_capture("08:00.0", &c, error), 0);
	d = &c->adapters[0].device;
	assert_int_equal(d->vendor, 0x8086);
	assert_int_equal(d->device, 0x10c9);
	assert_int_equal(d->vf_device, 0x10ca);
	assert_int_equal(d->class_code, 0x020000);
	assert_int_equal(d->mode, PROVIDER_ADAPTER_SRIOV);
	assert_int_equal(d->first_vf_offset, 128);
	assert_int_equal(d->vf_stride, 2);
	assert_int_equal(c->adapters[0].num_vfs, 7);
	assert_true(d->flr);
	assert_true(d->vf_bars[0].bytes >= 4096);
	assert_non_null(c->adapters[0].captured);
	sim_chassis_free(c);
}

static void a_capture_that_does_not_fit_is_refused(void **unused)
{
	char error[SIM_CHASSIS_ERROR] = "";
	struct sim_chassis *c = NULL;

	(void)unused;
	if (access(TEST_DATA "/captures/qemu10-nested-switch-igb-vfs-on.lspci", R_OK))
		skip();
	assert_int_equal(parse_capture("7f:00.0", &c, error), REFUSE_FIELD);
	assert_string_equal(error, "f.json: /adapters/0/capture: the capture has no such device");
	assert_int_equal(parse_capture("01:00.0", &c, error), REFUSE_FIELD);
	assert_string_equal(error, "f.json: /adapters/0/capture: not an endpoint");
}

static void a_file_that_is_not_there_says_so(void **unused)
{
	char error[SIM_CHASSIS_ERROR] = "";
	struct sim_chassis *c = NULL;

	(void)unused;
	assert_int_equal(sim_chassis_read("/nowhere/f.json", &c, error), -ENOENT);
	assert_string_equal(error, "/nowhere/f.json: No such file or directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_file_gives_a_chassis),
		cmocka_unit_test(what_is_no_json_is_refused_with_line_and_column),
		cmocka_unit_test(what_cannot_be_is_refused_with_a_pointer),
		cmocka_unit_test(what_is_printed_reads_as_the_same_chassis),
		cmocka_unit_test(a_generated_chassis_reads_back),
		cmocka_unit_test(a_captured_device_keeps_its_registers),
		cmocka_unit_test(a_capture_that_does_not_fit_is_refused),
		cmocka_unit_test(a_file_that_is_not_there_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
