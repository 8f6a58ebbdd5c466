/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/wire.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Greatest length of a body, by type; room to grow within a version included. */
static const struct {
	uint32_t most;
	const char *text;
} types[WIRE_TYPES] = {
	[WIRE_HELLO] = { 512, "hello" },
	[WIRE_WELCOME] = { 512, "welcome" },
	[WIRE_REFUSED] = { 256, "refused" },
	[WIRE_UNSUPPORTED] = { 64, "unsupported" },
	[WIRE_PING] = { 64, "ping" },
	[WIRE_PONG] = { 64, "pong" },
	[WIRE_OP] = { 256, "op" },
	[WIRE_DONE] = { 49152, "done" },
	[WIRE_EVENT] = { 256, "event" },
	[WIRE_STATE] = { 512, "state" },
	[WIRE_SCAN] = { 64, "scan" },
	[WIRE_SCAN_BEGIN] = { 64, "scan-begin" },
	[WIRE_SCAN_SLICE] = { WIRE_BODY_MAX, "scan-slice" },
	[WIRE_SCAN_END] = { 256, "scan-end" },
	[WIRE_VIEW] = { 64, "view" },
	[WIRE_VIEW_CONFIG] = { 4352, "view-config" },
	[WIRE_VIEW_END] = { 256, "view-end" },
	[WIRE_CONTROL] = { WIRE_SLICE_BYTES + 64, "control" },
	[WIRE_ANSWER] = { WIRE_SLICE_BYTES + 64, "answer" },
};

enum {
	HOST_ISOLATED = 1 << 0,
	HOST_POWER = 1 << 1,
	HOST_LINK = 1 << 2,
	HOST_POWER_KNOWN = 1 << 3,
	DONE_TRAFFIC = 1 << 0,
	BINDING_PRESENT = 1 << 0,
	BINDING_UNKNOWN = 1 << 1,
	SLOT_PRESENCE = 1 << 0,
	SLOT_POWER = 1 << 1,
	SLOT_LINK = 1 << 2,   /* of an event */
	SLOT_BUTTON = 1 << 3, /* of an event */
	SLOT_THERE = 1 << 4,  /* of a port */
	BINDING_BYTES = 43,
	RECORD_MAX = 512, /* bytes of one record of a scan, the longest texts included */
};

