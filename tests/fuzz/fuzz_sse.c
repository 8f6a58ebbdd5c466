/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's event stream, as fabricctl reads it, in pieces whose length the input gives. */
#include "cli/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int ignore(const struct sse_event *event, void *arg)
{
	(void)arg;
	return event->data[0] == '!' ? 1 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sse sse = { 0 };
	size_t piece = size ? 1 + data[0] : 1;

	for (size_t at = 0; at < size; at += piece)
		if (sse_feed(&sse, data + at, size - at < piece ? size - at : piece, ignore, NULL))
			sse_restart(&sse);
	sse_done(&sse);
	return 0;
}
