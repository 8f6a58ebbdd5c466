/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fabricd/fabric.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/defect.h"
#include "common/log.h"
#include "common/natural.h"
#include "fabricd/state.h"

/* ---- texts ---- */

const char *fabric_host_state_text(enum fabric_host_state state)
{
	static const char *const texts[FABRIC_HOST_STATES] = {
		[FABRIC_HOST_UNKNOWN] = "unknown",
		[FABRIC_HOST_ALIVE] = "alive",
		[FABRIC_HOST_SUSPECT] = "suspect",
		[FABRIC_HOST_FENCING] = "fencing",
		[FABRIC_HOST_FENCED] = "fenced",
		[FABRIC_HOST_BLOCKED] = "blocked",
		[FABRIC_HOST_MAINTENANCE] = "maintenance",
		[FABRIC_HOST_QUARANTINED] = "quarantined",
	};

	return texts[state];
}

const char *fabric_function_state_text(enum fabric_function_state state)
{
	static const char *const texts[FABRIC_FUNCTION_STATES] = {
		[FABRIC_FUNCTION_FREE] = "free",     [FABRIC_FUNCTION_BOUND] = "bound",
		[FABRIC_FUNCTION_PARKED] = "parked", [FABRIC_FUNCTION_BLOCKED] = "blocked",
		[FABRIC_FUNCTION_DOUBT] = "doubt",   [FABRIC_FUNCTION_BAD] = "bad",
	};

	return texts[state];
}

const char *fabric_change_state_text(enum db_change_state state)
{
	static const char *const texts[DB_CHANGE_STATES] = {
		[DB_CHANGE_RUNNING] = "running", [DB_CHANGE_DONE] = "done",
		[DB_CHANGE_REFUSED] = "refused", [DB_CHANGE_PARKED] = "parked",
		[DB_CHANGE_FAILED] = "failed",   [DB_CHANGE_CANCELLED] = "cancelled",
	};

	return texts[state];
}

const char *fabric_incident_state_text(enum db_incident_state state)
{
	static const char *const texts[DB_INCIDENT_STATES] = {
		[DB_INCIDENT_FENCING] = "fencing", [DB_INCIDENT_BLOCKED] = "blocked",
		[DB_INCIDENT_WAITING] = "waiting", [DB_INCIDENT_MOVING] = "moving",
		[DB_INCIDENT_DONE] = "done",
	};

	return texts[state];
}

const char *fabric_op_text(enum db_op op)
{
	static const char *const texts[DB_OPS] = {
		[DB_OP_ASSIGN] = "assign",
		[DB_OP_RELEASE] = "release",
		[DB_OP_MOVE] = "move",
	};

	return texts[op];
}

const char *fabric_change_kind_text(enum db_change_kind kind)
{
	static const char *const texts[DB_CHANGE_KINDS] = {
		[DB_CHANGE_ASKED] = "asked",
		[DB_CHANGE_FAILOVER] = "failover",
		[DB_CHANGE_REPAIR] = "repair",
	};

	return texts[kind];
}

/* ---- functions ---- */

bool fabric_function_is_kept(const struct fabric_function *fn)
{
	if (fn->as.kind == PROVIDER_FUNCTION_BF)
		return true;
	return fn->as.kind == PROVIDER_FUNCTION_PF && fn->adapter &&
	       fn->adapter->as.mode == PROVIDER_ADAPTER_SRIOV &&
	       fn->adapter->as.keeper != PROVIDER_KEEPER_NONE;
}

static bool host_is_unproved(const struct fabric_host *host)
{
	return host->state == FABRIC_HOST_FENCING || host->state == FABRIC_HOST_BLOCKED;
}

/* Where the switch shows it, by the last read-back. */
bool function_is_seen_at(const struct fabric_function *fn, const struct fabric_host *host,
			 uint16_t vport)
{
	return host->present && fn->present && fn->as.now.host == host->as.handle &&
	       fn->as.now.vport == vport;
}

struct fabric_owner fabric_function_owner(const struct fabric_function *fn)
{
	if (fn->unstored)
		return fn->stored;
	return (struct fabric_owner){ .host = fn->host,
				      .vport = fn->vport,
				      .generation = fn->generation,
				      .identity = fn->identity,
				      .assigned = fn->assigned };
}

enum fabric_function_state fabric_function_state(const struct fabric_function *fn)
{
	const struct fabric_owner owner = fabric_function_owner(fn);

	if (fn->bad)
		return FABRIC_FUNCTION_BAD;
	if (fn->doubt)
		return FABRIC_FUNCTION_DOUBT;
	if (!owner.host)
		return !function_is_nowhere(fn) && !fabric_function_is_kept(fn)
			       ? FABRIC_FUNCTION_DOUBT
			       : FABRIC_FUNCTION_FREE;
	if (host_is_unproved(owner.host))
		return FABRIC_FUNCTION_BLOCKED;
	if (fn->as.now.unknown)
		return FABRIC_FUNCTION_DOUBT;
	if (owner.assigned == DB_ASSIGNMENT_PARKED || owner.host->state == FABRIC_HOST_FENCED)
		return FABRIC_FUNCTION_PARKED;
	if (fn->item || function_is_seen_at(fn, owner.host, owner.vport))
		return FABRIC_FUNCTION_BOUND;
	return FABRIC_FUNCTION_DOUBT;
}

