/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One control request to a provider program, and its answer; waits for it. For command lines. */
#pragma once

#include "common/buf.h"
#include "provider/provider.h"

/**
 * provider_control() - ask, and wait for the answer
 * @request: in the program's own language; at most 1 MiB
 * @answer: appended to
 * @why: PROVIDER_TEXT_MAX bytes; set unless 0 is returned
 *
 * Return: 0 done; >0 the program's own status: it refused or failed (then its errno), and the
 * answer says why; <0 -errno: not reached, or no answer within 10 s.
 */
MUST_USE int provider_control(const char *socket_path, const char *request, struct buf *answer,
			      char *why);
