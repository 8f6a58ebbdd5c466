/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Refusals as application/problem+json (RFC 9457). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "fabricd/fabric.h"

struct problem {
	int refusal;              /* enum refusal */
	char detail[DB_TEXT_MAX]; /* a sentence about this very case; "" */
	char path[288];           /* JSON pointer of the field, or "?NAME" of a query */
	char reason[DB_TEXT_MAX]; /* about @path; "": there is no errors[] */
	const char *allow;        /* 405: the methods; NULL */
	uint64_t epoch;           /* of a fenced host; 0: not told */
};

/* @r as it came back: a refusal, or -errno, which is logged and becomes REFUSE_INTERNAL. */
void problem_init(struct problem *p, int r);
/* From what the fabric says of a request. @in_list: the request holds a list of operations. */
void problem_from_fabric(struct problem *p, int r, const struct fabric_problem *from, bool in_list);
/* Sets path and reason. */
void problem_field(struct problem *p, int refusal, const char *path, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void problem_write(const struct problem *p, struct buf *out);
