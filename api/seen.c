/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Both views of a function, the switch's and its host's own, as members of several documents. */
#include <stdio.h>

#include "api/resource.h"
#include "api/seen.h"

/* A null where nothing is told. */
static void member_text(struct buf *out, const char *key, const char *text)
{
	json_member_text(out, key, *text ? text : NULL);
}

static void member_mac(struct buf *out, const char *key, uint64_t mac)
{
	char text[IDENTITY_TEXT];

	identity_mac_format(mac, text);
	json_member_text(out, key, mac ? text : NULL);
}

static void member_wwn(struct buf *out, const char *key, uint64_t wwn)
{
	char text[IDENTITY_TEXT];

	identity_wwn_format(wwn, text);
	json_member_text(out, key, wwn ? text : NULL);
}

static void member_hex4(struct buf *out, const char *key, uint32_t id)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%04x", id & 0xffff);
	json_member_text(out, key, text);
}

/* The members of one row. */
static void row_members(const struct fabric_seen *row, struct buf *out)
{
	static const char *const links[] = {
		[FABRIC_SEEN_LINK_UNKNOWN] = NULL,
		[FABRIC_SEEN_LINK_DOWN] = "down",
		[FABRIC_SEEN_LINK_UP] = "up",
	};

	member_text(out, "address", row->address);
	json_key(out, "slot");
	if (row->slot)
		json_number(out, row->slot);
	else
		json_null(out);
	/* base class and sub-class, whether an interface stands behind them or not */
	member_hex4(out, "class",
		    row->class_code > 0xffff ? row->class_code >> 8 : row->class_code);
	member_hex4(out, "vendor", row->vendor);
	member_hex4(out, "device", row->device);
	member_text(out, "driver", row->driver);
	member_text(out, "serial", row->serial);
	member_mac(out, "mac", row->mac);
	member_wwn(out, "wwpn", row->wwpn);
	json_member_text(out, "link", links[row->link]);
}

void joined_write(const struct fabric *f, const struct fabric_function *fn, struct buf *out)
{
	struct fabric_joined joined;

	fabric_function_joined(f, fn, &joined);
	if (joined.condition == FABRIC_JOIN_NONE) {
		json_null(out);
		return;
	}
	json_open(out, '{');
	json_member_text(out, "condition", fabric_join_text(joined.condition));
	json_member_text(out, "detail", joined.detail);
	if (joined.row)
		row_members(joined.row, out);
	json_close(out, '}');
}

void bound_write(const struct fabric *f, const struct fabric_function *fn, struct buf *out)
{
	const struct provider_binding *now = &fn->as.now;
	const struct fabric_host *host = fn->host;

	if (!fn->adapter || (!now->host && !now->unknown)) {
		json_null(out);
		return;
	}
	if (!host || host->as.handle != now->host || host->provider != fn->adapter->provider)
		host = host_by_handle(f, fn->adapter->provider, now->host);
	json_open(out, '{');
	json_member_text(out, "host", now->host && host ? host->name : NULL);
	json_member_number(out, "vport", now->vport);
	json_member_number(out, "generation", now->generation);
	identity_member(out, "identity", &now->identity);
	json_member_bool(out, "unknown", now->unknown);
	json_member_bool(out, "outside", now->host && host && now->vport > host->as.vports);
	json_close(out, '}');
}

void view_write(const struct fabric *f, const struct fabric_host *host, struct buf *out)
{
	if (!host->seen_ms) {
		json_null(out);
		return;
	}
	json_open(out, '[');
	for (size_t i = 0; i < host->seen_count; i++) {
		const struct fabric_function *fn = fabric_seen_function(f, host, &host->seen[i]);

		json_open(out, '{');
		row_members(&host->seen[i], out);
		json_member_text(out, "function", fn ? fn->name : NULL);
		json_close(out, '}');
	}
	json_close(out, ']');
}
