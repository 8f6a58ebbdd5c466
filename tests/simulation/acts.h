/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may happen next: each is done at once, with whom the seed chooses. actors.c has the odds. */
#pragma once

#include "tests/simulation/disk.h"
#include "tests/simulation/world.h"

/* ---- operators.c: what people ask of a manager that runs ---- */
void act_assign(struct world *w);
void act_release(struct world *w);
void act_move(struct world *w);
void act_hand_identity(struct world *w);
void act_spare(struct world *w);
void act_rest(struct world *w);
void act_failover(struct world *w);
void act_maintain(struct world *w);
void act_cancel(struct world *w);
/* An answer that nobody waits for. */
void on_done(void *arg, int r, uint64_t id);
void act_profile(struct world *w);
void act_drill(struct world *w);
/* A change that was asked for is known from here on. */
void on_acknowledged(void *arg, int r, uint64_t id);
/* What they come back for: the end of maintenance, a host that waits to be let in. */
void actor_maintain(struct world *w, struct actor *a);
void actor_readmit(struct world *w, struct actor *a);

/* ---- trouble.c: what goes wrong ---- */
void act_fault(struct world *w);
void act_die(struct world *w);
void act_hang(struct world *w);
void act_flap(struct world *w);
void act_leave(struct world *w);
void act_lie(struct world *w);
void act_dumb(struct world *w);
void act_hint(struct world *w);
void act_tell(struct world *w);
void act_stop(struct world *w);
void act_race(struct world *w);
void act_clock(struct world *w);
void act_disconnect(struct world *w);
void act_kill(struct world *w);
void act_reboot(struct world *w);
void act_card(struct world *w);
/* Somebody is at the slot of @adapter. */
void at_slot(struct site *s, uint32_t adapter, enum sim_slot_what what);

/* ---- net.c, agents.c, attacker.c ---- */
void act_network(struct world *w);
void act_agent(struct world *w);
void act_enroll(struct world *w);
void act_attack(struct world *w);

/* ---- actors.c ---- */
/* Its button is pressed: the switch sees it. */
void actor_power(struct world *w, struct actor *a, bool on);
/* It starts anew, under another boot id. */
void actor_boot(struct world *w, struct actor *a);
