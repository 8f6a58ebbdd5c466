/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A beat, and the answer to it, as one datagram of 96 bytes: 64 of content, little endian, and an
 * authenticator of 32 over them (libsodium's crypto_auth, HMAC-SHA-512-256) with the key that the
 * host and its manager share. docs/agent-protocol.md has the layout, and one as an example.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/result.h"

enum {
	DATAGRAM_CONTENT = 64,
	DATAGRAM_TAG = 32,
	DATAGRAM_SIZE = DATAGRAM_CONTENT + DATAGRAM_TAG,
	DATAGRAM_KEY = 32,
	DATAGRAM_BOOT_ID = 16,
	DATAGRAM_VERSION = 1,
};

/* A type says its direction, so that nobody's own datagram can be sent back to him. */
enum datagram_type {
	DATAGRAM_BEAT = 1,      /* agent: alive */
	DATAGRAM_LEAVING = 2,   /* agent: going down on purpose; a beat as well */
	DATAGRAM_STATUS = 3,    /* fabricd: the beat @seq counts */
	DATAGRAM_FENCED = 4,    /* fabricd: it does not, the host is fenced */
	DATAGRAM_CHALLENGE = 5, /* fabricd: prove that this boot id is fresh */
	DATAGRAM_RESPONSE = 6,  /* agent: to a challenge; a beat as well */
	DATAGRAM_STOPPED = 7,   /* agent: fenced, and has let go; a beat as well. See below */
	DATAGRAM_TYPES,
};

struct datagram {
	enum datagram_type type;
	uint64_t host; /* datagram_host_hash() of its name: whose key it is */
	uint8_t boot_id[DATAGRAM_BOOT_ID];
	uint64_t seq;         /* of the beat; in an answer, of the beat that is answered */
	uint64_t epoch;       /* of the host, as far as the sender knows; 0: it does not */
	uint64_t incarnation; /* hash of the manager's incarnation; 0: not known */
	uint64_t nonce;       /* of a challenge and its response; else 0, but for STOPPED */
};

/* The nonce of a DATAGRAM_STOPPED: how many functions are used no more, and how many still. Each is
 * 32 bits, or the most that these hold. */
uint64_t datagram_claim(uint64_t stopped, uint64_t still);
void datagram_claim_read(uint64_t nonce, uint64_t *stopped, uint64_t *still);

/* Once, before all others. Return: 0 or -EIO: no source of randomness. */
MUST_USE int datagram_setup(void);

/* Of a challenge: random, never 0. */
uint64_t datagram_nonce(void);

/* FNV-1a, 64 bits, over the bytes of @name. */
uint64_t datagram_host_hash(const char *name);
/* "f81d4fae-7dec-11d0-a765-00a0c91e6bf6" to bytes, in the order of the text. Return: 0 or -EINVAL
 */
MUST_USE int datagram_boot_id_parse(const char *text, uint8_t out[static DATAGRAM_BOOT_ID]);
/* Back: 37 bytes with the NUL. */
void datagram_boot_id_format(const uint8_t boot_id[static DATAGRAM_BOOT_ID], char out[static 37]);

void datagram_seal(const struct datagram *d, const uint8_t key[static DATAGRAM_KEY],
		   uint8_t out[static DATAGRAM_SIZE]);
/* The host that a datagram names, to find its key. Return: 0; -EBADMSG for what is none of ours. */
MUST_USE int datagram_host_peek(const uint8_t *bytes, size_t length, uint64_t *host);
/* Return: 0; -EBADMSG for what is none of ours; -EPERM when the authenticator is wrong. */
MUST_USE int datagram_open(const uint8_t *bytes, size_t length,
			   const uint8_t key[static DATAGRAM_KEY], struct datagram *out);

/* Random. */
void datagram_key_make(uint8_t key[static DATAGRAM_KEY]);
/* A key as it stands in a file: 32 bytes, or 64 hex digits and a newline. Return: 0 or -EINVAL. */
MUST_USE int datagram_key_parse(const uint8_t *bytes, size_t length,
				uint8_t key[static DATAGRAM_KEY]);
/* Reads such a file. Return: 0; -errno; -EPERM when others than its owner and group may read it. */
MUST_USE int datagram_key_load(const char *path, uint8_t key[static DATAGRAM_KEY]);
