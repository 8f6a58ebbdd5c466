/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An incident, from its verdict to its end: its time line, its fence's answers, the door.
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

enum { SAID_BEFORE = 32 }; /* steps looked through for the same words */

struct fabric_incident *incident_get(struct fabric *f, uint64_t id)
{
	for (size_t i = f->incident_count; id && i-- > 0;)
		if (f->incidents[i]->row.id == id)
			return f->incidents[i];
	return NULL;
}

/* ---- the time line ---- */

static uint32_t ms_sum(uint32_t a, uint64_t b)
{
	return b > UINT32_MAX - a ? UINT32_MAX : a + (uint32_t)b;
}

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
			ms_sum(incident->before_ms,
			       at_ms > incident->started_ms ? at_ms - incident->started_ms : 0),
	};

	(void)snprintf(step.what, sizeof(step.what), "%s", what);
	(void)snprintf(step.detail, sizeof(step.detail), "%s", detail);
	steps = realloc(incident->steps, (incident->step_count + 1) * sizeof(*steps));
	if (!steps)
		return; /* it stands in the database all the same */
	incident->steps = steps;
	incident->steps[incident->step_count++] = step;
	db_put_step(batch_open(f), &step);
	batch_after(f, AFTER_STEP, incident->row.id);
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

#define RESTART_STEP "restart"

/* The clocks of an earlier life, and of the boot that it was in, are gone: what has passed since
 * its last step is told by wall time, and never less than nothing. What is open is begun
 * again where it was, so that steps may come twice: the time line says why. */
void incidents_start(struct fabric *f)
{
	uint64_t wall_ms = f->io.wall_ms(f->io.arg);

	for (size_t i = 0; i < f->incident_count; i++) {
		struct fabric_incident *incident = f->incidents[i];
		const struct db_step *last =
			incident->step_count ? &incident->steps[incident->step_count - 1] : NULL;
		uint64_t since_ms = last ? last->wall_ms : incident->row.started_wall_ms;

		incident->started_ms = f->now_ms;
		incident->before_ms = ms_sum(last ? last->offset_ms : 0,
					     wall_ms > since_ms ? wall_ms - since_ms : 0);
		if (incident->row.state != DB_INCIDENT_DONE &&
		    !(last && !strcmp(last->what, RESTART_STEP)))
			incident_step(f, incident, RESTART_STEP,
				      "fabricd was started again; it goes on from what the switch "
				      "shows");
	}
}

bool incident_is_said(const struct fabric_incident *incident, const char *what, const char *detail)
{
	size_t from = incident->step_count > SAID_BEFORE ? incident->step_count - SAID_BEFORE : 0;

	for (size_t i = from; i < incident->step_count; i++)
		if (!strcmp(incident->steps[i].what, what) &&
		    !strcmp(incident->steps[i].detail, detail))
			return true;
	return false;
}

/* ---- the site's hooks ---- */

#define HOOK_STEP "hook"

void fabric_hook_told(struct fabric *f, uint64_t id, const char *text)
{
	struct fabric_incident *incident = incident_get(f, id);

	f->now_ms = f->io.now_ms(f->io.arg);
	if (!incident || f->frozen || incident_is_said(incident, HOOK_STEP, text))
		return;
	incident_step(f, incident, HOOK_STEP, "%s", text);
	wake(f);
}

void incident_step_durable(struct fabric *f, uint64_t id)
{
	struct fabric_incident *incident = incident_get(f, id);
	const struct db_step *step;
	char text[DB_TEXT_MAX];
	int r;

	if (!incident || incident->told >= incident->step_count)
		return;
	step = &incident->steps[incident->told++];
	if (!f->io.step || !strcmp(step->what, HOOK_STEP))
		return;
	r = f->io.step(f->io.arg, incident, step);
	if (!r)
		return;
	(void)snprintf(text, sizeof(text), "not run: %s",
		       r == -EBUSY ? "so many steps wait for the hooks already" : strerror(-r));
	fabric_hook_told(f, id, text);
}

