/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The whole of it in one process, under one seed and a virtual clock.
 *
 * Real: the brain (fabricd/), its queues, its journal and database (db/), the modelled switch
 * (sim/), what agents and the manager make of datagrams (agent/dialog.c, fabricd/sessions.c).
 * Played: the networks between them, the process that the manager is (stopped, killed at any step,
 * started again), hosts that hang, die and return, operators, an attacker, faults.
 *
 * world.c      time, the chassis, one run
 * manager.c    the manager's process
 * disk.c       its database, and the disk below that
 * wire.c       what goes to the switch, and comes from it
 * net.c        the networks (net.h)
 * heard.c      what the manager hears by them
 * agents.c     what agents say, and believe
 * attacker.c   who replays and forges both
 * actors.c     hosts, their agents and fence programs; what happens next, chosen by the seed
 * operators.c  what people ask for
 * drills.c     drills of spares, and what must be true of them
 * profiles.c   profiles that people define, and that they stay whole
 * trouble.c    what goes wrong
 * invariants.c docs/safety.md, "The invariants", checked at every step
 * simulation.c the program
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"
#include "fabricd/fabric.h"
#include "sim/model.h"
#include "tests/simulation/disk.h"
#include "tests/simulation/net.h"

enum {
	WORLD_SITES = 2,
	WORLD_HOSTS = NET_HOSTS, /* of all sites */
	WORLD_FUNCTIONS = 256,
	WORLD_COMMANDS = 4096, /* sent and not carried out, at most */
	WORLD_CHANGES = 8192,  /* acknowledged in one run, at most */
	WORLD_STORY = 200,     /* lines kept for the story of a failure */
	WORLD_PROFILES = 5,
	WORLD_LIVES = 64,     /* beats of one agent that are remembered */
	WORLD_FAILOVERS = 64, /* of one chassis, likewise; in a rate-window there are never more */
};

/* Wall time when the virtual clock stood at 0. */
#define WORLD_EPOCH_MS 1700000000000u

struct world;

/* A drill of one host, from its being asked for to its being let in. */
struct drilled {
	unsigned life;      /* of the manager that was asked; 0: there is none */
	unsigned proved_by; /* life that has told it to be fenced; 0: none */
	uint64_t asked_ms;
	bool power; /* its power is taken too */
};

/* One agent, and its blade. */
struct actor {
	char name[FABRIC_NAME_MAX];
	struct site *site;
	uint16_t handle;
	bool runs;        /* the blade has power and its kernel runs */
	uint64_t boot_ms; /* when it will, having been powered on; 0: it will not by itself */
	bool hangs;       /* runs, and does not beat */
	bool sends;       /* its port's counter moves */
	struct {
		uint64_t count;
		uint64_t told_ms; /* 0: never, to this manager */
		unsigned rises;   /* one after the other, since its last beat */
	} counted;                /* as the switch has told the manager */
	bool quarantined;         /* told so (S10) */
	uint64_t dies_ms;         /* it is about to; 0: it is not */
	unsigned flaps;           /* pauses that are still to come, one after the other */
	bool left;                /* it said that it leaves */
	uint64_t hangs_until_ms;
	uint64_t dumb_until_ms; /* the switch cannot tell what it has; 0: it can */
	uint64_t ask;           /* what its agent is asked; 0: nothing */
	uint64_t ask_ms;        /* when it answers */
	char boot_id[FABRIC_NAME_MAX];
	unsigned boots;
	struct agent_end agent;
	uint64_t next_beat_ms;
	uint64_t live_ms[WORLD_LIVES]; /* a ring: last beats that reached the manager's machine */
	unsigned lives;
	uint64_t maintained_until_ms; /* somebody works at it; 0: nobody does */
	bool maintained;              /* and that is known to be durable (S13) */
	uint64_t readmit_ms;          /* an operator lets it in again; 0: nobody is about to */
	bool fenced;                  /* told: it is fenced */
	uint64_t fenced_ms;           /* since when it is told to be fenced; 0: it is not */
	bool by_word;                 /* fenced as off by a program's word: it may hold something */
	bool fence_void;   /* the switch has rebooted, and lets everybody in, since then */
	uint64_t dark_ms;  /* when the switch last saw it lose its power, or get it back */
	bool by_hand;      /* an operator asked for its failover */
	uint64_t epoch;    /* highest that a command of ours to it carried */
	bool readmitted;   /* an operator asked for it, since it was fenced */
	bool cut_off;      /* the switch was told to isolate it, since it was let in last */
	uint64_t heard_ms; /* last beat that the manager took, by when it came */
	struct drilled drill;
	uint64_t empty_read_ms; /* when the switch last looked, and it had nothing */
	uint64_t run;           /* its fence program: cookie; 0: none runs */
	uint64_t run_ms;        /* when it ends */
	bool run_is_off;        /* action off; else status */
};

