/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/agent_line.h"

#define UUID "\"f81d4fae-7dec-11d0-a765-00a0c91e6bf6\""
#define WHO  "\"host\":\"bay3\",\"boot_id\":" UUID

static int parse(const char *text, struct agent_line *line, char *why)
{
	return agent_line_parse(text, strlen(text), line, why);
}

/* The text is as it would be written: read and written again it is the same. */
static void round_trip(const char *text)
{
	OWNED(agent_line_done) struct agent_line line = { 0 };
	OWNED(buf_done) struct buf out = { 0 };
	char why[AGENT_TEXT_MAX] = "";

	if (parse(text, &line, why))
		fail_msg("%s: %s", text, why);
	agent_line_format(&line, &out);
	assert_int_equal(out.data[out.length - 1], '\n');
	out.data[--out.length] = '\0';
	assert_string_equal((char *)out.data, text);
}

static void every_example_of_the_document_is_read_and_written(void **state)
{
	FILE *file = fopen(AGENT_PROTOCOL, "re");
	bool types[AGENT_LINE_TYPES] = { false };
	static char text[8192];
	bool inside = false;

	(void)state;
	assert_non_null(file);
	while (fgets(text, sizeof(text), file)) {
		struct agent_line line = { 0 };
		char why[AGENT_TEXT_MAX];

		text[strcspn(text, "\n")] = '\0';
		if (!strncmp(text, "```", 3)) {
			inside = !inside && !strcmp(text, "```json");
			continue;
		}
		if (!inside)
			continue;
		round_trip(text);
		assert_int_equal(parse(text, &line, why), 0);
		types[line.type] = true;
		agent_line_done(&line);
	}
	(void)fclose(file); /* was only read */
	for (int i = 0; i < AGENT_LINE_TYPES; i++)
		assert_true(types[i]);
}

static void a_view_is_read_with_all_that_it_tells(void **state)
{
	OWNED(agent_line_done) struct agent_line line = { 0 };
	char why[AGENT_TEXT_MAX];

	(void)state;
	assert_int_equal(parse("{\"functions\":[{\"address\":\"0000:05:00.0\",\"slot\":null,"
			       "\"class\":\"0c04\",\"vendor\":\"1b36\",\"device\":\"0010\","
			       "\"serial\":\"FAB 1\",\"mac\":\"02:FA:b0:00:00:01\","
			       "\"wwpn\":\"50:01:43:80:00:00:00:01\",\"link\":\"down\"}]," WHO
			       ",\"type\":\"seen\"}",
			       &line, why),
			 0);

	assert_int_equal(line.type, AGENT_SEEN);
	assert_string_equal(line.host, "bay3");
	assert_int_equal(line.seen_count, 1);
	assert_false(line.seen[0].has_slot);
	assert_int_equal(line.seen[0].class_code, 0x0c04);
	assert_int_equal(line.seen[0].vendor, 0x1b36);
	assert_string_equal(line.seen[0].driver, "");
	assert_string_equal(line.seen[0].serial, "FAB 1");
	assert_true(line.seen[0].mac == 0x02fab0000001);
	assert_true(line.seen[0].wwpn == 0x5001438000000001);
	assert_int_equal(line.seen[0].link, AGENT_LINK_DOWN);
}

