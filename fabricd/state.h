/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of fabricd/ share and nobody else sees.
 *
 * fabric.c    the way in: load, advance, provider news; lists by name
 * scan.c      a scan becomes switches, ports, hosts, adapters, functions
 * history.c   the open batch, what follows a commit, events, attempts
 * admit.c     a request is checked whole, planned, reserved and journalled
 * reserve.c   room for the failures that policy says (S12)
 * change.c    the items of changes, from intent to commit
 * fence.c     closing a host's door and proving that its virtual switch is empty (S20)
 * judge.c     beats, and verdicts on their absence
 * night.c     what the judging was told: kept, stored with incidents, run again
 * incident.c  from a verdict to its end: the time line, the fence's answers, the door
 * profile.c   functions that go together: what they are, and that they stay together
 * groups.c    what moves together, and which spare takes it
 * takeover.c  the moves of incidents
 * cold.c      spares that are off: bound, powered on, waited for
 * person.c    what a person asks of a host: failover, readmission, fence-confirm
 * witness.c   what the switch says of a host that is silent
 * life.c      who has seen a host alive, and when
 * drill.c     fences that are tried on idle spares
 * wanted.c    whether somebody is wanted, and for what
 * next.c      what a person is to type next
 * upkeep.c    maintenance, quarantine of hosts that flap, what a person plans
 * numbers.c   whose the number of a chassis is, over restarts
 * turns.c     what counts by how often it was, over restarts
 * reconcile.c differences, repairs
 * adopt.c     what the switch shows becomes what is wanted
 * seen.c      what hosts say of themselves
 * slot.c      hot-plug slots, and the quarantine of cards that come
 */
#pragma once

#include "fabricd/fabric.h"
#include "failover/target.h"
#include "mriov/handover.h"
#include "provider/queue.h"

enum {
	FABRIC_CHASSIS_MAX = 64,
	FABRIC_ENDED_KEPT = 1024, /* ended changes, and incidents, that memory keeps */
	FABRIC_EVENTS_KEPT = 4096,
	FABRIC_RECORD_BYTES = 4 << 20, /* of the newest incidents' records that memory keeps */
	FABRIC_OPS_MAX = 4096,         /* operations in one change */
	FABRIC_RUNNING_MAX = 1024,     /* changes under way */
	FABRIC_FLIGHT = 64,            /* effects handed to one switch's queue at once: so many of
					* failovers, so many of all others */
	FABRIC_UNDER_WAY = 128,        /* from there on no item of it begins; to its read-back */
	FABRIC_SLICE = 1024,           /* items looked at in one fabric_advance() */
	FABRIC_ATTEMPTS = 1 << 20,     /* attempts reserved by one row */
	FABRIC_TICK_MS = 1000,         /* what waits without an event is looked at so often */
};

/* Objects by name; each begins with its name. Found at once, whatever was added; in order but for
 * what named_add() has put at the end until named_sort(). */
struct named {
	void **at;
	void **index; /* 2 * @room places, by a hash of the name; NULL: nobody's */
	size_t count;
	size_t sorted;
	size_t room;
};

/* Effects that wait for room at a switch: those in front go first. */
enum flow_lane {
	FLOW_FAILOVER,
	FLOW_BEGUN, /* what has begun is finished before more begins: the journal is kept busy */
	FLOW_NEW,
	FLOW_LANES,
};

/* What one switch's queue has of ours of one urgency, and who waits to read. */
struct flow_part {
	size_t effects;       /* handed over, not completed */
	uint64_t progress_ms; /* when the last one completed, or the first was handed over */
	uint64_t gap_ms;      /* longest time between two of those */
	struct fabric_item **want;
	size_t want_count;
	size_t want_room;
};

/* Of one switch. A failover finds its own room, and its reads wait for its own effects alone. */
struct flow {
	struct flow_part parts[PROVIDER_URGENCIES]; /* that of fences has nothing */
	size_t reading;                             /* functions in reads that are under way */
	struct {
		struct fabric_item *first;
		struct fabric_item **last;
	} waiting[FLOW_LANES];
};

struct fabric_provider {
	struct fabric *f;
	unsigned number;
	char name[FABRIC_NAME_MAX];
	struct provider *p;
	struct provider_queue *queue;
	enum provider_state state;
	struct provider_hello hello;
	bool connected; /* hello is of this connection */
	bool settled;   /* what was sent before this connection has settled */
	bool scanned;   /* since then */
	bool scanning;  /* a scan is asked for, and not answered */
	bool scan_void; /* it was asked for before all had settled (S19) */
	bool reconciled;
	bool was_reconciled;             /* once, since the start */
	char refused[PROVIDER_TEXT_MAX]; /* why its last scan was; "" it was not */
	bool clashes;                    /* because its chassis has the number of another's */
	uint16_t stranger;               /* likewise, of one that is not configured any more: the
					  * number, which a person may give it; 0: none */
	uint64_t settle_attempt;
	uint64_t retry_ms;                  /* settle or scan again */
	struct fabric_function **functions; /* by handle - 1 */
	size_t function_count;
	struct fabric_host **hosts;
	size_t host_count;
	size_t switch_count;
	struct flow flows[PROVIDER_SWITCHES_MAX + 1]; /* by switch handle */
};

