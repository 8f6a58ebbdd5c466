/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "topology/capture.h"

enum { MOST = 8 };

/* What came out of one capture. */
static struct {
	size_t count;
	struct capture_device devices[MOST];
	uint8_t bytes[MOST][4096];
	int stop_at; /* the callback refuses this device, counted from 1 */
	struct capture_error error;
} got;

static int take(const struct capture_device *device, void *arg)
{
	assert_ptr_equal(arg, &got);
	assert_true(got.count < MOST);
	memcpy(got.bytes[got.count], device->bytes, device->length);
	got.devices[got.count++] = *device;
	return got.stop_at == (int)got.count ? REFUSE_LIMIT : 0;
}

static int feed(const void *text, size_t length, size_t piece)
{
	OWNED(capture_free) struct capture *c = NULL;
	int r = 0;

	memset(&got, 0, sizeof(got));
	assert_int_equal(capture_new(take, &got, &c), 0);
	for (size_t at = 0; at < length && !r; at += piece)
		r = capture_feed(c, (const char *)text + at,
				 length - at < piece ? length - at : piece);
	if (!r)
		r = capture_end(c);
	got.error = *capture_error_get(c);
	return r;
}

static int read_text(const char *text)
{
	return feed(text, strlen(text), strlen(text) + 1);
}

static void assert_refused(const char *text, uint64_t line, const char *reason)
{
	assert_int_equal(read_text(text), REFUSE_SYNTAX);
	assert_int_equal(got.error.line, line);
	assert_non_null(strstr(got.error.reason, reason));
}

static void device_has_its_address_bytes_and_line(void **unused)
{
	(void)unused;
	assert_int_equal(read_text("\n0001:03:1f.7 NVMe\n\tText: a\n00: 86 80\n100: AB cd\n"), 0);

	assert_int_equal(got.count, 1);
	assert_int_equal(got.devices[0].address.domain, 1);
	assert_int_equal(got.devices[0].address.bus, 3);
	assert_int_equal(got.devices[0].address.device, 0x1f);
	assert_int_equal(got.devices[0].address.function, 7);
	assert_int_equal(got.devices[0].line, 2);
	assert_int_equal(got.devices[0].length, 0x102);
	assert_int_equal(got.bytes[0][0], 0x86);
	assert_int_equal(got.bytes[0][0x101], 0xcd);
}

static void gaps_and_the_device_before_leave_ones(void **unused)
{
	(void)unused;
	assert_int_equal(read_text("00:00.0 a\n00: 11 22 33\n00:01.0 b\n02: 44\n"), 0);

	assert_int_equal(got.count, 2);
	assert_int_equal(got.devices[1].length, 3);
	assert_int_equal(got.bytes[1][0], 0xff);
	assert_int_equal(got.bytes[1][1], 0xff);
	assert_int_equal(got.bytes[1][2], 0x44);
}

static void same_address_twice_is_two_devices(void **unused)
{
	(void)unused;
	assert_int_equal(read_text("00:00.0 a\n\n00:00.0 a\n00: 11\n"), 0);

	assert_int_equal(got.count, 2);
	assert_int_equal(got.devices[0].length, 0);
	assert_int_equal(got.devices[1].length, 1);
}

static void chunks_of_any_size_say_the_same(void **unused)
{
	static const char text[] = "\xef\xbb\xbf"
				   "00:00.0 a\r\n00: 86 80 00\r\n\ttext\r\n\r\n"
				   "10000:e1:00.0 b\r\nfff: 7f";

	(void)unused;
	for (size_t piece = 1; piece <= sizeof(text); piece++) {
		assert_int_equal(feed(text, sizeof(text) - 1, piece), 0);
		assert_int_equal(got.count, 2);
		assert_int_equal(got.devices[0].length, 3);
		assert_int_equal(got.devices[1].address.domain, 0x10000);
		assert_int_equal(got.devices[1].length, 4096);
		assert_int_equal(got.devices[1].line, 5);
		assert_int_equal(got.bytes[1][4095], 0x7f);
	}
}

