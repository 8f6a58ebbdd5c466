/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cold spares (S11): bound first and read back, powered on, and given up for the next if the first
 * beat does not come in time.
 *
 * That a host is being started stands in the database from the moment at which it is chosen, in the
 * batch of the change that moves functions to it. How far that has come is seen: its functions are
 * locked by that change, or read back at it; it has power, or not; it beats, or not. So a manager
 * that was killed at any point goes on from there, and a power-on is sent again only to a host that
 * shows no power. What was waited for its first beat is waited for anew.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/defect.h"
#include "common/log.h"
#include "fabricd/state.h"

enum { UNKNOWN_TRIES = 3 }; /* power-ons that nobody answers; then its beat is waited for */

/* ---- who is one ---- */

/* That it is being started must be remembered. */
static bool is_storable(const struct fabric_host *host)
{
	return strlen(host->name) < DB_NAME_MAX - strlen(COLD_NUMBER);
}

bool cold_is_off(const struct fabric *f, const struct fabric_host *host)
{
	const struct fabric_provider *p = provider_of_host(f, host);

	return host->spare && is_storable(host) && !host->functions && !host->fence && p &&
	       host->as.can_power_on && (p->hello.can & PROVIDER_CAN_POWER) &&
	       host->as.state.power_known && !host->as.state.power && !host->as.state.isolated &&
	       (host->state == FABRIC_HOST_UNKNOWN || host->state == FABRIC_HOST_ALIVE ||
		host->state == FABRIC_HOST_SUSPECT);
}

/* One that still beats is not off, whatever the switch says; what sits in it already was put there
 * by someone else. */
bool host_is_cold(const struct fabric *f, const struct fabric_host *host)
{
	return !host->cold.incident && cold_is_off(f, host) && !host_beats(f, host) &&
	       host_free_vports(host) == host->as.vports;
}

enum fabric_spare_kind fabric_host_spare_kind(const struct fabric *f,
					      const struct fabric_host *host)
{
	if (host->cold.incident)
		return FABRIC_SPARE_STARTING;
	if (!host->spare)
		return FABRIC_SPARE_NONE;
	if (host_is_cold(f, host))
		return FABRIC_SPARE_COLD;
	return host->state == FABRIC_HOST_ALIVE ? FABRIC_SPARE_WARM : FABRIC_SPARE_NONE;
}

/* It is not judged any more, and its next beat is its first. */
static void cold_unwatch(struct fabric *f, struct fabric_host *host)
{
	host_unwatch(f, host);
	host->state = FABRIC_HOST_UNKNOWN;
	host->has_beaten = false;
	host->beat_by_ms = 0;
	host->boot_id[0] = '\0';
	host->seq = 0;
	host->verdict_told = false;
	seen_forget(f, host);
}

bool cold_retire(struct fabric *f, struct fabric_host *host)
{
	if (!cold_is_off(f, host))
		return false;
	if (host_beats(f, host))
		return true; /* looked at again when its window is over */
	cold_unwatch(f, host);
	host_store(f, host);
	log_notice("host %s: off, and holds nothing: a cold spare", host->name);
	history_event(f, "host.cold", host->name,
		      "powered off; it holds nothing, and is a cold spare");
	look(f);
	return true;
}

/* ---- one that is being started ---- */

static void cold_store(struct fabric *f, const struct fabric_host *host)
{
	struct db_number row = { .value = host->cold.incident };
	int length = snprintf(row.name, sizeof(row.name), COLD_NUMBER "%s", host->name);

	if (length < (int)sizeof(row.name)) /* is_storable() */
		db_put_number(batch_open(f), &row);
}

void cold_begin(struct fabric *f, struct fabric_host *host, const struct fabric_incident *incident)
{
	cold_unwatch(f, host);
	host->cold = (struct fabric_cold){ .incident = incident->row.id, .since_ms = f->now_ms };
	f->cold_count++;
	host_store(f, host);
	cold_store(f, host);
}

void cold_load(struct fabric *f, struct fabric_host *host, uint64_t incident)
{
	host->cold.incident = incident;
	f->cold_count++;
}

static void cold_end(struct fabric *f, struct fabric_host *host)
{
	host->cold = (struct fabric_cold){ 0 };
	f->cold_count--;
	cold_store(f, host);
	look(f);
}

