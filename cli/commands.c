/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of all commands: a new one is one entry in its file, and one line here. */
#include <stddef.h>

#include "cli/audit.h"
#include "cli/change.h"
#include "cli/command.h"
#include "cli/daemon.h"
#include "cli/db.h"
#include "cli/drill.h"
#include "cli/event.h"
#include "cli/fabric_tree.h"
#include "cli/host.h"
#include "cli/profile.h"
#include "cli/replay.h"
#include "cli/resource.h"

const struct cli_command *const cli_commands[] = {
	&cli_topology,
	&cli_switch_list,
	&cli_switch_show,
	&cli_port_list,
	&cli_port_show,
	&cli_adapter_list,
	&cli_adapter_show,
	&cli_function_list,
	&cli_function_show,
	&cli_function_assign,
	&cli_function_release,
	&cli_function_move,
	&cli_assignment_list,
	&cli_assignment_show,
	&cli_profile_list,
	&cli_profile_show,
	&cli_profile_set,
	&cli_profile_delete,
	&cli_profile_assign,
	&cli_profile_move,
	&cli_profile_release,
	&cli_host_list,
	&cli_host_show,
	&cli_host_set,
	&cli_host_drain,
	&cli_host_maintenance,
	&cli_host_readmit,
	&cli_host_enroll,
	&cli_host_failover,
	&cli_host_fence_confirm,
	&cli_host_view,
	&cli_drill,
	&cli_change_list,
	&cli_change_show,
	&cli_change_submit,
	&cli_change_wait,
	&cli_change_cancel,
	&cli_incident_list,
	&cli_incident_show,
	&cli_incident_replay,
	&cli_event_follow,
	&cli_config_show,
	&cli_adopt,
	&cli_audit_list,
	&cli_audit_verify,
	&cli_db_check,
	&cli_db_backup,
	&cli_db_restore,
	&cli_health,
	NULL,
};
