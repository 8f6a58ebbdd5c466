/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads a file of one JSON object into structs, by const tables of keys: strictly (strict.h), each
 * key known and in its range, every refusal with its place as a JSON pointer.
 *
 * A table is an array of struct object_key that ends with an entry of zeroes. Its keys are taken in
 * the order of the table, whatever theirs is in the file, so that a later one may look at what an
 * earlier one gave.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/result.h"

struct json_object;

enum {
	OBJECT_PATH_MAX = 160, /* bytes of a JSON pointer */
	OBJECT_WHY_MAX = 160,  /* bytes of a reason */
	OBJECT_ERROR_MAX = 512,
	OBJECT_FOLDER_MAX = 4096,
};

/* Where the reading stands. Starts from zeroes but for @arg. */
struct object_in {
	void *arg;                  /* the reader's own */
	char path[OBJECT_PATH_MAX]; /* JSON pointer; what is refused leaves it where it was */
	char why[OBJECT_WHY_MAX];
};

/* Takes one value. @target: the member that the key names, or the whole object (OBJECT_OTHER).
 * Return: 0, -errno, or REFUSE_FIELD with in->why. */
typedef int object_take_fn(struct object_in *in, void *target, struct json_object *value);

/* One key of an object: @size bytes at @offset. */
struct object_key {
	const char *name;
	enum {
		OBJECT_KEY_TEXT,   /* char[], no control character, zeroes behind it */
		OBJECT_KEY_NUMBER, /* uint8_t .. uint64_t */
		OBJECT_KEY_BOOL,
		OBJECT_KEY_HEX, /* uint16_t: "8086" */
		OBJECT_KEY_OTHER,
	} kind;
	bool is_needed;
	size_t offset;
	size_t size;
	int64_t least;
	int64_t most;
	object_take_fn *take; /* of OBJECT_KEY_OTHER */
};

#define OBJECT_SIZE(type, member) sizeof(((type *)0)->member)
#define OBJECT_PLAIN(name, kind, type, member, needed)                                            \
	{                                                                                         \
		name, kind, needed, offsetof(type, member), OBJECT_SIZE(type, member), 0, 0, NULL \
	}
#define OBJECT_TEXT(name, type, member, needed) \
	OBJECT_PLAIN(name, OBJECT_KEY_TEXT, type, member, needed)
#define OBJECT_BOOL(name, type, member, needed) \
	OBJECT_PLAIN(name, OBJECT_KEY_BOOL, type, member, needed)
#define OBJECT_HEX(name, type, member, needed) \
	OBJECT_PLAIN(name, OBJECT_KEY_HEX, type, member, needed)
#define OBJECT_NUMBER(name, type, member, needed, least, most)           \
	{                                                                \
		name, OBJECT_KEY_NUMBER, needed, offsetof(type, member), \
			OBJECT_SIZE(type, member), least, most, NULL     \
	}
/* @take gets that member ... */
#define OBJECT_MEMBER(name, take, type, member, needed)                                            \
	{                                                                                          \
		name, OBJECT_KEY_OTHER, needed, offsetof(type, member), OBJECT_SIZE(type, member), \
			0, 0, take                                                                 \
	}
/* ... or the whole object. */
#define OBJECT_OTHER(name, take, needed)                         \
	{                                                        \
		name, OBJECT_KEY_OTHER, needed, 0, 0, 0, 0, take \
	}

/* Says why; returns REFUSE_FIELD. */
int object_bad(struct object_in *in, const char *why, ...) __attribute__((format(printf, 2, 3)));
/* Goes one step down in the path. Return: what in->path is cut at to come back. */
size_t object_path_add(struct object_in *in, const char *key);

/* @size bytes at @target, NUL included; what stands behind the text becomes zero. */
MUST_USE int object_take_text(struct object_in *in, char *target, size_t size,
			      struct json_object *value);
/* One of @count words. @index: which. @expected says them all, for the refusal. */
MUST_USE int object_take_word(struct object_in *in, const char *const *words, size_t count,
			      const char *expected, size_t *index, struct json_object *value);
/* By the key alone: its kind, its range, its place in @object. */
MUST_USE int object_take_key(struct object_in *in, const struct object_key *key, void *object,
			     struct json_object *value);
MUST_USE int object_take(struct object_in *in, const struct object_key *keys, void *object,
			 struct json_object *value);
/* Each element in turn. @most: more are refused. */
MUST_USE int object_take_array(struct object_in *in, struct json_object *value, size_t most,
			       int (*take)(struct object_in *in, struct json_object *element));
/* For a key that is taken elsewhere. */
int object_take_nothing(struct object_in *in, void *target, struct json_object *value);

/* Text that strict_scan() has passed as json-c's tree. @out: the caller's, to json_object_put();
 * NULL for a lone null. Return: 0 or -ENOMEM. */
MUST_USE int object_parse(const char *text, size_t length, struct json_object **out);

/**
 * object_tree() - strict JSON as json-c's tree
 * @name: of the file, for errors
 * @most: bytes that the text may have
 * @out: the caller's, to json_object_put()
 * @error: OBJECT_ERROR_MAX bytes, set unless 0 is returned: "NAME:LINE:COLUMN: reason"
 *
 * Return: 0, -ENOMEM, REFUSE_TOO_LARGE or REFUSE_SYNTAX.
 */
MUST_USE int object_tree(const char *text, size_t length, const char *name, size_t most,
			 struct json_object **out, char *error);
/* What object_take() and those after it refused, as "NAME: /adapters/3/serial: reason". */
void object_error(const struct object_in *in, const char *name, char *error);

/**
 * object_file() - the text of a file
 * @most: reading stops soon behind that many bytes: object_tree() refuses the text then
 * @folder: where the file lies, OBJECT_FOLDER_MAX bytes: what it names is relative to that
 *
 * Return: 0 or -errno, with @error.
 */
MUST_USE int object_file(const char *path, size_t most, struct buf *out, char *folder, char *error);
