/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/child.h"
#include "agent/hooks.h"
#include "agent/memory.h"
#include "agent/notify.h"
#include "agent/removal.h"
#include "agent/sysfs.h"
#include "agent/uevent.h"
#include "common/clock.h"
#include "common/log.h"

enum {
	REPORT_MS = 10000, /* a view leaves at least so often */
	GAP_MS = 100,      /* between two looks that events ask for */
	POLL_MS = 1000,    /* between two looks where no events are heard */
	READY_MS = 2000,   /* a function that has come may take so long until its driver is done */
	FENCED_SLOWER = 2, /* as in beat.c */
	NEWCOMERS = 32,
	HOOK_RUNS = 8, /* of after-add and fenced, at once */
};

/* A function that has come, and for which the hooks have not run. */
struct newcomer {
	char address[AGENT_ADDRESS_MAX]; /* "": none */
	uint64_t since_ms;
};

struct hook_run {
	struct agent *agent;
	struct hooks *hooks; /* NULL: free */
	bool is_fence;       /* and once they are done, it is told what is used no more */
	char what[96];
};

struct agent {
	struct agent_config config;
	struct event_base *base;
	struct transport *transports[AGENT_TRANSPORTS];
	size_t transport_count;
	uint64_t seq;
	bool fenced;
	bool leaves;      /* and has said so */
	bool said_status; /* to the hooks and the log */
	struct memory memory;
	uint64_t fence_epoch;      /* that was acted on; 0: none */
	uint64_t fence_used;       /* functions in use when it was */
	struct agent_line stopped; /* the claim; .type AGENT_STOPPED once there is one */
	bool has_claim;
	struct event *beat;
	uint64_t beat_due_ms;
	struct event *look;
	uint64_t look_due_ms;
	uint64_t looked_ms;
	uint64_t reported_ms;
	int uevents; /* -1: not heard */
	struct event *uevent;
	struct view view;
	bool has_view;
	struct agent_line line; /* "seen"; its rows are the view's */
	struct children children;
	struct removals *removals;
	struct newcomer newcomers[NEWCOMERS];
	struct hook_run runs[HOOK_RUNS];
};

static void timer_set(struct event *timer, uint64_t at_ms)
{
	struct timeval tv = clock_timeval_until(at_ms);

	event_add(timer, &tv);
}

/* ---- hooks that nobody waits for ---- */

static void fence_done(struct agent *agent, const char *why);

static void on_hooks(void *arg, const char *why)
{
	struct hook_run *run = arg;

	if (why)
		log_warning("hooks %s: %s", run->what, why);
	if (run->is_fence)
		fence_done(run->agent, why);
	hooks_free(run->hooks);
	run->hooks = NULL;
}

static void hooks_start(struct agent *agent, struct hooks_order *order, bool is_fence)
{
	struct hook_run *run = agent->runs;

	while (run < agent->runs + HOOK_RUNS && run->hooks)
		run++;
	if (run == agent->runs + HOOK_RUNS) {
		log_warning("hooks %s %s: left out, %d run already", order->what, order->address,
			    HOOK_RUNS);
		return;
	}
	order->folder = agent->config.hooks;
	order->host = agent->config.host;
	order->each_ms = agent->config.hook_ms;
	order->all_by_ms = UINT64_MAX;
	run->agent = agent;
	run->is_fence = is_fence;
	(void)snprintf(run->what, sizeof(run->what), "%s %s", order->what, order->address);
	if (hooks_run(&agent->children, order, on_hooks, run, &run->hooks))
		log_warning("hooks %s: no memory", run->what);
}

/* ---- the view ---- */

static void look_at(struct agent *agent, uint64_t at_ms)
{
	if (at_ms >= agent->look_due_ms)
		return;
	agent->look_due_ms = at_ms;
	timer_set(agent->look, at_ms);
}

