/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way in, and what stands at it: the words for states, what a restart leaves of them, what
 * providers tell at the wrong time, views, backups (house_fixture.h). */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fabricd/state.h"
#include "house_fixture.h"

/* ---- words, as in /v1 ---- */

static void every_state_has_its_word(void **state)
{
	static const char *const hosts[] = { "unknown", "alive",   "suspect",     "fencing",
					     "fenced",  "blocked", "maintenance", "quarantined" };
	static const char *const functions[] = { "free",    "bound", "parked",
						 "blocked", "doubt", "bad" };
	static const char *const kinds[] = { [DB_CHANGE_ASKED] = "asked",
					     [DB_CHANGE_FAILOVER] = "failover",
					     [DB_CHANGE_REPAIR] = "repair" };
	static const char *const ops[] = {
		[DB_OP_ASSIGN] = "assign", [DB_OP_RELEASE] = "release", [DB_OP_MOVE] = "move"
	};
	static const char *const changes[] = {
		[DB_CHANGE_RUNNING] = "running", [DB_CHANGE_DONE] = "done",
		[DB_CHANGE_REFUSED] = "refused", [DB_CHANGE_PARKED] = "parked",
		[DB_CHANGE_FAILED] = "failed",   [DB_CHANGE_CANCELLED] = "cancelled"
	};
	static const char *const incidents[] = { [DB_INCIDENT_FENCING] = "fencing",
						 [DB_INCIDENT_BLOCKED] = "blocked",
						 [DB_INCIDENT_WAITING] = "waiting",
						 [DB_INCIDENT_MOVING] = "moving",
						 [DB_INCIDENT_DONE] = "done" };
	static const char *const joins[] = {
		"",          "unreported",   "awaited",      "not-seen",  "seen",
		"no-driver", "other-device", "other-serial", "other-mac", "other-wwpn"
	};

	(void)state;
	for (unsigned i = 0; i < FABRIC_HOST_STATES; i++)
		assert_string_equal(fabric_host_state_text((enum fabric_host_state)i), hosts[i]);
	for (unsigned i = 0; i < FABRIC_FUNCTION_STATES; i++)
		assert_string_equal(fabric_function_state_text((enum fabric_function_state)i),
				    functions[i]);
	for (unsigned i = 0; i < sizeof(changes) / sizeof(*changes); i++)
		if (changes[i])
			assert_string_equal(fabric_change_state_text((enum db_change_state)i),
					    changes[i]);
	for (unsigned i = 0; i < sizeof(ops) / sizeof(*ops); i++)
		if (ops[i])
			assert_string_equal(fabric_op_text((enum db_op)i), ops[i]);
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (kinds[i])
			assert_string_equal(fabric_change_kind_text((enum db_change_kind)i),
					    kinds[i]);
	for (unsigned i = 0; i < sizeof(incidents) / sizeof(*incidents); i++)
		if (incidents[i])
			assert_string_equal(fabric_incident_state_text((enum db_incident_state)i),
					    incidents[i]);
	for (unsigned i = 0; i < FABRIC_JOINS; i++)
		assert_string_equal(fabric_join_text((enum fabric_join)i), joins[i]);
}

static void what_the_witnesses_say_has_its_words(void **state)
{
	struct fabric_host one = { .live = { .witness = LIVE_CANNOT_TELL, .last_beat_ms = 10 } };
	char said[DB_TEXT_MAX];

	(void)state;
	witness_say(&one, said);
	assert_string_equal(said, "the switch cannot tell");
	one.live.witness = LIVE_SAYS_ALIVE;
	witness_say(&one, said);
	assert_string_equal(said, "the switch says: alive");
	one.live.witness = LIVE_SAYS_DEAD;
	one.traffic.is_untold = true;
	one.traffic.asked_ms = 9; /* it has beaten since */
	witness_say(&one, said);
	assert_string_equal(said, "the switch says: dead");
	one.traffic.asked_ms = 11;
	one.traffic.readings = 3;
	witness_say(&one, said);
	assert_string_equal(said,
			    "the switch says: dead; traffic from it: not-counted, read 3 times");
	one.traffic.is_untold = false;
	assert_string_equal(fabric_host_traffic_text(&one), "stands");
	one.traffic.moved_ms = 12;
	assert_string_equal(fabric_host_traffic_text(&one), "moves");
}

/* ---- a restart ---- */

