/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the person on duty is told, and may vouch for: time lines, hooks, what to type next, and
 * fence-confirm against what the witnesses have seen. */
#include "fabricd/state.h"
#include "house_fixture.h"

enum { RETRY = 60 * BEAT };

/* ---- looking ---- */

static const struct fabric_incident *incident(const struct house *h, const char *name)
{
	const struct fabric_incident *found =
		fabric_incident_find(h->fabric, host(h, name)->incident);

	assert_non_null(found);
	return found;
}

/* Place of the first step "WHAT: DETAIL" that begins so, after the first @from; -1: there is none.
 */
static int step_at(const struct fabric_incident *of, const char *text, size_t from)
{
	for (size_t i = from; i < of->step_count; i++) {
		char line[DB_NAME_MAX + DB_TEXT_MAX + 2];

		(void)snprintf(line, sizeof(line), "%s: %s", of->steps[i].what,
			       of->steps[i].detail);
		if (!strncmp(line, text, strlen(text)))
			return (int)i;
	}
	return -1;
}

static void assert_says(const struct fabric_incident *of, const char *text)
{
	if (step_at(of, text, 0) < 0)
		fail_msg("no step \"%s\"", text);
}

static void assert_holds(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" does not hold \"%s\"", text, part);
}

/* ---- doing ---- */

static int confirm_by(struct house *h, uint64_t id, struct fabric_problem *problem)
{
	*problem = (struct fabric_problem){ 0 };
	return fabric_host_fence_confirm(h->fabric, "bay1", id, 7, problem, on_answer, h);
}

static int confirm(struct house *h, struct fabric_problem *problem)
{
	return confirm_by(h, host(h, "bay1")->incident, problem);
}

/* bay1 is silent, and its fence is not proved. */
static void block(struct house *h)
{
	h->config.fence_retry_ms = RETRY;
	usual(h);
	fault(h, PROVIDER_ISOLATE, SIM_FAULT_REFUSED, 0, 0);
	fault(h, PROVIDER_UNBIND, SIM_FAULT_REFUSED, 0, 0);
	fault(h, PROVIDER_HOST_POWER, SIM_FAULT_REFUSED, 0, 0);
	silence(h, BAY1);
	run_until_state(h, "bay1", FABRIC_HOST_BLOCKED);
}

static void beat(struct house *h, const char *way)
{
	agent_beat(h, 0);
	fabric_beat_heard(h->fabric, "bay1", way, BEAT_COUNTED, h->now_ms);
}

static void power(struct house *h, bool on)
{
	assert_int_equal(sim_model_host(h->reach[0].model, BAY1, SIM_HOST_POWER, on), 0);
	run(h, 100);
}

/* ---- fence-confirm, and what speaks against it ---- */

static void a_beat_since_the_block_speaks_against_the_person_by_its_way(void **state)
{
	struct house *h = *state;
	struct fabric_problem problem;
	uint64_t at;

	block(h);
	run(h, WINDOW + BEAT);
	beat(h, "udp 192.0.2.1:7070");
	at = h->now_ms;
	run(h, WINDOW + BEAT);

	assert_int_equal(confirm(h, &problem), REFUSE_HOST_STATE);
	assert_holds(problem.reason, "it beat by udp 192.0.2.1:7070 6.0");
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_BLOCKED);

	/* It stays silent through a whole fence that proves nothing either. */
	while (incident(h, "bay1")->blocked_ms < at)
		house_step(h, h->now_ms + BEAT);
	assert_int_equal(confirm(h, &problem), 0);
	run(h, BEAT);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
}

static void a_beat_within_the_window_speaks_however_often_it_was_fenced(void **state)
{
	struct house *h = *state;
	struct fabric_problem problem;

	block(h);
	while (incident(h, "bay1")->blocked_ms + RETRY / 2 > h->now_ms)
		house_step(h, h->now_ms + 1);
	h->agents[0].beats = true;
	for (unsigned i = 0; i < 2 * RETRY / BEAT; i++) {
		run(h, BEAT);
		assert_int_not_equal(confirm(h, &problem), 0);
	}
}

static void a_beat_just_before_the_last_try_speaks_for_a_window(void **state)
{
	struct house *h = *state;
	struct fabric_problem problem;
	uint64_t tried;

	h->config.fence_attempts = 1; /* a try is over at once */
	block(h);
	tried = incident(h, "bay1")->blocked_ms;
	while (h->now_ms + 10 < incident(h, "bay1")->retry_ms)
		house_step(h, h->now_ms + 1);
	beat(h, "socket");
	while (incident(h, "bay1")->blocked_ms == tried)
		house_step(h, h->now_ms + 1);

	assert_int_equal(confirm(h, &problem), REFUSE_HOST_STATE);
	assert_holds(problem.reason, "it beat by socket");
	run(h, WINDOW + BEAT);
	assert_int_equal(confirm(h, &problem), 0);
}

