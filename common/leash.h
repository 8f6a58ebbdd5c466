/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small process beside this one, which kills the process groups that it was told of once this one
 * is gone, however it went: by SIGKILL too, when nobody here can. It is the shell, waiting at the
 * end of a socket: it has no memory of ours, none of our files, and hears no signal that it may
 * ignore.
 */
#pragma once

#include <sys/types.h>

#include "common/own.h"
#include "common/result.h"

struct leash;

/* Return: 0, or -errno. */
MUST_USE int leash_new(struct leash **out);
/* What it holds still is left alone. */
void leash_free(struct leash *leash);
OWNED_BY(struct leash, leash_free)

/* The group of this number, from now on. Return: 0; -errno: it hears nothing any more. */
MUST_USE int leash_hold(struct leash *leash, pid_t group);
/* No longer: while its leader is not reaped, so that the number is still its own. */
MUST_USE int leash_drop(struct leash *leash, pid_t group);
