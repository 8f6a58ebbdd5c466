/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be told to go wrong with commands: VERB|all:delay=MS|late=MS|lost|refused|
 * done-but-failed[:COUNT]. */
#pragma once

#include "common/result.h"
#include "provider/provider.h"

enum sim_fault_kind {
	SIM_FAULT_NONE,
	SIM_FAULT_DELAY,   /* takes @ms instead of the chassis' command_ms */
	SIM_FAULT_LATE,    /* no answer; carried out @ms after its deadline, whoever is gone */
	SIM_FAULT_LOST,    /* carried out; the answer is lost */
	SIM_FAULT_REFUSED, /* refused for no reason of its own */
	SIM_FAULT_FAILED,  /* carried out, and reported as failed */
};

struct sim_fault {
	enum provider_verb verb; /* PROVIDER_VERB_NONE: all but settle */
	enum sim_fault_kind kind;
	uint32_t ms;
	uint32_t count; /* commands that it still hits; 0: all until it is cleared */
};

/* Return: 0, or REFUSE_FIELD with the reason in @why (PROVIDER_TEXT_MAX bytes). */
MUST_USE int sim_fault_parse(const char *text, struct sim_fault *out, char *why);
/* As it is parsed; PROVIDER_TEXT_MAX bytes. */
void sim_fault_format(const struct sim_fault *fault, char *out);
