/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Beats as authenticated datagrams, over UDP or to a Unix socket of this machine. They carry
 * nothing else.
 */
#include <errno.h>
#include <event2/event.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/dialog.h"
#include "agent/transport.h"
#include "common/log.h"

enum {
	AT_ONCE = 32,      /* answers, before others have their turn */
	SILENT_BEATS = 10, /* without an answer: fabricd is away */
};

struct sender {
	struct transport base;
	struct event_base *loop;
	struct sockaddr_storage to;
	int to_length;
	int fd; /* -1: not open: there is no route, say; tried again with each beat */
	struct event *readable;
	struct dialog dialog;
	unsigned unanswered; /* in a row */
	uint64_t bad;
};

/* ---- answers ---- */

static int sender_send(struct sender *s, const uint8_t bytes[static DATAGRAM_SIZE]);

/* What the next datagram carries. */
static struct dialog_now now_of(struct sender *s)
{
	const struct transport_sink *sink = &s->base.sink;
	struct dialog_now now = { .seq = sink->seq(sink->arg) };

	sink->told(sink->arg, &now.epoch, &now.incarnation);
	return now;
}

static void answer_take(struct sender *s, const uint8_t *bytes, size_t length)
{
	const struct transport_sink *sink = &s->base.sink;
	uint8_t response[DATAGRAM_SIZE];
	struct dialog_now now;
	struct datagram d;
	enum dialog_news news = dialog_take(&s->dialog, bytes, length, &d);

	if (news != DIALOG_NOT_BELIEVED)
		s->unanswered = 0;
	switch (news) {
	case DIALOG_NOT_BELIEVED:
		if (!s->bad++)
			log_warning("fabricd at %s: a datagram that is not believed",
				    s->base.config.where);
		break;
	case DIALOG_OLD:
		break;
	case DIALOG_CHALLENGE:
		now = now_of(s);
		dialog_respond(&s->dialog, &d, &now, response);
		(void)sender_send(s, response); /* one that is lost is asked for again */
		break;
	case DIALOG_STATUS:
	case DIALOG_FENCED:
		transport_say_reached(&s->base);
		sink->status(sink->arg, &s->base, news == DIALOG_FENCED, d.epoch, d.incarnation);
		break;
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct sender *s = arg;
	uint8_t bytes[DATAGRAM_SIZE + 1];

	(void)what;
	for (int i = 0; i < AT_ONCE; i++) {
		ssize_t n = recv((int)fd, bytes, sizeof(bytes), 0);

		/* A refusal that came for a datagram is told here once; the next may arrive. */
		if (n < 0 && errno == ECONNREFUSED)
			continue;
		if (n < 0)
			return;
		answer_take(s, bytes, (size_t)n);
	}
}

/* ---- the socket ---- */

static void sender_shut(struct sender *s)
{
	if (s->readable)
		event_free(s->readable);
	s->readable = NULL;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

/* Connected, so that only that address is heard. */
static int sender_connect(struct sender *s)
{
	const struct sockaddr nameless = { .sa_family = AF_UNIX };
	int r = 0;

	s->fd = socket(s->to.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return -errno;
	/* A name of the kernel's choice, so that it can be answered. */
	if (s->to.ss_family == AF_UNIX && bind(s->fd, &nameless, sizeof(nameless.sa_family)))
		r = -errno;
	if (!r && connect(s->fd, (struct sockaddr *)&s->to, (socklen_t)s->to_length))
		r = -errno;
	if (!r)
		s->readable = event_new(s->loop, s->fd, EV_READ | EV_PERSIST, on_readable, s);
	if (!r && (!s->readable || event_add(s->readable, NULL)))
		r = -ENOMEM;
	if (r)
		sender_shut(s);
	return r;
}

static int sender_send(struct sender *s, const uint8_t bytes[static DATAGRAM_SIZE])
{
	int r = s->fd < 0 ? sender_connect(s) : 0;

	if (r)
		return r;
	if (send(s->fd, bytes, DATAGRAM_SIZE, MSG_NOSIGNAL) == DATAGRAM_SIZE)
		return 0;
	r = -errno;
	/* Interfaces may have changed since it was connected; a full queue or nobody there may not.
	 * A Unix socket is connected to one that is gone for ever. */
	if (r != -EAGAIN && r != -ENOBUFS && (r != -ECONNREFUSED || s->to.ss_family == AF_UNIX))
		sender_shut(s);
	return r;
}

/* ---- the table ---- */

static void sender_beat(struct transport *t)
{
	struct sender *s = (struct sender *)t;
	struct dialog_now now = now_of(s);
	uint8_t bytes[DATAGRAM_SIZE];
	int r;

	dialog_beat(&s->dialog, &now, bytes);
	r = sender_send(s, bytes);
	if (++s->unanswered >= SILENT_BEATS)
		transport_say_away(t, r ? strerror(-r) : "beats are not answered");
}

static void sender_leave(struct transport *t)
{
	struct sender *s = (struct sender *)t;
	struct dialog_now now = now_of(s);
	uint8_t bytes[DATAGRAM_SIZE];

	dialog_leave(&s->dialog, &now, bytes);
	(void)sender_send(s, bytes); /* said again until it is answered */
}

static int sender_report(struct transport *t, const struct agent_line *line)
{
	struct sender *s = (struct sender *)t;

	if (line->type != AGENT_STOPPED)
		return -EOPNOTSUPP;
	dialog_claim(&s->dialog, line->stopped, line->still);
	return 0;
}

static void sender_close(struct transport *t)
{
	struct sender *s = (struct sender *)t;

	sender_shut(s);
	explicit_bzero(&s->dialog, sizeof(s->dialog));
	free(s);
}

static bool has_port(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET6)
		return ((const struct sockaddr_in6 *)address)->sin6_port != 0;
	return ((const struct sockaddr_in *)address)->sin_port != 0;
}

static int udp_address(struct sender *s, const char *where)
{
	s->to_length = sizeof(s->to);
	if (!evutil_parse_sockaddr_port(where, (struct sockaddr *)&s->to, &s->to_length) &&
	    has_port(&s->to))
		return 0;
	log_err("not an address and a port as 192.0.2.1:7070 or [2001:db8::1]:7070: %s", where);
	return -EINVAL;
}

static int unix_address(struct sender *s, const char *where)
{
	struct sockaddr_un *to = (struct sockaddr_un *)&s->to;

	if (!*where || strlen(where) >= sizeof(to->sun_path)) {
		log_err("not the path of a socket: %s", where);
		return -EINVAL;
	}
	to->sun_family = AF_UNIX;
	memcpy(to->sun_path, where, strlen(where) + 1);
	s->to_length = sizeof(*to);
	return 0;
}

static int sender_setup(struct sender *s)
{
	const struct transport_config *c = &s->base.config;
	int r = s->base.ops == &transport_udp ? udp_address(s, c->where)
					      : unix_address(s, c->where);
	uint8_t key[DATAGRAM_KEY];

	if (r)
		return r;
	if (!c->key_file) {
		log_err("--%s needs --key-file", s->base.ops->name);
		return -EINVAL;
	}
	r = datagram_key_load(c->key_file, key);
	if (r) {
		log_err("key file %s: %s", c->key_file,
			r == -EPERM    ? "others than its owner and group can read it"
			: r == -EINVAL ? "neither 32 bytes nor 64 hex digits"
				       : strerror(-r));
		return r;
	}
	r = dialog_init(&s->dialog, c->host, c->boot_id, key);
	explicit_bzero(key, sizeof(key));
	return r;
}

static int sender_open(struct event_base *base, const struct transport_config *config,
		       const struct transport_sink *sink, const struct transport_ops *ops,
		       struct transport **out)
{
	struct sender *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->base = (struct transport){ .ops = ops, .config = *config, .sink = *sink };
	s->loop = base;
	s->fd = -1;
	r = sender_setup(s);
	if (r) {
		sender_close(&s->base);
		return r;
	}
	*out = &s->base;
	return 0;
}

static int udp_open(struct event_base *base, const struct transport_config *config,
		    const struct transport_sink *sink, struct transport **out)
{
	return sender_open(base, config, sink, &transport_udp, out);
}

static int unix_open(struct event_base *base, const struct transport_config *config,
		     const struct transport_sink *sink, struct transport **out)
{
	return sender_open(base, config, sink, &transport_datagram, out);
}

const struct transport_ops transport_udp = {
	.name = "udp",
	.open = udp_open,
	.beat = sender_beat,
	.leave = sender_leave,
	.report = sender_report,
	.close = sender_close,
};

const struct transport_ops transport_datagram = {
	.name = "datagram",
	.open = unix_open,
	.beat = sender_beat,
	.leave = sender_leave,
	.report = sender_report,
	.close = sender_close,
};
