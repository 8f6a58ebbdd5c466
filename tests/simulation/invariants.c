/* SPDX-License-Identifier: GPL-2.0-or-later */
/* docs/safety.md, "The invariants": what must be true at every step, whatever happens. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fabricd/state.h"
#include "tests/simulation/world.h"

enum {
	MISSED = 5,
	INTERVAL_MS = 1000,
	REBOOT_GRACE_MS = 60000,
	WHOLE_MS = (MISSED + 3) * INTERVAL_MS,
};

static bool is_effect(enum provider_verb verb)
{
	return verb == PROVIDER_BIND || verb == PROVIDER_UNBIND || verb == PROVIDER_IDENTITY ||
	       verb == PROVIDER_RESET;
}

static struct known *known_of(struct site *s, uint32_t function)
{
	return function && function <= s->function_count ? &s->known[function - 1] : NULL;
}

static struct actor *actor_of(struct site *s, uint16_t host)
{
	for (size_t i = 0; i < s->w->actor_count; i++)
		if (s->w->actors[i].site == s && s->w->actors[i].handle == host)
			return &s->w->actors[i];
	return NULL;
}

/* ---- a command leaves ---- */

/* S20: where a switch can, it cuts a host off before the fence unbinds what the host has. */
static void check_cut_off(struct site *s, const struct provider_op *op)
{
	struct actor *a = actor_of(s, op->host);

	if (!a || !s->chassis->can.isolate)
		return;
	if (op->verb == PROVIDER_ISOLATE && op->value)
		a->cut_off = true;
	if (op->verb == PROVIDER_UNBIND && !op->generation && !a->cut_off)
		world_broken(s->w, "S20: a fence unbinds function %u from %s, which is not cut off",
			     op->function, a->name);
}

/* Whose change it is; NULL: a fence's command, or a read. */
static const struct fabric_item *item_of(const struct site *s, const struct provider_op *op)
{
	const struct fabric_provider *p = s->w->fabric->providers[s->n];
	const struct fabric_function *fn = op->generation && op->function <= p->function_count
						   ? p->functions[op->function - 1]
						   : NULL;

	return fn ? fn->item : NULL;
}

/* An adoption that was stored and never told, for the manager was killed, counts. */
static bool is_restored(struct world *w)
{
	if (w->disk.adopt_asked && !w->fabric->restored)
		w->disk.is_restored = false;
	return w->disk.is_restored;
}

/* By a person, or for a host that a person gave up. */
static bool is_asked(const struct world *w, const struct fabric_change *change)
{
	const struct fabric_incident *incident =
		fabric_incident_find(w->fabric, change->row.incident);

	return change->row.kind == DB_CHANGE_ASKED ||
	       (incident && !strncmp(incident->row.cause, "asked for", 9));
}

/* S15: nothing leaves a frozen manager. And none that has a backup for its database mends anything
 * before it is told to adopt. */
static void check_may_send(struct site *s, const struct provider_op *op)
{
	struct actor *a = actor_of(s, op->host);
	const struct fabric_item *item = item_of(s, op);
	uint64_t since_ms;

	if (a && op->epoch > a->epoch)
		a->epoch = op->epoch;
	if (op->verb == PROVIDER_READ || op->verb == PROVIDER_READ_HOST ||
	    op->verb == PROVIDER_SETTLE)
		return;
	if (fabric_frozen(s->w->fabric, &since_ms))
		world_broken(s->w, "S15: a frozen manager sends %s", provider_verb_text(op->verb));
	/* Of a card that somebody is at nothing stays as it was. */
	if (is_restored(s->w) && item && !is_asked(s->w, item->change) &&
	    !s->known[op->function - 1].card_ms)
		world_broken(s->w, "a restored database sends %s of function %u, and nobody asked",
			     provider_verb_text(op->verb), op->function);
}

/* And it takes from a host only what it has given it since, or knows to be just there. */
static void check_taken(struct site *s, const struct provider_op *op)
{
	const struct fabric_item *item = item_of(s, op);
	const struct provider_binding *now;
	const struct fabric_function *fn;
	const struct actor *a;

	if (op->verb != PROVIDER_UNBIND || !item || !is_restored(s->w))
		return;
	now = &sim_model_map(s->model)->functions[op->function - 1].now;
	fn = item->fn;
	a = actor_of(s, now->host);
	if (!a || now->generation > s->known[op->function - 1].lives ||
	    (s->reboot_ms && s->w->now_ms - s->reboot_ms < REBOOT_GRACE_MS))
		return;
	if (!fn->host || strcmp(fn->host->name, a->name) != 0 || fn->vport != now->vport ||
	    fn->generation != now->generation)
		world_broken(s->w,
			     "a restored database unbinds function %u from %s, which another life "
			     "has given it",
			     op->function, a->name);
}

