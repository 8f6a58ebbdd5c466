/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <event2/event.h>
#include <setjmp.h>
#include <signal.h>
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

#include "common/log.h"
#include "common/program.h"

enum { LONG_MS = 120000 };

struct rig {
	struct event_base *base;
	struct programs *programs;
	unsigned ended;
	enum program_end end;
	int code;
	char output[PROGRAM_OUTPUT_MAX + 1];
	size_t length;
};

static int rig_begin(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	log_setup("program", (enum log_level)0);
	rig->base = event_base_new();
	assert_non_null(rig->base);
	assert_int_equal(programs_new(rig->base, 2, &rig->programs), 0);
	*state = rig;
	return 0;
}

static int rig_end(void **state)
{
	struct rig *rig = *state;

	programs_free(rig->programs);
	event_base_free(rig->base);
	libevent_global_shutdown();
	free(rig);
	/* Whatever was run, nothing of it is left to be reaped. */
	return waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD ? 0 : -1;
}

static void on_ended(void *arg, const struct program_ended *ended)
{
	struct rig *rig = arg;

	rig->ended++;
	rig->end = ended->end;
	rig->code = ended->code;
	rig->length = ended->length;
	memcpy(rig->output, ended->output, ended->length);
	rig->output[ended->length] = '\0';
}

static void begin(struct rig *rig, const char *script, const char *input, uint32_t timeout_ms)
{
	const char *const words[] = { "/bin/sh", "-c", script, NULL };

	assert_int_equal(
		program_run(rig->programs, words, input, strlen(input), timeout_ms, on_ended, rig),
		0);
}

static void wait_for(struct rig *rig, unsigned ended)
{
	while (rig->ended < ended)
		assert_int_equal(event_base_loop(rig->base, EVLOOP_ONCE), 0);
}

static void run(struct rig *rig, const char *script, const char *input, uint32_t timeout_ms)
{
	begin(rig, script, input, timeout_ms);
	assert_int_equal(rig->ended, 0); /* never from within the call */
	wait_for(rig, 1);
}

/* @text is a process id; it is gone once nobody has it any more, but init as a zombie. */
static void wait_gone(const char *text)
{
	pid_t pid = (pid_t)strtol(text, NULL, 10);
	char path[64];
	char line[256];

	assert_true(pid > 1);
	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	for (;;) {
		FILE *file = fopen(path, "re");
		const char *close;

		if (!file)
			return;
		close = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
		(void)fclose(file);
		if (!close || close[2] == 'Z' || close[2] == 'X')
			return;
		(void)usleep(1000);
	}
}

static void what_it_reads_and_prints_goes_through(void **state)
{
	struct rig *rig = *state;

	run(rig, "cat; echo also >&2; exit 7", "user=a\npassword=b\n", LONG_MS);

	assert_int_equal(rig->end, PROGRAM_EXITED);
	assert_int_equal(rig->code, 7);
	assert_string_equal(rig->output, "user=a\npassword=b\nalso\n");
}

static void without_text_it_reads_an_end_of_file(void **state)
{
	struct rig *rig = *state;

	run(rig, "wc -c", "", LONG_MS);
	assert_string_equal(rig->output, "0\n");
}

static void as_much_text_as_is_allowed_goes_through_and_no_more(void **state)
{
	static char text[PROGRAM_INPUT_MAX + 2];
	const char *const words[] = { "/bin/true", NULL };
	struct rig *rig = *state;

	memset(text, 'x', PROGRAM_INPUT_MAX + 1);
	assert_int_equal(program_run(rig->programs, words, text, PROGRAM_INPUT_MAX + 1, LONG_MS,
				     on_ended, rig),
			 -EINVAL);
	text[PROGRAM_INPUT_MAX] = '\0';
	run(rig, "sleep 0.05; wc -c", text, LONG_MS);
	assert_string_equal(rig->output, "65536\n");
}

static void one_that_hangs_is_killed_at_its_deadline(void **state)
{
	struct rig *rig = *state;

	run(rig, "echo $$; exec sleep 1000", "", 200);

	assert_int_equal(rig->end, PROGRAM_OVERDUE);
	wait_gone(rig->output);
}

static void one_that_ignores_signals_is_killed_too(void **state)
{
	struct rig *rig = *state;

	run(rig, "trap '' TERM INT HUP; echo $$; while :; do sleep 0.01; done", "", 200);

	assert_int_equal(rig->end, PROGRAM_OVERDUE);
	wait_gone(rig->output);
}

