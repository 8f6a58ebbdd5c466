/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/chassis_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/strict.h"
#include "sim/capture_device.h"

OWNED_BY(struct json_object, json_object_put)
OWNED_BY(struct json_tokener, json_tokener_free)

/* What is being read, and where the reading stands. */
struct in {
	struct sim_chassis *chassis;
	const char *folder;
	char path[SIM_CHASSIS_WHY]; /* JSON pointer */
	char why[SIM_CHASSIS_WHY];
};

/* One key of an object. Exactly one way to take it: @take, or @size bytes at @offset. */
struct key {
	const char *name;
	enum { KEY_TEXT, KEY_NUMBER, KEY_BOOL, KEY_HEX, KEY_GTS, KEY_SWITCH, KEY_OTHER } kind;
	bool is_needed;
	size_t offset;
	size_t size;
	int64_t least;
	int64_t most;
	int (*take)(struct in *in, void *target, json_object *value);
};

#define TEXT(name, type, member, needed)                                                           \
	{                                                                                          \
		name, KEY_TEXT, needed, offsetof(type, member), sizeof(((type *)0)->member), 0, 0, \
			NULL                                                                       \
	}
#define NUMBER(name, type, member, needed, least, most)                                        \
	{                                                                                      \
		name, KEY_NUMBER, needed, offsetof(type, member), sizeof(((type *)0)->member), \
			least, most, NULL                                                      \
	}
#define FIELD(name, kind, type, member, needed)                                                \
	{                                                                                      \
		name, kind, needed, offsetof(type, member), sizeof(((type *)0)->member), 0, 0, \
			NULL                                                                   \
	}
#define OTHER(name, take, needed)                         \
	{                                                 \
		name, KEY_OTHER, needed, 0, 0, 0, 0, take \
	}

__attribute__((format(printf, 2, 3))) static int bad(struct in *in, const char *why, ...)
{
	va_list args;

	va_start(args, why);
	(void)vsnprintf(in->why, sizeof(in->why), why, args);
	va_end(args);
	return REFUSE_FIELD;
}

/* Where one goes on from; the path stays as it is when something is refused below it. */
static size_t path_add(struct in *in, const char *key)
{
	size_t length = strlen(in->path);

	(void)snprintf(in->path + length, sizeof(in->path) - length, "/%s", key);
	return length;
}

/* values */

static int take_text(struct in *in, char *target, size_t size, json_object *value)
{
	const char *text = json_object_get_string(value);

	if (!json_object_is_type(value, json_type_string))
		return bad(in, "a text is expected");
	if (strlen(text) >= size)
		return bad(in, "longer than %zu bytes", size - 1);
	for (const char *at = text; *at; at++)
		if (iscntrl((unsigned char)*at))
			return bad(in, "a control character");
	/* No byte of an older text stays behind it: these arrays are compared and copied whole. */
	memset(target, 0, size);
	(void)snprintf(target, size, "%s", text); /* it fits */
	return 0;
}

static void store_number(void *target, size_t size, int64_t n)
{
	if (size == 1)
		*(uint8_t *)target = (uint8_t)n;
	else if (size == 2)
		*(uint16_t *)target = (uint16_t)n;
	else if (size == 4)
		*(uint32_t *)target = (uint32_t)n;
	else
		*(uint64_t *)target = (uint64_t)n;
}

static int take_number(struct in *in, void *target, const struct key *key, json_object *value)
{
	int64_t n = json_object_get_int64(value);

	if (!json_object_is_type(value, json_type_int))
		return bad(in, "a whole number is expected");
	if (n < key->least || n > key->most)
		return bad(in, "%lld .. %lld", (long long)key->least, (long long)key->most);
	store_number(target, key->size, n);
	return 0;
}

static int take_bool(struct in *in, bool *target, json_object *value)
{
	if (!json_object_is_type(value, json_type_boolean))
		return bad(in, "true or false is expected");
	*target = json_object_get_boolean(value);
	return 0;
}

