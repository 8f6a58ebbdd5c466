/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/chassis_file.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/object.h"
#include "sim/capture_device.h"

OWNED_BY(struct json_object, json_object_put)

_Static_assert((int)SIM_CHASSIS_WHY == OBJECT_WHY_MAX && (int)SIM_CHASSIS_WHY == OBJECT_PATH_MAX &&
		       (int)SIM_CHASSIS_ERROR == OBJECT_ERROR_MAX,
	       "what is refused here and there has room in both");

/* What is being read. */
struct reading {
	struct sim_chassis *chassis;
	const char *folder;
};

static struct sim_chassis *chassis_of(const struct object_in *in)
{
	return ((const struct reading *)in->arg)->chassis;
}

static int take_gts(struct object_in *in, void *target, json_object *value)
{
	double gts = json_object_get_double(value);

	if (!json_object_is_type(value, json_type_int) &&
	    !json_object_is_type(value, json_type_double))
		return object_bad(in, "a number is expected");
	if (!(gts >= 2.5 && gts <= 64))
		return object_bad(in, "2.5 .. 64");
	*(uint32_t *)target = (uint32_t)(gts * 1000 + 0.5);
	return 0;
}

static int take_switch(struct object_in *in, void *target, json_object *value)
{
	char name[PROVIDER_NAME_MAX];
	int r = object_take_text(in, name, sizeof(name), value);

	for (size_t i = 0; !r && i < chassis_of(in)->switch_count; i++)
		if (!strcmp(chassis_of(in)->switches[i].name, name)) {
			*(uint16_t *)target = (uint16_t)(i + 1);
			return 0;
		}
	return r ? r : object_bad(in, "no such switch");
}

/* switches and links */

static const struct object_key switch_keys[] = {
	OBJECT_TEXT("name", struct sim_switch, name, true),
	OBJECT_HEX("vendor", struct sim_switch, vendor, false),
	OBJECT_HEX("device", struct sim_switch, device, false),
	{ 0 },
};

static int take_switch_element(struct object_in *in, json_object *value)
{
	struct sim_switch *s = sim_chassis_add_switch(chassis_of(in), "");

	return s ? object_take(in, switch_keys, s, value) : -ENOMEM;
}

static int take_switches(struct object_in *in, void *target, json_object *value)
{
	(void)target;
	return object_take_array(in, value, PROVIDER_SWITCHES_MAX, take_switch_element);
}

struct link_end {
	uint16_t switch_handle;
	uint16_t port;
};

static const struct object_key end_keys[] = {
	OBJECT_MEMBER("switch", take_switch, struct link_end, switch_handle, true),
	OBJECT_NUMBER("port", struct link_end, port, true, 1, SIM_CHASSIS_PORTS_MAX - 1),
	{ 0 },
};

static int take_end(struct object_in *in, struct sim_link *link, unsigned end, json_object *value)
{
	struct link_end taken = { 0 };
	int r = object_take(in, end_keys, &taken, value);

	link->switches[end] = taken.switch_handle;
	link->ports[end] = taken.port;
	return r;
}

static int take_end_a(struct object_in *in, void *target, json_object *value)
{
	return take_end(in, target, 0, value);
}

static int take_end_b(struct object_in *in, void *target, json_object *value)
{
	return take_end(in, target, 1, value);
}

static const struct object_key link_keys[] = {
	OBJECT_OTHER("a", take_end_a, true),
	OBJECT_OTHER("b", take_end_b, true),
	OBJECT_NUMBER("width", struct sim_link, width, false, 1, 32),
	OBJECT_MEMBER("gts", take_gts, struct sim_link, mtps, false),
	{ 0 },
};

static int take_link_element(struct object_in *in, json_object *value)
{
	struct sim_link *l = sim_chassis_add_link(chassis_of(in), 0, 0);

	return l ? object_take(in, link_keys, l, value) : -ENOMEM;
}

static int take_links(struct object_in *in, void *target, json_object *value)
{
	(void)target;
	return object_take_array(in, value, SIM_CHASSIS_LINKS_MAX, take_link_element);
}

/* hosts */

static int take_window(struct object_in *in, void *target, json_object *value)
{
	struct sim_host *h = target;

	if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 1 ||
	    json_object_get_int64(value) > 1 << 20)
		return object_bad(in, "whole MiB, 1 .. %d", 1 << 20);
	h->window_bytes = (uint64_t)json_object_get_int64(value) << 20;
	return 0;
}

