/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Functions of a capture, kept with their bytes: as a graph, changed or not, or as a sysfs tree. */
#pragma once

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "topology/capture.h"
#include "topology/graph.h"

enum { FIXTURE_FUNCTIONS = 64 };

struct fixture_function {
	struct topo_address address;
	uint8_t bytes[TOPO_CONFIG_BYTES];
	size_t length;
};

struct fixture {
	size_t count;
	struct fixture_function functions[FIXTURE_FUNCTIONS];
};

static inline int fixture_take(const struct capture_device *device, void *arg)
{
	struct fixture *f = arg;
	struct fixture_function *made = &f->functions[f->count++];

	assert_true(f->count <= FIXTURE_FUNCTIONS);
	made->address = device->address;
	made->length = device->length;
	memcpy(made->bytes, device->bytes, device->length);
	return 0;
}

static inline void fixture_load(struct fixture *f, const char *capture)
{
	struct capture_error error = { 0 };
	char path[512];
	int fd;

	(void)snprintf(path, sizeof(path), TEST_DATA "/captures/%s", capture);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	f->count = 0;
	assert_int_equal(capture_read(fd, fixture_take, f, &error), 0);
	(void)close(fd);
}

static inline struct fixture_function *fixture_at(struct fixture *f, const char *address)
{
	struct topo_address at;

	assert_int_equal(topo_address_parse(address, &at), 0);
	for (size_t i = 0; i < f->count; i++)
		if (!topo_address_compare(&f->functions[i].address, &at))
			return &f->functions[i];
	return NULL;
}

static inline void fixture_drop(struct fixture *f, const char *address)
{
	struct fixture_function *at = fixture_at(f, address);

	assert_non_null(at);
	f->count--;
	memmove(at, at + 1, (size_t)(f->functions + f->count - at) * sizeof(*at));
}

static inline void fixture_graph(const struct fixture *f, struct topo_graph *g)
{
	*g = (struct topo_graph){ 0 };
	for (size_t i = 0; i < f->count; i++)
		assert_int_equal(topo_graph_add(g, &f->functions[i].address, f->functions[i].bytes,
						f->functions[i].length),
				 0);
	topo_graph_sort(g);
	assert_int_equal(topo_graph_link(g), 0);
}
