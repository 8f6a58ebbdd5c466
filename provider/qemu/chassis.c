/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/qemu/chassis.h"

#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/identity.h"

OWNED_BY(struct json_object, json_object_put)

enum { PORTS_MAX = 4096, TIMEOUT_DEFAULT_MS = 2000, TIMEOUT_MAX_MS = 600000 };

struct reading {
	struct qemu_chassis *chassis;
	const char *folder;
	struct qemu_host *host; /* whose ports are being taken */
	/* handles and numbers that stand on each switch's port so far */
	uint8_t *ports; /* by switch and port: 1 taken */
};

static struct reading *reading_of(struct object_in *in)
{
	return in->arg;
}

/* One more element of @size at the end of an array of @count; zeroed. */
static void *array_add(void *array_at, size_t *count, size_t size)
{
	void **array = array_at;
	char *grown = reallocarray(*array, *count + 1, size);

	if (!grown)
		return NULL;
	*array = grown;
	memset(grown + *count * size, 0, size);
	return grown + (*count)++ * size;
}

/* values */

static int take_id(struct object_in *in, char *target, json_object *value)
{
	int r = object_take_text(in, target, QEMU_ID_MAX, value);

	if (r)
		return r;
	/* what QEMU takes as an id, util/id.c: id_wellformed() */
	if (!isalpha((unsigned char)target[0]))
		return object_bad(in, "an id begins with a letter");
	for (const char *at = target; *at; at++)
		if (!isalnum((unsigned char)*at) && !strchr("-._", *at))
			return object_bad(in, "an id has letters, digits, '-', '.' and '_'");
	return 0;
}

static int take_path(struct object_in *in, char *target, size_t size, json_object *value)
{
	char told[QEMU_FILE_MAX];
	int r = object_take_text(in, told, sizeof(told), value);
	int length;

	if (r)
		return r;
	if (!told[0])
		return object_bad(in, "a path is expected");
	length = snprintf(target, size, "%s%s%s", told[0] == '/' ? "" : reading_of(in)->folder,
			  told[0] == '/' ? "" : "/", told);
	if (length < 0 || (size_t)length >= size)
		return object_bad(in, "with its folder longer than %zu bytes", size - 1);
	return 0;
}

static int take_switch(struct object_in *in, void *target, json_object *value)
{
	const struct qemu_chassis *c = reading_of(in)->chassis;
	char name[PROVIDER_NAME_MAX];
	int r = object_take_text(in, name, sizeof(name), value);

	for (size_t i = 0; !r && i < c->switch_count; i++)
		if (!strcmp(c->switches[i], name)) {
			*(uint16_t *)target = (uint16_t)(i + 1);
			return 0;
		}
	return r ? r : object_bad(in, "no such switch");
}

/* What is on a switch's port; those that are not told are numbered when all are read. */
static int port_take(struct object_in *in, uint16_t switch_handle, uint16_t port)
{
	uint8_t *taken = &reading_of(in)->ports[(size_t)(switch_handle - 1) * PORTS_MAX + port];

	if (*taken) {
		object_path_add(in, "port");
		return object_bad(in, "port %u is taken already", port);
	}
	*taken = 1;
	return 0;
}

/* switches */

struct told_switch {
	char name[PROVIDER_NAME_MAX];
};

static const struct object_key switch_keys[] = {
	OBJECT_TEXT("name", struct told_switch, name, true),
	{ 0 },
};

static int take_switch_element(struct object_in *in, json_object *value)
{
	struct qemu_chassis *c = reading_of(in)->chassis;
	struct told_switch told = { 0 };
	char(*s)[PROVIDER_NAME_MAX];
	int r = object_take(in, switch_keys, &told, value);

	if (r)
		return r;
	if (!told.name[0] || strchr(told.name, '/'))
		return object_bad(in, "a name without a slash is needed");
	for (size_t i = 0; i < c->switch_count; i++)
		if (!strcmp(c->switches[i], told.name))
			return object_bad(in, "named as switch %zu", i);
	s = array_add(&c->switches, &c->switch_count, sizeof(*s));
	if (!s)
		return -ENOMEM;
	memcpy(*s, told.name, sizeof(*s));
	return 0;
}

