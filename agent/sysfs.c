/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/sysfs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/identity.h"

enum {
	ATTRIBUTE_MAX = 256,
	SLOTS_MAX = 512,
	ROWS_MAX = 4096,
	DEPTH_MAX = 6, /* of what is made of a function, below its folder */
	CLASS_BRIDGE = 0x06,
	CLASS_STORAGE = 0x01,
	CLASS_NETWORK = 0x02,
};

struct slot {
	char name[SYSFS_SLOT_MAX];
	char address[AGENT_ADDRESS_MAX]; /* "0000:05:00" */
	bool has_number;
	uint32_t number;
};

struct slots {
	struct slot rows[SLOTS_MAX];
	size_t count;
};

/* ---- single attributes ---- */

/* Printable, without blanks at its ends; "" when it cannot be read. Return: its length. */
static size_t attribute_read(char *out, size_t size, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);
	size_t skip = 0;

	if (fd >= 0)
		close(fd);
	out[n > 0 ? n : 0] = '\0';
	for (char *c = out; *c; c++)
		if (!isprint((unsigned char)*c) && *c != '\n')
			*c = '?';
	n = (ssize_t)strlen(out);
	while (n > 0 && isspace((unsigned char)out[n - 1]))
		out[--n] = '\0';
	while (out[skip] == ' ')
		skip++;
	memmove(out, out + skip, (size_t)n - skip + 1);
	return (size_t)n - skip;
}

__attribute__((format(printf, 2, 3))) static size_t attribute(char out[static ATTRIBUTE_MAX],
							      const char *format, ...)
{
	char path[PATH_MAX];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	out[0] = '\0';
	return n > 0 && n < (int)sizeof(path) ? attribute_read(out, ATTRIBUTE_MAX, path) : 0;
}

/* As much as fits; the rest of @out is zero. */
static void text_copy(char *out, size_t size, const char *text)
{
	memset(out, 0, size);
	memcpy(out, text, strnlen(text, size - 1));
}

static uint64_t hex_read(const char *text)
{
	return strtoull(text, NULL, 16);
}

/* ---- slots ---- */

/* "16"; the kernel calls a second slot 16 "16-1". */
static void slot_number(struct slot *slot)
{
	char *end = NULL;
	unsigned long n = strtoul(slot->name, &end, 10);

	slot->has_number =
		isdigit((unsigned char)slot->name[0]) && (!*end || *end == '-') && n <= UINT32_MAX;
	slot->number = slot->has_number ? (uint32_t)n : 0;
}

static void slots_read(const char *sysfs, struct slots *out)
{
	char path[PATH_MAX];
	char text[ATTRIBUTE_MAX];
	const struct dirent *entry;
	DIR *dir;

	out->count = 0;
	(void)snprintf(path, sizeof(path), "%s/bus/pci/slots", sysfs);
	dir = opendir(path);
	while (dir && out->count < SLOTS_MAX && (entry = readdir(dir))) {
		struct slot *slot = &out->rows[out->count];

		if (entry->d_name[0] == '.' || strlen(entry->d_name) >= SYSFS_SLOT_MAX ||
		    !attribute(text, "%s/%s/address", path, entry->d_name))
			continue;
		text_copy(slot->name, sizeof(slot->name), entry->d_name);
		text_copy(slot->address, sizeof(slot->address), text);
		slot_number(slot);
		out->count++;
	}
	if (dir)
		closedir(dir);
}

/* The slot of a function is that of its device. */
static const struct slot *slot_of(const struct slots *slots, const char *address)
{
	for (size_t i = 0; i < slots->count; i++) {
		size_t n = strlen(slots->rows[i].address);

		if (n && !strncmp(slots->rows[i].address, address, n) && address[n] == '.')
			return &slots->rows[i];
	}
	return NULL;
}

int sysfs_slot_find(const char *sysfs, const char *address, unsigned number,
		    char name[static SYSFS_SLOT_MAX], char held[static AGENT_ADDRESS_MAX])
{
	struct slots *slots = malloc(sizeof(*slots));
	const struct slot *slot = NULL;

	if (!slots)
		return -ENOENT; /* and so by the other way, or not at all */
	slots_read(sysfs, slots);
	if (address[0])
		slot = slot_of(slots, address);
	for (size_t i = 0; !address[0] && i < slots->count; i++)
		if (slots->rows[i].has_number && slots->rows[i].number == number)
			slot = &slots->rows[i];
	if (slot) {
		text_copy(name, SYSFS_SLOT_MAX, slot->name);
		text_copy(held, AGENT_ADDRESS_MAX, slot->address);
	}
	free(slots);
	return slot ? 0 : -ENOENT;
}

