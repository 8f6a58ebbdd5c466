/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing JSON into a buffer. Commas come by themselves: none behind '{', '[' and ':'. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

/* Bytes of the UTF-8 sequence (Unicode 15, table 3-7) at @at, of which @left are there; 0: none. */
size_t json_utf8_length(const unsigned char *at, size_t left);

void json_open(struct buf *out, char bracket);  /* '{' or '[' */
void json_begin(struct buf *out);               /* '{' without a look at what stands before */
void json_close(struct buf *out, char bracket); /* '}' or ']' */
void json_key(struct buf *out, const char *key);
/* Escaped; bytes that are not UTF-8, and NUL, become U+FFFD. NULL: null. */
void json_text(struct buf *out, const char *text);
void json_text_n(struct buf *out, const char *text, size_t length);
void json_number(struct buf *out, uint64_t n);
void json_boolean(struct buf *out, bool b);
void json_null(struct buf *out);

void json_member_text(struct buf *out, const char *key, const char *text);
void json_member_number(struct buf *out, const char *key, uint64_t n);
void json_member_signed(struct buf *out, const char *key, int64_t n);
void json_member_bool(struct buf *out, const char *key, bool b);
/* A wall time as text; 0: null. */
void json_member_time(struct buf *out, const char *key, uint64_t wall_ms);
