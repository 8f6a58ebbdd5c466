/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Closing a host's door, and proving that its virtual switch is empty (S20).
 *
 * The caller has raised the host's epoch and closed its door in memory, so the gate refuses binds
 * to it already; here, once that is durable, a ladder is climbed: what waits for the host is
 * withdrawn and it is isolated; all that its virtual switch shows is unbound; its power is taken by
 * the switch; then by a fence-agents program; then a person is asked for (the host is blocked). A
 * rung that is not there, is refused or does not help leads to the next. Each rung ends in the same
 * way: what is in flight settles, the whole virtual switch is read, what it shows is unbound, and
 * only a settled read-back that shows it empty proves. A host whose switch neither settles nor can
 * be read goes up the ladder too, for nothing below can be proved.
 *
 * A program's word that the host is off replaces the proof that it is off, as a person's does,
 * and never the read-back of S1; and it counts only where neither the switch nor a beat says
 * otherwise.
 *
 * The same machine opens a door again: settle, read back empty, let in, read back. And it looks
 * again at a fenced host that has its power back: power-off is not unbind.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/defect.h"
#include "common/log.h"
#include "fabricd/state.h"

enum {
	UNREADABLE_TRIES = 2, /* of a settle or a read, while there is a higher rung */
	UNBIND_TRIES = 3,     /* reads that still show something, likewise */
	POWER_SEEN_MS = 1000, /* a switch may see the loss of power so much later */
};

enum fence_at {
	FENCE_STORING, /* the epoch is not durable yet */
	FENCE_START,   /* its rung begins, once the switch is there */
	FENCE_ISOLATING,
	FENCE_SETTLING,
	FENCE_READING,
	FENCE_UNBINDING,
	FENCE_POWERING,
	FENCE_PROGRAM_OFF,    /* the program runs, action off */
	FENCE_PROGRAM_STATUS, /* it runs again, action status */
	FENCE_LISTENING,      /* for a beat of a host that is said to be off, until wait_ms */
	FENCE_WAITING,        /* tries again at wait_ms */
	FENCE_ENDED,
};

enum fence_rung { RUNG_ISOLATE, RUNG_UNBIND, RUNG_POWER, RUNG_PROGRAM, RUNG_PERSON, RUNGS };

struct fabric_fence {
	struct fabric_fence *next;
	uint64_t serial;
	struct fabric_host *host;
	enum fence_at at;
	enum fence_at then; /* after FENCE_WAITING */
	enum fence_rung rung;
	bool opening; /* a readmission */
	bool keeps;   /* of a blocked host: what is bound to it stays */
	/* At a host that was fenced before: its virtual switch should be empty. No rung yet, and
	 * the patience of all of them: it may be up again, and wait to be let in. */
	bool looking;
	bool isolated;    /* read back */
	bool used[RUNGS]; /* rungs that have done something */
	bool was_unknown; /* something has to settle before the next read-back */
	bool unsettled;   /* a settle has failed: something may still be carried out */
	char unsupported[PROVIDER_TEXT_MAX]; /* why an unbind was refused for good; "": none was */
	unsigned tries;
	unsigned rung_tries;
	unsigned isolate_tries;
	unsigned pending; /* unbinds under way */
	uint64_t attempt; /* of the one operation that is waited for; unbinds: the first */
	uint16_t handle;  /* the host's, that it went to */
	uint64_t run;     /* of the program that is waited for */
	uint64_t said_ms; /* when the program said that the host is off; 0: it did not */
	uint64_t wait_ms;
	uint64_t began_ms;
	char why[DB_TEXT_MAX]; /* why the rung did not help, for people */
	fabric_answer_fn *fn;
	void *arg;
};

static void fence_step(struct fabric *f, struct fabric_fence *fence);
static void rung_begin(struct fabric *f, struct fabric_fence *fence);

static void fence_wait(struct fabric *f, struct fabric_fence *fence, enum fence_at then)
{
	uint64_t wait = 20u << (fence->tries < 7 ? fence->tries : 7);

	fence->at = FENCE_WAITING;
	fence->then = then;
	fence->wait_ms = f->now_ms + wait;
}

static bool is_to_host(const struct provider_op *op, void *arg)
{
	const struct fabric_host *host = arg;

	return op->host == host->as.handle && ((op->generation && op->verb == PROVIDER_BIND) ||
					       (op->verb == PROVIDER_HOST_POWER && op->value));
}

/* An unbind is its function's switch's matter: it stands in that one's queue. */
static uint16_t switch_of(const struct fabric_provider *p, const struct fabric_fence *fence,
			  const struct provider_op *op)
{
	const struct fabric_function *fn = op->function && op->function <= p->function_count
						   ? p->functions[op->function - 1]
						   : NULL;

	return fn && fn->adapter ? fn->adapter->as.switch_handle : fence->host->as.switch_handle;
}

static bool fence_put(struct fabric *f, struct fabric_fence *fence, struct provider_op *op)
{
	struct fabric_provider *p = provider_of_host(f, fence->host);

	op->attempt = attempt_next(f);
	op->epoch = fence->host->epoch;
	op->host = fence->host->as.handle;
	fence->handle = op->host;
	return op->attempt && !provider_queue_put(p->queue, switch_of(p, fence, op),
						  PROVIDER_FOR_FENCE, op, provider_timeout(p));
}

