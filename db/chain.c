/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "db/file.h"

_Static_assert(DB_HASH == crypto_generichash_BYTES, "the hash of libsodium");

/* What a row says; texts are borrowed. */
struct content {
	uint64_t id;
	uint64_t wall_ms;
	uint64_t uid;
	const char *texts[3]; /* action, subject, detail */
	size_t lengths[3];
	uint64_t change;
};

/* A place in the chain. */
struct link {
	uint64_t id;
	uint8_t hash[DB_HASH];
};

static void close_at(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd); /* read from, or synced before */
}

static void finalize_at(sqlite3_stmt **statement)
{
	(void)sqlite3_finalize(*statement); /* its error was told */
}

/* ---- hashes; these calls cannot fail with lengths that are constants ---- */

static void hash_number(crypto_generichash_state *state, uint64_t n)
{
	uint8_t bytes[8];

	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(n >> (8 * i));
	(void)crypto_generichash_update(state, bytes, sizeof(bytes));
}

static void hash_text(crypto_generichash_state *state, const char *text, size_t length)
{
	hash_number(state, length);
	(void)crypto_generichash_update(state, (const uint8_t *)text, length);
}

static void row_hash(const uint8_t key[static DB_HASH], const uint8_t before[static DB_HASH],
		     const struct content *row, uint8_t out[static DB_HASH])
{
	crypto_generichash_state state;
	uint8_t hash[DB_HASH];

	(void)crypto_generichash_init(&state, key, DB_HASH, DB_HASH);
	(void)crypto_generichash_update(&state, before, DB_HASH);
	hash_number(&state, row->id);
	hash_number(&state, row->wall_ms);
	hash_number(&state, row->uid);
	for (size_t i = 0; i < 3; i++)
		hash_text(&state, row->texts[i], row->lengths[i]);
	hash_number(&state, row->change);
	(void)crypto_generichash_final(&state, hash, DB_HASH);
	memcpy(out, hash, DB_HASH); /* @before and @out may be one */
}

/* Of a word for what it is used for, and a place. */
static void mac_make(const uint8_t key[static DB_HASH], const char *word, const struct link *link,
		     uint8_t out[static DB_HASH])
{
	crypto_generichash_state state;

	(void)crypto_generichash_init(&state, key, DB_HASH, DB_HASH);
	hash_text(&state, word, strlen(word));
	hash_number(&state, link->id);
	(void)crypto_generichash_update(&state, link->hash, DB_HASH);
	(void)crypto_generichash_final(&state, out, DB_HASH);
}

static void genesis(const uint8_t key[static DB_HASH], struct link *out)
{
	const struct link nothing = { 0 };

	*out = (struct link){ 0 };
	mac_make(key, "genesis", &nothing, out->hash);
}

static void hex_format(const uint8_t hash[static DB_HASH], char out[static DB_HASH_TEXT])
{
	(void)sodium_bin2hex(out, DB_HASH_TEXT, hash, DB_HASH);
}

static bool hex_parse(const char *text, uint8_t out[static DB_HASH])
{
	size_t length;

	return strlen(text) == (size_t)2 * DB_HASH &&
	       !sodium_hex2bin(out, DB_HASH, text, (size_t)2 * DB_HASH, NULL, &length, NULL) &&
	       length == DB_HASH;
}

/* ---- the key ---- */

static int key_make(const char *path, const char *name, char *why)
{
	OWNED(close) int fd = -1;
	uint8_t key[DB_HASH];
	char draft[PATH_MAX];
	int r = db_file_beside(path, ".audit-key.new", why, draft);

	if (r)
		return r;
	(void)unlink(draft); /* of an attempt that was cut short */
	fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || getrandom(key, sizeof(key), 0) != sizeof(key) ||
	    write(fd, key, sizeof(key)) != sizeof(key)) {
		r = errno ? -errno : -EIO;
		db_say(why, "%s: cannot be made: %s", name, strerror(-r));
		return r;
	}
	sodium_memzero(key, sizeof(key));
	db_file_hand_over(draft);
	return db_file_rename_new(draft, name, why);
}

