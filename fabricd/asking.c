/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Managed removal: before a function is taken from a host that is alive, its agent is asked. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "fabricd/item.h"

enum { ANSWER_GRACE_MS = 1000, AGENT_WAIT_MS = 50 };

/* Asked is who has it by right, and is alive: not for a failover, not where a fence or the host's
 * silence forces it, nor for a card that is not the one that was given (S17). */
const struct fabric_host *removal_host(const struct fabric *f, const struct fabric_item *item,
				       const struct provider_binding *at)
{
	const struct fabric_function *fn = item->fn;
	const struct fabric_host *host = fn->host;

	if (!f->io.agent_ask || item->change->row.kind == DB_CHANGE_FAILOVER || !host ||
	    !host_takes_part(host) || fn->dirty)
		return NULL;
	if (at->host != host->as.handle || at->vport != fn->vport || !at->generation ||
	    at->generation != fn->generation)
		return NULL;
	return host;
}

static void removal_event(struct fabric *f, const struct fabric_item *item, const char *type,
			  const char *host, const char *what, const char *text)
{
	log_notice("function %s: %s: %s%s%s", item->row.function, host, what, text[0] ? ": " : "",
		   text);
	history_event(f, type, item->row.function, "%s: %s%s%s", host, what, text[0] ? ": " : "",
		      text);
}

/* Its agent can be asked, once it is heard. */
static bool has_agent_port(const struct fabric *f, const struct fabric_host *host)
{
	const struct config_host *of = config_host_find(&f->config, host->name);

	return of && of->serial[0];
}

/* Looks again soon; what is waited for stands in run.text. */
static void item_wait_for_agent(struct fabric *f, struct fabric_item *item)
{
	item_wait(f, item, AGENT_WAIT_MS);
	item->step = item->run.text;
}

/* A manager that has just started has not heard yet of agents that it may have asked before: what a
 * hook forbids is not done because of that. Return: true when it is waited for. */
static bool item_awaits_agent(struct fabric *f, struct fabric_item *item,
			      const struct fabric_host *host)
{
	if (!has_agent_port(f, host) || f->now_ms >= f->started_ms + f->config.removal_deadline_ms)
		return false;
	item->run.asked = false;
	(void)snprintf(item->run.text, sizeof(item->run.text), "waits to hear %s's agent",
		       host->name);
	item_wait_for_agent(f, item);
	return true;
}

/* An agent cannot take part in the removal of what its host has not found yet: it would say that it
 * is gone, and the host would find it, use it, and lose it without a word to the site's hooks. */
static bool item_awaits_sight(struct fabric *f, struct fabric_item *item,
			      const struct fabric_host *host, const struct fabric_joined *joined)
{
	if (joined->condition != FABRIC_JOIN_AWAITED || !has_agent_port(f, host))
		return false;
	(void)snprintf(item->run.text, sizeof(item->run.text), "waits until %s shows it",
		       host->name);
	item_wait_for_agent(f, item);
	return true;
}

bool item_asks(struct fabric *f, struct fabric_item *item)
{
	const struct fabric_host *host = removal_host(f, item, &item->run.seen);
	struct fabric_joined joined;
	struct fabric_ask ask = { .deadline_ms = f->config.removal_deadline_ms };

	if (!host || item->run.asked)
		return false;
	fabric_function_joined(f, item->fn, &joined);
	if (item_awaits_sight(f, item, host, &joined))
		return true;
	ask.slot = function_slot(host, item->fn->vport);
	if (!ask.slot && joined.row)
		ask.slot = joined.row->slot;
	(void)snprintf(ask.address, sizeof(ask.address), "%s",
		       joined.row ? joined.row->address : "");
	(void)snprintf(ask.function, sizeof(ask.function), "%s", item->fn->name);
	item->run.asked = true;
	if (!ask.slot && !ask.address[0]) /* nobody would know which is meant */
		return joined.condition == FABRIC_JOIN_UNREPORTED &&
		       item_awaits_agent(f, item, host);
	ask.id = attempt_next(f);
	if (!ask.id) {
		item->run.asked = false;
		item_pause(item, "waits for the journal");
		return true;
	}
	if (f->io.agent_ask(f->io.arg, host->name, &ask))
		return item_awaits_agent(f, item, host);
	item->run.asked = false;
	item->run.attempt = ask.id;
	item_wait(f, item, (uint64_t)ask.deadline_ms + ANSWER_GRACE_MS);
	item->run.at = ITEM_ASKING;
	(void)snprintf(item->run.ask_boot, sizeof(item->run.ask_boot), "%s", host->boot_id);
	(void)snprintf(item->run.text, sizeof(item->run.text), "waits for %s's agent to let go",
		       host->name);
	item->step = item->run.text;
	removal_event(f, item, "function.asked", host->name, "its agent is asked to let go",
		      ask.address);
	return true;
}

bool ask_stands(struct fabric *f, const struct fabric_item *item)
{
	const struct fabric_host *host = item->fn->host;

	return host && !host_is_shut(host) && !strcmp(host->boot_id, item->run.ask_boot) &&
	       !goal_is_lost(f, item);
}

/* Nothing was done, and what the site's hooks forbid is not forced. */
static void removal_refused(struct fabric *f, struct fabric_item *item,
			    const struct fabric_host *host, const char *says)
{
	char why[DB_TEXT_MAX];

	(void)snprintf(why, sizeof(why), "%s: %s", host->name, says); /* cut when longer */
	item_end(f, item, DB_CHANGE_FAILED, why);
}

void item_answered(struct fabric *f, const struct fabric_host *host, uint64_t id,
		   enum fabric_ask_outcome outcome, const char *text)
{
	static const char *const words[FABRIC_ASK_OUTCOMES] = {
		[FABRIC_ASK_DONE] = "has let go",
		[FABRIC_ASK_REFUSED] = "refuses to let go",
		[FABRIC_ASK_FAILED] = "may have let go",
	};

	for (unsigned v = 1; v <= PROVIDER_VPORTS_MAX; v++) {
		const struct fabric_function *fn = host->vports[v];
		struct fabric_item *item = fn && fn->host == host ? fn->item : NULL;

		if (!item || item->run.at != ITEM_ASKING || item->run.attempt != id)
			continue;
		removal_event(f, item, "function.answered", host->name, words[outcome], text);
		wake(f);
		if (outcome == FABRIC_ASK_REFUSED) {
			removal_refused(f, item, host,
					text[0] ? text : "its agent refuses to let go");
			return;
		}
		item->run.asked = true;
		item->run.has_left = true;
		item_ready(f, item);
		return;
	}
}

/* Whether it has let go all the same is read back before the change is given up. */
void ask_is_over(struct fabric *f, struct fabric_item *item)
{
	item->run.asked = true;
	item->run.unanswered = true;
	item->run.seen_valid = false;
	item_ready(f, item);
}

bool unanswered_ends(struct fabric *f, struct fabric_item *item, enum handover_next next)
{
	const struct fabric_host *host = removal_host(f, item, &item->run.seen);
	uint32_t ms = f->config.removal_deadline_ms;
	char text[128];

	if (!item->run.unanswered || next != HANDOVER_UNBIND || !host)
		return false;
	(void)snprintf(text, sizeof(text),
		       "its agent was asked to let go and has not answered within %" PRIu32 " %s",
		       ms % 1000 ? ms : ms / 1000, ms % 1000 ? "ms" : "s");
	removal_refused(f, item, host, text);
	return true;
}
