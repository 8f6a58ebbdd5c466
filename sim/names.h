/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of what stands in a chassis, made as the manager makes them: from the evidence of a scan,
 * in the order of handles (topology/name.h). */
#pragma once

#include "sim/map.h"
#include "topology/name.h"

struct sim_names {
	const struct sim_map *map; /* borrowed */
	char (*adapters)[TOPO_NAME_MAX];
};

/* Return: 0 or -ENOMEM. */
MUST_USE int sim_names_init(struct sim_names *names, const struct sim_map *map);
void sim_names_done(struct sim_names *names);
OWNED_BY_VALUE(struct sim_names, sim_names_done)

/* Another card is in that slot now. */
void sim_names_card(struct sim_names *names, uint32_t adapter);
/* @out: TOPO_NAME_MAX bytes; the handles exist. */
void sim_names_function(const struct sim_names *names, uint32_t handle, char *out);
void sim_names_host(const struct sim_names *names, uint16_t handle, char *out);
/* 0: nothing has that name. */
uint16_t sim_names_host_find(const struct sim_names *names, const char *name);
uint32_t sim_names_adapter_find(const struct sim_names *names, const char *name);
