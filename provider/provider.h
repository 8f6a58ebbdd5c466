/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the manager reaches hardware. Nothing here waits.
 *
 * A provider is reached through a const table of functions (struct provider_ops). fabricd has one
 * implementation, the protocol's client (client.h); the simulation calls the model directly. What
 * comes back arrives through the sink that was given at opening, from within advance() or from the
 * event loop, never from within submit().
 *
 * An operation is a value: it is submitted, and completes later. If its deadline passes first it is
 * UNKNOWN, which is neither done nor failed, and the hardware may still carry it out. What it did
 * is known only from a read-back that began after the provider had settled (S1, S19).
 *
 * Handles (function, host, switch) are the provider's: dense, from 1, the same for as long as its
 * switch boot id is; 0 is none. Names that outlive them are made from the evidence in a scan.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/identity.h"
#include "common/own.h"
#include "common/result.h"

enum {
	PROVIDER_NAME_MAX = 64,    /* bytes of a name, NUL included */
	PROVIDER_TEXT_MAX = 160,   /* bytes of a reason, NUL included */
	PROVIDER_READ_MAX = 512,   /* functions in one PROVIDER_READ */
	PROVIDER_VPORTS_MAX = 240, /* vports of one host, numbered 1 .. 240 */
	PROVIDER_FUNCTIONS_MAX = 65536,
	PROVIDER_HOSTS_MAX = 1024,
	PROVIDER_SWITCHES_MAX = 64,
	PROVIDER_PORTS_MAX = 131072,  /* of all switches */
	PROVIDER_CONFIG_BYTES = 4096, /* configuration space of one function */
};

enum provider_verb {
	PROVIDER_VERB_NONE,
	/* host, value: 1 cuts the host off at its upstream port (nothing can be bound to its VS,
	 * and no data moves), 0 lets it in again */
	PROVIDER_ISOLATE,
	/* function, mode; host and vport as they are believed, 0 if unknown. Done at once when it
	 * is bound nowhere */
	PROVIDER_UNBIND,
	/* function: function-level reset, or the larger one that its blast set names */
	PROVIDER_RESET,
	/* function, identity: sets all of it; an empty one clears */
	PROVIDER_IDENTITY,
	/* function (a PF), value: 0 .. TotalVFs */
	PROVIDER_NUM_VFS,
	/* function, host, vport, generation */
	PROVIDER_BIND,
	/* host, value: 1 on, 0 off */
	PROVIDER_HOST_POWER,
	/* function, value: reads @value functions from @function on (1 .. PROVIDER_READ_MAX):
	 * binding, generation, identity */
	PROVIDER_READ,
	/* host: all that its VS shows, and whether it is isolated, on, linked */
	PROVIDER_READ_HOST,
	/* function and/or host (0: any): done once no command that touches them can still be
	 * carried out. A barrier; takes no place in the queue */
	PROVIDER_SETTLE,
	/* switch_handle, port, value: the slot there, 1 on, 0 off */
	PROVIDER_SLOT_POWER,
	/* switch_handle, port, value: its attention indicator, enum provider_attention */
	PROVIDER_SLOT_ATTENTION,
	PROVIDER_VERBS,
};

/* PCIe Base 5.0 §7.5.3.10, Attention Indicator Control, in another order */
enum provider_attention { PROVIDER_ATTENTION_OFF, PROVIDER_ATTENTION_ON, PROVIDER_ATTENTION_BLINK };

enum provider_mode { PROVIDER_MANAGED, PROVIDER_SURPRISE };

enum provider_outcome {
	PROVIDER_DONE,
	PROVIDER_REFUSED, /* the switch says that it did nothing; text says why */
	PROVIDER_FAILED,  /* the switch says that it went wrong: read back */
	PROVIDER_UNKNOWN, /* no answer by the deadline, or the provider was lost: in doubt */
	PROVIDER_GATED,   /* never sent: the gate before the wire refused it, or it was withdrawn */
};

/* Why a switch refuses. */
enum provider_why {
	PROVIDER_WHY_NONE,
	PROVIDER_WHY_NO_FUNCTION,
	PROVIDER_WHY_NO_HOST,
	PROVIDER_WHY_NO_VPORT,
	PROVIDER_WHY_NO_VF, /* beyond NumVFs */
	PROVIDER_WHY_BOUND, /* it has an owner already */
	PROVIDER_WHY_VPORT_TAKEN,
	PROVIDER_WHY_ISOLATED,
	PROVIDER_WHY_BLAST,    /* a reset would hit another owner */
	PROVIDER_WHY_IDENTITY, /* it lives elsewhere, or this function cannot carry it */
	PROVIDER_WHY_SPLIT,    /* whole adapter against single functions of it */
	PROVIDER_WHY_KEPT,
	PROVIDER_WHY_FAULT, /* told to, by a modelled fault */
	PROVIDER_WHY_UNSUPPORTED,
	PROVIDER_WHYS,
};

