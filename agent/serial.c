/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines over a character device: a virtio port, a serial line. The port is open whether or not
 * fabricd is at its other end: a virtio port then reads as at its end, and takes nothing. So it is
 * read again every now and then; it is opened anew only when it has failed.
 */
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "agent/transport.h"
#include "common/clock.h"
#include "common/line_reader.h"
#include "common/log.h"

enum {
	LOOK_MS = 100,      /* at a port that read as at its end */
	OPEN_MAX_MS = 2000, /* between two tries to open it, at most; 100 at first */
	OUT_MAX = 2 * AGENT_LINE_MAX,
	READ_AT_ONCE = 64 * 1024,
	COMPLAIN_MS = 60000, /* between two lines about lines that are not understood */
	SILENT_BEATS = 10,   /* without an answer: fabricd is away */
};

struct serial {
	struct transport base;
	struct event_base *loop;
	int fd; /* -1: not open */
	struct event *readable;
	struct event *writable;
	struct event *timer;  /* to open it again, or to read it again */
	uint64_t wait_ms;     /* before the next try to open it */
	bool is_line;         /* a terminal: at its end it has hung up, and stays so */
	bool is_resting;      /* nobody is at the other end: it is looked at now and then */
	unsigned unanswered;  /* beats in a row */
	uint64_t incarnation; /* of who is at the other end; 0: it has not said */
	struct line_reader lines;
	struct buf out;
	uint64_t bad; /* lines that were not understood */
	uint64_t complained_ms;
};

static void serial_lost(struct serial *s, const char *why);

/* ---- the device ---- */

int serial_port_find(const char *sysfs, const char *name, char out[static 128])
{
	char folder[PATH_MAX];
	const struct dirent *entry;
	DIR *dir;
	int r = -ENOENT;

	if (strchr(name, '/'))
		return snprintf(out, 128, "%s", name) < 128 ? 0 : -ENOENT;
	(void)snprintf(folder, sizeof(folder), "%s/class/virtio-ports", sysfs);
	dir = opendir(folder);
	while (dir && r && (entry = readdir(dir))) {
		char path[PATH_MAX];
		char text[128] = "";
		FILE *file;

		if (entry->d_name[0] == '.' || snprintf(path, sizeof(path), "%s/%s/name", folder,
							entry->d_name) >= (int)sizeof(path))
			continue;
		file = fopen(path, "re");
		if (file && fgets(text, sizeof(text), file))
			text[strcspn(text, "\n")] = '\0';
		if (file)
			(void)fclose(file); /* was only read */
		if (!strcmp(text, name) && snprintf(out, 128, "/dev/%s", entry->d_name) < 128)
			r = 0;
	}
	if (dir)
		closedir(dir);
	return r;
}

/* A serial line carries bytes, not what someone types. */
static void fd_make_raw(int fd)
{
	struct termios t;

	if (tcgetattr(fd, &t))
		return;
	cfmakeraw(&t);
	t.c_cflag |= CLOCAL;
	(void)tcsetattr(fd, TCSANOW, &t); /* what fails here is seen as lines not understood */
}

static void timer_arm(struct serial *s, uint64_t ms)
{
	struct timeval tv = clock_timeval(ms);

	event_add(s->timer, &tv);
}

static void events_free(struct serial *s)
{
	if (s->readable)
		event_free(s->readable);
	if (s->writable)
		event_free(s->writable);
	s->readable = NULL;
	s->writable = NULL;
}