struct fabric_waiter {
	struct fabric_waiter *next;
	fabric_answer_fn *fn;
	void *arg;
};

/* What follows when a batch is durable. */
enum after_kind {
	AFTER_ANSWER,   /* call fn */
	AFTER_INTENT,   /* id: change */
	AFTER_EFFECT,   /* id: change */
	AFTER_ITEMS,    /* id: change */
	AFTER_FENCE,    /* id: serial of the fence: its host's epoch is stored */
	AFTER_ATTEMPTS, /* id: highest reserved */
	AFTER_INCIDENT, /* id: incident */
	AFTER_STEP,     /* id: incident; its next step */
};
struct after {
	enum after_kind kind;
	uint64_t id;
	fabric_answer_fn *fn;
	void *arg;
	int r; /* AFTER_ANSWER that waits for no commit */
};

struct pending {
	struct pending *next;
	uint64_t cookie;
	struct after *afters;
	size_t after_count;
	size_t after_room;
	struct db_event *events;
	size_t event_count;
	size_t event_room;
};

struct chassis {
	unsigned provider;
	uint16_t number;
	struct live_chassis live;
	struct live_rate rate;
	struct live_host **lives; /* of @hosts, in the same order */
	struct fabric_host **hosts;
	enum live_verdict *verdicts;
	size_t host_count;
	bool is_other; /* scratch of scan.c: its hosts, or their places, are not what they were */
	struct recorder record;
};

/* What is to be done about it: next.c. */
enum freeze_cause {
	FREEZE_OWN,        /* a mistake of ours, or no memory */
	FREEZE_DISK,       /* the database cannot be written (S15) */
	FREEZE_GENERATION, /* somebody else is in charge of the switch (S14) */
	FREEZE_EARLIER,    /* the database is an earlier state of itself (S14) */
};

/* The one that is under way in this life of the manager; private to drill.c. */
struct drill {
	uint64_t incident; /* 0: none */
	bool is_opening;
	bool power;
	bool cold; /* its host is off, and stays so */
	fabric_answer_fn *fn;
	void *arg;
};

struct fabric {
	struct config config;
	struct fabric_io io;
	char incarnation[FABRIC_NAME_MAX];
	uint64_t now_ms; /* of the call that is being served */
	bool started;
	uint64_t started_ms;
	uint64_t started_wall_ms;
	bool frozen;
	bool adopted;
	uint64_t lowest; /* generations begin above: what an earlier life gave is not known (S14) */
	bool restored;   /* from a backup, and not adopted since: no repair, no verdict */
	char frozen_why[DB_TEXT_MAX];
	enum freeze_cause frozen_by; /* meaningful while @frozen */
	uint64_t frozen_ms;
	char trouble[DB_TEXT_MAX]; /* what is being done about it */

	struct fabric_provider *providers[CONFIG_PROVIDERS];
	size_t provider_count;
	struct named switches;
	struct named ports;
	struct named hosts;
	struct named adapters;
	struct named functions;
	struct fabric_profile **profiles; /* by name */
	size_t profile_count;
	size_t profile_room;
	struct chassis chassis[FABRIC_CHASSIS_MAX];
	size_t chassis_count;

	struct fabric_change **changes; /* by id */
	size_t change_count;
	size_t change_room;
	size_t change_running;
	struct fabric_incident **incidents;
	size_t incident_count;
	size_t incident_room;
	uint64_t next_change;
	uint64_t next_incident;

	struct fabric_item *ready; /* to be looked at, in order */
	struct fabric_item **ready_last;
	bool is_woken;       /* fabric_advance() has something to do at once */
	bool is_look_wanted; /* something that items hold for has changed */
	uint64_t backoff_ms; /* when the first of those that back off may try again */

	/* history.c */
	struct db_batch *batch; /* NULL: nothing to store */
	struct pending *open;   /* what follows @batch */
	struct pending *first;  /* submitted */
	struct pending **last;
	uint64_t next_cookie;
	struct db_event *events; /* a ring */
	size_t event_count;
	uint64_t next_event;
	uint64_t attempt;
	uint64_t attempt_reserved; /* durable */
	bool attempts_asked;
	struct after *soon; /* answers that need no commit */
	size_t soon_count;
	size_t soon_room;
	struct db_idempotency *keys;
	size_t key_count;
	size_t key_room;
	uint64_t keys_expire_ms;
	uint64_t history_expire_ms; /* 0: not planned yet */
	struct {
		fabric_answer_fn *fn; /* NULL: none is under way */
		void *arg;
		uint32_t uid;
		char file[DB_TEXT_MAX];
		char why[DB_TEXT_MAX];
	} backup;

