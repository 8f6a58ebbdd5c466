/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent's side of datagrams by one way: what it says, and which answers it believes
 * (common/beat_datagram.h). Knows no socket and no clock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/beat_datagram.h"
#include "common/result.h"

enum {
	DIALOG_ANSWERS_FOR = 16, /* the last beats */
	DIALOG_CLAIMS = 3,       /* times that one is said, at most */
};

/* To be made by dialog_init(). */
struct dialog {
	uint8_t key[DATAGRAM_KEY];
	struct datagram beat; /* the last one; .seq 0: none yet */
	uint64_t answered;    /* seq of the latest that was answered */
	uint64_t challenged;  /* likewise */
	uint64_t sent[DIALOG_ANSWERS_FOR];
	unsigned next;
	uint64_t claim;   /* that this host has let go, as a nonce */
	unsigned claims;  /* so often it is said yet, unless it is answered */
	uint64_t claimed; /* seq of the latest */
};

/* What the next datagram carries. */
struct dialog_now {
	uint64_t seq;   /* above all before, by any way */
	uint64_t epoch; /* S14: the highest that was told by any way, and by whom, so that a */
	uint64_t incarnation; /* manager that has forgotten it learns so; 0, 0: none yet */
};

enum dialog_news {
	DIALOG_NOT_BELIEVED,
	DIALOG_OLD,       /* an answer that was overtaken by a later one tells old news */
	DIALOG_CHALLENGE, /* to be answered with dialog_respond() */
	DIALOG_STATUS,    /* the beat counts */
	DIALOG_FENCED,
};

/* Return: 0; -EINVAL: @boot_id is none. */
MUST_USE int dialog_init(struct dialog *d, const char *host, const char *boot_id,
			 const uint8_t key[static DATAGRAM_KEY]);
/* A beat; while there is a claim that was not answered, that in its place. */
void dialog_beat(struct dialog *d, const struct dialog_now *now, uint8_t out[static DATAGRAM_SIZE]);
/* A beat that says: this host leaves. */
void dialog_leave(struct dialog *d, const struct dialog_now *now,
		  uint8_t out[static DATAGRAM_SIZE]);
/* The host is fenced, and has let go of @stopped functions, of @still not. */
void dialog_claim(struct dialog *d, uint64_t stopped, uint64_t still);
/* Takes in what has come. @answer is set unless it is not believed. */
enum dialog_news dialog_take(struct dialog *d, const uint8_t *bytes, size_t length,
			     struct datagram *answer);
/* A beat that says: this boot is the one of now. One that is lost is asked for again. */
void dialog_respond(struct dialog *d, const struct datagram *challenge,
		    const struct dialog_now *now, uint8_t out[static DATAGRAM_SIZE]);
