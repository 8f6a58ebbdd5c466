/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Time, the manager's process, the wire between it and the switch, the database. */
#include "tests/simulation/world.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/log.h"

/* The manager's end of the connection: what a dead manager sends goes nowhere. */
struct wire {
	struct provider base;
	struct world *w;
	struct provider *inner;
	struct provider_sink sink; /* the brain's */
};

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

/* ---- the wire ---- */

static struct wire *wire_of(struct provider *p)
{
	return (struct wire *)p;
}

static void wire_close(struct provider *p)
{
	struct wire *wire = wire_of(p);

	provider_close(wire->inner);
	free(wire);
}

static int wire_submit(struct provider *p, const struct provider_op *op)
{
	struct wire *wire = wire_of(p);

	if (!wire->inner)
		return -ENOTCONN;
	if (wire->w->dead)
		return 0;
	if (wire->w->print)
		world_story(wire->w, "    sent: %s function %u host %u vport %u gen %" PRIu64,
			    provider_verb_text(op->verb), op->function, op->host, op->vport,
			    op->generation);
	check_sent(wire->w, op);
	return wire->inner->ops->submit(wire->inner, op);
}

static int wire_scan(struct provider *p)
{
	struct wire *wire = wire_of(p);

	if (!wire->inner)
		return -ENOTCONN;
	return wire->w->dead ? 0 : wire->inner->ops->scan(wire->inner);
}

static int wire_view(struct provider *p, uint16_t host, uint64_t cookie)
{
	struct wire *wire = wire_of(p);

	return wire->inner ? wire->inner->ops->view(wire->inner, host, cookie) : -ENOTCONN;
}

static void wire_advance(struct provider *p, uint64_t now_ms)
{
	(void)p;
	(void)now_ms; /* the background's business */
}

static uint64_t wire_next_ms(const struct provider *p)
{
	(void)p;
	return UINT64_MAX;
}

static const struct provider_ops wire_ops = {
	.name = "wire",
	.close = wire_close,
	.submit = wire_submit,
	.scan = wire_scan,
	.view = wire_view,
	.advance = wire_advance,
	.next_ms = wire_next_ms,
};

static struct news *news_add(struct world *w, enum news_kind kind)
{
	struct news *n = calloc(1, sizeof(*n));

	assert(n);
	n->kind = kind;
	*w->news_last = n;
	w->news_last = &n->next;
	return n;
}

static void news_free(struct news *n)
{
	free(n->bindings);
	provider_scan_free(n->scan);
	free(n);
}

static void news_drop(struct world *w)
{
	while (w->news) {
		struct news *next = w->news->next;

		news_free(w->news);
		w->news = next;
	}
	w->news_last = &w->news;
}

/* What a host has that does not answer cannot be told; some providers know what it was. */
static void binding_hide(const struct world *w, struct provider_binding *now)
{
	if (!now->host || !actor_is_dumb(w, now->host))
		return;
	now->unknown = true;
	if (w->seed % 3)
		return;
	now->host = 0;
	now->vport = 0;
	now->generation = 0;
}

void world_changed(struct world *w)
{
	if (w->wire && w->wire->inner)
		news_add(w, NEWS_TOLD)->event.kind = PROVIDER_EVENT_CHANGED;
}

static void on_completed(void *arg, const struct provider_completion *done)
{
	struct world *w = arg;
	struct news *n = news_add(w, NEWS_COMPLETED);

	check_answered(w, done);
	n->done = *done;
	if (done->host.host && actor_is_dumb(w, done->host.host)) {
		n->done.outcome = PROVIDER_FAILED;
		n->done.binding_count = 0;
		n->done.bindings = NULL;
		return;
	}
	if (!done->binding_count)
		return;
	n->bindings = calloc(done->binding_count, sizeof(*n->bindings));
	assert(n->bindings);
	memcpy(n->bindings, done->bindings, done->binding_count * sizeof(*n->bindings));
	n->done.bindings = n->bindings;
	for (size_t i = 0; i < done->binding_count; i++)
		binding_hide(w, &n->bindings[i]);
}

static void on_scanned_take(void *arg, struct provider_scan *scan, const char *why)
{
	(void)why;
	for (size_t i = 0; scan && i < scan->function_count; i++)
		binding_hide(arg, &scan->functions[i].now);
	news_add(arg, NEWS_SCANNED)->scan = scan;
}

