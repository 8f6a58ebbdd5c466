/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fabricctl drill: fences proved on idle spares. */
#pragma once

#include "cli/command.h"

extern const struct cli_command cli_drill;
