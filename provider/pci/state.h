/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What sysfs cannot keep of a binding, its vport and its owner's generation, in a file under /run:
 * gone with the boot, as the bindings are.
 *
 * A text: a first line with the form's version and the kernel's boot id, one line for each
 * function, a last line with a sum over all before. It is replaced as a whole; what does not add
 * up, or is of another boot, counts as not there.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "provider/provider.h"
#include "topology/address.h"

enum {
	PCI_STATE_MAX = PROVIDER_VPORTS_MAX, /* no two functions have one vport */
	PCI_STATE_BYTES = 65536,
	PCI_STATE_BOOT = 64, /* bytes of a boot id with its NUL */
};

struct pci_state_record {
	struct topo_address address;
	uint16_t vendor; /* of the function that was bound: another one there is not it */
	uint16_t device;
	uint16_t vport;      /* 1 .. PROVIDER_VPORTS_MAX */
	uint64_t generation; /* not 0 */
};

struct pci_state {
	char boot_id[PCI_STATE_BOOT];
	size_t count;
	struct pci_state_record records[PCI_STATE_MAX]; /* by address, none twice, no vport twice */
};

/* NULL: none. Borrowed until the next change. */
struct pci_state_record *pci_state_find(struct pci_state *s, const struct topo_address *address);
/* Puts @record in place of an older one of its address. Return: 0, or REFUSE_VPORT_TAKEN. */
MUST_USE int pci_state_put(struct pci_state *s, const struct pci_state_record *record);
void pci_state_drop(struct pci_state *s, const struct topo_address *address);

void pci_state_format(const struct pci_state *s, struct buf *out);
/* @why: 160 bytes, set on refusal: line and reason. Return: 0 or REFUSE_SYNTAX. */
MUST_USE int pci_state_parse(const char *text, size_t length, struct pci_state *out, char *why);

/* Reads it. Return: 0; -ENOENT; another -errno; REFUSE_SYNTAX. */
MUST_USE int pci_state_load(const char *path, struct pci_state *out, char *why);
/* Replaces it by a new file, synced. Return: 0 or -errno. */
MUST_USE int pci_state_save(const char *path, const struct pci_state *s);