static void power_that_comes_is_life_and_power_that_was_there_is_none(void **state)
{
	struct house *h = *state;
	struct fabric_problem problem;

	block(h);
	assert_true(host(h, "bay1")->as.state.power);
	fault(h, PROVIDER_READ_HOST, SIM_FAULT_LOST, 0, 0); /* nothing is proved by it */
	power(h, false);
	run(h, WINDOW + BEAT);
	power(h, true);
	run(h, WINDOW + BEAT);
	assert_int_equal(confirm(h, &problem), REFUSE_HOST_STATE);
	assert_holds(problem.reason, "the switch saw its power come 6.");

	power(h, false);
	assert_int_equal(confirm(h, &problem), 0);
}

static void what_was_seen_before_the_power_went_is_over(void **state)
{
	struct house *h = *state;
	struct fabric_problem problem;

	block(h);
	fault(h, PROVIDER_READ_HOST, SIM_FAULT_LOST, 0, 0);
	beat(h, "socket");
	run(h, 10);
	assert_int_not_equal(confirm(h, &problem), 0);
	power(h, false);
	assert_int_equal(confirm(h, &problem), 0);
}

static void a_switch_that_says_nothing_of_its_power_has_not_seen_it_go(void **state)
{
	const struct provider_event unsaid = { .kind = PROVIDER_EVENT_HOST,
					       .host = { .host = BAY1 } };
	struct house *h = *state;
	struct fabric_problem problem;

	block(h);
	fault(h, PROVIDER_READ_HOST, SIM_FAULT_LOST, 0, 0);
	beat(h, "socket");
	run(h, 10);
	h->reach[0].sink.told(h->reach[0].sink.arg, &unsaid);
	run(h, 10);
	assert_int_not_equal(confirm(h, &problem), 0);
	assert_holds(problem.reason, "it beat by socket");
}

static void power_that_was_on_all_the_time_cannot_tell_and_is_written_down(void **state)
{
	struct house *h = *state;
	struct fabric_problem problem;

	block(h);
	assert_int_equal(confirm(h, &problem), 0);

	assert_says(incident(h, "bay1"), "confirmed: uid 7 vouches that bay1 is off, though the "
					 "switch last saw it powered");
}

static void an_agent_that_tells_its_view_lives(void **state)
{
	struct house *h = *state;
	struct fabric_problem problem;

	block(h);
	run(h, WINDOW + BEAT);
	assert_int_equal(fabric_host_seen(h->fabric, "bay1", "boot-0-0", NULL, 0), 0);
	run(h, 2 * BEAT);

	assert_int_equal(confirm(h, &problem), REFUSE_HOST_STATE);
	assert_holds(problem.reason, "its agent told its view 2.");
}

static void an_agent_that_answers_lives(void **state)
{
	struct house *h = *state;
	struct fabric_problem problem;

	block(h);
	run(h, WINDOW + BEAT);
	fabric_agent_answered(h->fabric, "bay1", 4711, FABRIC_ASK_DONE, "");
	run(h, BEAT);

	assert_int_equal(confirm(h, &problem), REFUSE_HOST_STATE);
	assert_holds(problem.reason, "its agent answered 1.");
}

static void what_its_port_counts_while_it_is_blocked_is_life(void **state)
{
	struct house *h = *state;
	struct fabric_problem problem;

	block(h);
	run(h, WINDOW + BEAT);
	assert_int_equal(sim_model_host(h->reach[0].model, BAY1, SIM_HOST_TRAFFIC, true), 0);
	run(h, RETRY + 20 * BEAT); /* the fence has looked at it again */
	run(h, WINDOW + BEAT);
	assert_int_equal(confirm(h, &problem), REFUSE_HOST_STATE);
	assert_holds(problem.reason, "its port counted what it sent ");

	assert_int_equal(sim_model_host(h->reach[0].model, BAY1, SIM_HOST_TRAFFIC, false), 0);
	run(h, 2 * RETRY);
	assert_int_equal(confirm(h, &problem), 0);
}

static void the_end_of_its_port_is_no_life(void **state)
{
	struct house *h = *state;
	struct fabric_problem problem;

	block(h);
	run(h, WINDOW + BEAT);
	fabric_host_hint(h->fabric, "bay1", "end of file on its port");
	run(h, BEAT);

	assert_int_equal(confirm(h, &problem), 0);
}

