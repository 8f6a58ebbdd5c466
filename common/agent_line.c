/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/agent_line.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/identity.h"
#include "common/json.h"
#include "common/json_read.h"
#include "common/strict.h"

enum {
	KEY_MAX = 32,
	DEADLINE_MAX_MS = 600000,
	TAIL_MAX = 64, /* what follows the last function: bracket, left_out, brace, newline */
};

static const char *const type_texts[AGENT_LINE_TYPES] = {
	[AGENT_BEAT] = "beat",     [AGENT_SEEN] = "seen",       [AGENT_LEFT] = "left",
	[AGENT_STATUS] = "status", [AGENT_LEAVE] = "leave",     [AGENT_LEAVING] = "leaving",
	[AGENT_TOLD] = "told",     [AGENT_STOPPED] = "stopped", [AGENT_MANAGER] = "manager",
	[AGENT_REPORT] = "report",
};
static const char *const outcome_texts[AGENT_OUTCOMES] = {
	[AGENT_LEFT_DONE] = "done",
	[AGENT_LEFT_REFUSED] = "refused",
	[AGENT_LEFT_FAILED] = "failed",
};
static const char *const link_texts[AGENT_LINKS] = {
	[AGENT_LINK_UNKNOWN] = "unknown",
	[AGENT_LINK_UP] = "up",
	[AGENT_LINK_DOWN] = "down",
};
static const char *const state_texts[] = { "ok", "fenced" };

const char *agent_outcome_text(enum agent_outcome outcome)
{
	return outcome_texts[outcome];
}

void agent_line_done(struct agent_line *line)
{
	free(line->seen);
	line->seen = NULL;
	line->seen_count = 0;
}

/* ---- forms ---- */

bool agent_uuid_is(const char *text)
{
	if (strlen(text) != AGENT_BOOT_ID_MAX - 1)
		return false;
	for (size_t i = 0; text[i]; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
			return false;
	}
	return true;
}

uint64_t agent_incarnation(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325U;

	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3U;
	return hash;
}

/* Where @count hex digits at least, @most at most, end; NULL: they are not there. */
static const char *hex_end(const char *text, size_t count, size_t most)
{
	size_t n = strspn(text, "0123456789abcdef");

	return n >= count && n <= most ? text + n : NULL;
}

bool agent_address_is(const char *text)
{
	const char *at = hex_end(text, 4, 8);

	at = at && *at == ':' ? hex_end(at + 1, 2, 2) : NULL;
	at = at && *at == ':' ? hex_end(at + 1, 2, 2) : NULL;
	return at && at[0] == '.' && at[1] >= '0' && at[1] <= '7' && !at[2];
}

/* ---- reading ---- */

struct reader {
	struct json_place at;
	char *why;
	char where[KEY_MAX + 32]; /* the value that is being read */
};

__attribute__((format(printf, 2, 3))) static int refuse(struct reader *rd, const char *format, ...)
{
	va_list args;
	int n = snprintf(rd->why, AGENT_TEXT_MAX, "%s: ", rd->where);

	va_start(args, format);
	if (n >= 0 && n < AGENT_TEXT_MAX) /* cut where it must be */
		(void)vsnprintf(rd->why + n, (size_t)(AGENT_TEXT_MAX - n), format, args);
	va_end(args);
	return REFUSE_FIELD;
}

enum kind {
	KIND_TYPE, /* read before all others */
	KIND_NAME, /* a text, not empty, without control characters */
	KIND_TEXT, /* a text, may be empty; control characters become blanks */
	KIND_UUID,
	KIND_ADDRESS,
	KIND_NUMBER,   /* uint64_t */
	KIND_DEADLINE, /* uint64_t */
	KIND_SLOT,     /* uint32_t, and a bool beside it */
	KIND_HEX,      /* uint16_t, four digits */
	KIND_HEX64,    /* uint64_t, sixteen digits */
	KIND_MAC,
	KIND_WWPN,
	KIND_LINK,
	KIND_OUTCOME,
	KIND_STATE,
	KIND_FUNCTIONS,
};

struct field {
	const char *name;
	enum kind kind;
	unsigned needed;  /* bit for each type of line in which it must stand */
	unsigned allowed; /* the same, in which it may be absent, or null */
	size_t offset;
	size_t size;    /* of a text */
	size_t offset2; /* of the bool beside it */
};

