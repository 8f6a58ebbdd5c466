/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/provider.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const verbs[PROVIDER_VERBS] = {
	[PROVIDER_VERB_NONE] = "none",
	[PROVIDER_ISOLATE] = "isolate",
	[PROVIDER_UNBIND] = "unbind",
	[PROVIDER_RESET] = "reset",
	[PROVIDER_IDENTITY] = "identity",
	[PROVIDER_NUM_VFS] = "num-vfs",
	[PROVIDER_BIND] = "bind",
	[PROVIDER_HOST_POWER] = "host-power",
	[PROVIDER_READ] = "read",
	[PROVIDER_READ_HOST] = "read-host",
	[PROVIDER_SETTLE] = "settle",
	[PROVIDER_SLOT_POWER] = "slot-power",
	[PROVIDER_SLOT_ATTENTION] = "slot-attention",
};

static const char *const outcomes[] = {
	[PROVIDER_DONE] = "done",     [PROVIDER_REFUSED] = "refused",
	[PROVIDER_FAILED] = "failed", [PROVIDER_UNKNOWN] = "unknown",
	[PROVIDER_GATED] = "gated",
};

static const char *const states[] = {
	[PROVIDER_CONNECTING] = "connecting",
	[PROVIDER_SETTLING] = "settling",
	[PROVIDER_READY] = "ready",
	[PROVIDER_SLOW] = "slow",
	[PROVIDER_LOST] = "lost",
};

static const char *const whys[PROVIDER_WHYS] = {
	[PROVIDER_WHY_NONE] = "no reason given",
	[PROVIDER_WHY_NO_FUNCTION] = "the switch has no such function",
	[PROVIDER_WHY_NO_HOST] = "the switch has no such host",
	[PROVIDER_WHY_NO_VPORT] = "the host has no such vport",
	[PROVIDER_WHY_NO_VF] = "the virtual function is not enabled",
	[PROVIDER_WHY_BOUND] = "the function is bound to another host or vport",
	[PROVIDER_WHY_VPORT_TAKEN] = "the vport is taken by another function",
	[PROVIDER_WHY_ISOLATED] = "the host is isolated",
	[PROVIDER_WHY_BLAST] = "the reset would hit another owner",
	[PROVIDER_WHY_IDENTITY] = "the identity lives elsewhere, or cannot live here",
	[PROVIDER_WHY_SPLIT] = "the adapter is given whole, or single functions of it are",
	[PROVIDER_WHY_KEPT] = "the function stays with the keeper of its adapter",
	[PROVIDER_WHY_FAULT] = "told to fail",
	[PROVIDER_WHY_UNSUPPORTED] = "the provider cannot do this",
};

/* What each verb needs to make sense; checked before the wire, on both ends of it. */
static const struct need {
	bool function;
	bool host;
	bool bind; /* vport and generation */
	bool slot; /* a switch; its port may be 0 */
	uint32_t value_min;
	uint32_t value_max;
} needs[PROVIDER_VERBS] = {
	[PROVIDER_ISOLATE] = { .host = true, .value_max = 1 },
	[PROVIDER_UNBIND] = { .function = true, .value_max = UINT32_MAX },
	[PROVIDER_RESET] = { .function = true, .value_max = UINT32_MAX },
	[PROVIDER_IDENTITY] = { .function = true, .value_max = UINT32_MAX },
	[PROVIDER_NUM_VFS] = { .function = true, .value_max = UINT16_MAX },
	[PROVIDER_BIND] = { .function = true, .host = true, .bind = true, .value_max = UINT32_MAX },
	[PROVIDER_HOST_POWER] = { .host = true, .value_max = 1 },
	[PROVIDER_READ] = { .function = true, .value_min = 1, .value_max = PROVIDER_READ_MAX },
	[PROVIDER_READ_HOST] = { .host = true, .value_max = UINT32_MAX },
	[PROVIDER_SETTLE] = { .value_max = UINT32_MAX },
	[PROVIDER_SLOT_POWER] = { .slot = true, .value_max = 1 },
	[PROVIDER_SLOT_ATTENTION] = { .slot = true, .value_max = PROVIDER_ATTENTION_BLINK },
};