/* S11, S20: nobody who is fenced is turned on, nor anyone to whom nothing was bound before. */
static void check_powered_on(struct site *s, const struct provider_op *op)
{
	const struct sim_map *map = sim_model_map(s->model);
	const struct actor *a = actor_of(s, op->host);
	bool has_any = false;

	if (op->verb != PROVIDER_HOST_POWER || !op->value)
		return;
	s->w->power_ons++;
	for (uint32_t i = 0; i < map->function_count; i++)
		has_any |= map->functions[i].now.host == op->host;
	if (a->drill.life && a->drill.power) {
		if (has_any)
			world_broken(s->w, "S9: %s is drilled, and has functions", a->name);
		return; /* what the drill has taken it gives back */
	}
	if (a->fenced_ms)
		world_broken(s->w, "S20: %s is fenced, and is powered on", a->name);
	if (!has_any)
		world_broken(s->w, "S11: %s is powered on, and nothing is bound to it", a->name);
}

void check_sent(struct site *s, const struct provider_op *op)
{
	struct known *k = known_of(s, op->function);

	check_drill_sent(s, actor_of(s, op->host), op);
	check_cut_off(s, op);
	check_may_send(s, op);
	check_taken(s, op);
	check_powered_on(s, op);
	if (!is_effect(op->verb) || !k)
		return;
	/* 3: no bind before a settled read-back of "nowhere". */
	if (op->verb == PROVIDER_BIND && !k->clean)
		world_broken(s->w,
			     "invariant 3: function %u is sent a bind without a settled read-back "
			     "of nowhere",
			     op->function);
	if (op->verb == PROVIDER_BIND && actor_of(s, op->host)->quarantined)
		world_broken(s->w, "S10: function %u is sent a bind to %s, which is quarantined",
			     op->function, actor_of(s, op->host)->name);
	k->outstanding++;
	if (op->generation > k->generation)
		k->generation = op->generation;
	if (s->sent_count < WORLD_COMMANDS)
		s->sent[s->sent_count++] = *op;
}

/* ---- a command is carried out ---- */

static bool sent_forget(struct site *s, uint64_t attempt)
{
	for (size_t i = 0; i < s->sent_count; i++)
		if (s->sent[i].attempt == attempt) {
			s->sent[i] = s->sent[--s->sent_count];
			return true;
		}
	return false;
}

void check_answered(struct site *s, const struct provider_completion *done)
{
	struct known *k;

	if (done->outcome == PROVIDER_UNKNOWN)
		return;
	for (size_t i = 0; i < s->sent_count; i++) {
		if (s->sent[i].attempt != done->attempt)
			continue;
		k = known_of(s, s->sent[i].function);
		s->sent[i] = s->sent[--s->sent_count];
		if (k->outstanding)
			k->outstanding--;
		return;
	}
}

/* The switch has nothing left that it could still carry out. */
static void nothing_is_outstanding(struct site *s)
{
	s->sent_count = 0;
	for (size_t i = 0; i < s->function_count; i++)
		s->known[i].outstanding = 0;
}

static void read_effect(struct site *s, const struct provider_op *op)
{
	const struct sim_map *map = sim_model_map(s->model);

	if (s->sent_count && !sim_model_pending(s->model))
		nothing_is_outstanding(s);

	for (uint32_t i = 0; i < op->value && op->function + i <= s->function_count; i++) {
		struct known *k = &s->known[op->function + i - 1];

		if (!k->outstanding && !map->functions[op->function + i - 1].now.host)
			k->clean = true;
	}
}

static void check_identities(struct site *s, const struct provider_op *op)
{
	const struct sim_map *map = sim_model_map(s->model);
	const struct identity *new = &map->functions[op->function - 1].now.identity;

	for (unsigned n = 0; n < s->w->site_count; n++) {
		const struct site *o = &s->w->sites[n];

		map = sim_model_map(o->model);
		for (size_t i = 0; i < map->function_count; i++)
			if ((o != s || i + 1 != op->function) &&
			    identity_is_clash(&map->functions[i].now.identity, new))
				world_broken(s->w,
					     "invariant 4: functions %u and %zu carry one identity",
					     op->function, i + 1);
	}
}

