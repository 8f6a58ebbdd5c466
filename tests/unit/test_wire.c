/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provider/wire.h"

/* The one frame that stands in @b. */
static struct wire_frame frame_of(const struct buf *b)
{
	struct wire_frame f;

	assert_false(b->failed);
	assert_int_equal(wire_frame_next(b->data, b->length, &f), b->length);
	return f;
}

/* Every shorter body is malformed, and a longer one is not: @get says 0 or an error. */
static void lengths_check(const struct wire_frame *f, int (*get)(const struct wire_frame *f))
{
	uint8_t bytes[WIRE_BODY_MAX] = { 0 };
	struct wire_frame g = { .type = f->type, .body = bytes };

	memcpy(bytes, f->body, f->length);
	for (g.length = 0; g.length < f->length; g.length++)
		assert_int_equal(get(&g), -EBADMSG);
	assert_int_equal(get(&g), 0);
	g.length++;
	assert_int_equal(get(&g), 0);
}

static const struct provider_op an_op = {
	.attempt = 0x0102030405060708,
	.generation = 9,
	.epoch = 3,
	.deadline_ms = 100250,
	.verb = PROVIDER_BIND,
	.mode = PROVIDER_MANAGED,
	.function = 0x11223344,
	.host = 7,
	.vport = 5,
	.value = 0x55667788,
	.identity = { .mac = 0x02fab0000001, .wwpn = 1, .wwnn = 2, .vlan = 100 },
};

static const struct provider_hello a_hello = {
	.name = "fabricsim 0.1.0",
	.boot_id = "5d0c",
	.can = PROVIDER_CAN_ISOLATE | PROVIDER_CAN_BARRIER,
	.lateness_ms = 1000,
	.timeout_ms = 2000,
	.depth = 32,
};

static int get_hello(const struct wire_frame *f)
{
	struct wire_hello h;

	return wire_hello_get(f, &h);
}

static int get_welcome(const struct wire_frame *f)
{
	struct provider_hello h;

	return wire_welcome_get(f, &h);
}

static int get_op(const struct wire_frame *f)
{
	struct provider_op op;

	return wire_op_get(f, 1, &op);
}

static struct provider_binding bindings[PROVIDER_READ_MAX];

static int get_done(const struct wire_frame *f)
{
	struct provider_completion done;

	return wire_done_get(f, bindings, &done);
}

static int get_event(const struct wire_frame *f)
{
	struct provider_event e;

	return wire_event_get(f, &e);
}

static int get_state(const struct wire_frame *f)
{
	enum provider_state s;
	struct provider_hello h;

	return wire_state_get(f, &s, &h);
}

static int get_slice(const struct wire_frame *f)
{
	struct wire_slice s;

	return wire_slice_get(f, &s);
}

static void a_hello_and_a_welcome_survive_the_wire(void **unused)
{
	OWNED(buf_done) struct buf b = { 0 };
	OWNED(buf_done) struct buf w = { 0 };
	struct wire_frame f;
	struct wire_hello hello;
	struct provider_hello got = { 0 };

	(void)unused;
	wire_hello_put(&b, WIRE_MANAGER, "fabricd");
	f = frame_of(&b);
	assert_int_equal(f.type, WIRE_HELLO);
	assert_int_equal(wire_hello_get(&f, &hello), 0);
	assert_int_equal(hello.oldest, WIRE_VERSION);
	assert_int_equal(hello.role, WIRE_MANAGER);
	assert_string_equal(hello.name, "fabricd");
	lengths_check(&f, get_hello);

	wire_welcome_put(&w, &a_hello);
	f = frame_of(&w);
	assert_int_equal(wire_welcome_get(&f, &got), 0);
	assert_memory_equal(&got, &a_hello, sizeof(got));
	lengths_check(&f, get_welcome);
}

static void an_operation_survives_the_wire(void **unused)
{
	OWNED(buf_done) struct buf b = { 0 };
	struct provider_op got = { 0 };
	struct wire_frame f;

	(void)unused;
	wire_op_put(&b, &an_op, 100000);
	f = frame_of(&b);
	assert_int_equal(wire_op_get(&f, 100000, &got), 0);
	assert_int_equal(got.attempt, an_op.attempt);
	assert_int_equal(got.generation, an_op.generation);
	assert_int_equal(got.epoch, an_op.epoch);
	assert_int_equal(got.verb, an_op.verb);
	assert_int_equal(got.mode, an_op.mode);
	assert_int_equal(got.function, an_op.function);
	assert_int_equal(got.host, an_op.host);
	assert_int_equal(got.vport, an_op.vport);
	assert_int_equal(got.value, an_op.value);
	assert_true(identity_is_equal(&got.identity, &an_op.identity));
	lengths_check(&f, get_op);
}