static bool identity_has_form(const struct identity *id)
{
	return !(id->mac >> 48) && id->vlan <= 4094;
}

static bool text_has_end(const char *text, size_t size)
{
	return strnlen(text, size) < size;
}

/* A scan under check, and where the finding goes. */
struct check {
	const struct provider_scan *scan;
	char *why;
};

__attribute__((format(printf, 2, 3))) static int bad(const struct check *k, const char *format, ...)
{
	va_list args;

	if (k->why) {
		va_start(args, format);
		(void)vsnprintf(k->why, PROVIDER_TEXT_MAX, format, args); /* cut is fine */
		va_end(args);
	}
	return -EBADMSG;
}

static bool is_name(const char *text)
{
	return text[0] && text_has_end(text, PROVIDER_NAME_MAX);
}

static int counts_check(const struct check *k)
{
	const struct {
		const char *what;
		size_t count;
		size_t max;
		const void *array;
	} counts[] = {
		{ "switches", k->scan->switch_count, PROVIDER_SWITCHES_MAX, k->scan->switches },
		{ "ports", k->scan->port_count, PROVIDER_PORTS_MAX, k->scan->ports },
		{ "hosts", k->scan->host_count, PROVIDER_HOSTS_MAX, k->scan->hosts },
		{ "adapters", k->scan->adapter_count, PROVIDER_FUNCTIONS_MAX, k->scan->adapters },
		{ "functions", k->scan->function_count, PROVIDER_FUNCTIONS_MAX,
		  k->scan->functions },
	};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		if (counts[i].count > counts[i].max)
			return bad(k, "%zu %s, at most %zu", counts[i].count, counts[i].what,
				   counts[i].max);
		if (counts[i].count && !counts[i].array)
			return bad(k, "%s are missing", counts[i].what);
	}
	return 0;
}

static int switches_check(const struct check *k)
{
	for (size_t i = 0; i < k->scan->switch_count; i++) {
		const struct provider_switch *s = &k->scan->switches[i];

		if (s->handle != i + 1)
			return bad(k, "switch %zu: handle %u", i + 1, s->handle);
		if (!is_name(s->name))
			return bad(k, "switch %zu: no name", i + 1);
		if (!s->chassis)
			return bad(k, "switch %zu: no chassis", i + 1);
		for (size_t j = 0; j < i; j++)
			if (k->scan->switches[j].chassis == s->chassis &&
			    !strcmp(k->scan->switches[j].name, s->name))
				return bad(k, "switch %zu: name as switch %zu", i + 1, j + 1);
	}
	return 0;
}

int provider_port_compare(const void *a, const void *b)
{
	const struct provider_port *p = a;
	const struct provider_port *q = b;

	if (p->switch_handle != q->switch_handle)
		return p->switch_handle < q->switch_handle ? -1 : 1;
	return p->number < q->number ? -1 : p->number > q->number;
}

int provider_vport_compare(const void *a, const void *b)
{
	const struct provider_binding *p = a;
	const struct provider_binding *q = b;

	return p->vport < q->vport ? -1 : p->vport > q->vport;
}

static const struct provider_port *port_find(const struct provider_scan *scan,
					     uint16_t switch_handle, uint16_t number)
{
	const struct provider_port key = { .switch_handle = switch_handle, .number = number };

	if (!scan->port_count)
		return NULL;
	return bsearch(&key, scan->ports, scan->port_count, sizeof(key), provider_port_compare);
}

/* What is on the port: one thing at most, of the kind that its role has, and it knows of it. */
static int port_use_check(const struct check *k, const struct provider_port *p)
{
	const struct provider_scan *scan = k->scan;

	if (p->host && (p->role != PROVIDER_PORT_UPSTREAM || p->host > scan->host_count ||
			scan->hosts[p->host - 1].switch_handle != p->switch_handle ||
			scan->hosts[p->host - 1].port != p->number))
		return bad(k, "switch %u port %u: host %u is not there", p->switch_handle,
			   p->number, p->host);
	if (p->adapter &&
	    (p->role != PROVIDER_PORT_DOWNSTREAM || p->adapter > scan->adapter_count ||
	     scan->adapters[p->adapter - 1].switch_handle != p->switch_handle ||
	     scan->adapters[p->adapter - 1].port != p->number))
		return bad(k, "switch %u port %u: adapter %u is not there", p->switch_handle,
			   p->number, p->adapter);
	if (p->peer && (p->role != PROVIDER_PORT_INTERSWITCH || p->peer > scan->switch_count ||
			p->peer == p->switch_handle))
		return bad(k, "switch %u port %u: peer %u cannot be", p->switch_handle, p->number,
			   p->peer);
	return 0;
}

