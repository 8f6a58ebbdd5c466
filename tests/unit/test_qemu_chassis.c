/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "provider/qemu/chassis.h"

#define HEAD                        "{\"chassis\":\"t\",\"provider\":\"qemu\","
#define HOST(rest)                  "{\"bay\":\"b0\",\"qmp\":\"q0\",\"vports\":[\"dn0\",\"dn1\"]" rest "}"
#define DISK(rest)                  "{\"model\":\"nvme\",\"serial\":\"S1\",\"file\":\"d.img\"" rest "}"
#define NIC(rest)                   "{\"model\":\"e1000e\",\"mac\":\"52:54:00:00:00:01\"" rest "}"
#define WHOLE_FILE(hosts, adapters) HEAD "\"hosts\":[" hosts "],\"adapters\":[" adapters "]}"

static int parse(const char *text, struct qemu_chassis **out, char *error)
{
	return qemu_chassis_parse(text, strlen(text), "f.json", "/fold", out, error);
}

static void a_small_file_gives_blades_and_a_pool(void **unused)
{
	char error[OBJECT_ERROR_MAX] = "";
	struct qemu_chassis *c = NULL;

	(void)unused;
	assert_int_equal(parse(WHOLE_FILE(HOST(",\"first_slot\":16,\"power_off\":\"kill\""),
					  DISK("") "," NIC(",\"netdev\":\"user\"")),
			       &c, error),
			 0);
	assert_string_equal(c->hosts[0].qmp, "/fold/q0");
	assert_string_equal(c->hosts[0].ports[1], "dn1");
	assert_int_equal(c->hosts[0].vports, 2);
	assert_true(c->hosts[0].can_kill);
	assert_string_equal(c->switches[0], "sw0");
	assert_string_equal(c->adapters[0].file, "/fold/d.img");
	assert_int_equal(c->adapters[1].mac, 0x525400000001);
	assert_false(c->adapters[1].is_open);
	assert_int_equal(c->hosts[0].port, 1);
	assert_int_equal(c->adapters[0].port, 2);
	assert_int_equal(c->adapters[1].port, 3);
	assert_string_not_equal(c->adapters[0].key, c->adapters[1].key);
	qemu_chassis_free(c);
}

static void a_blade_is_powered_on_by_a_program_with_its_arguments(void **unused)
{
	char error[OBJECT_ERROR_MAX] = "";
	struct qemu_chassis *c = NULL;

	(void)unused;
	assert_int_equal(
		parse(WHOLE_FILE(HOST(",\"power_on\":[\"/bin/start\",\"b0\"]"), ""), &c, error), 0);
	assert_string_equal(c->hosts[0].power_on[0], "/bin/start");
	assert_string_equal(c->hosts[0].power_on[1], "b0");
	assert_null(c->hosts[0].power_on[2]);
	qemu_chassis_free(c);
}

static void a_blade_may_not_be_powered_off_unless_the_file_says_so(void **unused)
{
	char error[OBJECT_ERROR_MAX] = "";
	struct qemu_chassis *c = NULL;

	(void)unused;
	assert_int_equal(parse(WHOLE_FILE(HOST(""), ""), &c, error), 0);
	assert_false(c->hosts[0].can_kill);
	qemu_chassis_free(c);
}

/* The key stands in ids that outlive the file: it follows the evidence, not the place. */
static void the_key_of_an_adapter_stays_when_its_place_in_the_file_changes(void **unused)
{
	char error[OBJECT_ERROR_MAX] = "";
	struct qemu_chassis *a = NULL, *b = NULL;

	(void)unused;
	assert_int_equal(
		parse(WHOLE_FILE(HOST(""), DISK("") "," NIC(",\"netdev\":\"user\"")), &a, error),
		0);
	assert_int_equal(
		parse(WHOLE_FILE(HOST(""), NIC(",\"netdev\":\"user\"") "," DISK("")), &b, error),
		0);
	assert_string_equal(a->adapters[0].key, b->adapters[1].key);
	assert_string_equal(a->adapters[1].key, b->adapters[0].key);
	qemu_chassis_free(a);
	qemu_chassis_free(b);
}

