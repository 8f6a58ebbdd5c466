/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/client.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/unix_socket.h"
#include "provider/pending.h"
#include "provider/stream.h"

enum {
	BACKOFF_FIRST_MS = 50,
	BACKOFF_MOST_MS = 2000,
	TICK_MS = 1000,
	HELLO_TICKS = 10,                 /* no welcome for so long: try again */
	QUIET_TICKS = 3,                  /* a ping without an answer for so long: slow */
	TAKE_MOST = 256,                  /* attempts that are told at a time */
	BACKLOG_BYTES = 16 * 1024 * 1024, /* unwritten; beyond it nothing more is taken */
};

struct client {
	struct provider provider; /* first */
	struct event_base *base;
	struct provider_sink sink;
	char name[PROVIDER_NAME_MAX];
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	char why[PROVIDER_TEXT_MAX];
	char said[PROVIDER_TEXT_MAX]; /* the last reason that went into the log; "" once it answers
				       */
	struct stream *stream;        /* NULL: not connected */
	struct event *retry;
	struct event *tick;
	uint32_t backoff_ms;
	bool welcomed;
	bool heard; /* something came since the last tick */
	unsigned quiet_ticks;
	uint64_t pings;
	enum provider_state state; /* as reported; LOST before the first */
	bool overdue;              /* an operation had no answer in time, and nothing came since */
	struct provider_hello hello;
	struct pending pending;
	struct {
		bool running;
		bool begun; /* what it shows is fixed by now */
		bool again; /* asked for since */
		bool stale; /* the switch has rebooted since: handles mean something else */
		uint32_t id;
		struct wire_scan_in in;
	} scan;
	struct {
		bool used;
		uint32_t id;
		uint64_t cookie;
	} views[PROVIDER_CLIENT_VIEWS];
	uint32_t next_id;
	/* room for what one frame brings */
	struct provider_binding bindings[PROVIDER_READ_MAX];
	uint8_t config[PROVIDER_CONFIG_BYTES];
};

static struct client *client_of(const struct provider *p)
{
	return (struct client *)p; /* it stands first */
}

static void wait_set(struct event *event, uint32_t ms)
{
	const struct timeval wait = clock_timeval(ms);

	if (event_add(event, &wait))
		log_err("provider: no timer: out of memory");
}

static void state_tell(struct client *c, enum provider_state state)
{
	bool connected =
		state == PROVIDER_READY || state == PROVIDER_SLOW || state == PROVIDER_SETTLING;

	if (c->state == state)
		return;
	log_debug("provider %s: %s%s%s", c->name, provider_state_text(state), c->why[0] ? ": " : "",
		  c->why);
	c->state = state;
	c->sink.state(c->sink.arg, state, connected ? &c->hello : NULL);
}

static bool client_is_up(const struct client *c)
{
	return c->state == PROVIDER_READY || c->state == PROVIDER_SLOW;
}

static void unknown_tell(struct client *c, uint64_t attempt, const char *text)
{
	struct provider_completion done = { .attempt = attempt, .outcome = PROVIDER_UNKNOWN };

	(void)snprintf(done.text, sizeof(done.text), "%s", text); /* cut is fine */
	c->sink.completed(c->sink.arg, &done);
}

/* Those whose deadline is over by @now_ms. Return: whether there were any. */
static bool pending_tell(struct client *c, uint64_t now_ms, const char *text)
{
	uint64_t attempts[TAKE_MOST];
	bool any = false;
	size_t n;

	do {
		n = pending_take(&c->pending, now_ms, attempts, TAKE_MOST);
		any |= n > 0;
		for (size_t i = 0; i < n; i++)
			unknown_tell(c, attempts[i], text);
	} while (n == TAKE_MOST);
	return any;
}

/* Nothing of what is under way will be answered any more. */
static void under_way_end(struct client *c)
{
	(void)pending_tell(c, UINT64_MAX, "the provider was lost"); /* any or none */
	if (c->scan.running) {
		wire_scan_in_done(&c->scan.in);
		c->scan.running = c->scan.begun = c->scan.again = false;
		c->sink.scanned_take(c->sink.arg, NULL, "the provider was lost");
	}
	for (size_t i = 0; i < PROVIDER_CLIENT_VIEWS; i++)
		if (c->views[i].used) {
			c->views[i].used = false;
			c->sink.viewed(c->sink.arg, c->views[i].cookie, NULL,
				       "the provider was lost");
		}
}

static void retry_set(struct client *c)
{
	wait_set(c->retry, c->backoff_ms);
	c->backoff_ms = 2 * c->backoff_ms < BACKOFF_MOST_MS ? 2 * c->backoff_ms : BACKOFF_MOST_MS;
}

static void why_set(struct client *c, const char *why)
{
	(void)snprintf(c->why, sizeof(c->why), "%s", why); /* cut is fine */
}

