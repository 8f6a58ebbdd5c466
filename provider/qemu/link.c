/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/qemu/link.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/unix_socket.h"

struct sent {
	STAILQ_ENTRY(sent) at;
	uint64_t id;
	uint64_t deadline_ms;
	uint64_t sent_us;
	char command[24]; /* for the log; cut */
	enum qemu_effect effect;
	uint32_t function;
	qemu_answer_fn *fn;
	void *arg;
};

struct qemu_link {
	struct qemu_link_user user;
	struct bufferevent *stream;
	struct event *clock; /* of the oldest command, or of the greeting */
	STAILQ_HEAD(, sent) waiting;
	unsigned timeout_ms;
	uint64_t last_id;
	uint64_t greeting_ms; /* until when it has to come; 0: it came */
	bool is_overdue;
	bool is_dead;
};

static void clock_set(struct qemu_link *link)
{
	const struct sent *oldest = STAILQ_FIRST(&link->waiting);
	uint64_t due = link->greeting_ms ? link->greeting_ms : oldest ? oldest->deadline_ms : 0;
	struct timeval tv = clock_timeval_until(due);

	if (due && !link->is_overdue)
		(void)evtimer_add(link->clock, &tv); /* memory for it is there */
	else
		(void)evtimer_del(link->clock);
}

static void overdue_set(struct qemu_link *link, bool overdue)
{
	if (link->is_overdue == overdue)
		return;
	link->is_overdue = overdue;
	link->user.overdue(link->user.arg, overdue);
}

static void clock_rings(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	overdue_set(arg, true);
}

static void link_end(struct qemu_link *link, const char *why)
{
	if (link->is_dead)
		return;
	link->is_dead = true;
	(void)bufferevent_disable(link->stream, EV_READ | EV_WRITE);
	(void)evtimer_del(link->clock);
	link->user.ended(link->user.arg, why);
}

static void capable(void *arg, const struct qmp_message *answer)
{
	struct qemu_link *link = arg;

	if (answer->kind == QMP_ERROR)
		link_end(link, "it refuses qmp_capabilities");
	else
		link->user.ready(link->user.arg);
}

/* Takes the command out that has that id. False: there is none. */
static bool sent_take(struct qemu_link *link, uint64_t id, struct sent *out)
{
	struct sent *sent;

	STAILQ_FOREACH(sent, &link->waiting, at)
	if (sent->id == id)
		break;
	if (!sent)
		return false;
	STAILQ_REMOVE(&link->waiting, sent, sent, at);
	*out = *sent;
	free(sent);
	return true;
}

/* What comes next was sent later: its own time starts now at the earliest. */
static void oldest_refresh(struct qemu_link *link)
{
	struct sent *oldest = STAILQ_FIRST(&link->waiting);
	uint64_t deadline_ms = clock_boot_ms() + link->timeout_ms;

	if (oldest && oldest->deadline_ms < deadline_ms)
		oldest->deadline_ms = deadline_ms;
}

/* Return: false when the link is dead. */
static bool answered(struct qemu_link *link, const struct qmp_message *m)
{
	struct sent sent;

	if (!sent_take(link, m->id, &sent)) {
		link_end(link, "an answer to nothing that was asked");
		return false;
	}
	log_debug("QMP: %s answered in %llu us", sent.command,
		  (unsigned long long)(clock_boot_us() - sent.sent_us));
	oldest_refresh(link);
	if (sent.fn)
		sent.fn(sent.arg, m);
	else if (sent.effect == QEMU_BINDS)
		link->user.late(link->user.arg, sent.function);
	if (!link->is_dead && STAILQ_EMPTY(&link->waiting))
		overdue_set(link, false);
	return !link->is_dead;
}

static bool greeted(struct qemu_link *link)
{
	if (!link->greeting_ms) {
		link_end(link, "a second greeting");
		return false;
	}
	link->greeting_ms = 0;
	if (!qemu_link_send(link, "qmp_capabilities", NULL, QEMU_READS, 0, capable, link)) {
		link_end(link, strerror(ENOMEM));
		return false;
	}
	return true;
}

static bool line_take(struct qemu_link *link, const char *line, size_t length)
{
	OWNED(qmp_message_done) struct qmp_message m = { 0 };
	char why[QMP_TEXT_MAX] = "out of memory";
	int r = qmp_parse(line, length, &m, why);

	if (r) {
		link_end(link, why);
		return false;
	}
	switch (m.kind) {
	case QMP_GREETING:
		return greeted(link);
	case QMP_EVENT:
		link->user.event(link->user.arg, &m);
		return !link->is_dead;
	case QMP_RETURN:
	case QMP_ERROR:
		return answered(link, &m);
	}
	return false;
}

