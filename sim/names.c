/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct taken {
	const struct sim_names *names;
	size_t count; /* adapters that have a name already */
};

static bool is_taken(const char *name, void *arg)
{
	const struct taken *taken = arg;

	for (size_t i = 0; i < taken->count; i++)
		if (!strcmp(taken->names->adapters[i], name))
			return true;
	return false;
}

static void name_card(struct sim_names *names, struct taken *taken, size_t i)
{
	const struct provider_adapter *a = &names->map->adapters[i];
	char position[TOPO_NAME_MAX];
	char name[TOPO_NAME_MAX]; /* not in the list while it is looked for there */

	(void)snprintf(position, sizeof(position), "%.40s-p%u",
		       names->map->switches[a->switch_handle - 1].name, a->port);
	topo_name_adapter(a->class_code, a->serial, position, is_taken, taken, name);
	memcpy(names->adapters[i], name, sizeof(name));
}

int sim_names_init(struct sim_names *names, const struct sim_map *map)
{
	struct taken taken = { names, 0 };

	names->map = map;
	names->adapters = calloc(map->adapter_count + 1, sizeof(*names->adapters));
	if (!names->adapters)
		return -ENOMEM;
	for (; taken.count < map->adapter_count; taken.count++)
		name_card(names, &taken, taken.count);
	return 0;
}

void sim_names_card(struct sim_names *names, uint32_t adapter)
{
	struct taken taken = { names, names->map->adapter_count };

	names->adapters[adapter - 1][0] = '\0';
	name_card(names, &taken, adapter - 1);
}

void sim_names_done(struct sim_names *names)
{
	free(names->adapters);
	names->adapters = NULL;
}

void sim_names_function(const struct sim_names *names, uint32_t handle, char *out)
{
	static const enum topo_name_function_kind kinds[] = {
		[PROVIDER_FUNCTION_DEVICE] = TOPO_NAME_DEVICE,
		[PROVIDER_FUNCTION_BF] = TOPO_NAME_BF,
		[PROVIDER_FUNCTION_PF] = TOPO_NAME_PF,
		[PROVIDER_FUNCTION_VF] = TOPO_NAME_VF,
	};
	const struct provider_function *f = &names->map->functions[handle - 1];

	topo_name_function(names->adapters[f->adapter - 1], kinds[f->kind], f->pf, f->vf, out);
}

void sim_names_host(const struct sim_names *names, uint16_t handle, char *out)
{
	const struct provider_host *h = &names->map->hosts[handle - 1];

	topo_name_in_chassis(h->bay, h->chassis, out);
}

uint16_t sim_names_host_find(const struct sim_names *names, const char *name)
{
	char own[TOPO_NAME_MAX];

	for (uint16_t i = 1; i <= names->map->host_count; i++) {
		sim_names_host(names, i, own);
		if (!strcmp(own, name))
			return i;
	}
	return 0;
}

uint32_t sim_names_adapter_find(const struct sim_names *names, const char *name)
{
	for (uint32_t i = 1; i <= names->map->adapter_count; i++)
		if (!strcmp(names->adapters[i - 1], name))
			return i;
	return 0;
}
