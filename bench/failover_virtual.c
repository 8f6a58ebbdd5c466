/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A failover under a virtual clock: how long the whole brain takes for it, and how many commands it
 * gives the switches, of which each carries out one after the other.
 *
 *   failover_virtual FUNCTIONS COMMAND_MS SWITCHES [MOVES]
 *
 * The functions are spread evenly over the switches, at one adapter of each; the host and its spare
 * stand at the first. MOVES changes, of one function each, from one living host to another, have
 * just begun when the host dies. Prints "verdict to done, ms; commands; of these isolate unbind
 * reset identity bind read; moves that had ended by then".
 */
#include <inttypes.h>

#include "common/log.h"
#include "tests/unit/brain_fixture.h"

#define SPARE "bay3" /* at the first switch, as the victim */

enum {
	HOSTS = 4,
	FUNCTIONS_MAX = 240,
	SWITCHES_MAX = 2,
	VICTIM = 1,
	FROM = 2, /* what else is moved, and to whom */
	TO = 4,
	MOVES_MAX = 200,
	BEGUN_COMMANDS = 20, /* when all those are under way */
	SETTLE_MS = 60000,
	PATIENCE_MS = 1 << 30
};

static struct {
	unsigned total;
	unsigned by_verb[PROVIDER_VERBS];
} commands;

static void count(void *arg, const struct sim_effect *effect)
{
	(void)arg;
	if (effect->op->verb == PROVIDER_SETTLE)
		return; /* it takes no place in the queue */
	commands.total++;
	commands.by_verb[effect->op->verb]++;
}

static void answered(void *arg, int r, uint64_t id)
{
	*(uint64_t *)arg = r ? 0 : id;
}

static bool is_wanted(const struct fabric_function *fn, const unsigned *left, bool has_mac)
{
	return !fabric_function_is_kept(fn) && left[fn->adapter->as.switch_handle] &&
	       has_mac == !!(fn->as.identity_can & PROVIDER_IDENTITY_MAC);
}

/* Return: the change's id, once it is durable. */
static uint64_t change(struct brain *b, const struct fabric_request_op *ops, unsigned n)
{
	const struct fabric_request request = { .ops = ops, .op_count = n };
	struct fabric_problem problem;
	static uint64_t id;

	id = 0;
	if (fabric_change_request(b->fabric, &request, &problem, answered, &id)) {
		(void)fprintf(stderr, "failover_virtual: %s\n", problem.reason);
		exit(1);
	}
	while (!id)
		brain_step(b);
	return id;
}

/* @n functions that nobody has; which stands in @ops. */
static void assign(struct brain *b, unsigned host, unsigned n, unsigned switches,
		   struct fabric_request_op *ops)
{
	unsigned left[SWITCHES_MAX + 1] = { 0 };
	const struct fabric_function *const *functions;
	size_t total;
	unsigned k = 0;
	uint64_t id;

	for (unsigned s = 1; s <= switches; s++)
		left[s] = n / switches;
	functions = fabric_functions(b->fabric, &total);
	/* Those with a MAC first: their way is the longer one. */
	for (size_t turn = 0; turn < 2 * total && k < n; turn++) {
		size_t i = turn % total;

		if (functions[i]->host || !is_wanted(functions[i], left, turn < total))
			continue;
		left[functions[i]->adapter->as.switch_handle]--;
		ops[k] = (struct fabric_request_op){ .op = DB_OP_ASSIGN, .has_identity = true };
		(void)snprintf(ops[k].function, sizeof(ops[k].function), "%s", functions[i]->name);
		(void)snprintf(ops[k].host, sizeof(ops[k].host), "bay%u", host);
		if (functions[i]->as.identity_can & PROVIDER_IDENTITY_MAC)
			ops[k].identity.mac = 0x02fab0000001u + 0x1000u * host + k;
		k++;
	}
	id = change(b, ops, k);
	for (uint64_t end = b->now_ms + PATIENCE_MS;
	     b->now_ms < end && fabric_change_find(b->fabric, id)->row.state == DB_CHANGE_RUNNING;)
		brain_step(b);
}