static void fence_one(struct fabric *f, struct fabric_fence *fence, enum fence_at at,
		      enum provider_verb verb, uint32_t value)
{
	struct provider_op op = { .verb = verb, .value = value };

	if (!fence_put(f, fence, &op)) {
		fence_wait(f, fence,
			   verb == PROVIDER_ISOLATE || verb == PROVIDER_HOST_POWER
				   ? FENCE_START
				   : FENCE_SETTLING);
		return;
	}
	fence->attempt = op.attempt;
	fence->at = at;
}

__attribute__((format(printf, 4, 5))) static void
fence_say(struct fabric *f, struct fabric_fence *fence, const char *what, const char *format, ...)
{
	struct fabric_incident *incident = incident_get(f, fence->host->incident);
	char detail[DB_TEXT_MAX];
	va_list args;

	if (!incident || fence->opening || fence->looking)
		return;
	va_start(args, format);
	(void)vsnprintf(detail, sizeof(detail), format, args); /* cut when longer */
	va_end(args);
	/* A host that stays blocked is fenced again and again: what is no news is not said again.
	 */
	if (incident->row.state != DB_INCIDENT_BLOCKED || !incident_is_said(incident, what, detail))
		incident_step(f, incident, what, "%s", detail);
}

static void fence_end(struct fabric *f, struct fabric_fence *fence)
{
	fence->at = FENCE_ENDED;
	fence->host->fence = NULL;
	look(f);
}

static void function_unbinds(struct fabric *f, const struct fabric_fence *fence,
			     const struct provider_op *op)
{
	const struct fabric_provider *p = provider_of_host(f, fence->host);

	if (op->function && op->function <= p->function_count && p->functions[op->function - 1])
		p->functions[op->function - 1]->unbound_from = fence->host;
}

/* (4) All that its virtual switch shows: never a list from the assignments. */
static bool counts(const struct fabric *f, const struct fabric_host *host,
		   const struct provider_binding *shown)
{
	const struct fabric_provider *p = provider_of_host(f, host);

	return !DEFECT(FENCE_BY_LIST) || (shown->function && shown->function <= p->function_count &&
					  p->functions[shown->function - 1] &&
					  p->functions[shown->function - 1]->host == host);
}

static bool is_empty(const struct fabric *f, const struct fabric_host *host,
		     const struct provider_completion *done)
{
	for (size_t i = 0; i < done->binding_count; i++)
		if (counts(f, host, &done->bindings[i]))
			return false;
	return true;
}

static void fence_unbind(struct fabric *f, struct fabric_fence *fence,
			 const struct provider_completion *done)
{
	fence_say(f, fence, "unbind", "%zu function%s", done->binding_count,
		  done->binding_count == 1 ? "" : "s");
	fence->at = FENCE_UNBINDING;
	fence->used[RUNG_UNBIND] = true;
	fence->pending = 0;
	fence->was_unknown = false;
	fence->unsupported[0] = '\0';
	fence->attempt = 0;
	for (size_t i = 0; i < done->binding_count; i++) {
		struct provider_op op = { .verb = PROVIDER_UNBIND,
					  .function = done->bindings[i].function,
					  .vport = done->bindings[i].vport,
					  .mode = PROVIDER_SURPRISE };

		if (!counts(f, fence->host, &done->bindings[i]))
			continue;
		if (!fence_put(f, fence, &op))
			break;
		function_unbinds(f, fence, &op);
		if (!fence->attempt)
			fence->attempt = op.attempt;
		fence->pending++;
	}
	if (!fence->pending)
		fence_wait(f, fence, FENCE_SETTLING);
}

/* For the next time that somebody asks whether this host can be fenced at all. */
static void proof_note(struct fabric *f, struct fabric_fence *fence)
{
	static const char *const names[RUNGS] = { [RUNG_ISOLATE] = "isolate",
						  [RUNG_UNBIND] = "unbind",
						  [RUNG_POWER] = "power",
						  [RUNG_PROGRAM] = "program" };
	struct fabric_host *host = fence->host;
	size_t used = 0;

	fence->used[RUNG_ISOLATE] = fence->isolated;
	host->proved.wall_ms = f->io.wall_ms(f->io.arg);
	host->proved.incident = host->incident;
	host->proved.by_drill = drill_is_of(f, host);
	(void)snprintf(host->proved.rungs, sizeof(host->proved.rungs), "read back empty");
	for (enum fence_rung rung = RUNG_ISOLATE; rung < RUNG_PERSON; rung++)
		if (fence->used[rung])
			used += (size_t)snprintf(host->proved.rungs + used,
						 sizeof(host->proved.rungs) - used, "%s%s",
						 used ? ", " : "", names[rung]);
	/* An incident that nobody knows is not to be written down. */
	if (incident_get(f, host->incident))
		host_store(f, host);
}

static void fence_proved(struct fabric *f, struct fabric_fence *fence)
{
	struct fabric_host *host = fence->host;

	fence_say(f, fence, "empty", "%sits virtual switch read back empty",
		  fence->isolated ? "isolated, " : "");
	host->off_ms = 0;
	if (!fence->looking)
		proof_note(f, fence);
	fence_end(f, fence);
	incident_fenced(f, host, fence->isolated ? "isolated and empty" : "empty");
}

