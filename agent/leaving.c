/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/leaving.h"

struct step {
	enum leaving_state to;
	enum leaving_action action;
};

/* A cell that is not written means nothing there. */
static const struct step steps[LEAVING_STATES][LEAVING_EVENTS] = {
	[LEAVING_BEFORE] = {
		/* Gone while the hooks run is noticed when they are done. */
		[LEAVING_HOOKS_DONE] = { LEAVING_ASKING, LEAVING_ASK },
		[LEAVING_HOOK_FAILED] = { LEAVING_OVER, LEAVING_SAY_REFUSED },
		[LEAVING_DEADLINE] = { LEAVING_OVER, LEAVING_SAY_REFUSED },
	},
	[LEAVING_ASKING] = {
		[LEAVING_WRITTEN] = { LEAVING_GOING, LEAVING_LOOK },
		[LEAVING_WRITE_FAILED] = { LEAVING_OVER, LEAVING_SAY_FAILED },
		[LEAVING_GONE] = { LEAVING_AFTER, LEAVING_RUN_AFTER },
		[LEAVING_DEADLINE] = { LEAVING_OVER, LEAVING_SAY_FAILED },
	},
	[LEAVING_GOING] = {
		[LEAVING_GONE] = { LEAVING_AFTER, LEAVING_RUN_AFTER },
		[LEAVING_DEADLINE] = { LEAVING_OVER, LEAVING_SAY_FAILED },
	},
	[LEAVING_AFTER] = {
		[LEAVING_HOOKS_DONE] = { LEAVING_OVER, LEAVING_SAY_DONE },
		[LEAVING_HOOK_FAILED] = { LEAVING_OVER, LEAVING_SAY_DONE },
		[LEAVING_DEADLINE] = { LEAVING_OVER, LEAVING_SAY_DONE },
	},
};

enum leaving_action leaving_step(enum leaving_state *state, enum leaving_event event)
{
	const struct step *step = &steps[*state][event];

	if (step->to != LEAVING_STAY)
		*state = step->to;
	return step->action;
}
