/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happens, chosen by the seed: hosts and their agents, operators, faults. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulation/world.h"

enum { BEAT_MS = 1000 };

/* ---- hosts ---- */

static void actor_power(struct world *w, struct actor *a, bool on)
{
	a->dark_ms = w->now_ms; /* at either end of it */
	if (sim_model_host(w->model, a->handle, SIM_HOST_POWER, on) ||
	    (on && sim_model_host(w->model, a->handle, SIM_HOST_LINK, true)))
		abort();
}

static void actor_boot(struct world *w, struct actor *a)
{
	a->runs = true;
	a->hangs = false;
	a->seq = 0;
	(void)snprintf(a->boot_id, sizeof(a->boot_id), "boot-%.32s-%u", a->name, ++a->boots);
	a->next_beat_ms = w->now_ms + world_random(w, BEAT_MS);
}

void actor_powered_off(struct world *w, uint16_t host)
{
	for (size_t i = 0; i < w->actor_count; i++) {
		struct actor *a = &w->actors[i];

		if (a->handle != host || !a->runs)
			continue;
		world_story(w, "%s has lost its power", a->name);
		a->runs = false;
		a->hangs = false;
		a->dumb_until_ms = 0;
		a->dark_ms = w->now_ms;
		if (!a->readmit_ms)
			a->readmit_ms = w->now_ms + 30000 + world_random(w, 30000);
	}
}

/* ---- fence programs ---- */

int actor_program_run(struct world *w, uint64_t cookie, const char *host, bool is_off)
{
	for (size_t i = 0; i < w->actor_count; i++) {
		struct actor *a = &w->actors[i];

		if (strcmp(a->name, host) != 0)
			continue;
		if (a->run)
			return -EBUSY;
		a->run = cookie;
		a->run_is_off = is_off;
		a->run_ms = w->now_ms + 100 + world_random(w, 3000);
		return 0;
	}
	return -ENOENT;
}

static int program_end(struct world *w, struct actor *a)
{
	bool has_power = sim_model_map(w->model)->hosts[a->handle - 1].state.power;

	if (w->program == PROGRAM_FAILS)
		return 1;
	if (a->run_is_off && w->program == PROGRAM_HONEST && has_power) {
		actor_power(w, a, false);
		actor_powered_off(w, a->handle);
	}
	if (a->run_is_off)
		return 0;
	return w->program == PROGRAM_LIES || !has_power ? 2 : 0;
}

/* A program outlives the manager that began it; its answer does not. */
static void program_advance(struct world *w, struct actor *a)
{
	uint64_t run = a->run;
	int code;

	if (!run || w->now_ms < a->run_ms)
		return;
	code = program_end(w, a);
	world_story(w, "the fence program of %s ends: %s, %d", a->name,
		    a->run_is_off ? "off" : "status", code);
	a->run = 0;
	if (w->fabric && !w->dead)
		fabric_fence_answered(w->fabric, run, code, "as the test says");
}

/* ---- agents that are asked ---- */

bool actor_is_dumb(const struct world *w, uint16_t host)
{
	for (size_t i = 0; i < w->actor_count; i++)
		if (w->actors[i].handle == host)
			return w->actors[i].dumb_until_ms != 0;
	return false;
}

/* Half of the hosts have an agent that can be asked; one question at a time is answered. */
int actor_ask(struct world *w, const char *host, const struct fabric_ask *question)
{
	for (size_t i = 0; i < w->actor_count; i++) {
		struct actor *a = &w->actors[i];

		if (strcmp(a->name, host) != 0)
			continue;
		if (i % 2)
			return -ENOTCONN;
		a->ask = question->id;
		a->ask_ms = w->now_ms + world_random(w, world_random(w, 20) ? 200 : 40000);
		return 0;
	}
	return -ENOTCONN;
}

