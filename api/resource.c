/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/resource.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/call.h"
#include "common/clock.h"
#include "common/natural.h"

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 1000, CURSOR_MAX = 128 };

/* ---- values ---- */

void value_text(struct value *v, const char *text)
{
	v->kind = text && *text ? VALUE_TEXT : VALUE_NULL;
	v->text = text;
}

void value_number(struct value *v, uint64_t number)
{
	v->kind = VALUE_NUMBER;
	v->number = number;
}

void value_number_or_null(struct value *v, uint64_t number)
{
	v->kind = number ? VALUE_NUMBER : VALUE_NULL;
	v->number = number;
}

void value_hex4(struct value *v, uint16_t id)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < 4; i++)
		v->room[i] = digits[id >> (12 - 4 * i) & 15];
	v->room[4] = '\0';
	value_text(v, v->room);
}

void value_bool(struct value *v, bool b)
{
	v->kind = VALUE_BOOL;
	v->number = b;
}

void value_time(struct value *v, uint64_t wall_ms)
{
	v->kind = wall_ms ? VALUE_TEXT : VALUE_NULL;
	v->text = v->room;
	if (wall_ms)
		clock_wall_format(wall_ms, v->room);
}

static void value_write(const struct value *v, struct buf *out)
{
	switch (v->kind) {
	case VALUE_NULL:
		json_null(out);
		break;
	case VALUE_TEXT:
		json_text(out, v->text);
		break;
	case VALUE_NUMBER:
		json_number(out, v->number);
		break;
	case VALUE_BOOL:
		json_boolean(out, v->number);
		break;
	}
}

/* A query's text: null is "null" or nothing. */
static bool value_is(const struct value *v, const char *text)
{
	char number[24];

	switch (v->kind) {
	case VALUE_NULL:
		return !*text || !strcmp(text, "null");
	case VALUE_TEXT:
		return !strcmp(v->text, text);
	case VALUE_NUMBER:
		(void)snprintf(number, sizeof(number), "%" PRIu64, v->number);
		return !strcmp(number, text);
	case VALUE_BOOL:
		return !strcmp(v->number ? "true" : "false", text);
	}
	return false;
}

/* ---- documents ---- */

static void field_write(const struct field *field, const struct fabric *f, const void *object,
			struct buf *out)
{
	struct value v;

	json_key(out, field->name);
	if (field->write) {
		field->write(f, object, out);
		return;
	}
	field->get(f, object, &v);
	value_write(&v, out);
}

static void object_write(const struct resource *resource, const struct fabric *f,
			 const void *object, bool is_alone, struct buf *out, uint64_t *hash)
{
	size_t from;

	json_open(out, '{');
	from = out->length;
	for (const struct field *field = resource->fields; field->name; field++) {
		if (field->alone && !is_alone)
			continue;
		if (field->moves) {
			*hash = api_hash(*hash, out->data + from, out->length - from);
			field_write(field, f, object, out);
			from = out->length;
		} else {
			field_write(field, f, object, out);
		}
	}
	json_close(out, '}');
	if (!out->failed)
		*hash = api_hash(*hash, out->data + from, out->length - from);
}

void resource_write(const struct resource *resource, const struct fabric *f, const void *object,
		    struct buf *out, uint64_t *hash)
{
	object_write(resource, f, object, true, out, hash);
}

const void *resource_find(const struct resource *resource, const struct fabric *f, const char *id)
{
	const void *object = resource->find(f, id);

	return object && (!resource->has || resource->has(object)) ? object : NULL;
}

void resource_one_get(struct api_call *call, const struct resource *resource, const char *param)
{
	const void *object = resource_find(resource, call->fabric, call->id);
	struct buf *out = call_body(call->api);
	uint64_t hash = 0;

	if (!object) {
		call_refuse(call, resource->missing);
		return;
	}
	if (call_refuse_params(call, param))
		return;
	resource_write(resource, call->fabric, object, out, &hash);
	buf_text(out, "\n");
	call_reply(call, 200, hash);
}

