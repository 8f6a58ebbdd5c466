/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the judging of hosts was told: put down as it comes (failover/record.h), stored with each
 * incident, and run again for people.
 *
 * An incident's record is stored twice: with its verdict, and once more three windows later, when
 * it tells what came after. The second one says whether the host was heard again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/defect.h"
#include "common/night_key.h"
#include "fabricd/state.h"

enum {
	WINDOWS_AFTER = 3,
	RUN_BYTES = 1 << 20, /* of a record that is run at once: some 50 ms */
};

static struct record_settings settings_of(const struct config *c)
{
	return (struct record_settings){ .live = live_config_from(c),
					 .rate_count = c->rate_count,
					 .rate_window_ms = c->rate_window_ms };
}

static struct record_view view_of(const struct chassis *c)
{
	return (struct record_view){ &c->live, &c->rate, c->lives, c->host_count };
}

/* NULL: it is in none. */
static struct recorder *recorder_of(struct fabric *f, const struct fabric_host *host)
{
	return host->chassis ? &f->chassis[host->chassis - 1].record : NULL;
}

/* ---- what comes ---- */

static bool host_is_busy(struct fabric *f, const struct fabric_host *host)
{
	const struct fabric_incident *incident = incident_get(f, host->incident);

	return incident && incident->host == host && incident_is_busy(f, incident);
}

static bool is_off_on_purpose(const struct fabric *f, const struct fabric_host *host)
{
	return host->live.witness == LIVE_SAYS_DEAD && cold_is_off(f, host);
}

void night_begin(struct fabric *f, struct chassis *c)
{
	struct record_host *hosts = calloc(c->host_count + 1, sizeof(*hosts));
	const struct record_settings settings = settings_of(&f->config);
	const struct record_view view = view_of(c);

	record_stop(&c->record);
	if (!hosts)
		return;
	for (size_t i = 0; i < c->host_count; i++)
		hosts[i] = (struct record_host){
			.shut = host_is_shut(c->hosts[i]),
			.busy = host_is_busy(f, c->hosts[i]),
			.cold = is_off_on_purpose(f, c->hosts[i]),
			.group = (uint16_t)c->hosts[i]->as.switch_handle,
		};
	record_anew(&c->record, &settings, &view, hosts, f->now_ms);
	free(hosts);
}

void night_look(struct fabric *f, struct chassis *c, uint64_t now_ms, uint64_t db_waits_since_ms)
{
	const struct record_settings settings = settings_of(&f->config);
	const struct record_view view = view_of(c);

	for (size_t i = 0; i < c->host_count; i++) {
		record_cold(&c->record, i, is_off_on_purpose(f, c->hosts[i]));
		record_busy(&c->record, i, host_is_busy(f, c->hosts[i]), f->now_ms);
	}
	record_judge(&c->record, &settings, &view, now_ms, db_waits_since_ms);
}

void night_say(struct fabric *f, const struct fabric_host *host, enum record_said said)
{
	struct recorder *r = recorder_of(f, host);

	if (r)
		record_say(r, host->place, said);
}

void night_beat(struct fabric *f, const struct fabric_host *host, uint64_t received_ms)
{
	struct recorder *r = recorder_of(f, host);

	if (r)
		record_beat(r, host->place, received_ms);
}

void night_leave(struct fabric *f, const struct fabric_host *host, bool may, bool is_fenced)
{
	struct recorder *r = recorder_of(f, host);

	if (!r)
		return;
	/* What an incident waits for may have ended without a word. */
	for (size_t i = 0; i < r->count; i++)
		record_busy(r, i, host_is_busy(f, f->chassis[host->chassis - 1].hosts[i]),
			    f->now_ms);
	record_leave(r, host->place, may, is_fenced, f->now_ms);
}

void night_witness(struct fabric *f, const struct fabric_host *host)
{
	struct recorder *r = recorder_of(f, host);

	if (r && !DEFECT(UNRECORDED))
		record_witness(r, host->place, host->live.witness, f->now_ms);
}

void night_open(struct fabric *f, const struct fabric_host *host)
{
	struct recorder *r = recorder_of(f, host);

	if (r)
		record_open(r, host->place, f->now_ms);
}

void night_incident(struct fabric *f, const struct fabric_incident *incident)
{
	struct recorder *r = incident->host ? recorder_of(f, incident->host) : NULL;

	if (r)
		record_busy(r, incident->host->place, incident_is_busy(f, incident), f->now_ms);
}

