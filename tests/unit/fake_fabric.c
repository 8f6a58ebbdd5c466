/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake_fabric.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void hosts_fill(struct fabric *f)
{
	static const char *const names[] = { "bay1", "ch2/bay10" };

	for (int i = 0; i < 2; i++) {
		struct fabric_host *h = &f->hosts[i];

		(void)snprintf(h->name, sizeof(h->name), "%s", names[i]);
		(void)snprintf(h->as.bay, sizeof(h->as.bay), "%s", i ? "bay10" : "bay1");
		h->present = true;
		h->as.handle = (uint16_t)(i + 1);
		h->as.switch_handle = 1;
		h->as.port = (uint16_t)i;
		h->as.vports = 240;
		h->as.chassis = (uint16_t)(i + 1);
		h->state = i ? FABRIC_HOST_FENCED : FABRIC_HOST_ALIVE;
		h->epoch = i ? 4 : 1;
		f->host_list[i] = h;
	}
}

static void functions_fill(struct fabric *f)
{
	struct fabric_adapter *a = &f->adapter;

	(void)snprintf(a->name, sizeof(a->name), "nic-3fa2");
	a->present = true;
	a->as = (struct provider_adapter){ .handle = 1,
					   .switch_handle = 1,
					   .port = 2,
					   .class_code = 0x020000,
					   .vendor = 0x8086,
					   .device = 0x10fb,
					   .serial = "00-1b-21-ff-ff-a5-3f-a2",
					   .mode = PROVIDER_ADAPTER_SRIOV,
					   .keeper = PROVIDER_KEEPER_SWITCH,
					   .num_vfs = FAKE_VFS,
					   .total_vfs = FAKE_VFS,
					   .function_count = FAKE_FUNCTIONS };
	a->first = &f->functions[0];
	f->adapter_list[0] = a;
	for (int i = 0; i < FAKE_FUNCTIONS; i++) {
		struct fabric_function *fn = &f->functions[i];

		(void)snprintf(fn->name, sizeof(fn->name), i ? "nic-3fa2/pf0/vf%d" : "nic-3fa2/pf0",
			       i);
		fn->adapter = a;
		fn->next_in_adapter = i + 1 < FAKE_FUNCTIONS ? &f->functions[i + 1] : NULL;
		fn->present = true;
		fn->as.kind = i ? PROVIDER_FUNCTION_VF : PROVIDER_FUNCTION_PF;
		fn->as.vf = (uint16_t)i;
		fn->as.vendor = 0x8086;
		fn->as.device = i ? 0x10ed : 0x10fb;
		fn->as.identity_can = PROVIDER_IDENTITY_MAC;
		f->function_list[i] = fn;
	}
	f->functions[1].host = &f->hosts[0];
	f->functions[1].vport = 3;
	f->functions[1].generation = 9;
	f->functions[1].identity.mac = 0x02fab0000001;
	f->functions[1].as.now = (struct provider_binding){
		.host = 1, .vport = 3, .generation = 9, .identity.mac = 0x02fab0000001
	};
}

static void change_fill(struct fabric *f)
{
	f->item = (struct fabric_item){ .row = { .change = 7,
						 .op = DB_OP_ASSIGN,
						 .function = "nic-3fa2/pf0/vf2",
						 .host = "bay1",
						 .vport = 4,
						 .generation = 1 },
					.fn = &f->functions[2],
					.change = &f->change,
					.step = "bind" };
	f->change = (struct fabric_change){ .row = { .id = 7, .uid = 10, .started_wall_ms = 1000 },
					    .items = &f->item,
					    .item_count = 1,
					    .durable = true };
	f->functions[2].item = &f->item;
	f->change_list[0] = &f->change;
	f->step = (struct db_step){ .wall_ms = 2000, .what = "suspected", .detail = "2 beats" };
	f->incident = (struct fabric_incident){ .row = { .id = 3,
							 .host = "ch2/bay10",
							 .state = DB_INCIDENT_MOVING,
							 .cause = "silent",
							 .change = 7,
							 .started_wall_ms = 1000 },
						.steps = &f->step,
						.step_count = 1,
						.durable = true };
	f->incident_list[0] = &f->incident;
}