static const struct object_key host_keys[] = {
	OBJECT_TEXT("bay", struct sim_host, bay, true),
	OBJECT_MEMBER("switch", take_switch, struct sim_host, switch_handle, true),
	OBJECT_NUMBER("port", struct sim_host, port, true, 1, SIM_CHASSIS_PORTS_MAX - 1),
	/* Too many vports are refused with the reason, in sim_chassis_check(). */
	OBJECT_NUMBER("vports", struct sim_host, vports, false, 1, UINT16_MAX),
	OBJECT_NUMBER("buses", struct sim_host, buses, false, 1, 255),
	OBJECT_OTHER("window_mib", take_window, false),
	OBJECT_BOOL("power", struct sim_host, power, false),
	OBJECT_BOOL("link", struct sim_host, link, false),
	{ 0 },
};

static int take_host_element(struct object_in *in, json_object *value)
{
	struct sim_host *h = sim_chassis_add_host(chassis_of(in), "", 0);

	return h ? object_take(in, host_keys, h, value) : -ENOMEM;
}

static int take_hosts(struct object_in *in, void *target, json_object *value)
{
	(void)target;
	return object_take_array(in, value, PROVIDER_HOSTS_MAX, take_host_element);
}

/* adapters */

static int take_model(struct object_in *in, void *target, json_object *value)
{
	struct sim_adapter *a = target;
	const struct sim_device *d;
	char name[PROVIDER_NAME_MAX];
	int r = object_take_text(in, name, sizeof(name), value);

	if (r)
		return r;
	d = sim_device_find(name);
	if (!d)
		return object_bad(in, "no such model");
	a->device = *d;
	(void)snprintf(a->model, sizeof(a->model), "%s", d->model);
	a->width = d->width;
	a->mtps = d->mtps;
	a->keeper = d->mode == PROVIDER_ADAPTER_MRA ? PROVIDER_KEEPER_SWITCH : PROVIDER_KEEPER_NONE;
	return 0;
}

static int take_keeper(struct object_in *in, void *target, json_object *value)
{
	static const char *const keepers[] = {
		[PROVIDER_KEEPER_NONE] = "none",
		[PROVIDER_KEEPER_SWITCH] = "switch",
		[PROVIDER_KEEPER_MANAGER] = "manager",
		[PROVIDER_KEEPER_HOST] = "host",
	};
	struct sim_adapter *a = target;
	char text[PROVIDER_NAME_MAX];
	int r = object_take_text(in, text, sizeof(text), value);

	for (unsigned i = 0; !r && i < sizeof(keepers) / sizeof(keepers[0]); i++)
		if (!strcmp(text, keepers[i])) {
			a->keeper = (enum provider_keeper)i;
			return 0;
		}
	return r ? r : object_bad(in, "none, switch, manager or host");
}

static int take_keeper_host(struct object_in *in, void *target, json_object *value)
{
	struct sim_adapter *a = target;
	char bay[PROVIDER_NAME_MAX];
	int r = object_take_text(in, bay, sizeof(bay), value);

	if (!r && a->keeper != PROVIDER_KEEPER_HOST)
		return object_bad(in, "its keeper is not a host");
	for (size_t i = 0; !r && i < chassis_of(in)->host_count; i++)
		if (!strcmp(chassis_of(in)->hosts[i].bay, bay)) {
			a->keeper_host = (uint16_t)(i + 1);
			return 0;
		}
	return r ? r : object_bad(in, "no host in such a bay");
}

static int take_identity(struct object_in *in, void *target, json_object *value)
{
	static const struct {
		const char *text;
		uint8_t can;
	} kinds[] = {
		{ "none", 0 },
		{ "mac", PROVIDER_IDENTITY_MAC },
		{ "wwn", PROVIDER_IDENTITY_WWN },
		{ "mac-enforced", PROVIDER_IDENTITY_MAC | PROVIDER_IDENTITY_ENFORCED },
		{ "wwn-enforced", PROVIDER_IDENTITY_WWN | PROVIDER_IDENTITY_ENFORCED },
	};
	struct sim_adapter *a = target;
	char text[PROVIDER_NAME_MAX];
	int r = object_take_text(in, text, sizeof(text), value);

	for (size_t i = 0; !r && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(text, kinds[i].text)) {
			a->device.identity_can = kinds[i].can;
			return 0;
		}
	return r ? r : object_bad(in, "none, mac, wwn, mac-enforced or wwn-enforced");
}

static const struct object_key adapter_link_keys[] = {
	OBJECT_NUMBER("width", struct sim_adapter, width, false, 1, 32),
	OBJECT_MEMBER("gts", take_gts, struct sim_adapter, mtps, false),
	{ 0 },
};

static int take_adapter_link(struct object_in *in, void *target, json_object *value)
{
	return object_take(in, adapter_link_keys, target, value);
}

/* The pair "capture" and "address"; taken together, before the rest of the adapter. */
struct source {
	char capture[PROVIDER_TEXT_MAX];
	char address[TOPO_ADDRESS_TEXT];
	char model[PROVIDER_NAME_MAX];
};

