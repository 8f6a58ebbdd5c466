/* SPDX-License-Identifier: GPL-2.0-or-later */
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
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"
#include "fabricd/fence_program.h"

struct rig {
	char folder[64];
	char file[80];
	char script[80];
	struct event_base *base;
	struct fence_programs *programs;
	struct config_fence fence;
	unsigned answers;
	uint64_t cookie;
	int code;
	char text[FENCE_PROGRAM_TEXT_MAX];
	char input[FENCE_PROGRAM_FILE_MAX + 64];
	size_t length;
	char why[FENCE_PROGRAM_TEXT_MAX];
};

static void on_answered(void *arg, uint64_t cookie, int code, const char *text)
{
	struct rig *rig = arg;

	rig->answers++;
	rig->cookie = cookie;
	rig->code = code;
	(void)snprintf(rig->text, sizeof(rig->text), "%s", text);
}

static void file_write(const char *path, const char *text, size_t length, mode_t mode)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static int rig_begin(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	log_setup("fence", (enum log_level)0);
	(void)snprintf(rig->folder, sizeof(rig->folder), "/tmp/test_fence_program.XXXXXX");
	assert_non_null(mkdtemp(rig->folder));
	(void)snprintf(rig->file, sizeof(rig->file), "%s/parameters", rig->folder);
	(void)snprintf(rig->script, sizeof(rig->script), "%s/fence", rig->folder);
	rig->base = event_base_new();
	assert_non_null(rig->base);
	assert_int_equal(fence_programs_new(rig->base, on_answered, rig, &rig->programs), 0);
	(void)snprintf(rig->fence.host, sizeof(rig->fence.host), "bay1");
	(void)snprintf(rig->fence.program, sizeof(rig->fence.program), "%s", rig->script);
	(void)snprintf(rig->fence.parameters, sizeof(rig->fence.parameters), "%s", rig->file);
	rig->fence.timeout_ms = 120000;
	*state = rig;
	return 0;
}

static int rig_end(void **state)
{
	struct rig *rig = *state;

	fence_programs_free(rig->programs);
	event_base_free(rig->base);
	libevent_global_shutdown();
	(void)unlink(rig->file);
	(void)unlink(rig->script);
	assert_int_equal(rmdir(rig->folder), 0);
	free(rig);
	return 0;
}

static void parameters(struct rig *rig, const char *text, mode_t mode)
{
	file_write(rig->file, text, strlen(text), mode);
}

static void script(struct rig *rig, const char *text)
{
	char whole[512];
	int n = snprintf(whole, sizeof(whole), "#!/bin/sh\n%s\n", text);

	file_write(rig->script, whole, (size_t)n, 0700);
}

static int input(struct rig *rig)
{
	return fence_program_input(rig->file, "off", rig->input, &rig->length, rig->why);
}

static void run(struct rig *rig, const char *action)
{
	unsigned before = rig->answers;

	assert_int_equal(fence_program_run(rig->programs, 77, &rig->fence, action), 0);
	assert_int_equal(rig->answers, before);
	while (rig->answers == before)
		assert_int_equal(event_base_loop(rig->base, EVLOOP_ONCE), 0);
	assert_int_equal(rig->cookie, 77);
}

static void the_action_follows_the_parameters(void **state)
{
	struct rig *rig = *state;

	parameters(rig, "# who\nip=10.0.0.1\n\npassword=a = b\nverbose=1", 0600);
	assert_int_equal(input(rig), 0);
	rig->input[rig->length] = '\0';
	assert_string_equal(rig->input,
			    "# who\nip=10.0.0.1\n\npassword=a = b\nverbose=1\naction=off\n");
	assert_int_equal(fence_program_input("", "status", rig->input, &rig->length, rig->why), 0);
	rig->input[rig->length] = '\0';
	assert_string_equal(rig->input, "action=status\n");
}

static void what_everybody_may_read_or_write_is_refused(void **state)
{
	static const struct {
		mode_t mode;
		const char *why;
	} modes[] = { { 0644, "everybody may read it" },
		      { 0602, "everybody may write it" },
		      { 0640, NULL },
		      { 0600, NULL } };
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		parameters(rig, "password=x\n", modes[i].mode);
		assert_int_equal(input(rig), modes[i].why ? REFUSE_FIELD : 0);
		assert_true(!modes[i].why || strstr(rig->why, modes[i].why));
	}
}

static void what_is_no_list_of_parameters_is_refused_with_its_line_and_never_its_words(void **state)
{
	static const struct {
		const char *text;
		const char *why;
	} cases[] = {
		{ "a=1\nsecret", ":2: not KEY=VALUE" },
		{ "=secret\n", ":1: not KEY=VALUE" },
		{ "a b=secret\n", ":1: not KEY=VALUE" },
		{ "a=1\nb=2\naction=on\n", ":3: the action is the manager's to choose" },
		{ "option=secret\n", ":1: the action is the manager's to choose" },
		{ "a=secret\001\n", ":1: a control character" },
		{ "a=1\rb=secret\n", ":1: a control character" },
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		parameters(rig, cases[i].text, 0600);
		assert_int_equal(input(rig), REFUSE_FIELD);
		if (!strstr(rig->why, cases[i].why))
			fail_msg("%s: %s", cases[i].why, rig->why);
		assert_null(strstr(rig->why, "secret"));
	}
}

