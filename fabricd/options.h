/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of fabricd. */
#pragma once

#include "common/log.h"
#include "common/result.h"
#include "fabricd/config.h"

enum { OPTIONS_GO_ON = -1 }; /* what options_parse() returns when the daemon shall run */

struct options {
	const char *config;   /* /etc/fabricd/fabricd.conf unless given */
	bool config_is_given; /* then it must be there */
	const char *db;
	const char *socket;
	enum log_level level;
	struct {
		char name[CONFIG_TEXT_MAX];
		const char *socket;
	} providers[CONFIG_PROVIDERS];
	size_t provider_count;
};

/* Texts of @o are borrowed from @argv. Answers --help and --version itself.
 * Return: OPTIONS_GO_ON, or the exit code to end with. */
MUST_USE int options_parse(int argc, char **argv, struct options *o);

/* Adds the providers of @o to those of @c; one of the same name takes its place.
 * Return: 0, or REFUSE_FIELD when there are more than CONFIG_PROVIDERS. */
MUST_USE int options_apply(const struct options *o, struct config *c);
