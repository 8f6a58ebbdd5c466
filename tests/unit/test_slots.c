/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hot-plug at the brain: cards that come, go, and are not the ones they were (S17). The switch's
 * own refusals of identities are off: the manager's guards are what is proved. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "brain_fixture.h"
#include "common/log.h"
#include "db/db.h"

enum { NIC = 1, GPU = 2, VFS = 4, MAC1 = 0x0200000000a1 };

static const char *const VF1 = "nic-0001/pf0/vf1";

struct rig {
	struct brain b;
	bool watches;                      /* a card has come, and was not scrubbed since */
	bool is_clean[BRAIN_HOSTS * 1024]; /* by function handle: reset since */
	unsigned binds_unclean;            /* S17: of a card not all of which was reset */
	unsigned unbinds;
	struct {
		int r;
		uint64_t id;
	} answer;
};

static const struct sim_map *truth(const struct rig *rig)
{
	return sim_model_map(rig->b.model);
}

static bool is_card_clean(const struct rig *rig, uint32_t adapter)
{
	const struct provider_adapter *a = &truth(rig)->adapters[adapter - 1];

	for (uint32_t i = 0; i < a->function_count; i++) {
		const struct provider_function *f =
			&truth(rig)->functions[a->first_function + i - 1];

		if (f->vf && f->vf <= a->num_vfs && !rig->is_clean[f->handle])
			return false;
	}
	return true;
}

static void observe(void *arg, const struct sim_effect *effect)
{
	struct rig *rig = arg;
	const struct provider_function *f = sim_map_function(truth(rig), effect->op->function);

	if (effect->outcome != PROVIDER_DONE || !f || f->adapter != NIC)
		return;
	if (effect->op->verb == PROVIDER_RESET)
		rig->is_clean[f->handle] = true;
	if (effect->op->verb == PROVIDER_UNBIND && effect->before.host)
		rig->unbinds++;
	if (effect->op->verb == PROVIDER_BIND && rig->watches && !is_card_clean(rig, f->adapter))
		rig->binds_unclean++;
}

static struct sim_chassis *chassis(void)
{
	struct sim_chassis *c = sim_chassis_new("slots");
	struct sim_adapter *a;

	assert_non_null(sim_chassis_add_switch(c, "sw0"));
	c->command_ms = 1;
	c->timeout_ms = 1000;
	c->checks_identity = false;
	for (int i = 1; i <= 3; i++) {
		char bay[16];
		struct sim_host *host;

		(void)snprintf(bay, sizeof(bay), "bay%d", i);
		host = sim_chassis_add_host(c, bay, 1);
		host->window_bytes = 512 << 20;
	}
	a = sim_chassis_add_adapter(c, sim_device_find("ethernet"), "E0001", 1);
	a->num_vfs = VFS;
	a->keeper = PROVIDER_KEEPER_SWITCH;
	a = sim_chassis_add_adapter(c, sim_device_find("gpu"), "G0001", 1);
	a->pfs = 1;
	return c;
}

static int begin(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	log_setup("slots", (enum log_level)0);
	brain_init_take(&rig->b, chassis());
	sim_model_observe(rig->b.model, observe, rig);
	brain_run(&rig->b, 5000);
	*state = rig;
	return 0;
}

static int end(void **state)
{
	struct rig *rig = *state;

	brain_done(&rig->b);
	free(rig);
	return 0;
}

/* ---- looking and asking ---- */

static const struct fabric_function *function(const struct rig *rig, const char *name)
{
	const struct fabric_function *fn = fabric_function_find(rig->b.fabric, name);

	assert_non_null(fn);
	return fn;
}

static unsigned at_switch(const struct rig *rig, const char *name)
{
	return truth(rig)->functions[function(rig, name)->as.handle - 1].now.host;
}

static const char *slot_state(const struct rig *rig, uint32_t adapter)
{
	char name[FABRIC_NAME_MAX];

	(void)snprintf(name, sizeof(name), "sw0/p%u", truth(rig)->adapters[adapter - 1].port);
	return fabric_port_slot(fabric_port_find(rig->b.fabric, name));
}

