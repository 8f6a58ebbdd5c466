/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes of many functions, on switches that take their time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "brain_fixture.h"
#include "common/log.h"
#include "fabricd/item.h"
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
		size_t effects = flow->parts[PROVIDER_FOR_REST].effects;

		if (effects > most)
			most = effects;
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

/* ---- a failover, and much else at a switch of 100 ms per command ---- */

static const struct fabric_incident *die(struct brain *b)
{
	assert_int_equal(sim_model_host(b->model, 1, SIM_HOST_POWER, false), 0);
	b->silent[0] = true;
	while (!fabric_incident_find(b->fabric, 1))
		brain_step(b);
	return fabric_incident_find(b->fabric, 1);
}

static uint32_t wait_until_moved(struct brain *b, const struct fabric_incident *incident)
{
	for (uint64_t end = b->now_ms + PATIENCE_MS;
	     incident->row.state != DB_INCIDENT_DONE && b->now_ms < end;)
		brain_step(b);
	assert_int_equal(incident->row.state, DB_INCIDENT_DONE);
	return step_ms(incident, "done") - step_ms(incident, "verdict");
}

/* bay1 has four functions, bay3 is its spare; 200 functions are on their way to bay2. */
static void busy_start(struct brain *b, bool is_busy)
{
	struct answers answers;
	const struct flow *flow;

	brain_start(b, 8, 60, 100);
	assign(b, (const unsigned[]){ 4, 0 }, "bay1", &answers);
	wait_until_over(b, &answers);
	assert_int_equal(fabric_host_set_spare(b->fabric, "bay3", true, 0, NULL, NULL), 0);
	flow = &b->fabric->providers[0]->flows[1];
	if (is_busy)
		(void)assign_begin(b, (const unsigned[]){ 200, 0 }, "bay2", &answers);
	while (is_busy && flow->parts[PROVIDER_FOR_REST].effects < FABRIC_FLIGHT)
		brain_step(b);
}

static void a_failover_passes_what_others_have_put_before_it(void **state)
{
	static struct brain b;
	uint32_t alone_ms;

	(void)state;
	busy_start(&b, false);
	alone_ms = wait_until_moved(&b, die(&b));
	brain_done(&b);
	busy_start(&b, true);

	/* two that were sent before, and one in eight */
	assert_in_range(wait_until_moved(&b, die(&b)), alone_ms, alone_ms + 500);
	assert_in_range(open_items(&b, 2), 195, 200);
	brain_done(&b);
}

/* They are done with, and nobody has to ask for anything. */
static void what_others_have_put_goes_on_when_the_failover_is_over(void **state)
{
	static struct brain b;

	(void)state;
	busy_start(&b, true);
	(void)wait_until_moved(&b, die(&b));

	for (uint64_t end = b.now_ms + PATIENCE_MS; open_items(&b, 2) && b.now_ms < end;)
		brain_step(&b);

	assert_int_equal(fabric_change_find(b.fabric, 2)->row.state, DB_CHANGE_DONE);
	brain_done(&b);
}

/* The one function of bay1 that is being moved to bay4. */
static const struct fabric_item *move_begin(struct brain *b, struct answers *answers)
{
	struct fabric_request_op op = { .op = DB_OP_MOVE, .host = "bay4" };
	const struct fabric_request request = { .ops = &op, .op_count = 1 };
	struct fabric_problem problem;
	size_t total;
	const struct fabric_function *const *functions = fabric_functions(b->fabric, &total);

	for (size_t i = 0; i < total; i++)
		if (functions[i]->host && !strcmp(functions[i]->host->name, "bay1"))
			(void)snprintf(op.function, sizeof(op.function), "%s", functions[i]->name);
	*answers = (struct answers){ .b = b };
	assert_int_equal(fabric_change_request(b->fabric, &request, &problem, on_durable, answers),
			 0);
	while (!answers->is_durable)
		brain_step(b);
	return &fabric_change_find(b->fabric, answers->id)->items[0];
}