struct provider_op {
	uint64_t attempt;    /* stored before submission, never used twice; a completion names it */
	uint64_t generation; /* of the function's owner; the gate before the wire compares it */
	uint64_t epoch;      /* of the host; likewise */
	uint64_t deadline_ms; /* boot-time clock; after it the outcome is UNKNOWN */
	enum provider_verb verb;
	enum provider_mode mode;
	uint32_t function; /* handle; 0: none */
	uint16_t host;     /* handle; 0: none */
	uint16_t vport;    /* 1 .. the host's vports; 0: none */
	uint32_t value;
	struct identity identity;
	uint16_t switch_handle; /* of a slot; 0: none */
	uint16_t port;          /* number of the downstream port that the slot is at */
};

/* Where one function is, in a read-back or a scan. */
struct provider_binding {
	uint32_t function;
	uint16_t host; /* 0: bound nowhere */
	/* Above the host's vports: on that host, but elsewhere than in its virtual switch. Such a
	 * binding is foreign, and no bind can make it. */
	uint16_t vport;
	uint64_t generation; /* as the bind carried it; 0 when bound nowhere or foreign */
	struct identity identity;
	bool present; /* the device answers; false: gone, or in error */
	/* Where it is cannot be told now, for a host that may have it does not answer; host and
	 * vport are what was known last. Never the same as "nowhere". */
	bool unknown;
};

struct provider_host_state {
	uint16_t host;
	bool isolated;
	bool power; /* true where the provider cannot tell */
	bool link;  /* of its upstream port */
	bool power_known;
};

struct provider_completion {
	uint64_t attempt;
	enum provider_outcome outcome;
	enum provider_why why;
	char text[PROVIDER_TEXT_MAX];
	/* PROVIDER_READ: the functions asked for, in order. PROVIDER_READ_HOST: those that the
	 * host's VS shows, in the order of their vports. Borrowed for the call. */
	const struct provider_binding *bindings;
	size_t binding_count;
	struct provider_host_state host; /* PROVIDER_READ_HOST */
	/* PROVIDER_READ_HOST: what has come from the host at its upstream port since some time of
	 * the switch's, in packets or bytes: it rises with what the host itself sends, and with
	 * nothing that is sent to it. Read from the hardware for this very answer. */
	bool traffic_known;
	uint64_t traffic;
};

enum provider_state {
	PROVIDER_CONNECTING,
	PROVIDER_SETTLING, /* connected; what was sent before can still be carried out */
	PROVIDER_READY,
	PROVIDER_SLOW, /* ready, but an answer is overdue */
	PROVIDER_LOST,
};

enum {
	PROVIDER_CAN_ISOLATE = 1 << 0, /* one command cuts a host off */
	PROVIDER_CAN_BARRIER = 1 << 1, /* PROVIDER_SETTLE works; else wait @lateness_ms */
	PROVIDER_CAN_IDENTITY = 1 << 2,
	PROVIDER_CAN_POWER = 1 << 3,
	PROVIDER_CAN_VIEW = 1 << 4,  /* configuration space as a host sees it */
	PROVIDER_CAN_WRITE = 1 << 5, /* anything but reading at all */
	PROVIDER_CAN_SLOT = 1 << 6,  /* power and attention indicator of slots */
};

/* What a provider says of itself when it is opened. */
struct provider_hello {
	char name[PROVIDER_NAME_MAX];    /* the program: "fabricsim 0.1.0" */
	char boot_id[PROVIDER_NAME_MAX]; /* the switch's; a new one voids every read-back */
	uint32_t can;
	/* The longest time after its deadline at which a command may still be carried out; without
	 * PROVIDER_CAN_BARRIER this is the proof. */
	uint32_t lateness_ms;
	uint32_t timeout_ms; /* longest time a command takes when all is well */
	uint32_t depth;      /* commands that one switch queues; at least 1 */
};

