/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a person asks of a host: spare, key, failover, readmission, fence-confirm. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "fabricd/groups.h"
#include "fabricd/state.h"

int problem_say(struct fabric_problem *problem, int refusal, const char *format, ...)
{
	va_list args;

	*problem = (struct fabric_problem){ .op = SIZE_MAX };
	va_start(args, format);
	(void)vsnprintf(problem->reason, sizeof(problem->reason), format, args);
	va_end(args);
	return refusal;
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

/* When it was given its last key, as far as events go back. */
struct enrolled {
	const char *host;
	uint64_t wall_ms; /* 0: not known */
};

static void enrolled_find(void *arg, const struct db_event *event)
{
	struct enrolled *enrolled = arg;

	if (!strcmp(event->type, "host.enrolled") && !strcmp(event->subject, enrolled->host))
		enrolled->wall_ms = event->wall_ms;
}

static int key_is_waiting(const struct fabric *f, const char *name, struct fabric_problem *problem)
{
	struct enrolled enrolled = { .host = name };
	char at[32] = "an unknown time";
	uint64_t first;

	(void)fabric_events_after(f, 0, enrolled_find, &enrolled, &first);
	if (enrolled.wall_ms)
		clock_wall_format(enrolled.wall_ms, at);
	return problem_say(
		problem, REFUSE_HOST_STATE,
		"the key given at %s is not in use yet: bring that one to its agent and "
		"start it again. With force a new one takes its place, and an agent that "
		"has it is not heard",
		at);
}

int fabric_host_enroll(struct fabric *f, const char *name, bool force, uint32_t uid,
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
				   "no beats are heard by datagrams: heartbeat.udp and "
				   "heartbeat.unix are none");
	r = f->io.host_enroll(f->io.arg, name, force, key);
	if (r == -EBUSY)
		return key_is_waiting(f, name, problem);
	if (r == -EEXIST)
		return problem_say(problem, REFUSE_HOST_STATE,
				   "the name %s has the same hash as another host's", name);
	if (r)
		return problem_say(problem, REFUSE_HOST_STATE, "its key cannot be stored: %s",
				   strerror(-r));
	history_audit(f, uid, "host.enroll", name, 0, "a new key for its datagrams%s",
		      force ? ", by force" : "");
	history_event(f, "host.enrolled", name, "a new key for its datagrams");
	batch_answer(f, fn, arg, 0);
	wake(f);
	return 0;
}

/* @out: all that it has, each group with its target. */
static int failover_check(struct fabric *f, const char *name, struct fabric_problem *problem,
			  struct move **out)
{
	OWNED(move_free) struct move *m = NULL;
	struct fabric_host *host = host_get(f, name);
	const struct move_group *waiting;
	char group[DB_TEXT_MAX];
	int r;

	f->now_ms = f->io.now_ms(f->io.arg);
	if (!host)
		return problem_say(problem, REFUSE_NO_HOST, "there is no host %s", name);
	if (f->frozen)
		return problem_say(problem, REFUSE_FROZEN, "%s", f->frozen_why);
	if (host_is_shut(host))
		return problem_say(problem, REFUSE_HOST_STATE, "%s is %s; see incident %" PRIu64,
				   name, fabric_host_state_text(host->state), host->incident);
	if (!host_is_told_of(f, host))
		return problem_say(problem, REFUSE_PROVIDER_AWAY, "the switch of %s is not ready",
				   name);
	r = move_new(f, host, MOVE_OURS, &m);
	if (!r)
		r = moves_place(f, &m, 1);
	if (r)
		return r;
	waiting = move_waiting(m);
	if (waiting) {
		group_say(waiting, group);
		return problem_say(problem, REFUSE_NO_SPARE, "%s%s%s",
				   waiting->profile ? group : "", waiting->profile ? ": " : "",
				   waiting->why);
	}
	*out = TAKE(m);
	return 0;
}

int fabric_host_failover(struct fabric *f, const char *name, uint32_t uid,
			 struct fabric_problem *problem, fabric_answer_fn *fn, void *arg)
{
	OWNED(move_free) struct move *m = NULL;
	struct fabric_incident *incident;
	char cause[DB_TEXT_MAX];
	int r = failover_check(f, name, problem, &m);

	if (r)
		return r;
	(void)snprintf(cause, sizeof(cause), "asked for by uid %u", uid);
	incident = incident_start(f, m->from, uid, cause);
	if (!incident)
		return -ENOMEM;
	batch_answer(f, fn, arg, incident->row.id);
	wake(f);
	return 0;
}

enum { LEFT_MAX = 48 };