#define ON(type) (1U << (type))
#define FROM_AGENT \
	(ON(AGENT_BEAT) | ON(AGENT_SEEN) | ON(AGENT_LEAVING) | ON(AGENT_TOLD) | ON(AGENT_STOPPED))
#define AT(s, member) offsetof(struct s, member), sizeof(((struct s *)NULL)->member), 0

static const struct field line_fields[] = {
	{ "type", KIND_TYPE, ~0U, 0, AT(agent_line, type) },
	{ "host", KIND_NAME, FROM_AGENT, 0, AT(agent_line, host) },
	{ "boot_id", KIND_UUID, FROM_AGENT, 0, AT(agent_line, boot_id) },
	{ "seq", KIND_NUMBER, ON(AGENT_BEAT) | ON(AGENT_LEAVING), 0, AT(agent_line, seq) },
	{ "id", KIND_NUMBER, ON(AGENT_LEFT) | ON(AGENT_LEAVE), 0, AT(agent_line, id) },
	{ "outcome", KIND_OUTCOME, ON(AGENT_LEFT), 0, AT(agent_line, outcome) },
	{ "text", KIND_TEXT, 0, ON(AGENT_LEFT) | ON(AGENT_STOPPED), AT(agent_line, text) },
	{ "state", KIND_STATE, ON(AGENT_STATUS), 0, AT(agent_line, is_fenced) },
	{ "epoch", KIND_NUMBER, ON(AGENT_STATUS) | ON(AGENT_TOLD) | ON(AGENT_STOPPED), 0,
	  AT(agent_line, epoch) },
	{ "incarnation", KIND_HEX64, ON(AGENT_MANAGER), ON(AGENT_TOLD),
	  AT(agent_line, incarnation) },
	{ "stopped", KIND_NUMBER, ON(AGENT_STOPPED), 0, AT(agent_line, stopped) },
	{ "still", KIND_NUMBER, ON(AGENT_STOPPED), 0, AT(agent_line, still) },
	{ "address", KIND_ADDRESS, 0, ON(AGENT_LEAVE), AT(agent_line, address) },
	{ "slot", KIND_SLOT, 0, ON(AGENT_LEAVE), offsetof(struct agent_line, slot), 0,
	  offsetof(struct agent_line, has_slot) },
	{ "function", KIND_NAME, ON(AGENT_LEAVE), 0, AT(agent_line, function) },
	{ "deadline_ms", KIND_DEADLINE, ON(AGENT_LEAVE), 0, AT(agent_line, deadline_ms) },
	{ "functions", KIND_FUNCTIONS, ON(AGENT_SEEN), 0, AT(agent_line, seen) },
	{ "left_out", KIND_NUMBER, 0, ON(AGENT_SEEN), AT(agent_line, left_out) },
	{ 0 },
};

static const struct field function_fields[] = {
	{ "address", KIND_ADDRESS, ~0U, 0, AT(agent_function, address) },
	{ "slot", KIND_SLOT, 0, ~0U, offsetof(struct agent_function, slot), 0,
	  offsetof(struct agent_function, has_slot) },
	{ "class", KIND_HEX, ~0U, 0, AT(agent_function, class_code) },
	{ "vendor", KIND_HEX, ~0U, 0, AT(agent_function, vendor) },
	{ "device", KIND_HEX, ~0U, 0, AT(agent_function, device) },
	{ "driver", KIND_NAME, 0, ~0U, AT(agent_function, driver) },
	{ "serial", KIND_NAME, 0, ~0U, AT(agent_function, serial) },
	{ "mac", KIND_MAC, 0, ~0U, AT(agent_function, mac) },
	{ "wwpn", KIND_WWPN, 0, ~0U, AT(agent_function, wwpn) },
	{ "link", KIND_LINK, 0, ~0U, AT(agent_function, link) },
	{ 0 },
};

/* Which of @texts stands there. */
static int word_take(struct reader *rd, const char *const *texts, size_t count, unsigned *out)
{
	char text[KEY_MAX];

	if (json_text_read(&rd->at, text, sizeof(text)))
		return refuse(rd, "must be a word that is known");
	for (unsigned i = 0; i < count; i++) {
		if (strcmp(texts[i], text) != 0)
			continue;
		*out = i;
		return 0;
	}
	return refuse(rd, "no such word: %s", text);
}

