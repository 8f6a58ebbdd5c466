/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets in flight, and the kernel's queues. */
#include "tests/simulation/net.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "tests/simulation/acts.h"

/* ---- the authenticator ---- */

/* HMAC-SHA-512 takes longer than all the rest of a beat here. One world in many has it; the others
 * a shorter keyed hash, which nobody here breaks either. See CMakeLists.txt. */
static bool is_real;
static uint64_t *random_state;

int world_auth(unsigned char *out, const unsigned char *in, unsigned long long length,
	       const unsigned char *key);
int world_auth_verify(const unsigned char *tag, const unsigned char *in, unsigned long long length,
		      const unsigned char *key);

int world_auth(unsigned char *out, const unsigned char *in, unsigned long long length,
	       const unsigned char *key)
{
	if (is_real)
		return crypto_auth(out, in, length, key);
	memset(out, 0, DATAGRAM_TAG);
	return crypto_shorthash(out, in, length, key);
}

int world_auth_verify(const unsigned char *tag, const unsigned char *in, unsigned long long length,
		      const unsigned char *key)
{
	unsigned char wanted[DATAGRAM_TAG];

	if (is_real)
		return crypto_auth_verify(tag, in, length, key);
	(void)world_auth(wanted, in, length, key);
	return memcmp(wanted, tag, sizeof(wanted)) != 0 ? -1 : 0;
}

/* ---- nonces and keys, by the seed ---- */

static const char *random_name(void)
{
	return "seeded";
}

static uint32_t random_u32(void)
{
	uint64_t z = (*random_state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ (z >> 31)) >> 16);
}

static void random_buf(void *const at, const size_t length)
{
	for (size_t i = 0; i < length; i++)
		((uint8_t *)at)[i] = (uint8_t)random_u32();
}

static void random_seed(struct world *w)
{
	static struct randombytes_implementation seeded = { .implementation_name = random_name,
							    .random = random_u32,
							    .buf = random_buf };

	is_real = w->net.is_real;
	random_state = &w->net.random;
	w->net.random = w->seed;
	if (randombytes_set_implementation(&seeded) || datagram_setup())
		abort();
}

/* ---- packets ---- */

static struct packet *packet_new(struct world *w, const struct packet *like)
{
	struct packet *p = w->net.spare;

	if (p)
		w->net.spare = p->next;
	else
		p = malloc(sizeof(*p));
	assert(p);
	*p = *like;
	return p;
}

static void packet_drop(struct world *w, struct packet *p)
{
	p->next = w->net.spare;
	w->net.spare = p;
}

static void packet_fly(struct world *w, struct packet *p, uint64_t at_ms)
{
	struct packet **at = &w->net.flying;

	p->at_ms = at_ms;
	while (*at && (*at)->at_ms <= at_ms)
		at = &(*at)->next;
	p->next = *at;
	*at = p;
}

struct actor *packet_actor(struct world *w, const struct packet *p)
{
	return &w->actors[p->actor];
}

bool net_first(struct world *w, uint64_t id)
{
	uint8_t bit = (uint8_t)(1U << id % 8);
	bool is;

	assert(id < NET_IDS);
	is = !(w->net.taken[id / 8] & bit);
	w->net.taken[id / 8] |= bit;
	return is;
}

void net_init(struct world *w)
{
	static const char *const names[] = { "udp 192.0.2.1:7070", "udp 198.51.100.1:7070",
					     "port" };
	struct net *net = &w->net;

	net->is_real = w->seed % 128 == 5;
	random_seed(w);
	for (unsigned n = 0; n < NET_WAYS; n++) {
		net->queue_last[n] = &net->queue[n];
		net->ways[n].n = n;
		(void)snprintf(net->ways[n].name, sizeof(net->ways[n].name), "%s", names[n]);
	}
}

static void list_free(struct packet *list)
{
	while (list) {
		struct packet *next = list->next;

		free(list);
		list = next;
	}
}

