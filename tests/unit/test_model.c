/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sim/model.h"
#include "sim_fixture.h"

enum { ANSWERS = 512, DEADLINE = 5000 };

struct fixture {
	struct sim_chassis *chassis;
	struct sim_model *model;
	struct provider *p;
	uint64_t attempts;
	struct provider_completion answers[ANSWERS];
	struct provider_binding first[ANSWERS]; /* of each answer's bindings */
	size_t answer_count;
	struct provider_event event;
	size_t event_count;
	size_t state_count;
	struct provider_hello hello;
	struct provider_scan *scan;
	struct sim_effect effect;
	struct provider_op effect_op;
	size_t effect_count;
	struct buf log;
	bool closes_on_answer;
	const struct provider_op *submits_on_answer;
};

static void on_completed(void *arg, const struct provider_completion *done)
{
	struct fixture *f = arg;

	assert_true(f->answer_count < ANSWERS);
	f->answers[f->answer_count] = *done;
	if (done->binding_count)
		f->first[f->answer_count] = done->bindings[0];
	f->answer_count++;
	if (f->closes_on_answer) {
		provider_close(f->p);
		f->p = NULL;
	}
	if (f->submits_on_answer)
		assert_int_equal(f->p->ops->submit(f->p, f->submits_on_answer), 0);
}

static void on_scanned(void *arg, struct provider_scan *scan, const char *why)
{
	struct fixture *f = arg;

	assert_string_equal(why, "");
	provider_scan_free(f->scan);
	f->scan = scan;
}

static void on_told(void *arg, const struct provider_event *event)
{
	struct fixture *f = arg;

	f->event = *event;
	f->event_count++;
}

static void on_state(void *arg, enum provider_state state, const struct provider_hello *hello)
{
	struct fixture *f = arg;

	assert_int_equal(state, PROVIDER_READY);
	f->hello = *hello;
	f->state_count++;
}

static void on_viewed(void *arg, uint64_t cookie, const struct provider_config *config,
		      const char *why)
{
	(void)arg;
	(void)cookie;
	(void)config;
	(void)why;
}

static void on_effect(void *arg, const struct sim_effect *effect)
{
	struct fixture *f = arg;

	f->effect = *effect;
	f->effect_op = *effect->op;
	f->effect_count++;
}

static void on_record(void *arg, const uint8_t *record, size_t length)
{
	struct fixture *f = arg;

	buf_bytes(&f->log, record, length);
}

static void open_manager(struct fixture *f)
{
	const struct provider_sink sink = {
		.completed = on_completed,
		.scanned_take = on_scanned,
		.told = on_told,
		.state = on_state,
		.viewed = on_viewed,
		.arg = f,
	};

	f->p = sim_model_provider(f->model, &sink);
	assert_non_null(f->p);
}

static void advance(struct fixture *f, uint64_t now_ms)
{
	f->p->ops->advance(f->p, now_ms);
}