static int take_switches(struct object_in *in, void *target, json_object *value)
{
	(void)target;
	return object_take_array(in, value, PROVIDER_SWITCHES_MAX, take_switch_element);
}

/* One switch is there in any case; after "switches", before who stands on them. */
static int finish_switches(struct reading *reading)
{
	struct qemu_chassis *c = reading->chassis;

	if (!c->switch_count) {
		char(*s)[PROVIDER_NAME_MAX] = array_add(&c->switches, &c->switch_count, sizeof(*s));

		if (!s)
			return -ENOMEM;
		(void)snprintf(*s, sizeof(*s), "sw0"); /* it fits */
	}
	reading->ports = calloc(c->switch_count, PORTS_MAX);
	return reading->ports ? 0 : -ENOMEM;
}

/* hosts */

static int take_vport_element(struct object_in *in, json_object *value)
{
	struct qemu_host *h = reading_of(in)->host;
	size_t count = h->vports;
	char(*port)[QEMU_ID_MAX] = array_add(&h->ports, &count, sizeof(*port));
	int r;

	if (!port)
		return -ENOMEM;
	h->vports = (uint16_t)count;
	r = take_id(in, *port, value);
	for (size_t i = 0; !r && i + 1 < count; i++)
		if (!strcmp(h->ports[i], *port))
			return object_bad(in, "the same port as vport %zu", i + 1);
	return r;
}

static int take_vports(struct object_in *in, void *target, json_object *value)
{
	struct qemu_host *h = target;
	int r;

	reading_of(in)->host = h;
	r = object_take_array(in, value, PROVIDER_VPORTS_MAX, take_vport_element);
	return r || h->vports ? r : object_bad(in, "at least one is needed");
}

static int take_qmp(struct object_in *in, void *target, json_object *value)
{
	struct qemu_host *h = target;
	int r = object_take_text(in, h->told_qmp, sizeof(h->told_qmp), value);

	return r ? r : take_path(in, h->qmp, sizeof(h->qmp), value);
}

static int take_power_off(struct object_in *in, void *target, json_object *value)
{
	static const char *const words[] = { "never", "kill" };
	size_t word = 0;
	int r = object_take_word(in, words, 2, "kill or never", &word, value);

	*(bool *)target = word == 1;
	return r;
}

static int take_word_element(struct object_in *in, json_object *value)
{
	struct qemu_host *h = reading_of(in)->host;
	char word[QEMU_FILE_MAX];
	int r = object_take_text(in, word, sizeof(word), value);

	if (r)
		return r;
	if (!h->power_on_count && word[0] != '/')
		return object_bad(in, "an absolute path is expected");
	if (!h->power_on)
		h->power_on = calloc(QEMU_WORDS_MAX + 1, sizeof(*h->power_on));
	if (!h->power_on)
		return -ENOMEM;
	h->power_on[h->power_on_count] = strdup(word);
	return h->power_on[h->power_on_count++] ? 0 : -ENOMEM;
}

static int take_power_on(struct object_in *in, void *target, json_object *value)
{
	struct qemu_host *h = target;
	int r;

	reading_of(in)->host = h;
	r = object_take_array(in, value, QEMU_WORDS_MAX, take_word_element);
	return r || h->power_on_count ? r : object_bad(in, "a program is expected");
}

static const struct object_key host_keys[] = {
	OBJECT_TEXT("bay", struct qemu_host, bay, true),
	OBJECT_OTHER("qmp", take_qmp, true),
	OBJECT_OTHER("vports", take_vports, true),
	OBJECT_NUMBER("first_slot", struct qemu_host, first_slot, false, 1, 8191),
	OBJECT_MEMBER("power_off", take_power_off, struct qemu_host, can_kill, false),
	OBJECT_OTHER("power_on", take_power_on, false),
	OBJECT_MEMBER("switch", take_switch, struct qemu_host, switch_handle, false),
	OBJECT_NUMBER("port", struct qemu_host, port, false, 1, PORTS_MAX - 1),
	{ 0 },
};

