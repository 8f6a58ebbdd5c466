/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From beats, and from their absence, to verdicts: S2 to S7. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/defect.h"
#include "common/log.h"
#include "fabricd/state.h"

/* Said again so often, while it lasts. */
enum { TWO_AGENTS_MS = 3600000 };

struct live_config live_config_from(const struct config *c)
{
	static const enum live_policy policies[] = {
		[CONFIG_WITNESS_NONE] = LIVE_WITNESS_NONE,
		[CONFIG_WITNESS_ANY] = LIVE_WITNESS_ANY,
		[CONFIG_WITNESS_ALL] = LIVE_WITNESS_ALL,
	};

	return (struct live_config){ .interval_ms = c->beat_interval_ms,
				     .missed = c->beat_missed,
				     .storm_percent = c->storm_percent,
				     .storm_min = c->storm_min,
				     .policy = policies[c->witness] };
}

struct live_config live_config_of(const struct fabric *f)
{
	return live_config_from(&f->config);
}

/* ---- verdicts ---- */

bool incident_is_busy(struct fabric *f, const struct fabric_incident *incident)
{
	if (incident->row.drill)
		return false; /* a death does not wait for it */
	/* A host that starts up keeps no other waiting. */
	if (cold_is_awaited(f, incident) && !incident_change(f, incident))
		return false;
	return incident->row.state == DB_INCIDENT_FENCING ||
	       incident->row.state == DB_INCIDENT_MOVING;
}

/* S5: one at a time per switch, so many per chassis. A proved death waits for nobody. */
static bool switch_is_busy(struct fabric *f, const struct fabric_host *host)
{
	for (size_t i = 0; i < f->incident_count; i++) {
		const struct fabric_incident *o = f->incidents[i];

		if (o->host && o->host->provider == host->provider &&
		    o->host->as.switch_handle == host->as.switch_handle && incident_is_busy(f, o))
			return true;
	}
	return false;
}

static bool rate_allows(const struct fabric *f, const struct chassis *c)
{
	return live_rate_allows(&c->rate, f->config.rate_count, f->config.rate_window_ms,
				f->now_ms);
}

static void host_suspect(struct fabric *f, struct chassis *c, struct fabric_host *host)
{
	if (host->state != FABRIC_HOST_ALIVE && host->state != FABRIC_HOST_UNKNOWN)
		return;
	host->state = FABRIC_HOST_SUSPECT;
	host->suspected_ms = f->now_ms;
	host->suspect_with_others = false;
	flap_company(f, c);
	log_notice("host %s: suspect, beats are missing", host->name);
	history_event(f, "host.suspect", host->name, "last beat %" PRIu64 " ms ago",
		      f->now_ms - host->live.last_beat_ms);
}

static void host_recovered(struct fabric *f, struct fabric_host *host)
{
	if (host->state == FABRIC_HOST_MAINTENANCE)
		f->reconcile_ms = f->now_ms;
	if (host->state != FABRIC_HOST_SUSPECT)
		return;
	host->state = FABRIC_HOST_ALIVE;
	f->reconcile_ms = f->now_ms;
	log_notice("host %s: beats again", host->name);
	history_event(f, "host.alive", host->name, "beats again");
	if (!host->suspect_with_others)
		flap_note(f, host);
	flap_judge(f, host);
}

/* Why @host counts as dead. */
static void cause_say(const struct fabric *f, const struct fabric_host *host, bool proved,
		      char cause[static DB_TEXT_MAX])
{
	if (proved)
		(void)snprintf(cause, DB_TEXT_MAX, "%s at the switch",
			       host->as.state.power ? "link is down" : "powered off");
	else
		(void)snprintf(cause, DB_TEXT_MAX, "silent for %u beats of %u ms",
			       f->config.beat_missed, f->config.beat_interval_ms);
}

static void host_dead(struct fabric *f, struct chassis *c, struct fabric_host *host, bool proved)
{
	char cause[DB_TEXT_MAX];

	if (host_is_shut(host))
		return;
	if (proved && cold_retire(f, host)) {
		night_say(f, host, RECORD_OFF);
		return;
	}
	cause_say(f, host, proved, cause);
	if (upkeep_verdict(f, host, cause)) {
		night_say(f, host, RECORD_NOT_ACTED);
		return;
	}
	if (!proved && switch_is_busy(f, host)) {
		night_say(f, host, RECORD_WAITS);
		host_suspect(f, c, host);
		return;
	}
	if (!proved && !rate_allows(f, c)) {
		night_say(f, host, RECORD_RATED);
		host_suspect(f, c, host);
		return;
	}
	if (!proved)
		failover_note(f, c, host);
	night_say(f, host, proved ? RECORD_PROVED : RECORD_FENCED);
	flap_note(f, host);
	(void)incident_start(f, host, 0, cause);
}