enum provider_port_role {
	PROVIDER_PORT_UPSTREAM,
	PROVIDER_PORT_DOWNSTREAM,
	PROVIDER_PORT_INTERSWITCH
};
enum provider_adapter_mode { PROVIDER_ADAPTER_PLAIN, PROVIDER_ADAPTER_SRIOV, PROVIDER_ADAPTER_MRA };
enum provider_keeper {
	PROVIDER_KEEPER_NONE,    /* the adapter is given whole */
	PROVIDER_KEEPER_SWITCH,  /* shared: the switch's firmware has the PF or BF */
	PROVIDER_KEEPER_MANAGER, /* shared: this manager has it */
	PROVIDER_KEEPER_HOST,    /* shared: @keeper_host has it */
};
enum provider_function_kind {
	PROVIDER_FUNCTION_DEVICE,
	PROVIDER_FUNCTION_BF,
	PROVIDER_FUNCTION_PF,
	PROVIDER_FUNCTION_VF,
};
enum {
	PROVIDER_IDENTITY_MAC = 1 << 0,      /* MAC and VLAN */
	PROVIDER_IDENTITY_WWN = 1 << 1,      /* WWPN and WWNN */
	PROVIDER_IDENTITY_ENFORCED = 1 << 2, /* the adapter checks it; else advisory */
};

struct provider_switch {
	uint16_t handle;
	uint16_t chassis;             /* 1 .. */
	char name[PROVIDER_NAME_MAX]; /* position: "sw0" */
	uint16_t vendor;
	uint16_t device;
};

struct provider_port {
	uint16_t switch_handle;
	uint16_t number;
	enum provider_port_role role;
	bool link;
	uint8_t width; /* lanes now; 0: no link */
	uint8_t max_width;
	uint32_t mtps; /* MT/s per lane now; 0: no link */
	uint32_t max_mtps;
	uint16_t host;    /* what is on it: 0, or a host */
	uint32_t adapter; /* 0, or an adapter */
	uint16_t peer;    /* inter-switch: the switch at the other end */
	bool has_slot;    /* a hot-plug slot for an adapter; the two below speak of it */
	bool slot_presence;
	bool slot_power;
};

struct provider_host {
	uint16_t handle;
	uint16_t switch_handle;
	uint16_t port;
	uint16_t vports;             /* 1 .. PROVIDER_VPORTS_MAX */
	char bay[PROVIDER_NAME_MAX]; /* position: "bay7"; the host's name is made from it */
	uint16_t chassis;
	uint16_t buses;        /* bus numbers that one vport may use, at least 1 */
	uint64_t window_bytes; /* memory window of one vport */
	struct provider_host_state state;
	/* Physical slot number (PCIe Base 5.0 §7.5.3.9) of vport 1 as the host sees it, the others
	 * count up from there; 0: not told */
	uint16_t first_slot;
	bool can_power_on; /* PROVIDER_HOST_POWER 1 is possible: a cold spare (S11) */
};

struct provider_adapter {
	uint32_t handle;
	uint16_t switch_handle;
	uint16_t port;
	uint32_t class_code; /* 24 bits: base class << 16 | sub-class << 8 | interface */
	uint16_t vendor;
	uint16_t device;
	char serial[PROVIDER_NAME_MAX]; /* evidence for its name; empty: none, position counts */
	char model[PROVIDER_NAME_MAX];  /* for people */
	enum provider_adapter_mode mode;
	enum provider_keeper keeper;
	uint16_t keeper_host;
	uint16_t num_vfs; /* enabled now, of each PF */
	uint16_t total_vfs;
	uint32_t first_function; /* its functions' handles follow each other */
	uint32_t function_count;
};

struct provider_function {
	uint32_t handle;
	uint32_t adapter;
	enum provider_function_kind kind;
	uint8_t pf;      /* function number of the device, BF or PF; of a VF's PF */
	uint16_t vf;     /* 1 .. NumVFs; 0 for all but VFs */
	uint16_t vendor; /* as a host sees it */
	uint16_t device;
	uint8_t identity_can;  /* PROVIDER_IDENTITY_... */
	uint16_t buses;        /* bus numbers it needs below its vport, at least 1 */
	uint64_t window_bytes; /* memory it needs there */
	bool flr;         /* a reset touches it alone (a PF's: and its VFs); else its adapter */
	uint32_t depends; /* handle of the next in its dependency ring; 0: none */
	struct provider_binding now;
};

/* All that one scan shows. Handle n of a kind stands at index n - 1. */
struct provider_scan {
	struct provider_switch *switches;
	struct provider_port *ports; /* no handles; by switch and number */
	struct provider_host *hosts;
	struct provider_adapter *adapters;
	struct provider_function *functions;
	size_t switch_count;
	size_t port_count;
	size_t host_count;
	size_t adapter_count;
	size_t function_count;
};

/* Frees the arrays and the scan. */
void provider_scan_free(struct provider_scan *scan);
OWNED_BY(struct provider_scan, provider_scan_free)

/* For qsort() and bsearch(): ports by switch and number, as a scan has them; bindings by vport. */
int provider_port_compare(const void *a, const void *b);
int provider_vport_compare(const void *a, const void *b);