static int check_host(struct object_in *in, const struct qemu_host *h)
{
	const struct qemu_chassis *c = reading_of(in)->chassis;

	if (!h->bay[0] || strchr(h->bay, '/'))
		return object_bad(in, "a bay without a slash is needed");
	if (h->first_slot && h->first_slot + h->vports - 1 > 8191)
		return object_bad(in, "a physical slot has 13 bits: %u and %u more", h->first_slot,
				  h->vports - 1);
	for (size_t i = 0; &c->hosts[i] != h; i++) {
		if (!strcmp(c->hosts[i].bay, h->bay))
			return object_bad(in, "the bay of host %zu", i);
		if (!strcmp(c->hosts[i].qmp, h->qmp))
			return object_bad(in, "the QMP socket of host %zu", i);
	}
	return h->port ? port_take(in, h->switch_handle, h->port) : 0;
}

static int take_host_element(struct object_in *in, json_object *value)
{
	struct qemu_chassis *c = reading_of(in)->chassis;
	struct qemu_host *h = array_add(&c->hosts, &c->host_count, sizeof(*h));
	int r;

	if (!h)
		return -ENOMEM;
	h->switch_handle = 1;
	r = object_take(in, host_keys, h, value);
	return r ? r : check_host(in, h);
}

static int take_hosts(struct object_in *in, void *target, json_object *value)
{
	int r = finish_switches(reading_of(in)); /* the table has them before */

	(void)target;
	if (!r)
		r = object_take_array(in, value, QEMU_HOSTS_MAX, take_host_element);
	if (!r && !reading_of(in)->chassis->host_count)
		return object_bad(in, "at least one is needed");
	return r;
}

/* adapters */

static int take_model(struct object_in *in, void *target, json_object *value)
{
	struct qemu_adapter *a = target;
	char name[PROVIDER_NAME_MAX];
	int r = object_take_text(in, name, sizeof(name), value);

	if (r)
		return r;
	a->device = qemu_device_find(name);
	if (!a->device)
		return object_bad(in, "%s", qemu_device_models());
	(void)snprintf(a->label, sizeof(a->label), "%s", a->device->label);
	return 0;
}

/* QEMU puts no limit on the characters; ids and names are made from it. */
static int take_serial(struct object_in *in, void *target, json_object *value)
{
	struct qemu_adapter *a = target;
	int r;

	if (!a->device->serial_max)
		return object_bad(in, "this model has no serial");
	r = object_take_text(in, a->serial, a->device->serial_max + 1u, value);
	if (r)
		return r;
	if (!a->serial[0])
		return object_bad(in, "a serial is expected");
	for (const char *at = a->serial; *at; at++)
		if (!isalnum((unsigned char)*at) && !strchr("-._", *at))
			return object_bad(in, "a serial has letters, digits, '-', '.' and '_'");
	return 0;
}

static int take_file(struct object_in *in, void *target, json_object *value)
{
	struct qemu_adapter *a = target;

	if (a->device->back != QEMU_BACK_IMAGE)
		return object_bad(in, "this model has no image");
	return take_path(in, a->file, sizeof(a->file), value);
}

static int take_mac(struct object_in *in, void *target, json_object *value)
{
	struct qemu_adapter *a = target;
	char text[IDENTITY_TEXT];
	int r = object_take_text(in, text, sizeof(text), value);

	if (r)
		return r;
	if (a->device->back != QEMU_BACK_NET)
		return object_bad(in, "this model has no MAC");
	if (identity_mac_parse(text, &a->mac))
		return object_bad(in, "a MAC is six pairs of hexadecimal digits, neither all zero "
				      "nor multicast");
	return 0;
}

