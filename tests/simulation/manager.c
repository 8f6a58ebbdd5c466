/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process that the manager is: its start, its end, its database, what it is told. */
#include "tests/simulation/world.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIVES_OF_A_BOOT = 4 };

static uint64_t io_now(void *arg)
{
	return ((struct world *)arg)->now_ms;
}

uint64_t world_wall_ms(const struct world *w)
{
	return WORLD_EPOCH_MS + w->now_ms + (uint64_t)w->wall_off_ms;
}

void world_wall_set(struct world *w, int64_t by_ms)
{
	w->wall_off_ms += by_ms;
	w->net.wall_set_ms = w->now_ms;
}

static uint64_t io_wall(void *arg)
{
	return world_wall_ms(arg);
}

static void io_submit_take(void *arg, struct db_batch *batch, uint64_t cookie)
{
	struct world *w = arg;

	if (w->dead)
		db_batch_free(batch);
	else
		disk_submit_take(w, batch, cookie);
}

static uint64_t io_waiting(void *arg)
{
	return disk_waiting_since_ms(arg);
}

static void io_published(void *arg, const struct db_event *event)
{
	struct world *w = arg;

	if (w->dead)
		return;
	world_story(w, "  told: %s %s %s", event->type, event->subject, event->detail);
	check_event(w, event);
	actor_told(w, event);
}

static int io_fence_run(void *arg, uint64_t cookie, const char *host, const char *action)
{
	struct world *w = arg;

	return w->dead ? 0 : actor_program_run(w, cookie, host, !strcmp(action, "off"));
}

static int io_agent_ask(void *arg, const char *host, const struct fabric_ask *question)
{
	struct world *w = arg;

	return w->dead ? 0 : actor_ask(w, host, question);
}

static int io_host_enroll(void *arg, const char *host, bool force, char key[static HOST_KEY_TEXT])
{
	return heard_enroll(arg, host, force, key);
}

static void io_point(void *arg, const char *point)
{
	struct world *w = arg;

	if (!w->kill_in || w->dead || --w->kill_in)
		return;
	world_kill(w, point);
}

bool world_manager_runs(const struct world *w)
{
	return w->fabric && !w->dead && w->now_ms >= w->stopped_until_ms;
}

/* From here on nothing of it reaches the outside; its memory is given back later. */
void world_kill(struct world *w, const char *where)
{
	world_story(w, "the manager is killed (%s)", where);
	w->dead = true;
	w->kills++;
	w->kill_in = 0;
	w->start_ms = w->now_ms + 50 + world_random(w, 3000);
}

void manager_stop(struct world *w)
{
	w->stop_ms = 0;
	if (!world_manager_runs(w) || w->stop_end_ms <= w->now_ms)
		return;
	w->stopped_until_ms = w->stop_end_ms;
	world_story(w, "the manager is stopped for %" PRIu64 " ms",
		    w->stopped_until_ms - w->now_ms);
}

void manager_bury(struct world *w)
{
	heard_end(w);
	fabric_free(w->fabric);
	w->fabric = NULL;
	for (unsigned n = 0; n < w->site_count; n++)
		wire_free(&w->sites[n]);
	w->stopped_until_ms = 0;
	if (w->dead)
		disk_crash(w);
	w->dead = false;
}

static void site_connect(struct site *s)
{
	struct provider *wire = wire_new(s);
	unsigned number;

	if (fabric_provider_add(s->w->fabric, s->name, wire_sink(s), &number) || number != s->n)
		abort();
	wire_open(s);
	fabric_provider_set(s->w->fabric, number, wire);
	s->reboot_untold = false;
	s->held = false;
	s->resumed_ms = 0;
}

void manager_start(struct world *w)
{
	const struct fabric_io io = { .now_ms = io_now,
				      .wall_ms = io_wall,
				      .boot_id = w->boot_id,
				      .submit_take = io_submit_take,
				      .db_waiting_since_ms = io_waiting,
				      .published = io_published,
				      .fence_run = io_fence_run,
				      .agent_ask = io_agent_ask,
				      .host_enroll = io_host_enroll,
				      .point = io_point,
				      .arg = w };
	struct config config;
	char why[DB_TEXT_MAX];

	world_story(w, "the manager is started");
	/* Now and then its machine was, too: nothing of before has a time that counts (S5, S10). */
	(void)snprintf(w->boot_id, sizeof(w->boot_id), "boot-%u", w->lives / LIVES_OF_A_BOOT);
	config_init(&config);
	config.fence_retry_ms = 10000;
	config.cold_start_ms = 20000;
	config.rate_count = w->seed % 2 ? 6 : 2;
	for (size_t i = 0; i < w->actor_count && w->program; i++) {
		struct config_fence *fence = &config.fences[config.fence_count++];

		(void)snprintf(fence->host, sizeof(fence->host), "%s", w->actors[i].name);
		(void)snprintf(fence->program, sizeof(fence->program), "/fence");
	}
	if (fabric_new(&config, &io, &w->fabric) || fabric_load(w->fabric, w->db, why))
		abort();
	for (unsigned n = 0; n < w->site_count; n++)
		site_connect(&w->sites[n]);
	heard_start(w, &config);
	net_start(w);
	w->lives++;
	fabric_start(w->fabric);
	check_loaded(w);
	for (size_t i = 0; i < w->actor_count; i++)
		w->actors[i].counted.told_ms = 0;
	actors_know(w);
	drills_know(w);
	w->start_ms = 0;
}
