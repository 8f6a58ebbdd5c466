/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fabricd/config.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

enum {
	WHY_MAX = 512,
	FILE_MAX = 1 << 20,
	SECTION_MAX = 96,
	NAME_MAX_BYTES = 63, /* of a provider or host, NUL not included */
	KEYS_MAX = 64,
};

static const struct config_key keys[] = {
	{ "heartbeat", "interval", CONFIG_DURATION, false,
	  offsetof(struct config, beat_interval_ms), "1s", 100, 60000, "ms", NULL,
	  "time between two beats of a host" },
	{ "heartbeat", "missed", CONFIG_NUMBER, false, offsetof(struct config, beat_missed), "5", 3,
	  100, "", NULL, "beats that a host may miss before it counts as silent" },
	{ "heartbeat", "udp", CONFIG_STRING, true, offsetof(struct config, udp), CONFIG_NONE, 0, 0,
	  "", NULL,
	  "address and port, in digits, on which beats are heard as datagrams, up to four with "
	  "commas between them; none: they are not" },
	{ "heartbeat", "unix", CONFIG_STRING, true, offsetof(struct config, unix_path), CONFIG_NONE,
	  0, 0, "", NULL,
	  "path of a Unix socket on which the same datagrams are heard from this machine, by its "
	  "owner and group; none: they are not" },
	{ "failover", "witness", CONFIG_CHOICE, false, offsetof(struct config, witness), "any", 0,
	  0, "", "none any all",
	  "what the switch says of a silent host's power, link and traffic: none is not asked; any "
	  "stops a verdict when it says alive and cuts the wait short when it says dead; all must "
	  "say dead" },
	{ "failover", "storm-percent", CONFIG_NUMBER, false, offsetof(struct config, storm_percent),
	  "34", 1, 100, "", NULL,
	  "of the hosts watched in a chassis: when so many are silent at once, failover is held" },
	{ "failover", "storm-min", CONFIG_NUMBER, false, offsetof(struct config, storm_min), "2", 2,
	  1024, "", NULL, "fewer silent hosts than this are never a storm" },
	{ "failover", "rate-count", CONFIG_NUMBER, false, offsetof(struct config, rate_count), "6",
	  1, 64, "", NULL, "automatic failovers that may start within rate-window, in a chassis" },
	{ "failover", "rate-window", CONFIG_DURATION, false,
	  offsetof(struct config, rate_window_ms), "10min", 1000, 86400000, "ms", NULL,
	  "see rate-count" },
	{ "failover", "spare-windows", CONFIG_NUMBER, false, offsetof(struct config, spare_windows),
	  "3", 1, 100, "", NULL,
	  "a spare must have been alive for so many times interval x missed to take over" },
	{ "failover", "cold-start", CONFIG_DURATION, false, offsetof(struct config, cold_start_ms),
	  "5min", 10000, 3600000, "ms", NULL,
	  "a cold spare that was powered on must beat within this, or the next spare takes over; "
	  "and a host that was readmitted, or it is judged as silent" },
	{ "failover", "flap-count", CONFIG_NUMBER, false, offsetof(struct config, flap_count), "3",
	  0, 64, "", NULL,
	  "a host that comes back from silence, or is found dead, so often within flap-window is "
	  "quarantined; 0: none is" },
	{ "failover", "flap-window", CONFIG_DURATION, false,
	  offsetof(struct config, flap_window_ms), "10min", 1000, 86400000, "ms", NULL,
	  "see flap-count" },
	{ "failover", "reserve", CONFIG_NUMBER, false, offsetof(struct config, reserve), "0", 0, 64,
	  "", NULL,
	  "the spares keep room for so many hosts that fail: a change that would use it is "
	  "refused" },
	{ "failover", "fence-attempts", CONFIG_NUMBER, false,
	  offsetof(struct config, fence_attempts), "10", 1, 1000, "", NULL,
	  "tries to fence a host before it is blocked" },
	{ "failover", "fence-retry", CONFIG_DURATION, false,
	  offsetof(struct config, fence_retry_ms), "30s", 100, 3600000, "ms", NULL,
	  "a blocked host is tried again after this" },
	{ "incident", "hooks", CONFIG_PATH, false, offsetof(struct config, hooks), CONFIG_NONE, 0,
	  0, "", NULL,
	  "folder of programs that are run on each step of an incident; none: no program is" },
	{ "incident", "hook-deadline", CONFIG_DURATION, false,
	  offsetof(struct config, hook_deadline_ms), "10s", 100, 600000, "ms", NULL,
	  "each of those programs is killed after this" },
	{ "switch", "command-timeout", CONFIG_DURATION, false,
	  offsetof(struct config, command_timeout_ms), "0", 0, 600000, "ms", NULL,
	  "longest wait for a switch command; 0: what the provider says of itself" },
	{ "switch", "command-attempts", CONFIG_NUMBER, false,
	  offsetof(struct config, command_attempts), "10", 1, 1000, "", NULL,
	  "tries of a switch command before its function is parked" },
	{ "fabric", "repair", CONFIG_BOOL, false, offsetof(struct config, repair), "yes", 0, 1, "",
	  NULL, "mend what is missing or has another identity than it should" },
	{ "fabric", "repair-retry", CONFIG_DURATION, false,
	  offsetof(struct config, repair_retry_ms), "5s", 100, 3600000, "ms", NULL,
	  "first wait before a repair is tried again; doubled each time" },
	{ "host-view", "patience", CONFIG_DURATION, false,
	  offsetof(struct config, view_patience_ms), "10s", 100, 3600000, "ms", NULL,
	  "a host has so long to see a function that is bound to it, before that is told" },
	{ "removal", "deadline", CONFIG_DURATION, false,
	  offsetof(struct config, removal_deadline_ms), "30s", 1000, 600000, "ms", NULL,
	  "a host's agent has so long to let a function go, its hooks included" },
	{ "history", "days", CONFIG_NUMBER, false, offsetof(struct config, history_days), "90", 1,
	  3650, "", NULL,
	  "older events, ended changes and incidents' steps go, but for the newest 4096 of each" },
	{ "history", "events", CONFIG_NUMBER, false, offsetof(struct config, history_events),
	  "100000", 4096, 10000000, "", NULL, "more events than this go, the oldest first" },
	{ "history", "changes", CONFIG_NUMBER, false, offsetof(struct config, history_changes),
	  "20000", 4096, 10000000, "", NULL,
	  "more ended changes, or incidents with steps, than this go, the oldest first" },
	{ "history", "audit", CONFIG_NUMBER, false, offsetof(struct config, history_audit), "0", 0,
	  100000000, "", NULL,
	  "rows of the audit that stay, behind an anchor that keeps them verifiable; 0: all" },
	{ "access", "group-ro", CONFIG_STRING, true, offsetof(struct config, group_ro), "fabric-ro",
	  0, 0, "", NULL, "members may read" },
	{ "access", "group-op", CONFIG_STRING, true, offsetof(struct config, group_op), "fabric-op",
	  0, 0, "", NULL, "members may assign, move, fail over and beat for any host" },
	{ "access", "group-admin", CONFIG_STRING, true, offsetof(struct config, group_admin),
	  "fabric-admin", 0, 0, "", NULL, "members may do all" },
};
enum { KEYS = sizeof(keys) / sizeof(keys[0]) };
_Static_assert((int)KEYS <= (int)KEYS_MAX, "room for the lines of all keys");

