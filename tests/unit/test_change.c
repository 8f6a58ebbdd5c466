/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes of many functions, on switches that take their time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "brain_fixture.h"
#include "common/log.h"
#include "fabricd/state.h"

enum { OPS_MAX = 256, START_MS = 60000, PATIENCE_MS = 1 << 30, SWITCHES = 2 };

struct answers {
	uint64_t id;
	bool is_durable; /* the intent */
	bool is_over;
	bool was_all_stored; /* when it was told to be over */
	struct brain *b;
};

static void on_durable(void *arg, int r, uint64_t id)
{
	struct answers *a = arg;

	assert_int_equal(r, 0);
	a->id = id;
	a->is_durable = true;
}

static void on_over(void *arg, int r, uint64_t id)
{
	struct answers *a = arg;

	(void)id;
	assert_int_equal(r, 0);
	a->is_over = true;
	a->was_all_stored = !a->b->commits;
}

static void brain_start(struct brain *b, unsigned adapters, unsigned vfs, uint32_t command_ms)
{
	char why[SIM_CHASSIS_WHY];
	struct sim_chassis *chassis;

	log_setup("test_change", LOG_LEVEL_ERR);
	assert_int_equal(sim_chassis_generate(4, SWITCHES, adapters, vfs, &chassis, why), 0);
	chassis->command_ms = command_ms;
	chassis->timeout_ms = 4 * command_ms + 1000;
	brain_init_take(b, chassis);
	brain_run(b, START_MS);
}

/* The first @count[s] functions of switch s + 1 to @host. */
static uint64_t assign_begin(struct brain *b, const unsigned count[SWITCHES], const char *host,
			     struct answers *answers)
{
	static struct fabric_request_op ops[OPS_MAX];
	struct fabric_request request = { .ops = ops };
	struct fabric_problem problem;
	unsigned taken[SWITCHES] = { 0 };
	size_t total;
	const struct fabric_function *const *functions = fabric_functions(b->fabric, &total);

	for (size_t i = 0; i < total; i++) {
		struct fabric_request_op *op = &ops[request.op_count];
		unsigned s = functions[i]->adapter->as.switch_handle - 1u;

		if (fabric_function_is_kept(functions[i]) || functions[i]->host ||
		    functions[i]->item || taken[s] == count[s])
			continue;
		taken[s]++;
		request.op_count++;
		*op = (struct fabric_request_op){ .op = DB_OP_ASSIGN };
		(void)snprintf(op->function, sizeof(op->function), "%s", functions[i]->name);
		(void)snprintf(op->host, sizeof(op->host), "%s", host);
	}
	*answers = (struct answers){ .b = b };
	assert_int_equal(fabric_change_request(b->fabric, &request, &problem, on_durable, answers),
			 0);
	while (!answers->is_durable)
		brain_step(b);
	return answers->id;
}

static void assign(struct brain *b, const unsigned count[SWITCHES], const char *host,
		   struct answers *answers)
{
	uint64_t id = assign_begin(b, count, host, answers);

	assert_int_equal(fabric_change_wait(b->fabric, id, on_over, answers), 0);
}

static void wait_until_over(struct brain *b, const struct answers *answers)
{
	for (uint64_t end = b->now_ms + PATIENCE_MS; !answers->is_over && b->now_ms < end;)
		brain_step(b);
	assert_true(answers->is_over);
}

/* One function is done long before the others, and the disk is slower than all of them. */
static void a_change_is_over_only_when_its_last_function_is_durable(void **state)
{
	static struct brain b;
	struct answers answers;

	(void)state;
	brain_start(&b, 2, 8, 10);
	b.commit_ms = 5000;

	assign(&b, (const unsigned[]){ 1, 8 }, "bay1", &answers);
	wait_until_over(&b, &answers);

	assert_true(answers.was_all_stored);
	brain_done(&b);
}

static void a_function_that_waits_long_for_its_switch_is_not_given_up(void **state)
{
	static struct brain b;
	struct answers answers;

	(void)state;
	brain_start(&b, 8, 60, 2);

	assign(&b, (const unsigned[]){ 128, 0 }, "bay1", &answers);
	wait_until_over(&b, &answers);

	assert_int_equal(fabric_change_find(b.fabric, 1)->row.state, DB_CHANGE_DONE);
	brain_done(&b);
}

