/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sysfs_fixture.h"

#define PF "0000:03:00.0"

static struct sysfs_answer answer;

static uint64_t num_vfs(void)
{
	uint64_t n;

	assert_int_equal(sysfs_number(&kernel.s, "sys/bus/pci/devices/" PF "/sriov_numvfs", &n), 0);
	return n;
}

static void vfs_set(unsigned count)
{
	struct topo_address pf = kernel_address(PF);

	sysfs_vfs_set(&kernel.s, &pf, count, &answer);
}

static void bind(const char *address, const char *driver)
{
	struct topo_address at = kernel_address(address);

	sysfs_bind(&kernel.s, &at, driver, &answer);
}

static void unbind(const char *address)
{
	struct topo_address at = kernel_address(address);

	sysfs_unbind(&kernel.s, &at, &answer);
}

static void reset(const char *address)
{
	struct topo_address at = kernel_address(address);

	sysfs_reset(&kernel.s, &at, &answer);
}

static const char *driver_of(const char *address)
{
	static char driver[SYSFS_NAME_MAX];
	struct topo_address at = kernel_address(address);

	return sysfs_driver(&kernel.s, &at, driver) ? driver : "";
}

static void assert_answer(enum provider_outcome outcome, enum provider_why why, const char *part)
{
	assert_int_equal(answer.outcome, outcome);
	assert_int_equal(answer.why, why);
	if (!strstr(answer.text, part))
		fail_msg("\"%s\" is not in \"%s\"", part, answer.text);
}

static void autoprobe_is_off_before_vfs_are_made(void **unused)
{
	(void)unused;
	kernel_pf(PF, 4);

	vfs_set(4);

	assert_answer(PROVIDER_DONE, PROVIDER_WHY_NONE, "");
	assert_int_equal(num_vfs(), 4);
	assert_string_equal(kernel.writes[0], "sriov_drivers_autoprobe=0");
	assert_string_equal(kernel.writes[1], "sriov_numvfs=4");
}

static void another_number_of_vfs_goes_through_none(void **unused)
{
	(void)unused;
	kernel_pf(PF, 4);
	vfs_set(4);
	kernel.write_count = 0;

	vfs_set(2);

	assert_answer(PROVIDER_DONE, PROVIDER_WHY_NONE, "");
	assert_int_equal(num_vfs(), 2);
	assert_string_equal(kernel.writes[1], "sriov_numvfs=0");
	assert_string_equal(kernel.writes[2], "sriov_numvfs=2");
}

static void number_that_is_so_already_writes_nothing(void **unused)
{
	(void)unused;
	kernel_pf(PF, 4);
	vfs_set(3);
	kernel.write_count = 0;

	vfs_set(3);

	assert_answer(PROVIDER_DONE, PROVIDER_WHY_NONE, "");
	assert_int_equal(kernel.write_count, 0);
}

static void vfs_under_an_owner_stay(void **unused)
{
	(void)unused;
	kernel_pf(PF, 4);
	vfs_set(4);
	kernel_driver("0000:03:00.3", "nvme");
	kernel.write_count = 0;

	vfs_set(0);

	assert_answer(PROVIDER_REFUSED, PROVIDER_WHY_BLAST, "VF 3 (0000:03:00.3) has an owner");
	assert_int_equal(num_vfs(), 4);
	assert_int_equal(kernel.write_count, 0);
}

static void fewer_vfs_than_asked_for_are_a_failure_that_tells_the_number(void **unused)
{
	(void)unused;
	kernel_pf(PF, 4);
	kernel.fewer = 1;

	vfs_set(4);

	assert_answer(PROVIDER_FAILED, PROVIDER_WHY_NO_VF, "made 3 VFs instead of 4");
}

static void more_vfs_than_there_can_be_are_refused_unwritten(void **unused)
{
	(void)unused;
	kernel_pf(PF, 4);

	vfs_set(5);

	assert_answer(PROVIDER_REFUSED, PROVIDER_WHY_NO_VF, "5 VFs of 4");
	assert_int_equal(kernel.write_count, 0);
}

