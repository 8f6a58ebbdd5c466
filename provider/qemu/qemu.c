/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/qemu/qemu.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "provider/qemu/inside.h"

/* An adapter's link, as QEMU's emulated ones tell it: 2.5 GT/s, one lane. */
enum { LANES = 1, MTPS = 2500, WINDOW_KIB = 2048 };

void qemu_turn_soon(struct qemu *q)
{
	event_active(q->turn, EV_TIMEOUT, 0);
}

/* what is bound where */

void qemu_judge(struct qemu *q)
{
	static struct qemu_sight sights[QEMU_HOSTS_MAX];

	for (size_t i = 0; i < q->chassis->host_count; i++)
		sights[i] = qemu_blade_sight(q->blades[i]);
	qemu_truth(q->chassis, sights, q->places);
	for (size_t i = 0; i < q->chassis->adapter_count; i++) {
		const struct provider_binding *now = &q->places[i].binding;

		/* it stays with the function when that is bound nowhere any more */
		if (now->host && now->generation)
			q->identities[i] = now->identity;
	}
	qemu_held_judge(q);
}

struct provider_binding qemu_binding(const struct qemu *q, uint32_t function)
{
	struct provider_binding b = q->places[function - 1].binding;

	if (!b.host)
		b.identity = q->identities[function - 1];
	return b;
}

struct provider_host_state qemu_host_state(const struct qemu *q, uint16_t host)
{
	const struct qemu_blade *blade = q->blades[host - 1];
	bool power = blade->state != QEMU_BLADE_OFF;

	return (struct provider_host_state){
		.host = host,
		.power = power,
		.link = power,
		.power_known = blade->power_known,
	};
}

bool qemu_all_seen(const struct qemu *q, uint64_t clock)
{
	for (size_t i = 0; i < q->chassis->host_count; i++)
		if (!qemu_blade_is_seen(q->blades[i], clock))
			return false;
	return true;
}

/* the scan */

static void scan_switches(const struct qemu *q, struct provider_scan *scan)
{
	for (size_t i = 0; i < q->chassis->switch_count; i++) {
		struct provider_switch *s = &scan->switches[scan->switch_count++];

		s->handle = (uint16_t)(i + 1);
		s->chassis = q->chassis->number;
		memcpy(s->name, q->chassis->switches[i], sizeof(s->name));
		s->vendor = 0x104c; /* of the switch that QEMU emulates: TI's X3130 */
		s->device = 0x8232;
	}
}

static struct provider_port *scan_port(struct provider_scan *scan, uint16_t switch_handle,
				       uint16_t number, bool link)
{
	struct provider_port *p = &scan->ports[scan->port_count++];

	p->switch_handle = switch_handle;
	p->number = number;
	p->link = link;
	p->width = link ? LANES : 0;
	p->mtps = link ? MTPS : 0;
	p->max_width = LANES;
	p->max_mtps = MTPS;
	return p;
}

static void scan_hosts(const struct qemu *q, struct provider_scan *scan)
{
	for (size_t i = 0; i < q->chassis->host_count; i++) {
		const struct qemu_host *from = &q->chassis->hosts[i];
		struct provider_host *h = &scan->hosts[scan->host_count++];
		struct provider_port *p;

		h->handle = (uint16_t)(i + 1);
		h->switch_handle = from->switch_handle;
		h->port = from->port;
		h->vports = from->vports;
		memcpy(h->bay, from->bay, sizeof(h->bay));
		h->chassis = q->chassis->number;
		h->buses = 1;
		h->window_bytes = (uint64_t)WINDOW_KIB << 10;
		h->first_slot = from->first_slot;
		h->can_power_on = from->power_on != NULL;
		h->state = qemu_host_state(q, h->handle);
		p = scan_port(scan, h->switch_handle, h->port, h->state.link);
		p->role = PROVIDER_PORT_UPSTREAM;
		p->host = h->handle;
	}
}

/* Evidence for its name: a network adapter's is its MAC. */
static void serial_make(const struct qemu_adapter *from, char *out)
{
	if (from->serial[0])
		(void)snprintf(out, PROVIDER_NAME_MAX, "%s", from->serial);
	else if (from->mac)
		(void)snprintf(out, PROVIDER_NAME_MAX, "%012llX", (unsigned long long)from->mac);
}

