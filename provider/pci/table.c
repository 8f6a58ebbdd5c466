/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/pci/table.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GONE_MAX = 1024 };

/* ---- rules ---- */

int pci_rules_add(struct pci_rules *rules, const char *text)
{
	struct pci_rule rule = { 0 };
	char *end;
	unsigned long n;

	if (!strncmp(text, "slot:", 5)) {
		n = text[5] >= '0' && text[5] <= '9' ? strtoul(text + 5, &end, 10) : ULONG_MAX;
		if (n > 0x1fff || *end)
			return REFUSE_FIELD;
		rule.is_slot = true;
		rule.slot = (uint16_t)n;
	} else if (topo_address_parse(text, &rule.address) ||
		   !topo_address_is_possible(&rule.address)) {
		return REFUSE_FIELD;
	}
	rule.address.function = 0;
	if (rules->count == PCI_TABLE_RULES)
		return REFUSE_LIMIT;
	rules->rules[rules->count++] = rule;
	return 0;
}

static bool is_named(const struct pci_rules *rules, const struct topo_address *address,
		     const struct pci_port *port)
{
	for (size_t i = 0; i < rules->count; i++) {
		const struct pci_rule *r = &rules->rules[i];

		if (r->is_slot ? port && port->as.has_slot && port->slot == r->slot
			       : !topo_address_compare(&r->address, address))
			return true;
	}
	return false;
}

/* ---- a table of what one graph shows ---- */

struct making {
	struct pci_table *t;
	const struct topo_graph *g;
	const struct provider_scan *scan;
	const struct provider_machine_places *places;
	char *why;
};

static int limit(const struct making *m, const char *what, int most)
{
	(void)snprintf(m->why, PROVIDER_TEXT_MAX, "more than %d %s", most, what); /* it fits */
	return REFUSE_LIMIT;
}

static struct provider_port *port_of(struct pci_table *t, uint16_t switch_handle, uint16_t number)
{
	for (size_t i = 0; i < t->port_count; i++)
		if (t->ports[i].switch_handle == switch_handle && t->ports[i].number == number)
			return &t->ports[i];
	return NULL;
}

static void slot_fill(struct provider_port *p, const struct topo_function *bridge)
{
	const struct topo_slot *slot = &bridge->express.slot;

	p->has_slot = slot->implemented && slot->hotplug && p->role == PROVIDER_PORT_DOWNSTREAM;
	p->slot_presence = p->has_slot && slot->presence;
	/* PCIe Base 5.0 §7.5.3.10: Power Controller Control, 1 is off */
	p->slot_power = p->has_slot && (!slot->power_controller || !(slot->control & 0x400));
}

static void downs_make(const struct making *m)
{
	for (size_t i = 0; i < m->g->count; i++) {
		const struct provider_machine_spot *spot = &m->places->ports[i];
		const struct topo_function *f = &m->g->functions[i];
		struct provider_port *p = spot->switch_handle
						  ? port_of(m->t, spot->switch_handle, spot->number)
						  : NULL;

		if (!p || p->role != PROVIDER_PORT_DOWNSTREAM || f->header != TOPO_HEADER_BRIDGE)
			continue;
		slot_fill(p, f);
		m->t->downs[m->t->down_count++] =
			(struct pci_port){ .as = *p,
					   .bridge = f->address,
					   .first_bus = f->bridge.secondary,
					   .last_bus = f->bridge.subordinate,
					   .slot = f->express.slot.number };
	}
}

static const struct pci_port *down_below(const struct pci_table *t,
					 const struct topo_address *address)
{
	const struct pci_port *best = NULL;

	for (size_t i = 0; i < t->down_count; i++) {
		const struct pci_port *p = &t->downs[i];

		if (p->bridge.domain == address->domain && p->first_bus &&
		    p->first_bus <= address->bus && address->bus <= p->last_bus &&
		    (!best || p->last_bus - p->first_bus < best->last_bus - best->first_bus))
			best = p;
	}
	return best;
}

static struct pci_function *function_make(const struct making *m, uint32_t card, uint32_t at,
					  const struct provider_function *from)
{
	const struct topo_function *f = &m->g->functions[at];
	struct pci_function *made = &m->t->functions[m->t->function_count++];

	*made = (struct pci_function){
		.as = *from,
		.card = card,
		.class_code = (uint32_t)f->class_code << 8 | f->prog_if,
		.address = f->address,
		.answers = true,
	};
	made->as.handle = (uint32_t)m->t->function_count;
	made->as.adapter = card + 1;
	made->as.now = (struct provider_binding){ 0 };
	return made;
}

