/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/body.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "common/strict.h"

/* One member of an object: how it is read into the struct that the whole is read into. */
struct member {
	const char *name;
	bool is_required;
	/* @path: of the member. Return: 0, a refusal with @p set, or -errno. */
	int (*take)(json_object *value, const char *path, void *out, struct problem *p);
};

static void json_object_put_void(json_object *o)
{
	(void)json_object_put(o);
}
OWNED_BY(json_object, json_object_put_void)

static int wants(struct problem *p, const char *path, const char *what)
{
	problem_field(p, REFUSE_FIELD, path, "must be %s", what);
	return REFUSE_FIELD;
}

/* ---- from text to json-c's tree ---- */

static int syntax_refuse(const struct strict_error *e, struct problem *p)
{
	problem_field(p, REFUSE_SYNTAX, e->pointer, "%s", e->reason);
	(void)snprintf(p->detail, sizeof(p->detail), "line %u, column %u: %s", e->line, e->column,
		       e->reason);
	return REFUSE_SYNTAX;
}

static int tree_parse(const char *text, size_t length, json_object **out, struct problem *p)
{
	struct json_tokener *tokener;
	struct strict_error e;
	int r = strict_scan(text, length, &e);

	if (r)
		return r > 0 ? syntax_refuse(&e, p) : r;
	tokener = json_tokener_new_ex(STRICT_DEPTH_MAX + 2);
	if (!tokener)
		return -ENOMEM;
	*out = json_tokener_parse_ex(tokener, text, (int)length);
	json_tokener_free(tokener);
	if (*out && json_object_is_type(*out, json_type_object))
		return 0;
	json_object_put_void(*out);
	*out = NULL;
	return wants(p, "", "an object");
}

static const struct member *member_find(const struct member *members, const char *name)
{
	for (; members->name; members++) {
		if (!strcmp(members->name, name))
			return members;
	}
	return NULL;
}

static int object_take(json_object *object, const struct member *members, const char *path,
		       void *out, struct problem *p)
{
	char at[256];

	if (!json_object_is_type(object, json_type_object))
		return wants(p, path, "an object");
	json_object_object_foreach(object, key, value)
	{
		const struct member *member = member_find(members, key);
		int r;

		(void)snprintf(at, sizeof(at), "%s/%.128s", path, key);
		if (!member) {
			problem_field(p, REFUSE_FIELD, at, "no such field here");
			return REFUSE_FIELD;
		}
		r = member->take(value, at, out, p);
		if (r)
			return r;
	}
	for (; members->name; members++) {
		if (!members->is_required || json_object_object_get_ex(object, members->name, NULL))
			continue;
		(void)snprintf(at, sizeof(at), "%s/%s", path, members->name);
		problem_field(p, REFUSE_FIELD, at, "is missing");
		return REFUSE_FIELD;
	}
	return 0;
}

static int body_take(const char *text, size_t length, const struct member *members, void *out,
		     struct problem *p)
{
	OWNED(json_object_put_void) json_object *tree = NULL;
	int r = tree_parse(text, length, &tree, p);

	return r ? r : object_take(tree, members, "", out, p);
}

/* ---- scalars ---- */

static int bool_take(json_object *value, const char *path, bool *out, struct problem *p)
{
	if (!json_object_is_type(value, json_type_boolean))
		return wants(p, path, "true or false");
	*out = json_object_get_boolean(value);
	return 0;
}

static int number_take(json_object *value, const char *path, uint64_t min, uint64_t max,
		       uint64_t *out, struct problem *p)
{
	uint64_t n = json_object_get_uint64(value);

	if (!json_object_is_type(value, json_type_int) ||
	    (json_object_get_int64(value) < 0 && n <= INT64_MAX) || n < min || n > max) {
		problem_field(p, REFUSE_FIELD, path, "must be an integer from %llu to %llu",
			      (unsigned long long)min, (unsigned long long)max);
		return REFUSE_FIELD;
	}
	*out = n;
	return 0;
}

/* Text that fits into @room bytes, NUL included, and is not empty. */
static int text_take(json_object *value, const char *path, char *out, size_t room,
		     struct problem *p)
{
	size_t length;

