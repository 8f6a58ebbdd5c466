/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/night_key.h"

#include <stddef.h>

const struct night_key night_keys[NIGHT_KEYS] = {
	[NIGHT_INTERVAL] = { "heartbeat", "interval", false, true, NULL },
	[NIGHT_MISSED] = { "heartbeat", "missed", true, false, NULL },
	[NIGHT_WITNESS] = { "failover", "witness", true, false, "none any all" },
	[NIGHT_STORM_PERCENT] = { "failover", "storm-percent", true, false, NULL },
	[NIGHT_STORM_MIN] = { "failover", "storm-min", true, false, NULL },
	[NIGHT_RATE_COUNT] = { "failover", "rate-count", true, false, NULL },
	[NIGHT_RATE_WINDOW] = { "failover", "rate-window", true, true, NULL },
};
