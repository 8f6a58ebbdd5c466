/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All state of one fabric, and the one way in: events and a time go in, actions come out.
 *
 * struct fabric does no I/O. It is told of beats, completions, scans, commits and requests; it
 * submits operations through the provider queues, batches through fabric_io.submit_take, and says
 * by fabric_next_ms() when it wants fabric_advance() called again. The daemon's main.c stands
 * around it with sockets and a clock, the simulation with a model and a virtual one.
 *
 * What the outside sees (api/) is read from the structs below: borrowed, read-only, valid until
 * control returns to the event loop. Lists are sorted by name, naturally.
 *
 * Requests that must be durable before they are answered take a fabric_answer_fn: a return value
 * other than 0 is the answer, and @fn is never called; after 0 it is called once, later.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/identity.h"
#include "common/own.h"
#include "common/result.h"
#include "db/db.h"
#include "fabricd/beats.h"
#include "fabricd/config.h"
#include "failover/liveness.h"
#include "failover/replay.h"
#include "failover/traffic.h"
#include "hotplug/slot.h"
#include "provider/provider.h"

enum {
	FABRIC_NAME_MAX = 64,
	FABRIC_BOOTS = 4,      /* boot ids of a host that are remembered */
	FABRIC_PRIORITY = 100, /* of a profile that says none, and of what is in none */
	FABRIC_PRIORITY_MAX = 1000,
	FABRIC_PROFILES_MAX = 4096,
};

struct fabric;
struct fabric_change;
struct fabric_fence;
struct fabric_profile;
struct fabric_waiter;

enum fabric_host_state {
	FABRIC_HOST_UNKNOWN, /* has never beaten since its record was made */
	FABRIC_HOST_ALIVE,
	FABRIC_HOST_SUSPECT,
	FABRIC_HOST_FENCING,
	FABRIC_HOST_FENCED,
	FABRIC_HOST_BLOCKED,
	FABRIC_HOST_MAINTENANCE,
	FABRIC_HOST_QUARANTINED,
	FABRIC_HOST_STATES,
};
const char *fabric_host_state_text(enum fabric_host_state state);

/* What kind of spare a host is now (S11). */
enum fabric_spare_kind {
	FABRIC_SPARE_NONE,     /* none, or one that could not take over */
	FABRIC_SPARE_WARM,     /* it beats; it counts after some windows */
	FABRIC_SPARE_COLD,     /* proved off, and can be turned on */
	FABRIC_SPARE_STARTING, /* a cold one that takes over: until its first beat */
	FABRIC_SPARE_KINDS,
};

enum fabric_function_state {
	FABRIC_FUNCTION_FREE,
	FABRIC_FUNCTION_BOUND,
	FABRIC_FUNCTION_PARKED,  /* bound nowhere, held for its host */
	FABRIC_FUNCTION_BLOCKED, /* its host is not proved fenced */
	FABRIC_FUNCTION_DOUBT,   /* a command may still be carried out, or it is not where it should
				  */
	FABRIC_FUNCTION_BAD,
	FABRIC_FUNCTION_STATES,
};
const char *fabric_function_state_text(enum fabric_function_state state);

struct fabric_switch {
	char name[FABRIC_NAME_MAX]; /* "sw0" */
	unsigned provider;
	struct provider_switch as; /* of the last scan */
};

/* A command to a slot; private to slot.c. */
struct fabric_slot_want {
	bool is_wanted;
	uint32_t value;
	uint64_t attempt; /* under way; 0: not sent */
};

struct fabric_port {
	char name[FABRIC_NAME_MAX]; /* "sw0/p12" */
	unsigned provider;
	struct provider_port as;
	char attached[FABRIC_NAME_MAX]; /* host, adapter or switch on it; "" nothing */
	/* Of its hot-plug slot; private to slot.c. */
	bool slot_known; /* it has one, and a scan has shown it */
	bool scrub_wanted;
	char card[FABRIC_NAME_MAX]; /* adapter that is, or was last, in it; "": not known */
	struct slot slot;
	uint64_t settling; /* attempt of the barrier before its power is turned on; 0: none */
	bool settled;      /* since power was last wanted */
	bool unscrubbed;   /* a card is in it that was not scrubbed; stored */
	uint64_t stored;   /* batch that tells of @unscrubbed */
	bool off_by_hand;  /* turned off for a person who pressed the button; stored */
	struct fabric_slot_want power;
	struct fabric_slot_want led;
};

/* A cold spare that is being started; private to cold.c. */
struct fabric_cold {
	uint64_t incident;               /* for which it is; stored; 0: it is not */
	uint64_t since_ms;               /* when that began, or was gone on with */
	uint64_t attempt;                /* the power-on under way; 0: none */
	uint64_t beat_by_ms;             /* its first beat is waited for until then; 0: not yet */
	unsigned unknowns;               /* power-ons that were not answered */
	bool had_power;                  /* while its first beat was waited for */
	bool told;                       /* that nothing is bound to it */
	char refused[PROVIDER_TEXT_MAX]; /* why the switch does not power it on; "": it does */
};

