/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "topology/name.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { TAIL = 4 }; /* characters of a serial that a name begins with */

/* By base class and sub-class; the first that fits. */
static const struct {
	uint16_t mask;
	uint16_t class;
	const char *kind;
} kinds[] = {
	{ 0xffff, 0x0207, "ib" },    { 0xff00, 0x0200, "nic" },   { 0xffff, 0x0c04, "fc" },
	{ 0xffff, 0x0c06, "ib" },    { 0xffff, 0x0108, "nvme" },  { 0xff00, 0x0100, "hba" },
	{ 0xff00, 0x0300, "gpu" },   { 0xffff, 0x0502, "cxl" },   { 0xffff, 0x0c03, "usb" },
	{ 0xff00, 0x1000, "crypt" }, { 0xff00, 0x1200, "accel" },
};

const char *topo_name_kind(uint32_t class_code)
{
	uint16_t class = (uint16_t)(class_code >> 8);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if ((class & kinds[i].mask) == kinds[i].class)
			return kinds[i].kind;
	return "dev";
}

/* What counts of a serial, in @out; returns how much that is. */
static size_t serial_clean(const char *serial, char out[static TOPO_NAME_MAX])
{
	size_t n = 0;

	for (; *serial && n < TOPO_NAME_MAX - 1; serial++)
		if (isascii(*serial) && isalnum(*serial))
			out[n++] = (char)tolower(*serial);
	out[n] = '\0';
	return n;
}

/* A position may be long: it gives way, the number does not. */
static void name_numbered(const char *kind, const char *position,
			  bool (*is_taken)(const char *name, void *arg), void *arg, char *out)
{
	(void)snprintf(out, TOPO_NAME_MAX, "%s-%.48s", kind, position);
	for (unsigned n = 2; is_taken(out, arg); n++)
		(void)snprintf(out, TOPO_NAME_MAX, "%s-%.40s-%u", kind, position, n);
}

void topo_name_adapter(uint32_t class_code, const char *serial, const char *position,
		       bool (*is_taken)(const char *name, void *arg), void *arg, char *out)
{
	const char *kind = topo_name_kind(class_code);
	char clean[TOPO_NAME_MAX];
	size_t length = serial_clean(serial, clean);

	for (size_t tail = TAIL < length ? TAIL : length; tail && tail <= length; tail++) {
		(void)snprintf(out, TOPO_NAME_MAX, "%s-%.56s", kind, clean + length - tail);
		if (!is_taken(out, arg))
			return;
	}
	name_numbered(kind, position, is_taken, arg, out);
}

void topo_name_function(const char *adapter, enum topo_name_function_kind kind, unsigned pf,
			unsigned vf, char *out)
{
	switch (kind) {
	case TOPO_NAME_DEVICE:
		(void)snprintf(out, TOPO_NAME_MAX, "%s/f%u", adapter, pf);
		break;
	case TOPO_NAME_BF:
		(void)snprintf(out, TOPO_NAME_MAX, "%s/bf", adapter);
		break;
	case TOPO_NAME_PF:
		(void)snprintf(out, TOPO_NAME_MAX, "%s/pf%u", adapter, pf);
		break;
	case TOPO_NAME_VF:
		(void)snprintf(out, TOPO_NAME_MAX, "%s/pf%u/vf%u", adapter, pf, vf);
		break;
	}
}

void topo_name_in_chassis(const char *place, unsigned chassis, char *out)
{
	if (chassis > 1)
		(void)snprintf(out, TOPO_NAME_MAX, "ch%u/%s", chassis, place);
	else
		(void)snprintf(out, TOPO_NAME_MAX, "%s", place);
}

void topo_name_port(const char *switch_name, unsigned port, char *out)
{
	(void)snprintf(out, TOPO_NAME_MAX, "%s/p%u", switch_name, port);
}