static int take_netdev(struct object_in *in, void *target, json_object *value)
{
	struct qemu_adapter *a = target;
	char text[PROVIDER_NAME_MAX];
	int r = object_take_text(in, text, sizeof(text), value);

	if (r)
		return r;
	if (a->device->back != QEMU_BACK_NET)
		return object_bad(in, "this model has no netdev");
	a->net = qemu_netdev_find(text);
	return a->net ? 0 : object_bad(in, "user, socket, tap or bridge");
}

static int take_restrict(struct object_in *in, void *target, json_object *value)
{
	struct qemu_adapter *a = target;

	if (!json_object_is_type(value, json_type_boolean))
		return object_bad(in, "true or false is expected");
	if (!a->net || !a->net->can_restrict)
		return object_bad(in, "only the netdev \"user\" is restricted");
	a->is_open = !json_object_get_boolean(value);
	return 0;
}

static int take_net_option(struct object_in *in, void *target, json_object *value)
{
	struct qemu_adapter *a = target;
	const char *key = strrchr(in->path, '/') + 1; /* object_take() has put it there */
	char padded[32];
	int r;

	(void)snprintf(padded, sizeof(padded), " %s ", key);
	if (!a->net || !strstr(a->net->options, padded))
		return object_bad(in, "its netdev takes no such option");
	if (a->net_option[0])
		return object_bad(in, "beside \"%s\"", a->net_option);
	r = object_take_text(in, a->net_value, sizeof(a->net_value), value);
	if (r)
		return r;
	if (!a->net_value[0])
		return object_bad(in, "a text is expected");
	(void)snprintf(a->net_option, sizeof(a->net_option), "%s", key); /* of the table below */
	return 0;
}

/* "model" and "netdev" stand before what depends on them. */
static const struct object_key adapter_keys[] = {
	OBJECT_OTHER("model", take_model, true),
	OBJECT_TEXT("label", struct qemu_adapter, label, false),
	OBJECT_OTHER("serial", take_serial, false),
	OBJECT_OTHER("file", take_file, false),
	OBJECT_OTHER("mac", take_mac, false),
	OBJECT_OTHER("netdev", take_netdev, false),
	OBJECT_OTHER("restrict", take_restrict, false),
	OBJECT_OTHER("listen", take_net_option, false),
	OBJECT_OTHER("connect", take_net_option, false),
	OBJECT_OTHER("mcast", take_net_option, false),
	OBJECT_OTHER("ifname", take_net_option, false),
	OBJECT_OTHER("br", take_net_option, false),
	OBJECT_MEMBER("switch", take_switch, struct qemu_adapter, switch_handle, false),
	OBJECT_NUMBER("port", struct qemu_adapter, port, false, 1, PORTS_MAX - 1),
	{ 0 },
};

static int check_parts(struct object_in *in, const struct qemu_adapter *a)
{
	if (a->device->back == QEMU_BACK_IMAGE && !a->serial[0])
		return object_bad(in, "\"serial\" is missing");
	if (a->device->back == QEMU_BACK_IMAGE && !a->file[0])
		return object_bad(in, "\"file\" is missing");
	if (a->device->back == QEMU_BACK_NET && !a->mac)
		return object_bad(in, "\"mac\" is missing");
	if (a->device->back == QEMU_BACK_NET && !a->net)
		return object_bad(in, "\"netdev\" is missing");
	if (a->net && a->net->options[0] && !a->net_option[0])
		return object_bad(in, "the netdev \"%s\" needs one of:%s", a->net->type,
				  a->net->options);
	return 0;
}

