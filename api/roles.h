/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the caller may do, by the groups of its credentials:
 *
 *   read     access.group-ro and up: every GET
 *   operate  access.group-op and up: changes, beats, failover, readmit, spare
 *   admin    access.group-admin, root and the manager's own user: adopt, fence-confirm, which
 *            put a person's word in the place of a proof
 *
 * A group that does not exist grants nothing; who has no right gets 403, for reads too.
 */
#pragma once

#include "api/server.h"
#include "fabricd/config.h"

struct roles {
	struct {
		gid_t gid;
		bool exists;
	} groups[SERVER_RIGHT_ADMIN + 1];
	uid_t self;
};

/* Looks the groups up; may take as long as the system's name service takes. */
void roles_init(struct roles *roles, const struct config *config);
enum server_right roles_right(const struct roles *roles, const struct server_peer *peer);
const char *roles_right_text(enum server_right right); /* "operate" */