/* Until the slot is in that state, and the fabric has had time to act on it. */
static void run_until(struct rig *rig, uint32_t adapter, const char *state)
{
	for (int i = 0; i < 100000 && strcmp(slot_state(rig, adapter), state) != 0; i++)
		brain_step(&rig->b);
	assert_string_equal(slot_state(rig, adapter), state);
}

static void on_answer(void *arg, int r, uint64_t id)
{
	struct rig *rig = arg;

	rig->answer.r = r;
	rig->answer.id = id;
}

static int ask(struct rig *rig, enum db_op op, const char *fn, const char *host, uint64_t mac,
	       struct fabric_problem *problem)
{
	struct fabric_request_op one = { .op = op, .has_identity = mac != 0 };
	const struct fabric_request request = { .ops = &one, .op_count = 1, .uid = 1 };

	(void)snprintf(one.function, sizeof(one.function), "%s", fn);
	(void)snprintf(one.host, sizeof(one.host), "%s", host);
	one.identity.mac = mac;
	return fabric_change_request(rig->b.fabric, &request, problem, on_answer, rig);
}

static void give(struct rig *rig, const char *fn, const char *host, uint64_t mac)
{
	struct fabric_problem problem;

	assert_int_equal(ask(rig, DB_OP_ASSIGN, fn, host, mac, &problem), 0);
	brain_run(&rig->b, 500);
	assert_int_not_equal(at_switch(rig, fn), 0);
}

static void at_slot(struct rig *rig, uint32_t adapter, enum sim_slot_what what, const char *serial)
{
	assert_int_equal(sim_model_slot(rig->b.model, adapter, what, serial), 0);
	if (what == SIM_SLOT_BUTTON)
		return;
	rig->watches = true;
	memset(rig->is_clean, 0, sizeof(rig->is_clean));
}

static unsigned running(const struct rig *rig)
{
	size_t count;
	const struct fabric_change *const *changes = fabric_changes(rig->b.fabric, &count);
	unsigned n = 0;

	for (size_t i = 0; i < count; i++)
		n += changes[i]->row.state == DB_CHANGE_RUNNING;
	return n;
}

struct wanted_event {
	const char *type;
	unsigned count;
};

static void event_count(void *arg, const struct db_event *event)
{
	struct wanted_event *wanted = arg;

	wanted->count += !strcmp(event->type, wanted->type);
}

static unsigned events(const struct rig *rig, const char *type)
{
	struct wanted_event wanted = { type, 0 };
	uint64_t first;

	(void)fabric_events_after(rig->b.fabric, 0, event_count, &wanted, &first);
	return wanted.count;
}

static unsigned macs_on_the_card(const struct rig *rig)
{
	const struct provider_adapter *a = &truth(rig)->adapters[NIC - 1];
	unsigned n = 0;

	for (uint32_t i = 0; i < a->function_count; i++)
		n += truth(rig)->functions[a->first_function + i - 1].now.identity.mac != 0;
	return n;
}

/* ---- a card that comes ---- */

static void s17_a_card_that_comes_is_scrubbed_before_any_bind(void **state)
{
	struct rig *rig = *state;
	struct fabric_problem problem;

	give(rig, VF1, "bay1", MAC1);
	at_slot(rig, NIC, SIM_SLOT_SWAP, "E0099");
	run_until(rig, NIC, "scrubbing");
	for (int i = 0; i < 1000 && !fabric_adapter_find(rig->b.fabric, "nic-0099"); i++)
		brain_step(&rig->b);
	assert_int_equal(macs_on_the_card(rig), 1); /* it brought one along */
	assert_int_equal(ask(rig, DB_OP_ASSIGN, "nic-0099/pf0/vf2", "bay2", 0, &problem),
			 REFUSE_CARD_WITHHELD);
	assert_non_null(strstr(problem.reason, "its card is being scrubbed"));

	run_until(rig, NIC, "ready");
	assert_int_equal(macs_on_the_card(rig), 0);
	assert_true(is_card_clean(rig, NIC));
	give(rig, "nic-0099/pf0/vf2", "bay2", 0);
	assert_int_equal(rig->binds_unclean, 0);
}