static void on_told(void *arg, const struct provider_event *event)
{
	news_add(arg, NEWS_TOLD)->event = *event;
}

static void on_state(void *arg, enum provider_state state, const struct provider_hello *hello)
{
	struct news *n = news_add(arg, NEWS_STATE);

	n->state = state;
	n->has_hello = hello != NULL;
	if (hello)
		n->hello = *hello;
}

static void on_viewed(void *arg, uint64_t cookie, const struct provider_config *config,
		      const char *why)
{
	(void)arg;
	(void)cookie;
	(void)config;
	(void)why;
}

static void news_deliver(struct world *w, struct news *n)
{
	const struct provider_sink *sink = &w->wire->sink;

	switch (n->kind) {
	case NEWS_COMPLETED:
		sink->completed(sink->arg, &n->done);
		break;
	case NEWS_SCANNED:
		sink->scanned_take(sink->arg, TAKE(n->scan), "lost");
		break;
	case NEWS_TOLD:
		sink->told(sink->arg, &n->event);
		break;
	case NEWS_STATE:
		sink->state(sink->arg, n->state, n->has_hello ? &n->hello : NULL);
		break;
	}
}

/* ---- the manager's process ---- */

static uint64_t io_now(void *arg)
{
	return ((struct world *)arg)->now_ms;
}

static uint64_t io_wall(void *arg)
{
	return WORLD_EPOCH_MS + ((struct world *)arg)->now_ms;
}

static void io_submit_take(void *arg, struct db_batch *batch, uint64_t cookie)
{
	struct world *w = arg;
	struct commit *c;

	if (w->dead) {
		db_batch_free(batch);
		return;
	}
	c = calloc(1, sizeof(*c));
	assert(c);
	c->cookie = cookie;
	c->batch = batch;
	c->due_ms = w->now_ms + world_random(w, 3) +
		    (world_random(w, 200) == 0 ? world_random(w, 400) : 0);
	*w->commits_last = c;
	w->commits_last = &c->next;
}