static void text_lines_may_have_any_length(void **unused)
{
	enum { LONG = 100000 };
	char *text = malloc(2 * LONG + 100);
	size_t n = 0;

	(void)unused;
	assert_non_null(text);
	n += (size_t)sprintf(text + n, "00:00.0 ");
	memset(text + n, 'x', LONG);
	n += LONG;
	n += (size_t)sprintf(text + n, "\n00: 86 80\n\t");
	memset(text + n, '0', LONG);
	n += LONG;
	n += (size_t)sprintf(text + n, "\n02: 01");

	for (size_t piece = 1000; piece <= 3 * LONG; piece *= 17) {
		assert_int_equal(feed(text, n, piece), 0);
		assert_int_equal(got.count, 1);
		assert_int_equal(got.devices[0].length, 3);
	}
	free(text);
}

/* Such a line is longer than what is kept of it: its end must not count in one case only. */
static void long_wrapped_lines_are_judged_alike_however_they_come(void **unused)
{
	enum { LONG = 20000 };
	char text[LONG + 100];
	size_t n = (size_t)sprintf(text, "00:00.0 a\n00: 11\n");
	int whole;

	(void)unused;
	for (size_t i = 0; i < LONG / 3; i++)
		n += (size_t)sprintf(text + n, "22 ");
	text[n++] = '\n';

	whole = feed(text, n, n);
	for (size_t piece = 7; piece < n; piece *= 6)
		assert_int_equal(feed(text, n, piece), whole);
}

/* All 4096 bytes in one line are right; one more is not, wherever the chunks end. */
static void hex_line_ends_at_offset_fff(void **unused)
{
	char text[20 + 3 * 4097];

	(void)unused;
	for (size_t bytes = 4096; bytes <= 4097; bytes++) {
		size_t n = (size_t)sprintf(text, "00:00.0 a\n00:");

		for (size_t i = 0; i < bytes; i++)
			n += (size_t)sprintf(text + n, " 5a");
		for (size_t piece = 5; piece <= sizeof(text); piece *= 60) {
			assert_int_equal(feed(text, n, piece), bytes == 4096 ? 0 : REFUSE_SYNTAX);
			if (bytes == 4096)
				assert_int_equal(got.bytes[0][4095], 0x5a);
			else
				assert_int_equal(got.error.line, 2);
		}
	}
}

static void malformed_hex_is_refused_with_its_line(void **unused)
{
	(void)unused;
	assert_refused("00:00.0 a\n00: 86 8\n", 2, "malformed hex");
	assert_refused("00:00.0 a\n00: 86  80\n", 2, "malformed hex");
	assert_refused("00:00.0 a\n00:  86\n", 2, "malformed hex");
	assert_refused("00:00.0 a\n\n00:01.0 b\n00: 86 80x\n", 4, "malformed hex");
	assert_refused("00:00.0 a\n00: 86 80  \n", 2, "malformed hex");
	assert_refused("00:00.0 a\n00: words\n", 2, "malformed hex");
	assert_refused("00:00.0 a\n00: 86 80\n00 10\n", 3, "wrapped");
}

static void offsets_above_fff_are_refused(void **unused)
{
	(void)unused;
	assert_refused("00:00.0 a\n1000: 00\n", 2, "above fff");
	assert_refused("00:00.0 a\n80000000: 00\n", 2, "above fff");
	assert_refused("00:00.0 a\nffffffff: 00\n", 2, "above fff");
	assert_refused("00:00.0 a\n100000000: 00\n", 2, "above fff");
	assert_refused("00:00.0 a\nfff: 00 00\n", 2, "beyond offset fff");
}

static void lines_that_look_like_a_slot_must_be_one(void **unused)
{
	(void)unused;
	assert_refused("00:00.0\n", 1, "blank");
	assert_refused("00:00.0\tx\n", 1, "blank");
	assert_refused("00:00.0\r\n", 1, "blank");
	assert_refused("00:00.0 a\n123:00:00.0 b\n", 2, "4 to 8 digits");
	assert_refused("123456789:00:00.0 b\n", 1, "4 to 8 digits");
	assert_refused("0:00.0 a\n", 1, "2 digits");
	assert_refused("00:000.0 a\n", 1, "2 digits");
	assert_refused("00:00.a x\n", 1, "one digit");
	assert_refused("00:00.10 x\n", 1, "one digit");
}

