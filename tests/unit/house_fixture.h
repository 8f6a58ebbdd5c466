/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One house for tests of the brain: struct fabric stands between a modelled switch (or two), a
 * database in memory and agents that beat, on a clock of the test. What leaves for the switch is
 * noted in order, commits can be held back or fail, and a manager can be killed and begun again.
 */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/log.h"
#include "fabricd/fabric.h"
#include "sim/model.h"

enum {
	HOSTS = 8,
	BEAT = 1000,
	WINDOW = 5 * BEAT,
	START = 1000000,
	STEADY = 20 * BEAT, /* after it every host is a warm spare */
	MOVED = 8 * BEAT, /* after it a host that fell silent is fenced, and its functions moved */
	SENT = 32768,
	EVENTS = 32768,
	STANDING_MAX = 10000, /* steps at one time; more: it turns in a circle */
};

static const char *const VF1 = "nic-0001/pf0/vf1";
static const char *const VF2 = "nic-0001/pf0/vf2";
static const char *const VF3 = "nic-0001/pf0/vf3";
static const char *const GPU0 = "gpu-0001/f0";
static const char *const GPU1 = "gpu-0001/f1";
enum { BAY1 = 1, BAY2, BAY3, BAY8 = 8 };
enum { MAC1 = 0x0200000000a1, MAC2 = 0x0200000000a2 };

/* ---- what stands around the brain ---- */

struct commit {
	struct commit *next;
	uint64_t cookie;
	uint64_t since_ms;
	struct db_batch *batch;
};

struct agent {
	bool beats;
	unsigned boots;
	uint64_t seq;
	uint64_t epoch;
	int answer; /* to its last beat */
};

/* One switch, and the manager's end of the way to it. */
struct reach {
	struct provider base;
	struct house *house;
	struct provider *inner;
	struct provider_sink sink; /* the brain's */
	struct sim_chassis *chassis;
	struct sim_model *model;
	const char *name; /* in the configuration; NULL: "sim0", "sim1" */
	const char *why;  /* it is not connected; NULL: nothing is known */
	unsigned views;
	bool is_busy;      /* takes no command now */
	bool is_cut;       /* nothing of it gets through: neither time nor news */
	bool is_full;      /* it takes no more: what is put waits */
	uint32_t full_for; /* likewise, of these verbs: 1 << verb */
};

struct house {
	uint64_t now_ms;
	int64_t wall_skew_ms;
	const char *boot_id; /* of the machine that the manager runs on */
	struct reach reach[2];
	unsigned reaches;
	bool one_number; /* every chassis says that it is the first */
	struct db *db;
	struct config config;
	struct fabric *fabric;
	struct commit *commits;
	bool holds_commits;
	int commit_fails; /* -errno for the next ones; 0: they succeed */
	/* Set before manager_start(): agents can be asked. */
	int (*on_ask)(struct house *h, const char *host, const struct fabric_ask *ask);
	unsigned asks;
	unsigned scans;
	unsigned fails_scans; /* so many more are refused */
	struct agent agents[HOSTS];
	uint64_t next_beat_ms;
	struct provider_op sent[SENT];
	size_t sent_count;
	struct {
		char type[DB_NAME_MAX];
		char subject[DB_NAME_MAX];
		uint64_t at_ms;
	} events[EVENTS];
	size_t event_count;
	struct {
		unsigned count;
		int r;
		uint64_t id;
	} answer;
	/* The site's hooks; may be NULL. */
	int (*on_step)(struct house *h, const struct fabric_incident *incident,
		       const struct db_step *step);
};

static inline int reach_submit(struct provider *p, const struct provider_op *op)
{
	struct reach *reach = (struct reach *)p;
	struct house *h = reach->house;

	if (reach->is_full || (reach->full_for & 1u << op->verb))
		return -ENOBUFS;
	if (reach->is_busy)
		return -EAGAIN;
	assert_true(h->sent_count < SENT);
	h->sent[h->sent_count++] = *op;
	return reach->inner->ops->submit(reach->inner, op);
}

