/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/pci/provider.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "provider/pci/inside.h"

enum { LOCK_RETRY_MS = 100, DEPTH = 64 };

static struct machine *machine_of(struct provider *p)
{
	return (struct machine *)p;
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

/* ---- the table of functions ---- */

static int machine_submit(struct provider *p, const struct provider_op *op)
{
	struct machine *m = machine_of(p);

	if (m->queue_count == PCI_QUEUE_MAX)
		return -ENOBUFS;
	m->queue[m->queue_count++] = *op;
	return 0;
}

static int machine_scan(struct provider *p)
{
	pci_look_start(machine_of(p), true);
	return 0;
}

/* What needs no hands is answered before anything else. */
static void answer_now(struct machine *m, const struct provider_op *op)
{
	if (op->verb == PROVIDER_READ || op->verb == PROVIDER_READ_HOST)
		pci_read(m, op);
	else
		pci_answer(m, op, PROVIDER_REFUSED, PROVIDER_WHY_UNSUPPORTED,
			   "a machine does not cut itself off");
}

static void machine_advance(struct provider *p, uint64_t now_ms)
{
	struct machine *m = machine_of(p);

	(void)now_ms;
	lock_try(m);
	for (size_t i = 0; i < m->queue_count;) {
		const struct provider_op op = m->queue[i];

		if (!pci_is_answered_now(&op)) {
			i++;
			continue;
		}
		pci_queue_remove(m, i);
		answer_now(m, &op);
	}
	pci_queue_advance(m);
}

static uint64_t machine_next_ms(const struct provider *p)
{
	const struct machine *m = (const struct machine *)p;
	uint64_t next = m->is_locked ? UINT64_MAX : m->lock_next_ms;

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
		pci_work_free(w);
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
	m->table.chassis = o->chassis;
	(void)snprintf(m->table.bay, sizeof(m->table.bay), "%.63s", o->bay); /* it fits */
	return 0;
}

static void kernel_boot_id(const struct sysfs *s, char out[static PCI_STATE_BOOT])
{
	if (sysfs_read(s, "proc/sys/kernel/random/boot_id", out, PCI_STATE_BOOT) || !out[0])
		(void)snprintf(out, PCI_STATE_BOOT, "none"); /* it fits */
	for (char *c = out; *c; c++)
		if (*c <= ' ' || *c > '~')
			*c = '-';
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
	r = pci_state_keep(m);
	if (r)
		(void)snprintf(why, PCI_PROVIDER_WHY, "%s: %s", m->state_path, strerror(-r));
	return r;
}

static int first_look(struct machine *m, char *why)
{
	OWNED(buf_done) struct buf b = { 0 };
	char reason[PROVIDER_TEXT_MAX] = "";
	int r;

	pci_look_run(m, &b);
	r = b.failed ? -ENOMEM : pci_table_refresh(m, &b, reason);
	if (r)
		(void)snprintf(why, PCI_PROVIDER_WHY, "%s: %s", m->tree[0] ? m->tree : "/sys",
			       reason);
	return r;
}

static int watches_open(struct machine *m)
{
	const struct timeval first = { .tv_usec = 1 };

	m->on_aer = evtimer_new(m->base, pci_aer_come, m);
	if (!m->on_aer || (m->aer_ms && event_add(m->on_aer, &first)))
		return -ENOMEM;
	if (m->events < 0)
		return 0;
	m->on_event = event_new(m->base, m->events, EV_READ | EV_PERSIST, pci_events_come, m);
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
	pci_records_sweep(m);
	m->hello = (struct provider_hello){
		.name = "fabric-provider-pci " FABRIC_VERSION,
		.can = PROVIDER_CAN_BARRIER,
		.timeout_ms = PCI_TIMEOUT_MS,
		.depth = DEPTH,
	};
	if (!m->is_saved)
		m->hello.can |= PROVIDER_CAN_IDENTITY | PROVIDER_CAN_WRITE | PROVIDER_CAN_SLOT;
	pci_boot_id_make(m);
	if (!m->is_locked)
		m->sink.state(m->sink.arg, PROVIDER_SETTLING, &m->hello);
	*hello = m->hello;
	*out = &TAKE(m)->provider;
	return 0;
}
