/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Serves a provider, any implementation of struct provider_ops, over the protocol on a Unix socket.
 *
 * The server is the provider's sink: provider_server_new(), open the provider with the sink from
 * provider_server_sink(), provider_server_attach(). From then on it calls the provider's advance()
 * after each batch of requests and whenever next_ms() says so; give it an event base with
 * EVENT_BASE_FLAG_PRECISE_TIMER where milliseconds count.
 *
 * One manager at a time, others are refused with the reason; up to 16 control connections beside
 * it. When the manager's connection ends, what was accepted goes on being carried out: a switch
 * outlives its manager. A connection that does not read what it asked for is closed.
 */
#pragma once

#include <event2/event.h>

#include "common/buf.h"
#include "provider/provider.h"

enum { PROVIDER_SERVER_CONTROLS = 16 };

struct provider_server;

struct provider_server_user {
	/* One control request, @length bytes with a NUL behind them. Appends the answer, at most
	 * 1 MiB. The return value travels as the status: 0 done, >0 refused, <0 failed. NULL: none
	 * is served. */
	int (*control)(void *arg, const char *request, size_t length, struct buf *answer);
	/* The manager has come or is gone. May be NULL. */
	void (*manager)(void *arg, bool here);
	void *arg;
};

/**
 * provider_server_new() - takes the socket; connections wait until provider_server_attach()
 * @user: copied
 *
 * From here on the process ignores SIGPIPE: what a provider reaches may go away while it writes.
 * A stale socket file is replaced, one that answers is not. The new one has mode 0660.
 * Return: 0; -EADDRINUSE when somebody serves it; -ENAMETOOLONG; another -errno.
 */
MUST_USE int provider_server_new(struct event_base *base, const char *socket_path,
				 const struct provider_server_user *user,
				 struct provider_server **out);

/* Closes all connections and removes the socket file. Before the provider is closed. */
void provider_server_free(struct provider_server *server);
OWNED_BY(struct provider_server, provider_server_free)

/* Where the provider's news go; valid as long as the server is. */
struct provider_sink provider_server_sink(struct provider_server *server);

/* @p: borrowed until provider_server_free(). @hello: copied; later ones come through the sink's
 * state and reboot events. Connections are accepted from now on. */
void provider_server_attach(struct provider_server *server, struct provider *p,
			    const struct provider_hello *hello);

/* Something changed beside the protocol: advance now, and ask next_ms() again. */
void provider_server_kick(struct provider_server *server);
