/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An agent's state file: what is understood is written and read again as it was. */
#include <stdlib.h>
#include <string.h>

#include "agent/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OWNED(buf_done) struct buf text = { 0 };
	struct memory memory;
	struct memory again;

	if (memory_parse((const char *)data, size, &memory))
		return 0;
	memory_format(&memory, &text);
	if (text.failed || memory_parse((const char *)text.data, text.length, &again) ||
	    strcmp(memory.host, again.host) != 0 || memory.epoch != again.epoch ||
	    memory.incarnation != again.incarnation ||
	    strcmp(memory.stopped_boot, again.stopped_boot) != 0 ||
	    memory.stopped_epoch != again.stopped_epoch)
		abort();
	return 0;
}
