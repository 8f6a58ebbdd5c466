/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The items of changes, where test_safety.c does not look: what they wait for and what wakes them,
 * the gate, read-backs that are joined, and what a person asks of a change (house_fixture.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fabricd/state.h"
#include "house_fixture.h"

static const struct provider_op *last_sent(const struct house *h, enum provider_verb verb)
{
	for (size_t i = h->sent_count; i-- > 0;)
		if (h->sent[i].verb == verb)
			return &h->sent[i];
	fail_msg("no %s was sent", provider_verb_text(verb));
	return NULL;
}

/* ---- the gate ---- */

static void s14_the_gate_passes_what_its_item_waits_for_and_nothing_else(void **state)
{
	struct house *h = *state;
	const struct fabric_item *item;
	struct provider_op bind;
	struct provider_op other;

	usual(h);
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay2", 0), 0);
	run_until_sent(h, PROVIDER_BIND, h->sent_count);
	item = function(h, VF3)->item;
	bind = *last_sent(h, PROVIDER_BIND);

	assert_true(item_gate(item, host(h, "bay2"), &bind));
	other = bind;
	other.attempt++;
	assert_false(item_gate(item, host(h, "bay2"), &other));
	other = bind;
	other.generation++;
	assert_false(item_gate(item, host(h, "bay2"), &other));
	other = bind;
	other.epoch++;
	assert_false(item_gate(item, host(h, "bay2"), &other));
	assert_false(item_gate(item, NULL, &bind));
	h->holds_commits = true;
	run(h, 500);
	assert_non_null(function(h, VF3)->item); /* bound, and not stored yet */
	assert_false(item_gate(item, host(h, "bay2"), &bind));
}

/* ---- attempts (S8: stored before they are used) ---- */

static void attempts_run_out(struct house *h)
{
	h->holds_commits = true;
	h->fabric->attempt = h->fabric->attempt_reserved;
}

static void s8_what_waits_for_attempts_to_be_stored_has_not_been_tried(void **state)
{
	struct house *h = *state;

	usual(h);
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay2", 0), 0);
	run_until_sent(h, PROVIDER_UNBIND, h->sent_count);
	attempts_run_out(h);
	run(h, 3 * BEAT);
	assert_int_equal(at_switch(h, VF1), 0);
	assert_int_equal(function(h, VF1)->item->run.tries, 0);

	h->holds_commits = false;
	run(h, 5 * BEAT);
	assert_int_equal(at_switch(h, VF1), BAY2);
}

static void s8_a_step_waits_for_attempts_to_be_stored(void **state)
{
	struct house *h = *state;

	usual(h);
	h->fabric->config.command_attempts = 1;
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay2", 0), 0);
	while (!function(h, VF1)->item->change->run.effect_wanted)
		house_step(h, h->now_ms + 1);
	h->fabric->attempt = h->fabric->attempt_reserved;
	run(h, 5 * BEAT);

	assert_int_equal(at_switch(h, VF1), BAY2);
}

/* ---- what they wait for ---- */

static void s15_in_a_frozen_fabric_an_item_says_so_and_reads_nothing(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	fault(h, PROVIDER_UNBIND, SIM_FAULT_REFUSED, 0, 0);
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay2", 0), 0);
	run_until_sent(h, PROVIDER_UNBIND, h->sent_count);
	freeze(h->fabric, "the test says so");
	run(h, 100);
	from = h->sent_count;
	run(h, 20 * BEAT);

	assert_string_equal(function(h, VF1)->item->step, "the manager is frozen");
	assert_int_equal(h->sent_count, from);
}

static void s16_a_card_that_was_taken_meanwhile_is_not_reset(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	h->holds_commits = true;
	assert_int_equal(ask(h, DB_OP_ASSIGN, GPU0, "bay1", 0), 0);
	foreign(h, PROVIDER_BIND, GPU1, BAY3, 20, 0);
	scan_again(h);
	from = h->sent_count;
	h->holds_commits = false;
	run(h, 5 * BEAT);

	assert_int_equal(sent(h, PROVIDER_RESET, from), 0);
	assert_string_equal(h->fabric->changes[h->fabric->change_count - 1]->items[0].row.reason,
			    "its reset would hit gpu-0001/f1");
	assert_int_equal(at_switch(h, GPU1), BAY3);
}

/* A tool beside us bound it anew where we had it: ours to move, though it carries no generation. */
static void what_is_bound_anew_where_we_had_it_is_moved_all_the_same(void **state)
{
	struct house *h = *state;

	usual(h);
	foreign(h, PROVIDER_UNBIND, VF1, BAY1, 0, 0);
	foreign(h, PROVIDER_BIND, VF1, BAY1, function(h, VF1)->vport, 0);
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay2", 0), 0);
	run(h, BEAT);

	assert_int_equal(at_switch(h, VF1), BAY2);
}

/* ---- managed removal ---- */

static int on_ask(struct house *h, const char *name, const struct fabric_ask *question)
{
	(void)h;
	(void)name;
	(void)question;
	return 0;
}

static void an_agent_is_not_asked_for_what_neither_slot_nor_address_tells(void **state)
{
	struct house *h = *state;

	h->on_ask = on_ask;
	usual(h);
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay2", 0), 0);
	run(h, BEAT);

	assert_int_equal(h->asks, 0);
	assert_int_equal(at_switch(h, VF1), BAY2);
}

/* ---- read-backs ---- */

/* A lone one waits for nobody; deadlines tell when commands left. */
static void what_has_no_company_is_read_back_at_once(void **state)
{
	struct house *h = *state;
	const struct provider_op *bind;
	size_t n;

	usual(h);
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay2", 0), 0);
	run_until_sent(h, PROVIDER_BIND, h->sent_count);
	bind = last_sent(h, PROVIDER_BIND);
	n = h->sent_count;
	run_until_sent(h, PROVIDER_READ, n);

	assert_int_equal(last_sent(h, PROVIDER_READ)->deadline_ms - bind->deadline_ms,
			 h->reach[0].chassis->command_ms);
}

static void those_that_go_together_are_read_together(void **state)
{
	struct house *h = *state;
	struct fabric_request_op ops[8];
	size_t from;

	manager_start(h);
	run(h, STEADY);
	h->reach[0].chassis->command_ms = 1;
	for (unsigned i = 0; i < 8; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "nic-0001/pf0/vf%u", i + 1);
		ops[i] = op(DB_OP_ASSIGN, name, "bay2", 0);
	}
	from = h->sent_count;
	assert_int_equal(request(h, ops, 8), 0);
	run(h, BEAT);

	assert_int_equal(at_switch(h, VF1), BAY2);
	assert_int_equal(sent(h, PROVIDER_BIND, from), 8);
	assert_in_range(sent(h, PROVIDER_READ, from), 1,
			4); /* before, after the reset, at the end */
}

