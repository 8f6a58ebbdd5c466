/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fabricd/datagrams.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/util.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "fabricd/sessions.h"

enum {
	WHY_MAX = 512,
	AT_ONCE = 64,
	/* Of AT_ONCE, before others have their turn: more than ROOM holds (which the kernel
	 * doubles, and of which a datagram takes 768 bytes), so that what had come is taken in
	 * whole. */
	ROUNDS = 256,
	ROOM = 4 << 20,
	BUSY_MS = 1, /* two wakeups so close together: from now on it is looked at */
	REST_MS = 2, /* so often, for as long as something comes */
	COMPLAIN_MS = 60000,
	UDP_LISTENERS = 4,
	LISTENERS = UDP_LISTENERS + 1,
};

_Static_assert((int)LISTENERS <= (int)SESSIONS_WAYS, "each listener is a way");

/* One address: a network of its own, where there are several. */
struct listener {
	struct datagrams *all;
	struct sessions_way way;
	int fd; /* -1: none */
	struct event *readable;
	struct event *rest; /* in its place while much comes */
	uint64_t woken_ms;
	const char *path; /* of a Unix socket that is ours; NULL: none */
};

/* One recvmmsg(), and the sendmmsg() with the answers to it. */
struct batch {
	struct mmsghdr messages[AT_ONCE];
	struct iovec vectors[AT_ONCE];
	struct sockaddr_storage from[AT_ONCE];
	uint8_t bytes[AT_ONCE][DATAGRAM_SIZE + 1];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct timespec))];
	} control[AT_ONCE];
	struct mmsghdr answers[AT_ONCE];
	struct iovec answer_vectors[AT_ONCE];
	uint8_t answer_bytes[AT_ONCE][DATAGRAM_SIZE];
	unsigned answer_count;
};

struct datagrams {
	struct event_base *base;
	const char *folder; /* of enrolled keys */
	struct sessions_store store;
	struct sessions *sessions;
	struct listener listeners[LISTENERS];
	size_t listener_count;
	char unix_path[CONFIG_TEXT_MAX];
	uint64_t bad;
	uint64_t complained_ms;
	struct batch batch;
};

/* ---- keys ---- */

static int folder_each(void *arg, void (*fn)(void *to, const struct host_keys *keys), void *to)
{
	const struct datagrams *d = arg;

	return host_keys_each(d->folder, fn, to);
}

static int folder_store(void *arg, const struct host_keys *keys)
{
	const struct datagrams *d = arg;

	return host_keys_store(d->folder, keys);
}

int datagrams_configure(struct datagrams *d, const struct config *config)
{
	return sessions_configure(d->sessions, config);
}

int datagrams_enroll(struct datagrams *d, const char *host, bool force,
		     char text[static HOST_KEY_TEXT])
{
	return sessions_enroll(d->sessions, host, force, text);
}

/* ---- what comes ---- */

static void doubt(struct datagrams *d, const struct sockaddr_storage *from, const char *why)
{
	uint64_t now = clock_boot_ms();
	char name[INET6_ADDRSTRLEN] = "?";

	d->bad++;
	if (d->complained_ms && now - d->complained_ms < COMPLAIN_MS)
		return;
	d->complained_ms = now;
	if (from->ss_family == AF_UNIX)
		(void)snprintf(name, sizeof(name), "this machine");
	else if (from->ss_family == AF_INET)
		(void)evutil_inet_ntop(AF_INET, &((const struct sockaddr_in *)from)->sin_addr, name,
				       sizeof(name));
	else if (from->ss_family == AF_INET6)
		(void)evutil_inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)from)->sin6_addr,
				       name, sizeof(name));
	log_warning("datagram from %s: not taken (%" PRIu64 " so far): %s", name, d->bad, why);
}

static uint64_t stamp_of(struct msghdr *message)
{
	struct timespec ts = { 0 };

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS &&
		    c->cmsg_len >= CMSG_LEN(sizeof(ts)))
			memcpy(&ts, CMSG_DATA(c), sizeof(ts));
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static uint64_t wall_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts); /* cannot fail */
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