static void report_to(struct agent *agent, struct transport *t)
{
	agent->line.seen = agent->view.rows;
	agent->line.seen_count = agent->view.count;
	if (agent->has_view)
		(void)t->ops->report(t, &agent->line); /* what is not taken is told soon again */
}

static void report_all(struct agent *agent, uint64_t now)
{
	agent->reported_ms = now;
	for (size_t i = 0; i < agent->transport_count; i++)
		report_to(agent, agent->transports[i]);
}

static void newcomer_add(struct agent *agent, const struct agent_function *row, uint64_t now)
{
	for (size_t i = 0; i < NEWCOMERS; i++) {
		struct newcomer *n = &agent->newcomers[i];

		if (n->address[0] && strcmp(n->address, row->address) != 0)
			continue;
		memcpy(n->address, row->address, sizeof(n->address));
		n->since_ms = now;
		return;
	}
	log_warning("%s: came with too many others: no hooks run for it", row->address);
}

static void view_compare(struct agent *agent, const struct view *now_seen, uint64_t now)
{
	for (size_t i = 0; i < now_seen->count; i++) {
		const struct agent_function *row = &now_seen->rows[i];

		if (view_find(&agent->view, row->address))
			continue;
		log_notice("%s: has come: %04x:%04x", row->address, row->vendor, row->device);
		newcomer_add(agent, row, now);
	}
	for (size_t i = 0; i < agent->view.count; i++)
		if (!view_find(now_seen, agent->view.rows[i].address))
			log_notice("%s: is gone", agent->view.rows[i].address);
}

static bool view_is_same(const struct view *a, const struct view *b)
{
	return a->count == b->count &&
	       (!a->count || !memcmp(a->rows, b->rows, a->count * sizeof(*a->rows)));
}

/* Return: true when the view is another than before. */
static bool view_refresh(struct agent *agent, uint64_t now)
{
	struct view seen = { 0 };
	int r = view_read(agent->config.sysfs, &seen);

	if (r == -ENOMEM)
		return false;
	/* A host without a PCI bus has no functions. */
	if (agent->has_view && view_is_same(&seen, &agent->view)) {
		view_done(&seen);
		return false;
	}
	if (agent->has_view)
		view_compare(agent, &seen, now);
	view_done(&agent->view);
	agent->view = seen;
	agent->has_view = true;
	return true;
}

static void newcomer_look(struct agent *agent, struct newcomer *n, uint64_t now)
{
	const struct agent_function *row = view_find(&agent->view, n->address);
	struct hooks_order order = { .what = "after-add" };

	if (row) {
		order.node_count = sysfs_nodes(agent->config.sysfs, row->address, order.nodes);
		if (!view_row_is_ready(row, order.node_count) && now - n->since_ms < READY_MS) {
			look_at(agent, now + GAP_MS);
			return;
		}
		memcpy(order.address, row->address, sizeof(order.address));
		memcpy(order.driver, row->driver, sizeof(order.driver));
		hooks_start(agent, &order, false);
	}
	n->address[0] = '\0';
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	struct agent *agent = arg;
	uint64_t now = clock_boot_ms();

	(void)fd;
	(void)what;
	agent->look_due_ms = UINT64_MAX;
	agent->looked_ms = now;
	if (view_refresh(agent, now) || now - agent->reported_ms >= REPORT_MS)
		report_all(agent, now);
	for (size_t i = 0; i < NEWCOMERS; i++)
		if (agent->newcomers[i].address[0])
			newcomer_look(agent, &agent->newcomers[i], now);
	removals_look(agent->removals);
	look_at(agent, agent->uevents < 0 ? now + POLL_MS : agent->reported_ms + REPORT_MS);
}

