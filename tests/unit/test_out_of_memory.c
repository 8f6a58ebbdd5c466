/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The brain when memory runs out: its 1st, 2nd, 3rd ... allocation fails, until none is left that
 * could. It refuses, freezes, or ends where no record can be made (history.c); it never goes on
 * with what it has not got. The brain is built once more for this, with its allocations sent here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fabricd/state.h"
#include "house_fixture.h"

enum { NONE_LEFT = 42, FAILURES_MAX = 20000 };

static const char *const STRAY = "nic-0001/pf0/vf5";

static bool is_armed;
static size_t left;

void *memory_malloc(size_t size);
void *memory_calloc(size_t count, size_t size);
void *memory_realloc(void *at, size_t size);
_Noreturn void memory_abort(void);

static bool is_last(void)
{
	if (!is_armed || left--)
		return false;
	is_armed = false;
	return true;
}

void *memory_malloc(size_t size)
{
	return is_last() ? NULL : malloc(size);
}

void *memory_calloc(size_t count, size_t size)
{
	return is_last() ? NULL : calloc(count, size);
}

void *memory_realloc(void *at, size_t size)
{
	return is_last() ? NULL : realloc(at, size);
}

/* "There is no way on from here": said, and meant. */
void memory_abort(void)
{
	_exit(0);
}

/* As manager_start(), but it may fail. */
static bool start(struct house *h)
{
	const struct fabric_io io = { .now_ms = io_now,
				      .wall_ms = io_wall,
				      .submit_take = io_submit_take,
				      .db_waiting_since_ms = io_waiting,
				      .published = io_published,
				      .arg = h };
	char why[DB_TEXT_MAX] = "";
	unsigned number;

	if (fabric_new(&h->config, &io, &h->fabric))
		return false;
	if (fabric_load(h->fabric, h->db, why) ||
	    fabric_provider_add(h->fabric, "sim0", &h->reach[0].sink, &number)) {
		fabric_free(h->fabric);
		h->fabric = NULL;
		return false;
	}
	h->reach[0].inner = sim_model_provider(h->reach[0].model, &h->reach[0].sink);
	fabric_provider_set(h->fabric, number, &h->reach[0].base);
	fabric_start(h->fabric);
	return true;
}

/* Done, refused, or honest about why not. */
static void may_fail(int r)
{
	if (r < 0 && r != -ENOMEM)
		_exit(3);
}

static void on_view(void *arg, const struct provider_config *config, const char *why)
{
	(void)arg;
	(void)config;
	(void)why;
}

static void drill(struct house *h)
{
	static const struct fabric_drill how = { .force = true };
	struct fabric_problem problem;

	may_fail(fabric_host_drill(h->fabric, "bay4", &how, 0, &problem, on_answer, h));
	run(h, BEAT);
}

static void ask_much(struct house *h)
{
	struct fabric_request_op one = op(DB_OP_ASSIGN, VF3, "bay2", MAC2);
	const struct fabric_request keyed = { .ops = &one, .op_count = 1, .key = "k", .hash = 1 };
	const struct fabric_seen row = { .address = "0000:05:00.0", .mac = MAC1 };
	struct fabric_profile_member members[2] = { { .function = "nic-0001/pf0/vf6" },
						    { .function = "nic-0001/pf0/vf7" } };
	const struct fabric_profile_request profile = {
		.name = "web", .priority = 500, .members = members, .member_count = 2
	};
	static const struct fabric_asker nobody = { 0 };
	struct fabric_problem problem;
	struct fabric_plan plan;

	if (!ask(h, DB_OP_ASSIGN, VF1, "bay1", MAC1))
		_exit(7); /* S12: there is no spare, and that was not weighed */
	may_fail(fabric_host_set_spare(h->fabric, "bay8", true, 0, on_answer, h));
	run(h, 10);
	drill(h);
	may_fail(ask(h, DB_OP_ASSIGN, VF1, "bay1", MAC1));
	may_fail(ask(h, DB_OP_ASSIGN, GPU0, "bay1", 0));
	if (!fabric_change_request(h->fabric, &keyed, &problem, on_answer, h))
		may_fail(fabric_change_wait(h->fabric, 1, on_answer, h));
	run(h, 500);
	one = op(DB_OP_MOVE, VF3, "bay3", 0);
	if (!fabric_change_plan(h->fabric, &keyed, &problem, &plan))
		fabric_plan_done(&plan);
	if (!fabric_host_failover_plan(h->fabric, "bay1", &problem, &plan))
		fabric_plan_done(&plan);
	if (!fabric_host_drain_plan(h->fabric, "bay2", "bay3", &problem, &plan))
		fabric_plan_done(&plan);
	may_fail(fabric_profile_set(h->fabric, &profile, &problem, on_answer, h));
	run(h, 10);
	may_fail(fabric_profile_change(h->fabric, "web", DB_OP_ASSIGN, "bay6", &nobody, &problem,
				       on_answer, h));
	if (fabric_function_find(h->fabric, STRAY)) {
		foreign(h, PROVIDER_BIND, STRAY, BAY3, 9, 0);
		scan_again(h);
	}
	if (!fabric_adopt(h->fabric, true, 0, &plan, NULL, NULL))
		fabric_plan_done(&plan);
	may_fail(fabric_host_drain(h->fabric, "bay2", "bay3", &(struct fabric_asker){ 0 }, &problem,
				   on_answer, h));
	may_fail(fabric_host_seen(h->fabric, "bay1", "boot-0-0", &row, 1));
	may_fail(fabric_view(h->fabric, NULL, on_view, h));
	run(h, 500);
}

