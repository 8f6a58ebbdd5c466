/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fabricd/state.h"
#include "house_fixture.h"

static const char *const VF4 = "nic-0001/pf0/vf4";
static const char *const VF5 = "nic-0001/pf0/vf5";
enum { BAY6 = 6, BAY7 = 7 };

/* What the manager said when it refused last. */
static struct fabric_problem problem;

/* Functions until NULL; each with the MAC of its place in the list, counted from @mac; 0: none. */
static int define(struct house *h, const char *name, unsigned priority, const char *const *fns,
		  uint64_t mac)
{
	struct fabric_profile_member members[8] = { 0 };
	struct fabric_profile_request request = { .priority = priority, .members = members };

	(void)snprintf(request.name, sizeof(request.name), "%s", name);
	for (; *fns; fns++) {
		struct fabric_profile_member *m = &members[request.member_count++];

		(void)snprintf(m->function, sizeof(m->function), "%s", *fns);
		m->has_identity = mac != 0;
		m->identity.mac = mac ? mac + request.member_count - 1 : 0;
	}
	return fabric_profile_set(h->fabric, &request, &problem, on_answer, h);
}
#define DEFINE(h, name, priority, mac, ...) \
	define(h, name, priority, (const char *const[]){ __VA_ARGS__, NULL }, mac)

/* Under one MAC. */
static int define_two(struct house *h, const char *one, const char *other, uint64_t mac)
{
	struct fabric_profile_member members[2] = {
		{ .has_identity = true, .identity = { .mac = mac } },
		{ .has_identity = true, .identity = { .mac = mac } },
	};
	struct fabric_profile_request request = { .name = "web",
						  .members = members,
						  .member_count = 2 };

	(void)snprintf(members[0].function, sizeof(members[0].function), "%s", one);
	(void)snprintf(members[1].function, sizeof(members[1].function), "%s", other);
	return fabric_profile_set(h->fabric, &request, &problem, on_answer, h);
}

static int place(struct house *h, const char *name, enum db_op op, const char *to)
{
	static const struct fabric_asker who = { 0 };

	return fabric_profile_change(h->fabric, name, op, to, &who, &problem, on_answer, h);
}

static void place_and_wait(struct house *h, const char *name, enum db_op op, const char *to)
{
	assert_int_equal(place(h, name, op, to), 0);
	run(h, 500);
	assert_int_equal(h->answer.r, 0);
	assert_int_equal(fabric_change_find(h->fabric, h->answer.id)->row.state, DB_CHANGE_DONE);
}

static const struct fabric_profile *profile(const struct house *h, const char *name)
{
	const struct fabric_profile *found = fabric_profile_find(h->fabric, name);

	assert_non_null(found);
	return found;
}

static void assert_state(const struct house *h, const char *name, const char *state)
{
	char why[DB_TEXT_MAX];

	assert_string_equal(fabric_profile_state(profile(h, name), why), state);
}

/* The switch itself has all of it there, with its identities. */
static void assert_at(const struct house *h, const char *name, unsigned bay)
{
	const struct fabric_profile *p = profile(h, name);

	for (size_t i = 0; i < p->member_count; i++) {
		assert_int_equal(at_switch(h, p->members[i].fn->name), bay);
		if (bay)
			assert_int_equal(mac_at_switch(h, p->members[i].fn->name),
					 p->members[i].identity.mac);
	}
}

/* A step of that kind stands in the incident's time line, and says so. */
static void assert_step(const struct house *h, uint64_t incident, const char *what,
			const char *words)
{
	const struct fabric_incident *i = fabric_incident_find(h->fabric, incident);

	assert_non_null(i);
	for (size_t n = 0; n < i->step_count; n++)
		if (!strcmp(i->steps[n].what, what) && strstr(i->steps[n].detail, words))
			return;
	for (size_t n = 0; n < i->step_count; n++)
		print_message("%s: %s\n", i->steps[n].what, i->steps[n].detail);
	fail_msg("no step \"%s\" says \"%s\"", what, words);
}

static unsigned steps(const struct house *h, uint64_t incident, const char *what, const char *words)
{
	const struct fabric_incident *i = fabric_incident_find(h->fabric, incident);
	unsigned count = 0;

	for (size_t n = 0; n < i->step_count; n++)
		count += !strcmp(i->steps[n].what, what) && strstr(i->steps[n].detail, words);
	return count;
}

static void vports(struct house *h, unsigned bay, uint16_t count)
{
	h->reach[0].chassis->hosts[bay - 1].vports = count;
	sim_model_free(h->reach[0].model);
	assert_int_equal(sim_model_new(h->reach[0].chassis, &h->reach[0].model), 0);
}

/* All beat; "web" is VF1 and VF2 with MAC1 and MAC2, and nowhere. */
static void web(struct house *h)
{
	manager_start(h);
	run(h, STEADY);
	assert_int_equal(DEFINE(h, "web", 500, MAC1, VF1, VF2), 0);
	run(h, 10);
	assert_int_equal(h->answer.r, 0);
}

/* Another manager gives @fn to a host, under @mac. */
static void foreign_bind(struct house *h, const char *fn, unsigned bay, uint64_t mac)
{
	const struct provider_op set = { .attempt = 1ull << 60,
					 .verb = PROVIDER_IDENTITY,
					 .function = function(h, fn)->as.handle,
					 .identity = { .mac = mac },
					 .deadline_ms = h->now_ms + 1000 };
	struct provider_sink none = { 0 };
	struct provider *other = sim_model_provider(h->reach[0].model, &none);

	(void)other->ops->submit(other, &set);
	provider_close(other);
	run(h, 20);
	foreign(h, PROVIDER_BIND, fn, bay, 1, 1);
}

/* As adoption leaves it: VF1 is with bay2, VF2 with bay1. */
static void web_split(struct house *h)
{
	static struct fabric_plan plan;

	web(h);
	foreign_bind(h, VF1, BAY2, MAC1);
	foreign_bind(h, VF2, BAY1, MAC2);
	scan_again(h);
	assert_int_equal(fabric_adopt(h->fabric, false, 0, &plan, on_answer, h), 0);
	fabric_plan_done(&plan);
	run(h, 100);
	assert_state(h, "web", "split");
}

/* ---- what it is ---- */

static void a_profile_goes_to_a_host_whole_with_its_identities(void **state)
{
	struct house *h = *state;
	unsigned answers;

	web(h);
	assert_state(h, "web", "free");
	answers = h->answer.count;
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	assert_int_equal(h->answer.count, answers + 1);
	assert_at(h, "web", BAY1);
	assert_state(h, "web", "bound");
	assert_string_equal(fabric_profile_host(profile(h, "web"))->name, "bay1");
	assert_int_equal(place(h, "web", DB_OP_ASSIGN, "bay2"), REFUSE_FUNCTION_BOUND);
	assert_string_equal(problem.reason, "nic-0001/pf0/vf1 of it is with bay1; move it");

	place_and_wait(h, "web", DB_OP_MOVE, "bay2");
	assert_at(h, "web", BAY2);
	assert_int_equal(place(h, "web", DB_OP_MOVE, "bay2"), REFUSE_SAME_HOST);

	place_and_wait(h, "web", DB_OP_RELEASE, "");
	assert_at(h, "web", 0);
	assert_int_equal(mac_at_switch(h, VF1), 0);
	assert_int_equal(place(h, "web", DB_OP_MOVE, "bay2"), REFUSE_FUNCTION_FREE);
	assert_int_equal(place(h, "none", DB_OP_MOVE, "bay2"), REFUSE_NO_PROFILE);
	assert_int_equal(place(h, "web", DB_OP_ASSIGN, "bay99"), REFUSE_NO_HOST);
	assert_string_equal(problem.reason, "there is no host bay99");
	/* And once more: the identities are the profile's, also where it is redefined without. */
	assert_int_equal(DEFINE(h, "web", 7, 0, VF1, VF2), 0);
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay3");
	assert_at(h, "web", BAY3);
	assert_int_equal(mac_at_switch(h, VF1), MAC1);
}

