/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/result.h"

/* The one place that says how a refusal looks outside: control socket, HTTP, CLI and manual. */
static const struct {
	int http;
	const char *code;
	const char *text;
} refusals[REFUSAL_END] = {
	[REFUSE_NO_FUNCTION] = { 404, "no-function", "no such function" },
	[REFUSE_NO_HOST] = { 404, "no-host", "no such host" },
	[REFUSE_NO_VPORT] = { 404, "no-vport", "the host has no such vport" },
	[REFUSE_NO_VF] = { 404, "no-vf", "no such virtual function" },
	[REFUSE_NO_ADAPTER] = { 404, "no-adapter", "no such adapter" },
	[REFUSE_NO_CHANGE] = { 404, "no-change", "no such change" },
	[REFUSE_NO_INCIDENT] = { 404, "no-incident", "no such incident" },
	[REFUSE_NO_PROFILE] = { 404, "no-profile", "no such profile" },
	[REFUSE_NO_RECORD] = { 404, "no-record", "nothing is kept that could be run again" },
	[REFUSE_NO_RESOURCE] = { 404, "not-found", "no such resource" },
	[REFUSE_FUNCTION_BOUND] = { 409, "function-bound", "function is bound to another host" },
	[REFUSE_FUNCTION_FREE] = { 409, "function-free", "function is assigned to no host" },
	[REFUSE_FUNCTION_LOCKED] = { 409, "function-locked",
				     "function is locked by another change" },
	[REFUSE_FUNCTION_KEPT] = { 409, "function-kept",
				   "function stays with the keeper of its shared adapter" },
	[REFUSE_FUNCTION_BLOCKED] = { 409, "function-blocked",
				      "function is blocked until its host is proved fenced" },
	[REFUSE_FUNCTION_BAD] = { 409, "function-bad", "function is marked bad" },
	[REFUSE_ADAPTER_SPLIT] = { 409, "adapter-split",
				   "adapter is given whole elsewhere, or its VFs are" },
	[REFUSE_VF_IN_USE] = { 409, "vf-in-use", "virtual function is in use by its host" },
	[REFUSE_VPORT_TAKEN] = { 409, "vport-taken", "vport is taken by another function" },
	[REFUSE_HOST_FULL] = { 409, "host-full", "host has no free vport" },
	[REFUSE_HOST_LOCKED] = { 409, "host-locked", "host is locked by an incident" },
	[REFUSE_HOST_FENCED] = { 409, "host-fenced", "host is fenced; readmit it first" },
	[REFUSE_HOST_STATE] = { 409, "host-state", "host is not in a state that allows this" },
	[REFUSE_HOST_BUSES] = { 409, "host-buses",
				"host's virtual hierarchy has no room for it (buses or windows)" },
	[REFUSE_NO_SPARE] = { 409, "no-spare", "no spare host is fit to take over" },
	[REFUSE_RESERVE] = { 409, "reserve", "the spares need that room for failures" },
	[REFUSE_IDENTITY_TAKEN] = { 409, "identity-taken",
				    "identity is in use by another function" },
	[REFUSE_IDENTITY_KIND] = { 422, "identity-kind",
				   "this kind of adapter cannot carry that identity" },
	[REFUSE_DEPENDENCY] = { 409, "dependency",
				"functions tied by a dependency link go together" },
	[REFUSE_SAME_HOST] = { 409, "same-host", "function is at that host already" },
	[REFUSE_TWICE] = { 422, "named-twice", "function is named twice" },
	[REFUSE_NOT_CANCELLABLE] = { 409, "not-cancellable",
				     "change has had its first effect, or has ended" },
	[REFUSE_PROVIDER_AWAY] = { 503, "provider-away",
				   "the switch's provider is not ready; try again" },
	[REFUSE_UNREACHABLE] = { 409, "unreachable", "host and adapter share no switch" },
	[REFUSE_FROZEN] = { 503, "frozen", "the manager is frozen and changes nothing" },
	[REFUSE_IN_DOUBT] = { 409, "in-doubt", "not yet settled at the switch; try again" },
	[REFUSE_BLAST] = { 409, "blast-set", "the reset it needs would hit another owner" },
	[REFUSE_ADOPT] = { 409, "adopt-first",
			   "the switch shows bindings that this database does not know; adopt" },
	[REFUSE_CARD_WITHHELD] = { 409, "card-withheld",
				   "its card is not ready in its slot, or not scrubbed" },
	[REFUSE_BACKUP] = { 409, "backup", "the copy of the database was not made" },
	[REFUSE_IN_PROFILE] = { 409, "in-profile", "functions of a profile go together" },
	[REFUSE_PROFILE_WAITS] = { 409, "profile-waits",
				   "a function of the profile is parked, or its host is fenced" },
	[REFUSE_DRILL] = { 409, "drill-failed",
			   "its fence was not proved, or it was not let in again" },
	[REFUSE_SYNTAX] = { 400, "bad-json", "body is not valid JSON" },
	[REFUSE_FIELD] = { 400, "bad-field", "a field is missing, unknown or out of range" },
	[REFUSE_TOO_LARGE] = { 413, "too-large", "body is larger than 1 MiB" },
	[REFUSE_METHOD] = { 405, "bad-method", "method is not allowed here" },
	[REFUSE_RIGHT] = { 403, "forbidden", "caller's role does not allow this" },
	[REFUSE_PRECONDITION] = { 412, "precondition",
				  "resource is not as If-Match or If-None-Match says" },
	[REFUSE_KEY_REUSED] = { 409, "key-reused",
				"Idempotency-Key was used with another request" },
	[REFUSE_LIMIT] = { 503, "limit", "too many at once; try again later" },
	[REFUSE_HTTP] = { 400, "bad-request", "request is not valid HTTP/1.1" },
	[REFUSE_TARGET_LONG] = { 414, "target-too-long", "request target is too long" },
	[REFUSE_HEAD_LARGE] = { 431, "headers-too-large", "request headers are too large" },
	[REFUSE_TIMEOUT] = { 408, "timeout", "request did not arrive in time" },
	[REFUSE_EXPECT] = { 417, "expectation", "only Expect: 100-continue is known" },
	[REFUSE_NOT_IMPLEMENTED] = { 501, "not-implemented",
				     "only the transfer coding chunked is known" },
	[REFUSE_HTTP_VERSION] = { 505, "http-version", "only HTTP/1.0 and HTTP/1.1 are spoken" },
	[REFUSE_INTERNAL] = { 500, "internal", "the manager failed to answer; see its log" },
};

const char *refusal_text(int refusal)
{
	return refusals[refusal].text;
}

const char *refusal_code(int refusal)
{
	return refusals[refusal].code;
}

int refusal_http_status(int refusal)
{
	return refusals[refusal].http;
}
