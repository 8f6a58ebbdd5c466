/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The turn of items at a switch: room for their effects, and read-backs that are joined into one
 * command while effects are still coming back. Failovers, and what a dead host had or was to get,
 * have room and read-backs of their own; which of those that stand in the queue is sent first is
 * provider/queue.h's.
 */
#include <stdlib.h>
#include <string.h>

#include "fabricd/item.h"

enum { READ_HOLD_MIN_MS = 5, READ_GAP = 16 };

static struct flow *flow_of(struct fabric *f, const struct fabric_item *item)
{
	struct fabric_provider *p = provider_of_function(f, item->fn);

	return &p->flows[item->fn->adapter->as.switch_handle];
}

static struct flow_part *part_of(struct fabric *f, const struct fabric_item *item)
{
	return &flow_of(f, item)->parts[item->run.urgency];
}

static bool is_of_shut(struct fabric *f, const char *name)
{
	const struct fabric_host *host = name[0] ? host_get(f, name) : NULL;

	return host && host_is_shut(host);
}

/* What a dead host had, or was to get, is missing: also where its change was asked for before, or
 * has to end before the failover can begin. */
enum provider_urgency urgency_of(struct fabric *f, const struct fabric_item *item)
{
	return item->change->row.kind == DB_CHANGE_FAILOVER || is_of_shut(f, item->row.host) ||
			       is_of_shut(f, item->row.from_host)
		       ? PROVIDER_FOR_FAILOVER
		       : PROVIDER_FOR_REST;
}

/* ---- effects ---- */

void flow_begin(struct fabric *f, const struct fabric_item *item)
{
	struct flow_part *part = part_of(f, item);

	if (!part->effects++) {
		part->progress_ms = f->now_ms;
		part->gap_ms = 0;
	}
}

void flow_end(struct fabric *f, const struct fabric_item *item)
{
	struct flow_part *part = part_of(f, item);
	uint64_t gap = f->now_ms - part->progress_ms;

	part->effects--;
	part->progress_ms = f->now_ms;
	if (gap > part->gap_ms)
		part->gap_ms = gap;
}

static enum flow_lane lane_of(struct fabric *f, const struct fabric_item *item)
{
	if (urgency_of(f, item) == PROVIDER_FOR_FAILOVER)
		return FLOW_FAILOVER;
	return item->run.begun ? FLOW_BEGUN : FLOW_NEW;
}

static enum provider_urgency urgency_of_lane(enum flow_lane lane)
{
	return lane == FLOW_FAILOVER ? PROVIDER_FOR_FAILOVER : PROVIDER_FOR_REST;
}

static size_t flow_under_way(const struct flow *flow)
{
	size_t n = flow->reading;

	for (int u = 0; u < PROVIDER_URGENCIES; u++)
		n += flow->parts[u].effects + flow->parts[u].want_count;
	return n;
}

/* Room for effects at one switch is kept small, so that what is decided anew finds the queue short.
 */
static bool flow_has_room(const struct flow *flow, enum flow_lane lane)
{
	if (flow->parts[urgency_of_lane(lane)].effects >= FABRIC_FLIGHT)
		return false;
	return lane != FLOW_NEW || flow_under_way(flow) < FABRIC_UNDER_WAY;
}

static void lane_add(struct flow *flow, enum flow_lane lane, struct fabric_item *item)
{
	item->run.next = NULL;
	*flow->waiting[lane].last = item;
	flow->waiting[lane].last = &item->run.next;
}

bool item_has_room(struct fabric *f, const struct fabric_item *item)
{
	return flow_has_room(flow_of(f, item), lane_of(f, item));
}

void item_queue(struct fabric *f, struct fabric_item *item)
{
	item->run.at = ITEM_QUEUED;
	item->step = "waits for the switch";
	lane_add(flow_of(f, item), lane_of(f, item), item);
}

bool flow_may_refill(const struct flow *flow)
{
	for (enum flow_lane lane = 0; lane < FLOW_LANES; lane++)
		if (flow->waiting[lane].first && flow_has_room(flow, lane))
			return true;
	return false;
}