	struct fabric_fence *fences; /* under way */
	uint64_t next_fence;
	uint64_t tick_ms;      /* when what waits is looked at again */
	uint64_t judge_ms;     /* when hosts are judged again */
	uint64_t record_ms;    /* when an incident's record is stored */
	size_t record_bytes;   /* of those in memory */
	uint64_t seen_due_ms;  /* when a host's view is looked at again */
	uint64_t slots_ms;     /* when slots are looked at again; UINT64_MAX: on a change */
	uint64_t reconcile_ms; /* when differences are looked at again; UINT64_MAX: on a change */

	unsigned cold_count;     /* cold spares that are being started */
	uint64_t cold_looked_ms; /* when they were last looked at (S3) */
	struct drill drill;
	struct db_chassis *numbers; /* private to numbers.c */
	size_t number_count;
	struct db_turn *turns; /* by id; private to turns.c */
	size_t turn_count;
	size_t turn_room;
	uint64_t next_turn;
	struct view *views;
	uint64_t next_view;
};

/* ---- fabric.c ---- */
void *named_find(const struct named *list, const char *name);
/* The object of that name, made (@size bytes, all zero but the name) when it is new. NULL: no
 * memory. */
void *named_get(struct named *list, size_t size, const char *name);
void named_sort(struct named *list);
struct fabric_host *host_get(struct fabric *f, const char *name);
struct fabric_function *function_get(struct fabric *f, const char *name);
struct fabric_provider *provider_of_function(const struct fabric *f,
					     const struct fabric_function *fn);
struct fabric_provider *provider_of_host(const struct fabric *f, const struct fabric_host *host);
/* Connected, settled, scanned and compared: operations may be put. */
bool provider_is_usable(const struct fabric_provider *p);
/* Its switch is read and compared; or all are, and none shows it. */
bool host_is_told_of(const struct fabric *f, const struct fabric_host *host);
uint32_t provider_timeout(const struct fabric_provider *p);
/* The door is open: it may be bound to. */
bool host_is_open(const struct fabric_host *host);
/* A fence has closed its door, or is closing it: its beats are refused. */
bool host_is_shut(const struct fabric_host *host);
/* It is let in and beats: its agent can take part. */
bool host_takes_part(const struct fabric_host *host);
void host_store(struct fabric *f, const struct fabric_host *host);
/* Who has @vport of @host, whether it was given here or the switch shows it; NULL: nobody. */
const struct fabric_function *host_vport_user(const struct fabric_host *host, uint16_t vport);
/* S1: the last read-back says that it is bound nowhere, and could tell. */
bool function_is_nowhere(const struct fabric_function *fn);
/* The host that is known to have it, or to have had it last; NULL: none. */
const struct fabric_host *function_place(const struct fabric *f, const struct fabric_function *fn);
/* It is on @host, but outside of its virtual switch: no bind of ours made that. */
bool binding_is_elsewhere(const struct fabric_host *host, const struct provider_binding *now);
/**
 * binding_is_given() - @now carries a generation that this database gave @fn, for that place
 *
 * What a database was given back by a restore counts by what is known of it: the numbers between
 * those and the first that was given since are another life's. Before it has adopted nothing
 * counts but what was given since.
 */
bool binding_is_given(const struct fabric *f, const struct fabric_function *fn,
		      const struct provider_binding *now);
/* @fn is bound, neither where it is assigned to nor by us: not ours to unbind. */
bool binding_is_foreign(const struct fabric *f, const struct fabric_function *fn,
			const struct provider_binding *now);
/* @generation is the highest of @fn from here on, given for @vport of @host; NULL: for nobody. */
void function_lead(struct fabric_function *fn, uint64_t generation, const struct fabric_host *host,
		   uint16_t vport);
/* @generation was given to @fn, or taken in. */
void function_given(struct fabric_function *fn, uint64_t generation);
/* The switch shows it at @vport of @host, by the last read-back. */
bool function_is_seen_at(const struct fabric_function *fn, const struct fabric_host *host,
			 uint16_t vport);
/* Whether @fn answers may have changed: it is marked bad, or mended. */
void function_answers(struct fabric *f, struct fabric_function *fn);
/* The switch shows @fn as @now says, in a scan or in any other read; freezes where that is of a
 * higher generation than was ever given (S14). */
void function_seen(struct fabric *f, struct fabric_function *fn,
		   const struct provider_binding *now);
/* Makes @host and @vport (NULL, 0: nobody's) what @fn is assigned to, in memory. */
void function_own(struct fabric_function *fn, struct fabric_host *host, uint16_t vport);
/* The switch says how a host is: its witness. */
void host_told(struct fabric_provider *p, const struct provider_host_state *state);
/* fabric_advance() is wanted at once; look() also for those that hold. */
void wake(struct fabric *f);
void look(struct fabric *f);

