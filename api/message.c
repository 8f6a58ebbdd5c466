/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/message.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

enum { CHUNK_LINE_MAX = 256, TRAILER_MAX = 8 * 1024 };

static const char *const methods[MESSAGE_METHODS] = {
	[MESSAGE_GET] = "GET",     [MESSAGE_HEAD] = "HEAD",   [MESSAGE_POST] = "POST",
	[MESSAGE_PUT] = "PUT",     [MESSAGE_PATCH] = "PATCH", [MESSAGE_DELETE] = "DELETE",
	[MESSAGE_OTHER] = "other",
};

static const struct {
	const char *name;
	bool once; /* twice is refused; for others the first one counts */
} known[MESSAGE_KNOWN_HEADERS] = {
	[MESSAGE_HOST] = { "host", true },
	[MESSAGE_CONTENT_LENGTH] = { "content-length", true },
	[MESSAGE_TRANSFER_ENCODING] = { "transfer-encoding", true },
	[MESSAGE_CONNECTION] = { "connection", false },
	[MESSAGE_EXPECT] = { "expect", true },
	[MESSAGE_IF_MATCH] = { "if-match", true },
	[MESSAGE_IF_NONE_MATCH] = { "if-none-match", true },
	[MESSAGE_IDEMPOTENCY_KEY] = { "idempotency-key", true },
	[MESSAGE_LAST_EVENT_ID] = { "last-event-id", true },
};

const char *message_method_text(enum message_method method)
{
	return methods[method];
}

/* RFC 9110 §5.6.2 */
static bool is_token(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static int refuse(const char **why, int refusal, const char *text)
{
	*why = text;
	return refusal;
}

struct line {
	const char *at;
	size_t length; /* without CRLF */
};

/* Length of the head, its empty line included; 0 while it is not whole. */
static size_t head_length(const char *bytes, size_t length, size_t *seen)
{
	size_t from = *seen > 3 ? *seen - 3 : 0;
	const char *end = length > from ? memmem(bytes + from, length - from, "\r\n\r\n", 4) : NULL;

	*seen = length;
	return end ? (size_t)(end - bytes) + 4 : 0;
}

/* The line at @at; @end is behind the empty line, so there is one. */
static struct line line_next(const char *at, const char *end)
{
	const char *stop = memmem(at, (size_t)(end - at), "\r\n", 2);

	return (struct line){ at, (size_t)(stop - at) };
}

/* ---- request line ---- */

static enum message_method method_find(const char *at, size_t length)
{
	for (int i = 0; i < MESSAGE_OTHER; i++) {
		if (strlen(methods[i]) == length && !memcmp(methods[i], at, length))
			return (enum message_method)i;
	}
	return MESSAGE_OTHER;
}

static int version_parse(const char *at, size_t length, struct message_head *out, const char **why)
{
	if (length != 8 || memcmp(at, "HTTP/", 5) != 0 || at[5] < '0' || at[5] > '9' ||
	    at[6] != '.' || at[7] < '0' || at[7] > '9')
		return refuse(why, REFUSE_HTTP, "the request line does not end in HTTP/1.1");
	if (at[5] != '1')
		return refuse(why, REFUSE_HTTP_VERSION, "this is another major version of HTTP");
	out->http10 = at[7] == '0';
	return 0;
}

/* Origin form; of the absolute form, which a server must take, the part behind the authority. */
static int target_parse(const char *base, const char *at, size_t length, struct message_head *out,
			const char **why)
{
	if (length > 7 && !strncasecmp(at, "http://", 7)) {
		const char *path = memchr(at + 7, '/', length - 7);

		if (!path)
			return refuse(why, REFUSE_HTTP, "the request target has no path");
		length -= (size_t)(path - at);
		at = path;
	}
	if (!length || *at != '/')
		return refuse(why, REFUSE_HTTP, "the request target does not begin with /");
	if (length > MESSAGE_TARGET_MAX)
		return refuse(why, REFUSE_TARGET_LONG, "the request target is over 8 KiB");
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)at[i] <= ' ' || (unsigned char)at[i] >= 0x7f)
			return refuse(why, REFUSE_HTTP,
				      "the request target has a byte that must "
				      "be percent-encoded");
	}
	out->target = (struct message_part){ (uint32_t)(at - base), (uint32_t)length };
	return 0;
}