/* ---- two switches ---- */

static void a_switch_that_is_lost_takes_nothing_from_what_was_done_at_another(void **state)
{
	struct house *h = *state;
	size_t from;

	reach_new(h, "bay", 2, false);
	usual(h);
	fault(h, PROVIDER_BIND, SIM_FAULT_REFUSED, 0, 1);
	from = h->sent_count;
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay2", 0), 0);
	run_until_sent(h, PROVIDER_BIND, from);
	run(h, 5);
	assert_int_equal(at_switch(h, VF3), 0); /* it tries again in a moment */
	h->reach[1].sink.state(h->reach[1].sink.arg, PROVIDER_LOST, NULL);
	run(h, BEAT);

	assert_int_equal(at_switch(h, VF3), BAY2);
	assert_int_equal(sent(h, PROVIDER_RESET, from), 1);
}

static void a_switch_that_is_lost_takes_all_that_was_done_there(void **state)
{
	struct house *h = *state;
	const struct provider_sink *sink = &h->reach[0].sink;
	size_t from;

	usual(h);
	fault(h, PROVIDER_BIND, SIM_FAULT_REFUSED, 0, 1);
	from = h->sent_count;
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay2", 0), 0);
	run_until_sent(h, PROVIDER_BIND, from);
	run(h, 5);
	sink->state(sink->arg, PROVIDER_LOST, NULL);
	sink->state(sink->arg, PROVIDER_READY, sim_model_hello(h->reach[0].model));
	run(h, 5 * BEAT);

	assert_int_equal(at_switch(h, VF3), BAY2);
	assert_int_equal(sent(h, PROVIDER_RESET, from), 2);
}

/* ---- when it is looked at again ---- */

