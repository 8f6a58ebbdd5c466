/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a switch remembers, as a list of records. A snapshot is such a list, and so is what changed
 * after it, so that a file is a snapshot with more records appended.
 *
 *   record: length of the body (le16), type (u8), body, sum over type and body (le32)
 *
 * The last record of a file that was torn off is left out; what it said was never answered.
 */
#include <errno.h>
#include <string.h>

#include "common/cursor.h"
#include "sim/inside.h"

enum record {
	RECORD_HEADER = 1, /* version, fingerprint of the chassis, seed, boots */
	RECORD_FUNCTION,
	RECORD_HOST,
	RECORD_ADAPTER,
	RECORD_LATE,
	RECORD_LATE_OVER,
	RECORD_BOOT,
	RECORD_END,
};

enum { RECORD_FRAME = 7, BODY_MAX = 256 };

/* Of an adapter's record. */
enum {
	ADAPTER_GONE = 1 << 0,
	ADAPTER_OUT = 1 << 1,
	ADAPTER_OFF = 1 << 2,
	ADAPTER_OTHER = 1 << 3, /* another card: its serial follows */
	ADAPTER_ATTENTION_SHIFT = 4,
};

/* FNV-1a: finds a torn record; nobody forges one here. */
static uint32_t sum_of(const uint8_t *bytes, size_t length)
{
	uint32_t sum = 0x811c9dc5;

	for (size_t i = 0; i < length; i++)
		sum = (sum ^ bytes[i]) * 0x01000193;
	return sum;
}

static uint64_t hash_u64(uint64_t hash, uint64_t v)
{
	return (hash ^ v) * 0x100000001b3ull;
}

/* What handles mean: the same layout gives the same number. */
static uint64_t fingerprint(const struct sim_map *map)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	hash = hash_u64(hash, map->switch_count);
	for (size_t i = 0; i < map->host_count; i++) {
		for (const char *at = map->hosts[i].bay; *at; at++)
			hash = hash_u64(hash, (uint8_t)*at);
		hash = hash_u64(hash, map->hosts[i].vports);
	}
	for (size_t i = 0; i < map->adapter_count; i++) {
		/* as it left the factory: cards are swapped later */
		for (const char *at = map->chassis->adapters[i].serial; *at; at++)
			hash = hash_u64(hash, (uint8_t)*at);
		hash = hash_u64(hash, map->adapters[i].function_count);
	}
	return hash;
}

static size_t record_begin(struct buf *b, enum record type)
{
	size_t at = b->length;

	buf_le16(b, 0);
	buf_u8(b, (uint8_t)type);
	return at;
}

static void record_end(struct buf *b, size_t at)
{
	size_t body = b->length - at - 3;

	if (b->failed)
		return;
	b->data[at] = (uint8_t)body;
	b->data[at + 1] = (uint8_t)(body >> 8);
	buf_le32(b, sum_of(b->data + at + 2, body + 1));
}

static void put_identity(struct buf *b, const struct identity *id)
{
	buf_le64(b, id->mac);
	buf_le64(b, id->wwpn);
	buf_le64(b, id->wwnn);
	buf_le16(b, id->vlan);
}

static struct identity get_identity(struct cursor *c)
{
	struct identity id;

	id.mac = cursor_le64(c);
	id.wwpn = cursor_le64(c);
	id.wwnn = cursor_le64(c);
	id.vlan = cursor_le16(c);
	return id;
}

static void put_function(struct buf *b, const struct provider_function *f)
{
	size_t at = record_begin(b, RECORD_FUNCTION);

	buf_le32(b, f->handle);
	buf_le16(b, f->now.host);
	buf_le16(b, f->now.vport);
	buf_le64(b, f->now.generation);
	put_identity(b, &f->now.identity);
	record_end(b, at);
}

static void put_host(struct buf *b, const struct provider_host_state *s)
{
	size_t at = record_begin(b, RECORD_HOST);

	buf_le16(b, s->host);
	buf_u8(b, (uint8_t)(s->isolated | s->power << 1 | s->link << 2));
	record_end(b, at);
}

static void put_adapter(struct buf *b, const struct sim_map *map, uint32_t handle)
{
	size_t at = record_begin(b, RECORD_ADAPTER);
	const struct sim_slot *slot = &map->slots[handle - 1];
	bool is_other = strcmp(map->adapters[handle - 1].serial,
			       map->chassis->adapters[handle - 1].serial) != 0;

	buf_le32(b, handle);
	buf_le16(b, map->adapters[handle - 1].num_vfs);
	buf_u8(b, (uint8_t)((map->gone[handle - 1] ? ADAPTER_GONE : 0) |
			    (slot->out ? ADAPTER_OUT : 0) | (slot->off ? ADAPTER_OFF : 0) |
			    (is_other ? ADAPTER_OTHER : 0) |
			    slot->attention << ADAPTER_ATTENTION_SHIFT));
	if (is_other)
		buf_bytes(b, map->adapters[handle - 1].serial, PROVIDER_NAME_MAX);
	record_end(b, at);
}

