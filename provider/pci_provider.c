/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/pci_provider.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/cursor.h"
#include "common/log.h"
#include "provider/child.h"
#include "provider/pci.h"
#include "provider/pci_state.h"
#include "provider/uevent.h"

enum {
	QUEUE_MAX = 1024,
	CHILDREN_MAX = 8,
	LOOK_MS = 30000,
	LOOK_BYTES = 256 << 20,
	LOCK_RETRY_MS = 100,
	TIMEOUT_MS = 20000,
	DEPTH = 64,
	CLASS_NETWORK = 0x02,
	UEVENTS_AT_ONCE = 256,
};

#define NEVER UINT64_MAX

/* Which work may not run side by side: that of one port. */
#define KEY_ALL 0u

struct machine;

enum work_kind { WORK_TASK, WORK_READ };

/* One child, and what it is for. */
struct work {
	LIST_ENTRY(work) at;
	struct machine *m;
	struct child *child;
	enum work_kind kind;
	uint32_t key;
	bool has_op; /* else it was asked for by control */
	bool is_answered;
	struct provider_op op;
	struct hands_task task;
};

struct machine {
	struct provider provider; /* first */
	struct provider_sink sink;
	struct provider_hello hello;
	struct event_base *base;
	struct sysfs sysfs;
	struct hands_io io;
	char *tree;
	char *state_path;
	char *driver;
	int (*kill)(int pid);
	bool is_saved;
	struct pci_table table;
	struct pci_state state;
	char start_id[32];
	int lock_fd;
	bool is_locked;
	uint64_t lock_next_ms;
	struct provider_op queue[QUEUE_MAX]; /* in order; waiting */
	size_t queue_count;
	LIST_HEAD(, work) works;
	size_t work_count;
	struct child *look; /* one at a time */
	bool look_is_late;  /* it was given up, and is not gone */
	bool look_for_scan; /* the manager waits for this one */
	bool look_again;
	bool scan_again;
	int events;
	struct event *on_event;
	struct event *on_aer;
	uint32_t aer_ms;
	struct sysfs_aer *aer; /* by card: 2 each, its own end and the port's */
	size_t aer_count;
};

static struct machine *machine_of(struct provider *p)
{
	return (struct machine *)p;
}

/* ---- the boot id ---- */

static void boot_id_make(struct machine *m)
{
	(void)snprintf(m->hello.boot_id, sizeof(m->hello.boot_id), "%.31s.%u", m->start_id,
		       m->table.epoch); /* it fits */
}

static void kernel_boot_id(const struct sysfs *s, char out[static PCI_STATE_BOOT])
{
	if (sysfs_read(s, "proc/sys/kernel/random/boot_id", out, PCI_STATE_BOOT) || !out[0])
		(void)snprintf(out, PCI_STATE_BOOT, "none"); /* it fits */
	for (char *c = out; *c; c++)
		if (*c <= ' ' || *c > '~')
			*c = '-';
}

/* ---- where a function is ---- */

/* False: it does not exist now. */
static bool address_now(const struct machine *m, const struct pci_function *f,
			struct topo_address *out)
{
	if (f->as.vf)
		return sysfs_vf(&m->sysfs, &f->address, f->as.vf, out);
	*out = f->address;
	return sysfs_is_there(&m->sysfs, out);
}

static struct pci_state_record *record_of(struct machine *m, const struct pci_function *f,
					  const struct topo_address *address)
{
	struct pci_state_record *r = pci_state_find(&m->state, address);

	return r && r->vendor == f->as.vendor && r->device == f->as.device ? r : NULL;
}

static bool foreign_is_taken(const struct machine *m, uint16_t vport)
{
	for (size_t i = 0; i < m->table.function_count; i++)
		if (m->table.functions[i].foreign_vport == vport)
			return true;
	return false;
}

/* One of those above the machine's own; 0: none is left. */
static uint16_t foreign_vport(const struct machine *m, struct pci_function *f)
{
	for (uint16_t v = PROVIDER_VPORTS_MAX; !f->foreign_vport && v > PCI_TABLE_VPORTS; v--)
		if (!foreign_is_taken(m, v))
			f->foreign_vport = v;
	return f->foreign_vport;
}

/* All but the identity. Never waits. */
static void binding_now(void *arg, struct pci_function *f, struct provider_binding *out)
{
	struct machine *m = arg;
	const struct pci_state_record *r;
	struct topo_address address;
	char driver[SYSFS_NAME_MAX];
	bool is_there = address_now(m, f, &address);

	*out = (struct provider_binding){ .function = f->as.handle };
	out->present = is_there && f->answers && m->table.cards[f->card].present;
	if (!is_there || pci_table_is_kept(&m->table, f) || !m->table.cards[f->card].in_pool ||
	    !sysfs_driver(&m->sysfs, &address, driver)) {
		f->foreign_vport = 0;
		return;
	}
	r = record_of(m, f, &address);
	if (r) {
		f->foreign_vport = 0;
		out->host = PCI_TABLE_HOST;
		out->vport = r->vport;
		out->generation = r->generation;
		return;
	}
	out->vport = foreign_vport(m, f);
	out->host = out->vport ? PCI_TABLE_HOST : 0;
	out->unknown = !out->vport; /* it has a driver, and there is no number left to say so */
}

static uint16_t num_vfs_now(void *arg, const struct pci_function *f)
{
	const struct machine *m = arg;
	char path[PATH_MAX];
	uint64_t n;

	sysfs_path(&f->address, "sriov_numvfs", path);
	return sysfs_number(&m->sysfs, path, &n) || n > UINT16_MAX ? 0 : (uint16_t)n;
}

static uint32_t key_of(const struct pci_card *card)
{
	return (uint32_t)card->as.switch_handle << 16 | card->as.port;
}

static int state_save(struct machine *m)
{
	int r = pci_state_save(m->state_path, &m->state);

	if (r)
		log_err("%s: %s", m->state_path, strerror(-r));
	return r;
}

/* ---- telling ---- */

static void tell(struct machine *m, const struct provider_event *event)
{
	m->sink.told(m->sink.arg, event);
}

static void tell_changed(struct machine *m, enum provider_event_kind kind)
{
	const struct provider_event event = { .kind = kind };

	tell(m, &event);
}

