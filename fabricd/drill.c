/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drills: the fence of an idle spare is proved, and the spare let in again.
 *
 * A drill is an incident of its own kind. Its host's door closes, under a new epoch, and it is
 * fenced by the rungs that take nobody's power (unless that is asked for, where the switch can give
 * it back), until its virtual switch was read back empty; then
 * the door is opened as for a readmission, under another epoch. It holds nothing, so nothing moves;
 * while its door is closed it is no target, and keeps its place among the spares.
 *
 * Who asked waits in memory alone: after a restart, and where the fence was not proved at once, the
 * host stays fenced, and a person lets it in (S9). Other incidents do not wait for a drill.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "common/defect.h"
#include "common/log.h"
#include "fabricd/state.h"

/* ---- may it be? ---- */

/* Something is there, or leads there. */
static bool is_idle(const struct fabric_host *host)
{
	for (uint16_t v = 1; v <= PROVIDER_VPORTS_MAX; v++)
		if (host->vports[v] || host_vport_user(host, v))
			return false;
	return !host->functions;
}

/* One that may need @host, or is a drill itself; NULL: none. A drill is under way until who asked
 * for it is on the way to being answered: its host is let in a moment before. */
static const struct fabric_incident *incident_open(const struct fabric *f,
						   const struct fabric_host *host)
{
	for (size_t i = 0; i < f->incident_count; i++) {
		const struct fabric_incident *o = f->incidents[i];

		if (o->row.id == f->drill.incident)
			return o;
		if (o->row.state != DB_INCIDENT_DONE &&
		    (o->row.drill || !o->host || o->host->provider == host->provider))
			return o;
	}
	return NULL;
}

static int fabric_check(const struct fabric *f, const struct fabric_host *host,
			struct fabric_problem *problem)
{
	const struct fabric_incident *open = incident_open(f, host);

	if (f->frozen)
		return problem_say(problem, REFUSE_FROZEN, "%s", f->frozen_why);
	if (f->restored)
		return problem_say(problem, REFUSE_ADOPT,
				   "the database was restored from a backup: nobody is fenced "
				   "before fabricctl adopt");
	if (open && open->row.drill)
		return problem_say(problem, REFUSE_HOST_STATE,
				   "%s is being drilled, incident %" PRIu64 "; one at a time",
				   open->row.host, open->row.id);
	if (open)
		return problem_say(problem, REFUSE_HOST_STATE,
				   "incident %" PRIu64 " of %s is open, and may need a spare",
				   open->row.id, open->row.host);
	return 0;
}

static int host_check(struct fabric *f, const struct fabric_host *host,
		      const struct fabric_drill *how, struct fabric_problem *problem)
{
	const struct chassis *c = chassis_of_host(f, host);

	if (!provider_is_usable(provider_of_host(f, host)) ||
	    !f->providers[host->provider]->reconciled || !c || !c->live.judging)
		return problem_say(problem, REFUSE_PROVIDER_AWAY, "the switch of %s is not ready",
				   host->name);
	if (c->live.hold)
		return problem_say(problem, REFUSE_HOST_STATE,
				   "automatic failover is held in its chassis: see fabricctl "
				   "health");
	if (host_is_cold(f, host) && how->power)
		return problem_say(problem, REFUSE_HOST_STATE, "%s is off already", host->name);
	if (host->state != FABRIC_HOST_ALIVE && !host_is_cold(f, host))
		return problem_say(problem, REFUSE_HOST_STATE, "%s is %s, not alive", host->name,
				   fabric_host_state_text(host->state));
	if (!is_idle(host) && !DEFECT(DRILL_BUSY))
		return problem_say(problem, REFUSE_HOST_STATE,
				   "%s has functions, or is about to: a drill would take them",
				   host->name);
	if (how->power && (!(provider_of_host(f, host)->hello.can & PROVIDER_CAN_POWER) ||
			   !host->as.can_power_on))
		return problem_say(problem, REFUSE_HOST_STATE,
				   "its switch cannot turn %s off and on again", host->name);
	if (!host->spare && !how->force)
		return problem_say(problem, REFUSE_HOST_STATE,
				   "%s is no spare (--force where that is meant)", host->name);
	return 0;
}

/* ---- its turns ---- */

static void drill_answer(struct fabric *f, int r)
{
	fabric_answer_fn *fn = f->drill.fn;
	void *arg = f->drill.arg;
	uint64_t id = f->drill.incident;

	f->drill = (struct drill){ 0 };
	answer_soon(f, fn, arg, r, id);
	wake(f);
}

/* It has not come to its end: the host stays as it is. */
static void drill_fail(struct fabric *f, struct fabric_incident *incident, const char *why)
{
	log_err("host %s: its drill has failed: %s", incident->row.host, why);
	history_audit(f, 0, "host.drill-failed", incident->row.host, 0, "%s", why);
	history_event(f, "host.drill-failed", incident->row.host, "%s", why);
	if (f->drill.incident == incident->row.id)
		drill_answer(f, REFUSE_DRILL);
}