static void profile_make(struct fabric *f)
{
	for (unsigned i = 0; i < 2; i++)
		f->members[i] = (struct fabric_member){ .fn = &f->functions[i + 1],
							.identity = { .mac = 0x02fab0000001 + i } };
	f->profile = (struct fabric_profile){
		.name = "web", .priority = 500, .members = f->members, .member_count = 2
	};
	f->functions[1].profile = &f->profile;
	f->profile_list[0] = &f->profile;
	f->refused_op = SIZE_MAX;
}

void fake_init(struct fabric *f)
{
	memset(f, 0, sizeof(*f));
	config_init(&f->config);
	f->health = (struct fabric_health){ .status = "ok", .ready = true, .adopted = true };
	(void)snprintf(f->sw.name, sizeof(f->sw.name), "sw0");
	f->sw.as = (struct provider_switch){ .handle = 1, .chassis = 1 };
	f->switch_list[0] = &f->sw;
	for (int i = 0; i < 3; i++) {
		(void)snprintf(f->ports[i].name, sizeof(f->ports[i].name), "sw0/p%d", i);
		f->ports[i].as.switch_handle = 1;
		f->ports[i].as.number = (uint16_t)i;
		f->port_list[i] = &f->ports[i];
	}
	hosts_fill(f);
	functions_fill(f);
	change_fill(f);
	profile_make(f);
	f->event_first = 1;
	f->event_last = 5;
}

/* ---- texts ---- */

const char *fabric_port_slot(const struct fabric_port *port)
{
	return port->as.has_slot ? slot_state_text(port->slot.state) : NULL;
}

const char *fabric_host_state_text(enum fabric_host_state state)
{
	static const char *const texts[FABRIC_HOST_STATES] = {
		"unknown", "alive",   "suspect",     "fencing",
		"fenced",  "blocked", "maintenance", "quarantined",
	};

	return texts[state];
}

const char *fabric_function_state_text(enum fabric_function_state state)
{
	static const char *const texts[FABRIC_FUNCTION_STATES] = { "free",    "bound", "parked",
								   "blocked", "doubt", "bad" };

	return texts[state];
}

struct fabric_owner fabric_function_owner(const struct fabric_function *fn)
{
	return fn->unstored ? fn->stored
			    : (struct fabric_owner){ fn->host, fn->vport, fn->generation,
						     fn->identity, fn->assigned };
}

enum fabric_function_state fabric_function_state(const struct fabric_function *fn)
{
	return fn->host ? FABRIC_FUNCTION_BOUND : FABRIC_FUNCTION_FREE;
}

bool fabric_function_is_kept(const struct fabric_function *fn)
{
	return fn->as.kind == PROVIDER_FUNCTION_PF;
}

const char *fabric_change_state_text(enum db_change_state state)
{
	static const char *const texts[DB_CHANGE_STATES] = { "running", "done",   "refused",
							     "parked",  "failed", "cancelled" };

	return texts[state];
}

const char *fabric_incident_state_text(enum db_incident_state state)
{
	static const char *const texts[DB_INCIDENT_STATES] = { "fencing", "blocked", "waiting",
							       "moving", "done" };

	return texts[state];
}

size_t fabric_incident_next(const struct fabric *f, const struct fabric_incident *incident,
			    struct fabric_next out[static FABRIC_NEXT_MAX])
{
	(void)f;
	if (incident->row.state != DB_INCIDENT_BLOCKED)
		return 0;
	(void)snprintf(out[0].when, sizeof(out[0].when), "it is off");
	(void)snprintf(out[0].command, sizeof(out[0].command), "fabricctl host fence-confirm %s",
		       incident->row.host);
	return 1;
}

size_t fabric_host_next(const struct fabric *f, const struct fabric_host *host,
			struct fabric_next out[static FABRIC_NEXT_MAX])
{
	(void)f;
	(void)host;
	(void)out;
	return 0;
}

bool fabric_host_unjudged(const struct fabric *f, const struct fabric_host *host,
			  char why[static DB_TEXT_MAX])
{
	(void)host;
	if (!f->health.frozen)
		return false;
	(void)snprintf(why, DB_TEXT_MAX, "fabricd is frozen; last beat 3.1 s ago");
	return true;
}

