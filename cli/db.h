/* SPDX-License-Identifier: GPL-2.0-or-later */
/* db: the database as a file. */
#pragma once

#include "cli/command.h"

extern const struct cli_command cli_db_check;
extern const struct cli_command cli_db_backup;
extern const struct cli_command cli_db_restore;
