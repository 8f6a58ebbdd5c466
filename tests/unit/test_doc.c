/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/doc.h"
#include "cli/show.h"

static void only_one_whole_value_is_a_document(void **state)
{
	static const char *const bad[] = { "", "{", "{}x", "{} {}", "[1,", "\"a", "<html>" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_null(doc_parse(bad[i], strlen(bad[i])));
	assert_null(doc_parse(NULL, 0));
}

static void deep_nesting_is_refused(void **state)
{
	char text[200];

	(void)state;
	memset(text, '[', 100);
	memset(text + 100, ']', 100);
	assert_null(doc_parse(text, 200));
}

static void words_are(const char *json, const char *path, const char *expected)
{
	OWNED(doc_free) doc *d = doc_parse(json, strlen(json));
	char *words = doc_words_at(d, path);

	assert_non_null(d);
	if (expected)
		assert_string_equal(words, expected);
	else
		assert_null(words);
	free(words);
}

static void a_member_is_found_by_its_path_and_told_in_words(void **state)
{
	(void)state;
	words_are("{\"a\":{\"b\":[1,\"x\",true,null]}}\n", "a.b", "1, x, yes, ");
	words_are("{\"a\":{\"b\":1}}", "a.c", NULL);
	words_are("{\"a\":null}", "a", NULL);
	words_are("{\"a\":1}", "a.b", NULL);
	words_are("[1]", "a", NULL);
	words_are("{\"id\":{\"mac\":\"02:00\",\"vlan\":null,\"wwpn\":\"5\"}}", "id",
		  "mac 02:00, wwpn 5");
	words_are("{\"n\":12345678901234567890}", "n", "12345678901234567890");
}

/* Whatever a daemon sends in place of what is expected: nothing breaks. */
static void any_document_can_be_shown(void **state)
{
	static const char *const odd[] = {
		"1",
		"null",
		"\"x\"",
		"[]",
		"[[1],{}]",
		"{\"operations\":[{\"op\":[{}]},1,null]}",
		"{\"timeline\":[{\"offset_ms\":\"x\"}],\"plan\":[{\"steps\":3}]}",
		"{\"plan\":[{\"steps\":[null,{}]}]}",
		"{\"a\":[{\"k\":1},7,{\"m\":{\"n\":[[]]}}],\"moves\":{},\"state\":[]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		OWNED(doc_free) doc *d = doc_parse(odd[i], strlen(odd[i]));
		OWNED(buf_done) struct buf out = { 0 };

		show_object(&out, d, true);
		show_plan(&out, d);
		show_array(&out, NULL, d, 0, false);
		assert_false(out.failed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_one_whole_value_is_a_document),
		cmocka_unit_test(deep_nesting_is_refused),
		cmocka_unit_test(a_member_is_found_by_its_path_and_told_in_words),
		cmocka_unit_test(any_document_can_be_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
