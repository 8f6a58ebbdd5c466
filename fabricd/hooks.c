/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fabricd/hooks.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/buf.h"
#include "common/hook_folder.h"
#include "common/json.h"
#include "common/program.h"

enum {
	OVERDUE_MAX = 2,   /* times in one incident; then it is left out */
	OVERDUE_KEPT = 64, /* of them; the oldest is forgotten */
};
enum { VARIABLES = 10, VARIABLE_MAX = HOOKS_TEXT_MAX + 32 };
_Static_assert((int)VARIABLES <= (int)PROGRAM_WORDS_MAX, "room for all variables");

/* One step on its way through the folder. */
struct run {
	TAILQ_ENTRY(run) at;
	struct hooks *all;
	bool is_running;
	uint64_t incident;
	uint32_t deadline_ms;
	char folder[HOOKS_FOLDER_MAX];
	char what[64];
	char step[96]; /* "4 (unbind)" */
	char host[64];
	char number[24]; /* of the incident */
	struct hook_names names;
	size_t next;
	struct buf input;
	char environment[VARIABLES][VARIABLE_MAX];
};

/* A program that was killed at its deadline. */
struct overdue {
	uint64_t incident; /* 0: none */
	char name[HOOK_NAME_MAX];
	unsigned times;
};

struct hooks {
	struct programs *programs;
	struct event *turn; /* begins what waits */
	hooks_told_fn *told;
	void *arg;
	TAILQ_HEAD(, run) runs; /* in the order in which they came */
	unsigned count;
	unsigned running;
	struct overdue overdue[OVERDUE_KEPT]; /* a ring */
	unsigned overdue_next;
};

static void run_free(struct run *run)
{
	TAILQ_REMOVE(&run->all->runs, run, at);
	run->all->count--;
	run->all->running -= run->is_running;
	hook_names_done(&run->names);
	buf_done(&run->input);
	free(run);
}

static void turn_soon(struct hooks *all)
{
	const struct timeval now = { 0, 0 };

	/* No memory: the next step tries again. */
	(void)event_add(all->turn, &now);
}

__attribute__((format(printf, 2, 3))) static void run_tell(const struct run *run,
							   const char *format, ...)
{
	char text[HOOKS_TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args); /* cut when longer */
	va_end(args);
	run->all->told(run->all->arg, run->incident, text);
}

/* Every later hook of its incident has waited for it, and would with each step. */
static struct overdue *overdue_find(struct hooks *all, uint64_t incident, const char *name)
{
	for (size_t i = 0; i < OVERDUE_KEPT; i++)
		if (all->overdue[i].incident == incident && !strcmp(all->overdue[i].name, name))
			return &all->overdue[i];
	return NULL;
}

static bool is_left_out(const struct run *run, const char *name)
{
	const struct overdue *known = overdue_find(run->all, run->incident, name);

	return known && known->times >= OVERDUE_MAX;
}

static void overdue_note(const struct run *run, const char *name)
{
	struct hooks *all = run->all;
	struct overdue *known = overdue_find(all, run->incident, name);

	if (!known) {
		known = &all->overdue[all->overdue_next++ % OVERDUE_KEPT];
		*known = (struct overdue){ .incident = run->incident };
		(void)snprintf(known->name, sizeof(known->name), "%s", name);
	}
	if (++known->times == OVERDUE_MAX)
		run_tell(run,
			 "%s was killed at its deadline %d times: it is not run any more in "
			 "this incident",
			 name, OVERDUE_MAX);
}

static void run_next(struct run *run);

