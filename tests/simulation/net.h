/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ways between agents and the manager: two networks that carry datagrams, and each host's own
 * line. What is said is real: agent/dialog.c at one end, fabricd/sessions.c at the other, and the
 * 96 bytes between them. Networks lose, delay, overtake and double; each way of each host can be
 * cut, or be deaf in one direction; an attacker sees all, and sends what he likes.
 *
 * The kernel's part at the manager's end: a queue for each way, which fills while the manager
 * stands still, with the wall clock's time of arrival on each datagram.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/dialog.h"
#include "agent/memory.h"
#include "fabricd/sessions.h"

enum {
	NET_A,
	NET_B,
	NET_LINE,
	NET_WAYS,
	NET_NETWORKS = NET_LINE,
	NET_QUEUE = 300,   /* datagrams that the kernel keeps for one way */
	NET_KEYS = 8,      /* of one host, in one run */
	NET_IDS = 1 << 20, /* things that are said, in one run, at most */
	NET_RECORDED = 256,
	NET_RECENT = 16,
	NET_HOSTS = 16,
};

enum packet_origin {
	PACKET_SENT,     /* by whom it says, or doubled by the network */
	PACKET_REPLAYED, /* by the attacker, and it had arrived before */
	PACKET_FORGED,
};

struct packet {
	struct packet *next;
	uint64_t at_ms;    /* when it arrives, or has */
	uint64_t stamp_ns; /* the same, on the wall clock of then */
	uint64_t id;       /* of what was said; its copies have it too. 0: forged */
	uint64_t seq;
	enum packet_origin origin;
	enum datagram_type type;
	unsigned way;
	unsigned actor; /* who says it, or is named; to whom, in the other direction */
	unsigned boots; /* under which boot of his */
	unsigned key;   /* by which of his keys */
	bool to_agent;
	uint16_t length;
	uint8_t bytes[DATAGRAM_SIZE + 1];
};

/* An agent's end. */
struct agent_end {
	unsigned ways; /* bit n: it has way n */
	struct dialog dialogs[NET_NETWORKS];
	struct memory memory;
	char file[MEMORY_FILE_MAX]; /* what it has stored */
	size_t file_length;
	uint64_t up_ms; /* since when its host runs */
	uint64_t seq;
	bool is_fenced; /* told so */
	uint64_t fence_epoch;
	uint64_t claim_ms;   /* when it says that it has let go; 0: it does not */
	unsigned leavings;   /* so often it says yet that it leaves */
	uint64_t leave_ms;   /* when it does so next */
	bool goes;           /* and then it is gone */
	bool line_waits;     /* what it said there has not been read yet */
	uint64_t last_ms;    /* its latest beat */
	uint64_t beating_ms; /* since when it does so without a gap */
	uint64_t cut_until_ms[NET_WAYS];
	uint64_t deaf_until_ms[NET_WAYS]; /* answers do not arrive */
	uint64_t hurt_ms[NET_WAYS];       /* when that way last lost or delayed anything */
	/* What an operator has made, and who has it. */
	uint8_t keys[NET_KEYS][DATAGRAM_KEY];
	unsigned key_count;
	unsigned key;      /* that the agent has, or finds when it is started */
	unsigned settled;  /* no older one is accepted any more */
	uint64_t bring_ms; /* when the newest is brought to the host; 0: it has it */
	/* What the invariants know. */
	uint64_t top;       /* highest number that has arrived under this boot */
	unsigned proved_in; /* the manager's life in which this boot has proved itself */
	bool is_shut;       /* there is a fence of it that is durable */
};

struct recorded {
	struct packet packet;
	bool is_set;
};

struct attack {
	uint64_t until_ms;
	uint64_t next_ms; /* 0: none is under way */
	uint64_t gap_ms;
	unsigned burst;
	unsigned victim; /* NET_HOSTS: anybody */
};