/* Each in a change of its own. Return: the first one's id. */
static uint64_t moves_begin(struct brain *b, struct fabric_request_op *ops, unsigned n)
{
	uint64_t first = 0;

	memset(&commands, 0, sizeof(commands));
	for (unsigned i = 0; i < n; i++) {
		uint64_t id;

		ops[i].op = DB_OP_MOVE;
		(void)snprintf(ops[i].host, sizeof(ops[i].host), "bay%u", TO);
		id = change(b, &ops[i], 1);
		first = first ? first : id;
	}
	while (n && commands.total < BEGUN_COMMANDS)
		brain_step(b);
	return first;
}

static unsigned moves_ended(const struct brain *b, uint64_t first, unsigned n)
{
	unsigned ended = 0;

	for (unsigned i = 0; i < n; i++)
		ended += fabric_change_find(b->fabric, first + i)->row.state != DB_CHANGE_RUNNING;
	return ended;
}

static const struct fabric_incident *fail(struct brain *b)
{
	const struct fabric_incident *incident = NULL;
	int r = sim_model_host(b->model, VICTIM, SIM_HOST_POWER, false);

	assert(!r);
	b->silent[VICTIM - 1] = true;
	memset(&commands, 0, sizeof(commands));
	for (uint64_t end = b->now_ms + PATIENCE_MS; b->now_ms < end; brain_step(b)) {
		incident = fabric_incident_find(b->fabric, 1);
		if (incident && incident->row.state == DB_INCIDENT_DONE)
			return incident;
	}
	(void)fprintf(stderr, "failover_virtual: it never ends\n");
	exit(1);
}

static uint32_t offset(const struct fabric_incident *incident, const char *what)
{
	for (size_t i = incident->step_count; i-- > 0;)
		if (!strcmp(incident->steps[i].what, what))
			return incident->steps[i].offset_ms;
	return 0;
}

static unsigned number(int argc, char **argv, int n)
{
	return argc > n ? (unsigned)strtoul(argv[n], NULL, 10) : 0;
}

int main(int argc, char **argv)
{
	static struct brain b;
	static struct fabric_request_op ops[FUNCTIONS_MAX];
	unsigned n = number(argc, argv, 1);
	unsigned command_ms = number(argc, argv, 2);
	unsigned switches = number(argc, argv, 3);
	unsigned moves = number(argc, argv, 4);
	const struct fabric_incident *incident;
	struct sim_chassis *chassis;
	char why[SIM_CHASSIS_WHY];
	uint64_t is_spare = 0;
	uint64_t first;

	if (!n || n > FUNCTIONS_MAX || !switches || switches > SWITCHES_MAX || n % switches ||
	    moves > MOVES_MAX || argc > 5) {
		(void)fprintf(stderr,
			      "usage: failover_virtual FUNCTIONS COMMAND_MS SWITCHES [MOVES]\n");
		return 2;
	}
	log_setup("failover_virtual", LOG_LEVEL_ERR);
	if (sim_chassis_generate(HOSTS, switches, 4, 64, &chassis, why))
		return 4;
	chassis->command_ms = command_ms;
	chassis->timeout_ms = 4 * command_ms + 1000;
	brain_init_take(&b, chassis);
	sim_model_observe(b.model, count, NULL);
	brain_run(&b, SETTLE_MS);
	if (fabric_host_set_spare(b.fabric, SPARE, true, 0, answered, &is_spare))
		return 4;
	assign(&b, VICTIM, n, switches, ops);
	if (moves)
		assign(&b, FROM, moves, 1, ops);
	brain_run(&b, SETTLE_MS);
	first = moves_begin(&b, ops, moves);
	incident = fail(&b);
	(void)printf("%u %u %u %u %u %u %u %u %u\n",
		     offset(incident, "done") - offset(incident, "verdict"), commands.total,
		     commands.by_verb[PROVIDER_ISOLATE], commands.by_verb[PROVIDER_UNBIND],
		     commands.by_verb[PROVIDER_RESET], commands.by_verb[PROVIDER_IDENTITY],
		     commands.by_verb[PROVIDER_BIND],
		     commands.by_verb[PROVIDER_READ] + commands.by_verb[PROVIDER_READ_HOST],
		     moves_ended(&b, first, moves));
	brain_done(&b);
	return 0;
}
