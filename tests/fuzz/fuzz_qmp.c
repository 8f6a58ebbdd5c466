/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Anything that QEMU may say: each line is taken or refused with a reason, and what a command
 * returned is read as each of the forms that a command has.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "provider/qemu/qmp.h"
#include "provider/qemu/truth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void value_read(const struct qmp_message *m)
{
	struct qmp_child *children;
	struct qmp_block *blocks;
	struct qmp_pci *functions;
	static uint32_t words[1024];
	static char text[QMP_LINE_MAX + 1];
	struct qemu_id id;
	size_t count;
	bool flag;

	if (!qmp_children(m->value, &children, &count))
		free(children);
	if (!qmp_nodes(m->value, "fab", &children, &count))
		free(children);
	if (!qmp_blocks(m->value, &blocks, &count)) {
		for (size_t i = 0; i < count; i++)
			assert(blocks[i].device[0] == '/');
		free(blocks);
	}
	if (!qmp_pci(m->value, &functions, &count))
		free(functions);
	(void)!qmp_bool(m->value, &flag); /* either is fine */
	if (!qmp_text(m->value, text, sizeof(text))) {
		assert(qmp_words(text, words, 1024) <= 1024);
		(void)qemu_id_parse(text, &id); /* either is fine */
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data;

	while (size) {
		const char *end = memchr(at, '\n', size);
		size_t length = end ? (size_t)(end - at) : size;
		OWNED(qmp_message_done) struct qmp_message m = { 0 };
		char why[QMP_TEXT_MAX] = "";
		int r = qmp_parse(at, length, &m, why);

		assert(r <= 0 || why[0]);
		if (!r && m.kind == QMP_RETURN)
			value_read(&m);
		at += length + (end != NULL);
		size -= length + (end != NULL);
	}
	return 0;
}