const struct fabric_function *host_vport_user(const struct fabric_host *host, uint16_t vport)
{
	const struct fabric_function *shown = host->shown[vport];

	if (host->vports[vport])
		return host->vports[vport];
	return shown && function_is_seen_at(shown, host, vport) ? shown : NULL;
}

bool function_is_nowhere(const struct fabric_function *fn)
{
	return !fn->as.now.host && !fn->as.now.unknown;
}

const struct fabric_host *function_place(const struct fabric *f, const struct fabric_function *fn)
{
	const struct fabric_provider *p = provider_of_function(f, fn);
	uint16_t host = fn->as.now.host;

	return p && host && host <= p->host_count ? p->hosts[host - 1] : NULL;
}

bool binding_is_elsewhere(const struct fabric_host *host, const struct provider_binding *now)
{
	return now->host && now->vport > host->as.vports;
}

void function_lead(struct fabric_function *fn, uint64_t generation, const struct fabric_host *host,
		   uint16_t vport)
{
	fn->highest = generation;
	fn->led.is_known = true;
	fn->led.host = host;
	fn->led.vport = vport;
}

void function_given(struct fabric_function *fn, uint64_t generation)
{
	if (fn->given < generation)
		fn->given = generation;
}

static const struct fabric_host *binding_host(const struct fabric *f,
					      const struct fabric_function *fn,
					      const struct provider_binding *now)
{
	const struct fabric_provider *p = provider_of_function(f, fn);

	return p && now->host && now->host <= p->host_count ? p->hosts[now->host - 1] : NULL;
}

bool binding_is_given(const struct fabric *f, const struct fabric_function *fn,
		      const struct provider_binding *now)
{
	const struct fabric_host *at = binding_host(f, fn, now);

	if (!now->generation || now->generation > fn->highest)
		return false;
	if (DEFECT(FOREIGN_TAKEN))
		return true;
	if (now->generation == fn->highest && fn->led.is_known)
		return at && at == fn->led.host && now->vport == fn->led.vport;
	if (now->generation > f->lowest)
		return true;
	return !f->restored && now->generation <= fn->given;
}

bool binding_is_foreign(const struct fabric *f, const struct fabric_function *fn,
			const struct provider_binding *now)
{
	const struct fabric_host *at = binding_host(f, fn, now);

	if (!at)
		return false;
	if (binding_is_elsewhere(at, now))
		return true;
	/* What a tool beside us bound anew where we had it is ours to move; but a database that
	 * was restored may be wrong about that place. */
	if (at == fn->host && now->vport == fn->vport &&
	    (!f->restored || now->generation == fn->generation))
		return false;
	return !binding_is_given(f, fn, now);
}

static void function_mark(struct fabric *f, struct fabric_function *fn, bool bad)
{
	struct db_function row = { .generation = fn->highest, .bad = bad };

	fn->bad = bad;
	(void)snprintf(row.name, sizeof(row.name), "%s", fn->name);
	db_put_function(batch_open(f), &row);
}

/* Bad is what stopped answering while somebody had it. It is mended when it answers while it is
 * bound nowhere: whoever gets it then has it reset before (S16). */
void function_answers(struct fabric *f, struct fabric_function *fn)
{
	const struct provider_binding *now = &fn->as.now;
	const struct fabric_host *at = function_place(f, fn);

	if (f->frozen || now->unknown || fabric_function_is_kept(fn) ||
	    (fn->item && item_is_leaving(fn->item)))
		return;
	if (!fn->bad && !now->present && now->host) {
		function_mark(f, fn, true);
		log_err("function %s: does not answer at %s: marked bad", fn->name,
			at ? at->name : "a host");
		history_event(f, "function.bad", fn->name, "does not answer at %s",
			      at ? at->name : "a host");
	} else if (fn->bad && now->present && function_is_nowhere(fn)) {
		function_mark(f, fn, false);
		log_notice("function %s: answers again, bound nowhere: mended", fn->name);
		history_event(f, "function.mended", fn->name, "answers again, bound nowhere");
		function_noticed(f, fn);
	}
}

/* S14: whoever gave a higher generation than ours has taken over; this manager is stale. Of what
 * this database has never given nor adopted it says nothing: that is somebody else's. */
static void check_generation(struct fabric *f, const struct fabric_function *fn,
			     const struct provider_binding *now)
{
	if (f->adopted && now->host && fn->highest && now->generation > fn->highest)
		freeze_by(f, FREEZE_GENERATION,
			  "%s is bound under generation %" PRIu64
			  ", and the highest known here is %" PRIu64
			  ": another manager or database is in charge",
			  fn->name, now->generation, fn->highest);
}

void function_seen(struct fabric *f, struct fabric_function *fn, const struct provider_binding *now)
{
	const struct fabric_provider *p = provider_of_function(f, fn);
	const struct provider_binding was = fn->as.now;

	check_generation(f, fn, now);
	if (now->unknown && !now->host)
		fn->as.now.unknown = true; /* the rest stays what was known last */
	else
		fn->as.now = *now;
	now = &fn->as.now;
	if (now->host != was.host || now->vport != was.vport || now->generation != was.generation) {
		fn->bound_ms = f->now_ms;
		seen_look(f, fn->host);
	}
	if (now->host && now->vport <= PROVIDER_VPORTS_MAX && p && now->host <= p->host_count &&
	    p->hosts[now->host - 1])
		p->hosts[now->host - 1]->shown[now->vport] = fn;
	function_answers(f, fn);
}

