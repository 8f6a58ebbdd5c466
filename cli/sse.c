/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/sse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sse_done(struct sse *s)
{
	buf_done(&s->line);
	buf_done(&s->data);
}

static void event_drop(struct sse *s)
{
	s->data.length = 0;
	s->has_data = false;
	s->has_next = false;
	s->type[0] = '\0';
}

void sse_restart(struct sse *s)
{
	event_drop(s);
	s->line.length = 0;
	s->after_cr = false;
}

static int event_end(struct sse *s, sse_event_fn *fn, void *arg)
{
	struct sse_event event = { .id = s->id, .type = *s->type ? s->type : "message" };
	int r = 0;

	if (s->has_next)
		memcpy(s->id, s->next, sizeof(s->id));
	if (s->has_data) {
		buf_u8(&s->data, '\0');
		if (s->data.failed)
			return -ENOMEM;
		event.data = (const char *)s->data.data;
		r = fn(&event, arg);
	}
	event_drop(s);
	return r;
}

static int field_take(struct sse *s, const char *name, const char *value)
{
	if (!strcmp(name, "data")) {
		if (s->has_data)
			buf_u8(&s->data, '\n');
		buf_text(&s->data, value);
		s->has_data = true;
		return s->data.length > SSE_EVENT_MAX ? -EMSGSIZE : 0;
	}
	/* an id that is too long to be sent back whole is no use: the one before stands */
	if (!strcmp(name, "id") && strlen(value) < sizeof(s->next)) {
		(void)snprintf(s->next, sizeof(s->next), "%s", value);
		s->has_next = true;
	}
	if (!strcmp(name, "event"))
		(void)snprintf(s->type, sizeof(s->type), "%s", value); /* a longer one is cut */
	if (!strcmp(name, "retry") && *value >= '0' && *value <= '9')
		s->retry_ms = strtoul(value, NULL, 10);
	return 0;
}

static int line_end(struct sse *s, sse_event_fn *fn, void *arg)
{
	char *line;
	char *colon;
	char *value = NULL;

	if (!s->line.length)
		return event_end(s, fn, arg);
	buf_u8(&s->line, '\0');
	if (s->line.failed)
		return -ENOMEM;
	line = (char *)s->line.data;
	s->line.length = 0;
	colon = strchr(line, ':');
	if (colon == line)
		return 0; /* a comment */
	if (colon) {
		*colon = '\0';
		value = colon + 1;
		value += *value == ' ';
	}
	return field_take(s, line, value ? value : "");
}

int sse_feed(struct sse *s, const void *bytes, size_t length, sse_event_fn *fn, void *arg)
{
	const char *at = bytes;
	const char *end = at + length;
	int r = 0;

	while (at < end && !r) {
		size_t n = 0;

		if (s->after_cr && *at == '\n')
			at++;
		s->after_cr = false;
		while (at + n < end && at[n] != '\n' && at[n] != '\r')
			n++;
		buf_bytes(&s->line, at, n);
		if (s->line.length > SSE_EVENT_MAX)
			return -EMSGSIZE;
		at += n;
		if (at < end) {
			s->after_cr = *at++ == '\r';
			r = line_end(s, fn, arg);
		}
	}
	return r;
}
