/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the modelled switch knows, and what each command does to it. No queue, no time: a command
 * is applied at once, or refused for the reasons that a switch has.
 *
 * A real switch does not know owners' generations: it keeps the one that the bind carried, tells
 * it, and compares nothing. An unbind takes a function from where it is, wherever the sender
 * believed it to be. So a command that comes late does its harm here as it would there.
 *
 * No step walks over all functions; what looks for an owner of an identity goes through a hash.
 */
#pragma once

#include "common/result.h"
#include "provider/provider.h"
#include "sim/chassis.h"

enum {
	SIM_MAP_UNDO = 256, /* changes of bindings that a reboot into an older map can take back */
};

/* What of the map a step has changed; the index is a handle. */
enum sim_part { SIM_PART_FUNCTION, SIM_PART_HOST, SIM_PART_ADAPTER };

/* Bits of a vport's slot and bridge that stay set until they are written with 1. */
enum {
	SIM_SLOT_PDC = 1 << 0,       /* Presence Detect Changed */
	SIM_SLOT_DLLSC = 1 << 1,     /* Data Link Layer State Changed */
	SIM_SLOT_SURPRISE = 1 << 2,  /* AER: Surprise Down Error */
	SIM_SLOT_ATTENTION = 1 << 3, /* Attention Button Pressed: asks the host to let go */
};

struct sim_vport {
	uint32_t function; /* handle; 0: empty */
	uint8_t changed;   /* SIM_SLOT_... */
};

/* The hot-plug slot that an adapter's port is. */
struct sim_slot {
	bool out;          /* the card is not in it */
	bool off;          /* without power; a card that comes is, until it is turned on */
	uint8_t attention; /* enum provider_attention */
};

struct sim_undo {
	uint32_t function;
	uint16_t host;
	uint16_t vport;
	uint64_t generation;
};

struct sim_map {
	const struct sim_chassis *chassis; /* borrowed */
	struct provider_switch *switches;
	struct provider_port *ports;
	struct provider_host *hosts;
	struct provider_adapter *adapters;
	struct provider_function *functions;
	size_t switch_count;
	size_t port_count;
	size_t host_count;
	size_t adapter_count;
	size_t function_count;
	struct sim_vport *vports; /* of all hosts */
	uint32_t *vport_first;    /* [host - 1]: where in @vports its vport 1 stands */
	uint16_t *island;         /* [switch - 1]: switches with a path between them share one */
	uint32_t *bound;          /* [adapter - 1]: how many of its functions are bound */
	bool *gone;               /* [adapter - 1]: the card has died where it is */
	struct sim_slot *slots;   /* [adapter - 1] */
	/* Chains of functions by MAC and by WWPN; handles, 0 ends one. */
	uint32_t *buckets[2];
	uint32_t *chain[2];
	size_t bucket_count; /* a power of two */
	struct sim_undo undo[SIM_MAP_UNDO];
	size_t undo_end; /* changes ever made; the last SIM_MAP_UNDO of them are kept */
	size_t undo_start;
	void (*changed)(void *arg, enum sim_part part, uint32_t handle);
	void *arg;
};

struct sim_verdict {
	enum provider_outcome outcome; /* PROVIDER_DONE or PROVIDER_REFUSED */
	enum provider_why why;
	char text[PROVIDER_TEXT_MAX];
};

/* Return: 0 or -ENOMEM; in both cases sim_map_done() frees. @chassis has passed its check. */
MUST_USE int sim_map_init(struct sim_map *map, const struct sim_chassis *chassis);
void sim_map_done(struct sim_map *map);

/* NULL when there is no such handle. */
struct provider_function *sim_map_function(const struct sim_map *map, uint32_t handle);
struct provider_host *sim_map_host(const struct sim_map *map, uint16_t handle);
struct sim_vport *sim_map_vport(const struct sim_map *map, uint16_t host, uint16_t vport);
/* The adapter whose slot is at that port; 0: there is none. */
uint32_t sim_map_slot_find(const struct sim_map *map, uint16_t switch_handle, uint16_t port);
/* The PF of a VF, else the function itself. */
struct provider_function *sim_map_pf(const struct sim_map *map,
				     const struct provider_function *function);

/* Carries @op out, or refuses it. Reads and barriers are done and change nothing. */
void sim_map_apply(struct sim_map *map, const struct provider_op *op, struct sim_verdict *verdict);

/* Puts a function somewhere (@host 0: nowhere), checks nothing but that the place is free, and
 * tells @changed. Return: 0 or -EBADMSG. */
MUST_USE int sim_map_place(struct sim_map *map, uint32_t function, uint16_t host, uint16_t vport,
			   uint64_t generation, enum provider_mode mode);
void sim_map_identify(struct sim_map *map, uint32_t function, const struct identity *identity);
void sim_map_enable_vfs(struct sim_map *map, uint32_t adapter, uint16_t num_vfs);
void sim_map_plug(struct sim_map *map, uint32_t adapter, bool present);
/* The card there answers at all. */
bool sim_map_answers(const struct sim_map *map, uint32_t adapter);
/* How the slot of @adapter is from now on. Without card or power what was bound is bound no more;
 * what the card has in it, identities too, stays in it. */
void sim_map_slot(struct sim_map *map, uint32_t adapter, const struct sim_slot *slot);
/* Another card of the same kind stands in its slot, with all that was in the one before. */
void sim_map_card(struct sim_map *map, uint32_t adapter, const char *serial);
void sim_map_host_state(struct sim_map *map, const struct provider_host_state *state);

/* Takes the last @changes changes of bindings back (or as many as are remembered), and lets every
 * host in again: the map as an older one had it. Identities are the adapters' and stay. */
void sim_map_revert(struct sim_map *map, size_t changes);