static void who_asks_again_under_the_same_key_gets_the_same_change(void **state)
{
	struct house *h = *state;
	struct fabric_asker who = { .key = "k", .hash = 7 };
	uint64_t first;

	web(h);
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	for (int i = 0; i < 3; i++) {
		if (i == 2) { /* that answer was lost with its manager */
			manager_kill(h);
			manager_start(h);
			run(h, STEADY);
		}
		assert_int_equal(fabric_profile_change(h->fabric, "web", DB_OP_MOVE, "bay2", &who,
						       &problem, on_answer, h),
				 0);
		run(h, 500);
		first = i ? first : h->answer.id;
		assert_int_equal(h->answer.id, first);
	}
	assert_at(h, "web", BAY2);
	who.hash = 8;
	assert_int_equal(fabric_profile_change(h->fabric, "web", DB_OP_MOVE, "bay3", &who, &problem,
					       on_answer, h),
			 REFUSE_KEY_REUSED);
}

static void no_function_of_a_profile_goes_alone(void **state)
{
	struct house *h = *state;
	struct fabric_request_op both[2];
	const struct fabric_request one = { .ops = both, .op_count = 1 };

	web(h);
	both[0] = op(DB_OP_ASSIGN, VF1, "bay1", 0);
	assert_int_equal(fabric_change_request(h->fabric, &one, &problem, on_answer, h),
			 REFUSE_IN_PROFILE);
	assert_string_equal(problem.reason, "nic-0001/pf0/vf1 is in profile web, and goes with it: "
					    "fabricctl profile assign web HOST");
	both[1] = op(DB_OP_ASSIGN, VF2, "bay2", 0);
	assert_int_equal(request(h, both, 2), REFUSE_IN_PROFILE);
	/* Its identity is its own. */
	both[0] = op(DB_OP_ASSIGN, VF1, "bay1", MAC1);
	both[1] = op(DB_OP_ASSIGN, VF2, "bay1", MAC1 + 7);
	assert_int_equal(request(h, both, 2), REFUSE_IN_PROFILE);
	/* All of it to one host is what a profile is for. */
	both[1] = op(DB_OP_ASSIGN, VF2, "bay1", 0);
	assert_int_equal(request(h, both, 2), 0);
	run(h, 500);
	assert_at(h, "web", BAY1);

	assert_int_equal(ask(h, DB_OP_MOVE, VF2, "bay2", 0), REFUSE_IN_PROFILE);
	assert_int_equal(ask(h, DB_OP_RELEASE, VF2, "", 0), REFUSE_IN_PROFILE);
	assert_null(function(h, VF2)->item);
	assert_at(h, "web", BAY1);
}

static void what_a_host_has_becomes_a_profile_as_it_is(void **state)
{
	struct house *h = *state;

	usual(h);
	assert_int_equal(DEFINE(h, "web", 100, 0, VF1, VF2), 0);
	assert_int_equal(profile(h, "web")->members[0].identity.mac, MAC1);
	assert_state(h, "web", "bound");
	/* Under other identities it is none. */
	assert_int_equal(DEFINE(h, "web", 100, MAC2, VF1, VF2), REFUSE_IN_PROFILE);
	assert_int_equal(problem.op, 0);
	assert_string_equal(problem.field, "identity");
	place_and_wait(h, "web", DB_OP_MOVE, "bay3");
	assert_at(h, "web", BAY3);
}

static void what_is_no_profile_is_refused_and_nothing_is_kept_of_it(void **state)
{
	struct house *h = *state;
	size_t count;

	usual(h);
	assert_int_equal(DEFINE(h, "web", 100, 0, VF3, "nothing"), REFUSE_NO_FUNCTION);
	assert_int_equal(problem.op, 1);
	assert_string_equal(problem.field, "function");
	assert_int_equal(DEFINE(h, "web", 100, 0, VF3, VF3), REFUSE_TWICE);
	assert_int_equal(DEFINE(h, "web", 100, 0, VF1, VF3), REFUSE_IN_PROFILE);
	assert_int_equal(DEFINE(h, "web", 100, 0, "nic-0001/pf0"), REFUSE_FUNCTION_KEPT);
	assert_int_equal(DEFINE(h, "web", 100, MAC1, VF3), REFUSE_IDENTITY_TAKEN);
	assert_int_equal(DEFINE(h, "web", 100, MAC2, GPU0), REFUSE_IDENTITY_KIND);
	assert_int_equal(define_two(h, VF3, VF4, MAC2), REFUSE_IDENTITY_TAKEN);
	assert_int_equal(DEFINE(h, "web", 1001, 0, VF3), REFUSE_FIELD);
	assert_int_equal(DEFINE(h, "", 100, 0, VF3), REFUSE_FIELD);
	assert_int_equal(DEFINE(h, "a/b", 100, 0, VF3), REFUSE_FIELD);
	assert_int_equal(DEFINE(h, ".a", 100, 0, VF3), REFUSE_FIELD);
	assert_int_equal(define(h, "web", 100, (const char *const[]){ NULL }, 0), REFUSE_FIELD);
	(void)fabric_profiles(h->fabric, &count);
	assert_int_equal(count, 0);
	assert_null(function(h, VF3)->profile);
	assign(h, VF3, "bay2", 0);
}

static void a_function_is_in_one_profile_and_its_identity_is_nobody_elses(void **state)
{
	struct house *h = *state;

	web(h);
	assert_int_equal(DEFINE(h, "db", 100, 0, VF2), REFUSE_IN_PROFILE);
	assert_int_equal(DEFINE(h, "db", 100, MAC1, VF3), REFUSE_IDENTITY_TAKEN);
	/* Also while the profile is nowhere. */
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay1", MAC1), REFUSE_IDENTITY_TAKEN);
	assert_int_equal(DEFINE(h, "db", 100, 0x0200000000b1, VF3), 0);
	/* What leaves one profile may come into another. */
	assert_int_equal(DEFINE(h, "web", 7, MAC1, VF1), 0);
	assert_int_equal(DEFINE(h, "db", 8, MAC1 + 1, VF2, VF3), 0);
	assert_int_equal(profile(h, "web")->priority, 7);
	assert_ptr_equal(function(h, VF2)->profile, profile(h, "db"));
	run(h, 10);
	assert_int_equal(h->answer.r, 0);
}

static void a_profile_that_is_on_its_way_is_not_redefined(void **state)
{
	struct house *h = *state;

	web(h);
	assert_int_equal(place(h, "web", DB_OP_ASSIGN, "bay1"), 0);
	assert_state(h, "web", "changing");
	assert_int_equal(DEFINE(h, "web", 100, MAC1, VF1), REFUSE_FUNCTION_LOCKED);
	assert_int_equal(DEFINE(h, "web", 100, MAC1, VF3), REFUSE_FUNCTION_LOCKED);
	assert_int_equal(fabric_profile_delete(h->fabric, "web", 0, &problem, on_answer, h),
			 REFUSE_FUNCTION_LOCKED);
	run(h, 500);
	assert_at(h, "web", BAY1);
}