static void on_ended(void *arg, const struct program_ended *ended)
{
	struct run *run = arg;
	const char *name = run->names.names[run->next - 1];
	const char *colon = ended->last[0] ? ": " : "";

	switch (ended->end) {
	case PROGRAM_EXITED:
		if (ended->code)
			run_tell(run, "%s on step %s: exit status %d%s%s", name, run->step,
				 ended->code, colon, ended->last);
		else
			run_tell(run, "%s on step %s: done in %" PRIu32 " ms%s%s", name, run->step,
				 ended->took_ms, colon, ended->last);
		break;
	case PROGRAM_SIGNALLED:
		run_tell(run, "%s on step %s: ended by signal %d%s%s", name, run->step, ended->code,
			 colon, ended->last);
		break;
	case PROGRAM_OVERDUE:
		run_tell(run, "%s on step %s: killed, no end after %" PRIu32 " ms%s%s", name,
			 run->step, run->deadline_ms, colon, ended->last);
		overdue_note(run, name);
		break;
	case PROGRAM_FLOODED:
		run_tell(run, "%s on step %s: killed, it prints without end", name, run->step);
		break;
	case PROGRAM_NOT_RUN:
		run_tell(run, "%s is not run: %s", name, strerror(ended->code));
		break;
	}
	run_next(run);
}

