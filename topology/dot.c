/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "topology/dot.h"

#include <errno.h>

#include "topology/kind.h"
#include "topology/utf8.h"

enum { LINES_OF_DEVICE = 4 }; /* functions named in one device's box */

/*
 * Whether all of it was written is asked once, at the end: a stream keeps its error. Nodes are
 * f<index> for ports and devices (the first function of each), v<index> for the VFs of a PF,
 * e<switch> for its empty ports, r<index> for a root complex, o<index> for a missing bridge.
 */

#define DOT_DARK   "#263238"
#define DOT_GREY   "#78909c"
#define DOT_AMBER  "#c75b00"
#define DOT_SWITCH "#e8f0fa"

static void write_quoted(const char *text, FILE *out)
{
	const uint8_t *s = (const uint8_t *)text;

	(void)fputc('"', out);
	while (*s) {
		size_t n = topo_utf8_length(s);

		if (!n || *s < 0x20)
			(void)fputc('?', out);
		else if (*s == '"' || *s == '\\')
			(void)fprintf(out, "\\%c", *s);
		else
			(void)fwrite(s, 1, n, out);
		s += n ? n : 1;
	}
	(void)fputc('"', out);
}

static const struct topo_function *function_of(const struct topo_graph *g, uint32_t i)
{
	return &g->functions[i];
}

static bool is_bridge(const struct topo_function *f)
{
	return f->header == TOPO_HEADER_BRIDGE || f->header == TOPO_HEADER_CARDBUS;
}

static void write_address(const struct topo_function *f, FILE *out)
{
	(void)fprintf(out, "%02x:%02x.%u", f->address.bus, f->address.device, f->address.function);
}

/* ---- links ---- */

static void write_speed(uint8_t speed, uint8_t width, FILE *out)
{
	unsigned int tenths = topo_speed_tenths(speed);

	if (tenths % 10)
		(void)fprintf(out, "%u.%u GT/s x%u", tenths / 10, tenths % 10, width);
	else
		(void)fprintf(out, "%u GT/s x%u", tenths / 10, width);
}

/* Thicker with more lanes. */
static const char *link_pen(uint8_t width)
{
	return width >= 16 ? "4" : width >= 8 ? "3" : width >= 4 ? "2" : "1.2";
}

/* The way down to what function @i stands for: a link with its speed, or plain. */
static void write_edge(const struct topo_graph *g, const char *from, uint32_t i, FILE *out)
{
	struct topo_link_state link;

	(void)fprintf(out, "  %s -> f%u", from, i);
	if (!topo_graph_link_state(g, i, &link) || !link.up || !topo_speed_tenths(link.speed)) {
		(void)fputs(" [color=\"" DOT_GREY "\"];\n", out);
		return;
	}
	(void)fprintf(out, " [penwidth=%s, label=\"", link_pen(link.width));
	write_speed(link.speed, link.width, out);
	if (link.below) {
		(void)fputs("\\nbest: ", out);
		write_speed(link.best_speed, link.best_width, out);
		(void)fputs("\", color=\"" DOT_AMBER "\", fontcolor=\"" DOT_AMBER "\"];\n", out);
		return;
	}
	(void)fputs("\"];\n", out);
}

/* ---- boxes ---- */

static const char *fill_of(const struct topo_function *f)
{
	switch (f->class_code >> 8) {
	case 0x01:
		return "#ffe8cc";
	case 0x02:
		return "#d9f2dd";
	case 0x03:
	case 0x12:
		return "#eadcf7";
	case 0x0c:
		return f->class_code == 0x0c04 ? "#d6eef5" : "#eceff1";
	default:
		return "#eceff1";
	}
}

static void write_ids(uint16_t vendor, uint16_t device, FILE *out)
{
	(void)fprintf(out, "<font point-size=\"9\" color=\"" DOT_GREY "\">%04x:%04x</font>", vendor,
		      device);
}

