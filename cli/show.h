/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's documents for people: lists as tables, one object as its members. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cli/doc.h"
#include "cli/session.h"
#include "cli/table.h"

enum show_how {
	SHOW_WORDS,
	SHOW_STATE,  /* in the colour of the state */
	SHOW_FLAG,   /* the member's name where it is true, else nothing */
	SHOW_OFFSET, /* milliseconds since a start: "+5.012 s" */
};

struct show_column {
	const char *title;
	const char *path; /* "identity", "link.width" */
	enum show_how how;
};

/* @columns end with an empty one. The rows of @array are added to @t, which has no columns yet or
 * those of a call before. */
void show_rows(struct table *t, const struct show_column *columns, const doc *array);
/* @array as a table; NULL columns: all members that hold a plain value. */
void show_array(struct buf *out, const struct show_column *columns, const doc *array, size_t indent,
		bool color);
/* The members of @d, aligned; then each array of objects under its name. */
void show_object(struct buf *out, const doc *d, bool color);
/* What was answered, as the session wants it: the document as it came, or for people; a list of
 * "items" as a table. */
enum cli_exit show_answer(struct session *s, const struct http_answer *answer);
/* The steps of "plan", in words, function by function. */
void show_plan(struct buf *out, const doc *plan);

extern const struct show_column show_operation_columns[];
