/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/doc.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 40, KEY_MAX = 64 };

void doc_free(doc *d)
{
	json_object_put(d);
}

doc *doc_parse(const void *bytes, size_t length)
{
	struct json_tokener *tokener;
	const char *text = bytes;
	doc *d;

	if (!bytes || length > INT_MAX)
		return NULL;
	while (length && strchr(" \t\r\n", text[length - 1]) && text[length - 1])
		length--;
	tokener = json_tokener_new_ex(DEPTH_MAX);
	if (!tokener)
		return NULL;
	d = json_tokener_parse_ex(tokener, text, (int)length);
	if (json_tokener_get_error(tokener) == json_tokener_continue) /* a bare number at the end */
		d = json_tokener_parse_ex(tokener, "", 1);
	if (json_tokener_get_error(tokener) != json_tokener_success ||
	    json_tokener_get_parse_end(tokener) < length) {
		doc_free(d);
		d = NULL;
	}
	json_tokener_free(tokener);
	return d;
}

doc *doc_find(const doc *d, const char *path)
{
	while (d) {
		size_t length = strcspn(path, ".");
		char key[KEY_MAX];
		doc *next = NULL;

		if (length >= sizeof(key) || !json_object_is_type(d, json_type_object))
			return NULL;
		memcpy(key, path, length);
		key[length] = '\0';
		if (!json_object_object_get_ex(d, key, &next) || !path[length])
			return next;
		path += length + 1;
		d = next;
	}
	return NULL;
}

static doc *find_typed(const doc *d, const char *path, enum json_type type)
{
	doc *found = doc_find(d, path);

	return found && json_object_is_type(found, type) ? found : NULL;
}

const char *doc_text(const doc *d, const char *path)
{
	doc *found = find_typed(d, path, json_type_string);

	return found ? json_object_get_string(found) : NULL;
}

doc *doc_array(const doc *d, const char *path)
{
	return find_typed(d, path, json_type_array);
}

size_t doc_count(const doc *array)
{
	return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

doc *doc_at(const doc *array, size_t index)
{
	return index < doc_count(array) ? json_object_array_get_idx(array, index) : NULL;
}

int64_t doc_number(const doc *d, const char *path, int64_t otherwise)
{
	doc *found = find_typed(d, path, json_type_int);

	return found ? json_object_get_int64(found) : otherwise;
}

bool doc_is_true(const doc *d, const char *path)
{
	doc *found = find_typed(d, path, json_type_boolean);

	return found && json_object_get_boolean(found);
}

static void object_words(struct buf *out, const doc *value)
{
	bool first = true;

	json_object_object_foreach(value, key, member)
	{
		if (!member)
			continue;
		buf_printf(out, "%s%s ", first ? "" : ", ", key);
		doc_words(out, member);
		first = false;
	}
}

void doc_words(struct buf *out, const doc *value)
{
	switch (json_object_get_type(value)) {
	case json_type_null:
		break;
	case json_type_boolean:
		buf_text(out, json_object_get_boolean(value) ? "yes" : "no");
		break;
	case json_type_object:
		object_words(out, value);
		break;
	case json_type_array:
		for (size_t i = 0; i < doc_count(value); i++) {
			buf_text(out, i ? ", " : "");
			doc_words(out, doc_at(value, i));
		}
		break;
	case json_type_double:
	case json_type_int:
	case json_type_string:
		buf_text(out, json_object_get_string((doc *)(uintptr_t)value));
		break;
	}
}

char *doc_words_at(const doc *d, const char *path)
{
	OWNED(buf_done) struct buf words = { 0 };
	doc *found = doc_find(d, path);

	if (!found)
		return NULL;
	doc_words(&words, found);
	return words.length ? buf_text_take(&words) : NULL;
}

char *doc_identity(const doc *identity)
{
	OWNED(buf_done) struct buf words = { 0 };

	if (identity)
		doc_words(&words, identity);
	return words.length ? buf_text_take(&words) : NULL;
}