/* All that the PF may ever have. */
static int vfs_make(const struct making *m, uint32_t card, uint32_t pf)
{
	const struct topo_sriov *sriov = &m->g->functions[pf].sriov;
	struct provider_function vf = {
		.kind = PROVIDER_FUNCTION_VF,
		.pf = m->g->functions[pf].address.function,
		.vendor = m->g->functions[pf].vendor,
		.device = sriov->vf_device,
		.buses = 1,
		.flr = true, /* always: PCIe Base 5.0 §9.2.2.2 */
	};

	if (m->g->functions[pf].class_code >> 8 == 0x02)
		vf.identity_can = PROVIDER_IDENTITY_MAC | PROVIDER_IDENTITY_ENFORCED;
	for (uint16_t i = 1; i <= sriov->total_vfs; i++) {
		if (m->t->function_count == PROVIDER_FUNCTIONS_MAX)
			return limit(m, "functions", PROVIDER_FUNCTIONS_MAX);
		vf.vf = i;
		(void)function_make(m, card, pf, &vf);
	}
	return 0;
}

static int card_functions_make(const struct making *m, const struct provider_adapter *a,
			       uint32_t card)
{
	struct provider_adapter *as = &m->t->cards[card].as;
	int r = 0;

	as->first_function = (uint32_t)m->t->function_count + 1;
	as->total_vfs = 0;
	for (uint32_t i = 0; i < a->function_count; i++) {
		uint32_t handle = a->first_function + i;
		const struct provider_function *f = &m->scan->functions[handle - 1];
		uint32_t at = m->places->functions[handle - 1];

		if (f->kind == PROVIDER_FUNCTION_VF)
			continue;
		if (m->t->function_count == PROVIDER_FUNCTIONS_MAX)
			return limit(m, "functions", PROVIDER_FUNCTIONS_MAX);
		/* only VFs carry an identity that is set from outside */
		function_make(m, card, at, f)->as.identity_can = 0;
		if (m->g->functions[at].sriov.offset &&
		    m->g->functions[at].sriov.total_vfs > as->total_vfs)
			as->total_vfs = m->g->functions[at].sriov.total_vfs;
	}
	for (uint32_t i = 0; !r && i < a->function_count; i++) {
		uint32_t handle = a->first_function + i;

		if (m->scan->functions[handle - 1].kind == PROVIDER_FUNCTION_PF)
			r = vfs_make(m, card, m->places->functions[handle - 1]);
	}
	as->function_count = (uint32_t)m->t->function_count - as->first_function + 1;
	return r;
}

static int card_make(const struct making *m, const struct provider_adapter *a)
{
	uint32_t card = (uint32_t)m->t->card_count++;
	struct pci_card *c = &m->t->cards[card];
	const struct pci_port *port;

	*c = (struct pci_card){ .as = *a, .present = true };
	c->address = m->g->functions[m->places->functions[a->first_function - 1]].address;
	c->address.function = 0;
	c->as.handle = card + 1;
	port = down_below(m->t, &c->address);
	if (port) {
		c->has_above = true;
		c->above = port->bridge;
	}
	c->in_pool = is_named(&m->t->rules, &c->address, port);
	c->as.keeper = PROVIDER_KEEPER_NONE;
	/* The kernel's driver keeps a PF that has VFs to give, and all that is not in the pool. */
	if (!c->in_pool || a->mode != PROVIDER_ADAPTER_PLAIN) {
		c->as.keeper = PROVIDER_KEEPER_HOST;
		c->as.keeper_host = PCI_TABLE_HOST;
	}
	return card_functions_make(m, a, card);
}

/* Functions that the table needs at most. */
static size_t functions_bound(const struct topo_graph *g)
{
	size_t n = g->count;

	for (size_t i = 0; i < g->count; i++)
		n += g->functions[i].sriov.offset ? g->functions[i].sriov.total_vfs : 0;
	return n < PROVIDER_FUNCTIONS_MAX ? n : PROVIDER_FUNCTIONS_MAX;
}

static void *copy_of(const void *array, size_t count, size_t room, size_t size)
{
	void *copy = calloc(room ? room : 1, size);

	if (copy && count)
		memcpy(copy, array, count * size);
	return copy;
}

/* The machine is a host on a port of its own, at the end of "rc", the last switch. */
static void host_port_make(struct pci_table *t)
{
	t->ports[t->port_count++] = (struct provider_port){
		.switch_handle = (uint16_t)t->switch_count,
		.number = PCI_TABLE_HOST_PORT,
		.role = PROVIDER_PORT_UPSTREAM,
		.link = true,
		.host = PCI_TABLE_HOST,
	};
}

