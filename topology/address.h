/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a function stands: domain, bus, device, function. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/result.h"

enum { TOPO_ADDRESS_TEXT = 20 };

struct topo_address {
	uint32_t domain;
	uint8_t bus;
	uint8_t device;   /* 0 .. 31; captures may name up to ff, see topo_address_is_possible() */
	uint8_t function; /* 0 .. 7; captures may name up to 9 */
};

/* False for a device above 1f or a function above 7: such a function is shown and is nobody's VF.
 */
bool topo_address_is_possible(const struct topo_address *address);
/* bus << 8 | device << 3 | function; only of a possible address. */
uint16_t topo_address_rid(const struct topo_address *address);
/* <0, 0, >0: by domain, bus, device, function. */
int topo_address_compare(const struct topo_address *a, const struct topo_address *b);
/* "0000:03:00.1"; the domain takes more digits when it needs them. */
void topo_address_format(const struct topo_address *address, char out[static TOPO_ADDRESS_TEXT]);
/**
 * topo_address_parse() - read "03:00.1" or "0000:03:00.1"
 * @text: 2 digits of bus, 2 of device, 1 of function (0 .. 9); before them 4 to 8 of domain and ':'
 *
 * Return: 0 or REFUSE_FIELD.
 */
MUST_USE int topo_address_parse(const char *text, struct topo_address *out);
