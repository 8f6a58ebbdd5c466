/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes: sending one, following it to its end, and what its end means. */
#pragma once

#include "cli/command.h"
#include "cli/doc.h"
#include "cli/session.h"

extern const struct cli_command cli_function_assign, cli_function_release, cli_function_move,
	cli_change_submit, cli_change_wait, cli_change_cancel;

/* What a change's state means for the one who waited for it: "done" CLI_DONE, "refused"
 * CLI_REFUSED, all others CLI_FAILED. */
enum cli_exit change_exit(const char *state);

/* Sends @body to @path and, with the call's --wait, follows the change that comes of it; prints
 * what became of it, or the plan that is the answer. */
enum cli_exit change_send(struct session *s, const struct cli_call *call, const char *path,
			  const char *body, bool dry_run);

/* A file, or stdin for "-", up to the greatest body that the daemon takes. */
enum cli_exit change_body_read(const char *path, struct buf *out);

/* A plan that nothing was done of, in words. */
void change_print_plan(struct session *s, const doc *d);