/* ---- history.c ---- */
/* The batch that is being built; NULL when memory ran out, and then the fabric is frozen. */
struct db_batch *batch_open(struct fabric *f);
void batch_after(struct fabric *f, enum after_kind kind, uint64_t id);
void batch_answer(struct fabric *f, fabric_answer_fn *fn, void *arg, uint64_t id);
/* An answer that waits for no commit; given in the next fabric_advance(). */
void answer_soon(struct fabric *f, fabric_answer_fn *fn, void *arg, int r, uint64_t id);
void answers_give(struct fabric *f);
void batch_submit(struct fabric *f);
void history_event(struct fabric *f, const char *type, const char *subject, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void history_audit(struct fabric *f, uint32_t uid, const char *action, const char *subject,
		   uint64_t change, const char *format, ...) __attribute__((format(printf, 6, 7)));
void history_publish(struct fabric *f, const struct db_event *event);
void history_free(struct fabric *f);
/* Old history goes, every hour. */
void history_expire(struct fabric *f);
/* 0: none is reserved; try again later. */
uint64_t attempt_next(struct fabric *f);
void attempts_reserve(struct fabric *f);
/* By FREEZE_OWN. The first reason stands. */
void freeze(struct fabric *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
void freeze_by(struct fabric *f, enum freeze_cause cause, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- numbers.c ---- */
/* False: no memory. */
MUST_USE bool number_load(struct fabric *f, const struct db_chassis *row);
/* May @scan be taken in by @p as far as the numbers of its chassis go? False: @why says why not. */
bool numbers_allow(struct fabric_provider *p, const struct provider_scan *scan,
		   char why[static PROVIDER_TEXT_MAX]);
/* What nobody had is @p's from now on, stored before anything is done there. */
void numbers_keep(struct fabric_provider *p, const struct provider_scan *scan);
/* Gives each provider that was refused for a number of one that is gone that number, for a person
 * says so; tells @out. Return: how many. */
size_t numbers_adopt(struct fabric *f, bool dry_run, uint32_t uid, struct fabric_plan *out);

/* ---- scan.c ---- */
/* "sw0-p12": where @as stands in @scan. */
void adapter_place(const struct provider_scan *scan, const struct provider_adapter *as,
		   char out[static FABRIC_NAME_MAX]);
/* False: it names what belongs to another provider, and nothing of it is taken in. */
bool scan_take_in(struct fabric_provider *p, const struct provider_scan *scan,
		  char why[static PROVIDER_TEXT_MAX]);

/* ---- admit.c ---- */
/* A change that the manager itself wants; items as in the journal but for their functions being
 * resolved. Intent goes into the open batch. NULL: no memory. */
struct fabric_change *change_make(struct fabric *f, enum db_change_kind kind, size_t items);
/* Fills one item: @fn to @host and @vport (NULL, 0: released), under a new generation. */
void change_fill(struct fabric *f, struct fabric_item *item, enum db_op op,
		 struct fabric_function *fn, struct fabric_host *host, uint16_t vport,
		 const struct identity *identity);
void change_store_intent(struct fabric *f, struct fabric_change *change);
MUST_USE int change_keep(struct fabric *f, struct fabric_change *change);
void change_free(struct fabric_change *change);
void change_event(struct fabric *f, const struct fabric_change *change);
MUST_USE int plan_steps(struct fabric *f, const struct fabric_change *change,
			struct fabric_plan *out);

/* The time of a request, a @problem without anything in it yet, and whether it was answered before,
 * by its key. Return: -ENOENT: it was not; else the answer, and @fn is on its way when that is 0.
 */
MUST_USE int change_request_begin(struct fabric *f, const struct fabric_request *request,
				  struct fabric_problem *problem, fabric_answer_fn *fn, void *arg);

/* ---- reserve.c ---- */
/* S12: @change, whose functions it has locked, leaves as much room as policy says, or takes none of
 * it. Return: 0; REFUSE_RESERVE with @why; -ENOMEM. */
MUST_USE int reserve_check(struct fabric *f, const struct fabric_change *change,
			   char why[static DB_TEXT_MAX]);

/* ---- change.c ---- */
void change_intent_durable(struct fabric *f, uint64_t id);
void change_effect_durable(struct fabric *f, uint64_t id);
/* @cookie: the batch that has been written, with all before it. */
void change_items_durable(struct fabric *f, uint64_t id, uint64_t cookie);
void change_resume(struct fabric *f, struct fabric_change *change);
void items_advance(struct fabric *f);
uint64_t items_next_ms(const struct fabric *f);
/* @host: that @op names; NULL: none. */
bool item_gate(const struct fabric_item *item, const struct fabric_host *host,
	       const struct provider_op *op);
void item_completed(struct fabric *f, struct fabric_item *item, const struct provider_op *op,
		    const struct provider_completion *done);
void reads_completed(struct fabric_provider *p, const struct provider_op *op,
		     const struct provider_completion *done);
/* The host whose agent is asked before @item, seen at @at, is taken from it (docs/ARCHITECTURE.md,
 * "Managed removal"); NULL: nobody's. */
const struct fabric_host *removal_host(const struct fabric *f, const struct fabric_item *item,
				       const struct provider_binding *at);
/* The agent of @host has answered question @id. */
void item_answered(struct fabric *f, const struct fabric_host *host, uint64_t id,
		   enum fabric_ask_outcome outcome, const char *text);
/* Its function is being taken from a host: that it does not answer there now says nothing. */
bool item_is_leaving(const struct fabric_item *item);
/* Hosts by their handles. */
void item_goal(struct fabric *f, const struct fabric_item *item, struct handover_goal *goal);
struct fabric_change *change_find(struct fabric *f, uint64_t id);
/* Every running item that holds looks again at what it waits for. */
void items_look(struct fabric *f);
/* @host is being fenced: what leads to it or from it, and waits behind other changes, is taken out
 * there and decided anew, as what goes first. */
void items_hasten(struct fabric *f, const struct fabric_host *host);
/* Who waits for a completion of @op, though handles may mean something else by now; NULL: nobody.
 */
struct fabric_item *item_of_op(struct fabric *f, const struct fabric_function *fn,
			       const struct provider_op *op);
/* What was read back of that card, or reset of it, counts no more. */
void items_card_lost(struct fabric *f, const struct fabric_adapter *card);
/* A switch was lost or has rebooted: what was read back of it counts no more. */
void items_void(struct fabric_provider *p);

/* ---- fence.c ---- */
/* Starts it; the host's state and epoch are its caller's, stored in the batch that is open. */
MUST_USE int fence_start(struct fabric *f, struct fabric_host *host);
void fence_stored(struct fabric *f, uint64_t serial);
void fence_completed(struct fabric_provider *p, const struct provider_op *op,
		     const struct provider_completion *done);
bool fence_gate(const struct fabric *f, const struct fabric_host *host,
		const struct provider_op *op);
void fences_advance(struct fabric *f);
uint64_t fences_next_ms(const struct fabric *f);
/* Lets a fenced host in again; answered when it is in. @keeps: what is bound to it stays, else its
 * virtual switch must be empty. */
MUST_USE int fence_open_door(struct fabric *f, struct fabric_host *host, bool keeps,
			     fabric_answer_fn *fn, void *arg);
/* A fenced host may be up again: its virtual switch is read once more. */
void fence_look(struct fabric *f, struct fabric_host *host, const char *why);
/* A host whose door is closed beats. */
void fence_heard(struct fabric *f, struct fabric_host *host);
/* A command that takes its power may still be carried out. */
bool fence_is_powering(const struct fabric_host *host);
/* After a scan: hosts that are gone, or have another handle, while one waits for an answer. */
void fences_scanned(struct fabric_provider *p);
/* Stops where it is; the door stays closed. */
void fence_cancel(struct fabric *f, struct fabric_host *host);
void fences_free(struct fabric *f);

/* ---- judge.c ---- */
struct live_config live_config_from(const struct config *c);
struct live_config live_config_of(const struct fabric *f);
void hosts_judge(struct fabric *f);
/* It beat within the last window. */
bool host_beats(const struct fabric *f, const struct fabric_host *host);
struct chassis *chassis_of_host(struct fabric *f, const struct fabric_host *host);

/* ---- incident.c ---- */
struct fabric_incident *incident_get(struct fabric *f, uint64_t id);
/* The point of no return: closes the door of @host under a new epoch, and fences it. NULL: no
 * memory, and frozen. */
struct fabric_incident *incident_start(struct fabric *f, struct fabric_host *host, uint32_t uid,
				       const char *cause);
/* Likewise; @drill: of an idle spare, which is let in again. */
struct fabric_incident *incident_begin(struct fabric *f, struct fabric_host *host, uint32_t uid,
				       const char *cause, bool drill);
void incident_step(struct fabric *f, struct fabric_incident *incident, const char *what,
		   const char *format, ...) __attribute__((format(printf, 4, 5)));
void incident_store(struct fabric *f, struct fabric_incident *incident);
void incident_end(struct fabric *f, struct fabric_incident *incident, const char *how);
/* Its last steps have one with these words. */
bool incident_is_said(const struct fabric_incident *incident, const char *what, const char *detail);
/* A person has vouched that its host is off. */
#define CONFIRMED_STEP "confirmed"
bool incident_is_confirmed(const struct fabric_incident *incident);
void incident_fenced(struct fabric *f, struct fabric_host *host, const char *proof);
/* @since_ms: when this try of its fence began. */
void incident_fence_failed(struct fabric *f, struct fabric_host *host, const char *why,
			   uint64_t since_ms);
/* A fenced host is not what its fence left, and is being fenced anew. */
void incident_fence_again(struct fabric *f, struct fabric_host *host, const char *why);
void incident_durable(struct fabric *f, uint64_t id);
/* One more of its steps is in the database. */
void incident_step_durable(struct fabric *f, uint64_t id);
/* All are loaded, and the clocks run. */
void incidents_start(struct fabric *f);
void incidents_advance(struct fabric *f);
void incidents_resume(struct fabric *f, struct fabric_provider *p);
/* Under a new epoch, which its agent is told once it is durable. */
void host_store_epoch(struct fabric *f, struct fabric_host *host);
void door_opened(struct fabric *f, struct fabric_host *host);

/* ---- profile.c ---- */
struct fabric_profile *profile_get(struct fabric *f, const char *name);
/* What @fn carries wherever it is; NULL: it is in no profile. */
const struct identity *function_profile_identity(const struct fabric_function *fn);
MUST_USE int profile_load(struct fabric *f, const struct db_profile *row);
MUST_USE int profile_load_member(struct fabric *f, const struct db_member *row,
				 struct fabric_function *fn);
void profiles_free(struct fabric *f);

/* ---- groups.c ---- */
unsigned host_free_vports(const struct fabric_host *host);

/* ---- takeover.c ---- */
struct move;
/* The change that does @m, kept by nobody yet; groups without a target stay out of it. NULL: no
 * memory. */
struct fabric_change *failover_change(struct fabric *f, const struct move *m);
/* What is left of fenced hosts goes to spares, or waits for one. */
void incidents_move(struct fabric *f, struct fabric_incident *const *incidents, size_t count);
/* The move that is under way; NULL: none is. */
struct fabric_change *incident_change(struct fabric *f, const struct fabric_incident *incident);
void incident_change_ended(struct fabric *f, struct fabric_change *change);

/* ---- cold.c ---- */
#define COLD_NUMBER "cold " /* and the host's name: a number in the database, the incident's */
/* A spare that holds nothing, can be turned on, and that the switch shows without power. */
/* S5: it keeps its switch busy. */
bool incident_is_busy(struct fabric *f, const struct fabric_incident *incident);
bool cold_is_off(const struct fabric *f, const struct fabric_host *host);
/* S11: likewise, and nothing speaks against it: it may take over. */
bool host_is_cold(const struct fabric *f, const struct fabric_host *host);
/* A verdict on a spare that was turned off: nobody needs to fence it. False: it is none. */
bool cold_retire(struct fabric *f, struct fabric_host *host);
/* @host, a cold spare, takes over: in the batch of the change that moves functions to it. */
void cold_begin(struct fabric *f, struct fabric_host *host, const struct fabric_incident *incident);
/* As the database has it. */
void cold_load(struct fabric *f, struct fabric_host *host, uint64_t incident);
/* S14: the last look before a power-on leaves. */
bool cold_gate(const struct fabric_host *host, const struct provider_op *op);
void cold_completed(struct fabric_provider *p, const struct provider_op *op,
		    const struct provider_completion *done);
void colds_advance(struct fabric *f);
uint64_t colds_next_ms(const struct fabric *f);
/* A cold spare is being started for it. */
bool cold_is_awaited(const struct fabric *f, const struct fabric_incident *incident);

/* ---- person.c ---- */
int problem_say(struct fabric_problem *problem, int refusal, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- witness.c ---- */
/* What is known of @host now, for the next verdict. */
void host_witness(struct fabric *f, struct fabric_host *host);
/* Before each look at @c: asks for what has not been asked. Return: when there is more to ask. */
uint64_t witnesses_advance(struct fabric *f, struct chassis *c, const struct live_config *live);
/* A read of @host that host_look() asked for has ended. */
void witness_completed(struct fabric *f, struct fabric_host *host,
		       const struct provider_completion *done);
/* The switch was lost or has rebooted: what it had counted counts no more. */
void witnesses_void(struct fabric_provider *p);
/* One that is silent and sends: we are the ones who are cut off. NULL: none. */
const struct fabric_host *witness_unheard(const struct fabric *f, const struct chassis *c);
/* For the time line. */
void witness_say(const struct fabric_host *host, char out[static DB_TEXT_MAX]);

/* ---- night.c ---- */
/* Judging of @c starts, or its hosts are others: what was kept is forgotten. */
void night_begin(struct fabric *f, struct chassis *c);
/* Right before live_judge(), with what it is given; and what it led to for each host. */
void night_look(struct fabric *f, struct chassis *c, uint64_t now_ms, uint64_t db_waits_since_ms);
void night_say(struct fabric *f, const struct fabric_host *host, enum record_said said);
void night_beat(struct fabric *f, const struct fabric_host *host, uint64_t received_ms);
/* @may: but for what its chassis says it would be fenced; @is_fenced: it is. */
void night_leave(struct fabric *f, const struct fabric_host *host, bool may, bool is_fenced);
void night_witness(struct fabric *f, const struct fabric_host *host);
void night_open(struct fabric *f, const struct fabric_host *host);
/* It keeps its switch busy now, or no more (S5). */
void night_incident(struct fabric *f, const struct fabric_incident *incident);
/* live_watch() and live_unwatch(), noted; and the latter where a fence closes the door. */
void host_watch(struct fabric *f, struct fabric_host *host);
void host_unwatch(struct fabric *f, struct fabric_host *host);
void host_shut_out(struct fabric *f, struct fabric_host *host);
/* failover_note(), recorded, for what is neither a verdict nor a host that leaves. */
void host_rated(struct fabric *f, struct chassis *c, const struct fabric_host *host);
/* @incident has just begun. */
void night_store_soon(struct fabric *f, struct fabric_incident *incident);
void nights_store(struct fabric *f);
/* Its record as stored; of the oldest ones memory forgets it. */
void night_keep(struct fabric *f, struct fabric_incident *incident, const uint8_t *bytes,
		size_t length);

/* ---- drill.c ---- */
/* It is being drilled, by this life of the manager or the one before. */
bool drill_is_of(const struct fabric *f, const struct fabric_host *host);
/* The one of @host, in this life of the manager, takes its power too. */
bool drill_takes_power(const struct fabric *f, const struct fabric_host *host);
/* Its fence is not proved. */
void drill_blocked(struct fabric *f, struct fabric_incident *incident, const char *why);
/* Its host is fenced, and nothing is under way: the door is opened, or the host stays fenced. */
void drill_fenced(struct fabric *f, struct fabric_incident *incident);
/* Nothing goes on: who waits for a drill is answered. */
void drill_frozen(struct fabric *f);
/* @host, whose door is closed, beats, and its last beat is not noted yet. */
void drill_beat(struct fabric *f, struct fabric_host *host, uint64_t received_ms);
/* Its host is let in. */
void drill_opened(struct fabric *f, struct fabric_incident *incident);

/* ---- life.c ---- */
enum { LIFE_WHO_MAX = 160 };
/* The switch says @now of @host's power; before it is taken over. */
void life_power(struct fabric *f, struct fabric_host *host, const struct provider_host_state *now);
/* Its agent has said something beside its beats. @what: "told its view"; static. */
void life_agent(struct fabric *f, struct fabric_host *host, const char *what);
/* True when a witness has seen it alive after @since_ms, and none has seen its power go since: who,
 * and when, for people. */
bool life_seen(const struct fabric *f, const struct fabric_host *host, uint64_t since_ms,
	       char who[static LIFE_WHO_MAX]);
/* Signs of life after this speak against a person who vouches for @incident's host: since its
 * fence was last tried in vain, and at least within the last window. */
uint64_t life_counts_from(const struct fabric *f, const struct fabric_incident *incident);
/* A read of @host, whose door is closed, has come. */
void life_traffic(struct fabric *f, struct fabric_host *host,
		  const struct provider_completion *done);
/* What each way of its beats, and its agent, has said last: steps of the time line. */
void life_say(struct fabric *f, struct fabric_incident *incident, const struct fabric_host *host);

/* ---- wanted.c ---- */
/* It can be asked, and owes no answer. */
bool provider_answers(const struct fabric_provider *p);
/* For a whole window, whatever is done about it. */
bool host_is_silent(const struct fabric *f, const struct fabric_host *host);
/* Two agents beat as it, under two boot ids, and did so within the window. */
bool host_has_two_agents(const struct fabric *f, const struct fabric_host *host);
/* S13: silent, with functions, in maintenance: nobody takes over. */
bool host_is_dead_at_work(const struct fabric *f, const struct fabric_host *host);
/* A drill that was cut short has left it fenced, and nobody waits for that one. */
bool host_is_left_by_drill(const struct fabric *f, const struct fabric_host *host);
/* @why: for what, the most urgent; untouched where nobody is. */
bool somebody_is_wanted(const struct fabric *f, char why[static DB_TEXT_MAX]);

/* ---- upkeep.c ---- */
/* A verdict on @host is told, once, and not acted on; false: it is to be acted on. */
bool upkeep_verdict(struct fabric *f, struct fabric_host *host, const char *cause);
/* Quarantined when it has flapped too often. */
void flap_judge(struct fabric *f, struct fabric_host *host);
/* Its last turns count no more, and it is judged again. */
void quarantine_leave(struct fabric *f, struct fabric_host *host);
/* A host that has fallen silent in company says nothing of itself. */
void flap_company(const struct fabric *f, struct chassis *c);
/* How many functions changes are moving to @host; @change: the number of one of these, untouched
 * where there is none. */
unsigned host_awaits(const struct fabric_host *host, uint64_t *change);
/* S13: who counts in no storm. */
void upkeep_refresh(struct chassis *c);

/* ---- turns.c ---- */
/* S5: one more failover that counts, of @host in @c. */
void failover_note(struct fabric *f, struct chassis *c, const struct fabric_host *host);
/* S10: it came back from silence, or was found dead. */
void flap_note(struct fabric *f, struct fabric_host *host);
void flaps_forget(struct fabric *f, struct fabric_host *host);
/* As the database has it. False: no memory. */
MUST_USE bool turn_load(struct fabric *f, const struct db_turn *row);
/* All are loaded, and the clock runs: hosts' flaps are counted. */
void turns_start(struct fabric *f);
/* @c is new here: its failovers are counted. */
void turns_count(const struct fabric *f, struct chassis *c);
/* What does not count any more goes from the database. */
void turns_expire(struct fabric *f);

/* ---- seen.c ---- */
/* Physical slot number of @vport as @host sees it; 0: not told. */
uint16_t function_slot(const struct fabric_host *host, uint16_t vport);
/* @host (NULL: nobody) may see its functions otherwise now. */
void seen_look(struct fabric *f, struct fabric_host *host);
void seen_advance(struct fabric *f);
void seen_forget(struct fabric *f, struct fabric_host *host);
/* @host beats under another boot id, and has it by now. */
void seen_booted(struct fabric *f, struct fabric_host *host);
/* Reads all of @host, where its switch can be asked and is not being asked; false: not now. */
bool host_look(struct fabric *f, struct fabric_host *host);
/* A read of a whole host has ended; false: it was no hint's. */
bool hint_completed(struct fabric_provider *p, const struct provider_op *op,
		    const struct provider_completion *done);

/* ---- view.c ---- */
void view_told(struct fabric_provider *p, uint64_t cookie, const struct provider_config *config,
	       const char *why);
void views_lost(struct fabric_provider *p, const char *why);
void views_free(struct fabric *f);

/* ---- load.c is fabric_load() alone ---- */

/* ---- slot.c ---- */
#define QUARANTINE_NUMBER      "quarantine " /* and the adapter's name: a number in the database */
#define SLOT_UNSCRUBBED_NUMBER "slot-unscrubbed "
#define SLOT_OFF_NUMBER        "slot-off " /* and the port's name: likewise */
void slot_told(struct fabric_provider *p, const struct provider_slot_state *state);
/* A scan shows @port, and @shown at it; NULL: no card that was ever known. */
void slot_scanned(struct fabric_provider *p, struct fabric_port *port,
		  struct fabric_adapter *shown);
/* After a scan: cards that came or went. */
void cards_scanned(struct fabric_provider *p);
/* False: @op was no slot's. */
bool slot_completed(struct fabric_provider *p, const struct provider_op *op,
		    const struct provider_completion *done);
void slots_advance(struct fabric *f);
uint64_t slots_next_ms(const struct fabric *f);
/* Why nobody may be given @fn now (S17); NULL: it may be given. */
const char *card_withheld(const struct fabric_function *fn);
/* @fn is bound nowhere, was reset, and its identity was read back cleared. */
void function_is_clean(struct fabric *f, struct fabric_function *fn);
/* @fn is not locked any more. */
void card_noticed(struct fabric *f, const struct fabric_function *fn);

/* ---- reconcile.c ---- */
/* When a repair of @fn may be tried again: each time later. */
void function_retry_later(struct fabric *f, struct fabric_function *fn);
void reconcile_provider(struct fabric_provider *p);
void reconcile_advance(struct fabric *f);
void function_noticed(struct fabric *f, struct fabric_function *fn);
/* Between what is wanted of a function and what the switch shows. */
enum difference {
	DIFFERENCE_SAME,
	DIFFERENCE_MISSING,
	DIFFERENCE_FOREIGN,
	DIFFERENCE_SUPERSEDED, /* an older binding of our own: the switch rebooted into an older map
				*/
	DIFFERENCE_STALE,
	DIFFERENCE_DRIFTED,
	DIFFERENCE_LEFTOVER, /* free, and still carries an identity that we gave it */
	DIFFERENCE_IN_DOUBT,
	DIFFERENCE_UNTOLD, /* a host that may have it does not answer */
};
enum difference difference_of(const struct fabric *f, const struct fabric_function *fn);
/* Where the switch shows @fn that is not ours to unbind, and what to type. */
void foreign_say(const struct fabric *f, const struct fabric_function *fn,
		 char out[static DB_TEXT_MAX]);

/* ---- adopt.c ---- */
/* A database that is new, at switches that show nothing, has nothing to adopt. */
void adopt_when_empty(struct fabric *f);