/* ---- values ---- */

static const struct {
	const char *text;
	uint32_t ms;
} duration_units[] = {
	{ "", 1 }, { "ms", 1 }, { "s", 1000 }, { "min", 60000 }, { "h", 3600000 },
};

/* Decimal digits and what stands behind them. Return: false for none, or a number too large. */
static bool digits_parse(const char *text, uint64_t *value, const char **rest)
{
	uint64_t n = 0;

	if (!isdigit((unsigned char)*text))
		return false;
	for (; isdigit((unsigned char)*text); text++) {
		n = n * 10 + (uint64_t)(*text - '0');
		if (n > UINT32_MAX)
			return false;
	}
	*value = n;
	*rest = text;
	return true;
}

static bool number_parse(const char *text, uint64_t *value)
{
	const char *rest;

	return digits_parse(text, value, &rest) && !*rest;
}

static bool duration_parse(const char *text, uint64_t *value)
{
	const char *rest;
	uint64_t n;

	if (!digits_parse(text, &n, &rest))
		return false;
	while (*rest == ' ')
		rest++;
	for (size_t i = 0; i < sizeof(duration_units) / sizeof(duration_units[0]); i++) {
		if (strcmp(rest, duration_units[i].text) != 0)
			continue;
		*value = n * duration_units[i].ms;
		return true;
	}
	return false;
}

