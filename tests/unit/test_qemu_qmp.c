/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "provider/qemu/qmp.h"

static struct qmp_message parsed(const char *line)
{
	struct qmp_message m = { 0 };
	char why[QMP_TEXT_MAX] = "";

	assert_int_equal(qmp_parse(line, strlen(line), &m, why), 0);
	return m;
}

static void each_kind_of_line_is_told_apart(void **unused)
{
	struct qmp_message m;

	(void)unused;
	m = parsed("{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n");
	assert_int_equal(m.kind, QMP_GREETING);
	qmp_message_done(&m);
	m = parsed("{\"return\": {}, \"id\": 7}");
	assert_int_equal(m.kind, QMP_RETURN);
	assert_int_equal(m.id, 7);
	qmp_message_done(&m);
	m = parsed("{\"id\": 9, \"error\": {\"class\": \"GenericError\", \"desc\": \"Failed to "
		   "get \\\"write\\\" lock\\nIs another process using the image?\"}}");
	assert_int_equal(m.kind, QMP_ERROR);
	assert_string_equal(m.name, "GenericError");
	assert_string_equal(m.text,
			    "Failed to get \"write\" lock Is another process using the image?");
	qmp_message_done(&m);
	m = parsed("{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": "
		   "\"DEVICE_DELETED\", \"data\": {\"device\": \"e1\", \"path\": "
		   "\"/machine/peripheral/e1\"}}");
	assert_int_equal(m.kind, QMP_EVENT);
	assert_string_equal(m.name, "DEVICE_DELETED");
	assert_string_equal(m.device, "e1");
	assert_string_equal(m.path, "/machine/peripheral/e1");
	qmp_message_done(&m);
}

static void what_qmp_does_not_say_is_refused(void **unused)
{
	static const char *const lines[] = {
		"",
		"7",
		"[]",
		"{}",
		"{'QMP': 1}",
		"{\"return\": 1, \"return\": 2}",
		"{\"error\": 7, \"id\": 1}",
		"{\"error\": {\"class\": \"x\"}}",
		"{\"event\": {}}",
		"{\"return\": {}} {\"return\": {}}",
	};
	struct qmp_message m = { 0 };

	(void)unused;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char why[QMP_TEXT_MAX] = "";

		assert_int_equal(qmp_parse(lines[i], strlen(lines[i]), &m, why), REFUSE_SYNTAX);
		assert_true(why[0]);
		assert_null(m.tree);
	}
}

static void children_are_the_members_of_kind_child(void **unused)
{
	struct qmp_message m = parsed(
		"{\"return\": [{\"name\": \"type\", \"type\": \"string\"}, {\"name\": \"dn1\", "
		"\"type\": \"child<xio3130-downstream>\"}, {\"name\": \"x\", \"type\": "
		"\"child<\"}, "
		"{\"name\": 7}, 8]}");
	struct qmp_child *list;
	size_t count;

	(void)unused;
	assert_int_equal(qmp_children(m.value, &list, &count), 0);
	assert_int_equal(count, 1);
	assert_string_equal(list[0].name, "dn1");
	assert_string_equal(list[0].type, "xio3130-downstream");
	free(list);
	qmp_message_done(&m);
}

static void images_are_found_however_query_block_names_device_and_file(void **unused)
{
	struct qmp_message m = parsed(
		"{\"return\": [{\"device\": \"\", \"qdev\": \"e1\", \"inserted\": {\"node-name\": "
		"\"n1\", \"file\": \"/d.img\"}}, {\"device\": \"cd\", \"qdev\": "
		"\"/machine/unattached/device[3]\"}, {\"device\": \"\", \"qdev\": "
		"\"/machine/peripheral/v/virtio-backend\", \"inserted\": {\"node-name\": \"n2\", "
		"\"file\": \"json:{\\\"driver\\\":\\\"raw\\\",\\\"file\\\":{\\\"driver\\\":\\\"file"
		"\\\",\\\"filename\\\":\\\"/e.img\\\"}}\"}}, {\"device\": \"none\", \"inserted\": "
		"{\"file\": \"/f.img\"}}]}");
	struct qmp_block *list;
	size_t count;

	(void)unused;
	assert_int_equal(qmp_blocks(m.value, &list, &count), 0);
	assert_int_equal(count, 2);
	assert_string_equal(list[0].device, "/machine/peripheral/e1");
	assert_string_equal(list[0].file, "/d.img");
	assert_string_equal(list[0].node, "n1");
	assert_string_equal(list[1].device, "/machine/peripheral/v/virtio-backend");
	assert_string_equal(list[1].file, "/e.img");
	free(list);
	qmp_message_done(&m);
}