static void what_is_not_a_line_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *text;
		const char *where;
	} bad[] = {
		{ "", "byte" },
		{ "{", "byte" },
		{ "[]", "/type" },
		{ "7", "/type" },
		{ "{}", "/type" },
		{ "{\"type\":7}", "/type" },
		{ "{\"type\":\"shutdown\"}", "/type" },
		{ "{\"type\":\"beat\"," WHO "}", "/seq" },
		{ "{\"type\":\"beat\"," WHO ",\"seq\":-1}", "/seq" },
		{ "{\"type\":\"beat\"," WHO ",\"seq\":null}", "/seq" },
		{ "{\"type\":\"beat\"," WHO ",\"seq\":1,\"seq\":2}", "byte" },
		{ "{\"type\":\"beat\"," WHO ",\"seq\":1,\"epoch\":2}", "/epoch" },
		{ "{\"type\":\"beat\",\"host\":\"\",\"boot_id\":" UUID ",\"seq\":1}", "/host" },
		{ "{\"type\":\"beat\",\"host\":\"a\\nb\",\"boot_id\":" UUID ",\"seq\":1}",
		  "/host" },
		{ "{\"type\":\"beat\",\"host\":\"a\",\"boot_id\":\"x\",\"seq\":1}", "/boot_id" },
		{ "{\"type\":\"seen\"," WHO "}", "/functions" },
		{ "{\"type\":\"seen\"," WHO ",\"functions\":{}}", "/functions" },
		{ "{\"type\":\"seen\"," WHO ",\"functions\":[7]}", "/functions/0" },
		{ "{\"type\":\"seen\"," WHO ",\"functions\":[{\"address\":\"05:00.0\"}]}",
		  "/functions/0/address" },
		{ "{\"type\":\"seen\"," WHO ",\"functions\":[{\"address\":\"0000:05:00.0\"}]}",
		  "/functions/0/class" },
		{ "{\"type\":\"left\",\"id\":1,\"outcome\":\"perhaps\"}", "/outcome" },
		{ "{\"type\":\"status\",\"state\":\"ok\"}", "/epoch" },
		{ "{\"type\":\"leave\",\"id\":1,\"function\":\"n\",\"deadline_ms\":5}",
		  "/address" },
		{ "{\"type\":\"leave\",\"id\":1,\"slot\":4294967296,\"function\":\"n\","
		  "\"deadline_ms\":5}",
		  "/slot" },
		{ "{\"type\":\"leave\",\"id\":1,\"slot\":4,\"function\":\"n\",\"deadline_ms\":0}",
		  "/deadline_ms" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct agent_line line = { .seq = 99 };
		char why[AGENT_TEXT_MAX] = "";
		int r = parse(bad[i].text, &line, why);

		if (r <= 0 || strncmp(why, bad[i].where, strlen(bad[i].where)) != 0)
			fail_msg("%s: %d, %s", bad[i].text, r, why);
		assert_int_equal(line.seq, 99);
		assert_null(line.seen);
	}
}

static void a_view_that_is_too_large_is_cut_and_says_so(void **state)
{
	OWNED(agent_line_done) struct agent_line line = { .type = AGENT_SEEN };
	OWNED(agent_line_done) struct agent_line back = { 0 };
	OWNED(buf_done) struct buf out = { 0 };
	char why[AGENT_TEXT_MAX];

	(void)state;
	strcpy(line.host, "bay3");
	strcpy(line.boot_id, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
	line.seen_count = 1000;
	line.seen = calloc(line.seen_count, sizeof(*line.seen));
	for (size_t i = 0; i < line.seen_count; i++) {
		(void)snprintf(line.seen[i].address, AGENT_ADDRESS_MAX, "0000:%02zx:00.0", i % 256);
		memset(line.seen[i].serial, '"', AGENT_SERIAL_MAX - 1);
		memset(line.seen[i].driver, 'd', AGENT_DRIVER_MAX - 1);
	}

	agent_line_format(&line, &out);

	assert_true(out.length <= AGENT_LINE_MAX);
	assert_int_equal(agent_line_parse((char *)out.data, out.length - 1, &back, why), 0);
	assert_true(back.seen_count > 100);
	assert_int_equal(back.seen_count + back.left_out, 1000);
}

static void a_text_for_people_may_hold_anything(void **state)
{
	OWNED(agent_line_done) struct agent_line back = { 0 };
	OWNED(buf_done) struct buf out = { 0 };
	struct agent_line line = { .type = AGENT_LEFT, .outcome = AGENT_LEFT_REFUSED };
	char why[AGENT_TEXT_MAX] = "";

	(void)state;
	strcpy(line.text, "a\tb\x1b[0m \"busy\"\n");
	agent_line_format(&line, &out);

	assert_int_equal(agent_line_parse((char *)out.data, out.length - 1, &back, why), 0);
	assert_string_equal(back.text, "a b [0m \"busy\" ");
}

static void addresses_and_uuids_have_their_form(void **state)
{
	(void)state;
	assert_true(agent_address_is("0000:05:00.0"));
	assert_true(agent_address_is("10000:05:1f.7"));
	assert_false(agent_address_is("0000:05:00.8"));
	assert_false(agent_address_is("0000:05:00.0x"));
	assert_false(agent_address_is("0000:5:00.0"));
	assert_false(agent_address_is("../../../etc"));
	assert_false(agent_address_is(""));
	assert_true(agent_uuid_is("f81d4fae-7dec-11d0-a765-00a0c91e6bf6"));
	assert_false(agent_uuid_is("f81d4fae-7dec-11d0-a765-00a0c91e6bfg"));
	assert_false(agent_uuid_is("f81d4fae"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_example_of_the_document_is_read_and_written),
		cmocka_unit_test(a_view_is_read_with_all_that_it_tells),
		cmocka_unit_test(what_is_not_a_line_is_refused_with_its_place),
		cmocka_unit_test(a_view_that_is_too_large_is_cut_and_says_so),
		cmocka_unit_test(a_text_for_people_may_hold_anything),
		cmocka_unit_test(addresses_and_uuids_have_their_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
