/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A backup is made by the daemon. What works on a file is done by fabric-db, which takes this
 * process's place: so fabricctl needs no SQLite, and the file is opened with the rights of the
 * person who asks.
 */
#include "cli/db.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/session.h"
#include "cli/show.h"
#include "cli/tool.h"
#include "common/json.h"

static enum cli_exit run_check(struct session *s, const struct cli_call *call)
{
	(void)s;
	return tool_run("check", call->operand_count ? call->operands[0] : NULL,
			cli_call_option(call, "--db"), NULL);
}

static enum cli_exit run_restore(struct session *s, const struct cli_call *call)
{
	(void)s;
	return tool_run("restore", call->operands[0], cli_call_option(call, "--db"), NULL);
}

/* The daemon stands in another folder than we do. */
static enum cli_exit path_whole(const char *file, char out[static PATH_MAX])
{
	char here[PATH_MAX];
	int n;

	if (*file == '/')
		n = snprintf(out, PATH_MAX, "%s", file);
	else if (getcwd(here, sizeof(here)))
		n = snprintf(out, PATH_MAX, "%s/%s", here, file);
	else
		n = -1;
	if (n > 0 && n < PATH_MAX)
		return CLI_DONE;
	session_say("%s: the path is too long", file);
	return CLI_REFUSED;
}

static enum cli_exit backup_ask(struct session *s, const char *path)
{
	OWNED(http_answer_done) struct http_answer answer = { 0 };
	OWNED(buf_done) struct buf body = { 0 };
	OWNED(buf_done) struct buf out = { 0 };
	struct http_request request = { .method = "POST",
					.target = "/v1/db/backup",
					.timeout_ms = -1,
					.waiting_for = "the copy" };
	enum cli_exit r;

	json_open(&body, '{');
	json_member_text(&body, "file", path);
	json_close(&body, '}');
	if (body.failed)
		return session_no_memory();
	request.body = (const char *)body.data;
	r = session_ask(s, &request, &answer);
	if (r)
		return r;
	if (session_is_json(s)) {
		session_print_answer(&answer);
		return CLI_DONE;
	}
	buf_printf(&out, "%s: a copy of the database\n", path);
	session_print(&out);
	return out.failed ? session_no_memory() : CLI_DONE;
}

static enum cli_exit run_backup(struct session *s, const struct cli_call *call)
{
	const char *db = cli_call_option(call, "--db");
	char path[PATH_MAX];
	enum cli_exit r;

	if (db)
		return tool_run("backup", call->operands[0], db, NULL);
	r = path_whole(call->operands[0], path);
	return r ? r : backup_ask(s, path);
}

#define DB_OPTION                                                                            \
	{                                                                                    \
		"--db", "FILE", KIND_FILE, "the database; fabricd's own unless given", false \
	}

const struct cli_command cli_db_check = {
	.name = "db check",
	.summary = "check a database, or a copy of one",
	.detail =
		"Reads the whole file and changes nothing; the daemon may run. Without FILE, the\n"
		"daemon's own. Exit code 0: sound; 1: it is not, and why.",
	.examples = "  fabricctl db check\n  fabricctl db check /var/backups/fabricd.db",
	.outputs = "table",
	.operands = { { "FILE", KIND_FILE, true } },
	.options = { DB_OPTION },
	.run = run_check,
};
const struct cli_command cli_db_backup = {
	.name = "db backup",
	.summary = "copy the database while it is in use",
	.detail =
		"The daemon writes a copy of one moment to FILE, which must not be there, and "
		"goes on\nwith its work. FILE must lie where fabricd may write: /var/lib/fabricd. "
		"With --db, no\ndaemon is asked.",
	.examples = "  fabricctl db backup /var/lib/fabricd/monday.db",
	.outputs = "table|json",
	.operands = { { "FILE", KIND_FILE, false } },
	.options = { { "--db", "FILE", KIND_FILE,
		       "copy this database, with the rights of the caller; no daemon is asked",
		       false } },
	.run = run_backup,
};
const struct cli_command cli_db_restore = {
	.name = "db restore",
	.summary = "put a copy in the place of the database",
	.detail = "The daemon must be stopped. The copy is checked first; what stood there is kept "
		  "beside,\nas NAME.replaced. The daemon then reports what the switch shows and "
		  "repairs nothing\nbefore 'fabricctl adopt'.",
	.examples = "  systemctl stop fabricd\n  fabricctl db restore /var/backups/fabricd.db\n"
		    "  systemctl start fabricd\n  fabricctl adopt --dry-run",
	.outputs = "table",
	.operands = { { "FILE", KIND_FILE, false } },
	.options = { DB_OPTION },
	.run = run_restore,
};
