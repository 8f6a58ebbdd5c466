/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a function leaves this host: what comes next. Knows no process, no sysfs and no clock.
 *
 *	before --hooks done--> asking --written--> going --gone--> after --hooks done--> over
 *
 * Until the slot was asked, nothing was done, and the request can be refused. From then on it is
 *gone or it failed. A function that is gone is gone: what the hooks behind it say changes nothing.
 */
#pragma once

enum leaving_state {
	LEAVING_STAY, /* in the table: no transition */
	LEAVING_BEFORE,
	LEAVING_ASKING,
	LEAVING_GOING,
	LEAVING_AFTER,
	LEAVING_OVER,
	LEAVING_STATES
};

enum leaving_event {
	LEAVING_HOOKS_DONE,
	LEAVING_HOOK_FAILED,
	LEAVING_WRITTEN,      /* the slot, or the function's remove file, took what was written */
	LEAVING_WRITE_FAILED, /* it did not */
	LEAVING_GONE,         /* the function is not there any more */
	LEAVING_DEADLINE,
	LEAVING_EVENTS
};

enum leaving_action {
	LEAVING_DO_NOTHING,
	LEAVING_ASK,  /* the slot off */
	LEAVING_LOOK, /* whether it is gone already */
	LEAVING_RUN_AFTER,
	LEAVING_SAY_DONE,
	LEAVING_SAY_REFUSED,
	LEAVING_SAY_FAILED,
};

enum leaving_action leaving_step(enum leaving_state *state, enum leaving_event event);
