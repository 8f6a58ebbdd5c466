/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the provider over QEMU share. Nothing outside includes it. */
#pragma once

#include <sys/queue.h>

#include "common/program.h"
#include "provider/qemu/blade.h"
#include "provider/qemu/qemu.h"

enum {
	QEMU_WORKS_MAX = 4096,
	QEMU_FUNCTION_NONE = 0,
};

enum qemu_step {
	QEMU_STEP_TURN,     /* waits until those before it that touch the same are through */
	QEMU_STEP_BACK,     /* bind: the back end is being made */
	QEMU_STEP_DEVICE,   /* bind: the device is being added */
	QEMU_STEP_UNDO,     /* bind: the back end is being taken away again */
	QEMU_STEP_ASKED,    /* unbind: device_del was sent */
	QEMU_STEP_LETTING,  /* unbind: the guest was asked to let go */
	QEMU_STEP_CLEAR,    /* unbind: the back end is being taken away */
	QEMU_STEP_ENDING,   /* power off: the process was killed */
	QEMU_STEP_STARTING, /* power on: its program runs, or its process is waited for */
	QEMU_STEP_VIEW,     /* view: configuration space is being read */
	QEMU_STEP_OVER,
};

struct qemu_view; /* view.c */

/* One operation, scan or view that is under way. */
struct qemu_work {
	TAILQ_ENTRY(qemu_work) at;
	struct qemu *q;
	enum { QEMU_WORK_OP, QEMU_WORK_SCAN, QEMU_WORK_VIEW } kind;
	enum qemu_step step;
	bool is_plug; /* of our own: what was bound while the blade was off is plugged in */
	struct provider_op op;
	uint64_t clock;           /* of looks: those that count began later */
	uint64_t deadline_ms;     /* UINT64_MAX: none */
	struct qemu_blade *blade; /* where it is done; NULL: not known yet */
	struct qemu_part part;    /* that is bound or unbound */
	size_t open;              /* answers that are to come */
	enum provider_outcome outcome;
	enum provider_why why;
	char text[PROVIDER_TEXT_MAX];
	uint64_t cookie; /* of the view */
	struct qemu_view *view;
};

/* What is bound to a blade that is off; in no QEMU. */
struct qemu_held {
	uint16_t host; /* 0: nothing is */
	uint16_t vport;
	uint64_t generation;
	uint64_t attempt;
};

/* The program that turns a blade on. */
struct qemu_start {
	struct qemu *q;
	uint64_t attempt; /* of the operation that has it run, or had it last */
	bool is_running;
	bool has_failed;
	bool was_killed;
	char said[PROVIDER_TEXT_MAX];
};

struct qemu {
	struct provider provider; /* first */
	struct event_base *base;
	const struct qemu_chassis *chassis;
	struct provider_sink sink;
	struct provider_hello hello;
	struct qemu_blade **blades; /* one for each host */
	TAILQ_HEAD(qemu_works, qemu_work) works;
	size_t work_count;
	struct event *turn; /* works are looked at again, soon */
	uint64_t clock;     /* of looks */
	uint32_t nonce;     /* of this run: ids are not those of one before */
	uint64_t last_node;
	struct identity *identities;   /* by function: as told, or as the blade shows it */
	struct qemu_place *places;     /* by function: the last judgement */
	struct provider_binding *told; /* by function: as the manager knows it */
	struct provider_host_state *told_states; /* by host */
	struct qemu_held *held;                  /* by function */
	struct qemu_start *starts;               /* by host */
	struct programs *programs;
};

/* work.c: takes the step that is possible. Called until it is over. */
void qemu_work_go(struct qemu_work *work);
/* Its deadline has passed: what it sent stays sent. */
void qemu_work_expire(struct qemu_work *work);
/* A device is gone. True: @work takes care of what stood behind it. */
bool qemu_work_deleted(struct qemu_work *work, const struct qemu_blade *blade,
		       const struct qemu_part *part);

__attribute__((format(printf, 4, 5))) void qemu_work_end(struct qemu_work *work,
							 enum provider_outcome outcome,
							 enum provider_why why, const char *text,
							 ...);

/* start.c */
/* What is held counts as bound; what is somewhere is not held. After qemu_truth(). */
void qemu_held_judge(struct qemu *q);
/* Something is held for that vport, @except aside. */
bool qemu_held_is_taken(const struct qemu *q, uint16_t host, uint16_t vport, uint32_t except);
/* What @work binds is held from now on. */
void qemu_held_put(struct qemu_work *work);
/* @work's function is held no more. False: it was not. */
bool qemu_held_drop(struct qemu_work *work);
/* What is held for blades that are up is plugged in. */
void qemu_held_plug(struct qemu *q);
void qemu_plug_end(struct qemu_work *work);
void qemu_start_begin(struct qemu_work *work);
void qemu_start_go(struct qemu_work *work);

/* qemu.c */
/* NULL: too much is under way. */
struct qemu_work *qemu_work_new(struct qemu *q);
void qemu_judge(struct qemu *q); /* places anew */
/* The function's binding as it is told: places, and the identity that is only kept here. */
struct provider_binding qemu_binding(const struct qemu *q, uint32_t function);
struct provider_host_state qemu_host_state(const struct qemu *q, uint16_t host);
struct provider_scan *qemu_scan(const struct qemu *q); /* NULL: memory ran out */
bool qemu_all_seen(const struct qemu *q, uint64_t clock);
void qemu_turn_soon(struct qemu *q);

/* view.c: the step of a view. */
void qemu_view_go(struct qemu_work *work);
void qemu_view_free(struct qemu_view *view);
