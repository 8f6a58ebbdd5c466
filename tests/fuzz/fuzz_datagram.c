/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A datagram, as it comes and with the authenticator made good; and a key file. */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/beat_datagram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t key[DATAGRAM_KEY] = { 7 };

static void opened(const uint8_t bytes[static DATAGRAM_SIZE])
{
	struct datagram d;
	uint8_t again[DATAGRAM_SIZE];

	if (datagram_open(bytes, DATAGRAM_SIZE, key, &d))
		return;
	datagram_seal(&d, key, again);
	if (memcmp(bytes, again, DATAGRAM_SIZE) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t bytes[DATAGRAM_SIZE];
	uint8_t made[DATAGRAM_KEY];
	struct datagram d;
	uint64_t host;

	(void)!datagram_host_peek(data, size, &host);
	(void)!datagram_open(data, size, key, &d);
	(void)!datagram_key_parse(data, size, made);
	if (size < DATAGRAM_CONTENT)
		return 0;
	memcpy(bytes, data, DATAGRAM_CONTENT);
	(void)crypto_auth(bytes + DATAGRAM_CONTENT, bytes, DATAGRAM_CONTENT, key);
	opened(bytes);
	return 0;
}
