/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "provider/pci/nvme_virt.h"

enum { VFS_MAX = 200 };

/* A primary controller with flexible resources, and its secondaries in an order of its own. */
static struct fake {
	unsigned secondaries;
	uint32_t queues;
	uint32_t interrupts;
	struct {
		bool online;
		unsigned queues;
		unsigned interrupts;
	} at[VFS_MAX + 1]; /* by VF */
	unsigned commands;
	unsigned fail_at; /* the how-manieth management command */
	int fail;
} fake;
static char why[160];

static uint16_t id_of(unsigned vf)
{
	return (uint16_t)(10 + vf);
}

static void put16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)v;
	at[1] = (uint8_t)(v >> 8);
}

static void primary_put(uint8_t *b)
{
	b[4] = 3;
	put16(b + 32, fake.queues);
	put16(b + 44, 2);
	put16(b + 64, fake.interrupts);
	put16(b + 76, 1);
}

static void secondaries_put(uint8_t *b, unsigned from)
{
	for (unsigned vf = 1; vf <= fake.secondaries && b[0] < NVME_SECONDARIES_MAX; vf++) {
		uint8_t *e = b + 32 + 32 * b[0];

		if (id_of(vf) < from)
			continue;
		b[0]++;
		put16(e, id_of(vf));
		e[4] = fake.at[vf].online;
		put16(e + 8, vf);
	}
}

static int manage(const struct nvme_command *c)
{
	unsigned vf = (c->cdw10 >> 16) - 10;

	assert_in_range(vf, 1, VFS_MAX);
	if (++fake.commands == fake.fail_at)
		return fake.fail;
	switch (c->cdw10 & 0xf) {
	case 7:
		fake.at[vf].online = false;
		return 0;
	case 8:
		if (fake.at[vf].online)
			return 0x120;
		*((c->cdw10 >> 8 & 7) ? &fake.at[vf].interrupts : &fake.at[vf].queues) = c->cdw11;
		return 0;
	case 9:
		fake.at[vf].online = fake.at[vf].queues >= 2 && fake.at[vf].interrupts;
		return fake.at[vf].online ? 0 : 0x120;
	default:
		return 2;
	}
}

static int run(void *arg, struct nvme_command *c)
{
	(void)arg;
	if (c->opcode == 0x1c)
		return manage(c);
	assert_int_equal(c->opcode, 6);
	assert_int_equal(c->length, NVME_IDENTIFY_BYTES);
	memset(c->data, 0, c->length);
	if ((c->cdw10 & 0xff) == 0x14)
		primary_put(c->data);
	else
		secondaries_put(c->data, c->cdw10 >> 16);
	return 0;
}

static const struct nvme_admin admin = { .run = run };

static int setup(void **unused)
{
	(void)unused;
	memset(&fake, 0, sizeof(fake));
	fake.secondaries = 4;
	fake.queues = 8;
	fake.interrupts = 4;
	why[0] = '\0';
	return 0;
}

static unsigned online(void)
{
	unsigned n = 0;

	for (unsigned vf = 1; vf <= VFS_MAX; vf++)
		n += fake.at[vf].online;
	return n;
}

static void each_secondary_gets_its_share_and_comes_online(void **unused)
{
	(void)unused;

	assert_int_equal(nvme_vfs_ready(&admin, 0, 4, why), 0);

	assert_int_equal(online(), 4);
	assert_int_equal(fake.at[3].queues, 2);
	assert_int_equal(fake.at[3].interrupts, 1);
	assert_int_equal(fake.commands, 16);
}

static void one_alone_can_be_brought_online(void **unused)
{
	(void)unused;

	assert_int_equal(nvme_vfs_ready(&admin, 3, 4, why), 0);

	assert_int_equal(online(), 1);
	assert_true(fake.at[3].online);
}

static void secondary_that_is_online_stays_as_it_is(void **unused)
{
	(void)unused;
	assert_int_equal(nvme_vfs_ready(&admin, 3, 4, why), 0);
	fake.commands = 0;

	assert_int_equal(nvme_vfs_ready(&admin, 3, 4, why), 0);

	assert_int_equal(fake.commands, 0);
}

