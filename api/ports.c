/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/ports */
#include "api/call.h"
#include "api/commands.h"
#include "api/resource.h"

static void id_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_port *p = object;

	(void)f;
	value_text(v, p->name);
}

static void switch_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_port *p = object;
	const struct fabric_switch *s = switch_by_handle(f, p->provider, p->as.switch_handle);

	value_text(v, s ? s->name : NULL);
}

static void number_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_port *p = object;

	(void)f;
	value_number(v, p->as.number);
}

static void kind_get(const struct fabric *f, const void *object, struct value *v)
{
	static const char *const texts[] = {
		[PROVIDER_PORT_UPSTREAM] = "upstream",
		[PROVIDER_PORT_DOWNSTREAM] = "downstream",
		[PROVIDER_PORT_INTERSWITCH] = "interswitch",
	};
	const struct fabric_port *p = object;

	(void)f;
	value_text(v, texts[p->as.role]);
}

static void link_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_port *p = object;

	(void)f;
	value_text(v, p->as.link ? "up" : "down");
}

static void width_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_port *p = object;

	(void)f;
	value_number(v, p->as.width);
}

static void max_width_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_port *p = object;

	(void)f;
	value_number(v, p->as.max_width);
}

static void mtps_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_port *p = object;

	(void)f;
	value_number(v, p->as.mtps);
}

static void max_mtps_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_port *p = object;

	(void)f;
	value_number(v, p->as.max_mtps);
}

static void host_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_port *p = object;

	(void)f;
	value_text(v, p->as.host ? p->attached : NULL);
}

static void adapter_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_port *p = object;

	(void)f;
	value_text(v, p->as.adapter ? p->attached : NULL);
}

static void peer_get(const struct fabric *f, const void *object, struct value *v)
{
	const struct fabric_port *p = object;

	(void)f;
	value_text(v, p->as.peer ? p->attached : NULL);
}

static void slot_get(const struct fabric *f, const void *object, struct value *v)
{
	(void)f;
	value_text(v, fabric_port_slot(object));
}

static const struct field fields[] = {
	{ .name = "id", .get = id_get },
	{ .name = "switch", .get = switch_get },
	{ .name = "number", .get = number_get },
	{ .name = "kind", .get = kind_get },
	{ .name = "link", .get = link_get },
	{ .name = "width", .get = width_get },
	{ .name = "max_width", .get = max_width_get },
	{ .name = "mtps", .get = mtps_get },
	{ .name = "max_mtps", .get = max_mtps_get },
	{ .name = "host", .get = host_get },
	{ .name = "adapter", .get = adapter_get },
	{ .name = "peer", .get = peer_get },
	{ .name = "slot", .get = slot_get },
	{ 0 },
};

RESOURCE_LIST(port, fabric_ports)

static const void *port_find(const struct fabric *f, const char *id)
{
	return fabric_port_find(f, id);
}

const struct resource resource_ports = {
	.name = "ports",
	.fields = fields,
	.missing = REFUSE_NO_RESOURCE,
	.find = port_find,
	.count = port_count,
	.at = port_at,
};

static void port_get(struct api_call *call)
{
	resource_get(call, &resource_ports);
}

const struct api_command api_port_get = {
	.name = "port.get",
	.method = MESSAGE_GET,
	.collection = "ports",
	.takes_id = CALL_ANY_ID,
	.right = SERVER_RIGHT_READ,
	.summary = "ports of all switches, their links, and what is on them",
	.run = port_get,
};
