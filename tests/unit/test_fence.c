/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fence's ladder (S20), rung by rung, each with the ways in which it can fail: the brain
 * against a modelled switch that can be told what it cannot do. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "brain_fixture.h"
#include "common/log.h"

enum { BAY1 = 1, BAY4 = 4, BEAT = 1000, STEADY = 30 * BEAT, LONG = 600 * BEAT };

struct rig {
	struct brain b;
	char held[3][FABRIC_NAME_MAX]; /* bay1's functions */
	unsigned answers;
	int answer;
};

enum cannot {
	CANNOT_ISOLATE = 1 << 0,
	CANNOT_SURPRISE = 1 << 1,
	CANNOT_POWER = 1 << 2,
	CANNOT_TELL_POWER = 1 << 3,
	HAS_PROGRAM = 1 << 4,
	QEMU_LIKE = CANNOT_ISOLATE | CANNOT_SURPRISE,
	POWERLESS = QEMU_LIKE | CANNOT_POWER,
};

static void on_answer(void *arg, int r, uint64_t id)
{
	struct rig *rig = arg;

	(void)id;
	rig->answers++;
	rig->answer = r;
}

static void give(struct rig *rig)
{
	struct fabric_request_op ops[3] = { 0 };
	struct fabric_request request = { .ops = ops };
	struct fabric_problem problem;
	size_t count;
	const struct fabric_function *const *all = fabric_functions(rig->b.fabric, &count);

	for (size_t i = 0; i < count && request.op_count < 3; i++) {
		struct fabric_request_op *op = &ops[request.op_count];

		if (fabric_function_is_kept(all[i]))
			continue;
		op->op = DB_OP_ASSIGN;
		(void)snprintf(op->function, sizeof(op->function), "%s", all[i]->name);
		(void)snprintf(op->host, sizeof(op->host), "bay1");
		(void)snprintf(rig->held[request.op_count++], FABRIC_NAME_MAX, "%s", all[i]->name);
	}
	assert_int_equal(request.op_count, 3);
	assert_int_equal(fabric_change_request(rig->b.fabric, &request, &problem, on_answer, rig),
			 0);
	brain_run(&rig->b, 5 * BEAT);
}

/* bay1 holds three functions, bay4 is its spare, all beat. @what: of enum cannot. */
static void begin(struct rig *rig, unsigned what)
{
	char why[SIM_CHASSIS_WHY];
	struct sim_chassis *chassis;
	struct config config;

	log_setup("test_fence", (enum log_level)0);
	assert_int_equal(sim_chassis_generate(4, 1, 2, 4, &chassis, why), 0);
	chassis->command_ms = 1;
	chassis->timeout_ms = 500;
	chassis->can.isolate = !(what & CANNOT_ISOLATE);
	chassis->can.surprise = !(what & CANNOT_SURPRISE);
	chassis->can.power = !(what & CANNOT_POWER);
	chassis->can.tell_power = !(what & CANNOT_TELL_POWER);
	brain_init_take(&rig->b, chassis);
	config = *fabric_config(rig->b.fabric);
	config.fence_attempts = 4;
	if (what & HAS_PROGRAM) {
		config.fence_count = 1;
		(void)snprintf(config.fences[0].host, CONFIG_TEXT_MAX, "bay1");
		(void)snprintf(config.fences[0].program, CONFIG_TEXT_MAX, "/sbin/fence_test");
	}
	fabric_configure(rig->b.fabric, &config);
	brain_run(&rig->b, STEADY);
	assert_int_equal(fabric_host_set_spare(rig->b.fabric, "bay4", true, 0, on_answer, rig), 0);
	give(rig);
}

static int rig_begin(void **state)
{
	*state = calloc(1, sizeof(struct rig));
	assert_non_null(*state);
	return 0;
}

static int rig_end(void **state)
{
	struct rig *rig = *state;

	brain_done(&rig->b);
	free(rig);
	return 0;
}

/* ---- looking ---- */

static const struct fabric_host *bay1(const struct rig *rig)
{
	return fabric_host_find(rig->b.fabric, "bay1");
}

static const struct fabric_incident *incident(const struct rig *rig)
{
	return fabric_incident_find(rig->b.fabric, bay1(rig)->incident);
}

/* How often the time line says "WHAT: DETAIL", of which @text is the beginning. */
static unsigned said(const struct rig *rig, const char *text)
{
	const struct fabric_incident *of = incident(rig);
	unsigned n = 0;

	for (size_t i = 0; of && i < of->step_count; i++) {
		char line[DB_NAME_MAX + DB_TEXT_MAX + 2];

		(void)snprintf(line, sizeof(line), "%s: %s", of->steps[i].what,
			       of->steps[i].detail);
		n += !strncmp(line, text, strlen(text));
	}
	return n;
}

/* When the time line first says "WHAT: DETAIL", in ms after its beginning. */
static uint32_t said_ms(const struct rig *rig, const char *what, const char *detail)
{
	const struct fabric_incident *of = incident(rig);

	for (size_t i = 0; of && i < of->step_count; i++)
		if (!strcmp(of->steps[i].what, what) && strstr(of->steps[i].detail, detail))
			return of->steps[i].offset_ms;
	fail_msg("nobody says %s: %s", what, detail);
	return 0;
}

static unsigned at_switch(const struct rig *rig, const char *name)
{
	const struct fabric_function *fn = fabric_function_find(rig->b.fabric, name);

	return sim_model_map(rig->b.model)->functions[fn->as.handle - 1].now.host;
}

static void assert_all_at(const struct rig *rig, unsigned host)
{
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(at_switch(rig, rig->held[i]), host);
}

static bool has_power(const struct rig *rig)
{
	return sim_model_map(rig->b.model)->hosts[BAY1 - 1].state.power;
}

static void run_until(struct rig *rig, enum fabric_host_state state)
{
	uint64_t end = rig->b.now_ms + LONG;

	while (bay1(rig)->state != state && rig->b.now_ms < end)
		brain_step(&rig->b);
	assert_int_equal(bay1(rig)->state, state);
}

static void run_until_said(struct rig *rig, const char *text)
{
	uint64_t end = rig->b.now_ms + LONG;

	while (!said(rig, text) && rig->b.now_ms < end)
		brain_step(&rig->b);
	assert_int_not_equal(said(rig, text), 0);
}

/* ---- doing ---- */

static void fault(struct rig *rig, enum provider_verb verb, enum sim_fault_kind kind, uint32_t ms,
		  uint32_t count)
{
	const struct sim_fault fault = { verb, kind, ms, count };

	assert_int_equal(sim_model_fault(rig->b.model, &fault), 0);
}

