/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db/schema.h"

/*
 * Foreign keys are checked at COMMIT: the order of rows within a batch does not matter to them.
 * The audit refers to changes without a foreign key: it outlives what it tells of. A REPLACE
 * deletes without asking the DELETE trigger, hence the third one.
 */
#define IDENTITY_COLUMNS                                          \
	" mac INTEGER CHECK (mac BETWEEN 1 AND 281474976710655)," \
	" wwpn INTEGER,"                                          \
	" wwnn INTEGER,"                                          \
	" vlan INTEGER CHECK (vlan BETWEEN 1 AND 4094)"

/* Not IN (...): for that SQLite builds a tree of the words for each row, at 5 us. */
#define IS_CHANGE_STATE                                                          \
	" (state='running' OR state='done' OR state='refused' OR state='parked'" \
	" OR state='failed' OR state='cancelled')"

static const char version_1[] =
	"CREATE TABLE meta ("
	" key TEXT NOT NULL PRIMARY KEY,"
	" value TEXT NOT NULL"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE number ("
	" name TEXT NOT NULL PRIMARY KEY,"
	" value INTEGER NOT NULL"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE adapter ("
	" name TEXT NOT NULL PRIMARY KEY CHECK (name <> ''),"
	" serial TEXT NOT NULL,"
	" position TEXT NOT NULL,"
	" class_code INTEGER NOT NULL"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE host ("
	" name TEXT NOT NULL PRIMARY KEY CHECK (name <> ''),"
	" state TEXT NOT NULL CHECK (state='unknown' OR state='alive' OR state='fencing' OR "
	"state='fenced' OR state='blocked' OR state='maintenance' OR state='quarantined'),"
	" spare INTEGER NOT NULL CHECK (spare IN (0,1)),"
	" epoch INTEGER NOT NULL,"
	" boot_id TEXT NOT NULL,"
	" incident INTEGER REFERENCES incident(id) DEFERRABLE INITIALLY DEFERRED"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE function ("
	" name TEXT NOT NULL PRIMARY KEY CHECK (name <> ''),"
	" generation INTEGER NOT NULL,"
	" bad INTEGER NOT NULL CHECK (bad IN (0,1))"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE assignment ("
	" function TEXT NOT NULL PRIMARY KEY"
	" REFERENCES function(name) DEFERRABLE INITIALLY DEFERRED,"
	" host TEXT REFERENCES host(name) DEFERRABLE INITIALLY DEFERRED,"
	" vport INTEGER NOT NULL,"
	" generation INTEGER NOT NULL,"
	" state TEXT NOT NULL CHECK (state='bound' OR state='parked' OR "
	"state='blocked')," IDENTITY_COLUMNS ") STRICT, WITHOUT ROWID;"
	"CREATE UNIQUE INDEX assignment_place ON assignment(host, vport) WHERE host IS NOT NULL;"
	"CREATE UNIQUE INDEX assignment_mac ON assignment(mac) WHERE mac IS NOT NULL;"
	"CREATE UNIQUE INDEX assignment_wwpn ON assignment(wwpn) WHERE wwpn IS NOT NULL;"

	"CREATE TABLE change ("
	" id INTEGER NOT NULL PRIMARY KEY,"
	" kind TEXT NOT NULL CHECK (kind='asked' OR kind='failover' OR kind='repair'),"
	" state TEXT NOT NULL CHECK" IS_CHANGE_STATE ","
	" effect INTEGER NOT NULL CHECK (effect IN (0,1)),"
	" uid INTEGER NOT NULL,"
	" incident INTEGER REFERENCES incident(id) DEFERRABLE INITIALLY DEFERRED,"
	" started_wall_ms INTEGER NOT NULL,"
	" ended_wall_ms INTEGER NOT NULL"
	") STRICT;"

	"CREATE TABLE item ("
	" change INTEGER NOT NULL REFERENCES change(id) DEFERRABLE INITIALLY DEFERRED,"
	" n INTEGER NOT NULL,"
	" op TEXT NOT NULL CHECK (op='assign' OR op='release' OR op='move'),"
	" function TEXT NOT NULL CHECK (function <> ''),"
	" from_host TEXT,"
	" from_vport INTEGER NOT NULL,"
	" host TEXT,"
	" vport INTEGER NOT NULL,"
	" generation INTEGER NOT NULL,"
	" epoch INTEGER NOT NULL,"
	" state TEXT NOT NULL CHECK" IS_CHANGE_STATE ","
	" reason TEXT NOT NULL," IDENTITY_COLUMNS ","
	" PRIMARY KEY (change, n)"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE incident ("
	" id INTEGER NOT NULL PRIMARY KEY,"
	" host TEXT NOT NULL REFERENCES host(name) DEFERRABLE INITIALLY DEFERRED,"
	" state TEXT NOT NULL CHECK (state='fencing' OR state='blocked' OR state='waiting' OR "
	"state='moving' OR state='done'),"
	" cause TEXT NOT NULL,"
	" target TEXT,"
	" change INTEGER REFERENCES change(id) DEFERRABLE INITIALLY DEFERRED,"
	" started_wall_ms INTEGER NOT NULL,"
	" ended_wall_ms INTEGER NOT NULL"
	") STRICT;"

	"CREATE TABLE step ("
	" incident INTEGER NOT NULL REFERENCES incident(id) DEFERRABLE INITIALLY DEFERRED,"
	" n INTEGER NOT NULL,"
	" wall_ms INTEGER NOT NULL,"
	" offset_ms INTEGER NOT NULL,"
	" what TEXT NOT NULL,"
	" detail TEXT NOT NULL,"
	" PRIMARY KEY (incident, n)"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE event ("
	" n INTEGER NOT NULL PRIMARY KEY,"
	" wall_ms INTEGER NOT NULL,"
	" type TEXT NOT NULL,"
	" subject TEXT NOT NULL,"
	" detail TEXT NOT NULL"
	") STRICT;"

	"CREATE TABLE audit ("
	" id INTEGER PRIMARY KEY,"
	" wall_ms INTEGER NOT NULL,"
	" uid INTEGER NOT NULL,"
	" action TEXT NOT NULL,"
	" subject TEXT NOT NULL,"
	" detail TEXT NOT NULL,"
	" change INTEGER"
	") STRICT;"
	"CREATE TRIGGER audit_stays_as_written BEFORE UPDATE ON audit BEGIN"
	" SELECT RAISE(ABORT, 'the audit is append-only'); END;"
	"CREATE TRIGGER audit_stays BEFORE DELETE ON audit BEGIN"
	" SELECT RAISE(ABORT, 'the audit is append-only'); END;"
	"CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit"
	" WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id) BEGIN"
	" SELECT RAISE(ABORT, 'the audit is append-only'); END;"

	"CREATE TABLE idempotency ("
	" key TEXT NOT NULL CHECK (key <> ''),"
	" uid INTEGER NOT NULL,"
	" hash INTEGER NOT NULL,"
	" change INTEGER REFERENCES change(id) DEFERRABLE INITIALLY DEFERRED,"
	" wall_ms INTEGER NOT NULL,"
	" PRIMARY KEY (key, uid)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX idempotency_age ON idempotency(wall_ms);";

/* The audit becomes a chain (chain.c). A row without a hash is one that version 1 wrote: it may be
 * given one, once. What lies behind the anchor may go. */
static const char version_2[] =
	"ALTER TABLE audit ADD COLUMN hash TEXT;"
	"DROP TRIGGER audit_stays_as_written;"
	"CREATE TRIGGER audit_stays_as_written BEFORE UPDATE ON audit"
	" WHEN OLD.hash IS NOT NULL BEGIN"
	" SELECT RAISE(ABORT, 'the audit is append-only'); END;"
	"DROP TRIGGER audit_stays;"
	"CREATE TRIGGER audit_stays BEFORE DELETE ON audit WHEN OLD.id >"
	" coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key='audit_anchor'), 0) BEGIN"
	" SELECT RAISE(ABORT, 'the audit is append-only'); END;";

/* Functions that move together, with the identities that they carry. */
static const char version_3[] =
	"CREATE TABLE profile ("
	" name TEXT NOT NULL PRIMARY KEY CHECK (name <> ''),"
	" priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 1000)"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE member ("
	" profile TEXT NOT NULL REFERENCES profile(name) DEFERRABLE INITIALLY DEFERRED,"
	" n INTEGER NOT NULL,"
	" function TEXT NOT NULL REFERENCES function(name) DEFERRABLE INITIALLY "
	"DEFERRED," IDENTITY_COLUMNS ","
	" PRIMARY KEY (profile, n)"
	") STRICT, WITHOUT ROWID;"
	"CREATE UNIQUE INDEX member_function ON member(function);";

/* What the judging of its chassis was told around an incident (failover/record.h), and the settings
 * that it was judged by, for people. */
static const char version_4[] = "CREATE TABLE record ("
				" incident INTEGER NOT NULL PRIMARY KEY"
				" REFERENCES incident(id) DEFERRABLE INITIALLY DEFERRED,"
				" settings TEXT NOT NULL,"
				" data BLOB NOT NULL"
				") STRICT;";

/* When a host's fence was last proved, and by what; incidents that are drills. */
static const char version_5[] =
	"ALTER TABLE host ADD COLUMN proved_wall_ms INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE host ADD COLUMN proved_rungs TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE host ADD COLUMN proved_incident INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE host ADD COLUMN proved_by_drill INTEGER NOT NULL DEFAULT 0"
	" CHECK (proved_by_drill IN (0,1));"
	"ALTER TABLE incident ADD COLUMN drill INTEGER NOT NULL DEFAULT 0 CHECK (drill IN (0,1));";

/* What counts by how often it was within a time: failovers (S5), a host's coming and going (S10).
 */
static const char version_6[] =
	"CREATE TABLE turn ("
	" id INTEGER NOT NULL PRIMARY KEY,"
	" kind TEXT NOT NULL CHECK (kind='failover' OR kind='flap'),"
	" host TEXT NOT NULL REFERENCES host(name) DEFERRABLE INITIALLY DEFERRED,"
	" provider TEXT NOT NULL,"
	" chassis INTEGER NOT NULL,"
	" boot_id TEXT NOT NULL,"
	" at_ms INTEGER NOT NULL"
	") STRICT;";

/* Whose the number of a chassis is. Before this step nobody has kept it: the first that shows it
 * has it, as it had it until now. */
static const char version_7[] = "CREATE TABLE chassis ("
				" number INTEGER NOT NULL PRIMARY KEY,"
				" provider TEXT NOT NULL CHECK (provider <> '')"
				") STRICT;";

static const char *const steps[] = { version_1, version_2, version_3, version_4,
				     version_5, version_6, version_7 };

const struct db_schema db_schema = { .steps = steps, .n = sizeof(steps) / sizeof(*steps) };
