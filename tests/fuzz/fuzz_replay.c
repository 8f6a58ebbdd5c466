/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The record of an incident, as it stands in the database: taken apart, and run in two ways. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "failover/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(const struct replay *replay, const struct replay_change *change)
{
	struct replay_outcome out = { 0 };
	int r = replay_run(replay, change, &out);

	if (r && r != -E2BIG)
		abort();
	for (size_t i = 0; i < out.count; i++)
		if ((out.steps[i].host != REPLAY_CHASSIS &&
		     out.steps[i].host >= replay->host_count) ||
		    !replay_what_text((enum replay_what)out.steps[i].what))
			abort();
	if (change->which && out.is_same)
		abort();
	replay_outcome_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct replay_change as_it_was = { 0 };
	const struct replay_change otherwise = {
		.which = REPLAY_SET_MISSED | REPLAY_SET_POLICY | REPLAY_SET_STORM_PERCENT |
			 REPLAY_SET_STORM_MIN | REPLAY_SET_RATE_COUNT | REPLAY_SET_RATE_WINDOW,
		.settings = { .live = { .missed = 3,
					.storm_percent = 50,
					.storm_min = 2,
					.policy = LIVE_WITNESS_ANY },
			      .rate_count = 2,
			      .rate_window_ms = 1000 },
		.busy_ms = 100,
	};
	struct replay *replay = NULL;
	char why[REPLAY_WHY_MAX];

	if (replay_open(data, size, why, &replay)) {
		if (!why[0])
			abort();
		return 0;
	}
	run(replay, &as_it_was);
	run(replay, &otherwise);
	replay_free(replay);
	return 0;
}