/* "8086" */
static int take_hex(struct in *in, void *target, json_object *value)
{
	char text[5];
	int r = take_text(in, text, sizeof(text), value);

	if (r)
		return r;
	if (strlen(text) != 4 || strspn(text, "0123456789abcdefABCDEF") != 4)
		return bad(in, "four hexadecimal digits are expected");
	store_number(target, 2, (int64_t)strtoul(text, NULL, 16));
	return 0;
}

static int take_gts(struct in *in, uint32_t *target, json_object *value)
{
	double gts = json_object_get_double(value);

	if (!json_object_is_type(value, json_type_int) &&
	    !json_object_is_type(value, json_type_double))
		return bad(in, "a number is expected");
	if (!(gts >= 2.5 && gts <= 64))
		return bad(in, "2.5 .. 64");
	*target = (uint32_t)(gts * 1000 + 0.5);
	return 0;
}

static int take_switch(struct in *in, uint16_t *target, json_object *value)
{
	char name[PROVIDER_NAME_MAX];
	int r = take_text(in, name, sizeof(name), value);

	for (size_t i = 0; !r && i < in->chassis->switch_count; i++)
		if (!strcmp(in->chassis->switches[i].name, name)) {
			*target = (uint16_t)(i + 1);
			return 0;
		}
	return r ? r : bad(in, "no such switch");
}

static int take_value(struct in *in, const struct key *key, void *object, json_object *value)
{
	void *target = (char *)object + key->offset;

	switch (key->kind) {
	case KEY_TEXT:
		return take_text(in, target, key->size, value);
	case KEY_NUMBER:
		return take_number(in, target, key, value);
	case KEY_BOOL:
		return take_bool(in, target, value);
	case KEY_HEX:
		return take_hex(in, target, value);
	case KEY_GTS:
		return take_gts(in, target, value);
	case KEY_SWITCH:
		return take_switch(in, target, value);
	case KEY_OTHER:
		return key->take(in, object, value);
	}
	return -EINVAL;
}

static int refuse_unknown(struct in *in, const struct key *keys, json_object *value)
{
	json_object_object_foreach(value, name, member)
	{
		const struct key *key = keys;

		(void)member;
		while (key->name && strcmp(key->name, name) != 0)
			key++;
		if (!key->name) {
			path_add(in, name);
			return bad(in, "no such key");
		}
	}
	return 0;
}

/* Keys are taken in the order of the table, whatever theirs is in the file. */
static int take_object(struct in *in, const struct key *keys, void *object, json_object *value)
{
	int r;

	if (!json_object_is_type(value, json_type_object))
		return bad(in, "an object is expected");
	r = refuse_unknown(in, keys, value);
	for (const struct key *key = keys; !r && key->name; key++) {
		json_object *member;
		size_t at;

		if (!json_object_object_get_ex(value, key->name, &member)) {
			if (key->is_needed)
				r = bad(in, "\"%s\" is missing", key->name);
			continue;
		}
		at = path_add(in, key->name);
		r = take_value(in, key, object, member);
		if (!r)
			in->path[at] = '\0';
	}
	return r;
}

static int take_array(struct in *in, json_object *value, size_t most,
		      int (*take)(struct in *in, json_object *element))
{
	size_t count;
	int r = 0;

	if (!json_object_is_type(value, json_type_array))
		return bad(in, "an array is expected");
	count = json_object_array_length(value);
	if (count > most)
		return bad(in, "more than %zu", most);
	for (size_t i = 0; !r && i < count; i++) {
		char index[24];
		size_t at;

		(void)snprintf(index, sizeof(index), "%zu", i);
		at = path_add(in, index);
		r = take(in, json_object_array_get_idx(value, i));
		if (!r)
			in->path[at] = '\0';
	}
	return r;
}

/* switches and links */

static const struct key switch_keys[] = {
	TEXT("name", struct sim_switch, name, true),
	FIELD("vendor", KEY_HEX, struct sim_switch, vendor, false),
	FIELD("device", KEY_HEX, struct sim_switch, device, false),
	{ 0 },
};