struct fabric_host {
	char name[FABRIC_NAME_MAX]; /* "bay7" */
	unsigned provider;
	bool present;            /* in the last scan */
	struct provider_host as; /* of the last scan; .state is kept up to date by events */
	enum fabric_host_state state;
	bool spare;
	bool has_beaten;     /* since its record was made, or since it was a cold spare */
	uint64_t beat_by_ms; /* readmitted: it is not judged before then, unless it beats; else 0 */
	uint64_t epoch;
	uint64_t stopped_epoch; /* under which its agent has said that it has stopped; 0: none */
	uint64_t epoch_stored;  /* durable: what its agent is told, so that it never knows more */
	char boot_id[FABRIC_NAME_MAX];
	struct {
		char ids[FABRIC_BOOTS][FABRIC_NAME_MAX]; /* a ring */
		unsigned count;
		uint64_t told_ms; /* that one of them is back: two agents; 0: never */
		uint64_t back_ms; /* when one of them was back last; 0: never */
	} former;           /* boot ids before this one, since the start (private to judge.c) */
	uint64_t seq;       /* of the last beat */
	struct beats beats; /* since the start */
	uint64_t unopened;  /* of BEAT_FORGED, since the last one that counted */
	uint64_t incident;  /* the open one; 0: none */
	unsigned functions; /* assigned to it */
	unsigned load[2];   /* scratch of admit.c: functions before and after a change */
	/* private to groups.c and takeover.c */
	unsigned promised;                     /* scratch: functions that are about to be moved */
	const struct fabric_host *promised_to; /* scratch: of whom */
	uint64_t took; /* the incident that it took functions of last; 0: none */
	struct live_host live;
	uint16_t chassis; /* 1 + its chassis' number among those of the fabric; 0: in none */
	uint16_t place;   /* in that */
	struct live_traffic traffic; /* what its port has counted while it was silent */
	uint64_t unheard_ms;         /* when it was told that it sends, but is not heard */
	uint64_t suspected_ms;       /* since when it is suspect */
	bool suspect_with_others;    /* so many at once that it says nothing of this one (S10) */
	bool verdict_told; /* one that is not acted on (S10, S13) was told, since it beat */
	struct {
		uint64_t wall_ms; /* 0: never */
		char rungs[DB_NAME_MAX];
		uint64_t incident;
		bool by_drill;
	} proved;               /* when its fence was last proved, and by what; stored */
	uint64_t power_came_ms; /* when the switch saw its power come; 0: never */
	uint64_t power_gone_ms; /* when it last told that it has none; 0: never */
	uint64_t sent_ms;       /* when a read has last shown that its port counts; 0: never */
	uint64_t sent_count;    /* what it showed; meaningful with @sent_read */
	bool sent_read;
	uint64_t agent_ms;      /* when its agent last said something beside its beats; 0: never */
	const char *agent_what; /* what; static */
	uint64_t hint_ms;       /* of the last hint that it may have died; 0: none */
	char hint_what[64];
	struct live_rate flaps;   /* S10: when it came back from silence, or was found dead */
	struct fabric_seen *seen; /* its own view; NULL: it has told none */
	size_t seen_count;
	uint64_t seen_ms; /* when it was told; 0: never */
	/* private to seen.c */
	char seen_boot[FABRIC_NAME_MAX]; /* the boot that it was told under */
	uint64_t seen_since_ms;          /* when it was first told under that boot */
	uint64_t seen_due_ms;            /* when its functions are looked at again */
	uint64_t hint_attempt;           /* the look that a hint led to; 0: none is under way */
	struct fabric_fence *fence;      /* under way; NULL: none (private to fence.c) */
	struct fabric_cold cold;
	uint64_t off_ms;  /* fenced by a program's word alone, given then; 0: it is not */
	uint64_t off_run; /* cookie of the program that is powering it off; 0: none is */
	struct fabric_function *vports[PROVIDER_VPORTS_MAX + 1]; /* reserved or taken; [0] unused */
	/* Whom the switch showed there last; out of date until host_vport_user() has looked. */
	struct fabric_function *shown[PROVIDER_VPORTS_MAX + 1];
};

struct fabric_adapter {
	char name[FABRIC_NAME_MAX]; /* "nic-3fa2" */
	char position[FABRIC_NAME_MAX];
	unsigned provider;
	bool present;
	struct provider_adapter as;
	struct fabric_function *first; /* @as.function_count of them, in the order of the scan */
	struct fabric_port *slot;      /* hot-plug slot that it is, or was last, in; NULL: none */
	bool was_present;              /* in the scan before the last */
	bool shown;                    /* by the last scan, though perhaps without power */
	bool quarantined;              /* it came, and is not scrubbed: given to nobody (S17) */
};

/* What a host's own view says of a function that the switch shows bound to it. */
enum fabric_join {
	FABRIC_JOIN_NONE,       /* nothing: it is not bound where it is assigned to */
	FABRIC_JOIN_UNREPORTED, /* the host's agent tells no view */
	FABRIC_JOIN_AWAITED,    /* bound, and not seen yet */
	FABRIC_JOIN_NOT_SEEN,   /* nor after host-view.patience */
	FABRIC_JOIN_SEEN,
	FABRIC_JOIN_NO_DRIVER,
	FABRIC_JOIN_OTHER_DEVICE, /* in its slot there is something else */
	FABRIC_JOIN_OTHER_SERIAL,
	FABRIC_JOIN_OTHER_MAC,
	FABRIC_JOIN_OTHER_WWPN,
	FABRIC_JOINS,
};

/* Who has a function: the desired state. */
struct fabric_owner {
	struct fabric_host *host; /* NULL: assigned to nobody */
	uint16_t vport;
	uint64_t generation; /* its owner's; of the last owner when free; 0: never owned */
	struct identity identity;
	enum db_assignment_state assigned; /* meaningful while @host */
};