void host_watch(struct fabric *f, struct fabric_host *host)
{
	struct recorder *r = recorder_of(f, host);

	live_watch(&host->live, f->now_ms);
	if (r)
		record_watch(r, host->place, f->now_ms);
}

void host_shut_out(struct fabric *f, struct fabric_host *host)
{
	struct recorder *r = recorder_of(f, host);

	live_unwatch(&host->live);
	if (r)
		record_begin(r, host->place, f->now_ms);
}

void host_unwatch(struct fabric *f, struct fabric_host *host)
{
	struct recorder *r = recorder_of(f, host);

	live_unwatch(&host->live);
	if (r)
		record_unwatch(r, host->place, f->now_ms);
}

void host_rated(struct fabric *f, struct chassis *c, const struct fabric_host *host)
{
	failover_note(f, c, host);
	record_rate(&c->record, host->place, f->now_ms);
}

/* ---- stored with the incident ---- */

static const char *place_name(const void *arg, size_t n)
{
	const struct chassis *c = arg;

	return c->hosts[n]->name;
}

/* REPLAY_SET_...; 0: it may not be set. */
static const unsigned set_bits[NIGHT_KEYS] = {
	[NIGHT_MISSED] = REPLAY_SET_MISSED,
	[NIGHT_WITNESS] = REPLAY_SET_POLICY,
	[NIGHT_STORM_PERCENT] = REPLAY_SET_STORM_PERCENT,
	[NIGHT_STORM_MIN] = REPLAY_SET_STORM_MIN,
	[NIGHT_RATE_COUNT] = REPLAY_SET_RATE_COUNT,
	[NIGHT_RATE_WINDOW] = REPLAY_SET_RATE_WINDOW,
};

static void key_name(size_t n, char out[static FABRIC_NAME_MAX])
{
	(void)snprintf(out, FABRIC_NAME_MAX, "%s.%s", night_keys[n].section, night_keys[n].name);
}

bool fabric_replay_setting(size_t n, const struct record_settings *settings,
			   char name[static FABRIC_NAME_MAX], char value[static FABRIC_NAME_MAX])
{
	static const char *const policies[] = {
		[LIVE_WITNESS_NONE] = "none", [LIVE_WITNESS_ANY] = "any", [LIVE_WITNESS_ALL] = "all"
	};
	const uint32_t numbers[NIGHT_KEYS] = {
		[NIGHT_INTERVAL] = settings->live.interval_ms,
		[NIGHT_MISSED] = settings->live.missed,
		[NIGHT_STORM_PERCENT] = settings->live.storm_percent,
		[NIGHT_STORM_MIN] = settings->live.storm_min,
		[NIGHT_RATE_COUNT] = settings->rate_count,
		[NIGHT_RATE_WINDOW] = settings->rate_window_ms,
	};

	if (n >= NIGHT_KEYS)
		return false;
	key_name(n, name);
	if (n == NIGHT_WITNESS)
		(void)snprintf(value, FABRIC_NAME_MAX, "%s", policies[settings->live.policy]);
	else
		(void)snprintf(value, FABRIC_NAME_MAX, "%" PRIu32 "%s", numbers[n],
			       night_keys[n].is_time ? "ms" : "");
	return true;
}

static void settings_say(const struct fabric *f, char out[static DB_TEXT_MAX])
{
	const struct record_settings settings = settings_of(&f->config);
	size_t at = 0;

	for (size_t i = 0; i < NIGHT_KEYS; i++) {
		char name[FABRIC_NAME_MAX];
		char value[FABRIC_NAME_MAX];

		(void)fabric_replay_setting(i, &settings, name, value); /* there are so many */
		at += (size_t)snprintf(out + at, DB_TEXT_MAX - at, "%s%s=%s", i ? " " : "", name,
				       value);
	}
}

void night_keep(struct fabric *f, struct fabric_incident *incident, const uint8_t *bytes,
		size_t length)
{
	uint8_t *copy = malloc(length + 1);

	if (!copy)
		return; /* it stands in the database all the same */
	memcpy(copy, bytes, length);
	f->record_bytes += length;
	f->record_bytes -= incident->record_length;
	free(incident->record);
	incident->record = copy;
	incident->record_length = length;
	for (size_t i = 0; i < f->incident_count && f->record_bytes > FABRIC_RECORD_BYTES; i++) {
		struct fabric_incident *old = f->incidents[i];

		if (old == incident)
			continue;
		f->record_bytes -= old->record_length;
		free(old->record);
		old->record = NULL;
		old->record_length = 0;
	}
}