static void a_persons_word_counts_once(void **state)
{
	struct house *h = *state;
	struct fabric_problem problem;
	uint64_t first;

	block(h);
	first = host(h, "bay1")->incident;
	assert_int_equal(confirm(h, &problem), 0);
	run(h, BEAT);
	assert_int_equal(confirm_by(h, first, &problem), REFUSE_HOST_STATE);
	assert_holds(problem.reason, "is fenced, not blocked; somebody has vouched for it already");
	assert_int_equal(at_switch(h, VF1), BAY1); /* S1: nothing moves by a word */

	/* It was wrong: the host beats. It is fenced anew, under an incident of its own. */
	beat(h, "socket");
	run_until_state(h, "bay1", FABRIC_HOST_BLOCKED);
	assert_int_not_equal(host(h, "bay1")->incident, first);
	assert_int_equal(fabric_incident_find(h->fabric, first)->row.state, DB_INCIDENT_DONE);
	assert_says(fabric_incident_find(h->fabric, first), "done: somebody vouched for it, but: "
							    "it was said to be off, and beats");
	run(h, WINDOW + BEAT);
	assert_int_equal(confirm_by(h, first, &problem), REFUSE_NO_INCIDENT);

	sim_model_fault_clear(h->reach[0].model);
	run(h, 2 * RETRY);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_equal(at_switch(h, VF1), BAY8);
	assert_int_equal(incident(h, "bay1")->row.state, DB_INCIDENT_DONE);
}

static void a_word_that_was_given_before_a_restart_does_not_count_again(void **state)
{
	struct house *h = *state;
	struct fabric_problem problem;
	uint64_t first;

	block(h);
	first = host(h, "bay1")->incident;
	assert_int_equal(confirm(h, &problem), 0);
	run(h, BEAT);
	manager_kill(h);
	manager_start(h);
	run(h, 5 * BEAT);
	run_until_state(h, "bay1", FABRIC_HOST_BLOCKED); /* fenced again first, and in vain */
	assert_int_equal(confirm_by(h, first, &problem), REFUSE_NO_INCIDENT);
	assert_int_not_equal(host(h, "bay1")->incident, first);
}

/* ---- the time line ---- */

static void the_time_line_tells_what_each_witness_said_before_the_verdict(void **state)
{
	struct house *h = *state;
	const struct fabric_incident *of;
	int last = 0;
	static const char *const lines[] = {
		"last beat: ",
		"suspected: ",
		"witness: ",
		"witness: beats by socket: 1, the last ",
		"witness: beats by udp 192.0.2.1:7070: 2, the last ",
		"witness: its agent told its view ",
		"witness: a hint, ",
		"verdict: silent for 5 beats of 1000 ms; epoch 1",
		"isolate: ",
		"unbind: 2 functions",
		"empty: isolated, its virtual switch read back empty",
		"fenced: isolated and empty",
		"move: ",
		"moved: 2 of 2 functions bound and read back at bay8",
		"done: all functions have moved",
	};

	usual(h);
	beat(h, "socket");
	beat(h, "udp 192.0.2.1:7070");
	beat(h, "udp 192.0.2.1:7070");
	assert_int_equal(fabric_host_seen(h->fabric, "bay1", "boot-0-0", NULL, 0), 0);
	silence(h, BAY1);
	run(h, BEAT);
	fabric_host_hint(h->fabric, "bay1", "end of file on its port");
	run(h, MOVED);

	of = incident(h, "bay1");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		int at = step_at(of, lines[i], (size_t)last);

		if (at < 0)
			fail_msg("no step \"%s\" from %d on", lines[i], last);
		last = at + 1;
	}
}

/* Its agent was given another key than the two that count, and is not heard. */
static void datagrams_under_no_key_that_counts_are_told_of_who_is_silent(void **state)
{
	struct house *h = *state;
	struct fabric_next next[FABRIC_NEXT_MAX];

	usual(h);
	fabric_beat_heard(h->fabric, "bay1", "udp 192.0.2.1:7070", BEAT_FORGED, h->now_ms);
	/* Anybody may have sent that, and it is heard. */
	assert_int_equal(fabric_host_next(h->fabric, host(h, "bay1"), next), 0);
	beat(h, "socket");
	silence(h, BAY1);
	for (unsigned i = 0; i < 7; i++)
		fabric_beat_heard(h->fabric, "bay1", "udp 192.0.2.1:7070", BEAT_FORGED, h->now_ms);
	run(h, MOVED);

	assert_true(step_at(incident(h, "bay1"),
			    "witness: 7 datagrams in its name since then, under no key that "
			    "counts: was it enrolled anew?",
			    0) >= 0);
	assert_int_equal(fabric_host_next(h->fabric, host(h, "bay1"), next), 2);
	assert_non_null(strstr(next[1].when, "7 datagrams came in the name of bay1"));
	assert_string_equal(next[1].command, "fabricctl host enroll bay1 --force");
}

/* ---- hooks ---- */

struct told {
	unsigned count;
	char what[64][DB_NAME_MAX];
};
static struct told told;

static int on_step_note(struct house *h, const struct fabric_incident *of,
			const struct db_step *step)
{
	(void)h;
	assert_ptr_equal(&of->steps[step->n - 1], step);
	assert_true(told.count < 64);
	(void)snprintf(told.what[told.count++], DB_NAME_MAX, "%s", step->what);
	return 0;
}

