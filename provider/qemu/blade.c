/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/qemu/blade.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "provider/qemu/process.h"

enum {
	RETRY_FIRST_MS = 5, /* a blade that closed its socket is about to end, or to listen again */
	RETRY_MS = 250,
	LOOK_MS = 1000, /* between looks that nobody asked for: an adapter's death has no event */
};

static void blade_connect(struct qemu_blade *blade);

static void told(struct qemu_blade *blade)
{
	blade->user.changed(blade->user.arg, blade);
}

static void timer_set(struct qemu_blade *blade, unsigned ms)
{
	const struct timeval tv = clock_timeval(ms);

	(void)evtimer_add(blade->timer, &tv); /* memory for it is there */
}

static void state_set(struct qemu_blade *blade, enum qemu_blade_state state, const char *why)
{
	(void)snprintf(blade->why, sizeof(blade->why), "%s", why ? why : "");
	if (blade->state == state)
		return;
	log_notice("%s: %s -> %s%s%s", blade->host->bay, qemu_blade_state_text(blade->state),
		   qemu_blade_state_text(state), why ? ": " : "", why ? why : "");
	blade->state = state;
	blade->power_known = true;
}

/* the process */

static void process_drop(struct qemu_blade *blade)
{
	if (blade->on_exit)
		event_free(blade->on_exit);
	blade->on_exit = NULL;
	if (blade->pidfd >= 0)
		(void)close(blade->pidfd);
	blade->pidfd = -1;
	blade->pid = 0;
}

static void link_drop(struct qemu_blade *blade)
{
	qemu_look_drop(blade);
	qemu_link_free(blade->link);
	blade->link = NULL;
	blade->is_ready = false;
	blade->is_dead = false;
}

/* It has ended: with it all that was in it, and all that it might still have done. */
static void blade_off(struct qemu_blade *blade, const char *why)
{
	process_drop(blade);
	link_drop(blade);
	qemu_content_done(&blade->content);
	blade->is_whole = false;
	blade->is_swept = false;
	blade->lost_count = 0;
	blade->has_lost = false;
	blade->failed = 0;
	state_set(blade, QEMU_BLADE_OFF, why);
	timer_set(blade, RETRY_MS);
	told(blade);
}

static void process_exits(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	blade_off(arg, "its process has ended");
}

/* Takes @pidfd over. */
static int process_watch_take(struct qemu_blade *blade, pid_t pid, int pidfd)
{
	process_drop(blade);
	blade->pid = pid;
	blade->pidfd = pidfd;
	blade->on_exit = event_new(blade->base, pidfd, EV_READ, process_exits, blade);
	return blade->on_exit && !event_add(blade->on_exit, NULL) ? 0 : -ENOMEM;
}

/* Another process than before is another blade: nothing of the old one counts. Return: false when
 * the old one is still there, and may still have what it had. */
static bool process_learn(struct qemu_blade *blade)
{
	pid_t pid;
	int pidfd;

	if (qemu_process_of_socket(qemu_link_fd(blade->link), &pid, &pidfd)) {
		log_warning("%s: whose socket %s is cannot be told", blade->host->bay,
			    blade->host->qmp);
		return true;
	}
	if (blade->pidfd >= 0 && !qemu_process_is_gone(blade->pidfd)) {
		(void)close(pidfd);
		return blade->pid == pid;
	}
	qemu_content_done(&blade->content);
	blade->is_whole = false;
	if (process_watch_take(blade, pid, pidfd))
		log_err("%s: %s", blade->host->bay, strerror(ENOMEM));
	return true;
}

/* the link */

static void look_next(struct qemu_blade *blade)
{
	int r;

	if (blade->look || !blade->is_ready || blade->is_dead ||
	    qemu_link_is_overdue(blade->link) ||
	    (blade->look_wanted <= blade->look_seen && blade->state == QEMU_BLADE_UP))
		return;
	blade->look_began = blade->user.tick(blade->user.arg);
	r = qemu_look_begin(blade);
	if (r)
		log_err("%s: %s", blade->host->bay, strerror(-r));
	timer_set(blade, LOOK_MS);
}

