/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names that stay: made once from evidence, never from bus numbers (docs/ARCHITECTURE.md). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/result.h"

enum { TOPO_NAME_MAX = 64 }; /* bytes, NUL included */

/* "nic", "fc", "nvme", "gpu", "ib", ... "dev" by the 24-bit class code; never NULL. */
const char *topo_name_kind(uint32_t class_code);

/**
 * topo_name_adapter() - the name of an adapter
 * @class_code: 24 bits
 * @serial: evidence, may be ""; letters and digits of it count, in lower case
 * @position: where it is plugged, for one without a serial: "sw0-p12"
 * @is_taken: whether another adapter has that name
 * @out: TOPO_NAME_MAX bytes
 *
 * "nic-3fa2": kind and the last four characters of the serial, one more for each clash, then the
 * position; in the end a number is added.
 */
void topo_name_adapter(uint32_t class_code, const char *serial, const char *position,
		       bool (*is_taken)(const char *name, void *arg), void *arg, char *out);

/* "ADAPTER/bf", "ADAPTER/pf0", "ADAPTER/pf0/vf3"; function n of a plain device is "ADAPTER/fn". */
enum topo_name_function_kind { TOPO_NAME_DEVICE, TOPO_NAME_BF, TOPO_NAME_PF, TOPO_NAME_VF };
void topo_name_function(const char *adapter, enum topo_name_function_kind kind, unsigned pf,
			unsigned vf, char *out);

/* Of a host by its bay, or of a switch by its position: "bay7" in the first chassis, "ch2/bay7" in
 * the second. A name stays when a chassis is added. */
void topo_name_in_chassis(const char *place, unsigned chassis, char *out);
/* "sw0/p12" */
void topo_name_port(const char *switch_name, unsigned port, char *out);