static inline int reach_scan(struct provider *p)
{
	struct reach *reach = (struct reach *)p;

	reach->house->scans++;
	if (reach->house->fails_scans) {
		reach->house->fails_scans--;
		return -EAGAIN;
	}
	return reach->inner->ops->scan(reach->inner);
}

static inline int reach_view(struct provider *p, uint16_t host, uint64_t cookie)
{
	struct reach *reach = (struct reach *)p;

	reach->views++;
	return reach->inner->ops->view(reach->inner, host, cookie);
}

static inline void reach_advance(struct provider *p, uint64_t now_ms)
{
	struct reach *reach = (struct reach *)p;

	if (!reach->is_cut)
		reach->inner->ops->advance(reach->inner, now_ms);
}

static inline uint64_t reach_next_ms(const struct provider *p)
{
	const struct reach *reach = (const struct reach *)p;

	return reach->is_cut ? UINT64_MAX : reach->inner->ops->next_ms(reach->inner);
}

static inline const char *reach_why(const struct provider *p)
{
	const struct reach *reach = (const struct reach *)p;

	return reach->why ? reach->why : "";
}

static const struct provider_ops reach_ops = {
	.name = "reach",
	.submit = reach_submit,
	.scan = reach_scan,
	.view = reach_view,
	.advance = reach_advance,
	.next_ms = reach_next_ms,
	.why = reach_why,
};

static inline uint64_t io_now(void *arg)
{
	return ((struct house *)arg)->now_ms;
}

static inline uint64_t io_wall(void *arg)
{
	const struct house *h = arg;

	return (uint64_t)(1700000000000 + (int64_t)h->now_ms + h->wall_skew_ms);
}

static inline void io_submit_take(void *arg, struct db_batch *batch, uint64_t cookie)
{
	struct house *h = arg;
	struct commit *c = calloc(1, sizeof(*c));
	struct commit **last = &h->commits;

	assert_non_null(c);
	*c = (struct commit){ .cookie = cookie, .since_ms = h->now_ms, .batch = batch };
	while (*last)
		last = &(*last)->next;
	*last = c;
}

static inline uint64_t io_waiting(void *arg)
{
	const struct house *h = arg;

	return h->commits ? h->commits->since_ms : 0;
}

static inline void io_published(void *arg, const struct db_event *event)
{
	struct house *h = arg;
	size_t n = h->event_count++;

	assert_true(n < EVENTS);
	(void)snprintf(h->events[n].type, DB_NAME_MAX, "%s", event->type);
	(void)snprintf(h->events[n].subject, DB_NAME_MAX, "%s", event->subject);
	h->events[n].at_ms = h->now_ms;
}

static inline int io_ask(void *arg, const char *host, const struct fabric_ask *ask)
{
	struct house *h = arg;

	h->asks++;
	return h->on_ask(h, host, ask);
}

static inline int io_step(void *arg, const struct fabric_incident *incident,
			  const struct db_step *step)
{
	struct house *h = arg;

	return h->on_step ? h->on_step(h, incident, step) : 0;
}

static inline void on_answer(void *arg, int r, uint64_t id)
{
	struct house *h = arg;

	h->answer.count++;
	h->answer.r = r;
	h->answer.id = id;
}

static inline void commits_advance(struct house *h)
{
	while (h->commits && !h->holds_commits) {
		struct commit *c = h->commits;
		char why[DB_TEXT_MAX] = "";
		int r = h->commit_fails ? h->commit_fails : db_apply(h->db, c->batch, why);

		assert_true(r == 0 || r == h->commit_fails);
		h->commits = c->next;
		fabric_written(h->fabric, c->cookie, r, "the test says so");
		db_batch_free(c->batch);
		free(c);
	}
}

static inline void agent_beat(struct house *h, unsigned n)
{
	struct agent *a = &h->agents[n];
	char bay[16];
	char boot[32];

	(void)snprintf(bay, sizeof(bay), "bay%u", n + 1);
	(void)snprintf(boot, sizeof(boot), "boot-%u-%u", n, a->boots);
	a->answer = fabric_beat(h->fabric, bay, boot, ++a->seq, h->now_ms, &a->epoch);
}

