/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/server.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "common/clock.h"
#include "common/log.h"

enum {
	READ_BYTES = 64 * 1024,
	READ_ROUNDS = 4,         /* reads of one connection before others have their turn */
	BURST = 32,              /* requests of one connection, likewise */
	ACCEPTS = 64,            /* new connections, likewise */
	OUT_FULL = 256 * 1024,   /* with so much to write, no further request is begun */
	HELD_IN_MAX = 64 * 1024, /* so much is read ahead while an answer is awaited */
	IN_MAX = MESSAGE_HEAD_MAX + MESSAGE_BODY_MAX + READ_BYTES,
	KEEP_BYTES = 64 * 1024, /* a larger buffer is given back once it is empty */
	LINGER_MS = 2000,       /* for the client to read why we close */
	BACKLOG = 512,
	GROUPS_MAX = 65536,
	WHY_MAX = 512,
	OTHER_FILES = 128, /* descriptors for all but connections */
};

enum conn_state {
	CONN_READING,
	CONN_HELD,   /* its request waits for an answer */
	CONN_STREAM, /* its answer has no end */
	CONN_LINGER, /* answered for the last time; what still arrives is thrown away */
};

struct server_conn {
	LIST_ENTRY(server_conn) link;
	struct server *server;
	int fd;
	struct event readable;
	struct event writable;
	struct event again; /* a timer of no length: the loop looks at everybody else first */
	enum conn_state state;
	uid_t uid;
	enum server_right right;
	bool busy;    /* on the stack: not to be freed */
	bool dead;    /* to be freed */
	bool reading; /* readable is added */
	bool ended;   /* the peer sends no more */
	bool closing; /* once all is written */

	struct buf in;
	size_t in_at;
	struct buf out;
	size_t out_at;

	/* the request being read or answered */
	bool started; /* a byte of it has come */
	bool has_head;
	size_t seen;
	struct message_head head;
	struct message_chunks chunks;
	struct buf body; /* of a chunked one */
	uint64_t received_ms;

	uint64_t deadline_ms;       /* of reading */
	uint64_t write_deadline_ms; /* UINT64_MAX while nothing waits */

	void (*drained)(void *arg);
	void (*gone)(void *arg);
	void *arg;
};

LIST_HEAD(conn_list, server_conn);

struct server {
	struct event_base *base;
	struct server_limits limits;
	struct server_ops ops;
	int fd;
	char *path; /* to be taken away; NULL: not ours */
	struct event *acceptable;
	struct event *tick;
	bool is_accepting;
	struct conn_list conns;
	unsigned count;
	time_t date_s;
	char date[64]; /* "Date: ...\r\n" */
};

void server_limits_init(struct server_limits *limits)
{
	*limits = (struct server_limits){
		.connections = 2048,
		.connections_uid = 256,
		.connections_stranger = 32,
		.idle_ms = 120000,
		.request_ms = 20000,
		.write_ms = 20000,
	};
}

/* ---- the life of a connection ---- */

static void conn_done(struct server_conn *c)
{
	LIST_REMOVE(c, link);
	c->server->count--;
	buf_done(&c->in);
	buf_done(&c->out);
	buf_done(&c->body);
	free(c);
}

/* From here on only conn_done() may follow; at once, unless it is on the stack. */
static void conn_close(struct server_conn *c)
{
	void (*gone)(void *arg) = c->gone;

	if (c->dead)
		return;
	c->dead = true;
	c->gone = NULL;
	(void)event_del(&c->readable);
	(void)event_del(&c->writable);
	(void)event_del(&c->again);
	(void)close(c->fd); /* nothing to do about it */
	if (gone)
		gone(c->arg);
	if (!c->busy)
		conn_done(c);
}

static size_t in_waiting(const struct server_conn *c)
{
	return c->in.length - c->in_at;
}

static size_t out_waiting(const struct server_conn *c)
{
	return c->out.length - c->out_at;
}

static void buf_reset(struct buf *b, size_t *at)
{
	*at = 0;
	b->length = 0;
	if (b->room > KEEP_BYTES)
		buf_done(b);
}

/* Reads on only while there is room for it. */
static void conn_reading_update(struct server_conn *c)
{
	size_t most = c->state == CONN_READING ? IN_MAX : HELD_IN_MAX;
	bool wanted = !c->dead && !c->ended && in_waiting(c) < most;

	if (wanted == c->reading || c->dead)
		return;
	c->reading = wanted;
	if (wanted)
		(void)event_add(&c->readable, NULL); /* fails only without memory: times out */
	else
		(void)event_del(&c->readable);
}

