/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading what the daemon sent: JSON documents, by json-c. Pointers are borrowed from the document.
 */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/own.h"

typedef struct json_object doc;

void doc_free(doc *d);
OWNED_BY(doc, doc_free)

/* The caller's, or NULL where @bytes is not one JSON value (or memory ran out). */
doc *doc_parse(const void *bytes, size_t length);
/* The member at @path ("identity.mac"), or NULL where it is absent, null, or @d is no object. */
doc *doc_find(const doc *d, const char *path);
/* The same, if it is a string; else NULL. */
const char *doc_text(const doc *d, const char *path);
/* The same, if it is an array; else NULL. */
doc *doc_array(const doc *d, const char *path);
/* An element; NULL beyond the end. */
doc *doc_at(const doc *array, size_t index);
/* 0 for NULL and for what is no array. */
size_t doc_count(const doc *array);
/* The same, if it is a number; else @otherwise. */
int64_t doc_number(const doc *d, const char *path, int64_t otherwise);
bool doc_is_true(const doc *d, const char *path);

/* Any value in words: strings and numbers as they are, true as "yes", false as "no", null as
 * nothing, arrays joined by commas, objects as "key value" joined by blanks. */
void doc_words(struct buf *out, const doc *value);
/* doc_words() of the member at @path; the caller's, NULL where it is absent or memory ran out. */
char *doc_words_at(const doc *d, const char *path);
/* "mac 02:fa:b0:00:00:01, vlan 5": an identity in words; the caller's, NULL where it has nothing.
 */
char *doc_identity(const doc *identity);
