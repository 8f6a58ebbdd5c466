/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/rtnetlink.h>

#include "provider/pci/vf_mac.h"

static const struct identity first = { .mac = 0x02fab0000001, .vlan = 100 };

/* The request has the form of what the kernel answers, but for its type. */
static void link_message(struct buf *b, uint32_t vf, const struct identity *identity)
{
	vf_mac_request(b, 7, 3, vf, identity);
	assert_false(b->failed);
	b->data[4] = RTM_NEWLINK;
}

static void request_carries_mac_and_vlan_of_the_vf(void **unused)
{
	static const uint8_t expected[] = {
		/* nlmsghdr: 96 bytes, RTM_SETLINK, request and ack, 7 */
		96, 0, 0, 0, RTM_SETLINK, 0, 5, 0, 7, 0, 0, 0, 0, 0, 0, 0,
		/* ifinfomsg: interface 3 */
		0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		/* IFLA_VFINFO_LIST, IFLA_VF_INFO, nested */
		64, 0, 22, 0x80, 60, 0, 1, 0x80,
		/* IFLA_VF_MAC of VF 2 */
		40, 0, 1, 0, 2, 0, 0, 0, 2, 0xfa, 0xb0, 0, 0, 1
	};
	static const uint8_t vlan[] = { 16, 0, 2, 0, 2, 0, 0, 0, 100, 0, 0, 0, 0, 0, 0, 0 };
	OWNED(buf_done) struct buf b = { 0 };

	(void)unused;
	vf_mac_request(&b, 7, 3, 2, &first);

	assert_int_equal(b.length, 96);
	assert_memory_equal(b.data, expected, sizeof(expected));
	assert_memory_equal(b.data + 80, vlan, sizeof(vlan));
}

static void answer_is_read_for_its_vf_alone(void **unused)
{
	OWNED(buf_done) struct buf b = { 0 };
	struct identity out = { .mac = 1 };

	(void)unused;
	link_message(&b, 2, &first);

	assert_int_equal(vf_mac_parse(b.data, b.length, 1, &out), REFUSE_NO_VF);
	assert_int_equal(out.mac, 1);
	assert_int_equal(vf_mac_parse(b.data, b.length, 2, &out), 0);
	assert_true(identity_is_equal(&out, &first));
}

static void answer_cut_anywhere_is_refused_unread(void **unused)
{
	OWNED(buf_done) struct buf b = { 0 };
	struct identity out;

	(void)unused;
	link_message(&b, 0, &first);
	for (size_t length = 0; length < b.length; length++) {
		uint8_t *cut = malloc(length + 1);

		assert_non_null(cut);
		memcpy(cut, b.data, length);
		if (length >= 4)
			cut[0] = (uint8_t)length;
		assert_int_not_equal(vf_mac_parse(cut, length, 0, &out), 0);
		free(cut);
	}
	b.data[4] = RTM_DELLINK;
	assert_int_equal(vf_mac_parse(b.data, b.length, 0, &out), -EBADMSG);
}

static void interface_without_vfs_tells_of_none(void **unused)
{
	struct identity out;

	(void)unused;
	/* of the real kernel: 1 is the loopback, in any network namespace */
	assert_int_equal(vf_mac_get(1, 0, &out), REFUSE_NO_VF);
	assert_int_equal(vf_mac_get(INT32_MAX, 0, &out), -ENODEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_carries_mac_and_vlan_of_the_vf),
		cmocka_unit_test(answer_is_read_for_its_vf_alone),
		cmocka_unit_test(answer_cut_anywhere_is_refused_unread),
		cmocka_unit_test(interface_without_vfs_tells_of_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
