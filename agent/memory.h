/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an agent remembers when it is started again, in one small file:
 *
 *	fabric-agent 1
 *	host bay3
 *	incarnation 8a4f1c02d9e3b576
 *	epoch 4
 *	stopped f81d4fae-7dec-11d0-a765-00a0c91e6bf6 4
 *	sum 0123456789abcdef
 *
 * The highest epoch that it was told under one incarnation (S14), and the boot and the epoch for
 * which it has run the hooks of a fenced host. The sum is FNV-1a over what stands before it. A file
 * that is not there, is another host's, or is damaged is said, and all begins anew: nothing is
 * lost by that but the memory itself.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/agent_line.h"
#include "common/buf.h"
#include "common/result.h"

enum { MEMORY_FILE_MAX = 1024 };

struct memory {
	char host[AGENT_HOST_MAX];
	uint64_t incarnation; /* agent_incarnation(); 0: none yet */
	uint64_t epoch;
	char stopped_boot[AGENT_BOOT_ID_MAX]; /* "": never */
	uint64_t stopped_epoch;
};

/* Return: 0 or -EINVAL. */
MUST_USE int memory_parse(const char *text, size_t length, struct memory *out);
void memory_format(const struct memory *memory, struct buf *out);
/* Of @host; @out is always set. What is not as it should be is said. @path: NULL: none. */
void memory_load(const char *path, const char *host, struct memory *out);
/* Whole or not at all. That it cannot be written is said once. @path: NULL does nothing. */
void memory_store(const char *path, const struct memory *memory);
/* Takes in that a manager of @incarnation (0: it has not said) has told @epoch. Return: true when
 * there is something to store. */
bool memory_told(struct memory *memory, uint64_t incarnation, uint64_t epoch);