static void no_function_of_a_profile_goes_while_another_is_mended(void **state)
{
	struct house *h = *state;

	web(h);
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	fault(h, PROVIDER_BIND, SIM_FAULT_DELAY, 500, 1);
	foreign(h, PROVIDER_UNBIND, VF1, BAY1, 0, 0);
	scan_again(h);
	assert_non_null(function(h, VF1)->item);
	assert_int_equal(ask(h, DB_OP_MOVE, VF2, "bay2", 0), REFUSE_FUNCTION_LOCKED);
}

static void s15_no_profile_is_made_or_moved_in_a_frozen_fabric(void **state)
{
	struct house *h = *state;

	web(h);
	freeze(h->fabric, "the test says so");
	assert_int_equal(DEFINE(h, "db", 1, 0, VF5), REFUSE_FROZEN);
	assert_int_equal(fabric_profile_delete(h->fabric, "web", 0, &problem, on_answer, h),
			 REFUSE_FROZEN);
	assert_non_null(fabric_profile_find(h->fabric, "web"));
	assert_int_equal(place(h, "web", DB_OP_ASSIGN, "bay1"), REFUSE_FROZEN);
}

static void a_profile_that_is_deleted_lets_its_functions_go_alone(void **state)
{
	struct house *h = *state;

	web(h);
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	assert_int_equal(fabric_profile_delete(h->fabric, "web", 0, &problem, on_answer, h), 0);
	assert_null(fabric_profile_find(h->fabric, "web"));
	assert_int_equal(ask(h, DB_OP_MOVE, VF2, "bay2", 0), 0);
	run(h, 500);
	assert_int_equal(at_switch(h, VF1), BAY1);
	assert_int_equal(at_switch(h, VF2), BAY2);
	manager_kill(h);
	manager_start(h);
	assert_null(fabric_profile_find(h->fabric, "web"));
	assert_int_equal(fabric_profile_delete(h->fabric, "web", 0, &problem, on_answer, h),
			 REFUSE_NO_PROFILE);
}

/* No spare: it waits with its host. */
static void a_profile_that_waits_is_not_deleted(void **state)
{
	struct house *h = *state;

	web(h);
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	silence(h, BAY1);
	run_until_state(h, "bay1", FABRIC_HOST_FENCING);
	assert_int_equal(fabric_profile_delete(h->fabric, "web", 0, &problem, on_answer, h),
			 REFUSE_PROFILE_WAITS);
	assert_string_equal(problem.reason, "nic-0001/pf0/vf1 is with bay1, which is fencing, and "
					    "waits: fabricctl incident show 1 says for what");
	run(h, MOVED);
	assert_int_equal(host(h, "bay1")->state, FABRIC_HOST_FENCED);
	assert_int_equal(fabric_profile_delete(h->fabric, "web", 0, &problem, on_answer, h),
			 REFUSE_PROFILE_WAITS);
	assert_string_equal(problem.reason, "nic-0001/pf0/vf1 is with bay1, which is fenced, and "
					    "waits: fabricctl incident show 1 says for what; or "
					    "give it up: fabricctl profile release web");
	/* Nor does a part of it leave; its priority may change. */
	assert_int_equal(DEFINE(h, "web", 500, MAC1, VF1), REFUSE_PROFILE_WAITS);
	assert_int_equal(DEFINE(h, "web", 900, MAC1, VF1, VF2), 0);
	/* As it was told. */
	place_and_wait(h, "web", DB_OP_RELEASE, "");
	assert_int_equal(fabric_profile_delete(h->fabric, "web", 0, &problem, on_answer, h), 0);
}

static void a_profile_of_which_something_is_parked_is_not_deleted(void **state)
{
	struct house *h = *state;
	char why[DB_TEXT_MAX];

	h->config.command_attempts = 1;
	web(h);
	fault(h, PROVIDER_BIND, SIM_FAULT_REFUSED, 0, 3); /* and while it is mended */
	assert_int_equal(place(h, "web", DB_OP_ASSIGN, "bay1"), 0);
	for (unsigned i = 0;
	     i < 5000 && strcmp(fabric_profile_state(profile(h, "web"), why), "parked") != 0; i++)
		house_step(h, h->now_ms + 1);
	assert_int_equal(fabric_profile_delete(h->fabric, "web", 0, &problem, on_answer, h),
			 REFUSE_PROFILE_WAITS);
	assert_non_null(strstr(problem.reason,
			       " is parked for bay1: fabricctl profile move web HOST, or fabricctl "
			       "profile release web, comes first"));
	run(h, 300 * BEAT);
	assert_state(h, "web", "bound");
	assert_int_equal(fabric_profile_delete(h->fabric, "web", 0, &problem, on_answer, h), 0);
}

static void a_profile_survives_a_restart(void **state)
{
	struct house *h = *state;

	web(h);
	assert_int_equal(DEFINE(h, "web", 321, MAC1, VF2, VF1), 0);
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	manager_kill(h);
	manager_start(h);
	run(h, STEADY);

	assert_int_equal(profile(h, "web")->priority, 321);
	assert_int_equal(profile(h, "web")->member_count, 2);
	assert_string_equal(profile(h, "web")->members[0].fn->name, VF2);
	assert_int_equal(profile(h, "web")->members[0].identity.mac, MAC1);
	assert_state(h, "web", "bound");
	assert_int_equal(ask(h, DB_OP_MOVE, VF2, "bay2", 0), REFUSE_IN_PROFILE);
	spare(h, "bay8");
	silence(h, BAY1);
	run(h, MOVED);
	assert_at(h, "web", BAY8);
}

static void a_profile_that_was_not_durable_is_not_there_after_a_crash(void **state)
{
	struct house *h = *state;

	usual(h);
	h->holds_commits = true;
	assert_int_equal(DEFINE(h, "web", 100, 0, VF1, VF2), 0);
	manager_kill(h);
	manager_start(h);
	run(h, STEADY);
	assert_null(fabric_profile_find(h->fabric, "web"));
	assert_int_equal(ask(h, DB_OP_MOVE, VF2, "bay2", 0), 0);
}

static void a_profile_that_was_split_is_gathered_by_a_move(void **state)
{
	struct house *h = *state;
	char why[DB_TEXT_MAX];

	web_split(h);
	assert_null(fabric_profile_host(profile(h, "web")));
	(void)fabric_profile_state(profile(h, "web"), why);
	assert_non_null(strstr(why, "fabricctl profile move web HOST"));
	place_and_wait(h, "web", DB_OP_MOVE, "bay2");
	assert_at(h, "web", BAY2);
	assert_state(h, "web", "bound");
}

/* ---- all of it goes, or all of it stays ---- */

static const struct db_item *last_row(const struct house *h, const char *fn)
{
	size_t count;
	const struct fabric_change *const *changes = fabric_changes(h->fabric, &count);

	for (size_t c = count; c-- > 0;)
		for (size_t i = 0;
		     changes[c]->row.kind == DB_CHANGE_ASKED && i < changes[c]->item_count; i++)
			if (!strcmp(changes[c]->items[i].row.function, fn))
				return &changes[c]->items[i].row;
	fail_msg("no change has had %s", fn);
	return NULL;
}

/* Both ended as failed; one says why, the other that it stays with it. */
static void assert_stays(const struct house *h, const char *why)
{
	const struct db_item *one = last_row(h, VF1);
	const struct db_item *other = last_row(h, VF2);
	const struct db_item *led =
		!strncmp(one->reason, "profile web stays, for ", 23) ? one : other;
	char wanted[DB_TEXT_MAX];

	assert_int_equal(one->state, DB_CHANGE_FAILED);
	assert_int_equal(other->state, DB_CHANGE_FAILED);
	(void)snprintf(wanted, sizeof(wanted), "profile web stays, for %s does: %s",
		       led == one ? VF2 : VF1, why);
	assert_memory_equal(led->reason, wanted, strlen(wanted));
}