size_t fabric_health_next(const struct fabric *f, struct fabric_next out[static FABRIC_NEXT_MAX])
{
	(void)f;
	(void)out;
	return 0;
}

const char *fabric_op_text(enum db_op op)
{
	static const char *const texts[DB_OPS] = { "assign", "release", "move" };

	return texts[op];
}

const char *fabric_change_kind_text(enum db_change_kind kind)
{
	static const char *const texts[DB_CHANGE_KINDS] = { "asked", "failover", "repair" };

	return texts[kind];
}

/* ---- reading ---- */

const struct config *fabric_config(const struct fabric *f)
{
	return &f->config;
}

const char *fabric_incarnation(const struct fabric *f)
{
	(void)f;
	return "11111111-2222-3333-4444-555555555555";
}

void fabric_health_get(const struct fabric *f, struct fabric_health *out)
{
	*out = f->health;
}

size_t fabric_provider_count(const struct fabric *f)
{
	(void)f;
	return 1;
}

void fabric_provider_get(const struct fabric *f, size_t i, struct fabric_provider_view *out)
{
	(void)f;
	(void)i;
	*out = (struct fabric_provider_view){ .name = "sim", .state = PROVIDER_READY };
}

#define LIST(name, plural, type, n)                                                      \
	const struct type *const *fabric_##plural(const struct fabric *f, size_t *count) \
	{                                                                                \
		*count = n;                                                              \
		return f->name##_list;                                                   \
	}
LIST(switch, switches, fabric_switch, 1)
LIST(port, ports, fabric_port, 3)
LIST(host, hosts, fabric_host, 2)
LIST(adapter, adapters, fabric_adapter, 1)
LIST(function, functions, fabric_function, FAKE_FUNCTIONS)
LIST(change, changes, fabric_change, 1)
LIST(incident, incidents, fabric_incident, 1)

#define FIND(one, plural, type)                                                        \
	const struct type *fabric_##one##_find(const struct fabric *f, const char *id) \
	{                                                                              \
		size_t count = 0;                                                      \
		const struct type *const *list = fabric_##plural(f, &count);           \
                                                                                       \
		for (size_t i = 0; i < count; i++)                                     \
			if (!strcmp(list[i]->name, id))                                \
				return list[i];                                        \
		return NULL;                                                           \
	}
FIND(switch, switches, fabric_switch)
FIND(port, ports, fabric_port)
FIND(host, hosts, fabric_host)
FIND(adapter, adapters, fabric_adapter)
FIND(function, functions, fabric_function)

const struct fabric_change *fabric_change_find(const struct fabric *f, uint64_t id)
{
	return id == f->change.row.id ? &f->change : NULL;
}

const struct fabric_incident *fabric_incident_find(const struct fabric *f, uint64_t id)
{
	return id == f->incident.row.id ? &f->incident : NULL;
}

void fabric_differences(const struct fabric *f,
			void (*fn)(void *arg, const struct fabric_difference *d), void *arg)
{
	const struct fabric_difference d = { "missing", "nic-3fa2/pf0/vf1", "bound nowhere" };

	(void)f;
	fn(arg, &d);
}

unsigned fake_event_walks;

bool fabric_events_after(const struct fabric *f, uint64_t n,
			 void (*fn)(void *arg, const struct db_event *event), void *arg,
			 uint64_t *first)
{
	*first = f->event_first;
	fake_event_walks += fn != NULL;
	for (uint64_t i = f->event_first; fn && i <= f->event_last; i++) {
		struct db_event event = { .n = i, .wall_ms = 1000, .type = "host.alive" };

		(void)snprintf(event.detail, sizeof(event.detail), "event \"%d\"", (int)i);
		if (i > n)
			fn(arg, &event);
	}
	return n + 1 >= f->event_first;
}

uint64_t fabric_event_last(const struct fabric *f)
{
	return f->event_last;
}

/* ---- asking ---- */