static struct fabric_item *lane_take(struct flow *flow, enum flow_lane lane)
{
	struct fabric_item *item = flow->waiting[lane].first;

	flow->waiting[lane].first = item->run.next;
	if (!item->run.next)
		flow->waiting[lane].last = &flow->waiting[lane].first;
	return item;
}

void flow_refill(struct fabric *f, struct flow *flow)
{
	size_t room[PROVIDER_URGENCIES];

	for (int u = 0; u < PROVIDER_URGENCIES; u++)
		room[u] = flow->parts[u].effects < FABRIC_FLIGHT
				  ? FABRIC_FLIGHT - flow->parts[u].effects
				  : 0;
	for (enum flow_lane lane = 0; lane < FLOW_LANES; lane++) {
		enum provider_urgency u = urgency_of_lane(lane);

		while (flow->waiting[lane].first && room[u] && flow_has_room(flow, lane)) {
			room[u]--;
			item_ready(f, lane_take(flow, lane));
		}
	}
}

/* ---- reads, joined ---- */

void item_want_read(struct fabric *f, struct fabric_item *item)
{
	struct flow_part *part;

	item->run.urgency = urgency_of(f, item);
	part = part_of(f, item);
	if (part->want_count == part->want_room) {
		size_t room = part->want_room ? part->want_room * 2 : 64;
		struct fabric_item **want = realloc(part->want, room * sizeof(*want));

		if (!want) {
			item_back_off(f, item);
			return;
		}
		part->want = want;
		part->want_room = room;
	}
	part->want[part->want_count++] = item;
	item->run.at = ITEM_WANTING;
	if (!item->run.unknowns)
		item->step = "read back";
}

static int compare_items(const void *a, const void *b)
{
	const struct fabric_item *x = *(struct fabric_item *const *)a;
	const struct fabric_item *y = *(struct fabric_item *const *)b;

	return x->fn->as.handle < y->fn->as.handle ? -1 : x->fn->as.handle > y->fn->as.handle;
}

static void read_run(struct fabric_provider *p, uint16_t switch_handle, struct fabric_item **items,
		     size_t count)
{
	struct fabric *f = p->f;
	struct provider_op op = { .verb = PROVIDER_READ,
				  .attempt = attempt_next(f),
				  .function = items[0]->fn->as.handle };
	bool put;

	op.value = items[count - 1]->fn->as.handle - op.function + 1;
	put = op.attempt && !provider_queue_put(p->queue, switch_handle,
						(enum provider_urgency)items[0]->run.urgency, &op,
						provider_timeout(p));
	if (put)
		p->flows[switch_handle].reading += op.value;
	for (size_t i = 0; i < count; i++) {
		if (put) {
			items[i]->run.at = ITEM_READING;
			items[i]->run.attempt = op.attempt;
			continue;
		}
		item_wait(f, items[i], 20);
	}
}

/* While effects still come back, those that wait to read are joined by more of them; but not for
 * an answer that seems lost, nor for ever, nor beyond what one read gains by. */
static uint64_t part_hold_until(const struct flow_part *part)
{
	uint64_t patience =
		part->gap_ms * 4 > READ_HOLD_MIN_MS ? part->gap_ms * 4 : READ_HOLD_MIN_MS;

	if (!part->effects || part->want_count >= FABRIC_FLIGHT)
		return 0;
	return part->progress_ms + patience;
}

/* Those whose card has gone have no handle any more. */
static void part_read_absent(struct flow_part *part)
{
	size_t kept = 0;

	for (size_t i = 0; i < part->want_count; i++) {
		if (part->want[i]->fn->present)
			part->want[kept++] = part->want[i];
		else
			item_hold(part->want[i], "waits for the switch");
	}
	part->want_count = kept;
}

