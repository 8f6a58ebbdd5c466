/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a host's silence to its functions on a spare: beats, verdicts, incidents, readmission.
 *
 * An incident is stored at each of its turns; what it is about to do follows from its stored state,
 * so that a restart finds the way: FENCING and BLOCKED fence again, WAITING and MOVING look for
 * what is still assigned to the fenced host, and move it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "fabricd/state.h"

struct fabric_incident *incident_get(struct fabric *f, uint64_t id)
{
	for (size_t i = f->incident_count; id && i-- > 0;)
		if (f->incidents[i]->row.id == id)
			return f->incidents[i];
	return NULL;
}

static struct live_config live_config_of(const struct fabric *f)
{
	static const enum live_policy policies[] = {
		[CONFIG_WITNESS_NONE] = LIVE_WITNESS_NONE,
		[CONFIG_WITNESS_ANY] = LIVE_WITNESS_ANY,
		[CONFIG_WITNESS_ALL] = LIVE_WITNESS_ALL,
	};

	return (struct live_config){ .interval_ms = f->config.beat_interval_ms,
				     .missed = f->config.beat_missed,
				     .storm_percent = f->config.storm_percent,
				     .storm_min = f->config.storm_min,
				     .policy = policies[f->config.witness] };
}

/* ---- the time line ---- */

static void step_add(struct fabric *f, struct fabric_incident *incident, uint64_t at_ms,
		     const char *what, const char *detail)
{
	uint64_t ago = f->now_ms > at_ms ? f->now_ms - at_ms : 0;
	struct db_step *steps;
	struct db_step step = {
		.incident = incident->row.id,
		.n = (uint32_t)incident->step_count + 1,
		.wall_ms = f->io.wall_ms(f->io.arg) - ago,
		.offset_ms =
			at_ms > incident->started_ms ? (uint32_t)(at_ms - incident->started_ms) : 0,
	};

	(void)snprintf(step.what, sizeof(step.what), "%s", what);
	(void)snprintf(step.detail, sizeof(step.detail), "%s", detail);
	steps = realloc(incident->steps, (incident->step_count + 1) * sizeof(*steps));
	if (!steps)
		return; /* it stands in the database all the same */
	incident->steps = steps;
	incident->steps[incident->step_count++] = step;
	db_put_step(batch_open(f), &step);
}