static void remake(struct fixture *f)
{
	if (f->p)
		provider_close(f->p);
	sim_model_free(f->model);
	assert_int_equal(sim_model_new(f->chassis, &f->model), 0);
	open_manager(f);
	sim_model_observe(f->model, on_effect, f);
	advance(f, 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->chassis = fixture_new();
	remake(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	provider_close(f->p);
	sim_model_free(f->model);
	sim_chassis_free(f->chassis);
	provider_scan_free(f->scan);
	buf_done(&f->log);
	free(f);
	return 0;
}

static uint64_t submit(struct fixture *f, struct provider_op op)
{
	op.attempt = ++f->attempts;
	if (!op.deadline_ms)
		op.deadline_ms = DEADLINE;
	assert_int_equal(f->p->ops->submit(f->p, &op), 0);
	return op.attempt;
}

static uint64_t submit_bind(struct fixture *f, uint32_t function, uint16_t host, uint16_t vport)
{
	return submit(f, (struct provider_op){ .verb = PROVIDER_BIND,
					       .function = function,
					       .host = host,
					       .vport = vport,
					       .generation = 9 });
}

static uint64_t submit_unbind(struct fixture *f, uint32_t function)
{
	return submit(f, (struct provider_op){ .verb = PROVIDER_UNBIND, .function = function });
}

static uint64_t submit_settle(struct fixture *f, uint32_t function, uint16_t host)
{
	return submit(f, (struct provider_op){ .verb = PROVIDER_SETTLE,
					       .function = function,
					       .host = host,
					       .deadline_ms = 1000000 });
}

static void set_fault(struct fixture *f, const char *text)
{
	char why[PROVIDER_TEXT_MAX];
	struct sim_fault fault;

	assert_int_equal(sim_fault_parse(text, &fault, why), 0);
	assert_int_equal(sim_model_fault(f->model, &fault), 0);
}

/* The answer to that attempt; fails the test when there is none, or two. */
static const struct provider_completion *answer_to(const struct fixture *f, uint64_t attempt)
{
	const struct provider_completion *found = NULL;

	for (size_t i = 0; i < f->answer_count; i++)
		if (f->answers[i].attempt == attempt) {
			assert_null(found);
			found = &f->answers[i];
		}
	assert_non_null(found);
	return found;
}

static bool is_answered(const struct fixture *f, uint64_t attempt)
{
	for (size_t i = 0; i < f->answer_count; i++)
		if (f->answers[i].attempt == attempt)
			return true;
	return false;
}

static uint16_t host_of(const struct fixture *f, uint32_t function)
{
	return sim_model_map(f->model)->functions[function - 1].now.host;
}

static void an_answer_never_comes_from_within_submit(void **state)
{
	struct fixture *f = *state;
	uint64_t a = submit_bind(f, SHARED_VF1, BAY1, 1);

	assert_int_equal(f->answer_count, 0);
	assert_int_equal(f->p->ops->next_ms(f->p), 0);
	advance(f, 0);
	assert_int_equal(answer_to(f, a)->outcome, PROVIDER_DONE);
	assert_int_equal(host_of(f, SHARED_VF1), BAY1);
	assert_int_equal(f->p->ops->next_ms(f->p), UINT64_MAX);
}

static void each_switch_takes_its_time_for_each_command(void **state)
{
	struct fixture *f = *state;
	uint64_t a, b, c;

	f->chassis->command_ms = 100;
	a = submit_bind(f, SHARED_VF1, BAY1, 1);
	b = submit_bind(f, SHARED_VF2, BAY1, 2);
	c = submit_bind(f, FC_F0, BAY2, 1);

	advance(f, 1000);
	assert_int_equal(f->answer_count, 0);
	assert_int_equal(f->p->ops->next_ms(f->p), 1100);
	advance(f, 1100);
	assert_true(is_answered(f, a));
	assert_false(is_answered(f, b));
	assert_true(is_answered(f, c));
	advance(f, 1199);
	assert_false(is_answered(f, b));
	advance(f, 1200);
	assert_true(is_answered(f, b));
}

static void a_long_leap_of_time_keeps_the_order(void **state)
{
	struct fixture *f = *state;
	uint64_t a, b;

	f->chassis->command_ms = 10;
	a = submit_bind(f, SHARED_VF1, BAY1, 1);
	b = submit_unbind(f, SHARED_VF1);
	advance(f, 0);
	advance(f, 100000);
	assert_int_equal(f->answers[0].attempt, a);
	assert_int_equal(f->answers[1].attempt, b);
	assert_int_equal(f->answers[1].outcome, PROVIDER_DONE);
	assert_int_equal(host_of(f, SHARED_VF1), 0);
}

static void the_switch_refuses_in_words(void **state)
{
	struct fixture *f = *state;
	uint64_t a = submit_bind(f, SHARED_PF, BAY1, 1);

	advance(f, 0);
	assert_int_equal(answer_to(f, a)->outcome, PROVIDER_REFUSED);
	assert_int_equal(answer_to(f, a)->why, PROVIDER_WHY_KEPT);
	assert_string_not_equal(answer_to(f, a)->text, "");
}

static void a_read_tells_each_function_in_order(void **state)
{
	struct fixture *f = *state;
	const struct provider_completion *done;
	uint64_t a;

	submit_bind(f, SHARED_VF2, BAY1, 3);
	submit_bind(f, SHARED_VF1, BAY1, 4);
	a = submit(f, (struct provider_op){
			      .verb = PROVIDER_READ, .function = SHARED_VF2, .value = 3 });
	advance(f, 0);
	done = answer_to(f, a);
	assert_int_equal(done->binding_count, 3);
	assert_int_equal(f->first[2].function, SHARED_VF2);
	assert_int_equal(f->first[2].vport, 3);
	assert_int_equal(f->first[2].generation, 9);
	a = submit(f, (struct provider_op){ .verb = PROVIDER_READ_HOST, .host = BAY1 });
	advance(f, 0);
	done = answer_to(f, a);
	assert_int_equal(done->binding_count, 2);
	assert_int_equal(f->first[3].function, SHARED_VF2);
	assert_int_equal(done->host.host, BAY1);
	assert_true(done->host.power && done->host.link && !done->host.isolated);
}

static void without_an_answer_the_deadline_says_unknown(void **state)
{
	struct fixture *f = *state;
	uint64_t a;

	set_fault(f, "bind:lost:1");
	a = submit_bind(f, SHARED_VF1, BAY1, 1);
	advance(f, DEADLINE - 1);
	assert_int_equal(f->answer_count, 0);
	assert_int_equal(host_of(f, SHARED_VF1), BAY1);
	assert_int_equal(f->p->ops->next_ms(f->p), DEADLINE);
	advance(f, DEADLINE);
	assert_int_equal(answer_to(f, a)->outcome, PROVIDER_UNKNOWN);
	a = submit_unbind(f, SHARED_VF1);
	advance(f, DEADLINE);
	assert_int_equal(answer_to(f, a)->outcome, PROVIDER_DONE);
}

static void a_slow_command_is_carried_out_after_its_deadline(void **state)
{
	struct fixture *f = *state;
	uint64_t a;

	set_fault(f, "bind:delay=8000:1");
	a = submit_bind(f, SHARED_VF1, BAY1, 1);
	advance(f, 0);
	advance(f, DEADLINE);
	assert_int_equal(answer_to(f, a)->outcome, PROVIDER_UNKNOWN);
	assert_int_equal(host_of(f, SHARED_VF1), 0);
	assert_int_equal(sim_model_pending(f->model), 1);
	advance(f, 8000);
	assert_int_equal(host_of(f, SHARED_VF1), BAY1);
	assert_true(f->effect.is_late);
	assert_int_equal(f->answer_count, 1);
	assert_int_equal(sim_model_pending(f->model), 0);
}

static void what_ends_at_its_very_deadline_is_in_time(void **state)
{
	struct fixture *f = *state;
	uint64_t a;

	f->chassis->command_ms = DEADLINE;
	a = submit_bind(f, SHARED_VF1, BAY1, 1);
	advance(f, 0);
	advance(f, DEADLINE);
	assert_int_equal(answer_to(f, a)->outcome, PROVIDER_DONE);
	assert_false(f->effect.is_late);
}

static void a_late_command_falls_when_all_have_forgotten_it(void **state)
{
	struct fixture *f = *state;
	uint64_t a, b;

	set_fault(f, "unbind:late=3000:1");
	submit_bind(f, SHARED_VF1, BAY1, 1);
	a = submit_unbind(f, SHARED_VF1);
	b = submit_unbind(f, SHARED_VF1);
	advance(f, 0);
	assert_int_equal(answer_to(f, b)->outcome, PROVIDER_DONE);
	submit_bind(f, SHARED_VF1, BAY2, 1);
	advance(f, DEADLINE);
	assert_int_equal(answer_to(f, a)->outcome, PROVIDER_UNKNOWN);
	assert_int_equal(host_of(f, SHARED_VF1), BAY2);
	advance(f, DEADLINE + 2999);
	assert_int_equal(host_of(f, SHARED_VF1), BAY2);
	advance(f, DEADLINE + 3000);
	assert_int_equal(host_of(f, SHARED_VF1), 0);
	assert_true(f->effect.is_late);
	assert_int_equal(f->effect.before.host, BAY2);
	assert_int_equal(f->effect.after.host, 0);
}

static void a_late_command_falls_after_the_manager_is_gone(void **state)
{
	struct fixture *f = *state;

	set_fault(f, "bind:late=3000");
	submit_bind(f, SHARED_VF1, BAY1, 1);
	advance(f, 0);
	provider_close(f->p);
	open_manager(f);
	advance(f, DEADLINE + 2999);
	assert_int_equal(host_of(f, SHARED_VF1), 0);
	advance(f, DEADLINE + 3000);
	assert_int_equal(host_of(f, SHARED_VF1), BAY1);
	assert_true(f->effect.is_orphan);
	assert_int_equal(f->answer_count, 0);
}

static void a_refused_command_does_nothing(void **state)
{
	struct fixture *f = *state;
	uint64_t a;

	set_fault(f, "all:refused:1");
	a = submit_bind(f, SHARED_VF1, BAY1, 1);
	advance(f, 0);
	assert_int_equal(answer_to(f, a)->outcome, PROVIDER_REFUSED);
	assert_int_equal(answer_to(f, a)->why, PROVIDER_WHY_FAULT);
	assert_int_equal(host_of(f, SHARED_VF1), 0);
	assert_int_equal(f->effect_count, 1);
	assert_int_equal(f->effect.outcome, PROVIDER_REFUSED);
}

static void done_but_failed_is_done(void **state)
{
	struct fixture *f = *state;
	uint64_t a;

	set_fault(f, "bind:done-but-failed:1");
	a = submit_bind(f, SHARED_VF1, BAY1, 1);
	advance(f, 0);
	assert_int_equal(answer_to(f, a)->outcome, PROVIDER_FAILED);
	assert_int_equal(host_of(f, SHARED_VF1), BAY1);
}

static void a_fault_hits_its_verb_and_its_count(void **state)
{
	struct fixture *f = *state;
	uint64_t a, b, c;

	set_fault(f, "bind:refused:2");
	submit_unbind(f, SHARED_VF1);
	a = submit_bind(f, SHARED_VF1, BAY1, 1);
	b = submit_bind(f, SHARED_VF1, BAY1, 1);
	c = submit_bind(f, SHARED_VF1, BAY1, 1);
	advance(f, 0);
	assert_int_equal(f->answers[0].outcome, PROVIDER_DONE);
	assert_int_equal(answer_to(f, a)->outcome, PROVIDER_REFUSED);
	assert_int_equal(answer_to(f, b)->outcome, PROVIDER_REFUSED);
	assert_int_equal(answer_to(f, c)->outcome, PROVIDER_DONE);
	set_fault(f, "all:refused");
	sim_model_fault_clear(f->model);
	a = submit_unbind(f, SHARED_VF1);
	advance(f, 0);
	assert_int_equal(answer_to(f, a)->outcome, PROVIDER_DONE);
}

static void more_faults_than_fit_are_refused(void **state)
{
	struct fixture *f = *state;
	const struct sim_fault fault = { .kind = SIM_FAULT_LOST };

	for (int i = 0; i < SIM_MODEL_FAULTS; i++)
		assert_int_equal(sim_model_fault(f->model, &fault), 0);
	assert_int_equal(sim_model_fault(f->model, &fault), REFUSE_LIMIT);
}

static void a_barrier_waits_for_what_touches_its_function(void **state)
{
	struct fixture *f = *state;
	uint64_t mine, other, host, idle;

	set_fault(f, "bind:late=3000:1");
	submit_bind(f, SHARED_VF1, BAY1, 1);
	mine = submit_settle(f, SHARED_VF1, 0);
	other = submit_settle(f, SHARED_VF2, 0);
	host = submit_settle(f, 0, BAY1);
	idle = submit_settle(f, 0, BAY2);
	advance(f, 0);
	assert_true(is_answered(f, other) && is_answered(f, idle));
	assert_false(is_answered(f, mine) || is_answered(f, host));
	advance(f, DEADLINE);
	assert_false(is_answered(f, mine));
	advance(f, DEADLINE + 2999);
	assert_false(is_answered(f, mine) || is_answered(f, host));
	advance(f, DEADLINE + 3000);
	assert_int_equal(answer_to(f, mine)->outcome, PROVIDER_DONE);
	assert_int_equal(answer_to(f, host)->outcome, PROVIDER_DONE);
}

static void a_barrier_does_not_wait_for_what_comes_after_it(void **state)
{
	struct fixture *f = *state;
	uint64_t a;

	f->chassis->command_ms = 100;
	submit_bind(f, SHARED_VF1, BAY1, 1);
	a = submit_settle(f, SHARED_VF1, 0);
	submit_unbind(f, SHARED_VF1);
	advance(f, 0);
	advance(f, 100);
	assert_true(is_answered(f, a));
	assert_int_equal(host_of(f, SHARED_VF1), BAY1);
}

static void a_later_command_does_not_open_a_barrier(void **state)
{
	struct fixture *f = *state;
	uint64_t a;

	set_fault(f, "bind:late=3000:1");
	submit_bind(f, SHARED_VF1, BAY1, 1);
	a = submit_settle(f, SHARED_VF1, 0);
	submit_unbind(f, SHARED_VF1);
	advance(f, 0);
	assert_int_equal(f->effect_op.verb, PROVIDER_UNBIND);
	assert_false(is_answered(f, a));
	advance(f, DEADLINE + 3000);
	assert_true(is_answered(f, a));
}

static void a_barrier_on_all_waits_for_both_switches(void **state)
{
	struct fixture *f = *state;
	uint64_t a;

	set_fault(f, "bind:delay=300:1");
	submit_bind(f, SHARED_VF1, BAY1, 1);
	submit_bind(f, FC_F0, BAY2, 1);
	a = submit_settle(f, 0, 0);
	advance(f, 0);
	advance(f, 299);
	assert_false(is_answered(f, a));
	advance(f, 300);
	assert_true(is_answered(f, a));
}

static void a_barrier_on_a_vf_waits_for_its_pf_being_reset(void **state)
{
	struct fixture *f = *state;
	uint64_t a;

	f->chassis->command_ms = 50;
	submit(f, (struct provider_op){ .verb = PROVIDER_RESET, .function = SHARED_PF });
	a = submit_settle(f, SHARED_VF1, 0);
	advance(f, 0);
	assert_false(is_answered(f, a));
	advance(f, 50);
	assert_true(is_answered(f, a));
}

static void a_barrier_on_a_host_waits_for_unbinds_that_name_none(void **state)
{
	struct fixture *f = *state;
	uint64_t a;

	f->chassis->command_ms = 50;
	submit_unbind(f, SHARED_VF1);
	a = submit_settle(f, 0, BAY2);
	advance(f, 0);
	assert_false(is_answered(f, a));
	advance(f, 50);
	assert_true(is_answered(f, a));
}

static void a_barrier_does_not_wait_for_reads(void **state)
{
	struct fixture *f = *state;
	uint64_t a;

	f->chassis->command_ms = 50;
	submit(f,
	       (struct provider_op){ .verb = PROVIDER_READ, .function = SHARED_VF1, .value = 1 });
	a = submit_settle(f, 0, 0);
	advance(f, 0);
	assert_true(is_answered(f, a));
}

static void a_barrier_can_pass_its_deadline_too(void **state)
{
	struct fixture *f = *state;
	uint64_t a;

	set_fault(f, "bind:late=3000:1");
	submit_bind(f, SHARED_VF1, BAY1, 1);
	a = submit(f, (struct provider_op){ .verb = PROVIDER_SETTLE,
					    .function = SHARED_VF1,
					    .deadline_ms = 100 });
	advance(f, 0);
	advance(f, 100);
	assert_int_equal(answer_to(f, a)->outcome, PROVIDER_UNKNOWN);
	advance(f, 100000);
	assert_int_equal(f->answer_count, 2);
}

static void a_barrier_is_hit_by_faults_of_its_own_alone(void **state)
{
	struct fixture *f = *state;
	uint64_t a;

	set_fault(f, "all:refused");
	a = submit_settle(f, 0, 0);
	advance(f, 0);
	assert_int_equal(answer_to(f, a)->outcome, PROVIDER_DONE);
	set_fault(f, "settle:lost:1");
	a = submit_settle(f, 0, 0);
	advance(f, 999999);
	assert_false(is_answered(f, a));
	advance(f, 1000000);
	assert_int_equal(answer_to(f, a)->outcome, PROVIDER_UNKNOWN);
	set_fault(f, "settle:refused:1");
	a = submit(f, (struct provider_op){ .verb = PROVIDER_SETTLE, .deadline_ms = 2000000 });
	advance(f, 1000000);
	assert_int_equal(answer_to(f, a)->outcome, PROVIDER_REFUSED);
}

static void a_switch_without_a_barrier_names_its_longest_lateness(void **state)
{
	struct fixture *f = *state;
	uint64_t a;

	f->chassis->has_barrier = false;
	f->chassis->lateness_ms = 1000;
	remake(f);
	assert_false(f->hello.can & PROVIDER_CAN_BARRIER);
	assert_int_equal(f->hello.lateness_ms, 1000);
	a = submit_settle(f, SHARED_VF1, 0);
	set_fault(f, "bind:late=30000:1");
	submit_bind(f, SHARED_VF1, BAY1, 1);
	advance(f, 0);
	assert_int_equal(answer_to(f, a)->why, PROVIDER_WHY_UNSUPPORTED);
	advance(f, DEADLINE + 1000);
	assert_int_equal(host_of(f, SHARED_VF1), BAY1);
	assert_int_equal(f->effect.now_ms, DEADLINE + 1000);
}

static void a_switch_without_a_barrier_drops_what_is_too_old(void **state)
{
	struct fixture *f = *state;

	f->chassis->has_barrier = false;
	f->chassis->lateness_ms = 1000;
	remake(f);
	set_fault(f, "bind:delay=6001:1");
	submit_bind(f, SHARED_VF1, BAY1, 1);
	advance(f, 0);
	advance(f, 100000);
	assert_int_equal(host_of(f, SHARED_VF1), 0);
	assert_int_equal(f->effect_count, 1);
	assert_int_equal(f->effect.outcome, PROVIDER_REFUSED);
	assert_int_equal(f->answers[0].outcome, PROVIDER_UNKNOWN);
}

static void a_full_queue_takes_no_more(void **state)
{
	struct fixture *f = *state;
	struct provider_op op = {
		.verb = PROVIDER_READ_HOST, .host = BAY1, .attempt = 1, .deadline_ms = DEADLINE
	};

	f->chassis->depth = 2;
	remake(f);
	assert_int_equal(f->hello.depth, 2);
	assert_int_equal(f->p->ops->submit(f->p, &op), 0);
	assert_int_equal(f->p->ops->submit(f->p, &op), 0);
	assert_int_equal(f->p->ops->submit(f->p, &op), -ENOBUFS);
	advance(f, 0);
	assert_int_equal(f->p->ops->submit(f->p, &op), 0);
}

static void a_reboot_into_an_older_map_forgets_what_was_under_way(void **state)
{
	struct fixture *f = *state;
	char old[PROVIDER_NAME_MAX];
	uint64_t a, late;

	memcpy(old, f->hello.boot_id, sizeof(old));
	submit_bind(f, SHARED_VF1, BAY1, 1);
	submit_unbind(f, SHARED_VF1);
	submit_bind(f, SHARED_VF1, BAY2, 1);
	submit(f, (struct provider_op){ .verb = PROVIDER_ISOLATE, .host = BAY3, .value = 1 });
	advance(f, 0);
	set_fault(f, "bind:late=100:1");
	late = submit_bind(f, SHARED_VF2, BAY1, 2);
	f->chassis->command_ms = 100;
	a = submit_bind(f, SHARED_VF2, BAY1, 3);
	advance(f, 0);

	sim_model_reboot(f->model, 2);
	advance(f, 0);

	assert_int_equal(host_of(f, SHARED_VF1), BAY1);
	assert_int_equal(f->event.kind, PROVIDER_EVENT_REBOOT);
	assert_string_not_equal(f->event.boot_id, old);
	assert_string_equal(f->event.boot_id, f->hello.boot_id);
	assert_int_equal(f->state_count, 2);
	assert_int_equal(sim_model_pending(f->model), 0);
	assert_false(sim_model_map(f->model)->hosts[BAY3 - 1].state.isolated);
	advance(f, 100000);
	assert_int_equal(host_of(f, SHARED_VF2), 0);
	assert_int_equal(answer_to(f, a)->outcome, PROVIDER_UNKNOWN);
	assert_int_equal(answer_to(f, late)->outcome, PROVIDER_UNKNOWN);
}

static void power_and_link_of_a_host_are_told(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sim_model_host(f->model, BAY2, SIM_HOST_POWER, false), 0);
	assert_int_equal(f->event_count, 0);
	advance(f, 1);
	assert_int_equal(f->event.kind, PROVIDER_EVENT_HOST);
	assert_int_equal(f->event.host.host, BAY2);
	assert_false(f->event.host.power || f->event.host.link);
	assert_int_equal(sim_model_host(f->model, BAY2, SIM_HOST_LINK, true), 0);
	assert_false(sim_model_map(f->model)->hosts[BAY2 - 1].state.link);
	submit(f, (struct provider_op){ .verb = PROVIDER_HOST_POWER, .host = BAY2, .value = 1 });
	advance(f, 2);
	assert_true(f->event.host.power && f->event.host.link);
	assert_true(sim_model_map(f->model)->hosts[BAY2 - 1].can_power_on);
	assert_int_equal(sim_model_host(f->model, BAY2, SIM_HOST_LINK, false), 0);
	assert_true(sim_model_map(f->model)->hosts[BAY2 - 1].state.power);
	assert_int_equal(sim_model_host(f->model, 99, SIM_HOST_LINK, false), REFUSE_NO_HOST);
}

static uint64_t traffic_at(struct fixture *f, uint64_t now_ms)
{
	uint64_t a = submit(f, (struct provider_op){ .verb = PROVIDER_READ_HOST, .host = BAY2 });

	advance(f, now_ms);
	assert_int_equal(answer_to(f, a)->outcome, PROVIDER_DONE);
	assert_true(answer_to(f, a)->traffic_known);
	return answer_to(f, a)->traffic;
}

static void the_counter_of_a_blade_that_runs_moves_and_that_of_a_dead_one_stands(void **state)
{
	struct fixture *f = *state;
	uint64_t before = traffic_at(f, 10);

	assert_int_equal(traffic_at(f, 20), before);
	assert_int_equal(sim_model_host(f->model, BAY2, SIM_HOST_TRAFFIC, true), 0);
	before = traffic_at(f, 30);
	assert_true(traffic_at(f, 40) > before);
	assert_int_equal(sim_model_host(f->model, BAY2, SIM_HOST_LINK, false), 0);
	before = traffic_at(f, 50);
	assert_int_equal(traffic_at(f, 60), before);
	assert_int_equal(sim_model_host(f->model, BAY2, SIM_HOST_LINK, true), 0);
	submit(f, (struct provider_op){ .verb = PROVIDER_ISOLATE, .host = BAY2, .value = 1 });
	before = traffic_at(f, 70);
	assert_int_equal(traffic_at(f, 80), before);
	submit(f, (struct provider_op){ .verb = PROVIDER_ISOLATE, .host = BAY2 });
	before = traffic_at(f, 90);
	assert_true(traffic_at(f, 100) > before);
	assert_int_equal(sim_model_host(f->model, 99, SIM_HOST_TRAFFIC, true), REFUSE_NO_HOST);
}

static void a_scan_is_whole_and_well_formed(void **state)
{
	struct fixture *f = *state;
	char why[PROVIDER_TEXT_MAX] = "";

	submit_bind(f, SHARED_VF1, BAY1, 1);
	assert_int_equal(f->p->ops->scan(f->p), 0);
	assert_int_equal(f->p->ops->scan(f->p), 0);
	advance(f, 0);
	advance(f, 0);
	assert_non_null(f->scan);
	assert_int_equal(provider_scan_check(f->scan, why), 0);
	assert_int_equal(f->scan->function_count, FUNCTIONS);
	assert_int_equal(f->scan->switch_count, 2);
	assert_int_equal(f->scan->port_count, 3 + 6 + 2);
}

static void a_pulled_card_is_told_for_each_function(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sim_model_adapter(f->model, GPU, false), 0);
	advance(f, 0);
	assert_int_equal(f->event_count, 2);
	assert_int_equal(f->event.function, GPU_F1);
	assert_false(f->event.present);
	assert_int_equal(sim_model_adapter(f->model, 99, false), REFUSE_NO_ADAPTER);
}

