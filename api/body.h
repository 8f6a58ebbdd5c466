/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Request bodies, from bytes to structs; what is wrong is named by its JSON pointer. No I/O. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/problem.h"
#include "common/own.h"
#include "fabricd/fabric.h"

enum { BODY_OPS_MAX = 4096 };

/* Each returns 0 and sets all of @out; or REFUSE_SYNTAX or REFUSE_FIELD with @p set; or -ENOMEM. */

/* POST /v1/changes */
struct body_change {
	struct fabric_request_op *ops;
	size_t op_count;
	bool dry_run;
};
void body_change_done(struct body_change *change);
OWNED_BY_VALUE(struct body_change, body_change_done)
MUST_USE int body_change_parse(const char *text, size_t length, struct body_change *out,
			       struct problem *p);

/* PUT /v1/hosts/ID/heartbeat */
struct body_beat {
	char boot_id[FABRIC_NAME_MAX];
	uint64_t seq;
};
MUST_USE int body_beat_parse(const char *text, size_t length, struct body_beat *out,
			     struct problem *p);

/* PATCH /v1/hosts/ID */
MUST_USE int body_spare_parse(const char *text, size_t length, bool *spare, struct problem *p);
/* POST maintenance: {"on":true} */
MUST_USE int body_on_parse(const char *text, size_t length, bool *on, struct problem *p);
/* PUT /v1/profiles/ID */
struct body_profile {
	unsigned priority; /* FABRIC_PRIORITY unless told */
	struct fabric_profile_member *members;
	size_t member_count;
};
void body_profile_done(struct body_profile *profile);
OWNED_BY_VALUE(struct body_profile, body_profile_done)
MUST_USE int body_profile_parse(const char *text, size_t length, struct body_profile *out,
				struct problem *p);
/* Where to: of a profile's assign and move {"host":ID,"dry_run":true}; of a drain {"to":ID,...};
 * of a release no host. {} or nothing at all where none must be told. */
enum body_place_form { BODY_PLACE_HOST, BODY_PLACE_TO, BODY_PLACE_NONE, BODY_PLACE_FORMS };
struct body_place {
	char host[FABRIC_NAME_MAX]; /* "": not told */
	bool dry_run;
};
MUST_USE int body_place_parse(const char *text, size_t length, enum body_place_form form,
			      struct body_place *out, struct problem *p);
/* POST drill: {"force":true,"power":true}, {}, or nothing at all */
MUST_USE int body_drill_parse(const char *text, size_t length, struct fabric_drill *out,
			      struct problem *p);
/* POST fence-confirm */
MUST_USE int body_confirm_parse(const char *text, size_t length, uint64_t *incident,
				struct problem *p);
/* POST replay: {"set":{KEY:VALUE}}, {}, or nothing at all */
enum { BODY_SETS_MAX = 16 };
struct body_replay {
	struct {
		char key[FABRIC_NAME_MAX];
		char value[FABRIC_NAME_MAX];
	} sets[BODY_SETS_MAX];
	size_t count;
};
MUST_USE int body_replay_parse(const char *text, size_t length, struct body_replay *out,
			       struct problem *p);
/* POST enroll: {"force":true}, {}, or nothing at all */
MUST_USE int body_force_parse(const char *text, size_t length, bool *force, struct problem *p);
/* {"dry_run":true}, {}, or nothing at all */
MUST_USE int body_dry_run_parse(const char *text, size_t length, bool *dry_run, struct problem *p);
/* {} or nothing at all */
MUST_USE int body_empty_parse(const char *text, size_t length, struct problem *p);
/* POST /v1/db/backup: an absolute path, of DB_TEXT_MAX bytes at most. */
MUST_USE int body_file_parse(const char *text, size_t length, char out[static DB_TEXT_MAX],
			     struct problem *p);
