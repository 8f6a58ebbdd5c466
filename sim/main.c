/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fabricsim: a modelled multi-root switch, as a process of its own. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "provider/control.h"
#include "sim/chassis_file.h"
#include "sim/model.h"
#include "sim/serve.h"

enum { ARGUMENTS_MAX = 64, REQUEST_MAX = 4096 };

enum option_id {
	OPT_CHASSIS,
	OPT_STATE,
	OPT_SOCKET,
	OPT_HOSTS,
	OPT_SWITCHES,
	OPT_ADAPTERS,
	OPT_VFS,
	OPT_OUTPUT,
	OPT_LOG,
	OPTIONS,
};

/* --name VALUE, as the help texts spell it. */
static const struct {
	const char *name;
	const char *value;
	const char *help;
} options[OPTIONS] = {
	[OPT_CHASSIS] = { "chassis", "FILE", "what stands in the chassis" },
	[OPT_STATE] = { "state", "FILE", "the switch's memory; begun when it is not there" },
	[OPT_SOCKET] = { "socket", "PATH", "where the switch is reached" },
	[OPT_HOSTS] = { "hosts", "N", "blades (default 16)" },
	[OPT_SWITCHES] = { "switches", "N", "switches, in a row (default 2)" },
	[OPT_ADAPTERS] = { "adapters", "N", "at least half of them Ethernet (default 8)" },
	[OPT_VFS] = { "vfs", "N", "virtual functions of each adapter (default 16)" },
	[OPT_OUTPUT] = { "output", "json", "the form of the answer" },
	[OPT_LOG] = { "log", "LEVEL", "err, warning, notice, info or debug (default notice)" },
};

struct call {
	const struct command *command;
	const char *options[OPTIONS];
	char *arguments[ARGUMENTS_MAX];
	int count;
};

struct command {
	const char *name;
	const char *summary;
	const char *arguments; /* as the help spells them */
	int least;
	int most;
	unsigned takes; /* bits of options */
	unsigned needs;
	int (*run)(const struct call *call);
	const char *more; /* what else the help says */
};

#define BIT(option) (1u << (option))

