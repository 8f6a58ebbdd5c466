/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "topology/tree.h"

#include <errno.h>
#include <stdarg.h>

#include "topology/kind.h"

enum { VFS_APART = 3 }; /* a run of more VFs than this takes one line */

enum ink { INK_NONE, INK_DIM, INK_BOLD, INK_GOOD, INK_WARN };

struct tree {
	const struct topo_graph *g;
	FILE *out;
	bool color;
};

/* One step of the way from the root: what its lines and those below it begin with. */
struct branch {
	const struct branch *up;
	bool last;
};

/* Whether all of it was written is asked once, at the end: a stream keeps its error. */
static void print(const struct tree *t, enum ink ink, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void print(const struct tree *t, enum ink ink, const char *format, ...)
{
	static const char *const codes[] = { [INK_DIM] = "\033[2m",
					     [INK_BOLD] = "\033[1m",
					     [INK_GOOD] = "\033[32m",
					     [INK_WARN] = "\033[33m" };
	bool inked = t->color && ink != INK_NONE;
	va_list args;

	if (inked)
		(void)fputs(codes[ink], t->out);
	va_start(args, format);
	(void)vfprintf(t->out, format, args);
	va_end(args);
	if (inked)
		(void)fputs("\033[0m", t->out);
}

static void print_stem(const struct tree *t, const struct branch *b)
{
	if (!b)
		return;
	print_stem(t, b->up);
	print(t, INK_DIM, "%s", b->last ? "   " : "│  ");
}

static void print_branch(const struct tree *t, const struct branch *b)
{
	print_stem(t, b->up);
	print(t, INK_DIM, "%s", b->last ? "└─ " : "├─ ");
}

/* Without its domain: that is a heading. */
static void print_address(const struct tree *t, const struct topo_address *a)
{
	print(t, INK_BOLD, "%02x:%02x.%u", a->bus, a->device, a->function);
}

/* ---- what is said of one function ---- */

static void print_kind(const struct tree *t, const struct topo_function *f)
{
	char kind[40];

	topo_kind_format(f, kind);
	print(t, INK_NONE, " %s", kind);
	if (f->vendor != 0xffff)
		print(t, INK_DIM, " [%04x:%04x]", f->vendor, f->device);
}

static void print_bridge(const struct tree *t, const struct topo_function *f)
{
	const struct topo_bridge *b = &f->bridge;

	if (f->header != TOPO_HEADER_BRIDGE && f->header != TOPO_HEADER_CARDBUS)
		return;
	if (!b->secondary)
		print(t, INK_WARN, ", no bus below (not configured)");
	else if (b->subordinate > b->secondary)
		print(t, INK_NONE, ", buses %02x-%02x", b->secondary, b->subordinate);
	else
		print(t, INK_NONE, ", bus %02x", b->secondary);
}

static void print_slot(const struct tree *t, const struct topo_function *f)
{
	const struct topo_slot *s = &f->express.slot;

	if (!s->implemented)
		return;
	print(t, INK_NONE, ", slot %u", s->number);
	if (s->hotplug)
		print(t, INK_NONE, s->hotplug_surprise ? " (hot-plug, surprise)" : " (hot-plug)");
	if (!s->presence)
		print(t, INK_DIM, " empty");
}

static void print_speed(const struct tree *t, enum ink ink, uint8_t speed, uint8_t width)
{
	unsigned int tenths = topo_speed_tenths(speed);

	if (!tenths)
		print(t, ink, "? GT/s");
	else if (tenths % 10)
		print(t, ink, "%u.%u GT/s", tenths / 10, tenths % 10);
	else
		print(t, ink, "%u GT/s", tenths / 10);
	print(t, ink, " x%u", width);
}

static void print_link(const struct tree *t, uint32_t i)
{
	struct topo_link_state link;

	if (!topo_graph_link_state(t->g, i, &link) || !link.up)
		return;
	print(t, INK_NONE, ", ");
	print_speed(t, link.below ? INK_WARN : INK_GOOD, link.speed, link.width);
	if (!link.below)
		return;
	print(t, INK_WARN, " below its best of ");
	print_speed(t, INK_WARN, link.best_speed, link.best_width);
}

static uint32_t count_vfs(const struct topo_graph *g, uint32_t pf)
{
	uint32_t n = 0;

	for (uint32_t i = g->nodes[pf].first_vf; i != TOPO_NONE; i = g->nodes[i].next)
		n++;
	return n;
}

static void print_sriov(const struct tree *t, uint32_t i)
{
	const struct topo_sriov *s = &t->g->functions[i].sriov;
	uint32_t seen = count_vfs(t->g, i);

	if (!s->offset)
		return;
	if (!s->enabled) {
		print(t, INK_NONE, ", SR-IOV off (%u VFs possible)", s->total_vfs);
		return;
	}
	print(t, INK_NONE, ", %u of %u VFs enabled", topo_sriov_enabled_vfs(s), s->total_vfs);
	if (seen != topo_sriov_enabled_vfs(s))
		print(t, INK_WARN, " (%u seen)", seen);
}

static void print_oddities(const struct tree *t, uint32_t i)
{
	const struct topo_node *node = &t->g->nodes[i];

	if (node->repeated)
		print(t, INK_WARN, ", address repeated");
	if (node->impossible)
		print(t, INK_WARN, ", impossible address");
	if (node->orphan)
		print(t, INK_WARN, ", orphan (no bridge above bus %02x)",
		      t->g->functions[i].address.bus);
	if (t->g->functions[i].ext_cap_cut)
		print(t, INK_WARN, ", more than %d extended capabilities", TOPO_EXT_CAPS);
}

static void print_function(const struct tree *t, uint32_t i)
{
	const struct topo_function *f = &t->g->functions[i];

	print_address(t, &f->address);
	print_kind(t, f);
	if (topo_function_ext(f, TOPO_EXT_MRIOV))
		print(t, INK_NONE, ", multi-root");
	print_slot(t, f);
	print_bridge(t, f);
	print_link(t, i);
	print_sriov(t, i);
	print_oddities(t, i);
	(void)fputc('\n', t->out);
}

/* ---- virtual functions ---- */

/* The ids that a host sees: a VF's own registers read ffff on real hardware. */
static uint16_t vf_vendor(const struct topo_graph *g, uint32_t i)
{
	uint16_t own = g->functions[i].vendor;

	return own == 0xffff ? g->functions[g->nodes[i].physfn].vendor : own;
}

static uint16_t vf_device(const struct topo_graph *g, uint32_t i)
{
	uint16_t own = g->functions[i].device;

	return own == 0xffff ? g->functions[g->nodes[i].physfn].sriov.vf_device : own;
}

static void print_vf(const struct tree *t, uint32_t i)
{
	const struct topo_function *f = &t->g->functions[i];
	char kind[40];

	topo_kind_format(f, kind);
	print(t, INK_NONE, "vf%u ", t->g->nodes[i].vf_index);
	print_address(t, &f->address);
	print(t, INK_NONE, " %s", kind);
	print(t, INK_DIM, " [%04x:%04x]", vf_vendor(t->g, i), vf_device(t->g, i));
	print_oddities(t, i);
	(void)fputc('\n', t->out);
}

static bool is_next_vf(const struct topo_graph *g, uint32_t i, uint32_t next)
{
	return g->nodes[next].vf_index == g->nodes[i].vf_index + 1 &&
	       vf_vendor(g, next) == vf_vendor(g, i) && vf_device(g, next) == vf_device(g, i) &&
	       g->functions[next].class_code == g->functions[i].class_code &&
	       !g->nodes[next].repeated;
}

/* The last of the VFs that follow each other without a gap from @first on. */
static uint32_t vf_run_end(const struct topo_graph *g, uint32_t first)
{
	uint32_t last = first;

	while (g->nodes[last].next != TOPO_NONE && is_next_vf(g, last, g->nodes[last].next))
		last = g->nodes[last].next;
	return last;
}

static void print_vf_run(const struct tree *t, uint32_t first, uint32_t last)
{
	const struct topo_node *nodes = t->g->nodes;
	char kind[40];

	topo_kind_format(&t->g->functions[first], kind);
	print(t, INK_NONE, "vf%u-vf%u ", nodes[first].vf_index, nodes[last].vf_index);
	print_address(t, &t->g->functions[first].address);
	print(t, INK_BOLD, " .. ");
	print_address(t, &t->g->functions[last].address);
	print(t, INK_NONE, " %u x %s", nodes[last].vf_index - nodes[first].vf_index + 1U, kind);
	print(t, INK_DIM, " [%04x:%04x]", vf_vendor(t->g, first), vf_device(t->g, first));
	(void)fputc('\n', t->out);
}

static void print_vfs(const struct tree *t, const struct branch *up, uint32_t first)
{
	const struct topo_node *nodes = t->g->nodes;

	for (uint32_t i = first; i != TOPO_NONE; i = nodes[i].next) {
		uint32_t last = vf_run_end(t->g, i);
		struct branch b = { .up = up };

		if (nodes[last].vf_index - nodes[i].vf_index < VFS_APART)
			last = i;
		b.last = nodes[last].next == TOPO_NONE;
		print_branch(t, &b);
		if (last == i)
			print_vf(t, i);
		else
			print_vf_run(t, i, last);
		i = last;
	}
}

/* ---- the tree ---- */

/* At most as deep as there are buses: each step down is to another bus. */
static void print_list(const struct tree *t, const struct branch *up, uint32_t first)
{
	const struct topo_node *nodes = t->g->nodes;

	for (uint32_t i = first; i != TOPO_NONE; i = nodes[i].next) {
		struct branch b = { .up = up, .last = nodes[i].next == TOPO_NONE };

		print_branch(t, &b);
		print_function(t, i);
		print_list(t, &b, nodes[i].first_child);
		print_vfs(t, &b, nodes[i].first_vf);
	}
}

static void print_domains(const struct tree *t)
{
	const struct topo_graph *g = t->g;

	for (uint32_t i = g->first_root; i != TOPO_NONE;) {
		uint32_t domain = g->functions[i].address.domain;

		print(t, INK_BOLD, "domain %04x\n", domain);
		while (i != TOPO_NONE && g->functions[i].address.domain == domain) {
			uint32_t next = g->nodes[i].next;
			struct branch b = {
				.last = next == TOPO_NONE ||
					g->functions[next].address.domain != domain,
			};

			print_branch(t, &b);
			print_function(t, i);
			print_list(t, &b, g->nodes[i].first_child);
			print_vfs(t, &b, g->nodes[i].first_vf);
			i = next;
		}
	}
}

/* ---- the first line ---- */

struct totals {
	size_t pfs; /* with SR-IOV */
	size_t vfs;
	size_t below;
	size_t orphans;
	size_t repeated;
};

static struct totals totals_count(const struct topo_graph *g)
{
	struct totals n = { 0 };

	for (uint32_t i = 0; i < g->count; i++) {
		struct topo_link_state link;

		n.pfs += g->functions[i].sriov.offset != 0;
		n.vfs += g->nodes[i].vf_index != 0;
		n.orphans += g->nodes[i].orphan;
		n.repeated += g->nodes[i].repeated;
		n.below += topo_graph_link_state(g, i, &link) && link.below;
	}
	return n;
}

static void print_count(const struct tree *t, const char *before, size_t n, const char *what,
			const char *plural)
{
	print(t, INK_NONE, "%s%zu %s%s", before, n, what, n == 1 ? "" : plural);
}

static void print_title(const struct tree *t, const char *title)
{
	struct totals n = totals_count(t->g);

	print(t, INK_BOLD, "%s", title);
	print_count(t, ": ", t->g->count, "function", "s");
	print_count(t, " in ", t->g->domain_count, "domain", "s");
	if (t->g->switch_count)
		print_count(t, ", ", t->g->switch_count, "switch", "es");
	if (n.pfs)
		print_count(t, ", ", n.pfs, "SR-IOV PF", "s");
	if (n.vfs)
		print_count(t, " with ", n.vfs, "VF", "s");
	if (n.orphans)
		print_count(t, ", ", n.orphans, "orphan", "s");
	if (n.repeated)
		print_count(t, ", ", n.repeated, "repeated address", "es");
	(void)fputc('\n', t->out);
	if (n.below)
		print(t, INK_WARN,
		      n.below == 1 ? "%zu link runs below its best\n"
				   : "%zu links run below their best\n",
		      n.below);
}

int topo_tree_write(const struct topo_graph *g, const char *title, bool color, FILE *out)
{
	struct tree t = { .g = g, .out = out, .color = color };

	print_title(&t, title);
	print_domains(&t);
	return fflush(out) || ferror(out) ? -EIO : 0;
}
