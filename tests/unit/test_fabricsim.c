/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fabricsim as a process, reached through the provider protocol. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "provider/client.h"

enum { FUNCTIONS = 64 * 64, PATIENCE_MS = 60000 };

struct fixture {
	char folder[64];
	char program[PATH_MAX];
	pid_t child;
	struct event_base *base;
	struct event *tick;
	struct provider *p;
	bool is_ready;
	bool is_lost;
	struct provider_hello hello;
	struct provider_scan *scan;
	uint64_t attempts;
	size_t sent;
	size_t done;
	size_t unknown;
	size_t other;
	struct provider_host_state told;
	size_t events;
	size_t viewed;
	bool is_viewed;
};

static const char *in_folder(const struct fixture *f, const char *name)
{
	static char path[4][128];
	static unsigned next;

	next = (next + 1) % 4;
	snprintf(path[next], sizeof(path[next]), "%s/%s", f->folder, name);
	return path[next];
}

/* The programs stand beside this test. */
static void program_find(struct fixture *f)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(n > 0);
	self[n] = '\0';
	snprintf(f->program, sizeof(f->program), "%.4000s/fabricsim", dirname(self));
}

/* Runs it to its end, its output into @out (NULL: away). Return: its exit code. */
static int run(const struct fixture *f, const char *out, const char *const *words)
{
	const char *argv[16] = { f->program };
	int status;
	pid_t child = fork();

	for (int i = 0; words[i]; i++)
		argv[i + 1] = words[i];
	if (!child) {
		int fd = open(out ? out : "/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0600);

		dup2(fd, STDOUT_FILENO);
		dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		execv(f->program, (char *const *)argv);
		_exit(99);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}
#define RUN(f, out, ...) run((f), (out), (const char *const[]){ __VA_ARGS__, NULL })

static void start(struct fixture *f)
{
	f->child = fork();
	if (!f->child) {
		dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		execl(f->program, f->program, "run", "--chassis", in_folder(f, "chassis"),
		      "--state", in_folder(f, "state"), "--socket", in_folder(f, "socket"), NULL);
		_exit(99);
	}
}

static int end(struct fixture *f, int number)
{
	int status = 0;

	if (!f->child)
		return 0;
	kill(f->child, number);
	assert_int_equal(waitpid(f->child, &status, 0), f->child);
	f->child = 0;
	return status;
}

static void on_completed(void *arg, const struct provider_completion *done)
{
	struct fixture *f = arg;

	if (done->outcome == PROVIDER_DONE)
		f->done++;
	else if (done->outcome == PROVIDER_UNKNOWN)
		f->unknown++;
	else
		f->other++;
}

static void on_scanned(void *arg, struct provider_scan *scan, const char *why)
{
	struct fixture *f = arg;

	if (!scan)
		print_message("%s\n", why);
	provider_scan_free(f->scan);
	f->scan = scan;
}

static void on_told(void *arg, const struct provider_event *event)
{
	struct fixture *f = arg;

	f->events++;
	f->told = event->host;
}

static void on_state(void *arg, enum provider_state state, const struct provider_hello *hello)
{
	struct fixture *f = arg;

	f->is_ready = state == PROVIDER_READY || state == PROVIDER_SLOW;
	f->is_lost |= state == PROVIDER_LOST;
	if (hello)
		f->hello = *hello;
}

static void on_viewed(void *arg, uint64_t cookie, const struct provider_config *config,
		      const char *why)
{
	struct fixture *f = arg;

	assert_int_equal(cookie, 42);
	if (!config)
		assert_string_equal(why, "");
	f->viewed += config != NULL;
	f->is_viewed = !config;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct fixture *f = arg;

	(void)fd;
	(void)what;
	f->p->ops->advance(f->p, clock_boot_ms());
}

static void manager_open(struct fixture *f)
{
	const struct timeval each = { .tv_usec = 10000 };
	const struct provider_sink sink = {
		.completed = on_completed,
		.scanned_take = on_scanned,
		.told = on_told,
		.state = on_state,
		.viewed = on_viewed,
		.arg = f,
	};

	f->base = event_base_new();
	assert_int_equal(provider_client_open(f->base, "sim", in_folder(f, "socket"), &sink, &f->p),
			 0);
	f->tick = event_new(f->base, -1, EV_PERSIST, on_tick, f);
	assert_int_equal(event_add(f->tick, &each), 0);
}

static void manager_close(struct fixture *f)
{
	if (!f->p)
		return;
	event_free(f->tick);
	provider_close(f->p);
	event_base_free(f->base);
	f->p = NULL;
	f->is_ready = f->is_lost = false;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->folder, "/tmp/test_fabricsim.XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	program_find(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	static const char *const files[] = { "chassis",   "state",  "state.lock",
					     "state.new", "socket", "bindings" };
	struct fixture *f = *state;

	manager_close(f);
	(void)end(f, SIGKILL);
	provider_scan_free(f->scan);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		(void)unlink(in_folder(f, files[i]));
	assert_int_equal(rmdir(f->folder), 0);
	free(f);
	return 0;
}

/* Turns the loop until @so. */
#define WAIT(f, so)                                                                        \
	do {                                                                               \
		uint64_t until_ = clock_boot_ms() + PATIENCE_MS;                           \
		while (!(so)) {                                                            \
			assert_true(clock_boot_ms() < until_);                             \
			assert_int_not_equal(event_base_loop((f)->base, EVLOOP_ONCE), -1); \
		}                                                                          \
	} while (0)

static void generate(struct fixture *f, const char *hosts, const char *adapters, const char *vfs)
{
	assert_int_equal(RUN(f, in_folder(f, "chassis"), "generate", "--hosts", hosts, "--switches",
			     "2", "--adapters", adapters, "--vfs", vfs),
			 0);
}

static void begin(struct fixture *f)
{
	start(f);
	manager_open(f);
	WAIT(f, f->is_ready);
	assert_int_equal(f->p->ops->scan(f->p), 0);
	WAIT(f, f->scan);
}

static void bind_submit(struct fixture *f, uint32_t function, uint16_t host, uint16_t vport)
{
	const struct provider_op op = { .verb = PROVIDER_BIND,
					.attempt = ++f->attempts,
					.generation = 3,
					.deadline_ms = clock_boot_ms() + PATIENCE_MS,
					.function = function,
					.host = host,
					.vport = vport };

	assert_int_equal(f->p->ops->submit(f->p, &op), 0);
	f->sent++;
}

static uint64_t cpu_us(pid_t child)
{
	unsigned long user = 0, system = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", child);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
				&user, &system),
			 2);
	fclose(file);
	return (user + system) * 1000000 / (unsigned long)sysconf(_SC_CLK_TCK);
}