static int key_read(const char *name, char *why, uint8_t key[static DB_HASH])
{
	OWNED(close) int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	uint8_t bytes[DB_HASH + 1];
	ssize_t n;
	int r;

	if (fd < 0) {
		r = -errno;
		db_say(why, "%s: the key of the audit cannot be read: %s", name, strerror(-r));
		return r;
	}
	n = read(fd, bytes, sizeof(bytes));
	if (n != DB_HASH) {
		db_say(why,
		       "%s: is no key of %d bytes: put it back from a copy; or remove it, and the "
		       "audit goes on with another one",
		       name, DB_HASH);
		return -EBADMSG;
	}
	memcpy(key, bytes, DB_HASH);
	return 0;
}

int db_chain_key(const char *path, bool may_make, char *why, uint8_t key[static DB_HASH])
{
	char name[PATH_MAX];
	int r = db_file_beside(path, ".audit-key", why, name);

	if (!r && may_make && access(name, F_OK) && errno == ENOENT)
		r = key_make(path, name, why);
	return r ? r : key_read(name, why, key);
}

/* ---- meta ---- */

static int meta_put(struct db *db, const char *name, const char *value)
{
	OWNED(finalize) sqlite3_stmt *put = NULL;
	int answer = sqlite3_prepare_v2(db->sql,
					"INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO "
					"UPDATE SET value=excluded.value",
					-1, &put, NULL);

	if (answer == SQLITE_OK)
		answer = sqlite3_bind_text(put, 1, name, -1, SQLITE_STATIC);
	if (answer == SQLITE_OK)
		answer = sqlite3_bind_text(put, 2, value, -1, SQLITE_STATIC);
	if (answer == SQLITE_OK)
		answer = sqlite3_step(put);
	return answer == SQLITE_DONE ? SQLITE_OK : answer;
}

static int link_put(struct db *db, const char *name, const struct link *link)
{
	char hash[DB_HASH_TEXT];
	char mac[DB_HASH_TEXT];
	uint8_t bytes[DB_HASH];
	char text[192];

	mac_make(db->chain.key, name, link, bytes);
	hex_format(bytes, mac);
	hex_format(link->hash, hash);
	(void)snprintf(text, sizeof(text), "%llu %s %s", (unsigned long long)link->id, hash, mac);
	return meta_put(db, name, text);
}

/* Return: 0; -ENOENT when it is not there; -EBADMSG when it is not of this key. */
static int link_get(struct db *db, const uint8_t key[static DB_HASH], const char *name,
		    struct link *out)
{
	char ask[96];
	char text[DB_TEXT_MAX];
	char hash[DB_HASH_TEXT + 1];
	char mac[DB_HASH_TEXT + 1];
	unsigned long long id;
	uint8_t said[DB_HASH];
	uint8_t is[DB_HASH];
	int r;

	(void)snprintf(ask, sizeof(ask), "SELECT value FROM meta WHERE key='%s'", name);
	r = db_ask_text(db, ask, NULL, text);
	if (r || !text[0])
		return r ? r : -ENOENT;
	if (sscanf(text, "%20llu %65s %65s", &id, hash, mac) != 3 || !hex_parse(hash, out->hash) ||
	    !hex_parse(mac, said))
		return -EBADMSG;
	out->id = id;
	mac_make(key, name, out, is);
	return sodium_memcmp(said, is, DB_HASH) ? -EBADMSG : 0;
}

static void key_id(const uint8_t key[static DB_HASH], char out[static DB_HASH_TEXT])
{
	const struct link nothing = { 0 };
	uint8_t hash[DB_HASH];

	mac_make(key, "key", &nothing, hash);
	hex_format(hash, out);
}

/* ---- rows ---- */

static const char all_rows[] = "SELECT id, wall_ms, uid, action, subject, detail, change, hash"
			       " FROM audit WHERE id > ?1 ORDER BY id";