static int capture_take(struct object_in *in, struct sim_adapter *a, const struct source *source)
{
	struct topo_address address;
	const char *folder = ((const struct reading *)in->arg)->folder;
	char path[4096];
	size_t at = object_path_add(in, "address");
	int r;

	if (topo_address_parse(source->address, &address))
		return object_bad(in, "an address is [DOMAIN:]BUS:DEVICE.FUNCTION");
	in->path[at] = '\0';
	at = object_path_add(in, "capture");
	if (!folder)
		return object_bad(in, "there are no captures here");
	r = snprintf(path, sizeof(path), "%s%s%s", source->capture[0] == '/' ? "" : folder,
		     source->capture[0] == '/' ? "" : "/", source->capture);
	if (r < 0 || (size_t)r >= sizeof(path))
		return object_bad(in, "the path is too long");
	r = sim_capture_read(path, &address, a, in->why);
	if (r)
		return r;
	(void)snprintf(a->capture, sizeof(a->capture), "%s", source->capture);
	(void)snprintf(a->capture_address, sizeof(a->capture_address), "%s", source->address);
	in->path[at] = '\0';
	return 0;
}

/* Which of the two an adapter is made from: a built-in model, or a capture. */
static int take_source(struct object_in *in, struct sim_adapter *a, json_object *value)
{
	static const struct object_key keys[] = {
		OBJECT_TEXT("capture", struct source, capture, true),
		OBJECT_TEXT("address", struct source, address, true),
		{ 0 },
	};
	struct source source = { 0 };
	json_object *model, *member;
	int r = 0;

	if (!json_object_is_type(value, json_type_object))
		return object_bad(in, "an object is expected");
	if (json_object_object_get_ex(value, "model", &model) ==
	    json_object_object_get_ex(value, "capture", &member))
		return object_bad(in, "either \"model\" or \"capture\" with \"address\" is needed");
	if (model) {
		size_t at = object_path_add(in, "model");

		r = take_model(in, a, model);
		if (!r)
			in->path[at] = '\0';
		return r;
	}
	for (const struct object_key *key = keys; !r && key->name; key++) {
		size_t at;

		if (!json_object_object_get_ex(value, key->name, &member))
			return object_bad(in, "\"%s\" is missing", key->name);
		at = object_path_add(in, key->name);
		r = object_take_key(in, key, &source, member);
		if (!r)
			in->path[at] = '\0';
	}
	return r ? r : capture_take(in, a, &source);
}

static const struct object_key adapter_keys[] = {
	OBJECT_OTHER("model", object_take_nothing, false), /* these three: take_source() */
	OBJECT_OTHER("capture", object_take_nothing, false),
	OBJECT_OTHER("address", object_take_nothing, false),
	OBJECT_TEXT("label", struct sim_adapter, model, false),
	OBJECT_TEXT("serial", struct sim_adapter, serial, false),
	OBJECT_MEMBER("switch", take_switch, struct sim_adapter, switch_handle, true),
	OBJECT_NUMBER("port", struct sim_adapter, port, true, 1, SIM_CHASSIS_PORTS_MAX - 1),
	OBJECT_OTHER("keeper", take_keeper, false),
	OBJECT_OTHER("keeper_host", take_keeper_host, false),
	OBJECT_NUMBER("pfs", struct sim_adapter, pfs, false, 1, SIM_CHASSIS_PFS_MAX),
	OBJECT_NUMBER("total_vfs", struct sim_adapter, device.total_vfs, false, 0, UINT16_MAX),
	OBJECT_NUMBER("num_vfs", struct sim_adapter, num_vfs, false, 0, UINT16_MAX),
	OBJECT_BOOL("ring", struct sim_adapter, ring, false),
	OBJECT_BOOL("flr", struct sim_adapter, device.flr, false),
	OBJECT_OTHER("identity", take_identity, false),
	OBJECT_OTHER("link", take_adapter_link, false),
	{ 0 },
};

static int take_adapter_element(struct object_in *in, json_object *value)
{
	static const struct sim_device unknown = { .model = "" };
	struct sim_adapter *a = sim_chassis_add_adapter(chassis_of(in), &unknown, "", 0);
	int r;

	if (!a)
		return -ENOMEM;
	r = take_source(in, a, value);
	return r ? r : object_take(in, adapter_keys, a, value);
}

static int take_adapters(struct object_in *in, void *target, json_object *value)
{
	(void)target;
	return object_take_array(in, value, SIM_CHASSIS_ADAPTERS_MAX, take_adapter_element);
}

/* the whole */