void function_own(struct fabric_function *fn, struct fabric_host *host, uint16_t vport)
{
	if (fn->host != host) {
		fn->join_told = FABRIC_JOIN_NONE;
		fn->join_told_ms = 0;
		fn->seen_ms = 0;
	}
	if (fn->host) {
		fn->host->functions--;
		if (fn->host->vports[fn->vport] == fn)
			fn->host->vports[fn->vport] = NULL;
	}
	fn->host = host;
	fn->vport = vport;
	if (host) {
		host->functions++;
		host->vports[vport] = fn;
	}
}

/* ---- lists by name ---- */

static int compare_named(const void *a, const void *b)
{
	return natural_compare(*(const char *const *)a, *(const char *const *)b);
}

/* Where @name stands in the index, or where it would: linear probing, never full. */
static size_t named_slot(const struct named *list, const char *name)
{
	uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
	size_t slot;

	for (const char *c = name; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 0x100000001b3u;
	slot = (size_t)hash & (2 * list->room - 1);
	while (list->index[slot] && strcmp(name, list->index[slot]) != 0)
		slot = (slot + 1) & (2 * list->room - 1);
	return slot;
}

void *named_find(const struct named *list, const char *name)
{
	return list->room ? list->index[named_slot(list, name)] : NULL;
}

/* Both arrays at once; the index has two places for each object. Powers of two. */
static int named_grow(struct named *list)
{
	size_t room = list->room ? list->room * 2 : 64;
	void **at = realloc(list->at, room * sizeof(*at));
	void **index = calloc(2 * room, sizeof(*index));

	if (at)
		list->at = at;
	if (!at || !index) {
		free(index);
		return -ENOMEM;
	}
	free(list->index);
	list->index = index;
	list->room = room;
	for (size_t i = 0; i < list->count; i++)
		list->index[named_slot(list, list->at[i])] = list->at[i];
	return 0;
}

static int named_add(struct named *list, void *object)
{
	int r = list->count == list->room ? named_grow(list) : 0;

	if (r)
		return r;
	list->index[named_slot(list, object)] = object;
	list->at[list->count++] = object;
	return 0;
}

void named_sort(struct named *list)
{
	if (list->sorted == list->count)
		return;
	qsort(list->at, list->count, sizeof(*list->at), compare_named);
	list->sorted = list->count;
}

static void named_free(struct named *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->at[i]);
	free(list->at);
	free(list->index);
	*list = (struct named){ 0 };
}

struct fabric_host *host_get(struct fabric *f, const char *name)
{
	return named_find(&f->hosts, name);
}

struct fabric_function *function_get(struct fabric *f, const char *name)
{
	return named_find(&f->functions, name);
}

void *named_get(struct named *list, size_t size, const char *name)
{
	char *object = named_find(list, name);

	if (object)
		return object;
	object = calloc(1, size);
	if (!object)
		return NULL;
	(void)snprintf(object, FABRIC_NAME_MAX, "%s", name);
	if (named_add(list, object)) {
		free(object);
		return NULL;
	}
	return object;
}

struct fabric_provider *provider_of_function(const struct fabric *f,
					     const struct fabric_function *fn)
{
	return fn->adapter ? f->providers[fn->adapter->provider] : NULL;
}

struct fabric_provider *provider_of_host(const struct fabric *f, const struct fabric_host *host)
{
	return host->present ? f->providers[host->provider] : NULL;
}

bool provider_is_usable(const struct fabric_provider *p)
{
	return p && p->connected && p->reconciled;
}

bool host_is_told_of(const struct fabric *f, const struct fabric_host *host)
{
	if (host->present)
		return provider_is_usable(f->providers[host->provider]);
	for (size_t i = 0; i < f->provider_count; i++)
		if (!provider_is_usable(f->providers[i]))
			return false;
	return f->provider_count > 0;
}

uint32_t provider_timeout(const struct fabric_provider *p)
{
	uint32_t own = p->f->config.command_timeout_ms;

	if (own)
		return own;
	return p->hello.timeout_ms ? p->hello.timeout_ms : 30000;
}

bool host_is_open(const struct fabric_host *host)
{
	switch (host->state) {
	case FABRIC_HOST_UNKNOWN:
	case FABRIC_HOST_ALIVE:
	case FABRIC_HOST_SUSPECT:
	case FABRIC_HOST_MAINTENANCE:
		return true;
	case FABRIC_HOST_FENCING:
	case FABRIC_HOST_FENCED:
	case FABRIC_HOST_BLOCKED:
		break;
	case FABRIC_HOST_QUARANTINED:
		return DEFECT(QUARANTINE_OPEN);
	case FABRIC_HOST_STATES:
		break;
	}
	return false;
}

