/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a datagram means: whose it is, whether it is fresh, what becomes of it, what is answered.
 * Knows no socket and no clock: datagrams.c has these, and the simulation plays them.
 *
 * Of each host with a key it knows which boot has proved itself, and which numbers came under it.
 * All of that is lost with the process: after a restart each host is challenged anew, so nothing
 * that was recorded before counts.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/beat_datagram.h"
#include "common/result.h"
#include "fabricd/beats.h"
#include "fabricd/channel.h"
#include "fabricd/config.h"
#include "fabricd/host_keys.h"

struct sessions;

enum { SESSIONS_WAYS = 8 };

/* One address of ours, and the queue that the kernel keeps for it. */
struct sessions_way {
	char name[BEAT_WAY_MAX];
	unsigned n;        /* 0 .. SESSIONS_WAYS - 1, none twice */
	uint64_t empty_ms; /* boot-time clock: the queue was seen empty */
};

/* Where keys that were made here are kept; see host_keys.h for what is asked of the two. */
struct sessions_store {
	int (*each)(void *arg, void (*fn)(void *to, const struct host_keys *keys), void *to);
	int (*store)(void *arg, const struct host_keys *keys);
	void *arg;
};

/* A datagram that has come. */
struct sessions_came {
	const struct sessions_way *way;
	const uint8_t *bytes;
	size_t length;
	uint64_t received_ms; /* sessions_received_ms() */
	uint64_t now_ms;      /* boot-time clock */
};

/* @incarnation: of the database. @store: borrowed; NULL: nothing is kept. @sink: its beat(),
 * leaving(), told(), stopped() and heard() alone are used. Return: 0 or -ENOMEM. */
MUST_USE int sessions_new(const char *incarnation, const struct sessions_store *store,
			  const struct channel_sink *sink, struct sessions **out);
/* NULL does nothing. */
void sessions_free(struct sessions *s);
/* Reads all keys again, those that @config names too. One that cannot be read is said, and its host
 * is not heard. Return: 0 or -ENOMEM: the old ones stay. */
MUST_USE int sessions_configure(struct sessions *s, const struct config *config);
/* See datagrams_enroll(). */
MUST_USE int sessions_enroll(struct sessions *s, const char *host, bool force,
			     char text[static HOST_KEY_TEXT]);

/**
 * sessions_take() - take in one datagram
 * @answer: DATAGRAM_SIZE bytes; NULL: its sender cannot be answered
 * @doubt: set to why it is none of ours or was not taken; else to NULL
 *
 * Its host is told by the sink what became of it, once. Return: true: @answer is to be sent.
 */
bool sessions_take(struct sessions *s, const struct sessions_came *came, uint8_t *answer,
		   const char **doubt);

/**
 * sessions_received_ms() - when the kernel received a datagram, on the boot-time clock (S2, S3)
 * @boot_ms, @wall_ns: both clocks now
 * @stamp_ns: the kernel's wall-clock stamp; 0: it gave none
 * @empty_ms: boot-time clock: the queue was empty then, so it came later
 *
 * The wall clock may have been set meanwhile: what it says counts only between @empty_ms and now.
 */
uint64_t sessions_received_ms(uint64_t boot_ms, uint64_t wall_ns, uint64_t stamp_ns,
			      uint64_t empty_ms);