static int noted(struct fabric *f, uint32_t uid, struct fabric_problem *problem,
		 fabric_answer_fn *fn, void *arg)
{
	f->requests++;
	f->uid = uid;
	if (f->result && problem) {
		problem->field = f->refused_field;
		(void)snprintf(problem->reason, sizeof(problem->reason), "because");
	}
	if (f->result)
		return f->result;
	f->answer = fn;
	f->answer_arg = arg;
	return 0;
}

static void request_note(struct fabric *f, const struct fabric_request *request)
{
	f->op_count = request->op_count;
	memcpy(f->ops, request->ops,
	       sizeof(*f->ops) * (request->op_count < 4 ? request->op_count : 4));
	(void)snprintf(f->key, sizeof(f->key), "%s", request->key ? request->key : "");
	f->hash = request->hash;
}

enum fabric_spare_kind fabric_host_spare_kind(const struct fabric *f,
					      const struct fabric_host *host)
{
	(void)f;
	return host->spare ? FABRIC_SPARE_WARM : FABRIC_SPARE_NONE;
}

const char *fabric_join_text(enum fabric_join condition)
{
	return condition == FABRIC_JOIN_SEEN ? "seen" : "";
}

void fabric_function_joined(const struct fabric *f, const struct fabric_function *fn,
			    struct fabric_joined *out)
{
	*out = (struct fabric_joined){ .condition = FABRIC_JOIN_NONE };
	if (!fn->host || !fn->host->seen_count)
		return;
	(void)f;
	out->condition = FABRIC_JOIN_SEEN;
	out->row = fn->host->seen;
	(void)snprintf(out->detail, sizeof(out->detail), "seen by %s", fn->host->name);
}

const struct fabric_function *fabric_seen_function(const struct fabric *f,
						   const struct fabric_host *host,
						   const struct fabric_seen *row)
{
	(void)host;
	return row->slot ? f->function_list[1] : NULL;
}

int fabric_change_request(struct fabric *f, const struct fabric_request *request,
			  struct fabric_problem *problem, fabric_answer_fn *fn, void *arg)
{
	request_note(f, request);
	problem->op = 0;
	return noted(f, request->uid, problem, fn, arg);
}

void fabric_plan_done(struct fabric_plan *plan)
{
	free(plan->items);
}

static int plan_make(struct fabric *f, struct fabric_plan *out)
{
	if (f->result)
		return f->result;
	*out = (struct fabric_plan){ .items = calloc(1, sizeof(*out->items)), .item_count = 1 };
	if (!out->items)
		abort();
	out->items[0].row = f->item.row;
	out->items[0].steps[0] = "unbind it";
	out->items[0].steps[1] = "read back";
	(void)snprintf(out->target, sizeof(out->target), "bay1");
	return 0;
}

int fabric_change_plan(struct fabric *f, const struct fabric_request *request,
		       struct fabric_problem *problem, struct fabric_plan *out)
{
	request_note(f, request);
	problem->op = 1;
	problem->field = f->refused_field;
	return plan_make(f, out);
}

int fabric_change_cancel(struct fabric *f, uint64_t id, uint32_t uid, fabric_answer_fn *fn,
			 void *arg)
{
	f->number = id;
	return noted(f, uid, NULL, fn, arg);
}

int fabric_change_wait(struct fabric *f, uint64_t id, fabric_answer_fn *fn, void *arg)
{
	f->number = id;
	f->waiter = fn;
	f->waiter_arg = arg;
	return 0;
}

void fabric_change_unwait(struct fabric *f, void *arg)
{
	f->unwaits++;
	if (f->waiter_arg == arg)
		f->waiter = NULL;
}

int fabric_leaving(struct fabric *f, const char *host, const char *boot_id, uint64_t seq,
		   uint64_t received_ms, uint64_t *epoch)
{
	(void)received_ms;
	(void)snprintf(f->host, sizeof(f->host), "%s", host);
	(void)snprintf(f->boot_id, sizeof(f->boot_id), "%s", boot_id);
	f->seq = seq;
	*epoch = 5;
	return f->result;
}

void fabric_epoch_told(struct fabric *f, const char *host, uint64_t epoch)
{
	(void)snprintf(f->host, sizeof(f->host), "%s", host);
	f->number = epoch;
}

