/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The collections under /v1 and the commands that list and show them. */
#pragma once

#include "cli/command.h"
#include "cli/show.h"

struct cli_resource {
	const char *name; /* "host" */
	const char *path; /* "/v1/hosts" */
	enum cli_kind kind;
	const struct show_column *columns;
};

extern const struct cli_resource cli_resource_host, cli_resource_switch, cli_resource_port,
	cli_resource_adapter, cli_resource_function, cli_resource_assignment, cli_resource_change,
	cli_resource_incident, cli_resource_profile;
/* All of them; ends with NULL. */
extern const struct cli_resource *const cli_resources[];

extern const struct cli_command cli_host_list, cli_switch_list, cli_port_list, cli_adapter_list,
	cli_function_list, cli_assignment_list, cli_change_list, cli_incident_list,
	cli_profile_list;
extern const struct cli_command cli_host_show, cli_switch_show, cli_port_show, cli_adapter_show,
	cli_function_show, cli_assignment_show, cli_change_show, cli_incident_show,
	cli_profile_show;