/* Until every fault has struck as often as it was told to. */
static void run_until_taken(struct rig *rig)
{
	const struct sim_fault *faults;

	while (sim_model_faults(rig->b.model, &faults))
		brain_step(&rig->b);
}

static void power(struct rig *rig, bool on)
{
	assert_int_equal(sim_model_host(rig->b.model, BAY1, SIM_HOST_POWER, on), 0);
}

/* bay1 falls silent, and is fenced for it. */
static void silence(struct rig *rig)
{
	rig->b.silent[BAY1 - 1] = true;
	run_until(rig, FABRIC_HOST_FENCING);
}

static int confirm(struct rig *rig)
{
	struct fabric_problem problem;

	return fabric_host_fence_confirm(rig->b.fabric, "bay1", bay1(rig)->incident, 0, &problem,
					 on_answer, rig);
}

static int readmit(struct rig *rig)
{
	struct fabric_problem problem;

	return fabric_host_readmit(rig->b.fabric, "bay1", 0, &problem, on_answer, rig);
}

static void takes_power(struct brain *b, const char *host)
{
	assert_string_equal(host, "bay1");
	assert_int_equal(sim_model_host(b->model, BAY1, SIM_HOST_POWER, false), 0);
}

static const char *a_free_function(struct rig *rig)
{
	size_t count;
	const struct fabric_function *const *fn = fabric_functions(rig->b.fabric, &count);

	while (count && (fabric_function_is_kept(*fn) || (*fn)->host)) {
		count--;
		fn++;
	}
	assert_int_not_equal(count, 0);
	return (*fn)->name;
}

/* ---- the switch's own rungs ---- */

static void where_the_switch_isolates_no_power_is_taken(void **state)
{
	struct rig *rig = *state;

	begin(rig, HAS_PROGRAM);
	silence(rig);
	run_until(rig, FABRIC_HOST_FENCED);
	brain_run(&rig->b, 5 * BEAT);

	assert_int_equal(said(rig, "isolate: "), 1);
	assert_int_equal(said(rig, "empty: isolated, its virtual switch read back empty"), 1);
	assert_int_equal(said(rig, "next: "), 0);
	assert_true(has_power(rig));
	assert_int_equal(rig->b.program.runs, 0);
	assert_all_at(rig, BAY4);
}

static void where_it_does_not_unbinding_suffices(void **state)
{
	struct rig *rig = *state;

	begin(rig, CANNOT_ISOLATE | HAS_PROGRAM);
	silence(rig);
	run_until(rig, FABRIC_HOST_FENCED);
	brain_run(&rig->b, 5 * BEAT);

	assert_int_equal(said(rig, "isolate"), 0);
	assert_int_equal(said(rig, "unbind: 3 functions"), 1);
	assert_true(has_power(rig));
	assert_all_at(rig, BAY4);
}

static void an_isolation_that_is_refused_leads_to_unbinding(void **state)
{
	struct rig *rig = *state;

	begin(rig, 0);
	fault(rig, PROVIDER_ISOLATE, SIM_FAULT_REFUSED, 0, 0);
	silence(rig);
	run_until(rig, FABRIC_HOST_FENCED);

	assert_int_not_equal(said(rig, "isolate failed: "), 0);
	assert_int_equal(said(rig, "empty: its virtual switch read back empty"), 1);
	assert_true(has_power(rig));
}

static void what_cannot_be_taken_by_surprise_loses_its_power_at_once(void **state)
{
	struct rig *rig = *state;
	uint64_t from;

	begin(rig, QEMU_LIKE | HAS_PROGRAM);
	silence(rig);
	from = rig->b.now_ms;
	run_until(rig, FABRIC_HOST_FENCED);

	assert_true(rig->b.now_ms - from < 100);
	assert_int_equal(said(rig, "unbind failed: it cannot be taken from host 1 by surprise"), 3);
	assert_int_equal(said(rig, "next: power off by the switch, for it cannot be taken"), 1);
	assert_int_equal(said(rig, "power: off, by the switch"), 1);
	assert_int_equal(said(rig, "unbind: 3 functions"), 2); /* power-off is not unbind */
	assert_int_equal(said(rig, "empty: "), 1);
	assert_false(has_power(rig));
	assert_int_equal(rig->b.program.runs, 0);
	brain_run(&rig->b, 5 * BEAT);
	assert_all_at(rig, BAY4);
}

static void unbinding_that_fails_again_and_again_leads_to_power_off(void **state)
{
	struct rig *rig = *state;

	begin(rig, CANNOT_ISOLATE);
	fault(rig, PROVIDER_UNBIND, SIM_FAULT_REFUSED, 0, 6);
	silence(rig);
	run_until(rig, FABRIC_HOST_FENCED);

	assert_int_equal(said(rig, "next: power off by the switch, for its functions cannot be"),
			 1);
	assert_false(has_power(rig));
}

static void a_host_that_cannot_be_read_goes_up_and_not_round(void **state)
{
	struct rig *rig = *state;

	begin(rig, CANNOT_ISOLATE);
	silence(rig);
	run_until(rig, FABRIC_HOST_FENCING); /* what is read before is its witness */
	fault(rig, PROVIDER_READ_HOST, SIM_FAULT_LOST, 0, 2);
	run_until(rig, FABRIC_HOST_FENCED);

	assert_int_equal(said(rig, "next: power off by the switch, for the switch does not answer"),
			 1);
	assert_false(has_power(rig));
}

static void a_read_that_is_answered_with_no_goes_up_at_once(void **state)
{
	struct rig *rig = *state;

	begin(rig, CANNOT_ISOLATE);
	silence(rig);
	run_until(rig, FABRIC_HOST_FENCING); /* what is read before is its witness */
	fault(rig, PROVIDER_READ_HOST, SIM_FAULT_REFUSED, 0, 1);
	run_until(rig, FABRIC_HOST_FENCED);

	assert_int_equal(said(rig, "next: power off by the switch, for told to refuse"), 1);
	assert_false(has_power(rig));
}

static void one_lost_answer_takes_nobodys_power(void **state)
{
	struct rig *rig = *state;

	begin(rig, CANNOT_ISOLATE);
	silence(rig);
	run_until(rig, FABRIC_HOST_FENCING); /* what is read before is its witness */
	fault(rig, PROVIDER_READ_HOST, SIM_FAULT_LOST, 0, 1);
	run_until(rig, FABRIC_HOST_FENCED);

	assert_true(has_power(rig));
}

