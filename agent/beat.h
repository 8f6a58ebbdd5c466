/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of the beats that are answered one by one: what to do next. Knows no socket and no
 *clock.
 *
 * An agent has one connection to its daemon, and at most one beat on it that is not answered yet:
 * so a daemon that stood still finds at most one old beat from each agent when it goes on. A beat
 * that was missed is not sent later; the next one leaves at its own time.
 *
 *	away --timer--> connecting --connected--> idle --timer--> waiting --answered--> idle
 *
 * From each state a lost connection leads back to away, and so does an answer that has not come
 * within two beats. Connecting again waits 100 ms, then twice as long each time, two beats at most.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/result.h"

enum beat_link {
	BEAT_STAY, /* in the table: no transition */
	BEAT_AWAY,
	BEAT_CONNECTING,
	BEAT_IDLE,
	BEAT_WAITING,
	BEAT_LINKS
};

enum beat_event {
	BEAT_TIMER, /* beat_wake_ms() has come */
	BEAT_CONNECTED,
	BEAT_ANSWERED,
	BEAT_LOST, /* refused, closed, or not understood */
	BEAT_VIEW, /* there is something else to tell: it is sent in place of a beat, and answered
		    */
	BEAT_EVENTS
};

enum beat_action {
	BEAT_DO_NOTHING,
	BEAT_CONNECT,
	BEAT_SEND, /* one beat */
	BEAT_DROP, /* close the connection */
	BEAT_SEND_VIEW,
};

/* What an answer changed, for the log. */
enum beat_news {
	BEAT_NO_NEWS,
	BEAT_FENCED,     /* the host is fenced: said once, until it is readmitted */
	BEAT_READMITTED, /* beats are accepted again */
	BEAT_REFUSED,    /* another status than the one before */
	BEAT_ACCEPTED,   /* the first good answer, or the first after a refusal */
};

struct beat {
	uint64_t interval_ms;
	enum beat_link link;
	uint64_t due_ms;     /* the next beat leaves */
	uint64_t connect_ms; /* the next connection is tried */
	uint64_t answer_ms;  /* the answer, or the connection, is given up */
	unsigned failures;   /* to connect, in a row */
	unsigned status;     /* of the latest answer; 0: none yet */
	bool fenced;
};

void beat_init(struct beat *b, uint64_t interval_ms, uint64_t now_ms);
enum beat_action beat_step(struct beat *b, enum beat_event event, uint64_t now_ms);
/* When BEAT_TIMER is due. */
uint64_t beat_wake_ms(const struct beat *b);
/* Before BEAT_ANSWERED. @fenced: the answer says that the host is fenced. */
enum beat_news beat_judge(struct beat *b, unsigned status, bool fenced);
