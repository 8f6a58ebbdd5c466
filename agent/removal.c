/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/removal.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/hooks.h"
#include "agent/leaving.h"
#include "agent/sysfs.h"
#include "common/clock.h"
#include "common/log.h"

enum { LOOK_MS = 100 }; /* where no event tells that it is gone */

struct removal {
	struct removals *all;
	bool is_used;
	void *from;
	struct agent_line answer;  /* its id is that of the request; set once it is over */
	enum leaving_state state;  /* LEAVING_STAY: never used */
	char slot[SYSFS_SLOT_MAX]; /* "": none, it is removed by its own file */
	struct hooks_order order;
	uint64_t started_ms;
	uint32_t deadline_ms;
	struct hooks *hooks;
	struct event *deadline;
	struct event *look;
	char path[PATH_MAX]; /* what is written to */
	uint64_t ended;      /* rises with each that ends */
};

struct removals {
	struct removals_config config;
	struct removal rows[REMOVALS];
	uint64_t ends;
};

static void removal_drive(struct removal *m, enum leaving_event event);

/* ---- the end ---- */

static void removal_stop(struct removal *m)
{
	hooks_free(m->hooks);
	m->hooks = NULL;
	children_forget(m->all->config.children, m);
	if (m->deadline)
		event_free(m->deadline);
	if (m->look)
		event_free(m->look);
	m->deadline = NULL;
	m->look = NULL;
}

__attribute__((format(printf, 2, 3))) static void removal_say(struct removal *m, const char *format,
							      ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(m->answer.text, sizeof(m->answer.text), format,
			args); /* cut when too long */
	va_end(args);
}

static void removal_end(struct removal *m, enum agent_outcome outcome)
{
	uint64_t took = clock_boot_ms() - m->started_ms;

	m->answer.type = AGENT_LEFT;
	m->answer.outcome = outcome;
	m->state = LEAVING_OVER;
	m->ended = ++m->all->ends;
	log_notice("%s at %s: asked to leave: %s after %" PRIu64 " ms%s%s", m->order.function,
		   m->order.address[0] ? m->order.address : "no place", agent_outcome_text(outcome),
		   took, m->answer.text[0] ? ": " : "", m->answer.text);
	removal_stop(m);
	m->all->config.answered(m->all->config.arg, m->from, &m->answer);
}

/* ---- the steps ---- */

static void on_hooks(void *arg, const char *why)
{
	struct removal *m = arg;
	bool is_before = m->state == LEAVING_BEFORE;

	hooks_free(m->hooks);
	m->hooks = NULL;
	if (why && is_before)
		removal_say(m, "%s", why);
	else if (why)
		log_warning("%s at %s: hooks after it left: %s", m->order.function,
			    m->order.address, why);
	removal_drive(m, why ? LEAVING_HOOK_FAILED : LEAVING_HOOKS_DONE);
}

static void hooks_begin(struct removal *m, const char *what)
{
	m->order.what = what;
	if (hooks_run(m->all->config.children, &m->order, on_hooks, m, &m->hooks)) {
		removal_say(m, "no memory for the hooks");
		removal_drive(m, LEAVING_HOOK_FAILED);
	}
}

/* In a process of its own: the kernel comes back when the driver has let go, or never. */
static int path_write(const void *arg)
{
	const struct removal *m = arg;
	const char *value = m->slot[0] ? "0" : "1";
	int fd = open(m->path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, value, 1);

	return n == 1 ? 0 : errno & 0x7f;
}

static void on_written(void *arg, const struct child_result *result)
{
	struct removal *m = arg;

	if (result->timed_out)
		return; /* the whole has the same deadline */
	if (result->status)
		removal_say(m, "%s: %s", m->path,
			    result->status < 128 ? strerror(result->status) : "killed");
	removal_drive(m, result->status ? LEAVING_WRITE_FAILED : LEAVING_WRITTEN);
}