static void secondaries_beyond_the_vfs_stay_offline(void **unused)
{
	(void)unused;

	assert_int_equal(nvme_vfs_ready(&admin, 0, 2, why), 0);

	assert_int_equal(online(), 2);
	assert_false(fake.at[3].online);
}

static void lists_go_on_where_one_ends(void **unused)
{
	(void)unused;
	fake.secondaries = VFS_MAX;
	fake.queues = 2 * VFS_MAX;
	fake.interrupts = VFS_MAX;

	assert_int_equal(nvme_vfs_ready(&admin, 0, VFS_MAX, why), 0);

	assert_int_equal(online(), VFS_MAX);
}

static void resources_that_do_not_suffice_are_told_before_any_change(void **unused)
{
	(void)unused;
	fake.queues = 6;

	assert_int_equal(nvme_vfs_ready(&admin, 0, 4, why), -ENOSPC);

	assert_non_null(strstr(why, "6 flexible queues are too few for 4 VFs"));
	assert_int_equal(fake.commands, 0);
}

static void vf_without_a_secondary_controller_is_told(void **unused)
{
	(void)unused;
	fake.secondaries = 2;

	assert_int_equal(nvme_vfs_ready(&admin, 0, 4, why), REFUSE_NO_VF);
	assert_non_null(strstr(why, "2 secondary controllers for 4 VFs"));
}

static void each_command_that_fails_is_named(void **unused)
{
	(void)unused;
	for (unsigned i = 1; i <= 16; i++) {
		setup(NULL);
		fake.fail_at = i;
		fake.fail = 0x11f;
		assert_int_equal(nvme_vfs_ready(&admin, 0, 4, why), -EPROTO);
		assert_non_null(strstr(why, "NVMe status 11f"));
		assert_int_equal(online(), (i - 1) / 4);
	}
	setup(NULL);
	fake.fail_at = 2;
	fake.fail = -EINTR;
	assert_int_equal(nvme_vfs_ready(&admin, 0, 4, why), -EINTR);
	assert_non_null(strstr(why, "controller 11: give it queues"));
}

static void shares_keep_to_most_and_grain(void **unused)
{
	const struct nvme_resource r = { .total = 100, .own = 20, .most = 16, .grain = 4 };
	const struct nvme_resource odd = { .total = 5, .own = 20 };

	(void)unused;
	assert_int_equal(nvme_share(&r, 2), 16);
	assert_int_equal(nvme_share(&r, 7), 8);
	assert_int_equal(nvme_share(&r, 40), 0);
	assert_int_equal(nvme_share(&r, 0), 0);
	assert_int_equal(nvme_share(&odd, 1), 0);
}

static void lists_that_cannot_be_are_refused(void **unused)
{
	uint8_t bytes[NVME_IDENTIFY_BYTES] = { NVME_SECONDARIES_MAX + 1 };
	struct nvme_secondary list[NVME_SECONDARIES_MAX];
	struct nvme_primary primary;
	size_t count;

	(void)unused;
	assert_int_equal(nvme_secondaries_parse(bytes, sizeof(bytes), list, &count), -EBADMSG);
	bytes[0] = 1;
	assert_int_equal(nvme_secondaries_parse(bytes, 64, list, &count), -EBADMSG);
	assert_int_equal(nvme_primary_parse(bytes, 64, &primary), -EBADMSG);
	assert_int_equal(nvme_secondaries_parse(bytes, sizeof(bytes), list, &count), 0);
	assert_int_equal(count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_secondary_gets_its_share_and_comes_online, setup),
		cmocka_unit_test_setup(one_alone_can_be_brought_online, setup),
		cmocka_unit_test_setup(secondary_that_is_online_stays_as_it_is, setup),
		cmocka_unit_test_setup(secondaries_beyond_the_vfs_stay_offline, setup),
		cmocka_unit_test_setup(lists_go_on_where_one_ends, setup),
		cmocka_unit_test_setup(resources_that_do_not_suffice_are_told_before_any_change,
				       setup),
		cmocka_unit_test_setup(vf_without_a_secondary_controller_is_told, setup),
		cmocka_unit_test_setup(each_command_that_fails_is_named, setup),
		cmocka_unit_test(shares_keep_to_most_and_grain),
		cmocka_unit_test(lists_that_cannot_be_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