static int take_switch_element(struct in *in, json_object *value)
{
	struct sim_switch *s = sim_chassis_add_switch(in->chassis, "");

	return s ? take_object(in, switch_keys, s, value) : -ENOMEM;
}

static int take_switches(struct in *in, void *target, json_object *value)
{
	(void)target;
	return take_array(in, value, PROVIDER_SWITCHES_MAX, take_switch_element);
}

struct link_end {
	uint16_t switch_handle;
	uint16_t port;
};

static const struct key end_keys[] = {
	FIELD("switch", KEY_SWITCH, struct link_end, switch_handle, true),
	NUMBER("port", struct link_end, port, true, 1, SIM_CHASSIS_PORTS_MAX - 1),
	{ 0 },
};

static int take_end(struct in *in, struct sim_link *link, unsigned end, json_object *value)
{
	struct link_end taken = { 0 };
	int r = take_object(in, end_keys, &taken, value);

	link->switches[end] = taken.switch_handle;
	link->ports[end] = taken.port;
	return r;
}

static int take_end_a(struct in *in, void *target, json_object *value)
{
	return take_end(in, target, 0, value);
}

static int take_end_b(struct in *in, void *target, json_object *value)
{
	return take_end(in, target, 1, value);
}

static const struct key link_keys[] = {
	OTHER("a", take_end_a, true),
	OTHER("b", take_end_b, true),
	NUMBER("width", struct sim_link, width, false, 1, 32),
	FIELD("gts", KEY_GTS, struct sim_link, mtps, false),
	{ 0 },
};

static int take_link_element(struct in *in, json_object *value)
{
	struct sim_link *l = sim_chassis_add_link(in->chassis, 0, 0);

	return l ? take_object(in, link_keys, l, value) : -ENOMEM;
}

static int take_links(struct in *in, void *target, json_object *value)
{
	(void)target;
	return take_array(in, value, SIM_CHASSIS_LINKS_MAX, take_link_element);
}

/* hosts */

static int take_window(struct in *in, void *target, json_object *value)
{
	struct sim_host *h = target;

	if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 1 ||
	    json_object_get_int64(value) > 1 << 20)
		return bad(in, "whole MiB, 1 .. %d", 1 << 20);
	h->window_bytes = (uint64_t)json_object_get_int64(value) << 20;
	return 0;
}

static const struct key host_keys[] = {
	TEXT("bay", struct sim_host, bay, true),
	FIELD("switch", KEY_SWITCH, struct sim_host, switch_handle, true),
	NUMBER("port", struct sim_host, port, true, 1, SIM_CHASSIS_PORTS_MAX - 1),
	/* Too many vports are refused with the reason, in sim_chassis_check(). */
	NUMBER("vports", struct sim_host, vports, false, 1, UINT16_MAX),
	NUMBER("buses", struct sim_host, buses, false, 1, 255),
	OTHER("window_mib", take_window, false),
	FIELD("power", KEY_BOOL, struct sim_host, power, false),
	FIELD("link", KEY_BOOL, struct sim_host, link, false),
	{ 0 },
};

static int take_host_element(struct in *in, json_object *value)
{
	struct sim_host *h = sim_chassis_add_host(in->chassis, "", 0);

	return h ? take_object(in, host_keys, h, value) : -ENOMEM;
}

static int take_hosts(struct in *in, void *target, json_object *value)
{
	(void)target;
	return take_array(in, value, PROVIDER_HOSTS_MAX, take_host_element);
}

/* adapters */

static int take_model(struct in *in, void *target, json_object *value)
{
	struct sim_adapter *a = target;
	const struct sim_device *d;
	char name[PROVIDER_NAME_MAX];
	int r = take_text(in, name, sizeof(name), value);

	if (r)
		return r;
	d = sim_device_find(name);
	if (!d)
		return bad(in, "no such model");
	a->device = *d;
	(void)snprintf(a->model, sizeof(a->model), "%s", d->model);
	a->width = d->width;
	a->mtps = d->mtps;
	a->keeper = d->mode == PROVIDER_ADAPTER_MRA ? PROVIDER_KEEPER_SWITCH : PROVIDER_KEEPER_NONE;
	return 0;
}