static void s17_a_change_under_way_binds_nothing_of_a_card_that_was_swapped(void **state)
{
	struct rig *rig = *state;
	struct fabric_problem problem;

	for (unsigned wait = 0; wait < 12; wait++) {
		char serial[16];
		char vf[32];

		(void)snprintf(vf, sizeof(vf), "nic-%s%02u/pf0/vf1", wait ? "01" : "00",
			       wait ? wait - 1 : 1);
		assert_int_equal(ask(rig, DB_OP_ASSIGN, vf, "bay1", 0, &problem), 0);
		for (unsigned i = 0; i < wait; i++)
			brain_step(&rig->b);
		(void)snprintf(serial, sizeof(serial), "E01%02u", wait);
		at_slot(rig, NIC, SIM_SLOT_SWAP, serial);
		run_until(rig, NIC, "scrubbing");
		run_until(rig, NIC, "ready");
		brain_run(&rig->b, 500);
		assert_int_equal(rig->binds_unclean, 0);
		assert_int_equal(running(rig), 0);
	}
}

/* All that it has said is durable, and it is killed. */
static void manager_end(struct rig *rig)
{
	while (rig->b.commits)
		brain_step(&rig->b);
	fabric_free(rig->b.fabric);
	provider_close(rig->b.provider);
}

static void manager_begin(struct rig *rig)
{
	const struct fabric_io io = { .now_ms = brain_now,
				      .wall_ms = brain_wall,
				      .submit_take = brain_submit_take,
				      .db_waiting_since_ms = brain_waiting,
				      .arg = &rig->b };
	struct config config;
	char why[DB_TEXT_MAX];
	unsigned number;

	config_init(&config);
	assert_int_equal(fabric_new(&config, &io, &rig->b.fabric), 0);
	assert_int_equal(fabric_load(rig->b.fabric, rig->b.db, why), 0);
	assert_int_equal(fabric_provider_add(rig->b.fabric, "sim", &rig->b.sink, &number), 0);
	rig->b.provider = sim_model_provider(rig->b.model, &rig->b.sink);
	fabric_provider_set(rig->b.fabric, number, rig->b.provider);
	fabric_start(rig->b.fabric);
}

static void s17_a_quarantine_outlives_the_manager(void **state)
{
	struct rig *rig = *state;
	struct sim_fault never = { .kind = SIM_FAULT_REFUSED, .verb = PROVIDER_RESET };
	struct fabric_problem problem;

	assert_int_equal(sim_model_fault(rig->b.model, &never), 0);
	at_slot(rig, NIC, SIM_SLOT_OUT, NULL);
	brain_run(&rig->b, 1000);
	at_slot(rig, NIC, SIM_SLOT_IN, NULL);
	run_until(rig, NIC, "scrubbing");
	brain_run(&rig->b, 20000);
	assert_string_equal(slot_state(rig, NIC), "scrubbing");

	manager_end(rig);
	manager_begin(rig);
	brain_run(&rig->b, 5000);

	assert_string_equal(slot_state(rig, NIC), "scrubbing");
	assert_int_equal(ask(rig, DB_OP_ASSIGN, VF1, "bay1", 0, &problem), REFUSE_CARD_WITHHELD);
	sim_model_fault_clear(rig->b.model);
	brain_run(&rig->b, 400000);
	assert_string_equal(slot_state(rig, NIC), "ready");
	assert_int_equal(rig->binds_unclean, 0);
}

/*
 * While no manager looks it is put back, and a command of an earlier life, or its own slot, turns
 * it on; then @more is carried out, unless it is NULL. A manager begins, and has time.
 */