static void a_manager_may_close_from_within_an_answer(void **state)
{
	struct fixture *f = *state;

	f->closes_on_answer = true;
	submit_bind(f, SHARED_VF1, BAY1, 1);
	submit_bind(f, SHARED_VF2, BAY1, 2);
	advance(f, 0);
	assert_int_equal(f->answer_count, 1);
	assert_int_equal(host_of(f, SHARED_VF2), BAY1);
	f->closes_on_answer = false;
	open_manager(f);
	advance(f, 0);
}

static void what_an_answer_submits_waits_for_the_next_advance(void **state)
{
	struct fixture *f = *state;
	const struct provider_op op = {
		.verb = PROVIDER_READ_HOST, .host = BAY1, .attempt = 77, .deadline_ms = DEADLINE
	};

	f->submits_on_answer = &op;
	submit_bind(f, SHARED_VF1, BAY1, 1);
	advance(f, 5);
	assert_int_equal(f->answer_count, 1);
	assert_int_equal(f->p->ops->next_ms(f->p), 5);
	f->submits_on_answer = NULL;
	advance(f, 5);
	assert_int_equal(f->answers[1].attempt, 77);
}

static void each_carried_out_command_is_observed_once(void **state)
{
	struct fixture *f = *state;

	submit_bind(f, SHARED_VF1, BAY1, 1);
	submit_bind(f, SHARED_VF1, BAY2, 1);
	advance(f, 3);
	assert_int_equal(f->effect_count, 2);
	assert_int_equal(f->effect.outcome, PROVIDER_REFUSED);
	assert_int_equal(f->effect.why, PROVIDER_WHY_BOUND);
	assert_int_equal(f->effect.after.host, BAY1);
	assert_int_equal(f->effect_op.host, BAY2);
	assert_int_equal(f->effect_op.generation, 9);
}