bool host_is_shut(const struct fabric_host *host)
{
	return host->state == FABRIC_HOST_FENCING || host->state == FABRIC_HOST_FENCED ||
	       host->state == FABRIC_HOST_BLOCKED;
}

bool host_takes_part(const struct fabric_host *host)
{
	if (host->state == FABRIC_HOST_MAINTENANCE || host->state == FABRIC_HOST_QUARANTINED)
		return host->has_beaten && !host->live.suspect;
	return host->state == FABRIC_HOST_ALIVE;
}

void host_store(struct fabric *f, const struct fabric_host *host)
{
	static const enum db_host_state stored[FABRIC_HOST_STATES] = {
		[FABRIC_HOST_UNKNOWN] = DB_HOST_UNKNOWN,
		[FABRIC_HOST_ALIVE] = DB_HOST_ALIVE,
		[FABRIC_HOST_SUSPECT] = DB_HOST_ALIVE,
		[FABRIC_HOST_FENCING] = DB_HOST_FENCING,
		[FABRIC_HOST_FENCED] = DB_HOST_FENCED,
		[FABRIC_HOST_BLOCKED] = DB_HOST_BLOCKED,
		[FABRIC_HOST_MAINTENANCE] = DB_HOST_MAINTENANCE,
		[FABRIC_HOST_QUARANTINED] = DB_HOST_QUARANTINED,
	};
	struct db_host row = {
		.state = stored[host->state],
		.spare = host->spare,
		.epoch = host->epoch,
		.incident = host->incident,
		.proved_wall_ms = host->proved.wall_ms,
		.proved_incident = host->proved.incident,
		.proved_by_drill = host->proved.by_drill,
	};

	(void)snprintf(row.name, sizeof(row.name), "%s", host->name);
	(void)snprintf(row.boot_id, sizeof(row.boot_id), "%s", host->boot_id);
	(void)snprintf(row.proved_rungs, sizeof(row.proved_rungs), "%s", host->proved.rungs);
	db_put_host(batch_open(f), &row);
}

void wake(struct fabric *f)
{
	f->is_woken = true;
}

void look(struct fabric *f)
{
	f->is_woken = true;
	f->is_look_wanted = true;
}

/* ---- operations: the gate before the wire, and what comes back ---- */

static struct fabric_function *function_by_handle(const struct fabric_provider *p, uint32_t handle)
{
	return handle && handle <= p->function_count ? p->functions[handle - 1] : NULL;
}

static struct fabric_host *host_by_handle(const struct fabric_provider *p, uint16_t handle)
{
	return handle && handle <= p->host_count ? p->hosts[handle - 1] : NULL;
}

static bool is_reading(enum provider_verb verb)
{
	return verb == PROVIDER_READ || verb == PROVIDER_READ_HOST || verb == PROVIDER_SETTLE;
}

/* S14: the last look before a command leaves. */
/* What leaves, and what is answered: tests/model/accept.py reads these lines. */
static void op_log(const struct fabric_provider *p, const struct provider_op *op, const char *how)
{
	const struct fabric_function *fn = function_by_handle(p, op->function);
	const struct fabric_host *host = host_by_handle(p, op->host);

	log_debug("attempt %" PRIu64 ": %s %s %s %u: %s", op->attempt, provider_verb_text(op->verb),
		  fn ? fn->name : "-", host ? host->name : "-", op->value, how);
}

static bool queue_gate(void *arg, const struct provider_op *op)
{
	struct fabric_provider *p = arg;
	const struct fabric *f = p->f;
	const struct fabric_function *fn = function_by_handle(p, op->function);
	const struct fabric_host *host = host_by_handle(p, op->host);
	bool pass;

	if (is_reading(op->verb))
		return true;
	if (f->frozen)
		return false;
	if (op->verb == PROVIDER_SLOT_POWER || op->verb == PROVIDER_SLOT_ATTENTION)
		return true;
	/* Owner generations start at 1: what carries none is a fence's, and stands on an epoch. */
	if (op->generation)
		pass = fn && fn->item && item_gate(fn->item, host, op);
	else if (op->verb == PROVIDER_HOST_POWER && op->value)
		pass = host && (cold_gate(host, op) ||
				(drill_takes_power(f, host) && fence_gate(f, host, op)));
	else
		pass = host && fence_gate(f, host, op);
	op_log(p, op, pass ? "leaves" : "is not let through");
	if (pass && f->io.point)
		f->io.point(f->io.arg, "op-before");
	return pass;
}

static void queue_completed(void *arg, const struct provider_op *op,
			    const struct provider_completion *done)
{
	struct fabric_provider *p = arg;
	struct fabric *f = p->f;
	struct fabric_function *fn = function_by_handle(p, op->function);
	struct fabric_item *item;

	if (f->io.point && !is_reading(op->verb))
		f->io.point(f->io.arg, "op-after");
	if (!is_reading(op->verb))
		op_log(p, op, provider_outcome_text(done->outcome));
	wake(f);
	if (!op->generation && slot_completed(p, op, done))
		return;
	if (op->verb == PROVIDER_READ) {
		reads_completed(p, op, done);
		return;
	}
	if (op->verb == PROVIDER_SETTLE && op->attempt == p->settle_attempt) {
		p->settle_attempt = 0;
		p->settled = done->outcome == PROVIDER_DONE;
		p->retry_ms = p->settled ? 0 : f->now_ms + 100;
		return;
	}
	if (op->verb == PROVIDER_READ_HOST && hint_completed(p, op, done))
		return;
	item = op->generation ? item_of_op(f, fn, op) : NULL;
	if (item)
		item_completed(f, item, op, done);
	else if (!op->generation && op->verb == PROVIDER_HOST_POWER && op->value)
		cold_completed(p, op, done);
	if (!op->generation)
		fence_completed(p, op, done); /* each knows its own attempt */
}