/* Something from the switch on its way to the manager. */
enum news_kind { NEWS_COMPLETED, NEWS_SCANNED, NEWS_TOLD, NEWS_STATE };
struct news {
	struct news *next;
	enum news_kind kind;
	struct provider_completion done;
	struct provider_binding *bindings;
	struct provider_scan *scan;
	struct provider_event event;
	enum provider_state state;
	bool has_hello;
	struct provider_hello hello;
};

/* What the invariants know of a function. */
struct known {
	unsigned outstanding; /* commands sent that can still be carried out */
	bool clean;           /* settled, and read back as bound nowhere, since the last effect */
	uint64_t generation;  /* highest that a command of ours carried */
	uint64_t lives;       /* likewise, before the database was restored last */
	uint64_t reboot_ms;   /* when the switch last went back to an older map */
	uint16_t owner;       /* last host that it was bound to; 0: none yet */
	bool reset;           /* since it was last bound */
	bool dirty;           /* its card has come, and it was not reset since */
	uint64_t card_ms;     /* when somebody was last at its card's slot */
};

/* One chassis with a provider of its own: the way to it, and what the invariants know of it. */
struct site {
	struct world *w;
	unsigned n; /* the provider's number too */
	char name[16];
	struct sim_chassis *chassis;
	struct sim_model *model;
	struct provider *background; /* keeps the model's time going without a manager */
	struct wire *wire;
	uint64_t reconnect_ms; /* when its connection to the manager is back; 0: it is there */
	struct news *news;
	struct news **news_last;
	char functions[WORLD_FUNCTIONS][FABRIC_NAME_MAX]; /* by handle - 1 */
	size_t function_count;
	struct known known[WORLD_FUNCTIONS];
	struct provider_op sent[WORLD_COMMANDS];
	size_t sent_count;
	uint64_t reboot_ms;
	bool reboot_untold;  /* the manager that lives has not said so yet */
	bool held;           /* automatic failover is */
	uint64_t resumed_ms; /* when it was not any more; 0: this manager did not hold it */
	uint64_t failovers_ms[WORLD_FAILOVERS]; /* a ring: its last ones for silence (S5) */
	unsigned failovers;
};

/* In quiet one more host dies, or all of its ways are cut, and has to be missed: not judging
 * anybody would be safe, too. */
struct trial {
	uint64_t at_ms;  /* when it begins; 0: it has */
	uint64_t due_ms; /* until when its verdict has to fall; 0: nobody is to be judged */
	struct actor *dies;
};

struct acked {
	uint64_t id;
	bool ended;
};

/* What the hosts' fence program is like. */
enum world_program { PROGRAM_NONE, PROGRAM_HONEST, PROGRAM_LIES, PROGRAM_FAILS };

struct world {
	uint64_t seed;
	uint64_t random;
	uint64_t now_ms;
	int64_t wall_off_ms;    /* how far somebody has set the wall clock */
	uint64_t skew_until_ms; /* it is corrected by leaps of less than a beat */
	uint64_t end_ms;        /* no more trouble from here on */
	unsigned hosts;
	double trouble_cpu_s; /* what it took until then */
	bool quiet;
	bool print; /* the story as it happens */

	struct site sites[WORLD_SITES];
	unsigned site_count;
	struct disk disk;
	struct db *db;

	/* the manager's process */
	struct fabric *fabric;
	bool dead; /* killed in the middle of a step: nothing of it reaches the outside any more */
	uint64_t stopped_until_ms;
	uint64_t stop_ms; /* when it is stopped next, until stop_end_ms; 0: it is not */
	uint64_t stop_end_ms;
	uint64_t start_ms; /* when it is started again */
	unsigned kill_in;  /* points until it is killed; 0: not at all */
	uint64_t kills;
	unsigned lives;                /* how often it was started */
	char boot_id[FABRIC_NAME_MAX]; /* of its machine */
	enum world_program program;    /* of every host */
	struct net net;

	struct actor actors[WORLD_HOSTS];
	size_t actor_count;
	uint64_t next_act_ms;
	uint64_t next_mac;
	uint64_t fault_until_ms;