struct fabric_function {
	char name[FABRIC_NAME_MAX]; /* "nic-3fa2/pf0/vf3" */
	struct fabric_adapter *adapter;
	struct fabric_function *next_in_adapter;
	bool present;
	struct provider_function as; /* of the last scan; .now: of the last read-back */

	/* Desired, as in the database. */
	struct fabric_host *host; /* NULL: assigned to nobody */
	uint16_t vport;
	uint64_t generation; /* its owner's; of the last owner when free; 0: never owned */
	uint64_t highest; /* the highest that was ever given; a change under way has it already */
	/* private to fabric.c: whose a binding is */
	uint64_t given; /* before the database was restored last: the highest known to be given */
	struct {
		bool is_known;
		const struct fabric_host *host; /* NULL: to nobody, it was released */
		uint16_t vport;
	} led; /* where @highest was given for */
	struct identity identity;
	enum db_assignment_state assigned; /* meaningful while @host */
	struct fabric_profile *profile;    /* that it is in; NULL: in none */
	size_t member;                     /* its index there */
	bool unstored;                     /* the five above are not durable yet; ... */
	struct fabric_owner stored;        /* ... these are */

	uint64_t bound_ms; /* since when the switch shows it where it does */
	/* private to seen.c */
	uint64_t seen_ms;           /* when its host last told that it sees it */
	uint64_t join_told_ms;      /* when @join_told was */
	enum fabric_join join_told; /* the condition that was told last */

	bool is_taken; /* by the adoption that is being planned */
	bool bad;
	bool dirty; /* to be scrubbed before its card leaves quarantine */
	/* Its fence has told the switch to unbind it from there; NULL: none has. */
	const struct fabric_host *unbound_from;
	bool doubt;               /* an outcome is UNKNOWN and not settled yet */
	struct fabric_item *item; /* the running change that has it locked; NULL: none */
	uint64_t retry_ms;        /* when a repair may be tried again */
	unsigned retries;
};

/* Functions that are with one host, or with none, and go from host to host together. */
struct fabric_member {
	struct fabric_function *fn;
	struct identity identity; /* that it carries wherever it is */
};
struct fabric_profile {
	char name[FABRIC_NAME_MAX];
	unsigned priority; /* 0 .. FABRIC_PRIORITY_MAX; the highest goes first */
	struct fabric_member *members;
	size_t member_count;
};

/* State of the hot-plug slot at @port, "ready"; NULL: it has none. */
const char *fabric_port_slot(const struct fabric_port *port);
enum fabric_function_state fabric_function_state(const struct fabric_function *fn);
/* Who has @fn as it may be told: durable. What is under way to the disk would be taken back if the
 * manager died now. */
struct fabric_owner fabric_function_owner(const struct fabric_function *fn);
/* True when no host may ever be given it: a BF, or the PF of a shared adapter. */
bool fabric_function_is_kept(const struct fabric_function *fn);

/* Text of a change's and an operation's state as in /v1: "running", "done", ... */
const char *fabric_change_state_text(enum db_change_state state);
const char *fabric_op_text(enum db_op op);
const char *fabric_change_kind_text(enum db_change_kind kind);

/* "fencing", "blocked", "waiting", "moving", "done". */
const char *fabric_incident_state_text(enum db_incident_state state);

struct fabric_item {
	struct db_item row; /* journal's intent, and how it ended */
	struct fabric_function *fn;
	struct fabric_change *change;
	const char *step; /* what it is at, for people: "read back", "bind"; never NULL */
	/* private to change.c */
	struct {
		unsigned at;
		unsigned last; /* the step before, to notice one that is repeated in vain */
		unsigned tries;
		unsigned urgency; /* of the effect, or the read, that is under way or wanted */
		uint64_t attempt;
		uint64_t wait_ms;
		struct provider_binding seen; /* .host: handle; valid with @seen_valid */
		bool seen_valid;
		unsigned unknowns; /* read-backs in a row that could not tell where it is */
		bool asked;        /* its host's agent has had its say, or is not reached */
		bool unanswered;   /* it was asked, and has not answered in time */
		char ask_boot[FABRIC_NAME_MAX]; /* the boot of the host whose agent is asked */
		bool has_left;  /* its host has let it go, or may have, its agent says */
		bool may_leave; /* nobody keeps it from being unbound, or it is bound nowhere */
		bool is_out;    /* bound no more where it was */
		bool follows;   /* it has failed because another of its profile has */
		bool reset_done;
		bool begun;      /* an effect of it was handed over */
		uint64_t stored; /* batch that tells of its end */
		struct fabric_item *next_ended;
		struct fabric_item *next; /* in one list at a time */
		char text[128];           /* of @step, where it names a host */
	} run;
};

/* In the order in which they ended. */
struct fabric_items {
	struct fabric_item *first;
	struct fabric_item **last; /* meaningful while there is one */
};

struct fabric_change {
	struct db_change row;
	struct fabric_item *items;
	size_t item_count;
	bool durable; /* its intent is stored */
	/* private to change.c */
	struct {
		size_t open; /* items that are not stored as ended */
		bool effect_wanted;
		struct fabric_items ended;  /* wait for the next batch */
		struct fabric_items stored; /* in a batch that is not durable yet */
		uint64_t end_stored;  /* batch that tells of its end, and of its last item's */
		bool is_over;         /* its end is durable, its functions are unlocked */
		bool has_failed;      /* some item of it has */
		bool identities_move; /* an identity goes from one of its functions to another */
		struct fabric_waiter *waiters;
	} run;
};