static void a_profile_of_which_the_switch_keeps_one_back_stays_whole(void **state)
{
	static const enum db_op ops[] = { DB_OP_MOVE, DB_OP_RELEASE };
	struct house *h = *state;

	h->config.command_attempts = 1;
	web(h);
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	for (size_t i = 0; i < 2; i++) {
		size_t from = h->sent_count;

		fault(h, PROVIDER_UNBIND, SIM_FAULT_REFUSED, 0, 1);
		assert_int_equal(place(h, "web", ops[i], "bay2"), 0);
		run(h, 5 * BEAT);
		assert_stays(h, "unbind: ");
		assert_int_equal(sent(h, PROVIDER_UNBIND, from), 2);
		/* The other one was out already, and is back. */
		assert_int_equal(sent(h, PROVIDER_BIND, from), 1);
		assert_at(h, "web", BAY1);
		assert_state(h, "web", "bound");
	}
	place_and_wait(h, "web", DB_OP_MOVE, "bay2");
	assert_at(h, "web", BAY2);
}

/* One is out, the other stays, and the manager dies as both are so. */
static void what_is_out_goes_back_after_a_crash_as_well(void **state)
{
	struct house *h = *state;
	const struct fabric_function *fn;

	h->config.command_attempts = 1;
	web(h);
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	fault(h, PROVIDER_UNBIND, SIM_FAULT_REFUSED, 0, 1);
	fault(h, PROVIDER_UNBIND, SIM_FAULT_LOST, 0, 1);
	assert_int_equal(place(h, "web", DB_OP_MOVE, "bay2"), 0);
	for (unsigned i = 0; i < 5000; i++) {
		house_step(h, h->now_ms + 1);
		if (last_row(h, VF1)->state != DB_CHANGE_RUNNING ||
		    last_row(h, VF2)->state != DB_CHANGE_RUNNING)
			break;
	}
	run(h, 10); /* stored */
	fn = function(h, last_row(h, VF1)->state == DB_CHANGE_RUNNING ? VF1 : VF2);
	assert_int_equal(last_row(h, fn->name)->state, DB_CHANGE_RUNNING);
	manager_kill(h);
	manager_start(h);
	run(h, 30 * BEAT);
	assert_at(h, "web", BAY1);
	assert_state(h, "web", "bound");
}

/* Nothing is said of where it is before it was read. */
static void what_may_be_out_is_read_before_it_stays(void **state)
{
	struct house *h = *state;

	h->config.command_attempts = 1;
	web(h);
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	fault(h, PROVIDER_UNBIND, SIM_FAULT_REFUSED, 0, 1);
	fault(h, PROVIDER_UNBIND, SIM_FAULT_LOST, 0, 1);
	assert_int_equal(place(h, "web", DB_OP_MOVE, "bay2"), 0);
	run(h, 5 * BEAT);
	assert_at(h, "web", BAY1);
	assert_state(h, "web", "bound");
}

/* Neither has an identity to be cleared, nor is reset for nobody: out is all that there is to do.
 */
static void what_is_released_is_done_when_all_of_it_is_out(void **state)
{
	struct house *h = *state;

	h->config.command_attempts = 1;
	manager_start(h);
	run(h, STEADY);
	assert_int_equal(DEFINE(h, "web", 500, 0, GPU0, GPU1), 0);
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	fault(h, PROVIDER_UNBIND, SIM_FAULT_REFUSED, 0, 1);
	assert_int_equal(place(h, "web", DB_OP_RELEASE, ""), 0);
	run(h, 10);
	assert_int_equal(host(h, "bay1")->functions, 2);
	run(h, 500);
	assert_int_equal(last_row(h, GPU0)->state, DB_CHANGE_FAILED);
	assert_int_equal(last_row(h, GPU1)->state, DB_CHANGE_FAILED);
	assert_int_equal(host(h, "bay1")->functions, 2);
}

/* Of each host's agent: which function it was asked for, under which number. */
static struct {
	char function[FABRIC_NAME_MAX];
	uint64_t id;
} questions[16];

static int on_ask(struct house *h, const char *name, const struct fabric_ask *question)
{
	size_t n = h->asks - 1;

	(void)name;
	assert_in_range(n, 0, 15);
	(void)snprintf(questions[n].function, sizeof(questions[n].function), "%s",
		       question->function);
	questions[n].id = question->id;
	return 0;
}

static void answer(struct house *h, const char *bay, const char *fn,
		   enum fabric_ask_outcome outcome, const char *text)
{
	for (size_t n = h->asks; n-- > 0;)
		if (!strcmp(questions[n].function, fn)) {
			fabric_agent_answered(h->fabric, bay, questions[n].id, outcome, text);
			run(h, 200);
			return;
		}
	fail_msg("nobody was asked for %s", fn);
}

/* It can tell its agent which function is meant. */
static void has_slots(struct house *h, const char *bay)
{
	for (size_t i = 0; i < h->fabric->hosts.count; i++) {
		struct fabric_host *one = h->fabric->hosts.at[i];

		if (!strcmp(one->name, bay))
			one->as.first_slot = 17;
	}
}

static void web_asked(struct house *h)
{
	h->on_ask = on_ask;
	web(h);
	has_slots(h, "bay1");
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
}

static void nothing_of_a_profile_is_unbound_before_all_of_it_may_leave(void **state)
{
	struct house *h = *state;
	size_t from;

	web_asked(h);
	from = h->sent_count;
	assert_int_equal(place(h, "web", DB_OP_MOVE, "bay2"), 0);
	run(h, 500);
	assert_int_equal(h->asks, 2);
	answer(h, "bay1", VF1, FABRIC_ASK_DONE, "");
	assert_int_equal(sent(h, PROVIDER_UNBIND, from), 0);
	assert_string_equal(function(h, VF1)->item->step, "waits for nic-0001/pf0/vf2 of web");
	assert_true(item_is_leaving(function(h, VF1)->item)); /* it may not answer there */
	answer(h, "bay1", VF2, FABRIC_ASK_DONE, "");
	run(h, 500);
	assert_at(h, "web", BAY2);
	assert_state(h, "web", "bound");
	assert_int_equal(h->asks, 2);
}

/* One has been let go by its host, which has to find it again. */
static void a_profile_of_which_an_agent_keeps_one_back_stays_whole(void **state)
{
	struct house *h = *state;
	size_t from;

	web_asked(h);
	from = h->sent_count;
	assert_int_equal(place(h, "web", DB_OP_MOVE, "bay2"), 0);
	run(h, 500);
	answer(h, "bay1", VF1, FABRIC_ASK_DONE, "");
	answer(h, "bay1", VF2, FABRIC_ASK_REFUSED, "10-unmount: /srv is busy");
	run(h, 5 * BEAT);
	assert_stays(h, "bay1: 10-unmount: /srv is busy; it goes back to bay1");
	assert_at(h, "web", BAY1);
	assert_state(h, "web", "bound");
	/* That one alone was plugged in anew. */
	assert_int_equal(sent(h, PROVIDER_UNBIND, from), 1);
	assert_int_equal(sent(h, PROVIDER_BIND, from), 1);
}