static void ask_advance(struct world *w, struct actor *a)
{
	enum fabric_ask_outcome outcome =
		w->quiet ? FABRIC_ASK_DONE
			 : (enum fabric_ask_outcome)world_random(w, FABRIC_ASK_OUTCOMES);

	if (!a->ask || w->now_ms < a->ask_ms)
		return;
	if (a->runs && !a->hangs && world_manager_runs(w))
		fabric_agent_answered(w->fabric, a->name, a->ask, outcome, "as the test says");
	a->ask = 0;
}

void actors_init(struct world *w)
{
	const struct sim_map *map = sim_model_map(w->model);

	w->actor_count = map->host_count;
	for (size_t i = 0; i < w->actor_count; i++) {
		struct actor *a = &w->actors[i];

		(void)snprintf(a->name, sizeof(a->name), "%s", map->hosts[i].bay);
		a->handle = map->hosts[i].handle;
		actor_boot(w, a);
	}
	w->function_count = map->function_count;
	w->next_act_ms = w->now_ms + 20000;
	w->next_mac = 0x020000000001u;
}

static void beat_send(struct world *w, struct actor *a, uint64_t delay_ms)
{
	struct beat *b = calloc(1, sizeof(*b));

	assert(b);
	b->at_ms = w->now_ms + delay_ms;
	b->actor = (unsigned)(a - w->actors);
	b->seq = a->seq;
	(void)snprintf(b->boot_id, sizeof(b->boot_id), "%s", a->boot_id);
	b->next = w->beats;
	w->beats = b;
}

static void actor_beat(struct world *w, struct actor *a)
{
	uint64_t luck = w->quiet ? 99 : world_random(w, 200);

	a->next_beat_ms = w->now_ms + BEAT_MS - 20 + world_random(w, 40);
	a->seq++;
	if (w->now_ms < a->quiet_until_ms || luck == 0)
		return; /* lost */
	beat_send(w, a, luck == 1 ? world_random(w, 4000) : world_random(w, 5));
	if (luck == 2)
		beat_send(w, a, world_random(w, 3000)); /* doubled */
	if (luck == 1)
		return;
	a->live_ms[a->lives++ % WORLD_LIVES] = w->now_ms;
}

static void actor_advance(struct world *w, struct actor *a)
{
	if (a->hangs && w->now_ms >= a->hangs_until_ms) {
		world_story(w, "%s goes on after its pause", a->name);
		a->hangs = false;
		a->next_beat_ms = w->now_ms;
	}
	if (a->runs && !a->hangs && w->now_ms >= a->next_beat_ms)
		actor_beat(w, a);
	if (a->dumb_until_ms && w->now_ms >= a->dumb_until_ms) {
		world_story(w, "the switch can tell again what %s has", a->name);
		a->dumb_until_ms = 0;
		world_changed(w);
	}
	if (a->ask)
		ask_advance(w, a);
}

void actors_know(struct world *w)
{
	for (size_t i = 0; i < w->actor_count; i++) {
		struct actor *a = &w->actors[i];
		const struct fabric_host *host = fabric_host_find(w->fabric, a->name);
		bool fenced = host && host->state == FABRIC_HOST_FENCED;

		a->maintained = host && host->state == FABRIC_HOST_MAINTENANCE;
		if (a->maintained && !a->maintained_until_ms)
			a->maintained_until_ms = w->now_ms + 10000;
		if (!fenced || a->fence_void)
			a->fenced_ms = 0;
		else if (!a->fenced_ms) {
			a->fenced_ms = w->now_ms;
			/* Its proof was durable, and was not told any more. */
			a->by_word = !sim_model_map(w->model)->hosts[a->handle - 1].state.power;
		}
		if ((fenced || (host && host->state == FABRIC_HOST_QUARANTINED)) && !a->readmit_ms)
			a->readmit_ms = w->now_ms + 10000;
	}
}