static void a_switch_that_is_lost_says_nothing_about_the_host(void **state)
{
	struct rig *rig = *state;
	struct provider_hello hello;

	begin(rig, POWERLESS | HAS_PROGRAM);
	hello = *sim_model_hello(rig->b.model);
	silence(rig);
	run_until(rig, FABRIC_HOST_FENCING); /* what is read before is its witness */
	fault(rig, PROVIDER_READ_HOST, SIM_FAULT_LOST, 0, 1);
	run_until_taken(rig);
	fault(rig, PROVIDER_READ_HOST, SIM_FAULT_DELAY, 400, 1);
	run_until_taken(rig); /* one answer is lost, the second read is under way */
	rig->b.sink.state(rig->b.sink.arg, PROVIDER_LOST, NULL);
	brain_run(&rig->b, 60 * BEAT);

	assert_int_equal(bay1(rig)->state, FABRIC_HOST_FENCING);
	assert_int_equal(said(rig, "next: "), 0);
	assert_int_equal(rig->b.program.runs, 0);
	rig->b.sink.state(rig->b.sink.arg, PROVIDER_READY, &hello);
	run_until_said(rig, "next: fence_test, for it cannot be taken");
}

static void a_refused_power_off_leads_to_the_program_at_once(void **state)
{
	struct rig *rig = *state;

	begin(rig, QEMU_LIKE | HAS_PROGRAM);
	rig->b.program.off = takes_power;
	rig->b.program.status_code = 2;
	fault(rig, PROVIDER_HOST_POWER, SIM_FAULT_REFUSED, 0, 0);
	silence(rig);
	run_until(rig, FABRIC_HOST_FENCED);

	assert_int_equal(said(rig, "power: off"), 1);
	assert_int_equal(said(rig, "power refused: told to refuse"), 1);
	assert_int_equal(said(rig, "next: fence_test, for the switch does not power it off"), 1);
	assert_int_equal(said(rig, "empty: "), 1);
	assert_int_equal(rig->b.program.runs, 2);
}

static void a_power_off_without_answer_is_looked_for_and_then_tried_again(void **state)
{
	struct rig *rig = *state;

	begin(rig, QEMU_LIKE);
	fault(rig, PROVIDER_HOST_POWER, SIM_FAULT_LOST, 0, 1);
	silence(rig);
	run_until(rig, FABRIC_HOST_FENCED);
	assert_int_equal(said(rig, "power: off"), 1);
	assert_false(has_power(rig));
}

static void a_power_off_that_does_nothing_is_not_believed(void **state)
{
	struct rig *rig = *state;

	begin(rig, QEMU_LIKE);
	/* Carried out, reported as done; and somebody presses the button again at once. */
	silence(rig);
	run_until_said(rig, "power: off");
	while (has_power(rig))
		brain_step(&rig->b);
	power(rig, true);
	fault(rig, PROVIDER_HOST_POWER, SIM_FAULT_REFUSED, 0, 0);
	run_until(rig, FABRIC_HOST_BLOCKED);

	assert_all_at(rig, BAY1);
	assert_int_equal(said(rig, "fenced: "), 0);
}

/* ---- the program ---- */

static void a_program_that_takes_the_power_is_proved_by_the_read_back(void **state)
{
	struct rig *rig = *state;

	begin(rig, POWERLESS | HAS_PROGRAM);
	rig->b.program.off = takes_power;
	rig->b.program.status_code = 2;
	silence(rig);
	run_until(rig, FABRIC_HOST_FENCED);

	assert_int_equal(said(rig, "program: fence_test: off"), 1);
	assert_int_equal(said(rig, "program: fence_test says off"), 1);
	assert_int_equal(said(rig, "empty: its virtual switch read back empty"), 1);
	assert_non_null(strstr(bay1(rig)->proved.rungs, "program"));
	assert_null(strstr(bay1(rig)->proved.rungs, "power"));
	brain_run(&rig->b, 5 * BEAT);
	assert_all_at(rig, BAY4);
}

static void what_a_program_did_counts_whatever_it_says_of_it(void **state)
{
	struct rig *rig = *state;

	begin(rig, POWERLESS | HAS_PROGRAM);
	rig->b.program.off = takes_power;
	rig->b.program.off_code = 1;
	rig->b.program.status_code = 1;
	silence(rig);
	run_until(rig, FABRIC_HOST_FENCED);

	assert_int_equal(said(rig, "program failed: fence_test, off: as the test says"), 1);
	assert_int_equal(said(rig, "program failed: fence_test, status: as the test says"), 1);
}

static void one_that_says_off_while_the_switch_sees_power_has_lied(void **state)
{
	struct rig *rig = *state;

	begin(rig, POWERLESS | HAS_PROGRAM);
	rig->b.program.status_code = 2;
	silence(rig);
	run_until(rig, FABRIC_HOST_BLOCKED);

	assert_int_equal(said(rig, "lied: fence_test says off, but the switch sees it powered"), 1);
	assert_int_equal(said(rig, "fenced: "), 0);
	assert_all_at(rig, BAY1);
	brain_run(&rig->b, 100 * BEAT); /* tried again and again, and never believed */
	assert_int_equal(bay1(rig)->state, FABRIC_HOST_BLOCKED);
	assert_true(rig->b.program.runs >= 6);
	assert_all_at(rig, BAY1);
}

static void one_that_says_off_while_the_host_cannot_be_read_has_lied_too(void **state)
{
	struct rig *rig = *state;

	begin(rig, POWERLESS | HAS_PROGRAM);
	rig->b.program.status_code = 2;
	fault(rig, PROVIDER_READ_HOST, SIM_FAULT_REFUSED, 0, 0);
	silence(rig);
	run_until(rig, FABRIC_HOST_BLOCKED);

	assert_int_equal(said(rig, "lied: fence_test says off, but the switch sees it powered"), 1);
	/* At once: it is not listened to for a window first. */
	assert_in_range(said_ms(rig, "lied", "") - said_ms(rig, "program", "says off"), 1000, 2000);
	assert_all_at(rig, BAY1);
}

static void one_that_says_off_while_the_host_beats_has_lied(void **state)
{
	struct rig *rig = *state;
	struct fabric_problem problem;

	begin(rig, POWERLESS | CANNOT_TELL_POWER | HAS_PROGRAM);
	rig->b.program.status_code = 2;
	assert_int_equal(fabric_host_failover(rig->b.fabric, "bay1", 0, &problem, on_answer, rig),
			 0);
	run_until(rig, FABRIC_HOST_BLOCKED);

	assert_int_equal(said(rig, "lied: fence_test says off, but it beats"), 1);
	assert_int_equal(said(rig, "fenced: "), 0);
	assert_all_at(rig, BAY1);
}

