/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/tool.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/session.h"

/* Beside this program, as they are installed and built; else whatever PATH has. */
static void program_find(char out[static PATH_MAX])
{
	static const char name[] = "fabric-db";
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	(void)snprintf(out, PATH_MAX, "%s", name);
	if (n <= 0)
		return;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (!slash || (size_t)(slash - self) + sizeof(name) + 1 > sizeof(self))
		return;
	memcpy(slash + 1, name, sizeof(name));
	if (!access(self, X_OK))
		memcpy(out, self, sizeof(self));
}

enum cli_exit tool_run(const char *command, const char *word, const char *db, const char *extra)
{
	char program[PATH_MAX];
	const char *words[8] = { program, command };
	size_t n = 2;

	program_find(program);
	if (db) {
		words[n++] = "--db";
		words[n++] = db;
	}
	if (extra)
		words[n++] = extra;
	if (word) {
		words[n++] = "--";
		words[n++] = word;
	}
	(void)execvp(program, (char *const *)(void *)words);
	session_say("%s cannot be started: %s", program, strerror(errno));
	return CLI_FAILED;
}
