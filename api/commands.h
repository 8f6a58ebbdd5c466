/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command entries of all resources, for the table in call.c. */
#pragma once

struct api_command;

extern const struct api_command api_host_get;
extern const struct api_command api_host_beat;
extern const struct api_command api_host_seen;
extern const struct api_command api_host_says;
extern const struct api_command api_host_set;
extern const struct api_command api_host_failover;
extern const struct api_command api_host_enroll;
extern const struct api_command api_host_readmit;
extern const struct api_command api_host_maintenance;
extern const struct api_command api_host_drain;
extern const struct api_command api_host_confirm;
extern const struct api_command api_host_drill;
extern const struct api_command api_switch_get;
extern const struct api_command api_port_get;
extern const struct api_command api_adapter_get;
extern const struct api_command api_function_get;
extern const struct api_command api_assignment_get;
extern const struct api_command api_change_get;
extern const struct api_command api_change_post;
extern const struct api_command api_change_cancel;
extern const struct api_command api_profile_get;
extern const struct api_command api_profile_set;
extern const struct api_command api_profile_delete;
extern const struct api_command api_profile_assign;
extern const struct api_command api_profile_move;
extern const struct api_command api_profile_release;
extern const struct api_command api_incident_get;
extern const struct api_command api_incident_replay;
extern const struct api_command api_event_follow;
extern const struct api_command api_topology_get;
extern const struct api_command api_health_get;
extern const struct api_command api_config_get;
extern const struct api_command api_adopt_post;
extern const struct api_command api_db_backup;