static size_t lines_of(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[1024];
	size_t n = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		n++;
	fclose(file);
	return n;
}

static void what_was_acknowledged_outlives_kill_9(void **state)
{
	struct fixture *f = *state;
	char boot_id[PROVIDER_NAME_MAX];
	uint64_t before;

	generate(f, "32", "64", "64");
	begin(f);
	memcpy(boot_id, f->hello.boot_id, sizeof(boot_id));
	before = cpu_us(f->child);
	for (uint32_t i = 0; i < FUNCTIONS; i++) {
		bind_submit(f, i / 64 * 65 + i % 64 + 2, (uint16_t)(i / 128 + 1),
			    (uint16_t)(i % 128 + 1));
		if (i % 128 == 127)
			WAIT(f, f->done == f->sent);
	}
	print_message("%d binds took %llu us of fabricsim's processor\n", FUNCTIONS,
		      (unsigned long long)(cpu_us(f->child) - before));
	assert_true(WIFSIGNALED(end(f, SIGKILL)));
	WAIT(f, f->is_lost);
	provider_scan_free(f->scan);
	f->scan = NULL;
	start(f);
	WAIT(f, f->is_ready);
	assert_string_equal(f->hello.boot_id, boot_id);
	assert_int_equal(f->p->ops->scan(f->p), 0);
	WAIT(f, f->scan);
	for (uint32_t i = 0; i < FUNCTIONS; i++) {
		const struct provider_binding *now =
			&f->scan->functions[i / 64 * 65 + i % 64 + 1].now;

		assert_int_equal(now->host, i / 128 + 1);
		assert_int_equal(now->vport, i % 128 + 1);
		assert_int_equal(now->generation, 3);
	}
	assert_int_equal(RUN(f, in_folder(f, "bindings"), "bindings", "--socket",
			     in_folder(f, "socket"), "-o", "json"),
			 0);
	assert_int_equal(lines_of(in_folder(f, "bindings")), FUNCTIONS);
}

