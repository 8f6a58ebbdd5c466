/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stream of lines, of either direction: cut in pieces that the first byte chooses, and read. What
 * is understood is written and read again: the second writing is the same as the first.
 */
#include <stdlib.h>
#include <string.h>

#include "common/agent_line.h"
#include "common/line_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_line(void *arg, const char *text, size_t length)
{
	OWNED(agent_line_done) struct agent_line line = { 0 };
	OWNED(agent_line_done) struct agent_line again = { 0 };
	OWNED(buf_done) struct buf first = { 0 };
	OWNED(buf_done) struct buf second = { 0 };
	char why[AGENT_TEXT_MAX];

	(void)arg;
	if (agent_line_parse(text, length, &line, why))
		return;
	agent_line_format(&line, &first);
	if (first.length > AGENT_LINE_MAX)
		abort();
	if (agent_line_parse((const char *)first.data, first.length - 1, &again, why))
		abort();
	agent_line_format(&again, &second);
	if (first.length != second.length || memcmp(first.data, second.data, first.length) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OWNED(line_reader_done) struct line_reader reader;
	size_t step = size ? 1 + data[0] : 1;

	line_reader_init(&reader, AGENT_LINE_MAX);
	for (size_t i = 1; i < size; i += step)
		(void)!line_reader_feed(&reader, data + i, size - i < step ? size - i : step,
					on_line, NULL); /* a line that is lost is no defect */
	return 0;
}