void incident_step(struct fabric *f, struct fabric_incident *incident, const char *what,
		   const char *format, ...)
{
	char detail[DB_TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(detail, sizeof(detail), format, args); /* cut when longer */
	va_end(args);
	step_add(f, incident, f->now_ms, what, detail);
	log_notice("incident %" PRIu64 ": %s: %s%s%s", incident->row.id, incident->row.host, what,
		   detail[0] ? ": " : "", detail);
	history_event(f, "incident.step", incident->row.host, "%s%s%s", what, detail[0] ? ": " : "",
		      detail);
}

static void incident_store(struct fabric *f, struct fabric_incident *incident)
{
	db_put_incident(batch_open(f), &incident->row);
	batch_after(f, AFTER_INCIDENT, incident->row.id);
	incident->unstored++;
}

void incident_durable(struct fabric *f, uint64_t id)
{
	struct fabric_incident *incident = incident_get(f, id);

	if (incident)
		incident->unstored--;
}

static void incident_end(struct fabric *f, struct fabric_incident *incident, const char *how)
{
	incident->row.state = DB_INCIDENT_DONE;
	incident->row.ended_wall_ms = f->io.wall_ms(f->io.arg);
	incident_step(f, incident, "done", "%s", how);
	incident_store(f, incident);
	history_event(f, "incident.done", incident->row.host, "%s", how);
}

/* ---- its beginning ---- */

static struct fabric_incident *incident_new(struct fabric *f, struct fabric_host *host,
					    const char *cause)
{
	struct fabric_incident *incident = calloc(1, sizeof(*incident));

	if (incident && f->incident_count == f->incident_room) {
		size_t room = f->incident_room ? f->incident_room * 2 : 16;
		struct fabric_incident **grown = realloc(f->incidents, room * sizeof(*grown));

		if (!grown) {
			free(incident);
			incident = NULL;
		} else {
			f->incidents = grown;
			f->incident_room = room;
		}
	}
	if (!incident) {
		freeze(f, "out of memory");
		return NULL;
	}
	f->incidents[f->incident_count++] = incident;
	incident->host = host;
	incident->row.id = f->next_incident++;
	incident->row.state = DB_INCIDENT_FENCING;
	incident->row.started_wall_ms = f->io.wall_ms(f->io.arg);
	incident->started_ms = f->now_ms;
	(void)snprintf(incident->row.host, sizeof(incident->row.host), "%s", host->name);
	(void)snprintf(incident->row.cause, sizeof(incident->row.cause), "%s", cause);
	host->incident = incident->row.id;
	return incident;
}

/* What had to wait for this host waits for no other. */
static void functions_retry_now(struct fabric_host *host)
{
	for (unsigned v = 1; v <= PROVIDER_VPORTS_MAX; v++) {
		struct fabric_function *fn = host->vports[v];

		if (!fn || fn->host != host)
			continue;
		fn->retries = 0;
		fn->retry_ms = 0;
	}
}

static void on_epoch_stored(void *arg, int r, uint64_t epoch)
{
	struct fabric_host *host = arg;

	if (!r && epoch > host->epoch_stored)
		host->epoch_stored = epoch;
}

/* Under a new epoch, which its agent is told once it is durable. */
static void host_store_epoch(struct fabric *f, struct fabric_host *host)
{
	host_store(f, host);
	batch_answer(f, on_epoch_stored, host, host->epoch);
}

/* The point of no return: the record of the fence. A late beat does not cancel it. */
static struct fabric_incident *incident_start(struct fabric *f, struct fabric_host *host,
					      uint32_t uid, const char *cause)
{
	static const char *const witnesses[] = {
		[LIVE_CANNOT_TELL] = "the switch cannot tell",
		[LIVE_SAYS_ALIVE] = "the switch says: alive",
		[LIVE_SAYS_DEAD] = "the switch says: dead",
	};
	struct fabric_incident *incident = incident_new(f, host, cause);
	bool was_suspect = host->state == FABRIC_HOST_SUSPECT;

	if (!incident)
		return NULL;
	if (host->live.last_beat_ms) {
		incident->started_ms = host->live.last_beat_ms;
		step_add(f, incident, host->live.last_beat_ms, "last beat", "");
	}
	if (was_suspect && host->suspected_ms)
		step_add(f, incident, host->suspected_ms, "suspected", "beats are missing");
	functions_retry_now(host);
	host->state = FABRIC_HOST_FENCING;
	host->epoch++;
	live_unwatch(&host->live);
	seen_forget(f, host);
	host_store_epoch(f, host);
	incident_step(f, incident, "witness", "%s", witnesses[host->live.witness]);
	incident_step(f, incident, "verdict", "%s; epoch %" PRIu64, cause, host->epoch);
	incident_store(f, incident);
	history_audit(f, uid, "host.fence", host->name, 0, "%s", cause);
	history_event(f, "host.fencing", host->name, "%s", cause);
	if (fence_start(f, host))
		freeze(f, "out of memory");
	look(f);
	return incident;
}

/* S5: one at a time per switch, so many per chassis. A proved death waits for nobody. */
static bool rate_allows(struct fabric *f, struct chassis *c, const struct fabric_host *host)
{
	for (size_t i = 0; i < f->incident_count; i++) {
		const struct fabric_incident *o = f->incidents[i];

		if ((o->row.state == DB_INCIDENT_FENCING || o->row.state == DB_INCIDENT_MOVING) &&
		    o->host && o->host->provider == host->provider &&
		    o->host->as.switch_handle == host->as.switch_handle)
			return false;
	}
	return live_rate_allows(&c->rate, f->config.rate_count, f->config.rate_window_ms,
				f->now_ms);
}

static void host_suspect(struct fabric *f, struct chassis *c, struct fabric_host *host)
{
	if (host->state != FABRIC_HOST_ALIVE)
		return;
	host->state = FABRIC_HOST_SUSPECT;
	host->suspected_ms = f->now_ms;
	host->suspect_with_others = false;
	flap_company(f, c);
	log_notice("host %s: suspect, beats are missing", host->name);
	history_event(f, "host.suspect", host->name, "last beat %" PRIu64 " ms ago",
		      f->now_ms - host->live.last_beat_ms);
}

static void host_recovered(struct fabric *f, struct fabric_host *host)
{
	if (host->state == FABRIC_HOST_MAINTENANCE)
		f->reconcile_ms = f->now_ms;
	if (host->state != FABRIC_HOST_SUSPECT)
		return;
	host->state = FABRIC_HOST_ALIVE;
	f->reconcile_ms = f->now_ms;
	log_notice("host %s: beats again", host->name);
	history_event(f, "host.alive", host->name, "beats again");
	if (!host->suspect_with_others)
		flap_note(f, host);
	flap_judge(f, host);
}

/* Why @host counts as dead. */
static void cause_say(const struct fabric *f, const struct fabric_host *host, bool proved,
		      char cause[static DB_TEXT_MAX])
{
	if (proved)
		(void)snprintf(cause, DB_TEXT_MAX, "%s at the switch",
			       host->as.state.power ? "link is down" : "powered off");
	else
		(void)snprintf(cause, DB_TEXT_MAX, "silent for %u beats of %u ms",
			       f->config.beat_missed, f->config.beat_interval_ms);
}

static void host_dead(struct fabric *f, struct chassis *c, struct fabric_host *host, bool proved)
{
	char cause[DB_TEXT_MAX];

	if (host_is_shut(host) || host->state == FABRIC_HOST_UNKNOWN)
		return;
	cause_say(f, host, proved, cause);
	if (upkeep_verdict(f, host, cause))
		return;
	if (!proved && !rate_allows(f, c, host)) {
		host_suspect(f, c, host);
		return;
	}
	if (!proved)
		live_rate_note(&c->rate, f->now_ms);
	flap_note(f, host);
	(void)incident_start(f, host, 0, cause);
}

static void chassis_judge(struct fabric *f, struct chassis *c, const struct live_config *live)
{
	bool turned;

	upkeep_refresh(c);
	turned = live_judge(&c->live, live, c->lives, c->host_count, f->now_ms,
			    f->io.db_waiting_since_ms(f->io.arg), c->verdicts);

	if (turned) {
		log_err("chassis %u: automatic failover %s", c->number,
			c->live.hold ? "is held, many hosts are silent at once" : "goes on");
		history_event(f, c->live.hold ? "failover.hold" : "failover.resume", "fabric",
			      "chassis %u", c->number);
	}
	for (size_t i = 0; i < c->host_count; i++) {
		switch (c->verdicts[i]) {
		case LIVE_NOTHING:
			break;
		case LIVE_SUSPECTED:
			host_suspect(f, c, c->hosts[i]);
			break;
		case LIVE_RECOVERED:
			host_recovered(f, c->hosts[i]);
			break;
		case LIVE_DEAD:
		case LIVE_DEAD_PROVED:
			host_dead(f, c, c->hosts[i], c->verdicts[i] == LIVE_DEAD_PROVED);
			break;
		}
	}
}

void hosts_judge(struct fabric *f)
{
	const struct live_config live = live_config_of(f);

	/* What a restored database says of who owns what is last week's: nobody is failed over by
	 * it before a person has adopted what the switch shows. */
	if (f->frozen || f->restored) {
		f->judge_ms = UINT64_MAX;
		return;
	}
	if (f->now_ms < f->judge_ms)
		return;
	f->judge_ms = UINT64_MAX;
	for (size_t i = 0; i < f->chassis_count; i++) {
		struct chassis *c = &f->chassis[i];
		uint64_t next;

		if (!c->live.judging)
			continue;
		chassis_judge(f, c, &live);
		next = live_next_ms(&c->live, &live, c->lives, c->host_count, f->now_ms);
		if (next <= f->now_ms)
			next = f->now_ms + 10;
		if (next < f->judge_ms)
			f->judge_ms = next;
	}
}

void host_witness(struct fabric *f, struct fabric_host *host)
{
	(void)f;
	host->live.witness = live_witness_of(host->as.state.power_known, host->as.state.power,
					     host->as.state.link);
}

/* ---- beats ---- */

static void beat_first(struct fabric *f, struct fabric_host *host, const char *boot_id)
{
	bool is_new = strcmp(host->boot_id, boot_id) != 0;
	bool was = host->has_beaten;

	host->has_beaten = true;
	if (was && is_new) {
		log_notice("host %s: has booted anew", host->name);
		history_event(f, "host.booted", host->name, "boot id %s", boot_id);
	}
	(void)snprintf(host->boot_id, sizeof(host->boot_id), "%s", boot_id);
	seen_booted(f, host);
	if (!host_is_shut(host) && !host->live.watched)
		live_watch(&host->live, f->now_ms);
	if (host->state == FABRIC_HOST_UNKNOWN) {
		host->state = FABRIC_HOST_ALIVE;
		log_notice("host %s: alive", host->name);
		history_event(f, "host.alive", host->name, "first beat");
	}
	host_store(f, host);
}

int fabric_beat(struct fabric *f, const char *name, const char *boot_id, uint64_t seq,
		uint64_t received_ms, uint64_t *epoch)
{
	const struct live_config live = live_config_of(f);
	struct fabric_host *host = host_get(f, name);

	f->now_ms = f->io.now_ms(f->io.arg);
	if (!host)
		return REFUSE_NO_HOST;
	*epoch = host->epoch_stored;
	if (!strcmp(host->boot_id, boot_id) && host->seq && seq <= host->seq)
		return REFUSE_FIELD;
	if (host_is_shut(host)) {
		/* It is noted that it beats: readmit asks for it. */
		host->live.last_beat_ms = received_ms;
		fence_heard(f, host);
		return REFUSE_HOST_FENCED;
	}
	if (!host->has_beaten || strcmp(host->boot_id, boot_id) != 0 ||
	    host->state == FABRIC_HOST_UNKNOWN)
		beat_first(f, host, boot_id);
	host->seq = seq;
	live_beat(&host->live, &live, received_ms);
	if (host->live.witness != LIVE_SAYS_DEAD)
		host->verdict_told = false;
	/* It was watched afresh meanwhile: nobody else remembers that it was suspected. */
	if (!host->live.suspect)
		host_recovered(f, host);
	if (host->state == FABRIC_HOST_SUSPECT)
		f->judge_ms = 0;
	else if (f->judge_ms > f->now_ms + live.interval_ms)
		f->judge_ms = f->now_ms + live.interval_ms;
	if (f->batch || !f->judge_ms)
		wake(f);
	return 0;
}

void fabric_epoch_told(struct fabric *f, const char *name, uint64_t epoch)
{
	const struct fabric_host *host = host_get(f, name);

	f->now_ms = f->io.now_ms(f->io.arg);
	if (!host || epoch <= host->epoch || f->frozen)
		return;
	freeze(f,
	       "host %s was told epoch %" PRIu64 " from this database, which has %" PRIu64
	       ": it is an earlier state of it",
	       name, epoch, host->epoch);
}

static struct chassis *chassis_of_host(struct fabric *f, const struct fabric_host *host)
{
	for (size_t i = 0; i < f->chassis_count; i++)
		for (size_t j = 0; j < f->chassis[i].host_count; j++)
			if (f->chassis[i].hosts[j] == host)
				return &f->chassis[i];
	return NULL;
}

/* Its word is no proof that it is off: all that a verdict waits for holds, but its window. */
static bool may_leave(struct fabric *f, const struct fabric_host *host, struct chassis *c)
{
	return c && !f->frozen && !f->restored && c->live.judging && !c->live.hold &&
	       (host->state == FABRIC_HOST_ALIVE || host->state == FABRIC_HOST_SUSPECT) &&
	       rate_allows(f, c, host);
}

int fabric_leaving(struct fabric *f, const char *name, const char *boot_id, uint64_t seq,
		   uint64_t received_ms, uint64_t *epoch)
{
	int r = fabric_beat(f, name, boot_id, seq, received_ms, epoch);
	struct fabric_host *host = host_get(f, name);
	struct chassis *c;

	if (r)
		return r;
	c = chassis_of_host(f, host);
	if (!may_leave(f, host, c)) {
		log_notice("host %s: leaves; it cannot be fenced now, its window runs", name);
		return 0;
	}
	live_rate_note(&c->rate, f->now_ms);
	if (!incident_start(f, host, 0, "left"))
		return -ENOMEM;
	*epoch = host->epoch_stored;
	wake(f);
	return REFUSE_HOST_FENCED;
}

static struct beat_way *beat_way_get(struct beats *beats, const char *name)
{
	for (size_t i = 0; i < BEAT_WAYS; i++) {
		struct beat_way *way = &beats->ways[i];

		if (!way->name[0])
			(void)snprintf(way->name, sizeof(way->name), "%s", name);
		if (!strcmp(way->name, name))
			return way;
	}
	return NULL;
}

void fabric_beat_heard(struct fabric *f, const char *name, const char *way_name,
		       enum beat_kind kind, uint64_t received_ms)
{
	struct fabric_host *host = host_get(f, name);
	struct beat_way *way;

	if (!host)
		return;
	host->beats.counts[kind]++;
	if (kind != BEAT_COUNTED && kind != BEAT_REORDERED)
		return;
	way = beat_way_get(&host->beats, way_name);
	if (!way)
		return;
	way->count++;
	if (received_ms > way->heard_ms)
		way->heard_ms = received_ms;
}

/* ---- where to ---- */

unsigned host_free_vports(const struct fabric_host *host)
{
	unsigned n = 0;

	for (uint16_t v = 1; v <= host->as.vports && v <= PROVIDER_VPORTS_MAX; v++)
		n += !host_vport_user(host, v);
	return n;
}

/* Every function that is assigned to @host and free to be moved now. */
size_t host_functions(struct fabric *f, const struct fabric_host *host, bool all,
		      struct fabric_function **out)
{
	size_t n = 0;

	for (unsigned v = 1; v <= PROVIDER_VPORTS_MAX; v++) {
		struct fabric_function *fn = host->vports[v];

		if (!fn || fn->host != host)
			continue;
		if (all ||
		    (!fn->item && fn->present && !card_withheld(fn) && fn->retry_ms <= f->now_ms))
			out[n++] = fn;
	}
	return n;
}

static bool is_reachable(const struct fabric_host *host, struct fabric_function *const *fns,
			 size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!host->present || !fns[i]->adapter ||
		    fns[i]->adapter->provider != host->provider)
			return false;
	return true;
}