void actor_told(struct world *w, const struct db_event *event)
{
	for (size_t i = 0; i < w->actor_count; i++) {
		struct actor *a = &w->actors[i];

		if (strcmp(a->name, event->subject) != 0)
			continue;
		if (!strcmp(event->type, "host.fenced")) {
			a->readmit_ms = w->now_ms + 5000 + world_random(w, 60000);
			w->failovers++;
		}
		if (!strcmp(event->type, "host.readmitted"))
			a->readmit_ms = 0;
		if (!strcmp(event->type, "host.quarantined"))
			a->readmit_ms = w->now_ms + 5000 + world_random(w, 120000);
	}
}

/* ---- operators ---- */

static void on_answer(void *arg, int r, uint64_t id)
{
	struct world *w = arg;

	if (w->dead || r || !id)
		return;
	for (size_t i = 0; i < w->acked_count; i++)
		if (w->acked[i].id == id)
			return;
	if (w->acked_count < WORLD_CHANGES)
		w->acked[w->acked_count++].id = id;
	world_story(w, "  change %" PRIu64 " is acknowledged", id);
}

static void on_done(void *arg, int r, uint64_t id)
{
	(void)arg;
	(void)r;
	(void)id;
}

static const struct fabric_function *any_function(struct world *w, bool assigned)
{
	size_t count;
	const struct fabric_function *const *all = fabric_functions(w->fabric, &count);

	for (unsigned tries = 0; count && tries < 50; tries++) {
		const struct fabric_function *fn = all[world_random(w, count)];

		if (!fabric_function_is_kept(fn) && fn->as.now.present && !fn->host == !assigned)
			return fn;
	}
	return NULL;
}

static const char *any_host(struct world *w)
{
	return w->actors[world_random(w, w->actor_count)].name;
}

static void op_fill(struct world *w, struct fabric_request_op *op, const struct fabric_function *fn,
		    enum db_op verb, bool named)
{
	op->op = verb;
	(void)snprintf(op->function, sizeof(op->function), "%s", fn->name);
	if (verb != DB_OP_RELEASE)
		(void)snprintf(op->host, sizeof(op->host), "%s", any_host(w));
	if (!named)
		return;
	op->has_identity = true;
	if (fn->as.identity_can & PROVIDER_IDENTITY_MAC)
		op->identity.mac = w->next_mac++;
	else if (fn->as.identity_can & PROVIDER_IDENTITY_WWN)
		op->identity.wwpn = 0x5000000000000000u + w->next_mac++;
}

static void ask(struct world *w, const struct fabric_request_op *ops, size_t count)
{
	const struct fabric_request request = { .ops = ops, .op_count = count };
	struct fabric_problem problem;
	int r = fabric_change_request(w->fabric, &request, &problem, on_answer, w);

	if (r)
		world_story(w, "operator: %s %s %s...: refused: %s", fabric_op_text(ops[0].op),
			    ops[0].function, ops[0].host, problem.reason);
	else
		world_story(w, "operator: %zu x %s %s %s", count, fabric_op_text(ops[0].op),
			    ops[0].function, ops[0].host);
}

/* The one that is reset with @fn goes where @fn goes. Return: how many operations there are now. */
static size_t op_card(struct fabric_request_op *ops, size_t count, const struct fabric_function *fn)
{
	for (const struct fabric_function *o = fn->adapter->first; o && !fn->as.flr;
	     o = o->next_in_adapter) {
		if (o == fn || !o->host != !fn->host)
			continue;
		ops[count] = ops[count - 1];
		(void)snprintf(ops[count].function, sizeof(ops[count].function), "%s", o->name);
		count++;
	}
	return count;
}

static void act_assign(struct world *w)
{
	struct fabric_request_op ops[8] = { 0 };
	size_t wanted = 1 + world_random(w, 4);
	size_t count = 0;

	for (size_t i = 0; i < wanted; i++) {
		const struct fabric_function *fn = any_function(w, false);

		if (!fn)
			return;
		op_fill(w, &ops[count++], fn, DB_OP_ASSIGN, world_random(w, 4) != 0);
		count = op_card(ops, count, fn);
	}
	ask(w, ops, count);
}