static void tell_function(struct machine *m, uint32_t handle, bool present)
{
	const struct provider_event event = { .kind = PROVIDER_EVENT_FUNCTION,
					      .function = handle,
					      .present = present };

	tell(m, &event);
}

static void tell_slot(struct machine *m, const struct provider_port *p)
{
	const struct provider_event event = {
		.kind = PROVIDER_EVENT_SLOT,
		.slot = { .switch_handle = p->switch_handle,
			  .port = p->number,
			  .presence = p->slot_presence,
			  .power = p->slot_power,
			  .link = p->link },
	};

	tell(m, &event);
}

static void complete(struct machine *m, const struct provider_op *op, const struct sysfs_answer *a)
{
	struct provider_completion done = { .attempt = op->attempt,
					    .outcome = a->outcome,
					    .why = a->why };

	memcpy(done.text, a->text, sizeof(done.text));
	m->sink.completed(m->sink.arg, &done);
}

__attribute__((format(printf, 5, 6))) static void
refuse(struct machine *m, const struct provider_op *op, enum provider_outcome outcome,
       enum provider_why why, const char *format, ...)
{
	struct provider_completion done = { .attempt = op->attempt,
					    .outcome = outcome,
					    .why = why };
	va_list args;

	va_start(args, format);
	(void)vsnprintf(done.text, sizeof(done.text), format, args); /* cut is fine */
	va_end(args);
	m->sink.completed(m->sink.arg, &done);
}

/* ---- looking at the machine ---- */

/* The VF's MAC address stands with its PF's driver, which may let one wait. */
static bool needs_child(const struct machine *m, const struct pci_function *f)
{
	char path[PATH_MAX];
	char whole[PATH_MAX];
	struct topo_address address;

	if (!f->as.vf || f->class_code >> 16 != CLASS_NETWORK || !m->table.cards[f->card].in_pool ||
	    !address_now(m, f, &address))
		return false;
	sysfs_path(&f->address, "net", path);
	return snprintf(whole, sizeof(whole), "%s/%s", m->tree, path) < (int)sizeof(whole) &&
	       !access(whole, F_OK);
}

/* In the child: the identities of those that have one. */
static void identities_put(const struct machine *m, uint32_t first, uint32_t count, struct buf *out)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct pci_function *f = &m->table.functions[first - 1 + i];
		struct identity id;

		if (!needs_child(m, f) || hands_identity(&m->sysfs, &f->address, f->as.vf, &id))
			continue;
		buf_le32(out, f->as.handle);
		buf_le64(out, id.mac);
		buf_le16(out, id.vlan);
	}
}

/* Hands each that was put to @fn. */
static void identities_each(struct cursor *c,
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

static void look_run(void *arg, struct buf *out)
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
	identities_put(m, 1, (uint32_t)m->table.function_count, out);
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

	return f->answers && address_now(m, f, &address);
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
			tell_slot(m, now);
	}
}

/* Whatever a look found to be otherwise than the one before. */
static void differences_tell(struct machine *m, const struct before *b)
{
	if (m->table.epoch != b->epoch) {
		struct provider_event event = { .kind = PROVIDER_EVENT_REBOOT };

		boot_id_make(m);
		memcpy(event.boot_id, m->hello.boot_id, sizeof(event.boot_id));
		m->aer_count = 0; /* of other cards */
		log_notice("machine: cards stand otherwise than before; all handles are new");
		tell(m, &event);
		return;
	}
	slots_tell(m, b);
	for (size_t i = 0; i < b->function_count; i++)
		if (m->table.functions[i].answers != b->present[i] && !m->table.functions[i].as.vf)
			tell_function(m, (uint32_t)(i + 1), is_present(m, &m->table.functions[i]));
	if (m->table.function_count != b->function_count)
		tell_changed(m, PROVIDER_EVENT_CHANGED);
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
	identities_each(c, identity_take, m);
}

static int table_refresh(struct machine *m, const struct buf *looked, char *why)
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
	binding_now(arg, f, out);
	out->identity = f->identity;
}

static void scan_tell(struct machine *m)
{
	struct provider_scan *scan = NULL;
	char why[PROVIDER_TEXT_MAX] = "out of memory";
	int r = pci_table_scan(&m->table, binding_scanned, num_vfs_now, m, &scan);

	if (!r && provider_scan_check(scan, why)) {
		log_err("machine: %s", why);
		provider_scan_free(scan);
		r = -EBADMSG;
	}
	m->sink.scanned_take(m->sink.arg, r ? NULL : scan, r ? why : NULL);
}

static void look_start(struct machine *m, bool for_scan);

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
		bool failed = table_refresh(m, child_output(child), why) != 0;

		look_end(m, failed ? why : NULL);
	} else {
		look_end(m, "the look at the machine ended early");
	}
	child_free(child);
	if (m->look_again || m->scan_again) {
		bool for_scan = m->scan_again;

		m->look_again = m->scan_again = false;
		look_start(m, for_scan);
	}
}

