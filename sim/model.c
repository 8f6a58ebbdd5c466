/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/model.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/inside.h"
#include "sim/view.h"

/* the heap of what is due: deadlines, and late commands after theirs */

static bool is_before(const struct sim_cmd *a, const struct sim_cmd *b)
{
	return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->seq < b->seq;
}

static void heap_put(struct sim_model *m, struct sim_cmd *cmd, size_t at)
{
	m->heap[at] = cmd;
	cmd->heap_at = at;
}

static void heap_up(struct sim_model *m, struct sim_cmd *cmd, size_t at)
{
	for (; at > 1 && is_before(cmd, m->heap[at / 2]); at /= 2)
		heap_put(m, m->heap[at / 2], at);
	heap_put(m, cmd, at);
}

static void heap_down(struct sim_model *m, struct sim_cmd *cmd, size_t at)
{
	for (size_t child; (child = at * 2) <= m->heap_count; at = child) {
		if (child < m->heap_count && is_before(m->heap[child + 1], m->heap[child]))
			child++;
		if (!is_before(m->heap[child], cmd))
			break;
		heap_put(m, m->heap[child], at);
	}
	heap_put(m, cmd, at);
}

/* Room for one more, so that putting a command back later cannot fail. */
static int heap_reserve(struct sim_model *m)
{
	size_t room = m->heap_room ? m->heap_room * 2 : 64;
	struct sim_cmd **grown;

	if (m->heap_count + 1 < m->heap_room)
		return 0;
	grown = realloc(m->heap, room * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	m->heap = grown;
	m->heap_room = room;
	return 0;
}

static void heap_add(struct sim_model *m, struct sim_cmd *cmd)
{
	assert(!cmd->heap_at);
	heap_up(m, cmd, ++m->heap_count);
}

static void heap_remove(struct sim_model *m, struct sim_cmd *cmd)
{
	struct sim_cmd *last;
	size_t at = cmd->heap_at;

	if (!at)
		return;
	cmd->heap_at = 0;
	last = m->heap[m->heap_count--];
	if (last == cmd)
		return;
	heap_up(m, last, at);
	heap_down(m, last, last->heap_at);
}

/* what touches what */

/* False for commands that change nothing. */
static bool is_mutating(enum provider_verb verb)
{
	switch (verb) {
	case PROVIDER_ISOLATE:
	case PROVIDER_UNBIND:
	case PROVIDER_RESET:
	case PROVIDER_IDENTITY:
	case PROVIDER_NUM_VFS:
	case PROVIDER_BIND:
	case PROVIDER_HOST_POWER:
	case PROVIDER_SLOT_POWER:
		return true;
	case PROVIDER_VERB_NONE:
	case PROVIDER_READ:
	case PROVIDER_READ_HOST:
	case PROVIDER_SETTLE:
	case PROVIDER_SLOT_ATTENTION:
	case PROVIDER_VERBS:
		return false;
	}
	return false;
}

/* The adapter all of whose functions the command may touch; 0: none. */
static uint32_t wide_adapter(const struct sim_model *m, const struct provider_op *op)
{
	const struct provider_function *f = sim_map_function(&m->map, op->function);

	if (!f || f->vf || (op->verb != PROVIDER_RESET && op->verb != PROVIDER_NUM_VFS))
		return 0;
	return f->adapter;
}

/* An unbind takes the function from wherever it is. */
static bool is_any_host(const struct provider_op *op)
{
	return op->verb == PROVIDER_UNBIND && !op->host;
}

static bool is_touched(const struct sim_model *m, const struct provider_op *cmd,
		       const struct provider_op *barrier)
{
	const struct provider_function *f = sim_map_function(&m->map, barrier->function);

	/* A slot's power takes its card from whoever has it. */
	if ((!barrier->function && !barrier->host) || cmd->verb == PROVIDER_SLOT_POWER)
		return true;
	if (f && (cmd->function == barrier->function || wide_adapter(m, cmd) == f->adapter))
		return true;
	return barrier->host && (cmd->host == barrier->host || is_any_host(cmd));
}

/* By @by (1 or -1) in each count that the command stands in. */
static void count(struct sim_model *m, const struct provider_op *op, uint32_t by)
{
	if (sim_map_function(&m->map, op->function))
		m->on_function[op->function - 1] += by;
	if (wide_adapter(m, op))
		m->on_adapter[wide_adapter(m, op) - 1] += by;
	if (sim_map_host(&m->map, op->host))
		m->on_host[op->host - 1] += by;
	if (is_any_host(op))
		m->on_any_host += by;
	if (op->verb == PROVIDER_SLOT_POWER)
		m->on_slot += by;
}

/* Whether anything pending can touch what the barrier names; the counts tell without a search. */
static bool has_touching(const struct sim_model *m, const struct provider_op *barrier)
{
	const struct provider_function *f = sim_map_function(&m->map, barrier->function);

	if (!barrier->function && !barrier->host)
		return m->pending_count != 0;
	if (m->on_slot)
		return true;
	if (f && (m->on_function[f->handle - 1] || m->on_adapter[f->adapter - 1]))
		return true;
	if (!sim_map_host(&m->map, barrier->host))
		return false;
	return m->on_host[barrier->host - 1] || m->on_any_host;
}

/* lists */

static void all_add(struct sim_cmd **list, struct sim_cmd *cmd)
{
	cmd->all_prev = NULL;
	cmd->all_next = *list;
	if (*list)
		(*list)->all_prev = cmd;
	*list = cmd;
}

static void all_remove(struct sim_cmd **list, struct sim_cmd *cmd)
{
	if (cmd->all_prev)
		cmd->all_prev->all_next = cmd->all_next;
	else
		*list = cmd->all_next;
	if (cmd->all_next)
		cmd->all_next->all_prev = cmd->all_prev;
}

static void client_put(struct sim_client *client)
{
	if (!client || --client->refs)
		return;
	free(client->events);
	free(client->views);
	free(client);
}

static void cmd_free(struct sim_model *m, struct sim_cmd *cmd)
{
	heap_remove(m, cmd);
	client_put(cmd->client);
	free(cmd);
}

/* answers */

static void barrier_ready(struct sim_model *m, struct sim_cmd *barrier)
{
	all_remove(&m->barriers, barrier);
	barrier->next = NULL;
	if (m->ready)
		m->ready_last->next = barrier;
	else
		m->ready = barrier;
	m->ready_last = barrier;
}

/* It can no longer be carried out: barriers that waited for it wait no more. */
static void retire(struct sim_model *m, struct sim_cmd *cmd)
{
	struct sim_cmd *next;

	if (cmd->is_retired)
		return;
	cmd->is_retired = true;
	if (!is_mutating(cmd->op.verb))
		return;
	all_remove(&m->pending, cmd);
	m->pending_count--;
	count(m, &cmd->op, (uint32_t)-1);
	for (struct sim_cmd *b = m->barriers; b; b = next) {
		next = b->all_next;
		if (b->seq > cmd->seq && is_touched(m, &cmd->op, &b->op) && !--b->waiting &&
		    b->has_arrived)
			barrier_ready(m, b);
	}
}

/* When a late command falls; a deadline that never comes does not wrap around. */
static uint64_t late_due(const struct sim_cmd *cmd)
{
	uint64_t due = cmd->op.deadline_ms + cmd->late_ms;

	return due < cmd->op.deadline_ms ? UINT64_MAX : due;
}

/* Answers, once; frees the command when it is over. The sink may do anything but advance. */
static void answer(struct sim_model *m, struct sim_cmd *cmd, struct provider_completion *done)
{
	struct sim_client *client = cmd->client;
	bool is_wanted = !cmd->is_answered && client && client->is_open;

	done->attempt = cmd->op.attempt;
	cmd->is_answered = true;
	heap_remove(m, cmd);
	if (client)
		client->refs++;
	if (cmd->is_retired)
		cmd_free(m, cmd);
	else if (cmd->is_late) {
		cmd->due_ms = late_due(cmd);
		heap_add(m, cmd);
	}
	if (is_wanted)
		client->sink.completed(client->sink.arg, done);
	client_put(client);
}

static void answer_verdict(struct sim_model *m, struct sim_cmd *cmd, enum provider_outcome outcome,
			   enum provider_why why, const char *text)
{
	struct provider_completion done = { .outcome = outcome, .why = why };

	(void)snprintf(done.text, sizeof(done.text), "%s", text);
	answer(m, cmd, &done);
}

static void read_functions(struct sim_model *m, const struct provider_op *op,
			   struct provider_completion *done)
{
	for (uint32_t i = 0; i < op->value; i++)
		m->scratch[i] = m->map.functions[op->function + i - 1].now;
	done->bindings = m->scratch;
	done->binding_count = op->value;
}

/* As it is shown: a switch that cannot tell whether a host has power says that it has. */
static struct provider_host_state host_told(const struct sim_map *map,
					    const struct provider_host_state *state)
{
	struct provider_host_state told = *state;

	if (!map->chassis->can.tell_power) {
		told.power = true;
		told.power_known = false;
	}
	return told;
}

/* What has come since the last look counts if it flows now: a model of a counter, not of time. */
static uint64_t traffic_count(struct sim_model *m, uint16_t host)
{
	const struct provider_host_state *state = &sim_map_host(&m->map, host)->state;
	struct sim_traffic *t = &m->traffic[host - 1];

	if (t->runs && state->power && state->link && !state->isolated)
		t->count += m->now_ms - t->counted_ms;
	t->counted_ms = m->now_ms;
	return t->count;
}

static void read_host(struct sim_model *m, const struct provider_op *op,
		      struct provider_completion *done)
{
	const struct provider_host *h = sim_map_host(&m->map, op->host);

	for (uint16_t vport = 1; vport <= h->vports; vport++) {
		uint32_t function = sim_map_vport(&m->map, op->host, vport)->function;

		if (function)
			m->scratch[done->binding_count++] = m->map.functions[function - 1].now;
	}
	done->bindings = m->scratch;
	done->host = host_told(&m->map, &h->state);
	done->traffic_known = m->map.chassis->can.tell_traffic;
	done->traffic = done->traffic_known ? traffic_count(m, op->host) : 0;
}

static void answer_effect(struct sim_model *m, struct sim_cmd *cmd,
			  const struct sim_verdict *verdict)
{
	struct provider_completion done = { .outcome = verdict->outcome, .why = verdict->why };

	memcpy(done.text, verdict->text, sizeof(done.text));
	if (cmd->fault == SIM_FAULT_FAILED && done.outcome == PROVIDER_DONE) {
		done.outcome = PROVIDER_FAILED;
		done.why = PROVIDER_WHY_FAULT;
		(void)snprintf(done.text, sizeof(done.text), "told to say so");
	}
	if (done.outcome == PROVIDER_DONE && cmd->op.verb == PROVIDER_READ)
		read_functions(m, &cmd->op, &done);
	if (done.outcome == PROVIDER_DONE && cmd->op.verb == PROVIDER_READ_HOST)
		read_host(m, &cmd->op, &done);
	answer(m, cmd, &done);
}

/* news: events, states, scans, views */

static void event_add(struct sim_client *c, const struct provider_event *event)
{
	if (c->event_count == c->event_room) {
		size_t room = c->event_room ? c->event_room * 2 : 16;
		struct provider_event *grown = realloc(c->events, room * sizeof(*grown));

		if (!grown)
			return; /* a real switch loses events too; memory is short anyway */
		c->events = grown;
		c->event_room = room;
	}
	c->events[c->event_count++] = *event;
}

static void event_all(struct sim_model *m, const struct provider_event *event)
{
	for (struct sim_client *c = m->clients; c; c = c->next)
		if (c->is_open)
			event_add(c, event);
}

static void event_host(struct sim_model *m, uint16_t host)
{
	const struct provider_event event = { .kind = PROVIDER_EVENT_HOST,
					      .host = host_told(&m->map,
								&m->map.hosts[host - 1].state) };

	event_all(m, &event);
}

static void event_slot(struct sim_model *m, uint32_t adapter, bool button)
{
	const struct provider_adapter *a = &m->map.adapters[adapter - 1];
	const struct sim_slot *slot = &m->map.slots[adapter - 1];
	const struct provider_event event = { .kind = PROVIDER_EVENT_SLOT,
					      .slot = { .switch_handle = a->switch_handle,
							.port = a->port,
							.presence = !slot->out,
							.power = !slot->off,
							.link = sim_map_answers(&m->map, adapter),
							.button = button } };

	event_all(m, &event);
}

static void *copied(const void *array, size_t count, size_t size)
{
	void *copy = malloc(count ? count * size : 1);

	if (copy && count)
		memcpy(copy, array, count * size);
	return copy;
}

static struct provider_scan *scan_make(const struct sim_map *map)
{
	struct provider_scan *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->switch_count = map->switch_count;
	s->port_count = map->port_count;
	s->host_count = map->host_count;
	s->adapter_count = map->adapter_count;
	s->function_count = map->function_count;
	s->switches = copied(map->switches, s->switch_count, sizeof(*s->switches));
	s->ports = copied(map->ports, s->port_count, sizeof(*s->ports));
	s->hosts = copied(map->hosts, s->host_count, sizeof(*s->hosts));
	for (size_t i = 0; s->hosts && i < s->host_count; i++)
		s->hosts[i].state = host_told(map, &map->hosts[i].state);
	s->adapters = copied(map->adapters, s->adapter_count, sizeof(*s->adapters));
	s->functions = copied(map->functions, s->function_count, sizeof(*s->functions));
	if (s->switches && s->ports && s->hosts && s->adapters && s->functions)
		return s;
	provider_scan_free(s);
	return NULL;
}

struct view_target {
	struct sim_client *client;
	uint64_t cookie;
};

static void view_one(void *arg, const struct provider_config *config)
{
	const struct view_target *t = arg;

	if (t->client->is_open)
		t->client->sink.viewed(t->client->sink.arg, t->cookie, config, "");
}

static void view_make(struct sim_client *client, const struct sim_view_request *request)
{
	struct view_target target = { client, request->cookie };
	const char *why = "";
	int r = sim_view(&client->model->map, request->host, view_one, &target);

	if (r)
		why = r == REFUSE_NO_HOST ? "no such host" : "out of memory";
	if (client->is_open)
		client->sink.viewed(client->sink.arg, request->cookie, NULL, why);
}

/* Events first: what follows is after them. */
static void client_tell(struct sim_client *c)
{
	for (size_t i = 0; i < c->event_count && c->is_open; i++) {
		struct provider_event event = c->events[i];

		c->sink.told(c->sink.arg, &event);
	}
	c->event_count = 0;
	if (c->tells_state && c->is_open) {
		c->tells_state = false;
		c->sink.state(c->sink.arg, PROVIDER_READY, &c->model->hello);
	}
	if (c->scans && c->is_open) {
		struct provider_scan *scan = scan_make(&c->model->map);

		c->scans = false;
		c->sink.scanned_take(c->sink.arg, scan, scan ? "" : "out of memory");
	}
	while (c->view_count && c->is_open) {
		struct sim_view_request request = c->views[0];

		memmove(c->views, c->views + 1, --c->view_count * sizeof(*c->views));
		view_make(c, &request);
	}
}

static void tell_all(struct sim_model *m)
{
	for (struct sim_client *c = m->clients, *next; c; c = next) {
		c->refs++;
		if (c->is_open)
			client_tell(c);
		next = c->next;
		client_put(c);
	}
}

/* faults */

static void fault_remove(struct sim_model *m, unsigned i)
{
	memmove(&m->faults[i], &m->faults[i + 1], (--m->fault_count - i) * sizeof(m->faults[0]));
}

/* The first fault that fits, used up by one; delays apart from the rest, so that a slow switch can
 * lose answers too. */
static struct sim_fault fault_take(struct sim_model *m, enum provider_verb verb, bool is_delay)
{
	for (unsigned i = 0; i < m->fault_count; i++) {
		struct sim_fault fault = m->faults[i];

		if ((fault.kind == SIM_FAULT_DELAY) != is_delay)
			continue;
		if (fault.verb != verb && (fault.verb || verb == PROVIDER_SETTLE))
			continue;
		if (fault.count && !--m->faults[i].count)
			fault_remove(m, i);
		return fault;
	}
	return (struct sim_fault){ 0 };
}

/* queues */

static void queue_pop(struct sim_queue *q)
{
	q->head = q->head->next;
	if (!q->head)
		q->tail = NULL;
	q->count--;
}

/* From now on it lies in wait, outside the queue. */
static void cmd_is_late(struct sim_model *m, struct sim_cmd *cmd, uint32_t late_ms)
{
	const struct sim_chassis *c = m->map.chassis;

	cmd->is_late = true;
	cmd->late_ms = !c->has_barrier && late_ms > c->lateness_ms ? c->lateness_ms : late_ms;
	sim_state_late(m, cmd);
	if (!cmd->is_answered)
		return;
	cmd->due_ms = late_due(cmd);
	heap_add(m, cmd);
}

/* The head starts if it has arrived; late ones leave the queue at once. */
static void queue_start(struct sim_model *m, struct sim_queue *q)
{
	while (q->head && q->head->has_arrived && !q->head->has_started) {
		struct sim_cmd *cmd = q->head;
		uint64_t start = cmd->arrived_ms > q->free_ms ? cmd->arrived_ms : q->free_ms;
		struct sim_fault delay = fault_take(m, cmd->op.verb, true);
		struct sim_fault fault = fault_take(m, cmd->op.verb, false);

		cmd->has_started = true;
		cmd->fault = fault.kind;
		cmd->finish_ms = start + (delay.kind ? delay.ms : m->map.chassis->command_ms);
		if (fault.kind != SIM_FAULT_LATE)
			continue;
		if (!is_mutating(cmd->op.verb)) {
			cmd->fault =
				SIM_FAULT_LOST; /* all that can be late of a read is its answer */
			continue;
		}
		queue_pop(q);
		cmd_is_late(m, cmd, fault.ms);
	}
}

static void carry_out(struct sim_model *m, struct sim_cmd *cmd, struct sim_verdict *verdict)
{
	struct provider_function *f = sim_map_function(&m->map, cmd->op.function);
	struct sim_effect effect = {
		.op = &cmd->op,
		.now_ms = m->now_ms,
		.is_late = m->now_ms > cmd->op.deadline_ms,
		.is_orphan = !cmd->client || !cmd->client->is_open,
	};

	if (f)
		effect.before = f->now;
	sim_map_apply(&m->map, &cmd->op, verdict);
	if (f)
		effect.after = f->now;
	effect.outcome = verdict->outcome;
	effect.why = verdict->why;
	if (cmd->op.verb == PROVIDER_HOST_POWER && verdict->outcome == PROVIDER_DONE)
		event_host(m, cmd->op.host);
	if (cmd->op.verb == PROVIDER_SLOT_POWER && verdict->outcome == PROVIDER_DONE)
		event_slot(m, sim_map_slot_find(&m->map, cmd->op.switch_handle, cmd->op.port),
			   false);
	if (m->observe)
		m->observe(m->observe_arg, &effect);
}

/* Refused for no reason of its own, or dropped for its age: it changes nothing, ever. */
static void pass_over(struct sim_model *m, struct sim_cmd *cmd, struct sim_verdict *verdict)
{
	const struct sim_effect effect = {
		.op = &cmd->op,
		.now_ms = m->now_ms,
		.is_late = m->now_ms > cmd->op.deadline_ms,
		.is_orphan = !cmd->client || !cmd->client->is_open,
		.outcome = PROVIDER_REFUSED,
		.why = PROVIDER_WHY_FAULT,
	};

	(void)snprintf(verdict->text, sizeof(verdict->text), "told to refuse");
	if (m->observe)
		m->observe(m->observe_arg, &effect);
}

/* The switch has had it for its time. */
static void queue_finish(struct sim_model *m, struct sim_queue *q)
{
	const struct sim_chassis *c = m->map.chassis;
	struct sim_cmd *cmd = q->head;
	struct sim_verdict verdict = { .outcome = PROVIDER_REFUSED, .why = PROVIDER_WHY_FAULT };
	/* A switch without a barrier drops what has grown too old: its lateness is a promise. */
	bool is_dropped = !c->has_barrier && cmd->finish_ms > cmd->op.deadline_ms + c->lateness_ms;

	queue_pop(q);
	q->free_ms = cmd->finish_ms;
	if (!is_dropped && cmd->fault != SIM_FAULT_REFUSED)
		carry_out(m, cmd, &verdict);
	else
		pass_over(m, cmd, &verdict);
	retire(m, cmd);
	if (cmd->is_answered)
		cmd_free(m, cmd);
	else if (cmd->fault != SIM_FAULT_LOST && !is_dropped)
		answer_effect(m, cmd, &verdict);
}

static void late_fall(struct sim_model *m, struct sim_cmd *cmd)
{
	struct sim_verdict verdict;

	heap_remove(m, cmd);
	carry_out(m, cmd, &verdict);
	sim_state_late_over(m, cmd->seq);
	retire(m, cmd);
	cmd_free(m, cmd);
}

static void deadline_pass(struct sim_model *m, struct sim_cmd *cmd)
{
	if (cmd->op.verb == PROVIDER_SETTLE && !cmd->is_retired) {
		all_remove(&m->barriers, cmd);
		retire(m, cmd);
	}
	answer_verdict(m, cmd, PROVIDER_UNKNOWN, PROVIDER_WHY_NONE, "no answer by the deadline");
}

static void barrier_arrive(struct sim_model *m, struct sim_cmd *cmd)
{
	cmd->fault = fault_take(m, PROVIDER_SETTLE, false).kind;
	if (!cmd->waiting)
		barrier_ready(m, cmd);
}

/* The first barrier that waits for nothing. */
static void barrier_finish(struct sim_model *m)
{
	struct sim_cmd *cmd = m->ready;

	m->ready = cmd->next;
	retire(m, cmd);
	if (!m->map.chassis->has_barrier)
		answer_verdict(m, cmd, PROVIDER_REFUSED, PROVIDER_WHY_UNSUPPORTED,
			       "this switch has no barrier");
	else if (cmd->fault == SIM_FAULT_REFUSED)
		answer_verdict(m, cmd, PROVIDER_REFUSED, PROVIDER_WHY_FAULT, "told to refuse");
	else if (cmd->fault == SIM_FAULT_FAILED)
		answer_verdict(m, cmd, PROVIDER_FAILED, PROVIDER_WHY_FAULT, "told to say so");
	else if (cmd->fault != SIM_FAULT_LOST && cmd->fault != SIM_FAULT_LATE)
		answer_verdict(m, cmd, PROVIDER_DONE, PROVIDER_WHY_NONE, "");
}

/* What was submitted since the last time reaches the switch now. */
static void arrive(struct sim_model *m, uint64_t now_ms)
{
	struct sim_cmd *oldest = NULL;

	if (!m->has_arrivals)
		return;
	m->has_arrivals = false;
	for (size_t i = 0; i < m->map.switch_count; i++) {
		for (struct sim_cmd *cmd = m->queues[i].arriving; cmd; cmd = cmd->next) {
			cmd->has_arrived = true;
			cmd->arrived_ms = now_ms;
		}
		m->queues[i].arriving = NULL;
	}
	/* New ones stand at the front, the newest first. */
	for (struct sim_cmd *b = m->barriers; b && !b->has_arrived; b = b->all_next)
		oldest = b;
	for (struct sim_cmd *b = oldest, *newer; b; b = newer) {
		newer = b->all_prev;
		b->has_arrived = true;
		barrier_arrive(m, b);
	}
}

/* The queue whose head is finished first, NULL if nothing is under way. */
static struct sim_queue *queue_first(struct sim_model *m)
{
	struct sim_queue *first = NULL;

	for (size_t i = 0; i < m->map.switch_count; i++) {
		struct sim_queue *q = &m->queues[i];

		queue_start(m, q);
		if (q->head && q->head->has_started &&
		    (!first || q->head->finish_ms < first->head->finish_ms))
			first = q;
	}
	return first;
}

static void time_set(struct sim_model *m, uint64_t now_ms)
{
	if (now_ms > m->now_ms)
		m->now_ms = now_ms;
}

/* The next thing that comes to an end by @now_ms. False: nothing does. */
static bool step(struct sim_model *m, uint64_t now_ms)
{
	struct sim_queue *q = queue_first(m);
	struct sim_cmd *due = m->heap_count ? m->heap[1] : NULL;

	if (m->ready) {
		barrier_finish(m);
		return true;
	}
	/* What is finished at its very deadline is in time. */
	if (q && due && q->head->finish_ms > due->due_ms)
		q = NULL;
	if (q && q->head->finish_ms <= now_ms) {
		time_set(m, q->head->finish_ms);
		queue_finish(m, q);
		return true;
	}
	if (q || !due || due->due_ms > now_ms)
		return false;
	time_set(m, due->due_ms);
	if (due->is_answered)
		late_fall(m, due);
	else
		deadline_pass(m, due);
	return true;
}

/* the provider's face */

static struct sim_client *client_of(const struct provider *p)
{
	return (struct sim_client *)p;
}

static void client_close(struct provider *p)
{
	struct sim_client *client = client_of(p);
	struct sim_client **at = &client->model->clients;

	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	client->is_open = false;
	client_put(client);
}

static uint16_t switch_of(const struct sim_model *m, const struct provider_op *op)
{
	const struct provider_function *f = sim_map_function(&m->map, op->function);
	const struct provider_host *h = sim_map_host(&m->map, op->host);

	if (f)
		return m->map.adapters[f->adapter - 1].switch_handle;
	if (op->switch_handle && op->switch_handle <= m->map.switch_count)
		return op->switch_handle;
	return h ? h->switch_handle : 1;
}

static void queue_add(struct sim_queue *q, struct sim_cmd *cmd)
{
	if (q->tail)
		q->tail->next = cmd;
	else
		q->head = cmd;
	q->tail = cmd;
	if (!q->arriving)
		q->arriving = cmd;
	q->count++;
}

static uint32_t touching_count(const struct sim_model *m, const struct provider_op *barrier)
{
	uint32_t n = 0;

	if (!has_touching(m, barrier))
		return 0;
	for (const struct sim_cmd *cmd = m->pending; cmd; cmd = cmd->all_next)
		if (is_touched(m, &cmd->op, barrier))
			n++;
	return n;
}

static int client_submit(struct provider *p, const struct provider_op *op)
{
	struct sim_client *client = client_of(p);
	struct sim_model *m = client->model;
	struct sim_queue *q = &m->queues[switch_of(m, op) - 1];
	struct sim_cmd *cmd;

	if (op->verb != PROVIDER_SETTLE && q->count >= m->hello.depth)
		return -ENOBUFS;
	if (heap_reserve(m))
		return -ENOMEM;
	cmd = calloc(1, sizeof(*cmd));
	if (!cmd)
		return -ENOMEM;
	cmd->op = *op;
	cmd->client = client;
	client->refs++;
	cmd->seq = ++m->seq;
	cmd->due_ms = op->deadline_ms;
	heap_add(m, cmd);
	m->has_arrivals = true;
	if (op->verb == PROVIDER_SETTLE) {
		cmd->waiting = m->map.chassis->has_barrier ? touching_count(m, op) : 0;
		all_add(&m->barriers, cmd);
		return 0;
	}
	if (is_mutating(op->verb)) {
		all_add(&m->pending, cmd);
		m->pending_count++;
		count(m, op, 1);
	}
	queue_add(q, cmd);
	return 0;
}

static int client_scan(struct provider *p)
{
	client_of(p)->scans = true;
	return 0;
}

static int client_view(struct provider *p, uint16_t host, uint64_t cookie)
{
	struct sim_client *c = client_of(p);
	struct sim_view_request *grown = realloc(c->views, (c->view_count + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	c->views = grown;
	c->views[c->view_count++] = (struct sim_view_request){ host, cookie };
	return 0;
}

static void client_advance(struct provider *p, uint64_t now_ms)
{
	struct sim_model *m = client_of(p)->model;

	assert(!m->is_advancing);
	m->is_advancing = true;
	/* Time does not go back, whatever we are told. */
	if (now_ms < m->now_ms)
		now_ms = m->now_ms;
	arrive(m, now_ms);
	tell_all(m);
	while (step(m, now_ms))
		;
	time_set(m, now_ms);
	tell_all(m);
	m->is_advancing = false;
}

static bool has_news(const struct sim_client *c)
{
	return c->event_count || c->tells_state || c->scans || c->view_count;
}

static uint64_t client_next_ms(const struct provider *p)
{
	const struct sim_model *m = client_of(p)->model;
	uint64_t next = UINT64_MAX;

	if (m->has_arrivals || m->ready)
		return m->now_ms;
	for (const struct sim_client *c = m->clients; c; c = c->next)
		if (has_news(c))
			return m->now_ms;
	if (m->heap_count)
		next = m->heap[1]->due_ms;
	for (size_t i = 0; i < m->map.switch_count; i++)
		if (m->queues[i].head && m->queues[i].head->finish_ms < next)
			next = m->queues[i].head->finish_ms;
	return next;
}

static const struct provider_ops model_ops = {
	.name = "model",
	.close = client_close,
	.submit = client_submit,
	.scan = client_scan,
	.view = client_view,
	.advance = client_advance,
	.next_ms = client_next_ms,
};

struct provider *sim_model_provider(struct sim_model *model, const struct provider_sink *sink)
{
	struct sim_client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	client->base.ops = &model_ops;
	client->model = model;
	client->sink = *sink;
	client->refs = 1;
	client->is_open = true;
	client->tells_state = true;
	client->next = model->clients;
	model->clients = client;
	return &client->base;
}

/* making and ending */

static uint64_t mix(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

void sim_model_boot_id(struct sim_model *m)
{
	uint64_t state = m->seed + m->boots * 0xd1342543de82ef95ull;
	uint64_t a = mix(&state), b = mix(&state);

	/* In the form of a random UUID. */
	(void)snprintf(m->hello.boot_id, sizeof(m->hello.boot_id), "%08x-%04x-4%03x-%04x-%012llx",
		       (unsigned)(a >> 32), (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff),
		       (unsigned)(0x8000 | (b >> 48 & 0x3fff)),
		       (unsigned long long)(b & 0xffffffffffffull));
}

static void hello_make(struct sim_model *m, const struct sim_chassis *c)
{
	(void)snprintf(m->hello.name, sizeof(m->hello.name), "fabricsim " FABRIC_VERSION);
	m->hello.can =
		PROVIDER_CAN_IDENTITY | PROVIDER_CAN_VIEW | PROVIDER_CAN_WRITE | PROVIDER_CAN_SLOT;
	if (c->can.isolate)
		m->hello.can |= PROVIDER_CAN_ISOLATE;
	if (c->can.power)
		m->hello.can |= PROVIDER_CAN_POWER;
	if (c->has_barrier)
		m->hello.can |= PROVIDER_CAN_BARRIER;
	else
		m->hello.lateness_ms = c->lateness_ms;
	m->hello.timeout_ms = c->timeout_ms;
	m->hello.depth = c->depth;
	sim_model_boot_id(m);
}

static void *zeroed(size_t n, size_t size)
{
	return calloc(n ? n : 1, size);
}

int sim_model_new(const struct sim_chassis *chassis, struct sim_model **out)
{
	OWNED(sim_model_free) struct sim_model *m = calloc(1, sizeof(*m));

	if (!m || sim_map_init(&m->map, chassis))
		return -ENOMEM;
	m->queues = zeroed(m->map.switch_count, sizeof(*m->queues));
	m->on_function = zeroed(m->map.function_count, sizeof(*m->on_function));
	m->on_adapter = zeroed(m->map.adapter_count, sizeof(*m->on_adapter));
	m->on_host = zeroed(m->map.host_count, sizeof(*m->on_host));
	m->traffic = zeroed(m->map.host_count, sizeof(*m->traffic));
	m->scratch = zeroed(PROVIDER_READ_MAX, sizeof(*m->scratch));
	if (!m->queues || !m->on_function || !m->on_adapter || !m->on_host || !m->traffic ||
	    !m->scratch)
		return -ENOMEM;
	m->map.changed = sim_state_changed;
	m->map.arg = m;
	hello_make(m, chassis);
	*out = TAKE(m);
	return 0;
}

void sim_model_free(struct sim_model *model)
{
	if (!model)
		return;
	assert(!model->clients);
	/* Each command is in a queue, in the heap or among the ready; some in two of them. */
	for (size_t i = 0; model->queues && i < model->map.switch_count; i++)
		for (struct sim_cmd *cmd = model->queues[i].head, *next; cmd; cmd = next) {
			next = cmd->next;
			cmd_free(model, cmd);
		}
	while (model->heap_count)
		cmd_free(model, model->heap[1]);
	free(model->heap);
	free(model->queues);
	free(model->on_function);
	free(model->on_adapter);
	free(model->on_host);
	free(model->traffic);
	free(model->scratch);
	sim_map_done(&model->map);
	free(model);
}

void sim_model_seed(struct sim_model *model, uint64_t seed)
{
	model->seed = seed;
	sim_model_boot_id(model);
}

const struct provider_hello *sim_model_hello(const struct sim_model *model)
{
	return &model->hello;
}

const struct sim_map *sim_model_map(const struct sim_model *model)
{
	return &model->map;
}

int sim_model_fault(struct sim_model *model, const struct sim_fault *fault)
{
	if (model->fault_count == SIM_MODEL_FAULTS)
		return REFUSE_LIMIT;
	model->faults[model->fault_count++] = *fault;
	return 0;
}

void sim_model_fault_clear(struct sim_model *model)
{
	model->fault_count = 0;
}

size_t sim_model_faults(const struct sim_model *model, const struct sim_fault **out)
{
	*out = model->faults;
	return model->fault_count;
}

/* It will not be carried out; if it is not answered yet, its deadline will do that. */
static void cmd_forget(struct sim_model *m, struct sim_cmd *cmd)
{
	cmd->is_late = false;
	retire(m, cmd);
	if (cmd->is_answered)
		cmd_free(m, cmd);
}

void sim_model_late_forget(struct sim_model *m, uint64_t seq)
{
	for (struct sim_cmd *cmd = m->pending, *next; cmd; cmd = next) {
		next = cmd->all_next;
		if (cmd->is_late && (!seq || cmd->seq == seq))
			cmd_forget(m, cmd);
	}
}

void sim_model_reboot(struct sim_model *model, size_t changes)
{
	struct provider_event told = { .kind = PROVIDER_EVENT_REBOOT };

	for (size_t i = 0; i < model->map.switch_count; i++) {
		struct sim_queue *q = &model->queues[i];

		while (q->head) {
			struct sim_cmd *cmd = q->head;

			queue_pop(q);
			cmd_forget(model, cmd);
		}
		*q = (struct sim_queue){ .free_ms = model->now_ms };
	}
	sim_model_late_forget(model, 0);
	sim_map_revert(&model->map, changes);
	model->boots++;
	sim_model_boot_id(model);
	sim_state_boot(model);
	memcpy(told.boot_id, model->hello.boot_id, sizeof(told.boot_id));
	event_all(model, &told);
	for (struct sim_client *c = model->clients; c; c = c->next)
		c->tells_state = true;
}

int sim_model_host(struct sim_model *model, uint16_t host, enum sim_host_what what, bool on)
{
	const struct provider_host *h = sim_map_host(&model->map, host);
	struct provider_host_state state;

	if (!h)
		return REFUSE_NO_HOST;
	(void)traffic_count(model, host); /* until now it was as it was */
	if (what == SIM_HOST_TRAFFIC) {
		model->traffic[host - 1].runs = on;
		return 0;
	}
	state = h->state;
	if (what == SIM_HOST_POWER)
		state.power = state.link = on;
	else
		state.link = on && state.power;
	sim_map_host_state(&model->map, &state);
	event_host(model, host);
	return 0;
}

int sim_model_adapter(struct sim_model *model, uint32_t adapter, bool present)
{
	const struct provider_adapter *a;
	struct provider_event event = { .kind = PROVIDER_EVENT_FUNCTION };

	if (!adapter || adapter > model->map.adapter_count)
		return REFUSE_NO_ADAPTER;
	a = &model->map.adapters[adapter - 1];
	sim_map_plug(&model->map, adapter, present);
	for (uint32_t i = 0; i < a->function_count; i++) {
		event.function = a->first_function + i;
		event.present = model->map.functions[event.function - 1].now.present;
		event_all(model, &event);
	}
	return 0;
}

int sim_model_slot(struct sim_model *model, uint32_t adapter, enum sim_slot_what what,
		   const char *serial)
{
	struct sim_slot slot;

	if (!adapter || adapter > model->map.adapter_count)
		return REFUSE_NO_ADAPTER;
	slot = model->map.slots[adapter - 1];
	if (what == SIM_SLOT_BUTTON) {
		event_slot(model, adapter, true);
		return 0;
	}
	if ((what == SIM_SLOT_IN) != slot.out)
		return REFUSE_PRECONDITION;
	for (size_t i = 0; serial && i < model->map.adapter_count; i++)
		if (i + 1 != adapter && !strcmp(model->map.adapters[i].serial, serial))
			return REFUSE_TWICE;
	slot.out = what == SIM_SLOT_OUT;
	slot.off = true;
	sim_map_slot(&model->map, adapter, &slot);
	if (serial)
		sim_map_card(&model->map, adapter, serial);
	event_slot(model, adapter, false);
	return 0;
}

void sim_model_bindings(const struct sim_model *model,
			void (*fn)(void *arg, const struct provider_binding *binding), void *arg)
{
	for (size_t i = 0; i < model->map.function_count; i++)
		if (model->map.functions[i].now.host)
			fn(arg, &model->map.functions[i].now);
}

size_t sim_model_pending(const struct sim_model *model)
{
	return model->pending_count;
}

void sim_model_observe(struct sim_model *model,
		       void (*fn)(void *arg, const struct sim_effect *effect), void *arg)
{
	model->observe = fn;
	model->observe_arg = arg;
}

void sim_model_store(struct sim_model *model,
		     void (*fn)(void *arg, const uint8_t *record, size_t length), void *arg)
{
	model->store = fn;
	model->store_arg = arg;
}

int sim_model_late_add(struct sim_model *m, const struct provider_op *op, uint64_t seq,
		       uint64_t due_ms)
{
	struct sim_cmd *cmd;

	if (heap_reserve(m))
		return -ENOMEM;
	cmd = calloc(1, sizeof(*cmd));
	if (!cmd)
		return -ENOMEM;
	cmd->op = *op;
	cmd->seq = seq;
	if (seq > m->seq)
		m->seq = seq;
	cmd->due_ms = due_ms;
	cmd->is_late = cmd->is_answered = cmd->has_arrived = cmd->has_started = true;
	heap_add(m, cmd);
	all_add(&m->pending, cmd);
	m->pending_count++;
	count(m, op, 1);
	return 0;
}