static int take_keeper(struct in *in, void *target, json_object *value)
{
	static const char *const keepers[] = {
		[PROVIDER_KEEPER_NONE] = "none",
		[PROVIDER_KEEPER_SWITCH] = "switch",
		[PROVIDER_KEEPER_MANAGER] = "manager",
		[PROVIDER_KEEPER_HOST] = "host",
	};
	struct sim_adapter *a = target;
	char text[PROVIDER_NAME_MAX];
	int r = take_text(in, text, sizeof(text), value);

	for (unsigned i = 0; !r && i < sizeof(keepers) / sizeof(keepers[0]); i++)
		if (!strcmp(text, keepers[i])) {
			a->keeper = (enum provider_keeper)i;
			return 0;
		}
	return r ? r : bad(in, "none, switch, manager or host");
}

static int take_keeper_host(struct in *in, void *target, json_object *value)
{
	struct sim_adapter *a = target;
	char bay[PROVIDER_NAME_MAX];
	int r = take_text(in, bay, sizeof(bay), value);

	if (!r && a->keeper != PROVIDER_KEEPER_HOST)
		return bad(in, "its keeper is not a host");
	for (size_t i = 0; !r && i < in->chassis->host_count; i++)
		if (!strcmp(in->chassis->hosts[i].bay, bay)) {
			a->keeper_host = (uint16_t)(i + 1);
			return 0;
		}
	return r ? r : bad(in, "no host in such a bay");
}

static int take_identity(struct in *in, void *target, json_object *value)
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
	int r = take_text(in, text, sizeof(text), value);

	for (size_t i = 0; !r && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(text, kinds[i].text)) {
			a->device.identity_can = kinds[i].can;
			return 0;
		}
	return r ? r : bad(in, "none, mac, wwn, mac-enforced or wwn-enforced");
}

static const struct key adapter_link_keys[] = {
	NUMBER("width", struct sim_adapter, width, false, 1, 32),
	FIELD("gts", KEY_GTS, struct sim_adapter, mtps, false),
	{ 0 },
};

static int take_adapter_link(struct in *in, void *target, json_object *value)
{
	return take_object(in, adapter_link_keys, target, value);
}

/* The pair "capture" and "address"; taken together, before the rest of the adapter. */
struct source {
	char capture[PROVIDER_TEXT_MAX];
	char address[TOPO_ADDRESS_TEXT];
	char model[PROVIDER_NAME_MAX];
};

static int capture_take(struct in *in, struct sim_adapter *a, const struct source *source)
{
	struct topo_address address;
	char path[4096];
	size_t at = path_add(in, "address");
	int r;

	if (topo_address_parse(source->address, &address))
		return bad(in, "an address is [DOMAIN:]BUS:DEVICE.FUNCTION");
	in->path[at] = '\0';
	at = path_add(in, "capture");
	if (!in->folder)
		return bad(in, "there are no captures here");
	r = snprintf(path, sizeof(path), "%s%s%s", source->capture[0] == '/' ? "" : in->folder,
		     source->capture[0] == '/' ? "" : "/", source->capture);
	if (r < 0 || (size_t)r >= sizeof(path))
		return bad(in, "the path is too long");
	r = sim_capture_read(path, &address, a, in->why);
	if (r)
		return r;
	(void)snprintf(a->capture, sizeof(a->capture), "%s", source->capture);
	(void)snprintf(a->capture_address, sizeof(a->capture_address), "%s", source->address);
	in->path[at] = '\0';
	return 0;
}