/* ---- cursors: the id of the last one shown, as URL-safe base64 without padding ---- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void cursor_format(const char *id, struct buf *out)
{
	size_t length = strlen(id);

	for (size_t i = 0; i < length; i += 3) {
		size_t n = length - i < 3 ? length - i : 3;
		uint32_t bits = 0;

		for (size_t k = 0; k < 3; k++)
			bits = bits << 8 | (k < n ? (uint8_t)id[i + k] : 0);
		for (size_t k = 0; k <= n; k++)
			buf_bytes(out, &alphabet[bits >> (18 - 6 * k) & 63], 1);
	}
}

/* Return: 0, or REFUSE_FIELD for what cursor_format() does not write. */
static int cursor_parse(const char *text, char out[static CURSOR_MAX])
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t length = 0;

	for (; *text; text++) {
		const char *digit = strchr(alphabet, *text);

		if (!digit || length + 1 >= CURSOR_MAX)
			return REFUSE_FIELD;
		bits = bits << 6 | (uint32_t)(digit - alphabet);
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		out[length++] = (char)(bits >> have & 0xff);
		if (!out[length - 1])
			return REFUSE_FIELD;
	}
	out[length] = '\0';
	return length && have < 6 && !(bits & ((1U << have) - 1)) ? 0 : REFUSE_FIELD;
}

/* ---- pages ---- */

struct page {
	const struct resource *resource;
	size_t limit;
	char after[CURSOR_MAX]; /* "": from the start */
	struct {
		const struct field *field;
		const char *value;
	} filters[CALL_PARAMS_MAX];
	size_t filter_count;
};

static int limit_parse(const char *text, size_t *limit, struct problem *p)
{
	size_t n = 0;

	for (const char *c = text; *c; c++) {
		n = *c >= '0' && *c <= '9' && n <= LIMIT_MAX ? n * 10 + (size_t)(*c - '0')
							     : LIMIT_MAX + 1;
	}
	if (!n || n > LIMIT_MAX) {
		problem_field(p, REFUSE_FIELD, "?limit", "not a number from 1 to %d", LIMIT_MAX);
		return REFUSE_FIELD;
	}
	*limit = n;
	return 0;
}

/* "id, state, spare": what a list may be asked for by. */
static void filters_say(const struct resource *resource, char *out, size_t size)
{
	size_t used = 0;

	*out = '\0';
	for (const struct field *field = resource->fields; field->name && used < size; field++)
		if (field->get)
			used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "",
						 field->name);
}

static int filter_add(struct page *page, const char *name, const char *value, struct problem *p)
{
	char path[128];
	char names[DB_TEXT_MAX];

	for (const struct field *field = page->resource->fields; field->name; field++) {
		if (strcmp(field->name, name) != 0 || !field->get)
			continue;
		page->filters[page->filter_count].field = field;
		page->filters[page->filter_count++].value = value;
		return 0;
	}
	(void)snprintf(path, sizeof(path), "?%s", name);
	filters_say(page->resource, names, sizeof(names));
	problem_field(p, REFUSE_FIELD, path, "%s cannot be filtered by that, but by %.400s",
		      page->resource->name, names);
	return REFUSE_FIELD;
}

static int page_parse(const struct api_call *call, struct page *page, struct problem *p)
{
	int r = 0;

	for (size_t i = 0; !r && i < call->param_count; i++) {
		const char *name = call->params[i].name;
		const char *value = call->params[i].value;

		if (!strcmp(name, "limit")) {
			r = limit_parse(value, &page->limit, p);
		} else if (!strcmp(name, "cursor")) {
			r = cursor_parse(value, page->after);
			if (r)
				problem_field(p, r, "?cursor", "not a cursor of an earlier page");
		} else {
			r = filter_add(page, name, value, p);
		}
	}
	return r;
}

static const char *id_get(const struct page *page, const struct fabric *f, const void *object,
			  struct value *v)
{
	page->resource->fields[0].get(f, object, v);
	if (v->kind == VALUE_NUMBER) {
		(void)snprintf(v->room, sizeof(v->room), "%" PRIu64, v->number);
		return v->room;
	}
	return v->text;
}