/* One that is lost is as good as one that could not leave. */
static void answers_send(const struct listener *l, struct batch *b)
{
	unsigned at = 0;

	while (at < b->answer_count) {
		int n = sendmmsg(l->fd, b->answers + at, b->answer_count - at,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		at += n > 0 ? (unsigned)n : 1; /* the first of them cannot leave */
	}
	b->answer_count = 0;
}

static void datagram_take(struct listener *l, struct mmsghdr *m, uint64_t boot_ms, uint64_t wall)
{
	struct batch *b = &l->all->batch;
	unsigned n = b->answer_count;
	struct msghdr *from = &m->msg_hdr;
	const struct sessions_came came = {
		.way = &l->way,
		.bytes = from->msg_iov->iov_base,
		.length = m->msg_len,
		.received_ms = sessions_received_ms(boot_ms, wall, stamp_of(from), l->way.empty_ms),
		.now_ms = boot_ms,
	};
	/* Who did not bind his socket cannot be answered. */
	bool is_named = from->msg_namelen > sizeof(sa_family_t);
	const char *why;

	if (sessions_take(l->all->sessions, &came, is_named ? b->answer_bytes[n] : NULL, &why)) {
		b->answer_vectors[n] = (struct iovec){ b->answer_bytes[n], DATAGRAM_SIZE };
		b->answers[n].msg_hdr = (struct msghdr){ .msg_name = from->msg_name,
							 .msg_namelen = from->msg_namelen,
							 .msg_iov = &b->answer_vectors[n],
							 .msg_iovlen = 1 };
		b->answer_count++;
	}
	if (why)
		doubt(l->all, from->msg_name, why);
}

static void batch_prepare(struct batch *b)
{
	for (size_t i = 0; i < AT_ONCE; i++) {
		b->vectors[i] = (struct iovec){ b->bytes[i], sizeof(b->bytes[i]) };
		b->messages[i].msg_hdr =
			(struct msghdr){ .msg_name = &b->from[i],
					 .msg_namelen = sizeof(b->from[i]),
					 .msg_iov = &b->vectors[i],
					 .msg_iovlen = 1,
					 .msg_control = b->control[i].bytes,
					 .msg_controllen = sizeof(b->control[i].bytes) };
	}
}

/* Return: how many; less than AT_ONCE: there is no more. */
static int batch_take(struct listener *l)
{
	struct datagrams *d = l->all;
	uint64_t before_ms = clock_boot_ms();
	uint64_t boot_ms;
	uint64_t wall;
	int n;

	batch_prepare(&d->batch);
	n = recvmmsg(l->fd, d->batch.messages, AT_ONCE, MSG_DONTWAIT, NULL);
	boot_ms = clock_boot_ms();
	wall = wall_ns();
	for (int i = 0; i < n; i++)
		datagram_take(l, &d->batch.messages[i], boot_ms, wall);
	answers_send(l, &d->batch);
	if (n < AT_ONCE)
		l->way.empty_ms = before_ms; /* it was empty at some time since */
	return n > 0 ? n : 0;
}

/* Return: how many there were. */
static int listener_take(struct listener *l)
{
	int all = 0;
	int n = AT_ONCE;

	for (int i = 0; i < ROUNDS && n == AT_ONCE; i++) {
		n = batch_take(l);
		all += n;
	}
	return all;
}

static void rest(struct listener *l)
{
	const struct timeval tv = { .tv_usec = REST_MS * 1000 };

	/* Where there is no memory for a timer it stays as it was. */
	if (!event_add(l->rest, &tv))
		event_del(l->readable);
}

/* Where many beat, each would wake us by itself. The kernel has noted when each came, and before a
 * verdict all are taken in (datagrams_drain()): they may lie for a while. */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;
	uint64_t now = clock_boot_ms();

	(void)fd;
	(void)what;
	(void)listener_take(l);
	if (now - l->woken_ms <= BUSY_MS)
		rest(l);
	l->woken_ms = now;
}

static void on_rest(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)fd;
	(void)what;
	if (listener_take(l))
		rest(l);
	else
		(void)!event_add(l->readable, NULL); /* fails for want of memory alone: at start */
}

void datagrams_drain(struct datagrams *d)
{
	for (size_t i = 0; i < d->listener_count; i++)
		(void)listener_take(&d->listeners[i]);
}

/* ---- the socket ---- */

static bool has_port(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET6)
		return ((const struct sockaddr_in6 *)address)->sin6_port != 0;
	return ((const struct sockaddr_in *)address)->sin_port != 0;
}