struct fabric_incident {
	struct db_incident row;
	struct fabric_host *host;
	struct db_step *steps;
	size_t step_count;
	uint64_t started_ms; /* of its first step in this life of the manager, boot-time clock */
	uint32_t before_ms;  /* how old it was then, for display: by wall time over a restart */
	uint64_t retry_ms;   /* blocked: when its fence is tried again */
	uint64_t blocked_ms; /* when the last try of its fence that was in vain began; 0: none */
	unsigned unstored;   /* batches with @row that are not durable yet */
	size_t told;         /* steps that are durable, and were given to the hooks */
	bool durable;        /* at least one was: it may be told */
	/* Private to night.c. */
	uint8_t *record; /* what its chassis' judging was told; NULL: not in memory */
	size_t record_length;
	uint64_t verdict_ms; /* when it began, boot-time clock; 0: before this start */
	uint64_t record_ms;  /* when its record is stored; 0: not any more */
};

struct fabric_provider_view {
	const char *name;
	enum provider_state state;
	struct provider_hello hello; /* of the last connection */
	bool scanned;                /* since it was connected */
	bool reconciled;
};

/* A difference between what is wanted and what the switch shows. */
struct fabric_difference {
	const char *kind;    /* "missing", "foreign", "stale", "drifted-identity", "in-doubt" */
	const char *subject; /* a function */
	char detail[DB_TEXT_MAX];
};

struct fabric_health {
	bool ready;         /* every provider scanned, reconcile finished */
	const char *status; /* "starting", "ok", "degraded", "frozen", "adopt" */
	char detail[DB_TEXT_MAX];
	bool frozen;
	bool adopted;
	bool hold; /* the storm breaker holds automatic failover */
};

/* ---- what to type next ---- */

enum { FABRIC_NEXT_MAX = 8, FABRIC_NEXT_TEXT_MAX = 256 };

/* One command line that gets on with it, and when it is the right one. */
struct fabric_next {
	char when[FABRIC_NEXT_TEXT_MAX];
	char command[FABRIC_NEXT_TEXT_MAX]; /* "": nothing is to be typed */
};

/* ---- what a host says of itself ---- */

enum { FABRIC_SEEN_MAX = 1024 }; /* functions in one host's own view */

enum fabric_seen_link { FABRIC_SEEN_LINK_UNKNOWN, FABRIC_SEEN_LINK_DOWN, FABRIC_SEEN_LINK_UP };

/* One function as the host's own kernel shows it. */
struct fabric_seen {
	char address[16]; /* "0000:05:00.0" */
	char driver[32];  /* "" none */
	char serial[64];  /* without blanks at its ends; "" not told */
	uint64_t mac;     /* as the interface has it now; 0: none */
	uint64_t wwpn;    /* 0: none */
	uint32_t class_code;
	uint16_t vendor;
	uint16_t device;
	uint16_t slot; /* physical slot number; 0: in none */
	enum fabric_seen_link link;
};

/* One function of the fabric, in its host's own view. */
struct fabric_joined {
	enum fabric_join condition;
	const struct fabric_seen *row; /* in its host's view; NULL: none */
	char detail[DB_TEXT_MAX];      /* a sentence; "" for NONE */
};

/* A question to a host's agent: take part in the removal of this function. */
struct fabric_ask {
	uint64_t id;      /* its answer names it; never 0 */
	char address[16]; /* as the host saw it last */
	uint16_t slot;    /* 0: not known */
	char function[FABRIC_NAME_MAX];
	uint32_t deadline_ms; /* from now on; hooks included */
};

enum fabric_ask_outcome {
	FABRIC_ASK_DONE,    /* the host has let go */
	FABRIC_ASK_REFUSED, /* it has not, and text says why: a hook of the site, say */
	FABRIC_ASK_FAILED,  /* it may have */
	FABRIC_ASK_OUTCOMES,
};

/* ---- what stands around it ---- */

struct fabric_io {
	uint64_t (*now_ms)(void *arg);  /* boot-time clock */
	uint64_t (*wall_ms)(void *arg); /* for display and history */
	/* Which boot now_ms counts from; borrowed. NULL, "": not known, and none of before. */
	const char *boot_id;
	/* Takes @batch over; answered by fabric_written() with @cookie, in order, never at once. */
	void (*submit_take)(void *arg, struct db_batch *batch, uint64_t cookie);
	/* Since when (now_ms) the oldest batch waits unanswered; 0: none does. */
	uint64_t (*db_waiting_since_ms)(void *arg);
	/* Copies the database to @file, which must not be there; fabric_backed_up() follows. May be
	 * NULL: cannot be done. Return: 0; -EBUSY while one is under way; another -errno. */
	int (*backup)(void *arg, const char *file);
	/* An event is in the history: durable. Borrowed. */
	void (*published)(void *arg, const struct db_event *event);
	/* Asks the agent of @host to let a function go, over a channel that carries questions.
	 * Return: 0, and fabric_agent_answered() follows or does not; -ENOTCONN: there is no such
	 * channel now. May be NULL: there never is. */
	int (*agent_ask)(void *arg, const char *host, const struct fabric_ask *ask);
	/* May be NULL. Runs @host's fence program (config_fence_find()) with @action, "off" or
	 * "status"; after 0 answered once by fabric_fence_answered() with @cookie, never at once.
	 * Return: 0; -EBUSY while one runs for @host; another -errno. */
	int (*fence_run)(void *arg, uint64_t cookie, const char *host, const char *action);
	/* May be NULL. A step of @incident is durable: for the site's hooks, whose outcomes come by
	 * fabric_hook_told(), never at once. Nothing waits for them. Return: 0 or -errno. */
	int (*step)(void *arg, const struct fabric_incident *incident, const struct db_step *step);
	/* May be NULL: there are no datagrams. Makes a key for @host's datagrams, durable when it
	 * returns 0, and @key its 64 hex digits. Return: 0; -EEXIST: the name of another host has
	 * the same hash; another -errno. */
	int (*host_enroll)(void *arg, const char *host, bool force, char key[static 65]);
	/* Test-only, may be NULL: the manager stands at @point, "journal-before", "journal-after",
	 * "op-before" or "op-after", and may be killed here. */
	void (*point)(void *arg, const char *point);
	void *arg;
};