static inline void beats_advance(struct house *h)
{
	if (h->now_ms < h->next_beat_ms)
		return;
	h->next_beat_ms = h->now_ms + BEAT;
	for (unsigned n = 0; n < HOSTS; n++)
		if (h->agents[n].beats)
			agent_beat(h, n);
}

static inline uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline void house_step(struct house *h, uint64_t end_ms)
{
	uint64_t next = earlier(end_ms, earlier(h->next_beat_ms, fabric_next_ms(h->fabric)));

	if (h->commits && !h->holds_commits)
		next = h->now_ms;
	for (unsigned i = 0; i < h->reaches; i++)
		next = earlier(next, h->reach[i].base.ops->next_ms(&h->reach[i].base));
	if (next > h->now_ms)
		h->now_ms = next;
	for (unsigned i = 0; i < h->reaches; i++)
		h->reach[i].base.ops->advance(&h->reach[i].base, h->now_ms);
	commits_advance(h);
	beats_advance(h);
	fabric_advance(h->fabric);
}

static inline void run(struct house *h, uint64_t ms)
{
	uint64_t end_ms = h->now_ms + ms;
	unsigned standing = 0; /* steps in which time did not go on */

	while (h->now_ms < end_ms) {
		uint64_t was_ms = h->now_ms;

		house_step(h, end_ms);
		standing = h->now_ms == was_ms ? standing + 1 : 0;
		assert_in_range(standing, 0, STANDING_MAX);
	}
	house_step(h, end_ms);
}

/* A manager begins, on the database and the switches that there are. */
static inline void manager_start(struct house *h)
{
	const struct fabric_io io = { .now_ms = io_now,
				      .wall_ms = io_wall,
				      .boot_id = h->boot_id,
				      .submit_take = io_submit_take,
				      .db_waiting_since_ms = io_waiting,
				      .published = io_published,
				      .agent_ask = h->on_ask ? io_ask : NULL,
				      .step = io_step,
				      .arg = h };
	char why[DB_TEXT_MAX] = "";

	assert_int_equal(fabric_new(&h->config, &io, &h->fabric), 0);
	assert_int_equal(fabric_load(h->fabric, h->db, why), 0);
	for (unsigned i = 0; i < h->reaches; i++) {
		struct provider_sink *sink = &h->reach[i].sink;
		unsigned number;
		char name[16];

		(void)snprintf(name, sizeof(name), "sim%u", i);
		if (h->reach[i].name)
			(void)snprintf(name, sizeof(name), "%s", h->reach[i].name);
		assert_int_equal(fabric_provider_add(h->fabric, name, sink, &number), 0);
		h->reach[i].inner = sim_model_provider(h->reach[i].model, sink);
		assert_non_null(h->reach[i].inner);
		fabric_provider_set(h->fabric, number, &h->reach[i].base);
	}
	fabric_start(h->fabric);
}

/* It dies: what was not durable is lost, what was sent goes on. */
static inline void manager_kill(struct house *h)
{
	fabric_free(h->fabric);
	h->fabric = NULL;
	for (unsigned i = 0; i < h->reaches; i++)
		provider_close(h->reach[i].inner);
	while (h->commits) {
		struct commit *next = h->commits->next;

		db_batch_free(h->commits->batch);
		free(h->commits);
		h->commits = next;
	}
	h->holds_commits = false;
}

/* @hosts of them, named @bays1 .. */
static inline struct sim_chassis *chassis_with(const char *bays, unsigned hosts)
{
	struct sim_chassis *c = sim_chassis_new("safety");

	assert_non_null(sim_chassis_add_switch(c, "sw0"));
	c->command_ms = 1;
	c->timeout_ms = 1000;
	c->checks_identity = false; /* the manager's own guards are what is proved */
	c->has_barrier = true;
	for (unsigned i = 1; i <= hosts; i++) {
		struct sim_host *host;
		char bay[16];

		(void)snprintf(bay, sizeof(bay), "%s%u", bays, i);
		host = sim_chassis_add_host(c, bay, 1);
		assert_non_null(host);
		host->window_bytes = 512 << 20;
	}
	return c;
}

