/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Slots and cards at the brain, where test_slots.c does not look: who may have a card, commands to
 * slots in their order, what is not done twice, or when frozen (house_fixture.h). */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fabricd/state.h"
#include "house_fixture.h"

enum { NIC = 1, GPU = 2 };

static struct fabric_port *port_of(const struct house *h, uint32_t adapter)
{
	char name[FABRIC_NAME_MAX];

	(void)snprintf(name, sizeof(name), "sw0/p%u",
		       sim_model_map(h->reach[0].model)->adapters[adapter - 1].port);
	return (struct fabric_port *)fabric_port_find(h->fabric, name);
}

static const char *slot(const struct house *h, uint32_t adapter)
{
	return fabric_port_slot(port_of(h, adapter));
}

static void at_slot(struct house *h, uint32_t adapter, enum sim_slot_what what)
{
	assert_int_equal(sim_model_slot(h->reach[0].model, adapter, what, NULL), 0);
}

static void run_until_slot(struct house *h, uint32_t adapter, const char *state)
{
	for (unsigned i = 0; i < 100000 && strcmp(slot(h, adapter), state) != 0; i++)
		house_step(h, h->now_ms + 1);
	assert_string_equal(slot(h, adapter), state);
}

static size_t first_sent(const struct house *h, enum provider_verb verb, size_t from)
{
	while (from < h->sent_count && h->sent[from].verb != verb)
		from++;
	return from;
}

static unsigned slot_events(const struct house *h)
{
	unsigned n = 0;

	for (size_t i = 0; i < h->event_count; i++)
		n += !strncmp(h->events[i].type, "slot.", 5);
	return n;
}

/* ---- who may have a card ---- */

static void s17_what_a_card_is_at_says_who_may_have_it(void **state)
{
	struct fabric_port port = { .slot = { .state = SLOT_READY } };
	struct fabric_adapter card = { .present = true, .shown = true };
	struct fabric_function fn = { 0 };

	(void)state;
	assert_null(card_withheld(&fn));
	fn.adapter = &card;
	assert_null(card_withheld(&fn)); /* in no slot */
	card.quarantined = true;
	assert_string_equal(card_withheld(&fn), "its card is being scrubbed");
	card.quarantined = false;
	card.shown = false;
	assert_string_equal(card_withheld(&fn), "its card is not there");
	card.shown = true;
	card.slot = &port;
	assert_null(card_withheld(&fn));
	port.slot.state = SLOT_LEAVING;
	assert_non_null(strstr(card_withheld(&fn), "button of its slot was pressed"));
	port.slot.state = SLOT_OFF;
	assert_string_equal(card_withheld(&fn), "its card has no power");
	port.slot.state = SLOT_SCRUBBING;
	assert_string_equal(card_withheld(&fn), "its card is being scrubbed");
}

static void what_stays_with_its_keeper_is_not_scrubbed(void **state)
{
	struct house *h = *state;

	usual(h);
	fault(h, PROVIDER_RESET, SIM_FAULT_REFUSED, 0, 0);
	at_slot(h, NIC, SIM_SLOT_SWAP);
	run_until_slot(h, NIC, "scrubbing");
	run(h, BEAT);

	assert_true(function(h, VF1)->dirty);
	assert_false(function(h, "nic-0001/pf0")->dirty);
}

/* ---- a card that comes ---- */

static void s19_a_slot_gets_power_after_all_has_settled_and_loses_it_at_once(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	at_slot(h, NIC, SIM_SLOT_OUT);
	run(h, BEAT);
	from = h->sent_count;
	at_slot(h, NIC, SIM_SLOT_IN);
	run_until_sent(h, PROVIDER_SLOT_POWER, from);
	assert_true(first_sent(h, PROVIDER_SETTLE, from) <
		    first_sent(h, PROVIDER_SLOT_POWER, from));
	assert_int_equal(h->sent[first_sent(h, PROVIDER_SLOT_POWER, from)].value, 1);
	run_until_slot(h, NIC, "ready");

	port_of(h, NIC)->settled = false;
	at_slot(h, NIC, SIM_SLOT_BUTTON);
	run_until_slot(h, NIC, "leaving");
	from = h->sent_count;
	run_until_sent(h, PROVIDER_SLOT_POWER, from);
	assert_int_equal(sent(h, PROVIDER_SETTLE, from), 0);
	run_until_slot(h, NIC, "off");
}

static void s8_a_slot_gets_power_only_when_it_is_stored_that_its_card_is_not_scrubbed(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	h->holds_commits = true;
	at_slot(h, NIC, SIM_SLOT_OUT);
	run(h, BEAT);
	from = h->sent_count;
	at_slot(h, NIC, SIM_SLOT_IN);
	run(h, 3 * BEAT);
	assert_int_equal(sent(h, PROVIDER_SLOT_POWER, from), 0);

	h->holds_commits = false;
	run_until_slot(h, NIC, "ready");
}

