/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One piece of work on this machine's PCI functions, start to end: what it must be refused for is
 * looked at, the work is done, read back, and what a kind of device needs beside it follows (a
 * table by class code). It may wait in the kernel for as long as a driver likes: it runs in a child
 * (child.h), and only values go in and out.
 */
#pragma once

#include "common/buf.h"
#include "provider/pci/nvme_virt.h"
#include "provider/pci/sysfs.h"

enum hands_verb {
	HANDS_BIND,
	HANDS_UNBIND,
	HANDS_RESET,
	HANDS_NUM_VFS,
	HANDS_IDENTITY,
	HANDS_SLOT_POWER,
	HANDS_SLOT_ATTENTION,
	HANDS_REMOVE,
	HANDS_RESCAN,
	HANDS_VERBS,
};

struct hands_task {
	enum hands_verb verb;
	struct topo_address address; /* the function; of a slot: domain and bus that it leads to */
	uint8_t last_bus;            /* of a slot: the last bus below it */
	bool is_vf;
	struct topo_address pf; /* of a VF */
	uint16_t vf;            /* 1 .. */
	uint32_t class_code;
	char driver[SYSFS_NAME_MAX]; /* to bind to; empty: the one of its ids */
	bool is_surprise;            /* unbind: although it is in use */
	uint32_t value;
	struct identity identity;
	uint64_t deadline_ms;
};

/* How devices are reached beside sysfs; for tests. NULL members: this machine's own. */
struct hands_io {
	int (*nvme)(void *arg, struct nvme_command *command); /* @arg: controller, "nvme0" */
};

void hands_run(const struct sysfs *s, const struct hands_io *io, const struct hands_task *task,
	       struct sysfs_answer *a);

/* The identity that the PF's driver keeps for a VF. Return: 0; REFUSE_NO_VF when it keeps none;
 * -errno. */
MUST_USE int hands_identity(const struct sysfs *s, const struct topo_address *pf, uint16_t vf,
			    struct identity *out);

/* An answer's way through a pipe. */
void hands_answer_put(struct buf *out, const struct sysfs_answer *a);
MUST_USE int hands_answer_parse(const uint8_t *bytes, size_t length, struct sysfs_answer *out);

const char *hands_verb_text(enum hands_verb verb); /* "slot-power" */
