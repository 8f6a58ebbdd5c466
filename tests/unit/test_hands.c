/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "provider/pci/hands.h"
#include "sysfs_fixture.h"

#define PF "0000:03:00.0"

static struct sysfs_answer answer;
static bool online[8]; /* secondary controllers, by VF */
static int nvme_status;

/* A controller with four secondaries, of ids 1 to 4. */
static int nvme(void *arg, struct nvme_command *c)
{
	uint8_t *bytes = c->data;

	assert_string_equal(arg, "nvme0");
	if (c->opcode == 0x1c) {
		if ((c->cdw10 & 0xf) == 9)
			online[c->cdw10 >> 16] = true;
		return nvme_status;
	}
	memset(bytes, 0, c->length);
	bytes[0] = (c->cdw10 & 0xff) == 0x15 ? 4 : 0;
	for (uint8_t i = 0; i < bytes[0]; i++) {
		bytes[32 + 32 * i] = bytes[32 + 32 * i + 8] = (uint8_t)(i + 1);
		bytes[32 + 32 * i + 4] = online[i + 1];
	}
	return 0;
}

static const struct hands_io io = { .nvme = nvme };

static struct hands_task task_of(enum hands_verb verb, const char *address)
{
	return (struct hands_task){ .verb = verb,
				    .address = kernel_address(address),
				    .class_code = 0x010802,
				    .deadline_ms = clock_boot_ms() + 60000 };
}

static void run(const struct hands_task *task)
{
	hands_run(&kernel.s, &io, task, &answer);
}

static void assert_answer(enum provider_outcome outcome, enum provider_why why, const char *part)
{
	if (answer.outcome != outcome || !strstr(answer.text, part))
		fail_msg("%d, \"%s\"", (int)answer.outcome, answer.text);
	assert_int_equal(answer.why, why);
}

static int setup(void **state)
{
	if (kernel_setup(state))
		return -1;
	memset(online, 0, sizeof(online));
	nvme_status = 0;
	kernel_pf(PF, 4);
	kernel_leaf(PF, "class", "0x010802\n");
	kernel_folder("sys/bus/pci/devices/" PF "/nvme/nvme0");
	kernel_folder("proc/1");
	kernel_file("proc/1/mountinfo", "");
	kernel.native = "nvme";
	return 0;
}

static void num_vfs(unsigned count)
{
	struct hands_task task = task_of(HANDS_NUM_VFS, PF);

	task.value = count;
	run(&task);
}

static struct hands_task vf_task(enum hands_verb verb, uint16_t vf)
{
	char address[32];
	struct hands_task task;

	kernel_vf_path(PF, vf, address);
	task = task_of(verb, address);
	task.is_vf = true;
	task.pf = kernel_address(PF);
	task.vf = vf;
	return task;
}

static void vfs_of_an_nvme_controller_come_with_secondaries_online(void **unused)
{
	(void)unused;

	num_vfs(3);

	assert_answer(PROVIDER_DONE, PROVIDER_WHY_NONE, "");
	assert_true(online[1] && online[2] && online[3] && !online[4]);
}

static void vfs_that_cannot_be_made_ready_are_a_failure(void **unused)
{
	(void)unused;
	nvme_status = 0x11f;

	num_vfs(3);

	assert_answer(PROVIDER_FAILED, PROVIDER_WHY_NONE,
		      "VFs are made, not ready: controller 1: take it offline: NVMe status 11f");
}

static void vf_that_went_offline_is_brought_online_before_a_driver_gets_it(void **unused)
{
	const struct hands_task task = vf_task(HANDS_BIND, 2);
	char driver[SYSFS_NAME_MAX];

	(void)unused;
	num_vfs(3);
	memset(online, 0, sizeof(online));

	run(&task);

	assert_answer(PROVIDER_DONE, PROVIDER_WHY_NONE, "");
	assert_true(sysfs_driver(&kernel.s, &task.address, driver));
	assert_true(online[2] && !online[1]);
}

static void driver_that_gets_no_life_out_of_it_is_a_failure(void **unused)
{
	const struct hands_task task = vf_task(HANDS_BIND, 1);

	(void)unused;
	num_vfs(1);
	kernel_folder("sys/bus/pci/devices/0000:03:00.1/nvme/nvme1");
	kernel_leaf("0000:03:00.1", "nvme/nvme1/state", "dead\n");

	run(&task);

	assert_answer(PROVIDER_FAILED, PROVIDER_WHY_NONE, "controller nvme1 is dead");
}

static void function_that_is_gone_is_bound_to_nothing(void **unused)
{
	const struct hands_task task = task_of(HANDS_BIND, "0000:09:00.0");

	(void)unused;
	run(&task);

	assert_answer(PROVIDER_REFUSED, PROVIDER_WHY_NO_FUNCTION, "not there");
}