	if (!json_object_is_type(value, json_type_string))
		return wants(p, path, "a string");
	length = (size_t)json_object_get_string_len(value);
	if (!length || length >= room) {
		problem_field(p, REFUSE_FIELD, path, "must have 1 to %zu bytes", room - 1);
		return REFUSE_FIELD;
	}
	memcpy(out, json_object_get_string(value), length + 1);
	return 0;
}

/* ---- a change ---- */

static int flaw_refuse(struct problem *p, const char *path, const char *text, const char *flaw)
{
	problem_field(p, REFUSE_FIELD, path, "%s %s", text, flaw);
	return REFUSE_FIELD;
}

static int mac_take(json_object *value, const char *path, void *out, struct problem *p)
{
	struct identity *id = out;
	char text[64];
	int r;

	if (!value)
		return 0;
	r = text_take(value, path, text, sizeof(text), p);
	if (r)
		return r;
	return identity_mac_parse(text, &id->mac)
		       ? flaw_refuse(p, path, text, identity_mac_flaw(text))
		       : 0;
}

static int wwn_take(json_object *value, const char *path, uint64_t *out, struct problem *p)
{
	char text[64];
	int r;

	if (!value)
		return 0;
	r = text_take(value, path, text, sizeof(text), p);
	if (r)
		return r;
	return identity_wwn_parse(text, out) ? flaw_refuse(p, path, text, identity_wwn_flaw(text))
					     : 0;
}

static int wwpn_take(json_object *value, const char *path, void *out, struct problem *p)
{
	struct identity *id = out;

	return wwn_take(value, path, &id->wwpn, p);
}

static int wwnn_take(json_object *value, const char *path, void *out, struct problem *p)
{
	struct identity *id = out;

	return wwn_take(value, path, &id->wwnn, p);
}

static int vlan_take(json_object *value, const char *path, void *out, struct problem *p)
{
	struct identity *id = out;
	uint64_t n = 0;
	int r;

	if (!value)
		return 0;
	r = number_take(value, path, 1, 4094, &n, p);
	id->vlan = (uint16_t)n;
	return r;
}

static const struct member identity_members[] = {
	{ "mac", false, mac_take },
	{ "vlan", false, vlan_take },
	{ "wwpn", false, wwpn_take },
	{ "wwnn", false, wwnn_take },
	{ 0 },
};

static int identity_take(json_object *value, const char *path, void *out, struct problem *p)
{
	struct fabric_request_op *op = out;

	if (!value)
		return 0;
	op->has_identity = true;
	return object_take(value, identity_members, path, &op->identity, p);
}

static int op_take(json_object *value, const char *path, void *out, struct problem *p)
{
	struct fabric_request_op *op = out;
	const char *text =
		json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";

	for (int i = 0; i < DB_OPS; i++) {
		if (!strcmp(fabric_op_text((enum db_op)i), text)) {
			op->op = (enum db_op)i;
			return 0;
		}
	}
	return wants(p, path, "\"assign\", \"release\" or \"move\"");
}

static int function_take(json_object *value, const char *path, void *out, struct problem *p)
{
	struct fabric_request_op *op = out;

	return text_take(value, path, op->function, sizeof(op->function), p);
}

static int host_take(json_object *value, const char *path, void *out, struct problem *p)
{
	struct fabric_request_op *op = out;

	return value ? text_take(value, path, op->host, sizeof(op->host), p) : 0;
}

static int vport_take(json_object *value, const char *path, void *out, struct problem *p)
{
	struct fabric_request_op *op = out;
	uint64_t n = 0;
	int r = value ? number_take(value, path, 1, PROVIDER_VPORTS_MAX, &n, p) : 0;

	op->vport = (uint16_t)n;
	return r;
}

static const struct member op_members[] = {
	{ "op", true, op_take },
	{ "function", true, function_take },
	{ "host", false, host_take },
	{ "vport", false, vport_take },
	{ "identity", false, identity_take },
	{ 0 },
};

