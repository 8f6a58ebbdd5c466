/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Judging that a host is dead: S2 to S7, without a clock or a socket of its own.
 *
 * Each host has a struct live_host, embedded in its owner's record. Beats are noted with the time
 * at which they were received; live_judge() is called for one chassis at a time with all of its
 * hosts, after everything that had arrived was taken in, and says what to do about each.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum live_policy { LIVE_WITNESS_NONE, LIVE_WITNESS_ANY, LIVE_WITNESS_ALL };
enum live_witness { LIVE_CANNOT_TELL, LIVE_SAYS_ALIVE, LIVE_SAYS_DEAD };

struct live_config {
	uint32_t interval_ms;   /* a beat each */
	uint32_t missed;        /* beats; the window is interval x missed */
	uint32_t storm_percent; /* S4: of those watched, due or within one beat of it */
	uint32_t storm_min;
	enum live_policy policy; /* S7 */
};

struct live_host {
	bool watched; /* is judged: has beaten, and its door is open */
	bool suspect;
	bool aside; /* S13: it is judged, and no part of any storm; its owner keeps it up to date */
	uint64_t last_beat_ms;   /* 0: none yet */
	uint64_t alive_since_ms; /* of the unbroken series of beats; S11 counts windows from here */
	uint64_t fresh_ms;       /* window counts from the later of this and the last beat */
	enum live_witness witness;
};

/* What stands for a whole chassis. */
struct live_chassis {
	bool hold;               /* the storm breaker is on */
	bool judging;            /* S6: false until reconcile is finished */
	uint64_t last_judge_ms;  /* S3: a gap longer than a beat means no verdict for a window */
	uint64_t quiet_since_ms; /* S3, S6: no verdict of any kind for one window from here */
};

enum live_verdict {
	LIVE_NOTHING,
	LIVE_SUSPECTED,   /* two beats are missing: say so */
	LIVE_RECOVERED,   /* it was suspected, and beats */
	LIVE_DEAD,        /* silent for a whole window: fence it */
	LIVE_DEAD_PROVED, /* a witness says so: fence it now; exempt from S4 and S5 */
};

uint64_t live_window_ms(const struct live_config *config);

/* A beat came in. */
void live_beat(struct live_host *host, const struct live_config *config, uint64_t received_ms);
/* Its door is open: watch it, with a full fresh window from @now_ms. */
void live_watch(struct live_host *host, uint64_t now_ms);
void live_unwatch(struct live_host *host);
/* S11: alive for @windows whole windows without a break. */
bool live_is_steady(const struct live_host *host, const struct live_config *config,
		    unsigned windows, uint64_t now_ms);
/* S6: reconcile is finished, or the switch is back: everybody gets a full fresh window. */
void live_chassis_start(struct live_chassis *chassis, struct live_host *const *hosts, size_t count,
			uint64_t now_ms);
/* No verdicts until live_chassis_start(). */
void live_chassis_stop(struct live_chassis *chassis);

/**
 * live_judge() - one look at all hosts of a chassis
 * @hosts: all that belong to it, watched or not
 * @db_waits_since_ms: since when the database owes an answer; 0: it owes none (S3)
 * @verdicts: one for each of @hosts
 *
 * Return: true when the breaker's state changed.
 */
bool live_judge(struct live_chassis *chassis, const struct live_config *config,
		struct live_host *const *hosts, size_t count, uint64_t now_ms,
		uint64_t db_waits_since_ms, enum live_verdict *verdicts);

/* When live_judge() has something new to say, if nothing arrives; UINT64_MAX: never. */
uint64_t live_next_ms(const struct live_chassis *chassis, const struct live_config *config,
		      struct live_host *const *hosts, size_t count, uint64_t now_ms);

/* ---- S5: how often ---- */
enum { LIVE_RATE_MAX = 64 };
struct live_rate {
	uint64_t at_ms[LIVE_RATE_MAX]; /* starts of the last failovers, newest last */
	unsigned count;
};
/* May one more failover start now? */
bool live_rate_allows(const struct live_rate *rate, unsigned limit, uint32_t window_ms,
		      uint64_t now_ms);
void live_rate_note(struct live_rate *rate, uint64_t now_ms);

/* ---- S7 ---- */
/* From what the switch says of a host. */
enum live_witness live_witness_of(bool power_known, bool power, bool link);
