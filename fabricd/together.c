/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Profiles in changes that people ask for: all of one goes, or all of it stays. */
#include <stdio.h>

#include "common/defect.h"
#include "fabricd/item.h"

/* A failover has no choice, and where a card leaves its functions go with it. */
static bool goes_with_profile(const struct fabric_item *item)
{
	return item->fn->profile && item->change->row.kind == DB_CHANGE_ASKED &&
	       !DEFECT(SPLIT_PROFILE);
}

/* @item itself too: it never waits for itself. NULL: it is in no change, or in another. */
static struct fabric_item *mate_of(const struct fabric_item *item, size_t n)
{
	struct fabric_item *mate = item->fn->profile->members[n].fn->item;

	return mate && mate->change == item->change ? mate : NULL;
}

/* Who cannot be told when it comes is not waited for: the others would be with nobody meanwhile. */
static bool is_awaited(struct fabric *f, const struct fabric_item *mate)
{
	return mate->row.state == DB_CHANGE_RUNNING && mate->fn->present &&
	       provider_is_usable(provider_of_function(f, mate->fn)) && !origin_is_fencing(f, mate);
}

/* The one of its profile that stays for good where it was, as far as is known for a reason of its
 * own; NULL: none does. */
static const struct fabric_item *item_stayer(const struct fabric_item *item)
{
	const struct fabric_change *change = item->change;
	const struct fabric_item *found = NULL;

	if (!change->run.has_failed || !goes_with_profile(item))
		return NULL;
	for (size_t i = 0; i < change->item_count && (!found || found->run.follows); i++)
		if (change->items[i].fn->profile == item->fn->profile &&
		    change->items[i].row.state == DB_CHANGE_FAILED)
			found = &change->items[i];
	return found;
}

/* Nothing of a profile is unbound before all of it may leave, nor anything of it given away, or
 * done with, before all of it is out. Return: true when another one is waited for. */
bool item_awaits_mates(struct fabric *f, struct fabric_item *item, bool is_out)
{
	const struct fabric_profile *profile = item->fn->profile;
	bool is_new = !item->run.may_leave || (is_out && !item->run.is_out);

	if (!goes_with_profile(item))
		return false;
	item->run.may_leave = true;
	item->run.is_out = item->run.is_out || is_out;
	if (is_new)
		look(f); /* those that wait for this one */
	for (size_t i = 0; i < profile->member_count; i++) {
		const struct fabric_item *mate = mate_of(item, i);

		if (!mate || !is_awaited(f, mate) ||
		    (is_out ? mate->run.is_out : mate->run.may_leave))
			continue;
		(void)snprintf(item->run.text, sizeof(item->run.text), "waits for %.64s of %.32s",
			       mate->fn->name, profile->name);
		item_pause(item, item->run.text);
		return true;
	}
	return false;
}

/* One of its profile stays: so does this one. What is out, or was let go by its host already, is
 * plugged in there anew: by repair, which asks whether that host is as it was. Return: true when it
 * has ended. */
bool item_stays(struct fabric *f, struct fabric_item *item, enum handover_next next)
{
	const struct fabric_item *stayer = item_stayer(item);
	const struct fabric_host *host = item->fn->host;
	bool is_bound = next == HANDOVER_UNBIND;
	char why[DB_TEXT_MAX];

	if (!stayer || next == HANDOVER_READ || next == HANDOVER_DONE ||
	    (is_bound && item->run.has_left && f->config.repair))
		return false;
	(void)snprintf(why, sizeof(why), "profile %.64s stays, for %.64s does: %.200s%s%.64s",
		       item->fn->profile->name, stayer->fn->name, stayer->row.reason,
		       !is_bound && host ? "; it goes back to " : "",
		       !is_bound && host ? host->name : "");
	item->run.follows = true;
	item_end(f, item, DB_CHANGE_FAILED, why);
	return true;
}