static void each_error_of_the_number_has_its_sentence(void **unused)
{
	static const struct {
		int error;
		enum provider_outcome outcome;
		enum provider_why why;
		const char *part;
	} errors[] = {
		{ ENOENT, PROVIDER_REFUSED, PROVIDER_WHY_UNSUPPORTED, "no driver" },
		{ ERANGE, PROVIDER_REFUSED, PROVIDER_WHY_NO_VF, "more VFs than" },
		{ EBUSY, PROVIDER_REFUSED, PROVIDER_WHY_BLAST, "in use" },
		{ ENOMEM, PROVIDER_FAILED, PROVIDER_WHY_NONE, "no memory window or bus" },
		{ EIO, PROVIDER_FAILED, PROVIDER_WHY_NONE, "driver failed" },
	};

	(void)unused;
	kernel_pf(PF, 4);
	kernel.fail_leaf = "sriov_numvfs";
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		kernel.fail = -errors[i].error;
		vfs_set(2);
		assert_answer(errors[i].outcome, errors[i].why, errors[i].part);
	}
}

static void refusal_after_the_old_vfs_went_is_a_failure(void **unused)
{
	(void)unused;
	kernel_pf(PF, 4);
	vfs_set(4);
	kernel.fewer = 4;

	vfs_set(2);

	assert_int_equal(answer.outcome, PROVIDER_FAILED);
	assert_int_equal(num_vfs(), 0);
}

static void function_that_is_no_pf_has_no_number_of_vfs(void **unused)
{
	(void)unused;
	kernel_function(PF);

	vfs_set(1);

	assert_answer(PROVIDER_REFUSED, PROVIDER_WHY_UNSUPPORTED, "no VFs there");
}

static void function_goes_to_the_driver_of_its_ids_and_back(void **unused)
{
	(void)unused;
	kernel_function(PF);
	kernel.native = "nvme";

	bind(PF, NULL);
	assert_answer(PROVIDER_DONE, PROVIDER_WHY_NONE, "");
	assert_string_equal(driver_of(PF), "nvme");

	unbind(PF);
	assert_answer(PROVIDER_DONE, PROVIDER_WHY_NONE, "");
	assert_string_equal(driver_of(PF), "");
	/* a driver that is loaded later does not get it */
	assert_true(kernel_wrote("driver_override=none"));
}

static void vf_is_probed_by_its_ids_although_autoprobe_is_off(void **unused)
{
	uint64_t autoprobe;

	(void)unused;
	kernel_pf(PF, 4);
	vfs_set(2);
	kernel.native = "nvme";

	bind("0000:03:00.1", NULL);

	assert_answer(PROVIDER_DONE, PROVIDER_WHY_NONE, "");
	assert_string_equal(driver_of("0000:03:00.1"), "nvme");
	assert_string_equal(driver_of("0000:03:00.2"), "");
	assert_int_equal(sysfs_number(&kernel.s,
				      "sys/bus/pci/devices/" PF "/sriov_drivers_autoprobe",
				      &autoprobe),
			 0);
	assert_int_equal(autoprobe, 0);
}

static void driver_that_was_named_is_the_one_that_must_have_it(void **unused)
{
	(void)unused;
	kernel_function(PF);
	kernel.native = "nvme";

	bind(PF, "vfio-pci");
	assert_answer(PROVIDER_DONE, PROVIDER_WHY_NONE, "");
	assert_string_equal(driver_of(PF), "vfio-pci");

	unbind(PF);
	bind(PF, "missing");
	assert_answer(PROVIDER_FAILED, PROVIDER_WHY_NONE, "missing is not loaded");
}

static void function_with_a_driver_is_not_taken_by_another(void **unused)
{
	(void)unused;
	kernel_function(PF);
	kernel_driver(PF, "nvme");

	bind(PF, "vfio-pci");

	assert_answer(PROVIDER_REFUSED, PROVIDER_WHY_BOUND, "driver nvme has it");
	assert_int_equal(kernel.write_count, 0);
}

static void driver_that_stays_is_told(void **unused)
{
	(void)unused;
	kernel_function(PF);
	kernel_driver(PF, "nvme");
	kernel.unbind_ignored = true;

	unbind(PF);

	assert_int_equal(answer.outcome, PROVIDER_REFUSED);
	assert_string_equal(driver_of(PF), "nvme");
}

static void unbind_of_what_has_no_driver_is_done(void **unused)
{
	(void)unused;
	kernel_function(PF);

	unbind(PF);

	assert_answer(PROVIDER_DONE, PROVIDER_WHY_NONE, "");
}

