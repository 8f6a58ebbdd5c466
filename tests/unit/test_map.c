/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/map.h"
#include "sim_fixture.h"

struct fixture {
	struct sim_chassis *chassis;
	struct sim_map map;
	struct sim_verdict verdict;
	unsigned changes;
};

static void count_change(void *arg, enum sim_part part, uint32_t handle)
{
	struct fixture *f = arg;

	(void)part;
	(void)handle;
	f->changes++;
}

static int setup(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));

	f->chassis = fixture_new();
	assert_int_equal(sim_map_init(&f->map, f->chassis), 0);
	f->map.changed = count_change;
	f->map.arg = f;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	sim_map_done(&f->map);
	sim_chassis_free(f->chassis);
	test_free(f);
	return 0;
}

static enum provider_why apply(struct fixture *f, struct provider_op op)
{
	sim_map_apply(&f->map, &op, &f->verdict);
	assert_int_equal(f->verdict.outcome == PROVIDER_DONE, f->verdict.why == 0);
	assert_int_equal(f->verdict.outcome == PROVIDER_DONE, f->verdict.text[0] == '\0');
	return f->verdict.why;
}

static enum provider_why bind(struct fixture *f, uint32_t function, uint16_t host, uint16_t vport)
{
	return apply(f, (struct provider_op){ .verb = PROVIDER_BIND,
					      .function = function,
					      .host = host,
					      .vport = vport,
					      .generation = 7 });
}

static enum provider_why unbind(struct fixture *f, uint32_t function)
{
	return apply(f, (struct provider_op){ .verb = PROVIDER_UNBIND, .function = function });
}

static enum provider_why reset(struct fixture *f, uint32_t function)
{
	return apply(f, (struct provider_op){ .verb = PROVIDER_RESET, .function = function });
}

static enum provider_why identify(struct fixture *f, uint32_t function, uint64_t mac, uint64_t wwpn)
{
	return apply(f, (struct provider_op){ .verb = PROVIDER_IDENTITY,
					      .function = function,
					      .identity = { .mac = mac, .wwpn = wwpn } });
}

static enum provider_why isolate(struct fixture *f, uint16_t host, bool on)
{
	return apply(f,
		     (struct provider_op){ .verb = PROVIDER_ISOLATE, .host = host, .value = on });
}

static enum provider_why num_vfs(struct fixture *f, uint32_t pf, uint32_t n)
{
	return apply(f,
		     (struct provider_op){ .verb = PROVIDER_NUM_VFS, .function = pf, .value = n });
}

static const struct provider_binding *now(const struct fixture *f, uint32_t function)
{
	return &f->map.functions[function - 1].now;
}

static void handles_follow_the_adapters_in_order(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->map.function_count, FUNCTIONS);
	assert_int_equal(f->map.functions[SHARED_PF - 1].kind, PROVIDER_FUNCTION_PF);
	assert_int_equal(f->map.functions[SHARED_VF1 - 1].vf, 1);
	assert_int_equal(f->map.functions[GPU_F1 - 1].kind, PROVIDER_FUNCTION_DEVICE);
	assert_int_equal(f->map.functions[GPU_F1 - 1].pf, 1);
	assert_int_equal(f->map.functions[MRA_BF - 1].kind, PROVIDER_FUNCTION_BF);
	assert_int_equal(f->map.functions[MRA_PF1 - 1].pf, 1);
	for (uint32_t i = 1; i <= FUNCTIONS; i++)
		assert_int_equal(f->map.functions[i - 1].handle, i);
}

static void a_bound_function_is_where_it_was_bound(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(bind(f, SHARED_VF1, BAY2, 3), 0);

	assert_int_equal(now(f, SHARED_VF1)->host, BAY2);
	assert_int_equal(now(f, SHARED_VF1)->vport, 3);
	assert_int_equal(now(f, SHARED_VF1)->generation, 7);
	assert_int_equal(sim_map_vport(&f->map, BAY2, 3)->function, SHARED_VF1);
	assert_int_equal(f->changes, 1);
}

static void a_second_owner_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(bind(f, SHARED_VF1, BAY1, 1), 0);

	assert_int_equal(bind(f, SHARED_VF1, BAY2, 1), PROVIDER_WHY_BOUND);
	assert_int_equal(bind(f, SHARED_VF1, BAY1, 1), PROVIDER_WHY_BOUND);
	assert_int_equal(bind(f, SHARED_VF2, BAY1, 1), PROVIDER_WHY_VPORT_TAKEN);
	assert_int_equal(now(f, SHARED_VF1)->host, BAY1);
}

