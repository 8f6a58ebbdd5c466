/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/program.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/last_line.h"
#include "common/leash.h"
#include "common/log.h"
#include "common/spawn.h"

enum {
	READ_BYTES = 4096,
	DIE_S = 2, /* killed and not gone after that: it is told, and reaped when it goes */
};

struct program {
	TAILQ_ENTRY(program) at; /* of waiting, or of running */
	struct programs *all;
	char *words[PROGRAM_WORDS_MAX + 1];
	char *environment[PROGRAM_WORDS_MAX + 1]; /* beside the bare one */
	char *input;
	size_t input_length;
	uint32_t timeout_ms;
	program_ended_fn *ended; /* NULL: told already */
	void *arg;
	pid_t pid; /* 0: not started, or reaped */
	int pidfd;
	int output_fd;
	struct event *exit_event;
	struct event *output_event;
	struct event *timer;
	uint64_t started_ms;
	bool killed;
	enum program_end end; /* why it was killed */
	char output[PROGRAM_OUTPUT_MAX];
	size_t kept;
	struct last_line last;
	size_t printed;
};

struct programs {
	struct event_base *base;
	unsigned at_once;
	unsigned running_count;
	TAILQ_HEAD(, program) waiting;
	TAILQ_HEAD(, program) running;
	struct event *turn;  /* starts what waits */
	struct leash *leash; /* from the first on; NULL: there is none */
};

static void event_done(struct event **event)
{
	if (*event)
		event_free(*event);
	*event = NULL;
}

static void fd_done(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd); /* nothing was written to it */
	*fd = -1;
}

static void program_free(struct program *p)
{
	event_done(&p->exit_event);
	event_done(&p->output_event);
	event_done(&p->timer);
	fd_done(&p->pidfd);
	fd_done(&p->output_fd);
	for (size_t i = 0; i < PROGRAM_WORDS_MAX; i++)
		free(p->words[i]);
	for (size_t i = 0; i < PROGRAM_WORDS_MAX; i++)
		free(p->environment[i]);
	if (p->input)
		explicit_bzero(p->input, p->input_length);
	free(p->input);
	free(p);
}

/* ---- the leash: for them to go with us ---- */

static void leash_lost(struct programs *all, int error)
{
	log_warning("programs: what runs would outlive this process: %s", strerror(-error));
	leash_free(all->leash);
	all->leash = NULL;
}

/* A new one holds those that run already too. */
static int leash_renew(struct programs *all)
{
	const struct program *p;
	int r = leash_new(&all->leash);

	TAILQ_FOREACH (p, &all->running, at)
		r = r ? r : leash_hold(all->leash, p->pid);
	return r;
}

/* Without one they run all the same, and have their deadline. */
static void leash_put_on(struct program *p)
{
	int r = p->all->leash ? leash_hold(p->all->leash, p->pid) : -EPIPE;

	if (r && p->all->leash)
		leash_lost(p->all, r);
	if (!r)
		return;
	r = leash_renew(p->all);
	if (!r)
		r = leash_hold(p->all->leash, p->pid);
	if (r)
		leash_lost(p->all, r);
}

static void leash_take_off(struct program *p)
{
	int r = p->all->leash ? leash_drop(p->all->leash, p->pid) : 0;

	if (r)
		leash_lost(p->all, r);
}

/* ---- one that runs ---- */

/* The group is there for as long as its leader is not reaped: nobody else can have its number. */
static void group_kill(const struct program *p)
{
	if (p->pid)
		(void)kill(-p->pid, SIGKILL); /* gone: as good */
}

static void turn_soon(struct programs *all)
{
	const struct timeval now = { 0, 0 };

	if (!TAILQ_EMPTY(&all->waiting) && event_add(all->turn, &now))
		log_err("programs: out of memory");
}

static void program_tell(struct program *p, enum program_end end, int code)
{
	program_ended_fn *fn = p->ended;
	const struct program_ended ended = { .end = end,
					     .code = code,
					     .output = p->output,
					     .length = p->kept,
					     .last = last_line_text(&p->last),
					     .took_ms =
						     (uint32_t)(clock_boot_ms() - p->started_ms) };

	p->ended = NULL;
	if (fn)
		fn(p->arg, &ended);
}

