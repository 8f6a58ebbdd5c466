/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hosts, their agents and their fence programs; and whose turn it is, chosen by the seed. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/state.h"
#include "tests/simulation/acts.h"

enum { BEAT_MS = 1000, FENCED_SLOWER = 2, TRIAL_MS = 6000, QUIET_MS = 250 };

/* ---- hosts ---- */

void actor_power(struct world *w, struct actor *a, bool on)
{
	a->dark_ms = w->now_ms; /* at either end of it */
	if (sim_model_host(a->site->model, a->handle, SIM_HOST_POWER, on) ||
	    (on && sim_model_host(a->site->model, a->handle, SIM_HOST_LINK, true)))
		abort();
}

void actor_boot(struct world *w, struct actor *a)
{
	a->runs = true;
	a->boot_ms = 0;
	a->hangs = false;
	a->boots++;
	(void)snprintf(a->boot_id, sizeof(a->boot_id), "%08x-0000-4000-8000-%012x",
		       (unsigned)(a - w->actors) + 1, a->boots);
	a->agent.up_ms = w->now_ms;
	a->agent.top = 0;
	a->agent.proved_in = 0;
	agent_start(w, a);
	a->next_beat_ms = w->now_ms + world_random(w, BEAT_MS);
}

/* The manager has turned it on (S11): most boot in time, some too late, some never. */
void actor_powered_on(struct site *s, uint16_t host)
{
	struct world *w = s->w;

	for (size_t i = 0; i < w->actor_count; i++) {
		struct actor *a = &w->actors[i];

		if (a->site != s || a->handle != host || a->runs)
			continue;
		a->dark_ms = w->now_ms;
		if (world_random(w, 8))
			a->boot_ms = w->now_ms + 2000 + world_random(w, 30000);
		world_story(w, "%s is powered on, and %s", a->name,
			    a->boot_ms ? "boots" : "does not boot");
	}
}

