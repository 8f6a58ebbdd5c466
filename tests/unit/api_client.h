/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A client in the same thread as the server: it sends, and turns the event loop until it has what
 * it waits for. For tests alone. */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/buf.h"
#include "common/clock.h"

enum { CLIENT_PATIENCE_MS = 20000 };

struct client {
	struct event_base *base;
	int fd;
	struct buf in; /* what was received and not asked for yet */
	bool ended;
};

struct reply {
	int status;
	char *head; /* NUL-terminated, the empty line included */
	char *body; /* NUL-terminated */
	size_t length;
};

static inline void client_turn(struct event_base *base)
{
	struct timeval soon = { .tv_usec = 2000 };

	(void)event_base_loopexit(base, &soon);
	(void)event_base_loop(base, EVLOOP_ONCE);
}

static inline int client_open(struct client *c, struct event_base *base, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*c = (struct client){ .base = base };
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return 0;
}

static inline void client_close(struct client *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
	buf_done(&c->in);
}

/* Whatever has arrived; true while the connection stands. */
static inline bool client_read(struct client *c)
{
	char bytes[65536];
	ssize_t n;

	while ((n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		buf_bytes(&c->in, bytes, (size_t)n);
	if (!n || (n < 0 && errno != EAGAIN))
		c->ended = true;
	return !c->ended;
}

/* All of it, reading meanwhile; stops early when the server closes. */
static inline void client_send_bytes(struct client *c, const char *bytes, size_t length)
{
	uint64_t until_ms = clock_boot_ms() + CLIENT_PATIENCE_MS;

	while (length && clock_boot_ms() < until_ms) {
		ssize_t n = send(c->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN)
			return;
		if (n > 0) {
			bytes += n;
			length -= (size_t)n;
		} else {
			client_turn(c->base);
			(void)client_read(c);
		}
	}
}

static inline void client_send(struct client *c, const char *text)
{
	client_send_bytes(c, text, strlen(text));
}

static inline size_t client_head_length(const struct client *c)
{
	const char *end = c->in.length ? memmem(c->in.data, c->in.length, "\r\n\r\n", 4) : NULL;

	return end ? (size_t)(end - (const char *)c->in.data) + 4 : 0;
}

static inline const char *reply_header(const struct reply *r, const char *name)
{
	static char value[512];
	char line[64];
	const char *at;

	(void)snprintf(line, sizeof(line), "\r\n%s: ", name);
	at = r->head ? strstr(r->head, line) : NULL;
	if (!at)
		return NULL;
	at += strlen(line);
	(void)snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, "\r"), at);
	return value;
}

static inline void reply_done(struct reply *r)
{
	free(r->head);
	free(r->body);
	*r = (struct reply){ 0 };
}

/* The next answer. @has_body: false for HEAD. Return: its status; 0: none came. */
static inline int client_reply(struct client *c, bool has_body, struct reply *out)
{
	uint64_t until_ms = clock_boot_ms() + CLIENT_PATIENCE_MS;
	size_t head;
	size_t length = 0;

	reply_done(out);
	while (!(head = client_head_length(c)) && !c->ended && clock_boot_ms() < until_ms) {
		client_turn(c->base);
		(void)client_read(c);
	}
	if (!head)
		return 0;
	out->head = strndup((const char *)c->in.data, head);
	if (has_body && reply_header(out, "Content-Length"))
		length = strtoul(reply_header(out, "Content-Length"), NULL, 10);
	while (c->in.length < head + length && !c->ended && clock_boot_ms() < until_ms) {
		client_turn(c->base);
		(void)client_read(c);
	}
	if (c->in.length < head + length)
		return 0;
	out->body = strndup((const char *)c->in.data + head, length);
	out->length = length;
	buf_drop(&c->in, head + length);
	out->status = atoi(out->head + 9);
	return out->status;
}

/* Has the server closed, and sent nothing more? */
static inline bool client_is_closed(struct client *c)
{
	uint64_t until_ms = clock_boot_ms() + CLIENT_PATIENCE_MS;

	while (!c->ended && clock_boot_ms() < until_ms) {
		client_turn(c->base);
		(void)client_read(c);
	}
	return c->ended && !c->in.length;
}
