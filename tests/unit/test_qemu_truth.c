/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where is what, from invented answers: two blades with two vports each, a disk and a NIC. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "provider/qemu/truth.h"

enum { DISK = 1, NIC = 2 };

static const char chassis_text[] =
	"{\"chassis\":\"t\",\"provider\":\"qemu\",\"hosts\":["
	"{\"bay\":\"b0\",\"qmp\":\"q0\",\"vports\":[\"dn0\",\"dn1\"]},"
	"{\"bay\":\"b1\",\"qmp\":\"q1\",\"vports\":[\"dn0\",\"dn1\"]}],\"adapters\":["
	"{\"model\":\"nvme\",\"serial\":\"S1\",\"file\":\"/d.img\"},"
	"{\"model\":\"virtio-net\",\"mac\":\"52:54:00:00:00:01\",\"netdev\":\"user\"}]}";

struct world {
	struct qemu_chassis *chassis;
	struct qemu_part parts[2][16];
	struct qemu_image images[2][4];
	struct qemu_content contents[2];
	struct qemu_sight sights[2];
	struct qemu_place places[2];
};

static struct qemu_part *part_add(struct world *w, size_t host, const char *id, const char *type,
				  const char *bus)
{
	struct qemu_part *p = &w->parts[host][w->contents[host].part_count++];

	memset(p, 0, sizeof(*p));
	(void)snprintf(p->path, sizeof(p->path), "%s%s", id[0] == '/' ? "" : "/machine/peripheral/",
		       id);
	(void)snprintf(p->type, sizeof(p->type), "%s", type);
	(void)snprintf(p->bus, sizeof(p->bus), "%s", bus);
	return p;
}

static struct qemu_part *own_add(struct world *w, size_t host, uint32_t handle, uint64_t generation,
				 uint16_t vport)
{
	const struct qemu_adapter *a = &w->chassis->adapters[handle - 1];
	struct qemu_id id = { .generation = generation, .attempt = 5, .nonce = 6 };
	char text[QMP_NAME_MAX], bus[QMP_PATH_MAX];
	struct qemu_part *p;

	memcpy(id.key, a->key, sizeof(id.key));
	qemu_id_format(&id, text);
	(void)snprintf(bus, sizeof(bus), "/machine/peripheral/dn%u/dn%u", vport - 1, vport - 1);
	p = part_add(w, host, text, a->device->type, bus);
	(void)snprintf(p->serial, sizeof(p->serial), "%s", a->serial);
	p->mac = a->mac;
	return p;
}

static void image_add(struct world *w, size_t host, const char *device, uint32_t adapter)
{
	struct qemu_image *image = &w->images[host][w->contents[host].image_count++];

	(void)snprintf(image->device, sizeof(image->device), "%s", device);
	image->adapter = adapter;
}

static int world_begin(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	char error[OBJECT_ERROR_MAX];

	if (!w ||
	    qemu_chassis_parse(chassis_text, strlen(chassis_text), "t", "/", &w->chassis, error))
		return -1;
	for (size_t h = 0; h < 2; h++) {
		w->contents[h] =
			(struct qemu_content){ .parts = w->parts[h], .images = w->images[h] };
		w->sights[h] = (struct qemu_sight){ .state = QEMU_BLADE_UP,
						    .is_whole = true,
						    .content = &w->contents[h] };
		part_add(w, h, "rp0", "pcie-root-port", "/machine/q35/pcihost/pcie.0");
		part_add(w, h, "up0", "x3130-upstream", "/machine/peripheral/rp0/rp0");
		part_add(w, h, "dn0", "xio3130-downstream", "/machine/peripheral/up0/up0");
		part_add(w, h, "dn1", "xio3130-downstream", "/machine/peripheral/up0/up0");
	}
	*state = w;
	return 0;
}

static int world_end(void **state)
{
	struct world *w = *state;

	qemu_chassis_free(w->chassis);
	free(w);
	return 0;
}

static const struct provider_binding *judged(struct world *w, uint32_t handle)
{
	qemu_truth(w->chassis, w->sights, w->places);
	return &w->places[handle - 1].binding;
}

static void an_id_comes_back_as_it_was(void **unused)
{
	struct qemu_id id = { "1a2b3c4d", UINT64_MAX, UINT64_MAX, UINT32_MAX, true }, back;
	char text[QMP_NAME_MAX];

	(void)unused;
	qemu_id_format(&id, text);
	assert_true(qemu_id_parse(text, &back));
	assert_string_equal(back.key, id.key);
	assert_int_equal(back.generation, id.generation);
	assert_int_equal(back.attempt, id.attempt);
	assert_int_equal(back.nonce, id.nonce);
	assert_true(back.has_identity);
}