static void a_slot_waits_for_one_barrier(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	at_slot(h, NIC, SIM_SLOT_OUT);
	run(h, BEAT);
	fault(h, PROVIDER_READ, SIM_FAULT_DELAY, 900, 0); /* nothing settles before */
	scan_again(h);
	from = h->sent_count;
	at_slot(h, NIC, SIM_SLOT_IN);
	h->reach[0].chassis->command_ms = 1;
	run_until_sent(h, PROVIDER_SETTLE, from);
	h->reach[0].is_cut = true;
	run(h, 500);

	assert_int_equal(sent(h, PROVIDER_SETTLE, from), 1);
	h->reach[0].is_cut = false;
	sim_model_fault_clear(h->reach[0].model);
	run_until_slot(h, NIC, "ready");
}

static void a_card_that_goes_before_it_was_shown_takes_nothing_along(void **state)
{
	struct house *h = *state;

	usual(h);
	at_slot(h, NIC, SIM_SLOT_OUT);
	run(h, BEAT);
	at_slot(h, NIC, SIM_SLOT_IN);
	h->fails_scans = UINT_MAX;
	run_until_slot(h, NIC, "scrubbing");
	assert_string_equal(port_of(h, NIC)->card, "");
	at_slot(h, NIC, SIM_SLOT_OUT);
	run_until_slot(h, NIC, "empty");

	assert_int_equal(events(h, "slot.surprise", NULL), 1); /* the first time */
	h->fails_scans = 0;
}

static void a_scrub_that_fails_is_tried_again_later_and_not_of_a_card_that_has_gone(void **state)
{
	struct house *h = *state;
	size_t changes;

	usual(h);
	fault(h, PROVIDER_RESET, SIM_FAULT_REFUSED, 0, 0);
	changes = h->fabric->change_count;
	at_slot(h, GPU, SIM_SLOT_SWAP);
	run_until_slot(h, GPU, "scrubbing");
	run(h, 100 * BEAT);
	assert_in_range(h->fabric->change_count - changes, 2, 12);
	at_slot(h, GPU, SIM_SLOT_OUT);
	run(h, 5 * BEAT);
	changes = h->fabric->change_count;
	run(h, 400 * BEAT);

	assert_int_equal(h->fabric->change_count, changes);
	assert_int_equal(events(h, "adapter.quarantined", "gpu-0001"), 1);
}

static void a_card_that_is_shown_again_is_not_put_into_quarantine_by_another_switch(void **state)
{
	struct house *h = *state;
	struct sim_chassis *c = chassis_with("bay", 2);
	const struct provider_event changed = { .kind = PROVIDER_EVENT_CHANGED };

	(void)sim_chassis_add_adapter(c, sim_device_find("nvme"), "N0001", 1);
	reach_add_take(h, c);
	usual(h);
	for (unsigned i = 0; i < 3; i++) {
		scan_again(h);
		h->reach[1].sink.told(h->reach[1].sink.arg, &changed);
		run(h, 100);
	}

	assert_int_equal(events(h, "adapter.quarantined", NULL), 0);
}

/* Nobody can know what was in a slot that was empty all the time. */
static void a_card_that_was_never_there_is_none(void **state)
{
	struct house *h = *state;

	at_slot(h, NIC, SIM_SLOT_OUT);
	manager_start(h);
	run(h, STEADY);
	assert_null(fabric_adapter_find(h->fabric, "nic-0001"));
	at_slot(h, NIC, SIM_SLOT_IN);
	run_until_slot(h, NIC, "ready");
	assert_non_null(fabric_adapter_find(h->fabric, "nic-0001"));
}

/* ---- what is no news ---- */

static void a_slot_that_is_as_it_was_is_not_told(void **state)
{
	struct house *h = *state;
	struct provider_event event = { .kind = PROVIDER_EVENT_SLOT };
	unsigned before;

	usual(h);
	before = slot_events(h);
	scan_again(h);
	scan_again(h);
	assert_int_equal(slot_events(h), before);

	event.slot = (struct provider_slot_state){ .switch_handle = 1,
						   .port = port_of(h, NIC)->as.number,
						   .presence = true,
						   .power = true };
	h->fails_scans = UINT_MAX;
	h->reach[0].sink.told(h->reach[0].sink.arg, &event); /* the link is down for a moment */
	run(h, 10);
	assert_string_equal(slot(h, NIC), "ready-link-down");
	event.slot.link = true;
	h->reach[0].sink.told(h->reach[0].sink.arg, &event);
	run(h, 10);
	assert_string_equal(slot(h, NIC), "ready");
	assert_int_equal(slot_events(h), before);
	h->fails_scans = 0;
}

