/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fabricd/fence_program.h"

#include <ctype.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/program.h"

enum { INPUT_ROOM = FENCE_PROGRAM_FILE_MAX + 64 };

struct run {
	LIST_ENTRY(run) at;
	struct fence_programs *all;
	uint64_t cookie;
	uint32_t timeout_ms;
	char host[CONFIG_TEXT_MAX];
	struct event *soon; /* it could not even be begun: @text is told in the next turn */
	char text[FENCE_PROGRAM_TEXT_MAX];
};

struct fence_programs {
	struct event_base *base;
	struct programs *programs;
	fence_program_answered_fn *answered;
	void *arg;
	LIST_HEAD(, run) runs;
};

/* ---- the parameters ---- */

__attribute__((format(printf, 2, 3))) static int why_say(char *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(why, FENCE_PROGRAM_TEXT_MAX, format, args); /* cut when longer */
	va_end(args);
	return REFUSE_FIELD;
}

/* It may hold a password: it is looked at before a byte of it is read, by the same descriptor. */
static int file_check(int fd, const char *path, char *why)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return why_say(why, "%.100s: not a plain file", path);
	if (st.st_mode & (S_IROTH | S_IWOTH))
		return why_say(why, "%.100s: may hold passwords, and everybody may %s it", path,
			       st.st_mode & S_IROTH ? "read" : "write");
	if (st.st_size > FENCE_PROGRAM_FILE_MAX)
		return why_say(why, "%.100s: larger than %d bytes", path, FENCE_PROGRAM_FILE_MAX);
	return 0;
}

static int file_read(const char *path, char *out, size_t *length, char *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int r = fd < 0 ? -errno : file_check(fd, path, why);
	size_t used = 0;

	while (!r && used <= FENCE_PROGRAM_FILE_MAX) {
		ssize_t n = read(fd, out + used, FENCE_PROGRAM_FILE_MAX + 1 - used);

		if (n < 0 && errno != EINTR)
			r = -errno;
		if (!n)
			break;
		used += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0)
		(void)close(fd); /* was only read */
	if (r < 0)
		(void)why_say(why, "%.100s: %s", path, strerror(-r));
	else if (!r && used > FENCE_PROGRAM_FILE_MAX)
		r = why_say(why, "%.100s: larger than %d bytes", path, FENCE_PROGRAM_FILE_MAX);
	if (!r)
		*length = used;
	return r;
}

/* What the line says is never repeated: it may be a password. */
static const char *line_fault(const char *line, size_t length)
{
	size_t key = 0;

	if (!length || *line == '#')
		return NULL;
	for (size_t i = 0; i < length; i++)
		if (iscntrl((unsigned char)line[i]) && line[i] != '\t' &&
		    !(line[i] == '\r' && i == length - 1))
			return "a control character";
	while (key < length &&
	       (isalnum((unsigned char)line[key]) || line[key] == '_' || line[key] == '-'))
		key++;
	if (!key || key == length || line[key] != '=')
		return "not KEY=VALUE";
	if ((key == 6 && !memcmp(line, "action", 6)) || (key == 6 && !memcmp(line, "option", 6)))
		return "the action is the manager's to choose";
	return NULL;
}

int fence_program_check(const char *name, const char *text, size_t length, char *why)
{
	const char *end = text + length;

	for (int n = 1; text < end; n++) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		size_t size = (size_t)((stop ? stop : end) - text);
		const char *fault = line_fault(text, size);

		if (fault)
			return why_say(why, "%.100s:%d: %s", name, n, fault);
		text += size + 1;
	}
	return 0;
}

int fence_program_input(const char *path, const char *action, char *out, size_t *length, char *why)
{
	size_t used = 0;
	int r = *path ? file_read(path, out, &used, why) : 0;

	if (!r)
		r = fence_program_check(path, out, used, why);
	if (r)
		return r;
	*length = used + (size_t)snprintf(out + used, INPUT_ROOM - used, "%saction=%.32s\n",
					  used && out[used - 1] != '\n' ? "\n" : "", action);
	return 0;
}