static void check_fenced(struct site *s, const struct sim_effect *e)
{
	struct actor *a = actor_of(s, e->op->host);

	if (e->op->verb == PROVIDER_BIND && a && a->fenced_ms)
		world_broken(
			s->w,
			"invariant 2: a bind to %s, fenced, was carried out at the switch (%s)",
			a->name, e->outcome == PROVIDER_DONE ? "bound" : "refused there");
}

/* Function @i + 1 is reset with the one that @op names: their card has no other reset. */
static bool is_hit(const struct site *s, const struct provider_op *op, size_t i)
{
	const struct sim_map *map = sim_model_map(s->model);
	const struct provider_function *fn = &map->functions[op->function - 1];

	return !fn->flr && map->functions[i].adapter == fn->adapter;
}

/* S16. The switch refuses it; that it is tried is the fault. */
static void check_blast(struct site *s, const struct provider_op *op)
{
	const struct sim_map *map = sim_model_map(s->model);

	for (size_t i = 0; op->verb == PROVIDER_RESET && i < map->function_count; i++)
		if (i + 1 != op->function && is_hit(s, op, i) && map->functions[i].now.host)
			world_broken(s->w,
				     "S16: a reset of function %u hits function %zu at host %u",
				     op->function, i + 1, map->functions[i].now.host);
}

/* Some host may be given it; the rest is its keeper's, or goes with its PF. */
static bool is_givable(const struct sim_map *map, size_t i)
{
	const struct provider_function *fn = &map->functions[i];
	const struct provider_adapter *a = &map->adapters[fn->adapter - 1];

	if (fn->kind == PROVIDER_FUNCTION_VF)
		return a->keeper != PROVIDER_KEEPER_NONE && fn->vf <= a->num_vfs;
	return fn->kind == PROVIDER_FUNCTION_DEVICE ||
	       (fn->kind == PROVIDER_FUNCTION_PF &&
		(a->mode != PROVIDER_ADAPTER_SRIOV || a->keeper == PROVIDER_KEEPER_NONE));
}

/* S17: a card that has come is scrubbed, all of it, before any of it is given. */
static void check_scrubbed(struct site *s, const struct provider_op *op)
{
	const struct sim_map *map = sim_model_map(s->model);
	uint32_t adapter = map->functions[op->function - 1].adapter;

	for (size_t i = 0; i < s->function_count; i++)
		if (map->functions[i].adapter == adapter && is_givable(map, i) && s->known[i].dirty)
			world_broken(s->w,
				     "S17: function %u is bound, and function %zu of its card, "
				     "which has come, was not reset",
				     op->function, i + 1);
}

void check_effect(struct site *s, const struct sim_effect *e)
{
	const struct provider_op *op = e->op;
	struct known *k = known_of(s, op->function);

	if (s->w->print)
		world_story(s->w,
			    "    switch: %s function %u host %u vport %u gen %" PRIu64
			    " -> %s%s%s%s",
			    provider_verb_text(op->verb), op->function, op->host, op->vport,
			    op->generation, provider_outcome_text(e->outcome), e->why ? " " : "",
			    e->why ? provider_why_text(e->why) : "", e->is_late ? " LATE" : "");
	check_drill_effect(actor_of(s, op->host), e);
	if (op->verb == PROVIDER_READ) {
		read_effect(s, op);
		return;
	}
	if (!is_effect(op->verb) || !k)
		return;
	if (sent_forget(s, op->attempt) && k->outstanding)
		k->outstanding--;
	if (e->why == PROVIDER_WHY_FAULT)
		return;
	check_fenced(s, e);
	/* 1: never to two hosts. The switch would refuse it; that it is tried is the fault. */
	if (op->verb == PROVIDER_BIND && e->before.host &&
	    (e->before.host != op->host || e->before.vport != op->vport))
		world_broken(s->w,
			     "invariant 1: function %u is bound to host %u and is bound to %u too",
			     op->function, e->before.host, op->host);
	/* 2: not under another generation than its owner's. */
	if (op->generation && op->generation < k->generation)
		world_broken(s->w,
			     "invariant 2: %s of function %u under generation %" PRIu64
			     " is carried out, its owner's is %" PRIu64,
			     provider_verb_text(op->verb), op->function, op->generation,
			     k->generation);
	check_blast(s, op);
	if (e->outcome != PROVIDER_DONE)
		return;
	if (op->verb == PROVIDER_BIND || op->verb == PROVIDER_UNBIND)
		k->clean = false;
	for (size_t i = 0; op->verb == PROVIDER_RESET && i < s->function_count; i++)
		if (i + 1 == op->function || is_hit(s, op, i)) {
			s->known[i].reset = true;
			s->known[i].dirty = false;
		}
	if (op->verb == PROVIDER_BIND) {
		check_scrubbed(s, op);
		if (k->owner && k->owner != op->host && !k->reset)
			world_broken(
				s->w,
				"S16: function %u goes from host %u to host %u without a reset",
				op->function, k->owner, op->host);
		k->owner = op->host;
		k->reset = false;
	}
	if (op->verb == PROVIDER_IDENTITY && !identity_is_empty(&op->identity)) {
		if (e->after.host)
			world_broken(
				s->w,
				"invariant 4: function %u gets an identity while host %u sees it",
				op->function, e->after.host);
		if (s->w->now_ms - s->reboot_ms > REBOOT_GRACE_MS || !s->reboot_ms)
			check_identities(s, op);
	}
	if (op->verb == PROVIDER_RESET && e->before.host)
		world_broken(s->w, "invariant 2: function %u is reset under its owner, host %u",
			     op->function, e->before.host);
}

