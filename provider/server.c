/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/server.h"

#include <errno.h>
#include <event2/listener.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "provider/stream.h"

enum {
	CONNECTIONS_MAX = PROVIDER_SERVER_CONTROLS + 16, /* with those that have not said hello */
	BACKLOG = 64,
};

struct conn {
	LIST_ENTRY(conn) at;
	struct provider_server *server;
	struct stream *stream;
	enum wire_role role; /* 0: it has not said hello */
	struct buf request;  /* what has come of a control request */
	uint32_t request_id;
};

struct provider_server {
	struct provider_server_user user;
	struct event_base *base;
	struct evconnlistener *listener;
	struct event *timer;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	bool bound; /* the socket file is ours to remove */
	struct provider *provider;
	struct provider_hello hello;
	enum provider_state state;
	LIST_HEAD(, conn) conns;
	size_t conn_count;
	struct conn *manager;
	uint32_t manager_life; /* counts managers: views of an earlier one go nowhere */
	bool scan_running;     /* the provider works on one */
	uint32_t scan_life;    /* of the manager that it is for */
	uint32_t scan_id;
	bool scan_again; /* asked for while one was running or leaving */
	uint32_t scan_again_id;
	struct wire_scan_out leaving; /* scan: ours; NULL: none */
};

static struct buf *manager_out(struct provider_server *server)
{
	return stream_out(server->manager->stream);
}

static void manager_send(struct provider_server *server)
{
	stream_send(server->manager->stream);
}

static void timer_set(struct provider_server *server)
{
	uint64_t next_ms = server->provider->ops->next_ms(server->provider);
	uint64_t now_us = clock_boot_us();
	uint64_t wait_us;
	struct timeval wait;

	if (next_ms == UINT64_MAX) {
		(void)event_del(server->timer); /* not pending is fine */
		return;
	}
	if (next_ms > now_us / 1000 + 3600 * 1000)
		next_ms = now_us / 1000 + 3600 * 1000;
	wait_us = next_ms * 1000 > now_us ? next_ms * 1000 - now_us : 0;
	wait.tv_sec = (time_t)(wait_us / 1000000);
	wait.tv_usec = (suseconds_t)(wait_us % 1000000);
	if (event_add(server->timer, &wait))
		log_err("provider: no timer: out of memory");
}

void provider_server_kick(struct provider_server *server)
{
	if (!server->provider)
		return;
	server->provider->ops->advance(server->provider, clock_boot_ms());
	timer_set(server);
}

static void server_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	provider_server_kick(arg);
}

/* Scans: one runs or leaves at a time; a request that comes meanwhile gets a scan of its own. */

static void scan_leave(struct provider_server *server);

static void scan_start(struct provider_server *server, uint32_t id)
{
	int r;

	if (server->scan_running || server->leaving.scan) {
		server->scan_again = true;
		server->scan_again_id = id;
		return;
	}
	server->scan_running = true;
	server->scan_life = server->manager_life;
	server->scan_id = id;
	r = server->provider->ops->scan(server->provider);
	if (r) {
		server->scan_running = false;
		wire_scan_failed_put(manager_out(server), id, strerror(-r));
		manager_send(server);
	}
}

static void scan_next(struct provider_server *server)
{
	if (!server->scan_again || !server->manager)
		return;
	server->scan_again = false;
	scan_start(server, server->scan_again_id);
	event_active(server->timer, EV_TIMEOUT, 0); /* the provider has something to do again */
}

static void scan_drop(struct provider_server *server)
{
	provider_scan_free((struct provider_scan *)server->leaving.scan); /* it is ours */
	server->leaving = (struct wire_scan_out){ 0 };
}

/* As much of it as there is room for: a large scan holds up neither completions nor memory. */
static void scan_leave(struct provider_server *server)
{
	while (server->manager && server->leaving.scan &&
	       stream_unwritten(server->manager->stream) < STREAM_OUTPUT_LOW) {
		bool more = wire_scan_out_put(manager_out(server), &server->leaving);

		manager_send(server);
		if (!more) {
			scan_drop(server);
			scan_next(server);
		}
	}
}

/* The sink. */

static void sink_completed(void *arg, const struct provider_completion *done)
{
	struct provider_server *server = arg;

	if (!server->manager)
		return;
	wire_done_put(manager_out(server), done);
	manager_send(server);
}