/* Each reason once, however often it is tried. */
static void why_say(struct client *c)
{
	if (!strcmp(c->said, c->why))
		return;
	(void)snprintf(c->said, sizeof(c->said), "%s", c->why); /* of one size */
	log_warning("provider %s: %s: %s; trying again until it answers", c->name, c->path, c->why);
}

static void client_ended(void *arg, const char *why)
{
	struct client *c = arg;

	if (!c->why[0])
		why_set(c, why);
	why_say(c);
	stream_free(c->stream);
	c->stream = NULL;
	c->overdue = false;
	(void)event_del(c->tick); /* not pending is fine */
	if (c->welcomed) {
		c->welcomed = false;
		state_tell(c, PROVIDER_LOST);
		under_way_end(c);
	}
	retry_set(c);
}

static int client_send(struct client *c)
{
	stream_send(c->stream);
	return 0;
}

/* What the provider sends. */

static int on_welcome(struct client *c, const struct wire_frame *f)
{
	struct provider_hello hello = { 0 };
	int r = wire_welcome_get(f, &hello);

	if (r || c->welcomed)
		return -EBADMSG;
	c->hello = hello;
	c->welcomed = true;
	c->backoff_ms = BACKOFF_FIRST_MS;
	c->why[0] = '\0';
	c->said[0] = '\0';
	state_tell(c, PROVIDER_READY);
	return 0;
}

static int on_refused(struct client *c, const struct wire_frame *f)
{
	char why[PROVIDER_TEXT_MAX];
	int r = wire_refused_get(f, why);

	if (r)
		return r;
	why_set(c, why);
	stream_end(c->stream, why);
	return 0;
}

static int on_done(struct client *c, const struct wire_frame *f)
{
	struct provider_completion done;
	int r = wire_done_get(f, c->bindings, &done);

	if (r)
		return r;
	/* one that was not waited for any more counts for nothing (S19) */
	if (pending_remove(&c->pending, done.attempt))
		c->sink.completed(c->sink.arg, &done);
	return 0;
}

static int on_event(struct client *c, const struct wire_frame *f)
{
	struct provider_event event;
	int r = wire_event_get(f, &event);

	if (r)
		return r;
	if (event.kind == PROVIDER_EVENT_REBOOT) {
		(void)snprintf(c->hello.boot_id, sizeof(c->hello.boot_id), "%s", event.boot_id);
		c->scan.stale |= c->scan.running && c->scan.begun;
	}
	c->sink.told(c->sink.arg, &event);
	return 0;
}

/* The provider stands between us and the hardware: it can be reached while that cannot. */
static int on_state(struct client *c, const struct wire_frame *f)
{
	enum provider_state state;
	struct provider_hello hello = { 0 };
	int r = wire_state_get(f, &state, &hello);
	bool anew;

	if (r)
		return r;
	if (state == PROVIDER_LOST || state == PROVIDER_CONNECTING) {
		why_set(c, "the provider has lost its hardware");
		state_tell(c, PROVIDER_LOST);
		under_way_end(c);
		return 0;
	}
	anew = memcmp(&hello, &c->hello, sizeof(hello)) != 0;
	c->hello = hello;
	c->why[0] = '\0';
	if (anew && client_is_up(c))
		c->sink.state(c->sink.arg, c->state, &c->hello);
	state_tell(c, state == PROVIDER_SLOW ? PROVIDER_SLOW : PROVIDER_READY);
	return 0;
}

static int scan_ask(struct client *c)
{
	c->scan.running = true;
	c->scan.begun = false;
	c->scan.again = false;
	c->scan.stale = false;
	c->scan.id = ++c->next_id;
	wire_scan_put(stream_out(c->stream), c->scan.id);
	return client_send(c);
}

/* Tells it, or asks for another one where it is too old for those who asked. */
static void scan_tell(struct client *c, struct provider_scan *scan, const char *why)
{
	bool again = c->scan.again;

	if (c->scan.stale) {
		provider_scan_free(scan);
		(void)scan_ask(c); /* it sends, no more */
		return;
	}
	c->scan.running = false;
	c->sink.scanned_take(c->sink.arg, scan, scan ? NULL : why);
	if (again && !c->scan.running && client_is_up(c))
		(void)scan_ask(c); /* it sends, no more */
}

/* Is it of the scan that is waited for? Not, when that was given up with the hardware. */
static bool scan_is_ours(const struct client *c, const struct wire_frame *f)
{
	uint32_t id;

	return !wire_scan_get(f, &id) && c->scan.running && id == c->scan.id;
}

static int on_scan_begin(struct client *c, const struct wire_frame *f)
{
	if (!scan_is_ours(c, f))
		return 0;
	c->scan.begun = true;
	return wire_scan_begin_get(f, &c->scan.in);
}

