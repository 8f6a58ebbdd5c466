/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Closing a host's door, and proving that its virtual switch is empty (S20).
 *
 * The caller has raised the host's epoch and closed its door in memory, so the gate refuses binds
 * to it already; here, once that is durable: what waits for it is withdrawn, the host is isolated,
 * what is in flight to it settles, and all that its virtual switch shows is unbound until a settled
 * read-back shows it empty. The ladder's first two rungs; a person is the last one for now.
 *
 * The same machine opens a door again: settle, read back empty, let in, read back.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/defect.h"
#include "common/log.h"
#include "fabricd/state.h"

enum fence_at {
	FENCE_STORING, /* the epoch is not durable yet */
	FENCE_START,   /* waits for the switch */
	FENCE_ISOLATING,
	FENCE_SETTLING,
	FENCE_READING,
	FENCE_UNBINDING,
	FENCE_WAITING, /* tries again at wait_ms */
	FENCE_ENDED,
};

struct fabric_fence {
	struct fabric_fence *next;
	uint64_t serial;
	struct fabric_host *host;
	enum fence_at at;
	enum fence_at then; /* after FENCE_WAITING */
	bool opening;       /* a readmission */
	bool keeps;         /* of a blocked host: what is bound to it stays */
	bool isolated;      /* read back */
	bool was_unknown;   /* something has to settle before the next read-back */
	unsigned tries;
	unsigned isolate_tries;
	unsigned pending; /* unbinds under way */
	uint64_t attempt; /* of the one operation that is waited for; unbinds: the first */
	uint64_t wait_ms;
	fabric_answer_fn *fn;
	void *arg;
};

static void fence_step(struct fabric *f, struct fabric_fence *fence);

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

	return op->host == host->as.handle && op->generation && op->verb == PROVIDER_BIND;
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
	return op->attempt &&
	       !provider_queue_put(p->queue, switch_of(p, fence, op), op, provider_timeout(p));
}

static void fence_one(struct fabric *f, struct fabric_fence *fence, enum fence_at at,
		      enum provider_verb verb, uint32_t value)
{
	struct provider_op op = { .verb = verb, .value = value };

	if (!fence_put(f, fence, &op)) {
		fence_wait(f, fence, FENCE_START);
		return;
	}
	fence->attempt = op.attempt;
	fence->at = at;
}

static void fence_say(struct fabric *f, struct fabric_fence *fence, const char *what,
		      const char *detail)
{
	struct fabric_incident *incident = incident_get(f, fence->host->incident);

	if (incident && !fence->opening)
		incident_step(f, incident, what, "%s", detail);
}

static void fence_end(struct fabric *f, struct fabric_fence *fence)
{
	fence->at = FENCE_ENDED;
	fence->host->fence = NULL;
	look(f);
}

/* (4) All that its virtual switch shows: never a list from the assignments. */
static void fence_unbind(struct fabric *f, struct fabric_fence *fence,
			 const struct provider_completion *done)
{
	char detail[DB_TEXT_MAX];

	(void)snprintf(detail, sizeof(detail), "%zu function%s", done->binding_count,
		       done->binding_count == 1 ? "" : "s");
	fence_say(f, fence, "unbind", detail);
	fence->at = FENCE_UNBINDING;
	fence->pending = 0;
	fence->was_unknown = false;
	fence->attempt = 0;
	for (size_t i = 0; i < done->binding_count; i++) {
		struct provider_op op = { .verb = PROVIDER_UNBIND,
					  .function = done->bindings[i].function,
					  .vport = done->bindings[i].vport,
					  .mode = PROVIDER_SURPRISE };

		if (!fence_put(f, fence, &op))
			break;
		if (!fence->attempt)
			fence->attempt = op.attempt;
		fence->pending++;
	}
	if (!fence->pending)
		fence_wait(f, fence, FENCE_START);
}

static void fence_proved(struct fabric *f, struct fabric_fence *fence)
{
	struct fabric_host *host = fence->host;

	fence_say(f, fence, "empty",
		  fence->isolated ? "isolated, its virtual switch read back empty"
				  : "its virtual switch read back empty");
	fence_end(f, fence);
	incident_fenced(f, host, fence->isolated ? "isolated and empty" : "empty");
}

static void door_is_open(struct fabric *f, struct fabric_fence *fence)
{
	fence_end(f, fence);
	door_opened(f, fence->host);
	batch_answer(f, fence->fn, fence->arg, fence->host->epoch);
}

static bool too_often(struct fabric *f, struct fabric_fence *fence, const char *why)
{
	struct fabric_host *host = fence->host;

	if (++fence->tries < f->config.fence_attempts)
		return false;
	fence_end(f, fence);
	if (fence->opening) {
		log_err("host %s: cannot be let in again: %s", host->name, why);
		answer_soon(f, fence->fn, fence->arg, REFUSE_IN_DOUBT, 0);
		return true;
	}
	incident_fence_failed(f, host, why);
	return true;
}

