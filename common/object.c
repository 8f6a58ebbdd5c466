/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/object.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/strict.h"

OWNED_BY(struct json_tokener, json_tokener_free)

int object_bad(struct object_in *in, const char *why, ...)
{
	va_list args;

	va_start(args, why);
	(void)vsnprintf(in->why, sizeof(in->why), why, args);
	va_end(args);
	return REFUSE_FIELD;
}

size_t object_path_add(struct object_in *in, const char *key)
{
	size_t length = strlen(in->path);

	(void)snprintf(in->path + length, sizeof(in->path) - length, "/%s", key);
	return length;
}

/* values */

int object_take_text(struct object_in *in, char *target, size_t size, json_object *value)
{
	const char *text = json_object_get_string(value);

	if (!json_object_is_type(value, json_type_string))
		return object_bad(in, "a text is expected");
	if (strlen(text) >= size)
		return object_bad(in, "longer than %zu bytes", size - 1);
	for (const char *at = text; *at; at++)
		if (iscntrl((unsigned char)*at))
			return object_bad(in, "a control character");
	/* No byte of an older text stays behind it: these arrays are compared and copied whole. */
	memset(target, 0, size);
	(void)snprintf(target, size, "%s", text); /* it fits */
	return 0;
}

int object_take_word(struct object_in *in, const char *const *words, size_t count,
		     const char *expected, size_t *index, json_object *value)
{
	char text[64];
	int r = object_take_text(in, text, sizeof(text), value);

	for (size_t i = 0; !r && i < count; i++)
		if (!strcmp(text, words[i])) {
			*index = i;
			return 0;
		}
	return r ? r : object_bad(in, "%s", expected);
}

static void store_number(void *target, size_t size, int64_t n)
{
	if (size == 1)
		*(uint8_t *)target = (uint8_t)n;
	else if (size == 2)
		*(uint16_t *)target = (uint16_t)n;
	else if (size == 4)
		*(uint32_t *)target = (uint32_t)n;
	else
		*(uint64_t *)target = (uint64_t)n;
}

static int take_number(struct object_in *in, void *target, const struct object_key *key,
		       json_object *value)
{
	int64_t n = json_object_get_int64(value);

	if (!json_object_is_type(value, json_type_int))
		return object_bad(in, "a whole number is expected");
	if (n < key->least || n > key->most)
		return object_bad(in, "%lld .. %lld", (long long)key->least, (long long)key->most);
	store_number(target, key->size, n);
	return 0;
}

static int take_bool(struct object_in *in, bool *target, json_object *value)
{
	if (!json_object_is_type(value, json_type_boolean))
		return object_bad(in, "true or false is expected");
	*target = json_object_get_boolean(value);
	return 0;
}

/* "8086" */
static int take_hex(struct object_in *in, void *target, json_object *value)
{
	char text[5];
	int r = object_take_text(in, text, sizeof(text), value);

	if (r)
		return r;
	if (strlen(text) != 4 || strspn(text, "0123456789abcdefABCDEF") != 4)
		return object_bad(in, "four hexadecimal digits are expected");
	store_number(target, 2, (int64_t)strtoul(text, NULL, 16));
	return 0;
}

int object_take_key(struct object_in *in, const struct object_key *key, void *object,
		    json_object *value)
{
	void *target = (char *)object + key->offset;

	switch (key->kind) {
	case OBJECT_KEY_TEXT:
		return object_take_text(in, target, key->size, value);
	case OBJECT_KEY_NUMBER:
		return take_number(in, target, key, value);
	case OBJECT_KEY_BOOL:
		return take_bool(in, target, value);
	case OBJECT_KEY_HEX:
		return take_hex(in, target, value);
	case OBJECT_KEY_OTHER:
		return key->take(in, target, value);
	}
	return -EINVAL;
}

static int refuse_unknown(struct object_in *in, const struct object_key *keys, json_object *value)
{
	json_object_object_foreach(value, name, member)
	{
		const struct object_key *key = keys;

		(void)member;
		while (key->name && strcmp(key->name, name) != 0)
			key++;
		if (!key->name) {
			object_path_add(in, name);
			return object_bad(in, "no such key");
		}
	}
	return 0;
}

