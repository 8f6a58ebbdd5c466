/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What counts by how often it was within a time: the failovers of a chassis (S5), and how often a
 * host has come back from silence or was found dead (S10). Kept in the database, for a restart is
 * no reason to begin anew.
 *
 * Times are those of the boot-time clock (S2), and count while the machine that this manager runs
 * on is in the same boot. What is of another boot, whose clock says nothing today, counts as just
 * now, and is stored as that: it may hold up a failover for one more window, and never allows one
 * too many. So that this does not hit what is long over, each goes when its window is.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/defect.h"
#include "fabricd/state.h"

static bool turn_keep(struct fabric *f, const struct db_turn *turn)
{
	if (f->turn_count == f->turn_room) {
		size_t room = f->turn_room ? f->turn_room * 2 : 16;
		struct db_turn *grown = realloc(f->turns, room * sizeof(*grown));

		if (!grown)
			return false;
		f->turns = grown;
		f->turn_room = room;
	}
	f->turns[f->turn_count++] = *turn;
	if (f->next_turn <= turn->id)
		f->next_turn = turn->id + 1;
	return true;
}

static void turn_drop(struct fabric *f, size_t i)
{
	db_remove_turn(batch_open(f), f->turns[i].id);
	f->turn_count--;
	memmove(&f->turns[i], &f->turns[i + 1], (f->turn_count - i) * sizeof(f->turns[0]));
}

static void boot_say(const struct fabric *f, struct db_turn *turn)
{
	(void)snprintf(turn->boot_id, sizeof(turn->boot_id), "%s",
		       f->io.boot_id ? f->io.boot_id : "");
}

static void turn_note(struct fabric *f, enum db_turn_kind kind, const struct fabric_host *host,
		      uint16_t chassis)
{
	const struct fabric_provider *p = provider_of_host(f, host);
	struct db_turn turn = {
		.id = f->next_turn, .kind = kind, .chassis = chassis, .at_ms = f->now_ms
	};

	(void)snprintf(turn.host, sizeof(turn.host), "%s", host->name);
	(void)snprintf(turn.provider, sizeof(turn.provider), "%s", p ? p->name : "");
	boot_say(f, &turn);
	if (turn_keep(f, &turn))
		db_put_turn(batch_open(f), &turn);
	else
		freeze(f, "out of memory");
}

void failover_note(struct fabric *f, struct chassis *c, const struct fabric_host *host)
{
	live_rate_note(&c->rate, f->now_ms);
	turn_note(f, DB_TURN_FAILOVER, host, c->number);
}

void flap_note(struct fabric *f, struct fabric_host *host)
{
	if (!f->config.flap_count)
		return;
	live_rate_note(&host->flaps, f->now_ms);
	turn_note(f, DB_TURN_FLAP, host, host->as.chassis);
}

void flaps_forget(struct fabric *f, struct fabric_host *host)
{
	host->flaps.count = 0;
	for (size_t i = f->turn_count; i-- > 0;)
		if (f->turns[i].kind == DB_TURN_FLAP && !strcmp(f->turns[i].host, host->name))
			turn_drop(f, i);
}

/* ---- over a restart ---- */

bool turn_load(struct fabric *f, const struct db_turn *row)
{
	return DEFECT(TURNS_FORGOTTEN) || turn_keep(f, row);
}

/* Its time is one of this boot's clock, and has been. */
static bool is_dated(const struct fabric *f, const struct db_turn *turn)
{
	return f->io.boot_id && turn->boot_id[0] && !strcmp(turn->boot_id, f->io.boot_id) &&
	       turn->at_ms <= f->now_ms;
}

void turns_start(struct fabric *f)
{
	for (size_t i = 0; i < f->turn_count; i++) {
		struct db_turn *turn = &f->turns[i];
		struct fabric_host *host = host_get(f, turn->host);

		if (!is_dated(f, turn)) {
			turn->at_ms = f->now_ms;
			boot_say(f, turn);
			db_put_turn(batch_open(f), turn);
		}
		if (turn->kind == DB_TURN_FLAP && host)
			live_rate_note(&host->flaps, turn->at_ms);
	}
}

void turns_count(const struct fabric *f, struct chassis *c)
{
	for (size_t i = 0; i < f->turn_count; i++) {
		const struct db_turn *turn = &f->turns[i];

		/* A number is one provider's, whatever it was called then (numbers.c). */
		if (turn->kind == DB_TURN_FAILOVER && turn->chassis == c->number)
			live_rate_note(&c->rate, turn->at_ms);
	}
}

void turns_expire(struct fabric *f)
{
	const uint32_t windows[DB_TURN_KINDS] = {
		[DB_TURN_FAILOVER] = f->config.rate_window_ms,
		[DB_TURN_FLAP] = f->config.flap_window_ms,
	};

	for (size_t i = f->frozen ? 0 : f->turn_count; i-- > 0;)
		if (f->now_ms - f->turns[i].at_ms >= windows[f->turns[i].kind])
			turn_drop(f, i);
}