static void an_id_of_others_is_none_of_ours(void **unused)
{
	static const char *const texts[] = {
		"",
		"fab-",
		"e1",
		"fab-1a2b3c4d-g0-a1-n00000001",
		"fab-1a2b3c4d-g01-a1-n00000001",
		"fab-1a2b3c4d-g1-a1-n0000001",
		"fab-1A2B3C4D-g1-a1-n00000001",
		"fab-1a2b3c4d-g18446744073709551616-a1-n00000001",
		"fab-1a2b3c4d-g1-a1-n00000001-x",
		"fab-1a2b3c4d-g1-a1-n00000001-i-",
	};
	struct qemu_id id;

	(void)unused;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_false(qemu_id_parse(texts[i], &id));
}

static void what_nobody_has_is_nowhere(void **state)
{
	const struct provider_binding *b = judged(*state, DISK);

	assert_int_equal(b->host, 0);
	assert_false(b->unknown);
	assert_true(b->present);
}

static void an_own_binding_tells_host_vport_generation_and_identity(void **state)
{
	struct world *w = *state;
	const struct provider_binding *b;

	own_add(w, 1, DISK, 12, 2);
	own_add(w, 1, NIC, 13, 1);
	b = judged(w, DISK);
	assert_int_equal(b->host, 2);
	assert_int_equal(b->vport, 2);
	assert_int_equal(b->generation, 12);
	assert_true(b->present);
	assert_int_equal(judged(w, NIC)->vport, 1);
	assert_int_equal(judged(w, NIC)->generation, 13);
	/* the factory's MAC is none that was given */
	assert_int_equal(judged(w, NIC)->identity.mac, 0);
	assert_true(qemu_vport_is_taken(&w->contents[1], &w->chassis->hosts[1], 2));
	assert_false(qemu_vport_is_taken(&w->contents[0], &w->chassis->hosts[0], 2));
}

static void a_mac_that_was_given_is_told_even_when_it_is_the_factorys(void **state)
{
	struct world *w = *state;
	struct qemu_part *p = own_add(w, 0, NIC, 1, 1);

	(void)strcat(p->path, "-i");
	assert_int_equal(judged(w, NIC)->identity.mac, p->mac);
}

static void the_image_under_another_id_is_a_foreign_binding_at_its_vport(void **state)
{
	struct world *w = *state;
	const struct provider_binding *b;

	part_add(w, 0, "mydisk", "nvme", "/machine/peripheral/dn1/dn1");
	image_add(w, 0, "/machine/peripheral/mydisk", DISK);
	b = judged(w, DISK);
	assert_int_equal(b->host, 1);
	assert_int_equal(b->vport, 2);
	assert_int_equal(b->generation, 0);
}

static void a_disk_of_the_command_line_is_foreign_elsewhere_on_the_host(void **state)
{
	struct world *w = *state;
	const struct provider_binding *b;

	image_add(w, 0, "/machine/unattached/device[23]", DISK);
	b = judged(w, DISK);
	assert_int_equal(b->host, 1);
	assert_int_equal(b->vport, PROVIDER_VPORTS_MAX);
	assert_int_equal(b->generation, 0);
}

static void an_image_of_a_device_that_was_refused_is_nowhere(void **state)
{
	struct world *w = *state;

	image_add(w, 0, "/machine/peripheral/fab-1a2b3c4d-g1-a1-n00000001", DISK);
	assert_int_equal(judged(w, DISK)->host, 0);
	assert_false(judged(w, DISK)->unknown);
}

static void the_same_serial_or_mac_is_foreign(void **state)
{
	struct world *w = *state;
	const struct provider_binding *b;

	(void)strcpy(part_add(w, 0, "s", "virtio-blk-pci", "/machine/peripheral/dn0/dn0")->serial,
		     "S1");
	part_add(w, 1, "/machine/unattached/device[7]", "e1000", "/machine/q35/pcie.0")->mac =
		0x525400000001;
	b = judged(w, DISK);
	assert_int_equal(b->host, 1);
	assert_int_equal(b->vport, 1);
	assert_int_equal(judged(w, NIC)->host, 2);
	assert_int_equal(judged(w, NIC)->vport, PROVIDER_VPORTS_MAX);
}

static void a_name_space_behind_a_controller_is_found_by_its_image(void **state)
{
	struct world *w = *state;
	const struct provider_binding *b;

	part_add(w, 0, "nv0", "nvme", "/machine/peripheral/dn0/dn0");
	part_add(w, 0, "/machine/peripheral-anon/device[1]", "nvme-ns",
		 "/machine/peripheral/nv0/nv0");
	image_add(w, 0, "/machine/peripheral-anon/device[1]", DISK);
	b = judged(w, DISK);
	assert_int_equal(b->host, 1);
	assert_int_equal(b->vport, 1);
}

static void what_is_taken_out_takes_its_images_along(void **state)
{
	struct world *w = *state;
	struct qemu_part *p = own_add(w, 0, DISK, 3, 1);

	image_add(w, 0, p->path, DISK);
	image_add(w, 0, "/machine/unattached/device[1]", 0);
	qemu_content_remove(&w->contents[0], p);
	assert_int_equal(judged(w, DISK)->host, 0);
	assert_int_equal(w->contents[0].image_count, 1);
	assert_int_equal(w->contents[0].part_count, 4);
}

