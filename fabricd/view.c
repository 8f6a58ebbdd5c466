/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configuration space as a host, or the manager, sees it: passed through from the providers. */
#include <errno.h>
#include <stdlib.h>

#include "fabricd/state.h"

struct view {
	struct view *next;
	uint64_t id;
	unsigned provider; /* that is being asked */
	bool all;          /* the manager's own: every provider in turn */
	fabric_view_fn *fn;
	void *arg;
};

static void view_remove(struct fabric *f, struct view *view)
{
	struct view **at = &f->views;

	while (*at && *at != view)
		at = &(*at)->next;
	if (*at)
		*at = view->next;
	free(view);
}

static void view_end(struct fabric *f, struct view *view, const char *why)
{
	fabric_view_fn *fn = view->fn;
	void *arg = view->arg;

	view_remove(f, view);
	fn(arg, NULL, why);
}

/* Asks the first provider from @view->provider on that can be asked. */
static bool view_ask(struct fabric *f, struct view *view, uint16_t host)
{
	for (; view->provider < f->provider_count; view->provider++) {
		struct fabric_provider *p = f->providers[view->provider];

		if (p->connected && (p->hello.can & PROVIDER_CAN_VIEW) &&
		    !p->p->ops->view(p->p, host, view->id))
			return true;
		if (!view->all)
			return false;
	}
	return false;
}

void view_told(struct fabric_provider *p, uint64_t cookie, const struct provider_config *config,
	       const char *why)
{
	struct fabric *f = p->f;
	struct view *view = f->views;

	while (view && view->id != cookie)
		view = view->next;
	if (!view || view->provider != p->number)
		return;
	if (config) {
		view->fn(view->arg, config, NULL);
		return;
	}
	if (view->all && (!why || !*why)) {
		view->provider++;
		if (view_ask(f, view, 0))
			return;
	}
	view_end(f, view, why ? why : "");
}

void views_lost(struct fabric_provider *p, const char *why)
{
	struct view *next;

	for (struct view *view = p->f->views; view; view = next) {
		next = view->next;
		if (view->provider == p->number)
			view_end(p->f, view, why);
	}
}

int fabric_view(struct fabric *f, const char *name, fabric_view_fn *fn, void *arg)
{
	struct fabric_host *host = name ? host_get(f, name) : NULL;
	struct view *view;

	if (name && !host)
		return REFUSE_NO_HOST;
	if (host && !host->present)
		return REFUSE_PROVIDER_AWAY;
	view = calloc(1, sizeof(*view));
	if (!view)
		return -ENOMEM;
	view->id = ++f->next_view;
	view->fn = fn;
	view->arg = arg;
	view->all = !host;
	view->provider = host ? host->provider : 0;
	view->next = f->views;
	f->views = view;
	if (view_ask(f, view, host ? host->as.handle : 0))
		return 0;
	view_remove(f, view);
	return REFUSE_PROVIDER_AWAY;
}

void fabric_view_cancel(struct fabric *f, void *arg)
{
	struct view *next;

	for (struct view *view = f->views; view; view = next) {
		next = view->next;
		if (view->arg == arg)
			view_remove(f, view);
	}
}

void views_free(struct fabric *f)
{
	while (f->views)
		view_remove(f, f->views);
}