struct fabric_host *failover_target(struct fabric *f, const struct fabric_host *dead,
				    const char *preferred, struct fabric_function *const *fns,
				    size_t count, char *why)
{
	const struct live_config live = live_config_of(f);
	const struct target_need need = { (unsigned)count, dead->as.chassis,
					  dead->as.switch_handle };
	struct fabric_host *before = preferred[0] ? host_get(f, preferred) : NULL;
	struct target_candidate *candidates;
	int best;

	/* A profile stays together: what is left goes where the rest went. */
	if (before && before != dead && host_is_open(before) &&
	    before->state != FABRIC_HOST_MAINTENANCE && is_reachable(before, fns, count) &&
	    host_free_vports(before) >= count)
		return before;
	candidates = calloc(f->hosts.count + 1, sizeof(*candidates));
	if (!candidates)
		return NULL;
	for (size_t i = 0; i < f->hosts.count; i++) {
		const struct fabric_host *host = f->hosts.at[i];

		candidates[i] = (struct target_candidate){
			.name = host->name,
			.spare = host->spare && host != dead,
			.door_open = host_is_open(host) && host->state == FABRIC_HOST_ALIVE,
			.steady = live_is_steady(&host->live, &live, f->config.spare_windows,
						 f->now_ms),
			.reachable = is_reachable(host, fns, count),
			.used = host->functions,
			.free_vports = host_free_vports(host),
			.chassis = host->as.chassis,
			.switch_handle = host->as.switch_handle,
		};
	}
	best = target_choose(candidates, f->hosts.count, &need, why, DB_TEXT_MAX);
	free(candidates);
	return best < 0 ? NULL : f->hosts.at[best];
}