static void act_release(struct world *w)
{
	const struct fabric_function *fn = any_function(w, true);
	struct fabric_request_op ops[2] = { 0 };

	if (!fn)
		return;
	op_fill(w, &ops[0], fn, DB_OP_RELEASE, false);
	ask(w, ops, op_card(ops, 1, fn));
}

static void act_move(struct world *w)
{
	const struct fabric_function *fn = any_function(w, true);
	struct fabric_request_op ops[2] = { 0 };

	if (!fn)
		return;
	op_fill(w, &ops[0], fn, DB_OP_MOVE, world_random(w, 6) == 0);
	w->moves++;
	ask(w, ops, op_card(ops, 1, fn));
}

/* The identity of one function goes to another, in one change. */
static void act_hand_identity(struct world *w)
{
	const struct fabric_function *from = any_function(w, true);
	const struct fabric_function *to = any_function(w, false);
	struct fabric_request_op ops[2] = { 0 };

	if (!from || !to || !from->identity.mac || !(to->as.identity_can & PROVIDER_IDENTITY_MAC))
		return;
	op_fill(w, &ops[0], to, DB_OP_ASSIGN, false);
	ops[0].has_identity = true;
	ops[0].identity = from->identity;
	op_fill(w, &ops[1], from, DB_OP_RELEASE, false);
	ask(w, ops, 2);
}

static void act_spare(struct world *w)
{
	size_t count;
	const struct fabric_host *const *hosts = fabric_hosts(w->fabric, &count);
	unsigned spares = 0;

	for (size_t i = 0; i < count; i++)
		spares += hosts[i]->spare;
	for (size_t i = 0; i < count && spares < 2; i++)
		if (!hosts[i]->spare && !hosts[i]->functions &&
		    hosts[i]->state == FABRIC_HOST_ALIVE) {
			world_story(w, "operator: %s is a spare", hosts[i]->name);
			if (!fabric_host_set_spare(w->fabric, hosts[i]->name, true, 0, on_done, w))
				spares++;
		}
}

static void act_failover(struct world *w)
{
	struct fabric_problem problem;
	struct actor *a = &w->actors[world_random(w, w->actor_count)];

	if (!fabric_host_failover(w->fabric, a->name, 0, &problem, on_done, w)) {
		world_story(w, "operator: failover of %s", a->name);
		a->by_hand = true;
	}
}

static void maintain(struct world *w, struct actor *a, bool on)
{
	struct fabric_problem problem;

	if (!fabric_host_maintenance(w->fabric, a->name, on, 0, &problem, on_done, w))
		world_story(w, "operator: maintenance of %s %s", a->name, on ? "on" : "off");
}

/* Mostly somebody empties it before, and what is done there needs it to be off. */
static void act_maintain(struct world *w)
{
	struct actor *a = &w->actors[world_random(w, w->actor_count)];
	struct fabric_problem problem;

	if (world_random(w, 3) &&
	    !fabric_host_drain(w->fabric, a->name, "", 0, &problem, on_answer, w))
		world_story(w, "operator: drains %s", a->name);
	if (a->maintained_until_ms || !world_random(w, 3))
		return;
	a->maintained_until_ms = w->now_ms + 5000 + world_random(w, 60000);
	maintain(w, a, true);
}

static void actor_maintain(struct world *w, struct actor *a)
{
	if (!a->maintained_until_ms || w->now_ms < a->maintained_until_ms)
		return;
	a->maintained_until_ms = 0;
	if (world_manager_runs(w))
		maintain(w, a, false);
	else
		a->maintained_until_ms = w->now_ms + 1000;
}

static void act_cancel(struct world *w)
{
	if (!w->acked_count)
		return;
	if (!fabric_change_cancel(w->fabric, w->acked[w->acked_count - 1].id, 0, on_done, w))
		world_story(w, "operator: cancels change %" PRIu64,
			    w->acked[w->acked_count - 1].id);
}

