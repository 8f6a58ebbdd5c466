/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands on one host. */
#pragma once

#include "cli/command.h"

extern const struct cli_command cli_host_set, cli_host_maintenance, cli_host_drain,
	cli_host_readmit, cli_host_enroll, cli_host_failover, cli_host_fence_confirm, cli_host_view;
