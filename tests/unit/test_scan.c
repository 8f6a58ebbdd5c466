/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A scan becomes records, each found by its name: several chassis side by side. */
#include "fabricd/state.h"
#include "house_fixture.h"

static void two_chassis_of_one_number_do_not_share_a_record(void **state)
{
	struct house *h = *state;
	struct fabric_next next[FABRIC_NEXT_MAX];
	char why[DB_TEXT_MAX];

	h->one_number = true;
	reach_new(h, "bay", 8, true);
	usual(h);

	assert_false(health(h).ready);
	(void)snprintf(why, sizeof(why), "%s", health(h).detail);
	assert_string_equal(why, "provider sim1: chassis 1 is provider sim0's: give each chassis a "
				 "number of its own");
	assert_int_equal(host(h, "bay1")->provider, 0);
	/* To adopt would be refused now, and help nothing. */
	assert_int_equal(fabric_health_next(h->fabric, next), 1);
	assert_non_null(
		strstr(next[0].when, "give it a \"number\" of its own in its chassis file"));
	assert_string_equal(next[0].command, "fabricctl health");
}

/* Its switches have other names. */
static void two_chassis_of_one_number_do_not_share_a_host_either(void **state)
{
	struct house *h = *state;
	struct sim_chassis *other = sim_chassis_new("safety");

	assert_non_null(sim_chassis_add_switch(other, "sw9"));
	assert_non_null(sim_chassis_add_host(other, "bay3", 1));
	h->one_number = true;
	reach_add_take(h, other);
	usual(h);

	assert_false(health(h).ready);
	assert_non_null(strstr(health(h).detail, "chassis 1 is provider sim0's"));
	assert_int_equal(host(h, "bay3")->provider, 0);
}

static void switches_hosts_and_ports_of_a_second_chassis_have_its_number(void **state)
{
	struct house *h = *state;

	reach_new(h, "bay", 8, true);
	usual(h);

	assert_true(health(h).ready);
	assert_int_equal(fabric_switch_find(h->fabric, "sw0")->provider, 0);
	assert_int_equal(fabric_switch_find(h->fabric, "ch2/sw0")->provider, 1);
	assert_int_equal(fabric_port_find(h->fabric, "ch2/sw0/p1")->provider, 1);
	assert_string_equal(fabric_port_find(h->fabric, "ch2/sw0/p1")->attached, "ch2/bay1");
	assert_int_equal(host(h, "bay1")->provider, 0);
	assert_int_equal(host(h, "ch2/bay1")->provider, 1);
}

/* ---- whose a number is, over restarts ---- */

/* The other one has the same number, and may have other adapters. */
static void other_add(struct house *h, const char *nic, const char *gpu)
{
	struct sim_chassis *c = chassis_with("bay", HOSTS);
	struct sim_adapter *a = sim_chassis_add_adapter(c, sim_device_find("ethernet"), nic, 1);

	a->num_vfs = 8;
	a->keeper = PROVIDER_KEEPER_SWITCH;
	(void)sim_chassis_add_adapter(c, sim_device_find("gpu"), gpu, 1);
	h->one_number = true;
	reach_add_take(h, c);
}

/* The first one has bay1, with a function, and is not there when the manager starts again. */
static void only_the_other_is_there(struct house *h, const char *nic, const char *gpu)
{
	usual(h);
	manager_kill(h);
	other_add(h, nic, gpu);
	h->reach[0].is_cut = true;
	manager_start(h);
}

static void
s6_s20_a_number_is_one_providers_while_it_is_configured_also_when_it_is_away(void **state)
{
	struct house *h = *state;
	size_t from = h->sent_count;

	/* With the very same adapters, even: of whose makers nobody knows how they number. */
	only_the_other_is_there(h, "E0001", "G0001");
	silence(h, BAY1);
	from = h->sent_count;
	run(h, 3 * WINDOW);

	assert_string_equal(health(h).status, "starting");
	assert_string_equal(health(h).detail,
			    "provider sim1: chassis 1 is provider sim0's, which is not connected: "
			    "give each chassis a number of its own");
	assert_int_equal(events(h, "host.fencing", NULL), 0);
	assert_int_equal(effects(h, from), 0);

	h->reach[0].is_cut = false;
	run(h, STEADY);
	assert_int_equal(host(h, "bay1")->provider, 0);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(h, VF1), BAY8); /* on the first one's switch */
}