static void write_port(const struct topo_graph *g, uint32_t i, FILE *out)
{
	const struct topo_function *f = function_of(g, i);
	char kind[40];

	topo_kind_format(f, kind);
	(void)fprintf(out, "  f%u [shape=box, style=\"rounded,filled\", fillcolor=white, label=<",
		      i);
	if (f->express.slot.implemented)
		(void)fprintf(out, "slot %u", f->express.slot.number);
	else if (f->express.type == TOPO_UPSTREAM && g->nodes[i].switch_id != TOPO_NONE)
		(void)fputs("upstream", out);
	else if (f->express.type == TOPO_DOWNSTREAM && g->nodes[i].switch_id != TOPO_NONE)
		(void)fprintf(out, "port %u", f->express.port);
	else
		(void)fputs(kind, out);
	(void)fputs("<br/><font point-size=\"9\" color=\"" DOT_GREY "\">", out);
	write_address(f, out);
	(void)fputs("</font>>];\n", out);
}

/* The next function of the same list that belongs to the same device, bridges apart. */
static uint32_t next_of_device(const struct topo_graph *g, uint32_t i)
{
	uint32_t next = g->nodes[i].next;

	if (next == TOPO_NONE || !topo_graph_is_same_device(g, i, next) ||
	    is_bridge(function_of(g, next)))
		return TOPO_NONE;
	return next;
}

/* True if @i is in the box of the function before it in its list. */
static bool is_more_of_device(const struct topo_graph *g, uint32_t previous, uint32_t i)
{
	return previous != TOPO_NONE && !is_bridge(function_of(g, previous)) &&
	       next_of_device(g, previous) == i;
}

static void write_device_line(const struct topo_function *f, FILE *out)
{
	char kind[40];

	topo_kind_format(f, kind);
	(void)fprintf(out, "<b>%s</b>  ", kind);
	write_ids(f->vendor, f->device, out);
	(void)fputs("<br/><font point-size=\"9\">", out);
	write_address(f, out);
	if (f->sriov.offset)
		(void)fprintf(out, ", %u of %u VFs", topo_sriov_enabled_vfs(&f->sriov),
			      f->sriov.total_vfs);
	(void)fputs("</font>", out);
}

static void write_vfs(const struct topo_graph *g, uint32_t pf, uint32_t device, FILE *out)
{
	const struct topo_node *nodes = g->nodes;
	uint32_t first = nodes[pf].first_vf;
	uint32_t last = first;
	uint32_t count = 0;
	char kind[40];

	for (uint32_t i = first; i != TOPO_NONE; i = nodes[i].next) {
		last = i;
		count++;
	}
	if (!count)
		return;
	topo_kind_format(function_of(g, first), kind);
	(void)fprintf(
		out,
		"  v%u [shape=box, style=\"rounded,filled\", peripheries=2, fillcolor=\"%s\", "
		"label=<<b>%u VF%s</b>  %s<br/><font point-size=\"9\">",
		pf, fill_of(function_of(g, pf)), count, count == 1 ? "" : "s", kind);
	write_address(function_of(g, first), out);
	if (count > 1) {
		(void)fputs(" .. ", out);
		write_address(function_of(g, last), out);
	}
	(void)fprintf(out, "</font>>];\n  f%u -> v%u [style=dashed, color=\"" DOT_GREY "\"];\n",
		      device, pf);
}

/* One box for all functions of a device, from the first of them on. */
static void write_device(const struct topo_graph *g, uint32_t first, FILE *out)
{
	unsigned int named = 0;
	unsigned int more = 0;

	(void)fprintf(out, "  f%u [shape=box, style=\"rounded,filled\", fillcolor=\"%s\", label=<",
		      first, fill_of(function_of(g, first)));
	for (uint32_t i = first; i != TOPO_NONE; i = next_of_device(g, i)) {
		if (named == LINES_OF_DEVICE) {
			more++;
			continue;
		}
		(void)fputs(named++ ? "<br/>" : "", out);
		write_device_line(function_of(g, i), out);
	}
	if (more)
		(void)fprintf(out, "<br/>and %u more", more);
	(void)fputs(">];\n", out);
	for (uint32_t i = first; i != TOPO_NONE; i = next_of_device(g, i))
		write_vfs(g, i, first, out);
}