static enum fabric_host_state after_restart(struct house *h, const char *name)
{
	run(h, 10);
	manager_kill(h);
	for (unsigned n = 0; n < HOSTS; n++)
		h->agents[n].beats = false;
	manager_start(h);
	return host(h, name)->state;
}

static void a_host_is_after_a_restart_what_it_was(void **state)
{
	struct house *h = *state;

	silence(h, BAY2);
	usual(h);
	spare(h, "bay2"); /* stored, and has never beaten */
	assert_int_equal(after_restart(h, "bay2"), FABRIC_HOST_UNKNOWN);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_ALIVE);
}

/* Nobody is fenced by a restart: a host that was suspect is heard first. */
static void a_host_that_was_suspect_is_alive_after_a_restart(void **state)
{
	struct house *h = *state;

	usual(h);
	silence(h, BAY1);
	run_until_state(h, "bay1", FABRIC_HOST_SUSPECT);
	spare(h, "bay1");
	assert_int_equal(after_restart(h, "bay1"), FABRIC_HOST_ALIVE);
}

static void a_fenced_host_is_fenced_after_a_restart(void **state)
{
	struct house *h = *state;

	usual(h);
	silence(h, BAY1);
	run(h, MOVED);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_equal(after_restart(h, "bay1"), FABRIC_HOST_FENCED);
}

static void a_blocked_host_is_blocked_after_a_restart(void **state)
{
	struct house *h = *state;

	usual(h);
	fault(h, PROVIDER_ISOLATE, SIM_FAULT_REFUSED, 0, 0);
	fault(h, PROVIDER_UNBIND, SIM_FAULT_REFUSED, 0, 0);
	silence(h, BAY1);
	run_until_state(h, "bay1", FABRIC_HOST_BLOCKED);
	assert_int_equal(fabric_function_state(function(h, VF1)), FABRIC_FUNCTION_BLOCKED);
	assert_int_equal(after_restart(h, "bay1"), FABRIC_HOST_BLOCKED);
}

/* ---- what a provider tells ---- */

static void tell(struct house *h, const struct provider_event *event)
{
	h->reach[0].sink.told(h->reach[0].sink.arg, event);
	run(h, 10);
}

static unsigned scans(const struct house *h)
{
	return h->scans;
}

static void a_scan_that_cannot_be_used_is_asked_for_again(void **state)
{
	struct house *h = *state;
	const struct provider_sink *sink = &h->reach[0].sink;
	unsigned before;

	usual(h);
	sink->state(sink->arg, PROVIDER_LOST, NULL);
	before = scans(h);
	sink->scanned_take(sink->arg, NULL, "late"); /* nobody is connected */
	run(h, 2 * BEAT);
	assert_int_equal(scans(h), before);
	assert_false(h->fabric->providers[0]->reconciled);

	h->fails_scans = UINT_MAX;
	sink->state(sink->arg, PROVIDER_READY, sim_model_hello(h->reach[0].model));
	run(h, 10);
	assert_true(h->fabric->providers[0]->settled);
	sink->scanned_take(sink->arg, NULL, "cannot be made");
	assert_false(h->fabric->providers[0]->reconciled);
	h->fails_scans = 0;
	run(h, 2 * BEAT);
	assert_true(h->fabric->providers[0]->reconciled);
}

/* S19: before all has settled it may show what is not so any more. */
static void s19_a_scan_that_comes_before_all_has_settled_counts_for_nothing(void **state)
{
	struct house *h = *state;
	const struct provider_sink *sink = &h->reach[0].sink;

	usual(h);
	h->holds_commits = true;
	h->fabric->attempt = h->fabric->attempt_reserved; /* none for a settle */
	sink->state(sink->arg, PROVIDER_LOST, NULL);
	sink->state(sink->arg, PROVIDER_READY, sim_model_hello(h->reach[0].model));
	assert_int_equal(h->reach[0].inner->ops->scan(h->reach[0].inner), 0);
	run(h, 100);
	h->scans = 0;
	scan_again(h); /* nor is one asked for */
	assert_int_equal(h->scans, 0);
	assert_false(h->fabric->providers[0]->settled);
	assert_false(h->fabric->providers[0]->reconciled);

	h->holds_commits = false;
	run(h, 5 * BEAT);
	assert_true(h->fabric->providers[0]->reconciled);
}