static int request_line_parse(const char *base, struct line line, struct message_head *out,
			      const char **why)
{
	const char *end = line.at + line.length;
	const char *target = line.at;
	const char *version;
	int r;

	while (target < end && is_token(*target))
		target++;
	if (target == line.at || target == end || *target != ' ')
		return refuse(why, REFUSE_HTTP, "the request line does not begin with a method");
	out->method = method_find(line.at, (size_t)(target - line.at));
	target++;
	version = memrchr(target, ' ', (size_t)(end - target));
	if (!version)
		return refuse(why, REFUSE_HTTP, "the request line has no version");
	r = version_parse(version + 1, (size_t)(end - version - 1), out, why);
	return r ? r : target_parse(base, target, (size_t)(version - target), out, why);
}

/* ---- headers ---- */

static int header_find(const char *name, size_t length)
{
	for (int i = 0; i < MESSAGE_KNOWN_HEADERS; i++) {
		if (strlen(known[i].name) == length && !strncasecmp(known[i].name, name, length))
			return i;
	}
	return -1;
}

static int value_check(const char *at, size_t length, const char **why)
{
	for (size_t i = 0; i < length; i++) {
		if (((unsigned char)at[i] < ' ' && at[i] != '\t') || at[i] == 0x7f)
			return refuse(why, REFUSE_HTTP, "a header holds a control character");
	}
	return 0;
}

static int header_parse(const char *base, struct line line, struct message_head *out,
			const char **why)
{
	const char *end = line.at + line.length;
	const char *at = line.at;
	struct message_part *part;
	int r;
	int h;

	while (at < end && is_token(*at))
		at++;
	if (at == line.at || at == end || *at != ':')
		return refuse(why, REFUSE_HTTP, "a header line is not NAME: VALUE");
	h = header_find(line.at, (size_t)(at - line.at));
	for (at++; at < end && is_blank(*at); at++)
		;
	while (end > at && is_blank(end[-1]))
		end--;
	r = value_check(at, (size_t)(end - at), why);
	if (r || h < 0)
		return r;
	part = &out->headers[h];
	if (part->at && known[h].once)
		return refuse(why, REFUSE_HTTP, "a header that may stand once stands twice");
	if (!part->at)
		*part = (struct message_part){ (uint32_t)(at - base), (uint32_t)(end - at) };
	return 0;
}

static int headers_parse(const char *base, const char *at, struct message_head *out,
			 const char **why)
{
	const char *end = base + out->length;
	unsigned count = 0;

	for (struct line line = line_next(at, end); line.length;
	     line = line_next(line.at + line.length + 2, end)) {
		int r = header_parse(base, line, out, why);

		if (r)
			return r;
		if (++count > MESSAGE_HEADERS_MAX)
			return refuse(why, REFUSE_HEAD_LARGE, "there are more than 64 headers");
	}
	return 0;
}

/* ---- what the headers say ---- */

static bool part_is(const char *base, struct message_part part, const char *text)
{
	return part.at && part.length == strlen(text) &&
	       !strncasecmp(base + part.at, text, part.length);
}

/* Is @word one of the comma list's? */
static bool part_has(const char *base, struct message_part part, const char *word)
{
	const char *at = base + part.at;
	const char *end = at + part.length;

	while (part.at && at < end) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		const char *stop = comma ? comma : end;

		while (at < stop && is_blank(*at))
			at++;
		while (stop > at && is_blank(stop[-1]))
			stop--;
		if ((size_t)(stop - at) == strlen(word) &&
		    !strncasecmp(at, word, (size_t)(stop - at)))
			return true;
		at = comma ? comma + 1 : end;
	}
	return false;
}

static int length_parse(const char *base, struct message_part part, struct message_head *out,
			const char **why)
{
	uint64_t n = 0;

	if (!part.length)
		return refuse(why, REFUSE_HTTP, "Content-Length is not a number");
	for (uint32_t i = 0; i < part.length; i++) {
		char c = base[part.at + i];

		if (c < '0' || c > '9')
			return refuse(why, REFUSE_HTTP, "Content-Length is not a number");
		n = n * 10 + (unsigned)(c - '0');
		if (n > MESSAGE_BODY_MAX)
			n = MESSAGE_BODY_MAX + 1ULL; /* sticks: the rest must be digits */
	}
	if (n > MESSAGE_BODY_MAX)
		return refuse(why, REFUSE_TOO_LARGE, "Content-Length is over 1 MiB");
	out->body_length = (uint32_t)n;
	return 0;
}

