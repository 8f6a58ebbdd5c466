/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processes that do what may hang, so that the agent never does: the site's hooks, and writing to
 * sysfs. Each has a process group of its own, which is killed at its deadline; a child that the
 * kernel does not let die is waited for by nobody, and collected when it ends after all.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/last_line.h"
#include "common/result.h"

enum { CHILD_LINE_MAX = LAST_LINE_MAX };

struct event_base;
struct child;

struct children {
	struct event_base *base;
	struct child *first;
};

struct child_result {
	int status; /* exit code, or 128 + number of the signal */
	bool timed_out;
	char last[CHILD_LINE_MAX]; /* last line that it printed, to either output; "" none */
};

typedef void child_done_fn(void *arg, const struct child_result *result);

struct child_order {
	const char *const *argv;     /* the program by its path, NULL at the end; or NULL, and: */
	int (*run)(const void *arg); /* called in the child, which ends with what it returns */
	const void *run_arg;
	const char *const
		*env; /* "NAME=VALUE" beside what the agent has; NULL at the end, or NULL */
	uint32_t deadline_ms;
};

void children_init(struct children *c, struct event_base *base);
/* Kills what runs; nobody is told. */
void children_done(struct children *c);

/* @fn is called once, later, unless children_forget() comes first. Return: 0 or -errno. */
MUST_USE int children_start(struct children *c, const struct child_order *order, child_done_fn *fn,
			    void *arg);
/* Kills what was started with this @arg; nobody is told. */
void children_forget(struct children *c, const void *arg);
