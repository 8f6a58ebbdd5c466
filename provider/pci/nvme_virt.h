/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NVMe virtualization management: what makes the VF of an NVMe controller a controller of its own.
 *
 * A VF's secondary controller is offline, and no driver can start it, until its primary controller
 * gives it queues and interrupts and brings it online (admin command 1Ch).
 * Source: NVMe Base 1.4, §5.22 (Virtualization Management), §5.15.2.8 and §5.15.2.9 (Identify, CNS
 * 14h and 15h), §8.5 (Virtualization Enhancements).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/result.h"

enum {
	NVME_IDENTIFY_BYTES = 4096,
	NVME_SECONDARIES_MAX = 127, /* in one list */
};

/* What the primary controller has to share. A flexible resource can be given to a secondary. */
struct nvme_resource {
	bool flexible;  /* there are flexible ones at all */
	uint32_t total; /* flexible ones */
	uint16_t own;   /* of these, the primary's */
	uint16_t most;  /* that one secondary takes */
	uint16_t grain; /* they are given in multiples of this; 0 and 1: singly */
};

struct nvme_primary {
	uint16_t id;
	struct nvme_resource queues;
	struct nvme_resource interrupts;
};

struct nvme_secondary {
	uint16_t id; /* controller id */
	uint16_t primary;
	uint16_t vf; /* 1 .. */
	uint16_t queues;
	uint16_t interrupts;
	bool online;
};

/* Return: 0, or -EBADMSG when @length is not that of an Identify structure. */
MUST_USE int nvme_primary_parse(const uint8_t *bytes, size_t length, struct nvme_primary *out);

/* @out: NVME_SECONDARIES_MAX of them; @count is set. Return: 0, or -EBADMSG: another length, or
 * more entries than a list has. */
MUST_USE int nvme_secondaries_parse(const uint8_t *bytes, size_t length, struct nvme_secondary *out,
				    size_t *count);

/* How many each of @vfs secondaries gets; 0: there is not one grain for each. */
uint16_t nvme_share(const struct nvme_resource *resource, unsigned vfs);

struct nvme_command {
	uint8_t opcode;
	uint32_t cdw10;
	uint32_t cdw11;
	void *data; /* @length bytes from the controller; NULL: none */
	uint32_t length;
};

/* How an admin command reaches the primary controller; it may wait for as long as the controller
 * likes. Return: 0; <0 -errno; >0 the command's status, phase tag left out. */
struct nvme_admin {
	int (*run)(void *arg, struct nvme_command *command);
	void *arg;
};

/**
 * nvme_vfs_ready() - bring the secondary controllers of VFs online
 * @vf:  which, 1 ..; 0: all up to @vfs
 * @vfs: VFs that are enabled; what there is to share is shared among these
 * @why: 160 bytes; set when the result is not 0: what failed, at which controller
 *
 * One that is online already stays as it is. Return: 0; -errno; -EPROTO when the controller
 * refused; REFUSE_NO_VF when it knows no secondary controller for a VF.
 */
MUST_USE int nvme_vfs_ready(const struct nvme_admin *admin, unsigned vf, unsigned vfs, char *why);

/* An admin command through /dev/NAME of this machine; @arg points to the name. */
int nvme_device_run(void *arg, struct nvme_command *command);
