/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Read from the file by fabric-db: whoever verifies a record does not ask the one who keeps it. */
#include "cli/audit.h"

#include <stdio.h>

#include "cli/session.h"
#include "cli/tool.h"

static enum cli_exit run_list(struct session *s, const struct cli_call *call)
{
	const char *last = cli_call_option(call, "--last");
	unsigned long n;
	char extra[32];

	(void)s;
	if (last && !cli_number_parse(last, 1, UINT32_MAX, &n)) {
		session_say("--last takes a number from 1 on, not %s", last);
		return CLI_USAGE;
	}
	if (last)
		(void)snprintf(extra, sizeof(extra), "--last=%lu", n);
	return tool_run("audit-list", NULL, cli_call_option(call, "--db"), last ? extra : NULL);
}

static enum cli_exit run_verify(struct session *s, const struct cli_call *call)
{
	(void)s;
	return tool_run("audit-verify", NULL, cli_call_option(call, "--db"), NULL);
}

#define DB_OPTION                                                                            \
	{                                                                                    \
		"--db", "FILE", KIND_FILE, "the database; fabricd's own unless given", false \
	}

const struct cli_command cli_audit_list = {
	.name = "audit list",
	.summary = "list who did what",
	.detail = "Read from the database, with the rights of the caller; the daemon may run.",
	.examples = "  fabricctl audit list --last 20",
	.outputs = "table",
	.options = { { "--last", "N", KIND_NUMBER, "the last N rows only", false }, DB_OPTION },
	.run = run_list,
};
const struct cli_command cli_audit_verify = {
	.name = "audit verify",
	.summary = "check that no row of the audit was changed, added or dropped",
	.detail =
		"Each row carries a keyed hash over its content and the row before; the key is "
		"beside\nthe database, NAME.audit-key, for its owner alone. Exit code 0: all fits; "
		"1: the first\nrow that does not is named.",
	.examples = "  fabricctl audit verify",
	.outputs = "table",
	.options = { DB_OPTION },
	.run = run_verify,
};