static bool bool_parse(const char *text, bool *value)
{
	static const struct {
		const char *text;
		bool value;
	} words[] = { { "yes", true }, { "true", true },   { "on", true },
		      { "no", false }, { "false", false }, { "off", false } };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(text, words[i].text) != 0)
			continue;
		*value = words[i].value;
		return true;
	}
	return false;
}

/* Which word of @choices is @text; -1: none. */
static int choice_parse(const char *text, const char *choices)
{
	size_t length = strlen(text);

	for (int n = 0; *choices; n++) {
		size_t word = strcspn(choices, " ");

		if (word == length && !memcmp(choices, text, word))
			return n;
		choices += word;
		choices += *choices == ' ';
	}
	return -1;
}

static void choice_format(const char *choices, unsigned n, char out[static 128])
{
	for (; n && *choices; n--) {
		choices += strcspn(choices, " ");
		choices += *choices == ' ';
	}
	(void)snprintf(out, 128, "%.*s", (int)strcspn(choices, " "), choices);
}

/* The largest unit that leaves no rest. */
static void duration_format(uint32_t ms, char out[static 128])
{
	size_t i = sizeof(duration_units) / sizeof(duration_units[0]) - 1;

	while (i > 1 && (!ms || ms % duration_units[i].ms))
		i--;
	(void)snprintf(out, 128, "%u%s", ms / duration_units[i].ms, duration_units[i].text);
}

/* ---- one file ---- */

struct parse {
	const char *name;
	const char *at; /* what is left of the text */
	const char *end;
	int line;
	char *why;
	int failed; /* the line that @why is about; 0: none */
	struct config *config;
	char section[SECTION_MAX];
	bool in_section;
	int given[KEYS_MAX]; /* line of each key of the table; 0: not given */
	int provider_line[CONFIG_PROVIDERS];
	int fence_line; /* of the last [fence HOST] */
	int host_line;  /* of the last [host NAME] */
};

/* The first reason stands. */
__attribute__((format(printf, 2, 3))) static void parse_fail(struct parse *p, const char *format,
							     ...)
{
	va_list args;
	int n;

	if (p->failed)
		return;
	p->failed = p->line ? p->line : 1;
	n = snprintf(p->why, WHY_MAX, "%s:%d: ", p->name, p->failed);
	if (n < 0 || n >= WHY_MAX)
		return;
	va_start(args, format);
	(void)vsnprintf(p->why + n, WHY_MAX - (size_t)n, format, args); /* cut where it must be */
	va_end(args);
}

static bool is_name(const char *text)
{
	size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789._-/");

	return length && !text[length] && length <= NAME_MAX_BYTES;
}

/* What stands behind @word and a blank in the section's name; NULL: another section. */
static const char *section_name(const char *section, const char *word)
{
	size_t length = strlen(word);

	if (strncmp(section, word, length) != 0 || section[length] != ' ')
		return NULL;
	return section + length + strspn(section + length, " ");
}

