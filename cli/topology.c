/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/topology.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "provider/pci.h"
#include "topology/capture.h"
#include "topology/dot.h"
#include "topology/graph.h"
#include "topology/json.h"
#include "topology/tree.h"

enum { EXIT_DONE = 0, EXIT_INPUT = 1, EXIT_USAGE = 2, EXIT_FAILED = 4 };

/* ---- sources ---- */

struct loading {
	struct topo_graph *g;
	uint64_t line; /* of the device that came last */
};

static int add_device(const struct capture_device *device, void *arg)
{
	struct loading *loading = arg;

	loading->line = device->line;
	return topo_graph_add(loading->g, &device->address, device->bytes, device->length);
}

/* The exit code for a result that is not 0, and its line on stderr. */
static int report(const char *name, const char *reason, int r)
{
	if (r == -ENOMEM)
		reason = "out of memory";
	else if (r == REFUSE_LIMIT)
		reason = "more functions than fit a topology";
	(void)fprintf(stderr, "fabricctl: %s: %s\n", name, reason);
	return r == -ENOMEM ? EXIT_FAILED : EXIT_INPUT;
}

static int load_dump(const char *file, struct topo_graph *g)
{
	struct loading loading = { .g = g };
	struct capture_error error;
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int r;

	if (fd < 0)
		return report(file, strerror(errno), -errno);
	r = capture_read(fd, add_device, &loading, &error);
	(void)close(fd); /* only read */
	if (r == REFUSE_LIMIT) {
		error.line = loading.line;
		(void)snprintf(error.reason, sizeof(error.reason), "more than %d functions",
			       TOPO_FUNCTIONS_MAX);
	}
	if (r && error.line) {
		(void)fprintf(stderr, "fabricctl: %s:%" PRIu64 ": %s\n", file, error.line,
			      error.reason);
		return EXIT_INPUT;
	}
	if (!r)
		r = topo_graph_link(g);
	return r ? report(file, error.reason, r) : EXIT_DONE;
}

static int load_tree(const char *name, const char *tree, struct topo_graph *g)
{
	char reason[PROVIDER_PCI_REASON];
	int r = provider_pci_load(tree, g, reason);

	if (!r && !g->count)
		return report(name, "no device", REFUSE_FIELD);
	return r ? report(name, reason, r) : EXIT_DONE;
}

static int load_sysfs(const char *folder, struct topo_graph *g)
{
	return load_tree(folder, folder, g);
}

static int load_pci(const char *rest, struct topo_graph *g)
{
	(void)rest;
	return load_tree("pci", NULL, g);
}

static const struct source {
	const char *prefix;
	bool has_rest;
	int (*load)(const char *rest, struct topo_graph *g);
} sources[] = {
	{ "dump:", true, load_dump },
	{ "sysfs:", true, load_sysfs },
	{ "pci", false, load_pci },
};

static const struct source *source_find(const char *text)
{
	for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
		size_t n = strlen(sources[i].prefix);

		if (!strncmp(text, sources[i].prefix, n) && !text[n] == !sources[i].has_rest)
			return &sources[i];
	}
	return NULL;
}

/* ---- outputs ---- */

static int write_json(const struct topo_graph *g, const char *source, bool color)
{
	(void)color;
	return topo_json_write(g, source, stdout);
}

static int write_tree(const struct topo_graph *g, const char *source, bool color)
{
	return topo_tree_write(g, source, color, stdout);
}

static int write_dot(const struct topo_graph *g, const char *source, bool color)
{
	(void)color;
	return topo_dot_write(g, source, stdout);
}

static const struct output {
	const char *name;
	int (*write)(const struct topo_graph *g, const char *source, bool color);
} outputs[] = {
	{ "tree", write_tree },
	{ "json", write_json },
	{ "dot", write_dot },
};

static const struct output *output_find(const char *name)
{
	for (size_t i = 0; i < sizeof(outputs) / sizeof(*outputs); i++)
		if (!strcmp(outputs[i].name, name))
			return &outputs[i];
	return NULL;
}

int cli_topology_from(const char *source, const char *output, bool color)
{
	const struct source *from = source_find(source);
	const struct output *to = output_find(output);
	OWNED(topo_graph_done) struct topo_graph g = { 0 };
	int code;

	if (!from || !to) {
		(void)fprintf(stderr, from ? "fabricctl: topology -o is tree, json or dot\n"
					   : "fabricctl: --from is dump:FILE, sysfs:DIR or pci\n");
		return EXIT_USAGE;
	}
	code = from->load(source + strlen(from->prefix), &g);
	if (code)
		return code;
	if (to->write(&g, source, color)) {
		(void)fprintf(stderr, "fabricctl: standard output: cannot be written\n");
		return EXIT_FAILED;
	}
	return EXIT_DONE;
}