/* @config and @io are copied. */
MUST_USE int fabric_new(const struct config *config, const struct fabric_io *io,
			struct fabric **out);
void fabric_free(struct fabric *f);
OWNED_BY(struct fabric, fabric_free)

/* What the counter of its port has done in this silence: "moves", "stands", "not-counted" (the
 * switch has none); NULL: not read, or only once. */
const char *fabric_host_traffic_text(const struct fabric_host *host);

/* Takes in all that the database holds; before anything else. Return: 0 or -errno, @why set. */
MUST_USE int fabric_load(struct fabric *f, struct db *db, char *why);

/* A provider by its name in the configuration; before fabric_start(). @sink is what it is to be
 * opened with; it carries the provider's number. */
MUST_USE int fabric_provider_add(struct fabric *f, const char *name, struct provider_sink *sink,
				 unsigned *number);
/* The opened provider; borrowed, closed by the caller after fabric_free(). */
void fabric_provider_set(struct fabric *f, unsigned number, struct provider *p);
/* Everything is in place: from here on it acts. */
void fabric_start(struct fabric *f);

/* Frozen, and what is being done about it: for health. @text is copied; "" for nothing. */
void fabric_trouble(struct fabric *f, const char *text);
/* Why and since when (now_ms) it is frozen; NULL: it is not. Borrowed. */
const char *fabric_frozen(const struct fabric *f, uint64_t *since_ms);
/* The one before was frozen for @why and so long, and this one goes on from a new database file:
 * told in the history. After fabric_start(). */
void fabric_thawed(struct fabric *f, const char *why, uint64_t for_ms);

void fabric_written(struct fabric *f, uint64_t cookie, int r, const char *why);
void fabric_advance(struct fabric *f);
/* When fabric_advance() is wanted next; UINT64_MAX: never by itself. Providers' own next_ms is
 * the caller's to watch. */
uint64_t fabric_next_ms(const struct fabric *f);

/* ---- reading ---- */

const struct config *fabric_config(const struct fabric *f);
/* Takes over what may change at run time; the caller has seen to it that nothing else differs. */
void fabric_configure(struct fabric *f, const struct config *config);
const char *fabric_incarnation(const struct fabric *f);
void fabric_health_get(const struct fabric *f, struct fabric_health *out);
size_t fabric_provider_count(const struct fabric *f);
void fabric_provider_get(const struct fabric *f, size_t i, struct fabric_provider_view *out);

const struct fabric_switch *const *fabric_switches(const struct fabric *f, size_t *count);
const struct fabric_port *const *fabric_ports(const struct fabric *f, size_t *count);
const struct fabric_host *const *fabric_hosts(const struct fabric *f, size_t *count);
const struct fabric_adapter *const *fabric_adapters(const struct fabric *f, size_t *count);
const struct fabric_function *const *fabric_functions(const struct fabric *f, size_t *count);
/* By id, oldest first; what the memory keeps (all running ones, and the last ended). */
const struct fabric_change *const *fabric_changes(const struct fabric *f, size_t *count);
const struct fabric_incident *const *fabric_incidents(const struct fabric *f, size_t *count);

enum fabric_spare_kind fabric_host_spare_kind(const struct fabric *f,
					      const struct fabric_host *host);
/* Why a host whose state says that it lives is not judged now, and when it was last heard where
 * that is longer ago than its window; or that one which has functions has never beaten. False: it
 * is judged, or its state says all. */
bool fabric_host_unjudged(const struct fabric *f, const struct fabric_host *host,
			  char why[static DB_TEXT_MAX]);
const struct fabric_profile *const *fabric_profiles(const struct fabric *f, size_t *count);

const struct fabric_switch *fabric_switch_find(const struct fabric *f, const char *name);
const struct fabric_port *fabric_port_find(const struct fabric *f, const char *name);
const struct fabric_host *fabric_host_find(const struct fabric *f, const char *name);
const struct fabric_adapter *fabric_adapter_find(const struct fabric *f, const char *name);
const struct fabric_function *fabric_function_find(const struct fabric *f, const char *name);
const struct fabric_profile *fabric_profile_find(const struct fabric *f, const char *name);
/* The one host that all of it is with; NULL: it is with none, or split. */
const struct fabric_host *fabric_profile_host(const struct fabric_profile *profile);
/* "free", "bound", "changing", "split", or the state of a function of it that is not bound; @why:
 * a sentence, "" for the first two. */
const char *fabric_profile_state(const struct fabric_profile *profile,
				 char why[static DB_TEXT_MAX]);
const struct fabric_change *fabric_change_find(const struct fabric *f, uint64_t id);
const struct fabric_incident *fabric_incident_find(const struct fabric *f, uint64_t id);

