/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fabric-db: works on database files where no daemon is asked. `fabricctl db` and `fabricctl audit`
 * start it. A program of its own, so that SQLite is seen by this folder alone.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "db/db.h"

enum { EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_FAILED = 4, WORDS_MAX = 1 };

struct call {
	const char *db;
	const char *key_of;
	uint64_t last;
	const char *words[WORDS_MAX];
	int count;
};

struct command {
	const char *name;
	const char *usage;
	int words;
	int (*run)(const struct call *call);
};

static const char help[] =
	"usage: fabric-db COMMAND [--db FILE]\n"
	"\n"
	"Works on a database of fabricd as a file.\n"
	"\n"
	"  check [FILE]    is it sound, ours, and of a version that is known? Changes nothing; "
	"the\n"
	"                  daemon may run. Without FILE: the database itself\n"
	"  backup FILE     copy the database to FILE, which must not be there; the daemon may run\n"
	"  restore FILE    put a copy in the place of the database; the daemon must be stopped\n"
	"\n"
	"  audit-list      who did what, oldest first; the daemon may run\n"
	"  audit-verify    does every row of the audit fit the one before? Needs the key beside\n"
	"                  the database, FILE.audit-key; with --key-of DB, that of another one\n"
	"\n"
	"  --last N        audit-list: the last N rows only\n"
	"  --db FILE       the database; /var/lib/fabricd/fabricd.db unless given\n"
	"  --help, --version\n"
	"\n"
	"Example: fabric-db check /var/backups/fabricd.db\n"
	"\n"
	"Exit codes: 0 done, 1 refused or bad input, 2 usage, 4 failed on the way.\n";

static int fail(int r, const char *why)
{
	(void)fprintf(stderr, "fabric-db: %s\n", *why ? why : strerror(-r));
	switch (-r) {
	case EBADMSG:
	case EBUSY:
	case ENOENT:
	case EEXIST:
	case EINVAL:
		return EXIT_REFUSED;
	default:
		return EXIT_FAILED;
	}
}

static const char *time_text(uint64_t wall_ms, char out[static 32])
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (!wall_ms || !gmtime_r(&seconds, &tm) || !strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
		(void)snprintf(out, 32, "none");
	return out;
}

static int run_check(const struct call *call)
{
	const char *path = call->count ? call->words[0] : call->db;
	char why[DB_TEXT_MAX] = "";
	struct db_report report;
	char text[32];
	int r = db_check(path, why, &report);

	if (r)
		return fail(r, why);
	(void)printf("%s: sound\n"
		     "version       %" PRIu64 "\n"
		     "incarnation   %s\n"
		     "bytes         %" PRIu64 "\n"
		     "last event    %s\n"
		     "assignments   %" PRIu64 "\n"
		     "changes       %" PRIu64 " running\n"
		     "incidents     %" PRIu64 " open\n"
		     "events        %" PRIu64 "\n"
		     "audit rows    %" PRIu64 "\n",
		     path, report.version, report.incarnation, report.bytes,
		     time_text(report.last_wall_ms, text), report.assignments, report.running,
		     report.incidents, report.events, report.audit);
	return 0;
}

static int run_backup(const struct call *call)
{
	char why[DB_TEXT_MAX] = "";
	int r = db_backup(call->db, call->words[0], why);

	if (r)
		return fail(r, why);
	(void)printf("%s: a copy of %s\n", call->words[0], call->db);
	return 0;
}

static int run_restore(const struct call *call)
{
	char why[DB_TEXT_MAX] = "";
	int r = db_restore(call->words[0], call->db, getuid(), why);

	if (r)
		return fail(r, why);
	(void)printf("%s: restored from %s; what stood there is %s.replaced\n"
		     "Start fabricd: it reports what the switch shows and repairs nothing. Then\n"
		     "compare (fabricctl health), and take what the switch shows as the truth:\n"
		     "fabricctl adopt --dry-run, fabricctl adopt\n",
		     call->db, call->words[0], call->db);
	return 0;
}