static void stream_reads(struct bufferevent *stream, void *arg)
{
	struct qemu_link *link = arg;
	struct evbuffer *in = bufferevent_get_input(stream);
	bool goes_on = true;

	while (goes_on) {
		size_t length = 0;
		char *line = evbuffer_readln(in, &length, EVBUFFER_EOL_CRLF);

		if (!line)
			break;
		goes_on = line_take(link, line, length);
		free(line);
	}
	if (!goes_on)
		return; /* dead: what is left says nothing any more */
	if (evbuffer_get_length(in) > QMP_LINE_MAX)
		link_end(link, "a line longer than 1 MiB");
	else
		clock_set(link);
}

static void stream_event(struct bufferevent *stream, short what, void *arg)
{
	(void)stream;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		link_end(arg, what & BEV_EVENT_EOF ? "it closed the connection" : strerror(errno));
}

int qemu_link_new(struct event_base *base, const char *path, unsigned timeout_ms,
		  const struct qemu_link_user *user, struct qemu_link **out)
{
	OWNED(qemu_link_free) struct qemu_link *link = calloc(1, sizeof(*link));
	int fd = -1;
	int r;

	if (!link)
		return -ENOMEM;
	link->user = *user;
	link->timeout_ms = timeout_ms;
	STAILQ_INIT(&link->waiting);
	link->clock = evtimer_new(base, clock_rings, link);
	if (!link->clock)
		return -ENOMEM;
	r = unix_socket_connect(path, &fd);
	if (r)
		return r;
	link->stream =
		bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (!link->stream) {
		(void)close(fd);
		return -ENOMEM;
	}
	bufferevent_setcb(link->stream, stream_reads, NULL, stream_event, link);
	if (bufferevent_enable(link->stream, EV_READ | EV_WRITE))
		return -ENOMEM;
	link->greeting_ms = clock_boot_ms() + timeout_ms;
	clock_set(link);
	*out = TAKE(link);
	return 0;
}

void qemu_link_free(struct qemu_link *link)
{
	struct sent *sent;

	if (!link)
		return;
	while ((sent = STAILQ_FIRST(&link->waiting))) {
		STAILQ_REMOVE_HEAD(&link->waiting, at);
		free(sent);
	}
	if (link->stream)
		bufferevent_free(link->stream);
	if (link->clock)
		event_free(link->clock);
	free(link);
}

int qemu_link_fd(const struct qemu_link *link)
{
	return bufferevent_getfd(link->stream);
}

bool qemu_link_is_overdue(const struct qemu_link *link)
{
	return link->is_overdue;
}

/* Takes @line's bytes. */
static uint64_t line_send(struct qemu_link *link, const struct buf *line, const char *command,
			  enum qemu_effect effect, uint32_t function, qemu_answer_fn *fn, void *arg)
{
	struct sent *sent = line->failed || link->is_dead ? NULL : calloc(1, sizeof(*sent));

	if (!sent || bufferevent_write(link->stream, line->data, line->length)) {
		free(sent);
		return 0;
	}
	*sent = (struct sent){
		.id = link->last_id,
		.deadline_ms = clock_boot_ms() + link->timeout_ms,
		.sent_us = clock_boot_us(),
		.effect = effect,
		.function = function,
		.fn = fn,
		.arg = arg,
	};
	(void)snprintf(sent->command, sizeof(sent->command), "%s", command);
	STAILQ_INSERT_TAIL(&link->waiting, sent, at);
	if (STAILQ_FIRST(&link->waiting) == sent)
		clock_set(link);
	return sent->id;
}

uint64_t qemu_link_send(struct qemu_link *link, const char *command,
			const struct qmp_argument *arguments, enum qemu_effect effect,
			uint32_t function, qemu_answer_fn *fn, void *arg)
{
	OWNED(buf_done) struct buf line = { 0 };

	qmp_command(&line, ++link->last_id, command, arguments);
	return line_send(link, &line, command, effect, function, fn, arg);
}

uint64_t qemu_link_send_image(struct qemu_link *link, const char *node, const char *file,
			      uint32_t function, qemu_answer_fn *fn, void *arg)
{
	OWNED(buf_done) struct buf line = { 0 };

	qmp_command_image(&line, ++link->last_id, node, file);
	return line_send(link, &line, "blockdev-add", QEMU_CHANGES, function, fn, arg);
}

void qemu_link_forget(struct qemu_link *link, const void *arg)
{
	struct sent *sent;

	STAILQ_FOREACH(sent, &link->waiting, at)
	if (sent->arg == arg)
		sent->fn = NULL;
}

size_t qemu_link_open(const struct qemu_link *link, enum qemu_effect effect, uint32_t function)
{
	const struct sent *sent;
	size_t count = 0;

	STAILQ_FOREACH(sent, &link->waiting, at)
	count += sent->effect >= effect && (!function || sent->function == function);
	return count;
}