/* ---- switches ---- */

static bool is_empty_port(const struct topo_graph *g, uint32_t i)
{
	return g->nodes[i].first_child == TOPO_NONE;
}

static bool is_same_bus(const struct topo_graph *g, uint32_t i, uint32_t other)
{
	const struct topo_address *a = &function_of(g, i)->address;
	const struct topo_address *b = &function_of(g, other)->address;

	return a->domain == b->domain && a->bus == b->bus;
}

/* The port after @i in the list of the switch's ports; among roots its bus ends that list. */
static uint32_t next_port(const struct topo_graph *g, const struct topo_switch *s, uint32_t i)
{
	uint32_t id = g->nodes[s->first_port].switch_id;

	do {
		i = g->nodes[i].next;
		if (i != TOPO_NONE && s->upstream == TOPO_NONE && !is_same_bus(g, i, s->first_port))
			return TOPO_NONE;
	} while (i != TOPO_NONE && g->nodes[i].switch_id != id);
	return i;
}

static uint32_t count_empty_ports(const struct topo_graph *g, const struct topo_switch *s)
{
	uint32_t n = 0;

	for (uint32_t i = s->first_port; i != TOPO_NONE; i = next_port(g, s, i))
		n += is_empty_port(g, i);
	return n;
}

static void write_switch_title(const struct topo_graph *g, const struct topo_switch *s, FILE *out)
{
	uint32_t i = s->upstream != TOPO_NONE ? s->upstream : s->first_port;
	const struct topo_function *f = function_of(g, i);

	(void)fprintf(out, "    label=<<b>switch</b> ");
	write_ids(f->vendor, f->device, out);
	if (s->upstream == TOPO_NONE)
		(void)fputs("<br/><i>its upstream port is not in the source</i>", out);
	(void)fputs(">;\n", out);
}

static void write_switch_port(const struct topo_graph *g, const struct topo_switch *s, uint32_t i,
			      FILE *out)
{
	write_port(g, i, out);
	if (s->upstream != TOPO_NONE)
		(void)fprintf(out, "  f%u -> f%u [color=\"" DOT_GREY "\"];\n", s->upstream, i);
}

static void write_switch(const struct topo_graph *g, size_t id, FILE *out)
{
	const struct topo_switch *s = &g->switches[id];
	uint32_t empty = count_empty_ports(g, s);

	(void)fprintf(out,
		      "  subgraph cluster_s%zu {\n    style=\"rounded,filled\"; color=\"#9bb8d9\"; "
		      "fillcolor=\"" DOT_SWITCH "\"; margin=14;\n",
		      id);
	write_switch_title(g, s, out);
	if (s->upstream != TOPO_NONE)
		write_port(g, s->upstream, out);
	for (uint32_t i = s->first_port; i != TOPO_NONE; i = next_port(g, s, i))
		if (!is_empty_port(g, i))
			write_switch_port(g, s, i, out);
	if (empty) {
		(void)fprintf(out,
			      "  e%zu [shape=box, style=\"rounded,dashed\", color=\"" DOT_GREY
			      "\", fontcolor=\"" DOT_GREY "\", label=\"%u empty port%s\"];\n",
			      id, empty, empty == 1 ? "" : "s");
		if (s->upstream != TOPO_NONE)
			(void)fprintf(out, "  f%u -> e%zu [color=\"" DOT_GREY "\"];\n", s->upstream,
				      id);
	}
	(void)fputs("  }\n", out);
}

/* ---- what hangs below a bridge ---- */

