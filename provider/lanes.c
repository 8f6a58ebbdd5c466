/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of those that wait for one switch is sent next, and how many are at once.
 */
#include "provider/queue_inside.h"

enum { SMOOTHING = 16, SERVICE_FIRST_US = 1200, SLOW_US = 5000 };

static const enum lane lanes[PROVIDER_VERBS] = {
	[PROVIDER_ISOLATE] = LANE_ISOLATE,        [PROVIDER_UNBIND] = LANE_UNBIND,
	[PROVIDER_RESET] = LANE_BETWEEN,          [PROVIDER_IDENTITY] = LANE_BETWEEN,
	[PROVIDER_NUM_VFS] = LANE_BETWEEN,        [PROVIDER_BIND] = LANE_BIND,
	[PROVIDER_HOST_POWER] = LANE_ISOLATE,     [PROVIDER_READ] = LANE_READ,
	[PROVIDER_READ_HOST] = LANE_UNBIND,       [PROVIDER_SLOT_POWER] = LANE_BETWEEN,
	[PROVIDER_SLOT_ATTENTION] = LANE_BETWEEN,
};

void lanes_init(struct lane_set *set)
{
	for (int u = 0; u < PROVIDER_URGENCIES; u++)
		for (enum lane lane = 0; lane < LANES; lane++)
			TAILQ_INIT(&set->lanes[u][lane]);
}

bool lane_is_read(enum provider_verb verb)
{
	return lanes[verb] == LANE_READ;
}

void lane_add(struct lane_set *set, struct entry *e)
{
	TAILQ_INSERT_TAIL(&set->lanes[e->urgency][lanes[e->op.verb]], e, at);
	set->waiting[e->urgency]++;
}

void lane_remove(struct lane_set *set, struct entry *e)
{
	TAILQ_REMOVE(&set->lanes[e->urgency][lanes[e->op.verb]], e, at);
	set->waiting[e->urgency]--;
}

/* The window: how many commands make PROVIDER_QUEUE_WINDOW_US of the switch's time. */
static void window_set(const struct provider_queue *q, struct lane_set *set)
{
	int64_t window = PROVIDER_QUEUE_WINDOW_US / (set->service_us > 0 ? set->service_us : 1);

	if (window < PROVIDER_QUEUE_WINDOW_MIN)
		window = PROVIDER_QUEUE_WINDOW_MIN;
	if (window > PROVIDER_QUEUE_WINDOW_MAX)
		window = PROVIDER_QUEUE_WINDOW_MAX;
	if (window > (int64_t)q->hello.depth)
		window = q->hello.depth;
	set->window = (uint32_t)window;
}

void lanes_attach(const struct provider_queue *q, struct lane_set *set, uint64_t now_ms)
{
	set->service_us = SERVICE_FIRST_US;
	set->has_learnt = false;
	set->last_ms = now_ms;
	set->retry_ms = 0;
	set->linger_ms = 0;
	window_set(q, set);
}

/*
 * A command has kept its switch busy since it was sent, or since the one before it was done. Times
 * are in whole milliseconds: what is below that shows only in the mean, what is far above shows at
 * once.
 */
void window_learn(struct provider_queue *q, const struct entry *e, uint64_t now_ms)
{
	struct lane_set *set = &q->switches[e->switch_index];
	uint64_t since_ms = max64(e->sent_ms, set->last_ms);
	int64_t sample_us = now_ms > since_ms ? (int64_t)(now_ms - since_ms) * 1000 : 0;
	bool is_slow = sample_us >= SLOW_US && sample_us > 4 * set->service_us;

	set->last_ms = now_ms;
	set->has_learnt = true;
	set->service_us += (sample_us - set->service_us) / (is_slow ? 2 : SMOOTHING);
	window_set(q, set);
}

/* What stands before a new command in its switch may keep it waiting, without anything being wrong:
 * before anything is known of the switch, as long as each may take; then twice what each takes. */
uint64_t wait_allowed_ms(const struct lane_set *set, uint32_t timeout_ms)
{
	uint64_t each_us =
		set->has_learnt ? 2 * (uint64_t)set->service_us : 1000 * (uint64_t)timeout_ms;

	return set->flying * each_us / 1000;
}

/* The locks of changes let no two of them command one function. Should it happen all the same, they
 * are sent in their order: @op waits with what waits already. */
enum provider_urgency urgency_allowed(const struct lane_set *set, const struct provider_op *op,
				      enum provider_urgency urgency)
{
	const struct entry *e;

	if (urgency != PROVIDER_FOR_FAILOVER || !op->function || lanes[op->verb] == LANE_READ)
		return urgency;
	for (enum lane lane = 0; lane < LANE_READ; lane++)
		TAILQ_FOREACH (e, &set->lanes[PROVIDER_FOR_REST][lane], at)
			if (e->op.function == op->function)
				return PROVIDER_FOR_REST;
	return urgency;
}

/* A fence's or a failover's was sent, or has completed, and @flying are under way: until those
 * should have completed, and for a moment after that. An answer that is lost holds nobody up for
 * longer. */
void set_linger(struct lane_set *set, uint32_t flying, uint64_t now_ms)
{
	uint64_t each_us = 2 * (uint64_t)set->service_us;

	set->linger_ms = now_ms + flying * each_us / 1000 + PROVIDER_QUEUE_LINGER_MS;
}

/* Nothing else has had its share. */
static bool set_owes(const struct lane_set *set)
{
	return set->waiting[PROVIDER_FOR_REST] && set->in_a_row >= PROVIDER_QUEUE_SHARE - 1;
}

/* Whose turn it is; PROVIDER_URGENCIES: nothing waits. */
static enum provider_urgency set_turn(const struct lane_set *set)
{
	if (set->waiting[PROVIDER_FOR_FENCE])
		return PROVIDER_FOR_FENCE;
	if (set->waiting[PROVIDER_FOR_FAILOVER] && !set_owes(set))
		return PROVIDER_FOR_FAILOVER;
	return set->waiting[PROVIDER_FOR_REST] ? PROVIDER_FOR_REST : PROVIDER_URGENCIES;
}

/* When the one whose turn it is may go. The steps of a failover follow each other closely: what
 * would be sent in between, each of the next would have to wait for. */
uint64_t set_turn_ms(const struct lane_set *set)
{
	if (set_turn(set) != PROVIDER_FOR_REST || set_owes(set))
		return set->retry_ms;
	return max64(set->retry_ms, set->linger_ms);
}

void set_sent(struct lane_set *set, enum provider_urgency urgency, uint64_t now_ms)
{
	set->flying++;
	if (urgency == PROVIDER_FOR_REST) {
		set->in_a_row = 0;
		return;
	}
	set->in_a_row += set->waiting[PROVIDER_FOR_REST] > 0;
	set_linger(set, set->flying, now_ms);
}

struct entry *set_first(struct lane_set *set)
{
	enum provider_urgency urgency = set_turn(set);

	for (enum lane lane = 0; urgency < PROVIDER_URGENCIES && lane < LANES; lane++)
		if (!TAILQ_EMPTY(&set->lanes[urgency][lane]))
			return TAILQ_FIRST(&set->lanes[urgency][lane]);
	return NULL;
}

/* Is there room for the first that waits? An isolate command may go beyond the window. */
bool set_has_room(const struct provider_queue *q, const struct lane_set *set)
{
	enum provider_urgency urgency = set_turn(set);

	if (urgency == PROVIDER_URGENCIES)
		return false;
	return set->flying <
	       (TAILQ_EMPTY(&set->lanes[urgency][LANE_ISOLATE]) ? set->window : q->hello.depth);
}
