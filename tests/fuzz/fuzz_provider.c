/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The provider protocol's bytes, both directions: whatever comes is read as something or refused,
 * and what was read survives being written and read again. */
#include <stdlib.h>
#include <string.h>

#include "provider/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As assert(), in every build: a finding must stop the fuzzer. */
#define REQUIRE(claim)           \
	do {                     \
		if (!(claim))    \
			abort(); \
	} while (0)

/* Of one connection. */
struct side {
	struct wire_scan_in scan;
	struct buf request;
	struct buf answer;
};

static struct wire_frame frame_of(const struct buf *b)
{
	struct wire_frame f;

	REQUIRE(!b->failed);
	REQUIRE(wire_frame_next(b->data, b->length, &f) == (int)b->length);
	return f;
}

static void hello_try(const struct wire_frame *f)
{
	OWNED(buf_done) struct buf b = { 0 };
	struct wire_hello hello;

	if (wire_hello_get(f, &hello))
		return;
	wire_hello_put(&b, hello.role, hello.name);
	(void)frame_of(&b);
}

static void welcome_try(const struct wire_frame *f)
{
	OWNED(buf_done) struct buf b = { 0 };
	struct provider_hello hello = { 0 };
	struct provider_hello again = { 0 };
	struct wire_frame g;

	if (wire_welcome_get(f, &hello))
		return;
	wire_welcome_put(&b, &hello);
	g = frame_of(&b);
	if (wire_welcome_get(&g, &again))
		abort();
	REQUIRE(!strcmp(hello.boot_id, again.boot_id) && hello.depth == again.depth);
}

static void state_try(const struct wire_frame *f)
{
	OWNED(buf_done) struct buf b = { 0 };
	struct provider_hello hello;
	enum provider_state state;

	if (wire_state_get(f, &state, &hello))
		return;
	wire_state_put(&b, state, &hello);
	(void)frame_of(&b);
}

static void op_try(const struct wire_frame *f)
{
	OWNED(buf_done) struct buf b = { 0 };
	struct provider_op op;
	struct provider_op again;
	struct wire_frame g;

	if (wire_op_get(f, 1000000, &op))
		return;
	REQUIRE(op.deadline_ms <= 1000000 + (uint64_t)UINT32_MAX);
	(void)provider_verb_text(op.verb);
	if (provider_op_check(&op))
		return;
	wire_op_put(&b, &op, 1000000);
	g = frame_of(&b);
	if (wire_op_get(&g, 1000000, &again) || provider_op_check(&again))
		abort();
	REQUIRE(again.attempt == op.attempt && again.verb == op.verb && again.value == op.value);
	REQUIRE(identity_is_equal(&again.identity, &op.identity));
}

static void done_try(const struct wire_frame *f)
{
	static struct provider_binding bindings[PROVIDER_READ_MAX];
	static struct provider_binding more[PROVIDER_READ_MAX];
	OWNED(buf_done) struct buf b = { 0 };
	struct provider_completion done;
	struct provider_completion again;
	struct wire_frame g;

	if (wire_done_get(f, bindings, &done))
		return;
	REQUIRE(done.outcome <= PROVIDER_UNKNOWN && done.why < PROVIDER_WHYS);
	wire_done_put(&b, &done);
	g = frame_of(&b);
	if (wire_done_get(&g, more, &again))
		abort();
	REQUIRE(again.binding_count == done.binding_count && !strcmp(again.text, done.text));
	REQUIRE(again.traffic_known == done.traffic_known && again.traffic == done.traffic);
	for (size_t i = 0; i < done.binding_count; i++)
		REQUIRE(bindings[i].generation == more[i].generation &&
			bindings[i].vport == more[i].vport);
}

static void event_try(const struct wire_frame *f)
{
	OWNED(buf_done) struct buf b = { 0 };
	struct provider_event event;

	if (wire_event_get(f, &event))
		return;
	wire_event_put(&b, &event);
	(void)frame_of(&b);
}

