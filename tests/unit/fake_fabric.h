/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small fabric that does nothing: two hosts, an adapter with a PF and VFs, one change, one
 * incident. It stands where fabricd's library would, so that api/ is tested alone. Requests are
 * noted; a test says what they return, and answers them when it likes.
 */
#pragma once

#include "fabricd/fabric.h"

enum { FAKE_VFS = 250, FAKE_FUNCTIONS = FAKE_VFS + 1, FAKE_EVENTS = 8192 };

struct fabric {
	struct config config;
	struct fabric_health health;
	struct fabric_switch sw;
	struct fabric_port ports[3];
	struct fabric_host hosts[2]; /* bay1, ch2/bay10 */
	struct fabric_adapter adapter;
	struct fabric_function functions[FAKE_FUNCTIONS];
	struct fabric_change change; /* 7, running, one item: vf2 */
	struct fabric_item item;
	struct fabric_incident incident; /* 3 */
	struct db_step step;
	const struct fabric_switch *switch_list[1];
	const struct fabric_port *port_list[3];
	const struct fabric_host *host_list[2];
	const struct fabric_adapter *adapter_list[1];
	const struct fabric_function *function_list[FAKE_FUNCTIONS];
	const struct fabric_change *change_list[1];
	const struct fabric_incident *incident_list[1];
	struct fabric_member members[2];
	struct fabric_profile profile; /* "web": vf1, vf2 */
	const struct fabric_profile *profile_list[1];
	/* events event_first .. event_last are in memory */
	uint64_t event_first;
	uint64_t event_last;

	/* what was asked */
	int result; /* what requests return at once */
	const char *refused_field;
	struct fabric_request_op ops[4];
	size_t op_count;
	struct fabric_profile_request profile_asked; /* its members are gone */
	struct fabric_profile_member member_asked;   /* the last */
	size_t refused_op;
	char key[64];
	uint64_t hash;
	bool drain_is_empty;
	uint32_t uid;
	char host[FABRIC_NAME_MAX];
	char boot_id[FABRIC_NAME_MAX];
	uint64_t seq;
	struct fabric_seen seen; /* the first row of the last view */
	size_t seen_count;
	uint64_t number;
	bool flag;
	fabric_answer_fn *answer;
	void *answer_arg;
	fabric_answer_fn *waiter;
	void *waiter_arg;
	fabric_view_fn *view;
	void *view_arg;
	unsigned requests;
	unsigned unwaits;
	unsigned cancelled_views;
};

/* How often the events were walked through. */
extern unsigned fake_event_walks;

void fake_init(struct fabric *f);
