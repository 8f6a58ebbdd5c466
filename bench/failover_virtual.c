/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A failover under a virtual clock: how long the whole brain takes for it, and how many commands it
 * gives the switches, of which each carries out one after the other.
 *
 *   failover_virtual FUNCTIONS COMMAND_MS SWITCHES
 *
 * The functions are spread evenly over the switches, at one adapter of each; the host and its spare
 * stand at the first. Prints "verdict to done, ms; commands; of these isolate unbind reset identity
 * bind read".
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
	(void)id;
	*(bool *)arg = !r;
}

static bool is_wanted(const struct fabric_function *fn, const unsigned *left, bool has_mac)
{
	return !fabric_function_is_kept(fn) && left[fn->adapter->as.switch_handle] &&
	       has_mac == !!(fn->as.identity_can & PROVIDER_IDENTITY_MAC);
}

static void assign(struct brain *b, unsigned n, unsigned switches)
{
	unsigned left[SWITCHES_MAX + 1] = { 0 };
	static struct fabric_request_op ops[FUNCTIONS_MAX];
	const struct fabric_request request = { .ops = ops, .op_count = n };
	const struct fabric_function *const *functions;
	struct fabric_problem problem;
	bool is_durable = false;
	size_t total;
	unsigned k = 0;

	for (unsigned s = 1; s <= switches; s++)
		left[s] = n / switches;
	functions = fabric_functions(b->fabric, &total);
	/* Those with a MAC first: their way is the longer one. */
	for (size_t turn = 0; turn < 2 * total && k < n; turn++) {
		size_t i = turn % total;

		if (!is_wanted(functions[i], left, turn < total))
			continue;
		left[functions[i]->adapter->as.switch_handle]--;
		ops[k] = (struct fabric_request_op){ .op = DB_OP_ASSIGN, .has_identity = true };
		(void)snprintf(ops[k].function, sizeof(ops[k].function), "%s", functions[i]->name);
		(void)snprintf(ops[k].host, sizeof(ops[k].host), "bay%d", VICTIM);
		if (functions[i]->as.identity_can & PROVIDER_IDENTITY_MAC)
			ops[k].identity.mac = 0x02fab0000001u + k;
		k++;
	}
	if (fabric_change_request(b->fabric, &request, &problem, answered, &is_durable)) {
		(void)fprintf(stderr, "failover_virtual: %s\n", problem.reason);
		exit(1);
	}
	for (uint64_t end = b->now_ms + PATIENCE_MS;
	     b->now_ms < end &&
	     (!is_durable || fabric_change_find(b->fabric, 1)->row.state == DB_CHANGE_RUNNING);)
		brain_step(b);
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

int main(int argc, char **argv)
{
	static struct brain b;
	unsigned n = argc == 4 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
	unsigned command_ms = argc == 4 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
	unsigned switches = argc == 4 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
	const struct fabric_incident *incident;
	struct sim_chassis *chassis;
	char why[SIM_CHASSIS_WHY];
	bool is_spare = false;

	if (!n || n > FUNCTIONS_MAX || !switches || switches > SWITCHES_MAX || n % switches) {
		(void)fprintf(stderr, "usage: failover_virtual FUNCTIONS COMMAND_MS SWITCHES\n");
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
	assign(&b, n, switches);
	brain_run(&b, SETTLE_MS);
	incident = fail(&b);
	(void)printf("%u %u %u %u %u %u %u %u\n",
		     offset(incident, "done") - offset(incident, "verdict"), commands.total,
		     commands.by_verb[PROVIDER_ISOLATE], commands.by_verb[PROVIDER_UNBIND],
		     commands.by_verb[PROVIDER_RESET], commands.by_verb[PROVIDER_IDENTITY],
		     commands.by_verb[PROVIDER_BIND],
		     commands.by_verb[PROVIDER_READ] + commands.by_verb[PROVIDER_READ_HOST]);
	brain_done(&b);
	return 0;
}