static void what_is_not_there_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(bind(f, 0, BAY1, 1), PROVIDER_WHY_NO_FUNCTION);
	assert_int_equal(bind(f, FUNCTIONS + 1, BAY1, 1), PROVIDER_WHY_NO_FUNCTION);
	assert_int_equal(bind(f, SHARED_VF1, 0, 1), PROVIDER_WHY_NO_HOST);
	assert_int_equal(bind(f, SHARED_VF1, 4, 1), PROVIDER_WHY_NO_HOST);
	assert_int_equal(bind(f, SHARED_VF1, BAY1, 0), PROVIDER_WHY_NO_VPORT);
	assert_int_equal(bind(f, SHARED_VF1, BAY1, 5), PROVIDER_WHY_NO_VPORT);
	assert_int_equal(bind(f, SHARED_VF5, BAY1, 1), PROVIDER_WHY_NO_VF);
	assert_int_equal(unbind(f, FUNCTIONS + 1), PROVIDER_WHY_NO_FUNCTION);
	assert_int_equal(reset(f, FUNCTIONS + 1), PROVIDER_WHY_NO_FUNCTION);
	assert_int_equal(isolate(f, 9, true), PROVIDER_WHY_NO_HOST);
	assert_int_equal(f->changes, 0);
}

static void kept_and_split_functions_are_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(bind(f, SHARED_PF, BAY1, 1), PROVIDER_WHY_KEPT);
	assert_int_equal(bind(f, MRA_BF, BAY1, 1), PROVIDER_WHY_KEPT);
	assert_int_equal(bind(f, WHOLE_VF1, BAY1, 1), PROVIDER_WHY_SPLIT);
	assert_int_equal(bind(f, WHOLE_PF, BAY1, 1), 0);
	assert_int_equal(bind(f, MRA_PF0, BAY1, 2), 0);
	assert_int_equal(bind(f, MRA_PF1, BAY2, 2), 0);
}

static void nothing_binds_to_an_isolated_host(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(bind(f, SHARED_VF1, BAY1, 1), 0);
	assert_int_equal(isolate(f, BAY1, true), 0);

	assert_int_equal(bind(f, SHARED_VF2, BAY1, 2), PROVIDER_WHY_ISOLATED);
	assert_int_equal(unbind(f, SHARED_VF1), 0);
	assert_int_equal(isolate(f, BAY1, false), 0);
	assert_int_equal(bind(f, SHARED_VF2, BAY1, 2), 0);
}

static void an_unbind_takes_the_function_from_wherever_it_is(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(bind(f, SHARED_VF1, BAY1, 1), 0);
	assert_int_equal(apply(f, (struct provider_op){ .verb = PROVIDER_UNBIND,
							.function = SHARED_VF1,
							.host = BAY2,
							.vport = 4 }),
			 0);
	assert_int_equal(now(f, SHARED_VF1)->host, 0);
	assert_int_equal(now(f, SHARED_VF1)->generation, 0);
	assert_int_equal(unbind(f, SHARED_VF1), 0);
}

static void a_reset_that_would_hit_another_owner_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(bind(f, GPU_F0, BAY1, 1), 0);
	assert_int_equal(bind(f, SHARED_VF1, BAY1, 2), 0);

	assert_int_equal(reset(f, GPU_F1), PROVIDER_WHY_BLAST);
	assert_int_equal(reset(f, GPU_F0), 0);
	assert_int_equal(reset(f, SHARED_PF), PROVIDER_WHY_BLAST);
	assert_int_equal(reset(f, SHARED_VF2), 0);
	assert_int_equal(bind(f, GPU_F1, BAY1, 3), 0);
	assert_int_equal(reset(f, GPU_F1), 0);
	assert_int_equal(reset(f, MRA_BF), 0);
	assert_int_equal(bind(f, MRA_PF0, BAY2, 1), 0);
	assert_int_equal(reset(f, MRA_BF), PROVIDER_WHY_BLAST);
}