static void what_is_no_news_is_not_told(void **state)
{
	struct house *h = *state;
	struct provider_event event = { .kind = PROVIDER_EVENT_HOST };

	usual(h);
	event.host = host(h, "bay3")->as.state;
	event.host.host = host(h, "bay3")->as.handle;
	((struct fabric_host *)host(h, "bay3"))->as.state.host = event.host.host;
	tell(h, &event);
	assert_int_equal(events(h, "host.switch", "bay3"), 0);
	event.host.link = !event.host.link;
	tell(h, &event);
	assert_int_equal(events(h, "host.switch", "bay3"), 1);
	event.host.host = 999;
	tell(h, &event);
	event = (struct provider_event){ .kind = PROVIDER_EVENT_FUNCTION, .function = 9999 };
	tell(h, &event);
	assert_int_equal(events(h, "function.presence", NULL), 0);
}

static void a_reboot_under_the_same_boot_id_is_none(void **state)
{
	struct house *h = *state;
	struct provider_event event = { .kind = PROVIDER_EVENT_REBOOT };

	usual(h);
	(void)snprintf(event.boot_id, sizeof(event.boot_id), "%s",
		       h->fabric->providers[0]->hello.boot_id);
	tell(h, &event);
	assert_int_equal(events(h, "switch.rebooted", NULL), 0);
	(void)snprintf(event.boot_id, sizeof(event.boot_id), "another");
	tell(h, &event);
	assert_int_equal(events(h, "switch.rebooted", "sim0"), 1);
	h->reach[0].sink.state(h->reach[0].sink.arg, PROVIDER_LOST, NULL);
	(void)snprintf(event.boot_id, sizeof(event.boot_id), "a third");
	tell(h, &event);
	assert_int_equal(events(h, "switch.rebooted", "sim0"), 1); /* it is not there */
}

/* S14: what waits for room at the provider when the fabric freezes does not leave. */
static void s15_what_waits_for_its_provider_does_not_leave_once_frozen(void **state)
{
	struct house *h = *state;
	size_t from;

	usual(h);
	assert_int_equal(ask(h, DB_OP_MOVE, VF1, "bay2", 0), 0);
	while (!function(h, VF1)->item->change->run.effect_wanted)
		house_step(h, h->now_ms + 1);
	h->reach[0].is_busy = true;
	run(h, 20);
	assert_string_equal(function(h, VF1)->item->step, "unbind");
	freeze(h->fabric, "the test says so");
	from = h->sent_count;
	h->reach[0].is_busy = false;
	run(h, 10 * BEAT);

	assert_int_equal(effects(h, from), 0);
	assert_int_equal(at_switch(h, VF1), BAY1);
}

/* One that is worked at, or flaps, and beats is asked before anything is taken from it. */
static void a_host_takes_part_while_it_is_let_in_and_beats(void **state)
{
	struct fabric_host one = { .state = FABRIC_HOST_ALIVE };

	(void)state;
	assert_true(host_takes_part(&one));
	one.state = FABRIC_HOST_SUSPECT;
	assert_false(host_takes_part(&one));
	one.state = FABRIC_HOST_MAINTENANCE;
	assert_false(host_takes_part(&one));
	one.has_beaten = true;
	assert_true(host_takes_part(&one));
	one.state = FABRIC_HOST_QUARANTINED;
	assert_true(host_takes_part(&one));
	one.live.suspect = true;
	assert_false(host_takes_part(&one));
}

static void a_command_has_so_long_as_the_configuration_says(void **state)
{
	struct house *h = *state;

	h->config.command_timeout_ms = 7000;
	usual(h);
	h->sent_count = 0;
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay2", 0), 0);
	run_until_sent(h, PROVIDER_READ, 0);
	assert_in_range(h->sent[0].deadline_ms - h->now_ms, 7000, 7100);
}

/* ---- health ---- */

static void health_has_a_word_for_what_is_not_well(void **state)
{
	struct house *h = *state;

	manager_start(h);
	assert_string_equal(health(h).status, "starting");
	run(h, STEADY);
	assert_string_equal(health(h).status, "ok");
	h->reach[0].sink.state(h->reach[0].sink.arg, PROVIDER_LOST, NULL);
	assert_string_equal(health(h).status, "degraded");
	freeze(h->fabric, "the test says so");
	assert_string_equal(health(h).status, "frozen");
}

static void nothing_is_done_before_the_start(void **state)
{
	struct house *h = *state;

	manager_start(h);
	h->fabric->started = false;
	h->fabric->tick_ms = 0;
	assert_true(fabric_next_ms(h->fabric) == UINT64_MAX);
	fabric_advance(h->fabric);
	assert_int_equal(h->fabric->tick_ms, 0);
	h->fabric->started = true;
	fabric_free(NULL);
}

