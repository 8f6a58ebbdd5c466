/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hosts that somebody works at (S13), and hosts that flap (S10).
 *
 * A host in maintenance is judged as ever, and nothing is done about it. One that flaps keeps what
 * it has and is given nothing more; when it dies with functions, these are failed over all the
 * same. After its fence it comes back to quarantine until a person has readmitted it a second time.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "fabricd/groups.h"
#include "fabricd/state.h"

/* ---- what is told and not acted on ---- */

/* S10: nothing is saved by fencing one that flaps and holds nothing. */
static bool is_idle_in_quarantine(const struct fabric_host *host)
{
	return host->state == FABRIC_HOST_QUARANTINED && !host->functions;
}

bool upkeep_verdict(struct fabric *f, struct fabric_host *host, const char *cause)
{
	if (host->state != FABRIC_HOST_MAINTENANCE && !is_idle_in_quarantine(host))
		return false;
	if (host->verdict_told)
		return true;
	host->verdict_told = true;
	log_notice("host %s: %s; it is %s, nothing is done", host->name, cause,
		   fabric_host_state_text(host->state));
	history_event(f, "host.verdict", host->name, "%s; not acted on: it is %s", cause,
		      fabric_host_state_text(host->state));
	return true;
}

void upkeep_refresh(struct chassis *c)
{
	for (size_t i = 0; i < c->host_count; i++)
		c->lives[i]->aside = c->hosts[i]->state == FABRIC_HOST_MAINTENANCE ||
				     is_idle_in_quarantine(c->hosts[i]);
}

/* It is judged from now on as one that has just been let in. */
static void watch_anew(struct fabric *f, struct fabric_host *host)
{
	bool beats = host_beats(f, host);
	bool is_judged = host->has_beaten && !host->beat_by_ms; /* else in its time */

	host->state = is_judged ? FABRIC_HOST_ALIVE : FABRIC_HOST_UNKNOWN;
	host->verdict_told = false;
	if (is_judged) {
		host_watch(f, host);
		host->live.alive_since_ms = beats ? f->now_ms : 0;
	}
	host_store(f, host);
	f->judge_ms = 0;
	f->reconcile_ms = f->now_ms;
	look(f);
}

/* ---- what is on its way to it ---- */

unsigned host_awaits(const struct fabric_host *host, uint64_t *change)
{
	unsigned count = 0;

	for (uint16_t v = 1; v <= PROVIDER_VPORTS_MAX; v++) {
		const struct fabric_function *fn = host->vports[v];

		if (!fn || !fn->item || fn->host == host)
			continue;
		*change = fn->item->change->row.id;
		count++;
	}
	return count;
}

/* What comes would stay, unseen by who drains it. */
static int awaits_check(const struct fabric_host *host, struct fabric_problem *problem)
{
	uint64_t change = 0;
	unsigned count = host_awaits(host, &change);

	if (!count)
		return 0;
	return problem_say(problem, REFUSE_HOST_STATE,
			   "%u function%s on the way to %s, by change %" PRIu64
			   ": fabricctl change wait %" PRIu64 " comes first",
			   count, count == 1 ? " is" : "s are", host->name, change, change);
}

/* ---- S13: maintenance ---- */

/* It may be urgent, so that what is on its way there is told, and no reason to refuse. */
static void maintenance_say(struct fabric *f, const struct fabric_host *host)
{
	uint64_t change = 0;
	unsigned count = host_awaits(host, &change);

	if (count)
		history_event(f, "host.maintenance", host->name,
			      "on; change %" PRIu64
			      " is moving %u function%s to it, and nobody takes over",
			      change, count, count == 1 ? "" : "s");
	else if (host->functions)
		history_event(f, "host.maintenance", host->name,
			      "on; it holds %u function%s, and nobody takes over", host->functions,
			      host->functions == 1 ? "" : "s");
	else
		history_event(f, "host.maintenance", host->name, "on");
}

static void maintenance_begin(struct fabric *f, struct fabric_host *host)
{
	host->state = FABRIC_HOST_MAINTENANCE;
	host->verdict_told = false;
	host_store(f, host);
	look(f);
}

