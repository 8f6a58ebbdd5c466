/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/chassis.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sim_chassis *sim_chassis_new(const char *name)
{
	struct sim_chassis *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	(void)snprintf(c->name, sizeof(c->name), "%s", name);
	c->number = 1;
	c->timeout_ms = 5000;
	c->depth = 256;
	c->has_barrier = true;
	c->checks_identity = true;
	c->can.isolate = c->can.surprise = c->can.power = c->can.tell_power = c->can.tell_traffic =
		true;
	return c;
}

void sim_chassis_free(struct sim_chassis *chassis)
{
	if (!chassis)
		return;
	for (size_t i = 0; i < chassis->adapter_count; i++)
		free(chassis->adapters[i].captured);
	free(chassis->switches);
	free(chassis->links);
	free(chassis->hosts);
	free(chassis->adapters);
	free(chassis);
}

/* @array with room for one more than @count elements; it grows by doubling. NULL: out of memory. */
static void *array_grown(void *array, size_t count, size_t size)
{
	if (count & (count - 1))
		return array;
	return realloc(array, (count ? count * 2 : 1) * size);
}

/* One more zeroed element at the end, or NULL. */
#define ARRAY_ADD(array, count)                                                             \
	__extension__({                                                                     \
		__typeof__(array) grown_ = array_grown((array), (count), sizeof(*(array))); \
		if (grown_) {                                                               \
			(array) = grown_;                                                   \
			grown_ = &grown_[(count)++];                                        \
			memset(grown_, 0, sizeof(*grown_));                                 \
		}                                                                           \
		grown_;                                                                     \
	})

uint16_t sim_chassis_free_port(const struct sim_chassis *chassis, uint16_t switch_handle)
{
	bool taken[SIM_CHASSIS_PORTS_MAX] = { false };

	for (size_t i = 0; i < chassis->host_count; i++)
		if (chassis->hosts[i].switch_handle == switch_handle)
			taken[chassis->hosts[i].port % SIM_CHASSIS_PORTS_MAX] = true;
	for (size_t i = 0; i < chassis->adapter_count; i++)
		if (chassis->adapters[i].switch_handle == switch_handle)
			taken[chassis->adapters[i].port % SIM_CHASSIS_PORTS_MAX] = true;
	for (size_t i = 0; i < chassis->link_count; i++)
		for (unsigned end = 0; end < 2; end++)
			if (chassis->links[i].switches[end] == switch_handle)
				taken[chassis->links[i].ports[end] % SIM_CHASSIS_PORTS_MAX] = true;
	for (unsigned port = 1; port < SIM_CHASSIS_PORTS_MAX; port++)
		if (!taken[port])
			return (uint16_t)port;
	return 0;
}

struct sim_switch *sim_chassis_add_switch(struct sim_chassis *chassis, const char *name)
{
	struct sim_switch *s = ARRAY_ADD(chassis->switches, chassis->switch_count);

	if (!s)
		return NULL;
	(void)snprintf(s->name, sizeof(s->name), "%s", name);
	s->vendor =
		0x11f8; /* Microsemi Switchtec: its fabric commands are this model's nearest kin */
	s->device = 0x4068;
	return s;
}

struct sim_link *sim_chassis_add_link(struct sim_chassis *chassis, uint16_t a, uint16_t b)
{
	uint16_t ports[] = { sim_chassis_free_port(chassis, a), sim_chassis_free_port(chassis, b) };
	struct sim_link *l = ARRAY_ADD(chassis->links, chassis->link_count);

	if (!l)
		return NULL;
	*l = (struct sim_link){ { a, b }, { ports[0], ports[1] }, 16, 16000 };
	return l;
}

struct sim_host *sim_chassis_add_host(struct sim_chassis *chassis, const char *bay,
				      uint16_t switch_handle)
{
	uint16_t port = sim_chassis_free_port(chassis, switch_handle);
	struct sim_host *h = ARRAY_ADD(chassis->hosts, chassis->host_count);

	if (!h)
		return NULL;
	(void)snprintf(h->bay, sizeof(h->bay), "%s", bay);
	h->switch_handle = switch_handle;
	h->port = port;
	h->vports = 32;
	h->buses = 1;
	h->window_bytes = 64 << 20;
	h->power = true;
	h->link = true;
	return h;
}