/* ---- what a provider says ---- */

static void provider_close_ready(struct fabric_provider *p, const char *why)
{
	struct fabric *f = p->f;

	if (p->connected)
		provider_queue_detach(p->queue, f->now_ms);
	p->connected = false;
	p->settled = false;
	p->scanned = false;
	p->scan_void = p->scanning;
	p->reconciled = false;
	p->refused[0] = '\0';
	p->clashes = false;
	p->stranger = 0;
	p->settle_attempt = 0;
	for (size_t i = 0; i < f->chassis_count; i++)
		if (f->chassis[i].provider == p->number) {
			live_chassis_stop(&f->chassis[i].live); /* S6 */
			record_stop(&f->chassis[i].record);
		}
	views_lost(p, why);
	items_void(p);
	witnesses_void(p);
	look(f);
}

static void provider_open_ready(struct fabric_provider *p, const struct provider_hello *hello)
{
	struct fabric *f = p->f;

	if (p->hello.boot_id[0] && strcmp(p->hello.boot_id, hello->boot_id)) {
		log_warning("provider %s: the switch has rebooted, boot id %s", p->name,
			    hello->boot_id);
		history_event(f, "switch.rebooted", p->name, "boot id %s", hello->boot_id);
	}
	p->hello = *hello;
	if (provider_queue_attach(p->queue, p->p, hello, PROVIDER_SWITCHES_MAX, f->now_ms))
		log_err("provider %s: cannot be attached to its queue", p->name);
	p->connected = true;
	p->retry_ms = 0;
}

static void sink_state(void *arg, enum provider_state state, const struct provider_hello *hello)
{
	struct fabric_provider *p = arg;
	struct fabric *f = p->f;
	bool is_new = hello && strcmp(p->hello.boot_id, hello->boot_id);

	f->now_ms = f->io.now_ms(f->io.arg);
	if (p->state != state) {
		log_notice("provider %s: %s", p->name, provider_state_text(state));
		history_event(f, "provider.state", p->name, "%s", provider_state_text(state));
	}
	p->state = state;
	if (p->connected && (!hello || is_new))
		provider_close_ready(p, "the provider was lost");
	if (!hello)
		p->scanning = p->scan_void = false; /* nobody answers any more */
	if (hello && !p->connected)
		provider_open_ready(p, hello);
	wake(f);
}

static void sink_completed(void *arg, const struct provider_completion *done)
{
	struct fabric_provider *p = arg;

	p->f->now_ms = p->f->io.now_ms(p->f->io.arg);
	provider_queue_completed(p->queue, done, p->f->now_ms);
	wake(p->f);
}

static void scan_refused(struct fabric_provider *p, const char *why)
{
	if (strcmp(p->refused, why) != 0)
		log_warning("provider %s: scan refused: %s", p->name, why);
	(void)snprintf(p->refused, sizeof(p->refused), "%s", why);
	p->retry_ms = p->f->now_ms + 1000;
}

static void sink_scanned_take(void *arg, struct provider_scan *taken, const char *why)
{
	OWNED(provider_scan_free) struct provider_scan *scan = taken;
	struct fabric_provider *p = arg;
	struct fabric *f = p->f;
	char text[PROVIDER_TEXT_MAX];

	f->now_ms = f->io.now_ms(f->io.arg);
	wake(f);
	p->scanning = false;
	p->clashes = false;
	p->stranger = 0;
	if (p->scan_void || !p->settled) { /* settled: this connection */
		/* A second request may have been joined to it: it is asked for anew. */
		p->scan_void = false;
		p->retry_ms = f->now_ms;
		return;
	}
	if (!scan || provider_scan_check(scan, text) || !scan_take_in(p, scan, text)) {
		scan_refused(p, scan ? text : why);
		return;
	}
	p->refused[0] = '\0';
	p->scanned = true;
	reconcile_provider(p);
}

static void scan_again(struct fabric_provider *p)
{
	if (!p->connected || !p->settled)
		return;
	if (p->p->ops->scan(p->p))
		p->retry_ms = p->f->now_ms + 100;
	else
		p->scanning = true;
}

void host_told(struct fabric_provider *p, const struct provider_host_state *state)
{
	struct fabric_host *host = host_by_handle(p, state->host);
	bool was_off;

	if (!host)
		return;
	if (!memcmp(&host->as.state, state, sizeof(*state)))
		return; /* by two ways: no news */
	was_off = !host->as.state.power;
	life_power(p->f, host, state);
	host->as.state = *state;
	log_notice("host %s: power %s, link %s at the switch", host->name,
		   state->power ? "on" : "off", state->link ? "up" : "down");
	history_event(p->f, "host.switch", host->name, "power %s, link %s",
		      state->power ? "on" : "off", state->link ? "up" : "down");
	host_witness(p->f, host);
	if (was_off && state->power) {
		fence_look(p->f, host, "has its power back");
		p->f->reconcile_ms = p->f->now_ms;
	}
	p->f->judge_ms = 0;
}