static void card_comes_unseen(struct rig *rig, const struct provider_op *more)
{
	const struct provider_sink none = { 0 };
	const struct provider_adapter *a = &truth(rig)->adapters[NIC - 1];
	const struct provider_op on = { .attempt = 1ull << 60,
					.verb = PROVIDER_SLOT_POWER,
					.switch_handle = a->switch_handle,
					.port = a->port,
					.value = 1,
					.deadline_ms = UINT64_MAX };
	struct provider *other;

	at_slot(rig, NIC, SIM_SLOT_OUT, NULL);
	run_until(rig, NIC, "empty");
	brain_run(&rig->b, 1000);
	manager_end(rig);
	at_slot(rig, NIC, SIM_SLOT_IN, NULL);
	other = sim_model_provider(rig->b.model, &none);
	assert_int_equal(other->ops->submit(other, &on), 0);
	if (more)
		assert_int_equal(other->ops->submit(other, more), 0);
	provider_close(other); /* it is carried out all the same */
	manager_begin(rig);
	brain_run(&rig->b, 20000);
}

static void s17_a_card_that_came_while_no_manager_looked_is_scrubbed(void **state)
{
	struct rig *rig = *state;

	card_comes_unseen(rig, NULL);

	assert_string_equal(slot_state(rig, NIC), "ready");
	assert_true(is_card_clean(rig, NIC));
}

/* As a kernel that binds its driver to whatever comes. */
static void s17_what_a_host_took_of_a_card_that_came_is_taken_from_it(void **state)
{
	struct rig *rig = *state;
	const struct provider_op take = { .attempt = (1ull << 60) + 1,
					  .verb = PROVIDER_BIND,
					  .function = function(rig, VF1)->as.handle,
					  .host = 3,
					  .vport = 1,
					  .deadline_ms = UINT64_MAX };

	card_comes_unseen(rig, &take);

	assert_string_equal(slot_state(rig, NIC), "ready");
	assert_true(is_card_clean(rig, NIC));
	assert_int_equal(rig->unbinds, 1);
	assert_int_equal(at_switch(rig, VF1), 0);
}

static void what_others_have_is_not_touched_by_a_card_that_comes(void **state)
{
	struct rig *rig = *state;
	uint64_t generation;

	give(rig, "gpu-0001/f0", "bay2", 0);
	generation = function(rig, "gpu-0001/f0")->as.now.generation;
	at_slot(rig, NIC, SIM_SLOT_SWAP, "E0099");
	run_until(rig, NIC, "scrubbing");
	run_until(rig, NIC, "ready");
	brain_run(&rig->b, 2000);

	assert_int_equal(at_switch(rig, "gpu-0001/f0"), 2);
	assert_int_equal(function(rig, "gpu-0001/f0")->as.now.generation, generation);
	assert_string_equal(slot_state(rig, GPU), "ready");
}

/* ---- a card that goes ---- */

static void a_card_pulled_by_surprise_leaves_its_claims_and_returns_to_them_scrubbed(void **state)
{
	struct rig *rig = *state;

	give(rig, VF1, "bay1", MAC1);
	at_slot(rig, NIC, SIM_SLOT_OUT, NULL);
	brain_run(&rig->b, 3000);
	assert_string_equal(slot_state(rig, NIC), "empty");
	assert_int_equal(events(rig, "slot.surprise"), 1);
	assert_int_equal(at_switch(rig, VF1), 0);
	assert_false(function(rig, VF1)->present);
	assert_string_equal(function(rig, VF1)->host->name, "bay1");

	at_slot(rig, NIC, SIM_SLOT_IN, NULL);
	run_until(rig, NIC, "ready");
	brain_run(&rig->b, 2000);
	assert_int_equal(at_switch(rig, VF1), 1);
	assert_int_equal(function(rig, VF1)->as.now.identity.mac, MAC1);
	assert_int_equal(macs_on_the_card(rig), 1);
	assert_int_equal(rig->binds_unclean, 0);
	assert_int_equal(running(rig), 0);
}