static void one_that_prints_without_end_is_killed_and_its_first_words_are_kept(void **state)
{
	struct rig *rig = *state;

	run(rig, "echo first; exec yes", "", LONG_MS);

	assert_int_equal(rig->end, PROGRAM_FLOODED);
	assert_int_equal(rig->length, PROGRAM_OUTPUT_MAX);
	assert_memory_equal(rig->output, "first\ny\n", 8);
}

static void one_that_dies_by_a_signal_says_which(void **state)
{
	struct rig *rig = *state;

	run(rig, "kill -SEGV $$", "", LONG_MS);

	assert_int_equal(rig->end, PROGRAM_SIGNALLED);
	assert_int_equal(rig->code, SIGSEGV);
}

static void what_it_leaves_behind_is_killed_with_it(void **state)
{
	struct rig *rig = *state;

	/* The child holds standard output open; the end is seen all the same. */
	run(rig, "sleep 1000 & echo $!; exit 0", "", LONG_MS);

	assert_int_equal(rig->end, PROGRAM_EXITED);
	assert_int_equal(rig->code, 0);
	wait_gone(rig->output);
}

static void one_that_closes_its_output_may_go_on(void **state)
{
	struct rig *rig = *state;

	run(rig, "echo said; exec >&- 2>&-; sleep 0.05; exit 3", "", LONG_MS);

	assert_int_equal(rig->end, PROGRAM_EXITED);
	assert_int_equal(rig->code, 3);
	assert_string_equal(rig->output, "said\n");
}

static void one_that_is_not_there_is_told_as_that(void **state)
{
	const char *const words[] = { "/nonexistent/fence", NULL };
	const char *const relative[] = { "sh", NULL };
	const char *const none[] = { NULL };
	struct rig *rig = *state;

	assert_int_equal(program_run(rig->programs, relative, "", 0, LONG_MS, on_ended, rig),
			 -EINVAL);
	assert_int_equal(program_run(rig->programs, none, "", 0, LONG_MS, on_ended, rig), -EINVAL);
	assert_int_equal(program_run(rig->programs, words, "", 0, LONG_MS, on_ended, rig), 0);
	wait_for(rig, 1);

	assert_int_equal(rig->end, PROGRAM_NOT_RUN);
	assert_int_equal(rig->code, ENOENT);
}

static void it_has_three_descriptors_no_environment_and_the_usual_signals(void **state)
{
	struct rig *rig = *state;
	int left_open = dup(STDOUT_FILENO); /* without close-on-exec */

	assert_true(left_open > 2);
	assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	assert_int_equal(setenv("SECRET", "1", 1), 0);
	/* ls has the folder itself open, as the fourth */
	run(rig, "ls /proc/self/fd | wc -l; pwd; echo ${SECRET-none}; kill -PIPE $$", "", LONG_MS);
	(void)close(left_open);
	(void)signal(SIGPIPE, SIG_DFL);

	assert_string_equal(rig->output, "4\n/\nnone\n");
	assert_int_equal(rig->end, PROGRAM_SIGNALLED);
	assert_int_equal(rig->code, SIGPIPE);
}

static void so_many_run_at_a_time_and_all_have_their_turn(void **state)
{
	struct rig *rig = *state;
	char folder[] = "/tmp/test_program.XXXXXX";
	char script[128];
	char path[64];

	assert_non_null(mkdtemp(folder));
	for (unsigned i = 1; i <= 2; i++) {
		(void)snprintf(script, sizeof(script),
			       "cd %s; mkdir %u; until [ -e go ]; do sleep 0.01; done; rmdir %u",
			       folder, i, i);
		begin(rig, script, "", LONG_MS);
	}
	(void)snprintf(script, sizeof(script), "mkdir %s/3", folder);
	begin(rig, script, "", LONG_MS);
	(void)snprintf(path, sizeof(path), "%s/2", folder);
	while (access(path, F_OK)) /* both run */
		assert_true(event_base_loop(rig->base, EVLOOP_NONBLOCK) >= 0);
	(void)snprintf(path, sizeof(path), "%s/3", folder);
	for (unsigned i = 0; i < 100; i++) {
		assert_true(event_base_loop(rig->base, EVLOOP_NONBLOCK) >= 0);
		(void)usleep(1000);
	}
	assert_int_equal(access(path, F_OK), -1);
	(void)snprintf(path, sizeof(path), "%s/go", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	wait_for(rig, 3);

	assert_int_equal(rmdir(path), 0);
	(void)snprintf(path, sizeof(path), "%s/3", folder);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(folder), 0);
}