static void write_below(const struct topo_graph *g, uint32_t bridge, FILE *out);

static void write_bridge_below(const struct topo_graph *g, const char *from, uint32_t i, FILE *out)
{
	/* Ports of a switch stand in its box already, with the way to them. */
	if (g->nodes[i].switch_id == TOPO_NONE)
		write_port(g, i, out);
	if (g->nodes[i].switch_id == TOPO_NONE || function_of(g, i)->express.type == TOPO_UPSTREAM)
		write_edge(g, from, i, out);
	write_below(g, i, out);
}

/* The functions of @list that are drawn: bridges with something below, and devices. */
static void write_list(const struct topo_graph *g, const char *from, uint32_t list, FILE *out)
{
	uint32_t previous = TOPO_NONE;

	for (uint32_t i = list; i != TOPO_NONE; previous = i, i = g->nodes[i].next) {
		if (is_bridge(function_of(g, i))) {
			write_bridge_below(g, from, i, out);
			continue;
		}
		if (is_more_of_device(g, previous, i))
			continue;
		write_device(g, i, out);
		write_edge(g, from, i, out);
	}
}

static void write_below(const struct topo_graph *g, uint32_t bridge, FILE *out)
{
	char from[16];

	(void)snprintf(from, sizeof(from), "f%u", bridge);
	write_list(g, from, g->nodes[bridge].first_child, out);
}

/* ---- root complexes ---- */

struct root {
	const struct topo_graph *g;
	uint32_t first;
	uint32_t domain;
	unsigned int integrated; /* functions that are counted, not drawn */
	unsigned int empty;      /* root ports with nothing below */
};

static bool is_in_root(const struct root *r, uint32_t i)
{
	return i != TOPO_NONE && function_of(r->g, i)->address.domain == r->domain;
}

/* What becomes of a bridge, or of a device from its first function on. */
enum root_part { ROOT_INTEGRATED, ROOT_EMPTY_PORT, ROOT_DRAWN, ROOT_ORPHAN };

static enum root_part root_part_of(const struct topo_graph *g, uint32_t i)
{
	const struct topo_node *node = &g->nodes[i];

	if (node->orphan || node->switch_id != TOPO_NONE)
		return ROOT_ORPHAN;
	if (is_bridge(function_of(g, i)))
		return node->first_child != TOPO_NONE ? ROOT_DRAWN : ROOT_EMPTY_PORT;
	for (; i != TOPO_NONE; i = next_of_device(g, i))
		if (g->nodes[i].first_vf != TOPO_NONE)
			return ROOT_DRAWN;
	return ROOT_INTEGRATED;
}

static unsigned int count_functions(const struct topo_graph *g, uint32_t i)
{
	unsigned int n = 0;

	for (; i != TOPO_NONE; i = next_of_device(g, i))
		n++;
	return n;
}

static uint32_t next_of_root(const struct root *r, uint32_t i)
{
	uint32_t next = r->g->nodes[i].next;

	while (next != TOPO_NONE && is_more_of_device(r->g, i, next)) {
		i = next;
		next = r->g->nodes[i].next;
	}
	return next;
}

static bool root_count(struct root *r)
{
	bool any = false;

	for (uint32_t i = r->first; is_in_root(r, i); i = next_of_root(r, i)) {
		enum root_part part = root_part_of(r->g, i);

		any |= part != ROOT_ORPHAN;
		r->integrated += part == ROOT_INTEGRATED ? count_functions(r->g, i) : 0;
		r->empty += part == ROOT_EMPTY_PORT;
	}
	return any;
}

