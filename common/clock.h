/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Time. Decisions use the boot-time clock alone (S2); wall time is for display. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>

/* CLOCK_BOOTTIME: counts suspend, never steps back. */
uint64_t clock_boot_ms(void);
uint64_t clock_boot_us(void);
enum { CLOCK_BOOT_ID_MAX = 37 }; /* a UUID's text and its NUL */
/* Which boot clock_boot_ms() counts from, as the kernel tells it: "" where it does not. */
void clock_boot_id(char out[static CLOCK_BOOT_ID_MAX]);
/* CLOCK_REALTIME since 1970, for display and for history alone. */
uint64_t clock_wall_ms(void);
/* A wait, as timers of an event loop and of sockets take it. */
struct timeval clock_timeval(uint64_t ms);
/* The wait from now until @at_ms, boot-time clock; none when that is past. */
struct timeval clock_timeval_until(uint64_t at_ms);
/* "2026-11-22T01:16:11.123Z" into @out. */
void clock_wall_format(uint64_t wall_ms, char out[static 32]);