static void content_read(sqlite3_stmt *rows, struct content *out)
{
	out->id = (uint64_t)sqlite3_column_int64(rows, 0);
	out->wall_ms = (uint64_t)sqlite3_column_int64(rows, 1);
	out->uid = (uint64_t)sqlite3_column_int64(rows, 2);
	for (int i = 0; i < 3; i++) {
		const char *text = (const char *)sqlite3_column_text(rows, 3 + i);

		out->texts[i] = text ? text : "";
		out->lengths[i] = text ? (size_t)sqlite3_column_bytes(rows, 3 + i) : 0;
	}
	out->change = (uint64_t)sqlite3_column_int64(rows, 6);
}

static int row_put(struct db *db, const struct content *row, const char *hash)
{
	sqlite3_stmt *put = db->writes[DB_AUDIT];
	int answer = sqlite3_bind_int64(put, 1, (sqlite3_int64)row->id);

	if (answer == SQLITE_OK)
		answer = sqlite3_bind_int64(put, 2, (sqlite3_int64)row->wall_ms);
	if (answer == SQLITE_OK)
		answer = sqlite3_bind_int64(put, 3, (sqlite3_int64)row->uid);
	for (int i = 0; answer == SQLITE_OK && i < 3; i++)
		answer = sqlite3_bind_text(put, 4 + i, row->texts[i], (int)row->lengths[i],
					   SQLITE_STATIC);
	if (answer == SQLITE_OK)
		answer = row->change ? sqlite3_bind_int64(put, 7, (sqlite3_int64)row->change)
				     : sqlite3_bind_null(put, 7);
	if (answer == SQLITE_OK)
		answer = sqlite3_bind_text(put, 8, hash, -1, SQLITE_STATIC);
	if (answer == SQLITE_OK)
		answer = sqlite3_step(put);
	(void)sqlite3_reset(put); /* says again what step said */
	return answer == SQLITE_DONE ? SQLITE_OK : answer;
}

/* A row that somebody else has put there keeps its number, and will be found. */
static int row_add(struct db *db, struct content *row)
{
	char hash[DB_HASH_TEXT];
	uint64_t last = 0;

	/* Within a transaction nobody else writes. */
	if (!db->chain.is_moved && db_ask_number(db, "SELECT max(id) FROM audit", NULL, &last))
		return sqlite3_errcode(db->sql);
	row->id = (last > db->chain.id ? last : db->chain.id) + 1;
	row_hash(db->chain.key, db->chain.hash, row, db->chain.hash);
	db->chain.id = row->id;
	db->chain.is_moved = true;
	hex_format(db->chain.hash, hash);
	return row_put(db, row, hash);
}

int db_chain_write(struct db *db, struct db_row packed)
{
	struct content row = { 0 };
	const uint8_t *at = packed.at;

	row.wall_ms = db_row_number(&at);
	row.uid = db_row_number(&at);
	for (size_t i = 0; i < 3; i++)
		row.texts[i] = db_row_text(&at, &row.lengths[i]);
	row.change = db_row_number(&at);
	return row_add(db, &row);
}

int db_chain_store(struct db *db)
{
	struct link head = { .id = db->chain.id };

	if (!db->chain.is_moved)
		return SQLITE_OK;
	db->chain.is_moved = false;
	memcpy(head.hash, db->chain.hash, DB_HASH);
	return link_put(db, "audit_head", &head);
}

static int row_add_text(struct db *db, const char *action, const char *detail)
{
	struct content row = { .wall_ms = clock_wall_ms(),
			       .texts = { action, "audit", detail },
			       .lengths = { strlen(action), 5, strlen(detail) } };

	return row_add(db, &row);
}

/* ---- the beginning ---- */

static int hash_set(struct db *db, sqlite3_stmt *set, const struct content *row)
{
	char hash[DB_HASH_TEXT];
	int answer;

	row_hash(db->chain.key, db->chain.hash, row, db->chain.hash);
	db->chain.id = row->id;
	hex_format(db->chain.hash, hash);
	answer = sqlite3_bind_text(set, 1, hash, -1, SQLITE_STATIC);
	if (answer == SQLITE_OK)
		answer = sqlite3_bind_int64(set, 2, (sqlite3_int64)row->id);
	if (answer == SQLITE_OK)
		answer = sqlite3_step(set);
	(void)sqlite3_reset(set); /* says again what step said */
	return answer == SQLITE_DONE ? SQLITE_OK : answer;
}

