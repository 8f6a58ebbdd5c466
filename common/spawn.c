/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/spawn.h"

#include <signal.h>
#include <spawn.h>
#include <unistd.h>

static int actions_fill(posix_spawn_file_actions_t *actions, int in, int out)
{
	int r = posix_spawn_file_actions_adddup2(actions, in, STDIN_FILENO);

	if (!r)
		r = posix_spawn_file_actions_adddup2(actions, out, STDOUT_FILENO);
	if (!r)
		r = posix_spawn_file_actions_adddup2(actions, out, STDERR_FILENO);
	if (!r)
		r = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
	if (!r)
		r = posix_spawn_file_actions_addchdir_np(actions, "/");
	return r;
}

static int attributes_fill(posix_spawnattr_t *attributes)
{
	sigset_t none;
	sigset_t all;
	int r;

	(void)sigemptyset(&none); /* cannot fail */
	(void)sigfillset(&all);   /* nor this */
	r = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
							 POSIX_SPAWN_SETSIGMASK);
	if (!r)
		r = posix_spawnattr_setpgroup(attributes, 0);
	if (!r)
		r = posix_spawnattr_setsigmask(attributes, &none);
	return r ? r : posix_spawnattr_setsigdefault(attributes, &all);
}

int spawn_alone(const char *path, char *const words[], char *const environment[], int in, int out,
		pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r = posix_spawn_file_actions_init(&actions);

	if (r)
		return -r;
	r = posix_spawnattr_init(&attributes);
	if (!r) {
		r = actions_fill(&actions, in, out);
		if (!r)
			r = attributes_fill(&attributes);
		if (!r)
			r = posix_spawn(pid, path, &actions, &attributes, words, environment);
		(void)posix_spawnattr_destroy(&attributes); /* cannot fail */
	}
	(void)posix_spawn_file_actions_destroy(&actions); /* nor this */
	return -r;
}
