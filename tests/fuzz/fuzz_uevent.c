/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What comes on the kernel's event socket. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/uevent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uevent event;

	if (uevent_parse((const char *)data, size, &event))
		return 0;
	if (strnlen(event.action, sizeof(event.action)) == sizeof(event.action) ||
	    strnlen(event.address, sizeof(event.address)) == sizeof(event.address))
		abort();
	(void)uevent_matters(&event);
	return 0;
}
