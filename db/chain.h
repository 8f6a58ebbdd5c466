/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The audit as a chain: each row carries a keyed BLAKE2b (libsodium's crypto_generichash) over its
 * content and the hash of the row before. What stands in `meta`:
 *
 *   audit_key      which key it is: a hash of it
 *   audit_anchor   "ID HASH MAC": the chain begins behind this row, which need not be there any
 * more audit_head     "ID HASH MAC": it ends with this row; written with each row audit_genesis
 * rows up to this one are older than the chain, and were chained at a migration
 *
 * Whoever has not got the key cannot write, change, exchange or drop a row unnoticed. Whoever has
 * it, or puts a whole older file there, can: then only copies elsewhere tell.
 */
#pragma once

#include "db/inside.h"

/* Reads or makes (@may_make) the key of the database at @path: PATH.audit-key, mode 0600. */
MUST_USE int db_chain_key(const char *path, bool may_make, char *why, uint8_t key[static DB_HASH]);
/* @db->chain from what stands in the database; chains what an older version wrote; begins anew,
 * from the last row on, where the key is another one. */
MUST_USE int db_chain_open(struct db *db, char *why);
/* One row that was packed as DB_AUDIT, behind the last one. Return: an answer of SQLite. */
MUST_USE int db_chain_write(struct db *db, struct db_row row);
/* Before COMMIT: where the chain ends. */
MUST_USE int db_chain_store(struct db *db);
/* All rows but the last @keep may be deleted: the anchor moves there. 0: keeps all. */
MUST_USE int db_chain_cut(struct db *db, uint64_t keep);
