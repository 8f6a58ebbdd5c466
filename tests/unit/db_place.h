/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A folder of its own for each test of database files, gone with it. After cmocka.h. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "db/db.h"

struct place {
	char folder[64];
	char path[80]; /* of the database, which is not there yet */
	char copy[80]; /* of a second one */
	char key[96];  /* of its audit */
	char why[DB_TEXT_MAX];
};

static inline int make_place(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	if (!p)
		return -1;
	(void)snprintf(p->folder, sizeof(p->folder), "/tmp/test_db.XXXXXX");
	if (!mkdtemp(p->folder))
		return -1;
	(void)snprintf(p->path, sizeof(p->path), "%s/f.db", p->folder);
	(void)snprintf(p->copy, sizeof(p->copy), "%s/copy.db", p->folder);
	(void)snprintf(p->key, sizeof(p->key), "%s.audit-key", p->path);
	*state = p;
	return 0;
}

static inline int remove_place(void **state)
{
	struct place *p = *state;
	char command[128];
	int r;

	(void)snprintf(command, sizeof(command), "rm -rf %s", p->folder);
	r = system(command); /* the folder is our own, from mkdtemp() */
	free(p);
	return r;
}
