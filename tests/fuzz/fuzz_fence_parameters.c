/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parameters file of a fence program. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/fence_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char why[FENCE_PROGRAM_TEXT_MAX] = "";
	char *text = malloc(size + 1);
	int r;

	if (!text)
		return 0;
	memcpy(text, data, size);
	r = fence_program_check("f", text, size, why);
	free(text);
	if (r ? r != REFUSE_FIELD || strncmp(why, "f:", 2) != 0 : why[0] != '\0')
		abort();
	return 0;
}
