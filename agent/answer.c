/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/answer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/url.h"

static void put_format(struct buf *out, const char *host, const char *verb, const void *body,
		       size_t length)
{
	buf_text(out, "PUT /v1/hosts/");
	url_path(out, host);
	buf_printf(out,
		   "/%s HTTP/1.1\r\nHost: localhost\r\n"
		   "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
		   verb, length);
	buf_bytes(out, body, length);
}

void answer_request_format(struct buf *out, const char *host, const char *boot_id, uint64_t seq)
{
	char body[128];
	int length = snprintf(body, sizeof(body), "{\"boot_id\":\"%s\",\"seq\":%" PRIu64 "}",
			      boot_id, seq);

	put_format(out, host, "heartbeat", body, (size_t)length);
}

void answer_line_format(struct buf *out, const char *host, const char *verb, const void *body,
			size_t length)
{
	put_format(out, host, verb, body, length);
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* "HTTP/1.1 204 No Content" */
static int status_parse(const uint8_t *line, size_t length, unsigned *status)
{
	if (length < 12 || memcmp(line, "HTTP/1.", 7) || !is_digit(line[7]) || line[8] != ' ')
		return -EBADMSG;
	if (line[9] < '1' || line[9] > '5' || !is_digit(line[10]) || !is_digit(line[11]))
		return -EBADMSG;
	*status = (unsigned)((line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0'));
	return 0;
}

/* The value of the header @name if @line is that header, else NULL; blanks before it skipped. */
static const uint8_t *header_value(const uint8_t *line, size_t length, const char *name,
				   size_t *value_length)
{
	size_t n = strlen(name);

	if (length <= n || line[n] != ':' || strncasecmp((const char *)line, name, n))
		return NULL;
	for (n++; n < length && (line[n] == ' ' || line[n] == '\t'); n++)
		;
	*value_length = length - n;
	return line + n;
}

static int length_parse(const uint8_t *text, size_t length, size_t *out)
{
	size_t value = 0;

	if (!length)
		return -EBADMSG;
	for (size_t i = 0; i < length; i++) {
		if (!is_digit(text[i]))
			return -EBADMSG;
		value = value * 10 + (size_t)(text[i] - '0');
		if (value > ANSWER_BODY_MAX)
			return -EMSGSIZE;
	}
	*out = value;
	return 0;
}

static int header_take(const uint8_t *line, size_t length, struct answer *answer)
{
	size_t n = 0;
	const uint8_t *value = header_value(line, length, "Content-Length", &n);

	if (value)
		return length_parse(value, n, &answer->body_length);
	value = header_value(line, length, "Connection", &n);
	if (value && n == 5 && !strncasecmp((const char *)value, "close", 5))
		answer->close = true;
	if (header_value(line, length, "Transfer-Encoding", &n))
		answer->close = true;
	return 0;
}

/* Status line and headers, without the empty line at their end. */
static int head_parse(const uint8_t *at, const uint8_t *end, struct answer *answer)
{
	for (bool first = true; at < end; first = false) {
		const uint8_t *stop = memmem(at, (size_t)(end - at), "\r\n", 2);
		size_t length = (size_t)((stop ? stop : end) - at);
		int r = first ? status_parse(at, length, &answer->status)
			      : header_take(at, length, answer);

		if (r)
			return r;
		at += length + (stop ? 2 : 0);
	}
	return answer->status ? 0 : -EBADMSG;
}

int answer_parse(const uint8_t *bytes, size_t length, struct answer *out)
{
	struct answer answer = { 0 };
	const uint8_t *blank;
	size_t head;
	int r;

	if (!length)
		return -EAGAIN;
	blank = memmem(bytes, length < ANSWER_HEAD_MAX ? length : ANSWER_HEAD_MAX, "\r\n\r\n", 4);
	if (!blank)
		return length < ANSWER_HEAD_MAX ? -EAGAIN : -EMSGSIZE;
	head = (size_t)(blank - bytes) + 4;
	r = head_parse(bytes, blank, &answer);
	if (r)
		return r;
	if (answer.status < 200 || answer.status == 204)
		answer.body_length = 0;
	if (length - head < answer.body_length)
		return -EAGAIN;
	answer.body = bytes + head;
	answer.length = head + answer.body_length;
	*out = answer;
	return 0;
}

int answer_epoch_find(const struct answer *answer, uint64_t *epoch)
{
	const uint8_t *end = answer->body + answer->body_length;
	const uint8_t *at = answer->body;
	uint64_t value = 0;

	at = answer->body_length ? memmem(at, answer->body_length, "epoch", 5) : NULL;
	if (!at)
		return -ENOENT;
	for (at += 5; at < end && strchr("\": ", *at) && *at; at++)
		;
	if (at == end || !is_digit(*at))
		return -ENOENT;
	for (; at < end && is_digit(*at); at++) {
		if (value > (UINT64_MAX - 9) / 10)
			return -ENOENT;
		value = value * 10 + (uint64_t)(*at - '0');
	}
	*epoch = value;
	return 0;
}
