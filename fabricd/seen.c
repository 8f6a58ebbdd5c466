/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a host says of itself. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "fabricd/state.h"

int fabric_host_seen(struct fabric *f, const char *name, const char *boot_id,
		     const struct fabric_seen *rows, size_t count)
{
	struct fabric_host *host = host_get(f, name);
	struct fabric_seen *copy;

	(void)boot_id;
	f->now_ms = f->io.now_ms(f->io.arg);
	if (!host)
		return REFUSE_NO_HOST;
	if (count > FABRIC_SEEN_MAX)
		return REFUSE_TOO_LARGE;
	copy = calloc(count + 1, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	if (count)
		memcpy(copy, rows, count * sizeof(*copy));
	free(host->seen);
	host->seen = copy;
	host->seen_count = count;
	host->seen_ms = f->now_ms;
	return 0;
}

void fabric_host_hint(struct fabric *f, const char *name, const char *what)
{
	const struct fabric_host *host = host_get(f, name);

	f->now_ms = f->io.now_ms(f->io.arg);
	if (host)
		log_notice("host %s: %s", host->name, what);
}

void fabric_agent_answered(struct fabric *f, const char *name, uint64_t id,
			   enum fabric_ask_outcome outcome, const char *text)
{
	f->now_ms = f->io.now_ms(f->io.arg);
	log_notice("host %s: answer to %llu: %d %s", name, (unsigned long long)id, (int)outcome,
		   text);
}
