/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every fallible function returns. */
#pragma once

#define MUST_USE __attribute__((warn_unused_result))

/*
 * int  0   done
 *     <0   -errno: the machine failed (memory, I/O, kernel); the caller passes it up unchanged
 *     >0   enum refusal: the request is refused for a reason that its sender can act on
 */
enum refusal {
	/* what is named does not exist */
	REFUSE_NO_FUNCTION = 1,
	REFUSE_NO_HOST,
	REFUSE_NO_VPORT,
	REFUSE_NO_VF,
	REFUSE_NO_ADAPTER,
	REFUSE_NO_CHANGE,
	REFUSE_NO_INCIDENT,
	REFUSE_NO_PROFILE,
	REFUSE_NO_RECORD,
	REFUSE_NO_RESOURCE,
	/* the fabric is not in the state that the request needs */
	REFUSE_FUNCTION_BOUND,
	REFUSE_FUNCTION_FREE,
	REFUSE_FUNCTION_LOCKED,
	REFUSE_FUNCTION_KEPT,
	REFUSE_FUNCTION_BLOCKED,
	REFUSE_FUNCTION_BAD,
	REFUSE_ADAPTER_SPLIT,
	REFUSE_VF_IN_USE,
	REFUSE_VPORT_TAKEN,
	REFUSE_HOST_FULL,
	REFUSE_HOST_LOCKED,
	REFUSE_HOST_FENCED,
	REFUSE_HOST_STATE,
	REFUSE_HOST_BUSES,
	REFUSE_NO_SPARE,
	REFUSE_RESERVE,
	REFUSE_IDENTITY_TAKEN,
	REFUSE_IDENTITY_KIND,
	REFUSE_DEPENDENCY,
	REFUSE_SAME_HOST,
	REFUSE_TWICE,
	REFUSE_NOT_CANCELLABLE,
	REFUSE_PROVIDER_AWAY,
	REFUSE_UNREACHABLE,
	REFUSE_FROZEN,
	REFUSE_IN_DOUBT,
	REFUSE_BLAST,
	REFUSE_ADOPT,
	REFUSE_CARD_WITHHELD,
	REFUSE_BACKUP,
	REFUSE_IN_PROFILE,
	REFUSE_PROFILE_WAITS,
	REFUSE_DRILL,
	/* the request itself */
	REFUSE_SYNTAX,
	REFUSE_FIELD,
	REFUSE_TOO_LARGE,
	REFUSE_METHOD,
	REFUSE_RIGHT,
	REFUSE_PRECONDITION,
	REFUSE_KEY_REUSED,
	REFUSE_LIMIT,
	REFUSE_HTTP,
	REFUSE_TARGET_LONG,
	REFUSE_HEAD_LARGE,
	REFUSE_TIMEOUT,
	REFUSE_EXPECT,
	REFUSE_NOT_IMPLEMENTED,
	REFUSE_HTTP_VERSION,
	REFUSE_INTERNAL,
	REFUSAL_END,
};

/* The sentence for people, without a full stop; never NULL for 1 .. REFUSAL_END - 1. */
const char *refusal_text(int refusal);
/* A word for programs, as "code" in problem+json: "function-bound". Never changes. */
const char *refusal_code(int refusal);
int refusal_http_status(int refusal);