static void what_is_ready_or_has_room_is_looked_at_at_once(void **state)
{
	struct house *h = *state;
	struct fabric_item item = { .step = "" };
	struct flow *flow;

	usual(h);
	run(h, 100);
	flow = &h->fabric->providers[0]->flows[1];
	assert_int_not_equal(fabric_next_ms(h->fabric), 0);

	h->fabric->ready = &item;
	assert_int_equal(fabric_next_ms(h->fabric), 0);
	h->fabric->ready = NULL;
	flow->waiting[FLOW_NEW].first = &item;
	assert_int_equal(fabric_next_ms(h->fabric), 0);
	flow->parts[PROVIDER_FOR_REST].effects = FABRIC_FLIGHT; /* no room */
	assert_int_not_equal(fabric_next_ms(h->fabric), 0);
	flow->parts[PROVIDER_FOR_REST].effects = 0;
	flow->waiting[FLOW_NEW].first = NULL;
}

/* What it may not do does not wake it again and again. */
static void a_frozen_manager_sleeps(void **state)
{
	struct house *h = *state;

	usual(h);
	freeze(h->fabric, "the test says so");
	foreign(h, PROVIDER_UNBIND, VF1, BAY1, 0, 0);
	scan_again(h);
	house_step(h, h->now_ms);

	assert_in_range(fabric_next_ms(h->fabric), h->now_ms + 1, UINT64_MAX);
	assert_int_equal(at_switch(h, VF1), 0);
}

/* ---- what a person asks of a change ---- */

static void a_change_that_nobody_knows_is_neither_cancelled_nor_waited_for(void **state)
{
	struct house *h = *state;

	usual(h);

	assert_int_equal(fabric_change_cancel(h->fabric, 999, 0, on_answer, h), REFUSE_NO_CHANGE);
	assert_int_equal(fabric_change_wait(h->fabric, 999, on_answer, h), REFUSE_NO_CHANGE);
}

static void s15_nothing_is_cancelled_in_a_frozen_fabric(void **state)
{
	struct house *h = *state;

	usual(h);
	h->holds_commits = true;
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay2", 0), 0);
	freeze(h->fabric, "the test says so");

	assert_int_equal(
		fabric_change_cancel(h->fabric, function(h, VF1)->item->row.change, 0, NULL, NULL),
		REFUSE_FROZEN);
}

static void on_over(void *arg, int r, uint64_t id)
{
	unsigned *calls = arg;

	(void)id;
	assert_int_equal(r, 0);
	++*calls;
}

static void who_waits_for_a_change_is_told_once_and_not_when_it_has_left(void **state)
{
	struct house *h = *state;
	unsigned calls[3] = { 0 };
	uint64_t id;

	usual(h);
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay2", 0), 0);
	id = function(h, VF1)->item->row.change;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(fabric_change_wait(h->fabric, id, on_over, &calls[i]), 0);
	fabric_change_unwait(h->fabric, &calls[1]);
	run(h, BEAT);
	assert_int_equal(calls[0], 1);
	assert_int_equal(calls[1], 0);

	/* It is over already. */
	assert_int_equal(fabric_change_wait(h->fabric, id, NULL, NULL), 0);
	assert_int_equal(fabric_change_wait(h->fabric, id, on_over, &calls[1]), 0);
	assert_int_equal(fabric_change_wait(h->fabric, id, on_over, &calls[2]), 0);
	fabric_change_unwait(h->fabric, &calls[1]);
	run(h, BEAT);
	assert_int_equal(calls[0], 1);
	assert_int_equal(calls[1], 0);
	assert_int_equal(calls[2], 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, house_begin, house_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(s14_the_gate_passes_what_its_item_waits_for_and_nothing_else),
		T(s8_what_waits_for_attempts_to_be_stored_has_not_been_tried),
		T(s8_a_step_waits_for_attempts_to_be_stored),
		T(s15_in_a_frozen_fabric_an_item_says_so_and_reads_nothing),
		T(s16_a_card_that_was_taken_meanwhile_is_not_reset),
		T(what_is_bound_anew_where_we_had_it_is_moved_all_the_same),
		T(an_agent_is_not_asked_for_what_neither_slot_nor_address_tells),
		T(what_has_no_company_is_read_back_at_once),
		T(those_that_go_together_are_read_together),
		T(a_switch_that_is_lost_takes_nothing_from_what_was_done_at_another),
		T(a_switch_that_is_lost_takes_all_that_was_done_there),
		T(what_is_ready_or_has_room_is_looked_at_at_once),
		T(a_frozen_manager_sleeps),
		T(a_change_that_nobody_knows_is_neither_cancelled_nor_waited_for),
		T(s15_nothing_is_cancelled_in_a_frozen_fabric),
		T(who_waits_for_a_change_is_told_once_and_not_when_it_has_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
