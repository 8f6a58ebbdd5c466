/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configuration space as a host, or the manager, sees it: made from the map when asked for. */
#pragma once

#include "sim/map.h"

/**
 * sim_view() - every function that stands in one virtual hierarchy
 * @host: handle; 0: the whole fabric, one PCI domain per switch
 * @fn: called for each in the order of its address; @config is borrowed for the call
 *
 * Return: 0, -ENOMEM or REFUSE_NO_HOST.
 */
MUST_USE int sim_view(const struct sim_map *map, uint16_t host,
		      void (*fn)(void *arg, const struct provider_config *config), void *arg);