struct net {
	struct packet *flying; /* by when they arrive */
	struct packet *spare;  /* to be used again */
	struct packet *queue[NET_WAYS];
	struct packet **queue_last[NET_WAYS];
	unsigned queued[NET_WAYS];
	uint64_t ids;
	uint8_t taken[NET_IDS / 8]; /* by id: its receiver acted on it, or let it count */
	uint64_t cut_until_ms[NET_WAYS];
	uint64_t lossy_until_ms[NET_WAYS];
	unsigned lossy_percent[NET_WAYS];
	uint64_t slow_until_ms[NET_WAYS];
	uint64_t slow_ms[NET_WAYS];
	uint64_t wall_set_ms; /* when somebody last set the wall clock */

	/* the manager's end */
	struct sessions *sessions;
	struct sessions_store store;
	struct host_keys kept[NET_HOSTS]; /* its folder of keys */
	struct sessions_way ways[NET_WAYS];
	uint64_t incarnation;
	const struct packet *taking;
	uint64_t taking_ms; /* received, as the manager has it */
	unsigned told;      /* so often it was told what became of that one */
	enum beat_kind kind;
	uint64_t counts[BEAT_KINDS]; /* over all lives */

	struct recorded recorded[NET_RECORDED]; /* by the attacker */
	uint64_t recorded_count;
	unsigned recent[NET_RECENT]; /* where the last ones are */
	struct attack attack;
	uint64_t random; /* of nonces and keys, a stream of its own */
	bool is_real;    /* crypto_auth itself, not a cheaper one */
};

struct world;
struct actor;

/* ---- net.c ---- */
void net_init(struct world *w);
void net_done(struct world *w);
/* What has arrived is put into queues, or given to agents. Then a manager that runs reads all. */
void net_advance(struct world *w);
uint64_t net_next_ms(const struct world *w);
/* The process that read them is gone. */
void net_forget(struct world *w);
/* A manager has. */
void net_start(struct world *w);
/* Trouble is over. */
void net_quiet(struct world *w);
/* A datagram, or a line, of @a leaves by @way. @bytes: NULL: a line. */
void net_say(struct world *w, struct actor *a, unsigned way, enum datagram_type type,
	     const uint8_t *bytes);
/* The manager answers what came by @to. */
void net_answer(struct world *w, const struct packet *to, const uint8_t *bytes);
/* The attacker's: @like says where to, and as whom. */
void net_inject(struct world *w, const struct packet *like);
/* All ways of @a are cut. */
void net_cut(struct world *w, struct actor *a, uint64_t until_ms);
/* Return: true the first time. */
bool net_first(struct world *w, uint64_t id);
struct actor *packet_actor(struct world *w, const struct packet *p);

/* ---- heard.c: the manager's end, and what must be true of what it takes in ---- */
void heard_start(struct world *w, const struct config *config);
void heard_end(struct world *w);
void heard_take(struct world *w, const struct packet *p);
int heard_enroll(struct world *w, const char *host, bool force, char text[static HOST_KEY_TEXT]);
void heard_reload(struct world *w);

/* ---- agents.c: an agent's end ---- */
void agent_init(struct world *w, struct actor *a);
/* Its process starts: with its host, or by itself. */
void agent_start(struct world *w, struct actor *a);
void agent_beat(struct world *w, struct actor *a);
void agent_leave(struct world *w, struct actor *a);
void agent_advance(struct world *w, struct actor *a);
uint64_t agent_next_ms(const struct actor *a);
void agent_take(struct world *w, struct actor *a, const struct packet *p);
/* What an answer says. */
void agent_told(struct world *w, struct actor *a, bool is_fenced, uint64_t epoch,
		uint64_t incarnation);

/* ---- attacker.c ---- */
void attacker_record(struct world *w, const struct packet *p);
void attacker_advance(struct world *w);
/* @victim: NULL: anybody. */
void attacker_begin(struct world *w, const struct actor *victim, uint64_t for_ms);
