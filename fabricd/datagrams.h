/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Beats that come as datagrams (common/beat_datagram.h), from each [host NAME] with a key-file: the
 * sockets. What one means is told by sessions.h.
 * What is not sealed with that host's key costs a hash of 64 bytes and is counted; nothing is
 * answered.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/result.h"
#include "fabricd/channel.h"
#include "fabricd/config.h"
#include "fabricd/host_keys.h"

struct datagrams;

/**
 * datagrams_new() - hear config.udp and config.unix_path
 * @incarnation: of the database; borrowed
 * @keys: folder of enrolled hosts' keys, see host_keys.h; borrowed; NULL: none
 * @sink: its beat(), leaving(), told(), stopped() and heard() alone are used
 * @why: DB_TEXT_MAX (512) bytes, set on failure
 *
 * A key that cannot be read is said, and its host is not heard. Return: 0, -errno, or REFUSE_FIELD.
 */
MUST_USE int datagrams_new(struct event_base *base, const struct config *config,
			   const char *incarnation, const char *keys,
			   const struct channel_sink *sink, char *why, struct datagrams **out);
/* NULL does nothing. */
void datagrams_free(struct datagrams *d);
/* Does @config name an address to hear them on? */
bool datagrams_are_wanted(const struct config *config);
/* S3: takes in all that had come when it was called. Before a verdict, for what comes may lie
 * unread for some milliseconds. */
void datagrams_drain(struct datagrams *d);
/* Reads the keys again. Return: 0 or -ENOMEM: the old ones stay. */
MUST_USE int datagrams_configure(struct datagrams *d, const struct config *config);
/* Makes a key for @host, stores it and accepts it, beside the one before until the first beat under
 * the new one. It writes and syncs one small file: rare, and asked for by a person. Return: 0,
 * @text set; -EBUSY: nobody has beaten yet under the one that was made before: with @force that one
 * is forgotten; -EEXIST: the name of another host has the same hash; another -errno. */
MUST_USE int datagrams_enroll(struct datagrams *d, const char *host, bool force,
			      char text[static HOST_KEY_TEXT]);
