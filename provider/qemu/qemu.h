/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU guests as blades: a provider (provider/provider.h) over their QMP sockets. What joins them
 * is the switch: any adapter of the pool can be bound to any free vport, a downstream port of the
 * blade's own emulated switch.
 *
 * Nothing is kept but what QEMU cannot keep: the identity of a function that is bound nowhere. All
 * else is read from the blades, so a provider that was killed at any moment knows when it is back.
 */
#pragma once

#include <event2/event.h>

#include "provider/provider.h"
#include "provider/qemu/chassis.h"

/**
 * provider_qemu_open() - begins to watch the blades of @chassis, which outlives the provider
 * @base: all comes from its loop
 * @sink: copied
 * @hello: what it says of itself, for provider_server_attach()
 *
 * Return: 0 or -ENOMEM.
 */
MUST_USE int provider_qemu_open(struct event_base *base, const struct qemu_chassis *chassis,
				const struct provider_sink *sink, struct provider_hello *hello,
				struct provider **out);
