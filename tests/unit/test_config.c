/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/night_key.h"
#include "fabricd/config.h"

static struct config config;
static char why[512];

static int parse(const char *text)
{
	why[0] = '\0';
	return config_parse(text, strlen(text), "f", why, &config);
}

static void an_empty_file_gives_every_default(void **unused)
{
	(void)unused;
	assert_int_equal(parse(""), 0);

	assert_int_equal(config.beat_interval_ms, 1000);
	assert_int_equal(config.beat_missed, 5);
	assert_int_equal(config.witness, CONFIG_WITNESS_ANY);
	assert_int_equal(config.storm_percent, 34);
	assert_int_equal(config.storm_min, 2);
	assert_int_equal(config.rate_count, 6);
	assert_int_equal(config.rate_window_ms, 600000);
	assert_int_equal(config.spare_windows, 3);
	assert_int_equal(config.fence_attempts, 10);
	assert_int_equal(config.fence_retry_ms, 30000);
	assert_int_equal(config.command_timeout_ms, 0);
	assert_int_equal(config.command_attempts, 10);
	assert_true(config.repair);
	assert_int_equal(config.repair_retry_ms, 5000);
	assert_string_equal(config.group_ro, "fabric-ro");
	assert_string_equal(config.group_op, "fabric-op");
	assert_string_equal(config.group_admin, "fabric-admin");
	assert_int_equal(config.provider_count, 0);
	assert_int_equal(config.host_count, 0);
}

static void every_key_takes_its_own_default_and_says_it_again(void **unused)
{
	size_t count;
	const struct config_key *keys = config_keys(&count);

	(void)unused;
	for (size_t i = 0; i < count; i++) {
		char text[256];
		char value[128];

		(void)snprintf(text, sizeof(text), "[%s]\n%s = %s\n", keys[i].section, keys[i].name,
			       keys[i].fallback);
		assert_int_equal(parse(text), 0);
		config_format(&config, &keys[i], value);
		assert_true(!strcmp(value, keys[i].fallback) || !strcmp(value, "0ms"));
		assert_true(strlen(keys[i].help) > 0);
	}
}

static void every_number_is_held_to_its_range(void **unused)
{
	size_t count;
	const struct config_key *keys = config_keys(&count);

	(void)unused;
	for (size_t i = 0; i < count; i++) {
		char text[256];
		const uint64_t bad[] = { (uint64_t)keys[i].min - 1, (uint64_t)keys[i].max + 1 };

		if (keys[i].type != CONFIG_NUMBER && keys[i].type != CONFIG_DURATION)
			continue;
		for (size_t n = 0; n < 2; n++) {
			(void)snprintf(text, sizeof(text), "[%s]\n%s = %llu\n", keys[i].section,
				       keys[i].name, (unsigned long long)bad[n]);
			assert_int_equal(parse(text), REFUSE_FIELD);
			assert_non_null(strstr(why, "f:2: "));
		}
		(void)snprintf(text, sizeof(text), "[%s]\n%s = %u\n", keys[i].section, keys[i].name,
			       keys[i].max);
		assert_int_equal(parse(text), 0);
		(void)snprintf(text, sizeof(text), "[%s]\n%s = %u\n", keys[i].section, keys[i].name,
			       keys[i].min);
		assert_int_equal(parse(text), 0);
	}
}