static void an_operation_on_a_slot_survives_the_wire(void **unused)
{
	OWNED(buf_done) struct buf b = { 0 };
	const struct provider_op op = { .attempt = 7,
					.verb = PROVIDER_SLOT_ATTENTION,
					.value = PROVIDER_ATTENTION_BLINK,
					.switch_handle = 3,
					.port = 0x1234 };
	struct provider_op got = { 0 };
	struct wire_frame f;

	(void)unused;
	wire_op_put(&b, &op, 100000);
	f = frame_of(&b);
	assert_int_equal(wire_op_get(&f, 100000, &got), 0);
	assert_int_equal(got.switch_handle, 3);
	assert_int_equal(got.port, 0x1234);
	assert_int_equal(provider_op_check(&got), 0);
	got.switch_handle = 0;
	assert_int_equal(provider_op_check(&got), -EINVAL);
}

static void a_slots_event_survives_the_wire(void **unused)
{
	OWNED(buf_done) struct buf b = { 0 };
	const struct provider_event event = {
		.kind = PROVIDER_EVENT_SLOT,
		.slot = { .switch_handle = 2, .port = 17, .power = true, .button = true },
	};
	struct provider_event got;
	struct wire_frame f;

	(void)unused;
	wire_event_put(&b, &event);
	f = frame_of(&b);
	assert_int_equal(wire_event_get(&f, &got), 0);
	assert_int_equal(got.kind, PROVIDER_EVENT_SLOT);
	assert_int_equal(got.slot.switch_handle, 2);
	assert_int_equal(got.slot.port, 17);
	assert_true(got.slot.power && got.slot.button && !got.slot.presence && !got.slot.link);
}

static void that_a_place_is_unknown_survives_the_wire(void **unused)
{
	OWNED(buf_done) struct buf b = { 0 };
	const struct provider_binding sent[] = {
		{ .function = 1, .unknown = true },
		{ .function = 2, .present = true },
	};
	const struct provider_completion done = { .attempt = 1,

						  .bindings = sent,
						  .binding_count = 2 };
	struct provider_binding room[PROVIDER_READ_MAX];
	struct provider_completion got;
	struct wire_frame f;

	(void)unused;
	wire_done_put(&b, &done);
	f = frame_of(&b);
	assert_int_equal(wire_done_get(&f, room, &got), 0);
	assert_true(room[0].unknown && !room[0].present);
	assert_true(!room[1].unknown && room[1].present);
}

static void time_on_the_way_counts_against_the_deadline(void **unused)
{
	OWNED(buf_done) struct buf b = { 0 };
	struct provider_op got;
	struct wire_frame f;

	(void)unused;
	wire_op_put(&b, &an_op, 100000); /* 250 ms remain */
	f = frame_of(&b);
	assert_int_equal(wire_op_get(&f, 100240, &got), 0);
	assert_int_equal(got.deadline_ms, 100250);
	assert_int_equal(wire_op_get(&f, 200000, &got), 0);
	assert_int_equal(got.deadline_ms, 100250);
	/* another clock: what remains counts from now */
	assert_int_equal(wire_op_get(&f, 50, &got), 0);
	assert_int_equal(got.deadline_ms, 300);
	/* overdue when it is sent */
	b.length = 0;
	wire_op_put(&b, &an_op, 300000);
	f = frame_of(&b);
	assert_int_equal(wire_op_get(&f, 300001, &got), 0);
	assert_int_equal(got.deadline_ms, 300000);
}

static void a_completion_survives_the_wire_with_512_bindings(void **unused)
{
	OWNED(buf_done) struct buf b = { 0 };
	static struct provider_binding sent[PROVIDER_READ_MAX];
	struct provider_completion done = { .attempt = 77,
					    .outcome = PROVIDER_FAILED,
					    .why = PROVIDER_WHY_BLAST,
					    .text = "it went wrong",
					    .bindings = sent,
					    .binding_count = PROVIDER_READ_MAX,
					    .host = { .host = 3, .isolated = true, .link = true } };
	struct provider_completion got;
	struct wire_frame f;

	(void)unused;
	for (uint32_t i = 0; i < PROVIDER_READ_MAX; i++)
		sent[i] = (struct provider_binding){ .function = i + 1,
						     .host = 1,
						     .vport = 240,
						     .generation = 1ull << 40 | i,
						     .identity = { .mac = 1, .vlan = 4094 },
						     .present = i % 2 };
	memset(done.text, 'x', sizeof(done.text) - 1);
	wire_done_put(&b, &done);
	f = frame_of(&b);
	assert_int_equal(wire_done_get(&f, bindings, &got), 0);
	assert_int_equal(got.attempt, 77);
	assert_int_equal(got.outcome, PROVIDER_FAILED);
	assert_int_equal(got.why, PROVIDER_WHY_BLAST);
	assert_string_equal(got.text, done.text);
	assert_true(got.host.isolated && got.host.link && !got.host.power);
	assert_int_equal(got.binding_count, PROVIDER_READ_MAX);
	for (size_t i = 0; i < PROVIDER_READ_MAX; i++) {
		assert_int_equal(got.bindings[i].function, i + 1);
		assert_int_equal(got.bindings[i].generation, sent[i].generation);
		assert_int_equal(got.bindings[i].present, i % 2);
	}
	lengths_check(&f, get_done);
}

