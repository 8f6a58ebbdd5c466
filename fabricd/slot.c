/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hot-plug slots: the machine of hotplug/slot.h at every port that has one. It is driven by what
 * the switch tells and scans show, and by time; its actions become commands to the slot, changes,
 * and the quarantine of a card.
 *
 * A card in quarantine is given to nobody (S17): each of its functions is read back, reset and
 * cleared by a change of kind repair, a release that leaves its owner's claim as it is. A card that
 * comes to a port without a slot is put into quarantine all the same. The quarantine is stored, and
 * outlives the manager.
 *
 * A managed removal is the same change for what is bound; a card that is pulled leaves its
 * functions assigned and stale, and those that return are scrubbed and go back to their owners by
 * the ordinary repair.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/defect.h"
#include "common/log.h"
#include "fabricd/state.h"

enum { AT_ONCE = 512, SOON_MS = 10, AGAIN_MS = 1000 };

static const struct slot_times *times_of(const struct fabric *f)
{
	(void)f;
	return &slot_times_default;
}

static void slots_look(struct fabric *f, uint64_t when_ms)
{
	if (when_ms < f->slots_ms)
		f->slots_ms = when_ms;
}

static struct fabric_provider *provider_of_port(const struct fabric *f,
						const struct fabric_port *port)
{
	return f->providers[port->provider];
}

/* The card that the last scan showed in it; NULL: none, or none that answers. */
static struct fabric_adapter *card_of(const struct fabric *f, const struct fabric_port *port)
{
	struct fabric_adapter *card = port->card[0] ? named_find(&f->adapters, port->card) : NULL;

	return card && card->present && card->slot == port ? card : NULL;
}

/* ---- who may have a card ---- */

const char *card_withheld(const struct fabric_function *fn)
{
	const struct fabric_adapter *card = fn->adapter;

	if (!card)
		return NULL;
	if (card->quarantined && card->present)
		return "its card is being scrubbed";
	if (!card->shown)
		return "its card is not there";
	if (!card->slot || slot_is_offered(card->slot->slot.state))
		return NULL;
	switch (card->slot->slot.state) {
	case SLOT_LEAVING:
		return "its card is being let go: the button of its slot was pressed";
	case SLOT_EMPTY:
		return "its card is not there";
	case SLOT_ARRIVING:
	case SLOT_POWERING:
	case SLOT_SCRUBBING:
	case SLOT_UNSTEADY:
	case SLOT_UNWANTED:
	case SLOT_CYCLING:
		return "its card is being scrubbed";
	case SLOT_TURNING_OFF:
	case SLOT_OFF:
	case SLOT_WAKING:
	case SLOT_FAULT:
	case SLOT_RETRYING:
		return "its card has no power";
	case SLOT_STAY:
	case SLOT_READY:
	case SLOT_SHAKY:
	case SLOT_PRESSED:
	case SLOT_STATES:
		break;
	}
	return NULL;
}

/* It can be given at all, and so must be scrubbed first. */
static bool is_givable(const struct fabric_function *fn)
{
	if (fabric_function_is_kept(fn))
		return false;
	return fn->as.kind != PROVIDER_FUNCTION_VF ||
	       (fn->adapter->as.keeper != PROVIDER_KEEPER_NONE &&
		fn->as.vf <= fn->adapter->as.num_vfs);
}

/* A name that is too long is not remembered: no name of ours is. */
static void flag_store(struct fabric *f, const char *what, const char *name, bool is_set)
{
	struct db_number row = { .value = is_set };
	int length = snprintf(row.name, sizeof(row.name), "%s%s", what, name);

	if (length < (int)sizeof(row.name))
		db_put_number(batch_open(f), &row);
}

