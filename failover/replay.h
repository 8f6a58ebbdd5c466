/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A night run again: what was recorded (failover/record.h) is given to live_judge() once more,
 * at the times at which it came.
 *
 * With the settings of that night the outcome must be that of that night: every verdict, at the
 * same look, for the same host, and every state that was put down on the way. With other settings
 * it says what would have happened. What the night cannot say is taken so, and marked:
 *
 *  - looks: the manager would have looked when the new settings want it, wherever that night it
 *    looked at least once a beat; where it did not (S3), it would not have then either;
 *  - a host that was fenced that night: its beats count as they were heard; of its witness nothing
 *    counts any more, because the fence itself moves it;
 *  - an incident keeps its switch busy (S5) as long as that host's did, else as long as is told;
 *  - after the end of the record: who was silent stays silent, all others go on beating.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/own.h"
#include "common/result.h"
#include "failover/record.h"

enum { REPLAY_WHY_MAX = 256, REPLAY_CHASSIS = 0xffff };

enum replay_what {
	REPLAY_SUSPECTED,
	REPLAY_RECOVERED,
	REPLAY_FENCED,    /* judged dead by its silence */
	REPLAY_PROVED,    /* judged dead by a witness */
	REPLAY_NOT_ACTED, /* judged dead while somebody works at it: told only (S13) */
	REPLAY_WAITS,     /* dead, and waits: another incident at its switch (S5) */
	REPLAY_RATED,     /* dead, and waits: too many failovers within the window (S5) */
	REPLAY_OFF,       /* dead, and off on purpose: a cold spare */
	REPLAY_BREAKER,   /* silent for its window, and the storm breaker is on (S4) */
	REPLAY_BEGUN,     /* by hand */
	REPLAY_LEFT,      /* said that it goes, and was fenced */
	REPLAY_STAYED,    /* said that it goes, and could not be fenced then */
	REPLAY_OPENED,    /* readmitted */
	REPLAY_HELD,      /* of the chassis: the storm breaker goes on */
	REPLAY_RESUMED,   /* and off */
	REPLAY_WHATS,
};
/* "judged dead", for people; "judged-dead", for programs. */
const char *replay_what_text(enum replay_what what);
const char *replay_what_word(enum replay_what what);

struct replay_step {
	uint64_t at_ms;
	uint16_t host; /* place in the record; REPLAY_CHASSIS: none */
	uint8_t what;  /* enum replay_what */
	bool assumed;  /* after the end of the record */
};

struct replay_host {
	char name[RECORD_NAME_MAX];
	uint16_t group;
};

struct replay_entry;

/* A record that was taken apart. */
struct replay {
	uint64_t zero_ms;  /* what people count from */
	uint64_t begin_ms; /* of the record */
	uint64_t end_ms;
	size_t incident; /* place of the host that it is about */
	struct replay_host *hosts;
	size_t host_count;
	struct record_settings settings; /* at its end */
	size_t beats;
	size_t looks;
	/* private */
	struct replay_entry *entries;
	size_t entry_count;
	uint8_t *bytes;
	size_t length;
};

/**
 * replay_open() - take a record apart; every byte is checked
 * @bytes: borrowed
 * @why:   REPLAY_WHY_MAX bytes, set on failure
 *
 * Return: 0; -EBADMSG for what is no record, or one of another version; -ENOMEM.
 */
MUST_USE int replay_open(const uint8_t *bytes, size_t length, char *why, struct replay **out);
void replay_free(struct replay *replay);
OWNED_BY(struct replay, replay_free)

/* Which settings are others than that night. */
enum {
	REPLAY_SET_MISSED = 1 << 0,
	REPLAY_SET_POLICY = 1 << 1,
	REPLAY_SET_STORM_PERCENT = 1 << 2,
	REPLAY_SET_STORM_MIN = 1 << 3,
	REPLAY_SET_RATE_COUNT = 1 << 4,
	REPLAY_SET_RATE_WINDOW = 1 << 5,
};

struct replay_change {
	unsigned which;                  /* REPLAY_SET_...; 0: as it was */
	struct record_settings settings; /* those of @which are read */
	uint64_t busy_ms; /* how long an incident keeps its switch, where the record does not say */
};

struct replay_outcome {
	struct replay_step *steps;
	size_t count;
	bool is_same;                    /* unchanged: as that night, to the last look */
	char difference[REPLAY_WHY_MAX]; /* else the first difference; "" */
};
void replay_outcome_done(struct replay_outcome *outcome);
OWNED_BY_VALUE(struct replay_outcome, replay_outcome_done)

/* Runs it. With settings of its own @is_same is false and @difference "". Return: 0; -E2BIG: more
 * work than the thread that decides may be kept with; -ENOMEM. */
MUST_USE int replay_run(const struct replay *replay, const struct replay_change *change,
			struct replay_outcome *out);