static int text_take(struct reader *rd, const struct field *field, char *out)
{
	int r = json_text_read(&rd->at, out, field->size);

	if (r)
		return refuse(rd,
			      r == -EMSGSIZE ? "longer than %zu bytes"
					     : "must be a text of up "
					       "to %zu bytes",
			      field->size - 1);
	for (char *c = out; *c; c++) {
		if (!iscntrl((unsigned char)*c))
			continue;
		if (field->kind != KIND_TEXT)
			return refuse(rd, "has a control character");
		*c = ' ';
	}
	if (field->kind != KIND_TEXT && !*out)
		return refuse(rd, "is empty");
	if (field->kind == KIND_UUID && !agent_uuid_is(out))
		return refuse(rd, "must be a UUID");
	if (field->kind == KIND_ADDRESS && !agent_address_is(out))
		return refuse(rd, "must be an address as 0000:05:00.0");
	return 0;
}

static int number_take(struct reader *rd, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t n;

	if (json_number_read(&rd->at, &n) || n < min || n > max)
		return refuse(rd, "must be a whole number from %" PRIu64 " to %" PRIu64, min, max);
	*out = n;
	return 0;
}

static int hex_take(struct reader *rd, uint16_t *out)
{
	char text[8];

	if (json_text_read(&rd->at, text, sizeof(text)) || strlen(text) != 4 ||
	    !hex_end(text, 4, 4))
		return refuse(rd, "must be four hex digits");
	*out = (uint16_t)strtoul(text, NULL, 16);
	return 0;
}

static int hex64_take(struct reader *rd, uint64_t *out)
{
	char text[24];

	if (json_text_read(&rd->at, text, sizeof(text)) || strlen(text) != 16 ||
	    !hex_end(text, 16, 16))
		return refuse(rd, "must be sixteen hex digits");
	*out = strtoull(text, NULL, 16);
	return 0;
}

static int identity_take(struct reader *rd, bool is_mac, uint64_t *out)
{
	char text[IDENTITY_TEXT];

	if (json_text_read(&rd->at, text, sizeof(text)) ||
	    (is_mac ? identity_mac_parse(text, out) : identity_wwn_parse(text, out)))
		return refuse(rd, is_mac ? "must be a MAC address" : "must be a WWN");
	return 0;
}

static int functions_take(struct reader *rd, struct agent_line *line);

static int value_take(struct reader *rd, const struct field *field, void *out)
{
	void *at = (uint8_t *)out + field->offset;
	uint64_t n = 0;
	unsigned word = 0;
	int r;

	switch (field->kind) {
	case KIND_TYPE:
		return json_skip(&rd->at);
	case KIND_NAME:
	case KIND_TEXT:
	case KIND_UUID:
	case KIND_ADDRESS:
		return text_take(rd, field, at);
	case KIND_NUMBER:
		return number_take(rd, 0, UINT64_MAX, at);
	case KIND_DEADLINE:
		return number_take(rd, 1, DEADLINE_MAX_MS, at);
	case KIND_SLOT:
		r = number_take(rd, 0, UINT32_MAX, &n);
		*(uint32_t *)at = (uint32_t)n;
		*(bool *)((uint8_t *)out + field->offset2) = !r;
		return r;
	case KIND_HEX:
		return hex_take(rd, at);
	case KIND_HEX64:
		return hex64_take(rd, at);
	case KIND_MAC:
	case KIND_WWPN:
		return identity_take(rd, field->kind == KIND_MAC, at);
	case KIND_LINK:
		r = word_take(rd, link_texts, AGENT_LINKS, &word);
		*(enum agent_link *)at = (enum agent_link)word;
		return r;
	case KIND_OUTCOME:
		r = word_take(rd, outcome_texts, AGENT_OUTCOMES, &word);
		*(enum agent_outcome *)at = (enum agent_outcome)word;
		return r;
	case KIND_STATE:
		r = word_take(rd, state_texts, 2, &word);
		*(bool *)at = word;
		return r;
	case KIND_FUNCTIONS:
		return functions_take(rd, out);
	}
	return -EINVAL;
}

