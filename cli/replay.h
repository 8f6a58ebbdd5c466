/* SPDX-License-Identifier: GPL-2.0-or-later */
/* incident replay: a night run again. */
#pragma once

#include "cli/command.h"

extern const struct cli_command cli_incident_replay;
