/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct cli_option cli_global_options[] = {
	{ "--socket", "PATH", KIND_FILE,
	  "fabricd's control socket; /run/fabricd/fabricd.sock unless given (or FABRIC_SOCKET)",
	  false },
	{ "--output", "FORMAT", KIND_OUTPUT, "what to print; -o for short", false },
	{ "--no-color", NULL, KIND_TEXT, "no colours (or NO_COLOR); there are none in a pipe",
	  false },
	{ "--help", NULL, KIND_TEXT, "this text; also behind any command", false },
	{ "--version", NULL, KIND_TEXT, "the program's version", false },
	{ 0 },
};

const char *cli_call_option(const struct cli_call *call, const char *name)
{
	for (size_t i = 0; i < call->given_count; i++)
		if (!strcmp(call->given[i].name, name))
			return call->given[i].value;
	return NULL;
}

bool cli_number_parse(const char *text, unsigned long least, unsigned long most, unsigned long *out)
{
	unsigned long value;
	char *end = NULL;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || *end || value < least || value > most)
		return false;
	*out = value;
	return true;
}

bool cli_output_is_among(const char *output, const char *outputs)
{
	size_t length = strlen(output);

	while (*outputs) {
		size_t n = strcspn(outputs, "|");

		if (n == length && !memcmp(outputs, output, n))
			return true;
		outputs += n + (outputs[n] == '|');
	}
	return false;
}

/* ---- parsing ---- */

struct parser {
	struct cli_call *call;
	struct buf *error;
	const char *first; /* the first word of a command's name, until the second has come */
};