static void sink_scanned_take(void *arg, struct provider_scan *scan, const char *why)
{
	OWNED(provider_scan_free) struct provider_scan *held = scan;
	struct provider_server *server = arg;

	if (!server->scan_running)
		return;
	server->scan_running = false;
	if (!server->manager || server->scan_life != server->manager_life) {
		scan_next(server);
		return;
	}
	if (!scan) {
		wire_scan_failed_put(manager_out(server), server->scan_id, why ? why : "");
		manager_send(server);
		scan_next(server);
		return;
	}
	server->leaving = (struct wire_scan_out){ .scan = TAKE(held), .id = server->scan_id };
	scan_leave(server);
}

static void sink_told(void *arg, const struct provider_event *event)
{
	struct provider_server *server = arg;

	if (event->kind == PROVIDER_EVENT_REBOOT)
		(void)snprintf(server->hello.boot_id, sizeof(server->hello.boot_id), "%s",
			       event->boot_id); /* of the same size */
	if (!server->manager)
		return;
	wire_event_put(manager_out(server), event);
	manager_send(server);
}

static void sink_state(void *arg, enum provider_state state, const struct provider_hello *hello)
{
	struct provider_server *server = arg;

	server->state = state;
	if (hello)
		server->hello = *hello;
	if (!server->manager)
		return;
	wire_state_put(manager_out(server), state, &server->hello);
	manager_send(server);
}

static void sink_viewed(void *arg, uint64_t cookie, const struct provider_config *config,
			const char *why)
{
	struct provider_server *server = arg;

	if (!server->manager || cookie >> 32 != server->manager_life)
		return;
	if (config && config->length <= PROVIDER_CONFIG_BYTES)
		wire_view_config_put(manager_out(server), (uint32_t)cookie, config);
	else if (!config)
		wire_view_end_put(manager_out(server), (uint32_t)cookie, why ? why : "");
	manager_send(server);
}

/* What the manager sends. */

static void op_answer(struct provider_server *server, uint64_t attempt, enum provider_why why,
		      const char *text)
{
	struct provider_completion done = {
		.attempt = attempt,
		.outcome = PROVIDER_REFUSED,
		.why = why,
	};

	(void)snprintf(done.text, sizeof(done.text), "%s", text); /* cut is fine */
	sink_completed(server, &done);
}

static bool verb_writes(enum provider_verb verb)
{
	return verb != PROVIDER_READ && verb != PROVIDER_READ_HOST && verb != PROVIDER_SETTLE;
}

static int manager_op(struct provider_server *server, const struct wire_frame *f)
{
	uint64_t now_ms = clock_boot_ms();
	struct provider_op op;
	int r = wire_op_get(f, now_ms, &op);

	if (r)
		return r;
	if (provider_op_check(&op)) {
		op_answer(server, op.attempt, PROVIDER_WHY_UNSUPPORTED,
			  "the operation makes no sense to this provider");
	} else if (verb_writes(op.verb) && !(server->hello.can & PROVIDER_CAN_WRITE)) {
		op_answer(server, op.attempt, PROVIDER_WHY_UNSUPPORTED, "the provider only reads");
	} else if (op.deadline_ms <= now_ms) {
		op_answer(server, op.attempt, PROVIDER_WHY_NONE, "it came after its deadline");
	} else {
		r = server->provider->ops->submit(server->provider, &op);
		if (r)
			op_answer(server, op.attempt, PROVIDER_WHY_NONE, strerror(-r));
	}
	return 0;
}

static int manager_scan(struct provider_server *server, const struct wire_frame *f)
{
	uint32_t id;
	int r = wire_scan_get(f, &id);

	if (r)
		return r;
	scan_start(server, id);
	return 0;
}

static int manager_view(struct provider_server *server, const struct wire_frame *f)
{
	uint32_t id;
	uint16_t host;
	int r = wire_view_get(f, &id, &host);

	if (r)
		return r;
	r = server->provider->ops->view
		    ? server->provider->ops->view(server->provider, host,
						  (uint64_t)server->manager_life << 32 | id)
		    : -EOPNOTSUPP;
	if (r) {
		wire_view_end_put(manager_out(server), id, strerror(-r));
		manager_send(server);
	}
	return 0;
}

static void conn_refuse(struct conn *conn, const char *why)
{
	wire_refused_put(stream_out(conn->stream), why);
	stream_send(conn->stream);
	stream_finish(conn->stream, why);
}

static size_t controls_count(const struct provider_server *server)
{
	const struct conn *conn;
	size_t n = 0;

	LIST_FOREACH (conn, &server->conns, at)
		n += conn->role == WIRE_CONTROLLER;
	return n;
}