void qemu_blade_looked(struct qemu_blade *blade, const char *why)
{
	if (why) {
		state_set(blade, QEMU_BLADE_HUNG, why);
		blade->look_wanted = 0; /* the timer asks again */
	} else if (blade->is_whole && blade->look_seen == blade->look_began) {
		if (blade->look_seen > blade->lost_clock) {
			blade->lost_count = 0;
			blade->has_lost = false;
		}
		state_set(blade, QEMU_BLADE_UP, NULL);
	}
	told(blade);
	if (!why)
		look_next(blade);
}

static void link_ready(void *arg)
{
	struct qemu_blade *blade = arg;

	blade->is_ready = true;
	blade->failed = 0;
	blade->is_swept = false;
	blade->look_began = blade->user.tick(blade->user.arg);
	if (qemu_look_begin(blade))
		state_set(blade, QEMU_BLADE_HUNG, strerror(ENOMEM));
	timer_set(blade, LOOK_MS);
	told(blade);
}

static void link_event(void *arg, const struct qmp_message *event)
{
	struct qemu_blade *blade = arg;
	struct qemu_part *part;
	struct qemu_part gone;

	if (strcmp(event->name, "DEVICE_DELETED") != 0)
		return;
	qemu_look_spoil(blade);
	part = qemu_content_find(&blade->content, event->path);
	if (!part)
		return;
	gone = *part;
	qemu_content_remove(&blade->content, part);
	log_info("%s: %s is gone", blade->host->bay, event->path);
	if (!blade->user.deleted(blade->user.arg, blade, &gone))
		qemu_blade_clear_back(blade, &gone);
	told(blade);
}

static void link_overdue(void *arg, bool overdue)
{
	struct qemu_blade *blade = arg;

	if (overdue) {
		state_set(blade, QEMU_BLADE_HUNG,
			  blade->is_ready ? "QMP gives no answer" : "QMP gives no greeting");
	} else {
		if (blade->state == QEMU_BLADE_HUNG)
			state_set(blade, QEMU_BLADE_STARTING, "QMP answers again");
		look_next(blade);
	}
	told(blade);
}

static void lost_add(struct qemu_blade *blade, uint32_t function)
{
	blade->has_lost = true;
	blade->lost_clock = blade->user.tick(blade->user.arg);
	for (size_t i = 0; i < blade->lost_count; i++)
		if (blade->lost[i] == function)
			return;
	if (function)
		blade->lost[blade->lost_count++] = function; /* each once: there is room */
}

static void link_late(void *arg, uint32_t function)
{
	struct qemu_blade *blade = arg;

	lost_add(blade, function);
	blade->look_wanted = blade->user.tick(blade->user.arg);
	look_next(blade);
	told(blade);
}

/* What was sent and not answered is in doubt until it was looked at again, or the process ends. */
static void lost_note(struct qemu_blade *blade)
{
	for (uint32_t handle = 1; handle <= blade->chassis->adapter_count; handle++)
		if (qemu_link_open(blade->link, QEMU_BINDS, handle))
			lost_add(blade, handle);
	if (qemu_link_open(blade->link, QEMU_CHANGES, 0))
		lost_add(blade, 0);
}

static void link_ended(void *arg, const char *why)
{
	struct qemu_blade *blade = arg;

	log_info("%s: %s: %s", blade->host->bay, blade->host->qmp, why);
	lost_note(blade);
	qemu_look_drop(blade);
	blade->is_dead = true;
	blade->is_ready = false;
	/* most likely it is ending: what its pidfd says is waited for a moment */
	if (blade->state == QEMU_BLADE_UP)
		state_set(blade, QEMU_BLADE_STARTING, why);
	timer_set(blade, blade->failed ? RETRY_MS : RETRY_FIRST_MS);
	told(blade);
}

/* A process without its socket is watched as well. Return: as qemu_process_find(). */
static int process_find(struct qemu_blade *blade)
{
	pid_t pid;
	int pidfd;
	int r = qemu_process_find(blade->host->qmp, &pid, &pidfd);

	return r ? r : process_watch_take(blade, pid, pidfd);
}

