/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A folder of the site's programs, as run-parts(8) has it: names of a-z A-Z 0-9 _ - only, so
 * neither hidden files nor what editors leave behind; in the order of their names. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/own.h"
#include "common/result.h"

enum {
	HOOK_NAME_MAX = 64, /* bytes, NUL included; a longer name is none of ours */
	HOOK_WHY_MAX = 160, /* bytes of a reason, NUL included */
};

struct hook_names {
	char (*names)[HOOK_NAME_MAX];
	size_t count;
};
void hook_names_done(struct hook_names *names);
OWNED_BY_VALUE(struct hook_names, hook_names_done)

/* The names in @folder, whatever they are. Return: 0; -errno, and @out has none. */
MUST_USE int hook_names_read(const char *folder, struct hook_names *out);
/* A plain file that its owner may run; or a link that leads nowhere: somebody counts on it, and it
 * is not trusted. */
bool hook_is_program(const char *path);

/**
 * hook_is_trusted() - may what stands there be run as us?
 * @path: a folder or a program; a link is followed to its end
 * @why: HOOK_WHY_MAX bytes, set when not: "is owned by uid 1000", "may be written by its group"
 *
 * Only root and our own user may be able to change it; nor, where a link leads to it, the folder
 * that it is in, for else another could stand there by the time it is run.
 */
bool hook_is_trusted(const char *path, char *why);