static void removal_ask(struct removal *m)
{
	const struct removals_config *c = &m->all->config;
	struct child_order order = { .run = path_write,
				     .run_arg = m,
				     .deadline_ms = m->deadline_ms };
	const struct timeval every = { .tv_usec = 1000L * LOOK_MS };
	int r;

	if (!sysfs_function_is_there(c->sysfs, m->order.address)) {
		removal_drive(m, LEAVING_GONE);
		return;
	}
	if (m->slot[0])
		(void)snprintf(m->path, sizeof(m->path), "%s/bus/pci/slots/%s/power", c->sysfs,
			       m->slot);
	else
		(void)snprintf(m->path, sizeof(m->path), "%s/bus/pci/devices/%s/remove", c->sysfs,
			       m->order.address);
	r = children_start(c->children, &order, on_written, m);
	if (!r && event_add(m->look, &every))
		r = -ENOMEM;
	if (r) {
		removal_say(m, "a process to write to %s: %s", m->path, strerror(-r));
		removal_drive(m, LEAVING_WRITE_FAILED);
	}
}

static void removal_look(struct removal *m)
{
	if ((m->state == LEAVING_ASKING || m->state == LEAVING_GOING) &&
	    !sysfs_function_is_there(m->all->config.sysfs, m->order.address))
		removal_drive(m, LEAVING_GONE);
}

static void removal_drive(struct removal *m, enum leaving_event event)
{
	enum leaving_state was = m->state;

	if (event == LEAVING_DEADLINE && was != LEAVING_AFTER)
		removal_say(m, "%s after %u ms",
			    was == LEAVING_BEFORE ? "the hooks are not done" : "still there",
			    m->deadline_ms);
	switch (leaving_step(&m->state, event)) {
	case LEAVING_DO_NOTHING:
		return;
	case LEAVING_ASK:
		removal_ask(m);
		return;
	case LEAVING_LOOK:
		removal_look(m);
		return;
	case LEAVING_RUN_AFTER:
		(void)event_del(m->look);
		hooks_begin(m, "after-remove");
		return;
	case LEAVING_SAY_DONE:
		m->answer.text[0] = '\0';
		removal_end(m, AGENT_LEFT_DONE);
		return;
	case LEAVING_SAY_REFUSED:
		removal_end(m, AGENT_LEFT_REFUSED);
		return;
	case LEAVING_SAY_FAILED:
		removal_end(m, AGENT_LEFT_FAILED);
		return;
	}
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	removal_drive(arg, LEAVING_DEADLINE);
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	removal_look(arg);
}

/* ---- the beginning ---- */

static bool same_device(const char *address, const char *device)
{
	size_t n = strlen(device);

	return n && !strncmp(address, device, n) && address[n] == '.';
}

/* Another function in the same slot would lose its power too. Return: true, and it is said. */
static bool is_shared(struct removal *m, const struct view *view, const char *held)
{
	for (size_t i = 0; i < view->count; i++) {
		const char *other = view->rows[i].address;

		if (!same_device(other, held) || !strcmp(other, m->order.address))
			continue;
		removal_say(m, "slot %s holds %s too", m->slot, other);
		return true;
	}
	return false;
}

/* Which function is meant, and where it sits. Return: 0; 1: it is not there; -EINVAL, and why is
 * said
 */
static int removal_aim(struct removal *m, const struct agent_line *leave)
{
	const char *sysfs = m->all->config.sysfs;
	OWNED(view_done) struct view view = { 0 };
	char held[AGENT_ADDRESS_MAX] = "";
	char where[AGENT_ADDRESS_MAX + 2] = "";
	const struct agent_function *row = NULL;

	if (view_read(sysfs, &view))
		return 1; /* no bus, no function */
	if (leave->has_slot && !sysfs_slot_find(sysfs, "", leave->slot, m->slot, held))
		(void)snprintf(where, sizeof(where), "%s.0", held);
	if (leave->address[0] && where[0] && !same_device(leave->address, held) &&
	    view_find(&view, leave->address)) {
		removal_say(m, "slot %u holds %s, not %s", leave->slot, held, leave->address);
		return -EINVAL;
	}
	row = view_find(&view, leave->address[0] ? leave->address : where);
	if (!row)
		return 1;
	memcpy(m->order.address, row->address, sizeof(m->order.address));
	memcpy(m->order.driver, row->driver, sizeof(m->order.driver));
	m->order.node_count = sysfs_nodes(sysfs, row->address, m->order.nodes);
	if (sysfs_slot_find(sysfs, row->address, 0, m->slot, held))
		m->slot[0] = '\0';
	return m->slot[0] && is_shared(m, &view, held) ? -EINVAL : 0;
}

