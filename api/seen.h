/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Both views of a function, the switch's and its host's own, as members of several documents. */
#pragma once

#include "common/buf.h"
#include "fabricd/fabric.h"

/* What its host says of it; null where it is not bound as it is assigned. */
void joined_write(const struct fabric *f, const struct fabric_function *fn, struct buf *out);
/* Where the switch showed it last; null: nowhere. "unknown": where it is now cannot be told;
 * "outside": on that host, but not in its virtual switch. */
void bound_write(const struct fabric *f, const struct fabric_function *fn, struct buf *out);
/* All that @host told of itself; null: it told nothing under this boot. */
void view_write(const struct fabric *f, const struct fabric_host *host, struct buf *out);