void incident_store(struct fabric *f, struct fabric_incident *incident)
{
	db_put_incident(batch_open(f), &incident->row);
	batch_after(f, AFTER_INCIDENT, incident->row.id);
	incident->unstored++;
	night_incident(f, incident);
}

void incident_durable(struct fabric *f, uint64_t id)
{
	struct fabric_incident *incident = incident_get(f, id);

	if (!incident)
		return;
	incident->unstored--;
	incident->durable = true;
}

void incident_end(struct fabric *f, struct fabric_incident *incident, const char *how)
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

void host_store_epoch(struct fabric *f, struct fabric_host *host)
{
	host_store(f, host);
	batch_answer(f, on_epoch_stored, host, host->epoch);
}

/* The record of the fence. A late beat does not cancel it. */
struct fabric_incident *incident_begin(struct fabric *f, struct fabric_host *host, uint32_t uid,
				       const char *cause, bool drill)
{
	struct fabric_incident *incident = incident_new(f, host, cause);
	bool was_suspect = host->state == FABRIC_HOST_SUSPECT;
	char witness[DB_TEXT_MAX];

	if (!incident)
		return NULL;
	incident->row.drill = drill;
	if (host->live.last_beat_ms) {
		incident->started_ms = host->live.last_beat_ms;
		step_add(f, incident, host->live.last_beat_ms, "last beat", "");
	}
	if (was_suspect && host->suspected_ms)
		step_add(f, incident, host->suspected_ms, "suspected", "beats are missing");
	witness_say(host, witness);
	functions_retry_now(host);
	host->state = FABRIC_HOST_FENCING;
	host->beat_by_ms = 0;
	host->sent_read = false;
	host->epoch++;
	host_shut_out(f, host);
	night_store_soon(f, incident);
	seen_forget(f, host);
	host_store_epoch(f, host);
	incident_step(f, incident, "witness", "%s", witness);
	life_say(f, incident, host);
	incident_step(f, incident, "verdict", "%s; epoch %" PRIu64, cause, host->epoch);
	incident_store(f, incident);
	history_audit(f, uid, "host.fence", host->name, 0, "%s", cause);
	history_event(f, "host.fencing", host->name, "%s", cause);
	if (fence_start(f, host))
		freeze(f, "out of memory");
	look(f);
	return incident;
}

struct fabric_incident *incident_start(struct fabric *f, struct fabric_host *host, uint32_t uid,
				       const char *cause)
{
	return incident_begin(f, host, uid, cause, false);
}

void incidents_advance(struct fabric *f)
{
	struct fabric_incident **ready = NULL;
	size_t count = 0;

	if (f->frozen) {
		drill_frozen(f);
		return;
	}
	for (size_t i = 0; i < f->incident_count; i++) {
		struct fabric_incident *incident = f->incidents[i];
		struct fabric_host *host = incident->host;

		if (incident->row.state == DB_INCIDENT_DONE || !host || host->fence ||
		    !host_is_told_of(f, host))
			continue;
		/* FENCING without a fence: no scan since the start has shown it. */
		if (incident->row.state == DB_INCIDENT_BLOCKED ||
		    incident->row.state == DB_INCIDENT_FENCING) {
			if (f->now_ms >= incident->retry_ms && fence_start(f, host))
				freeze(f, "out of memory");
		} else if (incident->row.drill && host->state == FABRIC_HOST_FENCED) {
			drill_fenced(f, incident);
		} else if (host->state == FABRIC_HOST_FENCED && !incident_change(f, incident)) {
			if (!ready)
				ready = calloc(f->incident_count, sizeof(struct fabric_incident *));
			if (!ready) {
				freeze(f, "out of memory");
				return;
			}
			ready[count++] = incident;
		}
	}
	if (count)
		incidents_move(f, ready, count);
	free(ready);
}

/* ---- the fence's answers ---- */