int fabric_host_maintenance(struct fabric *f, const char *name, bool on, uint32_t uid,
			    struct fabric_problem *problem, fabric_answer_fn *fn, void *arg)
{
	struct fabric_host *host = host_get(f, name);

	f->now_ms = f->io.now_ms(f->io.arg);
	if (!host)
		return problem_say(problem, REFUSE_NO_HOST, "there is no host %s", name);
	if (f->frozen)
		return problem_say(problem, REFUSE_FROZEN, "%s", f->frozen_why);
	if (!host_is_open(host))
		return problem_say(problem, REFUSE_HOST_STATE,
				   "%s is %s; fabricctl host readmit %s comes first", name,
				   fabric_host_state_text(host->state), name);
	if (on && host->cold.incident)
		return problem_say(problem, REFUSE_HOST_STATE,
				   "%s is being started for incident %" PRIu64
				   ", and nobody else would take over; fabricctl host failover %s "
				   "gives what it has to the next spare",
				   name, host->cold.incident, name);
	if (on != (host->state == FABRIC_HOST_MAINTENANCE)) {
		history_audit(f, uid, "host.maintenance", name, 0, "%s", on ? "on" : "off");
		if (on) {
			maintenance_begin(f, host);
			maintenance_say(f, host);
		} else {
			watch_anew(f, host);
			history_event(f, "host.maintenance", name, "off");
		}
	}
	(void)batch_open(f);
	batch_answer(f, fn, arg, 0);
	wake(f);
	return 0;
}

/* ---- S10: hosts that flap ---- */

void flap_company(const struct fabric *f, struct chassis *c)
{
	size_t suspects = 0;

	for (size_t i = 0; i < c->host_count; i++)
		suspects += c->hosts[i]->state == FABRIC_HOST_SUSPECT;
	if (suspects < f->config.storm_min ||
	    suspects * 100 < c->host_count * f->config.storm_percent)
		return;
	for (size_t i = 0; i < c->host_count; i++)
		if (c->hosts[i]->state == FABRIC_HOST_SUSPECT)
			c->hosts[i]->suspect_with_others = true;
}

void flap_judge(struct fabric *f, struct fabric_host *host)
{
	if (!f->config.flap_count || live_rate_allows(&host->flaps, f->config.flap_count,
						      f->config.flap_window_ms, f->now_ms))
		return;
	host->state = FABRIC_HOST_QUARANTINED;
	host->verdict_told = false;
	host_store(f, host);
	log_warning("host %s: quarantined, it flaps", host->name);
	history_audit(f, 0, "host.quarantine", host->name, 0, "it flaps");
	history_event(f, "host.quarantined", host->name,
		      "%u times silent or dead within %" PRIu32
		      " s; once it is mended: fabricctl host readmit %s",
		      f->config.flap_count, f->config.flap_window_ms / 1000, host->name);
	look(f);
}

void quarantine_leave(struct fabric *f, struct fabric_host *host)
{
	flaps_forget(f, host);
	watch_anew(f, host);
	history_event(f, "host.readmitted", host->name, "epoch %" PRIu64, host->epoch);
}

/* ---- a planned move of all that a host has ---- */

/* @out: all that it has, each group with its target. */
static int drain_check(struct fabric *f, const char *name, const char *to,
		       struct fabric_problem *problem, struct move **out)
{
	OWNED(move_free) struct move *m = NULL;
	struct fabric_host *host = host_get(f, name);
	struct fabric_host *target = host_get(f, to);
	int r;

