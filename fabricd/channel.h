/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What agents say on their ports: for each [host NAME] with a serial key a connection to the Unix
 * socket at the port's other end, made again whenever it is lost. docs/agent-protocol.md.
 *
 * Whoever is at the other end is a guest, and may be hostile. A line is 64 KiB at most, a port is
 * read at 256 KiB/s and its unread output is 128 KiB at most; beats count every 5 ms at most, views
 * are passed on every 100 ms at most, the latest of them; an answer must name a question that was
 * asked on that port. A line that names another host than the port's is not believed. So one guest
 * costs the others, and the manager, next to nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/agent_line.h"
#include "common/result.h"
#include "fabricd/beats.h"
#include "fabricd/config.h"

struct channels;
struct event_base;

/* Where it goes. @host is a name of the configuration, borrowed. */
struct channel_sink {
	/* As fabric_beat(): 0, REFUSE_HOST_FENCED, or another refusal; the first two are answered
	 * with @epoch. */
	int (*beat)(void *arg, const char *host, const char *boot_id, uint64_t seq,
		    uint64_t received_ms, uint64_t *epoch);
	/* A beat carries @epoch, told by a manager of our database; see fabric_epoch_told(). May be
	 * NULL. */
	void (*told)(void *arg, const char *host, uint64_t epoch);
	/* As fabric_leaving(). May be NULL: it is a beat. */
	int (*leaving)(void *arg, const char *host, const char *boot_id, uint64_t seq,
		       uint64_t received_ms, uint64_t *epoch);
	void (*seen)(void *arg, const char *host, const struct agent_line *seen);
	/* Its agent says that it has let go (a claim). May be NULL. */
	void (*stopped)(void *arg, const char *host, const struct agent_line *stopped);
	void (*left)(void *arg, const char *host, const struct agent_line *left);
	/* What became of a beat that came by @way; see fabric_beat_heard(). May be NULL. */
	void (*heard)(void *arg, const char *host, const char *way, enum beat_kind kind,
		      uint64_t received_ms);
	/* Never a proof of anything: its port read as at its end. */
	void (*hint)(void *arg, const char *host, const char *what);
	void *arg;
};

/* @incarnation: of the database: what agents were told by others is not passed on. */
MUST_USE int channels_new(struct event_base *base, const struct config *config,
			  const char *incarnation, const struct channel_sink *sink,
			  struct channels **out);
/* NULL does nothing. */
void channels_free(struct channels *c);
/* Takes over another configuration: ports that are the same stay connected. Return: 0 or -ENOMEM:
 * some are missing. */
MUST_USE int channels_configure(struct channels *c, const struct config *config);

/* Sends a "leave" line. Return: 0; -ENOTCONN: that host has no port, nobody was heard there for as
 * long as a host may be silent, or it does not read. */
MUST_USE int channels_ask(struct channels *c, const char *host, const struct agent_line *leave);
/* Its host has just come up: a lost connection is tried at once. */
void channels_wake(struct channels *c, const char *host);