static void scan_adapters(const struct qemu *q, struct provider_scan *scan)
{
	for (size_t i = 0; i < q->chassis->adapter_count; i++) {
		const struct qemu_adapter *from = &q->chassis->adapters[i];
		struct provider_adapter *a = &scan->adapters[scan->adapter_count++];
		struct provider_function *f = &scan->functions[scan->function_count++];
		struct provider_port *p = scan_port(scan, from->switch_handle, from->port, true);

		p->role = PROVIDER_PORT_DOWNSTREAM;
		p->adapter = (uint32_t)(i + 1);
		a->handle = f->handle = f->adapter = a->first_function = (uint32_t)(i + 1);
		a->switch_handle = from->switch_handle;
		a->port = from->port;
		a->class_code = from->device->class_code;
		a->vendor = f->vendor = from->device->vendor;
		a->device = f->device = from->device->device;
		serial_make(from, a->serial);
		memcpy(a->model, from->label, sizeof(a->model));
		a->function_count = 1;
		f->kind = PROVIDER_FUNCTION_DEVICE;
		f->identity_can = from->device->back == QEMU_BACK_NET ? PROVIDER_IDENTITY_MAC : 0;
		f->buses = 1;
		f->window_bytes = (uint64_t)from->device->window_kib << 10;
		f->flr = true;
		f->now = qemu_binding(q, f->handle);
	}
}

struct provider_scan *qemu_scan(const struct qemu *q)
{
	OWNED(provider_scan_free) struct provider_scan *scan = calloc(1, sizeof(*scan));
	const struct qemu_chassis *c = q->chassis;

	if (!scan)
		return NULL;
	scan->switches = calloc(c->switch_count + 1, sizeof(*scan->switches));
	scan->ports = calloc(c->host_count + c->adapter_count + 1, sizeof(*scan->ports));
	scan->hosts = calloc(c->host_count + 1, sizeof(*scan->hosts));
	scan->adapters = calloc(c->adapter_count + 1, sizeof(*scan->adapters));
	scan->functions = calloc(c->adapter_count + 1, sizeof(*scan->functions));
	if (!scan->switches || !scan->ports || !scan->hosts || !scan->adapters || !scan->functions)
		return NULL;
	scan_switches(q, scan);
	scan_hosts(q, scan);
	scan_adapters(q, scan);
	qsort(scan->ports, scan->port_count, sizeof(scan->ports[0]), provider_port_compare);
	return TAKE(scan);
}

/* what the manager is told by itself */

static bool is_same_place(const struct provider_binding *a, const struct provider_binding *b)
{
	return a->host == b->host && a->vport == b->vport && a->generation == b->generation;
}

static bool has_work(const struct qemu *q, uint32_t function)
{
	const struct qemu_work *work;

	TAILQ_FOREACH (work, &q->works, at)
		if (work->kind == QEMU_WORK_OP && work->op.function == function &&
		    (work->op.verb == PROVIDER_BIND || work->op.verb == PROVIDER_UNBIND))
			return true;
	return false;
}

/* A function that died or came back; one that went somewhere without being sent there. */
static void functions_tell(struct qemu *q)
{
	bool is_changed = false;

	for (uint32_t i = 1; i <= q->chassis->adapter_count; i++) {
		struct provider_binding now = qemu_binding(q, i);
		struct provider_binding *told = &q->told[i - 1];

		if (now.unknown || has_work(q, i))
			continue; /* its host is in the news, or it is under way */
		if (now.present != told->present) {
			const struct provider_event event = {
				.kind = PROVIDER_EVENT_FUNCTION,
				.function = i,
				.present = now.present,
			};

			log_notice("%s: %s", q->chassis->adapters[i - 1].label,
				   now.present ? "is there" : "has died");
			q->sink.told(q->sink.arg, &event);
		}
		is_changed |= !is_same_place(&now, told);
		*told = now;
	}
	if (is_changed) {
		const struct provider_event event = { .kind = PROVIDER_EVENT_CHANGED };

		q->sink.told(q->sink.arg, &event);
	}
}