static void opening_read(struct fabric *f, struct fabric_fence *fence,
			 const struct provider_completion *done)
{
	if (done->binding_count && !fence->keeps) {
		(void)too_often(f, fence, "its virtual switch is not empty");
		if (fence->at != FENCE_ENDED)
			fence_unbind(f, fence, done);
		return;
	}
	if (done->host.isolated)
		fence_one(f, fence, FENCE_ISOLATING, PROVIDER_ISOLATE, 0);
	else
		door_is_open(f, fence);
}

static bool can_isolate(const struct fabric *f, const struct fabric_fence *fence)
{
	const struct fabric_provider *p = provider_of_host(f, fence->host);

	return p->hello.can & PROVIDER_CAN_ISOLATE;
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

static void fence_read(struct fabric *f, struct fabric_fence *fence,
		       const struct provider_completion *done)
{
	if (done->outcome != PROVIDER_DONE) {
		if (!too_often(f, fence, "the switch does not answer"))
			fence_wait(f, fence, FENCE_READING);
		return;
	}
	host_seen(f, fence->host, done);
	fence->host->as.state.isolated = done->host.isolated;
	fence->isolated = done->host.isolated;
	if (fence->opening) {
		opening_read(f, fence, done);
		return;
	}
	if (can_isolate(f, fence) && !fence->isolated &&
	    ++fence->isolate_tries < f->config.fence_attempts / 2) {
		fence_one(f, fence, FENCE_ISOLATING, PROVIDER_ISOLATE, 1);
		return;
	}
	if (!done->binding_count) {
		fence_proved(f, fence);
		return;
	}
	if (!too_often(f, fence, "its functions cannot be unbound"))
		fence_unbind(f, fence, done);
}

/* @done NULL: nothing, it is time to go on. */
static void fence_step(struct fabric *f, struct fabric_fence *fence)
{
	struct fabric_provider *p = provider_of_host(f, fence->host);

	if (!provider_is_usable(p)) {
		fence->at = FENCE_START;
		return;
	}
	switch (fence->at) {
	case FENCE_START:
		if (!DEFECT(FENCE_IGNORES_FLIGHT))
			provider_queue_withdraw(p->queue, is_to_host, fence->host);
		if (!fence->opening && can_isolate(f, fence)) {
			fence_say(f, fence, "isolate", "the host's upstream port");
			fence_one(f, fence, FENCE_ISOLATING, PROVIDER_ISOLATE, 1);
			return;
		}
		fence_one(f, fence, FENCE_SETTLING, PROVIDER_SETTLE, 0);
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
	case FENCE_STORING:
	case FENCE_ISOLATING:
	case FENCE_UNBINDING:
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
	if (--fence->pending)
		return;
	if (fence->was_unknown) {
		fence_settle(f, fence);
		return;
	}
	fence->at = FENCE_READING;
	fence_step(f, fence);
}

static void one_completed(struct fabric *f, struct fabric_fence *fence,
			  const struct provider_op *op, const struct provider_completion *done)
{
	switch (op->verb) {
	case PROVIDER_ISOLATE:
		if (done->outcome == PROVIDER_REFUSED || done->outcome == PROVIDER_FAILED)
			fence_say(f, fence, "isolate failed", done->text);
		fence_settle(f, fence);
		break;
	case PROVIDER_SETTLE:
		if (done->outcome != PROVIDER_DONE && !DEFECT(FENCE_IGNORES_FLIGHT)) {
			/* Still in progress: nothing is known before it is over. */
			if (!too_often(f, fence, "what was sent to it does not come to an end"))
				fence_wait(f, fence, FENCE_SETTLING);
			break;
		}
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
	case PROVIDER_HOST_POWER:
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
	if (op->verb == PROVIDER_UNBIND) {
		if (fence->at == FENCE_UNBINDING && op->attempt >= fence->attempt)
			unbind_completed(f, fence, done);
		return;
	}
	if (op->attempt != fence->attempt)
		return;
	if (done->outcome == PROVIDER_GATED && op->verb != PROVIDER_SETTLE)
		fence_wait(f, fence, FENCE_START);
	else
		one_completed(f, fence, op, done);
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
	fence->at = FENCE_STORING;
	(void)batch_open(f);
	batch_after(f, AFTER_FENCE, fence->serial);
	return 0;
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

void fences_advance(struct fabric *f)
{
	struct fabric_fence **at = &f->fences;

	for (struct fabric_fence *fence = f->fences; fence; fence = fence->next) {
		if (fence->at == FENCE_WAITING && fence->wait_ms <= f->now_ms) {
			fence->at = fence->then;
			fence_step(f, fence);
		} else if (fence->at == FENCE_START) {
			fence_step(f, fence);
		}
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
		if (fence->at == FENCE_WAITING && fence->wait_ms < next)
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