static void put_late(struct buf *b, const struct sim_cmd *cmd, uint64_t now_ms)
{
	size_t at = record_begin(b, RECORD_LATE);
	const struct provider_op *op = &cmd->op;

	buf_le64(b, now_ms);
	buf_le64(b, cmd->seq);
	/* One that has not passed its deadline yet falls that long after it. */
	buf_le64(b, cmd->is_answered ? cmd->due_ms : cmd->op.deadline_ms + cmd->late_ms);
	buf_le64(b, op->attempt);
	buf_le64(b, op->generation);
	buf_le64(b, op->epoch);
	buf_le64(b, op->deadline_ms);
	buf_u8(b, (uint8_t)op->verb);
	buf_u8(b, (uint8_t)op->mode);
	buf_le32(b, op->function);
	buf_le16(b, op->host);
	buf_le16(b, op->vport);
	buf_le32(b, op->value);
	put_identity(b, &op->identity);
	record_end(b, at);
}

static void put_boot(struct buf *b, const struct sim_model *m)
{
	size_t at = record_begin(b, RECORD_BOOT);

	buf_le64(b, m->boots);
	record_end(b, at);
}

static void put_header(struct buf *b, const struct sim_model *m)
{
	size_t at = record_begin(b, RECORD_HEADER);

	buf_le16(b, SIM_MODEL_STATE_VERSION);
	buf_le64(b, fingerprint(&m->map));
	buf_le64(b, m->seed);
	buf_le64(b, m->boots);
	record_end(b, at);
}

static bool is_default(const struct provider_function *f)
{
	return !f->now.host && identity_is_empty(&f->now.identity);
}

void sim_model_save(const struct sim_model *model, struct buf *out)
{
	const struct sim_map *map = &model->map;

	put_header(out, model);
	for (uint32_t i = 1; i <= map->adapter_count; i++)
		put_adapter(out, map, i);
	for (size_t i = 0; i < map->host_count; i++)
		put_host(out, &map->hosts[i].state);
	for (size_t i = 0; i < map->function_count; i++)
		if (!is_default(&map->functions[i]))
			put_function(out, &map->functions[i]);
	for (const struct sim_cmd *cmd = model->pending; cmd; cmd = cmd->all_next)
		if (cmd->is_late)
			put_late(out, cmd, model->now_ms);
}

/* loading */

static int take_header(struct sim_model *m, struct cursor *c)
{
	if (cursor_le16(c) != SIM_MODEL_STATE_VERSION || cursor_le64(c) != fingerprint(&m->map))
		return -EBADMSG;
	m->seed = cursor_le64(c);
	m->boots = cursor_le64(c);
	sim_model_boot_id(m);
	return 0;
}

static int take_function(struct sim_model *m, struct cursor *c)
{
	uint32_t handle = cursor_le32(c);
	uint16_t host = cursor_le16(c);
	uint16_t vport = cursor_le16(c);
	uint64_t generation = cursor_le64(c);
	struct identity identity = get_identity(c);
	const struct provider_function *f = sim_map_function(&m->map, handle);

	if (!f)
		return -EBADMSG;
	sim_map_identify(&m->map, handle, &identity);
	if (f->now.host == host && f->now.vport == vport && f->now.generation == generation)
		return 0;
	return sim_map_place(&m->map, handle, host, vport, generation, PROVIDER_MANAGED);
}

static int take_host(struct sim_model *m, struct cursor *c)
{
	struct provider_host_state state = { .host = cursor_le16(c), .power_known = true };
	uint8_t bits = cursor_u8(c);

	state.isolated = bits & 1;
	state.power = bits & 2;
	state.link = bits & 4;
	if (!sim_map_host(&m->map, state.host))
		return -EBADMSG;
	sim_map_host_state(&m->map, &state);
	return 0;
}

static int take_adapter(struct sim_model *m, struct cursor *c)
{
	uint32_t handle = cursor_le32(c);
	uint16_t num_vfs = cursor_le16(c);
	uint8_t bits = cursor_u8(c);
	struct sim_slot slot = { .out = bits & ADAPTER_OUT,
				 .off = bits & ADAPTER_OFF,
				 .attention = bits >> ADAPTER_ATTENTION_SHIFT };
	char serial[PROVIDER_NAME_MAX] = "";

	if (bits & ADAPTER_OTHER)
		cursor_bytes(c, serial, sizeof(serial));
	if (!handle || handle > m->map.adapter_count ||
	    num_vfs > m->map.adapters[handle - 1].total_vfs)
		return -EBADMSG;
	if (num_vfs != m->map.adapters[handle - 1].num_vfs)
		sim_map_enable_vfs(&m->map, handle, num_vfs);
	if (serial[sizeof(serial) - 1] || slot.attention > PROVIDER_ATTENTION_BLINK)
		return -EBADMSG;
	if (serial[0])
		sim_map_card(&m->map, handle, serial);
	sim_map_slot(&m->map, handle, &slot);
	sim_map_plug(&m->map, handle, !(bits & ADAPTER_GONE));
	return 0;
}