/* Index of the first behind the cursor: by its name, so that what came or went does not matter. */
static size_t page_start(const struct page *page, const struct fabric *f, size_t count)
{
	size_t low = 0;
	size_t high = *page->after ? count : 0;
	struct value v;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const void *object = page->resource->at(f, middle);

		if (natural_compare(id_get(page, f, object, &v), page->after) > 0)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static bool page_has(const struct page *page, const struct fabric *f, const void *object)
{
	struct value v;

	if (page->resource->has && !page->resource->has(object))
		return false;
	for (size_t i = 0; i < page->filter_count; i++) {
		page->filters[i].field->get(f, object, &v);
		if (!value_is(&v, page->filters[i].value))
			return false;
	}
	return true;
}

static void next_write(const struct page *page, const struct fabric *f, const void *last,
		       struct buf *out)
{
	struct value v;

	json_key(out, "next");
	if (!last) {
		json_null(out);
		return;
	}
	buf_text(out, "\"");
	cursor_format(id_get(page, f, last, &v), out);
	buf_text(out, "\"");
}

static void page_write(const struct page *page, const struct fabric *f, struct buf *out,
		       uint64_t *hash)
{
	size_t count = page->resource->count(f);
	const void *last = NULL;
	bool more = false;
	size_t n = 0;

	json_open(out, '{');
	json_key(out, "items");
	json_open(out, '[');
	for (size_t i = page_start(page, f, count); i < count && !more; i++) {
		const void *object = page->resource->at(f, i);

		if (!page_has(page, f, object))
			continue;
		more = n++ == page->limit;
		if (more)
			break;
		object_write(page->resource, f, object, false, out, hash);
		last = object;
	}
	json_close(out, ']');
	next_write(page, f, more ? last : NULL, out);
	json_close(out, '}');
	buf_text(out, "\n");
	*hash = api_hash(*hash, &more, sizeof(more));
}

void resource_get(struct api_call *call, const struct resource *resource)
{
	struct page page = { .resource = resource, .limit = LIMIT_DEFAULT };
	struct problem p;
	uint64_t hash = 0;

	if (call->id) {
		resource_one_get(call, resource, NULL);
		return;
	}
	if (page_parse(call, &page, &p)) {
		call_refuse_with(call, &p);
		return;
	}
	page_write(&page, call->fabric, call_body(call->api), &hash);
	call_reply(call, 200, hash);
}

/* ---- what several of them need ---- */

uint64_t resource_number_parse(const char *text)
{
	uint64_t n = 0;

	if (*text < '1' || *text > '9' || strlen(text) > 18)
		return 0;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return 0;
		n = n * 10 + (uint64_t)(*text - '0');
	}
	return n;
}

void identity_write(const struct identity *id, struct buf *out)
{
	char text[IDENTITY_TEXT];

	json_open(out, '{');
	if (id->mac) {
		identity_mac_format(id->mac, text);
		json_member_text(out, "mac", text);
	}
	if (id->vlan)
		json_member_number(out, "vlan", id->vlan);
	if (id->wwpn) {
		identity_wwn_format(id->wwpn, text);
		json_member_text(out, "wwpn", text);
	}
	if (id->wwnn) {
		identity_wwn_format(id->wwnn, text);
		json_member_text(out, "wwnn", text);
	}
	json_close(out, '}');
}

void identity_member(struct buf *out, const char *key, const struct identity *id)
{
	json_key(out, key);
	identity_write(id, out);
}

const char *provider_name(const struct fabric *f, unsigned provider)
{
	struct fabric_provider_view view;

	if (provider >= fabric_provider_count(f))
		return NULL;
	fabric_provider_get(f, provider, &view);
	return view.name;
}

const struct fabric_host *host_by_handle(const struct fabric *f, unsigned provider, uint16_t handle)
{
	size_t count = 0;
	const struct fabric_host *const *hosts = fabric_hosts(f, &count);

	for (size_t i = 0; handle && i < count; i++) {
		if (hosts[i]->as.handle == handle && hosts[i]->provider == provider)
			return hosts[i];
	}
	return NULL;
}

const struct fabric_switch *switch_by_handle(const struct fabric *f, unsigned provider,
					     uint16_t handle)
{
	size_t count = 0;
	const struct fabric_switch *const *switches = fabric_switches(f, &count);

	for (size_t i = 0; handle && i < count; i++) {
		if (switches[i]->as.handle == handle && switches[i]->provider == provider)
			return switches[i];
	}
	return NULL;
}

void next_steps_write(const struct fabric_next *next, size_t count, struct buf *out)
{
	json_open(out, '[');
	for (size_t i = 0; i < count; i++) {
		json_open(out, '{');
		json_member_text(out, "when", next[i].when);
		json_member_text(out, "command", *next[i].command ? next[i].command : NULL);
		json_close(out, '}');
	}
	json_close(out, ']');
}