/* Also by hand: adoption is for what nobody has. */
static void adoption_takes_no_number_from_a_provider_that_is_configured(void **state)
{
	struct house *h = *state;
	OWNED(fabric_plan_done) struct fabric_plan plan = { 0 };

	only_the_other_is_there(h, "E0002", "G0002");
	run(h, STEADY);

	assert_int_equal(fabric_adopt(h->fabric, false, 0, &plan, on_answer, h),
			 REFUSE_PROVIDER_AWAY);
	run(h, STEADY);
	assert_int_equal(h->fabric->switches.count, 0);
}

static void a_provider_that_is_called_otherwise_now_is_known_by_its_adapters(void **state)
{
	struct house *h = *state;

	usual(h);
	manager_kill(h);
	h->reach[0].name = "left";
	manager_start(h);
	run(h, STEADY);
	assert_string_equal(health(h).status, "ok");
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_ALIVE);

	/* And that is stored: another one of the old name is a stranger. */
	manager_kill(h);
	other_add(h, "E0001", "G0001");
	h->reach[0].is_cut = true;
	h->reach[1].name = "sim0";
	manager_start(h);
	run(h, STEADY);
	assert_non_null(strstr(health(h).detail, "chassis 1 is provider left's"));
}

static void what_has_no_serial_number_speaks_neither_for_a_chassis_nor_against_it(void **state)
{
	struct house *h = *state;

	usual(h);
	manager_kill(h);
	h->reach[0].name = "new";
	h->reach[0].chassis->adapters[1].serial[0] = '\0';
	sim_model_free(h->reach[0].model);
	assert_int_equal(sim_model_new(h->reach[0].chassis, &h->reach[0].model), 0);
	manager_start(h);
	run(h, STEADY);
	assert_true(health(h).ready);
}

static void other_hardware_under_another_name_is_taken_in_when_a_person_says_so(void **state)
{
	struct house *h = *state;
	OWNED(fabric_plan_done) struct fabric_plan would = { 0 };
	OWNED(fabric_plan_done) struct fabric_plan plan = { 0 };
	struct fabric_next next[FABRIC_NEXT_MAX];
	size_t from;

	/* One of the two is an adapter that it had, and is in doubt as the half of them is. */
	usual(h);
	manager_kill(h);
	h->reach[0].name = "new";
	(void)snprintf(h->reach[0].chassis->adapters[1].serial, PROVIDER_NAME_MAX, "X0001");
	sim_model_free(h->reach[0].model);
	assert_int_equal(sim_model_new(h->reach[0].chassis, &h->reach[0].model), 0);
	manager_start(h);
	from = h->sent_count;
	run(h, 3 * WINDOW);
	assert_string_equal(health(h).detail,
			    "provider new: chassis 1 was provider sim0's, and this one shows other "
			    "adapters: if it is to be chassis 1 from now on, `fabricctl adopt`");
	assert_int_equal(fabric_health_next(h->fabric, next), 1);
	assert_string_equal(next[0].command, "fabricctl adopt --dry-run");
	assert_int_equal(effects(h, from), 0);

	assert_int_equal(fabric_adopt(h->fabric, true, 0, &would, NULL, NULL), 0);
	assert_non_null(strstr(would.detail, "chassis 1 would be provider new's"));
	run(h, STEADY);
	assert_false(health(h).ready);

	assert_int_equal(fabric_adopt(h->fabric, false, 0, &plan, on_answer, h), 0);
	assert_non_null(strstr(plan.detail, "chassis 1 is provider new's"));
	run(h, STEADY);
	assert_int_equal(h->answer.r, 0);
	assert_true(health(h).ready);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_ALIVE);

	/* Once: a restart does not ask again. */
	manager_kill(h);
	manager_start(h);
	run(h, STEADY);
	assert_true(health(h).ready);
}