static void a_reset_of_a_pf_empties_its_vfs(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(identify(f, SHARED_VF1, 0x02fab0000001, 0), 0);
	assert_int_equal(reset(f, SHARED_VF1), 0);
	assert_int_equal(now(f, SHARED_VF1)->identity.mac, 0x02fab0000001);
	assert_int_equal(reset(f, SHARED_PF), 0);
	assert_int_equal(now(f, SHARED_VF1)->identity.mac, 0);
}

static void an_identity_lives_once(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(identify(f, SHARED_VF1, 0x02fab0000001, 0), 0);

	assert_int_equal(identify(f, SHARED_VF2, 0x02fab0000001, 0), PROVIDER_WHY_IDENTITY);
	assert_int_equal(identify(f, SHARED_VF1, 0x02fab0000001, 0), 0);
	assert_int_equal(identify(f, SHARED_VF1, 0, 0), 0);
	assert_int_equal(identify(f, SHARED_VF2, 0x02fab0000001, 0), 0);
}

/* The slow way to know what the index knows. */
static bool lives_elsewhere(const struct fixture *f, uint32_t function, uint64_t mac)
{
	for (uint32_t i = 1; i <= FUNCTIONS; i++)
		if (i != function && mac && now(f, i)->identity.mac == mac)
			return true;
	return false;
}

static void identities_that_wander_are_still_found(void **state)
{
	static const uint32_t functions[] = { SHARED_VF1,     SHARED_VF2, SHARED_VF2 + 1,
					      SHARED_VF2 + 2, WHOLE_PF,   MRA_PF0,
					      MRA_PF1 };
	struct fixture *f = *state;
	uint32_t random = 1;

	for (int i = 0; i < 20000; i++) {
		uint32_t function;
		uint64_t mac;
		enum provider_why expected;

		random = random * 1664525 + 1013904223;
		function = functions[(random >> 16) % 7];
		mac = (random >> 24) % 6 ? 0x02fab0000000 + (random >> 24) % 6 : 0;
		expected = lives_elsewhere(f, function, mac) ? PROVIDER_WHY_IDENTITY
							     : PROVIDER_WHY_NONE;
		assert_int_equal(identify(f, function, mac, 0), expected);
	}
}

static void what_a_switch_cannot_do_is_refused_as_unsupported(void **state)
{
	struct fixture *f = *state;
	const struct provider_op off = { .verb = PROVIDER_HOST_POWER, .host = BAY1 };
	const struct provider_op surprise = { .verb = PROVIDER_UNBIND,
					      .function = SHARED_VF1,
					      .mode = PROVIDER_SURPRISE };

	f->chassis->can.isolate = f->chassis->can.surprise = f->chassis->can.power = false;
	assert_int_equal(bind(f, SHARED_VF1, BAY1, 1), 0);
	assert_int_equal(isolate(f, BAY1, true), PROVIDER_WHY_UNSUPPORTED);
	assert_int_equal(apply(f, off), PROVIDER_WHY_UNSUPPORTED);
	assert_int_equal(apply(f, surprise), PROVIDER_WHY_UNSUPPORTED);
	assert_int_equal(now(f, SHARED_VF1)->host, BAY1);

	f->chassis->can.power = true; /* without power nobody holds on to it */
	assert_int_equal(apply(f, off), 0);
	assert_int_equal(apply(f, surprise), 0);
	assert_int_equal(bind(f, SHARED_VF1, BAY1, 1), 0);
	assert_int_equal(unbind(f, SHARED_VF1), 0); /* nor is asking ever refused */
	f->chassis->can.isolate = f->chassis->can.surprise = true;
}

static void an_unchecked_switch_lets_an_identity_live_twice(void **state)
{
	struct fixture *f = *state;

	f->chassis->checks_identity = false;
	assert_int_equal(identify(f, SHARED_VF1, 0x02fab0000001, 0), 0);
	assert_int_equal(identify(f, SHARED_VF2, 0x02fab0000001, 0), 0);
	assert_int_equal(identify(f, SHARED_VF1, 0, 0), 0);
	f->chassis->checks_identity = true;
	assert_int_equal(identify(f, WHOLE_PF, 0x02fab0000001, 0), PROVIDER_WHY_IDENTITY);
}