static inline void reach_add_take(struct house *h, struct sim_chassis *chassis)
{
	struct reach *reach = &h->reach[h->reaches++];
	char path[SIM_CHASSIS_WHY];
	char why[SIM_CHASSIS_WHY];

	chassis->number = h->one_number ? 1 : (uint16_t)h->reaches;
	assert_int_equal(sim_chassis_check(chassis, path, why), 0);
	reach->base.ops = &reach_ops;
	reach->house = h;
	reach->chassis = chassis;
	assert_int_equal(sim_model_new(chassis, &reach->model), 0);
	sim_model_seed(reach->model, h->reaches);
}

static inline void reach_new(struct house *h, const char *bays, unsigned hosts, bool has_adapters)
{
	struct sim_chassis *c = chassis_with(bays, hosts);
	struct sim_adapter *a;

	if (has_adapters) {
		a = sim_chassis_add_adapter(c, sim_device_find("ethernet"), "E0001", 1);
		a->num_vfs = 8;
		a->keeper = PROVIDER_KEEPER_SWITCH;
		a = sim_chassis_add_adapter(c, sim_device_find("gpu"), "G0001", 1);
		a->pfs = 2;
	}
	reach_add_take(h, c);
}

static inline int house_begin(void **state)
{
	struct house *h = calloc(1, sizeof(*h));
	char why[DB_TEXT_MAX] = "";

	assert_non_null(h);
	log_setup("safety", (enum log_level)0);
	h->now_ms = START;
	h->boot_id = "boot-1";
	config_init(&h->config);
	assert_int_equal(db_open_fast(":memory:", why, &h->db), 0);
	reach_new(h, "bay", HOSTS, true);
	for (unsigned n = 0; n < HOSTS; n++)
		h->agents[n].beats = true;
	*state = h;
	return 0;
}

static inline int house_end(void **state)
{
	struct house *h = *state;

	manager_kill(h);
	for (unsigned i = 0; i < h->reaches; i++) {
		sim_model_free(h->reach[i].model);
		sim_chassis_free(h->reach[i].chassis);
	}
	db_close(h->db);
	free(h);
	return 0;
}

/* ---- looking and asking ---- */

static inline const struct fabric_host *host(const struct house *h, const char *name)
{
	const struct fabric_host *found = fabric_host_find(h->fabric, name);

	assert_non_null(found);
	return found;
}

static inline const struct fabric_function *function(const struct house *h, const char *name)
{
	const struct fabric_function *found = fabric_function_find(h->fabric, name);

	assert_non_null(found);
	return found;
}

/* Where the switch itself has it; 0: nowhere. */
static inline unsigned at_switch(const struct house *h, const char *name)
{
	const struct sim_map *map = sim_model_map(h->reach[0].model);

	return map->functions[function(h, name)->as.handle - 1].now.host;
}

static inline uint64_t mac_at_switch(const struct house *h, const char *name)
{
	const struct sim_map *map = sim_model_map(h->reach[0].model);

	return map->functions[function(h, name)->as.handle - 1].now.identity.mac;
}

static inline const struct provider_host_state *state_at_switch(const struct house *h,
								unsigned host)
{
	return &sim_model_map(h->reach[0].model)->hosts[host - 1].state;
}

static inline unsigned events(const struct house *h, const char *type, const char *subject)
{
	unsigned n = 0;

	for (size_t i = 0; i < h->event_count; i++)
		n += !strcmp(h->events[i].type, type) &&
		     (!subject || !strcmp(h->events[i].subject, subject));
	return n;
}

/* How many commands of @verb left since there were @from of all kinds. */
static inline unsigned sent(const struct house *h, enum provider_verb verb, size_t from)
{
	unsigned n = 0;

	for (size_t i = from; i < h->sent_count; i++)
		n += h->sent[i].verb == verb;
	return n;
}

static inline bool is_effect(enum provider_verb verb)
{
	return verb != PROVIDER_READ && verb != PROVIDER_READ_HOST && verb != PROVIDER_SETTLE;
}

static inline unsigned effects(const struct house *h, size_t from)
{
	unsigned n = 0;

	for (size_t i = from; i < h->sent_count; i++)
		n += is_effect(h->sent[i].verb);
	return n;
}

