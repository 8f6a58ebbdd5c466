/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing ids and values into a request's target. */
#pragma once

#include "common/buf.h"

/* An id as part of a path: slashes and what else may stand in a path stay as they are; the rest is
 * percent-encoded, byte by byte. */
void url_path(struct buf *out, const char *id);
/* A name or a value of a query: all but letters, digits and "-._~/:" is percent-encoded. */
void url_query(struct buf *out, const char *value);