static void provider_open(struct parse *p, const char *name)
{
	struct config *c = p->config;

	if (!is_name(name) || strchr(name, '/')) {
		parse_fail(p, "[provider NAME]: a name is 1 to %d of a-z A-Z 0-9 . _ -",
			   NAME_MAX_BYTES);
		return;
	}
	for (size_t i = 0; i < c->provider_count; i++)
		if (!strcmp(c->providers[i].name, name))
			parse_fail(p, "provider %s stands in line %d already", name,
				   p->provider_line[i]);
	if (c->provider_count == CONFIG_PROVIDERS)
		parse_fail(p, "more than %d providers", CONFIG_PROVIDERS);
	if (p->failed)
		return;
	p->provider_line[c->provider_count] = p->line;
	(void)snprintf(c->providers[c->provider_count++].name, CONFIG_TEXT_MAX, "%s", name);
}

static void host_open(struct parse *p, const char *name)
{
	struct config *c = p->config;

	if (!is_name(name)) {
		parse_fail(p, "[host NAME]: a name is 1 to %d of a-z A-Z 0-9 . _ - /",
			   NAME_MAX_BYTES);
		return;
	}
	if (config_host_find(c, name))
		parse_fail(p, "host %s stands here already", name);
	if (c->host_count == CONFIG_HOSTS)
		parse_fail(p, "more than %d hosts", CONFIG_HOSTS);
	if (p->failed)
		return;
	p->host_line = p->line;
	(void)snprintf(c->hosts[c->host_count++].name, CONFIG_TEXT_MAX, "%s", name);
}

static void fence_open(struct parse *p, const char *name)
{
	struct config *c = p->config;

	if (!is_name(name)) {
		parse_fail(p, "[fence HOST]: a name is 1 to %d of a-z A-Z 0-9 . _ - /",
			   NAME_MAX_BYTES);
		return;
	}
	if (config_fence_find(c, name))
		parse_fail(p, "the fence of %s stands here already", name);
	if (c->fence_count == CONFIG_FENCES)
		parse_fail(p, "more than %d fences", CONFIG_FENCES);
	if (p->failed)
		return;
	p->fence_line = p->line;
	(void)snprintf(c->fences[c->fence_count++].host, CONFIG_TEXT_MAX, "%s", name);
}

static bool host_is_empty(const struct config_host *host)
{
	return !host->has_uid && !host->serial[0] && !host->key_file[0];
}

/* A section that needs a key must have had it by its end. */
static void section_close(struct parse *p)
{
	struct config *c = p->config;
	int line = p->line;

	if (c->provider_count && !c->providers[c->provider_count - 1].socket[0]) {
		p->line = p->provider_line[c->provider_count - 1];
		parse_fail(p, "provider %s has no socket",
			   c->providers[c->provider_count - 1].name);
	}
	if (c->fence_count && !c->fences[c->fence_count - 1].program[0]) {
		p->line = p->fence_line;
		parse_fail(p, "the fence of %s has no program", c->fences[c->fence_count - 1].host);
	}
	if (c->host_count && host_is_empty(&c->hosts[c->host_count - 1])) {
		p->line = p->host_line;
		parse_fail(p, "host %s has no key of its own", c->hosts[c->host_count - 1].name);
	}
	p->line = line;
}

static void section_open(struct parse *p, const char *line, size_t length)
{
	const char *close = memchr(line, ']', length);
	size_t size = close ? (size_t)(close - line) - 1 : 0;
	const char *name;
	size_t rest;

	section_close(p);
	rest = close ? length - size - 2 : 0;
	for (size_t i = 0; i < rest && close[1 + i] != ';' && close[1 + i] != '#'; i++) {
		if (isspace((unsigned char)close[1 + i]))
			continue;
		close = NULL;
		break;
	}
	if (!close || size >= SECTION_MAX) {
		parse_fail(p, "a section is written [NAME], alone on its line");
		return;
	}
	(void)snprintf(p->section, sizeof(p->section), "%.*s", (int)size, line + 1);
	p->in_section = true;
	name = section_name(p->section, "provider");
	if (name) {
		provider_open(p, name);
		return;
	}
	name = section_name(p->section, "host");
	if (name) {
		host_open(p, name);
		return;
	}
	name = section_name(p->section, "fence");
	if (name) {
		fence_open(p, name);
		return;
	}
	for (size_t i = 0; i < KEYS; i++)
		if (!strcmp(keys[i].section, p->section))
			return;
	parse_fail(p, "no such section: [%s]", p->section);
}