static void the_traffic_of_a_host_survives_the_wire_and_may_be_left_out(void **unused)
{
	OWNED(buf_done) struct buf with = { 0 };
	OWNED(buf_done) struct buf without = { 0 };
	struct provider_completion done = { .attempt = 1, .traffic = 1ull << 40 };
	struct provider_completion got;
	struct wire_frame f;
	size_t length;

	(void)unused;
	wire_done_put(&without, &done);
	f = frame_of(&without);
	length = f.length;
	assert_int_equal(wire_done_get(&f, bindings, &got), 0);
	assert_false(got.traffic_known);
	assert_int_equal(got.traffic, 0);
	done.traffic_known = true;
	wire_done_put(&with, &done);
	f = frame_of(&with);
	assert_int_equal(wire_done_get(&f, bindings, &got), 0);
	assert_true(got.traffic_known);
	assert_int_equal(got.traffic, 1ull << 40);
	for (f.length--; f.length > length; f.length--)
		assert_int_equal(get_done(&f), -EBADMSG);
	assert_int_equal(get_done(&f), 0);
}

static void bindings_that_cannot_be_are_malformed(void **unused)
{
	static const struct provider_binding wrong[] = {
		{ .function = 1, .host = 1 },
		{ .function = 1, .vport = 1 },
		{ .function = 1, .host = 1, .vport = 241 },
		{ .function = 1, .identity = { .mac = 1ull << 48 } },
		{ .function = 1, .identity = { .vlan = 4095 } },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		OWNED(buf_done) struct buf b = { 0 };
		const struct provider_completion done = { .attempt = 1,
							  .bindings = &wrong[i],
							  .binding_count = 1 };
		struct wire_frame f;

		wire_done_put(&b, &done);
		f = frame_of(&b);
		assert_int_equal(get_done(&f), -EBADMSG);
	}
}

static void an_outcome_or_event_of_a_later_version_is_taken_with_care(void **unused)
{
	OWNED(buf_done) struct buf b = { 0 };
	OWNED(buf_done) struct buf e = { 0 };
	const struct provider_completion done = { .attempt = 1 };
	const struct provider_event event = { 0 };
	struct provider_completion got;
	struct provider_event told;
	struct wire_frame f;

	(void)unused;
	wire_done_put(&b, &done);
	b.data[WIRE_HEADER + 8] = 200;
	b.data[WIRE_HEADER + 9] = 200;
	f = frame_of(&b);
	assert_int_equal(wire_done_get(&f, bindings, &got), 0);
	assert_int_equal(got.outcome, PROVIDER_UNKNOWN);
	assert_int_equal(got.why, PROVIDER_WHY_NONE);
	wire_event_put(&e, &event);
	e.data[WIRE_HEADER] = 200;
	f = frame_of(&e);
	assert_int_equal(wire_event_get(&f, &told), 0);
	assert_int_equal(told.kind, PROVIDER_EVENT_CHANGED);
}

static void events_and_states_survive_the_wire(void **unused)
{
	OWNED(buf_done) struct buf b = { 0 };
	OWNED(buf_done) struct buf s = { 0 };
	const struct provider_event event = {
		.kind = PROVIDER_EVENT_HOST,
		.host = { .host = 9, .power = true, .power_known = true },
		.function = 5,
		.present = true,
		.boot_id = "b2",
	};
	struct provider_event got;
	struct provider_hello hello = { 0 };
	enum provider_state state;
	struct wire_frame f;

	(void)unused;
	wire_event_put(&b, &event);
	f = frame_of(&b);
	assert_int_equal(wire_event_get(&f, &got), 0);
	assert_int_equal(got.kind, PROVIDER_EVENT_HOST);
	assert_int_equal(got.host.host, 9);
	assert_true(got.host.power && got.host.power_known && !got.host.link);
	assert_int_equal(got.function, 5);
	assert_string_equal(got.boot_id, "b2");
	lengths_check(&f, get_event);
	wire_state_put(&s, PROVIDER_LOST, &a_hello);
	f = frame_of(&s);
	assert_int_equal(wire_state_get(&f, &state, &hello), 0);
	assert_int_equal(state, PROVIDER_LOST);
	assert_memory_equal(&hello, &a_hello, sizeof(hello));
	lengths_check(&f, get_state);
}

