/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands on the daemon itself. */
#pragma once

#include "cli/command.h"

extern const struct cli_command cli_config_show, cli_adopt, cli_health;
