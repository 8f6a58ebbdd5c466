/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What Linux lets one do to PCI functions through sysfs, with the kernel's own rules, and its
 * errors as sentences.
 *
 * Nothing here waits by itself, but a write may wait in the kernel for as long as a driver likes,
 * and cannot be interrupted there: whoever must go on answering calls it in a child (child.h).
 *
 * Every change is read back: an answer DONE means that sysfs shows it. REFUSED means that nothing
 * was changed, FAILED that something may have been.
 *
 * Source: Linux 6.12, Documentation/ABI/testing/sysfs-bus-pci and drivers/pci.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/own.h"
#include "provider/provider.h"
#include "topology/address.h"

enum {
	SYSFS_NAME_MAX = 64,   /* bytes of a driver's, slot's or interface's name with its NUL */
	SYSFS_TEXT_MAX = 4096, /* an attribute is one page at most */
	SYSFS_BLAST_MAX = 256, /* functions that one reset may hit */
	SYSFS_ENTRIES_MAX = 65536, /* entries of one folder that are looked at */
};

struct sysfs {
	const char *tree; /* a folder that holds sys and proc; "": this machine */
	/* What a write does; NULL: it goes to the file. For a tree that answers as the kernel does.
	 * Return: 0 or -errno. */
	int (*write)(void *arg, const char *path, const char *text);
	void *arg;
};

struct sysfs_answer {
	enum provider_outcome outcome; /* DONE, REFUSED or FAILED */
	enum provider_why why;
	char text[PROVIDER_TEXT_MAX];
};

/* Sets @a, cut to size. */
void sysfs_answer_set(struct sysfs_answer *a, enum provider_outcome outcome, enum provider_why why,
		      const char *format, ...) __attribute__((format(printf, 4, 5)));

/* ---- what is there ---- */

/* The attribute @path (below the tree) as text without its line end. Return: 0, -EMSGSIZE, or the
 * kernel's -errno. */
MUST_USE int sysfs_read(const struct sysfs *s, const char *path, char *out, size_t size);
/* As a number, decimal or 0x. Return: 0, -EBADMSG, or the kernel's -errno. */
MUST_USE int sysfs_number(const struct sysfs *s, const char *path, uint64_t *out);
/* The last part of what the link @path points to. Return: 0 or -errno. */
MUST_USE int sysfs_link(const struct sysfs *s, const char *path, char out[static SYSFS_NAME_MAX]);
/* "sys/bus/pci/devices/0000:03:00.1/LEAF"; "" for @leaf: the function itself. */
void sysfs_path(const struct topo_address *address, const char *leaf, char out[static PATH_MAX]);
bool sysfs_is_there(const struct sysfs *s, const struct topo_address *address);
/* False: no driver has it. Never waits. */
bool sysfs_driver(const struct sysfs *s, const struct topo_address *address,
		  char out[static SYSFS_NAME_MAX]);
/* VF @vf (1 ..) of @pf. False: it does not exist. */
bool sysfs_vf(const struct sysfs *s, const struct topo_address *pf, unsigned vf,
	      struct topo_address *out);
/* The PF of @vf. False: it is no VF. */
bool sysfs_pf(const struct sysfs *s, const struct topo_address *vf, struct topo_address *out);
/* As the kernel would choose, best first: "flr bus". Empty: it knows none. */
void sysfs_reset_methods(const struct sysfs *s, const struct topo_address *address,
			 char out[static SYSFS_NAME_MAX]);

/* Errors counted since boot, by how bad they are. PCIe Base 5.0 §6.2. */
struct sysfs_aer {
	bool known; /* the function has counters */
	uint64_t correctable;
	uint64_t nonfatal;
	uint64_t fatal;
};

/* The TOTAL_ERR_... line of an aer_dev_... attribute; without one, the sum of the others. Return:
 * 0, or -EBADMSG for a text that is no such list. */
MUST_USE int sysfs_aer_parse(const char *text, size_t length, uint64_t *total);
struct sysfs_aer sysfs_aer(const struct sysfs *s, const struct topo_address *address);

/* ---- what can be done ---- */

/**
 * sysfs_vfs_set() - the number of VFs of a PF
 * @count: 0 .. TotalVFs
 *
 * Probing of VFs by drivers is switched off first, so that new ones belong to nobody; a number is
 * changed through 0, as the kernel wants it. Refused while a VF has a driver, that is, an owner.
 */
void sysfs_vfs_set(const struct sysfs *s, const struct topo_address *pf, unsigned count,
		   struct sysfs_answer *a);

/**
 * sysfs_bind() - hand a function without a driver to one
 * @driver: its name; NULL: the one that its ids belong to
 *
 * A driver that is not loaded is not loaded by this.
 */
void sysfs_bind(const struct sysfs *s, const struct topo_address *address, const char *driver,
		struct sysfs_answer *a);

/* Takes a function from its driver, and lets no other one have it until sysfs_bind(). Waits in the
 * kernel for as long as the driver does. Who uses it is for the caller to look at first. */
void sysfs_unbind(const struct sysfs *s, const struct topo_address *address,
		  struct sysfs_answer *a);

/* What a reset of one function hits, itself included. */
struct sysfs_blast {
	bool bus; /* no reset of the function alone: all of its bus */
	size_t count;
	struct topo_address hit[SYSFS_BLAST_MAX]; /* the first is the one that was asked about */
};

static inline void sysfs_blast_free(struct sysfs_blast *blast)
{
	free(blast);
}
OWNED_BY(struct sysfs_blast, sysfs_blast_free)

/**
 * sysfs_blast() - work out what a reset of @address hits
 *
 * Itself; the VFs of a PF; and where the kernel knows no reset of the function alone, all that
 * stands on its bus, with the VFs of that. Return: 0, -ENOENT, or REFUSE_LIMIT.
 */
MUST_USE int sysfs_blast(const struct sysfs *s, const struct topo_address *address,
			 struct sysfs_blast *out);

/* Refused when it would hit a function beside @address that has a driver (S16). VFs that hang on it
 * come back as they were, without what they had in them. */
void sysfs_reset(const struct sysfs *s, const struct topo_address *address, struct sysfs_answer *a);

/* The hot-plug slot that leads to @bus of @domain. False: none. */
bool sysfs_slot(const struct sysfs *s, uint32_t domain, uint8_t bus,
		char out[static SYSFS_NAME_MAX]);
/* Power off takes all below out of the kernel's tree first. */
void sysfs_slot_power(const struct sysfs *s, const char *slot, bool on, struct sysfs_answer *a);
/* @how: 0 off, 1 on, 2 blink. */
void sysfs_slot_attention(const struct sysfs *s, const char *slot, unsigned how,
			  struct sysfs_answer *a);

/* Takes the function out of the kernel's tree, its driver first. */
void sysfs_remove(const struct sysfs *s, const struct topo_address *address,
		  struct sysfs_answer *a);
/* The kernel looks at all buses again. */
void sysfs_rescan(const struct sysfs *s, struct sysfs_answer *a);
