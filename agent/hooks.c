/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/hooks.h"

#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/hook_folder.h"

enum {
	WORDS = 6 + SYSFS_NODES, /* program, what, function, address, driver, nodes, NULL */
	VARIABLES = 6,
};

struct hooks {
	struct children *children;
	struct hooks_order order;
	struct hook_names names;
	size_t next;
	char path[PATH_MAX];
	char env[VARIABLES][128];
	char env_nodes[sizeof("FABRIC_NODES=") + (size_t)SYSFS_NODES * SYSFS_NODE_MAX];
	struct event *now; /* a run without hooks ends later too */
	hooks_done_fn *fn;
	void *arg;
};

static const char *known(const char *text)
{
	return text[0] ? text : "-";
}

static void hooks_end(struct hooks *h, const char *why)
{
	h->fn(h->arg, why); /* may free it */
}

static void hook_next(struct hooks *h);

static void hook_done(void *arg, const struct child_result *result)
{
	struct hooks *h = arg;
	char why[HOOKS_WHY_MAX];
	const char *name = h->names.names[h->next - 1];

	if (!result->status) {
		hook_next(h);
		return;
	}
	if (result->timed_out)
		(void)snprintf(why, sizeof(why), "%.48s: not done in its time%s%.128s", name,
			       result->last[0] ? ": " : "", result->last);
	else if (result->last[0])
		(void)snprintf(why, sizeof(why), "%.48s: %.192s", name, result->last);
	else
		(void)snprintf(why, sizeof(why), "%.48s: exit code %d", name, result->status);
	hooks_end(h, why);
}

static void env_make(struct hooks *h, const char *env[VARIABLES + 1])
{
	const struct hooks_order *o = &h->order;
	const struct {
		const char *name;
		const char *value;
	} variables[VARIABLES - 1] = {
		{ "FABRIC_EVENT", o->what },        { "FABRIC_HOST", o->host },
		{ "FABRIC_FUNCTION", o->function }, { "FABRIC_ADDRESS", o->address },
		{ "FABRIC_DRIVER", o->driver },
	};
	size_t length = (size_t)snprintf(h->env_nodes, sizeof(h->env_nodes), "FABRIC_NODES=");

	for (size_t i = 0; i < VARIABLES - 1; i++) {
		(void)snprintf(h->env[i], sizeof(h->env[i]), "%s=%s", variables[i].name,
			       variables[i].value);
		env[i] = h->env[i];
	}
	for (size_t i = 0; i < o->node_count; i++)
		length += (size_t)snprintf(h->env_nodes + length, sizeof(h->env_nodes) - length,
					   "%s%s", i ? " " : "", o->nodes[i]);
	env[VARIABLES - 1] = h->env_nodes;
	env[VARIABLES] = NULL;
}

static int hook_start(struct hooks *h, uint32_t deadline_ms)
{
	const struct hooks_order *o = &h->order;
	const char *words[WORDS + 1] = { h->path, o->what, known(o->function), known(o->address),
					 known(o->driver) };
	const char *env[VARIABLES + 1];
	struct child_order order = { .argv = words, .env = env, .deadline_ms = deadline_ms };

	for (size_t i = 0; i < o->node_count && i < SYSFS_NODES; i++)
		words[5 + i] = o->nodes[i];
	env_make(h, env);
	return children_start(h->children, &order, hook_done, h);
}

/* Whoever may write there would be root here. It counts as a hook that fails: what it was to guard
 * is not given up unasked. Return: false, it has been refused. */
static bool trust_check(struct hooks *h, const char *path, const char *name, const char *done)
{
	char why[HOOKS_WHY_MAX];
	char reason[HOOK_WHY_MAX];

	if (hook_is_trusted(path, reason))
		return true;
	(void)snprintf(why, sizeof(why), "%.64s is not %s: it %s", name, done, reason);
	hooks_end(h, why);
	return false;
}

static void hook_next(struct hooks *h)
{
	uint64_t now = clock_boot_ms();
	uint64_t left = h->order.all_by_ms > now ? h->order.all_by_ms - now : 0;

	while (h->next < h->names.count) {
		const char *name = h->names.names[h->next++];

		if (snprintf(h->path, sizeof(h->path), "%s/%s", h->order.folder, name) >=
			    (int)sizeof(h->path) ||
		    !hook_is_program(h->path))
			continue;
		if (!trust_check(h, h->path, name, "run"))
			return;
		if (!left)
			hooks_end(h, "no time is left for the hooks");
		else if (hook_start(h, left < h->order.each_ms ? (uint32_t)left : h->order.each_ms))
			hooks_end(h, "the agent cannot start a process");
		return;
	}
	hooks_end(h, NULL);
}

static void on_now(evutil_socket_t fd, short what, void *arg)
{
	struct hooks *h = arg;

	(void)fd;
	(void)what;
	if (!h->names.count || trust_check(h, h->order.folder, h->order.folder, "used"))
		hook_next(h);
}

int hooks_run(struct children *children, const struct hooks_order *order, hooks_done_fn *fn,
	      void *arg, struct hooks **out)
{
	struct hooks *h = calloc(1, sizeof(*h));
	struct timeval now = { 0 };
	int r;

	if (!h)
		return -ENOMEM;
	h->children = children;
	h->order = *order;
	h->fn = fn;
	h->arg = arg;
	/* One that is not there has none. */
	r = hook_names_read(order->folder, &h->names);
	h->now = r == -ENOMEM ? NULL : evtimer_new(children->base, on_now, h);
	if (!h->now || event_add(h->now, &now)) {
		hooks_free(h);
		return -ENOMEM;
	}
	*out = h;
	return 0;
}

void hooks_free(struct hooks *h)
{
	if (!h)
		return;
	children_forget(h->children, h);
	if (h->now)
		event_free(h->now);
	hook_names_done(&h->names);
	free(h);
}