static void texts_lose_what_the_other_end_would_refuse(void **unused)
{
	OWNED(buf_done) struct buf b = { 0 };
	char why[PROVIDER_TEXT_MAX];
	char longer[1000];
	struct wire_frame f;

	(void)unused;
	wire_refused_put(&b, "two\nlines\x7f");
	f = frame_of(&b);
	assert_int_equal(wire_refused_get(&f, why), 0);
	assert_string_equal(why, "two?lines?");
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	b.length = 0;
	wire_refused_put(&b, longer);
	f = frame_of(&b);
	assert_int_equal(wire_refused_get(&f, why), 0);
	assert_int_equal(strlen(why), PROVIDER_TEXT_MAX - 1);
}

static void headers_that_cannot_be_end_the_stream(void **unused)
{
	static const uint8_t ping[] = { 8, 0, 0, 0, 1, 0, WIRE_PING, 0, 1, 2, 3, 4, 5, 6, 7, 8 };
	uint8_t bytes[sizeof(ping)];
	struct wire_frame f;

	(void)unused;
	for (size_t n = 0; n < sizeof(ping); n++)
		assert_int_equal(wire_frame_next(ping, n, &f), 0);
	assert_int_equal(wire_frame_next(ping, sizeof(ping), &f), sizeof(ping));

	memcpy(bytes, ping, sizeof(ping));
	bytes[0] = 65; /* more than a ping may have */
	assert_int_equal(wire_frame_next(bytes, sizeof(bytes), &f), -EBADMSG);
	bytes[6] = 0xee; /* not known: may be longer, up to a frame */
	assert_int_equal(wire_frame_next(bytes, sizeof(bytes), &f), 0);
	bytes[2] = 1;
	assert_int_equal(wire_frame_next(bytes, sizeof(bytes), &f), -EBADMSG);
	memcpy(bytes, ping, sizeof(ping));
	bytes[4] = 2; /* another version */
	assert_int_equal(wire_frame_next(bytes, sizeof(bytes), &f), -EBADMSG);
	bytes[6] = WIRE_HELLO; /* which a hello may have, to agree on one */
	assert_int_equal(wire_frame_next(bytes, sizeof(bytes), &f), sizeof(bytes));
	bytes[4] = 0;
	assert_int_equal(wire_frame_next(bytes, sizeof(bytes), &f), -EBADMSG);
}

/* One switch with @hosts hosts, and one adapter of @functions functions, all names at their
 * longest. */
static struct provider_scan *scan_new(size_t hosts, size_t functions)
{
	struct provider_scan *scan = calloc(1, sizeof(*scan));

	scan->switches = calloc(1, sizeof(scan->switches[0]));
	scan->ports = calloc(hosts + 1, sizeof(scan->ports[0]));
	scan->hosts = calloc(hosts, sizeof(scan->hosts[0]));
	scan->adapters = calloc(1, sizeof(scan->adapters[0]));
	scan->functions = calloc(functions, sizeof(scan->functions[0]));
	scan->switch_count = scan->adapter_count = 1;
	scan->port_count = hosts + 1;
	scan->host_count = hosts;
	scan->function_count = functions;
	scan->switches[0] = (struct provider_switch){ .handle = 1, .chassis = 1, .vendor = 0x11f8 };
	memset(scan->switches[0].name, 's', PROVIDER_NAME_MAX - 1);
	for (size_t i = 0; i < hosts; i++) {
		scan->ports[i] = (struct provider_port){ .switch_handle = 1,
							 .number = (uint16_t)i,
							 .host = (uint16_t)(i + 1),
							 .link = true,
							 .mtps = 16000 };
		scan->hosts[i] = (struct provider_host){ .handle = (uint16_t)(i + 1),
							 .switch_handle = 1,
							 .port = (uint16_t)i,
							 .vports = 240,
							 .chassis = 1,
							 .buses = 1,
							 .window_bytes = 1ull << 33,
							 .state = { .host = (uint16_t)(i + 1),
								    .link = i % 2 },
							 .can_power_on = i % 2 };
		(void)snprintf(scan->hosts[i].bay, PROVIDER_NAME_MAX, "bay%060u", (unsigned)i);
	}
	scan->ports[hosts] = (struct provider_port){ .switch_handle = 1,
						     .number = (uint16_t)hosts,
						     .role = PROVIDER_PORT_DOWNSTREAM,
						     .adapter = 1 };
	scan->adapters[0] = (struct provider_adapter){ .handle = 1,
						       .switch_handle = 1,
						       .port = (uint16_t)hosts,
						       .class_code = 0x020000,
						       .mode = PROVIDER_ADAPTER_SRIOV,
						       .keeper = PROVIDER_KEEPER_SWITCH,
						       .total_vfs = UINT16_MAX,
						       .first_function = 1,
						       .function_count = (uint32_t)functions };
	memset(scan->adapters[0].serial, 'r', PROVIDER_NAME_MAX - 1);
	memset(scan->adapters[0].model, 'm', PROVIDER_NAME_MAX - 1);
	for (size_t i = 0; i < functions; i++)
		scan->functions[i] = (struct provider_function){
			.handle = (uint32_t)(i + 1),
			.adapter = 1,
			.kind = i ? PROVIDER_FUNCTION_VF : PROVIDER_FUNCTION_PF,
			.vf = (uint16_t)i,
			.buses = 1,
			.window_bytes = 1 << 20,
			.flr = true,
			.identity_can = PROVIDER_IDENTITY_MAC,
			.now = { .function = (uint32_t)(i + 1),
				 .present = true,
				 .identity = { .mac = 0x020000000000 + i } },
		};
	return scan;
}