static void a_whole_file_is_taken_over(void **unused)
{
	(void)unused;
	assert_int_equal(parse("\xef\xbb\xbf# a comment\r\n"
			       "[heartbeat] ; fast\r\n"
			       "  interval=200ms\r\n"
			       "missed : 4 ; beats\r\n"
			       "\r\n"
			       "[failover]\n"
			       "witness = all\n"
			       "rate-window = 2 h\n"
			       "[fabric]\n"
			       "repair = off\n"
			       "[access]\n"
			       "group-op = wheel\n"
			       "[provider sim]\n"
			       "socket = /run/fabricd/sim.sock\n"
			       "[provider b]\n"
			       "socket = b.sock\n"
			       "[host ch2/bay7]\n"
			       "uid = 1007"),
			 0);

	assert_int_equal(config.beat_interval_ms, 200);
	assert_int_equal(config.beat_missed, 4);
	assert_int_equal(config.witness, CONFIG_WITNESS_ALL);
	assert_int_equal(config.rate_window_ms, 7200000);
	assert_false(config.repair);
	assert_string_equal(config.group_op, "wheel");
	assert_int_equal(config.provider_count, 2);
	assert_string_equal(config.providers[0].name, "sim");
	assert_string_equal(config.providers[0].socket, "/run/fabricd/sim.sock");
	assert_string_equal(config.providers[1].socket, "b.sock");
	assert_int_equal(config.host_count, 1);
	assert_string_equal(config.hosts[0].name, "ch2/bay7");
	assert_int_equal(config.hosts[0].uid, 1007);
}

/* Each with the line and the reason; nothing of the file is taken over. */
static void a_host_may_be_heard_in_several_ways(void **unused)
{
	const struct config_host *host;

	(void)unused;
	assert_int_equal(parse("[host bay1]\n"
			       "serial = /run/bay1.agent\n"
			       "[host bay2]\n"
			       "key-file = /etc/fabricd/bay2.key\n"
			       "uid = 7\n"
			       "[heartbeat]\n"
			       "udp = 127.0.0.1:7070\n"
			       "unix = /run/beats.sock\n"),
			 0);

	host = config_host_find(&config, "bay1");
	assert_non_null(host);
	assert_string_equal(host->serial, "/run/bay1.agent");
	assert_string_equal(host->key_file, "");
	assert_false(host->has_uid);
	host = config_host_find(&config, "bay2");
	assert_non_null(host);
	assert_string_equal(host->key_file, "/etc/fabricd/bay2.key");
	assert_true(host->has_uid);
	assert_string_equal(config.udp, "127.0.0.1:7070");
	assert_string_equal(config.unix_path, "/run/beats.sock");
}

static void a_fence_is_found_by_its_host(void **unused)
{
	const struct config_fence *fence;

	(void)unused;
	assert_int_equal(parse("[fence bay1]\n"
			       "program = /usr/sbin/fence_dummy\n"
			       "[fence ch2/bay2]\n"
			       "program = /usr/sbin/fence_ipmilan\n"
			       "parameters = /etc/fabricd/bay2.fence\n"
			       "timeout = 2min\n"),
			 0);

	fence = config_fence_find(&config, "bay1");
	assert_non_null(fence);
	assert_string_equal(fence->program, "/usr/sbin/fence_dummy");
	assert_string_equal(fence->parameters, "");
	assert_int_equal(fence->timeout_ms, CONFIG_FENCE_TIMEOUT_MS);
	fence = config_fence_find(&config, "ch2/bay2");
	assert_non_null(fence);
	assert_string_equal(fence->parameters, "/etc/fabricd/bay2.fence");
	assert_int_equal(fence->timeout_ms, 120000);
	assert_null(config_fence_find(&config, "bay2"));
}

