/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may come next on a command line, for shells. */
#pragma once

#include <stddef.h>

#include "cli/command.h"

/* What the candidates are, beside those that are printed. */
struct complete {
	const char *begun;                 /* the word that is being written */
	const struct cli_command *command; /* NULL: not known yet */
	enum cli_kind kind;                /* of the word, where it is a value or an operand */
	bool is_value;                     /* of an option or of an operand: see @kind */
	const char *socket;                /* as given on the line, or NULL */
};

/**
 * complete_words() - candidates that need no daemon
 * @words: those before, and at the end the one that is being written, maybe ""
 * @out:   one candidate on each line
 */
void complete_words(size_t count, const char *const *words, struct complete *c, struct buf *out);

/* "/v1/hosts" for a kind that the daemon lists, else NULL. */
const char *complete_path(enum cli_kind kind);
