/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/hook_folder.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_hook(const struct dirent *entry)
{
	static const char good[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	size_t length = strlen(entry->d_name);

	return length && length < HOOK_NAME_MAX && strspn(entry->d_name, good) == length;
}

void hook_names_done(struct hook_names *names)
{
	free(names->names);
	*names = (struct hook_names){ 0 };
}

int hook_names_read(const char *folder, struct hook_names *out)
{
	struct dirent **entries = NULL;
	int count = scandir(folder, &entries, is_hook, alphasort);
	int r = 0;

	*out = (struct hook_names){ 0 };
	if (count < 0)
		return -errno;
	out->names = calloc((size_t)count + 1, sizeof(*out->names));
	if (!out->names)
		r = -ENOMEM;
	for (int i = 0; i < count; i++) {
		if (!r)
			(void)snprintf(out->names[out->count++], HOOK_NAME_MAX, "%.63s",
				       entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return r;
}

bool hook_is_program(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return !lstat(path, &st) && S_ISLNK(st.st_mode);
	return S_ISREG(st.st_mode) && (st.st_mode & S_IXUSR);
}

static bool is_ours(const char *path, char *why)
{
	struct stat st;

	if (stat(path, &st)) {
		(void)snprintf(why, HOOK_WHY_MAX, "cannot be read: %s", strerror(errno));
		return false;
	}
	if (st.st_uid && st.st_uid != geteuid()) {
		(void)snprintf(why, HOOK_WHY_MAX, "is owned by uid %u", (unsigned)st.st_uid);
		return false;
	}
	if (st.st_mode & (S_IWGRP | S_IWOTH)) {
		(void)snprintf(why, HOOK_WHY_MAX, "may be written by %s",
			       st.st_mode & S_IWOTH ? "everybody" : "its group");
		return false;
	}
	return true;
}

/* The folder at the end of the link @path. */
static bool end_is_ours(const char *path, char *why)
{
	char reason[HOOK_WHY_MAX];
	char end[PATH_MAX];
	char *slash;

	if (!realpath(path, end)) {
		(void)snprintf(why, HOOK_WHY_MAX, "is a link that leads nowhere: %s",
			       strerror(errno));
		return false;
	}
	slash = strrchr(end, '/');
	slash[slash == end] = '\0'; /* "/" stays */
	if (is_ours(end, reason))
		return true;
	(void)snprintf(why, HOOK_WHY_MAX, "is a link into %.60s, which %.70s", end, reason);
	return false;
}

bool hook_is_trusted(const char *path, char *why)
{
	struct stat st;

	return is_ours(path, why) &&
	       (lstat(path, &st) || !S_ISLNK(st.st_mode) || end_is_ours(path, why));
}