/* ---- it has started ---- */

/* Names outlive the manager that gave them. */
static void names_note(struct site *s)
{
	const struct fabric_provider *p = s->w->fabric->providers[s->n];

	for (size_t i = 0; i < p->function_count && i < WORLD_FUNCTIONS; i++)
		if (p->functions[i])
			(void)snprintf(s->functions[i], sizeof(s->functions[i]), "%s",
				       p->functions[i]->name);
}

static void site_forget(struct site *s)
{
	s->failovers = 0;
	for (size_t i = 0; i < s->function_count; i++) {
		if (s->known[i].lives < s->known[i].generation)
			s->known[i].lives = s->known[i].generation;
		s->known[i].generation = 0;
		s->known[i].dirty = false; /* as if its card had come while no manager ran */
	}
}

void known_forget(struct world *w)
{
	w->acked_count = 0;
	for (unsigned n = 0; n < w->site_count; n++)
		site_forget(&w->sites[n]);
	for (size_t i = 0; i < w->actor_count; i++) {
		struct actor *a = &w->actors[i];

		a->epoch = 0;
		a->fenced_ms = 0;
		a->maintained = false;
		drill_forget(a);
	}
}

/* S8 */
static void check_generations(struct site *s)
{
	for (size_t i = 0; i < s->function_count; i++) {
		const struct fabric_function *fn =
			s->functions[i][0] ? fabric_function_find(s->w->fabric, s->functions[i])
					   : NULL;

		if (s->functions[i][0] && s->known[i].generation > (fn ? fn->highest : 0))
			world_broken(s->w,
				     "S8: a command of generation %" PRIu64
				     " has left for %s, and the journal does not know it",
				     s->known[i].generation, s->functions[i]);
	}
}

/* 5, and S8: what was told stands in the journal, and so does all that has left. */
void check_loaded(struct world *w)
{
	size_t count;
	const struct fabric_change *const *changes = fabric_changes(w->fabric, &count);

	for (size_t i = 0; i < w->acked_count; i++)
		if (!fabric_change_find(w->fabric, w->acked[i].id) &&
		    (!count || w->acked[i].id >= changes[0]->row.id))
			world_broken(
				w, "invariant 5: change %" PRIu64 " was acknowledged, and is lost",
				w->acked[i].id);
	for (unsigned n = 0; n < w->site_count; n++)
		check_generations(&w->sites[n]);
	for (size_t i = 0; i < w->actor_count; i++) {
		const struct actor *a = &w->actors[i];
		const struct fabric_host *host = fabric_host_find(w->fabric, a->name);

		if (host ? host->epoch < a->epoch : a->epoch > 0)
			world_broken(w,
				     "S8: a command of epoch %" PRIu64 " has left for %s, and "
				     "the journal does not know it",
				     a->epoch, a->name);
		if (a->fenced_ms && !a->readmitted && !drill_is_let_in_untold(w, a) &&
		    (!host || !host_is_shut(host)))
			world_broken(w, "invariant 5: %s was told to be fenced, and is not",
				     a->name);
	}
}

/* ---- the manager says something ---- */

