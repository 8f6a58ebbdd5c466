/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/uevent.h"

static const char added[] =
	"add@/devices/pci0000:00/0000:00:04.0/0000:05:00.0\0ACTION=add\0"
	"DEVPATH=/devices/pci0000:00/0000:00:04.0/0000:05:00.0\0SUBSYSTEM=pci\0"
	"PCI_CLASS=10802\0PCI_ID=1B36:0010\0PCI_SLOT_NAME=0000:05:00.0\0SEQNUM=7";

static void an_event_says_what_happened_to_which_function(void **state)
{
	struct uevent event;

	(void)state;
	assert_int_equal(uevent_parse(added, sizeof(added), &event), 0);

	assert_string_equal(event.action, "add");
	assert_string_equal(event.subsystem, "pci");
	assert_string_equal(event.address, "0000:05:00.0");
	assert_true(uevent_matters(&event));
}

static void events_of_other_kinds_do_not_matter(void **state)
{
	static const char cpu[] = "online@/devices/system/cpu/cpu1\0SUBSYSTEM=cpu";
	struct uevent event;

	(void)state;
	assert_int_equal(uevent_parse(cpu, sizeof(cpu), &event), 0);
	assert_false(uevent_matters(&event));
}

/* udev sends on the same family, in a form of its own. */
static void what_is_no_event_of_the_kernel_is_refused(void **state)
{
	static const char udev[] = "libudev\0\xfe\xed\xca\xfe";
	struct uevent event;

	(void)state;
	assert_int_equal(uevent_parse(udev, sizeof(udev), &event), -EBADMSG);
	assert_int_equal(uevent_parse("", 0, &event), -EBADMSG);
	assert_int_equal(uevent_parse("@x", 3, &event), -EBADMSG);
	assert_int_equal(uevent_parse("add@x", 5, &event), -EBADMSG); /* without its NUL */
}

static void a_message_that_is_cut_is_never_read_past_its_end(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof(added); n++) {
		struct uevent event = { .subsystem = "" };
		char *copy = malloc(n ? n : 1);

		memcpy(copy, added, n);
		(void)!uevent_parse(copy, n, &event);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_says_what_happened_to_which_function),
		cmocka_unit_test(events_of_other_kinds_do_not_matter),
		cmocka_unit_test(what_is_no_event_of_the_kernel_is_refused),
		cmocka_unit_test(a_message_that_is_cut_is_never_read_past_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