static void door_is_open(struct fabric *f, struct fabric_fence *fence)
{
	fence_end(f, fence);
	door_opened(f, fence->host);
	batch_answer(f, fence->fn, fence->arg, fence->host->epoch);
}

/* ---- the ladder ---- */

static bool can(const struct fabric *f, const struct fabric_host *host, uint32_t what)
{
	const struct fabric_provider *p = provider_of_host(f, host);

	return p && (p->hello.can & what);
}

static bool can_isolate(const struct fabric *f, const struct fabric_host *host)
{
	return !DEFECT(FENCE_UNISOLATED) && can(f, host, PROVIDER_CAN_ISOLATE);
}

static bool can_power(const struct fabric *f, const struct fabric_host *host)
{
	return can(f, host, PROVIDER_CAN_POWER);
}

static bool can_always(const struct fabric *f, const struct fabric_host *host)
{
	(void)f;
	(void)host;
	return true;
}

static bool has_program(const struct fabric *f, const struct fabric_host *host)
{
	return f->io.fence_run && config_fence_find(&f->config, host->name);
}

/* For people: the program's name without its folders. */
static const char *program_name(const struct fabric *f, const struct fabric_host *host)
{
	const struct config_fence *of = config_fence_find(&f->config, host->name);
	const char *slash = of ? strrchr(of->program, '/') : NULL;

	return !of ? "the program" : slash ? slash + 1 : of->program;
}

static void isolate_begin(struct fabric *f, struct fabric_fence *fence)
{
	fence_say(f, fence, "isolate", "the host's upstream port");
	fence_one(f, fence, FENCE_ISOLATING, PROVIDER_ISOLATE, 1);
}

/* What is unbound is what the read shows that follows. */
static void unbind_begin(struct fabric *f, struct fabric_fence *fence)
{
	fence_one(f, fence, FENCE_SETTLING, PROVIDER_SETTLE, 0);
}

static void power_begin(struct fabric *f, struct fabric_fence *fence)
{
	fence->used[RUNG_POWER] = true;
	fence_say(f, fence, "power", "off, by the switch");
	fence_one(f, fence, FENCE_POWERING, PROVIDER_HOST_POWER, 0);
}

static void person_begin(struct fabric *f, struct fabric_fence *fence)
{
	fence_end(f, fence);
	incident_fence_failed(f, fence->host, fence->why, fence->began_ms);
}

static bool program_run(struct fabric *f, struct fabric_fence *fence, enum fence_at at,
			const char *action)
{
	fence->run = ++f->next_fence;
	fence->at = at;
	if (f->io.fence_run(f->io.arg, fence->run, fence->host->name, action))
		return false;
	if (at == FENCE_PROGRAM_OFF)
		fence->host->off_run = fence->run;
	return true;
}