static void actor_readmit(struct world *w, struct actor *a)
{
	struct fabric_problem problem;
	int r;

	if (!a->readmit_ms || w->now_ms < a->readmit_ms)
		return;
	if (!world_manager_runs(w)) {
		a->readmit_ms = w->now_ms + 1000;
		return;
	}
	if (!a->runs) { /* the blade was replaced */
		actor_power(w, a, true);
		actor_boot(w, a);
	}
	r = fabric_host_readmit(w->fabric, a->name, 0, &problem, on_done, w);
	world_story(w, "operator: readmits %s%s%s", a->name, r ? ": " : "",
		    r ? problem.reason : "");
	a->readmit_ms = w->now_ms + 10000;
	if (r == REFUSE_HOST_STATE && !a->fenced)
		a->readmit_ms = 0;
}

/* ---- trouble ---- */

static void act_fault(struct world *w)
{
	static const enum sim_fault_kind faults[] = { SIM_FAULT_DELAY,   SIM_FAULT_LATE,
						      SIM_FAULT_LATE,    SIM_FAULT_LOST,
						      SIM_FAULT_REFUSED, SIM_FAULT_FAILED };
	static const enum provider_verb verbs[] = {
		PROVIDER_VERB_NONE, PROVIDER_BIND,      PROVIDER_BIND,      PROVIDER_UNBIND,
		PROVIDER_UNBIND,    PROVIDER_IDENTITY,  PROVIDER_RESET,     PROVIDER_READ,
		PROVIDER_ISOLATE,   PROVIDER_READ_HOST, PROVIDER_HOST_POWER
	};
	struct sim_fault fault = {
		.kind = faults[world_random(w, sizeof(faults) / sizeof(*faults))],
		.verb = verbs[world_random(w, sizeof(verbs) / sizeof(*verbs))],
		.count = (uint32_t)(1 + world_random(w, 3)),
	};
	char text[PROVIDER_TEXT_MAX];

	fault.ms = (uint32_t)(fault.kind == SIM_FAULT_DELAY ? world_random(w, 3000)
							    : 100 + world_random(w, 20000));
	if (sim_model_fault(w->model, &fault))
		return;
	sim_fault_format(&fault, text);
	world_story(w, "fault: %s", text);
	w->fault_until_ms = w->now_ms + 10000;
}

static void act_die(struct world *w)
{
	struct actor *a = &w->actors[world_random(w, w->actor_count)];

	if (!a->runs)
		return;
	a->runs = false;
	world_story(w, "%s dies", a->name);
	if (world_random(w, 2)) {
		world_story(w, "the switch sees %s without power", a->name);
		actor_power(w, a, false);
	}
	/* Somebody comes and starts it, fenced or not. */
	a->readmit_ms = w->now_ms + 30000 + world_random(w, 60000);
}

static void act_hang(struct world *w)
{
	struct actor *a = &w->actors[world_random(w, w->actor_count)];

	a->hangs = true;
	a->hangs_until_ms = w->now_ms + 1000 + world_random(w, 15000);
	world_story(w, "%s hangs for %" PRIu64 " ms", a->name, a->hangs_until_ms - w->now_ms);
}

/* It is stopped: it does not beat, and what it has cannot be told; or only the latter. */
static void act_dumb(struct world *w)
{
	struct actor *a = &w->actors[world_random(w, w->actor_count)];

	if (!a->runs)
		return;
	a->dumb_until_ms = w->now_ms + 500 + world_random(w, 15000);
	world_story(w, "the switch cannot tell what %s has for %" PRIu64 " ms", a->name,
		    a->dumb_until_ms - w->now_ms);
	world_changed(w);
	if (world_random(w, 2))
		return;
	a->hangs = true;
	a->hangs_until_ms = a->dumb_until_ms;
}

static void act_hint(struct world *w)
{
	const struct actor *a = &w->actors[world_random(w, w->actor_count)];

	fabric_host_hint(w->fabric, a->name, "end of file on its port");
}