static int take_late(struct sim_model *m, struct cursor *c, uint64_t now_ms)
{
	struct provider_op op = { 0 };
	uint64_t then = cursor_le64(c), seq = cursor_le64(c), due = cursor_le64(c);

	op.attempt = cursor_le64(c);
	op.generation = cursor_le64(c);
	op.epoch = cursor_le64(c);
	op.deadline_ms = cursor_le64(c);
	op.verb = cursor_u8(c);
	op.mode = cursor_u8(c);
	op.function = cursor_le32(c);
	op.host = cursor_le16(c);
	op.vport = cursor_le16(c);
	op.value = cursor_le32(c);
	op.identity = get_identity(c);
	if (c->overrun || op.verb >= PROVIDER_VERBS || op.mode > PROVIDER_SURPRISE)
		return -EBADMSG;
	/* The clock started anew: it falls as far from now as it lay then. */
	if (now_ms < then)
		due = now_ms + (due > then ? due - then : 0);
	return sim_model_late_add(m, &op, seq, due);
}

static int take_boot(struct sim_model *m, struct cursor *c)
{
	m->boots = cursor_le64(c);
	sim_model_boot_id(m);
	sim_model_late_forget(m, 0);
	return 0;
}

static int take_record(struct sim_model *m, enum record type, struct cursor *c, uint64_t now_ms)
{
	int r = -EBADMSG;

	switch (type) {
	case RECORD_HEADER:
		r = take_header(m, c);
		break;
	case RECORD_FUNCTION:
		r = take_function(m, c);
		break;
	case RECORD_HOST:
		r = take_host(m, c);
		break;
	case RECORD_ADAPTER:
		r = take_adapter(m, c);
		break;
	case RECORD_LATE:
		r = take_late(m, c, now_ms);
		break;
	case RECORD_LATE_OVER:
		sim_model_late_forget(m, cursor_le64(c));
		r = 0;
		break;
	case RECORD_BOOT:
		r = take_boot(m, c);
		break;
	case RECORD_END:
		break;
	}
	if (!r && (c->overrun || c->at != c->end))
		return -EBADMSG;
	return r;
}

/* The whole record at @bytes, its length in @record. False: torn off, or damaged. */
static bool record_find(const uint8_t *bytes, size_t length, size_t *record)
{
	struct cursor c = { .at = bytes, .end = bytes + length };
	size_t body = cursor_le16(&c);

	if (c.overrun || body > BODY_MAX || length < body + RECORD_FRAME)
		return false;
	c.at = bytes + 3 + body;
	*record = body + RECORD_FRAME;
	return cursor_le32(&c) == sum_of(bytes + 2, body + 1);
}

int sim_model_load(struct sim_model *model, const uint8_t *bytes, size_t length, uint64_t now_ms,
		   size_t *used)
{
	void (*changed)(void *, enum sim_part, uint32_t) = model->map.changed;
	size_t at = 0, record;
	int r = 0;

	model->map.changed = NULL;
	model->now_ms = now_ms;
	while (!r && record_find(bytes + at, length - at, &record)) {
		struct cursor c = { .at = bytes + at + 3, .end = bytes + at + record - 4 };
		enum record type = bytes[at + 2];

		if ((at == 0) != (type == RECORD_HEADER))
			r = -EBADMSG;
		else
			r = take_record(model, type, &c, now_ms);
		if (!r)
			at += record;
	}
	model->map.changed = changed;
	if (!r && !at && length)
		r = -EBADMSG;
	*used = at;
	return r;
}

/* telling the store */

static void store(struct sim_model *m, struct buf *b)
{
	if (!b->failed)
		m->store(m->store_arg, b->data, b->length);
}

void sim_state_changed(void *model, enum sim_part part, uint32_t handle)
{
	OWNED(buf_done) struct buf b = { 0 };
	struct sim_model *m = model;

	if (!m->store)
		return;
	switch (part) {
	case SIM_PART_FUNCTION:
		put_function(&b, &m->map.functions[handle - 1]);
		break;
	case SIM_PART_HOST:
		put_host(&b, &m->map.hosts[handle - 1].state);
		break;
	case SIM_PART_ADAPTER:
		put_adapter(&b, &m->map, handle);
		break;
	}
	store(m, &b);
}

void sim_state_late(struct sim_model *m, const struct sim_cmd *cmd)
{
	OWNED(buf_done) struct buf b = { 0 };

	if (!m->store)
		return;
	put_late(&b, cmd, m->now_ms);
	store(m, &b);
}

void sim_state_late_over(struct sim_model *m, uint64_t seq)
{
	OWNED(buf_done) struct buf b = { 0 };
	size_t at = record_begin(&b, RECORD_LATE_OVER);

	if (!m->store)
		return;
	buf_le64(&b, seq);
	record_end(&b, at);
	store(m, &b);
}

void sim_state_boot(struct sim_model *m)
{
	OWNED(buf_done) struct buf b = { 0 };

	if (!m->store)
		return;
	put_boot(&b, m);
	store(m, &b);
}
