/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs that fabricctl hands its work to. */
#pragma once

#include "cli/command.h"

/* Becomes `fabric-db COMMAND [WORD] [--db DB] [EXTRA]`; NULLs are left out. Returns only when that
 * cannot be started, which it says. */
enum cli_exit tool_run(const char *command, const char *word, const char *db, const char *extra);