static struct fabric_change *failover_change(struct fabric *f, struct fabric_host *target,
					     struct fabric_function *const *fns, size_t count)
{
	struct fabric_change *change = change_make(f, DB_CHANGE_FAILOVER, count);
	bool taken[PROVIDER_VPORTS_MAX + 1];

	if (!change)
		return NULL;
	for (uint16_t v = 1; v <= PROVIDER_VPORTS_MAX; v++)
		taken[v] = host_vport_user(target, v) || v > target->as.vports;
	for (size_t i = 0; i < count; i++) {
		uint16_t vport = fns[i]->vport;

		if (taken[vport])
			for (vport = 1; vport < PROVIDER_VPORTS_MAX && taken[vport]; vport++)
				;
		taken[vport] = true;
		change_fill(f, &change->items[i], DB_OP_MOVE, fns[i], target, vport,
			    &fns[i]->identity);
		change->items[i].change = change; /* a plan is never kept, and looks at it */
		change->item_count++;
	}
	return change;
}

/* ---- moving ---- */

static void incident_wait(struct fabric *f, struct fabric_incident *incident, const char *why)
{
	if (incident->row.state == DB_INCIDENT_WAITING)
		return;
	incident->row.state = DB_INCIDENT_WAITING;
	incident_step(f, incident, "waiting", "no spare is fit%s%s", why[0] ? ": " : "", why);
	incident_store(f, incident);
}

