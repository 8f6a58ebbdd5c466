/* SPDX-License-Identifier: GPL-2.0-or-later */
/* simulation --seeds A-B [--minutes N] [--hosts N] [--defect NAME] [--story]: see world.h. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/defect.h"
#include "common/log.h"
#include "tests/simulation/world.h"

#ifdef FABRIC_DEFECTS
enum fabric_defect fabric_defect;
#endif

static const struct {
	const char *name;
	enum fabric_defect defect;
} defects[] = {
	{ "no-read-back", DEFECT_NO_READ_BACK },
	{ "read-before-settle", DEFECT_READ_BEFORE_SETTLE },
	{ "no-generation", DEFECT_NO_GENERATION },
	{ "bind-to-dead", DEFECT_BIND_TO_DEAD },
	{ "fence-ignores-flight", DEFECT_FENCE_IGNORES_FLIGHT },
	{ "unknown-is-done", DEFECT_UNKNOWN_IS_DONE },
	{ "journal-later", DEFECT_JOURNAL_LATER },
	{ "identity-early", DEFECT_IDENTITY_EARLY },
	{ "no-reset", DEFECT_NO_RESET },
	{ "no-quarantine", DEFECT_NO_QUARANTINE },
	{ "fence-believes", DEFECT_FENCE_BELIEVES },
	{ "unknown-is-nowhere", DEFECT_UNKNOWN_IS_NOWHERE },
	{ "unrecorded", DEFECT_UNRECORDED },
	{ "overdue-alone", DEFECT_OVERDUE_ALONE },
	{ "traffic-ignored", DEFECT_TRAFFIC_IGNORED },
	{ "grace-kept", DEFECT_GRACE_KEPT },
	{ "wall-clock", DEFECT_WALL_CLOCK },
	{ "verdict-first", DEFECT_VERDICT_FIRST },
	{ "in-transaction", DEFECT_IN_TRANSACTION },
	{ "unknown-is-failed", DEFECT_UNKNOWN_IS_FAILED },
	{ "late-answer", DEFECT_LATE_ANSWER },
	{ "fence-by-list", DEFECT_FENCE_BY_LIST },
	{ "fence-unisolated", DEFECT_FENCE_UNISOLATED },
	{ "power-is-unbind", DEFECT_POWER_IS_UNBIND },
	{ "no-blast-set", DEFECT_NO_BLAST_SET },
	{ "repair-restored", DEFECT_REPAIR_RESTORED },
	{ "foreign-taken", DEFECT_FOREIGN_TAKEN },
	{ "split-profile", DEFECT_SPLIT_PROFILE },
	{ "cold-unbound", DEFECT_COLD_UNBOUND },
	{ "one-delays-all", DEFECT_ONE_DELAYS_ALL },
	{ "sync-ignored", DEFECT_SYNC_IGNORED },
	{ "quarantine-open", DEFECT_QUARANTINE_OPEN },
	{ "turns-forgotten", DEFECT_TURNS_FORGOTTEN },
	{ "numbers-forgotten", DEFECT_NUMBERS_FORGOTTEN },
	{ "boot-believed", DEFECT_BOOT_BELIEVED },
	{ "asked-forgotten", DEFECT_ASKED_FORGOTTEN },
	{ "nonce-kept", DEFECT_NONCE_KEPT },
	{ "any-key", DEFECT_ANY_KEY },
	{ "old-key-kept", DEFECT_OLD_KEY_KEPT },
	{ "first-way-alone", DEFECT_FIRST_WAY_ALONE },
	{ "aged-by-reading", DEFECT_AGED_BY_READING },
	{ "old-answer", DEFECT_OLD_ANSWER },
	{ "drill-unproved", DEFECT_DRILL_UNPROVED },
	{ "drill-resumed", DEFECT_DRILL_RESUMED },
	{ "drill-busy", DEFECT_DRILL_BUSY },
};

struct options {
	uint64_t first;
	uint64_t last;
	unsigned minutes;
	unsigned hosts;
	const char *defect;
	bool story;
	bool all_defects;
	bool twice;
};

/* What became of all that agents, networks and the attacker sent. */
struct heard {
	uint64_t counts[BEAT_KINDS];
};

static struct world world;

