/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a host says of itself: its own view of its functions, joined to what the switch shows, and
 * hints that it may have died. Nothing is decided by a view: it is told and shown, to people and to
 * programs. A hint is a reason to look, never a verdict (S7).
 *
 * A view counts for the boot that it was told under, and while the host's door is open; it is
 * forgotten when another boot begins and when the host is fenced.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "fabricd/state.h"

const char *fabric_join_text(enum fabric_join condition)
{
	static const char *const texts[FABRIC_JOINS] = {
		[FABRIC_JOIN_NONE] = "",
		[FABRIC_JOIN_UNREPORTED] = "unreported",
		[FABRIC_JOIN_AWAITED] = "awaited",
		[FABRIC_JOIN_NOT_SEEN] = "not-seen",
		[FABRIC_JOIN_SEEN] = "seen",
		[FABRIC_JOIN_NO_DRIVER] = "no-driver",
		[FABRIC_JOIN_OTHER_DEVICE] = "other-device",
		[FABRIC_JOIN_OTHER_SERIAL] = "other-serial",
		[FABRIC_JOIN_OTHER_MAC] = "other-mac",
		[FABRIC_JOIN_OTHER_WWPN] = "other-wwpn",
	};

	return texts[condition];
}

/* ---- which row is it? ---- */

static bool view_counts(const struct fabric_host *host)
{
	return host->seen_ms && !host_is_shut(host) &&
	       (!host->boot_id[0] || !strcmp(host->boot_id, host->seen_boot));
}

static bool is_same_device(const struct fabric_function *fn, const struct fabric_seen *row)
{
	return !fn->as.vendor || !row->vendor ||
	       (row->vendor == fn->as.vendor && row->device == fn->as.device);
}

uint16_t function_slot(const struct fabric_host *host, uint16_t vport)
{
	return host->as.first_slot && vport ? (uint16_t)(host->as.first_slot + vport - 1) : 0;
}

/* A card may have several functions in its slot: the first that is the device that we gave. */
static const struct fabric_seen *row_by_slot(const struct fabric_host *host,
					     const struct fabric_function *fn)
{
	uint16_t slot = function_slot(host, fn->vport);
	const struct fabric_seen *first = NULL;

	for (size_t i = 0; slot && i < host->seen_count; i++) {
		const struct fabric_seen *row = &host->seen[i];

		if (row->slot != slot)
			continue;
		if (is_same_device(fn, row))
			return row;
		if (!first)
			first = row;
	}
	return first;
}

static const struct fabric_seen *row_by_identity(const struct fabric_host *host,
						 const struct fabric_function *fn)
{
	const struct identity *id = &fn->identity;

	for (size_t i = 0; i < host->seen_count; i++) {
		const struct fabric_seen *row = &host->seen[i];

		if ((id->mac && row->mac == id->mac) || (id->wwpn && row->wwpn == id->wwpn))
			return row;
	}
	return NULL;
}

/* A serial is its card's: it says which function only where the host has one of it alone. */
static const struct fabric_seen *row_by_serial(const struct fabric_host *host,
					       const struct fabric_function *fn)
{
	const char *serial = fn->adapter->as.serial;

	for (const struct fabric_function *o = fn->adapter->first; o; o = o->next_in_adapter)
		if (o != fn && o->host == host)
			return NULL;
	for (size_t i = 0; *serial && i < host->seen_count; i++)
		if (!strcmp(host->seen[i].serial, serial))
			return &host->seen[i];
	return NULL;
}

static const struct fabric_seen *row_find(const struct fabric_host *host,
					  const struct fabric_function *fn)
{
	const struct fabric_seen *row = row_by_slot(host, fn);

	if (!row)
		row = row_by_identity(host, fn);
	return row ? row : row_by_serial(host, fn);
}

/* ---- what does it say? ---- */

/* Since when it could have been seen. */
static uint64_t awaited_since_ms(const struct fabric_host *host, const struct fabric_function *fn)
{
	uint64_t since = fn->bound_ms > host->seen_since_ms ? fn->bound_ms : host->seen_since_ms;

	return fn->seen_ms > since ? fn->seen_ms : since;
}

static enum fabric_join condition_of(const struct fabric *f, const struct fabric_function *fn,
				     const struct fabric_seen *row)
{
	const struct fabric_host *host = fn->host;
	const struct identity *id = &fn->identity;

	if (!view_counts(host))
		return FABRIC_JOIN_UNREPORTED;
	if (!row)
		return f->now_ms < awaited_since_ms(host, fn) + f->config.view_patience_ms
			       ? FABRIC_JOIN_AWAITED
			       : FABRIC_JOIN_NOT_SEEN;
	if (!is_same_device(fn, row))
		return FABRIC_JOIN_OTHER_DEVICE;
	if (row->serial[0] && fn->adapter->as.serial[0] &&
	    strcmp(row->serial, fn->adapter->as.serial) != 0)
		return FABRIC_JOIN_OTHER_SERIAL;
	if (row->mac && id->mac && row->mac != id->mac)
		return FABRIC_JOIN_OTHER_MAC;
	if (row->wwpn && id->wwpn && row->wwpn != id->wwpn)
		return FABRIC_JOIN_OTHER_WWPN;
	return row->driver[0] ? FABRIC_JOIN_SEEN : FABRIC_JOIN_NO_DRIVER;
}

