/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Waiting for a condition while an event loop turns. Included after cmocka.h. */
#pragma once

#include <event2/event.h>
#include <unistd.h>

#include "common/clock.h"

enum { UNTIL_MS = 30000 };

/* Turns the loop of @rig until @condition, or fails after UNTIL_MS. */
#define UNTIL(rig, condition)                                          \
	do {                                                           \
		uint64_t late_ms_ = clock_boot_ms() + UNTIL_MS;        \
		while (!(condition)) {                                 \
			if (clock_boot_ms() > late_ms_)                \
				fail_msg("never: %s", #condition);     \
			event_base_loop((rig)->base, EVLOOP_NONBLOCK); \
			usleep(500);                                   \
		}                                                      \
	} while (0)