static void card_quarantine(struct fabric *f, struct fabric_adapter *card)
{
	for (struct fabric_function *fn = card->first; fn; fn = fn->next_in_adapter) {
		fn->dirty = is_givable(fn) && !DEFECT(NO_QUARANTINE);
		fn->retry_ms = 0;
		fn->retries = 0;
	}
	/* What was read back, or reset, was so before. */
	items_card_lost(f, card);
	slots_look(f, f->now_ms);
	if (card->quarantined)
		return;
	card->quarantined = true;
	flag_store(f, QUARANTINE_NUMBER, card->name, true);
	log_notice("adapter %s: in quarantine until each function is reset and cleared",
		   card->name);
	history_event(f, "adapter.quarantined", card->name, "until it is scrubbed");
}

void function_is_clean(struct fabric *f, struct fabric_function *fn)
{
	fn->dirty = false;
	fn->retries = 0; /* its owner gets it back as soon as its card is offered */
	fn->retry_ms = 0;
	slots_look(f, f->now_ms);
}

void card_noticed(struct fabric *f, const struct fabric_function *fn)
{
	if (card_withheld(fn))
		slots_look(f, f->now_ms);
}

/* ---- commands ---- */

static bool is_durable(const struct fabric *f, uint64_t cookie)
{
	return cookie < f->next_cookie && (!f->first || f->first->cookie > cookie);
}

/* S19: whatever was sent to the card before, perhaps for the one before it, is over before there is
 * power for it. */
static bool is_settled(struct fabric *f, struct fabric_port *port)
{
	struct fabric_provider *p = provider_of_port(f, port);
	struct provider_op op = { .verb = PROVIDER_SETTLE };

	if (!port->power.value)
		return true;
	/* A manager that is killed now must know that the card is not scrubbed. */
	if (port->unscrubbed && !is_durable(f, port->stored)) {
		slots_look(f, f->now_ms + SOON_MS);
		return false;
	}
	if (port->settled)
		return true;
	if (port->settling)
		return false;
	op.attempt = attempt_next(f);
	if (op.attempt && !provider_queue_put(p->queue, port->as.switch_handle, PROVIDER_FOR_REST,
					      &op, provider_timeout(p)))
		port->settling = op.attempt;
	return false;
}

static void command_put(struct fabric *f, struct fabric_port *port, struct fabric_slot_want *want,
			enum provider_verb verb)
{
	struct fabric_provider *p = provider_of_port(f, port);
	struct provider_op op = { .verb = verb,
				  .switch_handle = port->as.switch_handle,
				  .port = port->as.number,
				  .value = want->value };

	if (!want->is_wanted || want->attempt)
		return;
	slots_look(f, f->now_ms + AGAIN_MS);
	if (!provider_is_usable(p) || f->frozen ||
	    (verb == PROVIDER_SLOT_POWER && !is_settled(f, port)))
		return;
	op.attempt = attempt_next(f);
	if (!op.attempt || provider_queue_put(p->queue, op.switch_handle, PROVIDER_FOR_REST, &op,
					      provider_timeout(p)))
		return;
	want->attempt = op.attempt;
	if (verb == PROVIDER_SLOT_POWER)
		slot_sent(&port->slot, times_of(f), f->now_ms);
}

static void commands_put(struct fabric *f, struct fabric_port *port)
{
	command_put(f, port, &port->power, PROVIDER_SLOT_POWER);
	command_put(f, port, &port->led, PROVIDER_SLOT_ATTENTION);
}

static void want(struct fabric_slot_want *wanted, uint32_t value)
{
	/* One that is under way is of another wish. */
	*wanted = (struct fabric_slot_want){ .is_wanted = true, .value = value };
}

/* ---- what the machine says ---- */