static enum cli_exit complain(struct parser *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static enum cli_exit complain(struct parser *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_vprintf(p->error, format, args);
	va_end(args);
	return CLI_USAGE;
}

bool cli_group_is_known(const char *group)
{
	size_t n = strlen(group);

	for (size_t i = 0; cli_commands[i]; i++)
		if (!strncmp(cli_commands[i]->name, group, n) && cli_commands[i]->name[n] == ' ')
			return true;
	return false;
}

static const struct cli_command *find_command(const char *first, const char *second)
{
	size_t n = strlen(first);

	for (size_t i = 0; cli_commands[i]; i++) {
		const char *name = cli_commands[i]->name;

		if (strncmp(name, first, n))
			continue;
		if (second ? name[n] == ' ' && !strcmp(name + n + 1, second) : !name[n])
			return cli_commands[i];
	}
	return NULL;
}

static const struct cli_option *find_option(const struct cli_option *options, size_t most,
					    const char *name, size_t length)
{
	for (size_t i = 0; i < most && options[i].name; i++)
		if (strlen(options[i].name) == length && !memcmp(options[i].name, name, length))
			return &options[i];
	return NULL;
}

static enum cli_exit take_word(struct parser *p, const char *word)
{
	struct cli_call *call = p->call;

	if (call->command) {
		const struct cli_operand *operands = call->command->operands;

		if (call->operand_count == CLI_OPERANDS || !operands[call->operand_count].name)
			return complain(p, "%s: one word too many: %s", call->command->name, word);
		if (!*word)
			return complain(p, "%s: %s is empty", call->command->name,
					operands[call->operand_count].name);
		call->operands[call->operand_count++] = word;
		return CLI_DONE;
	}
	if (!p->first && !strcmp(word, "help")) {
		call->help = true;
		return CLI_DONE;
	}
	call->command = p->first ? find_command(p->first, word) : find_command(word, NULL);
	if (call->command)
		return CLI_DONE;
	if (p->first)
		return complain(p, "no such command: %s %s", p->first, word);
	if (!cli_group_is_known(word))
		return complain(p, "no such command: %s", word);
	p->first = word;
	return CLI_DONE;
}

/* Return: true when @name is a global option, which is then taken. */
static bool take_global(struct cli_call *call, const char *name, size_t length, const char *value)
{
	const struct cli_option *option = find_option(cli_global_options, 8, name, length);

	if (!option)
		return false;
	switch (option - cli_global_options) {
	case 0:
		call->socket = value;
		break;
	case 1:
		call->output = value;
		break;
	case 2:
		call->no_color = true;
		break;
	case 3:
		call->help = true;
		break;
	default:
		call->version = true;
	}
	return true;
}

/* "--state" with a letter behind the dashes, and nothing that no field has. */
static bool is_filter_name(const char *name, size_t length)
{
	for (size_t i = 2; i < length; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789_.-", name[i]))
			return false;
	return length > 2 && name[2] >= 'a' && name[2] <= 'z';
}

static enum cli_exit take_given(struct parser *p, const struct cli_option *option, const char *name,
				const char *value)
{
	struct cli_call *call = p->call;

	if (cli_call_option(call, name) && !(option && option->kind == KIND_SETTING))
		return complain(p, "%s is given twice", name);
	if (call->given_count == CLI_GIVEN)
		return complain(p, "too many options");
	call->given[call->given_count++] = (struct cli_given){ name, value, option };
	return CLI_DONE;
}

/* Return: how many words were used, 0 on an error. */
static size_t take_option(struct parser *p, const char *word, const char *next)
{
	struct cli_call *call = p->call;
	const char *equals = strchr(word, '=');
	size_t length = equals ? (size_t)(equals - word) : strlen(word);
	const struct cli_option *option = find_option(cli_global_options, 8, word, length);
	bool global = option != NULL;
	bool filter;
	const char *value;

	if (!global && call->command)
		option = find_option(call->command->options, CLI_OPTIONS, word, length);
	filter = !option && call->command && call->command->filters &&
		 is_filter_name(word, length) && !equals;
	if (!option && !filter) {
		(void)complain(p, "%s%sno such option: %s",
			       call->command ? call->command->name : "", call->command ? ": " : "",
			       word);
		return 0;
	}
	if (option && !option->value) {
		if (equals)
			return (void)complain(p, "%s takes no value", option->name), 0;
		if (global)
			return take_global(call, word, length, NULL), 1;
		return take_given(p, option, option->name, "") ? 0 : 1;
	}
	value = equals ? equals + 1 : next;
	if (!value)
		return (void)complain(p, "%s needs a value", word), 0;
	if (global)
		take_global(call, word, length, value);
	else if (take_given(p, option, option ? option->name : word, value))
		return 0;
	return equals ? 1 : 2;
}

/* -o FORMAT, -oFORMAT, -h */
static size_t take_short(struct parser *p, const char *word, const char *next)
{
	if (!strcmp(word, "-h")) {
		p->call->help = true;
		return 1;
	}
	if (word[1] != 'o')
		return (void)complain(p, "no such option: %s", word), 0;
	p->call->output = word[2] ? word + 2 : next;
	if (!p->call->output)
		return (void)complain(p, "-o needs a value"), 0;
	return word[2] ? 1 : 2;
}

static enum cli_exit check_complete(struct parser *p)
{
	const struct cli_call *call = p->call;
	const struct cli_command *command = call->command;

	if (!command && p->first)
		return complain(p, "%s: which command?", p->first);
	if (!command)
		return complain(p, "no command");
	if (call->operand_count < CLI_OPERANDS) {
		const struct cli_operand *missing = &command->operands[call->operand_count];

		if (missing->name && !missing->optional)
			return complain(p, "%s: %s is missing", command->name, missing->name);
	}
	for (size_t i = 0; i < CLI_OPTIONS && command->options[i].name; i++)
		if (command->options[i].required &&
		    !cli_call_option(call, command->options[i].name))
			return complain(p, "%s: %s is missing", command->name,
					command->options[i].name);
	if (call->output && !cli_output_is_among(call->output, command->outputs))
		return complain(p, "%s: -o takes %s, not %s", command->name, command->outputs,
				call->output);
	return CLI_DONE;
}

enum cli_exit cli_parse(size_t count, const char *const *words, struct cli_call *call,
			struct buf *error)
{
	struct parser p = { .call = call, .error = error };
	bool options = true;

	*call = (struct cli_call){ 0 };
	for (size_t i = 0; i < count;) {
		const char *word = words[i];
		const char *next = i + 1 < count ? words[i + 1] : NULL;
		size_t used = 1;

		if (options && !strcmp(word, "--"))
			options = false;
		else if (options && !strncmp(word, "--", 2))
			used = take_option(&p, word, next);
		else if (options && word[0] == '-' && word[1])
			used = take_short(&p, word, next);
		else if (take_word(&p, word))
			used = 0;
		if (!used)
			return CLI_USAGE;
		i += used;
	}
	call->group = call->command ? NULL : p.first;
	return call->help || call->version ? CLI_DONE : check_complete(&p);
}

/* ---- help ---- */

static void help_line(struct buf *out, const char *left, const char *right)
{
	buf_printf(out, "  %-32s %s\n", left, right);
}

static void help_options(struct buf *out, const struct cli_option *options, size_t most)
{
	for (size_t i = 0; i < most && options[i].name; i++) {
		OWNED(buf_done) struct buf left = { 0 };

		buf_printf(&left, "%s%s%s", options[i].name, options[i].value ? " " : "",
			   options[i].value ? options[i].value : "");
		help_line(out, left.failed ? "" : (const char *)left.data, options[i].help);
	}
}

static void synopsis(struct buf *out, const struct cli_command *command)
{
	buf_text(out, command->name);
	for (size_t i = 0; i < CLI_OPERANDS && command->operands[i].name; i++)
		buf_printf(out, command->operands[i].optional ? " [%s]" : " %s",
			   command->operands[i].name);
	for (size_t i = 0; i < CLI_OPTIONS && command->options[i].name; i++) {
		const struct cli_option *option = &command->options[i];

		buf_printf(out, " %s%s%s%s%s", option->required ? "" : "[", option->name,
			   option->value ? " " : "", option->value ? option->value : "",
			   option->required ? "" : "]");
	}
	if (command->filters)
		buf_text(out, " [--FIELD VALUE]...");
}

static void help_commands(struct buf *out, const char *group)
{
	for (size_t i = 0; cli_commands[i]; i++) {
		const struct cli_command *command = cli_commands[i];
		size_t n = group ? strlen(group) : 0;

		if (group && (strncmp(command->name, group, n) || command->name[n] != ' '))
			continue;
		help_line(out, command->name, command->summary);
	}
}

void cli_help_program(struct buf *out)
{
	buf_text(out, "usage: fabricctl [--socket PATH] [-o FORMAT] [--no-color] COMMAND ...\n\n"
		      "Shows and changes a PCIe fabric through its manager, fabricd.\n\n"
		      "commands ('fabricctl COMMAND --help' tells more of each):\n");
	help_commands(out, NULL);
	buf_text(out, "\noptions, before or behind the command:\n");
	help_options(out, cli_global_options, 8);
	buf_text(out,
		 "\nexamples:\n"
		 "  fabricctl topology\n"
		 "  fabricctl function list --state free\n"
		 "  fabricctl function assign nic-3fa2/pf0/vf3 bay7 --wait 10\n"
		 "  fabricctl event follow\n"
		 "\nexit codes: 0 done, 1 refused or bad input, 2 usage, 3 daemon or switch not "
		 "reached,\n4 failed on the way\n");
}

void cli_help_group(struct buf *out, const char *group)
{
	buf_printf(out, "usage: fabricctl %s COMMAND ...\n\ncommands:\n", group);
	help_commands(out, group);
}

void cli_help_command(struct buf *out, const struct cli_command *command)
{
	buf_text(out, "usage: fabricctl ");
	synopsis(out, command);
	buf_printf(out, "\n\nfabricctl %s: %s.\n", command->name, command->summary);
	if (command->detail)
		buf_printf(out, "%s\n", command->detail);
	if (command->options[0].name) {
		buf_text(out, "\noptions:\n");
		help_options(out, command->options, CLI_OPTIONS);
	}
	buf_text(out, "\noptions of every command:\n");
	buf_printf(out, "  %-32s what to print: %s; the first unless given\n", "-o FORMAT",
		   command->outputs);
	help_options(out, cli_global_options, 1);
	help_options(out, cli_global_options + 2, 2);
	buf_printf(out, "\nexamples:\n%s\n", command->examples);
}
