/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The wire between the manager and the switch: what is sent, and the news that come back. */
#include "tests/simulation/world.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The manager's end of the connection: what a dead manager sends goes nowhere. */
struct wire {
	struct provider base;
	struct site *site;
	struct provider *inner;
	struct provider_sink sink; /* the brain's */
};

static struct wire *wire_of(struct provider *p)
{
	return (struct wire *)p;
}

static void wire_close(struct provider *p)
{
	struct wire *wire = wire_of(p);

	provider_close(wire->inner);
	free(wire);
}

static int wire_submit(struct provider *p, const struct provider_op *op)
{
	struct wire *wire = wire_of(p);

	if (!wire->inner)
		return -ENOTCONN;
	if (wire->site->w->dead)
		return 0;
	if (wire->site->w->print)
		world_story(wire->site->w, "    sent: %s function %u host %u vport %u gen %" PRIu64,
			    provider_verb_text(op->verb), op->function, op->host, op->vport,
			    op->generation);
	check_sent(wire->site, op);
	return wire->inner->ops->submit(wire->inner, op);
}

static int wire_scan(struct provider *p)
{
	struct wire *wire = wire_of(p);

	if (!wire->inner)
		return -ENOTCONN;
	return wire->site->w->dead ? 0 : wire->inner->ops->scan(wire->inner);
}

static int wire_view(struct provider *p, uint16_t host, uint64_t cookie)
{
	struct wire *wire = wire_of(p);

	return wire->inner ? wire->inner->ops->view(wire->inner, host, cookie) : -ENOTCONN;
}

static void wire_advance(struct provider *p, uint64_t now_ms)
{
	(void)p;
	(void)now_ms; /* the background's business */
}

static uint64_t wire_next_ms(const struct provider *p)
{
	(void)p;
	return UINT64_MAX;
}

static const struct provider_ops wire_ops = {
	.name = "wire",
	.close = wire_close,
	.submit = wire_submit,
	.scan = wire_scan,
	.view = wire_view,
	.advance = wire_advance,
	.next_ms = wire_next_ms,
};

static struct news *news_add(struct site *s, enum news_kind kind)
{
	struct news *n = calloc(1, sizeof(*n));

	assert(n);
	n->kind = kind;
	*s->news_last = n;
	s->news_last = &n->next;
	return n;
}

static void news_free(struct news *n)
{
	free(n->bindings);
	provider_scan_free(n->scan);
	free(n);
}

void news_drop(struct site *s)
{
	while (s->news) {
		struct news *next = s->news->next;

		news_free(s->news);
		s->news = next;
	}
	s->news_last = &s->news;
}

/* What a host has that does not answer cannot be told; some providers know what it was. */
static void binding_hide(const struct site *s, struct provider_binding *now)
{
	if (!now->host || !actor_is_dumb(s, now->host))
		return;
	now->unknown = true;
	if (s->w->seed % 3)
		return;
	now->host = 0;
	now->vport = 0;
	now->generation = 0;
}

void site_changed(struct site *s)
{
	if (s->wire && s->wire->inner)
		news_add(s, NEWS_TOLD)->event.kind = PROVIDER_EVENT_CHANGED;
}

static void on_completed(void *arg, const struct provider_completion *done)
{
	struct site *s = arg;
	struct news *n = news_add(s, NEWS_COMPLETED);

	check_answered(s, done);
	n->done = *done;
	if (done->host.host && actor_is_dumb(s, done->host.host)) {
		n->done.outcome = PROVIDER_FAILED;
		n->done.binding_count = 0;
		n->done.bindings = NULL;
		return;
	}
	if (!done->binding_count)
		return;
	n->bindings = calloc(done->binding_count, sizeof(*n->bindings));
	assert(n->bindings);
	memcpy(n->bindings, done->bindings, done->binding_count * sizeof(*n->bindings));
	n->done.bindings = n->bindings;
	for (size_t i = 0; i < done->binding_count; i++)
		binding_hide(s, &n->bindings[i]);
}

void wire_answer_late(struct site *s, const struct sim_effect *effect)
{
	struct news *n;

	if (effect->is_orphan || !s->wire || !s->wire->inner || s->w->dead)
		return;
	n = news_add(s, NEWS_COMPLETED);
	n->done.attempt = effect->op->attempt;
	n->done.outcome = effect->outcome;
	n->done.why = effect->why;
}

static void on_scanned_take(void *arg, struct provider_scan *scan, const char *why)
{
	(void)why;
	for (size_t i = 0; scan && i < scan->function_count; i++)
		binding_hide(arg, &scan->functions[i].now);
	news_add(arg, NEWS_SCANNED)->scan = scan;
}

static void on_told(void *arg, const struct provider_event *event)
{
	news_add(arg, NEWS_TOLD)->event = *event;
}

static void on_state(void *arg, enum provider_state state, const struct provider_hello *hello)
{
	struct news *n = news_add(arg, NEWS_STATE);

	n->state = state;
	n->has_hello = hello != NULL;
	if (hello)
		n->hello = *hello;
}

static void on_viewed(void *arg, uint64_t cookie, const struct provider_config *config,
		      const char *why)
{
	(void)arg;
	(void)cookie;
	(void)config;
	(void)why;
}

static void news_deliver(struct site *s, struct news *n)
{
	const struct provider_sink *sink = &s->wire->sink;

	switch (n->kind) {
	case NEWS_COMPLETED:
		actor_counted(s, &n->done);
		sink->completed(sink->arg, &n->done);
		break;
	case NEWS_SCANNED:
		sink->scanned_take(sink->arg, TAKE(n->scan), "lost");
		break;
	case NEWS_TOLD:
		sink->told(sink->arg, &n->event);
		break;
	case NEWS_STATE:
		sink->state(sink->arg, n->state, n->has_hello ? &n->hello : NULL);
		break;
	}
}

struct provider *wire_new(struct site *s)
{
	s->wire = calloc(1, sizeof(*s->wire));
	assert(s->wire);
	s->wire->base.ops = &wire_ops;
	s->wire->site = s;
	return &s->wire->base;
}

void wire_free(struct site *s)
{
	if (s->wire)
		provider_close(&s->wire->base);
	s->wire = NULL;
	s->reconnect_ms = 0;
	news_drop(s);
}

struct provider_sink *wire_sink(struct site *s)
{
	return &s->wire->sink;
}

void wire_open(struct site *s)
{
	struct provider_sink sink = {
		on_completed, on_scanned_take, on_told, on_state, on_viewed, s
	};

	s->wire->inner = sim_model_provider(s->model, &sink);
	assert(s->wire->inner);
	s->reconnect_ms = 0;
}

/* What was sent goes on at the switch; what it answers is lost. */
void site_disconnect(struct site *s, uint64_t for_ms)
{
	if (!s->wire || !s->wire->inner || s->w->dead)
		return;
	provider_close(s->wire->inner);
	s->wire->inner = NULL;
	news_drop(s);
	news_add(s, NEWS_STATE)->state = PROVIDER_LOST;
	s->reconnect_ms = s->w->now_ms + for_ms;
}

void news_advance(struct site *s)
{
	while (s->news && world_manager_runs(s->w)) {
		struct news *n = s->news;

		s->news = n->next;
		if (!s->news)
			s->news_last = &s->news;
		news_deliver(s, n);
		news_free(n);
	}
}
