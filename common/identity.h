/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the outside world knows a function by: MAC, VLAN, WWPN, WWNN. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/result.h"

struct identity {
	uint64_t mac;  /* 48 bits, first octet on the wire highest; 0: none */
	uint64_t wwpn; /* 0: none */
	uint64_t wwnn; /* 0: none */
	uint16_t vlan; /* 1 .. 4094; 0: none (untagged) */
};

enum { IDENTITY_TEXT = 24 };

bool identity_is_empty(const struct identity *id);
bool identity_is_equal(const struct identity *a, const struct identity *b);
/* True when both carry the same MAC or the same WWPN: the two that must live once (S17).
 * A WWNN names a node and a VLAN a network: several functions may carry the same. */
bool identity_is_clash(const struct identity *a, const struct identity *b);

/* What is wrong with it and what is expected, to stand behind the text; NULL: it is good. */
const char *identity_mac_flaw(const char *text);
const char *identity_wwn_flaw(const char *text);
/* "02:fa:b0:00:00:01", any case. Return: 0; REFUSE_FIELD for another form, all zero or multicast.
 */
MUST_USE int identity_mac_parse(const char *text, uint64_t *mac);
/* "50:01:43:80:00:00:00:01" or 16 hex digits, with or without 0x. Return: 0 or REFUSE_FIELD. */
MUST_USE int identity_wwn_parse(const char *text, uint64_t *wwn);
void identity_mac_format(uint64_t mac, char out[static IDENTITY_TEXT]);
void identity_wwn_format(uint64_t wwn, char out[static IDENTITY_TEXT]);