static void on_uevent(evutil_socket_t fd, short what, void *arg)
{
	struct agent *agent = arg;
	bool lost = false;
	int r = uevent_drain((int)fd, &lost);

	(void)what;
	if (r < 0) {
		log_warning("kernel events: %s: sysfs is read every second", strerror(-r));
		event_del(agent->uevent);
		close(agent->uevents);
		agent->uevents = -1;
	}
	if (lost)
		log_warning("kernel events: some were lost; everything is read anew");
	if (!r && !lost)
		return;
	/* Somebody waits for what has gone; all else may wait until the burst is over. */
	removals_look(agent->removals);
	look_at(agent, agent->looked_ms + GAP_MS);
}

static int uevents_open(struct agent *agent)
{
	int r;

	/* The kernel tells of its own tree alone. */
	if (strcmp(agent->config.sysfs, "/sys") != 0)
		return 0;
	r = uevent_open(&agent->uevents);
	if (r) {
		agent->uevents = -1;
		log_notice("kernel events: %s: sysfs is read every second", strerror(-r));
		return 0;
	}
	agent->uevent =
		event_new(agent->base, agent->uevents, EV_READ | EV_PERSIST, on_uevent, agent);
	return agent->uevent && !event_add(agent->uevent, NULL) ? 0 : -ENOMEM;
}

/* ---- what transports tell ---- */

static void say(const struct agent *agent, struct agent_line *line, struct transport *t)
{
	memcpy(line->host, agent->config.host, sizeof(line->host));
	memcpy(line->boot_id, agent->config.boot_id, sizeof(line->boot_id));
	(void)t->ops->report(t, line); /* by another way, or when it is reached again */
}

static void told_say(const struct agent *agent, struct transport *t)
{
	struct agent_line line = { .type = AGENT_TOLD,
				   .epoch = agent->memory.epoch,
				   .incarnation = agent->memory.incarnation };

	say(agent, &line, t);
}

static void on_reached(void *arg, struct transport *t)
{
	struct agent *agent = arg;

	report_to(agent, t);
	told_say(agent, t);
	if (agent->has_claim)
		say(agent, &agent->stopped, t);
}

static void on_told(void *arg, uint64_t *epoch, uint64_t *incarnation)
{
	const struct agent *agent = arg;

	*epoch = agent->memory.epoch;
	*incarnation = agent->memory.incarnation;
}

/* ---- this host is fenced ---- */

/* Functions in slots, which are those of the fabric, that have a driver. */
static uint64_t functions_used(const struct agent *agent)
{
	uint64_t n = 0;

	for (size_t i = 0; i < agent->view.count; i++)
		n += agent->view.rows[i].has_slot && agent->view.rows[i].driver[0];
	return n;
}

/* The hooks have run: what is used no more is told, to the log and to fabricd. */
static void fence_done(struct agent *agent, const char *why)
{
	struct agent_line *line = &agent->stopped;
	uint64_t still;

	if (!agent->fenced)
		return;
	if (agent->config.sysfs)
		(void)view_refresh(agent, clock_boot_ms());
	still = functions_used(agent);
	*line = (struct agent_line){ .type = AGENT_STOPPED,
				     .epoch = agent->fence_epoch,
				     .stopped = agent->fence_used > still
							? agent->fence_used - still
							: 0,
				     .still = still };
	(void)snprintf(line->text, sizeof(line->text), "%s", why ? why : "");
	agent->has_claim = true;
	log_notice("host %s: %" PRIu64 " functions are used no more, %" PRIu64 " still",
		   agent->config.host, line->stopped, line->still);
	if (!why) {
		memcpy(agent->memory.stopped_boot, agent->config.boot_id,
		       sizeof(agent->memory.stopped_boot));
		agent->memory.stopped_epoch = agent->fence_epoch;
		memory_store(agent->config.state, &agent->memory);
	}
	for (size_t i = 0; i < agent->transport_count; i++)
		say(agent, line, agent->transports[i]);
}