static void rung_up(struct fabric *f, struct fabric_fence *fence, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void program_begin(struct fabric *f, struct fabric_fence *fence)
{
	const char *name = program_name(f, fence->host);

	fence->said_ms = 0;
	fence->used[RUNG_PROGRAM] = true;
	fence_say(f, fence, "program", "%s: off", name);
	if (!program_run(f, fence, FENCE_PROGRAM_OFF, "off"))
		rung_up(f, fence, "%s cannot be run", name);
}

static const struct {
	const char *name; /* in the time line and in plans */
	bool (*is_there)(const struct fabric *f, const struct fabric_host *host);
	void (*begin)(struct fabric *f, struct fabric_fence *fence);
} rungs[RUNGS] = {
	[RUNG_ISOLATE] = { "isolate", can_isolate, isolate_begin },
	[RUNG_UNBIND] = { "unbind", can_always, unbind_begin },
	[RUNG_POWER] = { "power off by the switch", can_power, power_begin },
	[RUNG_PROGRAM] = { "program", has_program, program_begin },
	[RUNG_PERSON] = { "a person", can_always, person_begin },
};

/* A drill takes nobody's power. */
static bool rung_is_there(const struct fabric *f, const struct fabric_fence *fence,
			  enum fence_rung rung)
{
	if ((rung == RUNG_POWER || rung == RUNG_PROGRAM) && drill_is_of(f, fence->host))
		return rung == RUNG_POWER && drill_takes_power(f, fence->host);
	return rungs[rung].is_there(f, fence->host);
}

static enum fence_rung rung_next(const struct fabric *f, const struct fabric_fence *fence)
{
	enum fence_rung rung = fence->rung;

	while (rung < RUNG_PERSON && !rung_is_there(f, fence, ++rung))
		;
	return rung;
}

static void rung_begin(struct fabric *f, struct fabric_fence *fence)
{
	if (!rung_is_there(f, fence, fence->rung))
		fence->rung = rung_next(f, fence);
	rungs[fence->rung].begin(f, fence);
}

/* It did not help: the next one. */
static void rung_up(struct fabric *f, struct fabric_fence *fence, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(fence->why, sizeof(fence->why), format, args); /* cut when longer */
	va_end(args);
	fence->rung = rung_next(f, fence);
	fence->rung_tries = 0;
	if (fence->rung != RUNG_PERSON)
		fence_say(f, fence, "next", "%s, for %s",
			  fence->rung == RUNG_PROGRAM ? program_name(f, fence->host)
						      : rungs[fence->rung].name,
			  fence->why);
	rungs[fence->rung].begin(f, fence);
}

static void ladder_begin(struct fabric *f, struct fabric_fence *fence)
{
	fence->looking = false;
	fence->rung = RUNG_ISOLATE;
	fence->tries = 0;
	fence->rung_tries = 0;
	fence->isolate_tries = 0;
	fence->said_ms = 0;
	fence->at = FENCE_START;
	fence_step(f, fence);
}

/* A fenced host is not what the fence left. */
static void ladder_again(struct fabric *f, struct fabric_fence *fence, const char *why)
{
	incident_fence_again(f, fence->host, why);
	ladder_begin(f, fence);
}

/* ---- a program's word ---- */

/* Who says that the host runs although the program has said that it is off; NULL: nobody. */
static const char *program_contradicted(const struct fabric_fence *fence)
{
	const struct fabric_host *host = fence->host;

	if (DEFECT(FENCE_BELIEVES))
		return NULL;
	if (host->as.state.power_known && host->as.state.power)
		return "the switch sees it powered";
	if (host->live.last_beat_ms > fence->said_ms)
		return "it beats";
	return NULL;
}

/* True when it has been found out, or may yet be: the machine has gone on by itself. */
static bool program_judge(struct fabric *f, struct fabric_fence *fence)
{
	const char *who = program_contradicted(fence);

	if (!fence->said_ms || !who)
		return false;
	if (f->now_ms < fence->said_ms + POWER_SEEN_MS) {
		fence->at = FENCE_WAITING;
		fence->then = FENCE_SETTLING;
		fence->wait_ms = fence->said_ms + POWER_SEEN_MS;
		return true;
	}
	fence->said_ms = 0;
	fence_say(f, fence, "lied", "%s says off, but %s", program_name(f, fence->host), who);
	log_err("host %s: %s says that it is off, but %s", fence->host->name,
		program_name(f, fence->host), who);
	return false;
}

/* Off by a program's word alone: not before a window without a beat has gone by. */
static void program_listen(struct fabric *f, struct fabric_fence *fence, const char *why)
{
	(void)snprintf(fence->why, sizeof(fence->why), "%s", why);
	fence->at = FENCE_LISTENING;
	fence->wait_ms = fence->said_ms +
			 (uint64_t)f->config.beat_interval_ms * (f->config.beat_missed + 1u);
}

/* As fence-confirm: what moves is only what the switch shows nowhere (S1). */
static void program_heard(struct fabric *f, struct fabric_fence *fence)
{
	struct fabric_host *host = fence->host;
	char proof[DB_TEXT_MAX];

	if (program_judge(f, fence))
		return;
	if (!fence->said_ms) {
		rung_up(f, fence, "%s lies about its power", program_name(f, host));
		return;
	}
	(void)snprintf(proof, sizeof(proof), "off, says %s, and nothing says otherwise; %.300s",
		       program_name(f, host), fence->why);
	host->off_ms = fence->said_ms;
	fence_end(f, fence);
	incident_fenced(f, host, proof);
}

static void opening_fail(struct fabric *f, struct fabric_fence *fence, const char *why)
{
	fence_end(f, fence);
	log_err("host %s: cannot be let in again: %s", fence->host->name, why);
	answer_soon(f, fence->fn, fence->arg, REFUSE_IN_DOUBT, 0);
}

/*
 * Something did not come out. False: it is to be tried again. Else the next rung has begun, after
 * @limit tries; where that is a person, after all that the configuration allows.
 */
static bool too_often(struct fabric *f, struct fabric_fence *fence, unsigned limit, const char *why)
{
	/* (2): not even a host that is off counts as fenced before all has settled. */
	bool may_listen = fence->said_ms && !fence->unsettled;
	bool is_last = rung_next(f, fence) == RUNG_PERSON && !may_listen;

	fence->tries++;
	fence->rung_tries++;
	if (fence->opening || fence->looking || is_last ? fence->tries < f->config.fence_attempts
							: fence->rung_tries < limit)
		return false;
	if (fence->opening) {
		opening_fail(f, fence, why);
	} else if (fence->looking) {
		ladder_again(f, fence, why);
	} else if (may_listen) {
		program_listen(f, fence, why);
	} else {
		rung_up(f, fence, "%s", why);
	}
	return true;
}

/* No rung below power can be proved while nothing is read. */
static bool is_unreadable(struct fabric *f, struct fabric_fence *fence, unsigned limit,
			  const char *why)
{
	if (fence->rung < RUNG_UNBIND)
		fence->rung = RUNG_UNBIND;
	return too_often(f, fence, limit, why);
}

static void opening_read(struct fabric *f, struct fabric_fence *fence,
			 const struct provider_completion *done)
{
	if (done->binding_count && !fence->keeps) {
		struct fabric_host *host = fence->host;

		if (!too_often(f, fence, 0, "its virtual switch is not empty"))
			fence_unbind(f, fence, done);
		/* Nobody who is fenced has that, but who is so by somebody's word. */
		else if (!host->off_ms && fence_start(f, host))
			freeze(f, "out of memory");
		return;
	}
	if (done->host.isolated) {
		fence_one(f, fence, FENCE_ISOLATING, PROVIDER_ISOLATE, 0);
	} else if (drill_takes_power(f, fence->host) && !fence->used[RUNG_POWER]) {
		fence->used[RUNG_POWER] = true;
		fence_one(f, fence, FENCE_POWERING, PROVIDER_HOST_POWER, 1);
	} else {
		door_is_open(f, fence);
	}
}

/* A settled read-back: nothing that the fence has sent can still be carried out. */
static void functions_let_go(struct fabric *f, const struct fabric_host *host)
{
	const struct fabric_provider *p = provider_of_host(f, host);

	for (size_t i = 0; i < p->function_count; i++)
		if (p->functions[i] && p->functions[i]->unbound_from == host)
			p->functions[i]->unbound_from = NULL;
}

/* A read-back of the whole virtual switch: what it does not show is not there. */
static void host_seen(struct fabric *f, const struct fabric_host *host,
		      const struct provider_completion *done)
{
	struct fabric_provider *p = provider_of_host(f, host);

	for (size_t i = 0; i < p->function_count; i++) {
		struct fabric_function *fn = p->functions[i];

		if (!fn || fn->as.now.host != host->as.handle)
			continue;
		fn->as.now.host = 0;
		fn->as.now.vport = 0;
		fn->as.now.generation = 0;
	}
	for (size_t i = 0; i < done->binding_count; i++) {
		uint32_t handle = done->bindings[i].function;

		if (handle && handle <= p->function_count && p->functions[handle - 1])
			function_seen(f, p->functions[handle - 1], &done->bindings[i]);
	}
}

/* It is cut off, or will not be. */
static bool is_isolated_enough(struct fabric *f, struct fabric_fence *fence)
{
	if (fence->rung != RUNG_ISOLATE || fence->isolated)
		return true;
	if (++fence->isolate_tries < f->config.fence_attempts / 2)
		return false;
	fence->rung = RUNG_UNBIND;
	return true;
}

/* What is shown there is to be unbound, for the first time or again. */
static void fence_not_empty(struct fabric *f, struct fabric_fence *fence,
			    const struct provider_completion *done)
{
	if (fence->rung < RUNG_UNBIND)
		fence->rung = RUNG_UNBIND;
	if (fence->rung == RUNG_POWER && done->host.power_known && done->host.power) {
		if (!too_often(f, fence, UNREADABLE_TRIES, "the switch does not take its power"))
			fence_wait(f, fence, FENCE_START);
		return;
	}
	if (fence->rung == RUNG_PROGRAM && !fence->said_ms) {
		rung_up(f, fence, "%s did not power it off", program_name(f, fence->host));
		return;
	}
	if (!too_often(f, fence, UNBIND_TRIES, "its functions cannot be unbound"))
		fence_unbind(f, fence, done);
}

/* A drill that takes the power too, and it is empty by now: true while it has its power. */
static bool is_power_to_go(struct fabric *f, struct fabric_fence *fence,
			   const struct provider_completion *done)
{
	if (!drill_takes_power(f, fence->host) || (fence->used[RUNG_POWER] && !done->host.power))
		return false;
	fence->rung = RUNG_POWER;
	if (!fence->used[RUNG_POWER])
		power_begin(f, fence);
	else if (!too_often(f, fence, UNREADABLE_TRIES, "the switch does not take its power"))
		fence_wait(f, fence, FENCE_START);
	return true;
}

static void fence_read_failed(struct fabric *f, struct fabric_fence *fence,
			      const struct provider_completion *done)
{
	const char *why = done->outcome == PROVIDER_UNKNOWN || !done->text[0]
				  ? "the switch does not answer"
				  : done->text;

	/* An answer, and the host is not cut off: it may write for as long as one asks again. */
	unsigned limit = done->outcome != PROVIDER_UNKNOWN && !can_isolate(f, fence->host)
				 ? 1
				 : UNREADABLE_TRIES;

	if (program_judge(f, fence))
		return;
	if (fence->rung == RUNG_PROGRAM && !fence->said_ms)
		rung_up(f, fence, "%s did not power it off", program_name(f, fence->host));
	else if (!is_unreadable(f, fence, limit, why))
		fence_wait(f, fence, FENCE_READING);
}

static void fence_read(struct fabric *f, struct fabric_fence *fence,
		       const struct provider_completion *done)
{
	struct fabric_host *host = fence->host;

	if (done->outcome != PROVIDER_DONE) {
		fence_read_failed(f, fence, done);
		return;
	}
	functions_let_go(f, host);
	host_seen(f, host, done);
	life_power(f, host, &done->host);
	life_traffic(f, host, done);
	host->as.state = done->host;
	host->as.state.host = host->as.handle;
	host_witness(f, host);
	fence->isolated = done->host.isolated;
	if (fence->opening) {
		opening_read(f, fence, done);
		return;
	}
	if (fence->looking && done->binding_count) {
		char why[DB_TEXT_MAX];

		(void)snprintf(why, sizeof(why), "its virtual switch holds %zu function%s",
			       done->binding_count, done->binding_count == 1 ? "" : "s");
		ladder_again(f, fence, why);
		return;
	}
	if (program_judge(f, fence))
		return;
	if (!fence->looking && !is_isolated_enough(f, fence)) {
		fence_one(f, fence, FENCE_ISOLATING, PROVIDER_ISOLATE, 1);
		return;
	}
	if (is_empty(f, host, done) && is_power_to_go(f, fence, done))
		return;
	if (is_empty(f, host, done))
		fence_proved(f, fence);
	else
		fence_not_empty(f, fence, done);
}

/* What was asked says nothing any more: from the first rung. */
static void fence_anew(struct fabric_fence *fence)
{
	fence->at = FENCE_START;
	fence->attempt = 0;
	fence->rung = RUNG_ISOLATE;
	fence->rung_tries = 0;
	fence->isolate_tries = 0;
	fence->said_ms = 0;
}

/* The switch shows no such host: nobody there can be asked, and that proves nothing. It is tried
 * again as every blocked host is, and a person may vouch for it. */
static void fence_gone(struct fabric *f, struct fabric_fence *fence)
{
	static const char why[] = "the switch does not show it";

	if (fence->opening) {
		opening_fail(f, fence, why);
		return;
	}
	(void)snprintf(fence->why, sizeof(fence->why), "%s", why);
	person_begin(f, fence);
}

/* It is time to go on. */
static void fence_step(struct fabric *f, struct fabric_fence *fence)
{
	struct fabric_provider *p = f->providers[fence->host->provider];

	if (!provider_is_usable(p)) {
		fence_anew(fence); /* it may come back as another */
		return;
	}
	if (!fence->host->present) {
		fence_gone(f, fence);
		return;
	}
	switch (fence->at) {
	case FENCE_START:
		if (!DEFECT(FENCE_IGNORES_FLIGHT)) {
			provider_queue_withdraw(p->queue, is_to_host, fence->host);
			if (!fence->opening && !fence->looking)
				items_hasten(f, fence->host);
		}
		if (fence->opening || fence->looking)
			fence_one(f, fence, FENCE_SETTLING, PROVIDER_SETTLE, 0);
		else
			rung_begin(f, fence);
		return;
	case FENCE_SETTLING:
		if (DEFECT(FENCE_IGNORES_FLIGHT))
			fence_one(f, fence, FENCE_READING, PROVIDER_READ_HOST, 0);
		else
			fence_one(f, fence, FENCE_SETTLING, PROVIDER_SETTLE, 0);
		return;
	case FENCE_READING:
		fence_one(f, fence, FENCE_READING, PROVIDER_READ_HOST, 0);
		return;
	case FENCE_LISTENING:
		program_heard(f, fence);
		return;
	case FENCE_STORING:
	case FENCE_ISOLATING:
	case FENCE_UNBINDING:
	case FENCE_POWERING:
	case FENCE_PROGRAM_OFF:
	case FENCE_PROGRAM_STATUS:
	case FENCE_WAITING:
	case FENCE_ENDED:
		return;
	}
}

/* (2) and (5): nothing is read before all that may still be carried out has settled. */
static void fence_settle(struct fabric *f, struct fabric_fence *fence)
{
	fence->at = FENCE_SETTLING;
	fence_step(f, fence);
}

static void unbind_completed(struct fabric *f, struct fabric_fence *fence,
			     const struct provider_completion *done)
{
	if (done->outcome != PROVIDER_DONE)
		fence->was_unknown = true;
	if (done->outcome == PROVIDER_REFUSED || done->outcome == PROVIDER_FAILED)
		fence_say(f, fence, "unbind failed", "%s", done->text);
	if (done->outcome == PROVIDER_REFUSED && done->why == PROVIDER_WHY_UNSUPPORTED)
		(void)snprintf(fence->unsupported, sizeof(fence->unsupported), "%s",
			       done->text[0] ? done->text : "unbinding is not supported");
	if (--fence->pending)
		return;
	/* It would be refused again, for as long as the host is as it is. */
	if (fence->unsupported[0] && !fence->opening && fence->rung == RUNG_UNBIND) {
		rung_up(f, fence, "%s", fence->unsupported);
		return;
	}
	if (fence->was_unknown) {
		fence_settle(f, fence);
		return;
	}
	fence->at = FENCE_READING;
	fence_step(f, fence);
}

static void isolate_completed(struct fabric *f, struct fabric_fence *fence,
			      const struct provider_completion *done)
{
	if (DEFECT(DRILL_UNPROVED) && drill_is_of(f, fence->host) && !fence->opening) {
		fence_proved(f, fence);
		return;
	}
	if (done->outcome == PROVIDER_REFUSED || done->outcome == PROVIDER_FAILED)
		fence_say(f, fence, "isolate failed", "%s", done->text);
	if (done->outcome == PROVIDER_REFUSED && done->why == PROVIDER_WHY_UNSUPPORTED &&
	    fence->rung == RUNG_ISOLATE)
		fence->rung = RUNG_UNBIND;
	fence_settle(f, fence);
}

static void power_completed(struct fabric *f, struct fabric_fence *fence,
			    const struct provider_completion *done)
{
	if (done->outcome == PROVIDER_REFUSED && !fence->opening) {
		fence_say(f, fence, "power refused", "%s", done->text);
		rung_up(f, fence, "the switch does not power it off");
		return;
	}
	if (done->outcome == PROVIDER_DONE && DEFECT(POWER_IS_UNBIND)) {
		fence_proved(f, fence);
		return;
	}
	if (done->outcome == PROVIDER_FAILED)
		fence_say(f, fence, "power failed", "%s", done->text);
	fence_settle(f, fence);
}

static void one_completed(struct fabric *f, struct fabric_fence *fence,
			  const struct provider_op *op, const struct provider_completion *done)
{
	switch (op->verb) {
	case PROVIDER_ISOLATE:
		isolate_completed(f, fence, done);
		break;
	case PROVIDER_HOST_POWER:
		power_completed(f, fence, done);
		break;
	case PROVIDER_SETTLE:
		if (done->outcome != PROVIDER_DONE && !DEFECT(FENCE_IGNORES_FLIGHT)) {
			/* Still in progress: nothing is known before it is over. */
			fence->unsettled = true;
			if (!program_judge(f, fence) &&
			    !is_unreadable(f, fence, UNREADABLE_TRIES,
					   "what was sent to it does not come to an end"))
				fence_wait(f, fence, FENCE_SETTLING);
			break;
		}
		fence->unsettled = false;
		fence->at = FENCE_READING;
		fence_step(f, fence);
		break;
	case PROVIDER_READ_HOST:
		fence_read(f, fence, done);
		break;
	case PROVIDER_VERB_NONE:
	case PROVIDER_UNBIND:
	case PROVIDER_RESET:
	case PROVIDER_IDENTITY:
	case PROVIDER_NUM_VFS:
	case PROVIDER_BIND:
	case PROVIDER_READ:
	case PROVIDER_SLOT_POWER:
	case PROVIDER_SLOT_ATTENTION:
	case PROVIDER_VERBS:
		break;
	}
}

void fence_completed(struct fabric_provider *p, const struct provider_op *op,
		     const struct provider_completion *done)
{
	struct fabric *f = p->f;
	const struct fabric_host *host =
		op->host && op->host <= p->host_count ? p->hosts[op->host - 1] : NULL;
	struct fabric_fence *fence = host ? host->fence : NULL;

	if (!fence || fence->at == FENCE_ENDED)
		return;
	if (op->verb == PROVIDER_UNBIND
		    ? fence->at != FENCE_UNBINDING || op->attempt < fence->attempt
		    : op->attempt != fence->attempt)
		return;
	if (!provider_is_usable(p))
		fence_step(f, fence); /* lost: that says nothing about the host */
	else if (op->verb == PROVIDER_UNBIND)
		unbind_completed(f, fence, done);
	else if (done->outcome == PROVIDER_GATED && op->verb != PROVIDER_SETTLE)
		fence_wait(f, fence, FENCE_START);
	else
		one_completed(f, fence, op, done);
}

void fences_scanned(struct fabric_provider *p)
{
	for (struct fabric_fence *fence = p->f->fences; fence; fence = fence->next) {
		const struct fabric_host *host = fence->host;
		bool is_asked = fence->at == FENCE_ISOLATING || fence->at == FENCE_SETTLING ||
				fence->at == FENCE_READING || fence->at == FENCE_UNBINDING ||
				fence->at == FENCE_POWERING;

		/* The answer would not find it. */
		if (host->provider == p->number && is_asked &&
		    (!host->present || host->as.handle != fence->handle))
			fence_anew(fence);
	}
}

/* fence-agents: status ends with 0 for on, 2 for off; anything else tells nothing. */
static void status_answered(struct fabric *f, struct fabric_fence *fence, int code,
			    const char *text)
{
	const char *name = program_name(f, fence->host);

	if (code == 2) {
		fence->said_ms = f->now_ms;
		fence_say(f, fence, "program", "%s says off", name);
	} else if (!code) {
		fence_say(f, fence, "program failed", "%s says on", name);
	} else {
		fence_say(f, fence, "program failed", "%s, status: %s", name, text);
	}
	fence_settle(f, fence);
}

/* Its outcome is known from its status alone: what ended badly may have worked. */
static void off_answered(struct fabric *f, struct fabric_fence *fence, int code, const char *text)
{
	if (code)
		fence_say(f, fence, "program failed", "%s, off: %s", program_name(f, fence->host),
			  text);
	if (!program_run(f, fence, FENCE_PROGRAM_STATUS, "status"))
		rung_up(f, fence, "%s cannot be run", program_name(f, fence->host));
}

void fabric_fence_answered(struct fabric *f, uint64_t cookie, int code, const char *text)
{
	struct fabric_fence *fence = f->fences;

	f->now_ms = f->io.now_ms(f->io.arg);
	for (size_t i = 0; i < f->hosts.count; i++) {
		struct fabric_host *host = f->hosts.at[i];

		if (host->off_run == cookie)
			host->off_run = 0;
	}
	while (fence && fence->run != cookie)
		fence = fence->next;
	if (!fence)
		return;
	if (fence->at == FENCE_PROGRAM_OFF)
		off_answered(f, fence, code, text);
	else if (fence->at == FENCE_PROGRAM_STATUS)
		status_answered(f, fence, code, text);
	wake(f);
}

/* S14: a fence's command stands on the epoch that the fence was begun under. */
bool fence_gate(const struct fabric *f, const struct fabric_host *host,
		const struct provider_op *op)
{
	(void)f;
	return host->fence && host->epoch == op->epoch;
}

static int fence_new(struct fabric *f, struct fabric_host *host, struct fabric_fence **out)
{
	struct fabric_fence *fence = calloc(1, sizeof(*fence));

	if (!fence)
		return -ENOMEM;
	fence->serial = ++f->next_fence;
	fence->began_ms = f->now_ms;
	fence->host = host;
	fence->next = f->fences;
	f->fences = fence;
	host->fence = fence;
	*out = fence;
	return 0;
}

int fence_start(struct fabric *f, struct fabric_host *host)
{
	struct fabric_fence *fence = NULL;
	int r;

	if (host->fence) {
		/* A readmission is given up; its fence begins anew. */
		if (host->fence->opening)
			answer_soon(f, host->fence->fn, host->fence->arg, REFUSE_HOST_FENCED, 0);
		fence_end(f, host->fence);
	}
	r = fence_new(f, host, &fence);
	if (r)
		return r;
	fence->looking = host->state == FABRIC_HOST_FENCED && !can_isolate(f, host);
	fence->at = FENCE_STORING;
	(void)batch_open(f);
	batch_after(f, AFTER_FENCE, fence->serial);
	return 0;
}

void fence_look(struct fabric *f, struct fabric_host *host, const char *why)
{
	struct fabric_fence *fence = NULL;

	if (host->state != FABRIC_HOST_FENCED || host->fence || host->as.state.isolated)
		return;
	log_notice("host %s: fenced, and %s: looked at again", host->name, why);
	history_event(f, "host.looked-at", host->name, "%s", why);
	if (fence_new(f, host, &fence)) {
		freeze(f, "out of memory");
		return;
	}
	fence->looking = !can_isolate(f, host);
	fence->at = FENCE_START;
	wake(f);
}

void fence_heard(struct fabric *f, struct fabric_host *host)
{
	if (host->state != FABRIC_HOST_FENCED || !host->off_ms ||
	    host->live.last_beat_ms <= host->off_ms)
		return;
	host->off_ms = 0;
	incident_fence_again(f, host, "it was said to be off, and beats");
	if (fence_start(f, host))
		freeze(f, "out of memory");
}

bool fence_is_powering(const struct fabric_host *host)
{
	return host->off_run || (host->fence && host->fence->at == FENCE_POWERING);
}

void fabric_host_rungs(const struct fabric *f, const struct fabric_host *host,
		       char out[static DB_TEXT_MAX])
{
	const size_t size = DB_TEXT_MAX;
	size_t used = 0;

	out[0] = '\0';
	for (enum fence_rung rung = RUNG_ISOLATE; rung < RUNGS; rung++) {
		if (!rungs[rung].is_there(f, host) || used >= size)
			continue;
		used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "",
					 rung == RUNG_PROGRAM ? program_name(f, host)
							      : rungs[rung].name);
	}
}