/* S2: wall time is for display. */
static uint64_t judged_ms(const struct fabric *f)
{
	if (DEFECT(WALL_CLOCK))
		return f->started_ms + f->io.wall_ms(f->io.arg) - f->started_wall_ms;
	return f->now_ms;
}

static void hold_tell(struct fabric *f, const struct chassis *c)
{
	const struct fabric_host *unheard = witness_unheard(f, c);

	if (!c->live.hold) {
		log_err("chassis %u: automatic failover goes on", c->number);
		history_event(f, "failover.resume", "fabric", "chassis %u", c->number);
	} else if (unheard) {
		log_err("chassis %u: automatic failover is held: %s is silent, but it sends",
			c->number, unheard->name);
		history_event(f, "failover.hold", "fabric",
			      "chassis %u: %s is silent, but traffic comes from it", c->number,
			      unheard->name);
	} else {
		log_err("chassis %u: automatic failover is held, many hosts are silent at once",
			c->number);
		history_event(f, "failover.hold", "fabric",
			      "chassis %u: many hosts are silent at once", c->number);
	}
}

static void chassis_judge(struct fabric *f, struct chassis *c, const struct live_config *live)
{
	const uint64_t db_waits_ms = f->io.db_waiting_since_ms(f->io.arg);
	const uint64_t now_ms = judged_ms(f);
	bool turned;

	upkeep_refresh(c);
	night_look(f, c, now_ms, db_waits_ms);
	turned = live_judge(&c->live, live, c->lives, c->host_count, now_ms, db_waits_ms,
			    c->verdicts);
	if (turned) {
		record_hold(&c->record, c->live.hold);
		hold_tell(f, c);
	}
	for (size_t i = 0; i < c->host_count; i++) {
		switch (c->verdicts[i]) {
		case LIVE_NOTHING:
			break;
		case LIVE_SUSPECTED:
			night_say(f, c->hosts[i], RECORD_SUSPECTED);
			host_suspect(f, c, c->hosts[i]);
			break;
		case LIVE_RECOVERED:
			night_say(f, c->hosts[i], RECORD_RECOVERED);
			host_recovered(f, c->hosts[i]);
			break;
		case LIVE_DEAD:
		case LIVE_DEAD_PROVED:
			host_dead(f, c, c->hosts[i], c->verdicts[i] == LIVE_DEAD_PROVED);
			break;
		}
	}
}

/* S6 asks for the chassis' own provider alone (live.judging). */
static bool any_is_away(const struct fabric *f)
{
	for (size_t i = 0; i < f->provider_count; i++)
		if (!f->providers[i]->reconciled)
			return true;
	return false;
}

/* Readmitted, and its first beat has not come in time: it is judged as any that was heard, and is
 * not any more, with a full fresh window. Return: when that is so for the next. */
static uint64_t awaited_watch(struct fabric *f, const struct chassis *c)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < c->host_count; i++) {
		struct fabric_host *host = c->hosts[i];

		if (!host->beat_by_ms)
			continue;
		if (f->now_ms < host->beat_by_ms) {
			next = host->beat_by_ms < next ? host->beat_by_ms : next;
			continue;
		}
		host->beat_by_ms = 0;
		if (cold_retire(f, host))
			continue;
		log_notice("host %s: has not beaten since it was readmitted", host->name);
		host_watch(f, host);
	}
	return next;
}

void hosts_judge(struct fabric *f)
{
	const struct live_config live = live_config_of(f);

	/* What a restored database says of who owns what is last week's: nobody is failed over by
	 * it before a person has adopted what the switch shows. */
	if (f->frozen || (f->restored && !DEFECT(REPAIR_RESTORED))) {
		f->judge_ms = UINT64_MAX;
		return;
	}
	if (f->now_ms < f->judge_ms)
		return;
	f->judge_ms = UINT64_MAX;
	for (size_t i = 0; i < f->chassis_count; i++) {
		struct chassis *c = &f->chassis[i];
		uint64_t awaited;
		uint64_t next;
		uint64_t reading;

		if (!c->live.judging || (DEFECT(ONE_DELAYS_ALL) && any_is_away(f)))
			continue;
		awaited = awaited_watch(f, c);
		reading = witnesses_advance(f, c, &live);
		chassis_judge(f, c, &live);
		next = live_next_ms(&c->live, &live, c->lives, c->host_count, f->now_ms);
		if (reading < next)
			next = reading;
		if (awaited < next)
			next = awaited;
		if (next <= f->now_ms)
			next = f->now_ms + 10;
		if (next < f->judge_ms)
			f->judge_ms = next;
	}
}

