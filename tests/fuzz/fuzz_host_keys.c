/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file of a host's keys. */
#include <stdlib.h>
#include <string.h>

#include "fabricd/host_keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct host_keys keys;

	if (!host_keys_parse((const char *)data, size, &keys) &&
	    (!keys.host[0] || strnlen(keys.host, sizeof(keys.host)) == sizeof(keys.host)))
		abort();
	return 0;
}