static void hosts_tell(struct qemu *q)
{
	for (uint16_t i = 1; i <= q->chassis->host_count; i++) {
		const struct provider_host_state now = qemu_host_state(q, i);
		struct provider_host_state *told = &q->told_states[i - 1];
		const struct provider_event event = { .kind = PROVIDER_EVENT_HOST, .host = now };

		if (q->blades[i - 1]->state == QEMU_BLADE_STARTING ||
		    (now.power == told->power && now.power_known == told->power_known))
			continue;
		*told = now;
		q->sink.told(q->sink.arg, &event);
	}
}

/* works */

static void work_free(struct qemu_work *work)
{
	struct qemu *q = work->q;

	for (size_t i = 0; i < q->chassis->host_count; i++)
		qemu_blade_forget(q->blades[i], work);
	TAILQ_REMOVE(&q->works, work, at);
	q->work_count--;
	qemu_view_free(work->view);
	free(work);
}

static void scan_told(struct qemu *q)
{
	struct provider_scan *scan;

	qemu_judge(q);
	for (uint32_t i = 1; i <= q->chassis->adapter_count; i++) {
		if (q->places[i - 1].is_twice)
			log_err("%s is at two places at once", q->chassis->adapters[i - 1].label);
		q->told[i - 1] = qemu_binding(q, i);
	}
	for (uint16_t i = 1; i <= q->chassis->host_count; i++)
		q->told_states[i - 1] = qemu_host_state(q, i);
	scan = qemu_scan(q);
	q->sink.scanned_take(q->sink.arg, scan, scan ? NULL : strerror(ENOMEM));
}

static void work_over(struct qemu_work *work)
{
	struct qemu *q = work->q;
	struct provider_completion c = {
		.attempt = work->op.attempt,
		.outcome = work->outcome,
		.why = work->why,
	};

	if (work->is_plug) {
		qemu_plug_end(work);
	} else if (work->kind == QEMU_WORK_SCAN) {
		scan_told(q);
	} else if (work->kind == QEMU_WORK_VIEW) {
		q->sink.viewed(q->sink.arg, work->cookie, NULL, work->text);
	} else if (work->op.attempt) { /* reads have told theirs */
		(void)snprintf(c.text, sizeof(c.text), "%s", work->text);
		if (c.outcome != PROVIDER_DONE && !c.text[0])
			(void)snprintf(c.text, sizeof(c.text), "%s", provider_why_text(c.why));
		log_info("%s %llu: %s%s%s", provider_verb_text(work->op.verb),
			 (unsigned long long)c.attempt, provider_outcome_text(c.outcome),
			 c.text[0] ? ": " : "", c.text);
		if (work->op.verb == PROVIDER_READ_HOST)
			c.host = qemu_host_state(q, work->op.host);
		q->sink.completed(q->sink.arg, &c);
	}
	work_free(work);
}

/* What ends makes room for what waits behind it: until nothing ends any more. */
static void works_go(struct qemu *q)
{
	struct qemu_work *work, *next;
	bool has_ended = true;

	while (has_ended) {
		has_ended = false;
		for (work = TAILQ_FIRST(&q->works); work; work = next) {
			qemu_work_go(work);
			next = TAILQ_NEXT(work, at);
			if (work->step == QEMU_STEP_OVER) {
				work_over(work);
				has_ended = true;
			}
		}
	}
}

static void turn(evutil_socket_t fd, short what, void *arg)
{
	struct qemu *q = arg;

	(void)fd;
	(void)what;
	works_go(q);
	if (!qemu_all_seen(q, 0))
		return; /* a blade is between two states: there will be more to tell */
	qemu_judge(q);
	hosts_tell(q);
	functions_tell(q);
	qemu_held_plug(q);
}

struct qemu_work *qemu_work_new(struct qemu *q)
{
	struct qemu_work *work = q->work_count < QEMU_WORKS_MAX ? calloc(1, sizeof(*work)) : NULL;

	if (!work)
		return NULL;
	work->q = q;
	work->clock = ++q->clock;
	work->deadline_ms = UINT64_MAX;
	TAILQ_INSERT_TAIL(&q->works, work, at);
	q->work_count++;
	qemu_turn_soon(q);
	return work;
}

