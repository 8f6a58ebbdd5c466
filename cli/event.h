/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Following the daemon's events. */
#pragma once

#include "cli/command.h"

extern const struct cli_command cli_event_follow;