static void mount_on(const char *address)
{
	char text[256];

	kernel_folder("sys/bus/pci/devices/%s/nvme/nvme0/nvme0n1", address);
	kernel_folder("sys/dev/block");
	(void)snprintf(text, sizeof(text), "../../bus/pci/devices/%s/nvme/nvme0/nvme0n1", address);
	kernel_link("sys/dev/block/259:0", text);
	kernel_file("proc/1/mountinfo", "29 1 259:0 / / rw - ext4 /dev/root rw\n");
}

static void root_of_the_machine_is_neither_unbound_nor_reset_nor_removed(void **unused)
{
	static const enum hands_verb taking[] = { HANDS_UNBIND, HANDS_RESET, HANDS_REMOVE };

	(void)unused;
	kernel_driver(PF, "nvme");
	mount_on(PF);
	for (size_t i = 0; i < sizeof(taking) / sizeof(taking[0]); i++) {
		struct hands_task task = task_of(taking[i], PF);

		task.is_surprise = true;
		run(&task);
		assert_answer(PROVIDER_REFUSED, PROVIDER_WHY_KEPT,
			      PF " is in use: / (nvme0n1) is mounted from it");
	}
	assert_int_equal(kernel.write_count, 0);
}

static void slot_with_the_root_of_the_machine_stays_on(void **unused)
{
	struct hands_task task = task_of(HANDS_SLOT_POWER, "0000:02:00.0");

	(void)unused;
	kernel_folder("sys/bus/pci/slots/17");
	kernel_file("sys/bus/pci/slots/17/address", "0000:02:00\n");
	kernel_file("sys/bus/pci/slots/17/power", "1\n");
	mount_on(PF);
	task.last_bus = 3; /* a switch on the card */

	run(&task);
	assert_answer(PROVIDER_REFUSED, PROVIDER_WHY_KEPT, "is mounted from it");

	task.last_bus = 2;
	run(&task);
	assert_answer(PROVIDER_DONE, PROVIDER_WHY_NONE, "");
}

static void bridges_are_not_touched(void **unused)
{
	const struct hands_task task = task_of(HANDS_REMOVE, "0000:00:02.0");

	(void)unused;
	kernel_function("0000:00:02.0");
	kernel_leaf("0000:00:02.0", "class", "0x060400\n");

	run(&task);

	assert_answer(PROVIDER_REFUSED, PROVIDER_WHY_KEPT, "it is a bridge");
}

static void identity_of_what_carries_none_is_refused_unless_empty(void **unused)
{
	struct hands_task task = task_of(HANDS_IDENTITY, PF);

	(void)unused;
	run(&task);
	assert_answer(PROVIDER_DONE, PROVIDER_WHY_NONE, "");
	task.identity.mac = 0x02fab0000001;
	run(&task);
	assert_answer(PROVIDER_REFUSED, PROVIDER_WHY_IDENTITY, "only VFs of a network interface");
	task.identity = (struct identity){ .wwpn = 1 };
	run(&task);
	assert_answer(PROVIDER_REFUSED, PROVIDER_WHY_IDENTITY, "world wide names");
}

static void answers_travel_and_bad_ones_are_refused(void **unused)
{
	OWNED(buf_done) struct buf b = { 0 };
	struct sysfs_answer sent;
	struct sysfs_answer got;

	(void)unused;
	sysfs_answer_set(&sent, PROVIDER_FAILED, PROVIDER_WHY_BLAST, "because");
	hands_answer_put(&b, &sent);

	assert_int_equal(hands_answer_parse(b.data, b.length, &got), 0);
	assert_int_equal(got.outcome, PROVIDER_FAILED);
	assert_int_equal(got.why, PROVIDER_WHY_BLAST);
	assert_string_equal(got.text, "because");
	for (size_t i = 0; i < b.length; i++)
		assert_int_equal(hands_answer_parse(b.data, i, &got), -EBADMSG);
	b.data[0] = PROVIDER_UNKNOWN;
	assert_int_equal(hands_answer_parse(b.data, b.length, &got), -EBADMSG);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, kernel_teardown)
	const struct CMUnitTest tests[] = {
		TEST(vfs_of_an_nvme_controller_come_with_secondaries_online),
		TEST(vfs_that_cannot_be_made_ready_are_a_failure),
		TEST(vf_that_went_offline_is_brought_online_before_a_driver_gets_it),
		TEST(driver_that_gets_no_life_out_of_it_is_a_failure),
		TEST(function_that_is_gone_is_bound_to_nothing),
		TEST(root_of_the_machine_is_neither_unbound_nor_reset_nor_removed),
		TEST(slot_with_the_root_of_the_machine_stays_on),
		TEST(bridges_are_not_touched),
		TEST(identity_of_what_carries_none_is_refused_unless_empty),
		TEST(answers_travel_and_bad_ones_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