	f->now_ms = f->io.now_ms(f->io.arg);
	if (!host)
		return problem_say(problem, REFUSE_NO_HOST, "there is no host %s", name);
	if (f->frozen)
		return problem_say(problem, REFUSE_FROZEN, "%s", f->frozen_why);
	if (host_is_shut(host))
		return problem_say(problem, REFUSE_HOST_STATE,
				   "%s is %s; incident %" PRIu64 " moves what it has", name,
				   fabric_host_state_text(host->state), host->incident);
	r = awaits_check(host, problem);
	if (r)
		return r;
	if (to[0] && !target)
		return problem_say(problem, REFUSE_NO_HOST, "there is no host %s", to);
	r = move_new(f, host, MOVE_ALL, &m);
	if (!r && !to[0])
		r = moves_place(f, &m, 1);
	if (r)
		return r;
	for (size_t i = 0; target && i < m->group_count; i++)
		m->groups[i].target = target;
	if (move_waiting(m))
		return problem_say(problem, REFUSE_NO_SPARE, "%s; or name one: --to HOST",
				   move_waiting(m)->why);
	for (size_t i = 0; !target && i < m->group_count; i++)
		if (host_is_cold(f, m->groups[i].target))
			return problem_say(problem, REFUSE_NO_SPARE,
					   "%s is a cold spare: power it on first; or name one: "
					   "--to HOST",
					   m->groups[i].target->name);
	*out = TAKE(m);
	return 0;
}

/* @m->fn_count of them, the caller's. */
static struct fabric_request_op *drain_ops(const struct move *m)
{
	struct fabric_request_op *ops = calloc(m->fn_count, sizeof(*ops));
	uint16_t vports[PROVIDER_VPORTS_MAX];
	size_t n = 0;

	if (!ops)
		return NULL;
	move_vports(m, vports);
	for (size_t i = 0; i < m->group_count; i++) {
		for (size_t k = 0; k < m->groups[i].count; k++, n++) {
			ops[n].op = DB_OP_MOVE;
			ops[n].vport = vports[n]; /* 0: admission says that there is none */
			(void)snprintf(ops[n].function, sizeof(ops[n].function), "%s",
				       m->groups[i].fns[k]->name);
			(void)snprintf(ops[n].host, sizeof(ops[n].host), "%s",
				       m->groups[i].target->name);
		}
	}
	return ops;
}

int fabric_host_drain(struct fabric *f, const char *name, const char *to,
		      const struct fabric_asker *who, struct fabric_problem *problem,
		      fabric_answer_fn *fn, void *arg)
{
	struct fabric_request request = { .uid = who->uid, .key = who->key, .hash = who->hash };
	struct fabric_request_op *ops;
	OWNED(move_free) struct move *m = NULL;
	char target[FABRIC_NAME_MAX];
	int r;

	/* Before it is looked at what the host has: it is empty by then. */
	r = change_request_begin(f, &request, problem, fn, arg);
	if (r != -ENOENT)
		return r;
	r = drain_check(f, name, to, problem, &m);
	if (r)
		return r;
	if (!m->fn_count)
		return problem_say(problem, REFUSE_FUNCTION_FREE, "%s holds no function", name);
	ops = drain_ops(m);
	if (!ops)
		return -ENOMEM;
	request.ops = ops;
	request.op_count = m->fn_count;
	r = fabric_change_request(f, &request, problem, fn, arg);
	free(ops);
	if (r)
		return r;
	move_targets(m, target);
	history_audit(f, who->uid, "host.drain", name, 0, "to %s", target);
	history_event(f, "host.drain", name, "%zu function%s to %s", m->fn_count,
		      m->fn_count == 1 ? "" : "s", target);
	return 0;
}

int fabric_host_drain_plan(struct fabric *f, const char *name, const char *to,
			   struct fabric_problem *problem, struct fabric_plan *out)
{
	struct fabric_request request = { 0 };
	struct fabric_request_op *ops;
	OWNED(move_free) struct move *m = NULL;
	int r = drain_check(f, name, to, problem, &m);

	*out = (struct fabric_plan){ 0 };
	if (r)
		return r;
	if (!m->fn_count) {
		(void)snprintf(out->detail, sizeof(out->detail), "%s holds no function", name);
		return 0;
	}
	ops = drain_ops(m);
	if (!ops)
		return -ENOMEM;
	request.ops = ops;
	request.op_count = m->fn_count;
	r = fabric_change_plan(f, &request, problem, out);
	free(ops);
	if (!r)
		move_targets(m, out->target);
	return r;
}