static void withdraw(struct fabric *f, struct fabric_port *port)
{
	struct fabric_adapter *card = port->card[0] ? named_find(&f->adapters, port->card) : NULL;
	unsigned lost = 0;

	if (!card || card->slot != port)
		return;
	for (struct fabric_function *fn = card->first; fn; fn = fn->next_in_adapter) {
		lost += fn->host && fn->as.now.host && fn->assigned == DB_ASSIGNMENT_BOUND;
		fn->as.now.present = false;
	}
	items_card_lost(f, card);
	if (!lost)
		return;
	log_warning("port %s: %s is gone, and with it %u function%s that hosts had", port->name,
		    card->name, lost, lost == 1 ? "" : "s");
	history_event(f, "slot.surprise", port->name,
		      "%s is gone, and with it %u function%s that hosts had", card->name, lost,
		      lost == 1 ? "" : "s");
}

static void act(struct fabric *f, struct fabric_port *port, unsigned actions)
{
	if (actions & SLOT_DO_WITHDRAW)
		withdraw(f, port);
	if (actions & SLOT_DO_POWER_OFF)
		want(&port->power, 0);
	if (actions & SLOT_DO_POWER_ON) {
		want(&port->power, 1);
		port->settling = 0; /* a barrier from before counts for nothing */
		port->settled = false;
	}
	if (actions & SLOT_DO_LED_OFF)
		want(&port->led, PROVIDER_ATTENTION_OFF);
	if (actions & SLOT_DO_LED_ON)
		want(&port->led, PROVIDER_ATTENTION_ON);
	if (actions & SLOT_DO_LED_BLINK)
		want(&port->led, PROVIDER_ATTENTION_BLINK);
	if (actions & SLOT_DO_SCRUB)
		port->scrub_wanted = true; /* by the next scan, which shows which card it is */
	if (actions & SLOT_DO_OFFER)
		f->reconcile_ms = f->now_ms;
}

static bool is_off(enum slot_state state)
{
	return state == SLOT_OFF || state == SLOT_WAKING;
}

/* Also where no card is: one that is there after we were away has come meanwhile. */
static bool is_unscrubbed(enum slot_state state)
{
	return !slot_is_offered(state) && state != SLOT_LEAVING;
}

static void noted(struct fabric *f, struct fabric_port *port, enum slot_state before,
		  enum slot_event event)
{
	char type[FABRIC_NAME_MAX];
	enum slot_state now = port->slot.state;

	if (before == now)
		return;
	if (is_off(before) != is_off(now)) {
		port->off_by_hand = is_off(now);
		flag_store(f, SLOT_OFF_NUMBER, port->name, is_off(now));
	}
	if (is_unscrubbed(now) != port->unscrubbed) {
		port->unscrubbed = is_unscrubbed(now);
		flag_store(f, SLOT_UNSCRUBBED_NUMBER, port->name, port->unscrubbed);
		port->stored = f->next_cookie;
	}
	log_notice("port %s: slot %s: %s, now %s", port->name, slot_state_text(before),
		   slot_event_text(event), slot_state_text(now));
	/* A link that is down for a moment was never down. */
	if (before == SLOT_SHAKY || now == SLOT_SHAKY || before == SLOT_UNSTEADY ||
	    now == SLOT_UNSTEADY)
		return;
	(void)snprintf(type, sizeof(type), "slot.%s", slot_state_text(now));
	history_event(f, type, port->name, "%s%s%s", slot_event_text(event),
		      port->card[0] ? ", " : "", port->card);
}

static void stepped(struct fabric *f, struct fabric_port *port, enum slot_state before,
		    enum slot_event event, unsigned actions)
{
	noted(f, port, before, event);
	act(f, port, actions);
	if (event == SLOT_CARD_IN || event == SLOT_CARD_OUT || (actions & SLOT_DO_WITHDRAW))
		port->card[0] = '\0'; /* which one it is, a scan will show */
	slots_look(f, f->now_ms);
	look(f);
}

static void feed(struct fabric *f, struct fabric_port *port, enum slot_event event)
{
	enum slot_state before = port->slot.state;
	unsigned actions = slot_step(&port->slot, event, times_of(f), f->now_ms);

	stepped(f, port, before, event, actions);
}