static void serial_shut(struct serial *s)
{
	events_free(s);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

/* ---- what goes ---- */

/* What has begun is written to its end; a line is never cut by our own doing. */
static void serial_flush(struct serial *s)
{
	while (s->out.length) {
		ssize_t n = write(s->fd, s->out.data, s->out.length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			/* A port without its other end counts as writable to those who wait. */
			if (!s->is_resting)
				event_add(s->writable, NULL);
			return;
		}
		if (n < 0) {
			serial_lost(s, strerror(errno));
			return;
		}
		buf_drop(&s->out, (size_t)n);
	}
}

static int serial_put(struct serial *s, const struct agent_line *line)
{
	size_t before = s->out.length;

	agent_line_format(line, &s->out);
	if (s->out.failed) {
		buf_done(&s->out);
		return -EAGAIN;
	}
	if (s->out.length > OUT_MAX) {
		s->out.length = before;
		return -EAGAIN;
	}
	if (!before)
		serial_flush(s);
	return 0;
}

/* ---- what comes ---- */

static void say_bad(struct serial *s, const char *why)
{
	uint64_t now = clock_boot_ms();

	s->bad++;
	if (s->complained_ms && now - s->complained_ms < COMPLAIN_MS)
		return;
	s->complained_ms = now;
	log_warning("fabricd at %s: a line that is not understood (%llu so far): %s",
		    s->base.config.where, (unsigned long long)s->bad, why);
}

static void on_line(void *arg, const char *text, size_t length)
{
	struct serial *s = arg;
	OWNED(agent_line_done) struct agent_line line = { 0 };
	char why[AGENT_TEXT_MAX] = "";
	int r = agent_line_parse(text, length, &line, why);

	if (r < 0)
		return;
	if (!r && line.type == AGENT_STATUS) {
		s->unanswered = 0;
		transport_say_reached(&s->base);
		s->base.sink.status(s->base.sink.arg, &s->base, line.is_fenced, line.epoch,
				    s->incarnation);
	} else if (!r && line.type == AGENT_MANAGER) {
		s->incarnation = line.incarnation;
	} else if (!r && line.type == AGENT_REPORT) {
		s->incarnation = 0; /* it may be another */
		s->base.sink.reached(s->base.sink.arg, &s->base);
	} else if (!r && line.type == AGENT_LEAVE) {
		s->base.sink.asked(s->base.sink.arg, &s->base, &line);
	} else {
		say_bad(s, r ? why : "it is for fabricd");
	}
}

/* Somebody is at the other end, for the first time or again. */
static void serial_reached(struct serial *s)
{
	if (!s->is_resting)
		return;
	s->is_resting = false;
	if (event_add(s->readable, NULL)) {
		serial_lost(s, "no memory");
		return;
	}
	s->wait_ms = LOOK_MS;
	s->incarnation = 0; /* it may be another */
	s->out.length = 0;
	buf_text(&s->out, "\n"); /* ends whatever half a line stands before it */
	s->base.sink.reached(s->base.sink.arg, &s->base);
	if (s->fd >= 0)
		serial_flush(s);
}

/* Nobody is there. The port would be shown as readable for ever. */
static void serial_rest(struct serial *s)
{
	if (!s->is_resting)
		transport_say_away(&s->base, "nobody is at the port's other end");
	s->is_resting = true;
	line_reader_reset(&s->lines);
	event_del(s->readable);
	event_del(s->writable);
	timer_arm(s, LOOK_MS);
}

static void serial_read(struct serial *s)
{
	char bytes[4096];
	size_t most = READ_AT_ONCE;

	while (s->fd >= 0 && most) {
		ssize_t n = read(s->fd, bytes, sizeof(bytes));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			serial_lost(s, strerror(errno));
			return;
		}
		if (!n) {
			if (s->is_line)
				serial_lost(s, "the line was hung up");
			else
				serial_rest(s);
			return;
		}
		serial_reached(s);
		if (n < 0)
			return;
		(void)!line_reader_feed(&s->lines, bytes, (size_t)n, on_line,
					s); /* a line is lost for want of memory: as if garbled */
		most -= (size_t)n < most ? (size_t)n : most;
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	serial_read(arg);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	serial_flush(arg);
}

/* ---- opening, losing ---- */

static void serial_lost(struct serial *s, const char *why)
{
	serial_shut(s);
	transport_say_away(&s->base, why);
	s->out.length = 0; /* what it had taken in part is of no use */
	timer_arm(s, s->wait_ms);
	s->wait_ms = 2 * s->wait_ms < OPEN_MAX_MS ? 2 * s->wait_ms : OPEN_MAX_MS;
}

static void serial_begin(struct serial *s)
{
	char path[128];

	if (serial_port_find(s->base.config.sysfs, s->base.config.where, path)) {
		serial_lost(s, "there is no such port");
		return;
	}
	s->fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (s->fd < 0) {
		serial_lost(s, strerror(errno));
		return;
	}
	s->is_line = isatty(s->fd);
	fd_make_raw(s->fd);
	s->readable = event_new(s->loop, s->fd, EV_READ | EV_PERSIST, on_readable, s);
	s->writable = event_new(s->loop, s->fd, EV_WRITE, on_writable, s);
	if (!s->readable || !s->writable) {
		serial_lost(s, "no memory");
		return;
	}
	line_reader_reset(&s->lines);
	s->is_resting = true;
	serial_read(s);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct serial *s = arg;

	(void)fd;
	(void)what;
	if (s->fd < 0)
		serial_begin(s);
	else
		serial_read(s);
}

/* ---- the table ---- */

static void serial_beat(struct transport *t)
{
	struct serial *s = (struct serial *)t;
	struct agent_line line = { .type = AGENT_BEAT, .seq = t->sink.seq(t->sink.arg) };

	if (++s->unanswered == SILENT_BEATS)
		transport_say_away(t, "beats are not answered");
	/* One that would wait behind others would be old when it comes. */
	if (s->fd < 0 || s->is_resting || s->out.length)
		return;
	(void)snprintf(line.host, sizeof(line.host), "%s", t->config.host);
	(void)snprintf(line.boot_id, sizeof(line.boot_id), "%s", t->config.boot_id);
	(void)!serial_put(s, &line); /* one that is missed stays missed */
}

static void serial_leave(struct transport *t)
{
	struct agent_line line = { .type = AGENT_LEAVING };
	struct serial *s = (struct serial *)t;

	if (s->fd < 0 || s->is_resting)
		return;
	memcpy(line.host, t->config.host, strlen(t->config.host) + 1);
	memcpy(line.boot_id, t->config.boot_id, sizeof(line.boot_id));
	line.seq = t->sink.seq(t->sink.arg);
	(void)serial_put(s, &line); /* said again until it is answered */
}

static int serial_report(struct transport *t, const struct agent_line *line)
{
	struct serial *s = (struct serial *)t;

	if (s->fd < 0 || s->is_resting)
		return -ENOTCONN;
	/* A view that waits is as good as this one was a moment ago: it is told again soon. */
	if (line->type == AGENT_SEEN && s->out.length > 1)
		return -EAGAIN;
	return serial_put(s, line);
}

static void serial_close(struct transport *t)
{
	struct serial *s = (struct serial *)t;

	serial_shut(s);
	if (s->timer)
		event_free(s->timer);
	line_reader_done(&s->lines);
	buf_done(&s->out);
	free(s);
}

static int serial_open(struct event_base *base, const struct transport_config *config,
		       const struct transport_sink *sink, struct transport **out)
{
	struct serial *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->base = (struct transport){ .ops = &transport_serial, .config = *config, .sink = *sink };
	s->loop = base;
	s->fd = -1;
	s->wait_ms = LOOK_MS;
	line_reader_init(&s->lines, AGENT_LINE_MAX);
	s->timer = evtimer_new(base, on_timer, s);
	if (!s->timer) {
		serial_close(&s->base);
		return -ENOMEM;
	}
	timer_arm(s, 0);
	*out = &s->base;
	return 0;
}

const struct transport_ops transport_serial = {
	.name = "serial",
	.open = serial_open,
	.beat = serial_beat,
	.leave = serial_leave,
	.report = serial_report,
	.close = serial_close,
};