__attribute__((format(printf, 1, 2))) static void complain(const char *format, ...)
{
	va_list args;

	fputs("fabricsim: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

static int usage(const struct command *command)
{
	complain("see fabricsim %s%s--help", command ? command->name : "", command ? " " : "");
	return EXIT_USAGE;
}

static int print(const struct buf *out)
{
	if (out->failed) {
		complain("out of memory");
		return EXIT_FAILED;
	}
	if (out->length &&
	    (fwrite(out->data, 1, out->length, stdout) != out->length || fflush(stdout))) {
		complain("standard output: %s", strerror(errno));
		return EXIT_FAILED;
	}
	return EXIT_DONE;
}

static int chassis_load(const char *path, struct sim_chassis **out)
{
	char error[SIM_CHASSIS_ERROR];
	int r = sim_chassis_read(path, out, error);

	if (r)
		fprintf(stderr, "%s\n", error);
	return r;
}

static int do_run(const struct call *call)
{
	OWNED(sim_chassis_free) struct sim_chassis *chassis = NULL;
	const char *level = call->options[OPT_LOG] ? call->options[OPT_LOG] : "notice";

	if (log_level_parse(level) < 0) {
		complain("--log %s: no such level", level);
		return usage(call->command);
	}
	log_setup("fabricsim", (enum log_level)log_level_parse(level));
	if (chassis_load(call->options[OPT_CHASSIS], &chassis))
		return EXIT_REFUSED;
	return (int)sim_serve(chassis, call->options[OPT_STATE], call->options[OPT_SOCKET]);
}

static int do_check(const struct call *call)
{
	OWNED(sim_chassis_free) struct sim_chassis *chassis = NULL;

	return chassis_load(call->arguments[0], &chassis) ? EXIT_REFUSED : EXIT_DONE;
}

/* False after a complaint. */
static bool number_of(const struct call *call, enum option_id id, unsigned or_else, unsigned *out)
{
	const char *text = call->options[id];
	unsigned long n;
	char *end;

	*out = or_else;
	if (!text)
		return true;
	errno = 0;
	n = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || n > 1000000) {
		complain("--%s %s: a number is expected", options[id].name, text);
		return false;
	}
	*out = (unsigned)n;
	return true;
}

static int do_generate(const struct call *call)
{
	OWNED(sim_chassis_free) struct sim_chassis *chassis = NULL;
	OWNED(buf_done) struct buf out = { 0 };
	unsigned hosts, switches, adapters, vfs;
	char why[SIM_CHASSIS_WHY] = "out of memory";

	if (!number_of(call, OPT_HOSTS, 16, &hosts) ||
	    !number_of(call, OPT_SWITCHES, 2, &switches) ||
	    !number_of(call, OPT_ADAPTERS, 8, &adapters) || !number_of(call, OPT_VFS, 16, &vfs))
		return usage(call->command);
	if (sim_chassis_generate(hosts, switches, adapters, vfs, &chassis, why)) {
		complain("%s", why);
		return EXIT_REFUSED;
	}
	sim_chassis_print(chassis, &out);
	return print(&out);
}

/* Asks the running switch; its reasons go to standard error. */
static int ask(const struct call *call, const char *request, struct buf *answer)
{
	char why[PROVIDER_TEXT_MAX];
	int r = provider_control(call->options[OPT_SOCKET], request, answer, why);

	if (r > 0)
		complain("%.*s", (int)answer->length, answer->data ? (char *)answer->data : "");
	else if (r < 0)
		complain("%s: %s", call->options[OPT_SOCKET], why);
	return !r ? EXIT_DONE : r > 0 ? EXIT_REFUSED : EXIT_UNREACHED;
}

/* The next page of bindings into @out; @after is where the one behind it begins, 0: that was all.
 */
static int bindings_page(const struct call *call, unsigned long *after, struct buf *out)
{
	OWNED(buf_done) struct buf answer = { 0 };
	char request[64], *at, *line;
	int r;

	(void)snprintf(request, sizeof(request), "bindings %lu", *after);
	r = ask(call, request, &answer);
	if (r)
		return r;
	buf_u8(&answer, 0);
	if (answer.failed)
		return EXIT_FAILED;
	*after = strtoul((char *)answer.data, &at, 10);
	at += *at == '\n';
	while ((line = strsep(&at, "\n")) != NULL)
		if (*line)
			buf_printf(out, "%s%s", out->length > 1 ? ",\n " : "", line);
	return EXIT_DONE;
}

static int do_bindings(const struct call *call)
{
	OWNED(buf_done) struct buf out = { 0 };
	unsigned long after = 0;

	if (call->options[OPT_OUTPUT] && strcmp(call->options[OPT_OUTPUT], "json") != 0) {
		complain("-o %s: there is json", call->options[OPT_OUTPUT]);
		return usage(call->command);
	}
	buf_text(&out, "[");
	do {
		int r = bindings_page(call, &after, &out);

		if (r)
			return r;
	} while (after);
	buf_text(&out, "]\n");
	return print(&out);
}

/* The command and its arguments, as they stand on the command line. */
static int do_words(const struct call *call)
{
	OWNED(buf_done) struct buf answer = { 0 };
	char request[REQUEST_MAX];
	size_t length = (size_t)snprintf(request, sizeof(request), "%s", call->command->name);
	int r;

	for (int i = 0; i < call->count; i++) {
		if (!call->arguments[i][0] || strchr(call->arguments[i], ' ') ||
		    length + strlen(call->arguments[i]) + 2 > sizeof(request)) {
			complain("\"%s\" cannot be", call->arguments[i]);
			return usage(call->command);
		}
		length += (size_t)snprintf(request + length, sizeof(request) - length, " %s",
					   call->arguments[i]);
	}
	r = ask(call, request, &answer);
	return r ? r : print(&answer);
}

static const struct command commands[] = {
	{ "run", "serve a modelled switch", "", 0, 0,
	  BIT(OPT_CHASSIS) | BIT(OPT_STATE) | BIT(OPT_SOCKET) | BIT(OPT_LOG),
	  BIT(OPT_CHASSIS) | BIT(OPT_STATE) | BIT(OPT_SOCKET), do_run,
	  "It runs until SIGTERM or SIGINT. What it acknowledged it still knows after kill -9.\n" },
	{ "check", "read a chassis file and say what is wrong with it", "FILE", 1, 1, 0, 0,
	  do_check, "" },
	{ "generate", "print a chassis file of a size", "", 0, 0,
	  BIT(OPT_HOSTS) | BIT(OPT_SWITCHES) | BIT(OPT_ADAPTERS) | BIT(OPT_VFS), 0, do_generate,
	  "All VFs are enabled and the switch keeps the PFs: any VF can go to any host at "
	  "once.\n" },
	{ "bindings", "what the switch itself has bound where", "", 0, 0,
	  BIT(OPT_SOCKET) | BIT(OPT_OUTPUT), BIT(OPT_SOCKET), do_bindings, "" },
	{ "fault", "make commands go wrong; without SPEC, list what is set", "[SPEC...|clear]", 0,
	  SIM_MODEL_FAULTS, BIT(OPT_SOCKET), BIT(OPT_SOCKET), do_words,
	  "SPEC: VERB|all:WHAT[:COUNT], or reboot-old\n"
	  "  VERB  isolate unbind reset identity num-vfs bind host-power read read-host settle\n"
	  "  WHAT  delay=MS         takes MS instead of the chassis' command_ms\n"
	  "        late=MS          no answer; carried out MS after its deadline\n"
	  "        lost             carried out; the answer is lost\n"
	  "        refused          not carried out\n"
	  "        done-but-failed  carried out, and reported as failed\n"
	  "  COUNT commands that it hits; without it, all until \"clear\"\n"
	  "reboot-old: the switches start again with an older map of bindings.\n" },
	{ "host", "turn a blade's power or link on or off, let it send or be still",
	  "HOST power|link|traffic on|off", 3, 3, BIT(OPT_SOCKET), BIT(OPT_SOCKET), do_words,
	  "traffic on: the counter of the blade's upstream port moves, as that of a running\n"
	  "blade does whether its agent beats or not. It stands until then, and after each\n"
	  "start of the switch.\n" },
	{ "adapter", "let a card die where it is, or live again", "ADAPTER pull|plug", 2, 2,
	  BIT(OPT_SOCKET), BIT(OPT_SOCKET), do_words, "" },
	{ "slot", "be at a slot: take a card out, put one in, press the button",
	  "PORT [out|in [SERIAL]|swap SERIAL|button]", 1, 3, BIT(OPT_SOCKET), BIT(OPT_SOCKET),
	  do_words,
	  "Without a word after PORT it says how the slot is. A card that comes has no power "
	  "until\n"
	  "the manager turns it on, and has in it what the one before had; with another SERIAL\n"
	  "it is another card.\n" },
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void help_all(void)
{
	puts("fabricsim: a modelled multi-root PCIe switch\n\nusage: fabricsim COMMAND ...\n");
	for (int i = 0; i < COMMANDS; i++)
		printf("  %-9s %s\n", commands[i].name, commands[i].summary);
	puts("\nfabricsim COMMAND --help says more; --version prints the version.\n"
	     "Exit: 0 done, 1 refused or bad input, 2 usage, 3 switch not reached, 4 failed.");
}

static void help_one(const struct command *c)
{
	printf("usage: fabricsim %s", c->name);
	for (int i = 0; i < OPTIONS; i++)
		if (c->takes & BIT(i))
			printf(c->needs & BIT(i) ? " --%s %s" : " [--%s %s]", options[i].name,
			       options[i].value);
	printf("%s%s\n\n%s\n", c->arguments[0] ? " " : "", c->arguments, c->summary);
	for (int i = 0; i < OPTIONS; i++)
		if (c->takes & BIT(i))
			printf("  --%s %-*s %s\n", options[i].name,
			       (int)(12 - strlen(options[i].name)), options[i].value,
			       options[i].help);
	if (c->more[0])
		printf("\n%s", c->more);
}

static const struct command *command_find(const char *name)
{
	for (int i = 0; i < COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

enum { HELP = OPTIONS, OUTPUT_SHORT = 'o', HELP_SHORT = 'h' };

/* Return: -1 to go on, else an exit code. */
static int call_parse(struct call *call, int argc, char **argv)
{
	struct option table[OPTIONS + 2] = { 0 };
	int found;

	for (int i = 0; i < OPTIONS; i++)
		table[i] = (struct option){ options[i].name, required_argument, NULL, i };
	table[OPTIONS] = (struct option){ "help", no_argument, NULL, HELP };
	while ((found = getopt_long(argc, argv, "o:h", table, NULL)) != -1) {
		int id = found == OUTPUT_SHORT ? OPT_OUTPUT : found;

		if (found == HELP || found == HELP_SHORT) {
			help_one(call->command);
			return EXIT_DONE;
		}
		if (found == '?')
			return usage(call->command);
		if (!(call->command->takes & BIT(id))) {
			complain("%s: --%s is not for it", call->command->name, options[id].name);
			return usage(call->command);
		}
		call->options[id] = optarg;
	}
	for (; optind < argc && call->count < ARGUMENTS_MAX; optind++)
		call->arguments[call->count++] = argv[optind];
	return -1;
}

static int call_run(const struct call *call)
{
	for (int i = 0; i < OPTIONS; i++)
		if (call->command->needs & BIT(i) && !call->options[i]) {
			complain("%s: --%s %s is needed", call->command->name, options[i].name,
				 options[i].value);
			return usage(call->command);
		}
	if (call->count < call->command->least || call->count > call->command->most) {
		complain("%s: %s arguments", call->command->name,
			 call->count < call->command->least ? "too few" : "too many");
		return usage(call->command);
	}
	return call->command->run(call);
}

int main(int argc, char **argv)
{
	struct call call = { 0 };
	int r;

	if (argc < 2) {
		complain("a command is needed");
		return usage(NULL);
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		help_all();
		return EXIT_DONE;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("fabricsim " FABRIC_VERSION);
		return EXIT_DONE;
	}
	call.command = command_find(argv[1]);
	if (!call.command) {
		complain("no command \"%s\"", argv[1]);
		return usage(NULL);
	}
	r = call_parse(&call, argc - 1, argv + 1);
	return r >= 0 ? r : call_run(&call);
}
