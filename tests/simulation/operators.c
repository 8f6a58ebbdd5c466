/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What people ask of the manager, chosen by the seed. */
#include "tests/simulation/acts.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void on_acknowledged(void *arg, int r, uint64_t id)
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

void on_done(void *arg, int r, uint64_t id)
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

/* Mostly one that @fn can be given to. */
static const char *any_host(struct world *w, const struct fabric_function *fn)
{
	const struct actor *a = &w->actors[world_random(w, w->actor_count)];

	while (world_random(w, 10) && a->site != site_of(w, fn))
		a = &w->actors[world_random(w, w->actor_count)];
	return a->name;
}

static void op_fill(struct world *w, struct fabric_request_op *op, const struct fabric_function *fn,
		    enum db_op verb, bool named)
{
	op->op = verb;
	(void)snprintf(op->function, sizeof(op->function), "%s", fn->name);
	if (verb != DB_OP_RELEASE)
		(void)snprintf(op->host, sizeof(op->host), "%s", any_host(w, fn));
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
	int r = fabric_change_request(w->fabric, &request, &problem, on_acknowledged, w);

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

void act_assign(struct world *w)
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

void act_release(struct world *w)
{
	const struct fabric_function *fn = any_function(w, true);
	struct fabric_request_op ops[2] = { 0 };

	if (!fn)
		return;
	op_fill(w, &ops[0], fn, DB_OP_RELEASE, false);
	ask(w, ops, op_card(ops, 1, fn));
}

void act_move(struct world *w)
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
void act_hand_identity(struct world *w)
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

void act_spare(struct world *w)
{
	size_t count;
	const struct fabric_host *const *hosts = fabric_hosts(w->fabric, &count);
	unsigned spares[WORLD_SITES] = { 0 };

	for (size_t i = 0; i < count; i++)
		spares[hosts[i]->provider] += hosts[i]->spare;
	for (size_t i = 0; i < count; i++)
		if (spares[hosts[i]->provider] < 2 && !hosts[i]->spare && !hosts[i]->functions &&
		    hosts[i]->state == FABRIC_HOST_ALIVE) {
			world_story(w, "operator: %s is a spare", hosts[i]->name);
			if (!fabric_host_set_spare(w->fabric, hosts[i]->name, true, 0, on_done, w))
				spares[hosts[i]->provider]++;
		}
}

/* A spare that nobody needs is turned off: a cold one (S11), until somebody starts it. */
void act_rest(struct world *w)
{
	struct actor *a = &w->actors[world_random(w, w->actor_count)];
	const struct fabric_host *host = fabric_host_find(w->fabric, a->name);

	if (!a->runs || !host || !host->spare || host->functions ||
	    host->state != FABRIC_HOST_ALIVE)
		return;
	world_story(w, "operator: turns %s off, a spare", a->name);
	actor_power(w, a, false);
	a->runs = false;
	a->readmit_ms = w->now_ms + 60000 + world_random(w, 240000);
}

void act_failover(struct world *w)
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
void act_maintain(struct world *w)
{
	struct actor *a = &w->actors[world_random(w, w->actor_count)];
	struct fabric_problem problem;

	if (world_random(w, 3) &&
	    !fabric_host_drain(w->fabric, a->name, "", &(struct fabric_asker){ 0 }, &problem,
			       on_acknowledged, w))
		world_story(w, "operator: drains %s", a->name);
	if (a->maintained_until_ms || !world_random(w, 3))
		return;
	a->maintained_until_ms = w->now_ms + 5000 + world_random(w, 60000);
	maintain(w, a, true);
}

void actor_maintain(struct world *w, struct actor *a)
{
	if (!a->maintained_until_ms || w->now_ms < a->maintained_until_ms)
		return;
	a->maintained_until_ms = 0;
	if (world_manager_runs(w))
		maintain(w, a, false);
	else
		a->maintained_until_ms = w->now_ms + 1000;
}

void act_cancel(struct world *w)
{
	if (!w->acked_count)
		return;
	if (!fabric_change_cancel(w->fabric, w->acked[w->acked_count - 1].id, 0, on_done, w))
		world_story(w, "operator: cancels change %" PRIu64,
			    w->acked[w->acked_count - 1].id);
}

static bool is_blocked(const struct world *w, const struct actor *a)
{
	const struct fabric_host *host = fabric_host_find(w->fabric, a->name);

	return host && host->state == FABRIC_HOST_BLOCKED;
}

/* He has seen that it is off, and vouches for it. */
static void actor_confirm(struct world *w, struct actor *a)
{
	const struct fabric_host *host = fabric_host_find(w->fabric, a->name);
	struct fabric_problem problem;
	int r = fabric_host_fence_confirm(w->fabric, a->name, host->incident, 0, &problem, on_done,
					  w);

	world_story(w, "operator: vouches that %s is off%s%s", a->name, r ? ": " : "",
		    r ? problem.reason : "");
	a->readmit_ms = w->now_ms + 10000;
}

/* It cannot be let in, and cannot be fenced while it runs. */
static void actor_take_power(struct world *w, struct actor *a)
{
	world_story(w, "operator: takes the power of %s", a->name);
	actor_power(w, a, false);
	actor_powered_off(a->site, a->handle);
}

void actor_readmit(struct world *w, struct actor *a)
{
	struct fabric_problem problem;
	int r;

	if (!a->readmit_ms || w->now_ms < a->readmit_ms)
		return;
	if (!world_manager_runs(w)) {
		a->readmit_ms = w->now_ms + 1000;
		return;
	}
	if (is_blocked(w, a) && !sim_model_map(a->site->model)->hosts[a->handle - 1].state.power) {
		actor_confirm(w, a);
		return;
	}
	if (!a->runs) { /* the blade was replaced */
		actor_power(w, a, true);
		actor_boot(w, a);
	}
	r = fabric_host_readmit(w->fabric, a->name, 0, &problem, on_done, w);
	a->readmitted = a->readmitted || !r;
	world_story(w, "operator: readmits %s%s%s", a->name, r ? ": " : "",
		    r ? problem.reason : "");
	a->readmit_ms = w->now_ms + 10000;
	if (r == REFUSE_HOST_STATE && is_blocked(w, a) && !world_random(w, 4))
		actor_take_power(w, a);
	else if (r == REFUSE_HOST_STATE && !a->fenced)
		a->readmit_ms = 0;
}