static void record_store(struct fabric *f, struct fabric_incident *incident)
{
	const struct fabric_host *host = incident->host;
	const struct chassis *c = &f->chassis[host->chassis - 1];
	const struct record_view view = view_of(c);
	struct db_record row = { .incident = incident->row.id };
	OWNED(buf_done) struct buf bytes = { 0 };

	/* Begun anew since: what it is about is not in there any more. */
	if (record_since_ms(&c->record) > incident->verdict_ms)
		return;
	if (record_export(&c->record, &view, host->place, incident->started_ms, f->now_ms,
			  place_name, c, &bytes))
		return;
	settings_say(f, row.settings);
	row.data = (struct db_bytes){ bytes.data, bytes.length };
	db_put_record(batch_open(f), &row);
	night_keep(f, incident, bytes.data, bytes.length);
}

void night_store_soon(struct fabric *f, struct fabric_incident *incident)
{
	incident->verdict_ms = f->now_ms;
	incident->record_ms = f->now_ms;
	f->record_ms = f->now_ms;
}

void nights_store(struct fabric *f)
{
	const struct live_config live = live_config_of(f);

	if (f->now_ms < f->record_ms)
		return;
	f->record_ms = UINT64_MAX;
	if (f->frozen)
		return;
	for (size_t i = 0; i < f->incident_count; i++) {
		struct fabric_incident *incident = f->incidents[i];
		bool is_first = incident->record_ms == incident->verdict_ms;

		if (!incident->record_ms)
			continue;
		if (f->now_ms >= incident->record_ms) {
			incident->record_ms =
				is_first ? f->now_ms + WINDOWS_AFTER * live_window_ms(&live) : 0;
			if (incident->host && incident->host->chassis)
				record_store(f, incident);
		}
		if (incident->record_ms && incident->record_ms < f->record_ms)
			f->record_ms = incident->record_ms;
	}
}

/* ---- run again ---- */

void fabric_replay_done(struct fabric_replay *replay)
{
	replay_free(replay->replay);
	replay_outcome_done(&replay->night);
	replay_outcome_done(&replay->otherwise);
	*replay = (struct fabric_replay){ 0 };
}

/* NIGHT_KEYS: it is none of them. */
static size_t key_find(const char *text)
{
	char name[FABRIC_NAME_MAX];
	size_t n;

	for (n = 0; n < NIGHT_KEYS; n++) {
		key_name(n, name);
		if (!strcmp(name, text))
			break;
	}
	return n;
}

static int set_refuse(struct fabric_problem *problem, const struct fabric_replay_set *set, size_t n)
{
	char text[DB_TEXT_MAX] = "";
	size_t at = 0;

	if (n == NIGHT_INTERVAL)
		return problem_say(problem, REFUSE_FIELD,
				   "%s is what the agents sent by that night; beats that were not "
				   "sent cannot be judged",
				   set->key);
	for (size_t i = 0; i < NIGHT_KEYS; i++)
		if (night_keys[i].may_be_set)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s.%s",
					       at ? ", " : "", night_keys[i].section,
					       night_keys[i].name);
	return problem_say(problem, REFUSE_FIELD,
			   "%.64s does not enter a verdict; what may be set: %.300s", set->key,
			   text);
}

