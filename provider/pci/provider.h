/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * This machine's own PCI functions as a provider with hands.
 *
 * The machine is the one host. Binding a function hands it to its driver, unbinding takes it from
 * it; where it is, is always read from sysfs, and its vport and generation from a file under /run
 * (state.h). Work that may hang runs in children (child.h), one at a time for each port, while
 * everything else goes on being answered; a settle waits until the last child that may still do
 * something is gone, those of an earlier life of this program too: they hold a lock.
 *
 * The kernel's events are told at once, and followed by a look at the machine; nothing is polled
 * but the AER counters of both ends of the pool's links, slowly.
 */
#pragma once

#include <event2/event.h>

#include "common/buf.h"
#include "provider/pci/hands.h"
#include "provider/pci/table.h"
#include "provider/provider.h"
#include "provider/pci/sysfs.h"

struct pci_provider_options {
	struct event_base *base; /* borrowed */
	struct sysfs sysfs;      /* copied; what it points to is borrowed */
	struct hands_io io;      /* copied */
	const char *bay;
	uint16_t chassis; /* the machine's number, 1 .. */
	const char *state_path;
	struct pci_rules rules; /* what is in the pool */
	const char *driver;     /* for functions of the pool; NULL: the one of their ids */
	int events;             /* the kernel's, a datagram socket; taken over; -1: none */
	uint32_t aer_ms;        /* how often the counters are read; 0: never */
	int (*kill)(int pid);   /* of a late child; NULL: SIGKILL */
	bool saved;             /* the tree is a saved one: nothing is ever written */
};

/**
 * pci_provider_open() - look at the machine, once, and begin
 * @sink: its state is told already in here, where an earlier life is not settled
 * @hello: set
 * @why: PCI_PROVIDER_WHY bytes; set when the result is not 0
 *
 * Return: 0; -errno; >0 a refusal.
 */
enum { PCI_PROVIDER_WHY = 512 };
MUST_USE int pci_provider_open(const struct pci_provider_options *options,
			       const struct provider_sink *sink, struct provider **out,
			       struct provider_hello *hello, char *why);

/* Its own language: "show", "rescan", "remove ADDRESS". As provider_server_user.control wants it;
 * @arg is the provider. */
int pci_provider_control(void *arg, const char *request, size_t length, struct buf *answer);