/* What a failover of @host leaves where the switch shows it, for people; "": nothing. */
static void left_say(const struct fabric *f, const struct fabric_host *host,
		     char out[static LEFT_MAX])
{
	unsigned count = 0;

	for (unsigned v = 1; v <= PROVIDER_VPORTS_MAX; v++) {
		const struct fabric_function *fn = host->vports[v];

		count += fn && fn->host == host && move_leaves(f, fn);
	}
	out[0] = '\0';
	if (count)
		(void)snprintf(out, LEFT_MAX, "; %u stay%s with others: fabricctl adopt", count,
			       count == 1 ? "s" : "");
}

int fabric_host_failover_plan(struct fabric *f, const char *name, struct fabric_problem *problem,
			      struct fabric_plan *out)
{
	OWNED(move_free) struct move *m = NULL;
	struct fabric_change *change;
	char rungs[DB_TEXT_MAX];
	char moves[DB_TEXT_MAX];
	char start[DB_TEXT_MAX];
	char left[LEFT_MAX];
	int r = failover_check(f, name, problem, &m);

	*out = (struct fabric_plan){ 0 };
	if (r)
		return r;
	fabric_host_rungs(f, m->from, rungs);
	left_say(f, m->from, left);
	if (!m->fn_count) {
		(void)snprintf(out->detail, sizeof(out->detail),
			       "%s is fenced (%.300s); it holds no function%s", name, rungs, left);
		return 0;
	}
	colds_say(f, m, start); /* before functions lead there */
	change = failover_change(f, m);
	if (!change)
		return -ENOMEM;
	move_say(m, moves);
	move_targets(m, out->target);
	(void)snprintf(out->detail, sizeof(out->detail),
		       "%s is fenced (%.180s: in this order, until its virtual switch is read back "
		       "empty); then %.120s%.80s%s",
		       name, rungs, moves, start, left);
	r = plan_steps(f, change, out);
	change_free(change);
	return r;
}

/* A witness says otherwise than the person. */
static int confirm_refuse(struct fabric *f, const struct fabric_host *host, uint32_t uid,
			  const char *who, struct fabric_problem *problem)
{
	history_audit(f, uid, "host.fence-confirm", host->name, 0, "refused: %s", who);
	log_warning("host %s: uid %u says that it is off, but %s", host->name, uid, who);
	wake(f);
	return problem_say(problem, REFUSE_HOST_STATE,
			   "%s is not off: %s. Take its power away; ask again when the switch has "
			   "seen that, or when its fence was tried once more (every %" PRIu32
			   " s) and it stayed silent. If it is to live: fabricctl host readmit %s",
			   host->name, who, f->config.fence_retry_ms / 1000, host->name);
}

int fabric_host_fence_confirm(struct fabric *f, const char *name, uint64_t id, uint32_t uid,
			      struct fabric_problem *problem, fabric_answer_fn *fn, void *arg)
{
	struct fabric_host *host = host_get(f, name);
	struct fabric_incident *incident = incident_get(f, id);
	char who[LIFE_WHO_MAX];

	f->now_ms = f->io.now_ms(f->io.arg);
	if (!host)
		return problem_say(problem, REFUSE_NO_HOST, "there is no host %s", name);
	if (!host->incident)
		return problem_say(problem, REFUSE_NO_INCIDENT, "%s has no open incident", name);
	if (!incident || incident->row.id != host->incident)
		return problem_say(problem, REFUSE_NO_INCIDENT,
				   "the open incident of %s is %" PRIu64, name, host->incident);
	if (f->frozen)
		return problem_say(problem, REFUSE_FROZEN, "%s", f->frozen_why);
	if (host->state != FABRIC_HOST_BLOCKED)
		return problem_say(problem, REFUSE_HOST_STATE, "%s is %s, not blocked%s", name,
				   fabric_host_state_text(host->state),
				   incident_is_confirmed(incident)
					   ? "; somebody has vouched for it already"
					   : "");
	if (life_seen(f, host, life_counts_from(f, incident), who))
		return confirm_refuse(f, host, uid, who, problem);
	if (host->fence)
		fence_cancel(f, host);
	incident_step(f, incident, CONFIRMED_STEP, "uid %u vouches that %s is off%s", uid, name,
		      host->as.state.power_known && host->as.state.power
			      ? ", though the switch last saw it powered"
			      : "");
	host->off_ms = f->now_ms; /* a beat after this says that it is not */
	history_audit(f, uid, "host.fence-confirm", name, 0, "incident %" PRIu64, id);
	incident_fenced(f, host, "confirmed by a person");
	batch_answer(f, fn, arg, id);
	wake(f);
	return 0;
}

/* ---- letting in again ---- */

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
	if (incident && incident_change(f, incident))
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
	r = fence_open_door(f, host, host->state == FABRIC_HOST_BLOCKED, fn, arg);
	if (r)
		return r;
	host->epoch++;
	host_store_epoch(f, host);
	history_audit(f, uid, "host.readmit", name, 0, "epoch %" PRIu64, host->epoch);
	wake(f);
	return 0;
}
