/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables, as the steps that lead to them: migrations, counted by user_version. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* In the file's header: "fabr". By it a file is known as ours. */
enum { DB_APPLICATION_ID = 0x66616272 };

struct db_schema {
	const char *const
		*steps; /* step n leads from version n to n + 1; never changed once shipped */
	size_t n;       /* the version that this program reads and writes */
};

extern const struct db_schema db_schema;
