/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fabricd/abort_point.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/log.h"

/* Long enough that whoever is answered too early hears of it. */
enum { DURING_US = 50000 };

static struct {
	char point[32]; /* "": none */
	unsigned left;
	bool holds_journal;
} armed;

static void arm(void)
{
	const char *path = getenv("FABRIC_ABORT_FILE");
	FILE *file = path ? fopen(path, "re") : NULL;

	if (!file)
		return;
	if (fscanf(file, "%31[a-z-]:%u", armed.point, &armed.left) != 2)
		armed.point[0] = '\0';
	(void)fclose(file); /* was only read */
	(void)unlink(path); /* if it cannot be, it is read again: the test will not find its end */
}

static bool is_reached(const char *point)
{
	arm();
	if (!armed.left || strcmp(armed.point, point) || --armed.left)
		return false;
	log_notice("abort point: %s", point);
	return true;
}

void abort_point(void *arg, const char *point)
{
	(void)arg;
	if (is_reached(point))
		(void)raise(SIGKILL); /* nothing is flushed, nothing is told */
}

bool abort_point_holds_journal(void)
{
	const struct itimerval soon = { .it_value = { .tv_usec = DURING_US } };

	if (!armed.holds_journal && is_reached("journal-during")) {
		armed.holds_journal = true;
		(void)setitimer(ITIMER_REAL, &soon, NULL); /* SIGALRM, by default, ends us */
	}
	return armed.holds_journal;
}
