/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Server-sent events: each client has a place in the fabric's history of events and is given what
 * comes behind it, as fast as it takes it. A client that falls behind what the fabric keeps in
 * memory gets an event "gap"; one that takes nothing at all is dropped (server_limits.write_ms).
 */
#pragma once

#include <stdint.h>
#include <sys/queue.h>

#include "api/server.h"
#include "common/result.h"

struct api;
struct event;

struct stream;
LIST_HEAD(stream_list, stream);
struct streams {
	struct stream_list list;
	struct event *pump;  /* events are there */
	struct event *quiet; /* a comment now and then, so that both sides notice a dead one */
	uint64_t durable;    /* number of the last event that may be told */
};

MUST_USE int streams_init(struct api *api);
void streams_done(struct api *api);
void streams_publish(struct api *api, uint64_t n);
/* Events behind number @after; all of them, if they are gone from memory, behind a gap. */
MUST_USE int stream_start(struct api *api, struct server_conn *c, uint64_t after, bool has_gap);