static void where_nobody_can_tell_its_word_is_taken_and_not_for_the_read_back(void **state)
{
	struct rig *rig = *state;
	uint64_t from;

	begin(rig, POWERLESS | CANNOT_TELL_POWER | HAS_PROGRAM);
	rig->b.program.status_code = 2;
	silence(rig);
	run_until_said(rig, "program: fence_test says off");
	from = rig->b.now_ms;
	run_until(rig, FABRIC_HOST_FENCED);

	assert_true(rig->b.now_ms - from >= 5 * BEAT); /* a whole window without a beat */
	assert_int_equal(said(rig, "fenced: off, says fence_test, and nothing says otherwise"), 1);
	brain_run(&rig->b, 100 * BEAT);
	assert_all_at(rig, BAY1); /* S1: the switch shows them there */

	power(rig, false); /* now it is true, and they can be unbound */
	brain_run(&rig->b, 400 * BEAT);
	assert_all_at(rig, BAY4);
}

static void a_host_that_is_off_by_a_word_and_beats_is_fenced_anew(void **state)
{
	struct rig *rig = *state;

	begin(rig, POWERLESS | CANNOT_TELL_POWER | HAS_PROGRAM);
	rig->b.program.status_code = 2;
	silence(rig);
	run_until(rig, FABRIC_HOST_FENCED);
	brain_run(&rig->b, 5 * BEAT);
	rig->b.silent[BAY1 - 1] = false;
	run_until(rig, FABRIC_HOST_FENCING);
	run_until(rig, FABRIC_HOST_BLOCKED);

	assert_int_equal(said(rig, "fence again: it was said to be off, and beats"), 1);
	assert_int_equal(said(rig, "lied: fence_test says off, but it beats"), 1);
	assert_all_at(rig, BAY1);
}

static void no_word_counts_while_something_may_still_be_carried_out(void **state)
{
	struct rig *rig = *state;
	const char *other;
	struct fabric_request_op op = { .op = DB_OP_ASSIGN, .host = "bay1" };
	struct fabric_request request = { .ops = &op, .op_count = 1 };
	struct fabric_problem problem;

	begin(rig, POWERLESS | CANNOT_TELL_POWER | HAS_PROGRAM);
	rig->b.program.status_code = 2;
	other = a_free_function(rig);
	(void)snprintf(op.function, sizeof(op.function), "%s", other);
	fault(rig, PROVIDER_BIND, SIM_FAULT_LATE, 60 * BEAT, 1);
	assert_int_equal(fabric_change_request(rig->b.fabric, &request, &problem, on_answer, rig),
			 0);
	brain_run(&rig->b, 2 * BEAT);
	silence(rig);
	run_until_said(rig, "program: fence_test says off");
	brain_run(&rig->b, 20 * BEAT);
	assert_int_equal(said(rig, "fenced: "), 0);

	run_until(rig, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(rig, other), BAY1); /* it was carried out, before */
}

static void one_that_cannot_be_begun_leads_to_a_person(void **state)
{
	struct rig *rig = *state;

	begin(rig, POWERLESS | HAS_PROGRAM);
	rig->b.program.refuses = -ENOMEM;
	silence(rig);
	run_until(rig, FABRIC_HOST_BLOCKED);

	assert_int_equal(said(rig, "blocked: fence_test cannot be run; when the host is off: "), 1);
}

static void one_that_says_on_leads_to_a_person(void **state)
{
	struct rig *rig = *state;

	begin(rig, POWERLESS | HAS_PROGRAM);
	silence(rig);
	run_until(rig, FABRIC_HOST_BLOCKED);

	assert_int_equal(said(rig, "program failed: fence_test says on"), 1);
	assert_int_equal(said(rig, "blocked: fence_test did not power it off; when "), 1);
	assert_all_at(rig, BAY1);
}

static void a_person_may_be_quicker_than_the_program(void **state)
{
	struct rig *rig = *state;

	begin(rig, POWERLESS | HAS_PROGRAM);
	silence(rig);
	run_until(rig, FABRIC_HOST_BLOCKED);
	rig->b.program.status_code = 2;
	while (!rig->b.program.cookie) /* the next try */
		brain_step(&rig->b);
	assert_int_equal(confirm(rig), 0);
	brain_run(&rig->b, 20 * BEAT);

	assert_int_equal(bay1(rig)->state, FABRIC_HOST_FENCED);
	assert_int_equal(said(rig, "program: fence_test says off"), 0); /* nobody waits for it */
}

static void nobody_is_let_in_while_a_program_takes_his_power(void **state)
{
	struct rig *rig = *state;
	struct fabric_problem problem;

	begin(rig, POWERLESS | HAS_PROGRAM);
	rig->b.program.status_code = 2;
	assert_int_equal(fabric_host_failover(rig->b.fabric, "bay1", 0, &problem, on_answer, rig),
			 0);
	run_until(rig, FABRIC_HOST_BLOCKED);
	rig->b.program.off_code = INT_MIN; /* it hangs */
	while (!rig->b.program.cookie)
		brain_step(&rig->b);
	brain_run(&rig->b, 2 * BEAT);
	assert_int_equal(readmit(rig), REFUSE_HOST_STATE);

	rig->b.program.off_code = 1;
	while (rig->b.program.is_off)
		brain_step(&rig->b);
	assert_int_equal(readmit(rig), 0);
	brain_run(&rig->b, 5 * BEAT);
	assert_int_equal(bay1(rig)->state, FABRIC_HOST_ALIVE);
	assert_all_at(rig, BAY1);
}

/* ---- after the last rung ---- */

static void a_blocked_host_climbs_the_whole_ladder_again_and_says_it_once(void **state)
{
	struct rig *rig = *state;
	size_t steps;

	begin(rig, QEMU_LIKE | HAS_PROGRAM);
	fault(rig, PROVIDER_HOST_POWER, SIM_FAULT_REFUSED, 0, 0);
	silence(rig);
	run_until(rig, FABRIC_HOST_BLOCKED);
	steps = incident(rig)->step_count;
	brain_run(&rig->b, 200 * BEAT);

	assert_int_equal(bay1(rig)->state, FABRIC_HOST_BLOCKED);
	assert_true(rig->b.program.runs >= 6);
	assert_int_equal(incident(rig)->step_count, steps);
	sim_model_fault_clear(rig->b.model);
	run_until(rig, FABRIC_HOST_FENCED);
	brain_run(&rig->b, 5 * BEAT);
	assert_all_at(rig, BAY4);
}

/* ---- a fenced host that comes back ---- */

static void foreign_bind(struct rig *rig)
{
	const struct provider_op op = {
		.attempt = 1ull << 60,
		.verb = PROVIDER_BIND,
		.function = fabric_function_find(rig->b.fabric, a_free_function(rig))->as.handle,
		.host = BAY1,
		.vport = 3,
		.deadline_ms = rig->b.now_ms + 1000,
	};
	struct provider_sink none = { 0 };
	struct provider *other = sim_model_provider(rig->b.model, &none);

	(void)other->ops->submit(other, &op);
	provider_close(other);
	brain_run(&rig->b, 20);
}