void net_done(struct world *w)
{
	net_forget(w);
	list_free(w->net.flying);
	list_free(w->net.spare);
}

/* ---- sending ---- */

static bool is_cut(const struct world *w, const struct actor *a, unsigned way)
{
	return w->now_ms < a->agent.cut_until_ms[way] || w->now_ms < w->net.cut_until_ms[way];
}

/* What a network does to what is sent: its way is not whole from then on. Return: false: lost. */
static bool net_carry(struct world *w, struct actor *a, struct packet *p, bool is_deaf)
{
	struct net *net = &w->net;
	/* A stream, which carries all while it is there. */
	bool is_line = p->way == NET_LINE;
	uint64_t luck = w->quiet || is_line ? 99 : world_random(w, 200);
	/* Mostly at once: each instant at which something happens takes time. */
	uint64_t delay_ms = w->quiet || world_random(w, 4) ? 0 : world_random(w, 6);
	bool is_lossy = w->now_ms < net->lossy_until_ms[p->way];
	bool is_slow = w->now_ms < net->slow_until_ms[p->way];

	if (is_slow)
		delay_ms += world_random(w, net->slow_ms[p->way]);
	if (luck == 1)
		delay_ms += world_random(w, 4000);
	if (is_lossy || is_slow || luck < 2 || is_deaf || is_cut(w, a, p->way))
		a->agent.hurt_ms[p->way] = w->now_ms + delay_ms;
	if (is_deaf || is_cut(w, a, p->way) || luck == 0 ||
	    (is_lossy && world_random(w, 100) < net->lossy_percent[p->way]))
		return false;
	if (luck == 2) /* doubled */
		packet_fly(w, packet_new(w, p), w->now_ms + world_random(w, 3000));
	packet_fly(w, p, w->now_ms + delay_ms);
	return true;
}

void net_say(struct world *w, struct actor *a, unsigned way, enum datagram_type type,
	     const uint8_t *bytes)
{
	const struct packet like = { .id = ++w->net.ids,
				     .seq = a->agent.seq,
				     .type = type,
				     .way = way,
				     .actor = (unsigned)(a - w->actors),
				     .boots = a->boots,
				     .key = a->agent.key,
				     .length = bytes ? DATAGRAM_SIZE : 0 };
	struct packet *p = packet_new(w, &like);

	if (bytes)
		memcpy(p->bytes, bytes, DATAGRAM_SIZE);
	if (!net_carry(w, a, p, false))
		packet_drop(w, p);
	else if (!bytes)
		a->agent.line_waits = true;
}

void net_answer(struct world *w, const struct packet *to, const uint8_t *bytes)
{
	struct actor *a = packet_actor(w, to);
	const struct packet like = { .id = ++w->net.ids,
				     .way = to->way,
				     .actor = to->actor,
				     .to_agent = true,
				     .length = DATAGRAM_SIZE };
	struct packet *p = packet_new(w, &like);

	memcpy(p->bytes, bytes, DATAGRAM_SIZE);
	/* To where it came from: the attacker passes on what he likes. */
	if (to->origin != PACKET_SENT) {
		attacker_record(w, p);
		packet_drop(w, p);
		return;
	}
	if (!net_carry(w, a, p, w->now_ms < a->agent.deaf_until_ms[to->way]))
		packet_drop(w, p);
}

void net_inject(struct world *w, const struct packet *like)
{
	if (w->now_ms >= w->net.cut_until_ms[like->way])
		packet_fly(w, packet_new(w, like), w->now_ms);
}

void net_cut(struct world *w, struct actor *a, uint64_t until_ms)
{
	(void)w;
	for (unsigned n = 0; n < NET_WAYS; n++)
		a->agent.cut_until_ms[n] = until_ms;
}

/* ---- arriving ---- */

static bool has_process(const struct world *w)
{
	return w->fabric && !w->dead;
}