/* Refused before the other one has answered: that one has not left yet. */
static void where_nothing_is_mended_nothing_is_unbound_to_be_bound_again(void **state)
{
	struct house *h = *state;
	size_t from;

	h->config.repair = false;
	web_asked(h);
	from = h->sent_count;
	assert_int_equal(place(h, "web", DB_OP_RELEASE, ""), 0);
	run(h, 500);
	answer(h, "bay1", VF2, FABRIC_ASK_REFUSED, "no");
	answer(h, "bay1", VF1, FABRIC_ASK_DONE, "");
	run(h, 5 * BEAT);
	assert_stays(h, "bay1: no");
	assert_null(strstr(last_row(h, VF1)->reason, "goes back"));
	assert_int_equal(effects(h, from), 0);
	assert_state(h, "web", "bound");
}

/* Nobody has asked VF1's host for it yet. */
static void what_was_not_let_go_is_left_alone(void **state)
{
	struct house *h = *state;
	size_t from;

	h->on_ask = on_ask;
	web_split(h);
	has_slots(h, "bay1");
	from = h->sent_count;
	assert_int_equal(place(h, "web", DB_OP_MOVE, "bay3"), 0);
	run(h, 500);
	assert_int_equal(h->asks, 1);
	answer(h, "bay1", VF2, FABRIC_ASK_REFUSED, "no");
	run(h, 5 * BEAT);
	assert_stays(h, "bay1: no");
	assert_int_equal(effects(h, from), 0);
}

/* Those that follow name the one that does not. */
static void each_that_stays_says_for_whom(void **state)
{
	struct house *h = *state;

	h->on_ask = on_ask;
	manager_start(h);
	run(h, STEADY);
	assert_int_equal(DEFINE(h, "web", 500, MAC1, VF1, VF2, VF3), 0);
	has_slots(h, "bay1");
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	assert_int_equal(place(h, "web", DB_OP_MOVE, "bay2"), 0);
	run(h, 500);
	answer(h, "bay1", VF2, FABRIC_ASK_REFUSED, "no");
	answer(h, "bay1", VF1, FABRIC_ASK_DONE, "");
	run(h, BEAT);
	answer(h, "bay1", VF3, FABRIC_ASK_DONE, "");
	run(h, BEAT);
	assert_string_equal(last_row(h, VF2)->reason, "bay1: no");
	assert_string_equal(last_row(h, VF1)->reason,
			    "profile web stays, for nic-0001/pf0/vf2 does: bay1: no; it goes back "
			    "to bay1");
	assert_string_equal(last_row(h, VF3)->reason, last_row(h, VF1)->reason);
	assert_at(h, "web", BAY1);
}

static void what_one_profile_keeps_back_holds_no_other_up(void **state)
{
	struct house *h = *state;

	web_asked(h);
	assert_int_equal(DEFINE(h, "db", 500, MAC2 + 10, VF4, VF5), 0);
	place_and_wait(h, "db", DB_OP_ASSIGN, "bay1");
	assign(h, VF3, "bay1", 0);
	assign(h, "nic-0001/pf0/vf6", "bay1", 0);
	spare(h, "bay7");
	assert_int_equal(fabric_host_drain(h->fabric, "bay1", "", &(struct fabric_asker){ 0 },
					   &problem, on_answer, h),
			 0);
	run(h, 500);
	answer(h, "bay1", "nic-0001/pf0/vf6", FABRIC_ASK_REFUSED, "no");
	answer(h, "bay1", VF1, FABRIC_ASK_REFUSED, "no");
	answer(h, "bay1", VF2, FABRIC_ASK_DONE, "");
	answer(h, "bay1", VF3, FABRIC_ASK_DONE, "");
	answer(h, "bay1", VF4, FABRIC_ASK_DONE, "");
	answer(h, "bay1", VF5, FABRIC_ASK_DONE, "");
	run(h, 5 * BEAT);
	assert_at(h, "web", BAY1);
	assert_at(h, "db", BAY7);
	assert_int_equal(at_switch(h, VF3), BAY7);
}

/* Its card is pulled; nobody knows whether it comes back. */
static void who_is_not_there_any_more_is_not_waited_for(void **state)
{
	struct house *h = *state;

	h->on_ask = on_ask;
	manager_start(h);
	run(h, STEADY);
	assert_int_equal(DEFINE(h, "web", 500, 0, VF1, GPU0), 0);
	has_slots(h, "bay1");
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	assert_int_equal(place(h, "web", DB_OP_MOVE, "bay2"), 0);
	run(h, 500);
	answer(h, "bay1", VF1, FABRIC_ASK_DONE, "");
	assert_int_equal(at_switch(h, VF1), BAY1);
	assert_int_equal(sim_model_slot(h->reach[0].model, 2, SIM_SLOT_OUT, NULL), 0);
	run(h, 500);
	assert_int_equal(at_switch(h, VF1), BAY2);
}

/* From bay2 it can leave; from bay1, which is being fenced, nobody knows when. */
static void who_leaves_a_host_that_is_being_fenced_is_not_waited_for(void **state)
{
	struct house *h = *state;

	web_split(h);
	fault(h, PROVIDER_READ_HOST, SIM_FAULT_LOST, 0, 1000);
	assert_int_equal(place(h, "web", DB_OP_MOVE, "bay3"), 0);
	assert_int_equal(failover(h, "bay1"), 0);
	run(h, 3 * BEAT);
	assert_int_equal(at_switch(h, VF1), BAY3);
	assert_string_equal(function(h, VF2)->item->step, "waits for the fence");
}

static void a_profile_whose_function_carries_another_identity_is_split(void **state)
{
	struct house *h = *state;
	char why[DB_TEXT_MAX];

	web(h);
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	((struct fabric_function *)function(h, VF2))->identity.mac++;
	assert_string_equal(fabric_profile_state(profile(h, "web"), why), "split");
	assert_string_equal(why, "nic-0001/pf0/vf2 carries another identity");
}

/* As many as there may be, which are all one. */
static void there_are_so_many_profiles_and_no_more(void **state)
{
	static struct fabric_profile *many[FABRIC_PROFILES_MAX];
	struct house *h = *state;
	struct fabric_profile **own;
	int fresh;
	int known;

	web(h);
	own = h->fabric->profiles;
	for (size_t i = 0; i < FABRIC_PROFILES_MAX; i++)
		many[i] = own[0];
	h->fabric->profiles = many;
	h->fabric->profile_count = FABRIC_PROFILES_MAX;
	fresh = DEFINE(h, "zoo", 1, 0, VF5);
	known = DEFINE(h, "web", 1001, 0, VF1); /* looked at, and refused for something else */
	h->fabric->profiles = own;
	h->fabric->profile_count = 1;
	assert_int_equal(fresh, REFUSE_LIMIT);
	assert_int_equal(known, REFUSE_FIELD);
}

/* ---- moves that are planned, and room ---- */

static void a_host_is_drained_with_its_profiles_whole(void **state)
{
	struct house *h = *state;
	struct fabric_plan plan;

	vports(h, BAY7, 2);
	vports(h, BAY8, 2);
	web(h);
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	assign(h, VF3, "bay1", 0);
	spare(h, "bay7");
	assert_int_equal(fabric_host_drain_plan(h->fabric, "bay1", "", &problem, &plan),
			 REFUSE_NO_SPARE);
	spare(h, "bay8");
	assert_int_equal(fabric_host_drain_plan(h->fabric, "bay1", "", &problem, &plan), 0);
	assert_string_equal(plan.target, "bay7, bay8");
	fabric_plan_done(&plan);
	assert_int_equal(fabric_host_drain(h->fabric, "bay1", "", &(struct fabric_asker){ 0 },
					   &problem, on_answer, h),
			 0);
	run(h, 2 * BEAT);
	assert_at(h, "web", BAY7);
	assert_int_equal(at_switch(h, VF3), BAY8);
}

