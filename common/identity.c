/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/identity.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

bool identity_is_empty(const struct identity *id)
{
	return !id->mac && !id->wwpn && !id->wwnn && !id->vlan;
}

bool identity_is_equal(const struct identity *a, const struct identity *b)
{
	return a->mac == b->mac && a->wwpn == b->wwpn && a->wwnn == b->wwnn && a->vlan == b->vlan;
}

bool identity_is_clash(const struct identity *a, const struct identity *b)
{
	return (a->mac && a->mac == b->mac) || (a->wwpn && a->wwpn == b->wwpn);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* @octets pairs of hex digits, with @separator between them ('\0': none); the whole of @text. */
static bool octets_parse(const char *text, unsigned octets, char separator, uint64_t *out)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < octets; i++) {
		int high;
		int low;

		if (i && separator && *text++ != separator)
			return false;
		high = hex_digit(text[0]);
		if (high < 0)
			return false;
		low = hex_digit(text[1]);
		if (low < 0)
			return false;
		v = v << 8 | (uint64_t)(high << 4 | low);
		text += 2;
	}
	if (*text)
		return false;
	*out = v;
	return true;
}

static const char *mac_read(const char *text, uint64_t *mac)
{
	if (!octets_parse(text, 6, ':', mac) && !octets_parse(text, 6, '-', mac))
		return "is no MAC address: six pairs of hex digits, as 02:fa:b0:00:00:01";
	if (!*mac)
		return "is the address of nobody: it must not be all zero";
	if (*mac >> 40 & 1)
		return "is a multicast address, which is of no single function: the first pair "
		       "must be even, as in 02:fa:b0:00:00:01";
	return NULL;
}

static const char *wwn_read(const char *text, uint64_t *wwn)
{
	if (!strncmp(text, "0x", 2) || !strncmp(text, "0X", 2))
		text += 2;
	if (!octets_parse(text, 8, ':', wwn) && !octets_parse(text, 8, '\0', wwn))
		return "is no WWN: eight pairs of hex digits, as 50:01:43:80:00:00:00:01 or "
		       "5001438000000001";
	return *wwn ? NULL : "is the name of nobody: it must not be all zero";
}

const char *identity_mac_flaw(const char *text)
{
	uint64_t v;

	return mac_read(text, &v);
}

const char *identity_wwn_flaw(const char *text)
{
	uint64_t v;

	return wwn_read(text, &v);
}

int identity_mac_parse(const char *text, uint64_t *mac)
{
	uint64_t v;

	if (mac_read(text, &v))
		return REFUSE_FIELD;
	*mac = v;
	return 0;
}

int identity_wwn_parse(const char *text, uint64_t *wwn)
{
	uint64_t v;

	if (wwn_read(text, &v))
		return REFUSE_FIELD;
	*wwn = v;
	return 0;
}

static void octets_format(uint64_t v, unsigned octets, char *out)
{
	for (unsigned i = 0; i < octets; i++)
		(void)sprintf(out + (size_t)3 * i, "%02x%s",
			      (unsigned)(v >> 8 * (octets - 1 - i)) & 0xff,
			      i + 1 < octets ? ":" : ""); /* 3 * 8 bytes at most, as declared */
}

void identity_mac_format(uint64_t mac, char out[static IDENTITY_TEXT])
{
	octets_format(mac, 6, out);
}

void identity_wwn_format(uint64_t wwn, char out[static IDENTITY_TEXT])
{
	octets_format(wwn, 8, out);
}