static struct fabric_host *host_of(const struct house *h, const char *name)
{
	return (struct fabric_host *)fabric_host_find(h->fabric, name);
}

static void lose_a_host(struct house *h)
{
	int r;

	silence(h, BAY1);
	may_fail(sim_model_host(h->reach[0].model, BAY1, SIM_HOST_POWER, false));
	run(h, MOVED);
	may_fail(sim_model_host(h->reach[0].model, BAY1, SIM_HOST_POWER, true));
	h->agents[0].beats = true;
	h->agents[0].boots++;
	run(h, 2 * BEAT);
	r = readmit(h, "bay1");
	may_fail(r);
	if (!r && !host_of(h, "bay1")->fence)
		_exit(6); /* it was said to be let in, and nobody lets it in */
	run(h, BEAT);
	may_fail(failover(h, "bay5"));
	run(h, BEAT);
}

/* A cold spare that its switch does not power on; its fence is one more. */
static void lose_a_cold_spare(struct house *h)
{
	const struct provider_op op = { .verb = PROVIDER_HOST_POWER, .attempt = 1, .host = 7 };
	const struct provider_completion refused = { .outcome = PROVIDER_REFUSED };
	struct fabric_host *host = host_of(h, "bay7");

	host->cold.attempt = op.attempt;
	host->cold.incident = 1;
	h->fabric->cold_count++;
	cold_completed(h->fabric->providers[0], &op, &refused);
	run(h, BEAT);
}

/* Somebody has vouched for a host, and it is fenced once more: in an incident of its own. */
static void vouch_wrongly(struct house *h, struct fabric_host *host)
{
	struct fabric_incident *incident = incident_get(h->fabric, host->incident);

	if (incident)
		incident_step(h->fabric, incident, CONFIRMED_STEP, "the test says so");
	incident_fence_again(h->fabric, host, "the test says so");
	run(h, BEAT);
}

static void replay(struct house *h)
{
	const struct fabric_replay_set set = { "heartbeat.missed", "7" };
	struct fabric_problem problem;
	struct fabric_replay replay;
	int r = fabric_incident_replay(h->fabric, 1, &set, 1, &problem, &replay);

	may_fail(r);
	if (!r)
		fabric_replay_done(&replay);
}

/* What a manager meets in its life. Return: NONE_LEFT when nothing has failed. */
static int live(struct house *h)
{
	h->config.reserve = 1;
	if (!start(h))
		return 0;
	run(h, STEADY);
	/* A scan that was not taken in whole: nothing is concluded from it. */
	if (!h->fabric->frozen && h->fabric->hosts.count != HOSTS)
		return 5;
	sim_model_reboot(h->reach[0].model, 0);
	run(h, 2 * BEAT);
	ask_much(h);
	lose_a_host(h);
	scan_again(h);
	if (host_of(h, "bay1") && host_of(h, "bay2")) {
		incident_fence_again(h->fabric, host_of(h, "bay1"), "the test says so");
		run(h, BEAT);
		incident_fence_failed(h->fabric, host_of(h, "bay2"), "the test says so", h->now_ms);
		run(h, BEAT);
		vouch_wrongly(h, host_of(h, "bay1"));
		lose_a_cold_spare(h);
		replay(h);
	}
	manager_kill(h);
	if (!start(h))
		return 0;
	run(h, STEADY);
	if (!is_armed)
		return 0;
	return at_switch(h, VF1) == BAY8 && at_switch(h, VF3) == BAY3 ? NONE_LEFT : 4;
}

static int live_with(struct house *h, size_t good)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child) {
		left = good;
		is_armed = true;
		_exit(live(h));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (!WIFEXITED(status) || (WEXITSTATUS(status) && WEXITSTATUS(status) != NONE_LEFT))
		fail_msg("allocation %zu fails, and it ends with status %#x", good + 1,
			 (unsigned)status);
	return WEXITSTATUS(status);
}

static void whichever_allocation_fails_nothing_goes_on_without_it(void **state)
{
	size_t good = 0;

	while (live_with(*state, good) != NONE_LEFT) {
		good++;
		assert_true(good < FAILURES_MAX);
	}

	assert_in_range(good, 100, FAILURES_MAX); /* it has met some */
	manager_start(*state);                    /* for house_end() */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			whichever_allocation_fails_nothing_goes_on_without_it, house_begin,
			house_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