/* What goes together. */
static int op_check(const struct fabric_request_op *op, const char *path, struct problem *p)
{
	char at[64];
	const char *unwanted = op->op != DB_OP_RELEASE ? NULL
			       : *op->host             ? "host"
			       : op->vport             ? "vport"
			       : op->has_identity      ? "identity"
						       : NULL;

	if (op->op != DB_OP_RELEASE && !*op->host) {
		(void)snprintf(at, sizeof(at), "%s/host", path);
		problem_field(p, REFUSE_FIELD, at, "is missing");
		return REFUSE_FIELD;
	}
	if (!unwanted)
		return 0;
	(void)snprintf(at, sizeof(at), "%s/%s", path, unwanted);
	problem_field(p, REFUSE_FIELD, at, "is not for a release");
	return REFUSE_FIELD;
}

static int ops_take(json_object *value, const char *path, void *out, struct problem *p)
{
	struct body_change *change = out;
	size_t count;

	if (!json_object_is_type(value, json_type_array))
		return wants(p, path, "an array");
	count = json_object_array_length(value);
	if (!count || count > BODY_OPS_MAX) {
		problem_field(p, REFUSE_FIELD, path, "must hold 1 to %d operations", BODY_OPS_MAX);
		return REFUSE_FIELD;
	}
	change->ops = calloc(count, sizeof(*change->ops));
	if (!change->ops)
		return -ENOMEM;
	change->op_count = count;
	for (size_t i = 0; i < count; i++) {
		char at[48];
		int r;

		(void)snprintf(at, sizeof(at), "%s/%zu", path, i);
		r = object_take(json_object_array_get_idx(value, i), op_members, at,
				&change->ops[i], p);
		if (!r)
			r = op_check(&change->ops[i], at, p);
		if (r)
			return r;
	}
	return 0;
}

static int change_dry_run_take(json_object *value, const char *path, void *out, struct problem *p)
{
	struct body_change *change = out;

	return bool_take(value, path, &change->dry_run, p);
}

void body_change_done(struct body_change *change)
{
	free(change->ops);
	*change = (struct body_change){ 0 };
}

int body_change_parse(const char *text, size_t length, struct body_change *out, struct problem *p)
{
	static const struct member members[] = {
		{ "operations", true, ops_take },
		{ "dry_run", false, change_dry_run_take },
		{ 0 },
	};
	OWNED(body_change_done) struct body_change change = { 0 };
	int r = body_take(text, length, members, &change, p);

	if (r)
		return r;
	*out = change;
	change.ops = NULL;
	return 0;
}

/* ---- the small ones ---- */

static int boot_id_take(json_object *value, const char *path, void *out, struct problem *p)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	struct body_beat *beat = out;
	int r = text_take(value, path, beat->boot_id, sizeof(beat->boot_id), p);

	if (r)
		return r;
	if (strlen(beat->boot_id) != strlen(form))
		return wants(p, path, "a UUID as 0edf50d0-b56b-46e8-a28c-91f39423f725");
	for (size_t i = 0; form[i]; i++) {
		if (form[i] == '-' ? beat->boot_id[i] != '-'
				   : !strchr("0123456789abcdefABCDEF", beat->boot_id[i]))
			return wants(p, path, "a UUID as 0edf50d0-b56b-46e8-a28c-91f39423f725");
	}
	return 0;
}

static int seq_take(json_object *value, const char *path, void *out, struct problem *p)
{
	struct body_beat *beat = out;

	return number_take(value, path, 0, INT64_MAX, &beat->seq, p);
}

int body_beat_parse(const char *text, size_t length, struct body_beat *out, struct problem *p)
{
	static const struct member members[] = {
		{ "boot_id", true, boot_id_take },
		{ "seq", true, seq_take },
		{ 0 },
	};
	struct body_beat beat = { 0 };
	int r = body_take(text, length, members, &beat, p);

	if (!r)
		*out = beat;
	return r;
}

static int flag_take(json_object *value, const char *path, void *out, struct problem *p)
{
	return bool_take(value, path, out, p);
}