/* A scan that was believed is believed again after another passage. */
static void scan_again(const struct provider_scan *scan)
{
	OWNED(provider_scan_free) struct provider_scan *again = NULL;
	struct wire_scan_out out = { .scan = scan, .id = 1 };
	struct wire_scan_in in = { 0 };
	char why[PROVIDER_TEXT_MAX];
	uint32_t id;
	bool more;

	do {
		OWNED(buf_done) struct buf b = { 0 };
		struct wire_frame f;
		int r;

		more = wire_scan_out_put(&b, &out);
		f = frame_of(&b);
		if (f.type == WIRE_SCAN_BEGIN)
			r = wire_scan_begin_get(&f, &in);
		else if (f.type == WIRE_SCAN_SLICE)
			r = wire_scan_slice_get(&f, &in);
		else
			r = wire_scan_end_get(&f, &in, &id, &again, why);
		if (r)
			abort();
	} while (more);
	REQUIRE(again && again->function_count == scan->function_count);
}

static int scan_try(const struct wire_frame *f, struct side *side)
{
	OWNED(provider_scan_free) struct provider_scan *scan = NULL;
	char why[PROVIDER_TEXT_MAX];
	uint32_t id;
	int r;

	if (f->type == WIRE_SCAN_BEGIN)
		return wire_scan_begin_get(f, &side->scan);
	if (f->type == WIRE_SCAN_SLICE)
		return wire_scan_slice_get(f, &side->scan);
	r = wire_scan_end_get(f, &side->scan, &id, &scan, why);
	if (!r && scan)
		scan_again(scan);
	return r;
}

static void config_try(const struct wire_frame *f)
{
	static uint8_t bytes[PROVIDER_CONFIG_BYTES];
	static uint8_t more[PROVIDER_CONFIG_BYTES];
	OWNED(buf_done) struct buf b = { 0 };
	struct provider_config config;
	struct provider_config again;
	struct wire_frame g;
	uint32_t id;

	if (wire_view_config_get(f, &id, bytes, &config))
		return;
	wire_view_config_put(&b, id, &config);
	g = frame_of(&b);
	if (wire_view_config_get(&g, &id, more, &again))
		abort();
	REQUIRE(again.length == config.length && !memcmp(bytes, more, config.length));
}

static int slice_try(const struct wire_frame *f, struct buf *text)
{
	struct wire_slice slice;
	bool whole;
	int r = wire_slice_get(f, &slice);

	if (!r)
		r = wire_slice_join(text, &slice, &whole);
	if (!r && whole)
		buf_done(text);
	return r;
}

static int frame_try(const struct wire_frame *f, struct side *side)
{
	char why[PROVIDER_TEXT_MAX];
	uint64_t number;
	uint32_t id;
	uint16_t n;

	(void)wire_type_text(f->type);
	switch (f->type) {
	case WIRE_HELLO:
		hello_try(f);
		return 0;
	case WIRE_WELCOME:
		welcome_try(f);
		return 0;
	case WIRE_REFUSED:
		return wire_refused_get(f, why);
	case WIRE_UNSUPPORTED:
		return wire_unsupported_get(f, &n);
	case WIRE_PING:
	case WIRE_PONG:
		return wire_ping_get(f, &number);
	case WIRE_OP:
		op_try(f);
		return 0;
	case WIRE_DONE:
		done_try(f);
		return 0;
	case WIRE_EVENT:
		event_try(f);
		return 0;
	case WIRE_STATE:
		state_try(f);
		return 0;
	case WIRE_SCAN:
		return wire_scan_get(f, &id);
	case WIRE_SCAN_BEGIN:
	case WIRE_SCAN_SLICE:
	case WIRE_SCAN_END:
		return scan_try(f, side);
	case WIRE_VIEW:
		return wire_view_get(f, &id, &n);
	case WIRE_VIEW_CONFIG:
		config_try(f);
		return 0;
	case WIRE_VIEW_END:
		return wire_view_end_get(f, &id, why);
	case WIRE_CONTROL:
		return slice_try(f, &side->request);
	case WIRE_ANSWER:
		return slice_try(f, &side->answer);
	default:
		return 0; /* not known: ignored */
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct side side = { 0 };
	size_t at = 0;

	while (at < size) {
		struct wire_frame f;
		int n = wire_frame_next(data + at, size - at, &f);

		if (n <= 0 || frame_try(&f, &side))
			break;
		at += (size_t)n;
	}
	wire_scan_in_done(&side.scan);
	buf_done(&side.request);
	buf_done(&side.answer);
	return 0;
}
