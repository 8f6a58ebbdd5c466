/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agents' end of the ways: what agent/agent.c does with agent/dialog.c and agent/memory.c. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "tests/simulation/acts.h"

enum { LEAVE_MS = 100, LEAVES = 5, GAP_MS = 2200 };

/* As next_seq() there: so that an agent that is started again counts upwards. */
static uint64_t seq_next(struct world *w, struct agent_end *agent)
{
	uint64_t up_ms = w->now_ms - agent->up_ms;

	agent->seq = up_ms > agent->seq ? up_ms : agent->seq + 1;
	return agent->seq;
}

static struct dialog_now now_of(struct world *w, struct agent_end *agent)
{
	return (struct dialog_now){ .seq = seq_next(w, agent),
				    .epoch = agent->memory.epoch,
				    .incarnation = agent->memory.incarnation };
}

/* ---- its memory ---- */

static void memory_keep(struct agent_end *agent)
{
	OWNED(buf_done) struct buf text = { 0 };

	memory_format(&agent->memory, &text);
	if (text.failed || text.length > sizeof(agent->file))
		abort();
	memcpy(agent->file, text.data, text.length);
	agent->file_length = text.length;
}

static void memory_find(struct actor *a)
{
	struct agent_end *agent = &a->agent;

	if (agent->file_length && !memory_parse(agent->file, agent->file_length, &agent->memory))
		return;
	agent->memory = (struct memory){ 0 };
	(void)snprintf(agent->memory.host, sizeof(agent->memory.host), "%s", a->name);
}

/* ---- start ---- */

void agent_init(struct world *w, struct actor *a)
{
	static const unsigned ways[] = { 1 << NET_A,
					 1 << NET_LINE,
					 1 << NET_A | 1 << NET_B,
					 1 << NET_A | 1 << NET_B,
					 1 << NET_B | 1 << NET_LINE,
					 1 << NET_A | 1 << NET_B | 1 << NET_LINE };
	struct agent_end *agent = &a->agent;
	struct host_keys *kept = &w->net.kept[a - w->actors];

	agent->ways = ways[world_random(w, sizeof(ways) / sizeof(*ways))];
	datagram_key_make(agent->keys[agent->key_count++]);
	(void)snprintf(kept->host, sizeof(kept->host), "%s", a->name);
	memcpy(kept->key, agent->keys[0], sizeof(kept->key));
}

void agent_start(struct world *w, struct actor *a)
{
	struct agent_end *agent = &a->agent;

	(void)w;
	for (unsigned n = 0; n < NET_NETWORKS; n++)
		if (dialog_init(&agent->dialogs[n], a->name, a->boot_id, agent->keys[agent->key]))
			abort();
	memory_find(a);
	agent->is_fenced = false;
	agent->fence_epoch = 0;
	agent->claim_ms = 0;
	agent->leavings = 0;
	agent->leave_ms = 0;
	agent->last_ms = 0;
	agent->line_waits = false;
	agent->seq = 0;
}

/* ---- what it says ---- */

static void say(struct world *w, struct actor *a, unsigned way, enum datagram_type type)
{
	struct agent_end *agent = &a->agent;
	struct dialog_now now = now_of(w, agent);
	uint8_t bytes[DATAGRAM_SIZE];

	if (type == DATAGRAM_LEAVING)
		dialog_leave(&agent->dialogs[way], &now, bytes);
	else
		dialog_beat(&agent->dialogs[way], &now, bytes);
	net_say(w, a, way, type, bytes);
}

/* There is one that nobody has read: nothing more is said there. */
static void say_line(struct world *w, struct actor *a, enum datagram_type type)
{
	if (a->agent.line_waits)
		return;
	(void)seq_next(w, &a->agent);
	net_say(w, a, NET_LINE, type, NULL);
}

static void say_all(struct world *w, struct actor *a, enum datagram_type type)
{
	for (unsigned n = 0; n < NET_NETWORKS; n++)
		if (a->agent.ways & 1U << n)
			say(w, a, n, type);
	if (a->agent.ways & 1U << NET_LINE)
		say_line(w, a, type);
}

static void beating_note(struct world *w, struct agent_end *agent)
{
	if (w->now_ms - agent->last_ms > GAP_MS)
		agent->beating_ms = w->now_ms;
	agent->last_ms = w->now_ms;
}

void agent_beat(struct world *w, struct actor *a)
{
	if (a->agent.leavings)
		return;
	beating_note(w, &a->agent);
	say_all(w, a, DATAGRAM_BEAT);
}

void agent_leave(struct world *w, struct actor *a)
{
	a->agent.leavings = LEAVES;
	a->agent.leave_ms = w->now_ms;
	a->agent.goes = world_random(w, 3) != 0;
}

/* Said until it is answered; one in three goes on after that. */
static void leave_advance(struct world *w, struct actor *a)
{
	struct agent_end *agent = &a->agent;

	if (!agent->is_fenced && agent->leavings) {
		agent->leavings--;
		agent->leave_ms = w->now_ms + LEAVE_MS;
		say_all(w, a, DATAGRAM_LEAVING);
		return;
	}
	agent->leavings = 0;
	agent->leave_ms = 0;
	if (!agent->goes)
		return;
	a->runs = false;
	a->readmit_ms = w->now_ms + 30000 + world_random(w, 60000);
}

