/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/pci/inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "provider/pci.h"

enum {
	LOOK_MS = 30000,
	LOOK_BYTES = 256 << 20,
	CLASS_NETWORK = 0x02,
};

/* ---- looking at the machine ---- */

/* The VF's MAC address stands with its PF's driver, which may let one wait. */
bool pci_needs_child(const struct machine *m, const struct pci_function *f)
{
	char path[PATH_MAX];
	char whole[PATH_MAX];
	struct topo_address address;

	if (!f->as.vf || f->class_code >> 16 != CLASS_NETWORK || !m->table.cards[f->card].in_pool ||
	    !pci_address_now(m, f, &address))
		return false;
	sysfs_path(&f->address, "net", path);
	return snprintf(whole, sizeof(whole), "%s/%s", m->tree, path) < (int)sizeof(whole) &&
	       !access(whole, F_OK);
}

/* In the child: the identities of those that have one. */
void pci_identities_put(const struct machine *m, uint32_t first, uint32_t count, struct buf *out)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct pci_function *f = &m->table.functions[first - 1 + i];
		struct identity id;

		if (!pci_needs_child(m, f) || hands_identity(&m->sysfs, &f->address, f->as.vf, &id))
			continue;
		buf_le32(out, f->as.handle);
		buf_le64(out, id.mac);
		buf_le16(out, id.vlan);
	}
}

/* Hands each that was put to @fn. */
void pci_identities_each(struct cursor *c,
			 void (*fn)(void *arg, uint32_t handle, const struct identity *id),
			 void *arg)
{
	while (c->at < c->end) {
		uint32_t handle = cursor_le32(c);
		struct identity id = { .mac = cursor_le64(c) };

		id.vlan = cursor_le16(c);
		if (c->overrun)
			return;
		fn(arg, handle, &id);
	}
}

/* What stands before each part of what a look writes. */
enum look_part { LOOK_END, LOOK_FUNCTION, LOOK_FAILED };

/* In the child: each function's address and bytes. */
static int look_take(void *arg, const struct topo_address *address, const uint8_t *bytes,
		     size_t length)
{
	struct buf *out = arg;

	buf_u8(out, LOOK_FUNCTION);
	buf_le32(out, address->domain);
	buf_u8(out, address->bus);
	buf_u8(out, address->device);
	buf_u8(out, address->function);
	buf_le16(out, (uint16_t)length);
	buf_bytes(out, bytes, length);
	return 0;
}

void pci_look_run(void *arg, struct buf *out)
{
	struct machine *m = arg;
	char reason[PROVIDER_PCI_REASON];
	int r = provider_pci_read(m->tree[0] ? m->tree : NULL, look_take, out, reason);

	if (r) {
		buf_u8(out, LOOK_FAILED);
		buf_text8(out, reason);
		return;
	}
	buf_u8(out, LOOK_END);
	pci_identities_put(m, 1, (uint32_t)m->table.function_count, out);
}

/* @rest: what follows, identities. */
static int look_parse(const struct buf *b, struct topo_graph *g, struct cursor *rest, char *why)
{
	struct cursor c = { .at = b->data, .end = b->data + b->length };
	uint8_t what;

	while ((what = cursor_u8(&c)) == LOOK_FUNCTION && !c.overrun) {
		uint8_t bytes[TOPO_CONFIG_BYTES];
		struct topo_address address = { .domain = cursor_le32(&c) };
		uint16_t length;
		int r;

		address.bus = cursor_u8(&c);
		address.device = cursor_u8(&c);
		address.function = cursor_u8(&c);
		length = cursor_le16(&c);
		if (length > sizeof(bytes))
			break;
		cursor_bytes(&c, bytes, length);
		r = topo_graph_add(g, &address, bytes, length);
		if (r)
			return r;
	}
	if (what == LOOK_FAILED)
		cursor_text(&c, why, PROVIDER_TEXT_MAX);
	else if (what != LOOK_END || c.overrun)
		(void)snprintf(why, PROVIDER_TEXT_MAX, "the look at the machine came in pieces");
	if (what != LOOK_END || c.overrun)
		return REFUSE_FIELD;
	*rest = c;
	topo_graph_sort(g);
	return topo_graph_link(g);
}

/* What is told of a function or a slot by itself. */
struct before {
	uint32_t epoch;
	size_t function_count;
	bool *present;
	size_t port_count;
	struct provider_port *ports;
};

static bool is_present(struct machine *m, struct pci_function *f)
{
	struct topo_address address;

	return f->answers && pci_address_now(m, f, &address);
}

static void before_done(struct before *b)
{
	free(b->present);
	free(b->ports);
}
OWNED_BY_VALUE(struct before, before_done)

static int before_make(struct machine *m, struct before *b)
{
	b->epoch = m->table.epoch;
	b->function_count = m->table.function_count;
	b->port_count = m->table.port_count;
	b->present = calloc(b->function_count + 1, sizeof(b->present[0]));
	b->ports = calloc(b->port_count + 1, sizeof(b->ports[0]));
	if (!b->present || !b->ports)
		return -ENOMEM;
	for (size_t i = 0; i < b->function_count; i++)
		b->present[i] = m->table.functions[i].answers;
	if (b->port_count)
		memcpy(b->ports, m->table.ports, b->port_count * sizeof(b->ports[0]));
	return 0;
}