/* All frames of a scan, one after the other. */
static void scan_frames(const struct provider_scan *scan, uint32_t id, struct buf *b)
{
	struct wire_scan_out out = { .scan = scan, .id = id };

	while (wire_scan_out_put(b, &out))
		;
	assert_false(b->failed);
}

/* Reads frames until the scan ends. Return: as the getters. */
static int scan_join(const struct buf *b, struct wire_scan_in *in, struct provider_scan **out,
		     char *why)
{
	size_t at = 0;

	while (at < b->length) {
		struct wire_frame f;
		uint32_t id;
		int n = wire_frame_next(b->data + at, b->length - at, &f);
		int r;

		assert_true(n > 0);
		at += (size_t)n;
		if (f.type == WIRE_SCAN_BEGIN)
			r = wire_scan_begin_get(&f, in);
		else if (f.type == WIRE_SCAN_SLICE)
			r = wire_scan_slice_get(&f, in);
		else
			return wire_scan_end_get(&f, in, &id, out, why);
		if (r)
			return r;
	}
	return -EAGAIN;
}

static void a_scan_of_the_largest_kind_survives_the_wire(void **unused)
{
	OWNED(provider_scan_free)
	struct provider_scan *scan = scan_new(PROVIDER_HOSTS_MAX, PROVIDER_FUNCTIONS_MAX);
	OWNED(provider_scan_free) struct provider_scan *got = NULL;
	OWNED(buf_done) struct buf b = { 0 };
	struct wire_scan_in in = { 0 };
	char why[PROVIDER_TEXT_MAX] = "";

	(void)unused;
	scan_frames(scan, 5, &b);
	assert_int_equal(scan_join(&b, &in, &got, why), 0);
	assert_string_equal(why, "");
	assert_non_null(got);
	assert_int_equal(got->host_count, PROVIDER_HOSTS_MAX);
	assert_int_equal(got->function_count, PROVIDER_FUNCTIONS_MAX);
	assert_memory_equal(got->switches, scan->switches, sizeof(scan->switches[0]));
	assert_int_equal(got->ports[3].mtps, 16000);
	assert_string_equal(got->hosts[77].bay, scan->hosts[77].bay);
	assert_int_equal(got->hosts[77].window_bytes, 1ull << 33);
	assert_true(got->hosts[77].state.link);
	assert_true(got->hosts[77].can_power_on);
	assert_false(got->hosts[78].can_power_on);
	assert_string_equal(got->adapters[0].model, scan->adapters[0].model);
	assert_int_equal(got->functions[65535].now.identity.mac, 0x02000000ffff);
	assert_int_equal(got->functions[65535].vf, 65535);
}

/* Where the first slice of @section lies in @b. */
static uint8_t *slice_find(const struct buf *b, uint8_t section)
{
	for (size_t at = 0; at < b->length;) {
		struct wire_frame f;
		int n = wire_frame_next(b->data + at, b->length - at, &f);

		assert_true(n > 0);
		if (f.type == WIRE_SCAN_SLICE && f.body[4] == section)
			return b->data + at;
		at += (size_t)n;
	}
	return NULL;
}

