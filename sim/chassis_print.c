/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The writing half of chassis files; json-c and our own writer would not share a file. */
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "sim/chassis_file.h"

static void print_hex(struct buf *out, const char *key, uint16_t id)
{
	char text[8];

	(void)snprintf(text, sizeof(text), "%04x", id);
	json_member_text(out, key, text);
}

static void print_gts(struct buf *out, uint32_t mtps)
{
	json_key(out, "gts");
	buf_printf(out, "%u", mtps / 1000);
	if (mtps % 1000)
		buf_printf(out, ".%u", mtps % 1000 / 100);
}

static void print_switch_of(struct buf *out, const struct sim_chassis *c, uint16_t handle,
			    uint16_t port)
{
	json_member_text(out, "switch", c->switches[handle - 1].name);
	json_member_number(out, "port", port);
}

static void print_links(struct buf *out, const struct sim_chassis *c)
{
	json_key(out, "links");
	json_open(out, '[');
	for (size_t i = 0; i < c->link_count; i++) {
		json_open(out, '{');
		for (unsigned end = 0; end < 2; end++) {
			json_key(out, end ? "b" : "a");
			json_open(out, '{');
			print_switch_of(out, c, c->links[i].switches[end], c->links[i].ports[end]);
			json_close(out, '}');
		}
		json_member_number(out, "width", c->links[i].width);
		print_gts(out, c->links[i].mtps);
		json_close(out, '}');
	}
	json_close(out, ']');
}

static void print_host(struct buf *out, const struct sim_chassis *c, const struct sim_host *h)
{
	json_open(out, '{');
	json_member_text(out, "bay", h->bay);
	print_switch_of(out, c, h->switch_handle, h->port);
	json_member_number(out, "vports", h->vports);
	json_member_number(out, "buses", h->buses);
	json_member_number(out, "window_mib", h->window_bytes >> 20);
	if (!h->power)
		json_member_bool(out, "power", false);
	if (!h->link)
		json_member_bool(out, "link", false);
	json_close(out, '}');
}

static void print_identity(struct buf *out, uint8_t can)
{
	const char *kind = can & PROVIDER_IDENTITY_MAC   ? "mac"
			   : can & PROVIDER_IDENTITY_WWN ? "wwn"
							 : "none";

	json_key(out, "identity");
	buf_printf(out, "\"%s%s\"", kind,
		   can & PROVIDER_IDENTITY_ENFORCED && strcmp(kind, "none") != 0 ? "-enforced"
										 : "");
}

static void print_adapter(struct buf *out, const struct sim_chassis *c, const struct sim_adapter *a)
{
	static const char *const keepers[] = { "none", "switch", "manager", "host" };

	json_open(out, '{');
	if (a->captured) {
		json_member_text(out, "capture", a->capture);
		json_member_text(out, "address", a->capture_address);
	} else {
		json_member_text(out, "model", a->device.name);
	}
	json_member_text(out, "label", a->model);
	json_member_text(out, "serial", a->serial);
	print_switch_of(out, c, a->switch_handle, a->port);
	json_member_text(out, "keeper", keepers[a->keeper]);
	if (a->keeper == PROVIDER_KEEPER_HOST)
		json_member_text(out, "keeper_host", c->hosts[a->keeper_host - 1].bay);
	json_member_number(out, "pfs", a->pfs);
	json_member_number(out, "total_vfs", a->device.total_vfs);
	json_member_number(out, "num_vfs", a->num_vfs);
	json_member_bool(out, "ring", a->ring);
	json_member_bool(out, "flr", a->device.flr);
	print_identity(out, a->device.identity_can);
	json_key(out, "link");
	json_open(out, '{');
	json_member_number(out, "width", a->width);
	print_gts(out, a->mtps);
	json_close(out, '}');
	json_close(out, '}');
}

void sim_chassis_print(const struct sim_chassis *chassis, struct buf *out)
{
	const struct sim_chassis *c = chassis;

	json_open(out, '{');
	json_member_text(out, "chassis", c->name);
	json_member_number(out, "number", c->number);
	json_member_number(out, "command_ms", c->command_ms);
	json_member_number(out, "timeout_ms", c->timeout_ms);
	json_member_number(out, "depth", c->depth);
	json_member_text(out, "settle", c->has_barrier ? "barrier" : "lateness");
	json_member_number(out, "lateness_ms", c->lateness_ms);
	json_key(out, "checks");
	json_open(out, '{');
	json_member_bool(out, "identity", c->checks_identity);
	json_close(out, '}');
	json_key(out, "can");
	json_open(out, '{');
	json_member_bool(out, "isolate", c->can.isolate);
	json_member_bool(out, "surprise", c->can.surprise);
	json_member_bool(out, "power", c->can.power);
	json_member_bool(out, "tell_power", c->can.tell_power);
	json_member_bool(out, "tell_traffic", c->can.tell_traffic);
	json_close(out, '}');
	json_key(out, "switches");
	json_open(out, '[');
	for (size_t i = 0; i < c->switch_count; i++) {
		json_open(out, '{');
		json_member_text(out, "name", c->switches[i].name);
		print_hex(out, "vendor", c->switches[i].vendor);
		print_hex(out, "device", c->switches[i].device);
		json_close(out, '}');
	}
	json_close(out, ']');
	print_links(out, c);
	json_key(out, "hosts");
	json_open(out, '[');
	for (size_t i = 0; i < c->host_count; i++)
		print_host(out, c, &c->hosts[i]);
	json_close(out, ']');
	json_key(out, "adapters");
	json_open(out, '[');
	for (size_t i = 0; i < c->adapter_count; i++)
		print_adapter(out, c, &c->adapters[i]);
	json_close(out, ']');
	json_close(out, '}');
	buf_text(out, "\n");
}
