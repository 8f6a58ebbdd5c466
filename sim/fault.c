/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/fault.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	bool has_ms;
} kinds[] = {
	[SIM_FAULT_DELAY] = { "delay", true },
	[SIM_FAULT_LATE] = { "late", true },
	[SIM_FAULT_LOST] = { "lost", false },
	[SIM_FAULT_REFUSED] = { "refused", false },
	[SIM_FAULT_FAILED] = { "done-but-failed", false },
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]), MS_MAX = 86400000, COUNT_MAX = 1000000000 };

/* Decimal digits and nothing else, @least .. @most. */
static bool number_parse(const char *text, uint32_t least, uint32_t most, uint32_t *out)
{
	char *end;
	unsigned long n;

	if (!isdigit((unsigned char)text[0]) || strlen(text) > 10)
		return false;
	n = strtoul(text, &end, 10);
	if (*end || n < least || n > most)
		return false;
	*out = (uint32_t)n;
	return true;
}

static bool verb_parse(const char *text, struct sim_fault *out)
{
	int verb = provider_verb_parse(text);

	if (strcmp(text, "all") != 0 && verb <= 0)
		return false;
	out->verb = verb > 0 ? (enum provider_verb)verb : PROVIDER_VERB_NONE;
	return true;
}

static bool kind_parse(char *text, struct sim_fault *out)
{
	char *ms = strchr(text, '=');

	if (ms)
		*ms++ = '\0';
	for (int kind = SIM_FAULT_DELAY; kind < KINDS; kind++) {
		if (strcmp(text, kinds[kind].name) != 0)
			continue;
		out->kind = (enum sim_fault_kind)kind;
		if (kinds[kind].has_ms != (ms != NULL))
			return false;
		return !ms || number_parse(ms, 0, MS_MAX, &out->ms);
	}
	return false;
}

int sim_fault_parse(const char *text, struct sim_fault *out, char *why)
{
	struct sim_fault fault = { 0 };
	char copy[80], *parts[3] = { copy, NULL, NULL };

	if (strlen(text) >= sizeof(copy)) {
		(void)snprintf(why, PROVIDER_TEXT_MAX, "a fault is VERB|all:WHAT[:COUNT]");
		return REFUSE_FIELD;
	}
	(void)snprintf(copy, sizeof(copy), "%s", text);
	for (int i = 0; i < 2 && parts[i]; i++) {
		parts[i + 1] = strchr(parts[i], ':');
		if (parts[i + 1])
			*parts[i + 1]++ = '\0';
	}
	if (!verb_parse(parts[0], &fault))
		(void)snprintf(why, PROVIDER_TEXT_MAX, "\"%.60s\" is no command", parts[0]);
	else if (!parts[1] || !kind_parse(parts[1], &fault))
		(void)snprintf(why, PROVIDER_TEXT_MAX,
			       "a fault is delay=MS, late=MS, lost, refused or done-but-failed");
	else if (parts[2] && !number_parse(parts[2], 1, COUNT_MAX, &fault.count))
		(void)snprintf(why, PROVIDER_TEXT_MAX, "\"%.60s\" is no count", parts[2]);
	else {
		*out = fault;
		return 0;
	}
	return REFUSE_FIELD;
}

void sim_fault_format(const struct sim_fault *fault, char *out)
{
	int n = snprintf(out, PROVIDER_TEXT_MAX, "%s:%s",
			 fault->verb ? provider_verb_text(fault->verb) : "all",
			 kinds[fault->kind].name);

	if (kinds[fault->kind].has_ms)
		n += snprintf(out + n, (size_t)(PROVIDER_TEXT_MAX - n), "=%u", fault->ms);
	if (fault->count)
		(void)snprintf(out + n, (size_t)(PROVIDER_TEXT_MAX - n), ":%u", fault->count);
}