static void a_late_command_outlives_its_manager_and_the_program(void **state)
{
	struct fixture *f = *state;
	struct provider_op op = { .verb = PROVIDER_BIND,
				  .attempt = 1,
				  .generation = 3,
				  .function = 2,
				  .host = 1,
				  .vport = 1 };
	size_t lines = 0;

	generate(f, "2", "2", "2");
	begin(f);
	assert_int_equal(
		RUN(f, NULL, "fault", "--socket", in_folder(f, "socket"), "bind:late=1500:1"), 0);
	op.deadline_ms = clock_boot_ms() + 100;
	assert_int_equal(f->p->ops->submit(f->p, &op), 0);
	WAIT(f, f->unknown == 1);
	manager_close(f);
	(void)end(f, SIGKILL);
	start(f);
	manager_open(f);
	WAIT(f, f->is_ready);
	op = (struct provider_op){ .verb = PROVIDER_SETTLE,
				   .attempt = 2,
				   .function = 2,
				   .deadline_ms = clock_boot_ms() + PATIENCE_MS };
	assert_int_equal(f->p->ops->submit(f->p, &op), 0);
	WAIT(f, f->done == 1);
	assert_int_equal(
		RUN(f, in_folder(f, "bindings"), "bindings", "--socket", in_folder(f, "socket")),
		0);
	lines = lines_of(in_folder(f, "bindings"));
	assert_int_equal(lines, 1);
}

static void a_blade_that_is_turned_off_is_told(void **state)
{
	struct fixture *f = *state;

	generate(f, "2", "2", "2");
	begin(f);
	assert_int_equal(
		RUN(f, NULL, "host", "--socket", in_folder(f, "socket"), "bay2", "power", "off"),
		0);
	WAIT(f, f->events);
	assert_int_equal(f->told.host, 2);
	assert_false(f->told.power);
}

static void a_host_can_be_viewed_from_outside(void **state)
{
	struct fixture *f = *state;

	generate(f, "2", "2", "2");
	begin(f);
	bind_submit(f, 2, 1, 1);
	WAIT(f, f->done == 1);
	assert_int_equal(f->p->ops->view(f->p, 1, 42), 0);
	WAIT(f, f->is_viewed);
	assert_int_equal(f->viewed, 2 + 4 + 1);
}

static void a_stopped_switch_ends_with_0(void **state)
{
	struct fixture *f = *state;
	int status;

	generate(f, "1", "1", "1");
	begin(f);
	status = end(f, SIGTERM);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(access(in_folder(f, "socket"), F_OK), -1);
}

static void exit_codes_are_those_of_every_program(void **state)
{
	struct fixture *f = *state;
	const char *socket = in_folder(f, "socket");
	FILE *file;

	assert_int_equal(RUN(f, NULL, "--help"), 0);
	assert_int_equal(RUN(f, NULL, "--version"), 0);
	assert_int_equal(RUN(f, NULL, "run", "--help"), 0);
	assert_int_equal(RUN(f, NULL, "explode"), 2);
	assert_int_equal(RUN(f, NULL, "run"), 2);
	assert_int_equal(RUN(f, NULL, "run", "--hosts", "3"), 2);
	assert_int_equal(RUN(f, NULL, "run", "--nonsense"), 2);
	assert_int_equal(RUN(f, NULL, "generate", "--hosts", "many"), 2);
	assert_int_equal(RUN(f, NULL, "generate", "--hosts", "2000"), 1);
	assert_int_equal(RUN(f, NULL, "bindings", "--socket", socket, "-o", "xml"), 2);
	assert_int_equal(RUN(f, NULL, "bindings", "--socket", socket), 3);
	assert_int_equal(RUN(f, NULL, "host", "--socket", socket, "bay1", "power"), 2);
	assert_int_equal(RUN(f, NULL, "check", in_folder(f, "chassis")), 1);
	file = fopen(in_folder(f, "chassis"), "w");
	fputs("{\"chassis\":}", file);
	fclose(file);
	assert_int_equal(RUN(f, NULL, "check", in_folder(f, "chassis")), 1);
	assert_int_equal(RUN(f, NULL, "run", "--chassis", in_folder(f, "chassis"), "--state",
			     in_folder(f, "state"), "--socket", socket),
			 1);
	generate(f, "2", "2", "2");
	assert_int_equal(RUN(f, NULL, "check", in_folder(f, "chassis")), 0);
	begin(f);
	assert_int_equal(RUN(f, NULL, "fault", "--socket", socket, "nonsense"), 1);
	assert_int_equal(RUN(f, NULL, "fault", "--socket", socket, "all:lost"), 0);
	assert_int_equal(RUN(f, NULL, "fault", "--socket", socket, "clear"), 0);
	assert_int_equal(RUN(f, NULL, "host", "--socket", socket, "bay9", "power", "on"), 1);
	assert_int_equal(RUN(f, NULL, "run", "--chassis", in_folder(f, "chassis"), "--state",
			     in_folder(f, "state"), "--socket", in_folder(f, "other")),
			 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_was_acknowledged_outlives_kill_9),
		T(a_late_command_outlives_its_manager_and_the_program),
		T(a_blade_that_is_turned_off_is_told),
		T(a_host_can_be_viewed_from_outside),
		T(a_stopped_switch_ends_with_0),
		T(exit_codes_are_those_of_every_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