/* What a version without a chain wrote. */
static int old_rows_chain(struct db *db)
{
	OWNED(finalize) sqlite3_stmt *rows = NULL;
	OWNED(finalize) sqlite3_stmt *set = NULL;
	int answer = sqlite3_prepare_v2(db->sql, all_rows, -1, &rows, NULL);

	if (answer == SQLITE_OK)
		answer = sqlite3_prepare_v2(db->sql, "UPDATE audit SET hash=?1 WHERE id=?2", -1,
					    &set, NULL);
	if (answer == SQLITE_OK)
		answer = sqlite3_bind_int64(rows, 1, 0);
	while (answer == SQLITE_OK && (answer = sqlite3_step(rows)) == SQLITE_ROW) {
		struct content row;

		content_read(rows, &row);
		answer = hash_set(db, set, &row);
	}
	return answer == SQLITE_DONE ? SQLITE_OK : answer;
}

static int chain_begin(struct db *db)
{
	char text[24];
	struct link anchor;
	int answer;

	genesis(db->chain.key, &anchor);
	db->chain.id = 0;
	memcpy(db->chain.hash, anchor.hash, DB_HASH);
	answer = link_put(db, "audit_anchor", &anchor);
	if (answer == SQLITE_OK)
		answer = old_rows_chain(db);
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)db->chain.id);
	if (answer == SQLITE_OK && db->chain.id)
		answer = meta_put(db, "audit_genesis", text);
	db->chain.is_moved = true;
	return answer;
}

static uint64_t last_row(struct db *db)
{
	uint64_t last = 0;

	return db_ask_number(db, "SELECT max(id) FROM audit", NULL, &last) ? 0 : last;
}

/* The key is another one: what stands there cannot be proved with it, what follows can. */
static int chain_begin_anew(struct db *db)
{
	struct link anchor;
	int answer;

	genesis(db->chain.key, &anchor);
	anchor.id = last_row(db);
	db->chain.id = anchor.id;
	memcpy(db->chain.hash, anchor.hash, DB_HASH);
	log_warning("database: the audit was kept under another key: rows up to %llu cannot be "
		    "verified with this one",
		    (unsigned long long)anchor.id);
	answer = link_put(db, "audit_anchor", &anchor);
	if (answer == SQLITE_OK)
		answer = row_add_text(db, "audit.key", "another key from here on");
	return answer;
}

/* Rows that were cut off, or a head that was: the next row tells of it, and the gap stays. */
static int head_take(struct db *db)
{
	struct link head = { 0 };
	int r = link_get(db, db->chain.key, "audit_head", &head);
	uint64_t last = last_row(db);

	if (!r) {
		db->chain.id = head.id;
		memcpy(db->chain.hash, head.hash, DB_HASH);
	} else {
		db->chain.id = last;
		memset(db->chain.hash, 0, DB_HASH);
	}
	if (!r && head.id == last)
		return SQLITE_OK;
	log_warning("database: the audit does not end where it ended: see fabricctl audit verify");
	return row_add_text(db, "audit.broken",
			    r                ? "where it ended is not known"
			    : last < head.id ? "rows are missing at its end"
					     : "rows were added at its end");
}

static int chain_take(struct db *db)
{
	char is[DB_TEXT_MAX];
	char should[DB_HASH_TEXT];
	int answer;

	if (db_ask_text(db, "SELECT value FROM meta WHERE key='audit_key'", NULL, is))
		return sqlite3_errcode(db->sql);
	key_id(db->chain.key, should);
	if (!strcmp(is, should))
		return head_take(db);
	answer = is[0] ? chain_begin_anew(db) : chain_begin(db);
	return answer == SQLITE_OK ? meta_put(db, "audit_key", should) : answer;
}

