/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A small chassis that has one of everything, for the tests of sim/. Include after cmocka.h. */
#pragma once

#include <string.h>

#include "sim/chassis.h"

/* Handles of what stands in it. */
enum {
	BAY1 = 1,
	BAY2,
	BAY3,
	SHARED = 1, /* adapters: 4 of 8 VFs enabled, the switch has the PF */
	GPU,        /* two functions, no function-level reset */
	WHOLE,      /* 2 of 4 VFs, goes with its PF */
	MRA,        /* a BF and two PFs */
	FC,
	RING, /* two PFs that belong together, with two VFs each, shared */
	SHARED_PF = 1,
	SHARED_VF1, /* .. 9 */
	SHARED_VF2,
	SHARED_VF5 = SHARED_PF + 5,
	GPU_F0 = 10,
	GPU_F1,
	WHOLE_PF,
	WHOLE_VF1,
	MRA_BF = WHOLE_PF + 5,
	MRA_PF0,
	MRA_PF1,
	FC_F0,
	RING_PF0,
	RING_PF0_VF1,
	RING_PF1 = RING_PF0 + 3,
	RING_PF1_VF1,
	FUNCTIONS = RING_PF1 + 2,
};

__attribute__((unused)) static struct sim_chassis *fixture_new(void)
{
	struct sim_chassis *c = sim_chassis_new("test");
	char path[SIM_CHASSIS_WHY] = "", why[SIM_CHASSIS_WHY] = "";
	struct sim_device ring = *sim_device_find("nvme-sriov");
	struct sim_adapter *a;

	assert_non_null(sim_chassis_add_switch(c, "sw0"));
	assert_non_null(sim_chassis_add_switch(c, "sw1"));
	assert_non_null(sim_chassis_add_link(c, 1, 2));
	for (int i = 1; i <= 3; i++) {
		char bay[] = "bay0";
		struct sim_host *h;

		bay[3] = (char)('0' + i);
		h = sim_chassis_add_host(c, bay, i == 3 ? 2 : 1);
		h->vports = 4;
		h->window_bytes = 512 << 20;
	}
	a = sim_chassis_add_adapter(c, sim_device_find("ethernet"), "A0369F000001", 1);
	a->device.total_vfs = 8;
	a->num_vfs = 4;
	a->keeper = PROVIDER_KEEPER_SWITCH;
	a = sim_chassis_add_adapter(c, sim_device_find("gpu"), "GPU0001", 1);
	a->pfs = 2;
	a = sim_chassis_add_adapter(c, sim_device_find("ethernet"), "A0369F000002", 1);
	a->device.total_vfs = 4;
	a->num_vfs = 2;
	a = sim_chassis_add_adapter(c, sim_device_find("ethernet-mra"), "MRA0001", 2);
	a->pfs = 2;
	sim_chassis_add_adapter(c, sim_device_find("fc"), "FC0001", 2);
	ring.total_vfs = 2;
	a = sim_chassis_add_adapter(c, &ring, "RING0001", 2);
	a->num_vfs = 2;
	a->pfs = 2;
	a->ring = true;
	a->keeper = PROVIDER_KEEPER_SWITCH;
	assert_int_equal(sim_chassis_check(c, path, why), 0);
	return c;
}