static void s12_a_profile_counts_as_a_whole(void **state)
{
	struct house *h = *state;

	vports(h, BAY7, 2);
	vports(h, BAY8, 2);
	web(h);
	spare(h, "bay8");
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	h->config.reserve = 1;
	fabric_configure(h->fabric, &h->config);
	/* A third function has no room, until there is another spare. */
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay1", 0), REFUSE_RESERVE);
	spare(h, "bay7");
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF3, "bay1", 0), 0);
	run(h, 500);
	assert_int_equal(at_switch(h, VF3), BAY1);
	/* Two spares of two vports: the profile to one, what is in none to the other. */
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF4, "bay1", 0), 0);
	run(h, 500);
	assert_int_equal(ask(h, DB_OP_ASSIGN, VF5, "bay1", 0), REFUSE_RESERVE);
}

/* ---- failover ---- */

static void one_spare_with_room_for_all_takes_all(void **state)
{
	struct house *h = *state;
	struct fabric_plan plan;

	web(h);
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	assign(h, VF3, "bay1", 0);
	spare(h, "bay7");
	spare(h, "bay8");
	assert_int_equal(fabric_host_failover_plan(h->fabric, "bay1", &problem, &plan), 0);
	assert_string_equal(plan.target, "bay7"); /* once, of two groups */
	fabric_plan_done(&plan);
	silence(h, BAY1);
	run(h, MOVED);
	assert_at(h, "web", BAY7);
	assert_int_equal(at_switch(h, VF3), BAY7);
	assert_true(host(h, "bay8")->spare);
	assert_step(h, 1, "move", "profile web (priority 500, 2 functions) to bay7");
	assert_step(h, 1, "move", "1 function to bay7");
}

static void each_profile_goes_whole_where_no_spare_has_room_for_all(void **state)
{
	struct house *h = *state;

	vports(h, BAY7, 2);
	vports(h, BAY8, 3);
	web(h);
	assert_int_equal(DEFINE(h, "db", 600, 0x0200000000b1, VF3, VF4), 0);
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	place_and_wait(h, "db", DB_OP_ASSIGN, "bay1");
	assign(h, VF5, "bay1", 0);
	spare(h, "bay7");
	spare(h, "bay8");
	silence(h, BAY1);
	run(h, MOVED);
	assert_at(h, "db", BAY7);
	assert_at(h, "web", BAY8);
	assert_int_equal(at_switch(h, VF5), BAY8); /* which has a vport left, for this host alone */
	assert_int_equal(fabric_incident_find(h->fabric, 1)->row.state, DB_INCIDENT_DONE);
	assert_step(h, 1, "moved", "2 of 2 functions bound and read back at bay7");
	assert_step(h, 1, "moved", "3 of 3 functions bound and read back at bay8");
	assert_step(h, 1, "move", "1 function to bay8, change 4; passed over: bay7 has");
}

static void what_does_not_fit_waits_and_the_rest_goes_on(void **state)
{
	struct house *h = *state;

	vports(h, BAY7, 1);
	vports(h, BAY8, 2);
	web(h);
	assert_int_equal(DEFINE(h, "db", 600, 0x0200000000b1, VF3, VF4, VF5), 0);
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	place_and_wait(h, "db", DB_OP_ASSIGN, "bay1");
	spare(h, "bay7");
	spare(h, "bay8");
	silence(h, BAY1);
	run(h, MOVED);
	assert_at(h, "web", BAY8);
	assert_at(h, "db", 0);
	assert_int_equal(fabric_incident_find(h->fabric, 1)->row.state, DB_INCIDENT_WAITING);
	assert_step(h, 1, "waiting",
		    "profile db (priority 600, 3 functions): no spare is fit: "
		    "bay7 has too few free vports");
	assert_int_equal(steps(h, 1, "waiting", "profile web"), 0);
	assert_int_equal(steps(h, 1, "move", ""), 1);
	assert_int_equal(steps(h, 1, "moved", ""), 1);
	assert_state(h, "db", "parked");

	spare(h, "bay6");
	run(h, BEAT);
	assert_at(h, "db", BAY6);
	assert_int_equal(fabric_incident_find(h->fabric, 1)->row.state, DB_INCIDENT_DONE);
}

static void the_higher_priority_goes_first(void **state)
{
	struct house *h = *state;

	vports(h, BAY7, 2);
	vports(h, BAY8, 2);
	web(h);
	assert_int_equal(DEFINE(h, "db", 501, 0x0200000000b1, VF3, VF4), 0);
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	place_and_wait(h, "db", DB_OP_ASSIGN, "bay1");
	silence(h, BAY1);
	run(h, MOVED);
	assert_at(h, "web", 0);
	spare(h, "bay8");
	run(h, BEAT);
	assert_at(h, "db", BAY8);
	assert_at(h, "web", 0);
	spare(h, "bay7");
	run(h, BEAT);
	assert_at(h, "web", BAY7);
}

static void the_higher_priority_goes_first_whatever_its_name(void **state)
{
	struct house *h = *state;

	vports(h, BAY8, 2);
	web(h);
	assert_int_equal(DEFINE(h, "a", 10, 0x0200000000b1, VF3, VF4), 0);
	place_and_wait(h, "a", DB_OP_ASSIGN, "bay1");
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	spare(h, "bay8");
	silence(h, BAY1);
	run(h, MOVED);
	assert_at(h, "web", BAY8);
	assert_at(h, "a", 0);
}

static void the_time_line_tells_of_the_higher_priority_first(void **state)
{
	struct house *h = *state;
	const struct fabric_incident *incident;
	size_t n = 0;

	vports(h, BAY7, 2);
	vports(h, BAY8, 2);
	web(h);
	assert_int_equal(DEFINE(h, "a", 10, 0x0200000000b1, VF3, VF4), 0);
	place_and_wait(h, "a", DB_OP_ASSIGN, "bay1");
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	spare(h, "bay7");
	spare(h, "bay8");
	silence(h, BAY1);
	run(h, MOVED);

	incident = fabric_incident_find(h->fabric, 1);
	while (strcmp(incident->steps[n].what, "move") != 0)
		n++;
	assert_non_null(strstr(incident->steps[n].detail, "profile web"));
	assert_non_null(strstr(incident->steps[n + 1].detail, "profile a"));
}

/* Their vports alternate, and their priorities are equal. */
static void profiles_that_stand_between_one_another_go_each_whole(void **state)
{
	struct house *h = *state;

	vports(h, BAY7, 2);
	vports(h, BAY8, 2);
	manager_start(h);
	run(h, STEADY);
	assign(h, VF1, "bay1", 0);
	assign(h, VF2, "bay1", 0);
	assign(h, VF3, "bay1", 0);
	assign(h, VF4, "bay1", 0);
	assert_int_equal(DEFINE(h, "one", 500, 0, VF1, VF3), 0);
	assert_int_equal(DEFINE(h, "two", 500, 0, VF2, VF4), 0);
	spare(h, "bay7");
	spare(h, "bay8");
	silence(h, BAY1);
	run(h, MOVED);

	assert_int_not_equal(at_switch(h, VF1), 0);
	assert_int_equal(at_switch(h, VF1), at_switch(h, VF3));
	assert_int_not_equal(at_switch(h, VF2), 0);
	assert_int_equal(at_switch(h, VF2), at_switch(h, VF4));
}