static void manager_come(struct provider_server *server, struct conn *conn)
{
	server->manager = conn;
	server->manager_life++;
	if (server->state != PROVIDER_READY) {
		wire_state_put(manager_out(server), server->state, &server->hello);
		manager_send(server);
	}
	if (server->user.manager)
		server->user.manager(server->user.arg, true);
}

static int conn_hello(struct conn *conn, const struct wire_frame *f)
{
	struct provider_server *server = conn->server;
	struct wire_hello hello;

	if (f->type != WIRE_HELLO || wire_hello_get(f, &hello))
		return -EBADMSG;
	if (hello.oldest > WIRE_VERSION || hello.newest < WIRE_VERSION) {
		conn_refuse(conn, "no common version of the protocol");
		return 0;
	}
	if (hello.role == WIRE_MANAGER && server->manager) {
		conn_refuse(conn, "another manager is connected");
		return 0;
	}
	if (hello.role == WIRE_CONTROLLER && controls_count(server) == PROVIDER_SERVER_CONTROLS) {
		conn_refuse(conn, "too many control connections");
		return 0;
	}
	log_debug("provider: %s: hello from %s", hello.role == WIRE_MANAGER ? "manager" : "control",
		  hello.name);
	conn->role = hello.role;
	wire_welcome_put(stream_out(conn->stream), &server->hello);
	stream_send(conn->stream);
	if (hello.role == WIRE_MANAGER)
		manager_come(server, conn);
	return 0;
}

static void control_answer(struct conn *conn)
{
	OWNED(buf_done) struct buf answer = { 0 };
	struct provider_server *server = conn->server;
	int status = -EOPNOTSUPP;

	buf_u8(&conn->request, 0); /* a NUL behind it */
	if (conn->request.failed)
		status = -ENOMEM;
	else if (server->user.control)
		status = server->user.control(server->user.arg, (const char *)conn->request.data,
					      conn->request.length - 1, &answer);
	if (answer.failed || answer.length > WIRE_CONTROL_MAX) {
		status = answer.failed ? -ENOMEM : -EMSGSIZE;
		answer.length = 0;
	}
	wire_control_put(stream_out(conn->stream), WIRE_ANSWER, conn->request_id, status,
			 answer.length ? answer.data : NULL, answer.length);
	stream_send(conn->stream);
	buf_done(&conn->request);
	provider_server_kick(server);
}

static int conn_control(struct conn *conn, const struct wire_frame *f)
{
	struct wire_slice slice;
	bool whole;
	int r = wire_slice_get(f, &slice);

	if (r)
		return r;
	if (!slice.offset) {
		buf_done(&conn->request);
		conn->request_id = slice.id;
	}
	if (slice.id != conn->request_id)
		return -EBADMSG;
	r = wire_slice_join(&conn->request, &slice, &whole);
	if (r)
		return r;
	if (whole)
		control_answer(conn);
	return 0;
}

static int conn_frame(void *arg, const struct wire_frame *f)
{
	struct conn *conn = arg;
	struct provider_server *server = conn->server;

	if (!conn->role)
		return conn_hello(conn, f);
	if (f->type == WIRE_CONTROL)
		return conn_control(conn, f);
	if (f->type == WIRE_PONG || f->type == WIRE_UNSUPPORTED)
		return 0;
	if (conn != server->manager)
		return -EBADMSG;
	switch (f->type) {
	case WIRE_OP:
		return manager_op(server, f);
	case WIRE_SCAN:
		return manager_scan(server, f);
	case WIRE_VIEW:
		return manager_view(server, f);
	default:
		return -EBADMSG; /* what only a provider sends */
	}
}

static void conn_batch(void *arg)
{
	const struct conn *conn = arg;

	if (conn == conn->server->manager)
		provider_server_kick(conn->server);
}

static void conn_room(void *arg)
{
	const struct conn *conn = arg;

	if (conn == conn->server->manager)
		scan_leave(conn->server);
}

static void conn_free(struct conn *conn)
{
	LIST_REMOVE(conn, at);
	conn->server->conn_count--;
	stream_free(conn->stream);
	buf_done(&conn->request);
	free(conn);
}

static void conn_ended(void *arg, const char *why)
{
	struct conn *conn = arg;
	struct provider_server *server = conn->server;
	bool manager = conn == server->manager;

	log_debug("provider: %s: gone: %s", manager ? "manager" : "connection", why);
	if (manager) {
		server->manager = NULL;
		server->scan_again = false;
		scan_drop(server);
	}
	conn_free(conn);
	if (manager && server->user.manager)
		server->user.manager(server->user.arg, false);
}

