/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A scan becomes switches, ports, hosts, adapters and functions, each found again by its name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "fabricd/state.h"
#include "topology/name.h"

struct intake {
	struct fabric *f;
	struct fabric_provider *p;
	const struct provider_scan *scan;
	bool *is_out;                                          /* [adapter - 1] */
	char switches[PROVIDER_SWITCHES_MAX][FABRIC_NAME_MAX]; /* [handle - 1] */
};

/* Nothing is concluded from a scan that was not taken in whole. */
static void *or_freeze(struct fabric *f, void *object)
{
	if (!object)
		freeze(f, "out of memory");
	return object;
}

static void forget_places(struct intake *in)
{
	struct fabric *f = in->f;

	for (size_t i = 0; i < f->hosts.count; i++) {
		struct fabric_host *host = f->hosts.at[i];

		if (host->provider == in->p->number)
			host->present = false;
	}
	for (size_t i = 0; i < f->adapters.count; i++) {
		struct fabric_adapter *adapter = f->adapters.at[i];

		if (adapter->provider != in->p->number)
			continue;
		adapter->was_present = adapter->present;
		adapter->present = false;
		adapter->shown = false;
	}
	for (size_t i = 0; i < f->functions.count; i++) {
		struct fabric_function *fn = f->functions.at[i];

		if (fn->adapter && fn->adapter->provider == in->p->number)
			fn->present = false;
	}
}

void adapter_place(const struct provider_scan *scan, const struct provider_adapter *as,
		   char out[static FABRIC_NAME_MAX])
{
	char name[FABRIC_NAME_MAX] = "sw";

	if (as->switch_handle && as->switch_handle <= scan->switch_count) {
		const struct provider_switch *sw = &scan->switches[as->switch_handle - 1];

		topo_name_in_chassis(sw->name, sw->chassis, name);
	}
	(void)snprintf(out, FABRIC_NAME_MAX, "%.40s-p%u", name, as->port);
}

static const char *switch_name(const struct intake *in, uint16_t handle)
{
	return handle && handle <= in->scan->switch_count ? in->switches[handle - 1] : "sw";
}

static void take_switches(struct intake *in)
{
	for (size_t i = 0; i < in->scan->switch_count; i++) {
		const struct provider_switch *as = &in->scan->switches[i];
		struct fabric_switch *sw =
			or_freeze(in->f, named_get(&in->f->switches, sizeof(*sw), in->switches[i]));

		if (!sw)
			return;
		sw->provider = in->p->number;
		sw->as = *as;
	}
}

static void take_host(struct intake *in, const struct provider_host *as)
{
	struct fabric *f = in->f;
	char name[FABRIC_NAME_MAX];
	struct fabric_host *host;
	bool is_new;

	topo_name_in_chassis(as->bay, as->chassis, name);
	is_new = !named_find(&f->hosts, name);
	host = or_freeze(f, named_get(&f->hosts, sizeof(*host), name));
	if (!host)
		return;
	host->provider = in->p->number;
	host->present = true;
	life_power(f, host, &as->state);
	host->as = *as;
	in->p->hosts[as->handle - 1] = host;
	if (is_new)
		host_store(f, host);
	host_witness(f, host);
}

static void take_hosts(struct intake *in)
{
	struct fabric_provider *p = in->p;

	free(p->hosts);
	p->hosts = or_freeze(in->f, calloc(in->scan->host_count + 1, sizeof(*p->hosts)));
	p->host_count = p->hosts ? in->scan->host_count : 0;
	for (size_t i = 0; i < p->host_count; i++)
		take_host(in, &in->scan->hosts[i]);
	named_sort(&in->f->hosts);
}

struct taken {
	const struct fabric *f;
};

static bool adapter_name_is_taken(const char *name, void *arg)
{
	const struct taken *taken = arg;

	return named_find(&taken->f->adapters, name) != NULL;
}

/* By its serial, else by its position: the name that it was given before (names stay). */
static struct fabric_adapter *adapter_known(struct fabric *f, const struct provider_adapter *as,
					    const char *position)
{
	for (size_t i = 0; i < f->adapters.count; i++) {
		struct fabric_adapter *adapter = f->adapters.at[i];

		if (adapter->shown)
			continue;
		if (as->serial[0] ? !strcmp(adapter->as.serial, as->serial)
				  : !adapter->as.serial[0] && !strcmp(adapter->position, position))
			return adapter;
	}
	return NULL;
}

static void adapter_store(struct fabric *f, const struct fabric_adapter *adapter)
{
	struct db_adapter row = { .class_code = adapter->as.class_code };

	(void)snprintf(row.name, sizeof(row.name), "%s", adapter->name);
	(void)snprintf(row.serial, sizeof(row.serial), "%s", adapter->as.serial);
	(void)snprintf(row.position, sizeof(row.position), "%s", adapter->position);
	db_put_adapter(batch_open(f), &row);
}

/* @is_out: its slot is empty, or without power. One that was never seen is left out then: nobody
 * can know what it is. */