/* Its record ends before the flags. */
static void a_provider_that_knows_of_no_cold_spares_turns_nobody_on(void **unused)
{
	enum { HEADER = 8, RECORD = HEADER + 11, WITHOUT = 1 };
	OWNED(provider_scan_free) struct provider_scan *scan = scan_new(1, 1);
	OWNED(provider_scan_free) struct provider_scan *got = NULL;
	OWNED(buf_done) struct buf b = { 0 };
	struct wire_scan_in in = { 0 };
	char why[PROVIDER_TEXT_MAX] = "";
	uint8_t *slice, *end;

	(void)unused;
	scan->hosts[0].can_power_on = true;
	scan_frames(scan, 5, &b);
	slice = slice_find(&b, 3);
	assert_non_null(slice);
	slice[0]--;
	slice[RECORD]--;
	end = slice + RECORD + 2 + slice[RECORD];
	memmove(end, end + WITHOUT, (size_t)(b.data + b.length - end - WITHOUT));
	b.length -= WITHOUT;
	assert_int_equal(scan_join(&b, &in, &got, why), 0);
	assert_string_equal(got->hosts[0].bay, scan->hosts[0].bay);
	assert_false(got->hosts[0].can_power_on);
}

static void an_empty_scan_survives_the_wire(void **unused)
{
	OWNED(provider_scan_free) struct provider_scan *got = NULL;
	OWNED(buf_done) struct buf b = { 0 };
	const struct provider_scan empty = { 0 };
	struct wire_scan_in in = { 0 };
	char why[PROVIDER_TEXT_MAX] = "";

	(void)unused;
	scan_frames(&empty, 5, &b);
	assert_int_equal(scan_join(&b, &in, &got, why), 0);
	assert_non_null(got);
	assert_int_equal(got->function_count, 0);
}

static void a_scan_that_cannot_be_believed_is_refused_with_its_reason(void **unused)
{
	OWNED(provider_scan_free) struct provider_scan *scan = scan_new(2, 3);
	struct provider_scan *got = (struct provider_scan *)1;
	OWNED(buf_done) struct buf b = { 0 };
	struct wire_scan_in in = { 0 };
	char why[PROVIDER_TEXT_MAX] = "";

	(void)unused;
	scan->functions[2].now.host = 3;
	scan->functions[2].now.vport = 1;
	scan_frames(scan, 5, &b);
	assert_int_equal(scan_join(&b, &in, &got, why), 0);
	assert_null(got);
	assert_string_equal(why, "function 3: no host 3");
}

static void a_failed_scan_says_why(void **unused)
{
	struct provider_scan *got = (struct provider_scan *)1;
	OWNED(buf_done) struct buf b = { 0 };
	struct wire_scan_in in = { 0 };
	char why[PROVIDER_TEXT_MAX] = "";

	(void)unused;
	wire_scan_failed_put(&b, 5, "no answer from the switch");
	assert_int_equal(scan_join(&b, &in, &got, why), 0);
	assert_null(got);
	assert_string_equal(why, "no answer from the switch");
}