/* FNV-1a, 32 bits, of what the adapter is known by. */
static void key_make(struct qemu_adapter *a, size_t index)
{
	char evidence[PROVIDER_NAME_MAX + 32];
	uint32_t hash = 2166136261u;

	if (a->serial[0])
		(void)snprintf(evidence, sizeof(evidence), "serial %s", a->serial);
	else if (a->mac)
		(void)snprintf(evidence, sizeof(evidence), "mac %llx", (unsigned long long)a->mac);
	else
		(void)snprintf(evidence, sizeof(evidence), "position %zu", index);
	for (const char *at = evidence; *at; at++)
		hash = (hash ^ (unsigned char)*at) * 16777619u;
	(void)snprintf(a->key, sizeof(a->key), "%08x", hash); /* it fits */
}

static int check_adapter(struct object_in *in, struct qemu_adapter *a)
{
	const struct qemu_chassis *c = reading_of(in)->chassis;
	int r = check_parts(in, a);

	if (r)
		return r;
	key_make(a, c->adapter_count - 1);
	for (size_t i = 0; &c->adapters[i] != a; i++) {
		const struct qemu_adapter *b = &c->adapters[i];

		if (a->serial[0] && !strcmp(a->serial, b->serial))
			return object_bad(in, "the serial of adapter %zu", i);
		if (a->mac && a->mac == b->mac)
			return object_bad(in, "the MAC of adapter %zu", i);
		if (a->file[0] && !strcmp(a->file, b->file))
			return object_bad(in, "the image of adapter %zu", i);
		if (!strcmp(a->key, b->key))
			return object_bad(in,
					  "its key %s is that of adapter %zu: give it another "
					  "serial or MAC",
					  a->key, i);
	}
	return a->port ? port_take(in, a->switch_handle, a->port) : 0;
}

