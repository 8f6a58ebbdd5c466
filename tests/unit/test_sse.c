/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/sse.h"

/* "ID|TYPE|DATA;" for each event. */
static int note(const struct sse_event *event, void *arg)
{
	buf_printf(arg, "%s|%s|%s;", event->id, event->type, event->data);
	return 0;
}

static void gives(const char *stream, const char *expected)
{
	size_t length = strlen(stream);

	/* cut everywhere: pieces come as the socket gives them */
	for (size_t cut = 0; cut <= length; cut++) {
		OWNED(buf_done) struct buf seen = { 0 };
		struct sse sse = { 0 };

		assert_int_equal(sse_feed(&sse, stream, cut, note, &seen), 0);
		assert_int_equal(sse_feed(&sse, stream + cut, length - cut, note, &seen), 0);
		assert_string_equal(seen.length ? (const char *)seen.data : "", expected);
		sse_done(&sse);
	}
}

static void every_line_ending_ends_a_line(void **state)
{
	(void)state;
	gives("id: 1\nevent: a\ndata: x\n\n", "1|a|x;");
	gives("id: 1\r\nevent: a\r\ndata: x\r\n\r\n", "1|a|x;");
	gives("id: 1\revent: a\rdata: x\r\r", "1|a|x;");
}

static void lines_of_data_are_joined_and_an_id_stays(void **state)
{
	(void)state;
	gives("id:7\ndata: a\ndata:b\n\ndata: c\n\n", "7|message|a\nb;7|message|c;");
}

static void comments_and_unknown_fields_are_nothing(void **state)
{
	(void)state;
	gives(": alive\n\nfoo: bar\ndata\n\n", "|message|;");
}

static void an_event_without_data_only_moves_the_id(void **state)
{
	(void)state;
	gives("id: 9\n\ndata: x\n\n", "9|message|x;");
}

static void half_an_event_is_forgotten_with_its_id(void **state)
{
	OWNED(buf_done) struct buf seen = { 0 };
	struct sse sse = { 0 };
	const char first[] = "id: 1\ndata: a\n\nid: 2\ndata: b\nda";
	const char second[] = "data: c\n\n";

	(void)state;
	assert_int_equal(sse_feed(&sse, first, strlen(first), note, &seen), 0);
	assert_string_equal(sse.id, "1");
	sse_restart(&sse);
	assert_int_equal(sse_feed(&sse, second, strlen(second), note, &seen), 0);

	assert_string_equal((const char *)seen.data, "1|message|a;1|message|c;");
	sse_done(&sse);
}

static void an_id_that_is_too_long_leaves_the_one_before(void **state)
{
	char stream[1024] = "id: 1\ndata: a\n\nid: ";
	OWNED(buf_done) struct buf seen = { 0 };
	struct sse sse = { 0 };

	(void)state;
	memset(stream + strlen(stream), 'x', 500);
	strcat(stream, "\ndata: b\n\n");
	assert_int_equal(sse_feed(&sse, stream, strlen(stream), note, &seen), 0);

	assert_string_equal(sse.id, "1");
	sse_done(&sse);
}

static void an_event_without_end_is_refused(void **state)
{
	char *piece = malloc(65536);
	struct sse sse = { 0 };
	int r = 0;

	(void)state;
	memset(piece, 'x', 65536);
	for (int i = 0; i < 32 && !r; i++)
		r = sse_feed(&sse, piece, 65536, note, NULL);

	assert_int_equal(r, -EMSGSIZE);
	sse_done(&sse);
	free(piece);
}

static int stop(const struct sse_event *event, void *arg)
{
	(void)event;
	++*(int *)arg;
	return -ECANCELED;
}

static void a_reader_that_has_enough_gets_no_more(void **state)
{
	struct sse sse = { 0 };
	int count = 0;

	(void)state;
	assert_int_equal(sse_feed(&sse, "data: a\n\ndata: b\n\n", 18, stop, &count), -ECANCELED);
	assert_int_equal(count, 1);
	sse_done(&sse);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_line_ending_ends_a_line),
		cmocka_unit_test(lines_of_data_are_joined_and_an_id_stays),
		cmocka_unit_test(comments_and_unknown_fields_are_nothing),
		cmocka_unit_test(an_event_without_data_only_moves_the_id),
		cmocka_unit_test(half_an_event_is_forgotten_with_its_id),
		cmocka_unit_test(an_id_that_is_too_long_leaves_the_one_before),
		cmocka_unit_test(an_event_without_end_is_refused),
		cmocka_unit_test(a_reader_that_has_enough_gets_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