/* Nobody takes the connection: is the process gone, or is it there without its socket? */
static void connect_refused(struct qemu_blade *blade, int error)
{
	char why[QMP_TEXT_MAX];
	int r;

	if (blade->pidfd >= 0 && qemu_process_is_gone(blade->pidfd)) {
		blade_off(blade, "its process has ended");
		return;
	}
	(void)snprintf(why, sizeof(why), "%s: %s", blade->host->qmp, strerror(error));
	if (error != ENOENT && error != ECONNREFUSED) {
		state_set(blade, QEMU_BLADE_HUNG, why);
		blade->power_known = blade->pidfd >= 0 || error == EAGAIN;
	} else if (blade->pidfd >= 0) {
		state_set(blade, QEMU_BLADE_HUNG, why);
	} else {
		r = process_find(blade);
		if (r == -ESRCH) {
			blade_off(blade, why);
			return;
		}
		state_set(blade, QEMU_BLADE_HUNG, why);
		blade->power_known = !r;
	}
	timer_set(blade, RETRY_MS);
	told(blade);
}

static void blade_connect(struct qemu_blade *blade)
{
	const struct qemu_link_user user = {
		.ready = link_ready,
		.event = link_event,
		.overdue = link_overdue,
		.late = link_late,
		.ended = link_ended,
		.arg = blade,
	};
	int r;

	if (blade->link)
		return;
	r = qemu_link_new(blade->base, blade->host->qmp, blade->chassis->timeout_ms, &user,
			  &blade->link);
	if (blade->state == QEMU_BLADE_OFF && (r == -ENOENT || r == -ECONNREFUSED)) {
		timer_set(blade, RETRY_MS);
		return; /* it is still off */
	}
	if (r) {
		blade->failed++;
		connect_refused(blade, -r);
		return;
	}
	blade->failed++;
	if (!process_learn(blade)) {
		link_drop(blade);
		state_set(blade, QEMU_BLADE_HUNG, "another process serves its socket");
		timer_set(blade, RETRY_MS);
	} else if (blade->state == QEMU_BLADE_OFF ||
		   (blade->state == QEMU_BLADE_STARTING && blade->failed == 1)) {
		state_set(blade, QEMU_BLADE_STARTING, NULL);
	} else if (blade->state == QEMU_BLADE_STARTING) {
		state_set(blade, QEMU_BLADE_HUNG, "it closes its connections");
	}
	told(blade);
}

static void timer_rings(evutil_socket_t fd, short what, void *arg)
{
	struct qemu_blade *blade = arg;

	(void)fd;
	(void)what;
	if (blade->is_dead)
		link_drop(blade);
	if (!blade->link) {
		if (blade->pidfd >= 0 && qemu_process_is_gone(blade->pidfd))
			blade_off(blade, "its process has ended");
		else
			blade_connect(blade);
		return;
	}
	blade->look_wanted = blade->user.tick(blade->user.arg);
	timer_set(blade, LOOK_MS);
	look_next(blade);
}

/* the outside */

int qemu_blade_new(struct event_base *base, const struct qemu_chassis *chassis, uint16_t host,
		   const struct qemu_blade_user *user, struct qemu_blade **out)
{
	OWNED(qemu_blade_free) struct qemu_blade *blade = calloc(1, sizeof(*blade));

	if (!blade)
		return -ENOMEM;
	blade->base = base;
	blade->chassis = chassis;
	blade->host = &chassis->hosts[host - 1];
	blade->handle = host;
	blade->user = *user;
	blade->pidfd = -1;
	blade->power_known = true;
	blade->timer = evtimer_new(base, timer_rings, blade);
	if (!blade->timer)
		return -ENOMEM;
	timer_set(blade, 0);
	*out = TAKE(blade);
	return 0;
}

void qemu_blade_free(struct qemu_blade *blade)
{
	if (!blade)
		return;
	link_drop(blade);
	process_drop(blade);
	qemu_content_done(&blade->content);
	if (blade->timer)
		event_free(blade->timer);
	free(blade);
}

void qemu_blade_look(struct qemu_blade *blade, uint64_t clock, bool thorough)
{
	int r;

	if (blade->look_wanted < clock)
		blade->look_wanted = clock;
	if (blade->state != QEMU_BLADE_OFF) {
		look_next(blade);
		return;
	}
	blade_connect(blade);
	if (!thorough || blade->state != QEMU_BLADE_OFF)
		return;
	r = process_find(blade);
	if (r == -ESRCH)
		return;
	state_set(blade, QEMU_BLADE_HUNG,
		  r ? strerror(-r) : "a process has its socket's path, and nobody listens there");
	blade->power_known = !r;
	told(blade);
}

