/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A witness that says alive (S7): the counter of what comes from a host at its upstream port.
 *
 * It is read of a host whose beats are missing, and of no other: twice, a beat apart, and so on
 * until it beats again. Where a reading is above the one before it, the host sends: it lives, and
 * it is we who do not hear it. A counter that stands says nothing: an idle host sends nothing.
 *
 * A host that is set aside, or known to be dead, is not read: it makes no difference.
 *
 * Only readings that were asked for in this silence count. One that is lower than the one before
 * (the switch has started anew) is begun again with.
 */
#pragma once

#include "failover/liveness.h"

struct live_traffic {
	bool is_asked;     /* a reading is under way */
	bool is_untold;    /* the switch counts nothing: not asked again in this silence */
	uint64_t asked_ms; /* the latest reading; 0: none in this silence */
	uint64_t read_ms;  /* of the reading that the next one is compared with; 0: none */
	uint64_t count;
	uint64_t moved_ms; /* when the latest that was above the one before was asked for; or 0 */
	uint32_t readings; /* that were answered */
	/* A reading took longer than a beat: two of them find no room before a verdict, and would
	 * stand in the way of its fence. None is asked for before this time. */
	uint64_t slow_until_ms;
	uint64_t increment; /* of that one */
};

/* When the next reading of @host is to be asked for; UINT64_MAX: not before something is told. */
uint64_t live_traffic_due_ms(const struct live_traffic *traffic, const struct live_host *host,
			     const struct live_config *config);
/* It was asked for. */
void live_traffic_ask(struct live_traffic *traffic, const struct live_host *host, uint64_t now_ms);
/* It was answered, with a counter or (@known is false) without. */
void live_traffic_take(struct live_traffic *traffic, const struct live_host *host,
		       const struct live_config *config, bool known, uint64_t count,
		       uint64_t now_ms);
/* It was not answered: it says nothing, and another is asked for a beat later. */
void live_traffic_lose(struct live_traffic *traffic);
/* The switch was lost or has rebooted: what was read of it counts no more. */
void live_traffic_forget(struct live_traffic *traffic);
/* LIVE_SAYS_ALIVE, for one window from when a reading that had moved was asked for, unless a later
 * one stands; else LIVE_CANNOT_TELL. */
enum live_witness live_traffic_says(const struct live_traffic *traffic,
				    const struct live_host *host, const struct live_config *config,
				    uint64_t now_ms);