void incident_fenced(struct fabric *f, struct fabric_host *host, const char *proof)
{
	struct fabric_incident *incident = incident_get(f, host->incident);
	bool is_open = incident && incident->row.state != DB_INCIDENT_DONE;

	if (host->state != FABRIC_HOST_FENCED) {
		host->state = FABRIC_HOST_FENCED;
		host->spare = host->spare && is_open && incident->row.drill;
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
	/* What it had is moved by incidents_advance(), in the same turn. */
}

bool incident_is_confirmed(const struct fabric_incident *incident)
{
	for (size_t i = 0; i < incident->step_count; i++)
		if (!strcmp(incident->steps[i].what, CONFIRMED_STEP))
			return true;
	return false;
}

/* A person has vouched for @incident's host, once, and that was wrong: the word does not count for
 * what comes now. */
static struct fabric_incident *incident_anew(struct fabric *f, struct fabric_incident *incident,
					     const char *why)
{
	struct fabric_incident *next = incident_new(f, incident->host, why);
	char how[DB_TEXT_MAX];

	if (!next)
		return NULL;
	next->row.change = incident->row.change;
	(void)snprintf(how, sizeof(how), "somebody vouched for it, but: %.300s; incident %" PRIu64,
		       why, next->row.id);
	incident_end(f, incident, how);
	return next;
}

/* Nothing of it moves; an alarm; tried again, and a person may confirm. */
void incident_fence_failed(struct fabric *f, struct fabric_host *host, const char *why,
			   uint64_t since_ms)
{
	struct fabric_incident *incident = incident_get(f, host->incident);

	if (!incident || incident->row.state == DB_INCIDENT_DONE)
		incident = incident_new(f, host, "its fence cannot be proved again");
	else if (incident_is_confirmed(incident))
		incident = incident_anew(f, incident, "its fence cannot be proved");
	if (!incident)
		return;
	incident->retry_ms = f->now_ms + f->config.fence_retry_ms;
	incident->blocked_ms = since_ms;
	if (incident->row.state == DB_INCIDENT_BLOCKED && host->state == FABRIC_HOST_BLOCKED)
		return;
	incident->row.state = DB_INCIDENT_BLOCKED;
	host->state = FABRIC_HOST_BLOCKED;
	if (incident->row.drill)
		drill_blocked(f, incident, why);
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
	else if (incident_is_confirmed(incident))
		incident = incident_anew(f, incident, why);
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
		if (!host->fence && fence_start(f, host))
			freeze(f, "out of memory");
	}
}

/* ---- letting in again ---- */

static void door_opened_say(struct fabric *f, struct fabric_incident *incident)
{
	if (incident->row.drill && f->drill.incident == incident->row.id)
		drill_opened(f, incident);
	else
		incident_end(f, incident, "the host was readmitted");
}

void door_opened(struct fabric *f, struct fabric_host *host)
{
	struct fabric_incident *incident = incident_get(f, host->incident);
	bool beats = host_beats(f, host);
	bool was_drill = drill_is_of(f, host);

	if (incident && incident->row.state != DB_INCIDENT_DONE)
		door_opened_say(f, incident);
	host->incident = 0;
	host->off_ms = 0;
	host->state = beats ? FABRIC_HOST_ALIVE : FABRIC_HOST_UNKNOWN;
	night_open(f, host);
	host->has_beaten |= beats;
	if (!beats && host->has_beaten)
		host->beat_by_ms = f->now_ms + f->config.cold_start_ms;
	host->seq = 0;
	if (beats) {
		host_watch(f, host);
		if (!was_drill)
			host->live.alive_since_ms = f->now_ms;
	}
	host_store(f, host);
	if (host->beat_by_ms)
		history_event(f, "host.readmitted", host->name,
			      "epoch %" PRIu64 "; it does not beat: its first beat is waited for, "
			      "up to %" PRIu32 " s",
			      host->epoch, f->config.cold_start_ms / 1000);
	else
		history_event(f, "host.readmitted", host->name, "epoch %" PRIu64, host->epoch);
	flap_judge(f, host);
	f->judge_ms = 0;
	f->reconcile_ms = f->now_ms;
	look(f);
}