/* Invariant 6: a sign of life that reached the manager's machine, and that it has no reason to
 * doubt. */
static void life_note(struct world *w, const struct packet *p)
{
	struct actor *a = packet_actor(w, p);

	if (p->origin != PACKET_SENT || p->boots != a->boots || p->seq <= a->agent.top)
		return;
	a->agent.top = p->seq;
	if (p->way != NET_LINE && has_process(w) &&
	    (a->agent.proved_in != w->lives || p->key < a->agent.settled))
		return;
	a->live_ms[a->lives++ % WORLD_LIVES] = w->now_ms;
}

/* Return: false: it finds no room, or nobody. */
static bool packet_queue(struct world *w, struct packet *p)
{
	struct net *net = &w->net;

	if (!has_process(w))
		return false;
	if (net->queued[p->way] == NET_QUEUE) {
		packet_actor(w, p)->agent.hurt_ms[p->way] = w->now_ms;
		return false;
	}
	p->next = NULL;
	p->stamp_ns = world_wall_ms(w) * 1000000;
	*net->queue_last[p->way] = p;
	net->queue_last[p->way] = &p->next;
	net->queued[p->way]++;
	return true;
}

static void packet_arrive(struct world *w, struct packet *p)
{
	struct actor *a = packet_actor(w, p);

	if (p->to_agent && a->runs && a->hangs && a->hangs_until_ms > w->now_ms) {
		packet_fly(w, p, a->hangs_until_ms);
		return;
	}
	if (p->to_agent) {
		if (a->runs && !a->hangs)
			agent_take(w, a, p);
		packet_drop(w, p);
		return;
	}
	if (packet_queue(w, p)) {
		life_note(w, p);
		return;
	}
	if (!has_process(w)) {
		life_note(w, p);
		attacker_record(w, p);
		a->agent.line_waits = false;
	}
	packet_drop(w, p);
}

/* In the order of main.c: one after the other, each as a whole. */
static void queue_read(struct world *w, unsigned n)
{
	struct net *net = &w->net;

	while (net->queue[n] && world_manager_runs(w)) {
		struct packet *p = net->queue[n];

		net->queue[n] = p->next;
		if (!p->next)
			net->queue_last[n] = &net->queue[n];
		net->queued[n]--;
		heard_take(w, p);
		packet_drop(w, p);
	}
	if (world_manager_runs(w))
		net->ways[n].empty_ms = w->now_ms;
}

static bool is_arriving(const struct world *w)
{
	return w->net.flying && w->net.flying->at_ms <= w->now_ms;
}

void net_advance(struct world *w)
{
	do {
		while (is_arriving(w)) {
			struct packet *p = w->net.flying;

			w->net.flying = p->next;
			packet_arrive(w, p);
		}
		for (unsigned n = 0; n < NET_WAYS; n++)
			queue_read(w, n);
	} while (is_arriving(w));
}

uint64_t net_next_ms(const struct world *w)
{
	uint64_t next = w->net.flying ? w->net.flying->at_ms : UINT64_MAX;

	if (w->net.attack.next_ms && w->net.attack.next_ms < next)
		next = w->net.attack.next_ms;
	return next;
}

void net_forget(struct world *w)
{
	for (unsigned n = 0; n < NET_WAYS; n++) {
		while (w->net.queue[n]) {
			struct packet *p = w->net.queue[n];

			w->net.queue[n] = p->next;
			packet_drop(w, p);
		}
		w->net.queue_last[n] = &w->net.queue[n];
		w->net.queued[n] = 0;
	}
	for (size_t i = 0; i < w->actor_count; i++)
		w->actors[i].agent.line_waits = false;
}

