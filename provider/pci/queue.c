/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/pci/inside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"

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
		pci_answer(m, op, PROVIDER_REFUSED, PROVIDER_WHY_NO_FUNCTION, "no function %u",
			   op->function);
		return NULL;
	}
	if (!card->in_pool) {
		pci_answer(m, op, PROVIDER_REFUSED, PROVIDER_WHY_KEPT,
			   "the machine keeps this adapter: no --adapter names it");
		return NULL;
	}
	if (!pci_address_now(m, f, &task->address)) {
		pci_answer(m, op, PROVIDER_REFUSED,
			   f->as.vf ? PROVIDER_WHY_NO_VF : PROVIDER_WHY_NO_FUNCTION,
			   f->as.vf ? "VF %u is not enabled" : "function %u is not there",
			   f->as.vf ? f->as.vf : op->function);
		return NULL;
	}
	task->is_vf = f->as.vf != 0;
	task->pf = f->address;
	task->vf = f->as.vf;
	task->class_code = f->class_code;
	*key = pci_key_of(card);
	return f;
}

static bool refuse_kept(struct machine *m, const struct provider_op *op,
			const struct pci_function *f)
{
	if (!pci_table_is_kept(&m->table, f))
		return false;
	pci_answer(m, op, PROVIDER_REFUSED, PROVIDER_WHY_KEPT,
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
		pci_binding_now(m, &m->table.functions[i], &b);
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

	pci_records_sweep(m);
	r = pci_state_put(&m->state, &record);
	return r ? -EEXIST : pci_state_keep(m);
}

static bool prepare_bind(struct machine *m, const struct provider_op *op, struct hands_task *task,
			 uint32_t *key)
{
	struct pci_function *f = function_of(m, op, task, key);
	struct provider_binding now;
	uint32_t user;

	if (!f || refuse_kept(m, op, f))
		return false;
	pci_binding_now(m, f, &now);
	user = vport_user(m, f, op->vport);
	if (op->host != PCI_TABLE_HOST)
		pci_answer(m, op, PROVIDER_REFUSED, PROVIDER_WHY_NO_HOST, "no host %u", op->host);
	else if (now.host || now.unknown)
		pci_answer(m, op, PROVIDER_REFUSED, PROVIDER_WHY_BOUND, "bound at vport %u",
			   now.vport);
	else if (user)
		pci_answer(m, op, PROVIDER_REFUSED, PROVIDER_WHY_VPORT_TAKEN,
			   "function %u is there", user);
	/* before the driver gets it: a death in between must not make it a foreign binding */
	else if (record_bind(m, op, f, &task->address))
		pci_answer(m, op, PROVIDER_REFUSED, PROVIDER_WHY_NONE,
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
	if (f && m->table.cards[f->card].in_pool && !pci_address_now(m, f, &address)) {
		pci_answer(m, op, PROVIDER_DONE, PROVIDER_WHY_NONE, "%s", "");
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
		pci_answer(m, op, PROVIDER_REFUSED, PROVIDER_WHY_NO_FUNCTION,
			   "function %u is no PF", op->function);
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
		pci_binding_now(m, &m->table.functions[i], &b);
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
		pci_answer(m, op, PROVIDER_REFUSED, PROVIDER_WHY_UNSUPPORTED,
			   "switch %u has no hot-plug slot at port %u", op->switch_handle,
			   op->port);
	else if (!pci_table_port_in_pool(&m->table, port))
		pci_answer(m, op, PROVIDER_REFUSED, PROVIDER_WHY_KEPT,
			   "the machine keeps this slot: no --adapter names it, or not all in it");
	else if (turns_off && bound_below(m, port))
		pci_answer(m, op, PROVIDER_REFUSED, PROVIDER_WHY_BOUND,
			   "function %u in it is bound", bound_below(m, port));
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
	return f ? pci_key_of(&m->table.cards[f->card]) : KEY_ALL;
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
	r = pci_work_start(m, &task, key, op);
	if (r) {
		pci_answer(m, op, PROVIDER_REFUSED, PROVIDER_WHY_NONE, "%s", strerror(-r));
		pci_records_sweep(m);
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

void pci_queue_remove(struct machine *m, size_t at)
{
	m->queue_count--;
	memmove(&m->queue[at], &m->queue[at + 1], (m->queue_count - at) * sizeof(m->queue[0]));
}

static void op_expire(struct machine *m, const struct provider_op *op)
{
	if (op->verb == PROVIDER_SETTLE)
		pci_answer(m, op, PROVIDER_UNKNOWN, PROVIDER_WHY_NONE,
			   "earlier work is not at its end");
	else
		pci_answer(m, op, PROVIDER_REFUSED, PROVIDER_WHY_NONE,
			   "not begun: earlier work took until its deadline");
}

/* True when it left the queue. */
static bool queue_step(struct machine *m, size_t at, uint64_t now_ms)
{
	const struct provider_op op = m->queue[at];
	bool is_settle = op.verb == PROVIDER_SETTLE;
	uint32_t key = is_settle ? settle_key(m, &op) : op_key(m, &op);
	bool must_wait = !m->is_locked || pci_is_key_busy(m, key) || is_waiting_before(m, at, key);
	bool is_late = op.deadline_ms <= now_ms && (must_wait || !is_settle);

	if (!is_late && (must_wait || (!is_settle && m->work_count >= PCI_CHILDREN_MAX)))
		return false;
	pci_queue_remove(m, at);
	if (is_late)
		op_expire(m, &op);
	else if (is_settle)
		pci_answer(m, &op, PROVIDER_DONE, PROVIDER_WHY_NONE, "%s", "");
	else
		op_begin(m, &op);
	return true;
}

void pci_queue_advance(struct machine *m)
{
	uint64_t now_ms = clock_boot_ms();

	for (size_t i = 0; i < m->queue_count;)
		i += !queue_step(m, i, now_ms);
}

bool pci_is_answered_now(const struct provider_op *op)
{
	return op->verb != PROVIDER_SETTLE && !tasks[op->verb].prepare;
}
