/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What goes wrong, and when: chosen by the seed. */
#include "tests/simulation/acts.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void act_fault(struct world *w)
{
	static const enum sim_fault_kind faults[] = { SIM_FAULT_DELAY,   SIM_FAULT_LATE,
						      SIM_FAULT_LATE,    SIM_FAULT_LOST,
						      SIM_FAULT_REFUSED, SIM_FAULT_FAILED };
	static const enum provider_verb verbs[] = {
		PROVIDER_VERB_NONE, PROVIDER_BIND,      PROVIDER_BIND,      PROVIDER_UNBIND,
		PROVIDER_UNBIND,    PROVIDER_IDENTITY,  PROVIDER_RESET,     PROVIDER_READ,
		PROVIDER_ISOLATE,   PROVIDER_READ_HOST, PROVIDER_HOST_POWER
	};
	struct sim_fault fault = {
		.kind = faults[world_random(w, sizeof(faults) / sizeof(*faults))],
		.verb = verbs[world_random(w, sizeof(verbs) / sizeof(*verbs))],
		.count = (uint32_t)(1 + world_random(w, 3)),
	};
	char text[PROVIDER_TEXT_MAX];

	fault.ms = (uint32_t)(fault.kind == SIM_FAULT_DELAY ? world_random(w, 3000)
							    : 100 + world_random(w, 20000));
	if (sim_model_fault(site_any(w)->model, &fault))
		return;
	sim_fault_format(&fault, text);
	world_story(w, "fault: %s", text);
	w->fault_until_ms = w->now_ms + 10000;
}

void act_die(struct world *w)
{
	struct actor *a = &w->actors[world_random(w, w->actor_count)];

	if (!a->runs)
		return;
	a->runs = false;
	world_story(w, "%s dies", a->name);
	if (!world_random(w, 3))
		attacker_begin(w, a, 10000);
	if (world_random(w, 2)) {
		world_story(w, "the switch sees %s without power", a->name);
		actor_power(w, a, false);
	}
	/* Somebody comes and starts it, fenced or not. */
	a->readmit_ms = w->now_ms + 30000 + world_random(w, 60000);
}

/* Its pauses are short, and many. */
void act_flap(struct world *w)
{
	struct actor *a = &w->actors[world_random(w, w->actor_count)];

	if (!a->runs || a->hangs)
		return;
	a->flaps = 3 + (unsigned)world_random(w, 3);
	a->hangs = true;
	a->hangs_until_ms = w->now_ms + 2600 + world_random(w, 1800);
	world_story(w, "%s flaps, %u times", a->name, a->flaps);
}

/* An agent says that its host leaves; one in three goes on. */
void act_leave(struct world *w)
{
	struct actor *a = &w->actors[world_random(w, w->actor_count)];

	if (!a->runs || a->hangs)
		return;
	world_story(w, "%s says that it leaves", a->name);
	agent_leave(w, a);
}

/* What an agent says of itself and is not so: that it has let go of all it had, or sees another's.
 */
void act_lie(struct world *w)
{
	struct actor *a = &w->actors[world_random(w, w->actor_count)];
	struct fabric_seen row = { .driver = "any", .address = "0000:00:00.0" };

	row.mac = w->next_mac - 1 - world_random(w, 8);
	if (!a->runs || a->hangs)
		return;
	if (!fabric_host_seen(w->fabric, a->name, a->boot_id, &row, world_random(w, 2)))
		world_story(w, "%s lies about what it has", a->name);
	if (a->ask && world_random(w, 2)) {
		fabric_agent_answered(w->fabric, a->name, a->ask, FABRIC_ASK_DONE, "a lie");
		a->ask = 0;
	}
}

void act_hang(struct world *w)
{
	struct actor *a = &w->actors[world_random(w, w->actor_count)];

	a->hangs = true;
	a->hangs_until_ms = w->now_ms + 1000 + world_random(w, 15000);
	world_story(w, "%s hangs for %" PRIu64 " ms", a->name, a->hangs_until_ms - w->now_ms);
}

/* It is stopped: it does not beat, and what it has cannot be told; or only the latter. */
void act_dumb(struct world *w)
{
	struct actor *a = &w->actors[world_random(w, w->actor_count)];

	if (!a->runs)
		return;
	a->dumb_until_ms = w->now_ms + 500 + world_random(w, 15000);
	world_story(w, "the switch cannot tell what %s has for %" PRIu64 " ms", a->name,
		    a->dumb_until_ms - w->now_ms);
	site_changed(a->site);
	if (world_random(w, 2))
		return;
	a->hangs = true;
	a->hangs_until_ms = a->dumb_until_ms;
}

void act_hint(struct world *w)
{
	const struct actor *a = &w->actors[world_random(w, w->actor_count)];

	fabric_host_hint(w->fabric, a->name, "end of file on its port");
}