/* One object by its table. @on: bit of the line's type. @prefix: where it stands. */
static int object_take(struct reader *rd, const struct field *fields, unsigned on,
		       const char *prefix, void *out)
{
	unsigned given = 0;
	char key[KEY_MAX];
	int r = json_enter(&rd->at, '{');

	(void)snprintf(rd->where, sizeof(rd->where), "%s", *prefix ? prefix : "the line");
	if (r)
		return refuse(rd, "must be an object");
	while ((r = json_member(&rd->at, key, sizeof(key))) == 0) {
		const struct field *field = fields;

		(void)snprintf(rd->where, sizeof(rd->where), "%s/%s", prefix, key);
		while (field->name && strcmp(field->name, key) != 0)
			field++;
		if (!field->name || !((field->needed | field->allowed) & on))
			return refuse(rd, "no such member here");
		given |= 1U << (field - fields);
		if ((field->allowed & on) && json_null_read(&rd->at))
			continue;
		r = value_take(rd, field, out);
		if (r)
			return r < 0 && r != -ENOMEM ? refuse(rd, "cannot be read") : r;
	}
	if (r != -ENOENT)
		return refuse(rd, "cannot be read");
	for (size_t i = 0; fields[i].name; i++) {
		if (!(fields[i].needed & on) || (given & 1U << i))
			continue;
		(void)snprintf(rd->where, sizeof(rd->where), "%s/%s", prefix, fields[i].name);
		return refuse(rd, "is missing");
	}
	return 0;
}

static int functions_take(struct reader *rd, struct agent_line *line)
{
	char prefix[32];
	int r = json_enter(&rd->at, '[');

	if (r)
		return refuse(rd, "must be an array");
	line->seen = calloc(AGENT_SEEN_MAX, sizeof(*line->seen));
	if (!line->seen)
		return -ENOMEM;
	while ((r = json_element(&rd->at)) == 0) {
		if (line->seen_count == AGENT_SEEN_MAX)
			return refuse(rd, "more than %d functions", AGENT_SEEN_MAX);
		(void)snprintf(prefix, sizeof(prefix), "/functions/%zu", line->seen_count);
		r = object_take(rd, function_fields, ~0U, prefix, &line->seen[line->seen_count]);
		if (r)
			return r;
		line->seen_count++;
	}
	return r == -ENOENT ? 0 : r;
}

static int type_find(struct reader *rd, unsigned *type)
{
	struct json_place from = rd->at;
	char key[KEY_MAX];
	int r = json_enter(&rd->at, '{');

	(void)snprintf(rd->where, sizeof(rd->where), "/type");
	while (!r && (r = json_member(&rd->at, key, sizeof(key))) == 0) {
		if (!strcmp(key, "type")) {
			r = word_take(rd, type_texts, AGENT_LINE_TYPES, type);
			rd->at = from;
			return r;
		}
		r = json_skip(&rd->at);
	}
	return refuse(rd, r == -ENOENT ? "is missing" : "the line must be an object");
}

static int line_take(struct reader *rd, struct agent_line *line)
{
	unsigned type = 0;
	int r = type_find(rd, &type);

	if (r)
		return r;
	line->type = (enum agent_line_type)type;
	r = object_take(rd, line_fields, ON(type), "", line);
	if (!r && line->type == AGENT_LEAVE && !line->address[0] && !line->has_slot) {
		(void)snprintf(rd->where, sizeof(rd->where), "/address");
		r = refuse(rd, "neither an address nor a slot");
	}
	return r;
}

int agent_line_parse(const char *text, size_t length, struct agent_line *out,
		     char why[static AGENT_TEXT_MAX])
{
	OWNED(agent_line_done) struct agent_line line = { 0 };
	struct reader rd = { .at = { text, text + length }, .why = why };
	struct strict_error error;
	int r;

	if (length >= AGENT_LINE_MAX) {
		(void)snprintf(why, AGENT_TEXT_MAX, "longer than %d bytes", AGENT_LINE_MAX - 1);
		return REFUSE_TOO_LARGE;
	}
	r = strict_scan(text, length, &error);
	if (r > 0)
		(void)snprintf(why, AGENT_TEXT_MAX, "byte %u: %s", error.column, error.reason);
	if (!r)
		r = line_take(&rd, &line);
	if (r)
		return r;
	*out = line;
	line.seen = NULL; /* handed over */
	return 0;
}