static void functions_behind_bridges_are_found(void **unused)
{
	struct qmp_message m = parsed(
		"{\"return\": [{\"bus\": 0, \"devices\": [{\"bus\": 0, \"slot\": 4, \"function\": "
		"0, \"id\": {\"vendor\": 6966, \"device\": 12}, \"class_info\": {\"class\": 1540}, "
		"\"pci_bridge\": {\"bus\": {\"secondary\": 1, \"subordinate\": 6}, \"devices\": "
		"[{\"bus\": 1, \"slot\": 0, \"function\": 0, \"id\": {\"vendor\": 6966, "
		"\"device\": 16}, \"class_info\": {\"class\": 264}}]}}]}]}");
	struct qmp_pci *list;
	size_t count;

	(void)unused;
	assert_int_equal(qmp_pci(m.value, &list, &count), 0);
	assert_int_equal(count, 2);
	assert_true(list[0].is_bridge);
	assert_int_equal(list[0].secondary, 1);
	assert_int_equal(list[1].bus, 1);
	assert_int_equal(list[1].class_code, 0x010800);
	free(list);
	qmp_message_done(&m);
}

static void words_of_memory_are_read_in_order(void **unused)
{
	uint32_t words[8] = { 0 };

	(void)unused;
	assert_int_equal(qmp_words("00000000b0000000: 0x29c08086 0x00000103\r\n"
				   "00000000b0000008: 0x06000000 0xffffffff\r\n",
				   words, 8),
			 4);
	assert_int_equal(words[0], 0x29c08086);
	assert_int_equal(words[3], 0xffffffff);
	assert_int_equal(qmp_words("1: 0x1 0x2 0x3", words, 2), 2);
	assert_int_equal(qmp_words("Cannot access memory", words, 8), 0);
}

static void commands_are_one_line_of_json_each(void **unused)
{
	static const struct qmp_argument arguments[] = {
		{ "type", "user", false },
		{ "restrict", NULL, true },
		{ 0 },
	};
	OWNED(buf_done) struct buf out = { 0 };

	(void)unused;
	qmp_command(&out, 1, "query-block", NULL);
	qmp_command(&out, 2, "netdev_add", arguments);
	qmp_command_image(&out, 3, "n\"1", "/d.img");
	assert_string_equal(
		(char *)out.data,
		"{\"execute\":\"query-block\",\"id\":1}\n"
		"{\"execute\":\"netdev_add\",\"arguments\":{\"type\":\"user\",\"restrict\":true},"
		"\"id\":2}\n"
		"{\"execute\":\"blockdev-add\",\"arguments\":{\"driver\":\"raw\",\"node-name\":"
		"\"n\\\"1\",\"file\":{\"driver\":\"file\",\"filename\":\"/d.img\",\"locking\":"
		"\"on\"}},\"id\":3}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_of_line_is_told_apart),
		cmocka_unit_test(what_qmp_does_not_say_is_refused),
		cmocka_unit_test(children_are_the_members_of_kind_child),
		cmocka_unit_test(images_are_found_however_query_block_names_device_and_file),
		cmocka_unit_test(functions_behind_bridges_are_found),
		cmocka_unit_test(words_of_memory_are_read_in_order),
		cmocka_unit_test(commands_are_one_line_of_json_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