void fabric_agent_stopped(struct fabric *f, const char *host, const char *boot_id, uint64_t epoch,
			  uint64_t stopped, uint64_t still, const char *text)
{
	(void)still;
	(void)text;
	(void)snprintf(f->host, sizeof(f->host), "%s", host);
	(void)snprintf(f->boot_id, sizeof(f->boot_id), "%s", boot_id);
	f->number = epoch;
	f->seq = stopped;
}

int fabric_host_seen(struct fabric *f, const char *host, const char *boot_id,
		     const struct fabric_seen *rows, size_t count)
{
	(void)snprintf(f->host, sizeof(f->host), "%s", host);
	(void)snprintf(f->boot_id, sizeof(f->boot_id), "%s", boot_id);
	if (count)
		f->seen = rows[0];
	f->seen_count = count;
	return fabric_host_find(f, host) ? f->result : REFUSE_NO_HOST;
}

void fabric_beat_heard(struct fabric *f, const char *host, const char *way, enum beat_kind kind,
		       uint64_t received_ms)
{
	(void)f;
	(void)host;
	(void)way;
	(void)kind;
	(void)received_ms;
}

int fabric_beat(struct fabric *f, const char *host, const char *boot_id, uint64_t seq,
		uint64_t received_ms, uint64_t *epoch)
{
	const struct fabric_host *h = fabric_host_find(f, host);

	(void)snprintf(f->host, sizeof(f->host), "%s", host);
	(void)snprintf(f->boot_id, sizeof(f->boot_id), "%s", boot_id);
	f->seq = seq;
	f->number = received_ms;
	if (!h)
		return REFUSE_NO_HOST;
	*epoch = h->epoch;
	return h->state == FABRIC_HOST_FENCED ? REFUSE_HOST_FENCED : f->result;
}

int fabric_host_set_spare(struct fabric *f, const char *host, bool spare, uint32_t uid,
			  fabric_answer_fn *fn, void *arg)
{
	(void)snprintf(f->host, sizeof(f->host), "%s", host);
	f->flag = spare;
	return noted(f, uid, NULL, fn, arg);
}

int fabric_host_enroll(struct fabric *f, const char *host, bool force, uint32_t uid,
		       struct fabric_problem *problem, char key[static 65], fabric_answer_fn *fn,
		       void *arg)
{
	(void)snprintf(f->host, sizeof(f->host), "%s", host);
	memset(key, force ? 'b' : 'a', 64);
	key[64] = '\0';
	return noted(f, uid, problem, fn, arg);
}

int fabric_host_failover(struct fabric *f, const char *host, uint32_t uid,
			 struct fabric_problem *problem, fabric_answer_fn *fn, void *arg)
{
	(void)snprintf(f->host, sizeof(f->host), "%s", host);
	return noted(f, uid, problem, fn, arg);
}

int fabric_host_failover_plan(struct fabric *f, const char *host, struct fabric_problem *problem,
			      struct fabric_plan *out)
{
	(void)host;
	(void)problem;
	return plan_make(f, out);
}

int fabric_host_readmit(struct fabric *f, const char *host, uint32_t uid,
			struct fabric_problem *problem, fabric_answer_fn *fn, void *arg)
{
	(void)snprintf(f->host, sizeof(f->host), "%s", host);
	return noted(f, uid, problem, fn, arg);
}

const struct fabric_profile *const *fabric_profiles(const struct fabric *f, size_t *count)
{
	*count = 1;
	return f->profile_list;
}

const struct fabric_profile *fabric_profile_find(const struct fabric *f, const char *name)
{
	return strcmp(name, f->profile.name) != 0 ? NULL : &f->profile;
}

const struct fabric_host *fabric_profile_host(const struct fabric_profile *profile)
{
	return profile->members[0].fn->host;
}

const char *fabric_profile_state(const struct fabric_profile *profile, char why[static DB_TEXT_MAX])
{
	(void)profile;
	(void)snprintf(why, DB_TEXT_MAX, "the test says so");
	return "split";
}

int fabric_profile_set(struct fabric *f, const struct fabric_profile_request *request,
		       struct fabric_problem *problem, fabric_answer_fn *fn, void *arg)
{
	int r;

