/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fabricsim run: the model behind the provider protocol, until a signal ends it. */
#pragma once

#include "sim/chassis.h"

/* Exit codes of every program. */
enum sim_exit { EXIT_DONE, EXIT_REFUSED, EXIT_USAGE, EXIT_UNREACHED, EXIT_FAILED };

/* Says on standard error what went wrong. */
enum sim_exit sim_serve(const struct sim_chassis *chassis, const char *state_path,
			const char *socket_path);