__attribute__((format(printf, 2, 3))) static void say(char *out, const char *format, ...)
{
	size_t length = strlen(out);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(out + length, DB_TEXT_MAX - length, format, args); /* cut when longer */
	va_end(args);
}

/* "seen by bay3 as 0000:05:00.0, driver nvme, serial FAB0001, link up" */
static void row_say(const struct fabric_host *host, const struct fabric_seen *row, char *out)
{
	static const char *const links[] = {
		[FABRIC_SEEN_LINK_UNKNOWN] = "",
		[FABRIC_SEEN_LINK_DOWN] = ", link down",
		[FABRIC_SEEN_LINK_UP] = ", link up",
	};
	char text[IDENTITY_TEXT];

	say(out, "seen by %s as %s, %s%s", host->name, row->address,
	    row->driver[0] ? "driver " : "without a driver", row->driver);
	if (row->serial[0])
		say(out, ", serial %s", row->serial);
	if (row->mac) {
		identity_mac_format(row->mac, text);
		say(out, ", MAC %s", text);
	}
	if (row->wwpn) {
		identity_wwn_format(row->wwpn, text);
		say(out, ", WWPN %s", text);
	}
	say(out, "%s", links[row->link]);
}

static void wait_say(uint32_t ms, char *out)
{
	if (ms % 1000)
		say(out, "bound but not seen after %" PRIu32 " ms", ms);
	else
		say(out, "bound but not seen after %" PRIu32 " s", ms / 1000);
}

/* What is other than it should be comes first. */
static void joined_say(const struct fabric *f, const struct fabric_function *fn,
		       struct fabric_joined *joined)
{
	const struct fabric_seen *row = joined->row;
	char seen[IDENTITY_TEXT] = "";
	char given[IDENTITY_TEXT] = "";

	switch (joined->condition) {
	case FABRIC_JOIN_NONE:
	case FABRIC_JOINS:
		return;
	case FABRIC_JOIN_UNREPORTED:
		say(joined->detail, "%s does not tell what it sees", fn->host->name);
		return;
	case FABRIC_JOIN_AWAITED:
		say(joined->detail, "bound, not seen yet");
		return;
	case FABRIC_JOIN_NOT_SEEN:
		wait_say(f->config.view_patience_ms, joined->detail);
		return;
	case FABRIC_JOIN_SEEN:
	case FABRIC_JOIN_NO_DRIVER:
		break;
	case FABRIC_JOIN_OTHER_DEVICE:
		say(joined->detail, "another device is seen: %04x:%04x, not %04x:%04x; ",
		    row->vendor, row->device, fn->as.vendor, fn->as.device);
		break;
	case FABRIC_JOIN_OTHER_SERIAL:
		say(joined->detail, "seen with another serial: %s, not %s; ", row->serial,
		    fn->adapter->as.serial);
		break;
	case FABRIC_JOIN_OTHER_MAC:
		identity_mac_format(row->mac, seen);
		identity_mac_format(fn->identity.mac, given);
		say(joined->detail, "seen with another MAC: %s, not %s; ", seen, given);
		break;
	case FABRIC_JOIN_OTHER_WWPN:
		identity_wwn_format(row->wwpn, seen);
		identity_wwn_format(fn->identity.wwpn, given);
		say(joined->detail, "seen with another WWPN: %s, not %s; ", seen, given);
		break;
	}
	row_say(fn->host, row, joined->detail);
}

static void join(const struct fabric *f, const struct fabric_function *fn,
		 struct fabric_joined *out)
{
	*out = (struct fabric_joined){ .condition = FABRIC_JOIN_NONE };
	if (!fn->host || !function_is_seen_at(fn, fn->host, fn->vport))
		return;
	out->row = view_counts(fn->host) ? row_find(fn->host, fn) : NULL;
	out->condition = condition_of(f, fn, out->row);
}

void fabric_function_joined(const struct fabric *f, const struct fabric_function *fn,
			    struct fabric_joined *out)
{
	join(f, fn, out);
	joined_say(f, fn, out);
}

const struct fabric_function *fabric_seen_function(const struct fabric *f,
						   const struct fabric_host *host,
						   const struct fabric_seen *row)
{
	for (unsigned v = 1; v <= PROVIDER_VPORTS_MAX; v++) {
		const struct fabric_function *fn = host->vports[v];
		struct fabric_joined joined;

		if (!fn || fn->host != host)
			continue;
		join(f, fn, &joined);
		if (joined.row == row)
			return fn;
	}
	return NULL;
}

