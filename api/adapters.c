/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/adapters */
#include "api/call.h"
#include "api/commands.h"
#include "api/resource.h"
#include "topology/name.h"

static void id_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_adapter *a = object;

	(void)f;
	value_text(v, a->name);
}

static void kind_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_adapter *a = object;

	(void)f;
	value_text(v, topo_name_kind(a->as.class_code));
}

static void mode_get(const struct fabric *f, const void *object, struct value *v)
{
	static const char *const texts[] = {
		[PROVIDER_ADAPTER_PLAIN] = "plain",
		[PROVIDER_ADAPTER_SRIOV] = "sriov",
		[PROVIDER_ADAPTER_MRA] = "mra",
	};
	const struct fabric_adapter *a = object;

	(void)f;
	value_text(v, texts[a->as.mode]);
}

static void state_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_adapter *a = object;

	(void)f;
	value_text(v, a->present ? "present" : "absent");
}

/* "switch", "manager" or a host; null: the adapter is given whole. */
static void keeper_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_adapter *a = object;
	const struct fabric_host *host;

	switch (a->as.keeper) {
	case PROVIDER_KEEPER_NONE:
		value_text(v, NULL);
		break;
	case PROVIDER_KEEPER_SWITCH:
		value_text(v, "switch");
		break;
	case PROVIDER_KEEPER_MANAGER:
		value_text(v, "manager");
		break;
	case PROVIDER_KEEPER_HOST:
		host = host_by_handle(f, a->provider, a->as.keeper_host);
		value_text(v, host ? host->name : NULL);
		break;
	}
}

static void switch_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_adapter *a = object;
	const struct fabric_switch *s = switch_by_handle(f, a->provider, a->as.switch_handle);

	value_text(v, s ? s->name : NULL);
}

static void port_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_adapter *a = object;
	const struct fabric_switch *s = switch_by_handle(f, a->provider, a->as.switch_handle);

	value_text(v, NULL);
	if (s) {
		topo_name_port(s->name, a->as.port, v->room);
		value_text(v, v->room);
	}
}

static void class_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_adapter *a = object;

	(void)f;
	value_hex4(v, (uint16_t)(a->as.class_code >> 8));
}

static void vendor_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_adapter *a = object;

	(void)f;
	value_hex4(v, a->as.vendor);
}

static void device_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_adapter *a = object;

	(void)f;
	value_hex4(v, a->as.device);
}

static void serial_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_adapter *a = object;

	(void)f;
	value_text(v, a->as.serial);
}

static void model_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_adapter *a = object;

	(void)f;
	value_text(v, a->as.model);
}

static void num_vfs_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_adapter *a = object;

	(void)f;
	value_number(v, a->as.num_vfs);
}

static void total_vfs_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_adapter *a = object;

	(void)f;
	value_number(v, a->as.total_vfs);
}

static uint64_t functions_count(const struct fabric_adapter *a,
				bool (*is_one)(const struct fabric_function *))
{
	uint64_t n = 0;

	for (const struct fabric_function *fn = a->first; fn; fn = fn->next_in_adapter)
		n += is_one(fn);
	return n;
}

static bool is_any(const struct fabric_function *fn)
{
	return fn;
}

static bool is_free(const struct fabric_function *fn)
{
	return !fabric_function_owner(fn).host && !fabric_function_is_kept(fn);
}

static bool is_assigned(const struct fabric_function *fn)
{
	return fabric_function_owner(fn).host;
}

static void functions_get(const struct fabric *f, const void *object, struct value *v)
{
	(void)f;
	value_number(v, functions_count(object, is_any));
}

static void free_get(const struct fabric *f, const void *object, struct value *v)
{
	(void)f;
	value_number(v, functions_count(object, is_free));
}

static void bound_get(const struct fabric *f, const void *object, struct value *v)
{
	(void)f;
	value_number(v, functions_count(object, is_assigned));
}

static void provider_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_adapter *a = object;

	value_text(v, provider_name(f, a->provider));
}

static const struct field fields[] = {
	{ .name = "id", .get = id_get },
	{ .name = "kind", .get = kind_get },
	{ .name = "mode", .get = mode_get },
	{ .name = "state", .get = state_get },
	{ .name = "keeper", .get = keeper_get },
	{ .name = "switch", .get = switch_get },
	{ .name = "port", .get = port_get },
	{ .name = "class", .get = class_get },
	{ .name = "vendor", .get = vendor_get },
	{ .name = "device", .get = device_get },
	{ .name = "serial", .get = serial_get },
	{ .name = "model", .get = model_get },
	{ .name = "num_vfs", .get = num_vfs_get },
	{ .name = "total_vfs", .get = total_vfs_get },
	{ .name = "functions", .get = functions_get },
	{ .name = "free", .get = free_get },
	{ .name = "bound", .get = bound_get },
	{ .name = "provider", .get = provider_get },
	{ 0 },
};

RESOURCE_LIST(adapter, fabric_adapters)

static const void *adapter_find(const struct fabric *f, const char *id)
{
	return fabric_adapter_find(f, id);
}

const struct resource resource_adapters = {
	.name = "adapters",
	.fields = fields,
	.missing = REFUSE_NO_ADAPTER,
	.find = adapter_find,
	.count = adapter_count,
	.at = adapter_at,
};

static void adapter_get(struct api_call *call)
{
	resource_get(call, &resource_adapters);
}

const struct api_command api_adapter_get = {
	.name = "adapter.get",
	.method = MESSAGE_GET,
	.collection = "adapters",
	.takes_id = CALL_ANY_ID,
	.right = SERVER_RIGHT_READ,
	.summary = "endpoint devices, and how many of their functions are free",
	.run = adapter_get,
};