	struct acked acked[WORLD_CHANGES];
	size_t acked_count;
	bool split[WORLD_PROFILES]; /* by the profile's number: something went wrong with it */
	bool loose[WORLD_PROFILES]; /* likewise: what an earlier life, or another, has was adopted
				     */
	uint64_t failovers;
	uint64_t power_ons;  /* of cold spares */
	uint64_t replayed;   /* incidents whose record was run again at the end */
	uint64_t unrecorded; /* incidents without one */
	uint64_t moves;
	uint64_t drills;
	bool drill_waits; /* who has asked for one waits for its end */
	struct trial trial;

	char broken[DB_TEXT_MAX]; /* the invariant that was broken; "": none */
	char story[WORLD_STORY][192];
	size_t story_count;
	uint64_t story_hash; /* of every line: two runs of one seed have the same */
};

/* Runs one seed, with @w->hosts, for @minutes of trouble, then into quiet. Return: 0, or 1 with
 * @w->broken set. */
int world_run(struct world *w, uint64_t seed, unsigned minutes);
void world_done(struct world *w);

uint64_t world_random(struct world *w, uint64_t below);
void world_story(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void world_broken(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool world_manager_runs(const struct world *w);
/* Its connection to the switch breaks. */
void site_disconnect(struct site *s, uint64_t for_ms);
void world_kill(struct world *w, const char *where);
/* The switch says that something is other than it was. */
void site_changed(struct site *s);
struct site *site_any(struct world *w);
/* Where @fn is. */
struct site *site_of(struct world *w, const struct fabric_function *fn);

/* manager.c */
void manager_start(struct world *w);
/* What was killed is over: its memory, and what had not got to the disk. */
void manager_bury(struct world *w);
/* From @w->stop_ms until @w->stop_end_ms. */
void manager_stop(struct world *w);
uint64_t world_wall_ms(const struct world *w);
/* Somebody sets the wall clock. */
void world_wall_set(struct world *w, int64_t by_ms);

/* wire.c */
/* For a manager that starts; with what it is to be given. */
struct provider *wire_new(struct site *s);
struct provider_sink *wire_sink(struct site *s);
/* With what was on its way. */
void wire_free(struct site *s);
/* A command that nobody waits for any more has been carried out: its answer comes after all. */
void wire_answer_late(struct site *s, const struct sim_effect *effect);
/* It is connected to the switch. */
void wire_open(struct site *s);
void news_advance(struct site *s);
void news_drop(struct site *s);

/* actors.c */
void actors_init(struct world *w);
void actors_advance(struct world *w);
uint64_t actors_next_ms(const struct world *w);
void actors_quiet(struct world *w);
/* The switch, or a program, has taken its power. */
void actor_powered_off(struct site *s, uint16_t host);
void actor_powered_on(struct site *s, uint16_t host);
/* The switch cannot tell what this host has. */
bool actor_is_dumb(const struct site *s, uint16_t host);
int actor_ask(struct world *w, const char *host, const struct fabric_ask *ask);
int actor_program_run(struct world *w, uint64_t cookie, const char *host, bool is_off);
/* What a manager that has just started knows of fenced hosts. */
void actors_know(struct world *w);
void actor_told(struct world *w, const struct db_event *event);
/* What the manager is told of a counter. */
void actor_counted(struct site *s, const struct provider_completion *done);

/* invariants.c */
void check_sent(struct site *s, const struct provider_op *op);
/* The switch has answered: carried out or not, it is over. */
void check_answered(struct site *s, const struct provider_completion *done);
void check_effect(struct site *s, const struct sim_effect *effect);
void check_event(struct world *w, const struct db_event *event);
void check_step(struct world *w);
/* A manager has loaded its database. */
void check_loaded(struct world *w);
/* An older database takes the place of what was known. */
void known_forget(struct world *w);
void check_end(struct world *w);
/* drills.c */
void drills_know(struct world *w);
void drill_forget(struct actor *a);
void check_drill_sent(struct site *s, const struct actor *a, const struct provider_op *op);
void check_drill_effect(struct actor *a, const struct sim_effect *e);
void check_drill_event(struct world *w, struct actor *a, const struct db_event *event);
/* @a is to take over. */
void check_drill_target(struct world *w, const struct actor *a);
void check_drills_end(struct world *w);
/* The manager that was killed has let it in, and did not come to telling it. */
bool drill_is_let_in_untold(const struct world *w, const struct actor *a);
/* profiles.c: of a manager that runs */
void check_profiles(struct world *w);
/* What profiles say, and what their functions are, is of two different times: until they are whole.
 */
void profiles_loosen(struct world *w);