static void what_is_wrong_is_refused_with_its_line(void **unused)
{
	static const struct {
		const char *text;
		const char *why;
	} rows[] = {
		{ "[heartbeat]\ninterval = soon\n",
		  "f:2: interval: takes a time from 100ms to 1min (\"200ms\", \"5s\", \"15min\"), "
		  "not soon" },
		{ "[heartbeat]\n\nintervall = 1s\n", "f:3: no such key in [heartbeat]: intervall" },
		{ "\n[heartbeats]\n", "f:2: no such section: [heartbeats]" },
		{ "[provider]\n", "f:1: no such section: [provider]" },
		{ "[]\n", "f:1: no such section: []" },
		{ "missed = 5\n", "f:1: missed: stands before the first [section]" },
		{ "[heartbeat]\nmissed = 5\n[access]\n[heartbeat]\nmissed = 6\n",
		  "f:5: missed: stands in line 2 already" },
		{ "[heartbeat]\nmissed\n", "f:2: neither a [section] nor KEY = VALUE" },
		{ "[heartbeat]\nmissed = 5\n   6\n", "f:3: neither a [section] nor KEY = VALUE" },
		{ "[heartbeat]\nwhat\nmissed = x\n", "f:2: neither a [section] nor KEY = VALUE" },
		{ "[heartbeat\nmissed = 5\n",
		  "f:1: a section is written [NAME], alone on its line" },
		{ "[heartbeat] missed = 5\n",
		  "f:1: a section is written [NAME], alone on its line" },
		{ "[heartbeat]\nmissed = -5\n",
		  "f:2: missed: takes a number from 3 to 100, not -5" },
		{ "[heartbeat]\nmissed = 4294967301\n",
		  "f:2: missed: takes a number from 3 to 100, not 4294967301" },
		{ "[heartbeat]\nmissed = 5x\n",
		  "f:2: missed: takes a number from 3 to 100, not 5x" },
		{ "[heartbeat]\nmissed =\n", "f:2: missed: takes a number from 3 to 100, not " },
		{ "[failover]\nwitness = an\n", "f:2: witness: takes one of none any all, not an" },
		{ "[failover]\nwitness = none any\n",
		  "f:2: witness: takes one of none any all, not none any" },
		{ "[fabric]\nrepair = maybe\n", "f:2: repair: takes yes or no, not maybe" },
		{ "[access]\ngroup-ro =\n", "f:2: group-ro: is empty" },
		{ "[provider a]\nsocket = x\n\n[provider b]\n[access]\n",
		  "f:4: provider b has no socket" },
		{ "[provider a]\n", "f:1: provider a has no socket" },
		{ "[provider a]\nsocket = x\nsocket = y\n", "f:3: socket: given twice" },
		{ "[provider a]\nsocket = x\n[provider a]\n",
		  "f:3: provider a stands in line 1 already" },
		{ "[provider a/b]\n",
		  "f:1: [provider NAME]: a name is 1 to 63 of a-z A-Z 0-9 . _ -" },
		{ "[provider a]\nport = 1\n", "f:2: no such key in [provider NAME]: port" },
		{ "[fence bay1]\n[host bay1]\nuid = 1\n", "f:1: the fence of bay1 has no program" },
		{ "[fence bay1]\nprogram = fence_dummy\n",
		  "f:2: program: not an absolute path: fence_dummy" },
		{ "[fence bay1]\nprogram = /a\nprogram = /b\n", "f:3: program: given twice" },
		{ "[fence bay1]\nprogram = /a\nparameters = b\n",
		  "f:3: parameters: not an absolute path: b" },
		{ "[fence bay1]\nprogram = /a\ntimeout = 99ms\n",
		  "f:3: timeout: takes a time from 100ms to 10min, not 99ms" },
		{ "[fence bay1]\nprogram = /a\npassword = x\n",
		  "f:3: no such key in [fence HOST]: password" },
		{ "[fence bay1]\nprogram = /a\n[fence bay1]\nprogram = /a\n",
		  "f:3: the fence of bay1 stands here already" },
		{ "[host bay1]\n[host bay2]\nuid = 1\n", "f:1: host bay1 has no key of its own" },
		{ "[host bay1]\nserial = x\n", "f:2: serial: not an absolute path: x" },
		{ "[host bay1]\nserial = /a\nserial = /b\n", "f:3: serial: given twice" },
		{ "[host bay1]\nkey-file = k\n", "f:2: key-file: not an absolute path: k" },
		{ "[host bay1]\nmac = x\n", "f:2: no such key in [host NAME]: mac" },
		{ "[heartbeat]\nudp =\n", "f:2: udp: is empty" },
		{ "[host bay1]\nuid = root\n", "f:2: uid: not a user's number: root" },
		{ "[host bay1]\nuid = 4294967295\n", "f:2: uid: not a user's number: 4294967295" },
		{ "[host bay1]\nuid = 1\nuid = 2\n", "f:3: uid: given twice" },
		{ "[host bay1]\nuid = 1\n[host bay1]\nuid = 2\n",
		  "f:3: host bay1 stands here already" },
		{ "[heartbeat]\nmis\x01sed = 5\n", "f:2: a control character (byte 4)" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(&config, 0x5a, sizeof(config));
		assert_int_equal(parse(rows[i].text), REFUSE_FIELD);
		assert_string_equal(why, rows[i].why);
		assert_int_equal(config.beat_missed, 0x5a5a5a5a);
	}
}

/* inih itself would cut them without a word. */
static void a_line_too_long_for_inih_is_refused_and_not_cut(void **unused)
{
	char text[400];

	(void)unused;
	for (int length = 100; length < 300; length++) {
		(void)snprintf(text, sizeof(text), "[access]\n#%0*d\ngroup-ro = x\n", length, 0);
		if (parse(text)) {
			assert_non_null(strstr(why, "f:2: the line is longer than "));
			continue;
		}
		assert_true(length < 200);
		(void)snprintf(text, sizeof(text), "[access]\ngroup-ro = %0*d\n", length - 20, 0);
		if (!parse(text))
			assert_int_equal(strlen(config.group_ro), length - 20);
	}
}

static void a_value_that_does_not_fit_is_refused(void **unused)
{
	char text[400];

	(void)unused;
	(void)snprintf(text, sizeof(text), "[access]\ngroup-ro = %0127d\n", 0);
	assert_int_equal(parse(text), 0);
	(void)snprintf(text, sizeof(text), "[access]\ngroup-ro = %0128d\n", 0);
	assert_int_equal(parse(text), REFUSE_FIELD);
	assert_string_equal(why, "f:2: group-ro: longer than 127 bytes");
	(void)snprintf(text, sizeof(text), "[provider a]\nsocket = /%0106d\n", 0);
	assert_int_equal(parse(text), 0);
	(void)snprintf(text, sizeof(text), "[provider a]\nsocket = /%0107d\n", 0);
	assert_int_equal(parse(text), REFUSE_FIELD);
	assert_string_equal(why, "f:2: socket: longer than 107 bytes");
}

static void more_providers_than_there_is_room_for_are_refused(void **unused)
{
	char text[4096];
	int at = 0;

	(void)unused;
	for (int i = 0; i <= CONFIG_PROVIDERS; i++)
		at += snprintf(text + at, sizeof(text) - (size_t)at, "[provider p%d]\nsocket=s\n",
			       i);

	assert_int_equal(parse(text), REFUSE_FIELD);
	assert_string_equal(why, "f:33: more than 16 providers");
}

/* As roff wants it. */
static void roff(char *out, size_t size, const char *text)
{
	size_t at = 0;

	for (; *text && at + 2 < size; text++) {
		if (*text == '-')
			out[at++] = '\\';
		out[at++] = *text;
	}
	out[at] = '\0';
}

static void number_format(const struct config_key *key, uint32_t n, char out[static 128])
{
	memcpy((uint8_t *)&config + key->offset, &n, sizeof(n));
	config_format(&config, key, out);
}

static void paragraph(const struct config_key *key, char *out, size_t size)
{
	char name[64];
	char help[400];
	char range[300] = "";
	char low[128];
	char high[128];

	roff(name, sizeof(name), key->name);
	roff(help, sizeof(help), key->help);
	if (key->type == CONFIG_NUMBER || key->type == CONFIG_DURATION) {
		number_format(key, key->min, low);
		number_format(key, key->max, high);
		(void)snprintf(range, sizeof(range), ", from %s to %s", low, high);
	}
	roff(low, sizeof(low), key->fallback);
	(void)snprintf(out, size, ".TP\n.B %s\n%c%s.\nDefault %s%s%s.\n", name, help[0] - 32,
		       help + 1, low, range, key->at_start ? "; a change needs a restart" : "");
}

/* What it lacks is printed, to be put there. */
static void the_manual_says_of_each_key_what_the_table_says(void **unused)
{
	static char manual[65536];
	size_t count;
	const struct config_key *keys = config_keys(&count);
	FILE *file = fopen(TEST_DATA "/../../docs/man/fabricd.conf.5", "re");
	unsigned missing = 0;

	(void)unused;
	assert_non_null(file);
	manual[fread(manual, 1, sizeof(manual) - 1, file)] = '\0';
	(void)fclose(file);
	config_init(&config);
	for (size_t i = 0; i < count; i++) {
		char want[1024];

		paragraph(&keys[i], want, sizeof(want));
		if (strstr(manual, want))
			continue;
		print_message("[%s]\n%s", keys[i].section, want);
		missing++;
	}
	assert_int_equal(missing, 0);
}

static void a_file_that_is_not_there_is_named(void **unused)
{
	(void)unused;
	assert_int_equal(config_load("/nonexistent/fabricd.conf", why, &config), -ENOENT);
	assert_string_equal(why, "/nonexistent/fabricd.conf: No such file or directory");
	assert_int_equal(config_load("/", why, &config), -EISDIR);
}

static void a_file_is_read(void **unused)
{
	char path[] = "/tmp/test_config.XXXXXX";
	int fd = mkstemp(path);
	char want[600];

	(void)unused;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "[heartbeat]\nmissed = 9\n", 23), 23);
	assert_int_equal(config_load(path, why, &config), 0);
	assert_int_equal(config.beat_missed, 9);
	assert_int_equal(write(fd, "missed = 9\n", 11), 11);
	assert_int_equal(config_load(path, why, &config), REFUSE_FIELD);
	(void)snprintf(want, sizeof(want), "%s:3: missed: stands in line 2 already", path);
	assert_string_equal(why, want);
	close(fd);
	unlink(path);
}

