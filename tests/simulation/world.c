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

/* ---- time ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t world_next_ms(const struct world *w)
{
	uint64_t next = earlier(actors_next_ms(w), w->background->ops->next_ms(w->background));

	if (w->beats && (w->beats->at_ms > w->now_ms || world_manager_runs(w)))
		next = earlier(next, w->beats->at_ms);
	if (w->trial.at_ms)
		next = earlier(next, w->trial.at_ms);
	if (w->stop_ms)
		next = earlier(next, w->stop_ms);
	next = earlier(next, disk_next_ms(w));
	if (w->dead)
		return w->now_ms;
	if (!w->fabric)
		return earlier(next, w->start_ms);
	if (w->stopped_until_ms > w->now_ms)
		return earlier(next, w->stopped_until_ms);
	if (w->news)
		return w->now_ms;
	if (w->reconnect_ms)
		next = earlier(next, w->reconnect_ms);
	return earlier(next, fabric_next_ms(w->fabric));
}

/* The order of main.c: what has arrived is taken in before anything is decided (S3). */
static void manager_turn(struct world *w)
{
	if (DEFECT(VERDICT_FIRST) && world_manager_runs(w))
		fabric_advance(w->fabric);
	disk_advance(w);
	beats_advance(w);
	news_advance(w);
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
	w->background->ops->advance(w->background, w->now_ms);
	if (w->dead)
		manager_bury(w);
	if (!w->fabric && w->now_ms >= w->start_ms)
		manager_start(w);
	if (w->reconnect_ms && w->now_ms >= w->reconnect_ms && world_manager_runs(w))
		wire_open(w);
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
	struct world *w = arg;

	check_effect(w, effect);
	if (effect->is_late)
		wire_answer_late(w, effect);
	if (effect->op->verb != PROVIDER_HOST_POWER || effect->outcome != PROVIDER_DONE)
		return;
	if (effect->op->value)
		actor_powered_on(w, effect->op->host);
	else
		actor_powered_off(w, effect->op->host);
}

/* Blades on two switches; adapters shared, whole, plain and multi-root aware. */
static void chassis_make(struct world *w)
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

	w->chassis = sim_chassis_new("world");
	assert(w->chassis);
	w->chassis->checks_identity = false; /* the manager's own guards are what is proved */
	w->chassis->command_ms = (uint32_t)world_random(w, 4);
	w->chassis->timeout_ms = 2000;
	w->chassis->has_barrier = world_random(w, 4) != 0;
	w->chassis->lateness_ms = w->chassis->has_barrier ? 0 : 5000;
	/* Half of them are blades as QEMU makes them, or less: the fence has to climb. */
	if (w->seed % 2) {
		w->chassis->can.isolate = false;
		w->chassis->can.surprise = world_random(w, 4) == 0;
		w->chassis->can.power = world_random(w, 3) == 0;
		w->program = programs[world_random(w, sizeof(programs) / sizeof(*programs))];
	}
	assert(sim_chassis_add_switch(w->chassis, "sw0"));
	assert(sim_chassis_add_switch(w->chassis, "sw1"));
	assert(sim_chassis_add_link(w->chassis, 1, 2));
	for (unsigned i = 0; i < w->hosts; i++) {
		char bay[16];
		struct sim_host *host;

		(void)snprintf(bay, sizeof(bay), "bay%u", i + 1);
		host = sim_chassis_add_host(w->chassis, bay, (uint16_t)(1 + i % 2));
		assert(host);
		host->vports = 16;
		host->window_bytes = 512 << 20;
	}
	for (size_t i = 0; i < sizeof(adapters) / sizeof(*adapters); i++) {
		const struct sim_device *device = sim_device_find(adapters[i].device);
		struct sim_adapter *adapter;
		char serial[16];

		assert(device);
		(void)snprintf(serial, sizeof(serial), "SIM%05zu", i);
		adapter =
			sim_chassis_add_adapter(w->chassis, device, serial, (uint16_t)(1 + i % 2));
		assert(adapter);
		adapter->keeper = adapters[i].keeper;
		adapter->num_vfs = adapters[i].vfs;
		if (!adapter->device.flr)
			adapter->pfs = 2;
	}
}

int world_run(struct world *w, uint64_t seed, unsigned minutes)
{
	const struct provider_sink ignore = { ignore_completed, ignore_scanned, ignore_told,
					      ignore_state,     ignore_viewed,  w };
	char why[DB_TEXT_MAX];
	uint64_t steps = 0;
	clock_t trouble;

	w->seed = seed;
	w->random = seed * 0x2545f4914f6cdd1du + 1;
	w->now_ms = 1000000;
	w->news_last = &w->news;
	chassis_make(w);
	if (sim_chassis_check(w->chassis, why, why + SIM_CHASSIS_WHY)) {
		(void)fprintf(stderr, "chassis: %s: %s\n", why, why + SIM_CHASSIS_WHY);
		abort();
	}
	if (sim_model_new(w->chassis, &w->model))
		abort();
	sim_model_seed(w->model, seed);
	sim_model_observe(w->model, on_effect, w);
	w->background = sim_model_provider(w->model, &ignore);
	assert(w->background);
	w->background->ops->advance(w->background, w->now_ms);
	disk_init(w);
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
	while (w->beats) {
		struct beat *next = w->beats->next;

		free(w->beats);
		w->beats = next;
	}
	news_drop(w);
	provider_close(w->background);
	sim_model_free(w->model);
	sim_chassis_free(w->chassis);
}