/* Ready for the next request. */
static void conn_next(struct server_conn *c)
{
	c->state = CONN_READING;
	c->has_head = false;
	c->started = in_waiting(c) > 0;
	c->seen = 0;
	c->chunks = (struct message_chunks){ 0 };
	buf_done(&c->body);
	c->gone = NULL;
	c->drained = NULL;
	c->deadline_ms = c->received_ms +
			 (c->started ? c->server->limits.request_ms : c->server->limits.idle_ms);
}

static void conn_linger(struct server_conn *c)
{
	if (c->ended) {
		conn_close(c);
		return;
	}
	(void)shutdown(c->fd, SHUT_WR); /* fails when the peer has gone: the read says so */
	c->state = CONN_LINGER;
	c->in_at = c->in.length = 0;
	c->deadline_ms = clock_boot_ms() + LINGER_MS;
	conn_reading_update(c);
}

/* ---- writing ---- */

/* All that was to be written has left. */
static void conn_written(struct server_conn *c)
{
	buf_reset(&c->out, &c->out_at);
	c->write_deadline_ms = UINT64_MAX;
	if (c->state == CONN_READING && !c->started)
		c->deadline_ms = clock_boot_ms() + c->server->limits.idle_ms;
	if (c->state == CONN_STREAM && c->drained)
		c->drained(c->arg);
	else if (c->closing && c->state == CONN_READING)
		conn_linger(c);
	else if (c->ended && c->state == CONN_READING && !c->busy)
		conn_close(c);
}

/* Return: 0 when all has left, -EAGAIN when the socket takes no more, another -errno. */
static int conn_send(struct server_conn *c)
{
	while (out_waiting(c)) {
		ssize_t n = send(c->fd, c->out.data + c->out_at, out_waiting(c),
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EWOULDBLOCK ? -EAGAIN : -errno;
		c->out_at += (size_t)n;
		c->write_deadline_ms = UINT64_MAX; /* it takes: a new wait begins */
	}
	return 0;
}

static void conn_flush(struct server_conn *c)
{
	while (!c->dead && c->out.length) {
		int r = conn_send(c);

		if (!r) {
			conn_written(c); /* a stream may write on */
			continue;
		}
		if (r != -EAGAIN) {
			conn_close(c);
			return;
		}
		if (c->write_deadline_ms == UINT64_MAX)
			c->write_deadline_ms = clock_boot_ms() + c->server->limits.write_ms;
		(void)event_add(&c->writable, NULL); /* without memory: times out */
		return;
	}
}

static const char *status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} texts[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 417, "Expectation Failed" },
		{ 422, "Unprocessable Content" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		if (texts[i].status == status)
			return texts[i].text;
	}
	return "Other";
}

/* RFC 9110 §6.6.1; made anew once a second. */
static const char *date_line(struct server *s)
{
	struct timespec now;
	struct tm tm;

	(void)clock_gettime(CLOCK_REALTIME_COARSE, &now); /* cannot fail */
	if (now.tv_sec != s->date_s) {
		s->date_s = now.tv_sec;
		(void)gmtime_r(&now.tv_sec, &tm); /* fails only beyond the year 2^31 */
		(void)strftime(s->date, sizeof(s->date), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n",
			       &tm);
	}
	return s->date;
}

static void number_text(struct buf *out, uint64_t n)
{
	char digits[24];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + n % 10);
	while (n /= 10);
	buf_bytes(out, digits + at, sizeof(digits) - at);
}

static void head_write(struct server_conn *c, const struct server_answer *a)
{
	struct buf *out = &c->out;

	buf_text(out, "HTTP/1.1 ");
	number_text(out, (uint64_t)a->status);
	buf_bytes(out, " ", 1);
	buf_text(out, status_text(a->status));
	buf_text(out, "\r\n");
	buf_text(out, date_line(c->server));
	if (a->type) {
		buf_text(out, "Content-Type: ");
		buf_text(out, a->type);
		buf_text(out, "\r\n");
	}
	if (a->type && c->state != CONN_STREAM) {
		buf_text(out, "Content-Length: ");
		number_text(out, a->length);
		buf_text(out, "\r\n");
	}
	if (a->headers)
		buf_text(out, a->headers);
	if (c->closing)
		buf_text(out, "Connection: close\r\n");
	else if (c->head.http10)
		buf_text(out, "Connection: keep-alive\r\n");
	buf_text(out, "\r\n");
}