struct sim_adapter *sim_chassis_add_adapter(struct sim_chassis *chassis,
					    const struct sim_device *device, const char *serial,
					    uint16_t switch_handle)
{
	uint16_t port = sim_chassis_free_port(chassis, switch_handle);
	struct sim_adapter *a = ARRAY_ADD(chassis->adapters, chassis->adapter_count);

	if (!a)
		return NULL;
	a->device = *device;
	(void)snprintf(a->serial, sizeof(a->serial), "%s", serial);
	(void)snprintf(a->model, sizeof(a->model), "%s", device->model);
	a->switch_handle = switch_handle;
	a->port = port;
	a->pfs = 1;
	a->width = device->width;
	a->mtps = device->mtps;
	if (device->mode == PROVIDER_ADAPTER_MRA)
		a->keeper = PROVIDER_KEEPER_SWITCH;
	return a;
}

uint32_t sim_adapter_functions(const struct sim_adapter *adapter)
{
	uint32_t each = 1;

	if (adapter->device.mode != PROVIDER_ADAPTER_PLAIN)
		each += adapter->device.total_vfs;
	return adapter->pfs * each + (adapter->device.mode == PROVIDER_ADAPTER_MRA);
}

/* Where the check stands, for its reasons. */
struct check {
	char *path;
	char *why;
	bool *ports; /* [switch - 1][port] */
	size_t switches;
};

__attribute__((format(printf, 3, 4))) static int bad(struct check *check, const char *path,
						     const char *why, ...)
{
	va_list args;

	(void)snprintf(check->path, SIM_CHASSIS_WHY, "%s", path);
	va_start(args, why);
	(void)vsnprintf(check->why, SIM_CHASSIS_WHY, why, args);
	va_end(args);
	return REFUSE_FIELD;
}

/* @what: "/hosts/3"; takes the port for it. */
static int check_port(struct check *check, const char *what, uint16_t handle, uint16_t port)
{
	char path[SIM_CHASSIS_WHY];
	bool *taken;

	if (!handle || handle > check->switches) {
		(void)snprintf(path, sizeof(path), "%s/switch", what);
		return bad(check, path, "no such switch");
	}
	(void)snprintf(path, sizeof(path), "%s/port", what);
	if (!port || port >= SIM_CHASSIS_PORTS_MAX)
		return bad(check, path, "a port is 1 .. %d", SIM_CHASSIS_PORTS_MAX - 1);
	taken = &check->ports[(size_t)(handle - 1) * SIM_CHASSIS_PORTS_MAX + port];
	if (*taken)
		return bad(check, path, "port %u is taken already", port);
	*taken = true;
	return 0;
}

static bool is_power_of_two(uint64_t n)
{
	return n && !(n & (n - 1));
}

static int check_lanes(struct check *check, const char *path, uint8_t width, uint32_t mtps)
{
	if (width > 32 || !is_power_of_two(width))
		return bad(check, path, "a link has 1, 2, 4, 8, 16 or 32 lanes");
	if (mtps != 2500 && mtps != 5000 && mtps != 8000 && mtps != 16000 && mtps != 32000 &&
	    mtps != 64000)
		return bad(check, path, "a link runs at 2.5, 5, 8, 16, 32 or 64 GT/s");
	return 0;
}

static int check_switches(struct check *check, const struct sim_chassis *c)
{
	char path[SIM_CHASSIS_WHY];

	if (!c->switch_count || c->switch_count > PROVIDER_SWITCHES_MAX)
		return bad(check, "/switches", "a chassis has 1 .. %d switches",
			   PROVIDER_SWITCHES_MAX);
	for (size_t i = 0; i < c->switch_count; i++) {
		(void)snprintf(path, sizeof(path), "/switches/%zu/name", i);
		if (!c->switches[i].name[0] || strchr(c->switches[i].name, '/'))
			return bad(check, path, "a name is not empty and holds no slash");
		for (size_t j = 0; j < i; j++)
			if (!strcmp(c->switches[i].name, c->switches[j].name))
				return bad(check, path, "/switches/%zu has that name too", j);
	}
	return 0;
}