	f->profile_asked = *request;
	f->member_asked = request->members[request->member_count - 1];
	(void)snprintf(f->profile.name, sizeof(f->profile.name), "%s", request->name);
	r = noted(f, request->uid, problem, fn, arg);
	problem->op = f->refused_op;
	return r;
}

int fabric_profile_delete(struct fabric *f, const char *name, uint32_t uid,
			  struct fabric_problem *problem, fabric_answer_fn *fn, void *arg)
{
	(void)snprintf(f->host, sizeof(f->host), "-%s", name);
	return noted(f, uid, problem, fn, arg);
}

int fabric_profile_change(struct fabric *f, const char *name, enum db_op op, const char *to,
			  const struct fabric_asker *who, struct fabric_problem *problem,
			  fabric_answer_fn *fn, void *arg)
{
	(void)snprintf(f->host, sizeof(f->host), "%s %s>%s", fabric_op_text(op), name, to);
	(void)snprintf(f->key, sizeof(f->key), "%s", who->key ? who->key : "");
	f->hash = who->hash;
	return noted(f, who->uid, problem, fn, arg);
}

int fabric_profile_change_plan(struct fabric *f, const char *name, enum db_op op, const char *to,
			       struct fabric_problem *problem, struct fabric_plan *out)
{
	(void)name;
	(void)op;
	(void)to;
	(void)problem;
	return plan_make(f, out);
}

int fabric_host_drain(struct fabric *f, const char *host, const char *to,
		      const struct fabric_asker *who, struct fabric_problem *problem,
		      fabric_answer_fn *fn, void *arg)
{
	(void)snprintf(f->host, sizeof(f->host), "%s>%s", host, to);
	(void)snprintf(f->key, sizeof(f->key), "%s", who->key ? who->key : "");
	f->hash = who->hash;
	if (f->drain_is_empty)
		return REFUSE_FUNCTION_FREE;
	return noted(f, who->uid, problem, fn, arg);
}

int fabric_host_drain_plan(struct fabric *f, const char *host, const char *to,
			   struct fabric_problem *problem, struct fabric_plan *out)
{
	(void)host;
	(void)to;
	(void)problem;
	return plan_make(f, out);
}

int fabric_host_drill(struct fabric *f, const char *host, const struct fabric_drill *how,
		      uint32_t uid, struct fabric_problem *problem, fabric_answer_fn *fn, void *arg)
{
	(void)snprintf(f->host, sizeof(f->host), "%s", host);
	f->flag = how->force && !how->power;
	return noted(f, uid, problem, fn, arg);
}

int fabric_host_maintenance(struct fabric *f, const char *host, bool on, uint32_t uid,
			    struct fabric_problem *problem, fabric_answer_fn *fn, void *arg)
{
	(void)snprintf(f->host, sizeof(f->host), "%s", host);
	f->flag = on;
	return noted(f, uid, problem, fn, arg);
}

int fabric_host_fence_confirm(struct fabric *f, const char *host, uint64_t incident, uint32_t uid,
			      struct fabric_problem *problem, fabric_answer_fn *fn, void *arg)
{
	(void)snprintf(f->host, sizeof(f->host), "%s", host);
	f->number = incident;
	return noted(f, uid, problem, fn, arg);
}

static const char *place_name(const void *arg, size_t n)
{
	return n ? "ch2/bay10" : ((const struct fabric *)arg)->hosts[0].name;
}