static int on_scan_slice(struct client *c, const struct wire_frame *f)
{
	return scan_is_ours(c, f) ? wire_scan_slice_get(f, &c->scan.in) : 0;
}

static int on_scan_end(struct client *c, const struct wire_frame *f)
{
	char why[PROVIDER_TEXT_MAX];
	struct provider_scan *scan;
	uint32_t id;
	int r;

	if (!scan_is_ours(c, f))
		return 0;
	r = wire_scan_end_get(f, &c->scan.in, &id, &scan, why);
	if (!r)
		scan_tell(c, scan, why);
	return r;
}

static int view_find(const struct client *c, uint32_t id)
{
	for (int i = 0; i < PROVIDER_CLIENT_VIEWS; i++)
		if (c->views[i].used && c->views[i].id == id)
			return i;
	return -1;
}

static int on_view_config(struct client *c, const struct wire_frame *f)
{
	struct provider_config config;
	uint32_t id;
	int r = wire_view_config_get(f, &id, c->config, &config);
	int i;

	if (r)
		return r;
	i = view_find(c, id);
	if (i >= 0)
		c->sink.viewed(c->sink.arg, c->views[i].cookie, &config, NULL);
	return 0;
}

static int on_view_end(struct client *c, const struct wire_frame *f)
{
	char why[PROVIDER_TEXT_MAX];
	uint32_t id;
	int r = wire_view_end_get(f, &id, why);
	int i;

	if (r)
		return r;
	i = view_find(c, id);
	if (i < 0)
		return 0;
	c->views[i].used = false;
	c->sink.viewed(c->sink.arg, c->views[i].cookie, NULL, why);
	return 0;
}

static int on_unsupported(struct client *c, const struct wire_frame *f)
{
	uint16_t type;
	int r = wire_unsupported_get(f, &type);

	if (r)
		return r;
	log_debug("provider %s: does not know message %s", c->name, wire_type_text(type));
	if (type == WIRE_SCAN && c->scan.running)
		scan_tell(c, NULL, "the provider cannot scan");
	for (size_t i = 0; i < PROVIDER_CLIENT_VIEWS && type == WIRE_VIEW; i++)
		if (c->views[i].used) {
			c->views[i].used = false;
			c->sink.viewed(c->sink.arg, c->views[i].cookie, NULL,
				       "the provider cannot show configuration space");
		}
	return 0;
}

static int on_pong(struct client *c, const struct wire_frame *f)
{
	uint64_t number;
	int r = wire_ping_get(f, &number);

	if (!r && number == c->pings)
		c->quiet_ticks = 0;
	return r;
}

static int client_frame(void *arg, const struct wire_frame *f)
{
	static int (*const on[WIRE_TYPES])(struct client * c, const struct wire_frame *f) = {
		[WIRE_WELCOME] = on_welcome,
		[WIRE_REFUSED] = on_refused,
		[WIRE_UNSUPPORTED] = on_unsupported,
		[WIRE_PONG] = on_pong,
		[WIRE_DONE] = on_done,
		[WIRE_EVENT] = on_event,
		[WIRE_STATE] = on_state,
		[WIRE_SCAN_BEGIN] = on_scan_begin,
		[WIRE_SCAN_SLICE] = on_scan_slice,
		[WIRE_SCAN_END] = on_scan_end,
		[WIRE_VIEW_CONFIG] = on_view_config,
		[WIRE_VIEW_END] = on_view_end,
	};
	struct client *c = arg;

	if (!on[f->type] || (!c->welcomed && f->type != WIRE_WELCOME && f->type != WIRE_REFUSED))
		return -EBADMSG;
	return on[f->type](c, f);
}

static void client_batch(void *arg)
{
	struct client *c = arg;

	c->heard = true;
	c->overdue = false;
	if (c->state == PROVIDER_SLOW)
		state_tell(c, PROVIDER_READY);
}

static void overdue_tell(struct client *c, uint64_t now_ms)
{
	c->overdue |= pending_tell(c, now_ms, "no answer by the deadline");
	if (c->overdue && c->state == PROVIDER_READY)
		state_tell(c, PROVIDER_SLOW);
}

static void client_tick(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;

	(void)fd;
	(void)what;
	c->quiet_ticks = c->heard ? 0 : c->quiet_ticks + 1;
	c->heard = false;
	if (!c->welcomed) {
		if (c->quiet_ticks >= HELLO_TICKS)
			stream_end(c->stream, "no welcome");
	} else {
		if (c->quiet_ticks >= QUIET_TICKS && c->state == PROVIDER_READY)
			state_tell(c, PROVIDER_SLOW);
		if (c->quiet_ticks <= 1) {
			wire_ping_put(stream_out(c->stream), WIRE_PING, ++c->pings);
			stream_send(c->stream);
		}
		overdue_tell(c, clock_boot_ms());
	}
	wait_set(c->tick, TICK_MS);
}