int db_chain_open(struct db *db, char *why)
{
	int answer;
	int r = db_run(db, "BEGIN IMMEDIATE", why, "begin its audit");

	if (r)
		return r;
	answer = chain_take(db);
	if (answer == SQLITE_OK)
		answer = db_chain_store(db);
	if (answer == SQLITE_OK)
		return db_run(db, "COMMIT", why, "begin its audit");
	r = db_failed(db->sql, answer, why, "begin its audit");
	(void)sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL); /* what failed is being told */
	return r;
}

/* ---- cutting ---- */

int db_chain_cut(struct db *db, uint64_t keep)
{
	struct link anchor = { 0 };
	char ask[96];
	char hash[DB_TEXT_MAX];
	char drop[96];
	int answer;

	if (!keep || db->chain.id <= keep)
		return SQLITE_OK;
	anchor.id = db->chain.id - keep;
	(void)snprintf(ask, sizeof(ask), "SELECT hash FROM audit WHERE id=%llu",
		       (unsigned long long)anchor.id);
	if (db_ask_text(db, ask, NULL, hash))
		return sqlite3_errcode(db->sql);
	/* Cut already, or broken there: then it stays for who looks into it. */
	if (!hex_parse(hash, anchor.hash))
		return SQLITE_OK;
	answer = link_put(db, "audit_anchor", &anchor);
	(void)snprintf(drop, sizeof(drop), "DELETE FROM audit WHERE id <= %llu",
		       (unsigned long long)anchor.id);
	return answer == SQLITE_OK ? sqlite3_exec(db->sql, drop, NULL, NULL, NULL) : answer;
}

/* ---- reading and verifying ---- */

struct walk {
	struct db *db;
	const char *path;
	char *why;
	struct link at;
	struct db_audit_report report;
	uint8_t key[DB_HASH];
};

static int misfit(struct walk *walk, uint64_t row, const char *text)
{
	walk->report.misfit = row;
	db_say(walk->why, "%s: audit row %llu %s", walk->path, (unsigned long long)row, text);
	return -EBADMSG;
}

static int row_verify(struct walk *walk, sqlite3_stmt *rows)
{
	const char *hash = (const char *)sqlite3_column_text(rows, 7);
	uint8_t said[DB_HASH];
	uint8_t is[DB_HASH];
	struct content row;

	content_read(rows, &row);
	if (row.id != walk->at.id + 1)
		return misfit(walk, walk->at.id + 1, "is missing");
	row_hash(walk->key, walk->at.hash, &row, is);
	if (!hash || !hex_parse(hash, said) || sodium_memcmp(said, is, DB_HASH))
		return misfit(walk, row.id, "is not as it was written, or not where");
	walk->at.id = row.id;
	memcpy(walk->at.hash, is, DB_HASH);
	walk->report.rows++;
	return 0;
}

static int rows_verify(struct walk *walk)
{
	OWNED(finalize) sqlite3_stmt *rows = NULL;
	int answer = sqlite3_prepare_v2(walk->db->sql, all_rows, -1, &rows, NULL);
	int r = 0;

	if (answer == SQLITE_OK)
		answer = sqlite3_bind_int64(rows, 1, (sqlite3_int64)walk->at.id);
	if (answer != SQLITE_OK)
		return db_failed(walk->db->sql, answer, walk->why, "be read");
	while (!r && (answer = sqlite3_step(rows)) == SQLITE_ROW)
		r = row_verify(walk, rows);
	if (r || answer == SQLITE_DONE)
		return r;
	return db_failed(walk->db->sql, answer, walk->why, "be read");
}

static int end_verify(struct walk *walk)
{
	struct link head;

	if (link_get(walk->db, walk->key, "audit_head", &head))
		return misfit(walk, walk->at.id,
			      "may not be the last: where it ended is not known");
	if (head.id > walk->at.id)
		return misfit(walk, walk->at.id + 1, "and what follows is missing at the end");
	if (head.id < walk->at.id || sodium_memcmp(head.hash, walk->at.hash, DB_HASH))
		return misfit(walk, walk->at.id, "is not the one that it ended with");
	return 0;
}

