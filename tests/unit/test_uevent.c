/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "provider/pci/uevent.h"

static struct uevent event;

#define PARSE(text) uevent_parse((const uint8_t *)(text), sizeof(text), &event)

static void card_that_comes_is_told_by_its_address(void **unused)
{
	(void)unused;

	assert_int_equal(PARSE("add@/devices/pci0000:00/0000:00:04.0/0000:05:00.0\0ACTION=add\0"
			       "DEVPATH=/devices/pci0000:00/0000:00:04.0/0000:05:00.0\0"
			       "SUBSYSTEM=pci\0PCI_CLASS=10802\0PCI_ID=1B36:0010\0"
			       "PCI_SLOT_NAME=0000:05:00.0\0SEQNUM=1024"),
			 0);

	assert_int_equal(event.action, UEVENT_ADD);
	assert_true(event.is_pci);
	assert_int_equal(event.address.bus, 5);
	assert_string_equal(event.driver, "");
}

static void driver_that_takes_a_function_is_told(void **unused)
{
	(void)unused;

	assert_int_equal(PARSE("bind@/devices/x\0SUBSYSTEM=pci\0DRIVER=nvme\0"
			       "PCI_SLOT_NAME=0000:05:00.1"),
			 0);

	assert_int_equal(event.action, UEVENT_BIND);
	assert_string_equal(event.driver, "nvme");
	assert_int_equal(event.address.function, 1);
}

static void recovery_that_failed_is_told(void **unused)
{
	(void)unused;

	assert_int_equal(PARSE("change@/devices/x\0SUBSYSTEM=pci\0ERROR_EVENT=FAILED_RECOVERY\0"
			       "DEVICE_ONLINE=0\0PCI_SLOT_NAME=0000:05:00.1"),
			 0);

	assert_int_equal(event.action, UEVENT_CHANGE);
	assert_true(event.is_recovery_failed);
}

static void event_of_another_subsystem_is_none_of_a_function(void **unused)
{
	(void)unused;

	assert_int_equal(PARSE("add@/devices/x/block/nvme0n1\0SUBSYSTEM=block\0DEVNAME=nvme0n1"),
			 0);
	assert_false(event.is_pci);
	assert_int_equal(PARSE("bind@/devices/x\0SUBSYSTEM=pci_express\0DRIVER=pciehp"), 0);
	assert_false(event.is_pci);
	assert_int_equal(PARSE("move@/devices/x\0SUBSYSTEM=pci\0PCI_SLOT_NAME=0000:05:00.1"), 0);
	assert_int_equal(event.action, UEVENT_OTHER);
}

static void datagram_that_the_kernel_does_not_send_is_refused(void **unused)
{
	char large[UEVENT_MAX + 2];

	(void)unused;
	assert_int_equal(uevent_parse((const uint8_t *)"", 0, &event), -EBADMSG);
	assert_int_equal(uevent_parse((const uint8_t *)"add@/x", 6, &event), -EBADMSG);
	assert_int_equal(PARSE("libudev\0\xfe\xed\xca\xfe"), -EBADMSG);
	assert_int_equal(PARSE("@/devices/x"), -EBADMSG);
	assert_int_equal(PARSE("add@devices/x"), -EBADMSG);
	assert_int_equal(PARSE("add@/devices/x\0NOTHING"), -EBADMSG);
	assert_int_equal(PARSE("add@/devices/x\0=5"), -EBADMSG);
	assert_int_equal(PARSE("add@/devices/x\0"), -EBADMSG);
	memset(large, 'x', sizeof(large));
	memcpy(large, "add@/", 5);
	large[sizeof(large) - 1] = '\0';
	assert_int_equal(uevent_parse((const uint8_t *)large, sizeof(large), &event), -EBADMSG);
}

static void address_that_cannot_be_is_none(void **unused)
{
	(void)unused;

	assert_int_equal(PARSE("add@/devices/x\0SUBSYSTEM=pci\0PCI_SLOT_NAME=0000:05:3f.0"), 0);
	assert_false(event.is_pci);
	assert_int_equal(PARSE("add@/devices/x\0SUBSYSTEM=pci\0PCI_SLOT_NAME=../../etc"), 0);
	assert_false(event.is_pci);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(card_that_comes_is_told_by_its_address),
		cmocka_unit_test(driver_that_takes_a_function_is_told),
		cmocka_unit_test(recovery_that_failed_is_told),
		cmocka_unit_test(event_of_another_subsystem_is_none_of_a_function),
		cmocka_unit_test(datagram_that_the_kernel_does_not_send_is_refused),
		cmocka_unit_test(address_that_cannot_be_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