/* A change that was asked for before still leads to @dead: it ends parked, as @dead's. */
static bool is_led_to(const struct fabric_host *dead)
{
	for (unsigned v = 1; v <= PROVIDER_VPORTS_MAX; v++) {
		const struct fabric_function *fn = dead->vports[v];

		if (fn && fn->item && fn->host != dead)
			return true;
	}
	return false;
}

static void incident_move(struct fabric *f, struct fabric_incident *incident)
{
	struct fabric_function *fns[PROVIDER_VPORTS_MAX];
	struct fabric_host *dead = incident->host;
	struct fabric_host *target;
	struct fabric_change *change;
	char why[DB_TEXT_MAX] = "";
	size_t count;

	if (!dead->functions && is_led_to(dead))
		return;
	if (!dead->functions) {
		incident_end(f, incident,
			     incident->row.change ? "all functions have moved" : "nothing to move");
		return;
	}
	count = host_functions(f, dead, false, fns);
	if (!count)
		return; /* locked, away, or to be tried again later */
	target = failover_target(f, dead, incident->row.target, fns, count, why);
	if (!target) {
		incident_wait(f, incident, why);
		return;
	}
	change = failover_change(f, target, fns, count);
	if (!change || change_keep(f, change)) {
		freeze(f, "out of memory");
		return;
	}
	change->row.incident = incident->row.id;
	target->spare = false;
	host_store(f, target);
	change_store_intent(f, change);
	incident->row.state = DB_INCIDENT_MOVING;
	incident->row.change = change->row.id;
	(void)snprintf(incident->row.target, sizeof(incident->row.target), "%s", target->name);
	incident_step(f, incident, "move", "%zu function%s to %s, change %" PRIu64, count,
		      count == 1 ? "" : "s", target->name, change->row.id);
	incident_store(f, incident);
}

void incident_change_ended(struct fabric *f, struct fabric_change *change)
{
	struct fabric_incident *incident = incident_get(f, change->row.incident);
	size_t done = 0;

	if (!incident || incident->row.state != DB_INCIDENT_MOVING)
		return;
	for (size_t i = 0; i < change->item_count; i++) {
		const struct db_item *row = &change->items[i].row;

		done += row->state == DB_CHANGE_DONE;
		if (row->state == DB_CHANGE_FAILED)
			change->items[i].fn->retry_ms = f->now_ms + f->config.repair_retry_ms;
		if (row->state != DB_CHANGE_DONE)
			incident_step(f, incident, fabric_change_state_text(row->state), "%s: %s",
				      row->function, row->reason);
	}
	incident_step(f, incident, "moved", "%zu of %zu functions bound and read back at %s", done,
		      change->item_count, incident->row.target);
	incident_move(f, incident);
}

static struct fabric_change *change_of(struct fabric *f, const struct fabric_incident *incident)
{
	struct fabric_change *change = change_find(f, incident->row.change);

	return change && !change->run.is_over ? change : NULL;
}