static void write_root_box(const struct root *r, FILE *out)
{
	(void)fprintf(out,
		      "  r%u [shape=box, style=\"rounded,filled\", color=\"" DOT_DARK
		      "\", fillcolor=\"" DOT_DARK "\", fontcolor=white, label=<<b>root complex"
		      "</b><br/>domain %04x",
		      r->first, r->domain);
	if (r->integrated)
		(void)fprintf(out, "<br/><font point-size=\"9\">%u integrated function%s</font>",
			      r->integrated, r->integrated == 1 ? "" : "s");
	if (r->empty)
		(void)fprintf(out, "<br/><font point-size=\"9\">%u empty port%s</font>", r->empty,
			      r->empty == 1 ? "" : "s");
	(void)fputs(">];\n", out);
}

/* What hangs at a bridge that the source does not show, one stub for each bus. */
static void write_orphan(const struct root *r, uint32_t i, uint32_t *stub, FILE *out)
{
	const struct topo_graph *g = r->g;
	const struct topo_address *a = &function_of(g, i)->address;
	char from[16];

	if (*stub == TOPO_NONE || function_of(g, *stub)->address.bus != a->bus) {
		*stub = i;
		(void)fprintf(out,
			      "  o%u [shape=box, style=\"rounded,dashed\", color=\"" DOT_GREY
			      "\", fontcolor=\"" DOT_GREY "\", label=\"bus %02x of domain %04x\\n"
			      "its bridge is not in the source\"];\n",
			      i, a->bus, a->domain);
	}
	(void)snprintf(from, sizeof(from), "o%u", *stub);
	if (!is_bridge(function_of(g, i))) {
		write_device(g, i, out);
		write_edge(g, from, i, out);
		return;
	}
	if (g->nodes[i].switch_id == TOPO_NONE)
		write_port(g, i, out);
	if (g->nodes[i].switch_id == TOPO_NONE || !is_empty_port(g, i))
		write_edge(g, from, i, out);
	write_below(g, i, out);
}

static void write_root_part(const struct root *r, uint32_t i, uint32_t *stub, FILE *out)
{
	char from[16];

	(void)snprintf(from, sizeof(from), "r%u", r->first);
	switch (root_part_of(r->g, i)) {
	case ROOT_ORPHAN:
		write_orphan(r, i, stub, out);
		break;
	case ROOT_DRAWN:
		if (is_bridge(function_of(r->g, i))) {
			write_bridge_below(r->g, from, i, out);
			break;
		}
		write_device(r->g, i, out);
		write_edge(r->g, from, i, out);
		break;
	case ROOT_INTEGRATED:
	case ROOT_EMPTY_PORT:
		break;
	}
}

/* One domain. Return: the first root of the next one. */
static uint32_t write_root(const struct topo_graph *g, uint32_t first, FILE *out)
{
	struct root r = { .g = g, .first = first, .domain = function_of(g, first)->address.domain };
	uint32_t stub = TOPO_NONE;
	uint32_t i;

	if (root_count(&r))
		write_root_box(&r, out);
	for (i = first; is_in_root(&r, i); i = next_of_root(&r, i))
		write_root_part(&r, i, &stub, out);
	return i;
}

int topo_dot_write(const struct topo_graph *g, const char *title, FILE *out)
{
	(void)fputs("digraph topology {\n"
		    "  rankdir=LR; nodesep=0.18; ranksep=0.7; labelloc=b; fontname=\"Helvetica\";\n"
		    "  fontsize=11; fontcolor=\"" DOT_GREY "\";\n"
		    "  node [fontname=\"Helvetica\", fontsize=11, color=\"" DOT_GREY
		    "\", margin=\"0.14,0.07\"];\n"
		    "  edge [fontname=\"Helvetica\", fontsize=9, arrowhead=none, color=\"" DOT_DARK
		    "\"];\n  label=",
		    out);
	write_quoted(title, out);
	(void)fputs(";\n", out);
	for (size_t id = 0; id < g->switch_count; id++)
		write_switch(g, id, out);
	for (uint32_t i = g->first_root; i != TOPO_NONE;)
		i = write_root(g, i, out);
	(void)fputs("}\n", out);
	return fflush(out) || ferror(out) ? -EIO : 0;
}