static void some_history(struct fixture *f)
{
	set_fault(f, "unbind:late=3000:1");
	submit_bind(f, SHARED_VF1, BAY1, 1);
	submit_unbind(f, SHARED_VF1);
	submit(f,
	       (struct provider_op){ .verb = PROVIDER_NUM_VFS, .function = WHOLE_PF, .value = 4 });
	submit(f, (struct provider_op){ .verb = PROVIDER_IDENTITY,
					.function = SHARED_VF2,
					.identity = { .mac = 0x02fab0000001, .vlan = 12 } });
	submit(f, (struct provider_op){ .verb = PROVIDER_ISOLATE, .host = BAY3, .value = 1 });
	assert_int_equal(sim_model_host(f->model, BAY2, SIM_HOST_POWER, false), 0);
	assert_int_equal(sim_model_adapter(f->model, FC, false), 0);
	advance(f, 10);
	set_fault(f, "bind:late=100:1");
	submit_bind(f, SHARED_VF2, BAY1, 2);
	advance(f, 20);
}

static void check_history(struct fixture *f)
{
	const struct sim_map *map = sim_model_map(f->model);

	assert_int_equal(host_of(f, SHARED_VF1), BAY1);
	assert_int_equal(map->functions[SHARED_VF1 - 1].now.generation, 9);
	assert_int_equal(map->adapters[WHOLE - 1].num_vfs, 4);
	assert_int_equal(map->functions[SHARED_VF2 - 1].now.identity.mac, 0x02fab0000001);
	assert_int_equal(map->functions[SHARED_VF2 - 1].now.identity.vlan, 12);
	assert_true(map->hosts[BAY3 - 1].state.isolated);
	assert_false(map->hosts[BAY2 - 1].state.power);
	assert_false(map->functions[FC_F0 - 1].now.present);
	assert_int_equal(sim_model_pending(f->model), 2);
	advance(f, DEADLINE + 99);
	assert_int_equal(host_of(f, SHARED_VF2), 0);
	advance(f, DEADLINE + 100);
	assert_int_equal(host_of(f, SHARED_VF2), BAY1);
	assert_int_equal(host_of(f, SHARED_VF1), BAY1);
	advance(f, DEADLINE + 3000);
	assert_int_equal(host_of(f, SHARED_VF1), 0);
	assert_int_equal(sim_model_pending(f->model), 0);
}

