/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Configuration space to struct: the one decoder for the bytes of every provider.
 *
 * topo_decode() takes the bytes of one function, 0 .. 4096 of them, and says what stands in
 * them. It cannot fail: what is not there reads as ones, as on a bus where nobody answers,
 * so a function without bytes has vendor ffff and an unknown header. Chains of capabilities end
 * at their first repeated offset. Nothing is allocated and no byte is kept; a caller that holds ten
 * thousand functions holds ten thousand of these structs.
 *
 * Who stands above whom is not in the bytes of one function: that is topology/graph.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "topology/address.h"
#include "topology/vf.h"

enum {
	TOPO_CONFIG_BYTES = 4096,
	TOPO_CAPS = 48,      /* (256 - 64) / 4: a list without repetition is no longer */
	TOPO_EXT_CAPS = 96,  /* the walk ends there; topo_function.ext_cap_cut says so */
	TOPO_REBARS = 6,     /* one for each BAR */
	TOPO_CXL_DVSECS = 16 /* DVSEC ids 0 .. 15 of vendor 1e98 */
};

/* Capabilities and extended capabilities that are looked into. */
enum topo_cap_id {
	TOPO_CAP_PCIX = 0x07,
	TOPO_CAP_EXPRESS = 0x10,
};

enum topo_ext_cap_id {
	TOPO_EXT_AER = 0x0001,
	TOPO_EXT_SERIAL = 0x0003,
	TOPO_EXT_ACS = 0x000d,
	TOPO_EXT_ARI = 0x000e,
	TOPO_EXT_ATS = 0x000f,
	TOPO_EXT_SRIOV = 0x0010,
	TOPO_EXT_MRIOV = 0x0011, /* its body is not public: presence and offset alone */
	TOPO_EXT_REBAR = 0x0015,
	TOPO_EXT_PASID = 0x001b,
	TOPO_EXT_DPC = 0x001d,
	TOPO_EXT_DVSEC = 0x0023,
};

enum topo_header {
	TOPO_HEADER_NORMAL,
	TOPO_HEADER_BRIDGE,
	TOPO_HEADER_CARDBUS,
	TOPO_HEADER_UNKNOWN
};

/* The values of Device/Port Type. PCIe Base 5.0 §7.5.3.2. */
enum topo_express_type {
	TOPO_ENDPOINT = 0,
	TOPO_LEGACY_ENDPOINT = 1,
	TOPO_ROOT_PORT = 4,
	TOPO_UPSTREAM = 5,
	TOPO_DOWNSTREAM = 6,
	TOPO_PCIE_TO_PCI = 7,
	TOPO_PCI_TO_PCIE = 8,
	TOPO_RC_ENDPOINT = 9,
	TOPO_RC_EVENT_COLLECTOR = 10,
	TOPO_EXPRESS_UNKNOWN = 16, /* every reserved value */
};

struct topo_cap {
	uint8_t id;
	uint8_t offset;
};

struct topo_ext_cap {
	uint16_t id;
	uint16_t offset;
	uint8_t version;
};

/* Addresses, both inclusive; base > limit: the window is closed. */
struct topo_window {
	uint64_t base;
	uint64_t limit;
};

/* Type 1 and CardBus headers. CardBus windows are not decoded: closed. */
struct topo_bridge {
	uint8_t primary;
	uint8_t secondary; /* 0: not configured */
	uint8_t subordinate;
	uint16_t control; /* Bridge Control */
	struct topo_window io;
	struct topo_window memory;
	struct topo_window prefetchable;
	bool prefetchable_64; /* the prefetchable window reaches above 4 GiB */
};

/* PCIe Base 5.0 §7.5.3.9 - §7.5.3.11. */
struct topo_slot {
	bool implemented;
	uint16_t number; /* Physical Slot Number */
	uint16_t control;
	uint16_t status;
	uint16_t power_limit_dw; /* tenths of a watt; 0 also for a reserved value */
	bool attention_button;
	bool power_controller;
	bool mrl_sensor;
	bool attention_indicator;
	bool power_indicator;
	bool hotplug_surprise;
	bool hotplug; /* Hot-Plug Capable */
	bool interlock;
	bool no_command_completed;
	bool presence; /* Presence Detect State, now */
};

/* PCIe Base 5.0 §7.5.3.6 - §7.5.3.8. */
struct topo_link {
	bool present;          /* this type of function has a link, and its registers are known */
	uint8_t max_speed;     /* Max Link Speed code: 1 = 2.5, 2 = 5, 3 = 8, 4 = 16, 5 = 32, 6 = 64
				  GT/s */
	uint8_t max_width;     /* lanes */
	uint8_t speed;         /* now */
	uint8_t width;         /* now */
	bool active_reporting; /* Data Link Layer Link Active Reporting Capable */
	bool active;           /* Data Link Layer Link Active */
	bool disabled;         /* Link Disable */
};