static void all_look(struct qemu *q, uint64_t clock)
{
	for (size_t i = 0; i < q->chassis->host_count; i++)
		qemu_blade_look(q->blades[i], clock, false);
}

/* The looks that it needs begin at once. */
static void op_look(struct qemu *q, const struct qemu_work *work)
{
	if (work->op.verb == PROVIDER_READ)
		all_look(q, work->clock);
	else if (work->op.verb == PROVIDER_READ_HOST && work->op.host <= q->chassis->host_count)
		qemu_blade_look(q->blades[work->op.host - 1], work->clock, true);
}

/* the table */

static int qemu_submit(struct provider *p, const struct provider_op *op)
{
	struct qemu *q = (struct qemu *)p;
	struct qemu_work *work = qemu_work_new(q);

	if (!work)
		return -ENOBUFS;
	work->op = *op;
	work->deadline_ms = op->deadline_ms;
	op_look(q, work);
	return 0;
}

static int qemu_scan_ask(struct provider *p)
{
	struct qemu *q = (struct qemu *)p;
	struct qemu_work *work;

	TAILQ_FOREACH (work, &q->works, at)
		if (work->kind == QEMU_WORK_SCAN)
			return 0; /* joined to it */
	work = qemu_work_new(q);
	if (!work)
		return -ENOBUFS;
	work->kind = QEMU_WORK_SCAN;
	all_look(q, work->clock);
	return 0;
}

static int qemu_view_ask(struct provider *p, uint16_t host, uint64_t cookie)
{
	struct qemu *q = (struct qemu *)p;
	struct qemu_work *work;

	if (!host)
		return -EOPNOTSUPP;
	if (host > q->chassis->host_count)
		return -ENOENT;
	work = qemu_work_new(q);
	if (!work)
		return -ENOBUFS;
	work->kind = QEMU_WORK_VIEW;
	work->blade = q->blades[host - 1];
	work->cookie = cookie;
	work->deadline_ms = clock_boot_ms() + 2ull * q->chassis->timeout_ms;
	return 0;
}

static void qemu_advance(struct provider *p, uint64_t now_ms)
{
	struct qemu *q = (struct qemu *)p;
	struct qemu_work *work;

	TAILQ_FOREACH (work, &q->works, at)
		if (work->deadline_ms <= now_ms && work->step != QEMU_STEP_OVER)
			qemu_work_expire(work);
	works_go(q);
}

static uint64_t qemu_next_ms(const struct provider *p)
{
	const struct qemu *q = (const struct qemu *)p;
	const struct qemu_work *work;
	uint64_t next = UINT64_MAX;

	TAILQ_FOREACH (work, &q->works, at)
		if (work->deadline_ms < next)
			next = work->deadline_ms;
	return next;
}

static void qemu_close(struct provider *p)
{
	struct qemu *q = (struct qemu *)p;
	struct qemu_work *work;

	while ((work = TAILQ_FIRST(&q->works)))
		work_free(work);
	programs_free(q->programs);
	for (size_t i = 0; q->blades && i < q->chassis->host_count; i++)
		qemu_blade_free(q->blades[i]);
	free(q->blades);
	free(q->identities);
	free(q->places);
	free(q->told);
	free(q->told_states);
	free(q->held);
	free(q->starts);
	if (q->turn)
		event_free(q->turn);
	free(q);
}

static const struct provider_ops qemu_ops = {
	.name = "qemu",
	.close = qemu_close,
	.submit = qemu_submit,
	.scan = qemu_scan_ask,
	.view = qemu_view_ask,
	.advance = qemu_advance,
	.next_ms = qemu_next_ms,
};

/* from the blades */

static void blade_changed(void *arg, struct qemu_blade *blade)
{
	(void)blade;
	qemu_turn_soon(arg);
}

static bool blade_deleted(void *arg, struct qemu_blade *blade, const struct qemu_part *part)
{
	struct qemu *q = arg;
	struct qemu_work *work;

	TAILQ_FOREACH (work, &q->works, at)
		if (qemu_work_deleted(work, blade, part))
			return true;
	return false;
}