/* bay1 is silent from 1000 on, and was fenced at 6000. */
static void night_make(const struct fabric *f, struct buf *out)
{
	const struct record_settings settings = { .live = { 1000, 5, 34, 2, LIVE_WITNESS_ANY },
						  .rate_count = 6,
						  .rate_window_ms = 600000 };
	const struct record_host around[2] = { 0 };
	struct live_chassis chassis = { .judging = true };
	struct live_rate rate = { 0 };
	struct live_host hosts[2] = { { .watched = true }, { .watched = true } };
	struct live_host *const lives[2] = { &hosts[0], &hosts[1] };
	const struct record_view view = { &chassis, &rate, lives, 2 };
	enum live_verdict verdicts[2];
	struct recorder recorder = { 0 };

	record_anew(&recorder, &settings, &view, around, 1);
	for (uint64_t now = 500; now <= 6000; now += 500) {
		for (size_t n = now > 1000; n < 2; n++) {
			live_beat(&hosts[n], &settings.live, now);
			record_beat(&recorder, n, now);
		}
		record_judge(&recorder, &settings, &view, now, 0);
		(void)live_judge(&chassis, &settings.live, lives, 2, now, 0, verdicts);
		if (verdicts[0] == LIVE_SUSPECTED)
			record_say(&recorder, 0, RECORD_SUSPECTED);
	}
	record_say(&recorder, 0, RECORD_FENCED);
	live_rate_note(&rate, 6000);
	live_unwatch(&hosts[0]);
	record_begin(&recorder, 0, 6000);
	if (record_export(&recorder, &view, 0, 1000, 6000, place_name, f, out))
		abort();
	record_done(&recorder);
}

int fabric_incident_replay(struct fabric *f, uint64_t id, const struct fabric_replay_set *sets,
			   size_t count, struct fabric_problem *problem, struct fabric_replay *out)
{
	OWNED(buf_done) struct buf bytes = { 0 };
	struct fabric_replay replay = { 0 };
	char why[REPLAY_WHY_MAX];

	f->requests++;
	f->number = id;
	if (f->result) {
		problem->op = count ? count - 1 : SIZE_MAX;
		(void)snprintf(problem->reason, sizeof(problem->reason), "because");
		return f->result;
	}
	if (count)
		replay.change = (struct replay_change){ .which = REPLAY_SET_MISSED,
							.settings.live.missed = (uint32_t)strtoul(
								sets[0].value, NULL, 10) };
	night_make(f, &bytes);
	if (replay_open(bytes.data, bytes.length, why, &replay.replay) ||
	    replay_run(replay.replay, &(struct replay_change){ 0 }, &replay.night) ||
	    (count && replay_run(replay.replay, &replay.change, &replay.otherwise)))
		abort();
	*out = replay;
	return 0;
}

void fabric_replay_done(struct fabric_replay *replay)
{
	replay_free(replay->replay);
	replay_outcome_done(&replay->night);
	replay_outcome_done(&replay->otherwise);
}

bool fabric_replay_setting(size_t n, const struct record_settings *settings,
			   char name[static FABRIC_NAME_MAX], char value[static FABRIC_NAME_MAX])
{
	(void)snprintf(name, FABRIC_NAME_MAX, "heartbeat.missed");
	(void)snprintf(value, FABRIC_NAME_MAX, "%u", settings->live.missed);
	return !n;
}

int fabric_adopt(struct fabric *f, bool dry_run, uint32_t uid, struct fabric_plan *out,
		 fabric_answer_fn *fn, void *arg)
{
	int r = plan_make(f, out);

	f->flag = dry_run;
	return r || dry_run ? r : noted(f, uid, NULL, fn, arg);
}

const char *fabric_host_traffic_text(const struct fabric_host *host)
{
	(void)host;
	return NULL;
}

void fabric_host_rungs(const struct fabric *f, const struct fabric_host *host,
		       char out[static DB_TEXT_MAX])
{
	(void)f;
	(void)host;
	(void)snprintf(out, DB_TEXT_MAX, "isolate, unbind, a person");
}

int fabric_view(struct fabric *f, const char *host, fabric_view_fn *fn, void *arg)
{
	(void)snprintf(f->host, sizeof(f->host), "%s", host ? host : "");
	if (host && !fabric_host_find(f, host))
		return REFUSE_NO_HOST;
	if (f->result)
		return f->result;
	f->view = fn;
	f->view_arg = arg;
	return 0;
}

void fabric_view_cancel(struct fabric *f, void *arg)
{
	(void)arg;
	f->cancelled_views++;
	f->view = NULL;
}

int fabric_backup(struct fabric *f, const char *file, uint32_t uid, fabric_answer_fn *fn, void *arg)
{
	(void)snprintf(f->boot_id, sizeof(f->boot_id), "%s", file);
	return noted(f, uid, NULL, fn, arg);
}

const char *fabric_backup_why(const struct fabric *f)
{
	return f->refused_field ? f->refused_field : "";
}
