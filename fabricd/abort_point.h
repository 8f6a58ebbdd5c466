/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Test-only: stopping dead at a chosen point of what is told to the journal and to the switch. In
 * programs that are built with FABRIC_TESTS alone.
 *
 * FABRIC_ABORT_FILE in the environment names a file. Once it is there it is read and removed, at
 * the next passage of any point, and holds POINT:N: the process dies by SIGKILL at the Nth passage
 * of POINT from then on, that one included. A later file takes its place. Points are
 *   journal-before  before a batch is handed to the database
 *   journal-during  the batch never comes to its commit; death comes a moment later
 *   journal-after   a batch is durable, and nothing has followed from it
 *   op-before       before an operation leaves for the switch
 *   op-after        an operation has come to its end, and nothing has followed from it
 */
#pragma once

#include <stdbool.h>

/* For fabric_io.point; @arg is not used. */
void abort_point(void *arg, const char *point);

/* Asked before each batch. True: neither this one nor any later one is to be handed on. */
bool abort_point_holds_journal(void);