static void there_are_so_many_providers_and_no_more(void **state)
{
	struct house *h = *state;
	struct provider_sink sink;
	unsigned number = 99;

	manager_start(h);
	for (unsigned i = 1; i < CONFIG_PROVIDERS; i++)
		assert_int_equal(fabric_provider_add(h->fabric, "other", &sink, &number), 0);
	number = 99;
	assert_int_equal(fabric_provider_add(h->fabric, "one too many", &sink, &number),
			 REFUSE_LIMIT);
	assert_int_equal(number, 99);
}

/* Hosts of one chassis too many are judged with those of the last. */
static void there_are_so_many_chassis_and_no_more(void **state)
{
	struct house *h = *state;

	manager_start(h);
	h->fabric->chassis_count = FABRIC_CHASSIS_MAX;
	run(h, BEAT);

	assert_int_equal(h->fabric->chassis_count, FABRIC_CHASSIS_MAX);
	assert_int_equal(h->fabric->chassis[FABRIC_CHASSIS_MAX - 1].host_count, HOSTS);
}

static void a_base_function_has_a_name_of_its_own(void **state)
{
	struct house *h = *state;
	struct sim_chassis *c = chassis_with("bay", 2);

	(void)sim_chassis_add_adapter(c, sim_device_find("ethernet-mra"), "M0003", 1);
	reach_add_take(h, c);
	usual(h);

	assert_non_null(fabric_function_find(h->fabric, "nic-0003/bf"));
}

/* ---- backups ---- */

static int backup_result;

static int on_backup(void *arg, const char *file)
{
	(void)arg;
	(void)file;
	return backup_result;
}

static void one_backup_at_a_time_and_each_refusal_has_its_reason(void **state)
{
	struct house *h = *state;
	char longer[DB_TEXT_MAX + 2];

	usual(h);
	h->answer.count = 0;
	assert_int_equal(fabric_backup(h->fabric, "/copy", 0, on_answer, h), REFUSE_BACKUP);
	h->fabric->io.backup = on_backup;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(fabric_backup(h->fabric, longer, 0, on_answer, h), REFUSE_BACKUP);
	backup_result = -EBUSY;
	assert_int_equal(fabric_backup(h->fabric, "/copy", 0, on_answer, h), REFUSE_LIMIT);
	backup_result = -EIO;
	assert_int_equal(fabric_backup(h->fabric, "/copy", 0, on_answer, h), REFUSE_BACKUP);
	backup_result = -ENOMEM;
	assert_int_equal(fabric_backup(h->fabric, "/copy", 0, on_answer, h), -ENOMEM);
	backup_result = 0;
	assert_int_equal(fabric_backup(h->fabric, "/copy", 0, on_answer, h), 0);
	assert_int_equal(fabric_backup(h->fabric, "/copy2", 0, on_answer, h), REFUSE_LIMIT);
	fabric_backed_up(h->fabric, 0, "");
	run(h, 10);
	assert_int_equal(h->answer.count, 1);
	assert_int_equal(events(h, "db.backup", "database"), 1);
}

/* ---- the database ---- */

static void s15_an_answer_out_of_order_freezes(void **state)
{
	struct house *h = *state;

	usual(h);
	fabric_written(h->fabric, 999999, 0, "");
	assert_string_equal(health(h).status, "frozen");
	assert_non_null(strstr(health(h).detail, "out of order"));
}

static void attempts_are_asked_for_once(void **state)
{
	struct house *h = *state;

	usual(h);
	h->holds_commits = true;
	h->fabric->attempt = h->fabric->attempt_reserved - 2;
	for (unsigned i = 0; i < 2; i++)
		assert_int_not_equal(attempt_next(h->fabric), 0);
	assert_true(h->fabric->attempts_asked);
	assert_int_equal(attempt_next(h->fabric), 0);
	assert_int_equal(h->fabric->open->after_count, 1);
	h->holds_commits = false;
	run(h, 100);
	assert_false(h->fabric->attempts_asked);
	assert_int_not_equal(attempt_next(h->fabric), 0);
}

static void no_event_is_the_last_before_the_first(void **state)
{
	struct house *h = *state;

	manager_start(h);
	assert_int_equal(fabric_event_last(h->fabric), 0);
	run(h, BEAT);
	assert_int_not_equal(fabric_event_last(h->fabric), 0);
}

