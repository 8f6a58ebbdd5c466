/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reader of captures, the decoder, the graph and its writers. The input is a capture; it is
 * fed at once and in small pieces, and both must say the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>
#include <unistd.h>

#include "topology/capture.h"
#include "topology/dot.h"
#include "topology/graph.h"
#include "topology/json.h"
#include "topology/tree.h"
#include "topology/vf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	struct topo_graph g;
	uint64_t sum; /* of all that the reader said */
	int result;
	struct capture_error error;
};

static void must(int truth)
{
	if (!truth)
		abort();
}

static void sum_add(struct seen *s, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < length; i++)
		s->sum = (s->sum ^ at[i]) * 0x100000001b3;
}

static int take_device(const struct capture_device *device, void *arg)
{
	struct seen *s = arg;
	struct topo_address again;
	char text[TOPO_ADDRESS_TEXT];

	must(device->length <= TOPO_CONFIG_BYTES);
	topo_address_format(&device->address, text);
	must(!topo_address_parse(text, &again));
	must(!topo_address_compare(&again, &device->address));
	sum_add(s, text, strlen(text));
	sum_add(s, &device->line, sizeof(device->line));
	sum_add(s, device->bytes, device->length);
	return topo_graph_add(&s->g, &device->address, device->bytes, device->length);
}

static void read_in_pieces(struct seen *s, const uint8_t *data, size_t size, size_t piece)
{
	OWNED(capture_free) struct capture *c = NULL;

	must(!capture_new(take_device, s, &c));
	for (size_t at = 0; at < size && !s->result; at += piece) {
		/* A copy of its own, so that a read past the piece is seen. */
		size_t length = size - at < piece ? size - at : piece;
		uint8_t *copy = malloc(length);

		must(copy != NULL);
		memcpy(copy, data + at, length);
		s->result = capture_feed(c, copy, length);
		free(copy);
	}
	if (!s->result)
		s->result = capture_end(c);
	s->error = *capture_error_get(c);
	must(capture_end(c) == s->result || !s->result);
}

static void read_from_file(struct seen *s, const uint8_t *data, size_t size)
{
	int fd = memfd_create("capture", MFD_CLOEXEC);

	must(fd >= 0 && write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
	s->result = capture_read(fd, take_device, s, &s->error);
	(void)close(fd); /* nothing is lost */
}

static void must_be_same(const struct seen *a, const struct seen *b)
{
	must(a->result == b->result && a->sum == b->sum);
	must(a->error.line == b->error.line);
	must(!strcmp(a->error.reason, b->error.reason));
}

/* What the graph found in bulk is what the arithmetic says of the one. */
static void check_vf(const struct topo_graph *g, uint32_t i)
{
	const struct topo_function *pf = &g->functions[g->nodes[i].physfn];
	uint16_t rid;

	must(pf->sriov.enabled && pf->address.domain == g->functions[i].address.domain);
	must(!topo_vf_rid(&pf->sriov.vfs, topo_address_rid(&pf->address), g->nodes[i].vf_index,
			  &rid));
	must(rid == topo_address_rid(&g->functions[i].address));
}

/* Up from every function, in fewer steps than there are buses. */
static void check_graph(const struct topo_graph *g)
{
	for (uint32_t i = 0; i < g->count; i++) {
		const struct topo_node *node = &g->nodes[i];
		unsigned int steps = 0;

		for (uint32_t up = node->parent; up != TOPO_NONE; up = g->nodes[up].parent)
			must(++steps < 256);
		must((node->physfn == TOPO_NONE) == !node->vf_index);
		if (node->vf_index)
			check_vf(g, i);
		must(topo_graph_find(g, &g->functions[i].address) != TOPO_NONE);
	}
}

/* One after the other, a list at a time: every function is in exactly one list. */
static size_t count_below(const struct topo_graph *g, uint32_t first)
{
	size_t n = 0;

	for (uint32_t i = first; i != TOPO_NONE; i = g->nodes[i].next)
		n += 1 + count_below(g, g->nodes[i].first_child) +
		     count_below(g, g->nodes[i].first_vf);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	struct seen whole = { 0 };
	struct seen pieces = { 0 };

	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	must(nowhere != NULL);

	read_in_pieces(&whole, data, size, size ? size : 1);
	read_in_pieces(&pieces, data, size, size % 13 + 1);
	must_be_same(&whole, &pieces);
	if (size % 4 == 0) {
		struct seen file = { 0 };

		read_from_file(&file, data, size);
		must_be_same(&whole, &file);
		topo_graph_done(&file.g);
	}
	must(whole.result == 0 || whole.error.line > 0);

	must(!topo_graph_link(&whole.g));
	check_graph(&whole.g);
	must(count_below(&whole.g, whole.g.first_root) == whole.g.count);
	must(!topo_json_write(&whole.g, "dump:x", nowhere));
	must(!topo_tree_write(&whole.g, "dump:x", true, nowhere));
	must(!topo_dot_write(&whole.g, "dump:x", nowhere));
	topo_graph_done(&whole.g);
	topo_graph_done(&pieces.g);
	return 0;
}