static void check_done(struct world *w, const char *function)
{
	const struct fabric_function *fn = fabric_function_find(w->fabric, function);
	const struct provider_binding *now;
	const struct known *k;
	const struct site *s;

	if (!fn || !fn->present)
		return;
	s = site_of(w, fn);
	k = &s->known[fn->as.handle - 1];
	now = &sim_model_map(s->model)->functions[fn->as.handle - 1].now;
	/* Somebody was at its card meanwhile, or the switch has rebooted. */
	if ((k->card_ms && w->now_ms - k->card_ms < REBOOT_GRACE_MS) ||
	    (s->reboot_ms && w->now_ms - s->reboot_ms < REBOOT_GRACE_MS))
		return;
	/* 5: "done" means durable and read back; unless its host was fenced meanwhile. */
	if (fn->host && fn->host->fence)
		return;
	if (fn->host ? now->host != fn->host->as.handle || now->vport != fn->vport ||
			       now->generation != fn->generation
		     : now->host != 0)
		world_broken(w,
			     "invariant 5: %s is told to be done at %s vport %u, and the switch "
			     "has it at host %u vport %u",
			     function, fn->host ? fn->host->name : "nowhere", fn->vport, now->host,
			     now->vport);
	else if (fn->as.identity_can && !identity_is_equal(&now->identity, &fn->identity))
		world_broken(w, "invariant 4: %s is told to be done with another identity",
			     function);
}

/* S8: what has begun goes forward. */
static void check_cancelled(struct world *w, const char *function)
{
	const struct fabric_function *fn = fabric_function_find(w->fabric, function);
	const struct known *k;

	if (!fn || !fn->present)
		return;
	k = &site_of(w, fn)->known[fn->as.handle - 1];
	if (k->generation && k->generation >= fn->highest)
		world_broken(w, "S8: the change of %s is cancelled, and its commands have left",
			     function);
}

/* When the verdict on @a fell; it is told once it is durable, and by a manager that was stopped in
 * between much later. */
static uint64_t verdict_ms_of(const struct world *w, const struct actor *a)
{
	const struct fabric_host *host = fabric_host_find(w->fabric, a->name);
	const struct fabric_incident *incident =
		host ? fabric_incident_find(w->fabric, host->incident) : NULL;

	for (size_t i = 0; incident && i < incident->step_count; i++)
		if (!strcmp(incident->steps[i].what, "verdict"))
			return incident->started_ms + incident->steps[i].offset_ms;
	return w->now_ms;
}

/* 6, again: it beats, and one of its ways has lost and delayed nothing for long. */
static void check_ways(struct world *w, const struct actor *a, uint64_t verdict_ms)
{
	const struct agent_end *agent = &a->agent;

	if (!a->runs || a->hangs || agent->last_ms + 2 * INTERVAL_MS < w->now_ms ||
	    agent->beating_ms + WHOLE_MS > verdict_ms)
		return;
	for (unsigned n = 0; n < NET_WAYS; n++)
		if (agent->ways & 1U << n && agent->hurt_ms[n] + WHOLE_MS <= verdict_ms)
			world_broken(w, "invariant 6: %s is fenced, and beats by %s without a loss",
				     a->name, w->net.ways[n].name);
}

/* 6: alive and reachable, and nobody asked for it. */
static void check_fencing(struct world *w, struct actor *a, uint64_t verdict_ms)
{
	const struct provider_host_state *state =
		&sim_model_map(a->site->model)->hosts[a->handle - 1].state;
	uint64_t last = 0;

	if (a->by_hand || a->left || !state->power || !state->link ||
	    (a->dark_ms && verdict_ms - a->dark_ms < 2 * INTERVAL_MS))
		return;
	for (unsigned i = 0; i < WORLD_LIVES && i < a->lives; i++)
		/* What came in the same millisecond may have come after it. */
		if (a->live_ms[i] < verdict_ms && a->live_ms[i] > last)
			last = a->live_ms[i];
	if (verdict_ms - last < (MISSED - 1) * INTERVAL_MS)
		world_broken(w,
			     "invariant 6: %s is fenced, and its last beat was %" PRIu64 " ms ago",
			     a->name, verdict_ms - last);
	check_ways(w, a, verdict_ms);
}

/* The window of @host had a beat to go, or less. */
static bool is_near(const struct actor *a, const struct fabric_host *host, uint64_t verdict_ms)
{
	uint64_t since = a->heard_ms > host->live.fresh_ms ? a->heard_ms : host->live.fresh_ms;

	return since + (MISSED - 1) * INTERVAL_MS <= verdict_ms;
}

