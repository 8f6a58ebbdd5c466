/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/beat_datagram.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "common/cursor.h"

_Static_assert(DATAGRAM_TAG == crypto_auth_BYTES, "size of the authenticator");
_Static_assert(DATAGRAM_KEY == crypto_auth_KEYBYTES, "size of the key");

static const uint8_t magic[4] = { 'F', 'A', 'B', 'T' };

int datagram_setup(void)
{
	return sodium_init() < 0 ? -EIO : 0;
}

uint64_t datagram_nonce(void)
{
	uint64_t nonce = 0;

	while (!nonce)
		randombytes_buf(&nonce, sizeof(nonce));
	return nonce;
}

uint64_t datagram_claim(uint64_t stopped, uint64_t still)
{
	return (stopped < UINT32_MAX ? stopped : UINT32_MAX) |
	       (still < UINT32_MAX ? still : UINT32_MAX) << 32;
}

void datagram_claim_read(uint64_t nonce, uint64_t *stopped, uint64_t *still)
{
	*stopped = nonce & UINT32_MAX;
	*still = nonce >> 32;
}

uint64_t datagram_host_hash(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325U;

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 0x100000001b3U;
	return hash;
}

/* ---- the boot id ---- */

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Two digits. */
static int byte_parse(const char *text, uint8_t *out)
{
	int high = digit_value(text[0]);
	int low = high < 0 ? -1 : digit_value(text[1]);

	if (low < 0)
		return -EINVAL;
	*out = (uint8_t)(high << 4 | low);
	return 0;
}

int datagram_boot_id_parse(const char *text, uint8_t out[static DATAGRAM_BOOT_ID])
{
	uint8_t bytes[DATAGRAM_BOOT_ID];

	for (size_t i = 0; i < DATAGRAM_BOOT_ID; i++) {
		if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
			return -EINVAL;
		if (byte_parse(text, &bytes[i]))
			return -EINVAL;
		text += 2;
	}
	if (*text)
		return -EINVAL;
	memcpy(out, bytes, sizeof(bytes));
	return 0;
}

void datagram_boot_id_format(const uint8_t boot_id[static DATAGRAM_BOOT_ID], char out[static 37])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < DATAGRAM_BOOT_ID; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = digits[boot_id[i] >> 4];
		*out++ = digits[boot_id[i] & 15];
	}
	*out = '\0';
}

/* ---- the bytes ---- */

static uint8_t *put_le64(uint8_t *at, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		*at++ = (uint8_t)(v >> 8 * i);
	return at;
}

void datagram_seal(const struct datagram *d, const uint8_t key[static DATAGRAM_KEY],
		   uint8_t out[static DATAGRAM_SIZE])
{
	uint8_t *at = out;

	memcpy(at, magic, sizeof(magic));
	at += sizeof(magic);
	*at++ = DATAGRAM_VERSION;
	*at++ = (uint8_t)d->type;
	*at++ = 0;
	*at++ = 0;
	at = put_le64(at, d->host);
	memcpy(at, d->boot_id, DATAGRAM_BOOT_ID);
	at += DATAGRAM_BOOT_ID;
	at = put_le64(at, d->seq);
	at = put_le64(at, d->epoch);
	at = put_le64(at, d->incarnation);
	at = put_le64(at, d->nonce);
	(void)crypto_auth(at, out, DATAGRAM_CONTENT, key); /* always 0 */
}

/* Return: 0 or -EBADMSG. @reserved must be 0: what a later version may put there is not for us. */
static int head_read(struct cursor *c, struct datagram *d)
{
	uint8_t name[sizeof(magic)];
	uint8_t version;
	uint8_t type;
	uint16_t reserved;

	cursor_bytes(c, name, sizeof(name));
	version = cursor_u8(c);
	type = cursor_u8(c);
	reserved = cursor_le16(c);
	d->host = cursor_le64(c);
	if (c->overrun || memcmp(name, magic, sizeof(magic)) != 0 || version != DATAGRAM_VERSION ||
	    !type || type >= DATAGRAM_TYPES || reserved)
		return -EBADMSG;
	d->type = (enum datagram_type)type;
	return 0;
}

int datagram_host_peek(const uint8_t *bytes, size_t length, uint64_t *host)
{
	struct cursor c = { .at = bytes, .end = bytes + length };
	struct datagram d;

	if (length != DATAGRAM_SIZE || head_read(&c, &d))
		return -EBADMSG;
	*host = d.host;
	return 0;
}

int datagram_open(const uint8_t *bytes, size_t length, const uint8_t key[static DATAGRAM_KEY],
		  struct datagram *out)
{
	struct cursor c = { .at = bytes, .end = bytes + length };
	struct datagram d = { 0 };

	if (length != DATAGRAM_SIZE || head_read(&c, &d))
		return -EBADMSG;
	if (crypto_auth_verify(bytes + DATAGRAM_CONTENT, bytes, DATAGRAM_CONTENT, key))
		return -EPERM;
	cursor_bytes(&c, d.boot_id, DATAGRAM_BOOT_ID);
	d.seq = cursor_le64(&c);
	d.epoch = cursor_le64(&c);
	d.incarnation = cursor_le64(&c);
	d.nonce = cursor_le64(&c);
	*out = d;
	return 0;
}

/* ---- the key ---- */

void datagram_key_make(uint8_t key[static DATAGRAM_KEY])
{
	crypto_auth_keygen(key);
}

int datagram_key_parse(const uint8_t *bytes, size_t length, uint8_t key[static DATAGRAM_KEY])
{
	uint8_t made[DATAGRAM_KEY];

	if (length == DATAGRAM_KEY) {
		memcpy(key, bytes, DATAGRAM_KEY);
		return 0;
	}
	if (length == (size_t)2 * DATAGRAM_KEY + 1 && bytes[length - 1] == '\n')
		length--;
	if (length != (size_t)2 * DATAGRAM_KEY)
		return -EINVAL;
	for (size_t i = 0; i < DATAGRAM_KEY; i++)
		if (byte_parse((const char *)bytes + 2 * i, &made[i]))
			return -EINVAL;
	memcpy(key, made, DATAGRAM_KEY);
	return 0;
}

int datagram_key_load(const char *path, uint8_t key[static DATAGRAM_KEY])
{
	uint8_t bytes[2 * DATAGRAM_KEY + 2];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st = { 0 };
	ssize_t n;
	int r = 0;

	if (fd < 0)
		return -errno;
	n = read(fd, bytes, sizeof(bytes));
	if (n < 0 || fstat(fd, &st))
		r = -errno;
	close(fd);
	if (!r && (st.st_mode & S_IRWXO))
		r = -EPERM;
	if (!r)
		r = datagram_key_parse(bytes, (size_t)n, key);
	sodium_memzero(bytes, sizeof(bytes));
	return r;
}