__attribute__((format(printf, 4, 5))) static void cold_say(struct fabric *f,
							   const struct fabric_host *host,
							   const char *what, const char *format,
							   ...)
{
	struct fabric_incident *incident = incident_get(f, host->cold.incident);
	char detail[DB_TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(detail, sizeof(detail), format, args); /* cut when longer */
	va_end(args);
	if (incident && incident->row.state != DB_INCIDENT_DONE)
		incident_step(f, incident, what, "%s", detail);
	else
		log_notice("host %s: %s: %s", host->name, what, detail);
}

/* Its own incident fences it, and finds the next spare for what it has. */
static void cold_give_up(struct fabric *f, struct fabric_host *host, const char *why)
{
	struct chassis *c = chassis_of_host(f, host);
	struct fabric_incident *incident;
	struct fabric_incident *begun;
	uint64_t first = host->cold.incident;

	cold_say(f, host, "given up", "%s: %s; it is fenced, and the next spare is looked for",
		 host->name, why);
	cold_end(f, host);
	if (c)
		host_rated(f, c, host);
	incident = incident_start(f, host, 0, why);
	if (!incident)
		return;
	incident_step(f, incident, "cold spare", "it was to take over in incident %" PRIu64, first);
	begun = incident_get(f, first);
	if (begun && begun->row.state != DB_INCIDENT_DONE)
		incident_step(f, begun, "goes on", "in incident %" PRIu64 " of %s",
			      incident->row.id, host->name);
}

/* ---- its power ---- */

static void power_on(struct fabric *f, struct fabric_host *host)
{
	struct fabric_provider *p = provider_of_host(f, host);
	struct provider_op op = { .verb = PROVIDER_HOST_POWER,
				  .value = 1,
				  .attempt = attempt_next(f),
				  .epoch = host->epoch,
				  .host = host->as.handle };

	if (!op.attempt || provider_queue_put(p->queue, host->as.switch_handle,
					      PROVIDER_FOR_FAILOVER, &op, provider_timeout(p)))
		return; /* at the next tick */
	host->cold.attempt = op.attempt;
	cold_say(f, host, "power on", "%s: %u function%s bound and read back", host->name,
		 host->functions, host->functions == 1 ? "" : "s");
}

bool cold_gate(const struct fabric_host *host, const struct provider_op *op)
{
	return host->cold.incident && host->cold.attempt == op->attempt && host_is_open(host) &&
	       host->epoch == op->epoch;
}

static void beat_await(struct fabric *f, struct fabric_host *host, const char *why)
{
	host->cold.beat_by_ms = f->now_ms + f->config.cold_start_ms;
	cold_say(f, host, "first beat",
		 "%s: %s; its first beat is waited for, at most %" PRIu32 " s", host->name, why,
		 f->config.cold_start_ms / 1000);
}

void cold_completed(struct fabric_provider *p, const struct provider_op *op,
		    const struct provider_completion *done)
{
	struct fabric *f = p->f;
	struct fabric_host *host = op->host <= p->host_count ? p->hosts[op->host - 1] : NULL;

	if (!host || !host->cold.incident || host->cold.attempt != op->attempt)
		return;
	host->cold.attempt = 0;
	if (f->frozen)
		return;
	switch (done->outcome) {
	case PROVIDER_DONE:
		beat_await(f, host, "it has power");
		break;
	case PROVIDER_UNKNOWN: /* to say it twice does no harm */
		if (++host->cold.unknowns >= UNKNOWN_TRIES)
			beat_await(f, host, "the switch does not say whether it has power");
		break;
	case PROVIDER_REFUSED:
	case PROVIDER_FAILED:
		/* Whether it beats all the same is seen at the next look (S3). */
		(void)snprintf(host->cold.refused, sizeof(host->cold.refused), "%s",
			       done->text[0] ? done->text : provider_why_text(done->why));
		break;
	case PROVIDER_GATED:
		break;
	}
	look(f);
}

/* ---- step by step, from what is seen ---- */

/* A change still leads to it, or away from it. */
static bool is_led_to(const struct fabric_host *host)
{
	for (unsigned v = 1; v <= PROVIDER_VPORTS_MAX; v++)
		if (host->vports[v] && host->vports[v]->item)
			return true;
	return false;
}

/* Return: functions that are read back at it; @missing: those that are to be and are not. */
static unsigned bound_count(const struct fabric_host *host, unsigned *missing)
{
	unsigned bound = 0;

	*missing = 0;
	for (uint16_t v = 1; v <= PROVIDER_VPORTS_MAX; v++) {
		const struct fabric_function *fn = host->vports[v];

		if (!fn || fn->host != host)
			continue;
		if (function_is_seen_at(fn, host, v) && !fn->as.now.unknown && !fn->doubt)
			bound++;
		else if (fn->assigned != DB_ASSIGNMENT_PARKED)
			++*missing;
	}
	return bound;
}

/* Bound first: what is missing is bound again by a repair, which is waited for, but not for ever.
 * To have nothing it need not run. */
static void cold_bind(struct fabric *f, struct fabric_host *host)
{
	unsigned missing;
	unsigned bound;

	if (DEFECT(COLD_UNBOUND)) {
		power_on(f, host);
		return;
	}
	if (is_led_to(host))
		return;
	if (!host->functions) {
		cold_say(f, host, "not started", "%s: nothing could be bound to it", host->name);
		host->spare = true;
		host_store(f, host);
		cold_end(f, host);
		return;
	}
	if (!host->cold.since_ms)
		host->cold.since_ms = f->now_ms;
	bound = bound_count(host, &missing);
	if ((missing || !bound) && f->now_ms < host->cold.since_ms + f->config.cold_start_ms)
		return;
	if (!bound) {
		if (!host->cold.told)
			cold_say(f, host, "not started",
				 "%s: nothing is bound to it yet; once something is, it is "
				 "powered on",
				 host->name);
		host->cold.told = true;
		return;
	}
	if (host->as.state.power_known && host->as.state.power)
		beat_await(f, host, "it has power already");
	else
		power_on(f, host);
}

/* A beat that is missed because nobody listened is no verdict (S3, S4, S6). */
static bool may_give_up(struct fabric *f, const struct fabric_host *host)
{
	const struct live_config live = live_config_of(f);
	const struct chassis *c = chassis_of_host(f, host);
	uint64_t since_ms = f->io.db_waiting_since_ms(f->io.arg);

	if (f->now_ms > f->cold_looked_ms + FABRIC_TICK_MS + live.interval_ms)
		return false;
	if (since_ms && f->now_ms > since_ms + live.interval_ms)
		return false;
	return c && c->live.judging && !c->live.hold &&
	       f->now_ms >= c->live.quiet_since_ms + live_window_ms(&live);
}

static void cold_listen(struct fabric *f, struct fabric_host *host)
{
	const struct live_config live = live_config_of(f);
	uint64_t fresh_ms = f->now_ms + live_window_ms(&live);
	const struct provider_host_state *state = &host->as.state;
	char why[DB_TEXT_MAX];

	if (state->power_known && state->power)
		host->cold.had_power = true;
	if (host->cold.had_power && state->power_known && !state->power) {
		cold_give_up(f, host, "it has lost its power again, before its first beat");
		return;
	}
	if (!may_give_up(f, host)) {
		if (host->cold.beat_by_ms < fresh_ms)
			host->cold.beat_by_ms = fresh_ms;
		return;
	}
	if (f->now_ms < host->cold.beat_by_ms)
		return;
	(void)snprintf(why, sizeof(why), "no beat within %" PRIu32 " s of its power-on",
		       f->config.cold_start_ms / 1000);
	cold_give_up(f, host, why);
}

static void cold_refused(struct fabric *f, struct fabric_host *host)
{
	char why[DB_TEXT_MAX];

	(void)snprintf(why, sizeof(why), "the switch does not power it on: %s", host->cold.refused);
	cold_give_up(f, host, why);
}

static void cold_advance(struct fabric *f, struct fabric_host *host)
{
	const struct fabric_provider *p = provider_of_host(f, host);

	if (host->state == FABRIC_HOST_ALIVE || host->state == FABRIC_HOST_SUSPECT) {
		cold_say(f, host, "started", "%s beats", host->name);
		cold_end(f, host);
	} else if (host->state == FABRIC_HOST_MAINTENANCE) {
		/* Of an earlier version's database: once nobody works at it, it is waited for. */
		host->cold.beat_by_ms = 0;
	} else if (host->state != FABRIC_HOST_UNKNOWN) {
		cold_say(f, host, "left alone", "%s is %s", host->name,
			 fabric_host_state_text(host->state));
		cold_end(f, host);
	} else if (host->cold.refused[0]) {
		cold_refused(f, host);
	} else if (!provider_is_usable(p) || !p->reconciled || host->cold.attempt) {
		return;
	} else if (host->cold.beat_by_ms) {
		cold_listen(f, host);
	} else {
		cold_bind(f, host);
	}
}

void colds_advance(struct fabric *f)
{
	if (!f->frozen && !f->restored && f->cold_count)
		for (size_t i = 0; i < f->hosts.count; i++) {
			struct fabric_host *host = f->hosts.at[i];

			if (host->cold.incident)
				cold_advance(f, host);
		}
	f->cold_looked_ms = f->now_ms;
}

uint64_t colds_next_ms(const struct fabric *f)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; f->cold_count && i < f->hosts.count; i++) {
		const struct fabric_host *host = f->hosts.at[i];

		/* What cannot be acted on now is looked at with the tick. */
		if (host->cold.beat_by_ms > f->now_ms && host->cold.beat_by_ms < next)
			next = host->cold.beat_by_ms;
	}
	return next;
}

bool cold_is_awaited(const struct fabric *f, const struct fabric_incident *incident)
{
	for (size_t i = 0; f->cold_count && i < f->hosts.count; i++) {
		const struct fabric_host *host = f->hosts.at[i];

		if (host->cold.incident == incident->row.id)
			return true;
	}
	return false;
}
