/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/pci/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

enum {
	NAME_BYTES = 96,
	READ_BYTES = 65536,
	/* after its kill: by then one that can die has */
	PATIENCE_MS = 1000,
};

struct child {
	struct child_work work;
	char name[NAME_BYTES];
	pid_t pid;
	int pidfd;
	int fd;
	struct event *on_output;
	struct event *on_exit;
	struct event *on_time;
	struct buf out;
	bool is_cut; /* it wrote more than it may */
	bool is_late;
};

const struct buf *child_output(const struct child *child)
{
	return &child->out;
}

int child_pid(const struct child *child)
{
	return child->pid;
}

/* Reads what is there. False: nothing more will come. */
static bool output_drain(struct child *child)
{
	uint8_t bytes[READ_BYTES];

	for (;;) {
		ssize_t n = read(child->fd, bytes, sizeof(bytes));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		if (child->out.length + (size_t)n > child->work.most)
			child->is_cut = true;
		else
			buf_bytes(&child->out, bytes, (size_t)n);
	}
}

static void output_come(evutil_socket_t fd, short what, void *arg)
{
	struct child *child = arg;

	(void)fd;
	(void)what;
	if (!output_drain(child))
		(void)event_del(child->on_output); /* it is there */
}

static void exit_come(evutil_socket_t fd, short what, void *arg)
{
	struct child *child = arg;
	int status = 0;
	bool is_good;

	(void)fd;
	(void)what;
	if (waitpid(child->pid, &status, WNOHANG) != child->pid)
		return;
	child->pid = 0;
	(void)output_drain(child); /* all of it is in the pipe by now */
	(void)event_del(child->on_output);
	(void)event_del(child->on_exit);
	(void)event_del(child->on_time);
	is_good = WIFEXITED(status) && !WEXITSTATUS(status) && !child->is_cut && !child->out.failed;
	if (child->is_late)
		log_notice("%s: it is gone", child->name);
	child->work.news(child->work.arg, child,
			 child->is_late ? CHILD_GONE
			 : is_good      ? CHILD_FINISHED
					: CHILD_DIED);
}

static void time_come(evutil_socket_t fd, short what, void *arg)
{
	struct child *child = arg;
	struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };

	(void)fd;
	(void)what;
	if (child->is_late) {
		log_warning("%s: process %d cannot be killed, it waits in the kernel; what it does "
			    "is settled when it is gone",
			    child->name, child->pid);
		return;
	}
	child->is_late = true;
	log_warning("%s: no result by its deadline", child->name);
	(void)(child->work.kill ? child->work.kill(child->pid)
				: kill(child->pid, SIGKILL)); /* it may have ended just now */
	if (event_add(child->on_time, &patience))
		log_err("%s: no timer: out of memory", child->name);
	child->work.news(child->work.arg, child, CHILD_LATE);
}

/* A connection that a child holds would not end with its parent. */
static void descriptors_close(int keep, int held)
{
	unsigned low = (unsigned)(held >= 0 && held < keep ? held : keep);
	unsigned high = (unsigned)(held >= 0 && held > keep ? held : keep);

	if (low > 3)
		(void)close_range(3, low - 1, 0); /* what is not open needs no closing */
	if (high > low + 1)
		(void)close_range(low + 1, high - 1, 0);
	(void)close_range(high + 1, ~0u, 0);
}

/* In the child: nothing of the parent's loop is touched, and nothing is cleaned up. */
static _Noreturn void child_run(const struct child_work *work, int fd, pid_t parent)
{
	struct buf out = { 0 };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		_exit(1);
	descriptors_close(fd, work->held_fd);
	(void)signal(SIGTERM, SIG_DFL); /* no failure for these */
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGPIPE, SIG_DFL);
	work->run(work->arg, &out);
	for (size_t at = 0; at < out.length;) {
		ssize_t n = write(fd, out.data + at, out.length - at);

		if (n < 0 && errno != EINTR)
			_exit(1);
		if (n > 0)
			at += (size_t)n;
	}
	_exit(out.failed ? 1 : 0);
}

static int child_fork(struct child *child)
{
	pid_t parent = getpid();
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	child->fd = ends[0];
	if (fcntl(ends[0], F_SETFL, O_NONBLOCK)) {
		(void)close(ends[1]);
		return -errno;
	}
	child->pid = fork();
	if (!child->pid) {
		(void)close(ends[0]);
		child_run(&child->work, ends[1], parent);
	}
	(void)close(ends[1]); /* the child has its own */
	if (child->pid < 0) {
		child->pid = 0;
		return -errno;
	}
	child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
	return child->pidfd < 0 ? -errno : 0;
}

static int child_watch(struct child *child, struct event_base *base)
{
	struct timeval wait = clock_timeval_until(child->work.deadline_ms);

	child->on_output = event_new(base, child->fd, EV_READ | EV_PERSIST, output_come, child);
	child->on_exit = event_new(base, child->pidfd, EV_READ | EV_PERSIST, exit_come, child);
	child->on_time = evtimer_new(base, time_come, child);
	if (!child->on_output || !child->on_exit || !child->on_time ||
	    event_add(child->on_output, NULL) || event_add(child->on_exit, NULL) ||
	    event_add(child->on_time, &wait))
		return -ENOMEM;
	return 0;
}

int child_new(struct event_base *base, const struct child_work *work, struct child **out)
{
	OWNED(child_free) struct child *child = calloc(1, sizeof(*child));
	int r;

	if (!child)
		return -ENOMEM;
	child->work = *work;
	child->fd = child->pidfd = -1;
	(void)snprintf(child->name, sizeof(child->name), "%s", work->name); /* cut is fine */
	r = child_fork(child);
	if (!r)
		r = child_watch(child, base);
	if (r)
		return r;
	*out = TAKE(child);
	return 0;
}

void child_free(struct child *child)
{
	if (!child)
		return;
	if (child->on_output)
		event_free(child->on_output);
	if (child->on_exit)
		event_free(child->on_exit);
	if (child->on_time)
		event_free(child->on_time);
	if (child->pid) {
		(void)kill(child->pid, SIGKILL);          /* it may have ended just now */
		(void)waitpid(child->pid, NULL, WNOHANG); /* or later, by init */
	}
	if (child->pidfd >= 0)
		(void)close(child->pidfd);
	if (child->fd >= 0)
		(void)close(child->fd);
	buf_done(&child->out);
	free(child);
}
