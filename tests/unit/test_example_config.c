/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration that is installed: good, whole, and showing the defaults as they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fabricd/config.h"

enum { SIZE = 65536 };

static size_t example_read(char *text)
{
	FILE *f = fopen(EXAMPLE_CONFIG, "r");
	size_t length;

	assert_non_null(f);
	length = fread(text, 1, SIZE - 1, f);
	assert_true(length > 0 && length < SIZE - 1);
	text[length] = '\0';
	(void)fclose(f); /* only read */
	return length;
}

/* "#key = value" and "#[section" lose their mark; sentences begin with "# ". */
static void uncomment(char *text)
{
	char *to = text;

	for (char *from = text; *from; from++) {
		bool starts = from == text || from[-1] == '\n';

		if (starts && *from == '#' && from[1] != ' ')
			continue;
		*to++ = *from;
	}
	*to = '\0';
}

static void the_example_is_taken_as_it_is(void **unused)
{
	struct config defaults;
	struct config c;
	char why[512];

	(void)unused;
	if (config_load(EXAMPLE_CONFIG, why, &c))
		fail_msg("%s", why);
	config_init(&defaults);
	assert_int_equal(c.provider_count, 0);
	assert_int_equal(c.beat_interval_ms, defaults.beat_interval_ms);
}

static void the_example_shows_every_key_with_its_default(void **unused)
{
	static char text[SIZE];
	const struct config_key *keys;
	size_t count;

	(void)unused;
	(void)example_read(text);
	keys = config_keys(&count);
	for (size_t i = 0; i < count; i++) {
		char section[128];
		char line[256];
		const char *at;

		(void)snprintf(section, sizeof(section), "\n[%s]\n", keys[i].section);
		(void)snprintf(line, sizeof(line), "\n#%s = %s\n", keys[i].name, keys[i].fallback);
		at = strstr(text, section);
		if (!at || !strstr(at, line))
			fail_msg("no \"%s = %s\" in [%s]", keys[i].name, keys[i].fallback,
				 keys[i].section);
	}
}

static void the_example_is_good_with_every_line_in_force(void **unused)
{
	static char text[SIZE];
	struct config c;
	char why[512];

	(void)unused;
	(void)example_read(text);
	uncomment(text);
	if (config_parse(text, strlen(text), "example", why, &c))
		fail_msg("%s", why);
	assert_int_equal(c.provider_count, 1);
	assert_int_equal(c.host_count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_is_taken_as_it_is),
		cmocka_unit_test(the_example_shows_every_key_with_its_default),
		cmocka_unit_test(the_example_is_good_with_every_line_in_force),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