int object_take(struct object_in *in, const struct object_key *keys, void *object,
		json_object *value)
{
	int r;

	if (!json_object_is_type(value, json_type_object))
		return object_bad(in, "an object is expected");
	r = refuse_unknown(in, keys, value);
	for (const struct object_key *key = keys; !r && key->name; key++) {
		json_object *member;
		size_t at;

		if (!json_object_object_get_ex(value, key->name, &member)) {
			if (key->is_needed)
				r = object_bad(in, "\"%s\" is missing", key->name);
			continue;
		}
		at = object_path_add(in, key->name);
		r = object_take_key(in, key, object, member);
		if (!r)
			in->path[at] = '\0';
	}
	return r;
}

int object_take_array(struct object_in *in, json_object *value, size_t most,
		      int (*take)(struct object_in *in, json_object *element))
{
	size_t count;
	int r = 0;

	if (!json_object_is_type(value, json_type_array))
		return object_bad(in, "an array is expected");
	count = json_object_array_length(value);
	if (count > most)
		return object_bad(in, "more than %zu", most);
	for (size_t i = 0; !r && i < count; i++) {
		char index[24];
		size_t at;

		(void)snprintf(index, sizeof(index), "%zu", i);
		at = object_path_add(in, index);
		r = take(in, json_object_array_get_idx(value, i));
		if (!r)
			in->path[at] = '\0';
	}
	return r;
}

int object_take_nothing(struct object_in *in, void *target, json_object *value)
{
	(void)in;
	(void)target;
	(void)value;
	return 0;
}

/* the whole */

int object_parse(const char *text, size_t length, json_object **out)
{
	OWNED(json_tokener_free)
	struct json_tokener *tokener = json_tokener_new_ex(STRICT_DEPTH_MAX + 1);

	if (!tokener)
		return -ENOMEM;
	*out = json_tokener_parse_ex(tokener, text, (int)length);
	/* A bare number goes on for json-c; it is no object, as the null that it becomes is none.
	 */
	return *out || json_tokener_get_error(tokener) == json_tokener_success ||
			       json_tokener_get_error(tokener) == json_tokener_continue
		       ? 0
		       : -ENOMEM;
}

int object_tree(const char *text, size_t length, const char *name, size_t most, json_object **out,
		char *error)
{
	struct strict_error syntax;
	int r;

	(void)snprintf(error, OBJECT_ERROR_MAX, "%s: out of memory", name);
	if (length > most) {
		(void)snprintf(error, OBJECT_ERROR_MAX, "%s: larger than %zu MiB", name,
			       most >> 20);
		return REFUSE_TOO_LARGE;
	}
	r = strict_scan(text, length, &syntax);
	if (r > 0)
		(void)snprintf(error, OBJECT_ERROR_MAX, "%s:%u:%u: %s", name, syntax.line,
			       syntax.column, syntax.reason);
	return r ? r : object_parse(text, length, out);
}

void object_error(const struct object_in *in, const char *name, char *error)
{
	(void)snprintf(error, OBJECT_ERROR_MAX, "%s: %s: %s", name, in->path[0] ? in->path : "/",
		       in->why);
}

static int read_whole(int fd, size_t most, struct buf *b)
{
	char chunk[65536];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		buf_bytes(b, chunk, (size_t)n);
		if (b->length > most)
			return 0; /* refused for its length later */
	}
	return b->failed ? -ENOMEM : 0;
}

int object_file(const char *path, size_t most, struct buf *out, char *folder, char *error)
{
	const char *slash = strrchr(path, '/');
	int fd, r;

	(void)snprintf(folder, OBJECT_FOLDER_MAX, "%.*s", slash ? (int)(slash - path) : 1,
		       slash ? path : ".");
	if (slash == path)
		(void)snprintf(folder, OBJECT_FOLDER_MAX, "/.");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	r = fd < 0 ? -errno : read_whole(fd, most, out);
	if (fd >= 0)
		close(fd);
	if (r)
		(void)snprintf(error, OBJECT_ERROR_MAX, "%s: %s", path, strerror(-r));
	return r;
}
