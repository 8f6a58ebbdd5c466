/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration: one const table of keys, read by the parser, `fabricctl config show`, the
 * manual and the tests. INI, by inih: "[section]" and "key = value"; every key has a default, so an
 * empty file is valid. A file is checked whole before any of it is taken over.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/result.h"

enum config_witness { CONFIG_WITNESS_NONE, CONFIG_WITNESS_ANY, CONFIG_WITNESS_ALL };

enum {
	CONFIG_PROVIDERS = 16,
	CONFIG_HOSTS = 1024,
	CONFIG_FENCES = 1024,
	CONFIG_TEXT_MAX = 128,
	CONFIG_FENCE_TIMEOUT_MS = 60000,
};

#define CONFIG_NONE "none"

/* [host NAME]: how a host may be heard, and by whom. */
struct config_host {
	char name[CONFIG_TEXT_MAX];
	bool has_uid;
	uint32_t uid;                   /* who may beat for it on the control socket */
	char serial[CONFIG_TEXT_MAX];   /* Unix socket of its agent's port; "": none */
	char key_file[CONFIG_TEXT_MAX]; /* for its datagrams; "": none */
};

/* [fence HOST]: a program of the fence-agents interface that can power the host off. */
struct config_fence {
	char host[CONFIG_TEXT_MAX];
	char program[CONFIG_TEXT_MAX];    /* absolute path */
	char parameters[CONFIG_TEXT_MAX]; /* file of KEY=VALUE lines for it; "": none */
	uint32_t timeout_ms;              /* for each of its runs */
};

struct config {
	uint32_t beat_interval_ms; /* heartbeat.interval */
	uint32_t beat_missed;      /* heartbeat.missed: beats until a host counts as silent */
	enum config_witness witness;
	uint32_t storm_percent;  /* failover.storm-percent */
	uint32_t storm_min;      /* failover.storm-min */
	uint32_t rate_count;     /* failover.rate-count */
	uint32_t rate_window_ms; /* failover.rate-window */
	uint32_t spare_windows;  /* failover.spare-windows: S11, alive for so many windows */
	uint32_t cold_start_ms;  /* failover.cold-start: S11, until its first beat */
	uint32_t flap_count;     /* failover.flap-count: S10, turns within flap_window_ms; 0: any */
	uint32_t flap_window_ms; /* failover.flap-window */
	uint32_t reserve;        /* failover.reserve: S12, failures that there must be room for */
	uint32_t fence_attempts; /* failover.fence-attempts */
	uint32_t fence_retry_ms; /* failover.fence-retry: a blocked host is tried again */
	uint32_t command_timeout_ms;  /* switch.command-timeout; 0: as the provider says */
	uint32_t command_attempts;    /* switch.command-attempts: then the function is parked */
	bool repair;                  /* fabric.repair: missing and drifted are mended */
	uint32_t repair_retry_ms;     /* fabric.repair-retry: first wait, doubled each time */
	char hooks[CONFIG_TEXT_MAX];  /* incident.hooks: a folder, or CONFIG_NONE */
	uint32_t hook_deadline_ms;    /* incident.hook-deadline */
	uint32_t view_patience_ms;    /* host-view.patience: bound, and not seen by its host */
	uint32_t removal_deadline_ms; /* removal.deadline: an agent's time to let a function go */
	uint32_t history_days;        /* history.days, .events, .changes, .audit: what is kept */
	uint32_t history_events;
	uint32_t history_changes;
	uint32_t history_audit; /* 0: all */
	struct {
		char name[CONFIG_TEXT_MAX];
		char socket[CONFIG_TEXT_MAX];
	} providers[CONFIG_PROVIDERS]; /* [provider NAME] socket = PATH */
	size_t provider_count;
	struct config_host hosts[CONFIG_HOSTS];
	size_t host_count;
	char udp[CONFIG_TEXT_MAX];       /* heartbeat.udp: ADDRESS:PORT, or CONFIG_NONE */
	char unix_path[CONFIG_TEXT_MAX]; /* heartbeat.unix: a path, or CONFIG_NONE */
	struct config_fence fences[CONFIG_FENCES];
	size_t fence_count;
	char group_ro[CONFIG_TEXT_MAX];    /* access.group-ro */
	char group_op[CONFIG_TEXT_MAX];    /* access.group-op */
	char group_admin[CONFIG_TEXT_MAX]; /* access.group-admin */
};

/* Every key at its default. */
void config_init(struct config *c);

/**
 * config_load() - read a file
 * @why: DB_TEXT_MAX (512) bytes: "FILE:LINE: reason" on failure
 *
 * @out is untouched unless all of it is good. Return: 0, -errno, or REFUSE_FIELD.
 */
MUST_USE int config_load(const char *path, char *why, struct config *out);

/* The same for @size bytes in memory, which are called @name in @why. */
MUST_USE int config_parse(const char *text, size_t size, const char *name, char *why,
			  struct config *out);

/* NULL: there is no section for it. */
const struct config_host *config_host_find(const struct config *c, const char *name);
/* NULL: @host has none. */
const struct config_fence *config_fence_find(const struct config *c, const char *host);

/* The table, for those who list it. */
enum config_type {
	CONFIG_NUMBER,
	CONFIG_DURATION,
	CONFIG_BOOL,
	CONFIG_CHOICE,
	CONFIG_STRING,
	CONFIG_PATH
};
struct config_key {
	const char *section;
	const char *name;
	enum config_type type;
	bool at_start;        /* a change needs a restart; the others are taken over on SIGHUP */
	size_t offset;        /* in struct config */
	const char *fallback; /* default, as text */
	uint32_t min;
	uint32_t max;
	const char *unit;    /* "ms", "" */
	const char *choices; /* CONFIG_CHOICE: "none any all" */
	const char *help;
};
const struct config_key *config_keys(size_t *count);
/* The value as text; 128 bytes at most. */
void config_format(const struct config *c, const struct config_key *key, char out[static 128]);