static void told_function(struct fabric_provider *p, const struct provider_event *event)
{
	struct fabric_function *fn = function_by_handle(p, event->function);

	if (!fn)
		return;
	fn->as.now.present = event->present;
	log_notice("function %s: %s", fn->name, event->present ? "answers" : "does not answer");
	history_event(p->f, "function.presence", fn->name, "%s",
		      event->present ? "answers" : "does not answer");
	function_answers(p->f, fn);
}

static void sink_told(void *arg, const struct provider_event *event)
{
	struct fabric_provider *p = arg;
	struct fabric *f = p->f;
	struct provider_hello hello = p->hello;

	f->now_ms = f->io.now_ms(f->io.arg);
	wake(f);
	switch (event->kind) {
	case PROVIDER_EVENT_CHANGED:
	case PROVIDER_EVENT_OVERFLOW:
		scan_again(p);
		break;
	case PROVIDER_EVENT_HOST:
		host_told(p, &event->host);
		break;
	case PROVIDER_EVENT_REBOOT:
		if (!p->connected || !strcmp(hello.boot_id, event->boot_id))
			break;
		(void)snprintf(hello.boot_id, sizeof(hello.boot_id), "%s", event->boot_id);
		provider_close_ready(p, "the switch has rebooted");
		provider_queue_advance(p->queue, f->now_ms);
		provider_open_ready(p, &hello);
		break;
	case PROVIDER_EVENT_FUNCTION:
		told_function(p, event);
		break;
	case PROVIDER_EVENT_SLOT:
		slot_told(p, &event->slot);
		scan_again(p);
		break;
	}
}

static void sink_viewed(void *arg, uint64_t cookie, const struct provider_config *config,
			const char *why)
{
	struct fabric_provider *p = arg;

	p->f->now_ms = p->f->io.now_ms(p->f->io.arg);
	view_told(p, cookie, config, why);
}

/* Connected: settle what an earlier life may have left behind (S19), then scan. */
static void provider_advance(struct fabric_provider *p)
{
	struct fabric *f = p->f;
	struct provider_op op = { .verb = PROVIDER_SETTLE };

	provider_queue_advance(p->queue, f->now_ms);
	if (!p->connected || p->reconciled || f->now_ms < p->retry_ms)
		return;
	if (p->settled) {
		if (!p->scanned) {
			p->retry_ms = f->now_ms + provider_timeout(p);
			scan_again(p);
		}
		return;
	}
	if (p->settle_attempt)
		return;
	op.attempt = attempt_next(f);
	if (!op.attempt)
		return;
	p->settle_attempt = op.attempt;
	if (provider_queue_put(p->queue, 1, PROVIDER_FOR_REST, &op, provider_timeout(p)))
		p->settle_attempt = 0;
	provider_queue_advance(p->queue, f->now_ms);
}

int fabric_provider_add(struct fabric *f, const char *name, struct provider_sink *sink,
			unsigned *number)
{
	struct fabric_provider *p;
	struct provider_queue_user user = { .gate = queue_gate, .completed = queue_completed };
	int r;

	if (f->provider_count == CONFIG_PROVIDERS)
		return REFUSE_LIMIT;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	user.arg = p;
	r = provider_queue_new(&user, &p->queue);
	if (r) {
		free(p);
		return r;
	}
	p->f = f;
	p->number = (unsigned)f->provider_count;
	p->state = PROVIDER_CONNECTING;
	for (size_t i = 0; i <= PROVIDER_SWITCHES_MAX; i++)
		for (int lane = 0; lane < FLOW_LANES; lane++)
			p->flows[i].waiting[lane].last = &p->flows[i].waiting[lane].first;
	(void)snprintf(p->name, sizeof(p->name), "%s", name);
	f->providers[f->provider_count++] = p;
	*sink = (struct provider_sink){ sink_completed, sink_scanned_take, sink_told,
					sink_state,     sink_viewed,       p };
	*number = p->number;
	return 0;
}

void fabric_provider_set(struct fabric *f, unsigned number, struct provider *p)
{
	f->providers[number]->p = p;
}

/* ---- life ---- */

int fabric_new(const struct config *config, const struct fabric_io *io, struct fabric **out)
{
	struct fabric *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->config = *config;
	f->io = *io;
	f->ready_last = &f->ready;
	f->last = &f->first;
	f->next_change = 1;
	f->next_incident = 1;
	f->next_turn = 1;
	f->next_event = 1;
	f->next_cookie = 1;
	f->now_ms = io->now_ms(io->arg);
	f->reconcile_ms = UINT64_MAX;
	f->slots_ms = UINT64_MAX;
	f->record_ms = UINT64_MAX;
	*out = f;
	return 0;
}

static void provider_done(struct fabric_provider *p)
{
	for (size_t i = 0; i <= PROVIDER_SWITCHES_MAX; i++)
		for (int u = 0; u < PROVIDER_URGENCIES; u++)
			free(p->flows[i].parts[u].want);
	provider_queue_free(p->queue);
	free(p->functions);
	free(p->hosts);
	free(p);
}

