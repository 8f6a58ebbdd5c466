/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The site's programs on the steps of incidents. */
#include <errno.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/hook_folder.h"
#include "common/last_line.h"
#include "common/log.h"
#include "fabricd/hooks.h"

enum { LONG_MS = 120000, TOLD_MAX = 512 };

/* The allocation of the project's own code that fails, counted from 1; 0: none. */
static unsigned fails_in;

void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *at, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *at, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
	return fails_in && !--fails_in ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *at, size_t size)
{
	return fails_in && !--fails_in ? NULL : __real_realloc(at, size);
}

struct rig {
	struct event_base *base;
	struct hooks *hooks;
	char folder[64];
	unsigned count;
	uint64_t incidents[TOLD_MAX];
	char told[TOLD_MAX][HOOKS_TEXT_MAX];
};

static void on_told(void *arg, uint64_t incident, const char *text)
{
	struct rig *rig = arg;

	assert_true(rig->count < TOLD_MAX);
	rig->incidents[rig->count] = incident;
	(void)snprintf(rig->told[rig->count++], HOOKS_TEXT_MAX, "%s", text);
}

static int rig_begin(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	log_setup("hooks", (enum log_level)0);
	(void)snprintf(rig->folder, sizeof(rig->folder), "/tmp/test_hooks.XXXXXX");
	assert_non_null(mkdtemp(rig->folder));
	rig->base = event_base_new();
	assert_non_null(rig->base);
	assert_int_equal(hooks_new(rig->base, on_told, rig, &rig->hooks), 0);
	*state = rig;
	return 0;
}

static int rig_end(void **state)
{
	struct rig *rig = *state;
	char command[128];
	int r;

	hooks_free(rig->hooks);
	event_base_free(rig->base);
	libevent_global_shutdown();
	(void)snprintf(command, sizeof(command), "rm -rf %s", rig->folder);
	r = system(command);
	free(rig);
	if (r)
		return r;
	/* Whatever was run, nothing of it is left to be reaped. */
	return waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD ? 0 : -1;
}