/* ---- beats ---- */

/* No kernel has the boot id of before again. */
static bool is_former_boot(const struct fabric_host *host, const char *boot_id)
{
	for (unsigned i = 0; i < host->former.count && i < FABRIC_BOOTS; i++)
		if (!strcmp(host->former.ids[i], boot_id))
			return true;
	return false;
}

/* Both count: which of them is the host cannot be told, and one that lives is not to be fenced. */
static void two_agents_tell(struct fabric *f, struct fabric_host *host, const char *boot_id)
{
	host->former.back_ms = f->now_ms;
	if (host->former.told_ms && f->now_ms - host->former.told_ms < TWO_AGENTS_MS)
		return;
	host->former.told_ms = f->now_ms;
	log_warning("host %s: two agents beat as it, under boot ids %s and %s", host->name,
		    host->boot_id, boot_id);
	history_event(f, "host.two-agents", host->name, "boot ids %s and %s", host->boot_id,
		      boot_id);
}

/* It beats under another boot id than before. Return: true when that is a boot of its own. */
static bool boot_change(struct fabric *f, struct fabric_host *host, const char *boot_id)
{
	bool is_back = is_former_boot(host, boot_id);

	if (is_back) {
		two_agents_tell(f, host, boot_id);
	} else {
		log_notice("host %s: has booted anew", host->name);
		history_event(f, "host.booted", host->name, "boot id %s", boot_id);
	}
	if (!is_former_boot(host, host->boot_id))
		(void)snprintf(host->former.ids[host->former.count++ % FABRIC_BOOTS],
			       FABRIC_NAME_MAX, "%s", host->boot_id);
	return !is_back;
}

static void beat_first(struct fabric *f, struct fabric_host *host, const char *boot_id)
{
	bool is_news = !host->has_beaten || host->state == FABRIC_HOST_UNKNOWN;

	if (host->has_beaten && strcmp(host->boot_id, boot_id) != 0)
		is_news |= boot_change(f, host, boot_id);
	host->has_beaten = true;
	host->beat_by_ms = 0;
	(void)snprintf(host->boot_id, sizeof(host->boot_id), "%s", boot_id);
	seen_booted(f, host);
	if (!host_is_shut(host) && !host->live.watched)
		host_watch(f, host);
	if (host->state == FABRIC_HOST_UNKNOWN) {
		host->state = FABRIC_HOST_ALIVE;
		log_notice("host %s: alive", host->name);
		history_event(f, "host.alive", host->name, "first beat");
	}
	/* Two that take turns would have it written with each beat. */
	if (is_news)
		host_store(f, host);
}

/* Its agent acts once in each epoch: it is told with the epoch of this fence, which is once that is
 * durable. Until then nothing was done to it. */
static int beat_answer(const struct fabric_host *host)
{
	bool is_told = host->state != FABRIC_HOST_FENCING || host->epoch_stored >= host->epoch;

	return host_is_shut(host) && is_told ? REFUSE_HOST_FENCED : 0;
}

int fabric_beat(struct fabric *f, const char *name, const char *boot_id, uint64_t seq,
		uint64_t received_ms, uint64_t *epoch)
{
	const struct live_config live = live_config_of(f);
	struct fabric_host *host = host_get(f, name);

	f->now_ms = f->io.now_ms(f->io.arg);
	if (!host)
		return REFUSE_NO_HOST;
	*epoch = host->epoch_stored;
	if (!strcmp(host->boot_id, boot_id) && host->seq && seq <= host->seq)
		return REFUSE_FIELD;
	if (host_is_shut(host)) {
		/* It is noted that it beats: readmit asks for it. */
		drill_beat(f, host, received_ms);
		host->live.last_beat_ms = received_ms;
		night_beat(f, host, received_ms);
		fence_heard(f, host);
		return beat_answer(host);
	}
	if (!host->has_beaten || strcmp(host->boot_id, boot_id) != 0 || host->beat_by_ms ||
	    host->state == FABRIC_HOST_UNKNOWN)
		beat_first(f, host, boot_id);
	host->seq = seq;
	live_beat(&host->live, &live, received_ms);
	night_beat(f, host, received_ms);
	if (host->live.witness != LIVE_SAYS_DEAD)
		host->verdict_told = false;
	/* It was watched afresh meanwhile: nobody else remembers that it was suspected. */
	if (!host->live.suspect)
		host_recovered(f, host);
	if (host->state == FABRIC_HOST_SUSPECT)
		f->judge_ms = 0;
	else if (f->judge_ms > f->now_ms + live.interval_ms)
		f->judge_ms = f->now_ms + live.interval_ms;
	if (f->batch || !f->judge_ms)
		wake(f);
	return 0;
}