static double cpu_seconds(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

static void story_print(const struct world *w, uint64_t seed)
{
	size_t from = w->story_count > WORLD_STORY ? w->story_count - WORLD_STORY : 0;

	(void)printf("seed %" PRIu64 ": %s\n", seed, w->broken);
	for (size_t i = from; i < w->story_count && !w->print; i++)
		(void)printf("  %s\n", w->story[i % WORLD_STORY]);
	(void)printf("again, from its first step: simulation --seeds %" PRIu64 " --story\n", seed);
}

static void heard_add(struct heard *heard, const struct world *w)
{
	for (unsigned kind = 0; kind < BEAT_KINDS; kind++)
		heard->counts[kind] += w->net.counts[kind];
}

static void heard_print(const struct heard *heard)
{
	static const char *const names[BEAT_KINDS] = {
		[BEAT_COUNTED] = "counted",       [BEAT_REORDERED] = "reordered",
		[BEAT_DOUBLED] = "doubled",       [BEAT_LATE] = "late",
		[BEAT_REPLAYED] = "replayed",     [BEAT_FORGED] = "forged",
		[BEAT_CHALLENGED] = "challenged",
	};

	(void)printf("beats:");
	for (unsigned kind = 0; kind < BEAT_KINDS; kind++)
		(void)printf(" %" PRIu64 " %s%s", heard->counts[kind], names[kind],
			     kind + 1 < BEAT_KINDS ? "," : "\n");
}

/* Return: the seed that broke an invariant, or 0. */
static uint64_t run_seeds(const struct options *o, bool quietly, char *broken)
{
	double start = cpu_seconds();
	double trouble_s = 1e-9;
	uint64_t simulated = 0;
	uint64_t kills = 0;
	uint64_t failovers = 0;
	uint64_t power_ons = 0;
	uint64_t drills = 0;
	uint64_t replayed = 0;
	uint64_t unrecorded = 0;
	struct heard heard = { 0 };

	for (uint64_t seed = o->first; seed <= o->last; seed++) {
		int r;

		memset(&world, 0, sizeof(world));
		world.hosts = o->hosts;
		world.print = o->story;
		r = world_run(&world, seed, o->minutes);
		simulated += world.now_ms - 1000000;
		trouble_s += world.trouble_cpu_s;
		kills += world.kills;
		failovers += world.failovers;
		power_ons += world.power_ons;
		drills += world.drills;
		replayed += world.replayed;
		unrecorded += world.unrecorded;
		heard_add(&heard, &world);
		if (r && !quietly)
			story_print(&world, seed);
		if (r)
			(void)snprintf(broken, DB_TEXT_MAX, "%s", world.broken);
		world_done(&world);
		if (r)
			return seed;
	}
	if (!quietly) {
		(void)printf("seeds %" PRIu64 "-%" PRIu64
			     ": no invariant broken; %.1f hours simulated, "
			     "%" PRIu64 " kills, %" PRIu64 " fences, %" PRIu64
			     " cold spares turned on, %" PRIu64 " drills, %" PRIu64
			     " incidents run again (%" PRIu64
			     " have no record), %.1f minutes per second of CPU, "
			     "%.1f while faults are on\n",
			     o->first, o->last, (double)simulated / 3600000, kills, failovers,
			     power_ons, drills, replayed, unrecorded,
			     (double)simulated / 60000 / (cpu_seconds() - start + 1e-9),
			     (double)(o->last - o->first + 1) * o->minutes / trouble_s);
		heard_print(&heard);
	}
	return 0;
}

/* Each seed two times: what happened must be the same, to the last line. */
static int run_twice(const struct options *o)
{
	for (uint64_t seed = o->first; seed <= o->last; seed++) {
		uint64_t hash[2];

		for (unsigned i = 0; i < 2; i++) {
			memset(&world, 0, sizeof(world));
			world.hosts = o->hosts;
			(void)world_run(&world, seed, o->minutes); /* judged elsewhere */
			hash[i] = world.story_hash;
			world_done(&world);
		}
		if (hash[0] != hash[1]) {
			(void)printf("seed %" PRIu64 " does not replay\n", seed);
			return 1;
		}
	}
	(void)printf("seeds %" PRIu64 "-%" PRIu64 " replay exactly\n", o->first, o->last);
	return 0;
}

#ifdef FABRIC_DEFECTS
static int run_defects(const struct options *o)
{
	int missed = 0;

	for (size_t i = 0; i < sizeof(defects) / sizeof(*defects); i++) {
		char broken[DB_TEXT_MAX] = "";
		uint64_t seed;

		if (o->defect && strcmp(o->defect, defects[i].name) != 0)
			continue;
		fabric_defect = defects[i].defect;
		seed = run_seeds(o, !o->story, broken);
		(void)printf("%-22s %s", defects[i].name, seed ? "caught" : "NOT CAUGHT");
		if (seed)
			(void)printf(" by seed %" PRIu64 ": %s", seed, broken);
		(void)printf("\n");
		(void)fflush(stdout);
		missed += !seed;
	}
	return missed ? 1 : 0;
}
#endif

static void usage(FILE *out)
{
	(void)fprintf(out, "usage: simulation [--seeds A[-B]] [--minutes N] [--hosts N] [--story] "
			   "[--twice]"
#ifdef FABRIC_DEFECTS
			   " [--defects | --defect NAME]"
#endif
			   "\nRuns the manager against the modelled switch under a virtual clock; "
			   "exit 1 when an invariant breaks.\n");
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "seeds", required_argument, NULL, 's' },
		{ "minutes", required_argument, NULL, 'm' },
		{ "hosts", required_argument, NULL, 'H' },
		{ "defect", required_argument, NULL, 'd' },
		{ "defects", no_argument, NULL, 'D' },
		{ "story", no_argument, NULL, 'y' },
		{ "twice", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct options o = { .first = 1, .last = 20, .minutes = 3, .hosts = 7 };
	char broken[DB_TEXT_MAX];
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 's': {
			char *end;

			o.first = strtoull(optarg, &end, 10);
			o.last = *end == '-' ? strtoull(end + 1, NULL, 10) : o.first;
			break;
		}
		case 'm':
			o.minutes = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'H':
			o.hosts = (unsigned)strtoul(optarg, NULL, 10);
			if (!o.hosts || o.hosts > WORLD_HOSTS) {
				usage(stderr);
				return 2;
			}
			break;
		case 'd':
			o.defect = optarg;
			o.all_defects = true;
			break;
		case 'D':
			o.all_defects = true;
			break;
		case 'y':
			o.story = true;
			break;
		case 't':
			o.twice = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	log_setup("simulation", o.story ? LOG_LEVEL_ERR : (enum log_level)0);
#ifdef FABRIC_DEFECTS
	if (o.all_defects)
		return run_defects(&o);
#else
	(void)defects;
	(void)o.all_defects;
#endif
	if (o.twice)
		return run_twice(&o);
	return run_seeds(&o, false, broken) ? 1 : 0;
}