/* Outside of profiles counts as the default, and so does a profile that says nothing else. */
static void what_is_in_no_profile_has_the_default_priority(void **state)
{
	struct house *h = *state;

	vports(h, BAY8, 2);
	web(h);
	assert_int_equal(DEFINE(h, "web", FABRIC_PRIORITY - 1, MAC1, VF1, VF2), 0);
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	assign(h, VF3, "bay1", 0);
	spare(h, "bay8");
	silence(h, BAY1);
	run(h, MOVED);
	assert_int_equal(at_switch(h, VF3), BAY8);
	assert_at(h, "web", 0);
}

static void between_dead_hosts_the_higher_priority_goes_first(void **state)
{
	struct house *h = *state;

	vports(h, BAY7, 2);
	vports(h, BAY8, 2);
	web(h);
	assert_int_equal(DEFINE(h, "db", 900, 0x0200000000b1, VF3, VF4), 0);
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	place_and_wait(h, "db", DB_OP_ASSIGN, "bay2");
	silence(h, BAY1);
	run(h, MOVED);
	silence(h, BAY2);
	run(h, MOVED);
	assert_int_equal(fabric_incident_find(h->fabric, 1)->row.state, DB_INCIDENT_WAITING);
	assert_int_equal(fabric_incident_find(h->fabric, 2)->row.state, DB_INCIDENT_WAITING);
	/* The later incident, the higher priority. */
	spare(h, "bay8");
	run(h, BEAT);
	assert_at(h, "db", BAY8);
	assert_at(h, "web", 0);
	manager_kill(h);
	manager_start(h);
	run(h, STEADY);
	spare(h, "bay7");
	run(h, BEAT);
	assert_at(h, "web", BAY7);
}

static void what_is_left_of_a_profile_follows_the_rest(void **state)
{
	struct house *h = *state;

	web(h);
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	spare(h, "bay7");
	spare(h, "bay8");
	/* One bind of the failover is refused for good: that one is parked; or one unbind. */
	fault(h, PROVIDER_IDENTITY, SIM_FAULT_REFUSED, 0, 3);
	silence(h, BAY1);
	run(h, 3 * 60 * BEAT);
	assert_at(h, "web", BAY7);
	assert_true(host(h, "bay8")->spare);
}

static void a_profile_that_was_on_its_way_to_a_host_that_died_goes_on_whole(void **state)
{
	struct house *h = *state;
	size_t from;

	web(h);
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	spare(h, "bay8");
	fault(h, PROVIDER_RESET, SIM_FAULT_DELAY, 900, 1);
	from = h->sent_count;
	assert_int_equal(place(h, "web", DB_OP_MOVE, "bay2"), 0);
	run_until_sent(h, PROVIDER_RESET, from);
	assert_int_equal(failover(h, "bay2"), 0);
	run(h, 10 * BEAT);
	assert_at(h, "web", BAY8);
	assert_state(h, "web", "bound");
}

static void a_spare_with_room_for_all_comes_before_one_that_is_nearer_by_name(void **state)
{
	struct house *h = *state;

	vports(h, BAY7, 2);
	web(h);
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	assign(h, VF3, "bay1", 0);
	spare(h, "bay7");
	spare(h, "bay8");
	silence(h, BAY1);
	run(h, MOVED);
	assert_at(h, "web", BAY8);
	assert_int_equal(at_switch(h, VF3), BAY8);
	assert_true(host(h, "bay7")->spare);
}

static void a_spare_takes_over_for_one_host_alone(void **state)
{
	struct house *h = *state;

	web(h);
	assert_int_equal(DEFINE(h, "db", 900, 0x0200000000b1, VF3, VF4), 0);
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	place_and_wait(h, "db", DB_OP_ASSIGN, "bay2");
	silence(h, BAY1);
	run(h, MOVED);
	silence(h, BAY2);
	run(h, MOVED);
	spare(h, "bay8"); /* with room for both */
	run(h, BEAT);
	assert_at(h, "db", BAY8);
	assert_at(h, "web", 0);
}

/* Four functions of the one, one of the other: neither how much nor which host makes a difference.
 */
static void of_equal_ones_the_host_that_died_first_goes_first(void **state)
{
	static const char *const four[] = { "nic-0001/pf0/vf1", "nic-0001/pf0/vf2",
					    "nic-0001/pf0/vf3", "nic-0001/pf0/vf4" };

	for (unsigned turn = 0; turn < 4; turn++) {
		unsigned of_four = turn % 2 ? BAY1 : BAY2;
		unsigned of_one = turn % 2 ? BAY2 : BAY1;
		bool is_four_first = turn / 2;
		struct house *h = *state;

		manager_start(h);
		run(h, STEADY);
		for (unsigned i = 0; i < 4; i++)
			assign(h, four[i], of_four == BAY1 ? "bay1" : "bay2", 0);
		assign(h, VF5, of_one == BAY1 ? "bay1" : "bay2", 0);
		silence(h, is_four_first ? of_four : of_one);
		run(h, MOVED);
		silence(h, is_four_first ? of_one : of_four);
		run(h, MOVED);
		spare(h, "bay8");
		run(h, BEAT);
		assert_int_equal(at_switch(h, VF1), is_four_first ? BAY8 : 0);
		assert_int_equal(at_switch(h, VF5), is_four_first ? 0 : BAY8);
		(void)house_end(state);
		assert_int_equal(house_begin(state), 0);
	}
	manager_start(*state); /* for house_end() */
}

/* One is tried again later than the other; the host that has the rest has missed beats meanwhile,
 * and is no spare that would be chosen now. */
static void what_is_left_outside_of_profiles_follows_the_rest(void **state)
{
	struct house *h = *state;

	usual(h);
	spare(h, "bay7");
	silence(h, BAY1);
	run_until_state(h, "bay1", FABRIC_HOST_FENCING);
	((struct fabric_function *)function(h, VF1))->retry_ms = h->now_ms + 20 * BEAT;
	run(h, 2 * BEAT);
	assert_int_equal(at_switch(h, VF2), BAY7);
	assert_int_equal(at_switch(h, VF1), 0);
	silence(h, BAY7);
	run(h, 3 * BEAT + BEAT / 2);
	h->agents[BAY7 - 1].beats = true;
	run(h, 2 * BEAT);
	assert_int_equal(host(h, "bay7")->state, FABRIC_HOST_ALIVE);
	for (unsigned n = 0; n < 60 && !at_switch(h, VF1); n++)
		run(h, BEAT);
	assert_int_equal(at_switch(h, VF1), BAY7);
	assert_true(host(h, "bay8")->spare);
}

/* Who took over once is no spare when the same host dies again. */
static void who_took_over_in_an_earlier_incident_does_not_do_so_in_the_next(void **state)
{
	struct house *h = *state;

	web(h);
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	spare(h, "bay8");
	silence(h, BAY1);
	run(h, MOVED);
	assert_at(h, "web", BAY8);
	h->agents[BAY1 - 1].beats = true;
	run(h, 2 * BEAT);
	assert_int_equal(readmit(h, "bay1"), 0);
	run(h, STEADY);
	assign(h, VF3, "bay1", 0);
	silence(h, BAY1);
	run(h, MOVED);
	assert_int_equal(at_switch(h, VF3), 0);
	assert_int_equal(fabric_incident_find(h->fabric, 2)->row.state, DB_INCIDENT_WAITING);
}