int fabric_beat_answer(const struct fabric *f, const char *name)
{
	const struct fabric_host *host = fabric_host_find(f, name);

	if (!host)
		return REFUSE_NO_HOST;
	return beat_answer(host);
}

void fabric_epoch_told(struct fabric *f, const char *name, uint64_t epoch)
{
	const struct fabric_host *host = host_get(f, name);

	f->now_ms = f->io.now_ms(f->io.arg);
	if (!host || epoch <= host->epoch || f->frozen)
		return;
	freeze_by(f, FREEZE_EARLIER,
		  "host %s was told epoch %" PRIu64 " from this database, which has %" PRIu64
		  ": it is an earlier state of it",
		  name, epoch, host->epoch);
}

struct chassis *chassis_of_host(struct fabric *f, const struct fabric_host *host)
{
	return host->chassis ? &f->chassis[host->chassis - 1] : NULL;
}

/* Its word is no proof that it is off: all that a verdict waits for holds, but its window. */
static bool is_believed(const struct fabric *f, const struct fabric_host *host)
{
	return !f->frozen && !f->restored &&
	       (host->state == FABRIC_HOST_ALIVE || host->state == FABRIC_HOST_SUSPECT);
}

static bool may_leave(struct fabric *f, const struct fabric_host *host, const struct chassis *c)
{
	return is_believed(f, host) && c->live.judging && !c->live.hold &&
	       !switch_is_busy(f, host) && rate_allows(f, c);
}

int fabric_leaving(struct fabric *f, const char *name, const char *boot_id, uint64_t seq,
		   uint64_t received_ms, uint64_t *epoch)
{
	int r = fabric_beat(f, name, boot_id, seq, received_ms, epoch);
	struct fabric_host *host = host_get(f, name);
	struct chassis *c;
	bool may;

	if (r)
		return r;
	c = chassis_of_host(f, host);
	may = c && may_leave(f, host, c);
	night_leave(f, host, is_believed(f, host), may);
	if (!may) {
		log_notice("host %s: leaves; it cannot be fenced now, its window runs", name);
		return 0;
	}
	failover_note(f, c, host);
	if (!incident_start(f, host, 0, "left"))
		return -ENOMEM;
	*epoch = host->epoch_stored;
	wake(f);
	return REFUSE_HOST_FENCED;
}

static struct beat_way *beat_way_get(struct beats *beats, const char *name)
{
	for (size_t i = 0; i < BEAT_WAYS; i++) {
		struct beat_way *way = &beats->ways[i];

		if (!way->name[0])
			(void)snprintf(way->name, sizeof(way->name), "%s", name);
		if (!strcmp(way->name, name))
			return way;
	}
	return NULL;
}

void fabric_beat_heard(struct fabric *f, const char *name, const char *way_name,
		       enum beat_kind kind, uint64_t received_ms)
{
	struct fabric_host *host = host_get(f, name);
	struct beat_way *way;

	if (!host)
		return;
	host->beats.counts[kind]++;
	if (kind == BEAT_FORGED)
		host->unopened++;
	else if (kind == BEAT_COUNTED)
		host->unopened = 0;
	if (kind != BEAT_COUNTED && kind != BEAT_REORDERED)
		return;
	way = beat_way_get(&host->beats, way_name);
	if (!way)
		return;
	way->count++;
	if (received_ms > way->heard_ms)
		way->heard_ms = received_ms;
}
bool host_beats(const struct fabric *f, const struct fabric_host *host)
{
	const struct live_config live = live_config_of(f);

	return host->live.last_beat_ms &&
	       f->now_ms - host->live.last_beat_ms <= live_window_ms(&live);
}
