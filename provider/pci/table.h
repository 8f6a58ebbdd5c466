/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cards of this machine, with handles that stay while cards come and go. Pure.
 *
 * Each look at the machine is a graph. A card that was seen before, same place, same ids, same
 * serial, keeps its handles; one that is gone keeps them too, and does not answer; a new one gets
 * new ones behind. A PF has a function for each VF that it may ever have. Where that cannot be
 * kept up (another card in a gone one's place, switches that come or go), all handles are given
 * anew, and the epoch rises: the provider's boot id changes with it.
 *
 * Cards are named by rules to be in the pool. All others are told and never touched: their keeper
 * is the machine, what of them has a driver is not told as bound, and their slots are not told.
 */
#pragma once

#include "provider/machine.h"
#include "provider/provider.h"
#include "topology/address.h"
#include "topology/graph.h"

enum {
	PCI_TABLE_RULES = 256,
	PCI_TABLE_HOST = 1, /* the machine's handle */
	PCI_TABLE_VPORTS = PROVIDER_VPORTS_MAX,
	PCI_TABLE_HOST_PORT = 0xffff, /* of "rc", where it is */
};

/* What is in the pool: the card at an address, or what is in a hot-plug slot. */
struct pci_rule {
	bool is_slot;
	uint16_t slot;               /* physical slot number */
	struct topo_address address; /* its function number does not count */
};

struct pci_rules {
	size_t count;
	struct pci_rule rules[PCI_TABLE_RULES];
};

/* "0000:03:00.0", "03:00.0" or "slot:17". Return: 0, REFUSE_FIELD, or REFUSE_LIMIT. */
MUST_USE int pci_rules_add(struct pci_rules *rules, const char *text);

struct pci_card {
	struct provider_adapter as;
	struct topo_address address; /* function 0 */
	bool in_pool;
	bool present;
	bool has_above;
	struct topo_address above; /* the bridge whose link it hangs on */
};

struct pci_function {
	struct provider_function as; /* but for the binding */
	uint32_t card;               /* index */
	uint32_t class_code;
	struct topo_address address; /* of a VF: its PF's */
	bool answers;
	struct identity identity; /* as the last look found it */
	uint16_t foreign_vport; /* where it is told to be while its binding is not ours; 0: not yet
				 */
};

/* A downstream port. */
struct pci_port {
	struct provider_port as; /* with its slot, whether or not that is told */
	struct topo_address bridge;
	uint8_t first_bus; /* below it */
	uint8_t last_bus;
	uint16_t slot; /* physical slot number, if as.has_slot */
};

struct pci_table {
	uint32_t epoch; /* 0: nothing was looked at yet */
	struct pci_rules rules;
	char bay[PROVIDER_NAME_MAX];
	uint16_t chassis; /* the machine's number */
	struct provider_switch *switches;
	struct provider_port *ports; /* all, by switch and number */
	struct pci_port *downs;      /* those that a bridge of the machine is */
	struct pci_card *cards;
	struct pci_function *functions;
	size_t switch_count;
	size_t port_count;
	size_t down_count;
	size_t card_count;
	size_t function_count;
};

void pci_table_done(struct pci_table *t);
OWNED_BY_VALUE(struct pci_table, pci_table_done)

/**
 * pci_table_take() - one look at the machine
 * @g: linked
 * @why: PROVIDER_TEXT_MAX bytes; set on refusal
 *
 * Return: 0; REFUSE_LIMIT for a machine larger than a scan can tell; -ENOMEM. The table is
 * untouched then.
 */
MUST_USE int pci_table_take(struct pci_table *t, const struct topo_graph *g, char *why);

/* NULL: none. @handle from 1. */
struct pci_function *pci_table_function(const struct pci_table *t, uint32_t handle);
/* The function that stands at @address now, VFs aside; NULL: none. */
struct pci_function *pci_table_at(const struct pci_table *t, const struct topo_address *address);
struct pci_card *pci_table_card(const struct pci_table *t, const struct pci_function *f);
const struct pci_port *pci_table_port(const struct pci_table *t, uint16_t switch_handle,
				      uint16_t number);
/* Stays with the machine: the PF of a card whose VFs are what is given. */
bool pci_table_is_kept(const struct pci_table *t, const struct pci_function *f);
/* Are the port and all that is on it in the pool? */
bool pci_table_port_in_pool(const struct pci_table *t, const struct pci_port *port);

/**
 * pci_table_scan() - the table as a scan
 * @binding: where function @f is now, its handle set already
 * @num_vfs: of the PF @f
 *
 * Return: 0 or -ENOMEM.
 */
MUST_USE int pci_table_scan(struct pci_table *t,
			    void (*binding)(void *arg, struct pci_function *f,
					    struct provider_binding *out),
			    uint16_t (*num_vfs)(void *arg, const struct pci_function *f), void *arg,
			    struct provider_scan **out);