static void foreign_unbind(struct rig *rig, const char *function)
{
	const struct provider_op op = {
		.attempt = 1ull << 60,
		.verb = PROVIDER_UNBIND,
		.function = fabric_function_find(rig->b.fabric, function)->as.handle,
		.host = BAY1,
		.mode = PROVIDER_SURPRISE,
		.deadline_ms = rig->b.now_ms + 1000,
	};
	struct provider_sink none = { 0 };
	struct provider *other = sim_model_provider(rig->b.model, &none);

	(void)other->ops->submit(other, &op);
	provider_close(other);
	brain_run(&rig->b, 20);
}

static void a_fenced_host_that_comes_up_empty_stays_fenced(void **state)
{
	struct rig *rig = *state;

	begin(rig, QEMU_LIKE);
	silence(rig);
	run_until(rig, FABRIC_HOST_FENCED);
	brain_run(&rig->b, 10 * BEAT);
	power(rig, true);
	brain_run(&rig->b, 10 * BEAT);

	assert_int_equal(bay1(rig)->state, FABRIC_HOST_FENCED);
	assert_int_equal(said(rig, "fence again"), 0);
	assert_true(has_power(rig));
	rig->b.silent[BAY1 - 1] = false;
	brain_run(&rig->b, 2 * BEAT);
	assert_int_equal(readmit(rig), 0);
	brain_run(&rig->b, 5 * BEAT);
	assert_int_equal(bay1(rig)->state, FABRIC_HOST_ALIVE);
}

static void a_fenced_host_that_comes_up_with_a_function_is_fenced_anew(void **state)
{
	struct rig *rig = *state;
	uint64_t before;

	begin(rig, QEMU_LIKE);
	silence(rig);
	run_until(rig, FABRIC_HOST_FENCED);
	brain_run(&rig->b, 10 * BEAT);
	before = bay1(rig)->incident;
	foreign_bind(rig); /* on its own command line */
	power(rig, true);
	brain_run(&rig->b, 10 * BEAT);

	assert_int_not_equal(bay1(rig)->incident, before);
	assert_int_equal(said(rig, "fence again: its virtual switch holds 1 function"), 1);
	assert_int_equal(said(rig, "power: off, by the switch"), 1);
	assert_int_equal(bay1(rig)->state, FABRIC_HOST_FENCED);
	assert_false(has_power(rig));
}

static void reconnect(struct rig *rig)
{
	struct provider_hello hello = *sim_model_hello(rig->b.model);

	rig->b.sink.state(rig->b.sink.arg, PROVIDER_LOST, NULL);
	brain_run(&rig->b, BEAT);
	rig->b.sink.state(rig->b.sink.arg, PROVIDER_READY, &hello);
}

static void a_fenced_host_that_waits_to_be_let_in_keeps_its_power(void **state)
{
	struct rig *rig = *state;

	begin(rig, QEMU_LIKE);
	silence(rig);
	run_until(rig, FABRIC_HOST_FENCED);
	brain_run(&rig->b, 10 * BEAT);
	power(rig, true);
	brain_run(&rig->b, 10 * BEAT);
	fault(rig, PROVIDER_READ_HOST, SIM_FAULT_REFUSED, 0, 2); /* as when it boots */
	reconnect(rig);
	brain_run(&rig->b, 10 * BEAT);

	assert_int_equal(bay1(rig)->state, FABRIC_HOST_FENCED);
	assert_true(has_power(rig));
}

static void one_that_is_found_holding_something_after_a_reconnect_is_fenced_anew(void **state)
{
	struct rig *rig = *state;

	begin(rig, QEMU_LIKE);
	silence(rig);
	run_until(rig, FABRIC_HOST_FENCED);
	brain_run(&rig->b, 10 * BEAT);
	foreign_bind(rig);
	reconnect(rig);
	brain_run(&rig->b, 10 * BEAT);

	assert_int_equal(said(rig, "fence again: its virtual switch holds 1 function"), 1);
	assert_int_equal(said(rig, "empty: "), 1);
	assert_int_equal(bay1(rig)->state, FABRIC_HOST_FENCED);
}

/* Its switch has gone back to an older map, say, while it was being let in. */
static void one_that_cannot_be_let_in_for_what_it_holds_is_fenced_anew(void **state)
{
	struct rig *rig = *state;

	begin(rig, QEMU_LIKE);
	silence(rig);
	run_until(rig, FABRIC_HOST_FENCED);
	brain_run(&rig->b, 10 * BEAT);
	power(rig, true);
	brain_run(&rig->b, 10 * BEAT);
	rig->b.silent[BAY1 - 1] = false;
	brain_run(&rig->b, 2 * BEAT);
	foreign_bind(rig);
	assert_int_equal(readmit(rig), 0);
	brain_run(&rig->b, 20 * BEAT);

	assert_int_equal(rig->answer, REFUSE_IN_DOUBT);
	assert_int_equal(said(rig, "fence again: its virtual switch holds 1 function"), 1);
	assert_int_equal(bay1(rig)->state, FABRIC_HOST_FENCED);
	assert_false(has_power(rig));
}

/* Its bay is another blade's now: the handle that bay1 had is bay9's. */
static void is_replaced(struct brain *b, struct provider_scan *scan)
{
	(void)b;
	(void)snprintf(scan->hosts[BAY1 - 1].bay, sizeof(scan->hosts[BAY1 - 1].bay), "bay9");
}

static void scan_again(struct rig *rig)
{
	const struct provider_event changed = { .kind = PROVIDER_EVENT_CHANGED };

	rig->b.sink.told(rig->b.sink.arg, &changed);
	brain_run(&rig->b, 100);
}

static void
a_host_that_vanishes_from_the_scan_while_it_is_fenced_is_blocked_until_it_is_back(void **state)
{
	struct rig *rig = *state;

	for (unsigned n = 0; n < 20; n++) {
		begin(rig, 0);
		fault(rig, PROVIDER_READ_HOST, SIM_FAULT_DELAY, 300, 0);
		silence(rig);
		run_until(rig, FABRIC_HOST_FENCING);
		brain_run(&rig->b, 30 * n);
		rig->b.on_scan = is_replaced;
		scan_again(rig);
		run_until(rig, FABRIC_HOST_BLOCKED);
		assert_int_equal(said(rig, "blocked: the switch does not show it"), 1);
		assert_string_equal(fabric_function_find(rig->b.fabric, rig->held[0])->host->name,
				    "bay1");

		rig->b.on_scan = NULL;
		scan_again(rig);
		run_until(rig, FABRIC_HOST_FENCED);
		brain_run(&rig->b, 10 * BEAT);
		assert_all_at(rig, BAY4);
		brain_done(&rig->b);
	}
	begin(rig, 0);
}