/* Which of the two an adapter is made from: a built-in model, or a capture. */
static int take_source(struct in *in, struct sim_adapter *a, json_object *value)
{
	static const struct key keys[] = {
		TEXT("capture", struct source, capture, true),
		TEXT("address", struct source, address, true),
		{ 0 },
	};
	struct source source = { 0 };
	json_object *model, *member;
	int r = 0;

	if (!json_object_is_type(value, json_type_object))
		return bad(in, "an object is expected");
	if (json_object_object_get_ex(value, "model", &model) ==
	    json_object_object_get_ex(value, "capture", &member))
		return bad(in, "either \"model\" or \"capture\" with \"address\" is needed");
	if (model) {
		size_t at = path_add(in, "model");

		r = take_model(in, a, model);
		if (!r)
			in->path[at] = '\0';
		return r;
	}
	for (const struct key *key = keys; !r && key->name; key++) {
		size_t at;

		if (!json_object_object_get_ex(value, key->name, &member))
			return bad(in, "\"%s\" is missing", key->name);
		at = path_add(in, key->name);
		r = take_value(in, key, &source, member);
		if (!r)
			in->path[at] = '\0';
	}
	return r ? r : capture_take(in, a, &source);
}

static int take_nothing(struct in *in, void *target, json_object *value)
{
	(void)in;
	(void)target;
	(void)value;
	return 0;
}

static const struct key adapter_keys[] = {
	OTHER("model", take_nothing, false), /* these three: take_source() */
	OTHER("capture", take_nothing, false),
	OTHER("address", take_nothing, false),
	TEXT("label", struct sim_adapter, model, false),
	TEXT("serial", struct sim_adapter, serial, false),
	FIELD("switch", KEY_SWITCH, struct sim_adapter, switch_handle, true),
	NUMBER("port", struct sim_adapter, port, true, 1, SIM_CHASSIS_PORTS_MAX - 1),
	OTHER("keeper", take_keeper, false),
	OTHER("keeper_host", take_keeper_host, false),
	NUMBER("pfs", struct sim_adapter, pfs, false, 1, SIM_CHASSIS_PFS_MAX),
	NUMBER("total_vfs", struct sim_adapter, device.total_vfs, false, 0, UINT16_MAX),
	NUMBER("num_vfs", struct sim_adapter, num_vfs, false, 0, UINT16_MAX),
	FIELD("ring", KEY_BOOL, struct sim_adapter, ring, false),
	FIELD("flr", KEY_BOOL, struct sim_adapter, device.flr, false),
	OTHER("identity", take_identity, false),
	OTHER("link", take_adapter_link, false),
	{ 0 },
};

static int take_adapter_element(struct in *in, json_object *value)
{
	static const struct sim_device unknown = { .model = "" };
	struct sim_adapter *a = sim_chassis_add_adapter(in->chassis, &unknown, "", 0);
	int r;

	if (!a)
		return -ENOMEM;
	r = take_source(in, a, value);
	return r ? r : take_object(in, adapter_keys, a, value);
}

static int take_adapters(struct in *in, void *target, json_object *value)
{
	(void)target;
	return take_array(in, value, SIM_CHASSIS_ADAPTERS_MAX, take_adapter_element);
}

/* the whole */

static int take_settle(struct in *in, void *target, json_object *value)
{
	struct sim_chassis *c = target;
	char text[16];
	int r = take_text(in, text, sizeof(text), value);

	if (r)
		return r;
	if (strcmp(text, "barrier") != 0 && strcmp(text, "lateness") != 0)
		return bad(in, "barrier or lateness");
	c->has_barrier = !strcmp(text, "barrier");
	return 0;
}

static const struct key check_keys[] = {
	FIELD("identity", KEY_BOOL, struct sim_chassis, checks_identity, false),
	{ 0 },
};

static int take_checks(struct in *in, void *target, json_object *value)
{
	return take_object(in, check_keys, target, value);
}

enum { MS_MAX = 86400000 };

