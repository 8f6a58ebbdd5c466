/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The whole brain against the modelled switch, under a virtual clock, without faults: hosts beat,
 * commits come commit_ms later. For tests and for bench/. */
#pragma once

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/db.h"
#include "fabricd/fabric.h"
#include "sim/model.h"

enum { BRAIN_HOSTS = 16, BRAIN_WALL_MS = 1700000000 };

struct brain;

struct brain_commit {
	struct brain_commit *next;
	struct db_batch *batch;
	uint64_t cookie;
	uint64_t due_ms;
};

/* The fence program of every host that has one in the configuration. */
struct brain_program {
	int off_code;                                   /* what it answers; INT_MIN: never */
	int status_code;                                /* likewise */
	int refuses;                                    /* -errno: it cannot even be begun */
	void (*off)(struct brain *b, const char *host); /* what it does; NULL: nothing */
	unsigned runs;
	uint64_t cookie; /* runs now; 0: none does */
	bool is_off;
	uint64_t due_ms;
	char host[FABRIC_NAME_MAX];
};

struct brain {
	struct sim_chassis *chassis;
	struct sim_model *model;
	struct provider *provider;
	struct provider_sink sink;
	struct db *db;
	struct fabric *fabric;
	uint64_t now_ms;
	uint64_t beat_ms; /* when the next beats come */
	uint64_t seq;
	bool silent[BRAIN_HOSTS]; /* by host handle - 1: does not beat */
	struct brain_commit *commits;
	struct brain_commit **last;
	struct brain_program program;
	uint64_t commit_ms; /* from handing a batch over until it is durable */

	/* May be set at any time: what the manager is told otherwise than the model says. */
	void (*on_binding)(struct brain *b, struct provider_binding *now);
	void (*on_host)(struct brain *b, struct provider_completion *done);
	void (*on_scan)(struct brain *b, struct provider_scan *scan);
	int (*on_ask)(struct brain *b, const char *host, const struct fabric_ask *ask);
	void *arg; /* of these */
};

/* ---- between the model and the manager ---- */

static void brain_completed(void *arg, const struct provider_completion *done)
{
	struct brain *b = arg;
	struct provider_binding bindings[PROVIDER_READ_MAX];
	struct provider_completion told = *done;

	for (size_t i = 0; b->on_binding && i < done->binding_count; i++) {
		bindings[i] = done->bindings[i];
		b->on_binding(b, &bindings[i]);
		told.bindings = bindings;
	}
	if (b->on_host && done->host.host)
		b->on_host(b, &told);
	b->sink.completed(b->sink.arg, &told);
}

static void brain_scanned_take(void *arg, struct provider_scan *scan, const char *why)
{
	struct brain *b = arg;

	for (size_t i = 0; b->on_binding && scan && i < scan->function_count; i++)
		b->on_binding(b, &scan->functions[i].now);
	if (b->on_scan && scan)
		b->on_scan(b, scan);
	b->sink.scanned_take(b->sink.arg, scan, why);
}

static void brain_told(void *arg, const struct provider_event *event)
{
	struct brain *b = arg;

	b->sink.told(b->sink.arg, event);
}

static void brain_state(void *arg, enum provider_state state, const struct provider_hello *hello)
{
	struct brain *b = arg;

	b->sink.state(b->sink.arg, state, hello);
}

static void brain_viewed(void *arg, uint64_t cookie, const struct provider_config *config,
			 const char *why)
{
	struct brain *b = arg;

	b->sink.viewed(b->sink.arg, cookie, config, why);
}

static int brain_ask(void *arg, const char *host, const struct fabric_ask *ask)
{
	struct brain *b = arg;

	return b->on_ask ? b->on_ask(b, host, ask) : -ENOTCONN;
}

static uint64_t brain_now(void *arg)
{
	return ((struct brain *)arg)->now_ms;
}

static uint64_t brain_wall(void *arg)
{
	return BRAIN_WALL_MS + ((struct brain *)arg)->now_ms;
}

static void brain_submit_take(void *arg, struct db_batch *batch, uint64_t cookie)
{
	struct brain *b = arg;
	struct brain_commit *commit = calloc(1, sizeof(*commit));

	assert(commit);
	*commit = (struct brain_commit){ NULL, batch, cookie, b->now_ms + b->commit_ms };
	*b->last = commit;
	b->last = &commit->next;
}

static uint64_t brain_waiting(void *arg)
{
	const struct brain *b = arg;

	return b->commits ? b->commits->due_ms - b->commit_ms : 0;
}