/* "seen", "not-seen", ...; "" for FABRIC_JOIN_NONE. */
const char *fabric_join_text(enum fabric_join condition);
/* The switch's view of @fn joined to its host's own: by slot, else by MAC or WWPN, else by the
 * serial of its adapter. */
void fabric_function_joined(const struct fabric *f, const struct fabric_function *fn,
			    struct fabric_joined *out);
/* Which assigned function @row of @host's view is; NULL: none of them. */
const struct fabric_function *fabric_seen_function(const struct fabric *f,
						   const struct fabric_host *host,
						   const struct fabric_seen *row);

/* What a person may type next about it, at most FABRIC_NEXT_MAX, the likeliest first. Return: how
 * many; 0: nothing is wanted of anybody. */
size_t fabric_incident_next(const struct fabric *f, const struct fabric_incident *incident,
			    struct fabric_next out[static FABRIC_NEXT_MAX]);
size_t fabric_host_next(const struct fabric *f, const struct fabric_host *host,
			struct fabric_next out[static FABRIC_NEXT_MAX]);
/* Of all that health tells. */
size_t fabric_health_next(const struct fabric *f, struct fabric_next out[static FABRIC_NEXT_MAX]);

/* Every difference now, sorted by function. */
void fabric_differences(const struct fabric *f,
			void (*fn)(void *arg, const struct fabric_difference *d), void *arg);

/* Events after number @n, oldest first; false when some of them are no longer in memory: @first is
 * then the oldest that is (an explicit gap). Pass NULL @fn to ask only. */
bool fabric_events_after(const struct fabric *f, uint64_t n,
			 void (*fn)(void *arg, const struct db_event *event), void *arg,
			 uint64_t *first);
uint64_t fabric_event_last(const struct fabric *f);

/* ---- asking for changes ---- */

typedef void fabric_answer_fn(void *arg, int r, uint64_t id);

struct fabric_request_op {
	enum db_op op;
	char function[FABRIC_NAME_MAX];
	char host[FABRIC_NAME_MAX]; /* assign, move */
	uint16_t vport;             /* 0: any free one */
	bool has_identity;          /* move without one keeps what it has */
	struct identity identity;
};

struct fabric_request {
	const struct fabric_request_op *ops;
	size_t op_count; /* 1 .. 4096 */
	uint32_t uid;    /* who asks */
	const char *key; /* Idempotency-Key, or NULL */
	uint64_t hash;   /* of the request, with @key */
};

/* Which part of a request was refused, and why, beyond refusal_text(). */
struct fabric_problem {
	size_t op;         /* index; SIZE_MAX: the whole */
	const char *field; /* "function", "host", "vport", "identity/mac", ...; static, or NULL */
	char reason[DB_TEXT_MAX];
};

/**
 * fabric_change_request() - a change, all or none in its admission
 * @problem: set on refusal
 * @fn: r == 0 and the change's id once its intent is durable
 *
 * A key that was used before by the same uid with the same hash is answered with the earlier
 * change's id (fn is called all the same); with another hash REFUSE_KEY_REUSED.
 */
MUST_USE int fabric_change_request(struct fabric *f, const struct fabric_request *request,
				   struct fabric_problem *problem, fabric_answer_fn *fn, void *arg);

/* What a change would do; nothing is stored. */
struct fabric_plan_item {
	struct db_item row;
	const char *steps[12]; /* sentences, NULL after the last; static, or @ask */
	char ask[FABRIC_NAME_MAX + 64];
};
struct fabric_plan {
	struct fabric_plan_item *items;
	size_t item_count;
	char detail[DB_TEXT_MAX]; /* of a failover: target, or why there is none */
	char target[FABRIC_NAME_MAX];
};
void fabric_plan_done(struct fabric_plan *plan);
OWNED_BY_VALUE(struct fabric_plan, fabric_plan_done)
MUST_USE int fabric_change_plan(struct fabric *f, const struct fabric_request *request,
				struct fabric_problem *problem, struct fabric_plan *out);

/* Who asks, and how a request that is sent again is known; as in struct fabric_request. */
struct fabric_asker {
	uint32_t uid;
	const char *key; /* NULL: it is not */
	uint64_t hash;
};

struct fabric_profile_member {
	char function[FABRIC_NAME_MAX];
	bool has_identity; /* without one: what it carries now, if a host has it */
	struct identity identity;
};
struct fabric_profile_request {
	char name[FABRIC_NAME_MAX];
	unsigned priority; /* 0 .. FABRIC_PRIORITY_MAX */
	const struct fabric_profile_member *members;
	size_t member_count; /* 1 .. PROVIDER_VPORTS_MAX */
	uint32_t uid;
};

/**
 * fabric_profile_set() - define a profile, or define it anew
 * @problem: set on refusal; .op is the index of the function that it is about
 *
 * Nothing moves. All its functions are with one host or with none, and what a host has keeps its
 * identity. Answered once it is durable.
 */
MUST_USE int fabric_profile_set(struct fabric *f, const struct fabric_profile_request *request,
				struct fabric_problem *problem, fabric_answer_fn *fn, void *arg);
/* Its functions stay where they are, and go where they like from here on. REFUSE_PROFILE_WAITS
 * while one of them is parked, or with a host that is fenced or being fenced. */
MUST_USE int fabric_profile_delete(struct fabric *f, const char *name, uint32_t uid,
				   struct fabric_problem *problem, fabric_answer_fn *fn, void *arg);