/* ---- what a driver has made of a function ---- */

static int is_plain(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* The first folder below @path, in the order of names, that is as @pattern: "virtio*" "/" "net*".
 */
static bool below_find(const char *path, const char *pattern, char out[static PATH_MAX])
{
	size_t length = strcspn(pattern, "/");
	char segment[64];
	char next[PATH_MAX];
	struct dirent **entries = NULL;
	int n = scandir(path, &entries, is_plain, alphasort);
	bool found = false;

	(void)snprintf(segment, sizeof(segment), "%.*s", (int)length, pattern);
	for (int i = 0; i < n; i++) {
		if (!found && !fnmatch(segment, entries[i]->d_name, 0) &&
		    snprintf(next, sizeof(next), "%s/%s", path, entries[i]->d_name) <
			    (int)sizeof(next)) {
			found = !pattern[length] || below_find(next, pattern + length + 1, out);
			if (found && !pattern[length])
				memcpy(out, next, strlen(next) + 1);
		}
		free(entries[i]);
	}
	free(entries);
	return found;
}

static void take_net(struct agent_function *row, const char *path)
{
	char text[ATTRIBUTE_MAX];

	(void)attribute(text, "%s/address", path);
	if (identity_mac_parse(text, &row->mac))
		row->mac = 0; /* InfiniBand, for one, has another kind */
	/* Reading it fails while the interface is not up. */
	if (attribute(text, "%s/carrier", path))
		row->link = text[0] == '1' ? AGENT_LINK_UP : AGENT_LINK_DOWN;
}

static void take_serial(struct agent_function *row, const char *path)
{
	char text[ATTRIBUTE_MAX];

	(void)attribute(text, "%s/serial", path);
	text_copy(row->serial, sizeof(row->serial), text);
}

static void take_port(struct agent_function *row, const char *path)
{
	char text[ATTRIBUTE_MAX];

	(void)attribute(text, "%s/port_name", path);
	if (identity_wwn_parse(text, &row->wwpn))
		row->wwpn = 0;
	if (attribute(text, "%s/port_state", path))
		row->link = !strcmp(text, "Online") ? AGENT_LINK_UP : AGENT_LINK_DOWN;
}

static const struct {
	const char *pattern;
	void (*take)(struct agent_function *row, const char *path);
} parts[] = {
	{ "net/*", take_net },
	{ "virtio*/net/*", take_net },
	{ "nvme/nvme*", take_serial },
	{ "virtio*/block/*", take_serial },
	{ "host*/fc_host/host*", take_port },
};

/* ---- rows ---- */

static void driver_read(struct agent_function *row, const char *path)
{
	char link[PATH_MAX];
	char target[PATH_MAX];
	const char *name;
	ssize_t n;

	if (snprintf(link, sizeof(link), "%s/driver", path) >= (int)sizeof(link))
		return;
	n = readlink(link, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	name = strrchr(target, '/');
	text_copy(row->driver, sizeof(row->driver), name ? name + 1 : target);
}

/* Return: false for a bridge, or one that goes away while it is read. */
static bool row_read(const char *folder, const char *address, const struct slots *slots,
		     struct agent_function *row)
{
	const struct slot *slot = slot_of(slots, address);
	char path[PATH_MAX];
	char text[ATTRIBUTE_MAX];
	char part[PATH_MAX];

	memset(row, 0, sizeof(*row));
	if (snprintf(path, sizeof(path), "%s/%s", folder, address) >= (int)sizeof(path))
		return false;
	if (!attribute(text, "%s/class", path))
		return false;
	row->class_code = (uint16_t)(hex_read(text) >> 8);
	if (row->class_code >> 8 == CLASS_BRIDGE)
		return false;
	(void)attribute(text, "%s/vendor", path);
	row->vendor = (uint16_t)hex_read(text);
	(void)attribute(text, "%s/device", path);
	row->device = (uint16_t)hex_read(text);
	text_copy(row->address, sizeof(row->address), address);
	row->has_slot = slot && slot->has_number;
	row->slot = row->has_slot ? slot->number : 0;
	driver_read(row, path);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (below_find(path, parts[i].pattern, part))
			parts[i].take(row, part);
	return true;
}

static int row_compare(const void *left, const void *right)
{
	const struct agent_function *a = left;
	const struct agent_function *b = right;

	if (a->has_slot != b->has_slot)
		return b->has_slot - a->has_slot;
	return strcmp(a->address, b->address);
}

static int rows_read(const char *folder, const struct slots *slots, struct view *view)
{
	struct dirent **entries = NULL;
	int n = scandir(folder, &entries, is_plain, alphasort);
	int r = n < 0 ? -errno : 0;

	if (n > 0)
		view->rows = calloc((size_t)n, sizeof(*view->rows));
	if (n > 0 && !view->rows)
		r = -ENOMEM;
	for (int i = 0; i < n; i++) {
		if (!r && view->count < ROWS_MAX && agent_address_is(entries[i]->d_name) &&
		    row_read(folder, entries[i]->d_name, slots, &view->rows[view->count]))
			view->count++;
		free(entries[i]);
	}
	free(entries);
	return r;
}

void view_done(struct view *view)
{
	free(view->rows);
	*view = (struct view){ 0 };
}

int view_read(const char *sysfs, struct view *out)
{
	OWNED(view_done) struct view view = { 0 };
	struct slots *slots = malloc(sizeof(*slots));
	char folder[PATH_MAX];
	int r;

	if (!slots)
		return -ENOMEM;
	slots_read(sysfs, slots);
	(void)snprintf(folder, sizeof(folder), "%s/bus/pci/devices", sysfs);
	r = rows_read(folder, slots, &view);
	free(slots);
	if (r)
		return r;
	if (view.count)
		qsort(view.rows, view.count, sizeof(*view.rows), row_compare);
	*out = view;
	view.rows = NULL; /* handed over */
	return 0;
}

const struct agent_function *view_find(const struct view *view, const char *address)
{
	for (size_t i = 0; i < view->count; i++)
		if (!strcmp(view->rows[i].address, address))
			return &view->rows[i];
	return NULL;
}

bool view_row_is_ready(const struct agent_function *row, size_t node_count)
{
	unsigned base = row->class_code >> 8;

	if (!row->driver[0])
		return false;
	return base == CLASS_STORAGE || base == CLASS_NETWORK ? node_count > 0 : true;
}

bool sysfs_function_is_there(const char *sysfs, const char *address)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s/bus/pci/devices/%s", sysfs, address) <
		       (int)sizeof(path) &&
	       !access(path, F_OK);
}

/* ---- nodes ---- */

struct nodes {
	char (*names)[SYSFS_NODE_MAX];
	size_t count;
};

/* A name that does not fit is left out: cut, it may be that of another node. */
static void node_add(struct nodes *nodes, const char *folder, const char *name)
{
	if (nodes->count < SYSFS_NODES && snprintf(nodes->names[nodes->count], SYSFS_NODE_MAX,
						   "%s%s", folder, name) < SYSFS_NODE_MAX)
		nodes->count++;
}

/* The folder of an interface has its name; that of a device has its node's name inside. */
static void node_look(struct nodes *nodes, const char *path, const char *name, bool is_net)
{
	char text[1024];
	char file[PATH_MAX];
	const char *at;

	if (is_net) {
		node_add(nodes, "", name);
		return;
	}
	if (snprintf(file, sizeof(file), "%s/uevent", path) >= (int)sizeof(file))
		return;
	(void)attribute_read(text, sizeof(text), file);
	at = strstr(text, "DEVNAME=");
	if (!at || (at != text && at[-1] != '\n'))
		return;
	at += strlen("DEVNAME=");
	text[(size_t)(at - text) + strcspn(at, "\n")] = '\0';
	if (!strstr(at, ".."))
		node_add(nodes, "/dev/", at);
}

static void nodes_walk(struct nodes *nodes, const char *path, const char *parent, unsigned depth)
{
	struct dirent **entries = NULL;
	int n = depth < DEPTH_MAX ? scandir(path, &entries, is_plain, alphasort) : 0;
	char next[PATH_MAX];

	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;

		/* Functions below this one have requests of their own. */
		if (entries[i]->d_type == DT_DIR && !agent_address_is(name) &&
		    snprintf(next, sizeof(next), "%s/%s", path, name) < (int)sizeof(next)) {
			node_look(nodes, next, name, !strcmp(parent, "net"));
			nodes_walk(nodes, next, name, depth + 1);
		}
		free(entries[i]);
	}
	free(entries);
}

size_t sysfs_nodes(const char *sysfs, const char *address, char names[][SYSFS_NODE_MAX])
{
	struct nodes nodes = { .names = names };
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/bus/pci/devices/%s", sysfs, address) <
	    (int)sizeof(path))
		nodes_walk(&nodes, path, "", 0);
	return nodes.count;
}