static void a_card_pulled_in_the_middle_of_a_change_ends_it_parked(void **state)
{
	struct rig *rig = *state;
	struct fabric_problem problem;

	for (unsigned wait = 0; wait < 16; wait++) {
		assert_int_equal(ask(rig, DB_OP_ASSIGN, VF1, "bay1", MAC1, &problem), 0);
		for (unsigned i = 0; i < wait; i++)
			brain_step(&rig->b);
		at_slot(rig, NIC, SIM_SLOT_OUT, NULL);
		brain_run(&rig->b, 3000);
		assert_int_equal(running(rig), 0);
		at_slot(rig, NIC, SIM_SLOT_IN, NULL);
		run_until(rig, NIC, "ready");
		brain_run(&rig->b, 2000);
		assert_int_equal(rig->binds_unclean, 0);
		assert_int_equal(at_switch(rig, VF1), 1); /* 202 was not in vain */
		assert_int_equal(ask(rig, DB_OP_RELEASE, VF1, "", 0, &problem), 0);
		brain_run(&rig->b, 1000);
		assert_int_equal(at_switch(rig, VF1), 0);
	}
}

/* ---- the button ---- */

static void the_button_parks_what_is_bound_and_turns_the_slot_off(void **state)
{
	struct rig *rig = *state;

	give(rig, VF1, "bay1", MAC1);
	at_slot(rig, NIC, SIM_SLOT_BUTTON, NULL);
	brain_run(&rig->b, 4000);
	assert_int_equal(truth(rig)->slots[NIC - 1].attention, PROVIDER_ATTENTION_BLINK);
	assert_int_equal(at_switch(rig, VF1), 1);

	run_until(rig, NIC, "off");
	brain_run(&rig->b, 100);
	assert_int_equal(at_switch(rig, VF1), 0);
	assert_int_equal(rig->unbinds, 1); /* unbound, and not torn away */
	assert_int_equal(events(rig, "slot.surprise"), 0);
	assert_true(truth(rig)->slots[NIC - 1].off);
	assert_int_equal(truth(rig)->slots[NIC - 1].attention, PROVIDER_ATTENTION_OFF);
	assert_string_equal(function(rig, VF1)->host->name, "bay1");
	assert_int_equal(fabric_function_state(function(rig, VF1)), FABRIC_FUNCTION_PARKED);

	rig->watches = true;
	at_slot(rig, NIC, SIM_SLOT_BUTTON, NULL);
	run_until(rig, NIC, "ready");
	brain_run(&rig->b, 2000);
	assert_int_equal(at_switch(rig, VF1), 1);
}

static void a_second_press_cancels_and_nothing_was_touched(void **state)
{
	struct rig *rig = *state;
	uint64_t generation;

	give(rig, VF1, "bay1", MAC1);
	generation = function(rig, VF1)->as.now.generation;
	at_slot(rig, NIC, SIM_SLOT_BUTTON, NULL);
	brain_run(&rig->b, 3000);
	at_slot(rig, NIC, SIM_SLOT_BUTTON, NULL);
	brain_run(&rig->b, 10000);

	assert_string_equal(slot_state(rig, NIC), "ready");
	assert_int_equal(truth(rig)->slots[NIC - 1].attention, PROVIDER_ATTENTION_OFF);
	assert_int_equal(function(rig, VF1)->as.now.generation, generation);
	assert_int_equal(rig->unbinds, 0);
}

static void a_removal_that_takes_too_long_is_given_up_and_the_led_says_so(void **state)
{
	struct rig *rig = *state;
	struct sim_fault never = { .kind = SIM_FAULT_REFUSED, .verb = PROVIDER_UNBIND };

	give(rig, VF1, "bay1", MAC1);
	assert_int_equal(sim_model_fault(rig->b.model, &never), 0);
	at_slot(rig, NIC, SIM_SLOT_BUTTON, NULL);
	run_until(rig, NIC, "leaving");
	brain_run(&rig->b, 59000);
	assert_string_equal(slot_state(rig, NIC), "leaving");
	run_until(rig, NIC, "ready");
	brain_run(&rig->b, 100);

	assert_int_equal(truth(rig)->slots[NIC - 1].attention, PROVIDER_ATTENTION_ON);
	assert_false(truth(rig)->slots[NIC - 1].off);
	assert_int_equal(at_switch(rig, VF1), 1);
}

