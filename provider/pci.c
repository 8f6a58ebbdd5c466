/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/pci.h"

#include <dirent.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <pci/pci.h>

struct session {
	struct pci_access *access;
	const char *tree;
	struct topo_graph *g; /* where functions go; NULL: to @take */
	int (*take)(void *arg, const struct topo_address *address, const uint8_t *bytes,
		    size_t length);
	void *arg;
	char *reason;
	int result;
};

/* libpci's callbacks get no argument of ours: where they jump to, and what they say. */
static _Thread_local jmp_buf *escape;
static _Thread_local char *escape_reason;

static __attribute__((noreturn, format(printf, 1, 2))) void on_error(char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(escape_reason, PROVIDER_PCI_REASON, format, args);
	va_end(args);
	longjmp(*escape, 1);
}

/* Short reads are warned of; what is missing shows in the length. */
/* NOLINTNEXTLINE(readability-non-const-parameter): libpci's type */
static __attribute__((format(printf, 1, 2))) void on_warning(char *format, ...)
{
	(void)format;
}

/* Calls into libpci happen in steps, each under its own return address. */
static int session_run(struct session *s, void (*step)(struct session *s))
{
	jmp_buf here;

	escape = &here;
	escape_reason = s->reason;
	if (setjmp(here))
		return REFUSE_FIELD;
	step(s);
	return s->result;
}

static void step_init(struct session *s)
{
	struct pci_access *a = s->access;
	char path[PATH_MAX];

	a->error = on_error;
	a->warning = on_warning;
	a->debug = on_warning;
	/* Never the methods that touch ports or need more rights than reading files. */
	a->method = PCI_ACCESS_SYS_BUS_PCI;
	a->writeable = 0;
	if (s->tree) {
		if (snprintf(path, sizeof(path), "%s/sys/bus/pci", s->tree) >= (int)sizeof(path))
			on_error("name of the tree is too long");
		if (pci_set_param(a, "sysfs.path", path))
			on_error("libpci does not take sysfs.path");
	}
	pci_init(a);
}

/*
 * A name that libpci cannot read makes it call back in the middle of its scan, with a folder open
 * that nobody can close any more: such trees are not shown to it.
 */
static int names_check(const char *tree, char *reason)
{
	char path[PATH_MAX];
	struct topo_address address;
	struct dirent *entry;
	DIR *folder;
	int r = 0;

	if (snprintf(path, sizeof(path), "%s/sys/bus/pci/devices", tree) >= (int)sizeof(path))
		return 0; /* libpci finds that it cannot be opened, and says why */
	folder = opendir(path);
	if (!folder)
		return 0; /* the same */
	while (!r && (entry = readdir(folder))) {
		if (entry->d_name[0] != '.' && topo_address_parse(entry->d_name, &address))
			r = REFUSE_FIELD;
		if (r)
			(void)snprintf(reason, PROVIDER_PCI_REASON,
				       "not the address of a device: %s", entry->d_name);
	}
	closedir(folder);
	return r;
}

static size_t read_config(struct pci_dev *device, uint8_t bytes[static TOPO_CONFIG_BYTES])
{
	/* All or nothing is libpci's rule; these are the lengths that sysfs gives. */
	static const int lengths[] = { TOPO_CONFIG_BYTES, 256, 128, 64 };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
		if (pci_read_block(device, 0, bytes, lengths[i]))
			return (size_t)lengths[i];
	return 0;
}

/* A VF's own registers read ffff (PCIe Base 5.0 §9.3.4.1): the kernel knows it from its PF. A saved
 * tree is left as it stands, so that it equals a dump of the same machine. */
static void name_vf(const struct session *s, struct pci_dev *device, struct topo_function *f)
{
	if (s->tree || f->vendor != 0xffff || f->device != 0xffff)
		return;
	(void)pci_fill_info(device, PCI_FILL_IDENT); /* what it cannot tell stays as it is */
	f->vendor = device->vendor_id;
	f->device = device->device_id;
}

static void step_scan(struct session *s)
{
	uint8_t bytes[TOPO_CONFIG_BYTES];

	pci_scan_bus(s->access);
	for (struct pci_dev *p = s->access->devices; p && !s->result; p = p->next) {
		struct topo_address address = { .domain = (uint32_t)p->domain,
						.bus = p->bus,
						.device = p->dev,
						.function = p->func };
		size_t length = read_config(p, bytes);

		if (!s->g) {
			s->result = s->take(s->arg, &address, bytes, length);
			continue;
		}
		s->result = topo_graph_add(s->g, &address, bytes, length);
		if (!s->result)
			name_vf(s, p, &s->g->functions[s->g->count - 1]);
	}
}

static void step_cleanup(struct session *s)
{
	pci_cleanup(s->access);
}

static int session_whole(struct session *s)
{
	char ignored[PROVIDER_PCI_REASON];
	int r;

	s->reason[0] = '\0';
	r = names_check(s->tree ? s->tree : "", s->reason);
	if (r)
		return r;
	s->access = pci_alloc();
	r = session_run(s, step_init);
	if (!r)
		r = session_run(s, step_scan);
	s->result = 0;
	s->reason = ignored;
	(void)session_run(s, step_cleanup); /* what it says is of no use any more */
	return r;
}

int provider_pci_read(const char *tree,
		      int (*take)(void *arg, const struct topo_address *address,
				  const uint8_t *bytes, size_t length),
		      void *arg, char reason[static PROVIDER_PCI_REASON])
{
	struct session s = { .tree = tree, .take = take, .arg = arg, .reason = reason };

	return session_whole(&s);
}

int provider_pci_load(const char *tree, struct topo_graph *g,
		      char reason[static PROVIDER_PCI_REASON])
{
	struct session s = { .tree = tree, .g = g, .reason = reason };
	int r = session_whole(&s);

	if (r)
		return r;
	topo_graph_sort(g);
	return topo_graph_link(g);
}
