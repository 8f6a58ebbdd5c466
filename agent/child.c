/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/child.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"

enum {
	EXIT_NOT_RUN = 127,
	READ_AT_ONCE = 64 * 1024, /* of what it prints, before others have their turn */
};

struct child {
	struct children *all;
	struct child *next;
	pid_t pid;
	int output; /* -1: closed */
	struct event *printed;
	struct event *ended; /* SIGCHLD, of any child */
	struct event *deadline;
	struct last_line line;
	child_done_fn *fn; /* NULL: nobody is to be told any more */
	void *arg;
};

void children_init(struct children *c, struct event_base *base)
{
	*c = (struct children){ .base = base };
}

static void event_done(struct event **event)
{
	if (*event)
		event_free(*event);
	*event = NULL;
}

static void child_free(struct child *child)
{
	struct child **at = &child->all->first;

	while (*at && *at != child)
		at = &(*at)->next;
	if (*at)
		*at = child->next;
	event_done(&child->printed);
	event_done(&child->ended);
	event_done(&child->deadline);
	if (child->output >= 0)
		close(child->output);
	free(child);
}

static void child_kill(const struct child *child)
{
	if (child->pid > 0)
		(void)kill(-child->pid, SIGKILL); /* it may have ended just now */
}

/* ---- what it prints ---- */

static void output_read(struct child *child)
{
	char bytes[4096];
	size_t most = READ_AT_ONCE;
	ssize_t n = 0;

	while (child->output >= 0 && most >= sizeof(bytes)) {
		n = read(child->output, bytes, sizeof(bytes));
		if (n <= 0)
			break;
		last_line_take(&child->line, bytes, (size_t)n);
		most -= (size_t)n < most ? (size_t)n : most;
	}
	if (n == 0 && most == READ_AT_ONCE)
		event_done(&child->printed); /* at its end: no more of these events */
}

static void on_printed(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	output_read(arg);
}

/* ---- how it ends ---- */

static void child_tell(struct child *child, int status, bool timed_out)
{
	struct child_result result = { .status = status, .timed_out = timed_out };
	child_done_fn *fn = child->fn;

	output_read(child);
	(void)snprintf(result.last, sizeof(result.last), "%s", last_line_text(&child->line));
	child->fn = NULL;
	if (fn)
		fn(child->arg, &result);
}

static void on_ended(evutil_socket_t fd, short what, void *arg)
{
	struct child *child = arg;
	siginfo_t ended = { 0 };
	int status = 0;

	(void)fd;
	(void)what;
	if (!waitid(P_PID, (id_t)child->pid, &ended, WEXITED | WNOHANG | WNOWAIT) && !ended.si_pid)
		return;
	/* What it left behind in its group; while it is not reaped its number is nobody else's. */
	child_kill(child);
	if (waitpid(child->pid, &status, 0) < 0) /* then it is not known to have gone well */
		status = EXIT_NOT_RUN << 8;
	child->pid = 0;
	child_tell(child, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), false);
	child_free(child);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct child *child = arg;

	(void)fd;
	(void)what;
	child_kill(child);
	child_tell(child, 128 + SIGKILL, true);
	/* It is collected by on_ended(), whenever the kernel lets it go. */
}

/* ---- how it begins ---- */

/* In the child, between fork and exec: only calls that are safe there. */
static void child_become(const struct child_order *order, char **env, int output)
{
	int null = open("/dev/null", O_RDONLY);

	(void)setpgid(0, 0);
	(void)signal(SIGPIPE, SIG_DFL);
	if (null >= 0)
		(void)dup2(null, STDIN_FILENO);
	(void)dup2(output, STDOUT_FILENO);
	(void)dup2(output, STDERR_FILENO);
	if (!order->argv)
		_exit(order->run(order->run_arg));
	(void)execve(order->argv[0], (char *const *)order->argv, env);
	(void)!write(STDOUT_FILENO, "cannot be run", 13); /* the exit code says it too */
	_exit(EXIT_NOT_RUN);
}

/* What the agent has, and what the order adds; the array is the caller's, to free(). */
static char **env_make(const char *const *more)
{
	size_t n = 0;
	size_t extra = 0;
	char **env;

	while (environ[n])
		n++;
	while (more && more[extra])
		extra++;
	env = calloc(n + extra + 1, sizeof(*env));
	if (!env)
		return NULL;
	memcpy(env, environ, n * sizeof(*env));
	if (extra)
		memcpy(env + n, more, extra * sizeof(*env));
	return env;
}

static int child_watch(struct child *child, struct event_base *base, uint32_t deadline_ms)
{
	struct timeval tv = clock_timeval(deadline_ms);

	child->printed = event_new(base, child->output, EV_READ | EV_PERSIST, on_printed, child);
	child->ended = event_new(base, SIGCHLD, EV_SIGNAL | EV_PERSIST, on_ended, child);
	child->deadline = evtimer_new(base, on_deadline, child);
	if (!child->printed || !child->ended || !child->deadline ||
	    event_add(child->printed, NULL) || event_add(child->ended, NULL) ||
	    event_add(child->deadline, &tv))
		return -ENOMEM;
	return 0;
}

static int child_fork(struct child *child, const struct child_order *order, int output)
{
	char **env = env_make(order->env);
	int r = 0;

	if (!env)
		return -ENOMEM;
	child->pid = fork();
	if (child->pid < 0)
		r = -errno;
	if (!child->pid)
		child_become(order, env, output);
	if (child->pid > 0)
		(void)setpgid(child->pid, child->pid); /* whoever of both comes first */
	else
		child->pid = 0;
	free(env);
	return r;
}

int children_start(struct children *c, const struct child_order *order, child_done_fn *fn,
		   void *arg)
{
	struct child *child = calloc(1, sizeof(*child));
	int pipes[2];
	int r;

	if (!child)
		return -ENOMEM;
	child->all = c;
	child->output = -1;
	if (pipe2(pipes, O_CLOEXEC)) {
		r = -errno;
		free(child);
		return r;
	}
	/* Our end alone: a program does not expect its output to be full. */
	(void)fcntl(pipes[0], F_SETFL, O_NONBLOCK); /* cannot fail for a pipe */
	child->output = pipes[0];
	/* It is watched before it is there, so that its end is not missed. */
	r = child_watch(child, c->base, order->deadline_ms);
	if (!r)
		r = child_fork(child, order, pipes[1]);
	close(pipes[1]);
	if (r) {
		child_free(child);
		return r;
	}
	child->fn = fn;
	child->arg = arg;
	child->next = c->first;
	c->first = child;
	return 0;
}

void children_forget(struct children *c, const void *arg)
{
	for (struct child *child = c->first; child; child = child->next) {
		if (child->arg != arg || !child->fn)
			continue;
		child->fn = NULL;
		child_kill(child);
	}
}

void children_done(struct children *c)
{
	while (c->first) {
		child_kill(c->first);
		child_free(c->first);
	}
}