static void an_identity_that_a_function_cannot_carry_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(identify(f, SHARED_VF1, 0, 0x5001438000000001), PROVIDER_WHY_IDENTITY);
	assert_int_equal(identify(f, FC_F0, 0x02fab0000001, 0), PROVIDER_WHY_IDENTITY);
	assert_int_equal(identify(f, FC_F0, 0, 0x5001438000000001), 0);
	assert_int_equal(identify(f, GPU_F0, 0x02fab0000001, 0), PROVIDER_WHY_IDENTITY);
	assert_int_equal(identify(f, GPU_F0, 0, 0), 0);
	assert_int_equal(identify(f, SHARED_PF, 0x02fab0000001, 0), PROVIDER_WHY_KEPT);
	assert_int_equal(identify(f, MRA_BF, 0x02fab0000001, 0), PROVIDER_WHY_KEPT);
	assert_int_equal(identify(f, SHARED_VF5, 0x02fab0000001, 0), PROVIDER_WHY_NO_VF);
}

static void num_vfs_change_only_while_none_is_bound(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(num_vfs(f, SHARED_PF, 9), PROVIDER_WHY_NO_VF);
	assert_int_equal(num_vfs(f, SHARED_VF1, 1), PROVIDER_WHY_NO_FUNCTION);
	assert_int_equal(bind(f, SHARED_VF1, BAY1, 1), 0);
	assert_int_equal(num_vfs(f, SHARED_PF, 8), PROVIDER_WHY_BLAST);
	assert_int_equal(num_vfs(f, SHARED_PF, 4), 0);
	assert_int_equal(unbind(f, SHARED_VF1), 0);
	assert_int_equal(identify(f, SHARED_VF1, 0x02fab0000001, 0), 0);

	assert_int_equal(num_vfs(f, SHARED_PF, 8), 0);

	assert_true(now(f, SHARED_VF5)->present);
	assert_int_equal(now(f, SHARED_VF1)->identity.mac, 0);
	assert_int_equal(bind(f, SHARED_VF5, BAY1, 1), 0);
}

static void a_ring_stays_with_one_host(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->map.functions[RING_PF0 - 1].depends, RING_PF1);
	assert_int_equal(f->map.functions[RING_PF1 - 1].depends, RING_PF0);
	assert_int_equal(f->map.functions[RING_PF1_VF1 - 1].depends, RING_PF0_VF1);
	assert_int_equal(bind(f, RING_PF0_VF1, BAY1, 1), 0);
	assert_int_equal(bind(f, RING_PF1_VF1, BAY2, 1), PROVIDER_WHY_SPLIT);
	assert_int_equal(bind(f, RING_PF1_VF1, BAY1, 2), 0);
}

static void what_does_not_fit_the_vport_is_refused(void **state)
{
	struct fixture *f = *state;

	f->map.hosts[BAY1 - 1].window_bytes = 1 << 20;
	assert_int_equal(bind(f, GPU_F0, BAY1, 1), PROVIDER_WHY_UNSUPPORTED);
	f->map.functions[WHOLE_PF - 1].buses = 2;
	assert_int_equal(bind(f, WHOLE_PF, BAY2, 1), PROVIDER_WHY_UNSUPPORTED);
}

static void switches_without_a_path_bind_nothing(void **state)
{
	struct fixture *f = *state;

	f->map.island[1] = 99;
	assert_int_equal(bind(f, FC_F0, BAY1, 1), PROVIDER_WHY_UNSUPPORTED);
	assert_int_equal(bind(f, FC_F0, BAY3, 1), 0);
}

static void a_slot_remembers_what_happened_to_it(void **state)
{
	struct fixture *f = *state;
	struct sim_vport *slot = sim_map_vport(&f->map, BAY1, 1);

	assert_int_equal(bind(f, SHARED_VF1, BAY1, 1), 0);
	assert_int_equal(slot->changed, SIM_SLOT_PDC | SIM_SLOT_DLLSC);
	slot->changed = 0;
	assert_int_equal(unbind(f, SHARED_VF1), 0);
	assert_int_equal(slot->changed, SIM_SLOT_PDC | SIM_SLOT_DLLSC | SIM_SLOT_ATTENTION);
	assert_int_equal(bind(f, SHARED_VF1, BAY1, 1), 0);
	slot->changed = 0;
	assert_int_equal(apply(f, (struct provider_op){ .verb = PROVIDER_UNBIND,
							.mode = PROVIDER_SURPRISE,
							.function = SHARED_VF1 }),
			 0);
	assert_int_equal(slot->changed, SIM_SLOT_PDC | SIM_SLOT_DLLSC | SIM_SLOT_SURPRISE);
}

