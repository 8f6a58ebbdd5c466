/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Drills that people ask for, amid all the rest, and what must be true of them (fabricd/drill.c).
 */
#include <inttypes.h>
#include <string.h>

#include "fabricd/state.h"
#include "tests/simulation/acts.h"

static bool holds_any(const struct actor *a)
{
	const struct sim_map *map = sim_model_map(a->site->model);

	for (uint32_t i = 0; i < map->function_count; i++)
		if (map->functions[i].now.host == a->handle)
			return true;
	return false;
}

static void on_drilled(void *arg, int r, uint64_t id)
{
	struct world *w = arg;

	if (w->dead)
		return;
	world_story(w, "  drill, incident %" PRIu64 ": %s", id, r ? "failed" : "done");
	w->drill_waits = false;
}

static void drill_begin(struct world *w, struct actor *a, bool power)
{
	const struct fabric_host *host = fabric_host_find(w->fabric, a->name);

	world_story(w, "operator: drills %s%s", a->name, power ? ", its power too" : "");
	if (w->drill_waits)
		world_broken(w, "a drill of %s begins, and another is under way", a->name);
	if (host->functions || holds_any(a))
		world_broken(w, "a drill of %s begins, and it has functions", a->name);
	w->drills++;
	w->drill_waits = true;
	a->readmitted = false;
	a->drill = (struct drilled){ .life = w->lives, .asked_ms = w->now_ms, .power = power };
}

/* Mostly of a spare that is up: all else is refused. */
void act_drill(struct world *w)
{
	const struct fabric_drill how = { .force = !world_random(w, 6),
					  .power = !world_random(w, 4) };
	struct fabric_problem problem;
	struct actor *a = NULL;

	for (unsigned tries = 0; tries < 8; tries++) {
		const struct fabric_host *host;

		a = &w->actors[world_random(w, w->actor_count)];
		host = fabric_host_find(w->fabric, a->name);
		if (host && (how.force || host->spare) && !host->functions)
			break;
	}
	if (!fabric_host_drill(w->fabric, a->name, &how, 0, &problem, on_drilled, w))
		drill_begin(w, a, how.power);
}

void drill_forget(struct actor *a)
{
	a->drill = (struct drilled){ 0 };
}

/* What is left of a drill that an earlier manager had begun, if it had got to the disk. */
void drills_know(struct world *w)
{
	w->drill_waits = false;
	for (size_t i = 0; i < w->actor_count; i++) {
		struct actor *a = &w->actors[i];
		const struct fabric_host *host = fabric_host_find(w->fabric, a->name);

		if (a->drill.life && (!host || !host_is_shut(host)))
			drill_forget(a);
	}
}

/* ---- what must be true ---- */

void check_drill_sent(struct site *s, const struct actor *a, const struct provider_op *op)
{
	if (a && a->drill.life && op->verb == PROVIDER_BIND)
		world_broken(s->w, "function %u is sent a bind to %s, which is being drilled",
			     op->function, a->name);
}

void check_drill_effect(struct actor *a, const struct sim_effect *e)
{
	if (a && e->op->verb == PROVIDER_READ_HOST && !holds_any(a))
		a->empty_read_ms = a->site->w->now_ms;
}

/* S9, S20: only what has been read empty since counts as fenced. */
static void drill_proved(struct world *w, struct actor *a, const char *proof)
{
	if (!strncmp(proof, "confirmed", 9))
		return; /* it was blocked, and somebody vouches for it */
	if (a->empty_read_ms < a->drill.asked_ms)
		world_broken(w, "a drill of %s is told to be proved, and nobody has looked",
			     a->name);
	if (a->site->chassis->can.isolate && !a->cut_off)
		world_broken(w, "a drill of %s is told to be proved, and it was not cut off",
			     a->name);
	a->drill.proved_by = w->lives;
}

/* S9: by a person, or by the manager that was asked for the drill and has proved its fence. */
static void drill_let_in(struct world *w, struct actor *a)
{
	if (!a->readmitted && (a->drill.life != w->lives || a->drill.proved_by != w->lives))
		world_broken(w,
			     "%s was being drilled by another life of the manager, or in vain, and "
			     "is let in",
			     a->name);
	drill_forget(a);
}

void check_drill_event(struct world *w, struct actor *a, const struct db_event *event)
{
	if (!a->drill.life) {
		if (!strcmp(event->type, "host.drilled"))
			world_broken(w, "%s is told to be drilled, and nobody asked", a->name);
		return;
	}
	if (!strcmp(event->type, "host.fenced"))
		drill_proved(w, a, event->detail);
	if (!strcmp(event->type, "host.drilled") && a->drill.proved_by != w->lives)
		world_broken(w, "%s is told to be drilled, and its fence was not proved", a->name);
	if (!strcmp(event->type, "host.drill-failed") && !a->readmit_ms)
		a->readmit_ms = w->now_ms + 5000 + world_random(w, 60000);
	if (!strcmp(event->type, "host.readmitted"))
		drill_let_in(w, a);
}

bool drill_is_let_in_untold(const struct world *w, const struct actor *a)
{
	return a->drill.life && a->drill.life + 1 == w->lives && a->drill.proved_by + 1 == w->lives;
}

void check_drill_target(struct world *w, const struct actor *a)
{
	if (a->drill.life)
		world_broken(w, "%s is a target, and is being drilled", a->name);
}

void check_drills_end(struct world *w)
{
	size_t count;
	const struct fabric_incident *const *all = fabric_incidents(w->fabric, &count);

	for (size_t i = 0; i < count; i++)
		if (all[i]->row.drill && all[i]->row.state != DB_INCIDENT_DONE)
			world_broken(w, "the drill of %s does not end", all[i]->row.host);
	if (w->drill_waits)
		world_broken(w, "who asked for a drill is not answered");
}