static uint64_t io_waiting(void *arg)
{
	struct world *w = arg;

	return w->commits ? w->commits->due_ms - 3 : 0;
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

/* The database has no reason to fail here: what it refuses is a fault of ours. */
static void apply(struct world *w, const struct db_batch *batch)
{
	char why[DB_TEXT_MAX] = "";
	int r = db_apply(w->db, batch, why);

	if (r)
		world_broken(w, "the database refuses a batch: %s (%s)", why, strerror(-r));
}

static void manager_bury(struct world *w)
{
	fabric_free(w->fabric);
	w->fabric = NULL;
	if (w->wire)
		provider_close(&w->wire->base);
	w->wire = NULL;
	w->dead = false;
	w->stopped_until_ms = 0;
	w->reconnect_ms = 0;
	news_drop(w);
	/* What was handed to the disk may have got there, in order; nobody was told. */
	while (w->commits) {
		struct commit *c = w->commits;

		w->commits = c->next;
		if (!c->applied && world_random(w, 2))
			apply(w, c->batch);
		else if (!c->applied)
			while (w->commits) { /* the rest is lost */
				struct commit *lost = w->commits;

				w->commits = lost->next;
				db_batch_free(lost->batch);
				free(lost);
			}
		db_batch_free(c->batch);
		free(c);
	}
	w->commits_last = &w->commits;
}

static void wire_open(struct world *w)
{
	struct provider_sink sink = {
		on_completed, on_scanned_take, on_told, on_state, on_viewed, w
	};

	w->wire->inner = sim_model_provider(w->model, &sink);
	assert(w->wire->inner);
	w->reconnect_ms = 0;
}

/* What was sent goes on at the switch; what it answers is lost. */
void world_disconnect(struct world *w, uint64_t for_ms)
{
	if (!w->wire || !w->wire->inner || w->dead)
		return;
	provider_close(w->wire->inner);
	w->wire->inner = NULL;
	news_drop(w);
	news_add(w, NEWS_STATE)->state = PROVIDER_LOST;
	w->reconnect_ms = w->now_ms + for_ms;
}

static void manager_start(struct world *w)
{
	const struct fabric_io io = { .now_ms = io_now,
				      .wall_ms = io_wall,
				      .submit_take = io_submit_take,
				      .db_waiting_since_ms = io_waiting,
				      .published = io_published,
				      .fence_run = io_fence_run,
				      .agent_ask = io_agent_ask,
				      .point = io_point,
				      .arg = w };
	struct config config;
	char why[DB_TEXT_MAX];
	unsigned number;

	world_story(w, "the manager is started");
	config_init(&config);
	config.fence_retry_ms = 10000;
	for (size_t i = 0; i < w->actor_count && w->program; i++) {
		struct config_fence *fence = &config.fences[config.fence_count++];

		(void)snprintf(fence->host, sizeof(fence->host), "%s", w->actors[i].name);
		(void)snprintf(fence->program, sizeof(fence->program), "/fence");
	}
	w->wire = calloc(1, sizeof(*w->wire));
	assert(w->wire);
	w->wire->base.ops = &wire_ops;
	w->wire->w = w;
	if (fabric_new(&config, &io, &w->fabric) || fabric_load(w->fabric, w->db, why) ||
	    fabric_provider_add(w->fabric, "sim", &w->wire->sink, &number))
		abort();
	wire_open(w);
	fabric_provider_set(w->fabric, number, &w->wire->base);
	fabric_start(w->fabric);
	w->reboot_untold = false;
	actors_know(w);
	w->start_ms = 0;
}

/* ---- time ---- */

static void commits_advance(struct world *w)
{
	while (w->commits && w->commits->due_ms <= w->now_ms && !w->dead) {
		struct commit *c = w->commits;

		if (!c->applied)
			apply(w, c->batch);
		c->applied = true;
		if (!world_manager_runs(w))
			return;
		w->commits = c->next;
		if (!w->commits)
			w->commits_last = &w->commits;
		fabric_written(w->fabric, c->cookie, 0, "");
		db_batch_free(c->batch);
		free(c);
	}
}

static void beats_advance(struct world *w)
{
	struct beat **at = &w->beats;

	while (*at) {
		struct beat *b = *at;
		struct actor *a = &w->actors[b->actor];
		uint64_t epoch = 0;
		int r;

		if (b->at_ms > w->now_ms) {
			at = &b->next;
			continue;
		}
		if (w->fabric && !world_manager_runs(w) && !w->dead) {
			at = &b->next; /* it waits in the socket of a stopped manager */
			continue;
		}
		*at = b->next;
		if (world_manager_runs(w)) {
			r = fabric_beat(w->fabric, a->name, b->boot_id, b->seq, b->at_ms, &epoch);
			a->fenced = r == REFUSE_HOST_FENCED;
		}
		free(b);
	}
}

static void news_advance(struct world *w)
{
	while (w->news && world_manager_runs(w)) {
		struct news *n = w->news;

		w->news = n->next;
		if (!w->news)
			w->news_last = &w->news;
		news_deliver(w, n);
		news_free(n);
	}
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t world_next_ms(const struct world *w)
{
	uint64_t next = earlier(actors_next_ms(w), w->background->ops->next_ms(w->background));

	for (const struct beat *b = w->beats; b; b = b->next)
		if (b->at_ms > w->now_ms)
			next = earlier(next, b->at_ms);
	if (w->commits && !w->commits->applied)
		next = earlier(next, w->commits->due_ms);
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
	commits_advance(w);
	beats_advance(w);
	news_advance(w);
	if (world_manager_runs(w))
		fabric_advance(w->fabric);
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

static void on_effect(void *arg, const struct sim_effect *effect)
{
	struct world *w = arg;

	check_effect(w, effect);
	if (effect->op->verb == PROVIDER_HOST_POWER && effect->outcome == PROVIDER_DONE &&
	    !effect->op->value)
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
					      ignore_state,     on_viewed,      w };
	char path[64];
	char why[DB_TEXT_MAX];
	uint64_t steps = 0;
	clock_t trouble;

	w->seed = seed;
	w->random = seed * 0x2545f4914f6cdd1du + 1;
	w->now_ms = 1000000;
	w->commits_last = &w->commits;
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
	(void)snprintf(path, sizeof(path), ":memory:");
	if (db_open_fast(path, why, &w->db)) {
		(void)fprintf(stderr, "database: %s\n", why);
		abort();
	}
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
	while (w->beats) {
		struct beat *next = w->beats->next;

		free(w->beats);
		w->beats = next;
	}
	news_drop(w);
	provider_close(w->background);
	sim_model_free(w->model);
	sim_chassis_free(w->chassis);
	db_close(w->db);
}