static void part_read(struct fabric_provider *p, uint16_t switch_handle, struct flow_part *part)
{
	size_t from = 0;

	if (!part->want_count || p->f->now_ms < part_hold_until(part))
		return;
	part_read_absent(part);
	qsort(part->want, part->want_count, sizeof(*part->want), compare_items);
	for (size_t i = 1; i <= part->want_count; i++) {
		const struct fabric_function *first = part->want[from]->fn;

		if (i < part->want_count &&
		    part->want[i]->fn->as.handle - part->want[i - 1]->fn->as.handle <= READ_GAP &&
		    part->want[i]->fn->as.handle - first->as.handle < PROVIDER_READ_MAX &&
		    part->want[i]->fn->adapter == first->adapter)
			continue;
		read_run(p, switch_handle, part->want + from, i - from);
		from = i;
	}
	part->want_count = 0;
}

void flow_read(struct fabric_provider *p, uint16_t switch_handle)
{
	for (int u = 0; u < PROVIDER_URGENCIES; u++)
		part_read(p, switch_handle, &p->flows[switch_handle].parts[u]);
}

uint64_t flow_read_ms(const struct flow *flow)
{
	uint64_t next = UINT64_MAX;

	for (int u = 0; u < PROVIDER_URGENCIES; u++) {
		const struct flow_part *part = &flow->parts[u];

		if (part->want_count && part_hold_until(part) < next)
			next = part_hold_until(part);
	}
	return next;
}

void flow_read_over(struct fabric_provider *p, const struct provider_op *op)
{
	const struct fabric_function *fn =
		op->function <= p->function_count ? p->functions[op->function - 1] : NULL;
	struct flow *flow;

	if (!fn || !fn->adapter)
		return; /* gone with the last scan, which has begun to count anew */
	flow = &p->flows[fn->adapter->as.switch_handle];
	flow->reading -= op->value < flow->reading ? op->value : flow->reading;
}

/* ---- what waited before its host died ---- */

static bool item_is_of(const struct fabric_item *item, const struct fabric_host *host)
{
	return item &&
	       (!strcmp(item->row.from_host, host->name) || !strcmp(item->row.host, host->name));
}

struct dead {
	const struct fabric_provider *p;
	const struct fabric_host *host;
};

static bool is_op_of(const struct provider_op *op, void *arg)
{
	const struct dead *dead = arg;
	const struct fabric_provider *p = dead->p;
	bool is_read = op->verb == PROVIDER_READ;
	uint32_t count = is_read ? op->value : 1;

	/* Owner generations start at 1: what carries none is a fence's. */
	if (!op->function || op->verb == PROVIDER_SETTLE || (!is_read && !op->generation))
		return false;
	for (uint32_t handle = op->function; handle < op->function + count; handle++)
		if (handle <= p->function_count && p->functions[handle - 1] &&
		    item_is_of(p->functions[handle - 1]->item, dead->host))
			return true;
	return false;
}

static void lane_hasten(struct fabric *f, struct flow *flow, enum flow_lane lane,
			const struct fabric_host *host)
{
	struct fabric_item *item = flow->waiting[lane].first;

	flow->waiting[lane].first = NULL;
	flow->waiting[lane].last = &flow->waiting[lane].first;
	while (item) {
		struct fabric_item *next = item->run.next;

		if (item_is_of(item, host))
			item_ready(f, item);
		else
			lane_add(flow, lane, item);
		item = next;
	}
}

static void part_hasten(struct fabric *f, struct flow_part *part, const struct fabric_host *host)
{
	size_t kept = 0;

	for (size_t i = 0; i < part->want_count; i++) {
		if (item_is_of(part->want[i], host))
			item_ready(f, part->want[i]);
		else
			part->want[kept++] = part->want[i];
	}
	part->want_count = kept;
}

void items_hasten(struct fabric *f, const struct fabric_host *host)
{
	struct fabric_provider *p = provider_of_host(f, host);
	struct dead dead = { p, host };

	provider_queue_withdraw(p->queue, is_op_of, &dead);
	for (size_t s = 1; s <= p->switch_count; s++) {
		for (enum flow_lane lane = FLOW_FAILOVER + 1; lane < FLOW_LANES; lane++)
			lane_hasten(f, &p->flows[s], lane, host);
		part_hasten(f, &p->flows[s].parts[PROVIDER_FOR_REST], host);
	}
}