/* ---- telling ---- */

void seen_look(struct fabric *f, struct fabric_host *host)
{
	if (!host)
		return;
	host->seen_due_ms = 0;
	f->seen_due_ms = 0;
}

/* When a condition may be told: what a driver's start mends is given the time for it, and one
 * function does not tell of itself more often than that. */
static uint64_t tell_ms(const struct fabric *f, const struct fabric_function *fn,
			enum fabric_join condition)
{
	uint64_t patience = f->config.view_patience_ms;
	uint64_t due = 0;

	if (condition == FABRIC_JOIN_NO_DRIVER) {
		due = fn->bound_ms > fn->host->seen_since_ms ? fn->bound_ms
							     : fn->host->seen_since_ms;
		due += patience;
	}
	if (fn->join_told_ms && due < fn->join_told_ms + patience)
		due = fn->join_told_ms + patience;
	return due;
}

static void condition_tell(struct fabric *f, struct fabric_function *fn,
			   struct fabric_joined *joined)
{
	const char *condition = fabric_join_text(joined->condition);

	joined_say(f, fn, joined);
	fn->join_told = joined->condition;
	fn->join_told_ms = f->now_ms;
	if (joined->condition == FABRIC_JOIN_SEEN) {
		log_notice("function %s: %s", fn->name, joined->detail);
		history_event(f, "function.seen", fn->name, "%s", joined->detail);
		return;
	}
	log_warning("function %s: %s", fn->name, joined->detail);
	if (joined->condition == FABRIC_JOIN_NOT_SEEN)
		history_event(f, "function.not-seen", fn->name, "%s by %s", joined->detail,
			      fn->host->name);
	else
		history_event(f, "function.difference", fn->name, "%s: %s", condition,
			      joined->detail);
}

/* Return: when it is to be looked at again; UINT64_MAX: when something is told. */
static uint64_t function_look(struct fabric *f, struct fabric_function *fn)
{
	struct fabric_joined joined;
	uint64_t due;

	join(f, fn, &joined);
	if (joined.row)
		fn->seen_ms = fn->host->seen_ms;
	switch (joined.condition) {
	case FABRIC_JOIN_NONE:
	case FABRIC_JOIN_UNREPORTED:
	case FABRIC_JOINS:
		fn->join_told = FABRIC_JOIN_NONE;
		fn->join_told_ms = 0;
		return UINT64_MAX;
	case FABRIC_JOIN_AWAITED:
		return awaited_since_ms(fn->host, fn) + f->config.view_patience_ms;
	case FABRIC_JOIN_NOT_SEEN:
	case FABRIC_JOIN_SEEN:
	case FABRIC_JOIN_NO_DRIVER:
	case FABRIC_JOIN_OTHER_DEVICE:
	case FABRIC_JOIN_OTHER_SERIAL:
	case FABRIC_JOIN_OTHER_MAC:
	case FABRIC_JOIN_OTHER_WWPN:
		break;
	}
	if (joined.condition == fn->join_told)
		return UINT64_MAX;
	due = tell_ms(f, fn, joined.condition);
	if (due > f->now_ms)
		return due;
	condition_tell(f, fn, &joined);
	return UINT64_MAX;
}

void seen_advance(struct fabric *f)
{
	if (f->now_ms < f->seen_due_ms)
		return;
	f->seen_due_ms = UINT64_MAX;
	for (size_t i = 0; i < f->hosts.count; i++) {
		struct fabric_host *host = f->hosts.at[i];

		if (host->seen_due_ms <= f->now_ms) {
			host->seen_due_ms = UINT64_MAX;
			for (unsigned v = 1; v <= PROVIDER_VPORTS_MAX; v++) {
				struct fabric_function *fn = host->vports[v];
				uint64_t due = fn && fn->host == host && fn->vport == v
						       ? function_look(f, fn)
						       : UINT64_MAX;

				if (due < host->seen_due_ms)
					host->seen_due_ms = due;
			}
		}
		if (host->seen_due_ms < f->seen_due_ms)
			f->seen_due_ms = host->seen_due_ms;
	}
}

/* ---- views ---- */

void seen_forget(struct fabric *f, struct fabric_host *host)
{
	free(host->seen);
	host->seen = NULL;
	host->seen_count = 0;
	host->seen_ms = 0;
	host->seen_since_ms = 0;
	host->seen_boot[0] = '\0';
	seen_look(f, host);
}

void seen_booted(struct fabric *f, struct fabric_host *host)
{
	if (host->seen_ms && strcmp(host->seen_boot, host->boot_id) != 0)
		seen_forget(f, host);
	seen_look(f, host);
}

