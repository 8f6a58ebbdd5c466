/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/switches */
#include <stdio.h>

#include "api/call.h"
#include "api/commands.h"
#include "api/resource.h"

static void id_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_switch *s = object;

	(void)f;
	value_text(v, s->name);
}

static void state_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_switch *s = object;
	struct fabric_provider_view view;

	fabric_provider_get(f, s->provider, &view);
	value_text(v, provider_state_text(view.state));
}

static void provider_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_switch *s = object;

	value_text(v, provider_name(f, s->provider));
}

static void chassis_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_switch *s = object;

	(void)f;
	value_number(v, s->as.chassis);
}

static void vendor_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_switch *s = object;

	(void)f;
	value_hex4(v, s->as.vendor);
}

static void device_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_switch *s = object;

	(void)f;
	value_hex4(v, s->as.device);
}

static void ports_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_switch *s = object;
	size_t count = 0;
	const struct fabric_port *const *ports = fabric_ports(f, &count);
	uint64_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += ports[i]->provider == s->provider &&
		     ports[i]->as.switch_handle == s->as.handle;
	value_number(v, n);
}

static void boot_id_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_switch *s = object;
	struct fabric_provider_view view;

	fabric_provider_get(f, s->provider, &view);
	(void)snprintf(v->room, sizeof(v->room), "%s", view.hello.boot_id);
	value_text(v, v->room);
}

static const struct field fields[] = {
	{ .name = "id", .get = id_get },
	{ .name = "state", .get = state_get },
	{ .name = "provider", .get = provider_get },
	{ .name = "chassis", .get = chassis_get },
	{ .name = "vendor", .get = vendor_get },
	{ .name = "device", .get = device_get },
	{ .name = "ports", .get = ports_get },
	{ .name = "boot_id", .get = boot_id_get },
	{ 0 },
};

RESOURCE_LIST(switch, fabric_switches)

static const void *switch_find(const struct fabric *f, const char *id)
{
	return fabric_switch_find(f, id);
}

const struct resource resource_switches = {
	.name = "switches",
	.fields = fields,
	.missing = REFUSE_NO_RESOURCE,
	.find = switch_find,
	.count = switch_count,
	.at = switch_at,
};

static void switch_get(struct api_call *call)
{
	resource_get(call, &resource_switches);
}

const struct api_command api_switch_get = {
	.name = "switch.get",
	.method = MESSAGE_GET,
	.collection = "switches",
	.takes_id = CALL_ANY_ID,
	.right = SERVER_RIGHT_READ,
	.summary = "switches, and the state of the provider that reaches them",
	.run = switch_get,
};