static void each_step_is_told_once_it_is_durable_and_what_hooks_say_is_not(void **state)
{
	struct house *h = *state;
	const struct fabric_incident *of;
	unsigned hooks = 0;

	told = (struct told){ 0 };
	h->on_step = on_step_note;
	usual(h);
	h->holds_commits = true;
	assert_int_equal(failover(h, "bay1"), 0);
	run(h, 100);
	assert_int_equal(told.count, 0);
	h->holds_commits = false;
	run(h, 500);
	assert_int_not_equal(told.count, 0);
	of = incident(h, "bay1");
	fabric_hook_told(h->fabric, of->row.id, "pager on step 1 (last beat): done in 3 ms");
	fabric_hook_told(h->fabric, of->row.id, "mail is not run: it is owned by uid 12");
	fabric_hook_told(h->fabric, of->row.id, "mail is not run: it is owned by uid 12");
	fabric_hook_told(h->fabric, 4711, "nobody's");
	run(h, MOVED);

	assert_int_equal(of->row.state, DB_INCIDENT_DONE);
	for (size_t i = 0; i < of->step_count; i++) {
		if (!strcmp(of->steps[i].what, "hook"))
			hooks++;
		else
			assert_string_equal(told.what[i - hooks], of->steps[i].what);
	}
	assert_int_equal(hooks, 2); /* what is said again and again is said once */
	assert_int_equal(told.count, of->step_count - hooks);
}

static int on_step_refuse(struct house *h, const struct fabric_incident *of,
			  const struct db_step *step)
{
	(void)h;
	(void)of;
	(void)step;
	return -EBUSY;
}

static void steps_that_hooks_cannot_take_delay_nothing_and_are_told_of(void **state)
{
	struct house *h = *state;

	h->on_step = on_step_refuse;
	usual(h);
	assert_int_equal(failover(h, "bay1"), 0);
	run(h, MOVED);

	assert_int_equal(at_switch(h, VF1), BAY8);
	assert_says(incident(h, "bay1"), "hook: not run: so many steps wait for the hooks already");
}

static void steps_of_before_a_restart_are_not_told_again(void **state)
{
	struct house *h = *state;

	block(h);
	manager_kill(h);
	told = (struct told){ 0 };
	h->on_step = on_step_note;
	manager_start(h);
	run(h, 5 * BEAT);
	sim_model_fault_clear(h->reach[0].model);
	run(h, RETRY);

	assert_int_equal(incident(h, "bay1")->row.state, DB_INCIDENT_DONE);
	for (unsigned i = 0; i < told.count; i++)
		assert_string_not_equal(told.what[i], "verdict");
	assert_string_equal(told.what[told.count - 1], "done");
}

static void a_restart_in_the_middle_of_a_fence_stands_between_its_steps(void **state)
{
	struct house *h = *state;
	const struct fabric_incident *of;
	int first;
	int restart;

	usual(h);
	silence(h, BAY1);
	fault(h, PROVIDER_ISOLATE, SIM_FAULT_DELAY, 800, 0);
	run_until_sent(h, PROVIDER_ISOLATE, h->sent_count);
	run(h, 100);
	for (unsigned n = 0; n < 3; n++) { /* that it dies at once again is nothing new */
		manager_kill(h);
		manager_start(h);
		commits_advance(h);
	}
	sim_model_fault_clear(h->reach[0].model);
	run(h, 2 * MOVED);

	of = incident(h, "bay1");
	assert_int_equal(of->row.state, DB_INCIDENT_DONE);
	first = step_at(of, "isolate: ", 0);
	restart = step_at(of, "restart: fabricd was started again", 0);
	assert_true(first >= 0 && restart > first);
	assert_true(step_at(of, "isolate: ", (size_t)restart) > restart);
	assert_int_equal(step_at(of, "restart: ", (size_t)restart + 1), -1);
	manager_kill(h);
	manager_start(h); /* it is over */
	assert_int_equal(step_at(incident(h, "bay1"), "restart: ", (size_t)restart + 1), -1);
}

/* ---- what to type next ---- */

static bool is_next(const struct fabric_next *next, size_t count, const char *command)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(next[i].command, command))
			return true;
	return false;
}

static bool is_next_of_incident(struct house *h, const char *command)
{
	struct fabric_next next[FABRIC_NEXT_MAX];

	return is_next(next, fabric_incident_next(h->fabric, incident(h, "bay1"), next), command);
}

static bool is_next_of_host(struct house *h, const char *name, const char *command)
{
	struct fabric_next next[FABRIC_NEXT_MAX];

	return is_next(next, fabric_host_next(h->fabric, host(h, name), next), command);
}

static bool is_next_of_health(struct house *h, const char *command)
{
	struct fabric_next next[FABRIC_NEXT_MAX];

	return is_next(next, fabric_health_next(h->fabric, next), command);
}

