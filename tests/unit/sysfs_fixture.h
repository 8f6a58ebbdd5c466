/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A sysfs tree in a temporary folder that answers writes as the kernel does, or as it is told. */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "provider/pci/sysfs.h"

enum { KERNEL_WRITES = 64 };

static struct kernel {
	char tree[64];
	struct sysfs s;
	/* what was written, in order: "FILE=TEXT", the file by its last part */
	char writes[KERNEL_WRITES][96];
	size_t write_count;
	const char *fail_leaf; /* a write there answers @fail */
	int fail;
	unsigned fewer;      /* VFs that the driver makes too few */
	const char *native;  /* the driver of all ids; NULL: not loaded */
	bool unbind_ignored; /* the driver stays */
	bool power_stuck;
	const char *hang_leaf; /* a write there does not come back */
} kernel;

__attribute__((format(printf, 1, 2))) static inline void kernel_folder(const char *format, ...)
{
	char path[512];
	char whole[PATH_MAX + 80];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	(void)snprintf(whole, sizeof(whole), "%s/%s", kernel.tree, path);
	for (char *p = whole + strlen(kernel.tree) + 1; *p; p++)
		if (*p == '/') {
			*p = '\0';
			(void)mkdir(whole, 0700);
			*p = '/';
		}
	assert_true(!mkdir(whole, 0700) || errno == EEXIST);
}

