/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/complete.h"

#include <stdio.h>
#include <string.h>

#include "cli/resource.h"
#include "common/night_key.h"

static void candidate(struct buf *out, const char *begun, const char *text, size_t length)
{
	size_t n = strlen(begun);

	if (n > length || memcmp(text, begun, n))
		return;
	buf_bytes(out, text, length);
	buf_text(out, "\n");
}

/* "table|json" */
static void candidates_of(struct buf *out, const char *begun, const char *choices)
{
	while (*choices) {
		size_t n = strcspn(choices, "|");

		candidate(out, begun, choices, n);
		choices += n + (choices[n] == '|');
	}
}

/* The words of names that follow @first, each once: neighbours in the list share their first. */
static void commands_add(struct buf *out, const char *begun, const char *first)
{
	const char *before = "";

	for (size_t i = 0; cli_commands[i]; i++) {
		const char *name = cli_commands[i]->name;
		size_t n = first ? strlen(first) : 0;

		if (first && (strncmp(name, first, n) || name[n] != ' '))
			continue;
		name += first ? n + 1 : 0;
		n = strcspn(name, " ");
		if (strncmp(before, name, n) || (before[n] && before[n] != ' '))
			candidate(out, begun, name, n);
		before = name;
	}
}

static void options_add(struct buf *out, const char *begun, const struct cli_option *options,
			size_t most)
{
	for (size_t i = 0; i < most && options[i].name; i++)
		candidate(out, begun, options[i].name, strlen(options[i].name));
}

static const struct cli_option *option_find(const struct cli_command *command, const char *word)
{
	static const struct cli_option output = { "-o", "FORMAT", KIND_OUTPUT, "", false };

	if (!strcmp(word, "-o"))
		return &output;
	for (size_t i = 0; cli_global_options[i].name; i++)
		if (!strcmp(cli_global_options[i].name, word))
			return &cli_global_options[i];
	for (size_t i = 0; command && i < CLI_OPTIONS && command->options[i].name; i++)
		if (!strcmp(command->options[i].name, word))
			return &command->options[i];
	return NULL;
}

static const struct cli_command *command_find(const char *first, const char *second)
{
	size_t n = strlen(first);

	for (size_t i = 0; cli_commands[i]; i++) {
		const char *name = cli_commands[i]->name;

		if (!strncmp(name, first, n) &&
		    (second ? name[n] == ' ' && !strcmp(name + n + 1, second) : !name[n]))
			return cli_commands[i];
	}
	return NULL;
}

struct walk {
	const char *first; /* of a name of two words */
	size_t operands;
	const struct cli_option *open; /* its value is the word that comes */
};

/* A word that is complete. */
static void walk_word(struct walk *w, struct complete *c, const char *word)
{
	if (w->open) {
		if (!strcmp(w->open->name, "--socket"))
			c->socket = word;
		w->open = NULL;
	} else if (word[0] == '-' && word[1]) {
		w->open = option_find(c->command, word);
		if (w->open && !w->open->value)
			w->open = NULL;
	} else if (c->command) {
		w->operands++;
	} else {
		c->command = command_find(w->first ? w->first : word, w->first ? word : NULL);
		w->first = word;
	}
}

/* "heartbeat.missed=", "failover.witness=any" */
static void settings_add(struct buf *out, const char *begun)
{
	for (size_t i = 0; i < NIGHT_KEYS; i++) {
		const struct night_key *key = &night_keys[i];
		const char *choice = key->choices ? key->choices : "";

		do {
			char text[128];
			int n = snprintf(text, sizeof(text), "%s.%s=%.*s", key->section, key->name,
					 (int)strcspn(choice, " "), choice);

			if (key->may_be_set)
				candidate(out, begun, text, (size_t)n);
			choice += strcspn(choice, " ");
		} while (*choice++);
	}
}

static void value_add(struct buf *out, const struct complete *c)
{
	if (c->kind == KIND_ON_OFF)
		candidates_of(out, c->begun, "on|off");
	if (c->kind == KIND_SETTING)
		settings_add(out, c->begun);
	if (c->kind == KIND_SOURCE)
		candidates_of(out, c->begun, "dump:|sysfs:|pci");
	if (c->kind == KIND_OUTPUT)
		candidates_of(out, c->begun,
			      c->command ? c->command->outputs : "table|json|tree|dot|ids|lspci");
}

void complete_words(size_t count, const char *const *words, struct complete *c, struct buf *out)
{
	struct walk w = { 0 };

	*c = (struct complete){ .begun = count ? words[count - 1] : "" };
	for (size_t i = 0; i + 1 < count; i++)
		walk_word(&w, c, words[i]);
	if (w.open) {
		c->is_value = true;
		c->kind = w.open->kind;
		value_add(out, c);
	} else if (c->begun[0] == '-') {
		if (c->command)
			options_add(out, c->begun, c->command->options, CLI_OPTIONS);
		options_add(out, c->begun, cli_global_options, 8);
	} else if (!c->command) {
		commands_add(out, c->begun, w.first);
	} else if (w.operands < CLI_OPERANDS && c->command->operands[w.operands].name) {
		c->is_value = true;
		c->kind = c->command->operands[w.operands].kind;
	}
}

const char *complete_path(enum cli_kind kind)
{
	for (size_t i = 0; cli_resources[i]; i++)
		if (cli_resources[i]->kind == kind)
			return cli_resources[i]->path;
	return NULL;
}