static void a_blocked_host_is_to_be_vouched_for_and_one_that_beats_let_in(void **state)
{
	struct house *h = *state;

	block(h);
	run(h, WINDOW + BEAT);
	assert_true(is_next_of_incident(h, "fabricctl host fence-confirm bay1 --incident 1"));
	assert_true(is_next_of_host(h, "bay1", "fabricctl host fence-confirm bay1 --incident 1"));
	assert_true(is_next_of_health(h, "fabricctl host fence-confirm bay1 --incident 1"));
	assert_false(is_next_of_incident(h, "fabricctl host readmit bay1"));
	assert_false(is_next_of_incident(h, "fabricctl health")); /* its switch answers */
	beat(h, "socket");
	assert_true(is_next_of_incident(h, "fabricctl host readmit bay1"));

	assert_int_equal(readmit(h, "bay1"), 0); /* what it said is right */
}

static void what_waits_names_each_host_that_could_become_a_spare(void **state)
{
	struct house *h = *state;
	struct fabric_problem problem;

	usual(h);
	assert_int_equal(
		fabric_host_maintenance(h->fabric, "bay8", true, 0, &problem, on_answer, h), 0);
	silence(h, BAY1);
	run(h, MOVED);

	assert_int_equal(incident(h, "bay1")->row.state, DB_INCIDENT_WAITING);
	assert_true(is_next_of_incident(h, "fabricctl host maintenance bay8 off"));
	assert_true(is_next_of_incident(h, "fabricctl host set bay2 --spare on"));
	assert_true(is_next_of_health(h, "fabricctl host set bay2 --spare on"));
	assert_false(is_next_of_incident(h, "fabricctl host set bay8 --spare on"));
	assert_false(is_next_of_incident(h, "fabricctl host set bay1 --spare on"));

	spare(h, "bay2"); /* what it said helps */
	run(h, MOVED);
	assert_int_equal(at_switch(h, VF1), BAY2);
	assert_false(is_next_of_health(h, "fabricctl host set bay3 --spare on"));
	assert_true(is_next_of_incident(h, "fabricctl host readmit bay1"));
	assert_true(is_next_of_host(h, "bay1", "fabricctl host readmit bay1"));
}

/* Eight at most, and each once. */
/* It is fenced again and again, and each time in the same way. */
static void a_host_that_stays_blocked_says_nothing_that_is_not_new(void **state)
{
	struct house *h = *state;
	size_t count;
	size_t from;

	block(h);
	run(h, 2 * RETRY);
	count = incident(h, "bay1")->step_count;
	from = h->sent_count;
	run(h, 3 * RETRY);
	assert_true(sent(h, PROVIDER_ISOLATE, from) >= 2);
	assert_int_equal(incident(h, "bay1")->step_count, count);
}

static void no_more_is_to_be_typed_than_there_is_room_for(void **state)
{
	struct house *h = *state;
	struct fabric_next next[FABRIC_NEXT_MAX + 1];
	size_t count;

	usual(h);
	assign(h, VF3, "bay2", 0);
	assert_int_equal(fabric_host_set_spare(h->fabric, "bay8", false, 0, on_answer, h), 0);
	silence(h, BAY1);
	run(h, MOVED);
	silence(h, BAY2);
	run(h, MOVED);
	assert_int_equal(fabric_health_next(h->fabric, next), 6); /* what both wait for, once */
	h->agents[BAY1 - 1].beats = h->agents[BAY2 - 1].beats = true;
	run(h, 2 * BEAT);
	/* Six hosts that may be spares, two to be let in, and a database to be adopted. */
	h->fabric->restored = true;
	memset(next, '#', sizeof(next));
	count = fabric_health_next(h->fabric, next);

	assert_int_equal(count, FABRIC_NEXT_MAX);
	assert_int_equal(next[FABRIC_NEXT_MAX].command[0], '#');
}

static void a_host_that_is_not_known_any_more_is_nobody_to_be_let_in(void **state)
{
	struct house *h = *state;
	struct fabric_next next[FABRIC_NEXT_MAX];
	struct fabric_incident *of;

	block(h);
	of = (struct fabric_incident *)incident(h, "bay1");
	of->host = NULL;
	assert_int_equal(fabric_incident_next(h->fabric, of, next), 0);
	of->host = (struct fabric_host *)host(h, "bay1");
	assert_int_not_equal(fabric_incident_next(h->fabric, of, next), 0);
}

/* ---- health is not ok while somebody is wanted ---- */

static void assert_wanted(const struct house *h, const char *detail)
{
	struct fabric_next next[FABRIC_NEXT_MAX];

	assert_string_equal(health(h).status, "degraded");
	assert_string_equal(health(h).detail, detail);
	assert_int_not_equal(fabric_health_next(h->fabric, next), 0);
	assert_string_not_equal(next[0].command, "");
}

static void provider_is(struct house *h, enum provider_state state)
{
	const struct provider_hello hello = h->fabric->providers[0]->hello;

	h->reach[0].sink.state(h->reach[0].sink.arg, state, &hello);
}

