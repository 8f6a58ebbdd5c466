/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading a record (failover/record.h): its bytes come from a database file and are not trusted.
 * replay_open() looks at every one of them; what it let through is read again without a check.
 * For failover/replay*.c alone.
 */
#pragma once

#include "failover/replay.h"

struct replay_entry {
	uint64_t at_ms;
	/* STATE, SETTINGS: where they stand; JUDGE: since when the database waits */
	uint64_t extra;
	uint16_t host;
	uint8_t kind;
	uint8_t value;
};

/* The state of a chassis. */
struct replay_state {
	uint64_t now_ms;
	struct record_settings settings;
	struct live_chassis chassis;
	struct live_rate rate;
	struct live_host *live; /* as many as the record has hosts */
	struct record_host *hosts;
	size_t count;
};

/* Return: 0 or -ENOMEM; replay_state_done() is due either way. */
MUST_USE int replay_state_init(struct replay_state *s, size_t count);
void replay_state_done(struct replay_state *s);
OWNED_BY_VALUE(struct replay_state, replay_state_done)

/* @e: of kind RECORD_STATE; @s: with room for the record's hosts. */
void replay_state_load(const struct replay *replay, const struct replay_entry *e,
		       struct replay_state *s);
/* @e: of kind RECORD_SETTINGS. */
void replay_settings_load(const struct replay *replay, const struct replay_entry *e,
			  struct record_settings *settings);
/* Its time is one at which something came, not that of the entry before. */
bool replay_entry_has_time(const struct replay_entry *e);