static void look_start(struct machine *m, bool for_scan)
{
	const struct child_work work = {
		.name = "look at the machine",
		.run = look_run,
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

/* ---- work ---- */

static bool is_key_busy(const struct machine *m, uint32_t key)
{
	const struct work *w;

	LIST_FOREACH (w, &m->works, at)
		if (w->kind == WORK_TASK && (w->key == KEY_ALL || key == KEY_ALL || w->key == key))
			return true;
	return false;
}

static void work_free(struct work *w)
{
	LIST_REMOVE(w, at);
	w->m->work_count--;
	child_free(w->child);
	free(w);
}

/* A record whose function nobody has, and that no work is about to bind, says nothing any more. */
static void records_sweep(struct machine *m)
{
	char driver[SYSFS_NAME_MAX];
	bool dropped = false;

	if (m->is_saved)
		return;
	for (size_t i = m->state.count; i--;) {
		const struct topo_address address = m->state.records[i].address;
		const struct work *w;
		bool is_held = sysfs_driver(&m->sysfs, &address, driver);

		LIST_FOREACH (w, &m->works, at)
			is_held |= w->kind == WORK_TASK && w->task.verb == HANDS_BIND &&
				   !topo_address_compare(&w->task.address, &address);
		if (!is_held) {
			pci_state_drop(&m->state, &address);
			dropped = true;
		}
	}
	if (dropped)
		(void)state_save(m); /* what is wrong was logged; it is swept again */
}

static void work_run(void *arg, struct buf *out)
{
	const struct work *w = arg;
	struct sysfs_answer a = { 0 };

	hands_run(&w->m->sysfs, &w->m->io, &w->task, &a);
	hands_answer_put(out, &a);
}

static void work_answer(struct work *w, const struct sysfs_answer *a)
{
	char address[TOPO_ADDRESS_TEXT];

	topo_address_format(&w->task.address, address);
	log_notice("%s: %s: %s%s%s", address, hands_verb_text(w->task.verb),
		   provider_outcome_text(a->outcome), a->text[0] ? ": " : "", a->text);
	if (w->has_op && !w->is_answered)
		complete(w->m, &w->op, a);
	w->is_answered = true;
}

/* The machine stands otherwise after these; the kernel's events may say so later. */
static bool verb_moves_cards(enum hands_verb verb)
{
	return verb == HANDS_SLOT_POWER || verb == HANDS_RESCAN || verb == HANDS_REMOVE;
}

static void queue_advance(struct machine *m);

static void work_news(void *arg, struct child *child, enum child_news news)
{
	struct work *w = arg;
	struct machine *m = w->m;
	struct sysfs_answer a = { .outcome = PROVIDER_UNKNOWN };
	bool looks = verb_moves_cards(w->task.verb);

	if (news == CHILD_FINISHED &&
	    hands_answer_parse(child_output(child)->data, child_output(child)->length, &a))
		a.outcome = PROVIDER_UNKNOWN;
	if (a.outcome == PROVIDER_UNKNOWN)
		(void)snprintf(a.text, sizeof(a.text), "%s",
			       news == CHILD_LATE ? "no end by its deadline"
						  : "the process that did it ended early");
	if (news != CHILD_GONE)
		work_answer(w, &a);
	if (news == CHILD_LATE)
		return; /* until it is gone, nothing of its port begins or settles */
	w->child = NULL;
	child_free(child);
	work_free(w);
	records_sweep(m);
	if (looks)
		look_start(m, false);
	queue_advance(m);
}

/* Starts it; @op NULL: asked for by control. Return: 0 or -errno. */
static int work_start(struct machine *m, const struct hands_task *task, uint32_t key,
		      const struct provider_op *op)
{
	struct work *w = calloc(1, sizeof(*w));
	char address[TOPO_ADDRESS_TEXT];
	char name[64];
	struct child_work work = { .run = work_run,
				   .news = work_news,
				   .most = 1024,
				   .deadline_ms = task->deadline_ms,
				   .held_fd = m->lock_fd,
				   .kill = m->kill };
	int r;

	if (!w)
		return -ENOMEM;
	w->m = m;
	w->kind = WORK_TASK;
	w->key = key;
	w->task = *task;
	w->has_op = op != NULL;
	if (op)
		w->op = *op;
	topo_address_format(&task->address, address);
	(void)snprintf(name, sizeof(name), "%s: %s", address, hands_verb_text(task->verb));
	work.name = name;
	work.arg = w;
	LIST_INSERT_HEAD(&m->works, w, at);
	m->work_count++;
	r = child_new(m->base, &work, &w->child);
	if (r)
		work_free(w);
	return r;
}

/* ---- reading ---- */

static void read_run(void *arg, struct buf *out)
{
	const struct work *w = arg;
	bool by_host = w->op.verb == PROVIDER_READ_HOST;

	identities_put(w->m, by_host ? 1 : w->op.function,
		       by_host ? (uint32_t)w->m->table.function_count : w->op.value, out);
}

static int vport_compare(const void *a, const void *b)
{
	const struct provider_binding *x = a;
	const struct provider_binding *y = b;

	return x->vport < y->vport ? -1 : x->vport > y->vport;
}

static void identity_fill(void *arg, uint32_t handle, const struct identity *id)
{
	struct provider_completion *done = arg;
	struct provider_binding *bindings = (struct provider_binding *)done->bindings;

	for (size_t i = 0; i < done->binding_count; i++)
		if (bindings[i].function == handle)
			bindings[i].identity = *id;
}

static void read_complete(struct machine *m, const struct provider_op *op,
			  const struct buf *identities)
{
	static struct provider_binding bindings[PROVIDER_READ_MAX];
	struct provider_completion done = { .attempt = op->attempt, .bindings = bindings };
	bool by_host = op->verb == PROVIDER_READ_HOST;
	uint32_t first = by_host ? 1 : op->function;
	uint32_t count = by_host ? (uint32_t)m->table.function_count : op->value;

	for (uint32_t i = 0; i < count && done.binding_count < PROVIDER_READ_MAX; i++) {
		struct provider_binding *b = &bindings[done.binding_count];

		binding_now(m, &m->table.functions[first - 1 + i], b);
		done.binding_count += !by_host || b->host;
	}
	if (identities) {
		struct cursor c = { .at = identities->data,
				    .end = identities->data + identities->length };

		identities_each(&c, identity_fill, &done);
	}
	if (by_host) {
		qsort(bindings, done.binding_count, sizeof(bindings[0]), vport_compare);
		done.host = (struct provider_host_state){
			.host = PCI_TABLE_HOST, .power = true, .link = true, .power_known = true
		};
	}
	m->sink.completed(m->sink.arg, &done);
}

static void read_news(void *arg, struct child *child, enum child_news news)
{
	struct work *w = arg;

	if (!w->is_answered) {
		w->is_answered = true;
		if (news == CHILD_FINISHED)
			read_complete(w->m, &w->op, child_output(child));
		else
			refuse(w->m, &w->op,
			       news == CHILD_LATE ? PROVIDER_UNKNOWN : PROVIDER_FAILED,
			       PROVIDER_WHY_NONE, "a driver does not say its VFs' addresses");
	}
	if (news == CHILD_LATE)
		return;
	w->child = NULL;
	child_free(child);
	work_free(w);
}

static int read_start(struct machine *m, const struct provider_op *op)
{
	struct work *w = calloc(1, sizeof(*w));
	struct child_work work = { .name = "read identities",
				   .run = read_run,
				   .news = read_news,
				   .most = 1 << 20,
				   .deadline_ms = op->deadline_ms,
				   .held_fd = -1,
				   .kill = m->kill };
	int r;

	if (!w)
		return -ENOMEM;
	w->m = m;
	w->kind = WORK_READ;
	w->has_op = true;
	w->op = *op;
	work.arg = w;
	LIST_INSERT_HEAD(&m->works, w, at);
	m->work_count++;
	r = child_new(m->base, &work, &w->child);
	if (r)
		work_free(w);
	return r;
}

static void do_read(struct machine *m, const struct provider_op *op)
{
	uint32_t total = (uint32_t)m->table.function_count;
	uint32_t first = op->verb == PROVIDER_READ ? op->function : 1;
	uint32_t count = op->verb == PROVIDER_READ ? op->value : total;
	bool by_child = false;
	int r;

	if (op->verb == PROVIDER_READ_HOST && op->host != PCI_TABLE_HOST) {
		refuse(m, op, PROVIDER_REFUSED, PROVIDER_WHY_NO_HOST, "no host %u", op->host);
		return;
	}
	if (op->verb == PROVIDER_READ && (first > total || count > total - first + 1)) {
		refuse(m, op, PROVIDER_REFUSED, PROVIDER_WHY_NO_FUNCTION, "no functions %u .. %u",
		       first, first + count - 1);
		return;
	}
	for (uint32_t i = 0; !by_child && i < count; i++)
		by_child = needs_child(m, &m->table.functions[first - 1 + i]);
	if (!by_child) {
		read_complete(m, op, NULL);
		return;
	}
	r = m->work_count < 2 * CHILDREN_MAX ? read_start(m, op) : -EBUSY;
	if (r)
		refuse(m, op, PROVIDER_FAILED, PROVIDER_WHY_NONE, "%s", strerror(-r));
}

/* ---- from operations to tasks ---- */

/* Each says why not, completing the operation, and returns false; or fills the task and its key. */
typedef bool prepare_fn(struct machine *m, const struct provider_op *op, struct hands_task *task,
			uint32_t *key);

static struct pci_function *function_of(struct machine *m, const struct provider_op *op,
					struct hands_task *task, uint32_t *key)
{
	struct pci_function *f = pci_table_function(&m->table, op->function);
	const struct pci_card *card = f ? pci_table_card(&m->table, f) : NULL;

	if (!f) {
		refuse(m, op, PROVIDER_REFUSED, PROVIDER_WHY_NO_FUNCTION, "no function %u",
		       op->function);
		return NULL;
	}
	if (!card->in_pool) {
		refuse(m, op, PROVIDER_REFUSED, PROVIDER_WHY_KEPT,
		       "the machine keeps this adapter: no --adapter names it");
		return NULL;
	}
	if (!address_now(m, f, &task->address)) {
		refuse(m, op, PROVIDER_REFUSED,
		       f->as.vf ? PROVIDER_WHY_NO_VF : PROVIDER_WHY_NO_FUNCTION,
		       f->as.vf ? "VF %u is not enabled" : "function %u is not there",
		       f->as.vf ? f->as.vf : op->function);
		return NULL;
	}
	task->is_vf = f->as.vf != 0;
	task->pf = f->address;
	task->vf = f->as.vf;
	task->class_code = f->class_code;
	*key = key_of(card);
	return f;
}

static bool refuse_kept(struct machine *m, const struct provider_op *op,
			const struct pci_function *f)
{
	if (!pci_table_is_kept(&m->table, f))
		return false;
	refuse(m, op, PROVIDER_REFUSED, PROVIDER_WHY_KEPT,
	       "the adapter is shared: the machine's driver keeps its PF");
	return true;
}

/* Is another function that is bound at that vport? */
static uint32_t vport_user(struct machine *m, const struct pci_function *f, uint16_t vport)
{
	struct provider_binding b;

	for (size_t i = 0; i < m->table.function_count; i++) {
		if (!m->table.cards[m->table.functions[i].card].in_pool)
			continue; /* many, and never bound */
		binding_now(m, &m->table.functions[i], &b);
		if (b.host && b.vport == vport && &m->table.functions[i] != f)
			return b.function;
	}
	return 0;
}

static int record_bind(struct machine *m, const struct provider_op *op,
		       const struct pci_function *f, const struct topo_address *address)
{
	const struct pci_state_record record = { .address = *address,
						 .vendor = f->as.vendor,
						 .device = f->as.device,
						 .vport = op->vport,
						 .generation = op->generation };
	int r;

	records_sweep(m);
	r = pci_state_put(&m->state, &record);
	return r ? -EEXIST : state_save(m);
}

static bool prepare_bind(struct machine *m, const struct provider_op *op, struct hands_task *task,
			 uint32_t *key)
{
	struct pci_function *f = function_of(m, op, task, key);
	struct provider_binding now;
	uint32_t user;

	if (!f || refuse_kept(m, op, f))
		return false;
	binding_now(m, f, &now);
	user = vport_user(m, f, op->vport);
	if (op->host != PCI_TABLE_HOST)
		refuse(m, op, PROVIDER_REFUSED, PROVIDER_WHY_NO_HOST, "no host %u", op->host);
	else if (op->vport > PCI_TABLE_VPORTS)
		refuse(m, op, PROVIDER_REFUSED, PROVIDER_WHY_NO_VPORT, "vport %u of %d", op->vport,
		       PCI_TABLE_VPORTS);
	else if (now.host || now.unknown)
		refuse(m, op, PROVIDER_REFUSED, PROVIDER_WHY_BOUND, "bound at vport %u", now.vport);
	else if (user)
		refuse(m, op, PROVIDER_REFUSED, PROVIDER_WHY_VPORT_TAKEN, "function %u is there",
		       user);
	/* before the driver gets it: a death in between must not make it a foreign binding */
	else if (record_bind(m, op, f, &task->address))
		refuse(m, op, PROVIDER_REFUSED, PROVIDER_WHY_NONE,
		       "what is bound where cannot be kept: see the log");
	else
		return true;
	return false;
}

static bool prepare_unbind(struct machine *m, const struct provider_op *op, struct hands_task *task,
			   uint32_t *key)
{
	struct pci_function *f = pci_table_function(&m->table, op->function);
	struct topo_address address;

	/* what does not exist is bound nowhere */
	if (f && m->table.cards[f->card].in_pool && !address_now(m, f, &address)) {
		refuse(m, op, PROVIDER_DONE, PROVIDER_WHY_NONE, "%s", "");
		return false;
	}
	f = function_of(m, op, task, key);
	task->is_surprise = op->mode == PROVIDER_SURPRISE;
	return f && !refuse_kept(m, op, f);
}

static bool prepare_reset(struct machine *m, const struct provider_op *op, struct hands_task *task,
			  uint32_t *key)
{
	return function_of(m, op, task, key) != NULL;
}

static bool prepare_identity(struct machine *m, const struct provider_op *op,
			     struct hands_task *task, uint32_t *key)
{
	struct pci_function *f = function_of(m, op, task, key);

	task->identity = op->identity;
	return f && !refuse_kept(m, op, f);
}

static bool prepare_num_vfs(struct machine *m, const struct provider_op *op,
			    struct hands_task *task, uint32_t *key)
{
	struct pci_function *f = function_of(m, op, task, key);

	if (f && f->as.kind != PROVIDER_FUNCTION_PF)
		refuse(m, op, PROVIDER_REFUSED, PROVIDER_WHY_NO_FUNCTION, "function %u is no PF",
		       op->function);
	return f && f->as.kind == PROVIDER_FUNCTION_PF;
}

/* A function below the port that was bound by the manager; 0: none. */
static uint32_t bound_below(struct machine *m, const struct pci_port *port)
{
	struct provider_binding b;

	for (size_t i = 0; i < m->table.function_count; i++) {
		const struct pci_function *f = &m->table.functions[i];

		if (f->address.domain != port->bridge.domain || f->address.bus < port->first_bus ||
		    f->address.bus > port->last_bus)
			continue;
		binding_now(m, &m->table.functions[i], &b);
		if (b.generation)
			return b.function;
	}
	return 0;
}

static bool prepare_slot(struct machine *m, const struct provider_op *op, struct hands_task *task,
			 uint32_t *key)
{
	const struct pci_port *port = pci_table_port(&m->table, op->switch_handle, op->port);
	bool turns_off = op->verb == PROVIDER_SLOT_POWER && !op->value;

	if (!port || !port->as.has_slot || !port->first_bus)
		refuse(m, op, PROVIDER_REFUSED, PROVIDER_WHY_UNSUPPORTED,
		       "switch %u has no hot-plug slot at port %u", op->switch_handle, op->port);
	else if (!pci_table_port_in_pool(&m->table, port))
		refuse(m, op, PROVIDER_REFUSED, PROVIDER_WHY_KEPT,
		       "the machine keeps this slot: no --adapter names it, or not all in it");
	else if (turns_off && bound_below(m, port))
		refuse(m, op, PROVIDER_REFUSED, PROVIDER_WHY_BOUND, "function %u in it is bound",
		       bound_below(m, port));
	else {
		task->address = (struct topo_address){ .domain = port->bridge.domain,
						       .bus = port->first_bus };
		task->last_bus = port->last_bus;
		*key = (uint32_t)op->switch_handle << 16 | op->port;
		return true;
	}
	return false;
}

static const struct {
	prepare_fn *prepare; /* NULL: no such hands */
	enum hands_verb verb;
} tasks[PROVIDER_VERBS] = {
	[PROVIDER_UNBIND] = { prepare_unbind, HANDS_UNBIND },
	[PROVIDER_RESET] = { prepare_reset, HANDS_RESET },
	[PROVIDER_IDENTITY] = { prepare_identity, HANDS_IDENTITY },
	[PROVIDER_NUM_VFS] = { prepare_num_vfs, HANDS_NUM_VFS },
	[PROVIDER_BIND] = { prepare_bind, HANDS_BIND },
	[PROVIDER_SLOT_POWER] = { prepare_slot, HANDS_SLOT_POWER },
	[PROVIDER_SLOT_ATTENTION] = { prepare_slot, HANDS_SLOT_ATTENTION },
};

/* Which port's work it is; KEY_ALL also where it will be refused. */
static uint32_t op_key(const struct machine *m, const struct provider_op *op)
{
	const struct pci_function *f = pci_table_function(&m->table, op->function);

	if (op->verb == PROVIDER_SLOT_POWER || op->verb == PROVIDER_SLOT_ATTENTION)
		return (uint32_t)op->switch_handle << 16 | op->port;
	return f ? key_of(&m->table.cards[f->card]) : KEY_ALL;
}

static void op_begin(struct machine *m, const struct provider_op *op)
{
	struct hands_task task = { .verb = tasks[op->verb].verb,
				   .value = op->value,
				   .deadline_ms = op->deadline_ms };
	uint32_t key = KEY_ALL;
	int r;

	if (m->driver)
		(void)snprintf(task.driver, sizeof(task.driver), "%.63s", m->driver);
	if (!tasks[op->verb].prepare(m, op, &task, &key))
		return;
	r = work_start(m, &task, key, op);
	if (r) {
		refuse(m, op, PROVIDER_REFUSED, PROVIDER_WHY_NONE, "%s", strerror(-r));
		records_sweep(m);
	}
}

/* ---- the queue ---- */

static bool is_waiting_before(const struct machine *m, size_t at, uint32_t key)
{
	for (size_t i = 0; i < at; i++)
		if (m->queue[i].verb != PROVIDER_SETTLE &&
		    (key == KEY_ALL || op_key(m, &m->queue[i]) == KEY_ALL ||
		     op_key(m, &m->queue[i]) == key))
			return true;
	return false;
}

static uint32_t settle_key(const struct machine *m, const struct provider_op *op)
{
	/* all of the machine's functions touch the one host */
	return op->function && !op->host ? op_key(m, op) : KEY_ALL;
}

static void queue_remove(struct machine *m, size_t at)
{
	m->queue_count--;
	memmove(&m->queue[at], &m->queue[at + 1], (m->queue_count - at) * sizeof(m->queue[0]));
}

static void op_expire(struct machine *m, const struct provider_op *op)
{
	if (op->verb == PROVIDER_SETTLE)
		refuse(m, op, PROVIDER_UNKNOWN, PROVIDER_WHY_NONE,
		       "earlier work is not at its end");
	else
		refuse(m, op, PROVIDER_REFUSED, PROVIDER_WHY_NONE,
		       "not begun: earlier work took until its deadline");
}

/* True when it left the queue. */
static bool queue_step(struct machine *m, size_t at, uint64_t now_ms)
{
	const struct provider_op op = m->queue[at];
	bool is_settle = op.verb == PROVIDER_SETTLE;
	uint32_t key = is_settle ? settle_key(m, &op) : op_key(m, &op);
	bool must_wait = !m->is_locked || is_key_busy(m, key) || is_waiting_before(m, at, key);
	bool is_late = op.deadline_ms <= now_ms && (must_wait || !is_settle);

	if (!is_late && (must_wait || (!is_settle && m->work_count >= CHILDREN_MAX)))
		return false;
	queue_remove(m, at);
	if (is_late)
		op_expire(m, &op);
	else if (is_settle)
		refuse(m, &op, PROVIDER_DONE, PROVIDER_WHY_NONE, "%s", "");
	else
		op_begin(m, &op);
	return true;
}

static void queue_advance(struct machine *m)
{
	uint64_t now_ms = clock_boot_ms();

	for (size_t i = 0; i < m->queue_count;)
		i += !queue_step(m, i, now_ms);
}

/* ---- the lock: children of an earlier life hold it as long as they can do something ---- */

static void lock_try(struct machine *m)
{
	if (m->is_locked || clock_boot_ms() < m->lock_next_ms)
		return;
	m->lock_next_ms = clock_boot_ms() + LOCK_RETRY_MS;
	if (flock(m->lock_fd, LOCK_EX | LOCK_NB))
		return;
	m->is_locked = true;
	log_notice("machine: what an earlier life of this program began is settled");
	m->sink.state(m->sink.arg, PROVIDER_READY, &m->hello);
}

static int lock_open(struct machine *m, char *why)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s.lock", m->state_path) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	m->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (m->lock_fd < 0) {
		int r = -errno;

		(void)snprintf(why, PCI_PROVIDER_WHY, "%.400s: %s", path, strerror(-r));
		return r;
	}
	m->is_locked = !flock(m->lock_fd, LOCK_EX | LOCK_NB);
	if (!m->is_locked)
		log_warning("%s: held by work of an earlier life of this program, or by another of "
			    "it; nothing is done before it is free",
			    path);
	return 0;
}