/* A slot that is not in the pool is none for the manager, which drives those that it is told of. */
static void slots_hide(struct pci_table *t)
{
	for (size_t i = 0; i < t->down_count; i++) {
		const struct pci_port *down = &t->downs[i];
		struct provider_port *p = port_of(t, down->as.switch_handle, down->as.number);

		if (p && !pci_table_port_in_pool(t, down))
			p->has_slot = p->slot_presence = p->slot_power = false;
	}
}

static int table_make(const struct making *m)
{
	const struct provider_scan *scan = m->scan;
	struct pci_table *t = m->t;
	int r = 0;

	t->switches = copy_of(scan->switches, scan->switch_count, scan->switch_count,
			      sizeof(t->switches[0]));
	t->ports =
		copy_of(scan->ports, scan->port_count, scan->port_count + 1, sizeof(t->ports[0]));
	t->downs = calloc(m->g->count + 1, sizeof(t->downs[0]));
	t->cards = calloc(scan->adapter_count + 1, sizeof(t->cards[0]));
	t->functions = calloc(functions_bound(m->g) + 1, sizeof(t->functions[0]));
	if (!t->switches || !t->ports || !t->downs || !t->cards || !t->functions)
		return -ENOMEM;
	t->switch_count = scan->switch_count;
	t->port_count = scan->port_count;
	host_port_make(t);
	downs_make(m);
	for (size_t i = 0; !r && i < scan->adapter_count; i++)
		r = card_make(m, &scan->adapters[i]);
	slots_hide(t);
	return r;
}

static int table_of(const struct pci_rules *rules, const struct topo_graph *g,
		    struct pci_table *out, char *why)
{
	OWNED(provider_machine_places_done) struct provider_machine_places places = { 0 };
	OWNED(provider_scan_free) struct provider_scan *scan = NULL;
	struct making m = { .t = out, .g = g, .places = &places, .why = why };
	int r = provider_machine_scan_places(g, &scan, &places, why);

	if (r)
		return r;
	m.scan = scan;
	out->rules = *rules;
	return table_make(&m);
}

/* ---- joining it to what was known ---- */

static bool is_same_card(const struct pci_card *a, const struct pci_card *b)
{
	return !topo_address_compare(&a->address, &b->address) && a->as.vendor == b->as.vendor &&
	       a->as.device == b->as.device && a->as.class_code == b->as.class_code &&
	       a->as.switch_handle == b->as.switch_handle && a->as.port == b->as.port &&
	       a->as.total_vfs == b->as.total_vfs && a->as.function_count == b->as.function_count &&
	       !strcmp(a->as.serial, b->as.serial);
}

/* The card of @t that stands where @c does; NULL: none. */
static struct pci_card *card_at(const struct pci_table *t, const struct pci_card *c)
{
	for (size_t i = 0; i < t->card_count; i++)
		if (!topo_address_compare(&t->cards[i].address, &c->address))
			return &t->cards[i];
	return NULL;
}

static bool has_same_functions(const struct pci_table *t, const struct pci_card *a,
			       const struct pci_table *u, const struct pci_card *b)
{
	for (uint32_t i = 0; i < a->as.function_count; i++) {
		const struct provider_function *f = &t->functions[a->as.first_function - 1 + i].as;
		const struct provider_function *g = &u->functions[b->as.first_function - 1 + i].as;

		if (f->kind != g->kind || f->pf != g->pf || f->vf != g->vf)
			return false;
	}
	return true;
}

/* Can @now be told with the handles of @old? */
static bool is_joinable(const struct pci_table *old, struct pci_table *now)
{
	size_t gone = 0;

	if (!old->epoch || !old->cards || old->switch_count != now->switch_count)
		return false;
	for (size_t i = 0; i < old->switch_count; i++)
		if (old->switches[i].vendor != now->switches[i].vendor ||
		    old->switches[i].device != now->switches[i].device)
			return false;
	for (size_t i = 0; i < now->card_count; i++) {
		const struct pci_card *c = card_at(old, &now->cards[i]);

		if (c && (!is_same_card(c, &now->cards[i]) ||
			  !has_same_functions(old, c, now, &now->cards[i])))
			return false;
	}
	for (size_t i = 0; i < old->card_count; i++) {
		const struct pci_card *c = &old->cards[i];

		if (!port_of(now, c->as.switch_handle, c->as.port))
			return false;
		gone += !card_at(now, c);
	}
	return gone <= GONE_MAX;
}

