/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs of the fence-agents package: parameters as KEY=VALUE lines on standard input, action=off
 * or action=status last. "off" ends with 0 when it believes to have done it; "status" with 0 for
 * on, 2 for off, anything else when it cannot tell.
 * Source: fence-agents 4.12, doc/FenceAgentAPI.md; fence_dummy.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/own.h"
#include "common/result.h"
#include "fabricd/config.h"

struct event_base;
struct fence_programs;

enum {
	FENCE_PROGRAM_AT_ONCE = 4,
	FENCE_PROGRAM_FILE_MAX = 16384, /* bytes of a parameters file */
	FENCE_PROGRAM_TEXT_MAX = 160,   /* bytes of a reason, NUL included */
};

/* @code: exit status, or negative when it did not run to its end; @text: for people, one line. */
typedef void fence_program_answered_fn(void *arg, uint64_t cookie, int code, const char *text);

MUST_USE int fence_programs_new(struct event_base *base, fence_program_answered_fn *answered,
				void *arg, struct fence_programs **out);
/* Kills what runs; nobody is told. */
void fence_programs_free(struct fence_programs *programs);
OWNED_BY(struct fence_programs, fence_programs_free)

/**
 * fence_program_run() - runs @fence's program, one for each host at a time
 * @fence: copied
 * @action: "off" or "status"; borrowed for the call
 *
 * What is wrong with the parameters file or the program is told as the answer.
 * Return: 0, and it is answered once, never from within this call; -EBUSY; -ENOMEM.
 */
MUST_USE int fence_program_run(struct fence_programs *programs, uint64_t cookie,
			       const struct config_fence *fence, const char *action);

/* Is every line empty, a comment, or KEY=VALUE with no action? @name: of the text, for @why.
 * Return: 0 or REFUSE_FIELD. */
MUST_USE int fence_program_check(const char *name, const char *text, size_t length, char *why);

/**
 * fence_program_input() - what a program is given to read
 * @path: parameters file; "": none
 * @out: room for FENCE_PROGRAM_FILE_MAX + 64 bytes; holds passwords
 * @why: FENCE_PROGRAM_TEXT_MAX bytes; set on failure
 *
 * Return: 0; -errno; REFUSE_FIELD: not a plain file, open to everybody, too large, or a line that
 * is neither empty, a comment, nor KEY=VALUE, or that names an action.
 */
MUST_USE int fence_program_input(const char *path, const char *action, char *out, size_t *length,
				 char *why);
