/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "topology/json.h"

#include <errno.h>
#include <stdint.h>

#include "topology/utf8.h"

/* ---- text ---- */

static void write_text(const char *text, FILE *out)
{
	const uint8_t *s = (const uint8_t *)text;

	(void)fputc('"', out); /* here and below: the stream keeps its error until the end */
	while (*s) {
		size_t n = topo_utf8_length(s);

		if (!n) {
			(void)fputs("\\ufffd", out);
			s++;
			continue;
		}
		if (*s < 0x20 || *s == 0x7f)
			(void)fprintf(out, "\\u%04x", *s);
		else if (*s == '"' || *s == '\\')
			(void)fprintf(out, "\\%c", *s);
		else
			(void)fwrite(s, 1, n, out);
		s += n;
	}
	(void)fputc('"', out);
}

static void write_address(const char *key, const struct topo_address *address, FILE *out)
{
	char text[TOPO_ADDRESS_TEXT];

	topo_address_format(address, text);
	(void)fprintf(out, ",\"%s\":\"%s\"", key, text);
}

static const char *truth(bool v)
{
	return v ? "true" : "false";
}

/* ---- the parts of a function ---- */

static void write_bridge(const struct topo_function *f, FILE *out)
{
	if (f->header != TOPO_HEADER_BRIDGE && f->header != TOPO_HEADER_CARDBUS) {
		(void)fputs(",\"bridge\":null", out);
		return;
	}
	(void)fprintf(out, ",\"bridge\":{\"primary\":%u,\"secondary\":%u,\"subordinate\":%u}",
		      f->bridge.primary, f->bridge.secondary, f->bridge.subordinate);
}

static void write_speed(const char *key, uint8_t code, FILE *out)
{
	unsigned int tenths = topo_speed_tenths(code);

	if (!tenths)
		(void)fprintf(out, "\"%s\":null", key);
	else if (tenths % 10)
		(void)fprintf(out, "\"%s\":%u.%u", key, tenths / 10, tenths % 10);
	else
		(void)fprintf(out, "\"%s\":%u", key, tenths / 10);
}

static void write_link(const struct topo_link *l, FILE *out)
{
	if (!l->present) {
		(void)fputs(",\"link\":null", out);
		return;
	}
	(void)fputs(",\"link\":{", out);
	write_speed("max_gts", l->max_speed, out);
	(void)fprintf(out, ",\"max_width\":%u,", l->max_width);
	write_speed("gts", l->speed, out);
	(void)fprintf(out, ",\"width\":%u}", l->width);
}

static void write_express(const struct topo_express *e, FILE *out)
{
	if (!e->offset) {
		(void)fputs(",\"express\":null", out);
		return;
	}
	(void)fprintf(out, ",\"express\":{\"version\":%u,\"type\":\"%s\",\"port\":%u", e->version,
		      topo_express_type_text(e->type), e->port);
	if (e->slot.implemented)
		(void)fprintf(out, ",\"slot\":%u", e->slot.number);
	else
		(void)fputs(",\"slot\":null", out);
	(void)fprintf(out, ",\"hotplug\":%s", truth(e->slot.hotplug));
	write_link(&e->link, out);
	(void)fputc('}', out);
}

static void write_caps(const struct topo_function *f, FILE *out)
{
	(void)fputs(",\"capabilities\":[", out);
	for (size_t i = 0; i < f->cap_count; i++)
		(void)fprintf(out, "%s\"%02x\"", i ? "," : "", f->caps[i].id);
	(void)fputs("],\"extended_capabilities\":[", out);
	for (size_t i = 0; i < f->ext_cap_count; i++)
		(void)fprintf(out, "%s\"%04x\"", i ? "," : "", f->ext_caps[i].id);
	(void)fputc(']', out);
}

static void write_sriov(const struct topo_sriov *s, FILE *out)
{
	if (!s->offset) {
		(void)fputs(",\"sriov\":null", out);
		return;
	}
	(void)fprintf(
		out,
		",\"sriov\":{\"enabled\":%s,\"initial_vfs\":%u,\"total_vfs\":%u,"
		"\"num_vfs\":%u,\"first_vf_offset\":%u,\"vf_stride\":%u,\"vf_device\":\"%04x\"}",
		truth(s->enabled), s->initial_vfs, s->total_vfs, s->vfs.num_vfs,
		s->vfs.first_vf_offset, s->vfs.vf_stride, s->vf_device);
}

static void write_function(const struct topo_graph *g, size_t i, FILE *out)
{
	const struct topo_function *f = &g->functions[i];
	const struct topo_node *node = &g->nodes[i];
	char address[TOPO_ADDRESS_TEXT];

	topo_address_format(&f->address, address);
	(void)fprintf(out,
		      "{\"address\":\"%s\",\"class\":\"%04x\",\"vendor\":\"%04x\","
		      "\"device\":\"%04x\",\"revision\":\"%02x\",\"header\":\"%s\"",
		      address, f->class_code, f->vendor, f->device, f->revision,
		      topo_header_text(f->header));
	write_bridge(f, out);
	if (node->parent != TOPO_NONE)
		write_address("parent", &g->functions[node->parent].address, out);
	else
		(void)fputs(",\"parent\":null", out);
	write_express(&f->express, out);
	write_caps(f, out);
	write_sriov(&f->sriov, out);
	if (node->physfn != TOPO_NONE) {
		write_address("physfn", &g->functions[node->physfn].address, out);
		(void)fprintf(out, ",\"vf_index\":%u", node->vf_index);
	}
	(void)fputc('}', out);
}

int topo_json_write_part(const struct topo_graph *g, const char *source, size_t from, size_t count,
			 FILE *out)
{
	size_t end = count < g->count - from ? from + count : g->count;

	if (!from) {
		(void)fputs("{\"source\":", out);
		write_text(source, out);
		(void)fputs(",\"functions\":[", out);
	}
	for (size_t i = from; i < end; i++) {
		(void)fputs(i ? ",\n" : "\n", out);
		write_function(g, i, out);
	}
	if (end == g->count)
		(void)fputs("\n]}\n", out);
	return ferror(out) ? -EIO : 0;
}

int topo_json_write(const struct topo_graph *g, const char *source, FILE *out)
{
	int r = topo_json_write_part(g, source, 0, g->count, out);

	return r ? r : fflush(out) ? -EIO : 0;
}