static void a_port_without_a_slot_has_none(void **state)
{
	struct house *h = *state;
	size_t count;
	const struct fabric_port *const *ports;

	usual(h);
	ports = fabric_ports(h->fabric, &count);
	for (size_t i = 0; i < count; i++)
		assert_true(!ports[i]->as.has_slot == !fabric_port_slot(ports[i]));
}

/* ---- commands ---- */

/* The first slot is another. */
static void what_a_slot_was_told_is_answered_to_that_slot(void **state)
{
	struct house *h = *state;

	usual(h);
	at_slot(h, GPU, SIM_SLOT_BUTTON);
	run_until_slot(h, GPU, "off");
	assert_string_equal(slot(h, NIC), "ready");
	at_slot(h, GPU, SIM_SLOT_BUTTON);
	run_until_slot(h, GPU, "ready");
	run(h, 2 * BEAT);

	assert_false(port_of(h, GPU)->led.is_wanted);
	assert_false(port_of(h, GPU)->power.is_wanted);
}

static void a_command_that_did_not_leave_is_still_wanted(void **state)
{
	struct house *h = *state;
	struct fabric_port *port;
	const struct provider_op op = { .verb = PROVIDER_SLOT_ATTENTION, .attempt = 1ull << 50 };
	struct provider_completion done = { .attempt = op.attempt, .outcome = PROVIDER_GATED };

	usual(h);
	port = port_of(h, NIC);
	port->led = (struct fabric_slot_want){ true, PROVIDER_ATTENTION_ON, op.attempt };
	assert_true(slot_completed(h->fabric->providers[0], &op, &done));
	assert_true(port->led.is_wanted);
	assert_int_equal(port->led.attempt, 0);
	port->led.attempt = op.attempt;
	done.outcome = PROVIDER_DONE;
	assert_true(slot_completed(h->fabric->providers[0], &op, &done));
	assert_false(port->led.is_wanted);
}

/* ---- a card that is let go ---- */

static void a_slot_whose_card_nobody_knows_is_let_go_at_once(void **state)
{
	struct house *h = *state;

	usual(h);
	fault(h, PROVIDER_UNBIND, SIM_FAULT_REFUSED, 0, 0);
	at_slot(h, NIC, SIM_SLOT_BUTTON);
	run_until_slot(h, NIC, "leaving");
	h->fails_scans = UINT_MAX;
	port_of(h, NIC)->card[0] = '\0';
	h->fabric->slots_ms = h->now_ms;
	run(h, 10);

	assert_string_not_equal(slot(h, NIC), "leaving");
	h->fails_scans = 0;
}

static void nothing_is_let_go_while_the_switch_is_lost(void **state)
{
	struct house *h = *state;
	size_t changes;

	usual(h);
	at_slot(h, NIC, SIM_SLOT_BUTTON);
	run(h, 3 * BEAT);
	changes = h->fabric->change_count;
	h->reach[0].sink.state(h->reach[0].sink.arg, PROVIDER_LOST, NULL);
	run(h, 20 * BEAT);

	assert_string_equal(slot(h, NIC), "leaving");
	assert_int_equal(h->fabric->change_count, changes);
	assert_int_equal(at_switch(h, VF1), BAY1);
}

static void s15_a_button_does_nothing_in_a_frozen_fabric(void **state)
{
	struct house *h = *state;
	size_t changes;
	size_t from;

	usual(h);
	changes = h->fabric->change_count;
	freeze(h->fabric, "the test says so");
	from = h->sent_count;
	at_slot(h, NIC, SIM_SLOT_BUTTON);
	run(h, 100 * BEAT);

	assert_string_equal(slot(h, NIC), "ready-button");
	assert_int_equal(h->fabric->change_count, changes);
	assert_int_equal(effects(h, from), 0);
	assert_int_equal(at_switch(h, VF1), BAY1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, house_begin, house_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s17_what_a_card_is_at_says_who_may_have_it),
		T(what_stays_with_its_keeper_is_not_scrubbed),
		T(s19_a_slot_gets_power_after_all_has_settled_and_loses_it_at_once),
		T(s8_a_slot_gets_power_only_when_it_is_stored_that_its_card_is_not_scrubbed),
		T(a_slot_waits_for_one_barrier),
		T(a_card_that_goes_before_it_was_shown_takes_nothing_along),
		T(a_scrub_that_fails_is_tried_again_later_and_not_of_a_card_that_has_gone),
		T(a_card_that_is_shown_again_is_not_put_into_quarantine_by_another_switch),
		T(a_card_that_was_never_there_is_none),
		T(a_slot_that_is_as_it_was_is_not_told),
		T(a_port_without_a_slot_has_none),
		T(what_a_slot_was_told_is_answered_to_that_slot),
		T(a_command_that_did_not_leave_is_still_wanted),
		T(a_slot_whose_card_nobody_knows_is_let_go_at_once),
		T(nothing_is_let_go_while_the_switch_is_lost),
		T(s15_a_button_does_nothing_in_a_frozen_fabric),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
