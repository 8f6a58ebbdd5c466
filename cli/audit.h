/* SPDX-License-Identifier: GPL-2.0-or-later */
/* audit: who did what, and whether the record is whole. */
#pragma once

#include "cli/command.h"

extern const struct cli_command cli_audit_list;
extern const struct cli_command cli_audit_verify;
