/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log, to standard error: the only global. Lines start with their subject. */
#pragma once

enum log_level {
	LOG_LEVEL_ERR = 3,     /* someone must act */
	LOG_LEVEL_WARNING = 4, /* degraded */
	LOG_LEVEL_NOTICE = 5,  /* the fabric changed */
	LOG_LEVEL_INFO = 6,    /* a request */
	LOG_LEVEL_DEBUG = 7,   /* steps */
};

/* Lines above @level are dropped; LOG_LEVEL_NOTICE until called. Under journald each line carries
 * its level as "<N>", else a wall-clock time. @program stands before each line; borrowed, kept. */
void log_setup(const char *program, enum log_level level);
/* "err", "warning", "notice", "info", "debug"; -1 for anything else. */
int log_level_parse(const char *text);
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_err(...)     log_line(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...)  log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
