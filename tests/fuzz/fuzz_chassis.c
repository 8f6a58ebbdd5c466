/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A chassis file of any bytes is read or refused; what was read is printed, and reads the same. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sim/chassis_file.h"
#include "sim/map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OWNED(sim_chassis_free) struct sim_chassis *chassis = NULL;
	OWNED(sim_chassis_free) struct sim_chassis *again = NULL;
	OWNED(buf_done) struct buf printed = { 0 };
	OWNED(buf_done) struct buf twice = { 0 };
	char error[SIM_CHASSIS_ERROR];
	struct sim_map map;
	int r;

	r = sim_chassis_parse((const char *)data, size, "fuzz", NULL, &chassis, error);
	if (r) {
		assert(error[0]);
		return 0;
	}
	sim_chassis_print(chassis, &printed);
	r = sim_chassis_parse((const char *)printed.data, printed.length, "printed", NULL, &again,
			      error);
	assert(!r);
	sim_chassis_print(again, &twice);
	assert(printed.length == twice.length);
	assert(!memcmp(printed.data, twice.data, printed.length));
	r = sim_map_init(&map, chassis);
	assert(!r);
	sim_map_done(&map);
	return 0;
}