/* Hosts tell what they see: what the switch has there. */
static void act_tell(struct world *w)
{
	const struct sim_map *map = sim_model_map(w->model);
	struct fabric_seen rows[PROVIDER_VPORTS_MAX];

	for (size_t i = 0; i < w->actor_count; i++) {
		const struct actor *a = &w->actors[i];
		size_t count = 0;

		for (size_t n = 0; n < map->function_count && a->runs && !a->hangs; n++) {
			const struct provider_function *fn = &map->functions[n];

			if (fn->now.host != a->handle || count == PROVIDER_VPORTS_MAX)
				continue;
			rows[count] = (struct fabric_seen){ .driver = "any",
							    .vendor = fn->vendor,
							    .device = fn->device,
							    .mac = fn->now.identity.mac,
							    .wwpn = fn->now.identity.wwpn };
			(void)snprintf(rows[count].address, sizeof(rows[count].address),
				       "0000:%02x:00.0", (unsigned)count);
			count++;
		}
		if (a->runs && !a->hangs &&
		    fabric_host_seen(w->fabric, a->name, a->boot_id, rows, count))
			continue; /* before the first scan nobody knows it */
	}
}

static void act_network(struct world *w)
{
	uint64_t until = w->now_ms + 1000 + world_random(w, 12000);
	bool all = world_random(w, 3) == 0;

	for (size_t i = 0; i < w->actor_count; i++)
		if (all ? world_random(w, 4) != 0 : world_random(w, 5) == 0)
			w->actors[i].quiet_until_ms = until;
	world_story(w, "the network loses beats%s for %" PRIu64 " ms", all ? " of most hosts" : "",
		    until - w->now_ms);
}

static void act_stop(struct world *w)
{
	w->stopped_until_ms = w->now_ms + 300 + world_random(w, 12000);
	world_story(w, "the manager is stopped for %" PRIu64 " ms",
		    w->stopped_until_ms - w->now_ms);
}

static void act_disconnect(struct world *w)
{
	uint64_t for_ms = 10 + world_random(w, 5000);

	world_story(w, "the switch is not reached for %" PRIu64 " ms", for_ms);
	world_disconnect(w, for_ms);
}

static void act_kill(struct world *w)
{
	w->kill_in = (unsigned)(1 + world_random(w, 12));
}

static void act_reboot(struct world *w)
{
	size_t changes = world_random(w, 4);

	world_story(w, "the switch reboots into the map of %zu changes ago", changes);
	sim_model_reboot(w->model, changes);
	w->reboot_ms = w->now_ms;
	w->reboot_untold = w->fabric && !w->dead;
	w->sent_count = 0;
	for (size_t i = 0; i < w->actor_count; i++) {
		w->actors[i].fence_void = true;
		w->actors[i].fenced_ms = 0;
	}
	for (size_t i = 0; i < w->function_count; i++) {
		w->known[i].outstanding = 0;
		w->known[i].clean = false;
		w->known[i].generation = 0;
		w->known[i].reboot_ms = w->now_ms;
	}
}

static void at_slot(struct world *w, uint32_t adapter, enum sim_slot_what what)
{
	const struct sim_map *map = sim_model_map(w->model);

	if (sim_model_slot(w->model, adapter, what, NULL))
		return;
	for (size_t i = 0; i < w->function_count; i++) {
		if (map->functions[i].adapter != adapter)
			continue;
		w->known[i].card_ms = w->now_ms;
		if (what == SIM_SLOT_BUTTON)
			continue;
		w->known[i].dirty = true;
	}
}

/* Somebody is at a slot: mostly he pulls the card and puts it back, now or later. */
static void act_card(struct world *w)
{
	static const char *const says[] = { [SIM_SLOT_OUT] = "pulled",
					    [SIM_SLOT_IN] = "put back",
					    [SIM_SLOT_SWAP] = "pulled and put back at once",
					    [SIM_SLOT_BUTTON] = "asked for by its button" };
	const struct sim_map *map = sim_model_map(w->model);
	uint32_t adapter = (uint32_t)(1 + world_random(w, map->adapter_count));
	enum sim_slot_what what = SIM_SLOT_IN;

	if (!map->slots[adapter - 1].out)
		what = (enum sim_slot_what[]){ SIM_SLOT_OUT, SIM_SLOT_SWAP, SIM_SLOT_BUTTON,
					       SIM_SLOT_BUTTON }[world_random(w, 4)];
	world_story(w, "card %u is %s", adapter, says[what]);
	at_slot(w, adapter, what);
}