int body_spare_parse(const char *text, size_t length, bool *spare, struct problem *p)
{
	static const struct member members[] = { { "spare", true, flag_take }, { 0 } };
	bool flag = false;
	int r = body_take(text, length, members, &flag, p);

	if (!r)
		*spare = flag;
	return r;
}

int body_on_parse(const char *text, size_t length, bool *on, struct problem *p)
{
	static const struct member members[] = { { "on", true, flag_take }, { 0 } };
	bool flag = false;
	int r = body_take(text, length, members, &flag, p);

	if (!r)
		*on = flag;
	return r;
}

/* ---- profiles ---- */

static int member_function_take(json_object *value, const char *path, void *out, struct problem *p)
{
	struct fabric_profile_member *member = out;

	return text_take(value, path, member->function, sizeof(member->function), p);
}

static int member_identity_take(json_object *value, const char *path, void *out, struct problem *p)
{
	struct fabric_profile_member *member = out;

	if (!value)
		return 0;
	member->has_identity = true;
	return object_take(value, identity_members, path, &member->identity, p);
}

static const struct member profile_function_members[] = {
	{ "function", true, member_function_take },
	{ "identity", false, member_identity_take },
	{ 0 },
};

static int profile_functions_take(json_object *value, const char *path, void *out,
				  struct problem *p)
{
	struct body_profile *profile = out;
	size_t count;

	if (!json_object_is_type(value, json_type_array))
		return wants(p, path, "an array");
	count = json_object_array_length(value);
	if (!count || count > PROVIDER_VPORTS_MAX) {
		problem_field(p, REFUSE_FIELD, path, "must hold 1 to %d functions",
			      PROVIDER_VPORTS_MAX);
		return REFUSE_FIELD;
	}
	profile->members = calloc(count, sizeof(*profile->members));
	if (!profile->members)
		return -ENOMEM;
	profile->member_count = count;
	for (size_t i = 0; i < count; i++) {
		char at[48];
		int r;

		(void)snprintf(at, sizeof(at), "%s/%zu", path, i);
		r = object_take(json_object_array_get_idx(value, i), profile_function_members, at,
				&profile->members[i], p);
		if (r)
			return r;
	}
	return 0;
}

static int priority_take(json_object *value, const char *path, void *out, struct problem *p)
{
	struct body_profile *profile = out;
	uint64_t n = 0;
	int r = number_take(value, path, 0, FABRIC_PRIORITY_MAX, &n, p);

	profile->priority = (unsigned)n;
	return r;
}

void body_profile_done(struct body_profile *profile)
{
	free(profile->members);
	*profile = (struct body_profile){ 0 };
}

int body_profile_parse(const char *text, size_t length, struct body_profile *out, struct problem *p)
{
	static const struct member members[] = {
		{ "priority", false, priority_take },
		{ "functions", true, profile_functions_take },
		{ 0 },
	};
	OWNED(body_profile_done) struct body_profile profile = { .priority = FABRIC_PRIORITY };
	int r = body_take(text, length, members, &profile, p);

	if (r)
		return r;
	*out = profile;
	profile.members = NULL;
	return 0;
}

static int place_host_take(json_object *value, const char *path, void *out, struct problem *p)
{
	struct body_place *place = out;

	return text_take(value, path, place->host, sizeof(place->host), p);
}

static int place_to_take(json_object *value, const char *path, void *out, struct problem *p)
{
	return value ? place_host_take(value, path, out, p) : 0;
}

static int place_dry_run_take(json_object *value, const char *path, void *out, struct problem *p)
{
	struct body_place *place = out;

	return bool_take(value, path, &place->dry_run, p);
}

int body_place_parse(const char *text, size_t length, enum body_place_form form,
		     struct body_place *out, struct problem *p)
{
	static const struct member members[BODY_PLACE_FORMS][3] = {
		[BODY_PLACE_HOST] = { { "host", true, place_host_take },
				      { "dry_run", false, place_dry_run_take } },
		[BODY_PLACE_TO] = { { "to", false, place_to_take },
				    { "dry_run", false, place_dry_run_take } },
		[BODY_PLACE_NONE] = { { "dry_run", false, place_dry_run_take } },
	};
	struct body_place place = { 0 };
	int r = length || form == BODY_PLACE_HOST
			? body_take(text, length, members[form], &place, p)
			: 0;

