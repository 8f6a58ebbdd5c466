/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reader of captures: what `lspci -x`, `-xxx` and `-xxxx` print, with or without -v text.
 *
 * A capture is fed in pieces of any size and gives one call for each device, in the order of the
 * file; memory is bounded whatever comes. Lines are of five kinds:
 *
 *   slot    "[DOMAIN:]BB:DD.F " at the line's beginning: a device begins. DOMAIN has 4 to 8 hex
 *           digits, F is 0 .. 9. Devices above 1f and functions 8 and 9 do not exist on a bus;
 *           lspci lists them, so they are given here, and topo_address_is_possible() says no.
 *   hex     "OO: xx xx ..." with 2 to 8 digits of offset, while a device is open. Lines may come in
 *           any order, overlap, and leave gaps: what no line says reads as ff.
 *   empty   ends the device; hex lines after it are text.
 *   wrapped bytes alone, directly after a hex line: a mailer broke that line.
 *   text    all else. Of any length, in any encoding.
 *
 * Refused, with the line and the reason: hex lines with anything but pairs of digits and single
 * blanks, offsets above fff, wrapped bytes, lines that look like a slot and cannot be read,
 * captures without any device. Accepted where libpci's reader gives the whole file up: long lines,
 * a last line without newline. CRLF and a byte order mark are seen through.
 * The same address twice is two devices.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/own.h"
#include "common/result.h"
#include "topology/address.h"

struct capture_device {
	struct topo_address address;
	const uint8_t *bytes; /* borrowed until the call returns; ff where the capture is silent */
	size_t length;        /* last offset that is known, plus one; 0 .. 4096 */
	uint64_t line;        /* of the slot line; the first line is 1 */
};

/* Return: 0 to go on; anything else ends the reading and comes out of capture_feed(). */
typedef int capture_device_fn(const struct capture_device *device, void *arg);

struct capture_error {
	uint64_t line; /* 0: not about a line (memory, I/O) */
	char reason[120];
};

struct capture;

MUST_USE int capture_new(capture_device_fn *fn, void *arg, struct capture **out);
void capture_free(struct capture *c);
OWNED_BY(struct capture, capture_free)

/**
 * capture_feed() - the next @length bytes of the file
 * capture_end()  - the file is over: a last line without newline counts, the last device is given
 *
 * Return: 0; REFUSE_SYNTAX, and capture_error_get() says where and why; what the callback returned.
 * A result other than 0 sticks: every later call gives it again and does nothing.
 */
MUST_USE int capture_feed(struct capture *c, const void *chunk, size_t length);
MUST_USE int capture_end(struct capture *c);
/* Valid after REFUSE_SYNTAX, as long as @c lives. */
const struct capture_error *capture_error_get(const struct capture *c);

/**
 * capture_read() - a whole capture from a file descriptor, with read()
 * @fd:    borrowed, not closed; a file, a pipe
 * @error: set when the result is not 0 and is not the callback's
 *
 * Return: as capture_feed(); -errno if reading failed.
 */
MUST_USE int capture_read(int fd, capture_device_fn *fn, void *arg, struct capture_error *error);