static const struct config_key *key_called(const char *section, const char *name)
{
	size_t count = 0;
	const struct config_key *keys = config_keys(&count);

	for (size_t i = 0; i < count; i++)
		if (!strcmp(keys[i].section, section) && !strcmp(keys[i].name, name))
			return &keys[i];
	fail_msg("no key %s.%s", section, name);
	return NULL;
}

static void what_a_replay_may_set_is_a_key_with_the_same_choices(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < NIGHT_KEYS; i++) {
		const struct config_key *key =
			key_called(night_keys[i].section, night_keys[i].name);

		assert_int_equal(key->type == CONFIG_DURATION, night_keys[i].is_time);
		assert_int_equal(key->type == CONFIG_CHOICE, night_keys[i].choices != NULL);
		if (night_keys[i].choices)
			assert_string_equal(key->choices, night_keys[i].choices);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_replay_may_set_is_a_key_with_the_same_choices),
		cmocka_unit_test(an_empty_file_gives_every_default),
		cmocka_unit_test(every_key_takes_its_own_default_and_says_it_again),
		cmocka_unit_test(every_number_is_held_to_its_range),
		cmocka_unit_test(a_whole_file_is_taken_over),
		cmocka_unit_test(a_host_may_be_heard_in_several_ways),
		cmocka_unit_test(a_fence_is_found_by_its_host),
		cmocka_unit_test(what_is_wrong_is_refused_with_its_line),
		cmocka_unit_test(a_line_too_long_for_inih_is_refused_and_not_cut),
		cmocka_unit_test(a_value_that_does_not_fit_is_refused),
		cmocka_unit_test(more_providers_than_there_is_room_for_are_refused),
		cmocka_unit_test(the_manual_says_of_each_key_what_the_table_says),
		cmocka_unit_test(a_file_that_is_not_there_is_named),
		cmocka_unit_test(a_file_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