static uint32_t step_ms(const struct fabric_incident *incident, const char *what)
{
	for (size_t i = 0; i < incident->step_count; i++)
		if (!strcmp(incident->steps[i].what, what))
			return incident->steps[i].offset_ms;
	fail_msg("the time line has no \"%s\"", what);
	return 0;
}

/* isolate, what it shows, unbind them side by side, empty: as long as one switch takes for half. */
static void a_fence_lets_two_switches_unbind_side_by_side(void **state)
{
	static struct brain b;
	struct answers answers;
	const struct fabric_incident *incident = NULL;

	(void)state;
	brain_start(&b, 2, 8, 1000);
	assign(&b, (const unsigned[]){ 8, 8 }, "bay1", &answers);
	wait_until_over(&b, &answers);

	assert_int_equal(sim_model_host(b.model, 1, SIM_HOST_POWER, false), 0);
	b.silent[0] = true;
	for (uint64_t end = b.now_ms + PATIENCE_MS; b.now_ms < end; brain_step(&b)) {
		incident = fabric_incident_find(b.fabric, 1);
		if (incident && incident->row.state == DB_INCIDENT_WAITING)
			break; /* fenced; there is no spare */
	}

	assert_non_null(incident);
	assert_in_range(step_ms(incident, "fenced") - step_ms(incident, "verdict"), 11000, 11100);
	brain_done(&b);
}

/* A fence that begins now finds the queue short. */
static void what_stands_in_the_queue_of_a_switch_is_bounded(void **state)
{
	static struct brain b;
	struct answers answers;
	size_t most = 0;

	(void)state;
	brain_start(&b, 8, 60, 10);
	assign(&b, (const unsigned[]){ 200, 0 }, "bay1", &answers);
	while (!answers.is_over) {
		const struct flow *flow = &b.fabric->providers[0]->flows[1];

		if (flow->effects > most)
			most = flow->effects;
		brain_step(&b);
	}

	assert_int_equal(most, FABRIC_FLIGHT);
	brain_done(&b);
}

static size_t open_items(const struct brain *b, uint64_t id)
{
	return fabric_change_find(b->fabric, id)->run.open;
}

/* 200 functions are given to bay2 while bay1, which has died, is emptied. */
static void what_a_failover_moves_waits_for_nothing_that_has_not_begun(void **state)
{
	static struct brain b;
	struct answers answers;
	const struct fabric_incident *incident;
	uint64_t id;

	(void)state;
	brain_start(&b, 8, 60, 100);
	assign(&b, (const unsigned[]){ 4, 0 }, "bay1", &answers);
	wait_until_over(&b, &answers);
	assert_int_equal(fabric_host_set_spare(b.fabric, "bay3", true, 0, NULL, NULL), 0);
	assert_int_equal(sim_model_host(b.model, 1, SIM_HOST_POWER, false), 0);
	b.silent[0] = true;
	do {
		brain_step(&b);
		incident = fabric_incident_find(b.fabric, 1);
	} while (!incident || strcmp(incident->steps[incident->step_count - 1].what, "unbind"));

	id = assign_begin(&b, (const unsigned[]){ 200, 0 }, "bay2", &answers);
	while (incident->row.state != DB_INCIDENT_DONE)
		brain_step(&b);
	assert_in_range(open_items(&b, id), 60, 200);
	/* Nor does the fence. */
	assert_in_range(step_ms(incident, "fenced") - step_ms(incident, "unbind"), 400, 1000);
	brain_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_is_over_only_when_its_last_function_is_durable),
		cmocka_unit_test(a_function_that_waits_long_for_its_switch_is_not_given_up),
		cmocka_unit_test(a_fence_lets_two_switches_unbind_side_by_side),
		cmocka_unit_test(what_stands_in_the_queue_of_a_switch_is_bounded),
		cmocka_unit_test(what_a_failover_moves_waits_for_nothing_that_has_not_begun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