/**
 * fabric_profile_change() - give a whole profile to a host, or take it away, as one change
 * @op: assign: it is with nobody; move: also where it was split; release
 * @to: a host; not looked at for a release
 *
 * Answered as fabric_change_request().
 */
MUST_USE int fabric_profile_change(struct fabric *f, const char *name, enum db_op op,
				   const char *to, const struct fabric_asker *who,
				   struct fabric_problem *problem, fabric_answer_fn *fn, void *arg);
MUST_USE int fabric_profile_change_plan(struct fabric *f, const char *name, enum db_op op,
					const char *to, struct fabric_problem *problem,
					struct fabric_plan *out);

MUST_USE int fabric_change_cancel(struct fabric *f, uint64_t id, uint32_t uid, fabric_answer_fn *fn,
				  void *arg);
/* @fn once the change has ended and that is durable; at the next fabric_advance() if it has. */
MUST_USE int fabric_change_wait(struct fabric *f, uint64_t id, fabric_answer_fn *fn, void *arg);
/* Forgets every waiter with this @arg. */
void fabric_change_unwait(struct fabric *f, void *arg);

/**
 * fabric_beat() - a host's heartbeat
 * @received_ms: kernel receive time, or as near to it as the transport gives (S3)
 * @epoch: the host's as the database has it, set whenever the host exists
 *
 * Return: 0; REFUSE_NO_HOST; REFUSE_HOST_FENCED when its door is closed (fencing, fenced, blocked);
 * REFUSE_FIELD for a sequence number that does not rise under one boot id (a doubled or late beat).
 */
MUST_USE int fabric_beat(struct fabric *f, const char *host, const char *boot_id, uint64_t seq,
			 uint64_t received_ms, uint64_t *epoch);

/* An agent of @host has been told @epoch by a manager of this very database. One that is higher
 * than ours freezes us: the file was put back to an earlier state behind our back (S14). */
void fabric_epoch_told(struct fabric *f, const char *host, uint64_t epoch);

/**
 * fabric_leaving() - a beat by which @host says that it goes down on purpose
 *
 * It is fenced at once, and what it has goes to a spare, as by a verdict; nothing waits for its
 * window. Where a verdict would not be given now either (S4, S5, S6, S13) it is a beat like any
 * other, and its silence will tell. As fabric_beat(); REFUSE_HOST_FENCED when its fence has begun.
 */
MUST_USE int fabric_leaving(struct fabric *f, const char *host, const char *boot_id, uint64_t seq,
			    uint64_t received_ms, uint64_t *epoch);

/* How a beat is answered that was overtaken by a later one, by another way say: as that one. As
 * fabric_beat(). */
MUST_USE int fabric_beat_answer(const struct fabric *f, const char *host);

/* What became of a beat of @host that came by @way; for people. A host that is not known, or one
 * way too many, is left out. */
void fabric_beat_heard(struct fabric *f, const char *host, const char *way, enum beat_kind kind,
		       uint64_t received_ms);

/**
 * fabric_host_seen() - what a host's own kernel shows, whole; replaces what it said before
 * @rows: @count of them, at most FABRIC_SEEN_MAX
 *
 * Nothing is decided by it: it is joined to what the switch shows, for people and programs.
 * Return: 0; REFUSE_NO_HOST; REFUSE_TOO_LARGE; -ENOMEM.
 */
MUST_USE int fabric_host_seen(struct fabric *f, const char *host, const char *boot_id,
			      const struct fabric_seen *rows, size_t count);
/* Something hints that @host has died, end-of-file on its port for one: it is read at once. Never
 * a verdict by itself (S7). */
void fabric_host_hint(struct fabric *f, const char *host, const char *what);
/* The agent of @host, which was told that it is fenced under @epoch, says that it uses @stopped
 * functions no more and @still others yet. Told once in each epoch as a claim: nothing rests on it.
 */
void fabric_agent_stopped(struct fabric *f, const char *host, const char *boot_id, uint64_t epoch,
			  uint64_t stopped, uint64_t still, const char *text);
/* The answer to fabric_io.agent_ask. One that nobody waits for is ignored. */
void fabric_agent_answered(struct fabric *f, const char *host, uint64_t id,
			   enum fabric_ask_outcome outcome, const char *text);

/**
 * fabric_fence_answered() - a fence program has ended
 * @cookie: of fabric_io.fence_run; one that nobody waits for any more is ignored
 * @code: its exit status, 0 .. 255; negative when it did not run to its end
 * @text: for people: what it said last, or why it did not end
 */
void fabric_fence_answered(struct fabric *f, uint64_t cookie, int code, const char *text);
/* What became of a hook on a step of an incident, for people: it becomes a step itself, one that
 * no hook is told of. */
void fabric_hook_told(struct fabric *f, uint64_t incident, const char *text);
/* What a fence of @host would try, in order: "isolate, unbind, fence_dummy, a person". */
void fabric_host_rungs(const struct fabric *f, const struct fabric_host *host,
		       char out[static DB_TEXT_MAX]);

/* A new key for @host's datagrams: @key is set when 0 is returned, and told nowhere else. It is
 * accepted at once; @fn once that it was made is in the audit. */
MUST_USE int fabric_host_enroll(struct fabric *f, const char *host, bool force, uint32_t uid,
				struct fabric_problem *problem, char key[static 65],
				fabric_answer_fn *fn, void *arg);
MUST_USE int fabric_host_set_spare(struct fabric *f, const char *host, bool spare, uint32_t uid,
				   fabric_answer_fn *fn, void *arg);