/* ---- the kernel's events ---- */

static void uevent_take(struct machine *m, const struct uevent *e)
{
	struct pci_function *f = pci_table_at(&m->table, &e->address);
	char address[TOPO_ADDRESS_TEXT];

	topo_address_format(&e->address, address);
	log_notice("%s: %s%s%s%s", address, uevent_action_text(e->action),
		   e->driver[0] ? ", driver " : "", e->driver,
		   e->is_recovery_failed ? ", recovery from an error failed" : "");
	if (f && e->action == UEVENT_REMOVE) {
		f->answers = false;
		tell_function(m, f->as.handle, false);
	}
}

/* One datagram. Return: >0 it was of a PCI function; 0 not; -EAGAIN none is left; -ENOBUFS some
 * were lost. */
static int uevent_next(struct machine *m)
{
	static uint8_t bytes[UEVENT_MAX];
	struct sockaddr_nl from = { 0 };
	struct iovec part = { .iov_base = bytes, .iov_len = sizeof(bytes) };
	struct msghdr message = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &part, .msg_iovlen = 1
	};
	ssize_t n = recvmsg(m->events, &message, MSG_DONTWAIT);
	struct uevent e;

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	/* anybody may send to a netlink socket; the kernel's own number is 0 */
	if (message.msg_namelen == sizeof(from) && from.nl_family == AF_NETLINK && from.nl_pid)
		return 0;
	if (message.msg_flags & MSG_TRUNC || uevent_parse(bytes, (size_t)n, &e)) {
		log_debug("kernel: an event that cannot be read");
		return 0;
	}
	if (!e.is_pci || e.action == UEVENT_OTHER)
		return 0;
	uevent_take(m, &e);
	return 1;
}