/* Once in each epoch of one boot, whatever becomes of this agent meanwhile. */
static void fence_act(struct agent *agent, uint64_t epoch)
{
	struct hooks_order order = { .what = "fenced" };
	const struct memory *m = &agent->memory;

	if (epoch && epoch == agent->fence_epoch)
		return; /* an answer by another way was older, and it is told so again */
	agent->fence_epoch = epoch;
	agent->fence_used = functions_used(agent);
	if (epoch && m->stopped_epoch == epoch && !strcmp(m->stopped_boot, agent->config.boot_id))
		return;
	hooks_start(agent, &order, true);
}

static void fenced_say(struct agent *agent, uint64_t epoch)
{
	const char *host = agent->config.host;

	if (agent->leaves) {
		log_notice("host %s: has left; what it had goes to a spare", host);
		agent->fence_epoch = epoch;
		return;
	}
	log_err("host %s: FENCED, epoch %" PRIu64
		": its adapters are taken away; readmit it once it is repaired",
		host, epoch);
	notify("STATUS=FENCED, epoch %" PRIu64, epoch);
	fence_act(agent, epoch);
}

static void alive_say(struct agent *agent, const struct transport *t)
{
	const char *host = agent->config.host;

	if (agent->fenced)
		log_notice("host %s: readmitted, beating again", host);
	else if (t->ops->beat)
		log_notice("host %s: beating every %" PRIu64 " ms", host,
			   agent->config.interval_ms);
	notify("STATUS=beating");
	agent->has_claim = false;
}

static void on_status(void *arg, struct transport *t, bool is_fenced, uint64_t epoch,
		      uint64_t incarnation)
{
	struct agent *agent = arg;
	/* A fence of which a way does not tell the epoch is the one that was told. */
	bool is_news = !agent->said_status || is_fenced != agent->fenced ||
		       (is_fenced && epoch > agent->fence_epoch);

	if (memory_told(&agent->memory, incarnation, epoch)) {
		memory_store(agent->config.state, &agent->memory);
		for (size_t i = 0; i < agent->transport_count; i++)
			told_say(agent, agent->transports[i]);
	}
	if (!is_news)
		return;
	if (is_fenced)
		fenced_say(agent, epoch);
	else
		alive_say(agent, t);
	agent->fenced = is_fenced;
	agent->said_status = true;
}

static void on_answered(void *arg, void *from, const struct agent_line *answer)
{
	struct transport *t = from;
	int r = t->ops->report(t, answer);

	(void)arg;
	if (r)
		log_warning("fabricd at %s: an answer could not be sent: %s", t->config.where,
			    strerror(-r));
}

static void on_asked(void *arg, struct transport *t, const struct agent_line *leave)
{
	struct agent *agent = arg;
	struct agent_line blind = { .type = AGENT_LEFT,
				    .id = leave->id,
				    .outcome = AGENT_LEFT_FAILED,
				    .text = "this agent sees no functions" };

	if (agent->config.sysfs)
		removals_request(agent->removals, leave, t);
	else
		on_answered(agent, t, &blind);
}

/* The time since boot, or one more than the last: so that an agent that is started again counts
 * upwards, and two that stand side by side on one host, by a mistake, do not shut each other out.
 */
static uint64_t next_seq(void *arg)
{
	struct agent *agent = arg;
	uint64_t now_ms = clock_boot_ms();

	agent->seq = now_ms > agent->seq ? now_ms : agent->seq + 1;
	return agent->seq;
}

/* ---- beats ---- */

static void on_beat(evutil_socket_t fd, short what, void *arg)
{
	struct agent *agent = arg;
	uint64_t now = clock_boot_ms();
	uint64_t pace = agent->config.interval_ms * (agent->fenced ? FENCED_SLOWER : 1);

	(void)fd;
	(void)what;
	for (size_t i = 0; i < agent->transport_count; i++)
		if (agent->transports[i]->ops->beat)
			agent->transports[i]->ops->beat(agent->transports[i]);
	agent->beat_due_ms += pace;
	if (agent->beat_due_ms <= now) /* beats that were missed stay missed */
		agent->beat_due_ms = now + pace;
	timer_set(agent->beat, agent->beat_due_ms);
}