static void a_saved_switch_comes_back_as_it_was(void **state)
{
	struct fixture *f = *state;
	OWNED(buf_done) struct buf saved = { 0 };
	char boot_id[PROVIDER_NAME_MAX];
	size_t used;

	sim_model_seed(f->model, 4711);
	memcpy(boot_id, sim_model_hello(f->model)->boot_id, sizeof(boot_id));
	some_history(f);
	sim_model_save(f->model, &saved);
	remake(f);
	assert_int_equal(sim_model_load(f->model, saved.data, saved.length, 20, &used), 0);
	assert_int_equal(used, saved.length);
	assert_string_equal(sim_model_hello(f->model)->boot_id, boot_id);
	check_history(f);
}

static void records_after_a_snapshot_lead_to_the_same_switch(void **state)
{
	struct fixture *f = *state;
	size_t used;

	sim_model_save(f->model, &f->log);
	sim_model_store(f->model, on_record, f);
	some_history(f);
	remake(f);
	assert_int_equal(sim_model_load(f->model, f->log.data, f->log.length, 20, &used), 0);
	check_history(f);
}

static void late_commands_and_boots_are_followed_by_the_records(void **state)
{
	struct fixture *f = *state;
	char boot_id[PROVIDER_NAME_MAX];
	size_t used;

	sim_model_save(f->model, &f->log);
	sim_model_store(f->model, on_record, f);
	some_history(f);
	advance(f, DEADLINE + 100);
	sim_model_reboot(f->model, 0);
	memcpy(boot_id, sim_model_hello(f->model)->boot_id, sizeof(boot_id));
	remake(f);
	assert_int_equal(sim_model_load(f->model, f->log.data, f->log.length, 20, &used), 0);
	assert_int_equal(sim_model_pending(f->model), 0);
	assert_int_equal(host_of(f, SHARED_VF2), BAY1);
	assert_string_equal(sim_model_hello(f->model)->boot_id, boot_id);
}