static void set_spare(struct rig *rig, bool spare)
{
	assert_int_equal(fabric_host_set_spare(rig->b.fabric, "bay4", spare, 0, on_answer, rig), 0);
	brain_run(&rig->b, BEAT);
}

/* For repair, say. */
static void what_a_fenced_host_had_goes_on_when_the_switch_shows_it_no_more(void **state)
{
	struct rig *rig = *state;

	begin(rig, 0);
	set_spare(rig, false);
	silence(rig);
	run_until(rig, FABRIC_HOST_FENCED);
	rig->b.on_scan = is_replaced;
	scan_again(rig);
	set_spare(rig, true);
	brain_run(&rig->b, 10 * BEAT);

	assert_all_at(rig, BAY4);
}

static void a_host_that_no_switch_shows_is_failed_over_by_hand_once_somebody_vouches(void **state)
{
	struct rig *rig = *state;
	struct fabric_problem problem;

	begin(rig, 0);
	rig->b.silent[BAY1 - 1] = true;
	for (size_t i = 0; i < 3; i++)
		foreign_unbind(rig, rig->held[i]); /* it was pulled */
	rig->b.on_scan = is_replaced;
	scan_again(rig);
	assert_int_equal(fabric_host_failover(rig->b.fabric, "bay1", 0, &problem, on_answer, rig),
			 0);
	run_until(rig, FABRIC_HOST_BLOCKED);
	assert_all_at(rig, 0);
	brain_run(&rig->b, 60 * BEAT);
	assert_int_equal(said(rig, "blocked: the switch does not show it"), 1);
	assert_int_equal(fabric_host_fence_confirm(rig->b.fabric, "bay1", bay1(rig)->incident, 0,
						   &problem, on_answer, rig),
			 0);
	brain_run(&rig->b, 10 * BEAT);

	assert_all_at(rig, BAY4);
}

static void count_looks(struct brain *b, struct provider_completion *done)
{
	unsigned *looks = b->arg;

	*looks += done->host.host == BAY1;
}

static void a_host_that_vanishes_while_it_is_looked_at_is_looked_at_when_it_is_back(void **state)
{
	struct rig *rig = *state;
	unsigned looks = 0;

	begin(rig, 0);
	rig->b.arg = &looks;
	rig->b.on_host = count_looks;
	fault(rig, PROVIDER_READ_HOST, SIM_FAULT_DELAY, 300, 1);
	fabric_host_hint(rig->b.fabric, "bay1", "the end of file on its port");
	rig->b.on_scan = is_replaced;
	scan_again(rig);
	brain_run(&rig->b, BEAT);
	rig->b.on_scan = NULL;
	scan_again(rig);
	looks = 0;
	fabric_host_hint(rig->b.fabric, "bay1", "the end of file on its port");
	brain_run(&rig->b, BEAT);

	assert_int_equal(looks, 1);
}

/* As a provider tells of a host that may have more than it can say. */
static void read_unknown(struct brain *b, struct provider_completion *done)
{
	static struct provider_binding unknown;

	if (done->host.host != BAY1 || done->binding_count)
		return;
	unknown = (struct provider_binding){
		.function = (uint32_t)sim_model_map(b->model)->function_count, .unknown = true
	};
	done->bindings = &unknown;
	done->binding_count = 1;
}

static void what_cannot_be_told_is_never_empty(void **state)
{
	struct rig *rig = *state;

	begin(rig, CANNOT_ISOLATE | CANNOT_POWER);
	rig->b.on_host = read_unknown;
	silence(rig);
	run_until(rig, FABRIC_HOST_BLOCKED);
	assert_int_equal(said(rig, "empty: "), 0);

	rig->b.on_host = NULL;
	run_until(rig, FABRIC_HOST_FENCED);
}

/* ---- beside the ladder ---- */

static void the_plan_names_the_rungs(void **state)
{
	struct rig *rig = *state;
	struct fabric_plan plan;
	struct fabric_problem problem;
	char rungs[DB_TEXT_MAX];

	begin(rig, CANNOT_ISOLATE | HAS_PROGRAM);
	fabric_host_rungs(rig->b.fabric, bay1(rig), rungs);
	assert_string_equal(rungs, "unbind, power off by the switch, fence_test, a person");
	assert_int_equal(fabric_host_failover_plan(rig->b.fabric, "bay1", &problem, &plan), 0);
	assert_non_null(strstr(plan.detail, rungs));
	fabric_plan_done(&plan);
	fabric_host_rungs(rig->b.fabric, fabric_host_find(rig->b.fabric, "bay4"), rungs);
	assert_string_equal(rungs, "unbind, power off by the switch, a person");
}

static void s7_a_witness_that_is_not_asked_cuts_nothing_short(void **state)
{
	struct rig *rig = *state;
	struct config config;

	begin(rig, 0);
	config = *fabric_config(rig->b.fabric);
	config.witness = CONFIG_WITNESS_NONE;
	fabric_configure(rig->b.fabric, &config);
	brain_run(&rig->b, 10 * BEAT);
	rig->b.silent[BAY1 - 1] = true;
	power(rig, false);
	brain_run(&rig->b, 4 * BEAT - 100);
	assert_true(bay1(rig)->state == FABRIC_HOST_ALIVE ||
		    bay1(rig)->state == FABRIC_HOST_SUSPECT);

	run_until(rig, FABRIC_HOST_FENCED);
}

static void a_suspect_whose_switch_was_lost_meanwhile_is_alive_with_its_next_beat(void **state)
{
	struct rig *rig = *state;
	struct provider_hello hello;

	begin(rig, 0);
	hello = *sim_model_hello(rig->b.model);
	rig->b.silent[BAY1 - 1] = true;
	run_until(rig, FABRIC_HOST_SUSPECT);
	rig->b.sink.state(rig->b.sink.arg, PROVIDER_LOST, NULL);
	brain_run(&rig->b, BEAT);
	rig->b.sink.state(rig->b.sink.arg, PROVIDER_READY, &hello);
	brain_run(&rig->b, BEAT);
	rig->b.silent[BAY1 - 1] = false;
	brain_run(&rig->b, 2 * BEAT);

	assert_int_equal(bay1(rig)->state, FABRIC_HOST_ALIVE);
}

static void a_host_that_vanishes_while_it_is_let_in_stays_fenced_and_that_is_answered(void **state)
{
	struct rig *rig = *state;
	struct fabric_problem problem;

	begin(rig, 0);
	silence(rig);
	run_until(rig, FABRIC_HOST_FENCED);
	brain_run(&rig->b, 10 * BEAT);
	assert_all_at(rig, BAY4);
	fault(rig, PROVIDER_READ_HOST, SIM_FAULT_DELAY, 300, 0);
	rig->answers = 0;
	assert_int_equal(fabric_host_readmit(rig->b.fabric, "bay1", 0, &problem, on_answer, rig),
			 0);
	brain_run(&rig->b, 100);
	rig->b.on_scan = is_replaced;
	scan_again(rig);
	brain_run(&rig->b, 10 * BEAT);

	assert_int_equal(rig->answers, 1);
	assert_int_equal(rig->answer, REFUSE_IN_DOUBT);
	assert_int_equal(bay1(rig)->state, FABRIC_HOST_FENCED);
}