static void what_cannot_be_is_refused_with_a_pointer(void **unused)
{
	static const struct {
		const char *text;
		const char *error;
	} cases[] = {
		{ "{\"chassis\":\"t\",\"switches\":[]}",
		  "f.json: /: \"provider\" is missing: a chassis without it is served by "
		  "fabricsim, fabric-provider-qemu serves \"qemu\"" },
		{ "{\"provider\":\"sim\"}",
		  "f.json: /provider: fabric-provider-qemu serves \"qemu\"; \"sim\" is served by "
		  "fabricsim" },
		{ HEAD "\"hosts\":[]}", "f.json: /hosts: at least one is needed" },
		{ WHOLE_FILE("{\"bay\":\"b0\",\"qmp\":\"q\",\"vports\":[]}", ""),
		  "f.json: /hosts/0/vports: at least one is needed" },
		{ WHOLE_FILE("{\"bay\":\"b0\",\"qmp\":\"q\",\"vports\":[\"a\",\"a\"]}", ""),
		  "f.json: /hosts/0/vports/1: the same port as vport 1" },
		{ WHOLE_FILE("{\"bay\":\"b0\",\"qmp\":\"q\",\"vports\":[\"/x\"]}", ""),
		  "f.json: /hosts/0/vports/0: an id begins with a letter" },
		{ WHOLE_FILE("{\"bay\":\"b0\",\"qmp\":\"q\",\"vports\":[\"x,y\"]}", ""),
		  "f.json: /hosts/0/vports/0: an id has letters, digits, '-', '.' and '_'" },
		{ WHOLE_FILE(HOST(",\"power_off\":\"axe\""), ""),
		  "f.json: /hosts/0/power_off: kill or never" },
		{ WHOLE_FILE(HOST(",\"power_on\":[]"), ""),
		  "f.json: /hosts/0/power_on: a program is expected" },
		{ WHOLE_FILE(HOST(",\"power_on\":[\"start\"]"), ""),
		  "f.json: /hosts/0/power_on/0: an absolute path is expected" },
		{ WHOLE_FILE(HOST(",\"first_slot\":8191"), ""),
		  "f.json: /hosts/0: a physical slot has 13 bits: 8191 and 1 more" },
		{ WHOLE_FILE(HOST("") "," HOST(""), ""), "f.json: /hosts/1: the bay of host 0" },
		{ WHOLE_FILE(HOST(",\"port\":7"), DISK(",\"port\":7")),
		  "f.json: /adapters/0/port: port 7 is taken already" },
		{ WHOLE_FILE(HOST(""), "{\"model\":\"toaster\"}"),
		  "f.json: /adapters/0/model: nvme, virtio-blk, virtio-net, e1000e, igb or usb" },
		{ WHOLE_FILE(HOST(""), "{\"model\":\"nvme\",\"serial\":\"S\"}"),
		  "f.json: /adapters/0: \"file\" is missing" },
		{ WHOLE_FILE(HOST(""), "{\"model\":\"nvme\",\"serial\":\"123456789012345678901\"}"),
		  "f.json: /adapters/0/serial: longer than 20 bytes" },
		{ WHOLE_FILE(HOST(""), DISK(",\"mac\":\"52:54:00:00:00:01\"")),
		  "f.json: /adapters/0/mac: this model has no MAC" },
		{ WHOLE_FILE(HOST(""), DISK("") "," DISK("")),
		  "f.json: /adapters/1: the serial of adapter 0" },
		{ WHOLE_FILE(HOST(""), NIC("")), "f.json: /adapters/0: \"netdev\" is missing" },
		{ WHOLE_FILE(HOST(""), NIC(",\"netdev\":\"user\"") "," NIC(",\"netdev\":\"user\"")),
		  "f.json: /adapters/1: the MAC of adapter 0" },
		{ WHOLE_FILE(HOST(""), NIC(",\"netdev\":\"user\",\"listen\":\"x\"")),
		  "f.json: /adapters/0/listen: its netdev takes no such option" },
		{ WHOLE_FILE(HOST(""), NIC(",\"netdev\":\"socket\"")),
		  "f.json: /adapters/0: the netdev \"socket\" needs one of: listen connect "
		  "mcast " },
		{ WHOLE_FILE(HOST(""),
			     NIC(",\"netdev\":\"socket\",\"listen\":\":1\",\"mcast\":\"x\"")),
		  "f.json: /adapters/0/mcast: beside \"listen\"" },
		{ WHOLE_FILE(HOST(""), "{\"model\":\"usb\",\"serial\":\"S\"}"),
		  "f.json: /adapters/0/serial: this model has no serial" },
		{ WHOLE_FILE(HOST(",\"colour\":1"), ""), "f.json: /hosts/0/colour: no such key" },
	};
	(void)unused;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char error[OBJECT_ERROR_MAX] = "";
		struct qemu_chassis *c = NULL;

		assert_int_equal(parse(cases[i].text, &c, error), REFUSE_FIELD);
		assert_string_equal(error, cases[i].error);
		assert_null(c);
	}
}

/* QEMU opens them, and it need not stand where the provider stands. */
static void paths_beside_a_file_that_was_named_without_a_folder_are_absolute(void **unused)
{
	static const char text[] = WHOLE_FILE(HOST(""), DISK(""));
	char folder[] = "/tmp/qemu-chassis-XXXXXX", image[64], error[OBJECT_ERROR_MAX] = "";
	struct qemu_chassis *c = NULL;
	FILE *file;

	(void)unused;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
	file = fopen("c.json", "w");
	assert_non_null(file);
	assert_int_not_equal(fputs(text, file), EOF);
	assert_int_equal(fclose(file), 0);

	assert_int_equal(qemu_chassis_read("c.json", &c, error), 0);

	snprintf(image, sizeof(image), "%s/d.img", folder);
	assert_string_equal(c->adapters[0].file, image);
	qemu_chassis_free(c);
	assert_int_equal(unlink("c.json"), 0);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_file_gives_blades_and_a_pool),
		cmocka_unit_test(a_blade_is_powered_on_by_a_program_with_its_arguments),
		cmocka_unit_test(a_blade_may_not_be_powered_off_unless_the_file_says_so),
		cmocka_unit_test(the_key_of_an_adapter_stays_when_its_place_in_the_file_changes),
		cmocka_unit_test(what_cannot_be_is_refused_with_a_pointer),
		cmocka_unit_test(paths_beside_a_file_that_was_named_without_a_folder_are_absolute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