static void reset_of_a_pf_hits_its_vfs(void **unused)
{
	struct topo_address pf = kernel_address(PF);
	struct sysfs_blast blast;

	(void)unused;
	kernel_pf(PF, 4);
	kernel_function("0000:03:00.7");
	vfs_set(2);

	assert_int_equal(sysfs_blast(&kernel.s, &pf, &blast), 0);
	assert_false(blast.bus);
	assert_int_equal(blast.count, 3);

	reset(PF);
	assert_answer(PROVIDER_DONE, PROVIDER_WHY_NONE, "");
	kernel_driver("0000:03:00.2", "nvme");
	reset(PF);
	assert_answer(PROVIDER_REFUSED, PROVIDER_WHY_BLAST, "would hit 0000:03:00.2");
}

static void reset_of_a_vf_hits_it_alone(void **unused)
{
	(void)unused;
	kernel_pf(PF, 4);
	vfs_set(2);
	kernel_driver("0000:03:00.2", "nvme");
	kernel_driver(PF, "nvme");

	reset("0000:03:00.1");

	assert_answer(PROVIDER_DONE, PROVIDER_WHY_NONE, "");
}

static void without_flr_a_reset_hits_the_whole_bus(void **unused)
{
	(void)unused;
	kernel_function("0000:05:00.0");
	kernel_function("0000:05:00.1");
	kernel_function("0000:06:00.0");
	kernel_driver("0000:06:00.0", "e1000e");
	kernel_leaf("0000:05:00.0", "reset_method", "bus\n");

	reset("0000:05:00.0");
	assert_answer(PROVIDER_DONE, PROVIDER_WHY_NONE, "");

	kernel_driver("0000:05:00.1", "e1000e");
	kernel.write_count = 0;
	reset("0000:05:00.0");
	assert_answer(PROVIDER_REFUSED, PROVIDER_WHY_BLAST, "whole bus, with 0000:05:00.1");
	assert_int_equal(kernel.write_count, 0);
}

static void function_that_the_kernel_cannot_reset_is_refused(void **unused)
{
	(void)unused;
	kernel_function("0000:05:00.0");
	kernel_remove("sys/bus/pci/devices/0000:05:00.0/reset");

	reset("0000:05:00.0");
	assert_answer(PROVIDER_REFUSED, PROVIDER_WHY_UNSUPPORTED, "without others");

	reset("0000:09:00.0");
	assert_answer(PROVIDER_REFUSED, PROVIDER_WHY_NO_FUNCTION, "not there");
}

static void slot_is_found_by_the_bus_that_it_leads_to(void **unused)
{
	char slot[SYSFS_NAME_MAX];
	char text[8];

	(void)unused;
	kernel_folder("sys/bus/pci/slots/17");
	kernel_file("sys/bus/pci/slots/17/address", "0000:05:00\n");
	kernel_file("sys/bus/pci/slots/17/power", "1\n");
	kernel_file("sys/bus/pci/slots/17/attention", "0\n");

	assert_false(sysfs_slot(&kernel.s, 0, 6, slot));
	assert_true(sysfs_slot(&kernel.s, 0, 5, slot));
	assert_string_equal(slot, "17");

	sysfs_slot_power(&kernel.s, slot, true, &answer);
	assert_answer(PROVIDER_DONE, PROVIDER_WHY_NONE, "");
	assert_int_equal(kernel.write_count, 0);
	sysfs_slot_power(&kernel.s, slot, false, &answer);
	assert_answer(PROVIDER_DONE, PROVIDER_WHY_NONE, "");
	kernel_text(text, sizeof(text), "sys/bus/pci/slots/17/power");
	assert_string_equal(text, "0");
	sysfs_slot_attention(&kernel.s, slot, 2, &answer);
	assert_answer(PROVIDER_DONE, PROVIDER_WHY_NONE, "");
	assert_true(kernel_wrote("attention=2"));
}

static void slot_whose_power_stays_is_a_failure(void **unused)
{
	(void)unused;
	kernel_folder("sys/bus/pci/slots/17");
	kernel_file("sys/bus/pci/slots/17/power", "1\n");
	kernel.power_stuck = true;

	sysfs_slot_power(&kernel.s, "17", false, &answer);
	assert_answer(PROVIDER_FAILED, PROVIDER_WHY_NONE, "power is still on");

	kernel_file("sys/bus/pci/slots/17/power", "0\n");
	kernel.fail_leaf = "power";
	kernel.fail = -ENODEV;
	sysfs_slot_power(&kernel.s, "17", true, &answer);
	assert_answer(PROVIDER_REFUSED, PROVIDER_WHY_NO_FUNCTION, "no card in the slot");
}

