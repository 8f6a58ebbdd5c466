/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/assignments: what is wanted, as the database has it. An assignment's id is its function's. */
#include "api/call.h"
#include "api/commands.h"
#include "api/resource.h"
#include "api/seen.h"

static const char *assigned_text(enum db_assignment_state state)
{
	static const char *const texts[DB_ASSIGNMENT_STATES] = {
		[DB_ASSIGNMENT_BOUND] = "bound",
		[DB_ASSIGNMENT_PARKED] = "parked",
		[DB_ASSIGNMENT_BLOCKED] = "blocked",
	};

	return texts[state];
}

static void id_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_function *fn = object;

	(void)f;
	value_text(v, fn->name);
}

static void host_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_owner owner = fabric_function_owner(object);

	(void)f;
	value_text(v, owner.host->name);
}

static void vport_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_owner owner = fabric_function_owner(object);

	(void)f;
	value_number_or_null(v, owner.vport);
}

static void generation_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_owner owner = fabric_function_owner(object);

	(void)f;
	value_number(v, owner.generation);
}

static void state_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_owner owner = fabric_function_owner(object);

	(void)f;
	value_text(v, assigned_text(owner.assigned));
}

static void identity_put(const struct fabric *f, const void *object, struct buf *out)
{
	const struct fabric_owner owner = fabric_function_owner(object);

	(void)f;
	identity_write(&owner.identity, out);
}

static void bound_put(const struct fabric *f, const void *object, struct buf *out)
{
	bound_write(f, object, out);
}

static void condition_get(const struct fabric *f, const void *object, struct value *v)
{
	struct fabric_joined joined;

	fabric_function_joined(f, object, &joined);
	value_text(v, fabric_join_text(joined.condition));
}

static void seen_put(const struct fabric *f, const void *object, struct buf *out)
{
	joined_write(f, object, out);
}

static void profile_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_function *fn = object;

	(void)f;
	value_text(v, fn->profile ? fn->profile->name : NULL);
}

static const struct field fields[] = {
	{ .name = "id", .get = id_get },
	{ .name = "function", .get = id_get },
	{ .name = "host", .get = host_get },
	{ .name = "vport", .get = vport_get },
	{ .name = "generation", .get = generation_get },
	{ .name = "state", .get = state_get },
	{ .name = "identity", .write = identity_put },
	{ .name = "profile", .get = profile_get },
	{ .name = "bound", .write = bound_put },
	{ .name = "condition", .get = condition_get, .moves = true },
	{ .name = "seen", .write = seen_put, .moves = true },
	{ 0 },
};

RESOURCE_LIST(function, fabric_functions)

static const void *function_find(const struct fabric *f, const char *id)
{
	return fabric_function_find(f, id);
}

static bool is_assigned(const void *object)
{
	const struct fabric_owner owner = fabric_function_owner(object);

	return owner.host;
}

const struct resource resource_assignments = {
	.name = "assignments",
	.fields = fields,
	.missing = REFUSE_NO_RESOURCE,
	.find = function_find,
	.count = function_count,
	.at = function_at,
	.has = is_assigned,
};

static void assignment_get(struct api_call *call)
{
	resource_get(call, &resource_assignments);
}

const struct api_command api_assignment_get = {
	.name = "assignment.get",
	.method = MESSAGE_GET,
	.collection = "assignments",
	.takes_id = CALL_ANY_ID,
	.right = SERVER_RIGHT_READ,
	.summary = "which function is given to which host",
	.run = assignment_get,
};