/* When all places are taken: the oldest that has not said hello goes. */
static bool conn_make_room(struct provider_server *server)
{
	struct conn *conn;
	struct conn *oldest = NULL;

	if (server->conn_count < CONNECTIONS_MAX)
		return true;
	LIST_FOREACH (conn, &server->conns, at)
		if (!conn->role)
			oldest = conn; /* new ones stand at the head */
	if (oldest)
		conn_free(oldest);
	return oldest;
}

static void server_accept(struct evconnlistener *listener, evutil_socket_t fd,
			  struct sockaddr *address, int length, void *arg)
{
	const struct stream_user user = {
		.frame = conn_frame,
		.batch = conn_batch,
		.room = conn_room,
		.ended = conn_ended,
	};
	struct provider_server *server = arg;
	struct stream_user of_conn = user;
	struct conn *conn;

	(void)listener;
	(void)address;
	(void)length;
	conn = conn_make_room(server) ? calloc(1, sizeof(*conn)) : NULL;
	if (!conn) {
		close(fd);
		return;
	}
	conn->server = server;
	of_conn.arg = conn;
	if (stream_new_take(server->base, fd, &of_conn, &conn->stream)) {
		free(conn);
		return;
	}
	LIST_INSERT_HEAD(&server->conns, conn, at);
	server->conn_count++;
}

/* Is somebody there? A socket file whose server died refuses the connection. */
static int path_probe(const struct sockaddr_un *address)
{
	struct stat st;
	int fd;
	int r;

	if (lstat(address->sun_path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = connect(fd, (const struct sockaddr *)address, sizeof(*address)) ? -errno : -EADDRINUSE;
	close(fd);
	if (r == -EAGAIN)
		return -EADDRINUSE; /* its backlog is full: it lives */
	if (r != -ECONNREFUSED)
		return r;
	return unlink(address->sun_path) && errno != ENOENT ? -errno : 0;
}

static int server_bind(struct provider_server *server, const char *path, int *out)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path); /* it fits */
	(void)snprintf(server->path, sizeof(server->path), "%s", path);         /* likewise */
	r = path_probe(&address);
	if (r)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* nobody can connect before listen(): the mode is right by then */
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address))) {
		r = -errno;
		close(fd);
		return r;
	}
	server->bound = true;
	if (chmod(path, 0660) || listen(fd, BACKLOG)) {
		r = -errno;
		close(fd);
		return r;
	}
	*out = fd;
	return 0;
}

int provider_server_new(struct event_base *base, const char *socket_path,
			const struct provider_server_user *user, struct provider_server **out)
{
	OWNED(provider_server_free) struct provider_server *server = calloc(1, sizeof(*server));
	int fd;
	int r;

	if (!server)
		return -ENOMEM;
	/* Managers and switches go away at any time: a write fails then, and nobody dies of it. */
	(void)signal(SIGPIPE, SIG_IGN); /* cannot fail for this signal */
	server->user = *user;
	server->base = base;
	server->state = PROVIDER_READY;
	server->timer = evtimer_new(base, server_timer, server);
	if (!server->timer)
		return -ENOMEM;
	r = server_bind(server, socket_path, &fd);
	if (r)
		return r;
	server->listener = evconnlistener_new(
		base, server_accept, server,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_DISABLED | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!server->listener) {
		close(fd);
		return -ENOMEM;
	}
	*out = TAKE(server);
	return 0;
}

void provider_server_free(struct provider_server *server)
{
	struct conn *conn;

	if (!server)
		return;
	server->manager = NULL;
	while ((conn = LIST_FIRST(&server->conns)))
		conn_free(conn);
	scan_drop(server);
	if (server->listener)
		evconnlistener_free(server->listener);
	if (server->bound)
		(void)unlink(server->path); /* gone already is fine */
	if (server->timer)
		event_free(server->timer);
	free(server);
}

struct provider_sink provider_server_sink(struct provider_server *server)
{
	return (struct provider_sink){
		.completed = sink_completed,
		.scanned_take = sink_scanned_take,
		.told = sink_told,
		.state = sink_state,
		.viewed = sink_viewed,
		.arg = server,
	};
}

void provider_server_attach(struct provider_server *server, struct provider *p,
			    const struct provider_hello *hello)
{
	server->provider = p;
	server->hello = *hello;
	(void)evconnlistener_enable(
		server->listener); /* it was made disabled, nothing else fails */
	provider_server_kick(server);
}
