/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Beats as authenticated datagrams. It carries nothing else. */
#include <errno.h>
#include <event2/event.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/transport.h"
#include "common/beat_datagram.h"
#include "common/log.h"

enum {
	ANSWERS_FOR = 16,  /* the last beats */
	SILENT_BEATS = 10, /* without an answer: fabricd is away */
};

struct udp {
	struct transport base;
	struct event_base *loop;
	struct sockaddr_storage to;
	int to_length;
	int fd; /* -1: not open: there is no route, say; tried again with each beat */
	struct event *readable;
	uint8_t key[DATAGRAM_KEY];
	struct datagram beat; /* the last one; .seq 0: none yet */
	uint64_t answered;    /* seq of the latest that was answered */
	uint64_t challenged;  /* likewise */
	uint64_t sent[ANSWERS_FOR];
	unsigned next;
	unsigned unanswered; /* in a row */
	uint64_t bad;
};

/* ---- answers ---- */

static bool was_sent(const struct udp *u, uint64_t seq)
{
	for (size_t i = 0; i < ANSWERS_FOR; i++)
		if (u->sent[i] == seq)
			return seq != 0;
	return false;
}

static int udp_send(struct udp *u);

/* fabricd asks whether this boot is the one of now: a beat that says so. */
static void challenge_take(struct udp *u, const struct datagram *d)
{
	struct transport *t = &u->base;

	u->beat.type = DATAGRAM_RESPONSE;
	u->beat.seq = t->sink.seq(t->sink.arg);
	u->beat.nonce = d->nonce;
	(void)udp_send(u); /* one that is lost is asked for again */
	u->beat.type = DATAGRAM_BEAT;
	u->beat.nonce = 0;
}

/* S14: what the manager has told is told to it again, so that one that has forgotten it learns so.
 */
static void epoch_keep(struct udp *u, const struct datagram *d)
{
	if (d->incarnation == u->beat.incarnation && d->epoch <= u->beat.epoch)
		return;
	u->beat.incarnation = d->incarnation;
	u->beat.epoch = d->epoch;
}

static void answer_take(struct udp *u, const uint8_t *bytes, size_t length)
{
	struct datagram d;

	if (datagram_open(bytes, length, u->key, &d) || d.host != u->beat.host ||
	    (d.type != DATAGRAM_STATUS && d.type != DATAGRAM_FENCED &&
	     d.type != DATAGRAM_CHALLENGE) ||
	    memcmp(d.boot_id, u->beat.boot_id, sizeof(d.boot_id)) != 0 || !was_sent(u, d.seq)) {
		if (!u->bad++)
			log_warning("fabricd at %s: a datagram that is not believed",
				    u->base.config.where);
		return;
	}
	u->unanswered = 0;
	if (d.type == DATAGRAM_CHALLENGE) {
		if (d.seq > u->challenged) {
			u->challenged = d.seq; /* each beat is challenged once */
			challenge_take(u, &d);
		}
		return;
	}
	/* An answer that was overtaken by a later one tells old news. */
	if (d.seq <= u->answered)
		return;
	u->answered = d.seq;
	epoch_keep(u, &d);
	transport_say_reached(&u->base);
	u->base.sink.status(u->base.sink.arg, &u->base, d.type == DATAGRAM_FENCED, d.epoch);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct udp *u = arg;
	uint8_t bytes[DATAGRAM_SIZE + 1];

	(void)what;
	for (int i = 0; i < 2 * ANSWERS_FOR; i++) {
		ssize_t n = recv((int)fd, bytes, sizeof(bytes), 0);

		/* A refusal that came for a datagram is told here once; the next may arrive. */
		if (n < 0 && errno == ECONNREFUSED)
			continue;
		if (n < 0)
			return;
		answer_take(u, bytes, (size_t)n);
	}
}

/* ---- the socket ---- */

static void udp_shut(struct udp *u)
{
	if (u->readable)
		event_free(u->readable);
	u->readable = NULL;
	if (u->fd >= 0)
		close(u->fd);
	u->fd = -1;
}