static void a_late_command_that_fell_is_not_remembered(void **state)
{
	struct fixture *f = *state;
	size_t used;

	sim_model_save(f->model, &f->log);
	sim_model_store(f->model, on_record, f);
	some_history(f);
	advance(f, DEADLINE + 100);
	remake(f);
	assert_int_equal(sim_model_load(f->model, f->log.data, f->log.length, 20, &used), 0);
	assert_int_equal(sim_model_pending(f->model), 1);
	assert_int_equal(host_of(f, SHARED_VF2), BAY1);
}

static void a_clock_that_started_anew_keeps_late_commands_as_far_away(void **state)
{
	struct fixture *f = *state;
	OWNED(buf_done) struct buf saved = { 0 };
	size_t used;

	advance(f, 1000);
	set_fault(f, "bind:late=100:1");
	submit_bind(f, SHARED_VF1, BAY1, 1);
	advance(f, 1000);
	sim_model_save(f->model, &saved);
	remake(f);
	assert_int_equal(sim_model_load(f->model, saved.data, saved.length, 0, &used), 0);
	advance(f, DEADLINE + 100 - 1001);
	assert_int_equal(host_of(f, SHARED_VF1), 0);
	advance(f, DEADLINE + 100 - 1000);
	assert_int_equal(host_of(f, SHARED_VF1), BAY1);
}