void incidents_advance(struct fabric *f)
{
	if (f->frozen)
		return;
	for (size_t i = 0; i < f->incident_count; i++) {
		struct fabric_incident *incident = f->incidents[i];
		struct fabric_host *host = incident->host;

		if (incident->row.state == DB_INCIDENT_DONE || !host || host->fence ||
		    !provider_is_usable(provider_of_host(f, host)) ||
		    !f->providers[host->provider]->reconciled)
			continue;
		if (incident->row.state == DB_INCIDENT_BLOCKED) {
			if (f->now_ms >= incident->retry_ms && fence_start(f, host))
				freeze(f, "out of memory");
		} else if (host->state == FABRIC_HOST_FENCED && !change_of(f, incident)) {
			incident_move(f, incident);
		}
	}
}

/* ---- the fence's answers ---- */

void incident_fenced(struct fabric *f, struct fabric_host *host, const char *proof)
{
	struct fabric_incident *incident = incident_get(f, host->incident);
	bool is_open = incident && incident->row.state != DB_INCIDENT_DONE;

	if (host->state != FABRIC_HOST_FENCED) {
		host->state = FABRIC_HOST_FENCED;
		host->spare = false;
		host_store(f, host);
		history_audit(f, 0, "host.fenced", host->name, 0, "%s", proof);
		history_event(f, "host.fenced", host->name, "%s, epoch %" PRIu64, proof,
			      host->epoch);
	} else {
		history_event(f, "host.fenced-again", host->name, "%s", proof);
	}
	look(f);
	if (!is_open)
		return;
	if (incident->row.state == DB_INCIDENT_FENCING ||
	    incident->row.state == DB_INCIDENT_BLOCKED) {
		incident->row.state = DB_INCIDENT_MOVING;
		incident_step(f, incident, "fenced", "%s", proof);
		incident_store(f, incident);
	}
	if (!change_of(f, incident))
		incident_move(f, incident);
}

/* Nothing of it moves; an alarm; tried again, and a person may confirm. */
void incident_fence_failed(struct fabric *f, struct fabric_host *host, const char *why)
{
	struct fabric_incident *incident = incident_get(f, host->incident);

	if (!incident || incident->row.state == DB_INCIDENT_DONE)
		incident = incident_new(f, host, "its fence cannot be proved again");
	if (!incident)
		return;
	incident->retry_ms = f->now_ms + f->config.fence_retry_ms;
	if (incident->row.state == DB_INCIDENT_BLOCKED && host->state == FABRIC_HOST_BLOCKED)
		return;
	incident->row.state = DB_INCIDENT_BLOCKED;
	host->state = FABRIC_HOST_BLOCKED;
	log_err("host %s: blocked, its fence is not proved: %s", host->name, why);
	incident_step(
		f, incident, "blocked",
		"%s; when the host is off: fabricctl host fence-confirm %s --incident %" PRIu64,
		why, host->name, incident->row.id);
	incident_store(f, incident);
	host_store(f, host);
	history_event(f, "host.blocked", host->name, "%s", why);
}

void incident_fence_again(struct fabric *f, struct fabric_host *host, const char *why)
{
	struct fabric_incident *incident = incident_get(f, host->incident);

	if (!incident || incident->row.state == DB_INCIDENT_DONE)
		incident = incident_new(f, host, why);
	if (!incident)
		return;
	log_warning("host %s: is fenced once more: %s", host->name, why);
	incident->row.state = DB_INCIDENT_FENCING;
	host->state = FABRIC_HOST_FENCING;
	incident_step(f, incident, "fence again", "%s", why);
	incident_store(f, incident);
	host_store(f, host);
	history_event(f, "host.fencing-again", host->name, "%s", why);
	look(f);
}

/* After a restart, a reconnect or a reboot of the switch: fenced hosts are fenced again first. */
void incidents_resume(struct fabric *f, struct fabric_provider *p)
{
	for (size_t i = 0; i < p->host_count; i++) {
		struct fabric_host *host = p->hosts[i];
		struct fabric_incident *incident;

		if (!host || !host_is_shut(host))
			continue;
		incident = incident_get(f, host->incident);
		if (incident && !incident->host)
			incident->host = host;
		if (incident && !incident->started_ms)
			incident->started_ms = f->now_ms;
		if (!host->fence && fence_start(f, host))
			freeze(f, "out of memory");
	}
}

/* ---- letting in again ---- */

bool host_beats(const struct fabric *f, const struct fabric_host *host)
{
	const struct live_config live = live_config_of(f);

	return host->live.last_beat_ms &&
	       f->now_ms - host->live.last_beat_ms <= live_window_ms(&live);
}

void door_opened(struct fabric *f, struct fabric_host *host)
{
	struct fabric_incident *incident = incident_get(f, host->incident);
	bool beats = host_beats(f, host);

	if (incident && incident->row.state != DB_INCIDENT_DONE)
		incident_end(f, incident, "the host was readmitted");
	host->incident = 0;
	host->off_ms = 0;
	host->state = beats ? FABRIC_HOST_ALIVE : FABRIC_HOST_UNKNOWN;
	host->has_beaten = beats;
	if (!beats)
		host->boot_id[0] = '\0';
	host->seq = 0;
	if (beats) {
		live_watch(&host->live, f->now_ms);
		host->live.alive_since_ms = f->now_ms;
	}
	host_store(f, host);
	history_event(f, "host.readmitted", host->name, "epoch %" PRIu64, host->epoch);
	flap_judge(f, host);
	f->judge_ms = 0;
	f->reconcile_ms = f->now_ms;
	look(f);
}

