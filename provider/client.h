/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The protocol's client: the one implementation of struct provider_ops that fabricd has.
 *
 * It connects without blocking and connects again, 50 ms to 2 s apart, for as long as it is open.
 * States it reports: CONNECTING, READY with the provider's hello, SLOW while an answer is overdue,
 * LOST. SETTLING is its user's to decide. When the connection is lost, LOST comes first; then what
 * was submitted completes as UNKNOWN, and a scan or view under way fails.
 *
 * The sink is called from the event loop and from advance(), never from within open, submit, scan
 * or view. The sink's functions may submit; they may not close.
 */
#pragma once

#include <event2/event.h>

#include "provider/control.h"
#include "provider/provider.h"

enum {
	PROVIDER_CLIENT_PENDING = 65536, /* operations without an answer; more: -ENOBUFS */
	PROVIDER_CLIENT_VIEWS = 64,      /* views at once; more: -ENOBUFS */
};

/**
 * provider_client_open() - begins to connect; never waits
 * @name: as in --provider NAME=SOCKET; copied
 * @sink: copied
 *
 * Return: 0, -ENAMETOOLONG or -ENOMEM.
 */
MUST_USE int provider_client_open(struct event_base *base, const char *name,
				  const char *socket_path, const struct provider_sink *sink,
				  struct provider **out);

/* Why it is not connected, for people; empty while it is. Borrowed, until the next event. */
const char *provider_client_why(const struct provider *p);
