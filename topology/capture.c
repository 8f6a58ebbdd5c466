/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "topology/capture.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	CONFIG_BYTES = 4096,
	/*
	 * A line that spans chunks is kept up to here. More than the longest hex line that can be
	 * right (8 + 2 + 3 * 4096), so what is cut off is text, or comes after the error.
	 */
	LINE_KEPT = 16384,
	READ_BYTES = 131072,
};

struct capture {
	capture_device_fn *fn;
	void *arg;
	int result;
	struct capture_error error;

	uint64_t line;    /* number of the line that is being read */
	uint64_t devices; /* given so far */
	bool skipping;    /* the rest of this line is text that nobody needs */
	bool after_hex;   /* the line before was a hex line of the open device */

	bool open; /* a device has begun */
	struct topo_address address;
	uint64_t slot_line;
	size_t length;
	uint8_t bytes[CONFIG_BYTES];

	size_t kept;
	char keep[LINE_KEPT];
};

/* Value of a hex digit plus one; 0 for every other byte. */
static const uint8_t digits[256] = {
	['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,
	['6'] = 7,  ['7'] = 8,  ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
	['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12,
	['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

static uint8_t digit_of(char c)
{
	return digits[(uint8_t)c];
}

/* How many hex digits stand at @at. */
static size_t hex_run(const char *at, const char *end)
{
	size_t n = 0;

	while (at + n < end && digit_of(at[n]))
		n++;
	return n;
}

/* The low 32 bits of @n digits. */
static uint32_t hex_value(const char *at, size_t n)
{
	uint32_t value = 0;

	for (size_t i = 0; i < n; i++)
		value = value << 4 | (digit_of(at[i]) - 1U);
	return value;
}

static int refuse(struct capture *c, const char *reason)
{
	c->error.line = c->line;
	(void)snprintf(c->error.reason, sizeof(c->error.reason), "%s", reason);
	return REFUSE_SYNTAX;
}

/* ---- devices ---- */

static int device_close(struct capture *c)
{
	struct capture_device device = {
		.address = c->address, .bytes = c->bytes, .length = c->length, .line = c->slot_line
	};

	if (!c->open)
		return 0;
	c->open = false;
	c->devices++;
	return c->fn(&device, c->arg);
}

static int device_open(struct capture *c, const struct topo_address *address)
{
	int r = device_close(c);

	if (r)
		return r;
	/* Of the device before, only the bytes that it had can differ from ff. */
	memset(c->bytes, 0xff, c->length);
	c->length = 0;
	c->address = *address;
	c->slot_line = c->line;
	c->open = true;
	return 0;
}

/* ---- slot lines ---- */

/* What stands before the first blank of "[DOMAIN:]BUS:DEVICE.FUNCTION", in digits. */
struct slot_shape {
	size_t domain; /* 0: none */
	size_t bus;
	size_t device;
	size_t function;
};

/* True if the line begins like a slot: two or three groups of hex, a point, a hex digit. */
static bool slot_shape_find(const char *at, const char *end, struct slot_shape *shape)
{
	size_t run[3] = { 0 };
	size_t groups = 0;

	for (;;) {
		run[groups] = hex_run(at, end);
		at += run[groups];
		if (!run[groups++] || at == end)
			return false;
		if (*at == '.')
			break;
		if (*at != ':' || groups == 3)
			return false;
		at++;
	}
	if (groups < 2)
		return false;
	*shape = (struct slot_shape){ .domain = groups == 3 ? run[0] : 0,
				      .bus = run[groups - 2],
				      .device = run[groups - 1],
				      .function = hex_run(at + 1, end) };
	return shape->function;
}

static const char *slot_fault(const struct slot_shape *shape, const char *function, const char *end)
{
	if (shape->domain && (shape->domain < 4 || shape->domain > 8))
		return "looks like a slot, but its domain does not have 4 to 8 digits";
	if (shape->bus != 2 || shape->device != 2)
		return "looks like a slot, but bus and device do not have 2 digits each";
	if (shape->function != 1 || *function < '0' || *function > '9')
		return "looks like a slot, but its function is not one digit";
	if (function + 1 == end || function[1] != ' ')
		return "looks like a slot, but no blank follows";
	return NULL;
}

static int slot_line(struct capture *c, const char *at, const char *end,
		     const struct slot_shape *shape)
{
	const char *bus = at + (shape->domain ? shape->domain + 1 : 0);
	const char *device = bus + shape->bus + 1;
	const char *function = device + shape->device + 1;
	const char *fault = slot_fault(shape, function, end);

	c->after_hex = false;
	if (fault)
		return refuse(c, fault);
	return device_open(c, &(struct topo_address){
				      .domain = hex_value(at, shape->domain),
				      .bus = (uint8_t)hex_value(bus, 2),
				      .device = (uint8_t)hex_value(device, 2),
				      .function = (uint8_t)(*function - '0'),
			      });
}

/* ---- hex lines ---- */

/* Pairs with one blank between; a last blank is let pass, as libpci does. */
static const char *pairs_fault(struct capture *c, uint32_t offset, const char *at, const char *end)
{
	uint8_t *out = c->bytes + offset;

	while (at < end) {
		uint8_t high = digit_of(*at);
		uint8_t low = end - at > 1 ? digit_of(at[1]) : 0;

		if (!high || !low)
			return "malformed hex: two digits are wanted for each byte";
		if (end - at > 2 && at[2] != ' ')
			return "malformed hex: one blank is wanted between bytes";
		if (out == c->bytes + CONFIG_BYTES)
			return "bytes beyond offset fff";
		*out++ = (uint8_t)((high - 1) << 4 | (low - 1));
		at += end - at > 2 ? 3 : 2;
	}
	if (out > c->bytes + offset && (size_t)(out - c->bytes) > c->length)
		c->length = (size_t)(out - c->bytes);
	return NULL;
}

static int hex_line(struct capture *c, const char *at, const char *end, size_t offset_digits)
{
	uint32_t offset = hex_value(at, offset_digits);
	const char *fault = "offset above fff";

	c->after_hex = true;
	if (offset < CONFIG_BYTES)
		fault = pairs_fault(c, offset, at + offset_digits + 2, end);
	return fault ? refuse(c, fault) : 0;
}

/* Nothing but pairs of digits and single blanks. */
static bool is_pairs(const char *at, const char *end)
{
	for (; end - at > 2; at += 3)
		if (!digit_of(at[0]) || !digit_of(at[1]) || at[2] != ' ')
			return false;
	return at == end || (end - at == 2 && digit_of(at[0]) && digit_of(at[1]));
}

/* A line of the open device that is neither empty nor a slot. */
static int device_line(struct capture *c, const char *at, const char *end, size_t run)
{
	bool after_hex = c->after_hex;

	c->after_hex = false;
	if (run >= 2 && end - at > (ptrdiff_t)run + 1 && at[run] == ':' && at[run + 1] == ' ') {
		if (run <= 8)
			return hex_line(c, at, end, run);
		/* libpci takes these for text; a number and a colon of a log may well be. */
		if (is_pairs(at + run + 2, end))
			return refuse(c, "offset above fff");
		return 0;
	}
	if (after_hex && is_pairs(at, end))
		return refuse(c, "malformed hex: bytes without an offset (a wrapped line?)");
	return 0;
}

/* ---- lines ---- */

/* One line without its newline. */
static int line_take(struct capture *c, const char *at, const char *end)
{
	struct slot_shape shape;
	size_t run;

	if (end > at && end[-1] == '\r')
		end--;
	if (c->line == 1 && end - at >= 3 && !memcmp(at, "\xef\xbb\xbf", 3))
		at += 3;
	if (at == end) {
		c->after_hex = false;
		return device_close(c);
	}
	run = hex_run(at, end);
	/* A slot has its first colon directly before a digit, a hex line before a blank. */
	if (run && end - at > (ptrdiff_t)run + 1 && at[run] == ':' && digit_of(at[run + 1]) &&
	    slot_shape_find(at, end, &shape))
		return slot_line(c, at, end, &shape);
	return c->open ? device_line(c, at, end, run) : 0;
}

/* The kept beginning of a line grows by @length bytes that hold no newline. */
static int line_keep(struct capture *c, const char *at, size_t length)
{
	size_t room = LINE_KEPT - c->kept;

	if (c->skipping)
		return 0;
	memcpy(c->keep + c->kept, at, length < room ? length : room);
	c->kept += length < room ? length : room;
	if (length <= room)
		return 0;
	/* Longer than any line that matters: its beginning says all. */
	c->skipping = true;
	return line_take(c, c->keep, c->keep + c->kept);
}

/* The line ends with the @length bytes at @at. */
static int line_finish(struct capture *c, const char *at, size_t length)
{
	int r = 0;

	if (!c->kept && !c->skipping) {
		/* Cut as a kept line is, so that the size of the chunks changes nothing. */
		r = line_take(c, at, at + (length < LINE_KEPT ? length : LINE_KEPT));
	} else {
		r = line_keep(c, at, length);
		if (!r && !c->skipping)
			r = line_take(c, c->keep, c->keep + c->kept);
	}
	c->kept = 0;
	c->skipping = false;
	if (!r)
		c->line++;
	return r;
}

/* ---- the whole ---- */

int capture_new(capture_device_fn *fn, void *arg, struct capture **out)
{
	struct capture *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->fn = fn;
	c->arg = arg;
	c->line = 1;
	memset(c->bytes, 0xff, sizeof(c->bytes));
	*out = c;
	return 0;
}

void capture_free(struct capture *c)
{
	free(c);
}

int capture_feed(struct capture *c, const void *chunk, size_t length)
{
	const char *at = chunk;
	const char *end = at + length;

	while (!c->result && at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));

		if (!newline) {
			c->result = line_keep(c, at, (size_t)(end - at));
			break;
		}
		c->result = line_finish(c, at, (size_t)(newline - at));
		at = newline + 1;
	}
	return c->result;
}

int capture_end(struct capture *c)
{
	if (!c->result && c->kept)
		c->result = line_finish(c, "", 0);
	if (!c->result)
		c->result = device_close(c);
	if (!c->result && !c->devices) {
		if (c->line > 1)
			c->line--;
		c->result = refuse(c, "no device in the whole capture");
	}
	return c->result;
}

const struct capture_error *capture_error_get(const struct capture *c)
{
	return &c->error;
}

static int capture_feed_all(struct capture *c, int fd, char *chunk)
{
	for (;;) {
		ssize_t got = read(fd, chunk, READ_BYTES);
		int r;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			return capture_end(c);
		r = capture_feed(c, chunk, (size_t)got);
		if (r)
			return r;
	}
}

static void free_text(char *text)
{
	free(text);
}
OWNED_BY(char, free_text)

int capture_read(int fd, capture_device_fn *fn, void *arg, struct capture_error *error)
{
	OWNED(capture_free) struct capture *c = NULL;
	OWNED(free_text) char *chunk = malloc(READ_BYTES);
	int r = chunk ? capture_new(fn, arg, &c) : -ENOMEM;

	*error = (struct capture_error){ 0 };
	if (!r)
		r = capture_feed_all(c, fd, chunk);
	if (r > 0)
		*error = c->error;
	else if (r < 0)
		(void)snprintf(error->reason, sizeof(error->reason), "%s", strerror(-r));
	return r;
}