static int take_settle(struct object_in *in, void *target, json_object *value)
{
	struct sim_chassis *c = target;
	char text[16];
	int r = object_take_text(in, text, sizeof(text), value);

	if (r)
		return r;
	if (strcmp(text, "barrier") != 0 && strcmp(text, "lateness") != 0)
		return object_bad(in, "barrier or lateness");
	c->has_barrier = !strcmp(text, "barrier");
	return 0;
}

static const struct object_key check_keys[] = {
	OBJECT_BOOL("identity", struct sim_chassis, checks_identity, false),
	{ 0 },
};

static int take_checks(struct object_in *in, void *target, json_object *value)
{
	return object_take(in, check_keys, target, value);
}

static const struct object_key can_keys[] = {
	OBJECT_BOOL("isolate", struct sim_chassis, can.isolate, false),
	OBJECT_BOOL("surprise", struct sim_chassis, can.surprise, false),
	OBJECT_BOOL("power", struct sim_chassis, can.power, false),
	OBJECT_BOOL("tell_power", struct sim_chassis, can.tell_power, false),
	OBJECT_BOOL("tell_traffic", struct sim_chassis, can.tell_traffic, false),
	{ 0 },
};

static int take_can(struct object_in *in, void *target, json_object *value)
{
	return object_take(in, can_keys, target, value);
}

enum { MS_MAX = 86400000 };

static const struct object_key chassis_keys[] = {
	OBJECT_TEXT("chassis", struct sim_chassis, name, true),
	OBJECT_OTHER("provider", object_take_nothing, false), /* check_provider() */
	OBJECT_NUMBER("number", struct sim_chassis, number, false, 1, 65535),
	OBJECT_NUMBER("command_ms", struct sim_chassis, command_ms, false, 0, MS_MAX),
	OBJECT_NUMBER("timeout_ms", struct sim_chassis, timeout_ms, false, 1, MS_MAX),
	OBJECT_NUMBER("depth", struct sim_chassis, depth, false, 1, 65535),
	OBJECT_OTHER("settle", take_settle, false),
	OBJECT_NUMBER("lateness_ms", struct sim_chassis, lateness_ms, false, 0, MS_MAX),
	OBJECT_OTHER("checks", take_checks, false),
	OBJECT_OTHER("can", take_can, false),
	OBJECT_OTHER("switches", take_switches, true),
	OBJECT_OTHER("links", take_links, false),
	OBJECT_OTHER("hosts", take_hosts, true),
	OBJECT_OTHER("adapters", take_adapters, true),
	{ 0 },
};

static int parse_tree(struct object_in *in, json_object *tree)
{
	int r = object_take(in, chassis_keys, chassis_of(in), tree);

	return r ? r : sim_chassis_check(chassis_of(in), in->path, in->why);
}

/* A chassis of another provider is refused for that, before its keys are looked at. */
static int check_provider(struct object_in *in, json_object *tree)
{
	json_object *value;
	const char *name;

	if (!json_object_is_type(tree, json_type_object) ||
	    !json_object_object_get_ex(tree, "provider", &value))
		return 0;
	name = json_object_get_string(value);
	if (json_object_is_type(value, json_type_string) && !strcmp(name, "sim"))
		return 0;
	object_path_add(in, "provider");
	if (json_object_is_type(value, json_type_string) && !strcmp(name, "qemu"))
		return object_bad(in, "\"qemu\" is served by fabric-provider-qemu; fabricsim "
				      "serves \"sim\"");
	return object_bad(in, "fabricsim serves \"sim\"");
}

int sim_chassis_parse(const char *text, size_t length, const char *name, const char *folder,
		      struct sim_chassis **out, char *error)
{
	OWNED(sim_chassis_free) struct sim_chassis *chassis = NULL;
	OWNED(json_object_put) json_object *tree = NULL;
	struct reading reading = { .folder = folder };
	struct object_in in = { .arg = &reading };
	int r;

	r = object_tree(text, length, name, SIM_CHASSIS_FILE_MAX, &tree, error);
	if (r)
		return r;
	chassis = reading.chassis = sim_chassis_new("");
	if (!chassis)
		return -ENOMEM;
	r = check_provider(&in, tree);
	if (!r)
		r = parse_tree(&in, tree);
	if (r > 0)
		object_error(&in, name, error);
	if (r)
		return r;
	*out = TAKE(chassis);
	return 0;
}

int sim_chassis_read(const char *path, struct sim_chassis **out, char *error)
{
	OWNED(buf_done) struct buf text = { 0 };
	char folder[OBJECT_FOLDER_MAX];
	int r = object_file(path, SIM_CHASSIS_FILE_MAX, &text, folder, error);

	if (r)
		return r;
	return sim_chassis_parse(text.data ? (const char *)text.data : "", text.length, path,
				 folder, out, error);
}
