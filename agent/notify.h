/* SPDX-License-Identifier: GPL-2.0-or-later */
/* systemd's readiness protocol, sd_notify(3), without its library: the agent also runs where there
 * is none, linked statically. Without systemd all this does nothing. */
#pragma once

#include <stdint.h>

/* "READY=1\nSTATUS=connecting". For show only: what fails is not told. */
void notify(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* How often systemd wants to hear WATCHDOG=1; 0: not at all. */
uint64_t notify_watchdog_us(void);