/* ---- views ---- */

struct seen_view {
	unsigned count;
	unsigned ends;
	char why[64];
};

static void on_view(void *arg, const struct provider_config *config, const char *why)
{
	struct seen_view *v = arg;

	v->count += config != NULL;
	v->ends += config == NULL;
	(void)snprintf(v->why, sizeof(v->why), "%s", why ? why : "");
}

static void a_view_is_passed_through_from_the_switches_that_have_one(void **state)
{
	struct house *h = *state;
	struct seen_view one = { 0 };
	struct seen_view all = { 0 };
	struct seen_view lost = { 0 };

	reach_new(h, "bay", 2, true);
	usual(h);
	assert_int_equal(fabric_view(h->fabric, "bay99", on_view, &one), REFUSE_NO_HOST);
	assert_int_equal(fabric_view(h->fabric, "bay1", on_view, &one), 0);
	run(h, 100);
	assert_int_equal(one.ends, 1);
	assert_int_not_equal(one.count, 0);
	assert_string_equal(one.why, "");

	assert_int_equal(fabric_view(h->fabric, NULL, on_view, &all), 0);
	run(h, 100);
	assert_int_equal(all.ends, 1);
	assert_int_not_equal(all.count, 0);
	assert_int_equal(h->reach[0].views, 2);
	assert_int_equal(h->reach[1].views, 1);

	((struct fabric_host *)host(h, "bay3"))->present = false;
	assert_int_equal(fabric_view(h->fabric, "bay3", on_view, &one), REFUSE_PROVIDER_AWAY);
	h->reach[0].is_cut = true;
	assert_int_equal(fabric_view(h->fabric, "bay2", on_view, &lost), 0);
	run(h, 100);
	assert_int_equal(lost.ends, 0);
	h->reach[0].sink.state(h->reach[0].sink.arg, PROVIDER_LOST, NULL);
	assert_int_equal(lost.ends, 1);
	assert_string_equal(lost.why, "the provider was lost");
	assert_int_equal(fabric_view(h->fabric, "bay2", on_view, &lost), REFUSE_PROVIDER_AWAY);
	assert_null(h->fabric->views);
}

static void a_view_that_nobody_waits_for_any_more_is_forgotten(void **state)
{
	struct house *h = *state;
	struct seen_view v = { 0 };
	struct seen_view kept = { 0 };

	usual(h);
	assert_int_equal(fabric_view(h->fabric, "bay1", on_view, &v), 0);
	assert_int_equal(fabric_view(h->fabric, "bay1", on_view, &kept), 0);
	fabric_view_cancel(h->fabric, &v);
	run(h, 100);

	assert_int_equal(v.ends, 0);
	assert_int_equal(v.count, 0);
	assert_int_equal(kept.ends, 1);
}

/* ---- what a database may hold ---- */

/* No manager begins on the database as @batch leaves it. */
static void assert_not_taken_in(struct house *h, struct db_batch *batch)
{
	const struct fabric_io io = {
		.now_ms = io_now, .wall_ms = io_wall, .published = io_published, .arg = h
	};
	struct fabric *next = NULL;
	char why[DB_TEXT_MAX] = "";

	assert_int_equal(db_apply(h->db, batch, NULL), 0);
	db_batch_free(batch);
	assert_int_equal(fabric_new(&h->config, &io, &next), 0);
	assert_int_equal(fabric_load(next, h->db, why), -EBADMSG);
	assert_string_equal(why, strerror(EBADMSG));
	fabric_free(next);
}

/* Whichever of them may have it. */
static void who_is_shown_nowhere_is_told_of_once_every_switch_has_been_asked(void **state)
{
	struct house *h = *state;
	struct fabric_host *bay8;

	reach_new(h, "bay", 8, true);
	usual(h);
	bay8 = host_get(h->fabric, "bay8");
	assert_true(host_is_told_of(h->fabric, bay8));
	h->fabric->providers[1]->connected = false;
	assert_true(host_is_told_of(h->fabric, bay8)); /* its own switch shows it */
	bay8->present = false;
	assert_false(host_is_told_of(h->fabric, bay8));
	h->fabric->providers[1]->connected = true;
	assert_true(host_is_told_of(h->fabric, bay8));
	bay8->present = true;
}

