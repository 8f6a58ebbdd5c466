/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fabricd/options.h"

enum { ARGS = 24 };

static struct options options;
static struct config config;

/* @line is split at blanks. */
static int parse(const char *line)
{
	static char text[2048];
	char *argv[ARGS] = { text };
	int argc = 0;

	(void)snprintf(text, sizeof(text), "%s", line);
	for (char *word = strtok(text, " "); word && argc < ARGS - 1; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	optind = 0; /* glibc: begin anew */
	return options_parse(argc, argv, &options);
}

static void nothing_given_means_the_defaults_of_the_contract(void **unused)
{
	(void)unused;
	assert_int_equal(parse("fabricd"), OPTIONS_GO_ON);

	assert_string_equal(options.config, "/etc/fabricd/fabricd.conf");
	assert_false(options.config_is_given);
	assert_string_equal(options.db, "/var/lib/fabricd/fabricd.db");
	assert_string_equal(options.socket, "/run/fabricd/fabricd.sock");
	assert_int_equal(options.provider_count, 0);
	assert_int_equal(options.level, LOG_LEVEL_NOTICE);
}

static void everything_given_is_taken(void **unused)
{
	(void)unused;
	assert_int_equal(parse("fabricd --config /c --db /d --socket /s --foreground "
			       "--provider sim=/p --provider=qemu=/q=1 --log-level debug"),
			 OPTIONS_GO_ON);

	assert_string_equal(options.config, "/c");
	assert_true(options.config_is_given);
	assert_string_equal(options.db, "/d");
	assert_string_equal(options.socket, "/s");
	assert_int_equal(options.provider_count, 2);
	assert_string_equal(options.providers[0].name, "sim");
	assert_string_equal(options.providers[0].socket, "/p");
	assert_string_equal(options.providers[1].name, "qemu");
	assert_string_equal(options.providers[1].socket, "/q=1");
	assert_int_equal(options.level, LOG_LEVEL_DEBUG);
}

static void what_is_no_option_ends_with_2(void **unused)
{
	static const char *const lines[] = {
		"fabricd --what",
		"fabricd word",
		"fabricd --db",
		"fabricd --db=",
		"fabricd --socket=",
		"fabricd --provider sim",
		"fabricd --provider =x",
		"fabricd --provider sim=",
		"fabricd --provider a/b=x",
		"fabricd --provider sim=a --provider sim=b",
		"fabricd --log-level loud",
		"fabricd --provider "
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=x",
		"fabricd --socket /"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(parse(lines[i]), 2);
}

static void help_and_version_end_with_0(void **unused)
{
	(void)unused;
	assert_int_equal(parse("fabricd --version"), 0);
	assert_int_equal(parse("fabricd --help --what"), 0);
}

static void a_provider_given_takes_the_place_of_one_configured(void **unused)
{
	static const char file[] = "[provider a]\nsocket=/a\n[provider b]\nsocket=/b\n";
	char why[512];

	(void)unused;
	assert_int_equal(config_parse(file, strlen(file), "f", why, &config), 0);
	assert_int_equal(parse("fabricd --provider b=/other --provider c=/c"), OPTIONS_GO_ON);

	assert_int_equal(options_apply(&options, &config), 0);

	assert_int_equal(config.provider_count, 3);
	assert_string_equal(config.providers[0].socket, "/a");
	assert_string_equal(config.providers[1].socket, "/other");
	assert_string_equal(config.providers[2].name, "c");
	assert_string_equal(config.providers[2].socket, "/c");
}

static void providers_beyond_the_room_are_refused(void **unused)
{
	(void)unused;
	config_init(&config);
	config.provider_count = CONFIG_PROVIDERS;
	assert_int_equal(parse("fabricd --provider x=/x"), OPTIONS_GO_ON);

	assert_int_equal(options_apply(&options, &config), REFUSE_FIELD);
	assert_int_equal(config.provider_count, CONFIG_PROVIDERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_given_means_the_defaults_of_the_contract),
		cmocka_unit_test(everything_given_is_taken),
		cmocka_unit_test(what_is_no_option_ends_with_2),
		cmocka_unit_test(help_and_version_end_with_0),
		cmocka_unit_test(a_provider_given_takes_the_place_of_one_configured),
		cmocka_unit_test(providers_beyond_the_room_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