static inline void kernel_file(const char *path, const char *text)
{
	char whole[PATH_MAX + 80];
	FILE *f;

	(void)snprintf(whole, sizeof(whole), "%s/%s", kernel.tree, path);
	f = fopen(whole, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

static inline void kernel_text(char *out, size_t size, const char *path)
{
	assert_int_equal(sysfs_read(&kernel.s, path, out, size), 0);
}

static inline void kernel_link(const char *path, const char *target)
{
	char whole[PATH_MAX + 80];

	(void)snprintf(whole, sizeof(whole), "%s/%s", kernel.tree, path);
	(void)unlink(whole);
	assert_int_equal(symlink(target, whole), 0);
}

static inline void kernel_leaf(const char *address, const char *leaf, const char *text)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/%s", address, leaf);
	kernel_file(path, text);
}

static inline void kernel_function(const char *address)
{
	kernel_folder("sys/bus/pci/devices/%s", address);
	kernel_leaf(address, "driver_override", "(null)\n");
	kernel_leaf(address, "reset", "");
	kernel_leaf(address, "reset_method", "flr bus\n");
	kernel_leaf(address, "remove", "");
}

static inline void kernel_driver(const char *address, const char *driver)
{
	char path[PATH_MAX];
	char target[PATH_MAX];

	kernel_folder("sys/bus/pci/drivers/%s", driver);
	(void)snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s/unbind", driver);
	kernel_file(path, "");
	(void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/driver", address);
	(void)snprintf(target, sizeof(target), "../../drivers/%s", driver);
	kernel_link(path, target);
}

static inline void kernel_pf(const char *address, unsigned total)
{
	char text[16];

	kernel_function(address);
	(void)snprintf(text, sizeof(text), "%u\n", total);
	kernel_leaf(address, "sriov_totalvfs", text);
	kernel_leaf(address, "sriov_numvfs", "0\n");
	kernel_leaf(address, "sriov_drivers_autoprobe", "1\n");
}

static inline struct topo_address kernel_address(const char *text)
{
	struct topo_address address;

	assert_int_equal(topo_address_parse(text, &address), 0);
	return address;
}

static inline void kernel_remove(const char *path)
{
	char command[PATH_MAX + 16];

	(void)snprintf(command, sizeof(command), "rm -rf '%s/%s'", kernel.tree, path);
	assert_int_equal(system(command), 0);
}

/* VF i stands at function i of the PF's device. */
static inline void kernel_vf_path(const char *pf, unsigned i, char out[static 32])
{
	(void)snprintf(out, 32, "%.11s%u", pf, i);
}

static inline int kernel_numvfs(const char *pf, unsigned count)
{
	char path[PATH_MAX];
	char target[64];
	char vf[32];
	uint64_t now;

	(void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/sriov_numvfs", pf);
	assert_int_equal(sysfs_number(&kernel.s, path, &now), 0);
	if (count == now)
		return 0;
	if (count && now)
		return -EBUSY;
	for (unsigned i = 1; i <= now; i++) {
		kernel_vf_path(pf, i, vf);
		(void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s", vf);
		kernel_remove(path);
		(void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/virtfn%u", pf, i - 1);
		kernel_remove(path);
	}
	count = count > kernel.fewer ? count - kernel.fewer : 0;
	for (unsigned i = 1; i <= count; i++) {
		kernel_vf_path(pf, i, vf);
		kernel_function(vf);
		(void)snprintf(target, sizeof(target), "../%s", vf);
		(void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/virtfn%u", pf, i - 1);
		kernel_link(path, target);
		(void)snprintf(target, sizeof(target), "../%s", pf);
		(void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/physfn", vf);
		kernel_link(path, target);
	}
	(void)snprintf(vf, sizeof(vf), "%u\n", count);
	kernel_leaf(pf, "sriov_numvfs", vf);
	return 0;
}

static inline int kernel_probe(const char *address)
{
	char path[PATH_MAX];
	char override[SYSFS_NAME_MAX];
	struct topo_address at = kernel_address(address);
	struct topo_address pf;
	uint64_t autoprobe = 1;
	bool by_ids;

	sysfs_path(&at, "driver_override", path);
	kernel_text(override, sizeof(override), path);
	by_ids = !override[0] || !strcmp(override, "(null)");
	if (sysfs_pf(&kernel.s, &at, &pf)) {
		sysfs_path(&pf, "sriov_drivers_autoprobe", path);
		assert_int_equal(sysfs_number(&kernel.s, path, &autoprobe), 0);
	}
	if (by_ids && autoprobe && kernel.native)
		kernel_driver(address, kernel.native);
	else if (!by_ids && strcmp(override, "none") != 0 && strcmp(override, "missing") != 0)
		kernel_driver(address, override);
	return 0; /* the kernel says so whether or not a driver took it */
}

/* As the kernel answers; beyond these, a write goes to the file. */
static inline int kernel_write(void *arg, const char *whole, const char *text)
{
	const char *path = whole + strlen(kernel.tree) + 1;
	const char *leaf = strrchr(path, '/') + 1;
	char address[32] = "";

	(void)arg;
	if (access(whole, F_OK))
		return -errno;
	if (kernel.write_count < KERNEL_WRITES)
		(void)snprintf(kernel.writes[kernel.write_count++], sizeof(kernel.writes[0]),
			       "%s=%s", leaf, text);
	while (kernel.hang_leaf && !strcmp(leaf, kernel.hang_leaf))
		(void)pause();
	if (kernel.fail_leaf && !strcmp(leaf, kernel.fail_leaf))
		return kernel.fail;
	(void)sscanf(path, "sys/bus/pci/devices/%31[^/]", address);
	if (!strcmp(leaf, "sriov_numvfs"))
		return kernel_numvfs(address, (unsigned)atoi(text));
	if (!strcmp(leaf, "drivers_probe"))
		return kernel_probe(text);
	if (!strcmp(leaf, "unbind")) {
		char link[PATH_MAX];

		(void)snprintf(link, sizeof(link), "sys/bus/pci/devices/%s/driver", text);
		if (!kernel.unbind_ignored)
			kernel_remove(link);
		return 0;
	}
	if (!strcmp(leaf, "remove")) {
		char folder[PATH_MAX];

		(void)snprintf(folder, sizeof(folder), "sys/bus/pci/devices/%s", address);
		kernel_remove(folder);
		return 0;
	}
	if (!strcmp(leaf, "power") && kernel.power_stuck)
		return 0;
	kernel_file(path, text);
	return 0;
}

static inline bool kernel_wrote(const char *what)
{
	for (size_t i = 0; i < kernel.write_count; i++)
		if (!strcmp(kernel.writes[i], what))
			return true;
	return false;
}

static inline int kernel_setup(void **unused)
{
	(void)unused;
	memset(&kernel, 0, sizeof(kernel));
	(void)snprintf(kernel.tree, sizeof(kernel.tree), "/tmp/fabric-test-sysfs-XXXXXX");
	assert_non_null(mkdtemp(kernel.tree));
	kernel.s = (struct sysfs){ .tree = kernel.tree, .write = kernel_write };
	kernel_folder("sys/bus/pci/devices");
	kernel_folder("sys/bus/pci/slots");
	kernel_folder("sys/bus/pci/drivers");
	kernel_file("sys/bus/pci/drivers_probe", "");
	kernel_file("sys/bus/pci/rescan", "");
	return 0;
}

static inline int kernel_teardown(void **unused)
{
	char command[PATH_MAX];

	(void)unused;
	(void)snprintf(command, sizeof(command), "rm -rf %s", kernel.tree);
	return system(command);
}