static void what_is_no_file_of_a_fair_size_is_refused(void **state)
{
	static char large[FENCE_PROGRAM_FILE_MAX + 1];
	struct rig *rig = *state;

	assert_int_equal(input(rig), -ENOENT);
	assert_non_null(strstr(rig->why, "No such file"));
	assert_int_equal(
		fence_program_input(rig->folder, "off", rig->input, &rig->length, rig->why),
		REFUSE_FIELD);
	assert_int_equal(mkfifo(rig->file, 0600), 0);
	assert_int_equal(input(rig), REFUSE_FIELD);
	assert_non_null(strstr(rig->why, "not a plain file"));
	assert_int_equal(unlink(rig->file), 0);
	memset(large, '#', sizeof(large));
	file_write(rig->file, large, sizeof(large), 0600);
	assert_int_equal(input(rig), REFUSE_FIELD);
	file_write(rig->file, large, sizeof(large) - 1, 0600);
	assert_int_equal(input(rig), 0);
}

static void its_exit_status_is_the_answer_and_its_last_line_the_text(void **state)
{
	struct rig *rig = *state;

	parameters(rig, "plug=7\n", 0600);
	script(rig, "grep -q '^plug=7$' && echo begun; echo 'Status: \tOFF'; exit 2");
	run(rig, "status");

	assert_int_equal(rig->code, 2);
	assert_string_equal(rig->text, "exit status 2: Status:  OFF");
}

static void one_that_does_not_end_well_says_how(void **state)
{
	struct rig *rig = *state;

	parameters(rig, "", 0600);
	script(rig, "kill -KILL $$");
	run(rig, "off");
	assert_true(rig->code < 0);
	assert_string_equal(rig->text, "ended by signal 9");

	script(rig, "exec yes");
	run(rig, "off");
	assert_true(rig->code < 0);
	assert_string_equal(rig->text, "killed, it prints without end");

	script(rig, "exec sleep 1000");
	rig->fence.timeout_ms = 200;
	run(rig, "off");
	assert_true(rig->code < 0);
	assert_string_equal(rig->text, "killed, no end after 200 ms");

	assert_int_equal(chmod(rig->script, 0600), 0);
	run(rig, "off");
	assert_true(rig->code < 0);
	assert_string_equal(rig->text, "cannot be run: Permission denied");
}

static void parameters_that_are_refused_are_the_answer_and_nothing_runs(void **state)
{
	struct rig *rig = *state;

	parameters(rig, "password=x\n", 0644);
	script(rig, "exit 2");
	run(rig, "status");

	assert_true(rig->code < 0);
	assert_non_null(strstr(rig->text, "everybody may read it"));
}

static void one_runs_for_each_host(void **state)
{
	struct rig *rig = *state;

	parameters(rig, "", 0600);
	script(rig, "exit 0");
	assert_int_equal(fence_program_run(rig->programs, 1, &rig->fence, "off"), 0);
	assert_int_equal(fence_program_run(rig->programs, 2, &rig->fence, "off"), -EBUSY);
	(void)snprintf(rig->fence.host, sizeof(rig->fence.host), "bay2");
	assert_int_equal(fence_program_run(rig->programs, 3, &rig->fence, "off"), 0);
	while (rig->answers < 2)
		assert_int_equal(event_base_loop(rig->base, EVLOOP_ONCE), 0);
	assert_int_equal(fence_program_run(rig->programs, 4, &rig->fence, "off"), 0);
	/* ends with the rest, unanswered */
}

static void debians_fence_dummy_says_what_it_did(void **state)
{
	struct rig *rig = *state;
	char text[160];

	if (access("/usr/sbin/fence_dummy", X_OK)) {
		print_message("fence_dummy of Debian's fence-agents is not installed\n");
		skip();
	}
	(void)snprintf(text, sizeof(text), "type=file\nstatus_file=%s/state\n", rig->folder);
	parameters(rig, text, 0600);
	(void)snprintf(rig->fence.program, sizeof(rig->fence.program), "/usr/sbin/fence_dummy");
	(void)snprintf(text, sizeof(text), "%s/state", rig->folder);
	file_write(text, "on", 2, 0600);

	run(rig, "status");
	assert_int_equal(rig->code, 0);
	run(rig, "off");
	assert_int_equal(rig->code, 0);
	run(rig, "status");
	assert_int_equal(rig->code, 2);
	assert_string_equal(rig->text, "exit status 2: Status: OFF");
	assert_int_equal(unlink(text), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_begin, rig_end)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(the_action_follows_the_parameters),
		TEST(what_everybody_may_read_or_write_is_refused),
		TEST(what_is_no_list_of_parameters_is_refused_with_its_line_and_never_its_words),
		TEST(what_is_no_file_of_a_fair_size_is_refused),
		TEST(its_exit_status_is_the_answer_and_its_last_line_the_text),
		TEST(one_that_does_not_end_well_says_how),
		TEST(parameters_that_are_refused_are_the_answer_and_nothing_runs),
		TEST(one_runs_for_each_host),
		TEST(debians_fence_dummy_says_what_it_did),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