/* ---- start and end ---- */

static int transports_open(struct agent *agent)
{
	const struct agent_config *c = &agent->config;
	const struct transport_sink sink = { .reached = on_reached,
					     .status = on_status,
					     .told = on_told,
					     .asked = on_asked,
					     .seq = next_seq,
					     .arg = agent };
	struct transport_config way = { .key_file = c->key_file,
					.host = c->host,
					.boot_id = c->boot_id,
					.sysfs = c->sysfs ? c->sysfs : "/sys",
					.interval_ms = c->interval_ms };

	for (size_t i = 0; i < c->way_count; i++) {
		int r;

		way.where = c->ways[i].where;
		r = c->ways[i].ops->open(agent->base, &way, &sink, &agent->transports[i]);
		if (r)
			return r;
		agent->transport_count++;
	}
	return 0;
}

static int agent_open(struct agent *agent)
{
	const struct removals_config removals = { .base = agent->base,
						  .children = &agent->children,
						  .sysfs = agent->config.sysfs,
						  .hooks = agent->config.hooks,
						  .host = agent->config.host,
						  .hook_ms = agent->config.hook_ms,
						  .answered = on_answered,
						  .arg = agent };
	uint64_t now = clock_boot_ms();
	int r = removals_new(&removals, &agent->removals);

	agent->beat = evtimer_new(agent->base, on_beat, agent);
	agent->look = evtimer_new(agent->base, on_look, agent);
	if (!r && (!agent->beat || !agent->look))
		r = -ENOMEM;
	if (!r && agent->config.sysfs)
		r = uevents_open(agent);
	if (!r)
		r = transports_open(agent);
	if (r)
		return r;
	agent->beat_due_ms = now;
	agent->look_due_ms = UINT64_MAX;
	/* First the way is opened (its timer was set before), then the first beat leaves. */
	timer_set(agent->beat, now);
	if (agent->config.sysfs)
		look_at(agent, now);
	return 0;
}

int agent_new(struct event_base *base, const struct agent_config *config, struct agent **out)
{
	struct agent *agent = calloc(1, sizeof(*agent));
	int r;

	if (!agent)
		return -ENOMEM;
	agent->config = *config;
	agent->base = base;
	agent->uevents = -1;
	agent->line.type = AGENT_SEEN;
	memcpy(agent->line.host, config->host, sizeof(agent->line.host));
	memcpy(agent->line.boot_id, config->boot_id, sizeof(agent->line.boot_id));
	memory_load(config->state, config->host, &agent->memory);
	children_init(&agent->children, base);
	r = agent_open(agent);
	if (r) {
		agent_free(agent);
		return r;
	}
	*out = agent;
	return 0;
}

bool agent_leave(struct agent *agent)
{
	bool can = false;

	agent->leaves = true;
	event_del(agent->beat);
	for (size_t i = 0; i < agent->transport_count; i++) {
		struct transport *t = agent->transports[i];

		if (!t->ops->leave)
			continue;
		t->ops->leave(t);
		can = true;
	}
	return can;
}

bool agent_is_fenced(const struct agent *agent)
{
	return agent->fenced;
}

void agent_free(struct agent *agent)
{
	if (!agent)
		return;
	for (size_t i = 0; i < agent->transport_count; i++)
		agent->transports[i]->ops->close(agent->transports[i]);
	removals_free(agent->removals);
	for (size_t i = 0; i < HOOK_RUNS; i++)
		hooks_free(agent->runs[i].hooks);
	children_done(&agent->children);
	if (agent->beat)
		event_free(agent->beat);
	if (agent->look)
		event_free(agent->look);
	if (agent->uevent)
		event_free(agent->uevent);
	if (agent->uevents >= 0)
		close(agent->uevents);
	view_done(&agent->view);
	free(agent);
}