static int check_links(struct check *check, const struct sim_chassis *c)
{
	char path[SIM_CHASSIS_WHY];
	int r;

	if (c->link_count > SIM_CHASSIS_LINKS_MAX)
		return bad(check, "/links", "more than %d links", SIM_CHASSIS_LINKS_MAX);
	for (size_t i = 0; i < c->link_count; i++) {
		const struct sim_link *l = &c->links[i];

		for (unsigned end = 0; end < 2; end++) {
			(void)snprintf(path, sizeof(path), "/links/%zu/%s", i, end ? "b" : "a");
			r = check_port(check, path, l->switches[end], l->ports[end]);
			if (r)
				return r;
		}
		if (l->switches[0] == l->switches[1])
			return bad(check, path, "a link is between two switches");
		(void)snprintf(path, sizeof(path), "/links/%zu", i);
		r = check_lanes(check, path, l->width, l->mtps);
		if (r)
			return r;
	}
	return 0;
}

static int check_host(struct check *check, const struct sim_chassis *c, size_t i)
{
	const struct sim_host *h = &c->hosts[i];
	char what[32], path[SIM_CHASSIS_WHY];

	(void)snprintf(what, sizeof(what), "/hosts/%zu", i);
	(void)snprintf(path, sizeof(path), "%s/bay", what);
	if (!h->bay[0] || strchr(h->bay, '/'))
		return bad(check, path, "a bay's name is not empty and holds no slash");
	(void)snprintf(path, sizeof(path), "%s/vports", what);
	if (!h->vports || h->vports > PROVIDER_VPORTS_MAX)
		return bad(check, path,
			   "a host has 1 .. %d vports: each is a bridge of its own, and its bus "
			   "numbers run out",
			   PROVIDER_VPORTS_MAX);
	(void)snprintf(path, sizeof(path), "%s/buses", what);
	/* Bus 0 is the root's, one is the upstream bridge's, one its internal bus. */
	if (!h->buses || 2u + (unsigned)h->vports * h->buses > 255)
		return bad(check, path, "%u vports of %u buses need %u bus numbers; 253 can be had",
			   h->vports, h->buses, (unsigned)h->vports * h->buses);
	(void)snprintf(path, sizeof(path), "%s/window", what);
	if (h->window_bytes < 1 << 20 || h->window_bytes > 1ull << 40 ||
	    h->window_bytes % (1 << 20))
		return bad(check, path, "a window is 1 MiB .. 1 TiB in whole MiB");
	return check_port(check, what, h->switch_handle, h->port);
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, so that a thousand hosts are compared in no time. */
static int check_unique(struct check *check, const char **texts, size_t count, const char *path,
			const char *what)
{
	qsort(texts, count, sizeof(*texts), compare_text);
	for (size_t i = 1; i < count; i++)
		if (texts[i][0] && !strcmp(texts[i - 1], texts[i]))
			return bad(check, path, "two %s \"%s\"", what, texts[i]);
	return 0;
}

static int check_hosts(struct check *check, const struct sim_chassis *c)
{
	const char *bays[PROVIDER_HOSTS_MAX];
	int r;

	if (c->host_count > PROVIDER_HOSTS_MAX)
		return bad(check, "/hosts", "more than %d hosts", PROVIDER_HOSTS_MAX);
	for (size_t i = 0; i < c->host_count; i++) {
		r = check_host(check, c, i);
		if (r)
			return r;
		bays[i] = c->hosts[i].bay;
	}
	return check_unique(check, bays, c->host_count, "/hosts", "hosts are in bay");
}

static int check_vfs(struct check *check, const struct sim_adapter *a, const char *what)
{
	char path[SIM_CHASSIS_WHY];
	const struct sim_device *d = &a->device;

	(void)snprintf(path, sizeof(path), "%s/total_vfs", what);
	if (d->mode == PROVIDER_ADAPTER_PLAIN && d->total_vfs)
		return bad(check, path, "a plain device has no VFs");
	if (d->total_vfs &&
	    (!d->first_vf_offset || !d->vf_stride ||
	     d->first_vf_offset + (uint32_t)(d->total_vfs - 1) * d->vf_stride + a->pfs > 0xffff))
		return bad(check, path, "the last VF's routing ID lies outside the domain");
	(void)snprintf(path, sizeof(path), "%s/num_vfs", what);
	if (a->num_vfs > d->total_vfs)
		return bad(check, path, "%u VFs of %u", a->num_vfs, d->total_vfs);
	return 0;
}

static int check_keeper(struct check *check, const struct sim_chassis *c,
			const struct sim_adapter *a, const char *what)
{
	char path[SIM_CHASSIS_WHY];

	(void)snprintf(path, sizeof(path), "%s/keeper", what);
	if (a->device.mode == PROVIDER_ADAPTER_PLAIN && a->keeper != PROVIDER_KEEPER_NONE)
		return bad(check, path, "a plain device has nothing to keep");
	if (a->device.mode == PROVIDER_ADAPTER_MRA && a->keeper != PROVIDER_KEEPER_SWITCH)
		return bad(check, path, "a base function is kept by the switch");
	if (a->keeper == PROVIDER_KEEPER_HOST &&
	    (!a->keeper_host || a->keeper_host > c->host_count))
		return bad(check, path, "no such host");
	return 0;
}

static int check_adapter(struct check *check, const struct sim_chassis *c, size_t i)
{
	const struct sim_adapter *a = &c->adapters[i];
	char what[32], path[SIM_CHASSIS_WHY];
	int r;

	(void)snprintf(what, sizeof(what), "/adapters/%zu", i);
	(void)snprintf(path, sizeof(path), "%s/pfs", what);
	if (!a->pfs || a->pfs > SIM_CHASSIS_PFS_MAX)
		return bad(check, path, "1 .. %d", SIM_CHASSIS_PFS_MAX);
	(void)snprintf(path, sizeof(path), "%s/ring", what);
	if (a->ring && a->pfs < 2)
		return bad(check, path, "a ring needs two PFs");
	r = check_vfs(check, a, what);
	if (!r)
		r = check_keeper(check, c, a, what);
	if (!r) {
		(void)snprintf(path, sizeof(path), "%s/link", what);
		r = check_lanes(check, path, a->width, a->mtps);
	}
	if (!r && (a->width > a->device.width || a->mtps > a->device.mtps))
		r = bad(check, path, "more than the card can do");
	if (!r)
		r = check_port(check, what, a->switch_handle, a->port);
	return r;
}

static int check_adapters(struct check *check, const struct sim_chassis *c)
{
	const char *serials[SIM_CHASSIS_ADAPTERS_MAX];
	uint64_t functions = 0;
	int r;

	if (c->adapter_count > SIM_CHASSIS_ADAPTERS_MAX)
		return bad(check, "/adapters", "more than %d adapters", SIM_CHASSIS_ADAPTERS_MAX);
	for (size_t i = 0; i < c->adapter_count; i++) {
		r = check_adapter(check, c, i);
		if (r)
			return r;
		serials[i] = c->adapters[i].serial;
		functions += sim_adapter_functions(&c->adapters[i]);
	}
	if (functions > PROVIDER_FUNCTIONS_MAX)
		return bad(check, "/adapters", "%llu functions, VFs not yet enabled too; %d is all",
			   (unsigned long long)functions, PROVIDER_FUNCTIONS_MAX);
	return check_unique(check, serials, c->adapter_count, "/adapters",
			    "adapters have the serial");
}

int sim_chassis_check(const struct sim_chassis *chassis, char *path, char *why)
{
	struct check check = { .path = path, .why = why, .switches = chassis->switch_count };
	int r;

	if (chassis->number < 1)
		return bad(&check, "/number", "chassis are numbered from 1");
	if (!chassis->depth || chassis->depth > 65535)
		return bad(&check, "/depth", "1 .. 65535");
	if (!chassis->timeout_ms)
		return bad(&check, "/timeout_ms", "at least 1");
	r = check_switches(&check, chassis);
	if (r)
		return r;
	check.ports = calloc(chassis->switch_count, SIM_CHASSIS_PORTS_MAX);
	if (!check.ports)
		return -ENOMEM;
	r = check_links(&check, chassis);
	if (!r)
		r = check_hosts(&check, chassis);
	if (!r)
		r = check_adapters(&check, chassis);
	free(check.ports);
	return r;
}

static const struct sim_device *generated_device(unsigned i)
{
	static const char *const others[] = { "nvme-sriov", "fc-sriov" };

	return sim_device_find(i % 2 ? others[i / 2 % 2] : "ethernet");
}

static int generate_adapter(struct sim_chassis *c, unsigned i, unsigned switches, unsigned vfs)
{
	char serial[PROVIDER_NAME_MAX];
	struct sim_adapter *a;

	/* An odd factor: the last four digits differ for the first 65536 of them. */
	(void)snprintf(serial, sizeof(serial), "A0369F%02X%04X", i >> 16,
		       (i * 40503u + 0x3fa2u) & 0xffffu);
	a = sim_chassis_add_adapter(c, generated_device(i), serial, (uint16_t)(i % switches + 1));
	if (!a)
		return -ENOMEM;
	a->device.total_vfs = (uint16_t)vfs;
	a->num_vfs = (uint16_t)vfs;
	a->keeper = vfs ? PROVIDER_KEEPER_SWITCH : PROVIDER_KEEPER_NONE;
	return 0;
}

static int generate_into(struct sim_chassis *c, unsigned hosts, unsigned switches,
			 unsigned adapters, unsigned vfs)
{
	uint64_t functions = (uint64_t)adapters * (vfs ? vfs : 1);
	char name[32];

	for (unsigned i = 0; i < switches; i++) {
		(void)snprintf(name, sizeof(name), "sw%u", i);
		if (!sim_chassis_add_switch(c, name))
			return -ENOMEM;
	}
	for (unsigned i = 1; i < switches; i++)
		if (!sim_chassis_add_link(c, (uint16_t)i, (uint16_t)(i + 1)))
			return -ENOMEM;
	for (unsigned i = 0; i < hosts; i++) {
		struct sim_host *h;

		(void)snprintf(name, sizeof(name), "bay%u", i + 1);
		h = sim_chassis_add_host(c, name, (uint16_t)(i % switches + 1));
		if (!h)
			return -ENOMEM;
		h->vports = (uint16_t)(functions < PROVIDER_VPORTS_MAX ? functions
								       : PROVIDER_VPORTS_MAX);
		if (!h->vports)
			h->vports = 1;
	}
	for (unsigned i = 0; i < adapters; i++)
		if (generate_adapter(c, i, switches, vfs))
			return -ENOMEM;
	return 0;
}

int sim_chassis_generate(unsigned hosts, unsigned switches, unsigned adapters, unsigned vfs,
			 struct sim_chassis **out, char *why)
{
	OWNED(sim_chassis_free) struct sim_chassis *c = NULL;
	char path[SIM_CHASSIS_WHY], reason[SIM_CHASSIS_WHY];
	int r;

	if (!switches || switches > PROVIDER_SWITCHES_MAX || hosts > PROVIDER_HOSTS_MAX ||
	    adapters > SIM_CHASSIS_ADAPTERS_MAX || vfs > UINT16_MAX) {
		(void)snprintf(
			why, SIM_CHASSIS_WHY,
			"a chassis has at most %d switches, %d hosts, %d adapters, %d VFs each",
			PROVIDER_SWITCHES_MAX, PROVIDER_HOSTS_MAX, SIM_CHASSIS_ADAPTERS_MAX,
			UINT16_MAX);
		return REFUSE_FIELD;
	}
	c = sim_chassis_new("generated");
	if (!c)
		return -ENOMEM;
	r = generate_into(c, hosts, switches, adapters, vfs);
	if (r)
		return r;
	r = sim_chassis_check(c, path, reason);
	if (r) {
		(void)snprintf(why, SIM_CHASSIS_WHY, "%.40s: %.110s", path, reason);
		return r;
	}
	*out = TAKE(c);
	return 0;
}