static struct fabric_adapter *take_adapter(struct intake *in, const struct provider_adapter *as,
					   bool is_out)
{
	struct fabric *f = in->f;
	char position[FABRIC_NAME_MAX];
	char name[FABRIC_NAME_MAX];
	struct fabric_adapter *adapter;
	bool is_new;
	bool is_elsewhere;

	adapter_place(in->scan, as, position);
	adapter = adapter_known(f, as, position);
	is_new = !adapter;
	if (is_new && is_out)
		return NULL;
	if (is_new) {
		struct taken taken = { f };

		topo_name_adapter(as->class_code, as->serial, position, adapter_name_is_taken,
				  &taken, name);
		adapter = or_freeze(f, named_get(&f->adapters, sizeof(*adapter), name));
	}
	if (!adapter)
		return NULL;
	adapter->provider = in->p->number;
	adapter->present = !is_out;
	adapter->shown = true;
	adapter->as = *as;
	adapter->first = NULL;
	is_elsewhere = strcmp(adapter->position, position) != 0;
	(void)snprintf(adapter->position, sizeof(adapter->position), "%s", position);
	if (is_new || is_elsewhere)
		adapter_store(f, adapter);
	return adapter;
}

static struct fabric_function *take_function(struct intake *in, struct fabric_adapter *adapter,
					     const struct provider_function *as)
{
	static const enum topo_name_function_kind kinds[] = {
		[PROVIDER_FUNCTION_DEVICE] = TOPO_NAME_DEVICE,
		[PROVIDER_FUNCTION_BF] = TOPO_NAME_BF,
		[PROVIDER_FUNCTION_PF] = TOPO_NAME_PF,
		[PROVIDER_FUNCTION_VF] = TOPO_NAME_VF,
	};
	struct provider_binding was;
	struct provider_binding now;
	struct fabric_function *fn;
	char name[FABRIC_NAME_MAX];

	topo_name_function(adapter->name, kinds[as->kind], as->pf, as->vf, name);
	fn = or_freeze(in->f, named_get(&in->f->functions, sizeof(*fn), name));
	if (!fn)
		return NULL;
	/* What a running change reads back itself counts, not a scan that may be older. */
	now = fn->item && fn->present ? fn->as.now : as->now;
	/* One that cannot tell takes nothing away from what was known, while handles are the same:
	 * the function is in doubt, not gone (S1). */
	if (as->now.unknown && in->p->scanned && fn->adapter) {
		now = fn->as.now;
		now.unknown = true;
	}
	was = fn->as.now;
	fn->as = *as;
	fn->as.now = was; /* for function_seen() to compare */
	fn->adapter = adapter;
	fn->present = adapter->present;
	function_seen(in->f, fn, &now);
	in->p->functions[as->handle - 1] = fn;
	return fn;
}

/* Which adapters stand in a slot that is empty, or without power. */
static void find_out(struct intake *in)
{
	in->is_out = or_freeze(in->f, calloc(in->scan->adapter_count + 1, sizeof(*in->is_out)));
	for (size_t i = 0; in->is_out && i < in->scan->port_count; i++) {
		const struct provider_port *port = &in->scan->ports[i];

		if (port->adapter && port->has_slot)
			in->is_out[port->adapter - 1] = !port->slot_presence || !port->slot_power;
	}
}

static void take_adapters(struct intake *in)
{
	const struct provider_scan *scan = in->scan;
	struct fabric_provider *p = in->p;

	free(p->functions);
	p->functions = or_freeze(in->f, calloc(scan->function_count + 1, sizeof(*p->functions)));
	p->function_count = p->functions && in->is_out ? scan->function_count : 0;
	for (size_t i = 0; p->function_count && i < scan->adapter_count; i++) {
		const struct provider_adapter *as = &scan->adapters[i];
		struct fabric_adapter *adapter = take_adapter(in, as, in->is_out[i]);
		struct fabric_function **next = adapter ? &adapter->first : NULL;

		for (uint32_t n = 0; adapter && n < as->function_count; n++) {
			const struct provider_function *from =
				&scan->functions[as->first_function - 1 + n];
			struct fabric_function *fn = take_function(in, adapter, from);

			if (!fn)
				return;
			*next = fn;
			next = &fn->next_in_adapter;
			*next = NULL;
		}
	}
}

static void take_ports(struct intake *in)
{
	cards_scanned(in->p);
	for (size_t i = 0; i < in->scan->port_count; i++) {
		const struct provider_port *as = &in->scan->ports[i];
		char name[FABRIC_NAME_MAX];
		struct fabric_port *port;
		const char *attached = "";
		struct fabric_adapter *card = NULL;

		topo_name_port(switch_name(in, as->switch_handle), as->number, name);
		port = or_freeze(in->f, named_get(&in->f->ports, sizeof(*port), name));
		if (!port)
			return;
		port->provider = in->p->number;
		port->as = *as;
		if (as->host && as->host <= in->p->host_count && in->p->hosts[as->host - 1])
			attached = in->p->hosts[as->host - 1]->name;
		else if (as->peer)
			attached = switch_name(in, as->peer);
		for (size_t a = 0; as->adapter && a < in->f->adapters.count; a++) {
			struct fabric_adapter *adapter = in->f->adapters.at[a];

			if (adapter->shown && adapter->provider == in->p->number &&
			    adapter->as.handle == as->adapter)
				card = adapter;
		}
		if (card && card->present)
			attached = card->name;
		(void)snprintf(port->attached, sizeof(port->attached), "%s", attached);
		slot_scanned(in->p, port, card);
	}
}

