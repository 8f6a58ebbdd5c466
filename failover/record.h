/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the judging of one chassis is told, kept for a while: a night that can be run again.
 *
 * Everything that live_judge() and the rate (S5) decide from is put down as it comes: beats, doors
 * that open and close, witnesses, hosts set aside, incidents that keep a switch busy, settings, and
 * each look with its time and how long the database had owed an answer; and beside it what was
 * decided. A look itself says nothing of the hosts: what it found follows from what was told before
 * (failover/replay.h). From time to time the whole state is put down too; a replay begins at one,
 * and must meet each later one exactly, so that an input that is not told here is found out.
 *
 * Two parts, each from one state to the next, so that what is kept reaches back at least
 * RECORD_WINDOWS windows, and at most twice as long. An entry takes 3 or 4 bytes and no allocation
 * but while a part grows for the first time. Bounds: a part ends at 32 KiB and, for each host, 64
 * bytes and 15 for each beat of the window, which is three windows of beats: 1.3 MiB for 16 chassis
 * of 64 hosts and a window of 5 beats, of which 0.3 are used at two looks a beat. Should looks not
 * come while beats do, nothing is put down beyond twice that, and the next look begins anew.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/result.h"
#include "failover/liveness.h"

enum {
	RECORD_WINDOWS = 6,
	RECORD_HOSTS_MAX = 4096,
	RECORD_NAME_MAX = 64,       /* bytes of a host's name, NUL included */
	RECORD_BYTES_MAX = 4 << 20, /* of an exported record; a replay takes no more */
	RECORD_VERSION = 1,
};

/* All settings that a verdict, or what is done about it, depends on. */
struct record_settings {
	struct live_config live;
	uint32_t rate_count;
	uint32_t rate_window_ms;
};

/* One byte of each entry: the kind, and above it a value of 0 to 15. */
enum record_kind {
	RECORD_STATE,
	RECORD_BEAT,     /* host, time: when it was received */
	RECORD_WATCH,    /* host, time: judged from here on, with a fresh window */
	RECORD_OPEN,     /* host, time: its door is open */
	RECORD_BEGIN,    /* host, time: its door is closed, and not by a verdict */
	RECORD_LEAVE,    /* host, time: it says that it goes; value: it may be believed */
	RECORD_ASIDE,    /* host; value: somebody works at it (S13) */
	RECORD_WITNESS,  /* host, time; value: enum live_witness */
	RECORD_BUSY,     /* host, time; value: its incident keeps its switch busy (S5) */
	RECORD_SETTINGS, /* all of them */
	RECORD_JUDGE,    /* time; value 1: and since when the database owes an answer */
	RECORD_SAID,     /* host; value: enum record_said. Behind the look that it comes from */
	RECORD_HOLD,     /* value: the breaker is on. Likewise */
	RECORD_UNWATCH,  /* host, time: judged no more; its door stays open */
	RECORD_COLD,     /* host; value: it is off on purpose, and a spare */
	RECORD_RATE,     /* host, time: a failover that counts (S5), and no verdict's */
	RECORD_KINDS,    /* 16: a byte has room for no more */
};

/* What a look led to, for one host. */
enum record_said {
	RECORD_SUSPECTED,
	RECORD_RECOVERED,
	RECORD_FENCED,    /* silent: its fence began */
	RECORD_PROVED,    /* a witness said dead: its fence began */
	RECORD_NOT_ACTED, /* dead, and it is aside: told only */
	RECORD_WAITS,     /* dead, and another incident keeps its switch busy (S5) */
	RECORD_RATED,     /* dead, and there were too many failovers already (S5) */
	RECORD_OFF,       /* dead, off on purpose: a cold spare */
	RECORD_SAIDS,
};

/* What a record knows of a host beside struct live_host. */
struct record_host {
	bool shut; /* its door is closed: a beat of it is noted, and that is all */
	bool busy;
	bool cold;      /* it is off on purpose, and a spare: that it is dead is no news */
	uint16_t group; /* its switch: S5 counts by it */
};

