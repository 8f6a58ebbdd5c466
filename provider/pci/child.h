/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Work that may hang, in a process of its own.
 *
 * A child is forked, does its work and writes its result into a pipe. At its deadline it is killed.
 * A process that waits in the kernel (state D) does not die of it: what it was told to do may still
 * happen, until it is gone. So the end of a late child is told apart, by its process file
 * descriptor, and whoever wants to know that nothing can happen any more waits for that.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/own.h"

struct child;

enum child_news {
	CHILD_FINISHED, /* it ended by itself; its output is whole. Free it. */
	CHILD_DIED,     /* it ended without a result, or wrote too much. Free it. */
	CHILD_LATE,     /* its deadline passed; it was killed, and is not gone yet */
	CHILD_GONE,     /* after CHILD_LATE: it is. Free it. */
};

struct child_work {
	const char *name; /* for the log: "unbind 0000:03:00.1"; copied */
	/* Runs in the child, which ends when it returns. What it appends is the result. No
	 * allocation of the parent's is freed there. */
	void (*run)(void *arg, struct buf *out);
	void (*news)(void *arg, struct child *child, enum child_news news);
	void *arg;
	size_t most;          /* bytes of a result */
	uint64_t deadline_ms; /* boot-time clock */
	/* Stays open in the child, which has no other descriptor of the parent's: a lock that says
	 * that the child lives, though the parent may be gone. -1: none */
	int held_fd;
	/* How it is killed; NULL: by SIGKILL. For tests of one that cannot be. */
	int (*kill)(int pid);
};

/* Return: 0 or -errno. */
MUST_USE int child_new(struct event_base *base, const struct child_work *work, struct child **out);

/* Kills what still runs, and does not wait for it. */
void child_free(struct child *child);
OWNED_BY(struct child, child_free)

/* The result; valid at CHILD_FINISHED. */
const struct buf *child_output(const struct child *child);
int child_pid(const struct child *child);