/* A manager of its own, which runs @script until it is killed, @beside while it does, and @last. */
static pid_t manager_fork(const char *script, const char *beside, const char *last)
{
	pid_t pid = fork();

	if (!pid) {
		struct rig rig = { .base = event_base_new() };

		if (!rig.base || programs_new(rig.base, 2, &rig.programs))
			_exit(1);
		begin(&rig, "true", "", LONG_MS); /* its group is let go of */
		wait_for(&rig, 1);
		begin(&rig, script, "", LONG_MS);
		begin(&rig, beside, "", LONG_MS);
		wait_for(&rig, 2);
		begin(&rig, "true", "", LONG_MS); /* by its end all are held again */
		wait_for(&rig, 3);
		begin(&rig, last, "", LONG_MS);
		(void)event_base_dispatch(rig.base);
		_exit(1);
	}
	return pid;
}

static void killed_with_manager(const char *beside)
{
	char folder[] = "/tmp/test_program.XXXXXX";
	char script[256];
	char last[256];
	char pids[64] = "";
	FILE *file = NULL;
	pid_t manager;

	assert_non_null(mkdtemp(folder));
	(void)snprintf(script, sizeof(script),
		       "trap '' TERM HUP; sleep 3600 & echo $$ $! >%s/part; wait", folder);
	(void)snprintf(last, sizeof(last),
		       "until [ -s %s/part ] && mv %s/part %s/pids; do sleep 0.01; done", folder,
		       folder, folder);
	manager = manager_fork(script, beside, last);
	assert_true(manager > 0);
	(void)snprintf(script, sizeof(script), "%s/pids", folder);
	while (!(file = fopen(script, "re")))
		(void)usleep(1000);
	assert_non_null(fgets(pids, sizeof(pids), file));
	(void)fclose(file);

	assert_int_equal(kill(manager, SIGKILL), 0);
	assert_int_equal(waitpid(manager, NULL, 0), manager);
	wait_gone(pids);
	wait_gone(strchr(pids, ' '));
	assert_int_equal(unlink(script), 0);
	assert_int_equal(rmdir(folder), 0);
}

static void they_go_with_a_manager_that_is_killed(void **state)
{
	(void)state;
	killed_with_manager("true");
}

/* What is not a program of the manager's, and its child, is what holds them. */
static void they_go_with_it_also_where_what_holds_them_was_lost_once(void **state)
{
	(void)state;
	killed_with_manager("for stat in /proc/[0-9]*/stat; do\n"
			    "	read -r pid name state parent group rest <$stat\n"
			    "	[ \"$parent\" = $PPID ] && grep -qz leash /proc/$pid/cmdline &&\n"
			    "		kill -9 $pid &&\n"
			    "		until grep -q ') Z' $stat; do sleep 0.01; done\n"
			    "done 2>/dev/null");
}

static void closing_kills_what_runs_and_tells_nobody(void **state)
{
	struct rig *rig = *state;
	const struct timeval soon = { 0, 1000 };

	for (unsigned i = 0; i < 4; i++)
		begin(rig, "exec sleep 1000", "", LONG_MS);
	assert_int_equal(event_base_loopexit(rig->base, &soon), 0);
	assert_int_equal(event_base_dispatch(rig->base), 0);
	programs_free(rig->programs);
	rig->programs = NULL;

	assert_int_equal(rig->ended, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_begin, rig_end)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(what_it_reads_and_prints_goes_through),
		TEST(without_text_it_reads_an_end_of_file),
		TEST(as_much_text_as_is_allowed_goes_through_and_no_more),
		TEST(one_that_hangs_is_killed_at_its_deadline),
		TEST(one_that_ignores_signals_is_killed_too),
		TEST(one_that_prints_without_end_is_killed_and_its_first_words_are_kept),
		TEST(one_that_dies_by_a_signal_says_which),
		TEST(what_it_leaves_behind_is_killed_with_it),
		TEST(one_that_closes_its_output_may_go_on),
		TEST(one_that_is_not_there_is_told_as_that),
		TEST(it_has_three_descriptors_no_environment_and_the_usual_signals),
		TEST(so_many_run_at_a_time_and_all_have_their_turn),
		TEST(they_go_with_a_manager_that_is_killed),
		TEST(they_go_with_it_also_where_what_holds_them_was_lost_once),
		TEST(closing_kills_what_runs_and_tells_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