/*
 * inih asks for one line at a time; here they are counted, and looked at before it cuts them: it
 * takes @room bytes of a line at most, and calls nobody for a section without keys.
 */
static char *line_read(char *out, int room, void *arg)
{
	struct parse *p = arg;
	const char *end;
	size_t length;

	if (p->at == p->end || p->failed)
		return NULL;
	p->line++;
	end = memchr(p->at, '\n', (size_t)(p->end - p->at));
	if (!end)
		end = p->end;
	if (p->line == 1 && end - p->at >= 3 && !memcmp(p->at, "\xef\xbb\xbf", 3))
		p->at += 3;
	/* To inih a line that begins with a blank continues the one before. */
	while (p->at < end && isblank((unsigned char)*p->at))
		p->at++;
	length = (size_t)(end - p->at);
	for (size_t i = 0; i < length; i++)
		if (iscntrl((unsigned char)p->at[i]) && p->at[i] != '\t' && p->at[i] != '\r')
			parse_fail(p, "a control character (byte %zu)", i + 1);
	if (room < 8 || length > (size_t)room - 3)
		parse_fail(p, "the line is longer than %d bytes", room - 3);
	else if (length && *p->at == '[')
		section_open(p, p->at, length);
	if (p->failed)
		return NULL;
	memcpy(out, p->at, length);
	out[length] = '\0';
	p->at = end < p->end ? end + 1 : end;
	return out;
}

static void text_take(struct parse *p, const char *key, const char *value, char *out, size_t size)
{
	if (!*value)
		parse_fail(p, "%s: is empty", key);
	else if (strlen(value) >= size)
		parse_fail(p, "%s: longer than %zu bytes", key, size - 1);
	else
		(void)snprintf(out, size, "%s", value);
}

static void provider_take(struct parse *p, const char *key, const char *value)
{
	struct config *c = p->config;
	char *socket = c->providers[c->provider_count - 1].socket;

	if (strcmp(key, "socket") != 0)
		parse_fail(p, "no such key in [provider NAME]: %s", key);
	else if (*socket)
		parse_fail(p, "socket: given twice");
	else
		text_take(p, key, value, socket,
			  sizeof(((struct sockaddr_un *)NULL)->sun_path) < CONFIG_TEXT_MAX
				  ? sizeof(((struct sockaddr_un *)NULL)->sun_path)
				  : CONFIG_TEXT_MAX);
}

static void path_take(struct parse *p, const char *key, const char *value, char *out)
{
	if (*out)
		parse_fail(p, "%s: given twice", key);
	else if (*value != '/')
		parse_fail(p, "%s: not an absolute path: %s", key, value);
	else
		text_take(p, key, value, out, CONFIG_TEXT_MAX);
}

static void uid_take(struct parse *p, const char *value, struct config_host *host)
{
	uint64_t uid;

	if (host->has_uid)
		parse_fail(p, "uid: given twice");
	else if (!number_parse(value, &uid) || uid == UINT32_MAX)
		parse_fail(p, "uid: not a user's number: %s", value);
	else
		host->uid = (uint32_t)uid;
	host->has_uid = true;
}