/* ---- what a fence must not do ---- */

/* Nor is its power taken by the site's program. */
static void a_drill_runs_no_program(void **state)
{
	const struct fabric_drill how = { .force = true };
	struct fabric_problem problem;
	struct rig *rig = *state;
	struct config config;

	begin(rig, HAS_PROGRAM);
	config = *fabric_config(rig->b.fabric);
	(void)snprintf(config.fences[0].host, CONFIG_TEXT_MAX, "bay3");
	fabric_configure(rig->b.fabric, &config);
	fault(rig, PROVIDER_ISOLATE, SIM_FAULT_REFUSED, 0, 0);
	fault(rig, PROVIDER_READ_HOST, SIM_FAULT_LOST, 0, 0);
	assert_int_equal(
		fabric_host_drill(rig->b.fabric, "bay3", &how, 0, &problem, on_answer, rig), 0);
	for (unsigned n = 0;
	     n < 60 && fabric_host_find(rig->b.fabric, "bay3")->state != FABRIC_HOST_BLOCKED; n++)
		brain_run(&rig->b, BEAT);

	assert_int_equal(fabric_host_find(rig->b.fabric, "bay3")->state, FABRIC_HOST_BLOCKED);
	assert_int_equal(rig->b.program.runs, 0);
}

/* In what the switch shows of bay1. */
static void name_no_function(struct brain *b, struct provider_binding *now)
{
	if (now->host == 1)
		now->function = *(uint32_t *)b->arg;
}