static void a_number_that_its_provider_has_given_up_may_be_given_to_another(void **state)
{
	struct house *h = *state;
	OWNED(fabric_plan_done) struct fabric_plan plan = { 0 };

	usual(h);
	manager_kill(h);
	other_add(h, "E0002", "G0002");
	h->reach[0].chassis->number = 7;
	sim_model_free(h->reach[0].model);
	assert_int_equal(sim_model_new(h->reach[0].chassis, &h->reach[0].model), 0);
	manager_start(h);
	run(h, STEADY);
	assert_non_null(strstr(health(h).detail, "provider sim1: chassis 1 was provider sim0's"));
	assert_int_equal(fabric_switch_find(h->fabric, "ch7/sw0")->provider, 0);

	assert_int_equal(fabric_adopt(h->fabric, false, 0, &plan, on_answer, h), 0);
	run(h, STEADY);
	assert_true(health(h).ready);
	assert_int_equal(host(h, "bay1")->provider, 1);
	assert_int_equal(host(h, "ch7/bay1")->provider, 0);
}

/* Two stand in for one: the first one has it then. */
static void one_number_is_given_to_one_provider(void **state)
{
	struct house *h = *state;
	OWNED(fabric_plan_done) struct fabric_plan plan = { 0 };

	usual(h);
	manager_kill(h);
	other_add(h, "E0002", "G0002");
	h->reach[0].name = "left";
	h->reach[1].name = "right";
	(void)snprintf(h->reach[0].chassis->adapters[0].serial, PROVIDER_NAME_MAX, "X0001");
	sim_model_free(h->reach[0].model);
	assert_int_equal(sim_model_new(h->reach[0].chassis, &h->reach[0].model), 0);
	manager_start(h);
	run(h, STEADY);

	assert_int_equal(fabric_adopt(h->fabric, false, 0, &plan, on_answer, h), 0);
	run(h, STEADY);
	assert_int_equal(host(h, "bay1")->provider, 0);
	assert_non_null(strstr(health(h).detail, "provider right: chassis 1 is provider left's"));
}

/* An adapter is looked for where it was last, not where it was first. */
static void a_card_that_was_moved_speaks_for_its_chassis_in_its_new_slot(void **state)
{
	struct house *h = *state;
	struct sim_chassis *c = h->reach[0].chassis;
	struct sim_adapter was = c->adapters[0];

	usual(h);
	manager_kill(h);
	c->adapters[0].port = c->adapters[1].port;
	c->adapters[1].port = was.port;
	for (unsigned i = 0; i < 2; i++) {
		h->reach[0].name = i ? "left" : NULL;
		sim_model_free(h->reach[0].model);
		assert_int_equal(sim_model_new(c, &h->reach[0].model), 0);
		manager_start(h);
		run(h, STEADY);
		assert_true(health(h).ready);
		if (!i)
			manager_kill(h);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, house_begin, house_end)
	const struct CMUnitTest tests[] = {
		TEST(two_chassis_of_one_number_do_not_share_a_record),
		TEST(two_chassis_of_one_number_do_not_share_a_host_either),
		TEST(switches_hosts_and_ports_of_a_second_chassis_have_its_number),
		TEST(s6_s20_a_number_is_one_providers_while_it_is_configured_also_when_it_is_away),
		TEST(adoption_takes_no_number_from_a_provider_that_is_configured),
		TEST(a_provider_that_is_called_otherwise_now_is_known_by_its_adapters),
		TEST(other_hardware_under_another_name_is_taken_in_when_a_person_says_so),
		TEST(what_has_no_serial_number_speaks_neither_for_a_chassis_nor_against_it),
		TEST(a_number_that_its_provider_has_given_up_may_be_given_to_another),
		TEST(one_number_is_given_to_one_provider),
		TEST(a_card_that_was_moved_speaks_for_its_chassis_in_its_new_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
