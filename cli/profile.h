/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Profiles: defining them, and giving them to hosts as a whole. */
#pragma once

#include "cli/command.h"

extern const struct cli_command cli_profile_set, cli_profile_delete, cli_profile_assign,
	cli_profile_move, cli_profile_release;