static int ports_check(const struct check *k)
{
	for (size_t i = 0; i < k->scan->port_count; i++) {
		const struct provider_port *p = &k->scan->ports[i];
		int r;

		if (!p->switch_handle || p->switch_handle > k->scan->switch_count)
			return bad(k, "port %u: no switch %u", p->number, p->switch_handle);
		if ((unsigned)p->role > PROVIDER_PORT_INTERSWITCH)
			return bad(k, "switch %u port %u: role %u", p->switch_handle, p->number,
				   (unsigned)p->role);
		if (p->has_slot ? p->role != PROVIDER_PORT_DOWNSTREAM
				: p->slot_presence || p->slot_power)
			return bad(k, "switch %u port %u: a slot that cannot be", p->switch_handle,
				   p->number);
		if (i && provider_port_compare(p - 1, p) >= 0)
			return bad(k, "switch %u port %u: twice, or out of order", p->switch_handle,
				   p->number);
		r = port_use_check(k, p);
		if (r)
			return r;
	}
	return 0;
}

static int host_check(const struct check *k, size_t i)
{
	const struct provider_host *h = &k->scan->hosts[i];
	const struct provider_port *port = port_find(k->scan, h->switch_handle, h->port);

	if (h->handle != i + 1 || h->state.host != i + 1)
		return bad(k, "host %zu: handle %u, %u in its state", i + 1, h->handle,
			   h->state.host);
	if (!is_name(h->bay))
		return bad(k, "host %zu: no bay", i + 1);
	if (!h->chassis)
		return bad(k, "host %zu: no chassis", i + 1);
	if (!port || port->host != h->handle)
		return bad(k, "host %zu: not on switch %u port %u", i + 1, h->switch_handle,
			   h->port);
	if (!h->vports || h->vports > PROVIDER_VPORTS_MAX)
		return bad(k, "host %zu: %u vports, 1 to %d", i + 1, h->vports,
			   PROVIDER_VPORTS_MAX);
	if (!h->buses)
		return bad(k, "host %zu: no bus per vport", i + 1);
	if (h->first_slot > 0x1fff)
		return bad(k, "host %zu: slot %u, at most 8191", i + 1, h->first_slot);
	return 0;
}

static int bay_compare(const void *a, const void *b)
{
	const struct provider_host *g = *(const struct provider_host *const *)a;
	const struct provider_host *h = *(const struct provider_host *const *)b;

	return g->chassis != h->chassis ? (g->chassis < h->chassis ? -1 : 1)
					: strcmp(g->bay, h->bay);
}

/* The names of hosts are made from their bays: no two alike in one chassis. */
static int bays_check(const struct check *k)
{
	const struct provider_host *sorted[PROVIDER_HOSTS_MAX];
	size_t count = k->scan->host_count;

	for (size_t i = 0; i < count; i++)
		sorted[i] = &k->scan->hosts[i];
	if (count)
		qsort(sorted, count, sizeof(sorted[0]), bay_compare);
	for (size_t i = 1; i < count; i++)
		if (!bay_compare(&sorted[i - 1], &sorted[i]))
			return bad(k, "host %u: bay as host %u", sorted[i]->handle,
				   sorted[i - 1]->handle);
	return 0;
}

static int hosts_check(const struct check *k)
{
	for (size_t i = 0; i < k->scan->host_count; i++) {
		int r = host_check(k, i);

		if (r)
			return r;
	}
	return bays_check(k);
}

static int adapter_functions_check(const struct check *k, const struct provider_adapter *a)
{
	if (!a->function_count)
		return 0;
	if (!a->first_function || a->function_count > k->scan->function_count ||
	    a->first_function - 1 > k->scan->function_count - a->function_count)
		return bad(k, "adapter %u: functions %u and %u more", a->handle, a->first_function,
			   a->function_count);
	for (uint32_t i = 0; i < a->function_count; i++)
		if (k->scan->functions[a->first_function - 1 + i].adapter != a->handle)
			return bad(k, "adapter %u: function %u is of another", a->handle,
				   a->first_function + i);
	return 0;
}