/* ---- what the switch shows ---- */

static void observe(struct fabric *f, struct fabric_port *port, bool presence, bool power)
{
	if (!presence) {
		if (slot_has_card(port->slot.state))
			feed(f, port, SLOT_CARD_OUT);
		return;
	}
	if (!slot_has_card(port->slot.state))
		feed(f, port, SLOT_CARD_IN);
	if (!power)
		feed(f, port, SLOT_POWER_IS_OFF);
}

void slot_told(struct fabric_provider *p, const struct provider_slot_state *state)
{
	struct fabric *f = p->f;

	for (size_t i = 0; i < f->ports.count; i++) {
		struct fabric_port *port = f->ports.at[i];

		if (port->provider != p->number || !port->slot_known ||
		    port->as.switch_handle != state->switch_handle ||
		    port->as.number != state->port)
			continue;
		observe(f, port, state->presence, state->power);
		if (state->presence)
			feed(f, port, state->link ? SLOT_LINK_UP : SLOT_LINK_DOWN);
		if (state->button)
			feed(f, port, SLOT_BUTTON);
		return;
	}
}

/* Another card than the one that was there, or the same: only a serial number tells. */
static void card_shown(struct fabric *f, struct fabric_port *port, struct fabric_adapter *card)
{
	bool is_other = port->card[0] && strcmp(port->card, card->name) != 0;

	if (is_other)
		log_warning("port %s: %s is there, and %s was", port->name, card->name, port->card);
	if (is_other || (card->quarantined && slot_is_offered(port->slot.state)))
		feed(f, port, SLOT_CARD_IN);
	(void)snprintf(port->card, sizeof(port->card), "%s", card->name);
	if (port->scrub_wanted && port->slot.state == SLOT_SCRUBBING) {
		port->scrub_wanted = false;
		card_quarantine(f, card);
	}
}

void cards_scanned(struct fabric_provider *p)
{
	struct fabric *f = p->f;

	for (size_t i = 0; i < f->adapters.count; i++) {
		struct fabric_adapter *card = f->adapters.at[i];

		if (card->provider != p->number)
			continue;
		if (card->was_present && !card->present)
			items_card_lost(f, card);
		if (card->present && !card->was_present && (card->quarantined || p->was_reconciled))
			card_quarantine(f, card);
	}
}

static void slot_found(struct fabric_provider *p, struct fabric_port *port,
		       const struct fabric_adapter *card)
{
	struct fabric *f = p->f;

	port->slot_known = true;
	if (p->was_reconciled) {
		slot_init(&port->slot, false, false); /* what is in it came after us */
		return;
	}
	slot_init(&port->slot, port->as.slot_presence, port->as.slot_power);
	/* Not turned off by us: it came while we were away. */
	if (port->slot.state == SLOT_OFF && !port->off_by_hand)
		slot_init(&port->slot, false, false);
	if (card)
		(void)snprintf(port->card, sizeof(port->card), "%s", card->name);
	/* An earlier life had not scrubbed it. */
	if (port->slot.state == SLOT_READY && (port->unscrubbed || (card && card->quarantined))) {
		slot_init(&port->slot, false, false);
		feed(f, port, SLOT_LINK_UP);
	}
}

void slot_scanned(struct fabric_provider *p, struct fabric_port *port, struct fabric_adapter *shown)
{
	struct fabric *f = p->f;
	struct fabric_adapter *card = shown && shown->present ? shown : NULL;

	if (shown)
		shown->slot = port->as.has_slot ? port : NULL;
	if (!port->as.has_slot)
		return;
	if (!port->slot_known)
		slot_found(p, port, card);
	observe(f, port, port->as.slot_presence, port->as.slot_power);
	if (port->as.slot_presence && port->as.slot_power && port->as.link)
		feed(f, port, SLOT_LINK_UP);
	if (card)
		card_shown(f, port, card);
}

