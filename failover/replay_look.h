/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A night that is being judged again: where the run stands, a look at its hosts, and what that
 * says. For failover/replay*.c alone.
 */
#pragma once

#include "failover/replay_read.h"

/* What the run keeps of a host. */
struct replay_part {
	uint8_t said;           /* 1 + the last enum replay_what that was said of it; 0: none */
	bool own;               /* its incident is one that the run has begun */
	bool night_shut;        /* that night its door is closed by now */
	uint64_t busy_until_ms; /* with @own */
	uint64_t night_busy_ms; /* how long that night's incident kept its switch; 0: not told */
	uint64_t night_begun_ms;
};

struct replay_run {
	const struct replay *replay;
	const struct replay_change *change;
	bool is_exact;
	struct replay_state s;
	struct live_host **lives;
	enum live_verdict *verdicts;
	struct replay_part *parts;
	struct replay_outcome *out;
	size_t room;
	uint64_t now_ms;
	uint64_t look_ms; /* of the last look */
	uint64_t next_ms; /* when the settings want one, no later than that */
	bool may_look;    /* that night it looked once a beat here */
	uint64_t waits_ms;
	bool assumed;
	size_t work;
	int error;
	/* Exact: what the last look said, in order, and how much of it the record has confirmed. */
	struct replay_step *said;
	size_t said_count;
	size_t said_seen;
};

/* Return: 0 or -ENOMEM; replay_run_done() is due either way. All but @run is borrowed. */
MUST_USE int replay_run_init(struct replay_run *run, const struct replay *replay,
			     const struct replay_change *change, struct replay_outcome *out);
void replay_run_done(struct replay_run *run);
OWNED_BY_VALUE(struct replay_run, replay_run_done)

/* REPLAY_CHASSIS has a name too. */
const char *replay_host_name(const struct replay_run *run, uint16_t host);
/* Exact: the run is not that night. The first one stands. */
__attribute__((format(printf, 2, 3))) void replay_differs(struct replay_run *run,
							  const char *format, ...);
/* A step of the outcome, at run->now_ms. What lasts is told once. */
void replay_tell(struct replay_run *run, uint16_t host, enum replay_what what);

/* The settings of the night that were loaded, but for what is set. */
void replay_settings_turn(struct replay_run *run);
/* S5: by the incident of any host at the switch of host @n. */
bool replay_switch_is_busy(struct replay_run *run, size_t n);
bool replay_rate_allows(const struct replay_run *run);
/* Its door is closed. */
void replay_host_shut(struct replay_run *run, size_t n);

/* When the settings want the next look. */
void replay_next_plan(struct replay_run *run);
/* live_judge() at @at_ms, and what its verdicts lead to. @waits_ms: as live_judge() has it. */
void replay_look(struct replay_run *run, uint64_t at_ms, uint64_t waits_ms);
