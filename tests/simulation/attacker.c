/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One who is in both networks. He hears all that arrives, at either end, and keeps some of it for
 * ever; he sends it again, changed or not, to either end, and what he makes himself, as fast as he
 * likes. He has keys that were given up, and those of other hosts. What he cannot do is hold back
 * what was sent and deliver it later (docs/agent-protocol.md).
 */
#include <inttypes.h>
#include <string.h>

#include "tests/simulation/acts.h"

static bool is_plain(const struct net *net, const struct packet *p)
{
	return p->type == DATAGRAM_BEAT && !(net->taking == p && net->kind == BEAT_CHALLENGED);
}

/* Old things stay, the more seldom the older; and what is said seldom more than plain beats. */
void attacker_record(struct world *w, const struct packet *p)
{
	struct net *net = &w->net;
	uint64_t slot = net->recorded_count;
	struct recorded *to;

	if (w->quiet || p->way == NET_LINE || p->origin != PACKET_SENT)
		return;
	if (net->recorded_count >= NET_RECORDED && is_plain(net, p) && world_random(w, 8))
		return;
	if (slot >= NET_RECORDED)
		slot = world_random(w, NET_RECORDED);
	to = &net->recorded[slot];
	net->recent[net->recorded_count++ % NET_RECENT] = (unsigned)slot;
	to->packet = *p;
	to->packet.origin = PACKET_REPLAYED;
	to->is_set = true;
}

static const struct recorded *recorded_draw(struct world *w)
{
	bool is_recent = world_random(w, 3) == 0;

	return &w->net.recorded[is_recent ? w->net.recent[world_random(w, NET_RECENT)]
					  : world_random(w, NET_RECORDED)];
}

/* Of the victim, and a response to a challenge, rather than others. NULL: none was drawn. */
static const struct packet *recorded_any(struct world *w)
{
	unsigned victim = w->net.attack.victim;
	bool is_response = world_random(w, 6) == 0;
	const struct packet *other = NULL;

	for (unsigned i = 0; i < 16; i++) {
		const struct recorded *r = recorded_draw(w);

		if (!r->is_set)
			continue;
		other = &r->packet;
		if ((victim == NET_HOSTS || other->actor == victim) &&
		    (!is_response || other->type == DATAGRAM_RESPONSE))
			break;
	}
	return other;
}

/* ---- what he makes ---- */

static struct actor *victim_of(struct world *w)
{
	const struct attack *attack = &w->net.attack;

	return &w->actors[attack->victim == NET_HOSTS ? world_random(w, w->actor_count)
						      : attack->victim];
}

/* A key that the manager does not take from @a any more, or never did. */
static const uint8_t *key_bad(struct world *w, const struct actor *a, uint8_t made[DATAGRAM_KEY])
{
	const struct actor *other = &w->actors[world_random(w, w->actor_count)];

	if (a->agent.settled && world_random(w, 2))
		return a->agent.keys[world_random(w, a->agent.settled)];
	if (other != a && world_random(w, 2))
		return other->agent.keys[other->agent.key_count - 1];
	datagram_key_make(made);
	return made;
}

/* As @a would say it just now; with the highest epoch, in case that stops anybody. */
static void forge(struct world *w, struct packet *p)
{
	static const enum datagram_type types[] = { DATAGRAM_BEAT,     DATAGRAM_BEAT,
						    DATAGRAM_LEAVING,  DATAGRAM_STOPPED,
						    DATAGRAM_RESPONSE, DATAGRAM_STATUS,
						    DATAGRAM_FENCED,   DATAGRAM_CHALLENGE };
	const struct actor *a = victim_of(w);
	const struct agent_end *agent = &a->agent;
	struct datagram d = { .type = types[world_random(w, sizeof(types) / sizeof(*types))],
			      .host = datagram_host_hash(a->name),
			      .seq = agent->seq + world_random(w, 3),
			      .epoch = a->epoch + 5,
			      .incarnation = w->net.incarnation,
			      .nonce = world_random(w, 2) };
	uint8_t made[DATAGRAM_KEY];

	p->actor = (unsigned)(a - w->actors);
	p->length = DATAGRAM_SIZE;
	if (datagram_boot_id_parse(a->boot_id, d.boot_id))
		return;
	datagram_seal(&d, key_bad(w, a, made), p->bytes);
}

static void scribble(struct world *w, struct packet *p)
{
	p->actor = (unsigned)(victim_of(w) - w->actors);
	p->length = (uint16_t)world_random(w, DATAGRAM_SIZE + 2);
	for (unsigned i = 0; i < p->length; i++)
		p->bytes[i] = (uint8_t)world_random(w, 256);
}

/* One byte of what was said is another. */
static void spoil(struct world *w, struct packet *p, const struct packet *was)
{
	unsigned at = (unsigned)world_random(w, DATAGRAM_SIZE);

	*p = *was;
	p->bytes[at] = (uint8_t)(p->bytes[at] + 1 + world_random(w, 255));
	p->to_agent = world_random(w, 4) == 0;
}

/* What the manager said, back to it; what an agent said, to that agent. */
static void reflect(struct packet *p, const struct packet *was)
{
	*p = *was;
	p->to_agent = !was->to_agent;
}

static void attack(struct world *w)
{
	struct packet p = { .way = (unsigned)world_random(w, NET_NETWORKS),
			    .to_agent = world_random(w, 6) == 0 };
	const struct packet *was = recorded_any(w);
	uint64_t how = world_random(w, 16);
	unsigned way = p.way;

	if (how < 10 && was)
		p = *was; /* by another network, perhaps */
	else if (how < 12)
		forge(w, &p);
	else if (how < 13)
		scribble(w, &p);
	else if (how < 14 && was)
		reflect(&p, was);
	else if (was)
		spoil(w, &p, was);
	if (how >= 10 || !was) {
		p.origin = PACKET_FORGED;
		p.id = 0;
	}
	p.way = world_random(w, 4) && was ? p.way : way;
	net_inject(w, &p);
}

void attacker_begin(struct world *w, const struct actor *victim, uint64_t for_ms)
{
	struct attack *attack = &w->net.attack;

	attack->victim = victim ? (unsigned)(victim - w->actors) : NET_HOSTS;
	attack->until_ms = w->now_ms + for_ms;
	attack->next_ms = w->now_ms;
	attack->gap_ms = 10 + world_random(w, 300);
	attack->burst = (unsigned)(1 + world_random(w, 12));
	world_story(w,
		    "somebody replays and forges beats of %s, %u every %" PRIu64 " ms, for %" PRIu64
		    " ms",
		    victim ? victim->name : "any host", attack->burst, attack->gap_ms, for_ms);
}

void attacker_advance(struct world *w)
{
	struct attack *a = &w->net.attack;

	if (!a->next_ms || w->now_ms < a->next_ms)
		return;
	for (unsigned i = 0; i < a->burst; i++)
		attack(w);
	a->next_ms = w->now_ms < a->until_ms ? w->now_ms + a->gap_ms : 0;
}

void act_attack(struct world *w)
{
	const struct actor *a = &w->actors[world_random(w, w->actor_count)];

	attacker_begin(w, world_random(w, 3) ? a : NULL, 1000 + world_random(w, 10000));
}
