/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/roles.h"

enum { GID_RO = 701, GID_OP = 702, GID_ADMIN = 703, UID_SELF = 500, UID_OTHER = 501 };

static const struct roles roles = {
	.groups = { [SERVER_RIGHT_READ] = { GID_RO, true },
		    [SERVER_RIGHT_OPERATE] = { GID_OP, true },
		    [SERVER_RIGHT_ADMIN] = { GID_ADMIN, true } },
	.self = UID_SELF,
};

static enum server_right right_of(const struct roles *r, uid_t uid, gid_t gid, gid_t extra)
{
	const gid_t groups[] = { 4, extra };

	return roles_right(r, &(struct server_peer){
				      .uid = uid, .gid = gid, .groups = groups, .group_count = 2 });
}

static void root_and_the_managers_own_user_are_admin(void **state)
{
	(void)state;
	assert_int_equal(right_of(&roles, 0, 9, 9), SERVER_RIGHT_ADMIN);
	assert_int_equal(right_of(&roles, UID_SELF, 9, 9), SERVER_RIGHT_ADMIN);
}

static void each_group_grants_its_right_as_primary_or_supplementary(void **state)
{
	(void)state;
	for (int right = SERVER_RIGHT_READ; right <= SERVER_RIGHT_ADMIN; right++) {
		gid_t gid = roles.groups[right].gid;

		assert_int_equal(right_of(&roles, UID_OTHER, gid, 9), right);
		assert_int_equal(right_of(&roles, UID_OTHER, 9, gid), right);
	}
	assert_int_equal(right_of(&roles, UID_OTHER, GID_RO, GID_OP), SERVER_RIGHT_OPERATE);
}

static void nobody_else_has_any_right(void **state)
{
	(void)state;
	assert_int_equal(right_of(&roles, UID_OTHER, 9, 9), SERVER_RIGHT_NONE);
}

static void a_group_that_does_not_exist_grants_nothing(void **state)
{
	struct config config;
	struct roles none;

	(void)state;
	config_init(&config);
	memcpy(config.group_admin, "no-such-group-here", sizeof("no-such-group-here"));
	memcpy(config.group_op, "no-such-group-here", sizeof("no-such-group-here"));
	*config.group_ro = '\0';
	roles_init(&none, &config);

	/* gid 0 is what an unset field would hold */
	assert_int_equal(right_of(&none, 12345, 0, 0), SERVER_RIGHT_NONE);
}

static void groups_are_found_by_their_names(void **state)
{
	struct config config;
	struct roles found;

	(void)state;
	config_init(&config);
	memcpy(config.group_op, "root", sizeof("root"));
	roles_init(&found, &config);

	assert_int_equal(right_of(&found, 12345, 9, 0), SERVER_RIGHT_OPERATE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_and_the_managers_own_user_are_admin),
		cmocka_unit_test(each_group_grants_its_right_as_primary_or_supplementary),
		cmocka_unit_test(nobody_else_has_any_right),
		cmocka_unit_test(a_group_that_does_not_exist_grants_nothing),
		cmocka_unit_test(groups_are_found_by_their_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
