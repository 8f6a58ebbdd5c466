/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A chassis as it left the factory: switches, hosts in bays, adapters in ports. A plain value, read
 * from a file (chassis_file.h), generated, or put together by a test; the model (model.h) takes
 * what it needs from it and changes nothing in it.
 *
 * Things are numbered from 1 in the order in which they were added: these are their handles.
 */
#pragma once

#include "common/own.h"
#include "common/result.h"
#include "provider/provider.h"
#include "sim/device.h"

enum {
	SIM_CHASSIS_ADAPTERS_MAX = 4096,
	SIM_CHASSIS_LINKS_MAX = 256,
	SIM_CHASSIS_PORTS_MAX = 512, /* of one switch */
	SIM_CHASSIS_PFS_MAX = 8,
	SIM_CHASSIS_WHY = 160, /* bytes of a reason */
};

struct sim_switch {
	char name[PROVIDER_NAME_MAX];
	uint16_t vendor;
	uint16_t device;
};

/* An inter-switch link. */
struct sim_link {
	uint16_t switches[2];
	uint16_t ports[2];
	uint8_t width;
	uint32_t mtps;
};

struct sim_host {
	char bay[PROVIDER_NAME_MAX];
	uint16_t switch_handle;
	uint16_t port;
	uint16_t vports;
	uint16_t buses;        /* bus numbers reserved for one vport */
	uint64_t window_bytes; /* memory reserved for one vport */
	bool power;
	bool link;
};

struct sim_adapter {
	struct sim_device device;
	uint16_t switch_handle;
	uint16_t port;
	char serial[PROVIDER_NAME_MAX];
	char model[PROVIDER_NAME_MAX];
	enum provider_keeper keeper;
	uint16_t keeper_host;
	uint8_t pfs; /* PFs; functions of a plain device; with MRA, beside the BF */
	uint16_t num_vfs;
	bool ring;     /* its PFs, and the VFs of one number, belong together */
	uint8_t width; /* of its link now */
	uint32_t mtps;
	uint8_t *captured; /* configuration space of PF 0 from a capture; NULL: built in */
	uint16_t captured_bytes;
	char capture[PROVIDER_TEXT_MAX]; /* where it was read, as the chassis file has it */
	char capture_address[PROVIDER_NAME_MAX];
};

struct sim_chassis {
	char name[PROVIDER_NAME_MAX];
	uint16_t number; /* of this chassis in the fabric */
	uint32_t command_ms;
	uint32_t timeout_ms;
	uint32_t depth;   /* commands that one switch queues */
	bool has_barrier; /* else a command may be late by lateness_ms at most */
	uint32_t lateness_ms;
	bool checks_identity; /* the switch refuses an identity that lives elsewhere on it */
	struct {
		bool isolate;
		bool surprise; /* takes a function from a host that has power and does not let go */
		bool power;    /* turns a host on and off */
		bool tell_power;
		bool tell_traffic; /* of upstream ports, read with their hosts */
	} can;
	struct sim_switch *switches;
	struct sim_link *links;
	struct sim_host *hosts;
	struct sim_adapter *adapters;
	size_t switch_count;
	size_t link_count;
	size_t host_count;
	size_t adapter_count;
};

/* An empty one with the defaults; NULL when memory ran out. */
struct sim_chassis *sim_chassis_new(const char *name);
void sim_chassis_free(struct sim_chassis *chassis);
OWNED_BY(struct sim_chassis, sim_chassis_free)

/* Each adds one with usable defaults, which the caller may change, and returns it; borrowed, valid
 * until the next one of its kind is added. NULL when memory ran out. Ports are the next free ones
 * of the switch. */
struct sim_switch *sim_chassis_add_switch(struct sim_chassis *chassis, const char *name);
struct sim_link *sim_chassis_add_link(struct sim_chassis *chassis, uint16_t a, uint16_t b);
struct sim_host *sim_chassis_add_host(struct sim_chassis *chassis, const char *bay,
				      uint16_t switch_handle);
struct sim_adapter *sim_chassis_add_adapter(struct sim_chassis *chassis,
					    const struct sim_device *device, const char *serial,
					    uint16_t switch_handle);

/* The first port of that switch on which nothing stands; 0: all are taken. */
uint16_t sim_chassis_free_port(const struct sim_chassis *chassis, uint16_t switch_handle);

/* Functions that an adapter has, VFs that are not enabled counted too. */
uint32_t sim_adapter_functions(const struct sim_adapter *adapter);

/**
 * sim_chassis_check() - can such a chassis be?
 * @path: where it cannot, as a JSON pointer into the chassis file, "/adapters/3/serial"
 * @why: what is wrong there; both SIM_CHASSIS_WHY bytes
 *
 * Return: 0 or REFUSE_FIELD.
 */
MUST_USE int sim_chassis_check(const struct sim_chassis *chassis, char *path, char *why);

/**
 * sim_chassis_generate() - a chassis of a size
 * @vfs: of each adapter, enabled from the start; the switch keeps the PFs
 *
 * At least half of the adapters are Ethernet; every host has min(240, @adapters * @vfs) vports.
 * Return: 0, -ENOMEM, or REFUSE_FIELD with @why (SIM_CHASSIS_WHY bytes) when it would be too large.
 */
MUST_USE int sim_chassis_generate(unsigned hosts, unsigned switches, unsigned adapters,
				  unsigned vfs, struct sim_chassis **out, char *why);
