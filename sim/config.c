/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/config.h"

int sim_config_view(const struct sim_map *map, uint16_t host,
		    void (*fn)(void *arg, const struct provider_config *config), void *arg)
{
	(void)fn;
	(void)arg;
	return host && !sim_map_host(map, host) ? REFUSE_NO_HOST : 0;
}