static int take_adapter_element(struct object_in *in, json_object *value)
{
	struct qemu_chassis *c = reading_of(in)->chassis;
	struct qemu_adapter *a = array_add(&c->adapters, &c->adapter_count, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->switch_handle = 1;
	r = object_take(in, adapter_keys, a, value);
	return r ? r : check_adapter(in, a);
}

static int take_adapters(struct object_in *in, void *target, json_object *value)
{
	(void)target;
	return object_take_array(in, value, QEMU_ADAPTERS_MAX, take_adapter_element);
}

/* the whole */

static int take_provider(struct object_in *in, void *target, json_object *value)
{
	char name[PROVIDER_NAME_MAX];
	int r = object_take_text(in, name, sizeof(name), value);

	(void)target;
	if (!r && strcmp(name, "qemu") != 0)
		r = object_bad(in, "fabric-provider-qemu serves \"qemu\"%s",
			       strcmp(name, "sim") ? "" : "; \"sim\" is served by fabricsim");
	return r;
}

static const struct object_key chassis_keys[] = {
	OBJECT_TEXT("chassis", struct qemu_chassis, name, true),
	OBJECT_OTHER("provider", object_take_nothing, true), /* check_provider() */
	OBJECT_NUMBER("number", struct qemu_chassis, number, false, 1, 65535),
	OBJECT_NUMBER("timeout_ms", struct qemu_chassis, timeout_ms, false, 10, TIMEOUT_MAX_MS),
	OBJECT_OTHER("switches", take_switches, false),
	OBJECT_OTHER("hosts", take_hosts, true),
	OBJECT_OTHER("adapters", take_adapters, true),
	{ 0 },
};

/* Before the keys, which are others in a chassis of another provider. */
static int check_provider(struct object_in *in, json_object *tree)
{
	json_object *value;
	size_t at;
	int r;

	if (!json_object_is_type(tree, json_type_object))
		return 0; /* refused for that */
	if (!json_object_object_get_ex(tree, "provider", &value))
		return object_bad(in, "\"provider\" is missing: a chassis without it is served by "
				      "fabricsim, fabric-provider-qemu serves \"qemu\"");
	at = object_path_add(in, "provider");
	r = take_provider(in, NULL, value);
	if (!r)
		in->path[at] = '\0';
	return r;
}

static int port_number(struct reading *reading, uint16_t switch_handle, uint16_t *port)
{
	uint8_t *taken = &reading->ports[(size_t)(switch_handle - 1) * PORTS_MAX];

	for (uint16_t p = 1; !*port && p < PORTS_MAX; p++)
		if (!taken[p]) {
			taken[p] = 1;
			*port = p;
		}
	return *port ? 0 : REFUSE_FIELD;
}

/* Hosts and adapters without a port get the next that is free, hosts first. */
static int ports_number(struct object_in *in)
{
	struct reading *reading = reading_of(in);
	struct qemu_chassis *c = reading->chassis;
	int r = 0;

	for (size_t i = 0; !r && i < c->host_count; i++)
		r = port_number(reading, c->hosts[i].switch_handle, &c->hosts[i].port);
	for (size_t i = 0; !r && i < c->adapter_count; i++)
		r = port_number(reading, c->adapters[i].switch_handle, &c->adapters[i].port);
	return r ? object_bad(in, "no port is left") : 0;
}

static int chassis_take(struct object_in *in, json_object *tree)
{
	int r = check_provider(in, tree);

	if (!r)
		r = object_take(in, chassis_keys, reading_of(in)->chassis, tree);
	return r ? r : ports_number(in);
}

int qemu_chassis_parse(const char *text, size_t length, const char *name, const char *folder,
		       struct qemu_chassis **out, char *error)
{
	OWNED(qemu_chassis_free) struct qemu_chassis *chassis = NULL;
	OWNED(json_object_put) json_object *tree = NULL;
	struct reading reading = { .folder = folder };
	struct object_in in = { .arg = &reading };
	int r = object_tree(text, length, name, QEMU_CHASSIS_FILE_MAX, &tree, error);

	if (r)
		return r;
	chassis = reading.chassis = calloc(1, sizeof(*chassis));
	if (!chassis)
		return -ENOMEM;
	chassis->number = 1;
	chassis->timeout_ms = TIMEOUT_DEFAULT_MS;
	r = chassis_take(&in, tree);
	free(reading.ports);
	if (r > 0)
		object_error(&in, name, error);
	if (r)
		return r;
	*out = TAKE(chassis);
	return 0;
}

/* QEMU opens the images, and it may stand in another folder than this program. */
static int folder_make_absolute(char *folder)
{
	char here[OBJECT_FOLDER_MAX], told[OBJECT_FOLDER_MAX];
	int length;

	if (folder[0] == '/')
		return 0;
	if (!getcwd(here, sizeof(here)))
		return -errno;
	memcpy(told, folder, sizeof(told));
	length = snprintf(folder, sizeof(told), "%s%s%s", here, strcmp(told, ".") ? "/" : "",
			  strcmp(told, ".") ? told : "");
	return length < 0 || (size_t)length >= sizeof(told) ? -ENAMETOOLONG : 0;
}

int qemu_chassis_read(const char *path, struct qemu_chassis **out, char *error)
{
	OWNED(buf_done) struct buf text = { 0 };
	char folder[OBJECT_FOLDER_MAX];
	int r = object_file(path, QEMU_CHASSIS_FILE_MAX, &text, folder, error);

	if (r)
		return r;
	r = folder_make_absolute(folder);
	if (r) {
		snprintf(error, OBJECT_ERROR_MAX, "%s: its folder: %s", path, strerror(-r));
		return r;
	}
	return qemu_chassis_parse(text.data ? (const char *)text.data : "", text.length, path,
				  folder, out, error);
}

void qemu_chassis_free(struct qemu_chassis *chassis)
{
	if (!chassis)
		return;
	for (size_t i = 0; i < chassis->host_count; i++) {
		free(chassis->hosts[i].ports);
		for (size_t k = 0; k < chassis->hosts[i].power_on_count; k++)
			free(chassis->hosts[i].power_on[k]);
		free(chassis->hosts[i].power_on);
	}
	free(chassis->hosts);
	free(chassis->adapters);
	free(chassis->switches);
	free(chassis);
}