void fabric_free(struct fabric *f)
{
	if (!f)
		return;
	fences_free(f);
	views_free(f);
	for (size_t i = 0; i < f->provider_count; i++)
		provider_done(f->providers[i]);
	for (size_t i = 0; i < f->change_count; i++)
		change_free(f->changes[i]);
	for (size_t i = 0; i < f->incident_count; i++) {
		free(f->incidents[i]->steps);
		free(f->incidents[i]->record);
		free(f->incidents[i]);
	}
	for (size_t i = 0; i < f->chassis_count; i++) {
		free(f->chassis[i].lives);
		free(f->chassis[i].hosts);
		free(f->chassis[i].verdicts);
		record_done(&f->chassis[i].record);
	}
	free(f->changes);
	free(f->incidents);
	free(f->numbers);
	free(f->turns);
	profiles_free(f);
	named_free(&f->switches);
	named_free(&f->ports);
	for (size_t i = 0; i < f->hosts.count; i++)
		free(((struct fabric_host *)f->hosts.at[i])->seen);
	named_free(&f->hosts);
	named_free(&f->adapters);
	named_free(&f->functions);
	history_free(f);
	free(f);
}

void fabric_start(struct fabric *f)
{
	f->started = true;
	f->now_ms = f->io.now_ms(f->io.arg);
	f->started_ms = f->now_ms;
	f->started_wall_ms = f->io.wall_ms(f->io.arg);
	turns_start(f);
	incidents_start(f);
	attempts_reserve(f);
	batch_submit(f);
}

static void tick(struct fabric *f)
{
	f->is_woken = false;
	if (f->now_ms < f->tick_ms && !f->is_look_wanted)
		return;
	f->tick_ms = f->now_ms + FABRIC_TICK_MS;
	f->is_look_wanted = false;
	items_look(f);
	history_expire(f);
	turns_expire(f);
}

