/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mriov/handover.h"

#include "common/defect.h"

static bool is_at_goal(const struct handover_goal *goal, const struct handover_seen *seen)
{
	if (seen->host != goal->host || seen->vport != goal->vport)
		return false;
	if (!DEFECT(NO_GENERATION) && seen->generation != goal->generation)
		return false;
	return !goal->has_identity || identity_is_equal(&seen->identity, &goal->identity);
}

enum handover_next handover_next(const struct handover_goal *goal, const struct handover_seen *seen,
				 bool reset)
{
	static const struct identity none;
	const struct identity *wanted = goal->host ? &goal->identity : &none;

	if (!seen->valid)
		return HANDOVER_READ;
	if (seen->host)
		return goal->host && is_at_goal(goal, seen) ? HANDOVER_DONE : HANDOVER_UNBIND;
	/* S1: from here on the read-back says "nowhere". */
	if (!reset && !DEFECT(NO_RESET))
		return HANDOVER_RESET; /* S16 */
	if (goal->has_identity && !identity_is_equal(&seen->identity, wanted)) {
		/* S17: an old one goes before a new one comes, and that before any host sees it. */
		if (!identity_is_empty(&seen->identity))
			return HANDOVER_CLEAR;
		return HANDOVER_SET;
	}
	return goal->host ? HANDOVER_BIND : HANDOVER_DONE;
}

const char *handover_text(enum handover_next next)
{
	static const char *const texts[HANDOVER_NEXTS] = {
		[HANDOVER_READ] = "read back where it is",
		[HANDOVER_UNBIND] = "unbind it and read back that it is bound nowhere",
		[HANDOVER_RESET] = "reset it",
		[HANDOVER_CLEAR] = "clear its identity and read back",
		[HANDOVER_SET] = "set its identity and read back",
		[HANDOVER_BIND] = "bind it and read back binding and identity",
		[HANDOVER_DONE] = "done",
	};

	return texts[next];
}

void handover_foresee(const struct handover_goal *goal, enum handover_next next,
		      struct handover_seen *seen, bool *reset)
{
	static const struct identity none;

	switch (next) {
	case HANDOVER_READ:
		seen->valid = true;
		break;
	case HANDOVER_UNBIND:
		seen->host = 0;
		seen->vport = 0;
		seen->generation = 0;
		*reset = false;
		break;
	case HANDOVER_RESET:
		*reset = true;
		break;
	case HANDOVER_CLEAR:
		seen->identity = none;
		break;
	case HANDOVER_SET:
		seen->identity = goal->identity;
		break;
	case HANDOVER_BIND:
		seen->host = goal->host;
		seen->vport = goal->vport;
		seen->generation = goal->generation;
		break;
	case HANDOVER_DONE:
	case HANDOVER_NEXTS:
		break;
	}
}