/* Hosts are judged chassis by chassis (S4). */
static struct chassis *chassis_of(struct fabric *f, unsigned provider, uint16_t number)
{
	struct chassis *c;

	for (size_t i = 0; i < f->chassis_count; i++)
		if (f->chassis[i].provider == provider && f->chassis[i].number == number)
			return &f->chassis[i];
	if (f->chassis_count == FABRIC_CHASSIS_MAX)
		return &f->chassis[FABRIC_CHASSIS_MAX - 1];
	c = &f->chassis[f->chassis_count++];
	c->provider = provider;
	c->number = number;
	turns_count(f, c);
	return c;
}

static bool chassis_room(struct fabric *f, struct chassis *c)
{
	if (!c->lives) {
		c->lives = or_freeze(f, calloc(PROVIDER_HOSTS_MAX, sizeof(*c->lives)));
		c->hosts = or_freeze(f, calloc(PROVIDER_HOSTS_MAX, sizeof(*c->hosts)));
		c->verdicts = or_freeze(f, calloc(PROVIDER_HOSTS_MAX, sizeof(*c->verdicts)));
	}
	return c->lives && c->hosts && c->verdicts && c->host_count < PROVIDER_HOSTS_MAX;
}

static void chassis_add(struct fabric *f, struct fabric_host *host)
{
	struct chassis *c = chassis_of(f, host->provider, host->as.chassis);

	host->chassis = 0;
	if (!chassis_room(f, c))
		return;
	host->chassis = (uint16_t)(c - f->chassis + 1);
	host->place = (uint16_t)c->host_count;
	c->is_other = c->is_other || c->hosts[c->host_count] != host;
	c->lives[c->host_count] = &host->live;
	c->hosts[c->host_count++] = host;
}

static void chassis_fill(struct fabric *f)
{
	size_t counts[FABRIC_CHASSIS_MAX] = { 0 };

	for (size_t i = 0; i < f->chassis_count; i++) {
		counts[i] = f->chassis[i].host_count;
		f->chassis[i].host_count = 0;
		f->chassis[i].is_other = false;
	}
	for (size_t i = 0; i < f->hosts.count; i++) {
		struct fabric_host *host = f->hosts.at[i];

		if (host->present)
			chassis_add(f, host);
		else
			host->chassis = 0;
	}
	/* What was put down of the hosts names them by their places. */
	for (size_t i = 0; i < f->chassis_count; i++)
		if (f->chassis[i].record.on &&
		    (f->chassis[i].is_other || f->chassis[i].host_count != counts[i]))
			night_begin(f, &f->chassis[i]);
}

/* Nobody there can be told of any more: the answer to what was asked would not find it. */
static void gone_forget(struct fabric_provider *p)
{
	for (size_t i = 0; i < p->f->hosts.count; i++) {
		struct fabric_host *host = p->f->hosts.at[i];

		if (host->provider != p->number || host->present)
			continue;
		host->hint_attempt = 0;
		host->cold.attempt = 0;
	}
	fences_scanned(p);
}

bool scan_take_in(struct fabric_provider *p, const struct provider_scan *scan,
		  char why[static PROVIDER_TEXT_MAX])
{
	struct intake in = { p->f, p, scan, NULL, { { 0 } } };
	struct fabric *f = p->f;

	for (size_t i = 0; i < scan->switch_count; i++)
		topo_name_in_chassis(scan->switches[i].name, scan->switches[i].chassis,
				     in.switches[i]);
	if (!numbers_allow(p, scan, why))
		return false;

	numbers_keep(p, scan);
	forget_places(&in);
	p->switch_count = scan->switch_count;
	/* Handles may mean something else now: what still reads is not counted any more. */
	for (size_t i = 0; i <= PROVIDER_SWITCHES_MAX; i++)
		p->flows[i].reading = 0;
	take_switches(&in);
	take_hosts(&in);
	find_out(&in);
	take_adapters(&in);
	free(in.is_out);
	take_ports(&in);
	named_sort(&f->switches);
	named_sort(&f->ports);
	named_sort(&f->adapters);
	named_sort(&f->functions);
	chassis_fill(f);
	gone_forget(p);
	log_debug("provider %s: %zu switches, %zu hosts, %zu adapters, %zu functions", p->name,
		  scan->switch_count, scan->host_count, scan->adapter_count, scan->function_count);
	return true;
}