void net_quiet(struct world *w)
{
	struct net *net = &w->net;

	for (unsigned n = 0; n < NET_WAYS; n++) {
		net->cut_until_ms[n] = 0;
		net->lossy_until_ms[n] = 0;
		net->slow_until_ms[n] = 0;
		for (size_t i = 0; i < w->actor_count; i++) {
			w->actors[i].agent.cut_until_ms[n] = 0;
			w->actors[i].agent.deaf_until_ms[n] = 0;
		}
	}
	net->attack.next_ms = 0;
}

/* ---- what goes wrong ---- */

/* Hosts have to prove themselves to a manager that has just started: what they say is overtaken,
 * and replayed. */
void net_start(struct world *w)
{
	unsigned n = (unsigned)world_random(w, NET_NETWORKS);

	if (w->quiet || world_random(w, 4))
		return;
	w->net.slow_until_ms[n] = w->now_ms + 4000;
	w->net.slow_ms[n] = 1900;
	attacker_begin(w, NULL, 5000);
}

static void hosts_cut(struct world *w, uint64_t until_ms)
{
	bool most = world_random(w, 2) == 0;

	world_story(w, "the network loses beats%s for %" PRIu64 " ms", most ? " of most hosts" : "",
		    until_ms - w->now_ms);
	for (size_t i = 0; i < w->actor_count; i++)
		if (most ? world_random(w, 4) != 0 : world_random(w, 5) == 0)
			net_cut(w, &w->actors[i], until_ms);
}

static void ways_cut(struct world *w, unsigned n, uint64_t until_ms, bool is_deaf)
{
	world_story(w, "%s %s some hosts for %" PRIu64 " ms", w->net.ways[n].name,
		    is_deaf ? "brings no answers to" : "is cut from", until_ms - w->now_ms);
	for (size_t i = 0; i < w->actor_count; i++)
		if (world_random(w, 2))
			(is_deaf ? w->actors[i].agent.deaf_until_ms
				 : w->actors[i].agent.cut_until_ms)[n] = until_ms;
}

/* One host has one way, for longer than its window. */
static void ways_leave_one(struct world *w, unsigned left)
{
	struct actor *a = &w->actors[world_random(w, w->actor_count)];
	uint64_t until_ms = w->now_ms + 5000 + world_random(w, 15000);

	if (!(a->agent.ways & 1U << left))
		return;
	for (unsigned n = 0; n < NET_WAYS; n++)
		if (n != left)
			a->agent.cut_until_ms[n] = until_ms;
	world_story(w, "%s is left with %s for %" PRIu64 " ms", a->name, w->net.ways[left].name,
		    until_ms - w->now_ms);
}

void act_network(struct world *w)
{
	struct net *net = &w->net;
	uint64_t until = w->now_ms + 1000 + world_random(w, 12000);
	unsigned n = (unsigned)world_random(w, NET_NETWORKS);

	switch (world_random(w, 13)) {
	case 0:
		net->cut_until_ms[n] = until;
		world_story(w, "%s is cut for %" PRIu64 " ms", net->ways[n].name,
			    until - w->now_ms);
		break;
	case 1:
		net->lossy_until_ms[n] = until;
		net->lossy_percent[n] = (unsigned)(5 + world_random(w, 90));
		world_story(w, "%s loses %u %% for %" PRIu64 " ms", net->ways[n].name,
			    net->lossy_percent[n], until - w->now_ms);
		break;
	case 2:
		net->slow_until_ms[n] = until;
		net->slow_ms[n] = 100 + world_random(w, 3000);
		world_story(w, "%s takes up to %" PRIu64 " ms for %" PRIu64 " ms",
			    net->ways[n].name, net->slow_ms[n], until - w->now_ms);
		break;
	case 3:
		ways_cut(w, (unsigned)world_random(w, NET_WAYS), until, false);
		break;
	case 4:
		ways_cut(w, n, until, true);
		break;
	case 5:
	case 6:
	case 7:
		ways_leave_one(w, (unsigned)world_random(w, NET_WAYS));
		break;
	default:
		hosts_cut(w, until);
	}
}