static void other_lines_are_text(void **unused)
{
	static const char *const lines[] = {
		"+-[0000:00]-+-00.0", " 00:01.0 indented",
		"> 00:01.0 quoted",   "1:2:3:4.5 no",
		"00:01 no function",  "00:01.x no",
		"00:01:02 a time",    "(prog-if 00)",
		"\t\tPCI: 00 11",     "0: 11",
		"00:11 22",           "1000000000: log line",
		"\x01\x02\xff",       "deadbeef",
		"Bus: primary=00: 1", "de:ad:be:ef:00:01",
	};
	char text[100];

	(void)unused;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		(void)snprintf(text, sizeof(text), "00:00.0 a\n%s\n00: 11\n", lines[i]);
		assert_int_equal(read_text(text), 0);
		assert_int_equal(got.count, 1);
		assert_int_equal(got.devices[0].length, 1);
	}
}

static void hex_outside_a_device_is_text(void **unused)
{
	(void)unused;
	assert_int_equal(read_text("00: 11 2\n00:00.0 a\n\n00: 86 8\n"), 0);

	assert_int_equal(got.count, 1);
	assert_int_equal(got.devices[0].length, 0);
}

static void captures_without_device_are_refused(void **unused)
{
	(void)unused;
	assert_refused("", 1, "no device");
	assert_refused("> 00:00.0 a\n> 00: 11\n", 2, "no device");
	assert_refused("nothing", 1, "no device");
}

static void nul_bytes_are_seen(void **unused)
{
	static const char in_text[] = "00:00.0 a\0b\n\t\0\0\n00: 11\n";
	static const char in_hex[] = "00:00.0 a\n00: 11\0\n";

	(void)unused;
	assert_int_equal(feed(in_text, sizeof(in_text) - 1, 3), 0);
	assert_int_equal(got.devices[0].length, 1);
	assert_int_equal(feed(in_hex, sizeof(in_hex) - 1, 3), REFUSE_SYNTAX);
}

static void result_of_the_callback_ends_the_reading_and_sticks(void **unused)
{
	OWNED(capture_free) struct capture *c = NULL;

	(void)unused;
	memset(&got, 0, sizeof(got));
	got.stop_at = 1;
	assert_int_equal(capture_new(take, &got, &c), 0);
	assert_int_equal(capture_feed(c, "00:00.0 a\n00:01.0 b\n00:02.0 c\n", 30), REFUSE_LIMIT);
	assert_int_equal(capture_feed(c, "00:03.0 d\n", 10), REFUSE_LIMIT);
	assert_int_equal(capture_end(c), REFUSE_LIMIT);

	assert_int_equal(got.count, 1);
	assert_int_equal(capture_error_get(c)->line, 0);
}

static void file_descriptors_are_read_to_their_end(void **unused)
{
	static const char text[] = "00:00.0 a\n00: 11 22\n";
	struct capture_error error;
	int ends[2];

	(void)unused;
	memset(&got, 0, sizeof(got));
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], text, sizeof(text) - 1), sizeof(text) - 1);
	(void)close(ends[1]);
	assert_int_equal(capture_read(ends[0], take, &got, &error), 0);
	(void)close(ends[0]);

	assert_int_equal(got.count, 1);
	assert_int_equal(got.devices[0].length, 2);
	assert_true(capture_read(-1, take, &got, &error) < 0);
	assert_int_equal(error.line, 0);
	assert_string_not_equal(error.reason, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(device_has_its_address_bytes_and_line),
		cmocka_unit_test(gaps_and_the_device_before_leave_ones),
		cmocka_unit_test(same_address_twice_is_two_devices),
		cmocka_unit_test(chunks_of_any_size_say_the_same),
		cmocka_unit_test(text_lines_may_have_any_length),
		cmocka_unit_test(long_wrapped_lines_are_judged_alike_however_they_come),
		cmocka_unit_test(hex_line_ends_at_offset_fff),
		cmocka_unit_test(malformed_hex_is_refused_with_its_line),
		cmocka_unit_test(offsets_above_fff_are_refused),
		cmocka_unit_test(lines_that_look_like_a_slot_must_be_one),
		cmocka_unit_test(other_lines_are_text),
		cmocka_unit_test(hex_outside_a_device_is_text),
		cmocka_unit_test(captures_without_device_are_refused),
		cmocka_unit_test(nul_bytes_are_seen),
		cmocka_unit_test(result_of_the_callback_ends_the_reading_and_sticks),
		cmocka_unit_test(file_descriptors_are_read_to_their_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