/* The barrier before a power on; else nobody's. */
static bool settle_completed(struct fabric_provider *p, const struct provider_op *op,
			     const struct provider_completion *done)
{
	struct fabric *f = p->f;

	for (size_t i = 0; i < f->ports.count; i++) {
		struct fabric_port *port = f->ports.at[i];

		if (port->provider != p->number || port->settling != op->attempt)
			continue;
		port->settling = 0;
		port->settled = done->outcome == PROVIDER_DONE;
		slots_look(f, port->settled ? f->now_ms : f->now_ms + AGAIN_MS);
		return true;
	}
	return false;
}

bool slot_completed(struct fabric_provider *p, const struct provider_op *op,
		    const struct provider_completion *done)
{
	struct fabric *f = p->f;

	if (op->verb == PROVIDER_SETTLE)
		return settle_completed(p, op, done);
	if (op->verb != PROVIDER_SLOT_POWER && op->verb != PROVIDER_SLOT_ATTENTION)
		return false;
	for (size_t i = 0; i < f->ports.count; i++) {
		struct fabric_port *port = f->ports.at[i];
		bool is_power = port->power.attempt == op->attempt;
		struct fabric_slot_want *wanted = is_power ? &port->power : &port->led;

		if (port->provider != p->number || wanted->attempt != op->attempt)
			continue;
		wanted->attempt = 0;
		slots_look(f, f->now_ms + AGAIN_MS);
		if (done->outcome == PROVIDER_GATED)
			return true; /* still wanted */
		wanted->is_wanted = false;
		if (done->outcome != PROVIDER_DONE)
			log_warning("port %s: %s: %s: %s", port->name, provider_verb_text(op->verb),
				    provider_outcome_text(done->outcome),
				    done->text[0] ? done->text : provider_why_text(done->why));
		if (!is_power)
			return true;
		if (done->outcome == PROVIDER_DONE && !op->value)
			feed(f, port, SLOT_POWER_IS_OFF);
		else if (done->outcome == PROVIDER_REFUSED || done->outcome == PROVIDER_FAILED)
			feed(f, port, SLOT_POWER_FAILED);
		return true;
	}
	return true;
}

/* ---- scrubbing, and letting go ---- */

struct chosen {
	struct fabric_function *fns[AT_ONCE];
	size_t count;
};

static void release_fill(struct fabric *f, struct fabric_change *change, struct fabric_function *fn)
{
	struct fabric_item *item = &change->items[change->item_count++];
	const struct fabric_provider *p = provider_of_function(f, fn);
	uint16_t at = fn->as.now.host;

	/* A host in it: that one's claim stays (change.c ends it parked). */
	change_fill(f, item, DB_OP_RELEASE, fn, fn->host, fn->vport, NULL);
	if (at && at <= p->host_count && p->hosts[at - 1]) {
		(void)snprintf(item->row.from_host, sizeof(item->row.from_host), "%s",
			       p->hosts[at - 1]->name);
		item->row.from_vport = fn->as.now.vport;
	}
	function_retry_later(f, fn);
}

static void release(struct fabric *f, const struct chosen *chosen)
{
	struct fabric_change *change;

	if (!chosen->count)
		return;
	change = change_make(f, DB_CHANGE_REPAIR, chosen->count);
	if (!change || change_keep(f, change)) {
		change_free(change);
		freeze(f, "out of memory");
		return;
	}
	for (size_t i = 0; i < chosen->count; i++)
		release_fill(f, change, chosen->fns[i]);
	change_store_intent(f, change);
	wake(f);
}

/* Takes @fn up unless it is locked, or to be tried again later. */
static void choose(struct fabric *f, struct chosen *chosen, struct fabric_function *fn)
{
	if (fn->item)
		return; /* card_noticed() when it ends */
	if (fn->retry_ms > f->now_ms || chosen->count == AT_ONCE ||
	    f->change_running >= FABRIC_RUNNING_MAX) {
		slots_look(f, fn->retry_ms > f->now_ms ? fn->retry_ms : f->now_ms + AGAIN_MS);
		return;
	}
	chosen->fns[chosen->count++] = fn;
}

