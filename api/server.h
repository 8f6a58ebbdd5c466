/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP/1.1 over a Unix stream socket, on one event base: admits, reads, hands over, writes.
 *
 * A connection reads one request at a time (message.h), hands it to server_ops.request and goes on
 * with the next, pipelined or not, once that one is answered: at once from within the call, or
 * later after server_hold(). server_stream_start() answers without an end. Everything that a peer
 * can make grow or last is bounded here: connections in all and for each user, head, body, bytes
 * waiting either way, and the time that a request, an answer or silence may take.
 *
 * libevent's own evhttp is not used. In 2.1 its error pages are HTML and no callback replaces
 * them; it answers HEAD with a body; a pending request hides that its client has gone; it cannot
 * refuse a user whose connections crowd out the heartbeats of others; and a state that it does not
 * expect ends the process. Each could be worked around from behind its back; this is shorter.
 *
 * Times are clock_boot_ms().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "api/message.h"
#include "common/buf.h"
#include "common/own.h"
#include "common/result.h"

struct event_base;
struct server;
struct server_conn;

struct server_limits {
	unsigned connections;          /* in all; fewer where RLIMIT_NOFILE is low */
	unsigned connections_uid;      /* of one user, but for those with full rights */
	unsigned connections_stranger; /* of all users without any right */
	uint32_t idle_ms;              /* silence between two requests */
	uint32_t request_ms;           /* from a request's first byte to its last */
	uint32_t write_ms;             /* without a byte of the answer being taken */
};
void server_limits_init(struct server_limits *limits);

struct server_peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
	const gid_t *groups; /* supplementary */
	size_t group_count;
};

/* How much a peer may do; the server itself asks only for the ends of the scale. */
enum server_right {
	SERVER_RIGHT_NONE, /* is answered, but counts as a stranger */
	SERVER_RIGHT_READ,
	SERVER_RIGHT_OPERATE,
	SERVER_RIGHT_ADMIN,
};

/* Borrowed for the call; who answers later copies what is needed. */
struct server_request {
	const struct message_head *head;
	const char *bytes; /* what the offsets in @head count from */
	const char *body;
	size_t body_length;
	uint64_t received_ms; /* when its last byte was read */
};

struct server_answer {
	int status;
	const char *type;    /* Content-Type; NULL: no body at all (204) */
	const char *headers; /* whole lines, each with CRLF; may be NULL */
	const void *body;
	size_t length;
	bool close; /* end the connection behind it */
};

struct server_ops {
	/* Once for each connection. */
	enum server_right (*admit)(void *arg, const struct server_peer *peer);
	/* Is to call exactly one of server_answer(), server_hold(), server_stream_start(). */
	void (*request)(void *arg, struct server_conn *c, const struct server_request *request);
	/* Writes the body of an answer that no request was handed over for; its Content-Type is
	 * application/problem+json. */
	void (*refused)(void *arg, int refusal, const char *why, struct buf *body);
	void *arg;
};

/**
 * server_new() - listen
 * @path: made anew with mode 0666 (who may do what is decided by peer credentials); one that
 *        nobody listens on is taken away first. NULL: @fd is a listening socket already
 * @fd: taken over when @path is NULL
 * @why: 512 bytes, set on failure
 *
 * Return: 0; -EADDRINUSE when somebody listens there; another -errno.
 */
MUST_USE int server_new(struct event_base *base, const char *path, int fd,
			const struct server_limits *limits, const struct server_ops *ops, char *why,
			struct server **out);
/* Closes all connections; what is held is told that its client has gone. */
void server_free(struct server *s);
OWNED_BY(struct server, server_free)

unsigned server_connections(const struct server *s);

uid_t server_conn_uid(const struct server_conn *c);
enum server_right server_conn_right(const struct server_conn *c);

void server_answer(struct server_conn *c, const struct server_answer *answer);
/* The answer comes later. @gone is called if the client leaves first: then it must not come. */
void server_hold(struct server_conn *c, void (*gone)(void *arg), void *arg);
/* Answers 200 without an end; the connection ends with it. @drained: all that was written has
 * left, write more if there is more; @gone: the client left, or took nothing for write_ms. */
void server_stream_start(struct server_conn *c, const char *type, void (*drained)(void *arg),
			 void (*gone)(void *arg), void *arg);
/* May close the connection, and so call @gone, when it cannot be written to. */
void server_stream_write(struct server_conn *c, const void *bytes, size_t length);
/* Bytes that wait to be taken. */
size_t server_stream_waiting(const struct server_conn *c);
