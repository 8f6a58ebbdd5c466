/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fabricctl: one command is one const entry. Parsing, help and completion walk the list of entries.
 *
 * main() parses the words into a struct cli_call, opens the client, and runs the entry's function,
 * which asks the daemon through cli/session.h and writes documents or tables to stdout. All that is
 * not an answer goes to stderr. What a command returns is the program's exit code.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

enum cli_exit {
	CLI_DONE,
	CLI_REFUSED,   /* refused by the daemon, or bad input */
	CLI_USAGE,     /* the command line cannot be understood */
	CLI_UNREACHED, /* the daemon or a switch was not reached */
	CLI_FAILED,    /* failed on the way */
};

/* What a word on the command line names: for help and completion. */
enum cli_kind {
	KIND_TEXT,
	KIND_NUMBER,
	KIND_HOST,
	KIND_SWITCH,
	KIND_PORT,
	KIND_ADAPTER,
	KIND_FUNCTION,
	KIND_ASSIGNMENT,
	KIND_CHANGE,
	KIND_INCIDENT,
	KIND_PROFILE,
	KIND_ON_OFF,
	KIND_SETTING, /* KEY=VALUE that a verdict depends on; may be given more than once */
	KIND_FILE,
	KIND_SOURCE,
	KIND_OUTPUT,
};

enum { CLI_OPERANDS = 3, CLI_OPTIONS = 10, CLI_GIVEN = 24 };

struct cli_operand {
	const char *name; /* "FUNCTION" */
	enum cli_kind kind;
	bool optional; /* the last one only */
};

struct cli_option {
	const char *name;  /* "--vport" */
	const char *value; /* "N"; NULL: a switch without value */
	enum cli_kind kind;
	const char *help;
	bool required;
};

struct cli_call;
struct session;
struct cli_resource;

struct cli_command {
	const char *name; /* "function assign" */
	const char *summary;
	const char *detail;   /* lines; NULL: the summary says it all */
	const char *examples; /* lines */
	const char *outputs;  /* "table|json"; the first is the default */
	struct cli_operand operands[CLI_OPERANDS];
	struct cli_option options[CLI_OPTIONS];
	bool filters; /* any --FIELD VALUE beside the options is one */
	const struct cli_resource *resource;
	enum cli_exit (*run)(struct session *s, const struct cli_call *call);
};

struct cli_given {
	const char *name; /* with its dashes */
	const char *value;
	const struct cli_option *option; /* NULL: a filter */
};

/* A command line, understood. All texts are borrowed from argv. */
struct cli_call {
	const struct cli_command *command; /* NULL: none was named */
	const char *group;                 /* "host" where only that was named; else NULL */
	const char *operands[CLI_OPERANDS];
	size_t operand_count;
	struct cli_given given[CLI_GIVEN];
	size_t given_count;
	const char *socket; /* NULL: not given */
	const char *output; /* NULL: not given */
	bool no_color;
	bool help;
	bool version;
};

/* All commands, in the order of the help; ends with NULL. */
extern const struct cli_command *const cli_commands[];
/* Those that every command has; ends with an empty one. */
extern const struct cli_option cli_global_options[];

/* The option's value ("" for a switch), or NULL where it was not given. */
const char *cli_call_option(const struct cli_call *call, const char *name);
/* A whole number from @least to @most. Return: true; false with *@out untouched. */
bool cli_number_parse(const char *text, unsigned long least, unsigned long most,
		      unsigned long *out);

/**
 * cli_parse() - understand a command line
 * @words: without the program's name
 * @call:  filled in all cases as far as understood
 * @error: a sentence, on CLI_USAGE
 *
 * Global options stand anywhere. With --help, a command need not be complete.
 * Return: CLI_DONE or CLI_USAGE.
 */
enum cli_exit cli_parse(size_t count, const char *const *words, struct cli_call *call,
			struct buf *error);

/* @output is one of @outputs ("table|json"). */
bool cli_output_is_among(const char *output, const char *outputs);

/* The whole program's, one group's, or one command's help. */
void cli_help_program(struct buf *out);
void cli_help_group(struct buf *out, const char *group);
void cli_help_command(struct buf *out, const struct cli_command *command);

/* Some command's name begins with @group as its first word. */
bool cli_group_is_known(const char *group);
