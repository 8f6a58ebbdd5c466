/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The manager's end of the ways, as main.c has it; and what must be true of what it takes in. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/agent_line.h"
#include "fabricd/state.h"
#include "tests/simulation/world.h"

static struct actor *actor_named(struct world *w, const char *name)
{
	for (size_t i = 0; i < w->actor_count; i++)
		if (!strcmp(w->actors[i].name, name))
			return &w->actors[i];
	abort();
}

/* ---- what must be true ---- */

/* Nobody lives by what is forged or was heard before, or under a key that was given up. */
static void check_passed(struct world *w, const struct actor *a, const struct packet *p)
{
	if (p->origin == PACKET_FORGED)
		world_broken(w, "beats: what was forged counts as a beat of %s", a->name);
	else if (p->origin == PACKET_REPLAYED)
		world_broken(w, "beats: what was replayed counts as a beat of %s", a->name);
	else if (!net_first(w, p->id))
		world_broken(w, "beats: what was doubled counts twice as a beat of %s", a->name);
	else if (packet_actor(w, p) != a)
		world_broken(w, "beats: a beat of %s counts as one of %s", packet_actor(w, p)->name,
			     a->name);
	else if (p->way != NET_LINE && p->key < a->agent.settled)
		world_broken(w, "beats: %s is heard under a key that was given up", a->name);
}

/* S3: it is aged by when it came; with a wall clock that was set meanwhile, by no more than the
 * time since its queue was empty. */
static void check_age(struct world *w, const struct packet *p, uint64_t received_ms)
{
	uint64_t empty_ms = w->net.ways[p->way].empty_ms;

	if (received_ms > w->now_ms || received_ms < empty_ms)
		world_broken(w,
			     "S3: a beat of %s, read at %" PRIu64
			     ", is aged as received at %" PRIu64
			     ", its queue was empty at %" PRIu64,
			     packet_actor(w, p)->name, w->now_ms, received_ms, empty_ms);
	if (w->net.wall_set_ms < p->at_ms && received_ms > p->at_ms + 1)
		world_broken(w, "S3: a beat of %s came %" PRIu64 " ms before it is said to have",
			     packet_actor(w, p)->name, received_ms - p->at_ms);
}

/* Each is counted once, as what it is. */
static void check_kind(struct world *w, const struct packet *p)
{
	enum beat_kind kind = w->net.kind;
	const struct actor *a = packet_actor(w, p);
	bool counts = kind == BEAT_COUNTED || kind == BEAT_REORDERED;

	if (p->origin != PACKET_FORGED && w->net.told != 1)
		world_broken(w, "beats: what came as from %s is counted %u times", a->name,
			     w->net.told);
	else if (p->origin == PACKET_FORGED && w->net.told && kind != BEAT_FORGED)
		world_broken(w, "beats: what was forged as from %s is counted as kind %d", a->name,
			     kind);
	else if (p->origin == PACKET_REPLAYED && counts)
		world_broken(w, "beats: what was replayed as from %s is counted as kind %d",
			     a->name, kind);
	else if (p->origin == PACKET_SENT && kind == BEAT_FORGED && p->key >= a->agent.settled)
		world_broken(w, "beats: %s is not heard under key %u of %u, %u were given up",
			     a->name, p->key, a->agent.key_count, a->agent.settled);
}

/* ---- the sink ---- */

/* S8, S9: its agent lets go of its adapters; so the fence is durable. Who leaves does so anyway. */
static void check_answer(struct world *w, const struct actor *a, int r)
{
	if (r == REFUSE_HOST_FENCED && !a->agent.is_shut && w->net.taking->type != DATAGRAM_LEAVING)
		world_broken(w, "S9: %s is told that it is fenced, and no fence of it is durable",
			     a->name);
}

static int passed(struct world *w, struct actor *a, uint64_t received_ms, int r)
{
	const struct packet *p = w->net.taking;

	check_passed(w, a, p);
	if (p->way != NET_LINE)
		check_age(w, p, received_ms);
	if (p->way != NET_LINE && p->origin == PACKET_SENT) {
		a->agent.proved_in = p->boots == a->boots ? w->lives : 0;
		if (p->key > a->agent.settled)
			a->agent.settled = p->key;
	}
	a->fenced = r == REFUSE_HOST_FENCED;
	if (!r && received_ms > a->heard_ms)
		a->heard_ms = received_ms;
	if (r == REFUSE_FIELD)
		r = fabric_beat_answer(w->fabric, a->name);
	check_answer(w, a, r);
	return r;
}

static int on_beat(void *arg, const char *host, const char *boot_id, uint64_t seq,
		   uint64_t received_ms, uint64_t *epoch)
{
	struct world *w = arg;
	int r = fabric_beat(w->fabric, host, boot_id, seq, received_ms, epoch);

	return passed(w, actor_named(w, host), received_ms, r);
}

static int on_leaving(void *arg, const char *host, const char *boot_id, uint64_t seq,
		      uint64_t received_ms, uint64_t *epoch)
{
	struct world *w = arg;
	struct actor *a = actor_named(w, host);
	int r = fabric_leaving(w->fabric, host, boot_id, seq, received_ms, epoch);

	a->left |= r == REFUSE_HOST_FENCED;
	return passed(w, a, received_ms, r);
}

/* S14: nobody has told an epoch that was not durable, and nobody else may say so. */
static void on_told(void *arg, const char *host, uint64_t epoch)
{
	struct world *w = arg;
	uint64_t since_ms;
	bool was_frozen = fabric_frozen(w->fabric, &since_ms) != NULL;

	fabric_epoch_told(w->fabric, host, epoch);
	if (!was_frozen && fabric_frozen(w->fabric, &since_ms))
		world_broken(w,
			     "S14: a beat as from %s, with epoch %" PRIu64 ", freezes the manager",
			     host, epoch);
}

