/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The modelled multi-root switch: the map (map.h) with time in it.
 *
 * It is pure: no clock, no socket, no file; the same calls give the same answers. Time comes in
 * with advance(). fabricsim runs it behind the provider protocol; the simulation of the whole
 * manager runs it under a virtual clock.
 *
 * The life of a command: submit() puts it into its switch's queue (the switch of its function,
 * else that of its host). Each switch carries out one command at a time, in order, and takes
 * command_ms for it; switches work side by side. At the end of that time the command is applied to
 * the map, and answered. If its deadline passes first it is answered UNKNOWN, and is carried out
 * all the same. Faults (fault.h) take hold when a command starts.
 *
 * The manager's end of it (struct provider) may be closed and opened again, and several may be
 * open; what one of them has sent lives on without it. A restart of fabricsim is no reboot of the
 * switch: sim_model_save() and the records of sim_model_store() carry all that a switch's own
 * memory would hold.
 *
 * A barrier (PROVIDER_SETTLE) takes no place in a queue: it is done once no command that was
 * submitted before it, and touches its function or host, can still be carried out.
 */
#pragma once

#include "common/buf.h"
#include "provider/provider.h"
#include "sim/chassis.h"
#include "sim/fault.h"
#include "sim/map.h"

enum {
	SIM_MODEL_FAULTS = 32, /* that can be set at once */
	SIM_MODEL_OLDER = 8,   /* changes that a reboot into an older map takes back */
	SIM_MODEL_STATE_VERSION = 1,
};

struct sim_model;

/* A command at the moment when it was carried out, refused by the switch, or (PROVIDER_WHY_FAULT)
 * passed over. */
struct sim_effect {
	const struct provider_op *op;
	uint64_t now_ms;
	bool is_late;                  /* its deadline had passed */
	bool is_orphan;                /* the manager that sent it had closed */
	enum provider_outcome outcome; /* what the switch did, whatever is answered */
	enum provider_why why;
	/* Of the op's function, where it has one; else all zero. */
	struct provider_binding before;
	struct provider_binding after;
};

/* @chassis is borrowed and outlives the model; it has passed its check. */
MUST_USE int sim_model_new(const struct sim_chassis *chassis, struct sim_model **out);
/* Every provider has been closed. */
void sim_model_free(struct sim_model *model);
OWNED_BY(struct sim_model, sim_model_free)

/* Boot ids are made from @seed: another one for each run that must be told apart. Before the first
 * provider is opened. */
void sim_model_seed(struct sim_model *model, uint64_t seed);

/* Opens one manager's end; closed with provider_close(), also from within a sink. NULL: memory. */
struct provider *sim_model_provider(struct sim_model *model, const struct provider_sink *sink);
/* Borrowed; its boot id changes with a reboot. */
const struct provider_hello *sim_model_hello(const struct sim_model *model);
/* The switch's truth; borrowed, for looking at. */
const struct sim_map *sim_model_map(const struct sim_model *model);

/* Adds a fault. Return: 0 or REFUSE_LIMIT. */
MUST_USE int sim_model_fault(struct sim_model *model, const struct sim_fault *fault);
void sim_model_fault_clear(struct sim_model *model);
/* How many are set; @out borrows them, until the next call. */
size_t sim_model_faults(const struct sim_model *model, const struct sim_fault **out);
/* The switches start again, with the map as it was @changes changes of bindings ago, every host let
 * in, the queues and late commands forgotten, and a new boot id. */
void sim_model_reboot(struct sim_model *model, size_t changes);
enum sim_host_what { SIM_HOST_POWER, SIM_HOST_LINK, SIM_HOST_TRAFFIC };
/* A person presses a blade's button, or pulls its link. Power takes the link with it. With TRAFFIC
 * the blade runs or does not: the counter of its upstream port moves or stands; it moves only
 * over a link that is up, of a host that is not isolated, and stands in a new model.
 * Return: 0 or REFUSE_NO_HOST. */
MUST_USE int sim_model_host(struct sim_model *model, uint16_t host, enum sim_host_what what,
			    bool on);
/* The card dies where it is, or is back: its functions are not present, and stay bound.
 * Return: 0 or REFUSE_NO_ADAPTER. */
MUST_USE int sim_model_adapter(struct sim_model *model, uint32_t adapter, bool present);

enum sim_slot_what {
	SIM_SLOT_OUT,
	SIM_SLOT_IN,
	SIM_SLOT_SWAP, /* out and in again so fast that one event tells of both */
	SIM_SLOT_BUTTON,
};
/**
 * sim_model_slot() - a person at the slot of @adapter
 * @serial: IN, SWAP: of the card that comes, of the same kind and with all that was in the one
 *          before; NULL: the one before
 *
 * A card that comes has no power until it is turned on. Return: 0; REFUSE_NO_ADAPTER;
 * REFUSE_PRECONDITION when there is no card to take out, or one already; REFUSE_TWICE when another
 * card has that serial number.
 */
MUST_USE int sim_model_slot(struct sim_model *model, uint32_t adapter, enum sim_slot_what what,
			    const char *serial);

/* Each bound function, by handle: the switch's own truth. */
void sim_model_bindings(const struct sim_model *model,
			void (*fn)(void *arg, const struct provider_binding *binding), void *arg);
/* Commands that can still change something: queued, being carried out, or late. */
size_t sim_model_pending(const struct sim_model *model);
/* Called for each command as it is carried out; NULL: nobody. */
void sim_model_observe(struct sim_model *model,
		       void (*fn)(void *arg, const struct sim_effect *effect), void *arg);

/* Appends all that the switch remembers, as records; loaded into a new model of the same chassis.
 */
void sim_model_save(const struct sim_model *model, struct buf *out);
/**
 * sim_model_load() - replays records: of sim_model_save(), and of sim_model_store() after it
 * @now_ms: late commands lie as far after it as they lay after the last record's time
 * @used: bytes of whole records; less than @length when the last one was torn off
 *
 * Return: 0; -EBADMSG when what is there is no record of this chassis.
 */
MUST_USE int sim_model_load(struct sim_model *model, const uint8_t *bytes, size_t length,
			    uint64_t now_ms, size_t *used);
/* @fn gets each record as it comes to be, before the command that caused it is answered. */
void sim_model_store(struct sim_model *model,
		     void (*fn)(void *arg, const uint8_t *record, size_t length), void *arg);
