/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Time, the chassis, one run. */
#include "tests/simulation/world.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/defect.h"
#include "common/log.h"

uint64_t world_random(struct world *w, uint64_t below)
{
	uint64_t z = (w->random += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	z ^= z >> 31;
	return below ? z % below : 0;
}

void world_story(struct world *w, const char *format, ...)
{
	char *line = w->story[w->story_count++ % WORLD_STORY];
	int at = snprintf(line, sizeof(*w->story), "%8.3f  ", (double)w->now_ms / 1000);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(line + at, sizeof(*w->story) - (size_t)at, format, args);
	va_end(args);
	for (const char *c = line; *c; c++)
		w->story_hash = (w->story_hash ^ (uint8_t)*c) * 0x100000001b3u;
	if (w->print)
		(void)printf("%s\n", line);
}

void world_broken(struct world *w, const char *format, ...)
{
	va_list args;

	if (w->broken[0])
		return;
	va_start(args, format);
	(void)vsnprintf(w->broken, sizeof(w->broken), format, args);
	va_end(args);
	world_story(w, "BROKEN: %s", w->broken);
}

struct site *site_any(struct world *w)
{
	return &w->sites[world_random(w, w->site_count)];
}

struct site *site_of(struct world *w, const struct fabric_function *fn)
{
	return &w->sites[fn->adapter->provider];
}

/* ---- time ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t world_next_ms(const struct world *w)
{
	uint64_t next = actors_next_ms(w);

	next = earlier(next, net_next_ms(w));
	if (w->trial.at_ms)
		next = earlier(next, w->trial.at_ms);
	if (w->stop_ms)
		next = earlier(next, w->stop_ms);
	next = earlier(next, disk_next_ms(w));
	for (unsigned n = 0; n < w->site_count; n++)
		next = earlier(next, w->sites[n].background->ops->next_ms(w->sites[n].background));
	if (w->dead)
		return w->now_ms;
	if (!w->fabric)
		return earlier(next, w->start_ms);
	if (w->stopped_until_ms > w->now_ms)
		return earlier(next, w->stopped_until_ms);
	for (unsigned n = 0; n < w->site_count; n++) {
		if (w->sites[n].news)
			return w->now_ms;
		if (w->sites[n].reconnect_ms)
			next = earlier(next, w->sites[n].reconnect_ms);
	}
	return earlier(next, fabric_next_ms(w->fabric));
}

/* The order of main.c: what has arrived is taken in before anything is decided (S3). */
static void manager_turn(struct world *w)
{
	if (DEFECT(VERDICT_FIRST) && world_manager_runs(w))
		fabric_advance(w->fabric);
	disk_advance(w);
	net_advance(w);
	for (unsigned n = 0; n < w->site_count; n++)
		news_advance(&w->sites[n]);
	if (world_manager_runs(w))
		fabric_advance(w->fabric);
	if (w->stop_ms && w->now_ms >= w->stop_ms)
		manager_stop(w);
}

static void world_step(struct world *w)
{
	uint64_t next = world_next_ms(w);

	if (next > w->now_ms)
		w->now_ms = next;
	for (unsigned n = 0; n < w->site_count; n++)
		w->sites[n].background->ops->advance(w->sites[n].background, w->now_ms);
	if (w->dead)
		manager_bury(w);
	if (!w->fabric && w->now_ms >= w->start_ms)
		manager_start(w);
	for (unsigned n = 0; n < w->site_count; n++)
		if (w->sites[n].reconnect_ms && w->now_ms >= w->sites[n].reconnect_ms &&
		    world_manager_runs(w))
			wire_open(&w->sites[n]);
	manager_turn(w);
	actors_advance(w);
	check_step(w);
}

/* ---- one run ---- */

static void ignore_completed(void *arg, const struct provider_completion *done)
{
	(void)arg;
	(void)done;
}

static void ignore_scanned(void *arg, struct provider_scan *scan, const char *why)
{
	(void)arg;
	(void)why;
	provider_scan_free(scan);
}

static void ignore_told(void *arg, const struct provider_event *event)
{
	(void)arg;
	(void)event;
}

static void ignore_state(void *arg, enum provider_state state, const struct provider_hello *hello)
{
	(void)arg;
	(void)state;
	(void)hello;
}

static void ignore_viewed(void *arg, uint64_t cookie, const struct provider_config *config,
			  const char *why)
{
	(void)arg;
	(void)cookie;
	(void)config;
	(void)why;
}

static void on_effect(void *arg, const struct sim_effect *effect)
{
	struct site *s = arg;

	check_effect(s, effect);
	if (effect->is_late)
		wire_answer_late(s, effect);
	if (effect->op->verb != PROVIDER_HOST_POWER || effect->outcome != PROVIDER_DONE)
		return;
	if (effect->op->value)
		actor_powered_on(s, effect->op->host);
	else
		actor_powered_off(s, effect->op->host);
}

/* Blades on two switches; adapters shared, whole, plain and multi-root aware. */
static void chassis_make(struct site *s, unsigned first, unsigned hosts)
{
	static const struct {
		const char *device;
		uint16_t vfs;
		enum provider_keeper keeper;
	} adapters[] = {
		{ "ethernet", 8, PROVIDER_KEEPER_SWITCH },
		{ "ethernet", 8, PROVIDER_KEEPER_SWITCH },
		{ "fc", 0, PROVIDER_KEEPER_NONE },
		{ "nvme", 0, PROVIDER_KEEPER_NONE },
		{ "nvme-sriov", 2, PROVIDER_KEEPER_NONE },
		{ "ethernet-mra", 0, PROVIDER_KEEPER_SWITCH },
		{ "gpu", 0, PROVIDER_KEEPER_NONE }, /* two functions, reset as one */
	};

	static const enum world_program programs[] = {
		PROGRAM_NONE, PROGRAM_HONEST, PROGRAM_HONEST,
		PROGRAM_LIES, PROGRAM_LIES,   PROGRAM_FAILS
	};

	s->chassis = sim_chassis_new("world");
	assert(s->chassis);
	s->chassis->number = (uint16_t)(s->n + 1);
	s->chassis->checks_identity = false; /* the manager's own guards are what is proved */
	s->chassis->command_ms = (uint32_t)world_random(s->w, 4);
	s->chassis->timeout_ms = 2000;
	s->chassis->has_barrier = world_random(s->w, 4) != 0;
	s->chassis->lateness_ms = s->chassis->has_barrier ? 0 : 5000;
	/* Half of them are blades as QEMU makes them, or less: the fence has to climb. */
	if ((s->w->seed + s->n) % 2) {
		s->chassis->can.isolate = false;
		s->chassis->can.surprise = world_random(s->w, 4) == 0;
		s->chassis->can.power = world_random(s->w, 3) == 0;
		s->w->program = programs[world_random(s->w, sizeof(programs) / sizeof(*programs))];
	}
	assert(sim_chassis_add_switch(s->chassis, "sw0"));
	assert(sim_chassis_add_switch(s->chassis, "sw1"));
	assert(sim_chassis_add_link(s->chassis, 1, 2));
	for (unsigned i = 0; i < hosts; i++) {
		char bay[16];
		struct sim_host *host;

		(void)snprintf(bay, sizeof(bay), "bay%u", first + i + 1);
		host = sim_chassis_add_host(s->chassis, bay, (uint16_t)(1 + i % 2));
		assert(host);
		host->vports = 16;
		host->window_bytes = 512 << 20;
	}
	for (size_t i = 0; i < sizeof(adapters) / sizeof(*adapters); i++) {
		const struct sim_device *device = sim_device_find(adapters[i].device);
		struct sim_adapter *adapter;
		char serial[16];

		assert(device);
		(void)snprintf(serial, sizeof(serial), "SIM%u%04zu", s->n, i);
		adapter =
			sim_chassis_add_adapter(s->chassis, device, serial, (uint16_t)(1 + i % 2));
		assert(adapter);
		adapter->keeper = adapters[i].keeper;
		adapter->num_vfs = adapters[i].vfs;
		if (!adapter->device.flr)
			adapter->pfs = 2;
	}
}

/* A chassis, its provider, and the half of it that no manager has. */
static void site_open(struct world *w, unsigned n, unsigned first, unsigned hosts)
{
	struct site *s = &w->sites[n];
	const struct provider_sink ignore = { ignore_completed, ignore_scanned, ignore_told,
					      ignore_state,     ignore_viewed,  s };
	char why[2 * SIM_CHASSIS_WHY];

	s->w = w;
	s->n = n;
	(void)snprintf(s->name, sizeof(s->name), "sim%u", n);
	s->news_last = &s->news;
	chassis_make(s, first, hosts);
	if (sim_chassis_check(s->chassis, why, why + SIM_CHASSIS_WHY)) {
		(void)fprintf(stderr, "chassis: %s: %s\n", why, why + SIM_CHASSIS_WHY);
		abort();
	}
	if (sim_model_new(s->chassis, &s->model))
		abort();
	sim_model_seed(s->model, w->seed + 1000003 * n);
	sim_model_observe(s->model, on_effect, s);
	s->background = sim_model_provider(s->model, &ignore);
	assert(s->background);
	s->background->ops->advance(s->background, w->now_ms);
}

/* A third of the runs has two chassis. */
static void sites_open(struct world *w)
{
	unsigned first = 0;

	w->site_count = w->seed % 3 ? 1 : WORLD_SITES;
	for (unsigned n = 0; n < w->site_count; n++) {
		unsigned hosts = (w->hosts - first) / (w->site_count - n);

		site_open(w, n, first, hosts);
		first += hosts;
	}
}

int world_run(struct world *w, uint64_t seed, unsigned minutes)
{
	uint64_t steps = 0;
	clock_t trouble;

	w->seed = seed;
	w->random = seed * 0x2545f4914f6cdd1du + 1;
	w->now_ms = 1000000;
	sites_open(w);
	disk_init(w);
	net_init(w);
	actors_init(w);
	w->end_ms = w->now_ms + (uint64_t)minutes * 60000;
	trouble = clock();
	while (w->now_ms < w->end_ms && !w->broken[0])
		world_step(w);
	w->trouble_cpu_s = (double)(clock() - trouble) / CLOCKS_PER_SEC;
	actors_quiet(w);
	/* Longer than holds, blocks, rate limits and the slowest retry, one after the other. */
	w->end_ms = w->now_ms + 25 * 60000;
	while (w->now_ms < w->end_ms && !w->broken[0]) {
		world_step(w);
		steps++;
	}
	if (!w->broken[0])
		check_end(w);
	return w->broken[0] ? 1 : 0;
}

void world_done(struct world *w)
{
	if (w->fabric)
		manager_bury(w);
	disk_done(w);
	net_done(w);
	for (unsigned n = 0; n < w->site_count; n++) {
		struct site *s = &w->sites[n];

		news_drop(s);
		provider_close(s->background);
		sim_model_free(s->model);
		sim_chassis_free(s->chassis);
	}
}