/* Connected, so that only that address is heard. */
static int udp_connect(struct udp *u)
{
	int r = 0;

	u->fd = socket(u->to.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (u->fd < 0)
		return -errno;
	if (connect(u->fd, (struct sockaddr *)&u->to, (socklen_t)u->to_length))
		r = -errno;
	if (!r)
		u->readable = event_new(u->loop, u->fd, EV_READ | EV_PERSIST, on_readable, u);
	if (!r && (!u->readable || event_add(u->readable, NULL)))
		r = -ENOMEM;
	if (r)
		udp_shut(u);
	return r;
}

static int udp_send(struct udp *u)
{
	uint8_t bytes[DATAGRAM_SIZE];
	int r = u->fd < 0 ? udp_connect(u) : 0;

	if (r)
		return r;
	datagram_seal(&u->beat, u->key, bytes);
	u->sent[u->next++ % ANSWERS_FOR] = u->beat.seq;
	if (send(u->fd, bytes, sizeof(bytes), MSG_NOSIGNAL) == (ssize_t)sizeof(bytes))
		return 0;
	r = -errno;
	/* Interfaces may have changed since it was connected; a full queue or nobody there may not.
	 */
	if (r != -EAGAIN && r != -ECONNREFUSED && r != -ENOBUFS)
		udp_shut(u);
	return r;
}

/* ---- the table ---- */

static void udp_beat(struct transport *t)
{
	struct udp *u = (struct udp *)t;
	int r;

	u->beat.seq = t->sink.seq(t->sink.arg);
	r = udp_send(u);
	if (++u->unanswered >= SILENT_BEATS)
		transport_say_away(t, r ? strerror(-r) : "beats are not answered");
}

static void udp_leave(struct transport *t)
{
	struct udp *u = (struct udp *)t;

	u->beat.type = DATAGRAM_LEAVING;
	u->beat.seq = t->sink.seq(t->sink.arg);
	(void)udp_send(u); /* said again until it is answered */
	u->beat.type = DATAGRAM_BEAT;
}

static int udp_report(struct transport *t, const struct agent_line *line)
{
	(void)t;
	(void)line;
	return -EOPNOTSUPP;
}

static void udp_close(struct transport *t)
{
	struct udp *u = (struct udp *)t;

	udp_shut(u);
	memset(u->key, 0, sizeof(u->key));
	free(u);
}

static bool has_port(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET6)
		return ((const struct sockaddr_in6 *)address)->sin6_port != 0;
	return ((const struct sockaddr_in *)address)->sin_port != 0;
}

static int udp_setup(struct udp *u)
{
	const struct transport_config *c = &u->base.config;
	int r;

	u->to_length = sizeof(u->to);
	if (evutil_parse_sockaddr_port(c->where, (struct sockaddr *)&u->to, &u->to_length) ||
	    !has_port(&u->to)) {
		log_err("not an address and a port as 192.0.2.1:7070 or [2001:db8::1]:7070: %s",
			c->where);
		return -EINVAL;
	}
	if (!c->key_file) {
		log_err("--udp needs --key-file");
		return -EINVAL;
	}
	r = datagram_key_load(c->key_file, u->key);
	if (r) {
		log_err("key file %s: %s", c->key_file,
			r == -EPERM    ? "others than its owner and group can read it"
			: r == -EINVAL ? "neither 32 bytes nor 64 hex digits"
				       : strerror(-r));
		return r;
	}
	u->beat.type = DATAGRAM_BEAT;
	u->beat.host = datagram_host_hash(c->host);
	return datagram_boot_id_parse(c->boot_id, u->beat.boot_id);
}

static int udp_open(struct event_base *base, const struct transport_config *config,
		    const struct transport_sink *sink, struct transport **out)
{
	struct udp *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return -ENOMEM;
	u->base = (struct transport){ .ops = &transport_udp, .config = *config, .sink = *sink };
	u->loop = base;
	u->fd = -1;
	r = udp_setup(u);
	if (r) {
		udp_close(&u->base);
		return r;
	}
	*out = &u->base;
	return 0;
}

const struct transport_ops transport_udp = {
	.name = "udp",
	.open = udp_open,
	.beat = udp_beat,
	.leave = udp_leave,
	.report = udp_report,
	.close = udp_close,
};
