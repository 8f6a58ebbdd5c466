/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/beat_datagram.h"

static const uint8_t key[DATAGRAM_KEY] = { 1, 2, 3 };

static struct datagram beat(void)
{
	struct datagram d = { .type = DATAGRAM_BEAT,
			      .host = datagram_host_hash("bay3"),
			      .seq = UINT64_MAX - 1,
			      .epoch = 4,
			      .incarnation = 5,
			      .nonce = 6 };

	assert_int_equal(datagram_boot_id_parse("f81d4fae-7dec-11d0-a765-00a0c91e6bf6", d.boot_id),
			 0);
	return d;
}

static size_t hex_read(const char *text, uint8_t *out, size_t size)
{
	size_t n = 0;

	for (; n < size && text[0] && text[0] != '\n'; text += 2)
		out[n++] = (uint8_t)strtoul((char[]){ text[0], text[1], 0 }, NULL, 16);
	return n;
}

/* The document's bytes were made by another program. */
static void the_example_of_the_document_is_ours_to_the_byte(void **state)
{
	FILE *file = fopen(AGENT_PROTOCOL, "re");
	uint8_t expected[DATAGRAM_SIZE];
	uint8_t made[DATAGRAM_SIZE];
	uint8_t example_key[DATAGRAM_KEY];
	struct datagram d = { .type = DATAGRAM_BEAT };
	char host[64];
	char boot_id[64];
	char line[256];
	unsigned long long seq = 0;
	size_t length = 0;

	(void)state;
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) && strcmp(line, "```datagram\n") != 0)
		;
	assert_non_null(fgets(line, sizeof(line), file));
	assert_int_equal(hex_read(line + 4, example_key, sizeof(example_key)), DATAGRAM_KEY);
	assert_non_null(fgets(line, sizeof(line), file));
	assert_int_equal(sscanf(line, "beat %63s %63s %llu", host, boot_id, &seq), 3);
	while (length < sizeof(expected) && fgets(line, sizeof(line), file))
		length += hex_read(line, expected + length, sizeof(expected) - length);
	(void)fclose(file); /* was only read */
	assert_int_equal(length, DATAGRAM_SIZE);

	d.host = datagram_host_hash(host);
	d.seq = seq;
	assert_int_equal(datagram_boot_id_parse(boot_id, d.boot_id), 0);
	datagram_seal(&d, example_key, made);

	assert_memory_equal(made, expected, DATAGRAM_SIZE);
}

static void what_was_sealed_is_opened_whole(void **state)
{
	struct datagram d = beat();
	struct datagram back = { 0 };
	uint8_t bytes[DATAGRAM_SIZE];
	uint64_t host = 0;
	char text[37];

	(void)state;
	datagram_seal(&d, key, bytes);

	assert_int_equal(datagram_host_peek(bytes, sizeof(bytes), &host), 0);
	assert_true(host == d.host);
	assert_int_equal(datagram_open(bytes, sizeof(bytes), key, &back), 0);
	assert_memory_equal(&back, &d, sizeof(d));
	datagram_boot_id_format(back.boot_id, text);
	assert_string_equal(text, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
}

static void every_bit_that_changes_is_noticed(void **state)
{
	struct datagram d = beat();
	struct datagram back;
	uint8_t bytes[DATAGRAM_SIZE];

	(void)state;
	datagram_seal(&d, key, bytes);
	for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
		bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
		assert_int_not_equal(datagram_open(bytes, sizeof(bytes), key, &back), 0);
		bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	assert_int_equal(datagram_open(bytes, sizeof(bytes), key, &back), 0);
}

static void another_key_opens_nothing(void **state)
{
	const uint8_t other[DATAGRAM_KEY] = { 1, 2, 4 };
	struct datagram d = beat();
	struct datagram back;
	uint8_t bytes[DATAGRAM_SIZE];

	(void)state;
	datagram_seal(&d, other, bytes);

	assert_int_equal(datagram_open(bytes, sizeof(bytes), key, &back), -EPERM);
}

static void another_length_version_or_type_is_none_of_ours(void **state)
{
	struct datagram d = beat();
	struct datagram back;
	uint8_t bytes[DATAGRAM_SIZE + 1] = { 0 };

	(void)state;
	datagram_seal(&d, key, bytes);
	assert_int_equal(datagram_open(bytes, DATAGRAM_SIZE - 1, key, &back), -EBADMSG);
	assert_int_equal(datagram_open(bytes, DATAGRAM_SIZE + 1, key, &back), -EBADMSG);
	assert_int_equal(datagram_open(bytes, 0, key, &back), -EBADMSG);
	d.type = DATAGRAM_TYPES;
	datagram_seal(&d, key, bytes); /* a good authenticator does not help */
	assert_int_equal(datagram_open(bytes, DATAGRAM_SIZE, key, &back), -EBADMSG);
}

static void only_a_whole_uuid_is_a_boot_id(void **state)
{
	uint8_t out[DATAGRAM_BOOT_ID];

	(void)state;
	assert_int_equal(datagram_boot_id_parse("", out), -EINVAL);
	assert_int_equal(datagram_boot_id_parse("f81d4fae", out), -EINVAL);
	assert_int_equal(datagram_boot_id_parse("f81d4fae-7dec-11d0-a765-00a0c91e6bf", out),
			 -EINVAL);
	assert_int_equal(datagram_boot_id_parse("f81d4fae-7dec-11d0-a765-00a0c91e6bf67", out),
			 -EINVAL);
}

static void a_key_file_is_bytes_or_digits_and_for_few_eyes(void **state)
{
	char folder[] = "/tmp/fabric-key-XXXXXX";
	char path[64];
	uint8_t loaded[DATAGRAM_KEY];
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/key", folder);
	assert_int_equal(datagram_key_load(path, loaded), -ENOENT);
	file = fopen(path, "we");
	assert_non_null(file);
	for (int i = 0; i < DATAGRAM_KEY; i++)
		(void)fprintf(file, "%02x", key[i]);
	(void)fprintf(file, "\n");
	assert_int_equal(fclose(file), 0);

	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(datagram_key_load(path, loaded), -EPERM);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(datagram_key_load(path, loaded), 0);
	assert_memory_equal(loaded, key, sizeof(key));
	assert_int_equal(truncate(path, 40), 0);
	assert_int_equal(datagram_key_load(path, loaded), -EINVAL);
	assert_int_equal(truncate(path, DATAGRAM_KEY), 0);
	assert_int_equal(datagram_key_load(path, loaded), 0);

	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_the_document_is_ours_to_the_byte),
		cmocka_unit_test(what_was_sealed_is_opened_whole),
		cmocka_unit_test(every_bit_that_changes_is_noticed),
		cmocka_unit_test(another_key_opens_nothing),
		cmocka_unit_test(another_length_version_or_type_is_none_of_ours),
		cmocka_unit_test(only_a_whole_uuid_is_a_boot_id),
		cmocka_unit_test(a_key_file_is_bytes_or_digits_and_for_few_eyes),
	};

	if (datagram_setup())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
