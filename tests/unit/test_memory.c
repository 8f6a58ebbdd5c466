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

#include "agent/memory.h"
#include "common/log.h"

#define BOOT "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"

static const struct memory full = { .host = "ch2/bay3",
				    .incarnation = 0x8a4f1c02d9e3b576,
				    .epoch = 4,
				    .stopped_boot = BOOT,
				    .stopped_epoch = 4 };

struct rig {
	char folder[64];
	char path[96];
};

static int begin(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	log_setup("test", (enum log_level)0);
	(void)snprintf(rig->folder, sizeof(rig->folder), "/tmp/fabric-memory-XXXXXX");
	assert_non_null(mkdtemp(rig->folder));
	(void)snprintf(rig->path, sizeof(rig->path), "%s/state", rig->folder);
	*state = rig;
	return 0;
}

static int end(void **state)
{
	struct rig *rig = *state;

	(void)unlink(rig->path);
	(void)rmdir(rig->folder);
	free(rig);
	return 0;
}

static void assert_same(const struct memory *a, const struct memory *b)
{
	assert_string_equal(a->host, b->host);
	assert_true(a->incarnation == b->incarnation);
	assert_int_equal(a->epoch, b->epoch);
	assert_string_equal(a->stopped_boot, b->stopped_boot);
	assert_int_equal(a->stopped_epoch, b->stopped_epoch);
}

static void what_was_stored_is_there_in_the_next_life(void **state)
{
	struct rig *rig = *state;
	struct memory got;
	struct stat st;

	memory_store(rig->path, &full);
	memory_load(rig->path, "ch2/bay3", &got);

	assert_same(&got, &full);
	assert_int_equal(stat(rig->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void without_a_path_nothing_is_stored(void **state)
{
	struct memory got;

	(void)state;
	memory_store(NULL, &full);
	memory_load(NULL, "bay1", &got);
	assert_string_equal(got.host, "bay1");
	assert_int_equal(got.epoch, 0);
}

/* Any one byte that is another, missing, or too much. */
static void what_is_damaged_is_begun_anew(void **state)
{
	OWNED(buf_done) struct buf text = { 0 };
	char copy[MEMORY_FILE_MAX];
	struct memory got;

	(void)state;
	memory_format(&full, &text);
	assert_int_equal(memory_parse((char *)text.data, text.length, &got), 0);
	for (size_t i = 0; i < text.length; i++) {
		memcpy(copy, text.data, text.length);
		copy[i] = (char)(copy[i] ^ 1);
		assert_int_equal(memory_parse(copy, text.length, &got), -EINVAL);
		assert_int_equal(memory_parse((char *)text.data, i, &got), -EINVAL);
	}
	memcpy(copy, text.data, text.length);
	copy[text.length] = '\n';
	assert_int_equal(memory_parse(copy, text.length + 1, &got), -EINVAL);
}

static void a_file_of_another_host_or_none_or_a_folder_begins_anew(void **state)
{
	struct rig *rig = *state;
	struct memory got = full;

	memory_load(rig->path, "bay1", &got);
	assert_int_equal(got.epoch, 0);
	memory_store(rig->path, &full);
	memory_load(rig->path, "bay1", &got);
	assert_int_equal(got.epoch, 0);
	assert_string_equal(got.host, "bay1");
	memory_load(rig->folder, "bay1", &got);
	assert_int_equal(got.epoch, 0);
}

static void what_cannot_be_written_leaves_the_one_before(void **state)
{
	struct rig *rig = *state;
	struct memory other = full;
	struct memory got;
	char fresh[112];

	memory_store(rig->path, &full);
	(void)snprintf(fresh, sizeof(fresh), "%s.new", rig->path);
	assert_int_equal(mkdir(fresh, 0700), 0); /* nothing can be written there */
	other.epoch = 9;
	memory_store(rig->path, &other);
	memory_load(rig->path, "ch2/bay3", &got);
	assert_int_equal(got.epoch, 4);
	(void)rmdir(fresh);
}

static void s14_the_highest_epoch_of_one_incarnation_is_kept(void **state)
{
	struct memory m = { 0 };

	(void)state;
	assert_false(memory_told(&m, 0, 7)); /* who does not say who he is tells nothing to keep */
	assert_true(memory_told(&m, 0xaa, 3));
	assert_false(memory_told(&m, 0xaa, 3));
	assert_false(memory_told(&m, 0xaa, 2));
	assert_int_equal(m.epoch, 3);
	assert_true(memory_told(&m, 0xaa, 4));
	assert_true(memory_told(&m, 0xbb, 1)); /* another database begins anew */
	assert_int_equal(m.epoch, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(what_was_stored_is_there_in_the_next_life),
		TEST(without_a_path_nothing_is_stored),
		TEST(what_is_damaged_is_begun_anew),
		TEST(a_file_of_another_host_or_none_or_a_folder_begins_anew),
		TEST(what_cannot_be_written_leaves_the_one_before),
		TEST(s14_the_highest_epoch_of_one_incarnation_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
