/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of the configuration that a verdict depends on, and what `incident replay --set` takes.
 */
#pragma once

#include <stdbool.h>

enum night_key_id {
	NIGHT_INTERVAL,
	NIGHT_MISSED,
	NIGHT_WITNESS,
	NIGHT_STORM_PERCENT,
	NIGHT_STORM_MIN,
	NIGHT_RATE_COUNT,
	NIGHT_RATE_WINDOW,
	NIGHT_KEYS,
};

struct night_key {
	const char *section;
	const char *name;
	bool may_be_set;     /* in a replay */
	bool is_time;        /* in milliseconds */
	const char *choices; /* "none any all", as in the configuration; NULL: a number */
};

extern const struct night_key night_keys[NIGHT_KEYS];