static void an_own_id_with_anothers_serial_is_not_believed(void **state)
{
	struct world *w = *state;

	(void)strcpy(own_add(w, 0, DISK, 3, 1)->serial, "OTHER");
	assert_int_equal(judged(w, DISK)->generation, 0);
}

static void what_is_bound_twice_is_told_as_ours(void **state)
{
	struct world *w = *state;
	const struct provider_binding *b;

	image_add(w, 0, "/machine/unattached/device[23]", DISK);
	own_add(w, 1, DISK, 4, 2);
	b = judged(w, DISK);
	/* the blade that answers first is not the one that counts: ours stands on the second */
	assert_true(w->places[DISK - 1].is_twice);
	assert_int_equal(b->host, 2);
	assert_int_equal(b->generation, 4);
}

static void an_adapter_that_died_is_bound_and_not_present(void **state)
{
	struct world *w = *state;

	own_add(w, 0, DISK, 3, 1)->is_dead = true;
	assert_int_equal(judged(w, DISK)->host, 1);
	assert_false(judged(w, DISK)->present);
}

static void a_hung_blade_makes_only_unknown_what_may_be_there(void **state)
{
	struct world *w = *state;
	const uint32_t maybe[] = { NIC };
	const struct provider_binding *b;

	own_add(w, 0, DISK, 3, 1);
	w->sights[0].state = QEMU_BLADE_HUNG;
	b = judged(w, DISK);
	assert_int_equal(b->host, 1);
	assert_int_equal(b->vport, 1);
	assert_int_equal(b->generation, 3);
	assert_true(b->unknown);
	/* it was seen whole without the NIC, and cannot get it by itself ... */
	assert_int_equal(judged(w, NIC)->host, 0);
	assert_false(judged(w, NIC)->unknown);
	/* ... but for a bind that it may still carry out */
	w->sights[0].maybe = maybe;
	w->sights[0].maybe_count = 1;
	assert_true(judged(w, NIC)->unknown);
	assert_int_equal(judged(w, NIC)->host, 0);
}

static void a_blade_that_was_never_seen_whole_may_have_anything(void **state)
{
	struct world *w = *state;

	w->sights[1].is_whole = false;
	for (int i = 0; i < 2; i++) {
		w->sights[1].state = i ? QEMU_BLADE_HUNG : QEMU_BLADE_STARTING;
		assert_true(judged(w, DISK)->unknown);
		assert_true(judged(w, NIC)->unknown);
	}
	/* unless it is positively somewhere else */
	own_add(w, 0, DISK, 3, 1);
	assert_false(judged(w, DISK)->unknown);
	assert_int_equal(judged(w, DISK)->host, 1);
}

static void a_blade_that_is_off_has_nothing(void **state)
{
	struct world *w = *state;
	const uint32_t maybe[] = { DISK };

	own_add(w, 0, DISK, 3, 1);
	w->sights[0] = (struct qemu_sight){ .state = QEMU_BLADE_OFF,
					    .content = &w->contents[0],
					    .maybe = maybe,
					    .maybe_count = 1 };
	assert_int_equal(judged(w, DISK)->host, 0);
	assert_false(judged(w, DISK)->unknown);
}

static void seen_on_one_that_answers_counts_more_than_known_of_one_that_hangs(void **state)
{
	struct world *w = *state;
	const struct provider_binding *b;

	own_add(w, 0, DISK, 3, 1);
	w->sights[0].state = QEMU_BLADE_HUNG;
	image_add(w, 1, "/machine/unattached/device[23]", DISK);
	b = judged(w, DISK);
	assert_int_equal(b->host, 2);
	assert_false(b->unknown);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_begin, world_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_id_comes_back_as_it_was),
		cmocka_unit_test(an_id_of_others_is_none_of_ours),
		TEST(what_nobody_has_is_nowhere),
		TEST(an_own_binding_tells_host_vport_generation_and_identity),
		TEST(a_mac_that_was_given_is_told_even_when_it_is_the_factorys),
		TEST(the_image_under_another_id_is_a_foreign_binding_at_its_vport),
		TEST(a_disk_of_the_command_line_is_foreign_elsewhere_on_the_host),
		TEST(an_image_of_a_device_that_was_refused_is_nowhere),
		TEST(the_same_serial_or_mac_is_foreign),
		TEST(a_name_space_behind_a_controller_is_found_by_its_image),
		TEST(what_is_taken_out_takes_its_images_along),
		TEST(an_own_id_with_anothers_serial_is_not_believed),
		TEST(what_is_bound_twice_is_told_as_ours),
		TEST(an_adapter_that_died_is_bound_and_not_present),
		TEST(a_hung_blade_makes_only_unknown_what_may_be_there),
		TEST(a_blade_that_was_never_seen_whole_may_have_anything),
		TEST(a_blade_that_is_off_has_nothing),
		TEST(seen_on_one_that_answers_counts_more_than_known_of_one_that_hangs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
