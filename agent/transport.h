/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ways to fabricd, behind one table: http.c (its own Unix socket), serial.c (a virtio port, a
 * serial line), datagram.c (UDP, or a Unix socket). Several may be used at once. Each finds its way
 * by itself and again whenever it is lost, for as long as it takes; none ever blocks, and none
 * keeps a beat for later.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/agent_line.h"
#include "common/result.h"

struct event_base;
struct transport;

struct transport_sink {
	/* fabricd is there, for the first time or again: it wants to be told everything. */
	void (*reached)(void *arg, struct transport *t);
	/* The answer to a beat. @incarnation: agent_incarnation() of who answers; 0: not told. */
	void (*status)(void *arg, struct transport *t, bool is_fenced, uint64_t epoch,
		       uint64_t incarnation);
	/* The highest epoch that was told by any way, and by whom (S14); 0, 0: none yet. */
	void (*told)(void *arg, uint64_t *epoch, uint64_t *incarnation);
	/* A request: a "leave" line. Borrowed. */
	void (*asked)(void *arg, struct transport *t, const struct agent_line *leave);
	/* The number of the next beat; rises with each call, over all transports. */
	uint64_t (*seq)(void *arg);
	void *arg;
};

struct transport_config {
	const char *where;    /* path, name of a port, ADDRESS:PORT */
	const char *key_file; /* of datagrams */
	const char *host;
	const char *boot_id;
	const char *sysfs;
	uint64_t interval_ms; /* between two beats */
};

struct transport_ops {
	const char *name; /* as in --NAME WHERE */
	/* What @config points to outlives the transport. Return: 0; -errno: it can never work, and
	 * it was said why. One that does not work now is no error. */
	int (*open)(struct event_base *base, const struct transport_config *config,
		    const struct transport_sink *sink, struct transport **out);
	/* One beat, now or never. NULL: it beats by itself, in the rhythm of the answers. */
	void (*beat)(struct transport *t);
	/* A beat that says: this host leaves. NULL: not by this way. */
	void (*leave)(struct transport *t);
	/* A "seen", "left", "told" or "stopped" line. Return: 0; -ENOTCONN: nobody is there;
	 * -EAGAIN: it has too much to say already; -EOPNOTSUPP: not by this way. What was not taken
	 * is the caller's to say again, for "seen" once reached() is called. */
	int (*report)(struct transport *t, const struct agent_line *line);
	void (*close)(struct transport *t);
};

/* What each implementation begins with. */
struct transport {
	const struct transport_ops *ops;
	struct transport_config config;
	struct transport_sink sink;
	bool away; /* and said so */
};

extern const struct transport_ops transport_http;
extern const struct transport_ops transport_serial;
extern const struct transport_ops transport_udp;
extern const struct transport_ops transport_datagram;

/* Each is said once, until the other is so. */
void transport_say_away(struct transport *t, const char *why);
void transport_say_reached(struct transport *t);

/* The device of the virtio port @name below @sysfs, or @name itself when it is a path. Return: 0,
 * or -ENOENT. */
MUST_USE int serial_port_find(const char *sysfs, const char *name, char out[static 128]);