/* S4: not one of many that fell silent together, nor before a fresh window after a hold. */
static void check_storm(struct world *w, const struct actor *dead, uint64_t verdict_ms)
{
	const struct config *config = fabric_config(w->fabric);
	unsigned watched = 0;
	unsigned silent = 0;

	if (dead->site->resumed_ms && verdict_ms >= dead->site->resumed_ms &&
	    verdict_ms - dead->site->resumed_ms < MISSED * INTERVAL_MS)
		world_broken(w, "S4: %s is fenced %" PRIu64 " ms after the end of a hold",
			     dead->name, verdict_ms - dead->site->resumed_ms);
	for (size_t i = 0; i < w->actor_count; i++) {
		const struct actor *a = &w->actors[i];
		const struct fabric_host *host = fabric_host_find(w->fabric, a->name);

		if (a->site == dead->site && a->dark_ms && w->now_ms - a->dark_ms < 2 * INTERVAL_MS)
			return; /* what its witness said then, nobody knows any more */
		if (a->site != dead->site)
			continue;
		if (!host || (a != dead && !host->live.watched) || host->live.aside ||
		    host->live.witness == LIVE_SAYS_DEAD)
			continue;
		watched++;
		silent += a == dead || is_near(a, host, verdict_ms);
	}
	if (silent >= config->storm_min && silent * 100 >= watched * config->storm_percent)
		world_broken(w, "S4: %s is fenced, one of %u of %u hosts that are silent at once",
			     dead->name, silent, watched);
}

/* S7: the switch has told, again and again since its last beat and just now, that it sends. */
static void check_heard(struct world *w, const struct actor *a, uint64_t verdict_ms)
{
	if (!a->by_hand && a->counted.rises > 1 && a->counted.told_ms > a->heard_ms &&
	    a->counted.told_ms + INTERVAL_MS >= verdict_ms)
		world_broken(w, "S7: %s is fenced as silent, and its port's counter moves",
			     a->name);
}

/* S5, over every restart: only so many within the time. */
static void check_rate(struct world *w, const struct actor *a, uint64_t verdict_ms)
{
	const struct config *config = fabric_config(w->fabric);
	struct site *s = a->site;
	unsigned recent = 0;

	for (unsigned i = 0; i < s->failovers && i < WORLD_FAILOVERS; i++)
		recent += verdict_ms - s->failovers_ms[i] < config->rate_window_ms;
	if (recent >= config->rate_count)
		world_broken(w, "S5: %s is fenced as silent, after %u others in so short a time",
			     a->name, recent);
	s->failovers_ms[s->failovers++ % WORLD_FAILOVERS] = verdict_ms;
}

static void check_verdict(struct world *w, struct actor *a, const char *cause)
{
	uint64_t verdict_ms = verdict_ms_of(w, a);

	if (!strncmp(cause, "adopted", 7))
		return; /* it is cut off already */
	if (!strncmp(cause, "a drill", 7)) {
		if (!a->drill.life)
			world_broken(w, "%s is drilled, and nobody asked", a->name);
		return;
	}
	check_fencing(w, a, verdict_ms);
	if (is_restored(w) && !a->by_hand)
		world_broken(w, "a restored database fences %s", a->name);
	if (!strncmp(cause, "silent", 6)) {
		check_storm(w, a, verdict_ms);
		check_heard(w, a, verdict_ms);
		check_rate(w, a, verdict_ms);
	}
	if (w->trial.dies == a)
		w->trial.due_ms = 0;
}

/* 2: without an empty virtual switch a host counts as fenced only if it is off. */
static void check_word(struct world *w, struct actor *a, const char *proof)
{
	a->by_word = !strncmp(proof, "off, says", 9) || !strncmp(proof, "confirmed", 9);
	/* Somebody pressed its button just now, perhaps at a switch that cannot tell. */
	if (a->dark_ms && w->now_ms - a->dark_ms < 2 * INTERVAL_MS)
		return;
	if (a->by_word && sim_model_map(a->site->model)->hosts[a->handle - 1].state.power)
		world_broken(w, "invariant 2: %s is fenced by somebody's word, and has its power",
			     a->name);
}

static void check_site_event(struct site *s, const struct db_event *event)
{
	if (strcmp(s->name, event->subject) != 0)
		return;
	if (!strcmp(event->type, "switch.rebooted") || !strcmp(event->type, "provider.reconciled"))
		s->reboot_untold = false;
	if (!strcmp(event->type, "provider.reconciled"))
		names_note(s);
}