static void function_join(struct pci_function *to, const struct pci_function *from)
{
	to->answers = from->answers;
	to->as.flr = from->as.flr;
}

static void card_join(struct pci_table *to, struct pci_card *known, const struct pci_table *now,
		      const struct pci_card *from)
{
	known->present = true;
	known->has_above = from->has_above;
	known->above = from->above;
	known->in_pool = from->in_pool;
	for (uint32_t i = 0; i < known->as.function_count; i++)
		function_join(&to->functions[known->as.first_function - 1 + i],
			      &now->functions[from->as.first_function - 1 + i]);
}

static void card_append(struct pci_table *to, const struct pci_table *now,
			const struct pci_card *from)
{
	struct pci_card *c = &to->cards[to->card_count++];

	*c = *from;
	c->as.handle = (uint32_t)to->card_count;
	c->as.first_function = (uint32_t)to->function_count + 1;
	for (uint32_t i = 0; i < from->as.function_count; i++) {
		struct pci_function *f = &to->functions[to->function_count++];

		*f = now->functions[from->as.first_function - 1 + i];
		f->as.handle = (uint32_t)to->function_count;
		f->as.adapter = c->as.handle;
		f->card = (uint32_t)to->card_count - 1;
	}
}

static void card_lose(struct pci_table *t, struct pci_card *c)
{
	c->present = false;
	for (uint32_t i = 0; i < c->as.function_count; i++)
		t->functions[c->as.first_function - 1 + i].answers = false;
}

/* Each port names the first card on it that is there. */
static void ports_name_cards(struct pci_table *t)
{
	for (size_t i = 0; i < t->port_count; i++)
		t->ports[i].adapter = 0;
	for (size_t i = t->card_count; i--;) {
		struct provider_port *p =
			port_of(t, t->cards[i].as.switch_handle, t->cards[i].as.port);

		if (t->cards[i].present && p && p->role == PROVIDER_PORT_DOWNSTREAM)
			p->adapter = (uint32_t)(i + 1);
	}
}

/* @old with @now's look; takes what is to stay of both. Return: 0 or -ENOMEM, both untouched. */
static int table_join(struct pci_table *old, struct pci_table *now)
{
	struct pci_card *cards = copy_of(old->cards, old->card_count,
					 old->card_count + now->card_count, sizeof(cards[0]));
	struct pci_function *functions =
		copy_of(old->functions, old->function_count,
			old->function_count + now->function_count, sizeof(functions[0]));

	if (!cards || !functions) {
		free(cards);
		free(functions);
		return -ENOMEM;
	}
	free(old->cards);
	free(old->functions);
	old->cards = cards;
	old->functions = functions;
	for (size_t i = old->card_count; i--;)
		if (!card_at(now, &old->cards[i]))
			card_lose(old, &old->cards[i]);
	for (size_t i = 0; i < now->card_count; i++) {
		struct pci_card *known = card_at(old, &now->cards[i]);

		if (known)
			card_join(old, known, now, &now->cards[i]);
		else
			card_append(old, now, &now->cards[i]);
	}
	free(old->ports);
	free(old->downs);
	old->ports = TAKE(now->ports);
	old->downs = TAKE(now->downs);
	old->port_count = now->port_count;
	old->down_count = now->down_count;
	return 0;
}

void pci_table_done(struct pci_table *t)
{
	free(t->switches);
	free(t->ports);
	free(t->downs);
	free(t->cards);
	free(t->functions);
	t->switches = NULL;
	t->ports = NULL;
	t->downs = NULL;
	t->cards = NULL;
	t->functions = NULL;
	t->switch_count = t->port_count = t->down_count = 0;
	t->card_count = t->function_count = 0;
}

int pci_table_take(struct pci_table *t, const struct topo_graph *g, char *why)
{
	OWNED(pci_table_done) struct pci_table now = { 0 };
	int r = table_of(&t->rules, g, &now, why);

	if (r)
		return r;
	if (is_joinable(t, &now) &&
	    t->function_count + now.function_count <= PROVIDER_FUNCTIONS_MAX) {
		r = table_join(t, &now);
	} else {
		now.epoch = t->epoch + 1;
		memcpy(now.bay, t->bay, sizeof(now.bay));
		now.chassis = t->chassis;
		pci_table_done(t);
		*t = now;
		now = (struct pci_table){ 0 };
	}
	if (!r)
		ports_name_cards(t);
	return r;
}

/* ---- looking things up ---- */