int fabric_host_seen(struct fabric *f, const char *name, const char *boot_id,
		     const struct fabric_seen *rows, size_t count)
{
	struct fabric_host *host = host_get(f, name);
	struct fabric_seen *copy;

	f->now_ms = f->io.now_ms(f->io.arg);
	if (!host)
		return REFUSE_NO_HOST;
	if (count > FABRIC_SEEN_MAX)
		return REFUSE_TOO_LARGE;
	copy = calloc(count + 1, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	if (count)
		memcpy(copy, rows, count * sizeof(*copy));
	if (!host->seen_ms || strcmp(host->seen_boot, boot_id) != 0)
		host->seen_since_ms = f->now_ms;
	free(host->seen);
	host->seen = copy;
	host->seen_count = count;
	host->seen_ms = f->now_ms;
	(void)snprintf(host->seen_boot, sizeof(host->seen_boot), "%s", boot_id);
	life_agent(f, host, "told its view");
	seen_look(f, host);
	return 0;
}

/* ---- hints ---- */

/* One look at a time: a second one has nothing to add to it. */
bool host_look(struct fabric *f, struct fabric_host *host)
{
	struct fabric_provider *p = provider_of_host(f, host);
	struct provider_op op = { .verb = PROVIDER_READ_HOST };

	if (!provider_is_usable(p) || host->hint_attempt)
		return false;
	op.attempt = attempt_next(f);
	op.host = host->as.handle;
	if (!op.attempt || provider_queue_put(p->queue, host->as.switch_handle, PROVIDER_FOR_FENCE,
					      &op, provider_timeout(p)))
		return false;
	host->hint_attempt = op.attempt;
	live_traffic_ask(&host->traffic, &host->live, f->now_ms);
	wake(f);
	return true;
}

void fabric_host_hint(struct fabric *f, const char *name, const char *what)
{
	struct fabric_host *host = host_get(f, name);

	f->now_ms = f->io.now_ms(f->io.arg);
	if (!host)
		return;
	log_notice("host %s: %s", host->name, what);
	host->hint_ms = f->now_ms;
	(void)snprintf(host->hint_what, sizeof(host->hint_what), "%.63s", what);
	if (host_look(f, host))
		history_event(f, "host.hint", host->name, "%s", what);
}

/* S7: only what the switch says is a witness; no answer says nothing. */
bool hint_completed(struct fabric_provider *p, const struct provider_op *op,
		    const struct provider_completion *done)
{
	struct fabric_host *host =
		op->host && op->host <= p->host_count ? p->hosts[op->host - 1] : NULL;

	if (!host || host->hint_attempt != op->attempt)
		return false;
	host->hint_attempt = 0;
	witness_completed(p->f, host, done);
	if (done->outcome == PROVIDER_DONE)
		host_told(p, &done->host);
	else
		log_info("host %s: it was read in vain: %s", host->name,
			 done->text[0] ? done->text : provider_outcome_text(done->outcome));
	return true;
}

/* ---- what its agent answers ---- */

/* A claim, for people. Said once in each epoch; what may be old, or of another boot, is not. */
void fabric_agent_stopped(struct fabric *f, const char *name, const char *boot_id, uint64_t epoch,
			  uint64_t stopped, uint64_t still, const char *text)
{
	struct fabric_host *host = host_get(f, name);
	struct fabric_incident *incident;
	char claim[DB_TEXT_MAX];
	int n;

	f->now_ms = f->io.now_ms(f->io.arg);
	if (!host || !host_is_shut(host) || epoch != host->epoch_stored ||
	    strcmp(host->boot_id, boot_id) != 0 || host->stopped_epoch == epoch || f->frozen)
		return;
	host->stopped_epoch = epoch;
	n = snprintf(claim, sizeof(claim),
		     "its agent says that it has stopped using %" PRIu64 " function%s", stopped,
		     stopped == 1 ? "" : "s");
	if (still)
		n += snprintf(claim + n, sizeof(claim) - (size_t)n, ", and still uses %" PRIu64,
			      still);
	if (*text)
		(void)snprintf(claim + n, sizeof(claim) - (size_t)n, ": %.255s", text);
	incident = incident_get(f, host->incident);
	if (incident)
		incident_step(f, incident, "claim", "%s", claim);
	history_event(f, "host.stopped-using", host->name, "%s", claim);
	wake(f);
}

void fabric_agent_answered(struct fabric *f, const char *name, uint64_t id,
			   enum fabric_ask_outcome outcome, const char *text)
{
	struct fabric_host *host = host_get(f, name);

	f->now_ms = f->io.now_ms(f->io.arg);
	if (host)
		life_agent(f, host, "answered");
	if (host && id && outcome < FABRIC_ASK_OUTCOMES)
		item_answered(f, host, id, outcome, text);
}
