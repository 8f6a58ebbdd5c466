/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/transport.h"

#include "agent/notify.h"
#include "common/log.h"

void transport_say_away(struct transport *t, const char *why)
{
	if (t->away)
		return;
	t->away = true;
	log_warning("fabricd: not reached at %s: %s; trying again until it is", t->config.where,
		    why);
	notify("STATUS=fabricd is away");
}

void transport_say_reached(struct transport *t)
{
	if (t->away)
		log_notice("fabricd: reached again at %s", t->config.where);
	t->away = false;
}