static void a_reverted_map_is_as_it_was(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(bind(f, SHARED_VF1, BAY1, 1), 0);
	assert_int_equal(unbind(f, SHARED_VF1), 0);
	assert_int_equal(bind(f, SHARED_VF2, BAY1, 1), 0);
	assert_int_equal(isolate(f, BAY2, true), 0);

	sim_map_revert(&f->map, 2);

	assert_int_equal(now(f, SHARED_VF1)->host, BAY1);
	assert_int_equal(now(f, SHARED_VF1)->generation, 7);
	assert_int_equal(now(f, SHARED_VF2)->host, 0);
	assert_int_equal(sim_map_vport(&f->map, BAY1, 1)->function, SHARED_VF1);
	assert_false(f->map.hosts[BAY2 - 1].state.isolated);
	sim_map_revert(&f->map, 1000);
	assert_int_equal(now(f, SHARED_VF1)->host, 0);
}

static void only_the_last_changes_can_be_taken_back(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(bind(f, SHARED_VF2, BAY2, 1), 0);
	for (int i = 0; i < SIM_MAP_UNDO; i++)
		assert_int_equal(i % 2 ? unbind(f, SHARED_VF1) : bind(f, SHARED_VF1, BAY1, 1), 0);
	sim_map_revert(&f->map, 10000);
	assert_int_equal(now(f, SHARED_VF1)->host, 0);
	assert_int_equal(now(f, SHARED_VF2)->host, BAY2);
}

static void a_pulled_card_stays_bound_and_is_not_present(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(bind(f, GPU_F0, BAY1, 1), 0);
	sim_map_plug(&f->map, GPU, false);
	assert_int_equal(now(f, GPU_F0)->host, BAY1);
	assert_false(now(f, GPU_F0)->present);
	assert_int_equal(bind(f, GPU_F1, BAY1, 2), PROVIDER_WHY_NO_FUNCTION);
	sim_map_plug(&f->map, GPU, true);
	assert_int_equal(bind(f, GPU_F1, BAY1, 2), 0);
}

static void a_read_beyond_the_last_function_is_refused(void **state)
{
	struct fixture *f = *state;
	struct provider_op op = { .verb = PROVIDER_READ, .function = 1, .value = FUNCTIONS };

	assert_int_equal(apply(f, op), 0);
	op.value++;
	assert_int_equal(apply(f, op), PROVIDER_WHY_NO_FUNCTION);
	op.function = FUNCTIONS;
	op.value = 2;
	assert_int_equal(apply(f, op), PROVIDER_WHY_NO_FUNCTION);
	op.value = 0;
	assert_int_equal(apply(f, op), PROVIDER_WHY_NO_FUNCTION);
	op.verb = (enum provider_verb)99;
	assert_int_equal(apply(f, op), PROVIDER_WHY_UNSUPPORTED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(handles_follow_the_adapters_in_order),
		T(a_bound_function_is_where_it_was_bound),
		T(a_second_owner_is_refused),
		T(what_is_not_there_is_refused),
		T(kept_and_split_functions_are_refused),
		T(nothing_binds_to_an_isolated_host),
		T(an_unbind_takes_the_function_from_wherever_it_is),
		T(a_reset_that_would_hit_another_owner_is_refused),
		T(a_reset_of_a_pf_empties_its_vfs),
		T(an_identity_lives_once),
		T(identities_that_wander_are_still_found),
		T(what_a_switch_cannot_do_is_refused_as_unsupported),
		T(an_unchecked_switch_lets_an_identity_live_twice),
		T(an_identity_that_a_function_cannot_carry_is_refused),
		T(num_vfs_change_only_while_none_is_bound),
		T(a_ring_stays_with_one_host),
		T(what_does_not_fit_the_vport_is_refused),
		T(switches_without_a_path_bind_nothing),
		T(a_slot_remembers_what_happened_to_it),
		T(a_reverted_map_is_as_it_was),
		T(only_the_last_changes_can_be_taken_back),
		T(a_pulled_card_stays_bound_and_is_not_present),
		T(a_read_beyond_the_last_function_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