/* Takes the request that was answered off the input. */
static void conn_consume(struct server_conn *c)
{
	c->in_at += c->head.length + (c->head.chunked ? 0 : c->head.body_length);
	if (c->in_at == c->in.length) {
		buf_reset(&c->in, &c->in_at);
	} else if (c->in_at > KEEP_BYTES) {
		buf_drop(&c->in, c->in_at);
		c->in_at = 0;
	}
}

static void conn_process(struct server_conn *c);

void server_answer(struct server_conn *c, const struct server_answer *a)
{
	bool held = c->state == CONN_HELD;

	if (held)
		c->received_ms = clock_boot_ms(); /* silence counts from here */
	c->closing = a->close || !c->head.keep_alive;
	head_write(c, a);
	if (c->head.method != MESSAGE_HEAD)
		buf_bytes(&c->out, a->body, a->length);
	if (c->out.failed) { /* half an answer is none */
		c->gone = NULL;
		conn_close(c);
		return;
	}
	conn_consume(c);
	conn_next(c);
	if (held && !c->busy)
		conn_process(c);
}

/* ---- answers without a request ---- */

static void conn_refuse(struct server_conn *c, int refusal, const char *why)
{
	OWNED(buf_done) struct buf body = { 0 };

	c->server->ops.refused(c->server->ops.arg, refusal, why, &body);
	c->head.length = 0;
	c->head.body_length = 0;
	server_answer(c, &(struct server_answer){ .status = refusal_http_status(refusal),
						  .type = "application/problem+json",
						  .body = body.data,
						  .length = body.length,
						  .close = true });
}

/* ---- reading ---- */

/* The chunks leave the input as they are decoded: with their sizes they could be far longer than
 * the body. */
static int conn_chunks_take(struct server_conn *c, const char **why)
{
	size_t from = c->in_at + c->head.length;
	size_t used = 0;
	int r = message_chunks_take(&c->chunks, (const char *)c->in.data + from,
				    c->in.length - from, &used, &c->body, why);

	memmove(c->in.data + from, c->in.data + from + used, c->in.length - from - used);
	c->in.length -= used;
	return r ? r : c->body.failed ? -ENOMEM : 0;
}

/* Return: 0 when the body is there, -EAGAIN, or a refusal. */
static int conn_body_take(struct server_conn *c, const char **why)
{
	if (c->head.chunked)
		return conn_chunks_take(c, why);
	return in_waiting(c) >= (size_t)c->head.length + c->head.body_length ? 0 : -EAGAIN;
}