static uint32_t le32_at(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint16_t le16_at(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

/* A frame's header; its length is put in by frame_end(). */
static size_t frame_begin(struct buf *b, enum wire_type type)
{
	size_t start = b->length;

	buf_le32(b, 0);
	buf_le16(b, WIRE_VERSION);
	buf_le16(b, (uint16_t)type);
	return start;
}

static void frame_end(struct buf *b, size_t start)
{
	size_t length;

	if (b->failed)
		return;
	length = b->length - start - WIRE_HEADER;
	assert(length <= types[le16_at(b->data + start + 6)].most);
	for (size_t i = 0; i < 4; i++)
		b->data[start + i] = (uint8_t)(length >> 8 * i);
}

static struct cursor body_of(const struct wire_frame *f)
{
	return (struct cursor){ .at = f->body, .end = f->body + f->length };
}

static int verdict(const struct cursor *c)
{
	return c->overrun ? -EBADMSG : 0;
}

/* What the other end would refuse is mended here: control characters, and too long a text. */
static void text_put(struct buf *b, const char *text, size_t size)
{
	char clean[UINT8_MAX + 1];
	size_t length = strnlen(text, size - 1);

	assert(size <= sizeof(clean));
	for (size_t i = 0; i < length; i++)
		clean[i] = (uint8_t)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
	buf_u8(b, (uint8_t)length);
	buf_bytes(b, clean, length);
}

static void hello_fields_put(struct buf *b, const struct provider_hello *hello)
{
	text_put(b, hello->name, sizeof(hello->name));
	text_put(b, hello->boot_id, sizeof(hello->boot_id));
	buf_le32(b, hello->can);
	buf_le32(b, hello->lateness_ms);
	buf_le32(b, hello->timeout_ms);
	buf_le32(b, hello->depth);
}

static void hello_fields_get(struct cursor *c, struct provider_hello *hello)
{
	cursor_text(c, hello->name, sizeof(hello->name));
	cursor_text(c, hello->boot_id, sizeof(hello->boot_id));
	hello->can = cursor_le32(c);
	hello->lateness_ms = cursor_le32(c);
	hello->timeout_ms = cursor_le32(c);
	hello->depth = cursor_le32(c);
}

static void identity_put(struct buf *b, const struct identity *id)
{
	buf_le64(b, id->mac);
	buf_le64(b, id->wwpn);
	buf_le64(b, id->wwnn);
	buf_le16(b, id->vlan);
}

static void identity_get(struct cursor *c, struct identity *id)
{
	id->mac = cursor_le64(c);
	id->wwpn = cursor_le64(c);
	id->wwnn = cursor_le64(c);
	id->vlan = cursor_le16(c);
}

static void slot_state_put(struct buf *b, const struct provider_slot_state *slot)
{
	buf_le16(b, slot->switch_handle);
	buf_le16(b, slot->port);
	buf_u8(b, (uint8_t)((slot->presence ? SLOT_PRESENCE : 0) | (slot->power ? SLOT_POWER : 0) |
			    (slot->link ? SLOT_LINK : 0) | (slot->button ? SLOT_BUTTON : 0)));
}

static void slot_state_get(struct cursor *c, struct provider_slot_state *slot)
{
	uint8_t flags;

	slot->switch_handle = cursor_le16(c);
	slot->port = cursor_le16(c);
	flags = cursor_u8(c);
	slot->presence = flags & SLOT_PRESENCE;
	slot->power = flags & SLOT_POWER;
	slot->link = flags & SLOT_LINK;
	slot->button = flags & SLOT_BUTTON;
}

static void binding_put(struct buf *b, const struct provider_binding *binding)
{
	buf_le32(b, binding->function);
	buf_le16(b, binding->host);
	buf_le16(b, binding->vport);
	buf_le64(b, binding->generation);
	identity_put(b, &binding->identity);
	buf_u8(b, (uint8_t)((binding->present ? BINDING_PRESENT : 0) |
			    (binding->unknown ? BINDING_UNKNOWN : 0)));
}

static void binding_get(struct cursor *c, struct provider_binding *binding)
{
	uint8_t flags;

	binding->function = cursor_le32(c);
	binding->host = cursor_le16(c);
	binding->vport = cursor_le16(c);
	binding->generation = cursor_le64(c);
	identity_get(c, &binding->identity);
	flags = cursor_u8(c);
	binding->present = flags & BINDING_PRESENT;
	binding->unknown = flags & BINDING_UNKNOWN;
}

static void host_state_put(struct buf *b, const struct provider_host_state *state)
{
	buf_le16(b, state->host);
	buf_u8(b, (uint8_t)((state->isolated ? HOST_ISOLATED : 0) |
			    (state->power ? HOST_POWER : 0) | (state->link ? HOST_LINK : 0) |
			    (state->power_known ? HOST_POWER_KNOWN : 0)));
}

static void host_state_get(struct cursor *c, struct provider_host_state *state)
{
	uint8_t flags;

	state->host = cursor_le16(c);
	flags = cursor_u8(c);
	state->isolated = flags & HOST_ISOLATED;
	state->power = flags & HOST_POWER;
	state->link = flags & HOST_LINK;
	state->power_known = flags & HOST_POWER_KNOWN;
}

static void switch_put(struct buf *b, const void *record)
{
	const struct provider_switch *s = record;

	buf_le16(b, s->handle);
	buf_le16(b, s->chassis);
	text_put(b, s->name, sizeof(s->name));
	buf_le16(b, s->vendor);
	buf_le16(b, s->device);
}

static void switch_get(struct cursor *c, void *record)
{
	struct provider_switch *s = record;

	s->handle = cursor_le16(c);
	s->chassis = cursor_le16(c);
	cursor_text(c, s->name, sizeof(s->name));
	s->vendor = cursor_le16(c);
	s->device = cursor_le16(c);
}

static void port_put(struct buf *b, const void *record)
{
	const struct provider_port *p = record;

	buf_le16(b, p->switch_handle);
	buf_le16(b, p->number);
	buf_u8(b, (uint8_t)p->role);
	buf_u8(b, p->link);
	buf_u8(b, p->width);
	buf_u8(b, p->max_width);
	buf_le32(b, p->mtps);
	buf_le32(b, p->max_mtps);
	buf_le16(b, p->host);
	buf_le32(b, p->adapter);
	buf_le16(b, p->peer);
	buf_u8(b,
	       (uint8_t)((p->has_slot ? SLOT_THERE : 0) | (p->slot_presence ? SLOT_PRESENCE : 0) |
			 (p->slot_power ? SLOT_POWER : 0)));
}

static void port_get(struct cursor *c, void *record)
{
	struct provider_port *p = record;
	uint8_t flags;

	p->switch_handle = cursor_le16(c);
	p->number = cursor_le16(c);
	p->role = (enum provider_port_role)cursor_u8(c);
	p->link = cursor_u8(c) & 1;
	p->width = cursor_u8(c);
	p->max_width = cursor_u8(c);
	p->mtps = cursor_le32(c);
	p->max_mtps = cursor_le32(c);
	p->host = cursor_le16(c);
	p->adapter = cursor_le32(c);
	p->peer = cursor_le16(c);
	flags = cursor_u8(c);
	p->has_slot = flags & SLOT_THERE;
	p->slot_presence = flags & SLOT_PRESENCE;
	p->slot_power = flags & SLOT_POWER;
}

static void host_put(struct buf *b, const void *record)
{
	const struct provider_host *h = record;

	buf_le16(b, h->handle);
	buf_le16(b, h->switch_handle);
	buf_le16(b, h->port);
	buf_le16(b, h->vports);
	text_put(b, h->bay, sizeof(h->bay));
	buf_le16(b, h->chassis);
	buf_le16(b, h->buses);
	buf_le64(b, h->window_bytes);
	host_state_put(b, &h->state);
	buf_le16(b, h->first_slot);
	buf_u8(b, h->can_power_on);
}

static void host_get(struct cursor *c, void *record)
{
	struct provider_host *h = record;

	h->handle = cursor_le16(c);
	h->switch_handle = cursor_le16(c);
	h->port = cursor_le16(c);
	h->vports = cursor_le16(c);
	cursor_text(c, h->bay, sizeof(h->bay));
	h->chassis = cursor_le16(c);
	h->buses = cursor_le16(c);
	h->window_bytes = cursor_le64(c);
	host_state_get(c, &h->state);
	h->first_slot = cursor_le16(c);
	/* A provider that knows nothing of it turns nobody on. */
	h->can_power_on = !c->overrun && c->at < c->end && (cursor_u8(c) & 1);
}

static void adapter_put(struct buf *b, const void *record)
{
	const struct provider_adapter *a = record;

	buf_le32(b, a->handle);
	buf_le16(b, a->switch_handle);
	buf_le16(b, a->port);
	buf_le32(b, a->class_code);
	buf_le16(b, a->vendor);
	buf_le16(b, a->device);
	text_put(b, a->serial, sizeof(a->serial));
	text_put(b, a->model, sizeof(a->model));
	buf_u8(b, (uint8_t)a->mode);
	buf_u8(b, (uint8_t)a->keeper);
	buf_le16(b, a->keeper_host);
	buf_le16(b, a->num_vfs);
	buf_le16(b, a->total_vfs);
	buf_le32(b, a->first_function);
	buf_le32(b, a->function_count);
}

static void adapter_get(struct cursor *c, void *record)
{
	struct provider_adapter *a = record;

	a->handle = cursor_le32(c);
	a->switch_handle = cursor_le16(c);
	a->port = cursor_le16(c);
	a->class_code = cursor_le32(c);
	a->vendor = cursor_le16(c);
	a->device = cursor_le16(c);
	cursor_text(c, a->serial, sizeof(a->serial));
	cursor_text(c, a->model, sizeof(a->model));
	a->mode = (enum provider_adapter_mode)cursor_u8(c);
	a->keeper = (enum provider_keeper)cursor_u8(c);
	a->keeper_host = cursor_le16(c);
	a->num_vfs = cursor_le16(c);
	a->total_vfs = cursor_le16(c);
	a->first_function = cursor_le32(c);
	a->function_count = cursor_le32(c);
}

static void function_put(struct buf *b, const void *record)
{
	const struct provider_function *f = record;

	buf_le32(b, f->handle);
	buf_le32(b, f->adapter);
	buf_u8(b, (uint8_t)f->kind);
	buf_u8(b, f->pf);
	buf_le16(b, f->vf);
	buf_le16(b, f->vendor);
	buf_le16(b, f->device);
	buf_u8(b, f->identity_can);
	buf_le16(b, f->buses);
	buf_le64(b, f->window_bytes);
	buf_u8(b, f->flr);
	buf_le32(b, f->depends);
	binding_put(b, &f->now);
}

static void function_get(struct cursor *c, void *record)
{
	struct provider_function *f = record;

	f->handle = cursor_le32(c);
	f->adapter = cursor_le32(c);
	f->kind = (enum provider_function_kind)cursor_u8(c);
	f->pf = cursor_u8(c);
	f->vf = cursor_le16(c);
	f->vendor = cursor_le16(c);
	f->device = cursor_le16(c);
	f->identity_can = cursor_u8(c);
	f->buses = cursor_le16(c);
	f->window_bytes = cursor_le64(c);
	f->flr = cursor_u8(c) & 1;
	f->depends = cursor_le32(c);
	binding_get(c, &f->now);
}

/* The kinds of records that a scan consists of, in the order in which they travel. */
static const struct section {
	size_t max;
	size_t size;
	size_t array; /* offsets in struct provider_scan */
	size_t count;
	void (*put)(struct buf *b, const void *record);
	void (*get)(struct cursor *c, void *record);
} sections[WIRE_SECTIONS] = {
#define SECTION(name, maximum)                                                               \
	{                                                                                    \
		maximum, sizeof(struct provider_##name),                                     \
			offsetof(struct provider_scan, name##_at),                           \
			offsetof(struct provider_scan, name##_count), name##_put, name##_get \
	}
#define switch_at   switches
#define port_at     ports
#define host_at     hosts
#define adapter_at  adapters
#define function_at functions
	SECTION(switch, PROVIDER_SWITCHES_MAX),    SECTION(port, PROVIDER_PORTS_MAX),
	SECTION(host, PROVIDER_HOSTS_MAX),         SECTION(adapter, PROVIDER_FUNCTIONS_MAX),
	SECTION(function, PROVIDER_FUNCTIONS_MAX),
};

static size_t section_count(const struct provider_scan *scan, size_t i)
{
	size_t count;

	memcpy(&count, (const char *)scan + sections[i].count, sizeof(count));
	return count;
}

static char *section_array(const struct provider_scan *scan, size_t i)
{
	char *array;

	memcpy(&array, (const char *)scan + sections[i].array, sizeof(array));
	return array;
}

/* Room for @count records of section @i; the scan's. */
static int section_make(struct provider_scan *scan, size_t i, size_t count)
{
	void *array = calloc(count ? count : 1, sections[i].size);

	if (!array)
		return -ENOMEM;
	memcpy((char *)scan + sections[i].array, &array, sizeof(array));
	memcpy((char *)scan + sections[i].count, &count, sizeof(count));
	return 0;
}

int wire_frame_next(const uint8_t *bytes, size_t length, struct wire_frame *out)
{
	uint32_t body;
	uint16_t version;
	uint16_t type;

	if (length < WIRE_HEADER)
		return 0;
	body = le32_at(bytes);
	version = le16_at(bytes + 4);
	type = le16_at(bytes + 6);
	if (body > WIRE_BODY_MAX || (type && type < WIRE_TYPES && body > types[type].most))
		return -EBADMSG;
	/* a hello's layout is the same in every version: it is there to agree on one */
	if (version != WIRE_VERSION && (!version || type != WIRE_HELLO))
		return -EBADMSG;
	if (length < WIRE_HEADER + body)
		return 0;
	*out = (struct wire_frame){ .type = type, .body = bytes + WIRE_HEADER, .length = body };
	return (int)(WIRE_HEADER + body);
}

const char *wire_type_text(unsigned type)
{
	return type && type < WIRE_TYPES ? types[type].text : "?";
}

void wire_hello_put(struct buf *b, enum wire_role role, const char *name)
{
	size_t start = frame_begin(b, WIRE_HELLO);

	buf_le16(b, WIRE_VERSION);
	buf_le16(b, WIRE_VERSION);
	buf_u8(b, (uint8_t)role);
	text_put(b, name, PROVIDER_NAME_MAX);
	frame_end(b, start);
}

int wire_hello_get(const struct wire_frame *f, struct wire_hello *out)
{
	struct cursor c = body_of(f);

	out->oldest = cursor_le16(&c);
	out->newest = cursor_le16(&c);
	out->role = (enum wire_role)cursor_u8(&c);
	cursor_text(&c, out->name, sizeof(out->name));
	if (out->role != WIRE_MANAGER && out->role != WIRE_CONTROLLER)
		return -EBADMSG;
	return verdict(&c);
}

void wire_welcome_put(struct buf *b, const struct provider_hello *hello)
{
	size_t start = frame_begin(b, WIRE_WELCOME);

	buf_le16(b, WIRE_VERSION);
	hello_fields_put(b, hello);
	frame_end(b, start);
}

int wire_welcome_get(const struct wire_frame *f, struct provider_hello *out)
{
	struct cursor c = body_of(f);

	if (cursor_le16(&c) != WIRE_VERSION)
		return -EBADMSG;
	hello_fields_get(&c, out);
	return verdict(&c);
}

void wire_refused_put(struct buf *b, const char *why)
{
	size_t start = frame_begin(b, WIRE_REFUSED);

	text_put(b, why, PROVIDER_TEXT_MAX);
	frame_end(b, start);
}

int wire_refused_get(const struct wire_frame *f, char *why)
{
	struct cursor c = body_of(f);

	cursor_text(&c, why, PROVIDER_TEXT_MAX);
	return verdict(&c);
}

void wire_unsupported_put(struct buf *b, uint16_t type)
{
	size_t start = frame_begin(b, WIRE_UNSUPPORTED);

	buf_le16(b, type);
	frame_end(b, start);
}

int wire_unsupported_get(const struct wire_frame *f, uint16_t *type)
{
	struct cursor c = body_of(f);

	*type = cursor_le16(&c);
	return verdict(&c);
}

void wire_ping_put(struct buf *b, enum wire_type type, uint64_t number)
{
	size_t start = frame_begin(b, type);

	buf_le64(b, number);
	frame_end(b, start);
}

int wire_ping_get(const struct wire_frame *f, uint64_t *number)
{
	struct cursor c = body_of(f);

	*number = cursor_le64(&c);
	return verdict(&c);
}

void wire_op_put(struct buf *b, const struct provider_op *op, uint64_t now_ms)
{
	size_t start = frame_begin(b, WIRE_OP);
	uint64_t remaining_ms = op->deadline_ms > now_ms ? op->deadline_ms - now_ms : 0;

	buf_le64(b, op->attempt);
	buf_le64(b, op->generation);
	buf_le64(b, op->epoch);
	buf_le32(b, remaining_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)remaining_ms);
	buf_le64(b, now_ms);
	buf_u8(b, (uint8_t)op->verb);
	buf_u8(b, (uint8_t)op->mode);
	buf_le32(b, op->function);
	buf_le16(b, op->host);
	buf_le16(b, op->vport);
	buf_le32(b, op->value);
	identity_put(b, &op->identity);
	buf_le16(b, op->switch_handle);
	buf_le16(b, op->port);
	frame_end(b, start);
}

int wire_op_get(const struct wire_frame *f, uint64_t now_ms, struct provider_op *out)
{
	struct cursor c = body_of(f);
	uint32_t remaining_ms;
	uint64_t sent_ms;

	out->attempt = cursor_le64(&c);
	out->generation = cursor_le64(&c);
	out->epoch = cursor_le64(&c);
	remaining_ms = cursor_le32(&c);
	sent_ms = cursor_le64(&c);
	out->verb = (enum provider_verb)cursor_u8(&c);
	out->mode = (enum provider_mode)cursor_u8(&c);
	out->function = cursor_le32(&c);
	out->host = cursor_le16(&c);
	out->vport = cursor_le16(&c);
	out->value = cursor_le32(&c);
	identity_get(&c, &out->identity);
	out->switch_handle = cursor_le16(&c);
	out->port = cursor_le16(&c);
	/* a clock that is ahead of ours is not that of this kernel: count from here */
	out->deadline_ms = (sent_ms && sent_ms < now_ms ? sent_ms : now_ms) + remaining_ms;
	return verdict(&c);
}

void wire_done_put(struct buf *b, const struct provider_completion *done)
{
	size_t start = frame_begin(b, WIRE_DONE);
	size_t count =
		done->binding_count < PROVIDER_READ_MAX ? done->binding_count : PROVIDER_READ_MAX;

	buf_le64(b, done->attempt);
	buf_u8(b, (uint8_t)done->outcome);
	buf_u8(b, (uint8_t)done->why);
	text_put(b, done->text, sizeof(done->text));
	host_state_put(b, &done->host);
	buf_le16(b, (uint16_t)count);
	buf_le16(b, BINDING_BYTES);
	for (size_t i = 0; i < count; i++)
		binding_put(b, &done->bindings[i]);
	if (done->traffic_known) {
		buf_u8(b, DONE_TRAFFIC);
		buf_le64(b, done->traffic);
	}
	frame_end(b, start);
}

static bool binding_has_form(const struct provider_binding *b)
{
	return !b->host == !b->vport && b->vport <= PROVIDER_VPORTS_MAX &&
	       !(b->identity.mac >> 48) && b->identity.vlan <= 4094;
}

/* @count records of @size bytes each, which may be longer than what is known of them. */
static void bindings_get(struct cursor *c, size_t count, size_t size, struct provider_binding *out)
{
	for (size_t i = 0; i < count && !c->overrun; i++) {
		struct cursor record = { .at = c->at };

		if (size < BINDING_BYTES || (size_t)(c->end - c->at) < size) {
			c->overrun = true;
			return;
		}
		record.end = c->at += size;
		binding_get(&record, &out[i]);
		if (!binding_has_form(&out[i]))
			c->overrun = true;
	}
}

/* It came later than the version: one who does not know it ends before. */
static void traffic_get(struct cursor *c, struct provider_completion *out)
{
	uint8_t flags = !c->overrun && c->at < c->end ? cursor_u8(c) : 0;

	out->traffic_known = flags & DONE_TRAFFIC;
	out->traffic = out->traffic_known ? cursor_le64(c) : 0;
}

int wire_done_get(const struct wire_frame *f, struct provider_binding *bindings,
		  struct provider_completion *out)
{
	struct cursor c = body_of(f);
	uint8_t outcome;
	uint8_t why;
	uint16_t size;

	out->attempt = cursor_le64(&c);
	outcome = cursor_u8(&c);
	why = cursor_u8(&c);
	out->outcome =
		outcome <= PROVIDER_UNKNOWN ? (enum provider_outcome)outcome : PROVIDER_UNKNOWN;
	out->why = why < PROVIDER_WHYS ? (enum provider_why)why : PROVIDER_WHY_NONE;
	cursor_text(&c, out->text, sizeof(out->text));
	host_state_get(&c, &out->host);
	out->binding_count = cursor_le16(&c);
	out->bindings = bindings;
	size = cursor_le16(&c);
	if (out->binding_count > PROVIDER_READ_MAX)
		return -EBADMSG;
	bindings_get(&c, out->binding_count, size, bindings);
	traffic_get(&c, out);
	return verdict(&c);
}

void wire_event_put(struct buf *b, const struct provider_event *event)
{
	size_t start = frame_begin(b, WIRE_EVENT);

	buf_u8(b, (uint8_t)event->kind);
	host_state_put(b, &event->host);
	buf_le32(b, event->function);
	buf_u8(b, event->present);
	text_put(b, event->boot_id, sizeof(event->boot_id));
	slot_state_put(b, &event->slot);
	frame_end(b, start);
}

int wire_event_get(const struct wire_frame *f, struct provider_event *out)
{
	struct cursor c = body_of(f);
	uint8_t kind = cursor_u8(&c);

	out->kind = kind <= PROVIDER_EVENT_SLOT ? (enum provider_event_kind)kind
						: PROVIDER_EVENT_CHANGED;
	host_state_get(&c, &out->host);
	out->function = cursor_le32(&c);
	out->present = cursor_u8(&c) & 1;
	cursor_text(&c, out->boot_id, sizeof(out->boot_id));
	slot_state_get(&c, &out->slot);
	return verdict(&c);
}

void wire_state_put(struct buf *b, enum provider_state state, const struct provider_hello *hello)
{
	size_t start = frame_begin(b, WIRE_STATE);

	buf_u8(b, (uint8_t)state);
	hello_fields_put(b, hello);
	frame_end(b, start);
}

int wire_state_get(const struct wire_frame *f, enum provider_state *state,
		   struct provider_hello *hello)
{
	struct cursor c = body_of(f);
	uint8_t n = cursor_u8(&c);

	if (n > PROVIDER_LOST)
		return -EBADMSG;
	*state = (enum provider_state)n;
	hello_fields_get(&c, hello);
	return verdict(&c);
}

void wire_scan_put(struct buf *b, uint32_t id)
{
	size_t start = frame_begin(b, WIRE_SCAN);

	buf_le32(b, id);
	frame_end(b, start);
}

int wire_scan_get(const struct wire_frame *f, uint32_t *id)
{
	struct cursor c = body_of(f);

	*id = cursor_le32(&c);
	return verdict(&c);
}

static void scan_begin_put(struct buf *b, const struct wire_scan_out *out)
{
	size_t start = frame_begin(b, WIRE_SCAN_BEGIN);

	buf_le32(b, out->id);
	for (size_t i = 0; i < WIRE_SECTIONS; i++)
		buf_le32(b, (uint32_t)section_count(out->scan, i));
	frame_end(b, start);
}

static void record_put(struct buf *b, const struct section *section, const void *record)
{
	size_t start = b->length;
	size_t length;

	buf_le16(b, 0);
	section->put(b, record);
	if (b->failed)
		return;
	length = b->length - start - 2;
	assert(length <= RECORD_MAX);
	b->data[start] = (uint8_t)length;
	b->data[start + 1] = (uint8_t)(length >> 8);
}

/* As many records as one slice holds. */
static void scan_slice_put(struct buf *b, struct wire_scan_out *out, size_t i)
{
	const struct section *section = &sections[i];
	size_t count = section_count(out->scan, i);
	size_t start = frame_begin(b, WIRE_SCAN_SLICE);
	size_t first = out->next;
	size_t count_at;

	buf_le32(b, out->id);
	buf_u8(b, (uint8_t)(i + 1));
	buf_le32(b, (uint32_t)first);
	count_at = b->length;
	buf_le16(b, 0);
	while (out->next < count && b->length - start < WIRE_SLICE_BYTES && !b->failed)
		record_put(b, section, section_array(out->scan, i) + section->size * out->next++);
	if (!b->failed) {
		b->data[count_at] = (uint8_t)(out->next - first);
		b->data[count_at + 1] = (uint8_t)((out->next - first) >> 8);
	}
	frame_end(b, start);
}

static void scan_end_put(struct buf *b, uint32_t id, bool complete, const char *why)
{
	size_t start = frame_begin(b, WIRE_SCAN_END);

	buf_le32(b, id);
	buf_u8(b, complete);
	text_put(b, why, PROVIDER_TEXT_MAX);
	frame_end(b, start);
}

bool wire_scan_out_put(struct buf *b, struct wire_scan_out *out)
{
	if (!out->step) {
		scan_begin_put(b, out);
		out->step++;
		return true;
	}
	while (out->step <= WIRE_SECTIONS && out->next == section_count(out->scan, out->step - 1)) {
		out->step++;
		out->next = 0;
	}
	if (out->step <= WIRE_SECTIONS) {
		scan_slice_put(b, out, out->step - 1);
		return true;
	}
	scan_end_put(b, out->id, true, "");
	return false;
}

void wire_scan_failed_put(struct buf *b, uint32_t id, const char *why)
{
	scan_end_put(b, id, false, why);
}

void wire_scan_in_done(struct wire_scan_in *in)
{
	provider_scan_free(in->scan);
	*in = (struct wire_scan_in){ 0 };
}

int wire_scan_begin_get(const struct wire_frame *f, struct wire_scan_in *in)
{
	OWNED(provider_scan_free) struct provider_scan *scan = NULL;
	struct cursor c = body_of(f);
	uint32_t id = cursor_le32(&c);
	uint32_t counts[WIRE_SECTIONS];

	for (size_t i = 0; i < WIRE_SECTIONS; i++) {
		counts[i] = cursor_le32(&c);
		if (counts[i] > sections[i].max)
			return -EBADMSG;
	}
	if (c.overrun)
		return -EBADMSG;
	scan = calloc(1, sizeof(*scan));
	if (!scan)
		return -ENOMEM;
	for (size_t i = 0; i < WIRE_SECTIONS; i++)
		if (section_make(scan, i, counts[i]))
			return -ENOMEM;
	wire_scan_in_done(in);
	in->id = id;
	in->scan = TAKE(scan);
	return 0;
}

int wire_scan_slice_get(const struct wire_frame *f, struct wire_scan_in *in)
{
	struct cursor c = body_of(f);
	uint32_t id = cursor_le32(&c);
	uint8_t n = cursor_u8(&c);
	uint32_t first = cursor_le32(&c);
	uint16_t count = cursor_le16(&c);
	size_t i = (size_t)n - 1;

	if (c.overrun || !in->scan || in->id != id || !n || n > WIRE_SECTIONS)
		return -EBADMSG;
	if (first != in->got[i] || count > section_count(in->scan, i) - in->got[i])
		return -EBADMSG;
	for (; count; count--) {
		size_t length = cursor_le16(&c);
		struct cursor record = { .at = c.at };

		if (c.overrun || (size_t)(c.end - c.at) < length)
			return -EBADMSG;
		record.end = c.at += length;
		sections[i].get(&record,
				section_array(in->scan, i) + sections[i].size * in->got[i]++);
		if (record.overrun)
			return -EBADMSG;
	}
	return 0;
}

int wire_scan_end_get(const struct wire_frame *f, struct wire_scan_in *in, uint32_t *id,
		      struct provider_scan **out, char *why)
{
	OWNED(provider_scan_free) struct provider_scan *scan = NULL;
	struct cursor c = body_of(f);
	bool complete;

	*id = cursor_le32(&c);
	complete = cursor_u8(&c) & 1;
	cursor_text(&c, why, PROVIDER_TEXT_MAX);
	if (c.overrun || (complete && (!in->scan || in->id != *id)))
		return -EBADMSG;
	for (size_t i = 0; i < WIRE_SECTIONS && complete; i++)
		if (in->got[i] != section_count(in->scan, i))
			return -EBADMSG;
	scan = TAKE(in->scan);
	wire_scan_in_done(in);
	*out = NULL;
	if (complete && !provider_scan_check(scan, why))
		*out = TAKE(scan);
	return 0;
}

void wire_view_put(struct buf *b, uint32_t id, uint16_t host)
{
	size_t start = frame_begin(b, WIRE_VIEW);

	buf_le32(b, id);
	buf_le16(b, host);
	frame_end(b, start);
}

int wire_view_get(const struct wire_frame *f, uint32_t *id, uint16_t *host)
{
	struct cursor c = body_of(f);

	*id = cursor_le32(&c);
	*host = cursor_le16(&c);
	return verdict(&c);
}

void wire_view_config_put(struct buf *b, uint32_t id, const struct provider_config *config)
{
	size_t start = frame_begin(b, WIRE_VIEW_CONFIG);
	size_t length = config->length;

	assert(length <= PROVIDER_CONFIG_BYTES);
	while (length && !config->bytes[length - 1])
		length--;
	buf_le32(b, id);
	buf_le32(b, config->domain);
	buf_u8(b, config->bus);
	buf_u8(b, config->device);
	buf_u8(b, config->function);
	buf_le16(b, config->length);
	buf_le16(b, (uint16_t)length);
	buf_bytes(b, config->bytes, length);
	frame_end(b, start);
}

int wire_view_config_get(const struct wire_frame *f, uint32_t *id, uint8_t *bytes,
			 struct provider_config *out)
{
	struct cursor c = body_of(f);
	uint16_t length;

	*id = cursor_le32(&c);
	out->domain = cursor_le32(&c);
	out->bus = cursor_u8(&c);
	out->device = cursor_u8(&c);
	out->function = cursor_u8(&c);
	out->length = cursor_le16(&c);
	out->bytes = bytes;
	length = cursor_le16(&c);
	if (out->device > 31 || length > out->length ||
	    (out->length != 64 && out->length != 256 && out->length != PROVIDER_CONFIG_BYTES))
		return -EBADMSG;
	/* with ARI, or behind an SR-IOV PF, a routing ID's low 8 bits are device and function */
	if (out->function > 7)
		return -EBADMSG;
	memset(bytes, 0, out->length);
	cursor_bytes(&c, bytes, length);
	return verdict(&c);
}

void wire_view_end_put(struct buf *b, uint32_t id, const char *why)
{
	size_t start = frame_begin(b, WIRE_VIEW_END);

	buf_le32(b, id);
	text_put(b, why, PROVIDER_TEXT_MAX);
	frame_end(b, start);
}

int wire_view_end_get(const struct wire_frame *f, uint32_t *id, char *why)
{
	struct cursor c = body_of(f);

	*id = cursor_le32(&c);
	cursor_text(&c, why, PROVIDER_TEXT_MAX);
	return verdict(&c);
}

void wire_control_put(struct buf *b, enum wire_type type, uint32_t id, int32_t status,
		      const void *text, size_t length)
{
	size_t offset = 0;

	assert(length <= WIRE_CONTROL_MAX);
	do {
		size_t start = frame_begin(b, type);
		size_t slice =
			length - offset < WIRE_SLICE_BYTES ? length - offset : WIRE_SLICE_BYTES;

		buf_le32(b, id);
		buf_le32(b, (uint32_t)status);
		buf_le32(b, (uint32_t)length);
		buf_le32(b, (uint32_t)offset);
		buf_le32(b, (uint32_t)slice);
		buf_bytes(b, (const char *)text + offset, slice);
		frame_end(b, start);
		offset += slice;
	} while (offset < length);
}

int wire_slice_get(const struct wire_frame *f, struct wire_slice *out)
{
	struct cursor c = body_of(f);

	out->id = cursor_le32(&c);
	out->status = (int32_t)cursor_le32(&c);
	out->total = cursor_le32(&c);
	out->offset = cursor_le32(&c);
	out->length = cursor_le32(&c);
	out->bytes = c.at;
	if (c.overrun || out->length > (size_t)(c.end - c.at))
		return -EBADMSG;
	if (out->total > WIRE_CONTROL_MAX || out->offset > out->total ||
	    out->length > out->total - out->offset)
		return -EBADMSG;
	/* an empty slice would make no progress; only an empty text is one */
	return !out->length && out->total ? -EBADMSG : 0;
}

int wire_slice_join(struct buf *text, const struct wire_slice *slice, bool *whole)
{
	if (slice->offset != text->length)
		return -EBADMSG;
	buf_bytes(text, slice->bytes, slice->length);
	if (text->failed)
		return -ENOMEM;
	*whole = text->length == slice->total;
	return 0;
}
