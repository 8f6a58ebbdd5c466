/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whatever a client sends: the head of a request, a chunked body, and the body of each command. The
 * first byte says which; whatever the strict scan lets through, json-c must be able to read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "api/body.h"
#include "api/message.h"
#include "common/json.h"
#include "common/strict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
	if (!good)
		abort();
}

static void try_head(const char *bytes, size_t length)
{
	struct message_head whole;
	struct message_head dripped;
	const char *why = NULL;
	size_t seen = 0;
	size_t dripped_seen = 0;
	int r = message_head_parse(bytes, length, &seen, &whole, &why);
	int d = -11;

	must(r <= 0 || why);
	must(r || whole.length <= length);
	for (int i = 0; !r && i < MESSAGE_KNOWN_HEADERS; i++)
		must(whole.headers[i].at + whole.headers[i].length <= whole.length);
	/* The same bytes, one at a time, end the same way; errors may be seen earlier. */
	for (size_t n = 1; n <= length && n <= 512 && d == -11; n++)
		d = message_head_parse(bytes, n, &dripped_seen, &dripped, &why);
	must(r || length > 512 || (!d && dripped.length == whole.length));
}

static void try_chunks(const char *bytes, size_t length)
{
	struct message_chunks c = { 0 };
	struct message_chunks dripped = { 0 };
	OWNED(buf_done) struct buf body = { 0 };
	OWNED(buf_done) struct buf other = { 0 };
	const char *why = NULL;
	size_t used = 0;
	size_t total = 0;
	int d = -11;
	int r = message_chunks_take(&c, bytes, length, &used, &body, &why);

	must(used <= length && (r <= 0 || why));
	for (size_t i = 0; i < length && d == -11; i++) {
		size_t one = 0;

		d = message_chunks_take(&dripped, bytes + i, 1, &one, &other, &why);
		total += one;
	}
	must(!length || (d == r && (r || total == used) && body.length == other.length));
}

static void try_bodies(const char *text, size_t length)
{
	OWNED(body_change_done) struct body_change change = { 0 };
	OWNED(body_profile_done) struct body_profile profile = { 0 };
	struct body_place place;
	struct body_beat beat;
	struct problem p;
	struct body_replay replay;
	struct fabric_drill drill;
	char file[DB_TEXT_MAX];
	uint64_t incident = 0;
	bool flag = false;

	if (!body_change_parse(text, length, &change, &p))
		must(change.ops && change.op_count && change.op_count <= BODY_OPS_MAX);
	if (!body_beat_parse(text, length, &beat, &p))
		must(strlen(beat.boot_id) == 36);
	if (!body_profile_parse(text, length, &profile, &p))
		must(profile.members && profile.member_count <= PROVIDER_VPORTS_MAX &&
		     profile.priority <= FABRIC_PRIORITY_MAX);
	for (int form = 0; form < BODY_PLACE_FORMS; form++)
		(void)!body_place_parse(text, length, (enum body_place_form)form, &place, &p);
	if (!body_replay_parse(text, length, &replay, &p))
		must(replay.count <= BODY_SETS_MAX);
	(void)!body_drill_parse(text, length, &drill, &p);
	(void)!body_force_parse(text, length, &flag, &p);
	if (!body_file_parse(text, length, file, &p))
		must(file[0] == '/' && strlen(file) < sizeof(file));
	(void)!body_on_parse(text, length, &flag, &p);
	(void)!body_spare_parse(text, length, &flag, &p);
	(void)!body_confirm_parse(text, length, &incident, &p);
	(void)!body_dry_run_parse(text, length, &flag, &p);
	(void)!body_empty_parse(text, length, &p);
}

static void try_strict(const char *text, size_t length)
{
	struct strict_error e = { 0 };
	struct json_tokener *tokener;
	OWNED(buf_done) struct buf out = { 0 };
	json_object *o;

	json_text_n(&out, text, length);
	must(!out.length || !strict_scan((const char *)out.data, out.length, &e));
	if (strict_scan(text, length, &e))
		return;
	tokener = json_tokener_new_ex(STRICT_DEPTH_MAX + 2);
	o = json_tokener_parse_ex(tokener, text, (int)length);
	must(json_tokener_get_error(tokener) == json_tokener_success ||
	     json_tokener_get_error(tokener) == json_tokener_continue);
	(void)json_object_put(o);
	json_tokener_free(tokener);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = size ? malloc(size) : NULL; /* of this size: a byte too many is noticed */

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	switch (data[0]) {
	case 'H':
		try_head(copy + 1, size - 1);
		break;
	case 'C':
		try_chunks(copy + 1, size - 1);
		break;
	default:
		try_bodies(copy, size);
		try_strict(copy, size);
	}
	free(copy);
	return 0;
}