static int conn_head_take(struct server_conn *c, const char **why)
{
	int r;

	if (!in_waiting(c))
		return -EAGAIN;
	r = message_head_parse((const char *)c->in.data + c->in_at, in_waiting(c), &c->seen,
			       &c->head, why);
	if (r)
		return r;
	c->has_head = true;
	if (c->head.expects_continue && (c->head.chunked || c->head.body_length) &&
	    in_waiting(c) == c->head.length)
		buf_text(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
	return 0;
}

static void conn_hand_over(struct server_conn *c)
{
	const char *bytes = (const char *)c->in.data + c->in_at;
	struct server_request request = {
		.head = &c->head,
		.bytes = bytes,
		.body = c->head.chunked ? (const char *)c->body.data : bytes + c->head.length,
		.body_length = c->head.chunked ? c->body.length : c->head.body_length,
		.received_ms = c->received_ms,
	};

	if (!request.body)
		request.body = "";
	c->server->ops.request(c->server->ops.arg, c, &request);
}

/* One request, if all of it is there. Return: whether to look for another. */
static bool conn_request_take(struct server_conn *c)
{
	const char *why = "";
	int r = c->has_head ? 0 : conn_head_take(c, &why);

	if (!r)
		r = conn_body_take(c, &why);
	if (r == -EAGAIN)
		return false;
	if (r < 0)
		conn_close(c);
	else if (r)
		conn_refuse(c, r, why);
	else
		conn_hand_over(c);
	return true;
}

static bool conn_may_take(const struct server_conn *c)
{
	return !c->dead && c->state == CONN_READING && !c->closing && out_waiting(c) < OUT_FULL;
}

/* event_active() would come back before the loop has looked for what others sent. */
static void conn_again(struct server_conn *c)
{
	static const struct timeval none;

	(void)evtimer_add(&c->again, &none); /* fails only without memory: times out */
}

/* Answers what has arrived, flushes, and reads on. */
static void conn_process(struct server_conn *c)
{
	unsigned n = 0;
	bool more = true;

	c->busy = true;
	while (more && conn_may_take(c) && n++ < BURST)
		more = conn_request_take(c);
	conn_flush(c);
	if (more && conn_may_take(c) && !out_waiting(c) && in_waiting(c))
		conn_again(c);
	else
		more = false;
	conn_reading_update(c);
	c->busy = false;
	if (c->dead)
		conn_done(c);
	else if (c->ended && c->state == CONN_READING && !out_waiting(c) && !more)
		conn_close(c);
}

/* The peer's sending side has ended. Has the peer gone as a whole? */
static bool conn_has_hung_up(const struct server_conn *c)
{
	struct pollfd p = { .fd = c->fd, .events = 0 };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

static void conn_ended(struct server_conn *c)
{
	c->ended = true;
	if (c->state == CONN_LINGER || conn_has_hung_up(c))
		conn_close(c);
}

/* Return: whether bytes may still be waiting in the socket. */
static bool conn_read_some(struct server_conn *c)
{
	static uint8_t bytes[READ_BYTES]; /* one thread */
	ssize_t n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return false;
	if (n < 0) {
		conn_close(c);
		return false;
	}
	if (!n) {
		conn_ended(c);
		return false;
	}
	c->received_ms = clock_boot_ms();
	if (c->state == CONN_LINGER)
		return (size_t)n == sizeof(bytes);
	if (!c->started && c->state == CONN_READING) {
		c->started = true;
		c->deadline_ms = c->received_ms + c->server->limits.request_ms;
	}
	buf_bytes(&c->in, bytes, (size_t)n);
	if (c->in.failed)
		conn_close(c);
	return !c->dead && (size_t)n == sizeof(bytes);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct server_conn *c = arg;
	unsigned rounds = 0;

	(void)fd;
	(void)what;
	c->busy = true;
	while (conn_read_some(c) && in_waiting(c) < IN_MAX && ++rounds < READ_ROUNDS)
		;
	c->busy = false;
	if (c->dead)
		conn_done(c);
	else
		conn_process(c);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	conn_process(arg);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct server_conn *c = arg;

	(void)fd;
	(void)what;
	conn_process(c);
}

/* ---- admission ---- */

/* Room for connections that are not crowded out by one user, nor by those who may do nothing. */
static bool server_has_room(const struct server *s, uid_t uid, enum server_right right)
{
	const struct server_conn *c;
	unsigned of_uid = 0;
	unsigned of_strangers = 0;

	if (s->count >= s->limits.connections)
		return false;
	if (right == SERVER_RIGHT_ADMIN)
		return true;
	LIST_FOREACH (c, &s->conns, link) {
		of_uid += c->uid == uid;
		of_strangers += c->right == SERVER_RIGHT_NONE;
	}
	return of_uid < s->limits.connections_uid &&
	       (right != SERVER_RIGHT_NONE || of_strangers < s->limits.connections_stranger);
}

static int peer_groups_get(int fd, gid_t **groups, size_t *count)
{
	socklen_t length = 64 * sizeof(gid_t);
	gid_t *list = malloc(length);

	if (list && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, list, &length) < 0) {
		free(list);
		if (errno != ERANGE || length > GROUPS_MAX * sizeof(gid_t))
			return -errno;
		list = malloc(length); /* the kernel has said how many there are */
		if (list && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, list, &length) < 0) {
			free(list);
			return -errno;
		}
	}
	if (!list)
		return -ENOMEM;
	*groups = list;
	*count = length / sizeof(gid_t);
	return 0;
}

static int peer_admit(struct server *s, int fd, uid_t *uid, enum server_right *right)
{
	struct ucred cred;
	socklen_t length = sizeof(cred);
	gid_t *groups = NULL;
	struct server_peer peer = { 0 };
	int r;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &length) < 0)
		return -errno;
	r = peer_groups_get(fd, &groups, &peer.group_count);
	if (r)
		return r;
	peer.pid = cred.pid;
	peer.uid = cred.uid;
	peer.gid = cred.gid;
	peer.groups = groups;
	*uid = cred.uid;
	*right = s->ops.admit(s->ops.arg, &peer);
	free(groups);
	return 0;
}