static void events_come(evutil_socket_t fd, short what, void *arg)
{
	struct machine *m = arg;
	bool changed = false;
	int r = 0;

	(void)fd;
	(void)what;
	for (int i = 0; r >= 0 && i < UEVENTS_AT_ONCE; i++) {
		r = uevent_next(m);
		changed |= r > 0;
	}
	if (r == -ENOBUFS) {
		log_warning("kernel: events were lost");
		tell_changed(m, PROVIDER_EVENT_OVERFLOW);
		look_start(m, false);
	} else if (changed) {
		tell_changed(m, PROVIDER_EVENT_CHANGED);
		look_start(m, false);
	}
}

/* ---- AER ---- */

static uint64_t risen(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

/* True when errors that are not corrected were counted at that end. */
static bool aer_look(const struct machine *m, const struct pci_card *card,
		     const struct topo_address *end, const char *which, struct sysfs_aer *last)
{
	struct sysfs_aer now = sysfs_aer(&m->sysfs, end);
	char address[TOPO_ADDRESS_TEXT];
	uint64_t fatal;
	uint64_t nonfatal;

	if (!now.known)
		return false;
	fatal = last->known ? risen(now.fatal, last->fatal) : 0;
	nonfatal = last->known ? risen(now.nonfatal, last->nonfatal) : 0;
	*last = now;
	if (!fatal && !nonfatal)
		return false;
	topo_address_format(&card->address, address);
	log_warning("%s: %" PRIu64 " fatal and %" PRIu64 " non-fatal errors more at the %s end of "
		    "its link",
		    address, fatal, nonfatal, which);
	return true;
}

static void aer_come(evutil_socket_t fd, short what, void *arg)
{
	struct machine *m = arg;
	const struct timeval again = { .tv_sec = m->aer_ms / 1000,
				       .tv_usec = (suseconds_t)(m->aer_ms % 1000 * 1000) };
	bool bad = false;

	(void)fd;
	(void)what;
	if (m->aer_count < m->table.card_count) { /* from 0, after that */
		struct sysfs_aer *aer = realloc(m->aer, 2 * m->table.card_count * sizeof(*aer));

		if (aer) {
			memset(aer + 2 * m->aer_count, 0,
			       2 * (m->table.card_count - m->aer_count) * sizeof(*aer));
			m->aer = aer;
			m->aer_count = m->table.card_count;
		}
	}
	for (size_t i = 0; i < m->aer_count && i < m->table.card_count; i++) {
		const struct pci_card *c = &m->table.cards[i];

		if (!c->in_pool || !c->present)
			continue;
		bad |= aer_look(m, c, &c->address, "card's", &m->aer[2 * i]);
		if (c->has_above)
			bad |= aer_look(m, c, &c->above, "port's", &m->aer[2 * i + 1]);
	}
	/* does it still answer? the look tells */
	if (bad)
		look_start(m, false);
	if (event_add(m->on_aer, &again))
		log_err("machine: no timer: out of memory");
}

/* ---- control ---- */

static void aer_show(const struct sysfs_aer *aer, const char *end, struct buf *out)
{
	if (aer->known)
		buf_printf(out,
			   "  errors at the %s end: %" PRIu64 " fatal, %" PRIu64
			   " non-fatal, %" PRIu64 " corrected\n",
			   end, aer->fatal, aer->nonfatal, aer->correctable);
}

static void function_show(struct machine *m, struct pci_function *f, struct buf *out)
{
	char text[TOPO_ADDRESS_TEXT];
	char driver[SYSFS_NAME_MAX];
	char methods[SYSFS_NAME_MAX];
	struct topo_address address;
	struct provider_binding b;

	if (!address_now(m, f, &address))
		return;
	binding_now(m, f, &b);
	topo_address_format(&address, text);
	sysfs_reset_methods(&m->sysfs, &address, methods);
	buf_printf(out, "  %u %s %s%s driver %s, resets: %s", f->as.handle, text,
		   pci_table_is_kept(&m->table, f) ? "kept" : "to give",
		   b.present ? "" : " (does not answer)",
		   sysfs_driver(&m->sysfs, &address, driver) ? driver : "none",
		   methods[0] ? methods : "none");
	if (b.host)
		buf_printf(out, ", vport %u generation %" PRIu64, b.vport, b.generation);
	buf_text(out, "\n");
}

static int control_show(struct machine *m, struct buf *out)
{
	for (size_t i = 0; i < m->table.card_count; i++) {
		const struct pci_card *c = &m->table.cards[i];
		struct sysfs_aer aer;

		buf_printf(out, "%s port %u: %s%s%s\n",
			   m->table.switches[c->as.switch_handle - 1].name, c->as.port, c->as.model,
			   c->in_pool ? ", in the pool" : "", c->present ? "" : ", gone");
		for (uint32_t n = 0; n < c->as.function_count; n++)
			function_show(m, &m->table.functions[c->as.first_function - 1 + n], out);
		aer = sysfs_aer(&m->sysfs, &c->address);
		aer_show(&aer, "card's", out);
		if (c->has_above) {
			aer = sysfs_aer(&m->sysfs, &c->above);
			aer_show(&aer, "port's", out);
		}
	}
	return 0;
}

static int control_start(struct machine *m, enum hands_verb verb,
			 const struct topo_address *address, uint32_t key, struct buf *out)
{
	const struct hands_task task = { .verb = verb,
					 .address = *address,
					 .deadline_ms = clock_boot_ms() + TIMEOUT_MS };
	int r;

	if (!m->is_locked || is_key_busy(m, key) || m->work_count >= CHILDREN_MAX) {
		buf_text(out, "other work is under way: later");
		return REFUSE_IN_DOUBT;
	}
	r = work_start(m, &task, key, NULL);
	buf_text(out, r ? strerror(-r) : "begun; how it ends is logged");
	return r;
}

static int control_remove(struct machine *m, const char *text, struct buf *out)
{
	struct topo_address address;
	struct provider_binding b = { 0 };
	struct pci_function *f =
		topo_address_parse(text, &address) ? NULL : pci_table_at(&m->table, &address);

	if (f)
		binding_now(m, f, &b);
	if (!f || !m->table.cards[f->card].in_pool) {
		buf_printf(out, "%s: no function of the pool", text);
		return REFUSE_NO_FUNCTION;
	}
	if (b.generation || num_vfs_now(m, f)) {
		buf_printf(out, "%s: it is bound, or has VFs", text);
		return REFUSE_FUNCTION_BOUND;
	}
	return control_start(m, HANDS_REMOVE, &address, key_of(&m->table.cards[f->card]), out);
}

int pci_provider_control(void *arg, const char *request, size_t length, struct buf *answer)
{
	static const struct topo_address none;
	struct machine *m = arg;

	if (strlen(request) != length) {
		buf_text(answer, "not a request of this provider");
		return REFUSE_SYNTAX;
	}
	if (!strcmp(request, "show"))
		return control_show(m, answer);
	if (m->is_saved) {
		buf_text(answer, "a saved tree is only looked at");
		return REFUSE_RIGHT;
	}
	if (!strcmp(request, "rescan"))
		return control_start(m, HANDS_RESCAN, &none, KEY_ALL, answer);
	if (!strncmp(request, "remove ", 7))
		return control_remove(m, request + 7, answer);
	buf_text(answer, "show, rescan, or remove ADDRESS");
	return REFUSE_SYNTAX;
}

/* ---- the table of functions ---- */

static int machine_submit(struct provider *p, const struct provider_op *op)
{
	struct machine *m = machine_of(p);

	if (m->queue_count == QUEUE_MAX)
		return -ENOBUFS;
	m->queue[m->queue_count++] = *op;
	return 0;
}

static int machine_scan(struct provider *p)
{
	look_start(machine_of(p), true);
	return 0;
}

/* What needs no hands is answered before anything else. */
static bool is_answered_now(const struct provider_op *op)
{
	return op->verb != PROVIDER_SETTLE && !tasks[op->verb].prepare;
}

static void answer_now(struct machine *m, const struct provider_op *op)
{
	if (op->verb == PROVIDER_READ || op->verb == PROVIDER_READ_HOST)
		do_read(m, op);
	else
		refuse(m, op, PROVIDER_REFUSED, PROVIDER_WHY_UNSUPPORTED,
		       "a machine does not cut itself off");
}

static void machine_advance(struct provider *p, uint64_t now_ms)
{
	struct machine *m = machine_of(p);

	(void)now_ms;
	lock_try(m);
	for (size_t i = 0; i < m->queue_count;) {
		const struct provider_op op = m->queue[i];

		if (!is_answered_now(&op)) {
			i++;
			continue;
		}
		queue_remove(m, i);
		answer_now(m, &op);
	}
	queue_advance(m);
}

static uint64_t machine_next_ms(const struct provider *p)
{
	const struct machine *m = (const struct machine *)p;
	uint64_t next = m->is_locked ? NEVER : m->lock_next_ms;

	for (size_t i = 0; i < m->queue_count; i++)
		if (m->queue[i].deadline_ms < next)
			next = m->queue[i].deadline_ms;
	return next;
}

static void machine_close(struct provider *p)
{
	struct machine *m = machine_of(p);
	struct work *w;

	while ((w = LIST_FIRST(&m->works)))
		work_free(w);
	child_free(m->look);
	if (m->on_event)
		event_free(m->on_event);
	if (m->on_aer)
		event_free(m->on_aer);
	if (m->events >= 0)
		(void)close(m->events);
	if (m->lock_fd >= 0)
		(void)close(m->lock_fd); /* children that still live hold the lock on */
	pci_table_done(&m->table);
	free(m->aer);
	free(m->tree);
	free(m->state_path);
	free(m->driver);
	free(m);
}

static const struct provider_ops machine_ops = {
	.name = "pci",
	.close = machine_close,
	.submit = machine_submit,
	.scan = machine_scan,
	.advance = machine_advance,
	.next_ms = machine_next_ms,
};

/* ---- opening ---- */

static int options_take(struct machine *m, const struct pci_provider_options *o)
{
	m->base = o->base;
	m->sysfs = o->sysfs;
	m->io = o->io;
	m->kill = o->kill;
	m->aer_ms = o->aer_ms;
	m->is_saved = o->saved;
	m->table.rules = o->rules;
	m->tree = strdup(o->sysfs.tree);
	m->state_path = strdup(o->state_path);
	m->driver = o->driver ? strdup(o->driver) : NULL;
	if (!m->tree || !m->state_path || (o->driver && !m->driver))
		return -ENOMEM;
	m->sysfs.tree = m->tree;
	(void)snprintf(m->table.bay, sizeof(m->table.bay), "%.63s", o->bay); /* it fits */
	return 0;
}

static int state_open(struct machine *m, char *why)
{
	char boot_id[PCI_STATE_BOOT];
	char reason[160];
	int r;

	if (m->is_saved) {
		m->is_locked = true;
		return 0;
	}
	kernel_boot_id(&m->sysfs, boot_id);
	r = lock_open(m, why);
	if (r)
		return r;
	r = pci_state_load(m->state_path, &m->state, reason);
	/* without it nothing is lost but whose bindings they are: they are told as foreign */
	if (r > 0)
		log_warning("%s: %s; all that is bound counts as foreign", m->state_path, reason);
	else if (r && r != -ENOENT)
		log_warning("%s: %s; all that is bound counts as foreign", m->state_path,
			    strerror(-r));
	if (r || strcmp(m->state.boot_id, boot_id) != 0)
		m->state = (struct pci_state){ 0 };
	memcpy(m->state.boot_id, boot_id, sizeof(boot_id));
	(void)snprintf(m->start_id, sizeof(m->start_id), "%.8s-%" PRIx64, boot_id, clock_boot_us());
	r = state_save(m);
	if (r)
		(void)snprintf(why, PCI_PROVIDER_WHY, "%s: %s", m->state_path, strerror(-r));
	return r;
}

static int first_look(struct machine *m, char *why)
{
	OWNED(buf_done) struct buf b = { 0 };
	char reason[PROVIDER_TEXT_MAX] = "";
	int r;

	look_run(m, &b);
	r = b.failed ? -ENOMEM : table_refresh(m, &b, reason);
	if (r)
		(void)snprintf(why, PCI_PROVIDER_WHY, "%s: %s", m->tree[0] ? m->tree : "/sys",
			       reason);
	return r;
}

static int watches_open(struct machine *m)
{
	const struct timeval first = { .tv_usec = 1 };

	m->on_aer = evtimer_new(m->base, aer_come, m);
	if (!m->on_aer || (m->aer_ms && event_add(m->on_aer, &first)))
		return -ENOMEM;
	if (m->events < 0)
		return 0;
	m->on_event = event_new(m->base, m->events, EV_READ | EV_PERSIST, events_come, m);
	return m->on_event && !event_add(m->on_event, NULL) ? 0 : -ENOMEM;
}

static void provider_close_machine(struct machine *m)
{
	if (m)
		machine_close(&m->provider);
}
OWNED_BY(struct machine, provider_close_machine)

int pci_provider_open(const struct pci_provider_options *options, const struct provider_sink *sink,
		      struct provider **out, struct provider_hello *hello, char *why)
{
	OWNED(provider_close_machine) struct machine *m = calloc(1, sizeof(*m));
	int r;

	(void)snprintf(why, PCI_PROVIDER_WHY, "%s", strerror(ENOMEM)); /* it fits */
	if (!m)
		return -ENOMEM;
	m->provider.ops = &machine_ops;
	m->sink = *sink;
	m->events = options->events;
	m->lock_fd = -1;
	r = options_take(m, options);
	if (!r)
		r = state_open(m, why);
	/* events that come from here on are read after this look */
	if (!r)
		r = first_look(m, why);
	if (!r)
		r = watches_open(m);
	if (r)
		return r;
	records_sweep(m);
	m->hello = (struct provider_hello){
		.name = "fabric-provider-pci " FABRIC_VERSION,
		.can = PROVIDER_CAN_BARRIER,
		.timeout_ms = TIMEOUT_MS,
		.depth = DEPTH,
	};
	if (!m->is_saved)
		m->hello.can |= PROVIDER_CAN_IDENTITY | PROVIDER_CAN_WRITE | PROVIDER_CAN_SLOT;
	boot_id_make(m);
	if (!m->is_locked)
		m->sink.state(m->sink.arg, PROVIDER_SETTLING, &m->hello);
	*hello = m->hello;
	*out = &TAKE(m)->provider;
	return 0;
}
