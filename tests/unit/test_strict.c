/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/strict.h"

/* Scans a copy without a NUL behind it, so that asan sees a byte too many. */
static int scan(const char *text, size_t length, struct strict_error *e)
{
	char *copy = malloc(length ? length : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, text, length);
	r = strict_scan(copy, length, e);
	free(copy);
	return r;
}

static void json_is_taken(void **unused)
{
	(void)unused;
	static const char *const good[] = {
		"{}",
		"[]",
		" \t\r\n{ \"a\" : [ 1 , -0 , 1.5e-3 , true , false , null ] } ",
		"\"\\u00e4\\ud83d\\ude00\\n\\/\"",
		"\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"",
		"18446744073709551615",
		"-9223372036854775808",
		"1e308",
		"{\"a\":{\"a\":{\"a\":1}},\"b\":[{\"a\":1},{\"a\":1}]}",
		"{\"\":1,\"a\":2}",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct strict_error e = { 0 };

		if (scan(good[i], strlen(good[i]), &e))
			fail_msg("%s: %u:%u %s", good[i], e.line, e.column, e.reason);
	}
}

static void what_is_not_json_is_refused_with_its_place(void **unused)
{
	(void)unused;
	static const struct {
		const char *text;
		unsigned line;
		unsigned column;
		const char *pointer;
		const char *reason; /* a part of it */
	} bad[] = {
		{ "", 1, 1, "", "ends where a value" },
		{ "  ", 1, 3, "", "ends where a value" },
		{ "{'a':1}", 1, 2, "", "''' stands where a key" },
		{ "{\"a\":'x'}", 1, 6, "/a", "''' stands" },
		{ "NaN", 1, 1, "", "'N'" },
		{ "[1,\n-Infinity]", 2, 2, "/1", "'I' stands where a digit" },
		{ "[Infinity]", 1, 2, "/0", "'I'" },
		{ "{\"a\":\"x\ny\"}", 1, 8, "/a", "raw control character 0x0a" },
		{ "{\"a\":1,\"b\":2,\"a\":3}", 1, 14, "/a", "twice" },
		{ "{\"a\":1,\"\\u0061\":3}", 1, 8, "/a", "twice" },
		{ "{\"x\":[{\"k/~\":1,\"k/~\":1}]}", 1, 16, "/x/0/k~1~0", "twice" },
		{ "18446744073709551616", 1, 1, "", "out of range" },
		{ "-9223372036854775809", 1, 1, "", "out of range" },
		{ "[1e309]", 1, 2, "/0", "out of range" },
		{ "01", 1, 1, "", "leading zero" },
		{ "+1", 1, 1, "", "'+'" },
		{ "1.", 1, 3, "", "digit" },
		{ ".5", 1, 1, "", "'.'" },
		{ "1e", 1, 3, "", "digit" },
		{ "0x10", 1, 2, "", "the end of the text" },
		{ "{} x", 1, 4, "", "'x' stands where the end of the text" },
		{ "{}{}", 1, 3, "", "end of the text" },
		{ "[1,]", 1, 4, "/1", "']' stands where a value" },
		{ "{\"a\":1,}", 1, 8, "", "'}' stands where a key" },
		{ "[1 2]", 1, 4, "/0", "',' or ']'" },
		{ "{\"a\" 1}", 1, 6, "/a", "':'" },
		{ "{\"a\":1", 1, 7, "/a", "ends where ',' or '}'" },
		{ "\"abc", 1, 1, "", "no end" },
		{ "\"\\x\"", 1, 2, "", "no such escape" },
		{ "\"\\ud800\"", 1, 2, "", "surrogate" },
		{ "\"\\udc00\"", 1, 2, "", "surrogate" },
		{ "\"\\ud800\\u0041\"", 1, 2, "", "surrogate" },
		{ "\"\\u00g0\"", 1, 2, "", "four hexadecimal" },
		{ "\"\\u0000\"", 1, 2, "", "NUL" },
		{ "\"\x80\"", 1, 2, "", "0x80 is not UTF-8" },
		{ "\"\xc0\xaf\"", 1, 2, "", "UTF-8" },
		{ "\"\xed\xa0\x80\"", 1, 2, "", "UTF-8" },
		{ "\"\xf4\x90\x80\x80\"", 1, 2, "", "UTF-8" },
		{ "\"\xe2\x82\"", 1, 2, "", "UTF-8" },
		{ "\xef\xbb\xbf{}", 1, 1, "", "0xef" },
		{ "/* c */ 1", 1, 1, "", "'/'" },
		{ "tru", 1, 1, "", "'t'" },
		{ "TRUE", 1, 1, "", "'T'" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct strict_error e = { 0 };
		int r = scan(bad[i].text, strlen(bad[i].text), &e);

		if (r != REFUSE_SYNTAX || e.line != bad[i].line || e.column != bad[i].column ||
		    strcmp(e.pointer, bad[i].pointer) || !strstr(e.reason, bad[i].reason))
			fail_msg("%s: %d at %u:%u '%s': %s", bad[i].text, r, e.line, e.column,
				 e.pointer, e.reason);
	}
}

static void a_nul_byte_does_not_end_the_text(void **unused)
{
	(void)unused;
	struct strict_error e = { 0 };

	assert_int_equal(scan("{}\0{}", 5, &e), REFUSE_SYNTAX);
	assert_int_equal(scan("\"a\0b\"", 5, &e), REFUSE_SYNTAX);
	assert_int_equal(e.column, 3);
}

static void nesting_over_32_is_refused(void **unused)
{
	(void)unused;
	struct strict_error e = { 0 };
	char text[2 * 33];

	memset(text, '[', 32);
	memset(text + 32, ']', 32);
	assert_int_equal(scan(text, 64, &e), 0);
	memset(text, '[', 33);
	memset(text + 33, ']', 33);

	assert_int_equal(scan(text, 66, &e), REFUSE_SYNTAX);
	assert_int_equal(e.column, 33);
	assert_non_null(strstr(e.reason, "32"));
}

static void many_keys_are_all_compared(void **unused)
{
	(void)unused;
	OWNED(buf_done) struct buf text = { 0 };
	struct strict_error e = { 0 };

	buf_text(&text, "{");
	for (int i = 0; i < 50000; i++)
		buf_printf(&text, "\"k%d\":%d,", i, i);
	buf_text(&text, "\"last\":0}");
	assert_int_equal(scan((const char *)text.data, text.length, &e), 0);
	text.length--;
	buf_text(&text, ",\"k31415\":0}");

	assert_int_equal(scan((const char *)text.data, text.length, &e), REFUSE_SYNTAX);
	assert_string_equal(e.pointer, "/k31415");
}

static void a_long_pointer_is_cut(void **unused)
{
	(void)unused;
	OWNED(buf_done) struct buf text = { 0 };
	struct strict_error e = { 0 };

	buf_text(&text, "{\"");
	for (int i = 0; i < 1000; i++)
		buf_text(&text, "x");
	buf_text(&text, "\":?}");

	assert_int_equal(scan((const char *)text.data, text.length, &e), REFUSE_SYNTAX);
	assert_int_equal(strlen(e.pointer), STRICT_POINTER_MAX - 1);
	assert_non_null(strstr(e.pointer, "x..."));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_is_taken),
		cmocka_unit_test(what_is_not_json_is_refused_with_its_place),
		cmocka_unit_test(a_nul_byte_does_not_end_the_text),
		cmocka_unit_test(nesting_over_32_is_refused),
		cmocka_unit_test(many_keys_are_all_compared),
		cmocka_unit_test(a_long_pointer_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