static void a_torn_state_is_read_up_to_the_tear(void **state)
{
	struct fixture *f = *state;
	OWNED(buf_done) struct buf saved = { 0 };
	size_t whole = 0, used;

	some_history(f);
	sim_model_save(f->model, &saved);
	for (size_t length = 0; length <= saved.length; length++) {
		int r;

		remake(f);
		r = sim_model_load(f->model, saved.data, length, 20, &used);
		assert_true(r == 0 || (r == -EBADMSG && length < 40 && used == 0));
		assert_true(used <= length);
		assert_true(used >= whole);
		whole = used;
	}
	assert_int_equal(whole, saved.length);
}

static void a_damaged_state_is_not_believed(void **state)
{
	struct fixture *f = *state;
	OWNED(buf_done) struct buf saved = { 0 };
	size_t used;

	some_history(f);
	sim_model_save(f->model, &saved);
	for (size_t i = 0; i < saved.length; i++) {
		int r;

		saved.data[i] ^= 0x10;
		remake(f);
		r = sim_model_load(f->model, saved.data, saved.length, 20, &used);
		assert_true(r == 0 || r == -EBADMSG);
		assert_true(used <= i);
		saved.data[i] ^= 0x10;
	}
}

static void a_state_of_another_chassis_is_refused(void **state)
{
	struct fixture *f = *state;
	OWNED(buf_done) struct buf saved = { 0 };
	size_t used;

	sim_model_save(f->model, &saved);
	f->chassis->hosts[0].vports++;
	remake(f);
	assert_int_equal(sim_model_load(f->model, saved.data, saved.length, 20, &used), -EBADMSG);
	assert_int_equal(used, 0);
}