static void slots_tell(struct machine *m, const struct before *b)
{
	for (size_t i = 0; i < m->table.port_count; i++) {
		const struct provider_port *now = &m->table.ports[i];
		const struct provider_port *was = NULL;

		for (size_t j = 0; j < b->port_count && !was; j++)
			if (b->ports[j].switch_handle == now->switch_handle &&
			    b->ports[j].number == now->number)
				was = &b->ports[j];
		if (now->has_slot && (!was || was->slot_presence != now->slot_presence ||
				      was->slot_power != now->slot_power || was->link != now->link))
			pci_tell_slot(m, now);
	}
}

/* Whatever a look found to be otherwise than the one before. */
static void differences_tell(struct machine *m, const struct before *b)
{
	if (m->table.epoch != b->epoch) {
		struct provider_event event = { .kind = PROVIDER_EVENT_REBOOT };

		pci_boot_id_make(m);
		memcpy(event.boot_id, m->hello.boot_id, sizeof(event.boot_id));
		m->aer_count = 0; /* of other cards */
		log_notice("machine: cards stand otherwise than before; all handles are new");
		pci_tell(m, &event);
		return;
	}
	slots_tell(m, b);
	for (size_t i = 0; i < b->function_count; i++)
		if (m->table.functions[i].answers != b->present[i] && !m->table.functions[i].as.vf)
			pci_tell_function(m, (uint32_t)(i + 1),
					  is_present(m, &m->table.functions[i]));
	if (m->table.function_count != b->function_count)
		pci_tell_changed(m, PROVIDER_EVENT_CHANGED);
}

static void identity_take(void *arg, uint32_t handle, const struct identity *id)
{
	struct machine *m = arg;
	struct pci_function *f = pci_table_function(&m->table, handle);

	if (f)
		f->identity = *id;
}

/* Handles are those of the table that the look began with. */
static void identities_take(struct machine *m, struct cursor *c)
{
	for (size_t i = 0; i < m->table.function_count; i++)
		m->table.functions[i].identity = (struct identity){ 0 };
	pci_identities_each(c, identity_take, m);
}

int pci_table_refresh(struct machine *m, const struct buf *looked, char *why)
{
	OWNED(topo_graph_done) struct topo_graph g = { 0 };
	OWNED(before_done) struct before before = { 0 };
	struct cursor rest = { 0 };
	int r = look_parse(looked, &g, &rest, why);

	if (!r)
		r = before_make(m, &before);
	if (!r)
		r = pci_table_take(&m->table, &g, why);
	if (r < 0)
		(void)snprintf(why, PROVIDER_TEXT_MAX, "%s", strerror(-r)); /* it fits */
	if (!r && before.epoch == m->table.epoch)
		identities_take(m, &rest);
	if (!r && before.epoch)
		differences_tell(m, &before);
	return r;
}

static void binding_scanned(void *arg, struct pci_function *f, struct provider_binding *out)
{
	pci_binding_now(arg, f, out);
	out->identity = f->identity;
}

static void scan_tell(struct machine *m)
{
	struct provider_scan *scan = NULL;
	char why[PROVIDER_TEXT_MAX] = "out of memory";
	int r = pci_table_scan(&m->table, binding_scanned, pci_num_vfs_now, m, &scan);

	if (!r && provider_scan_check(scan, why)) {
		log_err("machine: %s", why);
		provider_scan_free(scan);
		r = -EBADMSG;
	}
	m->sink.scanned_take(m->sink.arg, r ? NULL : scan, r ? why : NULL);
}

static void look_end(struct machine *m, const char *why)
{
	bool for_scan = m->look_for_scan;

	m->look_for_scan = false;
	if (why)
		log_warning("machine: cannot be looked at: %s", why);
	if (for_scan && why)
		m->sink.scanned_take(m->sink.arg, NULL, why);
	else if (for_scan)
		scan_tell(m);
}

static void look_news(void *arg, struct child *child, enum child_news news)
{
	struct machine *m = arg;
	char why[PROVIDER_TEXT_MAX] = "";

	if (news == CHILD_LATE) {
		m->look_is_late = true;
		look_end(m, "it takes too long");
		return;
	}
	m->look = NULL;
	if (m->look_is_late) {
		m->look_is_late = false;
	} else if (news == CHILD_FINISHED) {
		bool failed = pci_table_refresh(m, child_output(child), why) != 0;

		look_end(m, failed ? why : NULL);
	} else {
		look_end(m, "the look at the machine ended early");
	}
	child_free(child);
	if (m->look_again || m->scan_again) {
		bool for_scan = m->scan_again;

		m->look_again = m->scan_again = false;
		pci_look_start(m, for_scan);
	}
}

void pci_look_start(struct machine *m, bool for_scan)
{
	const struct child_work work = {
		.name = "look at the machine",
		.run = pci_look_run,
		.news = look_news,
		.arg = m,
		.most = LOOK_BYTES,
		.deadline_ms = clock_boot_ms() + LOOK_MS,
		.held_fd = -1, /* it changes nothing: nobody waits for its end */
		.kill = m->kill,
	};
	int r;

	if (m->look) {
		/* one that runs may have passed by what is new */
		m->look_again = true;
		m->scan_again |= for_scan;
		return;
	}
	m->look_for_scan = for_scan;
	r = child_new(m->base, &work, &m->look);
	if (r)
		look_end(m, strerror(-r));
}