/* One that finds no room is told so, as far as its socket takes it at once. */
static void peer_turn_away(struct server *s, int fd)
{
	OWNED(buf_done) struct buf body = { 0 };
	OWNED(buf_done) struct buf text = { 0 };

	s->ops.refused(s->ops.arg, REFUSE_LIMIT, "too many connections are open", &body);
	buf_printf(&text,
		   "HTTP/1.1 503 Service Unavailable\r\n"
		   "Content-Type: application/problem+json\r\n"
		   "Content-Length: %zu\r\nRetry-After: 1\r\nConnection: close\r\n\r\n",
		   body.length);
	buf_bytes(&text, body.data, body.length);
	(void)send(fd, text.data, text.length, MSG_NOSIGNAL | MSG_DONTWAIT); /* a courtesy */
	(void)close(fd);
}

static void conn_open(struct server *s, int fd, uid_t uid, enum server_right right)
{
	struct server_conn *c = calloc(1, sizeof(*c));

	if (!c || event_assign(&c->readable, s->base, fd, EV_READ | EV_PERSIST, on_readable, c) ||
	    event_assign(&c->writable, s->base, fd, EV_WRITE, on_writable, c) ||
	    evtimer_assign(&c->again, s->base, on_again, c)) {
		free(c);
		(void)close(fd);
		return;
	}
	c->server = s;
	c->fd = fd;
	c->uid = uid;
	c->right = right;
	c->write_deadline_ms = UINT64_MAX;
	c->received_ms = clock_boot_ms();
	LIST_INSERT_HEAD(&s->conns, c, link);
	s->count++;
	conn_next(c);
	conn_reading_update(c);
}

static void accepting_set(struct server *s, bool on)
{
	if (on == s->is_accepting)
		return;
	s->is_accepting = on;
	if (on)
		(void)event_add(s->acceptable, NULL); /* tried again at the next tick */
	else
		(void)event_del(s->acceptable);
}

static void on_acceptable(evutil_socket_t listener, short what, void *arg)
{
	struct server *s = arg;

	(void)what;
	for (int i = 0; i < ACCEPTS; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		enum server_right right = SERVER_RIGHT_NONE;
		uid_t uid = 0;

		if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
			continue;
		if (fd < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
			log_warning("control socket: cannot accept: %s", strerror(errno));
			accepting_set(s, false); /* until the next tick */
		}
		if (fd < 0)
			return;
		if (peer_admit(s, fd, &uid, &right))
			(void)close(fd); /* who has gone already has no credentials */
		else if (server_has_room(s, uid, right))
			conn_open(s, fd, uid, right);
		else
			peer_turn_away(s, fd);
	}
}

/* ---- time ---- */

/* Has the peer had its time? */
static bool conn_is_late(const struct server_conn *c, uint64_t now_ms)
{
	if (now_ms >= c->write_deadline_ms)
		return true;
	return now_ms >= c->deadline_ms &&
	       (c->state == CONN_LINGER || (c->state == CONN_READING && !out_waiting(c)));
}

static void conn_tick(struct server_conn *c, uint64_t now_ms)
{
	if (!conn_is_late(c, now_ms))
		return;
	if (c->state != CONN_READING || !c->started || out_waiting(c)) {
		conn_close(c);
		return;
	}
	c->busy = true;
	conn_refuse(c, REFUSE_TIMEOUT, "the request was not whole in time");
	c->busy = false;
	conn_process(c);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;
	uint64_t now_ms = clock_boot_ms();
	struct server_conn *c = LIST_FIRST(&s->conns);

	(void)fd;
	(void)what;
	while (c) {
		struct server_conn *next = LIST_NEXT(c, link);

		conn_tick(c, now_ms);
		c = next;
	}
	accepting_set(s, true);
}

static struct timeval tick_length(const struct server_limits *l)
{
	uint32_t ms = 4000;

	ms = l->idle_ms < ms ? l->idle_ms : ms;
	ms = l->request_ms < ms ? l->request_ms : ms;
	ms = l->write_ms < ms ? l->write_ms : ms;
	ms = ms / 4 > 5 ? ms / 4 : 5;
	return clock_timeval(ms);
}

/* ---- listening ---- */

static int listener_bind(int fd, const struct sockaddr_un *address)
{
	return bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
}