/* ---- writing ---- */

static void member_hex(struct buf *out, const char *key, uint16_t n)
{
	char text[8];

	(void)snprintf(text, sizeof(text), "%04x", n);
	json_member_text(out, key, text);
}

/* What is not known is left out. */
static void function_write(const struct agent_function *fn, struct buf *out)
{
	char text[IDENTITY_TEXT];

	json_open(out, '{');
	json_member_text(out, "address", fn->address);
	if (fn->has_slot)
		json_member_number(out, "slot", fn->slot);
	member_hex(out, "class", fn->class_code);
	member_hex(out, "vendor", fn->vendor);
	member_hex(out, "device", fn->device);
	if (fn->driver[0])
		json_member_text(out, "driver", fn->driver);
	if (fn->serial[0])
		json_member_text(out, "serial", fn->serial);
	if (fn->mac) {
		identity_mac_format(fn->mac, text);
		json_member_text(out, "mac", text);
	}
	if (fn->wwpn) {
		identity_wwn_format(fn->wwpn, text);
		json_member_text(out, "wwpn", text);
	}
	if (fn->link != AGENT_LINK_UNKNOWN)
		json_member_text(out, "link", link_texts[fn->link]);
	json_close(out, '}');
}

static void seen_write(const struct agent_line *line, size_t start, struct buf *out)
{
	size_t i;

	json_key(out, "functions");
	json_open(out, '[');
	for (i = 0; i < line->seen_count; i++) {
		size_t before = out->length;

		function_write(&line->seen[i], out);
		if (out->length - start + TAIL_MAX <= AGENT_LINE_MAX && i < AGENT_SEEN_MAX)
			continue;
		out->length = before;
		break;
	}
	json_close(out, ']');
	if (line->left_out + line->seen_count - i)
		json_member_number(out, "left_out", line->left_out + line->seen_count - i);
}

static void leave_write(const struct agent_line *line, struct buf *out)
{
	json_member_number(out, "id", line->id);
	if (line->address[0])
		json_member_text(out, "address", line->address);
	if (line->has_slot)
		json_member_number(out, "slot", line->slot);
	json_member_text(out, "function", line->function);
	json_member_number(out, "deadline_ms", line->deadline_ms);
}

static void who_write(const struct agent_line *line, struct buf *out)
{
	json_member_text(out, "host", line->host);
	json_member_text(out, "boot_id", line->boot_id);
}

static void incarnation_write(const struct agent_line *line, struct buf *out)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%016" PRIx64, line->incarnation);
	json_member_text(out, "incarnation", text);
}

void agent_line_format(const struct agent_line *line, struct buf *out)
{
	size_t start = out->length;

	json_begin(out);
	json_member_text(out, "type", type_texts[line->type]);
	switch (line->type) {
	case AGENT_BEAT:
		who_write(line, out);
		json_member_number(out, "seq", line->seq);
		break;
	case AGENT_SEEN:
		who_write(line, out);
		seen_write(line, start, out);
		break;
	case AGENT_LEFT:
		json_member_number(out, "id", line->id);
		json_member_text(out, "outcome", outcome_texts[line->outcome]);
		json_member_text(out, "text", line->text);
		break;
	case AGENT_STATUS:
		json_member_text(out, "state", state_texts[line->is_fenced]);
		json_member_number(out, "epoch", line->epoch);
		break;
	case AGENT_LEAVE:
		leave_write(line, out);
		break;
	case AGENT_LEAVING:
		who_write(line, out);
		json_member_number(out, "seq", line->seq);
		break;
	case AGENT_TOLD:
		who_write(line, out);
		json_member_number(out, "epoch", line->epoch);
		if (line->incarnation)
			incarnation_write(line, out);
		break;
	case AGENT_STOPPED:
		who_write(line, out);
		json_member_number(out, "epoch", line->epoch);
		json_member_number(out, "stopped", line->stopped);
		json_member_number(out, "still", line->still);
		json_member_text(out, "text", line->text);
		break;
	case AGENT_MANAGER:
		incarnation_write(line, out);
		break;
	case AGENT_REPORT:
	case AGENT_LINE_TYPES:
		break;
	}
	json_close(out, '}');
	buf_text(out, "\n");
}
