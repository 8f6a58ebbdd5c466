/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a person or a script may ask of the modelled switch beside the provider protocol. A request
 * is one line of words:
 *
 *   bindings AFTER             bound functions with handles above AFTER: a line with the handle to
 *                              go on from (0: that was all), then one JSON object on each line
 *   fault                      the faults that are set, one on each line
 *   fault SPEC...              VERB|all:WHAT[:COUNT], reboot-old, clear; all or none of them
 *   host NAME power|link|traffic on|off
 *   adapter NAME pull|plug
 *   slot PORT                  how it is, in one line
 *   slot PORT in|out|button|swap [SERIAL]
 */
#pragma once

#include "common/buf.h"
#include "sim/model.h"
#include "sim/names.h"

enum { SIM_CONTROL_PAGE = 2048 }; /* bindings in one answer */

struct sim_control {
	struct sim_model *model;
	struct sim_names *names;
};

/* Return: 0, or REFUSE_FIELD with the reason in @answer. */
MUST_USE int sim_control(struct sim_control *control, const char *request, struct buf *answer);