void actor_powered_off(struct site *s, uint16_t host)
{
	for (size_t i = 0; i < s->w->actor_count; i++) {
		struct actor *a = &s->w->actors[i];

		if (a->site == s && a->handle == host)
			a->boot_ms = 0;
		if (a->site != s || a->handle != host || !a->runs)
			continue;
		world_story(s->w, "%s has lost its power", a->name);
		a->runs = false;
		a->hangs = false;
		a->dumb_until_ms = 0;
		a->dark_ms = s->w->now_ms;
		if (!a->readmit_ms)
			a->readmit_ms = s->w->now_ms + 30000 + world_random(s->w, 30000);
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
	bool has_power = sim_model_map(a->site->model)->hosts[a->handle - 1].state.power;

	if (w->program == PROGRAM_FAILS)
		return 1;
	if (a->run_is_off && w->program == PROGRAM_HONEST && has_power) {
		actor_power(w, a, false);
		actor_powered_off(a->site, a->handle);
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

bool actor_is_dumb(const struct site *s, uint16_t host)
{
	for (size_t i = 0; i < s->w->actor_count; i++)
		if (s->w->actors[i].site == s && s->w->actors[i].handle == host)
			return s->w->actors[i].dumb_until_ms != 0;
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

static void actors_add(struct world *w, struct site *s)
{
	const struct sim_map *map = sim_model_map(s->model);

	for (size_t i = 0; i < map->host_count; i++) {
		struct actor *a = &w->actors[w->actor_count++];

		(void)snprintf(a->name, sizeof(a->name), "%s", map->hosts[i].bay);
		a->site = s;
		a->handle = map->hosts[i].handle;
		agent_init(w, a);
		actor_boot(w, a);
	}
	s->function_count = map->function_count;
}

void actors_init(struct world *w)
{
	for (unsigned n = 0; n < w->site_count; n++)
		actors_add(w, &w->sites[n]);
	w->next_act_ms = w->now_ms + 20000;
	w->next_mac = 0x020000000001u;
}

static void actor_beat(struct world *w, struct actor *a)
{
	uint64_t pace_ms = a->agent.is_fenced ? FENCED_SLOWER * BEAT_MS : BEAT_MS;

	a->next_beat_ms = w->now_ms + pace_ms - 20 + world_random(w, 40);
	/* Together: there is less to do. */
	if (w->quiet)
		a->next_beat_ms -= a->next_beat_ms % QUIET_MS;
	if (w->now_ms < w->skew_until_ms && a == w->actors)
		world_wall_set(w, (int64_t)world_random(w, 900));
	agent_beat(w, a);
}

/* One that flaps is quiet again after some beats. */
static void pause_plan(struct world *w, struct actor *a)
{
	if (!a->flaps || w->quiet)
		return;
	a->flaps--;
	actor_beat(w, a);
	a->hangs = true;
	a->hangs_until_ms = w->now_ms + 2600 + world_random(w, 1800);
}

/* While it takes over, say. */
static void actor_die(struct world *w, struct actor *a)
{
	a->dies_ms = 0;
	if (!a->runs || w->quiet)
		return;
	world_story(w, "%s dies while it takes over", a->name);
	a->runs = false;
	if (world_random(w, 2))
		actor_power(w, a, false);
	a->readmit_ms = w->now_ms + 30000 + world_random(w, 60000);
}

static void actor_advance(struct world *w, struct actor *a)
{
	if (a->hangs && w->now_ms >= a->hangs_until_ms) {
		world_story(w, "%s goes on after its pause", a->name);
		a->hangs = false;
		a->next_beat_ms = w->now_ms;
		pause_plan(w, a);
	}
	if (a->boot_ms && w->now_ms >= a->boot_ms && !a->runs)
		actor_boot(w, a);
	if (a->dies_ms && w->now_ms >= a->dies_ms)
		actor_die(w, a);
	if (a->runs && !a->hangs && w->now_ms >= a->next_beat_ms)
		actor_beat(w, a);
	if (a->dumb_until_ms && w->now_ms >= a->dumb_until_ms) {
		world_story(w, "the switch can tell again what %s has", a->name);
		a->dumb_until_ms = 0;
		site_changed(a->site);
	}
	if (a->ask)
		ask_advance(w, a);
	agent_advance(w, a);
}

void actors_know(struct world *w)
{
	for (size_t i = 0; i < w->actor_count; i++) {
		struct actor *a = &w->actors[i];
		const struct fabric_host *host = fabric_host_find(w->fabric, a->name);
		bool fenced = host && host->state == FABRIC_HOST_FENCED;

		a->quarantined = host && host->state == FABRIC_HOST_QUARANTINED;
		a->maintained = host && host->state == FABRIC_HOST_MAINTENANCE;
		if (a->maintained && !a->maintained_until_ms)
			a->maintained_until_ms = w->now_ms + 10000;
		a->agent.is_shut = host && host_is_shut(host);
		if (!fenced || a->fence_void)
			a->fenced_ms = 0;
		else if (!a->fenced_ms) {
			a->fenced_ms = w->now_ms;
			/* Its proof was durable, and was not told any more. */
			a->by_word =
				!sim_model_map(a->site->model)->hosts[a->handle - 1].state.power;
		}
		if ((fenced || (host && host->state == FABRIC_HOST_QUARANTINED)) && !a->readmit_ms)
			a->readmit_ms = w->now_ms + 10000;
	}
}

/* One target in six does not live through what it is given. */
static void target_told(struct world *w, const char *detail)
{
	const char *to = strstr(detail, " to ");

	for (size_t i = 0; to && !w->quiet && i < w->actor_count; i++) {
		struct actor *a = &w->actors[i];
		size_t length = strlen(a->name);

		if (strncmp(to + 4, a->name, length) != 0 || strchr("0123456789", to[4 + length]))
			continue;
		check_drill_target(w, a);
		if (!world_random(w, 6))
			a->dies_ms = w->now_ms + world_random(w, 300);
	}
}

void actor_told(struct world *w, const struct db_event *event)
{
	if (!strcmp(event->type, "incident.step") && !strncmp(event->detail, "move", 4))
		target_told(w, event->detail);
	for (size_t i = 0; i < w->actor_count; i++) {
		struct actor *a = &w->actors[i];

		if (strcmp(a->name, event->subject) != 0)
			continue;
		if (!strcmp(event->type, "host.fenced")) {
			a->readmit_ms = w->now_ms + 5000 + world_random(w, 60000);
			w->failovers += !a->drill.life;
		}
		if (!strcmp(event->type, "host.readmitted"))
			a->readmit_ms = 0;
		if (!strcmp(event->type, "host.quarantined"))
			a->readmit_ms = w->now_ms + 5000 + world_random(w, 120000);
	}
}

/* ---- all of them ---- */

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
		{ act_network, 8, false },   { act_stop, 3, true },
		{ act_kill, 10, true },      { act_reboot, 1, false },
		{ act_disconnect, 3, true }, { act_dumb, 4, false },
		{ act_hint, 4, true },       { act_tell, 20, true },
		{ act_race, 3, true },       { act_clock, 2, false },
		{ act_flap, 2, false },      { act_leave, 2, true },
		{ act_lie, 4, true },        { act_disk, 2, false },
		{ act_backup, 2, true },     { act_restore, 1, true },
		{ act_card, 4, false },      { act_maintain, 4, true },
		{ act_profile, 12, true },   { act_rest, 16, true },
		{ act_attack, 4, false },    { act_agent, 3, false },
		{ act_enroll, 4, true },     { act_drill, 12, true },
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

/* It would be judged, as far as anyone can see. */
static bool is_judged(const struct world *w, const struct actor *a)
{
	const struct fabric_host *host = fabric_host_find(w->fabric, a->name);
	struct fabric_health health;

	fabric_health_get(w->fabric, &health);
	return a->runs && host && host->state == FABRIC_HOST_ALIVE && host->live.watched &&
	       health.ready && !health.frozen && !health.hold;
}

static void trial_begin(struct world *w)
{
	static const int64_t steps_ms[] = { 0, -3600000, 3600000 };
	struct actor *a = &w->actors[world_random(w, w->actor_count)];

	w->trial.at_ms = w->now_ms + 5000;
	if (!world_manager_runs(w) || !is_judged(w, a))
		return;
	w->trial = (struct trial){ .due_ms = w->now_ms + TRIAL_MS, .dies = a };
	world_wall_set(w, steps_ms[w->seed % 3]);
	/* S6: one dead switch delays no other. */
	for (unsigned n = 0; n < w->site_count; n++)
		if (&w->sites[n] != a->site)
			site_disconnect(&w->sites[n], 60000);
	attacker_begin(w, a, TRIAL_MS);
	/* Where no counter tells that it lives. */
	if (w->seed % 4 == 2)
		net_cut(w, a, w->now_ms + 2 * TRIAL_MS);
	else
		a->runs = false;
	world_story(w, "%s %s, the last one; the wall clock is set by %" PRId64 " ms", a->name,
		    a->runs ? "is cut off" : "dies", steps_ms[w->seed % 3]);
}

/* In every second world the switch counts what comes from hosts: one that runs sends, whether its
 * beats arrive or not (S7). In the others every counter stands, and silence alone must tell. */
static void traffic_follow(struct world *w)
{
	for (size_t i = 0; w->seed % 2 && i < w->actor_count; i++) {
		struct actor *a = &w->actors[i];
		bool sends = a->runs && !a->hangs;

		if (sends != a->sends &&
		    sim_model_host(a->site->model, a->handle, SIM_HOST_TRAFFIC, sends))
			abort();
		a->sends = sends;
	}
}

/* A reading has reached the manager. */
void actor_counted(struct site *s, const struct provider_completion *done)
{
	struct world *w = s->w;
	struct actor *a = NULL;

	for (size_t i = 0; i < w->actor_count; i++)
		if (w->actors[i].site == s && w->actors[i].handle == done->host.host)
			a = &w->actors[i];
	if (!a || done->outcome != PROVIDER_DONE || !done->traffic_known)
		return;
	if (a->counted.told_ms <= a->heard_ms)
		a->counted.rises = 0;
	else if (done->traffic > a->counted.count)
		a->counted.rises++;
	else
		a->counted.rises = 0;
	a->counted.count = done->traffic;
	a->counted.told_ms = w->now_ms;
}

void actors_advance(struct world *w)
{
	if (w->trial.at_ms && w->now_ms >= w->trial.at_ms)
		trial_begin(w);
	disk_adopt(w);
	for (size_t i = 0; i < w->actor_count; i++) {
		actor_advance(w, &w->actors[i]);
		program_advance(w, &w->actors[i]);
		actor_readmit(w, &w->actors[i]);
		actor_maintain(w, &w->actors[i]);
	}
	traffic_follow(w);
	attacker_advance(w);
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
		uint64_t says_ms = agent_next_ms(a);

		if (says_ms < next)
			next = says_ms;
		if (a->runs && !a->hangs && a->next_beat_ms < next)
			next = a->next_beat_ms;
		if (a->boot_ms && a->boot_ms < next)
			next = a->boot_ms;
		if (a->dies_ms && a->dies_ms < next)
			next = a->dies_ms;
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

static void site_quiet(struct site *s)
{
	const struct sim_map *map = sim_model_map(s->model);

	sim_model_fault_clear(s->model);
	for (uint32_t i = 1; i <= map->adapter_count; i++)
		if (map->slots[i - 1].out)
			at_slot(s, i, SIM_SLOT_IN);
}

/* The trouble is over: everything runs, and somebody lets in whoever is fenced. */
void actors_quiet(struct world *w)
{
	world_story(w, "quiet");
	w->quiet = true;
	w->kill_in = 0;
	net_quiet(w);
	for (unsigned n = 0; n < w->site_count; n++)
		site_quiet(&w->sites[n]);
	for (size_t i = 0; i < w->actor_count; i++) {
		struct actor *a = &w->actors[i];

		a->hangs = false;
		a->dumb_until_ms = w->now_ms;
		if (!a->runs) {
			actor_power(w, a, true);
			actor_boot(w, a);
		}
		a->readmit_ms = w->now_ms + 30000;
	}
	w->trial.at_ms = w->now_ms + 14 * 60000;
	w->disk.bad_until_ms = 0;
	if (w->disk.was_restored)
		w->disk.adopt_ms = w->now_ms + 60000;
}