static int framing_read(const char *base, struct message_head *out, const char **why)
{
	const struct message_part *h = out->headers;

	if (!out->http10 && !h[MESSAGE_HOST].at)
		return refuse(why, REFUSE_HTTP, "the Host header is missing");
	if (h[MESSAGE_TRANSFER_ENCODING].at) {
		if (h[MESSAGE_CONTENT_LENGTH].at || out->http10)
			return refuse(why, REFUSE_HTTP,
				      "Transfer-Encoding is not allowed with Content-Length or "
				      "HTTP/1.0");
		if (!part_is(base, h[MESSAGE_TRANSFER_ENCODING], "chunked"))
			return refuse(why, REFUSE_NOT_IMPLEMENTED,
				      "only the transfer coding chunked is known");
		out->chunked = true;
	}
	if (h[MESSAGE_CONTENT_LENGTH].at)
		return length_parse(base, h[MESSAGE_CONTENT_LENGTH], out, why);
	return 0;
}

static int meaning_read(const char *base, struct message_head *out, const char **why)
{
	const struct message_part *h = out->headers;
	int r;

	out->keep_alive = out->http10 ? part_has(base, h[MESSAGE_CONNECTION], "keep-alive")
				      : !part_has(base, h[MESSAGE_CONNECTION], "close");
	r = framing_read(base, out, why);
	if (r)
		return r;
	if (h[MESSAGE_EXPECT].at && !out->http10) {
		if (!part_is(base, h[MESSAGE_EXPECT], "100-continue"))
			return refuse(why, REFUSE_EXPECT, "only Expect: 100-continue is known");
		out->expects_continue = true;
	}
	return 0;
}

/* Bytes that no head holds: a NUL would end the searches below early, a bare LF or CR would be read
 * as an end of line by some and not by others. */
static bool has_stray_byte(const char *bytes, size_t length)
{
	if (memchr(bytes, '\0', length))
		return true;
	for (const char *at = bytes; (at = memchr(at, '\n', length - (size_t)(at - bytes))); at++) {
		if (at == bytes || at[-1] != '\r')
			return true;
	}
	for (const char *at = bytes; (at = memchr(at, '\r', length - (size_t)(at - bytes))); at++) {
		if (at + 1 < bytes + length && at[1] != '\n')
			return true;
	}
	return false;
}

/* While the head is not whole: is there any hope? */
static int hope_check(const char *bytes, size_t length, const char **why)
{
	if (has_stray_byte(bytes, length))
		return refuse(why, REFUSE_HTTP, "lines end in CR LF, and no NUL stands in them");
	if (length > MESSAGE_TARGET_MAX && !memchr(bytes, '\n', length))
		return refuse(why, REFUSE_TARGET_LONG, "the request line is over 8 KiB");
	if (length > MESSAGE_HEAD_MAX)
		return refuse(why, REFUSE_HEAD_LARGE, "the headers are over 16 KiB");
	return -EAGAIN;
}

int message_head_parse(const char *bytes, size_t length, size_t *seen, struct message_head *out,
		       const char **why)
{
	size_t skip = 0;
	size_t end;
	struct line line;
	int r;

	*out = (struct message_head){ .method = MESSAGE_OTHER };
	/* An empty line or two may stand before a request (RFC 9112 §2.2). */
	while (skip < 4 && length >= skip + 2 && !memcmp(bytes + skip, "\r\n", 2))
		skip += 2;
	if (*seen < skip)
		*seen = skip;
	end = head_length(bytes, length, seen);
	if (end && end < skip + 4) { /* only empty lines so far */
		*seen = 0;
		return refuse(why, REFUSE_HTTP, "there is no request line");
	}
	if (!end)
		return hope_check(bytes + skip, length - skip, why);
	if (end > MESSAGE_HEAD_MAX)
		return refuse(why, REFUSE_HEAD_LARGE, "the headers are over 16 KiB");
	if (has_stray_byte(bytes + skip, end - skip))
		return refuse(why, REFUSE_HTTP, "lines end in CR LF, and no NUL stands in them");
	out->length = (uint32_t)end;
	line = line_next(bytes + skip, bytes + end);
	r = request_line_parse(bytes, line, out, why);
	if (!r)
		r = headers_parse(bytes, line.at + line.length + 2, out, why);
	return r ? r : meaning_read(bytes, out, why);
}