static void count_binding(void *arg, const struct provider_binding *b)
{
	size_t *n = arg;

	assert_int_not_equal(b->host, 0);
	++*n;
}

static void a_large_chassis_takes_thousands_of_binds(void **state)
{
	struct sim_chassis *c = NULL;
	struct fixture *f = *state;
	struct sim_chassis *held = f->chassis;
	char why[SIM_CHASSIS_WHY];
	size_t bound = 0, done = 0;

	assert_int_equal(sim_chassis_generate(32, 4, 64, 64, &c, why), 0);
	c->depth = 4096;
	f->chassis = c;
	remake(f);
	for (uint32_t i = 0; i < 64 * 64; i++) {
		submit_bind(f, i / 64 * 65 + i % 64 + 2, (uint16_t)(i / 128 + 1),
			    (uint16_t)(i % 128 + 1));
		if (i % 128 == 127) {
			advance(f, 0);
			for (; f->answer_count; f->answer_count--)
				done += f->answers[f->answer_count - 1].outcome == PROVIDER_DONE;
		}
	}
	sim_model_bindings(f->model, count_binding, &bound);
	assert_int_equal(bound, 4096);
	assert_int_equal(done, 4096);
	provider_close(f->p);
	sim_model_free(f->model);
	f->p = NULL;
	f->model = NULL;
	f->chassis = held;
	sim_chassis_free(c);
	remake(f);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_answer_never_comes_from_within_submit),
		T(each_switch_takes_its_time_for_each_command),
		T(a_long_leap_of_time_keeps_the_order),
		T(the_switch_refuses_in_words),
		T(a_read_tells_each_function_in_order),
		T(without_an_answer_the_deadline_says_unknown),
		T(a_slow_command_is_carried_out_after_its_deadline),
		T(what_ends_at_its_very_deadline_is_in_time),
		T(a_late_command_falls_when_all_have_forgotten_it),
		T(a_late_command_falls_after_the_manager_is_gone),
		T(a_refused_command_does_nothing),
		T(done_but_failed_is_done),
		T(a_fault_hits_its_verb_and_its_count),
		T(more_faults_than_fit_are_refused),
		T(a_barrier_waits_for_what_touches_its_function),
		T(a_barrier_does_not_wait_for_what_comes_after_it),
		T(a_later_command_does_not_open_a_barrier),
		T(a_barrier_on_all_waits_for_both_switches),
		T(a_barrier_on_a_vf_waits_for_its_pf_being_reset),
		T(a_barrier_on_a_host_waits_for_unbinds_that_name_none),
		T(a_barrier_does_not_wait_for_reads),
		T(a_barrier_can_pass_its_deadline_too),
		T(a_barrier_is_hit_by_faults_of_its_own_alone),
		T(a_switch_without_a_barrier_names_its_longest_lateness),
		T(a_switch_without_a_barrier_drops_what_is_too_old),
		T(a_full_queue_takes_no_more),
		T(a_reboot_into_an_older_map_forgets_what_was_under_way),
		T(power_and_link_of_a_host_are_told),
		T(the_counter_of_a_blade_that_runs_moves_and_that_of_a_dead_one_stands),
		T(a_scan_is_whole_and_well_formed),
		T(a_pulled_card_is_told_for_each_function),
		T(a_manager_may_close_from_within_an_answer),
		T(what_an_answer_submits_waits_for_the_next_advance),
		T(each_carried_out_command_is_observed_once),
		T(a_saved_switch_comes_back_as_it_was),
		T(records_after_a_snapshot_lead_to_the_same_switch),
		T(late_commands_and_boots_are_followed_by_the_records),
		T(a_late_command_that_fell_is_not_remembered),
		T(a_clock_that_started_anew_keeps_late_commands_as_far_away),
		T(a_torn_state_is_read_up_to_the_tear),
		T(a_damaged_state_is_not_believed),
		T(a_state_of_another_chassis_is_refused),
		T(a_large_chassis_takes_thousands_of_binds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
