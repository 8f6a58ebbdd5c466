/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/pci/inside.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"

/* ---- the boot id ---- */

void pci_boot_id_make(struct machine *m)
{
	(void)snprintf(m->hello.boot_id, sizeof(m->hello.boot_id), "%.31s.%u", m->start_id,
		       m->table.epoch); /* it fits */
}

/* ---- where a function is ---- */

/* False: it does not exist now. */
bool pci_address_now(const struct machine *m, const struct pci_function *f,
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

static bool vport_is_taken(const struct machine *m, uint16_t vport)
{
	for (size_t i = 0; i < m->state.count; i++)
		if (m->state.records[i].vport == vport)
			return true;
	for (size_t i = 0; i < m->table.function_count; i++)
		if (m->table.functions[i].foreign_vport == vport)
			return true;
	return false;
}

/* Where it is told to be, from the last vport down, as long as it has a driver; 0: none is left. */
static uint16_t foreign_vport(const struct machine *m, struct pci_function *f)
{
	for (uint16_t v = PCI_TABLE_VPORTS; !f->foreign_vport && v; v--)
		if (!vport_is_taken(m, v))
			f->foreign_vport = v;
	return f->foreign_vport;
}

/* All but the identity. Never waits. */
void pci_binding_now(void *arg, struct pci_function *f, struct provider_binding *out)
{
	struct machine *m = arg;
	const struct pci_state_record *r;
	struct topo_address address;
	char driver[SYSFS_NAME_MAX];
	bool is_there = pci_address_now(m, f, &address);

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

uint16_t pci_num_vfs_now(void *arg, const struct pci_function *f)
{
	const struct machine *m = arg;
	char path[PATH_MAX];
	uint64_t n;

	sysfs_path(&f->address, "sriov_numvfs", path);
	return sysfs_number(&m->sysfs, path, &n) || n > UINT16_MAX ? 0 : (uint16_t)n;
}

uint32_t pci_key_of(const struct pci_card *card)
{
	return (uint32_t)card->as.switch_handle << 16 | card->as.port;
}

int pci_state_keep(struct machine *m)
{
	int r = pci_state_save(m->state_path, &m->state);

	if (r)
		log_err("%s: %s", m->state_path, strerror(-r));
	return r;
}

/* A record whose function nobody has, and that no work is about to bind, says nothing any more. */
void pci_records_sweep(struct machine *m)
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
		(void)pci_state_keep(m); /* what is wrong was logged; it is swept again */
}

/* ---- telling ---- */

void pci_tell(struct machine *m, const struct provider_event *event)
{
	m->sink.told(m->sink.arg, event);
}

void pci_tell_changed(struct machine *m, enum provider_event_kind kind)
{
	const struct provider_event event = { .kind = kind };

	pci_tell(m, &event);
}

void pci_tell_function(struct machine *m, uint32_t handle, bool present)
{
	const struct provider_event event = { .kind = PROVIDER_EVENT_FUNCTION,
					      .function = handle,
					      .present = present };

	pci_tell(m, &event);
}

void pci_tell_slot(struct machine *m, const struct provider_port *p)
{
	const struct provider_event event = {
		.kind = PROVIDER_EVENT_SLOT,
		.slot = { .switch_handle = p->switch_handle,
			  .port = p->number,
			  .presence = p->slot_presence,
			  .power = p->slot_power,
			  .link = p->link },
	};

	pci_tell(m, &event);
}

void pci_complete(struct machine *m, const struct provider_op *op, const struct sysfs_answer *a)
{
	struct provider_completion done = { .attempt = op->attempt,
					    .outcome = a->outcome,
					    .why = a->why };

	memcpy(done.text, a->text, sizeof(done.text));
	m->sink.completed(m->sink.arg, &done);
}

void pci_answer(struct machine *m, const struct provider_op *op, enum provider_outcome outcome,
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
