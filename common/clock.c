/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/clock.h"

#include <stdio.h>
#include <time.h>

static uint64_t clock_read_us(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t clock_boot_ms(void)
{
	return clock_read_us(CLOCK_BOOTTIME) / 1000;
}

uint64_t clock_boot_us(void)
{
	return clock_read_us(CLOCK_BOOTTIME);
}

void clock_boot_id(char out[static CLOCK_BOOT_ID_MAX])
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!file || !fgets(out, CLOCK_BOOT_ID_MAX, file))
		out[0] = '\0';
	if (file)
		(void)fclose(file); /* was only read */
}

uint64_t clock_wall_ms(void)
{
	return clock_read_us(CLOCK_REALTIME) / 1000;
}

struct timeval clock_timeval(uint64_t ms)
{
	return (struct timeval){ .tv_sec = (time_t)(ms / 1000),
				 .tv_usec = (suseconds_t)(ms % 1000 * 1000) };
}

struct timeval clock_timeval_until(uint64_t at_ms)
{
	uint64_t now_ms = clock_boot_ms();

	return clock_timeval(at_ms > now_ms ? at_ms - now_ms : 0);
}

void clock_wall_format(uint64_t wall_ms, char out[static 32])
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm = { 0 };

	if (!gmtime_r(&seconds, &tm)) {
		out[0] = '\0';
		return;
	}
	(void)snprintf(out, 32, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (tm.tm_year + 1900) % 10000,
		       (tm.tm_mon + 1) % 100, tm.tm_mday % 100, tm.tm_hour % 100, tm.tm_min % 100,
		       tm.tm_sec % 100, (int)(wall_ms % 1000));
}