static void on_stopped(void *arg, const char *host, const struct agent_line *line)
{
	struct world *w = arg;

	fabric_agent_stopped(w->fabric, host, line->boot_id, line->epoch, line->stopped,
			     line->still, line->text);
}

static void on_heard(void *arg, const char *host, const char *way, enum beat_kind kind,
		     uint64_t received_ms)
{
	struct world *w = arg;
	const struct fabric_host *known = fabric_host_find(w->fabric, host);
	uint64_t before = known ? known->beats.counts[kind] : 0;

	w->net.told++;
	w->net.kind = kind;
	w->net.counts[kind]++;
	fabric_beat_heard(w->fabric, host, way, kind, received_ms);
	if (known && known->beats.counts[kind] != before + 1)
		world_broken(w, "beats: what came as from %s is not counted", host);
}

static const struct channel_sink sink = {
	.beat = on_beat,
	.leaving = on_leaving,
	.told = on_told,
	.stopped = on_stopped,
	.heard = on_heard,
};

/* ---- what has come ---- */

/* A line is read as a whole, aged by when it is read, and answered at once. */
static void line_take(struct world *w, const struct packet *p)
{
	struct actor *a = packet_actor(w, p);
	const struct agent_end *agent = &a->agent;
	uint64_t epoch = 0;
	int r;

	a->agent.line_waits = false;
	if (p->boots != a->boots)
		return;
	on_heard(w, a->name, w->net.ways[NET_LINE].name, BEAT_COUNTED, w->now_ms);
	if (agent->memory.incarnation == w->net.incarnation)
		on_told(w, a->name, agent->memory.epoch);
	r = (p->type == DATAGRAM_LEAVING ? on_leaving : on_beat)(w, a->name, a->boot_id, p->seq,
								 w->now_ms, &epoch);
	if (p->type == DATAGRAM_STOPPED && !w->dead)
		fabric_agent_stopped(w->fabric, a->name, a->boot_id, epoch, 1, 0, "");
	if (!w->dead && a->runs && !a->hangs && (!r || r == REFUSE_HOST_FENCED))
		agent_told(w, a, r == REFUSE_HOST_FENCED, epoch, w->net.incarnation);
}

static void datagram_take(struct world *w, const struct packet *p)
{
	const struct sessions_way *way = &w->net.ways[p->way];
	const struct sessions_came came = {
		.way = way,
		.bytes = p->bytes,
		.length = p->length,
		.received_ms = sessions_received_ms(w->now_ms, world_wall_ms(w) * 1000000,
						    p->stamp_ns, way->empty_ms),
		.now_ms = w->now_ms,
	};
	uint8_t answer[DATAGRAM_SIZE];
	const char *doubt;

	w->net.told = 0;
	if (sessions_take(w->net.sessions, &came, answer, &doubt) && !w->dead)
		net_answer(w, p, answer);
	check_kind(w, p);
	attacker_record(w, p);
}

void heard_take(struct world *w, const struct packet *p)
{
	w->net.taking = p;
	if (p->way == NET_LINE)
		line_take(w, p);
	else
		datagram_take(w, p);
	w->net.taking = NULL;
}

/* ---- keys ---- */

static int store_each(void *arg, void (*fn)(void *to, const struct host_keys *keys), void *to)
{
	const struct world *w = arg;

	for (size_t i = 0; i < w->actor_count; i++)
		fn(to, &w->net.kept[i]);
	return 0;
}

/* Beside the database, on the same disk. */
static int store_store(void *arg, const struct host_keys *keys)
{
	struct world *w = arg;
	struct actor *a = actor_named(w, keys->host);

	if (w->now_ms < w->disk.bad_until_ms)
		return w->disk.bad_error;
	w->net.kept[a - w->actors] = *keys;
	return 0;
}

int heard_enroll(struct world *w, const char *host, bool force, char text[static HOST_KEY_TEXT])
{
	return sessions_enroll(w->net.sessions, host, force, text);
}

void heard_reload(struct world *w)
{
	if (sessions_configure(w->net.sessions, fabric_config(w->fabric)))
		abort();
}

/* Which are accepted by a manager that reads what is kept. */
static void settled_read(struct world *w, struct actor *a)
{
	const struct host_keys *kept = &w->net.kept[a - w->actors];
	const uint8_t *oldest = kept->has_old ? kept->old : kept->key;

	for (unsigned n = 0; n < a->agent.key_count; n++)
		if (!memcmp(a->agent.keys[n], oldest, DATAGRAM_KEY))
			a->agent.settled = n;
}

void heard_start(struct world *w, const struct config *config)
{
	struct net *net = &w->net;
	struct channel_sink to = sink;

	to.arg = w;
	net->store = (struct sessions_store){ store_each, store_store, w };
	if (sessions_new(fabric_incarnation(w->fabric), &net->store, &to, &net->sessions) ||
	    sessions_configure(net->sessions, config))
		abort();
	net->incarnation = agent_incarnation(fabric_incarnation(w->fabric));
	for (unsigned n = 0; n < NET_WAYS; n++)
		net->ways[n].empty_ms = w->now_ms;
	for (size_t i = 0; i < w->actor_count; i++)
		settled_read(w, &w->actors[i]);
}

void heard_end(struct world *w)
{
	sessions_free(w->net.sessions);
	w->net.sessions = NULL;
	net_forget(w);
}