void check_event(struct world *w, const struct db_event *event)
{
	for (size_t i = 0; i < w->actor_count; i++) {
		struct actor *a = &w->actors[i];

		if (strcmp(a->name, event->subject) != 0)
			continue;
		if (!strcmp(event->type, "host.fencing")) {
			a->agent.is_shut = true;
			check_verdict(w, a, event->detail);
		}
		check_drill_event(w, a, event);
		if (!strcmp(event->type, "host.fencing") && a->maintained && !a->by_hand &&
		    strncmp(event->detail, "adopted", 7) != 0)
			world_broken(w, "S13: %s is in maintenance, and is fenced", a->name);
		if (!strcmp(event->type, "host.fencing"))
			a->maintained = false; /* nobody comes back to it from a fence */
		if (!strcmp(event->type, "host.maintenance"))
			a->maintained = !strcmp(event->detail, "on");
		/* The switch let everybody in again, and the manager has not heard of it yet. */
		if (!strncmp(event->type, "host.fenced", 11) && !a->site->reboot_untold) {
			a->fenced_ms = w->now_ms;
			a->fence_void = false;
			/* Somebody may have asked for it before it was fenced once more. */
			a->readmitted = a->readmitted && strcmp(event->type, "host.fenced") != 0;
			check_word(w, a, event->detail);
		}
		if (!strcmp(event->type, "host.readmitted")) {
			a->counted.told_ms = 0; /* what its fence read is no witness */
			a->agent.is_shut = false;
			a->fenced_ms = 0;
			a->cut_off = false;
			a->by_hand = false;
			a->left = false;
			a->quarantined = false;
		}
		if (!strcmp(event->type, "host.quarantined"))
			a->quarantined = true;
	}
	for (unsigned n = 0; n < w->site_count; n++)
		check_site_event(&w->sites[n], event);
	if (!strcmp(event->type, "fabric.adopted"))
		w->disk.is_restored = false;
	if (!strcmp(event->type, "function.cancelled"))
		check_cancelled(w, event->subject);
	if (!strcmp(event->type, "function.done"))
		check_done(w, event->subject);
}

/* ---- every step ---- */

static void check_hold(struct site *s)
{
	const struct fabric *f = s->w->fabric;
	bool held = false;

	for (size_t i = 0; i < f->chassis_count; i++)
		held = held || (f->chassis[i].provider == s->n && f->chassis[i].live.hold);
	if (s->held && !held)
		s->resumed_ms = s->w->now_ms;
	s->held = held;
}

static bool has_fenced(const struct site *s)
{
	for (size_t i = 0; i < s->w->actor_count; i++)
		if (s->w->actors[i].site == s && s->w->actors[i].fenced_ms)
			return true;
	return false;
}

static void check_empty(struct site *s)
{
	const struct sim_map *map = sim_model_map(s->model);

	for (size_t i = 0; i < map->function_count; i++) {
		const struct provider_binding *now = &map->functions[i].now;
		const struct actor *a = now->host ? actor_of(s, now->host) : NULL;

		if (a && a->fenced_ms && !a->by_word)
			world_broken(s->w,
				     "invariant 2: %s is fenced, and function %zu is bound to it",
				     a->name, i + 1);
	}
}

void check_step(struct world *w)
{
	for (unsigned n = 0; n < w->site_count; n++) {
		if (world_manager_runs(w))
			check_hold(&w->sites[n]);
		if (has_fenced(&w->sites[n]))
			check_empty(&w->sites[n]);
	}
	if (world_manager_runs(w))
		check_profiles(w);
	if (w->trial.due_ms && w->now_ms > w->trial.due_ms)
		world_broken(w, "%s is dead, and nobody misses it", w->trial.dies->name);
}

/* ---- the end ---- */

/* Its reset would take another function of its card from a host that uses it: it stays parked, and
 * is shown with that reason, until a person moves both (S16). */
static bool is_kept_back_by_card(struct world *w, const struct fabric_function *fn)
{
	const struct sim_map *map = sim_model_map(site_of(w, fn)->model);

	if (fn->as.flr || !fn->host || fn->assigned != DB_ASSIGNMENT_PARKED)
		return false;
	for (const struct fabric_function *o = fn->adapter->first; o; o = o->next_in_adapter)
		if (o != fn && map->functions[o->as.handle - 1].now.host)
			return true;
	return false;
}

/* After a restore: what adoption has left to a person's choice, for it belongs to nobody and
 * clashes, stands in its place. */