static void slot_without_controls_says_so(void **unused)
{
	(void)unused;
	kernel_folder("sys/bus/pci/slots/17");

	sysfs_slot_attention(&kernel.s, "17", 1, &answer);

	assert_answer(PROVIDER_REFUSED, PROVIDER_WHY_UNSUPPORTED, "no control of its attention");
}

static void function_is_removed_and_found_again(void **unused)
{
	struct topo_address at = kernel_address(PF);

	(void)unused;
	kernel_function(PF);

	sysfs_remove(&kernel.s, &at, &answer);
	assert_answer(PROVIDER_DONE, PROVIDER_WHY_NONE, "");
	assert_false(sysfs_is_there(&kernel.s, &at));
	sysfs_remove(&kernel.s, &at, &answer);
	assert_answer(PROVIDER_DONE, PROVIDER_WHY_NONE, "");
	sysfs_rescan(&kernel.s, &answer);
	assert_answer(PROVIDER_DONE, PROVIDER_WHY_NONE, "");
	assert_true(kernel_wrote("rescan=1"));
}

static void aer_counters_are_read(void **unused)
{
	struct topo_address at = kernel_address(PF);
	struct sysfs_aer aer;

	(void)unused;
	kernel_function(PF);
	assert_false(sysfs_aer(&kernel.s, &at).known);
	kernel_leaf(PF, "aer_dev_correctable", "RxErr 3\nBadTLP 0\nTOTAL_ERR_COR 3\n");
	kernel_leaf(PF, "aer_dev_nonfatal", "Undefined 0\nCmpltTO 1\nTOTAL_ERR_NONFATAL 1\n");
	kernel_leaf(PF, "aer_dev_fatal", "DLP 2\nSDES 5\n");

	aer = sysfs_aer(&kernel.s, &at);

	assert_true(aer.known);
	assert_int_equal(aer.correctable, 3);
	assert_int_equal(aer.nonfatal, 1);
	assert_int_equal(aer.fatal, 7);
}

static void texts_that_are_no_counters_are_refused(void **unused)
{
	static const char *const texts[] = {
		"RxErr",    "RxErr ",      " 3",        "RxErr x",
		"RxErr -1", "RxErr 3\n\n", "RxErr 3 4", "RxErr 99999999999999999999999",
	};
	uint64_t total = 77;

	(void)unused;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(sysfs_aer_parse(texts[i], strlen(texts[i]), &total), -EBADMSG);
	assert_int_equal(total, 77);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, kernel_setup, kernel_teardown)
	const struct CMUnitTest tests[] = {
		TEST(autoprobe_is_off_before_vfs_are_made),
		TEST(another_number_of_vfs_goes_through_none),
		TEST(number_that_is_so_already_writes_nothing),
		TEST(vfs_under_an_owner_stay),
		TEST(fewer_vfs_than_asked_for_are_a_failure_that_tells_the_number),
		TEST(more_vfs_than_there_can_be_are_refused_unwritten),
		TEST(each_error_of_the_number_has_its_sentence),
		TEST(refusal_after_the_old_vfs_went_is_a_failure),
		TEST(function_that_is_no_pf_has_no_number_of_vfs),
		TEST(function_goes_to_the_driver_of_its_ids_and_back),
		TEST(vf_is_probed_by_its_ids_although_autoprobe_is_off),
		TEST(driver_that_was_named_is_the_one_that_must_have_it),
		TEST(function_with_a_driver_is_not_taken_by_another),
		TEST(driver_that_stays_is_told),
		TEST(unbind_of_what_has_no_driver_is_done),
		TEST(reset_of_a_pf_hits_its_vfs),
		TEST(reset_of_a_vf_hits_it_alone),
		TEST(without_flr_a_reset_hits_the_whole_bus),
		TEST(function_that_the_kernel_cannot_reset_is_refused),
		TEST(slot_is_found_by_the_bus_that_it_leads_to),
		TEST(slot_whose_power_stays_is_a_failure),
		TEST(slot_without_controls_says_so),
		TEST(function_is_removed_and_found_again),
		TEST(aer_counters_are_read),
		TEST(texts_that_are_no_counters_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
