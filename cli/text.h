/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text for a terminal: how wide it stands, and nothing in it that a terminal would obey. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

/* What a word of state means to the one who reads it. */
enum style { STYLE_PLAIN, STYLE_GOOD, STYLE_BUSY, STYLE_BAD, STYLE_DIM, STYLE_HEAD };

/* Before any width is asked for. Return: true where the user's terminal is told to be UTF-8. */
bool text_setup(void);
/* Columns that @text takes; wide characters take two, combining ones none. */
size_t text_width(const char *text);
/* Appends @text; control characters and what is not UTF-8 become "?". */
void text_clean(struct buf *out, const char *text);
/* @text in the colours of @style, or plain where !@color. */
void text_styled(struct buf *out, const char *text, enum style style, bool color);
/* The style of a state's name, such as "fenced"; STYLE_PLAIN for a word that has none. */
enum style text_state_style(const char *state);
