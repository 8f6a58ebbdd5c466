/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chassis of fabric-provider-qemu: blades that are QEMU processes, and the pool of adapters
 * that can be bound to any of them. A plain value; docs/chassis-file.md says what stands in the
 * file. Hosts and adapters are numbered from 1 in the order of the file: these are their handles,
 * and an adapter's one function has the adapter's.
 */
#pragma once

#include "common/object.h"
#include "common/own.h"
#include "provider/provider.h"
#include "provider/qemu/device.h"

enum {
	QEMU_HOSTS_MAX = 64,
	QEMU_ADAPTERS_MAX = 1024,
	QEMU_ID_MAX = 64,    /* bytes of an id that QEMU knows something by */
	QEMU_PATH_MAX = 108, /* bytes of a socket's path, as the kernel has it */
	QEMU_FILE_MAX = 4096,
	QEMU_CHASSIS_FILE_MAX = 8 << 20,
	QEMU_WORDS_MAX = 15, /* of a program and its arguments */
};

struct qemu_host {
	char bay[PROVIDER_NAME_MAX];
	char qmp[QEMU_PATH_MAX];      /* path of the QMP socket, from where we stand */
	char told_qmp[QEMU_PATH_MAX]; /* as the file says it */
	char (*ports)[QEMU_ID_MAX];   /* QEMU's ids of the downstream ports; vport n at n - 1 */
	uint16_t vports;
	uint16_t first_slot; /* 0: not told */
	bool can_kill;       /* "power_off": "kill" */
	char **power_on; /* the program that turns it on, and its arguments; NULL: nobody does */
	size_t power_on_count;
	uint16_t switch_handle;
	uint16_t port;
};

struct qemu_adapter {
	const struct qemu_device *device;
	char label[PROVIDER_NAME_MAX];
	char serial[PROVIDER_NAME_MAX];
	uint64_t mac;             /* as it left the factory */
	char key[16];             /* stands in the ids of its bindings; made from the evidence */
	char file[QEMU_FILE_MAX]; /* absolute, or from where we stand; empty: none */
	const struct qemu_netdev *net; /* NULL: none */
	char net_option[16];           /* the key, and ... */
	char net_value[256];           /* ... what it says */
	bool is_open;                  /* "restrict": false */
	uint16_t switch_handle;
	uint16_t port;
};

struct qemu_chassis {
	char name[PROVIDER_NAME_MAX];
	uint16_t number;
	uint32_t timeout_ms; /* after which a QEMU that does not answer is hung */
	char (*switches)[PROVIDER_NAME_MAX];
	struct qemu_host *hosts;
	struct qemu_adapter *adapters;
	size_t switch_count;
	size_t host_count;
	size_t adapter_count;
};

void qemu_chassis_free(struct qemu_chassis *chassis);
OWNED_BY(struct qemu_chassis, qemu_chassis_free)

/**
 * qemu_chassis_parse() - a chassis from the text of a file
 * @folder: where the file lies; paths in it are relative to that
 * @error: OBJECT_ERROR_MAX bytes, set unless 0 is returned
 *
 * Return: 0, -ENOMEM, REFUSE_SYNTAX, REFUSE_FIELD or REFUSE_TOO_LARGE.
 */
MUST_USE int qemu_chassis_parse(const char *text, size_t length, const char *name,
				const char *folder, struct qemu_chassis **out, char *error);
/* The same from a file; -errno when it cannot be read. */
MUST_USE int qemu_chassis_read(const char *path, struct qemu_chassis **out, char *error);