static const struct key chassis_keys[] = {
	TEXT("chassis", struct sim_chassis, name, true),
	NUMBER("number", struct sim_chassis, number, false, 1, 65535),
	NUMBER("command_ms", struct sim_chassis, command_ms, false, 0, MS_MAX),
	NUMBER("timeout_ms", struct sim_chassis, timeout_ms, false, 1, MS_MAX),
	NUMBER("depth", struct sim_chassis, depth, false, 1, 65535),
	OTHER("settle", take_settle, false),
	NUMBER("lateness_ms", struct sim_chassis, lateness_ms, false, 0, MS_MAX),
	OTHER("checks", take_checks, false),
	OTHER("switches", take_switches, true),
	OTHER("links", take_links, false),
	OTHER("hosts", take_hosts, true),
	OTHER("adapters", take_adapters, true),
	{ 0 },
};

static int parse_tree(struct in *in, json_object *tree)
{
	int r = take_object(in, chassis_keys, in->chassis, tree);

	return r ? r : sim_chassis_check(in->chassis, in->path, in->why);
}

static int parse_json(const char *text, size_t length, json_object **out)
{
	OWNED(json_tokener_free) struct json_tokener *tokener =
		json_tokener_new_ex(STRICT_DEPTH_MAX + 1);

	if (!tokener)
		return -ENOMEM;
	*out = json_tokener_parse_ex(tokener, text, (int)length);
	return *out || json_tokener_get_error(tokener) == json_tokener_success ? 0 : -ENOMEM;
}

int sim_chassis_parse(const char *text, size_t length, const char *name, const char *folder,
		      struct sim_chassis **out, char *error)
{
	OWNED(sim_chassis_free) struct sim_chassis *chassis = NULL;
	OWNED(json_object_put) json_object *tree = NULL;
	struct strict_error syntax;
	struct in in = { .folder = folder };
	int r;

	(void)snprintf(error, SIM_CHASSIS_ERROR, "%s: out of memory", name);
	if (length > SIM_CHASSIS_FILE_MAX) {
		(void)snprintf(error, SIM_CHASSIS_ERROR, "%s: larger than %d MiB", name,
			       SIM_CHASSIS_FILE_MAX >> 20);
		return REFUSE_TOO_LARGE;
	}
	r = strict_scan(text, length, &syntax);
	if (r > 0)
		(void)snprintf(error, SIM_CHASSIS_ERROR, "%s:%u:%u: %s", name, syntax.line,
			       syntax.column, syntax.reason);
	if (!r)
		r = parse_json(text, length, &tree);
	if (r)
		return r;
	chassis = in.chassis = sim_chassis_new("");
	if (!chassis)
		return -ENOMEM;
	r = parse_tree(&in, tree);
	if (r > 0)
		(void)snprintf(error, SIM_CHASSIS_ERROR, "%s: %s: %s", name,
			       in.path[0] ? in.path : "/", in.why);
	if (r)
		return r;
	*out = TAKE(chassis);
	return 0;
}

static int read_whole(int fd, struct buf *b)
{
	char chunk[65536];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		buf_bytes(b, chunk, (size_t)n);
		if (b->length > SIM_CHASSIS_FILE_MAX)
			return 0; /* refused for its length later */
	}
	return b->failed ? -ENOMEM : 0;
}

int sim_chassis_read(const char *path, struct sim_chassis **out, char *error)
{
	OWNED(buf_done) struct buf text = { 0 };
	char folder[4096];
	const char *slash = strrchr(path, '/');
	int fd, r;

	(void)snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) : 1,
		       slash ? path : ".");
	if (slash == path)
		(void)snprintf(folder, sizeof(folder), "/.");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	r = fd < 0 ? -errno : read_whole(fd, &text);
	if (fd >= 0)
		close(fd);
	if (r) {
		(void)snprintf(error, SIM_CHASSIS_ERROR, "%s: %s", path, strerror(-r));
		return r;
	}
	return sim_chassis_parse(text.data ? (const char *)text.data : "", text.length, path,
				 folder, out, error);
}