/* Its host stays fenced, for a person to look at. */
static void drill_give_up(struct fabric *f, struct fabric_incident *incident, const char *why)
{
	char how[DB_TEXT_MAX];

	(void)snprintf(how, sizeof(how), "%s: %s stays fenced until somebody has looked at it", why,
		       incident->row.host);
	incident_end(f, incident, how);
	drill_fail(f, incident, why);
}

bool drill_is_of(const struct fabric *f, const struct fabric_host *host)
{
	const struct fabric_incident *incident =
		host->incident ? fabric_incident_find(f, host->incident) : NULL;

	return incident && incident->row.drill && incident->row.state != DB_INCIDENT_DONE;
}

void drill_frozen(struct fabric *f)
{
	if (f->drill.incident)
		drill_answer(f, REFUSE_FROZEN);
}

void drill_beat(struct fabric *f, struct fabric_host *host, uint64_t received_ms)
{
	/* Two beats and a half, as live_beat() has it: less is no break. */
	uint64_t broken_ms = f->config.beat_interval_ms * 5ull / 2;

	if (drill_is_of(f, host) && received_ms > host->live.last_beat_ms + broken_ms)
		host->live.alive_since_ms = received_ms;
}

bool drill_takes_power(const struct fabric *f, const struct fabric_host *host)
{
	return f->drill.incident && f->drill.power && f->drill.incident == host->incident;
}

void drill_blocked(struct fabric *f, struct fabric_incident *incident, const char *why)
{
	drill_fail(f, incident, why);
}

static void on_opened(void *arg, int r, uint64_t epoch)
{
	struct fabric *f = arg;
	struct fabric_incident *incident = incident_get(f, f->drill.incident);

	(void)epoch;
	if (!incident)
		return;
	if (!r || f->frozen) {
		drill_answer(f, r);
		return;
	}
	if (incident->row.state != DB_INCIDENT_DONE)
		drill_give_up(f, incident, "its door cannot be opened again");
}

void drill_opened(struct fabric *f, struct fabric_incident *incident)
{
	const struct fabric_host *host = incident->host;
	char how[DB_TEXT_MAX];

	(void)snprintf(how, sizeof(how),
		       "its fence was proved (%s), and it is let in, epoch %" PRIu64,
		       host->proved.rungs, host->epoch);
	incident_end(f, incident, how);
	history_audit(f, 0, "host.drilled", host->name, 0, "%s", host->proved.rungs);
	history_event(f, "host.drilled", host->name, "%s", how);
}

void drill_fenced(struct fabric *f, struct fabric_incident *incident)
{
	struct fabric_host *host = incident->host;

	if (f->drill.incident == incident->row.id && f->drill.is_opening)
		return; /* its answer comes */
	if (f->drill.incident != incident->row.id && !DEFECT(DRILL_RESUMED)) {
		drill_give_up(f, incident,
			      "the manager was restarted, or the fence was not proved at once");
		return;
	}
	if (!f->drill.power && !f->drill.cold && !host_beats(f, host)) {
		drill_give_up(f, incident, "it fell silent in its drill");
		return;
	}
	host->epoch++;
	if (fence_open_door(f, host, false, on_opened, f)) {
		drill_give_up(f, incident, "its door cannot be opened");
		return;
	}
	f->drill.is_opening = true;
	incident_step(f, incident, "open", "its door, under epoch %" PRIu64, host->epoch);
	host_store_epoch(f, host);
}

/* ---- asked for ---- */

int fabric_host_drill(struct fabric *f, const char *name, const struct fabric_drill *how,
		      uint32_t uid, struct fabric_problem *problem, fabric_answer_fn *fn, void *arg)
{
	struct fabric_host *host = host_get(f, name);
	struct fabric_incident *incident;
	uint64_t alive_since_ms;
	bool is_cold;
	char cause[DB_TEXT_MAX];
	int r;

	f->now_ms = f->io.now_ms(f->io.arg);
	if (!host)
		return problem_say(problem, REFUSE_NO_HOST, "there is no host %s", name);
	r = fabric_check(f, host, problem);
	if (!r)
		r = host_check(f, host, how, problem);
	if (r)
		return r;
	(void)snprintf(cause, sizeof(cause), "a drill, asked for by uid %u", uid);
	alive_since_ms = host->live.alive_since_ms;
	is_cold = host_is_cold(f, host);
	incident = incident_begin(f, host, uid, cause, true);
	if (!incident)
		return -ENOMEM;
	/* It beats on: when it is let in it is as steady as it was. */
	host->live.alive_since_ms = alive_since_ms;
	f->drill = (struct drill){ .incident = incident->row.id,
				   .power = how->power,
				   .cold = is_cold,
				   .fn = fn,
				   .arg = arg };
	history_audit(f, uid, "host.drill", name, 0, "incident %" PRIu64, incident->row.id);
	history_event(f, "host.drill", name, "incident %" PRIu64, incident->row.id);
	wake(f);
	return 0;
}