int problem_say(struct fabric_problem *problem, int refusal, const char *format, ...)
{
	va_list args;

	*problem = (struct fabric_problem){ .op = SIZE_MAX };
	va_start(args, format);
	(void)vsnprintf(problem->reason, sizeof(problem->reason), format, args);
	va_end(args);
	return refusal;
}

int fabric_host_readmit(struct fabric *f, const char *name, uint32_t uid,
			struct fabric_problem *problem, fabric_answer_fn *fn, void *arg)
{
	struct fabric_host *host = host_get(f, name);
	struct fabric_incident *incident;
	int r;

	f->now_ms = f->io.now_ms(f->io.arg);
	if (!host)
		return problem_say(problem, REFUSE_NO_HOST, "there is no host %s", name);
	if (f->frozen)
		return problem_say(problem, REFUSE_FROZEN, "%s", f->frozen_why);
	if (host->state == FABRIC_HOST_QUARANTINED) {
		quarantine_leave(f, host);
		history_audit(f, uid, "host.readmit", name, 0, "from quarantine");
		batch_answer(f, fn, arg, 0);
		return 0;
	}
	incident = incident_get(f, host->incident);
	if (host->state != FABRIC_HOST_FENCED && host->state != FABRIC_HOST_BLOCKED)
		return problem_say(problem, REFUSE_HOST_STATE, "%s is %s, not fenced", name,
				   fabric_host_state_text(host->state));
	if (host->state == FABRIC_HOST_BLOCKED && !host_beats(f, host))
		return problem_say(
			problem, REFUSE_HOST_STATE,
			"%s is blocked and does not beat; if it is off, fence-confirm it", name);
	if (incident && change_of(f, incident))
		return problem_say(problem, REFUSE_HOST_STATE,
				   "its functions are being moved by change %" PRIu64
				   "; wait for it",
				   incident->row.change);
	if (!provider_is_usable(provider_of_host(f, host)))
		return problem_say(problem, REFUSE_PROVIDER_AWAY, "the switch of %s is not ready",
				   name);
	if (fence_is_powering(host))
		return problem_say(problem, REFUSE_HOST_STATE,
				   "%s is being powered off by its fence; try again in a moment",
				   name);
	if (host->fence && host->state == FABRIC_HOST_FENCED)
		return problem_say(problem, REFUSE_HOST_STATE,
				   "%s is being fenced again; try again in a moment", name);
	if (host->fence)
		fence_cancel(f, host);
	host->epoch++;
	r = fence_open_door(f, host, host->state == FABRIC_HOST_BLOCKED, fn, arg);
	if (r)
		return r;
	host_store_epoch(f, host);
	history_audit(f, uid, "host.readmit", name, 0, "epoch %" PRIu64, host->epoch);
	wake(f);
	return 0;
}

/* ---- by hand ---- */

int fabric_host_set_spare(struct fabric *f, const char *name, bool spare, uint32_t uid,
			  fabric_answer_fn *fn, void *arg)
{
	struct fabric_host *host = host_get(f, name);

	f->now_ms = f->io.now_ms(f->io.arg);
	if (!host)
		return REFUSE_NO_HOST;
	if (f->frozen)
		return REFUSE_FROZEN;
	host->spare = spare;
	host_store(f, host);
	history_audit(f, uid, "host.set", name, 0, "spare %s", spare ? "on" : "off");
	history_event(f, "host.changed", name, "spare %s", spare ? "on" : "off");
	batch_answer(f, fn, arg, 0);
	look(f);
	return 0;
}

int fabric_host_enroll(struct fabric *f, const char *name, uint32_t uid,
		       struct fabric_problem *problem, char key[static 65], fabric_answer_fn *fn,
		       void *arg)
{
	int r;

	f->now_ms = f->io.now_ms(f->io.arg);
	if (!host_get(f, name))
		return problem_say(problem, REFUSE_NO_HOST, "there is no host %s", name);
	if (f->frozen)
		return problem_say(problem, REFUSE_FROZEN, "%s", f->frozen_why);
	if (!f->io.host_enroll)
		return problem_say(problem, REFUSE_HOST_STATE,
				   "no beats are heard by datagrams: heartbeat.udp is none");
	r = f->io.host_enroll(f->io.arg, name, key);
	if (r == -EEXIST)
		return problem_say(problem, REFUSE_HOST_STATE,
				   "the name %s has the same hash as another host's", name);
	if (r)
		return problem_say(problem, REFUSE_HOST_STATE, "its key cannot be stored: %s",
				   strerror(-r));
	history_audit(f, uid, "host.enroll", name, 0, "a new key for its datagrams");
	history_event(f, "host.enrolled", name, "a new key for its datagrams");
	batch_answer(f, fn, arg, 0);
	wake(f);
	return 0;
}