static void a_database_that_cannot_be_read_is_not_taken_in(void **state)
{
	const struct fabric_io io = { .now_ms = io_now, .wall_ms = io_wall, .arg = *state };
	struct house *h = *state;
	char folder[] = "/tmp/test_fabric.XXXXXX";
	char text[64];
	char why[DB_TEXT_MAX] = "";
	struct fabric *next = NULL;
	struct db *db = NULL;
	FILE *file;

	assert_non_null(mkdtemp(folder));
	(void)snprintf(text, sizeof(text), "%s/db", folder);
	assert_int_equal(db_open_fast(text, why, &db), 0);
	assert_int_equal(fabric_new(&h->config, &io, &next), 0);
	file = fopen(text, "r+e");
	assert_non_null(file);
	for (int i = 0; i < 256 << 10; i++)
		(void)fputc('#', file);
	assert_int_equal(fclose(file), 0);
	assert_true(fabric_load(next, db, why) < 0);
	assert_string_not_equal(why, "");
	fabric_free(next);
	db_close(db);
	(void)snprintf(text, sizeof(text), "rm -r %s", folder);
	assert_int_equal(system(text), 0);
	manager_start(h); /* for house_end() */
}

/* Though changes are read behind it that say nothing wrong. */
static void an_assignment_to_a_vport_that_cannot_be_is_not_taken_in(void **state)
{
	struct house *h = *state;
	struct db_function known = { .generation = 1 };
	struct db_assignment row = { .host = "bay2",
				     .vport = PROVIDER_VPORTS_MAX + 1,
				     .generation = 1,
				     .state = DB_ASSIGNMENT_BOUND };
	struct db_batch *batch = NULL;

	usual(h);
	(void)snprintf(row.function, sizeof(row.function), "%s", VF3);
	(void)snprintf(known.name, sizeof(known.name), "%s", VF3);
	assert_int_equal(db_batch_new(&batch), 0);
	db_put_function(batch, &known);
	db_put_assignment(batch, &row);
	assert_not_taken_in(h, batch);
}

static void a_change_to_a_vport_that_cannot_be_is_not_taken_in(void **state)
{
	struct house *h = *state;
	struct db_item row = { .change = 1,
			       .n = 1,
			       .op = DB_OP_ASSIGN,
			       .host = "bay2",
			       .vport = PROVIDER_VPORTS_MAX + 1,
			       .state = DB_CHANGE_DONE };
	struct db_batch *batch = NULL;

	usual(h);
	(void)snprintf(row.function, sizeof(row.function), "%s", VF3);
	assert_int_equal(db_batch_new(&batch), 0);
	db_put_item(batch, &row);
	assert_not_taken_in(h, batch);
}

#define T(name) cmocka_unit_test_setup_teardown(name, house_begin, house_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_has_its_word),
		cmocka_unit_test(what_the_witnesses_say_has_its_words),
		T(a_host_is_after_a_restart_what_it_was),
		T(a_host_that_was_suspect_is_alive_after_a_restart),
		T(a_fenced_host_is_fenced_after_a_restart),
		T(a_blocked_host_is_blocked_after_a_restart),
		T(a_scan_that_cannot_be_used_is_asked_for_again),
		T(s19_a_scan_that_comes_before_all_has_settled_counts_for_nothing),
		T(what_is_no_news_is_not_told),
		T(a_reboot_under_the_same_boot_id_is_none),
		T(s15_what_waits_for_its_provider_does_not_leave_once_frozen),
		cmocka_unit_test(a_host_takes_part_while_it_is_let_in_and_beats),
		T(a_command_has_so_long_as_the_configuration_says),
		T(health_has_a_word_for_what_is_not_well),
		T(nothing_is_done_before_the_start),
		T(there_are_so_many_providers_and_no_more),
		T(there_are_so_many_chassis_and_no_more),
		T(a_base_function_has_a_name_of_its_own),
		T(one_backup_at_a_time_and_each_refusal_has_its_reason),
		T(s15_an_answer_out_of_order_freezes),
		T(attempts_are_asked_for_once),
		T(no_event_is_the_last_before_the_first),
		T(who_is_shown_nowhere_is_told_of_once_every_switch_has_been_asked),
		T(a_database_that_cannot_be_read_is_not_taken_in),
		T(an_assignment_to_a_vport_that_cannot_be_is_not_taken_in),
		T(a_change_to_a_vport_that_cannot_be_is_not_taken_in),
		T(a_view_is_passed_through_from_the_switches_that_have_one),
		T(a_view_that_nobody_waits_for_any_more_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