static int client_connect(struct client *c)
{
	struct stream_user user = {
		.frame = client_frame,
		.batch = client_batch,
		.ended = client_ended,
		.arg = c,
	};
	int fd = -1;
	int r = unix_socket_connect(c->path, &fd);

	if (r)
		return r;
	r = stream_new_take(c->base, fd, &user, &c->stream);
	if (r)
		return r;
	c->why[0] = '\0';
	wire_hello_put(stream_out(c->stream), WIRE_MANAGER, "fabricd " FABRIC_VERSION);
	stream_send(c->stream);
	c->heard = true;
	c->quiet_ticks = 0;
	wait_set(c->tick, TICK_MS);
	return 0;
}

static void client_retry(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;
	int r;

	(void)fd;
	(void)what;
	state_tell(c, PROVIDER_CONNECTING);
	r = client_connect(c);
	if (r) {
		why_set(c, strerror(-r));
		why_say(c);
		retry_set(c);
	}
}

/* The table. */

static void client_close(struct provider *p)
{
	struct client *c = client_of(p);

	stream_free(c->stream);
	if (c->retry)
		event_free(c->retry);
	if (c->tick)
		event_free(c->tick);
	wire_scan_in_done(&c->scan.in);
	pending_done(&c->pending);
	free(c);
}

static int client_submit(struct provider *p, const struct provider_op *op)
{
	struct client *c = client_of(p);
	int r = provider_op_check(op);

	if (r)
		return r;
	if (!client_is_up(c) || !c->stream)
		return -ENOTCONN;
	if (c->pending.count == PROVIDER_CLIENT_PENDING ||
	    stream_unwritten(c->stream) > BACKLOG_BYTES)
		return -ENOBUFS;
	r = pending_add(&c->pending, op->attempt, op->deadline_ms);
	if (r)
		return r;
	wire_op_put(stream_out(c->stream), op, clock_boot_ms());
	return client_send(c);
}

static int client_scan(struct provider *p)
{
	struct client *c = client_of(p);

	if (!client_is_up(c) || !c->stream)
		return -ENOTCONN;
	if (!c->scan.running)
		return scan_ask(c);
	/* joined if it can still show what the asker wants to see, else there is one more */
	c->scan.again |= c->scan.begun;
	return 0;
}

static int client_view(struct provider *p, uint16_t host, uint64_t cookie)
{
	struct client *c = client_of(p);
	size_t i = 0;

	if (!client_is_up(c) || !c->stream)
		return -ENOTCONN;
	while (i < PROVIDER_CLIENT_VIEWS && c->views[i].used)
		i++;
	if (i == PROVIDER_CLIENT_VIEWS)
		return -ENOBUFS;
	c->views[i].used = true;
	c->views[i].cookie = cookie;
	c->views[i].id = ++c->next_id;
	wire_view_put(stream_out(c->stream), c->views[i].id, host);
	return client_send(c);
}

static void client_advance(struct provider *p, uint64_t now_ms)
{
	overdue_tell(client_of(p), now_ms);
}

static uint64_t client_next_ms(const struct provider *p)
{
	const struct client *c = client_of(p);

	return c->pending.count ? c->pending.earliest_ms : UINT64_MAX;
}

/* Not why, which is void while it is tried again. */
static const char *client_why(const struct provider *p)
{
	return client_of(p)->said;
}

static const struct provider_ops client_ops = {
	.name = "client",
	.close = client_close,
	.submit = client_submit,
	.scan = client_scan,
	.view = client_view,
	.advance = client_advance,
	.next_ms = client_next_ms,
	.why = client_why,
};

int provider_client_open(struct event_base *base, const char *name, const char *socket_path,
			 const struct provider_sink *sink, struct provider **out)
{
	struct client *c;

	if (strlen(socket_path) >= sizeof(c->path))
		return -ENAMETOOLONG;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->provider.ops = &client_ops;
	c->base = base;
	c->sink = *sink;
	(void)snprintf(c->name, sizeof(c->name), "%s", name);        /* cut is fine */
	(void)snprintf(c->path, sizeof(c->path), "%s", socket_path); /* it fits */
	c->backoff_ms = BACKOFF_FIRST_MS;
	c->state = PROVIDER_LOST; /* what nobody has been told yet cannot be repeated */
	c->retry = evtimer_new(base, client_retry, c);
	c->tick = evtimer_new(base, client_tick, c);
	if (!c->retry || !c->tick) {
		client_close(&c->provider);
		return -ENOMEM;
	}
	wait_set(c->retry, 0);
	*out = &c->provider;
	return 0;
}

const char *provider_client_why(const struct provider *p)
{
	assert(p->ops == &client_ops);
	return client_of(p)->why;
}
