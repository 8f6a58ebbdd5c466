/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the machine's provider share; only they include it.
 *
 *   provider.c  the provider's table of functions; opening and closing
 *   where.c     where a function is, and telling it
 *   look.c      a look at the machine: a child reads, the table is brought up to date
 *   queue.c     operations become tasks, each when its port is free
 *   work.c      the children that do tasks, or read what a driver keeps
 *   watch.c     the kernel's events, and error counters
 *   control.c   what people ask
 */
#pragma once

#include <stdarg.h>
#include <sys/queue.h>

#include "common/cursor.h"
#include "provider/pci/child.h"
#include "provider/pci/provider.h"
#include "provider/pci/state.h"

enum {
	PCI_QUEUE_MAX = 1024,
	PCI_CHILDREN_MAX = 8,
	PCI_TIMEOUT_MS = 20000,
};

/* Which work may not run side by side: that of one port. */
#define KEY_ALL 0u

struct machine;

enum work_kind { WORK_TASK, WORK_READ };

/* One child, and what it is for. */
struct work {
	LIST_ENTRY(work) at;
	struct machine *m;
	struct child *child;
	enum work_kind kind;
	uint32_t key;
	bool has_op; /* else it was asked for by control */
	bool is_answered;
	struct provider_op op;
	struct hands_task task;
};

struct machine {
	struct provider provider; /* first */
	struct provider_sink sink;
	struct provider_hello hello;
	struct event_base *base;
	struct sysfs sysfs;
	struct hands_io io;
	char *tree;
	char *state_path;
	char *driver;
	int (*kill)(int pid);
	bool is_saved;
	struct pci_table table;
	struct pci_state state;
	char start_id[32];
	int lock_fd;
	bool is_locked;
	uint64_t lock_next_ms;
	struct provider_op queue[PCI_QUEUE_MAX]; /* in order; waiting */
	size_t queue_count;
	LIST_HEAD(, work) works;
	size_t work_count;
	struct child *look; /* one at a time */
	bool look_is_late;  /* it was given up, and is not gone */
	bool look_for_scan; /* the manager waits for this one */
	bool look_again;
	bool scan_again;
	int events;
	struct event *on_event;
	struct event *on_aer;
	uint32_t aer_ms;
	struct sysfs_aer *aer; /* by card: 2 each, its own end and the port's */
	size_t aer_count;
};

/* ---- where.c     ---- */

void pci_boot_id_make(struct machine *m);
/* False: it does not exist now. */
bool pci_address_now(const struct machine *m, const struct pci_function *f,
		     struct topo_address *out);
/* All but the identity; @arg is the machine. Never waits. */
void pci_binding_now(void *arg, struct pci_function *f, struct provider_binding *out);
/* Of a PF; @arg is the machine. */
uint16_t pci_num_vfs_now(void *arg, const struct pci_function *f);
/* Which work may not run side by side: that of one port. */
uint32_t pci_key_of(const struct pci_card *card);
/* Logs what is wrong. Return: 0 or -errno. */
int pci_state_keep(struct machine *m);
/* A record whose function nobody has, and that no work is about to bind, says nothing any more. */
void pci_records_sweep(struct machine *m);

void pci_tell(struct machine *m, const struct provider_event *event);
void pci_tell_changed(struct machine *m, enum provider_event_kind kind);
void pci_tell_function(struct machine *m, uint32_t handle, bool present);
void pci_tell_slot(struct machine *m, const struct provider_port *p);
void pci_complete(struct machine *m, const struct provider_op *op, const struct sysfs_answer *a);
/* Completes @op so, with a text. */
void pci_answer(struct machine *m, const struct provider_op *op, enum provider_outcome outcome,
		enum provider_why why, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* ---- look.c     ---- */

/* Reads all of the machine; in a child, but for the first time. @arg is the machine. */
void pci_look_run(void *arg, struct buf *out);
/* Takes that in, and tells what is otherwise than before. @why: PROVIDER_TEXT_MAX bytes. Return: 0;
 * -errno; >0 a refusal. */
int pci_table_refresh(struct machine *m, const struct buf *looked, char *why);
/* A look that begins from now on. @for_scan: the manager gets its scan. */
void pci_look_start(struct machine *m, bool for_scan);

/* Has the function an identity that its PF's driver keeps, and may let one wait for? */
bool pci_needs_child(const struct machine *m, const struct pci_function *f);
/* In a child: the identities of @count functions from handle @first on that have one. */
void pci_identities_put(const struct machine *m, uint32_t first, uint32_t count, struct buf *out);
/* Hands each that was put to @fn. */
void pci_identities_each(struct cursor *c,
			 void (*fn)(void *arg, uint32_t handle, const struct identity *id),
			 void *arg);

/* ---- queue.c     ---- */

/* Answered, begun, or given up for its deadline: each that can be. */
void pci_queue_advance(struct machine *m);
void pci_queue_remove(struct machine *m, size_t at);
/* It needs no hands. */
bool pci_is_answered_now(const struct provider_op *op);

/* ---- work.c     ---- */

bool pci_is_key_busy(const struct machine *m, uint32_t key);
/* Starts it; @op NULL: asked for by control. Return: 0 or -errno. */
int pci_work_start(struct machine *m, const struct hands_task *task, uint32_t key,
		   const struct provider_op *op);
void pci_work_free(struct work *w);
/* PROVIDER_READ and PROVIDER_READ_HOST. */
void pci_read(struct machine *m, const struct provider_op *op);

/* ---- watch.c    : event callbacks, @arg is the machine ---- */

void pci_events_come(evutil_socket_t fd, short what, void *arg);
void pci_aer_come(evutil_socket_t fd, short what, void *arg);
