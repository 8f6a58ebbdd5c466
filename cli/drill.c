/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/drill.h"

#include <stdio.h>
#include <string.h>

#include "cli/session.h"
#include "cli/show.h"
#include "common/json.h"
#include "common/url.h"

enum { DRILL_TIMEOUT_MS = 600000 }; /* a fence that cannot be proved takes its time */

static enum cli_exit drill_ask(struct session *s, const struct cli_call *call, const char *host,
			       struct http_answer *answer)
{
	OWNED(buf_done) struct buf url = { 0 };
	OWNED(buf_done) struct buf body = { 0 };

	buf_text(&url, "/v1/hosts/");
	url_path(&url, host);
	buf_text(&url, "/drill");
	json_open(&body, '{');
	json_member_bool(&body, "force", cli_call_option(call, "--force") != NULL);
	json_member_bool(&body, "power", cli_call_option(call, "--power") != NULL);
	json_close(&body, '}');
	if (url.failed || body.failed)
		return session_no_memory();
	return session_ask(s,
			   &(struct http_request){ .method = "POST",
						   .target = (const char *)url.data,
						   .body = (const char *)body.data,
						   .timeout_ms = DRILL_TIMEOUT_MS },
			   answer);
}

static enum cli_exit drill_one(struct session *s, const struct cli_call *call, const char *host)
{
	OWNED(http_answer_done) struct http_answer answer = { 0 };
	enum cli_exit r = drill_ask(s, call, host, &answer);

	return r ? r : show_answer(s, &answer);
}

/* One after the other: there are never two whose doors are closed. */
static enum cli_exit drill_spares(struct session *s, const struct cli_call *call)
{
	OWNED(doc_free) doc *spares = NULL;
	enum cli_exit worst = session_items(s, "/v1/hosts?spare=true", &spares);

	if (worst)
		return worst;
	if (!doc_count(spares)) {
		session_say("no host is a spare");
		return CLI_REFUSED;
	}
	for (size_t i = 0; i < doc_count(spares); i++) {
		OWNED(http_answer_done) struct http_answer answer = { 0 };
		const char *host = doc_text(doc_at(spares, i), "id");
		enum cli_exit r = drill_ask(s, call, host ? host : "", &answer);

		if (r)
			worst = r;
		if (!r && session_is_json(s))
			session_print_answer(&answer);
		else if (!session_is_json(s))
			(void)printf("%s: %s\n", host ? host : "-",
				     r ? "not drilled, or not proved" : "its fence was proved");
	}
	return worst;
}

static enum cli_exit run_drill(struct session *s, const struct cli_call *call)
{
	bool spares = cli_call_option(call, "--spares") != NULL;

	if (spares == (call->operand_count > 0)) {
		session_say("drill takes a HOST, or --spares");
		return CLI_USAGE;
	}
	return spares ? drill_spares(s, call) : drill_one(s, call, call->operands[0]);
}

const struct cli_command cli_drill = {
	.name = "drill",
	.summary = "prove the fence of an idle spare, and let it in again",
	.detail =
		"Its door is closed, it is isolated, its virtual switch is read back empty, and "
		"the "
		"door is\nopened again: what a failover would do first. Refused where it holds "
		"anything, or where\nanything else is amiss. 'host show' tells when that was last "
		"proved.",
	.examples = "  fabricctl drill bay16\n  fabricctl drill --spares",
	.outputs = "table|json",
	.operands = { { "HOST", KIND_HOST, true } },
	.options = { { "--spares", NULL, KIND_TEXT, "every spare, one after the other", false },
		     { "--force", NULL, KIND_TEXT, "also a host that is no spare", false },
		     { "--power", NULL, KIND_TEXT,
		       "take its power too, by the switch, and give it back", false } },
	.run = run_drill,
};