static int adapter_check(const struct check *k, size_t i)
{
	const struct provider_adapter *a = &k->scan->adapters[i];

	if (a->handle != i + 1)
		return bad(k, "adapter %zu: handle %u", i + 1, a->handle);
	if (!port_find(k->scan, a->switch_handle, a->port))
		return bad(k, "adapter %zu: no switch %u port %u", i + 1, a->switch_handle,
			   a->port);
	if (a->class_code >> 24)
		return bad(k, "adapter %zu: class %x", i + 1, a->class_code);
	if (!text_has_end(a->serial, sizeof(a->serial)) ||
	    !text_has_end(a->model, sizeof(a->model)))
		return bad(k, "adapter %zu: text without end", i + 1);
	if ((unsigned)a->mode > PROVIDER_ADAPTER_MRA || (unsigned)a->keeper > PROVIDER_KEEPER_HOST)
		return bad(k, "adapter %zu: mode %u, keeper %u", i + 1, (unsigned)a->mode,
			   (unsigned)a->keeper);
	if (a->keeper == PROVIDER_KEEPER_HOST
		    ? !a->keeper_host || a->keeper_host > k->scan->host_count
		    : a->keeper_host != 0)
		return bad(k, "adapter %zu: keeper host %u", i + 1, a->keeper_host);
	if (a->num_vfs > a->total_vfs)
		return bad(k, "adapter %zu: %u VFs of %u", i + 1, a->num_vfs, a->total_vfs);
	return adapter_functions_check(k, a);
}

static int adapters_check(const struct check *k)
{
	for (size_t i = 0; i < k->scan->adapter_count; i++) {
		int r = adapter_check(k, i);

		if (r)
			return r;
	}
	return 0;
}

static int function_check(const struct check *k, size_t i)
{
	const struct provider_function *f = &k->scan->functions[i];
	const struct provider_adapter *a;

	if (f->handle != i + 1 || f->now.function != i + 1)
		return bad(k, "function %zu: handle %u, %u in its binding", i + 1, f->handle,
			   f->now.function);
	if (!f->adapter || f->adapter > k->scan->adapter_count)
		return bad(k, "function %zu: no adapter %u", i + 1, f->adapter);
	a = &k->scan->adapters[f->adapter - 1];
	if (f->handle < a->first_function || f->handle - a->first_function >= a->function_count)
		return bad(k, "function %zu: adapter %u does not have it", i + 1, f->adapter);
	if ((unsigned)f->kind > PROVIDER_FUNCTION_VF)
		return bad(k, "function %zu: kind %u", i + 1, (unsigned)f->kind);
	if (f->kind == PROVIDER_FUNCTION_VF ? !f->vf || f->vf > a->total_vfs : f->vf != 0)
		return bad(k, "function %zu: VF %u of %u", i + 1, f->vf, a->total_vfs);
	if (f->identity_can &
	    ~(PROVIDER_IDENTITY_MAC | PROVIDER_IDENTITY_WWN | PROVIDER_IDENTITY_ENFORCED))
		return bad(k, "function %zu: identity kinds %x", i + 1, f->identity_can);
	if (!f->buses)
		return bad(k, "function %zu: no bus", i + 1);
	return 0;
}

static int binding_check(const struct check *k, const struct provider_binding *b, uint8_t *taken)
{
	size_t bit;

	if (!identity_has_form(&b->identity))
		return bad(k, "function %u: identity cannot be", b->function);
	if (!b->host && (b->vport || b->generation))
		return bad(k, "function %u: bound nowhere, with vport %u and generation %llu",
			   b->function, b->vport, (unsigned long long)b->generation);
	if (!b->host)
		return 0;
	if (b->host > k->scan->host_count)
		return bad(k, "function %u: no host %u", b->function, b->host);
	/* above the host's own: a foreign binding elsewhere on it */
	if (!b->vport || b->vport > PROVIDER_VPORTS_MAX ||
	    (b->generation && b->vport > k->scan->hosts[b->host - 1].vports))
		return bad(k, "function %u: host %u has no vport %u", b->function, b->host,
			   b->vport);
	bit = (size_t)(b->host - 1) * PROVIDER_VPORTS_MAX + b->vport - 1;
	if (taken[bit / 8] >> bit % 8 & 1)
		return bad(k, "function %u: host %u vport %u has another", b->function, b->host,
			   b->vport);
	taken[bit / 8] = (uint8_t)(taken[bit / 8] | 1 << bit % 8);
	return 0;
}