static int removal_arm(struct removal *m)
{
	struct event_base *base = m->all->config.base;
	struct timeval tv = clock_timeval(m->deadline_ms);

	m->deadline = evtimer_new(base, on_deadline, m);
	m->look = event_new(base, -1, EV_PERSIST, on_look, m);
	return m->deadline && m->look && !event_add(m->deadline, &tv) ? 0 : -ENOMEM;
}

static void removal_begin(struct removal *m, const struct agent_line *leave)
{
	int r;

	m->started_ms = clock_boot_ms();
	m->deadline_ms = (uint32_t)leave->deadline_ms;
	m->order.all_by_ms = m->started_ms + leave->deadline_ms;
	r = removal_arm(m);
	if (r)
		removal_say(m, "no memory");
	else
		r = removal_aim(m, leave);
	if (r) {
		removal_end(m, r > 0 ? AGENT_LEFT_DONE : AGENT_LEFT_REFUSED);
		return;
	}
	log_notice("%s at %s: asked to leave, within %u ms", m->order.function, m->order.address,
		   m->deadline_ms);
	m->state = LEAVING_BEFORE;
	hooks_begin(m, "before-remove");
}

/* The one that runs for this function; NULL. */
static struct removal *removal_find(struct removals *r, const struct agent_line *leave)
{
	for (size_t i = 0; i < REMOVALS; i++) {
		struct removal *m = &r->rows[i];
		bool runs = m->is_used && m->state != LEAVING_OVER;

		if (runs && !strcmp(m->order.function, leave->function))
			return m;
	}
	return NULL;
}

/* One that is free, or the one that ended longest ago; NULL: all run. */
static struct removal *removal_place(struct removals *r)
{
	struct removal *best = NULL;

	for (size_t i = 0; i < REMOVALS; i++) {
		struct removal *m = &r->rows[i];

		if (m->is_used && m->state != LEAVING_OVER)
			continue;
		if (!best || m->ended < best->ended)
			best = m;
	}
	return best;
}

static void request_new(struct removals *r, const struct agent_line *leave, void *from)
{
	struct removal *m = removal_place(r);
	struct agent_line busy = { .type = AGENT_LEFT,
				   .id = leave->id,
				   .outcome = AGENT_LEFT_REFUSED };

	if (!m) {
		(void)snprintf(busy.text, sizeof(busy.text), "%d functions are leaving already",
			       REMOVALS);
		r->config.answered(r->config.arg, from, &busy);
		return;
	}
	*m = (struct removal){ .all = r,
			       .is_used = true,
			       .from = from,
			       .answer = { .id = leave->id },
			       .order = { .folder = r->config.hooks,
					  .host = r->config.host,
					  .each_ms = r->config.hook_ms } };
	(void)snprintf(m->order.function, sizeof(m->order.function), "%s", leave->function);
	(void)snprintf(m->order.address, sizeof(m->order.address), "%s", leave->address);
	removal_begin(m, leave);
}

void removals_request(struct removals *r, const struct agent_line *leave, void *from)
{
	struct removal *m = removal_find(r, leave);

	if (!m) {
		request_new(r, leave, from);
		return;
	}
	m->from = from;
	m->answer.id = leave->id;
}

void removals_look(struct removals *r)
{
	for (size_t i = 0; i < REMOVALS; i++)
		if (r->rows[i].is_used)
			removal_look(&r->rows[i]);
}

int removals_new(const struct removals_config *config, struct removals **out)
{
	struct removals *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->config = *config;
	*out = r;
	return 0;
}

void removals_free(struct removals *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < REMOVALS; i++)
		if (r->rows[i].is_used)
			removal_stop(&r->rows[i]);
	free(r);
}
