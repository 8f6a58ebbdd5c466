/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/pci/guard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	DEPTH_MAX = 8, /* block devices on block devices */
	LINES_MAX = 65536,
	CLASS_BRIDGE = 0x06,
	FLAG_UP = 1, /* IFF_UP */
};

struct look {
	const struct sysfs *s;
	char function[PATH_MAX]; /* its folder, resolved, with a slash behind */
	char *why;
};

__attribute__((format(printf, 2, 3))) static void say(const struct look *l, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(l->why, GUARD_WHY, format, args); /* cut is fine */
	va_end(args);
}

/* What @path below the tree is in truth; false: it is not there. */
static bool resolve(const struct look *l, const char *path, char out[static PATH_MAX])
{
	char whole[PATH_MAX];

	return snprintf(whole, sizeof(whole), "%s/%s", l->s->tree, path) < (int)sizeof(whole) &&
	       realpath(whole, out);
}

static bool is_below(const struct look *l, const char *resolved)
{
	return !strncmp(resolved, l->function, strlen(l->function));
}

/* Calls @fn for each entry of a resolved folder until it says true. */
static bool each_entry(const char *folder,
		       bool (*fn)(void *arg, const char *path, const char *name), void *arg)
{
	char path[PATH_MAX];
	struct dirent *entry;
	size_t looked = 0;
	bool found = false;
	DIR *d = opendir(folder);

	if (!d)
		return false;
	while (!found && looked++ < SYSFS_ENTRIES_MAX && (entry = readdir(d)))
		if (entry->d_name[0] != '.' && snprintf(path, sizeof(path), "%s/%s", folder,
							entry->d_name) < (int)sizeof(path))
			found = fn(arg, path, entry->d_name);
	closedir(d);
	return found;
}

/* ---- paths to an NVMe namespace that has several ---- */

struct paths {
	const struct look *l;
	bool ours;
	bool others; /* that work */
};

static bool is_live(const char *controller)
{
	char path[PATH_MAX];
	char text[32];
	const struct sysfs whole = { .tree = "" };

	if (snprintf(path, sizeof(path), "%s/state", controller + 1) >= (int)sizeof(path))
		return false;
	return !sysfs_read(&whole, path, text, sizeof(text)) && !strcmp(text, "live");
}

static bool path_look(void *arg, const char *path, const char *name)
{
	struct paths *p = arg;
	char resolved[PATH_MAX];

	/* "nvme0", a controller; "nvme0n1" is a namespace */
	if (strncmp(name, "nvme", 4) != 0 || strspn(name + 4, "0123456789") != strlen(name + 4) ||
	    !realpath(path, resolved))
		return false;
	if (is_below(p->l, resolved))
		p->ours = true;
	else if (is_live(resolved))
		p->others = true;
	return false;
}

/* @disk: ".../nvme-subsystem/nvme-subsys0/nvme0n1..." */
static bool is_last_path(const struct look *l, const char *disk)
{
	static const char part[] = "/nvme-subsystem/";
	struct paths paths = { .l = l };
	char folder[PATH_MAX];
	const char *at = strstr(disk, part);
	const char *end = at ? strchr(at + sizeof(part) - 1, '/') : NULL;

	if (!end)
		return false;
	(void)snprintf(folder, sizeof(folder), "%.*s", (int)(end - disk), disk); /* it fits */
	(void)each_entry(folder, path_look, &paths);                             /* all of them */
	return paths.ours && !paths.others;
}

/* ---- block devices ---- */

struct descent {
	const struct look *l;
	unsigned depth;
};

static bool stands_on(const struct look *l, const char *disk, unsigned depth);

static bool slave_look(void *arg, const char *path, const char *name)
{
	const struct descent *d = arg;
	char resolved[PATH_MAX];

	(void)name;
	return realpath(path, resolved) && stands_on(d->l, resolved, d->depth + 1);
}

/* Is this block device's folder, resolved, the function's, or built on one that is? */
static bool stands_on(const struct look *l, const char *disk, unsigned depth)
{
	struct descent down = { .l = l, .depth = depth };
	char slaves[PATH_MAX];

	if (is_below(l, disk) || is_last_path(l, disk))
		return true;
	if (depth == DEPTH_MAX ||
	    snprintf(slaves, sizeof(slaves), "%s/slaves", disk) >= (int)sizeof(slaves))
		return depth == DEPTH_MAX; /* nobody builds so high: not believed */
	return each_entry(slaves, slave_look, &down);
}

/* "/dev/mapper/root" as its block device's folder. */
static bool disk_of_source(const struct look *l, const char *source, char out[static PATH_MAX])
{
	char path[PATH_MAX];
	char resolved[PATH_MAX];
	const char *name;

	if (strncmp(source, "/dev/", 5) != 0)
		return false;
	name = strrchr(resolve(l, source + 1, resolved) ? resolved : source, '/') + 1;
	return snprintf(path, sizeof(path), "sys/class/block/%s", name) < (int)sizeof(path) &&
	       resolve(l, path, out);
}

/* One line of mountinfo: proc(5). */
static bool mount_look(const struct look *l, char *line)
{
	char disk[PATH_MAX];
	char path[64];
	char where[PATH_MAX];
	char source[PATH_MAX];
	unsigned major;
	unsigned minor;
	const char *dash = strstr(line, " - ");
	bool found;

	if (!dash || sscanf(line, "%*u %*u %u:%u %*s %4095s", &major, &minor, where) != 3 ||
	    sscanf(dash, " - %*s %4095s", source) != 1)
		return false;
	(void)snprintf(path, sizeof(path), "sys/dev/block/%u:%u", major, minor); /* it fits */
	/* some file systems, btrfs among them, have numbers of their own */
	found = (major && resolve(l, path, disk)) || disk_of_source(l, source, disk);
	if (!found || !stands_on(l, disk, 0))
		return false;
	say(l, "%.60s (%.40s) is mounted from it", where, strrchr(disk, '/') + 1);
	return true;
}