static void act(struct world *w)
{
	static const struct {
		void (*fn)(struct world *w);
		unsigned weight;
		bool needs_manager;
	} acts[] = {
		{ act_assign, 24, true },    { act_release, 8, true },
		{ act_move, 20, true },      { act_hand_identity, 5, true },
		{ act_spare, 12, true },     { act_failover, 2, true },
		{ act_cancel, 3, true },     { act_fault, 28, false },
		{ act_die, 3, false },       { act_hang, 5, false },
		{ act_network, 3, false },   { act_stop, 3, true },
		{ act_kill, 10, true },      { act_reboot, 1, false },
		{ act_disconnect, 3, true }, { act_dumb, 4, false },
		{ act_hint, 4, true },       { act_tell, 20, true },
		{ act_card, 4, false },      { act_maintain, 4, true },
	};
	unsigned sum = 0;
	uint64_t pick;

	for (size_t i = 0; i < sizeof(acts) / sizeof(*acts); i++)
		sum += acts[i].weight;
	pick = world_random(w, sum);
	for (size_t i = 0; i < sizeof(acts) / sizeof(*acts); i++) {
		if (pick >= acts[i].weight) {
			pick -= acts[i].weight;
			continue;
		}
		if (!acts[i].needs_manager || world_manager_runs(w))
			acts[i].fn(w);
		return;
	}
}

void actors_advance(struct world *w)
{
	for (size_t i = 0; i < w->actor_count; i++) {
		actor_advance(w, &w->actors[i]);
		program_advance(w, &w->actors[i]);
		actor_readmit(w, &w->actors[i]);
		actor_maintain(w, &w->actors[i]);
	}
	if (w->quiet || w->now_ms < w->next_act_ms)
		return;
	act(w);
	w->next_act_ms = w->now_ms + world_random(w, world_random(w, 5) ? 300 : 4000);
}

uint64_t actors_next_ms(const struct world *w)
{
	uint64_t next = w->quiet ? UINT64_MAX : w->next_act_ms;

	for (size_t i = 0; i < w->actor_count; i++) {
		const struct actor *a = &w->actors[i];

		if (a->runs && !a->hangs && a->next_beat_ms < next)
			next = a->next_beat_ms;
		if (a->hangs && a->hangs_until_ms < next)
			next = a->hangs_until_ms;
		if (a->dumb_until_ms && a->dumb_until_ms < next)
			next = a->dumb_until_ms;
		if (a->ask && a->ask_ms < next)
			next = a->ask_ms;
		if (a->maintained_until_ms && a->maintained_until_ms < next)
			next = a->maintained_until_ms;
		if (a->readmit_ms && a->readmit_ms < next)
			next = a->readmit_ms;
		if (a->run && a->run_ms < next)
			next = a->run_ms;
	}
	return next;
}

/* The trouble is over: everything runs, and somebody lets in whoever is fenced. */
void actors_quiet(struct world *w)
{
	world_story(w, "quiet");
	w->quiet = true;
	w->kill_in = 0;
	sim_model_fault_clear(w->model);
	for (uint32_t i = 1; i <= sim_model_map(w->model)->adapter_count; i++)
		if (sim_model_map(w->model)->slots[i - 1].out)
			at_slot(w, i, SIM_SLOT_IN);
	for (size_t i = 0; i < w->actor_count; i++) {
		struct actor *a = &w->actors[i];

		a->quiet_until_ms = 0;
		a->hangs = false;
		a->dumb_until_ms = w->now_ms;
		if (!a->runs) {
			actor_power(w, a, true);
			actor_boot(w, a);
		}
		a->readmit_ms = w->now_ms + 30000;
	}
}
