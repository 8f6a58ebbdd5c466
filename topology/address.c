/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "topology/address.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool topo_address_is_possible(const struct topo_address *address)
{
	return address->device < 32 && address->function < 8;
}

uint16_t topo_address_rid(const struct topo_address *address)
{
	return (uint16_t)(address->bus << 8 | address->device << 3 | address->function);
}

int topo_address_compare(const struct topo_address *a, const struct topo_address *b)
{
	uint64_t left = (uint64_t)a->domain << 24 | (uint32_t)a->bus << 16 |
			(uint32_t)a->device << 8 | a->function;
	uint64_t right = (uint64_t)b->domain << 24 | (uint32_t)b->bus << 16 |
			 (uint32_t)b->device << 8 | b->function;

	return left < right ? -1 : left > right;
}

void topo_address_format(const struct topo_address *address, char out[static TOPO_ADDRESS_TEXT])
{
	(void)snprintf(out, TOPO_ADDRESS_TEXT, "%04" PRIx32 ":%02x:%02x.%u", address->domain,
		       address->bus, address->device, address->function % 10U);
}

/* Exactly @digits hex digits. */
static bool take_hex(const char **text, size_t digits, uint32_t *out)
{
	uint32_t value = 0;

	for (size_t i = 0; i < digits; i++) {
		unsigned char c = (unsigned char)(*text)[i];

		if (!isxdigit(c))
			return false;
		value = value << 4 | (uint32_t)(isdigit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	*text += digits;
	*out = value;
	return true;
}

int topo_address_parse(const char *text, struct topo_address *out)
{
	size_t first = strcspn(text, ":");
	uint32_t domain = 0;
	uint32_t bus = 0;
	uint32_t device = 0;

	if (first >= 4 && first <= 8) {
		if (!take_hex(&text, first, &domain) || *text++ != ':')
			return REFUSE_FIELD;
	}
	if (!take_hex(&text, 2, &bus) || *text++ != ':' || !take_hex(&text, 2, &device) ||
	    *text++ != '.' || !isdigit((unsigned char)text[0]) || text[1])
		return REFUSE_FIELD;
	*out = (struct topo_address){ .domain = domain,
				      .bus = (uint8_t)bus,
				      .device = (uint8_t)device,
				      .function = (uint8_t)(text[0] - '0') };
	return 0;
}
