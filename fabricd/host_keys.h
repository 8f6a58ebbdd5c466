/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keys that were made by 'host enroll', one file for each host in a folder beside the database, of
 * mode 0600. Not in the database: a copy of that goes to places where no key should be, and a
 * restored one must not bring last week's keys back.
 *
 *	host bay7
 *	key 64 hex digits
 *	old 64 hex digits, until the first beat under the new one
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/beat_datagram.h"
#include "common/result.h"
#include "fabricd/config.h"

enum { HOST_KEYS_FILE_MAX = 512, HOST_KEY_TEXT = 2 * DATAGRAM_KEY + 1 };

struct host_keys {
	char host[CONFIG_TEXT_MAX];
	uint8_t key[DATAGRAM_KEY];
	bool has_old;
	uint8_t old[DATAGRAM_KEY];
};

/* Return: 0 or -EINVAL. */
MUST_USE int host_keys_parse(const char *text, size_t length, struct host_keys *out);
/* @fn for each file in @folder; one that cannot be read or is none is said and left out. A folder
 * that is not there is empty. Return: 0 or -errno. */
MUST_USE int host_keys_each(const char *folder, void (*fn)(void *arg, const struct host_keys *keys),
			    void *arg);
/* Makes @folder where it is not there. Durable when it returns 0; else -errno, and what was there
 * before still is. */
MUST_USE int host_keys_store(const char *folder, const struct host_keys *keys);
void host_key_format(const uint8_t key[static DATAGRAM_KEY], char out[static HOST_KEY_TEXT]);