static int failover_check(struct fabric *f, const char *name, struct fabric_problem *problem,
			  struct fabric_host **out, struct fabric_host **target,
			  struct fabric_function **fns, size_t *count)
{
	struct fabric_host *host = host_get(f, name);
	char why[DB_TEXT_MAX] = "";

	f->now_ms = f->io.now_ms(f->io.arg);
	if (!host)
		return problem_say(problem, REFUSE_NO_HOST, "there is no host %s", name);
	if (f->frozen)
		return problem_say(problem, REFUSE_FROZEN, "%s", f->frozen_why);
	if (host_is_shut(host))
		return problem_say(problem, REFUSE_HOST_STATE, "%s is %s; see incident %" PRIu64,
				   name, fabric_host_state_text(host->state), host->incident);
	if (!provider_is_usable(provider_of_host(f, host)))
		return problem_say(problem, REFUSE_PROVIDER_AWAY, "the switch of %s is not ready",
				   name);
	*count = host_functions(f, host, true, fns);
	*target = *count ? failover_target(f, host, "", fns, *count, why) : NULL;
	if (*count && !*target)
		return problem_say(problem, REFUSE_NO_SPARE, "%s",
				   why[0] ? why
					  : "no host is set as spare (host set HOST --spare on)");
	*out = host;
	return 0;
}

int fabric_host_failover(struct fabric *f, const char *name, uint32_t uid,
			 struct fabric_problem *problem, fabric_answer_fn *fn, void *arg)
{
	struct fabric_function *fns[PROVIDER_VPORTS_MAX];
	struct fabric_incident *incident;
	struct fabric_host *target = NULL;
	struct fabric_host *host = NULL;
	char cause[DB_TEXT_MAX];
	size_t count = 0;
	int r = failover_check(f, name, problem, &host, &target, fns, &count);

	if (r)
		return r;
	(void)snprintf(cause, sizeof(cause), "asked for by uid %u", uid);
	incident = incident_start(f, host, uid, cause);
	if (!incident)
		return -ENOMEM;
	batch_answer(f, fn, arg, incident->row.id);
	wake(f);
	return 0;
}

int fabric_host_failover_plan(struct fabric *f, const char *name, struct fabric_problem *problem,
			      struct fabric_plan *out)
{
	struct fabric_function *fns[PROVIDER_VPORTS_MAX];
	struct fabric_host *target = NULL;
	struct fabric_host *host = NULL;
	struct fabric_change *change;
	char rungs[DB_TEXT_MAX];
	size_t count = 0;
	int r = failover_check(f, name, problem, &host, &target, fns, &count);

	*out = (struct fabric_plan){ 0 };
	if (r)
		return r;
	fabric_host_rungs(f, host, rungs);
	if (!count) {
		(void)snprintf(out->detail, sizeof(out->detail),
			       "%s is fenced (%.300s); it holds no function", name, rungs);
		return 0;
	}
	change = failover_change(f, target, fns, count);
	if (!change)
		return -ENOMEM;
	(void)snprintf(out->target, sizeof(out->target), "%s", target->name);
	(void)snprintf(out->detail, sizeof(out->detail),
		       "%s is fenced (%.250s: in this order, until its virtual switch is read back "
		       "empty); then %zu function%s to %s",
		       name, rungs, count, count == 1 ? " moves" : "s move", target->name);
	r = plan_steps(f, change, out);
	change_free(change);
	return r;
}

int fabric_host_fence_confirm(struct fabric *f, const char *name, uint64_t id, uint32_t uid,
			      struct fabric_problem *problem, fabric_answer_fn *fn, void *arg)
{
	struct fabric_host *host = host_get(f, name);
	struct fabric_incident *incident = incident_get(f, id);

	f->now_ms = f->io.now_ms(f->io.arg);
	if (!host)
		return problem_say(problem, REFUSE_NO_HOST, "there is no host %s", name);
	if (!incident || incident->row.id != host->incident)
		return problem_say(problem, REFUSE_NO_INCIDENT,
				   "the open incident of %s is %" PRIu64, name, host->incident);
	if (f->frozen)
		return problem_say(problem, REFUSE_FROZEN, "%s", f->frozen_why);
	if (host->state != FABRIC_HOST_BLOCKED)
		return problem_say(problem, REFUSE_HOST_STATE, "%s is %s, not blocked", name,
				   fabric_host_state_text(host->state));
	if (host_beats(f, host))
		return problem_say(problem, REFUSE_HOST_STATE,
				   "%s beats: it is not off; power it off, or readmit it", name);
	if (host->fence)
		fence_cancel(f, host);
	incident_step(f, incident, "confirmed", "uid %u vouches that %s is off", uid, name);
	history_audit(f, uid, "host.fence-confirm", name, 0, "incident %" PRIu64, id);
	incident_fenced(f, host, "confirmed by a person");
	batch_answer(f, fn, arg, id);
	wake(f);
	return 0;
}
