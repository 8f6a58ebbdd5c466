/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of the modelled switch, shared by model.c (time, queues) and state.c (records). */
#pragma once

#include "sim/model.h"

struct sim_client;

struct sim_cmd {
	struct provider_op op;
	struct sim_client *client; /* NULL: loaded from a record */
	uint64_t seq;
	uint64_t due_ms; /* key in the heap: its deadline; later on, when a late one is due */
	size_t heap_at;  /* 1 ..; 0: not there */
	uint64_t arrived_ms;
	uint64_t finish_ms;
	uint32_t late_ms;
	uint32_t waiting; /* a barrier's: commands before it that can still be carried out */
	enum sim_fault_kind fault;
	bool has_arrived;
	bool has_started;
	bool is_answered;
	bool is_retired; /* it can no longer be carried out */
	bool is_late;
	struct sim_cmd *next;     /* in its queue, or among the barriers that are ready */
	struct sim_cmd *all_prev; /* in model->pending or model->barriers */
	struct sim_cmd *all_next;
};

struct sim_queue {
	struct sim_cmd *head;
	struct sim_cmd *tail;
	struct sim_cmd *arriving; /* the first that has not arrived; NULL: all have */
	uint32_t count;
	uint64_t free_ms; /* when the last one was finished */
};

/* One manager's end. */
struct sim_client {
	struct provider base; /* first, so that a struct provider * is one of these */
	struct sim_model *model;
	struct provider_sink sink;
	struct sim_client *next;
	uint32_t refs; /* commands that name it, and one while it is open */
	bool is_open;
	bool tells_state;
	bool scans;
	struct provider_event *events;
	size_t event_count;
	size_t event_room;
	struct sim_view_request {
		uint16_t host;
		uint64_t cookie;
	} * views;
	size_t view_count;
};

/* What a host sends by itself: one packet in each millisecond. Not remembered: it is the blade's.
 */
struct sim_traffic {
	bool runs;
	uint64_t count;
	uint64_t counted_ms;
};

struct sim_model {
	struct sim_map map;
	struct sim_traffic *traffic; /* [host - 1] */
	struct provider_hello hello;
	struct sim_queue *queues; /* [switch - 1] */
	struct sim_client *clients;
	struct sim_cmd **heap; /* from 1 on; the earliest on top */
	size_t heap_count;
	size_t heap_room;
	struct sim_cmd *pending;  /* all that can still be carried out and changes something */
	struct sim_cmd *barriers; /* that wait */
	struct sim_cmd *ready;    /* barriers that do not, in the order in which they became so */
	struct sim_cmd *ready_last;
	size_t pending_count;
	/* How many of the pending touch a function, an adapter as a whole, a host, any host. */
	uint32_t *on_function;
	uint32_t *on_adapter;
	uint32_t *on_host;
	uint32_t on_any_host;
	uint32_t on_slot;
	struct sim_fault faults[SIM_MODEL_FAULTS];
	unsigned fault_count;
	uint64_t now_ms;
	uint64_t seq;
	uint64_t seed;
	uint64_t boots;
	bool is_advancing;
	bool has_arrivals;
	struct provider_binding *scratch; /* PROVIDER_READ_MAX */
	void (*observe)(void *arg, const struct sim_effect *effect);
	void *observe_arg;
	void (*store)(void *arg, const uint8_t *record, size_t length);
	void *store_arg;
};

/* model.c, for state.c */
void sim_model_boot_id(struct sim_model *model);
/* Takes up a late command that was remembered. Return: 0 or -ENOMEM. */
MUST_USE int sim_model_late_add(struct sim_model *model, const struct provider_op *op, uint64_t seq,
				uint64_t due_ms);
void sim_model_late_forget(struct sim_model *model, uint64_t seq); /* 0: all */

/* state.c, for model.c: each hands a record to the store, if there is one */
void sim_state_changed(void *model, enum sim_part part, uint32_t handle);
void sim_state_late(struct sim_model *model, const struct sim_cmd *cmd);
void sim_state_late_over(struct sim_model *model, uint64_t seq);
void sim_state_boot(struct sim_model *model);