/* By hand. @id of the answer is the incident's. */
MUST_USE int fabric_host_failover(struct fabric *f, const char *host, uint32_t uid,
				  struct fabric_problem *problem, fabric_answer_fn *fn, void *arg);
MUST_USE int fabric_host_failover_plan(struct fabric *f, const char *host,
				       struct fabric_problem *problem, struct fabric_plan *out);
struct fabric_drill {
	bool force; /* also of a host that is no spare */
	bool power; /* its power is taken too, by the switch, and given back */
};
/**
 * fabric_host_drill() - fences an idle spare, and lets it in again
 *
 * Refused, with the reason, where anything speaks against it. @fn: with the incident's id once the
 * spare is let in, or REFUSE_DRILL: it stays fenced, or is blocked.
 */
MUST_USE int fabric_host_drill(struct fabric *f, const char *host, const struct fabric_drill *how,
			       uint32_t uid, struct fabric_problem *problem, fabric_answer_fn *fn,
			       void *arg);
/* Also the way out of quarantine (S10). */
MUST_USE int fabric_host_readmit(struct fabric *f, const char *host, uint32_t uid,
				 struct fabric_problem *problem, fabric_answer_fn *fn, void *arg);
/* One setting of a replay: "heartbeat.missed", "10". */
struct fabric_replay_set {
	const char *key;
	const char *value;
};

struct fabric_replay {
	struct replay *replay;           /* the record */
	struct replay_outcome night;     /* run with the settings of that night */
	struct replay_change change;     /* .which: what was set; 0: nothing */
	struct replay_outcome otherwise; /* with those; meaningful when something was */
};
void fabric_replay_done(struct fabric_replay *replay);
OWNED_BY_VALUE(struct fabric_replay, fabric_replay_done)

/**
 * fabric_incident_replay() - what the judging was told around an incident, run again
 * @sets: @count settings that are others than that night
 * @problem: on refusal; .op is the setting that it is about
 * @out:  set on success; the caller's, for fabric_replay_done()
 *
 * Return: 0; REFUSE_NO_INCIDENT; REFUSE_NO_RECORD: none was kept, or it is older than what memory
 * keeps; REFUSE_FIELD for a setting that is none, or out of its range; REFUSE_TOO_LARGE; -ENOMEM.
 */
MUST_USE int fabric_incident_replay(struct fabric *f, uint64_t id,
				    const struct fabric_replay_set *sets, size_t count,
				    struct fabric_problem *problem, struct fabric_replay *out);
/* The @n-th setting that a verdict depends on, as it is in @settings; false: there are no more. */
bool fabric_replay_setting(size_t n, const struct record_settings *settings,
			   char name[static FABRIC_NAME_MAX], char value[static FABRIC_NAME_MAX]);

/* S13: verdicts on it are told and not acted on, and it is nobody's spare; off gives it a full
 * fresh window. What it is already is done at once. */
MUST_USE int fabric_host_maintenance(struct fabric *f, const char *host, bool on, uint32_t uid,
				     struct fabric_problem *problem, fabric_answer_fn *fn,
				     void *arg);
/**
 * fabric_host_drain() - every function of @host moves elsewhere, as one change
 * @to: a host; "": the spare that a failover would take
 *
 * The host takes part, and stays as it is. Answered as fabric_change_request().
 * REFUSE_FUNCTION_FREE when it has no function.
 */
MUST_USE int fabric_host_drain(struct fabric *f, const char *host, const char *to,
			       const struct fabric_asker *who, struct fabric_problem *problem,
			       fabric_answer_fn *fn, void *arg);
/* Without functions, an empty plan. */
MUST_USE int fabric_host_drain_plan(struct fabric *f, const char *host, const char *to,
				    struct fabric_problem *problem, struct fabric_plan *out);
/* A person vouches that a blocked host is off. */
MUST_USE int fabric_host_fence_confirm(struct fabric *f, const char *host, uint64_t incident,
				       uint32_t uid, struct fabric_problem *problem,
				       fabric_answer_fn *fn, void *arg);

/* Takes what the switch shows as the truth. @out lists one item per function that would be, or is,
 * taken in; with @dry_run nothing is stored and @fn is not called. */
MUST_USE int fabric_adopt(struct fabric *f, bool dry_run, uint32_t uid, struct fabric_plan *out,
			  fabric_answer_fn *fn, void *arg);

/**
 * fabric_backup() - copy the database while it is in use
 * @file: absolute; must not be there
 * @fn: once the copy is durable (r == 0), or REFUSE_BACKUP: fabric_backup_why() says why, borrowed
 *      until the next one
 *
 * Return: 0; REFUSE_FROZEN; REFUSE_LIMIT while another one is under way; REFUSE_BACKUP; -ENOMEM.
 */
MUST_USE int fabric_backup(struct fabric *f, const char *file, uint32_t uid, fabric_answer_fn *fn,
			   void *arg);
const char *fabric_backup_why(const struct fabric *f);
void fabric_backed_up(struct fabric *f, int r, const char *why);

/* Configuration space as @host sees it; NULL: the fabric as the manager sees it. @fn is called for
 * each function, then with NULL; never before this returns. Return: 0, REFUSE_NO_HOST,
 * REFUSE_PROVIDER_AWAY. fabric_view_cancel() forgets every view with this @arg. */
typedef void fabric_view_fn(void *arg, const struct provider_config *config, const char *why);
MUST_USE int fabric_view(struct fabric *f, const char *host, fabric_view_fn *fn, void *arg);
void fabric_view_cancel(struct fabric *f, void *arg);