static int chain_verify(struct walk *walk)
{
	char text[DB_TEXT_MAX];
	char id[DB_HASH_TEXT];
	int r = db_ask_text(walk->db, "SELECT value FROM meta WHERE key='audit_key'", walk->why,
			    text);

	if (r)
		return r;
	key_id(walk->key, id);
	if (strcmp(text, id) != 0) {
		db_say(walk->why, "%s: its audit is kept under another key than %.300s.audit-key",
		       walk->path, walk->path);
		return -EBADMSG;
	}
	if (link_get(walk->db, walk->key, "audit_anchor", &walk->at))
		return misfit(walk, 0, "(the anchor) is not as it was written");
	walk->report.anchor = walk->at.id;
	r = db_ask_number(walk->db, "SELECT value FROM meta WHERE key='audit_genesis'", walk->why,
			  &walk->report.genesis);
	if (!r)
		r = rows_verify(walk);
	return r ? r : end_verify(walk);
}

static int reader_begin(struct db **db, const char *path, char *why)
{
	uint64_t version = 0;
	int r;

	db_say(why, "out of memory");
	*db = calloc(1, sizeof(**db));
	if (!*db)
		return -ENOMEM;
	(*db)->lock_fd = -1;
	r = db_reader_open(*db, path, why, &version);
	if (!r && version != db_schema.n) {
		db_say(why,
		       "%s: is of version %llu: its audit is no chain before fabricd has "
		       "migrated it",
		       path, (unsigned long long)version);
		r = -EBADMSG;
	}
	return r;
}

int db_audit_verify(const char *path, const char *key_of, char *why, struct db_audit_report *out)
{
	OWNED(db_close) struct db *db = NULL;
	struct walk walk = { .why = why };
	char real[PATH_MAX];
	int r;

	*out = (struct db_audit_report){ 0 };
	r = db_file_resolve(path, why, real);
	if (!r)
		r = db_chain_key(key_of ? key_of : real, false, why, walk.key);
	if (!r)
		r = reader_begin(&db, real, why);
	if (r)
		return r;
	walk.db = db;
	walk.path = real;
	r = chain_verify(&walk);
	*out = walk.report;
	sodium_memzero(walk.key, sizeof(walk.key));
	return r;
}

static void text_copy(char *out, size_t room, const struct content *row, size_t which)
{
	(void)snprintf(out, room, "%s", row->texts[which]); /* of a table that fits */
}

int db_audit_list(const char *path, uint64_t last, char *why,
		  void (*fn)(void *arg, uint64_t id, const struct db_audit *row), void *arg)
{
	OWNED(db_close) struct db *db = NULL;
	OWNED(finalize) sqlite3_stmt *rows = NULL;
	uint64_t newest;
	char real[PATH_MAX];
	int answer;
	int r = db_file_resolve(path, why, real);

	if (!r)
		r = reader_begin(&db, real, why);
	if (r)
		return r;
	newest = last_row(db);
	answer = sqlite3_prepare_v2(db->sql, all_rows, -1, &rows, NULL);
	if (answer == SQLITE_OK)
		answer = sqlite3_bind_int64(
			rows, 1, (sqlite3_int64)(last && newest > last ? newest - last : 0));
	while (answer == SQLITE_OK || answer == SQLITE_ROW) {
		struct db_audit row = { 0 };
		struct content content;

		answer = sqlite3_step(rows);
		if (answer != SQLITE_ROW)
			break;
		content_read(rows, &content);
		row.wall_ms = content.wall_ms;
		row.uid = (uint32_t)content.uid;
		row.change = content.change;
		text_copy(row.action, sizeof(row.action), &content, 0);
		text_copy(row.subject, sizeof(row.subject), &content, 1);
		text_copy(row.detail, sizeof(row.detail), &content, 2);
		fn(arg, content.id, &row);
	}
	return answer == SQLITE_DONE ? 0 : db_failed(db->sql, answer, why, "be read");
}