/* Its words are checked before they are used (provider/), and are not trusted here either. */
static void a_switch_that_shows_functions_that_there_are_not_proves_nothing(void **state)
{
	uint32_t handles[] = { 0, UINT32_MAX };
	struct rig *rig = *state;

	begin(rig, 0);
	for (size_t i = 0; i < 2; i++) {
		rig->b.arg = &handles[i];
		rig->b.on_binding = name_no_function;
		if (!i)
			silence(rig);
		brain_run(&rig->b, 10 * BEAT);
		assert_int_not_equal(bay1(rig)->state, FABRIC_HOST_FENCED);
	}
	rig->b.on_binding = NULL;
	for (unsigned n = 0; n < 120 && bay1(rig)->state != FABRIC_HOST_FENCED; n++)
		brain_run(&rig->b, BEAT);
	assert_int_equal(bay1(rig)->state, FABRIC_HOST_FENCED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_begin, rig_end)

/* ---- what the time line and the plan say, and when ---- */

static void the_plan_names_isolation_where_there_is_one(void **state)
{
	struct rig *rig = *state;
	char rungs[DB_TEXT_MAX];

	begin(rig, 0);
	fabric_host_rungs(rig->b.fabric, bay1(rig), rungs);
	assert_string_equal(rungs, "isolate, unbind, power off by the switch, a person");
}

static void one_refused_isolation_is_tried_again(void **state)
{
	struct rig *rig = *state;

	begin(rig, 0);
	fault(rig, PROVIDER_ISOLATE, SIM_FAULT_REFUSED, 0, 1);
	silence(rig);
	run_until(rig, FABRIC_HOST_FENCED);

	assert_int_equal(said(rig, "isolate failed: "), 1);
	assert_int_equal(said(rig, "empty: isolated, its virtual switch read back empty"), 1);
}

/* The incident tells how it was fenced; letting it in again is another matter. */
static void what_fails_while_a_host_is_let_in_is_no_part_of_its_incident(void **state)
{
	struct rig *rig = *state;
	const struct fabric_incident *of;
	uint64_t id;
	size_t steps;

	begin(rig, 0);
	silence(rig);
	run_until(rig, FABRIC_HOST_FENCED);
	rig->b.silent[BAY1 - 1] = false;
	brain_run(&rig->b, 10 * BEAT);
	id = bay1(rig)->incident;
	assert_int_equal(said(rig, "isolate failed: "), 0);
	steps = incident(rig)->step_count;
	fault(rig, PROVIDER_ISOLATE, SIM_FAULT_FAILED, 0, 1);
	assert_int_equal(readmit(rig), 0);
	run_until_taken(rig);
	brain_run(&rig->b, 5 * BEAT);

	assert_int_equal(bay1(rig)->state, FABRIC_HOST_ALIVE);
	of = fabric_incident_find(rig->b.fabric, id);
	assert_non_null(of);
	for (size_t i = steps; i < of->step_count; i++)
		assert_string_not_equal(of->steps[i].what, "isolate failed");
}

/* A switch that sees power where there is none. */
static void read_powered(struct brain *b, struct provider_completion *done)
{
	(void)b;
	if (done->host.host == BAY1)
		done->host.power = true;
}

static void while_the_switch_sees_power_nothing_is_unbound_on_its_power_off(void **state)
{
	struct rig *rig = *state;

	begin(rig, QEMU_LIKE | HAS_PROGRAM);
	rig->b.on_host = read_powered;
	silence(rig);
	run_until_said(rig, "next: fence_test, for the switch does not take its power");

	assert_int_equal(said(rig, "empty: "), 0);
	assert_all_at(rig, BAY1);
}

static void a_switch_that_sees_the_loss_of_power_a_little_later_makes_no_liar(void **state)
{
	struct rig *rig = *state;

	begin(rig, POWERLESS | HAS_PROGRAM);
	rig->b.program.status_code = 2;
	silence(rig);
	run_until_said(rig, "program: fence_test says off");
	brain_run(&rig->b, 500);
	power(rig, false);
	run_until(rig, FABRIC_HOST_FENCED);

	assert_int_equal(said(rig, "lied: "), 0);
	assert_int_equal(said(rig, "empty: its virtual switch read back empty"), 1);
}

/* By what a read shows, or by the read that fails: without the window that silence is given. */
static void a_liar_is_found_out_as_soon_as_the_switch_must_have_seen_it(void **state)
{
	struct rig *rig = *state;
	uint64_t from;

	begin(rig, POWERLESS | HAS_PROGRAM);
	rig->b.program.status_code = 2;
	silence(rig);
	run_until_said(rig, "program: fence_test says off");
	from = rig->b.now_ms;
	run_until_said(rig, "lied: ");

	assert_true(rig->b.now_ms - from < 2 * BEAT);
}

static void one_that_cannot_be_read_is_found_out_as_soon(void **state)
{
	struct rig *rig = *state;
	uint64_t from;

	begin(rig, POWERLESS | HAS_PROGRAM);
	rig->b.program.status_code = 2;
	fault(rig, PROVIDER_READ_HOST, SIM_FAULT_REFUSED, 0, 0);
	silence(rig);
	run_until_said(rig, "program: fence_test says off");
	from = rig->b.now_ms;
	run_until_said(rig, "lied: ");

	assert_true(rig->b.now_ms - from < 2 * BEAT);
}

static void one_that_beats_again_while_it_is_listened_for_is_not_fenced_by_a_word(void **state)
{
	struct rig *rig = *state;
	uint64_t from;

	begin(rig, POWERLESS | CANNOT_TELL_POWER | HAS_PROGRAM);
	rig->b.program.status_code = 2;
	silence(rig);
	run_until_said(rig, "program: fence_test says off");
	brain_run(&rig->b, 3 * BEAT);
	assert_int_equal(bay1(rig)->state, FABRIC_HOST_FENCING);
	rig->b.silent[BAY1 - 1] = false;
	from = rig->b.now_ms;
	run_until_said(rig, "lied: fence_test says off, but it beats");
	assert_true(rig->b.now_ms - from < 2 * BEAT);
	run_until(rig, FABRIC_HOST_BLOCKED);

	assert_int_equal(said(rig, "fenced: "), 0);
	assert_all_at(rig, BAY1);
}

/* The look is at fenced hosts alone: one that is in use is not fenced for what it holds. */
static void a_host_in_use_whose_power_is_seen_to_come_back_is_left_alone(void **state)
{
	struct rig *rig = *state;
	struct config config;

	begin(rig, CANNOT_ISOLATE);
	config = *fabric_config(rig->b.fabric);
	config.witness = CONFIG_WITNESS_NONE;
	fabric_configure(rig->b.fabric, &config);
	power(rig, false);
	brain_run(&rig->b, 20);
	power(rig, true);
	brain_run(&rig->b, 10 * BEAT);

	assert_int_equal(bay1(rig)->state, FABRIC_HOST_ALIVE);
	assert_null(incident(rig));
	assert_all_at(rig, BAY1);
}

static void a_person_is_not_heard_for_a_host_that_is_not_blocked(void **state)
{
	struct rig *rig = *state;

	begin(rig, 0);
	silence(rig);
	assert_int_equal(confirm(rig), REFUSE_HOST_STATE); /* the fence is at it */
	run_until(rig, FABRIC_HOST_FENCED);
	assert_int_equal(confirm(rig), REFUSE_HOST_STATE);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_host_that_vanishes_while_it_is_let_in_stays_fenced_and_that_is_answered),
		TEST(a_drill_runs_no_program),
		TEST(a_switch_that_shows_functions_that_there_are_not_proves_nothing),
		TEST(where_the_switch_isolates_no_power_is_taken),
		TEST(where_it_does_not_unbinding_suffices),
		TEST(an_isolation_that_is_refused_leads_to_unbinding),
		TEST(what_cannot_be_taken_by_surprise_loses_its_power_at_once),
		TEST(unbinding_that_fails_again_and_again_leads_to_power_off),
		TEST(a_host_that_cannot_be_read_goes_up_and_not_round),
		TEST(a_read_that_is_answered_with_no_goes_up_at_once),
		TEST(one_lost_answer_takes_nobodys_power),
		TEST(a_switch_that_is_lost_says_nothing_about_the_host),
		TEST(a_refused_power_off_leads_to_the_program_at_once),
		TEST(a_power_off_without_answer_is_looked_for_and_then_tried_again),
		TEST(a_power_off_that_does_nothing_is_not_believed),
		TEST(a_program_that_takes_the_power_is_proved_by_the_read_back),
		TEST(what_a_program_did_counts_whatever_it_says_of_it),
		TEST(one_that_says_off_while_the_switch_sees_power_has_lied),
		TEST(one_that_says_off_while_the_host_cannot_be_read_has_lied_too),
		TEST(one_that_says_off_while_the_host_beats_has_lied),
		TEST(where_nobody_can_tell_its_word_is_taken_and_not_for_the_read_back),
		TEST(a_host_that_is_off_by_a_word_and_beats_is_fenced_anew),
		TEST(no_word_counts_while_something_may_still_be_carried_out),
		TEST(one_that_cannot_be_begun_leads_to_a_person),
		TEST(one_that_says_on_leads_to_a_person),
		TEST(a_person_may_be_quicker_than_the_program),
		TEST(nobody_is_let_in_while_a_program_takes_his_power),
		TEST(a_blocked_host_climbs_the_whole_ladder_again_and_says_it_once),
		TEST(a_fenced_host_that_comes_up_empty_stays_fenced),
		TEST(a_fenced_host_that_comes_up_with_a_function_is_fenced_anew),
		TEST(a_fenced_host_that_waits_to_be_let_in_keeps_its_power),
		TEST(one_that_is_found_holding_something_after_a_reconnect_is_fenced_anew),
		TEST(one_that_cannot_be_let_in_for_what_it_holds_is_fenced_anew),
		TEST(a_host_that_vanishes_from_the_scan_while_it_is_fenced_is_blocked_until_it_is_back),
		TEST(what_a_fenced_host_had_goes_on_when_the_switch_shows_it_no_more),
		TEST(a_host_that_no_switch_shows_is_failed_over_by_hand_once_somebody_vouches),
		TEST(a_host_that_vanishes_while_it_is_looked_at_is_looked_at_when_it_is_back),
		TEST(what_cannot_be_told_is_never_empty),
		TEST(the_plan_names_the_rungs),
		TEST(s7_a_witness_that_is_not_asked_cuts_nothing_short),
		TEST(a_suspect_whose_switch_was_lost_meanwhile_is_alive_with_its_next_beat),
		TEST(the_plan_names_isolation_where_there_is_one),
		TEST(one_refused_isolation_is_tried_again),
		TEST(what_fails_while_a_host_is_let_in_is_no_part_of_its_incident),
		TEST(while_the_switch_sees_power_nothing_is_unbound_on_its_power_off),
		TEST(a_switch_that_sees_the_loss_of_power_a_little_later_makes_no_liar),
		TEST(a_liar_is_found_out_as_soon_as_the_switch_must_have_seen_it),
		TEST(one_that_cannot_be_read_is_found_out_as_soon),
		TEST(one_that_beats_again_while_it_is_listened_for_is_not_fenced_by_a_word),
		TEST(a_host_in_use_whose_power_is_seen_to_come_back_is_left_alone),
		TEST(a_person_is_not_heard_for_a_host_that_is_not_blocked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