/* Though it is no spare any more, and after a restart. */
static void who_took_over_goes_on_when_there_is_room_again(void **state)
{
	struct house *h = *state;

	for (int restart = 0; restart < 2; restart++) {
		if (restart) {
			(void)house_end(state);
			assert_int_equal(house_begin(state), 0);
			h = *state;
		}
		vports(h, BAY8, 3);
		web(h);
		assert_int_equal(DEFINE(h, "db", 400, 0x0200000000b1, VF3, VF4), 0);
		place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
		place_and_wait(h, "db", DB_OP_ASSIGN, "bay1");
		spare(h, "bay8");
		silence(h, BAY1);
		run(h, MOVED);
		assert_at(h, "web", BAY8);
		assert_at(h, "db", 0);
		if (restart) {
			manager_kill(h);
			manager_start(h);
			run(h, STEADY);
		}
		place_and_wait(h, "web", DB_OP_MOVE, "bay2");
		run(h, BEAT);
		assert_at(h, "db", BAY8);
	}
}

/* One function is at bay2 already, and done; the other is on its way, and will be parked there. */
static void what_has_arrived_waits_for_what_is_on_its_way(void **state)
{
	struct house *h = *state;

	web(h);
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	spare(h, "bay8");
	fault(h, PROVIDER_RESET, SIM_FAULT_LOST, 0, 1);
	assert_int_equal(place(h, "web", DB_OP_MOVE, "bay2"), 0);
	run(h, 300);
	assert_int_equal(host(h, "bay2")->functions, 1);
	assert_int_equal(failover(h, "bay2"), 0);
	run(h, 10 * BEAT);
	assert_at(h, "web", BAY8);
	assert_state(h, "web", "bound");
}

/* It goes where the rest is, not to a spare. */
static void what_was_left_behind_waits_for_room_where_the_rest_is(void **state)
{
	struct house *h = *state;

	vports(h, BAY7, 2);
	web_split(h);
	spare(h, "bay7");
	silence(h, BAY1);
	run(h, MOVED);
	/* To its mate, and not to the spare. */
	assert_at(h, "web", BAY2);
	assert_true(host(h, "bay7")->spare);
}

static void what_was_left_behind_goes_to_no_other_spare_meanwhile(void **state)
{
	struct house *h = *state;

	vports(h, BAY2, 2);
	web_split(h);
	spare(h, "bay7");
	assign(h, VF3, "bay2", 0); /* the vport that it would need */
	assign(h, VF4, "bay1", 0);
	silence(h, BAY1);
	run(h, MOVED);
	assert_int_equal(at_switch(h, VF4), BAY7); /* the rest goes on */
	assert_step(h, 1, "waiting", "bay2 has the rest of it, and no room now");
	assert_int_equal(ask(h, DB_OP_RELEASE, VF3, "", 0), 0);
	run(h, 2 * BEAT);
	assert_at(h, "web", BAY2);
	assert_int_equal(fabric_incident_find(h->fabric, 1)->row.state, DB_INCIDENT_DONE);
}

static void a_failover_that_is_planned_says_where_each_profile_goes(void **state)
{
	struct house *h = *state;
	struct fabric_plan plan;

	vports(h, BAY7, 2);
	vports(h, BAY8, 1);
	web(h);
	place_and_wait(h, "web", DB_OP_ASSIGN, "bay1");
	assign(h, VF3, "bay1", 0);
	spare(h, "bay7");
	assert_int_equal(fabric_host_failover_plan(h->fabric, "bay1", &problem, &plan),
			 REFUSE_NO_SPARE);
	spare(h, "bay8");
	assert_int_equal(fabric_host_failover_plan(h->fabric, "bay1", &problem, &plan), 0);
	assert_string_equal(plan.target, "bay7, bay8");
	assert_non_null(strstr(plan.detail,
			       "profile web (priority 500, 2 functions) moves to bay7, "
			       "1 function moves to bay8"));
	assert_int_equal(plan.item_count, 3);
	fabric_plan_done(&plan);
	assert_null(function(h, VF1)->item);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, house_begin, house_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_profile_goes_to_a_host_whole_with_its_identities),
		TEST(who_asks_again_under_the_same_key_gets_the_same_change),
		TEST(no_function_of_a_profile_goes_alone),
		TEST(what_a_host_has_becomes_a_profile_as_it_is),
		TEST(what_is_no_profile_is_refused_and_nothing_is_kept_of_it),
		TEST(a_function_is_in_one_profile_and_its_identity_is_nobody_elses),
		TEST(a_profile_that_is_on_its_way_is_not_redefined),
		TEST(no_function_of_a_profile_goes_while_another_is_mended),
		TEST(s15_no_profile_is_made_or_moved_in_a_frozen_fabric),
		TEST(a_profile_that_is_deleted_lets_its_functions_go_alone),
		TEST(a_profile_that_waits_is_not_deleted),
		TEST(a_profile_of_which_something_is_parked_is_not_deleted),
		TEST(a_profile_survives_a_restart),
		TEST(a_profile_that_was_not_durable_is_not_there_after_a_crash),
		TEST(a_profile_that_was_split_is_gathered_by_a_move),
		TEST(a_profile_of_which_the_switch_keeps_one_back_stays_whole),
		TEST(what_is_out_goes_back_after_a_crash_as_well),
		TEST(nothing_of_a_profile_is_unbound_before_all_of_it_may_leave),
		TEST(a_profile_of_which_an_agent_keeps_one_back_stays_whole),
		TEST(where_nothing_is_mended_nothing_is_unbound_to_be_bound_again),
		TEST(who_leaves_a_host_that_is_being_fenced_is_not_waited_for),
		TEST(what_may_be_out_is_read_before_it_stays),
		TEST(what_is_released_is_done_when_all_of_it_is_out),
		TEST(what_was_not_let_go_is_left_alone),
		TEST(each_that_stays_says_for_whom),
		TEST(what_one_profile_keeps_back_holds_no_other_up),
		TEST(who_is_not_there_any_more_is_not_waited_for),
		TEST(a_profile_whose_function_carries_another_identity_is_split),
		TEST(there_are_so_many_profiles_and_no_more),
		TEST(a_host_is_drained_with_its_profiles_whole),
		TEST(s12_a_profile_counts_as_a_whole),
		TEST(one_spare_with_room_for_all_takes_all),
		TEST(each_profile_goes_whole_where_no_spare_has_room_for_all),
		TEST(what_does_not_fit_waits_and_the_rest_goes_on),
		TEST(the_higher_priority_goes_first),
		TEST(the_higher_priority_goes_first_whatever_its_name),
		TEST(profiles_that_stand_between_one_another_go_each_whole),
		TEST(the_time_line_tells_of_the_higher_priority_first),
		TEST(what_is_in_no_profile_has_the_default_priority),
		TEST(between_dead_hosts_the_higher_priority_goes_first),
		TEST(what_is_left_of_a_profile_follows_the_rest),
		TEST(a_profile_that_was_on_its_way_to_a_host_that_died_goes_on_whole),
		TEST(a_spare_with_room_for_all_comes_before_one_that_is_nearer_by_name),
		TEST(a_spare_takes_over_for_one_host_alone),
		TEST(of_equal_ones_the_host_that_died_first_goes_first),
		TEST(what_is_left_outside_of_profiles_follows_the_rest),
		TEST(who_took_over_in_an_earlier_incident_does_not_do_so_in_the_next),
		TEST(who_took_over_goes_on_when_there_is_room_again),
		TEST(what_has_arrived_waits_for_what_is_on_its_way),
		TEST(what_was_left_behind_waits_for_room_where_the_rest_is),
		TEST(what_was_left_behind_goes_to_no_other_spare_meanwhile),
		TEST(a_failover_that_is_planned_says_where_each_profile_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