static void a_switch_that_stalls_is_no_health_and_holds_up_a_fence(void **state)
{
	struct house *h = *state;
	struct fabric_next next[FABRIC_NEXT_MAX];

	usual(h);
	assert_string_equal(health(h).status, "ok");
	h->reach[0].is_cut = true;
	provider_is(h, PROVIDER_SLOW);
	assert_wanted(h, "provider sim0: slow: it owes an answer");
	silence(h, BAY1);
	run(h, WINDOW + BEAT);

	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCING);
	assert_wanted(h, "bay1 is being fenced, and its switch does not answer");
	assert_int_equal(fabric_host_next(h->fabric, host(h, "bay1"), next), 1);
	assert_non_null(strstr(next[0].when, "(provider sim0: slow)"));
	assert_string_equal(next[0].command, "fabricctl health");

	h->reach[0].is_cut = false;
	provider_is(h, PROVIDER_READY);
	run(h, 60 * BEAT);
	assert_int_equal(at_switch(h, VF1), BAY8);
	assert_string_equal(health(h).status, "ok");
}

static void assert_unjudged(struct house *h, const char *why)
{
	struct fabric_next next[FABRIC_NEXT_MAX];
	char is[DB_TEXT_MAX] = "";

	assert_int_equal(fabric_host_unjudged(h->fabric, host(h, "bay1"), is), *why != '\0');
	assert_string_equal(is, why);
	assert_int_equal(is_next_of_host(h, "bay1", "fabricctl health"), *why != '\0');
	if (fabric_host_next(h->fabric, host(h, "bay1"), next))
		assert_holds(next[0].when, why);
}

static void a_dead_host_behind_a_switch_that_is_away_is_said_not_to_be_judged(void **state)
{
	struct house *h = *state;

	usual(h);
	assert_unjudged(h, "");
	h->reach[0].sink.state(h->reach[0].sink.arg, PROVIDER_LOST, NULL);
	run(h, BEAT);
	assert_unjudged(h, "its switch is away (provider sim0: lost)");
	silence(h, BAY1);
	run(h, 3 * BEAT);
	assert_unjudged(h, "its switch is away (provider sim0: lost)");
	run(h, 10 * BEAT - (h->now_ms - host(h, "bay1")->live.last_beat_ms));
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_ALIVE);
	assert_unjudged(h, "its switch is away (provider sim0: lost); last beat 10.0 s ago");
	provider_is(h, PROVIDER_READY);
	run(h, BEAT);
	assert_unjudged(h, "");
	run(h, MOVED);
	assert_unjudged(h, ""); /* fenced */
	h->reach[0].sink.state(h->reach[0].sink.arg, PROVIDER_LOST, NULL);
	run(h, BEAT);
	assert_unjudged(h, ""); /* and is so, whatever its switch does */
}

static void one_that_has_functions_and_has_never_beaten_is_not_forgotten(void **state)
{
	struct house *h = *state;
	struct fabric_next next[FABRIC_NEXT_MAX];
	char why[DB_TEXT_MAX] = "";

	silence(h, BAY2);
	usual(h);
	assert_false(fabric_host_unjudged(h->fabric, host(h, "bay2"), why));
	assert_int_equal(fabric_host_next(h->fabric, host(h, "bay2"), next), 0);
	assign(h, VF3, "bay2", 0);
	assert_true(fabric_host_unjudged(h->fabric, host(h, "bay2"), why));
	assert_string_equal(why, "it has never beaten");
	assert_int_equal(fabric_host_next(h->fabric, host(h, "bay2"), next), 1);
	assert_string_equal(next[0].command, "systemctl enable --now fabric-agent");
	h->agents[BAY2 - 1].beats = true;
	run(h, 2 * BEAT);
	assert_false(fabric_host_unjudged(h->fabric, host(h, "bay2"), why));
}

static void nobody_is_judged_in_a_frozen_fabric_nor_in_a_restored_one(void **state)
{
	struct house *h = *state;

	usual(h);
	h->fabric->restored = true;
	assert_unjudged(h, "the database was restored from a backup, and not adopted");
	h->fabric->restored = false;
	freeze(h->fabric, "the test says so");
	silence(h, BAY1);
	run(h, 10 * BEAT - (h->now_ms - host(h, "bay1")->live.last_beat_ms));
	assert_unjudged(h, "fabricd is frozen; last beat 10.0 s ago");
}