/* ---- chunked bodies: RFC 9112 §7.1 ---- */

enum {
	CHUNK_SIZE,
	CHUNK_EXTENSION,
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_TRAILER,      /* at the start of a line */
	CHUNK_TRAILER_LINE, /* inside one */
	CHUNK_TRAILER_LF,
	CHUNK_END_LF,
	CHUNK_END,
};

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int chunk_size_take(struct message_chunks *c, char byte, const char **why)
{
	int digit = hex_digit(byte);

	if (++c->line > CHUNK_LINE_MAX)
		return refuse(why, REFUSE_HTTP, "a chunk's first line is too long");
	if (c->state == CHUNK_SIZE && digit >= 0) {
		c->digit = true;
		c->left = c->left * 16 + (unsigned)digit;
		if (c->left > MESSAGE_BODY_MAX)
			return refuse(why, REFUSE_TOO_LARGE, "a chunk is over 1 MiB");
		return 0;
	}
	if (!c->digit)
		return refuse(why, REFUSE_HTTP, "a chunk does not begin with its size");
	if (byte == '\r')
		c->state = CHUNK_SIZE_LF;
	else if (c->state == CHUNK_EXTENSION || byte == ';' || is_blank(byte))
		c->state = CHUNK_EXTENSION;
	else
		return refuse(why, REFUSE_HTTP, "a chunk's size is not hexadecimal");
	return 0;
}

static int trailer_take(struct message_chunks *c, char byte, const char **why)
{
	if (++c->trailer > TRAILER_MAX)
		return refuse(why, REFUSE_HEAD_LARGE, "the trailer is over 8 KiB");
	if (byte == '\n')
		return refuse(why, REFUSE_HTTP, "lines end in CR LF");
	if (byte == '\r')
		c->state = c->state == CHUNK_TRAILER ? CHUNK_END_LF : CHUNK_TRAILER_LF;
	else
		c->state = CHUNK_TRAILER_LINE;
	return 0;
}

/* A byte that must be @wanted; then @next. */
static int must_be(struct message_chunks *c, char byte, char wanted, int next, const char **why)
{
	if (byte != wanted)
		return refuse(why, REFUSE_HTTP, "a chunk does not end where its size says");
	c->state = next;
	return 0;
}

static int chunk_byte_take(struct message_chunks *c, char byte, const char **why)
{
	switch (c->state) {
	case CHUNK_SIZE:
	case CHUNK_EXTENSION:
		return chunk_size_take(c, byte, why);
	case CHUNK_SIZE_LF:
		return must_be(c, byte, '\n', c->left ? CHUNK_DATA : CHUNK_TRAILER, why);
	case CHUNK_DATA_CR:
		return must_be(c, byte, '\r', CHUNK_DATA_LF, why);
	case CHUNK_DATA_LF:
		c->line = 0;
		c->digit = false;
		return must_be(c, byte, '\n', CHUNK_SIZE, why);
	case CHUNK_TRAILER_LF:
		return must_be(c, byte, '\n', CHUNK_TRAILER, why);
	case CHUNK_END_LF:
		return must_be(c, byte, '\n', CHUNK_END, why);
	default:
		return trailer_take(c, byte, why);
	}
}

int message_chunks_take(struct message_chunks *c, const char *bytes, size_t length, size_t *used,
			struct buf *body, const char **why)
{
	size_t i = 0;
	int r = 0;

	while (!r && c->state != CHUNK_END && i < length) {
		if (c->state != CHUNK_DATA) {
			r = chunk_byte_take(c, bytes[i++], why);
			continue;
		}
		size_t n = c->left < length - i ? (size_t)c->left : length - i;

		if (body->length + n > MESSAGE_BODY_MAX)
			return refuse(why, REFUSE_TOO_LARGE, "the body is over 1 MiB");
		buf_bytes(body, bytes + i, n);
		i += n;
		c->left -= n;
		if (!c->left)
			c->state = CHUNK_DATA_CR;
	}
	*used = i;
	if (r)
		return r;
	return c->state == CHUNK_END ? 0 : -EAGAIN;
}