static bool is_place_taken(struct world *w, const struct fabric_function *fn)
{
	const struct fabric_provider *p = w->fabric->providers[site_of(w, fn)->n];
	const struct sim_map *map = sim_model_map(site_of(w, fn)->model);

	for (size_t i = 0; w->disk.was_restored && fn->host && i < p->function_count; i++)
		if (p->functions[i] && !p->functions[i]->host &&
		    map->functions[i].now.host == fn->host->as.handle &&
		    map->functions[i].now.vport == fn->vport)
			return true;
	return false;
}

static void check_placed(struct world *w, const struct fabric_function *fn)
{
	const struct provider_binding *now =
		&sim_model_map(site_of(w, fn)->model)->functions[fn->as.handle - 1].now;

	if (fabric_function_is_kept(fn) || is_kept_back_by_card(w, fn) || is_place_taken(w, fn))
		return;
	if (fn->item)
		world_broken(w, "invariant 7: %s is still in change %" PRIu64 ": %s", fn->name,
			     fn->item->row.change, fn->item->step);
	else if (fn->host && (now->host != fn->host->as.handle || now->vport != fn->vport ||
			      now->generation != fn->generation))
		world_broken(
			w,
			"invariant 7: %s belongs to %s (%s) vport %u, and the switch has it at "
			"host %u vport %u",
			fn->name, fn->host->name, fabric_host_state_text(fn->host->state),
			fn->vport, now->host, now->vport);
	else if (!fn->host && now->host && !w->disk.was_restored)
		/* After a restore: adoption may leave two that clash to a person's choice. */
		world_broken(w, "invariant 7: %s belongs to nobody, and is bound to host %u",
			     fn->name, now->host);
	else if (fn->host && fn->as.identity_can &&
		 !identity_is_equal(&now->identity, &fn->identity))
		world_broken(w, "invariant 4: %s has lost its identity", fn->name);
}

/* What the judging was told is all that it decides by: every incident runs again as it was, and
 * with other settings it runs too. */
static void check_night(struct world *w, const struct fabric_incident *incident)
{
	const struct fabric_replay_set others[] = { { "heartbeat.missed", "9" },
						    { "failover.storm-percent", "90" },
						    { "failover.witness", "none" } };
	OWNED(fabric_replay_done) struct fabric_replay replay = { 0 };
	struct fabric_problem problem;
	int r;

	if (!incident->record) {
		w->unrecorded++;
		return;
	}
	w->replayed++;
	r = fabric_incident_replay(w->fabric, incident->row.id, others, w->seed % 4, &problem,
				   &replay);
	if (r)
		world_broken(w, "incident %" PRIu64 " of %s does not run again: %s",
			     incident->row.id, incident->row.host,
			     r > 0 ? problem.reason : strerror(-r));
	else if (!replay.night.is_same)
		world_broken(w, "incident %" PRIu64 " of %s runs otherwise than that night: %s",
			     incident->row.id, incident->row.host, replay.night.difference);
}

static void check_nights(struct world *w)
{
	size_t count;
	const struct fabric_incident *const *incidents = fabric_incidents(w->fabric, &count);

	for (size_t i = 0; i < count; i++)
		check_night(w, incidents[i]);
}

void check_end(struct world *w)
{
	struct fabric_health health;
	size_t count;
	const struct fabric_function *const *functions;
	const struct fabric_change *const *changes;

	if (!world_manager_runs(w)) {
		world_broken(w, "the manager does not run");
		return;
	}
	fabric_health_get(w->fabric, &health);
	if (health.frozen || !health.ready)
		world_broken(w, "invariant 7: the fabric is %s: %s", health.status, health.detail);
	functions = fabric_functions(w->fabric, &count);
	for (size_t i = 0; i < count; i++)
		if (functions[i]->present)
			check_placed(w, functions[i]);
	check_nights(w);
	check_drills_end(w);
	changes = fabric_changes(w->fabric, &count);
	for (size_t i = 0; i < count; i++)
		if (changes[i]->row.state == DB_CHANGE_RUNNING)
			world_broken(w, "invariant 7: change %" PRIu64 " is still running",
				     changes[i]->row.id);
	for (size_t i = 0; i < w->acked_count; i++)
		if (!fabric_change_find(w->fabric, w->acked[i].id) && count &&
		    w->acked[i].id >= changes[0]->row.id)
			world_broken(w,
				     "invariant 5: change %" PRIu64
				     " was acknowledged, and nobody knows it",
				     w->acked[i].id);
}
