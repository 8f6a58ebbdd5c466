/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One connection to one QEMU's QMP socket, on libevent: greeting, capabilities, commands with ids,
 * as many outstanding as there are, events. QEMU answers in the order of the commands, so one clock
 * watches the oldest: when that is overdue, all is.
 *
 * QMP serves one client at a time. A second one is accepted by the kernel and never greeted: that
 * is overdue too. A link that is overdue stays: what was sent may still be carried out, and the
 * answers tell when it was.
 */
#pragma once

#include <event2/event.h>

#include "common/own.h"
#include "provider/qemu/qmp.h"

struct qemu_link;

struct qemu_link_user {
	void (*ready)(void *arg); /* greeted, and commands are taken */
	void (*event)(void *arg, const struct qmp_message *event);
	/* @overdue: the oldest command has had no answer in time; false: it is answered again */
	void (*overdue)(void *arg, bool overdue);
	/* A command that binds @function is answered, and whoever sent it has given up waiting. */
	void (*late)(void *arg, uint32_t function);
	/* The other end has closed, or spoke nonsense. The link is dead: to be freed, here or
	 * later; commands without an answer get none. */
	void (*ended)(void *arg, const char *why);
	void *arg;
};

/* An answer: QMP_RETURN or QMP_ERROR. */
typedef void qemu_answer_fn(void *arg, const struct qmp_message *answer);

/**
 * qemu_link_new() - connects
 * @user: copied; nothing is called from within
 *
 * Return: 0, -ENOMEM, or as connect() fails: -ENOENT, -ECONNREFUSED: nobody listens there; -EAGAIN:
 * somebody listens, and takes nobody.
 */
MUST_USE int qemu_link_new(struct event_base *base, const char *path, unsigned timeout_ms,
			   const struct qemu_link_user *user, struct qemu_link **out);
void qemu_link_free(struct qemu_link *link);
OWNED_BY(struct qemu_link, qemu_link_free)

int qemu_link_fd(const struct qemu_link *link);
bool qemu_link_is_overdue(const struct qemu_link *link);

/* How a command counts until it is answered. */
enum qemu_effect {
	QEMU_READS,   /* changes nothing */
	QEMU_CHANGES, /* changes what is bound, or what stands behind it */
	QEMU_BINDS,   /* may bring the function to the blade */
};

/**
 * qemu_link_send() - queues a command; @fn is told the answer
 * @fn: NULL: nobody asks
 * @function: that it is about; 0: none
 *
 * Return: its id, above 0; 0 when memory ran out, and nothing was sent.
 */
uint64_t qemu_link_send(struct qemu_link *link, const char *command,
			const struct qmp_argument *arguments, enum qemu_effect effect,
			uint32_t function, qemu_answer_fn *fn, void *arg);
uint64_t qemu_link_send_image(struct qemu_link *link, const char *node, const char *file,
			      uint32_t function, qemu_answer_fn *fn, void *arg);

/* Nobody waits under @arg any more; the commands stay sent. */
void qemu_link_forget(struct qemu_link *link, const void *arg);
/* Commands without an answer with that effect or a greater one: on @function; 0: on any. */
size_t qemu_link_open(const struct qemu_link *link, enum qemu_effect effect, uint32_t function);