static void host_take(struct parse *p, const char *key, const char *value)
{
	struct config_host *host = &p->config->hosts[p->config->host_count - 1];

	if (!strcmp(key, "uid"))
		uid_take(p, value, host);
	else if (!strcmp(key, "key-file"))
		path_take(p, key, value, host->key_file);
	else if (strcmp(key, "serial") != 0)
		parse_fail(p, "no such key in [host NAME]: %s", key);
	else if (strlen(value) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		parse_fail(p, "serial: longer than a socket's path may be");
	else
		path_take(p, key, value, host->serial);
}

static void fence_take(struct parse *p, const char *key, const char *value)
{
	struct config_fence *fence = &p->config->fences[p->config->fence_count - 1];
	uint64_t ms = 0;

	if (!strcmp(key, "program"))
		path_take(p, key, value, fence->program);
	else if (!strcmp(key, "parameters"))
		path_take(p, key, value, fence->parameters);
	else if (strcmp(key, "timeout") != 0)
		parse_fail(p, "no such key in [fence HOST]: %s", key);
	else if (fence->timeout_ms)
		parse_fail(p, "timeout: given twice");
	else if (!duration_parse(value, &ms) || ms < 100 || ms > 600000)
		parse_fail(p, "timeout: takes a time from 100ms to 10min, not %s", value);
	else
		fence->timeout_ms = (uint32_t)ms;
}

static void range_fail(struct parse *p, const struct config_key *key, const char *value)
{
	char low[128];
	char high[128];

	if (key->type == CONFIG_DURATION) {
		duration_format(key->min, low);
		duration_format(key->max, high);
		parse_fail(p,
			   "%s: takes a time from %s to %s (\"200ms\", \"5s\", \"15min\"), not %s",
			   key->name, low, high, value);
		return;
	}
	parse_fail(p, "%s: takes a number from %u to %u, not %s", key->name, key->min, key->max,
		   value);
}

static void key_take(struct parse *p, const struct config_key *key, const char *value)
{
	uint8_t *at = (uint8_t *)p->config + key->offset;
	uint64_t n = 0;
	bool flag = false;
	int choice;

	switch (key->type) {
	case CONFIG_NUMBER:
	case CONFIG_DURATION:
		if (!(key->type == CONFIG_NUMBER ? number_parse(value, &n)
						 : duration_parse(value, &n)) ||
		    n < key->min || n > key->max) {
			range_fail(p, key, value);
			return;
		}
		*(uint32_t *)(void *)at = (uint32_t)n;
		return;
	case CONFIG_BOOL:
		if (!bool_parse(value, &flag))
			parse_fail(p, "%s: takes yes or no, not %s", key->name, value);
		*(bool *)(void *)at = flag;
		return;
	case CONFIG_CHOICE:
		choice = choice_parse(value, key->choices);
		if (choice < 0)
			parse_fail(p, "%s: takes one of %s, not %s", key->name, key->choices,
				   value);
		else
			*(enum config_witness *)(void *)at = (enum config_witness)choice;
		return;
	case CONFIG_PATH:
		if (*value != '/' && strcmp(value, CONFIG_NONE) != 0) {
			parse_fail(p, "%s: takes an absolute path or " CONFIG_NONE ", not %s",
				   key->name, value);
			return;
		}
		text_take(p, key->name, value, (char *)at, CONFIG_TEXT_MAX);
		return;
	case CONFIG_STRING:
		text_take(p, key->name, value, (char *)at, CONFIG_TEXT_MAX);
		return;
	}
}

static void table_take(struct parse *p, const char *name, const char *value)
{
	for (size_t i = 0; i < KEYS; i++) {
		if (strcmp(keys[i].section, p->section) != 0 || strcmp(keys[i].name, name) != 0)
			continue;
		if (p->given[i])
			parse_fail(p, "%s: stands in line %d already", name, p->given[i]);
		p->given[i] = p->line;
		key_take(p, &keys[i], value);
		return;
	}
	parse_fail(p, "no such key in [%s]: %s", p->section, name);
}

/* Return: 1 to go on, as inih wants it. */
static int pair_take(void *arg, const char *section, const char *name, const char *value)
{
	struct parse *p = arg;

	(void)section; /* cut by inih; ours is whole */
	if (p->failed)
		return 0;
	if (!p->in_section)
		parse_fail(p, "%s: stands before the first [section]", name);
	else if (section_name(p->section, "provider"))
		provider_take(p, name, value);
	else if (section_name(p->section, "host"))
		host_take(p, name, value);
	else if (section_name(p->section, "fence"))
		fence_take(p, name, value);
	else
		table_take(p, name, value);
	return !p->failed;
}

/* ---- the whole ---- */

void config_init(struct config *c)
{
	char why[WHY_MAX];
	struct parse p = { .name = "defaults", .why = why, .config = c };

	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i < KEYS; i++)
		key_take(&p, &keys[i], keys[i].fallback);
	/* A default that its own key refuses is a mistake in the table; a test walks it. */
}

