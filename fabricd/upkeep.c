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

	host->state = host->has_beaten ? FABRIC_HOST_ALIVE : FABRIC_HOST_UNKNOWN;
	host->verdict_told = false;
	if (host->has_beaten) {
		live_watch(&host->live, f->now_ms);
		host->live.alive_since_ms = beats ? f->now_ms : 0;
	}
	host_store(f, host);
	f->judge_ms = 0;
	f->reconcile_ms = f->now_ms;
	look(f);
}

/* ---- S13: maintenance ---- */

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
	if (on != (host->state == FABRIC_HOST_MAINTENANCE)) {
		if (on)
			maintenance_begin(f, host);
		else
			watch_anew(f, host);
		history_audit(f, uid, "host.maintenance", name, 0, "%s", on ? "on" : "off");
		history_event(f, "host.maintenance", name, "%s", on ? "on" : "off");
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

void flap_note(struct fabric *f, struct fabric_host *host)
{
	live_rate_note(&host->flaps, f->now_ms);
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
	host->flaps.count = 0;
	watch_anew(f, host);
	history_event(f, "host.readmitted", host->name, "epoch %" PRIu64, host->epoch);
}

/* ---- a planned move of all that a host has ---- */

struct drain {
	struct fabric_host *host;
	struct fabric_host *target;
	struct fabric_function *fns[PROVIDER_VPORTS_MAX];
	size_t count;
};

static int drain_check(struct fabric *f, const char *name, const char *to,
		       struct fabric_problem *problem, struct drain *d)
{
	struct fabric_host *host = host_get(f, name);
	char why[DB_TEXT_MAX] = "";

	f->now_ms = f->io.now_ms(f->io.arg);
	*d = (struct drain){ .host = host };
	if (!host)
		return problem_say(problem, REFUSE_NO_HOST, "there is no host %s", name);
	if (f->frozen)
		return problem_say(problem, REFUSE_FROZEN, "%s", f->frozen_why);
	if (host_is_shut(host))
		return problem_say(problem, REFUSE_HOST_STATE,
				   "%s is %s; incident %" PRIu64 " moves what it has", name,
				   fabric_host_state_text(host->state), host->incident);
	d->count = host_functions(f, host, true, d->fns);
	if (to[0]) {
		d->target = host_get(f, to);
		return d->target ? 0
				 : problem_say(problem, REFUSE_NO_HOST, "there is no host %s", to);
	}
	d->target = d->count ? failover_target(f, host, "", d->fns, d->count, why) : NULL;
	if (d->count && !d->target)
		return problem_say(problem, REFUSE_NO_SPARE, "%s; or name one: --to HOST", why);
	return 0;
}

/* Each goes to the vport that it has, where that is free. @count of them, the caller's. */
static struct fabric_request_op *drain_ops(const struct drain *d)
{
	struct fabric_request_op *ops = calloc(d->count, sizeof(*ops));
	bool taken[PROVIDER_VPORTS_MAX + 1];

	if (!ops)
		return NULL;
	for (uint16_t v = 1; v <= PROVIDER_VPORTS_MAX; v++)
		taken[v] = host_vport_user(d->target, v) || v > d->target->as.vports;
	for (size_t i = 0; i < d->count; i++) {
		uint16_t vport = d->fns[i]->vport;

		if (taken[vport])
			for (vport = 1; vport < PROVIDER_VPORTS_MAX && taken[vport]; vport++)
				;
		ops[i].op = DB_OP_MOVE;
		ops[i].vport = taken[vport] ? 0 : vport; /* admission says that there is none */
		taken[vport] = true;
		(void)snprintf(ops[i].function, sizeof(ops[i].function), "%s", d->fns[i]->name);
		(void)snprintf(ops[i].host, sizeof(ops[i].host), "%s", d->target->name);
	}
	return ops;
}

int fabric_host_drain(struct fabric *f, const char *name, const char *to, uint32_t uid,
		      struct fabric_problem *problem, fabric_answer_fn *fn, void *arg)
{
	struct fabric_request request = { .uid = uid };
	struct fabric_request_op *ops;
	struct drain d;
	int r = drain_check(f, name, to, problem, &d);

	if (r)
		return r;
	if (!d.count)
		return problem_say(problem, REFUSE_FUNCTION_FREE, "%s holds no function", name);
	ops = drain_ops(&d);
	if (!ops)
		return -ENOMEM;
	request.ops = ops;
	request.op_count = d.count;
	r = fabric_change_request(f, &request, problem, fn, arg);
	free(ops);
	if (r)
		return r;
	history_audit(f, uid, "host.drain", name, 0, "to %s", d.target->name);
	history_event(f, "host.drain", name, "%zu function%s to %s", d.count,
		      d.count == 1 ? "" : "s", d.target->name);
	return 0;
}

int fabric_host_drain_plan(struct fabric *f, const char *name, const char *to,
			   struct fabric_problem *problem, struct fabric_plan *out)
{
	struct fabric_request request = { 0 };
	struct fabric_request_op *ops;
	struct drain d;
	int r = drain_check(f, name, to, problem, &d);

	*out = (struct fabric_plan){ 0 };
	if (r)
		return r;
	if (!d.count) {
		(void)snprintf(out->detail, sizeof(out->detail), "%s holds no function", name);
		return 0;
	}
	ops = drain_ops(&d);
	if (!ops)
		return -ENOMEM;
	request.ops = ops;
	request.op_count = d.count;
	r = fabric_change_plan(f, &request, problem, out);
	free(ops);
	if (!r)
		(void)snprintf(out->target, sizeof(out->target), "%s", d.target->name);
	return r;
}