static void a_slot_that_cannot_be_turned_on_is_a_fault_and_the_button_tries_again(void **state)
{
	struct rig *rig = *state;
	struct sim_fault never = { .kind = SIM_FAULT_REFUSED, .verb = PROVIDER_SLOT_POWER };

	at_slot(rig, NIC, SIM_SLOT_OUT, NULL);
	brain_run(&rig->b, 1000);
	assert_int_equal(sim_model_fault(rig->b.model, &never), 0);
	at_slot(rig, NIC, SIM_SLOT_IN, NULL);
	run_until(rig, NIC, "fault");
	brain_run(&rig->b, 1000);
	assert_int_equal(truth(rig)->slots[NIC - 1].attention, PROVIDER_ATTENTION_ON);

	sim_model_fault_clear(rig->b.model);
	at_slot(rig, NIC, SIM_SLOT_BUTTON, NULL);
	run_until(rig, NIC, "ready");
	brain_run(&rig->b, 1000);
	assert_int_equal(truth(rig)->slots[NIC - 1].attention, PROVIDER_ATTENTION_OFF);
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, begin, end)

/* The change was allowed while the card was offered, and its reset outlasts that. */
static void what_is_under_way_when_a_card_is_let_go_is_not_bound_any_more(void **state)
{
	const struct sim_fault slow = { PROVIDER_RESET, SIM_FAULT_DELAY, 500, 1 };
	struct rig *rig = *state;
	struct fabric_problem problem;
	uint64_t end;

	end = rig->b.now_ms + 4800;
	at_slot(rig, NIC, SIM_SLOT_BUTTON, NULL);
	brain_run(&rig->b, 3900);
	assert_true(rig->b.now_ms < end);
	rig->b.now_ms = end; /* between two beats */
	assert_int_equal(sim_model_fault(rig->b.model, &slow), 0);
	assert_int_equal(ask(rig, DB_OP_ASSIGN, VF1, "bay1", MAC1, &problem), 0);
	assert_string_equal(slot_state(rig, NIC), "ready-button");
	for (end = rig->b.now_ms + 5000; rig->b.now_ms < end;) {
		brain_step(&rig->b);
		assert_int_equal(at_switch(rig, VF1), 0);
	}

	assert_string_equal(slot_state(rig, NIC), "off");
	assert_int_equal(running(rig), 0);
	assert_int_equal(rig->unbinds, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RIG(s17_a_card_that_comes_is_scrubbed_before_any_bind),
		WITH_RIG(s17_a_change_under_way_binds_nothing_of_a_card_that_was_swapped),
		WITH_RIG(s17_a_quarantine_outlives_the_manager),
		WITH_RIG(s17_a_card_that_came_while_no_manager_looked_is_scrubbed),
		WITH_RIG(s17_what_a_host_took_of_a_card_that_came_is_taken_from_it),
		WITH_RIG(what_others_have_is_not_touched_by_a_card_that_comes),
		WITH_RIG(a_card_pulled_by_surprise_leaves_its_claims_and_returns_to_them_scrubbed),
		WITH_RIG(a_card_pulled_in_the_middle_of_a_change_ends_it_parked),
		WITH_RIG(the_button_parks_what_is_bound_and_turns_the_slot_off),
		WITH_RIG(a_second_press_cancels_and_nothing_was_touched),
		WITH_RIG(a_removal_that_takes_too_long_is_given_up_and_the_led_says_so),
		WITH_RIG(a_slot_that_cannot_be_turned_on_is_a_fault_and_the_button_tries_again),
		WITH_RIG(what_is_under_way_when_a_card_is_let_go_is_not_bound_any_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