	if (!r)
		*out = place;
	return r;
}

static int force_take(json_object *value, const char *path, void *out, struct problem *p)
{
	struct fabric_drill *drill = out;

	return bool_take(value, path, &drill->force, p);
}

static int power_take(json_object *value, const char *path, void *out, struct problem *p)
{
	struct fabric_drill *drill = out;

	return bool_take(value, path, &drill->power, p);
}

int body_drill_parse(const char *text, size_t length, struct fabric_drill *out, struct problem *p)
{
	static const struct member members[] = { { "force", false, force_take },
						 { "power", false, power_take },
						 { 0 } };
	struct fabric_drill drill = { 0 };
	int r = length ? body_take(text, length, members, &drill, p) : 0;

	if (!r)
		*out = drill;
	return r;
}

static int incident_take(json_object *value, const char *path, void *out, struct problem *p)
{
	return number_take(value, path, 1, INT64_MAX, out, p);
}

int body_confirm_parse(const char *text, size_t length, uint64_t *incident, struct problem *p)
{
	static const struct member members[] = { { "incident", true, incident_take }, { 0 } };
	uint64_t n = 0;
	int r = body_take(text, length, members, &n, p);

	if (!r)
		*incident = n;
	return r;
}

static int replay_set_take(json_object *value, const char *path, void *out, struct problem *p)
{
	struct body_replay *replay = out;
	char at[256];

	if (!json_object_is_type(value, json_type_object))
		return wants(p, path, "an object");
	json_object_object_foreach(value, key, text)
	{
		size_t n = replay->count;
		int r;

		(void)snprintf(at, sizeof(at), "%s/%.128s", path, key);
		if (n == BODY_SETS_MAX || strlen(key) >= sizeof(replay->sets[n].key)) {
			problem_field(p, REFUSE_FIELD, at, "there is no such setting");
			return REFUSE_FIELD;
		}
		memcpy(replay->sets[n].key, key, strlen(key) + 1);
		r = text_take(text, at, replay->sets[n].value, sizeof(replay->sets[n].value), p);
		if (r)
			return r;
		replay->count++;
	}
	return 0;
}

int body_replay_parse(const char *text, size_t length, struct body_replay *out, struct problem *p)
{
	static const struct member members[] = { { "set", false, replay_set_take }, { 0 } };
	struct body_replay replay = { 0 };
	int r = length ? body_take(text, length, members, &replay, p) : 0;

	if (!r)
		*out = replay;
	return r;
}

int body_dry_run_parse(const char *text, size_t length, bool *dry_run, struct problem *p)
{
	static const struct member members[] = { { "dry_run", false, flag_take }, { 0 } };
	bool flag = false;
	int r = length ? body_take(text, length, members, &flag, p) : 0;

	if (!r)
		*dry_run = flag;
	return r;
}

static int force_alone_take(json_object *value, const char *path, void *out, struct problem *p)
{
	return bool_take(value, path, out, p);
}

int body_force_parse(const char *text, size_t length, bool *force, struct problem *p)
{
	static const struct member members[] = { { "force", false, force_alone_take }, { 0 } };
	bool is = false;
	int r = length ? body_take(text, length, members, &is, p) : 0;

	if (!r)
		*force = is;
	return r;
}

int body_empty_parse(const char *text, size_t length, struct problem *p)
{
	static const struct member members[] = { { 0 } };

	return length ? body_take(text, length, members, NULL, p) : 0;
}

static int file_take(json_object *value, const char *path, void *out, struct problem *p)
{
	char *text = out;
	int r = text_take(value, path, text, DB_TEXT_MAX, p);

	if (r)
		return r;
	if (*text != '/' || strlen(text) != (size_t)json_object_get_string_len(value))
		return wants(p, path, "an absolute path");
	return 0;
}

int body_file_parse(const char *text, size_t length, char out[static DB_TEXT_MAX],
		    struct problem *p)
{
	static const struct member members[] = { { "file", true, file_take }, { 0 } };

	return body_take(text, length, members, out, p);
}