static int socket_bind(struct listener *l, const struct sockaddr *address, socklen_t length)
{
	int on = 1;
	int room = ROOM;

	l->fd = socket(address->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* With less room, more is lost while the manager stands still. */
	if (l->fd >= 0 && setsockopt(l->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)))
		(void)setsockopt(l->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (l->fd < 0 || setsockopt(l->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) ||
	    bind(l->fd, address, length))
		return -errno;
	return 0;
}

static int udp_open(struct listener *l, const char *where, char *why)
{
	struct sockaddr_storage address;
	int length = sizeof(address);
	int r;

	(void)snprintf(l->way.name, sizeof(l->way.name), "udp %.*s", BEAT_WAY_MAX - 5, where);
	if (evutil_parse_sockaddr_port(where, (struct sockaddr *)&address, &length) ||
	    !has_port(&address)) {
		(void)snprintf(why, WHY_MAX,
			       "heartbeat.udp: not an address and a port as 192.0.2.1:7070: %s",
			       where);
		return REFUSE_FIELD;
	}
	r = socket_bind(l, (struct sockaddr *)&address, (socklen_t)length);
	if (r)
		(void)snprintf(why, WHY_MAX, "heartbeat.udp: %s: %s", where, strerror(-r));
	return r;
}

/* A socket that nobody hears any more was left by one who died. */
static bool is_left_over(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct stat st;
	bool is;

	if (fd < 0)
		return false;
	is = connect(fd, (const struct sockaddr *)address, sizeof(*address)) &&
	     errno == ECONNREFUSED && !stat(address->sun_path, &st) && S_ISSOCK(st.st_mode);
	close(fd);
	return is;
}

static int unix_open(struct listener *l, const char *path, char *why)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int r = -ENAMETOOLONG;

	(void)snprintf(l->way.name, sizeof(l->way.name), "unix %.*s", BEAT_WAY_MAX - 6, path);
	if (strlen(path) < sizeof(address.sun_path)) {
		memcpy(address.sun_path, path, strlen(path));
		if (is_left_over(&address))
			(void)unlink(path); /* if it cannot be, bind() says why */
		r = socket_bind(l, (const struct sockaddr *)&address, sizeof(address));
	}
	if (!r)
		l->path = path;
	if (!r && chmod(path, 0660))
		r = -errno;
	if (r)
		(void)snprintf(why, WHY_MAX, "heartbeat.unix: %s: %s", path, strerror(-r));
	return r;
}

typedef int open_fn(struct listener *l, const char *where, char *why);

static int listener_open(struct datagrams *d, open_fn *open, const char *where, char *why)
{
	struct listener *l = &d->listeners[d->listener_count];
	int r;

	*l = (struct listener){ .all = d, .fd = -1 };
	l->way.n = (unsigned)d->listener_count++;
	l->way.empty_ms = clock_boot_ms();
	r = open(l, where, why);
	if (r)
		return r;
	l->readable = event_new(d->base, l->fd, EV_READ | EV_PERSIST, on_readable, l);
	l->rest = evtimer_new(d->base, on_rest, l);
	return l->readable && l->rest && !event_add(l->readable, NULL) ? 0 : -ENOMEM;
}

static bool is_set(const char *key)
{
	return strcmp(key, CONFIG_NONE) != 0;
}

bool datagrams_are_wanted(const struct config *config)
{
	return is_set(config->udp) || is_set(config->unix_path);
}

static int udps_open(struct datagrams *d, const char *udp, char *why)
{
	char list[CONFIG_TEXT_MAX];
	char *rest_of = list;
	char *where;
	int r = 0;

	(void)snprintf(list, sizeof(list), "%s", udp);
	while (!r && (where = strsep(&rest_of, ", "))) {
		if (!*where)
			continue;
		if (d->listener_count == UDP_LISTENERS) {
			(void)snprintf(why, WHY_MAX, "heartbeat.udp: more than %d addresses",
				       UDP_LISTENERS);
			return REFUSE_FIELD;
		}
		r = listener_open(d, udp_open, where, why);
	}
	return r;
}

static int datagrams_open(struct datagrams *d, const struct config *config, char *why)
{
	int r = 0;

	if (is_set(config->udp))
		r = udps_open(d, config->udp, why);
	if (!r && is_set(config->unix_path))
		r = listener_open(d, unix_open, d->unix_path, why);
	if (!r)
		r = datagrams_configure(d, config);
	return r;
}

int datagrams_new(struct event_base *base, const struct config *config, const char *incarnation,
		  const char *keys, const struct channel_sink *sink, char *why,
		  struct datagrams **out)
{
	struct datagrams *d = calloc(1, sizeof(*d));
	int r;

	(void)snprintf(why, WHY_MAX, "heartbeat.udp: %s", strerror(ENOMEM));
	if (!d)
		return -ENOMEM;
	d->base = base;
	d->folder = keys;
	d->store = (struct sessions_store){ folder_each, folder_store, d };
	(void)snprintf(d->unix_path, sizeof(d->unix_path), "%s", config->unix_path);
	r = datagram_setup();
	if (!r)
		r = sessions_new(incarnation, keys ? &d->store : NULL, sink, &d->sessions);
	if (!r)
		r = datagrams_open(d, config, why);
	if (r) {
		datagrams_free(d);
		return r;
	}
	*out = d;
	return 0;
}

void datagrams_free(struct datagrams *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->listener_count; i++) {
		if (d->listeners[i].readable)
			event_free(d->listeners[i].readable);
		if (d->listeners[i].rest)
			event_free(d->listeners[i].rest);
		if (d->listeners[i].path)
			(void)unlink(d->listeners[i].path); /* the next one does so too */
		if (d->listeners[i].fd >= 0)
			close(d->listeners[i].fd);
	}
	sessions_free(d->sessions);
	free(d);
}