static bool swap_look(const struct look *l, char *line)
{
	char disk[PATH_MAX];
	char *end = line + strcspn(line, " \t");

	*end = '\0';
	if (!disk_of_source(l, line, disk) || !stands_on(l, disk, 0))
		return false;
	say(l, "there is swap on it (%.40s)", strrchr(disk, '/') + 1);
	return true;
}

/* Return: 1 found, 0 not, <0 it cannot be read. */
static int each_line(const struct look *l, const char *path,
		     bool (*fn)(const struct look *l, char *line))
{
	char whole[PATH_MAX];
	char *line = NULL;
	size_t room = 0;
	size_t looked = 0;
	int r = 0;
	FILE *f;

	if (snprintf(whole, sizeof(whole), "%s/%s", l->s->tree, path) >= (int)sizeof(whole))
		return -ENAMETOOLONG;
	f = fopen(whole, "re");
	if (!f)
		return -errno;
	while (!r && looked++ < LINES_MAX && getline(&line, &room, f) > 0)
		r = fn(l, line);
	if (!r && ferror(f))
		r = -EIO;
	free(line);
	(void)fclose(f); /* only read */
	return r;
}

static bool name_say(void *arg, const char *path, const char *name)
{
	(void)path;
	say(arg, "%.40s is built on it", name);
	return true;
}

static bool block_look(void *arg, const char *path, const char *name)
{
	struct look *l = arg;
	char resolved[PATH_MAX];
	char holders[PATH_MAX];

	(void)name;
	return realpath(path, resolved) && is_below(l, resolved) &&
	       snprintf(holders, sizeof(holders), "%s/holders", resolved) < (int)sizeof(holders) &&
	       each_entry(holders, name_say, l);
}

/* ---- network ---- */

static bool interface_look(void *arg, const char *path, const char *name)
{
	struct look *l = arg;
	char resolved[PATH_MAX];
	char leaf[PATH_MAX];
	char flags_path[PATH_MAX];
	uint64_t flags = 0;

	if (!realpath(path, resolved) || !is_below(l, resolved) ||
	    snprintf(leaf, sizeof(leaf), "%s/master", resolved) >= (int)sizeof(leaf) ||
	    snprintf(flags_path, sizeof(flags_path), "sys/class/net/%s/flags", name) >=
		    (int)sizeof(flags_path))
		return false;
	if (!access(leaf, F_OK))
		say(l, "network interface %.40s is part of another one", name);
	else if (!sysfs_number(l->s, flags_path, &flags) && flags & FLAG_UP)
		say(l, "network interface %.40s is up", name);
	else
		return false;
	return true;
}

static bool any_entry(void *arg, const char *path, const char *name)
{
	(void)arg;
	(void)path;
	(void)name;
	return true;
}

static bool is_net_elsewhere(const struct look *l)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%snet", l->function) >= (int)sizeof(path) ||
	    access(path, F_OK) != 0 || each_entry(path, any_entry, NULL))
		return false;
	say(l, "its network interface is in another network namespace");
	return true;
}

static bool is_busy(struct look *l)
{
	char path[PATH_MAX];

	return (resolve(l, "sys/class/net", path) && each_entry(path, interface_look, l)) ||
	       is_net_elsewhere(l);
}

/* ---- the whole ---- */

static bool is_bridge_or_display(const struct look *l, const struct topo_address *address)
{
	char path[PATH_MAX];
	uint64_t n;

	sysfs_path(address, "class", path);
	if (sysfs_number(l->s, path, &n)) {
		say(l, "its class cannot be read");
		return true;
	}
	if (n >> 16 == CLASS_BRIDGE) {
		say(l, "it is a bridge");
		return true;
	}
	sysfs_path(address, "boot_vga", path);
	if (sysfs_number(l->s, path, &n) || !n)
		return false;
	say(l, "it is the display that the firmware chose");
	return true;
}

static bool carries_storage(struct look *l)
{
	char path[PATH_MAX];
	/* those of the first process: our own may be a copy without what is mounted later */
	int r = each_line(l, "proc/1/mountinfo", mount_look);

	if (r < 0)
		r = each_line(l, "proc/self/mountinfo", mount_look);
	if (r < 0)
		say(l, "what is mounted cannot be read: %s", strerror(-r));
	if (r)
		return true;
	r = each_line(l, "proc/swaps", swap_look);
	/* a kernel without swap has no such file */
	if (r && r != -ENOENT)
		return true;
	return resolve(l, "sys/class/block", path) && each_entry(path, block_look, l);
}

enum guard_finding guard_look(const struct sysfs *s, const struct topo_address *address,
			      char why[static GUARD_WHY])
{
	struct look l = { .s = s, .why = why };
	char path[PATH_MAX];
	size_t length;

	why[0] = '\0';
	sysfs_path(address, "", path);
	if (!resolve(&l, path, l.function))
		return GUARD_FREE; /* it is not there */
	length = strlen(l.function);
	if (length + 1 >= sizeof(l.function)) {
		say(&l, "its path is too long");
		return GUARD_PROTECTED;
	}
	l.function[length] = '/';
	l.function[length + 1] = '\0';
	if (is_bridge_or_display(&l, address) || carries_storage(&l))
		return GUARD_PROTECTED;
	return is_busy(&l) ? GUARD_BUSY : GUARD_FREE;
}
