/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/qemu/qmp.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/object.h"
#include "common/strict.h"

enum { PCI_DEPTH_MAX = 16 };

static json_object *member(json_object *object, const char *name)
{
	json_object *value;

	if (!json_object_is_type(object, json_type_object) ||
	    !json_object_object_get_ex(object, name, &value))
		return NULL;
	return value;
}

/* NULL: not there, or no text. */
static const char *text_of(json_object *object, const char *name)
{
	json_object *value = member(object, name);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

/* False when it does not fit; then @out is empty. */
static bool text_copy(char *out, size_t size, const char *text)
{
	size_t length = text ? strlen(text) : 0;

	out[0] = '\0';
	if (length >= size)
		return false;
	memcpy(out, text ? text : "", length + 1);
	return true;
}

/* lines */

static int bad(char *why, const char *reason)
{
	(void)snprintf(why, QMP_TEXT_MAX, "%s", reason);
	return REFUSE_SYNTAX;
}

/* For people: cut, and nothing that a terminal would act on. */
static void error_text(char *out, size_t size, const char *text)
{
	(void)snprintf(out, size, "%s", text); /* cut is fine */
	for (char *at = out; *at; at++)
		if (iscntrl((unsigned char)*at))
			*at = ' ';
}

static int take_error(struct qmp_message *m, char *why)
{
	json_object *error = member(m->tree, "error");
	const char *name = text_of(error, "class");
	const char *desc = text_of(error, "desc");

	if (!name || !desc)
		return bad(why, "an error without class or desc");
	m->kind = QMP_ERROR;
	(void)text_copy(m->name, sizeof(m->name), name); /* one that is too long is none of ours */
	error_text(m->text, sizeof(m->text), desc);
	return 0;
}

static int take_event(struct qmp_message *m, char *why)
{
	const char *name = text_of(m->tree, "event");

	if (!name)
		return bad(why, "an event without a name");
	m->kind = QMP_EVENT;
	m->value = member(m->tree, "data");
	/* what is too long is none of ours */
	(void)text_copy(m->name, sizeof(m->name), name);
	(void)text_copy(m->device, sizeof(m->device), text_of(m->value, "device"));
	(void)text_copy(m->path, sizeof(m->path), text_of(m->value, "path"));
	return 0;
}

static int take_message(struct qmp_message *m, char *why)
{
	json_object *id = member(m->tree, "id");

	if (!json_object_is_type(m->tree, json_type_object))
		return bad(why, "no object");
	if (json_object_is_type(id, json_type_int) && json_object_get_int64(id) > 0)
		m->id = (uint64_t)json_object_get_int64(id);
	if (json_object_object_get_ex(m->tree, "return", &m->value)) {
		m->kind = QMP_RETURN;
		return 0;
	}
	if (member(m->tree, "error"))
		return take_error(m, why);
	if (member(m->tree, "event"))
		return take_event(m, why);
	if (!member(m->tree, "QMP"))
		return bad(why, "neither greeting, answer nor event");
	m->kind = QMP_GREETING;
	return 0;
}

int qmp_parse(const char *line, size_t length, struct qmp_message *out, char *why)
{
	OWNED(qmp_message_done) struct qmp_message m = { 0 };
	struct strict_error error;
	int r;

	if (length > QMP_LINE_MAX) {
		(void)bad(why, "a line longer than 1 MiB");
		return REFUSE_TOO_LARGE;
	}
	r = strict_scan(line, length, &error);
	if (r > 0)
		(void)snprintf(why, QMP_TEXT_MAX, "column %u: %s", error.column, error.reason);
	if (r)
		return r;
	r = object_parse(line, length, &m.tree);
	if (!r)
		r = take_message(&m, why);
	if (r)
		return r;
	*out = m;
	m.tree = NULL;
	return 0;
}

void qmp_message_done(struct qmp_message *m)
{
	json_object_put(m->tree);
	m->tree = NULL;
	m->value = NULL;
}

/* what commands return */

int qmp_text(json_object *value, char *out, size_t size)
{
	if (!json_object_is_type(value, json_type_string))
		return REFUSE_SYNTAX;
	return text_copy(out, size, json_object_get_string(value)) ? 0 : REFUSE_SYNTAX;
}

int qmp_bool(json_object *value, bool *out)
{
	if (!json_object_is_type(value, json_type_boolean))
		return REFUSE_SYNTAX;
	*out = json_object_get_boolean(value);
	return 0;
}

/* Room for as many as the array has. Return: 0, -ENOMEM, REFUSE_SYNTAX; @count: of the array. */
static int list_begin(json_object *value, size_t size, void *out_at, size_t *count)
{
	void **out = out_at;

	if (!json_object_is_type(value, json_type_array) ||
	    json_object_array_length(value) > QMP_LIST_MAX)
		return REFUSE_SYNTAX;
	*count = json_object_array_length(value);
	*out = calloc(*count ? *count : 1, size);
	return *out ? 0 : -ENOMEM;
}

/* "child<nvme>" -> "nvme" */
static bool child_type(struct qmp_child *child, const char *type)
{
	size_t length = type ? strlen(type) : 0;

	if (length < 7 || strncmp(type, "child<", 6) != 0 || type[length - 1] != '>' ||
	    length - 7 >= sizeof(child->type))
		return false;
	memcpy(child->type, type + 6, length - 7);
	child->type[length - 7] = '\0';
	return true;
}

int qmp_children(json_object *value, struct qmp_child **out, size_t *count)
{
	struct qmp_child *list;
	size_t all, kept = 0;
	int r = list_begin(value, sizeof(*list), &list, &all);

	if (r)
		return r;
	for (size_t i = 0; i < all; i++) {
		json_object *element = json_object_array_get_idx(value, i);
		const char *name = text_of(element, "name");

		if (name && text_copy(list[kept].name, sizeof(list[kept].name), name) &&
		    child_type(&list[kept], text_of(element, "type")))
			kept++;
	}
	*out = list;
	*count = kept;
	return 0;
}

/* QEMU's own JSON in place of a name, where options were given: json:{"driver":"raw", ...}. */
static bool file_of_json(struct qmp_block *block, const char *text)
{
	OWNED(qmp_message_done) struct qmp_message m = { 0 }; /* for its tree alone */
	struct strict_error error;
	json_object *at;
	const char *file = NULL;

	if (strict_scan(text, strlen(text), &error))
		return false;
	if (object_parse(text, strlen(text), &m.tree))
		return false;
	at = m.tree;
	for (int depth = 0; at && !file && depth < STRICT_DEPTH_MAX; depth++) {
		file = text_of(at, "filename");
		at = member(at, "file");
	}
	return file && text_copy(block->file, sizeof(block->file), file);
}

static bool block_take(struct qmp_block *block, json_object *element)
{
	json_object *inserted = member(element, "inserted");
	const char *device = text_of(element, "qdev");
	const char *file = text_of(inserted, "file");
	int length;

	if (!inserted || !device || !*device || !file)
		return false;
	if (!text_copy(block->node, sizeof(block->node), text_of(inserted, "node-name")))
		return false;
	/* an id stands for its place */
	length = snprintf(block->device, sizeof(block->device), "%s%s",
			  device[0] == '/' ? "" : "/machine/peripheral/", device);
	if (length < 0 || (size_t)length >= sizeof(block->device))
		return false;
	if (!strncmp(file, "json:", 5))
		return file_of_json(block, file + 5);
	return text_copy(block->file, sizeof(block->file), file);
}

int qmp_blocks(json_object *value, struct qmp_block **out, size_t *count)
{
	struct qmp_block *list;
	size_t all, kept = 0;
	int r = list_begin(value, sizeof(*list), &list, &all);

	if (r)
		return r;
	for (size_t i = 0; i < all; i++)
		kept += block_take(&list[kept], json_object_array_get_idx(value, i));
	*out = list;
	*count = kept;
	return 0;
}

int qmp_nodes(json_object *value, const char *prefix, struct qmp_child **out, size_t *count)
{
	struct qmp_child *list;
	size_t all, kept = 0;
	int r = list_begin(value, sizeof(*list), &list, &all);

	if (r)
		return r;
	for (size_t i = 0; i < all; i++) {
		const char *name = text_of(json_object_array_get_idx(value, i), "node-name");

		if (name && !strncmp(name, prefix, strlen(prefix)))
			kept += text_copy(list[kept].name, sizeof(list[kept].name), name);
	}
	*out = list;
	*count = kept;
	return 0;
}

struct pci_list {
	struct qmp_pci *functions;
	size_t count;
};

static uint32_t number_of(json_object *object, const char *name, uint32_t most)
{
	json_object *value = member(object, name);
	int64_t n = json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : 0;

	return n < 0 || n > most ? 0 : (uint32_t)n;
}

static int pci_devices(struct pci_list *list, json_object *devices, int depth);

static int pci_device(struct pci_list *list, json_object *device, int depth)
{
	json_object *bridge = member(device, "pci_bridge");
	json_object *bus = member(bridge, "bus");
	struct qmp_pci *grown;

	if (list->count == QMP_LIST_MAX || !json_object_is_type(device, json_type_object))
		return REFUSE_SYNTAX;
	grown = reallocarray(list->functions, list->count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	list->functions = grown;
	list->functions[list->count++] = (struct qmp_pci){
		.bus = (uint8_t)number_of(device, "bus", UINT8_MAX),
		.device = (uint8_t)number_of(device, "slot", 31),
		.function = (uint8_t)number_of(device, "function", 7),
		.vendor = (uint16_t)number_of(member(device, "id"), "vendor", UINT16_MAX),
		.product = (uint16_t)number_of(member(device, "id"), "device", UINT16_MAX),
		.class_code = number_of(member(device, "class_info"), "class", UINT16_MAX) << 8,
		.is_bridge = bridge != NULL,
		.secondary = (uint8_t)number_of(bus, "secondary", UINT8_MAX),
		.subordinate = (uint8_t)number_of(bus, "subordinate", UINT8_MAX),
	};
	return bridge && member(bridge, "devices")
		       ? pci_devices(list, member(bridge, "devices"), depth + 1)
		       : 0;
}

static int pci_devices(struct pci_list *list, json_object *devices, int depth)
{
	int r = 0;

	if (!json_object_is_type(devices, json_type_array) || depth == PCI_DEPTH_MAX)
		return REFUSE_SYNTAX;
	for (size_t i = 0; !r && i < json_object_array_length(devices); i++)
		r = pci_device(list, json_object_array_get_idx(devices, i), depth);
	return r;
}

int qmp_pci(json_object *value, struct qmp_pci **out, size_t *count)
{
	struct pci_list list = { 0 };
	int r = json_object_is_type(value, json_type_array) ? 0 : REFUSE_SYNTAX;

	for (size_t i = 0; !r && i < json_object_array_length(value); i++)
		r = pci_devices(&list, member(json_object_array_get_idx(value, i), "devices"), 0);
	if (r) {
		free(list.functions);
		return r;
	}
	*out = list.functions;
	*count = list.count;
	return 0;
}

/* "00000000b0000000: 0x29c08086 0x00000103 ..." */
size_t qmp_words(const char *text, uint32_t *out, size_t most)
{
	size_t count = 0;

	while (*text && count < most) {
		size_t line = strcspn(text, "\n");
		const char *end = text + line;
		const char *at = memchr(text, ':', line);

		for (at = at ? at + 1 : end; at < end && count < most; at += strcspn(at, " \r\n")) {
			at += strspn(at, " \r");
			if (at < end && !strncmp(at, "0x", 2) && isxdigit((unsigned char)at[2]))
				out[count++] = (uint32_t)strtoul(at, NULL, 16);
		}
		text = *end ? end + 1 : end;
	}
	return count;
}

/* what is told */

static void command_open(struct buf *out, const char *command)
{
	json_begin(out);
	json_member_text(out, "execute", command);
}

static void command_close(struct buf *out, uint64_t id)
{
	json_member_number(out, "id", id);
	json_close(out, '}');
	buf_text(out, "\n");
}

void qmp_command(struct buf *out, uint64_t id, const char *command,
		 const struct qmp_argument *arguments)
{
	command_open(out, command);
	if (arguments) {
		json_key(out, "arguments");
		json_open(out, '{');
		for (; arguments->name; arguments++) {
			if (arguments->text)
				json_member_text(out, arguments->name, arguments->text);
			else
				json_member_bool(out, arguments->name, arguments->flag);
		}
		json_close(out, '}');
	}
	command_close(out, id);
}

void qmp_command_image(struct buf *out, uint64_t id, const char *node, const char *file)
{
	command_open(out, "blockdev-add");
	json_key(out, "arguments");
	json_open(out, '{');
	json_member_text(out, "driver", "raw");
	json_member_text(out, "node-name", node);
	json_key(out, "file");
	json_open(out, '{');
	json_member_text(out, "driver", "file");
	json_member_text(out, "filename", file);
	json_member_text(out, "locking", "on");
	json_close(out, '}');
	json_close(out, '}');
	command_close(out, id);
}
