/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/roles.h"

#include <grp.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"

static void group_find(struct roles *roles, enum server_right right, const char *name)
{
	char room[16 * 1024];
	struct group group;
	struct group *found = NULL;

	if (!*name)
		return;
	if (getgrnam_r(name, &group, room, sizeof(room), &found) || !found) {
		log_info("control socket: group %s does not exist and grants nothing", name);
		return;
	}
	roles->groups[right].gid = found->gr_gid;
	roles->groups[right].exists = true;
}

void roles_init(struct roles *roles, const struct config *config)
{
	*roles = (struct roles){ .self = geteuid() };
	group_find(roles, SERVER_RIGHT_READ, config->group_ro);
	group_find(roles, SERVER_RIGHT_OPERATE, config->group_op);
	group_find(roles, SERVER_RIGHT_ADMIN, config->group_admin);
}

static bool peer_has(const struct server_peer *peer, gid_t gid)
{
	if (peer->gid == gid)
		return true;
	for (size_t i = 0; i < peer->group_count; i++) {
		if (peer->groups[i] == gid)
			return true;
	}
	return false;
}

enum server_right roles_right(const struct roles *roles, const struct server_peer *peer)
{
	if (!peer->uid || peer->uid == roles->self)
		return SERVER_RIGHT_ADMIN;
	for (int right = SERVER_RIGHT_ADMIN; right > SERVER_RIGHT_NONE; right--) {
		if (roles->groups[right].exists && peer_has(peer, roles->groups[right].gid))
			return (enum server_right)right;
	}
	return SERVER_RIGHT_NONE;
}

const char *roles_right_text(enum server_right right)
{
	static const char *const texts[] = {
		[SERVER_RIGHT_NONE] = "none",
		[SERVER_RIGHT_READ] = "read",
		[SERVER_RIGHT_OPERATE] = "operate",
		[SERVER_RIGHT_ADMIN] = "admin",
	};

	return texts[right];
}