int config_parse(const char *text, size_t size, const char *name, char *why, struct config *out)
{
	struct config *c = malloc(sizeof(*c));
	struct parse p = { .name = name, .at = text, .end = text + size, .why = why, .config = c };
	int r;

	if (!c) {
		(void)snprintf(why, WHY_MAX, "%s: %s", name, strerror(ENOMEM));
		return -ENOMEM;
	}
	config_init(c);
	r = ini_parse_stream(line_read, &p, pair_take, &p);
	/* inih goes on behind a line that it does not understand, to ours. */
	if (r > 0 && (!p.failed || r < p.failed)) {
		p.line = r;
		p.failed = 0;
		parse_fail(&p, "neither a [section] nor KEY = VALUE");
	}
	if (!p.failed)
		section_close(&p);
	for (size_t i = 0; i < c->fence_count; i++)
		if (!c->fences[i].timeout_ms)
			c->fences[i].timeout_ms = CONFIG_FENCE_TIMEOUT_MS;
	if (!p.failed && r >= 0)
		*out = *c;
	free(c);
	if (r < 0 && !p.failed)
		(void)snprintf(why, WHY_MAX, "%s: %s", name, strerror(ENOMEM));
	if (p.failed)
		return REFUSE_FIELD;
	return r < 0 ? -ENOMEM : 0;
}

static int file_read(const char *path, char *text, size_t *size)
{
	FILE *file = fopen(path, "re");
	int r;

	if (!file)
		return -errno;
	errno = 0;
	*size = fread(text, 1, FILE_MAX + 1, file);
	r = ferror(file) ? -(errno ? errno : EIO) : 0;
	(void)fclose(file); /* was only read */
	if (!r && *size > FILE_MAX)
		r = -EFBIG;
	return r;
}

int config_load(const char *path, char *why, struct config *out)
{
	char *text = malloc(FILE_MAX + 1);
	size_t size = 0;
	int r = text ? file_read(path, text, &size) : -ENOMEM;

	if (r)
		(void)snprintf(why, WHY_MAX, "%s: %s", path, strerror(-r));
	else
		r = config_parse(text, size, path, why, out);
	free(text);
	return r;
}

const struct config_host *config_host_find(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->host_count; i++)
		if (!strcmp(c->hosts[i].name, name))
			return &c->hosts[i];
	return NULL;
}

const struct config_fence *config_fence_find(const struct config *c, const char *host)
{
	for (size_t i = 0; i < c->fence_count; i++)
		if (!strcmp(c->fences[i].host, host))
			return &c->fences[i];
	return NULL;
}

const struct config_key *config_keys(size_t *count)
{
	*count = KEYS;
	return keys;
}

void config_format(const struct config *c, const struct config_key *key, char out[static 128])
{
	const uint8_t *at = (const uint8_t *)c + key->offset;

	switch (key->type) {
	case CONFIG_NUMBER:
		(void)snprintf(out, 128, "%u", *(const uint32_t *)(const void *)at);
		return;
	case CONFIG_DURATION:
		duration_format(*(const uint32_t *)(const void *)at, out);
		return;
	case CONFIG_BOOL:
		(void)snprintf(out, 128, "%s", *(const bool *)(const void *)at ? "yes" : "no");
		return;
	case CONFIG_CHOICE:
		choice_format(key->choices,
			      (unsigned)*(const enum config_witness *)(const void *)at, out);
		return;
	case CONFIG_PATH:
	case CONFIG_STRING:
		(void)snprintf(out, 128, "%s", (const char *)at);
		return;
	}
}