void fabric_advance(struct fabric *f)
{
	f->now_ms = f->io.now_ms(f->io.arg);
	if (!f->started)
		return;
	answers_give(f);
	for (size_t i = 0; i < f->provider_count; i++)
		provider_advance(f->providers[i]);
	tick(f);
	hosts_judge(f);
	fences_advance(f);
	colds_advance(f);
	incidents_advance(f);
	slots_advance(f);
	reconcile_advance(f);
	items_advance(f);
	seen_advance(f);
	nights_store(f);
	batch_submit(f);
	for (size_t i = 0; i < f->provider_count; i++)
		provider_queue_advance(f->providers[i]->queue, f->now_ms);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t fabric_next_ms(const struct fabric *f)
{
	uint64_t next = f->tick_ms;

	if (!f->started)
		return UINT64_MAX;
	if (f->is_woken || f->batch || f->soon_count)
		return 0;
	for (size_t i = 0; i < f->provider_count; i++) {
		const struct fabric_provider *p = f->providers[i];

		next = earlier(next, provider_queue_next_ms(p->queue));
		if (p->connected && !p->reconciled && !p->settle_attempt &&
		    f->attempt < f->attempt_reserved)
			next = earlier(next, p->retry_ms);
	}
	next = earlier(next, f->judge_ms);
	next = earlier(next, f->reconcile_ms);
	next = earlier(next, f->seen_due_ms);
	next = earlier(next, f->record_ms);
	next = earlier(next, slots_next_ms(f));
	next = earlier(next, fences_next_ms(f));
	next = earlier(next, colds_next_ms(f));
	return earlier(next, items_next_ms(f));
}

/* ---- reading ---- */

const struct config *fabric_config(const struct fabric *f)
{
	return &f->config;
}

void fabric_configure(struct fabric *f, const struct config *config)
{
	f->config = *config;
	f->judge_ms = 0; /* the windows may be others now */
}

const char *fabric_incarnation(const struct fabric *f)
{
	return f->incarnation;
}

/* The first one that is there, and bad; NULL: none. */
static const struct fabric_function *function_bad(const struct fabric *f)
{
	for (size_t i = 0; i < f->functions.count; i++) {
		const struct fabric_function *fn = f->functions.at[i];

		if (fn->bad && fn->present)
			return fn;
	}
	return NULL;
}

static const char *status_text(const struct fabric *f, const struct fabric_health *health,
			       bool is_wanted)
{
	if (f->frozen)
		return "frozen";
	if (!health->ready)
		return "starting";
	if (!health->adopted)
		return "adopt";
	for (size_t i = 0; i < f->provider_count; i++)
		if (!f->providers[i]->reconciled)
			return "degraded";
	return health->hold || function_bad(f) || is_wanted ? "degraded" : "ok";
}

static void hold_say(const struct fabric *f, char *out, size_t size)
{
	const struct fabric_host *unheard = NULL;

	for (size_t i = 0; i < f->chassis_count && !unheard; i++)
		if (f->chassis[i].live.hold)
			unheard = witness_unheard(f, &f->chassis[i]);
	if (unheard)
		(void)snprintf(out, size,
			       "%s is silent, but traffic comes from it: automatic failover is "
			       "held",
			       unheard->name);
	else
		(void)snprintf(out, size,
			       "many hosts are silent at once: automatic failover is held");
}

static void provider_say(const struct fabric_provider *p, char *out, size_t size)
{
	const char *why = p->p && p->p->ops->why ? p->p->ops->why(p->p) : "";

	if (p->refused[0])
		(void)snprintf(out, size, "provider %s: %s", p->name, p->refused);
	else
		(void)snprintf(out, size, "provider %s: %s%s%s", p->name,
			       provider_state_text(p->state), *why ? ": " : "", why);
}

void fabric_health_get(const struct fabric *f, struct fabric_health *out)
{
	char why[DB_TEXT_MAX];
	bool is_wanted = somebody_is_wanted(f, why);

	*out = (struct fabric_health){ .ready = f->started,
				       .frozen = f->frozen,
				       /* without a switch nothing is bound by anyone */
				       .adopted =
					       f->adopted || (!f->provider_count && !f->restored) };
	for (size_t i = 0; i < f->provider_count; i++)
		if (!f->providers[i]->reconciled) {
			out->ready = out->ready && f->providers[i]->was_reconciled;
			provider_say(f->providers[i], out->detail, sizeof(out->detail));
		}
	for (size_t i = 0; i < f->chassis_count; i++)
		out->hold = out->hold || f->chassis[i].live.hold;
	if (f->frozen)
		(void)snprintf(out->detail, sizeof(out->detail), "%.280s%s%.220s", f->frozen_why,
			       *f->trouble ? "; " : "", f->trouble);
	else if (out->hold)
		hold_say(f, out->detail, sizeof(out->detail));
	else if (out->ready && f->restored)
		(void)snprintf(
			out->detail, sizeof(out->detail),
			"the database was restored from a backup: nothing is repaired and no "
			"host is judged until fabricctl adopt takes what the switch shows as "
			"the truth");
	else if (out->ready && !out->adopted)
		(void)snprintf(out->detail, sizeof(out->detail),
			       "the switch shows bindings that this database does not know: "
			       "fabricctl adopt takes them in");
	else if (out->ready && !out->detail[0] && function_bad(f))
		(void)snprintf(out->detail, sizeof(out->detail),
			       "%s stopped answering and is marked bad", function_bad(f)->name);
	if (is_wanted && !out->detail[0])
		(void)snprintf(out->detail, sizeof(out->detail), "%s", why);
	out->status = status_text(f, out, is_wanted);
}

size_t fabric_provider_count(const struct fabric *f)
{
	return f->provider_count;
}

void fabric_provider_get(const struct fabric *f, size_t i, struct fabric_provider_view *out)
{
	const struct fabric_provider *p = f->providers[i];

	*out = (struct fabric_provider_view){ .name = p->name,
					      .state = p->connected && !p->reconciled
							       ? PROVIDER_SETTLING
							       : p->state,
					      .hello = p->hello,
					      .scanned = p->scanned,
					      .reconciled = p->reconciled };
}

const struct fabric_switch *const *fabric_switches(const struct fabric *f, size_t *count)
{
	*count = f->switches.count;
	return (const struct fabric_switch *const *)f->switches.at;
}

const struct fabric_port *const *fabric_ports(const struct fabric *f, size_t *count)
{
	*count = f->ports.count;
	return (const struct fabric_port *const *)f->ports.at;
}

const struct fabric_host *const *fabric_hosts(const struct fabric *f, size_t *count)
{
	*count = f->hosts.count;
	return (const struct fabric_host *const *)f->hosts.at;
}

const struct fabric_adapter *const *fabric_adapters(const struct fabric *f, size_t *count)
{
	*count = f->adapters.count;
	return (const struct fabric_adapter *const *)f->adapters.at;
}

const struct fabric_function *const *fabric_functions(const struct fabric *f, size_t *count)
{
	*count = f->functions.count;
	return (const struct fabric_function *const *)f->functions.at;
}

const struct fabric_change *const *fabric_changes(const struct fabric *f, size_t *count)
{
	*count = f->change_count;
	return (const struct fabric_change *const *)f->changes;
}

const struct fabric_incident *const *fabric_incidents(const struct fabric *f, size_t *count)
{
	*count = f->incident_count;
	return (const struct fabric_incident *const *)f->incidents;
}

const struct fabric_switch *fabric_switch_find(const struct fabric *f, const char *name)
{
	return named_find(&f->switches, name);
}

const struct fabric_port *fabric_port_find(const struct fabric *f, const char *name)
{
	return named_find(&f->ports, name);
}

const struct fabric_host *fabric_host_find(const struct fabric *f, const char *name)
{
	return named_find(&f->hosts, name);
}

const struct fabric_adapter *fabric_adapter_find(const struct fabric *f, const char *name)
{
	return named_find(&f->adapters, name);
}

const struct fabric_function *fabric_function_find(const struct fabric *f, const char *name)
{
	return named_find(&f->functions, name);
}

const struct fabric_change *fabric_change_find(const struct fabric *f, uint64_t id)
{
	return change_find((struct fabric *)f, id);
}

const struct fabric_incident *fabric_incident_find(const struct fabric *f, uint64_t id)
{
	return incident_get((struct fabric *)f, id);
}