static bool may_change(const struct fabric *f, const struct fabric_adapter *card)
{
	const struct fabric_provider *p = f->providers[card->provider];

	return !f->frozen && card->present && provider_is_usable(p);
}

static void quarantine_end(struct fabric *f, struct fabric_adapter *card)
{
	card->quarantined = false;
	flag_store(f, QUARANTINE_NUMBER, card->name, false);
	f->reconcile_ms = f->now_ms;
	look(f);
	log_notice("adapter %s: scrubbed", card->name);
	history_event(f, "adapter.scrubbed", card->name, "each function was reset and cleared");
	if (card->slot)
		feed(f, card->slot, SLOT_SCRUBBED);
}

static void card_scrub(struct fabric *f, struct fabric_adapter *card)
{
	struct chosen chosen = { .count = 0 };
	bool is_dirty = false;

	if (!may_change(f, card) || (card->slot && card->slot->slot.state != SLOT_SCRUBBING) ||
	    (card->slot && card->slot->scrub_wanted))
		return;
	for (struct fabric_function *fn = card->first; fn; fn = fn->next_in_adapter) {
		if (!fn->dirty)
			continue;
		is_dirty = true;
		choose(f, &chosen, fn);
	}
	if (is_dirty)
		release(f, &chosen);
	else
		quarantine_end(f, card);
}

static void card_let_go(struct fabric *f, struct fabric_port *port)
{
	struct fabric_adapter *card = card_of(f, port);
	struct chosen chosen = { .count = 0 };
	bool is_held = false;

	if (!card) {
		feed(f, port, SLOT_LET_GO);
		return;
	}
	slots_look(f, f->now_ms + AGAIN_MS);
	if (!may_change(f, card))
		return;
	for (struct fabric_function *fn = card->first; fn; fn = fn->next_in_adapter) {
		bool is_bound = !function_is_nowhere(fn) && !fabric_function_is_kept(fn);

		is_held = is_held || is_bound || fn->item;
		if (is_bound)
			choose(f, &chosen, fn);
	}
	release(f, &chosen);
	if (!is_held)
		feed(f, port, SLOT_LET_GO);
}

/* ---- time ---- */

static void port_advance(struct fabric *f, struct fabric_port *port)
{
	enum slot_state before = port->slot.state;
	bool is_unsent = port->power.is_wanted && !port->power.attempt;
	unsigned actions = is_unsent ? 0 : slot_advance(&port->slot, times_of(f), f->now_ms);

	if (actions || port->slot.state != before)
		stepped(f, port, before, SLOT_TIMEOUT, actions);
	if (port->slot.state == SLOT_LEAVING)
		card_let_go(f, port);
	commands_put(f, port);
	if (!port->power.is_wanted || port->power.attempt)
		slots_look(f, port->slot.due_ms);
}

void slots_advance(struct fabric *f)
{
	if (f->now_ms < f->slots_ms || f->frozen)
		return;
	f->slots_ms = UINT64_MAX;
	for (size_t i = 0; i < f->ports.count; i++) {
		struct fabric_port *port = f->ports.at[i];

		if (port->slot_known)
			port_advance(f, port);
	}
	for (size_t i = 0; i < f->adapters.count; i++) {
		struct fabric_adapter *card = f->adapters.at[i];

		if (card->quarantined)
			card_scrub(f, card);
	}
}

uint64_t slots_next_ms(const struct fabric *f)
{
	return f->frozen ? UINT64_MAX : f->slots_ms;
}

const char *fabric_port_slot(const struct fabric_port *port)
{
	return port->slot_known ? slot_state_text(port->slot.state) : NULL;
}