/* Hosts tell what they see: what the switch has there. */
void act_tell(struct world *w)
{
	struct fabric_seen rows[PROVIDER_VPORTS_MAX];

	for (size_t i = 0; i < w->actor_count; i++) {
		const struct actor *a = &w->actors[i];
		const struct sim_map *map = sim_model_map(a->site->model);
		size_t count = 0;

		for (size_t n = 0; n < map->function_count && a->runs && !a->hangs; n++) {
			const struct provider_function *fn = &map->functions[n];

			if (fn->now.host != a->handle || count == PROVIDER_VPORTS_MAX)
				continue;
			rows[count] = (struct fabric_seen){ .driver = "any",
							    .vendor = fn->vendor,
							    .device = fn->device,
							    .mac = fn->now.identity.mac,
							    .wwpn = fn->now.identity.wwpn };
			(void)snprintf(rows[count].address, sizeof(rows[count].address),
				       "0000:%02x:00.0", (unsigned)count);
			count++;
		}
		if (a->runs && !a->hangs &&
		    fabric_host_seen(w->fabric, a->name, a->boot_id, rows, count))
			continue; /* before the first scan nobody knows it */
	}
}

void act_stop(struct world *w)
{
	w->stop_ms = w->now_ms;
	w->stop_end_ms = w->now_ms + 300 + world_random(w, 12000);
}

/* A host is silent for almost a window, and the manager stops for less than a beat, too short for
 * it to notice, as the host goes on: what it says meanwhile waits in the socket. */
void act_race(struct world *w)
{
	struct actor *a = &w->actors[world_random(w, w->actor_count)];
	uint64_t due_ms = a->heard_ms + 5000;

	if (!a->runs || a->hangs || w->stop_ms || due_ms < w->now_ms + 3500)
		return;
	a->hangs = true;
	a->hangs_until_ms = due_ms - 100 - world_random(w, 150);
	w->stop_ms = a->hangs_until_ms - 1 - world_random(w, 100);
	w->stop_end_ms = due_ms + world_random(w, 60);
	world_story(w, "%s hangs for %" PRIu64 " ms", a->name, a->hangs_until_ms - w->now_ms);
}

/* Somebody sets the wall clock, or a bad daemon corrects it. */
void act_clock(struct world *w)
{
	switch (world_random(w, 3)) {
	case 0:
		world_wall_set(w, 3600000);
		world_story(w, "the wall clock is set forward by an hour");
		break;
	case 1:
		world_wall_set(w, -3600000);
		world_story(w, "the wall clock is set back by an hour");
		break;
	default:
		w->skew_until_ms = w->now_ms + 20000;
		world_story(w, "the wall clock leaps on, less than a beat at a time");
		break;
	}
}

void act_disconnect(struct world *w)
{
	struct site *s = site_any(w);
	uint64_t for_ms = 10 + world_random(w, world_random(w, 4) ? 5000 : 40000);

	world_story(w, "switch %s is not reached for %" PRIu64 " ms", s->name, for_ms);
	site_disconnect(s, for_ms);
}

void act_kill(struct world *w)
{
	w->kill_in = (unsigned)(1 + world_random(w, 12));
}

void act_reboot(struct world *w)
{
	size_t changes = world_random(w, 4);
	struct site *s = site_any(w);

	world_story(w, "switch %s reboots into the map of %zu changes ago", s->name, changes);
	sim_model_reboot(s->model, changes);
	s->reboot_ms = w->now_ms;
	s->reboot_untold = w->fabric && !w->dead;
	s->sent_count = 0;
	for (size_t i = 0; i < w->actor_count; i++) {
		if (w->actors[i].site != s)
			continue;
		w->actors[i].fence_void = true;
		w->actors[i].fenced_ms = 0;
	}
	for (size_t i = 0; i < s->function_count; i++) {
		s->known[i].outstanding = 0;
		s->known[i].clean = false;
		s->known[i].generation = 0;
		s->known[i].reboot_ms = w->now_ms;
	}
}

void at_slot(struct site *s, uint32_t adapter, enum sim_slot_what what)
{
	const struct sim_map *map = sim_model_map(s->model);

	if (sim_model_slot(s->model, adapter, what, NULL))
		return;
	for (size_t i = 0; i < s->function_count; i++) {
		if (map->functions[i].adapter != adapter)
			continue;
		s->known[i].card_ms = s->w->now_ms;
		if (what == SIM_SLOT_BUTTON)
			continue;
		s->known[i].dirty = true;
	}
}

/* Somebody is at a slot: mostly he pulls the card and puts it back, now or later. */
void act_card(struct world *w)
{
	static const char *const says[] = { [SIM_SLOT_OUT] = "pulled",
					    [SIM_SLOT_IN] = "put back",
					    [SIM_SLOT_SWAP] = "pulled and put back at once",
					    [SIM_SLOT_BUTTON] = "asked for by its button" };
	struct site *s = site_any(w);
	const struct sim_map *map = sim_model_map(s->model);
	uint32_t adapter = (uint32_t)(1 + world_random(w, map->adapter_count));
	enum sim_slot_what what = SIM_SLOT_IN;

	if (!map->slots[adapter - 1].out)
		what = (enum sim_slot_what[]){ SIM_SLOT_OUT, SIM_SLOT_SWAP, SIM_SLOT_BUTTON,
					       SIM_SLOT_BUTTON }[world_random(w, 4)];
	world_story(w, "card %u is %s", adapter, says[what]);
	at_slot(s, adapter, what);
}