/* True or not. */
static void claim(struct world *w, struct actor *a)
{
	a->agent.claim_ms = 0;
	for (unsigned n = 0; n < NET_NETWORKS; n++)
		dialog_claim(&a->agent.dialogs[n], 1 + world_random(w, 3), world_random(w, 2));
	if (a->agent.ways & 1U << NET_LINE)
		say_line(w, a, DATAGRAM_STOPPED);
}

static void key_bring(struct world *w, struct actor *a)
{
	a->agent.bring_ms = 0;
	a->agent.key = a->agent.key_count - 1;
	world_story(w, "%s has key %u%s", a->name, a->agent.key,
		    a->runs ? ", and its agent is started again" : "");
	if (a->runs)
		agent_start(w, a);
}

void agent_advance(struct world *w, struct actor *a)
{
	const struct agent_end *agent = &a->agent;

	if (agent->bring_ms && w->now_ms >= agent->bring_ms)
		key_bring(w, a);
	if (!a->runs || a->hangs)
		return;
	if (agent->leave_ms && w->now_ms >= agent->leave_ms)
		leave_advance(w, a);
	if (agent->claim_ms && w->now_ms >= agent->claim_ms)
		claim(w, a);
}

uint64_t agent_next_ms(const struct actor *a)
{
	const struct agent_end *agent = &a->agent;
	uint64_t next = agent->bring_ms ? agent->bring_ms : UINT64_MAX;

	if (!a->runs || a->hangs)
		return next;
	if (agent->leave_ms && agent->leave_ms < next)
		next = agent->leave_ms;
	if (agent->claim_ms && agent->claim_ms < next)
		next = agent->claim_ms;
	return next;
}

/* ---- what it hears ---- */

void agent_told(struct world *w, struct actor *a, bool is_fenced, uint64_t epoch,
		uint64_t incarnation)
{
	struct agent_end *agent = &a->agent;

	if (memory_told(&agent->memory, incarnation, epoch))
		memory_keep(agent);
	if (is_fenced && epoch > agent->fence_epoch) {
		agent->fence_epoch = epoch;
		agent->claim_ms = w->now_ms + 50 + world_random(w, 3000);
	}
	if (!is_fenced)
		agent->claim_ms = 0;
	agent->is_fenced = is_fenced;
}

void agent_take(struct world *w, struct actor *a, const struct packet *p)
{
	struct agent_end *agent = &a->agent;
	struct dialog *dialog = &agent->dialogs[p->way];
	uint8_t bytes[DATAGRAM_SIZE];
	struct dialog_now now;
	struct datagram d;
	enum dialog_news news = dialog_take(dialog, p->bytes, p->length, &d);

	if (p->origin == PACKET_SENT)
		attacker_record(w, p);
	if (news == DIALOG_NOT_BELIEVED || news == DIALOG_OLD)
		return;
	if (p->origin == PACKET_FORGED || !net_first(w, p->id))
		world_broken(w, "agent: %s acts on an answer that %s", a->name,
			     p->origin == PACKET_FORGED ? "was forged" : "it has had before");
	if (news == DIALOG_CHALLENGE) {
		now = now_of(w, agent);
		dialog_respond(dialog, &d, &now, bytes);
		net_say(w, a, p->way, DATAGRAM_RESPONSE, bytes);
		return;
	}
	agent_told(w, a, news == DIALOG_FENCED, d.epoch, d.incarnation);
}

/* ---- what goes wrong, and what people do ---- */

/* An agent is started anew; one in four has lost what it had stored. */
void act_agent(struct world *w)
{
	struct actor *a = &w->actors[world_random(w, w->actor_count)];
	bool forgets = !world_random(w, 4);

	if (!a->runs || a->hangs)
		return;
	if (forgets)
		a->agent.file_length = 0;
	world_story(w, "the agent of %s is started again%s", a->name,
		    forgets ? ", and remembers nothing" : "");
	agent_start(w, a);
	a->next_beat_ms = w->now_ms + world_random(w, 300);
}

/* A key is made, and brought to the host later. Not before the host has beaten under the one that
 * it was brought before. */
void act_enroll(struct world *w)
{
	struct actor *a = &w->actors[world_random(w, w->actor_count)];
	struct agent_end *agent = &a->agent;
	struct fabric_problem problem;
	char text[HOST_KEY_TEXT];

	if (!world_random(w, 4)) {
		world_story(w, "the manager reads its keys again");
		heard_reload(w);
	}
	if (agent->key_count == NET_KEYS || agent->key > agent->settled ||
	    fabric_host_enroll(w->fabric, a->name, true, 0, &problem, text, on_done, w))
		return;
	if (datagram_key_parse((const uint8_t *)text, sizeof(text) - 1,
			       agent->keys[agent->key_count]))
		abort();
	world_story(w, "operator: key %u is made for %s", agent->key_count, a->name);
	agent->key_count++;
	agent->bring_ms = w->now_ms + world_random(w, 20000);
}