static void program_kill(struct program *p, enum program_end end)
{
	const struct timeval die = { .tv_sec = DIE_S };

	if (!p->killed)
		p->end = end;
	p->killed = true;
	event_done(&p->output_event);
	group_kill(p);
	if (event_add(p->timer, &die))
		log_err("programs: out of memory");
}

/* False when there is nothing more for now. */
static bool output_take(struct program *p)
{
	char bytes[READ_BYTES];
	ssize_t n = read(p->output_fd, bytes, sizeof(bytes));
	size_t room = sizeof(p->output) - p->kept;

	if (n <= 0)
		return n < 0 && errno == EINTR;
	memcpy(p->output + p->kept, bytes, (size_t)n < room ? (size_t)n : room);
	p->kept += (size_t)n < room ? (size_t)n : room;
	last_line_take(&p->last, bytes, (size_t)n);
	p->printed += (size_t)n;
	return true;
}

static void on_output(evutil_socket_t fd, short what, void *arg)
{
	struct program *p = arg;
	size_t before = p->printed;

	(void)fd;
	(void)what;
	if (!output_take(p) && before == p->printed && errno != EAGAIN) {
		event_done(&p->output_event); /* it has closed its end, and may go on */
		return;
	}
	if (p->printed > PROGRAM_FLOOD_BYTES)
		program_kill(p, PROGRAM_FLOODED);
}

static void program_end(struct program *p, const siginfo_t *info)
{
	struct programs *all = p->all;

	while (p->printed <= PROGRAM_FLOOD_BYTES && output_take(p))
		;
	TAILQ_REMOVE(&all->running, p, at);
	all->running_count--;
	if (p->killed)
		program_tell(p, p->end, SIGKILL);
	else
		program_tell(p, info->si_code == CLD_EXITED ? PROGRAM_EXITED : PROGRAM_SIGNALLED,
			     info->si_status);
	program_free(p);
	turn_soon(all);
}

/* The leader has ended. Its group goes before it is reaped, while the number is still its own. */
static void on_exit_seen(evutil_socket_t fd, short what, void *arg)
{
	struct program *p = arg;
	siginfo_t info = { 0 };

	(void)fd;
	(void)what;
	group_kill(p);
	leash_take_off(p);
	if (waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG) || !info.si_pid)
		return;
	p->pid = 0;
	program_end(p, &info);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct program *p = arg;

	(void)fd;
	(void)what;
	if (!p->killed) {
		program_kill(p, PROGRAM_OVERDUE);
		return;
	}
	log_err("programs: %s (%d) was killed and does not end", p->words[0], (int)p->pid);
	program_tell(p, p->end, SIGKILL);
}

/* ---- starting ---- */

