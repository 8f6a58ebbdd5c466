/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/expire.h"

#include "db/chain.h"

/*
 * ?1 older than this, ?2 beyond so many of this kind, ?3 so many stay in any case. At most some
 * thousand rows at a time: some 10 ms. The journal's open part is never touched; a change stays
 * while an incident or an idempotency key refers to it.
 */
#define ENDED_CHANGES                                                                       \
	"SELECT id FROM change WHERE state<>'running'"                                      \
	" AND id <= coalesce((SELECT max(id) FROM change), 0) - ?3"                         \
	" AND (ended_wall_ms < ?1 OR id <= coalesce((SELECT max(id) FROM change), 0) - ?2)" \
	" AND NOT EXISTS (SELECT 1 FROM incident i WHERE i.change=change.id)"               \
	" AND NOT EXISTS (SELECT 1 FROM idempotency k WHERE k.change=change.id)"            \
	" ORDER BY id LIMIT 200"

static const struct {
	const char *text;
	bool is_of_events;
} statements[] = {
	{ "DELETE FROM event WHERE n IN (SELECT n FROM event"
	  " WHERE n <= (SELECT max(n) FROM event) - ?3"
	  " AND (wall_ms < ?1 OR n <= (SELECT max(n) FROM event) - ?2) ORDER BY n LIMIT 5000)",
	  true },
	{ "DELETE FROM step WHERE incident IN (SELECT id FROM incident i WHERE state='done'"
	  " AND id <= (SELECT max(id) FROM incident) - ?3"
	  " AND (ended_wall_ms < ?1 OR id <= (SELECT max(id) FROM incident) - ?2)"
	  " AND EXISTS (SELECT 1 FROM step s WHERE s.incident=i.id) ORDER BY id LIMIT 200)",
	  false },
	{ "DELETE FROM record WHERE incident IN (SELECT id FROM incident i WHERE state='done'"
	  " AND id <= (SELECT max(id) FROM incident) - ?3"
	  " AND (ended_wall_ms < ?1 OR id <= (SELECT max(id) FROM incident) - ?2)"
	  " AND EXISTS (SELECT 1 FROM record r WHERE r.incident=i.id) ORDER BY id LIMIT 200)",
	  false },
	{ "DELETE FROM item WHERE change IN (" ENDED_CHANGES ")", false },
	{ "DELETE FROM change WHERE id IN (" ENDED_CHANGES ")", false },
};

static int statement_run(struct db *db, const char *text, uint64_t before, uint64_t most,
			 uint64_t keep)
{
	sqlite3_stmt *one = NULL;
	int answer = sqlite3_prepare_v2(db->sql, text, -1, &one, NULL);

	if (answer == SQLITE_OK)
		answer = sqlite3_bind_int64(one, 1, (sqlite3_int64)before);
	if (answer == SQLITE_OK)
		answer = sqlite3_bind_int64(one, 2, (sqlite3_int64)most);
	if (answer == SQLITE_OK)
		answer = sqlite3_bind_int64(one, 3, (sqlite3_int64)keep);
	if (answer == SQLITE_OK)
		answer = sqlite3_step(one);
	(void)sqlite3_finalize(one); /* says again what step said */
	return answer == SQLITE_DONE ? SQLITE_OK : answer;
}

int db_expire(struct db *db, struct db_row row)
{
	const uint8_t *at = row.at;
	uint64_t before = db_row_number(&at);
	uint64_t events = db_row_number(&at);
	uint64_t changes = db_row_number(&at);
	uint64_t keep = db_row_number(&at);
	uint64_t audit = db_row_number(&at);
	int answer = SQLITE_OK;

	for (size_t i = 0; answer == SQLITE_OK && i < sizeof(statements) / sizeof(*statements); i++)
		answer = statement_run(db, statements[i].text, before,
				       statements[i].is_of_events ? events : changes, keep);
	return answer == SQLITE_OK ? db_chain_cut(db, audit) : answer;
}
