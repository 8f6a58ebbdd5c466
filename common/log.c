/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct {
	const char *program;
	enum log_level level;
	bool journal;
} log_state = { "fabric", LOG_LEVEL_NOTICE, false };

void log_setup(const char *program, enum log_level level)
{
	log_state.program = program;
	log_state.level = level;
	log_state.journal = getenv("JOURNAL_STREAM") != NULL;
}

int log_level_parse(const char *text)
{
	static const char *const names[] = { "err", "warning", "notice", "info", "debug" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(text, names[i]))
			return LOG_LEVEL_ERR + (int)i;
	return -1;
}

void log_line(enum log_level level, const char *format, ...)
{
	char line[1024];
	char when[32] = "";
	va_list args;

	if (level > log_state.level)
		return;
	va_start(args, format);
	(void)vsnprintf(line, sizeof(line), format, args); /* a longer line is cut */
	va_end(args);

	if (log_state.journal) {
		(void)fprintf(stderr, "<%d>%s\n", (int)level, line); /* nowhere else to say it */
		return;
	}
	{
		struct timespec now;
		struct tm tm;

		clock_gettime(CLOCK_REALTIME, &now);
		if (localtime_r(&now.tv_sec, &tm))
			(void)snprintf(when, sizeof(when), "%02d:%02d:%02d.%03d ", tm.tm_hour,
				       tm.tm_min, tm.tm_sec, (int)(now.tv_nsec / 1000000));
	}
	(void)fprintf(stderr, "%s%s: %s\n", when, log_state.program, line);
}
