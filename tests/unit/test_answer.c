/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/answer.h"

static int parse(const char *text, struct answer *answer)
{
	return answer_parse((const uint8_t *)text, strlen(text), answer);
}

static void a_beat_is_one_put_request_with_its_length(void **state)
{
	OWNED(buf_done) struct buf b = { 0 };

	(void)state;
	answer_request_format(&b, "ch2/bay 7", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", 12);

	assert_string_equal((const char *)b.data,
			    "PUT /v1/hosts/ch2/bay%207/heartbeat HTTP/1.1\r\n"
			    "Host: localhost\r\nContent-Type: application/json\r\n"
			    "Content-Length: 59\r\n\r\n"
			    "{\"boot_id\":\"f81d4fae-7dec-11d0-a765-00a0c91e6bf6\",\"seq\":12}");
}

static void an_answer_is_asked_for_until_it_is_whole(void **state)
{
	const char text[] = "HTTP/1.1 409 Conflict\r\nContent-Length: 5\r\n\r\nhello";
	struct answer answer = { 0 };

	(void)state;
	for (size_t n = 0; n < sizeof(text) - 1; n++)
		assert_int_equal(answer_parse((const uint8_t *)text, n, &answer), -EAGAIN);

	assert_int_equal(parse(text, &answer), 0);
	assert_int_equal(answer.status, 409);
	assert_int_equal(answer.body_length, 5);
	assert_memory_equal(answer.body, "hello", 5);
	assert_int_equal(answer.length, sizeof(text) - 1);
	assert_false(answer.close);
}

static void what_follows_an_answer_is_left_alone(void **state)
{
	struct answer answer = { 0 };

	(void)state;
	assert_int_equal(parse("HTTP/1.1 204 No Content\r\nDate: x\r\n\r\nHTTP/1.1 2", &answer), 0);
	assert_int_equal(answer.length, 36);
	assert_int_equal(answer.body_length, 0);
}

static void a_closing_or_chunked_answer_says_so(void **state)
{
	struct answer answer = { 0 };

	(void)state;
	assert_int_equal(parse("HTTP/1.1 503 x\r\nconnection:close\r\n\r\n", &answer), 0);
	assert_true(answer.close);
	assert_int_equal(parse("HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n", &answer), 0);
	assert_true(answer.close);
}

static void what_is_not_http_is_refused(void **state)
{
	static const char *const bad[] = {
		"SSH-2.0-OpenSSH\r\n\r\n",
		"HTTP/2.0 200 x\r\n\r\n",
		"HTTP/1.1 999 x\r\n\r\n",
		"HTTP/1.1 200\r",
		"\r\n\r\n",
		"HTTP/1.1 200 x\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 x\r\nContent-Length: \r\n\r\n",
		"HTTP/1.1 200 x\r\nContent-Length: 99999999999999999999\r\n\r\n",
	};
	struct answer answer = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_not_equal(parse(bad[i], &answer), 0);
	assert_int_equal(answer.status, 0);
}

static void a_head_without_end_is_refused(void **state)
{
	static uint8_t bytes[ANSWER_HEAD_MAX];
	struct answer answer;

	(void)state;
	memset(bytes, 'a', sizeof(bytes));
	assert_int_equal(answer_parse(bytes, sizeof(bytes), &answer), -EMSGSIZE);
}

static void epoch_is(const char *body, int r, uint64_t expected)
{
	struct answer answer = { .body = (const uint8_t *)body, .body_length = strlen(body) };
	uint64_t epoch = 0;

	assert_int_equal(answer_epoch_find(&answer, &epoch), r);
	assert_int_equal(epoch, expected);
}

static void the_epoch_is_found_as_a_member_and_in_words(void **state)
{
	(void)state;
	epoch_is("{\"code\":\"host-fenced\",\"epoch\": 17}", 0, 17);
	epoch_is("{\"detail\":\"fenced, epoch 4\"}", 0, 4);
	epoch_is("{\"epoch\":null}", -ENOENT, 0);
	epoch_is("{\"epoch\":99999999999999999999999}", -ENOENT, 0);
	epoch_is("epoch", -ENOENT, 0);
	epoch_is("", -ENOENT, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_beat_is_one_put_request_with_its_length),
		cmocka_unit_test(an_answer_is_asked_for_until_it_is_whole),
		cmocka_unit_test(what_follows_an_answer_is_left_alone),
		cmocka_unit_test(a_closing_or_chunked_answer_says_so),
		cmocka_unit_test(what_is_not_http_is_refused),
		cmocka_unit_test(a_head_without_end_is_refused),
		cmocka_unit_test(the_epoch_is_found_as_a_member_and_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
