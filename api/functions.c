/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/functions: what can be given to a host, where it is, and what the world knows it by. */
#include "api/call.h"
#include "api/commands.h"
#include "api/resource.h"
#include "api/seen.h"

static const char *kind_text(enum provider_function_kind kind)
{
	static const char *const texts[] = {
		[PROVIDER_FUNCTION_DEVICE] = "device",
		[PROVIDER_FUNCTION_BF] = "bf",
		[PROVIDER_FUNCTION_PF] = "pf",
		[PROVIDER_FUNCTION_VF] = "vf",
	};

	return texts[kind];
}

static void id_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_function *fn = object;

	(void)f;
	value_text(v, fn->name);
}

static void kind_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_function *fn = object;

	(void)f;
	value_text(v, kind_text(fn->as.kind));
}

static void adapter_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_function *fn = object;

	(void)f;
	/* NULL until the switch has been read: from the database alone nobody knows its card. */
	value_text(v, fn->adapter ? fn->adapter->name : NULL);
}

static void host_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_owner owner = fabric_function_owner(object);

	(void)f;
	value_text(v, owner.host ? owner.host->name : NULL);
}

static void vport_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_owner owner = fabric_function_owner(object);

	(void)f;
	value_number_or_null(v, owner.host ? owner.vport : 0);
}

static void generation_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_owner owner = fabric_function_owner(object);

	(void)f;
	value_number(v, owner.generation);
}

static void identity_put(const struct fabric *f, const void *object, struct buf *out)
{
	const struct fabric_owner owner = fabric_function_owner(object);

	(void)f;
	identity_write(&owner.identity, out);
}

static void state_get(const struct fabric *f, const void *object, struct value *v)
{
	(void)f;
	value_text(v, fabric_function_state_text(fabric_function_state(object)));
}

static void change_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_function *fn = object;

	(void)f;
	value_number_or_null(v, fn->item ? fn->item->change->row.id : 0);
}

static void step_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_function *fn = object;

	(void)f;
	value_text(v, fn->item ? fn->item->step : NULL);
}

static void vendor_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_function *fn = object;

	(void)f;
	value_hex4(v, fn->as.vendor);
}

static void device_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_function *fn = object;

	(void)f;
	value_hex4(v, fn->as.device);
}

static void pf_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_function *fn = object;

	(void)f;
	value_number(v, fn->as.pf);
}

static void vf_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_function *fn = object;

	(void)f;
	value_number_or_null(v, fn->as.vf);
}

static void kept_get(const struct fabric *f, const void *object, struct value *v)
{
	(void)f;
	value_bool(v, fabric_function_is_kept(object));
}

static void present_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_function *fn = object;

	(void)f;
	value_bool(v, fn->present);
}

static void can_put(const struct fabric *f, const void *object, struct buf *out)
{
	const struct fabric_function *fn = object;

	(void)f;
	json_open(out, '[');
	if (fn->as.identity_can & PROVIDER_IDENTITY_MAC) {
		json_text(out, "mac");
		json_text(out, "vlan");
	}
	if (fn->as.identity_can & PROVIDER_IDENTITY_WWN) {
		json_text(out, "wwpn");
		json_text(out, "wwnn");
	}
	json_close(out, ']');
}

static void enforced_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_function *fn = object;

	(void)f;
	value_bool(v, fn->as.identity_can & PROVIDER_IDENTITY_ENFORCED);
}

static void bound_put(const struct fabric *f, const void *object, struct buf *out)
{
	bound_write(f, object, out);
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
	{ .name = "kind", .get = kind_get },
	{ .name = "adapter", .get = adapter_get },
	{ .name = "host", .get = host_get },
	{ .name = "vport", .get = vport_get },
	{ .name = "generation", .get = generation_get },
	{ .name = "identity", .write = identity_put },
	{ .name = "profile", .get = profile_get },
	{ .name = "state", .get = state_get },
	{ .name = "change", .get = change_get },
	{ .name = "step", .get = step_get },
	{ .name = "bound", .write = bound_put },
	{ .name = "seen", .write = seen_put, .moves = true },
	{ .name = "vendor", .get = vendor_get },
	{ .name = "device", .get = device_get },
	{ .name = "pf", .get = pf_get },
	{ .name = "vf", .get = vf_get },
	{ .name = "kept", .get = kept_get },
	{ .name = "present", .get = present_get },
	{ .name = "identity_members", .write = can_put },
	{ .name = "identity_enforced", .get = enforced_get },
	{ 0 },
};

RESOURCE_LIST(function, fabric_functions)

static const void *function_find(const struct fabric *f, const char *id)
{
	return fabric_function_find(f, id);
}

const struct resource resource_functions = {
	.name = "functions",
	.fields = fields,
	.missing = REFUSE_NO_FUNCTION,
	.find = function_find,
	.count = function_count,
	.at = function_at,
};

static void function_get(struct api_call *call)
{
	resource_get(call, &resource_functions);
}

const struct api_command api_function_get = {
	.name = "function.get",
	.method = MESSAGE_GET,
	.collection = "functions",
	.takes_id = CALL_ANY_ID,
	.right = SERVER_RIGHT_READ,
	.summary = "physical and virtual functions: owner, identity, state",
	.run = function_get,
};