/* Each command that changes something is refused. */
static void what_is_to_be_typed_in_a_frozen_fabric_is_about_why_it_is(void **state)
{
	static const struct {
		enum freeze_cause cause;
		const char *command;
	} causes[] = {
		{ FREEZE_OWN, "systemctl restart fabricd" },
		{ FREEZE_DISK, "df -h" },
		{ FREEZE_GENERATION, "systemctl restart fabricd" },
		{ FREEZE_EARLIER, "fabricctl db restore FILE" },
	};
	struct house *h = *state;
	struct fabric_next next[FABRIC_NEXT_MAX];

	block(h);
	silence(h, BAY2);
	run_until_state(h, "bay2", FABRIC_HOST_SUSPECT);
	freeze(h->fabric, "the test says so");
	run(h, WINDOW);
	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
		h->fabric->frozen_by = causes[i].cause;
		assert_int_equal(fabric_health_next(h->fabric, next), 2);
		assert_string_equal(next[0].command, causes[i].command);
		assert_string_equal(next[1].command, "journalctl -u fabricd -p warning");
	}
	assert_int_equal(fabric_host_next(h->fabric, host(h, "bay1"), next), 1);
	assert_string_equal(next[0].command, "fabricctl health");
	assert_int_equal(fabric_host_next(h->fabric, host(h, "bay2"), next), 1);
	assert_string_equal(next[0].command, "fabricctl health");
	assert_int_equal(fabric_incident_next(h->fabric, incident(h, "bay1"), next), 1);
	assert_string_equal(next[0].command, "fabricctl health");
}

static void each_freeze_knows_its_cause(void **state)
{
	struct house *h = *state;

	usual(h);
	fabric_epoch_told(h->fabric, "bay1", host(h, "bay1")->epoch + 1);
	assert_int_equal(h->fabric->frozen_by, FREEZE_EARLIER);
	h->fabric->frozen = false;
	foreign(h, PROVIDER_UNBIND, VF1, BAY1, 1, function(h, VF1)->generation + 1);
	foreign(h, PROVIDER_BIND, VF1, BAY2, 3, function(h, VF1)->generation + 2);
	scan_again(h);
	assert_true(h->fabric->frozen);
	assert_int_equal(h->fabric->frozen_by, FREEZE_GENERATION);
	h->fabric->frozen = false;
	h->commit_fails = -ENOSPC;
	spare(h, "bay3");
	run(h, 100);
	assert_true(h->fabric->frozen);
	assert_int_equal(h->fabric->frozen_by, FREEZE_DISK);
}

static void a_blocked_host_whose_switch_stalls_names_that_switch(void **state)
{
	struct house *h = *state;
	struct fabric_next next[FABRIC_NEXT_MAX];

	block(h);
	assert_wanted(h, "bay1 is blocked: its fence is not proved, and nothing of it moves");
	provider_is(h, PROVIDER_SLOW);
	assert_int_not_equal(fabric_host_next(h->fabric, host(h, "bay1"), next), 0);
	assert_non_null(strstr(next[0].when, "(provider sim0: slow)"));
}

static void what_waits_for_a_spare_is_no_health(void **state)
{
	struct house *h = *state;

	usual(h);
	assign(h, VF3, "bay2", 0);
	assert_int_equal(fabric_host_set_spare(h->fabric, "bay8", false, 0, on_answer, h), 0);
	silence(h, BAY1);
	run(h, MOVED);
	assert_wanted(h, "what bay1 had waits for a spare");
	silence(h, BAY2);
	run(h, MOVED);
	assert_wanted(h, "what bay1 had waits for a spare; likewise 1 more");
	spare(h, "bay7");
	spare(h, "bay8");
	run(h, STEADY);
	assert_string_equal(health(h).detail, "");
	assert_string_equal(health(h).status, "ok");
}

static void one_that_dies_in_maintenance_with_functions_is_no_health(void **state)
{
	struct house *h = *state;
	struct fabric_problem problem;

	usual(h);
	assert_int_equal(
		fabric_host_maintenance(h->fabric, "bay1", true, 0, &problem, on_answer, h), 0);
	assert_int_equal(
		fabric_host_maintenance(h->fabric, "bay2", true, 0, &problem, on_answer, h), 0);
	silence(h, BAY1);
	silence(h, BAY2); /* holds nothing */
	run(h, WINDOW - BEAT);
	assert_string_equal(health(h).status, "ok");
	run(h, 3 * BEAT);
	assert_wanted(h, "bay1 is silent, and nobody takes over while it is in maintenance");
	manager_kill(h);
	manager_start(h);
	run(h, WINDOW + 2 * BEAT);
	assert_wanted(h, "bay1 is silent, and nobody takes over while it is in maintenance");
	assert_true(is_next_of_health(h, "fabricctl host failover bay1"));
	assert_false(is_next_of_health(h, "fabricctl host drain bay1 --wait 60"));

	run(h, STEADY);
	assert_int_equal(failover(h, "bay1"), 0); /* what it says is right */
	run(h, MOVED);
	assert_int_equal(at_switch(h, VF1), BAY8);
	assert_string_equal(health(h).status, "ok");
}

static void a_drill_that_was_cut_short_is_no_health(void **state)
{
	struct house *h = *state;
	struct fabric_problem problem;

	usual(h);
	assert_int_equal(fabric_host_drill(h->fabric, "bay8", &(struct fabric_drill){ 0 }, 0,
					   &problem, on_answer, h),
			 0);
	run_until_sent(h, PROVIDER_ISOLATE, h->sent_count);
	manager_kill(h);
	manager_start(h);
	run(h, STEADY);
	assert_wanted(h, "a drill has left bay8 fenced");
	assert_int_equal(readmit(h, "bay8"), 0);
	run(h, BEAT);
	assert_string_equal(health(h).status, "ok");
}

