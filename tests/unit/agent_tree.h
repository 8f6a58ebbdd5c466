/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tree as sysfs shows it, in a temporary folder, for tests of agent/. Included after cmocka.h. */
#pragma once

#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct tree {
	char root[64];
};

static inline void tree_folders(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(path, 0755);
		*slash = '/';
	}
}

static inline void tree_init(struct tree *t)
{
	(void)snprintf(t->root, sizeof(t->root), "/tmp/fabric-tree-XXXXXX");
	assert_non_null(mkdtemp(t->root));
}

static inline int tree_remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static inline void tree_remove(const struct tree *t, const char *name)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/%s", t->root, name);
	(void)nftw(path, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void tree_done(struct tree *t)
{
	tree_remove(t, "");
}

/* Its folders are made; @text is what stands in it. */
static inline void tree_file(const struct tree *t, const char *name, const char *text)
{
	char path[512];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", t->root, name);
	tree_folders(path);
	file = fopen(path, "we");
	assert_non_null(file);
	(void)fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static inline void tree_read(const struct tree *t, const char *name, char *out, size_t size)
{
	char path[512];
	FILE *file;
	size_t n = 0;

	(void)snprintf(path, sizeof(path), "%s/%s", t->root, name);
	file = fopen(path, "re");
	if (file) {
		n = fread(out, 1, size - 1, file);
		(void)fclose(file); /* was only read */
	}
	out[n] = '\0';
}

static inline void tree_link(const struct tree *t, const char *name, const char *target)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/%s", t->root, name);
	tree_folders(path);
	assert_int_equal(symlink(target, path), 0);
}

static inline void tree_program(const struct tree *t, const char *name, const char *script)
{
	char path[512];
	char text[2048];

	(void)snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", script);
	tree_file(t, name, text);
	(void)snprintf(path, sizeof(path), "%s/%s", t->root, name);
	assert_int_equal(chmod(path, 0755), 0);
}

/* A function with class, vendor, device, e.g. "0x010802", "0x1b36", "0x0010". */
static inline void tree_function(const struct tree *t, const char *address, const char *class_code,
				 const char *vendor, const char *device, const char *driver)
{
	char name[256];

	(void)snprintf(name, sizeof(name), "bus/pci/devices/%s/class", address);
	tree_file(t, name, class_code);
	(void)snprintf(name, sizeof(name), "bus/pci/devices/%s/vendor", address);
	tree_file(t, name, vendor);
	(void)snprintf(name, sizeof(name), "bus/pci/devices/%s/device", address);
	tree_file(t, name, device);
	(void)snprintf(name, sizeof(name), "bus/pci/devices/%s/driver", address);
	if (driver)
		tree_link(t, name, driver);
}

static inline void tree_slot(const struct tree *t, const char *slot, const char *address)
{
	char name[256];

	(void)snprintf(name, sizeof(name), "bus/pci/slots/%s/address", slot);
	tree_file(t, name, address);
	(void)snprintf(name, sizeof(name), "bus/pci/slots/%s/power", slot);
	tree_file(t, name, "1");
}

/* An NVMe disk with one partition. */
static inline void tree_nvme(const struct tree *t, const char *address)
{
	char name[256];

	tree_function(t, address, "0x010802\n", "0x1b36\n", "0x0010\n", "../drivers/nvme");
	(void)snprintf(name, sizeof(name), "bus/pci/devices/%s/nvme/nvme0/serial", address);
	tree_file(t, name, "  FAB0001             \n");
	(void)snprintf(name, sizeof(name), "bus/pci/devices/%s/nvme/nvme0/nvme0n1/uevent", address);
	tree_file(t, name, "MAJOR=259\nMINOR=0\nDEVNAME=nvme0n1\nDEVTYPE=disk\n");
	(void)snprintf(name, sizeof(name), "bus/pci/devices/%s/nvme/nvme0/nvme0n1/nvme0n1p1/uevent",
		       address);
	tree_file(t, name, "DEVNAME=nvme0n1p1\n");
}
