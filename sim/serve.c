/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/serve.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "common/log.h"
#include "provider/server.h"
#include "sim/control.h"
#include "sim/model.h"
#include "sim/store.h"

enum { SYNC_SECONDS = 1 };

struct serve {
	struct event_base *base;
	struct sim_model *model;
	struct sim_names names;
	struct sim_control control;
	struct sim_store *store;
	struct provider_server *server;
	struct provider *provider;
	struct event *stops[2];
	struct event *sync;
	struct event *kick;
};

static void on_kick(evutil_socket_t fd, short what, void *arg)
{
	struct serve *s = arg;

	(void)fd;
	(void)what;
	provider_server_kick(s->server);
}

static int on_control(void *arg, const char *request, size_t length, struct buf *answer)
{
	struct serve *s = arg;
	int r;

	if (strlen(request) != length) {
		buf_text(answer, "a NUL in the request");
		return REFUSE_FIELD;
	}
	r = sim_control(&s->control, request, answer);
	/* News for the manager are told once this answer has been written. */
	event_active(s->kick, EV_TIMEOUT, 0);
	if (strncmp(request, "bindings", strlen("bindings")) != 0)
		log_notice("control: %s%s", request, r ? ": refused" : "");
	return r;
}

static void on_manager(void *arg, bool here)
{
	(void)arg;
	log_notice("manager: %s", here ? "connected" : "gone");
}

/* "-" for none. */
static void place_name(const struct sim_names *names, uint16_t host, char out[TOPO_NAME_MAX])
{
	(void)snprintf(out, TOPO_NAME_MAX, "-");
	if (host)
		sim_names_host(names, host, out);
}

/* What the switch has done, whatever is answered: one line of words that a test can read. */
static void on_effect(void *arg, const struct sim_effect *effect)
{
	const struct serve *s = arg;
	const struct provider_op *op = effect->op;
	char function[TOPO_NAME_MAX] = "-";
	char host[TOPO_NAME_MAX], before[TOPO_NAME_MAX], after[TOPO_NAME_MAX];

	if (op->verb == PROVIDER_READ || op->verb == PROVIDER_READ_HOST)
		return;
	if (op->function)
		sim_names_function(&s->names, op->function, function);
	place_name(&s->names, op->host, host);
	place_name(&s->names, effect->before.host, before);
	place_name(&s->names, effect->after.host, after);
	log_debug("effect verb=%s function=%s host=%s generation=%" PRIu64 " attempt=%" PRIu64
		  " outcome=%s before=%s after=%s why=%d late=%d orphan=%d",
		  provider_verb_text(op->verb), function, host, op->generation, op->attempt,
		  provider_outcome_text(effect->outcome), before, after, (int)effect->why,
		  effect->is_late, effect->is_orphan);
}

static void on_sync(evutil_socket_t fd, short what, void *arg)
{
	const struct serve *s = arg;

	(void)fd;
	(void)what;
	sim_store_sync(s->store);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
	struct serve *s = arg;

	(void)fd;
	(void)what;
	(void)event_base_loopbreak(s->base); /* cannot fail on a base that runs */
}

static enum sim_exit say(const char *what, int r)
{
	log_err("%s: %s", what, r < 0 ? strerror(-r) : refusal_text(r));
	return EXIT_FAILED;
}

/* The model, its names, and its memory. */
static enum sim_exit model_open(struct serve *s, const struct sim_chassis *chassis,
				const char *state_path)
{
	char why[SIM_STORE_WHY];
	int r = sim_model_new(chassis, &s->model);

	if (!r)
		r = sim_names_init(&s->names, sim_model_map(s->model));
	if (r)
		return say("model", r);
	s->control = (struct sim_control){ s->model, &s->names };
	sim_model_observe(s->model, on_effect, s);
	r = sim_store_open(state_path, s->model, &s->store, why);
	if (!r)
		return EXIT_DONE;
	log_err("%s", why);
	return r > 0 ? EXIT_REFUSED : EXIT_FAILED;
}

static enum sim_exit base_open(struct serve *s)
{
	struct event_config *config = event_config_new();
	const struct timeval each = { .tv_sec = SYNC_SECONDS };

	if (!config || event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER))
		return say("event loop", -ENOMEM);
	s->base = event_base_new_with_config(config);
	event_config_free(config);
	if (!s->base)
		return say("event loop", -ENOMEM);
	s->stops[0] = evsignal_new(s->base, SIGTERM, on_stop, s);
	s->stops[1] = evsignal_new(s->base, SIGINT, on_stop, s);
	s->sync = event_new(s->base, -1, EV_PERSIST, on_sync, s);
	s->kick = evtimer_new(s->base, on_kick, s);
	if (!s->stops[0] || !s->stops[1] || !s->sync || !s->kick || event_add(s->stops[0], NULL) ||
	    event_add(s->stops[1], NULL) || event_add(s->sync, &each))
		return say("event loop", -ENOMEM);
	return EXIT_DONE;
}

static enum sim_exit socket_open(struct serve *s, const char *socket_path)
{
	const struct provider_server_user user = {
		.control = on_control,
		.manager = on_manager,
		.arg = s,
	};
	struct provider_sink sink;
	int r = provider_server_new(s->base, socket_path, &user, &s->server);

	if (r) {
		say(socket_path, r);
		return r == -EADDRINUSE ? EXIT_REFUSED : EXIT_FAILED;
	}
	sink = provider_server_sink(s->server);
	s->provider = sim_model_provider(s->model, &sink);
	if (!s->provider)
		return say("provider", -ENOMEM);
	provider_server_attach(s->server, s->provider, sim_model_hello(s->model));
	return EXIT_DONE;
}

static void event_done(struct event *event)
{
	if (event)
		event_free(event);
}

static void serve_done(struct serve *s)
{
	provider_server_free(s->server);
	provider_close(s->provider);
	sim_store_close(s->store);
	event_done(s->stops[0]);
	event_done(s->stops[1]);
	event_done(s->sync);
	event_done(s->kick);
	if (s->base)
		event_base_free(s->base);
	sim_names_done(&s->names);
	sim_model_free(s->model);
}

enum sim_exit sim_serve(const struct sim_chassis *chassis, const char *state_path,
			const char *socket_path)
{
	struct serve s = { 0 };
	enum sim_exit r = model_open(&s, chassis, state_path);

	/* A peer that is gone is told by write(), not by a signal. */
	(void)signal(SIGPIPE, SIG_IGN); /* fails only for signals that do not exist */
	if (!r)
		r = base_open(&s);
	if (!r)
		r = socket_open(&s, socket_path);
	if (!r) {
		log_notice("chassis %s: %zu hosts, %zu functions, at %s", chassis->name,
			   chassis->host_count, sim_model_map(s.model)->function_count,
			   socket_path);
		(void)sd_notify(0, "READY=1"); /* for systemd, if it is there */
		if (event_base_dispatch(s.base) < 0)
			r = say("event loop", -EIO);
		(void)sd_notify(0, "STOPPING=1");
	}
	serve_done(&s);
	return r;
}