/* A socket file that nobody listens on is what a manager that died left behind. */
static int stale_remove(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;
	int r;

	if (fd < 0)
		return -errno;
	r = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
	(void)close(fd);
	if (r != -ECONNREFUSED)
		return -EADDRINUSE;
	if (lstat(address->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return -EADDRINUSE;
	return unlink(address->sun_path) < 0 ? -errno : 0;
}

static int listener_open(const char *path, int *out)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = listener_bind(fd, &address);
	if (r == -EADDRINUSE) {
		r = stale_remove(&address);
		if (!r)
			r = listener_bind(fd, &address);
	}
	if (!r && (chmod(path, 0666) < 0 || listen(fd, BACKLOG) < 0))
		r = -errno;
	if (r) {
		(void)close(fd);
		return r;
	}
	*out = fd;
	return 0;
}

static int server_start(struct server *s)
{
	struct timeval tick = tick_length(&s->limits);

	s->acceptable = event_new(s->base, s->fd, EV_READ | EV_PERSIST, on_acceptable, s);
	s->tick = event_new(s->base, -1, EV_PERSIST, on_tick, s);
	if (!s->acceptable || !s->tick || event_add(s->tick, &tick))
		return -ENOMEM;
	accepting_set(s, true);
	return 0;
}

/* Connections that would leave no descriptors for the database and the providers. */
static void limits_fit(struct server_limits *limits)
{
	struct rlimit files;
	rlim_t room;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur == RLIM_INFINITY)
		return;
	room = files.rlim_cur > 2 * OTHER_FILES ? files.rlim_cur - OTHER_FILES : files.rlim_cur / 2;
	if (room >= limits->connections)
		return;
	log_info("control socket: %u connections, for there may be %u open files", (unsigned)room,
		 (unsigned)files.rlim_cur);
	limits->connections = (unsigned)room;
}

static int server_listen(struct server *s, const char *path, int fd)
{
	int r;

	if (!path) {
		s->fd = fd;
		return evutil_make_socket_nonblocking(fd) ? -errno : 0;
	}
	r = listener_open(path, &s->fd);
	if (r)
		return r;
	s->path = strdup(path);
	return s->path ? 0 : -ENOMEM;
}

int server_new(struct event_base *base, const char *path, int fd,
	       const struct server_limits *limits, const struct server_ops *ops, char *why,
	       struct server **out)
{
	OWNED(server_free) struct server *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->base = base;
	s->limits = *limits;
	limits_fit(&s->limits);
	s->ops = *ops;
	s->fd = -1;
	LIST_INIT(&s->conns);
	r = server_listen(s, path, fd);
	if (!r)
		r = server_start(s);
	if (r) {
		(void)snprintf(why, WHY_MAX, "%s: %s", path ? path : "control socket",
			       r == -EADDRINUSE ? "another program listens there" : strerror(-r));
		return r;
	}
	*out = TAKE(s);
	return 0;
}

void server_free(struct server *s)
{
	if (!s)
		return;
	while (!LIST_EMPTY(&s->conns))
		conn_close(LIST_FIRST(&s->conns));
	if (s->acceptable)
		event_free(s->acceptable);
	if (s->tick)
		event_free(s->tick);
	if (s->fd >= 0)
		(void)close(s->fd);
	if (s->path)
		(void)unlink(s->path);
	free(s->path);
	free(s);
}

/* ---- for who answers ---- */

unsigned server_connections(const struct server *s)
{
	return s->count;
}

uid_t server_conn_uid(const struct server_conn *c)
{
	return c->uid;
}

enum server_right server_conn_right(const struct server_conn *c)
{
	return c->right;
}

void server_hold(struct server_conn *c, void (*gone)(void *arg), void *arg)
{
	c->state = CONN_HELD;
	c->gone = gone;
	c->arg = arg;
}

void server_stream_start(struct server_conn *c, const char *type, void (*drained)(void *arg),
			 void (*gone)(void *arg), void *arg)
{
	struct server_answer head = { .status = 200,
				      .type = type,
				      .headers = "Cache-Control: no-store\r\n" };

	c->state = CONN_STREAM;
	c->closing = true;
	c->drained = drained;
	c->gone = gone;
	c->arg = arg;
	head_write(c, &head);
}

void server_stream_write(struct server_conn *c, const void *bytes, size_t length)
{
	bool was_busy = c->busy;

	buf_bytes(&c->out, bytes, length);
	if (c->out.failed) {
		conn_close(c);
		return;
	}
	if (was_busy)
		return; /* flushed by who is on the stack */
	c->busy = true;
	conn_flush(c);
	c->busy = false;
	if (c->dead)
		conn_done(c);
}

size_t server_stream_waiting(const struct server_conn *c)
{
	return out_waiting(c);
}
