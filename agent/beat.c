/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/beat.h"

/* A fenced host still beats faster than the window (5 beats) in which it would be missed, so that
 * it is not lost again as soon as it is readmitted. */
enum { BACKOFF_MS = 100, FENCED_SLOWER = 2 };

struct step {
	enum beat_link to;
	enum beat_action action;
};

/* A cell that is not written means nothing there. */
static const struct step steps[BEAT_LINKS][BEAT_EVENTS] = {
	[BEAT_AWAY] = {
		[BEAT_TIMER] = { BEAT_CONNECTING, BEAT_CONNECT },
	},
	[BEAT_CONNECTING] = {
		[BEAT_TIMER] = { BEAT_AWAY, BEAT_DROP },
		[BEAT_CONNECTED] = { BEAT_IDLE, BEAT_DO_NOTHING },
		[BEAT_LOST] = { BEAT_AWAY, BEAT_DROP },
	},
	[BEAT_IDLE] = {
		[BEAT_TIMER] = { BEAT_WAITING, BEAT_SEND },
		[BEAT_VIEW] = { BEAT_WAITING, BEAT_SEND_VIEW },
		[BEAT_LOST] = { BEAT_AWAY, BEAT_DROP },
	},
	[BEAT_WAITING] = {
		[BEAT_TIMER] = { BEAT_AWAY, BEAT_DROP },
		[BEAT_ANSWERED] = { BEAT_IDLE, BEAT_DO_NOTHING },
		[BEAT_LOST] = { BEAT_AWAY, BEAT_DROP },
	},
};

void beat_init(struct beat *b, uint64_t interval_ms, uint64_t now_ms)
{
	*b = (struct beat){ .interval_ms = interval_ms,
			    .link = BEAT_AWAY,
			    .due_ms = now_ms,
			    .connect_ms = now_ms };
}

static uint64_t backoff_ms(const struct beat *b)
{
	uint64_t most = 2 * b->interval_ms;
	uint64_t wait = b->failures < 16 ? (uint64_t)BACKOFF_MS << b->failures : most;

	return wait < most ? wait : most;
}

static void beat_send(struct beat *b, uint64_t now_ms)
{
	uint64_t pace = b->fenced ? FENCED_SLOWER * b->interval_ms : b->interval_ms;

	b->answer_ms = now_ms + 2 * b->interval_ms;
	b->due_ms += pace;
	if (b->due_ms <= now_ms) /* beats were missed: they stay missed */
		b->due_ms = now_ms + pace;
}

enum beat_action beat_step(struct beat *b, enum beat_event event, uint64_t now_ms)
{
	const struct step *step = &steps[b->link][event];

	if (step->to == BEAT_AWAY) {
		b->connect_ms = now_ms + backoff_ms(b);
		b->failures++;
	}
	if (step->action == BEAT_CONNECT || step->action == BEAT_SEND_VIEW)
		b->answer_ms = now_ms + 2 * b->interval_ms;
	if (step->action == BEAT_SEND)
		beat_send(b, now_ms);
	if (event == BEAT_ANSWERED)
		b->failures = 0;
	if (step->to != BEAT_STAY)
		b->link = step->to;
	return step->action;
}

uint64_t beat_wake_ms(const struct beat *b)
{
	switch (b->link) {
	case BEAT_AWAY:
		return b->connect_ms;
	case BEAT_IDLE:
		return b->due_ms;
	case BEAT_CONNECTING:
	case BEAT_WAITING:
	case BEAT_STAY:
	case BEAT_LINKS:
		break;
	}
	return b->answer_ms;
}

enum beat_news beat_judge(struct beat *b, unsigned status, bool fenced)
{
	bool was_fenced = b->fenced;
	unsigned before = b->status;
	bool good = status < 300;

	b->status = status;
	if (fenced) {
		b->fenced = true;
		return was_fenced ? BEAT_NO_NEWS : BEAT_FENCED;
	}
	/* only an accepted beat shows that the host was readmitted: a 503 says nothing about it */
	if (was_fenced && good) {
		b->fenced = false;
		b->due_ms -=
			(FENCED_SLOWER - 1) * b->interval_ms; /* back to the full pace at once */
		return BEAT_READMITTED;
	}
	if (status == before || (good && before && before < 300))
		return BEAT_NO_NEWS;
	return good ? BEAT_ACCEPTED : BEAT_REFUSED;
}