/* Until a command of @verb leaves. */
static inline void run_until_sent(struct house *h, enum provider_verb verb, size_t from)
{
	for (unsigned steps = 0; steps < 60000 && !sent(h, verb, from); steps++)
		house_step(h, h->now_ms + 1);
	assert_int_not_equal(sent(h, verb, from), 0);
}

static inline void run_until_state(struct house *h, const char *name, enum fabric_host_state state)
{
	for (unsigned steps = 0; steps < 60000 && host(h, name)->state != state; steps++)
		house_step(h, h->now_ms + 1);
	assert_int_equal(host(h, name)->state, state);
}

static inline void fault(struct house *h, enum provider_verb verb, enum sim_fault_kind kind,
			 uint32_t ms, uint32_t count)
{
	const struct sim_fault fault = { verb, kind, ms, count };

	assert_int_equal(sim_model_fault(h->reach[0].model, &fault), 0);
}

static inline struct fabric_request_op op(enum db_op verb, const char *fn, const char *host,
					  uint64_t mac)
{
	struct fabric_request_op op = { .op = verb, .has_identity = mac != 0 };

	(void)snprintf(op.function, sizeof(op.function), "%s", fn);
	(void)snprintf(op.host, sizeof(op.host), "%s", host);
	op.identity.mac = mac;
	return op;
}

static inline int request(struct house *h, const struct fabric_request_op *ops, size_t count)
{
	const struct fabric_request request = { .ops = ops, .op_count = count };
	struct fabric_problem problem;

	return fabric_change_request(h->fabric, &request, &problem, on_answer, h);
}

static inline int ask(struct house *h, enum db_op verb, const char *fn, const char *host,
		      uint64_t mac)
{
	const struct fabric_request_op one = op(verb, fn, host, mac);

	return request(h, &one, 1);
}

static inline void assign(struct house *h, const char *fn, const char *host, uint64_t mac)
{
	assert_int_equal(ask(h, DB_OP_ASSIGN, fn, host, mac), 0);
	run(h, 500);
	assert_string_equal(function(h, fn)->host->name, host);
	assert_null(function(h, fn)->item);
}

static inline void spare(struct house *h, const char *name)
{
	assert_int_equal(fabric_host_set_spare(h->fabric, name, true, 0, on_answer, h), 0);
}

static inline void silence(struct house *h, unsigned bay)
{
	h->agents[bay - 1].beats = false;
}

static inline int failover(struct house *h, const char *name)
{
	struct fabric_problem problem;

	return fabric_host_failover(h->fabric, name, 0, &problem, on_answer, h);
}

static inline int readmit(struct house *h, const char *name)
{
	struct fabric_problem problem;

	return fabric_host_readmit(h->fabric, name, 0, &problem, on_answer, h);
}

static inline struct fabric_health health(const struct house *h)
{
	struct fabric_health out;

	fabric_health_get(h->fabric, &out);
	return out;
}

/* Another manager's command, straight at the switch. */
static inline void foreign(struct house *h, enum provider_verb verb, const char *fn, unsigned bay,
			   uint16_t vport, uint64_t generation)
{
	const struct provider_op op = { .attempt = 1ull << 60,
					.verb = verb,
					.function = function(h, fn)->as.handle,
					.host = (uint16_t)bay,
					.vport = vport,
					.generation = generation,
					.deadline_ms = h->now_ms + 1000 };
	struct provider_sink none = { 0 };
	struct provider *other = sim_model_provider(h->reach[0].model, &none);

	(void)other->ops->submit(other, &op);
	provider_close(other);
	run(h, 20);
}

static inline void scan_again(struct house *h)
{
	const struct provider_event changed = { .kind = PROVIDER_EVENT_CHANGED };

	h->reach[0].sink.told(h->reach[0].sink.arg, &changed);
	run(h, 100);
}

/* All beat, bay8 is a warm spare, VF1 with its MAC and VF2 are at bay1. */
static inline void usual(struct house *h)
{
	manager_start(h);
	run(h, STEADY);
	spare(h, "bay8");
	assign(h, VF1, "bay1", MAC1);
	assign(h, VF2, "bay1", 0);
}