static bool is_among_wanting(const struct brain *b, const struct fabric_item *item)
{
	const struct flow_part *part = &b->fabric->providers[0]->flows[1].parts[PROVIDER_FOR_REST];
	bool is_among = false;

	for (size_t i = 0; i < part->want_count; i++)
		is_among = is_among || part->want[i] == item;
	return is_among;
}

/* Whatever it waits for when its host dies: a read-back that is to be joined by others, the
 * read-back itself, room at the switch, its turn there. */
static void what_was_on_its_way_from_a_dead_host_passes_others_too(void **state)
{
	static const struct {
		const char *step;
		bool is_wanting;
	} cases[] = { { "read back", true },
		      { "read back", false },
		      { "waits for the switch", false },
		      { "reset", false },
		      { "bind", false } };
	static struct brain b;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct fabric_item *item;
		struct answers answers;
		uint32_t ms;

		busy_start(&b, true);
		item = move_begin(&b, &answers);
		while (strcmp(item->step, cases[i].step) != 0 ||
		       is_among_wanting(&b, item) != cases[i].is_wanting)
			brain_step(&b);
		ms = wait_until_moved(&b, die(&b));
		if (ms > 2500)
			fail_msg("%s, case %zu: %u ms", cases[i].step, i, ms);
		assert_int_equal(item->row.state, DB_CHANGE_DONE);
		assert_string_equal(item->fn->host->name, "bay4");
		brain_done(&b);
	}
}

/* It ends parked, for its host is dead, and only then is it the failover's. What has begun is read
 * back before that. */
static void what_was_on_its_way_to_a_dead_host_passes_others_too(void **state)
{
	static const char *const steps[] = { "read back", "reset" };
	static struct brain b;

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		const struct fabric_item *item;
		struct answers answers;
		uint64_t id;

		busy_start(&b, true);
		id = assign_begin(&b, (const unsigned[]){ 1, 0 }, "bay1", &answers);
		item = &fabric_change_find(b.fabric, id)->items[0];
		while (strcmp(item->step, steps[i]) != 0 || is_among_wanting(&b, item))
			brain_step(&b);

		assert_in_range(wait_until_moved(&b, die(&b)), 2000, 3500);
		assert_int_equal(item->row.state, DB_CHANGE_PARKED);
		assert_string_equal(item->fn->host->name, "bay3");
		brain_done(&b);
	}
}

/* The scan that comes next has counted anew, and has fewer functions. */
static void a_read_that_ends_when_its_function_is_gone_counts_for_none(void **state)
{
	static struct brain b;
	struct provider_op op = { .verb = PROVIDER_READ, .value = 1 };
	struct fabric_provider *p;
	size_t reading;

	(void)state;
	brain_start(&b, 1, 4, 1);
	p = b.fabric->providers[0];
	p->flows[1].reading += 5;
	reading = p->flows[1].reading;
	op.function = (uint32_t)p->function_count + 1;
	flow_read_over(p, &op);
	op.function = UINT32_MAX;
	flow_read_over(p, &op);
	assert_int_equal(p->flows[1].reading, reading);
	brain_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_is_over_only_when_its_last_function_is_durable),
		cmocka_unit_test(a_read_that_ends_when_its_function_is_gone_counts_for_none),
		cmocka_unit_test(a_function_that_waits_long_for_its_switch_is_not_given_up),
		cmocka_unit_test(a_fence_lets_two_switches_unbind_side_by_side),
		cmocka_unit_test(what_stands_in_the_queue_of_a_switch_is_bounded),
		cmocka_unit_test(what_a_failover_moves_waits_for_nothing_that_has_not_begun),
		cmocka_unit_test(a_failover_passes_what_others_have_put_before_it),
		cmocka_unit_test(what_others_have_put_goes_on_when_the_failover_is_over),
		cmocka_unit_test(what_was_on_its_way_from_a_dead_host_passes_others_too),
		cmocka_unit_test(what_was_on_its_way_to_a_dead_host_passes_others_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
