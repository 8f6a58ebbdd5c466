/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's answers, as the agent reads them. */
#include <stdlib.h>

#include "agent/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct answer answer;
	uint64_t epoch;

	if (answer_parse(data, size, &answer))
		return 0;
	if (answer.length > size || answer.body + answer.body_length > data + size)
		abort();
	(void)!answer_epoch_find(&answer, &epoch); /* whether there is one does not matter here */
	return 0;
}