/* A file in memory: never full, never waits, and gone with its readers. */
static int input_open(struct program *p, int *fd)
{
	size_t done = 0;

	*fd = memfd_create("program-input", MFD_CLOEXEC);
	if (*fd < 0)
		return -errno;
	while (done < p->input_length) {
		ssize_t n = write(*fd, p->input + done, p->input_length - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	if (p->input)
		explicit_bzero(p->input, p->input_length);
	return lseek(*fd, 0, SEEK_SET) < 0 ? -errno : 0;
}

static int program_spawn(struct program *p, int in, int out)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	static char locale[] = "LC_ALL=C.UTF-8";
	char *environment[2 + PROGRAM_WORDS_MAX + 1] = { path, locale };
	int r;

	memcpy(environment + 2, p->environment, sizeof(p->environment));
	r = spawn_alone(p->words[0], p->words, environment, in, out, &p->pid);
	if (r)
		p->pid = 0;
	return r;
}

/* It runs without anybody to watch it: it does not stay. */
static void program_abandon(struct program *p)
{
	group_kill(p);
	if (p->pid)
		leash_take_off(p);
	while (p->pid && waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
		;
	p->pid = 0;
}

static int program_watch(struct program *p)
{
	const struct timeval timeout = clock_timeval(p->timeout_ms);
	struct event_base *base = p->all->base;

	p->pidfd = pidfd_open(p->pid, 0);
	if (p->pidfd < 0)
		return -errno;
	p->exit_event = event_new(base, p->pidfd, EV_READ | EV_PERSIST, on_exit_seen, p);
	p->output_event = event_new(base, p->output_fd, EV_READ | EV_PERSIST, on_output, p);
	p->timer = evtimer_new(base, on_timer, p);
	if (!p->exit_event || !p->output_event || !p->timer || event_add(p->exit_event, NULL) ||
	    event_add(p->output_event, NULL) || event_add(p->timer, &timeout))
		return -ENOMEM;
	return 0;
}

static int program_start(struct program *p)
{
	int pipes[2] = { -1, -1 };
	int in = -1;
	int r = input_open(p, &in);

	if (!r && pipe2(pipes, O_CLOEXEC | O_NONBLOCK))
		r = -errno;
	if (!r)
		r = fcntl(pipes[1], F_SETFL, 0) ? -errno : 0; /* its end waits as any does */
	if (!r)
		r = program_spawn(p, in, pipes[1]);
	p->output_fd = pipes[0];
	fd_done(&pipes[1]);
	fd_done(&in);
	if (!r)
		leash_put_on(p);
	if (!r)
		r = program_watch(p);
	if (r)
		program_abandon(p);
	return r;
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct programs *all = arg;

	(void)fd;
	(void)what;
	while (all->running_count < all->at_once && !TAILQ_EMPTY(&all->waiting)) {
		struct program *p = TAILQ_FIRST(&all->waiting);
		int r;

		TAILQ_REMOVE(&all->waiting, p, at);
		p->started_ms = clock_boot_ms();
		r = program_start(p);
		if (r) {
			program_tell(p, PROGRAM_NOT_RUN, -r);
			program_free(p);
			continue;
		}
		TAILQ_INSERT_TAIL(&all->running, p, at);
		all->running_count++;
	}
}

/* ---- public ---- */

int programs_new(struct event_base *base, unsigned at_once, struct programs **out)
{
	struct programs *all = calloc(1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	all->base = base;
	all->at_once = at_once;
	TAILQ_INIT(&all->waiting);
	TAILQ_INIT(&all->running);
	all->turn = evtimer_new(base, on_turn, all);
	if (!all->turn) {
		free(all);
		return -ENOMEM;
	}
	*out = all;
	return 0;
}

void programs_free(struct programs *all)
{
	struct program *p;

	if (!all)
		return;
	while ((p = TAILQ_FIRST(&all->waiting))) {
		TAILQ_REMOVE(&all->waiting, p, at);
		program_free(p);
	}
	while ((p = TAILQ_FIRST(&all->running))) {
		TAILQ_REMOVE(&all->running, p, at);
		program_abandon(p);
		program_free(p);
	}
	event_done(&all->turn);
	leash_free(all->leash);
	free(all);
}

static int words_copy(const char *const *words, char **out)
{
	for (size_t n = 0; words && words[n]; n++) {
		if (n == PROGRAM_WORDS_MAX)
			return -EINVAL;
		out[n] = strdup(words[n]);
		if (!out[n])
			return -ENOMEM;
	}
	return 0;
}

int program_run(struct programs *all, const char *const *words, const char *input, size_t length,
		uint32_t timeout_ms, program_ended_fn *ended, void *arg)
{
	return program_run_in(all, words, NULL, input, length, timeout_ms, ended, arg);
}

int program_run_in(struct programs *all, const char *const *words, const char *const *environment,
		   const char *input, size_t length, uint32_t timeout_ms, program_ended_fn *ended,
		   void *arg)
{
	struct program *p;
	int r;

	if (length > PROGRAM_INPUT_MAX || !words[0] || words[0][0] != '/')
		return -EINVAL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->all = all;
	p->pidfd = p->output_fd = -1;
	p->timeout_ms = timeout_ms;
	p->ended = ended;
	p->arg = arg;
	r = words_copy(words, p->words);
	if (!r)
		r = words_copy(environment, p->environment);
	if (!r && length) {
		p->input = malloc(length);
		r = p->input ? 0 : -ENOMEM;
	}
	if (r) {
		program_free(p);
		return r;
	}
	if (length)
		memcpy(p->input, input, length);
	p->input_length = p->input ? length : 0;
	TAILQ_INSERT_TAIL(&all->waiting, p, at);
	turn_soon(all);
	return 0;
}