/* Each function that depends is depended on once, by one that depends: so all of it is rings. */
static int depends_check(const struct check *k, const struct provider_function *f, uint8_t *taken)
{
	uint32_t to = f->depends;

	if (!to)
		return 0;
	if (to > k->scan->function_count || to == f->handle ||
	    taken[(to - 1) / 8] >> (to - 1) % 8 & 1 || !k->scan->functions[to - 1].depends)
		return bad(k, "function %u: dependency on %u closes no ring", f->handle, to);
	taken[(to - 1) / 8] = (uint8_t)(taken[(to - 1) / 8] | 1 << (to - 1) % 8);
	return 0;
}

static int functions_check(const struct check *k)
{
	uint8_t vports[PROVIDER_HOSTS_MAX * PROVIDER_VPORTS_MAX / 8] = { 0 };
	uint8_t depended[PROVIDER_FUNCTIONS_MAX / 8] = { 0 };

	for (size_t i = 0; i < k->scan->function_count; i++) {
		const struct provider_function *f = &k->scan->functions[i];
		int r = function_check(k, i);

		if (!r)
			r = binding_check(k, &f->now, vports);
		if (!r)
			r = depends_check(k, f, depended);
		if (r)
			return r;
	}
	return 0;
}

void provider_scan_free(struct provider_scan *scan)
{
	if (!scan)
		return;
	free(scan->switches);
	free(scan->ports);
	free(scan->hosts);
	free(scan->adapters);
	free(scan->functions);
	free(scan);
}

int provider_scan_check(const struct provider_scan *scan, char *why)
{
	static int (*const checks[])(const struct check *) = {
		counts_check, switches_check, ports_check,
		hosts_check,  adapters_check, functions_check,
	};
	const struct check k = { .scan = scan, .why = why };

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		int r = checks[i](&k);

		if (r)
			return r;
	}
	return 0;
}

int provider_op_check(const struct provider_op *op)
{
	const struct need *need;

	if ((unsigned)op->verb >= PROVIDER_VERBS || !op->verb || !op->attempt)
		return -EINVAL;
	need = &needs[op->verb];
	if ((need->function && !op->function) || (need->host && !op->host))
		return -EINVAL;
	if (need->slot && (!op->switch_handle || op->switch_handle > PROVIDER_SWITCHES_MAX))
		return -EINVAL;
	if (need->bind && (!op->vport || op->vport > PROVIDER_VPORTS_MAX || !op->generation))
		return -EINVAL;
	if (op->value < need->value_min || op->value > need->value_max)
		return -EINVAL;
	if ((unsigned)op->mode > PROVIDER_SURPRISE || !identity_has_form(&op->identity))
		return -EINVAL;
	return 0;
}

void provider_close(struct provider *p)
{
	if (p)
		p->ops->close(p);
}

const char *provider_verb_text(enum provider_verb verb)
{
	return (unsigned)verb < PROVIDER_VERBS ? verbs[verb] : "?";
}

int provider_verb_parse(const char *text)
{
	for (int verb = PROVIDER_VERB_NONE + 1; verb < PROVIDER_VERBS; verb++)
		if (!strcmp(verbs[verb], text))
			return verb;
	return -EINVAL;
}

const char *provider_outcome_text(enum provider_outcome outcome)
{
	return (unsigned)outcome <= PROVIDER_GATED ? outcomes[outcome] : "?";
}

const char *provider_why_text(enum provider_why why)
{
	return (unsigned)why < PROVIDER_WHYS ? whys[why] : "?";
}

const char *provider_state_text(enum provider_state state)
{
	return (unsigned)state <= PROVIDER_LOST ? states[state] : "?";
}