/* False: it was refused, or is none, and the next one may be tried. */
static bool program_begin(struct run *run, const char *name)
{
	const char *environment[VARIABLES + 1] = { 0 };
	char path[PATH_MAX];
	const char *const words[] = { path, run->what, run->host, run->number, NULL };
	char why[HOOK_WHY_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", run->folder, name);
	if (!hook_is_program(path) || is_left_out(run, name))
		return false;
	if (!hook_is_trusted(path, why)) {
		run_tell(run, "%s is not run: it %s", name, why);
		return false;
	}
	for (size_t i = 0; i < VARIABLES; i++)
		environment[i] = run->environment[i];
	if (!program_run_in(run->all->programs, words, environment, (const char *)run->input.data,
			    run->input.length, run->deadline_ms, on_ended, run))
		return true;
	run_tell(run, "%s is not run: no memory", name);
	return false;
}

static void run_next(struct run *run)
{
	struct hooks *all = run->all;

	while (run->next < run->names.count)
		if (program_begin(run, run->names.names[run->next++]))
			return;
	run_free(run);
	turn_soon(all);
}

static void run_begin(struct run *run)
{
	char why[HOOK_WHY_MAX];
	int r = 0;

	run->is_running = true;
	run->all->running++;
	if (!hook_is_trusted(run->folder, why)) {
		run_tell(run, "%s is not used: it %s", run->folder, why);
	} else {
		r = hook_names_read(run->folder, &run->names);
		if (r)
			run_tell(run, "%s is not used: %s", run->folder, strerror(-r));
	}
	if (run->names.count > HOOKS_FILES) {
		run_tell(run, "%s: more than %d programs; the others are not run", run->folder,
			 HOOKS_FILES);
		run->names.count = HOOKS_FILES;
	}
	run_next(run);
}

/* The first that waits, and whose incident has no step under way. */
static struct run *run_ready(struct hooks *all)
{
	struct run *run;
	const struct run *before;

	TAILQ_FOREACH (run, &all->runs, at) {
		if (run->is_running)
			continue;
		TAILQ_FOREACH (before, &all->runs, at)
			if (before == run || before->incident == run->incident)
				break;
		if (before == run)
			return run;
	}
	return NULL;
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct hooks *all = arg;

	(void)fd;
	(void)what;
	while (all->running < HOOKS_AT_ONCE) {
		struct run *run = run_ready(all);

		if (!run)
			return;
		run_begin(run);
	}
}

/* ---- a step ---- */

static const char *known(const char *text)
{
	return text && *text ? text : NULL;
}

static void input_make(struct buf *out, const struct hooks_step *step)
{
	json_open(out, '{');
	json_member_text(out, "event", "incident.step");
	json_member_number(out, "incident", step->incident);
	json_member_number(out, "step", step->n);
	json_member_time(out, "time", step->wall_ms);
	json_member_number(out, "offset_ms", step->offset_ms);
	json_member_text(out, "host", step->host);
	json_member_text(out, "what", step->what);
	json_member_text(out, "detail", known(step->detail));
	json_member_text(out, "state", step->state);
	json_member_text(out, "cause", step->cause);
	json_member_text(out, "target", known(step->target));
	json_key(out, "change");
	if (step->change)
		json_number(out, step->change);
	else
		json_null(out);
	json_member_bool(out, "drill", step->drill);
	json_close(out, '}');
	buf_text(out, "\n");
}

static void environment_make(struct run *run, const struct hooks_step *step)
{
	char n[24];
	const struct {
		const char *name;
		const char *value;
	} variables[VARIABLES] = {
		{ "EVENT", "incident.step" },
		{ "INCIDENT", run->number },
		{ "STEP", n },
		{ "HOST", step->host },
		{ "WHAT", step->what },
		{ "DETAIL", step->detail },
		{ "STATE", step->state },
		{ "CAUSE", step->cause },
		{ "TARGET", step->target },
		{ "DRILL", step->drill ? "1" : "" },
	};

	(void)snprintf(n, sizeof(n), "%" PRIu32, step->n);
	for (size_t i = 0; i < VARIABLES; i++)
		(void)snprintf(run->environment[i], VARIABLE_MAX, "FABRIC_%s=%s", variables[i].name,
			       variables[i].value ? variables[i].value : "");
}

int hooks_run(struct hooks *all, const char *folder, uint32_t deadline_ms,
	      const struct hooks_step *step)
{
	struct run *run;

	if (all->count >= HOOKS_WAITING)
		return -EBUSY;
	run = calloc(1, sizeof(*run));
	if (!run)
		return -ENOMEM;
	run->all = all;
	run->incident = step->incident;
	run->deadline_ms = deadline_ms;
	(void)snprintf(run->folder, sizeof(run->folder), "%s", folder);
	(void)snprintf(run->what, sizeof(run->what), "%s", step->what);
	(void)snprintf(run->step, sizeof(run->step), "%" PRIu32 " (%.64s)", step->n, step->what);
	(void)snprintf(run->host, sizeof(run->host), "%s", step->host);
	(void)snprintf(run->number, sizeof(run->number), "%" PRIu64, step->incident);
	environment_make(run, step);
	input_make(&run->input, step);
	TAILQ_INSERT_TAIL(&all->runs, run, at);
	all->count++;
	if (run->input.failed) {
		run_free(run);
		return -ENOMEM;
	}
	turn_soon(all);
	return 0;
}

/* ---- all ---- */

int hooks_new(struct event_base *base, hooks_told_fn *told, void *arg, struct hooks **out)
{
	struct hooks *all = calloc(1, sizeof(*all));
	int r;

	if (!all)
		return -ENOMEM;
	TAILQ_INIT(&all->runs);
	all->told = told;
	all->arg = arg;
	all->turn = evtimer_new(base, on_turn, all);
	r = all->turn ? programs_new(base, HOOKS_AT_ONCE, &all->programs) : -ENOMEM;
	if (r) {
		hooks_free(all);
		return r;
	}
	*out = all;
	return 0;
}

void hooks_free(struct hooks *all)
{
	if (!all)
		return;
	programs_free(all->programs);
	while (!TAILQ_EMPTY(&all->runs))
		run_free(TAILQ_FIRST(&all->runs));
	if (all->turn)
		event_free(all->turn);
	free(all);
}

static bool path_is_good(const char *path, char *why)
{
	char reason[HOOK_WHY_MAX];
	bool is_good = hook_is_trusted(path, reason);

	if (!is_good)
		(void)snprintf(why, HOOKS_TEXT_MAX, "%.200s %s", path, reason);
	return is_good;
}

bool hooks_are_good(const char *folder, char *why)
{
	OWNED(hook_names_done) struct hook_names names = { 0 };
	bool is_good = path_is_good(folder, why);
	int r = is_good ? hook_names_read(folder, &names) : 0;

	if (r)
		(void)snprintf(why, HOOKS_TEXT_MAX, "%.200s: %s", folder, strerror(-r));
	for (size_t i = 0; i < names.count && is_good; i++) {
		char path[PATH_MAX];

		(void)snprintf(path, sizeof(path), "%s/%s", folder, names.names[i]);
		is_good = !hook_is_program(path) || path_is_good(path, why);
	}
	return is_good && !r;
}