int fence_open_door(struct fabric *f, struct fabric_host *host, bool keeps, fabric_answer_fn *fn,
		    void *arg)
{
	struct fabric_fence *fence = NULL;
	int r;

	if (host->fence)
		return REFUSE_HOST_STATE;
	r = fence_new(f, host, &fence);
	if (r)
		return r;
	fence->opening = true;
	fence->keeps = keeps;
	fence->fn = fn;
	fence->arg = arg;
	fence->at = FENCE_STORING;
	(void)batch_open(f);
	batch_after(f, AFTER_FENCE, fence->serial);
	return 0;
}

void fence_cancel(struct fabric *f, struct fabric_host *host)
{
	if (host->fence)
		fence_end(f, host->fence);
}

void fence_stored(struct fabric *f, uint64_t serial)
{
	struct fabric_fence *fence = f->fences;

	while (fence && fence->serial != serial)
		fence = fence->next;
	if (!fence || fence->at != FENCE_STORING)
		return;
	fence->at = FENCE_START;
	fence_step(f, fence);
}

static bool is_fence_due(const struct fabric *f, const struct fabric_fence *fence)
{
	if (fence->at == FENCE_LISTENING && program_contradicted(fence))
		return true;
	if (fence->at == FENCE_LISTENING || fence->at == FENCE_WAITING)
		return fence->wait_ms <= f->now_ms;
	return fence->at == FENCE_START;
}

void fences_advance(struct fabric *f)
{
	struct fabric_fence **at = &f->fences;

	for (struct fabric_fence *fence = f->fences; fence; fence = fence->next) {
		if (!is_fence_due(f, fence))
			continue;
		if (fence->at == FENCE_WAITING)
			fence->at = fence->then;
		fence_step(f, fence);
	}
	while (*at) {
		struct fabric_fence *fence = *at;

		if (fence->at != FENCE_ENDED) {
			at = &fence->next;
			continue;
		}
		*at = fence->next;
		free(fence);
	}
}

uint64_t fences_next_ms(const struct fabric *f)
{
	uint64_t next = UINT64_MAX;

	for (const struct fabric_fence *fence = f->fences; fence; fence = fence->next)
		if ((fence->at == FENCE_WAITING || fence->at == FENCE_LISTENING) &&
		    fence->wait_ms < next)
			next = fence->wait_ms;
	return next;
}

void fences_free(struct fabric *f)
{
	while (f->fences) {
		struct fabric_fence *next = f->fences->next;

		free(f->fences);
		f->fences = next;
	}
}