static int brain_fence_run(void *arg, uint64_t cookie, const char *host, const char *action)
{
	struct brain *b = arg;
	struct brain_program *p = &b->program;

	if (p->refuses)
		return p->refuses;
	assert(!p->cookie);
	p->runs++;
	p->cookie = cookie;
	p->is_off = !strcmp(action, "off");
	p->due_ms = b->now_ms + 1000;
	(void)snprintf(p->host, sizeof(p->host), "%s", host);
	return 0;
}

static void brain_program(struct brain *b)
{
	struct brain_program *p = &b->program;
	int code = p->is_off ? p->off_code : p->status_code;
	uint64_t cookie = p->cookie;

	if (!cookie || p->due_ms > b->now_ms || code == INT_MIN)
		return;
	p->cookie = 0;
	if (p->is_off && p->off)
		p->off(b, p->host);
	fabric_fence_answered(b->fabric, cookie, code, "as the test says");
}

/* Takes @chassis over. */
static void brain_init_take(struct brain *b, struct sim_chassis *chassis)
{
	const struct fabric_io io = { .now_ms = brain_now,
				      .wall_ms = brain_wall,
				      .submit_take = brain_submit_take,
				      .db_waiting_since_ms = brain_waiting,
				      .fence_run = brain_fence_run,
				      .agent_ask = brain_ask,
				      .arg = b };
	const struct provider_sink tap = { brain_completed, brain_scanned_take, brain_told,
					   brain_state,     brain_viewed,       b };
	struct config config;
	char why[DB_TEXT_MAX];
	unsigned number;
	int r;

	*b = (struct brain){ .chassis = chassis, .now_ms = 1000000, .commit_ms = 1 };
	b->last = &b->commits;
	config_init(&config);
	r = sim_model_new(chassis, &b->model);
	if (!r)
		r = db_open_fast(":memory:", why, &b->db);
	if (!r)
		r = fabric_new(&config, &io, &b->fabric);
	if (!r)
		r = fabric_load(b->fabric, b->db, why);
	if (!r)
		r = fabric_provider_add(b->fabric, "sim", &b->sink, &number);
	assert(!r);
	b->provider = sim_model_provider(b->model, &tap);
	assert(b->provider);
	fabric_provider_set(b->fabric, number, b->provider);
	fabric_start(b->fabric);
}

static void brain_done(struct brain *b)
{
	fabric_free(b->fabric);
	provider_close(b->provider);
	while (b->commits) {
		struct brain_commit *next = b->commits->next;

		db_batch_free(b->commits->batch);
		free(b->commits);
		b->commits = next;
	}
	sim_model_free(b->model);
	sim_chassis_free(b->chassis);
	db_close(b->db);
}

static void brain_commit(struct brain *b)
{
	while (b->commits && b->commits->due_ms <= b->now_ms) {
		struct brain_commit *commit = b->commits;
		char why[DB_TEXT_MAX];
		int r = db_apply(b->db, commit->batch, why);

		assert(!r);
		b->commits = commit->next;
		if (!b->commits)
			b->last = &b->commits;
		fabric_written(b->fabric, commit->cookie, 0, "");
		db_batch_free(commit->batch);
		free(commit);
	}
}

static void brain_beat(struct brain *b)
{
	if (b->now_ms < b->beat_ms)
		return;
	b->beat_ms = b->now_ms + 1000;
	b->seq++;
	for (size_t i = 0; i < b->chassis->host_count && i < BRAIN_HOSTS; i++) {
		uint64_t epoch;

		/* Not answered otherwise: before the first scan nobody knows it; it is fenced. */
		if (!b->silent[i] &&
		    fabric_beat(b->fabric, b->chassis->hosts[i].bay,
				"6a39c2a2-7a9c-4e0e-8f3a-000000000001", b->seq, b->now_ms, &epoch))
			continue;
	}
}

static void brain_step(struct brain *b)
{
	uint64_t next = fabric_next_ms(b->fabric);
	uint64_t switches = b->provider->ops->next_ms(b->provider);

	if (switches < next)
		next = switches;
	if (b->beat_ms < next)
		next = b->beat_ms;
	if (b->commits && b->commits->due_ms < next)
		next = b->commits->due_ms;
	if (b->program.cookie && b->program.due_ms > b->now_ms && b->program.due_ms < next)
		next = b->program.due_ms;
	if (next > b->now_ms)
		b->now_ms = next;
	b->provider->ops->advance(b->provider, b->now_ms);
	brain_commit(b);
	brain_beat(b);
	brain_program(b);
	fabric_advance(b->fabric);
}

/* For so long, in virtual time. */
static void brain_run(struct brain *b, uint64_t ms)
{
	uint64_t end = b->now_ms + ms;

	while (b->now_ms < end)
		brain_step(b);
}
