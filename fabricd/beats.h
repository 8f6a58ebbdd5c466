/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What becomes of a beat, and the ways that beats come by: counted for each host, for people.
 * Nothing is decided by it. A host is silent only when all of its ways are.
 */
#pragma once

#include <stdint.h>

enum beat_kind {
	BEAT_COUNTED,    /* a sign of life */
	BEAT_REORDERED,  /* overtaken by a later one; its way is heard */
	BEAT_DOUBLED,    /* this number came before */
	BEAT_LATE,       /* lower than can be told from one that came before */
	BEAT_REPLAYED,   /* of a boot that is over, or an answer to no challenge of ours */
	BEAT_FORGED,     /* not sealed with the host's key */
	BEAT_CHALLENGED, /* of a boot that has not proved that it is fresh: it was asked to */
	BEAT_KINDS,
};

enum {
	BEAT_WAYS = 8,
	BEAT_WAY_MAX = 64,
};

struct beat_way {
	char name[BEAT_WAY_MAX]; /* "port", "socket", "udp 192.0.2.1:7070"; "": none */
	uint64_t heard_ms;
	uint64_t count; /* of those that were heard by it */
};

struct beats {
	uint64_t counts[BEAT_KINDS];
	struct beat_way ways[BEAT_WAYS]; /* in the order in which they were first heard */
};