/* Each byte of a small scan's frames set to each of some values: read as something or refused. */
static void no_changed_byte_of_a_scan_does_harm(void **unused)
{
	static const uint8_t values[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
	OWNED(provider_scan_free) struct provider_scan *scan = scan_new(2, 3);
	OWNED(buf_done) struct buf b = { 0 };
	size_t refused = 0;

	(void)unused;
	scan_frames(scan, 5, &b);
	for (size_t i = 0; i < b.length; i++)
		for (size_t v = 0; v < sizeof(values); v++) {
			struct wire_scan_in in = { 0 };
			struct provider_scan *got = NULL;
			char why[PROVIDER_TEXT_MAX] = "";
			uint8_t before = b.data[i];
			size_t at = 0;

			b.data[i] = values[v];
			while (at < b.length) {
				struct wire_frame f;
				uint32_t id;
				int n = wire_frame_next(b.data + at, b.length - at, &f);
				int r = 0;

				if (n <= 0)
					break;
				at += (size_t)n;
				if (f.type == WIRE_SCAN_BEGIN)
					r = wire_scan_begin_get(&f, &in);
				else if (f.type == WIRE_SCAN_SLICE)
					r = wire_scan_slice_get(&f, &in);
				else if (f.type == WIRE_SCAN_END)
					r = wire_scan_end_get(&f, &in, &id, &got, why);
				if (r)
					break;
			}
			refused += !got;
			provider_scan_free(got);
			wire_scan_in_done(&in);
			b.data[i] = before;
		}
	assert_true(refused > b.length);
}

static void slices_out_of_order_are_malformed(void **unused)
{
	OWNED(provider_scan_free) struct provider_scan *scan = scan_new(2, 3);
	OWNED(buf_done) struct buf b = { 0 };
	struct wire_scan_out out = { .scan = scan, .id = 5 };
	struct wire_scan_in in = { 0 };
	struct provider_scan *got;
	char why[PROVIDER_TEXT_MAX];
	struct wire_frame f;
	uint32_t id;

	(void)unused;
	assert_true(wire_scan_out_put(&b, &out));
	f = frame_of(&b);
	assert_int_equal(wire_scan_begin_get(&f, &in), 0);
	b.length = 0;
	assert_true(wire_scan_out_put(&b, &out));
	f = frame_of(&b);
	assert_int_equal(wire_scan_slice_get(&f, &in), 0);
	assert_int_equal(wire_scan_slice_get(&f, &in), -EBADMSG); /* again */
	b.length = 0;
	out.step = WIRE_SECTIONS + 1;
	assert_false(wire_scan_out_put(&b, &out));
	f = frame_of(&b);
	assert_int_equal(wire_scan_end_get(&f, &in, &id, &got, why), -EBADMSG); /* too early */
	wire_scan_in_done(&in);
	assert_int_equal(wire_scan_end_get(&f, &in, &id, &got, why), -EBADMSG); /* no begin */
}

static void configuration_space_travels_without_its_zeroes(void **unused)
{
	OWNED(buf_done) struct buf b = { 0 };
	uint8_t bytes[PROVIDER_CONFIG_BYTES] = { 0x86, 0x80, [0x100] = 0x10 };
	uint8_t room[PROVIDER_CONFIG_BYTES];
	const struct provider_config config = { .domain = 2,
						.bus = 3,
						.device = 31,
						.function = 7,
						.length = PROVIDER_CONFIG_BYTES,
						.bytes = bytes };
	struct provider_config got;
	struct wire_frame f;
	uint32_t id;

	(void)unused;
	wire_view_config_put(&b, 9, &config);
	assert_true(b.length < 400);
	memset(room, 0xaa, sizeof(room));
	f = frame_of(&b);
	assert_int_equal(wire_view_config_get(&f, &id, room, &got), 0);
	assert_int_equal(id, 9);
	assert_int_equal(got.domain, 2);
	assert_int_equal(got.device, 31);
	assert_memory_equal(got.bytes, bytes, sizeof(bytes));

	memset(bytes, 0xff, sizeof(bytes));
	b.length = 0;
	wire_view_config_put(&b, 9, &config);
	f = frame_of(&b);
	assert_int_equal(wire_view_config_get(&f, &id, room, &got), 0);
	assert_memory_equal(got.bytes, bytes, sizeof(bytes));
	b.data[WIRE_HEADER + 9] = 32; /* there is no device 32 */
	assert_int_equal(wire_view_config_get(&f, &id, room, &got), -EBADMSG);
}

static void a_request_of_1_mib_travels_in_slices(void **unused)
{
	OWNED(buf_done) struct buf b = { 0 };
	OWNED(buf_done) struct buf got = { 0 };
	char *text = malloc(WIRE_CONTROL_MAX);
	struct wire_slice slice;
	struct wire_frame f;
	bool whole = false;
	size_t at = 0;

	(void)unused;
	for (size_t i = 0; i < WIRE_CONTROL_MAX; i++)
		text[i] = (char)i;
	wire_control_put(&b, WIRE_ANSWER, 3, -5, text, WIRE_CONTROL_MAX);
	while (!whole) {
		int n = wire_frame_next(b.data + at, b.length - at, &f);

		assert_true(n > 0);
		at += (size_t)n;
		assert_int_equal(wire_slice_get(&f, &slice), 0);
		assert_int_equal(slice.status, -5);
		assert_int_equal(wire_slice_join(&got, &slice, &whole), 0);
	}
	assert_int_equal(at, b.length);
	assert_int_equal(got.length, WIRE_CONTROL_MAX);
	assert_memory_equal(got.data, text, WIRE_CONTROL_MAX);
	assert_int_equal(wire_slice_join(&got, &slice, &whole), -EBADMSG);

	b.length = 0;
	wire_control_put(&b, WIRE_CONTROL, 3, 0, "", 0);
	f = frame_of(&b);
	assert_int_equal(wire_slice_get(&f, &slice), 0);
	got.length = 0;
	assert_int_equal(wire_slice_join(&got, &slice, &whole), 0);
	assert_true(whole);
	b.length = 0;
	wire_control_put(&b, WIRE_CONTROL, 3, 0, "faults", 6);
	f = frame_of(&b);
	lengths_check(&f, get_slice);
	free(text);
}

/* Hex digits up to the closing fence; from # to the end of the line is comment. */
static size_t hex_parse(const char *hex, uint8_t *out)
{
	size_t n = 0;
	unsigned v;
	int used;

	while (*hex && *hex != '`') {
		if (*hex == '#') {
			hex += strcspn(hex, "\n");
		} else if (sscanf(hex, "%2x%n", &v, &used) == 1) {
			out[n++] = (uint8_t)v;
			hex += used;
		}
		hex += strspn(hex, " \n");
	}
	return n;
}

/* docs/provider-protocol.md shows these bytes; they are read from there. */
static void the_documents_example_is_what_goes_over_the_wire(void **unused)
{
	static const char *const marks[] = { "<!-- example: hello -->", "<!-- example: welcome -->",
					     "<!-- example: op -->", "<!-- example: done -->" };
	static const struct provider_completion done = { .attempt = 0x2a,
							 .outcome = PROVIDER_REFUSED,
							 .why = PROVIDER_WHY_VPORT_TAKEN,
							 .text = "vport 5 is taken" };
	static const struct provider_op op = { .attempt = 0x2a,
					       .generation = 9,
					       .epoch = 3,
					       .deadline_ms = 1002500,
					       .verb = PROVIDER_BIND,
					       .function = 18,
					       .host = 7,
					       .vport = 5,
					       .identity = { .mac = 0x02fab0000012, .vlan = 100 } };
	static const struct provider_hello hello = { .name = "mine 1.0",
						     .boot_id = "b-0001",
						     .can = PROVIDER_CAN_ISOLATE |
							    PROVIDER_CAN_BARRIER |
							    PROVIDER_CAN_IDENTITY |
							    PROVIDER_CAN_WRITE,
						     .lateness_ms = 10000,
						     .timeout_ms = 2000,
						     .depth = 32 };
	char *text = calloc(1, 200000);
	FILE *file = fopen(TEST_DATA "/../../docs/provider-protocol.md", "r");

	(void)unused;
	assert_non_null(file);
	assert_true(fread(text, 1, 199999, file) > 0);
	fclose(file);
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		OWNED(buf_done) struct buf b = { 0 };
		uint8_t bytes[512];
		const char *at = strstr(text, marks[i]);

		assert_non_null(at);
		at = strstr(at, "```\n");
		assert_non_null(at);
		if (i == 0)
			wire_hello_put(&b, WIRE_MANAGER, "fabricd 0.1.0");
		else if (i == 1)
			wire_welcome_put(&b, &hello);
		else if (i == 2)
			wire_op_put(&b, &op, 1000000);
		else
			wire_done_put(&b, &done);
		assert_int_equal(hex_parse(at + 4, bytes), b.length);
		assert_memory_equal(bytes, b.data, b.length);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hello_and_a_welcome_survive_the_wire),
		cmocka_unit_test(an_operation_survives_the_wire),
		cmocka_unit_test(an_operation_on_a_slot_survives_the_wire),
		cmocka_unit_test(a_slots_event_survives_the_wire),
		cmocka_unit_test(that_a_place_is_unknown_survives_the_wire),
		cmocka_unit_test(time_on_the_way_counts_against_the_deadline),
		cmocka_unit_test(a_completion_survives_the_wire_with_512_bindings),
		cmocka_unit_test(the_traffic_of_a_host_survives_the_wire_and_may_be_left_out),
		cmocka_unit_test(bindings_that_cannot_be_are_malformed),
		cmocka_unit_test(an_outcome_or_event_of_a_later_version_is_taken_with_care),
		cmocka_unit_test(events_and_states_survive_the_wire),
		cmocka_unit_test(texts_lose_what_the_other_end_would_refuse),
		cmocka_unit_test(headers_that_cannot_be_end_the_stream),
		cmocka_unit_test(a_scan_of_the_largest_kind_survives_the_wire),
		cmocka_unit_test(a_provider_that_knows_of_no_cold_spares_turns_nobody_on),
		cmocka_unit_test(an_empty_scan_survives_the_wire),
		cmocka_unit_test(a_scan_that_cannot_be_believed_is_refused_with_its_reason),
		cmocka_unit_test(a_failed_scan_says_why),
		cmocka_unit_test(no_changed_byte_of_a_scan_does_harm),
		cmocka_unit_test(slices_out_of_order_are_malformed),
		cmocka_unit_test(configuration_space_travels_without_its_zeroes),
		cmocka_unit_test(a_request_of_1_mib_travels_in_slices),
		cmocka_unit_test(the_documents_example_is_what_goes_over_the_wire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
