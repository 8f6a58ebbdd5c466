/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose the number of a chassis is. Hosts and switches are named by it, so all that the database
 * knows of "bay1" is of a bay of that chassis: a provider that shows another chassis under the same
 * number would have its hosts fenced, and bound to, in their place. Who shows a number first has
 * it, and that is stored; while its provider is configured, connected or not, nobody else gets it.
 * Where it is not (it was renamed, or replaced), the hardware's evidence decides, the serial
 * numbers of its adapters where they stand, and where there is none, a person (`adopt`).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "fabricd/state.h"

static struct db_chassis *number_find(const struct fabric *f, unsigned number)
{
	for (size_t i = 0; i < f->number_count; i++)
		if (f->numbers[i].number == number)
			return &f->numbers[i];
	return NULL;
}

bool number_load(struct fabric *f, const struct db_chassis *row)
{
	struct db_chassis *grown = realloc(f->numbers, (f->number_count + 1) * sizeof(*f->numbers));

	if (!grown)
		return false;
	f->numbers = grown;
	f->numbers[f->number_count++] = *row;
	return true;
}

static void number_give(struct fabric_provider *p, unsigned number)
{
	struct fabric *f = p->f;
	struct db_chassis *kept = number_find(f, number);
	struct db_chassis row = { .number = number };

	(void)snprintf(row.provider, sizeof(row.provider), "%s", p->name);
	log_notice("provider %s: has chassis %u from now on", p->name, number);
	if (kept)
		*kept = row;
	else if (!number_load(f, &row))
		freeze(f, "out of memory");
	db_put_chassis(batch_open(f), &row);
}

/* Of the chassis' switches, then of its hosts. */
static size_t count_of(const struct provider_scan *scan)
{
	return scan->switch_count + scan->host_count;
}

static uint16_t number_of(const struct provider_scan *scan, size_t i)
{
	return i < scan->switch_count ? scan->switches[i].chassis
				      : scan->hosts[i - scan->switch_count].chassis;
}

static struct fabric_provider *configured(const struct fabric *f, const char *name)
{
	for (size_t i = 0; i < f->provider_count; i++)
		if (!strcmp(f->providers[i]->name, name))
			return f->providers[i];
	return NULL;
}

/* It has been read, and what it shows has other numbers now. */
static bool has_given_up(const struct fabric_provider *p, unsigned number)
{
	for (size_t i = 0; i < p->host_count; i++)
		if (p->hosts[i] && p->hosts[i]->as.chassis == number)
			return false;
	return p->scanned;
}

/* An adapter with this serial number was last seen in this place. */
static bool is_known(const struct fabric *f, const struct provider_scan *scan,
		     const struct provider_adapter *as)
{
	char place[FABRIC_NAME_MAX];

	adapter_place(scan, as, place);
	for (size_t i = 0; i < f->adapters.count; i++) {
		const struct fabric_adapter *adapter = f->adapters.at[i];

		if (!strcmp(adapter->as.serial, as->serial) && !strcmp(adapter->position, place))
			return true;
	}
	return false;
}

/* More of its adapters than not stand where they stood; cards come and go, one by one. */
static bool is_the_same(const struct fabric *f, const struct provider_scan *scan, unsigned number)
{
	size_t known = 0;
	size_t others = 0;

	for (size_t i = 0; i < scan->adapter_count; i++) {
		const struct provider_adapter *as = &scan->adapters[i];
		uint16_t at = as->switch_handle;

		if (!as->serial[0] || !at || at > scan->switch_count ||
		    scan->switches[at - 1].chassis != number)
			continue;
		if (is_known(f, scan, as))
			known++;
		else
			others++;
	}
	return known > others;
}

/* Nobody who is configured has it. Two may have come for one number: the first one has it then. */
static bool is_free(const struct fabric *f, const struct db_chassis *kept)
{
	const struct fabric_provider *keeper = configured(f, kept->provider);

	return !keeper || has_given_up(keeper, (unsigned)kept->number);
}

static bool number_allow(struct fabric_provider *p, const struct provider_scan *scan,
			 uint16_t number, char why[static PROVIDER_TEXT_MAX])
{
	const struct db_chassis *kept = number_find(p->f, number);
	const struct fabric_provider *keeper = kept ? configured(p->f, kept->provider) : NULL;

	if (!kept || keeper == p)
		return true;
	p->clashes = true;
	if (keeper && !is_free(p->f, kept)) {
		(void)snprintf(why, PROVIDER_TEXT_MAX,
			       "chassis %u is provider %.32s's%s: give each chassis a number of "
			       "its own",
			       number, kept->provider,
			       keeper->scanned ? "" : ", which is not connected");
		return false;
	}
	p->clashes = !is_the_same(p->f, scan, number);
	if (!p->clashes)
		return true;
	p->stranger = number;
	(void)snprintf(why, PROVIDER_TEXT_MAX,
		       "chassis %u was provider %.24s's, and this one shows other adapters: if it "
		       "is to be chassis %u from now on, `fabricctl adopt`",
		       number, kept->provider, number);
	return false;
}

bool numbers_allow(struct fabric_provider *p, const struct provider_scan *scan,
		   char why[static PROVIDER_TEXT_MAX])
{
	for (size_t i = 0; i < count_of(scan); i++)
		if (!number_allow(p, scan, number_of(scan, i), why))
			return false;
	return true;
}

void numbers_keep(struct fabric_provider *p, const struct provider_scan *scan)
{
	for (size_t i = 0; i < count_of(scan); i++) {
		const struct db_chassis *kept = number_find(p->f, number_of(scan, i));

		if (!kept || strcmp(kept->provider, p->name) != 0)
			number_give(p, number_of(scan, i));
	}
}

static void stranger_take(struct fabric_provider *p, uint32_t uid)
{
	struct fabric *f = p->f;
	char subject[FABRIC_NAME_MAX];

	(void)snprintf(subject, sizeof(subject), "chassis %u", p->stranger);
	history_audit(f, uid, "adopt", subject, 0, "it is provider %s's, and was %s's", p->name,
		      number_find(f, p->stranger)->provider);
	history_event(f, "fabric.adopted", subject, "it is provider %s's", p->name);
	number_give(p, p->stranger);
	p->stranger = 0;
	p->clashes = false;
	p->retry_ms = f->now_ms; /* it is read again at once */
}

size_t numbers_adopt(struct fabric *f, bool dry_run, uint32_t uid, struct fabric_plan *out)
{
	size_t count = 0;

	for (size_t i = 0; i < f->provider_count; i++) {
		struct fabric_provider *p = f->providers[i];
		const struct db_chassis *kept = number_find(f, p->stranger);
		size_t used = strlen(out->detail);

		if (!p->stranger || !kept || !is_free(f, kept))
			continue;
		(void)snprintf(out->detail + used, sizeof(out->detail) - used,
			       "%schassis %u %s provider %s's, in the place of %s's; then adopt "
			       "again if health says so",
			       used ? "; " : "", p->stranger, dry_run ? "would be" : "is", p->name,
			       kept->provider);
		count++;
		if (!dry_run)
			stranger_take(p, uid);
	}
	return count;
}