/**
 * provider_scan_check() - may this scan be believed as far as its form goes?
 * @why: where to say what is wrong; PROVIDER_TEXT_MAX bytes
 *
 * Counts bounded, handles dense and in order, ports sorted by switch and number, references inside
 * their ranges and mutual, names given and unlike (switches and bays, by chassis), no function
 * bound without a vport, no vport with two functions, generation 0 on what is bound nowhere,
 * dependencies in closed rings. Return: 0 or -EBADMSG.
 */
MUST_USE int provider_scan_check(const struct provider_scan *scan, char *why);

enum provider_event_kind {
	PROVIDER_EVENT_CHANGED,  /* something is not as the last scan showed: scan again */
	PROVIDER_EVENT_OVERFLOW, /* events were lost: scan again */
	PROVIDER_EVENT_HOST,     /* a host's power or link changed; @host says how it is now */
	PROVIDER_EVENT_REBOOT,   /* the switch has a new boot id */
	PROVIDER_EVENT_FUNCTION, /* @function: present or gone */
	PROVIDER_EVENT_SLOT,     /* @slot: how it is now, and whether its button was pressed */
};

/* An event of one slot. That a card is there says nothing of which: it may be another than before.
 */
struct provider_slot_state {
	uint16_t switch_handle;
	uint16_t port;
	bool presence;
	bool power;
	bool link;
	bool button; /* the attention button was pressed, once */
};

struct provider_event {
	enum provider_event_kind kind;
	struct provider_host_state host;
	uint32_t function;
	bool present;
	char boot_id[PROVIDER_NAME_MAX];
	struct provider_slot_state slot;
};

/* One function's configuration space, as a host sees it. */
struct provider_config {
	uint32_t domain;
	uint8_t bus;
	uint8_t device;
	uint8_t function;
	uint16_t length; /* 64, 256 or 4096 */
	const uint8_t *bytes;
};

/* Where a provider's news go. Pointers are borrowed for the call. */
struct provider_sink {
	void (*completed)(void *arg, const struct provider_completion *done);
	/* Takes @scan over. NULL: the scan failed; @why says how. */
	void (*scanned_take)(void *arg, struct provider_scan *scan, const char *why);
	void (*told)(void *arg, const struct provider_event *event);
	/* @hello is valid in SETTLING, READY and SLOW; NULL otherwise. */
	void (*state)(void *arg, enum provider_state state, const struct provider_hello *hello);
	/* One call per function; then one with NULL, @why empty when all went well. @cookie is the
	 * caller's of provider_ops.view. */
	void (*viewed)(void *arg, uint64_t cookie, const struct provider_config *config,
		       const char *why);
	void *arg;
};

struct provider {
	const struct provider_ops *ops;
};

struct provider_ops {
	const char *name; /* "client", "model" */
	void (*close)(struct provider *p);

	/* Takes a copy of @op and returns at once; its completion arrives through the sink, UNKNOWN
	 * after its deadline at the latest. Operations of one switch start in this order.
	 * Return: 0; -ENOTCONN while lost; -ENOBUFS when too much is queued. */
	int (*submit)(struct provider *p, const struct provider_op *op);

	/* Asks for a whole scan; a second request while one runs is joined to it. */
	int (*scan)(struct provider *p);

	/* Configuration space as @host sees it; 0: the whole fabric as the manager sees it, one PCI
	 * domain per switch. */
	int (*view)(struct provider *p, uint16_t host, uint64_t cookie);

	/* Reports what has come to an end by @now_ms, deadlines included. */
	void (*advance)(struct provider *p, uint64_t now_ms);

	/* When advance() has something to do next; UINT64_MAX: never by itself. */
	uint64_t (*next_ms)(const struct provider *p);

	/* Why it could not be connected last, for people; "" while it is. Borrowed, until the next
	 * event. May be NULL: it cannot tell. */
	const char *(*why)(const struct provider *p);
};

/* Does @op make sense by itself: attempt, the handles that its verb needs, value in range?
 * Checked by whoever submits and by whoever serves. Return: 0 or -EINVAL. */
MUST_USE int provider_op_check(const struct provider_op *op);

void provider_close(struct provider *p);
OWNED_BY(struct provider, provider_close)

const char *provider_verb_text(enum provider_verb verb); /* "bind" */
int provider_verb_parse(const char *text);               /* <0: no such verb */
const char *provider_outcome_text(enum provider_outcome outcome);
const char *provider_why_text(enum provider_why why);       /* a sentence */
const char *provider_state_text(enum provider_state state); /* "ready" */
