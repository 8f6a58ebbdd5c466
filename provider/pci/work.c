/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/pci/inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

/* ---- work ---- */

bool pci_is_key_busy(const struct machine *m, uint32_t key)
{
	const struct work *w;

	LIST_FOREACH (w, &m->works, at)
		if (w->kind == WORK_TASK && (w->key == KEY_ALL || key == KEY_ALL || w->key == key))
			return true;
	return false;
}

void pci_work_free(struct work *w)
{
	LIST_REMOVE(w, at);
	w->m->work_count--;
	child_free(w->child);
	free(w);
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
		pci_complete(w->m, &w->op, a);
	w->is_answered = true;
}

/* The machine stands otherwise after these; the kernel's events may say so later. */
static bool verb_moves_cards(enum hands_verb verb)
{
	return verb == HANDS_SLOT_POWER || verb == HANDS_RESCAN || verb == HANDS_REMOVE;
}

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
	pci_work_free(w);
	pci_records_sweep(m);
	if (looks)
		pci_look_start(m, false);
	pci_queue_advance(m);
}

/* Starts it; @op NULL: asked for by control. Return: 0 or -errno. */
int pci_work_start(struct machine *m, const struct hands_task *task, uint32_t key,
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
		pci_work_free(w);
	return r;
}

/* ---- reading ---- */

static void read_run(void *arg, struct buf *out)
{
	const struct work *w = arg;
	bool by_host = w->op.verb == PROVIDER_READ_HOST;

	pci_identities_put(w->m, by_host ? 1 : w->op.function,
			   by_host ? (uint32_t)w->m->table.function_count : w->op.value, out);
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

		pci_binding_now(m, &m->table.functions[first - 1 + i], b);
		done.binding_count += !by_host || b->host;
	}
	if (identities) {
		struct cursor c = { .at = identities->data,
				    .end = identities->data + identities->length };

		pci_identities_each(&c, identity_fill, &done);
	}
	if (by_host) {
		qsort(bindings, done.binding_count, sizeof(bindings[0]), provider_vport_compare);
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
			pci_answer(w->m, &w->op,
				   news == CHILD_LATE ? PROVIDER_UNKNOWN : PROVIDER_FAILED,
				   PROVIDER_WHY_NONE, "a driver does not say its VFs' addresses");
	}
	if (news == CHILD_LATE)
		return;
	w->child = NULL;
	child_free(child);
	pci_work_free(w);
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
		pci_work_free(w);
	return r;
}

void pci_read(struct machine *m, const struct provider_op *op)
{
	uint32_t total = (uint32_t)m->table.function_count;
	uint32_t first = op->verb == PROVIDER_READ ? op->function : 1;
	uint32_t count = op->verb == PROVIDER_READ ? op->value : total;
	bool by_child = false;
	int r;

	if (op->verb == PROVIDER_READ_HOST && op->host != PCI_TABLE_HOST) {
		pci_answer(m, op, PROVIDER_REFUSED, PROVIDER_WHY_NO_HOST, "no host %u", op->host);
		return;
	}
	if (op->verb == PROVIDER_READ && (first > total || count > total - first + 1)) {
		pci_answer(m, op, PROVIDER_REFUSED, PROVIDER_WHY_NO_FUNCTION,
			   "no functions %u .. %u", first, first + count - 1);
		return;
	}
	for (uint32_t i = 0; !by_child && i < count; i++)
		by_child = pci_needs_child(m, &m->table.functions[first - 1 + i]);
	if (!by_child) {
		read_complete(m, op, NULL);
		return;
	}
	r = m->work_count < (size_t)2 * PCI_CHILDREN_MAX ? read_start(m, op) : -EBUSY;
	if (r)
		pci_answer(m, op, PROVIDER_FAILED, PROVIDER_WHY_NONE, "%s", strerror(-r));
}
