/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/pci/inside.h"

#include <inttypes.h>
#include <string.h>

#include "common/clock.h"

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

	if (!pci_address_now(m, f, &address))
		return;
	pci_binding_now(m, f, &b);
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
					 .deadline_ms = clock_boot_ms() + PCI_TIMEOUT_MS };
	int r;

	if (!m->is_locked || pci_is_key_busy(m, key) || m->work_count >= PCI_CHILDREN_MAX) {
		buf_text(out, "other work is under way: later");
		return REFUSE_IN_DOUBT;
	}
	r = pci_work_start(m, &task, key, NULL);
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
		pci_binding_now(m, f, &b);
	if (!f || !m->table.cards[f->card].in_pool) {
		buf_printf(out, "%s: no function of the pool", text);
		return REFUSE_NO_FUNCTION;
	}
	if (b.generation || pci_num_vfs_now(m, f)) {
		buf_printf(out, "%s: it is bound, or has VFs", text);
		return REFUSE_FUNCTION_BOUND;
	}
	return control_start(m, HANDS_REMOVE, &address, pci_key_of(&m->table.cards[f->card]), out);
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
