/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configuration files: what is taken over prints as text that gives the same value again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct config first;
static struct config second;

static void check_key(const struct config *c, const struct config_key *key)
{
	char value[128];
	char text[256];
	char why[512];
	char again[128];

	config_format(c, key, value);
	(void)snprintf(text, sizeof(text), "[%s]\n%s=%s\n", key->section, key->name, value);
	if (config_parse(text, strlen(text), "again", why, &second)) {
		(void)fprintf(stderr, "%s\n", why);
		abort();
	}
	config_format(&second, key, again);
	if (strcmp(value, again))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char why[512] = "";
	size_t count;
	const struct config_key *keys = config_keys(&count);
	int r = config_parse((const char *)data, size, "file", why, &first);

	if (r) {
		/* Place and reason, always. */
		if (r < 0 || strncmp(why, "file:", 5) || why[5] < '1' || why[5] > '9')
			abort();
		return 0;
	}
	for (size_t i = 0; i < count; i++)
		check_key(&first, &keys[i]);
	return 0;
}