static void one_that_is_silent_and_whose_failover_is_held_is_no_health(void **state)
{
	struct house *h = *state;

	usual(h);
	h->config.rate_count = 1;
	fabric_configure(h->fabric, &h->config);
	silence(h, BAY1);
	run(h, MOVED);
	assert_string_equal(health(h).status, "ok");
	silence(h, BAY2);
	run(h, WINDOW + 2 * BEAT);

	assert_int_equal(host(h, "bay2")->state, FABRIC_HOST_SUSPECT);
	assert_wanted(h, "bay2 is silent for longer than its window, and not failed over yet");
}

static void two_agents_are_shown_while_they_last(void **state)
{
	struct house *h = *state;
	uint64_t epoch;

	usual(h);
	for (uint64_t n = 1; n <= 100; n++) { /* long after that was an event */
		run(h, BEAT);
		assert_int_equal(fabric_beat(h->fabric, "bay1", "another", n, h->now_ms, &epoch),
				 0);
	}
	assert_wanted(h, "two agents beat as bay1, under two boot ids");
	assert_true(is_next_of_host(h, "bay1", "fabricctl host enroll bay1"));
	assert_true(is_next_of_health(h, "fabricctl host enroll bay1"));
	run(h, WINDOW + 2 * BEAT); /* the other one is stopped */
	assert_string_equal(health(h).status, "ok");
	assert_false(is_next_of_host(h, "bay1", "fabricctl host enroll bay1"));
}

static void nothing_is_to_be_typed_where_all_is_well(void **state)
{
	struct house *h = *state;
	struct fabric_next next[FABRIC_NEXT_MAX];

	usual(h);
	assert_int_equal(fabric_health_next(h->fabric, next), 0);
	assert_int_equal(fabric_host_next(h->fabric, host(h, "bay1"), next), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, house_begin, house_end)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_beat_since_the_block_speaks_against_the_person_by_its_way),
		TEST(a_beat_within_the_window_speaks_however_often_it_was_fenced),
		TEST(a_beat_just_before_the_last_try_speaks_for_a_window),
		TEST(power_that_comes_is_life_and_power_that_was_there_is_none),
		TEST(what_was_seen_before_the_power_went_is_over),
		TEST(a_switch_that_says_nothing_of_its_power_has_not_seen_it_go),
		TEST(power_that_was_on_all_the_time_cannot_tell_and_is_written_down),
		TEST(an_agent_that_tells_its_view_lives),
		TEST(an_agent_that_answers_lives),
		TEST(what_its_port_counts_while_it_is_blocked_is_life),
		TEST(the_end_of_its_port_is_no_life),
		TEST(a_persons_word_counts_once),
		TEST(a_word_that_was_given_before_a_restart_does_not_count_again),
		TEST(datagrams_under_no_key_that_counts_are_told_of_who_is_silent),
		TEST(the_time_line_tells_what_each_witness_said_before_the_verdict),
		TEST(each_step_is_told_once_it_is_durable_and_what_hooks_say_is_not),
		TEST(steps_that_hooks_cannot_take_delay_nothing_and_are_told_of),
		TEST(steps_of_before_a_restart_are_not_told_again),
		TEST(a_restart_in_the_middle_of_a_fence_stands_between_its_steps),
		TEST(a_blocked_host_is_to_be_vouched_for_and_one_that_beats_let_in),
		TEST(what_waits_names_each_host_that_could_become_a_spare),
		TEST(a_host_that_stays_blocked_says_nothing_that_is_not_new),
		TEST(no_more_is_to_be_typed_than_there_is_room_for),
		TEST(a_host_that_is_not_known_any_more_is_nobody_to_be_let_in),
		TEST(a_switch_that_stalls_is_no_health_and_holds_up_a_fence),
		TEST(a_dead_host_behind_a_switch_that_is_away_is_said_not_to_be_judged),
		TEST(one_that_has_functions_and_has_never_beaten_is_not_forgotten),
		TEST(nobody_is_judged_in_a_frozen_fabric_nor_in_a_restored_one),
		TEST(what_is_to_be_typed_in_a_frozen_fabric_is_about_why_it_is),
		TEST(each_freeze_knows_its_cause),
		TEST(a_blocked_host_whose_switch_stalls_names_that_switch),
		TEST(what_waits_for_a_spare_is_no_health),
		TEST(one_that_dies_in_maintenance_with_functions_is_no_health),
		TEST(a_drill_that_was_cut_short_is_no_health),
		TEST(one_that_is_silent_and_whose_failover_is_held_is_no_health),
		TEST(two_agents_are_shown_while_they_last),
		TEST(nothing_is_to_be_typed_where_all_is_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