static uint64_t blade_tick(void *arg)
{
	return ++((struct qemu *)arg)->clock;
}

static int blades_new(struct qemu *q)
{
	const struct qemu_blade_user user = {
		.changed = blade_changed,
		.deleted = blade_deleted,
		.tick = blade_tick,
		.arg = q,
	};
	int r = 0;

	for (size_t i = 0; !r && i < q->chassis->host_count; i++)
		r = qemu_blade_new(q->base, q->chassis, (uint16_t)(i + 1), &user, &q->blades[i]);
	return r;
}

static void mark(uint64_t *hash, const void *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		*hash = (*hash ^ ((const uint8_t *)bytes)[i]) * 1099511628211u;
}

/* As long as the chassis is the same, handles keep their meaning, whoever was started again. */
static void boot_id_make(const struct qemu_chassis *c, char *out)
{
	uint64_t hash = 14695981039346656037u;

	mark(&hash, c->name, sizeof(c->name));
	for (size_t i = 0; i < c->host_count; i++) {
		mark(&hash, c->hosts[i].bay, sizeof(c->hosts[i].bay));
		mark(&hash, c->hosts[i].ports, c->hosts[i].vports * sizeof(c->hosts[i].ports[0]));
	}
	for (size_t i = 0; i < c->adapter_count; i++)
		mark(&hash, c->adapters[i].key, sizeof(c->adapters[i].key));
	(void)snprintf(out, PROVIDER_NAME_MAX, "%016llx", (unsigned long long)hash); /* it fits */
}

static void hello_make(const struct qemu_chassis *c, struct provider_hello *out)
{
	*out = (struct provider_hello){
		.name = "fabric-provider-qemu " FABRIC_VERSION,
		.can = PROVIDER_CAN_BARRIER | PROVIDER_CAN_IDENTITY | PROVIDER_CAN_POWER |
		       PROVIDER_CAN_VIEW | PROVIDER_CAN_WRITE,
		/* a guest takes 5 s to let go of what its attention button asks for */
		.timeout_ms = c->timeout_ms + 10000,
		.depth = 256,
	};
	boot_id_make(c, out->boot_id);
}

static int arrays_new(struct qemu *q)
{
	size_t adapters = q->chassis->adapter_count + 1;
	size_t hosts = q->chassis->host_count + 1;

	q->blades = calloc(hosts, sizeof(struct qemu_blade *));
	q->identities = calloc(adapters, sizeof(*q->identities));
	q->places = calloc(adapters, sizeof(*q->places));
	q->told = calloc(adapters, sizeof(*q->told));
	q->told_states = calloc(hosts, sizeof(*q->told_states));
	q->held = calloc(adapters, sizeof(*q->held));
	q->starts = calloc(hosts, sizeof(*q->starts));
	if (!q->blades || !q->identities || !q->places || !q->told || !q->told_states || !q->held ||
	    !q->starts)
		return -ENOMEM;
	for (size_t i = 0; i + 1 < hosts; i++)
		q->starts[i].q = q;
	for (size_t i = 0; i + 1 < adapters; i++)
		q->told[i].present = true;
	return 0;
}

int provider_qemu_open(struct event_base *base, const struct qemu_chassis *chassis,
		       const struct provider_sink *sink, struct provider_hello *hello,
		       struct provider **out)
{
	struct qemu *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return -ENOMEM;
	q->provider.ops = &qemu_ops;
	q->base = base;
	q->chassis = chassis;
	q->sink = *sink;
	TAILQ_INIT(&q->works);
	if (getrandom(&q->nonce, sizeof(q->nonce), 0) != sizeof(q->nonce))
		q->nonce = (uint32_t)(clock_boot_us() ^ (uint64_t)getpid() << 20);
	q->turn = event_new(base, -1, 0, turn, q);
	r = q->turn ? arrays_new(q) : -ENOMEM;
	if (!r)
		r = programs_new(base, QEMU_HOSTS_MAX, &q->programs);
	if (!r)
		r = blades_new(q);
	if (r) {
		qemu_close(&q->provider);
		return r;
	}
	hello_make(chassis, hello);
	*out = &q->provider;
	return 0;
}