struct record_part {
	uint8_t *bytes;
	size_t length;
	size_t room;
	uint64_t since_ms; /* of the state that it begins with */
};

/* All zero is one that is off: every call is taken and nothing is kept. */
struct recorder {
	struct record_part parts[2]; /* the older, and the one that is being written */
	struct record_host *hosts;
	uint8_t *shadow; /* aside and witness of each host, as put down last */
	size_t count;
	uint64_t last_ms; /* of the last entry */
	struct record_settings settings;
	bool on;
	bool is_broken;  /* an entry is missing: the next look begins anew */
	size_t expected; /* host whose fence follows from what was said; SIZE_MAX: none */
};

/* The chassis as it is. */
struct record_view {
	const struct live_chassis *chassis;
	const struct live_rate *rate;
	struct live_host *const *hosts;
	size_t count;
};

/**
 * record_anew() - what was kept is forgotten, and the record begins with @view at @now_ms
 * @hosts: one for each of @view's; copied
 *
 * At the start of judging (S6), and when the hosts of the chassis, or their places, are others.
 */
void record_anew(struct recorder *r, const struct record_settings *settings,
		 const struct record_view *view, const struct record_host *hosts, uint64_t now_ms);
/* Nothing is put down until record_anew(). */
void record_stop(struct recorder *r);
void record_done(struct recorder *r);
/* How far back it reaches; UINT64_MAX: nothing is kept. */
uint64_t record_since_ms(const struct recorder *r);

/* @n: the host's place in the view. */
void record_beat(struct recorder *r, size_t n, uint64_t received_ms);
void record_watch(struct recorder *r, size_t n, uint64_t now_ms);
void record_open(struct recorder *r, size_t n, uint64_t now_ms);
/* Its door is closed and it is watched no more. What record_said() or record_leave() has just
 * foretold is put down once. */
void record_begin(struct recorder *r, size_t n, uint64_t now_ms);
/* @may: but for what the chassis says, it would be fenced; @is_fenced: it is going to be. */
void record_leave(struct recorder *r, size_t n, bool may, bool is_fenced, uint64_t now_ms);
void record_witness(struct recorder *r, size_t n, enum live_witness witness, uint64_t now_ms);
void record_unwatch(struct recorder *r, size_t n, uint64_t now_ms);
/* live_rate_note() was called for what is neither a verdict nor a host that leaves. */
void record_rate(struct recorder *r, size_t n, uint64_t now_ms);
void record_busy(struct recorder *r, size_t n, bool busy, uint64_t now_ms);

/* Right before live_judge(), with what it is given. */
void record_judge(struct recorder *r, const struct record_settings *settings,
		  const struct record_view *view, uint64_t now_ms, uint64_t db_waits_since_ms);
/* Before that, for every host whose witness says dead. */
void record_cold(struct recorder *r, size_t n, bool cold);
/* After it: the breaker has turned; then what each verdict led to, in the order of the hosts. */
void record_hold(struct recorder *r, bool hold);
void record_say(struct recorder *r, size_t n, enum record_said said);

/**
 * record_export() - what is kept, as bytes that replay_open() takes
 * @incident: place of the host that it is about
 * @zero_ms:  the time that people count from
 * @name:     of the host at that place; borrowed
 *
 * Ends with the state of @view at @now_ms. Return: 0; -ENODATA: nothing is kept; -ENOMEM; -EFBIG.
 */
MUST_USE int record_export(const struct recorder *r, const struct record_view *view,
			   size_t incident, uint64_t zero_ms, uint64_t now_ms,
			   const char *(*name)(const void *arg, size_t n), const void *arg,
			   struct buf *out);

/* The first bytes of an exported record. */
#define RECORD_MAGIC 0x44524246u /* "FBRD" */