bool qemu_blade_is_seen(const struct qemu_blade *blade, uint64_t clock)
{
	return blade->state == QEMU_BLADE_HUNG || blade->state == QEMU_BLADE_OFF ||
	       (blade->state == QEMU_BLADE_UP && blade->look_seen >= clock);
}

bool qemu_blade_is_settled(const struct qemu_blade *blade, uint32_t function)
{
	if (blade->state == QEMU_BLADE_OFF)
		return true;
	return !blade->has_lost &&
	       (!blade->link || !qemu_link_open(blade->link, QEMU_CHANGES, function));
}

struct qemu_sight qemu_blade_sight(struct qemu_blade *blade)
{
	struct qemu_sight sight = {
		.state = blade->state,
		.is_whole = blade->is_whole,
		.content = &blade->content,
		.maybe = blade->maybe,
	};

	memcpy(blade->maybe, blade->lost, blade->lost_count * sizeof(blade->lost[0]));
	sight.maybe_count = blade->lost_count;
	if (blade->state == QEMU_BLADE_UP || !blade->link || blade->is_dead)
		return sight; /* what is under way at one that answers is told when it is done */
	/* the same one twice does no harm */
	for (uint32_t handle = 1; handle <= blade->chassis->adapter_count; handle++)
		if (qemu_link_open(blade->link, QEMU_BINDS, handle) &&
		    sight.maybe_count < QEMU_ADAPTERS_MAX)
			blade->maybe[sight.maybe_count++] = handle;
	return sight;
}

uint64_t qemu_blade_send(struct qemu_blade *blade, const char *command,
			 const struct qmp_argument *arguments, enum qemu_effect effect,
			 uint32_t function, qemu_answer_fn *fn, void *arg)
{
	if (!blade->is_ready || blade->is_dead)
		return 0;
	return qemu_link_send(blade->link, command, arguments, effect, function, fn, arg);
}

void qemu_blade_forget(struct qemu_blade *blade, const void *arg)
{
	if (blade->link)
		qemu_link_forget(blade->link, arg);
}

void qemu_blade_clear_back(struct qemu_blade *blade, const struct qemu_part *part)
{
	const struct qmp_argument node[] = { { "node-name", part->node, false }, { 0 } };
	const struct qmp_argument netdev[] = { { "id", part->netdev, false }, { 0 } };
	const char *id = qemu_part_id(part);
	struct qemu_id own;

	if (!id || !qemu_id_parse(id, &own))
		return; /* not ours to clear */
	if (part->node[0])
		(void)qemu_blade_send(blade, "blockdev-del", node, QEMU_CHANGES, 0, NULL, NULL);
	if (part->netdev[0])
		(void)qemu_blade_send(blade, "netdev_del", netdev, QEMU_CHANGES, 0, NULL, NULL);
}

int qemu_blade_add(struct qemu_blade *blade, const struct qemu_part *part)
{
	struct qemu_content *content = &blade->content;
	struct qemu_part *grown;

	qemu_look_spoil(blade); /* it may have asked before */
	if (qemu_content_find(content, part->path))
		return 0;
	grown = reallocarray(content->parts, content->part_count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	content->parts = grown;
	grown[content->part_count++] = *part;
	return 0;
}

int qemu_blade_kill(struct qemu_blade *blade, char *why)
{
	int r;

	if (blade->pidfd < 0) {
		(void)snprintf(why, QMP_TEXT_MAX, "which process it is cannot be told");
		return REFUSE_HOST_STATE;
	}
	if (!qemu_process_serves(blade->pid, blade->host->qmp) &&
	    !qemu_process_is_gone(blade->pidfd)) {
		(void)snprintf(why, QMP_TEXT_MAX,
			       "process %d serves its socket, and does not have it on its command "
			       "line",
			       (int)blade->pid);
		return REFUSE_HOST_STATE;
	}
	r = qemu_process_kill(blade->pidfd);
	return r == -ESRCH ? 0 : r; /* gone already: the pidfd says so */
}
