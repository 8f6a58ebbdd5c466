/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The site's programs on the steps of incidents: a folder of them, as run-parts(8) has it.
 *
 * Each step of an incident's time line that is on the disk is given to all programs, one after the
 * other; the steps of one incident come in order, those of several incidents at the same time. A
 * program has a deadline, and is killed with all it started when that passes or when it prints
 * without end. Nothing waits for any of them. Who else than root and our own user may write the
 * folder, or a program in it, has it refused.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/own.h"
#include "common/result.h"

struct event_base;
struct hooks;

enum {
	HOOKS_AT_ONCE = 4,   /* programs */
	HOOKS_WAITING = 256, /* steps; more are not taken */
	HOOKS_FILES = 32,    /* programs in a folder; more are not run */
	HOOKS_TEXT_MAX = 512,
	HOOKS_FOLDER_MAX = 128,
};

/* One step, all borrowed; "" or 0 is told as null where it says nothing. */
struct hooks_step {
	uint64_t incident;
	uint32_t n; /* of the step, from 1 */
	uint64_t wall_ms;
	uint32_t offset_ms; /* since the incident's first step */
	const char *host;
	const char *state; /* of the incident, as it is now */
	const char *cause;
	const char *what;
	const char *detail;
	const char *target;
	uint64_t change;
	bool drill;
};

/* One program has ended, or was refused. @text: for people, one line: "notify on step 4 (fenced):
 * done in 12 ms: mail is sent". */
typedef void hooks_told_fn(void *arg, uint64_t incident, const char *text);

MUST_USE int hooks_new(struct event_base *base, hooks_told_fn *told, void *arg, struct hooks **out);
/* Kills what runs; nobody is told. */
void hooks_free(struct hooks *hooks);
OWNED_BY(struct hooks, hooks_free)

/**
 * hooks_run() - gives a step to every program of a folder
 * @folder: copied
 * @deadline_ms: of each program
 *
 * Return: 0, and each program is told once, never from within this call; -EBUSY: so many steps
 * wait already; -ENOMEM.
 */
MUST_USE int hooks_run(struct hooks *hooks, const char *folder, uint32_t deadline_ms,
		       const struct hooks_step *step);

/* Would anything of @folder be refused? @why: HOOKS_TEXT_MAX bytes, the first reason. */
MUST_USE bool hooks_are_good(const char *folder, char *why);
