/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "failover/target.h"

#include <stdio.h>

#include "common/natural.h"

/* Why @c, which every adapter reaches, cannot take over; NULL: it can. */
static const char *unfit(const struct target_candidate *c, const struct target_need *need)
{
	if (!c->door_open)
		return "is not admitted to the fabric";
	if (c->silent && !c->cold)
		return "does not beat, and is not proved off";
	if (!c->steady && !c->cold)
		return "has not been alive for long enough";
	if (c->used && !c->ours)
		return "holds functions already";
	if (c->free_vports < need->vports)
		return "has too few free vports";
	return NULL;
}

/* <0: @a is the better one. Both are fit. */
static int compare(const struct target_candidate *a, const struct target_candidate *b,
		   const struct target_need *need)
{
	bool a_chassis = a->chassis == need->chassis;
	bool b_chassis = b->chassis == need->chassis;
	bool a_switch = a_chassis && a->switch_handle == need->switch_handle;
	bool b_switch = b_chassis && b->switch_handle == need->switch_handle;

	if (a->ours != b->ours)
		return a->ours ? -1 : 1;
	if (a->cold != b->cold)
		return a->cold ? 1 : -1;
	if (a_chassis != b_chassis)
		return a_chassis ? -1 : 1;
	if (a_switch != b_switch)
		return a_switch ? -1 : 1;
	return natural_compare(a->name, b->name);
}

/* Of spares that stand elsewhere their number says enough: there is one in each chassis. */
static void far_say(char *why, size_t size, size_t at, unsigned far, const char *name)
{
	if (at >= size || !far)
		return;
	if (far == 1)
		(void)snprintf(why + at, size - at, "%s%s is not reached by every adapter",
			       at ? "; " : "", name);
	else
		(void)snprintf(why + at, size - at, "%s%u spares are not reached by every adapter",
			       at ? "; " : "", far);
}

static size_t clause(char *why, size_t size, size_t at, const char *name, const char *reason)
{
	int n;

	if (at >= size)
		return at;
	n = snprintf(why + at, size - at, "%s%s %s", at ? "; " : "", name, reason);
	return n < 0 ? at : at + (size_t)n;
}

int target_choose(const struct target_candidate *candidates, size_t count,
		  const struct target_need *need, char *why, size_t why_size)
{
	const char *far_name = "";
	unsigned far = 0;
	size_t at = 0;
	int best = -1;
	bool any = false;

	if (why_size)
		why[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		const struct target_candidate *c = &candidates[i];
		const char *reason;

		if (!c->spare)
			continue;
		any = true;
		if (!c->reachable) {
			far++;
			far_name = c->name;
			continue;
		}
		reason = unfit(c, need);
		if (reason)
			at = clause(why, why_size, at, c->name, reason);
		else if (best < 0 || compare(c, &candidates[best], need) < 0)
			best = (int)i;
	}
	far_say(why, why_size, at, far, far_name);
	if (!any && why_size)
		(void)snprintf(why, why_size, "no host is a spare"); /* cut where it must be */
	return best;
}