static void put(const struct rig *rig, const char *name, const char *body, mode_t mode)
{
	char path[128];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", rig->folder, name);
	file = fopen(path, "we");
	assert_non_null(file);
	(void)fprintf(file, "#!/bin/sh\n%s\n", body);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void step(struct rig *rig, uint64_t incident, uint32_t n, uint32_t deadline_ms)
{
	const struct hooks_step told = { .incident = incident,
					 .n = n,
					 .wall_ms = 1700000000000,
					 .offset_ms = 5012,
					 .host = "bay1",
					 .state = "moving",
					 .cause = "silent for 5 beats",
					 .what = "fenced",
					 .detail = "isolated and \"empty\"",
					 .target = "",
					 .change = 0 };

	assert_int_equal(hooks_run(rig->hooks, rig->folder, deadline_ms, &told), 0);
}

static void wait_for(struct rig *rig, unsigned count)
{
	while (rig->count < count)
		assert_int_equal(event_base_loop(rig->base, EVLOOP_ONCE), 0);
}

static void assert_begins(const char *text, const char *with)
{
	if (strncmp(text, with, strlen(with)) != 0)
		fail_msg("\"%s\" does not begin with \"%s\"", text, with);
}

static void assert_ends(const char *text, const char *with)
{
	size_t length = strlen(text);

	assert_true(length >= strlen(with));
	assert_string_equal(text + length - strlen(with), with);
}

/* ---- what they are told ---- */

static void a_step_is_in_words_environment_and_on_standard_input(void **state)
{
	struct rig *rig = *state;

	put(rig, "a",
	    "echo \"$1 $2 $3 $FABRIC_EVENT $FABRIC_INCIDENT/$FABRIC_STEP $FABRIC_HOST "
	    "$FABRIC_WHAT|$FABRIC_DETAIL|$FABRIC_STATE|$FABRIC_TARGET|${HOME-none}\"",
	    0700);
	put(rig, "b", "cat", 0700);
	step(rig, 7, 4, LONG_MS);
	wait_for(rig, 2);

	assert_begins(rig->told[0], "a on step 4 (fenced): done in ");
	assert_ends(rig->told[0], ": fenced bay1 7 incident.step 7/4 bay1 fenced|isolated and "
				  "\"empty\"|moving||none");
	assert_non_null(strstr(rig->told[1],
			       "{\"event\":\"incident.step\",\"incident\":7,\"step\":4,"
			       "\"time\":\"2023-11-14T22:13:20.000Z\",\"offset_ms\":5012,"
			       "\"host\":\"bay1\",\"what\":\"fenced\",\"detail\":"));
}

/* What the first step leaves empty. */
static void a_step_says_why_where_to_and_that_it_is_a_drill(void **state)
{
	struct rig *rig = *state;
	const struct hooks_step told = { .incident = 7,
					 .n = 4,
					 .host = "bay1",
					 .state = "moving",
					 .cause = "silent",
					 .what = "move",
					 .target = "bay8",
					 .change = 12,
					 .drill = true };

	put(rig, "a", "echo \"$FABRIC_CAUSE/$FABRIC_TARGET/$FABRIC_DRILL/\"", 0700);
	put(rig, "b", "cat", 0700);
	assert_int_equal(hooks_run(rig->hooks, rig->folder, LONG_MS, &told), 0);
	step(rig, 8, 1, LONG_MS);
	wait_for(rig, 4);

	for (unsigned i = 0; i < 4; i++)
		if (rig->incidents[i] == 8 && rig->told[i][0] == 'a')
			assert_ends(rig->told[i], ": silent for 5 beats///");
		else if (rig->incidents[i] == 7 && rig->told[i][0] == 'a')
			assert_ends(rig->told[i], ": silent/bay8/1/");
		else if (rig->incidents[i] == 7)
			assert_non_null(strstr(rig->told[i], "\"what\":\"move\""));
}

static void they_run_in_the_order_of_their_names_and_others_do_not(void **state)
{
	struct rig *rig = *state;

	put(rig, "20-second", "echo 2", 0700);
	put(rig, "10-first", "sleep 0.05; echo 1", 0700);
	put(rig, "30-third~", "echo 3", 0700);
	put(rig, ".hidden", "echo 4", 0700);
	put(rig, "40.sh", "echo 5", 0700);
	put(rig, "README", "echo 6", 0600);
	step(rig, 1, 1, LONG_MS);
	step(rig, 1, 2, LONG_MS);
	wait_for(rig, 4);

	assert_begins(rig->told[0], "10-first on step 1 ");
	assert_begins(rig->told[1], "20-second on step 1 ");
	assert_begins(rig->told[2], "10-first on step 2 ");
	assert_begins(rig->told[3], "20-second on step 2 ");
}

static void one_incident_does_not_wait_for_another(void **state)
{
	struct rig *rig = *state;

	put(rig, "a", "[ $3 = 1 ] && exec sleep 1000; echo quick", 0700);
	step(rig, 1, 1, LONG_MS);
	step(rig, 1, 2, LONG_MS);
	step(rig, 2, 1, LONG_MS);
	wait_for(rig, 1);

	assert_int_equal(rig->incidents[0], 2);
}

/* ---- how they end ---- */

static void one_that_fails_is_told_and_the_next_runs_all_the_same(void **state)
{
	struct rig *rig = *state;

	put(rig, "a", "echo no route >&2; exit 3", 0700);
	put(rig, "b", "exit 0", 0700);
	put(rig, "c", "kill -9 $$", 0700);
	step(rig, 1, 1, LONG_MS);
	wait_for(rig, 3);

	assert_string_equal(rig->told[0], "a on step 1 (fenced): exit status 3: no route");
	assert_begins(rig->told[1], "b on step 1 (fenced): done in ");
	assert_string_equal(rig->told[2], "c on step 1 (fenced): ended by signal 9");
}

static void one_that_hangs_is_killed_with_its_children(void **state)
{
	struct rig *rig = *state;
	char script[256];
	char path[128];

	(void)snprintf(script, sizeof(script), "sleep 1000 & echo $! > %s/.pid; echo begun; wait",
		       rig->folder);
	put(rig, "a", script, 0700);
	step(rig, 1, 1, 300);
	wait_for(rig, 1);

	assert_string_equal(rig->told[0],
			    "a on step 1 (fenced): killed, no end after 300 ms: begun");
	(void)snprintf(path, sizeof(path), "while kill -0 $(cat %s/.pid) 2>&-; do sleep 0.01; done",
		       rig->folder);
	assert_int_equal(system(path), 0);
}

static void one_that_hangs_twice_is_left_out_for_the_rest_of_its_incident(void **state)
{
	struct rig *rig = *state;

	put(rig, "a", "exec sleep 1000", 0700);
	put(rig, "b", "exit 0", 0700);
	for (uint32_t n = 1; n <= 3; n++)
		step(rig, 1, n, 200);
	wait_for(rig, 6);
	assert_string_equal(rig->told[0], "a on step 1 (fenced): killed, no end after 200 ms");
	assert_begins(rig->told[1], "b on step 1 (fenced): done in ");
	assert_string_equal(rig->told[2], "a on step 2 (fenced): killed, no end after 200 ms");
	assert_string_equal(rig->told[3], "a was killed at its deadline 2 times: it is not run any "
					  "more in this incident");
	assert_begins(rig->told[4], "b on step 2 (fenced): done in ");
	assert_begins(rig->told[5], "b on step 3 (fenced): done in ");

	step(rig, 2, 1, 200); /* another one */
	wait_for(rig, 8);
	assert_string_equal(rig->told[6], "a on step 1 (fenced): killed, no end after 200 ms");
	assert_begins(rig->told[7], "b on step 1 (fenced): done in ");
}

static void one_that_prints_without_end_is_killed(void **state)
{
	struct rig *rig = *state;

	put(rig, "a", "exec yes", 0700);
	step(rig, 1, 1, LONG_MS);
	wait_for(rig, 1);

	assert_string_equal(rig->told[0], "a on step 1 (fenced): killed, it prints without end");
}

static void no_more_steps_wait_than_there_is_room_for(void **state)
{
	struct rig *rig = *state;
	const struct hooks_step one = {
		.incident = 1, .n = 1, .host = "bay1", .state = "", .cause = "", .what = "x"
	};
	unsigned n = 0;
	int r = 0;

	put(rig, "a", "exit 0", 0700);
	while (!(r = hooks_run(rig->hooks, rig->folder, LONG_MS, &one)))
		n++;

	assert_int_equal(r, -EBUSY);
	assert_int_equal(n, HOOKS_WAITING);
	wait_for(rig, HOOKS_WAITING); /* and none of those is lost */
	assert_int_equal(hooks_run(rig->hooks, rig->folder, LONG_MS, &one), 0);
}

static void a_step_that_memory_has_no_room_for_is_refused_and_leaves_none(void **state)
{
	struct rig *rig = *state;
	const struct hooks_step one = {
		.incident = 1, .n = 1, .host = "bay1", .state = "", .cause = "", .what = "x"
	};

	put(rig, "a", "exit 0", 0700);
	for (unsigned n = 1; n < 3; n++) { /* the step itself, its input */
		fails_in = n;
		assert_int_equal(hooks_run(rig->hooks, rig->folder, LONG_MS, &one), -ENOMEM);
		assert_int_equal(fails_in, 0);
	}
	for (unsigned n = 0; n < HOOKS_WAITING; n++) /* none of those waits */
		assert_int_equal(hooks_run(rig->hooks, rig->folder, LONG_MS, &one), 0);
}

static void without_memory_there_are_no_hooks(void **state)
{
	struct rig *rig = *state;
	struct hooks *none = NULL;

	for (unsigned n = 1; n < 3; n++) { /* they, and what runs them */
		fails_in = n;
		assert_int_equal(hooks_new(rig->base, on_told, rig, &none), -ENOMEM);
		assert_int_equal(fails_in, 0);
		assert_null(none);
	}
}

/* ---- what is not run ---- */

static void what_others_may_write_is_not_run_and_that_is_told(void **state)
{
	struct rig *rig = *state;
	char why[HOOKS_TEXT_MAX];

	put(rig, "a", "touch \"${0%/*}/ran\"", 0722);
	put(rig, "b", "touch \"${0%/*}/ran\"", 0702);
	put(rig, "c", "exit 0", 0755);
	assert_false(hooks_are_good(rig->folder, why));
	assert_ends(why, "/a may be written by everybody");
	step(rig, 1, 1, LONG_MS);
	wait_for(rig, 3);

	assert_string_equal(rig->told[0], "a is not run: it may be written by everybody");
	assert_string_equal(rig->told[1], "b is not run: it may be written by everybody");
	assert_begins(rig->told[2], "c on step 1 (fenced): done");
	put(rig, "b", "", 0720);
	put(rig, "a", "", 0700);
	assert_false(hooks_are_good(rig->folder, why));
	assert_ends(why, "/b may be written by its group");
}

static void a_link_is_run_where_nobody_else_may_change_what_it_leads_to(void **state)
{
	struct rig *rig = *state;
	char why[HOOKS_TEXT_MAX];
	char folder[128];
	char link[160];

	(void)snprintf(folder, sizeof(folder), "%s/elsewhere.d",
		       rig->folder); /* no name of a hook */
	(void)snprintf(link, sizeof(link), "%s/a", rig->folder);
	assert_int_equal(mkdir(folder, 0755), 0);
	put(rig, "elsewhere.d/page", "echo ${0##*/}", 0755);
	assert_int_equal(symlink("elsewhere.d/page", link), 0);
	assert_true(hooks_are_good(rig->folder, why));
	step(rig, 1, 1, LONG_MS);
	wait_for(rig, 1);
	assert_begins(rig->told[0], "a on step 1 (fenced): done");
	assert_ends(rig->told[0], ": a");

	assert_int_equal(chmod(folder, 01777), 0); /* somebody else could put another one there */
	assert_false(hooks_are_good(rig->folder, why));
	step(rig, 1, 2, LONG_MS);
	wait_for(rig, 2);
	assert_begins(rig->told[1], "a is not run: it is a link into /tmp/");
	assert_ends(rig->told[1], "/elsewhere.d, which may be written by everybody");

	assert_int_equal(chmod(folder, 0755), 0);
	put(rig, "elsewhere.d/page", "exit 0", 0775);
	step(rig, 1, 3, LONG_MS);
	wait_for(rig, 3);
	assert_string_equal(rig->told[2], "a is not run: it may be written by its group");

	(void)snprintf(link, sizeof(link), "%s/page", folder);
	assert_int_equal(unlink(link), 0); /* and nobody is paged any more: that is told */
	step(rig, 1, 4, LONG_MS);
	wait_for(rig, 4);
	assert_string_equal(rig->told[3],
			    "a is not run: it cannot be read: No such file or directory");
}

static void a_folder_that_others_may_write_is_not_used(void **state)
{
	struct rig *rig = *state;
	char why[HOOKS_TEXT_MAX];

	put(rig, "a", "exit 0", 0700);
	assert_true(hooks_are_good(rig->folder, why));
	assert_int_equal(chmod(rig->folder, 0770), 0);
	assert_false(hooks_are_good(rig->folder, why));
	step(rig, 1, 1, LONG_MS);
	wait_for(rig, 1);

	assert_int_equal(rig->count, 1);
	assert_ends(rig->told[0], " is not used: it may be written by its group");
}

static void what_belongs_to_somebody_else_is_not_run(void **state)
{
	struct rig *rig = *state;
	char path[128];

	if (geteuid()) /* only root can give a file away */
		skip();
	put(rig, "a", "exit 0", 0755);
	(void)snprintf(path, sizeof(path), "%s/a", rig->folder);
	assert_int_equal(chown(path, 12345, 0), 0);
	step(rig, 1, 1, LONG_MS);
	wait_for(rig, 1);

	assert_string_equal(rig->told[0], "a is not run: it is owned by uid 12345");
}

static void a_folder_that_is_not_there_is_told(void **state)
{
	struct rig *rig = *state;
	char why[HOOKS_TEXT_MAX];

	assert_int_equal(rmdir(rig->folder), 0);
	assert_false(hooks_are_good(rig->folder, why));
	step(rig, 1, 1, LONG_MS);
	wait_for(rig, 1);

	assert_ends(rig->told[0], " is not used: it cannot be read: No such file or directory");
}

static void closing_kills_what_runs_and_tells_nobody(void **state)
{
	struct rig *rig = *state;
	char path[128];

	put(rig, "a", "touch \"${0%/*}/ran\"; exec sleep 1000", 0700);
	for (uint32_t n = 1; n < 10; n++)
		step(rig, n, n, LONG_MS);
	(void)snprintf(path, sizeof(path), "%s/ran", rig->folder);
	while (access(path, F_OK))
		assert_true(event_base_loop(rig->base, EVLOOP_NONBLOCK) >= 0);
	hooks_free(rig->hooks);
	rig->hooks = NULL;

	assert_int_equal(rig->count, 0);
}

/* ---- the last line ---- */

static void the_last_line_that_says_anything_is_kept_however_it_comes(void **state)
{
	static const struct {
		const char *printed;
		const char *last;
	} cases[] = {
		{ "", "" },
		{ "\n\n", "" },
		{ "one", "one" },
		{ "one\n", "one" },
		{ "one\ntwo\n", "two" },
		{ "one\ntwo", "two" },
		{ "one\n  \t\n\n", "one" },
		{ "  one \t two  \n", "one   two" },
		{ "one\r\n", "one" },
		{ "a\001b\xc3\xa4\n", "a?b??" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct last_line whole = { 0 };
		struct last_line bytes = { 0 };

		last_line_take(&whole, cases[i].printed, strlen(cases[i].printed));
		for (const char *at = cases[i].printed; *at; at++)
			last_line_take(&bytes, at, 1);
		assert_string_equal(last_line_text(&whole), cases[i].last);
		assert_string_equal(last_line_text(&bytes), cases[i].last);
	}
}

static void a_line_without_end_is_cut(void **state)
{
	struct last_line line = { 0 };

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		last_line_take(&line, "x y ", 4);
	assert_int_equal(strlen(last_line_text(&line)), LAST_LINE_MAX - 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_begin, rig_end)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_step_is_in_words_environment_and_on_standard_input),
		TEST(a_step_says_why_where_to_and_that_it_is_a_drill),
		TEST(a_step_that_memory_has_no_room_for_is_refused_and_leaves_none),
		TEST(without_memory_there_are_no_hooks),
		TEST(they_run_in_the_order_of_their_names_and_others_do_not),
		TEST(one_incident_does_not_wait_for_another),
		TEST(one_that_fails_is_told_and_the_next_runs_all_the_same),
		TEST(one_that_hangs_is_killed_with_its_children),
		TEST(one_that_hangs_twice_is_left_out_for_the_rest_of_its_incident),
		TEST(one_that_prints_without_end_is_killed),
		TEST(no_more_steps_wait_than_there_is_room_for),
		TEST(what_others_may_write_is_not_run_and_that_is_told),
		TEST(a_link_is_run_where_nobody_else_may_change_what_it_leads_to),
		TEST(a_folder_that_others_may_write_is_not_used),
		TEST(what_belongs_to_somebody_else_is_not_run),
		TEST(a_folder_that_is_not_there_is_told),
		TEST(closing_kills_what_runs_and_tells_nobody),
		cmocka_unit_test(the_last_line_that_says_anything_is_kept_however_it_comes),
		cmocka_unit_test(a_line_without_end_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