struct topo_express {
	uint8_t offset; /* 0: no PCI Express capability */
	uint8_t version;
	enum topo_express_type type;
	uint8_t port;                /* Port Number of Link Capabilities */
	bool flr;                    /* Function Level Reset Capability */
	bool ari_forwarding_capable; /* of a port: it can route to functions 8 .. 255 */
	bool ari_forwarding;         /* and does so now */
	uint16_t max_payload;        /* bytes, supported */
	struct topo_slot slot;
	struct topo_link link;
};

/* PCIe Base 5.0 §9.3.3; facts of the registers at topology/decode.c. */
struct topo_sriov {
	uint16_t offset; /* 0: no SR-IOV capability */
	uint32_t capabilities;
	uint16_t control;
	uint16_t status;
	bool enabled;       /* VF Enable */
	bool memory_enable; /* VF MSE */
	bool ari_hierarchy; /* ARI Capable Hierarchy */
	bool migration_capable;
	bool migration_enable;
	uint16_t initial_vfs;
	uint16_t total_vfs;
	struct sriov_cap vfs; /* NumVFs, First VF Offset, VF Stride */
	uint8_t dependency_link;
	uint16_t vf_device;
	uint32_t supported_page_sizes;
	uint32_t system_page_size;
	uint32_t bars[6];
	uint32_t migration_array; /* [2:0] BAR, [31:3] offset */
};

struct topo_aer {
	uint32_t uncorrectable_status;
	uint32_t uncorrectable_mask;
	uint32_t uncorrectable_severity;
	uint32_t correctable_status;
	uint32_t correctable_mask;
	uint32_t control;
};

struct topo_rebar {
	uint8_t bar;    /* 0 .. 5 */
	uint8_t size;   /* log2 of MiB, now */
	uint32_t sizes; /* bit n: 2^n MiB can be chosen */
};

struct topo_function {
	struct topo_address address; /* the caller's; topo_decode() leaves it alone */
	uint16_t config_bytes;       /* 0 .. 4096 known */
	uint16_t vendor;
	uint16_t device;
	uint16_t subsystem_vendor; /* 0 where the header has none */
	uint16_t subsystem_device;
	uint16_t command;
	uint16_t status;
	uint16_t class_code; /* base class << 8 | sub-class */
	uint8_t prog_if;
	uint8_t revision;
	bool multi_function; /* header type bit 7 */
	bool ext_cap_cut;    /* it has more than TOPO_EXT_CAPS extended capabilities */
	enum topo_header header;
	uint32_t bars[6]; /* raw: 6 of a normal header, 2 of a bridge, 1 of a CardBus bridge */
	uint32_t rom;     /* raw Expansion ROM base; 0 for CardBus */
	struct topo_bridge bridge; /* header bridge and cardbus */
	struct topo_express express;
	struct topo_sriov sriov;

	uint16_t ari_capability, ari_control; /* valid where topo_function_ext() finds their id */
	uint16_t acs_capability, acs_control;
	uint16_t ats_capability, ats_control;
	uint16_t pasid_capability, pasid_control;
	uint16_t dpc_capability, dpc_control, dpc_status, dpc_source;
	uint64_t serial; /* Device Serial Number; 0: none */
	struct topo_aer aer;
	uint8_t rebar_count;
	struct topo_rebar rebars[TOPO_REBARS];
	uint16_t cxl_dvsecs;                        /* bit n: DVSEC id n of CXL is present */
	uint16_t cxl_dvsec_offset[TOPO_CXL_DVSECS]; /* of the first with that id */

	uint8_t cap_count;
	uint8_t ext_cap_count;
	struct topo_cap caps[TOPO_CAPS]; /* in the order of the chain */
	struct topo_ext_cap ext_caps[TOPO_EXT_CAPS];
};

/**
 * topo_decode() - read one function's configuration space
 * @bytes:  borrowed; byte 0 is offset 0
 * @length: how many are known, 0 .. 4096 (64, 256 and 4096 are usual); more is not looked at
 * @out:    overwritten, but for @out->address
 *
 * Bytes past @length read as ff. Never loops, never reads outside.
 */
void topo_decode(const uint8_t *bytes, size_t length, struct topo_function *out);

/* Offset of the first capability with that id; 0 if there is none. */
uint8_t topo_function_cap(const struct topo_function *f, uint8_t id);
/* Offset of the first extended capability with that id; 0 if there is none. */
uint16_t topo_function_ext(const struct topo_function *f, uint16_t id);

/* VFs that exist now: 0 unless VF Enable; at most InitialVFs unless VF migration is enabled. */
uint16_t topo_sriov_enabled_vfs(const struct topo_sriov *sriov);

/* GT/s times ten of a link speed code: 25 .. 640; 0 for a reserved code. */
uint16_t topo_speed_tenths(uint8_t code);
/* "root-port" and so on, as the topology JSON spells it. */
const char *topo_express_type_text(enum topo_express_type type);
/* "normal", "bridge", "cardbus", "unknown". */
const char *topo_header_text(enum topo_header header);