static bool is_plain(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

/* By the parser of the configuration file, so that ranges and words are the same. */
static int value_parse(const struct fabric_replay_set *set, size_t n, struct config *config,
		       struct fabric_problem *problem)
{
	char text[256];
	char why[DB_TEXT_MAX] = "";
	int length = snprintf(text, sizeof(text), "[%s]\n%s = %s\n", night_keys[n].section,
			      night_keys[n].name, set->value);
	int r;

	if (length < 0 || (size_t)length >= sizeof(text) || !is_plain(set->value))
		return problem_say(problem, REFUSE_FIELD, "%s: this cannot be its value", set->key);
	r = config_parse(text, (size_t)length, "", why, config);
	/* ":2: " is of no use here. */
	return r > 0 ? problem_say(problem, r, "%.480s", why + (why[0] == ':' ? 4 : 0)) : r;
}

static void setting_take(unsigned which, const struct config *config, struct replay_change *change)
{
	const struct record_settings s = settings_of(config);

	if (which == REPLAY_SET_MISSED)
		change->settings.live.missed = s.live.missed;
	if (which == REPLAY_SET_POLICY)
		change->settings.live.policy = s.live.policy;
	if (which == REPLAY_SET_STORM_PERCENT)
		change->settings.live.storm_percent = s.live.storm_percent;
	if (which == REPLAY_SET_STORM_MIN)
		change->settings.live.storm_min = s.live.storm_min;
	if (which == REPLAY_SET_RATE_COUNT)
		change->settings.rate_count = s.rate_count;
	if (which == REPLAY_SET_RATE_WINDOW)
		change->settings.rate_window_ms = s.rate_window_ms;
	change->which |= which;
}

static int set_take(const struct fabric_replay_set *set, struct replay_change *change,
		    struct fabric_problem *problem)
{
	size_t n = key_find(set->key);
	unsigned which = n < NIGHT_KEYS ? set_bits[n] : 0;
	struct config *config;
	int r;

	if (!which)
		return set_refuse(problem, set, n);
	if (change->which & which)
		return problem_say(problem, REFUSE_FIELD, "%s is set twice", set->key);
	config = malloc(sizeof(*config));
	if (!config)
		return -ENOMEM;
	r = value_parse(set, n, config, problem);
	if (!r)
		setting_take(which, config, change);
	free(config);
	return r;
}

/* How long it kept its switch, by its time line: for incidents that a replay begins elsewhere. */
static uint64_t incident_busy_ms(const struct fabric_incident *incident)
{
	uint64_t verdict_ms = 0;

	for (size_t i = 0; i < incident->step_count; i++) {
		const struct db_step *step = &incident->steps[i];

		if (!strcmp(step->what, "verdict"))
			verdict_ms = step->offset_ms;
		if (!strcmp(step->what, "done") || !strcmp(step->what, "blocked") ||
		    !strcmp(step->what, "waiting"))
			return step->offset_ms - verdict_ms;
	}
	return 0;
}

static int replay_both(struct fabric_replay *out)
{
	const struct replay_change as_it_was = { 0 };
	int r = replay_run(out->replay, &as_it_was, &out->night);

	if (!r && out->change.which)
		r = replay_run(out->replay, &out->change, &out->otherwise);
	return r;
}

static int replay_make(const struct fabric_incident *incident, struct fabric_problem *problem,
		       struct fabric_replay *out)
{
	char why[REPLAY_WHY_MAX];
	int r;

	if (!incident->record)
		return problem_say(problem, REFUSE_NO_RECORD,
				   "of incident %" PRIu64 " there is no record in memory",
				   incident->row.id);
	r = -E2BIG;
	if (incident->record_length <= RUN_BYTES)
		r = replay_open(incident->record, incident->record_length, why, &out->replay);
	if (r == -EBADMSG)
		return problem_say(problem, REFUSE_NO_RECORD,
				   "the record of incident %" PRIu64 " cannot be read: %s",
				   incident->row.id, why);
	if (!r)
		r = replay_both(out);
	if (r == -E2BIG)
		return problem_say(problem, REFUSE_TOO_LARGE,
				   "the record of incident %" PRIu64
				   " is too large to be run while fabricd serves",
				   incident->row.id);
	return r;
}

int fabric_incident_replay(struct fabric *f, uint64_t id, const struct fabric_replay_set *sets,
			   size_t count, struct fabric_problem *problem, struct fabric_replay *out)
{
	const struct fabric_incident *incident = incident_get(f, id);
	struct fabric_replay replay = { 0 };
	int r = 0;

	if (!incident || !incident->durable)
		return problem_say(problem, REFUSE_NO_INCIDENT, "there is no incident %" PRIu64,
				   id);
	replay.change.busy_ms = incident_busy_ms(incident);
	for (size_t i = 0; !r && i < count; i++) {
		r = set_take(&sets[i], &replay.change, problem);
		if (r)
			problem->op = i;
	}
	if (!r)
		r = replay_make(incident, problem, &replay);
	if (r) {
		fabric_replay_done(&replay);
		return r;
	}
	*out = replay;
	return 0;
}