/* Names and reasons come from many hands; a terminal shall not take orders from them. */
static const char *clean(char *text)
{
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return text;
}

static void row_print(void *arg, uint64_t id, const struct db_audit *row)
{
	struct db_audit said = *row;
	char change[32] = "";
	char time[32];

	(void)arg;
	if (row->change)
		(void)snprintf(change, sizeof(change), " (change %" PRIu64 ")", row->change);
	(void)printf("%6" PRIu64 "  %s  uid %-6u %-16s %s%s%s%s\n", id,
		     time_text(row->wall_ms, time), row->uid, clean(said.action),
		     clean(said.subject), row->detail[0] ? ": " : "", clean(said.detail), change);
}

static int run_audit_list(const struct call *call)
{
	char why[DB_TEXT_MAX] = "";
	int r = db_audit_list(call->db, call->last, why, row_print, NULL);

	return r ? fail(r, why) : 0;
}

static int run_audit_verify(const struct call *call)
{
	struct db_audit_report report;
	char why[DB_TEXT_MAX] = "";
	int r = db_audit_verify(call->db, call->key_of, why, &report);

	if (r)
		return fail(r, why);
	(void)printf("%s: %" PRIu64 " audit rows fit\n", call->db, report.rows);
	if (report.anchor)
		(void)printf("it begins behind row %" PRIu64
			     ": what was before has gone, or is under another key\n",
			     report.anchor);
	if (report.genesis > report.anchor)
		(void)printf("rows up to %" PRIu64
			     " were written before there was a chain, and are as they were then\n",
			     report.genesis);
	return 0;
}

static const struct command commands[] = {
	{ "check", "check [FILE]", -1, run_check },
	{ "backup", "backup FILE", 1, run_backup },
	{ "restore", "restore FILE", 1, run_restore },
	{ "audit-list", "audit-list", 0, run_audit_list },
	{ "audit-verify", "audit-verify", 0, run_audit_verify },
};

static int usage(const char *reason, const char *value)
{
	(void)fprintf(stderr, "fabric-db: %s%s (see fabric-db --help)\n", reason, value);
	return EXIT_USAGE;
}

static bool number_parse(const char *text, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && !errno)
		return true;
	(void)usage("not a number: ", text);
	return false;
}

static int command_run(const char *name, const struct call *call)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		const struct command *c = &commands[i];

		if (strcmp(c->name, name) != 0)
			continue;
		if (c->words >= 0 && call->count != c->words)
			return usage("it is used so: fabric-db ", c->usage);
		return c->run(call);
	}
	return usage("no such command: ", name);
}

/* What stdout did not take is not done. */
static int leave(int code)
{
	if ((fflush(stdout) || ferror(stdout)) && !code)
		return fail(-EIO, "standard output cannot be written");
	return code;
}

int main(int argc, char **argv)
{
	static const struct option names[] = { { "db", required_argument, NULL, 'd' },
					       { "key-of", required_argument, NULL, 'k' },
					       { "last", required_argument, NULL, 'n' },
					       { "help", no_argument, NULL, 'h' },
					       { "version", no_argument, NULL, 'V' },
					       { NULL, 0, NULL, 0 } };
	struct call call = { .db = "/var/lib/fabricd/fabricd.db" };
	const char *command;
	int option;

	while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
		if (option == 'h' || option == 'V') {
			(void)fputs(option == 'h' ? help : "fabric-db " FABRIC_VERSION "\n",
				    stdout);
			return leave(0);
		}
		if (option == 'd')
			call.db = optarg;
		else if (option == 'k')
			call.key_of = optarg;
		else if (option != 'n' || !number_parse(optarg, &call.last))
			return EXIT_USAGE; /* it was said why */
	}
	if (optind == argc)
		return usage("a command is missing", "");
	command = argv[optind++];
	if (argc - optind > WORDS_MAX)
		return usage("unexpected: ", argv[optind + WORDS_MAX]);
	while (optind < argc)
		call.words[call.count++] = argv[optind++];
	return leave(command_run(command, &call));
}