struct pci_function *pci_table_function(const struct pci_table *t, uint32_t handle)
{
	return handle && handle <= t->function_count ? &t->functions[handle - 1] : NULL;
}

struct pci_function *pci_table_at(const struct pci_table *t, const struct topo_address *address)
{
	for (size_t i = 0; i < t->function_count; i++)
		if (!t->functions[i].as.vf &&
		    !topo_address_compare(&t->functions[i].address, address))
			return &t->functions[i];
	return NULL;
}

struct pci_card *pci_table_card(const struct pci_table *t, const struct pci_function *f)
{
	return &t->cards[f->card];
}

const struct pci_port *pci_table_port(const struct pci_table *t, uint16_t switch_handle,
				      uint16_t number)
{
	for (size_t i = 0; i < t->down_count; i++)
		if (t->downs[i].as.switch_handle == switch_handle &&
		    t->downs[i].as.number == number)
			return &t->downs[i];
	return NULL;
}

bool pci_table_is_kept(const struct pci_table *t, const struct pci_function *f)
{
	return f->as.kind != PROVIDER_FUNCTION_VF &&
	       t->cards[f->card].as.keeper != PROVIDER_KEEPER_NONE;
}

bool pci_table_port_in_pool(const struct pci_table *t, const struct pci_port *port)
{
	const struct topo_address below = { .domain = port->bridge.domain, .bus = port->first_bus };

	for (size_t i = 0; i < t->card_count; i++)
		if (t->cards[i].present && !t->cards[i].in_pool &&
		    t->cards[i].address.domain == below.domain &&
		    t->cards[i].address.bus >= port->first_bus &&
		    t->cards[i].address.bus <= port->last_bus)
			return false;
	return is_named(&t->rules, &below, port);
}

/* ---- telling ---- */

static int arrays_make(const struct pci_table *t, struct provider_scan *scan)
{
	scan->switches =
		copy_of(t->switches, t->switch_count, t->switch_count, sizeof(scan->switches[0]));
	scan->ports = copy_of(t->ports, t->port_count, t->port_count, sizeof(scan->ports[0]));
	scan->hosts = calloc(1, sizeof(scan->hosts[0]));
	scan->adapters = calloc(t->card_count + 1, sizeof(scan->adapters[0]));
	scan->functions = calloc(t->function_count + 1, sizeof(scan->functions[0]));
	if (!scan->switches || !scan->ports || !scan->hosts || !scan->adapters || !scan->functions)
		return -ENOMEM;
	scan->switch_count = t->switch_count;
	scan->port_count = t->port_count;
	scan->host_count = 1;
	scan->adapter_count = t->card_count;
	scan->function_count = t->function_count;
	return 0;
}

static void host_tell(const struct pci_table *t, struct provider_host *h)
{
	*h = (struct provider_host){
		.handle = PCI_TABLE_HOST,
		.switch_handle = (uint16_t)t->switch_count,
		.port = PCI_TABLE_HOST_PORT,
		.vports = PCI_TABLE_VPORTS,
		.buses = 1,
		.state = { .host = PCI_TABLE_HOST,
			   .power = true,
			   .link = true,
			   .power_known = true },
	};
	memcpy(h->bay, t->bay, sizeof(h->bay));
}

int pci_table_scan(struct pci_table *t,
		   void (*binding)(void *arg, struct pci_function *f, struct provider_binding *out),
		   uint16_t (*num_vfs)(void *arg, const struct pci_function *f), void *arg,
		   struct provider_scan **out)
{
	OWNED(provider_scan_free) struct provider_scan *scan = calloc(1, sizeof(*scan));

	if (!scan || arrays_make(t, scan))
		return -ENOMEM;
	host_tell(t, &scan->hosts[0]);
	for (size_t i = 0; i < t->card_count; i++) {
		scan->adapters[i] = t->cards[i].as;
		scan->adapters[i].num_vfs = 0;
	}
	for (size_t i = 0; i < t->function_count; i++) {
		struct provider_function *f = &scan->functions[i];
		struct provider_adapter *a;

		*f = t->functions[i].as;
		a = &scan->adapters[f->adapter - 1];
		f->now.function = f->handle;
		binding(arg, &t->functions[i], &f->now);
		if (f->kind == PROVIDER_FUNCTION_PF) {
			uint16_t n = num_vfs(arg, &t->functions[i]);

			n = n < a->total_vfs ? n : a->total_vfs;
			a->num_vfs = a->num_vfs > n ? a->num_vfs : n;
		}
	}
	provider_machine_number(scan, t->chassis);
	*out = TAKE(scan);
	return 0;
}