/* ---- running ---- */

static void run_free(struct run *run)
{
	LIST_REMOVE(run, at);
	if (run->soon)
		event_free(run->soon);
	free(run);
}

static void run_answer(struct run *run, int code, const char *text)
{
	struct fence_programs *all = run->all;
	uint64_t cookie = run->cookie;
	char copy[FENCE_PROGRAM_TEXT_MAX];

	(void)snprintf(copy, sizeof(copy), "%s", text);
	run_free(run);
	all->answered(all->arg, cookie, code, copy);
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
	struct run *run = arg;

	(void)fd;
	(void)what;
	run_answer(run, -1, run->text);
}

static void on_ended(void *arg, const struct program_ended *ended)
{
	struct run *run = arg;
	int code = -1;

	switch (ended->end) {
	case PROGRAM_EXITED:
		code = ended->code;
		(void)snprintf(run->text, sizeof(run->text), "exit status %d%s%.135s", code,
			       ended->last[0] ? ": " : "", ended->last);
		break;
	case PROGRAM_SIGNALLED:
		(void)snprintf(run->text, sizeof(run->text), "ended by signal %d", ended->code);
		break;
	case PROGRAM_OVERDUE:
		(void)snprintf(run->text, sizeof(run->text), "killed, no end after %u ms",
			       run->timeout_ms);
		break;
	case PROGRAM_FLOODED:
		(void)snprintf(run->text, sizeof(run->text), "killed, it prints without end");
		break;
	case PROGRAM_NOT_RUN:
		(void)snprintf(run->text, sizeof(run->text), "cannot be run: %s",
			       strerror(ended->code));
		break;
	}
	run_answer(run, code, run->text);
}

static int run_fail_soon(struct run *run)
{
	const struct timeval now = { 0, 0 };

	run->soon = evtimer_new(run->all->base, on_soon, run);
	return run->soon && !event_add(run->soon, &now) ? 0 : -ENOMEM;
}

static int run_start(struct run *run, const struct config_fence *fence, const char *action)
{
	const char *const words[] = { fence->program, NULL };
	char *input = malloc(INPUT_ROOM);
	size_t length = 0;
	int r;

	if (!input)
		return -ENOMEM;
	if (fence_program_input(fence->parameters, action, input, &length, run->text))
		r = run_fail_soon(run);
	else
		r = program_run(run->all->programs, words, input, length, fence->timeout_ms,
				on_ended, run);
	explicit_bzero(input, INPUT_ROOM);
	free(input);
	return r;
}

int fence_program_run(struct fence_programs *all, uint64_t cookie, const struct config_fence *fence,
		      const char *action)
{
	struct run *run;
	int r;

	LIST_FOREACH (run, &all->runs, at)
		if (!strcmp(run->host, fence->host))
			return -EBUSY;
	run = calloc(1, sizeof(*run));
	if (!run)
		return -ENOMEM;
	run->all = all;
	run->cookie = cookie;
	run->timeout_ms = fence->timeout_ms;
	(void)snprintf(run->host, sizeof(run->host), "%s", fence->host);
	LIST_INSERT_HEAD(&all->runs, run, at);
	r = run_start(run, fence, action);
	if (r)
		run_free(run);
	return r;
}

int fence_programs_new(struct event_base *base, fence_program_answered_fn *answered, void *arg,
		       struct fence_programs **out)
{
	struct fence_programs *all = calloc(1, sizeof(*all));
	int r;

	if (!all)
		return -ENOMEM;
	all->base = base;
	all->answered = answered;
	all->arg = arg;
	LIST_INIT(&all->runs);
	r = programs_new(base, FENCE_PROGRAM_AT_ONCE, &all->programs);
	if (r) {
		free(all);
		return r;
	}
	*out = all;
	return 0;
}

void fence_programs_free(struct fence_programs *all)
{
	if (!all)
		return;
	programs_free(all->programs);
	while (!LIST_EMPTY(&all->runs))
		run_free(LIST_FIRST(&all->runs));
	free(all);
}
