/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs programs beside the event loop: text on their standard input, a little of what they print, a
 * deadline for each.
 *
 * A program leads a process group of its own, with no other descriptors than its three, a bare
 * environment, and the usual signals. When it ends, or when its deadline passes, or when it prints
 * without end, the whole group is killed: what it left behind does not stay. It is reaped through a
 * pidfd, so there is never a zombie, nor a signal to a process that is not its own. If this process
 * is killed itself, they go with it (leash.h).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/own.h"
#include "common/result.h"

struct event_base;
struct programs;

enum {
	PROGRAM_INPUT_MAX = 65536,     /* bytes of text that it is given */
	PROGRAM_OUTPUT_MAX = 2048,     /* bytes that are kept, the first ones */
	PROGRAM_FLOOD_BYTES = 1 << 20, /* it is killed once it has printed more than that */
	PROGRAM_WORDS_MAX = 16,        /* likewise of its environment */
};

enum program_end {
	PROGRAM_EXITED,    /* code: its exit status */
	PROGRAM_SIGNALLED, /* code: the signal */
	PROGRAM_OVERDUE,   /* killed at its deadline */
	PROGRAM_FLOODED,   /* killed for printing too much */
	PROGRAM_NOT_RUN,   /* code: errno; it could not be started */
};

struct program_ended {
	enum program_end end;
	int code;
	const char *output; /* standard output and error, as printed; borrowed for the call */
	size_t length;
	const char *last; /* the last line of it that says anything, plain text; borrowed too */
	uint32_t took_ms;
};
typedef void program_ended_fn(void *arg, const struct program_ended *ended);

/* @at_once: so many run at a time, the others wait for their turn. */
MUST_USE int programs_new(struct event_base *base, unsigned at_once, struct programs **out);
/* Kills what runs; nobody is told. */
void programs_free(struct programs *programs);
OWNED_BY(struct programs, programs_free)

/**
 * program_run() - runs one, now or when it is its turn
 * @words: its absolute path and arguments, NULL after the last; copied
 * @input: what it reads; copied, and wiped after it was handed over
 * @timeout_ms: from when it is started
 * @ended: called once, from the event loop, never from within this call
 *
 * Return: 0; -EINVAL for too many words, or too much input; -ENOMEM.
 */
MUST_USE int program_run(struct programs *programs, const char *const *words, const char *input,
			 size_t length, uint32_t timeout_ms, program_ended_fn *ended, void *arg);
/* With @environment, "NAME=VALUE" each, NULL after the last, beside the bare one; copied. */
MUST_USE int program_run_in(struct programs *programs, const char *const *words,
			    const char *const *environment, const char *input, size_t length,
			    uint32_t timeout_ms, program_ended_fn *ended, void *arg);
